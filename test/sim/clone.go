package sim

import (
	"maps"
	"slices"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// clone is an independent copy of the world, to branch from. It is for
// exhaustive runs: no flips, no cold transactions, no reports under way.
func (w *World) clone() *World {
	n := *w
	left := *w.budget
	n.budget, n.acts, n.trace = &left, nil, slices.Clip(w.trace)
	n.txns, n.apps = make([]*Txn, len(w.txns)), make([]*app, len(w.apps))
	copied := make([]Txn, len(w.txns))
	for i, t := range w.txns {
		copied[i] = *t
		n.txns[i] = &copied[i]
	}
	for i, a := range w.apps {
		c := *a
		c.cur, c.left, c.job.original = n.same(a.cur), n.same(a.left), n.same(a.job.original)
		n.apps[i] = &c
	}
	for _, t := range n.txns {
		t.owner, t.original = n.apps[t.owner.id], n.same(t.original)
	}
	n.net = slices.Clone(w.net)
	for i := range n.net {
		n.net[i].t = n.same(n.net[i].t)
	}
	n.keys.net = slices.Clone(w.keys.net)
	n.ends = slices.Clip(w.ends)
	n.cloneBatches(w)
	n.cloneHosts(w)
	n.disk.batch, n.disk.bytes = slices.Clone(w.disk.batch), slices.Clone(w.disk.bytes)
	n.disk.durable = slices.Clip(w.disk.durable)
	n.cloneAgent(w)
	return &n
}

// same is this world's copy of another world's transaction.
func (w *World) same(t *Txn) *Txn {
	if t == nil {
		return nil
	}
	return w.named(t.uuid)
}

func (w *World) cloneBatches(from *World) {
	w.serials = maps.Clone(from.serials)
	w.batches, w.wire = make([]*batch, len(from.batches)), slices.Clone(from.wire)
	for i, b := range from.batches {
		c := *b
		c.said, c.taken = maps.Clone(b.said), slices.Clip(b.taken)
		w.batches[i] = &c
	}
	for i := range w.wire {
		w.wire[i].b = w.batchOf(w.wire[i].b.group)
	}
}

func (w *World) cloneHosts(from *World) {
	w.hosts = make([]*host, len(from.hosts))
	for i, h := range from.hosts {
		if i > 0 && h.ledger == from.hosts[0].ledger {
			w.hosts[i] = &host{ledger: w.hosts[0].ledger}
			continue
		}
		l := &ledger{n: h.ledger.n, accounts: make([]*account, len(h.ledger.accounts))}
		copied := make([]account, len(l.accounts))
		for i, a := range h.ledger.accounts {
			copied[i] = *a
			copied[i].t = w.same(a.t)
			l.accounts[i] = &copied[i]
		}
		for _, c := range l.accounts {
			if c.of != nil {
				c.of = l.find(c.of.key)
			}
		}
		w.hosts[i] = &host{ledger: l}
	}
}

// cloneAgent copies the agent. The machine and the view are copied when either
// world changes them. Its fence is built anew from what it holds,
// through the fence's own methods.
func (w *World) cloneAgent(from *World) {
	a := &w.agent
	from.agent.shared, from.agent.viewShared = true, true
	a.shared, a.viewShared = true, true
	a.held, a.reports = slices.Clone(from.agent.held), nil
	a.fence = txn.Fence{}
	for i, r := range a.held {
		if i == a.syncing {
			a.fence.Batch()
		}
		a.fence.Push(r)
	}
	if a.syncing > 0 && a.syncing == len(a.held) {
		a.fence.Batch()
	}
}
