package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

func describeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "describe PROFILE", Short: "Everything that a profile sets", Args: cobra.ExactArgs(1),
		Long: `describe prints the frame, the elements, the types, the messages and each rule of
a profile with its value, also those that the file leaves to their defaults.`,
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := readProfile(args[0])
			if err != nil {
				return err
			}
			d := p.Describe()
			if a.json {
				return a.printJSON(d)
			}
			return a.describe(&d)
		},
	}
}

func (a *app) describe(d *profile.Description) error {
	a.printf("%s: %s\n\n", d.Name, d.About)
	a.printf("frame    %s, at most %d bytes%s%s\n", d.Frame.Length, d.Frame.Max,
		ifSet(d.Frame.TPDU != "", ", TPDU "+d.Frame.TPDU), ifSet(d.Frame.Header != "", ", header "+d.Frame.Header))
	a.printf("body     %s\n", d.Encoding)
	if d.MAC != nil {
		a.printf("MAC      %s in data element 64%s\n", d.MAC.Algorithm, ifSet(d.MAC.ExtraZeroBlock, ", with an extra block of zeros"))
	}
	a.printf("stripped %s from reversals\n\n", numbers(d.Stripped))
	for _, part := range []func(io.Writer){
		func(w io.Writer) { describeElements(w, d) },
		func(w io.Writer) { describeTypes(w, d) },
		func(w io.Writer) { describeMessages(w, d) },
	} {
		if err := a.table(part); err != nil {
			return err
		}
		a.printf("\n")
	}
	return a.table(func(w io.Writer) { describeRules(w, d) })
}

func describeElements(w io.Writer, d *profile.Description) {
	_, _ = fmt.Fprintln(w, "ELEMENT\tNAME\tTYPE\tLENGTH\tALIGNED\tPARTS")
	for _, e := range d.Elements {
		size := fmt.Sprint(e.Length)
		if e.Prefix != "fixed" {
			size = e.Prefix + " to " + size
		}
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", e.DE, orDash(e.Name), e.Type, size, orDash(e.Align), orDash(e.Layout))
	}
}

func describeTypes(w io.Writer, d *profile.Description) {
	_, _ = fmt.Fprintln(w, "TYPE\tDE 3\tDE 25\tDE 60.1\tUNKNOWN OUTCOME")
	for _, t := range d.Types {
		outcome := "a person"
		if t.Reversed {
			outcome = "reversed"
		}
		switch {
		case d.Rules.Advice.Covers(iso8583.Type(t.Type)):
			outcome = "told until it is taken"
		case d.Rules.Inquiry.Covers(iso8583.Type(t.Type)):
			outcome = "asked, then " + outcome
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.Type, t.Processing, orDash(t.Condition), orDash(t.Function), outcome)
	}
}

func describeMessages(w io.Writer, d *profile.Description) {
	_, _ = fmt.Fprintln(w, "MESSAGE\tMTI\tREPEAT\tANSWER\tCODE\tALWAYS\tWHEN KNOWN\tCONSTANT")
	for _, m := range d.Messages {
		var constants []string
		for _, de := range slices.Sorted(maps.Keys(m.Constants)) {
			constants = append(constants, fmt.Sprintf("%d=%s", de, m.Constants[de]))
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.Kind, m.MTI, orDash(string(m.Repeat)), m.Answer, orDash(m.Network),
			numbers(m.Fields), orDash(numbers(m.Optional)), orDash(strings.Join(constants, " ")))
	}
}

// describeRules prints each rule by its key in the file, so that no new one is
// forgotten here.
func describeRules(w io.Writer, d *profile.Description) {
	printRules(w, d.Hash, []byte(d.Rules.JSON()))
}

// printRules prints rules that came as JSON.
func printRules(w io.Writer, hash string, rules []byte) {
	var tree any
	if err := json.Unmarshal(rules, &tree); err != nil {
		tree = "not known any more"
	}
	_, _ = fmt.Fprintln(w, "RULE\tVALUE")
	_, _ = fmt.Fprintf(w, "(hash)\t%s\n", hash)
	flatten(w, "rules", tree)
}

func flatten(w io.Writer, key string, v any) {
	switch v := v.(type) {
	case map[string]any:
		if key == "rules.mti" {
			return // the messages have them
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			flatten(w, key+"."+k, v[k])
		}
	case []any:
		_, _ = fmt.Fprintf(w, "%s\t%s\n", key, orDash(strings.Trim(fmt.Sprint(v), "[]")))
	default:
		_, _ = fmt.Fprintf(w, "%s\t%v\n", key, v)
	}
}

func numbers(des []int) string { return strings.Trim(fmt.Sprint(des), "[]") }
