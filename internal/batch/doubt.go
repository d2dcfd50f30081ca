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

// An error of a commit does not say whether what it held is there. A batch of which that is not known is in doubt: before anything
// else is decided about it, what is in memory of it is made anew from the database.

// commitOf is commit of a change to batches. They are in doubt if it fails. e.turn is held.
func (e *Engine) commitOf(ctx context.Context, b *store.Batch, ids ...string) error {
	err := e.commit(ctx, b)
	if err != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, id := range ids {
			e.doubt[id] = true
		}
		e.nudge()
	}
	return err
}

func (e *Engine) doubts(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.doubt[id]
}

// settle ends the doubt about a batch, if there is any. e.turn is held.
func (e *Engine) settle(ctx context.Context, id string) error {
	if !e.doubts(id) {
		return nil
	}
	e.mu.Lock()
	undo := e.undoing[id]
	e.mu.Unlock()
	if undo {
		if err := e.undo(ctx, id); err != nil {
			return err
		}
	}
	rec, err := e.load(id)
	gone, lost := errcode.Is(err, errcode.NotFound), false
	switch {
	case errors.Is(err, store.ErrCorrupt): // it is left out, as at a start
		if err := e.damaged(keyOfBatch(id)); err != nil {
			return err
		}
		lost = true
	case gone:
		if err := e.removeItems(ctx, id); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	items := map[int]Item{}
	if !gone && !lost && rec.FinishedAt.IsZero() {
		err := e.space.Scan(ctx, store.ScanOptions{Prefix: []byte(itemKey + id + "/"), OnCorrupt: e.damaged}, func(k, v []byte) (bool, error) {
			it, err := decodeJSON[Item](v)
			if _, n, ok := parseItemKey(k); err == nil && ok && n < rec.Total {
				items[n] = it
			}
			return true, nil
		})
		if err != nil {
			return fmt.Errorf("read items of batch %s: %w", id, err)
		}
	}
	before := e.running(id)
	e.mu.Lock()
	added, records := e.anew(id, rec, gone || lost, items)
	e.mu.Unlock()
	e.count(added, records)
	if r := e.running(id); r != nil && rec.Cancelled {
		e.stop(ctx, r)
	} else if gone && before != nil {
		e.stop(ctx, before)
	}
	return e.heardOf(ctx, id)
}

// anew makes anew what is in memory of a batch, and gives what turns out to have ended, to be counted. e.mu is held, and e.turn.
func (e *Engine) anew(id string, rec record, gone bool, items map[int]Item) (map[*run]counts, map[*run]record) {
	delete(e.doubt, id)
	delete(e.undoing, id)
	r := e.active[id]
	known := r != nil && r.rec.Round == rec.Round
	if r != nil {
		e.forget(r)
	} else {
		r = &run{}
	}
	before := r.ended
	ended := !gone && !rec.FinishedAt.IsZero()
	r.rec, r.next, r.open, r.ended = rec, 0, map[int]opened{}, rec.Counts
	if gone || ended {
		e.cfg.Events.Publish(Topic, id, nil)
	} else {
		r.ended = counts{}
		for n, it := range items {
			e.take(r, n, it)
		}
		e.active[id] = r
		e.changed(r)
	}
	if gone || !known {
		return nil, nil
	}
	return map[*run]counts{r: r.ended.without(before)}, map[*run]record{r: rec}
}

// heardOf records the decodes of a batch that ended while it was in doubt, and the batch's own end if all of them had. e.turn
// is held.
func (e *Engine) heardOf(ctx context.Context, id string) error {
	r := e.running(id)
	if r == nil {
		return nil
	}
	e.mu.Lock()
	open := maps.Clone(r.open)
	e.mu.Unlock()
	var ends []end
	for n, o := range open {
		if d, err := e.cfg.Decodes.Decode(ctx, o.decode); err == nil && d.Status.Final() {
			ends = append(ends, endOf(ref{id, n}, d))
		}
	}
	for part := range slices.Chunk(ends, itemsAtOnce) {
		if err := e.finish(ctx, part); err != nil {
			return err
		}
	}
	return e.conclude(ctx, r)
}

// conclude records the end of a batch whose items have all ended. It is recorded with the last of them, unless a doubt about
// another one kept that from being seen. e.turn is held.
func (e *Engine) conclude(ctx context.Context, r *run) error {
	e.mu.Lock()
	rec, total, on := r.rec, r.ended, e.active[r.rec.ID] == r
	e.mu.Unlock()
	if !on || total.all() < rec.Total {
		return nil
	}
	rec.FinishedAt, rec.Counts = e.cfg.Now().UTC(), total
	b := e.cfg.DB.Batch()
	b.Essential()
	if err := e.stage(b, keyOfBatch(rec.ID), rec); err != nil {
		return err
	}
	added, records := map[*run]counts{r: {}}, map[*run]record{r: rec}
	b.OnCommit(func() {
		e.count(added, records)
		e.finished(nil, added, records)
	})
	if err := e.commitOf(ctx, b, rec.ID); err != nil {
		return fmt.Errorf("record end of batch: %w", err)
	}
	return nil
}

// settleAll settles the batches that are in doubt, and gives the time after which those that still are may be tried again.
// e.turn is held.
func (e *Engine) settleAll(ctx context.Context) (again time.Duration) {
	e.mu.Lock()
	ids, wait := slices.Sorted(maps.Keys(e.doubt)), e.settleAt.Sub(e.cfg.Now())
	e.mu.Unlock()
	if len(ids) == 0 {
		return lookEvery
	}
	if wait > 0 && wait <= startAgain {
		return wait
	}
	var failed error
	for _, id := range ids {
		failed = errors.Join(failed, e.settle(ctx, id))
	}
	if failed == nil {
		return lookEvery
	}
	e.cfg.Logger.WarnContext(ctx, "batches not read after a commit that failed, they are tried again", "error", failed)
	e.mu.Lock()
	e.settleAt = e.cfg.Now().Add(startAgain)
	e.mu.Unlock()
	return startAgain
}
