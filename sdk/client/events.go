package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// maxEvent bounds an event, so that a server that is none cannot fill the memory.
	maxEvent = 4 << 20
	// silence is how long a stream may say nothing: the appliance sends a comment every 15 seconds.
	silence = 45 * time.Second
	// reconnect is the pause before a stream is opened again, until the appliance names one.
	reconnect = 3 * time.Second
	// longestPause bounds what it may name.
	longestPause = time.Minute
)

// Event is what happened in an appliance.
type Event struct {
	ID    string          // what comes after it can be asked for
	Topic string          // file, decode, batch, job, queue, plugin, …; reset: events were left out, what Data names is to be fetched anew
	Data  json.RawMessage // the thing as its GET shows it, or {"id": …, "deleted": true}
}

// errSilent ends a stream that says nothing.
var errSilent = errors.New("the stream of events is silent")

// Events calls handle with each event of some topics (none = all), until ctx ends or handle gives an error. A stream
// that breaks is opened again, and what happened meanwhile comes first; lost, which may be nil, is told of that. After
// is the id of an event to begin behind, "" = now. Refusals of the appliance that will not pass end it.
func (c *Client) Events(ctx context.Context, topics []string, after string, handle func(Event) error, lost func(error)) error {
	q := url.Values{}
	if len(topics) > 0 {
		q.Set("topics", joinNames(topics))
	}
	return c.follow(ctx, "/events", q, after, handle, lost)
}

// follow reads a stream of events, and again when it breaks.
func (c *Client) follow(ctx context.Context, path string, q url.Values, after string, handle func(Event) error, lost func(error)) error {
	at := place{after: after, pause: reconnect}
	for {
		err := c.readEvents(ctx, path, q, &at, handle)
		var stopped *handlerError
		switch {
		case errors.As(err, &stopped):
			return stopped.err
		case ctx.Err() != nil:
			return fmt.Errorf("watch events: %w", context.Cause(ctx))
		case !passing(err):
			return err
		}
		if lost != nil {
			lost(err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("watch events: %w", context.Cause(ctx))
		case <-time.After(at.pause):
		}
	}
}

// place is where a stream is.
type place struct {
	after string        // id of the last event that was handled
	pause time.Duration // before it is opened again
}

// handlerError is an error of the caller's function.
type handlerError struct{ err error }

func (e *handlerError) Error() string { return e.err.Error() }

// passing reports an error that may be gone in a while.
func passing(err error) bool {
	e, answered := errors.AsType[*Error](err)
	return !answered || e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError
}

// readEvents reads one stream to its end.
func (c *Client) readEvents(ctx context.Context, path string, q url.Values, at *place, handle func(Event) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := request{method: http.MethodGet, path: path, query: q, header: http.Header{"Accept": {"text/event-stream"}}}
	if at.after != "" {
		r.header.Set("Last-Event-ID", at.after)
	}
	watch := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer watch.Stop()
	res, err := c.stream(ctx, r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if t, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || t != "text/event-stream" {
		return &Error{Status: res.StatusCode, Detail: "the server at this address sends no events; is it an appliance?"}
	}
	err = scanEvents(res.Body, at, func() { watch.Reset(silence) }, handle)
	if errors.Is(context.Cause(ctx), errSilent) {
		return errSilent
	}
	return err
}

// scanEvents reads events as the HTML standard describes them. It ends with an error, at the latest with io.EOF.
func scanEvents(r io.Reader, at *place, alive func(), handle func(Event) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	var ev Event
	var data []byte
	id := at.after
	for lines.Scan() {
		alive()
		line := lines.Text()
		if line == "" {
			at.after = id // not before: what was begun is to come again after a break
			if ev.Topic != "" || data != nil {
				ev.ID, ev.Data = id, bytes.TrimSuffix(data, []byte("\n"))
				if err := handle(ev); err != nil {
					return &handlerError{err}
				}
			}
			ev, data = Event{}, nil
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		case "retry":
			if ms, err := strconv.ParseUint(value, 10, 32); err == nil {
				at.pause = min(time.Duration(ms)*time.Millisecond, longestPause)
			}
		case "event":
			ev.Topic = value
		case "data":
			if len(data)+len(value) > maxEvent {
				return fmt.Errorf("read events: %w", bufio.ErrTooLong)
			}
			data = append(append(data, value...), '\n')
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	return fmt.Errorf("read events: %w", io.ErrUnexpectedEOF)
}
