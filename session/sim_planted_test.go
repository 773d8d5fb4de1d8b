package session

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var simPlanted = flag.Bool("sim.planted", false,
	"put each bug of testdata/planted into a copy of the code, and let the simulation find it")

var foundAt = regexp.MustCompile(`seed (\d+): (.*)`)

// TestSimPlanted shows that the simulation finds bugs. Each patch in testdata/planted breaks one
// rule, and the simulation must find it within 5,000 seeds.
func TestSimPlanted(t *testing.T) {
	if !*simPlanted {
		t.Skip("takes minutes; run with -sim.planted")
	}
	patches, err := filepath.Glob("testdata/planted/*.patch")
	if err != nil || len(patches) < 5 {
		t.Fatalf("%d patches, want 5 at least; error %v", len(patches), err)
	}
	for _, p := range patches {
		t.Run(strings.TrimSuffix(filepath.Base(p), ".patch"), func(t *testing.T) {
			patch, err := filepath.Abs(p)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			for _, part := range []string{"session", "transport"} {
				if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join("..", part))); err != nil {
					t.Fatal(err)
				}
			}
			for _, part := range []string{"go.mod", "go.sum"} {
				text, err := os.ReadFile(filepath.Join("..", part))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, part), text, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if out, err := in(dir, "git", "apply", patch); err != nil {
				t.Fatalf("the patch does not apply to the code any more: %v\n%s", err, out)
			}
			out, err := in(dir, "go", "test", "./session", "-run", "^TestSim$", "-count=1", "-timeout=60m",
				"-sim.seeds=5000", "-sim.stop=1", "-sim.workers=1")
			found := foundAt.FindStringSubmatch(out)
			if err == nil || found == nil {
				t.Fatalf("the simulation did not find the bug: %v\n%s", err, out)
			}
			t.Logf("found at seed %s: %s", found[1], found[2])
		})
	}
}

func in(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}
