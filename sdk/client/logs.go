package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// LogLine is a line of the appliance's log. What is private in it is hidden.
type LogLine struct {
	ID            string         `json:"id"` // of this run of the appliance
	Timestamp     time.Time      `json:"timestamp"`
	Level         string         `json:"level"` // debug, info, warning, error
	Logger        string         `json:"logger"`
	Message       string         `json:"message"`
	RequestID     string         `json:"request_id"`     // "" = none
	CorrelationID string         `json:"correlation_id"` // "" = none
	Fields        map[string]any `json:"fields"`         // the others
}

// LogFilter says which lines are wanted; the zero value is all that are kept.
type LogFilter struct {
	Level  string    // this one and above; "" = all
	Logger string    // this one and those below it; "" = all
	Since  time.Time // at this time or later; zero = all
	Query  string    // a part of the line as JSON, such as a request's id
	Limit  int       // the newest so many; 0 = a hundred
}

func (f LogFilter) values() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"level": f.Level, "logger": f.Logger, "q": f.Query} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if !f.Since.IsZero() {
		q.Set("since", f.Since.Format(time.RFC3339Nano))
	}
	return q
}

// Logs gives the last lines of the log, the newest first. The appliance keeps the last two thousand of this run.
func (c *Client) Logs(ctx context.Context, f LogFilter) ([]LogLine, error) {
	const most = 1000 // of a page
	left := f.Limit
	if left <= 0 {
		left = 100
	}
	lines := []LogLine{}
	q := f.values()
	for {
		q.Set("limit", strconv.Itoa(min(left, most)))
		var page struct {
			Items []LogLine `json:"items"`
			Next  string    `json:"next_cursor"`
		}
		if err := c.get(ctx, "/logs", q, &page); err != nil {
			return lines, err
		}
		lines = append(lines, page.Items...)
		if left -= len(page.Items); left <= 0 || page.Next == "" || len(page.Items) == 0 {
			return lines, nil
		}
		q.Set("cursor", page.Next)
	}
}

// FollowLogs calls handle with the last lines of the log, the oldest first, and then with each that is logged, until ctx ends or
// handle gives an error. A stream that breaks is opened again, and what was logged meanwhile comes first; lost, which may be
// nil, is told of that. A line without an ID says that lines were left out.
func (c *Client) FollowLogs(ctx context.Context, f LogFilter, handle func(LogLine) error, lost func(error)) error {
	q := f.values()
	q.Set("follow", "1")
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return c.follow(ctx, "/logs", q, "", func(e Event) error {
		line := LogLine{Message: "lines were left out"}
		if e.Topic == "log" {
			if err := json.Unmarshal(e.Data, &line); err != nil {
				return fmt.Errorf("read a line of the log: %w", err)
			}
			if line.ID == "" {
				return errors.New("read a line of the log: it has no id")
			}
		}
		return handle(line)
	}, lost)
}

// LogLevels are the thresholds of the log: debug, info, warning or error.
type LogLevels struct {
	Level   string            `json:"level"`   // of all loggers that have none of their own
	Loggers map[string]string `json:"loggers"` // of single loggers
}

// LogLevels tells what is logged.
func (c *Client) LogLevels(ctx context.Context) (l LogLevels, err error) {
	err = c.get(ctx, "/logs/level", nil, &l)
	return l, err
}

// SetLogLevel changes what is logged until the appliance restarts or reads its configuration again: of a logger, or with "" of
// all that have no level of their own. The level "default" takes a logger's own away.
func (c *Client) SetLogLevel(ctx context.Context, logger, level string) (l LogLevels, err error) {
	body := struct {
		Level  string `json:"level"`
		Logger string `json:"logger,omitempty"`
	}{level, logger}
	err = c.send(ctx, http.MethodPut, "/logs/level", body, &l)
	return l, err
}
