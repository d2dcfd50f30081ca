package queuetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

func testSettings(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{})
	e, m := s.Engine, as[queue.Manager](t, s.Engine)
	set := func(p queue.SettingsPatch) queue.Line {
		t.Helper()
		l, err := m.Configure(t.Context(), "mine", p)
		if err != nil {
			t.Fatalf("Configure: %v", err)
		}
		return l
	}
	only := queue.LeaseRequest{Queues: []string{"mine"}}
	enqueue(t, e, queue.New{Type: "a", Queue: "mine", LimitKey: "k"}, queue.New{Type: "a", Queue: "mine", LimitKey: "k"},
		queue.New{Type: "a", Queue: "mine"}, queue.New{Type: "a", Queue: "mine"})
	if l := set(queue.SettingsPatch{Paused: new(true), Weight: new(3)}); !l.Paused || l.Settings.Weight != 3 || l.BuiltIn {
		t.Errorf("line is %+v", l)
	}
	leaseNone(t, e, only)
	set(queue.SettingsPatch{Paused: new(false), KeyMaxActive: new(1), MaxActive: new(2)})
	one, two := lease(t, e, only), lease(t, e, only)
	if one.Job.LimitKey != "k" || two.Job.LimitKey != "" {
		t.Errorf("leased were one of key %q and one of key %q", one.Job.LimitKey, two.Job.LimitKey)
	}
	leaseNone(t, e, only)
	finish(t, e, two, queue.Outcome{})
	if l := lease(t, e, only); l.Job.LimitKey != "" {
		t.Errorf("a job of key %q runs beside the other", l.Job.LimitKey)
	}
	finish(t, e, one, queue.Outcome{})
	if l := lease(t, e, only); l.Job.LimitKey != "k" {
		t.Error("the second job of the key does not follow the first")
	}

	s = s.Reopen()
	m = as[queue.Manager](t, s.Engine)
	if l, err := m.Line(t.Context(), "mine"); err != nil || l.MaxActive != 2 || l.KeyMaxActive != 1 || l.Settings.Weight != 3 {
		t.Errorf("after opening again: %+v, %v", l, err)
	}
	if err := m.Forget(t.Context(), "mine"); !errcode.Is(err, errcode.Conflict) {
		t.Errorf("a queue with jobs was deleted: %v", err)
	}
	if n, err := m.Purge(t.Context(), "mine"); err != nil || n != 4 {
		t.Errorf("Purge removed %d, %v", n, err)
	}
	if err := m.Forget(t.Context(), "mine"); err != nil {
		t.Errorf("Forget: %v", err)
	}
	if _, err := m.Line(t.Context(), "mine"); !errcode.Is(err, errcode.NotFound) {
		t.Errorf("a queue that was deleted: %v", err)
	}
}

// testLimitsOutside has workers in the process and outside share the limits of a queue, also after a restart.
func testLimitsOutside(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{})
	set := func(p queue.SettingsPatch) {
		t.Helper()
		if _, err := as[queue.Manager](t, s.Engine).Configure(t.Context(), "mine", p); err != nil {
			t.Fatalf("Configure: %v", err)
		}
	}
	outside := func() []queue.ExternalLeased {
		t.Helper()
		return leaseOutside(t, s.Engine, queue.ExternalRequest{Max: 10, Lease: time.Minute, NoWait: true})
	}
	ends := func(l queue.ExternalLeased) {
		t.Helper()
		if got := finishAll(t, s.Engine, queue.End{Lease: l.Lease}); got[0] != "" {
			t.Fatalf("the end of a run: %s", got[0])
		}
	}
	only := queue.LeaseRequest{Queues: []string{"mine"}}
	set(queue.SettingsPatch{MaxActive: new(3), KeyMaxActive: new(1)})
	enqueue(t, s.Engine, queue.New{Type: "a", Queue: "mine", LimitKey: "k"}, queue.New{Type: "a", Queue: "mine", LimitKey: "k"},
		queue.New{Type: "a", Queue: "mine"}, queue.New{Type: "a", Queue: "mine"}, queue.New{Type: "a", Queue: "mine"})
	got := outside()
	if len(got) != 3 || got[0].Job.LimitKey != "k" || got[1].Job.LimitKey != "" {
		t.Fatalf("leased %d jobs: %+v", len(got), got)
	}
	leaseNone(t, s.Engine, only)
	ends(got[1])
	if l := lease(t, s.Engine, only); l.Job.LimitKey != "" {
		t.Errorf("a job of key %q runs in the process beside the one outside", l.Job.LimitKey)
	}
	if more := outside(); len(more) != 0 {
		t.Errorf("%d more were leased outside", len(more))
	}

	s = s.Reopen() // those outside are at work still
	set(queue.SettingsPatch{MaxActive: new(2)})
	leaseNone(t, s.Engine, only)
	set(queue.SettingsPatch{MaxActive: new(3)})
	if l := lease(t, s.Engine, only); l.Job.LimitKey != "" {
		t.Error("after opening again a second job of the key is leased")
	}
	leaseNone(t, s.Engine, only)
	ends(got[0])
	if l := lease(t, s.Engine, only); l.Job.LimitKey != "k" {
		t.Error("the second job of the key does not follow the first")
	}
}

