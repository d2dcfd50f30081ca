package local

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/queue"
)

// Rules of the model's world, short so that random steps of seconds reach all of them.
const (
	modelResultTTL = 10 * time.Second
	modelRetention = 30 * time.Second
	modelCancelled = 40 * time.Second
	modelDead      = 50 * time.Second
)

// modelJob is a job as the model sees it.
type modelJob struct {
	id        queue.ID
	queue     string
	priority  int
	key       string // its unique key
	holds     bool   // it holds it
	limitKey  string
	status    queue.Status
	attempt   int
	crashes   int
	errors    map[int]bool // by attempt modulo ten
	runAt     time.Time
	since     time.Time // when it became ready
	unsaid    bool      // its record says that it waits for others still
	attempts  int       // that it was given
	limit     int       // that it may use up
	asked     bool
	lease     queue.Lease
	outside   bool
	length    time.Duration
	expires   time.Time
	finished  time.Time
	result    bool
	resultTTL time.Duration
	flow      queue.FlowID
	onFailure queue.OnFailure
	on        map[*modelJob]bool // that it still waits for
}

func (j *modelJob) failed(attempt int) { j.errors[attempt%queue.MaxErrors] = true }

// world is an engine beside the simplest thing that should behave like it: a slice of jobs.
type world struct {
	t     *testing.T
	clock *fakeClock
	box   *box
	jobs  []*modelJob // by id
	lines map[string]*queue.Settings
	node  queue.Node // the worker outside, as far as the model knows it
	flows []queue.FlowID
	mode  queue.ModeLine
}

func (w *world) pickAny(t *rapid.T, want ...queue.Status) *modelJob {
	var some []*modelJob
	for _, j := range w.jobs {
		if slices.Contains(want, j.status) {
			some = append(some, j)
		}
	}
	if len(some) == 0 {
		t.Skip("no such job")
	}
	return rapid.SampledFrom(some).Draw(t, "job")
}

// end ends a job, and tells those that wait for it.
func (w *world) end(j *modelJob, s queue.Status) {
	j.status, j.asked, j.holds, j.finished, j.on, j.outside = s, false, false, w.clock.Wall(), nil, false
	j.runAt = time.Time{}
	for _, d := range w.jobs {
		if !d.on[j] {
			continue
		}
		delete(d.on, j)
		switch {
		case s != queue.Completed && d.onFailure == queue.FailToo:
			d.failed(0)
			w.end(d, queue.Cancelled)
		case len(d.on) == 0:
			w.wait(d, queue.Scheduled, d.runAt)
			d.unsaid = true
		}
	}
}

// wait lets a job wait for a time in a status, or makes it ready.
func (w *world) wait(j *modelJob, s queue.Status, at time.Time) {
	was := j.status
	j.unsaid = false
	if j.status, j.runAt = s, at; !at.After(w.clock.Wall()) {
		j.status, j.runAt = queue.Ready, time.Time{}
		if was != queue.Ready {
			j.since = w.clock.Wall()
		}
	}
}

// due makes ready what has waited for its time.
func (w *world) due() {
	for _, j := range w.jobs {
		if (j.status == queue.Scheduled || j.status == queue.Retry) && !j.runAt.After(w.clock.Wall()) {
			j.status, j.since, j.runAt = queue.Ready, j.runAt, time.Time{}
		}
	}
}

func (w *world) holder(key string) *modelJob {
	i := slices.IndexFunc(w.jobs, func(j *modelJob) bool { return key != "" && j.key == key && j.holds })
	if i < 0 {
		return nil
	}
	return w.jobs[i]
}

func drawNew(t *rapid.T) queue.New {
	return queue.New{
		Type: "a", Queue: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "queue"),
		Priority:    new(rapid.IntRange(4, 6).Draw(t, "priority")),
		Delay:       time.Duration(rapid.SampledFrom([]int{0, 0, 3}).Draw(t, "delay")) * time.Second,
		UniqueKey:   rapid.SampledFrom([]string{"", "", "k", "l"}).Draw(t, "unique"),
		LimitKey:    rapid.SampledFrom([]string{"", "d", "e"}).Draw(t, "limit_key"),
		MaxAttempts: rapid.IntRange(1, 3).Draw(t, "max_attempts"),
		ResultTTL:   time.Duration(rapid.SampledFrom([]int{0, 5, 60}).Draw(t, "result_ttl")) * time.Second,
		OnFailure:   rapid.SampledFrom([]queue.OnFailure{"", queue.Continue}).Draw(t, "on_failure"),
	}
}

