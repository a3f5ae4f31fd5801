package journal

import (
	"cmp"
	"slices"
)

// names lists under what a record is found: its group and its keys, each once.
func (r *Record) names() []string {
	names := append([]string{r.Group}, r.Keys...)
	slices.Sort(names)
	return slices.Compact(names)
}

// lookup is Journal.Lookup over an index: named gives the records that have a
// name as their group or among their keys.
func lookup(key string, named func(string) ([]Record, error)) ([]Record, error) {
	hits, err := named(key)
	if err != nil {
		return nil, err
	}
	var groups []string
	for i := range hits {
		groups = append(groups, hits[i].Group)
	}
	slices.Sort(groups)
	var found []Record
	for _, g := range slices.Compact(groups) {
		recs, err := named(g)
		if err != nil {
			return nil, err
		}
		for _, r := range recs { // g may be a key of a record of another group
			if r.Group == g {
				found = append(found, r)
			}
		}
	}
	slices.SortFunc(found, func(a, b Record) int { return cmp.Compare(a.LSN, b.LSN) })
	return found, nil
}
