package txn

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// A transcript is a scenario and what the core made of it, as text that a
// person can read and write. Lines:
//
//	# …   a comment; the first one quotes the row of terminal-rules.md, table C
//	> …   a command (see commands)
//	…     what came of it, rewritten under -update
//
// Every transcript starts with a configured agent with two terminals
// (T0000001, T0000002) of one merchant, two addresses, the rules of
// iso87-ascii, at 2026-03-14 10:00:00 UTC. A transaction that a command does
// not name is the one named last.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "transcripts", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(b), "# ") {
				t.Error("the first line must say what is shown, and of which row")
			}
			golden(t, file, play(t, string(b)))
		})
	}
}

// play runs the commands of a transcript and gives it back with the output as
// it is now.
func play(t *testing.T, script string) string {
	l := newLab(t)
	for n, line := range strings.Split(script, "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
			if n > 0 {
				l.printf("")
			}
			l.printf("%s", line)
		case strings.HasPrefix(line, "> "):
			l.printf("\n%s", line)
			known, err := l.exactly(line[2:])
			if !known {
				err = l.command(strings.Fields(line[2:]))
			}
			if err != nil {
				t.Fatalf("line %d: %s: %v", n+1, line, err)
			}
			l.states()
		}
	}
	return l.out.String()
}

// command is one command taken apart: its word, the transaction, a bare value
// and name=value pairs.
type command struct {
	uuid, value string
	args        map[string]string
	used        map[string]bool
}

func (c *command) get(name, otherwise string) string {
	c.used[name] = true
	if v, ok := c.args[name]; ok {
		return v
	}
	return otherwise
}

