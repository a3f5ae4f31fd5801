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
// a plan — a sale and its second attempt, a void of a paid sale, refunds in
// part, a hold, its release, its completion, a balance inquiry — with a bounded
// number of crashes and faults. Run draws one long schedule from a seed, of all
// types mixed; it ends with a time in which nothing goes wrong, a third of the
// runs in the middle of everything, and whatever is undecided must come to its
// end within its deadline. Both take every decision from a Choices, so that each
// run can be had again, and made shorter.
//
// A seed that breaks a property is shrunk: fewer sales, less kinds of trouble,
// fewer faults. With -sim.golden=NAME the shrunk run becomes a transcript of
// agent/txn: the core's events to the letter, with what happened around them.
//
// The run of 2 M transactions prints how often each square of the state table was
// passed through, and fails for one that was not, unless coverage_test.go says
// why it cannot be.
package sim
