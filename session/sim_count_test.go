package session

import (
	"bytes"
	"fmt"
	"sort"
	"strings"

	"github.com/holdfast-rt/holdfast/transport"
)

// simCounts is what happened, to show that the simulation exercises what it says.
type simCounts struct {
	seeds, sessions, delivered, stormy, full, statuses int
	faults                                             [simFaults]int
	fates                                              [3]int // all delivered, some known not to be, some unknown
	ends                                               map[transport.Code]int
	controls                                           [2]map[string]int // up, down
	refusals                                           map[string]int
	batches                                            int
	habits                                             map[string]int // carriers that died of their network's habits, by which
	learned                                            int            // idle gaps and ages
}

func (n *simCounts) init() {
	if n.ends == nil {
		n.ends, n.refusals = map[transport.Code]int{}, map[string]int{}
		n.controls, n.habits = [2]map[string]int{{}, {}}, map[string]int{}
	}
}

// countBatch counts the lines of a batch by what they are.
func (n *simCounts) countBatch(data []byte, binary bool, way int) {
	n.batches++
	if binary {
		n.controls[way]["binary frame"]++
		return
	}
	for line := range bytes.Lines(data) {
		switch line[0] {
		case 't', 'b':
			n.controls[way][string(line[:1])]++
		case '+':
			n.controls[way][string(line[:2])]++
		case '!', '?':
			name, rest, _ := bytes.Cut(line[1:len(line)-1], []byte{' '})
			if bytes.HasPrefix(name, []byte("grease-")) {
				name = []byte("grease")
			}
			n.controls[way][string(name)]++
			if string(name) == nameRefused {
				_, reason, _ := bytes.Cut(rest, []byte(`"reason":"`))
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
	n.stormy += o.stormy
	n.statuses += o.statuses
	n.batches += o.batches
	for i := range n.faults {
		n.faults[i] += o.faults[i]
	}
	for i := range n.fates {
		n.fates[i] += o.fates[i]
	}
	addTo(n.ends, o.ends)
	addTo(n.habits, o.habits)
	n.learned += o.learned
	addTo(n.refusals, o.refusals)
	for i := range n.controls {
		addTo(n.controls[i], o.controls[i])
	}
}

func (n *simCounts) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d seeds, %d sessions, %d messages delivered, %d of them in storms, in %d batches; %d times the window was full\n", n.seeds, n.sessions, n.delivered, n.stormy, n.batches, n.full)
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
	n.habits["learned"] = n.learned
	line("habits", n.habits)
	ends := map[string]int{}
	for k, v := range n.ends {
		ends[fmt.Sprint(int(k))] = v
	}
	line("ends", ends)
	return b.String()
}

const (
	simFaultsAtLeast   = 10_000
	simMessagesAtLeast = 1_000_000
)

// missing lists what a full run must have done and has not.
func (n *simCounts) missing() (out []string) {
	for _, k := range []string{"old", "idle", "learned"} {
		if n.habits[k] == 0 {
			out = append(out, fmt.Sprintf("no carrier died of age or silence, or nobody learned it: %q", k))
		}
	}
	if n.delivered < simMessagesAtLeast {
		out = append(out, fmt.Sprintf("%d messages delivered, want %d", n.delivered, simMessagesAtLeast))
	}
	for f := range simFaults {
		if n.faults[f] < simFaultsAtLeast {
			out = append(out, fmt.Sprintf("fault %q happened %d times, want %d", f, n.faults[f], simFaultsAtLeast))
		}
	}
	for _, k := range []string{"t", "b", "+t", "+b", "binary frame", nameOpen, namePoll, nameUp, nameUse, nameRewind, namePing, namePong, nameClose, nameTicket, "grease"} {
		if n.controls[0][k] == 0 {
			out = append(out, fmt.Sprintf("no %q went up", k))
		}
	}
	for _, k := range []string{"t", "b", "+t", "+b", "binary frame", nameOpened, nameRefused, nameReply, nameDetach, nameRewind, namePing, namePong, nameClose, nameClosed, nameTicket, nameBeacon, nameMove, "grease"} {
		if n.controls[1][k] == 0 {
			out = append(out, fmt.Sprintf("no %q went down", k))
		}
	}
	for _, k := range []string{"unknown", "auth", "origin", "policy", "version", "busy", "draining", "position", "malformed", "later"} {
		if n.refusals[k] == 0 {
			out = append(out, fmt.Sprintf("nothing was refused as %q", k))
		}
	}
	return out
}
