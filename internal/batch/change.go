package batch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/store"
)

// Cancel ends a batch: files that have not begun are not decoded, decodes that were started for it are cancelled. What
// has ended stays. The answer may still show some at work.
func (e *Engine) Cancel(ctx context.Context, id string) (Batch, error) {
	e.turn.Lock()
	defer e.turn.Unlock()
	if err := e.settle(ctx, id); err != nil {
		return Batch{}, err
	}
	r := e.running(id)
	if r == nil {
		if _, err := e.load(id); err != nil {
			return Batch{}, err
		}
		return Batch{}, errcode.New(errcode.Conflict, "the batch has ended")
	}
	if err := e.change(ctx, r, func(rec *record) { rec.Cancelled = true }); err != nil {
		return Batch{}, fmt.Errorf("cancel batch: %w", err)
	}
	e.stop(ctx, r)
	if err := e.cancelPending(ctx, r); err != nil {
		return Batch{}, fmt.Errorf("cancel batch: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return r.view(), nil
}

// Retry has the files of a batch that has ended, and that were not decoded, decoded anew.
func (e *Engine) Retry(ctx context.Context, id string) (Batch, error) {
	e.turn.Lock()
	defer e.turn.Unlock()
	if err := e.settle(ctx, id); err != nil {
		return Batch{}, err
	}
	if e.running(id) != nil {
		return Batch{}, errcode.New(errcode.Conflict, "the batch has not ended")
	}
	rec, err := e.load(id)
	switch {
	case err != nil:
		return Batch{}, err
	case rec.Counts.Failed+rec.Counts.Cancelled == 0:
		return Batch{}, errcode.New(errcode.Conflict, "every file of the batch has been decoded")
	}
	rec.Round++
	rec.Cancelled, rec.FinishedAt, rec.Counts = false, time.Time{}, counts{Done: rec.Counts.Done}
	rec.RetriedAt = e.cfg.Now().UTC()
	b := e.cfg.DB.Batch()
	if err := e.stage(b, keyOfBatch(id), rec); err != nil {
		return Batch{}, err
	}
	r := &run{rec: rec, open: map[int]opened{}, ended: rec.Counts}
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.active[id] = r
		e.changed(r)
	})
	if err := e.commitOf(ctx, b, id); err != nil {
		return Batch{}, fmt.Errorf("retry batch: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return r.view(), nil
}

// Delete removes a batch. Its files and their decodes stay, but for decodes that were started for it and have not
// ended: those are cancelled.
func (e *Engine) Delete(ctx context.Context, id string) error {
	e.turn.Lock()
	defer e.turn.Unlock()
	if err := e.settle(ctx, id); err != nil {
		return err
	}
	r := e.running(id)
	if r == nil {
		if _, err := e.load(id); err != nil && !errors.Is(err, store.ErrCorrupt) {
			return err
		}
	}
	b := e.cfg.DB.Batch()
	b.Essential()
	b.Delete(e.space, keyOfBatch(id))
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if r != nil {
			e.forget(r)
		}
	})
	if err := e.commitOf(ctx, b, id); err != nil {
		return fmt.Errorf("delete batch: %w", err)
	}
	if r != nil {
		e.stop(ctx, r)
	}
	e.cfg.Events.Publish(Topic, id, nil)
	return e.removeItems(ctx, id)
}

// running gives a batch that goes on, nil if it does not.
func (e *Engine) running(id string) *run {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.active[id]
}

// forget takes a batch out of memory. e.mu is held.
func (e *Engine) forget(r *run) {
	delete(e.active, r.rec.ID)
	for n, o := range r.open {
		e.unref(o.decode, ref{r.rec.ID, n})
	}
}

// unref forgets that a batch waits for a decode. e.mu is held.
func (e *Engine) unref(decode string, gone ref) {
	left := slices.DeleteFunc(e.decodes[decode], func(f ref) bool { return f == gone })
	if len(left) == 0 {
		delete(e.decodes, decode)
		return
	}
	e.decodes[decode] = left
}

// change changes the record of a batch that goes on. e.turn is held.
func (e *Engine) change(ctx context.Context, r *run, f func(*record)) error {
	e.mu.Lock()
	rec := r.rec
	e.mu.Unlock()
	f(&rec)
	b := e.cfg.DB.Batch()
	b.Essential()
	if err := e.stage(b, keyOfBatch(rec.ID), rec); err != nil {
		return err
	}
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		r.rec = rec
		e.changed(r)
	})
	if err := e.commitOf(ctx, b, rec.ID); err != nil {
		return fmt.Errorf("store batch: %w", err)
	}
	return nil
}

// stop cancels the decodes that were started for a batch. That they have ended is heard of later.
func (e *Engine) stop(ctx context.Context, r *run) {
	e.mu.Lock()
	working := slices.Collect(maps.Values(r.open))
	e.mu.Unlock()
	for _, o := range working {
		if !o.own {
			continue
		}
		if _, err := e.cfg.Starter.Cancel(ctx, o.decode); err != nil && !errcode.Is(err, errcode.Conflict) && !errcode.Is(err, errcode.NotFound) {
			e.cfg.Logger.WarnContext(ctx, "decode of a batch not cancelled", "batch", r.rec.ID, "decode", o.decode, "error", err)
		}
	}
}

// cancelPending cancels the files of a batch that have not begun, and those whose decodes are somebody else's.
func (e *Engine) cancelPending(ctx context.Context, r *run) error {
	var ends []end
	flush := func() error {
		err := e.finish(ctx, ends)
		ends = ends[:0]
		return err
	}
	e.mu.Lock()
	id := r.rec.ID
	for n, o := range r.open {
		if !o.own {
			ends = append(ends, end{at: ref{id, n}, state: ItemCancelled, cause: cancelled()})
		}
	}
	e.mu.Unlock()
	if err := flush(); err != nil {
		return err
	}
	var left []int
	err := e.space.Scan(ctx, store.ScanOptions{Prefix: []byte(itemKey + id + "/"), OnCorrupt: e.damaged}, func(k, v []byte) (bool, error) {
		if it, err := decodeJSON[Item](v); err == nil && r.toStart(it) {
			if _, n, ok := parseItemKey(k); ok {
				left = append(left, n)
			}
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("read items: %w", err)
	}
	for _, n := range left {
		ends = append(ends, end{at: ref{id, n}, state: ItemCancelled, cause: cancelled()})
		if len(ends) == itemsAtOnce {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	e.mu.Lock()
	r.next = r.rec.Total
	e.mu.Unlock()
	return flush()
}

// removeItems deletes the items of a batch.
func (e *Engine) removeItems(ctx context.Context, id string) error {
	var keys [][]byte
	err := e.space.Scan(ctx, store.ScanOptions{Prefix: []byte(itemKey + id + "/"), KeysOnly: true}, func(k, _ []byte) (bool, error) {
		keys = append(keys, slices.Clone(k))
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("read items of batch %s: %w", id, err)
	}
	return e.remove(ctx, keys)
}

func (e *Engine) remove(ctx context.Context, keys [][]byte) error {
	for part := range slices.Chunk(keys, itemsAtOnce) {
		b := e.cfg.DB.Batch()
		b.Essential()
		for _, k := range part {
			b.Delete(e.space, k)
		}
		if err := e.commit(ctx, b); err != nil {
			return fmt.Errorf("delete items: %w", err)
		}
	}
	return nil
}