// add puts a new job into the model.
func (w *world) add(id queue.ID, n queue.New, on []*modelJob) *modelJob {
	j := &modelJob{
		id: id, queue: n.Queue, priority: *n.Priority, key: n.UniqueKey, holds: n.UniqueKey != "", limitKey: n.LimitKey, attempts: n.MaxAttempts,
		limit: n.MaxAttempts, resultTTL: n.ResultTTL, onFailure: n.OnFailure, errors: map[int]bool{}, on: map[*modelJob]bool{},
	}
	if len(on) > 0 && j.onFailure == "" {
		j.onFailure = queue.FailToo
	}
	at := time.Time{}
	if n.Delay > 0 {
		at = w.clock.Wall().Add(n.Delay)
	}
	w.jobs = append(w.jobs, j)
	slices.SortFunc(w.jobs, func(a, b *modelJob) int { return cmp.Compare(a.id, b.id) })
	bad := false
	for _, d := range on {
		bad = bad || d.status == queue.Dead || d.status == queue.Cancelled
		if !d.status.Final() {
			j.on[d] = true
		}
	}
	switch {
	case bad && j.onFailure == queue.FailToo:
		j.failed(0)
		w.end(j, queue.Cancelled)
	case len(j.on) > 0:
		j.status, j.runAt = queue.Waiting, at
	default:
		w.wait(j, queue.Scheduled, at)
	}
	return j
}

func (w *world) enqueue(t *rapid.T) {
	n := drawNew(t)
	var on []*modelJob
	if len(w.jobs) > 0 && rapid.Bool().Draw(t, "depends") {
		on = rapid.SliceOfN(rapid.SampledFrom(w.jobs), 1, 3).Draw(t, "on")
		for _, d := range on {
			n.DependsOn = append(n.DependsOn, d.id)
		}
	}
	holder := w.holder(n.UniqueKey)
	got := mustEnqueue(w.t, w.box.Engine, n)[0]
	if holder != nil {
		if !got.Duplicate || got.ID != holder.id {
			t.Fatalf("key %q is held by %s, got %+v", n.UniqueKey, holder.id, got)
		}
		return
	}
	w.add(got.ID, n, on)
}

// createFlow makes a random graph of two to five jobs.
func (w *world) createFlow(t *rapid.T) {
	jobs := make([]queue.FlowJob, rapid.IntRange(2, 5).Draw(t, "jobs"))
	conflict := false
	keys := map[string]bool{}
	for i := range jobs {
		jobs[i] = queue.FlowJob{Key: fmt.Sprint("n", i), New: drawNew(t)}
		if i > 0 {
			for _, k := range rapid.SliceOfN(rapid.IntRange(0, i-1), 0, 2).Draw(t, "on") {
				jobs[i].DependsOn = append(jobs[i].DependsOn, jobs[k].Key)
			}
		}
		key := jobs[i].UniqueKey
		conflict = conflict || w.holder(key) != nil || (key != "" && keys[key])
		keys[key] = true
	}
	f, err := w.box.CreateFlow(w.t.Context(), jobs)
	if (err != nil) != conflict {
		t.Fatalf("CreateFlow: %v, want a conflict: %v", err, conflict)
	}
	if conflict {
		return
	}
	w.flows = append(w.flows, f.ID)
	made := map[string]*modelJob{}
	for i, j := range jobs { // they depend on earlier ones only
		var on []*modelJob
		for _, k := range j.DependsOn {
			on = append(on, made[k])
		}
		m := w.add(f.Jobs[i].Job.ID, j.New, on)
		m.flow, made[j.Key] = f.ID, m
	}
}

func (w *world) cancelFlow(t *rapid.T) {
	if len(w.flows) == 0 {
		t.Skip("no flow")
	}
	id := rapid.SampledFrom(w.flows).Draw(t, "flow")
	_, err := w.box.CancelFlow(w.t.Context(), id)
	members := w.members(id)
	if (err != nil) != (len(members) == 0) {
		t.Fatalf("CancelFlow: %v", err)
	}
	// First all that are idle at once: none of them ends because of another.
	var idle []*modelJob
	for _, j := range members {
		switch {
		case j.status == queue.Active:
			j.asked = true
		case !j.status.Final():
			j.on = nil
			idle = append(idle, j)
		}
	}
	for _, j := range idle {
		w.end(j, queue.Cancelled)
	}
}

