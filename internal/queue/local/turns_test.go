package local

import (
	"context"
	"fmt"
	goruntime "runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// leaseLater leases a job while nothing can be leased yet, and gives where it comes.
func leaseLater(t *testing.T, e *Engine, r queue.LeaseRequest) <-chan queue.Job {
	t.Helper()
	got := make(chan queue.Job, 1)
	go func() {
		defer close(got)
		l, err := e.Lease(t.Context(), r)
		if err != nil {
			t.Error(err)
			return
		}
		got <- l[0].Job
	}()
	untilWaiting(e)
	return got
}

func (e *Engine) waiting() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.table.waiters)
}

// TestRateRaised raises a rate of one a day while somebody waits for the next day.
func TestRateRaised(t *testing.T) {
	slow, fast := queue.Rate{Jobs: 1, Per: 24 * time.Hour}, queue.Rate{Jobs: 1, Per: time.Second}
	for name, of := range map[string]func(*queue.Rate) queue.SettingsPatch{
		"queue": func(r *queue.Rate) queue.SettingsPatch { return queue.SettingsPatch{Rate: r} },
		"key":   func(r *queue.Rate) queue.SettingsPatch { return queue.SettingsPatch{KeyRate: r} },
	} {
		t.Run(name, func(t *testing.T) {
			clock := newFakeClock()
			b := openBox(t, t.TempDir(), Config{Clock: clock})
			configure(t, b.Engine, "x", of(&slow))
			mustEnqueue(t, b.Engine, keyed("k", 2)...)
			mustLease(t, b.Engine)
			got := leaseLater(t, b.Engine, queue.LeaseRequest{})
			configure(t, b.Engine, "x", of(&fast))
			clock.advance(time.Second)
			select {
			case <-got:
			case <-time.After(10 * time.Second):
				t.Fatal("the job does not come before the old rate lets it")
			}
		})
	}
}

// TestTurnsOfWaiters has jobs come to somebody who waits for room in a queue in the order of priority and age, whatever
// their types are.
func TestTurnsOfWaiters(t *testing.T) {
	for name, limit := range map[string]queue.SettingsPatch{
		"places": {MaxActive: new(1)},
		"rate":   {Rate: &queue.Rate{Jobs: 1, Per: time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			b, clock := idleBox(t)
			configure(t, b.Engine, "x", limit)
			var jobs []queue.New
			for _, typ := range []string{"a", "b", "a", "c", "b", "a"} {
				jobs = append(jobs, queue.New{Type: typ, Queue: "x"})
			}
			jobs = append(jobs, queue.New{Type: "z", Queue: "x", Priority: new(9)})
			mustEnqueue(t, b.Engine, jobs...)
			held := takeNow(t, b.Engine, 1)
			types := held[0].job.Type
			for range 6 {
				got := leaseLater(t, b.Engine, queue.LeaseRequest{})
				clock.advance(time.Second)
				finishHold(t, b.Engine, held[0], queue.Outcome{})
				b.refill(clock.Elapsed())
				j := <-got
				types += j.Type
				n, _ := parseID(j.ID)
				held = []*hold{b.table.holds[n]}
			}
			if types != "zabacba" {
				t.Errorf("they came as %s", types)
			}
		})
	}
}

// TestTurnsOfManyQueues opens the way for several that wait, after a time in which nothing could be leased: they get what
// the weights say, and not what is first in some list.
func TestTurnsOfManyQueues(t *testing.T) {
	b, _ := idleBox(t)
	space := &spaceStub{full: true}
	b.Engine.cfg.Space = space
	var jobs []queue.New
	for range 8 {
		jobs = append(jobs, queue.New{Type: "a", Queue: "cleanup", Writing: true}, queue.New{Type: "a", Queue: "decode", Writing: true})
	}
	mustEnqueue(t, b.Engine, jobs...)
	b.measureSpace()
	var got []<-chan queue.Job
	for i := range 6 {
		got = append(got, leaseLater(t, b.Engine, queue.LeaseRequest{}))
		for b.waiting() <= i {
			goruntime.Gosched()
		}
	}
	space.set(false)
	b.measureSpace()
	by := map[string]int{}
	for _, c := range got {
		by[(<-c).Queue]++
	}
	if diff := cmp.Diff(map[string]int{"decode": 5, "cleanup": 1}, by); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

type spaceStub struct {
	mu   sync.Mutex
	full bool
}

func (s *spaceStub) set(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = full
}

func (s *spaceStub) CheckSpace(int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return errcode.New(errcode.DiskFull, "full")
	}
	return nil
}

// TestCancelledAside cancels the next jobs of a key while they are set aside: the one after them takes the place.
func TestCancelledAside(t *testing.T) {
	b, _ := idleBox(t)
	configure(t, b.Engine, "x", queue.SettingsPatch{KeyMaxActive: new(1)})
	jobs := mustEnqueue(t, b.Engine, keyed("k", 4)...)
	at := takeNow(t, b.Engine, 10)
	for _, j := range jobs[1:3] {
		if _, err := b.Cancel(t.Context(), j.ID, nil); err != nil {
			t.Fatal(err)
		}
	}
	finishHold(t, b.Engine, at[0], queue.Outcome{Release: true, Delay: time.Hour})
	if got := takeNow(t, b.Engine, 10); len(got) != 1 || formatID(got[0].n) != jobs[3].ID {
		t.Errorf("leased %v, want the last", numbersOf(got))
	}
}

