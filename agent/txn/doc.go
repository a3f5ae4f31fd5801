// Package txn is the life of a transaction, and the only place where a
// decision about money is made. It is pure: no I/O, no clock, no goroutine, no
// randomness. Time comes in as an argument, what happened as an Event; what to
// do comes out as a Ready, to be obeyed from top to bottom.
//
// The durable state is a fold of Records and nothing else (Apply). What a
// Machine holds beyond that — deadlines, what was just sent — dies with the
// process, and no safety hangs on it.
//
// STATES.md is the state table, generated from the code.
package txn
