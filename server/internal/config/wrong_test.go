package config

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestWrong(t *testing.T) {
	jwtSet := []string{"-jwt-keys", "k", "-jwt-audience", "a", "-jwt-issuer", "i"}
	tests := []struct {
		name string
		file string
		env  []string
		args []string
		want []string // a part of each line, in order
	}{
		{"unknown flag", "", nil, []string{"-colour", "red"}, []string{"not defined: -colour (-help"}},
		{"flag without value", "", nil, []string{"-addr"}, []string{"needs an argument: -addr"}},
		{"flag syntax", "", nil, []string{"---addr=x"}, []string{"bad flag syntax"}},
		{"argument", "", nil, []string{"start"}, []string{`unexpected argument "start"`}},
		{"argument after --", "", nil, []string{"--", "-addr"}, []string{`unexpected argument "-addr"`}},

		{"addr without port", "", nil, []string{"-addr", "localhost"}, []string{`-addr: "localhost" is not HOST:PORT`}},
		{"addr empty", "", nil, []string{"-addr="}, []string{`-addr: "" is not`}},
		{"host with a port", "", nil, []string{"-hosts", "a.lan:80"}, []string{`-hosts: "a.lan:80" is not the name`}},
		{"addr port too high", "", nil, []string{"-addr", ":65536"}, []string{`-addr: ":65536"`}},
		{"addr port a name", "", nil, []string{"-addr", ":http"}, []string{`-addr: ":http"`}},
		{"addr URL", "", nil, []string{"-addr", "http://localhost:80"}, []string{`-addr:`}},
		{"admin-addr", "", nil, []string{"-admin-addr", "9090"}, []string{`-admin-addr: "9090"`}},
		{
			"admin-addr is addr", "", nil,
			[]string{"-admin-addr", "127.0.0.1:8080"},
			[]string{"addr and admin-addr are both 127.0.0.1:8080"},
		},
		{"gateway", "", nil, []string{"-gateway", "http://b.example"}, []string{"-gateway: Target is not ws://"}},
		{
			"gateway query", "", nil,
			[]string{"-gateway", "ws://b.example/?a"},
			[]string{"-gateway: Target has a user, a query"},
		},
		{
			"gateway headers", "", nil,
			[]string{"-gateway", "ws://b.example/", "-gateway-headers", "Upgrade"},
			[]string{`-gateway-headers: the header "Upgrade"`},
		},
		{
			"gateway headers alone", "", nil,
			[]string{"-gateway-headers", "Cookie"},
			[]string{"gateway-headers go nowhere without gateway"},
		},
		{
			"log-level", "", nil,
			[]string{"-log-level", "loud"},
			[]string{`-log-level: "loud" is not one of debug, info, warn, error`},
		},
		{"demo", "", []string{"HOLDFAST_DEMO=yes"}, nil, []string{`HOLDFAST_DEMO: "yes" is not one of auto, on, off`}},
		{
			"origins", "", nil,
			[]string{"-origins", "https://good.example,*"},
			[]string{`-origins: "*" would let every site in`},
		},
		{
			"origins with path", "",
			[]string{"HOLDFAST_ORIGINS=https://good.example/"},
			nil,
			[]string{`HOLDFAST_ORIGINS: "https://good.example/"`},
		},
		{
			"trusted-proxies", `{"trusted-proxies": ["proxy.example"]}`, nil, nil,
			[]string{`holdfast.json: trusted-proxies: "proxy.example" is neither`},
		},
		{
			"max-sessions zero", "", nil,
			[]string{"-max-sessions", "0"},
			[]string{`-max-sessions: "0" is not a whole number of 1 to`},
		},
		{"max-sessions negative", "", nil, []string{"-max-sessions", "-1"}, []string{`-max-sessions: "-1"`}},
		{"max-sessions words", "", nil, []string{"-max-sessions", "many"}, []string{`-max-sessions: "many"`}},
		{"max-sessions fraction", `{"max-sessions": 1.5}`, nil, nil, []string{`holdfast.json: max-sessions: "1.5"`}},
		{
			"max-sessions-per-address", "", nil,
			[]string{"-max-sessions-per-address", "1e3"},
			[]string{`-max-sessions-per-address: "1e3"`},
		},
		{
			"max-message small", "", nil,
			[]string{"-max-message", "1023"},
			[]string{`-max-message: "1023" is not a size of 1KiB to 16MiB`},
		},
		{"max-message large", "", nil, []string{"-max-message", "17MiB"}, []string{`-max-message: "17MiB"`}},
		{
			"max-message overflows", "", nil,
			[]string{"-max-message", "9223372036854775807GiB"},
			[]string{`-max-message:`},
		},
		{"max-message unit", "", nil, []string{"-max-message", "1MB"}, []string{`-max-message: "1MB"`}},
		{"max-message unit alone", "", nil, []string{"-max-message", "MiB"}, []string{`-max-message: "MiB"`}},
		{"max-message negative", "", nil, []string{"-max-message", "-1MiB"}, []string{`-max-message: "-1MiB"`}},
		{
			"max-retained", "", nil,
			[]string{"-max-retained", "1KiB"},
			[]string{`-max-retained: "1KiB" is not a size of 1MiB to 1024GiB`},
		},

		{
			"jwt leeway", "", nil, append(jwtSet, "-jwt-leeway", "6m"),
			[]string{`-jwt-leeway: "6m" is not a time of 0s to 5m0s`},
		},
		{"jwt leeway negative", "", nil, append(jwtSet, "-jwt-leeway", "-1s"), []string{`-jwt-leeway: "-1s"`}},
		{"jwt leeway without unit", "", nil, append(jwtSet, "-jwt-leeway", "30"), []string{`-jwt-leeway: "30"`}},
		{
			"jwt keys alone", "", nil,
			[]string{"-jwt-keys", "k"},
			[]string{"jwt-keys needs jwt-audience", "jwt-keys needs jwt-issuer"},
		},
		{
			"jwt no audience", "", nil,
			[]string{"-jwt-keys", "k", "-jwt-issuer", "i"},
			[]string{"jwt-keys needs jwt-audience"},
		},
		{
			"jwt no issuer", "", nil,
			[]string{"-jwt-keys", "k", "-jwt-audience", "a"},
			[]string{"jwt-keys needs jwt-issuer"},
		},
		{"jwt no keys, audience", "", nil, []string{"-jwt-audience", "a"}, []string{"check nothing without jwt-keys"}},
		{"jwt no keys, issuer", "", nil, []string{"-jwt-issuer", "i"}, []string{"check nothing without jwt-keys"}},
		{
			"jwt any audience among others", "", nil, append(jwtSet, "-jwt-audience", "*"),
			[]string{"jwt-audience: * leaves no room"},
		},

		{
			"file unknown key", `{"colour": "red", "addr": ":1"}`, nil, nil,
			[]string{`holdfast.json: unknown setting "colour"`},
		},
		{"file key in capitals", `{"Addr": ":1"}`, nil, nil, []string{`unknown setting "Addr"`}},
		{"file names a file", `{"config": "other.json"}`, nil, nil, []string{`unknown setting "config"`}},
		{"file key twice", `{"addr": ":1", "addr": ":2"}`, nil, nil, []string{"addr: set twice"}},
		{"file null", `{"addr": null}`, nil, nil, []string{"addr: neither a string nor a number"}},
		{"file object", `{"addr": {"host": "x"}}`, nil, nil, []string{"addr: neither a string nor a number"}},
		{"file array for one", `{"addr": [":1"]}`, nil, nil, []string{"addr: an array, where there is one value"}},
		{"file array of numbers", `{"origins": [1]}`, nil, nil, []string{"origins: not an array of strings"}},
		{
			"file array with null", `{"origins": ["https://a.example", null]}`, nil, nil,
			[]string{"origins: not an array of strings"},
		},
		{
			"file array nested", `{"origins": [["https://a.example"]]}`, nil, nil,
			[]string{"origins: not an array of strings"},
		},
		{"file boolean", `{"demo": true}`, nil, nil, []string{`demo: "true" is not one of auto, on, off`}},
		{
			"file syntax", "{\n  \"addr\": \":1\",\n  oops\n}", nil, nil,
			[]string{"holdfast.json:3:3: invalid character 'o'"},
		},
		{"file cut", `{"addr": `, nil, nil, []string{"unexpected end of JSON input"}},
		{"file array", `[]`, nil, nil, []string{"holdfast.json: json: cannot unmarshal array"}},
		{"file null alone", `null`, nil, nil, []string{"holdfast.json: not a JSON object"}},
		{"file trailing", `{} {}`, nil, nil, []string{"holdfast.json:1:4: invalid character '{' after"}},
		{"file comment", "// hello\n{}", nil, nil, []string{"holdfast.json:1:1: invalid character '/'"}},
		{"file huge", strings.Repeat(" ", maxFile+1), nil, nil, []string{"holdfast.json: above 1 MiB"}},

		{
			"all at once", `{"colour": 1, "demo": "no"}`,
			[]string{"HOLDFAST_LOG_LEVEL=loud"},
			[]string{"-max-sessions", "x"},
			[]string{`unknown setting "colour"`, "holdfast.json: demo:", "HOLDFAST_LOG_LEVEL:", "-max-sessions:"},
		},
		{"overridden but wrong", `{"demo": "no"}`, nil, []string{"-demo", "on"}, []string{"holdfast.json: demo:"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.file, tt.env, tt.args...)
			if err == nil {
				t.Fatalf("no error: %+v", c)
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(tt.want) {
				t.Fatalf("%d lines, want %d:\n%v", len(lines), len(tt.want), err)
			}
			for i, want := range tt.want {
				if !strings.Contains(lines[i], want) {
					t.Errorf("line %q, want ...%s...", lines[i], want)
				}
			}
		})
	}
}

