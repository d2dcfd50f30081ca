package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// fullQueue makes records of every family.
func fullQueue(t *testing.T, b *box) {
	t.Helper()
	everyJob(t, b)
	j := mustEnqueue(t, b.Engine, queue.New{Type: "base", IdempotencyKey: "i"}, queue.New{Type: "timed", UniqueKey: "t", UniqueUntil: queue.UntilTTL, UniqueTTL: time.Hour})
	mustEnqueue(t, b.Engine, queue.New{Type: "waits", DependsOn: []queue.ID{j[0].ID}}, queue.New{Type: "waits", DependsOn: []queue.ID{j[0].ID}, OnFailure: queue.Continue})
	mustEnqueue(t, b.Engine, queue.New{Type: "out"}, queue.New{Type: "out"})
	out := mustLeaseOutside(t, b.Engine, queue.ExternalRequest{Types: []string{"out"}, Max: 2})
	b.finishOutside(t, out[0].Lease, queue.Outcome{Err: errTest, Permanent: true})
	dead, err := b.Cancel(t.Context(), mustEnqueue(t, b.Engine, queue.New{Type: "dead"})[0].ID, nil)
	if err != nil || dead {
		t.Fatalf("Cancel: %v", err)
	}
	if _, err := b.Configure(t.Context(), "reports", queue.SettingsPatch{MaxActive: new(3)}); err != nil {
		t.Fatal(err)
	}
	b.saveNodes(t.Context(), false)
	if _, err := b.PutSchedule(t.Context(), queue.Schedule{ID: "nightly", Cron: "0 3 * * *", Job: queue.New{Type: "a"}}); err != nil {
		t.Fatal(err)
	}
}

// records gives everything in the queue's space.
func (b *box) records(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := b.space.Scan(t.Context(), store.ScanOptions{}, func(k, v []byte) (bool, error) {
		out[string(k)] = bytes.Clone(v)
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEveryFamilyDamaged damages all records of a family in each of several ways. The queue opens, nothing panics, and
// what is sound goes on.
func TestEveryFamilyDamaged(t *testing.T) {
	ways := map[string]func(k string, v []byte) (string, []byte){
		"junk":    func(k string, _ []byte) (string, []byte) { return k, []byte("junk") },
		"empty":   func(k string, _ []byte) (string, []byte) { return k, nil },
		"cut":     func(k string, v []byte) (string, []byte) { return k, v[:len(v)/2] },
		"turned":  func(k string, v []byte) (string, []byte) { return k, inverted(v) },
		"key cut": func(k string, v []byte) (string, []byte) { return k[:len(k)-1], v },
		"key":     func(k string, v []byte) (string, []byte) { return k[:1] + string(inverted([]byte(k[1:]))), v },
	}
	seen := map[byte]bool{}
	for name, damage := range ways {
		t.Run(name, func(t *testing.T) {
			clock := newFakeClock()
			b := openIdle(t, t.TempDir(), Config{Clock: clock})
			fullQueue(t, b)
			all := b.records(t)
			for k := range all {
				seen[k[0]] = true
			}
			for _, family := range slices.Sorted(maps.Keys(seen)) {
				if family == metaKey {
					continue // the version of the format: another one is not opened
				}
				t.Run(string(family), func(t *testing.T) {
					clock := newFakeClock()
					b := openIdle(t, t.TempDir(), Config{Clock: clock})
					batch := b.db.Batch()
					for k, v := range all {
						if k[0] == family {
							k, v = damage(k, bytes.Clone(v))
						}
						batch.Set(b.space, []byte(k), v)
					}
					if err := b.db.Commit(t.Context(), batch); err != nil {
						t.Fatal(err)
					}
					b = b.reopen(t)
					live(t, b, clock)
					b = b.reopen(t)
					live(t, b, clock)
				})
			}
		})
	}
	for _, family := range []byte{
		bodyKey, stateKey, resultKey, errorKey, uniqueKey, endedKey, metaKey, leaseKey, dependentKey, flowKey, cronKey, settingsKey, nodeKey,
		idempotentKey, forgetKey,
	} {
		if !seen[family] {
			t.Errorf("there was no record of family %c", family)
		}
	}
}

func inverted(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = ^c
	}
	return out
}

// live uses all of a queue that may be damaged, for weeks, and then whether it still takes jobs.
func live(t *testing.T, b *box, clock *fakeClock) {
	t.Helper()
	ctx := t.Context()
	for range 5 {
		b.fire(clock.Elapsed())
		b.expire(ctx, clock.Elapsed())
		b.buryDoomed(ctx)
		if _, _, err := b.ListFlows(ctx, 0, ""); err != nil {
			t.Errorf("ListFlows: %v", err)
		}
		if _, err := b.Nodes(ctx); err != nil {
			t.Errorf("Nodes: %v", err)
		}
		b.saveNodes(ctx, false)
		if _, err := b.ListSchedules(ctx); err != nil {
			t.Errorf("ListSchedules: %v", err)
		}
		if err := b.Export(ctx, queue.Filter{}, func(queue.Exported) error { return nil }); err != nil {
			t.Errorf("Export: %v", err)
		}
		for _, l := range takeAll(ctx, b) {
			if err := b.Finish(ctx, l.Lease, queue.Outcome{}); err != nil {
				t.Errorf("Finish: %v", err)
			}
		}
		clock.advance(10 * 24 * time.Hour)
		for b.sweepAll(ctx) {
		}
	}
	j := mustEnqueue(t, b.Engine, queue.New{Type: "fresh", UniqueKey: fmt.Sprint(clock.Elapsed())})[0]
	l, err := b.Lease(ctx, queue.LeaseRequest{Types: []string{"fresh"}})
	if err != nil || l[0].Job.ID != j.ID {
		t.Fatalf("leased %v, %v", l, err)
	}
	mustFinish(t, b.Engine, l[0], queue.Outcome{})
	all, err := b.Counts(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range all {
		for s, n := range q.Counts {
			if n < 0 {
				t.Errorf("queue %s counts %d jobs as %s", q.Queue, n, s)
			}
		}
	}
}

// takeAll leases what there is.
func takeAll(ctx context.Context, b *box) []queue.Leased {
	var out []queue.Leased
	for {
		b.mu.Lock()
		ready := b.choose(&waiter{r: queue.LeaseRequest{}}, false).lane != nil
		b.mu.Unlock()
		if !ready {
			return out
		}
		now, cancel := context.WithTimeout(ctx, time.Second)
		l, err := b.Lease(now, queue.LeaseRequest{Max: 10})
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return out
		}
		out = append(out, l...)
	}
}
