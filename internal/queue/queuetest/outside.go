package queuetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

// as gives an engine's other side.
func as[T any](t *testing.T, e queue.Engine) T {
	t.Helper()
	out, ok := e.(T)
	if !ok {
		t.Fatalf("the engine lacks a side that it has to have: %T", *new(T))
	}
	return out
}

func leaseOutside(t *testing.T, e queue.Engine, r queue.ExternalRequest) []queue.ExternalLeased {
	t.Helper()
	if r.Worker == "" {
		r.Worker = "w"
	}
	out, err := as[queue.External](t, e).LeaseExternal(deadline(t), r)
	if err != nil {
		t.Fatalf("LeaseExternal: %v", err)
	}
	return out
}

func leaseOne(t *testing.T, e queue.Engine) queue.ExternalLeased {
	t.Helper()
	out := leaseOutside(t, e, queue.ExternalRequest{})
	if len(out) != 1 {
		t.Fatalf("LeaseExternal gave %d jobs", len(out))
	}
	return out[0]
}

// finishAll ends runs and gives what became of each: "", "lost" or the code of the refusal.
func finishAll(t *testing.T, e queue.Engine, ends ...queue.End) []string {
	t.Helper()
	out, err := as[queue.External](t, e).FinishAll(t.Context(), ends)
	if err != nil || len(out) != len(ends) {
		t.Fatalf("FinishAll gave %v, %v", out, err)
	}
	var got []string
	for i, end := range ends {
		ended := out[i]
		switch {
		case ended.Lease != end.Lease:
			t.Errorf("answer %d is about %v, want %v", i, ended.Lease, end.Lease)
		case ended.Lost:
			got = append(got, "lost")
		case ended.Err != nil:
			got = append(got, string(errcode.Of(ended.Err)))
		default:
			got = append(got, "")
		}
	}
	return got
}

func beat(t *testing.T, e queue.Engine, beats ...queue.Beat) []queue.LeaseState {
	t.Helper()
	out, err := as[queue.External](t, e).Heartbeat(t.Context(), "w", beats)
	if err != nil || len(out) != len(beats) {
		t.Fatalf("Heartbeat gave %v, %v", out, err)
	}
	var got []queue.LeaseState
	for i, beat := range beats {
		b := out[i]
		if b.Lease != beat.Lease || (b.State != queue.LeaseLost && b.Expires.IsZero()) {
			t.Errorf("answer %d: %+v", i, b)
		}
		got = append(got, b.State)
	}
	return got
}

// testTurn ends runs and leases in one call.
func testTurn(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{Rules: quick()}).Engine
	x := as[queue.External](t, e)
	turn := func(most int, ends ...queue.End) ([]queue.Ended, []queue.ExternalLeased) {
		t.Helper()
		ended, leased, err := x.FinishAndLease(deadline(t), ends, queue.ExternalRequest{Worker: "w", Max: most, NoWait: true})
		if err != nil || len(ended) != len(ends) {
			t.Fatalf("FinishAndLease gave %v, %v", ended, err)
		}
		return ended, leased
	}
	jobs := enqueue(t, e, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"})
	_, got := turn(2)
	if len(got) != 2 || got[0].Job.ID != jobs[0].ID {
		t.Fatalf("leased %+v", got)
	}
	large := json.RawMessage(`"` + strings.Repeat("x", queue.MaxResult) + `"`)
	made := queue.Lease{ID: jobs[2].ID, Token: 7} // of a job that the same call takes
	ended, next := turn(1, queue.End{Lease: got[0].Lease, Outcome: queue.Outcome{Result: json.RawMessage(`1`)}},
		queue.End{Lease: got[1].Lease, Outcome: queue.Outcome{Result: large}}, queue.End{Lease: got[0].Lease}, queue.End{Lease: made})
	if ended[0].Err != nil || ended[0].Lost || errcode.Of(ended[1].Err) != errcode.TooLarge || !ended[2].Lost || !ended[3].Lost {
		t.Errorf("ended: %+v", ended)
	}
	if len(next) != 1 || next[0].Job.ID != jobs[2].ID || next[0].Job.Attempt != 1 {
		t.Fatalf("leased %+v", next)
	}
	if j := get(t, e, jobs[0].ID); j.Status != queue.Completed || string(j.Result) != "1" {
		t.Errorf("what was ended: %+v", j)
	}
	if states := beat(t, e, queue.Beat{Lease: got[1].Lease}, queue.Beat{Lease: next[0].Lease}); states[0] != queue.LeaseOK || states[1] != queue.LeaseOK {
		t.Errorf("the leases are %v", states)
	}
	// What an end makes room for comes in the same call.
	if _, err := as[queue.Manager](t, e).Configure(t.Context(), "default", queue.SettingsPatch{MaxActive: new(2)}); err != nil {
		t.Fatal(err)
	}
	ended, last := turn(1, queue.End{Lease: next[0].Lease, Outcome: queue.Outcome{Err: errors.New("broken"), Permanent: true}})
	if ended[0].Err != nil || len(last) != 1 || last[0].Job.ID != jobs[3].ID || get(t, e, jobs[2].ID).Status != queue.Dead {
		t.Errorf("ended %+v, leased %+v", ended, last)
	}
	if ended, none := turn(1, queue.End{Lease: last[0].Lease}, queue.End{Lease: got[1].Lease}); ended[0].Err != nil || ended[1].Err != nil || len(none) != 0 {
		t.Errorf("ended %+v, leased %+v", ended, none)
	}
}

