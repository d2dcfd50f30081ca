package local

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

func setMode(t *testing.T, b *box, p queue.ModePatch) queue.ModeLine {
	t.Helper()
	l, err := b.SetMode(t.Context(), p)
	if err != nil {
		t.Fatalf("SetMode: %v", err)
	}
	return l
}

func modeOf(t *testing.T, b *box) queue.ModeLine {
	t.Helper()
	l, err := b.Mode(t.Context())
	if err != nil {
		t.Fatalf("Mode: %v", err)
	}
	return l
}

// TestSetOverConfigured changes mode and weights while the queue runs: another configuration, at a reload or at a start,
// says what of it does not count, and counts once that is taken back.
func TestSetOverConfigured(t *testing.T) {
	b := openIdle(t, t.TempDir(), Config{Weights: map[string]int{"mine": 4}})
	setMode(t, b, queue.ModePatch{Mode: new(queue.Strict)})
	configure(t, b.Engine, "mine", queue.SettingsPatch{Weight: new(8)})
	again := func() []string {
		return b.Reconfigure(queue.ModeSettings{Mode: queue.Weighted, Ageing: time.Minute}, map[string]int{"mine": 3, "email": 9})
	}
	want := []string{"queue.mode: strict", "queue.weights: mine: 8"}
	for _, when := range []string{"reloaded", "opened"} {
		if diff := cmp.Diff(want, again()); diff != "" {
			t.Errorf("%s, what does not count (-want +got):\n%s", when, diff)
		}
		if m := modeOf(t, b); m.Mode != queue.Strict || m.Ageing != time.Minute || m.Configured.Mode != queue.Weighted {
			t.Errorf("%s: %+v", when, m)
		}
		if l, err := b.Line(t.Context(), "mine"); err != nil || l.Settings.Weight != 8 || l.Configured != 3 {
			t.Errorf("%s: %+v, %v", when, l, err)
		}
		if l, err := b.Line(t.Context(), "email"); err != nil || l.Settings.Weight != 9 || l.Configured != 9 {
			t.Errorf("%s: %+v, %v", when, l, err)
		}
		b = b.reopen(t)
	}
	setMode(t, b, queue.ModePatch{Mode: new(queue.Mode(""))})
	configure(t, b.Engine, "mine", queue.SettingsPatch{Weight: new(0)})
	if got := again(); len(got) != 0 {
		t.Errorf("taken back, these do not count: %v", got)
	}
	if l, err := b.Line(t.Context(), "mine"); err != nil || l.Settings.Weight != 3 || modeOf(t, b).Mode != queue.Weighted {
		t.Errorf("taken back: %+v, %v, %+v", l, err, modeOf(t, b))
	}
}

// TestModeNotCommitted has the commit of a change fail: the mode stays as it was.
func TestModeNotCommitted(t *testing.T) {
	fail := false
	b := openHooked(t, t.TempDir(), Config{}, func(*Engine, context.Context) error { return nil }, func(p store.Point) error {
		if fail && p == store.BeforeCommit {
			fail = false
			return errors.New("no")
		}
		return nil
	})
	before := modeOf(t, b)
	fail = true
	if _, err := b.SetMode(t.Context(), queue.ModePatch{Mode: new(queue.Strict)}); err == nil {
		t.Fatal("SetMode did not fail")
	}
	if got := modeOf(t, b); got != before {
		t.Errorf("the mode is %+v, want %+v", got, before)
	}
}

