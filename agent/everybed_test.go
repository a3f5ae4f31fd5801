package agent_test

import (
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
)

// everyBed, where it is set, changes every bed and its host before a test does.
var everyBed func(*bed, *hostsim.Config)

// The rows run in the dialect with MACs and keys too: the same tests, over the
// same faults, with everything signed.
func TestRowsUnderUnionPay(t *testing.T) {
	everyBed = func(b *bed, c *hostsim.Config) {
		c.Profile = "unionpay"
		unionpay(b)
	}
	defer func() { everyBed = nil }()
	for name, row := range map[string]func(*testing.T){
		"C05 connection lost": TestC05ConnectionLost, "C05 frames": TestC05Frames, "C06 no failover": TestC06NoFailoverAfterTheFirstByte,
		"C07": TestC07AnotherIdentity, "C08": TestC08AmountDiffers, "C09": TestC09CodeMissingOrUnknown, "C10": TestC10Unparseable,
		"C11": TestC11DuplicateReply, "C22": TestC22LostVoidLeavesTheDebit, "C28": TestC28PartialApproval, "void": TestVoid,
		"refunds": TestRefundsNeverExceedTheSale, "hold": TestPreAuthCompletionAndVoid, "balance": TestBalanceMovesNothing,
		"chip": TestChipAgainstTheSimulatedAcquirer,
	} {
		t.Run(name, row)
	}
}

// otherwise are the rows that end in another way under unionpay: it matches DE 42,
// and its connections end before a frame that is too long does.
var otherwise = []string{"shifted MID", "length too long for the body"}

// C.27: the card declines after the host's 00: the 0400 says 06, carries the
// listed tags, and is signed.
func TestC27UnionPayCardDeclines(t *testing.T) {
	b := newBed(t, hostsim.Config{Profile: "unionpay", Tombstones: true}, unionpay)
	b.signedOn()
	id, body := client.NewUUID(), b.sale("S1", 100)
	body.Card = inserted()
	b.begin(id, body)
	if _, err := b.client.ConfirmWith(b.ctx(), id, refusedByCard); client.AsProblem(err) == nil {
		t.Fatal("a declining verdict was confirmed")
	}
	b.untilState(id, "reversed")
	for _, m := range b.host.Messages() {
		// 95, 9F1E, 9F10 and 9F36, masked to their length.
		if m.MTI == "0400" && (m.Fields[39] != "06" || m.Fields[55] != "[66 characters]" || !m.Signed) {
			t.Errorf("%v, signed %v", m.Fields, m.Signed)
		}
	}
	if b.net() != 0 {
		t.Errorf("the ledger holds %d", b.net())
	}
}
