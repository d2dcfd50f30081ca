package local

import (
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// Defaults of Config.
const (
	DefaultRetention     = 24 * time.Hour
	DefaultRetentionDead = 30 * 24 * time.Hour
	DefaultResultTTL     = time.Hour
	DefaultMaxFinished   = 200_000
	DefaultMaxDead       = 100_000
	DefaultMaxCancelled  = 100_000
	DefaultSweepEvery    = 15 * time.Second
	DefaultAgeing        = 10 * time.Minute
	DefaultClockWait     = 5 * time.Minute
	defaultWeight        = 5
)

// Config says where the engine keeps its jobs and how it treats them. Only DB has no default.
type Config struct {
	// DB is where the records are.
	DB *store.DB
	// Logger takes what an operator should know. Default: discard.
	Logger *slog.Logger
	// Rules are what jobs are held to where they do not say so themselves.
	Rules queue.Rules
	// Weights of queues by name, added to the built-in ones; a queue without a weight has 5.
	Weights map[string]int
	// Mode is how queues take turns. Default Weighted.
	Mode queue.Mode
	// Ageing is how long a job may be passed over in mode Strict while it is ready. Default 10 min.
	Ageing time.Duration
	// SlotFile is the file that remembers, without a flush, which jobs run: it survives the death of the process.
	// Default: none, crashes are not counted then.
	SlotFile string
	// Dead stages what belongs to a burial into its commit; Mux.Dead is meant. Default: nothing.
	Dead func(b *store.Batch, j queue.Job, code errcode.Code, message string) error
	// Types are the job types with a handler in the process; Mux.Types is meant. Workers outside get others only.
	Types []string
	// Space says whether there is room on the disk; while there is not, jobs marked Writing wait. Default: DB.
	Space Space
	// ResultTTL is how long a result is kept after its job has completed, if the job does not say so itself, at most
	// Retention. Results of a flow are kept until it has ended. Default 1 h.
	ResultTTL time.Duration
	// Retention is how long a job is kept that has completed. Default 24 h.
	Retention time.Duration
	// RetentionDead is how long a job is kept that is dead: somebody is to look at it. Default 30 days.
	RetentionDead time.Duration
	// RetentionCancelled is how long a job is kept that was cancelled. Default: Retention.
	RetentionCancelled time.Duration
	// MaxFinished, MaxDead and MaxCancelled are how many jobs are kept at most that have completed, are dead, were
	// cancelled; those that would expire next go first. Default 200,000, 100,000, 100,000.
	MaxFinished, MaxDead, MaxCancelled int64
	// SweepEvery is how often expired jobs are looked for. Default 15 s.
	SweepEvery time.Duration
	// ClockWait is how long what follows the time of day waits for a clock that is behind. Default 5 min.
	ClockWait time.Duration
	// Recorder takes measurements. Default: none.
	Recorder Recorder
	// Clock tells the time. Default: the machine's.
	Clock Clock
	// Random gives numbers from 0 up to, without, 1 for the jitter of retries. Default: math/rand.
	Random func() float64
}

// builtIn gives the queues that exist from the beginning, with their weights.
func builtIn() map[string]int {
	return map[string]int{"email": 3, "reports": 5, "analytics": 2, "cleanup": 1, "default": 5, "decode": 5}
}

// Space tells whether there is room on the disk.
type Space interface {
	// CheckSpace returns an error if n more bytes would leave less than the reserve.
	CheckSpace(n int64) error
}

// Recorder takes measurements of the queue. Its methods must not block.
type Recorder interface {
	// Enqueued reports a new job.
	Enqueued(queue, jobType string)
	// Leased reports a job handed out: how long it was ready, and how long the handing out took.
	Leased(queue string, waited, took time.Duration)
	// Finished reports the end of a run: the status the job has then (Ready, Scheduled: released) and how long it ran.
	Finished(queue, jobType string, status queue.Status, took time.Duration)
	// ClockBehind reports that the clock shows less than was known before, and that it does no longer.
	ClockBehind(behind bool)
}

type noRecorder struct{}

func (noRecorder) Enqueued(_, _ string)                                  {}
func (noRecorder) Leased(string, time.Duration, time.Duration)           {}
func (noRecorder) ClockBehind(bool)                                      {}
func (noRecorder) Finished(_, _ string, _ queue.Status, _ time.Duration) {}

// Clock tells the time. The wall may be set while the process runs; Elapsed never jumps.
type Clock interface {
	// Wall is the time of day, for what is stored.
	Wall() time.Time
	// Elapsed is a monotonic time since some moment before, for what is waited for.
	Elapsed() time.Duration
	// Timer returns a channel that receives once Elapsed has reached at, and a function that gives the timer back.
	Timer(at time.Duration) (c <-chan time.Time, stop func())
}

type systemClock struct{ start time.Time }

func (c systemClock) Wall() time.Time        { return time.Now() }
func (c systemClock) Elapsed() time.Duration { return time.Since(c.start) }
func (c systemClock) Timer(at time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(at - c.Elapsed())
	return t.C, func() { t.Stop() }
}

// Validate reports what is wrong with the configuration.
func (c Config) Validate() error {
	switch {
	case c.DB == nil:
		return errors.New("queue: the database is missing")
	case c.Mode != "" && c.Mode != queue.Weighted && c.Mode != queue.Strict:
		return errors.New("queue.mode: weighted or strict")
	case c.Ageing < 0:
		return errors.New("queue.ageing: must not be negative")
	case c.Retention < 0:
		return errors.New("queue.retention: must not be negative")
	case c.RetentionDead < 0:
		return errors.New("queue.retention_dead: must not be negative")
	case c.RetentionCancelled < 0:
		return errors.New("queue.retention_cancelled: must not be negative")
	case c.ResultTTL < 0:
		return errors.New("queue.result_ttl: must not be negative")
	}
	for name, w := range c.Weights {
		if w < 1 {
			return errors.New("queue.weights: the weight of " + name + " must be at least 1")
		}
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Rules = c.Rules.WithDefaults()
	weights := builtIn()
	maps.Copy(weights, c.Weights)
	c.Weights = weights
	if c.Mode == "" {
		c.Mode = queue.Weighted
	}
	if c.Dead == nil {
		c.Dead = func(*store.Batch, queue.Job, errcode.Code, string) error { return nil }
	}
	if c.Space == nil {
		c.Space = c.DB
	}
	c = c.withRetention()
	if c.Recorder == nil {
		c.Recorder = noRecorder{}
	}
	if c.Clock == nil {
		c.Clock = systemClock{start: time.Now()}
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	return c
}

func (c Config) withRetention() Config {
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{{&c.Retention, DefaultRetention}, {&c.RetentionDead, DefaultRetentionDead}, {&c.ResultTTL, DefaultResultTTL}, {&c.SweepEvery, DefaultSweepEvery}, {&c.Ageing, DefaultAgeing}, {&c.ClockWait, DefaultClockWait}} {
		if *d.at == 0 {
			*d.at = d.def
		}
	}
	if c.RetentionCancelled == 0 {
		c.RetentionCancelled = c.Retention
	}
	c.ResultTTL = min(c.ResultTTL, c.Retention)
	if c.MaxFinished == 0 {
		c.MaxFinished = DefaultMaxFinished
	}
	if c.MaxDead == 0 {
		c.MaxDead = DefaultMaxDead
	}
	if c.MaxCancelled == 0 {
		c.MaxCancelled = DefaultMaxCancelled
	}
	return c
}
