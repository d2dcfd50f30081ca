package local

import (
	"context"
	"encoding/binary"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

func (b *box) sweepJobs(t *testing.T) {
	t.Helper()
	for {
		more, err := b.sweep(t.Context())
		if err != nil {
			t.Fatalf("sweep: %v", err)
		}
		if !more {
			return
		}
	}
}

func (b *box) keys(t *testing.T) int {
	t.Helper()
	n := 0
	err := b.space.Scan(t.Context(), store.ScanOptions{KeysOnly: true}, func(k, _ []byte) (bool, error) {
		if k[0] != metaKey {
			n++
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRetention(t *testing.T) {
	clock := newFakeClock()
	b := openIdle(t, t.TempDir(), Config{Clock: clock, ResultTTL: time.Hour, Retention: 3 * time.Hour, RetentionDead: 5 * time.Hour, RetentionCancelled: 4 * time.Hour})
	jobs := mustEnqueue(t, b.Engine, queue.New{Type: "a"}, queue.New{Type: "a", UniqueKey: "k"}, queue.New{Type: "a"}, queue.New{Type: "a", Delay: 100 * time.Hour})
	mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{Result: []byte("1")})
	mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{Err: errTest, Permanent: true})
	if _, err := b.Cancel(t.Context(), jobs[2].ID, nil); err != nil {
		t.Fatal(err)
	}
	result := func() string {
		t.Helper()
		r, err := b.Result(t.Context(), jobs[0].ID)
		if err != nil {
			t.Fatalf("Result: %v", err)
		}
		return string(r)
	}
	clock.advance(time.Hour - time.Second)
	b.sweepJobs(t)
	if result() != "1" {
		t.Errorf("the result is gone before its time")
	}
	clock.advance(2 * time.Second)
	b.sweepJobs(t)
	if result() != "" {
		t.Errorf("the result is there after its time")
	}
	for i, s := range []queue.Status{queue.Completed, queue.Dead, queue.Cancelled} {
		wantStatus(t, b.Engine, jobs[i].ID, s)
	}
	step := 2 * time.Hour
	for _, left := range []map[queue.Status]int64{
		{queue.Scheduled: 1, queue.Dead: 1, queue.Cancelled: 1}, {queue.Scheduled: 1, queue.Dead: 1}, {queue.Scheduled: 1},
	} {
		clock.advance(step)
		b.sweepJobs(t)
		checkCounts(t, b.Engine, left)
		step = time.Hour
	}
	if n := b.keys(t); n != 2 {
		t.Errorf("%d records are left of one scheduled job, want 2", n)
	}
	b = b.reopen(t)
	checkCounts(t, b.Engine, map[queue.Status]int64{queue.Scheduled: 1})
}

func TestMaxFinished(t *testing.T) {
	clock := newFakeClock()
	b := openIdle(t, t.TempDir(), Config{Clock: clock, MaxFinished: 5})
	var ids []queue.ID
	for range 12 {
		ids = append(ids, mustEnqueue(t, b.Engine, queue.New{Type: "a"})[0].ID)
		clock.advance(time.Second)
		mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{Result: []byte("1")})
	}
	b.sweepJobs(t)
	checkCounts(t, b.Engine, map[queue.Status]int64{queue.Completed: 5})
	for _, id := range ids[7:] {
		wantStatus(t, b.Engine, id, queue.Completed)
	}
}

// TestMaxFinishedByStatus floods the queue with completed jobs: dead letters stay.
func TestMaxFinishedByStatus(t *testing.T) {
	clock := newFakeClock()
	b := openIdle(t, t.TempDir(), Config{Clock: clock, MaxFinished: 3, MaxDead: 2, MaxCancelled: 1})
	end := func(o queue.Outcome) queue.ID {
		id := mustEnqueue(t, b.Engine, queue.New{Type: "a"})[0].ID
		clock.advance(time.Second)
		mustFinish(t, b.Engine, mustLease(t, b.Engine), o)
		return id
	}
	var dead []queue.ID
	for range 3 {
		dead = append(dead, end(queue.Outcome{Err: errTest, Permanent: true}))
	}
	for range 2 {
		if _, err := b.Cancel(t.Context(), mustEnqueue(t, b.Engine, queue.New{Type: "a"})[0].ID, nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 300 {
		end(queue.Outcome{})
	}
	b.sweepJobs(t)
	checkCounts(t, b.Engine, map[queue.Status]int64{queue.Completed: 3, queue.Dead: 2, queue.Cancelled: 1})
	for _, id := range dead[1:] {
		wantStatus(t, b.Engine, id, queue.Dead)
	}
	if n := b.keys(t); n != 6*3+2 {
		t.Errorf("%d records are left", n)
	}
}

// TestResultTTL keeps results as long as their jobs say.
func TestResultTTL(t *testing.T) {
	clock := newFakeClock()
	b := openIdle(t, t.TempDir(), Config{Clock: clock, ResultTTL: time.Hour, Retention: 24 * time.Hour})
	ttls := []time.Duration{0, time.Minute, 5 * time.Hour, 48 * time.Hour}
	var ids []queue.ID
	for _, ttl := range ttls {
		ids = append(ids, mustEnqueue(t, b.Engine, queue.New{Type: "a", ResultTTL: ttl})[0].ID)
		mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{Result: []byte("1")})
	}
	for _, c := range []struct {
		after time.Duration
		left  string
	}{{59 * time.Second, "1111"}, {2 * time.Second, "1-11"}, {time.Hour, "--11"}, {5 * time.Hour, "---1"}, {17 * time.Hour, "---1"}} {
		clock.advance(c.after)
		b.sweepJobs(t)
		got := ""
		for _, id := range ids {
			r, err := b.Result(t.Context(), id)
			if err != nil {
				t.Fatalf("Result: %v", err)
			}
			got += map[bool]string{true: "1", false: "-"}[r != nil]
		}
		if got != c.left {
			t.Errorf("results left: %s, want %s", got, c.left)
		}
	}
	clock.advance(time.Hour)
	b.sweepJobs(t)
	if n := b.keys(t); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

// TestOldExpiryKeys sweeps what a version without groups has written.
func TestOldExpiryKeys(t *testing.T) {
	clock := newFakeClock()
	b := openIdle(t, t.TempDir(), Config{Clock: clock, ResultTTL: time.Hour, Retention: 2 * time.Hour, RetentionDead: 9 * time.Hour})
	old := func(at time.Time, n uint64, what byte) []byte {
		k := binary.BigEndian.AppendUint64([]byte{endedKey}, uint64(at.Unix()))
		return append(binary.BigEndian.AppendUint64(k, n), what)
	}
	jobs := mustEnqueue(t, b.Engine, queue.New{Type: "a"}, queue.New{Type: "a"})
	mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{Result: []byte("1")})
	mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{Err: errTest, Permanent: true})
	batch := b.db.Batch()
	for i, group := range []byte{groupCompleted, groupDead} {
		n, _ := parseID(jobs[i].ID)
		retention := []time.Duration{2 * time.Hour, 9 * time.Hour}[i]
		batch.Delete(b.space, expiryKey(group, epoch.Add(retention), n))
		batch.Delete(b.space, expiryKey(groupResult, epoch.Add(time.Hour), n))
		batch.Set(b.space, old(epoch.Add(2*time.Hour), n, 0), nil)
		batch.Set(b.space, old(epoch.Add(time.Hour), n, 1), nil)
	}
	if err := b.db.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	clock.advance(time.Hour)
	b.sweepJobs(t)
	if r, err := b.Result(t.Context(), jobs[0].ID); r != nil || err != nil {
		t.Errorf("the result is still there: %s, %v", r, err)
	}
	clock.advance(time.Hour)
	b.sweepJobs(t)
	checkCounts(t, b.Engine, map[queue.Status]int64{queue.Dead: 1})
	clock.advance(7 * time.Hour)
	b.sweepJobs(t)
	if n := b.keys(t); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

// lowDisk is a disk whose space is set by hand.
type lowDisk struct{ low atomic.Bool }

func (d *lowDisk) CheckSpace(int64) error {
	if d.low.Load() {
		return errcode.New(errcode.DiskFull, "not enough free disk space")
	}
	return nil
}

func TestWritingJobsWaitForSpace(t *testing.T) {
	d, clock := &lowDisk{}, newFakeClock()
	b := openBox(t, t.TempDir(), Config{Space: d, Clock: clock})
	held := mustEnqueue(t, b.Engine, queue.New{Type: "a", Writing: true})[0]
	l := mustLease(t, b.Engine)
	d.low.Store(true)
	jobs := mustEnqueue(t, b.Engine, queue.New{Type: "a", Writing: true}, queue.New{Type: "a"})
	if got := mustLease(t, b.Engine); got.Job.ID != jobs[1].ID {
		t.Errorf("leased %s, want the job that does not write", got.Job.ID)
	}
	got := make(chan queue.ID, 1)
	go func() {
		l, err := b.Lease(t.Context(), queue.LeaseRequest{})
		if err != nil {
			t.Errorf("Lease: %v", err)
			got <- ""
			return
		}
		got <- l[0].Job.ID
	}()
	mustFinish(t, b.Engine, l, queue.Outcome{})
	wantStatus(t, b.Engine, held.ID, queue.Completed)
	select {
	case id := <-got:
		t.Fatalf("leased %s below the reserve", id)
	default:
	}
	d.low.Store(false)
	for {
		clock.advance(time.Second) // Run looks once a second
		select {
		case id := <-got:
			if id != jobs[0].ID {
				t.Errorf("leased %s, want the job that writes", id)
			}
			return
		default:
		}
	}
}

// TestDispatch runs handlers on the real engine through a drain.
func TestDispatch(t *testing.T) {
	b := openBox(t, t.TempDir(), Config{})
	mux := queue.NewMux()
	started := make(chan struct{})
	mux.Handle("a", handler(func(ctx context.Context, j queue.Job) queue.Outcome {
		if string(j.Payload) == `"wait"` {
			close(started)
			<-ctx.Done()
			return queue.Outcome{Err: context.Cause(ctx)}
		}
		return queue.Outcome{Result: j.Payload}
	}))
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() {
		ran <- queue.NewDispatcher(queue.DispatcherConfig{Engine: b, Mux: mux, Drain: time.Millisecond}).Run(ctx)
	}()
	news := make([]queue.New, 50)
	for i := range news {
		news[i] = queue.New{Type: "a", Payload: []byte("1")}
	}
	mustEnqueue(t, b.Engine, news...)
	waits := mustEnqueue(t, b.Engine, queue.New{Type: "a", Payload: []byte(`"wait"`)})[0]
	<-started
	cancel()
	if err := <-ran; err != nil {
		t.Errorf("Run: %v", err)
	}
	if j := wantStatus(t, b.Engine, waits.ID, queue.Ready); j.Attempt != 0 {
		t.Errorf("the drained job lost an attempt: %+v", j)
	}
	checkCounts(t, b.Engine, map[queue.Status]int64{queue.Completed: 50, queue.Ready: 1})
	if j := wantStatus(t, b.reopen(t).Engine, waits.ID, queue.Ready); j.Crashes != 0 {
		t.Errorf("the drained job counts as crashed: %+v", j)
	}
}

type handler func(ctx context.Context, j queue.Job) queue.Outcome

func (h handler) Handle(ctx context.Context, j queue.Job) queue.Outcome { return h(ctx, j) }

func (h handler) Dead(*store.Batch, queue.Job, errcode.Code, string) error { return nil }
