package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// one makes a case of a run.
func one(id string, run func(*T)) Case {
	return Case{
		ID: id, Requirements: []string{"HF1-BAT-01", "HF1-BAT-02"}, Sentence: "It must be so.", Profile: Core,
		Role: Server, Run: run,
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cleaned := 0
		set := Set{
			one("a/passes", func(t *T) { t.Cleanup(func() { cleaned++ }) }),
			one("a/fails", func(t *T) { t.Logf("seen"); t.Fatalf("saw %d", 7) }),
			one("a/breaks", func(t *T) { t.Break("HF1-NUM-01", "number") }),
			one("a/skips", func(t *T) { t.Skipf("not here") }),
			one("a/panics", func(*T) { panic("oh") }),
			one("a/waits", func(t *T) { t.Sleep(time.Hour) }),
			one("a/hangs", func(*T) { time.Sleep(time.Minute) }), // does not look at the context
		}
		start := time.Now()
		got := Run(t.Context(), set, Options{})
		if took := time.Since(start); took > DefaultLimit+3*time.Second {
			t.Errorf("it took %v", took)
		}
		for i, want := range []Result{
			{Status: Passed},
			{Status: Failed, Requirement: "HF1-BAT-01", Message: "saw 7"},
			{Status: Failed, Requirement: "HF1-NUM-01", Message: "number"},
			{Status: Skipped, Message: "not here"},
			{Status: Failed, Requirement: "HF1-BAT-01", Message: "the suite panicked: oh"},
			{Status: Failed, Requirement: "HF1-BAT-01", Message: "the case's time is over"},
			{Status: Failed, Requirement: "HF1-BAT-01", Message: "the case did not end in its time"},
		} {
			r := got[i]
			if r.Status != want.Status || r.Requirement != want.Requirement ||
				!strings.HasPrefix(r.Message, want.Message) {
				t.Errorf("%s: %s %s %q", r.Case.ID, r.Status, r.Requirement, r.Message)
			}
		}
		if len(got[1].Log) != 1 || cleaned != 1 {
			t.Errorf("log %q, cleaned %d", got[1].Log, cleaned)
		}
		time.Sleep(time.Hour) // virtual time, in which the case that hangs comes to its end
	})
}

func TestStrictAndFailFast(t *testing.T) {
	set := Set{one("a/skips", func(t *T) { t.Skipf("not here") }), one("b/never", func(t *T) { <-t.Context().Done() })}
	got := Run(t.Context(), set, Options{Strict: true, FailFast: true})
	if len(got) != 1 || got[0].Status != Failed {
		t.Errorf("%+v", got)
	}
}

func TestSeed(t *testing.T) {
	draw := func(seed uint64) (n uint64) {
		Run(t.Context(), Set{one("a/draws", func(t *T) { n = t.Rand.Uint64() })}, Options{Seed: seed})
		return n
	}
	if once, again := draw(1), draw(1); once != again || once == draw(2) {
		t.Error("the seed does not make the choices")
	}
}

func TestSelect(t *testing.T) {
	poll := one("b/poll", func(*T) {})
	poll.Profile, poll.Requirements = Poll, []string{"HF1-POL-01"}
	set := Set{one("a/core", func(*T) {}), poll}
	for _, x := range []struct {
		profiles []string
		pattern  string
		want     int
	}{
		{nil, "", 2},
		{[]string{WS}, "", 1},
		{[]string{Core, Poll}, "", 2},
		{nil, "^b/", 1},
		{nil, "POL-01", 1},
		{nil, "nothing", -1},
		{[]string{WS}, "^b/", -1},
		{[]string{"carrier-pigeon"}, "", -1},
		{nil, "(", -1},
	} {
		got, err := set.Select(x.profiles, x.pattern)
		if n := len(got); x.want < 0 && err == nil || x.want >= 0 && (err != nil || n != x.want) {
			t.Errorf("%v %q: %d, %v", x.profiles, x.pattern, n, err)
		}
	}
}

func TestCheck(t *testing.T) {
	good := one("a/b", func(*T) {})
	for name, bad := range map[string]func(c *Case){
		"ID":          func(c *Case) { c.ID = "a" },
		"requirement": func(c *Case) { c.Requirements = []string{"BAT-01"} },
		"none":        func(c *Case) { c.Requirements = nil },
		"sentence":    func(c *Case) { c.Sentence = "" },
		"profile":     func(c *Case) { c.Profile = "x" },
		"run":         func(c *Case) { c.Run = nil },
	} {
		c := good
		bad(&c)
		if (Set{c}).Check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if (Set{good, good}).Check() == nil || (Set{good}).Check() != nil {
		t.Error("twice the same is an error, and once is not")
	}
}

func TestMainWrites(t *testing.T) {
	set := Set{
		one("a/passes", func(*T) {}),
		one("a/fails", func(t *T) { t.Logf("← <html>"); t.Fatalf("saw <that>") }),
		one("a/skips", func(t *T) { t.Skipf("not here") }),
	}
	report := filepath.Join(t.TempDir(), "junit.xml")
	target := func() (any, error) { return nil, nil }
	var out, errs bytes.Buffer
	code := Main(t.Context(), "test", set, &Flags{JSON: true, JUnit: report}, target, &out, &errs)
	var got struct {
		Passed, Failed, Skipped int
		Results                 []struct{ Case, Status, Broken, Message string }
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || code != ExitFailed || got.Failed != 1 ||
		got.Skipped != 1 || got.Results[1].Broken != "HF1-BAT-01" {
		t.Errorf("%d, %v: %s", code, err, out.Bytes())
	}
	if last := lastLine(errs.String()); last != "test: 1 passed, 1 failed" {
		t.Errorf("the last line is %q", last)
	}
	data, err := os.ReadFile(report)
	var junit struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
	}
	if err := errors.Join(err, xml.Unmarshal(data, &junit)); err != nil || junit.Tests != 3 || junit.Failures != 1 {
		t.Errorf("%v: %s", err, data)
	}
}

func TestMainCodes(t *testing.T) {
	passes := Set{one("a/passes", func(*T) {})}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, x := range map[string]struct {
		ctx    context.Context
		set    Set
		flags  Flags
		target error
		want   int
	}{
		"passes":   {t.Context(), passes, Flags{}, nil, ExitPassed},
		"list":     {t.Context(), passes, Flags{List: true}, errors.New("not asked"), ExitPassed},
		"no match": {t.Context(), passes, Flags{Pattern: "x"}, nil, ExitUsage},
		"profile":  {t.Context(), passes, Flags{Profile: "x"}, nil, ExitUsage},
		"target":   {t.Context(), passes, Flags{}, errors.New("no server there"), ExitUsage},
		"bad set":  {t.Context(), Set{{}}, Flags{}, nil, ExitUsage},
		"ended":    {ended, passes, Flags{}, nil, ExitFailed},
		"report":   {t.Context(), passes, Flags{JUnit: "/nowhere/at/all"}, nil, ExitUsage},
	} {
		var out, errs bytes.Buffer
		if got := Main(x.ctx, "test", x.set, &x.flags, func() (any, error) {
			return nil, x.target
		}, &out, &errs); got != x.want {
			t.Errorf("%s: %d, not %d: %s%s", name, got, x.want, out.String(), errs.String())
		}
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
