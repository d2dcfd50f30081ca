package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// idKind begins the ids of jobs.
const idKind = 'j'

// Engine keeps jobs in the appliance's database. It is a queue.Engine, with its sides
// External, Editor and Waiter.
type Engine struct {
	cfg     Config
	db      *store.DB
	space   store.Space
	log     *slog.Logger
	ids     *ids
	slots   *slots
	flowIDs *store.Sequence

	own      map[string]struct{} // types with a handler in the process
	writes   atomic.Bool         // there were jobs that write
	lowSpace atomic.Bool         // they are not to be started
	wake     chan struct{}       // tells Run to look again; holds one
	done     chan struct{}       // closed by Close

	mu     sync.Mutex // guards all below
	table  table
	turns  []turn // for choose, kept for its memory
	closed bool
	opened time.Duration // when, on Clock.Elapsed

	scheduling sync.Mutex // guards plans and watch; held over commits, before claims, the store's locks and mu
	plans      map[string]*plan
	watch      wall

	configuring sync.Mutex // held over a change of settings, and of what is written down of workers; before the store's locks, never with mu waiting for it
	lastToken   uint64
	notes       notes
}

// table is what the engine knows by heart. Every job that has not ended is in exactly one of: a lane, later, holds,
// doomed, pending, or passed by a claim. A doomed one that waits is pending too.
type table struct {
	weights   map[string]int // as configured
	lines     map[string]*line
	order     []*line // by name
	lanes     map[laneKey]*lane
	later     schedule
	holds     map[uint64]*hold
	claims    map[uint64]*claim
	promoted  map[uint64]tick            // ready since then, though the record does not say so yet
	gone      voids                      // entries in lanes and later
	doomed    map[uint64]doom            // to be buried by Run
	leases    deadlines                  // of the jobs that are at work outside the process
	nodes     map[string]*node           // workers, by name
	lostNodes map[string]struct{}        // that were forgotten, and may have a record still
	ending    map[uint64][]chan struct{} // closed when the job ends
	keys      keys
	ahead     ahead
	limited   map[uint64]uniqueHash // limit keys of jobs that have not ended
	refills   refills
	mode      mode
	waiters   []*waiter

	pending    map[uint64]pendingJob // waiting jobs
	dependents map[uint64][]edge     // by the job that is waited for, which has not ended
	unsettled  map[uint64]unsettled  // by one that has ended
	marks      map[uint64][]uint64   // by a doomed waiting job: the edges that say so
	stale      [][2]uint64           // edges to be removed
}

// hold is a leased job.
type hold struct {
	n        uint64
	token    uint64
	lane     *lane
	slot     int
	stored   record // as the database has it
	rec      record // Active
	job      queue.Job
	worker   string
	progress queue.Progress
	started  time.Duration
	waited   time.Duration // how long the job was ready
	onCancel func(queue.Lease)
	cancel   func(*store.Batch) error // staged if the job ends as cancelled
	ext      *outside                 // nil = its holder is in the process
	since    tick                     // when the job had become ready
	read     both                     // until it is started: its records, if they were read ahead
	key      *limitKey                // nil = none
}

// claim is the right to change one job's record.
type claim struct {
	n      uint64
	done   chan struct{} // closed when it is given back; nil = nobody waits for that
	passed *lane         // a lease came by meanwhile and took the job out of this lane
	since  tick          // what its entry there said
}

// doom is why a job is to be buried.
type doom struct {
	code    errcode.Code
	message string
	rec     record // what is known of it, should its own record be lost
}

const damageText = "the record of the job is damaged"

// complete fills in what a record needs that was lost.
func (d doom) complete(r record) record {
	if r.queue == "" {
		r.queue, r.typ, r.priority = d.rec.queue, d.rec.typ, d.rec.priority
	}
	if r.Status == "" {
		r.Status = d.rec.Status
	}
	return r
}

// instant is a moment on both clocks.
type instant struct {
	wall time.Time
	mono time.Duration
}

// now reads both clocks; the wall in the precision of the records.
func (e *Engine) now() instant {
	return instant{wall: e.cfg.Clock.Wall().UTC().Round(0).Truncate(time.Microsecond), mono: e.cfg.Clock.Elapsed()}
}

// Close lets waiting leases go, writes down what is known of the workers, and forgets the slot file. What is leased can still be finished while the database is
// open. Run has to have returned. It may be called more than once.
func (e *Engine) Close() error {
	e.mu.Lock()
	first := !e.closed
	e.closed = true
	e.mu.Unlock()
	if !first {
		return nil
	}
	close(e.done)
	e.saveNodes(context.Background(), true)
	if err := e.slots.close(); err != nil {
		return fmt.Errorf("close slot file: %w", err)
	}
	return nil
}

