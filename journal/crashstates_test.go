package journal

import (
	"hash/maphash"
	"math/rand/v2"
)

// This file decides which of the states that a cut leaves open are tried: all
// of them where they are few, else those that have found faults elsewhere, and
// a seeded sample of the others.

// odometer goes through every combination of choices, also where an earlier
// choice decides over how many later ones there are.
type odometer struct {
	choice, bound []int
	at            int
}

func (o *odometer) pick(versions []int) int {
	if o.at == len(o.choice) {
		o.choice, o.bound = append(o.choice, 0), append(o.bound, len(versions))
	}
	o.at++
	return o.choice[o.at-1]
}

// next goes on to the next combination; false at the end.
func (o *odometer) next() bool {
	o.at = 0
	for i := len(o.choice) - 1; i >= 0; i-- {
		if o.choice[i]++; o.choice[i] < o.bound[i] {
			o.choice, o.bound = o.choice[:i+1], o.bound[:i+1]
			return true
		}
	}
	return false
}

// until is the state in which everything before an operation arrived, and
// nothing from it on.
type until int

func (u until) pick(versions []int) int {
	k := 0
	for i, v := range versions {
		if v < int(u) {
			k = i
		}
	}
	return k
}

// except is the newest or the oldest of everything, but for one decision.
type except struct {
	nth    int
	newest bool
	at     int
}

func (e *except) pick(versions []int) int {
	e.at++
	if (e.at-1 == e.nth) != e.newest {
		return len(versions) - 1
	}
	return 0
}

// chance chooses at random, with a share of the newest that it draws once.
type chance struct {
	rng    *rand.Rand
	newest float64
}

func newChance(rng *rand.Rand) *chance { return &chance{rng, rng.Float64()} }

func (c *chance) pick(versions []int) int {
	if c.rng.Float64() < c.newest {
		return len(versions) - 1
	}
	return c.rng.IntN(len(versions))
}

// sampling says how many states of a cut are tried.
type sampling struct {
	all    int // every one, where there are no more than this
	edges  int // else: at most so many prefixes, and so many with one exception, from either end
	random int // and so many at random
	wild   int // beyond what FS promises: so many with garbage in sectors that were being written
}

// states calls try with every state chosen for the cut at which d stands. No
// state is tried twice. What is beyond the promise is called wild.
func (d *disk) states(s sampling, rng *rand.Rand, try func(img image, wild bool)) {
	seen := map[uint64]bool{}
	once := func(img image, wild bool) {
		if h := img.hash(); !seen[h] {
			seen[h] = true
			try(img, wild)
		}
	}
	decisions, states := d.open(s.all + 1)
	if states <= s.all {
		for o := (&odometer{}); ; {
			once(d.build(o, nil), false)
			if !o.next() {
				break
			}
		}
	} else {
		d.sampled(s, decisions, rng, func(img image) { once(img, false) })
	}
	if decisions == 0 {
		return
	}
	for range s.wild {
		share := rng.Float64() / 2
		zero := rng.IntN(2) == 0
		once(d.build(newChance(rng), func(_ int, sector []byte) {
			if rng.Float64() >= share {
				return
			}
			clear(sector)
			for i := range sector {
				if !zero {
					sector[i] = byte(rng.Uint32())
				}
			}
		}), true)
	}
}

func (d *disk) sampled(s sampling, decisions int, rng *rand.Rand, try func(image)) {
	try(d.build(until(0), nil))
	var made []int // operations that left something open
	d.build(collect{&made}, nil)
	for _, i := range spread(len(made), s.edges) {
		try(d.build(until(made[i]+1), nil))
	}
	for _, i := range spread(decisions, s.edges) {
		try(d.build(&except{nth: i, newest: true}, nil))
		try(d.build(&except{nth: i}, nil))
	}
	for range s.random {
		try(d.build(newChance(rng), nil))
	}
}

// collect notes which operations left something open.
type collect struct{ made *[]int }

func (c collect) pick(versions []int) int {
	for _, v := range versions[1:] {
		if n := len(*c.made); n == 0 || (*c.made)[n-1] != v {
			*c.made = append(*c.made, v)
		}
	}
	return len(versions) - 1
}

// spread is at most limit of the numbers below n, the first and the last among
// them.
func spread(n, limit int) []int {
	var out []int
	if n <= limit {
		for i := range n {
			out = append(out, i)
		}
		return out
	}
	for i := range limit {
		out = append(out, i*(n-1)/max(limit-1, 1))
	}
	return out
}

var hashSeed = maphash.MakeSeed()

func (img image) hash() uint64 {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	for _, name := range img.files() {
		h.WriteString(name)
		h.Write(img[name].data)
	}
	return h.Sum64()
}
