package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// NewFlowJob is a job of a flow that is to be made; its DependsOn names keys of the flow.
type NewFlowJob struct {
	Key string `json:"key"`
	NewJob
}

// Flow is jobs that depend on each other.
type Flow struct {
	ID        string         `json:"id"`
	Status    string         `json:"status"` // active, completed, dead or cancelled
	Counts    map[string]int `json:"counts"`
	CreatedAt time.Time      `json:"created_at,omitzero"`
	EndedAt   time.Time      `json:"ended_at,omitzero"`
	Jobs      []FlowJob      `json:"jobs"` // not in lists
}

// FlowJob is a job of a flow.
type FlowJob struct {
	Key        string    `json:"key"`
	DependsOn  []string  `json:"depends_on"`
	OnFailure  string    `json:"on_failure"`
	ID         string    `json:"id"`
	Type       string    `json:"type"`
	Queue      string    `json:"queue"`
	Status     string    `json:"status"`
	Attempt    int       `json:"attempt"`
	Progress   float64   `json:"progress"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
}

// CreateFlow makes jobs that depend on each other, all or none. The key is as with Enqueue.
func (c *Client) CreateFlow(ctx context.Context, jobs []NewFlowJob, key string) (f Flow, err error) {
	r, err := jsonRequest(http.MethodPost, "/flows", map[string]any{"jobs": jobs})
	if err != nil {
		return f, err
	}
	r.header = keyHeader(key)
	_, err = c.do(ctx, r, &f)
	return f, err
}

// Flows lists flows, the newest first, without their jobs; next is the cursor of the page that follows.
func (c *Client) Flows(ctx context.Context, limit int, cursor string) (flows []Flow, next string, err error) {
	q := url.Values{}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	var out struct {
		Items []Flow `json:"items"`
		Next  string `json:"next_cursor"`
	}
	err = c.get(ctx, "/flows", q, &out)
	return out.Items, out.Next, err
}

// Flow gives a flow with its jobs.
func (c *Client) Flow(ctx context.Context, id string) (f Flow, err error) {
	err = c.get(ctx, "/flows/"+url.PathEscape(id), nil, &f)
	return f, err
}

// CancelFlow cancels every job of a flow that has not ended.
func (c *Client) CancelFlow(ctx context.Context, id string) (f Flow, err error) {
	err = c.act(ctx, http.MethodPost, "/flows/"+url.PathEscape(id)+"/cancel", &f)
	return f, err
}
