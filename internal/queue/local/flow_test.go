package local

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

var (
	_ queue.Flows    = (*Engine)(nil)
	_ queue.Transfer = (*Engine)(nil)
)

func mustFlow(tb testing.TB, e *Engine, jobs ...queue.FlowJob) queue.Flow {
	tb.Helper()
	f, err := e.CreateFlow(tb.Context(), jobs)
	if err != nil {
		tb.Fatalf("CreateFlow: %v", err)
	}
	return f
}

func flowJob(key string, on ...string) queue.FlowJob {
	return queue.FlowJob{Key: key, DependsOn: on, New: queue.New{Type: key}}
}

// edges counts the records of dependencies.
func (b *box) edges(tb testing.TB) int {
	tb.Helper()
	n := 0
	err := b.space.Scan(tb.Context(), store.ScanOptions{Prefix: []byte{dependentKey}, KeysOnly: true}, func(_, _ []byte) (bool, error) {
		n++
		return true, nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// leftovers checks that nothing is remembered of jobs that wait for none.
func (b *box) leftovers(tb testing.TB) {
	tb.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	t := &b.table
	if n := len(t.pending) + len(t.dependents) + len(t.unsettled) + len(t.marks) + len(t.stale) + len(t.doomed) + len(t.claims); n != 0 {
		tb.Errorf("left in memory: pending %v dependents %v unsettled %v marks %v stale %v doomed %v claims %v",
			t.pending, t.dependents, t.unsettled, t.marks, t.stale, t.doomed, t.claims)
	}
}

// TestManyDependents has more jobs wait for one than its last commit takes, and ends the process right after it.
func TestManyDependents(t *testing.T) {
	const many = 3*settleAtOnce + 7
	for _, c := range []struct {
		outcome queue.Outcome
		ended   queue.Status
		want    queue.Status
	}{
		{queue.Outcome{}, queue.Completed, queue.Ready},
		{queue.Outcome{Err: errTest, Permanent: true}, queue.Dead, queue.Cancelled},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(c.ended, restart), func(t *testing.T) {
				b := openIdle(t, t.TempDir(), Config{})
				first := mustEnqueue(t, b.Engine, queue.New{Type: "a"})[0]
				news := make([]queue.New, many)
				for i := range news {
					news[i] = queue.New{Type: "b", DependsOn: []queue.ID{first.ID}}
				}
				mustEnqueue(t, b.Engine, news...)
				mustFinish(t, b.Engine, mustLease(t, b.Engine), c.outcome)
				if restart {
					b = b.reopen(t)
				}
				before := b.db.Health().CommitNumber
				if !b.buryDoomed(t.Context()) {
					t.Fatal("not all were told")
				}
				if n := b.db.Health().CommitNumber - before; n > 12 {
					t.Errorf("it took %d commits", n)
				}
				checkCounts(t, b.Engine, map[queue.Status]int64{c.ended: 1, c.want: many})
				if n := b.edges(t); n != 0 {
					t.Errorf("%d records of dependencies are left", n)
				}
				b.leftovers(t)
				checkCounts(t, b.reopen(t).Engine, map[queue.Status]int64{c.ended: 1, c.want: many})
			})
		}
	}
}

// TestCascadeIsOneCommit cancels a chain as long as a flow may be.
func TestCascadeIsOneCommit(t *testing.T) {
	b := openIdle(t, t.TempDir(), Config{})
	jobs := make([]queue.FlowJob, 200)
	for i := range jobs {
		jobs[i] = flowJob(fmt.Sprint("n", i))
	}
	f := mustFlow(t, b.Engine, queue.Chain(jobs...)...)
	before := b.db.Health().CommitNumber
	mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{Err: errTest, Permanent: true})
	if !b.buryDoomed(t.Context()) {
		t.Fatal("not all were cancelled")
	}
	if n := b.db.Health().CommitNumber - before; n != 2 {
		t.Errorf("it took %d commits, want one for the end and one for the others", n)
	}
	got, err := b.Flow(t.Context(), f.ID)
	if err != nil || got.Status != queue.Dead || got.Counts[queue.Cancelled] != 199 {
		t.Errorf("%v %v, %v", got.Status, got.Counts, err)
	}
	b.leftovers(t)
	if n := b.edges(t); n != 0 {
		t.Errorf("%d records of dependencies are left", n)
	}
}

