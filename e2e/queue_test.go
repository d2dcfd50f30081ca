//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/sdk/client"
	"github.com/wayside-edge/wayside/sdk/client/worker"
)

// jobs gives a client of an appliance.
func (a *appliance) jobs() *client.Client {
	a.t.Helper()
	c, err := client.New(client.Config{Server: a.url})
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func enqueueJob(t *testing.T, c *client.Client, n client.NewJob) client.Job {
	t.Helper()
	return must[client.Job](t)(c.Enqueue(t.Context(), n, ""))
}

// leaseJobs takes what there is within some seconds.
func leaseJobs(t *testing.T, c *client.Client, r client.LeaseRequest) []client.LeasedJob {
	t.Helper()
	if r.Worker == "" {
		r.Worker = "w"
	}
	return must[client.Leased](t)(c.Lease(t.Context(), r)).Jobs
}

// TestQueueSurvivesKill kills the appliance between the lease of a job and its end: the lease goes on with its token, and
// what was acknowledged stays.
func TestQueueSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	a := start(t, dir)
	c := a.jobs()
	done, held := enqueueJob(t, c, client.NewJob{Type: "x"}), enqueueJob(t, c, client.NewJob{Type: "x", Delay: 0.01})
	waits := enqueueJob(t, c, client.NewJob{Type: "x", Delay: 3600})
	var leases []client.LeasedJob
	for len(leases) < 2 {
		leases = append(leases, leaseJobs(t, c, client.LeaseRequest{Max: 2, Wait: 5})...)
	}
	token := map[string]string{leases[0].ID: leases[0].Lease, leases[1].ID: leases[1].Lease}
	ack := func(c *client.Client, id string) client.Ended {
		return must[client.Ended](t)(c.Finish(t.Context(), "w", client.Ends{Ack: []client.Ack{{ID: id, Lease: token[id], Result: []byte(`"ok"`)}}}))
	}
	ack(c, done.ID)
	half := 0.5
	if b := must[[]client.Beaten](t)(c.Heartbeat(t.Context(), "w", []client.Beat{{ID: held.ID, Lease: token[held.ID], Progress: &half}})); b[0].State != "ok" {
		t.Fatalf("heartbeat: %+v", b)
	}
	a.kill()
	a = start(t, dir)
	c = a.jobs()
	if j := must[client.Job](t)(c.Job(t.Context(), held.ID)); j.Status != "active" || j.Attempt != 1 {
		t.Errorf("the job that was at work is %s, attempt %d", j.Status, j.Attempt)
	}
	if e := ack(c, held.ID); len(e.Acked) != 1 {
		t.Errorf("its end was not taken: %+v", e)
	}
	if e := ack(c, done.ID); len(e.Lost) != 1 {
		t.Errorf("a job ended twice: %+v", e)
	}
	for _, id := range []string{done.ID, held.ID} {
		if r := must[client.JobResult](t)(c.Result(t.Context(), id, 0)); r.Status != "completed" || string(r.Result) != `"ok"` {
			t.Errorf("job %s is %s, %s", id, r.Status, r.Result)
		}
	}
	if j := must[client.Job](t)(c.Job(t.Context(), waits.ID)); j.Status != "scheduled" {
		t.Errorf("the job that waits is %s", j.Status)
	}
	// An end is heard of by who waits for it.
	must[client.Job](t)(c.PromoteJob(t.Context(), waits.ID))
	told := make(chan client.JobResult, 1)
	go func() {
		r, _ := c.Result(t.Context(), waits.ID, 20*time.Second)
		told <- r
	}()
	l := leaseJobs(t, c, client.LeaseRequest{Wait: 5})[0]
	token[l.ID] = l.Lease
	ack(c, l.ID)
	if r := <-told; r.Status != "completed" {
		t.Errorf("who waited was told %+v", r)
	}
}

