package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/wayside-edge/wayside/internal/blob"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// ErrChecksum reports a piece whose bytes are not those that were sent. None of it counts.
var ErrChecksum = errcode.New(errcode.Conflict, "the bytes do not have the checksum that was sent with them: none of them were kept")

// Check is the checksum of a piece.
type Check struct {
	Hash hash.Hash
	Want []byte
	// Whole tells, once the body was read, whether all of it came: nil, or why not.
	Whole func() error
}

func (c *Check) verdict() error {
	if err := c.Whole(); err != nil {
		return err
	}
	if !bytes.Equal(c.Hash.Sum(nil), c.Want) {
		return ErrChecksum
	}
	return nil
}

// Append adds a piece that begins at offset, and gives the upload as it is then, also beside an error: what came before
// the error counts, unless the piece has a checksum. check may be nil. Everything that the Offset of the answer counts
// survives a power cut. An upload whose last byte is there still has to be finished.
func (u *Uploads) Append(ctx context.Context, id string, offset int64, body io.Reader, check *Check) (Upload, error) {
	e, done, err := u.acquire(ctx, id)
	if err != nil {
		return Upload{}, err
	}
	defer done()
	r, err := u.read(id)
	if err != nil {
		return Upload{}, err
	}
	if offset != r.Offset || r.Done != nil {
		return r.public(), ErrOffset
	}
	if r.Offset == r.Size {
		if n, _ := io.ReadFull(body, make([]byte, 1)); n > 0 {
			return r.public(), errcode.New(errcode.TooLarge, "the upload is complete: nothing can be added")
		}
		return r.public(), nil
	}
	saving := context.WithoutCancel(ctx) // what was received is kept, also of a caller who has gone
	piece := blob.Piece{Body: body, Limit: r.Size, Keep: func(p blob.Partial) error {
		next := r
		next.Offset, next.State, next.ExpiresAt = p.Size, p.State, u.expiry()
		if err := u.commit(saving, next, true); err != nil {
			return err
		}
		r = next
		u.mu.Lock()
		defer u.mu.Unlock()
		e.offset, e.expires = r.Offset, r.ExpiresAt
		return nil
	}}
	if check != nil {
		piece.Check, piece.Verdict = check.Hash, check.verdict
	}
	_, err = u.cfg.Blobs.Extend(ctx, r.partial(u.cfg.Dir), piece)
	if errors.Is(err, blob.ErrNotFound) {
		u.cfg.Logger.ErrorContext(ctx, "bytes of an upload are gone, it is ended", "upload", id, "offset", r.Offset)
		return Upload{}, errors.Join(ErrNotFound, u.remove(saving, id, e))
	}
	if err != nil {
		return r.public(), fmt.Errorf("append to upload: %w", err)
	}
	return r.public(), nil
}

// Finish makes the file of an upload whose bytes are all there, and gives what it has become. It may be called again,
// after an error and after a success. After an error the bytes are kept; what may pass, such as a full disk, is tried again
// by Run.
func (u *Uploads) Finish(ctx context.Context, id string) (Upload, error) {
	e, done, err := u.acquire(ctx, id)
	if err != nil {
		return Upload{}, err
	}
	defer done()
	r, err := u.read(id)
	if err != nil || r.Done != nil {
		return r.public(), err
	}
	if r.Offset != r.Size {
		return r.public(), errcode.Newf(errcode.Conflict, "the upload has %d of %d bytes", r.Offset, r.Size)
	}
	b, err := u.blob(ctx, r)
	if errors.Is(err, blob.ErrNotFound) {
		u.cfg.Logger.ErrorContext(ctx, "bytes of an upload are gone, it is ended", "upload", id, "offset", r.Offset)
		return Upload{}, errors.Join(ErrNotFound, u.remove(context.WithoutCancel(ctx), id, e))
	}
	if err != nil {
		return r.public(), fmt.Errorf("finish upload: %w", err)
	}
	up := r.upload()
	up.Trace = queue.TraceOf(ctx)
	up.Also = func(a ingest.Accepted) ingest.Stage {
		r.Done = &Done{FileID: a.File.ID, Existing: a.Existing, Joining: r.Batch != ""}
		if a.Decode != nil {
			r.Done.DecodeID = a.Decode.ID
		}
		r.State, r.ExpiresAt = nil, u.expiry()
		return func(batch *store.Batch) error { return u.stage(batch, r) }
	}
	if _, err := u.cfg.Accepter.AcceptBlob(ctx, up, b); err != nil {
		r.Done = nil
		u.keep(e, b.Release, !passing(err))
		return r.public(), fmt.Errorf("finish upload: %w", err)
	}
	b.Release()
	u.finished(ctx, e, r)
	return u.join(ctx, e, r).public(), nil
}

// keep keeps the blob of an upload that could not become a file.
func (u *Uploads) keep(e *entry, release func(), refused bool) {
	u.mu.Lock()
	if e.refused = refused; len(e.held) == 0 {
		e.held, release = append(e.held, release), func() {}
	}
	u.mu.Unlock()
	release()
}

// blob gives the bytes of a complete upload as a blob, held.
func (u *Uploads) blob(ctx context.Context, r record) (blob.Blob, error) {
	if r.Size == 0 {
		return u.cfg.Blobs.Put(ctx, strings.NewReader(""), 0) //nolint:wrapcheck // the caller does
	}
	p := r.partial(u.cfg.Dir)
	b, err := u.cfg.Blobs.Adopt(ctx, p)
	if !errors.Is(err, blob.ErrNotFound) {
		return b, err //nolint:wrapcheck // the caller does
	}
	sha, err := p.SHA256()
	if err != nil {
		return b, err //nolint:wrapcheck // the caller does
	}
	return u.cfg.Blobs.Stored(ctx, sha) //nolint:wrapcheck // the caller does
}

// finished takes over into memory that an upload has become a file.
func (u *Uploads) finished(ctx context.Context, e *entry, r record) {
	u.mu.Lock()
	held := e.held
	e.held, e.finished, e.joining, e.refused, e.expires = nil, true, r.Done.Joining, false, r.ExpiresAt
	u.count--
	u.bytes -= e.size
	u.mu.Unlock()
	for _, release := range held {
		release()
	}
	u.cfg.Logger.InfoContext(ctx, "upload finished", "upload", r.ID, "file", r.Done.FileID, "size_bytes", r.Size)
}

// passing reports whether an error may be gone later without anybody doing something about the upload.
func passing(err error) bool {
	switch errcode.Of(err) {
	case errcode.DiskFull, errcode.Unavailable, errcode.Internal, errcode.ShuttingDown:
		return true
	default:
		return false
	}
}