// TestDependentsBurialFails has a hook that refuses: it does not keep the other job from ending, and is asked again.
func TestDependentsBurialFails(t *testing.T) {
	refuse := true
	b := openIdle(t, t.TempDir(), Config{Dead: func(_ *store.Batch, j queue.Job, _ errcode.Code, _ string) error {
		if refuse && j.Type == "b" {
			return errors.New("not now")
		}
		return nil
	}})
	f := mustFlow(t, b.Engine, flowJob("a"), flowJob("b", "a"), flowJob("c", "a"), flowJob("d", "b"))
	mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{Err: errTest, Permanent: true})
	check := func(want ...queue.Status) {
		t.Helper()
		for i, s := range want {
			wantStatus(t, b.Engine, f.Jobs[i].Job.ID, s)
		}
	}
	if b.buryDoomed(t.Context()) {
		t.Error("a burial that failed is not reported")
	}
	check(queue.Dead, queue.Waiting, queue.Cancelled, queue.Waiting)
	b = b.reopen(t)
	check(queue.Dead, queue.Waiting, queue.Cancelled, queue.Waiting)
	refuse = false
	if !b.buryDoomed(t.Context()) {
		t.Error("burials failed")
	}
	check(queue.Dead, queue.Cancelled, queue.Cancelled, queue.Cancelled)
	b.leftovers(t)
}

// TestLostDependency opens a queue in which a job that others wait for is gone.
func TestLostDependency(t *testing.T) {
	b := openIdle(t, t.TempDir(), Config{})
	f := mustFlow(t, b.Engine, flowJob("a"), flowJob("b", "a"), queue.FlowJob{Key: "c", DependsOn: []string{"a"}, New: queue.New{Type: "c", OnFailure: queue.Continue}})
	n, _ := parseID(f.Jobs[0].Job.ID)
	batch := b.db.Batch()
	batch.Delete(b.space, key(stateKey, n))
	batch.Delete(b.space, key(bodyKey, n))
	if err := b.db.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	b = b.reopen(t)
	if !b.buryDoomed(t.Context()) {
		t.Error("burials failed")
	}
	wantStatus(t, b.Engine, f.Jobs[1].Job.ID, queue.Cancelled)
	if l := mustLease(t, b.Engine); l.Job.ID != f.Jobs[2].Job.ID {
		t.Errorf("leased %s", l.Job.ID)
	}
}

// TestCrashOfReleasedJob ends the process while a job runs whose record still says that it waits.
func TestCrashOfReleasedJob(t *testing.T) {
	b := openIdle(t, t.TempDir(), Config{})
	f := mustFlow(t, b.Engine, flowJob("a"), flowJob("b", "a"))
	mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{})
	if l := mustLease(t, b.Engine); l.Job.ID != f.Jobs[1].Job.ID {
		t.Fatalf("leased %s", l.Job.ID)
	}
	b = b.reopen(t)
	if j := wantStatus(t, b.Engine, f.Jobs[1].Job.ID, queue.Ready); j.Crashes != 1 || j.Attempt != 1 {
		t.Errorf("after a crash: %+v", j)
	}
	l := mustLease(t, b.Engine)
	if active, err := b.Cancel(t.Context(), l.Job.ID, nil); !active || err != nil {
		t.Fatalf("Cancel: %v, %v", active, err)
	}
	b = b.reopen(t)
	b.buryDoomed(t.Context())
	wantStatus(t, b.Engine, l.Job.ID, queue.Cancelled)
	checkCounts(t, b.Engine, map[queue.Status]int64{queue.Completed: 1, queue.Cancelled: 1})
}

