package txn

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// describe is one record on one line.
func (l *lab) describe(r Record) string {
	switch r := r.(type) {
	case *Intent:
		of := ", sale " + strings.TrimSuffix(r.Sale+" part "+r.Part, " part ")
		if r.Sale == "" {
			of = strings.TrimSuffix(" of "+r.Original, " of ")
		}
		for _, f := range []struct{ name, value string }{{"session", r.Session}, {"replaces", r.Replaces}, {"not a duplicate of", r.NotDuplicateOf}} {
			if f.value != "" {
				of += ", " + f.name + " " + f.value
			}
		}
		if r.Implicit {
			of += ", IMPLICIT"
		}
		if r.Chip != "" {
			of += fmt.Sprintf(", chip %s %s", r.Chip, r.EMV)
		}
		if r.HostTime != "" {
			of += ", at the host " + r.HostTime + " " + r.HostDate
		}
		if r.Partial {
			of += ", a part will do"
		}
		return fmt.Sprintf("intent %s: %s %s TID %s STAN %s DE 7 %s DE 12/13 %s %s/%d address %d%s",
			r.UUID, r.Kind, iso8583.Amount{Minor: r.Minor, Currency: r.Currency}, r.TID, r.STAN,
			r.Transmission, r.LocalTime, r.LocalDate, r.Year, r.Route, of)
	case *RulesUsed:
		return "rules kept under their hash"
	}
	var b strings.Builder
	b.WriteString(r.Type().String())
	if !strings.Contains(r.Group(), ":") {
		b.WriteString(" " + r.Group())
	}
	v := reflect.ValueOf(r).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous || v.Field(i).IsZero() && f.Name != "Route" {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "rules" { // a hash, which any change of the profile changes
			continue
		}
		fmt.Fprintf(&b, " %s=%v", name, quoted(fmt.Sprint(v.Field(i).Interface())))
	}
	return b.String()
}

func quoted(s string) string {
	if strings.Contains(s, " ") {
		return fmt.Sprintf("%q", s)
	}
	return s
}

// message is one outbound message on one line.
func (l *lab) message(o Outbound) string {
	f := o.Facts
	if o.Batch() {
		return l.batchLine(o)
	}
	mti := string(l.rules.MTI[f.Kind])
	if f.Repeat {
		mti += " repeat"
	}
	if f.Kind == iso8583.KindSignOn || f.Kind == iso8583.KindSignOff {
		return fmt.Sprintf("%s %s to address %d: STAN %s batch %s", mti, o.UUID, o.Route, f.STAN, f.Batch)
	}
	s := fmt.Sprintf("%s %s to address %d: STAN %s %s", mti, o.UUID, o.Route, f.STAN, f.Amount)
	if clock, date, _ := localTime(l.now); f.LocalTime != "" && !o.Reversal() && l.m.clocks[f.TID] != nil && (f.LocalTime != clock || f.LocalDate != date) {
		s += fmt.Sprintf(" DE 12/13 %s %s", f.LocalTime, f.LocalDate)
	}
	if f.Kind == iso8583.KindScript {
		return s + fmt.Sprintf(" of batch %s STAN %s DE 55 %s (send %d)", f.Original.Batch, f.Original.STAN, f.ChipData, o.Attempt)
	}
	switch {
	case o.Inquiry > 0:
		return s + fmt.Sprintf(" DE 7 %s about %s STAN %s DE 7 %s (inquiry %d)", f.Transmission, f.Original.MTI, f.Original.STAN, f.Original.Transmission, o.Inquiry)
	case l.m.Get(o.UUID).Advice:
		s += fmt.Sprintf(" DE 7 %s", f.Transmission)
		if f.Original == (iso8583.Original{}) && f.AuthCode != "" {
			s += " DE 38 " + f.AuthCode
		}
	}
	if !o.Reversal() {
		if f.Original != (iso8583.Original{}) {
			s += fmt.Sprintf(" of %s STAN %s DE 7 %s DE 37 %s DE 38 %s", f.Original.MTI, f.Original.STAN, f.Original.Transmission, f.RRN, f.AuthCode)
		}
		if o.Attempt > 0 {
			s += fmt.Sprintf(" (send %d)", o.Attempt)
		}
		return s
	}
	s += fmt.Sprintf(" DE 7 %s DE 12/13 %s %s", f.Transmission, f.LocalTime, f.LocalDate)
	s += fmt.Sprintf(" original DE 7 %s DE 39 %s", f.Original.Transmission, f.Reason)
	if f.RRN != "" || f.AuthCode != "" {
		s += fmt.Sprintf(" DE 37 %s DE 38 %s", f.RRN, f.AuthCode)
	}
	if f.ChipData != "" {
		s += " DE 55 " + f.ChipData
	}
	if f.Remains != "" {
		s += " DE 95 " + f.Remains
	}
	return s + fmt.Sprintf(" (attempt %d)", o.Attempt)
}

