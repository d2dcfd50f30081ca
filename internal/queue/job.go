package queue

import (
	"encoding/json"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// Limits of jobs. They are part of the API and the data model, not configuration.
const (
	MaxPayload   = 256 << 10 // bytes of a payload
	MaxResult    = 64 << 10  // bytes of a result
	MaxMessage   = 1 << 10   // bytes of an error's message that are kept
	MaxErrors    = 10        // last errors that are kept
	MaxQueueName = 32        // bytes
	MaxTypeName  = 60        // bytes
	MaxLabel     = 128       // bytes of a unique key, a request, correlation or trace id, a worker's name
	MaxPriority  = 9
)

// Defaults of a New that leaves them out.
const (
	DefaultQueue       = "default"
	DefaultPriority    = 5
	DefaultMaxAttempts = 4 // 1 + 3 retries
	DefaultTimeout     = 3600 * time.Second
	DefaultSoftTimeout = 3300 * time.Second
	DefaultMaxCrashes  = 3
)

// ID names a job: "j" and lower-case letters and digits, sortable by creation, made from a durable sequence.
type ID string

// String gives the id as text.
func (id ID) String() string { return string(id) }

// Status is the state of a job.
type Status string

// Statuses of a job. The last three of Statuses are final.
const (
	Waiting   Status = "waiting"   // for jobs it depends on
	Scheduled Status = "scheduled" // for its time
	Ready     Status = "ready"     // to be leased
	Active    Status = "active"    // leased
	Retry     Status = "retry"     // an attempt failed, waits for the next
	Completed Status = "completed"
	Dead      Status = "dead"
	Cancelled Status = "cancelled"
)

// Statuses lists every status, in the order of a job's life.
func Statuses() []Status {
	return []Status{Waiting, Scheduled, Ready, Active, Retry, Completed, Dead, Cancelled}
}

// Final reports whether a job in this status has ended.
func (s Status) Final() bool { return s == Completed || s == Dead || s == Cancelled }

// Trace is where a job came from; it goes along with the job into its handler's context and log lines.
type Trace struct {
	RequestID     string `json:"request_id,omitempty"`
	CorrelationID string `json:"correlation_id,omitempty"`
	TraceID       string `json:"trace_id,omitempty"`
}

// Limits bound the attempts of a job.
type Limits struct {
	MaxAttempts int           // runs that may fail before the job is dead
	Timeout     time.Duration // hard: the lease is revoked, the attempt has failed
	SoftTimeout time.Duration // the handler's context is cancelled
}

// Times of a job, in UTC, zero = not yet.
type Times struct {
	CreatedAt  time.Time
	StartedAt  time.Time // of the last attempt
	FinishedAt time.Time
}

// Progress is how far a running job says it is.
type Progress struct {
	Fraction float64 // 0–1
	Text     string
}

// Failure is one failed attempt.
type Failure struct {
	Attempt int
	At      time.Time
	Code    errcode.Code
	Message string
}

// Job is a snapshot of a job: engines give copies, changing one changes nothing.
type Job struct {
	ID          ID
	Type        string
	Queue       string
	Priority    int // 0–9, 9 first
	Status      Status
	Payload     json.RawMessage
	Attempt     int // runs so far, the running one included; a release takes its run back
	Crashes     int // runs that ended with the process
	RunAt       time.Time
	AtTime      bool // RunAt was given as a time of day, and follows a clock that is set; not as a length of time
	UniqueKey   string
	LimitKey    string   // what it shares limits with: see Settings.KeyMaxActive
	Backoff     *Backoff // nil = Rules.Backoff
	DependsOn   []ID
	OnFailure   OnFailure
	FlowID      FlowID
	FlowKey     string // its name within the flow
	ScheduleID  string
	UniqueUntil UniqueUntil
	UniqueTTL   time.Duration
	ResultTTL   time.Duration // 0 = as configured
	Writing     bool          // not started while the disk is below its reserve
	Worker      string        // who runs it, while it is active
	Errors      []Failure
	Result      json.RawMessage // only from Engine.Get
	Progress    Progress
	Duplicate   bool // from Enqueue: the unique key was held, this is the job that holds it
	Limits
	Trace
	Times
}

// New is what a producer gives. Only Type is required.
type New struct {
	Type        string
	Queue       string          // "" = DefaultQueue
	Priority    *int            // nil = DefaultPriority
	Payload     json.RawMessage // any JSON of at most Rules.MaxPayload bytes; nil = null
	RunAt       time.Time       // not before; zero = at once
	Delay       time.Duration   // instead of RunAt
	UniqueKey   string          // at most one job holds it at a time; only for Enqueue and flows
	UniqueUntil UniqueUntil     // how long; "" = UntilEnd
	UniqueTTL   time.Duration   // of UntilTTL
	// IdempotencyKey gives, for 24 h, the job that the first call with it made, instead of a new one. The same key
	// with another request is a conflict. Only for Enqueue; a call of several jobs has one key on the first of them.
	IdempotencyKey string
	LimitKey       string        // a device, a tenant, …: jobs of a queue that share it share limits
	Backoff        *Backoff      // nil = Rules.Backoff
	DependsOn      []ID          // jobs that have to end first
	OnFailure      OnFailure     // when one of them does not complete; "" = FailToo
	ResultTTL      time.Duration // how long its result is kept; 0 = as configured, at most as long as the job
	ScheduleID     string
	Writing        bool          // the job writes to the data folder: see Job.Writing
	MaxAttempts    int           // 0 = Rules.MaxAttempts
	Timeout        time.Duration // 0 = Rules.Timeout
	SoftTimeout    time.Duration // 0 = Rules.SoftTimeout, at most Timeout
	RequestID      string
	CorrelationID  string
	TraceID        string
}

// UniqueUntil is how long a job holds its unique key.
type UniqueUntil string

// How long a unique key is held.
const (
	UntilEnd   UniqueUntil = "end"   // until the job has ended, whatever way; the default
	UntilStart UniqueUntil = "start" // until it is leased for the first time
	UntilTTL   UniqueUntil = "ttl"   // for UniqueTTL from its creation, whatever becomes of it
)

// Rules are what jobs are held to where they do not say so themselves. Zero fields are the defaults.
type Rules struct {
	MaxAttempts int           // runs that may fail before a job is dead; 0 = 4
	Timeout     time.Duration // hard timeout; 0 = 1 h
	SoftTimeout time.Duration // soft timeout; 0 = 55 min
	MaxPayload  int           // bytes; 0 = 256 KiB, which is also the most
	MaxResult   int           // bytes; 0 = 64 KiB, which is also the most
	MaxCrashes  int           // crashes while it ran that make a job dead; 0 = 3
	Backoff     Backoff
	// CrashDelay is the wait after a second and further crash, 0 = none: a box that is switched off again and again
	// within seconds must not use up the crashes of a job that only happened to run.
	CrashDelay time.Duration
}

// WithDefaults gives r with its zero fields filled in.
func (r Rules) WithDefaults() Rules {
	r.MaxAttempts = orDefault(r.MaxAttempts, DefaultMaxAttempts)
	r.Timeout = orDefault(r.Timeout, DefaultTimeout)
	r.SoftTimeout = orDefault(r.SoftTimeout, DefaultSoftTimeout)
	r.MaxPayload = min(orDefault(r.MaxPayload, MaxPayload), MaxPayload)
	r.MaxResult = min(orDefault(r.MaxResult, MaxResult), MaxResult)
	r.MaxCrashes = orDefault(r.MaxCrashes, DefaultMaxCrashes)
	r.Backoff = r.Backoff.withDefaults()
	return r
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// Prepare checks n and gives the job it describes, with what r says filled in and neither id nor status. The rules
// are to have their defaults.
func (n New) Prepare(r Rules, now time.Time) (Job, error) {
	if err := n.validate(r); err != nil {
		return Job{}, err
	}
	j := Job{
		Type: n.Type, Queue: n.Queue, Priority: DefaultPriority, Payload: n.Payload, RunAt: n.RunAt,
		UniqueKey: n.UniqueKey, Writing: n.Writing, LimitKey: n.LimitKey, Backoff: n.Backoff, DependsOn: n.DependsOn,
		AtTime:    !n.RunAt.IsZero(),
		OnFailure: n.OnFailure, ResultTTL: n.ResultTTL, ScheduleID: n.ScheduleID,
		Limits: Limits{MaxAttempts: n.MaxAttempts, Timeout: n.Timeout, SoftTimeout: n.SoftTimeout},
		Trace:  Trace{RequestID: n.RequestID, CorrelationID: n.CorrelationID, TraceID: n.TraceID},
		Times:  Times{CreatedAt: now},
	}
	if n.Priority != nil {
		j.Priority = *n.Priority
	}
	if j.Queue == "" {
		j.Queue = DefaultQueue
	}
	if len(j.Payload) == 0 {
		j.Payload = json.RawMessage("null")
	}
	if n.Delay > 0 {
		j.RunAt, j.AtTime = now.Add(n.Delay), false
	}
	if n.UniqueKey != "" {
		j.UniqueUntil, j.UniqueTTL = orDefault(n.UniqueUntil, UntilEnd), n.UniqueTTL
	}
	if len(n.DependsOn) > 0 {
		j.OnFailure = orDefault(n.OnFailure, FailToo)
	}
	j.MaxAttempts = orDefault(j.MaxAttempts, r.MaxAttempts)
	j.Timeout = orDefault(j.Timeout, r.Timeout)
	j.SoftTimeout = min(orDefault(j.SoftTimeout, r.SoftTimeout), j.Timeout)
	return j, nil
}

func (n New) validate(r Rules) error {
	switch {
	case !validName(n.Type, MaxTypeName):
		return errcode.Invalid("type", "1 to %d letters, digits, '.', '_', '-' or ':'", MaxTypeName)
	case n.Queue != "" && !validName(n.Queue, MaxQueueName):
		return errcode.Invalid("queue", "at most %d letters, digits, '.', '_', '-' or ':'", MaxQueueName)
	case n.Priority != nil && (*n.Priority < 0 || *n.Priority > MaxPriority):
		return errcode.Invalid("priority", "0 to %d", MaxPriority)
	case len(n.Payload) > r.MaxPayload:
		return errcode.Invalid("payload", "at most %d bytes", r.MaxPayload)
	case len(n.Payload) > 0 && !json.Valid(n.Payload):
		return errcode.Invalid("payload", "not JSON")
	case n.MaxAttempts < 0 || n.MaxAttempts > 1000:
		return errcode.Invalid("max_attempts", "1 to 1000")
	case n.Timeout < 0 || n.Timeout > maxWait:
		return errcode.Invalid("timeout", "0 to %d seconds", int64(maxWait.Seconds()))
	case n.SoftTimeout < 0 || n.SoftTimeout > maxWait:
		return errcode.Invalid("soft_timeout", "0 to %d seconds", int64(maxWait.Seconds()))
	case n.Delay < 0 || n.Delay > 10*maxWait:
		return errcode.Invalid("delay", "0 to %d seconds", int64(10*maxWait.Seconds()))
	case !n.RunAt.IsZero() && (n.RunAt.Year() < 1970 || n.RunAt.Year() > 9999):
		return errcode.Invalid("run_at", "a year from 1970 to 9999")
	}
	if err := n.validateOptions(); err != nil {
		return err
	}
	for _, l := range []struct{ name, value string }{
		{"unique_key", n.UniqueKey},
		{"request_id", n.RequestID},
		{"correlation_id", n.CorrelationID},
		{"trace_id", n.TraceID},
		{"limit_key", n.LimitKey},
		{"idempotency_key", n.IdempotencyKey},
	} {
		if len(l.value) > MaxLabel {
			return errcode.Invalid(l.name, "at most %d bytes", MaxLabel)
		}
	}
	return nil
}

// validateOptions checks what most jobs leave out.
func (n New) validateOptions() error {
	switch n.UniqueUntil {
	case "", UntilEnd, UntilStart:
		if n.UniqueTTL != 0 {
			return errcode.Invalid("unique_ttl", "only with unique_until ttl")
		}
	case UntilTTL:
		if n.UniqueTTL <= 0 || n.UniqueTTL > maxWait {
			return errcode.Invalid("unique_ttl", "1 to %d seconds", int64(maxWait.Seconds()))
		}
	default:
		return errcode.Invalid("unique_until", "end, start or ttl")
	}
	switch {
	case n.UniqueUntil != "" && n.UniqueKey == "":
		return errcode.Invalid("unique_until", "only with unique_key")
	case n.OnFailure != "" && n.OnFailure != FailToo && n.OnFailure != Continue:
		return errcode.Invalid("on_failure", "fail or continue")
	case len(n.DependsOn) > MaxDependsOn:
		return errcode.Invalid("depends_on", "at most %d jobs", MaxDependsOn)
	case n.ResultTTL < 0 || n.ResultTTL > maxWait:
		return errcode.Invalid("result_ttl", "0 to %d seconds", int64(maxWait.Seconds()))
	case len(n.ScheduleID) > MaxScheduleName:
		return errcode.Invalid("schedule_id", "at most %d bytes", MaxScheduleName)
	}
	if n.Backoff != nil {
		return n.Backoff.Validate()
	}
	return nil
}

// maxWait bounds timeouts: one year. Ten years of delay still fit a time.Duration.
const maxWait = 365 * 24 * time.Hour

// ValidQueue reports whether a queue may have that name.
func ValidQueue(name string) bool { return validName(name, MaxQueueName) }

func validName(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-', c == ':':
		default:
			return false
		}
	}
	return true
}
