package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// TransferVersion is the version of the exported form. Lines of a newer one are refused.
const TransferVersion = 1

// MaxTransfer is how many jobs one Import takes, and MaxTransferLine how many bytes a line of the exported form has.
const (
	MaxTransfer     = 100_000
	MaxTransferLine = 1 << 20
)

// Exported is a job as it moves between boxes. As JSON it is one line of an NDJSON file; every line stands for itself,
// so files can be cut and joined. Durations are in seconds, as in the API.
type Exported struct {
	Version     int             `json:"version"`
	ID          ID              `json:"id"`
	Type        string          `json:"type"`
	Queue       string          `json:"queue"`
	Priority    int             `json:"priority"`
	Status      Status          `json:"status"`
	Payload     json.RawMessage `json:"payload"`
	Attempt     int             `json:"attempt,omitzero"`
	Crashes     int             `json:"crashes,omitzero"`
	MaxAttempts int             `json:"max_attempts"`
	Timeout     float64         `json:"timeout"`
	SoftTimeout float64         `json:"soft_timeout"`
	RunAt       time.Time       `json:"run_at,omitzero"`
	CreatedAt   time.Time       `json:"created_at"`
	StartedAt   time.Time       `json:"started_at,omitzero"`
	FinishedAt  time.Time       `json:"finished_at,omitzero"`
	UniqueKey   string          `json:"unique_key,omitzero"`
	UniqueUntil UniqueUntil     `json:"unique_until,omitzero"`
	UniqueTTL   float64         `json:"unique_ttl,omitzero"`
	LimitKey    string          `json:"limit_key,omitzero"`
	Backoff     *MovedBackoff   `json:"backoff,omitzero"`
	DependsOn   []ID            `json:"depends_on,omitempty"`
	OnFailure   OnFailure       `json:"on_failure,omitzero"`
	FlowID      FlowID          `json:"flow_id,omitzero"`
	FlowKey     string          `json:"flow_key,omitzero"`
	ScheduleID  string          `json:"schedule_id,omitzero"`
	ResultTTL   float64         `json:"result_ttl,omitzero"`
	Writing     bool            `json:"writing,omitzero"`
	Errors      []MovedFailure  `json:"errors,omitempty"`
	Result      json.RawMessage `json:"result,omitempty"`
	Trace
}

// MovedBackoff is a Backoff in an Exported.
type MovedBackoff struct {
	Kind   BackoffKind `json:"kind,omitzero"`
	Base   float64     `json:"base,omitzero"`
	Max    float64     `json:"max,omitzero"`
	Delays []float64   `json:"delays,omitempty"`
	Jitter float64     `json:"jitter,omitzero"`
}

// MovedFailure is a Failure in an Exported.
type MovedFailure struct {
	Attempt int          `json:"attempt"`
	At      time.Time    `json:"at"`
	Code    errcode.Code `json:"code"`
	Message string       `json:"message"`
}

// Transfer moves jobs between engines.
type Transfer interface {
	// Export gives every job that a filter finds, by ascending id, with payload, errors and result. Filter.Limit is
	// how many at most (0 = all), Cursor where to begin. It holds no lock while emit runs; an error of emit ends it.
	Export(ctx context.Context, f Filter, emit func(Exported) error) error
	// Import makes the jobs anew, under new ids, and gives them in the same order. What was at work is ready, what had
	// ended has ended, and its retention begins anew. DependsOn and FlowID are mapped within jobs; a job to depend on
	// that is not among them is refused. A unique key that is held gives its holder, with Duplicate set, in the place
	// of the new job. All are checked before the first is made; then they are made in commits of many: if one fails,
	// the jobs without an ID were not made.
	Import(ctx context.Context, jobs []Exported) ([]Job, error)
}

// Export gives a job in the form in which it moves.
func (j Job) Export() Exported {
	x := Exported{
		Version: TransferVersion, ID: j.ID, Type: j.Type, Queue: j.Queue, Priority: j.Priority, Status: j.Status, Payload: j.Payload,
		Attempt: j.Attempt, Crashes: j.Crashes, MaxAttempts: j.MaxAttempts, Timeout: j.Timeout.Seconds(), SoftTimeout: j.SoftTimeout.Seconds(),
		RunAt: j.RunAt, CreatedAt: j.CreatedAt, StartedAt: j.StartedAt, FinishedAt: j.FinishedAt,
		UniqueKey: j.UniqueKey, UniqueUntil: j.UniqueUntil, UniqueTTL: j.UniqueTTL.Seconds(), LimitKey: j.LimitKey, DependsOn: j.DependsOn,
		OnFailure: j.OnFailure, FlowID: j.FlowID, FlowKey: j.FlowKey, ScheduleID: j.ScheduleID, ResultTTL: j.ResultTTL.Seconds(),
		Writing: j.Writing, Result: j.Result, Trace: j.Trace,
	}
	if b := j.Backoff; b != nil {
		m := MovedBackoff{Kind: b.Kind, Base: b.Base.Seconds(), Max: b.Max.Seconds(), Jitter: b.Jitter}
		for _, d := range b.Delays {
			m.Delays = append(m.Delays, d.Seconds())
		}
		x.Backoff = &m
	}
	for _, f := range j.Errors {
		x.Errors = append(x.Errors, MovedFailure(f))
	}
	return x
}

