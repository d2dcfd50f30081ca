package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

// export gives all jobs as they come out of a file: written and read.
func export(tb testing.TB, e *Engine, f queue.Filter) []queue.Exported {
	tb.Helper()
	var out []queue.Exported
	err := e.Export(tb.Context(), f, func(x queue.Exported) error {
		line, err := json.Marshal(x)
		if err != nil {
			return err
		}
		if bytes.ContainsRune(line, '\n') {
			tb.Errorf("more than one line: %s", line)
		}
		back, err := queue.ParseExported(line)
		out = append(out, back)
		return err
	})
	if err != nil {
		tb.Fatalf("Export: %v", err)
	}
	return out
}

// everyJob makes a job in each status, with all options.
func everyJob(t *testing.T, b *box) {
	t.Helper()
	mustEnqueue(t, b.Engine, queue.New{
		Type: "all", Queue: "reports", Priority: new(9), Payload: []byte(`{"a":[1,2]}`), Delay: time.Hour, UniqueKey: "u", LimitKey: "l",
		Backoff:   &queue.Backoff{Kind: queue.Listed, Delays: []time.Duration{time.Second, 1500 * time.Millisecond}, Jitter: 0.5},
		ResultTTL: time.Minute, ScheduleID: "s", Writing: true, MaxAttempts: 9, Timeout: 90 * time.Second, SoftTimeout: 100 * time.Millisecond,
		RequestID: "r", CorrelationID: "c", TraceID: "x",
	})
	run := func(o queue.Outcome) {
		t.Helper()
		mustEnqueue(t, b.Engine, queue.New{Type: "a"})
		mustFinish(t, b.Engine, mustLease(t, b.Engine), o)
	}
	run(queue.Outcome{Result: []byte(`{"b":2}`)})
	run(queue.Outcome{Err: errTest, Permanent: true})
	run(queue.Outcome{Err: errTest, RetryIn: time.Hour})
	c := mustEnqueue(t, b.Engine, queue.New{Type: "a"})[0]
	if _, err := b.Cancel(t.Context(), c.ID, nil); err != nil {
		t.Fatal(err)
	}
	mustFlow(t, b.Engine, flowJob("last", "first", "second"), flowJob("first"), flowJob("second"))
	mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{})
	mustLease(t, b.Engine) // the second stays at work
	mustEnqueue(t, b.Engine, queue.New{Type: "ready"})
}

func TestExportImport(t *testing.T) {
	clock := newFakeClock()
	from := openIdle(t, t.TempDir(), Config{Clock: clock})
	everyJob(t, from)
	want := export(t, from.Engine, queue.Filter{})
	if len(want) != 9 {
		t.Fatalf("%d jobs were exported", len(want))
	}
	clock.advance(time.Minute)
	to := openIdle(t, t.TempDir(), Config{Clock: clock})
	mustEnqueue(t, to.Engine, queue.New{Type: "other"}) // so that ids differ
	jobs, err := to.Import(t.Context(), want)
	if err != nil {
		t.Fatalf("Import: %v", err)
	}
	to = to.reopen(t)
	got := export(t, to.Engine, queue.Filter{IDs: nil})[1:]
	ids := map[queue.ID]queue.ID{}
	for i, j := range jobs {
		ids[j.ID] = want[i].ID
		if j.Status != want[i].Status && want[i].Status != queue.Active {
			t.Errorf("job %s is %s, was %s", j.ID, j.Status, want[i].Status)
		}
	}
	for i := range want {
		if want[i].Status == queue.Active {
			want[i].Status, want[i].Attempt = queue.Ready, 0
		}
	}
	for i := range got {
		got[i].ID = ids[got[i].ID]
		for k, id := range got[i].DependsOn {
			got[i].DependsOn[k] = ids[id]
		}
		if got[i].FlowID != "" {
			got[i].FlowID = "f"
		}
	}
	for i := range want {
		if want[i].FlowID != "" {
			want[i].FlowID = "f"
		}
	}
	byID := cmpopts.SortSlices(func(a, b queue.Exported) bool { return a.ID < b.ID })
	if diff := cmp.Diff(want, got, byID); diff != "" {
		t.Errorf("what was imported differs (-want +got):\n%s", diff)
	}
	flows, _, err := to.ListFlows(t.Context(), 10, "")
	if err != nil || len(flows) != 1 || flows[0].Counts[queue.Completed] != 1 || flows[0].Counts[queue.Waiting] != 1 {
		t.Errorf("flows: %+v, %v", flows, err)
	}
	for _, typ := range []string{"second", "last"} { // what waited still waits for the right ones
		l, err := to.Lease(t.Context(), queue.LeaseRequest{Types: []string{"second", "last"}})
		if err != nil || l[0].Job.Type != typ {
			t.Fatalf("leased %v, %v; want %s", l, err, typ)
		}
		mustFinish(t, to.Engine, l[0], queue.Outcome{})
	}
	to.leftovers(t)
}

