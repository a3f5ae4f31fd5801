package mutants

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// chosenBy is the environment variable in which the built simulation finds the
// number of its mutant: 1 is the first one, 0 or nothing the product as it is.
const chosenBy = "COUNTERFOIL_MUTANT"

// selector is what the overlay adds to the package that holds the mutants.
const selector = `package %s

import (
	"os"
	"strconv"
)

var mutant__, _ = strconv.Atoi(os.Getenv(%q))
`

// overlay writes the product with all mutants in it, each asleep until its
// number is chosen, and the file that tells the go command to read that
// instead: one build serves them all.
func overlay(root, dir string, all []mutant) (string, error) {
	replace := map[string]string{}
	lay := func(name, text string) error {
		copied := filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		replace[filepath.Join(root, filepath.FromSlash(name))] = copied
		return os.WriteFile(copied, []byte(text), 0o600)
	}
	for _, name := range files(all) {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return "", err
		}
		of, mixed, err := mix(string(text), name, all)
		if err != nil {
			return "", err
		}
		if err := lay(name, mixed); err != nil {
			return "", err
		}
		choice := name[:strings.LastIndex(name, "/")] + "/mutant__.go"
		if replace[filepath.Join(root, filepath.FromSlash(choice))] == "" {
			if err := lay(choice, fmt.Sprintf(selector, of, chosenBy)); err != nil {
				return "", err
			}
		}
	}
	b, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, b, 0o600)
}

// files are those that the mutants are in, each once.
func files(all []mutant) (names []string) {
	seen := map[string]bool{}
	for i := range all {
		if !seen[all[i].file] {
			names = append(names, all[i].file)
		}
		seen[all[i].file] = true
	}
	return names
}

// mix puts the bodies that the file's mutants give its functions before the
// functions' own: if mutant__ == 17 { … }. It gives the package's name, too.
func mix(text, name string, all []mutant) (of, mixed string, err error) {
	file, fset, err := parse(text)
	if err != nil {
		return "", "", err
	}
	bodies := make([]string, len(file.Decls))
	for i := range all {
		if all[i].file != name {
			continue
		}
		if err := all[i].bodies(text, file, fset, i+1, bodies); err != nil {
			return "", "", fmt.Errorf("%s: %w", all[i].name, err)
		}
	}
	at := 0
	var b strings.Builder
	for i, decl := range file.Decls {
		if bodies[i] != "" {
			start := fset.Position(decl.(*ast.FuncDecl).Body.Lbrace).Offset + 1
			b.WriteString(text[at:start] + "\n" + bodies[i])
			at = start
		}
	}
	return file.Name.Name, b.String() + text[at:], nil
}

// bodies adds what the mutant makes of the file's functions.
func (m *mutant) bodies(text string, file *ast.File, fset *token.FileSet, number int, bodies []string) error {
	mutated, err := m.apply(text)
	if err != nil {
		return err
	}
	other, otherSet, err := parse(mutated)
	if err != nil {
		return err
	}
	if len(other.Decls) != len(file.Decls) {
		return fmt.Errorf("it adds or takes away a declaration of %s; a mutant changes what functions do, and nothing else", m.file)
	}
	for i, decl := range file.Decls {
		if cut(text, fset, decl.Pos(), decl.End()) == cut(mutated, otherSet, other.Decls[i].Pos(), other.Decls[i].End()) {
			continue
		}
		was, ok := decl.(*ast.FuncDecl)
		is, still := other.Decls[i].(*ast.FuncDecl)
		if !ok || !still || cut(text, fset, was.Pos(), was.Body.Lbrace) != cut(mutated, otherSet, is.Pos(), is.Body.Lbrace) {
			return fmt.Errorf("it changes a declaration of %s; a mutant changes what functions do, and nothing else", m.file)
		}
		body := cut(mutated, otherSet, is.Body.Lbrace+1, is.Body.Rbrace)
		if is.Type.Results == nil {
			body += "\nreturn\n"
		}
		bodies[i] += fmt.Sprintf("if mutant__ == %d {%s}\n", number, body)
	}
	return nil
}

// apply makes the replacement.
func (m *mutant) apply(text string) (string, error) {
	if n := strings.Count(text, m.old); n != 1 {
		return "", fmt.Errorf("the text to replace occurs %d times in %s, want once: has the product changed?", n, m.file)
	}
	return strings.Replace(text, m.old, m.new, 1), nil
}

func parse(text string) (*ast.File, *token.FileSet, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", text, parser.SkipObjectResolution)
	return file, fset, err
}

func cut(text string, fset *token.FileSet, from, to token.Pos) string {
	return text[fset.Position(from).Offset:fset.Position(to).Offset]
}
