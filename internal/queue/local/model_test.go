package local

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/queue"
)

// modelJob is a job as the model sees it.
type modelJob struct {
	id       queue.ID
	queue    string
	priority int
	unique   string
	status   queue.Status
	attempt  int
	crashes  int
	errors   int
	runAt    time.Time
	limit    int
	asked    bool
	lease    queue.Lease
}

func (j *modelJob) end(s queue.Status) { j.status, j.asked, j.unique = s, false, "" }

// world is an engine beside the simplest thing that should behave like it: a slice of jobs.
type world struct {
	t     *testing.T
	clock *fakeClock
	box   *box
	jobs  []*modelJob
}

func (w *world) pickAny(t *rapid.T, want ...queue.Status) *modelJob {
	var some []*modelJob
	for _, j := range w.jobs {
		for _, s := range want {
			if j.status == s {
				some = append(some, j)
			}
		}
	}
	if len(some) == 0 {
		t.Skip("no such job")
	}
	return rapid.SampledFrom(some).Draw(t, "job")
}

func (w *world) enqueue(t *rapid.T) {
	n := queue.New{
		Type: "a", Queue: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "queue"),
		Priority:    new(rapid.IntRange(4, 6).Draw(t, "priority")),
		Delay:       time.Duration(rapid.SampledFrom([]int{0, 0, 3}).Draw(t, "delay")) * time.Second,
		UniqueKey:   rapid.SampledFrom([]string{"", "", "k", "l"}).Draw(t, "unique"),
		MaxAttempts: rapid.IntRange(1, 3).Draw(t, "max_attempts"),
	}
	got := mustEnqueue(w.t, w.box.Engine, n)[0]
	for _, j := range w.jobs {
		if n.UniqueKey != "" && j.unique == n.UniqueKey {
			if !got.Duplicate || got.ID != j.id {
				t.Fatalf("key %q is held by %s, got %+v", n.UniqueKey, j.id, got)
			}
			return
		}
	}
	j := &modelJob{id: got.ID, queue: n.Queue, priority: *n.Priority, unique: n.UniqueKey, status: queue.Ready, limit: n.MaxAttempts}
	if n.Delay > 0 {
		j.status, j.runAt = queue.Scheduled, w.clock.Wall().Add(n.Delay)
	}
	w.jobs = append(w.jobs, j)
}

func (w *world) lease(t *rapid.T) {
	r := queue.LeaseRequest{Queues: []string{rapid.SampledFrom([]string{"x", "y"}).Draw(t, "queue")}}
	var want *modelJob
	for _, j := range w.jobs {
		if j.status == queue.Ready && j.queue == r.Queues[0] && (want == nil || j.priority > want.priority) {
			want = j
		}
	}
	if want == nil {
		w.box.mu.Lock()
		defer w.box.mu.Unlock()
		if ln := w.box.choose(&waiter{r: r}, false); ln != nil {
			t.Fatalf("there is a job to lease in %s", r.Queues[0])
		}
		return
	}
	l, err := w.box.Lease(w.t.Context(), r)
	if err != nil || len(l) != 1 || l[0].Job.ID != want.id {
		t.Fatalf("Lease gave %v, %v; want %s", l, err, want.id)
	}
	want.status, want.lease = queue.Active, l[0].Lease
	want.attempt++
}

func (w *world) finish(t *rapid.T) {
	j := w.pickAny(t, queue.Active)
	now := w.clock.Wall()
	failures := j.attempt - j.crashes
	kind := rapid.SampledFrom([]string{"ok", "fail", "fail", "permanent", "retry_in", "release", "delay"}).Draw(t, "outcome")
	outcome := map[string]queue.Outcome{
		"ok": {Result: []byte("1")}, "fail": {Err: errTest}, "permanent": {Err: errTest, Permanent: true},
		"retry_in": {Err: errTest, RetryIn: 3 * time.Second}, "release": {Release: true}, "delay": {Release: true, Delay: 5 * time.Second},
	}[kind]
	mustFinish(w.t, w.box.Engine, queue.Leased{Lease: j.lease}, outcome)
	if outcome.Err != nil {
		j.errors++
	}
	if outcome.Release {
		j.attempt--
	}
	switch {
	case kind == "ok":
		j.end(queue.Completed)
	case j.asked:
		j.end(queue.Cancelled)
	case kind == "release":
		j.status = queue.Ready
	case kind == "delay":
		j.status, j.runAt = queue.Scheduled, now.Add(5*time.Second)
	case kind == "permanent" || failures >= j.limit:
		j.end(queue.Dead)
	case kind == "retry_in":
		j.status, j.runAt = queue.Retry, now.Add(3*time.Second)
	default:
		j.status, j.runAt = queue.Retry, now.Add(time.Second<<(failures-1))
	}
}

