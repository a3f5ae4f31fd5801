package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// messageView is a message for people's eyes: what could be card data is
// masked in it, in the bytes too.
type messageView struct {
	Profile string        `json:"profile"`
	Kind    iso8583.Kind  `json:"kind,omitempty"`
	MTI     string        `json:"mti,omitempty"`
	Bytes   int           `json:"bytes"` // of the frame, or of the body where there is none
	Frame   string        `json:"frame,omitempty"`
	Parts   []elementView `json:"parts"`
	MAC     string        `json:"mac,omitempty"`
	Error   string        `json:"error,omitempty"`
	File    string        `json:"file,omitempty"`
	Note    string        `json:"note,omitempty"`
}

type elementView struct {
	Name   string             `json:"name"` // MTI, bitmap, or what the element is called
	DE     int                `json:"de,omitempty"`
	Offset int                `json:"offset"` // in the body
	Bytes  string             `json:"bytes"`
	Value  string             `json:"value,omitempty"`
	Parts  []profile.SubField `json:"parts,omitempty"`
}

// dissected takes a message apart. On error it holds what could be read.
func dissected(c *profile.Codec, frame, body []byte) (*messageView, error) {
	v := &messageView{Profile: c.Name, Bytes: len(body)}
	if frame != nil {
		v.Bytes = len(frame)
		v.Frame = fmt.Sprintf("%x", frame[:len(frame)-len(body)])
	}
	parts, cut := c.Dissect(body)
	m, err := c.Unpack(body)
	if err == nil {
		err = cut // the two disagree: say so
	}
	if m == nil {
		m = iso8583.NewMessage("")
	} else {
		v.MTI = string(m.MTI)
		if m.MAC != iso8583.MACNone {
			v.MAC = m.MAC.String()
		}
	}
	for _, p := range parts {
		v.Parts = append(v.Parts, viewPart(c, m, p))
	}
	if err != nil {
		v.Error = err.Error()
	}
	return v, err
}

func viewPart(c *profile.Codec, m *iso8583.Message, p profile.Part) elementView {
	e := elementView{Name: p.Name, DE: p.DE, Offset: p.Offset, Bytes: fmt.Sprintf("[%d bytes]", len(p.Bytes))}
	if p.DE == 0 {
		if p.Name != "rest" {
			e.Bytes = fmt.Sprintf("%x", p.Bytes)
		}
		return e
	}
	e.Name = profile.ElementName(p.DE)
	if !m.Has(p.DE) {
		return e // not a whole message: nobody knows what the bytes are
	}
	e.Value = m.Masked(p.DE)
	if p.DE != 90 { // an identity of 42 digits, in which anything can be found
		e.Value = maskNumbers(e.Value)
	}
	if e.Value == m.Get(p.DE) {
		e.Bytes = fmt.Sprintf("%x", p.Bytes)
	}
	parts, err := c.Parts(m, p.DE)
	if err != nil {
		e.Value += " (" + err.Error() + ")"
	}
	for _, s := range parts {
		if s.Secret {
			s.Value = fmt.Sprintf("[%d characters]", len(s.Value))
		}
		s.Value = maskNumbers(s.Value)
		e.Parts = append(e.Parts, s)
	}
	return e
}

var longRun = regexp.MustCompile(`[0-9]{13,}`)

// maskNumbers masks what could be a card number, wherever it stands and
// whatever stands around it; in hexadecimal of text too.
func maskNumbers(s string) string {
	if b, err := hex.DecodeString(s); err == nil && longRun.Match(b) {
		return fmt.Sprintf("[%d characters]", len(s))
	}
	return longRun.ReplaceAllStringFunc(s, func(run string) string {
		for n := min(19, len(run)); n >= 13; n-- {
			for from := 0; from+n <= len(run); from++ {
				if run[from] != '0' && iso8583.Luhn(run[from:from+n]) {
					return fmt.Sprintf("[%d digits]", len(run))
				}
			}
		}
		return run
	})
}

func (a *app) printView(v *messageView) error {
	if a.json {
		return a.printJSON(v)
	}
	what := v.MTI
	if what == "" {
		what = "no message"
	}
	a.printf("%s\n", joined(", ", joined(" ", string(v.Kind), what, "in "+v.Profile), fmt.Sprintf("%d bytes", v.Bytes), ifSet(v.MAC != "", "MAC "+v.MAC)))
	err := a.table(func(w io.Writer) {
		if v.Frame != "" {
			_, _ = fmt.Fprintf(w, "\t\tframe\t%s\n", v.Frame)
		}
		for _, e := range v.Parts {
			de := ""
			if e.DE != 0 {
				de = fmt.Sprint(e.DE)
			}
			_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", e.Offset, de, e.Name, e.Bytes, e.Value)
			for _, s := range e.Parts {
				_, _ = fmt.Fprintf(w, "\t\t  %s\t\t%s\n", s.Name, strings.TrimSpace(s.Value))
			}
		}
	})
	if err != nil {
		return err
	}
	if v.Note != "" {
		a.printf("%s\n", v.Note)
	}
	if v.File != "" {
		a.printf("written to %s\n", v.File)
	}
	return nil
}