// commands are the words that a transcript may use.
var commands = map[string]func(*lab, *command) error{
	// begin u1 sale=s1 amount=12.34 [type= original= part= tid= route= digest= epoch= chip=contact|contactless handle=yes partial=accept card= session= replaces= not_duplicate_of=]
	"begin": (*lab).begin,
	// committed u1 type=void original=u2 …: begin, sent, answer 00; where it is needed confirm, shown yes
	"committed": (*lab).committed,
	// sent | unsent | in-doubt [u1] [attempt=N]: what became of the message sent last
	"sent":     (*lab).delivery,
	"unsent":   (*lab).delivery,
	"in-doubt": (*lab).delivery,
	// answer [u1] 00 [original= amount= currency= mti= tid= stan= mid= de7= de12= de13= rrn= auth= balance= from= chip=8A… | chip=bad mac=valid|bad|missing]
	"answer": (*lab).hostAnswer,
	// reversal-answer [u1] 00 [attempt=N and the same]
	"reversal-answer": (*lab).hostAnswer,
	// inquiry-answer [u1] 00 [attempt=N and the same]
	"inquiry-answer": (*lab).hostAnswer,
	// garbage: a frame that is no message
	"garbage": func(l *lab, c *command) error { l.step(Garbage{Text: c.value}); return nil },
	// confirm [cid=40 emv=9F26… scripts=… amount=10.00] | cancel reason=… | shown yes | resolve park who=… why=… ref=…
	"confirm": (*lab).application,
	"cancel":  (*lab).application,
	"shown":   (*lab).application,
	"resolve": (*lab).application,
	// acknowledge 1 who=…: a person takes on the items up to that number
	"acknowledge": func(l *lab, c *command) error {
		item, err := strconv.Atoi(c.value)
		l.req++
		l.step(Acknowledge{Req: l.req, UUID: l.last, Item: item, Who: c.get("who", "")})
		return err
	},
	// timeout [u1]: go to the next deadline · advance 10s: let time go by
	"timeout": func(l *lab, c *command) error {
		uuid, _, ok := l.due(c.uuid)
		if ok {
			l.fire(uuid)
			return nil
		}
		return fmt.Errorf("nothing waits")
	},
	"advance": func(l *lab, c *command) error {
		d, err := time.ParseDuration(c.value)
		l.pass(d)
		return err
	},
	// wall +24h | wall 2028-02-29T12:00:00 · zone +8: the wall clock jumps, the zone in hours
	"wall": (*lab).wall,
	"zone": func(l *lab, c *command) error {
		h, err := strconv.Atoi(c.value)
		l.now.Zone = h * 3600
		return err
	},
	// hold: the disk takes its time · sync: it is done
	"hold": func(l *lab, _ *command) error { l.held = true; return nil },
	"sync": func(l *lab, _ *command) error { l.held = false; l.sync(); return nil },
	// crash: what is not durable is lost; the daemon starts again. reboot: the clock since boot starts anew too; small: memory keeps nothing settled
	"crash": func(l *lab, c *command) error {
		if c.value == "reboot" {
			l.now.Boot = 0
		}
		l.small = c.value == "small"
		l.start()
		return nil
	},
	// stubborn: the journal cannot destroy a data key, until the next start
	"stubborn": func(l *lab, _ *command) error { l.stubborn = true; return nil },
	// session w1 [tid=T0000001,T0000002]: an application takes terminals · gone w1: its lease ended
	"session": func(l *lab, c *command) error {
		e := SessionBegan{Req: 1, ID: c.value}
		for _, tid := range strings.Split(c.get("tid", string(testTID)), ",") {
			e.TIDs = append(e.TIDs, iso8583.TID(tid))
		}
		l.step(e)
		return nil
	},
	"gone": func(l *lab, c *command) error { l.step(SessionEnded{ID: c.value}); return nil },
	// implicit: from now on the terminals' confirmation is
	"implicit": func(l *lab, _ *command) error { l.implicit = true; l.step(l.config()); return nil },
	// rollback N: mark, crash, and start on a journal that has the first N entries only
	"rollback": func(l *lab, c *command) error {
		keep, err := strconv.Atoi(c.value)
		if err != nil || keep > len(l.journal) {
			return fmt.Errorf("want at most %d", len(l.journal))
		}
		mark := l.m.Mark(uint64(len(l.journal)))
		l.printf("  the mark is at entry %d; the journal has %d", mark.Entry, keep)
		l.mark, l.journal = &mark, l.journal[:keep]
		l.start()
		return nil
	},
	// close-loss N who=… why=…: of the epoch N
	"close-loss": func(l *lab, c *command) error {
		l.req++
		n, err := strconv.ParseUint(c.value, 10, 64)
		l.step(CloseLoss{Req: l.req, Begun: n, Who: c.get("who", ""), Why: c.get("why", "")})
		return err
	},
	// sign-on [tid=]: somebody asks for one · keyless [tid=]: the signer has no keys
	// sign-on-sent | sign-on-unsent | sign-on-in-doubt [tid=]: of the message sent last
	// sign-on-answer 00 [tid= keys=none stan= batch= fault= de12= de13=]
	"sign-on": func(l *lab, c *command) error {
		l.req++
		l.step(SignOn{Req: l.req, TID: iso8583.TID(c.get("tid", string(testTID)))})
		return nil
	},
	// sign-off [tid=]
	"sign-off": func(l *lab, c *command) error {
		l.req++
		l.step(SignOff{Req: l.req, TID: iso8583.TID(c.get("tid", string(testTID)))})
		return nil
	},
	"keyless": func(l *lab, c *command) error {
		l.step(Keyless{TID: iso8583.TID(c.get("tid", string(testTID)))})
		return nil
	},
	"sign-on-sent":     (*lab).signOn,
	"sign-on-unsent":   (*lab).signOn,
	"sign-on-in-doubt": (*lab).signOn,
	"sign-on-answer":   (*lab).signOn,
	// script-sent | script-unsent | script-in-doubt [u1]: of the notice sent last
	// script-answer [u1] 00 [mti= mac=]
	"script-sent":     (*lab).script,
	"script-unsent":   (*lab).script,
	"script-in-doubt": (*lab).script,
	"script-answer":   (*lab).script,
	// rules name=value …: other rules from now on
	"rules": (*lab).setRules,
	// evict N: memory keeps N settled transactions
	"evict": func(l *lab, c *command) error {
		keep, err := strconv.Atoi(c.value)
		l.m.Evict(keep)
		l.evicted = true
		return err
	},
}

func (l *lab) command(words []string) error {
	do := commands[words[0]]
	if do == nil {
		return fmt.Errorf("no such command")
	}
	c := &command{args: map[string]string{"": words[0]}, used: map[string]bool{"": true}}
	for _, w := range words[1:] {
		switch name, value, pair := strings.Cut(w, "="); {
		case pair:
			c.args[name] = value
		case len(w) == 2 && w[0] == 'u':
			c.uuid, l.last = w, w
		default:
			c.value = w
		}
	}
	if err := do(l, c); err != nil {
		return err
	}
	for name := range c.args {
		if !c.used[name] {
			return fmt.Errorf("no such argument: %s", name)
		}
	}
	return nil
}

