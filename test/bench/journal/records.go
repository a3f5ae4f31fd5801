package main

import "math/rand/v2"

// The records: 400 to 800 bytes that do not compress, the same in every run
// and for every engine.
const (
	minRecord = 400
	maxRecord = 800
)

// records is a ring of prepared records, so that making them costs no time.
type records [][]byte

func newRecords() records {
	r := rand.New(rand.NewPCG(1, 2))
	ring := make(records, 4096)
	for i := range ring {
		rec := make([]byte, minRecord+r.IntN(maxRecord-minRecord+1))
		for j := range rec {
			rec[j] = byte('!' + r.IntN(90))
		}
		ring[i] = rec
	}
	return ring
}

func (r records) at(i int) []byte { return r[i%len(r)] }
