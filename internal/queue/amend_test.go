package queue

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReschedule(t *testing.T) {
	soon, past := epoch.Add(time.Minute), epoch.Add(-time.Minute)
	for _, c := range []struct {
		name string
		s    State
		at   time.Time
		want State
	}{
		{"ready, put off", State{Status: Ready, ReadyAt: past, Attempt: 1}, soon, State{Status: Scheduled, Attempt: 1, RunAt: soon}},
		{"ready, at once", State{Status: Ready, ReadyAt: past}, past, State{Status: Ready, ReadyAt: past}},
		{"scheduled, another time", State{Status: Scheduled, RunAt: epoch.Add(time.Hour)}, soon, State{Status: Scheduled, RunAt: soon}},
		{"scheduled, at once", State{Status: Scheduled, RunAt: soon, ParkedAt: past}, time.Time{}, State{Status: Ready, ReadyAt: epoch}},
		{"retry, another time", State{Status: Retry, RunAt: epoch.Add(time.Hour), ParkedAt: past}, soon, State{Status: Retry, RunAt: soon}},
		{"retry, at once", State{Status: Retry, RunAt: soon, ParkedAt: past}, epoch, State{Status: Ready, ReadyAt: epoch}},
		{"waiting", State{Status: Waiting, Pending: 2}, soon, State{Status: Waiting, Pending: 2, RunAt: soon}},
	} {
		got, err := Reschedule(c.s, c.at, epoch)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", c.name, err, diff)
		}
	}
	for _, s := range []Status{"", Active, Completed, Dead, Cancelled} {
		if got, err := Reschedule(State{Status: s}, soon, epoch); !errors.Is(err, ErrTransition) || got != (State{Status: s}) {
			t.Errorf("%q gave %+v, %v", s, got, err)
		}
	}
}

func TestRevive(t *testing.T) {
	dead := State{Status: Dead, Attempt: 5, Crashes: 3, MaxAttempts: 4, StartedAt: epoch, FinishedAt: epoch}
	s, err := Revive(dead, 4, epoch)
	if want := (State{Status: Ready, Attempt: 5, MaxAttempts: 9, StartedAt: epoch, ReadyAt: epoch}); err != nil || s != want {
		t.Fatalf("Revive gave %+v, %v; want %+v", s, err, want)
	}
	for failures := 1; ; failures++ {
		if s, _, err = Transition(s, Event{Kind: LeasedOut}, epoch); err != nil {
			t.Fatal(err)
		}
		if s, _, err = Transition(s, Event{Kind: Failed, RetryIn: time.Second}, epoch); err != nil {
			t.Fatal(err)
		}
		if s.Status == Dead {
			if failures != 4 {
				t.Errorf("dead again after %d failures, want 4", failures)
			}
			break
		}
		if s, _, err = Transition(s, Event{Kind: Due}, epoch); err != nil {
			t.Fatal(err)
		}
	}
	for _, st := range []Status{"", Waiting, Scheduled, Ready, Active, Retry, Completed} {
		if got, err := Revive(State{Status: st}, 1, epoch); !errors.Is(err, ErrTransition) || got != (State{Status: st}) {
			t.Errorf("%q gave %+v, %v", st, got, err)
		}
	}
}

func TestReclaim(t *testing.T) {
	for _, s := range []Status{Waiting, Scheduled, Ready, Retry, Completed, Dead, Cancelled} {
		if in := (State{Status: s, Attempt: 2}); Reclaim(in) != in {
			t.Errorf("%s is changed", s)
		}
	}
	got := Reclaim(State{Status: Active, Attempt: 2, CancelAsked: true, StartedAt: epoch})
	if want := (State{Status: Ready, Attempt: 1, CancelAsked: true, StartedAt: epoch}); got != want {
		t.Errorf("Reclaim gave %+v, want %+v", got, want)
	}
}