// New gives what a producer would have given for the job; dependencies and flow are left out.
func (x Exported) New() New {
	n := New{
		Type: x.Type, Queue: x.Queue, Priority: &x.Priority, Payload: x.Payload, UniqueKey: x.UniqueKey, UniqueUntil: x.UniqueUntil,
		UniqueTTL: inSeconds(x.UniqueTTL), LimitKey: x.LimitKey, OnFailure: x.OnFailure, ResultTTL: inSeconds(x.ResultTTL),
		ScheduleID: x.ScheduleID, Writing: x.Writing, MaxAttempts: x.MaxAttempts, Timeout: inSeconds(x.Timeout), SoftTimeout: inSeconds(x.SoftTimeout),
		RequestID: x.RequestID, CorrelationID: x.CorrelationID, TraceID: x.TraceID, RunAt: x.RunAt,
	}
	if m := x.Backoff; m != nil {
		b := Backoff{Kind: m.Kind, Base: inSeconds(m.Base), Max: inSeconds(m.Max), Jitter: m.Jitter}
		for _, d := range m.Delays {
			b.Delays = append(b.Delays, inSeconds(d))
		}
		n.Backoff = &b
	}
	return n
}

// inSeconds gives a duration that New's checks refuse if it is no good, whatever number stood there.
func inSeconds(s float64) time.Duration {
	if !(s >= 0 && s <= 100*maxWait.Seconds()) {
		return -1
	}
	return time.Duration(math.Round(s * float64(time.Second)))
}

// State checks what an Exported says beside its New, and gives the state in which the job is made; the pending
// dependencies are the engine's to count.
func (x Exported) State() (State, error) {
	s := State{
		Status: x.Status, Attempt: x.Attempt, Crashes: x.Crashes, MaxAttempts: x.MaxAttempts, RunAt: x.RunAt,
		StartedAt: x.StartedAt, FinishedAt: x.FinishedAt,
	}
	switch {
	case x.Version < 1 || x.Version > TransferVersion:
		return s, errcode.Invalid("version", "1 to %d", TransferVersion)
	case x.Attempt < 0 || x.Attempt >= 1<<16:
		return s, errcode.Invalid("attempt", "0 to %d", 1<<16-1)
	case x.Crashes < 0 || x.Crashes > min(x.Attempt, 255):
		return s, errcode.Invalid("crashes", "0 to the number of attempts, at most 255")
	case x.FlowID != "" && !validName(x.FlowKey, MaxFlowKey):
		return s, errcode.Invalid("flow_key", "1 to %d letters, digits, '.', '_', '-' or ':'", MaxFlowKey)
	case slices.ContainsFunc(x.Errors, func(f MovedFailure) bool {
		return f.Attempt < 0 || f.Attempt >= 1<<16 || !validName(string(f.Code), MaxTypeName)
	}):
		return s, errcode.Invalid("errors", "each with a code and the number of its attempt")
	case len(x.Errors) > MaxErrors:
		return s, errcode.Invalid("errors", "at most %d", MaxErrors)
	case len(x.Result) > 0 && (x.Status != Completed || len(x.Result) > MaxResult || !json.Valid(x.Result)):
		return s, errcode.Invalid("result", "JSON of at most %d bytes, and only of a completed job", MaxResult)
	}
	for _, t := range []struct {
		name string
		at   time.Time
	}{{"created_at", x.CreatedAt}, {"started_at", x.StartedAt}, {"finished_at", x.FinishedAt}} {
		if !t.at.IsZero() && (t.at.Year() < 1970 || t.at.Year() > 9999) {
			return s, errcode.Invalid(t.name, "a year from 1970 to 9999")
		}
	}
	switch x.Status {
	case Active:
		// The run that was under way is not counted: it goes on where it was.
		s.Status, s.Attempt, s.Crashes = Ready, max(s.Attempt-1, 0), min(s.Crashes, max(s.Attempt-1, 0))
	case Ready:
	case Scheduled, Retry, Waiting:
		return s, nil
	case Completed, Dead, Cancelled:
		if s.FinishedAt.IsZero() {
			return s, errcode.Invalid("finished_at", "required for a job that has ended")
		}
	default:
		return s, errcode.Invalid("status", "not one of a job")
	}
	s.RunAt = time.Time{}
	return s, nil
}

// ParseExported reads a line of the exported form. Unknown fields are refused: they would be lost without a word.
func ParseExported(line []byte) (Exported, error) {
	var head struct {
		Version int `json:"version"`
	}
	if len(line) > MaxTransferLine {
		return Exported{}, errcode.Newf(errcode.TooLarge, "a line of at most %d bytes", MaxTransferLine)
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return Exported{}, errcode.Wrap(errcode.Malformed, err, "not a line of exported jobs")
	}
	if head.Version < 1 || head.Version > TransferVersion {
		return Exported{}, errcode.Invalid("version", "1 to %d", TransferVersion)
	}
	var x Exported
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil {
		return Exported{}, errcode.Wrap(errcode.Malformed, err, fmt.Sprintf("not an exported job: %v", err))
	}
	return x, nil
}
