package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/errcode"
)

const problemType = "application/problem+json"

// CodeInfo is what a code means on the wire.
type CodeInfo struct {
	Code   errcode.Code
	Status int
	Title  string        // the same for every occurrence
	When   string        // for docs/api-errors.md
	Retry  time.Duration // default of Retry-After, 0 = the answer has none
}

// Codes lists every code an answer can carry, in the order of the documentation.
func Codes() []CodeInfo {
	return []CodeInfo{
		{errcode.ValidationFailed, 422, "Validation failed", "A parameter or a field of the body has a wrong type or value; `errors` names each.", 0},
		{errcode.Malformed, 400, "Malformed request", "The request cannot be read: broken JSON, broken multipart, a body that was cut off, a cursor that no list gave.", 0},
		{errcode.Unauthorized, 401, "Unauthorized", "A token is needed and none, or one that is not valid, was sent.", 0},
		{errcode.Forbidden, 403, "Forbidden", "The token lacks the scope; or Host or Origin are not this appliance's (`server.hosts`).", 0},
		{errcode.NotFound, 404, "Not found", "No such path, file, decode, table, plugin, job, queue, worker, schedule, flow or key.", 0},
		{errcode.MethodNotAllowed, 405, "Method not allowed", "The path exists, the method does not; `Allow` lists those that do.", 0},
		{errcode.Conflict, 409, "Conflict", "The thing is not in a state in which this is possible.", 0},
		{errcode.TooLarge, 413, "Too large", "The body is larger than the limit (`server.max_upload`, or the one of the route), or the headers are.", 0},
		{errcode.UnsupportedMediaType, 415, "Unsupported media type", "The route does not take a body of this Content-Type.", 0},
		{errcode.UnknownFormat, 422, "Unknown format", "No decoder knows the bytes.", 0},
		{errcode.DecodeFailed, 422, "Decode failed", "The decoder could not read the bytes; `offset` says where, if known.", 0},
		{errcode.RangeNotSatisfiable, 416, "Range not satisfiable", "The Range lies outside of the resource; `Content-Range` gives its size.", 0},
		{errcode.PreconditionFailed, 412, "Precondition failed", "If-Match, If-None-Match or If-Unmodified-Since do not hold; nothing was changed.", 0},
		{errcode.LeaseLost, 409, "Lease lost", "The lease ended and the job belongs to someone else.", 0},
		{errcode.RateLimited, 429, "Rate limited", "Too many requests; come back after `retry_after` seconds.", time.Second},
		{errcode.Internal, 500, "Internal error", "A fault of the appliance; the log has the cause under `request_id`.", 0},
		{errcode.Unavailable, 503, "Unavailable", "A part that is needed is not ready, or there are too many connections; come back after `retry_after` seconds.", 5 * time.Second},
		{errcode.DiskFull, 507, "Disk full", "The reserve of the disk is reached; reading goes on, storing does not.", 30 * time.Second},
		{errcode.DecoderDisabled, 409, "Decoder disabled", "The decoder is disabled or was rejected.", 0},
		{errcode.ShuttingDown, 503, "Shutting down", "The appliance stops; come back after `retry_after` seconds.", 5 * time.Second},
	}
}

// codeInfo gives the entry of a code. Codes of decodes that reach a caller as errors are decode_failed; everything
// else that is not in the list is internal.
func codeInfo(code errcode.Code) CodeInfo {
	switch code {
	case errcode.Truncated, errcode.CorruptRecord, errcode.ABIViolation, errcode.Trap, errcode.Stalled, errcode.Deadline,
		errcode.MemoryLimit, errcode.OutputLimit, errcode.TableLimit, errcode.WorkerCrashed, errcode.Unsupported:
		code = errcode.DecodeFailed
	case errcode.PluginRejected:
		code = errcode.DecoderDisabled
	default:
	}
	var internal CodeInfo
	for _, c := range Codes() {
		if c.Code == code {
			return c
		}
		if c.Code == errcode.Internal {
			internal = c
		}
	}
	return internal
}

