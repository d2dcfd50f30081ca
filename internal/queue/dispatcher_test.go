package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeEngine hands out jobs and writes down how they were finished. Methods it does not have panic.
type fakeEngine struct {
	Engine
	mu       sync.Mutex
	pending  []Job
	changed  chan struct{}
	onCancel map[Lease]func(Lease)
	log      []string
	progress []Progress
	refuse   []error // of the next calls of Finish
	leaseErr error
}

func newFake(jobs ...Job) *fakeEngine {
	f := &fakeEngine{changed: make(chan struct{}), onCancel: map[Lease]func(Lease){}}
	for _, j := range jobs {
		f.add(j)
	}
	return f
}

func (f *fakeEngine) add(j Job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j.Timeout == 0 {
		j.Timeout = time.Hour
	}
	if j.SoftTimeout == 0 {
		j.SoftTimeout = 55 * time.Minute
	}
	f.pending = append(f.pending, j)
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeEngine) Lease(ctx context.Context, r LeaseRequest) ([]Leased, error) {
	for {
		f.mu.Lock()
		if err := f.leaseErr; err != nil {
			f.leaseErr = nil
			f.mu.Unlock()
			return nil, err
		}
		i := slices.IndexFunc(f.pending, func(j Job) bool {
			return slices.Contains(r.Types, j.Type) && !slices.Contains(r.Skip, j.Queue)
		})
		if i >= 0 {
			j := f.pending[i]
			f.pending = slices.Delete(f.pending, i, i+1)
			l := Lease{ID: j.ID, Token: uint64(len(f.onCancel) + 1)}
			f.onCancel[l] = r.OnCancel
			f.mu.Unlock()
			return []Leased{{Job: j, Lease: l}}, nil
		}
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("lease: %w", context.Cause(ctx))
		}
	}
}

func (f *fakeEngine) Finish(_ context.Context, l Lease, o Outcome) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.refuse) > 0 {
		err := f.refuse[0]
		f.refuse = f.refuse[1:]
		return err
	}
	what := "completed"
	switch {
	case o.Release:
		what = fmt.Sprintf("released %v", o.Delay)
	case o.Err != nil:
		what = fmt.Sprintf("failed %s permanent=%v", errcode.Of(o.Err), o.Permanent)
	}
	f.log = append(f.log, fmt.Sprintf("%s %s", l.ID, what))
	return nil
}

func (f *fakeEngine) Progress(_ Lease, p Progress) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.progress = append(f.progress, p)
}

func (f *fakeEngine) wantLog(t *testing.T, want ...string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if diff := cmp.Diff(want, f.log); diff != "" {
		t.Errorf("finished (-want +got):\n%s", diff)
	}
}

// forget drops what was finished so far and gives how much that was.
func (f *fakeEngine) forget() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.log)
	f.log = nil
	return n
}

// waiting is the number of jobs nobody has leased.
func (f *fakeEngine) waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.pending)
}

// handlerFunc is a Handler without burials.
type handlerFunc func(ctx context.Context, j Job) Outcome

func (h handlerFunc) Handle(ctx context.Context, j Job) Outcome { return h(ctx, j) }

func (h handlerFunc) Dead(*store.Batch, Job, errcode.Code, string) error { return nil }

// dispatch runs a dispatcher in a bubble; stop ends it and gives how long that took.
func dispatch(t *testing.T, f *fakeEngine, cfg DispatcherConfig, h handlerFunc) (stop func() time.Duration) {
	t.Helper()
	cfg.Engine, cfg.Mux = f, NewMux()
	cfg.Mux.Handle("a", h)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- NewDispatcher(cfg).Run(ctx) }()
	stopped := false
	stop = func() time.Duration {
		if stopped {
			return 0
		}
		stopped = true
		start := time.Now()
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
		return time.Since(start)
	}
	t.Cleanup(func() { stop() })
	return stop
}

func jobs(n int, queue string) []Job {
	out := make([]Job, n)
	for i := range out {
		out[i] = Job{ID: ID(fmt.Sprintf("%s%d", queue, i+1)), Type: "a", Queue: queue}
	}
	return out
}

func TestDispatcherOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(
			Job{ID: "j1", Type: "a", Queue: "q", Trace: Trace{RequestID: "r", CorrelationID: "c"}},
			Job{ID: "j2", Type: "other", Queue: "q"},
			Job{ID: "j3", Type: "a", Queue: "q"}, Job{ID: "j4", Type: "a", Queue: "q"}, Job{ID: "j5", Type: "a", Queue: "q"},
		)
		type key struct{}
		cfg := DispatcherConfig{Total: 1, Context: func(ctx context.Context, j Job) context.Context {
			return context.WithValue(ctx, key{}, j.ID)
		}}
		stop := dispatch(t, f, cfg, func(ctx context.Context, j Job) Outcome {
			if ctx.Value(key{}) != j.ID {
				t.Errorf("job %s has the context of %v", j.ID, ctx.Value(key{}))
			}
			switch j.ID {
			case "j1":
				if TraceOf(ctx).RequestID != "r" || TraceOf(ctx).CorrelationID != "c" {
					t.Errorf("trace %+v", TraceOf(ctx))
				}
				ReportProgress(ctx, 7, "much")
				return Outcome{}
			case "j3":
				panic("oh")
			case "j4":
				return Outcome{Err: errcode.New(errcode.Trap, "trap"), Permanent: true}
			}
			return Outcome{Release: true, Delay: time.Second}
		})
		synctest.Wait()
		f.wantLog(t, "j1 completed", "j3 failed internal permanent=false", "j4 failed trap permanent=true", "j5 released 1s")
		if diff := cmp.Diff([]Progress{{Fraction: 1, Text: "much"}}, f.progress); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
		if took := stop(); took != 0 {
			t.Errorf("an idle dispatcher took %v to stop", took)
		}
		if f.waiting() != 1 {
			t.Errorf("the job without a handler is gone")
		}
	})
}

func TestDispatcherConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(append(jobs(6, "y"), jobs(4, "x")...)...)
		var mu sync.Mutex
		now, most, total := map[string]int{}, map[string]int{}, 0
		dispatch(t, f, DispatcherConfig{Concurrency: map[string]int{"x": 2}, Default: 3, Total: 4}, func(_ context.Context, j Job) Outcome {
			mu.Lock()
			now[j.Queue]++
			most[j.Queue] = max(most[j.Queue], now[j.Queue])
			total = max(total, now["x"]+now["y"])
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now[j.Queue]--
			mu.Unlock()
			return Outcome{}
		})
		time.Sleep(3*time.Second + time.Millisecond)
		synctest.Wait()
		if n := f.forget(); n != 10 {
			t.Errorf("%d of 10 jobs done in 3 s: the places are not used", n)
		}
		if diff := cmp.Diff(map[string]int{"x": 2, "y": 3}, most); diff != "" || total != 4 {
			t.Errorf("at once (-want +got):\n%s; together %d, want 4", diff, total)
		}
	})
}

func TestDispatcherTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(
			Job{ID: "j1", Type: "a", Queue: "q", Limits: Limits{SoftTimeout: time.Second, Timeout: time.Minute}},
			Job{ID: "j2", Type: "a", Queue: "q", Limits: Limits{SoftTimeout: time.Second, Timeout: 3 * time.Second}},
			Job{ID: "j3", Type: "a", Queue: "q", Limits: Limits{SoftTimeout: time.Second, Timeout: time.Minute}},
		)
		stuck := make(chan struct{})
		stop := dispatch(t, f, DispatcherConfig{Default: 2}, func(ctx context.Context, j Job) Outcome {
			<-ctx.Done()
			if j.Timeout < time.Hour && !errors.Is(context.Cause(ctx), ErrTimeout) {
				t.Errorf("cause of the end: %v", context.Cause(ctx))
			}
			switch j.ID {
			case "j1":
				return Outcome{Err: errors.New("interrupted"), Permanent: true}
			case "j2":
				<-stuck
			}
			return Outcome{} // done in the last moment
		})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		f.wantLog(t, "j1 failed timeout permanent=false", "j3 completed")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		f.wantLog(t, "j1 failed timeout permanent=false", "j3 completed", "j2 failed timeout permanent=false")
		for _, j := range jobs(2, "q") {
			f.add(j)
		}
		synctest.Wait()
		if n := f.waiting(); n != 1 {
			t.Errorf("%d jobs wait while a handler is stuck, want 1", n)
		}
		close(stuck)
		stop()
		if n := f.forget(); n < 4 {
			t.Errorf("%d jobs finished after the stop, want the released ones too", n)
		}
	})
}

func TestDispatcherCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(jobs(1, "q")...)
		dispatch(t, f, DispatcherConfig{}, func(ctx context.Context, _ Job) Outcome {
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), ErrCancelled) {
				t.Errorf("cause of the end: %v", context.Cause(ctx))
			}
			return Outcome{Err: context.Cause(ctx)}
		})
		synctest.Wait()
		for l, cancel := range f.onCancel {
			cancel(l)
		}
		synctest.Wait()
		f.wantLog(t, "q1 failed cancelled permanent=false")
	})
}

func TestDispatcherDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(jobs(4, "q")...)
		stuck := make(chan struct{})
		stop := dispatch(t, f, DispatcherConfig{Drain: 3 * time.Second, Grace: time.Second}, func(ctx context.Context, j Job) Outcome {
			switch j.ID {
			case "q1":
				time.Sleep(2 * time.Second)
				if ctx.Err() != nil {
					t.Errorf("the context ended during the drain")
				}
			case "q2":
				<-ctx.Done()
				return Outcome{Err: errors.New("stopped"), Permanent: true}
			case "q3":
				<-ctx.Done()
				time.Sleep(500 * time.Millisecond)
			case "q4":
				<-stuck
			}
			return Outcome{}
		})
		synctest.Wait()
		f.add(Job{ID: "late", Type: "a", Queue: "other"})
		synctest.Wait()
		f.forget()
		if took := stop(); took != 4*time.Second {
			t.Errorf("the stop took %v, want 4s", took)
		}
		f.wantLog(t, "q1 completed", "q2 released 0s", "q3 completed", "q4 released 0s")
		close(stuck)
	})
}

func TestDispatcherFinishRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(jobs(3, "q")...)
		broken := errors.New("reopening")
		f.refuse = []error{broken, broken, fmt.Errorf("x: %w", ErrLeaseLost), fmt.Errorf("x: %w", ErrStage), fmt.Errorf("x: %w", ErrStage)}
		dispatch(t, f, DispatcherConfig{Default: 1}, func(_ context.Context, j Job) Outcome {
			if j.ID == "q2" {
				return Outcome{}
			}
			return Outcome{Commit: func(*store.Batch) error { return nil }}
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		// q1: refused twice, then lost. q2: cannot be staged, twice, released. q3: completed.
		f.wantLog(t, "q2 released 30s", "q3 completed")
	})
	synctest.Test(t, func(t *testing.T) {
		f := newFake(jobs(1, "q")...)
		f.refuse = []error{ErrStage}
		dispatch(t, f, DispatcherConfig{}, func(context.Context, Job) Outcome {
			return Outcome{Commit: func(*store.Batch) error { return nil }}
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		f.wantLog(t, "q1 failed internal permanent=false")
	})
}

// TestDispatcherGivesUp stops while the engine takes nothing: Run comes back, the job is left to the next start.
func TestDispatcherGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(jobs(1, "q")...)
		f.refuse = slices.Repeat([]error{errors.New("broken")}, 100)
		stop := dispatch(t, f, DispatcherConfig{Drain: 3 * time.Second, Grace: time.Second}, func(context.Context, Job) Outcome { return Outcome{} })
		synctest.Wait()
		if took := stop(); took > 5*time.Second {
			t.Errorf("the stop took %v", took)
		}
		f.wantLog(t)
	})
}

func TestDispatcherLeaseErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(jobs(1, "q")...)
		f.leaseErr = errors.New("reopening")
		dispatch(t, f, DispatcherConfig{}, func(context.Context, Job) Outcome { return Outcome{} })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		f.wantLog(t, "q1 completed")
		f.mu.Lock()
		f.leaseErr = ErrClosed
		f.mu.Unlock()
	})
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.leaseErr = ErrClosed
		if err := NewDispatcher(DispatcherConfig{Engine: f, Mux: NewMux()}).Run(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Run on a closed engine: %v", err)
		}
	})
}

func TestMux(t *testing.T) {
	m := NewMux()
	m.Handle("b", handlerFunc(nil))
	m.Handle("a", handlerFunc(nil))
	if diff := cmp.Diff([]string{"a", "b"}, m.Types()); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
	if err := m.Dead(nil, Job{Type: "c"}, errcode.Corrupt, ""); err != nil {
		t.Errorf("Dead of a type without handler: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Errorf("two handlers for one type are taken")
		}
	}()
	m.Handle("a", handlerFunc(nil))
}
