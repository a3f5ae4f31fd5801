package powerfail

import (
	"math/rand/v2"
	"testing"

	"github.com/counterfoil-pos/counterfoil/journal"
)

// A real process on a file system that forgets what was not synced. After each
// cut the next process finds exactly what was acknowledged, or that plus one
// whole batch, in every byte.
func TestPowerCuts(t *testing.T) {
	m := mount(t)
	cuts := 150
	if testing.Short() {
		cuts = 30
	}
	s := stats{seed: 1}
	s.campaign(t, m, cuts)
	t.Logf("%d cuts: %d during recovery or creation, %d after an acknowledgement; %d left a whole batch that was not acknowledged; %d entries acknowledged, %d operations, %d of them syncs",
		s.cuts, s.early, s.heard, s.more, s.acked, s.ops, s.syncs)
	if s.heard < cuts/4 || s.early == 0 || s.more == 0 {
		t.Error("the cuts did not come where they prove something")
	}
}

func mount(t *testing.T) *Mount {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip(err)
	}
	m, err := NewMount(t.TempDir())
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error("unmount:", err)
		}
	})
	return m
}

type stats struct {
	seed                            uint64
	cuts, early, heard, more, acked int
	ops, syncs                      int
}

// campaign cuts the power again and again. A journal goes on through several
// cuts; then there is a new one, so that its creation is cut too.
func (s *stats) campaign(t *testing.T, m *Mount, cuts int) {
	rng := rand.New(rand.NewPCG(s.seed, 0))
	d, acked := NewDisk(), journal.LSN(0)
	for range cuts {
		if rng.IntN(25) == 0 {
			d, acked = NewDisk(), 0
		}
		reach := 60
		if rng.IntN(3) == 0 {
			reach = 12 // in the middle of recovery or creation
		}
		d.CutAt(1 + rng.IntN(reach))
		acked = s.round(t, m, d, acked)
		if t.Failed() {
			return
		}
		d = d.Survivor(rng, []float64{0, 0, 0.2, 0.5, 0.8, 1}[rng.IntN(6)])
	}
}

// round is one process's life.
func (s *stats) round(t *testing.T, m *Mount, d *Disk, acked journal.LSN) journal.LSN {
	t.Helper()
	got := run(t, d, m.Attach(d))
	select {
	case <-d.Gone():
	default:
		t.Errorf("cut %d, acknowledged %d: the process ended with the power on: %s", s.cuts, acked, got.goodbye)
		return acked
	}
	s.cuts++
	all, syncs := d.Ops()
	s.ops, s.syncs = s.ops+all, s.syncs+syncs
	if !got.found {
		s.early++
		return acked
	}
	switch {
	case got.has == acked:
	case got.has == batchEnd(acked+1):
		s.more++
	default:
		t.Errorf("cut %d: acknowledged up to %d, found up to %d: want that, or %d", s.cuts, acked, got.has, batchEnd(acked+1))
	}
	if got.acked > got.has {
		s.heard++
		s.acked += int(got.acked - got.has)
	}
	return got.acked
}
