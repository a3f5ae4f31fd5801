// Package arch holds the rules of the house as tests: who may import whom,
// what the pure core may do, and how long a file may grow. A failure says
// which rule of the design it breaks and what to do.
package arch

import (
	"fmt"
	"slices"
	"strings"
)

const module = "github.com/counterfoil-pos/counterfoil"

// Modules outside the house, by the path that imports of them begin with.
const (
	backoff = "github.com/cenkalti/backoff/v4"
	bbolt   = "go.etcd.io/bbolt"
	cobra   = "github.com/spf13/cobra"
	gmsm    = "github.com/emmansun/gmsm"
	moov    = "github.com/moov-io/iso8583"
	sys     = "golang.org/x/sys"
	yaml    = "go.yaml.in/yaml/v3"
	zap     = "go.uber.org/zap"
)

// row says what one package, or with /... each package below it that has no
// row of its own, may import. Everything may import the standard library,
// unless std names the part of it that is allowed.
type row struct {
	pkg    string
	house  []string // packages of this module
	others []string // modules
	std    []string
	rule   string // the design's words, or the reason
	advice string
}

// rows is design.md §2, "who may import whom". The longest match counts.
var rows = []row{
	{
		pkg:    "iso8583",
		rule:   "iso8583 is the vocabulary: standard library only",
		advice: "leave in iso8583 what the types mean, and put the rest where it is used",
	},
	{
		pkg:    "iso8583/frame",
		rule:   "iso8583/frame → standard library",
		advice: "a frame is bytes with a length; what they mean belongs to iso8583/profile",
	},
	{
		pkg:    "iso8583/mac",
		others: []string{gmsm},
		rule:   "iso8583/mac → standard library and gmsm",
		advice: "pass bytes and keys in",
	},
	{
		pkg:    "iso8583/profile/...",
		house:  []string{"iso8583/..."},
		others: []string{moov},
		rule:   "iso8583/profile → iso8583/..., moov; it is the only importer of moov-io/iso8583",
		advice: "a profile is data and knows neither agent nor simulator",
	},
	{
		pkg:    "journal",
		others: []string{bbolt},
		rule:   "journal → bbolt; it is the only importer of bbolt and knows no transactions",
		advice: "give the journal bytes, names and a class; meaning stays in agent/txn",
	},
	{
		pkg:   "agent/txn",
		house: []string{"iso8583"},
		std: []string{
			"bytes", "cmp", "crypto/sha256", "encoding", "encoding/binary", "encoding/hex", "encoding/json", "errors", "fmt",
			"hash/fnv", "iter", "maps", "math", "math/bits", "slices", "sort", "strconv", "strings", "time", "unicode", "unicode/utf8",
		},
		rule:   "agent/txn → iso8583 and pure standard library: never net, os, sync, context, math/rand, zap, bbolt, moov, backoff",
		advice: "let package agent do it, and hand the result to the core as an event; what is random or of the clock is an argument",
	},
	{
		pkg:    "agent/link",
		house:  []string{"iso8583", "iso8583/frame"},
		others: []string{backoff},
		rule:   "agent/link → iso8583, iso8583/frame, backoff; it is the only importer of backoff, for reconnecting only",
		advice: "the link carries frames; packing belongs to iso8583/profile and decisions to agent/txn",
	},
	{
		pkg:    "agent/client",
		house:  []string{"iso8583"},
		rule:   "agent/client → iso8583 only: applications link it",
		advice: "repeat the API's type here instead of importing the agent's",
	},
	{
		pkg:    "agent/...",
		house:  []string{"iso8583/...", "journal", "agent/..."},
		others: []string{zap, yaml, sys},
		rule:   "agent → iso8583/..., journal, its own packages, zap, yaml",
		advice: "bbolt is reached through journal, moov through iso8583/profile, backoff through agent/link",
	},
	{
		pkg:    "hostsim/...",
		house:  []string{"iso8583/...", "hostsim/..."},
		others: []string{zap, yaml},
		rule:   "hostsim → iso8583/..., zap, yaml, and never agent or journal: the oracle must not share our bugs",
		advice: "write it again in hostsim, on its own terms",
	},
	{
		pkg:    "cmd/...",
		house:  []string{"iso8583/...", "journal", "agent/...", "hostsim/...", "cmd/..."},
		others: []string{cobra, zap, yaml, sys},
		rule:   "cmd wires; bbolt, moov and backoff have one importer each",
		advice: "move what does more than wire into the package that owns it",
	},
	{
		pkg:    "test/...",
		house:  []string{"iso8583/...", "journal", "agent/...", "hostsim/...", "cmd/...", "test/..."},
		others: []string{zap, yaml, sys},
		rule:   "nothing imports test, and test reaches bbolt and moov only through the packages that own them",
		advice: "what needs a rival engine or another library is a nested module under test/",
	},
}

// within says whether path is pattern, or below it where that ends in /... .
func within(path, pattern string) bool {
	base, below := strings.CutSuffix(pattern, "/...")
	return path == base || below && strings.HasPrefix(path, base+"/")
}

// rowOf finds the row of a package of the house.
func rowOf(pkg string) *row {
	var best *row
	for i := range rows {
		if within(pkg, rows[i].pkg) && (best == nil || len(rows[i].pkg) > len(best.pkg)) {
			best = &rows[i]
		}
	}
	return best
}

// checkImports gives what is wrong with the imports of one package, both named
// by their full paths.
func checkImports(pkg string, imports []string) (wrong []string) {
	pkg = strings.TrimPrefix(pkg, module+"/")
	r := rowOf(pkg)
	if r == nil {
		return []string{fmt.Sprintf("%s: no row in test/arch/rules.go says what it may import: add one, from design §2", pkg)}
	}
	for _, imp := range imports {
		if !r.allows(imp) {
			wrong = append(wrong, fmt.Sprintf("%s imports %s\n\trule (design §2): %s\n\tinstead: %s", pkg, imp, r.rule, r.advice))
		}
	}
	return wrong
}

func (r *row) allows(imp string) bool {
	if own, ok := strings.CutPrefix(imp, module+"/"); ok {
		return slices.ContainsFunc(r.house, func(p string) bool { return within(own, p) })
	}
	if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
		return r.std == nil || slices.Contains(r.std, imp)
	}
	return slices.ContainsFunc(r.others, func(m string) bool { return within(imp, m+"/...") })
}