func (l *lab) begin(c *command) error {
	typ := iso8583.Type(c.get("type", "sale"))
	minor, err := strconv.ParseInt(strings.ReplaceAll(c.get("amount", pickWord(typ.MovesMoney(), "12.34", "0")), ".", ""), 10, 64)
	if err != nil {
		return err
	}
	route, err := strconv.Atoi(c.get("route", "0"))
	if err != nil {
		return err
	}
	epoch, err := strconv.ParseUint(c.get("epoch", "7"), 10, 64)
	if err != nil {
		return err
	}
	b := beginSale(l.t, l.last, c.get("sale", "s1"))
	b.Type, b.Original = typ, c.get("original", "")
	b.Approval = c.get("approval", "")
	if !typ.HandsOver() {
		b.Sale = c.get("sale", "")
	}
	b.TID, b.Amount.Minor, b.Route, b.Epoch = iso8583.TID(c.get("tid", string(testTID))), minor, route, epoch
	if b.Original != "" {
		b.CardHash = "" // the original's, whatever that is
	}
	b.Part, b.Digest, b.CardHash = c.get("part", ""), c.get("digest", b.Digest), c.get("card", b.CardHash)
	b.Session, b.Replaces, b.NotDuplicateOf = c.get("session", ""), c.get("replaces", ""), c.get("not_duplicate_of", "")
	b.Partial = c.get("partial", "") == "accept"
	readChip(&b, iso8583.Chip(c.get("chip", "")))
	if c.get("handle", "") != "" { // of a device that releases no number
		card := *b.Card
		card.PAN, card.Handle = iso8583.PAN{}, &iso8583.Handle{KSN: "FFFF9876543210E00001", Masked: "411111******1111"}
		b.Card = &card
	}
	l.step(b)
	return nil
}

// committed is the way to the commit point, for what is about something else.
func (l *lab) committed(c *command) error {
	if err := l.begin(c); err != nil {
		return err
	}
	steps := []struct {
		do          func(*lab, *command) error
		word, value string
	}{
		{(*lab).delivery, "sent", ""}, {(*lab).hostAnswer, "answer", "00"},
		{(*lab).application, "confirm", ""}, {(*lab).application, "shown", "yes"},
	}
	if !l.m.Get(l.last).Kind.NeedsConfirmation() {
		steps = steps[:2]
	}
	for _, s := range steps {
		if err := s.do(l, &command{value: s.value, args: map[string]string{"": s.word}, used: map[string]bool{}}); err != nil {
			return err
		}
	}
	return nil
}

// outbound is the message that a command speaks of: attempt=N of the
// reversal, or the latest one.
func (l *lab) outbound(c *command, is func(*Outbound) bool) (Outbound, error) {
	want, err := strconv.Atoi(c.get("attempt", "0"))
	if err != nil {
		return Outbound{}, err
	}
	all := l.sent[l.last]
	for i := len(all) - 1; i >= 0; i-- {
		if o := all[i]; is(&o) && (want == 0 || max(o.Attempt, o.Inquiry) == want) {
			return o, nil
		}
	}
	return Outbound{}, fmt.Errorf("no such message was sent for %s", l.last)
}

// readChip makes the card of b a chip card.
func readChip(b *Begin, chip iso8583.Chip) {
	if chip == "" {
		return
	}
	card := *b.Card
	card.EntryMode = map[iso8583.Chip]string{iso8583.ChipContact: "051", iso8583.ChipContactless: "071"}[chip]
	card.EMV = iso8583.NewSecret("9F2608A1A2A3A4A5A6A7A8")
	b.Card = &card
	b.EMV = "9F0607A0000003330101" + "9505" + "0000000000" + "9F1E08" + "4946443030303031" + "9F2608A1A2A3A4A5A6A7A8" + "9F3602" + "0001"
}

// signOn is what becomes of a sign-on's message.
func (l *lab) signOn(c *command) error {
	tid := iso8583.TID(c.get("tid", string(testTID)))
	all := l.sent[SignOnID(tid)]
	if len(all) == 0 {
		return fmt.Errorf("no sign-on of %s was sent", tid)
	}
	o := all[len(all)-1]
	switch c.get("", "") {
	case "sign-on-sent":
		l.step(Sent{UUID: o.UUID, Route: o.Route})
	case "sign-on-unsent":
		l.step(Unsent{UUID: o.UUID, Route: o.Route})
	case "sign-on-in-doubt":
		l.step(InDoubt{UUID: o.UUID, Route: o.Route})
	case "sign-on-answer":
		stan, err := iso8583.ParseSTAN(c.get("stan", o.Facts.STAN.String()))
		if err != nil {
			return err
		}
		keys := strings.TrimPrefix(c.get("keys", strings.Repeat("5A", 40)), "none")
		l.step(SignOnAnswer{
			Route: o.Route, TID: tid, STAN: stan, Code: c.value, Keys: WrappedKeys(keys),
			Batch: c.get("batch", ""), Fault: strings.ReplaceAll(c.get("fault", ""), "_", " "),
			LocalTime: c.get("de12", ""), LocalDate: c.get("de13", ""),
		})
	}
	return nil
}

