package local

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// maxSpans is of how many spans before and after the present one a schedule remembers exactly that their times have been
// dealt with. Of more the nearest are taken together.
const maxSpans = 8

// plan is a schedule in memory. It is not changed: what changes a schedule makes a new one. Engine.scheduling guards
// which one is in Engine.plans.
type plan struct {
	stored planRecord
	times  timetable
	next   time.Time     // the first time that has not been dealt with, zero = none
	doubt  bool          // a commit of it failed: the database may know more
	again  time.Duration // after a firing that failed: not before, on the monotonic clock
	failed string        // why it failed
}

// planRecord is what the key of a schedule holds.
type planRecord struct {
	Schedule queue.Schedule `json:"schedule"`
	// All its times from Since up to Through have been dealt with: a job was made, or was not to be made. While there are
	// none such Since is a moment after Through.
	Since   time.Time `json:"since"`
	Through time.Time `json:"through"`
	// Done are other spans that have been dealt with: before Since, up to a time at which nothing was done for some that
	// were missed, and after Through, while the clock was ahead. They matter when the clock is set back.
	Done []span `json:"done,omitempty"`
	// Made are the jobs of its last firing.
	Made []queue.ID `json:"made,omitempty"`
}

// span is the time from one to another, both included.
type span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

func planKey(id string) []byte { return append([]byte{cronKey}, id...) }

// newPlan gives the plan of a record.
func newPlan(r planRecord, times timetable) *plan {
	p := &plan{stored: r, times: times}
	p.next = p.after(r.Through)
	return p
}

// readPlan reads the record of a schedule.
func readPlan(raw []byte) (*plan, error) {
	var r planRecord
	if err := json.Unmarshal(raw, &r); err != nil { //nolint:musttag // the names of the model are those of the record
		return nil, fmt.Errorf("read schedule: %w", err)
	}
	if err := checkSchedule(&r.Schedule); err != nil {
		return nil, fmt.Errorf("read schedule: %w", err)
	}
	times, err := parseCron(r.Schedule.Cron, r.Schedule.Timezone)
	if err != nil {
		return nil, fmt.Errorf("read schedule: %w", err)
	}
	return newPlan(r, times), nil
}

// after gives the first time after one that has not been dealt with, zero if there is none.
func (p *plan) after(t time.Time) time.Time {
	at := p.times.next(t)
	for !at.IsZero() {
		i := slices.IndexFunc(p.stored.Done, func(s span) bool { return !at.Before(s.From) && !at.After(s.To) })
		if i < 0 {
			break
		}
		at = p.times.next(p.stored.Done[i].To)
	}
	return at
}

// last gives the last times up to one that have not been dealt with, at most n, in their order.
func (p *plan) last(upTo time.Time, n int) []time.Time {
	// Looking back over longer and longer spans costs a few times n, however long nothing was looked for.
	for length := time.Minute; ; length *= 4 {
		from := upTo.Add(-length)
		whole := !from.After(p.stored.Through)
		if whole {
			from = p.stored.Through
		}
		var out []time.Time
		for at := p.after(from); !at.IsZero() && !at.After(upTo); at = p.after(at) {
			out = append(out, at)
		}
		if whole || len(out) >= n {
			return out[max(0, len(out)-n):]
		}
	}
}

// dealt gives the plan with its times up to one dealt with, from the given one on without exception.
func (p *plan) dealt(since, through time.Time) *plan {
	r := p.stored
	if since.After(r.Through) {
		r.Done = append(slices.Clone(r.Done), span{r.Since, r.Through})
	}
	r.Since, r.Through = since, through
	r.tidy()
	return newPlan(r, p.times)
}

// setBack gives the plan for a clock that was ahead and is taken for right now that it shows less. If all times from
// there on have been dealt with, nothing changes: none fires until the clock is there again. Otherwise the clock has jumped over
// times that nothing was done for, and they are to fire.
func (p *plan) setBack(now time.Time) *plan {
	r := p.stored
	if !r.Since.After(now) {
		return p
	}
	r.Done = append(slices.Clone(r.Done), span{r.Since, r.Through})
	r.Since, r.Through = now.Add(1), now
	r.tidy()
	return newPlan(r, p.times)
}

// tidy bounds Done. What was before is never taken together with what is to come: all times in between would be lost.
func (r *planRecord) tidy() {
	var before, after []span
	for _, s := range r.Done {
		switch {
		case s.From.After(s.To), !s.From.Before(r.Since) && !s.To.After(r.Through): // none, or a part of the present one
		case s.To.After(r.Through):
			after = append(after, s)
		default:
			before = append(before, s)
		}
	}
	r.Done = append(bounded(before), bounded(after)...)
}

// bounded gives spans in their order, at most maxSpans.
func bounded(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.From.Compare(b.From) })
	for len(spans) > maxSpans {
		spans = joinNearest(spans)
	}
	return spans
}

// joinNearest makes one of the two spans with the least time between them.
func joinNearest(spans []span) []span {
	best := 1
	for i := range spans[1:] {
		if spans[i+1].From.Sub(spans[i].To) < spans[best].From.Sub(spans[best-1].To) {
			best = i + 1
		}
	}
	spans[best-1].To = later(spans[best-1].To, spans[best].To)
	return slices.Delete(spans, best, best+1)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

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
		p, err := readPlan(v)
		if err != nil {
			damaged(k, err)
			return true, nil // one schedule that does not fire, not a queue that does not open
		}
		e.plans[p.stored.Schedule.ID] = p
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("read schedules: %w", err)
	}
	return nil
}

// stagePlan stages the record of a schedule, and that it is this late. e.scheduling is held.
func (e *Engine) stagePlan(b *store.Batch, p *plan, now time.Time) error {
	raw, err := json.Marshal(p.stored) //nolint:musttag // the names of the model are those of the record
	if err != nil {
		return fmt.Errorf("encode schedule: %w", err)
	}
	b.Set(e.space, planKey(p.stored.Schedule.ID), raw)
	e.stageWall(b, now)
	return nil
}
