package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// plainClient is what many a payment application does: dial, send a 0200, wait
// for the 0210, show what it says, and otherwise show that it failed. It keeps
// no journal and reverses nothing, so that a debit whose answer it did not see
// is a debit that nobody knows of. It is not a straw man in anything else: it
// matches the answer's terminal and STAN, bounds each wait, and never uses a
// STAN twice.
type plainClient struct {
	task
	host    string
	timeout time.Duration
	profile *profile.Profile
	book    notebook
	out     io.Writer
	stan    iso8583.STAN
	pan     string // of the customer's card

	sent, original iso8583.Original // the latest request; what a refund gives back
}

// errNotAnAnswer says that the host sent something else.
var errNotAnAnswer = errors.New("what the host sent is no answer to this sale")

// sellPlainly is the child `internal plain`.
func sellPlainly(ctx context.Context, t task, host string, timeout time.Duration, in io.Reader, out io.Writer) error {
	ctx, cancel := whileStdin(ctx, in)
	defer cancel()
	p, err := profile.Load(dialect)
	if err != nil {
		return err
	}
	c := &plainClient{
		task: t, host: host, timeout: timeout, profile: p, out: out,
		book: notebook{path: t.notes, terminal: t.terminal, sale: t.ref}, pan: testPAN,
	}
	if t.again {
		c.stan = restartedSTAN
	}
	if t.turn > 0 {
		return c.turnAway(ctx)
	}
	for range t.attempts() {
		s, err := c.attempt(ctx)
		if err == nil && s == Approved && c.back {
			return c.giveBack(ctx)
		}
		if err != nil || s == Approved {
			return err
		}
	}
	return nil
}

// restartedSTAN is the STAN that the process before it used last: it was kept,
// as good clients do, though nothing else was.
const restartedSTAN = 1

// turnAway: the customer does not wait for the first card's answer. The client
// hangs up, which tells the host nothing, and sells with the other card.
func (c *plainClient) turnAway(ctx context.Context) error {
	patience, cancel := context.WithTimeout(ctx, c.turn)
	_, err := c.exchange(patience)
	cancel()
	if err == nil {
		return errTooFast
	}
	c.pan = otherPAN
	_, err = c.attempt(ctx)
	return err
}

// errTooFast says that the customer had no time to turn away.
var errTooFast = errors.New("the host answered before the customer turned to another card")

// attempt is one sale, to the screen.
func (c *plainClient) attempt(ctx context.Context) (Screen, error) {
	code, err := c.exchange(ctx)
	screen, text := NotApproved, "DECLINED "+code
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		text = "FAILED: no answer"
	case err != nil:
		text = "FAILED: connection error"
	case code == "00" && c.chip: // the card has the last word, and nobody tells the host
		text = "DECLINED BY CARD"
	case code == "00":
		screen, text = Approved, "APPROVED"
		if c.hold {
			if err := say(c.out, word{Approved: true}); err != nil {
				return "", err
			}
			<-ctx.Done()
			return "", context.Cause(ctx)
		}
	}
	n, err := c.book.write(screen, text)
	if err != nil {
		return "", err
	}
	return screen, say(c.out, word{Note: &n})
}

// exchange sends one request and gives the response code.
func (c *plainClient) exchange(ctx context.Context) (string, error) {
	until := time.Now().Add(c.timeout)
	d := net.Dialer{Deadline: until}
	raw, err := d.DialContext(ctx, "tcp", c.host)
	if err != nil {
		return "", fmt.Errorf("dialling: %w", err)
	}
	defer func() { _ = raw.Close() }()
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	conn := frame.NewConn(raw, c.profile.Frame)
	body, err := c.request()
	if err != nil {
		return "", err
	}
	if _, err := conn.Write(until, body); err != nil {
		return "", err
	}
	if body, err = conn.Read(until); err != nil {
		return "", err
	}
	m, err := c.profile.Unpack(body)
	if err != nil {
		return "", err
	}
	if m.MTI != "0210" || m.Get(11) != c.stan.String() || m.Get(41) != string(c.terminal) {
		return "", errNotAnAnswer
	}
	return m.Get(39), nil
}

// request builds the 0200, each with a STAN of its own.
func (c *plainClient) request() ([]byte, error) {
	card, err := c.wireCard(c.pan)
	if err != nil {
		return nil, err
	}
	c.stan++
	now, typ := time.Now(), iso8583.Sale
	if c.original != (iso8583.Original{}) {
		typ = iso8583.Refund
	}
	c.sent = iso8583.Original{MTI: "0200", STAN: c.stan, Transmission: now.UTC().Format("0102150405"), Type: typ}
	m, err := c.profile.Compose(iso8583.Facts{
		Kind: typ.Kind(), Type: typ, Original: c.original, TID: c.terminal, MID: merchant, STAN: c.stan,
		Amount:       iso8583.Amount{Minor: c.minor, Currency: currency},
		Transmission: now.UTC().Format("0102150405"),
		LocalTime:    now.UTC().Format("150405"), LocalDate: now.UTC().Format("0102"),
		Card: card,
	})
	if err != nil {
		return nil, err
	}
	return c.profile.Pack(m)
}
