package hostsim

import (
	"errors"
	"strings"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// echoed lists the elements that an answer repeats (terminal-rules B2).
var echoed = []int{3, 4, 7, 11, 12, 13, 41, 42, 49, 70}

// codeBadAmount is DE 39 for a sale of nothing.
const codeBadAmount = "13"

// errFormat says that a mandatory element is missing or wrong: answer 30.
var errFormat = errors.New("format error")

// kindOf says what a request is for, or "" where the host does not know it.
func kindOf(m *iso8583.Message) iso8583.Kind {
	switch {
	case m.MTI.IsResponse():
		return ""
	case m.MTI == "0200" && strings.HasPrefix(m.Get(3), "00"):
		return iso8583.KindSale
	case m.MTI == "0400" || m.MTI == "0420":
		return iso8583.KindReversal
	case m.MTI == "0401" || m.MTI == "0421":
		return iso8583.KindReversalRepeat
	case m.MTI == "0800" && m.Get(70) == "001":
		return iso8583.KindSignOn
	case m.MTI == "0800" && m.Get(70) == "301":
		return iso8583.KindEcho
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

// requestOf reads a sale. A bad card number or a zero amount is declined and
// kept in the ledger; what has no identity is a format error.
func requestOf(m *iso8583.Message) (Request, error) {
	key, err := newKey(string(m.MTI), string(terminal(m)), m.Get(11), m.Get(7))
	if err != nil {
		return Request{}, errors.Join(errFormat, err)
	}
	r := Request{Key: key, PAN: m.Masked(2)}
	if r.Amount, err = amountOf(m); err != nil {
		return Request{}, err
	}
	if _, err := iso8583.ParsePAN(m.Get(2)); err != nil {
		r.Decline = CodeBadCard
	} else if r.Amount.Minor == 0 {
		r.Decline = codeBadAmount
	}
	return r, nil
}

// reversalOf reads a reversal; DE 90 and DE 41 identify the original.
func reversalOf(m *iso8583.Message) (Reversal, error) {
	original := m.Get(90)
	if len(original) != 42 {
		return Reversal{}, errors.Join(errFormat, errors.New("original data elements (DE 90): want 42 digits"))
	}
	key, err := newKey(original[:4], string(terminal(m)), original[4:10], original[10:20])
	if err != nil {
		return Reversal{}, errors.Join(errFormat, err)
	}
	r := Reversal{Key: key, PAN: m.Masked(2)}
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
	return r
}
