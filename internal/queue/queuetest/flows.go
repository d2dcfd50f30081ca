package queuetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// flows gives the side of an engine that makes flows; one that has none is not tested for it.
func flows(t *testing.T, e queue.Engine) queue.Flows {
	t.Helper()
	f, ok := e.(queue.Flows)
	if !ok {
		t.Skip("the engine makes no flows")
	}
	return f
}

// node is a job of a flow; its type is its key.
func node(key string, on ...string) queue.FlowJob {
	return queue.FlowJob{Key: key, DependsOn: on, New: queue.New{Type: key}}
}

func createFlow(t *testing.T, e queue.Engine, jobs ...queue.FlowJob) (queue.Flow, map[string]queue.ID) {
	t.Helper()
	f, err := flows(t, e).CreateFlow(t.Context(), jobs)
	if err != nil {
		t.Fatalf("CreateFlow: %v", err)
	}
	ids := map[string]queue.ID{}
	for _, n := range f.Jobs {
		ids[n.Key] = n.Job.ID
	}
	return f, ids
}

// runType leases the job of a type and ends its run.
func runType(t *testing.T, e queue.Engine, typ string, o queue.Outcome) queue.ID {
	t.Helper()
	l := lease(t, e, queue.LeaseRequest{Types: []string{typ}})
	finish(t, e, l, o)
	return l.Job.ID
}

// awaitCancelled waits until a job is cancelled: what an end does to others may follow in a commit of its own.
func awaitCancelled(t *testing.T, e queue.Engine, id queue.ID) queue.Job {
	t.Helper()
	for ctx := deadline(t); ; {
		j := get(t, e, id)
		if j.Status == queue.Cancelled {
			return j
		}
		if ctx.Err() != nil {
			t.Fatalf("job %s is %s, want cancelled", id, j.Status)
		}
		time.Sleep(time.Millisecond) // the engine needs the processor
	}
}

func testDependsOn(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{Rules: quick()})
	e := s.Engine
	flows(t, e)
	first := enqueue(t, e, queue.New{Type: "a"}, queue.New{Type: "a"})
	both := []queue.ID{first[1].ID, first[0].ID, first[1].ID}
	waits := enqueue(t, e, queue.New{Type: "b", DependsOn: both}, queue.New{Type: "c", DependsOn: both, Delay: time.Hour})
	for _, j := range waits {
		if j.Status != queue.Waiting {
			t.Errorf("job %s is %s, want waiting", j.ID, j.Status)
		}
	}
	leaseNone(t, e, queue.LeaseRequest{Types: []string{"b", "c"}})
	runType(t, e, "a", queue.Outcome{Result: []byte("1")})
	leaseNone(t, e, queue.LeaseRequest{Types: []string{"b", "c"}})
	runType(t, e, "a", queue.Outcome{Result: []byte("2")})
	wantStatus(t, e, waits[0].ID, queue.Ready)
	if j := wantStatus(t, e, waits[1].ID, queue.Scheduled); j.RunAt.IsZero() || !cmp.Equal(j.DependsOn, both) {
		t.Errorf("after what it waited for: %+v", j)
	}
	want := map[queue.Status]int64{queue.Ready: 1, queue.Scheduled: 1, queue.Completed: 2}
	if diff := cmp.Diff(want, counts(t, e, "default")); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	e = s.Reopen().Engine
	wantStatus(t, e, waits[0].ID, queue.Ready)
	wantStatus(t, e, waits[1].ID, queue.Scheduled)
	if l := lease(t, e, queue.LeaseRequest{}); l.Job.ID != waits[0].ID || l.Job.Attempt != 1 {
		t.Errorf("leased %+v", l.Job)
	}
	if j := enqueue(t, e, queue.New{Type: "d", DependsOn: both})[0]; j.Status != queue.Ready {
		t.Errorf("a job whose dependencies have completed is %s, want ready", j.Status)
	}
	for _, id := range []queue.ID{"j0000zzzzzz", "", "x", queue.ID(strings.Repeat("y", 1000))} {
		_, err := e.Enqueue(t.Context(), queue.New{Type: "d"}, queue.New{Type: "d", DependsOn: []queue.ID{first[0].ID, id}})
		checkField(t, err, "depends_on")
	}
	b := s.DB.Batch()
	_, err := e.Stage(b, queue.New{Type: "a", DependsOn: both})
	checkField(t, err, "depends_on")
}

func checkField(t *testing.T, err error, want string) {
	t.Helper()
	c, ok := errors.AsType[*errcode.Error](err)
	if !ok || c.Code != errcode.ValidationFailed || len(c.Fields) != 1 || c.Fields[0].Field != want {
		t.Errorf("error %v (%+v), want one about %s", err, c, want)
	}
}

