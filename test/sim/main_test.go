package sim

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain: worlds are small and do not live long; to collect them seldom saves a
// quarter of the time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}
