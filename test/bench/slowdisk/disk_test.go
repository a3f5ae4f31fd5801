package slowdisk

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestPrice(t *testing.T) {
	for _, c := range []struct {
		bytes int
		want  time.Duration
	}{{1, 250 * time.Microsecond}, {4096, 250 * time.Microsecond}, {4097, 350 * time.Microsecond}, {1 << 20, 25750 * time.Microsecond}} {
		if got := EMMC.transfer(c.bytes); got != c.want {
			t.Errorf("transfer(%d) = %v, want %v", c.bytes, got, c.want)
		}
	}
}

// A disk is made, keeps what is written and synced, and leaves nothing behind.
func TestDisk(t *testing.T) {
	if err := Available(); err != nil {
		t.Skip(err)
	}
	base := t.TempDir()
	d, err := Make(base, 64<<20, Model{})
	if err != nil {
		t.Skipf("it cannot be mounted here: %v", err)
	}
	defer d.Close()
	path, want := filepath.Join(d.Dir, "x"), bytes.Repeat([]byte("counterfoil"), 10_000)
	if err := write(path, want); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read back %d bytes of %d, %v", len(got), len(want), err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(base); len(left) != 0 {
		t.Fatalf("left behind: %v", left)
	}
}

func write(path string, b []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