// testDependencyEnds has jobs that depend on one which ends in each way, before and after they are enqueued.
func testDependencyEnds(t *testing.T, open Open) {
	t.Helper()
	var mu sync.Mutex
	graves := map[queue.ID]chan errcode.Code{}
	told := func(id queue.ID) chan errcode.Code {
		mu.Lock()
		defer mu.Unlock()
		if graves[id] == nil {
			graves[id] = make(chan errcode.Code, 10)
		}
		return graves[id]
	}
	e := open(t, Options{Rules: quick(), Dead: func(b *store.Batch, j queue.Job, code errcode.Code, _ string) error {
		b.OnCommit(func() { told(j.ID) <- code })
		return nil
	}}).Engine
	flows(t, e)
	for name, end := range map[string]func(l queue.Leased){
		"dead": func(l queue.Leased) { finish(t, e, l, queue.Outcome{Err: errTest, Permanent: true}) },
		"cancelled": func(l queue.Leased) {
			finish(t, e, l, queue.Outcome{Release: true, Delay: time.Hour})
			if _, err := e.Cancel(t.Context(), l.Job.ID, nil); err != nil {
				t.Fatal(err)
			}
		},
		"cancelled at work": func(l queue.Leased) {
			if _, err := e.Cancel(t.Context(), l.Job.ID, nil); err != nil {
				t.Fatal(err)
			}
			finish(t, e, l, queue.Outcome{Release: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := enqueue(t, e, queue.New{Type: "a"})[0]
			news := []queue.New{
				{Type: "b", DependsOn: []queue.ID{a.ID}, UniqueKey: name},
				{Type: "c", DependsOn: []queue.ID{a.ID}, OnFailure: queue.Continue},
			}
			before := enqueue(t, e, news...)
			third := enqueue(t, e, queue.New{Type: "d", DependsOn: []queue.ID{before[0].ID}})[0]
			end(lease(t, e, queue.LeaseRequest{Types: []string{"a"}}))
			for _, id := range []queue.ID{before[0].ID, third.ID} {
				j := awaitCancelled(t, e, id)
				if len(j.Errors) != 1 || j.Errors[0].Code != errcode.DependencyFailed {
					t.Errorf("errors: %+v", j.Errors)
				}
				if code := <-told(id); code != errcode.DependencyFailed {
					t.Errorf("its handler was told %q", code)
				}
			}
			if id := runType(t, e, "c", queue.Outcome{}); id != before[1].ID {
				t.Errorf("ran %s, want %s", id, before[1].ID)
			}
			after := enqueue(t, e, news...)
			if after[0].Duplicate {
				t.Errorf("the cancelled job holds its unique key")
			}
			awaitCancelled(t, e, after[0].ID)
			if id := runType(t, e, "c", queue.Outcome{}); id != after[1].ID {
				t.Errorf("ran %s, want %s", id, after[1].ID)
			}
		})
	}
}

func testFlow(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{Rules: quick()})
	e := s.Engine
	jobs := []queue.FlowJob{node("last", "left", "right"), node("right", "first"), node("first"), node("left", "first")}
	f, ids := createFlow(t, e, jobs...)
	if f.Status != queue.Active || f.Counts[queue.Waiting] != 3 || f.Counts[queue.Ready] != 1 || len(f.Jobs) != 4 {
		t.Fatalf("created: %+v", f)
	}
	for i, n := range f.Jobs {
		if n.Key != jobs[i].Key || !cmp.Equal(n.DependsOn, jobs[i].DependsOn) || n.Job.FlowID != f.ID || n.Job.FlowKey != n.Key || n.Job.Type != n.Key {
			t.Errorf("job %d: %+v", i, n)
		}
	}
	runType(t, e, "first", queue.Outcome{Result: []byte(`"1"`)})
	e = s.Reopen().Engine
	runType(t, e, "left", queue.Outcome{})
	leaseNone(t, e, queue.LeaseRequest{Types: []string{"last"}})
	runType(t, e, "right", queue.Outcome{})
	l := lease(t, e, queue.LeaseRequest{})
	if l.Job.ID != ids["last"] || !cmp.Equal(l.Job.DependsOn, []queue.ID{ids["left"], ids["right"]}) {
		t.Errorf("leased %+v", l.Job)
	}
	if r, err := e.Result(t.Context(), ids["first"]); err != nil || string(r) != `"1"` {
		t.Errorf("result of the first: %s, %v", r, err)
	}
	finish(t, e, l, queue.Outcome{})
	got, err := flows(t, e).Flow(t.Context(), f.ID)
	if err != nil || got.Status != queue.Completed || got.EndedAt.IsZero() || !cmp.Equal(got.Counts, map[queue.Status]int{queue.Completed: 4}) {
		t.Errorf("in the end: %+v, %v", got, err)
	}
	for range 2 {
		createFlow(t, e, node("a"))
	}
	page, next, err := flows(t, e).ListFlows(t.Context(), 2, "")
	if err != nil || len(page) != 2 || next == "" || page[0].ID <= page[1].ID || page[0].Jobs != nil {
		t.Fatalf("ListFlows gave %+v, %q, %v", page, next, err)
	}
	page, next, err = flows(t, e).ListFlows(t.Context(), 2, next)
	got.Jobs = nil
	if err != nil || next != "" || !cmp.Equal(page, []queue.Flow{got}) {
		t.Errorf("its second page: %+v, %q, %v", page, next, err)
	}
	for _, id := range []queue.FlowID{"", "f", "fzzzzzzzzzz", "f0000000zzz", queue.FlowID(ids["last"])} {
		if _, err := flows(t, e).Flow(t.Context(), id); !errcode.Is(err, errcode.NotFound) {
			t.Errorf("Flow %q: %v, want not_found", id, err)
		}
		if _, err := flows(t, e).CancelFlow(t.Context(), id); !errcode.Is(err, errcode.NotFound) {
			t.Errorf("CancelFlow %q: %v, want not_found", id, err)
		}
	}
}

