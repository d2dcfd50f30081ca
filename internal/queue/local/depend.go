package local

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// dependencies are the jobs that the jobs of one call depend on, claimed so that none ends before the call's commit.
type dependencies struct {
	claims []*claim
	states map[uint64]queue.Status // "" = it cannot be read, and will be dead
}

// hold claims all jobs that these depend on, in ascending order: whoever waits for a claim while holding some waits for
// a higher number only, so no two can wait for each other.
func (e *Engine) hold(ctx context.Context, jobs []queue.Job) (*dependencies, error) {
	d := &dependencies{}
	if !slices.ContainsFunc(jobs, func(j queue.Job) bool { return len(j.DependsOn) > 0 }) {
		return d, nil
	}
	d.states = map[uint64]queue.Status{}
	total := 0
	for i, j := range jobs {
		if total += len(j.DependsOn); total > maxEnqueue {
			return nil, errcode.Invalid("depends_on", "at most %d in one call", maxEnqueue)
		}
		for _, id := range j.DependsOn {
			n, err := parseID(id)
			if err != nil {
				return nil, fmt.Errorf("job %d: %w", i, unknownDependency(id))
			}
			d.states[n] = ""
		}
	}
	lost, err := e.holdAll(ctx, d)
	if err == nil && len(lost) > 0 {
		err = e.blame(jobs, lost[0])
	}
	if err != nil {
		e.letGo(d)
		return nil, err
	}
	return d, nil
}

// holdAll claims the jobs among the states of d and reads them. It gives those that do not exist.
func (e *Engine) holdAll(ctx context.Context, d *dependencies) (lost []uint64, err error) {
	for _, n := range slices.Sorted(maps.Keys(d.states)) {
		c, err := e.claim(ctx, n)
		if err != nil {
			return nil, err
		}
		d.claims = append(d.claims, c)
		r, err := e.loadRecord(n)
		switch {
		case isNotThere(err):
			lost = append(lost, n)
		case err != nil && !isCorrupt(err):
			return nil, err
		}
		d.states[n] = r.Status
	}
	return lost, nil
}

// rejoin brings the edges of job n into memory, which only the database knows of: the commit that made it was said to
// have failed. Jobs that have ended since did not know of them; Run settles those. It claims job n too, since its
// number is higher, and what it gives lets all claims go.
func (e *Engine) rejoin(ctx context.Context, n uint64, j queue.Job) (done func(), err error) {
	d := &dependencies{states: map[uint64]queue.Status{}}
	for _, id := range j.DependsOn {
		if from, err := parseID(id); err == nil {
			d.states[from] = ""
		}
	}
	defer func() {
		if err != nil {
			e.letGo(d)
		}
	}()
	lost, err := e.holdAll(ctx, d)
	if err != nil {
		return nil, err
	}
	c, err := e.claim(ctx, n)
	if err != nil {
		return nil, err
	}
	d.claims = append(d.claims, c)
	kinds := map[uint64]byte{}
	for from := range d.states {
		v, err := e.space.Get(edgeKey(from, n))
		switch {
		case isNotThere(err):
		case err != nil && !isCorrupt(err):
			return nil, fmt.Errorf("read what job %s waits for: %w", formatID(n), err)
		default:
			kinds[from] = edgeKind(v)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for from, kind := range kinds {
		s := d.states[from]
		if slices.Contains(lost, from) {
			s = queue.Dead
		}
		e.join(from, n, kind, s)
	}
	return func() { e.letGo(d) }, nil
}

// join puts an edge into memory that leads from a job in a status. e.mu is held.
func (e *Engine) join(from, n uint64, kind byte, s queue.Status) {
	p := e.table.pending[n]
	switch {
	case kind == edgeFailed:
		p.failed = from
		e.table.marks[n] = append(e.table.marks[n], from)
	case s.Final():
		p.left++
		u := e.table.unsettled[from]
		e.table.unsettled[from] = unsettled{edges: append(slices.Clip(u.edges), edge{n: n, kind: kind}), completed: s == queue.Completed}
		e.nudge()
	default:
		p.left++
		e.table.dependents[from] = append(e.table.dependents[from], edge{n: n, kind: kind})
	}
	e.table.pending[n] = p
}

func unknownDependency(id queue.ID) error {
	return errcode.Invalid("depends_on", "there is no job %s", cut(string(id), queue.MaxLabel))
}

// blame says which of the jobs depends on job n, which does not exist.
func (e *Engine) blame(jobs []queue.Job, n uint64) error {
	i := slices.IndexFunc(jobs, func(j queue.Job) bool { return slices.Contains(j.DependsOn, formatID(n)) })
	return fmt.Errorf("job %d: %w", i, unknownDependency(formatID(n)))
}

func (e *Engine) letGo(d *dependencies) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range d.claims {
		e.unclaim(c)
	}
}

// wait is what a new job waits for.
type wait struct {
	on     []uint64 // jobs that have not ended
	failed uint64   // one that has ended and did not complete, 0 = none
	kind   byte
}

// of gives what job j waits for. Jobs that are made in the same call are not among the states: they have not ended.
func (d *dependencies) of(j queue.Job) wait {
	w := wait{kind: edgeFail}
	if j.OnFailure == queue.Continue {
		w.kind = edgeContinue
	}
	for _, id := range j.DependsOn {
		n, err := parseID(id)
		if err != nil {
			continue // hold has refused it
		}
		s := d.states[n]
		switch {
		case !s.Final():
			w.on = append(w.on, n)
		case s != queue.Completed && w.kind == edgeFail:
			w.failed = n
		}
	}
	slices.Sort(w.on)
	w.on = slices.Compact(w.on)
	return w
}

// count gives how many jobs it waits for, at least one if it will never run.
func (w wait) count() int {
	if w.failed != 0 {
		return len(w.on) + 1
	}
	return len(w.on)
}

// stageWait stages the edges of new job n. The callback comes before the one that places the job.
func (e *Engine) stageWait(b *store.Batch, n uint64, w wait) {
	if w.count() == 0 {
		return
	}
	for _, from := range w.on {
		b.Set(e.space, edgeKey(from, n), []byte{w.kind})
	}
	if w.failed != 0 {
		b.Set(e.space, edgeKey(w.failed, n), []byte{edgeFailed})
	}
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.table.pending[n] = pendingJob{left: len(w.on), failed: w.failed}
		for _, from := range w.on {
			e.table.dependents[from] = append(e.table.dependents[from], edge{n: n, kind: w.kind})
		}
		if w.failed != 0 {
			e.table.marks[n] = append(e.table.marks[n], w.failed)
		}
	})
}
