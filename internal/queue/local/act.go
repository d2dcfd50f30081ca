package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// actBatch is how many jobs an action changes in one commit at most.
const actBatch = 128

// Act implements queue.Editor. A job that an earlier batch changed is not looked at again: the jobs come by number,
// and every one comes by once.
func (e *Engine) Act(ctx context.Context, a queue.Action, f queue.Filter, limit int) (queue.Acted, error) {
	one := e.action(a)
	if one == nil {
		return queue.Acted{}, errcode.Invalid("action", "cancel, retry, promote or delete")
	}
	var done queue.Acted
	var batch []uint64
	flush := func() {
		for _, err := range one(ctx, batch) {
			switch {
			case err == nil:
				done.Done++
			case errors.Is(err, queue.ErrNotFound):
				done.Matched-- // somebody else removed it in between
			default:
				done.Failed++
				done.Err = err
			}
		}
		batch = batch[:0]
	}
	f.Newest = false // its own removals must not shift what is still to come
	err := e.find(ctx, f, func(n uint64, _ queue.Job) (bool, error) {
		if limit > 0 && done.Matched == limit {
			return false, nil
		}
		done.Matched++
		if batch = append(batch, n); len(batch) == actBatch {
			flush()
		}
		return true, nil
	})
	flush()
	if err != nil {
		return done, fmt.Errorf("%s jobs: %w", a, err)
	}
	return done, nil
}

// action gives what does an action to some jobs; nil if there is no such action.
func (e *Engine) action(a queue.Action) func(context.Context, []uint64) []error {
	same := func(f change) func(context.Context, []uint64) []error {
		return func(ctx context.Context, numbers []uint64) []error {
			return e.changeAll(ctx, numbers, func(int) change { return f }, nil)
		}
	}
	switch a {
	case queue.ActCancel:
		return e.cancelMany
	case queue.ActRetry:
		return e.retryMany
	case queue.ActPromote:
		return same(e.stagePromote)
	case queue.ActDelete:
		return func(ctx context.Context, numbers []uint64) []error {
			return e.changeAll(ctx, numbers, func(int) change {
				return func(b *store.Batch, c *claim) error { return e.stageDelete(ctx, b, c) }
			}, nil)
		}
	default:
		return nil
	}
}

// cancelMany cancels jobs: those that nobody runs together, the others one by one, since each has a holder to tell.
func (e *Engine) cancelMany(ctx context.Context, numbers []uint64) []error {
	errs := e.changeAll(ctx, numbers, func(int) change {
		return func(b *store.Batch, c *claim) error {
			r, j, err := e.idle(c)
			if err != nil {
				return err
			}
			if r.Status.Final() {
				return queue.ErrEnded
			}
			_, err = e.stageCancelIdle(b, c, r, j)
			return err
		}
	}, nil)
	for i, err := range errs {
		if errors.Is(err, queue.ErrActive) {
			_, errs[i] = e.Cancel(ctx, formatID(numbers[i]), e.tellCancelled(numbers[i]))
		}
	}
	return errs
}

// tellCancelled gives what tells the handler of a job that it was cancelled.
func (e *Engine) tellCancelled(n uint64) func(*store.Batch) error {
	return func(b *store.Batch) error {
		j, err := e.body(n)
		if err != nil && !isCorrupt(err) {
			return err
		}
		j.ID, j.Status = formatID(n), queue.Cancelled
		return e.cfg.Dead(b, j, errcode.Cancelled, "the job was cancelled")
	}
}

// retryMany brings jobs back. Those with a unique key go one by one: each has to wait for its key.
func (e *Engine) retryMany(ctx context.Context, numbers []uint64) []error {
	errs := e.changeAll(ctx, numbers, func(int) change {
		return func(b *store.Batch, c *claim) error {
			r, _, err := e.idle(c)
			if err == nil && r.unique {
				return errKeyed
			}
			return e.stageRetry(b, c, nil)
		}
	}, nil)
	for i, err := range errs {
		if errors.Is(err, errKeyed) {
			errs[i] = e.retry(ctx, numbers[i])
		}
	}
	return errs
}

var errKeyed = errors.New("the job has a unique key")

// WaitEnd implements queue.Waiter. The caller waits in a list that the job's end goes through, so a thousand callers
// cost a thousand channels.
func (e *Engine) WaitEnd(ctx context.Context, id queue.ID) (queue.Job, error) {
	n, err := parseID(id)
	if err != nil {
		return queue.Job{}, err
	}
	for {
		c := make(chan struct{})
		e.mu.Lock()
		e.table.ending[n] = append(e.table.ending[n], c)
		e.mu.Unlock()
		j, r, err := e.glance(n)
		if err == nil && r.Status.Final() {
			j, err = e.get(ctx, n)
		}
		// A job whose end is durable but not yet known here is still active for the moment.
		if err != nil || j.Status.Final() {
			e.stopWaiting(n, c)
			return j, err
		}
		select {
		case <-c:
		case <-ctx.Done():
			e.stopWaiting(n, c)
			return queue.Job{}, fmt.Errorf("wait for job %s: %w", id, context.Cause(ctx))
		case <-e.done:
			e.stopWaiting(n, c)
			return queue.Job{}, queue.ErrClosed
		}
	}
}

func (e *Engine) stopWaiting(n uint64, c chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	left := e.table.ending[n]
	for i, o := range left {
		if o == c {
			left[i] = left[len(left)-1]
			left = left[:len(left)-1]
			break
		}
	}
	if len(left) == 0 {
		delete(e.table.ending, n)
		return
	}
	e.table.ending[n] = left
}

// isNumberKey reports whether a key has a number that an id stands for behind its family. Others are damage.
func isNumberKey(k []byte) bool { return len(k) == 9 && numberOf(k) <= store.MaxID }

// numberOf gives the job number in a key.
func numberOf(k []byte) uint64 { return binary.BigEndian.Uint64(k[1:]) }
