package txn

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// ready makes a Ready with n records that is known by its number.
func ready(number uint64, records int) Ready {
	r := Ready{Answers: []Answer{{Req: number}}}
	for range records {
		r.Records = append(r.Records, &Confirmed{Head: Head{At: int64(number)}})
	}
	return r
}

func numbers(ready []Ready) (n []uint64) {
	for _, r := range ready {
		n = append(n, r.Answers[0].Req)
	}
	return n
}

func wantReleased(t *testing.T, got []Ready, want ...uint64) {
	t.Helper()
	if !slices.Equal(numbers(got), want) {
		t.Fatalf("released %v, want %v", numbers(got), want)
	}
}

func TestFenceWaitsForItsOwnRecords(t *testing.T) {
	var f Fence
	wantReleased(t, f.Push(ready(1, 1)))
	if len(f.Batch()) != 1 {
		t.Fatal("the record is not in the batch")
	}
	wantReleased(t, f.Durable(), 1)
}

func TestFenceLetsThroughWhatWaitsForNothing(t *testing.T) {
	var f Fence
	wantReleased(t, f.Push(ready(1, 0)), 1)
	if f.Batch() != nil || f.Waiting() != 0 {
		t.Fatal("something waits")
	}
}

// A duplicate confirm must not be acknowledged ahead of the first one's sync.
func TestFenceHoldsAReadyWithoutRecordsBehindRecords(t *testing.T) {
	var f Fence
	f.Push(ready(1, 1))
	wantReleased(t, f.Push(ready(2, 0)))
	f.Batch()
	wantReleased(t, f.Push(ready(3, 0))) // while the sync is under way too
	wantReleased(t, f.Durable(), 1, 2, 3)
}

func TestFenceKeepsTheOrder(t *testing.T) {
	var f Fence
	f.Push(ready(1, 2))
	f.Push(ready(2, 0))
	if len(f.Batch()) != 2 {
		t.Fatal("the batch")
	}
	f.Push(ready(3, 1))
	f.Push(ready(4, 0))
	wantReleased(t, f.Durable(), 1, 2) // 3 is not durable, so 4 waits behind it
	if f.Waiting() != 2 {
		t.Fatalf("%d wait", f.Waiting())
	}
	if len(f.Batch()) != 1 {
		t.Fatal("the second batch")
	}
	wantReleased(t, f.Durable(), 3, 4)
}

func TestFenceSyncsOneBatchOfWholeReadys(t *testing.T) {
	var f Fence
	f.Push(ready(1, 3))
	f.Push(ready(2, 2))
	if len(f.Batch()) != 5 {
		t.Fatal("a batch holds all that waits")
	}
	f.Push(ready(3, 1))
	if f.Batch() != nil {
		t.Fatal("a second batch while the first one is being synced")
	}
	wantReleased(t, f.Durable(), 1, 2)
}

// The clauses together: released exactly once, in order, never before each
// record pushed up to it is durable, batches without gap or overlap.
func TestFenceProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f Fence
		var pushed, released uint64
		lastRecord := map[uint64]int{} // by Ready: records pushed up to and with it
		records, batched, durable := 0, 0, 0
		release := func(got []Ready) {
			for _, n := range numbers(got) {
				if n != released+1 {
					t.Fatalf("released %d after %d", n, released)
				}
				if lastRecord[n] > durable {
					t.Fatalf("released %d with %d of %d records durable", n, durable, lastRecord[n])
				}
				released = n
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				pushed++
				n := rapid.IntRange(0, 3).Draw(t, "records")
				records += n
				lastRecord[pushed] = records
				release(f.Push(ready(pushed, n)))
			},
			"batch": func(t *rapid.T) {
				got := f.Batch()
				if batched > durable && got != nil {
					t.Fatal("two batches at a time")
				}
				batched += len(got)
			},
			"durable": func(t *rapid.T) {
				if batched > durable {
					durable = batched
					release(f.Durable())
				}
			},
			"": func(t *rapid.T) {
				if f.Waiting() != int(pushed-released) {
					t.Fatalf("%d wait, %d pushed, %d released", f.Waiting(), pushed, released)
				}
				if durable == records && f.Waiting() != 0 {
					t.Fatal("all is durable, and something is held")
				}
			},
		})
	})
}
