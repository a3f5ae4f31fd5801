// Package profile is an acquirer's dialect as data: how its messages are
// written (spec), which messages there are and how they travel (wire), and
// what its answers mean (rules). It turns the meaning of a message
// (iso8583.Facts) into bytes and bytes into an iso8583.Message. No other
// package imports the codec library.
package profile

import (
	"embed"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	moov "github.com/moov-io/iso8583"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
	"github.com/counterfoil-pos/counterfoil/iso8583/mac"
)

// Profile is one acquirer's dialect. It is immutable and safe for use by
// several goroutines.
type Profile struct {
	Name  string
	Rules iso8583.Rules
	Frame frame.Format
	Link  LinkSettings

	doc    document
	spec   *moov.MessageSpec
	signed map[iso8583.MTI]bool // answers that must have a MAC
}

// LinkSettings say how connections to the acquirer are kept (row "Connection").
type LinkSettings struct {
	Persistent bool   `json:"persistent"` // false: a connection per transaction
	SignOn     SignOn `json:"sign_on"`

	// EchoEvery is how long a persistent connection may be silent before an
	// echo is sent; zero: none is.
	EchoEvery iso8583.Duration `json:"echo_every"`
}

// SignOn says when a sign-on is sent.
type SignOn string

// The settings there are.
const (
	SignOnNone      SignOn = "none"
	SignOnOnConnect SignOn = "on_connect" // first on every new connection
)

// document is the profile as it is written.
type document struct {
	Name  string        `json:"name"`
	About string        `json:"about"`
	Spec  spec          `json:"spec"`
	Wire  wire          `json:"wire"`
	Rules iso8583.Rules `json:"rules"`
}

type wire struct {
	Frame      frameDocument           `json:"frame"`
	Link       LinkSettings            `json:"link"`
	Processing map[iso8583.Type]string `json:"processing"` // DE 3 by type
	Stripped   []int                   `json:"stripped"`   // what a reversal never carries

	// What only some dialects have. A key of conditions and functions is a type,
	// or "completion_void": the void of a completion.
	Conditions map[string]string `json:"conditions"` // DE 25 by type
	Functions  map[string]string `json:"functions"`  // message type code by type, for a layout
	Capability string            `json:"capability"` // what the terminal can read, for a layout
	WithPIN    map[int]string    `json:"with_pin"`   // constants of a message that carries DE 52
	Layouts    map[int]string    `json:"layouts"`    // data elements that hold several, by the name of their layout
	MAC        *mac.Method       `json:"mac"`        // how DE 64 is made; messages that list 64 have one
	Chip       chipDocument      `json:"chip"`       // what of the chip's data goes into DE 55
	Handle     handleDocument    `json:"handle"`     // what carries a card handle

	Messages map[iso8583.Kind]message `json:"messages"`
}

type frameDocument struct {
	Length frame.LengthKind `json:"length"`
	Max    int              `json:"max"`
	TPDU   string           `json:"tpdu"`   // hexadecimal
	Header string           `json:"header"` // hexadecimal
}

// message is one kind of request. A reversal's or an advice's repeat is the
// same message under another MTI.
type message struct {
	MTI       iso8583.MTI    `json:"mti"`
	RepeatMTI iso8583.MTI    `json:"repeat_mti"`
	Fields    []int          `json:"fields"`    // mandatory
	Optional  []int          `json:"optional"`  // sent when known
	Constants map[int]string `json:"constants"` // sent as they are
	Network   string         `json:"network"`   // network management code, for a layout
}

// wantsMAC says whether the message is signed.
func (m *message) wantsMAC() bool { return slices.Contains(m.Fields, macElement) }

//go:embed profiles/*.json
var embedded embed.FS

// Names lists the embedded profiles.
func Names() []string {
	entries, err := embedded.ReadDir("profiles")
	if err != nil { // embedded: cannot fail
		panic(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".json"))
	}
	slices.Sort(names)
	return names
}

// Load gives an embedded profile.
func Load(name string) (*Profile, error) {
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("profile %q: there is none of that name; embedded are %s", name, strings.Join(Names(), ", "))
	}
	file := path.Join("profiles", name+".json")
	data, err := embedded.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("profile %q: %w", name, err)
	}
	p, err := Parse(file, data)
	if err != nil {
		return nil, err
	}
	if p.Name != name {
		return nil, fmt.Errorf("%s: name: want %q, got %q", file, name, p.Name)
	}
	return p, nil
}

// Parse reads a profile from JSON. It refuses whatever it does not know or
// finds contradictory; the error names file and key.
func Parse(file string, data []byte) (*Profile, error) {
	p := &Profile{}
	if err := decodeStrict(data, &p.doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := p.build(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

func (p *Profile) build() (err error) {
	d := &p.doc
	if d.Name == "" {
		return fmt.Errorf("name: missing")
	}
	if d.Rules.Profile != "" && d.Rules.Profile != d.Name {
		return fmt.Errorf("rules.profile: leave it out, or repeat the name %q", d.Name)
	}
	if d.Rules.MTI != nil {
		return fmt.Errorf("rules.mti: leave it out; it comes from wire.messages")
	}
	d.Rules.Profile = d.Name
	d.Rules.MTI = d.Wire.mtis()
	p.Name, p.Rules, p.Link = d.Name, d.Rules, d.Wire.Link
	if p.spec, err = d.Spec.build(); err != nil {
		return err
	}
	if p.Frame, err = d.Wire.Frame.format(); err != nil {
		return err
	}
	if err := p.Link.validate(); err != nil {
		return err
	}
	for _, check := range []func() error{p.checkLayouts, p.checkMAC, p.checkCodes, p.checkMessages, p.checkChip} {
		if err := check(); err != nil {
			return err
		}
	}
	return p.checkRules()
}

// mtis is the MTI of each kind.
func (w wire) mtis() map[iso8583.Kind]iso8583.MTI {
	all := map[iso8583.Kind]iso8583.MTI{}
	for k, m := range w.Messages {
		all[k] = m.MTI
		if m.RepeatMTI != "" && k == iso8583.KindReversal {
			all[iso8583.KindReversalRepeat] = m.RepeatMTI
		}
	}
	return all
}

func (f frameDocument) format() (frame.Format, error) {
	out := frame.Format{Length: f.Length, Max: f.Max}
	if out.Max == 0 {
		out.Max = frame.DefaultMax
	}
	var err error
	if out.TPDU, err = hex.DecodeString(f.TPDU); err != nil {
		return out, fmt.Errorf("wire.frame.tpdu: want hexadecimal: %w", err)
	}
	if out.Header, err = hex.DecodeString(f.Header); err != nil {
		return out, fmt.Errorf("wire.frame.header: want hexadecimal: %w", err)
	}
	if err := out.Validate(); err != nil {
		return out, fmt.Errorf("wire.frame: %w", err)
	}
	return out, nil
}

// maxBody is the largest message body a frame can hold.
func (p *Profile) maxBody() int { return p.Frame.Max - len(p.Frame.TPDU) - len(p.Frame.Header) }

func (l LinkSettings) validate() error {
	switch {
	case l.SignOn != SignOnNone && l.SignOn != SignOnOnConnect:
		return fmt.Errorf("wire.link.sign_on: want %q or %q, got %q", SignOnNone, SignOnOnConnect, l.SignOn)
	case l.EchoEvery < 0:
		return fmt.Errorf("wire.link.echo_every: want a duration, not a negative one")
	case l.EchoEvery > 0 && !l.Persistent:
		return fmt.Errorf("wire.link.echo_every: only a persistent connection has an echo")
	}
	return nil
}
