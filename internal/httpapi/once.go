package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/idempotency"
)

// Idempotency keeps what was answered to requests with an Idempotency-Key; it is idempotency.Keys.
type Idempotency interface {
	// Begin waits until no other request with the key is under way.
	Begin(ctx context.Context, key idempotency.Key) (*idempotency.Call, error)
}

const (
	keyHeader     = "Idempotency-Key"
	replayHeader  = "Idempotent-Replayed"
	maxKeptAnswer = 256 << 10 // of a body; of a longer one it is kept only that it was there
	maxOnceBody   = 64 << 20  // of a request that is compared with an earlier one
)

// onceRule says how the Idempotency-Key of a route is looked at.
type onceRule struct {
	secret  bool     // the answer is told once: it is not kept
	headers []string // that are part of what is asked for
	large   bool     // its body may be recordings: what is left of it is read, however long it is
	// show gives what is at a Location, as it is now, in the place of an answer that was too large to be kept. nil = there is
	// no such way.
	show func(ctx context.Context, location string) (any, error)
}

// once makes a request with an Idempotency-Key do what it asks for once, on the routes that make something and do not look
// at the key themselves: the first answer is kept and given again for 24 h.
func (s *Server) once(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		rule, ok := s.onceRules[c.Path()]
		if !ok || c.Request().Method != http.MethodPost {
			return next(c)
		}
		call, err := s.beginOnce(c.Request())
		if err != nil {
			return err
		}
		if call == nil {
			return next(c)
		}
		defer call.End()
		id := newIdentity(c.Request(), rule.headers)
		if call.Repeated() {
			return s.replay(c, call, id, rule)
		}
		return s.runOnce(c, next, call, id, rule)
	}
}

// beginOnce begins a call under the key of a request, nil where it has none. Callers with different tokens have keys of
// their own.
func (s *Server) beginOnce(r *http.Request) (*idempotency.Call, error) {
	key, err := idempotencyKey(r)
	if err != nil || key == "" || s.deps.Idempotency == nil {
		return nil, err
	}
	who := ""
	if g := stateOf(r.Context()).grant; g != nil {
		who = g.ID
	}
	caller := sha256.Sum256([]byte(who))
	call, err := s.deps.Idempotency.Begin(r.Context(), sha256.Sum256(append(caller[:], key...)))
	if err != nil {
		return nil, fmt.Errorf("begin with idempotency key: %w", err)
	}
	return call, nil
}

// onceAnswer is an answer as it is kept.
type onceAnswer struct {
	Status     int    `json:"status"`
	Type       string `json:"type,omitempty"`
	Location   string `json:"location,omitempty"`
	Body       []byte `json:"body,omitempty"`
	NotKept    bool   `json:"not_kept,omitempty"` // the body is secret, or too large
	WasSecret  bool   `json:"was_secret,omitempty"`
	UploadHead string `json:"upload_expires,omitempty"` // Upload-Expires
}

// runOnce serves a request and keeps its answer, before it is sent, where it is a success. After a failure nothing was made,
// so that the next try may succeed.
func (s *Server) runOnce(c echo.Context, next echo.HandlerFunc, call *idempotency.Call, id *identity, rule onceRule) error {
	r, inner := c.Request(), c.Response().Writer
	if r.Body != nil {
		r.Body = id.tee(r.Body)
	}
	r.Header.Del("Accept-Encoding") // what is kept is for callers who may not take it
	held := &heldWriter{ResponseWriter: inner}
	c.Response().Writer = held
	defer func() { c.Response().Writer = inner }()
	if err := next(c); err != nil {
		return err
	}
	if held.status >= http.StatusOK && held.status < http.StatusMultipleChoices {
		ctx := context.WithoutCancel(r.Context()) // it was made
		err := id.drain(r, rule)
		if err == nil {
			err = s.keepAnswer(ctx, call, id, rule, held)
		}
		if err != nil {
			s.log.WarnContext(ctx, "answer not kept for its idempotency key", "path", r.URL.Path, "error", err)
		}
	}
	held.send()
	return nil
}

func (s *Server) keepAnswer(ctx context.Context, call *idempotency.Call, id *identity, rule onceRule, held *heldWriter) error {
	h := held.Header()
	a := onceAnswer{
		Status: held.status, Type: h.Get("Content-Type"), Location: h.Get("Location"),
		UploadHead: h.Get("Upload-Expires"), Body: held.body.Bytes(),
	}
	if rule.secret || len(a.Body) > maxKeptAnswer {
		a.Body, a.NotKept, a.WasSecret = nil, true, rule.secret
	}
	data, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	if err := call.Commit(ctx, idempotency.Answer{Request: id.sum(), Data: data}); err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return nil
}

