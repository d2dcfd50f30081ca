package local

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

var _ queue.Manager = (*Engine)(nil)

func idleBox(t *testing.T) (*box, *fakeClock) {
	t.Helper()
	clock := newFakeClock()
	return openIdle(t, t.TempDir(), Config{Clock: clock, Rules: queue.Rules{Backoff: queue.Backoff{Jitter: -1}}}), clock
}

func configure(t *testing.T, e *Engine, name string, p queue.SettingsPatch) queue.Line {
	t.Helper()
	l, err := e.Configure(t.Context(), name, p)
	if err != nil {
		t.Fatalf("Configure: %v", err)
	}
	return l
}

// takeNow leases what there is, without waiting.
func takeNow(tb testing.TB, e *Engine, limit int) []*hold {
	tb.Helper()
	w := &waiter{r: queue.LeaseRequest{Max: limit}, now: true}
	got, err := e.waitForJobs(context.WithoutCancel(tb.Context()), w)
	if err != nil {
		tb.Fatalf("lease: %v", err)
	}
	if _, err := e.start(context.WithoutCancel(tb.Context()), got); err != nil {
		tb.Fatalf("start: %v", err)
	}
	return got
}

func finishHold(tb testing.TB, e *Engine, h *hold, o queue.Outcome) {
	tb.Helper()
	if err := e.Finish(context.WithoutCancel(tb.Context()), queue.Lease{ID: formatID(h.n), Token: h.token}, o); err != nil {
		tb.Fatalf("Finish: %v", err)
	}
}

// untilWaiting returns when somebody waits for a job.
func untilWaiting(e *Engine) {
	for n := 0; n == 0; goruntime.Gosched() {
		e.mu.Lock()
		n = len(e.table.waiters)
		e.mu.Unlock()
	}
}

func numbersOf(holds []*hold) (out []uint64) {
	for _, h := range holds {
		out = append(out, h.n)
	}
	return out
}

func keyed(key string, n int) (jobs []queue.New) {
	for range n {
		jobs = append(jobs, queue.New{Type: "a", Queue: "x", LimitKey: key})
	}
	return jobs
}

func TestMaxActive(t *testing.T) {
	b, _ := idleBox(t)
	configure(t, b.Engine, "x", queue.SettingsPatch{MaxActive: new(2)})
	mustEnqueue(t, b.Engine, append(keyed("", 5), queue.New{Type: "a", Queue: "y"})...)
	got := takeNow(t, b.Engine, 10)
	if len(got) != 3 {
		t.Fatalf("%d jobs were leased, want two of x and one of y", len(got))
	}
	told := make(chan []queue.Leased)
	go func() {
		l, err := b.Lease(t.Context(), queue.LeaseRequest{Queues: []string{"x"}})
		if err != nil {
			t.Error(err)
		}
		told <- l
	}()
	untilWaiting(b.Engine)
	for _, h := range got {
		if h.lane.queue.name == "x" {
			finishHold(t, b.Engine, h, queue.Outcome{})
			break
		}
	}
	if l := <-told; len(l) != 1 {
		t.Fatal("the place of the job that ended was not given to who waited for it")
	}
	configure(t, b.Engine, "x", queue.SettingsPatch{MaxActive: new(0)})
	if got := takeNow(t, b.Engine, 10); len(got) != 2 {
		t.Errorf("without the limit %d jobs were leased, want the other two", len(got))
	}
}

func TestRate(t *testing.T) {
	b, clock := idleBox(t)
	configure(t, b.Engine, "x", queue.SettingsPatch{Rate: &queue.Rate{Jobs: 2, Per: time.Second, Burst: 3}})
	mustEnqueue(t, b.Engine, keyed("", 20)...)
	var got []int
	for range 4 {
		b.refill(clock.Elapsed())
		got = append(got, len(takeNow(t, b.Engine, 10)))
		if wait := b.refill(clock.Elapsed()); wait != 500*time.Millisecond {
			t.Errorf("the next token is looked for in %s, want 500ms", wait)
		}
		clock.advance(time.Second)
	}
	clock.advance(time.Hour)
	got = append(got, len(takeNow(t, b.Engine, 10)))
	if diff := cmp.Diff([]int{3, 2, 2, 2, 3}, got); diff != "" {
		t.Errorf("jobs a second (-want +got):\n%s", diff)
	}
}