func (e *Engine) nudge() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// claim waits until nobody else changes job n.
func (e *Engine) claim(ctx context.Context, n uint64) (*claim, error) {
	for {
		e.mu.Lock()
		other := e.table.claims[n]
		if other == nil {
			c := e.newClaim(n)
			e.mu.Unlock()
			return c, nil
		}
		if other.done == nil {
			other.done = make(chan struct{})
		}
		done := other.done
		e.mu.Unlock()
		select {
		case <-done:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for job %s: %w", formatID(n), context.Cause(ctx))
		}
	}
}

// newClaim claims job n, which nobody has claimed. e.mu is held.
func (e *Engine) newClaim(n uint64) *claim {
	e.table.ahead.touch(n)
	c := &claim{n: n}
	e.table.claims[n] = c
	return c
}

// unclaim gives a claim back; a job that a lease passed by meanwhile is put back into its lane. e.mu is held. Giving
// it back twice is harmless: the commit's callback may have done so already.
func (e *Engine) unclaim(c *claim) {
	if e.table.claims[c.n] != c {
		return
	}
	delete(e.table.claims, c.n)
	e.table.ahead.touch(c.n)
	if c.done != nil {
		close(c.done)
	}
	if c.passed != nil {
		c.passed.ready.push(c.n, c.since)
		e.grant(c.passed)
	}
}

func (e *Engine) giveUp(c *claim) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unclaim(c)
}

// commit makes b durable. It is not to be left in doubt, so it does not stop with ctx.
func (e *Engine) commit(ctx context.Context, b *store.Batch) error {
	if err := e.db.Commit(context.WithoutCancel(ctx), b); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// statusOf gives the status of a job whose record is r. e.mu is held.
func (e *Engine) statusOf(n uint64, r record) queue.Status {
	switch {
	case r.Status.Final():
		return r.Status
	case e.table.holds[n] != nil:
		return queue.Active
	case r.Status == queue.Active:
		return queue.Ready
	}
	if _, ok := e.table.promoted[n]; ok {
		return queue.Ready
	}
	if _, waits := e.table.pending[n]; !waits && r.Status == queue.Waiting {
		return queue.Scheduled
	}
	return r.Status
}

// place puts a job that does not run and has not ended where it waits, and counts it. e.mu is held.
func (e *Engine) place(n uint64, r record, at instant) {
	waited := r.Status == queue.Waiting
	r = e.effective(n, r, at.wall)
	since := ticksAt(at.mono)
	if !r.ReadyAt.IsZero() {
		since = at.since(r.ReadyAt)
	}
	if waited && r.Status == queue.Ready {
		e.table.promoted[n] = since
	}
	ln := e.lane(r)
	ln.queue.counts[r.Status]++
	e.note(n)
	switch r.Status {
	case queue.Ready:
		e.enter(n, ln, since)
	case queue.Scheduled, queue.Retry:
		due := at.mono + r.RunAt.Sub(at.wall)
		t := timed{due: due, n: n, lane: ln, kind: r.Status == queue.Retry}
		if followsWall(r) {
			t.runAt = r.RunAt.UnixMicro()
		}
		e.table.gone.later(t)
		e.table.later.add(t)
		if e.table.later[0].n == n {
			e.nudge()
		}
	case queue.Waiting:
		e.await(n, ln, r.RunAt)
	default: // the others are not to be placed
	}
}

// enter puts a ready job into its lane, and hands it to somebody who waits for it. e.mu is held.
func (e *Engine) enter(n uint64, ln *lane, since tick) {
	if !e.table.gone.reuse(n, ln, since) {
		ln.ready.push(n, since)
	}
	e.grant(ln)
}

// unpromote forgets that job n is ready though its record says otherwise. e.mu is held.
func (e *Engine) unpromote(n uint64) {
	delete(e.table.promoted, n)
	if len(e.table.promoted) == 0 && e.table.gone.empty() {
		e.table.promoted = map[uint64]tick{} // maps do not shrink
	}
}

// end counts job n that has ended, lets its unique key go and tells those that wait for it. e.mu is held.
func (e *Engine) end(n uint64, r record, unique []byte) {
	e.line(r.queue).counts[r.Status]++
	e.note(n)
	e.unwait(n)
	if edges := e.table.dependents[n]; len(edges) > 0 { // its commit was said to have failed, and did not settle them
		delete(e.table.dependents, n)
		e.table.unsettled[n] = unsettled{edges: edges, completed: r.Status == queue.Completed}
		e.nudge()
	}
	e.unlimit(e.line(r.queue), n)
	if unique != nil {
		delete(e.table.keys.held, uniqueHash(unique[1:]))
	}
	for _, c := range e.table.ending[n] {
		close(c)
	}
	delete(e.table.ending, n)
}

// final is a job in its final state, and what goes with it.
type final struct {
	n      uint64
	rec    record
	job    queue.Job
	unique []byte // the key that it lets go, nil = none
	result []byte
}

// stageEnd stages what goes with a final state beside the record itself.
func (e *Engine) stageEnd(b *store.Batch, f final) {
	if len(f.result) > 0 {
		b.Set(e.space, key(resultKey, f.n), f.result)
		e.stageResultExpiry(b, f, f.rec.FinishedAt)
	}
	b.Set(e.space, expiryKey(groupOf(f.rec.Status), f.rec.FinishedAt.Add(e.retention(f.rec.Status)), f.n), nil)
	if f.unique != nil {
		b.Delete(e.space, f.unique)
	}
	if f.rec.more&isLeasedOut != 0 {
		b.Delete(e.space, key(leaseKey, f.n))
	}
	e.stageEdges(b, f.n, f.rec)
}

// stageFailure stages one entry of a job's errors.
func (e *Engine) stageFailure(b *store.Batch, n uint64, f queue.Failure) {
	f.Message = cut(f.Message, queue.MaxMessage)
	b.Set(e.space, failureKey(n, f.Attempt), encodeFailure(f))
}

// safely calls a hook that stages changes; neither its panic nor its error may take more with it than this commit.
func safely(hook func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: panic: %v", queue.ErrStage, p)
		}
	}()
	if err := hook(); err != nil {
		return fmt.Errorf("%w: %w", queue.ErrStage, err)
	}
	return nil
}

