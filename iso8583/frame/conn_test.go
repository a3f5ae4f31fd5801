package frame

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// bodies reads until the first error.
func bodies(c *Conn, deadline time.Time) (got []string, err error) {
	for {
		b, err := c.Read(deadline)
		if err != nil {
			return got, err
		}
		got = append(got, string(b))
	}
}

// socket is a pipe that takes a deadline, as a socket does, when its peer has
// closed: there may be bytes to read still.
type socket struct{ net.Conn }

func (s socket) SetReadDeadline(t time.Time) error {
	if err := s.Conn.SetReadDeadline(t); !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	return nil
}

func TestRead(t *testing.T) {
	tpdu := Format{Length: Binary2, Max: 32, TPDU: make([]byte, 5)}
	plain := Format{Length: Binary2, Max: 16}
	for _, tc := range []struct {
		name   string
		format Format
		stream string
		want   []string
		err    error
	}{
		{"one frame", plain, "\x00\x020x", []string{"0x"}, io.EOF},
		{"two frames in one read", plain, "\x00\x02ab\x00\x03cde", []string{"ab", "cde"}, io.EOF},
		{"the largest", plain, "\x00\x100123456789abcdef", []string{"0123456789abcdef"}, io.EOF},
		{"TPDU and header are skipped, whatever they hold", tpdu, "\x00\x07\x60\x00\x00\x00\x06ab", []string{"ab"}, io.EOF},
		{"ascii4", Format{Length: ASCII4}, "0002ab0001c", []string{"ab", "c"}, io.EOF},
		{"bcd2", Format{Length: BCD2}, "\x00\x12twelve bytes", []string{"twelve bytes"}, io.EOF},
		{"closed at once", plain, "", nil, io.EOF},
		{"half a header", plain, "\x00\x01a\x00", []string{"a"}, io.ErrUnexpectedEOF},
		{"header without a body", plain, "\x00\x05", nil, io.ErrUnexpectedEOF},
		{"partial frame", plain, "\x00\x05abcd", nil, io.ErrUnexpectedEOF},
		{"zero length", plain, "\x00\x00\x00\x01a", nil, ErrLength},
		{"length of nothing but the TPDU", tpdu, "\x00\x05\x60\x00\x00\x00\x06", nil, ErrLength},
		{"oversize", plain, "\x00\x11", nil, ErrLength},
		{"largest binary length", plain, "\xff\xff", nil, ErrLength},
		{"ascii4 with a sign", Format{Length: ASCII4}, "-001a", nil, ErrLength},
		{"bcd2 with a hex digit", Format{Length: BCD2}, "\x00\x0aabcdefghij", nil, ErrLength},
	} {
		t.Run(tc.name, func(t *testing.T) {
			near, far := net.Pipe()
			go func() {
				_, _ = io.WriteString(far, tc.stream)
				_ = far.Close()
			}()
			c := NewConn(socket{near}, tc.format)
			got, err := bodies(c, time.Now().Add(time.Minute))
			if !errors.Is(err, tc.err) {
				t.Errorf("error: got %v, want %v", err, tc.err)
			}
			if len(got) != len(tc.want) {
				t.Fatalf("got %q, want %q", got, tc.want)
			}
			for i := range got {
				if got[i] != tc.want[i] {
					t.Errorf("frame %d: got %q, want %q", i, got[i], tc.want[i])
				}
			}
			// Once the stream is lost it stays lost.
			if _, again := c.Read(time.Now().Add(time.Minute)); again == nil {
				t.Error("a read after the error succeeded")
			}
			_ = c.Close()
		})
	}
}

func TestReadDeadlineResumesInMidFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer func() { _ = far.Close() }()
		c := NewConn(near, Format{Length: Binary2})
		defer func() { _ = c.Close() }()
		for _, part := range []string{"\x00", "\x04a", "bc"} {
			if _, err := c.Read(time.Now().Add(time.Second)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("got %v, want a timeout", err)
			}
			go func() { _, _ = io.WriteString(far, part) }()
		}
		go func() {
			time.Sleep(time.Second)
			_, _ = io.WriteString(far, "d")
		}()
		start := time.Now()
		b, err := c.Read(time.Now().Add(time.Minute))
		if err != nil || string(b) != "abcd" {
			t.Fatalf("got %q, %v", b, err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("waited %v, want 1s", d)
		}
	})
}

func TestWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe() // far never reads
		defer func() { _ = far.Close() }()
		c := NewConn(near, Format{Length: Binary2})
		start := time.Now()
		n, err := c.Write(start.Add(5*time.Second), []byte("ab"))
		if !errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ErrNotWritten) || n != 0 {
			t.Errorf("stuck write: got %d, %v; want an error that leaves it in doubt", n, err)
		}
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("waited %v, want 5s", d)
		}
		if _, err := c.Write(time.Now(), []byte("ab")); !errors.Is(err, ErrNotWritten) {
			t.Errorf("deadline already passed: got %v, want ErrNotWritten", err)
		}
		_ = c.Close()
		if _, err := c.Write(time.Now().Add(time.Second), []byte("ab")); !errors.Is(err, ErrNotWritten) {
			t.Errorf("closed connection: got %v, want ErrNotWritten", err)
		}
	})
}

func TestWrite(t *testing.T) {
	near, far := net.Pipe()
	c := NewConn(near, Format{Length: ASCII4, Max: 4})
	defer func() { _ = c.Close() }()
	deadline := time.Now().Add(time.Minute)
	for _, body := range []string{"", "12345"} {
		if n, err := c.Write(deadline, []byte(body)); n != 0 || !errors.Is(err, ErrNotWritten) || !errors.Is(err, ErrLength) {
			t.Errorf("%q: got %d, %v; want ErrNotWritten and ErrLength", body, n, err)
		}
	}
	if _, err := c.Write(time.Time{}, []byte("ab")); !errors.Is(err, ErrNotWritten) {
		t.Errorf("no deadline: got %v, want ErrNotWritten", err)
	}
	if _, err := c.Read(time.Time{}); err == nil {
		t.Error("a read without a deadline was accepted")
	}
	got := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(far)
		got <- b
	}()
	if n, err := c.Write(deadline, []byte("abcd")); n != 8 || err != nil {
		t.Errorf("got %d, %v; want 8 bytes", n, err)
	}
	_ = c.Close()
	if b := <-got; string(b) != "0004abcd" {
		t.Errorf("on the wire: %q", b)
	}
}

// FuzzRead feeds any stream to each length kind: no panic, every body within
// the bound, bounded memory, what was read frames to what was sent, and Cut
// finds the same frames.
func FuzzRead(f *testing.F) {
	f.Add([]byte("\x00\x02ab\x00\x03cde"), uint8(1))
	f.Add([]byte("0002ab0001c"), uint8(2))
	f.Add([]byte("\x00\x12twelve bytes"), uint8(3))
	f.Add([]byte("\xff\xff"), uint8(1))
	f.Fuzz(func(t *testing.T, stream []byte, kind uint8) {
		format := Format{Length: LengthKind(kind%3 + 1), Max: 64}
		c := NewConn(&streamConn{rest: stream}, format)
		var again []byte
		rest := stream
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		defer func() {
			runtime.ReadMemStats(&after)
			// A body is at most as long as its frame, and is copied twice here.
			if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10+16*uint64(len(stream)) {
				t.Errorf("%d bytes were allocated for a stream of %d", n, len(stream))
			}
		}()
		for {
			b, err := c.Read(time.Now().Add(time.Minute))
			body, n, cut := format.Cut(rest)
			if (err != nil) != (cut != nil) || string(body) != string(b) {
				t.Fatalf("read %q, %v; cut %q, %v", b, err, body, cut)
			}
			if err != nil {
				break
			}
			rest = rest[n:]
			if len(b) == 0 || len(b) > 64 {
				t.Fatalf("body of %d bytes", len(b))
			}
			if again, err = format.Append(again, b); err != nil {
				t.Fatal(err)
			}
		}
		if len(again) > len(stream) || string(stream[:len(again)]) != string(again) {
			t.Fatalf("frames % x are not a prefix of % x", again, stream)
		}
	})
}

// streamConn is a connection whose peer sent rest and closed.
type streamConn struct {
	net.Conn
	rest []byte
}

func (c *streamConn) SetReadDeadline(time.Time) error { return nil }

func (c *streamConn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}
