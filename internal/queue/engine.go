package queue

import (
	"context"
	"encoding/json"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/store"
)

var (
	// ErrNotFound reports a job id that no queue holds.
	ErrNotFound = errcode.New(errcode.NotFound, "no such job")
	// ErrLeaseLost reports a lease that is no longer the holder's.
	ErrLeaseLost = errcode.New(errcode.LeaseLost, "the lease is lost")
	// ErrEnded reports a job that has ended already.
	ErrEnded = errcode.New(errcode.Conflict, "the job has ended")
	// ErrActive reports a job that is at work, and may not be changed meanwhile.
	ErrActive = errcode.New(errcode.Conflict, "the job is at work")
	// ErrIdempotency reports an idempotency key that belongs to another request.
	ErrIdempotency = errcode.New(errcode.Conflict, "the idempotency key was used with another request")
	// ErrUniqueHeld reports a job that cannot come back to life because another one holds its unique key.
	ErrUniqueHeld = errcode.New(errcode.Conflict, "another job holds the unique key")
	// ErrDependency is the failure of a job that did not run because one that it depends on did not complete.
	ErrDependency = errcode.New(errcode.DependencyFailed, "a job that this one depends on did not complete")
	// ErrStage reports that a hook (Outcome.Commit, Handler.Dead, Cancel's) could not stage its part of a commit.
	ErrStage = errcode.New(errcode.Internal, "a part of the commit could not be prepared")
	// ErrClosed reports an engine that was closed.
	ErrClosed = errcode.New(errcode.ShuttingDown, "the queue is closed")
)

// Engine keeps jobs durably and hands them out. All methods may be called from any goroutine. A change that returned
// nil is durable; one that returned an error may or may not be, except as each method says.
//
//nolint:interfacebloat // the one producer-side interface: what queuetest checks as a whole
type Engine interface {
	// Enqueue records jobs, all or none, and gives them back with id and status. A unique key that is held gives the
	// job that holds it, with Duplicate set, instead of a new one.
	Enqueue(ctx context.Context, jobs ...New) ([]Job, error)

	// Stage records a job as part of the caller's batch: it exists, and can be leased, when that batch is committed,
	// and never if it is not. Unique keys are refused: only Enqueue can give one back when a commit fails.
	Stage(b *store.Batch, n New) (Job, error)

	// Lease takes up to Max ready jobs, at least one: it waits until there is one or ctx ends (then ctx's error). A job
	// it gives is the caller's until Finish; two callers never hold the same.
	Lease(ctx context.Context, r LeaseRequest) ([]Leased, error)

	// Finish ends a leased run. ErrLeaseLost: the run is no longer the holder's, nothing was changed. Any other
	// error: nothing was decided, the holder still has the lease and may call again. It does not stop at ctx's end:
	// a commit that has begun is waited for. Finishing goes on below the disk reserve.
	Finish(ctx context.Context, l Lease, o Outcome) error

	// Cancel ends a job that has not ended; ErrEnded otherwise. Of one that is not active the state change and what
	// commit (may be nil) stages are one commit when it returns, and active is false. Of an active one the request is
	// durable when it returns, the holder is told (LeaseRequest.OnCancel), and active is true: the job becomes
	// cancelled when its holder finishes it with an error or a release, and commit is staged then, if the holder's
	// Outcome has no Commit of its own; a holder that completes it nevertheless wins.
	Cancel(ctx context.Context, id ID, commit func(*store.Batch) error) (active bool, err error)

	// Get gives a job with payload, errors and, once completed, its result.
	Get(ctx context.Context, id ID) (Job, error)

	// List gives jobs by ascending id, or descending if Filter.Newest, without Result; with Errors if Filter.Errors says
	// so, or the filter looks at them.
	List(ctx context.Context, f Filter) (Page, error)

	// Result gives the result of a completed job, nil while there is none.
	Result(ctx context.Context, id ID) (json.RawMessage, error)

	// Counts gives every queue that exists, sorted by name.
	Counts(ctx context.Context) ([]Counts, error)

	// Progress keeps how far a leased job is, in memory. A lost lease is ignored.
	Progress(l Lease, p Progress)
}

// LeaseRequest says what a worker takes.
type LeaseRequest struct {
	Queues []string // nil = all
	Skip   []string // never from these: they are at their limit
	Types  []string // nil = all
	Max    int      // at most so many; 0 = 1
	Worker string   // its name, for Job.Worker

	// OnCancel, if not nil, is told of leased jobs that are to be cancelled, at most once a lease, from any
	// goroutine. It must not block nor call the engine.
	OnCancel func(Lease)
}

// Lease is the right to finish one run of a job.
type Lease struct {
	ID    ID
	Token uint64
}

// Leased is a job together with the right to finish it.
type Leased struct {
	Job   Job
	Lease Lease
}

// Filter selects jobs. Zero fields select all.
type Filter struct {
	IDs      []ID
	Status   []Status
	Queue    string
	Type     string
	Code     errcode.Code // of the last error
	Text     string       // in the message of the last error, or in the payload; case does not count
	LimitKey string
	Flow     FlowID
	Schedule string
	Since    time.Time // created at or after
	Until    time.Time // created before
	Errors   bool      // give them, but for completed jobs
	Newest   bool      // by descending id
	Limit    int       // 0 = 100, at most 1,000
	Cursor   string
}

// Page is a part of a list.
type Page struct {
	Jobs []Job
	Next string // cursor of the next page, "" = this is the last
}

// Counts is one queue in numbers.
type Counts struct {
	Queue       string
	Weight      int
	Counts      map[Status]int64
	OldestReady time.Duration // how long the job that is next has been ready, 0 = none is
}