// Problem is an error as it leaves the appliance (RFC 9457).
type Problem struct { //nolint:errname // it is a document first, and the name of its schema
	Type       string          `json:"type" doc:"urn:wayside:error:<code>"`
	Title      string          `json:"title" doc:"the same for every occurrence of the code"`
	Status     int             `json:"status"`
	Detail     string          `json:"detail" doc:"what happened"`
	Instance   string          `json:"instance" doc:"path of the request"`
	Code       string          `json:"code" doc:"stable code for programs"`
	RequestID  string          `json:"request_id" doc:"the X-Request-ID of the answer; the log has it too"`
	Errors     []errcode.Field `json:"errors,omitempty" nullable:"false" doc:"wrong fields, with validation_failed"`
	Offset     *int64          `json:"offset,omitempty" doc:"byte offset in the input, with decode errors"`
	RetryAfter int64           `json:"retry_after,omitempty" doc:"seconds, with 429, 503 and 507"`
	Components []Component     `json:"components,omitempty" nullable:"false" doc:"state of the parts, with /health/ready"`
	Checks     []PluginCheck   `json:"checks,omitempty" nullable:"false" doc:"what a module went through, where one was refused"`
}

// Error gives the sentence for people.
func (p *Problem) Error() string { return p.Detail }

// GetStatus gives the HTTP status. The name is huma's.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType gives the media type of the document. The name is huma's.
func (p *Problem) ContentType(string) string { return problemType }

// GetHeaders gives the headers that go with the problem. The name is huma's.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(p.RetryAfter, 10))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="wayside"`)
	}
	return h
}

// problemOf turns an error into what the caller may see. What is not coded is internal, and its text stays private.
func problemOf(r *http.Request, err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	e, ok := errors.AsType[*errcode.Error](err)
	if !ok {
		e = uncoded(err)
	}
	info := codeInfo(e.Code)
	p = &Problem{
		Type: "urn:wayside:error:" + string(info.Code), Title: info.Title, Status: info.Status, Detail: e.Text,
		Instance: r.URL.Path, Code: string(info.Code), RequestID: stateOf(r.Context()).ids.Request,
		Errors: e.Fields, Offset: e.Offset,
	}
	if info.Code == errcode.Internal {
		p.Detail = "something went wrong in the appliance; the log has the cause"
	}
	if info.Retry > 0 {
		after := e.RetryAfter
		if after <= 0 {
			after = info.Retry
		}
		p.RetryAfter = int64(math.Ceil(after.Seconds()))
	}
	return p
}

func uncoded(err error) *errcode.Error {
	var tooLarge *http.MaxBytesError
	var fromEcho *echo.HTTPError
	switch {
	case errors.As(err, &tooLarge):
		return errcode.Newf(errcode.TooLarge, "the body is larger than %d bytes", tooLarge.Limit)
	case errors.As(err, &fromEcho):
		return fromRouter(fromEcho)
	default:
		return errcode.Wrap(errcode.Internal, err, "internal error")
	}
}

func fromRouter(err *echo.HTTPError) *errcode.Error {
	switch err.Code {
	case http.StatusNotFound:
		return errcode.New(errcode.NotFound, "there is nothing at this path")
	case http.StatusMethodNotAllowed:
		return errcode.New(errcode.MethodNotAllowed, "this path does not have this method")
	default:
		return errcode.Wrap(errcode.Internal, err, "internal error")
	}
}

// fromHuma turns an error that huma raised itself (reading, parsing, validating) into ours.
func fromHuma(r *http.Request, m *huma.ErrorModel) *Problem {
	switch m.Status {
	case http.StatusUnprocessableEntity:
		return problemOf(r, invalidFields(m.Errors))
	case http.StatusRequestEntityTooLarge:
		return problemOf(r, errcode.New(errcode.TooLarge, "the body is larger than this route takes"))
	case http.StatusUnsupportedMediaType:
		return problemOf(r, errcode.New(errcode.UnsupportedMediaType, "this route takes a body of type application/json"))
	case http.StatusBadRequest:
		return problemOf(r, errcode.New(errcode.Malformed, malformedText(m)))
	default: // 408 and 500: the body could not be read
		return problemOf(r, errcode.New(errcode.Malformed, "the request body was cut off"))
	}
}

