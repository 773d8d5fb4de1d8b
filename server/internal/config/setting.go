package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/server/gateway"
	"github.com/holdfast-rt/holdfast/server/internal/address"
	"github.com/holdfast-rt/holdfast/server/internal/origin"
	"github.com/holdfast-rt/holdfast/server/jwtauth"
)

// configSetting names the file, so it is not allowed in a file.
const configSetting = "config"

// setting is one row of the table. Its name is the flag, the key in the file and, in capitals, the
// variable.
type setting struct {
	name, arg, def, usage string
	list                  bool // takes several values
	toggle                bool // true or false; its flag alone is true
	set                   func(c *Config, values []string) error
}

func (s setting) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

// settings is the table, in the order of -help. A setting that is not a list gets exactly one
// value.
func settings() []setting {
	return []setting{
		{name: configSetting, arg: "FILE", usage: "read settings from this JSON file"},
		{
			name: "addr", arg: "HOST:PORT", def: "127.0.0.1:8080", usage: "serve sessions here",
			set: one(func(c *Config, v string) error { c.Addr = v; return checkAddr(v) }),
		},
		{
			name: "admin-addr", arg: "HOST:PORT", usage: "serve health and metrics here",
			set: one(func(c *Config, v string) error {
				c.AdminAddr = v
				if v == "" {
					return nil
				}
				return checkAddr(v)
			}),
		},
		{
			name: "log-level", arg: "LEVEL", def: "info", usage: "log from here on: debug, info, warn or error",
			set: one(setLogLevel),
		},
		{
			name: "demo", arg: "WHEN", def: string(DemoAuto),
			usage: "serve the demo page: on, off, or auto (on loopback)",
			set:   one(setDemo),
		},
		{
			name: "doctor", arg: "BOOL", def: "true", toggle: true,
			usage: "serve the page at /doctor, on which visitors check their network",
			set:   one(func(c *Config, v string) error { return setBool(&c.Doctor, v) }),
		},
		{
			name: "conformance", arg: "BOOL", def: "false", toggle: true,
			usage: "serve the applications of docs/conformance.md, to anybody: for tests only",
			set:   one(func(c *Config, v string) error { return setBool(&c.Conformance, v) }),
		},
		{
			name: "origins", arg: "LIST", list: true,
			usage: "pages of other sites that may connect, as https://*.example.org",
			set:   setOrigins,
		},
		{
			name: "credentials", arg: "BOOL", def: "false", toggle: true,
			usage: "pages of -origins may send cookies, with credentials: 'include'",
			set:   one(func(c *Config, v string) error { return setBool(&c.Credentials, v) }),
		},
		{
			name: "hosts", arg: "LIST", list: true,
			usage: "names on loopback, besides localhost and those of -origins; * for any",
			set:   setHosts,
		},
		{
			name: "trusted-proxies", arg: "LIST", list: true,
			usage: "networks whose X-Forwarded-* headers are believed, as 10.0.0.0/8; unix for unix sockets",
			set:   setProxies,
		},
		{
			name: "gateway", arg: "URL",
			usage: "connect each session with this WebSocket server, ws://host/path, in place of the echo",
			set:   one(setGateway),
		},
		{
			name: "gateway-headers", arg: "LIST", list: true,
			usage: "headers of the client's that it is given, as Cookie",
			set:   func(c *Config, v []string) error { c.GatewayHeaders = v; return setGateway(c, c.Gateway) },
		},
		{
			name: "gateway-identity", arg: "LIST", list: true,
			usage: "headers that tell it who is there: principal=NAME, session=NAME, address=NAME",
			set:   setIdentity,
		},
		{
			name: "gateway-path-parameters", arg: "BOOL", def: "false", toggle: true,
			usage: "let paths of clients have semicolons",
			set:   one(func(c *Config, v string) error { return setBool(&c.GatewayPathParameters, v) }),
		},
		{
			name: "max-sessions", arg: "N", def: "1000000", usage: "living sessions in all",
			set: one(func(c *Config, v string) error { return setInt(&c.MaxSessions, v, 1, 10_000_000) }),
		},
		{
			name: "max-sessions-per-address", arg: "N", def: strconv.Itoa(address.DefaultLimit),
			usage: "living sessions of one client address",
			set:   one(func(c *Config, v string) error { return setInt(&c.MaxSessionsPerAddress, v, 1, 10_000_000) }),
		},
		{
			name: "new-sessions-per-second", arg: "N", def: "100",
			usage: "how fast one client address opens sessions, after a burst of ten times as many",
			set:   one(func(c *Config, v string) error { return setInt(&c.NewSessionsPerSecond, v, 1, 1_000_000) }),
		},
		{
			name: "max-message", arg: "SIZE", def: "1MiB", usage: "the largest message, 1KiB to 16MiB",
			set: one(func(c *Config, v string) error { return setSize(&c.MaxMessage, v, 1<<10, 16<<20) }),
		},
		{
			name: "max-retained", arg: "SIZE", def: "1GiB", usage: "unacknowledged bytes of all sessions together",
			set: one(func(c *Config, v string) error { return setSize(&c.MaxRetained, v, 1<<20, 1<<40) }),
		},
		{
			name: "jwt-keys", arg: "FILE",
			usage: "admit only holders of a token signed by a key in this JWK Set or PEM file",
			set:   one(func(c *Config, v string) error { c.JWT.Keys = v; return nil }),
		},
		{
			name: "jwt-audience", arg: "LIST", list: true, usage: "aud that a token must name one of; * for any",
			set: func(c *Config, v []string) error { c.JWT.Audience = v; return nil },
		},
		{
			name: "jwt-issuer", arg: "NAME", usage: "iss that a token must name; * for any",
			set: one(func(c *Config, v string) error { c.JWT.Issuer = v; return nil }),
		},
		{
			name: "jwt-leeway", arg: "TIME", def: jwtauth.DefaultLeeway.String(),
			usage: "what clocks may differ by, at most " + jwtauth.MaxLeeway.String(),
			set:   one(setLeeway),
		},
		{
			name: "strict-env", arg: "BOOL", def: "false", toggle: true,
			usage: "an unknown variable HOLDFAST_* is an error, not a warning",
			set:   one(func(c *Config, v string) error { return setBool(&c.StrictEnv, v) }),
		},
	}
}

