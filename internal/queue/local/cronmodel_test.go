package local

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/queue"
)

// cronModel says what a schedule of every so many minutes does, by looking at every minute.
type cronModel struct {
	every   int
	missed  queue.Missed
	through time.Time          // up to when the clock has been looked at
	done    map[time.Time]bool // times that jobs were made for, or that passed in a pause
	paused  bool

	high   time.Time // the latest time that was seen
	behind bool
	since  time.Duration
}

// pending gives the times from the last look to now that nothing was done for yet.
func (m *cronModel) pending(now time.Time) (out []time.Time) {
	for at := m.through.Truncate(time.Minute).Add(time.Minute); !at.After(now); at = at.Add(time.Minute) {
		if at.Sub(at.Truncate(24*time.Hour))/time.Minute%time.Duration(m.every) == 0 && !m.done[at] {
			out = append(out, at)
		}
	}
	return out
}

// look gives how many jobs are made now, and for which time the last of them is.
func (m *cronModel) look(now time.Time, mono time.Duration) (made int, last time.Time) {
	ahead := m.high.Add(-slack).After(now)
	switch {
	case m.behind && !ahead:
		m.behind = false
	case m.behind && mono-m.since >= DefaultClockWait:
		m.behind, m.high = false, now
		if m.through.After(now) {
			m.through = now
		}
	case m.behind:
		return 0, last
	case ahead:
		m.behind, m.since = true, mono
		return 0, last
	}
	m.high = later(m.high, now)
	if m.paused {
		return 0, last
	}
	due := m.pending(now)
	switch m.missed {
	case queue.MissedSkip:
		due = slices.DeleteFunc(due, func(t time.Time) bool { return now.Sub(t) > onTime })
		due = due[max(0, len(due)-1):]
	case queue.MissedOnce:
		due = due[max(0, len(due)-1):]
	default:
		due = due[max(0, len(due)-queue.MaxMissed):]
	}
	for _, t := range due {
		m.done[t], last = true, t
	}
	m.through = later(m.through, now)
	return len(due), last
}

func (m *cronModel) resume(now time.Time) {
	for _, t := range m.pending(now) {
		m.done[t] = true
	}
	m.through, m.paused = later(m.through, now), false
}

// TestFiresAsTheClockSays compares random looks, restarts, pauses and jumps of the clock in both directions with a model
// that counts minutes: no time fires twice, and none is lost unless the policy says so.
func TestFiresAsTheClockSays(t *testing.T) {
	root, runs := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		clock := newFakeClock()
		b := openIdle(t, fmt.Sprintf("%s/%d", root, runs), Config{Clock: clock})
		defer func() { b.stop() }()
		m := &cronModel{
			every:   rapid.SampledFrom([]int{1, 5, 20, 60}).Draw(rt, "every"),
			missed:  rapid.SampledFrom([]queue.Missed{queue.MissedSkip, queue.MissedOnce, queue.MissedAll}).Draw(rt, "missed"),
			through: clock.Wall(), high: clock.Wall(), done: map[time.Time]bool{},
		}
		s := queue.Schedule{Cron: fmt.Sprintf("*/%d * * * *", m.every), Missed: m.missed, Overlap: queue.OverlapAllow}
		if m.every == 60 {
			s.Cron = "@hourly"
		}
		putSchedule(t, b.Engine, s)
		jobs, last := 0, time.Time{}
		look := func() {
			b.firePlans(context.WithoutCancel(t.Context()))
			made, at := m.look(clock.Wall(), clock.Elapsed())
			if jobs += made; made > 0 {
				last = at
			}
			got := scheduleOf(t, b.Engine)
			if n := jobsIn(b.Engine); n != jobs || !got.LastRunAt.Equal(last) {
				rt.Fatalf("at %s: %d jobs, the last for %s; want %d and %s\n%+v", clock.Wall(), n, got.LastRunAt, jobs, last, b.plans["s"].stored)
			}
			if due := got.NextRunAt; !m.paused && !m.behind && !due.After(clock.Wall()) {
				rt.Fatalf("at %s: the next is to come at %s", clock.Wall(), due)
			}
		}
		minutes := func(lo, hi int) time.Duration {
			return time.Duration(rapid.IntRange(lo, hi).Draw(rt, "minutes")) * time.Minute
		}
		steps := map[string]func(){
			"walk": func() {
				for range rapid.IntRange(1, 30).Draw(rt, "looks") {
					clock.advance(2 * time.Minute)
					look()
				}
			},
			"off":   func() { clock.advance(minutes(2, 150)) },
			"ahead": func() { clock.step(minutes(10, 200)) },
			"back":  func() { clock.step(-minutes(2, 300)) },
			"back for good": func() {
				clock.step(-minutes(2, 300))
				look()
				clock.advance(DefaultClockWait + time.Minute)
			},
			"reopen": func() {
				b = b.reopen(t)
				if m.behind = m.high.Add(-slack).After(clock.Wall()); m.behind {
					m.since = clock.Elapsed()
				}
			},
			"pause": func() {
				if s.Paused = !s.Paused; s.Paused {
					m.paused = true
				} else {
					m.resume(clock.Wall())
				}
				putSchedule(t, b.Engine, s)
			},
			"put": func() { putSchedule(t, b.Engine, s) },
		}
		names := append(slices.Sorted(maps.Keys(steps)), "walk", "back for good")
		for range rapid.IntRange(1, 15).Draw(rt, "steps") {
			steps[rapid.SampledFrom(names).Draw(rt, "what")]()
			if look(); len(b.plans["s"].stored.Done) >= maxSpans {
				return // more is not known exactly
			}
		}
	})
}

// jobsIn gives how many jobs there are.
func jobsIn(e *Engine) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, q := range e.table.order {
		for _, c := range q.counts {
			n += int(c)
		}
	}
	return n
}
