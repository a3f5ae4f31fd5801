package config

import (
	"fmt"
	"time"

	"github.com/counterfoil-pos/counterfoil/journal"
)

// Disk says what the journal may use of its disk, and how long it keeps history.
// What is absent is the journal's default.
type Disk struct {
	Segment   *int `yaml:"segment_kib"`     // a segment's size: 4096 on a terminal, 16384 to 65536 on a lane controller
	Max       *int `yaml:"max_mib"`         // of all segments; default 2048
	KeepDays  *int `yaml:"keep_days"`       // history, as chargeback evidence; default 540
	NamesDays *int `yaml:"keep_names_days"` // identities of what retired, which never run again; default 1825
}

// Bounds of a segment, in KiB, and of the rest.
const (
	minSegmentKiB = 64
	maxSegmentKiB = 1 << 20
	maxDisk       = 1 << 20 // MiB, and days
)

func (d *Disk) validate() error {
	for _, f := range []struct {
		key      string
		value    *int
		min, max int
	}{
		{"segment_kib", d.Segment, minSegmentKiB, maxSegmentKiB}, {"max_mib", d.Max, 1, maxDisk},
		{"keep_days", d.KeepDays, 1, maxDisk}, {"keep_names_days", d.NamesDays, 1, maxDisk},
	} {
		if f.value != nil && (*f.value < f.min || *f.value > f.max) {
			return fmt.Errorf("disk.%s: want %d to %d, got %d", f.key, f.min, f.max, *f.value)
		}
	}
	var o journal.Options
	d.Fill(&o)
	if o.SegmentBytes%4096 != 0 {
		return fmt.Errorf("disk.segment_kib: want a multiple of 4, got %d", *d.Segment)
	}
	if o.MaxBytes > 0 && o.SegmentBytes > 0 && o.MaxBytes < 4*o.SegmentBytes {
		return fmt.Errorf("disk.max_mib: want room for 4 segments of %d KiB at least", *d.Segment)
	}
	return nil
}

// Fill sets what is given in a journal's options.
func (d *Disk) Fill(o *journal.Options) {
	const day = 24 * time.Hour
	if d.Segment != nil {
		o.SegmentBytes = int64(*d.Segment) << 10
	}
	if d.Max != nil {
		o.MaxBytes = int64(*d.Max) << 20
	}
	if d.KeepDays != nil {
		o.Retain.Age = time.Duration(*d.KeepDays) * day
	}
	if d.NamesDays != nil {
		o.Retain.Names = time.Duration(*d.NamesDays) * day
	}
}
