// Command browsertest is the server of the browser tests in clientjs/browser: the real endpoint,
// with an application that reports afterwards what it sent and received. It listens on loopback
// only and is not part of the release.
//
//	GET  /             an empty page with the client as a script
//	GET  /demo/…       the demo page's files; the tests use its faulty network
//	GET  /up           the messages that the page is to send
//	GET  /report?id=   what the application knows about a session
//	GET  /traffic?id=  what arrived of the traffic of a session, and when
//	GET  /backend/…    a plain WebSocket server
//	*    /gateway/holdfast  the gateway to it
//	*    /holdfast     the endpoint; "meta":"crossing" selects the counting application,
//	                   {"traffic":…} the scheduled one of conformance/zoo, otherwise it echoes
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
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/server/demo"
	"github.com/holdfast-rt/holdfast/server/gateway"
	"github.com/holdfast-rt/holdfast/session"
)

const page = `<!doctype html><meta charset="utf-8"><title>browser test</title><link rel="icon" href="/demo/icon.svg">` +
	`<script src="/holdfast.js"></script>`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "browsertest:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. Its first line of output is the address.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("browsertest", flag.ContinueOnError)
	origins := flags.String("origins", "", "listed Origins, separated by commas")
	up := flags.String("up", "", "file of the messages that the page sends")
	down := flags.String("down", "", "file of the messages that the server sends")
	pace := flags.Duration("pace", 10*time.Millisecond, "time between two messages of the server")
	if err := flags.Parse(args); err != nil {
		return err
	}
	app, err := newCrossing(*up, *down, *pace)
	if err != nil {
		return err
	}
	zoo := &traffic{ctx: ctx, ledgers: make(map[string]*ledger)}
	cfg := server.Config{
		OnSession: func(s *session.Session) {
			switch {
			case string(s.Meta()) == `"crossing"`:
				app.start(ctx, s)
			case !zoo.start(s):
				demo.Echo(s)
			}
		},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if *origins != "" {
		cfg.Origins = strings.Split(*origins, ",")
	}
	srv, err := server.New(cfg)
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	gate, err := behind("ws://"+l.Addr().String()+"/backend/", cfg.Logger)
	if err != nil {
		return err
	}
	return serve(ctx, l, routes(srv, gate, app, zoo), out)
}

// behind makes a Server whose sessions are connected with a WebSocket server.
func behind(target string, log *slog.Logger) (*server.Server, error) {
	g, err := gateway.New(gateway.Config{Target: target, Logger: log})
	if err != nil {
		return nil, err
	}
	return server.New(server.Config{OnSession: g.OnSession, Logger: log})
}

func routes(srv, gate *server.Server, app *crossing, zoo *traffic) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/holdfast", srv)
	mux.Handle("GET /holdfast.js", srv)
	mux.Handle("/gateway/holdfast", gate)
	mux.Handle("/backend/", &backend{seen: make(map[string]string)})
	mux.Handle("GET /demo/", http.StripPrefix("/demo", demo.Page()))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, page)
	})
	mux.HandleFunc("GET /up", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.Itoa(len(app.up))) // without it a proxy cannot notice a truncated body
		_, _ = w.Write(app.up)
	})
	mux.HandleFunc("GET /report", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(app.report(r.URL.Query().Get("id")))
	})
	mux.HandleFunc("GET /traffic", func(w http.ResponseWriter, r *http.Request) {
		b, err := zoo.report(r.URL.Query().Get("id"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(b)
	})
	return mux
}

func serve(ctx context.Context, l net.Listener, h http.Handler, out io.Writer) error {
	fmt.Fprintln(out, l.Addr())
	hs := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = hs.Close()
	}()
	if err := hs.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
