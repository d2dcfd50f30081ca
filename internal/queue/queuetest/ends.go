package queuetest

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

func testCancelIdle(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{Rules: queue.Rules{}})
	e, mine := s.Engine, s.DB.Space("queuetest/")
	jobs := enqueue(t, e, queue.New{Type: "a"}, queue.New{Type: "a", Delay: patience * 10}, queue.New{Type: "a"}, queue.New{Type: "b"})
	finish(t, e, lease(t, e, queue.LeaseRequest{Types: []string{"b"}}), queue.Outcome{Err: errTest, RetryIn: patience * 10})
	wantStatus(t, e, jobs[3].ID, queue.Retry)
	for _, j := range []queue.Job{jobs[0], jobs[1], jobs[3]} {
		active, err := e.Cancel(t.Context(), j.ID, func(b *store.Batch) error {
			b.Set(mine, []byte(j.ID), []byte("x"))
			return nil
		})
		if active || err != nil {
			t.Fatalf("Cancel gave %v, %v", active, err)
		}
		if got := wantStatus(t, e, j.ID, queue.Cancelled); got.FinishedAt.IsZero() {
			t.Errorf("cancelled job has no end")
		}
		if _, err := mine.Get([]byte(j.ID)); err != nil {
			t.Errorf("what the cancel staged: %v", err)
		}
	}
	if l := lease(t, e, queue.LeaseRequest{}); l.Job.ID != jobs[2].ID {
		t.Errorf("leased %s, want the one that was not cancelled", l.Job.ID)
	}
	leaseNone(t, e, queue.LeaseRequest{})
	last := enqueue(t, e, queue.New{Type: "a"})[0]
	if _, err := e.Cancel(t.Context(), last.ID, func(*store.Batch) error { return errTest }); !errors.Is(err, errTest) {
		t.Errorf("Cancel with a failing hook: %v", err)
	}
	wantStatus(t, e, last.ID, queue.Ready)
	if l := lease(t, e, queue.LeaseRequest{}); l.Job.ID != last.ID {
		t.Errorf("leased %s, want %s", l.Job.ID, last.ID)
	}
}

func testCancelActive(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{Rules: quick()})
	e, mine := s.Engine, s.DB.Space("queuetest/")
	for _, c := range []struct {
		name   string
		o      queue.Outcome
		want   queue.Status
		staged string
	}{
		{"error", queue.Outcome{Err: errTest}, queue.Cancelled, "cancel"},
		{"release", queue.Outcome{Release: true}, queue.Cancelled, "cancel"},
		{"own commit", queue.Outcome{Err: errTest, Commit: func(b *store.Batch) error {
			b.Set(mine, []byte("own commit"), []byte("own"))
			return nil
		}}, queue.Cancelled, "own"},
		{"success", queue.Outcome{Result: json.RawMessage("1")}, queue.Completed, ""},
	} {
		j := enqueue(t, e, queue.New{Type: "a"})[0]
		var told []queue.Lease
		l := lease(t, e, queue.LeaseRequest{OnCancel: func(l queue.Lease) { told = append(told, l) }})
		for range 2 {
			active, err := e.Cancel(t.Context(), j.ID, func(b *store.Batch) error {
				b.Set(mine, []byte(c.name), []byte("cancel"))
				return nil
			})
			if !active || err != nil {
				t.Fatalf("%s: Cancel gave %v, %v", c.name, active, err)
			}
		}
		if diff := cmp.Diff([]queue.Lease{l.Lease}, told); diff != "" {
			t.Errorf("%s: told (-want +got):\n%s", c.name, diff)
		}
		wantStatus(t, e, j.ID, queue.Active)
		finish(t, e, l, c.o)
		wantStatus(t, e, j.ID, c.want)
		v, err := mine.Get([]byte(c.name))
		if string(v) != c.staged {
			t.Errorf("%s: staged %q, %v; want %q", c.name, v, err, c.staged)
		}
		leaseNone(t, e, queue.LeaseRequest{})
	}
}

func testLostLease(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{Rules: quick()}).Engine
	enqueue(t, e, queue.New{Type: "a"})
	l := lease(t, e, queue.LeaseRequest{})
	finish(t, e, l, queue.Outcome{Err: errTest})
	again := lease(t, e, queue.LeaseRequest{})
	called := false
	err := e.Finish(t.Context(), l.Lease, queue.Outcome{Commit: func(*store.Batch) error { called = true; return nil }})
	if !errors.Is(err, queue.ErrLeaseLost) || called {
		t.Errorf("Finish with an old lease: %v, its commit called: %v", err, called)
	}
	e.Progress(l.Lease, queue.Progress{Fraction: 1})
	if got := wantStatus(t, e, l.Job.ID, queue.Active); got.Attempt != 2 || got.Progress.Fraction != 0 {
		t.Errorf("the old lease reached the job: %+v", got)
	}
	finish(t, e, again, queue.Outcome{})
	if err := e.Finish(t.Context(), again.Lease, queue.Outcome{}); !errors.Is(err, queue.ErrLeaseLost) {
		t.Errorf("second Finish: %v, want ErrLeaseLost", err)
	}
	if err := e.Finish(t.Context(), queue.Lease{ID: "nonsense"}, queue.Outcome{}); !errors.Is(err, queue.ErrLeaseLost) {
		t.Errorf("Finish of nonsense: %v, want ErrLeaseLost", err)
	}
}

