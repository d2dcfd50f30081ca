package httpapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/event"
)

const (
	eventStreamType = "text/event-stream"
	// heartbeat is how often a stream says that it is alive, and looks whether its token still is.
	heartbeat = 15 * time.Second
	// streamPatience is how long a write to a stream may take. A reader that is slower has its connection cut.
	streamPatience = 10 * time.Second
	// stopPatience is the same while the appliance stops.
	stopPatience = 200 * time.Millisecond
	// streamBuffer is what the kernel keeps for a reader that is slower than the events; without a limit that is megabytes.
	streamBuffer = 32 << 10
	// streamWrite is how much is written to a stream at a time when much has happened.
	streamWrite = 16 << 10
	// maxStreams is how many streams there may be at once.
	maxStreams = 10_000
	// eventRetry is how long a client is to wait before it connects again.
	eventRetry = 3 * time.Second
)

// topics are what can be subscribed to, in the order of the documentation.
func topics() []string { return []string{"file", "decode", "batch", "job", "queue", "plugin", "alert"} }

type eventsInput struct {
	Topics []string `query:"topics" nullable:"false" enum:"file,decode,batch,job,queue,plugin,alert" doc:"only these, separated by commas; all unless given"`
	Header string   `header:"Last-Event-ID" maxLength:"128" doc:"id of the last event that was received"`
	Query  string   `query:"last_event_id" maxLength:"128" doc:"the same, for those who cannot set the header"`
}

func (s *Server) routeEvents(api huma.API) {
	register(s, api, operation{
		id: "stream-events", method: http.MethodGet, path: "/events", scope: scopeRead,
		summary: "Watch what happens, as server-sent events",
		detail: "Each event has an id, its topic as event, and as data the resource as its GET shows it (jobs as in lists), or {id, deleted: true}. " +
			"With Last-Event-ID what happened since then comes first. The event reset says that events were left out: " +
			"what its data names as topics is to be fetched anew. A comment comes every 15 s. docs/events.md tells more.",
		answers: map[string]*huma.Response{"200": { // no schema: it would be taken for one of each event, or of all of them
			Description: "The events, without an end", Content: map[string]*huma.MediaType{eventStreamType: {}},
		}},
	}, s.streamEvents)
}

// eventHub is what event streams share.
type eventHub struct {
	epoch  string         // of this run, in the ids of events
	frames frames         // rendered events
	taken  sync.WaitGroup // streams that have taken their connections over
	open   atomic.Int64   // streams of either kind
	// renderers give the data of events of further topics, and whether it is for admins only.
	renderers map[string]func(context.Context, event.Event) (v any, admin bool, err error)
}

// newEpoch names a run of the appliance: sequence numbers of events begin anew with each.
func newEpoch() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// eventID gives the id of an event as a client sees it.
func (s *Server) eventID(seq uint64) string {
	return s.events.epoch + "-" + strconv.FormatUint(seq, 10)
}

// afterEvent gives the sequence number in the id of an event of this run.
func (s *Server) afterEvent(id string) (seq uint64, ok bool) {
	epoch, number, found := strings.Cut(id, "-")
	seq, err := strconv.ParseUint(number, 10, 63)
	return seq, found && err == nil && epoch == s.events.epoch
}

func (s *Server) streamEvents(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	want := topics()
	if len(in.Topics) > 0 {
		want = slices.Compact(slices.Sorted(slices.Values(in.Topics)))
	}
	stateOf(ctx).stream = true
	return s.stream(func(c echo.Context) error { //nolint:contextcheck // the request in c carries it
		return s.startStream(c, func() *eventStream { return s.subscribe(c.Request(), or(in.Header, in.Query), want) })
	}), nil
}

