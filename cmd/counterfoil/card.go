package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/counterfoil-pos/counterfoil/agent/client"
)

// testCards are published test numbers: no bank issues them.
var testCards = []struct{ pan, about string }{
	{"6212345678901232", "UnionPay, 16 digits"},
	{"6212345678900000003", "UnionPay, 19 digits"},
	{"4111111111111111", "Visa"},
	{"5555555555554444", "Mastercard"},
	{"3530111333300000", "JCB"},
	{"378282246310005", "American Express"},
}

func testCardsHelp() string {
	var b strings.Builder
	for i, c := range testCards {
		fmt.Fprintf(&b, "  --test-card %d   %s\n", i+1, c.about)
	}
	return b.String()
}

// testExpiry is YYMM, far away.
const testExpiry = "4912"

// maxCard bounds what is read of a card file.
const maxCard = 4 << 10

// errCard never quotes what was read.
var errCard = errors.New(`card: want one line with the card number and, after a space, the expiry as YYMM; or the API's JSON, {"pan": …}`)

// readCard gets the card from where the flags say. A card number is never
// taken from the command line: other users see that in the process list.
func (a *app) readCard(file string, test int) (client.Card, error) {
	switch {
	case file != "" && test != 0:
		return client.Card{}, usage("give --card-file or --test-card, not both")
	case test != 0:
		if test < 1 || test > len(testCards) {
			return client.Card{}, usage("--test-card: want 1 to %d", len(testCards))
		}
		return client.Card{PAN: testCards[test-1].pan, Expiry: testExpiry}, nil
	case file == "-":
		line, err := a.stdin.ReadSlice('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return client.Card{}, errCard // longer than the buffer, or unreadable
		}
		return parseCard(line)
	case file != "":
		f, err := os.Open(file)
		if err != nil {
			return client.Card{}, fmt.Errorf("card: %w", err)
		}
		defer func() { _ = f.Close() }()
		data, err := io.ReadAll(io.LimitReader(f, maxCard))
		if err != nil {
			return client.Card{}, fmt.Errorf("card: %w", err)
		}
		return parseCard(data)
	default:
		return client.Card{}, usage("no card: give --card-file FILE, --card-file - for standard input, or --test-card N")
	}
}

func parseCard(data []byte) (client.Card, error) {
	var c client.Card
	data = bytes.TrimSpace(data)
	if bytes.HasPrefix(data, []byte("{")) {
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.DisallowUnknownFields()
		if dec.Decode(&c) != nil || dec.More() || c.PAN+c.Track2 == "" && c.Handle == nil {
			return client.Card{}, errCard
		}
		return c, nil
	}
	fields := strings.Fields(string(data))
	if len(fields) < 1 || len(fields) > 2 {
		return client.Card{}, errCard
	}
	c.PAN = fields[0]
	if len(fields) == 2 {
		c.Expiry = fields[1]
	}
	return c, nil
}
