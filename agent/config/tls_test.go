package config_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/config"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// authority signs certificates, and writes everything as PEM files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, dir, name string) *authority {
	a := &authority{t: t, dir: dir}
	a.cert, a.key = a.sign(name, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// sign makes name.pem and name.key.
func (a *authority) sign(name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for ext, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(a.dir, name+ext), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return cert, key
}

func (a *authority) server(name string) {
	a.sign(name, &x509.Certificate{
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"host.example"},
	})
}

func (a *authority) client(name string) {
	a.sign(name, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

// C.5, "TLS fails", and what of TLS the configuration decides: a sale through
// it, or certainly nothing sent.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca")
	ca.server("server")
	ca.client("client")
	other := newAuthority(t, dir, "other-ca")
	other.client("other-client")
	plain := startHost(t, hostsim.Config{})
	oneWay := startHost(t, hostsim.Config{TLS: &hostsim.TLS{Certificate: dir + "/server.pem", Key: dir + "/server.key"}})
	mutual := startHost(t, hostsim.Config{TLS: &hostsim.TLS{Certificate: dir + "/server.pem", Key: dir + "/server.key", ClientCA: dir + "/ca.pem"}})
	old := terminator(t, dir, plain)

	for _, c := range []struct{ name, host, tls, why string }{
		{"the right authority", oneWay, "{ca: ca.pem}", ""},
		{"another authority", oneWay, "{ca: other-ca.pem}", "unknown authority"},
		{"a name that the certificate has", oneWay, "{ca: ca.pem, server_name: host.example}", ""},
		{"a name that it lacks", oneWay, "{ca: ca.pem, server_name: elsewhere.example}", "not elsewhere.example"},
		{"a host without TLS", plain, "{ca: ca.pem}", "TLS handshake"},
		{"mutual", mutual, "{ca: ca.pem, cert: client.pem, key: client.key}", ""},
		{"mutual, no certificate", mutual, "{ca: ca.pem}", "sign-on"},
		{"mutual, another authority's", mutual, "{ca: ca.pem, cert: other-client.pem, key: other-client.key}", "sign-on"},
		{"1.2 by default", old, "{ca: ca.pem}", "protocol version"},
		{"1.2 where 1.3 is wanted", old, `{ca: ca.pem, min_version: "1.3"}`, "protocol version"},
		{"1.2 where it is allowed", old, `{ca: ca.pem, min_version: "1.2"}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			tx, host := sell(t, dir, c.host, c.tls)
			if c.why == "" {
				if tx.State != "approved" || !host.Up {
					t.Fatalf("%+v %+v", tx, host)
				}
				return
			}
			if tx.State != "not_sent" || host.Up || !strings.Contains(host.Error, c.why) {
				t.Fatalf("%s, %q, want the reason %q", tx.State, host.Error, c.why)
			}
		})
	}
}

func startHost(t *testing.T, c hostsim.Config) string {
	t.Helper()
	h, err := hostsim.New(c, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h.Addr(0)
}

// terminator speaks TLS 1.2 and nothing newer, in front of a plain host.
func terminator(t *testing.T, dir, host string) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(dir+"/server.pem", dir+"/server.key")
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { relay(c, host) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String()
}

func relay(c net.Conn, host string) {
	defer func() { _ = c.Close() }()
	up, err := net.Dial("tcp", host)
	if err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(c, up)
		_ = c.Close()
	}()
	_, _ = io.Copy(up, c)
	_ = up.Close()
	<-done
}

// sell runs an agent from a configuration file and makes one sale.
func sell(t *testing.T, dir, host, tlsBlock string) (*client.Transaction, client.Host) {
	t.Helper()
	file := filepath.Join(dir, "c.yaml")
	write(t, file, fmt.Sprintf(`
socket: s
journal: j
key_file: k
acquirers:
  - name: one
    profile: iso87-ascii
    hosts: [%q]
    tls: %s
    rules: {send_timeout: 5s}
terminals: [{tid: T1, mid: M1, acquirer: one}]
`, host, tlsBlock), 0o600)
	c, err := config.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	opts := agent.Options{Journal: journal.NewMemory(make([]byte, 32))}
	if err := c.Fill(&opts); err != nil {
		t.Fatal(err)
	}
	a, err := agent.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	l, err := agent.Listen(c.Socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := a.Server(agent.APIOptions{PeerOf: agent.PeerCredentials(nil)})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Run(ctx) })
	wg.Go(func() { _ = srv.Serve(l) })
	api := client.New(c.Socket)
	defer func() {
		cancel()
		_ = srv.Close()
		wg.Wait()
		api.Close()
	}()
	h, err := api.Health(ctx)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := api.Begin(ctx, client.NewUUID(), client.Begin{
		Type: iso8583.Sale, Terminal: "T1", Epoch: h.Epoch, Amount: 100, Currency: "CNY", Sale: "S1", Card: client.Card{PAN: "4111111111111111"},
	}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if h, err = api.Health(ctx); err != nil {
		t.Fatal(err)
	}
	return tx, h.Hosts[0]
}
