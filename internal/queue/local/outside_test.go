package local

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

func mustLeaseOutside(tb testing.TB, e *Engine, r queue.ExternalRequest) []queue.ExternalLeased {
	tb.Helper()
	r.NoWait = true
	if r.Worker == "" {
		r.Worker = "w"
	}
	out, err := e.LeaseExternal(tb.Context(), r)
	if err != nil {
		tb.Fatalf("LeaseExternal: %v", err)
	}
	return out
}

func (b *box) beat(tb testing.TB, l queue.Lease, p *queue.Progress) queue.LeaseState {
	tb.Helper()
	out, err := b.Heartbeat(tb.Context(), "w", []queue.Beat{{Lease: l, Progress: p}})
	if err != nil {
		tb.Fatalf("Heartbeat: %v", err)
	}
	return out[0].State
}

func (b *box) finishOutside(tb testing.TB, l queue.Lease, o queue.Outcome) queue.Ended {
	tb.Helper()
	out, err := b.FinishAll(tb.Context(), []queue.End{{Lease: l, Outcome: o}})
	if err != nil {
		tb.Fatalf("FinishAll: %v", err)
	}
	return out[0]
}

// TestExpiry lets leases run out: signs of life put it off, and an old token is worth nothing afterwards.
func TestExpiry(t *testing.T) {
	clock, g := newFakeClock(), newGraves()
	b := openIdle(t, t.TempDir(), Config{Clock: clock, Dead: g.dead, Rules: queue.Rules{MaxAttempts: 2, Backoff: queue.Backoff{Jitter: -1}}})
	j := mustEnqueue(t, b.Engine, queue.New{Type: "a", Payload: []byte("7")})[0]
	first := mustLeaseOutside(t, b.Engine, queue.ExternalRequest{Lease: 10 * time.Second})[0]
	pass := func(d time.Duration) time.Duration {
		clock.advance(d)
		b.fire(clock.Elapsed())
		return b.expire(t.Context(), clock.Elapsed())
	}
	if wait := pass(6 * time.Second); wait != 4*time.Second {
		t.Errorf("the next lease ends in %v, want 4 s", wait)
	}
	if s := b.beat(t, first.Lease, nil); s != queue.LeaseOK {
		t.Fatalf("a sign of life in time: %s", s)
	}
	if wait := pass(10*time.Second - time.Millisecond); wait != time.Millisecond {
		t.Errorf("the next lease ends in %v, want 1 ms", wait)
	}
	wantStatus(t, b.Engine, j.ID, queue.Active)
	pass(time.Millisecond)
	got := wantStatus(t, b.Engine, j.ID, queue.Retry)
	if got.Attempt != 1 || len(got.Errors) != 1 || got.Errors[0].Code != errcode.LeaseExpired || got.Worker != "" {
		t.Errorf("after the expiry: %+v", got)
	}
	pass(time.Second)
	second := mustLeaseOutside(t, b.Engine, queue.ExternalRequest{Lease: 10 * time.Second})[0]
	if second.Job.Attempt != 2 || second.Lease.Token == first.Lease.Token {
		t.Errorf("second lease: attempt %d, the same token %v", second.Job.Attempt, second.Lease.Token == first.Lease.Token)
	}
	if s := b.beat(t, first.Lease, &queue.Progress{Fraction: 1}); s != queue.LeaseLost {
		t.Errorf("a sign of life with the old token: %s", s)
	}
	if ended := b.finishOutside(t, first.Lease, queue.Outcome{}); !ended.Lost {
		t.Errorf("an end with the old token: %+v", ended)
	}
	if got := wantStatus(t, b.Engine, j.ID, queue.Active); got.Progress.Fraction != 0 {
		t.Errorf("the old token reached the job: %+v", got)
	}
	pass(10 * time.Second)
	wantStatus(t, b.Engine, j.ID, queue.Dead)
	if id := <-g.told; g.seen[id] != "a 7 dead lease_expired" {
		t.Errorf("burial: %q", g.seen[id])
	}
	if len(b.table.leases) != 0 || b.expire(t.Context(), clock.Elapsed()) != idleWait {
		t.Errorf("%d leases are left", len(b.table.leases))
	}
}

// TestHardTimeoutOutside keeps a lease alive beyond the job's timeout: it is revoked.
func TestHardTimeoutOutside(t *testing.T) {
	clock := newFakeClock()
	b := openIdle(t, t.TempDir(), Config{Clock: clock})
	mustEnqueue(t, b.Engine, queue.New{Type: "a", Timeout: 15 * time.Second})
	l := mustLeaseOutside(t, b.Engine, queue.ExternalRequest{Lease: 10 * time.Second})[0]
	clock.advance(9 * time.Second)
	out, err := b.Heartbeat(t.Context(), "w", []queue.Beat{{Lease: l.Lease}})
	if err != nil || out[0].State != queue.LeaseOK || !out[0].Expires.Equal(clock.Wall().Add(6*time.Second)) {
		t.Errorf("Heartbeat gave %+v, %v; want the timeout as the end", out, err)
	}
	clock.advance(6 * time.Second)
	if s := b.beat(t, l.Lease, nil); s != queue.LeaseLost {
		t.Errorf("a sign of life after the timeout: %s", s)
	}
	b.expire(t.Context(), clock.Elapsed())
	if j := wantStatus(t, b.Engine, l.Job.ID, queue.Retry); len(j.Errors) != 1 || j.Errors[0].Code != errcode.Timeout {
		t.Errorf("after the timeout: %+v", j)
	}
}

