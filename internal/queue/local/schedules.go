package local

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

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
	case len(s.Job.Payload) > queue.MaxSchedulePayload:
		return errcode.Invalid("job.payload", "at most %d bytes in a schedule", queue.MaxSchedulePayload)
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
	if times.next(at.wall).IsZero() {
		return queue.Schedule{}, fmt.Errorf("put schedule %s: %w", s.ID, errNever())
	}
	if err := e.usable(); err != nil {
		return queue.Schedule{}, err
	}
	e.scheduling.Lock()
	defer e.scheduling.Unlock()
	at = e.now()
	e.watchWall(ctx, at)
	before, err := e.knownPlan(ctx, s.ID)
	switch {
	case err != nil:
		return queue.Schedule{}, fmt.Errorf("put schedule %s: %w", s.ID, err)
	case before == nil && len(e.plans) >= queue.MaxSchedules:
		return queue.Schedule{}, errcode.Newf(errcode.Conflict, "there are %d schedules already", queue.MaxSchedules)
	}
	p := newPlan(e.putOver(before, s, at.wall), times)
	b := e.db.Batch()
	if err := e.stagePlan(b, p, at.wall); err != nil {
		return queue.Schedule{}, err
	}
	if err := e.commit(ctx, b); err != nil {
		e.setDoubt(s.ID)
		return queue.Schedule{}, fmt.Errorf("put schedule %s: %w", s.ID, err)
	}
	e.plans[s.ID] = p
	e.nudge()
	return e.show(p), nil
}

// errNever reports an expression without a time.
func errNever() error {
	return errcode.Invalid("cron", "there is no such time within %d years", searchYears)
}

// NextTimes implements queue.Schedules.
func (e *Engine) NextTimes(cron, timezone string, n int) ([]time.Time, error) {
	times, err := parseCron(cron, timezone)
	if err != nil {
		return nil, fmt.Errorf("next times: %w", err)
	}
	out := make([]time.Time, 0, n)
	for at := times.next(e.now().wall); !at.IsZero() && len(out) < n; at = times.next(at) {
		out = append(out, at.In(times.loc))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("next times: %w", errNever())
	}
	return out, nil
}

// knownPlan gives a schedule as the database has it, nil if there is none. e.scheduling is held.
func (e *Engine) knownPlan(ctx context.Context, id string) (*plan, error) {
	p := e.plans[id]
	if p == nil {
		return nil, nil
	}
	known, err := e.findOut(ctx, p)
	switch {
	case err != nil:
		return nil, err
	case known == nil:
		delete(e.plans, id)
	default:
		e.plans[id] = known
	}
	return known, nil
}

// putOver gives the record of a schedule that comes in the place of another, or of none. e.scheduling is held.
func (e *Engine) putOver(before *plan, s queue.Schedule, now time.Time) planRecord {
	s.CreatedAt, s.UpdatedAt, s.LastRunAt, s.LastJobID, s.Skipped = now, now, time.Time{}, "", 0
	s.NextRunAt, s.Reason = time.Time{}, ""
	if before == nil {
		if e.watch.behind {
			now = later(now, e.watch.high) // the times until then are not its own
		}
		return planRecord{Schedule: s, Since: now.Add(1), Through: now}
	}
	r := before.stored
	was := r.Schedule
	s.CreatedAt, s.LastRunAt, s.LastJobID, s.Skipped = was.CreatedAt, was.LastRunAt, was.LastJobID, was.Skipped
	r.Schedule = s
	if was.Cron != s.Cron || was.Timezone != s.Timezone || (was.Paused && !s.Paused) {
		// Times that passed under other words, or in a pause, are not made up for.
		r.Through = later(r.Through, now)
	}
	return r
}

// setDoubt notes that the database may know more of a schedule. e.scheduling is held.
func (e *Engine) setDoubt(id string) {
	if p := e.plans[id]; p != nil {
		next := *p
		next.doubt = true
		e.plans[id] = &next
	}
}

// show gives a schedule as callers see it. e.scheduling is held.
func (e *Engine) show(p *plan) queue.Schedule {
	s := p.stored.Schedule
	if s.Paused {
		s.Reason = "it is paused"
		return s
	}
	s.NextRunAt = p.next
	switch now := e.now().wall; {
	case p.next.IsZero():
		s.Reason = fmt.Sprintf("there is no such time within %d years", searchYears)
	case e.watch.behind:
		s.Reason = fmt.Sprintf("the clock is behind the time that was known before, and is waited for, at most %s", e.cfg.ClockWait)
	case p.failed != "":
		s.Reason = "it is tried again: " + p.failed
	case p.stored.Through.Sub(now) > slack:
		s.Reason = "the clock was set back; its times up to " + p.stored.Through.Format(time.RFC3339) + " have been dealt with"
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
	if p, err := e.knownPlan(ctx, id); p == nil {
		return err // it was deleted already by a call that was told that it had failed
	}
	b := e.db.Batch()
	b.Essential()
	b.Delete(e.space, planKey(id))
	if err := e.commit(ctx, b); err != nil {
		e.setDoubt(id)
		return fmt.Errorf("delete schedule %s: %w", id, err)
	}
	delete(e.plans, id)
	return nil
}

// RunSchedule implements queue.Schedules. The schedule itself stays as it is: what runs by hand says nothing about
// whether the job of its last time has ended.
func (e *Engine) RunSchedule(ctx context.Context, id string) (queue.Job, error) {
	e.scheduling.Lock()
	p := e.plans[id]
	e.scheduling.Unlock()
	if p == nil {
		return queue.Job{}, noSchedule(id)
	}
	jobs, err := e.Enqueue(ctx, p.stored.Schedule.Job)
	if err != nil {
		return queue.Job{}, fmt.Errorf("run schedule %s: %w", id, err)
	}
	return jobs[0], nil
}
