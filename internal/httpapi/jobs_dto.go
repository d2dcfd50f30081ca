package httpapi

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

// anyJSON is a JSON value that passes through as it is; none is null.
type anyJSON json.RawMessage

// MarshalJSON writes the value.
func (v anyJSON) MarshalJSON() ([]byte, error) {
	if len(v) == 0 {
		return []byte("null"), nil
	}
	return v, nil
}

// UnmarshalJSON keeps a copy of the value.
func (v *anyJSON) UnmarshalJSON(b []byte) error {
	*v = append(anyJSON(nil), b...)
	return nil
}

// Schema describes any value.
func (anyJSON) Schema(huma.Registry) *huma.Schema { return &huma.Schema{} }

// moment is a time that a caller gives. One that is none is remembered until check says which field it was.
type moment struct {
	time.Time
	wrong string
}

// UnmarshalJSON reads RFC 3339; null is no time.
func (m *moment) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if err := m.Time.UnmarshalJSON(b); err != nil {
		m.wrong = fmt.Sprintf("%.60s", b)
		return nil //nolint:nilerr // check says it
	}
	m.Time = m.UTC()
	return nil
}

// check reports that a field is no time.
func (m moment) check(field string) error {
	if m.wrong == "" {
		return nil
	}
	return errcode.Invalid(field, "expected a time of RFC 3339, like \"2026-01-02T03:04:05Z\", not %s", m.wrong)
}

// Schema describes the time.
func (moment) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Nullable: true}
}

// span gives a duration of so many seconds. What is beyond every limit stays so, whatever the number.
func span(seconds float64) time.Duration {
	const most = 1e9 // 31 years
	return time.Duration(math.Max(-1, math.Min(seconds, most)) * float64(time.Second))
}

// JobBackoff is how long a job waits between its attempts, on the wire.
type JobBackoff struct {
	Kind   string    `json:"kind,omitempty" enum:"exponential,fixed,list" doc:"exponential (the default): base, doubled with every failure, at most max; fixed: base; list: delays"`
	Base   float64   `json:"base,omitempty" minimum:"0" doc:"seconds; 1 unless given"`
	Max    float64   `json:"max,omitempty" minimum:"0" doc:"seconds; 600 unless given"`
	Delays []float64 `json:"delays,omitempty" maxItems:"32" doc:"seconds, of kind list; the last one again and again"`
	Jitter *float64  `json:"jitter,omitempty" minimum:"0" maximum:"1" doc:"share by which a wait is moved up or down; 0.2 unless given"`
}

func (b *JobBackoff) backoff() *queue.Backoff {
	if b == nil {
		return nil
	}
	out := &queue.Backoff{Kind: queue.BackoffKind(b.Kind), Base: span(b.Base), Max: span(b.Max)}
	for _, d := range b.Delays {
		out.Delays = append(out.Delays, span(d))
	}
	switch {
	case b.Jitter == nil:
	case *b.Jitter <= 0:
		out.Jitter = -1 // the queue's value for none
	default:
		out.Jitter = *b.Jitter
	}
	return out
}

func backoffDTO(b *queue.Backoff) maybe[JobBackoff] {
	if b == nil {
		return maybe[JobBackoff]{}
	}
	out := &JobBackoff{Kind: string(b.Kind), Base: b.Base.Seconds(), Max: b.Max.Seconds()}
	for _, d := range b.Delays {
		out.Delays = append(out.Delays, d.Seconds())
	}
	if b.Jitter != 0 {
		jitter := math.Max(0, b.Jitter)
		out.Jitter = &jitter
	}
	return maybe[JobBackoff]{out}
}

