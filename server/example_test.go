package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
)

// An echo server on net/http. The browser client is at /holdfast/holdfast.js.
func ExampleNew() {
	srv, err := server.New(server.Config{
		OnSession: func(s *session.Session) {
			s.OnMessage(func(m session.Message) { _, _ = s.Send(context.Background(), m) })
		},
	})
	if err != nil {
		panic(err)
	}
	http.Handle("/holdfast", srv)
	http.Handle("/holdfast/", srv)
	http.HandleFunc("/readyz", srv.Readyz)
}

// On Echo, in a group, with an authenticator that checks the client's credentials.
func ExampleServer_echo() {
	srv, err := server.New(server.Config{
		Authenticate: func(_ context.Context, h *session.Handshake) (string, error) {
			var auth struct{ User, Password string }
			if err := json.Unmarshal(h.Auth, &auth); err != nil || auth.Password != "open sesame" {
				return "", errors.New("no such user")
			}
			return auth.User, nil
		},
	})
	if err != nil {
		panic(err)
	}
	e := echo.New()
	g := e.Group("/api")
	g.Any("/live", echo.WrapHandler(srv))
	g.Any("/live/*", echo.WrapHandler(srv))
}

// Drain the sessions while the HTTP server still serves, and close that afterwards.
func ExampleServer_Shutdown() {
	srv, err := server.New(server.Config{})
	if err != nil {
		panic(err)
	}
	web := &http.Server{Handler: srv, ReadHeaderTimeout: 10 * time.Second}

	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		panic(err)
	}
	_ = web.Shutdown(ctx)
	// Output:
}
