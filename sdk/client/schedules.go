package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// NewSchedule is a schedule that is to be made.
type NewSchedule struct {
	Cron      string `json:"cron"`               // five fields, six with seconds first, or @hourly and the like
	Timezone  string `json:"timezone,omitempty"` // IANA name, "" = UTC
	Job       NewJob `json:"job"`                // without RunAt, Delay and DependsOn
	Missed    string `json:"missed,omitempty"`   // skip, once or all
	MissedMax int    `json:"missed_max,omitempty"`
	Overlap   string `json:"overlap,omitempty"` // allow, skip or queue
	Paused    bool   `json:"paused,omitempty"`
}

// Schedule is a schedule of an appliance.
type Schedule struct {
	ID        string    `json:"id"`
	Cron      string    `json:"cron"`
	Timezone  string    `json:"timezone"`
	Job       NewJob    `json:"job"`
	Missed    string    `json:"missed"`
	MissedMax int       `json:"missed_max"`
	Overlap   string    `json:"overlap"`
	Paused    bool      `json:"paused"`
	NextRunAt time.Time `json:"next_run_at,omitzero"`
	LastRunAt time.Time `json:"last_run_at,omitzero"`
	LastJobID string    `json:"last_job_id"`
	Skipped   int64     `json:"skipped"`
	Reason    string    `json:"reason"` // why it does not fire, "" = it does
	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// Schedules lists the schedules.
func (c *Client) Schedules(ctx context.Context) ([]Schedule, error) {
	return all[Schedule](ctx, c, "/schedules")
}

// Schedule gives a schedule.
func (c *Client) Schedule(ctx context.Context, id string) (s Schedule, err error) {
	err = c.get(ctx, schedulePath(id), nil, &s)
	return s, err
}

// SetSchedule makes a schedule, or replaces the one of that id.
func (c *Client) SetSchedule(ctx context.Context, id string, n NewSchedule) (s Schedule, err error) {
	err = c.send(ctx, http.MethodPut, schedulePath(id), n, &s)
	return s, err
}

// DeleteSchedule deletes a schedule; its jobs stay.
func (c *Client) DeleteSchedule(ctx context.Context, id string) error {
	return c.act(ctx, http.MethodDelete, schedulePath(id), nil)
}

// RunSchedule makes a schedule's job now.
func (c *Client) RunSchedule(ctx context.Context, id string) (j Job, err error) {
	err = c.act(ctx, http.MethodPost, schedulePath(id)+"/run", &j)
	return j, err
}

// PauseSchedule lets a schedule make no more jobs.
func (c *Client) PauseSchedule(ctx context.Context, id string) (s Schedule, err error) {
	err = c.act(ctx, http.MethodPost, schedulePath(id)+"/pause", &s)
	return s, err
}

// ResumeSchedule lets a schedule make jobs again.
func (c *Client) ResumeSchedule(ctx context.Context, id string) (s Schedule, err error) {
	err = c.act(ctx, http.MethodPost, schedulePath(id)+"/resume", &s)
	return s, err
}

func schedulePath(id string) string { return "/schedules/" + url.PathEscape(id) }
