package local

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

var errDoomed = errcode.New(errcode.Conflict, "the job is about to end")

// idle reads a job that is claimed and that nobody runs: ErrActive if somebody does.
func (e *Engine) idle(c *claim) (record, queue.Job, error) {
	e.mu.Lock()
	h := e.table.holds[c.n]
	e.mu.Unlock()
	if h != nil {
		return record{}, queue.Job{}, queue.ErrActive
	}
	r, j, err := e.load(c.n)
	if err != nil && r.Status == "" && isNotThere(err) {
		err = queue.ErrNotFound
	}
	return r, j, err
}

// movable reads a job that is claimed and that can be changed. state is how it is, though its record may not say yet
// that its time has come.
func (e *Engine) movable(c *claim) (before record, state queue.State, err error) {
	before, _, err = e.idle(c)
	if err != nil {
		return before, queue.State{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.table.doomed[c.n]; ok {
		return before, queue.State{}, errDoomed
	}
	state = e.effective(c.n, before, e.now().wall).State
	if since, ok := e.table.promoted[c.n]; ok {
		state.Status, state.RunAt, state.ReadyAt, state.ParkedAt = queue.Ready, time.Time{}, e.now().wallOf(since), time.Time{}
	}
	return before, state, nil
}

// stageMove stages the new record of a job that nobody runs, and moves it in memory to where that belongs.
func (e *Engine) stageMove(b *store.Batch, c *claim, before, r record) {
	at := e.now()
	limit, limited := e.limitOf(c.n, r)
	b.Set(e.space, key(stateKey, c.n), r.encode())
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		switch {
		case !before.Status.Final():
			e.drop(c, before)
			e.unlimit(e.line(before.queue), c.n)
			e.limit(c.n, limit, limited)
			e.place(c.n, r, at)
		case r.Status.Final():
			e.line(before.queue).counts[before.Status]--
			e.line(r.queue).counts[r.Status]++
			e.note(c.n)
			e.unclaim(c)
		default:
			e.line(before.queue).counts[before.Status]--
			e.unclaim(c)
			e.limit(c.n, limit, limited)
			e.place(c.n, r, at)
		}
	})
}

// changeID makes a change of the job of that id and gives it as it is then.
func (e *Engine) changeID(ctx context.Context, id queue.ID, what string, f change) (queue.Job, error) {
	n, err := parseID(id)
	if err != nil {
		return queue.Job{}, err
	}
	if err := e.changeOne(ctx, n, f); err != nil {
		return queue.Job{}, fmt.Errorf("%s job %s: %w", what, id, err)
	}
	return e.get(ctx, n)
}

// body reads the body of a job as it was written, whatever its record says.
func (e *Engine) body(n uint64) (queue.Job, error) {
	raw, err := e.space.Get(key(bodyKey, n))
	if err != nil {
		return queue.Job{}, fmt.Errorf("read body of job %s: %w", formatID(n), err)
	}
	j, err := decodeBody(raw)
	if err != nil {
		return queue.Job{}, fmt.Errorf("read body of job %s: %w", formatID(n), err)
	}
	return j, nil
}

// Edit implements queue.Editor.
func (e *Engine) Edit(ctx context.Context, id queue.ID, edit queue.Edit) (queue.Job, error) {
	if err := edit.Validate(e.cfg.Rules); err != nil {
		return queue.Job{}, fmt.Errorf("edit job %s: %w", id, err)
	}
	return e.changeID(ctx, id, "edit", func(b *store.Batch, c *claim) error { return e.stageEdit(b, c, edit) })
}

func (e *Engine) stageEdit(b *store.Batch, c *claim, edit queue.Edit) error {
	before, state, err := e.movable(c)
	switch {
	case err != nil:
		return err
	case state.Status == queue.Completed || state.Status == queue.Cancelled:
		return queue.ErrEnded
	case state.Status == queue.Dead && edit.RunAt != nil:
		return errcode.Invalid("run_at", "a dead job has none")
	}
	j, err := e.body(c.n)
	if err != nil {
		return err
	}
	r := before
	r.State = state
	if edit.RunAt != nil {
		if r.State, err = queue.Reschedule(state, storable(*edit.RunAt), e.now().wall); err != nil {
			return fmt.Errorf("change state: %w", err)
		}
		r.more |= atTime
	}
	if edit.Queue != nil {
		r.queue = *edit.Queue
	}
	if edit.Priority != nil {
		r.priority = *edit.Priority
	}
	if edit.Payload != nil {
		j.Payload = edit.Payload
	}
	j.Queue, j.Priority = r.queue, r.priority
	b.Set(e.space, key(bodyKey, c.n), encodeBody(j))
	e.stageMove(b, c, before, r)
	return nil
}

