package local

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

const (
	fireBatch  = 4096            // due jobs that are made ready under one lock
	sweepBatch = 256             // jobs that are removed in one commit
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
		wait := min(e.watchSpace(), e.fire(now), e.expire(ctx, now))
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
	counts[t.from]--
	counts[queue.Ready]++
	e.table.promoted[t.n] = struct{}{}
	if !e.table.gone.reuse(t.n, t.lane) {
		t.lane.ready.push(t.n)
	}
	e.grant(t.lane)
}

// watchSpace looks for space and gives the time until it is to be called again.
func (e *Engine) watchSpace() time.Duration {
	if e.measureSpace(); e.lowSpace.Load() {
		return spaceEvery
	}
	return idleWait
}

// buryDoomed ends the jobs that cannot be run. It reports whether none is left.
func (e *Engine) buryDoomed(ctx context.Context) bool {
	e.mu.Lock()
	todo := maps.Clone(e.table.doomed)
	e.mu.Unlock()
	ok := true
	for n, d := range todo {
		if err := e.bury(ctx, n, d); err != nil {
			e.log.ErrorContext(ctx, "job could not be buried", "job", formatID(n), "code", d.code, "error", err)
			ok = false
		}
	}
	return ok
}

func (e *Engine) bury(ctx context.Context, n uint64, d doom) error {
	c, err := e.claim(ctx, n)
	if err != nil {
		return err
	}
	defer e.giveUp(c)
	e.mu.Lock()
	_, still := e.table.doomed[n]
	e.mu.Unlock()
	if !still {
		return nil // cancelled meanwhile
	}
	r, j, err := e.load(n)
	if err != nil && !isCorrupt(err) {
		return err
	}
	r = d.complete(r)
	how := ending{event: queue.Event{Kind: queue.Buried, Code: d.code}}
	now := e.now().wall
	if d.code == errcode.Cancelled {
		how.event = queue.Event{Kind: queue.CancelWish}
	}
	if d.code == errcode.Corrupt {
		how.failure = &queue.Failure{Attempt: r.Attempt, At: now, Code: d.code, Message: d.message}
	}
	s, _, err := queue.Transition(r.State, how.event, now)
	if err != nil {
		return fmt.Errorf("change state: %w", err)
	}
	buried := r
	buried.State = s
	describe(&j, n, buried)
	how.commit = func(b *store.Batch) error { return e.cfg.Dead(b, j, d.code, d.message) }
	if err := e.endIdle(ctx, c, r, j, how); err != nil {
		return err
	}
	e.cfg.Recorder.Finished(r.queue, r.typ, s.Status, 0)
	return nil
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

// sweep removes a batch of what has expired, and reports whether there may be more.
func (e *Engine) sweep(ctx context.Context) (more bool, err error) {
	e.mu.Lock()
	surplus := e.table.ended - e.cfg.MaxFinished
	e.mu.Unlock()
	now := e.now().wall.Unix()
	b := e.db.Batch()
	b.Essential()
	seen := 0
	o := store.ScanOptions{Prefix: []byte{endedKey}, KeysOnly: true, Limit: sweepBatch}
	err = e.space.Scan(ctx, o, func(k, _ []byte) (bool, error) {
		at, n, what, ok := parseExpiryKey(k)
		if ok && at > now && surplus <= 0 {
			return false, nil
		}
		seen++
		b.Delete(e.space, k)
		if !ok {
			return true, nil
		}
		if what == expireResult {
			b.Delete(e.space, key(resultKey, n))
			return true, nil
		}
		surplus--
		return true, e.stageRemoval(ctx, b, n, time.Unix(at, 0))
	})
	if err != nil {
		return false, fmt.Errorf("look for expired jobs: %w", err)
	}
	if b.Len() == 0 {
		return false, nil
	}
	if err := e.commit(ctx, b); err != nil {
		return false, err
	}
	return seen == sweepBatch, nil
}

// stageRemoval stages the removal of all records of an ended job.
func (e *Engine) stageRemoval(ctx context.Context, b *store.Batch, n uint64, at time.Time) error {
	r, err := e.loadRecord(n)
	switch {
	case err != nil && !isCorrupt(err):
		return err
	case err == nil && (!r.Status.Final() || r.FinishedAt.After(at)):
		return nil // it has been brought back to life since
	case err == nil:
		b.OnCommit(func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.line(r.queue).counts[r.Status]--
			e.table.ended--
		})
	}
	return e.stageRemoveKeys(ctx, b, n, r)
}

// stageRemoveKeys stages the removal of the keys of job n, which has ended with record r.
func (e *Engine) stageRemoveKeys(ctx context.Context, b *store.Batch, n uint64, r record) error {
	for _, family := range []byte{stateKey, bodyKey, resultKey} {
		b.Delete(e.space, key(family, n))
	}
	if r.Status == queue.Completed && r.Attempt <= 1 {
		return nil // nothing failed
	}
	o := store.ScanOptions{Prefix: binary.BigEndian.AppendUint64([]byte{errorKey}, n), KeysOnly: true}
	err := e.space.Scan(ctx, o, func(k, _ []byte) (bool, error) {
		b.Delete(e.space, k)
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("look for errors of job %s: %w", formatID(n), err)
	}
	return nil
}
