package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// LeasedJob is a job together with the right to finish it.
type LeasedJob struct {
	Job
	Lease     string    `json:"lease"`
	ExpiresAt time.Time `json:"lease_expires_at,omitzero"`
}

// Ack says that a leased job was done.
type Ack struct {
	ID     string          `json:"id"`
	Lease  string          `json:"lease"`
	Result json.RawMessage `json:"result,omitempty"`
}

// Fail says that a leased job could not be done.
type Fail struct {
	ID      string  `json:"id"`
	Lease   string  `json:"lease"`
	Error   Fault   `json:"error"`
	RetryIn float64 `json:"retry_in,omitempty"` // seconds, instead of the job's backoff
	Dead    bool    `json:"dead,omitempty"`     // no further attempt
}

// Fault is what went wrong in a worker.
type Fault struct {
	Code    string `json:"code,omitempty"` // lower-case letters, digits and _
	Message string `json:"message,omitempty"`
}

// Release gives a leased job back without an attempt.
type Release struct {
	ID    string  `json:"id"`
	Lease string  `json:"lease"`
	Delay float64 `json:"delay,omitempty"` // seconds
}

// Ends are the runs that a worker ends.
type Ends struct {
	Ack     []Ack     `json:"ack,omitempty"`
	Fail    []Fail    `json:"fail,omitempty"`
	Release []Release `json:"release,omitempty"`
}

// LeaseRequest says what a worker takes, and which runs it ends in the same call.
type LeaseRequest struct {
	Worker       string   `json:"worker"`
	Queues       []string `json:"queues,omitempty"` // nil = all
	Types        []string `json:"types,omitempty"`  // nil = all but the appliance's own
	Max          int      `json:"max,omitempty"`    // 0 = 1
	Wait         float64  `json:"wait,omitempty"`   // seconds, at most 30
	LeaseSeconds float64  `json:"lease_seconds,omitempty"`
	Ends
}

// Ended says what became of the runs that were ended: ids of jobs.
type Ended struct {
	Acked    []string  `json:"acked"`
	Failed   []string  `json:"failed"`
	Released []string  `json:"released"`
	Lost     []string  `json:"lost"` // the lease was no longer the worker's
	Refused  []Refused `json:"refused"`
}

// Refused is an end of a run that cannot be; the worker still has the lease.
type Refused struct {
	ID      string `json:"id"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Leased is the answer to a lease.
type Leased struct {
	Jobs  []LeasedJob `json:"jobs"`
	Drain bool        `json:"drain"` // the worker is being drained: ask again later
	Ended
}

// Beat is a sign of life of one run.
type Beat struct {
	ID           string   `json:"id"`
	Lease        string   `json:"lease"`
	Progress     *float64 `json:"progress,omitempty"` // 0–1
	ProgressText *string  `json:"progress_text,omitempty"`
}

// Beaten is how a run stands.
type Beaten struct {
	ID        string    `json:"id"`
	State     string    `json:"state"` // ok, cancel, drain or lost
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Lease ends runs and takes jobs, in one call. Package worker does that and what belongs to it.
func (c *Client) Lease(ctx context.Context, r LeaseRequest) (l Leased, err error) {
	err = c.send(ctx, http.MethodPost, "/leases", r, &l)
	return l, err
}

// Finish ends runs without taking more.
func (c *Client) Finish(ctx context.Context, worker string, e Ends) (out Ended, err error) {
	err = c.send(ctx, http.MethodPost, "/leases/finish", struct {
		Worker string `json:"worker"`
		Ends
	}{worker, e}, &out)
	return out, err
}

// Heartbeat prolongs leases and reports progress.
func (c *Client) Heartbeat(ctx context.Context, worker string, beats []Beat) ([]Beaten, error) {
	var out struct {
		Leases []Beaten `json:"leases"`
	}
	err := c.send(ctx, http.MethodPost, "/leases/heartbeat", map[string]any{"worker": worker, "leases": beats}, &out)
	return out.Leases, err
}

// Worker is who runs jobs: a program outside, or the appliance itself.
type Worker struct {
	ID       string    `json:"id"`
	External bool      `json:"external"`
	Draining bool      `json:"draining"`
	Queues   []string  `json:"queues"` // nil = all
	Types    []string  `json:"types"`  // nil = all but the appliance's own
	Active   int       `json:"active"`
	Done     int64     `json:"done"`
	Failed   int64     `json:"failed"`
	Since    time.Time `json:"since,omitzero"`
	LastSeen time.Time `json:"last_seen,omitzero"`
}

// Workers lists the workers that were seen in the last ten minutes, or hold jobs.
func (c *Client) Workers(ctx context.Context) ([]Worker, error) {
	return all[Worker](ctx, c, "/workers")
}

// DrainWorker gives a worker no more jobs.
func (c *Client) DrainWorker(ctx context.Context, id string) (w Worker, err error) {
	err = c.act(ctx, http.MethodPost, "/workers/"+url.PathEscape(id)+"/drain", &w)
	return w, err
}

// ResumeWorker gives a worker jobs again.
func (c *Client) ResumeWorker(ctx context.Context, id string) (w Worker, err error) {
	err = c.act(ctx, http.MethodPost, "/workers/"+url.PathEscape(id)+"/resume", &w)
	return w, err
}