// testOutside leads jobs through the hands of a worker outside, every way a run can end.
func testOutside(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{Rules: quick()}).Engine
	jobs := enqueue(t, e, queue.New{Type: "a", Payload: json.RawMessage(`{"x":1}`), RequestID: "req", TraceID: "trace"},
		queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"})
	got := leaseOutside(t, e, queue.ExternalRequest{Max: 10, Lease: time.Minute})
	if len(got) != 5 {
		t.Fatalf("leased %d jobs of 5", len(got))
	}
	l := got[0]
	if diff := cmp.Diff(l.Job, get(t, e, l.Job.ID)); diff != "" {
		t.Errorf("Get differs from what was leased (-leased +got):\n%s", diff)
	}
	if l.Job.ID != jobs[0].ID || l.Job.Status != queue.Active || l.Job.Attempt != 1 || l.Job.Worker != "w" || l.Job.TraceID != "trace" ||
		string(l.Job.Payload) != `{"x":1}` || l.Lease.ID != l.Job.ID || time.Until(l.Expires) < 30*time.Second || time.Until(l.Expires) > time.Minute {
		t.Errorf("leased: %+v", l)
	}
	ends := []queue.End{
		{Lease: got[0].Lease, Outcome: queue.Outcome{Result: json.RawMessage(`{"rows":3}`)}},
		{Lease: got[1].Lease, Outcome: queue.Outcome{Err: errTest, RetryIn: patience * 10}},
		{Lease: got[2].Lease, Outcome: queue.Outcome{Err: errTest, Permanent: true}},
		{Lease: got[3].Lease, Outcome: queue.Outcome{Release: true, Delay: patience * 10}},
		{Lease: got[4].Lease, Outcome: queue.Outcome{Release: true}},
		{Lease: queue.Lease{ID: "nonsense", Token: 1}},
		{Lease: queue.Lease{ID: got[0].Lease.ID, Token: got[0].Lease.Token + 1}},
		{Lease: got[0].Lease}, // a second time
	}
	if diff := cmp.Diff([]string{"", "", "", "", "", "lost", "lost", "lost"}, finishAll(t, e, ends...)); diff != "" {
		t.Errorf("ends (-want +got):\n%s", diff)
	}
	for i, want := range []queue.Status{queue.Completed, queue.Retry, queue.Dead, queue.Scheduled, queue.Ready} {
		j := wantStatus(t, e, jobs[i].ID, want)
		if attempts := []int{1, 1, 1, 0, 0}[i]; j.Attempt != attempts || j.Worker != "" {
			t.Errorf("job %d, %s: %+v", i, want, j)
		}
	}
	if r, err := e.Result(t.Context(), jobs[0].ID); err != nil || string(r) != `{"rows":3}` {
		t.Errorf("result %s, %v", r, err)
	}
	if again := leaseOne(t, e); again.Job.ID != jobs[4].ID || again.Lease.Token == got[4].Lease.Token {
		t.Errorf("leased %+v, want the one that was given back, with another token", again.Lease)
	}
}

