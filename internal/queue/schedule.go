package queue

import (
	"context"
	"time"
)

// Missed is what is done about times that passed while nothing fired.
type Missed string

// Policies for missed times.
const (
	MissedSkip Missed = "skip" // nothing
	MissedOnce Missed = "once" // one job, however many were missed; the default
	MissedAll  Missed = "all"  // one job for each, at most MissedMax
)

// Overlap is what is done when the job of the time before has not ended.
type Overlap string

// Policies for overlapping jobs.
const (
	OverlapAllow Overlap = "allow"
	OverlapSkip  Overlap = "skip"  // this time is left out; the default
	OverlapQueue Overlap = "queue" // one job waits for the end of the other, more are left out
)

// Limits of schedules.
const (
	MaxSchedules    = 1000
	MaxScheduleName = 64
	MaxMissed       = 100 // jobs made for missed times by MissedAll
	// MaxSchedulePayload is how many bytes the payload of a schedule's job may have: all of them are in memory.
	MaxSchedulePayload = 16 << 10
)

// ValidSchedule reports whether a schedule may have that id.
func ValidSchedule(id string) bool {
	for i, c := range []byte(id) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case i > 0 && (c == '_' || c == '-'):
		default:
			return false
		}
	}
	return id != "" && len(id) <= MaxScheduleName
}

// Schedule makes jobs at times given by a cron expression.
type Schedule struct {
	ID        string // ^[a-z0-9][a-z0-9_-]{0,63}$, given by who makes it
	Cron      string // five fields, or six with seconds first, or @hourly and the like; see docs/schedules.md
	Timezone  string // IANA name, "" = UTC
	Job       New    // without RunAt, Delay
	Missed    Missed
	MissedMax int // of MissedAll; 0 = MaxMissed
	Overlap   Overlap
	Paused    bool
	CreatedAt time.Time
	UpdatedAt time.Time
	NextRunAt time.Time // zero while paused, or when there is none
	LastRunAt time.Time // the time that a job was last made for
	LastJobID ID        // the job that was made then; those of RunSchedule do not count
	Skipped   int64     // times left out because of Overlap
	Reason    string    // why it does not fire, "" = it does: the clock is behind, …
}

// Schedules makes, changes and shows schedules. A firing, the job that it makes and Schedule.LastRunAt are one commit.
type Schedules interface {
	PutSchedule(ctx context.Context, s Schedule) (Schedule, error) // new or instead of the one of that id; times are kept
	Schedule(ctx context.Context, id string) (Schedule, error)
	ListSchedules(ctx context.Context) ([]Schedule, error) // by id
	DeleteSchedule(ctx context.Context, id string) error
	// RunSchedule makes its job now, beside its times and whatever Overlap says.
	RunSchedule(ctx context.Context, id string) (Job, error)
	// NextTimes gives the next times of an expression in a time zone ("" = UTC), in that zone, as PutSchedule would
	// take them: n, but for what lies too far ahead. Without one, or with what is no expression, the error is
	// PutSchedule's. What was dealt with, missed or paused is no matter of it.
	NextTimes(cron, timezone string, n int) ([]time.Time, error)
}