// startStream answers with the stream that subscribe makes, if there is room for one more.
func (s *Server) startStream(c echo.Context, subscribe func() *eventStream) error {
	h := c.Response().Header()
	h.Set("Content-Type", eventStreamType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // for proxies that would keep events back
	if c.Request().Method == http.MethodHead {
		c.Response().WriteHeader(http.StatusOK)
		return nil
	}
	if s.events.open.Add(1) > maxStreams {
		s.events.open.Add(-1)
		return errcode.New(errcode.Unavailable, "too many event streams are open")
	}
	return s.openStream(c, subscribe())
}

// subscribe makes the stream of a request.
func (s *Server) subscribe(r *http.Request, last string, want []string) *eventStream {
	after, known := s.afterEvent(last)
	if !known {
		after = event.Now
	}
	e := s.newStream(r, s.deps.Events.Subscribe(after, want...))
	e.render = func(ev event.Event) []byte {
		if f := s.frame(ev); e.admin || !f.admin {
			return f.data
		}
		return nil
	}
	at := e.sub.At()
	if known {
		at = after
	}
	e.begin(at, last != "" && !known) // of another run, or made up
	return e
}

// newStream makes the stream of a request that reads a subscription.
func (s *Server) newStream(r *http.Request, sub *event.Sub) *eventStream {
	st := stateOf(r.Context())
	e := &eventStream{
		server: s, sub: sub, admin: st.allows(scopeAdmin), token: tokenOf(r), began: st.started,
		request: st.ids.Request, granted: st.grant != nil,
	}
	if cookie, err := r.Cookie(cookieName); err == nil {
		e.session = cookie.Value
	}
	return e
}

// begin makes the head of the stream: where it stands, and whether what its reader knows is of no use any more.
func (e *eventStream) begin(at uint64, reset bool) {
	id := e.server.eventID(at)
	e.head = fmt.Appendf(nil, "retry: %d\nid: %s\n\n", eventRetry.Milliseconds(), id)
	if reset {
		e.head = appendFrame(e.head, id, "reset", resetData(""))
	}
}

// openStream takes the connection over where that is possible: then a stream costs a goroutine with a small stack
// and no buffers, where net/http would keep two goroutines and three buffers for it. Over HTTP/2 it stays a handler.
func (s *Server) openStream(c echo.Context, e *eventStream) error {
	conn, rest, err := c.Response().Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		defer s.events.open.Add(-1)
		defer e.sub.Close()
		return e.serve(c)
	}
	if err != nil {
		e.sub.Close()
		s.events.open.Add(-1)
		return fmt.Errorf("take the connection over: %w", err)
	}
	res := c.Response()
	res.Status, res.Committed = http.StatusOK, true
	if rest.Reader.Buffered() > 0 {
		// Somebody sends requests ahead on a connection that will answer none of them: nothing of them is looked at.
		rest.Reader.Reset(nil)
	}
	var head bytes.Buffer
	h := res.Header()
	h.Set("Connection", "close")
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	head.WriteString("HTTP/1.1 200 OK\r\n")
	_ = h.Write(&head) // into memory: cannot fail
	head.WriteString("\r\n")
	head.Write(e.head)
	e.head = nil
	limitSendBuffer(conn)
	e.write = s.streamWriter(conn)
	// The loop outlives the handler: its goroutine is the stream's own, and Close waits for it.
	s.events.taken.Go(func() {
		defer s.events.open.Add(-1)
		defer func() { _ = conn.Close() }() // ends the stream, or is cut already
		defer e.sub.Close()
		hurry := context.AfterFunc(s.drain, func() { _ = conn.SetWriteDeadline(time.Now().Add(stopPatience)) })
		defer hurry()
		e.run(s.drain.Done(), head.Bytes())
	})
	return nil
}

// streamWriter writes to a connection that was taken over, each time in bounded time.
func (s *Server) streamWriter(conn net.Conn) func([]byte) error {
	return func(p []byte) error {
		if err := conn.SetWriteDeadline(time.Now().Add(streamPatience)); err != nil {
			return fmt.Errorf("set deadline: %w", err)
		}
		if s.draining() { // looked at after the deadline is set, for the drain sets it too
			_ = conn.SetWriteDeadline(time.Now().Add(stopPatience))
		}
		_, err := conn.Write(p)
		return err //nolint:wrapcheck // end looks for what it is
	}
}

