package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// Waits of a run whose end the engine does not take.
const (
	retryFinish    = 50 * time.Millisecond
	retryFinishMax = 5 * time.Second
	retryStage     = 30 * time.Second
)

// run is one handler at work on one job.
type run struct {
	leased   Leased
	cancel   context.CancelCauseFunc
	taken    atomic.Bool
	given    atomic.Bool     // the job was finished without its handler, which may never return
	giveUp   <-chan struct{} // closed when the engine need not be asked again
	done     chan struct{}   // closed when the job is finished
	returned chan struct{}   // closed when the handler's goroutine ends
}

// settle reports whether the caller is the one to finish the job: the handler's own goroutine, the hard timeout, or
// the end of the drain.
func (r *run) settle() bool { return r.taken.CompareAndSwap(false, true) }

// start runs the handler of a leased job in a goroutine.
func (d *Dispatcher) start(base context.Context, l Leased, giveUp <-chan struct{}) {
	j := l.Job
	ctx := WithTrace(base, j.Trace)
	ctx = withProgress(ctx, func(p Progress) { d.cfg.Engine.Progress(l.Lease, p) })
	ctx, cancel := context.WithCancelCause(d.cfg.Context(ctx, j))
	r := &run{leased: l, cancel: cancel, giveUp: giveUp, done: make(chan struct{}), returned: make(chan struct{})}
	d.mu.Lock()
	d.runs[l.Lease.Token] = r
	d.busy[j.Queue]++
	_, early := d.early[l.Lease.Token]
	d.mu.Unlock()
	if early {
		cancel(ErrCancelled)
	}
	soft := time.AfterFunc(j.SoftTimeout, func() { cancel(ErrTimeout) })
	hard := time.AfterFunc(j.Timeout, func() { d.revoke(base, r) })
	go func() { // joined by drain through r.returned
		defer close(r.returned)
		defer d.release(r)
		o := d.handle(ctx, j)
		if o.Settled != nil {
			defer o.Settled()
		}
		soft.Stop()
		hard.Stop()
		cause := context.Cause(ctx)
		cancel(nil)
		if !r.settle() {
			return
		}
		defer close(r.done)
		d.finish(base, r, judge(o, cause))
	}()
}

// handle calls the handler; a panic goes no further.
func (d *Dispatcher) handle(ctx context.Context, j Job) (o Outcome) {
	defer func() {
		if p := recover(); p != nil {
			d.cfg.Logger.ErrorContext(ctx, "handler panicked", "job", j.ID.String(), "type", j.Type,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			o = Outcome{Err: errcode.New(errcode.Internal, "the handler panicked")}
		}
	}()
	h := d.cfg.Mux.Handler(j.Type)
	if h == nil {
		return Outcome{Release: true, Delay: time.Minute}
	}
	return h.Handle(ctx, j)
}

// judge reads an outcome in the light of why the handler's context ended. Work that was completed stays completed.
func judge(o Outcome, cause error) Outcome {
	if o.Err == nil {
		return o
	}
	switch {
	case errors.Is(cause, ErrShutdown):
		return Outcome{Release: true}
	case errors.Is(cause, ErrTimeout):
		return Outcome{Err: errcode.Wrap(errcode.Timeout, o.Err, ErrTimeout.Text), RetryIn: o.RetryIn}
	default:
		return o
	}
}

// revoke takes the job from a handler at the hard timeout. The handler keeps its place among those at work until it
// returns: what it uses is still in use.
func (d *Dispatcher) revoke(base context.Context, r *run) {
	r.cancel(ErrTimeout)
	if !r.settle() {
		return
	}
	r.given.Store(true)
	defer close(r.done)
	d.cfg.Logger.ErrorContext(base, "handler ran into the hard timeout",
		"job", r.leased.Job.ID.String(), "type", r.leased.Job.Type, "timeout", r.leased.Job.Timeout)
	d.finish(base, r, Outcome{Err: ErrTimeout})
}

// finish tells the engine, until it takes it or it is too late.
func (d *Dispatcher) finish(ctx context.Context, r *run, o Outcome) {
	wait := retryFinish
	for {
		err := d.cfg.Engine.Finish(ctx, r.leased.Lease, o)
		log := d.cfg.Logger.With("job", r.leased.Job.ID.String(), "type", r.leased.Job.Type)
		switch {
		case err == nil:
			return
		case errors.Is(err, ErrLeaseLost):
			log.WarnContext(ctx, "job was taken from its handler")
			return
		case errors.Is(err, ErrStage):
			log.ErrorContext(ctx, "outcome of the job could not be staged", "error", err)
			o = afterStage(o, err)
		default:
			log.WarnContext(ctx, "job could not be finished", "error", err)
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-r.giveUp:
			t.Stop()
			return
		}
		wait = min(2*wait, retryFinishMax)
	}
}

// afterStage gives what to try when a hook of an outcome failed: first the run has failed, then it is as if it had
// not been.
func afterStage(o Outcome, err error) Outcome {
	if o.Commit != nil && !o.Release {
		return Outcome{Err: err, Permanent: o.Permanent}
	}
	return Outcome{Release: true, Delay: retryStage}
}