// replay gives the answer of an earlier request again, where this one asks for the same.
func (s *Server) replay(c echo.Context, call *idempotency.Call, id *identity, rule onceRule) error {
	r := c.Request()
	if r.Body != nil {
		r.Body = id.tee(r.Body)
	}
	if err := id.drain(r, rule); err != nil {
		return err
	}
	data, _, err := call.Earlier(id.sum())
	if err != nil {
		return err //nolint:wrapcheck // says what is wrong itself
	}
	var a onceAnswer
	if err := json.Unmarshal(data, &a); err != nil {
		return fmt.Errorf("read kept answer: %w", err)
	}
	if a.NotKept && !a.WasSecret && rule.show != nil {
		now, err := rule.show(r.Context(), a.Location)
		if err != nil {
			return goneSince(err)
		}
		if a.Body, err = jsonBytes(now); err != nil {
			return err
		}
	} else if a.NotKept {
		why := "its answer was too large to be kept"
		if a.WasSecret || rule.secret {
			why = "its answer held a secret, which is told once"
		}
		return errcode.Newf(errcode.Conflict, "this request was served already under its Idempotency-Key; %s", why)
	}
	h := c.Response().Header()
	for name, value := range map[string]string{"Location": a.Location, "Upload-Expires": a.UploadHead} {
		if value != "" {
			h.Set(name, value)
		}
	}
	if strings.HasPrefix(c.Path(), pathPrefix+tusPath) {
		h.Set("Tus-Resumable", tusVersion)
	}
	h.Set(replayHeader, "true")
	if len(a.Body) == 0 {
		c.Response().WriteHeader(a.Status)
		return nil
	}
	s.sendBytes(c, a.Status, a.Type, a.Body)
	return nil
}

// heldWriter keeps an answer until it may be sent.
type heldWriter struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// Unwrap gives the writer below, for deadlines.
func (w *heldWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader keeps the status.
func (w *heldWriter) WriteHeader(status int) { w.status = status }

// Write keeps the body.
func (w *heldWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, _ := w.body.Write(p) // into memory: cannot fail
	return n, nil
}

func (w *heldWriter) send() {
	if w.status == 0 {
		return
	}
	w.ResponseWriter.WriteHeader(w.status)
	_, _ = w.ResponseWriter.Write(w.body.Bytes()) // the caller has gone if this fails
}

// identity is what a request asks for: path, query, type and body, but for what only says how it is to be answered.
type identity struct {
	hash     hash.Hash
	boundary []byte // of a form: each client's library makes up another one for every try
	tail     []byte // of the body, that may be the beginning of a boundary
	body     io.ReadCloser
}

func newIdentity(r *http.Request, headers []string) *identity {
	id := &identity{hash: sha256.New()}
	query := url.Values{}
	if q, err := url.ParseQuery(r.URL.RawQuery); err == nil {
		query = q
	}
	query.Del("wait")
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && strings.HasPrefix(kind, "multipart/") {
		id.boundary = []byte(params["boundary"])
	}
	id.add(r.Method, strings.TrimSuffix(r.URL.Path, "/"), query.Encode(), kind)
	for _, name := range headers {
		id.add(name, r.Header.Get(name))
	}
	return id
}

// add adds texts, each with its length, so that none can be taken for part of another.
func (id *identity) add(texts ...string) {
	for _, t := range texts {
		fmt.Fprintf(id.hash, "%d:%s", len(t), t)
	}
}

// Write adds bytes of the body.
func (id *identity) Write(p []byte) (int, error) {
	if len(id.boundary) == 0 {
		id.hash.Write(p)
		return len(p), nil
	}
	id.tail = append(id.tail, p...)
	for {
		i := bytes.Index(id.tail, id.boundary)
		if i < 0 {
			break
		}
		id.hash.Write(id.tail[:i])
		id.tail = id.tail[i+len(id.boundary):]
	}
	if whole := len(id.tail) - len(id.boundary) + 1; whole > 0 {
		id.hash.Write(id.tail[:whole])
		id.tail = append([]byte(nil), id.tail[whole:]...)
	}
	return len(p), nil
}

// Read reads the body, and adds what is read.
func (id *identity) Read(p []byte) (int, error) {
	n, err := id.body.Read(p)
	_, _ = id.Write(p[:n]) // into a hash: cannot fail
	return n, err          //nolint:wrapcheck // readers look for what net/http says
}

// tee adds what is read of a body.
func (id *identity) tee(body io.ReadCloser) io.ReadCloser {
	id.body = body
	return id
}

// Close does nothing: what a handler leaves of the body is part of what was asked for, and net/http closes it in the end.
func (id *identity) Close() error { return nil }

// drain reads what is left of the body.
func (id *identity) drain(r *http.Request, rule onceRule) error {
	if r.Body == nil {
		return nil
	}
	left := int64(maxOnceBody)
	if rule.large {
		left = math.MaxInt64 - 1
	}
	n, err := io.Copy(io.Discard, io.LimitReader(r.Body, left+1))
	if err != nil {
		if cut := bodyFailure(r); cut != nil {
			return cut
		}
		return errcode.Wrap(errcode.Malformed, err, "the request body was cut off")
	}
	if n > left {
		return idempotency.ErrOther
	}
	return nil
}

func (id *identity) sum() [32]byte {
	id.hash.Write(id.tail)
	id.tail = nil
	return [32]byte(id.hash.Sum(nil))
}

// errGone reports a replay of what is not there any more.
var errGone = errcode.New(errcode.NotFound, "what this Idempotency-Key made was deleted since")

// goneSince says of what an earlier request made that it is not there any more.
func goneSince(err error) error {
	if errcode.Is(err, errcode.NotFound) {
		return errGone
	}
	return err
}
