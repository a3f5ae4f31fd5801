// Package interop asks programs that share no code with this project what they
// see in what it sends. Each test skips, with words, where its program is not
// installed.
package interop

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// goldenDir has the messages of each dialect as they are on the wire.
const goldenDir = "../../iso8583/profile/testdata"

// hostPort is where the packets of the capture go to.
const hostPort = 8583

// TestTshark has Wireshark's dissector read every golden message of the
// dialects that it knows: ISO 8583:1987 in ASCII. It has no idea of a TPDU, of
// a message header, or of where an odd number of packed digits begins, so that
// the unionpay dialect is not put before it.
func TestTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed: nobody else looks at the messages (Debian: apt-get install tshark)")
	}
	for _, name := range []string{"iso87-ascii", "iso87-ascii-advice"} {
		t.Run(name, func(t *testing.T) {
			p, err := profile.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join(goldenDir, name, "*.hex"))
			if err != nil || len(files) < 10 {
				t.Fatalf("%d golden files, %v", len(files), err)
			}
			var frames [][]byte
			// Its tables have 15 digits for DE 86–89, where the standard has 16: from there on it reads something else.
			files = slices.DeleteFunc(files, func(f string) bool {
				return strings.Contains(f, "settle.request") || strings.Contains(f, "upload_end")
			})
			for _, f := range files {
				frames = append(frames, goldenFrame(t, f))
			}
			seen := dissect(t, tshark, frames)
			for i, f := range files {
				compare(t, p, filepath.Base(f), frames[i], seen[i])
			}
		})
	}
}

// goldenFrame reads the bytes of a golden file: a name, then hexadecimal.
func goldenFrame(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") || len(line) < 11 {
			continue
		}
		b, err := hex.DecodeString(strings.Join(strings.Fields(line[10:]), ""))
		if err != nil {
			t.Fatalf("%s: %q: %v", path, line, err)
		}
		out = append(out, b...)
	}
	return out
}

// fields is what tshark is asked for: MTI, and each data element.
func fields() []string {
	all := []string{"iso8583.mti"}
	for de := 2; de <= 128; de++ {
		if de != 65 {
			all = append(all, fmt.Sprintf("iso8583.bit%d", de))
		}
	}
	return all
}

// dissect gives, for each frame, tshark's value of each field.
func dissect(t *testing.T, tshark string, frames [][]byte) []map[string]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "frames.pcap")
	if err := os.WriteFile(file, capture(frames), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{
		"-n", "-r", file, "-d", fmt.Sprintf("tcp.port==%d,iso8583", hostPort), "-o", "iso8583.len_endian:Big endian",
		"-T", "fields", "-E", "separator=|",
	}
	for _, f := range fields() {
		args = append(args, "-e", f)
	}
	cmd := exec.Command(tshark, args...)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v: %s", err, errOut.String())
	}
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	if len(lines) != len(frames) {
		t.Fatalf("tshark saw %d packets, want %d: %s", len(lines), len(frames), errOut.String())
	}
	var seen []map[string]string
	for _, line := range lines {
		values := map[string]string{}
		for i, v := range strings.Split(line, "|") {
			values[fields()[i]] = v
		}
		seen = append(seen, values)
	}
	return seen
}

// compare holds tshark's reading against ours. It prints no value: it may be
// card data.
func compare(t *testing.T, p *profile.Profile, name string, framed []byte, seen map[string]string) {
	t.Helper()
	body, _, err := p.Frame.Cut(framed)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	m, err := p.Unpack(body)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if seen["iso8583.mti"] != string(m.MTI) {
		t.Errorf("%s: tshark reads the MTI %q, want %s", name, seen["iso8583.mti"], m.MTI)
	}
	for de := 2; de <= 128; de++ {
		got := strings.TrimRight(seen[fmt.Sprintf("iso8583.bit%d", de)], " ")
		if !strings.EqualFold(got, m.Get(de)) {
			t.Errorf("%s: data element %d: tshark reads %s, we %s", name, de, iso8583.MaskElement(de, got), m.Masked(de))
		}
	}
}

// capture is a pcap file of one TCP segment for each frame, each from a port
// of its own.
func capture(frames [][]byte) []byte {
	var b bytes.Buffer
	le := binary.LittleEndian
	put := func(parts ...any) {
		for _, v := range parts {
			_ = binary.Write(&b, le, v) // into memory
		}
	}
	put(uint32(0xA1B2C3D4), uint16(2), uint16(4), uint32(0), uint32(0), uint32(65535), uint32(101)) // raw IP
	for i, f := range frames {
		ip := make([]byte, 40, 40+len(f))
		be := binary.BigEndian
		ip[0] = 0x45
		be.PutUint16(ip[2:], uint16(40+len(f)))
		ip[8], ip[9] = 64, 6
		copy(ip[12:], []byte{127, 0, 0, 1, 127, 0, 0, 2})
		be.PutUint16(ip[20:], uint16(20000+i))
		be.PutUint16(ip[22:], hostPort)
		be.PutUint32(ip[24:], 1)
		ip[32], ip[33] = 5<<4, 0x18 // no options; PSH, ACK
		be.PutUint16(ip[34:], 65535)
		ip = append(ip, f...)
		put(uint32(i), uint32(0), uint32(len(ip)), uint32(len(ip)))
		b.Write(ip)
	}
	return b.Bytes()
}