func answer(a Answer) string {
	s := string(a.Code)
	if a.Warning != "" {
		s += ", warning " + string(a.Warning)
	}
	if a.Other != "" {
		s += " (" + a.Other + ")"
	}
	return s
}

// states prints a line for each transaction of which something shows changed.
func (l *lab) states() {
	for _, uuid := range l.m.All() {
		if line := l.state(l.m.Get(uuid)); l.shown[uuid] != line {
			l.shown[uuid] = line
			l.printf("  %s", line)
		}
	}
	for _, b := range l.m.settlements {
		if line := l.batchState(b); l.shown[b.Group()] != line {
			l.shown[b.Group()] = line
			l.printf("  %s", line)
		}
	}
}

// state is one transaction on one line.
func (l *lab) state(t *Transaction) string {
	s := []string{t.UUID + " is " + strings.ToUpper(t.State.String())}
	add := func(when bool, format string, args ...any) {
		if when {
			s = append(s, fmt.Sprintf(format, args...))
		}
	}
	add(t.State == StateInquiring, "in doubt: %s", t.Doubt)
	add(t.State == StateReversing, "cause %s", t.Cause)
	add(t.Code != "", "DE 39 %s", t.Code)
	add(t.Hold == HoldWaiting && t.State == StateReversing, "hold-down")
	add(t.Hold == HoldOver && t.State == StateReversing, "after the hold-down")
	add(t.Balance != "", "balance %s", t.Balance)
	add(t.ApprovedMinor != 0, "approved %s", iso8583.Amount{Minor: t.ApprovedMinor, Currency: t.Currency})
	add(t.IssuerData != "", "for the card %s", t.IssuerData)
	add(len(t.Follows) > 0, "left %s", iso8583.Amount{Minor: t.Left(), Currency: t.Currency})
	add(t.Busy() != "", "LOCKED by %s", t.Busy())
	add(t.Shown != "", "shown %s", t.Shown)
	for _, i := range t.Items {
		add(i.Alarmed(), "ESCALATED %s", i.Cause)
		add(!i.Closed && !i.Alarmed(), "ESCALATED %s, taken on by %s", i.Cause, i.AckBy)
	}
	add(t.Script.Owed(), "its script's result is OWED")
	add(t.LateApproval, "an approval came late or was not believed")
	add(t.Parked && t.State.Open(), "parked")
	add(t.Overridden && t.State.Open(), "overridden")
	add(t.ByOperator, "by an operator's word")
	if w := l.m.waits[t.UUID]; w != nil && w.For != waitNothing && w.For < waitFor(len(waits)) && waits[w.For].in == t.State {
		add(true, "waits for %s", w.For)
	} else {
		add(t.State.Open(), "waits for a person")
	}
	return strings.Join(s, "; ")
}

func clock(now Time) string {
	w := time.UnixMilli(now.Wall).UTC().Add(time.Duration(now.Zone) * time.Second)
	return w.Format("2006-01-02 15:04:05")
}
