package iso8583

import "time"

// Schedule is the wait before each send of one message after the first; its last
// entry repeats for ever.
type Schedule []Duration

// Wait is the pause before send n. There is none before the first.
func (s Schedule) Wait(n int) time.Duration {
	i := min(n-2, len(s)-1)
	if i < 0 {
		return 0
	}
	return time.Duration(s[i])
}
