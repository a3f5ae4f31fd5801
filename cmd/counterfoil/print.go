package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// How times are printed.
const (
	dateTime  = "2006-01-02 15:04:05"
	clockTime = "15:04:05.000"
)

func (a *app) time(t time.Time) string { return t.In(a.zone).Format(dateTime) }

func (a *app) printf(format string, args ...any) { _, _ = fmt.Fprintf(a.stdout, format, args...) }

// note tells how it goes, beside the result.
func (a *app) note(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stderr, format+"\n", args...)
}

// printJSON prints one indented document.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// table prints rows under a head, in columns.
func (a *app) table(fill func(w io.Writer)) error {
	t := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fill(t)
	if err := t.Flush(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// text picks the language.
func (a *app) text(t client.Text) string {
	if a.chinese() && t.ZH != "" {
		return t.ZH
	}
	return t.EN
}

// amount is money in major units, as people read it.
func amount(t *client.Transaction) string {
	c, err := iso8583.ParseCurrency(t.Currency)
	if err != nil {
		return fmt.Sprintf("%d %s (minor units)", t.Amount, t.Currency)
	}
	return iso8583.Amount{Minor: t.Amount, Currency: c}.String()
}

// parseAmount reads major units: "12.34" CNY is 1234. It takes all the
// currency's decimals or none, so that a slip cannot become another amount.
func parseAmount(text string, c iso8583.Currency) (int64, error) {
	want := fmt.Errorf("--amount: want major units with %d decimals or none, such as %s", c.Exponent(), iso8583.Amount{Minor: 1234, Currency: c})
	var minor int64
	digits, decimals := 0, -1
	for _, r := range text {
		switch {
		case r == '.' && decimals < 0 && digits > 0 && c.Exponent() > 0:
			decimals = 0
			continue
		case r < '0' || r > '9':
			return 0, want
		}
		if minor = minor*10 + int64(r-'0'); minor > iso8583.MaxMinor {
			return 0, fmt.Errorf("--amount: at most %s", iso8583.Amount{Minor: iso8583.MaxMinor, Currency: c})
		}
		digits++
		if decimals >= 0 {
			decimals++
		}
	}
	if digits == 0 || decimals >= 0 && decimals != c.Exponent() {
		return 0, want
	}
	if decimals < 0 {
		for range c.Exponent() {
			minor *= 10
		}
	}
	if minor == 0 || minor > iso8583.MaxMinor {
		return 0, fmt.Errorf("--amount: want more than zero and at most %s", iso8583.Amount{Minor: iso8583.MaxMinor, Currency: c})
	}
	return minor, nil
}
