package config

import (
	"fmt"
	"slices"
	"strings"
)

// envPrefix begins the names of all variables.
const envPrefix = "HOLDFAST_"

// Lookup returns the value of a variable in a list like that of [os.Environ]; the last one counts.
func Lookup(environ []string) func(name string) string {
	return func(name string) string {
		for _, v := range slices.Backward(environ) {
			if value, found := strings.CutPrefix(v, name+"="); found {
				return value
			}
		}
		return ""
	}
}

// unknownVariables names the variables of ours that no setting has, with the known name that is
// nearest: a misspelt limit is no limit.
func unknownVariables(environ []string) []string {
	known := []string{envPrefix + "AUTH"} // of holdfast doctor
	for _, s := range settings() {
		known = append(known, s.env())
	}
	var unknown []string
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, envPrefix) && !slices.Contains(known, name) {
			unknown = append(unknown,
				fmt.Sprintf("unknown variable %.80s; the nearest is %s", name, nearest(name, known)))
		}
	}
	return unknown
}

func nearest(name string, known []string) string {
	return slices.MinFunc(known, func(a, b string) int { return distance(name, a) - distance(name, b) })
}

// distance is that of Levenshtein: how many letters to change, add or remove.
func distance(a, b string) int {
	a = a[:min(len(a), 80)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