// TestManyAside has more jobs of a key that is full than are set aside at once in front of one that may run.
func TestManyAside(t *testing.T) {
	b := openBox(t, t.TempDir(), Config{})
	configure(t, b.Engine, "x", queue.SettingsPatch{KeyMaxActive: new(1)})
	for left := 2*asideMost + 100; left > 0; left -= 1000 {
		mustEnqueue(t, b.Engine, keyed("k", min(left, 1000))...)
	}
	free := mustEnqueue(t, b.Engine, keyed("", 1)...)
	mustLease(t, b.Engine)
	if l := mustLease(t, b.Engine); l.Job.ID != free[0].ID {
		t.Errorf("leased %+v", l.Job)
	}
}

// TestKeysAreForgotten runs jobs of many keys: nothing is kept of them.
func TestKeysAreForgotten(t *testing.T) {
	b, clock := idleBox(t)
	configure(t, b.Engine, "x", queue.SettingsPatch{KeyMaxActive: new(1)})
	kept := func(when string) {
		t.Helper()
		b.mu.Lock()
		defer b.mu.Unlock()
		if k, l, r := len(b.table.lines["x"].keys), len(b.table.limited), len(b.table.refills); k+l+r != 0 {
			t.Errorf("%s: %d keys, %d jobs and %d timers are kept", when, k, l, r)
		}
	}
	run := func() {
		var jobs []queue.New
		for i := range 400 {
			jobs = append(jobs, keyed(fmt.Sprint(i/2), 1)...)
		}
		mustEnqueue(t, b.Engine, jobs...)
		for done := 0; done < len(jobs); {
			for _, h := range takeNow(t, b.Engine, 50) {
				finishHold(t, b.Engine, h, queue.Outcome{})
				done++
			}
			clock.advance(time.Second)
			b.refill(clock.Elapsed())
		}
	}
	run()
	kept("places")
	configure(t, b.Engine, "x", queue.SettingsPatch{KeyRate: &queue.Rate{Jobs: 1, Per: time.Second}})
	run()
	clock.advance(time.Minute)
	b.refill(clock.Elapsed())
	b.forgetKeys()
	kept("rate")
}

