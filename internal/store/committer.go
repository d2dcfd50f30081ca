package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	badger "github.com/dgraph-io/badger/v4"
)

const (
	groupOps   = 2048            // changes in a group
	groupBytes = 512 << 10       // bytes in a group
	maxWaiting = 8192            // batches that wait; further callers of Commit wait before them
	lookAfter  = 2 * time.Second // how often the free space is looked at while nobody commits
)

// pending is a batch on its way, and how its outcome is told.
type pending struct {
	batch *Batch
	start time.Time
	done  func(error) // called once, from the committer; must not block
}

// committer turns the batches of all callers into as few transactions and flushes as possible: while one is being
// flushed the next ones gather, and go together.
type committer struct {
	db       *DB
	maxOps   int           // that one transaction takes
	maxBytes int64         // likewise
	slots    chan struct{} // one for each waiting batch
	wake     chan struct{} // capacity 1
	ended    chan struct{}

	mu     sync.Mutex // guards what follows
	queue  []pending
	closed bool
}

func newCommitter(db *DB) *committer {
	return &committer{
		db: db,
		// Badger counts from one, wants to stay below its limits, and the commit number is added.
		maxOps:   db.engine.maxOps - 3,
		maxBytes: db.engine.maxBytes - 4*opOverhead,
		slots:    make(chan struct{}, maxWaiting),
		wake:     make(chan struct{}, 1),
		ended:    make(chan struct{}),
	}
}

// Commit makes the batch durable: when it returns nil the changes are on the disk and its callbacks have run. A
// refusal (disk_full, too_large, shutting_down before it was queued) changed nothing. After any other error, and
// when ctx ends while the batch waits, the outcome is open: the changes may be there now, later or never, but all
// of them or none. An empty batch is still ordered among the others and its callbacks run.
func (db *DB) Commit(ctx context.Context, b *Batch) error {
	outcome := make(chan error, 1)
	if err := db.committer.enqueue(ctx, b, func(err error) { outcome <- err }); err != nil {
		return err
	}
	select {
	case err := <-outcome:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for commit: %w", context.Cause(ctx))
	}
}

// CommitAsync is Commit that does not wait: done is told the outcome from the committer's goroutine, after the
// batch's callbacks, and must not block; of a batch that is refused at once it is told before CommitAsync returns.
// CommitAsync waits only while too many batches wait already: OnCommit callbacks must not call it.
func (db *DB) CommitAsync(b *Batch, done func(error)) {
	if err := db.committer.enqueue(context.Background(), b, done); err != nil {
		done(err)
	}
}

func (c *committer) enqueue(ctx context.Context, b *Batch, done func(error)) error {
	if b.err != nil {
		return b.err
	}
	if b.size > c.maxBytes || len(b.ops) > c.maxOps {
		return ErrTooLarge
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait to commit: %w", context.Cause(ctx))
	case <-c.ended:
		return ErrClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		<-c.slots // does not block: this call put one in
		return ErrClosed
	}
	c.queue = append(c.queue, pending{batch: b, start: time.Now(), done: done})
	c.signal()
	return nil
}

func (c *committer) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// stop lets the committer finish what waits and joins it.
func (c *committer) stop() {
	c.mu.Lock()
	c.closed = true
	c.signal()
	c.mu.Unlock()
	<-c.ended
}

// run is the committer's goroutine.
func (c *committer) run() {
	defer close(c.ended)
	timer := time.NewTimer(lookAfter)
	defer timer.Stop()
	for {
		group, closed := c.next()
		if len(group) > 0 {
			c.db.busy.Store(int64(time.Since(c.db.opened)) + 1) // 0 is no time
			c.commit(group)
			c.db.busy.Store(0)
			continue
		}
		if closed {
			return
		}
		timer.Reset(lookAfter)
		select {
		case <-c.wake:
		case <-timer.C:
			c.look()
		}
	}
}

// look follows the free space while nobody commits, and sees whether what was wrong has become better. What has not
// shows in the next commit.
func (c *committer) look() {
	_, _ = c.db.engine.writer()
	if free, _, err := c.db.guard.measure(); err == nil {
		c.adapt(free)
	}
	c.db.guard.refill()
}

// adapt stops compaction when space gets low, and lets it go on when there is enough again: it writes whole tables in
// the background, unasked, through memory maps, where a full disk is a SIGBUS.
func (c *committer) adapt(free int64) {
	g, e := c.db.guard, c.db.engine
	low := g.low.Load()
	if low == e.frugal || (!low && free < g.roomy()) || g.admitOpen() != nil {
		return
	}
	e.frugal = low
	if err := e.reopen(); err == nil {
		c.db.cfg.Logger.Info("database reopened for the space there is", "compaction", !low, "free_bytes", free)
	}
}

