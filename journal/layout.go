package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// layout is what the names in a journal's directory say.
type layout struct {
	segs  []uint64 // ascending
	rets  []uint64 // ascending, without those that have expired
	since uint64   // the first of rets, by the word of the last; 0: it does not say
	gone  []string // files that have expired and are still there
	made  uint64   // this segment was made: there is a mark that says so
	keys  int
	temps []string
	marks []string // what waits for accept-loss
	lost  int      // what accept-loss was used on
	index bool
}

const (
	segSuffix  = ".seg"
	retSuffix  = ".ret"
	madeSuffix = ".made"
	markPrefix = "damaged-"
	lostPrefix = "lost-"
	indexName  = "index.db"
)

func readLayout(d FS) (*layout, error) {
	names, err := d.List()
	if err != nil {
		return nil, err
	}
	l := &layout{}
	for _, name := range names {
		switch {
		case strings.HasSuffix(name, tempSuffix):
			l.temps = append(l.temps, name)
		case strings.HasSuffix(name, segSuffix):
			l.segs = appendSeq(l.segs, name, segSuffix)
		case strings.HasSuffix(name, retSuffix):
			l.rets = appendSeq(l.rets, name, retSuffix)
		case strings.HasSuffix(name, madeSuffix):
			for _, seq := range appendSeq(nil, name, madeSuffix) {
				l.made = max(l.made, seq)
			}
		case strings.HasPrefix(name, keyPrefix):
			l.keys++
		case strings.HasPrefix(name, markPrefix):
			l.marks = append(l.marks, name)
		case strings.HasPrefix(name, lostPrefix):
			l.lost++
		case name == indexName:
			l.index = true
		}
	}
	l.expired(d)
	return l, nil
}

// expired asks the newest names which the oldest are, and leaves out what is
// older. Where they do not verify they do not say: that is found when they are
// read.
func (l *layout) expired(d FS) {
	if len(l.rets) == 0 {
		return
	}
	b, err := readFile(d, retiredName(l.rets[len(l.rets)-1]))
	if err != nil {
		return
	}
	l.since = retiredSince(b)
	for len(l.rets) > 1 && l.rets[0] < l.since {
		l.gone, l.rets = append(l.gone, retiredName(l.rets[0])), l.rets[1:]
	}
}

func appendSeq(seqs []uint64, name, suffix string) []uint64 {
	digits := strings.TrimSuffix(name, suffix)
	if seq, err := strconv.ParseUint(digits, 10, 64); err == nil && fmt.Sprintf("%012d", seq) == digits {
		return append(seqs, seq)
	}
	return seqs
}

// empty says that no journal was ever completed here.
func (l *layout) empty() bool { return len(l.segs) == 0 && len(l.rets) == 0 && l.keys == 0 && !l.index }

// oldest is the segment that history must begin with: the one after the newest
// that was retired.
func (l *layout) oldest() uint64 {
	if n := len(l.rets); n > 0 {
		return l.rets[n-1] + 1
	}
	return 1
}

// retire splits off the segments that were retired and are still there.
func (l *layout) retire() (gone []uint64) {
	for len(l.segs) > 0 && l.segs[0] < l.oldest() {
		gone, l.segs = append(gone, l.segs[0]), l.segs[1:]
	}
	return gone
}

// check says where a segment or the names of what was retired are missing.
func (l *layout) check() error {
	want := l.oldest()
	for _, seq := range l.segs {
		if seq != want {
			return &Damage{Segment: want, Reason: "the segment is missing"}
		}
		want++
	}
	if len(l.segs) == 0 {
		return &Damage{Segment: want, Reason: "the segment is missing"}
	}
	if newest := l.segs[len(l.segs)-1]; newest < l.made {
		return &Damage{Segment: l.made, Reason: "the segment is missing, and it was made"}
	}
	if l.since > 0 && l.rets[0] > l.since {
		return &Damage{Segment: l.since, Reason: "the names of what was retired with it are missing"}
	}
	for i := 1; i < len(l.rets); i++ {
		if l.rets[i] != l.rets[i-1]+1 {
			return &Damage{Segment: l.rets[i-1] + 1, Reason: "the names of what was retired with it are missing"}
		}
	}
	return nil
}

// removeTemps removes what a run left that died.
func (l *layout) removeTemps(d FS) error {
	for _, name := range slices.Concat(l.temps, l.gone) {
		if err := d.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("left over by a run that died: %w", err)
		}
	}
	return nil
}
