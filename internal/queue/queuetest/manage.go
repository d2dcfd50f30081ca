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
	"github.com/wayside-edge/wayside/internal/store"
)

func testEdit(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{})
	e, ed := s.Engine, as[queue.Editor](t, s.Engine)
	jobs := enqueue(t, e, queue.New{Type: "a", LimitKey: "k", UniqueKey: "u", MaxAttempts: 7}, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a", Delay: patience * 10})
	edit := func(id queue.ID, x queue.Edit) queue.Job {
		t.Helper()
		j, err := ed.Edit(t.Context(), id, x)
		if err != nil {
			t.Fatalf("Edit: %v", err)
		}
		if diff := cmp.Diff(j, get(t, e, id)); diff != "" {
			t.Errorf("Get differs from Edit (-edited +got):\n%s", diff)
		}
		return j
	}
	want := jobs[0]
	want.Payload, want.Queue, want.Priority = json.RawMessage(`{"new":true}`), "other", 9
	got := edit(jobs[0].ID, queue.Edit{Payload: want.Payload, Queue: new("other"), Priority: new(9)})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("edited (-want +got):\n%s", diff)
	}
	edit(jobs[2].ID, queue.Edit{Priority: new(8)})
	// To and fro: it is there once.
	edit(jobs[1].ID, queue.Edit{Queue: new("other")})
	edit(jobs[1].ID, queue.Edit{Queue: new("default")})
	later := time.Now().Add(patience * 20)
	if j := edit(jobs[1].ID, queue.Edit{RunAt: &later}); j.Status != queue.Scheduled || j.RunAt.Sub(later).Abs() > time.Millisecond {
		t.Errorf("put off: %s at %v, want %v", j.Status, j.RunAt, later)
	}
	soon := time.Now().Add(30 * time.Millisecond)
	edit(jobs[3].ID, queue.Edit{RunAt: &soon})
	for i, want := range []struct {
		queue string
		id    queue.ID
	}{{"default", jobs[2].ID}, {"default", jobs[3].ID}, {"other", jobs[0].ID}} {
		l := lease(t, e, queue.LeaseRequest{Queues: []string{want.queue}})
		if l.Job.ID != want.id {
			t.Errorf("lease %d gave %s, want %s", i, l.Job.ID, want.id)
		}
		finish(t, e, l, queue.Outcome{Err: errTest, Permanent: i == 2})
	}
	leaseNone(t, e, queue.LeaseRequest{Queues: []string{"other"}})
	past := time.Now().Add(-time.Hour)
	edit(jobs[1].ID, queue.Edit{RunAt: &past})
	l := lease(t, e, queue.LeaseRequest{})
	if l.Job.ID != jobs[1].ID {
		t.Errorf("leased %s, want %s", l.Job.ID, jobs[1].ID)
	}
	if _, err := ed.Edit(t.Context(), l.Job.ID, queue.Edit{Priority: new(1)}); !errors.Is(err, queue.ErrActive) {
		t.Errorf("Edit of an active job: %v, want ErrActive", err)
	}
	finish(t, e, l, queue.Outcome{})
	if _, err := ed.Edit(t.Context(), l.Job.ID, queue.Edit{Priority: new(1)}); !errors.Is(err, queue.ErrEnded) {
		t.Errorf("Edit of a completed job: %v, want ErrEnded", err)
	}
	if j := edit(jobs[0].ID, queue.Edit{Payload: json.RawMessage("2"), Queue: new("third")}); j.Status != queue.Dead || j.MaxAttempts != 7 {
		t.Errorf("an edited dead job: %+v", j)
	}
	for name, x := range map[string]queue.Edit{
		"payload": {Payload: json.RawMessage("{")}, "queue": {Queue: new("a b")}, "priority": {Priority: new(10)}, "time": {RunAt: &past},
	} {
		if _, err := ed.Edit(t.Context(), jobs[0].ID, x); errcode.Of(err) != errcode.ValidationFailed {
			t.Errorf("%s: %v, want validation_failed", name, err)
		}
	}
	if _, err := ed.Edit(t.Context(), "j0000000000", queue.Edit{}); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("Edit of nothing: %v", err)
	}
	before := counts(t, e, "default")
	s = s.Reopen()
	if diff := cmp.Diff(before, counts(t, s.Engine, "default")); diff != "" {
		t.Errorf("counts after reopening (-before +after):\n%s", diff)
	}
	if j := wantStatus(t, s.Engine, jobs[0].ID, queue.Dead); j.Queue != "third" || string(j.Payload) != "2" {
		t.Errorf("after reopening: %+v", j)
	}
}