// TestKeysAfterOpen opens a queue in which few, or most, of the jobs have a limit key.
func TestKeysAfterOpen(t *testing.T) {
	for _, others := range []int{1, 100} {
		t.Run(fmt.Sprint(others), func(t *testing.T) {
			b, _ := idleBox(t)
			configure(t, b.Engine, "x", queue.SettingsPatch{KeyMaxActive: new(1)})
			mustEnqueue(t, b.Engine, append(append(keyed("one", 2), keyed("", others)...), keyed("two", 2)...)...)
			b = b.reopen(t)
			got := takeNow(t, b.Engine, 200)
			by := map[string]int{}
			for _, h := range got {
				by[h.job.LimitKey]++
			}
			if diff := cmp.Diff(map[string]int{"one": 1, "": others, "two": 1}, by); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestWeightsOfNewQueues changes the configured weights of queues that do not exist yet.
func TestWeightsOfNewQueues(t *testing.T) {
	b, _ := idleBox(t)
	b.Reconfigure(queue.ModeSettings{}, map[string]int{"alarms": 9, "email": 7})
	mustEnqueue(t, b.Engine, queue.New{Type: "a", Queue: "mine"})
	for name, weight := range map[string]int{"alarms": 9, "email": 7, "default": 5, "mine": 5} {
		if l, err := b.Line(t.Context(), name); err != nil || l.Settings.Weight != weight {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
	if err := b.Forget(t.Context(), "alarms"); err != nil {
		t.Fatal(err)
	}
	mustEnqueue(t, b.Engine, queue.New{Type: "a", Queue: "alarms"})
	if l, err := b.Line(t.Context(), "alarms"); err != nil || l.Settings.Weight != 9 {
		t.Errorf("after it was deleted: %+v, %v", l, err)
	}
}

// TestDrainResumed resumes a queue that somebody drains.
func TestDrainResumed(t *testing.T) {
	b, _ := idleBox(t)
	mustEnqueue(t, b.Engine, keyed("", 2)...)
	takeNow(t, b.Engine, 1)
	done := make(chan error)
	go func() { done <- second(b.Drain(t.Context(), "x")) }()
	for waits := 0; waits == 0; goruntime.Gosched() {
		b.mu.Lock()
		waits = len(b.table.lines["x"].idle)
		b.mu.Unlock()
	}
	if l := configure(t, b.Engine, "x", queue.SettingsPatch{Paused: new(false)}); l.Draining {
		t.Error("it is still drained")
	}
	if err := <-done; !errcode.Is(err, errcode.Conflict) {
		t.Errorf("Drain gave %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Drain(ended, "x"); err == nil {
		t.Error("it does not wait for what is at work")
	}
	if got := takeNow(t, b.Engine, 1); len(got) != 0 {
		t.Error("a queue whose drain was given up is not paused")
	}
}

// TestPurgeTells purges more jobs than a commit takes: handlers are told of each, dependents in other queues are
// cancelled, and what is at work stays.
func TestPurgeTells(t *testing.T) {
	told := map[queue.ID]errcode.Code{}
	b := openIdle(t, t.TempDir(), Config{Dead: func(_ *store.Batch, j queue.Job, code errcode.Code, _ string) error {
		told[j.ID] = code
		return nil
	}})
	active := mustEnqueue(t, b.Engine, keyed("", 1)...)[0]
	takeNow(t, b.Engine, 1)
	jobs := mustEnqueue(t, b.Engine, keyed("", 3*actBatch)...)
	jobs = append(jobs, mustEnqueue(t, b.Engine, queue.New{Type: "a", Queue: "x", Delay: time.Hour})...)
	after := mustEnqueue(t, b.Engine, queue.New{Type: "b", Queue: "y", DependsOn: []queue.ID{jobs[0].ID}})[0]
	n, err := b.Purge(t.Context(), "x")
	if err != nil || n != len(jobs) {
		t.Fatalf("Purge removed %d, %v; want %d", n, err, len(jobs))
	}
	for !b.buryDoomed(t.Context()) {
		continue
	}
	if j := wantStatus(t, b.Engine, after.ID, queue.Cancelled); len(j.Errors) != 1 || j.Errors[0].Code != errcode.DependencyFailed {
		t.Errorf("dependent is %+v", j)
	}
	wantStatus(t, b.Engine, active.ID, queue.Active)
	for _, j := range jobs {
		if told[j.ID] != errcode.Cancelled {
			t.Fatalf("of job %s the handler was told %q", j.ID, told[j.ID])
		}
	}
	if _, err := b.Purge(t.Context(), "nowhere"); !errcode.Is(err, errcode.NotFound) {
		t.Errorf("a queue that is not there: %v", err)
	}
}

// crowd counts who is at work.
type crowd struct {
	mu      sync.Mutex
	active  map[string]int // by limit key, and in all under ""
	started int
}

// work does a job, for a while, and reports what is wrong with that.
func (c *crowd) work(key string, mostOfKey, most int) error {
	c.mu.Lock()
	c.started++
	c.active[key]++
	c.active[""]++
	of, all := c.active[key], c.active[""]
	c.mu.Unlock()
	for range 50 {
		goruntime.Gosched()
	}
	c.mu.Lock()
	c.active[key]--
	c.active[""]--
	c.mu.Unlock()
	if of > mostOfKey || all > most {
		return fmt.Errorf("%d of key %s and %d in all are at work", of, key, all)
	}
	return nil
}

func (c *crowd) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.started
}

// TestLimitsOfManyWorkers has many workers take jobs under all limits at once: they are never exceeded, and with every
// second come exactly as many as the rate says.
func TestLimitsOfManyWorkers(t *testing.T) {
	const workers, jobs, rate = 24, 300, 20
	clock := newFakeClock()
	b := openBox(t, t.TempDir(), Config{Clock: clock})
	configure(t, b.Engine, "x", queue.SettingsPatch{
		MaxActive: new(6), KeyMaxActive: new(2), Rate: &queue.Rate{Jobs: rate, Per: time.Second}, KeyRate: &queue.Rate{Jobs: 100, Per: time.Second},
	})
	var all []queue.New
	for i := range jobs {
		all = append(all, keyed(fmt.Sprint("k", i/60), 1)...)
	}
	mustEnqueue(t, b.Engine, all...)
	ctx, cancel := context.WithCancel(t.Context())
	c := &crowd{active: map[string]int{}}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				l, err := b.Lease(ctx, queue.LeaseRequest{})
				if err != nil {
					return
				}
				if err := c.work(l[0].Job.LimitKey, 2, 6); err != nil {
					t.Error(err)
				}
				if err := b.Finish(context.WithoutCancel(ctx), l[0].Lease, queue.Outcome{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for want := rate; want <= jobs; want += rate {
		for c.count() < want || b.waiting() < workers {
			goruntime.Gosched()
		}
		if got := c.count(); got != want {
			t.Errorf("%d jobs have started, want %d", got, want)
		}
		clock.advance(time.Second)
	}
	cancel()
	wg.Wait()
}

// BenchmarkOpenKeys opens a queue with many pending jobs, none or all of which have a limit key.
func BenchmarkOpenKeys(b *testing.B) {
	const pending = 300_000
	for _, key := range []string{"", "k"} {
		b.Run(fmt.Sprintf("key=%q", key), func(b *testing.B) {
			e := openBox(b, b.TempDir(), Config{})
			for range pending / 1000 {
				mustEnqueue(b, e.Engine, keyed(key, 1000)...)
			}
			for b.Loop() {
				e = e.reopen(b)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/pending, "µs/job")
		})
	}
}