// TestModeDamaged opens a queue whose record of the mode is damaged: the configured one holds.
func TestModeDamaged(t *testing.T) {
	for _, raw := range []string{"{", `{"Mode":"loose"}`, `{"Ageing":-1}`, `[]`} {
		b := openIdle(t, t.TempDir(), Config{Mode: queue.Strict})
		setMode(t, b, queue.ModePatch{Mode: new(queue.Weighted)})
		batch := b.db.Batch()
		batch.Set(b.space, modeRecord(), []byte(raw))
		if err := b.db.Commit(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		b = b.reopen(t)
		if m := modeOf(t, b); m.Mode != queue.Strict || m.Ageing != DefaultAgeing || m.Set != (queue.ModeSettings{}) {
			t.Errorf("%s: %+v", raw, m)
		}
	}
}

// takenFrom takes so many jobs and gives the queues that they are of.
func takenFrom(t *testing.T, b *box, n int) (out []string) {
	t.Helper()
	for _, h := range takeNow(t, b.Engine, n) {
		out = append(out, h.lane.queue.name)
	}
	return out
}

// TestStrictAgeing lets jobs wait: each that has waited for the ageing time comes before all others, the one that has
// waited longest first, and those that have not waited that long come by their weights.
func TestStrictAgeing(t *testing.T) {
	clock := newFakeClock()
	b := openIdle(t, t.TempDir(), Config{Clock: clock, Mode: queue.Strict, Ageing: time.Minute, Weights: map[string]int{"high": 9, "low": 1, "lower": 1}})
	add := func(names ...string) {
		t.Helper()
		for _, name := range names {
			mustEnqueue(t, b.Engine, queue.New{Type: "a", Queue: name})
		}
	}
	want := func(when string, names ...string) {
		t.Helper()
		if diff := cmp.Diff(names, takenFrom(t, b, len(names))); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", when, diff)
		}
	}
	add("low", "low", "lower")
	clock.advance(30 * time.Second)
	add("low", "high", "high", "high", "high", "high", "high")
	want("strict", "high")
	clock.advance(29 * time.Second)
	want("a second before", "high")
	clock.advance(time.Second)
	want("three have aged, one of low has not", "low", "low", "lower", "high")
	clock.advance(30 * time.Second)
	want("then the fourth has, and what came with it", "low", "high")
	add("high", "low")
	clock.advance(time.Hour)
	add("high")
	want("the last two waited as long as each other, the last high did not", "high", "high", "high", "low")
	b.Reconfigure(queue.ModeSettings{Mode: queue.Strict, Ageing: time.Minute}, map[string]int{"low": 20})
	add("low")
	want("with other weights", "low")
}

// TestAgeingPassesPriority has an urgent queue be full of urgent jobs all the time: one that is not comes to its turn.
func TestAgeingPassesPriority(t *testing.T) {
	clock := newFakeClock()
	b := openIdle(t, t.TempDir(), Config{Clock: clock, Mode: queue.Strict, Ageing: time.Minute})
	last := mustEnqueue(t, b.Engine, queue.New{Type: "a", Queue: "x", Priority: new(0)})[0]
	for minute := range 3 {
		mustEnqueue(t, b.Engine, queue.New{Type: "a", Queue: "x", Priority: new(9)})
		got := formatID(takeNow(t, b.Engine, 1)[0].n)
		if (got == last.ID) != (minute == 1) {
			t.Errorf("minute %d: leased %s", minute, got)
		}
		clock.advance(time.Minute)
	}
}

// TestAgeingOfWaiters has a queue open for workers that wait: what has waited for the ageing time comes first there too.
func TestAgeingOfWaiters(t *testing.T) {
	clock := newFakeClock()
	b := openIdle(t, t.TempDir(), Config{Clock: clock, Mode: queue.Strict, Ageing: time.Minute})
	configure(t, b.Engine, "x", queue.SettingsPatch{Paused: new(true)})
	old := mustEnqueue(t, b.Engine, queue.New{Type: "a", Queue: "x", Priority: new(0)})[0]
	clock.advance(2 * time.Minute)
	mustEnqueue(t, b.Engine, queue.New{Type: "a", Queue: "x", Priority: new(9)})
	got := leaseLater(t, b.Engine, queue.LeaseRequest{})
	configure(t, b.Engine, "x", queue.SettingsPatch{Paused: new(false)})
	if l := <-got; l.ID != old.ID {
		t.Errorf("leased %s, want %s", l.ID, old.ID)
	}
}

