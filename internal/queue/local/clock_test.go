package local

import (
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fakeClock stands still until it is advanced. Its wall can be set on its own.
type fakeClock struct {
	mu     sync.Mutex
	wall   time.Time
	mono   time.Duration
	timers map[chan time.Time]time.Duration
}

func newFakeClock() *fakeClock {
	return &fakeClock{wall: epoch, timers: map[chan time.Time]time.Duration{}}
}

func (c *fakeClock) Wall() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

func (c *fakeClock) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mono
}

func (c *fakeClock) Timer(at time.Duration) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan time.Time, 1)
	if at <= c.mono {
		ch <- c.wall
		return ch, func() {}
	}
	c.timers[ch] = at
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, ch)
	}
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
	c.mono += d
	for ch, at := range c.timers {
		if at <= c.mono {
			ch <- c.wall
			delete(c.timers, ch)
		}
	}
}

func (c *fakeClock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
}

func mustEnqueue(tb testing.TB, e *Engine, jobs ...queue.New) []queue.Job {
	tb.Helper()
	out, err := e.Enqueue(tb.Context(), jobs...)
	if err != nil {
		tb.Fatalf("Enqueue: %v", err)
	}
	return out
}

func mustLease(tb testing.TB, e *Engine) queue.Leased {
	tb.Helper()
	l, err := e.Lease(tb.Context(), queue.LeaseRequest{})
	if err != nil || len(l) != 1 {
		tb.Fatalf("Lease gave %v, %v", l, err)
	}
	return l[0]
}

func mustFinish(tb testing.TB, e *Engine, l queue.Leased, o queue.Outcome) {
	tb.Helper()
	if err := e.Finish(tb.Context(), l.Lease, o); err != nil {
		tb.Fatalf("Finish: %v", err)
	}
}

func wantStatus(tb testing.TB, e *Engine, id queue.ID, want queue.Status) queue.Job {
	tb.Helper()
	j, err := e.Get(tb.Context(), id)
	if err != nil || j.Status != want {
		tb.Fatalf("job %s is %q, %v; want %s", id, j.Status, err, want)
	}
	return j
}

// TestWaitsFollowTheMonotonicClock sets the wall clock to and fro: a retry comes after its time, once.
func TestWaitsFollowTheMonotonicClock(t *testing.T) {
	for name, step := range map[string]time.Duration{"back": -48 * time.Hour, "forward": 48 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			clock := newFakeClock()
			b := openBox(t, t.TempDir(), Config{Clock: clock, Rules: queue.Rules{Backoff: queue.Backoff{Jitter: -1}}})
			j := mustEnqueue(t, b.Engine, queue.New{Type: "a"}, queue.New{Type: "a", Delay: time.Minute})
			mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{Err: errTest})
			clock.step(step)
			clock.advance(999 * time.Millisecond)
			b.fire(clock.Elapsed())
			wantStatus(t, b.Engine, j[0].ID, queue.Retry)
			clock.advance(time.Millisecond)
			if l := mustLease(t, b.Engine); l.Job.ID != j[0].ID || l.Job.Attempt != 2 {
				t.Errorf("leased %+v", l.Job)
			}
			clock.step(-step)
			clock.advance(time.Minute)
			if l := mustLease(t, b.Engine); l.Job.ID != j[1].ID {
				t.Errorf("leased %s, want the delayed one", l.Job.ID)
			}
		})
	}
}

// TestClockBehindOnOpen opens with a clock that lost a year, or had won one for a while: a retry, and a job that was
// given back, waits no longer than it would have.
func TestClockBehindOnOpen(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for name, tc := range map[string]struct {
		during, after time.Duration // the steps while the job runs, and before the queue is opened again
		outcome       queue.Outcome
		waits         queue.Status
	}{
		"retry":                  {0, -year, queue.Outcome{Err: errTest, RetryIn: time.Minute}, queue.Retry},
		"release":                {0, -year, queue.Outcome{Release: true, Delay: time.Minute}, queue.Scheduled},
		"retry, a year won":      {year, -year, queue.Outcome{Err: errTest, RetryIn: time.Minute}, queue.Retry},
		"release, a year won":    {year, -year, queue.Outcome{Release: true, Delay: time.Minute}, queue.Scheduled},
		"retry, a year lost":     {-year, 0, queue.Outcome{Err: errTest, RetryIn: time.Minute}, queue.Retry},
		"release, nothing wrong": {0, 0, queue.Outcome{Release: true, Delay: time.Minute}, queue.Scheduled},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newFakeClock()
			b := openBox(t, t.TempDir(), Config{Clock: clock, Rules: queue.Rules{Backoff: queue.Backoff{Jitter: -1}}})
			j := mustEnqueue(t, b.Engine, queue.New{Type: "a"})[0]
			l := mustLease(t, b.Engine)
			clock.step(tc.during)
			mustFinish(t, b.Engine, l, tc.outcome)
			clock.step(tc.after)
			b = b.reopen(t)
			clock.advance(59 * time.Second)
			b.fire(clock.Elapsed())
			wantStatus(t, b.Engine, j.ID, tc.waits)
			clock.advance(time.Second)
			if l := mustLease(t, b.Engine); l.Job.ID != j.ID {
				t.Errorf("leased %s, want %s", l.Job.ID, j.ID)
			}
		})
	}
}
