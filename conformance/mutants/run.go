package mutants

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// lab has the programs, built with all mutants in them.
type lab struct {
	root, folder string
	env          []string
}

// Verdict is what became of a mutant.
type Verdict struct {
	Mutant
	Killed bool
	By     string // the case, and what it saw
	Took   time.Duration
	Err    error // the suite could not judge it
}

// build builds the suite, the server and the Go adapter, the last two with their mutants in them.
func build(ctx context.Context, root, folder string, all []Mutant) (*lab, error) {
	l := &lab{root, folder, os.Environ()}
	for _, b := range []struct{ of, pkg string }{
		{"", "./conformance/cmd/holdfast-conformance"},
		{"server", "./server/cmd/holdfast"},
		{"go", "./conformance/adapters/go"},
	} {
		args := []string{"build", "-o", filepath.Join(folder, "program-"+b.of)}
		if b.of != "" {
			own := filepath.Join(folder, b.of)
			if err := os.MkdirAll(own, 0o700); err != nil {
				return nil, err
			}
			file, err := overlay(root, own, slices.DeleteFunc(slices.Clone(all), func(m Mutant) bool {
				return m.Of != b.of
			}))
			if err != nil {
				return nil, err
			}
			args = append(args, "-overlay", file)
		}
		cmd := exec.CommandContext(ctx, "go", append(args, b.pkg)...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building %s with its mutants: %w\n%s", b.pkg, err, out)
		}
	}
	return l, nil
}

// judge lets the suite judge a mutant by the cases of a pattern; without a mutant's ID it judges
// the intact program.
func (l *lab) judge(ctx context.Context, m Mutant, pattern string) Verdict {
	v := Verdict{Mutant: m}
	start := time.Now()
	v.Killed, v.By, v.Err = l.suite(ctx, m, pattern)
	v.Took = time.Since(start)
	return v
}

func (l *lab) suite(ctx context.Context, m Mutant, pattern string) (failed bool, by string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	env := append(slices.Clone(l.env), "HOLDFAST_MUTANT="+m.ID)
	args := []string{"client", "-json", "-failfast", "-run", pattern, "--"}
	switch m.Of {
	case "server":
		url, stop, err := l.serve(ctx, env)
		if err != nil {
			return false, "", err
		}
		defer stop()
		args = []string{"server", "-json", "-failfast", "-run", pattern, url}
	case "go":
		args = append(args, filepath.Join(l.folder, "program-go"))
	case "js":
		bundle, err := l.bundle(m)
		if err != nil {
			return false, "", err
		}
		env = append(env, "HOLDFAST_BUNDLE="+bundle)
		args = append(args, "node", filepath.Join(l.root, "conformance/adapters/js/node.mjs"))
	}
	cmd := exec.CommandContext(ctx, filepath.Join(l.folder, "program-"), args...)
	cmd.Env = env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false, "", nil
	case !errors.As(err, &exit) || exit.ExitCode() != 1:
		return false, "", fmt.Errorf("%w\n%s", err, stderr.String())
	}
	by, err = blamed(out)
	return true, by, err
}

// blamed finds the case that failed.
func blamed(out []byte) (string, error) {
	var report struct {
		Results []struct{ Case, Status, Message string }
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return "", err
	}
	for _, r := range report.Results {
		if r.Status == "failed" {
			line, _, _ := strings.Cut(r.Message, "\n")
			return r.Case + ": " + line, nil
		}
	}
	return "", errors.New("the suite failed and no case did")
}

// serve starts a server on a port of its own.
func (l *lab) serve(ctx context.Context, env []string) (url string, stop func(), err error) {
	cmd := exec.CommandContext(ctx, filepath.Join(l.folder, "program-server"), "-conformance", "-addr", "127.0.0.1:0")
	cmd.Env = env
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	in := bufio.NewScanner(out)
	for in.Scan() {
		if after, ok := strings.CutPrefix(in.Text(), "Endpoint:"); ok {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return strings.TrimSpace(after), stop, nil
		}
	}
	stop()
	return "", nil, errors.New("the server did not start")
}

// bundle writes the JavaScript client with a mutant in it.
func (l *lab) bundle(m Mutant) (string, error) {
	name := filepath.Join(l.root, "clientjs/dist/holdfast.mjs")
	original, err := os.ReadFile(name)
	if err != nil || m.ID == "" {
		return name, err
	}
	text, err := m.edit(string(original), string(original))
	if err != nil {
		return "", err
	}
	to := filepath.Join(l.folder, m.ID+".mjs")
	return to, os.WriteFile(to, []byte(text), 0o600)
}

// Run judges all mutants, several at a time, after it has checked that the intact programs pass. It
// reports each verdict as it comes. It returns how many mutants the suite found, and how many it
// did not.
func Run(ctx context.Context, root string, all []Mutant, parallel int, report func(Verdict)) (killed, survived int,
	err error,
) {
	folder, err := os.MkdirTemp("", "holdfast-mutants-")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(folder)
	l, err := build(ctx, root, folder, all)
	if err != nil {
		return 0, 0, err
	}
	if err := l.intact(ctx, all); err != nil {
		return 0, 0, err
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, m := range all {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			v := l.judge(ctx, m, "^"+m.Requirement+"$")
			mu.Lock()
			defer mu.Unlock()
			if v.Killed && v.Err == nil {
				killed++
			} else {
				survived++
			}
			report(v)
		})
	}
	group.Wait()
	return killed, survived, nil
}

// intact checks that the same builds pass the same cases when no mutant is switched on.
func (l *lab) intact(ctx context.Context, all []Mutant) error {
	patterns := map[string][]string{}
	for _, m := range all {
		if !slices.Contains(patterns[m.Of], m.Requirement) {
			patterns[m.Of] = append(patterns[m.Of], m.Requirement)
		}
	}
	var mu sync.Mutex
	var programs sync.WaitGroup
	var wrong []error
	for of, list := range patterns {
		programs.Go(func() {
			if v := l.judge(ctx, Mutant{Of: of}, "^("+strings.Join(list, "|")+")$"); v.Err != nil || v.Killed {
				mu.Lock()
				defer mu.Unlock()
				wrong = append(wrong, fmt.Errorf("intact, %s does not pass: %s %w", of, v.By, v.Err))
			}
		})
	}
	programs.Wait()
	return errors.Join(wrong...)
}
