package iso8583

// MAC is what is to be done, or what became, of a message's authentication
// code.
type MAC uint8

// On the way out a message has none or wants one; what came in was not looked
// at, or has one of three verdicts. Nothing is decided on a message that
// should have a MAC before its verdict was looked at (safety.md, "Man in the
// middle").
const (
	MACNone    MAC = iota // none is due, or nobody has looked
	MACWanted             // out: sign before sending
	MACValid              // in: it is right
	MACBad                // in: it is wrong
	MACMissing            // in: the dialect has one here, and there is none
)

// String names it.
func (m MAC) String() string {
	return [...]string{"none", "wanted", "valid", "bad", "missing"}[min(m, MACMissing)]
}

// Doubtful says that the message may be anybody's.
func (m MAC) Doubtful() bool { return m == MACBad || m == MACMissing }
