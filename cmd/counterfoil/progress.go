package main

import "time"

// What takes longer than this tells how it goes.
const soon = time.Second

// slow notes, should it last, what is being done until the function that it
// returns is called. Meanwhile nothing else may be printed.
func (a *app) slow(what string) (done func()) {
	noted := make(chan struct{})
	t := time.AfterFunc(soon, func() {
		a.note("  %s …", what)
		close(noted)
	})
	return func() {
		if !t.Stop() {
			<-noted
		}
	}
}

// progress tells how a long run goes, once a second.
type progress struct {
	app  *app
	what string
	last time.Time
}

func (a *app) progress(what string) *progress { return &progress{a, what, time.Now()} }

func (p *progress) at(n int) {
	if n%1024 == 0 && time.Since(p.last) >= soon {
		p.last = time.Now()
		p.app.note("  %s: %d entries", p.what, n)
	}
}
