package hostsim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// echoed lists the elements that an answer repeats (terminal-rules B2).
var echoed = []int{3, 4, 7, 11, 12, 13, 41, 42, 49, 70}

// errFormat says that a mandatory element is missing or wrong: answer 30.
var errFormat = errors.New("format error")

// kindOf says what a request is for, or "" where the host does not know it.
func kindOf(m *iso8583.Message) iso8583.Kind {
	switch {
	case m.MTI.IsResponse():
		return ""
	case m.MTI == "0200" && strings.HasPrefix(m.Get(3), "53"):
		return iso8583.KindInquiry
	case m.MTI == "0100" || m.MTI == "0200" || firstMTI(m.MTI) == adviceMTI:
		return typeIn(m).Kind()
	case m.MTI == "0400" || m.MTI == "0420":
		return iso8583.KindReversal
	case m.MTI == "0401" || m.MTI == "0421":
		return iso8583.KindReversalRepeat
	case m.MTI == "0620":
		return iso8583.KindScript
	case m.MTI == "0800" && m.Get(70) == "001":
		return iso8583.KindSignOn
	case m.MTI == "0800" && m.Get(70) == "002":
		return iso8583.KindSignOff
	case m.MTI == "0800" && m.Get(70) == "301":
		return iso8583.KindEcho
	default:
		return settleKind(m)
	}
}

// typeIn is the type of a request. A debit that names an earlier transaction
// completes it.
func typeIn(m *iso8583.Message) iso8583.Type {
	t := typeByCode(m.MTI, m.Get(3))
	if (t == iso8583.Sale || t == iso8583.Offline) && (m.Has(90) || m.Has(37)) {
		return iso8583.Completion
	}
	return t
}

// typeByCode reads DE 3 of a request of this MTI (terminal-rules B2); "" where
// the host has no such type.
func typeByCode(mti iso8583.MTI, code string) iso8583.Type {
	switch string(firstMTI(mti)) + " " + code[:min(2, len(code))] {
	case "0200 00":
		return iso8583.Sale
	case "0200 02":
		return iso8583.Void
	case "0200 20", "0220 20":
		return iso8583.Refund
	case "0220 00":
		return iso8583.Offline
	case "0200 31":
		return iso8583.Balance
	case "0100 00":
		return iso8583.PreAuth
	case "0100 02":
		return iso8583.PreAuthVoid
	default:
		return ""
	}
}

// subjectOf is what faults match.
func subjectOf(m *iso8583.Message, kind iso8583.Kind, address int) subject {
	s := subject{mti: m.MTI, kind: kind, tid: terminal(m), stan: m.Get(11), amount: -1, address: address}
	if n, err := iso8583.ParseDE4(m.Get(4)); err == nil {
		s.amount = n
	}
	return s
}

func terminal(m *iso8583.Message) iso8583.TID {
	return iso8583.TID(strings.TrimRight(m.Get(41), " "))
}

// requestOf reads a request of any type. A bad card number or amount is
// declined and kept in the ledger; what has no identity is a format error.
func requestOf(m *iso8583.Message) (Request, error) {
	key, err := newKey(string(firstMTI(m.MTI)), string(terminal(m)), m.Get(11), m.Get(7))
	if err != nil {
		return Request{}, errors.Join(errFormat, err)
	}
	r := Request{
		Type: typeIn(m), Key: key, PAN: m.Masked(2), RRN: iso8583.RRN(m.Get(37)), AuthCode: m.Get(38),
	}
	if r.Amount, err = amountOf(m); err != nil {
		return Request{}, err
	}
	if m.Has(90) {
		if r.Original, err = originalOf(m); err != nil {
			return Request{}, err
		}
	}
	if r.Chip, err = chipOf(m, r.Type); err != nil {
		r.Decline = CodeFormat
	}
	if m.Has(deHandle) && !m.Has(2) {
		r.PAN = handleName(m.Get(deHandle))
	} else if _, err := iso8583.ParsePAN(m.Get(2)); err != nil {
		r.Decline = CodeBadCard
	}
	if r.Decline == "" && (r.Amount.Minor == 0) == r.Type.MovesMoney() {
		r.Decline = CodeBadAmount
	}
	return r, nil
}

// reversalOf reads a reversal; DE 90 and DE 41 identify the original.
func reversalOf(m *iso8583.Message) (Reversal, error) {
	key, err := originalOf(m)
	if err != nil {
		return Reversal{}, err
	}
	r := Reversal{Key: key, Type: typeByCode(key.MTI, m.Get(3)), PAN: m.Masked(2)}
	if m.Has(deHandle) && !m.Has(2) {
		r.PAN = handleName(m.Get(deHandle))
	}
	if m.Has(55) {
		if _, err := iso8583.ParseTLVHex(m.Get(55)); err != nil {
			return Reversal{}, errors.Join(errFormat, err)
		}
	}
	if r.Amount, err = amountOf(m); err != nil {
		return Reversal{}, err
	}
	if remains := m.Get(95); remains != "" {
		if r.Remains, err = iso8583.ParseDE4(remains[:min(12, len(remains))]); err != nil {
			return Reversal{}, errors.Join(errFormat, err)
		}
	}
	return r, nil
}

// originalOf is what DE 90 and DE 41 name.
func originalOf(m *iso8583.Message) (Key, error) {
	original := m.Get(90)
	if len(original) != 42 {
		return Key{}, errors.Join(errFormat, errors.New("original data elements (DE 90): want 42 digits"))
	}
	key, err := newKey(original[:4], string(terminal(m)), original[4:10], original[10:20])
	if err != nil {
		return Key{}, errors.Join(errFormat, err)
	}
	return key, nil
}

func amountOf(m *iso8583.Message) (iso8583.Amount, error) {
	minor, err := iso8583.ParseDE4(m.Get(4))
	if err != nil {
		return iso8583.Amount{}, errors.Join(errFormat, err)
	}
	currency, err := iso8583.ParseCurrency(m.Get(49))
	if err != nil {
		return iso8583.Amount{}, errors.Join(errFormat, err)
	}
	return iso8583.Amount{Minor: minor, Currency: currency}, nil
}

// replyTo builds the answer to m.
func replyTo(m *iso8583.Message, v Verdict) *iso8583.Message {
	r := iso8583.NewMessage(m.MTI.Response())
	for _, de := range echoed {
		r.Set(de, m.Get(de))
	}
	r.Set(37, string(v.RRN))
	r.Set(38, v.AuthCode)
	r.Set(39, v.Code)
	r.Set(54, v.Balance)
	if v.Sides != ([2]iso8583.BatchVerdict{}) {
		r.Set(66, strconv.Itoa(int(max(v.Sides[0], v.Sides[1]))))
		r.Set(48, fmt.Sprintf("%d%d", v.Sides[0], v.Sides[1])) // for a dialect that has flags
	}
	if v.Amount != 0 {
		r.Set(4, iso8583.Amount{Minor: v.Amount}.DE4())
	}
	if v.Original != (Key{}) {
		k := v.Original
		r.Set(90, iso8583.Original{MTI: k.MTI, STAN: k.STAN, Transmission: k.Transmission}.DE90())
	}
	if v.STAN != 0 {
		r.Set(11, v.STAN.String())
	}
	r.Set(55, issuerAnswer(m, v.Code))
	return r
}
