package iso8583

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Message is an ISO 8583 message taken apart: an MTI and data elements by
// number. Numeric and text elements are kept as they are written in ASCII;
// binary elements (52, 55, 64 …) as upper-case hexadecimal. Printing one, with
// whatever verb, masks card data.
type Message struct {
	MTI    MTI
	MAC    MAC // no part of what Equal compares
	fields map[int]string
}

// NewMessage starts an empty message.
func NewMessage(mti MTI) *Message { return &Message{MTI: mti, fields: map[int]string{}} }

// Set puts data element de; an empty value removes it.
func (m *Message) Set(de int, value string) {
	if value == "" {
		delete(m.fields, de)
		return
	}
	m.fields[de] = value
}

// Get is the value of data element de, or "" where it is absent.
func (m *Message) Get(de int) string { return m.fields[de] }

// Has says whether data element de is present.
func (m *Message) Has(de int) bool { _, ok := m.fields[de]; return ok }

// Fields lists the data elements present, ascending.
func (m *Message) Fields() []int {
	des := make([]int, 0, len(m.fields))
	for de := range m.fields {
		des = append(des, de)
	}
	slices.Sort(des)
	return des
}

// Clone copies m.
func (m *Message) Clone() *Message {
	c := NewMessage(m.MTI)
	c.MAC = m.MAC
	for de, v := range m.fields {
		c.fields[de] = v
	}
	return c
}

// Equal compares MTI and all elements.
func (m *Message) Equal(o *Message) bool {
	if m.MTI != o.MTI || len(m.fields) != len(o.fields) {
		return false
	}
	for de, v := range m.fields {
		if ov, ok := o.fields[de]; !ok || ov != v {
			return false
		}
	}
	return true
}

// Masked is the printable value of one element: PAN masked, sensitive
// authentication data reduced to its length.
func (m *Message) Masked(de int) string { return MaskElement(de, m.fields[de]) }

// MaskElement masks the value of data element de for people.
func MaskElement(de int, v string) string {
	switch de {
	case 2:
		return MaskDigits(v)
	case 14, 34, 35, 36, 45, 48, 52, 53, 55, 62, 63, 64, 96, 128:
		return "[" + strconv.Itoa(len(v)) + " characters]"
	default:
		return v
	}
}

// String prints the message on one line, masked: "0200 2=622848******1234 4=…".
func (m *Message) String() string {
	var b strings.Builder
	b.WriteString(string(m.MTI))
	for _, de := range m.Fields() {
		fmt.Fprintf(&b, " %d=%s", de, m.Masked(de))
	}
	if m.MAC.Doubtful() {
		fmt.Fprintf(&b, " (MAC %s)", m.MAC)
	}
	return b.String()
}

// Format masks under every verb.
func (m *Message) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, m.String()) }

// MarshalText is String, so JSON and loggers mask too.
func (m *Message) MarshalText() ([]byte, error) { return []byte(m.String()), nil }