// TestAgeingKeepsCount is about jobs that leave their lanes and come back: those that a limit, a change or a commit that
// failed has kept go on waiting, one that is brought back, or has run, begins anew, and a restart is no beginning.
func TestAgeingKeepsCount(t *testing.T) {
	clock, fail := newFakeClock(), false
	cfg := Config{Clock: clock, Mode: queue.Strict, Ageing: time.Minute, Weights: map[string]int{"high": 9, "low": 1}, Rules: queue.Rules{Backoff: queue.Backoff{Jitter: -1}}}
	hook := func(p store.Point) error {
		if fail && p == store.BeforeCommit {
			fail = false
			return errors.New("no")
		}
		return nil
	}
	idle := func(*Engine, context.Context) error { return nil }
	for name, c := range map[string]struct {
		do   func(t *testing.T, b *box, j queue.Job) *box
		aged bool
	}{
		"left alone": {func(*testing.T, *box, queue.Job) *box { return nil }, true},
		"opened again": {func(t *testing.T, b *box, _ queue.Job) *box {
			t.Helper()
			return b.reopen(t)
		}, true},
		"edited": {func(t *testing.T, b *box, j queue.Job) *box {
			t.Helper()
			if _, err := b.Edit(t.Context(), j.ID, queue.Edit{Priority: new(2)}); err != nil {
				t.Fatal(err)
			}
			return nil
		}, true},
		"set aside": {func(t *testing.T, b *box, _ queue.Job) *box {
			t.Helper()
			configure(t, b.Engine, "low", queue.SettingsPatch{KeyRate: &queue.Rate{Jobs: 1, Per: time.Hour, Burst: 1}})
			b.mu.Lock()
			b.table.lines["low"].keys[hashUnique("k")].bucket.tokens = 0
			b.mu.Unlock()
			if got := takeNow(t, b.Engine, 1); len(got) != 0 {
				t.Fatal("it was not set aside")
			}
			configure(t, b.Engine, "low", queue.SettingsPatch{KeyRate: &queue.Rate{}})
			return nil
		}, true},
		"not leased": {func(t *testing.T, b *box, _ queue.Job) *box {
			t.Helper()
			fail = true
			if _, err := b.LeaseExternal(t.Context(), queue.ExternalRequest{Worker: "w", NoWait: true}); err == nil {
				t.Fatal("the lease did not fail")
			}
			return nil
		}, true},
		"brought back": {func(t *testing.T, b *box, j queue.Job) *box {
			t.Helper()
			if _, err := b.Cancel(t.Context(), j.ID, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Retry(t.Context(), j.ID); err != nil {
				t.Fatal(err)
			}
			return nil
		}, false},
		"has run": {func(t *testing.T, b *box, _ queue.Job) *box {
			t.Helper()
			finishHold(t, b.Engine, takeNow(t, b.Engine, 1)[0], queue.Outcome{Release: true})
			return nil
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := openHooked(t, t.TempDir(), cfg, idle, hook)
			j := mustEnqueue(t, b.Engine, queue.New{Type: "a", Queue: "low", LimitKey: "k"})[0]
			if name == "set aside" { // its key is to be known
				finishHold(t, b.Engine, takeNow(t, b.Engine, 1)[0], queue.Outcome{Err: errTest, RetryIn: time.Second})
				clock.advance(time.Second)
				b.fire(clock.Elapsed())
			}
			clock.advance(59 * time.Second)
			if next := c.do(t, b, j); next != nil {
				b = next
			}
			clock.advance(time.Second)
			mustEnqueue(t, b.Engine, queue.New{Type: "a", Queue: "high"})
			if got := takenFrom(t, b, 1); (got[0] == "low") != c.aged {
				t.Errorf("after a minute a job of %s is leased", got[0])
			}
			clock.advance(time.Minute)
			if !c.aged {
				mustEnqueue(t, b.Engine, queue.New{Type: "a", Queue: "high"})
				if got := takenFrom(t, b, 1); got[0] != "low" {
					t.Errorf("after another minute a job of %s is leased", got[0])
				}
			}
		})
	}
}
