package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wayside-edge/wayside/internal/cache"
	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/kv/aof"
	"github.com/wayside-edge/wayside/internal/observe"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/store"
)

// watchPart looks at one part in virtual time; the function waits and gives its status and the codes of its reasons.
func watchPart(t *testing.T, check observe.Check) (after func(time.Duration) string) {
	t.Helper()
	h := observe.NewHealth(slog.New(slog.DiscardHandler))
	h.Register("part", false, check)
	h.Look(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return func(d time.Duration) string {
		time.Sleep(d + 10*time.Millisecond)
		synctest.Wait()
		c := h.Report().Components[1]
		words := []string{string(c.Status)}
		for _, r := range c.Reasons {
			if r.Text == "" || r.Since.IsZero() {
				t.Errorf("a reason without words or time: %+v", r)
			}
			words = append(words, r.Code)
		}
		return strings.Join(words, " ")
	}
}

// TestEveryPartGetsIllAndWell brings every part into each of its states and out of it again.
func TestEveryPartGetsIllAndWell(t *testing.T) {
	stats := func(waiting, places int, idle ...bool) runtime.Stats {
		st := runtime.Stats{Waiting: waiting, Places: places}
		for _, i := range idle {
			st.Workers = append(st.Workers, runtime.WorkerStats{Idle: i})
		}
		return st
	}
	workers := func(st func() runtime.Stats) func() []observe.Reason {
		return func() []observe.Reason { return workerReasons(time.Now(), st()) }
	}
	plugins := func(states ...runtime.State) []observe.Reason {
		var list []runtime.Plugin
		for _, s := range states {
			list = append(list, runtime.Plugin{ID: "p", State: s})
		}
		return pluginReasons(list)
	}
	line := func(l queue.Line, ready time.Duration, active int64) []observe.Reason {
		l.Counts = queue.Counts{Queue: "decode", OldestReady: ready, Counts: map[queue.Status]int64{queue.Active: active}}
		return queueReasons([]queue.Line{{Counts: queue.Counts{Queue: "email", OldestReady: time.Hour}}, l})
	}
	crashed := func(n int, ago time.Duration) func() runtime.Stats {
		at := time.Now // asked inside the bubble
		var list []time.Time
		return func() runtime.Stats {
			for len(list) < n {
				list = append(list, at().Add(-ago))
			}
			return runtime.Stats{Crashes: list}
		}
	}
	broken := errors.New("no")
	for name, c := range map[string]struct {
		ill    func() []observe.Reason
		before time.Duration // it is healthy so long, if that is not nothing
		by     time.Duration // when it is ill
		state  string
		held   time.Duration // it stays so long
		well   string        // how it is called when it is well; default healthy
	}{
		"store is broken":    {ill: func() []observe.Reason { return storeReasons(store.Health{Broken: "x"}) }, state: "unhealthy store_broken", held: 8 * time.Second},
		"store lost commits": {ill: func() []observe.Reason { return storeReasons(store.Health{LostCommits: 2}) }, state: "degraded commits_lost", held: 28 * time.Second},
		"commit is slow":     {ill: func() []observe.Reason { return commitReasons(6 * time.Second) }, state: "degraded commit_slow", held: 28 * time.Second},
		"commit is stuck":    {ill: func() []observe.Reason { return commitReasons(31 * time.Second) }, state: "unhealthy commit_stuck", held: 8 * time.Second},
		"disk reserve":       {ill: func() []observe.Reason { return diskReasons(store.Health{LowSpace: true}) }, state: "degraded disk_full", held: 28 * time.Second},
		"no plugins":         {ill: func() []observe.Reason { return plugins() }, state: "degraded no_plugins", held: 28 * time.Second},
		"plugin rejected":    {ill: func() []observe.Reason { return plugins(runtime.Active, runtime.Rejected) }, state: "degraded plugins_rejected", held: 28 * time.Second},
		"plugin compiles":    {ill: func() []observe.Reason { return plugins(runtime.Active, runtime.Compiling) }, state: "healthy compiling"},
		"plugin compiles long": {
			ill:    func() []observe.Reason { return plugins(runtime.Active, runtime.Compiling) },
			before: 50 * time.Second, by: 65 * time.Second, state: "degraded compiling_long compiling",
		},
		"confined with less": {
			ill: func() []observe.Reason {
				return workerReasons(time.Now(), runtime.Stats{Confinement: runtime.Confinement{Missing: []string{"seccomp"}}})
			}, state: "degraded confined_less", held: 28 * time.Second,
		},
		"workers crash":         {ill: workers(crashed(4, time.Minute)), state: "degraded workers_crash", held: 28 * time.Second},
		"workers crashed twice": {ill: workers(crashed(3, time.Minute)), state: "healthy"},
		"workers crashed once":  {ill: workers(crashed(8, time.Hour)), state: "healthy"},
		"no worker lives": {
			ill:    workers(func() runtime.Stats { return stats(1, 2) }),
			before: 8 * time.Second, by: 12 * time.Second, state: "unhealthy no_workers", held: 8 * time.Second,
		},
		"no place": {
			ill:    workers(func() runtime.Stats { return stats(3, 2, false, false) }),
			before: 55 * time.Second, by: 65 * time.Second, state: "degraded no_place", held: 28 * time.Second,
		},
		"a place is free": {ill: workers(func() runtime.Stats { return stats(3, 2, false, true) }), by: 5 * time.Minute, state: "healthy"},
		"queue stalls": {
			ill:    func() []observe.Reason { return line(queue.Line{}, 2*time.Minute, 0) },
			before: 55 * time.Second, by: 65 * time.Second, state: "degraded queue_stalled", held: 28 * time.Second,
		},
		"queue is paused":   {ill: func() []observe.Reason { return line(queue.Line{Settings: queue.Settings{Paused: true}}, time.Hour, 0) }, by: time.Hour, state: "healthy paused"},
		"queue is at work":  {ill: func() []observe.Reason { return line(queue.Line{}, time.Hour, 1) }, by: time.Hour, state: "healthy"},
		"kv is off":         {ill: func() []observe.Reason { return kvReasons(false, "", nil, aof.Status{}) }, state: "healthy off"},
		"kv has no address": {ill: func() []observe.Reason { return kvReasons(false, "taken", nil, aof.Status{}) }, state: "degraded address_taken"},
		"kv log fails":      {ill: func() []observe.Reason { return kvReasons(true, "", nil, aof.Status{Failure: broken}) }, state: "degraded kv_log_failed", held: 28 * time.Second},
		"kv users fail":     {ill: func() []observe.Reason { return kvReasons(true, "", broken, aof.Status{}) }, state: "degraded kv_users_failed", held: 28 * time.Second},
		"kv log damaged": {
			ill: func() []observe.Reason {
				return kvReasons(true, "x", nil, aof.Status{Load: aof.LoadReport{Damaged: []string{"x"}}})
			}, state: "degraded address_taken kv_log_damaged",
		},
		"cache is off": {ill: func() []observe.Reason { return cacheReasons(cache.Stats{State: cache.StateOff}) }, state: "healthy off"},
		"cache fails": {
			ill: func() []observe.Reason { return cacheReasons(cache.Stats{State: cache.StateFailing, Detail: "away"}) }, state: "degraded cache_failing", held: 28 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ill atomic.Bool
				after := watchPart(t, func(context.Context) []observe.Reason {
					if ill.Load() {
						return c.ill()
					}
					return nil
				})
				want := func(d time.Duration, want string) {
					t.Helper()
					if got := after(d); got != want {
						t.Fatalf("it is %q, want %q", got, want)
					}
				}
				want(0, "healthy")
				ill.Store(true)
				if c.before > 0 && !strings.HasPrefix(after(c.before), "healthy") {
					t.Fatal("it is ill too early")
				}
				want(max(time.Second, c.by-c.before), c.state)
				ill.Store(false)
				if c.held > 0 {
					want(c.held, c.state)
				}
				want(32*time.Second, "healthy")
			})
		})
	}
}

func TestTheDiskIsTriedByWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := disk.NewFault(disk.OS)
		probe := &diskProbe{fs: fault, dir: t.TempDir()}
		after := watchPart(t, func(context.Context) []observe.Reason { return probe.look() })
		want := func(d time.Duration, want string) {
			t.Helper()
			if got := after(d); got != want {
				t.Fatalf("the disk is %q, want %q", got, want)
			}
		}
		want(10*time.Minute, "healthy")
		if n := fault.Calls(disk.OpSync); n > 22 {
			t.Errorf("%d probes in ten minutes", n)
		}
		for _, op := range []disk.Op{disk.OpTemp, disk.OpWrite, disk.OpSync, disk.OpRemove} {
			fault.Fail(op, 0, -1, errors.New("input/output error"))
			want(probeEvery, "unhealthy write_failed")
			fault.Heal()
			want(9*time.Second, "unhealthy write_failed") // it was tried at once, and has to prove itself
			want(3*time.Second, "healthy")
		}
		fault.Delay(disk.OpSync, 3*time.Second)
		want(probeEvery+4*time.Second, "degraded disk_slow")
		fault.Delay(disk.OpSync, time.Hour) // it blocks
		want(probeEvery+10*time.Second, "unhealthy no_answer disk_slow")
		fault.Heal()
		want(time.Hour, "degraded disk_slow") // it answered, late
		want(probeEvery+31*time.Second, "healthy")
		fault.Budget(0)
		want(probeEvery, "degraded disk_full")
		fault.Budget(-1)
		want(probeEvery+31*time.Second, "healthy")
	})
}

func TestTheClockIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var off, record atomic.Int64 // of the wall clock; of the newest record, from now
		clock := &clockWatch{
			now: func() time.Time { return time.Now().Add(time.Duration(off.Load())) },
			newest: func(context.Context) (time.Time, error) {
				if r := record.Load(); r != 0 {
					return time.Unix(r, 0), nil
				}
				return time.Time{}, nil
			},
		}
		after := watchPart(t, clock.look)
		want := func(d time.Duration, want string) {
			t.Helper()
			if got := after(d); got != want {
				t.Fatalf("the clock is %q, want %q", got, want)
			}
		}
		want(time.Hour, "healthy")
		off.Store(int64(4 * time.Second)) // set by so little as is done to keep it right
		want(time.Minute, "healthy")
		record.Store(time.Now().Unix())
		off.Store(int64(-time.Hour))
		want(time.Second, "degraded clock_behind clock_jumped")
		want(jumpKept+31*time.Second, "degraded clock_behind")
		off.Store(0)
		want(time.Second, "degraded clock_behind clock_jumped")
		want(31*time.Second, "degraded clock_jumped")
		want(jumpKept, "healthy")
		off.Store(int64(time.Hour))
		want(time.Second, "degraded clock_jumped")
		want(jumpKept+31*time.Second, "healthy")
	})
}
