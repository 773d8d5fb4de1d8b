package session

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The tests of this file check what docs/architecture.md says.

// parsed is a package without its tests.
type parsed struct {
	fset     *token.FileSet
	importer types.Importer
	files    []*ast.File
	pkg      *types.Package
	info     *types.Info
}

// sources imports packages once for all tests.
var sources = sync.OnceValue(func() *parsed {
	fset := token.NewFileSet()
	return &parsed{fset: fset, importer: importer.ForCompiler(fset, "source", nil)}
})

func parsePackage(t *testing.T, dir string) *parsed {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files, %v", dir, len(names), err)
	}
	p := *sources()
	p.info = &types.Info{Uses: map[*ast.Ident]types.Object{}}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(p.fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		p.files = append(p.files, file)
	}
	cfg := types.Config{Importer: p.importer}
	if p.pkg, err = cfg.Check(dir, p.fset, p.files, p.info); err != nil {
		t.Fatal(err)
	}
	return &p
}

func (p *parsed) fileOf(pos token.Pos) string { return filepath.Base(p.fset.Position(pos).Filename) }

var machinePackages = []string{
	"internal/logs", "internal/machine", "internal/clientmachine", "internal/servermachine",
}

// The machines only decide. They start no goroutine, take no lock, open no connection, and do not
// read a clock.
func TestMachinesDoNoIO(t *testing.T) {
	for _, dir := range machinePackages {
		p := parsePackage(t, dir)
		for _, file := range p.files {
			for _, i := range file.Imports {
				path, _, _ := strings.Cut(strings.Trim(i.Path.Value, `"`), "/")
				if slices.Contains([]string{"sync", "net", "os", "syscall", "context"}, path) {
					t.Errorf("%s imports %s", p.fset.Position(i.Pos()), i.Path.Value)
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if g, ok := n.(*ast.GoStmt); ok {
					t.Errorf("%s starts a goroutine", p.fset.Position(g.Pos()))
				}
				return true
			})
		}
		for id, o := range p.info.Uses {
			if f, ok := o.(*types.Func); ok && f.Pkg() != nil && f.Pkg().Path() == "time" && asksForTime(f) {
				t.Errorf("%s uses a clock", p.fset.Position(id.Pos()))
			}
		}
	}
}

// asksForTime reports whether the function uses a clock. Methods of a value do not.
func asksForTime(f *types.Func) bool {
	known := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}
	return f.Signature().Recv() == nil && slices.Contains(known, f.Name())
}

// A machine is used through its methods only: nothing that it keeps has a field that other packages
// can write. Structs with exported fields are plain values, which are copied.
func TestMachinesHaveAWall(t *testing.T) {
	for _, dir := range machinePackages {
		p := parsePackage(t, dir)
		scope := p.pkg.Scope()
		for _, name := range scope.Names() {
			o := scope.Lookup(name)
			if !o.Exported() {
				continue
			}
			if f, ok := o.(*types.Func); ok {
				checkSignature(t, p, f)
			}
			named, ok := o.Type().(*types.Named)
			if _, isType := o.(*types.TypeName); !isType || !ok {
				continue
			}
			for m := range named.Methods() {
				if m.Exported() {
					checkSignature(t, p, m)
				}
			}
		}
	}
}

func checkSignature(t *testing.T, p *parsed, f *types.Func) {
	t.Helper()
	s := f.Signature()
	vars := slices.Concat(slices.Collect(s.Params().Variables()), slices.Collect(s.Results().Variables()))
	if s.Recv() != nil {
		vars = append(vars, s.Recv())
	}
	for _, v := range vars {
		pointer, ok := v.Type().(*types.Pointer)
		if !ok {
			continue
		}
		named, ok := pointer.Elem().(*types.Named)
		if !ok || named.Obj().Pkg() == nil || strings.HasSuffix(named.Obj().Pkg().Path(), "/wire") {
			continue
		}
		st, ok := named.Underlying().(*types.Struct)
		if !ok || !strings.Contains(named.Obj().Pkg().Path(), "internal/") {
			continue
		}
		for field := range st.Fields() {
			if field.Exported() {
				t.Errorf("%s: %s gives a pointer to a %s, whose field %s can be written",
					p.fset.Position(f.Pos()), f.Name(), named.Obj().Name(), field.Name())
			}
		}
	}
}

// Files of a package do not use each other in a circle, so each can be read after those it uses.
func TestFilesFormNoCircle(t *testing.T) {
	for _, dir := range append([]string{".", "internal/wire", "client"}, machinePackages...) {
		p := parsePackage(t, dir)
		uses := map[string]map[string]bool{}
		for id, o := range p.info.Uses {
			isLocal := o.Parent() != nil && o.Parent() != p.pkg.Scope()
			from, to := p.fileOf(id.Pos()), p.fileOf(o.Pos())
			if o.Pkg() != p.pkg || isLocal || from == to {
				continue
			}
			if uses[from] == nil {
				uses[from] = map[string]bool{}
			}
			uses[from][to] = true
		}
		for len(uses) > 0 { // remove the files that use none of those left
			before := len(uses)
			for from, to := range uses {
				maps.DeleteFunc(to, func(name string, _ bool) bool { return len(uses[name]) == 0 })
				if len(to) == 0 {
					delete(uses, from)
				}
			}
			if len(uses) == before {
				t.Errorf("%s: these files use each other: %v", dir, slices.Sorted(maps.Keys(uses)))
				break
			}
		}
	}
}