// testRate counts how fast jobs start under a rate.
func testRate(t *testing.T, open Open) {
	t.Helper()
	e := open(t, Options{}).Engine
	rate := queue.Rate{Jobs: 10, Per: time.Second, Burst: 2}
	if _, err := as[queue.Manager](t, e).Configure(t.Context(), "mine", queue.SettingsPatch{Rate: &rate}); err != nil {
		t.Fatalf("Configure: %v", err)
	}
	began := time.Now()
	for range 6 {
		enqueue(t, e, queue.New{Type: "a", Queue: "mine"})
	}
	for range 6 {
		finish(t, e, lease(t, e, queue.LeaseRequest{}), queue.Outcome{})
	}
	if took := time.Since(began); took < 390*time.Millisecond {
		t.Errorf("six jobs started within %s, at ten a second and two at once", took)
	}
}

// testPurge empties a queue: dependents elsewhere are cancelled, handlers told, and what is at work stays.
func testPurge(t *testing.T, open Open) {
	t.Helper()
	var mu sync.Mutex
	told := map[queue.ID]errcode.Code{}
	e := open(t, Options{Dead: func(_ *store.Batch, j queue.Job, code errcode.Code, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		told[j.ID] = code
		return nil
	}}).Engine
	m := as[queue.Manager](t, e)
	jobs := enqueue(t, e, queue.New{Type: "a", Queue: "mine"}, queue.New{Type: "a", Queue: "mine"}, queue.New{Type: "a", Queue: "mine", Delay: time.Hour})
	after := enqueue(t, e, queue.New{Type: "b", DependsOn: []queue.ID{jobs[1].ID}})[0]
	l := lease(t, e, queue.LeaseRequest{Queues: []string{"mine"}})
	if n, err := m.Purge(t.Context(), "mine"); err != nil || n != 2 {
		t.Errorf("Purge removed %d, %v", n, err)
	}
	awaitCancelled(t, e, after.ID)
	mu.Lock()
	for _, j := range jobs[1:] {
		if told[j.ID] != errcode.Cancelled {
			t.Errorf("of job %s the handler was told %q", j.ID, told[j.ID])
		}
	}
	mu.Unlock()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Drain(ended, "mine"); !errors.Is(err, context.Canceled) {
		t.Errorf("Drain, with a job at work, gave %v", err)
	}
	finish(t, e, l, queue.Outcome{})
	if line, err := m.Drain(t.Context(), "mine"); err != nil || !line.Paused || line.Draining {
		t.Errorf("Drain gave %+v, %v", line, err)
	}
	enqueue(t, e, queue.New{Type: "a", Queue: "mine"}) // a paused queue takes jobs
	leaseNone(t, e, queue.LeaseRequest{Queues: []string{"mine"}})
}

// testDrainReopen opens an engine again while one of its queues is being drained, and once more when that is drained.
func testDrainReopen(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{})
	only := queue.LeaseRequest{Queues: []string{"mine"}}
	line := func(draining, drained bool) {
		t.Helper()
		l, err := as[queue.Manager](t, s.Engine).Line(t.Context(), "mine")
		if err != nil || !l.Paused || l.Draining != draining || l.Drained != drained {
			t.Errorf("line is %+v, %v; want draining %v, drained %v", l, err, draining, drained)
		}
	}
	enqueue(t, s.Engine, queue.New{Type: "a", Queue: "mine"}, queue.New{Type: "a", Queue: "mine"})
	held := leaseOne(t, s.Engine)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := as[queue.Manager](t, s.Engine).Drain(ended, "mine"); !errors.Is(err, context.Canceled) {
		t.Errorf("Drain, with a job at work, gave %v", err)
	}
	line(true, false)
	s = s.Reopen()
	line(true, false)
	leaseNone(t, s.Engine, only)
	done := make(chan error, 1)
	go func() {
		_, err := as[queue.Manager](t, s.Engine).Drain(deadline(t), "mine")
		done <- err
	}()
	finishAll(t, s.Engine, queue.End{Lease: held.Lease})
	if err := <-done; err != nil {
		t.Errorf("Drain: %v", err)
	}
	line(false, true)
	s = s.Reopen()
	line(false, true)
	leaseNone(t, s.Engine, only)
	for _, p := range []queue.SettingsPatch{{MaxActive: new(3)}, {Paused: new(true)}} { // it is drained still
		if l, err := as[queue.Manager](t, s.Engine).Configure(t.Context(), "mine", p); err != nil || !l.Drained {
			t.Errorf("Configure gave %+v, %v", l, err)
		}
	}
	if l, err := as[queue.Manager](t, s.Engine).Configure(t.Context(), "mine", queue.SettingsPatch{Paused: new(false)}); err != nil || l.Paused || l.Drained {
		t.Errorf("resumed: %+v, %v", l, err)
	}
	lease(t, s.Engine, only)
}

