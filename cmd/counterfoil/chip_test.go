package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

const testEMV = "9F2608A1A2A3A4A5A6A7A89F360200429505000000800084" + "07A0000003330101"

// A chip on the command line: the card agrees, declines, was not asked, and
// was asked later by another command.
func TestChipSale(t *testing.T) {
	b := newBed(t, hostsim.Config{Tombstones: true})
	emv := filepath.Join(t.TempDir(), "emv")
	if err := os.WriteFile(emv, []byte(testEMV+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	chip := []string{"--test-card", "1", "--emv", emv, "--entry-mode", "051", "--confirm"}
	sold := 0
	sell := func(name string, code int, args ...string) result {
		t.Helper()
		sold++ // an amount of its own: the same one twice is a suspected duplicate
		r := b.sale("", fmt.Sprintf("1.%02d", sold), name, append(chip, args...)...)
		if r.code != code {
			t.Errorf("%s: exit code %d, want %d\n%s", name, r.code, code, r)
		}
		noPAN(t, r.out+r.errOut)
		return r
	}
	sell("agrees", exitOK, "yes", "--chip", "tc")
	if r := sell("declines", exitNotApproved, "yes", "--chip", "aac"); !strings.Contains(r.out, "card_declined") {
		t.Error(r)
	}
	if r := sell("not-asked", exitRefused, "yes"); !strings.Contains(r.errOut, "chip_verdict_missing") {
		t.Error(r)
	}
	uuid := client.NewUUID()
	sell("later", exitUndecided, "leave", "--uuid", uuid)
	if r := command(t, "confirm", "--socket", b.socket, uuid, "--chip", "tc"); r.code != exitOK || !strings.Contains(r.out, "confirmed") {
		t.Error(r)
	}
	if r := command(t, "confirm", "--socket", b.socket, uuid, "--chip", filepath.Join(t.TempDir(), "none")); r.code == exitOK {
		t.Error(r)
	}
}

func TestPartialSale(t *testing.T) {
	b := newBed(t, hostsim.Config{Tombstones: true})
	if _, err := b.host.AddFault(hostsim.Fault{Action: hostsim.Partial, Amount: "70", Match: hostsim.Match{Kind: iso8583.KindSale}}); err != nil {
		t.Fatal(err)
	}
	r := b.sale("", "1.00", "P1", "--test-card", "1", "--confirm", "yes", "--partial", "accept")
	if r.code != exitOK || !strings.Contains(r.out, "0.70 CNY of 1.00 CNY") || !strings.Contains(r.out, "Still to pay: 0.30 CNY") {
		t.Error(r)
	}
	if r := b.sale("", "1.00", "P2", "--test-card", "1", "--confirm", "no", "--partial", "accept"); r.code != exitNotApproved || !strings.Contains(r.out, "partial_refused") {
		t.Error(r)
	}
	uuid := client.NewUUID()
	b.sale("", "2.00", "P3", "--test-card", "1", "--confirm", "leave", "--partial", "accept", "--uuid", uuid)
	if r := command(t, "confirm", "--socket", b.socket, uuid, "--amount", "1.00"); r.code == exitOK {
		t.Error(r)
	}
	if r := command(t, "confirm", "--socket", b.socket, uuid, "--amount", "0.70"); r.code != exitOK {
		t.Error(r)
	}
}