// script is what becomes of the notice of a script's result.
func (l *lab) script(c *command) (err error) {
	all := l.sent[ScriptID(l.last)]
	if len(all) == 0 {
		return fmt.Errorf("no notice of %s was sent", l.last)
	}
	o := all[len(all)-1]
	switch c.get("", "") {
	case "script-sent":
		l.step(Sent{UUID: o.UUID, Route: o.Route, Attempt: o.Attempt})
	case "script-unsent":
		l.step(Unsent{UUID: o.UUID, Route: o.Route, Attempt: o.Attempt})
	case "script-in-doubt":
		l.step(InDoubt{UUID: o.UUID, Route: o.Route, Attempt: o.Attempt})
	case "script-answer":
		a := answerTo(o, iso8583.MTI(c.get("mti", string(l.rules.MTI[o.Facts.Kind].Response()))), c.value)
		if a.MAC, err = verdict(c.get("mac", "none")); err == nil {
			l.step(a)
		}
	}
	return err
}

func (l *lab) delivery(c *command) error {
	all := l.sent[l.last]
	if len(all) == 0 {
		return fmt.Errorf("nothing was sent for %s", l.last)
	}
	o := all[len(all)-1]
	if _, ok := c.args["attempt"]; ok || c.value == "request" {
		var err error
		is := (*Outbound).Request
		if ok {
			is = func(o *Outbound) bool { return !o.Request() }
		}
		if o, err = l.outbound(c, is); err != nil {
			return err
		}
	}
	switch c.get("", "") {
	case "sent":
		l.step(Sent{UUID: o.UUID, Route: o.Route, Attempt: o.Attempt, Inquiry: o.Inquiry})
	case "unsent":
		l.step(Unsent{UUID: o.UUID, Route: o.Route, Attempt: o.Attempt, Inquiry: o.Inquiry, Card: o.Facts.Card})
	case "in-doubt":
		l.step(InDoubt{UUID: o.UUID, Route: o.Route, Attempt: o.Attempt, Inquiry: o.Inquiry})
	}
	return nil
}

func (l *lab) hostAnswer(c *command) error {
	reversal := c.get("", "") == "reversal-answer"
	is := func(o *Outbound) bool { return !o.Reversal() && o.Inquiry == 0 }
	switch c.get("", "") {
	case "reversal-answer":
		is = (*Outbound).Reversal
	case "inquiry-answer":
		is = func(o *Outbound) bool { return o.Inquiry > 0 }
	}
	o, err := l.outbound(c, is)
	if err != nil {
		return err
	}
	a := answerTo(o, l.rules.MTI[o.Facts.Kind].Response(), c.value)
	if c.value == "none" {
		a.Code = ""
	}
	a.RRN, a.AuthCode = "", ""
	if o.Inquiry > 0 {
		a.Original = o.Facts.Original.DE90()
	}
	if !reversal && (c.value == "00" || c.value == "10") {
		a.RRN, a.AuthCode = iso8583.RRN(fmt.Sprintf("%012d", 600000+int(a.STAN))), fmt.Sprintf("A%05d", a.STAN)
	}
	for name, field := range map[string]*string{
		"amount": &a.Amount, "currency": &a.Currency, "mid": &a.MID,
		"de7": &a.Transmission, "de12": &a.LocalTime, "de13": &a.LocalDate, "auth": &a.AuthCode, "balance": &a.Balance, "original": &a.Original,
	} {
		*field = c.get(name, *field)
	}
	if v, ok := c.args["amount"]; ok && v != "" {
		a.Amount = fmt.Sprintf("%012s", strings.ReplaceAll(v, ".", ""))
	}
	a.MTI = iso8583.MTI(c.get("mti", string(a.MTI)))
	a.TID = iso8583.TID(c.get("tid", string(a.TID)))
	a.RRN = iso8583.RRN(c.get("rrn", string(a.RRN)))
	if a.STAN, err = iso8583.ParseSTAN(c.get("stan", a.STAN.String())); err != nil {
		return err
	}
	if a.ChipData = c.get("chip", ""); a.ChipData == "bad" {
		a.ChipData, a.BadChip = "", true
	}
	if a.MAC, err = verdict(c.get("mac", "none")); err != nil {
		return err
	}
	a.Route, err = strconv.Atoi(c.get("from", strconv.Itoa(a.Route)))
	l.step(a)
	return err
}

