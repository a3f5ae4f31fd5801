package txn

import (
	"bytes"
	"encoding/json"
	cmdline "flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// A transcript that the simulation wrote gives the core its events as they
// were, not in words: what was found there is shown here to the letter. Its
// commands:
//
//	empty             a new journal, and an agent that is not configured
//	at 50.001s WALL   both clocks, and no timer comes due by it
//	event Begin [contact|contactless] {…}   one event as JSON, without what is zero; the card is the test card, read so
//	write             what waits begins to be synced
//	sync              what is being synced is durable
//	restart N         the agent dies, finds N records in its journal and folds them; the events that follow recover it
//	evict N           as elsewhere
//	is t1 reversed    how it stands, durably; fails where it does not
func init() {
	commands["empty"] = func(l *lab, _ *command) error {
		l.journal, l.writing, l.held = nil, nil, true
		return l.restart(0)
	}
	commands["write"] = func(l *lab, _ *command) error { l.writing = l.fence.Batch(); return nil }
	commands["sync"] = syncs(commands["sync"])
	commands["restart"] = func(l *lab, c *command) error {
		n, err := strconv.Atoi(c.value)
		if err == nil {
			err = l.restart(n)
		}
		return err
	}
}

// syncs ends the sync that was begun by write, where there is one.
func syncs(otherwise func(*lab, *command) error) func(*lab, *command) error {
	return func(l *lab, c *command) error {
		if l.writing == nil {
			return otherwise(l, c)
		}
		l.keep()
		l.obey(l.fence.Durable())
		return nil
	}
}

// keep makes what is being synced durable.
func (l *lab) keep() {
	for _, r := range l.writing {
		l.journal = append(l.journal, store(r))
	}
	l.writing = nil
}

// restart keeps what was being synced, or not, or even less than was durable.
func (l *lab) restart(n int) error {
	if n > len(l.journal) {
		l.keep()
	}
	if n > len(l.journal) {
		return fmt.Errorf("the journal has %d records", len(l.journal))
	}
	l.journal = l.journal[:n]
	l.m, l.fence, l.writing = New(), Fence{}, nil
	l.timers, l.order, l.shown = map[string]time.Duration{}, nil, map[string]string{}
	for _, s := range l.journal {
		l.m.Apply(s.load(l.t))
	}
	return l.m.Check()
}

// exactly obeys at, event and is, whose words are not taken apart as others' are.
func (l *lab) exactly(line string) (known bool, err error) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "at":
		var at string
		rest, l.now.Dead = strings.CutSuffix(rest, " dead")
		if _, err := fmt.Sscan(rest, &at, &l.now.Wall); err != nil {
			return true, err
		}
		l.now.Boot, err = time.ParseDuration(at)
		return true, err
	case "is":
		return true, l.is(rest)
	case "event":
		l.stubborn = true // what the journal destroys is an event too
		name, body, _ := strings.Cut(rest, " ")
		chip := ""
		if !strings.HasPrefix(body, "{") {
			chip, body, _ = strings.Cut(body, " ")
		}
		read, ok := events[name]
		if !ok {
			return true, fmt.Errorf("no such event: %s", name)
		}
		ev, err := read([]byte(body))
		if err == nil {
			l.step(l.withCard(ev, iso8583.Chip(chip)))
		}
		return true, err
	}
	return false, nil
}

// is holds the fold of what is durable to what the simulation saw.
func (l *lab) is(rest string) error {
	uuid, want, _ := strings.Cut(rest, " ")
	m := New()
	for _, s := range l.journal {
		m.Apply(s.load(l.t))
	}
	if t := m.Get(uuid); t == nil || t.State.String() != want {
		return fmt.Errorf("%s is not: %v", uuid, t)
	}
	return nil
}

// withCard gives a request the test card, which no transcript holds.
func (l *lab) withCard(ev Event, chip iso8583.Chip) Event {
	switch e := ev.(type) {
	case Begin:
		e.Card = testCard(l.t)
		kept := e.EMV
		readChip(&e, chip)
		e.EMV = kept
		return e
	case Unsent:
		if e.Attempt == 0 && e.Inquiry == 0 {
			e.Card = testCard(l.t)
		}
		return e
	}
	return ev
}

// events reads each event by its name.
var events = map[string]func([]byte) (Event, error){
	"Configure": read[Configure], "Recovered": read[Recovered], "Begin": read[Begin], "Confirm": read[Confirm], "Cancel": read[Cancel],
	"Shown": read[Shown], "Resolve": read[Resolve], "Acknowledge": read[Acknowledge], "CloseLoss": read[CloseLoss],
	"Sent": read[Sent], "Unsent": read[Unsent], "InDoubt": read[InDoubt], "Response": read[Response], "Garbage": read[Garbage],
	"SignOn": read[SignOn], "SignOff": read[SignOff], "Keyless": read[Keyless], "SignOnAnswer": read[SignOnAnswer],
	"Settle": read[Settle], "BatchResolve": read[BatchResolve], "BatchAnnounced": read[BatchAnnounced],
	"Timeout": read[Timeout], "SessionBegan": read[SessionBegan], "SessionEnded": read[SessionEnded],
	"KeyDestroyed": read[KeyDestroyed],
}

func read[E Event](b []byte) (Event, error) {
	var e E
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(&e)
	return e, err
}

var transcripts = cmdline.String("transcripts", "", "a folder of further transcripts: they are played, and written back under -update")

// TestFurtherTranscripts plays what the simulation wrote somewhere else.
func TestFurtherTranscripts(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(*transcripts, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if *transcripts == "" {
		t.Skip("no -transcripts were given")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out := play(t, string(b))
			if *update {
				golden(t, file, out)
			}
		})
	}
}