// NewJob is a job that is to be made, on the wire.
type NewJob struct {
	Type          string      `json:"type" minLength:"1" maxLength:"60" doc:"what is to be done; letters, digits and . _ - :"`
	Queue         string      `json:"queue,omitempty" maxLength:"32" doc:"default unless given; it exists from its first use"`
	Priority      *int        `json:"priority,omitempty" minimum:"0" maximum:"9" doc:"within its queue, 9 first; 5 unless given"`
	Payload       anyJSON     `json:"payload,omitempty" doc:"any JSON of at most 256 KiB"`
	RunAt         moment      `json:"run_at,omitzero" doc:"not before"`
	Delay         float64     `json:"delay,omitempty" minimum:"0" doc:"seconds from now, instead of run_at"`
	UniqueKey     string      `json:"unique_key,omitempty" maxLength:"128" doc:"one job holds it at a time; while it is held, the answer is that job"`
	UniqueUntil   string      `json:"unique_until,omitempty" enum:"end,start,ttl" doc:"how long it holds the key: until its end (the default), its first start, or for unique_ttl"`
	UniqueTTL     float64     `json:"unique_ttl,omitempty" minimum:"0" doc:"seconds, with unique_until ttl"`
	LimitKey      string      `json:"limit_key,omitempty" maxLength:"128" doc:"a device, a tenant, …: jobs of a queue that share it share the queue's limits of a key"`
	MaxAttempts   int         `json:"max_attempts,omitempty" minimum:"1" maximum:"1000" doc:"runs that may fail; 4 unless configured otherwise"`
	Timeout       float64     `json:"timeout,omitempty" minimum:"0" doc:"seconds after which a run is taken from its worker"`
	SoftTimeout   float64     `json:"soft_timeout,omitempty" minimum:"0" doc:"seconds after which a run is told to stop"`
	Backoff       *JobBackoff `json:"backoff,omitempty"`
	DependsOn     []string    `json:"depends_on,omitempty" maxItems:"1000" doc:"ids of jobs that have to end first; in a flow their keys"`
	OnFailure     string      `json:"on_failure,omitempty" enum:"fail,continue" doc:"what it does when one of depends_on does not complete: it is cancelled (the default), or runs all the same"`
	ResultTTL     float64     `json:"result_ttl,omitempty" minimum:"0" doc:"seconds its result is kept, at most as long as the job"`
	RequestID     string      `json:"request_id,omitempty" maxLength:"128" doc:"the request's unless given"`
	CorrelationID string      `json:"correlation_id,omitempty" maxLength:"128" doc:"the request's unless given"`
	TraceID       string      `json:"trace_id,omitempty" maxLength:"128" doc:"the request's unless given"`
}

// job gives what the queue makes a job of. ids are those of the request.
func (n *NewJob) job(ids IDs) queue.New {
	out := queue.New{
		Type: n.Type, Queue: n.Queue, Priority: n.Priority, Payload: json.RawMessage(n.Payload), RunAt: n.RunAt.Time,
		Delay: span(n.Delay), UniqueKey: n.UniqueKey, UniqueUntil: queue.UniqueUntil(n.UniqueUntil), UniqueTTL: span(n.UniqueTTL),
		LimitKey: n.LimitKey, MaxAttempts: n.MaxAttempts, Timeout: span(n.Timeout), SoftTimeout: span(n.SoftTimeout),
		Backoff: n.Backoff.backoff(), OnFailure: queue.OnFailure(n.OnFailure), ResultTTL: span(n.ResultTTL),
		RequestID: or(n.RequestID, ids.Request), CorrelationID: or(n.CorrelationID, ids.Correlation), TraceID: or(n.TraceID, ids.Trace),
	}
	if len(n.DependsOn) > 0 {
		out.DependsOn = make([]queue.ID, len(n.DependsOn))
		for i, id := range n.DependsOn {
			out.DependsOn[i] = queue.ID(id)
		}
	}
	return out
}