// verdict is that on a MAC, by its name.
func verdict(name string) (iso8583.MAC, error) {
	for m := range iso8583.MACMissing + 1 {
		if m.String() == name {
			return m, nil
		}
	}
	return 0, fmt.Errorf("no such verdict on a MAC: %s", name)
}

func (l *lab) application(c *command) error {
	l.req++
	switch c.get("", "") {
	case "confirm":
		minor, err := strconv.ParseInt(strings.ReplaceAll(c.get("amount", "0"), ".", ""), 10, 64)
		if err != nil {
			return err
		}
		l.step(Confirm{
			Req: l.req, UUID: l.last, Amount: minor,
			Chip: ChipVerdict{CID: c.get("cid", ""), EMV: c.get("emv", ""), Scripts: c.get("scripts", "")},
		})
	case "cancel":
		l.step(Cancel{Req: l.req, UUID: l.last, Reason: CancelReason(c.get("reason", string(CancelCustomer)))})
	case "shown":
		l.step(Shown{Req: l.req, UUID: l.last, Delivered: Delivered(c.value)})
	case "resolve":
		l.step(Resolve{Req: l.req, UUID: l.last, Verb: Verb(c.value), Who: c.get("who", ""), Why: c.get("why", ""), Ref: c.get("ref", "")})
	}
	return nil
}

func (l *lab) wall(c *command) error {
	if d, err := time.ParseDuration(c.value); err == nil {
		l.now.Wall += int64(d / time.Millisecond)
	} else if w, err := time.Parse("2006-01-02T15:04:05", c.value); err == nil {
		l.now.Wall = w.UnixMilli()
	} else {
		return err
	}
	l.printf("  it is %s", clock(l.now))
	return nil
}

func (l *lab) setRules(c *command) error {
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(c.args))) { // a profile before what differs from it
		value := c.args[name]
		c.used[name] = true
		on, list := value == "true", strings.Split(value, ",")
		switch name {
		case "":
		case "tombstones":
			l.rules.Reversal.Tombstones = on
		case "shared_ledger":
			l.rules.Reversal.SharedLedger = on
		case "unknown_after_done":
			l.rules.Reversal.UnknownAfterDone = on
		case "done":
			l.rules.Reversal.Done = list
		case "not_reversed":
			l.rules.Reversal.Types = slices.DeleteFunc(l.rules.Reversal.Types, func(t iso8583.Type) bool { return slices.Contains(list, string(t)) })
		case "duplicate_window":
			d, err := time.ParseDuration(value)
			if err != nil {
				return err
			}
			l.rules.DuplicateWindow = iso8583.Duration(d)
		case "epoch_mark":
			l.rules.EpochMark = iso8583.EpochMark(value)
		case "profile":
			l.rules = askingRules()
			if value == "unionpay" {
				l.rules = rulesOf(func() (iso8583.Rules, error) { return readDialect("unionpay") })
			}
		case "script_limit":
			n, err := strconv.Atoi(value)
			if err != nil {
				return err
			}
			l.rules.Script.Limit = n
		case "batch_limit":
			n, err := strconv.Atoi(value)
			if err != nil {
				return err
			}
			l.rules.Settlement.Limit = n
		case "ordered":
			l.rules.Advice.Ordered = on
		case "advice_limit", "inquiries":
			n, err := strconv.Atoi(value)
			if err != nil {
				return err
			}
			if name == "inquiries" {
				l.rules.Inquiry.Attempts = n
			} else {
				l.rules.Advice.Limit = n
			}
		case "signed":
			l.rules.SignOn = signOnRules()
			if l.rules.MTI[iso8583.KindSignOff] == "" {
				l.rules.MTI = maps.Clone(l.rules.MTI)
				l.rules.MTI[iso8583.KindSignOff] = "0820"
			}
			l.rules.Reversal.Reasons.MAC = "A0"
		case "clock":
			l.rules.SignOn.Clock = iso8583.ClockRule(value)
		case "mac_reason":
			l.rules.Reversal.Reasons.MAC = value
		case "unsigned":
			l.rules.Response.Unsigned = list
		case "inquiry_declined":
			l.rules.Inquiry.Declined = list
		case "partial_refused":
			l.rules.PartialRefused = iso8583.PartialRule(value)
		case "gate":
			l.rules.Gate = iso8583.Gate(value)
		case "match":
			l.rules.Match = nil
			for _, de := range list {
				n, err := strconv.Atoi(de)
				if err != nil {
					return err
				}
				l.rules.Match = append(l.rules.Match, n)
			}
		default:
			return fmt.Errorf("no such rule: %s", name)
		}
	}
	if err := l.rules.Validate(); err != nil {
		return err
	}
	l.step(l.config())
	return nil
}
