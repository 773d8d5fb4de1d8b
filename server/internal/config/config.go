// Package config reads the settings of the holdfast binary: from flags, the environment and a file,
// in that order of precedence, over the defaults. One table has all settings, so that the three
// sources stay the same.
package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/holdfast-rt/holdfast/server/gateway"
	"github.com/holdfast-rt/holdfast/server/jwtauth"
)

// Config has the settings of the binary.
type Config struct {
	Addr           string         // where sessions are served
	AdminAddr      string         // where health and metrics are served; "" is only on a loopback Addr
	LogLevel       slog.Level     // the lowest level that is logged
	Demo           Demo           // whether the demo page is served
	Doctor         bool           // whether the page of the doctor is served
	Conformance    bool           // whether the applications of the conformance suite are served
	Origins        []string       // pages of other sites that may connect
	Credentials    bool           // whether they may send cookies
	Hosts          []string       // names that a server on loopback answers to
	TrustedProxies []netip.Prefix // whose X-Forwarded-* headers are believed

	GatewayConfig

	MaxSessions           int   // open sessions in total
	MaxSessionsPerAddress int   // of one client address
	NewSessionsPerSecond  int   // of one client address
	MaxMessage            int   // bytes of one message
	MaxRetained           int64 // unacknowledged bytes of all sessions

	JWT JWT

	StrictEnv bool     // whether Unknown is an error
	Unknown   []string // what was found in the environment that is no setting, each a line for the log
}

// GatewayConfig has the settings of the gateway.
type GatewayConfig struct {
	Gateway               string           // the WebSocket server that sessions are connected to, "" for the echo
	GatewayHeaders        []string         // headers of the client that it gets
	GatewayIdentity       gateway.Identity // headers that tell it who is there
	GatewayPathParameters bool             // whether paths may have semicolons
}

// Demo says when the demo page is served.
type Demo string

// The choices for the demo page.
const (
	DemoAuto Demo = "auto" // when Addr is loopback
	DemoOn   Demo = "on"
	DemoOff  Demo = "off"
)

// JWT are the settings of the token check. Without Keys anybody may connect.
type JWT struct {
	Keys     string        // path of a JWK Set or PEM file
	Audience []string      // any of these; "*" alone allows all
	Issuer   string        // "*" allows all
	Leeway   time.Duration // how much clocks may differ
}

// anybody turns the check of a claim off, explicitly.
const anybody = "*"

// maxFile is the largest file that is read, in bytes.
const maxFile = 1 << 20

// Load reads the settings. Args are those after the program's name; environ is [os.Environ]. For
// -help the error is [flag.ErrHelp]: print [WriteHelp] then. Any other error has one line per mistake,
// which names the flag, variable or key.
func Load(args, environ []string) (Config, error) {
	flags, err := readFlags(args)
	if err != nil {
		return Config{}, err
	}
	environment := readEnv(Lookup(environ))
	var c Config
	errs := apply(&c, "default", defaults())

	path := last(environment, configSetting)
	if given, ok := flags[configSetting]; ok {
		path = given[len(given)-1]
	}
	if path != "" {
		file, err := readFile(path)
		errs = append(errs, err)
		errs = append(errs, apply(&c, path, file)...)
	}
	errs = append(errs, apply(&c, sourceEnv, environment)...)
	errs = append(errs, apply(&c, sourceFlags, flags)...)
	if err := errors.Join(errs...); err != nil {
		return Config{}, err
	}
	c.Unknown = unknownVariables(environ)
	return c, c.check()
}

// check checks the settings together.
func (c Config) check() error {
	var errs []error
	if c.StrictEnv && len(c.Unknown) > 0 {
		errs = append(errs, errors.New(strings.Join(c.Unknown, "\n")))
	}
	if c.AdminAddr != "" && c.AdminAddr == c.Addr {
		errs = append(errs, fmt.Errorf("addr and admin-addr are both %s", c.Addr))
	}
	if c.Gateway == "" && len(c.GatewayHeaders) > 0 {
		errs = append(errs, errors.New("gateway-headers go nowhere without gateway"))
	}
	if c.Gateway == "" && (c.GatewayIdentity != gateway.Identity{} || c.GatewayPathParameters) {
		errs = append(errs, errors.New("gateway-identity and gateway-path-parameters do nothing without gateway"))
	}
	wild, named := 0, len(c.JWT.Audience)
	for _, a := range c.JWT.Audience {
		if a == anybody {
			wild++
		}
	}
	switch {
	case c.JWT.Keys == "" && (named > 0 || c.JWT.Issuer != ""):
		errs = append(errs, errors.New("jwt-audience and jwt-issuer check nothing without jwt-keys"))
	case c.JWT.Keys != "" && named == 0:
		errs = append(errs,
			fmt.Errorf("jwt-keys needs jwt-audience, the name of this server in tokens (%s for any)", anybody))
	case wild > 0 && named > 1:
		errs = append(errs, fmt.Errorf("jwt-audience: %s leaves no room for others", anybody))
	}
	if c.JWT.Keys != "" && c.JWT.Issuer == "" {
		errs = append(errs, fmt.Errorf("jwt-keys needs jwt-issuer, who issues the tokens (%s for any)", anybody))
	}
	return errors.Join(errs...)
}

// Loopback reports whether Addr can be reached only from this machine.
func (c Config) Loopback() bool { return Loopback(c.Addr) }

// Loopback reports whether an address to listen on can be reached only from this machine.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// ServeDemo reports whether to serve the demo page: by default only on loopback.
func (c Config) ServeDemo() bool {
	return c.Demo == DemoOn || c.Demo == DemoAuto && c.Loopback()
}

// Authenticator reads the key file and makes the token check; nil if there is none. Its error is
// one line.
func (c Config) Authenticator() (*jwtauth.Authenticator, error) {
	if c.JWT.Keys == "" {
		return nil, nil
	}
	data, err := readBounded(c.JWT.Keys)
	if err != nil {
		return nil, fmt.Errorf("jwt-keys: %w", err)
	}
	keys, err := jwtauth.ParseKeys(data)
	if err != nil {
		return nil, fmt.Errorf("jwt-keys: %s: %w", c.JWT.Keys, err)
	}
	o := jwtauth.Options{Keys: keys, Audience: c.JWT.Audience, Issuer: c.JWT.Issuer, Leeway: c.JWT.Leeway}
	if o.Leeway == 0 {
		o.Leeway = -1 // here 0 means none: the default is in the table
	}
	if c.JWT.Audience[0] == anybody {
		o.Audience, o.AnyAudience = nil, true
	}
	if c.JWT.Issuer == anybody {
		o.Issuer, o.AnyIssuer = "", true
	}
	return jwtauth.New(o)
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s: above 1 MiB", path)
	}
	return data, err
}
