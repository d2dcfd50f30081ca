package httpapi

import (
	"bytes"
	"io"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"
)

type humaContext = huma.Context

// answer gathers what a JSON handler writes, so that it gets its length, its ETag and its compression, and so that
// an error while it is rendered still becomes a problem. Handlers that stream set direct and write past it.
type answer struct {
	humaContext
	server   *Server
	status   int
	override int // status of a problem that replaced an error of huma
	body     *bytes.Buffer
	direct   bool
}

// Unwrap gives the context underneath. The name is huma's.
func (a *answer) Unwrap() huma.Context { return a.humaContext }

// SetStatus keeps the status for send.
func (a *answer) SetStatus(code int) { a.status = code }

// Status gives the status kept.
func (a *answer) Status() int { return a.status }

// BodyWriter gives the place where the body is gathered.
func (a *answer) BodyWriter() io.Writer { return a.body }

func (a *answer) send() {
	if a.direct {
		return
	}
	status := a.status
	if a.override != 0 {
		status = a.override
	}
	if status == 0 {
		status = http.StatusOK
	}
	c := humaecho.Unwrap(a)
	if a.body.Len() == 0 {
		c.Response().WriteHeader(status)
		return
	}
	body := a.body.Bytes()
	if fields := stateOf(c.Request().Context()).fields; fields != nil && status == http.StatusOK {
		trimmed, err := trimBody(body, fields)
		if err != nil {
			a.server.fail(c, err)
			return
		}
		body = trimmed
	}
	a.server.sendBytes(c, status, c.Response().Header().Get("Content-Type"), body)
}

// sendBytes sends a whole answer: with an ETag for GET, compressed where the caller takes that and it pays.
func (s *Server) sendBytes(c echo.Context, status int, mediaType string, body []byte) {
	r, h := c.Request(), c.Response().Header()
	h.Set("Content-Type", mediaType)
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache")
	}
	enc := choice{}
	if compressible(mediaType) {
		enc = pickEncoding(r.Header)
		if len(body) >= compressFrom || enc.must {
			h.Add("Vary", "Accept-Encoding")
		} else {
			enc.name = ""
		}
	}
	if status == http.StatusOK && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		tag := tagOf(body)
		h.Set("Etag", quoteTag(tag, enc.name))
		if tagMatches(r.Header.Values("If-None-Match"), tag, false) {
			h.Del("Content-Type")
			c.Response().WriteHeader(http.StatusNotModified)
			return
		}
	}
	if enc.name != "" {
		out := s.compressors.compress(enc.name, body)
		defer s.compressors.keep(out)
		body = out.Bytes()
		h.Set("Content-Encoding", enc.name)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.Response().WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = c.Response().Write(body) // the caller has gone if this fails
	}
}