// TestRateWakes holds Run to hand a job to who waits as soon as there is a token.
func TestRateWakes(t *testing.T) {
	clock := newFakeClock()
	b := openBox(t, t.TempDir(), Config{Clock: clock})
	configure(t, b.Engine, "x", queue.SettingsPatch{Rate: &queue.Rate{Jobs: 1, Per: time.Minute}})
	mustEnqueue(t, b.Engine, keyed("", 2)...)
	for i := range 2 {
		told := make(chan error)
		go func() {
			_, err := b.Lease(t.Context(), queue.LeaseRequest{})
			told <- err
		}()
		if i == 1 {
			untilWaiting(b.Engine)
			clock.advance(time.Minute)
		}
		if err := <-told; err != nil {
			t.Fatal(err)
		}
	}
}

func TestKeyLimit(t *testing.T) {
	b, _ := idleBox(t)
	configure(t, b.Engine, "x", queue.SettingsPatch{KeyMaxActive: new(1)})
	one := mustEnqueue(t, b.Engine, keyed("one", 3)...)
	two := mustEnqueue(t, b.Engine, keyed("two", 2)...)
	free := mustEnqueue(t, b.Engine, keyed("", 1)...)
	number := func(j queue.Job) uint64 { n, _ := parseID(j.ID); return n }
	got := takeNow(t, b.Engine, 10)
	want := []uint64{number(one[0]), number(two[0]), number(free[0])}
	if diff := cmp.Diff(want, numbersOf(got)); diff != "" {
		t.Fatalf("leased (-want +got):\n%s", diff)
	}
	// The second of "one" comes back with the end of the first, and when it is cancelled the third takes its turn.
	finishHold(t, b.Engine, got[0], queue.Outcome{})
	if _, err := b.Cancel(t.Context(), one[1].ID, nil); err != nil {
		t.Fatal(err)
	}
	next := takeNow(t, b.Engine, 10)
	if diff := cmp.Diff([]uint64{number(one[2])}, numbersOf(next)); diff != "" {
		t.Fatalf("after the end of one (-want +got):\n%s", diff)
	}
	// One that is put back keeps no place.
	finishHold(t, b.Engine, got[1], queue.Outcome{Release: true, Delay: time.Hour})
	if diff := cmp.Diff([]uint64{number(two[1])}, numbersOf(takeNow(t, b.Engine, 10))); diff != "" {
		t.Fatalf("after a release (-want +got):\n%s", diff)
	}
	lines, err := b.Lines(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(lines, func(l queue.Line) bool { return l.Queue == "x" })
	if c := lines[at].Counts.Counts; c[queue.Active] != 3 || c[queue.Ready] != 0 || c[queue.Scheduled] != 1 {
		t.Errorf("counts are %v", c)
	}
}

func TestKeyRate(t *testing.T) {
	b, clock := idleBox(t)
	configure(t, b.Engine, "x", queue.SettingsPatch{KeyRate: &queue.Rate{Jobs: 1, Per: time.Second}})
	mustEnqueue(t, b.Engine, append(keyed("one", 3), keyed("two", 2)...)...)
	var got []int
	for range 4 {
		got = append(got, len(takeNow(t, b.Engine, 10)))
		clock.advance(time.Second)
		b.refill(clock.Elapsed())
	}
	if diff := cmp.Diff([]int{2, 2, 1, 0}, got); diff != "" {
		t.Errorf("jobs a second (-want +got):\n%s", diff)
	}
	clock.advance(time.Minute)
	b.forgetKeys()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range b.table.lines["x"].keys {
		if k.active == 0 {
			t.Error("a key without jobs is remembered")
		}
	}
}

func TestPauseDrainPurgeForget(t *testing.T) {
	b, _ := idleBox(t)
	mustEnqueue(t, b.Engine, keyed("k", 3)...)
	at := takeNow(t, b.Engine, 1)
	type drained struct {
		line queue.Line
		err  error
	}
	done := make(chan drained)
	go func() {
		l, err := b.Drain(t.Context(), "x")
		done <- drained{l, err}
	}()
	for { // until it waits
		if l, err := b.Line(t.Context(), "x"); err != nil {
			t.Fatal(err)
		} else if l.Draining && l.Paused {
			break
		}
	}
	if got := takeNow(t, b.Engine, 10); len(got) != 0 {
		t.Fatalf("%d jobs of a paused queue were leased", len(got))
	}
	finishHold(t, b.Engine, at[0], queue.Outcome{})
	if d := <-done; d.err != nil || d.line.Draining || !d.line.Paused || d.line.Counts.Counts[queue.Ready] != 2 {
		t.Fatalf("drained: %+v", d)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Drain(ended, "x"); err != nil {
		t.Errorf("a queue that is idle is not drained at once: %v", err)
	}
	b = b.reopen(t)
	if got := takeNow(t, b.Engine, 10); len(got) != 0 {
		t.Fatal("the queue is not paused after a restart")
	}
	if err := b.Forget(t.Context(), "x"); !errcode.Is(err, errcode.Conflict) {
		t.Errorf("a queue with jobs is deleted: %v", err)
	}
	if n, err := b.Purge(t.Context(), "x"); err != nil || n != 3 {
		t.Fatalf("Purge removed %d jobs, %v; want the completed one and the two that waited", n, err)
	}
	if err := b.Forget(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x", "nowhere"} {
		if _, err := b.Line(t.Context(), name); !errcode.Is(err, errcode.NotFound) {
			t.Errorf("queue %s is there: %v", name, err)
		}
	}
	if err := b.Forget(t.Context(), "decode"); !errcode.Is(err, errcode.Conflict) {
		t.Errorf("a built-in queue is deleted: %v", err)
	}
	mustEnqueue(t, b.Engine, keyed("k", 1)...)
	if got := takeNow(t, b.Engine, 10); len(got) != 1 {
		t.Error("a queue that was deleted does not begin anew")
	}
	if l, err := b.Line(t.Context(), "x"); err != nil || l.Paused {
		t.Errorf("the queue is %+v, %v", l, err)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	b, _ := idleBox(t)
	for field, p := range map[string]queue.SettingsPatch{
		"weight": {Weight: new(-1)}, "max_active": {MaxActive: new(-1)}, "key_max_active": {KeyMaxActive: new(maxActive + 1)},
		"rate": {Rate: &queue.Rate{Jobs: 1}}, "key_rate": {KeyRate: &queue.Rate{Jobs: -1, Per: time.Second}},
	} {
		_, err := b.Configure(t.Context(), "x", p)
		if e, ok := errors.AsType[*errcode.Error](err); !ok || len(e.Fields) != 1 || e.Fields[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := b.Configure(t.Context(), "no queue", queue.SettingsPatch{}); !errcode.Is(err, errcode.ValidationFailed) {
		t.Errorf("a queue without a proper name: %v", err)
	}
	if l := configure(t, b.Engine, "decode", queue.SettingsPatch{Weight: new(7), Paused: new(true)}); l.Settings.Weight != 7 || !l.BuiltIn {
		t.Errorf("line is %+v", l)
	}
	// What is damaged is as if it had never been changed, and the queue opens.
	batch := b.db.Batch()
	batch.Set(b.space, settingsRecord("decode"), []byte(`{"Weight":-5}`))
	if err := b.db.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	b = b.reopen(t)
	if l, err := b.Line(t.Context(), "decode"); err != nil || l.Paused || l.Settings.Weight != 5 {
		t.Errorf("line is %+v, %v", l, err)
	}
}

// TestLimitsHold runs random work under limits of a queue and of keys: none is ever exceeded, and in the end every job
// has run, in the order of its key.
func TestLimitsHold(t *testing.T) {
	root, runs := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		clock := newFakeClock()
		b := openIdle(t, fmt.Sprintf("%s/%d", root, runs), Config{Clock: clock, Rules: queue.Rules{Backoff: queue.Backoff{Jitter: -1}}})
		defer b.stop()
		set := queue.SettingsPatch{
			MaxActive: new(rapid.IntRange(0, 4).Draw(rt, "max_active")), KeyMaxActive: new(rapid.IntRange(0, 2).Draw(rt, "key_max_active")),
			Rate: new(queue.Rate{}), KeyRate: new(queue.Rate{}),
		}
		if rapid.Bool().Draw(rt, "rate") {
			*set.Rate = queue.Rate{Jobs: 3, Per: time.Second}
		}
		if rapid.Bool().Draw(rt, "key rate") {
			*set.KeyRate = queue.Rate{Jobs: 1, Per: time.Second, Burst: 2}
		}
		configure(t, b.Engine, "x", set)
		keyOf, held, ended := map[uint64]string{}, []*hold{}, map[uint64]bool{}
		take := func() {
			held = append(held, takeNow(t, b.Engine, rapid.IntRange(1, 4).Draw(rt, "most"))...)
			by := map[string]int{}
			for _, h := range held {
				if by[keyOf[h.n]]++; keyOf[h.n] != "" && *set.KeyMaxActive > 0 && by[keyOf[h.n]] > *set.KeyMaxActive {
					rt.Fatalf("%d jobs of key %s are at work", by[keyOf[h.n]], keyOf[h.n])
				}
			}
			if *set.MaxActive > 0 && len(held) > *set.MaxActive {
				rt.Fatalf("%d jobs are at work", len(held))
			}
		}
		end := func() {
			i := rapid.IntRange(0, len(held)-1).Draw(rt, "job")
			o := rapid.SampledFrom([]queue.Outcome{{}, {}, {Err: errTest}, {Release: true}}).Draw(rt, "outcome")
			finishHold(t, b.Engine, held[i], o)
			ended[held[i].n] = o.Err == nil && !o.Release
			held = slices.Delete(held, i, i+1)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"enqueue": func(rt *rapid.T) {
				key := rapid.SampledFrom([]string{"", "one", "two"}).Draw(rt, "key")
				n, _ := parseID(mustEnqueue(t, b.Engine, queue.New{Type: "a", Queue: "x", LimitKey: key, MaxAttempts: 100})[0].ID)
				keyOf[n] = key
			},
			"take": func(*rapid.T) { take() },
			"end": func(rt *rapid.T) {
				if len(held) == 0 {
					rt.Skip("nothing is at work")
				}
				end()
			},
			"cancel": func(rt *rapid.T) {
				for n := range keyOf {
					if !ended[n] && !slices.Contains(numbersOf(held), n) {
						if _, err := b.Cancel(context.WithoutCancel(t.Context()), formatID(n), nil); err != nil {
							rt.Fatal(err)
						}
						ended[n] = true
						return
					}
				}
			},
			"advance": func(*rapid.T) {
				clock.advance(700 * time.Millisecond)
				b.fire(clock.Elapsed())
				b.refill(clock.Elapsed())
			},
			"reopen": func(rt *rapid.T) {
				for len(held) > 0 {
					finishHold(t, b.Engine, held[0], queue.Outcome{Release: true})
					held = held[1:]
				}
				b = b.reopen(t)
			},
		})
		for range 100 * (len(keyOf) + 1) {
			for len(held) > 0 {
				finishHold(t, b.Engine, held[0], queue.Outcome{})
				ended[held[0].n] = true
				held = held[1:]
			}
			clock.advance(time.Second)
			b.fire(clock.Elapsed())
			b.refill(clock.Elapsed())
			take()
		}
		for n := range keyOf {
			if !ended[n] {
				rt.Fatalf("job %s of key %q never ran", formatID(n), keyOf[n])
			}
		}
	})
}

// BenchmarkLeaseKeys leases and ends jobs of 10,000 limit keys, half of whose jobs have to be set aside.
func BenchmarkLeaseKeys(b *testing.B) {
	for _, keys := range []int{0, 10_000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			e := openBox(b, b.TempDir(), Config{})
			if _, err := e.Configure(b.Context(), "default", queue.SettingsPatch{KeyMaxActive: new(1)}); err != nil {
				b.Fatal(err)
			}
			var jobs []queue.New
			for i := range b.N {
				n := queue.New{Type: "a", Payload: []byte(`{}`)}
				if keys > 0 {
					n.LimitKey = fmt.Sprint(i / 2 % keys)
				}
				if jobs = append(jobs, n); len(jobs) == 1000 || i == b.N-1 {
					if _, err := e.Enqueue(b.Context(), jobs...); err != nil {
						b.Fatal(err)
					}
					jobs = jobs[:0]
				}
			}
			b.ResetTimer()
			each(b.N, 64, func() {
				l, err := e.Lease(b.Context(), queue.LeaseRequest{})
				if err != nil {
					b.Error(err)
					return
				}
				if err := e.Finish(b.Context(), l[0].Lease, queue.Outcome{}); err != nil {
					b.Error(err)
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

// fieldsOf gives the names of the fields that an error is about.
func fieldsOf(err error) (out []string) {
	if e, ok := errors.AsType[*errcode.Error](err); ok {
		for _, f := range e.Fields {
			out = append(out, f.Field)
		}
	}
	return out
}
