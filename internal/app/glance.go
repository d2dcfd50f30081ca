package app

import (
	"sync"
	"time"
)

// glanceWait is how long who asks for the metrics waits for an answer that others hold up.
const glanceWait = 100 * time.Millisecond

// glance looks at something that others may hold for a while, for one who does not wait that long: he gets what was seen
// last. There is one look at a time, in a goroutine of its own that close joins.
type glance[T any] struct {
	look func() T

	wg      sync.WaitGroup
	mu      sync.Mutex // guards what follows
	seen    T
	known   bool
	looking chan struct{} // closed when the look under way is over; nil = there is none
}

// get gives what is seen now or, after glanceWait, what was seen last. It is not known if nothing ever was.
func (g *glance[T]) get() (seen T, known bool) {
	over := g.begin()
	timer := time.NewTimer(glanceWait)
	defer timer.Stop()
	select {
	case <-over:
	case <-timer.C:
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seen, g.known
}

// begin begins a look, unless there is one, and gives what is closed when it is over.
func (g *glance[T]) begin() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.looking != nil {
		return g.looking
	}
	over := make(chan struct{})
	g.looking = over
	g.wg.Go(func() {
		defer close(over)
		seen := g.look()
		g.mu.Lock()
		defer g.mu.Unlock()
		g.seen, g.known, g.looking = seen, true, nil
	})
	return over
}

// close waits for the look that is under way. Nobody may ask any more.
func (g *glance[T]) close() error {
	g.wg.Wait()
	return nil
}
