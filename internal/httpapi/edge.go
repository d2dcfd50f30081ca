package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/redact"
)

// statusGone is logged and counted when the caller left before the answer; nothing is sent.
const statusGone = 499

const unmatched = "unmatched"

// observe is the outermost layer: it gives the request its ids, times, counts and logs it, and turns a panic of a
// handler into an answer.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		taken(c.Request().Context())
		st := newState(c.Request())
		from := s.originOf(c.Request())
		st.client, st.host = from.client.String(), from.host
		c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), stateKey{}, st)))
		res := c.Response()
		maps.Copy(res.Header(), s.fixed)
		res.Header().Set("X-Request-ID", st.ids.Request)
		res.Header().Set("X-Correlation-ID", st.ids.Correlation)
		if st.ids.parent != "" {
			res.Header().Set("Traceparent", st.ids.parent)
		}
		res.Before(func() {
			res.Header().Set("X-Response-Time", fmt.Sprintf("%.3fs", time.Since(st.started).Seconds()))
		})
		method, endpoint := methodLabel(c.Request().Method), s.template(c)
		if s.cfg.Recorder != nil {
			s.cfg.Recorder.RequestStarted(method, endpoint)
		}
		defer func() {
			aborted := s.recoverTo(c, recover())
			s.finish(c, st, method, endpoint)
			if aborted {
				panic(http.ErrAbortHandler) // net/http then cuts the connection, so that nobody takes it for complete
			}
		}()
		s.guardBody(c)
		if s.listener != nil && s.listener.crowded() {
			res.Header().Set("Connection", "close") // others wait for its place
		}
		if err := next(c); err != nil {
			s.fail(c, err)
		}
		return nil
	}
}

// recoverTo ends a handler that panicked. It reports whether the answer had begun and must be cut off.
func (s *Server) recoverTo(c echo.Context, cause any) (aborted bool) {
	if cause == nil {
		return false
	}
	err, _ := cause.(error)
	if errors.Is(err, http.ErrAbortHandler) {
		return true
	}
	r := c.Request()
	s.log.ErrorContext(r.Context(), "handler panicked", "method", r.Method, "path", r.URL.Path,
		"error", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if c.Response().Committed {
		return true
	}
	s.writeProblem(c.Response(), r, problemOf(r, errcode.New(errcode.Internal, "panic")))
	return false
}

func (s *Server) finish(c echo.Context, st *state, method, endpoint string) {
	r, res := c.Request(), c.Response()
	took := time.Since(st.started)
	status := res.Status
	if !res.Committed {
		status = statusGone
	}
	if s.cfg.Recorder != nil {
		s.cfg.Recorder.RequestDone(r.Context(), Answer{method, endpoint, status, took, st.stream})
	}
	level := slog.LevelInfo
	if st.quiet {
		level = slog.LevelDebug
	}
	if s.log.Enabled(r.Context(), level) { // what is logged costs as much as a small answer
		s.logRequest(c, st, level, status, took)
	}
	s.audit(c, st, method, endpoint, status)
	if took > s.cfg.SlowRequest && !st.stream {
		s.log.WarnContext(r.Context(), "slow_request_detected", "method", r.Method, "path", r.URL.Path,
			"duration", took.Seconds(), "threshold", s.cfg.SlowRequest.Seconds())
	}
}

func (s *Server) logRequest(c echo.Context, st *state, level slog.Level, status int, took time.Duration) {
	r, res := c.Request(), c.Response()
	s.log.Log(r.Context(), level, "request_completed", "method", r.Method, "path", r.URL.Path,
		"query", redact.Redactor{}.Query(r.URL.RawQuery), "status", status, "duration", took.Seconds(), "client_ip", st.client,
		"user_agent", r.UserAgent(), "bytes", res.Size)
}

// methodLabel keeps the methods that callers invent out of the metrics.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "OTHER"
	}
}

// template gives the route as the documentation writes it: /api/v1/files/{id}. A route that does not have the method is none:
// else whoever tries all methods on all routes would multiply what is counted.
func (s *Server) template(c echo.Context) string {
	path := c.Path()
	if _, known := s.scopes[c.Request().Method+" "+path]; !known {
		return unmatched
	}
	if t, known := s.templates[path]; known {
		return t
	}
	return templateOf(path)
}

func templateOf(path string) string {
	if path == "" || path == "/*" {
		return unmatched
	}
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, ":") {
			parts[i] = "{" + p[1:] + "}"
		}
	}
	return strings.NewReplacer(exportRoute, exportPath, batchExportRoute, batchExportPath).Replace(strings.Join(parts, "/"))
}

