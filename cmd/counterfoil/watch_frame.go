package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/counterfoil-pos/counterfoil/agent/client"
)

// picture is what watch shows: a function of nothing else makes the frame.
type picture struct {
	now       time.Time
	err       error // nobody answered
	health    *client.Health
	open      *client.List // all that is not decided
	escalated *client.List
	still     bool // nothing in it moves by itself: no clock, no ages
}

// Colours, as terminals have them.
const (
	plain  = "\x1b[0m"
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
)

// canvas collects lines of at most width columns, of any where that is zero.
type canvas struct {
	app    *app
	width  int
	colour bool
	lines  []string
}

// line adds a line in a colour, cut to the width.
func (c *canvas) line(colour, format string, args ...any) {
	text := []rune(strings.Map(printable, fmt.Sprintf(format, args...)))
	if c.width > 0 && len(text) > c.width {
		text = append(text[:c.width-1], '…')
	}
	s := strings.TrimRight(string(text), " ")
	if c.colour && colour != "" {
		s = colour + s + plain
	}
	c.lines = append(c.lines, s)
}

// frame draws the picture. It never has more than height lines, where that is
// above zero; what is left out is counted.
func (p *picture) frame(a *app, width, height int, colour bool) string {
	c := &canvas{app: a, width: width, colour: colour}
	p.head(c)
	if p.err == nil {
		p.hosts(c)
		p.escalations(c)
		p.owed(c)
		p.undecided(c)
	}
	if height > 0 && len(c.lines) > height {
		left := len(c.lines) - height + 1
		c.lines = c.lines[:height-1]
		c.line(bold, "… %d more lines: make the window higher", left)
	}
	return strings.Join(c.lines, "\n") + "\n"
}

// overdraw lays a frame over the one before without flicker: each line is
// cleared to its end, and what is below the last.
func overdraw(frame string) string {
	return "\x1b[H" + strings.ReplaceAll(strings.TrimSuffix(frame, "\n"), "\n", "\x1b[K\r\n") + "\x1b[K\x1b[J"
}

func (p *picture) head(c *canvas) {
	at := ifSet(!p.still, p.now.In(c.app.zone).Format(dateTime)+"  ")
	if p.err != nil {
		c.line(red, "%snobody answers: %v", at, p.err)
		return
	}
	state, hue := "ok", bold
	if p.health.Status != "ok" {
		state, hue = strings.ToUpper(p.health.Status), red
	}
	c.line(hue, "%scounterfoil %s  %s  epoch %d  open %d  for a person %d", at, p.health.Version, state, p.health.Epoch,
		len(p.open.Transactions), p.health.Escalations)
}

func (p *picture) hosts(c *canvas) {
	c.line("", "")
	c.line(bold, "HOSTS")
	for _, h := range p.health.Hosts {
		if h.Up {
			c.line(green, "  up    %s %s", h.Acquirer, h.Address)
		} else {
			c.line(red, "  DOWN  %s %s  %s", h.Acquirer, h.Address, h.Error)
		}
	}
}

func (p *picture) escalations(c *canvas) {
	list := p.escalated.Transactions
	if len(list)+len(p.escalated.Losses) == 0 {
		return
	}
	c.line("", "")
	c.line(bold, "FOR A PERSON%s", more(p.escalated))
	for _, l := range p.escalated.Losses {
		c.line(red, "  ! journal entries were lost: %s", l.What)
	}
	for i := range list {
		t := &list[i]
		for _, item := range t.Items {
			switch {
			case item.Closed:
			case item.AcknowledgedBy == "":
				c.line(red, "  ! %s  %s  %s%s: NOBODY has taken it on", t.UUID, t.Terminal, item.Cause, p.age(item.At))
			default:
				c.line(yellow, "    %s  %s  %s%s: %s", t.UUID, t.Terminal, item.Cause, p.age(item.At), item.AcknowledgedBy)
			}
		}
	}
}

func (p *picture) age(at time.Time) string {
	return ifSet(!p.still, ", "+age(p.now.Sub(at)))
}

// owed is the reversals, those that are tried next first.
func (p *picture) owed(c *canvas) {
	list := only(p.open.Transactions, "reversing")
	if len(list) == 0 {
		return
	}
	slices.SortStableFunc(list, func(a, b *client.Transaction) int { return until(a).Compare(until(b)) })
	c.line("", "")
	c.line(bold, "OWED REVERSALS")
	for _, t := range list {
		hue := ""
		if t.Parked || t.HoldDown {
			hue = yellow
		}
		c.line(hue, "  %s  %s  %s  %s; %s, %s", t.UUID, t.Terminal, pad(orDash(amount(t)), 12), p.next(t), t.Cause, attempts(t.Attempts))
	}
}

func attempts(n int) string {
	return fmt.Sprintf("%d attempt%s", n, ifSet(n != 1, "s"))
}

// next is when the agent does something about t by itself.
func (p *picture) next(t *client.Transaction) string {
	switch {
	case t.Parked:
		return "parked, nothing is sent"
	case t.Waits == nil:
		return "a person decides"
	case p.still:
		return "waits for " + t.Waits.For
	}
	return fmt.Sprintf("%s in %s", t.Waits.For, max(t.Waits.Until.Sub(p.now), 0).Round(time.Second))
}

// until is when that is: never comes last.
func until(t *client.Transaction) time.Time {
	if t.Waits == nil || t.Parked {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return t.Waits.Until
}

// undecided is what waits for a host or an application.
func (p *picture) undecided(c *canvas) {
	c.line("", "")
	c.line(bold, "OPEN%s", more(p.open))
	shown := 0
	for i := range p.open.Transactions {
		if t := &p.open.Transactions[i]; t.State != "reversing" {
			c.line("", "  %s  %s  %s  %s  %s: %s", t.UUID, t.Terminal, pad(orDash(amount(t)), 12), t.State, string(t.Type), p.next(t))
			shown++
		}
	}
	if shown == 0 {
		c.line("", "  nothing")
	}
}

func more(l *client.List) string { return ifSet(l.More, ", of more") }

func only(list []client.Transaction, state string) (out []*client.Transaction) {
	for i := range list {
		if list[i].State == state {
			out = append(out, &list[i])
		}
	}
	return out
}

// pad fills to a width, on the left: amounts stand under one another.
func pad(s string, width int) string {
	return strings.Repeat(" ", max(width-utf8.RuneCountInString(s), 0)) + s
}
