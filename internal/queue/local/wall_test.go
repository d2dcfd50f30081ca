package local

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/queue"
)

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

// TestTrustIsDurable has a clock that was a year ahead, and is set back: what is decided then holds after a restart.
func TestTrustIsDurable(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for name, fires := range map[string]bool{"put while ahead": false, "fired while ahead": true} {
		t.Run(name, func(t *testing.T) {
			b, clock := idleBox(t)
			if fires {
				putSchedule(t, b.Engine, queue.Schedule{Cron: "0 3 * * *", Overlap: queue.OverlapAllow})
			}
			clock.step(year)
			if !fires {
				putSchedule(t, b.Engine, queue.Schedule{Cron: "0 3 * * *", Overlap: queue.OverlapAllow})
			}
			b.firePlans(t.Context())
			before := jobsIn(b.Engine)
			clock.step(-year)
			b.firePlans(t.Context())
			b = b.reopen(t)
			if s := scheduleOf(t, b.Engine); s.Reason == "" {
				t.Error("it is not said that the clock is behind")
			}
			clock.advance(DefaultClockWait)
			b.firePlans(t.Context())
			b = b.reopen(t)
			if s := scheduleOf(t, b.Engine); s.Reason != "" {
				t.Errorf("after a restart the clock is behind again: %s", s.Reason)
			}
			for range 48 {
				clock.advance(time.Hour)
				b.firePlans(t.Context())
			}
			if n := jobsIn(b.Engine) - before; n != 2 {
				t.Errorf("in two days %d jobs were made, schedule is %+v", n, scheduleOf(t, b.Engine))
			}
		})
	}
}

// TestTimesFollowTheClock sets the clock while jobs wait: those that wait for a time of day follow it, those that wait
// for a length of time do not, and neither does what an edit left behind.
func TestTimesFollowTheClock(t *testing.T) {
	for _, c := range []struct {
		step time.Duration
		want map[time.Duration][]string // after how long which have come
	}{
		{2 * time.Hour, map[time.Duration][]string{0: {"edited", "time"}, 31 * time.Minute: {"edited", "length", "time"}}},
		{-2 * time.Hour, map[time.Duration][]string{31 * time.Minute: {"length"}, 149 * time.Minute: {"length"}, 152 * time.Minute: {"edited", "length", "time"}}},
		{-20 * time.Second, map[time.Duration][]string{30 * time.Minute: {"length"}, 31 * time.Minute: {"edited", "length", "time"}}},
	} {
		t.Run(c.step.String(), func(t *testing.T) {
			b, clock := idleBox(t)
			half := epoch.Add(30 * time.Minute)
			jobs := mustEnqueue(t, b.Engine,
				queue.New{Type: "time", RunAt: half}, queue.New{Type: "length", Delay: 30 * time.Minute}, queue.New{Type: "edited", RunAt: half})
			for _, at := range []time.Time{epoch.Add(48 * time.Hour), half} {
				if _, err := b.Edit(t.Context(), jobs[2].ID, queue.Edit{RunAt: &at}); err != nil {
					t.Fatal(err)
				}
			}
			for _, want := range jobs {
				if got := wantStatus(t, b.Engine, want.ID, queue.Scheduled); got.AtTime != (got.Type != "length") {
					t.Errorf("job is %+v", got)
				}
			}
			b.firePlans(t.Context()) // has seen the time
			clock.step(c.step)
			for m := time.Duration(0); m <= 155*time.Minute; m += time.Minute {
				b.firePlans(t.Context())
				b.fire(clock.Elapsed())
				var came []string
				for _, j := range allJobs(t, b.Engine) {
					if j.Status == queue.Ready {
						came = append(came, j.Type)
					}
				}
				slices.Sort(came)
				if want, ok := c.want[m]; ok && !slices.Equal(want, came) {
					t.Errorf("after %s %v have come, want %v", m, came, want)
				}
				clock.advance(time.Minute)
			}
			if got := takeNow(t, b.Engine, 10); len(got) != 3 {
				t.Errorf("%d jobs can be run", len(got))
			}
		})
	}
}