// check refuses what only this face knows to be wrong: the queue checks the rest.
func (s *Server) checkNew(n *NewJob) error {
	if err := n.RunAt.check("run_at"); err != nil {
		return err
	}
	switch {
	case n.Type == "":
		return errcode.Invalid("type", "it is required")
	case s.deps.Queue.Internal(n.Type):
		return errcode.Invalid("type", "jobs of type %s are made by the appliance alone", n.Type)
	case n.Delay != 0 && !n.RunAt.IsZero():
		return errcode.Invalid("delay", "not together with run_at")
	}
	return nil
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// Job is a job on the wire. Members have the order of appendJob, which writes the same document without reflection.
type Job struct {
	ID            string            `json:"id"`
	Type          string            `json:"type"`
	Queue         string            `json:"queue"`
	Priority      int               `json:"priority" minimum:"0" maximum:"9"`
	Status        string            `json:"status" enum:"waiting,scheduled,ready,active,retry,completed,dead,cancelled"`
	Payload       anyJSON           `json:"payload"`
	Result        anyJSON           `json:"result" doc:"of a completed job, null in lists"`
	Progress      float64           `json:"progress" minimum:"0" maximum:"1"`
	ProgressText  string            `json:"progress_text"`
	Attempt       int               `json:"attempt" doc:"runs so far, the running one included"`
	MaxAttempts   int               `json:"max_attempts"`
	Crashes       int               `json:"crashes" doc:"runs that ended with the process"`
	RunAt         Stamp             `json:"run_at" doc:"when it is due; null if it does not wait for a time"`
	Timeout       float64           `json:"timeout" doc:"seconds"`
	SoftTimeout   float64           `json:"soft_timeout" doc:"seconds"`
	UniqueKey     text              `json:"unique_key"`
	UniqueUntil   text              `json:"unique_until" doc:"end, start or ttl; null without unique_key"`
	UniqueTTL     float64           `json:"unique_ttl" doc:"seconds, of unique_until ttl"`
	LimitKey      text              `json:"limit_key"`
	Backoff       maybe[JobBackoff] `json:"backoff" doc:"null: as configured"`
	DependsOn     []string          `json:"depends_on" nullable:"false"`
	OnFailure     text              `json:"on_failure" doc:"fail or continue; null without depends_on"`
	FlowID        text              `json:"flow_id"`
	FlowKey       text              `json:"flow_key" doc:"its name within the flow"`
	ScheduleID    text              `json:"schedule_id"`
	ResultTTL     float64           `json:"result_ttl" doc:"seconds; 0: as configured"`
	RequestID     text              `json:"request_id"`
	CorrelationID text              `json:"correlation_id"`
	TraceID       text              `json:"trace_id"`
	Worker        text              `json:"worker" doc:"who runs it"`
	Errors        []JobError        `json:"errors" doc:"of its last ten failed attempts; null in lists"`
	LastError     maybe[JobError]   `json:"last_error" doc:"the last of them, its message cut at 300 bytes; null if none failed, or it completed. In lists too"`
	CreatedAt     Stamp             `json:"created_at"`
	StartedAt     Stamp             `json:"started_at" doc:"of the last attempt"`
	FinishedAt    Stamp             `json:"finished_at"`
	Duplicate     bool              `json:"duplicate" doc:"as the answer to making it: it was there already"`
}

// JobError is a failed attempt on the wire.
type JobError struct {
	Attempt int    `json:"attempt"`
	At      Stamp  `json:"at"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// lastMessage is how many bytes of a message Job.LastError has: a line to read, in a list of a thousand.
const lastMessage = 300

func lastError(j *queue.Job) maybe[JobError] {
	if len(j.Errors) == 0 || j.Status == queue.Completed {
		return maybe[JobError]{}
	}
	out := errorDTO(&j.Errors[len(j.Errors)-1])
	if n := lastMessage; len(out.Message) > n {
		for n > 0 && !utf8.RuneStart(out.Message[n]) {
			n--
		}
		out.Message = out.Message[:n]
	}
	return maybe[JobError]{&out}
}

func errorDTO(f *queue.Failure) JobError {
	return JobError{Attempt: f.Attempt, At: Stamp(f.At), Code: string(f.Code), Message: f.Message}
}

// jobLine is a job as lists and events have it.
func jobLine(j *queue.Job) Job {
	out := jobDTO(j)
	out.Result, out.Errors = nil, nil
	return out
}

func jobDTO(j *queue.Job) Job {
	out := Job{
		ID: string(j.ID), Type: j.Type, Queue: j.Queue, Priority: j.Priority, Status: string(j.Status), Payload: anyJSON(j.Payload),
		Result: anyJSON(j.Result), Progress: j.Progress.Fraction, ProgressText: j.Progress.Text, Attempt: j.Attempt,
		MaxAttempts: j.MaxAttempts, Crashes: j.Crashes, RunAt: Stamp(j.RunAt), Timeout: j.Timeout.Seconds(), SoftTimeout: j.SoftTimeout.Seconds(),
		UniqueKey: text(j.UniqueKey), UniqueUntil: text(j.UniqueUntil), UniqueTTL: j.UniqueTTL.Seconds(), LimitKey: text(j.LimitKey),
		Backoff: backoffDTO(j.Backoff), DependsOn: make([]string, 0, len(j.DependsOn)), OnFailure: text(j.OnFailure), FlowID: text(j.FlowID),
		FlowKey: text(j.FlowKey), ScheduleID: text(j.ScheduleID), ResultTTL: j.ResultTTL.Seconds(), RequestID: text(j.RequestID),
		CorrelationID: text(j.CorrelationID), TraceID: text(j.TraceID), Worker: text(j.Worker), CreatedAt: Stamp(j.CreatedAt),
		StartedAt: Stamp(j.StartedAt), FinishedAt: Stamp(j.FinishedAt), Duplicate: j.Duplicate, LastError: lastError(j),
	}
	for _, id := range j.DependsOn {
		out.DependsOn = append(out.DependsOn, string(id))
	}
	for i := range j.Errors {
		out.Errors = append(out.Errors, errorDTO(&j.Errors[i]))
	}
	return out
}

// one is a job by itself: its errors are known, also when there are none.
func oneJob(j *queue.Job) Job {
	out := jobDTO(j)
	if out.Errors == nil {
		out.Errors = []JobError{}
	}
	return out
}