// testRefused gives ends that are not taken: the worker keeps its lease.
func testRefused(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{Rules: queue.Rules{MaxResult: 100}}).Engine
	enqueue(t, e, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"})
	l := leaseOutside(t, e, queue.ExternalRequest{Max: 3})
	got := finishAll(t, e,
		queue.End{Lease: l[0].Lease, Outcome: queue.Outcome{Result: json.RawMessage(`"` + strings.Repeat("x", 100) + `"`)}},
		queue.End{Lease: l[1].Lease, Outcome: queue.Outcome{Result: json.RawMessage(`{`)}},
		queue.End{Lease: l[2].Lease},
	)
	if diff := cmp.Diff([]string{"too_large", "malformed", ""}, got); diff != "" {
		t.Errorf("ends (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]queue.LeaseState{"ok", "ok", "lost"}, beat(t, e, queue.Beat{Lease: l[0].Lease}, queue.Beat{Lease: l[1].Lease}, queue.Beat{Lease: l[2].Lease})); diff != "" {
		t.Errorf("leases (-want +got):\n%s", diff)
	}
	if got := finishAll(t, e, queue.End{Lease: l[0].Lease}); got[0] != "" {
		t.Errorf("a second try: %s", got[0])
	}
	for name, r := range map[string]queue.ExternalRequest{
		"no worker": {}, "long name": {Worker: strings.Repeat("w", queue.MaxLabel+1)}, "max": {Worker: "w", Max: queue.MaxLeaseBatch + 1},
		"negative": {Worker: "w", Max: -1}, "short lease": {Worker: "w", Lease: time.Second}, "long lease": {Worker: "w", Lease: 2 * time.Hour},
	} {
		if _, err := as[queue.External](t, e).LeaseExternal(t.Context(), r); errcode.Of(err) != errcode.ValidationFailed {
			t.Errorf("%s: %v, want validation_failed", name, err)
		}
	}
}

// testOutsideWaits has workers wait for a job, in vain and not, and gone before it comes.
func testOutsideWaits(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	x := as[queue.External](t, e)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if l, err := x.LeaseExternal(ctx, queue.ExternalRequest{Worker: "w"}); err != nil || l != nil || ctx.Err() == nil {
		t.Errorf("waiting in vain gave %v, %v", l, err)
	}
	if l := leaseOutside(t, e, queue.ExternalRequest{NoWait: true}); len(l) != 0 {
		t.Errorf("not waiting gave %v", l)
	}
	got := make(chan int, 1)
	go func() {
		l, err := x.LeaseExternal(deadline(t), queue.ExternalRequest{Worker: "w", Max: 3})
		if err != nil {
			t.Errorf("LeaseExternal: %v", err)
		}
		got <- len(l)
	}()
	jobs := enqueue(t, e, queue.New{Type: "a"}, queue.New{Type: "a"})
	if n := <-got; n < 1 || n > 2 {
		t.Errorf("leased %d jobs", n)
	}
	if l, err := x.LeaseExternal(ctx, queue.ExternalRequest{Worker: "w"}); err != nil || l != nil {
		t.Errorf("a worker that has gone was given %v, %v", l, err)
	}
	for _, j := range jobs {
		if a := get(t, e, j.ID).Attempt; a > 1 {
			t.Errorf("attempt %d", a)
		}
	}
}

// testOwnTypes checks that workers outside are given no jobs that the process runs itself.
func testOwnTypes(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{Types: []string{"mine"}}).Engine
	jobs := enqueue(t, e, queue.New{Type: "mine"}, queue.New{Type: "theirs"}, queue.New{Type: "other", Queue: "q"})
	if l := leaseOutside(t, e, queue.ExternalRequest{Types: []string{"other"}, Queues: []string{"q"}}); len(l) != 1 || l[0].Job.ID != jobs[2].ID {
		t.Errorf("leased %v by type and queue", l)
	}
	if l := leaseOutside(t, e, queue.ExternalRequest{Max: 5}); len(l) != 1 || l[0].Job.ID != jobs[1].ID {
		t.Errorf("leased %v, want the one type that is theirs", l)
	}
	if _, err := as[queue.External](t, e).LeaseExternal(t.Context(), queue.ExternalRequest{Worker: "w", Types: []string{"mine"}}); errcode.Of(err) != errcode.ValidationFailed {
		t.Errorf("a type of the process: %v, want validation_failed", err)
	}
	if l := lease(t, e, queue.LeaseRequest{Types: []string{"mine"}}); l.Job.ID != jobs[0].ID {
		t.Errorf("leased %s inside", l.Job.ID)
	}
}

