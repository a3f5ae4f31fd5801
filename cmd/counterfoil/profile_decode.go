package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

func decodeCommand(a *app) *cobra.Command {
	var bare bool
	var key string
	cmd := &cobra.Command{
		Use: "decode PROFILE [FILE]", Short: "Take a message apart, as the agent would", Args: cobra.RangeArgs(1, 2),
		Long: `decode reads one frame, in hexadecimal or as it is, out of a file or from standard
input, and prints it element by element, card data masked. A frame that is no
message of the dialect is printed up to where it goes wrong; the exit code is 1
then.

Whether a MAC is right is said only with --mac-key.`,
		Example: `  counterfoil profile decode unionpay answer.hex
  xxd -p answer.bin | counterfoil profile decode iso87-ascii`,
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := readProfile(args[0])
			if err != nil {
				return err
			}
			file := "-"
			if len(args) == 2 {
				file = args[1]
			}
			return a.decode(p, file, bare, key)
		},
	}
	cmd.Flags().BoolVar(&bare, "bare", false, "the message begins with its MTI: no length, TPDU or header before it")
	cmd.Flags().StringVar(&key, "mac-key", "", "file with the plain MAC key in hexadecimal, for development")
	return cmd
}

func (a *app) decode(p *profile.Profile, file string, bare bool, key string) error {
	data, err := a.readMessage(file)
	if err != nil {
		return err
	}
	frame, body := hexOrRaw(data), []byte(nil)
	if bare {
		frame, body = nil, frame
	} else {
		var n int
		if body, n, err = p.Frame.Cut(frame); err != nil {
			return fmt.Errorf("%w; a message without length and header wants --bare", err)
		}
		if n < len(frame) {
			return fmt.Errorf("%d bytes after the frame: decode takes one frame at a time", len(frame)-n)
		}
	}
	c := p.With(nil)
	if key != "" {
		if c, err = codec(p, key); err != nil {
			return err
		}
	}
	v, err := dissected(c, frame, body)
	if perr := a.printView(v); perr != nil {
		return perr
	}
	return err
}

func (a *app) readMessage(file string) ([]byte, error) {
	if file != "-" {
		return readBounded(file, maxMessage)
	}
	data, err := io.ReadAll(io.LimitReader(a.stdin, maxMessage+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("standard input: %w", err)
	case len(data) > maxMessage:
		return nil, fmt.Errorf("standard input: more than %d bytes", maxMessage)
	case strings.TrimSpace(string(data)) == "":
		return nil, errors.New("standard input: empty; give a file, or a frame in hexadecimal")
	}
	return data, nil
}
