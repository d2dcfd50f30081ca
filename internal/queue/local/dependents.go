package local

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// edge is one job that waits for another. Its key is there exactly as long as the other one has not ended: how many
// jobs a waiting one still depends on is the number of its edges, and stands nowhere else.
type edge struct {
	n    uint64 // who waits
	kind byte
}

// Kinds of edges, the values of their keys. The numbers are the format.
const (
	edgeContinue = 0 // it runs all the same
	edgeFail     = 1 // it is cancelled if the other does not complete
	edgeFailed   = 2 // the other did not complete: it is to be cancelled
)

// settleAtOnce is how many edges the commit that ends a job takes along; Run settles the others. It is what fits beside
// everything else in a commit of the smallest database.
const settleAtOnce = 256

// pendingJob is a job that waits for others. It is in the table from its commit until it is let go or has ended.
type pendingJob struct {
	left   int
	failed uint64 // one that did not complete, 0 = none: it is doomed
	lane   *lane
	runAt  time.Time
}

// unsettled is what is left to do of the edges of a job that has ended.
type unsettled struct {
	edges     []edge
	completed bool
}

func edgeKey(from, to uint64) []byte {
	return binary.BigEndian.AppendUint64(key(dependentKey, from), to)
}

// edgeKind reads the value of an edge. Of a damaged one only its key is known: it is safer not to run then.
func edgeKind(v []byte) byte {
	if len(v) == 1 && v[0] <= edgeFailed {
		return v[0]
	}
	return edgeFail
}

func parseEdgeKey(k []byte) (from, to uint64, ok bool) {
	if len(k) != 17 {
		return 0, 0, false
	}
	from, to = binary.BigEndian.Uint64(k[1:]), binary.BigEndian.Uint64(k[9:])
	return from, to, from < to && to <= store.MaxID // others are damage
}

// fails reports whether an edge brings its job down when the other one ends.
func (g edge) fails(completed bool) bool { return !completed && g.kind == edgeFail }

// effective gives the record of a job that has nothing left to wait for as what it is by now: scheduled or ready.
// e.mu is held.
func (e *Engine) effective(n uint64, r record, now time.Time) record {
	if _, waits := e.table.pending[n]; waits || r.Status != queue.Waiting {
		return r
	}
	r.State = released(r.State, now)
	return r
}

// released gives the state of a waiting job whose last dependency has ended.
func released(s queue.State, now time.Time) queue.State {
	one := s
	one.Pending = 1
	if next, _, err := queue.Transition(one, queue.Event{Kind: queue.DependedOn}, now); err == nil {
		return next
	}
	return s
}

// await puts a waiting job into the table. e.mu is held.
func (e *Engine) await(n uint64, ln *lane, runAt time.Time) {
	p := e.table.pending[n]
	p.lane, p.runAt = ln, runAt
	e.table.pending[n] = p
	if p.failed != 0 {
		e.doomDependent(n, p)
	}
}

// doomDependent has Run cancel a job that depends on one that did not complete. e.mu is held.
func (e *Engine) doomDependent(n uint64, p pendingJob) {
	r := p.lane.record()
	r.Status = queue.Waiting
	e.table.doomed[n] = dependencyDoom(p.failed, r)
	e.nudge()
}

func dependencyDoom(failed uint64, r record) doom {
	return doom{
		code: errcode.DependencyFailed, rec: r,
		message: fmt.Sprintf("job %s, which this one depends on, did not complete", formatID(failed)),
	}
}

// stageEdges stages what becomes of the jobs that wait for job n, which ends.
func (e *Engine) stageEdges(b *store.Batch, n uint64, r record) {
	e.mu.Lock()
	edges := e.table.dependents[n] // nobody adds to them: the job is claimed
	e.mu.Unlock()
	if len(edges) == 0 {
		return
	}
	completed := r.Status == queue.Completed
	now, later := edges[:min(settleAtOnce, len(edges))], edges[min(settleAtOnce, len(edges)):]
	e.settleEdges(b, n, now, completed)
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.table.dependents, n)
		if len(later) > 0 {
			e.table.unsettled[n] = unsettled{edges: later, completed: completed}
			e.nudge()
		}
	})
}

// settleEdges stages the ends of edges of job n, and lets go the jobs that have nothing more to wait for. It needs no
// claims: the edges are all that it changes, and a waiting job's record does not count them.
func (e *Engine) settleEdges(b *store.Batch, n uint64, edges []edge, completed bool) {
	at := e.now()
	edges = e.stillWaiting(edges)
	for _, g := range edges {
		if g.fails(completed) {
			b.Set(e.space, edgeKey(n, g.n), []byte{edgeFailed})
		} else {
			b.Delete(e.space, edgeKey(n, g.n))
		}
	}
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, g := range edges {
			e.settle(n, g, completed, at)
		}
	})
}

// stillWaiting gives edges so that those whose job has ended, or will be cancelled anyway, are only removed.
func (e *Engine) stillWaiting(edges []edge) []edge {
	out := slices.Clone(edges)
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, g := range out {
		if p, waits := e.table.pending[g.n]; !waits || p.failed != 0 {
			out[i].kind = edgeContinue
		}
	}
	return out
}

// settle takes one edge of job n out of the table. e.mu is held.
func (e *Engine) settle(n uint64, g edge, completed bool, at instant) {
	p, waits := e.table.pending[g.n]
	switch {
	case !waits && g.fails(completed): // it has ended since the edge was marked
		e.table.stale = append(e.table.stale, [2]uint64{n, g.n})
		return
	case !waits:
		return
	case g.fails(completed):
		e.table.marks[g.n] = append(e.table.marks[g.n], n)
	}
	p.left--
	if g.fails(completed) && p.failed == 0 {
		p.failed = n
		e.doomDependent(g.n, p)
	}
	e.table.pending[g.n] = p
	if p.left > 0 || p.failed != 0 {
		return
	}
	delete(e.table.pending, g.n)
	p.lane.queue.counts[queue.Waiting]--
	r := p.lane.record()
	r.Status, r.RunAt = queue.Waiting, p.runAt
	r.more |= atTime // a time that comes after other jobs is not a length of time
	e.place(g.n, r, at)
}

