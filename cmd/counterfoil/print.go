package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// How times are printed.
const (
	dateTime  = "2006-01-02 15:04:05"
	clockTime = "15:04:05.000"
)

func (a *app) time(t time.Time) string { return t.In(a.zone).Format(dateTime) }

func (a *app) printf(format string, args ...any) { _, _ = fmt.Fprintf(a.stdout, format, args...) }

// note tells how it goes, beside the result.
func (a *app) note(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stderr, format+"\n", args...)
}

// printJSON prints one indented document.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// table prints rows under a head, in columns.
func (a *app) table(fill func(w io.Writer)) error {
	t := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fill(t)
	if err := t.Flush(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// text picks the language.
func (a *app) text(t client.Text) string {
	if a.chinese() && t.ZH != "" {
		return t.ZH
	}
	return t.EN
}

// printable keeps what others wrote from steering the terminal.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return '·'
	}
	return r
}

// joined joins what is not empty.
func joined(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), sep)
}

func ifSet(when bool, text string) string {
	if when {
		return text
	}
	return ""
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// sum is a type with its amount, where it has one: "void of 12.34 CNY".
func sum(t iso8583.Type, amount string) string { return joined(" of ", string(t), amount) }
