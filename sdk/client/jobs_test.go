package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestQueueCalls holds every call of the queue against what is to go over the wire.
func TestQueueCalls(t *testing.T) {
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = strings.TrimSpace(strings.Join([]string{r.Method, strings.TrimPrefix(r.RequestURI, apiPath), r.Header.Get("Idempotency-Key"), string(b)}, " "))
		switch {
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		case strings.HasSuffix(r.URL.Path, "/export"):
			_, _ = io.WriteString(w, "line\n")
		case strings.HasSuffix(r.URL.Path, "/heartbeat"):
			_, _ = io.WriteString(w, `{"leases":[{"id":"x","state":"ok","expires_at":null}]}`)
		case strings.HasSuffix(r.URL.Path, "/leases"):
			_, _ = io.WriteString(w, `{"jobs":[{"id":"x","lease":"t","lease_expires_at":"2026-01-02T03:04:05.000006Z"}],"acked":["x"]}`)
		default:
			_, _ = io.WriteString(w, `{"id":"x","name":"x","run_at":null,"next_cursor":null,"removed":1,"imported":1,"done":1,"acked":["x"],"worker":null,"items":[{"id":"x","name":"x"}]}`)
		}
	}))
	defer srv.Close()
	c, err := New(Config{Server: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	five := 5
	ok := func(good bool, err error) error {
		if err == nil && !good {
			return errors.New("the answer was not understood")
		}
		return err
	}
	for _, tc := range []struct {
		want string
		call func(ctx context.Context) error
	}{
		{`POST /jobs k {"type":"a","priority":5,"payload":{"n":1},"run_at":"2026-01-02T03:04:05Z"}`, func(ctx context.Context) error {
			j, err := c.Enqueue(ctx, NewJob{Type: "a", Priority: &five, Payload: map[string]int{"n": 1}, RunAt: at}, "k")
			return ok(j.ID == "x" && j.RunAt.IsZero(), err)
		}},
		{`POST /jobs  {"jobs":[{"type":"a"},{"type":"b"}]}`, func(ctx context.Context) error {
			all, err := c.EnqueueAll(ctx, []NewJob{{Type: "a"}, {Type: "b"}}, "")
			return ok(len(all) == 1, err)
		}},
		{"GET /jobs?cursor=c&limit=3&since=2026-01-02T03%3A04%3A05Z&sort=oldest&status=dead%2Cretry", func(ctx context.Context) error {
			all, next, err := c.Jobs(ctx, JobList{JobFilter: JobFilter{Status: []string{"dead", "retry"}, Since: at}, Oldest: true, Limit: 3, Cursor: "c"})
			return ok(len(all) == 1 && next == "", err)
		}},
		{"GET /jobs/x", func(ctx context.Context) error { j, err := c.Job(ctx, "x"); return ok(j.ID == "x", err) }},
		{"GET /jobs/x/result?wait=1.5", func(ctx context.Context) error {
			r, err := c.Result(ctx, "x", 1500*time.Millisecond)
			return ok(r.ID == "x" && r.FinishedAt.IsZero(), err)
		}},
		{"POST /jobs/x/cancel", func(ctx context.Context) error { j, err := c.CancelJob(ctx, "x"); return ok(j.ID == "x", err) }},
		{"POST /jobs/x/retry", func(ctx context.Context) error { j, err := c.RetryJob(ctx, "x"); return ok(j.ID == "x", err) }},
		{"POST /jobs/x/promote", func(ctx context.Context) error { j, err := c.PromoteJob(ctx, "x"); return ok(j.ID == "x", err) }},
		{`PATCH /jobs/x  {"priority":5}`, func(ctx context.Context) error {
			j, err := c.EditJob(ctx, "x", JobEdit{Priority: &five})
			return ok(j.ID == "x", err)
		}},
		{"DELETE /jobs/x", func(ctx context.Context) error { return c.DeleteJob(ctx, "x") }},
		{`POST /jobs/actions  {"action":"retry","filter":{"queue":"q"},"limit":2}`, func(ctx context.Context) error {
			a, err := c.ActOnJobs(ctx, "retry", JobFilter{Queue: "q"}, 2)
			return ok(a.Done == 1, err)
		}},
		{"GET /jobs/export?q=x", func(ctx context.Context) error {
			var out bytes.Buffer
			err := c.ExportJobs(ctx, JobFilter{Text: "x"}, &out)
			return ok(out.String() == "line\n", err)
		}},
		{"POST /jobs/import  line", func(ctx context.Context) error {
			i, err := c.ImportJobs(ctx, strings.NewReader("line\n"))
			return ok(i.Imported == 1, err)
		}},
		{`POST /leases  {"worker":"w","max":2,"wait":5,"ack":[{"id":"x","lease":"t","result":7}]}`, func(ctx context.Context) error {
			l, err := c.Lease(ctx, LeaseRequest{Worker: "w", Max: 2, Wait: 5, Ends: Ends{Ack: []Ack{{ID: "x", Lease: "t", Result: []byte("7")}}}})
			return ok(len(l.Jobs) == 1 && l.Jobs[0].Lease == "t" && l.Jobs[0].ID == "x" && l.Acked[0] == "x" && l.Jobs[0].ExpiresAt.Year() == 2026, err)
		}},
		{`POST /leases/finish  {"worker":"w","fail":[{"id":"x","lease":"t","error":{"code":"c"},"dead":true}]}`, func(ctx context.Context) error {
			e, err := c.Finish(ctx, "w", Ends{Fail: []Fail{{ID: "x", Lease: "t", Error: Fault{Code: "c"}, Dead: true}}})
			return ok(len(e.Acked) == 1, err)
		}},
		{`POST /leases/heartbeat  {"leases":[{"id":"x","lease":"t"}],"worker":"w"}`, func(ctx context.Context) error {
			b, err := c.Heartbeat(ctx, "w", []Beat{{ID: "x", Lease: "t"}})
			return ok(len(b) == 1 && b[0].State == "ok", err)
		}},
		{"GET /workers?limit=1000", func(ctx context.Context) error { all, err := c.Workers(ctx); return ok(len(all) == 1, err) }},
		{"POST /workers/a:b/drain", func(ctx context.Context) error { w, err := c.DrainWorker(ctx, "a:b"); return ok(w.ID == "x", err) }},
		{"POST /workers/w/resume", func(ctx context.Context) error { w, err := c.ResumeWorker(ctx, "w"); return ok(w.ID == "x", err) }},
		{"GET /queues?limit=1000", func(ctx context.Context) error { all, err := c.Queues(ctx); return ok(len(all) == 1, err) }},
		{"GET /queues/q", func(ctx context.Context) error { q, err := c.Queue(ctx, "q"); return ok(q.Name == "x", err) }},
		{`PUT /queues/q  {"weight":2,"rate":{"jobs":1,"per":60}}`, func(ctx context.Context) error {
			q, err := c.SetQueue(ctx, "q", QueueSettings{Weight: 2, Rate: &Rate{Jobs: 1, Per: 60}})
			return ok(q.Name == "x", err)
		}},
		{`PATCH /queues/q  {"rate":null}`, func(ctx context.Context) error {
			q, err := c.ChangeQueue(ctx, "q", QueuePatch{"rate": nil})
			return ok(q.Name == "x", err)
		}},
		{"DELETE /queues/q", func(ctx context.Context) error { return c.DeleteQueue(ctx, "q") }},
		{"POST /queues/q/pause", func(ctx context.Context) error { q, err := c.PauseQueue(ctx, "q"); return ok(q.Name == "x", err) }},
		{"POST /queues/q/resume", func(ctx context.Context) error { q, err := c.ResumeQueue(ctx, "q"); return ok(q.Name == "x", err) }},
		{"POST /queues/q/drain?wait=2", func(ctx context.Context) error {
			q, err := c.DrainQueue(ctx, "q", 2*time.Second)
			return ok(q.Name == "x", err)
		}},
		{"POST /queues/q/purge", func(ctx context.Context) error { n, err := c.PurgeQueue(ctx, "q"); return ok(n == 1, err) }},
		{"GET /schedules?limit=1000", func(ctx context.Context) error { all, err := c.Schedules(ctx); return ok(len(all) == 1, err) }},
		{"GET /schedules/s", func(ctx context.Context) error { s, err := c.Schedule(ctx, "s"); return ok(s.ID == "x", err) }},
		{`PUT /schedules/s  {"cron":"@daily","job":{"type":"a"}}`, func(ctx context.Context) error {
			s, err := c.SetSchedule(ctx, "s", NewSchedule{Cron: "@daily", Job: NewJob{Type: "a"}})
			return ok(s.ID == "x", err)
		}},
		{"DELETE /schedules/s", func(ctx context.Context) error { return c.DeleteSchedule(ctx, "s") }},
		{"POST /schedules/s/run", func(ctx context.Context) error { j, err := c.RunSchedule(ctx, "s"); return ok(j.ID == "x", err) }},
		{"POST /schedules/s/pause", func(ctx context.Context) error { s, err := c.PauseSchedule(ctx, "s"); return ok(s.ID == "x", err) }},
		{"POST /schedules/s/resume", func(ctx context.Context) error { s, err := c.ResumeSchedule(ctx, "s"); return ok(s.ID == "x", err) }},
		{`POST /flows k {"jobs":[{"key":"a","type":"t"}]}`, func(ctx context.Context) error {
			f, err := c.CreateFlow(ctx, []NewFlowJob{{Key: "a", NewJob: NewJob{Type: "t"}}}, "k")
			return ok(f.ID == "x", err)
		}},
		{"GET /flows?cursor=c&limit=2", func(ctx context.Context) error { all, _, err := c.Flows(ctx, 2, "c"); return ok(len(all) == 1, err) }},
		{"GET /flows/f", func(ctx context.Context) error { f, err := c.Flow(ctx, "f"); return ok(f.ID == "x", err) }},
		{"POST /flows/f/cancel", func(ctx context.Context) error { f, err := c.CancelFlow(ctx, "f"); return ok(f.ID == "x", err) }},
	} {
		got = ""
		if err := tc.call(t.Context()); err != nil || got != tc.want {
			t.Errorf("%s\nwant %s\n%v", got, tc.want, err)
		}
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprint(w, `{"code":"shutting_down","detail":"it stops","errors":[{"field":"f","message":"m"}]}`)
	}))
	defer srv.Close()
	c, err := New(Config{Server: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Job(t.Context(), "x")
	e, ok := errors.AsType[*Error](err)
	if !ok || e.RetryAfter != 7*time.Second || e.Code != "shutting_down" || len(e.Fields) != 1 || e.Fields[0].Field != "f" {
		t.Errorf("%+v", err)
	}
	if err := c.ExportJobs(t.Context(), JobFilter{}, io.Discard); !errors.As(err, &e) || e.Status != 503 {
		t.Errorf("export: %v", err)
	}
}