// next takes the batches of the next group.
func (c *committer) next() (group []pending, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ops, size := 0, 0, int64(0)
	for ; n < len(c.queue); n++ {
		b := c.queue[n].batch
		if n > 0 && (ops+len(b.ops) > min(groupOps, c.maxOps) || size+b.size > min(groupBytes, c.maxBytes)) {
			break
		}
		ops, size = ops+len(b.ops), size+b.size
	}
	group = c.queue[:n:n]
	if c.queue = c.queue[n:]; len(c.queue) == 0 {
		c.queue = nil // lets go of what was taken
	}
	for range n {
		<-c.slots // does not block: every queued batch holds one
	}
	return group, c.closed
}

// commit makes a group durable and tells all its callers.
func (c *committer) commit(group []pending) {
	start := time.Now()
	group = c.admit(group)
	if len(group) == 0 {
		return
	}
	var ops []op
	var size int64
	if len(group) == 1 {
		ops, size = group[0].batch.ops, group[0].batch.size
	} else {
		for _, p := range group {
			ops = append(ops, p.batch.ops...)
			size += p.batch.size
		}
	}
	flush, err := c.write(ops)
	if err != nil {
		err = failed(err)
		for _, p := range group {
			c.tell(p, err)
		}
		return
	}
	c.db.cfg.Recorder.Group(len(group), size, time.Since(start), flush)
	for _, p := range group {
		for _, fn := range p.batch.callbacks {
			fn()
		}
		c.tell(p, nil)
	}
}

func (c *committer) tell(p pending, err error) {
	status := "ok"
	switch {
	case err == nil:
	case isRefusal(err):
		status = "refused"
	default:
		status = "error"
	}
	took := time.Since(p.start)
	c.db.cfg.Recorder.Query("commit", "", status, took)
	for _, prefix := range p.batch.spaces {
		c.db.cfg.Recorder.Query("put", label(prefix), status, took)
	}
	p.done(err)
}

// admit refuses the batches for which there is no room.
func (c *committer) admit(group []pending) []pending {
	g := c.db.guard
	free, _, err := g.measure()
	if err == nil {
		c.adapt(free)
	}
	admitted := group[:0]
	for _, p := range group {
		size := p.batch.size
		e := err
		switch {
		case e != nil:
			e = failed(e)
		case p.batch.essential:
			free, e = g.essential(free, size)
		default:
			e = g.ordinary(free, size)
		}
		if e != nil {
			c.tell(p, e)
			continue
		}
		free -= size
		admitted = append(admitted, p)
	}
	return admitted
}

// write commits ops as one transaction and flushes it. Whatever fails, the engine is reopened: after a failed flush
// the kernel calls pages clean that never reached the disk, so the same handle must not be asked again.
func (c *committer) write(ops []op) (flush time.Duration, err error) {
	db := c.db
	h, err := db.engine.writer()
	if err != nil {
		return 0, err
	}
	number := db.number.Load() + 1
	flush, err = c.writeTo(h, ops, number)
	if err == nil {
		db.number.Store(number)
		if err := db.witness.set(number); err != nil {
			db.cfg.Logger.Error("commit witness not written", "error", err)
		}
		return flush, db.cfg.Hook(BeforeAck)
	}
	if errors.Is(err, badger.ErrTxnTooBig) {
		return 0, ErrTooLarge
	}
	db.cfg.Logger.Error("commit failed", "error", err, "operations", len(ops))
	if rerr := db.engine.reopen(); rerr != nil {
		return 0, errors.Join(err, rerr)
	}
	db.cfg.Recorder.Reopened()
	db.cfg.Logger.Warn("database reopened after a failure")
	// The failed transaction may have become part of what was flushed on closing: its number is taken then.
	if stored, nerr := db.engine.commitNumber(); nerr == nil && stored > db.number.Load() {
		db.number.Store(stored)
	}
	return 0, err
}

func (c *committer) writeTo(h *handle, ops []op, number uint64) (time.Duration, error) {
	if err := c.db.cfg.Hook(BeforeCommit); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	if err := h.apply(ops, number); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := c.db.cfg.Hook(BeforeSync); err != nil {
		return 0, fmt.Errorf("flush: %w", err)
	}
	if err := h.wal.sync(); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}