// load reads what the database has of a job. Either part may be missing: then isCorrupt(err), and the rest is given.
func (e *Engine) load(n uint64) (record, queue.Job, error) {
	r, err := e.loadRecord(n)
	if err != nil && !isCorrupt(err) {
		return r, queue.Job{}, err
	}
	raw, bodyErr := e.space.Get(key(bodyKey, n))
	var j queue.Job
	if bodyErr == nil {
		j, bodyErr = decodeBody(raw)
	}
	if bodyErr != nil && !isCorrupt(bodyErr) {
		return r, queue.Job{}, fmt.Errorf("read body of job %s: %w", formatID(n), bodyErr)
	}
	if err != nil && bodyErr == nil {
		r = recordOf(j)
	}
	describe(&j, n, r)
	return r, j, errors.Join(err, bodyErr)
}

func (e *Engine) loadRecord(n uint64) (record, error) {
	raw, err := e.space.Get(key(stateKey, n))
	if err != nil {
		return record{}, fmt.Errorf("read state of job %s: %w", formatID(n), err)
	}
	r, err := decodeRecord(raw, plainNames)
	if err != nil {
		return record{}, fmt.Errorf("read state of job %s: %w", formatID(n), err)
	}
	// Who asks here knows of no lease: a job that is at work outside the process is in memory.
	r.State = queue.Reclaim(r.State)
	return r, nil
}

// recordOf gives the record of a job that has only its body.
func recordOf(j queue.Job) record {
	r := record{
		State: queue.State{Status: j.Status, MaxAttempts: j.MaxAttempts, RunAt: j.RunAt},
		queue: j.Queue, typ: j.Type, priority: j.Priority, writing: j.Writing, unique: j.UniqueKey != "",
	}
	if j.LimitKey != "" {
		r.more |= hasLimitKey
	}
	if j.FlowID != "" {
		r.more |= inFlow
	}
	if j.AtTime {
		r.more |= atTime
	}
	return r
}

// describe writes the state of a record into the job.
func describe(j *queue.Job, n uint64, r record) {
	j.ID = formatID(n)
	j.Type, j.Queue, j.Priority, j.Writing = r.typ, r.queue, r.priority, r.writing
	j.Status, j.Attempt, j.Crashes, j.RunAt = r.Status, r.Attempt, r.Crashes, r.RunAt
	j.StartedAt, j.FinishedAt, j.AtTime = r.StartedAt, r.FinishedAt, followsWall(r)
	if r.MaxAttempts > 0 {
		j.MaxAttempts = r.MaxAttempts // more than in its body once it was brought back to life
	}
}

// formatID gives the id of a job; a number that no job can have, from a damaged record, gives one that nobody has.
func formatID(n uint64) queue.ID { return queue.ID(store.FormatID(idKind, min(n, store.MaxID))) }

func parseID(id queue.ID) (uint64, error) {
	kind, n, err := store.ParseID(string(id))
	if err != nil || kind != idKind {
		return 0, queue.ErrNotFound
	}
	return n, nil
}

// cut shortens s to at most n bytes, without half a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}
