package journal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// accept accepts a loss and writes what a caller would.
func accept(t *testing.T, p *patient) *Loss {
	t.Helper()
	loss, err := AcceptLoss(p.dir, p.opts, func(l *Log) error {
		if !l.Info().Quarantine {
			t.Error("decided outside quarantine")
		}
		mustAppend(t, l, entry("epoch", "new", ""))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	l := openWith(t, p.dir, p.opts)
	if l.Info().Quarantine || l.Reserve(ClassIntent, 100) != nil || l.Info().Losses == 0 {
		t.Errorf("%+v", l.Info())
	}
	heads, recs := recovered(t, l)
	if len(heads) > 1 || recs[0].Group != "open-1" || recs[0].LSN != 1 || recs[len(recs)-1].Group != "epoch" {
		t.Errorf("recovery gives %v, %s", heads, brief(recs))
	}
	if hist := all(t, l, 1); hist[len(hist)-1].LSN != l.Last() || l.Last() != loss.Last {
		t.Error("history is not whole")
	}
	for _, name := range loss.Evidence {
		if _, err := os.Stat(filepath.Join(p.dir, lostPrefix+name[len(markPrefix):])); err != nil {
			t.Errorf("evidence: %v", err)
		}
	}
	mustClose(t, l)
	return loss
}

func TestAcceptLoss(t *testing.T) {
	p := newPatient(t, false)
	batch := p.ends[len(p.ends)-4]
	write := func(name string, change func(b []byte)) {
		t.Helper()
		p.restore()
		b := []byte(p.clean[name])
		change(b)
		if err := os.WriteFile(filepath.Join(p.dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(t.Context(), p.dir, VerifyOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	newest := filepath.Base(p.seg)
	t.Run("damage in the newest segment", func(t *testing.T) {
		write(newest, func(b []byte) { b[batch+100] ^= 1 })
		loss := accept(t, p)
		if loss.Wiped == nil || loss.Wiped.Offset != batch || len(loss.Evidence) != 1 || loss.Last >= p.last {
			t.Errorf("%+v", loss)
		}
	})
	t.Run("the newest segment's header", func(t *testing.T) {
		write(newest, func(b []byte) { b[40] ^= 1 })
		if loss := accept(t, p); loss.Last != p.first || len(loss.Evidence) != 1 {
			t.Errorf("%+v", loss)
		}
	})
	t.Run("damage in history", func(t *testing.T) {
		write(segName(2), func(b []byte) { b[2*blockSize+70] ^= 1 })
		loss := accept(t, p)
		if loss.Wiped != nil || loss.Retired != 2 || len(loss.Evidence) != 2 || loss.Last != p.last+1 {
			t.Errorf("%+v", loss)
		}
	})
	t.Run("a missing segment", func(t *testing.T) {
		p.restore()
		if err := os.Remove(filepath.Join(p.dir, segName(3))); err != nil {
			t.Fatal(err)
		}
		if loss := accept(t, p); loss.Retired != 3 || len(loss.Evidence) != 2 || loss.Last != p.last+1 {
			t.Errorf("%+v", loss)
		}
	})
	t.Run("quarantine", func(t *testing.T) {
		write(newest, func(b []byte) { b[p.ends[len(p.ends)-2]+100] ^= 1 })
		mustClose(t, openWith(t, p.dir, p.opts))
		if loss := accept(t, p); len(loss.Evidence) != 1 || loss.Last != p.last-3+1 {
			t.Errorf("%+v", loss)
		}
	})
	t.Run("nothing is lost", func(t *testing.T) {
		p.restore()
		before := snapshot(t, p.dir)
		if _, err := AcceptLoss(p.dir, p.opts, func(*Log) error { t.Error("called"); return nil }); err == nil {
			t.Error("no error")
		}
		for name := range before {
			if name != indexName && before[name] != snapshot(t, p.dir)[name] && name == newest {
				t.Errorf("%s changed", name)
			}
		}
	})
	t.Run("a decision that fails", func(t *testing.T) {
		write(newest, func(b []byte) { b[batch+100] ^= 1 })
		no := errors.New("no")
		if _, err := AcceptLoss(p.dir, p.opts, func(*Log) error { return no }); !errors.Is(err, no) {
			t.Fatal(err)
		}
		if l := openWith(t, p.dir, p.opts); !l.Info().Quarantine || l.Close() != nil {
			t.Error("the quarantine ended")
		}
		accept(t, p)
	})
	t.Run("wrong key", func(t *testing.T) {
		write(newest, func(b []byte) { b[batch+100] ^= 1 })
		before := snapshot(t, p.dir)
		opts := p.opts
		opts.Key = make([]byte, KeyLen)
		if _, err := AcceptLoss(p.dir, opts, func(*Log) error { return nil }); !errors.Is(err, ErrWrongKey) {
			t.Error(err)
		}
		unchanged(t, p.dir, before)
	})
}
