package txn

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

func init() {
	// settle [tid=]: ask for the terminal's settlement
	commands["settle"] = func(l *lab, c *command) error {
		l.req++
		l.step(Settle{Req: l.req, TID: iso8583.TID(c.get("tid", string(testTID))), Who: "Li"})
		return nil
	}
	// announce 000042: a sign-on's answer names the terminal's batch
	commands["announce"] = func(l *lab, c *command) error {
		l.step(BatchAnnounced{TID: iso8583.TID(c.get("tid", string(testTID))), Number: c.value})
		return nil
	}
	// batch-answer [00] [verdicts=1/2 stan= mti= mac=]: to the settlement's latest message · batch-sent | batch-unsent | batch-in-doubt
	commands["batch-answer"] = (*lab).batchAnswer
	commands["batch-sent"] = (*lab).batchDelivery
	commands["batch-unsent"] = (*lab).batchDelivery
	commands["batch-in-doubt"] = (*lab).batchDelivery
	// batch-resolve close who=… why=… [ref=…] [serial=1]
	commands["batch-resolve"] = func(l *lab, c *command) error {
		l.req++
		serial, err := strconv.Atoi(c.get("serial", "1"))
		l.step(BatchResolve{
			Req: l.req, TID: iso8583.TID(c.get("tid", string(testTID))), Serial: serial,
			Verb: Verb(c.value), Who: c.get("who", ""), Why: c.get("why", ""), Ref: c.get("ref", ""),
		})
		return err
	}
}

// batchMessage is the settlement's latest message.
func (l *lab) batchMessage(tid iso8583.TID) (Outbound, error) {
	for _, b := range l.m.settlements {
		if all := l.sent[b.Group()]; b.TID == tid && len(all) > 0 && (b.State.Busy() || len(l.m.settling) == 0) {
			return all[len(all)-1], nil
		}
	}
	return Outbound{}, fmt.Errorf("nothing was sent for a batch of %s", tid)
}

func (l *lab) batchAnswer(c *command) error {
	o, err := l.batchMessage(iso8583.TID(c.get("tid", string(testTID))))
	if err != nil {
		return err
	}
	a := answerTo(o, l.rules.MTI[o.Facts.Kind].Response(), c.value)
	a.Amount, a.RRN, a.AuthCode = "", "", ""
	if c.value == "none" {
		a.Code = ""
	}
	if v := strings.Split(c.get("verdicts", ""), "/"); len(v) == 2 {
		for i := range a.Verdicts {
			n, err := strconv.Atoi(v[i])
			if err != nil {
				return err
			}
			a.Verdicts[i] = iso8583.BatchVerdict(n)
		}
	}
	a.MTI = iso8583.MTI(c.get("mti", string(a.MTI)))
	if a.MAC, err = verdict(c.get("mac", "none")); err != nil {
		return err
	}
	if a.STAN, err = iso8583.ParseSTAN(c.get("stan", a.STAN.String())); err != nil {
		return err
	}
	l.step(a)
	return nil
}

func (l *lab) batchDelivery(c *command) error {
	o, err := l.batchMessage(iso8583.TID(c.get("tid", string(testTID))))
	if err != nil {
		return err
	}
	switch c.get("", "") {
	case "batch-sent":
		l.step(Sent{UUID: o.UUID, Route: o.Route, Attempt: o.Attempt})
	case "batch-unsent":
		l.step(Unsent{UUID: o.UUID, Route: o.Route, Attempt: o.Attempt})
	default:
		l.step(InDoubt{UUID: o.UUID, Route: o.Route, Attempt: o.Attempt})
	}
	return nil
}

// batchLine is a settlement's message on one line.
func (l *lab) batchLine(o Outbound) string {
	f, t := o.Facts, o.Facts.Settlement.Totals[0]
	s := fmt.Sprintf("%s %s to address %d: %s STAN %s DE 7 %s batch %s", l.rules.MTI[f.Kind], o.UUID, o.Route, f.Kind, f.STAN, f.Transmission, f.Batch)
	switch f.Kind {
	case iso8583.KindUpload, iso8583.KindUploadChip, iso8583.KindUploadChipFailed:
		for _, r := range f.Settlement.Records {
			s += fmt.Sprintf(" [STAN %s %d]", r.STAN, r.Minor)
		}
		s += " cards of " + strings.Join(o.Of, ",")
		if f.ChipData != "" {
			s += fmt.Sprintf(" %s of batch %s STAN %s DE 55 %s", f.Amount, f.Original.Batch, f.Original.STAN, f.ChipData)
		}
	case iso8583.KindUploadEnd:
		s += fmt.Sprintf(" records %d", f.Settlement.Count)
	default:
		s += fmt.Sprintf(" debits %d/%d credits %d/%d records %d", t.Debit, t.DebitCount, t.Credit, t.CreditCount, f.Settlement.Count)
	}
	return s + fmt.Sprintf(" (send %d)", o.Attempt)
}

// batchState is one batch on one line.
func (l *lab) batchState(b *Batch) string {
	s := []string{fmt.Sprintf("batch %s (%d) of %s is %s", b.Number, b.Serial, b.TID, strings.ToUpper(b.State.String()))}
	if b.State > BatchClosing {
		s = append(s, fmt.Sprintf("%d counted", len(b.Counted)))
	}
	if len(b.Owed) > 0 {
		s = append(s, fmt.Sprintf("%d OWED", len(b.Owed)))
	}
	if b.Uploaded > 0 {
		s = append(s, fmt.Sprintf("%d uploaded", b.Uploaded))
	}
	if b.Verdicts[0] != 0 {
		s = append(s, fmt.Sprintf("host: %s, %s", b.Verdicts[0], b.Verdicts[1]))
	}
	for _, i := range b.Items {
		if !i.Closed {
			s = append(s, "ESCALATED "+string(i.Cause))
		}
	}
	return strings.Join(s, "; ")
}
