package iso8583

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// Chip says how the chip of a card was read; "" is without one.
type Chip string

// The ways there are.
const (
	ChipContact     Chip = "contact"     // a second GENERATE AC follows the host's answer
	ChipContactless Chip = "contactless" // the card has left before the host answers
)

// ChipOf reads DE 22 (ISO 8583:1987, the first two of its digits: how the card
// number came in). 05 and 95 are a chip that was inserted, 07 and 91 one that
// was tapped.
func ChipOf(entryMode string) Chip {
	if len(entryMode) != 3 {
		return ""
	}
	switch entryMode[:2] {
	case "05", "95":
		return ChipContact
	case "07", "91":
		return ChipContactless
	}
	return ""
}

// The tags that this program speaks of (EMV Book 3, annex A; kernels C-2, C-3,
// C-7; DF31 is UnionPay's).
const (
	TagARC      = "8A"   // authorisation response code
	TagIssuer   = "91"   // issuer authentication data
	TagScript1  = "71"   // issuer script, before the second GENERATE AC
	TagScript2  = "72"   // issuer script, after it
	TagTVR      = "95"   // terminal verification results
	TagTSI      = "9B"   // transaction status information
	TagIAD      = "9F10" // issuer application data
	TagAC       = "9F26" // application cryptogram: of a TC, the proof of what was agreed
	TagCID      = "9F27" // cryptogram information data
	TagCVM      = "9F34" // CVM results
	TagATC      = "9F36" // application transaction counter
	TagSequence = "5F34" // PAN sequence number
	TagScripts  = "DF31" // issuer script results, UnionPay's tag
	TagScriptsV = "9F5B" // the same, Visa's
)

// kept is every tag of an application's chip data that may be stored, with the
// fewest and the most bytes of its value (EMV Book 3, annex A). What is not
// here is never stored: not in the journal, a log or an answer.
//
// The rule is a list of what may be kept and not of what may not, so that a tag
// nobody has thought of is not stored either. The second list, sensitive, is
// what PCI DSS 3.3.1 and 3.5.1 speak of; no profile may ask to keep one.
var kept = []struct {
	tag      string
	min, max int
}{
	{"4F", 5, 16}, {"84", 5, 16}, {"9F06", 5, 16}, // AID
	{TagTVR, 5, 5}, {TagTSI, 2, 2}, {TagIAD, 0, 32}, {"9F1E", 8, 8}, {TagAC, 8, 8}, {TagCID, 1, 1},
	{TagCVM, 3, 3}, {TagATC, 2, 2}, {"9F37", 4, 4}, {"9F41", 2, 4},
	{TagScripts, 0, 50}, {TagScriptsV, 0, 50},
}

// sensitive is track data and its equivalents, card number, names, PIN, card
// verification values (EMV Book 3, annex A: 57, 5A, 5F20, 9F0B, 9F1F, 9F20, 99;
// kernel C-2: 56, 9F6B, 9F60, 9F61, DF812A, DF812B; kernel C-3: 9F7C may carry
// what the issuer likes). Expiry, 5F24, is card data.
var sensitive = []string{
	"56", "57", "5A", "5F20", "5F24", "99", "9F0B", "9F1F", "9F20", "9F60", "9F61", "9F6B", "9F7C", "DF812A", "DF812B",
}

// KeptTags lists what may be stored of an application's chip data.
func KeptTags() (tags []string) {
	for _, k := range kept {
		tags = append(tags, k.tag)
	}
	return tags
}

// SensitiveTags lists what must not be stored (PCI DSS 3.3.1, 3.5.1).
func SensitiveTags() []string { return slices.Clone(sensitive) }

// ErrEMV says what is wrong with chip data. It never quotes a value.
var ErrEMV = errors.New("chip data")

