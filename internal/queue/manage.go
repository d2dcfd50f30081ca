package queue

import (
	"context"
	"encoding/json"
	"time"
)

// Mode is how the next job is chosen among queues.
type Mode string

// Modes of choosing.
const (
	Weighted Mode = "weighted" // in proportion to the weights, none starves
	Strict   Mode = "strict"   // the largest weight first; a job that has been ready for Ageing goes before all others
)

// ModeSettings are how the next job is chosen among queues.
type ModeSettings struct {
	Mode   Mode
	Ageing time.Duration // of Strict
}

// ModeLine is that as an operator sees it.
type ModeLine struct {
	ModeSettings              // in effect
	Set          ModeSettings // by SetMode; zero fields are as configured
	Configured   ModeSettings
}

// ModePatch changes some of what is in effect instead of the configuration; nil fields stay as they are, zero ones are
// as configured again.
type ModePatch struct {
	Mode   *Mode
	Ageing *time.Duration
}

// Rate is how many jobs may start in a time; the zero Rate is no limit. It is a token bucket: after a pause Burst jobs
// start at once.
type Rate struct {
	Jobs  int           // how many
	Per   time.Duration // in which time
	Burst int           // 0 = Jobs
}

// Settings are what an operator may change of a queue while it runs. They are durable.
type Settings struct {
	Weight       int  // 0 = as configured
	Paused       bool // nothing is leased
	Drain        bool // it was paused for what is at work to end; whatever resumes it takes this back
	MaxActive    int  // jobs at work at once, everywhere; 0 = no limit
	Rate         Rate
	KeyMaxActive int  // jobs at work at once that share a limit key (New.LimitKey); 0 = no limit
	KeyRate      Rate // of those that share a limit key
}

// SettingsPatch changes some of Settings; nil fields stay as they are.
type SettingsPatch struct {
	Weight       *int
	Paused       *bool
	Drain        *bool // true pauses too
	MaxActive    *int
	Rate         *Rate
	KeyMaxActive *int
	KeyRate      *Rate
}

// Line is a queue as an operator sees it.
type Line struct {
	Counts
	Settings
	Configured int     // the weight that it has unless Configure gave it another one
	BuiltIn    bool    // cannot be deleted
	Draining   bool    // paused to be drained, and something is at work still
	Drained    bool    // paused to be drained, and nothing is at work any more
	PerSecond  float64 // jobs that ended in the last minute, by second
}

// Manager is what an operator does with queues.
type Manager interface {
	// Lines gives every queue that exists, sorted by name.
	Lines(ctx context.Context) ([]Line, error)
	// Line gives one. A queue exists from its first use, or from its first settings.
	Line(ctx context.Context, name string) (Line, error)
	// Configure changes a queue's settings durably; they hold from the next lease on.
	Configure(ctx context.Context, name string, p SettingsPatch) (Line, error)
	// Drain pauses a queue and returns when nothing of it is at work any more, or with ctx; it stays paused, also over a
	// restart, and whatever of it is at work then is still being waited for.
	Drain(ctx context.Context, name string) (Line, error)
	// Purge removes the jobs of a queue that are not at work, all of them whatever their status, and says how many.
	// Jobs that have not ended are cancelled on the way, so their dependents and handlers are told.
	Purge(ctx context.Context, name string) (removed int, err error)
	// Forget deletes a queue without jobs, with its settings. Built-in ones are refused (conflict), others with jobs too.
	Forget(ctx context.Context, name string) error
	// Mode gives how queues take turns.
	Mode(ctx context.Context) (ModeLine, error)
	// SetMode changes that durably: it holds whatever the configuration says, until it is taken back.
	SetMode(ctx context.Context, p ModePatch) (ModeLine, error)
}

// Edit changes a job that is neither at work nor completed; nil fields stay as they are. A dead job stays dead: see Retry.
type Edit struct {
	Payload  json.RawMessage
	Queue    *string
	Priority *int
	RunAt    *time.Time
}

// Action is what is done to many jobs.
type Action string

// Actions on many jobs.
const (
	ActCancel  Action = "cancel"
	ActRetry   Action = "retry"   // Editor.Retry
	ActPromote Action = "promote" // Editor.Promote
	ActDelete  Action = "delete"  // Editor.Delete
)

// Acted is what an action did. Of jobs that it failed for there is one reason.
type Acted struct {
	Matched, Done int
	Failed        int
	Err           error
}

// Editor is what an operator does with single jobs, and with all that a filter finds.
type Editor interface {
	// Edit changes a job. ErrActive while it is at work, ErrEnded once it is completed or cancelled.
	Edit(ctx context.Context, id ID, e Edit) (Job, error)
	// Retry brings a dead or cancelled job back, with all its attempts, and keeps its errors; one that waits for its
	// next attempt is made ready. Others: conflict. Its unique key is taken again; if another job holds it: conflict.
	Retry(ctx context.Context, id ID) (Job, error)
	// Promote makes a job ready that waits for its time. Others: conflict.
	Promote(ctx context.Context, id ID) (Job, error)
	// Delete removes a job that is not at work; one that has not ended is cancelled in the same commit.
	Delete(ctx context.Context, id ID) error
	// Act does it to every job that a filter finds when it comes by, at most limit (0 = all), in commits of many jobs.
	Act(ctx context.Context, a Action, f Filter, limit int) (Acted, error)
}

// Waiter tells when a job ends.
type Waiter interface {
	// WaitEnd returns when the job has ended, with it as Get gives it, or with ctx's error. It costs no goroutine.
	WaitEnd(ctx context.Context, id ID) (Job, error)
}
