package config

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-rt/holdfast/server/gateway"
)

// load calls Load with a file of this text, if there is one, and with variables as NAME=value.
func load(t *testing.T, file string, env []string, args ...string) (Config, error) {
	t.Helper()
	if file != "" {
		args = append([]string{"-config", writeFile(t, file)}, args...)
	}
	return Load(args, env)
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "holdfast.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func standard() Config {
	return Config{
		Addr: "127.0.0.1:8080", LogLevel: slog.LevelInfo, Demo: DemoAuto, Doctor: true,
		MaxSessions: 1_000_000, MaxSessionsPerAddress: 1000, NewSessionsPerSecond: 100, MaxMessage: 1 << 20,
		MaxRetained: 1 << 30,
		JWT:         JWT{Leeway: 30 * time.Second},
	}
}

func TestDefaults(t *testing.T) {
	got, err := load(t, "", nil)
	if err != nil || !reflect.DeepEqual(got, standard()) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = load(t, "{}", nil); err != nil || !reflect.DeepEqual(got, standard()) {
		t.Errorf("with an empty file: %+v, %v", got, err)
	}
}

// samples has a value for each setting, and how it changes the defaults.
var samples = map[string]struct {
	text, file string
	want       func(*Config)
}{
	"addr":        {"[::1]:0", `"[::1]:0"`, func(c *Config) { c.Addr = "[::1]:0" }},
	"admin-addr":  {":9090", `":9090"`, func(c *Config) { c.AdminAddr = ":9090" }},
	"log-level":   {"debug", `"debug"`, func(c *Config) { c.LogLevel = slog.LevelDebug }},
	"demo":        {"off", `"off"`, func(c *Config) { c.Demo = DemoOff }},
	"doctor":      {"false", `false`, func(c *Config) { c.Doctor = false }},
	"conformance": {"true", `"true"`, func(c *Config) { c.Conformance = true }},
	"origins": {
		"https://a.example, https://*.b.example,", `["https://a.example","https://*.b.example"]`,
		func(c *Config) { c.Origins = []string{"https://a.example", "https://*.b.example"} },
	},
	"hosts": {
		"box.lan,*.lab.lan", `["box.lan","*.lab.lan"]`, func(c *Config) { c.Hosts = []string{"box.lan", "*.lab.lan"} },
	},
	"trusted-proxies": {
		"10.0.0.0/8,::1", `"10.0.0.0/8,::1"`,
		func(c *Config) { c.TrustedProxies = prefixes("10.0.0.0/8", "::1/128") },
	},
	"gateway": {
		"wss://b.example/ws", `"wss://b.example/ws"`, func(c *Config) { c.Gateway = "wss://b.example/ws" },
	},
	"gateway-headers": {
		"Cookie,X-User", `["Cookie","X-User"]`,
		func(c *Config) { c.GatewayHeaders = []string{"Cookie", "X-User"} },
	},
	"credentials": {"true", `true`, func(c *Config) { c.Credentials = true }},
	"gateway-identity": {
		"principal=X-User,address=X-Real-Ip", `["principal=X-User","address=X-Real-Ip"]`, func(c *Config) {
			c.GatewayIdentity = gateway.Identity{Principal: "X-User", Address: "X-Real-Ip"}
		},
	},
	"gateway-path-parameters":  {"true", `true`, func(c *Config) { c.GatewayPathParameters = true }},
	"max-sessions":             {"5", `5`, func(c *Config) { c.MaxSessions = 5 }},
	"max-sessions-per-address": {"6", `"6"`, func(c *Config) { c.MaxSessionsPerAddress = 6 }},
	"new-sessions-per-second":  {"7", `7`, func(c *Config) { c.NewSessionsPerSecond = 7 }},
	"max-message":              {"64KiB", `65536`, func(c *Config) { c.MaxMessage = 65536 }},
	"max-retained":             {"2GiB", `"2GiB"`, func(c *Config) { c.MaxRetained = 2 << 30 }},
	"jwt-keys":                 {"keys.json", `"keys.json"`, func(c *Config) { c.JWT.Keys = "keys.json" }},
	"jwt-audience": {
		"chat,chat-2", `["chat","chat-2"]`, func(c *Config) { c.JWT.Audience = []string{"chat", "chat-2"} },
	},
	"jwt-issuer": {
		"https://id.example", `"https://id.example"`, func(c *Config) { c.JWT.Issuer = "https://id.example" },
	},
	"strict-env": {"true", `true`, func(c *Config) { c.StrictEnv = true }},
	"jwt-leeway": {"1m", `"1m"`, func(c *Config) { c.JWT.Leeway = time.Minute }},
}

