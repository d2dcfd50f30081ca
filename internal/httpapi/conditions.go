package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// tagOf gives the entity tag of an answer, without quotes: what it is before it is compressed.
func tagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:16])
}

// quoteTag gives the tag as the header has it. Tags are strong, so each encoding has its own: other bytes, another tag.
func quoteTag(tag, encoding string) string {
	if encoding != "" {
		tag += "-" + encoding
	}
	return `"` + tag + `"`
}

// tagMatches reports whether the tags of If-Match or If-None-Match have this one, in whatever encoding. Of weak ones
// that is so only unless strong is asked for, as it is by If-Match.
func tagMatches(header []string, tag string, strong bool) bool {
	for t := range strings.SplitSeq(strings.Join(header, ","), ",") {
		t = strings.TrimSpace(t)
		if t == "*" {
			return true
		}
		if weak, ok := strings.CutPrefix(t, "W/"); ok {
			if strong {
				continue
			}
			t = weak
		}
		for _, encoding := range []string{"", encodingGzip, encodingZstd} {
			if t == quoteTag(tag, encoding) {
				return true
			}
		}
	}
	return false
}

// changeLocks make a condition and the change that depends on it one: of two callers who saw the same, one changes it,
// and the other is told. Callers who set no condition do not wait.
type changeLocks [16]chan struct{}

func newChangeLocks() (l changeLocks) {
	for i := range l {
		l[i] = make(chan struct{}, 1)
	}
	return l
}

func (l *changeLocks) lock(ctx context.Context, path string) (unlock func(), err error) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(path)) // never fails
	c := l[h.Sum32()%uint32(len(l))]
	select {
	case c <- struct{}{}:
		return func() { <-c }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for another change: %w", context.Cause(ctx))
	}
}

// conditional reports whether requests of a method may say on what they depend.
func conditional(method string) bool {
	return method == http.MethodPut || method == http.MethodPatch || method == http.MethodDelete
}

// conditionParams documents the conditions.
func conditionParams() []*huma.Param {
	tags := &huma.Schema{Type: huma.TypeString}
	return []*huma.Param{
		{Name: "If-Match", In: "header", Schema: tags, Description: "ETag of its GET without fields, or *: 412 unless it still is so, or is there"},
		{Name: "If-None-Match", In: "header", Schema: tags, Description: "* : 412 if it is there already"},
	}
}

// precondition checks the conditions of a request that changes something against what GET of the same path gives. The
// function it gives is to be called after the change.
func (s *Server) precondition(ctx context.Context) (done func(), err error) {
	r := requestOf(ctx)
	if !conditional(r.Method) {
		return func() {}, nil
	}
	match, none := r.Header.Values("If-Match"), r.Header.Values("If-None-Match")
	if len(match)+len(none) == 0 {
		return func() {}, nil
	}
	unlock, err := s.changes.lock(ctx, r.URL.Path)
	if err != nil {
		return nil, err
	}
	tag, err := s.current(r)
	switch {
	case err != nil:
	case len(match) > 0 && (tag == "" || !tagMatches(match, tag, true)):
		err = errcode.New(errcode.PreconditionFailed, "it is not as If-Match says")
	case len(none) > 0 && tag != "" && tagMatches(none, tag, false):
		err = errcode.New(errcode.PreconditionFailed, "it is as If-None-Match says it is not to be")
	default:
		return unlock, nil
	}
	unlock()
	return nil, err
}

// current gives the tag of what GET of a request's path gives, "" if there is nothing.
func (s *Server) current(r *http.Request) (string, error) {
	st := *stateOf(r.Context())
	st.fields = nil
	ctx := context.WithValue(r.Context(), stateKey{}, &st)
	get := (&http.Request{
		Method: http.MethodGet, URL: &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath}, Host: r.Host, Header: http.Header{}, Body: http.NoBody,
	}).WithContext(ctx)
	get = get.WithContext(context.WithValue(ctx, requestKey{}, get))
	seen := &unseen{header: http.Header{}}
	c := s.echo.NewContext(get, seen)
	s.echo.Router().Find(http.MethodGet, echo.GetPath(get), c)
	if err := c.Handler()(c); err != nil {
		return "", fmt.Errorf("look at it before the change: %w", err)
	}
	switch seen.status {
	case http.StatusOK:
		tag, _, _ := strings.Cut(strings.Trim(seen.header.Get("Etag"), `"`), "-")
		return tag, nil
	case http.StatusNotFound:
		return "", nil
	default:
		return "", errcode.Newf(errcode.Unavailable, "what it is now cannot be told, so neither whether it is as it should be")
	}
}

// unseen takes an answer that nobody gets.
type unseen struct {
	header http.Header
	status int
}

// Header gives the headers of the answer.
func (u *unseen) Header() http.Header { return u.header }

// WriteHeader keeps the status.
func (u *unseen) WriteHeader(status int) { u.status = status }

// Write drops the body.
func (u *unseen) Write(p []byte) (int, error) { return len(p), nil }
