package local

import (
	"context"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

var _ queue.Schedules = (*Engine)(nil)

func putSchedule(tb testing.TB, e *Engine, s queue.Schedule) queue.Schedule {
	tb.Helper()
	if s.ID == "" {
		s.ID = "s"
	}
	if s.Job.Type == "" {
		s.Job.Type = "a"
	}
	got, err := e.PutSchedule(context.WithoutCancel(tb.Context()), s)
	if err != nil {
		tb.Fatalf("PutSchedule: %v", err)
	}
	return got
}

func scheduleOf(tb testing.TB, e *Engine) queue.Schedule {
	tb.Helper()
	s, err := e.Schedule(context.WithoutCancel(tb.Context()), "s")
	if err != nil {
		tb.Fatalf("Schedule: %v", err)
	}
	return s
}

func allJobs(tb testing.TB, e *Engine) []queue.Job {
	tb.Helper()
	p, err := e.List(context.WithoutCancel(tb.Context()), queue.Filter{Limit: 1000})
	if err != nil {
		tb.Fatalf("List: %v", err)
	}
	return p.Jobs
}

func TestScheduleFires(t *testing.T) {
	b, clock := idleBox(t)
	s := putSchedule(t, b.Engine, queue.Schedule{Cron: "0 * * * *", Job: queue.New{Type: "report", Queue: "reports", Payload: []byte(`{"n":1}`)}})
	if !s.NextRunAt.Equal(epoch.Add(time.Hour)) || s.Missed != queue.MissedOnce || s.Overlap != queue.OverlapSkip {
		t.Fatalf("schedule is %+v", s)
	}
	if wait := b.firePlans(t.Context()); wait != time.Minute || len(allJobs(t, b.Engine)) != 0 {
		t.Fatalf("before its time, looks again in %s", wait)
	}
	clock.advance(59*time.Minute + 30*time.Second)
	if wait := b.firePlans(t.Context()); wait != 30*time.Second {
		t.Errorf("half a minute before, looks again in %s", wait)
	}
	clock.advance(30 * time.Second)
	for range 3 {
		b.firePlans(t.Context())
	}
	jobs := allJobs(t, b.Engine)
	if len(jobs) != 1 || jobs[0].Type != "report" || jobs[0].Queue != "reports" || jobs[0].ScheduleID != "s" || jobs[0].Status != queue.Ready {
		t.Fatalf("jobs are %+v", jobs)
	}
	s = scheduleOf(t, b.Engine)
	if !s.LastRunAt.Equal(clock.Wall()) || s.LastJobID != jobs[0].ID || !s.NextRunAt.Equal(epoch.Add(2*time.Hour)) {
		t.Errorf("schedule is %+v", s)
	}
	b = b.reopen(t)
	b.firePlans(t.Context())
	if n := len(allJobs(t, b.Engine)); n != 1 {
		t.Errorf("after a restart there are %d jobs", n)
	}
	if _, err := b.RunSchedule(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteSchedule(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	clock.advance(24 * time.Hour)
	b = b.reopen(t)
	b.firePlans(t.Context())
	if n := len(allJobs(t, b.Engine)); n != 2 {
		t.Errorf("%d jobs, want the one of its time and the one by hand", n)
	}
	for _, err := range []error{b.DeleteSchedule(t.Context(), "s"), second(b.RunSchedule(t.Context(), "s")), second(b.Schedule(t.Context(), "s"))} {
		if !errcode.Is(err, errcode.NotFound) {
			t.Errorf("a schedule that was deleted: %v", err)
		}
	}
}

// set sets the wall alone.
func (c *fakeClock) set(t time.Time) { c.step(t.Sub(c.Wall())) }

func second[T any](_ T, err error) error { return err }

// TestScheduleRuns holds Run to fire by itself.
func TestScheduleRuns(t *testing.T) {
	clock := newFakeClock()
	b := openBox(t, t.TempDir(), Config{Clock: clock})
	putSchedule(t, b.Engine, queue.Schedule{Cron: "* * * * *"})
	told := make(chan error)
	go func() {
		_, err := b.Lease(t.Context(), queue.LeaseRequest{})
		told <- err
	}()
	untilWaiting(b.Engine)
	clock.advance(time.Minute)
	if err := <-told; err != nil {
		t.Fatal(err)
	}
}

// TestMissedAndOverlap goes through the policies: five times pass while nothing fires, with the job of the time before
// ended or not.
func TestMissedAndOverlap(t *testing.T) {
	for _, c := range []struct {
		missed  queue.Missed
		max     int
		overlap queue.Overlap
		open    bool
		want    int // jobs beside the first
		waiting int
	}{
		{queue.MissedSkip, 0, queue.OverlapAllow, true, 0, 0},
		{queue.MissedOnce, 0, queue.OverlapAllow, true, 1, 0},
		{queue.MissedOnce, 0, queue.OverlapSkip, true, 0, 0},
		{queue.MissedOnce, 0, queue.OverlapSkip, false, 1, 0},
		{queue.MissedOnce, 0, queue.OverlapQueue, true, 1, 1},
		{queue.MissedOnce, 0, queue.OverlapQueue, false, 1, 0},
		{queue.MissedAll, 0, queue.OverlapAllow, true, 5, 0},
		{queue.MissedAll, 3, queue.OverlapAllow, false, 3, 0},
		{queue.MissedAll, 0, queue.OverlapSkip, false, 1, 0},
		{queue.MissedAll, 0, queue.OverlapQueue, false, 2, 1},
		{queue.MissedAll, 0, queue.OverlapQueue, true, 1, 1},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			b, clock := idleBox(t)
			putSchedule(t, b.Engine, queue.Schedule{Cron: "0 * * * *", Missed: c.missed, MissedMax: c.max, Overlap: c.overlap})
			clock.advance(time.Hour)
			b.firePlans(t.Context())
			first := takeNow(t, b.Engine, 1)
			if !c.open {
				finishHold(t, b.Engine, first[0], queue.Outcome{})
			}
			clock.advance(5*time.Hour + 10*time.Minute)
			b.firePlans(t.Context())
			jobs := allJobs(t, b.Engine)
			waiting := 0
			for _, j := range jobs {
				if j.Status == queue.Waiting {
					waiting++
				}
			}
			if len(jobs)-1 != c.want || waiting != c.waiting {
				t.Fatalf("%d jobs, %d of them waiting; want %d and %d", len(jobs)-1, waiting, c.want, c.waiting)
			}
			if c.open && c.waiting > 0 {
				finishHold(t, b.Engine, first[0], queue.Outcome{Err: errTest, Permanent: true})
				if got := takeNow(t, b.Engine, 1); len(got) != 1 {
					t.Error("the job that waited does not come when the one before has ended badly")
				}
			}
		})
	}
}

func TestScheduleRefused(t *testing.T) {
	b, _ := idleBox(t)
	good := queue.Schedule{ID: "s", Cron: "@daily", Job: queue.New{Type: "a"}}
	for field, change := range map[string]func(*queue.Schedule){
		"id":                  func(s *queue.Schedule) { s.ID = "No" },
		"cron":                func(s *queue.Schedule) { s.Cron = "0 0 30 2 *" },
		"timezone":            func(s *queue.Schedule) { s.Timezone = "Mars/Base" },
		"missed":              func(s *queue.Schedule) { s.Missed = "often" },
		"missed_max":          func(s *queue.Schedule) { s.MissedMax = 5 },
		"overlap":             func(s *queue.Schedule) { s.Overlap = "never" },
		"type":                func(s *queue.Schedule) { s.Job.Type = "" },
		"job.run_at":          func(s *queue.Schedule) { s.Job.Delay = time.Second },
		"job.idempotency_key": func(s *queue.Schedule) { s.Job.IdempotencyKey = "k" },
		"job.depends_on":      func(s *queue.Schedule) { s.Job.DependsOn = []queue.ID{"j1"} },
	} {
		s := good
		change(&s)
		_, err := b.PutSchedule(t.Context(), s)
		if fields := fieldsOf(err); !slices.Equal(fields, []string{field}) {
			t.Errorf("%s: %v, fields %v", field, err, fields)
		}
	}
	// A damaged one is left out, and the queue opens.
	putSchedule(t, b.Engine, good)
	batch := b.db.Batch()
	batch.Set(b.space, planKey("s"), []byte(`{"schedule":{"ID":"s","Cron":"x"}}`))
	batch.Set(b.space, planKey("t"), []byte(`{`))
	if err := b.db.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	b = b.reopen(t)
	if all, err := b.ListSchedules(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("there are %v, %v", all, err)
	}
}

// TestClockSteps steps the wall clock while the process runs.
func TestClockSteps(t *testing.T) {
	b, clock := idleBox(t)
	putSchedule(t, b.Engine, queue.Schedule{Cron: "0 * * * *", Overlap: queue.OverlapAllow})
	step := func(wall, mono time.Duration) int {
		before := len(allJobs(t, b.Engine))
		clock.set(clock.Wall().Add(wall))
		clock.advance(mono)
		b.firePlans(t.Context())
		return len(allJobs(t, b.Engine)) - before
	}
	if n := step(10*time.Hour, 0); n != 1 {
		t.Errorf("ten hours forward made %d jobs, want one for all", n)
	}
	if n := step(-5*time.Hour, time.Minute); n != 0 {
		t.Errorf("five hours back made %d jobs", n)
	}
	if s := scheduleOf(t, b.Engine); s.Reason == "" {
		t.Error("it is not said that the clock is behind")
	}
	if n := step(0, 3*time.Hour); n != 0 { // the wait of five minutes is over, and the times of now are new again
		t.Errorf("what was fired already fired again: %d jobs", n)
	}
	if n := step(0, time.Hour); n != 1 || scheduleOf(t, b.Engine).Reason != "" {
		t.Errorf("with the clock taken for right %d jobs were made", n)
	}
	if n := step(-30*time.Second, 0); n != 0 {
		t.Errorf("a small step back made %d jobs", n)
	}
}

// TestClockBehindAtStart starts on a box whose clock shows the past until it is set.
func TestClockBehindAtStart(t *testing.T) {
	for _, set := range []bool{true, false} {
		t.Run(fmt.Sprint(set), func(t *testing.T) {
			b, clock := idleBox(t)
			putSchedule(t, b.Engine, queue.Schedule{Cron: "0 * * * *"})
			mustEnqueue(t, b.Engine, queue.New{Type: "due", RunAt: epoch.Add(30 * time.Minute)}, queue.New{Type: "later", RunAt: epoch.AddDate(0, 0, 5)})
			b.firePlans(t.Context()) // notes the time
			clock.advance(20 * time.Minute)
			b.firePlans(t.Context())
			clock.set(epoch.AddDate(-20, 0, 0))
			b = b.reopen(t)
			look := func() (types []string) {
				b.firePlans(t.Context())
				b.fire(clock.Elapsed())
				for _, j := range allJobs(t, b.Engine) {
					if j.Status == queue.Ready {
						types = append(types, j.Type)
					}
				}
				return types
			}
			if got := look(); len(got) != 0 || scheduleOf(t, b.Engine).Reason == "" {
				t.Fatalf("with a clock of twenty years ago %v came", got)
			}
			if set {
				clock.set(epoch.Add(40 * time.Minute))
				if diff := cmp.Diff([]string{"due"}, look()); diff != "" {
					t.Fatalf("with the clock set (-want +got):\n%s", diff)
				}
				clock.set(epoch.Add(61 * time.Minute))
				if diff := cmp.Diff([]string{"due", "a"}, look()); diff != "" {
					t.Fatalf("at the schedule's time (-want +got):\n%s", diff)
				}
				return
			}
			clock.advance(DefaultClockWait)
			look()
			clock.advance(10 * time.Minute)
			if got := look(); !slices.Contains(got, "due") || slices.Contains(got, "later") {
				t.Fatalf("with a clock that nobody sets %v came", got)
			}
		})
	}
}

// first enqueues and leases a job.
func first(t *testing.T, b *box, n queue.New) *hold {
	t.Helper()
	mustEnqueue(t, b.Engine, n)
	return takeNow(t, b.Engine, 1)[0]
}

// TestFiringIsAtomic ends the firing at every point of its commit: the job and the note that the time is dealt with
// are both there, or neither.
func TestFiringIsAtomic(t *testing.T) {
	for _, p := range store.Points() {
		t.Run(fmt.Sprint(p), func(t *testing.T) {
			dir, clock, armed := t.TempDir(), newFakeClock(), false
			hook := func(at store.Point) error {
				if armed && at == p {
					return os.ErrDeadlineExceeded
				}
				return nil
			}
			none := func(*Engine, context.Context) error { return nil }
			b := openHooked(t, dir, Config{Clock: clock}, none, hook)
			putSchedule(t, b.Engine, queue.Schedule{Cron: "0 * * * *"})
			finishHold(t, b.Engine, first(t, b, queue.New{Type: "a"}), queue.Outcome{}) // takes a block of ids
			clock.advance(time.Hour)
			armed = true
			b.firePlans(t.Context())
			armed = false
			for fired := false; !fired; goruntime.Gosched() { // the database is opened again meanwhile
				b.firePlans(t.Context())
				fired = b.plans["s"].stored.Through.Equal(clock.Wall()) && !b.plans["s"].doubt
			}
			if n := len(allJobs(t, b.Engine)); n != 2 {
				t.Errorf("%d jobs for one time", n-1)
			}
			if got := takeNow(t, b.Engine, 10); len(got) != 1 {
				t.Errorf("%d jobs can be run", len(got))
			}
			b.stop()
			b = openWith(t, dir, Config{Clock: clock}, none)
			b.firePlans(t.Context())
			if n := len(allJobs(t, b.Engine)); n != 2 {
				t.Errorf("%d jobs for one time", n-1)
			}
		})
	}
}

// TestFiresAsTheClockSays compares random schedules, looks, restarts and jumps forward with a model that counts minutes:
// no time fires twice, and none is lost unless the policy says so.
func TestFiresAsTheClockSays(t *testing.T) {
	root, runs := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		clock := newFakeClock()
		b := openIdle(t, fmt.Sprintf("%s/%d", root, runs), Config{Clock: clock})
		defer func() { b.stop() }()
		every := rapid.SampledFrom([]int{1, 5, 20}).Draw(rt, "every")
		missed := rapid.SampledFrom([]queue.Missed{queue.MissedSkip, queue.MissedOnce, queue.MissedAll}).Draw(rt, "missed")
		putSchedule(t, b.Engine, queue.Schedule{Cron: fmt.Sprintf("*/%d * * * *", every), Missed: missed, Overlap: queue.OverlapAllow})
		through, want := clock.Wall(), 0
		look := func() {
			b.firePlans(context.WithoutCancel(t.Context()))
			passed, recent := 0, 0
			now := clock.Wall()
			for m := through.Truncate(time.Minute).Add(time.Minute); !m.After(now); m = m.Add(time.Minute) {
				if m.Minute()%every == 0 {
					passed++
					if now.Sub(m) <= onTime {
						recent = 1
					}
				}
			}
			through = now
			switch missed {
			case queue.MissedSkip:
				want += recent
			case queue.MissedOnce:
				want += min(passed, 1)
			default:
				want += min(passed, queue.MaxMissed)
			}
			if got := len(allJobs(t, b.Engine)); got != want {
				rt.Fatalf("%d jobs, want %d", got, want)
			}
		}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "what") {
			case 0:
				clock.advance(time.Duration(rapid.IntRange(1, 90).Draw(rt, "seconds")) * time.Second)
			case 1:
				clock.advance(time.Duration(rapid.IntRange(1, 200).Draw(rt, "minutes")) * time.Minute)
			case 2:
				clock.set(clock.Wall().Add(time.Duration(rapid.IntRange(1, 100).Draw(rt, "jump")) * time.Minute))
			default:
				b = b.reopen(t)
			}
			look()
		}
	})
}
