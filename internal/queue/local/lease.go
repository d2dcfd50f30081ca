package local

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

// waiter is a call of Lease that waits for a job.
type waiter struct {
	r       queue.LeaseRequest
	outside bool                // of a worker outside the process
	without map[string]struct{} // types it may not have, if it names none
	now     bool                // it does not wait
	node    *node               // nil = nameless
	told    chan struct{}       // closed when got is filled, or when it is to come back empty
	got     []*hold
}

func (w *waiter) wants(ln *lane, low bool) bool {
	return (!low || !ln.writing) && wantsQueue(w.r, ln.queue.name) && w.wantsType(ln.typ) && (w.node == nil || !w.node.draining)
}

func (w *waiter) wantsType(typ string) bool {
	if w.r.Types == nil {
		_, not := w.without[typ]
		return !not
	}
	return slices.Contains(w.r.Types, typ)
}

func wantsQueue(r queue.LeaseRequest, name string) bool {
	return !slices.Contains(r.Skip, name) && (r.Queues == nil || slices.Contains(r.Queues, name))
}

// Lease implements queue.Engine.
func (e *Engine) Lease(ctx context.Context, r queue.LeaseRequest) ([]queue.Leased, error) {
	r.Max = max(r.Max, 1)
	for {
		e.measureSpace()
		holds, err := e.waitForJobs(ctx, &waiter{r: r})
		if err != nil {
			return nil, err
		}
		out, err := e.start(ctx, holds)
		if len(out) > 0 || err != nil {
			return out, err
		}
	}
}

