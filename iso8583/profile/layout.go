package profile

import (
	"fmt"
	"slices"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// SubField is one named part of a data element that holds several.
type SubField struct {
	Name   string `json:"name"`   // by the acquirer's numbering: "60.2 batch"
	Value  string `json:"value"`  // as it stands there
	Secret bool   `json:"secret"` // not for people's eyes
}

// layout is a data element that holds several parts. What a part means is
// code; a profile names it in wire.layouts. Those there are stand in unionpay.go.
type layout struct {
	// fill gives the element's value, "" where the facts do not hold it.
	fill func(p *Profile, m *message, f *iso8583.Facts) (string, error)
	// cut takes a value apart. It never quotes it in an error.
	cut func(mti iso8583.MTI, v string) ([]SubField, error)
}

var layouts = map[string]layout{}

func layoutNames() []string {
	var names []string
	for n := range layouts {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// checkLayouts holds wire.layouts against what there is.
func (p *Profile) checkLayouts() error {
	for de, name := range p.doc.Wire.Layouts {
		if _, ok := layouts[name]; !ok {
			return fmt.Errorf("wire.layouts.%d: there is no %q; there are %v", de, name, layoutNames())
		}
		if _, ok := p.doc.Spec.Elements[de]; !ok {
			return fmt.Errorf("wire.layouts.%d: the data element is not in spec.elements", de)
		}
	}
	return nil
}

// Parts cuts data element de of m into its named parts; none where the element
// is absent or holds one thing only. An error names the element and what is
// wrong, and quotes nothing.
func (p *Profile) Parts(m *iso8583.Message, de int) ([]SubField, error) {
	l, ok := layouts[p.doc.Wire.Layouts[de]]
	if !ok || !m.Has(de) {
		return nil, nil
	}
	parts, err := l.cut(m.MTI, m.Get(de))
	if err != nil {
		return nil, fmt.Errorf("data element %d: %w", de, err)
	}
	return parts, nil
}

// cutter cuts fixed parts off the front of a value.
type cutter struct {
	rest  string
	parts []SubField
}

// next takes n characters, or what is left where less is.
func (c *cutter) next(name string, n int) string {
	n = min(n, len(c.rest))
	v := c.rest[:n]
	c.rest = c.rest[n:]
	if v != "" {
		c.parts = append(c.parts, SubField{Name: name, Value: v})
	}
	return v
}
