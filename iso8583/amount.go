package iso8583

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxMinor is the largest amount that DE 4 (n12) can hold.
const MaxMinor int64 = 999_999_999_999

// Amount is money in minor units of its currency: 1234 CNY is 12.34 yuan.
type Amount struct {
	Minor    int64    `json:"amount"`
	Currency Currency `json:"currency"`
}

// DE4 is the twelve digits of DE 4.
func (a Amount) DE4() string { return fmt.Sprintf("%012d", a.Minor) }

// DE95 is DE 95 (an42) of a reversal after which a remains: actual amount 12,
// settlement amount 12, two fees of 9 (terminal-rules B2).
func (a Amount) DE95() string { return a.DE4() + strings.Repeat("0", 30) }

// ParseDE4 reads twelve digits; a sign or a space is an error.
func ParseDE4(s string) (int64, error) {
	if len(s) != 12 || !isDigits(s) {
		return 0, fmt.Errorf("amount (DE 4): want 12 digits, got %d characters", len(s))
	}
	return strconv.ParseInt(s, 10, 64)
}

// String prints major units with the currency's exponent: "12.34 CNY".
func (a Amount) String() string {
	sign, n := "", a.Minor
	if n < 0 {
		sign, n = "-", -n
	}
	exp := a.Currency.Exponent()
	s := strconv.FormatInt(n, 10)
	if exp > 0 {
		if len(s) <= exp {
			s = strings.Repeat("0", exp-len(s)+1) + s
		}
		s = s[:len(s)-exp] + "." + s[len(s)-exp:]
	}
	return sign + s + " " + a.Currency.Alpha()
}
