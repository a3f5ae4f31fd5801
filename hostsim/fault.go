package hostsim

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Action is what a fault does to a message or to its answer.
type Action string

// The actions there are. In brackets: the keys an action takes.
const (
	// The request.
	DropRequest    Action = "drop_request"    // never arrived; not processed
	DelayRequest   Action = "delay_request"   // held on the way, processed later [after, until]
	ActCode        Action = "code"            // answered without being processed [code]
	RefuseReversal Action = "refuse_reversal" // the same, for reversals only [code]
	Decline        Action = "decline"         // processed and declined [code]
	Partial        Action = "partial"         // a sale or pre-authorisation, processed and approved with 10 [amount]
	ForceVerdict   Action = "verdict"         // a settlement, processed; the host says this of it [verdict]
	Stall          Action = "stall"           // the host reads nothing for a while, then goes on [after]

	// The answer. The request was processed, its debit stands.
	Silent        Action = "silent"         // no answer
	DropResponse  Action = "drop_response"  // the answer was lost on the way
	Late          Action = "late"           // [after]
	Twice         Action = "twice"          // two frames in one write
	Cut           Action = "cut"            // half a frame, then close
	Garbage       Action = "garbage"        // a well-formed frame that is no message
	BadLength     Action = "bad_length"     // the length does not fit [length]
	Trailing      Action = "trailing"       // bytes after the message, inside the frame
	OtherSTAN     Action = "other_stan"     // DE 11 of another
	OtherAmount   Action = "other_amount"   // DE 4 [amount]
	OtherTerminal Action = "other_terminal" // DE 41 of another
	OtherMID      Action = "other_mid"      // DE 42 of another
	WrongMTI      Action = "wrong_mti"      // [mti]
	Missing39     Action = "missing_39"     // no response code
	AnswerCode    Action = "answer_code"    // another response code than the ledger's [code]
	BadMAC        Action = "bad_mac"        // the answer's MAC is wrong, where it has one
	NoMAC         Action = "no_mac"         // the answer has none
	BadChip       Action = "bad_chip"       // DE 55 that is no chip data

	// The connection and the host.
	Close   Action = "close"   // orderly close instead of an answer [when]
	Reset   Action = "rst"     // TCP reset instead of an answer [when]
	Restart Action = "restart" // all connections close, the ledger is read anew [when, after, forget]
)

// When a connection fault strikes.
const (
	Before = "before" // before the message is processed, which it then is not
	After  = "after"  // after; the default
)

// UntilReversal holds a delayed request until its reversal was processed.
const UntilReversal = "reversal"

// params lists the keys that each action takes beside name, match, count,
// skip, probability and seed; a "!" marks one that it needs.
var params = map[Action][]string{
	DropRequest: {}, DelayRequest: {"after", "until"}, ActCode: {"code!"}, RefuseReversal: {"code!"},
	Decline: {"code!"}, Partial: {"amount!"}, Stall: {"after!"}, ForceVerdict: {"verdict!"},
	Silent: {}, DropResponse: {}, Late: {"after!"}, Twice: {}, Cut: {}, Garbage: {}, BadLength: {"length!"},
	Trailing: {}, OtherSTAN: {}, OtherAmount: {"amount!"}, OtherTerminal: {}, OtherMID: {},
	WrongMTI: {"mti"}, Missing39: {}, AnswerCode: {"code!"}, BadMAC: {}, NoMAC: {}, BadChip: {},
	Close: {"when"}, Reset: {"when"}, Restart: {"when", "after", "forget"},
}

// Actions lists every Action, sorted.
func Actions() []Action {
	out := make([]Action, 0, len(params))
	for a := range params {
		out = append(out, a)
	}
	slices.Sort(out)
	return out
}

