package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/sdk/client"
)

// failure is an error with what is to become of the job.
type failure struct {
	err     error
	code    string
	dead    bool
	snooze  bool
	retryIn time.Duration
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// Permanent says that no further attempt can help: the job is dead.
func Permanent(err error) error { return &failure{err: err, dead: true} }

// RetryAfter says when the next attempt should be, instead of what the job's backoff says.
func RetryAfter(err error, d time.Duration) error { return &failure{err: err, retryIn: d} }

// Snooze gives the job back without counting an attempt: it could not be tried yet.
func Snooze(d time.Duration) error {
	return &failure{err: errors.New("the job was put off"), snooze: true, retryIn: d}
}

// WithCode gives an error a code of lower-case letters, digits and _, by which dead jobs can be found. It is "failed"
// otherwise.
func WithCode(err error, code string) error { return &failure{err: err, code: code} }

// run runs one job and gives what is to be said of it.
func (w *Worker) run(working context.Context, l client.LeasedJob) client.Ends {
	ctx, cancel := context.WithCancelCause(withIDs(working, &l.Job))
	defer cancel(nil)
	r := &run{job: &Job{Job: l.Job, reported: true}, lease: l.Lease, cancel: cancel}
	w.mu.Lock()
	w.running[l.Lease] = r
	w.mu.Unlock()
	if l.SoftTimeout > 0 {
		t := time.AfterFunc(time.Duration(l.SoftTimeout*float64(time.Second)), func() { cancel(ErrTimeout) })
		defer t.Stop()
	}
	ctx = context.WithValue(ctx, loggerKey, w.logger(&l.Job))
	result, err := w.handle(ctx, r.job)
	var data json.RawMessage
	if err == nil && result != nil {
		data, err = encode(result)
	}
	ends := w.judge(ctx, l, data, err)
	if len(endsOf(ends)) == 0 {
		w.forget(l.Lease)
		return ends
	}
	// Its lease is prolonged until its end is told: what is done is not to be done again because the appliance was away.
	w.mu.Lock()
	defer w.mu.Unlock()
	r.ended = true
	return ends
}

// encode gives a result as JSON. One that cannot be kept would not be better another time.
func encode(result any) (json.RawMessage, error) {
	data, err := json.Marshal(result)
	if err != nil {
		return nil, Permanent(fmt.Errorf("encode result: %w", err))
	}
	if len(data) > maxResult {
		return nil, Permanent(fmt.Errorf("the result has %d bytes, and at most %d are kept", len(data), maxResult))
	}
	return data, nil
}

const (
	maxResult  = 64 << 10
	maxMessage = 1 << 10
	maxCode    = 64
)

// judge gives the words for how a run ended. Work that was done counts, whatever the context says.
func (w *Worker) judge(ctx context.Context, l client.LeasedJob, result json.RawMessage, err error) client.Ends {
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, ErrLost):
		Log(ctx).WarnContext(ctx, "job ended after its lease was lost: what it did does not count, and it runs again", "attempt", l.Attempt)
		return client.Ends{}
	case err == nil:
		return client.Ends{Ack: []client.Ack{{ID: l.ID, Lease: l.Lease, Result: result}}}
	case errors.Is(cause, ErrStopping):
		return client.Ends{Release: []client.Release{{ID: l.ID, Lease: l.Lease}}}
	}
	out := client.Fail{ID: l.ID, Lease: l.Lease, Error: client.Fault{Code: "failed", Message: cut(err.Error(), maxMessage)}}
	for f, ok := errors.AsType[*failure](err); ok; f, ok = errors.AsType[*failure](f.err) {
		if f.snooze {
			return client.Ends{Release: []client.Release{{ID: l.ID, Lease: l.Lease, Delay: f.retryIn.Seconds()}}}
		}
		out.Dead = out.Dead || f.dead
		out.RetryIn = max(out.RetryIn, f.retryIn.Seconds())
		if f.code != "" && strings.Trim(f.code, "abcdefghijklmnopqrstuvwxyz0123456789_") == "" {
			out.Error.Code = cut(f.code, maxCode)
		}
	}
	switch {
	case errors.Is(cause, ErrTimeout):
		out.Error.Code = "timeout"
	case errors.Is(cause, ErrCancelled):
		out.Error.Code = "cancelled"
	}
	Log(ctx).WarnContext(ctx, "job failed", "error", err, "attempt", l.Attempt, "dead", out.Dead)
	return client.Ends{Fail: []client.Fail{out}}
}

