package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/server/conformance"
	"github.com/holdfast-rt/holdfast/server/demo"
	"github.com/holdfast-rt/holdfast/server/doctor"
	"github.com/holdfast-rt/holdfast/server/gateway"
	"github.com/holdfast-rt/holdfast/server/internal/config"
	"github.com/holdfast-rt/holdfast/server/jwtauth"
)

// Run is the whole program. It serves until ctx ends, then drains, and returns the exit code: 0
// after a clean end, 1 if it could not serve or did not end in time, 2 if the settings are wrong.
//
// With the first argument "doctor" it is another program, which diagnoses the network path to a
// server and has its own exit codes.
func Run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "doctor" {
		return diagnose(ctx, args[1:], config.Lookup(environ), stdout, stderr)
	}
	cfg, err := config.Load(args, environ)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_ = config.WriteHelp(stdout)
		return 0
	case err != nil:
		return fail(stderr, 2, err)
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: cfg.LogLevel}))
	for _, line := range cfg.Unknown {
		log.Warn(line)
	}
	srv, err := newServer(cfg, log)
	if err != nil {
		return fail(stderr, 2, err)
	}
	b := &binary{cfg: cfg, log: log, srv: srv, stdout: stdout}
	if err := b.listen(ctx); err != nil {
		return fail(stderr, 1, err)
	}
	if err := b.serve(ctx); err != nil {
		return fail(stderr, 1, err)
	}
	return 0
}

func fail(stderr io.Writer, code int, err error) int {
	fmt.Fprintf(stderr, "holdfast: %v\n", err)
	return code
}

func newServer(cfg config.Config, log *slog.Logger) (*server.Server, error) {
	tokens, err := cfg.Authenticator()
	if err != nil {
		return nil, err
	}
	c := server.Config{
		OnSession:      demo.Echo,
		Origins:        cfg.Origins,
		Credentials:    cfg.Credentials,
		TrustedProxies: cfg.TrustedProxies,
		Limits: server.Limits{
			MaxSessions: cfg.MaxSessions, MaxSessionsPerAddress: cfg.MaxSessionsPerAddress,
			NewSessionsPerSecond: cfg.NewSessionsPerSecond,
			MaxMessage:           cfg.MaxMessage, MaxRetained: cfg.MaxRetained,
		},
		Logger: log,
	}
	if cfg.Gateway != "" {
		g, err := gateway.New(gateway.Config{
			Target: cfg.Gateway, Headers: cfg.GatewayHeaders, MaxMessage: cfg.MaxMessage, Logger: log,
			Identity: cfg.GatewayIdentity, PathParameters: cfg.GatewayPathParameters,
		})
		if err != nil {
			return nil, err
		}
		c.OnSession, c.KeepHeaders = g.OnSession, append(cfg.GatewayHeaders, server.AddressHeader)
	}
	if tokens != nil {
		c.Authenticate = bearer(tokens)
	}
	if cfg.Conformance {
		if tokens != nil || cfg.Gateway != "" {
			return nil, errors.New("-conformance lets anybody in and has its own applications: " +
				"it goes without -jwt-keys and -gateway")
		}
		conformance.Configure(&c)
	}
	return server.New(c)
}

// bearer reads the token from the client's auth, a JSON string.
func bearer(tokens *jwtauth.Authenticator) func(context.Context, *server.Handshake) (string, error) {
	return func(ctx context.Context, h *server.Handshake) (string, error) {
		var token string
		if err := json.Unmarshal(h.Auth, &token); err != nil {
			return "", errors.New("auth is not a token")
		}
		principal, _, _, err := tokens.Authenticate(ctx, token)
		return principal, err
	}
}

// binary is the running program.
type binary struct {
	cfg    config.Config
	log    *slog.Logger
	srv    *server.Server
	stdout io.Writer

	public, admin   *http.Server
	publicL, adminL net.Listener
}

