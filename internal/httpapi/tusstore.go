package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"sync"

	tus "github.com/tus/tusd/v2/pkg/handler"

	"github.com/wayside-edge/wayside/internal/batch"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/upload"
)

// tusRequest is what the layers around tusd tell each other about one request: tusd's own interfaces carry neither
// checksums nor errors that a caller may see.
type tusRequest struct {
	server *Server
	w      *tusWriter
	r      *http.Request
	err    error // why the request failed, with its code
}

type tusRequestKey struct{}

func tusRequestOf(ctx context.Context) *tusRequest {
	q, _ := ctx.Value(tusRequestKey{}).(*tusRequest)
	return q
}

// refuse keeps an error for the answer; what tusd makes of it is not shown.
func (q *tusRequest) refuse(err error) error {
	q.err = err
	return err
}

// show puts into the answer what headers tell of an upload.
func (q *tusRequest) show(u upload.Upload) {
	if u.ID == "" {
		return
	}
	h := q.w.Header()
	h.Set("Upload-Offset", strconv.FormatInt(u.Offset, 10))
	h.Set("Upload-Expires", u.ExpiresAt.UTC().Format(http.TimeFormat))
	if u.Done != nil {
		h.Set("X-File-ID", u.Done.FileID)
		if u.Done.Existing {
			h.Set("X-File-Existing", "true")
		}
		if u.Done.DecodeID != "" {
			h.Set("X-Decode-ID", u.Done.DecodeID)
		}
		if u.Done.BatchID != "" {
			h.Set("X-Batch-ID", u.Done.BatchID)
		}
	}
}

// tusStore is tusd's view of the uploads.
type tusStore struct{ uploads Uploads }

// NewUpload begins an upload. The name is tusd's, as are those below.
func (t tusStore) NewUpload(ctx context.Context, info tus.FileInfo) (tus.Upload, error) {
	q := tusRequestOf(ctx)
	n, err := newUpload(q.r.Header.Get(metadataHeader), info.Size)
	if err == nil {
		err = q.server.asBatch(ctx, &n)
	}
	if err == nil {
		err = q.server.checkReveal(q.r, n.Params)
	}
	if err != nil {
		return nil, q.refuse(err)
	}
	if g := stateOf(ctx).grant; g != nil {
		n.Owner = g.ID
	}
	u, err := t.uploads.Create(ctx, n)
	if err != nil {
		return nil, q.refuse(fmt.Errorf("begin upload: %w", err))
	}
	q.w.Header().Set("Location", pathPrefix+tusPath+"/"+u.ID)
	q.show(u)
	return &tusUpload{uploads: t.uploads, q: q, upload: u}, nil
}

// asBatch checks that a file can join the batch that is named for it, and has it decoded as the batch says. Whoever may not ask
// for the parameters of the batch is refused like everybody else who asks for them.
func (s *Server) asBatch(ctx context.Context, n *upload.New) error {
	if n.Batch == "" {
		return nil
	}
	b, err := s.deps.Batches.Get(ctx, n.Batch)
	switch {
	case errcode.Is(err, errcode.NotFound):
		return errcode.Invalid("batch", "there is no such batch")
	case err != nil:
		return fmt.Errorf("find batch: %w", err)
	case b.Closed:
		return errcode.Invalid("batch", "it was cancelled, and takes no more files")
	case b.Total >= batch.MaxItems:
		return errcode.Invalid("batch", "it has %d files, and takes no more", b.Total)
	case n.Decoder != "" && n.Decoder != b.Decoder, len(n.Params) > 0 && !maps.Equal(n.Params, b.Params):
		return errcode.Invalid("batch", "its files are decoded as it says: leave decoder and parameters out")
	}
	n.Decoder, n.Params = b.Decoder, b.Params
	return nil
}

// GetUpload finds an upload. One that is complete but could not become a file yet is tried again: whoever asks how far it
// is would take it for done.
func (t tusStore) GetUpload(ctx context.Context, id string) (tus.Upload, error) {
	q := tusRequestOf(ctx)
	u, err := t.uploads.Get(ctx, id)
	if err == nil && !owns(ctx, u) {
		return nil, q.refuse(upload.ErrNotFound)
	}
	if err == nil && u.Complete() && u.Done == nil && q.r.Method != http.MethodDelete {
		u, err = t.uploads.Finish(q.finishing(ctx), id)
	}
	q.show(u)
	if err != nil {
		return nil, q.refuse(fmt.Errorf("find upload: %w", err))
	}
	if err := q.beyond(u); err != nil {
		return nil, q.refuse(err)
	}
	if q.r.Method == http.MethodHead && u.Metadata != "" {
		q.w.Header().Set(metadataHeader, u.Metadata)
	}
	return &tusUpload{uploads: t.uploads, q: q, upload: u}, nil
}

// owns reports whether an upload is the caller's: of the token that began it, or of an administrator. Ids can be guessed, so
// that to others it is not there.
func owns(ctx context.Context, u upload.Upload) bool {
	st := stateOf(ctx)
	return u.Owner == "" || st.allows(scopeAdmin) || st.grant.ID == u.Owner
}

// beyond refuses a piece that begins where an upload is complete. tusd does not look at its bytes, and would say that all is
// well.
func (q *tusRequest) beyond(u upload.Upload) error {
	if q.r.Method != http.MethodPatch || !u.Complete() || q.r.Body == nil || q.r.Header.Get("Upload-Offset") != strconv.FormatInt(u.Size, 10) {
		return nil
	}
	if n, _ := io.ReadFull(q.r.Body, make([]byte, 1)); n > 0 {
		return errcode.New(errcode.TooLarge, "the upload is complete: nothing can be added")
	}
	return nil
}