func TestNoFile(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.json")
	for _, path := range []string{missing, t.TempDir()} {
		_, err := load(t, "", nil, "-config", path)
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), path) ||
			!strings.HasPrefix(err.Error(), "-config: ") {
			t.Errorf("%v", err)
		}
	}
}

func TestAuthenticator(t *testing.T) {
	public, private, _ := ed25519.GenerateKey(nil)
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(t.TempDir(), "keys.pem")
	if err := os.WriteFile(keys, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	token := func(aud, iss string, exp time.Duration) string {
		s, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
			"sub": "alice", "aud": aud, "iss": iss, "exp": time.Now().Add(exp).Unix(),
		}).SignedString(private)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	tests := []struct {
		name, audience, issuer, leeway string
		token                          string
		ok                             bool
	}{
		{"good", "chat", "id", "30s", token("chat", "id", time.Hour), true},
		{"other audience", "chat", "id", "30s", token("shop", "id", time.Hour), false},
		{"other issuer", "chat", "id", "30s", token("chat", "di", time.Hour), false},
		{"any audience", "*", "id", "30s", token("shop", "id", time.Hour), true},
		{"any audience, other issuer", "*", "id", "30s", token("shop", "di", time.Hour), false},
		{"any issuer", "chat", "*", "30s", token("chat", "di", time.Hour), true},
		{"any issuer, other audience", "chat", "*", "30s", token("shop", "di", time.Hour), false},
		{"expired within the leeway", "chat", "id", "5m", token("chat", "id", -2*time.Minute), true},
		{"expired, no leeway", "chat", "id", "0s", token("chat", "id", -2*time.Second), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, "", nil, "-jwt-keys", keys, "-jwt-audience", tt.audience, "-jwt-issuer", tt.issuer,
				"-jwt-leeway", tt.leeway)
			if err != nil {
				t.Fatal(err)
			}
			a, err := c.Authenticator()
			if err != nil {
				t.Fatal(err)
			}
			if who, _, _, err := a.Authenticate(t.Context(), tt.token); (err == nil) != tt.ok ||
				tt.ok && who != "alice" {
				t.Errorf("%q, %v", who, err)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		c, _ := load(t, "", nil)
		if a, err := c.Authenticator(); a != nil || err != nil {
			t.Errorf("%v, %v", a, err)
		}
	})
	t.Run("broken", func(t *testing.T) {
		for _, path := range []string{filepath.Join(t.TempDir(), "none"), writeFile(t, "{}"), writeFile(t, "no keys")} {
			c := Config{JWT: JWT{Keys: path, Audience: []string{"chat"}, Issuer: "id"}}
			if _, err := c.Authenticator(); err == nil || !strings.HasPrefix(err.Error(), "jwt-keys: ") ||
				!strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
		}
	})
}