func one(set func(*Config, string) error) func(*Config, []string) error {
	return func(c *Config, values []string) error { return set(c, values[0]) }
}

func checkAddr(v string) error {
	_, port, err := net.SplitHostPort(v)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is not HOST:PORT with a port of 0 to 65535", v)
	}
	return nil
}

func setLogLevel(c *Config, v string) error {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	level, ok := levels[v]
	if !ok {
		return fmt.Errorf("%q is not one of debug, info, warn, error", v)
	}
	c.LogLevel = level
	return nil
}

func setDemo(c *Config, v string) error {
	c.Demo = Demo(v)
	if !slices.Contains([]Demo{DemoAuto, DemoOn, DemoOff}, c.Demo) {
		return fmt.Errorf("%q is not one of auto, on, off", v)
	}
	return nil
}

func setBool(to *bool, v string) (err error) {
	if *to, err = strconv.ParseBool(v); err != nil {
		return fmt.Errorf("%q is not true or false", v)
	}
	return nil
}

func setOrigins(c *Config, values []string) error {
	c.Origins = values
	_, err := origin.New(origin.Options{Allowed: values})
	return unprefixed(err, "origin: ")
}

func setHosts(c *Config, values []string) error {
	c.Hosts = values
	for _, v := range values {
		if strings.ContainsAny(v, ":/ \t") || strings.Contains(strings.TrimPrefix(v, "*"), "*") {
			return fmt.Errorf("%q is not the name of a host, as app.example or *.app.example, without a port", v)
		}
	}
	return nil
}

func setProxies(c *Config, values []string) error {
	var list []netip.Prefix
	for _, v := range values {
		prefix, err := address.ParseProxy(v)
		if err != nil {
			return unprefixed(err, "address: ")
		}
		list = append(list, prefix)
	}
	c.TrustedProxies = list
	return nil
}

// setGateway lets the gateway check the settings that are known so far.
func setGateway(c *Config, v string) error {
	c.Gateway = v
	if v == "" {
		v = "ws://localhost" // for the headers alone
	}
	_, err := gateway.New(gateway.Config{Target: v, Headers: c.GatewayHeaders})
	return unprefixed(err, "gateway: ")
}

// setIdentity reads what=Name.
func setIdentity(c *Config, values []string) error {
	var id gateway.Identity
	for _, v := range values {
		what, name, _ := strings.Cut(v, "=")
		field := map[string]*string{"principal": &id.Principal, "session": &id.Session, "address": &id.Address}[what]
		if field == nil || name == "" {
			return fmt.Errorf("%q is not principal=NAME, session=NAME or address=NAME", v)
		}
		*field = name
	}
	c.GatewayIdentity = id
	_, err := gateway.New(gateway.Config{Target: "ws://localhost", Identity: id})
	return unprefixed(err, "gateway: ")
}

func setLeeway(c *Config, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 || d > jwtauth.MaxLeeway {
		return fmt.Errorf("%q is not a time of 0s to %v", v, jwtauth.MaxLeeway)
	}
	c.JWT.Leeway = d
	return nil
}

func setInt(to *int, v string, low, high int) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		return fmt.Errorf("%q is not a whole number of %d to %d", v, low, high)
	}
	*to = n
	return nil
}

// setSize reads a number of bytes, KiB, MiB or GiB.
func setSize[T int | int64](to *T, v string, low, high int64) error {
	number, unit := v, int64(1)
	for suffix, u := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if n, found := strings.CutSuffix(v, suffix); found {
			number, unit = n, u
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > high/unit || n*unit < low {
		return fmt.Errorf("%q is not a size of %s to %s, like 65536, 64KiB or 1MiB", v, sizeText(low), sizeText(high))
	}
	*to = T(n * unit)
	return nil
}

func sizeText(n int64) string {
	for _, u := range []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// unprefixed removes the name of the package from an error that will follow the name of a setting.
func unprefixed(err error, prefix string) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.TrimPrefix(err.Error(), prefix))
}
