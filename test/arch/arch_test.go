package arch

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// maxLines is how long a product file may be. 100 to 400 is the aim.
const maxLines = 600

func TestImports(t *testing.T) {
	cmd := exec.Command("go", "list", "-e", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := 0
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		for _, w := range checkImports(f[0], f[1:]) {
			t.Error(w)
		}
		packages++
	}
	if packages < 3 {
		t.Errorf("go list found %d packages: the test does not see the house", packages)
	}
}

// What the table must refuse, and what it must let pass.
func TestImportRulesBite(t *testing.T) {
	for _, c := range []struct {
		pkg, imp string
		ok       bool
	}{
		{"iso8583", "strings", true},
		{"iso8583", zap, false},
		{"iso8583/frame", module + "/iso8583/profile", false},
		{"iso8583/profile", moov + "/field", true},
		{"iso8583/profile", module + "/agent", false},
		{"journal", bbolt + "/errors", true},
		{"journal", module + "/iso8583", false},
		{"agent", bbolt, false},
		{"agent", moov, false},
		{"agent", backoff, false},
		{"agent", module + "/test/sim", false},
		{"agent", module + "/hostsim", false},
		{"agent/link", backoff, true},
		{"agent/link", module + "/journal", false},
		{"agent/link", zap, false},
		{"agent/client", module + "/iso8583", true},
		{"agent/client", module + "/agent", false},
		{"agent/client", module + "/iso8583/profile", false},
		{"agent/txn", module + "/iso8583", true},
		{"agent/txn", module + "/iso8583/profile", false},
		{"agent/txn", "time", true},
		{"agent/txn", "os", false},
		{"agent/txn", "net", false},
		{"agent/txn", "sync", false},
		{"agent/txn", "sync/atomic", false},
		{"agent/txn", "context", false},
		{"agent/txn", "math/rand/v2", false},
		{"agent/txn", "crypto/rand", false},
		{"agent/txn", "log/slog", false},
		{"hostsim", module + "/iso8583/frame", true},
		{"hostsim", module + "/agent", false},
		{"hostsim", module + "/agent/client", false},
		{"hostsim", module + "/journal", false},
		{"cmd/counterfoil", cobra, true},
		{"cmd/counterfoil", bbolt, false},
		{"cmd/counterfoil", module + "/test", false},
		{"test/sim", module + "/agent/txn", true},
		{"elsewhere", "strings", false},
	} {
		if wrong := checkImports(module+"/"+c.pkg, []string{c.imp}); (len(wrong) == 0) != c.ok {
			t.Errorf("%s → %s: allowed is %v, want %v", c.pkg, c.imp, len(wrong) == 0, c.ok)
		}
	}
}

// walk calls fn for each text file of the repository.
func walk(t *testing.T, fn func(path string, content []byte)) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case ".git", "bin", "dist":
				return fs.SkipDir
			}
			return nil
		}
		if ext := filepath.Ext(path); !d.Type().IsRegular() || d.Name() == ".git" || ext == ".test" || ext == ".out" {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil || bytes.IndexByte(content, 0) >= 0 {
			return err
		}
		rel, err := filepath.Rel(root, path)
		fn(filepath.ToSlash(rel), content)
		files++
		return err
	})
	if err != nil || files < 10 {
		t.Fatalf("%d files, %v: the test does not see the house", files, err)
	}
}

func TestFileLength(t *testing.T) {
	walk(t, func(path string, content []byte) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "test/") {
			return
		}
		if n := bytes.Count(content, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines\n\trule (design §7): one noun per file, 100–400 lines, never above %d\n\tinstead: find the second noun and give it a file", path, n, maxLines)
		}
	})
}

// foreign matches paths of the machine that something was written on.
var foreign = regexp.MustCompile(`(^|[^\w.~-])/(` + "work|" + "root" + `)/`)

func TestNoPathOfThisMachine(t *testing.T) {
	if !foreign.MatchString("see /"+"work/main") || foreign.MatchString("net/"+"work/x") {
		t.Fatal("the search does not find what it should")
	}
	walk(t, func(path string, content []byte) {
		n := 0
		for line := range bytes.Lines(content) {
			n++
			if foreign.Match(line) {
				t.Errorf("%s:%d names a path of one machine\n\trule: a fresh clone works anywhere\n\tinstead: a path relative to the repository, or a flag", path, n)
			}
		}
	})
}
