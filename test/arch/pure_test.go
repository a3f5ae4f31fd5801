package arch

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// impure is what the core may not call although it may import the package.
var impure = map[string][]string{
	"time": {"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "NewTimer", "NewTicker", "Tick", "Local", "LoadLocation"},
	"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
}

// unordered is what gives a map's elements in random order, besides range.
var unordered = []string{"All", "Keys", "Values"}

func TestCoreIsPure(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(root, "agent/txn/*.go"))
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, p := range paths {
		if strings.HasSuffix(p, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, p, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		t.Skip("there is no agent/txn yet")
	}
	wrong, err := impurities(fset, files)
	if err != nil {
		t.Fatalf("agent/txn does not compile: %v", err)
	}
	for _, w := range wrong {
		t.Error(w)
	}
}

// What the check must find, each line once, and what it must let pass.
func TestPurityCheckBites(t *testing.T) {
	const src = `package txn
import ("fmt"; "maps"; "slices"; "time")
type set map[string]int
func f(m map[int]int, s set, l []int, c chan int) {
	for range m {} // WRONG
	for k := range s { _ = k } // WRONG
	for range m {} // order: a count, every order gives the same
	for range l {}
	_ = time.Now() // WRONG
	_ = time.Second
	clock := time.Since // WRONG
	_ = clock
	fmt.Println() // WRONG
	_ = fmt.Sprint(m)
	go f(m, s, l, c) // WRONG
	select {} // WRONG
	_ = slices.Sorted(maps.Keys(m))
	_ = slices.Collect(maps.Values(m)) // WRONG
	for range maps.All(m) {} // WRONG
}
func g[M ~map[int]int](m M) {
	for range m {} // WRONG
}
`
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "sample.go", src, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := impurities(fset, []*ast.File{f})
	if err != nil {
		t.Fatal(err)
	}
	found := strings.Join(wrong, "\n")
	n := 0
	for line := range strings.Lines(src) {
		n++
		got := strings.Count(found, fmt.Sprintf("sample.go:%d:", n))
		if want := strings.Count(line, "WRONG"); got != want {
			t.Errorf("line %d, %q: %d findings, want %d", n, strings.TrimSpace(line), got, want)
		}
	}
}

// impurities lists, with their places, what the pure core may not do.
func impurities(fset *token.FileSet, files []*ast.File) (wrong []string, err error) {
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	if _, err := conf.Check(module+"/agent/txn", fset, files, info); err != nil {
		return nil, err
	}
	for _, f := range files {
		p := purity{fset: fset, info: info, ordered: map[int]bool{}, sorted: map[ast.Node]bool{}}
		for _, group := range f.Comments {
			for _, c := range group.List {
				if strings.HasPrefix(c.Text, "// order: ") {
					p.ordered[fset.Position(c.Pos()).Line] = true
				}
			}
		}
		ast.Inspect(f, p.visit)
		wrong = append(wrong, p.wrong...)
	}
	return wrong, nil
}

type purity struct {
	fset    *token.FileSet
	info    *types.Info
	ordered map[int]bool      // lines with a comment "order: why"
	sorted  map[ast.Node]bool // what goes straight into slices.Sorted
	wrong   []string
}

func (p *purity) add(n ast.Node, what, rule, advice string) {
	p.wrong = append(p.wrong, fmt.Sprintf("%s: %s\n\trule (design §2, §3): %s\n\tinstead: %s", p.fset.Position(n.Pos()), what, rule, advice))
}

func (p *purity) unordered(n ast.Node, what string) {
	if !p.ordered[p.fset.Position(n.Pos()).Line] {
		p.add(n, what, "the core never ranges over a map where order shows: a seed must give the same trace twice",
			"sort the keys, or say at the end of the line why order does not show: // order: <why>")
	}
}

func (p *purity) visit(n ast.Node) bool {
	const noGoroutine = "the core has no I/O, no clock, no goroutine"
	switch n := n.(type) {
	case *ast.GoStmt:
		p.add(n, "go statement", noGoroutine, "let package agent start it")
	case *ast.SelectStmt:
		p.add(n, "select statement", noGoroutine, "let package agent wait, and hand in an event")
	case *ast.RangeStmt:
		if overMap(p.info.TypeOf(n.X)) {
			p.unordered(n, "range over a map")
		}
	case *ast.CallExpr:
		if pkg, name := p.selected(n.Fun); pkg == "slices" && strings.HasPrefix(name, "Sorted") {
			p.sorted[ast.Unparen(n.Args[0])] = true
		}
		if pkg, name := p.selected(n.Fun); pkg == "maps" && slices.Contains(unordered, name) && !p.sorted[n] {
			p.unordered(n, "maps."+name)
		}
	case *ast.SelectorExpr:
		if pkg, name := p.selected(n); slices.Contains(impure[pkg], name) {
			p.add(n, pkg+"."+name, noGoroutine, "take the time as an argument of Step; say things with a record or an answer")
		}
	}
	return true
}

// selected gives package and name of an expression such as time.Now.
func (p *purity) selected(e ast.Expr) (pkg, name string) {
	sel, ok := ast.Unparen(e).(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok {
		return "", ""
	}
	of, ok := p.info.Uses[id].(*types.PkgName)
	if !ok {
		return "", ""
	}
	return of.Imported().Path(), sel.Sel.Name
}

// overMap says whether t is a map, or a type parameter that can be one.
func overMap(t types.Type) bool {
	if tp, ok := types.Unalias(t).(*types.TypeParam); ok {
		c := tp.Underlying().(*types.Interface)
		for i := range c.NumEmbeddeds() {
			u, ok := c.EmbeddedType(i).(*types.Union)
			if !ok {
				return overMap(c.EmbeddedType(i))
			}
			for k := range u.Len() {
				if overMap(u.Term(k).Type()) {
					return true
				}
			}
		}
		return false
	}
	_, ok := t.Underlying().(*types.Map)
	return ok
}
