package local

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// TestUniqueTimeFollowsTheMonotonicClock holds a key for a minute, whatever the wall clock is set to, also over a start.
func TestUniqueTimeFollowsTheMonotonicClock(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for name, tc := range map[string]struct{ during, over time.Duration }{
		"nothing": {}, "back": {-year, 0}, "forward": {year, 0}, "back over a start": {0, -year},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newFakeClock()
			b := openIdle(t, t.TempDir(), Config{Clock: clock})
			in := queue.New{Type: "a", UniqueKey: "u", UniqueUntil: queue.UntilTTL, UniqueTTL: time.Minute}
			first := mustEnqueue(t, b.Engine, in)[0]
			clock.step(tc.during)
			clock.advance(20 * time.Second)
			left := 40 * time.Second
			if tc.over != 0 || name == "nothing" {
				clock.step(tc.over)
				b = b.reopen(t)
				if tc.over != 0 {
					left = time.Minute // nobody knows how much has passed: no more than the whole
				}
			}
			clock.advance(left - time.Millisecond)
			if d := mustEnqueue(t, b.Engine, in)[0]; d.ID != first.ID || !d.Duplicate {
				t.Fatalf("the key is free too early: %+v", d)
			}
			clock.advance(time.Millisecond)
			second := mustEnqueue(t, b.Engine, in)[0]
			if second.Duplicate {
				t.Fatalf("the key is held for too long: %+v", second)
			}
			if _, err := b.sweepKeys(t.Context()); err != nil {
				t.Fatal(err)
			}
			if d := mustEnqueue(t, b.Engine, in)[0]; d.ID != second.ID {
				t.Errorf("the sweep took the key of the second job: %+v", d)
			}
			clock.advance(time.Minute)
			if _, err := b.sweepKeys(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left := b.family(t, uniqueKey); left != 0 || len(b.table.keys.held)+len(b.table.keys.until)+len(b.table.keys.order)+len(b.table.keys.spent) != 0 {
				t.Errorf("%d records of keys are left, and %+v", left, b.table.keys)
			}
		})
	}
}

// TestUniqueUntilStart follows a key that is let go at the start: inside the process nothing is written then.
func TestUniqueUntilStart(t *testing.T) {
	in := queue.New{Type: "a", UniqueKey: "u", UniqueUntil: queue.UntilStart}
	t.Run("crash after the start", func(t *testing.T) {
		b := openIdle(t, t.TempDir(), Config{})
		first := mustEnqueue(t, b.Engine, in)[0]
		mustLease(t, b.Engine)
		second := mustEnqueue(t, b.Engine, in)[0]
		if second.Duplicate {
			t.Fatal("the key is held after the start")
		}
		b = b.reopen(t) // the first is left in the slot file
		if d := mustEnqueue(t, b.Engine, in)[0]; d.ID != second.ID {
			t.Errorf("the key is held by %+v, want the second", d)
		}
		if l := mustLease(t, b.Engine); l.Job.ID != first.ID || l.Job.Crashes != 1 {
			t.Errorf("leased %+v", l.Job)
		}
		if d := mustEnqueue(t, b.Engine, in)[0]; d.ID != second.ID {
			t.Errorf("another start of the first let go the key of the second: %+v", d)
		}
	})
	t.Run("crash with nobody after it", func(t *testing.T) {
		b := openIdle(t, t.TempDir(), Config{})
		mustEnqueue(t, b.Engine, in)
		mustLease(t, b.Engine)
		b = b.reopen(t)
		if d := mustEnqueue(t, b.Engine, in)[0]; d.Duplicate {
			t.Errorf("a job that has started holds its key after a crash: %+v", d)
		}
	})
	t.Run("swept", func(t *testing.T) {
		b := openIdle(t, t.TempDir(), Config{})
		mustEnqueue(t, b.Engine, in)
		mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{})
		b = b.reopen(t) // what was to be swept is known again
		if _, err := b.sweepKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := b.family(t, uniqueKey); left != 0 {
			t.Errorf("%d records of keys are left", left)
		}
	})
	t.Run("swept while it is taken again", func(t *testing.T) {
		b := openIdle(t, t.TempDir(), Config{})
		mustEnqueue(t, b.Engine, in)
		l := mustLease(t, b.Engine)
		second := mustEnqueue(t, b.Engine, in)[0]
		mustFinish(t, b.Engine, l, queue.Outcome{})
		if _, err := b.sweepKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		b = b.reopen(t)
		if d := mustEnqueue(t, b.Engine, in)[0]; d.ID != second.ID {
			t.Errorf("the key of the second is gone: %+v", d)
		}
	})
	t.Run("cancelled before", func(t *testing.T) {
		b := openIdle(t, t.TempDir(), Config{})
		j := mustEnqueue(t, b.Engine, in)[0]
		if _, err := b.Cancel(t.Context(), j.ID, nil); err != nil {
			t.Fatal(err)
		}
		if left := b.family(t, uniqueKey); left != 0 {
			t.Errorf("%d records of keys are left", left)
		}
		if d := mustEnqueue(t, b.Engine, in)[0]; d.Duplicate {
			t.Errorf("a cancelled job holds its key")
		}
	})
}