func testRevive(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{Rules: quick()})
	e, ed := s.Engine, as[queue.Editor](t, s.Engine)
	j := enqueue(t, e, queue.New{Type: "a", MaxAttempts: 2, UniqueKey: "u"})[0]
	for range 2 {
		finish(t, e, lease(t, e, queue.LeaseRequest{}), queue.Outcome{Err: errTest})
	}
	wantStatus(t, e, j.ID, queue.Dead)
	other := enqueue(t, e, queue.New{Type: "b", UniqueKey: "u"})[0]
	if _, err := ed.Retry(t.Context(), j.ID); errcode.Of(err) != errcode.Conflict {
		t.Errorf("Retry while another holds the unique key: %v, want conflict", err)
	}
	if _, err := e.Cancel(t.Context(), other.ID, nil); err != nil {
		t.Fatal(err)
	}
	got, err := ed.Retry(t.Context(), j.ID)
	if err != nil || got.Status != queue.Ready || len(got.Errors) != 2 {
		t.Fatalf("Retry gave %+v, %v", got, err)
	}
	if d := enqueue(t, e, queue.New{Type: "b", UniqueKey: "u"})[0]; !d.Duplicate || d.ID != j.ID {
		t.Errorf("the unique key is not held again: %+v", d)
	}
	s = s.Reopen()
	e, ed = s.Engine, as[queue.Editor](t, s.Engine)
	for i := 3; i <= 4; i++ {
		l := lease(t, e, queue.LeaseRequest{})
		if l.Job.ID != j.ID || l.Job.Attempt != i || l.Job.Attempt > l.Job.MaxAttempts {
			t.Errorf("attempt %d of %d, want number %d", l.Job.Attempt, l.Job.MaxAttempts, i)
		}
		finish(t, e, l, queue.Outcome{Err: errTest})
	}
	if got := wantStatus(t, e, j.ID, queue.Dead); len(got.Errors) != 4 {
		t.Errorf("errors: %+v", got.Errors)
	}
	if _, err := ed.Retry(t.Context(), other.ID); err != nil {
		t.Errorf("Retry of a cancelled job: %v", err)
	}
	l := lease(t, e, queue.LeaseRequest{})
	if _, err := ed.Retry(t.Context(), other.ID); !errors.Is(err, queue.ErrActive) {
		t.Errorf("Retry of an active job: %v", err)
	}
	finish(t, e, l, queue.Outcome{Err: errTest, RetryIn: patience * 10})
	if got, err := ed.Retry(t.Context(), other.ID); err != nil || got.Status != queue.Ready {
		t.Errorf("Retry of one that waits: %s, %v", got.Status, err)
	}
	finish(t, e, lease(t, e, queue.LeaseRequest{}), queue.Outcome{})
	if _, err := ed.Retry(t.Context(), other.ID); errcode.Of(err) != errcode.Conflict {
		t.Errorf("Retry of a completed job: %v, want conflict", err)
	}
	if diff := cmp.Diff(map[queue.Status]int64{queue.Completed: 1, queue.Dead: 1}, counts(t, e, "default")); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func testPromote(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{})
	e, ed := s.Engine, as[queue.Editor](t, s.Engine)
	jobs := enqueue(t, e, queue.New{Type: "a", Delay: patience * 10}, queue.New{Type: "b"}, queue.New{Type: "a"})
	finish(t, e, lease(t, e, queue.LeaseRequest{Types: []string{"b"}}), queue.Outcome{Err: errTest, RetryIn: patience * 10})
	for _, j := range jobs[:2] {
		if got, err := ed.Promote(t.Context(), j.ID); err != nil || got.Status != queue.Ready {
			t.Errorf("Promote gave %s, %v", got.Status, err)
		}
	}
	if _, err := ed.Promote(t.Context(), jobs[2].ID); errcode.Of(err) != errcode.Conflict {
		t.Errorf("Promote of a ready job: %v, want conflict", err)
	}
	s = s.Reopen()
	for _, j := range jobs {
		l := lease(t, s.Engine, queue.LeaseRequest{})
		if l.Job.ID != j.ID {
			t.Errorf("leased %s, want %s", l.Job.ID, j.ID)
		}
		finish(t, s.Engine, l, queue.Outcome{})
	}
}

