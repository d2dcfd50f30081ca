package local

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// tokens gives how many a queue, and its only limit key, have, and the jobs at work that they count.
func tokens(b *box) (of, ofKey float64, active int64, activeOfKey int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.table.lines["x"]
	ofKey = -1
	for _, k := range q.keys {
		ofKey, activeOfKey = k.bucket.tokens, k.active
	}
	return q.bucket.tokens, ofKey, q.counts[queue.Active], activeOfKey
}

// failing opens a queue with rates whose commits fail while *fail is set: before they are made, or, if torn, after.
func failing(t *testing.T, fail, torn *bool) *box {
	t.Helper()
	b := openHooked(t, t.TempDir(), Config{Clock: newFakeClock()}, func(*Engine, context.Context) error { return nil }, func(p store.Point) error {
		if *fail && (p == store.BeforeCommit && !*torn || p == store.BeforeAck && *torn) {
			return errors.New("no")
		}
		return nil
	})
	rate := queue.Rate{Jobs: 3, Per: time.Hour, Burst: 5}
	configure(t, b.Engine, "x", queue.SettingsPatch{Rate: &rate, KeyRate: &rate, MaxActive: new(2), KeyMaxActive: new(2)})
	return b
}

// TestFailedLeasesCostNothing has the commits of leases fail, again and again: tokens of rates and places of limits are
// as before, and all jobs that they allow can be leased afterwards.
func TestFailedLeasesCostNothing(t *testing.T) {
	for _, torn := range []bool{false, true} {
		fail := false
		b := failing(t, &fail, &torn)
		mustEnqueue(t, b.Engine, keyed("k", 8)...)
		one := queue.ExternalRequest{Worker: "w", NoWait: true}
		first := mustLeaseOutside(t, b.Engine, one) // so that there are buckets
		before, beforeKey, _, _ := tokens(b)
		for range 20 {
			fail = true
			if l, err := b.LeaseExternal(t.Context(), one); err == nil {
				t.Fatalf("torn %v: leased %+v", torn, l)
			}
			many := one
			many.Max = 4
			if l, err := b.LeaseExternal(t.Context(), many); err == nil {
				t.Fatalf("torn %v: leased %+v", torn, l)
			}
			ended, l, err := b.FinishAndLease(t.Context(), []queue.End{{Lease: first[0].Lease}}, one)
			if len(l) != 0 || len(ended) != 1 || ended[0].Err == nil {
				t.Fatalf("torn %v: %+v, %+v, %v", torn, ended, l, err)
			}
			fail = false
			if of, ofKey, active, activeOfKey := tokens(b); of != before || ofKey != beforeKey || active != 1 || activeOfKey != 1 {
				t.Fatalf("torn %v: %v and %v tokens, want %v and %v; %d and %d at work", torn, of, ofKey, before, beforeKey, active, activeOfKey)
			}
		}
		got := 0
		for ends := []queue.End{{Lease: first[0].Lease}}; len(ends) > 0; {
			_, l, err := b.FinishAndLease(t.Context(), ends, one)
			if err != nil {
				t.Fatal(err)
			}
			ends = ends[:0]
			for i := range l {
				ends, got = append(ends, queue.End{Lease: l[i].Lease}), got+1
			}
		}
		if got != 4 {
			t.Errorf("torn %v: after one of five %d more were leased, want 4", torn, got)
		}
		if _, _, active, activeOfKey := tokens(b); active != 0 || activeOfKey != 0 {
			t.Errorf("torn %v: %d and %d are counted as at work", torn, active, activeOfKey)
		}
	}
}

// TestFailedEndsCostNothing has the commits of ends fail: the runs stay counted, and once, until they end.
func TestFailedEndsCostNothing(t *testing.T) {
	fail, torn := false, false
	b := failing(t, &fail, &torn)
	mustEnqueue(t, b.Engine, keyed("k", 3)...)
	held := takeNow(t, b.Engine, 2)
	fail = true
	for _, h := range held {
		l := queue.Lease{ID: formatID(h.n), Token: h.token}
		for _, o := range []queue.Outcome{{}, {Err: errTest}, {Release: true}} {
			if err := b.Finish(t.Context(), l, o); err == nil {
				t.Fatal("Finish did not fail")
			}
		}
	}
	fail = false
	if _, _, active, activeOfKey := tokens(b); active != 2 || activeOfKey != 2 {
		t.Errorf("%d and %d are counted as at work, want both", active, activeOfKey)
	}
	if l := takeNow(t, b.Engine, 1); len(l) != 0 {
		t.Error("a third job is leased")
	}
	for _, h := range held {
		finishHold(t, b.Engine, h, queue.Outcome{})
	}
	if _, _, active, activeOfKey := tokens(b); active != 0 || activeOfKey != 0 {
		t.Errorf("%d and %d are counted as at work", active, activeOfKey)
	}
}

