package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
	tus "github.com/tus/tusd/v2/pkg/handler"
	xslog "golang.org/x/exp/slog" // tusd's logger is of this type, not of the library's

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/upload"
)

// Uploads are the uploads that arrive in pieces; it is upload.Uploads.
type Uploads interface {
	Create(ctx context.Context, n upload.New) (upload.Upload, error)
	Get(ctx context.Context, id string) (upload.Upload, error)
	// Append adds a piece. What it gives beside an error is how far the upload is all the same.
	Append(ctx context.Context, id string, offset int64, body io.Reader, check *upload.Check) (upload.Upload, error)
	Finish(ctx context.Context, id string) (upload.Upload, error)
	Terminate(ctx context.Context, id string) error
}

const (
	tusPath            = "/uploads"
	tusVersion         = "1.0.0"
	checksumAlgorithms = "sha256,sha1,md5"
	tusLockWait        = 10 * time.Second // of a request for another to let go of the upload

	// Statuses that tus has and the codes of problems do not.
	statusLocked           = http.StatusLocked
	statusChecksumMismatch = 460
)

// routeTus serves uploads that resume.
func (s *Server) routeTus(api huma.API) error {
	if s.deps.Uploads == nil {
		return nil
	}
	composer := tus.NewStoreComposer()
	store := tusStore{s.deps.Uploads}
	composer.UseCore(store)
	composer.UseTerminater(store)
	composer.UseLocker(newTusLocks())
	h, err := tus.NewHandler(tus.Config{
		StoreComposer: composer, BasePath: pathPrefix + tusPath + "/", MaxSize: s.cfg.MaxUpload,
		DisableDownload: true, DisableConcatenation: true, Cors: &tus.CorsConfig{Disable: true},
		Logger: xslog.New(quiet{}), AcquireLockTimeout: tusLockWait,
		// What is to outlive a request here has a context that does: tusd would keep a goroutine for each request so long.
		GracefulRequestCompletionTimeout: 1,
	})
	if err != nil {
		return fmt.Errorf("make uploads: %w", err)
	}
	handler := http.StripPrefix(pathPrefix+tusPath, h)
	for _, r := range tusRoutes() {
		path := pathPrefix + r.path
		s.echo.Add(r.method, path, func(c echo.Context) error { return s.serveTus(c, handler) })
		s.scopes[r.method+" "+path] = r.need
		if r.method == http.MethodPost && !strings.Contains(path, ":") {
			s.onceRules[path] = onceRule{large: true, headers: []string{"Upload-Length", metadataHeader, checksumHeader}}
		}
	}
	s.documentTus(api)
	return nil
}

// tusRoute is a route of the protocol.
type tusRoute struct {
	method, path string
	need         scope
}

// tusRoutes are the routes of the protocol, with and without a final slash. POST to an upload is for clients that have no other
// method: X-HTTP-Method-Override says what they mean.
func tusRoutes() []tusRoute {
	var out []tusRoute
	for _, end := range []string{"", "/"} {
		for _, method := range []string{http.MethodPost, http.MethodHead, http.MethodPatch, http.MethodDelete} {
			if method == http.MethodPost {
				out = append(out, tusRoute{method, tusPath + end, scopeUpload})
			}
			out = append(out, tusRoute{method, tusPath + "/:id" + end, scopeUpload})
		}
		out = append(out, tusRoute{http.MethodOptions, tusPath + end, scopeOpen}, tusRoute{http.MethodOptions, tusPath + "/:id" + end, scopeOpen})
	}
	return out
}

func (s *Server) serveTus(c echo.Context, handler http.Handler) error {
	r := c.Request()
	stateOf(r.Context()).stream = true
	if err := checkTusHeaders(r.Header); err != nil {
		return err
	}
	if _, err := parseChecksum(r.Header.Get(checksumHeader)); err != nil {
		return err
	}
	w := &tusWriter{Response: c.Response(), body: stateOf(r.Context()).body}
	if r.Body != nil {
		r.Body = &countedBody{ReadCloser: r.Body}
	}
	q := &tusRequest{server: s, w: w, r: r}
	w.q = q
	q.r = r.WithContext(context.WithValue(r.Context(), tusRequestKey{}, q))
	if meant := r.Header.Get("X-HTTP-Method-Override"); r.Method == http.MethodPost && meant != "" {
		q.r.Method = meant
	}
	handler.ServeHTTP(w, q.r)
	if w.refused {
		return w.problem()
	}
	return nil
}

// checkTusHeaders refuses what the protocol offers and this server does not, and headers that say two things: a proxy may have
// looked at the other one.
func checkTusHeaders(h http.Header) error {
	for _, name := range []string{
		"Tus-Resumable", "Upload-Length", "Upload-Offset", metadataHeader, checksumHeader, "Upload-Defer-Length", "X-Http-Method-Override",
	} {
		if len(h[name]) > 1 {
			return errcode.Newf(errcode.Malformed, "%s: is to be given once", name)
		}
	}
	if h.Get("Upload-Concat") != "" {
		return errcode.New(errcode.Malformed, "Upload-Concat: the extension concatenation is not offered")
	}
	if h.Get("Upload-Defer-Length") != "" {
		return errcode.New(errcode.Malformed, "Upload-Defer-Length: the length of an upload is to be known when it begins")
	}
	return nil
}

