// Package queuetest holds the suite that every queue.Engine has to pass.
//
// It is apart so that an engine's own tests, and those of engines to come, run the same checks. It starts goroutines
// only inside tests and joins them there.
package queuetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// Options are what a test asks of the engine under test. An engine takes all of them.
type Options struct {
	Rules   queue.Rules
	Weights map[string]int
	Types   []string // with a handler in the process
	Dead    func(b *store.Batch, j queue.Job, code errcode.Code, message string) error
}

// Subject is an open engine, running, with the database its batches are of.
type Subject struct {
	Engine queue.Engine
	DB     *store.DB
	// Reopen closes engine and database in good order and opens them again on the same records. Leases inside the process are lost.
	Reopen func() Subject
}

// Open makes an engine without jobs; it is closed at the end of the test.
type Open func(t *testing.T, o Options) Subject

// patience is how long a test waits for what has to happen.
const patience = 10 * time.Second

// Run runs the suite.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, Open)
	}{
		{"life of a job", testLife},
		{"defaults and validation", testValidation},
		{"stage", testStage},
		{"order", testOrder},
		{"lease waits", testLeaseWaits},
		{"lease filters", testLeaseFilters},
		{"weights", testWeights},
		{"retry until dead", testRetry},
		{"permanent error", testPermanent},
		{"delay", testDelay},
		{"release", testRelease},
		{"cancel before start", testCancelIdle},
		{"cancel while active", testCancelActive},
		{"lost lease", testLostLease},
		{"commit hook", testCommitHook},
		{"result limits", testResultLimits},
		{"unique keys", testUnique},
		{"unique keys at once", testUniqueRace},
		{"one holder a job", testRace},
		{"cancel and lease at once", testCancelRace},
		{"list", testList},
		{"counts", testCounts},
		{"progress", testProgress},
		{"reopen", testReopen},
		{"outside", testOutside},
		{"outside: refused ends", testRefused},
		{"outside: end and lease in one", testTurn},
		{"outside: waiting", testOutsideWaits},
		{"outside: types of the process", testOwnTypes},
		{"outside: signs of life", testBeats},
		{"outside: workers", testNodes},
		{"outside: workers over a restart", testNodesReopen},
		{"outside: one holder a job", testOutsideRace},
		{"outside: reopen", testOutsideReopen},
		{"edit", testEdit},
		{"retry a dead job", testRevive},
		{"promote", testPromote},
		{"delete", testDelete},
		{"act on many", testAct},
		{"list by more", testFilters},
		{"wait for the end", testWaitEnd},
		{"settings of queues", testSettings},
		{"mode of the queues", testMode},
		{"limits of workers outside", testLimitsOutside},
		{"rate", testRate},
		{"purge and drain", testPurge},
		{"drain over a restart", testDrainReopen},
		{"schedules", testSchedule},
		{"unique until start", testUniqueStart},
		{"unique for a time", testUniqueTime},
		{"idempotency keys", testIdempotency},
		{"backoff of a job", testBackoff},
		{"depends on", testDependsOn},
		{"ends of a dependency", testDependencyEnds},
		{"flow", testFlow},
		{"flow refused", testFlowRefused},
		{"flow fails", testFlowFails},
		{"flow cancelled", testFlowCancel},
		{"flows at once", testFlowRace},
		{"dependencies at once", testDependRace},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open) })
	}
}

// quick are rules under which retries come at once.
func quick() queue.Rules {
	return queue.Rules{Backoff: queue.Backoff{Base: time.Millisecond, Max: 2 * time.Millisecond, Jitter: -1}}
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func enqueue(t *testing.T, e queue.Engine, jobs ...queue.New) []queue.Job {
	t.Helper()
	out, err := e.Enqueue(t.Context(), jobs...)
	if err != nil {
		t.Fatalf("Enqueue: %v", err)
	}
	if len(out) != len(jobs) {
		t.Fatalf("Enqueue gave %d jobs of %d", len(out), len(jobs))
	}
	return out
}

func lease(t *testing.T, e queue.Engine, r queue.LeaseRequest) queue.Leased {
	t.Helper()
	r.Max = 1
	l, err := e.Lease(deadline(t), r)
	if err != nil || len(l) != 1 {
		t.Fatalf("Lease gave %d jobs, %v", len(l), err)
	}
	return l[0]
}

// leaseNone checks that there is nothing to lease: a lease with a context that has ended takes what is there or fails.
func leaseNone(t *testing.T, e queue.Engine, r queue.LeaseRequest) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if l, err := e.Lease(ctx, r); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Lease gave %v, %v; want nothing until the context ends", l, err)
	}
}

func finish(t *testing.T, e queue.Engine, l queue.Leased, o queue.Outcome) {
	t.Helper()
	if err := e.Finish(t.Context(), l.Lease, o); err != nil {
		t.Fatalf("Finish: %v", err)
	}
}

func get(t *testing.T, e queue.Engine, id queue.ID) queue.Job {
	t.Helper()
	j, err := e.Get(t.Context(), id)
	if err != nil {
		t.Fatalf("Get %s: %v", id, err)
	}
	return j
}

func wantStatus(t *testing.T, e queue.Engine, id queue.ID, want queue.Status) queue.Job {
	t.Helper()
	j := get(t, e, id)
	if j.Status != want {
		t.Fatalf("job %s is %s, want %s", id, j.Status, want)
	}
	return j
}

func counts(t *testing.T, e queue.Engine, name string) map[queue.Status]int64 {
	t.Helper()
	all, err := e.Counts(t.Context())
	if err != nil {
		t.Fatalf("Counts: %v", err)
	}
	for _, q := range all {
		if q.Queue == name {
			out := map[queue.Status]int64{}
			for s, n := range q.Counts {
				if n != 0 {
					out[s] = n
				}
			}
			return out
		}
	}
	return map[queue.Status]int64{}
}

var errTest = errcode.New(errcode.Stalled, "it stood still")
