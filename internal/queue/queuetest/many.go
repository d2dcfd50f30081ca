package queuetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/queue"
)

// testRace has many workers at many jobs, each of which fails once: every run has one holder.
func testRace(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{Rules: quick()}).Engine
	const jobs, workers = 300, 8
	var held, runs sync.Map
	var left atomic.Int64
	left.Store(2 * jobs)
	ctx, stop := context.WithCancel(deadline(t))
	defer stop()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for left.Load() > 0 {
				ls, err := e.Lease(ctx, queue.LeaseRequest{Max: 3})
				if err != nil {
					if left.Load() > 0 {
						t.Errorf("Lease with %d runs left: %v", left.Load(), err)
					}
					return
				}
				for _, l := range ls {
					if _, taken := held.LoadOrStore(l.Job.ID, true); taken {
						t.Errorf("job %s has two holders", l.Job.ID)
					}
					if _, twice := runs.LoadOrStore(fmt.Sprint(l.Job.ID, l.Job.Attempt), true); twice {
						t.Errorf("attempt %d of job %s ran twice", l.Job.Attempt, l.Job.ID)
					}
					o := queue.Outcome{}
					if l.Job.Attempt == 1 {
						o.Err = errTest
					}
					held.Delete(l.Job.ID)
					if err := e.Finish(ctx, l.Lease, o); err != nil {
						t.Errorf("Finish: %v", err)
					}
					if left.Add(-1) == 0 {
						stop()
					}
				}
			}
		})
	}
	for range 4 {
		wg.Go(func() {
			for range jobs / 4 {
				if _, err := e.Enqueue(t.Context(), queue.New{Type: "a"}); err != nil {
					t.Errorf("Enqueue: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(map[queue.Status]int64{queue.Completed: jobs}, counts(t, e, "default")); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// testCancelRace cancels jobs while workers take them: each ends once, and nothing is left over.
func testCancelRace(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{Rules: quick()}).Engine
	const jobs = 200
	ctx, stop := context.WithCancel(deadline(t))
	defer stop()
	var workers, cancellers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for {
				ls, err := e.Lease(ctx, queue.LeaseRequest{})
				if err != nil {
					return
				}
				if err := e.Finish(ctx, ls[0].Lease, queue.Outcome{Err: errTest}); err != nil {
					t.Errorf("Finish: %v", err)
				}
			}
		})
	}
	for range 4 {
		cancellers.Go(func() {
			for i := range jobs / 4 {
				j, err := e.Enqueue(t.Context(), queue.New{Type: "a", Delay: []queue.New{{}, {Delay: 1000}}[i%2].Delay, MaxAttempts: 2})
				if err != nil {
					t.Errorf("Enqueue: %v", err)
					return
				}
				if _, err := e.Cancel(t.Context(), j[0].ID, nil); err != nil && !errors.Is(err, queue.ErrEnded) {
					t.Errorf("Cancel: %v", err)
				}
			}
		})
	}
	cancellers.Wait()
	for ctx.Err() == nil {
		c := counts(t, e, "default")
		if c[queue.Cancelled]+c[queue.Dead] == jobs {
			break
		}
	}
	stop()
	workers.Wait()
	c := counts(t, e, "default")
	if c[queue.Cancelled]+c[queue.Dead] != jobs || len(c) > 2 {
		t.Errorf("counts: %v, want %d cancelled or dead", c, jobs)
	}
}

func testList(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	var all []queue.ID
	for i := range 25 {
		j := enqueue(t, e, queue.New{Type: []string{"a", "b"}[i%2], Queue: []string{"x", "y"}[i/13]})[0]
		all = append(all, j.ID)
	}
	l := lease(t, e, queue.LeaseRequest{Queues: []string{"y"}, Types: []string{"a"}})
	list := func(f queue.Filter) []queue.ID {
		t.Helper()
		var ids []queue.ID
		for pages := 0; ; pages++ {
			p, err := e.List(t.Context(), f)
			if err != nil {
				t.Fatalf("List: %v", err)
			}
			for _, j := range p.Jobs {
				ids = append(ids, j.ID)
			}
			if p.Next == "" || pages > 30 {
				return ids
			}
			if len(p.Jobs) != f.Limit {
				t.Fatalf("a page of %d with %d jobs is not the last", f.Limit, len(p.Jobs))
			}
			f.Cursor = p.Next
		}
	}
	for _, limit := range []int{0, 1, 7, 25} {
		if diff := cmp.Diff(all, list(queue.Filter{Limit: limit})); diff != "" {
			t.Errorf("limit %d (-want +got):\n%s", limit, diff)
		}
	}
	if got := list(queue.Filter{Queue: "x", Type: "b", Limit: 2}); len(got) != 6 {
		t.Errorf("queue x, type b: %v", got)
	}
	if diff := cmp.Diff([]queue.ID{l.Job.ID}, list(queue.Filter{Status: []queue.Status{queue.Active, queue.Dead}})); diff != "" {
		t.Errorf("active ones (-want +got):\n%s", diff)
	}
	if got := list(queue.Filter{Status: []queue.Status{queue.Ready}}); len(got) != 24 {
		t.Errorf("%d ready, want 24", len(got))
	}
	testListErrors(t, e, l)
	if _, err := e.List(t.Context(), queue.Filter{Cursor: "nonsense"}); err == nil {
		t.Errorf("a wrong cursor is taken")
	}
}

// testListErrors fails a leased job and lists it with its error and without, between others that have none.
func testListErrors(t *testing.T, e queue.Engine, l queue.Leased) {
	t.Helper()
	finish(t, e, l, queue.Outcome{Err: errTest, Permanent: true})
	for _, want := range []bool{true, false} {
		p, err := e.List(t.Context(), queue.Filter{Errors: want})
		if err != nil {
			t.Fatal(err)
		}
		for i := range p.Jobs {
			j := &p.Jobs[i]
			if has := len(j.Errors) == 1 && j.Errors[0].Message == errTest.Error(); has != (want && j.ID == l.Job.ID) || len(j.Errors) > 1 {
				t.Errorf("listed with errors %v: %s has %v", want, j.ID, j.Errors)
			}
		}
	}
}

func testCounts(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{Weights: map[string]int{"mine": 9}})
	e := s.Engine
	enqueue(t, e, queue.New{Type: "a", Queue: "mine"}, queue.New{Type: "a", Queue: "mine"}, queue.New{Type: "a", Queue: "mine"},
		queue.New{Type: "a", Queue: "mine", Delay: patience * 10}, queue.New{Type: "a", Queue: "mine"}, queue.New{Type: "z", Queue: "new"})
	for _, o := range []queue.Outcome{{}, {Err: errTest, RetryIn: patience * 10}, {Err: errTest, Permanent: true}} {
		finish(t, e, lease(t, e, queue.LeaseRequest{Queues: []string{"mine"}}), o)
	}
	want := map[queue.Status]int64{queue.Completed: 1, queue.Retry: 1, queue.Dead: 1, queue.Scheduled: 1, queue.Ready: 1}
	if diff := cmp.Diff(want, counts(t, e, "mine")); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, counts(t, s.Reopen().Engine, "mine")); diff != "" {
		t.Errorf("counts after reopening (-want +got):\n%s", diff)
	}
}

