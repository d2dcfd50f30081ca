package local

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
)

// TestTurnsAtOnce has workers end runs and take jobs in one call while others edit, cancel and hold the same jobs, limits
// change, and callers leave at any moment. Their ends come twice, are stale, or are of jobs that the same call takes. In
// the end every job has ended, and nothing is left in memory.
func TestTurnsAtOnce(t *testing.T) {
	b := openBox(t, t.TempDir(), Config{Rules: queue.Rules{Backoff: queue.Backoff{Kind: queue.Fixed, Base: time.Millisecond, Max: time.Millisecond}}})
	const jobs = 600
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var ids []queue.ID
	for range jobs / 20 {
		news := make([]queue.New, 20)
		for i := range news {
			news[i] = queue.New{Type: "a", Queue: []string{"x", "y"}[i%2], Priority: new(i % 10), LimitKey: []string{"", "k", "l"}[i%3]}
		}
		for _, j := range mustEnqueue(t, b.Engine, news...) {
			ids = append(ids, j.ID)
		}
	}
	done, finish := context.WithCancel(ctx)
	defer finish()
	var workers, others sync.WaitGroup
	for w := range 4 {
		workers.Go(func() { turnsOf(ctx, t, b.Engine, rand.New(rand.NewPCG(1, uint64(w))), ids) })
	}
	others.Go(func() {
		for i := 0; done.Err() == nil; i++ {
			id := ids[i*7%len(ids)]
			switch i % 4 {
			case 0:
				_, _ = b.Edit(done, id, queue.Edit{Priority: new(i % 10)})
			case 1:
				_, _ = b.Cancel(done, ids[i*13%len(ids)], nil)
			case 2:
				_, _ = b.Configure(done, "x", queue.SettingsPatch{MaxActive: new(i % 3), KeyMaxActive: new(i % 2)})
			default:
				_, _ = b.Enqueue(done, queue.New{Type: "never", Queue: "z", DependsOn: []queue.ID{id}})
			}
		}
	})
	workers.Wait()
	finish()
	others.Wait()
	for _, id := range ids {
		if j, err := b.Get(t.Context(), id); err != nil || !j.Status.Final() {
			t.Errorf("job %s: %s, %v", id, j.Status, err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if h, c, l, n := len(b.table.holds), len(b.table.claims), len(b.table.leases), len(b.table.limited); h+c+l+n != 0 {
		t.Errorf("%d holds, %d claims, %d leases, %d limit keys are left", h, c, l, n)
	}
	for _, name := range []string{"x", "y"} {
		for s, n := range b.line(name).counts {
			if n != 0 && !s.Final() {
				t.Errorf("%d jobs of %s are counted as %s", n, name, s)
			}
		}
	}
}

// turnsOf is one worker of TestTurnsAtOnce, until nothing comes.
func turnsOf(ctx context.Context, t *testing.T, e *Engine, random *rand.Rand, ids []queue.ID) {
	t.Helper()
	var ends, last []queue.End
	for idle := 0; idle < 20; {
		said := append(append([]queue.End(nil), ends...), last...) // the last ones are lost by now
		if len(ends) > 0 {
			said = append(said, ends[0], queue.End{Lease: queue.Lease{ID: ids[random.IntN(len(ids))], Token: 1}})
		}
		call, leave := context.WithCancel(ctx)
		if random.IntN(4) == 0 {
			time.AfterFunc(time.Duration(random.IntN(2000))*time.Microsecond, leave)
		}
		ended, got, err := e.FinishAndLease(call, said, queue.ExternalRequest{Worker: "w", Max: 1 + random.IntN(8), NoWait: random.IntN(2) == 0 || idle > 0})
		leave()
		if err != nil {
			t.Errorf("FinishAndLease: %v", err)
			return
		}
		for i := range ends {
			if ended[i].Err != nil || ended[i].Lost {
				t.Errorf("end of %s: %+v", ends[i].Lease.ID, ended[i])
			}
		}
		for _, d := range ended[len(ends):] {
			if !d.Lost || d.Err != nil {
				t.Errorf("an end that is nobody's: %+v", d)
			}
		}
		last, ends = ends, nil
		for _, l := range got {
			o := queue.Outcome{}
			if random.IntN(10) == 0 {
				o = queue.Outcome{Release: true}
			}
			ends = append(ends, queue.End{Lease: l.Lease, Outcome: o})
		}
		if idle++; len(got) > 0 {
			idle = 0
		}
	}
}
