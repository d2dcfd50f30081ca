package local

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// Finish implements queue.Engine.
func (e *Engine) Finish(ctx context.Context, l queue.Lease, o queue.Outcome) error {
	n, err := parseID(l.ID)
	if err != nil {
		return queue.ErrLeaseLost
	}
	c, err := e.claim(context.WithoutCancel(ctx), n)
	if err != nil {
		return err
	}
	defer e.giveUp(c)
	e.mu.Lock()
	h := e.table.holds[n]
	e.mu.Unlock()
	if h == nil || h.token != l.Token {
		return queue.ErrLeaseLost
	}
	if err := e.checkResult(o); err != nil {
		o = queue.Outcome{Permanent: true, Err: err} // a handler in the process has no other answer
	}
	if err := e.finish(ctx, c, h, o); err != nil {
		return fmt.Errorf("finish job %s: %w", l.ID, err)
	}
	return nil
}

// checkResult reports why a result cannot be kept.
func (e *Engine) checkResult(o queue.Outcome) error {
	switch {
	case o.Err != nil || o.Release || len(o.Result) == 0:
		return nil //nolint:nilerr // of a run that failed there is no result to check
	case len(o.Result) > e.cfg.Rules.MaxResult:
		return errcode.Newf(errcode.TooLarge, "the result has %d bytes, at most %d are kept", len(o.Result), e.cfg.Rules.MaxResult)
	case !json.Valid(o.Result):
		return errcode.New(errcode.Malformed, "the result is not JSON")
	}
	return nil
}

// finish ends the run that h holds. The job is claimed.
func (e *Engine) finish(ctx context.Context, c *claim, h *hold, o queue.Outcome) error {
	b := e.db.Batch()
	b.Essential()
	after, err := e.stageFinish(b, c, h, o)
	if err != nil {
		return err
	}
	if err := e.commit(ctx, b); err != nil {
		return err
	}
	after()
	return nil
}

// stageFinish stages the end of the run that h holds; after is to be called once it is committed. The job is claimed.
func (e *Engine) stageFinish(b *store.Batch, c *claim, h *hold, o queue.Outcome) (after func(), err error) {
	at := e.now()
	r := h.rec
	s, effects, err := queue.Transition(h.rec.State, e.eventOf(h, o), at.wall)
	if err != nil {
		return nil, fmt.Errorf("change state: %w", err)
	}
	r.State = storableState(s)
	if err := e.stageHooks(b, h, o, r, effects.Code); err != nil {
		return nil, err
	}
	if r.more&isLeasedOut != 0 {
		r.more &^= isLeasedOut
		b.Delete(e.space, key(leaseKey, h.n))
	}
	b.Set(e.space, key(stateKey, h.n), r.encode())
	if !o.Release && o.Err != nil {
		e.stageFailure(b, h.n, queue.Failure{Attempt: h.rec.Attempt, At: at.wall, Code: errcode.Of(o.Err), Message: o.Err.Error()})
	}
	var unique []byte
	if effects.Ended {
		var result []byte
		if r.Status == queue.Completed {
			result = o.Result
		}
		unique = e.uniqueOf(h.n, r, h.job)
		e.stageEnd(b, final{n: h.n, rec: r, job: h.job, unique: unique, result: result})
	}
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.table.holds, h.n)
		e.table.leases.remove(h)
		if !o.Release {
			e.ran(h, o.Err != nil)
		}
		if effects.Ended {
			h.lane.queue.ended.add(e.cfg.Clock.Elapsed())
		}
		e.over(h)
		e.unclaim(c)
		if effects.Ended {
			e.end(h.n, r, unique)
		} else {
			e.place(h.n, r, at)
		}
	})
	if r.Status != queue.Completed && r.Attempt < h.rec.Attempt {
		// A crash between this commit and clearing the slot would count against a job that was only put back.
		e.slots.clear(h.slot)
	}
	return func() {
		e.slots.free(h.slot, r.Status == queue.Completed)
		e.cfg.Recorder.Finished(r.queue, r.typ, r.Status, at.mono-h.started)
	}, nil
}

func (e *Engine) eventOf(h *hold, o queue.Outcome) queue.Event {
	rules := e.cfg.Rules
	if own := h.job.Backoff; own != nil {
		rules.Backoff = *own
		rules = rules.WithDefaults()
	}
	switch {
	case o.Release:
		return queue.Event{Kind: queue.Released, Delay: o.Delay}
	case o.Err == nil:
		return queue.Event{Kind: queue.Succeeded}
	default:
		return queue.Event{
			Kind: queue.Failed, Code: errcode.Of(o.Err), Permanent: o.Permanent, RetryIn: o.RetryIn,
			Jitter: e.cfg.Random(), Rules: rules,
		}
	}
}

