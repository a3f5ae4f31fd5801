package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

type encodeFlags struct {
	of, out, key string
	card         int
	track, pin   bool
	chip         bool
	set          []string
}

func encodeCommand(a *app) *cobra.Command {
	var f encodeFlags
	cmd := &cobra.Command{
		Use: "encode PROFILE MESSAGE", Short: "Build a message as the agent would, and show its bytes", Args: cobra.ExactArgs(2),
		Long: `encode composes one message of a profile out of made-up facts and a test card, and
prints it element by element. MESSAGE is one of those that "describe" lists, or
reversal_repeat. Bytes that hold card data are shown as their number; --out
writes the whole frame to a file.

A MAC is made with --mac-key, or with a published test key.`,
		Example: `  counterfoil profile encode unionpay sale --track --pin
  counterfoil profile encode unionpay reversal --of void --out reversal.bin
  counterfoil profile encode ./mine.json sale --set 4=000000009900 --set 18=5411`,
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := readProfile(args[0])
			if err != nil {
				return err
			}
			return a.encode(p, iso8583.Kind(args[1]), &f)
		},
	}
	cmd.Flags().StringVar(&f.of, "of", "sale", "what a reversal reverses, or a script's result is of")
	cmd.Flags().IntVar(&f.card, "test-card", 1, "the card: one of the published test numbers\n"+testCardsHelp())
	cmd.Flags().BoolVar(&f.track, "track", false, "with track 2, made up")
	cmd.Flags().BoolVar(&f.pin, "pin", false, "with a PIN block, made up")
	cmd.Flags().BoolVar(&f.chip, "chip", false, "with chip data, made up")
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "DE=VALUE: set a data element (binary ones in hexadecimal); DE= takes it out")
	cmd.Flags().StringVar(&f.key, "mac-key", "", "file with the plain MAC key in hexadecimal, for development")
	cmd.Flags().StringVar(&f.out, "out", "", "file to write the whole frame to; it must not be there yet")
	return cmd
}

func (a *app) encode(p *profile.Profile, kind iso8583.Kind, f *encodeFlags) error {
	facts, err := sampleFacts(p, kind, f)
	if err != nil {
		return err
	}
	m, err := p.Compose(facts)
	if err != nil {
		return err
	}
	if err := setElements(m, f.set); err != nil {
		return err
	}
	c, err := codec(p, f.key)
	if err != nil {
		return err
	}
	signed := m.MAC == iso8583.MACWanted
	body, err := c.Pack(m)
	if err != nil {
		return err
	}
	framed, err := p.Frame.Append(nil, body)
	if err != nil {
		return err
	}
	if f.out != "" {
		if err := writeNew(f.out, framed); err != nil {
			return err
		}
	}
	v, err := dissected(c, framed, body)
	if err != nil {
		return err
	}
	v.Kind, v.File = kind, f.out
	if signed && f.key == "" {
		v.Note = "the MAC is made with a published test key; --mac-key names yours"
	}
	return a.printView(v)
}