// cut keeps at most n bytes of a text.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// handle calls the handler; a panic goes no further.
func (w *Worker) handle(ctx context.Context, j *Job) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			Log(ctx).ErrorContext(ctx, "handler panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = WithCode(fmt.Errorf("the handler panicked: %v", p), "panic")
		}
	}()
	h := w.handlers[j.Type]
	if h == nil {
		return nil, Snooze(time.Minute)
	}
	return h(ctx, j)
}

// beat prolongs the leases of what runs until ctx ends.
func (w *Worker) beat(ctx context.Context) {
	every := w.cfg.Lease / 3
	for ctx.Err() == nil {
		sleep(ctx, every)
		w.mu.Lock()
		runs := make([]*run, 0, len(w.running))
		for _, r := range w.running {
			runs = append(runs, r)
		}
		w.mu.Unlock()
		every = w.cfg.Lease / 3
		if len(runs) == 0 || ctx.Err() != nil {
			continue
		}
		if err := w.beatFor(ctx, runs); err != nil && ctx.Err() == nil {
			w.cfg.Logger.WarnContext(ctx, "heartbeat failed", "error", err)
			every = min(every, time.Second)
		}
	}
}

func (w *Worker) beatFor(ctx context.Context, runs []*run) error {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Lease/2)
	defer cancel()
	beats := make([]client.Beat, len(runs))
	for i, r := range runs {
		beats[i] = client.Beat{ID: r.job.ID, Lease: r.lease}
		beats[i].Progress, beats[i].ProgressText = r.job.progress()
	}
	answer, err := w.cfg.Client.Heartbeat(ctx, w.cfg.Name, beats)
	if err != nil {
		for _, r := range runs {
			r.job.mu.Lock()
			r.job.reported = false // tell it again
			r.job.mu.Unlock()
		}
		return err
	}
	for i, b := range answer { // in the order of the question: a job may be asked about twice, of two runs
		if i >= len(runs) || b.ID != runs[i].job.ID {
			break
		}
		switch r := runs[i]; b.State {
		case "cancel":
			r.cancel(ErrCancelled)
		case "lost":
			r.cancel(ErrLost)
			w.lost(ctx, r)
		}
	}
	return nil
}

// lost gives no more signs of life for a lease that is gone. If its run has ended the end will be refused.
func (w *Worker) lost(ctx context.Context, r *run) {
	w.mu.Lock()
	ended := r.ended
	delete(w.running, r.lease)
	w.mu.Unlock()
	if ended {
		w.cfg.Logger.WarnContext(ctx, "lease ran out before the end of the job could be told", "job_id", r.job.ID)
	}
}

type contextKey int

const (
	loggerKey contextKey = iota
	idsKey
)

// Log gives a logger whose lines carry the ids of the job that ctx belongs to: job_id, request_id, correlation_id,
// trace_id. Outside of a handler it discards.
func Log(ctx context.Context) *slog.Logger {
	if l, ok := ctx.Value(loggerKey).(*slog.Logger); ok {
		return l
	}
	return slog.New(slog.DiscardHandler)
}

// LogHandler adds the same ids to every record whose context belongs to a job, for loggers that are not got by Log.
func LogHandler(h slog.Handler) slog.Handler { return &idHandler{h} }

type idHandler struct{ slog.Handler }

// Handle adds the ids.
func (h *idHandler) Handle(ctx context.Context, r slog.Record) error {
	if ids, ok := ctx.Value(idsKey).([]any); ok {
		r = r.Clone()
		r.Add(ids...)
	}
	return h.Handler.Handle(ctx, r) //nolint:wrapcheck // it is the handler's own
}

// WithAttrs keeps the ids.
func (h *idHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &idHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the ids.
func (h *idHandler) WithGroup(name string) slog.Handler { return &idHandler{h.Handler.WithGroup(name)} }

// logger gives the logger of a job, with its ids once.
func (w *Worker) logger(j *client.Job) *slog.Logger {
	h := w.cfg.Logger.Handler()
	if own, ok := h.(*idHandler); ok {
		h = own.Handler
	}
	return slog.New(h).With(idsOf(j)...)
}

func withIDs(ctx context.Context, j *client.Job) context.Context {
	return client.WithTrace(context.WithValue(ctx, idsKey, idsOf(j)), j.CorrelationID, j.TraceID)
}

func idsOf(j *client.Job) []any {
	out := []any{"job_id", j.ID, "job_type", j.Type}
	for _, id := range []struct{ name, value string }{
		{"request_id", j.RequestID}, {"correlation_id", j.CorrelationID}, {"trace_id", j.TraceID},
	} {
		if id.value != "" {
			out = append(out, id.name, id.value)
		}
	}
	return out
}
