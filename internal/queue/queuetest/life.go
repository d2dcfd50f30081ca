package queuetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

func testLife(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	in := queue.New{
		Type: "count", Queue: "reports", Priority: new(7), Payload: json.RawMessage(`{"a": [1, 2]}`), MaxAttempts: 2,
		Timeout: time.Minute, SoftTimeout: time.Second, RequestID: "req", CorrelationID: "corr", TraceID: "trace", Writing: true,
	}
	j := enqueue(t, e, in)[0]
	if !strings.HasPrefix(j.ID.String(), "j") || j.Status != queue.Ready {
		t.Fatalf("enqueued job is %q, %s", j.ID, j.Status)
	}
	if diff := cmp.Diff(j, get(t, e, j.ID)); diff != "" {
		t.Fatalf("Get differs from Enqueue (-enqueued +got):\n%s", diff)
	}
	l := lease(t, e, queue.LeaseRequest{Worker: "w"})
	want := j
	want.Status, want.Attempt, want.Worker, want.StartedAt = queue.Active, 1, "w", l.Job.StartedAt
	if diff := cmp.Diff(want, l.Job); diff != "" {
		t.Fatalf("leased job (-want +got):\n%s", diff)
	}
	if l.Job.StartedAt.Before(j.CreatedAt) {
		t.Errorf("started at %v, created at %v", l.Job.StartedAt, j.CreatedAt)
	}
	if diff := cmp.Diff(want, get(t, e, j.ID)); diff != "" {
		t.Fatalf("active job (-want +got):\n%s", diff)
	}
	finish(t, e, l, queue.Outcome{Result: json.RawMessage(`{"rows": 3}`)})
	done := wantStatus(t, e, j.ID, queue.Completed)
	if string(done.Result) != `{"rows": 3}` || done.FinishedAt.Before(done.StartedAt) || len(done.Errors) != 0 {
		t.Errorf("completed job: %+v", done)
	}
	if r, err := e.Result(t.Context(), j.ID); err != nil || string(r) != `{"rows": 3}` {
		t.Errorf("Result gave %s, %v", r, err)
	}
	if _, err := e.Cancel(t.Context(), j.ID, nil); !errors.Is(err, queue.ErrEnded) {
		t.Errorf("Cancel of a completed job: %v, want ErrEnded", err)
	}
	for _, id := range []queue.ID{"", "j", "x0000000001", "j0000000000", "jzzzzzzzzzz"} {
		if _, err := e.Get(t.Context(), id); !errors.Is(err, queue.ErrNotFound) {
			t.Errorf("Get %q: %v, want ErrNotFound", id, err)
		}
		if _, err := e.Cancel(t.Context(), id, nil); !errors.Is(err, queue.ErrNotFound) {
			t.Errorf("Cancel %q: %v, want ErrNotFound", id, err)
		}
		if _, err := e.Result(t.Context(), id); !errors.Is(err, queue.ErrNotFound) {
			t.Errorf("Result %q: %v, want ErrNotFound", id, err)
		}
	}
}

func testValidation(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	j := enqueue(t, e, queue.New{Type: "a"})[0]
	if j.Queue != "default" || j.Priority != 5 || j.MaxAttempts != 4 || j.Timeout != time.Hour ||
		j.SoftTimeout != 55*time.Minute || string(j.Payload) != "null" {
		t.Errorf("defaults: %+v", j)
	}
	big := json.RawMessage(`"` + strings.Repeat("x", queue.MaxPayload-2) + `"`)
	whole := enqueue(t, e, queue.New{Type: "a", Payload: big})[0]
	if got := get(t, e, whole.ID); !bytes.Equal(got.Payload, big) {
		t.Errorf("the largest payload came back with %d bytes", len(got.Payload))
	}
	for name, n := range map[string]queue.New{
		"no type":        {},
		"type":           {Type: "a b"},
		"long type":      {Type: strings.Repeat("a", queue.MaxTypeName+1)},
		"queue":          {Type: "a", Queue: "ä"},
		"long queue":     {Type: "a", Queue: strings.Repeat("q", queue.MaxQueueName+1)},
		"priority":       {Type: "a", Priority: new(10)},
		"low priority":   {Type: "a", Priority: new(-1)},
		"payload":        {Type: "a", Payload: json.RawMessage("{")},
		"large payload":  {Type: "a", Payload: append(slices.Clip(big), ' ')},
		"attempts":       {Type: "a", MaxAttempts: -1},
		"timeout":        {Type: "a", Timeout: -1},
		"soft timeout":   {Type: "a", SoftTimeout: -1},
		"delay":          {Type: "a", Delay: -1},
		"run_at":         {Type: "a", RunAt: time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC)},
		"unique key":     {Type: "a", UniqueKey: strings.Repeat("k", queue.MaxLabel+1)},
		"request id":     {Type: "a", RequestID: strings.Repeat("k", queue.MaxLabel+1)},
		"correlation id": {Type: "a", CorrelationID: strings.Repeat("k", queue.MaxLabel+1)},
		"trace id":       {Type: "a", TraceID: strings.Repeat("k", queue.MaxLabel+1)},
	} {
		if _, err := e.Enqueue(t.Context(), queue.New{Type: "good", Queue: "email"}, n); errcode.Of(err) != errcode.ValidationFailed {
			t.Errorf("%s: %v, want validation_failed", name, err)
		}
	}
	if c := counts(t, e, "email"); len(c) != 0 {
		t.Errorf("jobs enqueued together with wrong ones are there: %v", c)
	}
	longest := queue.New{
		Type: strings.Repeat("t", queue.MaxTypeName), Queue: strings.Repeat("q", queue.MaxQueueName), Priority: new(0),
		UniqueKey: strings.Repeat("u", queue.MaxLabel), RequestID: strings.Repeat("r", queue.MaxLabel), MaxAttempts: 1000,
	}
	if j := enqueue(t, e, longest)[0]; get(t, e, j.ID).UniqueKey != longest.UniqueKey {
		t.Errorf("the longest names did not come back")
	}
}

