package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

func (q *fakeQueue) PutSchedule(_ context.Context, s queue.Schedule) (queue.Schedule, error) {
	time.Sleep(q.slow)
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.Cron == "never" {
		return s, errcode.Invalid("cron", "five or six fields")
	}
	s.CreatedAt, s.NextRunAt = fakeTime, fakeTime.Add(time.Hour)
	q.schedules[s.ID] = s
	return s, q.failing()
}

func (q *fakeQueue) Schedule(_ context.Context, id string) (queue.Schedule, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s, ok := q.schedules[id]
	if !ok {
		return s, errcode.New(errcode.NotFound, "no such schedule")
	}
	return s, nil
}

func (q *fakeQueue) ListSchedules(context.Context) ([]queue.Schedule, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.SortedFunc(maps.Values(q.schedules), func(a, b queue.Schedule) int { return cmp.Compare(a.ID, b.ID) }), q.failing()
}

func (q *fakeQueue) DeleteSchedule(_ context.Context, id string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.schedules[id]; !ok {
		return errcode.New(errcode.NotFound, "no such schedule")
	}
	delete(q.schedules, id)
	return nil
}

func (q *fakeQueue) NextTimes(cron, timezone string, n int) ([]time.Time, error) {
	switch {
	case cron == "never":
		return nil, errcode.Invalid("cron", "five or six fields")
	case timezone == "Nowhere":
		return nil, errcode.Invalid("timezone", "no IANA time zone")
	}
	zone := time.FixedZone(timezone, 8*60*60)
	out := make([]time.Time, n)
	for i := range out {
		out[i] = fakeTime.Add(time.Duration(i) * time.Hour).In(zone)
	}
	return out, q.failing()
}

func (q *fakeQueue) RunSchedule(ctx context.Context, id string) (queue.Job, error) {
	s, err := q.Schedule(ctx, id)
	if err != nil {
		return queue.Job{}, err
	}
	s.Job.ScheduleID = id
	out, err := q.Enqueue(ctx, s.Job)
	if err != nil {
		return queue.Job{}, err
	}
	return out[0], nil
}

func (q *fakeQueue) CreateFlow(_ context.Context, jobs []queue.FlowJob) (queue.Flow, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	f := queue.Flow{ID: queue.FlowID("f" + strconv.Itoa(len(q.flows)+1)), Status: queue.Active, CreatedAt: fakeTime, Counts: map[queue.Status]int{}}
	for _, n := range jobs {
		for _, d := range n.DependsOn {
			if !slices.ContainsFunc(jobs, func(o queue.FlowJob) bool { return o.Key == d }) {
				return f, errcode.Invalid("depends_on", "no job of the flow has the key %q", d)
			}
		}
		j, err := q.make(n.New)
		if err != nil {
			return f, err
		}
		j.FlowID, j.FlowKey = f.ID, n.Key
		f.Counts[j.Status]++
		f.Jobs = append(f.Jobs, queue.FlowNode{Key: n.Key, DependsOn: n.DependsOn, Job: j})
	}
	q.flows = append(q.flows, f)
	return f, q.failing()
}

func (q *fakeQueue) flow(id queue.FlowID, do func(f *queue.Flow)) (queue.Flow, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.flows {
		if q.flows[i].ID == id {
			do(&q.flows[i])
			return q.flows[i], nil
		}
	}
	return queue.Flow{}, errcode.New(errcode.NotFound, "no such flow")
}

func (q *fakeQueue) Flow(_ context.Context, id queue.FlowID) (queue.Flow, error) {
	return q.flow(id, func(*queue.Flow) {})
}

func (q *fakeQueue) ListFlows(_ context.Context, limit int, cursor string) ([]queue.Flow, string, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	from, _ := strconv.Atoi(cursor)
	out := slices.Clone(q.flows[min(from, len(q.flows)):])
	for i := range out {
		out[i].Jobs = nil
	}
	if len(out) > limit {
		return out[:limit], strconv.Itoa(from + limit), nil
	}
	return out, "", q.failing()
}

func (q *fakeQueue) CancelFlow(_ context.Context, id queue.FlowID) (queue.Flow, error) {
	return q.flow(id, func(f *queue.Flow) { f.Status, f.EndedAt = queue.Cancelled, fakeTime })
}

func (q *fakeQueue) Export(_ context.Context, f queue.Filter, emit func(queue.Exported) error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range q.jobs {
		if matchesFilter(&j, f) {
			if err := emit(j.Export()); err != nil {
				return err
			}
		}
	}
	return q.failing()
}

func (q *fakeQueue) Import(_ context.Context, all []queue.Exported) ([]queue.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.imports = append(q.imports, len(all))
	for i, x := range all {
		if _, err := x.State(); err != nil {
			return nil, queue.InJob(i, err)
		}
		if _, err := x.New().Prepare(queue.Rules{}.WithDefaults(), fakeTime); err != nil {
			return nil, queue.InJob(i, err)
		}
	}
	out := make([]queue.Job, len(all))
	for i, x := range all {
		var err error
		if out[i], err = q.make(x.New()); err != nil {
			return nil, err
		}
		q.find(out[i].ID).DependsOn = x.DependsOn
	}
	return out, q.failing()
}

// TestAppendedJobs holds the job that is written by hand against the type that is documented.
func TestAppendedJobs(t *testing.T) {
	full := queue.Job{
		ID: "j1", Type: "a", Queue: "q", Priority: 9, Status: queue.Dead, Payload: json.RawMessage(`{"a":[1,"ü"]}`), Result: json.RawMessage(`"r"`),
		Attempt: 3, Crashes: 1, RunAt: fakeTime, UniqueKey: "ü\"\\\n", UniqueUntil: queue.UntilTTL, UniqueTTL: 1500 * time.Millisecond, LimitKey: "<k>",
		Backoff:   &queue.Backoff{Kind: queue.Listed, Delays: []time.Duration{time.Second, 2500 * time.Millisecond}, Jitter: -1},
		DependsOn: []queue.ID{"j0", "j2"}, OnFailure: queue.Continue, FlowID: "f1", FlowKey: "k", ScheduleID: "s", ResultTTL: time.Hour, Worker: "w\x00",
		Errors:   []queue.Failure{{Attempt: 1, At: fakeTime, Code: "failed", Message: "it \"broke\""}, {Attempt: 2, Message: "x" + strings.Repeat("ü", 200)}},
		Progress: queue.Progress{Fraction: 0.123, Text: "half\t"}, Duplicate: true,
		Limits: queue.Limits{MaxAttempts: 4, Timeout: time.Hour, SoftTimeout: 1234567 * time.Microsecond},
		Trace:  queue.Trace{RequestID: "r", CorrelationID: "c", TraceID: "t"}, Times: queue.Times{CreatedAt: fakeTime, StartedAt: fakeTime, FinishedAt: fakeTime},
	}
	for name, j := range map[string]queue.Job{"full": full, "empty": {}} {
		want, err := jsonBytes(oneJob(&j))
		if err != nil {
			t.Fatal(err)
		}
		if got := appendJob(nil, &j); !bytes.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
		leased := queue.ExternalLeased{Leased: queue.Leased{Job: j, Lease: queue.Lease{ID: j.ID, Token: 1 << 63}}, Expires: fakeTime}
		want, err = jsonBytes(LeasedJob{Job: oneJob(&j), Lease: leaseText(1 << 63), ExpiresAt: Stamp(fakeTime)})
		if err != nil {
			t.Fatal(err)
		}
		if got := appendLeased(nil, &leased); !bytes.Equal(got, want) {
			t.Errorf("%s, leased:\n%s\nwant\n%s", name, got, want)
		}
	}
}

func TestLastErrorOfAJob(t *testing.T) {
	for message, want := range map[string]string{
		"short": "short", strings.Repeat("x", 301): strings.Repeat("x", 300), "x" + strings.Repeat("ü", 200): "x" + strings.Repeat("ü", 149),
		strings.Repeat("\x80", 400): "",
	} {
		j := queue.Job{Status: queue.Dead, Errors: []queue.Failure{{Attempt: 1, Message: "before"}, {Attempt: 2, Message: message}}}
		if got := jobLine(&j); got.Errors != nil || got.LastError.v == nil || got.LastError.v.Attempt != 2 || got.LastError.v.Message != want {
			t.Errorf("%.20q: %+v", message, got.LastError.v)
		}
		if j.Status = queue.Completed; lastError(&j).v != nil {
			t.Error("a job that completed has a last error")
		}
	}
}