func testSchedule(t *testing.T, open Open) {
	t.Helper()
	s := open(t, Options{})
	sc := as[queue.Schedules](t, s.Engine)
	put := queue.Schedule{ID: "tick", Cron: "* * * * * *", Timezone: "Europe/Berlin", Job: queue.New{Type: "a", Queue: "mine"}}
	got, err := sc.PutSchedule(t.Context(), put)
	if err != nil || got.NextRunAt.IsZero() || got.Missed != queue.MissedOnce || got.Overlap != queue.OverlapSkip {
		t.Fatalf("PutSchedule gave %+v, %v", got, err)
	}
	l := lease(t, s.Engine, queue.LeaseRequest{})
	if l.Job.ScheduleID != "tick" || l.Job.Queue != "mine" {
		t.Errorf("job is %+v", l.Job)
	}
	finish(t, s.Engine, l, queue.Outcome{})
	if got, err = sc.Schedule(t.Context(), "tick"); err != nil || got.LastJobID < l.Job.ID || got.LastRunAt.IsZero() {
		t.Errorf("after firing: %+v, %v", got, err)
	}
	put.Cron, put.Paused = "0 0 1 1 *", true
	if got, err = sc.PutSchedule(t.Context(), put); err != nil || got.LastJobID == "" || got.Reason == "" {
		t.Errorf("paused: %+v, %v", got, err)
	}
	if j, err := sc.RunSchedule(t.Context(), "tick"); err != nil || j.ScheduleID != "tick" {
		t.Errorf("RunSchedule gave %+v, %v", j, err)
	}
	s = s.Reopen()
	sc = as[queue.Schedules](t, s.Engine)
	if all, err := sc.ListSchedules(t.Context()); err != nil || len(all) != 1 || !all[0].Paused || all[0].Timezone != "Europe/Berlin" {
		t.Errorf("after opening again: %+v, %v", all, err)
	}
	if err := sc.DeleteSchedule(t.Context(), "tick"); err != nil {
		t.Error(err)
	}
	if err := sc.DeleteSchedule(t.Context(), "tick"); !errcode.Is(err, errcode.NotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	testNextTimes(t, sc)
	bad := queue.Schedule{ID: "bad", Cron: "when I like", Job: queue.New{Type: "a"}, CreatedAt: time.Now()}
	if _, err := sc.PutSchedule(t.Context(), bad); !errcode.Is(err, errcode.ValidationFailed) {
		t.Errorf("an expression that is none: %v", err)
	}
}

func testNextTimes(t *testing.T, sc queue.Schedules) {
	t.Helper()
	got, err := sc.NextTimes("0 3 * * *", "Asia/Taipei", 3)
	if err != nil || len(got) != 3 || !got[0].After(time.Now()) {
		t.Fatalf("NextTimes gave %v, %v", got, err)
	}
	for i, at := range got {
		if at.Format("15:04:05 -0700") != "03:00:00 +0800" || (i > 0 && at.Sub(got[i-1]) != 24*time.Hour) {
			t.Errorf("NextTimes gave %v", got)
		}
	}
	for _, wrong := range []struct{ cron, zone, field string }{
		{"when I like", "", "cron"}, {"0 0 30 2 *", "", "cron"}, {"@daily", "Nowhere/Land", "timezone"},
	} {
		_, err := sc.NextTimes(wrong.cron, wrong.zone, 1)
		if e, ok := errors.AsType[*errcode.Error](err); !ok || len(e.Fields) != 1 || e.Fields[0].Field != wrong.field {
			t.Errorf("%s in %s: %v, want a wrong %s", wrong.cron, wrong.zone, err, wrong.field)
		}
	}
}