func testStage(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{})
	e, mine := s.Engine, s.DB.Space("queuetest/")
	dropped, err := e.Stage(s.DB.Batch(), queue.New{Type: "a"})
	if err != nil {
		t.Fatalf("Stage: %v", err)
	}
	b := s.DB.Batch()
	b.Set(mine, []byte("k"), []byte("v"))
	j, err := e.Stage(b, queue.New{Type: "a", RequestID: "r"})
	if err != nil {
		t.Fatalf("Stage: %v", err)
	}
	leaseNone(t, e, queue.LeaseRequest{})
	if err := s.DB.Commit(t.Context(), b); err != nil {
		t.Fatalf("Commit: %v", err)
	}
	if diff := cmp.Diff(j, get(t, e, j.ID)); diff != "" {
		t.Errorf("Get differs from Stage (-staged +got):\n%s", diff)
	}
	if l := lease(t, e, queue.LeaseRequest{}); l.Job.ID != j.ID || l.Job.RequestID != "r" {
		t.Errorf("leased %s, staged %s", l.Job.ID, j.ID)
	}
	if _, err := e.Get(t.Context(), dropped.ID); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("the job of a dropped batch: %v, want ErrNotFound", err)
	}
	if dropped.ID >= j.ID {
		t.Errorf("ids do not ascend: %s, %s", dropped.ID, j.ID)
	}
	if _, err := e.Stage(s.DB.Batch(), queue.New{Type: "a", UniqueKey: "k"}); errcode.Of(err) != errcode.ValidationFailed {
		t.Errorf("Stage with a unique key: %v, want validation_failed", err)
	}
	if _, err := e.Stage(s.DB.Batch(), queue.New{}); errcode.Of(err) != errcode.ValidationFailed {
		t.Errorf("Stage without a type: %v, want validation_failed", err)
	}
}

func testRetry(t *testing.T, open Open) {
	t.Helper()
	var s Subject
	var buried []string
	s = open(t, Options{Rules: quick(), Dead: func(b *store.Batch, j queue.Job, code errcode.Code, message string) error {
		buried = append(buried, string(j.ID)+" "+string(j.Payload)+" "+string(code)+" "+message)
		b.Set(s.DB.Space("queuetest/"), []byte(j.ID), []byte(j.Status))
		return nil
	}})
	e := s.Engine
	j := enqueue(t, e, queue.New{Type: "a", MaxAttempts: 12, Payload: json.RawMessage(`1`)})[0]
	for i := 1; i <= 12; i++ {
		l := lease(t, e, queue.LeaseRequest{})
		if l.Job.ID != j.ID || l.Job.Attempt != i {
			t.Fatalf("leased %s attempt %d, want %s attempt %d", l.Job.ID, l.Job.Attempt, j.ID, i)
		}
		finish(t, e, l, queue.Outcome{Err: errTest, Commit: func(b *store.Batch) error {
			b.Set(s.DB.Space("queuetest/"), []byte("last"), []byte{byte(i)})
			return nil
		}})
		if i < 12 && len(buried) != 0 {
			t.Fatalf("buried after %d attempts", i)
		}
	}
	got := wantStatus(t, e, j.ID, queue.Dead)
	if diff := cmp.Diff([]string{string(j.ID) + " 1 stalled it stood still"}, buried); diff != "" {
		t.Errorf("burials (-want +got):\n%s", diff)
	}
	if v, err := s.DB.Space("queuetest/").Get([]byte(j.ID)); err != nil || string(v) != "dead" {
		t.Errorf("what the burial staged: %q, %v", v, err)
	}
	if v, err := s.DB.Space("queuetest/").Get([]byte("last")); err != nil || v[0] != 12 {
		t.Errorf("what the outcome staged: %v, %v", v, err)
	}
	if len(got.Errors) != queue.MaxErrors || got.Errors[0].Attempt != 3 || got.Errors[9].Attempt != 12 ||
		got.Errors[9].Code != errcode.Stalled || got.Errors[9].Message != "it stood still" {
		t.Errorf("errors: %+v", got.Errors)
	}
	if _, err := e.Cancel(t.Context(), j.ID, nil); !errors.Is(err, queue.ErrEnded) {
		t.Errorf("Cancel of a dead job: %v, want ErrEnded", err)
	}
}

