package local

import (
	"container/heap"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/store"
)

const (
	saveWall = time.Minute // how often the latest time that was seen is made durable at most, when nothing fires
	slack    = time.Minute // a clock that is set back by less is not behind
	moved    = time.Second // a clock that differs by less from the monotonic one was not set
)

// wall is what is known of the wall clock. A box without a battery starts in the past until its clock is set, and a clock
// may be set back while it runs: then what follows the time of day waits, instead of firing anew what has fired.
// Engine.scheduling guards it.
type wall struct {
	high   time.Time     // the latest time that was seen, also by the process before
	saved  time.Time     // of that, what is durable
	behind bool          // the clock shows less
	since  time.Duration // of the monotonic clock
	booted bool          // it was behind at the start
	zero   time.Time     // what the wall clock showed when the monotonic one was at zero, if scheduled jobs are right
}

func wallKey() []byte { return append([]byte{metaKey}, "wall"...) }

// zero gives what the wall clock showed when the monotonic one was at zero, if none was set in between.
func (i instant) zero() time.Time { return i.wall.Add(-i.mono) }

// readWall reads the latest time that the process before has seen.
func (e *Engine) readWall(ctx context.Context) error {
	at := e.now()
	e.watch.zero = at.zero()
	v, err := e.space.Get(wallKey())
	switch {
	case errors.Is(err, store.ErrNotFound), err != nil && isCorrupt(err), err == nil && len(v) != 8:
		return nil
	case err != nil:
		return fmt.Errorf("read the latest time: %w", err)
	}
	e.watch.high = time.UnixMicro(int64(binary.BigEndian.Uint64(v))).UTC()
	e.watch.saved = e.watch.high
	if at.wall.Before(e.watch.high.Add(-slack)) {
		e.fallBehind(ctx, at)
		e.watch.booted = true
	}
	return nil
}

func (e *Engine) fallBehind(ctx context.Context, at instant) {
	e.watch.behind, e.watch.since = true, at.mono
	e.cfg.Recorder.ClockBehind(true)
	e.log.WarnContext(ctx, "the clock is behind the time that was known before; schedules wait until it is set",
		"clock", at.wall, "known", e.watch.high, "at_most", e.cfg.ClockWait.String())
}

// watchWall looks at the wall clock. e.scheduling is held.
func (e *Engine) watchWall(ctx context.Context, at instant) {
	w := &e.watch
	switch {
	case w.behind && !at.wall.Before(w.high.Add(-slack)):
		e.log.InfoContext(ctx, "the clock is right again", "clock", at.wall)
		e.endWait(at, at)
	case w.behind && at.mono-w.since >= e.cfg.ClockWait:
		e.trustWall(ctx, at)
		return
	case w.behind:
		return
	case at.wall.Before(w.high.Add(-slack)):
		e.fallBehind(ctx, at)
		return
	default:
		e.followWall(at, at)
	}
	w.high = later(w.high, at.wall)
	if w.high.Sub(w.saved) < saveWall || (len(e.plans) == 0 && !e.waitsForWall()) {
		return // it is known well enough, or nothing follows it
	}
	if err := e.saveWall(ctx, w.high); err != nil {
		e.log.WarnContext(ctx, "the latest time could not be stored", "error", err)
	}
}

// saveWall makes the latest time durable. e.scheduling is held.
func (e *Engine) saveWall(ctx context.Context, t time.Time) error {
	b := e.db.Batch()
	b.Essential()
	b.Set(e.space, wallKey(), wallValue(t))
	if err := e.commit(ctx, b); err != nil {
		return err
	}
	e.watch.saved = t
	return nil
}

func wallValue(t time.Time) []byte { return binary.BigEndian.AppendUint64(nil, uint64(t.UnixMicro())) }

// stageWall stages with something else that it is this late, unless that is in doubt. e.scheduling is held.
func (e *Engine) stageWall(b *store.Batch, now time.Time) {
	if !e.watch.behind {
		b.Set(e.space, wallKey(), wallValue(later(e.watch.high, now)))
	}
}

// waitsForWall reports whether jobs wait for a time.
func (e *Engine) waitsForWall() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.table.later) > 0
}

// trustWall takes a clock that nobody has set for right, durably: otherwise schedules would wait after the next start for
// times that the clock showed when it was wrong. e.scheduling is held.
func (e *Engine) trustWall(ctx context.Context, at instant) {
	w := &e.watch
	err := e.setPlansBack(ctx, at.wall)
	if err == nil {
		err = e.saveWall(ctx, at.wall)
	}
	if err != nil {
		e.log.WarnContext(ctx, "the clock was not set; that its time is right could not be stored, and is tried again", "error", err)
		return
	}
	e.log.WarnContext(ctx, "the clock was not set; its time is taken for right", "clock", at.wall)
	right := at
	if w.booted {
		// Jobs of before the start know better: it cannot be earlier than it was when the box was switched off.
		right.wall = later(at.wall, w.high.Add(at.mono-w.since))
	}
	w.high = at.wall
	e.endWait(at, right)
}

// setPlansBack tells all schedules that it is earlier than it was, in commits of many. What was done before an error is
// done: doing it again changes nothing. e.scheduling is held.
func (e *Engine) setPlansBack(ctx context.Context, now time.Time) error {
	var all []*plan
	for _, id := range slices.Collect(maps.Keys(e.plans)) {
		p, err := e.knownPlan(ctx, id)
		if err != nil {
			return err
		}
		if p == nil {
			continue
		}
		if next := p.setBack(now); next != p {
			all = append(all, next)
		}
	}
	for len(all) > 0 {
		b := e.db.Batch()
		b.Essential()
		n := 0
		for ; n < len(all) && b.Len() < changeOps && b.Size() < changeBytes; n++ {
			if err := e.stagePlan(b, all[n], now); err != nil {
				return err
			}
		}
		if err := e.commit(ctx, b); err != nil {
			return err
		}
		for _, p := range all[:n] {
			e.plans[p.stored.Schedule.ID] = p
		}
		all = all[n:]
	}
	return nil
}

// endWait ends the wait for the clock; jobs that wait for a time of day look at what is right. e.scheduling is held.
func (e *Engine) endWait(at, right instant) {
	e.watch.behind, e.watch.booted = false, false
	e.cfg.Recorder.ClockBehind(false)
	e.watch.zero = time.Time{}
	e.followWall(at, right)
}

// followWall lets the jobs that wait for a time of day wait for it by what is right, if the clock was set since that was
// last done. e.scheduling is held.
func (e *Engine) followWall(at, right instant) {
	zero := at.zero()
	if d := zero.Sub(e.watch.zero); d > -moved && d < moved {
		return
	}
	e.watch.zero = zero
	e.mu.Lock()
	defer e.mu.Unlock()
	later := e.table.later
	for i, t := range later {
		if t.runAt == 0 {
			continue
		}
		later[i].due = right.mono + time.UnixMicro(t.runAt).Sub(right.wall)
		e.table.gone.moved(t, later[i])
	}
	heap.Init(&e.table.later)
	e.nudge()
}

// followsWall reports whether a job that waits does so for a time of day, rather than for a length of time.
func followsWall(r record) bool {
	return r.more&atTime != 0 && r.ParkedAt.IsZero() && !r.RunAt.IsZero()
}
