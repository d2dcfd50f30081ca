package httpapi

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

// LeaseAck says that a job was done.
type LeaseAck struct {
	ID     string  `json:"id" maxLength:"26"`
	Lease  string  `json:"lease" maxLength:"26"`
	Result anyJSON `json:"result,omitempty" doc:"any JSON of at most 64 KiB"`
}

// LeaseFail says that a job could not be done.
type LeaseFail struct {
	ID      string    `json:"id" maxLength:"26"`
	Lease   string    `json:"lease" maxLength:"26"`
	Error   WorkFault `json:"error"`
	RetryIn float64   `json:"retry_in,omitempty" minimum:"0" doc:"seconds until the next attempt, instead of the job's backoff"`
	Dead    bool      `json:"dead,omitempty" doc:"no further attempt: the error is permanent"`
}

// WorkFault is what went wrong in a worker.
type WorkFault struct {
	Code    string `json:"code,omitempty" maxLength:"64" doc:"lower-case letters, digits and _; failed unless given"`
	Message string `json:"message,omitempty" doc:"for people; cut after 1 KiB"`
}

// LeaseRelease gives a job back without an attempt.
type LeaseRelease struct {
	ID    string  `json:"id" maxLength:"26"`
	Lease string  `json:"lease" maxLength:"26"`
	Delay float64 `json:"delay,omitempty" minimum:"0" doc:"seconds until it may be leased again"`
}

// LeaseEnds are the runs that a worker ends.
type LeaseEnds struct {
	Ack     []LeaseAck     `json:"ack,omitempty" maxItems:"1000"`
	Fail    []LeaseFail    `json:"fail,omitempty" maxItems:"1000"`
	Release []LeaseRelease `json:"release,omitempty" maxItems:"1000"`
}

// LeaseRequest is the body of POST /leases.
type LeaseRequest struct {
	Worker       string   `json:"worker" minLength:"1" maxLength:"128" pattern:"^[A-Za-z0-9._:@-]+$" doc:"the name of the worker, of its own choice"`
	Queues       []string `json:"queues,omitempty" maxItems:"100" doc:"all unless given"`
	Types        []string `json:"types,omitempty" maxItems:"100" doc:"all but the appliance's own unless given"`
	Max          int      `json:"max,omitempty" minimum:"0" maximum:"256" doc:"most jobs; 1 unless given"`
	Wait         float64  `json:"wait,omitempty" minimum:"0" maximum:"30" doc:"seconds to wait for a job"`
	LeaseSeconds float64  `json:"lease_seconds,omitempty" minimum:"0" maximum:"3600" doc:"how long the jobs are the worker's without a heartbeat; 5 to 3600, 30 unless given"`
	LeaseEnds
}

// FinishRequest is the body of POST /leases/finish.
type FinishRequest struct {
	Worker string `json:"worker,omitempty" maxLength:"128"`
	LeaseEnds
}

// LeasedJob is a job together with the right to finish it.
type LeasedJob struct {
	Job
	Lease     string `json:"lease" doc:"token of this run"`
	ExpiresAt Stamp  `json:"lease_expires_at" doc:"unless a heartbeat comes before"`
}

// LeaseEnded says what became of the runs that were ended.
type LeaseEnded struct {
	Acked    []string       `json:"acked" nullable:"false" doc:"ids of jobs that are completed now"`
	Failed   []string       `json:"failed" nullable:"false" doc:"ids of jobs whose attempt has failed"`
	Released []string       `json:"released" nullable:"false"`
	Lost     []string       `json:"lost" nullable:"false" doc:"ids of jobs whose lease was no longer the worker's: nothing was changed"`
	Refused  []LeaseRefused `json:"refused" nullable:"false" doc:"ends that cannot be: the worker still has the lease"`
}

