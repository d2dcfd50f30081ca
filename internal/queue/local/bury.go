package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// A commit that buries many is closed when it has so many operations or bytes. One job more, with what waits for it,
// still fits the smallest database, whose commits take 1,600 operations and 157 KB.
const (
	buryOps   = 1024
	buryBytes = 64 << 10
)

// buryDoomed ends the jobs that cannot be run, and those that depend on them. It reports whether none is left.
func (e *Engine) buryDoomed(ctx context.Context) bool {
	settled := e.settleRest(ctx)
	failed := map[uint64]error{}
	for {
		e.mu.Lock()
		todo := maps.Clone(e.table.doomed)
		e.mu.Unlock()
		maps.DeleteFunc(todo, func(n uint64, _ doom) bool { return failed[n] != nil })
		if len(todo) == 0 {
			break
		}
		e.buryBatch(ctx, todo, e.isDoomed, failed)
		settled = e.settleRest(ctx)
	}
	for n, err := range failed {
		e.log.ErrorContext(ctx, "job could not be buried", "job", formatID(n), "error", err)
	}
	return settled && len(failed) == 0
}

func (e *Engine) isDoomed(n uint64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, doomed := e.table.doomed[n]
	return doomed
}

// buryBatch ends jobs that nobody runs, and those that this brings down, in one commit of as many as it takes. Of todo
// it takes out what is decided, by itself or by others; what failed goes into failed. At least one of the two happens:
// it waits for the claim of the first, while it holds none. Of the others it takes those that nobody has.
func (e *Engine) buryBatch(ctx context.Context, todo map[uint64]doom, wanted func(uint64) bool, failed map[uint64]error) {
	u := &burial{
		e: e, b: e.db.Batch(), todo: todo, wanted: wanted, failed: failed, next: slices.Sorted(maps.Keys(todo)),
		brought: map[uint64]bool{}, marked: map[uint64][]uint64{},
	}
	u.b.Essential()
	defer u.giveUp()
	c, err := e.claim(ctx, u.next[0])
	if err != nil {
		failed[u.next[0]] = err
		return
	}
	for i := 0; i < len(u.next) && u.b.Len() < buryOps && u.b.Size() < buryBytes; i++ {
		if i > 0 {
			if c = e.tryClaim(u.next[i]); c == nil {
				continue
			}
		}
		u.claims = append(u.claims, c)
		if !u.take(i, c) {
			return // what is in the batch is half of something: the others are next
		}
	}
	if len(u.staged) == 0 {
		return
	}
	err = e.commit(ctx, u.b)
	for _, n := range u.staged {
		if delete(todo, n); err != nil {
			failed[n] = err
		}
	}
}

// burial is a commit that ends jobs.
type burial struct {
	e       *Engine
	b       *store.Batch
	todo    map[uint64]doom
	wanted  func(uint64) bool
	failed  map[uint64]error
	next    []uint64            // ascending; who depends on a job comes after it
	brought map[uint64]bool     // down by others of the batch
	marked  map[uint64][]uint64 // by job: those of the batch whose edges to it are marked
	claims  []*claim
	staged  []uint64
}

// take stages the end of the claimed job at i of next. It reports whether the batch can still be used.
func (u *burial) take(i int, c *claim) bool {
	d := u.todo[c.n]
	if !u.brought[c.n] && !u.wanted(c.n) {
		delete(u.todo, c.n)
		return true
	}
	status, err := u.e.stageBurial(u.b, c, d, u.marked[c.n])
	switch {
	case errors.Is(err, queue.ErrEnded), errors.Is(err, queue.ErrActive):
		delete(u.todo, c.n)
		return true
	case err != nil:
		u.failed[c.n] = err
		delete(u.todo, c.n)
		return false
	}
	u.staged = append(u.staged, c.n)
	if status != queue.Completed {
		u.bringDown(i, c.n)
	}
	return true
}

// bringDown adds the jobs that are cancelled because job n at i of next does not complete. Those that it has no room for
// are doomed when this batch is committed, and come with the next.
func (u *burial) bringDown(i int, n uint64) {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	edges := u.e.table.dependents[n]
	for _, g := range edges[:min(settleAtOnce, len(edges))] {
		p, waits := u.e.table.pending[g.n]
		if !waits || !g.fails(false) || u.failed[g.n] != nil {
			continue
		}
		u.marked[g.n] = append(u.marked[g.n], n)
		at, found := slices.BinarySearch(u.next, g.n)
		if found || len(u.next)-i > buryOps {
			continue
		}
		r := p.lane.record()
		r.Status = queue.Waiting
		u.next = slices.Insert(u.next, at, g.n)
		u.todo[g.n], u.brought[g.n] = dependencyDoom(n, r), true
	}
}

func (u *burial) giveUp() {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	for _, c := range u.claims {
		u.e.unclaim(c)
	}
}

// tryClaim claims job n if nobody has.
func (e *Engine) tryClaim(n uint64) *claim {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.table.claims[n] != nil {
		return nil
	}
	return e.newClaim(n)
}

// stageBurial stages the end of a claimed job, and gives its last status. Edges from the marked ones are marked in b.
func (e *Engine) stageBurial(b *store.Batch, c *claim, d doom, marked []uint64) (queue.Status, error) {
	e.mu.Lock()
	h := e.table.holds[c.n]
	e.mu.Unlock()
	if h != nil {
		return "", queue.ErrActive
	}
	r, j, err := e.load(c.n)
	if err != nil && !isCorrupt(err) {
		return "", err
	}
	if r = d.complete(r); r.Status == "" {
		return "", queue.ErrEnded
	}
	how := ending{event: queue.Event{Kind: queue.Buried, Code: d.code}}
	now := e.now().wall
	if d.code == errcode.Cancelled || d.code == errcode.DependencyFailed {
		how.event = queue.Event{Kind: queue.CancelWish}
	}
	if d.code == errcode.Corrupt || d.code == errcode.DependencyFailed {
		how.failure = &queue.Failure{Attempt: r.Attempt, At: now, Code: d.code, Message: d.message}
	}
	s, _, err := queue.Transition(r.State, how.event, now)
	if err != nil {
		return "", fmt.Errorf("change state: %w", err)
	}
	buried := r
	buried.State = s
	describe(&j, c.n, buried)
	how.commit = func(b *store.Batch) error { return e.cfg.Dead(b, j, d.code, d.message) }
	e.stageMarks(b, c.n, marked) // before the end, which leaves to Run what it finds
	if r, err = e.stageEndIdle(b, c, r, j, how); err != nil {
		return "", err
	}
	b.OnCommit(func() { e.cfg.Recorder.Finished(r.queue, r.typ, r.Status, 0) })
	return r.Status, nil
}