// writeNew writes a file that was not there: it may hold card data one day, so
// that only its owner reads it.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// sampleFacts is a message of a day in November.
func sampleFacts(p *profile.Profile, kind iso8583.Kind, f *encodeFlags) (iso8583.Facts, error) {
	if !slices.ContainsFunc(p.Describe().Messages, func(m profile.MessageSetting) bool {
		return m.Kind == kind || m.Kind == iso8583.KindReversal && kind == iso8583.KindReversalRepeat
	}) {
		return iso8583.Facts{}, usage("profile %s has no message %q: see \"counterfoil profile describe %s\"", p.Name, kind, p.Name)
	}
	if f.card < 1 || f.card > len(testCards) {
		return iso8583.Facts{}, usage("--test-card: want 1 to %d", len(testCards))
	}
	pan, err := iso8583.ParsePAN(testCards[f.card-1].pan)
	if err != nil {
		return iso8583.Facts{}, err
	}
	out := iso8583.Facts{
		Kind: kind, TID: "10000001", MID: "898310000000001", STAN: 123, Transmission: "1121093015",
		LocalTime: "173015", LocalDate: "1121", Amount: iso8583.Amount{Minor: 1234, Currency: 156}, Batch: "000001", Operator: "01 ",
		Settlement: &iso8583.Settlement{
			Totals: [2]iso8583.Totals{{Debit: 1234, DebitCount: 1}}, Count: 1,
			Records: []iso8583.BatchRecord{{CardType: "00", STAN: 123, PAN: pan, Minor: 1234}},
		},
	}
	typ := iso8583.Type(kind)
	script := kind == iso8583.KindScript || kind.ChipUpload()
	reversal := kind == iso8583.KindReversal || kind == iso8583.KindReversalRepeat
	about := reversal || script || kind == iso8583.KindInquiry // of another's type
	if about {
		typ = iso8583.Type(f.of)
	}
	if !typ.Valid() {
		if about {
			return out, usage("--of: %q is no transaction type", f.of)
		}
		return out, nil
	}
	out.Type = typ
	if out.Card, err = sampleCard(p, pan, f); err != nil {
		return out, err
	}
	if of := typ.Originals(); of != nil {
		out.Original = iso8583.Original{
			MTI: p.Rules.MTI[of[0].Kind()], STAN: 99, Transmission: "1120183000", Type: of[0], Batch: "000001", LocalDate: "1120",
		}
		out.RRN, out.AuthCode = "632517000099", "Z9Y8X7"
	}
	switch {
	case kind == iso8583.KindInquiry:
		out.Original = iso8583.Original{MTI: p.Rules.MTI[typ.Kind()], STAN: out.STAN - 1, Transmission: "1121092915"}
		out.RRN, out.AuthCode = "", ""
	case script:
		out.Original = iso8583.Original{STAN: 122, Batch: out.Batch, LocalDate: out.LocalDate}
		out.ChipData, out.RRN = "9F2608A1B2C3D4E5F60718"+"9F270140"+"95050000008000"+"9F36020012"+"DF31052000000000", "632517123456"
	case reversal:
		out.Original = iso8583.Original{MTI: p.Rules.MTI[typ.Kind()], STAN: out.STAN, Transmission: out.Transmission, Type: out.Original.Type, Batch: out.Batch}
		out.Transmission, out.Reason = "1121093055", p.Rules.Reversal.Reasons.Timeout
		out.RRN, out.AuthCode = "632517123456", "A1B2C3"
	}
	return out, nil
}

// sampleChip is a cryptogram and what belongs to it.
const sampleChip = "9F2608A1B2C3D4E5F60718" + "9F270180" + "9F370401020304" + "9F36020012" + "95050000008000" + "9A03261121" + "9C0100" + "5F340101"

func sampleCard(p *profile.Profile, pan iso8583.PAN, f *encodeFlags) (*iso8583.Card, error) {
	c := &iso8583.Card{PAN: pan, Expiry: testExpiry, EntryMode: "021"}
	if f.track {
		c.Track2 = iso8583.NewSecret(pan.Reveal() + "=" + testExpiry + "2010000000000")
		if n := len(c.Track2.Reveal()); n > 37 {
			c.Track2 = iso8583.NewSecret(c.Track2.Reveal()[:37])
		}
	}
	if f.pin {
		c.PINBlock = iso8583.NewSecret("0123456789ABCDEF")
	}
	if !f.chip {
		return c, nil
	}
	all, err := iso8583.ParseEMV(sampleChip)
	if err != nil {
		return nil, err
	}
	sent, err := p.ChipData(all)
	if err != nil {
		return nil, err
	}
	c.EntryMode = "051"
	c.SetEMV(sent, all)
	return c, nil
}

// setElements applies --set. Card data are never taken from a command line.
func setElements(m *iso8583.Message, all []string) error {
	for _, s := range all {
		key, v, ok := strings.Cut(s, "=")
		de, err := strconv.Atoi(key)
		if !ok || err != nil || de < 2 || de > 128 {
			return usage("--set: want DE=VALUE with a data element of 2 to 128")
		}
		if slices.Contains([]int{2, 14, 35, 36, 45, 52}, de) && v != "" {
			return usage("--set %d: card data are never taken from a command line: other users see it; use --test-card, --track, --pin", de)
		}
		if de == 64 {
			m.MAC = iso8583.MACNone
		}
		m.Set(de, v)
	}
	return nil
}