// limitSendBuffer bounds what the kernel keeps for a slow reader.
func limitSendBuffer(conn net.Conn) {
	for {
		switch c := conn.(type) {
		case interface{ SetWriteBuffer(n int) error }:
			_ = c.SetWriteBuffer(streamBuffer) // a larger one costs memory, nothing else
			return
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return
		}
	}
}

// eventStream is one subscriber.
type eventStream struct {
	server  *Server
	sub     *event.Sub
	write   func(p []byte) error     // in bounded time
	render  func(event.Event) []byte // nil: not for this reader
	head    []byte
	admin   bool
	granted bool // by what follows; else nothing was needed
	token   string
	session string
	request string // its id, for the log
	began   time.Time
}

// serve runs the stream in its handler.
func (e *eventStream) serve(c echo.Context) error {
	res := c.Response()
	control := http.NewResponseController(res)
	e.write = func(p []byte) error {
		_ = control.SetWriteDeadline(time.Now().Add(streamPatience)) // not supported: the connection's own counts
		if _, err := res.Write(p); err != nil {
			return err //nolint:wrapcheck // end looks for what it is
		}
		return control.Flush() //nolint:wrapcheck // end looks for what it is
	}
	res.WriteHeader(http.StatusOK)
	ctx, cancel := context.WithCancel(c.Request().Context())
	defer cancel()
	defer context.AfterFunc(e.server.drain, cancel)()
	e.run(ctx.Done(), e.head)
	return nil
}

// errRevoked ends a stream whose token is no longer valid.
var errRevoked = errors.New("the token is not valid any more")

// run writes the stream until done, or until its reader is gone or too slow.
func (e *eventStream) run(done <-chan struct{}, head []byte) {
	err := e.write(head)
	beat := time.NewTimer(heartbeat)
	defer beat.Stop()
	for err == nil {
		if err = e.pass(); err != nil {
			break
		}
		select {
		case <-e.sub.Wake():
		case <-beat.C:
			beat.Reset(heartbeat)
			if err = e.valid(); err == nil {
				err = e.write([]byte(":\n\n"))
			}
		case <-done:
			_ = e.write([]byte(": the appliance stops\n\n")) // its end says the same
			err = context.Canceled
		}
	}
	e.end(err)
}

// valid checks the token, or the session, anew: a stream may outlive it.
func (e *eventStream) valid() error {
	auth := e.server.cfg.Auth
	ok := true
	switch {
	case auth == nil || !e.granted:
	case e.token != "":
		_, ok = auth.Check(e.token)
	default:
		_, ok = auth.Session(e.session)
	}
	if !ok {
		return errRevoked
	}
	return nil
}

// end logs why a stream ended.
func (e *eventStream) end(err error) {
	why := "reader left"
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, event.ErrClosed):
		why = "stopped"
	case errors.Is(err, os.ErrDeadlineExceeded):
		why = "reader too slow"
	case errors.Is(err, errRevoked):
		why = "token no longer valid"
	}
	e.server.log.Info("event_stream_ended", "request_id", e.request, "reason", why, "duration", time.Since(e.began).Seconds())
}

// pass writes all events that are there.
func (e *eventStream) pass() error {
	var out []byte
	for {
		ev, ok, err := e.sub.TryNext()
		if err != nil {
			return fmt.Errorf("next event: %w", err)
		}
		if ok {
			out = append(out, e.render(ev)...)
		}
		if len(out) > 0 && (!ok || len(out) >= streamWrite) {
			if err := e.write(out); err != nil {
				return err
			}
			out = out[:0]
		}
		if !ok {
			return nil
		}
	}
}
