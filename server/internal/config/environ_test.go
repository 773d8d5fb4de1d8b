package config

import (
	"strings"
	"testing"
)

// TestUnknownVariables: a misspelt variable is warned of with the right name, and is an error where
// the operator says so.
func TestUnknownVariables(t *testing.T) {
	env := []string{
		"PATH=/bin", "HOLDFAST_LOG_LEVEL=debug", "HOLDFAST_AUTH=x", "HOLDFAST_ADRR=:80", "HOLDFAST_MAX_SESSION=",
		"HOLDFAST_PORT=tcp://10.0.0.1:80", "HOLDFAST_log_level=error", "HOLDFAST_" + strings.Repeat("X", 500) + "=",
	}
	c, err := load(t, "", env)
	if err != nil || len(c.Unknown) != 5 {
		t.Fatalf("%q, %v", c.Unknown, err)
	}
	for i, want := range []string{
		`HOLDFAST_ADRR; the nearest is HOLDFAST_ADDR`, `HOLDFAST_MAX_SESSION; the nearest is HOLDFAST_MAX_SESSIONS`,
		"HOLDFAST_PORT", "HOLDFAST_log_level", "HOLDFAST_XXX",
	} {
		if !strings.Contains(c.Unknown[i], want) || len(c.Unknown[i]) > 200 {
			t.Errorf("%q, want %q", c.Unknown[i], want)
		}
	}
	for _, strict := range []string{"-strict-env", "HOLDFAST_STRICT_ENV=true"} {
		args, vars := []string{strict}, env
		if strict[0] != '-' {
			args, vars = nil, append(env, strict)
		}
		if _, err := load(t, "", vars, args...); err == nil || !strings.Contains(err.Error(), "HOLDFAST_ADDR") {
			t.Errorf("%s: %v", strict, err)
		}
	}
	if _, err := load(t, "", env[:3], "-strict-env"); err != nil {
		t.Error(err)
	}
}

func TestDistance(t *testing.T) {
	for pair, want := range map[string]int{
		" ": 0, "a ": 1, " ab": 2, "abc abc": 0, "abc acb": 2, "kitten sitting": 3, "ab b": 1, "b ab": 1,
	} {
		if a, b, _ := strings.Cut(pair, " "); distance(a, b) != want {
			t.Errorf("%q: %d", pair, distance(a, b))
		}
	}
}