func testProgress(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	enqueue(t, e, queue.New{Type: "a"})
	l := lease(t, e, queue.LeaseRequest{})
	want := queue.Progress{Fraction: 0.5, Text: "half"}
	e.Progress(l.Lease, want)
	if got := get(t, e, l.Job.ID).Progress; got != want {
		t.Errorf("progress %+v, want %+v", got, want)
	}
}

// testReopen checks that what was acknowledged is there, and that what was leased can be leased again.
func testReopen(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{})
	jobs := enqueue(t, s.Engine, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"})
	finish(t, s.Engine, lease(t, s.Engine, queue.LeaseRequest{}), queue.Outcome{Result: []byte("1")})
	finish(t, s.Engine, lease(t, s.Engine, queue.LeaseRequest{}), queue.Outcome{Err: errTest, RetryIn: patience * 10})
	lost := lease(t, s.Engine, queue.LeaseRequest{})
	before := map[queue.ID]queue.Job{}
	for _, j := range jobs[:2] {
		before[j.ID] = get(t, s.Engine, j.ID)
	}
	s = s.Reopen()
	for id, want := range before {
		if diff := cmp.Diff(want, get(t, s.Engine, id)); diff != "" {
			t.Errorf("after reopening (-before +after):\n%s", diff)
		}
	}
	if err := s.Engine.Finish(t.Context(), lost.Lease, queue.Outcome{}); !errors.Is(err, queue.ErrLeaseLost) {
		t.Errorf("Finish with a lease from before: %v, want ErrLeaseLost", err)
	}
	for _, want := range jobs[2:] {
		if l := lease(t, s.Engine, queue.LeaseRequest{}); l.Job.ID != want.ID {
			t.Errorf("leased %s, want %s", l.Job.ID, want.ID)
		}
	}
	if next := enqueue(t, s.Engine, queue.New{Type: "a"})[0]; next.ID <= jobs[3].ID {
		t.Errorf("ids do not ascend over a restart: %s after %s", next.ID, jobs[3].ID)
	}
}
