package session

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-rt/holdfast/transport"
)

// Fields are stored by their place in the table, so the table must be the struct's image.
func TestControlFieldsMatchStructs(t *testing.T) {
	for _, c := range controls {
		v := newControl(c.name)
		if c.name == nameClose {
			v = new(closeControl)
		}
		typ := reflect.TypeOf(v).Elem()
		if typ.NumField() != len(c.fields) {
			t.Errorf("%s: %d fields in %v, %d in the table", c.name, typ.NumField(), typ, len(c.fields))
			continue
		}
		matchFields(t, c.name, typ, c.fields)
	}
}

func matchFields(t *testing.T, path string, typ reflect.Type, fields []field) {
	t.Helper()
	kinds := map[fieldType]reflect.Type{
		typeNumber: reflect.TypeFor[uint64](), typeText: reflect.TypeFor[string](), typeBool: reflect.TypeFor[bool](),
		typeNumbers: reflect.TypeFor[[]uint64](), typeTexts: reflect.TypeFor[[]string](), typeAny: reflect.TypeFor[json.RawMessage](),
	}
	for i, f := range fields {
		got := typ.Field(i)
		name, _, _ := strings.Cut(got.Tag.Get("json"), ",")
		if name == "" {
			name = strings.ToLower(got.Name)
		}
		if name != f.name {
			t.Errorf("%s.%s is %s in the table", path, name, f.name)
		}
		if f.typ == typeObject {
			matchFields(t, path+"."+f.name, got.Type, f.fields)
		} else if got.Type != kinds[f.typ] {
			t.Errorf("%s.%s is a %v", path, name, got.Type)
		}
	}
}

func TestDecodeControl(t *testing.T) {
	parse := func(s string) line {
		var p packet
		if err := p.parse(transport.Batch{Parts: [][]byte{[]byte("@1 0\n" + s + "\n")}}, 1<<16); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		return p.lines[0]
	}
	var o openControl
	body := `!open {"recv":4,"v":[1,2],"x":["a","b\n"],"key":"k\"","run":"r","att":2,"u":3,"Att":9,"lim":{"maxBatch":5,"maxMessage":"x"},` +
		`"auth": {"key":1, "key":2} ,"meta":null}`
	if err := decodeControl(parse(body), &o); err != nil {
		t.Fatal(err)
	}
	want := openControl{
		V: []uint64{1, 2}, X: []string{"a", "b\n"}, Key: `k"`, Run: "r", Att: 2, U: 3, Recv: 4, Lim: limControl{MaxBatch: 5},
		Auth: json.RawMessage(`{"key":1, "key":2}`), Meta: json.RawMessage("null"),
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("%+v, want %+v", o, want)
	}
	var d detachControl
	if err := decodeControl(parse(`!detach {"gone":true,"code":4001}`), &d); err != nil || d != (detachControl{4001, true}) {
		t.Errorf("%+v, %v", d, err)
	}
	var r replyControl
	if err := decodeControl(parse(`!reply {"sel":{"att":3,"later":{},"u":2},"sent":17,"recv":9}`), &r); err != nil || r != (replyControl{9, 17, selControl{2, 3}}) {
		t.Errorf("%+v, %v", r, err)
	}
}

// What was decoded outlives the batch.
func TestDecodeControlCopies(t *testing.T) {
	batch := []byte(`@1 0` + "\n" + `!open {"v":[1],"key":"secret","att":1,"recv":0,"lim":{},"auth":"token"}` + "\n")
	var p packet
	var o openControl
	if err := p.parse(transport.Batch{Parts: [][]byte{batch}}, 1<<16); err != nil {
		t.Fatal(err)
	}
	if err := decodeControl(p.lines[0], &o); err != nil {
		t.Fatal(err)
	}
	for i := range batch {
		batch[i] = 'x'
	}
	if o.Key != "secret" || string(o.Auth) != `"token"` {
		t.Errorf("%q %q", o.Key, o.Auth)
	}
}

// A line that does not come from parse is held to the same rules.
func TestDecodeControlRefuses(t *testing.T) {
	for _, tc := range []struct{ body, rule string }{
		{`{"recv":"7"}`, "HF1-BAT-11"},
		{`{"recv":7.0}`, "HF1-BAT-04"},
		{`{}`, "HF1-BAT-11"},
		{``, "HF1-BAT-01"},
		{`{"recv":7,"recv":7}`, "HF1-BAT-11"},
	} {
		var r rewindControl
		err := decodeControl(line{kind: lineControl, must: true, name: nameRewind, body: []byte(tc.body)}, &r)
		if err == nil || !strings.Contains(err.Error(), tc.rule) {
			t.Errorf("%s: %v, want %s", tc.body, err, tc.rule)
		}
	}
	if decodeControl(line{kind: lineControl, name: ""}, new(pingControl)) == nil {
		t.Error("an ignored control was decoded")
	}
}

func TestAppendControl(t *testing.T) {
	o := openControl{V: []uint64{1}, Key: "k", Att: 1, Meta: json.RawMessage("{\r\n\t\"a\" : [ 1,\n\"<\u2028>\"] }")}
	got := string(appendControl([]byte("x"), true, nameOpen, o))
	want := `x!open {"v":[1],"key":"k","att":1,"recv":0,"lim":{},"meta":{"a":[1,"<` + "\u2028" + `>"]}}` + "\n"
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := string(appendControl(nil, false, "grease-a", nil)); got != "?grease-a\n" {
		t.Errorf("%q", got)
	}
}

func TestIsJSON(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for s, want := range map[string]bool{
		"null": true, `"x"`: true, " {\n} ": true, nested(7): true,
		nested(8): false, "": false, "{": false, "1 2": false, "\"\xff\"": false, "\"a\nb\"": false,
	} {
		if isJSON(json.RawMessage(s)) != want {
			t.Errorf("isJSON(%q) is not %v", s, want)
		}
	}
	// What passes can be sent and is taken.
	o := openControl{V: []uint64{1}, Key: "k", Att: 1, Auth: json.RawMessage(nested(7))}
	batch := appendControl(appendHead(nil, 1, 0), true, nameOpen, o)
	if err := new(packet).parse(transport.Batch{Parts: [][]byte{batch}}, 1<<16); err != nil {
		t.Error(err)
	}
}

func TestControlsAreUnique(t *testing.T) {
	var names []string
	for _, c := range controls {
		if slices.Contains(names, c.name) {
			t.Errorf("%s twice", c.name)
		}
		names = append(names, c.name)
	}
}
