package hostsim

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// EntryView is one transaction as the ledger knows it, without card data
// beyond a masked number. Money is in minor units.
type EntryView struct {
	Ledger       int              `json:"ledger"` // which one, where addresses do not share theirs
	Key          string           `json:"key"`
	Type         iso8583.Type     `json:"type"`
	Original     string           `json:"original,omitempty"` // the key of what it follows
	MTI          iso8583.MTI      `json:"mti"`
	TID          iso8583.TID      `json:"tid"`
	STAN         string           `json:"stan"`
	Transmission string           `json:"transmission"` // DE 7
	Amount       int64            `json:"amount"`       // as asked for
	Currency     iso8583.Currency `json:"currency"`
	PAN          string           `json:"pan"`
	State        State            `json:"state"`
	Code         string           `json:"code,omitempty"` // DE 39 of the request's answer
	RRN          iso8583.RRN      `json:"rrn,omitempty"`
	AuthCode     string           `json:"auth_code,omitempty"`
	// Effect is what this transaction itself does now: a debit or a hold above
	// zero, a credit or a release below; zero once it is reversed.
	Effect  int64       `json:"effect"`
	Credits int64       `json:"credits"` // of a debit: what voids and refunds gave back
	Net     int64       `json:"net"`     // of a debit: what the cardholder is debited now, credits off
	Held    int64       `json:"held"`    // of a pre-authorisation: what is neither completed nor released
	History []EventView `json:"history"`
}

// EventView is one thing that happened to a transaction.
type EventView struct {
	N      int64     `json:"n"`
	At     time.Time `json:"at"`
	Event  EventType `json:"event"`
	Amount int64     `json:"amount"`
	Code   string    `json:"code,omitempty"`
	Note   string    `json:"note,omitempty"`
}

// AccountView sums up one card: all entries with the same masked number.
type AccountView struct {
	PAN     string `json:"pan"`
	Holds   int64  `json:"holds"`   // authorisations pending, and amounts held
	Debits  int64  `json:"debits"`  // ever debited, or debited again
	Undebit int64  `json:"undebit"` // ever given back
	Net     int64  `json:"net"`     // Debits less Undebit
}

// Summary is what GET /ledger answers. Sums are over all currencies.
type Summary struct {
	Entries   []EntryView   `json:"entries"`
	Accounts  []AccountView `json:"accounts"`
	OpenHolds int           `json:"open_holds"` // authorisations pending, and pre-authorisations that hold
	HeldTotal int64         `json:"held_total"`
	NetTotal  int64         `json:"net_total"`
}

// views lists the entries, oldest first.
func (l *Ledger) views(index int) []EntryView {
	out := make([]EntryView, 0, len(l.order))
	for _, e := range l.order {
		v := EntryView{
			Ledger: index, Key: e.key.String(), Type: e.typ, MTI: e.key.MTI, TID: e.key.TID, STAN: e.key.STAN.String(),
			Transmission: e.key.Transmission, Amount: e.amount, Currency: e.currency, PAN: e.pan,
			State: e.state, Code: e.code, RRN: e.rrn, AuthCode: e.auth,
			Effect: e.effect(), Credits: e.credits(), Net: e.net(), Held: e.held(),
			History: make([]EventView, 0, len(e.history)),
		}
		if e.original != nil {
			v.Original = e.original.key.String()
		}
		for _, ev := range e.history {
			v.History = append(v.History, EventView{N: ev.N, At: ev.At, Event: ev.Type, Amount: ev.Amount, Code: ev.Code, Note: ev.Note})
		}
		out = append(out, v)
	}
	return out
}

// Summarise adds entries up.
func Summarise(entries []EntryView) Summary {
	s := Summary{Entries: entries, Accounts: []AccountView{}}
	at := map[string]int{}
	for _, e := range entries {
		i, ok := at[e.PAN]
		if !ok {
			i = len(s.Accounts)
			at[e.PAN] = i
			s.Accounts = append(s.Accounts, AccountView{PAN: e.PAN})
		}
		a := &s.Accounts[i]
		for _, ev := range e.History {
			switch ev.Event {
			case EventDebit, EventUncredit:
				a.Debits += ev.Amount
			case EventUndebit, EventCredit:
				a.Undebit += ev.Amount
			}
		}
		a.Net = a.Debits - a.Undebit
		if e.State == StatePending {
			a.Holds += e.Amount
		}
		if e.open() {
			s.OpenHolds++
		}
		a.Holds += e.Held
		s.HeldTotal += e.Held
		s.NetTotal += e.Net
	}
	return s
}

// open says whether something waits to be ended: an authorisation that has no
// outcome, or a hold that was neither completed nor released.
func (e EntryView) open() bool { return e.State == StatePending || e.Held != 0 }

// WriteText prints the ledger as a table for people, times in zone.
func (s Summary) WriteText(w io.Writer, zone *time.Location) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "TIME\tTERMINAL\tSTAN\tTYPE\tCARD\tAMOUNT\tSTATE\tCODE\tNET\tHELD")
	for _, e := range s.Entries {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			e.at(zone), e.TID, e.STAN, e.Type, e.PAN, e.money(e.Amount), e.State, e.Code, e.money(e.Net), e.money(e.Held))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("ledger as text: %w", err)
	}
	_, err := fmt.Fprintf(w, "\n%d transactions, %d open holds, net %d minor units, held %d\n", len(s.Entries), s.OpenHolds, s.NetTotal, s.HeldTotal)
	if err != nil {
		return fmt.Errorf("ledger as text: %w", err)
	}
	return s.writeOpen(w, zone)
}

// writeOpen lists what nobody has ended, so that a forgotten hold is seen
// without reading the table.
func (s Summary) writeOpen(w io.Writer, zone *time.Location) error {
	for _, e := range s.Entries {
		if !e.open() {
			continue
		}
		what := fmt.Sprintf("holds %s; nobody completed or released it", e.money(e.Held))
		if e.State == StatePending {
			what = fmt.Sprintf("%s of %s is pending; it has no outcome", e.Type, e.money(e.Amount))
		}
		if _, err := fmt.Fprintf(w, "OPEN HOLD  %s  terminal %s STAN %s  %s  %s\n", e.at(zone), e.TID, e.STAN, e.PAN, what); err != nil {
			return fmt.Errorf("ledger as text: %w", err)
		}
	}
	return nil
}

func (e EntryView) at(zone *time.Location) string {
	return e.History[0].At.In(zone).Format("2006-01-02 15:04:05")
}

func (e EntryView) money(minor int64) iso8583.Amount {
	return iso8583.Amount{Minor: minor, Currency: e.Currency}
}
