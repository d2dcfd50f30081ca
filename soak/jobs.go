package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Types of the jobs that clients make and do.
const (
	jobType  = "soak"
	tickType = "soak-tick" // of the schedule
	tickID   = "soak"
)

// Bounds of what the jobs' ledger keeps.
const (
	maxDone   = 200_000 // of ended jobs that are remembered, the oldest go first
	drainTime = 5 * time.Minute
)

// promise is what a client knows of a job.
type promise int

// Promises of a job. A job that nobody acknowledged is owed nothing.
const (
	owed    promise = iota + 1 // acknowledged: it has to be there until it has ended
	doubted                    // somebody said that it is done and got no answer: it may run again or not
	done                       // the end was acknowledged: it must never run again
)

// jobBook is what was acknowledged of jobs.
type jobBook struct {
	mu    sync.Mutex // guards what follows
	jobs  map[string]promise
	order []string          // of done ones, the oldest first
	keys  map[string]string // idempotency keys with the job that the first answer named; "" = no answer came
	next  int
	began time.Time // of the schedule
}

func newJobBook() *jobBook { return &jobBook{jobs: map[string]promise{}, keys: map[string]string{}} }

// made books acknowledged jobs. A job may be done before its maker has heard of it.
func (b *jobBook) made(ids ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		if b.jobs[id] == 0 {
			b.jobs[id] = owed
		}
	}
}

// said books that an end is being told, or how that went.
func (b *jobBook) said(id string, p promise) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.jobs[id] == done {
		return
	}
	b.jobs[id] = p
	if p != done {
		return
	}
	if b.order = append(b.order, id); len(b.order) > maxDone {
		delete(b.jobs, b.order[0])
		b.order = b.order[1:]
	}
}

func (b *jobBook) of(id string) promise {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.jobs[id]
}

// key gives a new idempotency key, or at times one that was used before, with the job that it stands for.
func (b *jobBook) key(again bool) (key, job string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if again {
		for key, job = range b.keys { // one of them, whichever
			return key, job
		}
	}
	b.next++
	key = fmt.Sprintf("k%d-%d", b.next, time.Now().UnixNano())
	b.keys[key] = ""
	return key, ""
}

// answered books what a call with an idempotency key gave, and gives what an earlier one had given.
func (b *jobBook) answered(key, job string) (before string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if before = b.keys[key]; before == "" {
		b.keys[key] = job
	}
	if len(b.keys) > 2000 {
		delete(b.keys, key)
	}
	return before
}

// open gives the jobs that are owed.
func (b *jobBook) open() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for id, p := range b.jobs {
		if p != done {
			out = append(out, id)
		}
	}
	return out
}

// job is what the runner reads of a job.
type job struct {
	ID        string   `json:"id"`
	Type      string   `json:"type"`
	Status    string   `json:"status"`
	Lease     string   `json:"lease"`
	DependsOn []string `json:"depends_on"`
}

func asJSON() map[string]string { return map[string]string{"Content-Type": "application/json"} }

func (c *client) post(ctx context.Context, kind, path string, body, into any, header map[string]string) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	if header == nil {
		header = asJSON()
	}
	_, err = c.do(ctx, request{kind: kind, method: http.MethodPost, path: path, header: header, body: bytes.NewReader(raw), into: into}, nil)
	return err
}

// newJob gives a job with some of what a job may have. It is never given up: max_attempts is beyond reach.
func (c *client) newJob() map[string]any {
	n := map[string]any{"type": jobType, "max_attempts": 1000, "payload": map[string]any{"n": c.rnd.IntN(1000)}}
	n["backoff"] = map[string]any{"kind": "fixed", "base": 0.2}
	if c.rnd.IntN(4) == 0 {
		n["priority"] = c.rnd.IntN(10)
	}
	if c.rnd.IntN(5) == 0 {
		n["delay"] = c.rnd.Float64() * 2
	}
	if c.rnd.IntN(4) == 0 {
		n["limit_key"] = fmt.Sprint("device", c.rnd.IntN(5))
	}
	return n
}

// enqueue makes one job, or some.
func (c *client) enqueue(ctx context.Context) {
	if c.rnd.IntN(3) == 0 {
		jobs := make([]any, 2+c.rnd.IntN(8))
		for i := range jobs {
			jobs[i] = c.newJob()
		}
		var made struct{ Items []job }
		if err := c.post(ctx, "enqueue many", "/api/v1/jobs", map[string]any{"jobs": jobs}, &made, nil); !c.judge(ctx, "enqueue", err) && err == nil {
			for _, j := range made.Items {
				c.jobs.made(j.ID)
			}
			c.tally.add("jobs acknowledged", int64(len(made.Items)))
		}
		return
	}
	key, _ := c.jobs.key(c.rnd.IntN(4) == 0)
	body := map[string]any{"type": jobType, "max_attempts": 1000, "payload": key} // the same for the same key
	var made job
	header := map[string]string{"Content-Type": "application/json", "Idempotency-Key": key}
	if err := c.post(ctx, "enqueue", "/api/v1/jobs", body, &made, header); c.judge(ctx, "enqueue", err) || err != nil {
		return
	}
	if before := c.jobs.answered(key, made.ID); before != "" && before != made.ID {
		c.tally.broke("doubled", "idempotency key %s gave job %s, and now %s", key, before, made.ID)
	}
	c.jobs.made(made.ID)
	c.tally.add("jobs acknowledged", 1)
}

// chain makes a flow of three jobs, one after the other.
func (c *client) chain(ctx context.Context) {
	jobs := make([]map[string]any, 3)
	for i := range jobs {
		jobs[i] = c.newJob()
		jobs[i]["key"] = fmt.Sprint("step", i)
		delete(jobs[i], "delay")
		if i > 0 {
			jobs[i]["depends_on"] = []string{fmt.Sprint("step", i-1)}
		}
	}
	var flow struct {
		Jobs []struct{ ID string }
	}
	if err := c.post(ctx, "make flow", "/api/v1/flows", map[string]any{"jobs": jobs}, &flow, nil); c.judge(ctx, "make flow", err) || err != nil {
		return
	}
	for _, j := range flow.Jobs {
		c.jobs.made(j.ID)
	}
	c.tally.add("flows acknowledged", 1)
}

// work leases some jobs and ends most of them, in one of the ways there are; a few are left to expire.
func (c *client) work(ctx context.Context) {
	var got struct{ Jobs []job }
	ask := map[string]any{
		"worker": fmt.Sprint("soak", c.rnd.IntN(4)), "types": []string{jobType, tickType}, "max": 1 + c.rnd.IntN(16),
		"wait": c.rnd.IntN(2), "lease_seconds": 5,
	}
	if err := c.post(ctx, "lease", "/api/v1/leases", ask, &got, nil); c.judge(ctx, "lease", err) || err != nil {
		return
	}
	var beats []any
	ends := map[string][]any{}
	var acked []string
	for _, j := range got.Jobs {
		c.checkLeased(j)
		lease := map[string]any{"id": j.ID, "lease": j.Lease}
		switch n := c.rnd.IntN(40); {
		case n == 0: // left to expire
		case n < 4:
			ends["fail"] = append(ends["fail"], map[string]any{"id": j.ID, "lease": j.Lease, "error": map[string]any{"code": "soak"}, "retry_in": 0.1})
		case n < 7:
			ends["release"] = append(ends["release"], map[string]any{"id": j.ID, "lease": j.Lease, "delay": 0.1})
		default:
			if n < 12 {
				beats = append(beats, map[string]any{"id": j.ID, "lease": j.Lease, "progress": c.rnd.Float64()})
			}
			lease["result"] = j.ID
			ends["ack"] = append(ends["ack"], lease)
			acked = append(acked, j.ID)
		}
	}
	if len(beats) > 0 {
		err := c.post(ctx, "heartbeat", "/api/v1/leases/heartbeat", map[string]any{"worker": ask["worker"], "leases": beats}, nil, nil)
		c.judge(ctx, "heartbeat", err)
	}
	if len(ends) > 0 {
		c.tell(ctx, ends, acked)
	}
}

// checkLeased holds a job that was leased against what was acknowledged.
func (c *client) checkLeased(j job) {
	if c.jobs.of(j.ID) == done {
		c.tally.broke("doubled", "job %s runs again after its end was acknowledged", j.ID)
	}
	for _, on := range j.DependsOn {
		if c.jobs.of(on) == owed {
			c.tally.broke("order", "job %s runs before %s, which it depends on, has ended", j.ID, on)
		}
	}
}

// tell says how runs ended.
func (c *client) tell(ctx context.Context, ends map[string][]any, acked []string) {
	for _, id := range acked {
		c.jobs.said(id, doubted)
	}
	var answer struct {
		Acked   []string
		Lost    []string
		Refused []struct{ ID, Code, Message string }
	}
	if err := c.post(ctx, "finish", "/api/v1/leases/finish", ends, &answer, nil); c.judge(ctx, "finish", err) || err != nil {
		return // in doubt
	}
	for _, id := range answer.Acked {
		c.jobs.said(id, done)
	}
	c.tally.add("ends acknowledged", int64(len(answer.Acked)))
	c.tally.add("leases lost", int64(len(answer.Lost)))
	for _, r := range answer.Refused {
		c.tally.broke("refused", "the end of job %s: %s %s", r.ID, r.Code, r.Message)
	}
}

// schedule puts the schedule that ticks every second.
func (c *client) schedule(ctx context.Context) error {
	c.jobs.mu.Lock()
	if c.jobs.began.IsZero() {
		c.jobs.began = time.Now()
	}
	c.jobs.mu.Unlock()
	body := `{"cron":"* * * * * *","overlap":"allow","missed":"once","job":{"type":"` + tickType + `"}}`
	_, err := c.do(ctx, request{
		kind: "put schedule", method: http.MethodPut, path: "/api/v1/schedules/" + tickID, header: asJSON(), body: strings.NewReader(body),
	}, nil)
	return err
}

// allJobs compares every job of the appliance with the ledger, once nothing is left to do: what was acknowledged has
// ended well, what was acknowledged as done has stayed so. kept says that ended jobs are not removed meanwhile.
func (v *verifier) allJobs(ctx context.Context, kept bool) bool {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	if _, err := v.do(ctx, request{kind: "delete schedule", method: http.MethodDelete, path: "/api/v1/schedules/" + tickID}, nil); err != nil && !isCode(err, "not_found") {
		v.judge(ctx, "delete schedule", err)
		return false
	}
	elapsed := time.Since(v.jobs.began)
	there, ticked, ticks := map[string]string{}, map[string]bool{}, 0
	for {
		clear(there)
		ticks = 0
		left := 0
		err := errors.Join(
			walk(ctx, v.target, "list jobs", "/api/v1/jobs?type="+jobType, 1000, func(items []job) bool {
				for _, j := range items {
					if there[j.ID] = j.Status; !ended(j.Status) {
						left++
					}
				}
				return true
			}),
			walk(ctx, v.target, "list jobs", "/api/v1/jobs?type="+tickType, 1000, func(items []job) bool {
				ticks += len(items)
				for _, j := range items {
					ticked[j.ID] = true
				}
				return true
			}),
		)
		if v.judge(ctx, "list jobs", err) || err != nil {
			return false
		}
		if left == 0 {
			break
		}
		for range 1 + left/8 {
			v.work(ctx)
		}
		if ctx.Err() != nil {
			v.tally.broke("stuck", "%d jobs do not come to their end", left)
			return false
		}
	}
	for _, id := range v.jobs.open() {
		if _, found := there[id]; !found && !ticked[id] && kept {
			v.tally.broke("lost", "job %s was acknowledged and is gone", id)
		}
	}
	for id, status := range there {
		if status != "completed" {
			v.tally.broke("verdict", "job %s is %s", id, status)
		}
	}
	if most := int(elapsed/time.Second) + 2; kept && !v.jobs.began.IsZero() && ticks > most {
		v.tally.broke("doubled", "a schedule made %d jobs in %d seconds", ticks, most-2)
	}
	v.tally.add("jobs verified", int64(len(there)))
	v.tally.add("ticks of the schedule", int64(ticks))
	return true
}

func ended(status string) bool {
	return status == "completed" || status == "dead" || status == "cancelled"
}
