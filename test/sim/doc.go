// Package sim is a world around the pure core: a disk, a shell, a network, an
// acquirer's host, payment applications and an operator, all of them able to
// fail, and all of them deterministic. The core runs in it as it does in the
// daemon: txn.Machine behind txn.Fence, its records encoded and decoded.
//
// What must hold (P1–P7 of safety.md) is judged by what happened in the world:
// what the host's ledger holds, what an application showed, which records are
// durable. The agent's memory is never asked.
//
// Two drivers choose what happens next. Explore goes through every schedule of
// a sale and its second attempt with a bounded number of crashes and faults;
// Run draws one long schedule from a seed. Both take every decision from a
// Choices, so that each run can be had again, and made shorter.
package sim
