package batch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/store"
)

const (
	// lookEvery is how often decodes at work are looked at, beside what is heard of them: one may have been deleted.
	lookEvery = 15 * time.Second
	// timeoutEvery is the same where a batch bounds the time of its files.
	timeoutEvery = time.Second
	// startAgain is the pause after a file could not be started for a reason that passes: a full disk, a stop.
	startAgain = 2 * time.Second
	// startTries is how often starting a file may fail for no reason that is known to pass.
	startTries = 20
	// tellEvery is how often a batch is published at most.
	tellEvery = 250 * time.Millisecond
	// heardAtOnce is how many decodes that have ended are recorded in one commit.
	heardAtOnce = 256
)

// Run has batches go on until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	sub := e.cfg.Events.Subscribe(event.Now, ingest.TopicDecode)
	heard := make(chan catalog.Decode, heardAtOnce)
	missed := make(chan struct{}, 1)
	var watching sync.WaitGroup
	watching.Go(func() { e.watch(ctx, sub, heard, missed) })
	defer watching.Wait()
	defer sub.Close()
	e.look(ctx) // what ended before there was anybody to hear of it
	timer := time.NewTimer(0)
	defer timer.Stop()
	looked := e.cfg.Now()
	for {
		timer.Reset(e.step(ctx))
		select {
		case <-ctx.Done():
			return nil
		case d := <-heard:
			e.hear(ctx, d, heard)
		case <-missed:
			e.look(ctx)
		case <-e.wake:
		case <-timer.C:
			if now := e.cfg.Now(); now.Sub(looked) >= lookEvery || now.Before(looked) || e.timed() {
				looked = now
				e.look(ctx)
			}
		}
	}
}