// TestIdempotencyTime forgets a key after a day, on disk too, and not the key of a younger call.
func TestIdempotencyTime(t *testing.T) {
	clock := newFakeClock()
	b := openIdle(t, t.TempDir(), Config{Clock: clock})
	in := queue.New{Type: "a", IdempotencyKey: "i"}
	sweep := func() {
		t.Helper()
		if _, err := b.sweepAnswers(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	first := mustEnqueue(t, b.Engine, in)[0]
	clock.advance(rememberFor - time.Second)
	sweep()
	if again := mustEnqueue(t, b.Engine, in)[0]; again.ID != first.ID {
		t.Errorf("forgotten too early")
	}
	clock.advance(time.Second)
	second := mustEnqueue(t, b.Engine, in)[0]
	if second.ID == first.ID {
		t.Errorf("remembered for too long")
	}
	clock.advance(2 * time.Second)
	sweep()
	if again := mustEnqueue(t, b.Engine, in)[0]; again.ID != second.ID {
		t.Errorf("the sweep took the key of the younger call")
	}
	if n := b.family(t, forgetKey); n != 1 {
		t.Errorf("%d entries for the sweep, want one", n)
	}
	clock.advance(rememberFor + time.Second)
	sweep()
	if n := b.family(t, forgetKey) + b.family(t, idempotentKey); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

// TestIdempotencyFails has the commit of a call fail after it was durable: the next call gives what it made.
func TestIdempotencyFails(t *testing.T) {
	torn := false
	b := openHooked(t, t.TempDir(), Config{}, func(*Engine, context.Context) error { return nil }, func(p store.Point) error {
		if torn && p == store.BeforeAck {
			torn = false
			return errors.New("torn")
		}
		return nil
	})
	mustEnqueue(t, b.Engine, queue.New{Type: "a"}) // takes a block of ids
	torn = true
	in := queue.New{Type: "a", IdempotencyKey: "i", Payload: json.RawMessage("1")}
	if _, err := b.Enqueue(t.Context(), in); err == nil {
		t.Fatal("Enqueue did not fail")
	}
	again := mustEnqueue(t, b.Engine, in)[0]
	b = b.reopen(t)
	if j := wantStatus(t, b.Engine, again.ID, queue.Ready); string(j.Payload) != "1" {
		t.Errorf("%+v", j)
	}
	checkCounts(t, b.Engine, map[queue.Status]int64{queue.Ready: 2})
}

// TestIdempotencyInDoubt does not start anew after that: what the second call acknowledged runs.
func TestIdempotencyInDoubt(t *testing.T) {
	torn := false
	b := openHooked(t, t.TempDir(), Config{}, func(*Engine, context.Context) error { return nil }, func(p store.Point) error {
		if torn && p == store.BeforeAck {
			torn = false
			return errors.New("torn")
		}
		return nil
	})
	mustFinish(t, b.Engine, func() queue.Leased {
		mustEnqueue(t, b.Engine, queue.New{Type: "a"})
		return mustLease(t, b.Engine)
	}(), queue.Outcome{})
	torn = true
	in := []queue.New{{Type: "a", IdempotencyKey: "i", UniqueKey: "u"}, {Type: "a", Delay: time.Hour}}
	if _, err := b.Enqueue(t.Context(), in...); err == nil {
		t.Fatal("Enqueue did not fail")
	}
	var again []queue.Job
	for range 2 {
		again = mustEnqueue(t, b.Engine, in...)
	}
	checkCounts(t, b.Engine, map[queue.Status]int64{queue.Completed: 1, queue.Ready: 1, queue.Scheduled: 1})
	if d := mustEnqueue(t, b.Engine, queue.New{Type: "a", UniqueKey: "u"})[0]; !d.Duplicate || d.ID != again[0].ID {
		t.Errorf("the unique key is not held: %+v", d)
	}
	if l := mustLease(t, b.Engine); l.Job.ID != again[0].ID {
		t.Errorf("leased %s, want %s", l.Job.ID, again[0].ID)
	}
}

// TestCancelInDoubt has the commit of a cancel fail after it was durable: the next lease finds out, and goes on.
func TestCancelInDoubt(t *testing.T) {
	torn := false
	b := openHooked(t, t.TempDir(), Config{}, func(*Engine, context.Context) error { return nil }, func(p store.Point) error {
		if torn && p == store.BeforeAck {
			torn = false
			return errors.New("torn")
		}
		return nil
	})
	jobs := mustEnqueue(t, b.Engine, queue.New{Type: "a", UniqueKey: "u"}, queue.New{Type: "a"})
	torn = true
	if _, err := b.Cancel(t.Context(), jobs[0].ID, nil); err == nil {
		t.Fatal("Cancel did not fail")
	}
	if l := mustLeaseOutside(t, b.Engine, queue.ExternalRequest{Max: 2}); len(l) != 1 || l[0].Job.ID != jobs[1].ID {
		t.Errorf("leased %v, want the one that was not cancelled", l)
	}
	checkCounts(t, b.Engine, map[queue.Status]int64{queue.Cancelled: 1, queue.Active: 1})
	if d := mustEnqueue(t, b.Engine, queue.New{Type: "a", UniqueKey: "u"})[0]; d.Duplicate {
		t.Errorf("the cancelled job holds its key")
	}
}

// TestReviveTimed brings a job with a key for a time back: the key is its own as long as that lasts, and no longer.
func TestReviveTimed(t *testing.T) {
	clock := newFakeClock()
	b := openIdle(t, t.TempDir(), Config{Clock: clock})
	in := queue.New{Type: "a", UniqueKey: "u", UniqueUntil: queue.UntilTTL, UniqueTTL: time.Minute}
	j := mustEnqueue(t, b.Engine, in)[0]
	retry := func() {
		t.Helper()
		if _, err := b.Cancel(t.Context(), j.ID, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Retry(t.Context(), j.ID); err != nil {
			t.Fatalf("Retry: %v", err)
		}
		if n := b.family(t, endedKey); n != 0 {
			t.Errorf("%d entries say when a job that lives is to be removed", n)
		}
	}
	retry()
	if d := mustEnqueue(t, b.Engine, in)[0]; d.ID != j.ID {
		t.Errorf("the key is held by %s", d.ID)
	}
	clock.advance(time.Minute)
	retry()
	if d := mustEnqueue(t, b.Engine, in)[0]; d.Duplicate {
		t.Errorf("the key is taken again after its time")
	}
}