func testFlowRefused(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	held := enqueue(t, e, queue.New{Type: "a", UniqueKey: "k"})[0]
	many := make([]queue.FlowJob, queue.MaxFlowJobs+1)
	for i := range many {
		many[i] = node(fmt.Sprint("n", i))
	}
	for want, jobs := range map[string][]queue.FlowJob{
		"jobs": nil, "jobs ": many,
		"jobs[1].key":        {node("a"), node("a")},
		"jobs[0].key":        {node("")},
		"jobs[0].key ":       {node("a b")},
		"jobs[0].depends_on": {node("a", "b")},
		// A cycle, and one that is not the first.
		"jobs[0].depends_on ":     {node("a", "a")},
		"jobs[3].depends_on":      {node("z"), node("a", "b"), node("b", "c"), node("c", "b")},
		"jobs[1].type":            {node("a"), {Key: "b", DependsOn: []string{"a"}}},
		"jobs[0].idempotency_key": {{Key: "a", New: queue.New{Type: "a", IdempotencyKey: "i"}}},
		"jobs[0].on_failure":      {{Key: "a", New: queue.New{Type: "a", OnFailure: "x"}}},
		"depends_on":              {{Key: "a", New: queue.New{Type: "a", DependsOn: []queue.ID{"j0000zzzzzz"}}}},
	} {
		_, err := flows(t, e).CreateFlow(t.Context(), jobs)
		checkField(t, err, strings.TrimSpace(want))
	}
	unique := []queue.FlowJob{node("a"), {Key: "b", New: queue.New{Type: "b", UniqueKey: "k"}}}
	if _, err := flows(t, e).CreateFlow(t.Context(), unique); !errcode.Is(err, errcode.Conflict) {
		t.Errorf("with a unique key that is held: %v", err)
	}
	finish(t, e, lease(t, e, queue.LeaseRequest{}), queue.Outcome{})
	if diff := cmp.Diff(map[queue.Status]int64{queue.Completed: 1}, counts(t, e, "default")); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	wantStatus(t, e, held.ID, queue.Completed)
	unique[1].New.DependsOn = []queue.ID{held.ID}
	if _, ids := createFlow(t, e, unique...); !enqueue(t, e, queue.New{Type: "b", UniqueKey: "k"})[0].Duplicate {
		t.Errorf("job %s of a flow does not hold its unique key", ids["b"])
	}
}

// testFlowFails has a job of a flow die: what needs it is cancelled, all the way down, the rest goes on.
func testFlowFails(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{Rules: quick()}).Engine
	var jobs []queue.FlowJob
	for i := range 300 {
		jobs = append(jobs, node(fmt.Sprint("n", i)))
	}
	jobs = queue.Chain(jobs...)
	jobs = append(jobs, node("other"), node("report", "n299", "other"))
	jobs[len(jobs)-1].OnFailure = queue.Continue
	f, ids := createFlow(t, e, jobs...)
	runType(t, e, "n0", queue.Outcome{})
	runType(t, e, "n1", queue.Outcome{Err: errTest, Permanent: true})
	for i := 2; i < 300; i++ {
		awaitCancelled(t, e, ids[fmt.Sprint("n", i)])
	}
	leaseNone(t, e, queue.LeaseRequest{Types: []string{"report"}})
	runType(t, e, "other", queue.Outcome{})
	runType(t, e, "report", queue.Outcome{})
	got, err := flows(t, e).Flow(t.Context(), f.ID)
	want := map[queue.Status]int{queue.Completed: 3, queue.Dead: 1, queue.Cancelled: 298}
	if err != nil || got.Status != queue.Dead || !cmp.Equal(got.Counts, want) {
		t.Errorf("in the end: %v %v, %v", got.Status, got.Counts, err)
	}
}

