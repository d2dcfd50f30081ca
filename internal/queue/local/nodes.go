package local

import (
	"context"
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
}

// seen notes a sign of life of a worker, and makes it known if it is new. Nameless ones are not remembered. e.mu is held.
func (e *Engine) seen(name string, external bool) *node {
	if name == "" {
		return nil
	}
	now := e.cfg.Clock.Elapsed()
	n := e.table.nodes[name]
	if n != nil && n.draining && external && now-n.seen > nodeAbsence {
		n.draining = false // it is another one by now; one in the process is not, however long its job took
	}
	if n == nil {
		if len(e.table.nodes) >= maxNodes {
			e.forgetNodes()
		}
		n = &node{name: name, since: now}
		e.table.nodes[name] = n
	}
	n.seen, n.external = now, external
	return n
}

// asks notes what a worker asked for.
func (n *node) asks(r queue.LeaseRequest) {
	if !slices.Equal(n.queues, r.Queues) {
		n.queues = slices.Clone(r.Queues)
	}
	if !slices.Equal(n.types, r.Types) {
		n.types = slices.Clone(r.Types)
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
		if active[name] == 0 && now-n.seen > nodeAbsence {
			delete(e.table.nodes, name)
		}
	}
	for name, n := range e.table.nodes {
		if len(e.table.nodes) < maxNodes {
			return
		}
		if active[name] == 0 && !waiting[n] {
			delete(e.table.nodes, name)
		}
	}
}

// activeByWorker counts the jobs that workers hold. e.mu is held.
func (e *Engine) activeByWorker() map[string]int {
	active := map[string]int{}
	for _, h := range e.table.holds {
		active[h.worker]++
	}
	return active
}

// ran counts a run that its worker ended. e.mu is held.
func (e *Engine) ran(h *hold, failed bool) {
	n := e.table.nodes[h.worker]
	if n == nil {
		return
	}
	n.done++
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
func (e *Engine) DrainNode(_ context.Context, name string, drain bool) (queue.Node, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forgetNodes()
	n := e.table.nodes[name]
	if n == nil {
		return queue.Node{}, errcode.New(errcode.NotFound, "no such worker")
	}
	n.draining = drain
	if drain {
		e.table.waiters = slices.DeleteFunc(e.table.waiters, func(w *waiter) bool {
			if w.node != n || !w.outside {
				return false
			}
			close(w.told)
			return true
		})
	} else {
		e.grantAll()
	}
	return n.describe(e.activeByWorker()[name], e.now()), nil
}