// testBeats checks what signs of life answer, and that progress is seen.
func testBeats(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	x := as[queue.External](t, e)
	jobs := enqueue(t, e, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"})
	l := leaseOutside(t, e, queue.ExternalRequest{Max: 2})
	inside := lease(t, e, queue.LeaseRequest{Worker: "local"})
	half := queue.Beat{Lease: l[0].Lease, Progress: &queue.Progress{Fraction: 0.5, Text: "half"}}
	old := queue.Beat{Lease: queue.Lease{ID: l[1].Lease.ID, Token: l[1].Lease.Token ^ 1}}
	own := queue.Beat{Lease: inside.Lease}
	if diff := cmp.Diff([]queue.LeaseState{"ok", "lost", "lost"}, beat(t, e, half, old, own)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if p := get(t, e, jobs[0].ID).Progress; p != *half.Progress {
		t.Errorf("progress %+v", p)
	}
	if active, err := e.Cancel(t.Context(), jobs[0].ID, nil); !active || err != nil {
		t.Fatalf("Cancel: %v, %v", active, err)
	}
	if _, err := x.DrainNode(t.Context(), "w", true); err != nil {
		t.Fatalf("DrainNode: %v", err)
	}
	if diff := cmp.Diff([]queue.LeaseState{"cancel", "drain"}, beat(t, e, queue.Beat{Lease: l[0].Lease}, queue.Beat{Lease: l[1].Lease})); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if got := finishAll(t, e, queue.End{Lease: l[0].Lease, Outcome: queue.Outcome{Err: errTest}}, queue.End{Lease: inside.Lease}); got[0] != "" || got[1] != "lost" {
		t.Errorf("ends: %q", got)
	}
	wantStatus(t, e, jobs[0].ID, queue.Cancelled)
	if diff := cmp.Diff([]queue.LeaseState{"lost"}, beat(t, e, queue.Beat{Lease: l[0].Lease})); diff != "" {
		t.Errorf("states after the end (-want +got):\n%s", diff)
	}
}

// showNodes gives the workers in a line each.
func showNodes(t *testing.T, x queue.External) string {
	t.Helper()
	nodes, err := x.Nodes(t.Context())
	if err != nil {
		t.Fatalf("Nodes: %v", err)
	}
	var out []string
	for _, n := range nodes {
		out = append(out, fmt.Sprintln(n.Name, n.External, n.Draining, n.Active, n.Done, n.Failed, n.Queues, n.Types))
		if n.Since.IsZero() || n.LastSeen.Before(n.Since) {
			t.Errorf("%s was seen from %v to %v", n.Name, n.Since, n.LastSeen)
		}
	}
	return strings.Join(out, "")
}

// testNodes follows who works, and has a worker drained.
func testNodes(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	x := as[queue.External](t, e)
	enqueue(t, e, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"})
	l := leaseOutside(t, e, queue.ExternalRequest{Worker: "b", Max: 2, Types: []string{"a"}})
	lease(t, e, queue.LeaseRequest{Worker: "local", Queues: []string{"default"}})
	finishAll(t, e, queue.End{Lease: l[0].Lease, Outcome: queue.Outcome{Err: errTest, Permanent: true}})
	if got, want := showNodes(t, x), "b true false 1 1 1 [] [a]\nlocal false false 1 0 0 [default] []\n"; got != want {
		t.Errorf("nodes %q, want %q", got, want)
	}
	waits := make(chan int, 1)
	go func() {
		l, err := x.LeaseExternal(deadline(t), queue.ExternalRequest{Worker: "b", Queues: []string{"empty"}})
		if err != nil {
			t.Errorf("LeaseExternal: %v", err)
		}
		waits <- len(l)
	}()
	if n, err := x.DrainNode(t.Context(), "b", true); err != nil || !n.Draining {
		t.Errorf("DrainNode gave %+v, %v", n, err)
	}
	if n := <-waits; n != 0 {
		t.Errorf("a worker that is drained while it waits was given %d jobs", n)
	}
	if l := leaseOutside(t, e, queue.ExternalRequest{Worker: "b"}); len(l) != 0 {
		t.Errorf("a drained worker was given %v", l)
	}
	if _, err := x.DrainNode(t.Context(), "b", false); err != nil {
		t.Errorf("DrainNode: %v", err)
	}
	if l := leaseOutside(t, e, queue.ExternalRequest{Worker: "b"}); len(l) != 1 {
		t.Errorf("a worker that is drained no longer was given %v", l)
	}
	if _, err := x.DrainNode(t.Context(), "local", true); err != nil {
		t.Errorf("DrainNode: %v", err)
	}
	leaseNone(t, e, queue.LeaseRequest{Worker: "local"})
	got := make(chan error, 1)
	go func() {
		_, err := e.Lease(deadline(t), queue.LeaseRequest{Worker: "local"})
		got <- err
	}()
	if _, err := x.DrainNode(t.Context(), "local", false); err != nil {
		t.Errorf("DrainNode: %v", err)
	}
	if err := <-got; err != nil {
		t.Errorf("Lease after the drain: %v", err)
	}
	if _, err := x.DrainNode(t.Context(), "nobody", true); errcode.Of(err) != errcode.NotFound {
		t.Errorf("DrainNode of nobody: %v, want not_found", err)
	}
}

// testNodesReopen opens an engine again: a drained worker stays so, and counts stay.
func testNodesReopen(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{})
	e := s.Engine
	x := as[queue.External](t, e)
	enqueue(t, e, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"})
	l := leaseOutside(t, e, queue.ExternalRequest{Worker: "b", Max: 3, Types: []string{"a"}})
	lease(t, e, queue.LeaseRequest{Worker: "local"})
	finishAll(t, e, queue.End{Lease: l[0].Lease}, queue.End{Lease: l[1].Lease, Outcome: queue.Outcome{Err: errTest, Permanent: true}})
	if _, err := x.DrainNode(t.Context(), "b", true); err != nil {
		t.Errorf("DrainNode: %v", err)
	}
	before := showNodes(t, x)
	e = s.Reopen().Engine
	x = as[queue.External](t, e)
	if got, want := showNodes(t, x), strings.Replace(before, "local false false 1", "local false false 0", 1); got != want {
		t.Errorf("after opening again the nodes are %q, want %q", got, want)
	}
	enqueue(t, e, queue.New{Type: "c"})
	if l := leaseOutside(t, e, queue.ExternalRequest{Worker: "b", Types: []string{"c"}, NoWait: true}); len(l) != 0 {
		t.Errorf("after opening again a drained worker was given %v", l)
	}
	if _, err := x.DrainNode(t.Context(), "b", false); err != nil {
		t.Errorf("DrainNode: %v", err)
	}
	if l := leaseOutside(t, e, queue.ExternalRequest{Worker: "b", Types: []string{"c"}, NoWait: true}); len(l) != 1 {
		t.Errorf("a worker that is drained no longer was given %v", l)
	}
}

// testOutsideRace has workers outside and inside race for jobs: every run has one holder, and ends once.
func testOutsideRace(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{Rules: quick()}).Engine
	x := as[queue.External](t, e)
	const jobs = 200
	for range jobs {
		enqueue(t, e, queue.New{Type: "a"})
	}
	var runs sync.Map
	var wg sync.WaitGroup
	took := func(j queue.Job) {
		if _, twice := runs.LoadOrStore(j.ID, true); twice {
			t.Errorf("job %s was given out twice", j.ID)
		}
	}
	for i := range 4 {
		wg.Go(func() {
			for {
				l, err := x.LeaseExternal(t.Context(), queue.ExternalRequest{Worker: fmt.Sprint("w", i), Max: 5, NoWait: true})
				if err != nil {
					t.Errorf("LeaseExternal: %v", err)
				}
				if len(l) == 0 || err != nil {
					return
				}
				for _, l := range l {
					took(l.Job)
					// Two who think they have it: one is the one.
					var both sync.WaitGroup
					lost := make([]bool, 2)
					for k := range lost {
						both.Go(func() {
							out, err := x.FinishAll(t.Context(), []queue.End{{Lease: l.Lease}})
							lost[k] = err != nil || out[0].Lost
						})
					}
					both.Wait()
					if lost[0] == lost[1] {
						t.Errorf("two ends of one lease: lost %v", lost)
					}
				}
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				l, err := e.Lease(ctx, queue.LeaseRequest{})
				cancel()
				if err != nil {
					return
				}
				took(l[0].Job)
				if err := e.Finish(t.Context(), l[0].Lease, queue.Outcome{}); err != nil {
					t.Errorf("Finish: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(map[queue.Status]int64{queue.Completed: jobs}, counts(t, e, "default")); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// testOutsideReopen starts the engine again under workers outside: their leases hold, and no attempt is lost.
func testOutsideReopen(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{})
	jobs := enqueue(t, s.Engine, queue.New{Type: "a", Payload: json.RawMessage(`1`)}, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"})
	l := leaseOutside(t, s.Engine, queue.ExternalRequest{Max: 3})
	if _, err := s.Engine.Cancel(t.Context(), jobs[2].ID, nil); err != nil {
		t.Fatalf("Cancel: %v", err)
	}
	before := get(t, s.Engine, jobs[0].ID)
	s = s.Reopen()
	if diff := cmp.Diff(before, get(t, s.Engine, jobs[0].ID)); diff != "" {
		t.Errorf("a leased job after a start (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(map[queue.Status]int64{queue.Active: 3, queue.Ready: 1}, counts(t, s.Engine, "default")); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]queue.LeaseState{"ok", "ok", "cancel"}, beat(t, s.Engine, queue.Beat{Lease: l[0].Lease}, queue.Beat{Lease: l[1].Lease}, queue.Beat{Lease: l[2].Lease})); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if l := lease(t, s.Engine, queue.LeaseRequest{}); l.Job.ID != jobs[3].ID {
		t.Errorf("leased %s, want the one that nobody has", l.Job.ID)
	}
	got := finishAll(t, s.Engine, queue.End{Lease: l[0].Lease, Outcome: queue.Outcome{Result: json.RawMessage(`1`)}},
		queue.End{Lease: l[1].Lease, Outcome: queue.Outcome{Release: true}}, queue.End{Lease: l[2].Lease, Outcome: queue.Outcome{Err: errTest}})
	if diff := cmp.Diff([]string{"", "", ""}, got); diff != "" {
		t.Errorf("ends (-want +got):\n%s", diff)
	}
	s = s.Reopen()
	for i, want := range []queue.Status{queue.Completed, queue.Ready, queue.Cancelled} {
		if j := wantStatus(t, s.Engine, jobs[i].ID, want); (j.Status == queue.Ready) != (j.Attempt == 0) {
			t.Errorf("job %d: %+v", i, j)
		}
	}
	if got := finishAll(t, s.Engine, queue.End{Lease: l[1].Lease}); got[0] != "lost" {
		t.Errorf("an end with a lease that was given back: %q", got[0])
	}
	if !errors.Is(s.Engine.Finish(t.Context(), l[0].Lease, queue.Outcome{}), queue.ErrLeaseLost) {
		t.Errorf("an end inside with a lease that is over is taken")
	}
}
