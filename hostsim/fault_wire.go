package hostsim

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// distort changes the answer's fields as f says.
func (f *Fault) distort(m *iso8583.Message) {
	switch f.Action {
	case OtherSTAN:
		m.Set(11, nextSTAN(m.Get(11)))
	case OtherAmount:
		m.Set(4, f.otherAmount(m.Get(4)))
	case OtherTerminal:
		m.Set(41, otherID(m.Get(41)))
	case OtherMID:
		m.Set(42, otherID(m.Get(42)))
	case WrongMTI:
		m.MTI = f.wrongMTI(m.MTI)
	case Missing39:
		m.Set(39, "")
	case AnswerCode:
		m.Set(39, f.Code)
	case BadChip:
		spoilChip(m)
	case Partial:
		f.overstate(m)
	}
}

// encode gives the bytes to write for the answer m, and whether the connection
// closes after them. The length header is spoilt here by hand, since package
// frame never writes a wrong one.
func (f *Fault) encode(c *profile.Codec, m *iso8583.Message) (out []byte, closes bool, err error) {
	if f.Action == NoMAC {
		m.MAC = iso8583.MACNone
	}
	signed := m.MAC == iso8583.MACWanted
	body, err := c.Pack(m)
	if err != nil {
		return nil, false, fmt.Errorf("pack the answer: %w", err)
	}
	switch f.Action {
	case Garbage:
		sum := sha256.Sum256([]byte(m.Get(11)))
		body = sum[:]
	case Trailing:
		body = append(bytes.Clone(body), "0000"...)
	case BadMAC:
		if signed { // it stands last
			body[len(body)-1] ^= 1
		}
	case BadLength:
		out, err = f.badLength(c.Frame, body)
		return out, false, err
	}
	if out, err = c.Frame.Append(nil, body); err != nil {
		return nil, false, fmt.Errorf("frame the answer: %w", err)
	}
	switch f.Action {
	case Twice:
		out = append(out, out...)
	case Cut:
		return out[:len(out)/2], true, nil
	}
	return out, false, nil
}

// badLength frames body under a length that does not fit it.
func (f *Fault) badLength(format frame.Format, body []byte) ([]byte, error) {
	const off = 16
	switch f.Length {
	case "long": // announces more than comes
		out, err := format.Append(nil, append(bytes.Clone(body), make([]byte, off)...))
		return out[:max(0, len(out)-off)], err
	case "short": // announces less: the rest looks like the next frame
		cut := max(1, len(body)-off)
		out, err := format.Append(nil, body[:cut])
		return append(out, body[cut:]...), err
	default:
		out, err := format.Append(nil, body)
		if err == nil {
			copy(out, lengthHeader(format.Length, f.Length == "oversize"))
		}
		return out, err
	}
}

// lengthHeader announces nothing, or the most that the header can hold.
func lengthHeader(kind frame.LengthKind, oversize bool) string {
	switch {
	case kind == frame.ASCII4 && oversize:
		return "9999"
	case kind == frame.ASCII4:
		return "0000"
	case kind == frame.BCD2 && oversize:
		return "\x99\x99"
	case oversize:
		return "\xff\xff"
	default:
		return "\x00\x00"
	}
}

// otherAmount is DE 4 of the answer to a request whose DE 4 is asked.
func (f *Fault) otherAmount(asked string) string {
	if f.Amount == "missing" {
		return ""
	}
	n, err := iso8583.ParseDE4(asked)
	if err != nil {
		n = 0
	}
	return iso8583.Amount{Minor: f.otherMinor(n)}.DE4()
}

// otherMinor is Amount in minor units, where n was asked for.
func (f *Fault) otherMinor(n int64) int64 {
	switch f.Amount {
	case "zero":
		n = 0
	case "smaller":
		n = max(0, n-1)
	case "larger":
		n = min(iso8583.MaxMinor, n+1)
	default:
		n, _ = strconv.ParseInt(f.Amount, 10, 64) // Validate has parsed it
	}
	return n
}

// approvesInPart says whether a request of kind k may be approved for less.
func approvesInPart(k iso8583.Kind) bool {
	return k == iso8583.Sale.Kind() || k == iso8583.PreAuth.Kind()
}

// approve is how much of what was asked for a Partial lets the ledger approve.
func (f *Fault) approve(asked int64) int64 { return max(1, min(asked, f.otherMinor(asked))) }

// overstate makes the answer of a Partial say more than was asked for, where
// it is to: the ledger approved the whole, which the answer still shows.
func (f *Fault) overstate(m *iso8583.Message) {
	asked, err := iso8583.ParseDE4(m.Get(4))
	if n := f.otherMinor(asked); err == nil && m.Get(39) == CodeApproved && n > asked {
		m.Set(4, iso8583.Amount{Minor: n}.DE4())
		m.Set(39, CodePartial)
	}
}

// wrongMTI is the setting, or else an answer to another class of request.
func (f *Fault) wrongMTI(m iso8583.MTI) iso8583.MTI {
	switch {
	case f.MTI != "":
		return f.MTI
	case m.Class() == '2':
		return "0410"
	default:
		return "0210"
	}
}

// nextSTAN is the STAN after s, within six digits.
func nextSTAN(s string) string {
	stan, err := iso8583.ParseSTAN(s)
	if err != nil || stan >= iso8583.LastSTAN {
		return iso8583.FirstSTAN.String()
	}
	return (stan + 1).String()
}

// otherID changes the last character of an identifier and keeps its padding.
func otherID(s string) string {
	id := strings.TrimRight(s, " ")
	if id == "" {
		return s
	}
	other := "0"
	if strings.HasSuffix(id, other) {
		other = "1"
	}
	return id[:len(id)-1] + other + s[len(id):]
}