// TestGoWorkers has two workers of the Go client do jobs while the appliance is killed three times.
func TestGoWorkers(t *testing.T) {
	dir := t.TempDir()
	a := start(t, dir)
	const many = 600
	jobs := make([]client.NewJob, many)
	for i := range jobs {
		jobs[i] = client.NewJob{Type: "count", Payload: i, MaxAttempts: 100}
	}
	made := must[[]client.Job](t)(a.jobs().EnqueueAll(t.Context(), jobs, "all"))
	again := must[[]client.Job](t)(a.jobs().EnqueueAll(t.Context(), jobs, "all"))
	if made[many-1].ID != again[many-1].ID {
		t.Error("the same call made other jobs")
	}
	var mu sync.Mutex
	seen := map[int]int{}
	address := a.url[len("http://"):]
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 2 {
		w, err := worker.New(worker.Config{Client: a.jobs(), Name: fmt.Sprint("go", i), Concurrency: 4, Lease: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		w.Handle("count", func(_ context.Context, j *worker.Job) (any, error) {
			var n int
			if err := j.Decode(&n); err != nil {
				return nil, worker.Permanent(err)
			}
			mu.Lock()
			seen[n]++
			first := seen[n] == 1
			mu.Unlock()
			if n%50 == 0 && first {
				return nil, worker.RetryAfter(errors.New("once more"), 10*time.Millisecond)
			}
			return n, nil
		})
		wg.Go(func() { _ = w.Run(ctx) })
	}
	for range 3 {
		for before := count(&mu, seen); count(&mu, seen) < before+60; time.Sleep(5 * time.Millisecond) {
		}
		a.kill()
		a = start(t, dir, "--listen", address)
	}
	c := a.jobs()
	for _, j := range made {
		if r := must[client.JobResult](t)(c.Wait(t.Context(), j.ID)); r.Status != "completed" {
			t.Fatalf("job %s is %s: %+v", j.ID, r.Status, r.Error)
		}
	}
	stop()
	wg.Wait()
	if len(seen) != many {
		t.Errorf("%d of %d jobs had their effect", len(seen), many)
	}
}

func count(mu *sync.Mutex, m map[int]int) int {
	mu.Lock()
	defer mu.Unlock()
	return len(m)
}

// TestQueueOperator does what somebody does who looks after a queue.
func TestQueueOperator(t *testing.T) {
	a := start(t, t.TempDir())
	c := a.jobs()
	first := enqueueJob(t, c, client.NewJob{Type: "x", Queue: "mine", MaxAttempts: 1})
	must[client.Queue](t)(c.PauseQueue(t.Context(), "mine"))
	if got := leaseJobs(t, c, client.LeaseRequest{Wait: 0.2}); len(got) != 0 {
		t.Fatalf("a job of a paused queue was leased: %+v", got)
	}
	must[client.Queue](t)(c.ResumeQueue(t.Context(), "mine"))
	l := leaseJobs(t, c, client.LeaseRequest{Wait: 5})[0]

	// A cancel is told with the next sign of life.
	must[client.Job](t)(c.CancelJob(t.Context(), first.ID))
	if b := must[[]client.Beaten](t)(c.Heartbeat(t.Context(), "w", []client.Beat{{ID: l.ID, Lease: l.Lease}})); b[0].State != "cancel" {
		t.Errorf("heartbeat: %+v", b)
	}
	fail := func(l client.LeasedJob) {
		t.Helper()
		e := client.Ends{Fail: []client.Fail{{ID: l.ID, Lease: l.Lease, Error: client.Fault{Code: "broken", Message: "it broke"}}}}
		if got := must[client.Ended](t)(c.Finish(t.Context(), "w", e)); len(got.Failed) != 1 {
			t.Fatalf("%+v", got)
		}
	}
	fail(l)
	if j := must[client.Job](t)(c.Job(t.Context(), first.ID)); j.Status != "cancelled" {
		t.Errorf("the job is %s", j.Status)
	}

	// A dead letter is edited and retried.
	dead := enqueueJob(t, c, client.NewJob{Type: "x", MaxAttempts: 1, Payload: "bad"})
	fail(leaseJobs(t, c, client.LeaseRequest{Wait: 5})[0])
	if found, _, err := c.Jobs(t.Context(), client.JobList{JobFilter: client.JobFilter{Status: []string{"dead"}, Code: "broken"}}); err != nil || len(found) != 1 {
		t.Fatalf("dead are %+v, %v", found, err)
	}
	must[client.Job](t)(c.EditJob(t.Context(), dead.ID, client.JobEdit{Payload: []byte(`"good"`)}))
	must[client.Job](t)(c.RetryJob(t.Context(), dead.ID))
	if l = leaseJobs(t, c, client.LeaseRequest{Wait: 5})[0]; l.ID != dead.ID || string(l.Payload) != `"good"` {
		t.Errorf("retried is %+v", l)
	}
	fail(l)

	// What depends on a job that fails is cancelled with it, or runs all the same.
	flow := must[client.Flow](t)(c.CreateFlow(t.Context(), []client.NewFlowJob{
		{Key: "a", NewJob: client.NewJob{Type: "x", MaxAttempts: 1}},
		{Key: "b", NewJob: client.NewJob{Type: "x", DependsOn: []string{"a"}}},
		{Key: "c", NewJob: client.NewJob{Type: "y", DependsOn: []string{"a"}, OnFailure: "continue"}},
	}, ""))
	fail(leaseJobs(t, c, client.LeaseRequest{Types: []string{"x"}, Wait: 5})[0])
	l = leaseJobs(t, c, client.LeaseRequest{Types: []string{"y"}, Wait: 5})[0]
	must[client.Ended](t)(c.Finish(t.Context(), "w", client.Ends{Ack: []client.Ack{{ID: l.ID, Lease: l.Lease}}}))
	flow = must[client.Flow](t)(c.Flow(t.Context(), flow.ID))
	if flow.Status != "dead" || flow.Counts["cancelled"] != 1 || flow.Counts["completed"] != 1 {
		t.Errorf("the flow is %+v", flow)
	}

	// A schedule fires, and what waits moves to another appliance.
	must[client.Schedule](t)(c.SetSchedule(t.Context(), "tick", client.NewSchedule{Cron: "* * * * * *", Job: client.NewJob{Type: "tick"}}))
	if l = leaseJobs(t, c, client.LeaseRequest{Types: []string{"tick"}, Wait: 10})[0]; l.ScheduleID != "tick" {
		t.Errorf("job of a schedule: %+v", l)
	}
	enqueueJob(t, c, client.NewJob{Type: "move", Payload: map[string]int{"n": 7}})
	var moved bytes.Buffer
	if err := c.ExportJobs(t.Context(), client.JobFilter{Type: "move"}, &moved); err != nil {
		t.Fatal(err)
	}
	other := start(t, t.TempDir()).jobs()
	if in := must[client.Imported](t)(other.ImportJobs(t.Context(), &moved)); in.Imported != 1 {
		t.Errorf("imported: %+v", in)
	}
	if l = leaseJobs(t, other, client.LeaseRequest{Wait: 5})[0]; l.Type != "move" || string(l.Payload) != `{"n":7}` {
		t.Errorf("moved is %+v", l)
	}
}

// TestLeaseExpires leaves a lease without a sign of life: another worker gets the job, and the first one's end is lost.
func TestLeaseExpires(t *testing.T) {
	a := start(t, t.TempDir())
	c := a.jobs()
	enqueueJob(t, c, client.NewJob{Type: "x", Backoff: &client.Backoff{Kind: "fixed", Base: 0.05}})
	first := leaseJobs(t, c, client.LeaseRequest{Worker: "slow", LeaseSeconds: 5, Wait: 5})[0]
	second := leaseJobs(t, c, client.LeaseRequest{Worker: "quick", Wait: 20})
	if len(second) != 1 || second[0].ID != first.ID || second[0].Attempt != 2 || second[0].Lease == first.Lease {
		t.Fatalf("after the lease: %+v", second)
	}
	e := must[client.Ended](t)(c.Finish(t.Context(), "slow", client.Ends{Ack: []client.Ack{{ID: first.ID, Lease: first.Lease}}}))
	if len(e.Lost) != 1 {
		t.Errorf("the end of a lease that is over: %+v", e)
	}
	if j := must[client.Job](t)(c.Job(t.Context(), first.ID)); len(j.Errors) != 1 || j.Errors[0].Code != "lease_expired" {
		t.Errorf("errors are %+v", j.Errors)
	}
}