func testFlowCancel(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{Rules: quick()}).Engine
	group := []queue.FlowJob{node("done"), node("active"), node("ready"), {Key: "later", New: queue.New{Type: "later", Delay: time.Hour}}}
	f, ids := createFlow(t, e, queue.Chord(group, node("then"))...)
	out := enqueue(t, e, queue.New{Type: "outside", DependsOn: []queue.ID{ids["then"]}})[0]
	runType(t, e, "done", queue.Outcome{})
	l := lease(t, e, queue.LeaseRequest{Types: []string{"active"}})
	got, err := flows(t, e).CancelFlow(t.Context(), f.ID)
	want := map[queue.Status]int{queue.Completed: 1, queue.Active: 1, queue.Cancelled: 3}
	if err != nil || got.Status != queue.Active || !cmp.Equal(got.Counts, want) {
		t.Fatalf("CancelFlow gave %+v, %v", got, err)
	}
	finish(t, e, l, queue.Outcome{Release: true})
	got, err = flows(t, e).CancelFlow(t.Context(), f.ID)
	want = map[queue.Status]int{queue.Completed: 1, queue.Cancelled: 4}
	if err != nil || got.Status != queue.Cancelled || !cmp.Equal(got.Counts, want) {
		t.Fatalf("CancelFlow, again, gave %+v, %v", got, err)
	}
	awaitCancelled(t, e, out.ID)
}

// testFlowRace runs many flows by many workers: what is last in each runs once, after all others.
func testFlowRace(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{Rules: quick()}).Engine
	flows(t, e)
	const many, width, workers = 40, 5, 8
	var mu sync.Mutex
	done := map[queue.FlowID]int{}
	left := many
	ctx, stop := context.WithCancel(deadline(t))
	defer stop()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				ls, err := e.Lease(ctx, queue.LeaseRequest{})
				if err != nil {
					return
				}
				j := ls[0].Job
				mu.Lock()
				if j.Type == "then" {
					if done[j.FlowID] != width {
						t.Errorf("the last of flow %s runs after %d of the others", j.FlowID, done[j.FlowID])
					}
					left--
				}
				done[j.FlowID]++
				end := left == 0
				mu.Unlock()
				if err := e.Finish(context.WithoutCancel(ctx), ls[0].Lease, queue.Outcome{}); err != nil {
					t.Errorf("Finish: %v", err)
				}
				if end {
					stop()
				}
			}
		})
	}
	for range 4 {
		wg.Go(func() {
			for range many / 4 {
				group := make([]queue.FlowJob, width)
				for i := range group {
					group[i] = queue.FlowJob{Key: fmt.Sprint("g", i), New: queue.New{Type: "g"}}
				}
				if _, err := flows(t, e).CreateFlow(t.Context(), queue.Chord(group, node("then"))); err != nil {
					t.Errorf("CreateFlow: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(map[queue.Status]int64{queue.Completed: many * (width + 1)}, counts(t, e, "default")); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// testDependRace enqueues jobs that depend on ones which end just then: each runs.
func testDependRace(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{Rules: quick()}).Engine
	flows(t, e)
	const many = 80
	ctx, stop := context.WithCancel(deadline(t))
	defer stop()
	var workers, producers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for {
				ls, err := e.Lease(ctx, queue.LeaseRequest{Max: 4})
				if err != nil {
					return
				}
				for _, l := range ls {
					if err := e.Finish(context.WithoutCancel(ctx), l.Lease, queue.Outcome{}); err != nil {
						t.Errorf("Finish: %v", err)
					}
				}
			}
		})
	}
	for range 4 {
		producers.Go(func() {
			var last []queue.ID
			for range many / 4 {
				j, err := e.Enqueue(t.Context(), queue.New{Type: "a", DependsOn: last})
				if err != nil {
					t.Errorf("Enqueue: %v", err)
					return
				}
				last = []queue.ID{j[0].ID}
			}
		})
	}
	producers.Wait()
	for counts(t, e, "default")[queue.Completed] < many {
		if ctx.Err() != nil {
			t.Fatalf("in the end: %v, %d should have completed", counts(t, e, "default"), many)
		}
		time.Sleep(time.Millisecond) // the workers need the processor
	}
	stop()
	workers.Wait()
	if diff := cmp.Diff(map[queue.Status]int64{queue.Completed: many}, counts(t, e, "default")); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}
