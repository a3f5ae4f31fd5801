package link

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
)

// listen serves connections on loopback until the test ends.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	addr, stop := listenUntil(t, serve)
	t.Cleanup(stop)
	return addr
}

// listenUntil serves until stop, which waits for the connections to end.
func listenUntil(t *testing.T, serve func(net.Conn)) (addr string, stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				serve(c)
			})
		}
	})
	return ln.Addr().String(), func() {
		_ = ln.Close()
		wg.Wait()
	}
}

// start makes a link that is closed before the hosts are.
func start(t *testing.T, cfg Config) (*Link, *recorder) {
	t.Helper()
	cfg.Format = testFormat
	r := newRecorder()
	l := New(cfg, r)
	l.Start()
	t.Cleanup(l.Close)
	return l, r
}

func reset(c net.Conn) {
	if tc, ok := c.(*net.TCPConn); ok {
		_ = tc.SetLinger(0)
	}
	_ = c.Close()
}

// certificate is a self-signed one for 127.0.0.1, and the pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func bothModes(t *testing.T, fn func(t *testing.T, persistent bool)) {
	t.Helper()
	t.Run("persistent", func(t *testing.T) { fn(t, true) })
	t.Run("alone", func(t *testing.T) { fn(t, false) })
}

func TestTLS(t *testing.T) {
	bothModes(t, func(t *testing.T, persistent bool) {
		cert, pool := certificate(t)
		addr := listen(t, func(c net.Conn) {
			answering(tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}))
		})
		l, r := start(t, Config{Addresses: []string{addr}, Persistent: persistent, TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}})
		l.Send(0, "a", []byte("a"), in(30*time.Second))
		r.until(t, "the answer", func() bool { return len(r.frames) == 1 && len(r.results) == 1 })
		r.wantResults(t, "a sent")
		r.wantFrames(t, "0:re a")
	})
}

// C.5: TLS fails. A certificate that is not trusted, a peer that speaks no
// TLS, and one that says nothing: nothing of the message leaves.
func TestTLSFailure(t *testing.T) {
	cert, _ := certificate(t)
	for name, host := range map[string]func(net.Conn){
		"untrusted": func(c net.Conn) {
			answering(tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}))
		},
		"not TLS": func(c net.Conn) { _, _ = c.Write([]byte("hello there")) },
		"silent":  swallowing,
	} {
		t.Run(name, func(t *testing.T) {
			bothModes(t, func(t *testing.T, persistent bool) {
				l, r := start(t, Config{
					Addresses: []string{listen(t, host)}, Persistent: persistent, DialTimeout: 200 * time.Millisecond,
					TLS: &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12},
				})
				l.Send(0, "a", []byte("a"), in(30*time.Second))
				r.until(t, "the result", func() bool { return len(r.results) == 1 })
				r.wantResults(t, "a unsent")
				r.wantStatus(t, "0 down")
			})
		})
	}
}

func TestConnectRefused(t *testing.T) {
	bothModes(t, func(t *testing.T, persistent bool) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := ln.Addr().String()
		_ = ln.Close()
		l, r := start(t, Config{Addresses: []string{addr}, Persistent: persistent})
		l.Send(0, "a", []byte("a"), in(30*time.Second))
		r.until(t, "the result", func() bool { return len(r.results) == 1 })
		r.wantResults(t, "a unsent")
	})
}

// C.5: RST before the send. The connection stood, so the truth is unknown
// unless the link learned of the reset first; it must never be called sent
// and answered.
func TestResetBeforeTheSend(t *testing.T) {
	bothModes(t, func(t *testing.T, persistent bool) {
		addr := listen(t, reset)
		l, r := start(t, Config{Addresses: []string{addr}, Persistent: persistent})
		l.Send(0, "a", []byte("a"), in(30*time.Second))
		r.until(t, "the result", func() bool { return len(r.results) == 1 })
		if got := outcome(r.results[0]); got == "a both" {
			t.Error(got)
		}
		r.wantFrames(t)
	})
}

