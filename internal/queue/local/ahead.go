package local

import (
	"context"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// Reading ahead: one pass over neighbours costs a fraction of as many single reads, which are a third of what a lease
// costs otherwise.
const (
	aheadJobs  = 512       // that one pass reads at most
	aheadBytes = 256 << 10 // of bodies likewise
	aheadLine  = 256       // jobs that have to be in a lane for it to be worth while
)

// ahead holds the records of jobs that will be leased soon. What it holds is what the database has: whoever claims a
// job takes its records out. Engine.mu guards it.
type ahead struct {
	jobs    map[uint64]both
	reading bool
	// changed are the jobs that were claimed, or whose claim was given back, since the pass under way began: what it
	// read of them may be of before.
	changed map[uint64]struct{}
}

// both are the two records of a job.
type both struct {
	rec  record
	body []byte
}

func newAhead() ahead { return ahead{jobs: map[uint64]both{}, changed: map[uint64]struct{}{}} }

// touch is told of every claim, when it is taken and when it is given back.
func (a *ahead) touch(n uint64) {
	delete(a.jobs, n)
	if a.reading {
		a.changed[n] = struct{}{}
	}
}

// loadLeased is load for a job that was taken to be leased.
func (e *Engine) loadLeased(ctx context.Context, h *hold) (record, queue.Job, error) {
	if h.read.body == nil {
		e.readAhead(ctx, h)
		return e.load(h.n)
	}
	j, err := decodeBody(h.read.body)
	if err != nil {
		return e.load(h.n) // which says what is wrong
	}
	r := h.read.rec
	h.read = both{}
	describe(&j, h.n, r)
	return r, j, nil
}

// readAhead reads the records of the jobs that come after the one of h, if there are many and nobody else is at it.
// That it cannot is no error: whoever needs the records reads them.
func (e *Engine) readAhead(ctx context.Context, h *hold) {
	e.mu.Lock()
	a := &e.table.ahead
	if a.reading || len(h.lane.ready) < aheadLine || len(a.jobs) > aheadJobs/2 {
		e.mu.Unlock()
		return
	}
	a.reading = true
	e.mu.Unlock()
	read := e.readBoth(ctx, h.n)
	e.mu.Lock()
	defer e.mu.Unlock()
	a.keep(read, e.table.claims)
}

// keep ends a pass with what it read.
func (a *ahead) keep(read map[uint64]both, claims map[uint64]*claim) {
	a.reading = false
	clear(a.jobs) // what is left of the pass before is of jobs that nobody takes
	for n, x := range read {
		if _, changed := a.changed[n]; !changed && claims[n] == nil {
			a.jobs[n] = x
		}
	}
	a.changed = map[uint64]struct{}{}
}

// readBoth reads the records of jobs that wait, from the one after n on.
func (e *Engine) readBoth(ctx context.Context, n uint64) map[uint64]both {
	out := make(map[uint64]both, aheadJobs)
	skip := func([]byte) error { return nil }
	o := store.ScanOptions{Prefix: []byte{stateKey}, From: key(stateKey, n), After: true, Limit: aheadJobs, OnCorrupt: skip}
	err := e.space.Scan(ctx, o, func(k, v []byte) (bool, error) {
		r, err := decodeRecord(v, plainNames)
		if err == nil && isNumberKey(k) && (r.Status == queue.Ready || r.Status == queue.Scheduled || r.Status == queue.Retry) {
			out[numberOf(k)] = both{rec: r}
		}
		return true, nil
	})
	if err != nil {
		return nil
	}
	size := 0
	o = store.ScanOptions{Prefix: []byte{bodyKey}, From: key(bodyKey, n), After: true, Limit: aheadJobs, OnCorrupt: skip}
	err = e.space.Scan(ctx, o, func(k, v []byte) (bool, error) {
		if !isNumberKey(k) {
			return true, nil
		}
		if x, ok := out[numberOf(k)]; ok {
			x.body = append([]byte(nil), v...)
			out[numberOf(k)] = x
			size += len(v)
		}
		return size < aheadBytes, nil
	})
	if err != nil {
		return nil
	}
	for n, x := range out {
		if x.body == nil {
			delete(out, n)
		}
	}
	return out
}
