package trace

import (
	"strings"
	"testing"
)

// good is a session that moves from one attachment to another.
const good = `
{"time":0,"session":"s","side":"server","what":"attach","att":1}
{"time":1,"session":"s","what":"use","att":1,"u":1}
{"time":2,"session":"s","side":"client","what":"enqueue","number":1,"digest":"aa"}
{"time":2,"session":"s","side":"client","what":"enqueue","number":3,"digest":"bb"}
{"time":3,"session":"s","side":"server","what":"deliver","number":1,"digest":"aa"}
{"time":3,"session":"s","side":"client","what":"ack","number":1}
{"time":3,"session":"s","side":"client","what":"free","number":1}
{"time":4,"session":"s","side":"server","what":"enqueue","number":1,"digest":"cc"}
{"time":4,"session":"s","side":"server","what":"lines","att":1,"first":1,"number":1}
{"time":5,"session":"s","what":"kill","att":1}
{"time":6,"session":"s","side":"server","what":"attach","att":2,"position":0}
{"time":6,"session":"s","what":"use","att":2,"u":2}
{"time":7,"session":"s","side":"server","what":"lines","att":2,"first":1,"number":1}
{"time":8,"session":"s","what":"calm","within":1000}
{"time":9,"session":"s","side":"client","what":"deliver","number":1,"digest":"cc"}
{"time":9,"session":"s","side":"server","what":"deliver","number":3,"digest":"bb"}
{"time":2000,"session":"s","side":"client","what":"ack","number":3}
{"time":2001,"session":"s","side":"client","what":"end","cause":"closed"}
`

func TestGood(t *testing.T) {
	r, err := Check(strings.NewReader(good))
	if err != nil || len(r.Violations) > 0 || r.Events != 18 || r.Sessions != 1 || r.Delivered != 3 {
		t.Errorf("%+v %v", r, err)
	}
}

// TestBroken makes one trace for each way to break an invariant from the good one.
func TestBroken(t *testing.T) {
	for name, c := range map[string]struct{ invariant, old, new string }{
		"doubled": {
			"I1", `{"time":4,"session":"s","side":"server","what":"enqueue"`,
			`{"time":4,"session":"s","side":"server","what":"deliver","number":1,"digest":"aa"}` + "\n" +
				`{"time":4,"session":"s","side":"server","what":"enqueue"`,
		},
		"altered":               {"I1", `"deliver","number":1,"digest":"aa"`, `"deliver","number":1,"digest":"ab"`},
		"left out":              {"I1", `"deliver","number":1,"digest":"aa"`, `"deliver","number":3,"digest":"bb"`},
		"freed unasked":         {"I2", `"free","number":1`, `"free","number":3`},
		"acked untaken":         {"I2", `"ack","number":3}`, `"ack","number":4}`},
		"ack falls":             {"I3", `"ack","number":3}`, `"ack","number":0}`},
		"ended by a reset":      {"I4", `"cause":"closed"`, `"cause":"reset"`},
		"hole on an attachment": {"I5", `"att":2,"first":1,"number":1`, `"att":2,"first":2,"number":2`},
		"u falls":               {"I6", `"att":2,"u":2`, `"att":2,"u":1`},
		"never arrives": {
			"I7", `{"time":9,"session":"s","side":"client","what":"deliver","number":1,"digest":"cc"}` + "\n", "",
		},
		"too many attachments": {
			"I6", `{"time":5,"session":"s","what":"kill","att":1}`,
			strings.Repeat(`{"time":5,"session":"s","side":"server","what":"attach","att":@}`+"\n", 5),
		},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Count(good, c.old) != 1 {
				t.Fatal("the good trace has changed")
			}
			broken := strings.Replace(good, c.old, c.new, 1)
			for att := '3'; strings.ContainsRune(broken, '@'); att++ {
				broken = strings.Replace(broken, "@", string(att), 1)
			}
			r, err := Check(strings.NewReader(broken))
			if err != nil || len(r.Violations) == 0 || r.Violations[0].Invariant != c.invariant {
				t.Errorf("%+v %v", r, err)
			}
		})
	}
}

// TestEndedInCalm checks that only an end before the calm's time was over excuses what has not
// arrived.
func TestEndedInCalm(t *testing.T) {
	missing := strings.Replace(good,
		`{"time":9,"session":"s","side":"client","what":"deliver","number":1,"digest":"cc"}`+"\n", "", 1)
	r, err := Check(strings.NewReader(strings.Replace(missing, `{"time":2001,`, `{"time":500,`, 1)))
	if err != nil || len(r.Violations) > 0 {
		t.Errorf("%+v %v", r, err)
	}
}

// TestCut checks that a kill which names no attachment does not end the open ones.
func TestCut(t *testing.T) {
	cut := `{"time":3,"session":"s","what":"kill"}` + "\n"
	r, err := Check(strings.NewReader(cut + good + cut))
	if err != nil || len(r.Violations) > 0 || r.Events != 20 {
		t.Errorf("%+v %v", r, err)
	}
	hole := strings.Replace(good, `"att":2,"first":1,"number":1`, `"att":2,"first":3,"number":3`, 1)
	if r, err = Check(strings.NewReader(strings.Replace(hole, `{"time":7,`, cut+`{"time":7,`, 1))); err != nil ||
		len(r.Violations) != 1 || r.Violations[0].Invariant != "I5" {
		t.Errorf("%+v %v", r, err)
	}
}

func TestUnreadable(t *testing.T) {
	if _, err := Check(strings.NewReader("{}\nnot JSON\n")); err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
		t.Error(err)
	}
}

// TestRecorder checks that what is recorded can be checked.
func TestRecorder(t *testing.T) {
	var out strings.Builder
	r := NewRecorder(&out)
	r.Add(Event{Session: "s", Side: "client", What: "enqueue", Number: 1, Digest: Digest("hello", false)})
	r.Add(Event{Session: "s", Side: "server", What: "deliver", Number: 1, Digest: Digest("hello", true)})
	(*Recorder)(nil).Add(Event{})
	report, err := Check(strings.NewReader(out.String()))
	if err != nil || len(report.Violations) != 1 || report.Violations[0].Invariant != "I1" {
		t.Errorf("%+v %v", report, err)
	}
}