// ParseEMV reads chip data of a payment application. No tag may be there twice:
// of two amounts one was not meant.
func ParseEMV(s string) ([]TLV, error) {
	all, err := ParseTLVHex(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEMV, err)
	}
	seen := map[string]bool{}
	for _, t := range all {
		if seen[t.Tag] {
			return nil, fmt.Errorf("%w: tag %s is there twice", ErrEMV, t.Tag)
		}
		seen[t.Tag] = true
	}
	for _, k := range kept {
		if t, ok := FindTLV(all, k.tag); ok && (len(t.Value) < k.min || len(t.Value) > k.max) {
			return nil, fmt.Errorf("%w: tag %s: want %s", ErrEMV, k.tag, bytesOf(k.min, k.max))
		}
	}
	return all, nil
}

func bytesOf(from, to int) string {
	if from == to {
		return fmt.Sprintf("%d bytes", to)
	}
	return fmt.Sprintf("%d to %d bytes", from, to)
}

// Keep gives what may be stored of chip data, as hexadecimal.
func Keep(all []TLV) string { return SelectTLV(all, KeptTags()) }

// maxIssuer bounds the issuer's data for the card, in bytes: DE 55 of an answer.
const maxIssuer = 600

// IssuerData takes out of DE 55 of an answer what the card needs: 8A, 91 and
// the scripts, 71 and 72, in which nothing but a script's number and commands
// may stand (EMV Book 3, annex E). Everything else is left behind. An error
// says that the element is no chip data.
func IssuerData(de55 string) (string, error) {
	if de55 == "" {
		return "", nil
	}
	all, err := ParseTLVHex(de55)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrEMV, err)
	}
	for _, t := range all {
		switch t.Tag {
		case TagARC:
			if len(t.Value) != 2 {
				return "", fmt.Errorf("%w: tag 8A: want 2 bytes", ErrEMV)
			}
		case TagIssuer:
			if len(t.Value) < 4 || len(t.Value) > 16 {
				return "", fmt.Errorf("%w: tag 91: want 4 to 16 bytes", ErrEMV)
			}
		case TagScript1, TagScript2:
			inner, _ := parseTLV(t.Value, 1) // ParseTLVHex has
			for _, i := range inner {
				if i.Tag != "9F18" && i.Tag != "86" {
					return "", fmt.Errorf("%w: tag %s: holds something else than a script", ErrEMV, t.Tag)
				}
			}
		}
	}
	out := SelectTLV(all, []string{TagARC, TagIssuer, TagScript1, TagScript2})
	if len(out) > 2*maxIssuer {
		return "", fmt.Errorf("%w: more than %d bytes for the card", ErrEMV, maxIssuer)
	}
	return out, nil
}

// IsTC says whether a cryptogram information data (9F27, two hexadecimal
// digits) is of a transaction certificate: the card agrees. AAC and ARQC do not
// (EMV Book 3, table 14).
func IsTC(cid string) bool {
	b, err := hex.DecodeString(cid)
	return err == nil && len(b) == 1 && b[0]&0xC0 == 0x40
}

// HoldsNumber says whether chip data in hexadecimal hold the digits of a card
// number, as BCD or as text, at whatever offset. is is asked about each run of
// 12 to 19 digits, in order, until it says yes.
func HoldsNumber(data string, is func(digits string) bool) bool {
	if runs(data, is) {
		return true
	}
	b, err := hex.DecodeString(data)
	return err == nil && runs(string(b), is)
}

// runs offers every run of 12 to 19 digits in s.
func runs(s string, is func(string) bool) bool {
	for from := range len(s) {
		n := 0
		for n < 19 && from+n < len(s) && s[from+n] >= '0' && s[from+n] <= '9' {
			n++
		}
		for ; n >= 12; n-- {
			if run := s[from : from+n]; Luhn(run) && is(run) {
				return true
			}
		}
	}
	return false
}

// panSequence is DE 23 of chip data: 5F34 as three digits, or "".
func panSequence(all []TLV) string {
	t, ok := FindTLV(all, TagSequence)
	if !ok || len(t.Value) != 1 {
		return ""
	}
	s := "0" + hex.EncodeToString(t.Value)
	if !isDigits(s) {
		return ""
	}
	return s
}
