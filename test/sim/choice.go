package sim

// Choices is where every decision of a run comes from: a seed, a list that was
// recorded earlier, or the enumeration of everything that is possible. In all
// three, 0 is the harmless choice.
type Choices struct {
	mode  mode
	state uint64
	taken []choice
	pos   int
}

type choice struct{ value, of uint16 }

type mode uint8

const (
	random    mode = iota
	recording      // random, and remembered
	replaying      // from the list, then 0 for ever
	enumerating
)

// Seeded draws from a seed (splitmix64).
func Seeded(seed uint64) *Choices { return &Choices{state: mix(seed + 1)} }

// Recording is Seeded, and remembers.
func Recording(seed uint64) *Choices { return &Choices{mode: recording, state: mix(seed + 1)} }

// Replaying takes values that were recorded.
func Replaying(values []uint16) *Choices {
	c := &Choices{mode: replaying, taken: make([]choice, len(values))}
	for i, v := range values {
		c.taken[i].value = v
	}
	return c
}

// Values is what was chosen so far.
func (c *Choices) Values() []uint16 {
	values := make([]uint16, min(c.pos, len(c.taken)))
	for i := range values {
		values[i] = c.taken[i].value
	}
	return values
}

// Intn chooses one of n.
func (c *Choices) Intn(n int) int {
	if n <= 1 {
		return 0
	}
	switch c.mode {
	case random:
		return c.draw(n)
	case recording:
		return int(c.remember(c.draw(n), n))
	case replaying:
		v := 0
		if c.pos < len(c.taken) {
			v = int(c.taken[c.pos].value) % n
		}
		c.pos++
		return v
	}
	if c.pos == len(c.taken) {
		return int(c.remember(0, n))
	}
	c.pos++
	return int(c.taken[c.pos-1].value)
}

// Chance says yes perMille times in a thousand; 0 is a certain no. An
// enumeration tries both.
func (c *Choices) Chance(perMille int) bool {
	if perMille <= 0 {
		return false
	}
	switch c.mode {
	case random:
		return c.draw(1000) < perMille
	case recording:
		v := 0
		if c.draw(1000) < perMille {
			v = 1
		}
		return c.remember(v, 2) == 1
	}
	return c.Intn(2) == 1
}

func (c *Choices) remember(v, n int) uint16 {
	c.taken = append(c.taken, choice{uint16(v), uint16(n)})
	c.pos++
	return uint16(v)
}

func (c *Choices) draw(n int) int {
	c.state += 0x9e3779b97f4a7c15
	hi := mix(c.state) >> 32
	return int(hi * uint64(n) >> 32)
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// next moves an enumeration to its next run; false after the last one.
func (c *Choices) next() bool {
	c.pos = 0
	for n := len(c.taken); n > 0; n-- {
		if last := &c.taken[n-1]; last.value+1 < last.of {
			last.value++
			c.taken = c.taken[:n]
			return true
		}
	}
	return false
}