// tusWriter turns the plain-text refusals of tusd into problems, and adds what the extensions beside tusd's tell.
type tusWriter struct {
	*echo.Response
	q       *tusRequest
	body    *idleBody // nil: the request has none
	refused bool
	status  int
	text    strings.Builder // of a refusal
}

// SetReadDeadline takes tusd's wish to end a read that waits. Other deadlines are moved by idleBody.
func (w *tusWriter) SetReadDeadline(t time.Time) error {
	if w.body != nil && !t.After(time.Now()) {
		w.body.interrupt()
	}
	return nil
}

// SetWriteDeadline takes no notice: answers here are short.
func (w *tusWriter) SetWriteDeadline(time.Time) error { return nil }

// WriteHeader sends the status, or keeps that of a refusal.
func (w *tusWriter) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		w.refused, w.status = true, status
		return
	}
	h := w.Header()
	if ext := h.Get("Tus-Extension"); ext != "" {
		h.Set("Tus-Extension", ext+",checksum,expiration")
		h.Set("Tus-Checksum-Algorithm", checksumAlgorithms)
	}
	if id := h.Get("Location"); id != "" { // a path holds behind every proxy, whatever name it is known by
		h.Set("Location", pathPrefix+tusPath+"/"+id[strings.LastIndexByte(id, '/')+1:])
	}
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	w.Response.WriteHeader(status)
}

// Write passes the content on, or keeps the text of a refusal, which is short.
func (w *tusWriter) Write(p []byte) (int, error) {
	if w.refused {
		w.text.Write(p)
		return len(p), nil
	}
	n, err := w.Response.Write(p)
	if err != nil {
		return n, fmt.Errorf("send answer: %w", err)
	}
	return n, nil
}

// problem gives what a refusal is to the caller.
func (w *tusWriter) problem() error {
	h := w.Header()
	h.Del("Content-Length")
	h.Set("Tus-Resumable", tusVersion)
	if w.status == http.StatusPreconditionFailed {
		h.Set("Tus-Version", tusVersion)
	}
	err := w.q.err
	if cut := bodyFailure(w.q.r); cut != nil && errors.Is(err, context.Canceled) {
		err = cut // the end of the connection ends the context too, and who has only closed its side still reads
	}
	if err == nil {
		err = w.translate()
	}
	if p := problemOf(w.q.r, err); errors.Is(err, upload.ErrChecksum) {
		p.Status = statusChecksumMismatch
		return p
	} else if w.status == http.StatusLocked {
		p.Status = statusLocked
		return p
	}
	return err
}

// translate gives a refusal of tusd's own its code.
func (w *tusWriter) translate() error {
	if cut := bodyFailure(w.q.r); cut != nil && !strings.HasPrefix(w.text.String(), tus.ErrUploadInterrupted.ErrorCode) {
		return cut
	}
	code, text, _ := strings.Cut(strings.TrimSpace(w.text.String()), ": ")
	switch code {
	case tus.ErrInvalidContentType.ErrorCode:
		return errcode.New(errcode.UnsupportedMediaType, "a piece has the type application/offset+octet-stream")
	case tus.ErrUploadInterrupted.ErrorCode:
		return errcode.New(errcode.Conflict, "another request for this upload took over; what came before is kept")
	case tus.ErrNotImplemented.ErrorCode:
		return errcode.New(errcode.Malformed, "the length of an upload is to be known when it begins")
	}
	switch w.status {
	case http.StatusNotFound:
		return upload.ErrNotFound
	case http.StatusMethodNotAllowed:
		return errcode.New(errcode.MethodNotAllowed, "this path does not have this method")
	case http.StatusConflict:
		return upload.ErrOffset
	case http.StatusLocked:
		return errLocked
	case http.StatusPreconditionFailed:
		return errcode.New(errcode.PreconditionFailed, "Tus-Resumable: the version spoken here is "+tusVersion)
	case http.StatusRequestEntityTooLarge:
		return errcode.New(errcode.TooLarge, or(text, "larger than the upload"))
	case http.StatusBadRequest:
		return errcode.New(errcode.Malformed, or(text, "the request cannot be read"))
	default:
		return fmt.Errorf("tusd: %s %s", code, text)
	}
}

// quiet is a log that tusd writes to: the layers around it log requests and failures already.
type quiet struct{}

// Enabled says that nothing is logged. The names are the interface's.
func (quiet) Enabled(context.Context, xslog.Level) bool { return false }

// Handle drops a record.
func (quiet) Handle(context.Context, xslog.Record) error { return nil }

// WithAttrs changes nothing.
func (q quiet) WithAttrs([]xslog.Attr) xslog.Handler { return q }

// WithGroup changes nothing.
func (q quiet) WithGroup(string) xslog.Handler { return q }
