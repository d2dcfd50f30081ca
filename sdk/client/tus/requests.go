package tus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// errSource reports that the file itself could not be read.
var errSource = errors.New("the file cannot be read")

// create makes an upload and remembers where it is.
func (r *run) create(ctx context.Context) error {
	h := http.Header{"Upload-Length": {strconv.FormatInt(r.up.Size, 10)}}
	meta, err := metadata(r.up.Metadata)
	if err != nil {
		return &protocolError{err.Error()}
	}
	if meta != "" {
		h.Set("Upload-Metadata", meta)
	}
	status, answer, err := r.send(ctx, http.MethodPost, r.endpoint.String(), h, nil)
	if err != nil {
		return fmt.Errorf("create upload: %w", err)
	}
	if status != http.StatusCreated {
		return wrong("it answers %d to the creation of an upload", status)
	}
	where, err := r.resolve(answer.Get("Location"))
	if err != nil {
		return err
	}
	r.result.URL, r.result.Header = where, answer
	r.offset, r.synced, r.done = 0, true, r.up.Size == 0
	r.progress(0)
	if r.cfg.Store != nil && r.up.Key != "" && !r.done {
		if err := r.cfg.Store.Put(r.up.Key, where); err != nil {
			return &protocolError{"remember upload: " + err.Error()}
		}
	}
	return nil
}

// head asks how far the upload is.
func (r *run) head(ctx context.Context) error {
	_, answer, err := r.send(ctx, http.MethodHead, r.result.URL, nil, nil)
	if e, ok := errors.AsType[*Error](err); ok {
		switch e.Status {
		case http.StatusNotFound, http.StatusGone:
			return fmt.Errorf("ask for the state of the upload: %w", errGone)
		}
	}
	if err != nil {
		return fmt.Errorf("ask for the state of the upload: %w", err)
	}
	if length := answer.Get("Upload-Length"); length != "" && length != strconv.FormatInt(r.up.Size, 10) {
		return fmt.Errorf("ask for the state of the upload: %w: it has another length", errGone)
	}
	if err := r.at(answer, 0); err != nil {
		return err
	}
	if r.known {
		r.result.Resumed, r.known = r.offset, false
	}
	r.synced = true
	return nil
}

// at takes the offset of an answer.
func (r *run) at(answer http.Header, least int64) error {
	text := answer.Get("Upload-Offset")
	offset, err := strconv.ParseInt(text, 10, 64)
	if err != nil || offset < least || offset > r.up.Size {
		return wrong("%q is no offset of this upload", text)
	}
	r.offset, r.result.Header, r.done = offset, answer, offset == r.up.Size
	r.progress(offset)
	return nil
}

func (r *run) progress(sent int64) {
	if r.up.Progress != nil {
		r.up.Progress(sent)
	}
}

// patch sends on from the offset. After any failure the server is asked where it is.
func (r *run) patch(ctx context.Context) error {
	n := r.up.Size - r.offset
	if r.cfg.Chunk > 0 {
		n = min(n, r.cfg.Chunk)
	}
	from := r.offset
	body := &source{r: io.NewSectionReader(r.up.Body, from, n), left: n}
	body.sent = func(m int64) { r.progress(from + m) }
	h := http.Header{"Content-Type": {"application/offset+octet-stream"}, "Upload-Offset": {strconv.FormatInt(from, 10)}}
	_, answer, err := r.send(ctx, http.MethodPatch, r.result.URL, h, body)
	if err != nil {
		r.synced = false
		if failed := body.failed.Load(); failed != nil {
			return fmt.Errorf("%w: %w", errSource, *failed)
		}
		if e, ok := errors.AsType[*Error](err); ok && (e.Status == http.StatusNotFound || e.Status == http.StatusGone) {
			return fmt.Errorf("send bytes: %w", errGone)
		}
		return fmt.Errorf("send bytes from %d on: %w", from, err)
	}
	// A server that took nothing, time after time, would never end it.
	return r.at(answer, from+1)
}

// source is a piece of the file on its way. It tells the file's own errors from the network's, and how far it is.
type source struct {
	r      *io.SectionReader
	left   int64
	read   int64
	sent   func(int64)
	alive  func()
	failed atomic.Pointer[error]
	over   atomic.Bool // the transport may still read after the answer
}

func (s *source) Read(p []byte) (int, error) {
	if s.over.Load() {
		return 0, io.ErrClosedPipe
	}
	n, err := s.r.Read(p)
	s.read += int64(n)
	if err != nil && (!errors.Is(err, io.EOF) || s.read < s.left) {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("it has become shorter: %w", io.ErrUnexpectedEOF)
		}
		s.failed.Store(&err)
		return n, err
	}
	if n > 0 {
		s.alive()
		s.sent(s.read)
	}
	return n, err //nolint:wrapcheck // io.EOF has to stay what it is
}

// send makes a request; an answer of 400 and above is an *Error. The body of the answer is read and closed.
func (r *run) send(ctx context.Context, method, target string, h http.Header, body *source) (status int, answer http.Header, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(r.cfg.Stall, func() { cancel(errStalled) })
	defer stall.Stop()
	req, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("make request: %w", err)
	}
	maps.Copy(req.Header, r.cfg.Header)
	maps.Copy(req.Header, h)
	req.Header.Set("Tus-Resumable", version)
	if body != nil {
		body.alive = func() { stall.Reset(r.cfg.Stall) }
		defer body.over.Store(true)
		req.Body, req.ContentLength = io.NopCloser(body), body.left
	}
	res, err := r.cfg.HTTP.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok { // which says the address once more
			err = e.Err
		}
		if errors.Is(context.Cause(ctx), errStalled) {
			err = errStalled
		}
		return 0, nil, err //nolint:wrapcheck // the callers do
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("read answer: %w", err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		return 0, nil, &Error{Status: res.StatusCode, Body: text, Header: res.Header}
	}
	if v := res.Header.Get("Tus-Resumable"); v != version {
		return 0, nil, wrong("its version is %q", v)
	}
	return res.StatusCode, res.Header, nil
}