func (w *world) cancel(t *rapid.T) {
	j := w.pickAny(t, queue.Statuses()...)
	active, err := w.box.Cancel(w.t.Context(), j.id, nil)
	switch {
	case j.status.Final():
		if !errors.Is(err, queue.ErrEnded) {
			t.Fatalf("Cancel of a job that is %s: %v", j.status, err)
		}
		return
	case err != nil || active != (j.status == queue.Active):
		t.Fatalf("Cancel of a job that is %s: %v, %v", j.status, active, err)
	case active:
		j.asked = true
	default:
		j.end(queue.Cancelled)
	}
}

func (w *world) advance(t *rapid.T) {
	w.clock.advance(time.Duration(rapid.IntRange(500, 4000).Draw(t, "milliseconds")) * time.Millisecond)
	w.box.fire(w.clock.Elapsed())
	for _, j := range w.jobs {
		if (j.status == queue.Scheduled || j.status == queue.Retry) && !j.runAt.After(w.clock.Wall()) {
			j.status = queue.Ready
		}
	}
}

// reopen leaves what is leased in the slot file, like a crash.
func (w *world) reopen(t *rapid.T) {
	w.box = w.box.reopen(w.t)
	w.box.fire(w.clock.Elapsed())
	if !w.box.buryDoomed(w.t.Context()) {
		t.Fatalf("burials failed")
	}
	for _, j := range w.jobs {
		if j.status != queue.Active {
			continue
		}
		j.status = queue.Ready
		j.crashes++
		j.errors++
		switch {
		case j.asked:
			j.end(queue.Cancelled)
		case j.crashes == 3:
			j.end(queue.Dead)
		}
	}
}

// check compares every observable.
func (w *world) check(t *rapid.T) {
	want := map[string]map[queue.Status]int64{"x": {}, "y": {}}
	for _, j := range w.jobs {
		want[j.queue][j.status]++
		got, err := w.box.Get(w.t.Context(), j.id)
		if err != nil {
			t.Fatalf("Get: %v", err)
		}
		waits := j.status == queue.Scheduled || j.status == queue.Retry
		a := fmt.Sprint(j.status, j.attempt, j.crashes, j.errors, waits && true, j.status == queue.Completed)
		b := fmt.Sprint(got.Status, got.Attempt, got.Crashes, len(got.Errors), waits && got.RunAt.Equal(j.runAt), got.Result != nil)
		if a != b {
			t.Fatalf("job %s: want %s, got %s", j.id, a, b)
		}
	}
	all, err := w.box.Counts(w.t.Context())
	if err != nil {
		t.Fatalf("Counts: %v", err)
	}
	for _, q := range all {
		for s, n := range q.Counts {
			if n == 0 {
				delete(q.Counts, s)
			}
		}
		if diff := cmp.Diff(want[q.Queue], q.Counts); want[q.Queue] != nil && diff != "" {
			t.Fatalf("counts of %s (-want +got):\n%s", q.Queue, diff)
		}
	}
	page, err := w.box.List(w.t.Context(), queue.Filter{Limit: 1000})
	if err != nil || len(page.Jobs) != len(w.jobs) {
		t.Fatalf("List gave %d jobs of %d, %v", len(page.Jobs), len(w.jobs), err)
	}
}

// TestModel runs random operations on the engine and on the model, and compares them after each.
func TestModel(t *testing.T) {
	checks := flag.Lookup("rapid.checks").Value
	before := checks.String()
	if before == "100" { // every run opens a database several times
		_ = checks.Set("15")
		defer func() { _ = checks.Set(before) }()
	}
	root, runs := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		dir := filepath.Join(root, fmt.Sprint(runs))
		runs++
		if err := os.Mkdir(dir, 0o700); err != nil {
			rt.Fatal(err)
		}
		clock := newFakeClock()
		w := &world{t: t, clock: clock}
		w.box = openIdle(t, dir, Config{Clock: clock, Rules: queue.Rules{Backoff: queue.Backoff{Jitter: -1}}})
		defer func() { w.box.stop() }()
		rt.Repeat(map[string]func(*rapid.T){
			"": w.check, "enqueue": w.enqueue, "enqueue more": w.enqueue, "lease": w.lease, "lease more": w.lease,
			"finish": w.finish, "cancel": w.cancel, "advance": w.advance, "reopen": w.reopen,
		})
	})
}