// listen opens the ports first, so that a port in use is reported before anything else is printed.
func (b *binary) listen(ctx context.Context) (err error) {
	var lc net.ListenConfig
	if b.publicL, err = lc.Listen(ctx, "tcp", b.cfg.Addr); err != nil {
		return fmt.Errorf("-addr: %w", err)
	}
	b.public = b.newHTTPServer(checkHosts(b.routes(), b.cfg.Addr, b.cfg, b.log))
	if b.cfg.AdminAddr == "" {
		return nil
	}
	if b.adminL, err = lc.Listen(ctx, "tcp", b.cfg.AdminAddr); err != nil {
		_ = b.publicL.Close()
		return fmt.Errorf("-admin-addr: %w", err)
	}
	b.admin = b.newHTTPServer(checkHosts(b.adminRoutes(), b.cfg.AdminAddr, b.cfg, b.log))
	return nil
}

// newHTTPServer sets no WriteTimeout: streams are long, and each write has its own deadline.
func (b *binary) newHTTPServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       75 * time.Second, // load balancers keep theirs for 60, and must be first
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(b.log.Handler(), slog.LevelDebug),
	}
}

func (b *binary) routes() http.Handler {
	e := newEcho()
	// The Server answers every path that it gets, so its paths are listed here.
	for _, path := range []string{"/holdfast", "/holdfast/"} {
		e.Any(path, echo.WrapHandler(b.srv))
	}
	for _, path := range []string{"/holdfast.js", "/holdfast.mjs", "/holdfast/holdfast.js", "/holdfast/holdfast.mjs"} {
		e.Any(path, echo.WrapHandler(b.srv))
	}
	e.Any("/holdfast/*", echo.NotFoundHandler) // the demo page below must not answer here
	if b.cfg.Loopback() {
		b.mountAdmin(e)
	}
	if b.cfg.Doctor {
		o := doctor.Options{}
		if b.cfg.ServeDemo() {
			o.Demo = "/"
		}
		page := echo.WrapHandler(doctor.Page(o))
		e.Any("/doctor", page)
		e.Any("/doctor/*", page)
	}
	if b.cfg.ServeDemo() {
		e.Any("/*", echo.WrapHandler(demo.Page()))
	}
	return e
}

func (b *binary) adminRoutes() http.Handler {
	e := newEcho()
	b.mountAdmin(e)
	return e
}

func (b *binary) mountAdmin(e *echo.Echo) {
	e.Any("/healthz", echo.WrapHandler(http.HandlerFunc(b.srv.Healthz)))
	e.Any("/readyz", echo.WrapHandler(http.HandlerFunc(b.srv.Readyz)))
	e.Any("/metrics", echo.WrapHandler(b.srv.Metrics()))
}

func newEcho() *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = echo.ExtractIPDirect() // the Server itself decides which proxies to trust
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		status := http.StatusInternalServerError
		if known := (*echo.HTTPError)(nil); errors.As(err, &known) {
			status = known.Code
		}
		setHeaders(c.Response().Header()) // below the endpoint too
		_ = c.String(status, "holdfast: "+strings.ToLower(http.StatusText(status))+"\n")
	}
	return e
}

// drainTimeout bounds the whole drain: CloseGrace of the sessions, and the last writes.
const drainTimeout = 15 * time.Second

// serve serves until ctx ends, then drains.
func (b *binary) serve(ctx context.Context) error {
	failed := make(chan error, 2)
	go func() { failed <- b.public.Serve(b.srv.Guard(b.public, b.publicL)) }()
	if b.admin != nil {
		go func() { failed <- b.admin.Serve(b.srv.Guard(b.admin, b.adminL)) }()
	}
	b.announce()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	b.log.Info("draining")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := b.srv.Shutdown(ctx) // first end the sessions, while the HTTP server still serves
	err = errors.Join(err, b.public.Shutdown(ctx))
	if b.admin != nil {
		err = errors.Join(err, b.admin.Shutdown(ctx))
	}
	return err
}

func (b *binary) announce() {
	base := "http://" + b.publicL.Addr().String()
	if b.cfg.ServeDemo() {
		fmt.Fprintf(b.stdout, "Demo page: %s/\n", base)
	}
	if b.cfg.Doctor {
		fmt.Fprintf(b.stdout, "Doctor:    %s/doctor\n", base)
	}
	fmt.Fprintf(b.stdout, "Endpoint:  %s/holdfast\n", base)
	if b.adminL != nil {
		fmt.Fprintf(b.stdout, "Admin:     http://%s/metrics\n", b.adminL.Addr())
	}
}