func (w *world) members(id queue.FlowID) []*modelJob {
	var out []*modelJob
	for _, j := range w.jobs {
		if j.flow == id {
			out = append(out, j)
		}
	}
	return out
}

// outcomes are the ways in which a run ends.
var outcomes = map[string]queue.Outcome{
	"ok": {Result: []byte("1")}, "fail": {Err: errTest}, "permanent": {Err: errTest, Permanent: true},
	"retry_in": {Err: errTest, RetryIn: 3 * time.Second}, "release": {Release: true}, "delay": {Release: true, Delay: 5 * time.Second},
}

func (w *world) finish(t *rapid.T) {
	j := w.pickAny(t, queue.Active)
	kind := rapid.SampledFrom([]string{"ok", "ok", "fail", "fail", "permanent", "retry_in", "release", "delay"}).Draw(t, "outcome")
	if j.outside {
		if ended := w.box.finishOutside(w.t, j.lease, outcomes[kind]); ended.Lost || ended.Err != nil {
			t.Fatalf("FinishAll: %+v", ended)
		}
	} else {
		mustFinish(w.t, w.box.Engine, queue.Leased{Lease: j.lease}, outcomes[kind])
	}
	w.ran(j, kind)
}

// ran ends the run of a job.
func (w *world) ran(j *modelJob, kind string) {
	now, failures, o := w.clock.Wall(), j.attempt-j.crashes, outcomes[kind]
	if o.Err != nil {
		j.failed(j.attempt)
	}
	if o.Release {
		j.attempt--
	}
	if j.outside && !o.Release {
		w.node.Done++
		if o.Err != nil {
			w.node.Failed++
		}
	}
	j.outside = false
	switch {
	case kind == "ok":
		j.result = true
		w.end(j, queue.Completed)
	case j.asked:
		w.end(j, queue.Cancelled)
	case o.Release:
		w.wait(j, queue.Scheduled, now.Add(o.Delay))
	case kind == "permanent" || failures >= j.limit:
		w.end(j, queue.Dead)
	case kind == "retry_in":
		w.wait(j, queue.Retry, now.Add(o.RetryIn))
	default:
		w.wait(j, queue.Retry, now.Add(min(time.Second<<min(failures-1, 20), 600*time.Second)))
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
		w.end(j, queue.Cancelled)
	}
}

func (w *world) advance(t *rapid.T) {
	w.clock.advance(time.Duration(rapid.IntRange(500, 6000).Draw(t, "milliseconds")) * time.Millisecond)
	now := w.clock.Wall()
	w.run(t)
	w.due()
	for _, j := range w.jobs {
		if j.status == queue.Active && j.outside && !j.expires.After(now) {
			w.ran(j, "fail")
		}
	}
}

// run does what Engine.Run does, but for the sweep.
func (w *world) run(t *rapid.T) {
	for range 2 { // an expiry may bring others down
		w.box.fire(w.clock.Elapsed())
		w.box.refill(w.clock.Elapsed())
		w.box.expire(w.t.Context(), w.clock.Elapsed())
		if !w.box.buryDoomed(w.t.Context()) {
			t.Fatalf("burials failed")
		}
	}
}

// reopen leaves what is leased inside the process in the slot file, like a crash. Leases outside begin anew.
func (w *world) reopen(t *rapid.T) {
	w.box = w.box.reopen(w.t)
	w.run(t)
	now := w.clock.Wall()
	w.due()
	for _, j := range slices.Clone(w.jobs) {
		switch {
		case j.unsaid && j.status == queue.Ready:
			j.since = now
		case j.status != queue.Active:
		case j.outside:
			j.expires = now.Add(max(j.length, queue.RestartLease))
		default:
			j.crashes++
			j.failed(j.attempt)
			switch {
			case j.asked:
				w.end(j, queue.Cancelled)
			case j.crashes == 3:
				w.end(j, queue.Dead)
			default:
				j.status, j.since = queue.Ready, now
			}
		}
	}
}