func testCommitHook(t *testing.T, open Open) {
	t.Helper()
	bad := true
	s := open(t, Options{Dead: func(b *store.Batch, _ queue.Job, _ errcode.Code, _ string) error {
		if bad {
			panic("dead")
		}
		return nil
	}})
	e, mine := s.Engine, s.DB.Space("queuetest/")
	j := enqueue(t, e, queue.New{Type: "a"})[0]
	l := lease(t, e, queue.LeaseRequest{})
	for name, o := range map[string]queue.Outcome{
		"error": {Commit: func(b *store.Batch) error {
			b.Set(mine, []byte("k"), []byte("v"))
			return errTest
		}},
		"panic": {Commit: func(b *store.Batch) error { panic("commit") }},
		"dead":  {Err: errTest, Permanent: true},
	} {
		if err := e.Finish(t.Context(), l.Lease, o); !errors.Is(err, queue.ErrStage) {
			t.Errorf("%s: Finish gave %v, want ErrStage", name, err)
		}
		wantStatus(t, e, j.ID, queue.Active)
		if _, err := mine.Get([]byte("k")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: a part of the batch is there: %v", name, err)
		}
	}
	bad = false
	finish(t, e, l, queue.Outcome{Err: errTest, Permanent: true})
	wantStatus(t, e, j.ID, queue.Dead)
}

func testResultLimits(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	for _, c := range []struct {
		name   string
		result string
		code   errcode.Code
	}{
		{"large", `"` + strings.Repeat("x", queue.MaxResult) + `"`, errcode.TooLarge},
		{"not JSON", "{", errcode.Malformed},
		{"largest", `"` + strings.Repeat("x", queue.MaxResult-2) + `"`, ""},
	} {
		j := enqueue(t, e, queue.New{Type: "a"})[0]
		called := false
		finish(t, e, lease(t, e, queue.LeaseRequest{}), queue.Outcome{
			Result: json.RawMessage(c.result), Commit: func(*store.Batch) error { called = true; return nil },
		})
		got := get(t, e, j.ID)
		if c.code == "" {
			if got.Status != queue.Completed || string(got.Result) != c.result || !called {
				t.Errorf("%s: %s with %d bytes", c.name, got.Status, len(got.Result))
			}
			continue
		}
		if got.Status != queue.Dead || len(got.Errors) != 1 || got.Errors[0].Code != c.code || called {
			t.Errorf("%s: %s %+v, commit called: %v", c.name, got.Status, got.Errors, called)
		}
	}
}

func testUnique(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{Rules: quick()})
	e := s.Engine
	n := queue.New{Type: "a", UniqueKey: "k"}
	first := enqueue(t, e, n, queue.New{Type: "a"}, n)
	if first[0].Duplicate || !first[2].Duplicate || first[2].ID != first[0].ID || first[1].ID == first[0].ID {
		t.Fatalf("twins in one call: %+v", first)
	}
	held := func(want queue.ID) {
		t.Helper()
		if again := enqueue(t, e, n)[0]; !again.Duplicate || again.ID != want {
			t.Fatalf("enqueued again: %+v, want a duplicate of %s", again, want)
		}
	}
	held(first[0].ID)
	e = s.Reopen().Engine
	held(first[0].ID)
	l := lease(t, e, queue.LeaseRequest{})
	held(first[0].ID)
	finish(t, e, l, queue.Outcome{Err: errTest})
	held(first[0].ID)
	enqueue(t, e, queue.New{Type: "a", UniqueKey: "other"})
	// Any end lets the key go.
	for i, end := range []func(queue.Job){
		func(queue.Job) {
			finish(t, e, lease(t, e, queue.LeaseRequest{Queues: []string{"u"}}), queue.Outcome{})
		},
		func(queue.Job) {
			finish(t, e, lease(t, e, queue.LeaseRequest{Queues: []string{"u"}}), queue.Outcome{Err: errTest, Permanent: true})
		},
		func(j queue.Job) {
			if _, err := e.Cancel(t.Context(), j.ID, nil); err != nil {
				t.Fatalf("Cancel: %v", err)
			}
		},
	} {
		n := queue.New{Type: "u", Queue: "u", UniqueKey: "round"}
		j := enqueue(t, e, n)[0]
		if j.Duplicate {
			t.Fatalf("end %d did not let the key go", i-1)
		}
		end(j)
	}
	if j := enqueue(t, e, queue.New{Type: "u", UniqueKey: "round"})[0]; j.Duplicate {
		t.Errorf("cancel did not let the key go")
	}
}

func testUniqueRace(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	var wg sync.WaitGroup
	var mu sync.Mutex
	fresh := map[string]int{}
	for i := range 8 {
		wg.Go(func() {
			for k := range 20 {
				a, b := "a"+string(rune('a'+k)), "b"+string(rune('a'+k))
				if i%2 == 0 {
					a, b = b, a
				}
				jobs, err := e.Enqueue(t.Context(), queue.New{Type: "a", UniqueKey: a}, queue.New{Type: "a", UniqueKey: b})
				if err != nil {
					t.Errorf("Enqueue: %v", err)
					return
				}
				mu.Lock()
				for _, j := range jobs {
					if !j.Duplicate {
						fresh[j.UniqueKey]++
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(fresh) != 40 {
		t.Errorf("%d keys were enqueued, want 40", len(fresh))
	}
	for k, n := range fresh {
		if n != 1 {
			t.Errorf("key %s was enqueued %d times", k, n)
		}
	}
}
