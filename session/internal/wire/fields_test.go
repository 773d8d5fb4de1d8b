package wire

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-rt/holdfast/transport"
)

// A field is stored by its index in the table of fields, so the table must match the struct.
func TestControlFieldsMatchStructs(t *testing.T) {
	for _, c := range controls {
		v := newControl(c.name)
		if c.name == nameClose {
			v = new(Close)
		}
		typ := reflect.TypeOf(v).Elem()
		if typ.NumField() != len(c.fields) {
			t.Errorf("%s: %v has %d fields, the table has %d", c.name, typ, typ.NumField(), len(c.fields))
			continue
		}
		matchFields(t, c.name, typ, c.fields)
	}
}

func matchFields(t *testing.T, parent string, typ reflect.Type, fields []field) {
	t.Helper()
	kinds := map[fieldType]reflect.Type{
		typeNumber:  reflect.TypeFor[uint64](),
		typeText:    reflect.TypeFor[string](),
		typeBool:    reflect.TypeFor[bool](),
		typeNumbers: reflect.TypeFor[[]uint64](),
		typeTexts:   reflect.TypeFor[[]string](),
		typeAny:     reflect.TypeFor[json.RawMessage](),
	}
	for i, f := range fields {
		got := typ.Field(i)
		name, _, _ := strings.Cut(got.Tag.Get("json"), ",")
		if name == "" {
			name = strings.ToLower(got.Name)
		}
		if name != f.name {
			t.Errorf("%s.%s is %s in the table", parent, name, f.name)
		}
		if f.typ == typeObject {
			matchFields(t, parent+"."+f.name, got.Type, f.fields)
		} else if got.Type != kinds[f.typ] {
			t.Errorf("%s.%s is a %v", parent, name, got.Type)
		}
	}
}

func TestDecodeControl(t *testing.T) {
	parse := func(s string) Line {
		var p Packet
		if err := p.Parse(transport.Batch{Parts: [][]byte{[]byte("@1 0\n" + s + "\n")}}, 1<<16); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		return p.Lines[0]
	}
	var o Open
	body := `!open {"recv":4,"v":[1,2],"x":["a","b\n"],"key":"k\"","run":"r","att":2,"u":3,"Att":9,` +
		`"lim":{"maxBatch":5,"maxMessage":"x"},"auth": {"key":1, "key":2} ,"meta":null}`
	if err := DecodeControl(parse(body), &o); err != nil {
		t.Fatal(err)
	}
	want := Open{
		V: []uint64{1, 2}, X: []string{"a", "b\n"}, Key: `k"`, Run: "r", Att: 2, U: 3, Recv: 4,
		Lim:  Limits{MaxBatch: 5},
		Auth: json.RawMessage(`{"key":1, "key":2}`), Meta: json.RawMessage("null"),
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("open is %+v, want %+v", o, want)
	}
	var d Detach
	if err := DecodeControl(parse(`!detach {"gone":true,"code":4001}`), &d); err != nil || d != (Detach{4001, true}) {
		t.Errorf("detach is %+v, error %v", d, err)
	}
	var r Reply
	err := DecodeControl(parse(`!reply {"sel":{"att":3,"later":{},"u":2},"sent":17,"recv":9}`), &r)
	if err != nil || r != (Reply{9, 17, Selection{2, 3}}) {
		t.Errorf("reply is %+v, error %v", r, err)
	}
}

// What was decoded does not change when the bytes of the batch are used again.
func TestDecodeControlCopies(t *testing.T) {
	batch := []byte(`@1 0` + "\n" + `!open {"v":[1],"key":"secret","att":1,"recv":0,"lim":{},"auth":"token"}` + "\n")
	var p Packet
	var o Open
	if err := p.Parse(transport.Batch{Parts: [][]byte{batch}}, 1<<16); err != nil {
		t.Fatal(err)
	}
	if err := DecodeControl(p.Lines[0], &o); err != nil {
		t.Fatal(err)
	}
	for i := range batch {
		batch[i] = 'x'
	}
	if o.Key != "secret" || string(o.Auth) != `"token"` {
		t.Errorf("the key is %q, auth is %q", o.Key, o.Auth)
	}
}

// A line that does not come from Parse must follow the same rules.
func TestDecodeControlRefuses(t *testing.T) {
	for _, tc := range []struct{ body, rule string }{
		{`{"recv":"7"}`, "HF1-BAT-11"},
		{`{"recv":7.0}`, "HF1-BAT-04"},
		{`{}`, "HF1-BAT-11"},
		{``, "HF1-BAT-01"},
		{`{"recv":7,"recv":7}`, "HF1-BAT-11"},
	} {
		var r Rewind
		err := DecodeControl(Line{Kind: ControlLine, Must: true, Name: nameRewind, Body: []byte(tc.body)}, &r)
		if err == nil || !strings.Contains(err.Error(), tc.rule) {
			t.Errorf("%s: %v, want %s", tc.body, err, tc.rule)
		}
	}
	if DecodeControl(Line{Kind: ControlLine, Name: ""}, new(Ping)) == nil {
		t.Error("a control was decoded that must be ignored")
	}
}

func TestAppendControl(t *testing.T) {
	o := Open{V: []uint64{1}, Key: "k", Att: 1, Meta: json.RawMessage("{\r\n\t\"a\" : [ 1,\n\"<\u2028>\"] }")}
	got := string(AppendControl([]byte("x"), o))
	want := `x!open {"v":[1],"key":"k","att":1,"recv":0,"lim":{},"meta":{"a":[1,"<` + "\u2028" + `>"]}}` + "\n"
	if got != want {
		t.Errorf("the line is %q, want %q", got, want)
	}
	if got := string(AppendGrease(nil, [4]byte{0, 27, 2, 3})); got != "?grease-abcd\n" {
		t.Errorf("the grease line is %q", got)
	}
}

func TestIsJSON(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for s, want := range map[string]bool{
		"null": true, `"x"`: true, " {\n} ": true, nested(7): true,
		nested(8): false, "": false, "{": false, "1 2": false, "\"\xff\"": false, "\"a\nb\"": false,
	} {
		if IsJSON(json.RawMessage(s)) != want {
			t.Errorf("IsJSON(%q) is not %v", s, want)
		}
	}
	// JSON that IsJSON allows can be sent, and Parse accepts it.
	o := Open{V: []uint64{1}, Key: "k", Att: 1, Auth: json.RawMessage(nested(7))}
	batch := AppendControl(AppendHead(nil, 1, 0), o)
	if err := new(Packet).Parse(transport.Batch{Parts: [][]byte{batch}}, 1<<16); err != nil {
		t.Error(err)
	}
}

func TestControlsAreUnique(t *testing.T) {
	var names []string
	for _, c := range controls {
		if slices.Contains(names, c.name) {
			t.Errorf("%s is there twice", c.name)
		}
		names = append(names, c.name)
	}
}
