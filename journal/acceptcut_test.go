package journal

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// The power fails while a person's decision is being carried out. Repeated, or
// the journal just opened where it was done, nothing of what verified is lost,
// and no cut ends a quarantine without the decision.
func TestPowerCutDuringAcceptLoss(t *testing.T) {
	opts := Options{SegmentBytes: 16 << 10, MaxBytes: 1 << 20}
	v := newVictim(t, opts, stuckPlan(), 12)
	opts.Key = testKey
	rng := rand.New(rand.NewPCG(crashSeed, 7))
	how := sampling{all: 8, edges: 2, random: 2}
	if testing.Short() {
		how = sampling{all: 2, edges: 1, random: 1}
	}
	states := 0
	for name, img := range map[string]image{
		"in history": v.with(segName(2), func(b []byte) []byte { b[blockSize+70] ^= 1; return b }),
		"at the end": v.with(segName(v.seq), func(b []byte) []byte { b[v.last+blockSize+70] ^= 1; return b }),
		"missing":    v.with(segName(2), func([]byte) []byte { return nil }),
	} {
		disk := mount(img)
		decide := func(l *Log) error {
			_, err := l.Append([]Entry{entry("epoch", "new", "")})
			return err
		}
		o := opts
		o.FS = disk
		loss, err := AcceptLoss("disk", o, decide)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		d := disk.replay()
		for k := range disk.ops {
			d.states(how, rng, func(state image, _ bool) {
				states++
				o.FS = mount(state)
				again, err := AcceptLoss("disk", o, decide)
				if again == nil && !errors.Is(err, ErrDamaged) { // it was done
					err = nil
				}
				if err != nil {
					t.Fatalf("%s, cut before %s: %v\n%s", name, &disk.ops[k], err, describe(state))
				}
				l, err := Open("disk", o)
				if err != nil {
					t.Fatalf("%s, cut before %s: %v\n%s", name, &disk.ops[k], err, describe(state))
				}
				defer l.Close()
				_, recs := recovered(t, l)
				if l.Info().Quarantine || l.Last() < loss.Last-1 || !slices.ContainsFunc(recs, func(r Record) bool { return r.Group == "epoch" }) {
					t.Fatalf("%s, cut before %s: quarantine %v, last %d of %d", name, &disk.ops[k], l.Info().Quarantine, l.Last(), loss.Last)
				}
			})
			d.step(&disk.ops[k])
		}
	}
	t.Logf("%d states", states)
}