// TestFlowRetention keeps what belongs to a flow until the flow has ended, and then as long as its longest job.
func TestFlowRetention(t *testing.T) {
	clock := newFakeClock()
	b := openIdle(t, t.TempDir(), Config{Clock: clock, ResultTTL: time.Minute, Retention: time.Hour, RetentionDead: 3 * time.Hour})
	f := mustFlow(t, b.Engine, flowJob("a"), flowJob("b", "a"))
	alone := mustEnqueue(t, b.Engine, queue.New{Type: "alone"})[0].ID
	for _, typ := range []string{"a", "alone"} {
		l, err := b.Lease(t.Context(), queue.LeaseRequest{Types: []string{typ}})
		if err != nil {
			t.Fatal(err)
		}
		mustFinish(t, b.Engine, l[0], queue.Outcome{Result: []byte("1")})
	}
	for range 5 {
		clock.advance(time.Hour)
		b.sweepJobs(t)
		if r, err := b.Result(t.Context(), f.Jobs[0].Job.ID); string(r) != "1" || err != nil {
			t.Fatalf("result of a job of a flow that goes on: %s, %v", r, err)
		}
	}
	if _, err := b.Get(t.Context(), alone); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("a job without a flow is still there: %v", err)
	}
	mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{Err: errTest, Permanent: true})
	clock.advance(2 * time.Hour)
	b.sweepJobs(t)
	if got, err := b.Flow(t.Context(), f.ID); err != nil || got.Status != queue.Dead || got.Counts[queue.Completed] != 1 {
		t.Errorf("while its last job is kept: %+v, %v", got, err)
	}
	for range 2 {
		clock.advance(time.Hour + 2*time.Second)
		b.sweepJobs(t)
	}
	if _, err := b.Flow(t.Context(), f.ID); !errcode.Is(err, errcode.NotFound) {
		t.Errorf("after all: %v", err)
	}
	if n := b.keys(t); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

func TestFlowTooLarge(t *testing.T) {
	b := openIdle(t, t.TempDir(), Config{})
	jobs := make([]queue.FlowJob, 4)
	for i := range jobs {
		jobs[i] = flowJob(fmt.Sprint("n", i))
		jobs[i].Payload = fmt.Appendf(nil, "%q", strings.Repeat("x", 200<<10))
	}
	if _, err := b.CreateFlow(t.Context(), jobs); !errcode.Is(err, errcode.TooLarge) {
		t.Errorf("CreateFlow: %v, want too_large", err)
	}
	checkCounts(t, b.Engine, map[queue.Status]int64{})
	b.leftovers(t)
	mustFlow(t, b.Engine, jobs[:2]...)
}

func TestFlowRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := flowRecord{created: drawTime(t, "created"), nodes: make([]flowNode, rapid.IntRange(1, 20).Draw(t, "nodes"))}
		for i := range want.nodes {
			want.nodes[i] = flowNode{n: rapid.Uint64Range(1, store.MaxID).Draw(t, "n"), key: rapid.StringMatching(`[a-z]{1,64}`).Draw(t, "key")}
			for range rapid.IntRange(0, i).Draw(t, "on") {
				want.nodes[i].on = append(want.nodes[i].on, rapid.IntRange(0, i).Draw(t, "index"))
			}
		}
		got, err := decodeFlow(want.encode())
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(flowRecord{}, flowNode{})); err != nil || diff != "" {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
	})
}

func FuzzFlow(f *testing.F) {
	f.Add(flowRecord{created: epoch, nodes: []flowNode{{n: 1, key: "a"}, {n: 2, key: "b", on: []int{0}}}}.encode())
	f.Add([]byte{recordVersion, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := decodeFlow(b)
		if err != nil {
			return
		}
		if again, err := decodeFlow(rec.encode()); err != nil || !cmp.Equal(again, rec, cmp.AllowUnexported(flowRecord{}, flowNode{})) {
			t.Errorf("%+v came back as %+v, %v", rec, again, err)
		}
	})
}

// TestManyJobsTooLarge makes more jobs in one call than a commit takes: none of them is there, and the error says what to do.
func TestManyJobsTooLarge(t *testing.T) {
	b := openIdle(t, t.TempDir(), Config{})
	_, err := b.Enqueue(t.Context(), slices.Repeat([]queue.New{{Type: "a"}}, maxEnqueue)...)
	if !errcode.Is(err, errcode.TooLarge) || !strings.Contains(err.Error(), "in several calls") {
		t.Errorf("Enqueue gave %v", err)
	}
	checkCounts(t, b.Engine, map[queue.Status]int64{})
	mustEnqueue(t, b.Engine, slices.Repeat([]queue.New{{Type: "a"}}, 3000)...)
}