// wholeReader passes a piece on from tusd, whose reader ends regularly where the upload is full, whether the body does or not. A
// body that goes on lies about what it is, so that its end counts for nothing.
type wholeReader struct {
	src       io.Reader
	body      *countedBody
	delivered int64
}

// Read reads the piece.
func (w *wholeReader) Read(p []byte) (int, error) {
	n, err := w.src.Read(p)
	if w.delivered += int64(n); errors.Is(err, io.EOF) && w.body.read > w.delivered {
		return n, errcode.New(errcode.TooLarge, "the piece is longer than what is left of the upload")
	}
	return n, err //nolint:wrapcheck // io.EOF has to stay what it is
}

// countedBody counts what is read of a body.
type countedBody struct {
	io.ReadCloser
	read int64
}

// Read reads the body.
func (c *countedBody) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.read += int64(n)
	return n, err //nolint:wrapcheck // readers look for what net/http says
}

// finishing is the context in which an upload becomes a file: to the end, whether the caller is still there or not.
func (q *tusRequest) finishing(ctx context.Context) context.Context {
	return queue.WithTrace(context.WithoutCancel(ctx), stateOf(ctx).ids.trace())
}

// AsTerminatableUpload gives what can be ended.
func (tusStore) AsTerminatableUpload(u tus.Upload) tus.TerminatableUpload {
	t, _ := u.(*tusUpload) // tusd gives back what it got from above
	return t
}

// tusUpload is tusd's view of one upload.
type tusUpload struct {
	uploads Uploads
	q       *tusRequest
	upload  upload.Upload
}

// GetInfo tells how far the upload is.
func (t *tusUpload) GetInfo(context.Context) (tus.FileInfo, error) {
	return tus.FileInfo{ID: t.upload.ID, Size: t.upload.Size, Offset: t.upload.Offset}, nil
}

// WriteChunk adds a piece. The reader of tusd ends regularly also where the body was cut off, which tusd reports itself.
func (t *tusUpload) WriteChunk(ctx context.Context, offset int64, src io.Reader) (int64, error) {
	check, err := parseChecksum(t.q.r.Header.Get(checksumHeader))
	if err != nil {
		return 0, t.q.refuse(err)
	}
	if check != nil {
		check.Whole = func() error { return bodyFailure(t.q.r) }
	}
	if body, ok := t.q.r.Body.(*countedBody); ok {
		src = &wholeReader{src: src, body: body}
	}
	u, err := t.uploads.Append(ctx, t.upload.ID, offset, src, check)
	n := max(u.Offset-offset, 0)
	if u.ID != "" {
		t.upload = u
	}
	t.q.show(u)
	if err != nil {
		return n, t.q.refuse(fmt.Errorf("append to upload: %w", err))
	}
	return n, nil
}

// GetReader is not offered: a file is read once it is one.
func (t *tusUpload) GetReader(context.Context) (io.ReadCloser, error) {
	return nil, t.q.refuse(errcode.New(errcode.MethodNotAllowed, "an upload cannot be read"))
}

// FinishUpload makes the file.
func (t *tusUpload) FinishUpload(ctx context.Context) error {
	if t.q.err != nil {
		return t.q.err
	}
	u, err := t.uploads.Finish(t.q.finishing(ctx), t.upload.ID)
	t.q.show(u)
	if err != nil {
		return t.q.refuse(fmt.Errorf("finish upload: %w", err))
	}
	return nil
}

// Terminate ends the upload.
func (t *tusUpload) Terminate(ctx context.Context) error {
	if err := t.uploads.Terminate(ctx, t.upload.ID); err != nil {
		return t.q.refuse(fmt.Errorf("end upload: %w", err))
	}
	h := t.q.w.Header()
	for _, name := range []string{"Upload-Offset", "Upload-Expires", "X-File-ID", "X-File-Existing", "X-Decode-ID", "X-Batch-ID"} {
		h.Del(name)
	}
	return nil
}

// tusLocks let one request at a time work on an upload. Who comes later is let in at once: the one before is told to end
// and keeps what it has received, since most often its connection is dead and nobody has noticed yet.
type tusLocks struct {
	mu   sync.Mutex // guards held
	held map[string]*tusLock
}

// tusLock is one request's hold on an upload, or its wish for one.
type tusLock struct {
	locks     *tusLocks
	id        string
	interrupt func()
	released  chan struct{}
}

func newTusLocks() *tusLocks { return &tusLocks{held: map[string]*tusLock{}} }

// NewLock makes a lock that nobody holds yet. The name is tusd's, as are those below.
func (l *tusLocks) NewLock(id string) (tus.Lock, error) {
	return &tusLock{locks: l, id: id, released: make(chan struct{})}, nil
}

var errLocked = errcode.New(errcode.Conflict, "another request works on this upload and does not let go of it")

// Lock waits until the upload is free.
func (l *tusLock) Lock(ctx context.Context, requestUnlock func()) error {
	l.interrupt = requestUnlock
	for {
		l.locks.mu.Lock()
		other := l.locks.held[l.id]
		if other == nil {
			l.locks.held[l.id] = l
		}
		l.locks.mu.Unlock()
		if other == nil {
			return nil
		}
		other.interrupt()
		select {
		case <-other.released:
		case <-ctx.Done():
			if q := tusRequestOf(ctx); q != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				_ = q.refuse(errLocked)
			}
			return tus.ErrFileLocked
		}
	}
}

// Unlock lets go of the upload.
func (l *tusLock) Unlock() error {
	l.locks.mu.Lock()
	delete(l.locks.held, l.id)
	l.locks.mu.Unlock()
	close(l.released)
	return nil
}
