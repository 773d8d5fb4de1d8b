package session

import (
	"bytes"
	"fmt"
	"sort"
	"strings"

	"github.com/holdfast-rt/holdfast/transport"
)

// simCounts counts what happened, to show that the simulation covers all faults.
type simCounts struct {
	seeds, sessions, delivered, faulty, full, statuses int

	faults   [simFaults]int
	fates    [3]int // all delivered, some surely not delivered, some unknown
	ends     map[transport.Code]int
	controls [2]map[string]int // up, down
	refusals map[string]int
	batches  int
	policies map[string]int // carriers that a network policy ended, by the reason
	learned  int            // idle gaps and ages
}

func (n *simCounts) init() {
	if n.ends == nil {
		n.ends, n.refusals = map[transport.Code]int{}, map[string]int{}
		n.controls, n.policies = [2]map[string]int{{}, {}}, map[string]int{}
	}
}

// countBatch counts the lines of a batch by their type.
func (n *simCounts) countBatch(data []byte, binary bool, direction int) {
	n.batches++
	if binary {
		n.controls[direction]["binary frame"]++
		return
	}
	for line := range bytes.Lines(data) {
		switch line[0] {
		case 't', 'b':
			n.controls[direction][string(line[:1])]++
		case '+':
			n.controls[direction][string(line[:2])]++
		case '!', '?':
			name, fields, _ := bytes.Cut(line[1:len(line)-1], []byte{' '})
			if bytes.HasPrefix(name, []byte("grease-")) {
				name = []byte("grease")
			}
			n.controls[direction][string(name)]++
			if string(name) == "refused" {
				_, reason, _ := bytes.Cut(fields, []byte(`"reason":"`))
				reason, _, _ = bytes.Cut(reason, []byte{'"'})
				n.refusals[string(reason)]++
			}
		}
	}
}

func addTo[K comparable](to, from map[K]int) {
	for k, v := range from {
		to[k] += v
	}
}

func (n *simCounts) add(o *simCounts) {
	n.init()
	n.seeds += o.seeds
	n.sessions += o.sessions
	n.delivered += o.delivered
	n.full += o.full
	n.faulty += o.faulty
	n.statuses += o.statuses
	n.batches += o.batches
	for i := range n.faults {
		n.faults[i] += o.faults[i]
	}
	for i := range n.fates {
		n.fates[i] += o.fates[i]
	}
	addTo(n.ends, o.ends)
	addTo(n.policies, o.policies)
	n.learned += o.learned
	addTo(n.refusals, o.refusals)
	for i := range n.controls {
		addTo(n.controls[i], o.controls[i])
	}
}

func (n *simCounts) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d seeds, %d sessions, %d messages delivered, %d of them in fault phases, in %d batches; "+
		"%d times the window was full\n", n.seeds, n.sessions, n.delivered, n.faulty, n.batches, n.full)
	fmt.Fprintf(&b, "fates: %d all delivered, %d exact, %d unknown\n", n.fates[0], n.fates[1], n.fates[2])
	for f := range simFaults {
		fmt.Fprintf(&b, "  %-26s %9d\n", f, n.faults[f])
	}
	line := func(what string, m map[string]int) {
		var names []string
		for k := range m {
			names = append(names, k)
		}
		sort.Strings(names)
		fmt.Fprintf(&b, "%s:", what)
		for _, k := range names {
			fmt.Fprintf(&b, " %s %d,", k, m[k])
		}
		b.WriteString("\n")
	}
	line("up", n.controls[0])
	line("down", n.controls[1])
	line("refusals", n.refusals)
	n.policies["learned"] = n.learned
	line("network policies", n.policies)
	ends := map[string]int{}
	for k, v := range n.ends {
		ends[fmt.Sprint(int(k))] = v
	}
	line("ends", ends)
	return b.String()
}

const (
	minSimFaults   = 10_000
	minSimMessages = 1_000_000
)

// missing lists what must have happened in a full run and has not.
func (n *simCounts) missing() (out []string) {
	for _, k := range []string{"old", "idle", "learned"} {
		if n.policies[k] == 0 {
			out = append(out, fmt.Sprintf("no carrier ended for its age or silence, or no client learned it: %q", k))
		}
	}
	if n.delivered < minSimMessages {
		out = append(out, fmt.Sprintf("%d messages delivered, want %d", n.delivered, minSimMessages))
	}
	for f := range simFaults {
		if n.faults[f] < minSimFaults {
			out = append(out, fmt.Sprintf("fault %q happened %d times, want %d", f, n.faults[f], minSimFaults))
		}
	}
	for _, k := range []string{
		"t", "b", "+t", "+b", "binary frame", "open", "poll", "up", "use", "rewind", "ping", "pong", "close", "ticket",
		"grease",
	} {
		if n.controls[0][k] == 0 {
			out = append(out, fmt.Sprintf("no %q went up", k))
		}
	}
	for _, k := range []string{
		"t", "b", "+t", "+b", "binary frame", "opened", "refused", "reply", "detach", "rewind", "ping", "pong", "close",
		"closed", "ticket", "beacon", "move", "grease",
	} {
		if n.controls[1][k] == 0 {
			out = append(out, fmt.Sprintf("no %q went down", k))
		}
	}
	for _, k := range []string{
		"unknown", "auth", "origin", "policy", "version", "busy", "draining", "position", "malformed", "later",
	} {
		if n.refusals[k] == 0 {
			out = append(out, fmt.Sprintf("nothing was refused as %q", k))
		}
	}
	return out
}