func testDelete(t *testing.T, open Open) {
	t.Helper()
	told := map[queue.ID]queue.Status{}
	s := open(t, Options{Dead: func(_ *store.Batch, j queue.Job, _ errcode.Code, _ string) error {
		told[j.ID] = j.Status
		return nil
	}})
	e, ed := s.Engine, as[queue.Editor](t, s.Engine)
	jobs := enqueue(t, e, queue.New{Type: "a", UniqueKey: "u"}, queue.New{Type: "a", Delay: patience * 10}, queue.New{Type: "a"}, queue.New{Type: "a"})
	for _, j := range jobs[:2] {
		if err := ed.Delete(t.Context(), j.ID); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		if _, err := e.Get(t.Context(), j.ID); !errors.Is(err, queue.ErrNotFound) || told[j.ID] != queue.Cancelled {
			t.Errorf("after Delete: %v, its handler was told %q", err, told[j.ID])
		}
	}
	l := lease(t, e, queue.LeaseRequest{})
	if err := ed.Delete(t.Context(), l.Job.ID); !errors.Is(err, queue.ErrActive) {
		t.Errorf("Delete of an active job: %v, want ErrActive", err)
	}
	finish(t, e, l, queue.Outcome{Result: json.RawMessage("1")})
	if err := ed.Delete(t.Context(), l.Job.ID); err != nil {
		t.Errorf("Delete of a completed job: %v", err)
	}
	if err := ed.Delete(t.Context(), l.Job.ID); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("Delete of a job that is gone: %v", err)
	}
	if d := enqueue(t, e, queue.New{Type: "a", UniqueKey: "u"})[0]; d.Duplicate {
		t.Errorf("a deleted job holds its unique key")
	}
	s = s.Reopen()
	if diff := cmp.Diff(map[queue.Status]int64{queue.Ready: 2}, counts(t, s.Engine, "default")); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func testAct(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	ed := as[queue.Editor](t, e)
	const n = 300
	var in []queue.New
	for i := range n {
		in = append(in, queue.New{Type: []string{"a", "b"}[i%2], Queue: "q", Delay: patience * 10, UniqueKey: []string{"", fmt.Sprint("u", i)}[i/2%2]})
	}
	enqueue(t, e, in...)
	act := func(a queue.Action, f queue.Filter, limit int, want queue.Acted, left map[queue.Status]int64) {
		t.Helper()
		got, err := ed.Act(t.Context(), a, f, limit)
		failed := got.Err
		got.Err = nil
		if err != nil || got != want || (failed != nil) != (want.Failed > 0) {
			t.Errorf("%s gave %+v, %v, %v; want %+v", a, got, failed, err, want)
		}
		if diff := cmp.Diff(left, counts(t, e, "q")); diff != "" {
			t.Errorf("counts after %s (-want +got):\n%s", a, diff)
		}
	}
	act(queue.ActPromote, queue.Filter{Type: "a"}, 0, queue.Acted{Matched: n / 2, Done: n / 2}, map[queue.Status]int64{queue.Scheduled: n / 2, queue.Ready: n / 2})
	lease(t, e, queue.LeaseRequest{})
	act(queue.ActCancel, queue.Filter{Queue: "q", Type: "a"}, 0, queue.Acted{Matched: n / 2, Done: n / 2},
		map[queue.Status]int64{queue.Scheduled: n / 2, queue.Active: 1, queue.Cancelled: n/2 - 1})
	act(queue.ActRetry, queue.Filter{Status: []queue.Status{queue.Cancelled}}, 100, queue.Acted{Matched: 100, Done: 100},
		map[queue.Status]int64{queue.Scheduled: n / 2, queue.Active: 1, queue.Cancelled: n/2 - 101, queue.Ready: 100})
	act(queue.ActPromote, queue.Filter{Type: "a"}, 0, queue.Acted{Matched: n / 2, Failed: n / 2},
		map[queue.Status]int64{queue.Scheduled: n / 2, queue.Active: 1, queue.Cancelled: n/2 - 101, queue.Ready: 100})
	act(queue.ActDelete, queue.Filter{}, 0, queue.Acted{Matched: n, Done: n - 1, Failed: 1}, map[queue.Status]int64{queue.Active: 1})
	leaseNone(t, e, queue.LeaseRequest{})
	if _, err := ed.Act(t.Context(), "explode", queue.Filter{}, 0); errcode.Of(err) != errcode.ValidationFailed {
		t.Errorf("an unknown action: %v", err)
	}
}