// LeaseRefused is an end of a run that cannot be.
type LeaseRefused struct {
	ID      string `json:"id"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// LeaseAnswer is the answer to POST /leases.
type LeaseAnswer struct {
	Jobs  []LeasedJob `json:"jobs" nullable:"false"`
	Drain bool        `json:"drain" doc:"the worker is being drained: there is no job for it, ask again later"`
	LeaseEnded
}

// HeartbeatRequest is the body of POST /leases/heartbeat.
type HeartbeatRequest struct {
	Worker string      `json:"worker" minLength:"1" maxLength:"128" pattern:"^[A-Za-z0-9._:@-]+$"`
	Leases []LeaseBeat `json:"leases" maxItems:"1000"`
}

// LeaseBeat is a sign of life of one run.
type LeaseBeat struct {
	ID           string   `json:"id" maxLength:"26"`
	Lease        string   `json:"lease" maxLength:"26"`
	Progress     *float64 `json:"progress,omitempty" minimum:"0" maximum:"1"`
	ProgressText *string  `json:"progress_text,omitempty" maxLength:"256"`
}

// HeartbeatAnswer is the answer to a heartbeat.
type HeartbeatAnswer struct {
	Leases []LeaseBeaten `json:"leases" nullable:"false"`
}

// LeaseBeaten is how one run stands.
type LeaseBeaten struct {
	ID        string `json:"id"`
	State     string `json:"state" enum:"ok,cancel,drain,lost" doc:"cancel: stop, the job is to be cancelled; drain: go on, but take no more; lost: stop, it is no longer yours"`
	ExpiresAt Stamp  `json:"expires_at"`
}

const maxEnds = 1000

// tokenText and tokenOf turn a token into text and back: no number of JSON holds 64 bits everywhere.
func leaseText(t uint64) string { return strconv.FormatUint(t, 36) }

// leaseOf reads a lease. One that cannot be read is one that nobody has: it is lost, as any other that is made up.
func leaseOf(id, token string) queue.Lease {
	t, err := strconv.ParseUint(token, 36, 64)
	if err != nil {
		t = 0
	}
	return queue.Lease{ID: queue.ID(id), Token: t}
}

// endKind is what a worker said of a run.
type endKind uint8

const (
	endAck endKind = iota
	endFail
	endRelease
)

// ends gives the runs to end, and what each was said to be.
func (e *LeaseEnds) ends() ([]queue.End, []endKind, error) {
	n := len(e.Ack) + len(e.Fail) + len(e.Release)
	if n > maxEnds {
		return nil, nil, errcode.Invalid("ack", "ack, fail and release together at most %d", maxEnds)
	}
	ends, kinds := make([]queue.End, 0, n), make([]endKind, 0, n)
	add := func(id, token string, kind endKind, o queue.Outcome) {
		ends, kinds = append(ends, queue.End{Lease: leaseOf(id, token), Outcome: o}), append(kinds, kind)
	}
	for _, a := range e.Ack {
		add(a.ID, a.Lease, endAck, queue.Outcome{Result: json.RawMessage(a.Result)})
	}
	for i, f := range e.Fail {
		code := or(f.Error.Code, "failed")
		if len(code) > 64 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return nil, nil, errcode.Invalid(fmt.Sprintf("fail[%d].error.code", i), "at most 64 lower-case letters, digits and _")
		}
		if f.RetryIn < 0 || f.RetryIn > maxPause.Seconds() {
			return nil, nil, errcode.Invalid(fmt.Sprintf("fail[%d].retry_in", i), "0 to %.0f seconds", maxPause.Seconds())
		}
		message := or(f.Error.Message, "the worker gave no reason")
		add(f.ID, f.Lease, endFail, queue.Outcome{
			Err: errcode.New(errcode.Code(code), cutUTF8(message, queue.MaxMessage)), Permanent: f.Dead, RetryIn: span(f.RetryIn),
		})
	}
	for i, r := range e.Release {
		if r.Delay < 0 || r.Delay > maxPause.Seconds() {
			return nil, nil, errcode.Invalid(fmt.Sprintf("release[%d].delay", i), "0 to %.0f seconds", maxPause.Seconds())
		}
		add(r.ID, r.Lease, endRelease, queue.Outcome{Release: true, Delay: span(r.Delay)})
	}
	return ends, kinds, nil
}

// maxPause bounds the waits that a worker may ask for: one year.
const maxPause = 365 * 24 * time.Hour

// appendEnded writes the members of a LeaseEnded.
func appendEnded(b []byte, kinds []endKind, ended []queue.Ended, fault func(error) JobFault) []byte {
	var lists [4][]byte // acked, failed, released, lost
	var refused []byte
	for i, e := range ended {
		switch at := int(kinds[i]); {
		case e.Err != nil:
			f := fault(e.Err)
			refused = appendName(append(refused, ',', '{'), "id", string(e.Lease.ID))
			refused = appendName(append(refused, ','), "code", f.Code)
			refused = append(appendName(append(refused, ','), "message", f.Message), '}')
		default:
			if e.Lost {
				at = 3
			}
			lists[at] = appendString(append(lists[at], ','), string(e.Lease.ID))
		}
	}
	for i, name := range []string{`"acked":[`, `,"failed":[`, `,"released":[`, `,"lost":[`} {
		b = append(b, name...)
		if len(lists[i]) > 0 {
			b = append(b, lists[i][1:]...)
		}
		b = append(b, ']')
	}
	b = append(b, `,"refused":[`...)
	if len(refused) > 0 {
		b = append(b, refused[1:]...)
	}
	return append(b, ']')
}

// appendLeased writes a LeasedJob.
func appendLeased(b []byte, l *queue.ExternalLeased) []byte {
	b = appendJob(b, &l.Job)
	b = appendName(append(b[:len(b)-1], ','), "lease", leaseText(l.Lease.Token))
	b = appendStamp(append(b, `,"lease_expires_at":`...), l.Expires)
	return append(b, '}')
}
