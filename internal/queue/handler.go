package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/store"
)

// Causes with which a handler's context ends. A handler that returns an error after one of them need not say so
// itself: the dispatcher knows.
var (
	// ErrCancelled: somebody cancelled the job. The handler's Outcome.Commit is still staged.
	ErrCancelled = errcode.New(errcode.Cancelled, "the job was cancelled")
	// ErrShutdown: the process stops. An outcome with an error becomes a release, its Commit is dropped.
	ErrShutdown = errcode.New(errcode.ShuttingDown, "the process stops")
	// ErrTimeout: the soft timeout has passed. An outcome with an error becomes a failed attempt with code timeout.
	ErrTimeout = errcode.New(errcode.Timeout, "the job ran longer than its timeout")
)

// Outcome is how a handler's run of a job ended. The zero Outcome completes the job.
type Outcome struct {
	Result    json.RawMessage // of a completed job, at most MaxResult bytes
	Err       error           // nil = completed; its errcode goes into Job.Errors
	Permanent bool            // with Err: no retry, the job is dead
	RetryIn   time.Duration   // with Err: instead of the backoff, 0 = backoff
	Release   bool            // give the job back without an attempt: shutdown, disk full, not possible yet
	Delay     time.Duration   // with Release: not before; 0 = at once

	// Commit stages what belongs to this outcome into the batch that finishes the job: both are there after a crash,
	// or neither. It may be called more than once, each time with a fresh batch, and must not block. An error from it
	// leaves the job as it was; the dispatcher then counts the run as failed with that error.
	Commit func(b *store.Batch) error

	// Settled, if not nil, is called once when it is decided what becomes of the outcome: it is committed, or it never
	// will be. It gives back what had to be held for Commit.
	Settled func()
}

// Handler runs jobs of one type.
type Handler interface {
	// Handle runs one attempt. It is called from a goroutine of its own, several at a time; a panic is an attempt
	// with code internal. It runs again, with the same job id, when it was not acknowledged: effects must bear that.
	// The context carries the job's Trace (TraceOf), takes progress (ReportProgress), and ends at the soft timeout, on
	// cancel and at the end of a shutdown's drain.
	Handle(ctx context.Context, j Job) Outcome

	// Dead stages what belongs to a job's burial, in the commit that makes it dead (or cancelled, code cancelled, when
	// a cancel could not reach the handler before a restart): retries used up, permanent error, crashes, timeout,
	// corrupt record. A corrupt job may come with only its ID. It may be called more than once and must not block.
	Dead(b *store.Batch, j Job, code errcode.Code, message string) error
}

// Mux finds handlers by job type. Fill it, then use it: it has no lock.
type Mux struct {
	handlers map[string]Handler
}

// NewMux returns a Mux without handlers.
func NewMux() *Mux { return &Mux{handlers: map[string]Handler{}} }

// Handle sets the handler of a type. Two handlers for one type are a programmer's mistake.
func (m *Mux) Handle(typ string, h Handler) {
	if m.handlers[typ] != nil {
		panic("queue: two handlers for job type " + typ)
	}
	m.handlers[typ] = h
}

// Handler gives the handler of a type, nil if there is none.
func (m *Mux) Handler(typ string) Handler { return m.handlers[typ] }

// Types lists the types that have a handler, sorted.
func (m *Mux) Types() []string {
	out := make([]string, 0, len(m.handlers))
	for t := range m.handlers {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}

// Dead calls Dead of the handler of j's type; a type without one has nothing to stage. It is what engines take.
func (m *Mux) Dead(b *store.Batch, j Job, code errcode.Code, message string) error {
	h := m.handlers[j.Type]
	if h == nil {
		return nil
	}
	if err := h.Dead(b, j, code, message); err != nil {
		return fmt.Errorf("stage burial of job %s: %w", j.ID, err)
	}
	return nil
}