func testPermanent(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	j := enqueue(t, e, queue.New{Type: "a"})[0]
	finish(t, e, lease(t, e, queue.LeaseRequest{}), queue.Outcome{Err: errors.New("no code"), Permanent: true})
	got := wantStatus(t, e, j.ID, queue.Dead)
	if len(got.Errors) != 1 || got.Errors[0].Code != errcode.Internal || got.Attempt != 1 {
		t.Errorf("dead job: %+v", got)
	}
}

func testDelay(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	late := enqueue(t, e, queue.New{Type: "a", Delay: time.Hour})[0]
	soon := enqueue(t, e, queue.New{Type: "a", Delay: 30 * time.Millisecond})[0]
	past := enqueue(t, e, queue.New{Type: "a", RunAt: time.Now().Add(-time.Hour)})[0]
	if late.Status != queue.Scheduled || soon.Status != queue.Scheduled || past.Status != queue.Ready {
		t.Fatalf("statuses: %s %s %s", late.Status, soon.Status, past.Status)
	}
	if l := lease(t, e, queue.LeaseRequest{}); l.Job.ID != past.ID {
		t.Errorf("leased %s first, want %s", l.Job.ID, past.ID)
	}
	l := lease(t, e, queue.LeaseRequest{})
	if l.Job.ID != soon.ID || l.Job.StartedAt.Before(soon.RunAt) {
		t.Errorf("leased %s at %v, want %s after %v", l.Job.ID, l.Job.StartedAt, soon.ID, soon.RunAt)
	}
	finish(t, e, l, queue.Outcome{Err: errTest, RetryIn: 20 * time.Millisecond})
	retried := get(t, e, soon.ID)
	l = lease(t, e, queue.LeaseRequest{})
	if l.Job.ID != soon.ID || l.Job.Attempt != 2 || (!retried.RunAt.IsZero() && l.Job.StartedAt.Before(retried.RunAt)) {
		t.Errorf("retried as %+v", l.Job)
	}
	wantStatus(t, e, late.ID, queue.Scheduled)
}

func testRelease(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{Rules: quick()}).Engine
	j := enqueue(t, e, queue.New{Type: "a", MaxAttempts: 1})[0]
	for range 5 {
		l := lease(t, e, queue.LeaseRequest{})
		if l.Job.Attempt != 1 {
			t.Fatalf("attempt %d after a release, want 1", l.Job.Attempt)
		}
		finish(t, e, l, queue.Outcome{Release: true, Err: errTest})
	}
	if got := wantStatus(t, e, j.ID, queue.Ready); got.Attempt != 0 || len(got.Errors) != 0 {
		t.Errorf("released job: %+v", got)
	}
	finish(t, e, lease(t, e, queue.LeaseRequest{}), queue.Outcome{Release: true, Delay: 20 * time.Millisecond})
	l := lease(t, e, queue.LeaseRequest{})
	finish(t, e, l, queue.Outcome{})
	wantStatus(t, e, j.ID, queue.Completed)
}

func testLeaseWaits(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	leaseNone(t, e, queue.LeaseRequest{})
	got := make(chan queue.ID, 1)
	go func() {
		l, err := e.Lease(deadline(t), queue.LeaseRequest{})
		if err != nil || len(l) != 1 {
			t.Errorf("Lease gave %v, %v", l, err)
			got <- ""
			return
		}
		got <- l[0].Job.ID
	}()
	j := enqueue(t, e, queue.New{Type: "a"})[0]
	if id := <-got; id != j.ID {
		t.Errorf("leased %q, want %s", id, j.ID)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	enqueue(t, e, queue.New{Type: "a"})
	if l, err := e.Lease(ctx, queue.LeaseRequest{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Lease with an ended context gave %v, %v", l, err)
	}
}
