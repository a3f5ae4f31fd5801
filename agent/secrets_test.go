package agent_test

import (
	"strings"
	"testing"
)

// secrets is what must never be seen outside the wire and the sealed part:
// card numbers, track data, PIN block.
var secrets = []string{testPAN, testTrack, "6228480000000000000", testPINBlock, "4111 1111 1111 1111"}

const testPINBlock = "1B9C1845EB993A7A"

func noCardData(t testing.TB, where, text string) {
	t.Helper()
	for _, s := range secrets {
		if strings.Contains(strings.ToUpper(text), s) {
			t.Errorf("%s holds card data", where)
		}
	}
}