// expired reports whether what began at a time and is kept for another is swept by now. The engine counts whole seconds.
func (w *world) expired(from time.Time, keep time.Duration) bool {
	at := from.Add(keep)
	if whole := at.Truncate(time.Second); whole.Before(at) {
		at = whole.Add(time.Second)
	}
	return !at.After(w.clock.Wall())
}

func (w *world) retention(j *modelJob) time.Duration {
	return map[queue.Status]time.Duration{queue.Completed: modelRetention, queue.Dead: modelDead, queue.Cancelled: modelCancelled}[j.status]
}

// sweep removes what has expired. When exactly what belongs to a flow goes is not promised, only what it is kept for.
func (w *world) sweep(t *rapid.T) {
	w.box.sweepJobs(w.t)
	w.jobs = slices.DeleteFunc(w.jobs, func(j *modelJob) bool {
		kept := !j.status.Final() || !w.expired(j.finished, w.retention(j))
		if j.flow == "" {
			ttl := cmp.Or(j.resultTTL, modelResultTTL)
			j.result = j.result && (ttl >= modelRetention || !w.expired(j.finished, ttl))
			return !kept
		}
		open, rest := false, false
		for _, o := range w.members(j.flow) {
			open = open || !o.status.Final()
			rest = rest || !w.expired(o.finished, w.retention(o))
		}
		got, err := w.box.Get(w.t.Context(), j.id)
		gone := errors.Is(err, queue.ErrNotFound)
		if gone && (open || rest || kept) {
			t.Fatalf("job %s is gone, while its flow is kept", j.id)
		}
		if open && j.result && got.Result == nil {
			t.Fatalf("the result of job %s is gone, while its flow goes on", j.id)
		}
		j.result = j.result && got.Result != nil
		return gone
	})
}

// check compares every observable.
func (w *world) check(t *rapid.T) {
	w.run(t)
	want := map[string]map[queue.Status]int64{"x": {}, "y": {}}
	for _, j := range w.jobs {
		want[j.queue][j.status]++
		w.checkJob(t, j)
	}
	all, err := w.box.Lines(w.t.Context())
	if err != nil {
		t.Fatalf("Lines: %v", err)
	}
	for _, q := range all {
		maps.DeleteFunc(q.Counts.Counts, func(_ queue.Status, n int64) bool { return n == 0 })
		if diff := gocmp.Diff(want[q.Queue], q.Counts.Counts); want[q.Queue] != nil && diff != "" {
			t.Fatalf("counts of %s (-want +got):\n%s", q.Queue, diff)
		}
		if s := w.lines[q.Queue]; s != nil {
			if q.Settings.Weight = 0; q.Settings != *s {
				t.Fatalf("settings of %s: %+v, want %+v", q.Queue, q.Settings, *s)
			}
			if busy := want[q.Queue][queue.Active] > 0; q.Draining != (s.Drain && busy) || q.Drained != (s.Drain && !busy) {
				t.Fatalf("queue %s, at work %v: draining %v, drained %v", q.Queue, busy, q.Draining, q.Drained)
			}
		}
	}
	page, err := w.box.List(w.t.Context(), queue.Filter{Limit: 1000})
	if err != nil || len(page.Jobs) != len(w.jobs) {
		t.Fatalf("List gave %d jobs of %d, %v", len(page.Jobs), len(w.jobs), err)
	}
	for i, j := range page.Jobs {
		if j.ID != w.jobs[i].id || j.Status != w.jobs[i].status {
			t.Fatalf("job %d of the list is %s, %s; want %s, %s", i, j.ID, j.Status, w.jobs[i].id, w.jobs[i].status)
		}
	}
	w.checkFlows(t)
	w.checkNode(t)
	if m, err := w.box.Mode(w.t.Context()); err != nil || m != w.mode {
		t.Fatalf("the mode is %+v, %v, want %+v", m, err, w.mode)
	}
}

