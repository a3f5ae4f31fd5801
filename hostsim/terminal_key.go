package hostsim

import (
	"crypto/rand"
	"fmt"
	"sync"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/mac"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// TestTerminalKey is the terminal master key of the sign-on vector
// (terminal-rules D): a key that everybody knows.
const TestTerminalKey = "CA5D92598DCA48CE8A4C76361A9269E9"

// Codes that a dialect with keys adds.
const (
	codeBadMAC = "A0" // the request's MAC is wrong or missing; not processed
	codeSignOn = "77" // the terminal has no working key here: sign on first
)

// BatchRule says what a sign-on does to the terminal's batch.
type BatchRule string

// The rules there are.
const (
	BatchKeeps BatchRule = "keep"
	BatchMoves BatchRule = "next" // C.19: an owed reversal is of an older batch then
)

// keyRoom is the working keys and batches of the terminals, in memory. A host
// that restarts keeps them, and one that is to forget loses the keys.
type keyRoom struct {
	profile  *profile.Profile
	method   mac.Method
	master   mac.Key
	batches  BatchRule
	macSize  int                  // bytes of a MAC key: the fewest that the algorithm takes
	required map[iso8583.MTI]bool // requests that must have a MAC

	mu    sync.Mutex
	rooms map[iso8583.TID]*terminalKeys
}

type terminalKeys struct {
	signer *mac.Software // nil: not signed on
	batch  int
}

// maxTerminals bounds the key room.
const maxTerminals = 10_000

// newKeyRoom is nil where the dialect has no MAC, or the host is to do without.
func newKeyRoom(p *profile.Profile, c *Config, log *zap.Logger) (*keyRoom, error) {
	method, ok := p.MAC()
	if !ok || c.NoMAC {
		return nil, nil
	}
	text := c.TerminalKey
	if text == "" {
		text = TestTerminalKey
		log.Warn("the terminals' master key is a published test key")
	}
	master, err := mac.ParseKey(text)
	if err == nil {
		_, err = master.CheckValue(method.Algorithm.Cipher())
	}
	if err != nil {
		return nil, fmt.Errorf("terminal_key: %w", err)
	}
	k := &keyRoom{
		profile: p, method: method, master: master, batches: c.SignOnBatch,
		required: map[iso8583.MTI]bool{}, rooms: map[iso8583.TID]*terminalKeys{},
	}
	for _, n := range []int{8, 16} {
		key, err := mac.NewKey(make([]byte, n))
		if err != nil {
			return nil, err
		}
		if _, err := method.Sum(key, nil); err == nil {
			k.macSize = n
			break
		}
	}
	for _, m := range p.Describe().Messages {
		if m.Signed {
			k.required[m.MTI] = true
		}
	}
	return k, nil
}

// of is the room of a terminal; a new one is on batch 1. Nil: there are too
// many.
func (k *keyRoom) of(tid iso8583.TID) *terminalKeys {
	t := k.rooms[tid]
	if t == nil && len(k.rooms) < maxTerminals {
		t = &terminalKeys{batch: 1}
		k.rooms[tid] = t
	}
	return t
}

// settled moves a terminal to its next batch, once the one it is in is closed.
func (k *keyRoom) settled(of Key) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if t := k.rooms[of.TID]; t != nil && fmt.Sprintf("%06d", t.batch) == batchOf(of) {
		t.batch = t.batch%999_999 + 1
	}
}

// signOn makes new working keys and answers with them in DE 62, under the
// terminal's master key, and with the batch in DE 60. The old ones are gone.
func (k *keyRoom) signOn(m, answer *iso8583.Message) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.of(terminal(m))
	if t == nil {
		return fmt.Errorf("more than %d terminals", maxTerminals)
	}
	code := m.Get(60)[8:11] // fromUnionPay has looked
	w, err := k.newKeys(code)
	if err != nil {
		return err
	}
	s, err := mac.NewSoftware(k.method, k.master, func(string) {}) // the host has said it at its start
	if err != nil {
		return err
	}
	if err := s.Load(w); err != nil {
		return err
	}
	if k.batches == BatchMoves && t.signer != nil {
		t.batch = t.batch%999_999 + 1
	}
	t.signer = s
	answer.Set(60, fmt.Sprintf("00%06d%s", t.batch, code))
	answer.Set(62, fmt.Sprintf("%X", w.Pack()))
	return nil
}

// signOff forgets the terminal's keys.
func (k *keyRoom) signOff(m *iso8583.Message) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if t := k.rooms[terminal(m)]; t != nil {
		t.signer = nil
	}
}

// newKeys draws a PIN key and a MAC key into slots of the length that the
// network code asks for: 001 single DES, 003 and 004 double, 006 SM4.
func (k *keyRoom) newKeys(code string) (w mac.Wrapped, err error) {
	slot := map[string]int{"001": 8, "003": 16, "004": 16, "006": 16}[code]
	if slot == 0 || (code == "006") != (k.method.Algorithm.Cipher() == mac.SM4) {
		return w, fmt.Errorf("network code %s: this host has no such keys", code)
	}
	if w.PIN, err = k.draw(slot, slot); err != nil {
		return w, err
	}
	w.MAC, err = k.draw(k.macSize, slot)
	return w, err
}

// draw is a random key of n bytes, wrapped into a slot.
func (k *keyRoom) draw(n, slot int) (mac.Slot, error) {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		return mac.Slot{}, err
	}
	key, err := mac.NewKey(b)
	if err != nil {
		return mac.Slot{}, err
	}
	return mac.Wrap(k.method.Algorithm.Cipher(), k.master, key, slot)
}

// codec is the dialect with the keys of the terminal that m names.
func (k *keyRoom) codec(m *iso8583.Message) *profile.Codec {
	k.mu.Lock()
	defer k.mu.Unlock()
	if t := k.rooms[terminal(m)]; t != nil && t.signer != nil {
		return k.profile.With(t.signer)
	}
	return k.profile.With(nil)
}

// refuse says whether a request is answered without being processed: its MAC
// is not right, or its terminal has not signed on.
func (k *keyRoom) refuse(m *iso8583.Message, body []byte) (code, note string) {
	if !k.required[firstMTI(m.MTI)] {
		return "", ""
	}
	k.mu.Lock()
	t := k.rooms[terminal(m)]
	k.mu.Unlock()
	if t == nil || t.signer == nil {
		return codeSignOn, "not processed: the terminal has not signed on"
	}
	if !m.Has(64) {
		return codeBadMAC, "not processed: no MAC"
	}
	if got, err := k.profile.With(t.signer).Unpack(body); err != nil || got.MAC != iso8583.MACValid {
		return codeBadMAC, "not processed: the MAC is wrong"
	}
	return "", ""
}

// forget loses all keys, so that every terminal has to sign on again. The
// batches stay.
func (k *keyRoom) forget() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.rooms {
		t.signer = nil
	}
}
