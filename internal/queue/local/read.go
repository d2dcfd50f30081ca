package local

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

func isNotThere(err error) bool {
	return errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrCorrupt)
}

// Get implements queue.Engine.
func (e *Engine) Get(ctx context.Context, id queue.ID) (queue.Job, error) {
	n, err := parseID(id)
	if err != nil {
		return queue.Job{}, err
	}
	return e.get(ctx, n)
}

func (e *Engine) get(ctx context.Context, n uint64) (queue.Job, error) {
	j, r, err := e.glance(n)
	if err != nil {
		return queue.Job{}, err
	}
	if err := e.addFailures(ctx, n, &j); err != nil {
		return queue.Job{}, err
	}
	if r.Status == queue.Completed {
		if j.Result, err = e.result(n); err != nil {
			return queue.Job{}, err
		}
	}
	return j, nil
}

// glance gives a job as memory and database have it, damaged parts left out.
func (e *Engine) glance(n uint64) (queue.Job, record, error) {
	e.mu.Lock()
	h := e.table.holds[n]
	started := h != nil && h.rec.Status == queue.Active
	if started {
		j, r := e.held(h), h.rec
		e.mu.Unlock()
		if h.ext != nil {
			j.Payload = e.payload(n)
		}
		j.Payload = slices.Clone(j.Payload)
		return j, r, nil
	}
	e.mu.Unlock()
	r, j, err := e.load(n)
	switch {
	case err == nil || (isCorrupt(err) && r.Status != ""):
	case isCorrupt(err) && !isNotThere(err):
		r.Status = queue.Ready // for the moment until it is dead
		describe(&j, n, r)
	case isCorrupt(err):
		return queue.Job{}, r, queue.ErrNotFound
	default:
		return queue.Job{}, r, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	j.Status = e.statusOf(n, r)
	return j, r, nil
}

// held gives the snapshot of a leased job. e.mu is held.
func (e *Engine) held(h *hold) queue.Job {
	j := h.job
	describe(&j, h.n, h.rec)
	j.Worker, j.Progress = h.worker, h.progress
	return j
}

func (e *Engine) addFailures(ctx context.Context, n uint64, j *queue.Job) error {
	o := store.ScanOptions{Prefix: key(errorKey, n), OnCorrupt: func([]byte) error { return nil }}
	err := e.space.Scan(ctx, o, func(_, v []byte) (bool, error) {
		if f, err := decodeFailure(v); err == nil {
			j.Errors = append(j.Errors, f)
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("read errors of job %s: %w", j.ID, err)
	}
	slices.SortFunc(j.Errors, func(a, b queue.Failure) int { return cmp.Compare(a.Attempt, b.Attempt) })
	return nil
}

// Result implements queue.Engine.
func (e *Engine) Result(_ context.Context, id queue.ID) (json.RawMessage, error) {
	n, err := parseID(id)
	if err != nil {
		return nil, err
	}
	if _, err := e.space.Get(key(stateKey, n)); errors.Is(err, store.ErrNotFound) {
		return nil, queue.ErrNotFound
	}
	return e.result(n)
}

func (e *Engine) result(n uint64) (json.RawMessage, error) {
	v, err := e.space.Get(key(resultKey, n))
	switch {
	case err == nil:
		return v, nil
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	default:
		return nil, fmt.Errorf("read result of job %s: %w", formatID(n), err)
	}
}

// Counts implements queue.Engine. OldestReady looks at the front of each lane, so a retried job that waits anew
// stands for its older time of creation only as long as it is not yet due.
func (e *Engine) Counts(_ context.Context) ([]queue.Counts, error) {
	e.mu.Lock()
	out := make([]queue.Counts, 0, len(e.table.order))
	fronts := make([][]uint64, 0, len(e.table.order))
	for _, q := range e.table.order {
		if q.gone = q.gone && q.empty(); q.gone {
			continue
		}
		out = append(out, queue.Counts{Queue: q.name, Weight: q.share(), Counts: maps.Clone(q.counts)})
		front := q.oldestAside()
		for _, ln := range q.lanes {
			if e.clean(ln) {
				front = append(front, ln.ready[0].n)
			}
		}
		fronts = append(fronts, front)
	}
	e.mu.Unlock()
	now := e.now().wall
	for i, numbers := range fronts {
		for _, n := range numbers {
			r, j, err := e.load(n)
			if err != nil {
				continue // removed or started meanwhile, or damaged: then its lease says so
			}
			out[i].OldestReady = max(out[i].OldestReady, age(now, j.CreatedAt, r.RunAt))
		}
	}
	return out, nil
}

// age is how long ago the later of two times was, at least a microsecond.
func age(now, a, b time.Time) time.Duration {
	if b.After(a) {
		a = b
	}
	return max(now.Sub(a), time.Microsecond)
}
