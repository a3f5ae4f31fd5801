package hostsim

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// deHandle is where this host takes an encrypted card number; its key serial
// number comes in the element after it. There is no rule for it (M).
const deHandle = 62

// handleName is what the ledger calls a card of which it has no number: the
// same for the same handle.
func handleName(handle string) string {
	sum := sha256.Sum256([]byte(handle))
	return "handle " + hex.EncodeToString(sum[:4])
}

// errChip says that chip data are missing or no chip data.
var errChip = errors.New("chip data (DE 55)")

// chipOf reads DE 55. Where DE 22 says that the chip of a card in hand was
// read, it must be there, with a cryptogram; elsewhere it may be.
func chipOf(m *iso8583.Message, t iso8583.Type) ([]iso8583.TLV, error) {
	if !m.Has(55) {
		if iso8583.ChipOf(m.Get(22)) != "" && t.Originals() == nil {
			return nil, fmt.Errorf("%w: missing", errChip)
		}
		return nil, nil
	}
	all, err := iso8583.ParseTLVHex(m.Get(55))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errChip, err)
	}
	if _, ok := iso8583.FindTLV(all, iso8583.TagAC); !ok {
		return nil, fmt.Errorf("%w: no cryptogram", errChip)
	}
	return all, nil
}

// issuerAnswer is DE 55 of the answer to m: for the card, if a chip was read.
// The ARPC is none that a card would believe; the script does nothing.
func issuerAnswer(m *iso8583.Message, code string) string {
	if !m.Has(55) || m.MTI.Class() > '2' || len(code) != 2 {
		return ""
	}
	arc := strings.ToUpper(hex.EncodeToString([]byte(code)))
	sum := sha256.Sum256([]byte(m.Get(55)))
	out := "8A02" + arc + "910A" + strings.ToUpper(hex.EncodeToString(sum[:8])) + arc
	if code == CodeApproved || code == CodePartial {
		out += "7210" + "9F180400000001" + "8607" + "84240000020000"
	}
	return out
}

// spoilChip makes chip data of an answer that cannot be read.
func spoilChip(m *iso8583.Message) {
	if v := m.Get(55); len(v) > 4 {
		m.Set(55, v[:len(v)-2])
	}
}

// script answers the notice of what came of a script on the card. It moves no
// money: the ledger is asked whether it knows the transaction, and nothing else.
func (x *exchange) script() {
	of, err := originalOf(x.m)
	if err == nil {
		err = scriptResult(x.m.Get(55))
	}
	if err != nil {
		x.answer(Verdict{Code: CodeFormat, Note: err.Error()})
		return
	}
	x.answer(x.decide(func(l *Ledger, p Policy) Verdict {
		if e, _ := l.find(x.s.h.now(), of, p); e == nil {
			return Verdict{Code: CodeNotFound, Note: "no such transaction"}
		}
		return Verdict{Code: CodeApproved}
	}))
}

// scriptResult wants the scripts' results in DE 55.
func scriptResult(de55 string) error {
	all, err := iso8583.ParseTLVHex(de55)
	if err != nil {
		return errors.Join(errFormat, err)
	}
	for _, tag := range []string{iso8583.TagScripts, iso8583.TagScriptsV} {
		if _, ok := iso8583.FindTLV(all, tag); ok {
			return nil
		}
	}
	return errors.Join(errFormat, errors.New("chip data (DE 55): no script result"))
}

// certificate wants of an upload of one transaction what proves it: whose it is,
// and that its card agreed.
func certificate(m *iso8583.Message) error {
	all, err := iso8583.ParseTLVHex(m.Get(55))
	if err != nil {
		return errors.Join(errFormat, err)
	}
	cid, _ := iso8583.FindTLV(all, iso8583.TagCID)
	switch _, signed := iso8583.FindTLV(all, iso8583.TagAC); {
	case !signed || !iso8583.IsTC(cid.HexValue()):
		return errors.Join(errFormat, errors.New("chip data (DE 55): no TC"))
	case len(m.Get(61)) < 12 || m.Get(4) == "":
		return errors.Join(errFormat, errors.New("an upload of one transaction: want its batch, STAN and amount"))
	}
	return nil
}
