package main

import "sync"

// crew is group commit for an engine that writes one batch at a time: one
// goroutine takes everything that waits, writes it and wakes the writers. It
// never waits for a batch to fill.
type crew struct {
	eng  engine
	mu   sync.Mutex
	work *sync.Cond
	recs [][]byte
	wait *group
	stop bool
	done chan struct{}
}

// group is what the writers of one batch wait for.
type group struct {
	done chan struct{}
	err  error
}

func newGroup() *group { return &group{done: make(chan struct{})} }

func newCrew(eng engine) *crew {
	c := &crew{eng: eng, wait: newGroup(), done: make(chan struct{})}
	c.work = sync.NewCond(&c.mu)
	go c.run()
	return c
}

// Append returns when rec is durable.
func (c *crew) Append(rec []byte) error {
	c.mu.Lock()
	g := c.wait
	c.recs = append(c.recs, rec)
	c.mu.Unlock()
	c.work.Signal()
	<-g.done
	return g.err
}

func (c *crew) run() {
	defer close(c.done)
	var spare [][]byte
	for {
		c.mu.Lock()
		for len(c.recs) == 0 && !c.stop {
			c.work.Wait()
		}
		if len(c.recs) == 0 {
			c.mu.Unlock()
			return
		}
		batch, g := c.recs, c.wait
		c.recs, c.wait = spare[:0], newGroup()
		c.mu.Unlock()
		g.err = c.eng.Write(batch)
		close(g.done)
		spare = batch
	}
}

// Stop ends the goroutine; nobody appends any more.
func (c *crew) Stop() {
	c.mu.Lock()
	c.stop = true
	c.mu.Unlock()
	c.work.Signal()
	<-c.done
}