func malformedText(m *huma.ErrorModel) string {
	if len(m.Errors) == 0 {
		return m.Detail
	}
	return "the request body is not valid JSON: " + jsonTrouble(errors.New(m.Errors[0].Message))
}

func invalidFields(details []*huma.ErrorDetail) *errcode.Error {
	fields := make([]errcode.Field, 0, len(details))
	for _, d := range details {
		if d == nil {
			continue
		}
		name := d.Location
		for _, prefix := range []string{"query.", "path.", "header.", "body."} {
			name = strings.TrimPrefix(name, prefix)
		}
		message := d.Message
		if strings.HasPrefix(message, "invalid date/time") { // huma shows Go's way to write a format
			message = "expected a time of RFC 3339, like 2026-01-02T03:04:05Z (in a query + is written %2B)"
		}
		fields = append(fields, errcode.Field{Field: name, Message: message})
	}
	e := errcode.New(errcode.ValidationFailed, "the request is not valid")
	if len(fields) > 0 {
		e.Text = fields[0].Field + ": " + fields[0].Message
	}
	e.Fields = fields
	return e
}

// fail answers a request with the problem of err, or cuts the connection when the answer has begun.
func (s *Server) fail(c echo.Context, err error) {
	r := c.Request()
	err = withCause(r.Context(), err)
	s.logFailure(r, err)
	if c.Response().Committed {
		panic(http.ErrAbortHandler)
	}
	if gone(r.Context(), err) {
		panic(http.ErrAbortHandler) // finish counts it as left; who has only closed its side is not to read the 200 that net/http would send
	}
	s.writeProblem(c.Response(), r, problemOf(r, err))
}

func (s *Server) writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		s.log.ErrorContext(r.Context(), "problem could not be written", "error", err)
	}
	h := w.Header()
	for _, name := range []string{"Content-Range", "Content-Disposition", "Content-Encoding", "Etag", "Last-Modified", "Accept-Ranges"} {
		if name != "Content-Range" || p.Status != http.StatusRequestedRangeNotSatisfiable {
			h.Del(name)
		}
	}
	maps.Copy(h, p.GetHeaders())
	h.Set("Content-Type", problemType)
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(body.Bytes()) // the caller has gone if this fails
}

// logFailure logs the private cause of an internal error; other errors are the caller's and stand in the answer.
func (s *Server) logFailure(r *http.Request, err error) {
	ctx := r.Context()
	switch {
	case gone(ctx, err):
		s.log.DebugContext(ctx, "caller left", "method", r.Method, "path", r.URL.Path, "error", causes(err))
		return
	case problemOf(r, err).Code != string(errcode.Internal):
		return
	}
	s.log.ErrorContext(ctx, "request failed", "method", r.Method, "path", r.URL.Path, "error", causes(err))
}

// causes gives the text of an error with the private causes that coded errors leave out.
func causes(err error) string {
	texts := []string{err.Error()}
	for e, ok := errors.AsType[*errcode.Error](err); ok && e.Unwrap() != nil; e, ok = errors.AsType[*errcode.Error](err) {
		err = e.Unwrap()
		texts = append(texts, err.Error())
	}
	return strings.Join(texts, ": ")
}

// gone reports whether err comes of the caller having left: then the context has ended and err has no code.
func gone(ctx context.Context, err error) bool {
	if _, coded := errors.AsType[*errcode.Error](err); coded || ctx.Err() == nil {
		return false
	}
	var p *Problem
	return !errors.As(err, &p)
}

// withCause gives the coded cause for which the context of a request was ended from within, else err.
func withCause(ctx context.Context, err error) error {
	if cause, ok := errors.AsType[*errcode.Error](context.Cause(ctx)); ok && errors.Is(err, context.Canceled) {
		return cause
	}
	return err
}
