package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

const (
	onTime    = time.Minute      // a time that passed no longer ago was not missed
	lookEvery = time.Minute      // how often the wall clock is looked at while there are schedules
	cronRetry = 30 * time.Second // after a firing that failed
)

// plan is a schedule in memory. Engine.scheduling guards all but what e.mu guards.
type plan struct {
	stored planRecord
	times  timetable
	next   time.Time // after stored.Through, zero = none
	doubt  bool      // a commit of it failed: the database may know more
}

// newPlan gives the plan of a record.
func newPlan(r planRecord, times timetable) *plan {
	return &plan{stored: r, times: times, next: times.next(r.Through)}
}

// through gives the plan with its times up to one dealt with.
func (p *plan) through(t time.Time) *plan {
	r := p.stored
	r.Through = t
	return newPlan(r, p.times)
}

// planRecord is what the key of a schedule holds.
type planRecord struct {
	Schedule queue.Schedule `json:"schedule"`
	// Through is up to when its times have been dealt with.
	Through time.Time `json:"through"`
	// Made are the jobs of its last firing.
	Made []queue.ID `json:"made,omitempty"`
}

func planKey(id string) []byte { return append([]byte{cronKey}, id...) }

// scanPlans reads the schedules. One that is damaged is left out, and said: the next PutSchedule replaces it.
func (e *Engine) scanPlans(ctx context.Context) error {
	damaged := func(k []byte, err error) {
		e.log.ErrorContext(ctx, "schedule is damaged, it does not fire", "schedule", string(k[1:]), "error", err)
	}
	o := store.ScanOptions{Prefix: []byte{cronKey}, OnCorrupt: func(k []byte) error {
		damaged(k, errRecord)
		return nil
	}}
	err := e.space.Scan(ctx, o, func(k, v []byte) (bool, error) {
		var r planRecord
		err := json.Unmarshal(v, &r) //nolint:musttag // the names of the model are those of the record
		if err == nil {
			err = checkSchedule(&r.Schedule)
		}
		var times timetable
		if err == nil {
			times, err = parseCron(r.Schedule.Cron, r.Schedule.Timezone)
		}
		if err != nil {
			damaged(k, err)
			return true, nil
		}
		e.plans[r.Schedule.ID] = newPlan(r, times)
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("read schedules: %w", err)
	}
	return nil
}

// checkSchedule checks a schedule but for its expression and fills in what it leaves out.
func checkSchedule(s *queue.Schedule) error {
	if s.Missed == "" {
		s.Missed = queue.MissedOnce
	}
	if s.Overlap == "" {
		s.Overlap = queue.OverlapSkip
	}
	switch {
	case !queue.ValidSchedule(s.ID):
		return errcode.Invalid("id", "1 to %d lower-case letters, digits, '_' or '-', a letter or digit first", queue.MaxScheduleName)
	case s.Missed != queue.MissedSkip && s.Missed != queue.MissedOnce && s.Missed != queue.MissedAll:
		return errcode.Invalid("missed", "skip, once or all")
	case s.MissedMax < 0 || s.MissedMax > queue.MaxMissed:
		return errcode.Invalid("missed_max", "1 to %d", queue.MaxMissed)
	case s.MissedMax != 0 && s.Missed != queue.MissedAll:
		return errcode.Invalid("missed_max", "only with missed all")
	case s.Overlap != queue.OverlapAllow && s.Overlap != queue.OverlapSkip && s.Overlap != queue.OverlapQueue:
		return errcode.Invalid("overlap", "allow, skip or queue")
	case !s.Job.RunAt.IsZero() || s.Job.Delay != 0:
		return errcode.Invalid("job.run_at", "the schedule says when")
	case s.Job.IdempotencyKey != "":
		return errcode.Invalid("job.idempotency_key", "not in a schedule")
	case len(s.Job.DependsOn) > 0:
		return errcode.Invalid("job.depends_on", "not in a schedule")
	}
	return nil
}

// PutSchedule implements queue.Schedules.
func (e *Engine) PutSchedule(ctx context.Context, s queue.Schedule) (queue.Schedule, error) {
	if err := checkSchedule(&s); err != nil {
		return queue.Schedule{}, fmt.Errorf("put schedule: %w", err)
	}
	times, err := parseCron(s.Cron, s.Timezone)
	if err != nil {
		return queue.Schedule{}, fmt.Errorf("put schedule %s: %w", s.ID, err)
	}
	s.Job.ScheduleID = s.ID
	at := e.now()
	if _, err := s.Job.Prepare(e.cfg.Rules, at.wall); err != nil {
		return queue.Schedule{}, fmt.Errorf("put schedule %s: job: %w", s.ID, err)
	}
	if err := e.usable(); err != nil {
		return queue.Schedule{}, err
	}
	e.scheduling.Lock()
	defer e.scheduling.Unlock()
	before := e.plans[s.ID]
	if before == nil && len(e.plans) >= queue.MaxSchedules {
		return queue.Schedule{}, errcode.Newf(errcode.Conflict, "there are %d schedules already", queue.MaxSchedules)
	}
	stored := planRecord{Schedule: s, Through: at.wall}
	r := &stored.Schedule
	r.CreatedAt, r.UpdatedAt, r.LastRunAt, r.LastJobID, r.Skipped = at.wall, at.wall, time.Time{}, "", 0
	r.NextRunAt, r.Reason = time.Time{}, ""
	if before != nil {
		was := &before.stored.Schedule
		r.CreatedAt, r.LastRunAt, r.LastJobID, r.Skipped = was.CreatedAt, was.LastRunAt, was.LastJobID, was.Skipped
		// Times that passed under the old words are not made up for under the new ones.
		stored.Through = later(stored.Through, before.stored.Through)
	}
	p := newPlan(stored, times)
	if times.next(at.wall).IsZero() {
		return queue.Schedule{}, fmt.Errorf("put schedule %s: %w", s.ID, errcode.Invalid("cron", "there is no such time within %d years", searchYears))
	}
	b := e.db.Batch()
	if err := e.stagePlan(b, p); err != nil {
		return queue.Schedule{}, err
	}
	if err := e.commit(ctx, b); err != nil {
		return queue.Schedule{}, fmt.Errorf("put schedule %s: %w", s.ID, err)
	}
	e.plans[s.ID] = p
	e.nudge()
	return e.show(p), nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// stagePlan stages the record of a schedule. e.scheduling is held.
func (e *Engine) stagePlan(b *store.Batch, p *plan) error {
	raw, err := json.Marshal(p.stored) //nolint:musttag // the names of the model are those of the record
	if err != nil {
		return fmt.Errorf("encode schedule: %w", err)
	}
	b.Set(e.space, planKey(p.stored.Schedule.ID), raw)
	return nil
}

// show gives a schedule as callers see it. e.scheduling is held.
func (e *Engine) show(p *plan) queue.Schedule {
	s := p.stored.Schedule
	switch {
	case s.Paused:
		s.Reason = "it is paused"
	case e.watch.behind:
		s.Reason = "the clock is behind the time that was known before; it waits until the clock is set, at most 5 minutes"
		s.NextRunAt = p.next
	default:
		s.NextRunAt = p.next
	}
	return s
}

// Schedule implements queue.Schedules.
func (e *Engine) Schedule(_ context.Context, id string) (queue.Schedule, error) {
	e.scheduling.Lock()
	defer e.scheduling.Unlock()
	p := e.plans[id]
	if p == nil {
		return queue.Schedule{}, noSchedule(id)
	}
	return e.show(p), nil
}

func noSchedule(id string) error {
	return errcode.Newf(errcode.NotFound, "there is no schedule %s", cut(id, queue.MaxScheduleName))
}

// ListSchedules implements queue.Schedules.
func (e *Engine) ListSchedules(context.Context) ([]queue.Schedule, error) {
	e.scheduling.Lock()
	defer e.scheduling.Unlock()
	out := make([]queue.Schedule, 0, len(e.plans))
	for _, id := range slices.Sorted(maps.Keys(e.plans)) {
		out = append(out, e.show(e.plans[id]))
	}
	return out, nil
}

// DeleteSchedule implements queue.Schedules.
func (e *Engine) DeleteSchedule(ctx context.Context, id string) error {
	e.scheduling.Lock()
	defer e.scheduling.Unlock()
	if e.plans[id] == nil {
		return noSchedule(id)
	}
	b := e.db.Batch()
	b.Essential()
	b.Delete(e.space, planKey(id))
	if err := e.commit(ctx, b); err != nil {
		return fmt.Errorf("delete schedule %s: %w", id, err)
	}
	delete(e.plans, id)
	return nil
}

// RunSchedule implements queue.Schedules.
func (e *Engine) RunSchedule(ctx context.Context, id string) (queue.Job, error) {
	e.scheduling.Lock()
	defer e.scheduling.Unlock()
	p := e.plans[id]
	if p == nil {
		return queue.Job{}, noSchedule(id)
	}
	next := *p
	jobs, err := e.makeJobs(ctx, &next, []queue.New{p.stored.Schedule.Job}, e.now())
	if err != nil {
		return queue.Job{}, fmt.Errorf("run schedule %s: %w", id, err)
	}
	e.plans[id] = &next
	return jobs[0], nil
}

// makeJobs makes the jobs of a schedule and records it as it is then, in one commit. e.scheduling is held.
func (e *Engine) makeJobs(ctx context.Context, p *plan, jobs []queue.New, at instant) ([]queue.Job, error) {
	out := make([]queue.Job, len(jobs))
	for i, n := range jobs {
		var err error
		if out[i], err = n.Prepare(e.cfg.Rules, at.wall); err != nil {
			return nil, fmt.Errorf("prepare job: %w", err)
		}
	}
	var failed error
	out, err := e.enqueue(ctx, e.db.Batch(), out, at, func(b *store.Batch, made []queue.Job) {
		p.stored.Made = nil
		for _, j := range made {
			if p.stored.Schedule.LastJobID = j.ID; !j.Duplicate {
				p.stored.Made = append(p.stored.Made, j.ID)
			}
		}
		failed = e.stagePlan(b, p)
	})
	if err = errors.Join(failed, err); err != nil {
		return nil, err
	}
	return out, nil
}

// firePlans makes the jobs whose times have come, and gives the time until more may be due.
func (e *Engine) firePlans(ctx context.Context) time.Duration {
	e.scheduling.Lock()
	defer e.scheduling.Unlock()
	at := e.now()
	e.watchWall(ctx, at)
	if len(e.plans) == 0 {
		return idleWait
	}
	wait := lookEvery
	var due []string
	for id, p := range e.plans {
		switch {
		case p.stored.Schedule.Paused || e.watch.behind || p.next.IsZero():
		case p.next.After(at.wall):
			wait = min(wait, p.next.Sub(at.wall))
		default:
			due = append(due, id)
		}
	}
	slices.Sort(due)
	for _, id := range due {
		err := e.findOut(ctx, id)
		if err == nil {
			err = e.firePlan(ctx, id, at)
		}
		if err != nil {
			e.plans[id].doubt = true
			e.log.WarnContext(ctx, "schedule could not fire, it is tried again", "schedule", id, "error", err)
			wait = min(wait, cronRetry)
			continue
		}
		if next := e.plans[id].next; !next.IsZero() && next.After(at.wall) {
			wait = min(wait, next.Sub(at.wall))
		}
	}
	return max(wait, time.Millisecond)
}

// findOut finds out what became of a firing whose commit was said to have failed: if it is durable all the same, its jobs
// are taken into memory, and it does not fire again. e.scheduling is held.
func (e *Engine) findOut(ctx context.Context, id string) error {
	p := e.plans[id]
	if !p.doubt {
		return nil
	}
	raw, err := e.space.Get(planKey(id))
	if err != nil {
		return fmt.Errorf("read schedule: %w", err)
	}
	var r planRecord
	if err := json.Unmarshal(raw, &r); err != nil { //nolint:musttag // as above
		return fmt.Errorf("read schedule: %w", err)
	}
	if !r.Through.Equal(p.stored.Through) {
		for _, job := range r.Made {
			if n, err := parseID(job); err == nil {
				if err := e.adoptNew(ctx, n); err != nil {
					return err
				}
			}
		}
	}
	e.plans[id] = newPlan(r, p.times)
	return nil
}

// firePlan deals with all times of a schedule up to now. e.scheduling is held.
func (e *Engine) firePlan(ctx context.Context, id string, at instant) error {
	p := e.plans[id]
	s := &p.stored.Schedule
	limit := 1
	if s.Missed == queue.MissedAll {
		limit = queue.MaxMissed
		if s.MissedMax > 0 {
			limit = s.MissedMax
		}
	}
	due := p.times.last(p.stored.Through, at.wall, limit)
	if s.Missed == queue.MissedSkip {
		due = slices.DeleteFunc(due, func(t time.Time) bool { return at.wall.Sub(t) > onTime })
	}
	if s.Overlap == queue.OverlapQueue {
		// A job waits for the one before, so that one is to exist.
		for ; len(due) > 1; due = due[1:] {
			if err := e.fireTimes(ctx, id, due[:1], due[0], at); err != nil {
				return err
			}
		}
	}
	return e.fireTimes(ctx, id, due, at.wall, at)
}

// fireTimes makes the jobs for times of a schedule, as far as Overlap allows, and notes that all up to one are dealt
// with, in one commit. e.scheduling is held.
func (e *Engine) fireTimes(ctx context.Context, id string, due []time.Time, through time.Time, at instant) error {
	after := e.plans[id].through(through)
	s := &after.stored.Schedule
	var jobs []queue.New
	open, waits := e.lastOf(s.LastJobID)
	for _, t := range due {
		n := s.Job
		switch {
		case s.Overlap == queue.OverlapAllow || !open:
		case s.Overlap == queue.OverlapQueue && !waits:
			n.DependsOn, n.OnFailure, waits = []queue.ID{s.LastJobID}, queue.Continue, true
		default:
			s.Skipped++
			continue
		}
		open = true
		s.LastRunAt = t
		jobs = append(jobs, n)
	}
	if _, err := e.makeJobs(ctx, after, jobs, at); err != nil {
		return err
	}
	e.plans[id] = after
	return nil
}

// lastOf reports whether a job has not ended, and whether it waits for another one's end.
func (e *Engine) lastOf(id queue.ID) (open, waits bool) {
	n, err := parseID(id)
	if err != nil {
		return false, false
	}
	_, r, err := e.glance(n)
	if err != nil || r.Status.Final() {
		return false, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, waits = e.table.pending[n]
	return true, waits
}
