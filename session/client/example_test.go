package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-rt/holdfast/server"
	"github.com/holdfast-rt/holdfast/session"
	"github.com/holdfast-rt/holdfast/session/client"
)

// shouting is a server whose application answers every message with the same text and a "!".
func shouting() *httptest.Server {
	srv, err := server.New(server.Config{OnSession: func(s *session.Session) {
		s.OnMessage(func(m session.Message) { _, _ = s.Send(context.Background(), session.Text(string(m.Data)+"!")) })
	}})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/holdfast", srv)
	return httptest.NewServer(mux)
}

func ExampleDial() {
	web := shouting()
	defer web.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := client.Dial(ctx, web.URL+"/holdfast", nil)
	if err != nil {
		panic(err)
	}
	if _, err := s.Send(ctx, session.Text("hello")); err != nil {
		panic(err)
	}
	m, err := s.Receive(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", m.Data)

	// Close waits until what was sent is delivered. Ended says how much was.
	if err := s.Close(ctx); err != nil {
		panic(err)
	}
	end, _ := s.Ended()
	fmt.Println(end.Code, end.Delivered, "of", end.Sent)
	// Output:
	// hello!
	// 4100 1 of 1
}

// Messages may be sent before there is a connection. When the server ends the session, Renew gets a
// new one.
func ExampleStart() {
	web := shouting()
	defer web.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := client.Start(web.URL+"/holdfast", &client.Options{
		Transports: []string{"sse", "longpoll"}, // this network breaks WebSockets
		Renew: func(ended session.End, fresh *session.Session) {
			if !ended.Exact {
				fmt.Printf("messages above %d may be lost\n", ended.Delivered)
			}
			// Go on with fresh.
		},
	})
	if err != nil {
		panic(err)
	}
	done := make(chan struct{})
	s.OnMessage(func(m session.Message) {
		fmt.Printf("%s\n", m.Data)
		close(done)
	})
	if _, err := s.TrySend(session.Text("hello")); errors.Is(err, session.ErrFull) {
		fmt.Println("2 MiB are waiting to be sent")
	}
	<-done
	_ = s.Close(ctx)
	// Output: hello!
}
