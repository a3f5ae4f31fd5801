// Package iso8583 is the project's vocabulary: the nouns of ISO 8583 that the
// agent, the journal's users and the simulated acquirer share. It imports the
// standard library only and does no I/O.
//
// How a message looks on the wire is the business of package profile; what a
// transaction does with it is decided in agent/txn.
package iso8583
