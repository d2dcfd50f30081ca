package local

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// openSmall opens a queue that is not run on the smallest database there is.
func openSmall(t *testing.T) *Engine {
	t.Helper()
	dir := t.TempDir()
	db, err := store.Open(t.Context(), store.Config{Dir: filepath.Join(dir, "db"), Reserve: 1 << 20, Ballast: -1, MemTableSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(t.Context(), Config{DB: db, SlotFile: filepath.Join(dir, "slots")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// TestTurnOnSmallDatabase ends runs whose results take more than the smallest database commits at once, and takes as many
// jobs as a call may: all come to pass, in more commits than one.
func TestTurnOnSmallDatabase(t *testing.T) {
	e := openSmall(t)
	news := make([]queue.New, 300)
	for i := range news {
		news[i] = queue.New{Type: "a"}
	}
	mustEnqueue(t, e, news...)
	worker := strings.Repeat("w", queue.MaxLabel)
	_, held, err := e.FinishAndLease(t.Context(), nil, queue.ExternalRequest{Worker: worker, Max: 44})
	if err != nil || len(held) != 44 {
		t.Fatalf("leased %d, %v", len(held), err)
	}
	large := []byte(`"` + strings.Repeat("x", queue.MaxResult-2) + `"`)
	ends := make([]queue.End, len(held))
	for i, l := range held {
		ends[i] = queue.End{Lease: l.Lease, Outcome: queue.Outcome{Result: large}}
	}
	ended, got, err := e.FinishAndLease(t.Context(), ends, queue.ExternalRequest{Worker: worker, Max: queue.MaxLeaseBatch, NoWait: true})
	if err != nil || len(got) != queue.MaxLeaseBatch {
		t.Errorf("leased %d, %v", len(got), err)
	}
	for i, end := range ended {
		if end.Err != nil || end.Lost {
			t.Errorf("end %d: %+v", i, end)
		}
		wantStatus(t, e, end.Lease.ID, queue.Completed)
	}
	if n := len(e.table.claims); n != 0 {
		t.Errorf("%d claims are left", n)
	}
}

// TestTurnMakesRoom ends the only run that a strict queue may have at once: the next of it comes before what the others
// have ready all the time.
func TestTurnMakesRoom(t *testing.T) {
	for name, set := range map[string]queue.SettingsPatch{"queue": {MaxActive: new(1)}, "key": {KeyMaxActive: new(1)}} {
		t.Run(name, func(t *testing.T) {
			b := openIdle(t, t.TempDir(), Config{})
			setMode(t, b, queue.ModePatch{Mode: new(queue.Strict)})
			set.Weight = new(9)
			if _, err := b.Configure(t.Context(), "first", set); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				mustEnqueue(t, b.Engine, queue.New{Type: "a", Queue: "first", LimitKey: "k"}, queue.New{Type: "a", Queue: "other"})
			}
			var ends []queue.End
			for i := range 3 {
				_, l, err := b.FinishAndLease(t.Context(), ends, queue.ExternalRequest{Worker: "w", NoWait: true})
				if err != nil || len(l) != 1 || l[0].Job.Queue != "first" {
					t.Fatalf("turn %d gave %+v, %v", i, l, err)
				}
				ends = []queue.End{{Lease: l[0].Lease}}
			}
		})
	}
}

// overdue is a context whose deadline passes when the one inside is cancelled.
type overdue struct{ context.Context } //nolint:containedctx // it is one

func (c overdue) Err() error {
	if c.Context.Err() != nil {
		return context.DeadlineExceeded
	}
	return nil
}

// TestShortWaitOnSlowDisk leases with less time to wait than a commit takes: what was there is handed out all the same,
// not given back for ever.
func TestShortWaitOnSlowDisk(t *testing.T) {
	var slow atomic.Pointer[context.CancelCauseFunc]
	b := openHooked(t, t.TempDir(), Config{}, func(*Engine, context.Context) error { return nil }, func(p store.Point) error {
		if end := slow.Load(); end != nil && p == store.BeforeSync {
			(*end)(context.DeadlineExceeded) // the flush takes as long as the caller waits
		}
		return nil
	})
	jobs := mustEnqueue(t, b.Engine, queue.New{Type: "a"}, queue.New{Type: "a"})
	lease := func(f func(ctx context.Context) ([]queue.ExternalLeased, error)) queue.Lease {
		t.Helper()
		wait, end := context.WithCancelCause(t.Context())
		defer end(nil)
		ctx := overdue{wait}
		slow.Store(&end)
		defer slow.Store(nil)
		l, err := f(ctx)
		if err != nil || len(l) != 1 || ctx.Err() == nil {
			t.Fatalf("leased %+v, %v; the time to wait: %v", l, err, ctx.Err())
		}
		return l[0].Lease
	}
	r := queue.ExternalRequest{Worker: "w"}
	first := lease(func(ctx context.Context) ([]queue.ExternalLeased, error) { return b.LeaseExternal(ctx, r) })
	lease(func(ctx context.Context) ([]queue.ExternalLeased, error) {
		_, l, err := b.FinishAndLease(ctx, []queue.End{{Lease: first}}, r)
		return l, err
	})
	wantStatus(t, b.Engine, jobs[0].ID, queue.Completed)
	wantStatus(t, b.Engine, jobs[1].ID, queue.Active)
}

// TestUnkeptEndDoesNotWait has an end refused while there is no job: the worker hears of it at once, not after its wait,
// when its lease may have expired.
func TestUnkeptEndDoesNotWait(t *testing.T) {
	b := openIdle(t, t.TempDir(), Config{})
	mustEnqueue(t, b.Engine, queue.New{Type: "a"})
	held := mustLeaseOutside(t, b.Engine, queue.ExternalRequest{})[0]
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ended, l, err := b.FinishAndLease(ctx, []queue.End{{Lease: held.Lease, Outcome: queue.Outcome{Result: []byte("{")}}}, queue.ExternalRequest{Worker: "w"})
	if err != nil || len(l) != 0 || ended[0].Err == nil || ctx.Err() != nil {
		t.Errorf("FinishAndLease gave %+v, %+v, %v; its time: %v", ended, l, err, ctx.Err())
	}
}