// Fault is one scripted misbehaviour. Of all faults the first in order that
// matches and is due strikes, so a message suffers one fault at most.
type Fault struct {
	Name  string `yaml:"name" json:"name,omitempty"`
	Match Match  `yaml:"match" json:"match"`

	Skip        int      `yaml:"skip" json:"skip,omitempty"`               // matching messages let through first
	Count       int      `yaml:"count" json:"count,omitempty"`             // how often it strikes; 0: no end
	Probability *float64 `yaml:"probability" json:"probability,omitempty"` // of striking, once due; absent: 1
	// Seed makes the draws of Probability repeatable: the n-th draw for a
	// terminal is the same in every run, whatever other terminals do.
	Seed uint64 `yaml:"seed" json:"seed,omitempty"`

	Action Action           `yaml:"action" json:"action"`
	After  iso8583.Duration `yaml:"after" json:"after,omitempty"` // how long; restart: how long nothing listens
	Until  string           `yaml:"until" json:"until,omitempty"` // delay_request: "reversal"; After then counts from there
	Code   string           `yaml:"code" json:"code,omitempty"`   // DE 39
	// Amount is smaller, larger, zero, missing or minor units. A partial takes
	// no zero or missing; where it is above what was asked for, the ledger has
	// what was asked for and only the answer says more.
	Amount string      `yaml:"amount" json:"amount,omitempty"`
	Length string      `yaml:"length" json:"length,omitempty"` // long, short, zero or oversize
	MTI    iso8583.MTI `yaml:"mti" json:"mti,omitempty"`       // absent: 0410 for 0210 and the reverse
	When   string      `yaml:"when" json:"when,omitempty"`     // before or after
	// Verdict is what a settlement is answered, of domestic cards and of
	// foreign ones: 1 balanced, 2 not, 3 error, as in 2/1.
	Verdict string `yaml:"verdict" json:"verdict,omitempty"`
	Forget  bool   `yaml:"forget" json:"forget,omitempty"` // the host loses its ledger
}

// Match selects messages by all of its keys that are set; none selects all.
type Match struct {
	MTI iso8583.MTI `yaml:"mti" json:"mti,omitempty"`
	// Kind is a transaction type, reversal (first and repeated, of whatever
	// type), reversal_repeat, echo or sign_on.
	Kind     iso8583.Kind `yaml:"kind" json:"kind,omitempty"`
	Terminal iso8583.TID  `yaml:"terminal" json:"terminal,omitempty"`
	STAN     string       `yaml:"stan" json:"stan,omitempty"` // six digits
	Amount   *int64       `yaml:"amount" json:"amount,omitempty"`
	Address  *int         `yaml:"address" json:"address,omitempty"` // which of the host's addresses, from 0
}

// ParseFaults reads faults from YAML or JSON: one fault, a list, or a list
// under the key "faults". name is the file, for errors.
func ParseFaults(name string, data []byte) ([]Fault, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	var (
		list []Fault
		err  error
	)
	switch root := doc.Content[0]; {
	case root.Kind == yaml.SequenceNode:
		err = decodeStrict(name, data, &list)
	case hasKey(root, "faults"):
		var file struct {
			Faults []Fault `yaml:"faults"`
		}
		err = decodeStrict(name, data, &file)
		list = file.Faults
	default:
		list = make([]Fault, 1)
		err = decodeStrict(name, data, &list[0])
	}
	if err != nil {
		return nil, err
	}
	for i := range list {
		if err := list[i].Validate(); err != nil {
			return nil, fmt.Errorf("%s: faults[%d]: %w", name, i, err)
		}
	}
	return list, nil
}

func hasKey(n *yaml.Node, key string) bool {
	if n.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return true
		}
	}
	return false
}

// Validate says which key is missing, unknown to the action, or out of range.
func (f *Fault) Validate() error {
	takes, ok := params[f.Action]
	if !ok {
		return fmt.Errorf("action: %q is not one of %v", f.Action, Actions())
	}
	set := map[string]bool{
		"after": f.After != 0, "until": f.Until != "", "code": f.Code != "", "amount": f.Amount != "",
		"length": f.Length != "", "mti": f.MTI != "", "when": f.When != "", "forget": f.Forget, "verdict": f.Verdict != "",
	}
	for _, key := range []string{"after", "until", "code", "amount", "length", "mti", "when", "forget", "verdict"} {
		needed := slices.Contains(takes, key+"!")
		switch {
		case set[key] && !needed && !slices.Contains(takes, key):
			return fmt.Errorf("%s: action %q does not take it", key, f.Action)
		case !set[key] && needed:
			return fmt.Errorf("%s: action %q needs it", key, f.Action)
		}
	}
	if err := f.values(); err != nil {
		return err
	}
	return f.Match.validate(f.Action)
}