func testFilters(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	jobs := enqueue(t, e,
		queue.New{Type: "a", Payload: json.RawMessage(`{"device":"Pump-7"}`), LimitKey: "k"},
		queue.New{Type: "a", ScheduleID: "nightly"},
		queue.New{Type: "a"}, queue.New{Type: "a"})
	finish(t, e, lease(t, e, queue.LeaseRequest{}), queue.Outcome{Err: errTest, Permanent: true})
	finish(t, e, lease(t, e, queue.LeaseRequest{}), queue.Outcome{Err: errcode.New(errcode.Trap, "Valve broken"), Permanent: true})
	for name, c := range map[string]struct {
		f    queue.Filter
		want []int
	}{
		"code":         {queue.Filter{Code: errcode.Stalled}, []int{0}},
		"message":      {queue.Filter{Text: "vALVE"}, []int{1}},
		"payload":      {queue.Filter{Text: "pump-7"}, []int{0}},
		"limit key":    {queue.Filter{LimitKey: "k"}, []int{0}},
		"schedule":     {queue.Filter{Schedule: "nightly"}, []int{1}},
		"flow":         {queue.Filter{Flow: "f1"}, nil},
		"ids":          {queue.Filter{IDs: []queue.ID{jobs[3].ID, jobs[1].ID, "x", jobs[3].ID}}, []int{1, 3}},
		"ids, newest":  {queue.Filter{IDs: []queue.ID{jobs[1].ID, jobs[3].ID}, Newest: true}, []int{3, 1}},
		"ids, status":  {queue.Filter{IDs: []queue.ID{jobs[1].ID, jobs[3].ID}, Status: []queue.Status{queue.Dead}}, []int{1}},
		"no ids":       {queue.Filter{IDs: []queue.ID{}}, nil},
		"newest":       {queue.Filter{Newest: true}, []int{3, 2, 1, 0}},
		"since":        {queue.Filter{Since: jobs[0].CreatedAt}, []int{0, 1, 2, 3}},
		"since later":  {queue.Filter{Since: jobs[3].CreatedAt.Add(time.Second)}, nil},
		"until":        {queue.Filter{Until: jobs[0].CreatedAt}, nil},
		"until later":  {queue.Filter{Until: jobs[3].CreatedAt.Add(time.Second)}, []int{0, 1, 2, 3}},
		"all together": {queue.Filter{Status: []queue.Status{queue.Dead}, Code: errcode.Trap, Text: "valve", Newest: true}, []int{1}},
	} {
		for _, limit := range []int{0, 1} {
			var got []queue.ID
			f := c.f
			for f.Limit = limit; ; {
				p, err := e.List(t.Context(), f)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for _, j := range p.Jobs {
					got = append(got, j.ID)
					if (f.Code != "" || f.Text != "") && len(j.Errors) != 1 {
						t.Errorf("%s: errors %v", name, j.Errors)
					}
				}
				if f.Cursor = p.Next; p.Next == "" || len(got) > 4 {
					break
				}
			}
			var want []queue.ID
			for _, i := range c.want {
				want = append(want, jobs[i].ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, limit %d (-want +got):\n%s", name, limit, diff)
			}
		}
	}
}

func testWaitEnd(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	w := as[queue.Waiter](t, e)
	jobs := enqueue(t, e, queue.New{Type: "a"}, queue.New{Type: "a", Delay: patience * 10})
	var wg sync.WaitGroup
	for i, want := range []queue.Status{queue.Completed, queue.Cancelled} {
		for range 3 {
			wg.Go(func() {
				if j, err := w.WaitEnd(deadline(t), jobs[i].ID); err != nil || j.Status != want {
					t.Errorf("WaitEnd gave %s, %v; want %s", j.Status, err, want)
				}
			})
		}
	}
	finish(t, e, lease(t, e, queue.LeaseRequest{}), queue.Outcome{Result: json.RawMessage("1")})
	if _, err := e.Cancel(t.Context(), jobs[1].ID, nil); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if j, err := w.WaitEnd(t.Context(), jobs[0].ID); err != nil || string(j.Result) != "1" {
		t.Errorf("WaitEnd of a job that has ended gave %+v, %v", j, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	waits := enqueue(t, e, queue.New{Type: "a"})[0]
	if _, err := w.WaitEnd(ctx, waits.ID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("WaitEnd in vain: %v", err)
	}
	if _, err := w.WaitEnd(t.Context(), "nonsense"); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("WaitEnd of nothing: %v", err)
	}
}

// testUniqueStart holds a key until the first lease only.
func testUniqueStart(t *testing.T, open Open) {
	t.Helper()
	for _, outside := range []bool{false, true} {
		s := open(t, Options{})
		e := s.Engine
		in := queue.New{Type: "a", UniqueKey: "u", UniqueUntil: queue.UntilStart}
		first := enqueue(t, e, in)[0]
		if d := enqueue(t, e, in)[0]; !d.Duplicate || d.ID != first.ID {
			t.Errorf("the key is not held before the start: %+v", d)
		}
		s = s.Reopen()
		e = s.Engine
		if d := enqueue(t, e, in)[0]; !d.Duplicate {
			t.Errorf("the key is not held after reopening: %+v", d)
		}
		if outside {
			leaseOne(t, e)
			s = s.Reopen()
			e = s.Engine
		} else {
			finish(t, e, lease(t, e, queue.LeaseRequest{}), queue.Outcome{Release: true, Delay: patience * 10})
		}
		second := enqueue(t, e, in)[0]
		if second.Duplicate {
			t.Errorf("outside %v: the key is held after the start", outside)
		}
		s = s.Reopen()
		if d := enqueue(t, s.Engine, in)[0]; !d.Duplicate || d.ID != second.ID {
			t.Errorf("outside %v: after reopening the key is held by %+v, want %s", outside, d, second.ID)
		}
		if l := lease(t, s.Engine, queue.LeaseRequest{}); l.Job.ID != second.ID {
			t.Errorf("leased %s", l.Job.ID)
		}
		if third := enqueue(t, s.Engine, in)[0]; third.Duplicate {
			t.Errorf("the key is held after the second start")
		}
	}
}

// testUniqueTime holds a key for a time, whatever becomes of the job.
func testUniqueTime(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{})
	long := queue.New{Type: "a", UniqueKey: "u", UniqueUntil: queue.UntilTTL, UniqueTTL: time.Hour}
	short := queue.New{Type: "a", UniqueKey: "v", UniqueUntil: queue.UntilTTL, UniqueTTL: 50 * time.Millisecond}
	jobs := enqueue(t, s.Engine, long, short)
	finish(t, s.Engine, lease(t, s.Engine, queue.LeaseRequest{}), queue.Outcome{})
	for range 2 {
		if d := enqueue(t, s.Engine, long)[0]; !d.Duplicate || d.ID != jobs[0].ID {
			t.Errorf("the key is not held after the end: %+v", d)
		}
		s = s.Reopen()
	}
	if err := as[queue.Editor](t, s.Engine).Delete(t.Context(), jobs[0].ID); err != nil {
		t.Fatal(err)
	}
	if d := enqueue(t, s.Engine, long)[0]; !d.Duplicate || d.ID != jobs[0].ID {
		t.Errorf("the key is not held after the job was removed: %+v", d)
	}
	for end := time.Now().Add(patience); ; {
		if d := enqueue(t, s.Engine, short)[0]; !d.Duplicate {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the key is held beyond its time")
		}
	}
}

func testIdempotency(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{})
	e := s.Engine
	in := []queue.New{{Type: "a", Payload: json.RawMessage(`{"a": 1}`), IdempotencyKey: "i", RequestID: "one", Delay: time.Millisecond}, {Type: "b", UniqueKey: "u"}}
	first := enqueue(t, e, in...)
	in[0].RequestID = "two" // the second try of a client
	for range 2 {
		again := enqueue(t, e, in...)
		if again[0].ID != first[0].ID || again[1].ID != first[1].ID || again[0].Duplicate || again[0].RequestID != "one" {
			t.Errorf("the second call gave %+v", again)
		}
		s = s.Reopen()
		e = s.Engine
	}
	for name, other := range map[string][]queue.New{
		"payload": {{Type: "a", Payload: json.RawMessage(`{"a": 2}`), IdempotencyKey: "i", Delay: time.Millisecond}, in[1]},
		"number":  {in[0]},
		"delay":   {{Type: "a", Payload: json.RawMessage(`{"a": 1}`), IdempotencyKey: "i"}, in[1]},
	} {
		if _, err := e.Enqueue(t.Context(), other...); !errors.Is(err, queue.ErrIdempotency) || errcode.Of(err) != errcode.Conflict {
			t.Errorf("another %s: %v, want ErrIdempotency", name, err)
		}
	}
	for _, j := range first {
		if err := as[queue.Editor](t, e).Delete(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
	}
	if gone := enqueue(t, e, in...); gone[0].ID != first[0].ID || gone[0].Type != "a" || gone[1].ID != first[1].ID {
		t.Errorf("after the jobs were removed: %+v", gone)
	}
	if _, err := e.Enqueue(t.Context(), queue.New{Type: "a"}, queue.New{Type: "a", IdempotencyKey: "j"}); errcode.Of(err) != errcode.ValidationFailed {
		t.Errorf("a key on the second job: %v", err)
	}
	if _, err := e.Enqueue(t.Context(), queue.New{Type: "a", IdempotencyKey: strings.Repeat("i", queue.MaxLabel+1)}); errcode.Of(err) != errcode.ValidationFailed {
		t.Errorf("a long key: %v", err)
	}
	if _, err := e.Stage(s.DB.Batch(), queue.New{Type: "a", IdempotencyKey: "j"}); errcode.Of(err) != errcode.ValidationFailed {
		t.Errorf("Stage with a key: %v", err)
	}
	var wg sync.WaitGroup
	ids := make([]queue.ID, 16)
	for i := range ids {
		wg.Go(func() {
			out, err := e.Enqueue(t.Context(), queue.New{Type: "c", IdempotencyKey: "at once"})
			if err != nil {
				t.Errorf("Enqueue: %v", err)
				return
			}
			ids[i] = out[0].ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("calls at once made %v", ids)
		}
	}
}

func testBackoff(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	for name, c := range map[string]struct {
		b    queue.Backoff
		want []time.Duration
	}{
		"list":        {queue.Backoff{Kind: queue.Listed, Delays: []time.Duration{time.Hour, time.Minute, 0}, Jitter: -1}, []time.Duration{time.Hour, time.Minute, 0, 0}},
		"fixed":       {queue.Backoff{Kind: queue.Fixed, Base: 7 * time.Second, Jitter: -1}, []time.Duration{7 * time.Second, 7 * time.Second}},
		"exponential": {queue.Backoff{Base: time.Minute, Max: 3 * time.Minute, Jitter: -1}, []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute}},
	} {
		j := enqueue(t, e, queue.New{Type: "a", Queue: name, Backoff: &c.b, MaxAttempts: 10})[0]
		if diff := cmp.Diff(&c.b, get(t, e, j.ID).Backoff); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for i, want := range c.want {
			l := lease(t, e, queue.LeaseRequest{Queues: []string{name}})
			before := time.Now()
			finish(t, e, l, queue.Outcome{Err: errTest})
			got := get(t, e, j.ID)
			if waits := got.RunAt.Sub(before); want > 0 && (waits < want-time.Second || waits > want+patience) {
				t.Errorf("%s: wait %d is %v, want %v", name, i, waits, want)
			}
			if got.Status == queue.Retry {
				if _, err := as[queue.Editor](t, e).Promote(t.Context(), j.ID); err != nil {
					t.Fatalf("Promote: %v", err)
				}
			}
		}
	}
}