// measureSpace notes whether jobs that write may be started, and hands them out when they may again.
func (e *Engine) measureSpace() {
	if !e.writes.Load() {
		return // nobody asks
	}
	low := errcode.Is(e.cfg.Space.CheckSpace(0), errcode.DiskFull)
	if !e.lowSpace.Swap(low) || low {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.grantAll()
}

// grantAll hands out what those that wait may have now, in the order that they would have found it in. e.mu is held.
func (e *Engine) grantAll() {
	low := e.lowSpace.Load()
	e.table.waiters = slices.DeleteFunc(e.table.waiters, func(w *waiter) bool {
		p := e.choose(w, low)
		if p.lane != nil {
			e.hand(w, p)
		}
		return p.lane != nil
	})
}

// grantLine hands out what those that wait may have of a queue, the most important and oldest first. e.mu is held.
func (e *Engine) grantLine(q *line) {
	if len(e.table.waiters) == 0 {
		return
	}
	low, now := e.lowSpace.Load(), e.cfg.Clock.Elapsed()
	e.table.waiters = slices.DeleteFunc(e.table.waiters, func(w *waiter) bool {
		if !wantsQueue(w.r, q.name) || e.closedFor(q, now) {
			return false
		}
		p := e.next(q, w, low, now)
		if p.lane != nil {
			e.hand(w, p)
		}
		return p.lane != nil
	})
}

// next gives the next job of a queue for w. e.mu is held.
func (e *Engine) next(q *line, w *waiter, low bool, now time.Duration) place {
	ln := e.front(q, w, low)
	if ln != nil && e.table.mode.Mode == queue.Strict {
		if p := e.aged([]turn{{q, ln}}, w, low, now); p.lane != nil {
			return p
		}
	}
	return place{lane: ln}
}

// hand gives a job to one that waits, who is to be taken out of the list. e.mu is held.
func (e *Engine) hand(w *waiter, p place) {
	w.got = append(w.got, e.pick(p, w.r))
	close(w.told)
}

// waitForJobs takes jobs out of the lanes, at least one, unless w does not wait or is sent away. A job that is handed
// over in the moment ctx ends is taken.
func (e *Engine) waitForJobs(ctx context.Context, w *waiter) ([]*hold, error) {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, queue.ErrClosed
	}
	if ctx.Err() != nil {
		e.mu.Unlock()
		return nil, fmt.Errorf("lease: %w", context.Cause(ctx))
	}
	if w.node = e.seen(w.r.Worker, w.outside); w.node != nil {
		w.node.asks(w.r)
	}
	if e.takeFor(w); len(w.got) > 0 || w.now || (w.outside && w.node != nil && w.node.draining) {
		e.mu.Unlock()
		return w.got, nil
	}
	w.told = make(chan struct{})
	e.table.waiters = append(e.table.waiters, w)
	e.mu.Unlock()

	var err error
	select {
	case <-w.told:
	case <-ctx.Done():
		err = fmt.Errorf("lease: %w", context.Cause(ctx))
	case <-e.done:
		err = queue.ErrClosed
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(w.got) > 0 {
		e.takeFor(w) // more may have come with it
		return w.got, nil
	}
	e.table.waiters = slices.DeleteFunc(e.table.waiters, func(o *waiter) bool { return o == w })
	return nil, err
}

// takeFor takes up to as many jobs as w wants. e.mu is held.
func (e *Engine) takeFor(w *waiter) {
	low := e.lowSpace.Load()
	for len(w.got) < w.r.Max {
		p := e.choose(w, low)
		if p.lane == nil {
			return
		}
		w.got = append(w.got, e.pick(p, w.r))
	}
}

// pick leases the job in a place, claimed until it is started. e.mu is held.
func (e *Engine) pick(p place, r queue.LeaseRequest) *hold {
	ln, j := p.lane, e.take(p)
	e.unpromote(j.n)
	e.lastToken++
	h := &hold{
		n: j.n, token: e.lastToken, lane: ln, slot: -1, worker: r.Worker, onCancel: r.OnCancel, started: e.cfg.Clock.Elapsed(),
		since: j.since,
	}
	h.read = e.table.ahead.jobs[j.n]
	e.table.holds[j.n] = h
	e.newClaim(j.n)
	ln.queue.counts[queue.Ready]--
	e.began(h)
	return h
}

// grant hands a job of a lane to the first that waits for one. e.mu is held.
func (e *Engine) grant(ln *lane) {
	if len(e.table.waiters) == 0 || e.closedFor(ln.queue, e.cfg.Clock.Elapsed()) {
		return
	}
	low := e.lowSpace.Load()
	for i, w := range e.table.waiters {
		if !w.wants(ln, low) {
			continue
		}
		if e.clean(ln) {
			e.hand(w, place{lane: ln})
			e.table.waiters = slices.Delete(e.table.waiters, i, i+1)
		}
		return
	}
}

// start reads the jobs that were taken and gives those that can be run.
func (e *Engine) start(ctx context.Context, holds []*hold) ([]queue.Leased, error) {
	out := make([]queue.Leased, 0, len(holds))
	var failed error
	for _, h := range holds {
		ok, err := e.startOne(ctx, h)
		if err != nil {
			failed = err
		}
		if ok {
			e.cfg.Recorder.Leased(h.lane.queue.name, h.waited, e.cfg.Clock.Elapsed()-h.started)
			j := h.job
			j.Payload = bytes.Clone(j.Payload)
			out = append(out, queue.Leased{Job: j, Lease: queue.Lease{ID: j.ID, Token: h.token}})
		}
	}
	if len(out) > 0 {
		return out, nil // the others are back in their lanes
	}
	return nil, failed
}

// startOne makes a taken job active. If it cannot be read it goes back, if it can never be read it is doomed.
func (e *Engine) startOne(ctx context.Context, h *hold) (bool, error) {
	r, j, err := e.loadLeased(ctx, h)
	at := e.now()
	h.stored = r
	h.waited = age(at.wall, j.CreatedAt, r.RunAt)
	if err == nil {
		r.State, err = startState(r.State, at.wall)
	}
	var spent uniqueHash
	first := err == nil && startsFirst(r, j)
	if first {
		spent = hashUnique(j.UniqueKey)
		r.more |= keyLetGo
	}
	if err == nil {
		describe(&j, h.n, r)
		j.Worker = h.worker
		h.slot = e.slots.put(h.n, r.Attempt)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		h.rec, h.job = r, j
		if first {
			e.table.keys.letGo(spent, h.n)
		}
		e.unclaim(e.table.claims[h.n])
		return true, nil
	}
	return false, e.putBack(h, err)
}

// putBack ends a lease that could not be started; a job that can never be read is doomed, and then there is no error.
// e.mu is held.
func (e *Engine) putBack(h *hold, err error) error {
	c := e.table.claims[h.n]
	delete(e.table.holds, h.n)
	e.notBegun(h, func() {
		counts := h.lane.queue.counts
		switch s := h.stored.Status; {
		case s.Final(): // a commit that was said to have failed was durable all the same
			e.table.keys.letGoAll(h.n)
			e.end(h.n, h.stored, nil)
			err = nil
		case isCorrupt(err):
			e.log.Error("job record damaged", "job", formatID(h.n), "queue", h.lane.queue.name, "error", err)
			counts[queue.Ready]++
			e.table.promoted[h.n] = h.since // it is counted as ready, whatever its record says
			e.table.doomed[h.n] = doom{code: errcode.Corrupt, message: damageText, rec: h.lane.record()}
			e.nudge()
			err = nil
		default:
			counts[queue.Ready]++
			if s == queue.Scheduled || s == queue.Retry || s == queue.Waiting {
				e.table.promoted[h.n] = h.since
			}
			c.passed, c.since = h.lane, h.since
		}
		e.unclaim(c)
	})
	return err
}

// Progress implements queue.Engine.
func (e *Engine) Progress(l queue.Lease, p queue.Progress) {
	n, err := parseID(l.ID)
	if err != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if h := e.table.holds[n]; h != nil && h.token == l.Token {
		h.progress = p
		e.note(n)
	}
}