// TestUnreadableJobCostsNoToken leases a job whose record is damaged: it is dead, and another one takes its token.
func TestUnreadableJobCostsNoToken(t *testing.T) {
	fail, torn := false, false
	b := failing(t, &fail, &torn)
	jobs := mustEnqueue(t, b.Engine, keyed("k", 6)...)
	for _, j := range jobs[:3] {
		n, _ := parseID(j.ID)
		batch := b.db.Batch()
		batch.Set(b.space, key(stateKey, n), []byte("junk"))
		if err := b.db.Commit(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	var got []*hold
	for range 4 {
		for _, h := range takeNow(t, b.Engine, 1) {
			if h.rec.Status == queue.Active {
				got = append(got, h)
			}
		}
	}
	if of, ofKey, active, activeOfKey := tokens(b); len(got) != 1 || of != 4 || ofKey != 4 || active != 1 || activeOfKey != 1 {
		t.Errorf("%d were leased, %v and %v tokens are left, %d and %d at work", len(got), of, ofKey, active, activeOfKey)
	}
}

// TestTokenOfFailedLeaseIsHandedOn has somebody wait for a token when a lease fails that took the last one: the token is
// for them if the job itself is not.
func TestTokenOfFailedLeaseIsHandedOn(t *testing.T) {
	fail := false
	waits := make(chan struct{})
	b := openHooked(t, t.TempDir(), Config{Clock: newFakeClock()}, func(*Engine, context.Context) error { return nil }, func(p store.Point) error {
		if fail && p == store.BeforeCommit {
			<-waits
			return errors.New("no")
		}
		return nil
	})
	configure(t, b.Engine, "x", queue.SettingsPatch{Rate: &queue.Rate{Jobs: 1, Per: time.Hour}})
	mustEnqueue(t, b.Engine, queue.New{Type: "a", Queue: "x"}, queue.New{Type: "b", Queue: "x"})
	fail = true
	lost := make(chan error, 1)
	go func() {
		_, err := b.LeaseExternal(t.Context(), queue.ExternalRequest{Worker: "w", Types: []string{"a"}, NoWait: true})
		lost <- err
	}()
	for taken := false; !taken; {
		b.mu.Lock()
		taken = len(b.table.holds) > 0
		b.mu.Unlock()
	}
	got := leaseLater(t, b.Engine, queue.LeaseRequest{Types: []string{"b"}})
	close(waits)
	if err := <-lost; err == nil {
		t.Error("the lease did not fail")
	}
	select {
	case <-got:
	case <-time.After(10 * time.Second):
		t.Error("nobody was given the token")
	}
}

// TestTakenBackCostsNothing has callers leave while the lease of their job is made durable: it is taken back, and so are
// its tokens.
func TestTakenBackCostsNothing(t *testing.T) {
	var leave context.CancelFunc
	b := openHooked(t, t.TempDir(), Config{Clock: newFakeClock()}, func(*Engine, context.Context) error { return nil }, func(p store.Point) error {
		if leave != nil && p == store.BeforeCommit {
			leave()
		}
		return nil
	})
	rate := queue.Rate{Jobs: 3, Per: time.Hour, Burst: 5}
	configure(t, b.Engine, "x", queue.SettingsPatch{Rate: &rate, KeyRate: &rate})
	mustEnqueue(t, b.Engine, keyed("k", 8)...)
	mustLeaseOutside(t, b.Engine, queue.ExternalRequest{})
	before, beforeKey, _, _ := tokens(b)
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		leave = cancel
		if l, err := b.LeaseExternal(ctx, queue.ExternalRequest{Worker: "w", NoWait: true}); err != nil || len(l) != 0 {
			t.Fatalf("leased %+v, %v", l, err)
		}
		leave = nil
	}
	if of, ofKey, active, activeOfKey := tokens(b); of != before || ofKey != beforeKey || active != 1 || activeOfKey != 1 {
		t.Errorf("%v and %v tokens, want %v and %v; %d and %d at work", of, ofKey, before, beforeKey, active, activeOfKey)
	}
}
