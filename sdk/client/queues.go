package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Rate is how many jobs of a queue may start in a time.
type Rate struct {
	Jobs  int     `json:"jobs"`
	Per   float64 `json:"per"`             // seconds
	Burst int     `json:"burst,omitempty"` // jobs that start at once after a pause; 0 = as many as Jobs
}

// Queue is a queue of an appliance.
type Queue struct {
	Name               string           `json:"name"`
	Weight             int              `json:"weight"`
	ConfiguredWeight   int              `json:"configured_weight"` // that it has unless another one was set
	Paused             bool             `json:"paused"`
	Draining           bool             `json:"draining"` // paused to be drained, and something is at work still
	Drained            bool             `json:"drained"`  // paused to be drained, and nothing is at work any more
	BuiltIn            bool             `json:"built_in"`
	MaxActive          int              `json:"max_active"` // 0 = no limit
	Rate               *Rate            `json:"rate"`       // nil = no limit
	KeyMaxActive       int              `json:"key_max_active"`
	KeyRate            *Rate            `json:"key_rate"`
	Counts             map[string]int64 `json:"counts"`
	OldestReadySeconds float64          `json:"oldest_ready_seconds"`
	PerSecond          float64          `json:"per_second"`
}

// QueueSettings are what can be set of a queue; zero fields are the defaults.
type QueueSettings struct {
	Weight       int   `json:"weight,omitempty"` // 0 = as configured
	Paused       bool  `json:"paused,omitempty"`
	MaxActive    int   `json:"max_active,omitempty"`
	Rate         *Rate `json:"rate,omitempty"`
	KeyMaxActive int   `json:"key_max_active,omitempty"`
	KeyRate      *Rate `json:"key_rate,omitempty"`
}

// QueuePatch has the settings of a queue that are to change, by their names in JSON (weight, paused, max_active, rate,
// key_max_active, key_rate); nil gives a setting its default.
type QueuePatch map[string]any

// Queues lists the queues.
func (c *Client) Queues(ctx context.Context) ([]Queue, error) {
	return all[Queue](ctx, c, "/queues")
}

// Queue gives a queue.
func (c *Client) Queue(ctx context.Context, name string) (q Queue, err error) {
	err = c.get(ctx, queuePath(name), nil, &q)
	return q, err
}

// SetQueue replaces the settings of a queue, which is made if it does not exist.
func (c *Client) SetQueue(ctx context.Context, name string, s QueueSettings) (q Queue, err error) {
	err = c.send(ctx, http.MethodPut, queuePath(name), s, &q)
	return q, err
}

// ChangeQueue changes some settings of a queue.
func (c *Client) ChangeQueue(ctx context.Context, name string, p QueuePatch) (q Queue, err error) {
	err = c.send(ctx, http.MethodPatch, queuePath(name), p, &q)
	return q, err
}

// DeleteQueue deletes a queue without jobs.
func (c *Client) DeleteQueue(ctx context.Context, name string) error {
	return c.act(ctx, http.MethodDelete, queuePath(name), nil)
}

// PauseQueue starts no more jobs of a queue.
func (c *Client) PauseQueue(ctx context.Context, name string) (q Queue, err error) {
	err = c.act(ctx, http.MethodPost, queuePath(name)+"/pause", &q)
	return q, err
}

// ResumeQueue starts jobs of a queue again.
func (c *Client) ResumeQueue(ctx context.Context, name string) (q Queue, err error) {
	err = c.act(ctx, http.MethodPost, queuePath(name)+"/resume", &q)
	return q, err
}

// DrainQueue pauses a queue and waits, up to 30 seconds, until nothing of it is at work: Counts["active"] tells.
func (c *Client) DrainQueue(ctx context.Context, name string, wait time.Duration) (q Queue, err error) {
	_, err = c.do(ctx, request{method: http.MethodPost, path: queuePath(name) + "/drain", query: url.Values{"wait": {seconds(wait)}}}, &q)
	return q, err
}

// PurgeQueue removes every job of a queue that is not at work.
func (c *Client) PurgeQueue(ctx context.Context, name string) (removed int, err error) {
	var out struct {
		Removed int `json:"removed"`
	}
	err = c.act(ctx, http.MethodPost, queuePath(name)+"/purge", &out)
	return out.Removed, err
}

func queuePath(name string) string { return "/queues/" + url.PathEscape(name) }

// Ways in which queues take turns.
const (
	Weighted = "weighted" // in proportion to their weights
	Strict   = "strict"   // the largest weight first, but for jobs that have waited for the ageing time
)

// QueueMode is how queues take turns.
type QueueMode struct {
	Mode   string  `json:"mode"`
	Ageing float64 `json:"ageing"` // seconds after which Strict puts a job before all others
	Set    struct {
		Mode   *string  `json:"mode"` // nil = as configured
		Ageing *float64 `json:"ageing"`
	} `json:"set"`
	Configured struct {
		Mode   string  `json:"mode"`
		Ageing float64 `json:"ageing"`
	} `json:"configured"`
}

// QueueModePatch has what is to change of the mode, by the names in JSON (mode, ageing); nil is as configured again.
type QueueModePatch map[string]any

// QueueMode gives how queues take turns.
func (c *Client) QueueMode(ctx context.Context) (m QueueMode, err error) {
	err = c.get(ctx, "/queue-mode", nil, &m)
	return m, err
}

// ChangeQueueMode changes how queues take turns; it holds over restarts, whatever the configuration says.
func (c *Client) ChangeQueueMode(ctx context.Context, p QueueModePatch) (m QueueMode, err error) {
	err = c.send(ctx, http.MethodPatch, "/queue-mode", p, &m)
	return m, err
}