// Promote implements queue.Editor.
func (e *Engine) Promote(ctx context.Context, id queue.ID) (queue.Job, error) {
	return e.changeID(ctx, id, "promote", e.stagePromote)
}

func (e *Engine) stagePromote(b *store.Batch, c *claim) error {
	before, state, err := e.movable(c)
	if err != nil {
		return err
	}
	if state.Status != queue.Scheduled && state.Status != queue.Retry {
		return queue.ErrTransition
	}
	r := before
	if r.State, err = queue.Reschedule(state, time.Time{}, e.now().wall); err != nil {
		return fmt.Errorf("change state: %w", err)
	}
	e.stageMove(b, c, before, r)
	return nil
}

// Retry implements queue.Editor.
func (e *Engine) Retry(ctx context.Context, id queue.ID) (queue.Job, error) {
	n, err := parseID(id)
	if err != nil {
		return queue.Job{}, err
	}
	if err := e.retry(ctx, n); err != nil {
		return queue.Job{}, fmt.Errorf("retry job %s: %w", id, err)
	}
	return e.get(ctx, n)
}

func (e *Engine) retry(ctx context.Context, n uint64) error {
	// The unique key is reserved first: who has a reservation may wait for a claim, not the other way round.
	j, err := e.body(n)
	if isCorrupt(err) {
		j = queue.Job{} // what is wrong with it shows below
	} else if err != nil {
		return err
	}
	u, err := e.reserve(ctx, []queue.Job{j})
	if err != nil {
		return err
	}
	if u != nil {
		defer e.unreserve(u.keys(), u.decided)
	}
	return e.changeOne(ctx, n, func(b *store.Batch, c *claim) error { return e.stageRetry(b, c, u) })
}

func (e *Engine) stageRetry(b *store.Batch, c *claim, u *reservation) error {
	before, state, err := e.movable(c)
	if err != nil {
		return err
	}
	if state.Status == queue.Retry {
		return e.stagePromote(b, c)
	}
	j, err := e.body(c.n)
	if err != nil {
		return err
	}
	r := before
	if r.State, err = queue.Revive(state, j.MaxAttempts, e.now().wall); err != nil {
		return err //nolint:wrapcheck // the reason, and nothing to add
	}
	if u != nil {
		if holder := u.held[0]; holder != 0 && holder != c.n {
			return queue.ErrUniqueHeld
		}
		if h, ok := u.reserved(0); ok && j.UniqueUntil != queue.UntilTTL {
			r.more &^= keyLetGo
			e.stageUnique(b, h, c.n, j, instant{})
		}
	}
	e.unstageEnd(b, c.n, before, j)
	e.stageMove(b, c, before, r)
	return nil
}

// Delete implements queue.Editor.
func (e *Engine) Delete(ctx context.Context, id queue.ID) error {
	n, err := parseID(id)
	if err != nil {
		return err
	}
	if err := e.changeOne(ctx, n, func(b *store.Batch, c *claim) error { return e.stageDelete(ctx, b, c) }); err != nil {
		return fmt.Errorf("delete job %s: %w", id, err)
	}
	return nil
}

// stageDelete stages the removal of a job that nobody runs. One that has not ended is cancelled with it, and its
// handler is told. A job that cannot be read is removed as well.
func (e *Engine) stageDelete(ctx context.Context, b *store.Batch, c *claim) error {
	r, j, err := e.idle(c)
	if err != nil && (r.Status == "" || !isCorrupt(err)) {
		return err
	}
	if !r.Status.Final() {
		if r, err = e.stageCancelIdle(b, c, r, j); err != nil {
			return err
		}
	}
	e.unstageEnd(b, c.n, r, j)
	return e.stageRecords(ctx, b, c, r)
}

// stageRecords stages the removal of all records of a job that has ended, or ends in b.
func (e *Engine) stageRecords(ctx context.Context, b *store.Batch, c *claim, r record) error {
	if err := e.stageRemoveKeys(ctx, b, c.n, r); err != nil {
		return errors.Join(queue.ErrStage, err)
	}
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.line(r.queue).counts[r.Status]--
		e.note(c.n)
		e.unclaim(c)
	})
	return nil
}

// stageCancelIdle stages the cancel of a job that nobody runs, with its handler told, and gives its record then.
func (e *Engine) stageCancelIdle(b *store.Batch, c *claim, r record, j queue.Job) (record, error) {
	return e.stageEndIdle(b, c, r, j, ending{
		event: queue.Event{Kind: queue.CancelWish},
		commit: func(b *store.Batch) error {
			j.Status = queue.Cancelled
			return e.cfg.Dead(b, j, errcode.Cancelled, "the job was cancelled")
		},
	})
}