// values checks what the keys hold.
func (f *Fault) values() error {
	switch {
	case f.Action == DelayRequest && f.After == 0 && f.Until == "":
		return fmt.Errorf("after: action %q needs it, or until", f.Action)
	case f.After < 0:
		return fmt.Errorf("after: want a duration above zero")
	case f.Until != "" && f.Until != UntilReversal:
		return fmt.Errorf("until: want %q, got %q", UntilReversal, f.Until)
	case f.Code != "" && len(f.Code) != 2:
		return fmt.Errorf("code: want a response code of two characters, got %q", f.Code)
	case f.Action == Decline && f.Code == CodeApproved:
		return fmt.Errorf("code: %q does not decline", f.Code)
	case f.When != "" && f.When != Before && f.When != After:
		return fmt.Errorf("when: want %q or %q, got %q", Before, After, f.When)
	case f.Length != "" && !slices.Contains([]string{"long", "short", "zero", "oversize"}, f.Length):
		return fmt.Errorf("length: want long, short, zero or oversize, got %q", f.Length)
	case f.Verdict != "" && !validVerdict(f.Verdict):
		return fmt.Errorf("verdict: want two of 1, 2 and 3 as in 2/1, got %q", f.Verdict)
	case f.Skip < 0 || f.Count < 0:
		return fmt.Errorf("skip, count: want 0 or more")
	case f.Probability != nil && (*f.Probability < 0 || *f.Probability > 1 || math.IsNaN(*f.Probability)):
		return fmt.Errorf("probability: want 0 to 1")
	}
	if f.MTI != "" {
		if _, err := iso8583.ParseMTI(string(f.MTI)); err != nil {
			return fmt.Errorf("mti: %w", err)
		}
	}
	if !slices.Contains([]string{"", "smaller", "larger", "zero", "missing"}, f.Amount) {
		if n, err := strconv.ParseInt(f.Amount, 10, 64); err != nil || n < 0 || n > iso8583.MaxMinor {
			return fmt.Errorf("amount: want smaller, larger, zero, missing or minor units, got %q", f.Amount)
		}
	}
	if f.Action == Partial && (f.Amount == "missing" || f.otherMinor(1) == 0 && f.Amount != "smaller") {
		return fmt.Errorf("amount: action %q approves something", f.Action)
	}
	return nil
}

func (m *Match) validate(a Action) error {
	if m.MTI != "" {
		if _, err := iso8583.ParseMTI(string(m.MTI)); err != nil {
			return fmt.Errorf("match.mti: %w", err)
		}
	}
	if m.Kind != "" && !slices.Contains(iso8583.Kinds(), m.Kind) {
		return fmt.Errorf("match.kind: %q is not one of %v", m.Kind, iso8583.Kinds())
	}
	if m.STAN != "" {
		if _, err := iso8583.ParseSTAN(m.STAN); err != nil {
			return fmt.Errorf("match.stan: %w", err)
		}
	}
	if m.Terminal != "" {
		if _, err := iso8583.ParseTID(string(m.Terminal)); err != nil {
			return fmt.Errorf("match.terminal: %w", err)
		}
	}
	if a == RefuseReversal {
		if m.MTI != "" && m.MTI.Class() != '4' || m.Kind != "" && !strings.HasPrefix(string(m.Kind), "reversal") {
			return fmt.Errorf("match: action %q is for reversals", a)
		}
	}
	if a == Partial && m.Kind != "" && !approvesInPart(m.Kind) {
		return fmt.Errorf("match.kind: action %q is for %s and %s", a, iso8583.Sale, iso8583.PreAuth)
	}
	return nil
}
