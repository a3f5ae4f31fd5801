package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent/config"
	"github.com/counterfoil-pos/counterfoil/hostsim"
)

func TestCheck(t *testing.T) {
	b := newBed(t, declining)
	file := filepath.Join(b.dir, "counterfoil.yaml")
	golden(t, "check-beside-the-daemon", b.mask(command(t, "check", "--config", file).String()))
	if err := b.end(); err != nil {
		t.Fatal(err)
	}
	golden(t, "check", b.mask(command(t, "check", "--config", file).String()))
	if err := b.host.Close(); err != nil {
		t.Fatal(err)
	}
	golden(t, "check-no-host", b.mask(command(t, "check", "--config", file).String()))
	golden(t, "check-offline", b.mask(command(t, "check", "--config", file, "--offline").String()))
	r := command(t, "check", "--config", file, "--json")
	var got struct {
		OK       bool
		Findings []finding
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || got.OK || r.code != exitFailed || len(got.Findings) != 11 || r.errOut != "" {
		t.Errorf("%v: %v", err, r)
	}
	// The journal was not changed by anybody's looking, and another key is noticed.
	write(t, filepath.Join(b.dir, "other.key"), strings.Repeat("ab", 32))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, strings.Replace(string(text), "journal.key", "other.key", 1))
	golden(t, "check-other-key", b.mask(command(t, "check", "--config", file, "--offline").String()))
	write(t, file, string(text)+"colour: blue\n")
	golden(t, "check-unknown-key", b.mask(command(t, "check", "--config", file).String()))
}

// A host that accepts and says nothing sensible is no host.
func TestCheckHostTalksNonsense(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("\x00\x04HTTP"))
			_ = c.Close()
		}
	}()
	d := &devDir{path: shortDir(t)}
	if err := d.write(l.Addr().String(), devProfile); err != nil {
		t.Fatal(err)
	}
	r := command(t, "check", "--config", d.config())
	if r.code != exitFailed || !strings.Contains(r.out, "the echo failed") || !strings.Contains(r.out, "to do: see whether the profile") {
		t.Errorf("%v", r)
	}
}

func TestCheckFindings(t *testing.T) {
	dir := shortDir(t)
	cfg := &config.Config{Zone: "Asia/Shanghai", Journal: filepath.Join(dir, "none", "journal"), KeyFile: filepath.Join(dir, "key")}
	for name, f := range map[string]finding{
		"directory": checkDirectory(cfg), "disk": checkSpace(cfg), "key": checkKey(cfg),
		"long socket":       checkSocket(&config.Config{Socket: "/" + strings.Repeat("x", 120)}),
		"socket of a file":  checkSocket(&config.Config{Socket: filepath.Join(touch(t, filepath.Join(dir, "file")), "s")}),
		"socket of anybody": checkSocket(&config.Config{Socket: filepath.Join(open777(t, filepath.Join(dir, "open")), "s")}),
		"clock of 1970":     checkClock(cfg, time.Unix(0, 0)),
	} {
		if f.OK || f.Fix == "" || f.Detail == "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
	for name, f := range map[string]finding{
		"no journal yet": (&app{}).checkJournal(cfg),
		"no socket yet":  checkSocket(&config.Config{Socket: filepath.Join(dir, "later", "s")}),
		"a good clock":   checkClock(cfg, time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)),
	} {
		if !f.OK || f.Fix != "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("check left something behind: %v, %v", left, err)
	}
}

func touch(t *testing.T, path string) string {
	t.Helper()
	write(t, path, "")
	return path
}

func open777(t *testing.T, path string) string {
	t.Helper()
	must(os.Mkdir(path, 0o700))
	must(os.Chmod(path, 0o777))
	return path
}

// certificate makes a self-signed certificate for 127.0.0.1, as PEM files.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: privateDER})))
	return cert, key
}

// A host that cannot prove who it is fails, whatever else it answers.
func TestCheckTLS(t *testing.T) {
	dir := shortDir(t)
	cert, key := certificate(t, dir)
	h, err := hostsim.New(hostsim.Config{TLS: &hostsim.TLS{Certificate: cert, Key: key}}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	other, _ := certificate(t, t.TempDir())
	for ca, want := range map[string]string{cert: "connected, TLS verified, echo answered 00", other: "does not prove who it is"} {
		d := &devDir{path: shortDir(t)}
		if err := d.write(h.Addr(0), devProfile); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(d.config())
		if err != nil {
			t.Fatal(err)
		}
		write(t, d.config(), strings.Replace(string(text), "    rules:", "    tls: {ca: "+ca+"}\n    rules:", 1))
		if r := command(t, "check", "--config", d.config()); !strings.Contains(r.out, want) || (r.code == exitOK) != (ca == cert) {
			t.Errorf("want %q: %v", want, r)
		}
	}
}

// Receivers are tried, and told nothing.
func TestCheckReceivers(t *testing.T) {
	dir := shortDir(t)
	b := newBed(t, declining)
	opts := func(section string) []finding {
		file := filepath.Join(dir, "c.yaml")
		write(t, file, strings.ReplaceAll(fmt.Sprintf(devConfig, devProfile, b.host.Addr(0), ""), "journal.key", filepath.Join(b.dir, "journal.key"))+section)
		var out []finding
		for _, f := range (&app{stderr: io.Discard}).check(t.Context(), file, false) {
			if strings.HasPrefix(f.Name, "receiver") {
				out = append(out, f)
			}
		}
		return out
	}
	good := opts("push: {receivers: [{name: a, file: items}, {name: b, command: [cat]}, {name: c, webhook: 'http://" + b.host.Addr(0) + "'}]}\n")
	if len(good) != 3 {
		t.Fatalf("%+v", good)
	}
	for _, f := range good {
		if !f.OK {
			t.Errorf("%+v", f)
		}
	}
	bad := opts("push: {receivers: [{name: a, file: none/items}, {name: b, command: [/nonexistent]}, {name: c, webhook: 'http://127.0.0.1:1/'}]}\n")
	if len(bad) != 3 {
		t.Fatalf("%+v", bad)
	}
	for _, f := range bad {
		if f.OK || f.Fix == "" {
			t.Errorf("%+v", f)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "items")); err == nil {
		t.Error("check left a file behind")
	}
}