// stageHooks stages what others have to say about the end of a run.
func (e *Engine) stageHooks(b *store.Batch, h *hold, o queue.Outcome, r record, code errcode.Code) error {
	switch {
	case o.Commit != nil:
		if err := safely(func() error { return o.Commit(b) }); err != nil {
			return err
		}
	case r.Status == queue.Cancelled && h.cancel != nil:
		return safely(func() error { return h.cancel(b) })
	}
	if r.Status != queue.Dead {
		return nil
	}
	j := h.job
	if h.ext != nil {
		j.Payload = e.payload(h.n)
	}
	describe(&j, h.n, r)
	return safely(func() error { return e.cfg.Dead(b, j, code, cut(o.Err.Error(), queue.MaxMessage)) })
}

// Cancel implements queue.Engine.
func (e *Engine) Cancel(ctx context.Context, id queue.ID, commit func(*store.Batch) error) (active bool, err error) {
	n, err := parseID(id)
	if err != nil {
		return false, err
	}
	c, err := e.claim(ctx, n)
	if err != nil {
		return false, err
	}
	defer e.giveUp(c)
	e.mu.Lock()
	h := e.table.holds[n]
	e.mu.Unlock()
	if h != nil {
		err = e.cancelActive(ctx, h, commit)
	} else {
		err = e.cancelIdle(ctx, c, commit)
	}
	if err != nil {
		return false, fmt.Errorf("cancel job %s: %w", id, err)
	}
	return h != nil, nil
}

// cancelActive records the wish and tells the holder.
func (e *Engine) cancelActive(ctx context.Context, h *hold, commit func(*store.Batch) error) error {
	at := e.now()
	s, effects, err := queue.Transition(h.rec.State, queue.Event{Kind: queue.CancelWish}, at.wall)
	if err != nil {
		return fmt.Errorf("change state: %w", err)
	}
	if commit != nil {
		h.cancel = commit
	}
	if !effects.Stop {
		return nil
	}
	stored := h.stored
	stored.State = released(stored.State, at.wall) // it has run: what it waited for is no longer in its record
	stored.CancelAsked = true
	b := e.db.Batch()
	b.Essential()
	b.Set(e.space, key(stateKey, h.n), stored.encode())
	if err := e.commit(ctx, b); err != nil {
		return err
	}
	h.stored = stored
	e.mu.Lock()
	h.rec.State = s
	e.mu.Unlock()
	if h.onCancel != nil {
		h.onCancel(queue.Lease{ID: h.job.ID, Token: h.token})
	}
	return nil
}

// cancelIdle cancels a job that nobody runs.
func (e *Engine) cancelIdle(ctx context.Context, c *claim, commit func(*store.Batch) error) error {
	r, j, err := e.load(c.n)
	switch {
	case err != nil && r.Status == "" && isNotThere(err):
		return queue.ErrNotFound
	case err != nil && (r.Status == "" || !isCorrupt(err)):
		return err // a damaged job is dead in a moment
	}
	if r.Status.Final() {
		return queue.ErrEnded
	}
	return e.endIdle(ctx, c, r, j, ending{event: queue.Event{Kind: queue.CancelWish}, commit: commit})
}

// ending is how a job that nobody runs comes to its end.
type ending struct {
	event   queue.Event
	commit  func(*store.Batch) error // nil = nothing
	failure *queue.Failure           // nil = none
}

// endIdle ends a job that nobody runs. The job is claimed.
func (e *Engine) endIdle(ctx context.Context, c *claim, r record, j queue.Job, how ending) error {
	b := e.db.Batch()
	b.Essential()
	if _, err := e.stageEndIdle(b, c, r, j, how); err != nil {
		return err
	}
	return e.commit(ctx, b)
}

// stageEndIdle stages the end of a job that nobody runs, and gives its record then. The job is claimed.
func (e *Engine) stageEndIdle(b *store.Batch, c *claim, r record, j queue.Job, how ending) (record, error) {
	before := r
	s, _, err := queue.Transition(r.State, how.event, e.now().wall)
	if err != nil {
		return r, fmt.Errorf("change state: %w", err)
	}
	r.State = s
	if how.commit != nil {
		if err := safely(func() error { return how.commit(b) }); err != nil {
			return r, err
		}
	}
	b.Set(e.space, key(stateKey, c.n), r.encode())
	if how.failure != nil {
		e.stageFailure(b, c.n, *how.failure)
	}
	unique := e.uniqueOf(c.n, r, j)
	e.stageEnd(b, final{n: c.n, rec: r, job: j, unique: unique})
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.drop(c, before)
		e.end(c.n, r, unique)
	})
	return r, nil
}

// drop takes a job that nobody runs out of wherever it waits. r is its record before. e.mu is held.
func (e *Engine) drop(c *claim, r record) {
	status := e.statusOf(c.n, r)
	e.line(r.queue).counts[status]--
	_, doomed := e.table.doomed[c.n]
	switch {
	case doomed:
		delete(e.table.doomed, c.n)
	case c.passed != nil:
		c.passed = nil
	case status == queue.Ready:
		e.table.gone.add(c.n, e.lane(r))
	case status != queue.Waiting:
		e.table.gone.add(c.n, nil)
	}
	e.unpromote(c.n)
	e.unclaim(c)
}
