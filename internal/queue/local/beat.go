package local

import (
	"context"
	"errors"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

const (
	saveEvery   = 5 * time.Second // how often the progress of a lease is made durable at most
	expireBatch = 256             // leases that end in one commit
	expireRetry = time.Second     // after a commit of them that failed
	maxBeats    = 10_000          // leases in one sign of life
)

var errExpired = errcode.New(errcode.LeaseExpired, "the worker gave no sign of life while its lease lasted")

// Heartbeat implements queue.External.
func (e *Engine) Heartbeat(ctx context.Context, worker string, beats []queue.Beat) ([]queue.Beaten, error) {
	switch {
	case worker == "" || len(worker) > queue.MaxLabel:
		return nil, errcode.Invalid("worker", "1 to %d bytes", queue.MaxLabel)
	case len(beats) > maxBeats:
		return nil, errcode.Invalid("leases", "at most %d", maxBeats)
	}
	if err := e.usable(); err != nil {
		return nil, err
	}
	at := e.now()
	out := make([]queue.Beaten, len(beats))
	var save []*hold
	e.mu.Lock()
	node := e.seen(worker, true)
	for i, beat := range beats {
		var h *hold
		if out[i], h = e.beat(beat, node, at); h != nil {
			save = append(save, h)
		}
	}
	claims := make([]*claim, len(save))
	for i, h := range save {
		if e.table.claims[h.n] == nil {
			claims[i] = e.newClaim(h.n)
		}
	}
	e.mu.Unlock()
	e.saveProgress(ctx, save, claims, at)
	return out, nil
}

// beat notes a sign of life of one lease; h is not nil if its progress is to be made durable. e.mu is held.
func (e *Engine) beat(beat queue.Beat, node *node, at instant) (out queue.Beaten, save *hold) {
	out = queue.Beaten{Lease: beat.Lease, State: queue.LeaseLost}
	n, err := parseID(beat.Lease.ID)
	if err != nil {
		return out, nil
	}
	h := e.table.holds[n]
	if h == nil || h.ext == nil || h.rec.Status != queue.Active || h.token != beat.Lease.Token || h.ext.hard <= at.mono {
		return out, nil
	}
	h.ext.until = max(h.ext.until, at.mono+h.ext.length) // after a start it has longer already
	out.Expires = at.wall.Add(h.ext.due() - at.mono)
	switch {
	case h.rec.CancelAsked:
		out.State = queue.LeaseCancel
	case node.draining:
		out.State = queue.LeaseDrain
	default:
		out.State = queue.LeaseOK
	}
	if p := beat.Progress; p != nil && checkedProgress(*p) != h.progress {
		h.progress, h.ext.dirty = checkedProgress(*p), true
		e.note(n)
	}
	if h.ext.dirty && at.mono-h.ext.saved >= saveEvery {
		return out, h
	}
	return out, nil
}

// saveProgress writes the progress of leases down. Those without a claim are being changed by somebody else, and come
// another time.
func (e *Engine) saveProgress(ctx context.Context, holds []*hold, claims []*claim, at instant) {
	b := e.db.Batch()
	e.mu.Lock()
	for i, h := range holds {
		if claims[i] != nil && e.table.holds[h.n] == h {
			h.ext.dirty, h.ext.saved = false, at.mono
			b.Set(e.space, key(leaseKey, h.n), h.lease().encode())
		}
	}
	e.mu.Unlock()
	if b.Len() > 0 {
		if err := e.commit(ctx, b); err != nil {
			e.log.WarnContext(ctx, "progress of jobs not stored", "error", err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range claims {
		if c != nil {
			e.unclaim(c)
		}
	}
}

// expire ends the leases outside the process that are over, and gives the time until the next one is.
func (e *Engine) expire(ctx context.Context, now time.Duration) time.Duration {
	for {
		e.mu.Lock()
		holds, wait := e.table.leases.over(now, expireBatch)
		e.mu.Unlock()
		if len(holds) == 0 || ctx.Err() != nil {
			return wait
		}
		e.endLeases(ctx, holds, now)
	}
}

// endLeases makes the runs of leases that are over failed attempts.
func (e *Engine) endLeases(ctx context.Context, holds []*hold, now time.Duration) {
	numbers := make([]uint64, len(holds))
	afters := make([]func(), len(holds))
	for i, h := range holds {
		numbers[i] = h.n
	}
	errs := e.changeAll(ctx, numbers, func(i int) change {
		return func(b *store.Batch, c *claim) (err error) {
			h := holds[i]
			e.mu.Lock()
			held, due, hard := e.table.holds[h.n] == h, h.ext.due(), h.ext.hard
			e.mu.Unlock()
			switch {
			case !held:
				return queue.ErrLeaseLost // its worker was quicker
			case hard <= now:
				afters[i], err = e.stageFinish(b, c, h, queue.Outcome{Err: queue.ErrTimeout})
			case due <= now:
				afters[i], err = e.stageFinish(b, c, h, queue.Outcome{Err: errExpired})
			default:
				return queue.ErrActive // a sign of life came meanwhile
			}
			return err
		}
	}, nil)
	for i, err := range errs {
		h := holds[i]
		switch {
		case err == nil:
			afters[i]()
			e.log.WarnContext(ctx, "lease of a worker ended", "job", formatID(h.n), "type", h.rec.typ, "worker", h.worker)
			continue
		case errors.Is(err, queue.ErrLeaseLost):
			continue
		case !errors.Is(err, queue.ErrActive):
			e.log.ErrorContext(ctx, "lease that is over could not be ended", "job", formatID(h.n), "error", err)
		}
		e.mu.Lock()
		if e.table.holds[h.n] == h {
			e.table.leases.add(h, now+expireRetry)
		}
		e.mu.Unlock()
	}
}
