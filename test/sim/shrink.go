package sim

import (
	"reflect"
	"slices"
)

// Shrink looks for a short run that breaks the same property as the run of
// seed does, with as little going wrong as can be. First it tries runs of the
// same personality with fewer sales, then it takes one kind of trouble after the
// other out of the personality, then it leaves choices out, or takes the
// harmless one, as long as the property still breaks. It returns the best run
// found, with its transcript.
func Shrink(seed uint64, property string) *World {
	p, values := smallest(seed, property)
	if values == nil {
		return nil
	}
	p, values = quieter(p, values, seed, property)
	score := cost(p, values, property)
	for budget := 6000; budget > 0; {
		before := score
		for size := max(len(values)/2, 1); size > 0; size /= 2 {
			for at := 0; at+size <= len(values) && budget > 0; {
				budget--
				if shorter, s := improve(p, values, at, size, property, score); s < score {
					values, score = shorter, s
				} else {
					at += size
				}
			}
		}
		if score == before {
			break
		}
	}
	var stats Stats
	return Run(p, Replaying(values), &stats, true, true, true)
}

// smallest finds the personality with the fewest sales that still breaks the
// property, and the choices that do it.
func smallest(seed uint64, property string) (Personality, []uint16) {
	for _, size := range [...][2]int{{1, 1}, {2, 1}, {3, 1}, {1, 2}, {3, 2}} {
		p := draw(seed)
		p.Sales, p.Apps = size[0], min(size[1], p.Apps)
		var best []uint16
		score := never
		for n := range uint64(3000) {
			c := Recording(seed<<16 + n)
			if s, w := judge(p, c, property); s < score {
				best, score = w.c.Values(), s
			}
		}
		if best != nil {
			return p, best
		}
	}
	p := draw(seed)
	c := Recording(seed)
	if s, _ := judge(p, c, property); s == never {
		return p, nil
	}
	return p, c.Values()
}

// shapes are the numbers of a personality that are no trouble.
var shapes = []string{
	"Apps", "Sales", "Routes", "Terminals", "Keep", "MaxAttempts", "Patience", "Calm", "Inquiries", "InquiryLimit", "AdviceLimit",
}

// quieter takes out of the personality what is not needed to break the property,
// one kind of trouble after the other.
func quieter(p Personality, values []uint16, seed uint64, property string) (Personality, []uint16) {
	score := cost(p, values, property)
	for i := range reflect.TypeFor[Personality]().NumField() {
		field := reflect.TypeFor[Personality]().Field(i)
		calm := p
		v := reflect.ValueOf(&calm).Elem().Field(i)
		switch {
		case slices.Contains(shapes, field.Name), v.IsZero():
			continue
		case field.Type.Kind() == reflect.Int, field.Type == reflect.TypeFor[Cards]():
			v.SetZero()
		default:
			continue
		}
		best, found := never, []uint16(nil)
		for n := range uint64(400) {
			if s, w := judge(calm, Recording(seed<<20+n), property); s < best {
				best, found = s, w.c.Values()
			}
		}
		if best < never && best <= 2*score { // a run that is much longer is no gain
			p, values, score = calm, found, best
		}
	}
	return p, values
}

// improve tries two ways to do without values[at:at+size].
func improve(p Personality, values []uint16, at, size int, property string, score int) ([]uint16, int) {
	cut := slices.Delete(slices.Clone(values), at, at+size)
	if s := cost(p, cut, property); s < score {
		return cut, s
	}
	calm := slices.Clone(values)
	clear(calm[at : at+size])
	if s := cost(p, calm, property); s < score {
		return calm, s
	}
	return nil, score
}

// never is the cost of a run that does not break the property.
const never = int(^uint(0) >> 1)

func cost(p Personality, values []uint16, property string) int {
	s, _ := judge(p, Replaying(values), property)
	return s
}

// judge is how much there is to read in a run: what goes wrong, then its steps.
func judge(p Personality, c *Choices, property string) (int, *World) {
	var s Stats
	w := Run(p, c, &s, false, false, property == "fold" || property == "codec") // they are slow
	if w.broken == nil || w.broken.Property != property {
		return never, nil
	}
	wrong := s.AllFaults() + s.AgentCrashes + s.AppCrashes
	return int(s.Steps+200*wrong)*1000 + len(c.taken), w
}