func (w *world) checkJob(t *rapid.T, j *modelJob) {
	got, err := w.box.Get(w.t.Context(), j.id)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	errs := len(got.Errors)
	if len(j.errors) != errs {
		t.Fatalf("job %s: %d errors, want %d: %+v", j.id, errs, len(j.errors), got.Errors)
	}
	if j.status == queue.Ready || j.status == queue.Active {
		got.RunAt = time.Time{} // of one whose time has come memory only knows that it has
	}
	a := fmt.Sprint(j.status, j.queue, j.priority, j.attempt, j.crashes, j.runAt.UTC(), j.finished.UTC(), j.result)
	b := fmt.Sprint(got.Status, got.Queue, got.Priority, got.Attempt, got.Crashes, got.RunAt, got.FinishedAt, got.Result != nil)
	if a != b {
		t.Fatalf("job %s: want %s, got %s; the model has %+v", j.id, a, b, j)
	}
}

func (w *world) checkFlows(t *rapid.T) {
	for _, id := range w.flows {
		counts, status := map[queue.Status]int{}, queue.Completed
		for _, j := range w.members(id) {
			counts[j.status]++
		}
		switch {
		case slices.ContainsFunc(slices.Collect(maps.Keys(counts)), func(s queue.Status) bool { return !s.Final() }):
			status = queue.Active
		case counts[queue.Dead] > 0:
			status = queue.Dead
		case counts[queue.Cancelled] > 0:
			status = queue.Cancelled
		}
		f, err := w.box.Flow(w.t.Context(), id)
		if len(counts) == 0 {
			if err == nil {
				t.Fatalf("flow %s is there without a job", id)
			}
			continue
		}
		if err != nil || f.Status != status || !gocmp.Equal(f.Counts, counts) {
			t.Fatalf("flow %s is %s %v, %v; want %s %v", id, f.Status, f.Counts, err, status, counts)
		}
	}
}

// settled checks at the end that nothing is remembered of what is over.
func (w *world) settled(t *rapid.T) {
	for _, j := range w.jobs {
		if !j.status.Final() {
			return
		}
	}
	w.box.leftovers(w.t)
	if n := w.box.edges(w.t); n != 0 {
		t.Fatalf("%d records of dependencies are left", n)
	}
}

// TestModel runs random operations on the engine and on the model, and compares them after each.
func TestModel(t *testing.T) {
	runModel(t, queue.Weighted, func(w *world) map[string]func(*rapid.T) {
		steps := map[string]func(*rapid.T){
			"enqueue": w.enqueue, "enqueue more": w.enqueue, "lease": w.lease, "lease more": w.lease,
			"finish": w.finish, "finish more": w.finish, "cancel": w.cancel, "advance": w.advance, "reopen": w.reopen,
			"flow": w.createFlow, "cancel flow": w.cancelFlow, "sweep": w.sweep,
		}
		maps.Copy(steps, w.changes())
		return steps
	})
}

// TestModelStrict is about which job comes next in mode strict.
func TestModelStrict(t *testing.T) {
	runModel(t, queue.Strict, func(w *world) map[string]func(*rapid.T) {
		return map[string]func(*rapid.T){
			"enqueue": w.enqueue, "enqueue more": w.enqueue, "enqueue most": w.enqueue, "lease": w.lease, "lease outside": w.leaseOutside,
			"finish": w.finish, "advance": w.advance, "reopen": w.reopen, "cancel": w.cancel, "retry": w.retry, "edit": w.edit,
			"promote": w.promote, "mode": w.setMode,
		}
	})
}

// runModel runs steps, in a mode at first.
func runModel(t *testing.T, mode queue.Mode, steps func(*world) map[string]func(*rapid.T)) {
	t.Helper()
	checks := flag.Lookup("rapid.checks").Value
	before := checks.String()
	if before == "100" { // every run opens a database several times
		_ = checks.Set("20")
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
		w := &world{t: t, clock: clock, lines: map[string]*queue.Settings{"x": {}, "y": {}}}
		w.mode.Configured = queue.ModeSettings{Mode: mode, Ageing: 5 * time.Second}
		w.mode.ModeSettings = w.mode.Configured
		w.box = openIdle(t, dir, Config{
			Clock: clock, Rules: queue.Rules{Backoff: queue.Backoff{Jitter: -1}}, Mode: mode, Ageing: w.mode.Ageing, Weights: modelWeights,
			ResultTTL: modelResultTTL, Retention: modelRetention, RetentionCancelled: modelCancelled, RetentionDead: modelDead,
		})
		defer func() { w.box.stop() }()
		do := steps(w)
		do[""] = w.check
		rt.Repeat(do)
		w.settled(rt)
	})
}
