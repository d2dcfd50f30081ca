package queuetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

func testOrder(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	var want []queue.ID
	byPriority := map[int][]queue.ID{}
	for i := range 30 {
		p := []int{5, 9, 0}[i%3]
		typ := []string{"a", "b"}[i%2]
		j := enqueue(t, e, queue.New{Type: typ, Priority: &p})[0]
		byPriority[p] = append(byPriority[p], j.ID)
	}
	for _, p := range []int{9, 5, 0} {
		want = append(want, byPriority[p]...)
	}
	var got []queue.ID
	for len(got) < len(want) {
		l, err := e.Lease(deadline(t), queue.LeaseRequest{Max: 7})
		if err != nil || len(l) == 0 || len(l) > 7 {
			t.Fatalf("Lease gave %d jobs, %v", len(l), err)
		}
		for _, l := range l {
			got = append(got, l.Job.ID)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func testLeaseFilters(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	ids := map[string]queue.ID{}
	for _, q := range []string{"decode", "email", "mine"} {
		for _, typ := range []string{"a", "b"} {
			ids[q+typ] = enqueue(t, e, queue.New{Type: typ, Queue: q})[0].ID
		}
	}
	leaseNone(t, e, queue.LeaseRequest{Types: []string{"c"}})
	leaseNone(t, e, queue.LeaseRequest{Types: []string{}})
	leaseNone(t, e, queue.LeaseRequest{Queues: []string{"other"}})
	leaseNone(t, e, queue.LeaseRequest{Skip: []string{"decode", "email", "mine"}})
	for _, c := range []struct {
		r    queue.LeaseRequest
		want string
	}{
		{queue.LeaseRequest{Queues: []string{"mine"}, Types: []string{"b"}}, "mineb"},
		{queue.LeaseRequest{Queues: []string{"mine"}}, "minea"},
		{queue.LeaseRequest{Skip: []string{"email"}, Types: []string{"x", "b"}}, "decodeb"},
		{queue.LeaseRequest{Skip: []string{"email"}}, "decodea"},
		{queue.LeaseRequest{Types: []string{"b"}}, "emailb"},
	} {
		if l := lease(t, e, c.r); l.Job.ID != ids[c.want] {
			t.Errorf("%+v gave %s of %s, want %s", c.r, l.Job.Type, l.Job.Queue, c.want)
		}
	}
	// Who waits for other jobs is not woken by this one, and does not keep it from who wants it.
	done := make(chan struct{})
	for _, r := range []queue.LeaseRequest{{Types: []string{"z"}}, {Queues: []string{"late"}}} {
		go func() {
			defer func() { done <- struct{}{} }()
			if l, err := e.Lease(deadline(t), r); err != nil || len(l) != 1 {
				t.Errorf("Lease %+v gave %v, %v", r, l, err)
			}
		}()
	}
	enqueue(t, e, queue.New{Type: "y", Queue: "late"}, queue.New{Type: "z", Queue: "email"})
	<-done
	<-done
}

// testWeights checks that full queues are served in proportion to their weights, and none of them never.
func testWeights(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{Weights: map[string]int{"analytics": 2, "cleanup": 1, "heavy": 7}}).Engine
	var jobs []queue.New
	for range 100 {
		for _, q := range []string{"analytics", "cleanup", "heavy"} {
			jobs = append(jobs, queue.New{Type: "a", Queue: q})
		}
	}
	enqueue(t, e, jobs...)
	got := map[string]int{}
	for range 100 {
		got[lease(t, e, queue.LeaseRequest{}).Job.Queue]++
	}
	if diff := cmp.Diff(map[string]int{"analytics": 20, "cleanup": 10, "heavy": 70}, got); diff != "" {
		t.Errorf("of 100 leases (-want +got):\n%s", diff)
	}
}

// testMode changes how queues take turns: it holds from the next lease on, and after opening again, until it is taken back.
func testMode(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{Weights: map[string]int{"first": 9, "second": 1}})
	set := func(p queue.ModePatch) queue.ModeLine {
		t.Helper()
		l, err := as[queue.Manager](t, s.Engine).SetMode(t.Context(), p)
		if err != nil {
			t.Fatalf("SetMode: %v", err)
		}
		return l
	}
	before := set(queue.ModePatch{})
	if before.Mode != queue.Weighted || before.ModeSettings != before.Configured || before.Set != (queue.ModeSettings{}) {
		t.Errorf("as configured: %+v", before)
	}
	strict, ageing := queue.Strict, time.Hour
	want := queue.ModeLine{ModeSettings: queue.ModeSettings{Mode: strict, Ageing: ageing}, Configured: before.Configured}
	want.Set = want.ModeSettings
	if got := set(queue.ModePatch{Mode: &strict, Ageing: &ageing}); got != want {
		t.Errorf("set: %+v, want %+v", got, want)
	}
	for range 40 {
		enqueue(t, s.Engine, queue.New{Type: "a", Queue: "second"}, queue.New{Type: "a", Queue: "first"})
	}
	s = s.Reopen()
	if got, err := as[queue.Manager](t, s.Engine).Mode(t.Context()); err != nil || got != want {
		t.Errorf("after opening again: %+v, %v, want %+v", got, err, want)
	}
	for range 20 {
		if l := lease(t, s.Engine, queue.LeaseRequest{}); l.Job.Queue != "first" {
			t.Fatalf("in mode strict a job of %s was leased", l.Job.Queue)
		}
	}
	for _, bad := range []queue.ModePatch{{Mode: new(queue.Mode("loose"))}, {Ageing: new(time.Millisecond)}, {Ageing: new(-time.Second)}, {Ageing: new(25 * time.Hour)}} {
		if _, err := as[queue.Manager](t, s.Engine).SetMode(t.Context(), bad); !errcode.Is(err, errcode.ValidationFailed) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if got := set(queue.ModePatch{Mode: new(queue.Mode("")), Ageing: new(time.Duration(0))}); got != before {
		t.Errorf("taken back: %+v, want %+v", got, before)
	}
	got := map[string]int{}
	for range 20 {
		got[lease(t, s.Engine, queue.LeaseRequest{}).Job.Queue]++
	}
	if diff := cmp.Diff(map[string]int{"first": 18, "second": 2}, got); diff != "" {
		t.Errorf("weighted again (-want +got):\n%s", diff)
	}
}
