package local

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

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
		{queue.MissedSkip, 0, queue.OverlapSkip, false, 0, 0},
		{queue.MissedSkip, 0, queue.OverlapQueue, true, 0, 0},
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
		"job.payload":         func(s *queue.Schedule) { s.Job.Payload = make([]byte, queue.MaxSchedulePayload+1) },
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

// first enqueues and leases a job.
func first(t *testing.T, b *box, n queue.New) *hold {
	t.Helper()
	mustEnqueue(t, b.Engine, n)
	return takeNow(t, b.Engine, 1)[0]
}

// TestFiringIsAtomic ends the firing at every point of its commit: the job and the note that the time is dealt with
// are both there, or neither, whatever is done next.
func TestFiringIsAtomic(t *testing.T) {
	none := func(*Engine, context.Context) error { return nil }
	for _, p := range store.Points() {
		for name, next := range map[string]func(b *box) error{
			"fire": func(b *box) error {
				now := *b.plans["s"]
				now.again = 0
				b.plans["s"] = &now
				b.firePlans(t.Context())
				return nil
			},
			"put": func(b *box) error {
				return second(b.PutSchedule(t.Context(), queue.Schedule{ID: "s", Cron: "0 * * * *", Job: queue.New{Type: "a"}}))
			},
			"delete": func(b *box) error { return b.DeleteSchedule(t.Context(), "s") },
		} {
			t.Run(fmt.Sprint(p, " ", name), func(t *testing.T) {
				dir, clock, armed := t.TempDir(), newFakeClock(), false
				hook := func(at store.Point) error {
					if armed && at == p {
						return os.ErrDeadlineExceeded
					}
					return nil
				}
				b := openHooked(t, dir, Config{Clock: clock}, none, hook)
				putSchedule(t, b.Engine, queue.Schedule{Cron: "0 * * * *"})
				finishHold(t, b.Engine, first(t, b, queue.New{Type: "a"}), queue.Outcome{}) // takes a block of ids
				clock.advance(time.Hour)
				armed = true
				b.firePlans(t.Context())
				armed = false
				for { // the database is opened again meanwhile
					err := next(b)
					if p := b.plans["s"]; err == nil && (p == nil || !p.doubt) {
						break
					}
				}
				if b.plans["s"] != nil {
					b.firePlans(t.Context())
				}
				made := jobsIn(b.Engine) - 1
				if made != 1 && (name != "delete" || made != 0) {
					t.Errorf("%d jobs for one time", made)
				}
				if got := takeNow(t, b.Engine, 10); len(got) != made {
					t.Errorf("%d of %d jobs can be run", len(got), made)
				}
				b.stop()
				b = openWith(t, dir, Config{Clock: clock}, none)
				b.firePlans(t.Context())
				if n := jobsIn(b.Engine) - 1; n != made {
					t.Errorf("%d jobs for one time, after a restart", n)
				}
			})
		}
	}
}

// TestRunByHand runs a schedule's job while the one of its last time is at work: that is still what overlaps.
func TestRunByHand(t *testing.T) {
	b, clock := idleBox(t)
	putSchedule(t, b.Engine, queue.Schedule{Cron: "0 * * * *"})
	clock.advance(time.Hour)
	b.firePlans(t.Context())
	of := takeNow(t, b.Engine, 1)
	byHand, err := b.RunSchedule(t.Context(), "s")
	if err != nil || byHand.ScheduleID != "s" || byHand.Status != queue.Ready {
		t.Fatalf("RunSchedule gave %+v, %v", byHand, err)
	}
	finishHold(t, b.Engine, takeNow(t, b.Engine, 1)[0], queue.Outcome{})
	clock.advance(time.Hour)
	b.firePlans(t.Context())
	if s := scheduleOf(t, b.Engine); jobsIn(b.Engine) != 2 || s.LastJobID != formatID(of[0].n) || s.Skipped != 1 {
		t.Errorf("%d jobs, and the schedule is %+v", jobsIn(b.Engine), s)
	}
}

// TestFiringFails has a schedule whose job is no longer allowed: it says so, does not try all the time, and goes on
// when it is.
func TestFiringFails(t *testing.T) {
	b, clock := idleBox(t)
	putSchedule(t, b.Engine, queue.Schedule{Cron: "0 * * * *", Job: queue.New{Type: "a", Payload: []byte(`"` + strings.Repeat("x", 2000) + `"`)}})
	b.cfg.Rules.MaxPayload = 1000
	b = b.reopen(t)
	clock.advance(time.Hour)
	if wait := b.firePlans(t.Context()); wait != cronRetry {
		t.Errorf("it is tried again in %s", wait)
	}
	if s := scheduleOf(t, b.Engine); !strings.Contains(s.Reason, "at most 1000 bytes") || jobsIn(b.Engine) != 0 {
		t.Errorf("%d jobs, schedule is %+v", jobsIn(b.Engine), s)
	}
	b.cfg.Rules.MaxPayload = 0
	b = b.reopen(t)
	b.firePlans(t.Context())
	if s := scheduleOf(t, b.Engine); s.Reason != "" || jobsIn(b.Engine) != 1 {
		t.Errorf("%d jobs, schedule is %+v", jobsIn(b.Engine), s)
	}
}

// TestSchedulesAtOnce fires as many schedules as there may be at one time. Two of them want the same unique key.
func TestSchedulesAtOnce(t *testing.T) {
	b, clock := idleBox(t)
	for i := range queue.MaxSchedules {
		s := queue.Schedule{ID: fmt.Sprint(i), Cron: "0 * * * *"}
		if i < 2 {
			s.Job.UniqueKey = "one"
		}
		putSchedule(t, b.Engine, s)
	}
	if _, err := b.PutSchedule(t.Context(), queue.Schedule{ID: "more", Cron: "@daily", Job: queue.New{Type: "a"}}); !errcode.Is(err, errcode.Conflict) {
		t.Errorf("one more than there may be: %v", err)
	}
	clock.advance(time.Hour)
	b.firePlans(t.Context())
	b.firePlans(t.Context())
	if n := jobsIn(b.Engine); n != queue.MaxSchedules-1 {
		t.Errorf("%d jobs", n)
	}
	all, err := b.ListSchedules(t.Context())
	if err != nil || len(all) != queue.MaxSchedules || all[0].LastJobID != all[1].LastJobID {
		t.Fatalf("%d schedules, %v; the first two made %s and %s", len(all), err, all[0].LastJobID, all[1].LastJobID)
	}
	for _, s := range all {
		if !s.LastRunAt.Equal(clock.Wall()) {
			t.Errorf("schedule %s ran last at %s", s.ID, s.LastRunAt)
		}
	}
}
