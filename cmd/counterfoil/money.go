package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// money is an amount in major units, as people read it.
func money(minor int64, currency string) string {
	c, err := iso8583.ParseCurrency(currency)
	if err != nil {
		return fmt.Sprintf("%d %s (minor units)", minor, currency)
	}
	return iso8583.Amount{Minor: minor, Currency: c}.String()
}

// amount is what a transaction moves; "" where its type moves nothing.
func amount(t *client.Transaction) string {
	if t.Approved != 0 {
		return money(t.Approved, t.Currency) + " of " + money(t.Amount, t.Currency)
	}
	return ifSet(t.Type.MovesMoney(), money(t.Amount, t.Currency))
}

// amountIn reads an amount in major units of a currency.
func amountIn(text, currency string) (int64, error) {
	c, err := iso8583.ParseCurrency(currency)
	if err != nil {
		return 0, err
	}
	minor, err := parseAmount(text, c)
	if err != nil {
		return 0, &exitError{exitUsage, err}
	}
	return minor, nil
}

// left says what others left of an amount; "" where all of it is, or where
// nothing can follow.
func left(t iso8583.Type, minor, of int64, currency string) string {
	switch {
	case minor == of, !followable(t):
		return ""
	case minor == 0:
		return "nothing left"
	default:
		return money(minor, currency) + " left"
	}
}

// followable says whether some type follows t.
func followable(t iso8583.Type) bool {
	return slices.ContainsFunc(iso8583.Types(), func(by iso8583.Type) bool { return slices.Contains(by.Originals(), t) })
}

// balanceKinds are the amount types of DE 54 that are shown by name.
var balanceKinds = map[string]string{"01": "ledger", "02": "available"}

// balanceOf reads DE 54: amounts of 20 characters, which are account type,
// amount type, currency, C or D, and twelve digits. What has another form is
// given as it came.
func balanceOf(de54 string) string {
	var out []string
	for rest := de54; rest != ""; rest = rest[20:] {
		if len(rest) < 20 {
			return de54
		}
		minor, err := strconv.ParseUint(rest[8:20], 10, 63)
		sign, known := map[byte]string{'C': "", 'D': "-"}[rest[7]]
		if err != nil || !known {
			return de54
		}
		kind := balanceKinds[rest[2:4]]
		if kind == "" {
			kind = "type " + rest[2:4]
		}
		out = append(out, kind+" "+sign+money(int64(minor), rest[4:7]))
	}
	return strings.Join(out, ", ")
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
