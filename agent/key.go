package agent

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/mac"
)

// The terminals' Signers, in a dialect with MACs. Every message is composed and
// signed at the moment it is sent, with the keys of that moment; bytes are never
// kept and sent again (terminal-rules C.18).

// addSigner gives a terminal its signer, or says what is wrong with that.
func (q *acquirer) addSigner(t *TerminalOptions) error {
	_, signs := q.profile.MAC()
	switch {
	case signs && t.Signer == nil:
		return fmt.Errorf("terminal %s: profile %s signs its messages, and there is no signer: give the terminal its master key", t.TID, q.profile.Name)
	case !signs && t.Signer != nil:
		return fmt.Errorf("terminal %s: profile %s has no MAC, so that a signer or master key is of no use", t.TID, q.profile.Name)
	case !signs:
		return nil
	}
	if w := t.Signer.Warning(); w != "" {
		q.log.Warn(w, zap.String("terminal", string(t.TID)))
	}
	q.signers[t.TID] = t.Signer
	return nil
}

// pack gives a message its bytes, signed where it is to be.
func (q *acquirer) pack(tid iso8583.TID, m *iso8583.Message) ([]byte, error) {
	return q.profile.With(q.signer(tid)).Pack(m)
}

// signer is the terminal's, or nil.
func (q *acquirer) signer(tid iso8583.TID) mac.Signer {
	if s, ok := q.signers[tid]; ok {
		return s
	}
	return nil
}

// unpack reads a message and looks at its MAC with the keys of the terminal that
// it names. Where that is none of ours, nothing proves it.
func (q *acquirer) unpack(body []byte) (*iso8583.Message, error) {
	m, err := q.profile.Unpack(body)
	if _, signs := q.profile.MAC(); err != nil || !signs {
		return m, err
	}
	s := q.signer(iso8583.TID(trimRight(m.Get(41))))
	if s == nil {
		m.MAC = iso8583.MACBad
		return m, nil
	}
	return q.profile.With(s).Unpack(body)
}

// wakeSigners gives each Signer the keys that the journal has for its terminal,
// and lists the terminals that have none that work.
func (a *Agent) wakeSigners() (keyless []iso8583.TID) {
	for _, t := range a.opts.Terminals {
		if !a.acquirers[t.Acquirer].profile.Rules.SignOn.Required {
			continue
		}
		on := a.machine.SignedOn(t.TID)
		if on == nil {
			keyless = append(keyless, t.TID)
			continue
		}
		if err := t.load(on.Keys); err != nil {
			a.log.Warn("the working keys in the journal cannot be used: signing on", zap.String("terminal", string(t.TID)), zap.Error(err))
			keyless = append(keyless, t.TID)
		}
	}
	return keyless
}

// loadKeys is the core's word that a terminal has new keys, which are durable.
func (a *Agent) loadKeys(k txn.KeyLoad) {
	t := a.terminals[k.TID]
	if k.Keys == "" {
		t.Signer.Forget()
		return
	}
	if err := t.load(k.Keys); err != nil { // they were proved a moment ago
		a.log.Error("new working keys cannot be used", zap.String("terminal", string(k.TID)), zap.Error(err))
		a.queued = append(a.queued, txn.Keyless{TID: k.TID})
	}
}

func (t *TerminalOptions) load(k txn.WrappedKeys) error {
	w, err := unwrapped(k)
	if err != nil {
		return err
	}
	return t.Signer.Load(w)
}

// host is the host:port of a journaled address.
func host(address string) string {
	_, h, _ := strings.Cut(address, " ")
	return h
}

// unwrapped cuts DE 62; the keys in it stay wrapped.
func unwrapped(k txn.WrappedKeys) (mac.Wrapped, error) {
	b, err := hex.DecodeString(string(k))
	if err != nil {
		return mac.Wrapped{}, errors.New("working keys (DE 62): no hexadecimal") // err would quote
	}
	return mac.Unpack(b)
}

// signOnAnswer gives the core the answer to a sign-on, with its keys proved.
func (q *acquirer) signOnAnswer(route int, m *iso8583.Message, text string) {
	tid := iso8583.TID(trimRight(m.Get(41)))
	stan, err := iso8583.ParseSTAN(m.Get(11))
	if err != nil {
		q.agent.post(txn.Garbage{Route: route, Text: "without a STAN: " + text})
		return
	}
	e := txn.SignOnAnswer{
		Route: route, TID: tid, STAN: stan, Code: m.Get(39), Keys: txn.WrappedKeys(m.Get(62)), Batch: q.profile.Batch(m), LocalTime: m.Get(12), LocalDate: m.Get(13), Text: text,
	}
	if s := q.signer(tid); e.Keys != "" && s != nil {
		w, err := unwrapped(e.Keys)
		if err == nil {
			err = s.Prove(w)
		}
		if err != nil {
			e.Fault = err.Error()
		}
	}
	q.agent.post(e)
}

// signOnWithKeys has the core sign a terminal on, and waits for what comes of it.
func (a *Agent) signOnWithKeys(ctx context.Context, t TerminalOptions) (client.SignOn, txn.Code, error) {
	ctx, cancel := context.WithTimeout(ctx, manageWithin)
	defer cancel()
	ans, err := a.ask(ctx, func(req uint64) txn.Event { return txn.SignOn{Req: req, TID: t.TID} })
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		out := client.SignOn{At: time.UnixMilli(a.clock().Wall).UTC(), Error: errManageSilence.Error()}
		return out, txn.OK, nil
	case err != nil || ans.Code != txn.OK:
		return client.SignOn{}, ans.Code, err
	}
	return *a.view.signOn(t.TID), txn.OK, nil
}

// signOn is the terminal's latest sign-on with keys, or nil.
func (v *View) signOn(tid iso8583.TID) *client.SignOn {
	v.mu.Lock()
	defer v.mu.Unlock()
	on, failed := v.machine.SignedOn(tid), v.machine.SignOnFailed(tid)
	switch {
	case failed != nil:
		return &client.SignOn{
			At: time.UnixMilli(failed.At).UTC(), Route: failed.Route, Address: host(failed.Address), Code: failed.Code, Error: failed.Why,
		}
	case on != nil:
		out := &client.SignOn{
			At: time.UnixMilli(on.At).UTC(), Route: on.Route, Address: host(on.Address), Code: on.Code, Accepted: true,
		}
		if on.Host != 0 {
			at := time.UnixMilli(on.Host).UTC()
			out.HostTime, out.Drift = &at, on.Drift().Seconds()
		}
		return out
	}
	return nil
}
