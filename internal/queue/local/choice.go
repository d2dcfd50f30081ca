package local

import (
	"container/heap"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
)

// place is where a job is that may be leased.
type place struct {
	lane *lane // nil = there is none
	i    int   // of its entry there
}

// choose gives the next job of w. Weighted: queues take turns in proportion to their weights (smooth weighted round
// robin, so none starves). Strict: those of the largest weight take turns, but first comes whatever has waited for the
// ageing time. Inside a queue the most important comes first, then the oldest. e.mu is held.
func (e *Engine) choose(w *waiter, low bool) place {
	some := e.turns[:0]
	now := e.cfg.Clock.Elapsed()
	strict := e.table.mode.Mode == queue.Strict
	for _, q := range e.table.order {
		if !wantsQueue(w.r, q.name) || e.closedFor(q, now) {
			continue
		}
		if ln := e.front(q, w, low); ln != nil {
			some = append(some, turn{q, ln})
		}
	}
	e.turns = some
	if strict {
		if p := e.aged(some, w, low, now); p.lane != nil {
			return p
		}
		some = heaviest(some)
	}
	best, total := -1, 0
	for i, t := range some {
		t.line.current += t.line.share()
		total += t.line.share()
		if best < 0 || t.line.current > some[best].line.current {
			best = i
		}
	}
	if best < 0 {
		return place{}
	}
	some[best].line.current -= total
	return place{lane: some[best].lane}
}

// turn is a queue that has a job, and the lane the job is in.
type turn struct {
	line *line
	lane *lane
}

// heaviest gives those of some queues that are served before the others in mode strict.
func heaviest(some []turn) []turn {
	most := 0
	for _, t := range some {
		most = max(most, t.line.share())
	}
	return slices.DeleteFunc(some, func(t turn) bool { return t.line.share() < most })
}

// aged gives the job that has waited longest of those in some queues that have waited for the ageing time: of several,
// the most important. e.mu is held.
func (e *Engine) aged(some []turn, w *waiter, low bool, now time.Duration) (best place) {
	limit := -ticksAt(e.table.mode.Ageing - now) // rounded down
	for _, t := range some {
		for _, ln := range t.line.lanes {
			if !w.wants(ln, low) {
				continue
			}
			i, ok := e.oldest(ln, limit, now)
			if !ok {
				continue
			}
			if p := (place{ln, i}); best.lane == nil || p.before(best) {
				best, limit = p, ln.ready[i].since
			}
		}
	}
	return best
}

// before reports whether of two jobs that have waited for the ageing time the one is to come before the other.
func (p place) before(o place) bool {
	a, b := p.lane.ready[p.i], o.lane.ready[o.i]
	switch {
	case a.since != b.since:
		return a.since < b.since
	case p.lane.priority != o.lane.priority:
		return p.lane.priority > o.lane.priority
	default:
		return a.n < b.n
	}
}

// oldest gives the entry of a lane that has waited longest, if it has since before a limit or just then; those that
// may not be leased are taken out on the way. e.mu is held.
func (e *Engine) oldest(ln *lane, limit tick, now time.Duration) (i int, ok bool) {
	for aside := 0; len(ln.ready) > 0 && ln.ready[0].oldest <= limit; {
		i := ln.ready.oldest()
		if since := e.table.gone.readySince(ln.ready[i], ln); since != ln.ready[i].since {
			ln.ready.correct(i, since)
			continue
		}
		switch e.check(place{ln, i}, now) {
		case fit:
			return i, true
		case atLimit:
			if aside++; aside == asideMost {
				e.cleanLater(ln)
				return 0, false
			}
		case notThere:
		}
	}
	return 0, false
}

// front gives the lane with the first job of a queue that w may have. e.mu is held.
func (e *Engine) front(q *line, w *waiter, low bool) *lane {
	var best *lane
	for _, ln := range q.lanes {
		if best != nil && ln.priority < best.priority {
			break
		}
		if !w.wants(ln, low) || !e.clean(ln) {
			continue
		}
		if best == nil || ln.ready[0].n < best.ready[0].n {
			best = ln
		}
	}
	return best
}

// asideMost is how many jobs are set aside at once at most: a million jobs of one key would hold up everybody else for
// half a second.
const asideMost = 4096

// clean drops the entries at the front of a lane that are void, being changed or at a limit, and reports whether one is
// left. A job that is being changed comes back when its claim is given back, one at a limit when there is room. Where
// too many are at a limit, Run goes on. e.mu is held.
func (e *Engine) clean(ln *lane) bool {
	now := e.cfg.Clock.Elapsed()
	for aside := 0; len(ln.ready) > 0; {
		switch e.check(place{lane: ln}, now) {
		case fit:
			return true
		case atLimit:
			if aside++; aside == asideMost {
				e.cleanLater(ln)
				return false
			}
		case notThere:
		}
	}
	return false
}

// cleanLater has Run look at a lane again. e.mu is held.
func (e *Engine) cleanLater(ln *lane) {
	ln.queue.more = true
	e.nudge()
}

// fitness says whether an entry of a lane is a job that may be leased.
type fitness uint8

const (
	fit      fitness = iota
	notThere         // it is void, or being changed
	atLimit
)

// check looks at an entry; one that is not fit is taken out of its lane. e.mu is held.
func (e *Engine) check(p place, now time.Duration) fitness {
	ln, n := p.lane, p.lane.ready[p.i].n
	if e.table.gone.in(n, ln) {
		ln.ready.remove(p.i)
		return notThere
	}
	if c := e.table.claims[n]; c != nil {
		c.passed, c.since = ln, e.take(p).since
		return notThere
	}
	if k := e.blocked(ln, n, now); k != nil {
		heap.Push(&k.aside, asideJob{n: n, lane: ln, since: e.take(p).since})
		return atLimit
	}
	return fit
}

// take takes an entry that counts out of its lane. e.mu is held.
func (e *Engine) take(p place) readyJob {
	j := p.lane.ready.remove(p.i)
	j.since = e.table.gone.readySince(j, p.lane)
	e.table.gone.left(j.n, p.lane)
	return j
}
