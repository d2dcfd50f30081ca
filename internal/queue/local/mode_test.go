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
