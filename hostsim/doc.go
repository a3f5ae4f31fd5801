// Package hostsim is a simulated acquirer: it speaks a profile's dialect of
// ISO 8583 over TCP or TLS, keeps a durable ledger of what it debited and gave
// back, and misbehaves on demand.
//
// It is the oracle of every test and of the demo, so it shares nothing with
// the agent but the vocabulary and the codec (iso8583/...): who judges must not
// have the defendant's bugs.
//
// Its parts: the ledger is pure (ledger.go folds events, ledger_rules.go and
// ledger_find.go decide), a policy says how where hosts differ (policy.go; in
// personalities/ are hosts that were seen), a book makes it durable (book.go,
// ledger_file.go), a session answers one connection (session.go, message.go; in
// unionpay.go that dialect is put into the words of the generic one, and
// terminal_key.go has its working keys),
// faults are scripted (fault.go, fault_set.go, fault_wire.go), and the control
// API shows and changes all of it (control.go).
package hostsim
