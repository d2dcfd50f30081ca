package upload

import (
	"context"
	"errors"
)

// join has the file of a finished upload join the batch that was named at its beginning. What keeps it from that for now is
// tried again by Run; where there is no such batch any more, or it takes no files, the file stays without one. That the
// file is there does not depend on it.
func (u *Uploads) join(ctx context.Context, e *entry, r record) record {
	if !r.Done.Joining {
		return r
	}
	done := *r.Done
	err := u.cfg.Batches.JoinUpload(ctx, r.Batch, done.FileID, done.DecodeID, done.Existing)
	if err != nil && (passing(err) || ctx.Err() != nil) {
		u.cfg.Logger.WarnContext(ctx, "file of an upload has not joined its batch, it is tried again", "upload", r.ID, "batch", r.Batch, "error", err)
		return r
	}
	done.Joining = false
	if err == nil {
		done.BatchID = r.Batch
	} else {
		u.cfg.Logger.WarnContext(ctx, "file of an upload cannot join its batch", "upload", r.ID, "file", done.FileID, "batch", r.Batch, "error", err)
	}
	next := r
	next.Done = &done
	if err := u.commit(ctx, next, true); err != nil {
		u.cfg.Logger.WarnContext(ctx, "that a file has joined its batch is not recorded, it is tried again", "upload", r.ID, "error", err)
		return r
	}
	u.mu.Lock()
	e.joining = false
	u.mu.Unlock()
	return next
}

// joinLater tries again what join could not do.
func (u *Uploads) joinLater(ctx context.Context, id string) error {
	e, done, err := u.acquire(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer done()
	r, err := u.read(id)
	if err == nil && r.Done != nil {
		u.join(ctx, e, r)
	}
	return err
}
