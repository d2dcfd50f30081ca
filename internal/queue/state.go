package queue

import (
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// ErrTransition reports an event that a job in its state cannot take.
var ErrTransition = errcode.New(errcode.Conflict, "the job's state does not allow this")

// State is what changes in a job's life. The zero State is a job that does not exist yet.
type State struct {
	Status      Status
	Attempt     int // runs so far, the running one included
	Crashes     int // those that ended with the process
	MaxAttempts int
	RunAt       time.Time // Scheduled, Retry: when it is due
	StartedAt   time.Time
	FinishedAt  time.Time
	ReadyAt     time.Time // Ready: since when; zero = not known
	ParkedAt    time.Time // Scheduled, Retry: the end of the run after which it waits, RunAt counts from there; zero = no run
	CancelAsked bool      // Active: cancelled as soon as its holder lets go
	Pending     int       // Waiting: jobs it still depends on
}

// EventKind says what happened to a job.
type EventKind uint8

// Kinds of events. What fields of Event each looks at stands behind it.
const (
	Created    EventKind = iota + 1 // At (due, zero = at once), Pending; State.MaxAttempts is to be set
	DependedOn                      // one job it waited for has ended well
	Due                             // its time has come
	LeasedOut                       // somebody runs it now
	Succeeded                       // its run ended well
	Failed                          // its run failed: Code, Permanent, RetryIn, Jitter
	Released                        // its run is given back without an attempt: Delay
	Crashed                         // the process ended while it ran: MaxCrashes
	CancelWish                      // somebody wants it cancelled
	Buried                          // it cannot be run: Code
)

// Event is what happened to a job.
type Event struct {
	Kind      EventKind
	At        time.Time
	Pending   int
	Code      errcode.Code
	Permanent bool
	RetryIn   time.Duration
	Delay     time.Duration
	Jitter    float64 // 0 ≤ Jitter < 1, random: where in its range the backoff falls
	Rules     Rules   // with their defaults: Backoff, MaxCrashes
}

// Effects are what a transition asks of the engine beside recording the new state.
type Effects struct {
	Stop  bool         // tell the holder of the lease to stop
	Ended bool         // the state is final now: release the unique key, start the retention
	Code  errcode.Code // Dead: why
}

// Transition gives the state after an event. It is pure: time and chance come in as arguments. A final state takes no
// event (ErrEnded), another event that does not fit is ErrTransition; with an error the state is s, unchanged.
func Transition(s State, e Event, now time.Time) (State, Effects, error) {
	if s.Status.Final() {
		return s, Effects{}, ErrEnded
	}
	switch e.Kind {
	case Created:
		return create(s, e, now)
	case DependedOn:
		return depended(s, now)
	case Due:
		if s.Status != Scheduled && s.Status != Retry {
			return s, Effects{}, ErrTransition
		}
		s.Status, s.ReadyAt, s.ParkedAt = Ready, now, time.Time{}
		return s, Effects{}, nil
	case LeasedOut:
		if s.Status != Ready {
			return s, Effects{}, ErrTransition
		}
		s.Status, s.StartedAt, s.RunAt, s.ReadyAt = Active, now, time.Time{}, time.Time{}
		s.Attempt++
		return s, Effects{}, nil
	case Succeeded, Failed, Released, Crashed:
		if s.Status != Active {
			return s, Effects{}, ErrTransition
		}
		return endRun(s, e, now)
	case CancelWish:
		return cancel(s, now)
	case Buried:
		if s.Status == "" {
			return s, Effects{}, ErrTransition
		}
		return end(s, Dead, e.Code, now)
	default:
		return s, Effects{}, ErrTransition
	}
}

func create(s State, e Event, now time.Time) (State, Effects, error) {
	if s.Status != "" {
		return s, Effects{}, ErrTransition
	}
	s.RunAt = e.At
	s.Pending = e.Pending
	if s.Pending > 0 {
		s.Status = Waiting
		return s, Effects{}, nil
	}
	return due(s, Scheduled, now), Effects{}, nil
}

func depended(s State, now time.Time) (State, Effects, error) {
	if s.Status != Waiting {
		return s, Effects{}, ErrTransition
	}
	s.Pending--
	if s.Pending > 0 {
		return s, Effects{}, nil
	}
	return due(s, Scheduled, now), Effects{}, nil
}

// due puts a job into the given waiting status, or makes it ready if its time has come.
// One that is ready already has waited since it became so.
func due(s State, status Status, now time.Time) State {
	was := s.Status
	s.Status = status
	if s.RunAt.After(now) {
		s.ReadyAt = time.Time{}
		return s
	}
	s.Status, s.RunAt, s.ParkedAt = Ready, time.Time{}, time.Time{}
	if was != Ready {
		s.ReadyAt = now
	}
	return s
}

// endRun ends the run of an active job. A job whose cancel was asked for ends as cancelled, unless its run ended well.
func endRun(s State, e Event, now time.Time) (State, Effects, error) {
	if e.Kind == Succeeded {
		return end(s, Completed, "", now)
	}
	if e.Kind == Released {
		s.Attempt--
	}
	if e.Kind == Crashed {
		s.Crashes++
	}
	switch {
	case s.CancelAsked:
		return end(s, Cancelled, "", now)
	case e.Kind == Released:
		return park(s, Scheduled, e.Delay, now), Effects{}, nil
	case e.Kind == Crashed:
		if s.Crashes >= e.Rules.MaxCrashes {
			return end(s, Dead, errcode.WorkerCrashed, now)
		}
		wait := e.Rules.CrashDelay
		if s.Crashes <= 1 {
			wait = 0
		}
		return park(s, Retry, wait, now), Effects{}, nil
	default:
		return fail(s, e, now)
	}
}

// fail counts a failed attempt. Crashes have their own limit and are not counted here.
func fail(s State, e Event, now time.Time) (State, Effects, error) {
	failures := s.Attempt - s.Crashes
	if e.Permanent || failures >= s.MaxAttempts {
		return end(s, Dead, e.Code, now)
	}
	wait := e.RetryIn
	if wait <= 0 {
		wait = e.Rules.Backoff.Delay(failures-1, e.Jitter)
	}
	return park(s, Retry, wait, now), Effects{}, nil
}

// park lets a job whose run has ended wait in the given status, or makes it ready.
func park(s State, status Status, wait time.Duration, now time.Time) State {
	if wait > 0 {
		s.RunAt, s.ParkedAt = now.Add(wait), now
	}
	return due(s, status, now)
}

func cancel(s State, now time.Time) (State, Effects, error) {
	switch s.Status {
	case "":
		return s, Effects{}, ErrTransition
	case Active:
		first := !s.CancelAsked
		s.CancelAsked = true
		return s, Effects{Stop: first}, nil
	default:
		return end(s, Cancelled, "", now)
	}
}

func end(s State, status Status, code errcode.Code, now time.Time) (State, Effects, error) {
	s.Status, s.FinishedAt = status, now
	s.RunAt, s.ReadyAt, s.ParkedAt, s.CancelAsked, s.Pending = time.Time{}, time.Time{}, time.Time{}, false, 0
	return s, Effects{Ended: true, Code: code}, nil
}
