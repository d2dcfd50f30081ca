package queuetest

import (
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
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
	bad := queue.Schedule{ID: "bad", Cron: "when I like", Job: queue.New{Type: "a"}, CreatedAt: time.Now()}
	if _, err := sc.PutSchedule(t.Context(), bad); !errcode.Is(err, errcode.ValidationFailed) {
		t.Errorf("an expression that is none: %v", err)
	}
}