// settleRest settles what the commits that ended jobs had no room for. It reports whether nothing is left.
func (e *Engine) settleRest(ctx context.Context) bool {
	e.mu.Lock()
	todo := slices.Sorted(maps.Keys(e.table.unsettled))
	e.mu.Unlock()
	for _, n := range todo {
		e.mu.Lock()
		u := e.table.unsettled[n]
		e.mu.Unlock()
		for len(u.edges) > 0 {
			now := u.edges[:min(settleAtOnce, len(u.edges))]
			u.edges = u.edges[len(now):]
			b := e.db.Batch()
			b.Essential()
			e.settleEdges(b, n, now, u.completed)
			b.OnCommit(func() {
				e.mu.Lock()
				defer e.mu.Unlock()
				left := e.table.unsettled[n] // more may have joined meanwhile
				if left.edges = left.edges[len(now):]; len(left.edges) == 0 {
					delete(e.table.unsettled, n)
					return
				}
				e.table.unsettled[n] = left
			})
			if err := e.commit(ctx, b); err != nil {
				e.log.ErrorContext(ctx, "dependents could not be told of a job's end", "job", formatID(n), "error", err)
				return false
			}
		}
	}
	return e.removeStale(ctx)
}

// removeStale removes the marks of jobs that have ended otherwise.
func (e *Engine) removeStale(ctx context.Context) bool {
	for {
		e.mu.Lock()
		stale := e.table.stale[:min(len(e.table.stale), settleAtOnce)]
		e.mu.Unlock()
		if len(stale) == 0 {
			return true
		}
		b := e.db.Batch()
		b.Essential()
		for _, k := range stale {
			b.Delete(e.space, edgeKey(k[0], k[1]))
		}
		b.OnCommit(func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.table.stale = slices.Clone(e.table.stale[len(stale):])
		})
		if err := e.commit(ctx, b); err != nil {
			e.log.WarnContext(ctx, "marks of ended jobs could not be removed", "error", err)
			return false
		}
	}
}

// unwait forgets that job n, which has ended, waited. Marks that its end did not remove are left to Run. e.mu is held.
func (e *Engine) unwait(n uint64) {
	delete(e.table.pending, n)
	for _, from := range e.table.marks[n] {
		e.table.stale = append(e.table.stale, [2]uint64{from, n})
		e.nudge()
	}
	delete(e.table.marks, n)
}

// stageMarks stages the removal of what made job n a doomed one: the marks of before, and those that b sets itself.
func (e *Engine) stageMarks(b *store.Batch, n uint64, more []uint64) {
	e.mu.Lock()
	marks := slices.Concat(e.table.marks[n], more)
	e.mu.Unlock()
	for _, m := range marks {
		b.Delete(e.space, edgeKey(m, n))
	}
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		left := slices.DeleteFunc(e.table.marks[n], func(m uint64) bool { return slices.Contains(marks, m) })
		if e.table.marks[n] = left; len(left) == 0 {
			delete(e.table.marks, n)
		}
	})
}

// scanEdges fills the table with who waits for whom. It comes before the states.
func (e *Engine) scanEdges(ctx context.Context) error {
	take := func(k []byte, kind byte) {
		from, to, ok := parseEdgeKey(k)
		if !ok {
			return
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		p := e.table.pending[to]
		if kind == edgeFailed {
			p.failed = from
			e.table.marks[to] = append(e.table.marks[to], from)
		} else {
			p.left++
			e.table.dependents[from] = append(e.table.dependents[from], edge{n: to, kind: kind})
		}
		e.table.pending[to] = p
	}
	o := store.ScanOptions{Prefix: []byte{dependentKey}, OnCorrupt: func(k []byte) error {
		take(k, edgeKind(nil))
		return nil
	}}
	err := e.space.Scan(ctx, o, func(k, v []byte) (bool, error) {
		take(k, edgeKind(v))
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("read dependencies: %w", err)
	}
	return nil
}

// adoptEdges looks what a job of the database means to those that wait for it. Of lost, the jobs that are waited for and
// were not found yet, it takes those that are there.
func (e *Engine) adoptEdges(n uint64, r record, lost map[uint64]struct{}) {
	delete(lost, n)
	if !r.Status.Final() {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if edges := e.table.dependents[n]; len(edges) > 0 {
		delete(e.table.dependents, n)
		e.table.unsettled[n] = unsettled{edges: edges, completed: r.Status == queue.Completed}
	}
}

// waitedFor gives the jobs that others wait for.
func (e *Engine) waitedFor() map[uint64]struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make(map[uint64]struct{}, len(e.table.dependents))
	for n := range e.table.dependents {
		out[n] = struct{}{}
	}
	return out
}

// tidyEdges has the jobs that wait for one that is lost told so, and forgets the edges of jobs that do not wait.
func (e *Engine) tidyEdges(lost map[uint64]struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for n := range lost {
		e.log.Error("a job that others wait for is lost", "job", formatID(n))
		e.table.unsettled[n] = unsettled{edges: e.table.dependents[n]}
		delete(e.table.dependents, n)
	}
	for n, p := range e.table.pending {
		if p.lane != nil {
			continue
		}
		e.unwait(n)
	}
}