func prefixes(list ...string) (ps []netip.Prefix) {
	for _, s := range list {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

func TestEachSettingFromEachSource(t *testing.T) {
	for _, s := range settings() {
		if s.name == configSetting {
			continue
		}
		sample, ok := samples[s.name]
		if !ok {
			t.Errorf("no sample for %s", s.name)
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			want := standard()
			sample.want(&want)
			if reflect.DeepEqual(want, standard()) {
				t.Fatal("the sample is the default")
			}
			for source, vs := range map[string]func() (values, error){
				"flags": func() (values, error) { return readFlags([]string{"-" + s.name + "=" + sample.text}) },
				"env": func() (values, error) {
					name := "HOLDFAST_" + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
					return readEnv(func(n string) string {
						if n == name {
							return sample.text
						}
						return ""
					}), nil
				},
				"file": func() (values, error) {
					return readFile(writeFile(t, fmt.Sprintf("{%q: %s}", s.name, sample.file)))
				},
			} {
				got := standard()
				texts, err := vs()
				if errs := apply(&got, source, texts); err != nil || len(errs) > 0 {
					t.Errorf("%s: %v %v", source, err, errs)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s: %+v", source, got)
				}
			}
		})
	}
}

func TestEachFieldHasASetting(t *testing.T) {
	all := standard()
	for _, sample := range samples {
		sample.want(&all)
	}
	var unset func(prefix string, got, def reflect.Value)
	unset = func(prefix string, got, def reflect.Value) {
		for i := range got.NumField() {
			name := prefix + got.Type().Field(i).Name
			// Unknown is found, not set; Session is set as the others.
			if name == "Unknown" || name == "GatewayConfig.GatewayIdentity.Session" {
				continue
			}
			if g := got.Field(i); g.Kind() == reflect.Struct {
				unset(name+".", g, def.Field(i))
			} else if reflect.DeepEqual(g.Interface(), def.Field(i).Interface()) {
				t.Errorf("%s: no setting changes it", name)
			}
		}
	}
	unset("", reflect.ValueOf(all), reflect.ValueOf(standard()))
}

func TestPrecedence(t *testing.T) {
	const file = `{"max-sessions": 2, "origins": ["https://file.example"]}`
	env := []string{"HOLDFAST_MAX_SESSIONS=3", "HOLDFAST_ORIGINS=https://env.example"}
	tests := []struct {
		name    string
		file    string
		env     []string
		args    []string
		n       int
		origins string
	}{
		{"default", "", nil, nil, 1_000_000, ""},
		{"file", file, nil, nil, 2, "https://file.example"},
		{"env over file", file, env, nil, 3, "https://env.example"},
		{
			"flag over all", file, env,
			[]string{"-max-sessions", "4", "-origins", "https://flag.example"},
			4,
			"https://flag.example",
		},
		{
			"empty variable is none", file,
			[]string{"HOLDFAST_MAX_SESSIONS=", "HOLDFAST_ORIGINS="},
			nil, 2,
			"https://file.example",
		},
		{"empty flag empties a list", file, env, []string{"-origins="}, 3, ""},
		{
			"flag default value over file", file, nil,
			[]string{"-max-sessions", "1000000"},
			1_000_000, "https://file.example",
		},
		{"last flag counts", "", nil, []string{"-max-sessions", "4", "--max-sessions=5"}, 5, ""},
		{
			"lists add up within the flags", "", env,
			[]string{"-origins", "https://a.example", "-origins", "https://b.example"},
			3,
			"https://a.example https://b.example",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.file, tt.env, tt.args...)
			if err != nil || c.MaxSessions != tt.n || strings.Join(c.Origins, " ") != tt.origins {
				t.Errorf("%d %v %v", c.MaxSessions, c.Origins, err)
			}
		})
	}
}

