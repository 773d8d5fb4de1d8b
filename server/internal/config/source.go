package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// values are the texts of one source, by the name of the setting. A setting that is missing was not
// set.
type values map[string][]string

// The sources as errors name them; a file is named by its path.
const (
	sourceEnv   = "environment"
	sourceFlags = "flags"
)

// apply sets the values of a source over the values before. Each error is one line that names the
// place.
func apply(c *Config, source string, vs values) []error {
	var errs []error
	for _, s := range settings() {
		texts, mentioned := vs[s.name]
		if !mentioned || s.set == nil {
			continue
		}
		if err := s.set(c, texts); err != nil {
			where := source + ": " + s.name
			switch source {
			case sourceEnv:
				where = s.env()
			case sourceFlags:
				where = "-" + s.name
			}
			errs = append(errs, fmt.Errorf("%s: %w", where, err))
		}
	}
	return errs
}

func defaults() values {
	vs := values{}
	for _, s := range settings() {
		if !s.list {
			vs[s.name] = []string{s.def}
		}
	}
	return vs
}

func last(vs values, name string) string {
	if texts := vs[name]; len(texts) > 0 {
		return texts[len(texts)-1]
	}
	return ""
}

// split splits a list at its commas; an empty text is an empty list.
func (s setting) split(text string) []string {
	if !s.list {
		return []string{text}
	}
	var list []string
	for v := range strings.SplitSeq(text, ",") {
		if v = strings.TrimSpace(v); v != "" {
			list = append(list, v)
		}
	}
	return list
}

// readFlags reads the command line. The values of a list may be in several flags; for other
// settings the last flag counts.
func readFlags(args []string) (values, error) {
	vs := values{}
	fs := flag.NewFlagSet("holdfast", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // the caller prints
	for _, s := range settings() {
		add := fs.Func
		if s.toggle {
			add = fs.BoolFunc
		}
		add(s.name, s.usage, func(text string) error {
			if list := s.split(text); s.list {
				vs[s.name] = append(vs[s.name], list...)
			} else {
				vs[s.name] = list
			}
			return nil
		})
	}
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil, err
	} else if err != nil {
		return nil, fmt.Errorf("%w (-help lists the flags)", err)
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q (-help lists the flags)", fs.Arg(0))
	}
	return vs, nil
}

// readEnv reads the variables. An empty variable counts as not set.
func readEnv(env func(string) string) values {
	vs := values{}
	for _, s := range settings() {
		if text := env(s.env()); text != "" {
			vs[s.name] = s.split(text)
		}
	}
	return vs
}

// readFile reads a JSON object of settings. It is strict, because a misspelt limit is no limit:
// unknown and repeated keys are errors. On an error it returns the values that it could read, so
// that all mistakes are reported together.
func readFile(path string) (values, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, fmt.Errorf("-config: %w", err)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // some editors write it before UTF-8
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return nil, fmt.Errorf("%s%s: %w", path, position(data, err), err)
	}
	if whole == nil {
		return nil, fmt.Errorf("%s: not a JSON object", path)
	}

	vs := values{}
	var errs []error
	table := settings()
	dec := json.NewDecoder(bytes.NewReader(data)) // the map has lost repeated keys
	_, _ = dec.Token()                            // {
	for dec.More() {
		token, _ := dec.Token()
		key, _ := token.(string)
		var raw json.RawMessage
		_ = dec.Decode(&raw) // it is known to be valid
		i := slices.IndexFunc(table, func(s setting) bool { return s.name == key && s.set != nil })
		if i < 0 {
			errs = append(errs, fmt.Errorf("%s: unknown setting %q", path, key))
			continue
		}
		if _, twice := vs[key]; twice {
			errs = append(errs, fmt.Errorf("%s: %s: set twice", path, key))
		}
		if vs[key], err = table[i].texts(raw); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", path, key, err))
			delete(vs, key)
		}
	}
	return vs, errors.Join(errs...)
}

// texts turns a JSON value into the texts that a flag would have.
func (s setting) texts(raw json.RawMessage) ([]string, error) {
	var text string
	var list []string
	switch raw[0] {
	case '"':
		err := json.Unmarshal(raw, &text)
		return s.split(text), err
	case '[':
		if err := json.Unmarshal(raw, &list); s.list && err == nil && !bytes.Contains(raw, []byte("null")) {
			return list, nil
		}
		if s.list {
			return nil, errors.New("not an array of strings")
		}
		return nil, errors.New("an array, where there is one value")
	case '{', 'n':
		return nil, errors.New("neither a string nor a number")
	}
	return s.split(string(raw)), nil // a number, true, false
}

// position returns the place of a JSON error in a file, as :line:column.
func position(data []byte, err error) string {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return ""
	}
	before := data[:min(int(syntax.Offset), len(data))]
	line := 1 + bytes.Count(before, []byte("\n"))
	return fmt.Sprintf(":%d:%d", line, len(before)-bytes.LastIndexByte(before, '\n')-1)
}
