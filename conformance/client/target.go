package client

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/holdfast-rt/holdfast/conformance/trace"
)

// Target is the client under test.
type Target struct {
	*Process
	// Command starts the adapter; cases that stop one start their own.
	Command, Env []string
	// Server is the URL of a real server with the applications of docs/conformance.md, "" for the
	// suite's own.
	Server string
	// Trace, if it is set, gets the traces of the runs in which the suite told the client nothing
	// untrue.
	Trace *trace.Recorder

	// Sweep is how many bytes lie between the cuts of a sweep; 0 lets each sweep make a few random
	// ones.
	Sweep int64

	stderr io.Writer
}

// NewTarget starts the adapter.
func NewTarget(ctx context.Context, command, env []string, server string, stderr io.Writer) (*Target, error) {
	p, err := Start(ctx, command, env, stderr)
	if err != nil {
		return nil, err
	}
	return &Target{Process: p, Command: command, Env: env, Server: server, stderr: stderr}, nil
}

// Has reports whether the client has a transport.
func (t *Target) Has(transport string) bool { return slices.Contains(t.Transports, transport) }

// StartAnother starts the adapter once more, for a case that stops it.
func (t *Target) StartAnother(ctx context.Context) (*Process, error) {
	return Start(ctx, t.Command, t.Env, t.stderr)
}

// Signal sends a signal to the adapter and all its child processes: a browser has several.
func (p *Process) Signal(sig syscall.Signal) {
	for _, pid := range family(p.cmd.Process.Pid) {
		_ = syscall.Kill(pid, sig)
	}
}

func family(root int) []int {
	parents := map[int]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if len(fields) > 1 {
			parents[pid], _ = strconv.Atoi(fields[1])
		}
	}
	out := []int{root}
	for i := 0; i < len(out); i++ {
		for pid, parent := range parents {
			if parent == out[i] {
				out = append(out, pid)
			}
		}
	}
	return out
}
