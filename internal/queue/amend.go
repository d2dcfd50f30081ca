package queue

import "time"

// Reschedule gives the state of a job that an operator gives another time: one that waits for its time, or is ready,
// waits until at, whenever its last run ended, or is ready if that has come (the zero time always has); one that waits
// for other jobs looks at it when they have ended. Like Transition it is pure, and with an error the state is s.
func Reschedule(s State, at, now time.Time) (State, error) {
	switch s.Status {
	case Waiting:
		s.RunAt = at
		return s, nil
	case Retry:
		s.RunAt, s.ParkedAt = at, time.Time{} // what the last run wanted is over
		return due(s, Retry, now), nil
	case Ready, Scheduled:
		s.RunAt, s.ParkedAt = at, time.Time{}
		return due(s, Scheduled, now), nil
	default:
		return s, ErrTransition
	}
}

// Revive gives the state of a dead or cancelled job that an operator brings back: it is ready, with as many attempts
// as at first. Attempts are counted on, so that no two runs of a job have the same number; crashes are counted anew.
func Revive(s State, attempts int, now time.Time) (State, error) {
	if s.Status != Dead && s.Status != Cancelled {
		return s, ErrTransition
	}
	s.Status, s.Crashes, s.MaxAttempts = Ready, 0, s.Attempt+attempts
	s.RunAt, s.ReadyAt, s.ParkedAt, s.FinishedAt = time.Time{}, now, time.Time{}, time.Time{}
	return s, nil
}

// Reclaim gives the state of a job whose record says that it is at work while nobody has a lease of it: the lease was
// never handed out, or its own record is lost. It is ready, and the run is not counted.
func Reclaim(s State) State {
	if s.Status == Active {
		s.Status, s.Attempt, s.RunAt = Ready, max(s.Attempt-1, 0), time.Time{}
	}
	return s
}

// Validate reports what is wrong with an edit. The rules are to have their defaults.
func (e Edit) Validate(r Rules) error {
	n := New{Type: "a", Payload: e.Payload, Priority: e.Priority}
	if e.Queue != nil {
		n.Queue = *e.Queue
		if n.Queue == "" {
			n.Queue = DefaultQueue
		}
	}
	if e.RunAt != nil {
		n.RunAt = *e.RunAt
	}
	return n.validate(r)
}