// watch passes on decodes that have ended, until ctx or the subscription does.
func (e *Engine) watch(ctx context.Context, sub *event.Sub, heard chan<- catalog.Decode, missed chan<- struct{}) {
	for {
		ev, err := sub.Next(ctx)
		if err != nil {
			return
		}
		d, ok := ev.Data.(catalog.Decode)
		switch {
		case ev.Reset || !ok:
			select {
			case missed <- struct{}{}:
			default:
			}
		case d.Status.Final() && e.waitsFor(d.ID):
			select {
			case heard <- d:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (e *Engine) waitsFor(decode string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.decodes[decode]) > 0
}

// hear records a decode that has ended, and with it others that have.
func (e *Engine) hear(ctx context.Context, d catalog.Decode, more <-chan catalog.Decode) {
	e.turn.Lock()
	defer e.turn.Unlock()
	ends := e.endsOf(nil, d)
	for range heardAtOnce {
		select {
		case d := <-more:
			ends = e.endsOf(ends, d)
			continue
		default:
		}
		break
	}
	if err := e.finish(ctx, ends); err != nil {
		e.cfg.Logger.WarnContext(ctx, "ends of decodes of a batch not recorded, they are tried again", "error", err)
	}
}

// end is how an item ends.
type end struct {
	at      ref
	state   State
	partial bool
	cause   *catalog.Failure
}

// endsOf adds what the end of a decode means to ends.
func (e *Engine) endsOf(ends []end, d catalog.Decode) []end {
	e.mu.Lock()
	refs := slices.Clone(e.decodes[d.ID])
	e.mu.Unlock()
	for _, at := range refs {
		ends = append(ends, endOf(at, d))
	}
	return ends
}

func endOf(at ref, d catalog.Decode) end {
	x := end{at: at, cause: d.Error}
	switch d.Status {
	case catalog.Done, catalog.Partial:
		x.state, x.partial = ItemDone, d.Status == catalog.Partial
	case catalog.Cancelled:
		x.state = ItemCancelled
	default:
		x.state = ItemFailed
		if x.cause == nil {
			x.cause = &catalog.Failure{Code: errcode.DecodeFailed, Message: "the decode failed"}
		}
	}
	return x
}

func cancelled() *catalog.Failure {
	return &catalog.Failure{Code: errcode.Cancelled, Message: "the batch was cancelled"}
}

// finish records how items ended, and batches that have none left. e.turn is held.
func (e *Engine) finish(ctx context.Context, ends []end) error {
	if len(ends) == 0 {
		return nil
	}
	b := e.cfg.DB.Batch()
	b.Essential()
	added := map[*run]counts{}
	seen := map[ref]bool{}
	var done []end
	for _, x := range ends {
		r := e.running(x.at.batch)
		if r == nil || seen[x.at] || e.doubts(x.at.batch) {
			continue // deleted, heard of twice, or looked at when it is settled
		}
		seen[x.at] = true
		it, err := e.item(x.at)
		if err != nil {
			it = Item{} // its record is lost, its end is not
		}
		if it.State.final() && !r.toStart(it) {
			continue
		}
		it.State, it.Partial, it.Error, it.Round = x.state, x.partial, x.cause, r.rec.Round
		if err := e.stage(b, keyOfItem(x.at.batch, x.at.item), it); err != nil {
			return err
		}
		c := added[r]
		c.add(x.state, 1)
		added[r] = c
		done = append(done, x)
	}
	records := map[*run]record{}
	ids := map[string]bool{}
	for r, c := range added {
		rec, total := r.rec, r.ended
		ids[rec.ID] = true
		total.Done, total.Failed, total.Cancelled = total.Done+c.Done, total.Failed+c.Failed, total.Cancelled+c.Cancelled
		if total.all() >= rec.Total {
			rec.FinishedAt, rec.Counts = e.cfg.Now().UTC(), total
			if err := e.stage(b, keyOfBatch(rec.ID), rec); err != nil {
				return err
			}
		}
		records[r] = rec
	}
	b.OnCommit(func() {
		e.count(added, records) // before anybody can see that it has ended
		e.finished(done, added, records)
	})
	if err := e.commitOf(ctx, b, slices.Collect(maps.Keys(ids))...); err != nil {
		return fmt.Errorf("record ends: %w", err)
	}
	return nil
}

// finished takes ends into memory.
func (e *Engine) finished(done []end, added map[*run]counts, records map[*run]record) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range done {
		r := e.active[x.at.batch]
		if r == nil {
			continue
		}
		if o, ok := r.open[x.at.item]; ok {
			delete(r.open, x.at.item)
			e.unref(o.decode, x.at)
		}
		r.ended.add(x.state, 1)
	}
	for r := range added {
		if r.rec = records[r]; r.rec.FinishedAt.IsZero() {
			e.changed(r)
			continue
		}
		delete(e.active, r.rec.ID)
		e.cfg.Events.Publish(Topic, r.rec.ID, nil)
	}
}

func (e *Engine) item(at ref) (Item, error) {
	raw, err := e.space.Get(keyOfItem(at.batch, at.item))
	if err != nil {
		return Item{}, fmt.Errorf("read item: %w", err)
	}
	it, err := decodeJSON[Item](raw)
	if err != nil {
		return it, fmt.Errorf("read item: %w", errors.Join(store.ErrCorrupt, err))
	}
	return it, nil
}

// step starts what may be started and publishes what has changed. It gives the time until there may be more to do.
func (e *Engine) step(ctx context.Context) time.Duration {
	e.turn.Lock()
	wait := e.settleAll(ctx)
	e.turn.Unlock()
	e.mu.Lock()
	ids := slices.Sorted(maps.Keys(e.active))
	e.mu.Unlock()
	for _, id := range ids {
		wait = min(wait, e.stepOne(ctx, id))
	}
	if e.timed() {
		wait = min(wait, timeoutEvery)
	}
	return max(wait, time.Millisecond)
}

// stepOne does for one batch what step says. Others that change it get their turn in between.
func (e *Engine) stepOne(ctx context.Context, id string) time.Duration {
	for ctx.Err() == nil {
		more, err := e.startNext(ctx, id)
		if err != nil {
			e.cfg.Logger.WarnContext(ctx, "file of a batch not started, it is tried again", "batch", id, "error", err)
		}
		if !more {
			break
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.active[id]
	if r == nil {
		return lookEvery
	}
	wait := lookEvery
	now := e.cfg.Now()
	if left := r.again.Sub(now); left > 0 {
		wait = min(left, startAgain)
	}
	if !r.owed {
		return wait
	}
	if since := now.Sub(r.told); since >= 0 && since < tellEvery {
		return min(wait, tellEvery-since)
	}
	r.owed, r.told = false, now
	e.cfg.Events.Publish(Topic, id, nil)
	return wait
}

// startNext starts the next file of a batch, if it may be started now. more says that it is worth being called again.
func (e *Engine) startNext(ctx context.Context, id string) (more bool, err error) {
	e.turn.Lock()
	defer e.turn.Unlock()
	e.mu.Lock()
	r := e.active[id]
	if r == nil || e.doubt[id] || len(r.open) >= r.rec.Concurrency || r.next >= r.rec.Total || e.cfg.Now().Before(r.again) {
		e.mu.Unlock()
		return false, nil
	}
	at := ref{id, r.next}
	e.mu.Unlock()
	if r.rec.Cancelled { // the process ended in the middle of it
		if err := e.cancelPending(ctx, r); err != nil {
			return false, e.pause(r, err)
		}
		return false, nil
	}
	switch it, err := e.item(at); {
	case errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrCorrupt):
		err = e.finish(ctx, []end{{at: at, state: ItemFailed, cause: &catalog.Failure{Code: errcode.Corrupt, Message: "the record of the file is damaged"}}})
		if err != nil {
			return false, e.pause(r, err)
		}
	case err != nil:
		return false, e.pause(r, err)
	case r.toStart(it):
		if err := e.start(ctx, r, at, it); err != nil {
			return false, e.pause(r, err)
		}
	}
	e.mu.Lock()
	r.next, r.tries = at.item+1, 0
	e.mu.Unlock()
	return true, nil
}

// pause lets a batch rest after an error that passes.
func (e *Engine) pause(r *run, err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	r.again = e.cfg.Now().Add(startAgain)
	r.tries++
	return err
}

// start starts the decode of an item and records it. That it cannot be decoded is recorded as its end; with an error,
// it is to be tried again.
func (e *Engine) start(ctx context.Context, r *run, at ref, it Item) error {
	if it.Round < r.rec.Round {
		it.Not = it.DecodeID
	}
	d, existing, err := e.decode(ctx, r, it)
	if err != nil {
		if passes(ctx, err) && (r.tries < startTries || errcode.Of(err) != errcode.Internal) {
			return err
		}
		return e.finish(ctx, []end{{at: at, state: ItemFailed, cause: &catalog.Failure{Code: errcode.Of(err), Message: err.Error()}}})
	}
	it.DecodeID, it.State, it.Error, it.Partial, it.Round, it.Own = d.ID, ItemRunning, nil, false, r.rec.Round, !existing
	b := e.cfg.DB.Batch()
	b.Essential()
	if err := e.stage(b, keyOfItem(at.batch, at.item), it); err != nil {
		return err
	}
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		r.open[at.item] = opened{d.ID, it.Own}
		e.decodes[d.ID] = append(e.decodes[d.ID], at)
		e.changed(r)
	})
	if err := e.commitOf(ctx, b, at.batch); err != nil {
		return fmt.Errorf("record decode: %w", err)
	}
	// It may have ended before anybody waited for it.
	if d, err = e.cfg.Decodes.Decode(ctx, d.ID); err == nil && d.Status.Final() {
		return e.finish(ctx, []end{endOf(at, d)})
	}
	return nil
}

// decode gives the decode of an item: the one there is with its decoder and parameters, or a new one, once, however
// often this is called. existing says that it was not made for the batch.
func (e *Engine) decode(ctx context.Context, r *run, it Item) (d catalog.Decode, existing bool, err error) {
	ask := ingest.Redecode{FileID: it.FileID, Decoder: r.rec.Decoder, Params: r.rec.Params, Trace: r.rec.Trace}
	d, existing, err = e.cfg.Starter.Redecode(ctx, ask)
	if err == nil && existing && d.ID == it.Not {
		ask.Force = true
		d, existing, err = e.cfg.Starter.Redecode(ctx, ask)
	}
	if err != nil {
		return d, false, err //nolint:wrapcheck // its words are for the caller of the batch
	}
	return d, existing, nil
}

// passes reports whether an error says nothing about the file.
func passes(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return true
	}
	switch errcode.Of(err) {
	case errcode.DiskFull, errcode.Unavailable, errcode.ShuttingDown, errcode.Internal, errcode.RateLimited:
		return true
	default:
		return false
	}
}