func TestConfigFileByVariable(t *testing.T) {
	a, b := writeFile(t, `{"max-sessions": 2}`), writeFile(t, `{"max-sessions": 3}`)
	if c, err := load(t, "", []string{"HOLDFAST_CONFIG=" + a}); err != nil || c.MaxSessions != 2 {
		t.Errorf("%d %v", c.MaxSessions, err)
	}
	if c, err := load(t, "", []string{"HOLDFAST_CONFIG=" + a}, "-config", b); err != nil || c.MaxSessions != 3 {
		t.Errorf("flag over variable: %d %v", c.MaxSessions, err)
	}
	if c, err := load(t, "", []string{"HOLDFAST_CONFIG=" + a}, "-config="); err != nil || c.MaxSessions != 1_000_000 {
		t.Errorf("no file after all: %d %v", c.MaxSessions, err)
	}
}

func TestSampleFile(t *testing.T) {
	file := map[string]json.RawMessage{}
	for name, s := range samples {
		file[name] = json.RawMessage(s.file)
	}
	text, err := json.MarshalIndent(file, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	want := standard()
	for _, s := range samples {
		s.want(&want)
	}
	got, err := load(t, "\ufeff"+string(text)+"\r\n", nil)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDemoAndLoopback(t *testing.T) {
	tests := []struct {
		addr          string
		loopback      bool
		auto, on, off bool
	}{
		{addr: "127.0.0.1:8080", loopback: true, auto: true, on: true},
		{addr: "127.9.9.9:0", loopback: true, auto: true, on: true},
		{addr: "[::1]:8080", loopback: true, auto: true, on: true},
		{addr: "[::ffff:127.0.0.1]:8080", loopback: true, auto: true, on: true},
		{addr: "localhost:8080", loopback: true, auto: true, on: true},
		{addr: ":8080", on: true},
		{addr: "0.0.0.0:8080", on: true},
		{addr: "[::]:8080", on: true},
		{addr: "192.0.2.1:8080", on: true},
		{addr: "localhost.example:8080", on: true},
	}
	for _, tt := range tests {
		for demo, want := range map[Demo]bool{DemoAuto: tt.auto, DemoOn: tt.on, DemoOff: tt.off} {
			c, err := load(t, "", nil, "-addr", tt.addr, "-demo", string(demo))
			if err != nil || c.Loopback() != tt.loopback || c.ServeDemo() != want {
				t.Errorf("%s, demo %s: loopback %t, served %t, %v", tt.addr, demo, c.Loopback(), c.ServeDemo(), err)
			}
		}
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"-help"}, {"--help"}, {"-h"}, {"-addr", ":1", "-help"}} {
		if _, err := load(t, "", nil, args...); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("%v: %v", args, err)
		}
	}
	var b strings.Builder
	if err := WriteHelp(&b); err != nil {
		t.Fatal(err)
	}
	for _, s := range settings() {
		if !strings.Contains(b.String(), "\n  -"+s.name+" "+s.arg+" ") || !strings.Contains(b.String(), s.usage) ||
			s.usage == "" {
			t.Errorf("%s is not explained", s.name)
		}
		if s.def != "" && !strings.Contains(b.String(), s.usage+" ("+s.def+")\n") {
			t.Errorf("the default of %s is not told", s.name)
		}
	}
	for line := range strings.Lines(b.String()) {
		if len(line) > 121 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	if err := WriteHelp(brokenWriter{}); err == nil {
		t.Error("a failed write is not told")
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }
