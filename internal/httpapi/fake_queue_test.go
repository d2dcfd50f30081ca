package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

// fakeQueue is a queue in memory. It keeps the contract as far as the routes can see it.
type fakeQueue struct {
	mu        sync.Mutex
	changed   chan struct{} // closed and made anew at every change
	jobs      []queue.Job
	leases    map[queue.ID]uint64
	keys      map[string]string // idempotency keys with what they came with
	lines     map[string]queue.Line
	mode      queue.ModeSettings
	nodes     map[string]queue.Node
	schedules map[string]queue.Schedule
	flows     []queue.Flow
	waiting   int   // calls that wait
	fail      error // of the next call
	acted     []queue.Filter
	imports   []int // jobs of each call of Import
	token     uint64
	slow      time.Duration // that storing a schedule takes
}

func newFakeQueue() *fakeQueue {
	return &fakeQueue{
		changed: make(chan struct{}), leases: map[queue.ID]uint64{}, keys: map[string]string{},
		lines: map[string]queue.Line{"decode": {Counts: queue.Counts{Queue: "decode", Weight: 5}, BuiltIn: true}},
		nodes: map[string]queue.Node{}, schedules: map[string]queue.Schedule{},
	}
}

func (q *fakeQueue) deps() Queue {
	return Queue{
		Jobs: q, Editor: q, Waiter: q, Queues: q, Workers: q, Flows: q, Schedules: q, Transfer: q,
		Internal: func(typ string) bool { return typ == "decode" },
	}
}

// failing gives the error that was ordered for this call.
func (q *fakeQueue) failing() error {
	err := q.fail
	q.fail = nil
	return err
}

func (q *fakeQueue) tell() {
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *fakeQueue) find(id queue.ID) *queue.Job {
	for i := range q.jobs {
		if q.jobs[i].ID == id {
			return &q.jobs[i]
		}
	}
	return nil
}

var fakeTime = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)

func (q *fakeQueue) make(n queue.New) (queue.Job, error) {
	j, err := n.Prepare(queue.Rules{}.WithDefaults(), fakeTime)
	if err != nil {
		return j, err
	}
	for i := range q.jobs {
		if o := q.jobs[i]; n.UniqueKey != "" && o.UniqueKey == n.UniqueKey && !o.Status.Final() {
			o.Duplicate = true
			return o, nil
		}
	}
	j.ID, j.Status = queue.ID(fmt.Sprintf("j%04d", len(q.jobs)+1)), queue.Ready
	if !j.RunAt.IsZero() {
		j.Status = queue.Scheduled
	}
	q.jobs = append(q.jobs, j)
	return j, nil
}

func (q *fakeQueue) Enqueue(_ context.Context, news ...queue.New) ([]queue.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.failing(); err != nil {
		return nil, err
	}
	for i, n := range news {
		if _, err := n.Prepare(queue.Rules{}.WithDefaults(), fakeTime); err != nil {
			return nil, fmt.Errorf("enqueue job %d: %w", i, err)
		}
	}
	if k := news[0].IdempotencyKey; k != "" {
		said := fmt.Sprint(len(news), news[0].Type, string(news[0].Payload))
		if old, ok := q.keys[k]; ok && old != said {
			return nil, errcode.New(errcode.Conflict, "the idempotency key was used with another request")
		} else if ok {
			j := q.jobs[0]
			j.Duplicate = true
			return []queue.Job{j}, nil
		}
		q.keys[k] = said
	}
	out := make([]queue.Job, len(news))
	for i, n := range news {
		var err error
		if out[i], err = q.make(n); err != nil {
			return nil, err
		}
	}
	q.tell()
	return out, nil
}

func (q *fakeQueue) Get(_ context.Context, id queue.ID) (queue.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if j := q.find(id); j != nil {
		return *j, q.failing()
	}
	return queue.Job{}, queue.ErrNotFound
}

func (q *fakeQueue) List(_ context.Context, f queue.Filter) (queue.Page, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if f.Cursor == "bad" {
		return queue.Page{}, errcode.New(errcode.Malformed, "cursor is not one that this list gave")
	}
	var out []queue.Job
	for _, j := range q.jobs {
		if matchesFilter(&j, f) && string(j.ID) > f.Cursor {
			if j.Result = nil; !f.Errors && f.Code == "" {
				j.Errors = nil
			}
			out = append(out, j)
		}
	}
	if f.Newest {
		slices.Reverse(out)
	}
	if f.Limit > 0 && len(out) > f.Limit {
		return queue.Page{Jobs: out[:f.Limit], Next: string(out[f.Limit-1].ID)}, nil
	}
	return queue.Page{Jobs: out}, nil
}

func matchesFilter(j *queue.Job, f queue.Filter) bool {
	code := errcode.Code("")
	if n := len(j.Errors); n > 0 {
		code = j.Errors[n-1].Code
	}
	return (len(f.Status) == 0 || slices.Contains(f.Status, j.Status)) && (len(f.IDs) == 0 || slices.Contains(f.IDs, j.ID)) &&
		(f.Queue == "" || f.Queue == j.Queue) && (f.Type == "" || f.Type == j.Type) && (f.Code == "" || f.Code == code) &&
		strings.Contains(string(j.Payload), f.Text) && (f.LimitKey == "" || f.LimitKey == j.LimitKey) && (f.Flow == "" || f.Flow == j.FlowID) &&
		(f.Schedule == "" || f.Schedule == j.ScheduleID) && !j.CreatedAt.Before(f.Since) && (f.Until.IsZero() || j.CreatedAt.Before(f.Until))
}

// change does something to a job that is in one of some states.
func (q *fakeQueue) change(id queue.ID, do func(j *queue.Job), in ...queue.Status) (queue.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j := q.find(id)
	switch {
	case j == nil:
		return queue.Job{}, queue.ErrNotFound
	case j.Status == queue.Active && !slices.Contains(in, queue.Active):
		return *j, queue.ErrActive
	case !slices.Contains(in, j.Status):
		return *j, queue.ErrEnded
	}
	do(j)
	q.tell()
	return *j, nil
}

func (q *fakeQueue) Cancel(_ context.Context, id queue.ID) error {
	_, err := q.change(id, func(j *queue.Job) { j.Status = queue.Cancelled }, queue.Statuses()[:5]...)
	return err
}

func (q *fakeQueue) Edit(_ context.Context, id queue.ID, e queue.Edit) (queue.Job, error) {
	return q.change(id, func(j *queue.Job) {
		if e.Payload != nil {
			j.Payload = e.Payload
		}
		if e.Queue != nil {
			j.Queue = *e.Queue
		}
		if e.Priority != nil {
			j.Priority = *e.Priority
		}
		if e.RunAt != nil {
			j.RunAt = *e.RunAt
		}
	}, queue.Waiting, queue.Scheduled, queue.Ready, queue.Retry, queue.Dead)
}

func (q *fakeQueue) Retry(_ context.Context, id queue.ID) (queue.Job, error) {
	return q.change(id, func(j *queue.Job) { j.Status = queue.Ready }, queue.Dead, queue.Cancelled, queue.Retry)
}

func (q *fakeQueue) Promote(_ context.Context, id queue.ID) (queue.Job, error) {
	return q.change(id, func(j *queue.Job) { j.Status, j.RunAt = queue.Ready, time.Time{} }, queue.Scheduled, queue.Retry)
}

func (q *fakeQueue) Delete(_ context.Context, id queue.ID) error {
	_, err := q.change(id, func(j *queue.Job) { j.ID, j.Status = "", queue.Completed }, queue.Waiting, queue.Scheduled, queue.Ready, queue.Retry, queue.Completed, queue.Dead, queue.Cancelled)
	return err
}

func (q *fakeQueue) Act(ctx context.Context, a queue.Action, f queue.Filter, _ int) (queue.Acted, error) {
	p, err := q.List(ctx, f)
	if err != nil {
		return queue.Acted{}, err
	}
	q.mu.Lock()
	q.acted = append(q.acted, f)
	q.mu.Unlock()
	out := queue.Acted{Matched: len(p.Jobs)}
	for _, j := range p.Jobs {
		do := map[queue.Action]func(context.Context, queue.ID) error{
			queue.ActCancel: q.Cancel, queue.ActDelete: q.Delete,
			queue.ActRetry:   func(ctx context.Context, id queue.ID) error { _, err := q.Retry(ctx, id); return err },
			queue.ActPromote: func(ctx context.Context, id queue.ID) error { _, err := q.Promote(ctx, id); return err },
		}[a]
		if err := do(ctx, j.ID); err != nil {
			out.Failed, out.Err = out.Failed+1, err
			continue
		}
		out.Done++
	}
	return out, nil
}

// await calls try under the lock at every change until it is true or ctx ends.
func (q *fakeQueue) await(ctx context.Context, try func() bool) error {
	q.mu.Lock()
	q.waiting++
	for !try() {
		changed := q.changed
		q.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			q.mu.Lock()
			q.waiting--
			q.mu.Unlock()
			return ctx.Err()
		}
		q.mu.Lock()
	}
	q.waiting--
	q.mu.Unlock()
	return nil
}

func (q *fakeQueue) waiters() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}

func (q *fakeQueue) WaitEnd(ctx context.Context, id queue.ID) (queue.Job, error) {
	var j queue.Job
	err := q.await(ctx, func() bool {
		j = *q.find(id)
		return j.Status.Final()
	})
	return j, err
}

func (q *fakeQueue) LeaseExternal(ctx context.Context, r queue.ExternalRequest) (out []queue.ExternalLeased, err error) {
	var failed error
	err = q.await(ctx, func() bool {
		if failed = q.failing(); failed != nil || q.nodes[r.Worker].Draining {
			return true
		}
		q.nodes[r.Worker] = queue.Node{Name: r.Worker, External: true, Queues: r.Queues, Types: r.Types, Since: fakeTime, LastSeen: fakeTime}
		for i := range q.jobs {
			j := &q.jobs[i]
			if j.Status == queue.Ready && j.Type != "decode" && (r.Types == nil || slices.Contains(r.Types, j.Type)) && len(out) < max(r.Max, 1) {
				j.Status, j.Worker, j.StartedAt = queue.Active, r.Worker, fakeTime
				j.Attempt++
				q.token++
				q.leases[j.ID] = q.token
				l := queue.ExternalLeased{Expires: fakeTime.Add(r.Lease)}
				l.Job, l.Lease = *j, queue.Lease{ID: j.ID, Token: q.token}
				out = append(out, l)
			}
		}
		return len(out) > 0 || r.NoWait
	})
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil, nil
	}
	return out, failed
}

func (q *fakeQueue) FinishAndLease(
	ctx context.Context, ends []queue.End, r queue.ExternalRequest,
) ([]queue.Ended, []queue.ExternalLeased, error) {
	ended, err := q.FinishAll(ctx, ends)
	if err != nil {
		return nil, nil, err
	}
	out, err := q.LeaseExternal(ctx, r)
	return ended, out, err
}

func (q *fakeQueue) FinishAll(_ context.Context, ends []queue.End) ([]queue.Ended, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.failing(); err != nil {
		return nil, err
	}
	out := make([]queue.Ended, len(ends))
	for i, e := range ends {
		out[i].Lease = e.Lease
		j := q.find(e.Lease.ID)
		switch {
		case j == nil || q.leases[e.Lease.ID] != e.Lease.Token:
			out[i].Lost = true
			continue
		case len(e.Outcome.Result) > queue.MaxResult:
			out[i].Err = errcode.Newf(errcode.TooLarge, "the result is larger than %d bytes", queue.MaxResult)
			continue
		}
		delete(q.leases, j.ID)
		j.Worker = ""
		switch o := e.Outcome; {
		case o.Release:
			j.Status = queue.Ready
		case o.Err == nil:
			j.Status, j.Result, j.FinishedAt = queue.Completed, o.Result, fakeTime
		default:
			j.Errors = append(j.Errors, queue.Failure{Attempt: j.Attempt, At: fakeTime, Code: errcode.Of(o.Err), Message: o.Err.Error()})
			j.Status = queue.Retry
			j.RunAt = fakeTime.Add(o.RetryIn)
			if o.Permanent {
				j.Status, j.FinishedAt, j.RunAt = queue.Dead, fakeTime, time.Time{}
			}
		}
	}
	q.tell()
	return out, nil
}

func (q *fakeQueue) Heartbeat(_ context.Context, _ string, beats []queue.Beat) ([]queue.Beaten, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make([]queue.Beaten, len(beats))
	for i, b := range beats {
		out[i] = queue.Beaten{Lease: b.Lease, State: queue.LeaseLost}
		if j := q.find(b.Lease.ID); j != nil && q.leases[j.ID] == b.Lease.Token {
			out[i].State, out[i].Expires = queue.LeaseOK, fakeTime.Add(time.Minute)
			if b.Progress != nil {
				j.Progress = *b.Progress
			}
		}
	}
	return out, q.failing()
}

func (q *fakeQueue) Nodes(context.Context) ([]queue.Node, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.SortedFunc(maps.Values(q.nodes), func(a, b queue.Node) int { return cmp.Compare(a.Name, b.Name) }), q.failing()
}

func (q *fakeQueue) DrainNode(_ context.Context, name string, drain bool) (queue.Node, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, ok := q.nodes[name]
	if !ok {
		return n, errcode.New(errcode.NotFound, "no such worker")
	}
	n.Draining = drain
	q.nodes[name] = n
	q.tell()
	return n, nil
}

func (q *fakeQueue) Lines(context.Context) ([]queue.Line, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.SortedFunc(maps.Values(q.lines), func(a, b queue.Line) int { return cmp.Compare(a.Queue, b.Queue) }), q.failing()
}

func (q *fakeQueue) Line(_ context.Context, name string) (queue.Line, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l, ok := q.lines[name]
	if !ok {
		return l, errcode.New(errcode.NotFound, "no such queue")
	}
	return l, nil
}

func (q *fakeQueue) Configure(_ context.Context, name string, p queue.SettingsPatch) (queue.Line, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[name]
	l.Queue = name
	set(&l.Counts.Weight, p.Weight)
	set(&l.Paused, p.Paused)
	if p.Drain != nil {
		l.Paused = l.Paused || *p.Drain
		l.Drained = *p.Drain && l.Counts.Counts[queue.Active] == 0
		l.Draining = *p.Drain && !l.Drained
	}
	set(&l.MaxActive, p.MaxActive)
	set(&l.Rate, p.Rate)
	set(&l.KeyMaxActive, p.KeyMaxActive)
	set(&l.KeyRate, p.KeyRate)
	q.lines[name] = l
	return l, q.failing()
}

func set[T any](to *T, v *T) {
	if v != nil {
		*to = *v
	}
}

func (q *fakeQueue) Drain(ctx context.Context, name string) (queue.Line, error) {
	err := q.await(ctx, func() bool { return q.lines[name].Counts.Counts[queue.Active] == 0 })
	if err != nil {
		return queue.Line{}, fmt.Errorf("drain: %w", err)
	}
	return q.Line(ctx, name)
}

func (q *fakeQueue) Purge(ctx context.Context, name string) (int, error) {
	a, err := q.Act(ctx, queue.ActDelete, queue.Filter{Queue: name}, 0)
	return a.Done, err
}

func (q *fakeQueue) Forget(_ context.Context, name string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	l, ok := q.lines[name]
	switch {
	case !ok:
		return errcode.New(errcode.NotFound, "no such queue")
	case l.BuiltIn:
		return errcode.New(errcode.Conflict, "it is built in")
	}
	delete(q.lines, name)
	return nil
}

func (q *fakeQueue) Mode(context.Context) (queue.ModeLine, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := queue.ModeLine{Set: q.mode, Configured: queue.ModeSettings{Mode: queue.Weighted, Ageing: 10 * time.Minute}}
	out.ModeSettings = out.Configured
	if q.mode.Mode != "" {
		out.Mode = q.mode.Mode
	}
	if q.mode.Ageing != 0 {
		out.Ageing = q.mode.Ageing
	}
	return out, q.failing()
}

func (q *fakeQueue) SetMode(ctx context.Context, p queue.ModePatch) (queue.ModeLine, error) {
	q.mu.Lock()
	set(&q.mode.Mode, p.Mode)
	set(&q.mode.Ageing, p.Ageing)
	q.mu.Unlock()
	return q.Mode(ctx)
}
