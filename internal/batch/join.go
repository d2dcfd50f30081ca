package batch

import (
	"context"
	"fmt"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/store"
)

// Join adds a file to a batch, at its end; a batch that had ended goes on. When it returns without an error the file is in the
// batch for good. A file that is in it already stays there once, so that whoever does not know whether an earlier call came
// through calls again.
func (e *Engine) Join(ctx context.Context, id string, n NewItem) error {
	e.turn.Lock()
	defer e.turn.Unlock()
	if err := e.settle(ctx, id); err != nil {
		return err
	}
	r := e.running(id)
	if r == nil {
		rec, err := e.load(id)
		if err != nil {
			return err
		}
		r = &run{rec: rec, open: map[int]opened{}, next: rec.Total, ended: rec.Counts}
	}
	rec := r.rec
	if rec.Cancelled {
		return errcode.New(errcode.Conflict, "the batch was cancelled")
	}
	if there, err := e.has(ctx, rec, n.FileID); err != nil || there {
		return err
	}
	if rec.Total >= MaxItems {
		return errcode.Newf(errcode.Conflict, "the batch has %d files, and takes no more", rec.Total)
	}
	f, err := e.cfg.Decodes.File(ctx, n.FileID)
	if err != nil {
		return fmt.Errorf("join batch: %w", err)
	}
	it, at := itemOf(n, f.Name), rec.Total
	it.Round = rec.Round
	rec.Total++
	rec.FinishedAt, rec.Counts = time.Time{}, counts{}
	b := e.cfg.DB.Batch()
	b.Essential() // the file is there
	if err := e.stage(b, keyOfItem(id, at), it); err != nil {
		return err
	}
	if err := e.stage(b, keyOfBatch(id), rec); err != nil {
		return err
	}
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		r.rec = rec
		e.take(r, at, it)
		e.active[id] = r
		e.changed(r)
	})
	if err := e.commitOf(ctx, b, id); err != nil {
		return fmt.Errorf("join batch: %w", err)
	}
	if it.State != ItemRunning {
		return nil
	}
	if d, err := e.cfg.Decodes.Decode(ctx, it.DecodeID); err == nil && d.Status.Final() {
		if err := e.finish(ctx, []end{endOf(ref{id, at}, d)}); err != nil {
			e.cfg.Logger.WarnContext(ctx, "end of a decode of a batch not recorded, it is tried again", "error", err)
		}
	}
	return nil
}

// itemOf makes the item of a file that is new in a batch.
func itemOf(n NewItem, name string) Item {
	it := Item{FileID: n.FileID, Name: name, State: ItemPending}
	if n.DecodeID != "" {
		it.State, it.DecodeID, it.Own = ItemRunning, n.DecodeID, !n.Shared
	}
	return it
}

// has reports whether a file is in a batch. What lies behind its end came of a call that failed, and counts for nothing.
func (e *Engine) has(ctx context.Context, rec record, file string) (there bool, err error) {
	err = e.space.Scan(ctx, store.ScanOptions{Prefix: []byte(itemKey + rec.ID + "/"), OnCorrupt: e.damaged}, func(k, v []byte) (bool, error) {
		_, n, _ := parseItemKey(k)
		if it, err := decodeJSON[Item](v); err == nil && it.FileID == file {
			there = n < rec.Total
		}
		return !there, nil
	})
	if err != nil {
		return false, fmt.Errorf("read items of batch %s: %w", rec.ID, err)
	}
	return there, nil
}

// JoinUpload adds the file of an upload to a batch: its decode has begun, and is somebody else's too if it was there before.
func (e *Engine) JoinUpload(ctx context.Context, id, file, decode string, existing bool) error {
	return e.Join(ctx, id, NewItem{FileID: file, DecodeID: decode, Shared: existing})
}
