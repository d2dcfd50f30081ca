package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

const (
	onTime    = time.Minute      // a time that passed no longer ago was not missed
	lookEvery = time.Minute      // how often the wall clock is looked at while there are schedules
	cronRetry = 30 * time.Second // after a firing that failed
	fireMost  = 64               // schedules that fire at once: their commits become few
)

// firePlans makes the jobs whose times have come, and gives the time until more may be due.
func (e *Engine) firePlans(ctx context.Context) time.Duration {
	e.scheduling.Lock()
	defer e.scheduling.Unlock()
	at := e.now()
	e.watchWall(ctx, at)
	if len(e.plans) == 0 {
		return idleWait
	}
	due := make([]*plan, 0, len(e.plans))
	for _, p := range e.plans {
		if e.untilDue(p, at) <= 0 {
			due = append(due, p)
		}
	}
	e.fireAll(ctx, due, at)
	wait := lookEvery
	for _, p := range e.plans {
		wait = min(wait, e.untilDue(p, at))
	}
	return max(wait, time.Millisecond)
}

// untilDue gives how long it is until a schedule is to fire. e.scheduling is held.
func (e *Engine) untilDue(p *plan, at instant) time.Duration {
	if p.stored.Schedule.Paused || e.watch.behind || p.next.IsZero() {
		return idleWait
	}
	return max(p.next.Sub(at.wall), p.again-at.mono)
}

// fireAll fires schedules side by side. e.scheduling is held.
func (e *Engine) fireAll(ctx context.Context, due []*plan, at instant) {
	after := make([]*plan, len(due))
	var all sync.WaitGroup
	lanes := min(len(due), fireMost)
	for lane := range lanes {
		all.Go(func() {
			for i := lane; i < len(due); i += lanes {
				after[i] = e.fireOne(ctx, due[i], at)
			}
		})
	}
	all.Wait()
	for i, p := range due {
		if id := p.stored.Schedule.ID; after[i] != nil {
			e.plans[id] = after[i]
		} else {
			delete(e.plans, id)
		}
	}
}

// fireOne fires a schedule and gives it as it is then, nil if it turns out that it was deleted.
func (e *Engine) fireOne(ctx context.Context, p *plan, at instant) *plan {
	p, err := e.findOut(ctx, p)
	if err == nil && p != nil && !p.next.IsZero() && !p.next.After(at.wall) && !p.stored.Schedule.Paused {
		p, err = e.firePlan(ctx, p, at)
	}
	if err == nil {
		return p
	}
	e.log.WarnContext(ctx, "schedule could not fire, it is tried again", "schedule", p.stored.Schedule.ID, "error", err)
	next := *p
	next.doubt, next.again, next.failed = true, at.mono+cronRetry, err.Error()
	return &next
}

// findOut finds out what became of a change whose commit was said to have failed. If it is durable all the same, the
// schedule is what that says, and its jobs are taken into memory. It is nil if the schedule was deleted.
func (e *Engine) findOut(ctx context.Context, p *plan) (*plan, error) {
	if !p.doubt {
		return p, nil
	}
	raw, err := e.space.Get(planKey(p.stored.Schedule.ID))
	if isNotThere(err) {
		return nil, nil
	}
	if err != nil {
		return p, fmt.Errorf("read schedule: %w", err)
	}
	known, err := readPlan(raw)
	if err != nil {
		return p, err
	}
	for _, job := range known.stored.Made {
		if n, err := parseID(job); err == nil && !slices.Contains(p.stored.Made, job) {
			if err := e.adoptNew(ctx, n); err != nil {
				return p, err
			}
		}
	}
	return known, nil
}

// firePlan deals with all times of a schedule up to now. With an error, the plan is as far as it came.
func (e *Engine) firePlan(ctx context.Context, p *plan, at instant) (*plan, error) {
	s := p.stored.Schedule
	limit := 1
	if s.Missed == queue.MissedAll {
		limit = queue.MaxMissed
		if s.MissedMax > 0 {
			limit = s.MissedMax
		}
	}
	due := p.last(at.wall, limit)
	if s.Missed == queue.MissedSkip {
		due = slices.DeleteFunc(due, func(t time.Time) bool { return at.wall.Sub(t) > onTime })
	}
	since := p.stored.Since
	switch {
	case len(due) == 0:
		since = at.wall.Add(1)
	case !due[0].Equal(p.next):
		since = due[0] // those before were missed, and nothing was done for them
	}
	if s.Overlap == queue.OverlapQueue {
		// A job waits for the one before, so that one is to exist.
		for ; len(due) > 1; due = due[1:] {
			next, err := e.fireTimes(ctx, p, due[:1], p.dealt(since, due[0]), at)
			if err != nil {
				return p, err
			}
			p = next
		}
	}
	next, err := e.fireTimes(ctx, p, due, p.dealt(since, at.wall), at)
	if err != nil {
		return p, err
	}
	return next, nil
}

// fireTimes makes the jobs for times of a schedule, as far as Overlap allows, and records after, which is the schedule
// with these times dealt with, in the same commit.
func (e *Engine) fireTimes(ctx context.Context, p *plan, due []time.Time, after *plan, at instant) (*plan, error) {
	open, waits, err := e.lastOf(p.stored.Schedule.LastJobID)
	if err != nil {
		return nil, err
	}
	s := &after.stored.Schedule
	var jobs []queue.Job
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
		j, err := n.Prepare(e.cfg.Rules, at.wall)
		if err != nil {
			return nil, fmt.Errorf("prepare job: %w", err)
		}
		jobs = append(jobs, j)
	}
	_, err = e.enqueue(ctx, e.db.Batch(), jobs, at, func(b *store.Batch, made []queue.Job) error {
		after.stored.Made = nil
		for _, j := range made {
			if s.LastJobID = j.ID; !j.Duplicate {
				after.stored.Made = append(after.stored.Made, j.ID)
			}
		}
		return e.stagePlan(b, after, at.wall)
	})
	if err != nil {
		return nil, err
	}
	return after, nil
}

// lastOf reports whether a job has not ended, and whether it waits for another one's end. One that is not there any
// more has ended.
func (e *Engine) lastOf(id queue.ID) (open, waits bool, err error) {
	n, err := parseID(id)
	if err != nil {
		return false, false, nil // no job was made yet
	}
	_, r, err := e.glance(n)
	switch {
	case errors.Is(err, queue.ErrNotFound) || (err == nil && r.Status.Final()):
		return false, false, nil
	case err != nil:
		return false, false, fmt.Errorf("look after the job before: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, waits = e.table.pending[n]
	return true, waits, nil
}