// TestExpiryUnderLoad has leases run out while their workers finish and beat: every run ends once, one way.
func TestExpiryUnderLoad(t *testing.T) {
	clock := newFakeClock()
	b := openBox(t, t.TempDir(), Config{Clock: clock, Rules: queue.Rules{MaxAttempts: 1000, Backoff: queue.Backoff{Base: time.Hour, Jitter: -1}}})
	const jobs, batch = 1200, 40
	news := make([]queue.New, jobs)
	for i := range news {
		news[i] = queue.New{Type: "a"}
	}
	mustEnqueue(t, b.Engine, news...)
	var wg sync.WaitGroup
	var completed, lost atomic.Int64
	for w := range jobs / batch {
		wg.Go(func() {
			l := mustLeaseOutside(t, b.Engine, queue.ExternalRequest{Max: batch, Lease: queue.MinLease})
			ends := make([]queue.End, len(l))
			for i := range l {
				ends[i].Lease = l[i].Lease
			}
			for i := range ends {
				if (i+w)%2 == 0 {
					clock.advance(time.Second / 8)
				}
				out, err := b.FinishAll(t.Context(), ends[i:i+1])
				if err != nil || out[0].Err != nil {
					t.Errorf("FinishAll: %v, %+v", err, out)
					return
				}
				if out[0].Lost {
					lost.Add(1)
				} else {
					completed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	clock.advance(time.Minute)
	for {
		b.mu.Lock()
		left := len(b.table.holds)
		b.mu.Unlock()
		if left == 0 {
			break
		}
		clock.advance(time.Second)
	}
	if completed.Load()+lost.Load() != jobs || completed.Load() == 0 || lost.Load() == 0 {
		t.Errorf("%d completed and %d lost of %d: nothing was raced", completed.Load(), lost.Load(), jobs)
	}
	checkCounts(t, b.Engine, map[queue.Status]int64{queue.Completed: completed.Load(), queue.Retry: lost.Load()})
	page, err := b.List(t.Context(), queue.Filter{Status: []queue.Status{queue.Retry}, Code: errcode.LeaseExpired, Limit: 1000})
	if err != nil || len(page.Jobs) != int(min(lost.Load(), 1000)) {
		t.Errorf("%d jobs say lease_expired, %v; want %d", len(page.Jobs), err, lost.Load())
	}
	for _, j := range page.Jobs {
		if j.Attempt != 1 || len(j.Errors) != 1 {
			t.Errorf("job %s: attempt %d, %d errors", j.ID, j.Attempt, len(j.Errors))
		}
	}
}

// TestRestartWithLeases starts again with the wall clock anywhere: a lease has its full length, at least ten seconds.
func TestRestartWithLeases(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for name, tc := range map[string]struct{ length, want, step time.Duration }{
		"short":            {queue.MinLease, queue.RestartLease, 0},
		"long":             {time.Minute, time.Minute, 0},
		"a year lost":      {time.Minute, time.Minute, -year},
		"timeout is first": {time.Hour, 20 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newFakeClock()
			b := openIdle(t, t.TempDir(), Config{Clock: clock})
			mustEnqueue(t, b.Engine, queue.New{Type: "a", Timeout: 24 * time.Second})
			if tc.length < time.Hour {
				mustEnqueue(t, b.Engine, queue.New{Type: "a"})
				mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{})
			}
			l := mustLeaseOutside(t, b.Engine, queue.ExternalRequest{Lease: tc.length})[0]
			clock.advance(4 * time.Second)
			clock.step(tc.step)
			b = b.reopen(t)
			if wait := b.expire(t.Context(), clock.Elapsed()); wait != tc.want {
				t.Errorf("the lease ends in %v, want %v", wait, tc.want)
			}
			clock.advance(tc.want - time.Millisecond)
			b.expire(t.Context(), clock.Elapsed())
			if j := wantStatus(t, b.Engine, l.Job.ID, queue.Active); j.Attempt != 1 || j.Worker != "w" {
				t.Errorf("after the start: %+v", j)
			}
			clock.advance(time.Millisecond)
			b.expire(t.Context(), clock.Elapsed())
			if j := wantStatus(t, b.Engine, l.Job.ID, queue.Retry); j.Attempt != 1 {
				t.Errorf("after the expiry: %+v", j)
			}
		})
	}
}

// TestLeaseRecords opens a queue whose lease records do not fit its jobs.
func TestLeaseRecords(t *testing.T) {
	b := openIdle(t, t.TempDir(), Config{})
	jobs := mustEnqueue(t, b.Engine, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a", UniqueKey: "u"})
	l := mustLeaseOutside(t, b.Engine, queue.ExternalRequest{Max: 4})
	b.finishOutside(t, l[2].Lease, queue.Outcome{})
	n := make([]uint64, len(jobs))
	for i, j := range jobs {
		n[i], _ = parseID(j.ID)
	}
	batch := b.db.Batch()
	batch.Delete(b.space, key(leaseKey, n[0]))
	batch.Set(b.space, key(leaseKey, n[1]), []byte("junk"))
	batch.Set(b.space, key(leaseKey, n[2]), leaseRecord{token: 7, length: time.Minute, worker: "w"}.encode())
	batch.Set(b.space, key(bodyKey, n[3]), []byte("junk"))
	if err := b.db.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	b = b.reopen(t)
	for i, want := range []queue.Status{queue.Ready, queue.Ready, queue.Completed} {
		if j := wantStatus(t, b.Engine, jobs[i].ID, want); j.Attempt != i/2 {
			t.Errorf("job %d: attempt %d", i, j.Attempt)
		}
	}
	if !b.buryDoomed(t.Context()) {
		t.Error("not buried")
	}
	wantStatus(t, b.Engine, jobs[3].ID, queue.Dead)
	checkCounts(t, b.Engine, map[queue.Status]int64{queue.Ready: 2, queue.Completed: 1, queue.Dead: 1})
	for _, want := range []queue.ID{jobs[0].ID, jobs[1].ID} {
		again := mustLease(t, b.Engine)
		if again.Job.ID != want || again.Job.Attempt != 1 {
			t.Errorf("leased %s attempt %d, want %s", again.Job.ID, again.Job.Attempt, want)
		}
		mustFinish(t, b.Engine, again, queue.Outcome{})
	}
	if left := b.family(t, leaseKey); left != 0 {
		t.Errorf("%d lease records are left", left)
	}
	if d := mustEnqueue(t, b.Engine, queue.New{Type: "a", UniqueKey: "u"})[0]; d.Duplicate {
		t.Errorf("the buried job holds its unique key")
	}
}

// family counts the records of a family.
func (b *box) family(tb testing.TB, f byte) (n int) {
	tb.Helper()
	err := b.space.Scan(tb.Context(), store.ScanOptions{Prefix: []byte{f}, KeysOnly: true}, func(_, _ []byte) (bool, error) {
		n++
		return true, nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// TestProgressIsDurable reports progress often: it is written at most every five seconds, and survives a start.
func TestProgressIsDurable(t *testing.T) {
	clock := newFakeClock()
	b := openIdle(t, t.TempDir(), Config{Clock: clock})
	j := mustEnqueue(t, b.Engine, queue.New{Type: "a"})[0]
	l := mustLeaseOutside(t, b.Engine, queue.ExternalRequest{})[0]
	writes := 0
	last := b.db.Health().CommitNumber
	for i := range 20 {
		clock.advance(time.Second)
		b.beat(t, l.Lease, &queue.Progress{Fraction: float64(i) / 20, Text: fmt.Sprint(i)})
		if now := b.db.Health().CommitNumber; now != last {
			last = now
			writes++
		}
	}
	if writes != 4 {
		t.Errorf("%d writes in 20 s, want 4", writes)
	}
	for range 10 {
		clock.advance(6 * time.Second)
		b.beat(t, l.Lease, nil)
	}
	if now := b.db.Health().CommitNumber; now != last {
		t.Errorf("progress that did not change was written")
	}
	b = b.reopen(t)
	if p := wantStatus(t, b.Engine, j.ID, queue.Active).Progress; p != (queue.Progress{Fraction: 0.95, Text: "19"}) {
		t.Errorf("progress after a start: %+v", p)
	}
	b.beat(t, l.Lease, &queue.Progress{Fraction: 17, Text: strings.Repeat("ä", queue.MaxMessage)})
	if p := wantStatus(t, b.Engine, j.ID, queue.Active).Progress; p.Fraction != 1 || len(p.Text) > queue.MaxMessage {
		t.Errorf("progress beyond its bounds: %v, %d bytes", p.Fraction, len(p.Text))
	}
}

// gone is the context of a client that goes away while a commit is under way.
type gone struct {
	context.Context //nolint:containedctx // it is one
	db              *store.DB
	before          uint64
}

func (g gone) Err() error {
	if g.db.Health().CommitNumber > g.before {
		return context.Canceled
	}
	return nil
}

// TestClientGone leases for a client that has gone when the leases are durable: they are taken back without an attempt.
func TestClientGone(t *testing.T) {
	b := openIdle(t, t.TempDir(), Config{})
	jobs := mustEnqueue(t, b.Engine, queue.New{Type: "a"}, queue.New{Type: "a"})
	ctx := gone{Context: t.Context(), db: b.db, before: b.db.Health().CommitNumber}
	l, err := b.LeaseExternal(ctx, queue.ExternalRequest{Worker: "w", Max: 2})
	if l != nil || err != nil {
		t.Fatalf("LeaseExternal gave %v, %v", l, err)
	}
	for _, j := range jobs {
		if got := wantStatus(t, b.Engine, j.ID, queue.Ready); got.Attempt != 0 || len(got.Errors) != 0 {
			t.Errorf("taken back: %+v", got)
		}
	}
	if left := b.family(t, leaseKey); left != 0 {
		t.Errorf("%d lease records are left", left)
	}
}

// TestLeaseInDoubt has the commit of a lease fail at every point, also when it is durable already: nobody has the
// lease, the job can be leased by anyone, and nothing is left over.
func TestLeaseInDoubt(t *testing.T) {
	for _, point := range []store.Point{store.BeforeCommit, store.BeforeSync, store.BeforeAck} {
		for _, next := range []string{"outside", "inside", "cancel", "edit", "reopen"} {
			t.Run(string(point)+", then "+next, func(t *testing.T) {
				clock := newFakeClock()
				var fail atomic.Bool
				b := openHooked(t, t.TempDir(), Config{Clock: clock}, func(*Engine, context.Context) error { return nil }, func(p store.Point) error {
					if p == point && fail.CompareAndSwap(true, false) {
						return errors.New("torn")
					}
					return nil
				})
				j := mustEnqueue(t, b.Engine, queue.New{Type: "a"})[0]
				fail.Store(true)
				if l, err := b.LeaseExternal(t.Context(), queue.ExternalRequest{Worker: "w"}); err == nil {
					t.Fatalf("LeaseExternal gave %v", l)
				}
				if got := wantStatus(t, b.Engine, j.ID, queue.Ready); got.Attempt != 0 {
					t.Errorf("after the failure: %+v", got)
				}
				want := queue.Completed
				switch next {
				case "outside":
					l := mustLeaseOutside(t, b.Engine, queue.ExternalRequest{})
					if len(l) != 1 || l[0].Job.Attempt != 1 {
						t.Fatalf("leased %+v", l)
					}
					b.finishOutside(t, l[0].Lease, queue.Outcome{})
				case "inside":
					l := mustLease(t, b.Engine)
					if l.Job.Attempt != 1 {
						t.Errorf("attempt %d", l.Job.Attempt)
					}
					mustFinish(t, b.Engine, l, queue.Outcome{})
				case "cancel":
					want = queue.Cancelled
					if _, err := b.Cancel(t.Context(), j.ID, nil); err != nil {
						t.Errorf("Cancel: %v", err)
					}
				case "edit":
					if _, err := b.Edit(t.Context(), j.ID, queue.Edit{Queue: new("other")}); err != nil {
						t.Errorf("Edit: %v", err)
					}
					mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{})
				case "reopen":
					b = b.reopen(t)
					clock.advance(time.Minute)
					b.expire(t.Context(), clock.Elapsed())
					clock.advance(time.Minute)
					b.fire(clock.Elapsed())
					mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{})
				}
				wantStatus(t, b.Engine, j.ID, want)
				b = b.reopen(t)
				wantStatus(t, b.Engine, j.ID, want)
				if left := b.family(t, leaseKey); left != 0 {
					t.Errorf("%d lease records are left", left)
				}
			})
		}
	}
}

// TestTurnFails has the one commit of ends and leases fail, or a hook of an end: nothing has happened then, but for what
// does not depend on it.
func TestTurnFails(t *testing.T) {
	var torn, refuse atomic.Bool
	b := openHooked(t, t.TempDir(), Config{Dead: func(*store.Batch, queue.Job, errcode.Code, string) error {
		if refuse.Load() {
			return errTest
		}
		return nil
	}}, func(*Engine, context.Context) error { return nil }, func(p store.Point) error {
		if p == store.BeforeCommit && torn.CompareAndSwap(true, false) {
			return errors.New("torn")
		}
		return nil
	})
	jobs := mustEnqueue(t, b.Engine, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"})
	held := mustLeaseOutside(t, b.Engine, queue.ExternalRequest{Max: 2})
	ends := []queue.End{{Lease: held[0].Lease}, {Lease: held[1].Lease, Outcome: queue.Outcome{Err: errTest, Permanent: true}}}
	r := queue.ExternalRequest{Worker: "w", Max: 1}

	torn.Store(true)
	ended, l, err := b.FinishAndLease(t.Context(), ends, r)
	if err == nil || len(l) != 0 || ended[0].Err == nil || ended[1].Err == nil {
		t.Fatalf("FinishAndLease gave %+v, %+v, %v", ended, l, err)
	}
	for i, want := range []queue.Status{queue.Active, queue.Active, queue.Ready, queue.Ready} {
		wantStatus(t, b.Engine, jobs[i].ID, want)
	}

	refuse.Store(true)
	ended, l, err = b.FinishAndLease(t.Context(), ends, r)
	if err != nil || len(l) != 1 || l[0].Job.ID != jobs[2].ID || ended[0].Err != nil || ended[1].Err == nil {
		t.Fatalf("FinishAndLease gave %+v, %+v, %v", ended, l, err)
	}
	for i, want := range []queue.Status{queue.Completed, queue.Active, queue.Active, queue.Ready} {
		if j := wantStatus(t, b.Engine, jobs[i].ID, want); want == queue.Active && j.Attempt != 1 {
			t.Errorf("attempts of job %d: %d", i, j.Attempt)
		}
	}
	if records, deadlines, claims := b.family(t, leaseKey), len(b.table.leases), len(b.table.claims); records != 2 || deadlines != 2 || claims != 0 {
		t.Errorf("%d lease records, %d deadlines, %d claims; want 2, 2, 0", records, deadlines, claims)
	}

	// A caller that has gone gets nothing: its ends hold, what it would have been given is ready again.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if ended, l, _ := b.FinishAndLease(ctx, []queue.End{{Lease: l[0].Lease}}, r); len(l) != 0 || ended[0].Err != nil {
		t.Errorf("after its end the caller was given %+v, %+v", ended, l)
	}
	wantStatus(t, b.Engine, jobs[2].ID, queue.Completed)
	wantStatus(t, b.Engine, jobs[3].ID, queue.Ready)
}

// TestFinishTogether ends many runs with one hook that fails: that one keeps its lease, the others have ended.
func TestFinishTogether(t *testing.T) {
	var bad queue.ID
	var other store.Space
	b := openIdle(t, t.TempDir(), Config{Dead: func(b *store.Batch, j queue.Job, _ errcode.Code, _ string) error {
		b.Set(other, []byte(j.ID), nil)
		if j.ID == bad {
			return errTest
		}
		return nil
	}})
	other = b.db.Space("test/")
	news := make([]queue.New, 50)
	for i := range news {
		news[i] = queue.New{Type: "a"}
	}
	jobs := mustEnqueue(t, b.Engine, news...)
	bad = jobs[20].ID
	l := mustLeaseOutside(t, b.Engine, queue.ExternalRequest{Max: 50})
	ends := make([]queue.End, len(l))
	large := []byte(`"` + strings.Repeat("x", queue.MaxResult-2) + `"`)
	for i := range l {
		ends[i] = queue.End{Lease: l[i].Lease, Outcome: queue.Outcome{Result: large}} // more than one commit takes
		if i%10 == 0 {
			ends[i].Outcome = queue.Outcome{Err: errTest, Permanent: true}
		}
	}
	out, err := b.FinishAll(t.Context(), ends)
	if err != nil {
		t.Fatalf("FinishAll: %v", err)
	}
	for i, ended := range out {
		want := queue.Completed
		switch {
		case i == 20:
			want = queue.Active
		case i%10 == 0:
			want = queue.Dead
		}
		if ended.Lost || (ended.Err != nil) != (i == 20) {
			t.Errorf("end %d: %+v", i, ended)
		}
		if _, err := other.Get([]byte(jobs[i].ID)); (err == nil) != (want == queue.Dead) {
			t.Errorf("what the hook of job %d staged: %v", i, err)
		}
		wantStatus(t, b.Engine, jobs[i].ID, want)
	}
	if records, deadlines := b.family(t, leaseKey), len(b.table.leases); records != 1 || deadlines != 1 {
		t.Errorf("%d lease records and %d deadlines are left, want those of one job", records, deadlines)
	}
}

// FuzzLeaseRecord reads anything as a lease record.
func FuzzLeaseRecord(f *testing.F) {
	f.Add(leaseRecord{token: 1 << 63, length: time.Minute, when: epoch, worker: "w", progress: queue.Progress{Fraction: 0.5, Text: "half"}}.encode())
	f.Add([]byte{leaseVersion})
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := decodeLease(raw)
		if err != nil {
			return
		}
		again, err := decodeLease(l.encode())
		if err != nil || again != l {
			t.Errorf("%+v came back as %+v, %v", l, again, err)
		}
	})
}

// FuzzAnswer reads anything as the record of an idempotency key.
func FuzzAnswer(f *testing.F) {
	f.Add(answer{when: epoch, numbers: []uint64{1, 1 << 40}, twice: []bool{false, true}}.encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := decodeAnswer(raw)
		if err != nil {
			return
		}
		again, err := decodeAnswer(a.encode())
		if err != nil || !cmp.Equal(a, again, cmp.AllowUnexported(answer{})) {
			t.Errorf("%+v came back as %+v, %v", a, again, err)
		}
	})
}

// TestBeatAfterStart gives a sign of life right after a start, which has made the lease longer: it ends when that says.
func TestBeatAfterStart(t *testing.T) {
	clock := newFakeClock()
	b := openIdle(t, t.TempDir(), Config{Clock: clock})
	mustEnqueue(t, b.Engine, queue.New{Type: "a"})
	l := mustLeaseOutside(t, b.Engine, queue.ExternalRequest{Lease: queue.MinLease})[0]
	b = b.reopen(t)
	out, err := b.Heartbeat(t.Context(), "w", []queue.Beat{{Lease: l.Lease}})
	if err != nil || !out[0].Expires.Equal(clock.Wall().Add(queue.RestartLease)) {
		t.Errorf("Heartbeat gave %+v, %v", out, err)
	}
	clock.advance(queue.RestartLease - time.Millisecond)
	b.expire(t.Context(), clock.Elapsed())
	wantStatus(t, b.Engine, l.Job.ID, queue.Active)
	clock.advance(time.Millisecond)
	b.expire(t.Context(), clock.Elapsed())
	wantStatus(t, b.Engine, l.Job.ID, queue.Retry)
}