// timed reports whether a batch bounds the time of files at work.
func (e *Engine) timed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.active {
		if r.rec.Timeout > 0 && len(r.open) > 0 {
			return true
		}
	}
	return false
}

// look looks at all decodes that batches wait for: some may have ended unheard, be gone, or have taken too long.
func (e *Engine) look(ctx context.Context) {
	e.turn.Lock()
	defer e.turn.Unlock()
	e.mu.Lock()
	waiting := maps.Clone(e.decodes)
	e.mu.Unlock()
	var ends []end
	var late []string
	now := e.cfg.Now()
	for id, refs := range waiting {
		d, err := e.cfg.Decodes.Decode(ctx, id)
		for _, at := range refs {
			r := e.running(at.batch)
			switch {
			case r == nil:
			case errcode.Is(err, errcode.NotFound):
				ends = append(ends, end{at: at, state: ItemFailed, cause: &catalog.Failure{Code: errcode.NotFound, Message: "the decode was deleted"}})
			case err != nil:
			case d.Status.Final():
				ends = append(ends, endOf(at, d))
			case r.rec.Timeout > 0 && !d.StartedAt.IsZero() && now.Sub(d.StartedAt) > r.rec.Timeout:
				ends = append(ends, end{at: at, state: ItemFailed, cause: &catalog.Failure{
					Code: errcode.Deadline, Message: fmt.Sprintf("the decode took longer than %s", r.rec.Timeout),
				}})
				if r.open[at.item].own {
					late = append(late, id)
				}
			}
		}
	}
	for part := range slices.Chunk(ends, itemsAtOnce) {
		if err := e.finish(ctx, part); err != nil {
			e.cfg.Logger.WarnContext(ctx, "ends of decodes of a batch not recorded, they are tried again", "error", err)
			return
		}
	}
	for _, id := range late {
		if _, err := e.cfg.Starter.Cancel(ctx, id); err != nil && !errcode.Is(err, errcode.Conflict) {
			e.cfg.Logger.WarnContext(ctx, "decode that took too long not cancelled", "decode", id, "error", err)
		}
	}
}