// C.5: RST after the send.
func TestResetAfterTheSend(t *testing.T) {
	bothModes(t, func(t *testing.T, persistent bool) {
		received := make(chan string, 1)
		addr := listen(t, func(c net.Conn) {
			if b, err := frame.NewConn(c, testFormat).Read(in(30 * time.Second)); err == nil {
				received <- string(b)
				reset(c)
			}
		})
		l, r := start(t, Config{Addresses: []string{addr}, Persistent: persistent})
		l.Send(0, "a", []byte("a"), in(30*time.Second))
		if b := <-received; b != "a" {
			t.Errorf("received %q", b)
		}
		r.until(t, "the result", func() bool { return len(r.results) == 1 })
		r.wantResults(t, "a sent")
		r.wantFrames(t)
		if persistent {
			r.until(t, "the loss", func() bool { return len(r.status) >= 2 && r.status[1] == "0 down" })
		}
	})
}

// chaos is a host that answers some frames and then does something rude. It
// notes every body that arrived whole.
type chaos struct {
	mu   sync.Mutex
	rnd  *mathrand.Rand
	seen map[string]bool
}

func (h *chaos) serve(c net.Conn) {
	f := frame.NewConn(c, testFormat)
	for {
		b, err := f.Read(in(30 * time.Second))
		if err != nil {
			return
		}
		h.mu.Lock()
		h.seen[string(b)] = true
		act := h.rnd.IntN(12)
		h.mu.Unlock()
		switch act {
		case 0:
			return
		case 1:
			reset(c)
			return
		case 2:
			_, _ = c.Write([]byte("\x00\x05ab"))
			return
		case 3:
			_, _ = c.Write([]byte("\xff\xff"))
		case 4: // silent
		default:
			_, _ = f.Write(in(30*time.Second), b)
		}
	}
}

// TestTruth sends a thousand bodies through rude hosts and closes the link in
// the middle of it. Each has exactly one result, and what was called unsent
// never arrived.
func TestTruth(t *testing.T) {
	bothModes(t, func(t *testing.T, persistent bool) {
		h := &chaos{rnd: mathrand.New(mathrand.NewPCG(1, 2)), seen: map[string]bool{}} //nolint:gosec // a seeded test
		one, stopOne := listenUntil(t, h.serve)
		two, stopTwo := listenUntil(t, h.serve)
		l, r := start(t, Config{
			Addresses: []string{one, two}, Persistent: persistent,
			ResponseTimeout: 50 * time.Millisecond, QueueLimit: 32,
		})
		const n = 1000
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := g; i < n; i += 4 {
					token := fmt.Sprint(i)
					l.Send(i%2, token, []byte(token), in(time.Second))
					if i == n*9/10 {
						go l.Close()
					}
					if i%8 < 4 { // let some of them meet an idle link
						r.until(t, "the result of "+token, func() bool { return r.has(token) })
					}
				}
			})
		}
		wg.Wait()
		r.until(t, "all results", func() bool { return len(r.results) >= n })
		l.Close()
		stopOne() // all that was on its way has arrived
		stopTwo()

		count := map[any]int{}
		ends := map[string]int{}
		for _, res := range r.results {
			count[res.Token]++
			ends[outcome(Result{Sent: res.Sent, Unsent: res.Unsent})]++
			if token, _ := res.Token.(string); res.Unsent && h.seen[token] {
				t.Errorf("%s was called unsent and arrived", token)
			}
			if res.Sent != (res.Err == nil) || res.Sent && res.Unsent {
				t.Errorf("%v: contradiction %+v", res.Token, res)
			}
		}
		if len(count) != n || len(r.results) != n {
			t.Errorf("%d results for %d of %d sends", len(r.results), len(count), n)
		}
		t.Logf("ends: %v, arrived: %d", ends, len(h.seen))
	})
}

// has is called with the lock held.
func (r *recorder) has(token any) bool {
	for _, res := range r.results {
		if res.Token == token {
			return true
		}
	}
	return false
}
