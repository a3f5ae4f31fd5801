// Package agent is the shell around the pure core: it owns the sockets, the
// journal and the clock, and obeys what agent/txn decides.
//
// One goroutine, the loop, owns the Machine: it takes an event, steps, and
// pushes what comes out behind the Fence. One goroutine makes batches durable.
// Only then is a Ready released: to the view that the API reads, to the host,
// to the timers, to whoever waits for an answer. If the journal fails, the
// agent stops and the process exits: recovery is the only way on.
package agent
