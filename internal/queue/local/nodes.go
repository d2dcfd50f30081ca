package local

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

const (
	nodeAbsence = 10 * time.Minute // after which a worker that holds nothing is forgotten
	maxNodes    = 10_000           // that are remembered
)

// node is a worker that was seen. e.mu guards it.
type node struct {
	name     string
	external bool
	draining bool
	queues   []string
	types    []string
	since    time.Duration
	seen     time.Duration
	done     int64
	failed   int64
	changed  bool          // more than that it was seen, since it was written down
	saved    time.Duration // when that was
}

// seen notes a sign of life of a worker, and makes it known if it is new. Nameless ones are not remembered. e.mu is held.
func (e *Engine) seen(name string, external bool) *node {
	if name == "" {
		return nil
	}
	now := e.cfg.Clock.Elapsed()
	n := e.table.nodes[name]
	if n != nil && n.draining && external && e.absent(n, now) {
		n.draining, n.changed = false, true // it is another one by now; one in the process is not, however long its job took
	}
	if n == nil {
		if len(e.table.nodes) >= maxNodes {
			e.forgetNodes()
		}
		n = &node{name: name, since: now, changed: true}
		e.table.nodes[name] = n
	}
	n.seen, n.external = now, external
	return n
}

// asks notes what a worker asked for.
func (n *node) asks(r queue.LeaseRequest) {
	if !slices.Equal(n.queues, r.Queues) {
		n.queues, n.changed = slices.Clone(r.Queues), true
	}
	if !slices.Equal(n.types, r.Types) {
		n.types, n.changed = slices.Clone(r.Types), true
	}
}

// forgetNodes forgets the workers that have been away for long, and if there are too many others also those that
// hold nothing. e.mu is held.
func (e *Engine) forgetNodes() {
	active := e.activeByWorker()
	now := e.cfg.Clock.Elapsed()
	waiting := map[*node]bool{}
	for _, w := range e.table.waiters {
		if w.node != nil {
			w.node.seen, waiting[w.node] = now, true // it is here, however long it has been waiting
		}
	}
	for name, n := range e.table.nodes {
		if active[name] == 0 && e.absent(n, now) {
			e.forgetNode(n)
		}
	}
	for name, n := range e.table.nodes {
		if len(e.table.nodes) < maxNodes {
			return
		}
		if active[name] == 0 && !waiting[n] {
			e.forgetNode(n)
		}
	}
}

// absent reports whether a worker has been away for so long that another one may come under its name. It cannot be
// seen while the appliance is down, so that is no absence. e.mu is held.
func (e *Engine) absent(n *node, now time.Duration) bool {
	return now-max(n.seen, e.opened) > nodeAbsence
}

// forgetNode forgets a worker; its record goes with the next that are written. e.mu is held.
func (e *Engine) forgetNode(n *node) {
	delete(e.table.nodes, n.name)
	e.table.lostNodes[n.name] = struct{}{}
}

// activeByWorker counts the jobs that workers hold. e.mu is held.
func (e *Engine) activeByWorker() map[string]int {
	active := map[string]int{}
	for _, h := range e.table.holds {
		active[h.worker]++
	}
	return active
}

// ran counts a run that its worker ended, and did not give back. e.mu is held.
func (e *Engine) ran(h *hold, failed bool) {
	n := e.table.nodes[h.worker]
	if n == nil {
		return
	}
	n.done++
	n.changed = true
	if failed {
		n.failed++
	}
}

// Nodes implements queue.External.
func (e *Engine) Nodes(context.Context) ([]queue.Node, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forgetNodes()
	active := e.activeByWorker()
	at := e.now()
	out := make([]queue.Node, 0, len(e.table.nodes))
	for _, n := range e.table.nodes {
		out = append(out, n.describe(active[n.name], at))
	}
	slices.SortFunc(out, func(a, b queue.Node) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (n *node) describe(active int, at instant) queue.Node {
	return queue.Node{
		Name: n.name, External: n.external, Draining: n.draining, Active: active, Done: n.done, Failed: n.failed,
		Queues: slices.Clone(n.queues), Types: slices.Clone(n.types),
		Since: at.wall.Add(n.since - at.mono), LastSeen: at.wall.Add(n.seen - at.mono),
	}
}

// DrainNode implements queue.External. Calls of a worker outside that wait for a job come back empty; those of one in
// the process go on waiting, and are given something again when it is drained no longer.
func (e *Engine) DrainNode(ctx context.Context, name string, drain bool) (queue.Node, error) {
	if err := e.usable(); err != nil {
		return queue.Node{}, err
	}
	e.configuring.Lock()
	defer e.configuring.Unlock()
	e.mu.Lock()
	e.forgetNodes()
	n := e.table.nodes[name]
	if n == nil {
		e.mu.Unlock()
		return queue.Node{}, errcode.New(errcode.NotFound, "no such worker")
	}
	at := e.now()
	r := n.record(at)
	e.mu.Unlock()
	r.Draining = drain
	b := e.db.Batch()
	b.Essential() // it can be drained while the disk is full
	if err := e.stageNode(b, name, r); err != nil {
		return queue.Node{}, err
	}
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.table.nodes[name] = n // should it have been forgotten meanwhile
		delete(e.table.lostNodes, name)
		n.draining = drain
		e.letDrained(n)
	})
	if err := e.commit(ctx, b); err != nil {
		return queue.Node{}, fmt.Errorf("drain worker %s: %w", name, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return n.describe(e.activeByWorker()[name], e.now()), nil
}

// letDrained sends the waiting calls of a worker outside away that is being drained, and gives one that is not any more
// what it may have. e.mu is held.
func (e *Engine) letDrained(n *node) {
	if !n.draining {
		e.grantAll()
		return
	}
	e.table.waiters = slices.DeleteFunc(e.table.waiters, func(w *waiter) bool {
		if w.node != n || !w.outside {
			return false
		}
		close(w.told)
		return true
	})
}