func TestImportAgain(t *testing.T) {
	b := openIdle(t, t.TempDir(), Config{})
	j := mustEnqueue(t, b.Engine, queue.New{Type: "a", UniqueKey: "k"})[0]
	again, err := b.Import(t.Context(), export(t, b.Engine, queue.Filter{}))
	if err != nil || len(again) != 1 || again[0].ID != j.ID || !again[0].Duplicate {
		t.Errorf("Import gave %+v, %v", again, err)
	}
	checkCounts(t, b.Engine, map[queue.Status]int64{queue.Ready: 1})
}

// TestImportMany imports more than a commit takes, in an order in which what is needed comes last.
func TestImportMany(t *testing.T) {
	b := openBox(t, t.TempDir(), Config{})
	const many = 2000
	jobs := make([]queue.Exported, many)
	for i := range jobs {
		jobs[i] = queue.Exported{Version: 1, ID: queue.ID(fmt.Sprint("x", i)), Type: "a", Priority: 5, Status: queue.Ready}
		if i < many/2 {
			jobs[i].Status, jobs[i].DependsOn = queue.Waiting, []queue.ID{queue.ID(fmt.Sprint("x", many-1-i)), "x1999"}
		}
	}
	done := make(chan int)
	go func() { // workers that end what is there while the rest is imported
		n := 0
		for ; n < many; n++ {
			l, err := b.Lease(t.Context(), queue.LeaseRequest{})
			if err != nil {
				break
			}
			if err := b.Finish(t.Context(), l[0].Lease, queue.Outcome{}); err != nil {
				t.Errorf("Finish: %v", err)
			}
		}
		done <- n
	}()
	if _, err := b.Import(t.Context(), jobs); err != nil {
		t.Fatalf("Import: %v", err)
	}
	<-done
	checkCounts(t, b.Engine, map[queue.Status]int64{queue.Completed: many})
	b.leftovers(t)
}

func TestImportRefused(t *testing.T) {
	b := openIdle(t, t.TempDir(), Config{})
	ok := queue.Exported{Version: 1, ID: "j1", Type: "a", Status: queue.Ready, CreatedAt: epoch}
	for field, change := range map[string]func(x *queue.Exported){
		"version":            func(x *queue.Exported) { x.Version = 2 },
		"type":               func(x *queue.Exported) { x.Type = "" },
		"status":             func(x *queue.Exported) { x.Status = "tired" },
		"priority":           func(x *queue.Exported) { x.Priority = 10 },
		"payload":            func(x *queue.Exported) { x.Payload = []byte("{") },
		"timeout":            func(x *queue.Exported) { x.Timeout = 1e300 },
		"attempt":            func(x *queue.Exported) { x.Attempt = -1 },
		"crashes":            func(x *queue.Exported) { x.Crashes = 1 },
		"finished_at":        func(x *queue.Exported) { x.Status = queue.Dead },
		"created_at":         func(x *queue.Exported) { x.CreatedAt = time.Unix(-1e10, 0) },
		"result":             func(x *queue.Exported) { x.Result = []byte("1") },
		"errors":             func(x *queue.Exported) { x.Errors = []queue.MovedFailure{{Attempt: 1}} },
		"flow_key":           func(x *queue.Exported) { x.FlowID = "f" },
		"id":                 func(x *queue.Exported) { x.ID = "j0" },
		"depends_on":         func(x *queue.Exported) { x.Status, x.DependsOn = queue.Waiting, []queue.ID{"j7"} },
		"depends_on.unknown": func(x *queue.Exported) { x.DependsOn = []queue.ID{"j1"} },
	} {
		first, x := ok, ok
		first.ID = "j0"
		change(&x)
		out, err := b.Import(t.Context(), []queue.Exported{first, x})
		c, isCode := errors.AsType[*errcode.Error](err)
		if !isCode || out != nil || len(c.Fields) != 1 || c.Fields[0].Field != "jobs[1]."+strings.TrimSuffix(field, ".unknown") {
			t.Errorf("%s: %v, %v", field, out, err)
		}
	}
	checkCounts(t, b.Engine, map[queue.Status]int64{})
}
