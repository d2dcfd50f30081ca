package local

import (
	"context"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
)

const (
	fireBatch  = 4096            // due jobs that are made ready under one lock
	spaceEvery = time.Second     // how often space is looked for while jobs wait for it
	buryEvery  = 5 * time.Second // after a burial that failed
	idleWait   = time.Hour       // when there is nothing to wait for
)

// Run makes jobs ready when their time comes, ends the leases that are over, buries those that cannot be run and removes what has expired, until ctx
// ends. The handlers have to be in place when it is called.
func (e *Engine) Run(ctx context.Context) error {
	var sweepAt, buryAt time.Duration
	for ctx.Err() == nil {
		now := e.cfg.Clock.Elapsed()
		wait := min(e.watchSpace(), e.fire(now), e.refill(now), e.expire(ctx, now), e.firePlans(ctx))
		if now >= buryAt {
			buryAt = 0
			if !e.buryDoomed(ctx) {
				buryAt = now + buryEvery
			}
		}
		if buryAt > now {
			wait = min(wait, buryAt-now)
		}
		if now >= sweepAt {
			if !e.sweepAll(ctx) {
				sweepAt = now + e.cfg.SweepEvery
				e.forgetKeys()
				e.saveNodes(ctx, false)
			}
		}
		wait = min(wait, max(sweepAt-now, 0))
		timer, stop := e.cfg.Clock.Timer(now + wait)
		select {
		case <-ctx.Done():
		case <-e.wake:
		case <-timer:
		}
		stop()
	}
	return nil
}

// fire makes ready what is due and gives the time until more is.
func (e *Engine) fire(now time.Duration) time.Duration {
	for {
		e.mu.Lock()
		for range fireBatch {
			if len(e.table.later) == 0 || e.table.later[0].due > now {
				break
			}
			e.promote(e.table.later.next())
		}
		wait := idleWait
		if len(e.table.later) > 0 {
			wait = e.table.later[0].due - now
		}
		e.mu.Unlock()
		if wait > 0 {
			return wait
		}
	}
}

// promote makes a job ready in memory; its record follows with its next change. e.mu is held.
func (e *Engine) promote(t timed) {
	if e.table.gone.fired(t) {
		return
	}
	counts := t.lane.queue.counts
	counts[t.kind.status()]--
	counts[queue.Ready]++
	e.note(t.n)
	since := ticksAt(t.due)
	e.table.promoted[t.n] = since
	e.enter(t.n, t.lane, since)
}

// watchSpace looks for space and gives the time until it is to be called again.
func (e *Engine) watchSpace() time.Duration {
	if e.measureSpace(); e.lowSpace.Load() {
		return spaceEvery
	}
	return idleWait
}

// sweepAll removes a batch of everything whose time is over, and reports whether there may be more.
func (e *Engine) sweepAll(ctx context.Context) (again bool) {
	for _, s := range []struct {
		what  string
		sweep func(context.Context) (bool, error)
	}{{"jobs", e.sweep}, {"unique keys", e.sweepKeys}, {"idempotency keys", e.sweepAnswers}} {
		more, err := s.sweep(ctx)
		if err != nil && ctx.Err() == nil {
			e.log.WarnContext(ctx, "what has expired could not be removed", "what", s.what, "error", err)
		}
		again = again || (more && err == nil)
	}
	return again
}