// admit lets a request through to its route, or says why not.
func (s *Server) admit(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if forMetrics(r) && !isMetrics(c.Path()) {
			return errcode.New(errcode.NotFound, "this address answers with the metrics alone")
		}
		if s.draining() && !always(c.Path()) {
			c.Response().Header().Set("Connection", "close")
			return errClosed
		}
		if err := s.checkHost(r); err != nil {
			return err
		}
		if err := s.origins.Check(r); err != nil {
			return errcode.Wrap(errcode.Forbidden, err, "the request comes from another site")
		}
		denied := s.authorize(c)
		// Who is denied is counted too: not to have a token is no way around the limit.
		if err := s.limit(c); err != nil && !errcode.Is(denied, errcode.RateLimited) {
			return err
		}
		if denied != nil {
			return denied
		}
		return next(c)
	}
}

// always reports whether a route is served while the appliance drains: whoever watches it must see that.
func always(path string) bool {
	return isMetrics(path) || path == "/health" || strings.HasPrefix(path, "/health/")
}

// idleBody gives the reads of a body their time. A client that sends next to nothing for so long is cut off; one that is
// merely slow is not, unless the body has a time by which it is to be there.
type idleBody struct {
	body    io.ReadCloser
	control *http.ResponseController
	idle    time.Duration
	until   time.Time // zero = whenever
	set     time.Time // when the deadline was last moved
	got     int       // bytes since
	failed  error     // why reading ended, nil at a regular end

	mu      sync.Mutex // guards stopped, and its deadline
	stopped bool
}

const (
	// jsonTime is how long a document that is read as a whole may take to come, beside what jsonRate allows for its size.
	jsonTime = 30 * time.Second
	jsonRate = 32 << 10 // bytes a second
	// jsonSize stands for a size that is not said.
	jsonSize = 1 << 20
)

// hurryBody gives the body of a request, if it has one, its time. What is longer than the route takes is refused anyway.
func hurryBody(r *http.Request) {
	b, ok := r.Body.(*idleBody)
	if !ok {
		return
	}
	size := r.ContentLength
	if size < 0 || size > maxJobsBody {
		size = jsonSize
	}
	b.until = time.Now().Add(jsonTime + time.Duration(size)*time.Second/jsonRate)
}

// guardBody puts an idleBody around the body of a request that has one.
func (s *Server) guardBody(c echo.Context) {
	r := c.Request()
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	b := &idleBody{body: r.Body, control: http.NewResponseController(c.Response()), idle: s.cfg.UploadIdle}
	b.got = minProgress
	b.extend() // also for a body that no handler reads: net/http then reads on itself before it answers
	r.Body = b
	stateOf(r.Context()).body = b
}

func (b *idleBody) Read(p []byte) (int, error) {
	b.extend()
	n, err := b.body.Read(p)
	b.got += n
	if err == nil {
		return n, nil
	}
	if !isEOF(err) {
		b.failed = err
		return n, err //nolint:wrapcheck // readers look for what net/http says
	}
	// The deadline goes, for it would else end the context of a handler that is still at work.
	_ = b.control.SetReadDeadline(time.Time{})
	return n, err //nolint:wrapcheck // io.EOF has to stay what it is
}

// Close ends reading.
func (b *idleBody) Close() error {
	if err := b.body.Close(); err != nil {
		return fmt.Errorf("close request body: %w", err)
	}
	return nil
}

// extend gives the client its time anew. Moving a deadline costs a little, so it is not done for every read.
func (b *idleBody) extend() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed != nil || b.stopped {
		return
	}
	if !b.until.IsZero() { // set with every read: huma takes deadlines away before it reads
		_ = b.control.SetReadDeadline(b.until)
		return
	}
	if b.got < minProgress {
		return
	}
	if now := time.Now(); now.Sub(b.set) > b.idle/16 {
		b.set, b.got = now, 0
		_ = b.control.SetReadDeadline(now.Add(b.idle + b.idle/16)) // not supported: no deadline then
	}
}

// interrupt ends a read that waits, and all later ones. Any goroutine may call it.
func (b *idleBody) interrupt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	_ = b.control.SetReadDeadline(time.Unix(1, 0)) // not supported: the read waits for the client
}

// bodyFailure gives the caller's view of a body that could not be read to its end, nil if it could.
func bodyFailure(r *http.Request) error {
	b := stateOf(r.Context()).body
	if b == nil || b.failed == nil {
		return nil
	}
	var timeout interface{ Timeout() bool }
	if errors.As(b.failed, &timeout) && timeout.Timeout() {
		if !b.until.IsZero() {
			return errcode.Wrap(errcode.Malformed, b.failed, "the request body did not come in time")
		}
		return errcode.Wrap(errcode.Malformed, b.failed, "the request body stopped coming: less than 1 KiB of it in "+seconds(b.idle)+" s")
	}
	return errcode.Wrap(errcode.Malformed, b.failed, "the request body was cut off")
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }
