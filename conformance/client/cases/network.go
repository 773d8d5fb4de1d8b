package cases

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/holdfast-rt/holdfast/conformance/client"
	"github.com/holdfast-rt/holdfast/conformance/middlebox"
	"github.com/holdfast-rt/holdfast/conformance/suite"
	"github.com/holdfast-rt/holdfast/conformance/trace"
)

//go:embed network.json
var network []byte

// networkCases run the client through the middlebox in these modes, to a server that echoes. Each
// message has to come back, once and in order.
func networkCases() (suite.Set, error) {
	var list []struct{ ID, Modes, Requirement string }
	if err := json.Unmarshal(network, &list); err != nil {
		return nil, fmt.Errorf("network.json: %w", err)
	}
	var out suite.Set
	for _, c := range list {
		modes, err := middlebox.Parse(c.Modes)
		if err != nil {
			return nil, fmt.Errorf("network.json: %s: %w", c.ID, err)
		}
		sentence := fmt.Sprintf("Through a network in the modes %q every message comes back, once and in order.",
			c.Modes)
		out = append(out, several(c.ID, c.Requirement, sentence, func(w *world) { w.echoThrough(modes) })...)
	}
	return out, nil
}

func (w *world) echoThrough(modes []middlebox.Mode) {
	target := w.target.Server
	if target == "" {
		w.s.Echo, w.s.Lossy = true, true
		target = w.s.URL
	}
	box, err := middlebox.New(target, modes...)
	if err != nil {
		w.Fatalf("%v", err)
	}
	box.Log = func(line string) { w.Logf("middlebox: %s", line) }
	box.Cut = func(string) { w.eventLog.add(trace.Event{What: "kill"}) }
	url, err := box.Listen("127.0.0.1:0")
	if err != nil {
		w.Fatalf("%v", err)
	}
	w.Cleanup(box.Close)
	path := "/holdfast"
	if _, after, ok := strings.Cut(strings.TrimPrefix(target, "http://"), "/"); ok {
		path = "/" + after
	}
	w.start(client.Command{URL: url + path, Transports: w.target.Transports})
	var want []string
	for round := range 4 {
		for i := range 5 {
			want = append(want,
				fmt.Sprintf("%s of round %d %s", []string{"one", "two", "three", "four", "five"}[i], round,
					strings.Repeat("x", 200*i)))
		}
		w.send(want[len(want)-5:]...)
		w.gets(3*later, w.blame(), want...)
	}
	if w.target.Server != "" { // its side of the trace is not known
		w.s.Do(func() { w.s.Forged = true })
		return
	}
	w.s.Got(later, w.blame(), want...)
	w.eventLog.markCalm()
	if n := w.eventLog.delivered(); n < 2*len(want) {
		w.Fatalf("the trace holds %d deliveries of %d", n, 2*len(want))
	}
}
