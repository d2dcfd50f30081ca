package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Job is a job of an appliance. Times that have not come are zero.
type Job struct {
	ID            string          `json:"id"`
	Type          string          `json:"type"`
	Queue         string          `json:"queue"`
	Priority      int             `json:"priority"` // 0–9, 9 first
	Status        string          `json:"status"`   // waiting, scheduled, ready, active, retry, completed, dead, cancelled
	Payload       json.RawMessage `json:"payload"`
	Result        json.RawMessage `json:"result,omitempty"` // of a completed job; not in lists
	Progress      float64         `json:"progress"`
	ProgressText  string          `json:"progress_text,omitempty"`
	Attempt       int             `json:"attempt"` // runs so far
	MaxAttempts   int             `json:"max_attempts"`
	Crashes       int             `json:"crashes,omitempty"`
	RunAt         time.Time       `json:"run_at,omitzero"`
	Timeout       float64         `json:"timeout"`      // seconds
	SoftTimeout   float64         `json:"soft_timeout"` // seconds
	UniqueKey     string          `json:"unique_key,omitempty"`
	UniqueUntil   string          `json:"unique_until,omitempty"`
	UniqueTTL     float64         `json:"unique_ttl,omitempty"`
	LimitKey      string          `json:"limit_key,omitempty"`
	Backoff       *Backoff        `json:"backoff,omitempty"` // nil = as configured
	DependsOn     []string        `json:"depends_on,omitempty"`
	OnFailure     string          `json:"on_failure,omitempty"`
	FlowID        string          `json:"flow_id,omitempty"`
	FlowKey       string          `json:"flow_key,omitempty"`
	ScheduleID    string          `json:"schedule_id,omitempty"`
	ResultTTL     float64         `json:"result_ttl,omitempty"`
	RequestID     string          `json:"request_id,omitempty"`
	CorrelationID string          `json:"correlation_id,omitempty"`
	TraceID       string          `json:"trace_id,omitempty"`
	Worker        string          `json:"worker,omitempty"`
	Errors        []JobError      `json:"errors,omitempty"`     // not in lists
	LastError     *JobError       `json:"last_error,omitempty"` // its message cut at 300 bytes; in lists too
	CreatedAt     time.Time       `json:"created_at,omitzero"`
	StartedAt     time.Time       `json:"started_at,omitzero"`
	FinishedAt    time.Time       `json:"finished_at,omitzero"`
	Duplicate     bool            `json:"duplicate,omitempty"` // from Enqueue: it was there already
}

// Ended reports whether the job is completed, dead or cancelled.
func (j *Job) Ended() bool {
	return j.Status == "completed" || j.Status == "dead" || j.Status == "cancelled"
}

// JobError is a failed attempt of a job.
type JobError struct {
	Attempt int       `json:"attempt"`
	At      time.Time `json:"at,omitzero"`
	Code    string    `json:"code"`
	Message string    `json:"message"`
}

// Backoff is how long a job waits between its attempts. Times are seconds; zero fields are the defaults.
type Backoff struct {
	Kind   string    `json:"kind,omitempty"` // exponential, fixed or list
	Base   float64   `json:"base,omitempty"`
	Max    float64   `json:"max,omitempty"`
	Delays []float64 `json:"delays,omitempty"` // of kind list
	Jitter *float64  `json:"jitter,omitempty"` // 0–1 of a wait
}

// NewJob is a job that is to be made. Only Type is required; durations are seconds.
type NewJob struct {
	Type          string    `json:"type"`
	Queue         string    `json:"queue,omitempty"`
	Priority      *int      `json:"priority,omitempty"` // nil = 5
	Payload       any       `json:"payload,omitempty"`  // any value that encodes to JSON
	RunAt         time.Time `json:"run_at,omitzero"`
	Delay         float64   `json:"delay,omitempty"`
	UniqueKey     string    `json:"unique_key,omitempty"`
	UniqueUntil   string    `json:"unique_until,omitempty"` // end, start or ttl
	UniqueTTL     float64   `json:"unique_ttl,omitempty"`
	LimitKey      string    `json:"limit_key,omitempty"`
	MaxAttempts   int       `json:"max_attempts,omitempty"`
	Timeout       float64   `json:"timeout,omitempty"`
	SoftTimeout   float64   `json:"soft_timeout,omitempty"`
	Backoff       *Backoff  `json:"backoff,omitempty"`
	DependsOn     []string  `json:"depends_on,omitempty"` // job ids; in a flow keys
	OnFailure     string    `json:"on_failure,omitempty"` // fail or continue
	ResultTTL     float64   `json:"result_ttl,omitempty"`
	RequestID     string    `json:"request_id,omitempty"`
	CorrelationID string    `json:"correlation_id,omitempty"`
	TraceID       string    `json:"trace_id,omitempty"`
}

// JobEdit changes a job; zero fields stay as they are.
type JobEdit struct {
	Payload  json.RawMessage `json:"payload,omitempty"`
	Queue    *string         `json:"queue,omitempty"`
	Priority *int            `json:"priority,omitempty"`
	RunAt    time.Time       `json:"run_at,omitzero"`
}

// JobFilter selects jobs. Zero fields select all.
type JobFilter struct {
	IDs      []string  `json:"ids,omitempty"`
	Status   []string  `json:"status,omitempty"`
	Queue    string    `json:"queue,omitempty"`
	Type     string    `json:"type,omitempty"`
	Code     string    `json:"code,omitempty"` // of the last error
	Text     string    `json:"q,omitempty"`    // in the last error or the payload
	LimitKey string    `json:"limit_key,omitempty"`
	Flow     string    `json:"flow,omitempty"`
	Schedule string    `json:"schedule,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Until    time.Time `json:"until,omitzero"`
}

func (f *JobFilter) query() url.Values {
	q := url.Values{}
	for name, v := range map[string]string{
		"ids": strings.Join(f.IDs, ","), "status": strings.Join(f.Status, ","), "queue": f.Queue, "type": f.Type, "code": f.Code, "q": f.Text,
		"limit_key": f.LimitKey, "flow": f.Flow, "schedule": f.Schedule,
	} {
		if v != "" {
			q.Set(name, v)
		}
	}
	for name, t := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !t.IsZero() {
			q.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	return q
}

// JobList asks for a page of jobs.
type JobList struct {
	JobFilter
	Oldest bool // first; else the newest
	Limit  int  // 0 = 100, at most 1,000
	Cursor string
}

// JobResult is how a job ended. FinishedAt is zero while it has not.
type JobResult struct {
	ID         string          `json:"id"`
	Status     string          `json:"status"`
	Result     json.RawMessage `json:"result"`
	Error      *JobError       `json:"error,omitempty"`
	FinishedAt time.Time       `json:"finished_at,omitzero"`
}

// Acted is what an action on many jobs did.
type Acted struct {
	Matched int       `json:"matched"`
	Done    int       `json:"done"`
	Failed  int       `json:"failed"`
	Error   *JobError `json:"error,omitempty"` // why it failed for one of them
}

// Imported is what an import did.
type Imported struct {
	Imported   int `json:"imported"`
	Duplicates int `json:"duplicates"` // jobs whose unique key is held
}

// Enqueue makes a job. It is durable when it returns. With a key (may be empty), a call that is made again within 24 h
// gives the same job: use one when a call may have been heard although its answer was not.
func (c *Client) Enqueue(ctx context.Context, n NewJob, key string) (j Job, err error) {
	r, err := jsonRequest(http.MethodPost, "/jobs", n)
	if err != nil {
		return j, err
	}
	r.header = keyHeader(key)
	_, err = c.do(ctx, r, &j)
	return j, err
}

// EnqueueAll makes jobs, all or none, at most 10,000. The key is as with Enqueue.
func (c *Client) EnqueueAll(ctx context.Context, jobs []NewJob, key string) ([]Job, error) {
	r, err := jsonRequest(http.MethodPost, "/jobs", map[string]any{"jobs": jobs})
	if err != nil {
		return nil, err
	}
	r.header = keyHeader(key)
	var out struct {
		Items []Job `json:"items"`
	}
	_, err = c.do(ctx, r, &out)
	return out.Items, err
}

func keyHeader(key string) http.Header {
	if key == "" {
		return nil
	}
	return http.Header{"Idempotency-Key": {key}}
}

// Jobs lists jobs, without results, and of their errors the last; next is the cursor of the page that follows, "" at the end.
func (c *Client) Jobs(ctx context.Context, l JobList) (jobs []Job, next string, err error) {
	q := l.query()
	if l.Oldest {
		q.Set("sort", "oldest")
	}
	if l.Limit > 0 {
		q.Set("limit", strconv.Itoa(l.Limit))
	}
	if l.Cursor != "" {
		q.Set("cursor", l.Cursor)
	}
	var out struct {
		Items []Job  `json:"items"`
		Next  string `json:"next_cursor"`
	}
	err = c.get(ctx, "/jobs", q, &out)
	return out.Items, out.Next, err
}

// Job gives a job with its result and errors.
func (c *Client) Job(ctx context.Context, id string) (j Job, err error) {
	err = c.get(ctx, jobPath(id), nil, &j)
	return j, err
}

// Result gives how a job ended, waiting for that up to 30 seconds.
func (c *Client) Result(ctx context.Context, id string, wait time.Duration) (r JobResult, err error) {
	q := url.Values{}
	if wait > 0 {
		q.Set("wait", seconds(wait))
	}
	err = c.get(ctx, jobPath(id)+"/result", q, &r)
	return r, err
}

// Wait waits until a job has ended, or ctx.
func (c *Client) Wait(ctx context.Context, id string) (JobResult, error) {
	for {
		r, err := c.Result(ctx, id, 30*time.Second)
		if err != nil || !r.FinishedAt.IsZero() {
			return r, err
		}
		if err := ctx.Err(); err != nil {
			return r, fmt.Errorf("wait for job %s: %w", id, err)
		}
	}
}

// CancelJob ends a job that has not ended; one that is at work is told to stop.
func (c *Client) CancelJob(ctx context.Context, id string) (j Job, err error) {
	err = c.act(ctx, http.MethodPost, jobPath(id)+"/cancel", &j)
	return j, err
}

// RetryJob brings a dead or cancelled job back, or makes one ready that waits for its next attempt.
func (c *Client) RetryJob(ctx context.Context, id string) (j Job, err error) {
	err = c.act(ctx, http.MethodPost, jobPath(id)+"/retry", &j)
	return j, err
}

// PromoteJob makes a job ready that waits for its time.
func (c *Client) PromoteJob(ctx context.Context, id string) (j Job, err error) {
	err = c.act(ctx, http.MethodPost, jobPath(id)+"/promote", &j)
	return j, err
}

// EditJob changes a job that is neither at work nor completed.
func (c *Client) EditJob(ctx context.Context, id string, e JobEdit) (j Job, err error) {
	err = c.send(ctx, http.MethodPatch, jobPath(id), e, &j)
	return j, err
}

// DeleteJob removes a job that is not at work.
func (c *Client) DeleteJob(ctx context.Context, id string) error {
	return c.act(ctx, http.MethodDelete, jobPath(id), nil)
}

// ActOnJobs cancels, retries, promotes or deletes every job that a filter finds, at most limit (0 = all). The filter
// is to have at least one field.
func (c *Client) ActOnJobs(ctx context.Context, action string, f JobFilter, limit int) (a Acted, err error) {
	err = c.send(ctx, http.MethodPost, "/jobs/actions", map[string]any{"action": action, "filter": f, "limit": limit}, &a)
	return a, err
}

// ExportJobs writes jobs as NDJSON, the oldest first. An export that was cut off is an error.
func (c *Client) ExportJobs(ctx context.Context, f JobFilter, w io.Writer) error {
	res, err := c.open(ctx, request{method: http.MethodGet, path: "/jobs/export", query: f.query()})
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= http.StatusBadRequest {
		data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
		if err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		return problem(res, data)
	}
	if _, err := io.Copy(w, res.Body); err != nil {
		return fmt.Errorf("export jobs: %w", err)
	}
	return nil
}

// ImportJobs makes the jobs of an export anew.
func (c *Client) ImportJobs(ctx context.Context, r io.Reader) (i Imported, err error) {
	_, err = c.do(ctx, request{method: http.MethodPost, path: "/jobs/import", body: r, size: -1, mediaType: "application/x-ndjson"}, &i)
	return i, err
}

func jobPath(id string) string { return "/jobs/" + url.PathEscape(id) }

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }
