package local

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// What is known of workers is one record each. That one is drained is written before it is said; counts and what it
// asks for with the next sweep (Config.SweepEvery) and at Close, since a commit of their own for every run would cost
// more than they are worth. That a worker was seen is written now and then only: an idle box is to leave its disk alone.

// maxNodeNames is how many bytes the queues and types that a worker asks for may have in its record. More are left out:
// it says them again with its next call.
const maxNodeNames = 4096

// nodeRecord is what the key of a worker holds.
type nodeRecord struct {
	External bool      `json:"external"`
	Draining bool      `json:"draining"`
	Queues   []string  `json:"queues"`
	Types    []string  `json:"types"`
	Since    time.Time `json:"since"`
	LastSeen time.Time `json:"last_seen"`
	Done     int64     `json:"done"`
	Failed   int64     `json:"failed"`
}

func nodeRecordKey(name string) []byte { return append([]byte{nodeKey}, name...) }

// record gives what is written down of a worker. e.mu is held.
func (n *node) record(at instant) nodeRecord {
	d := n.describe(0, at)
	r := nodeRecord{External: d.External, Draining: d.Draining, Since: d.Since, LastSeen: d.LastSeen, Done: d.Done, Failed: d.Failed}
	size := 0
	for _, names := range [][]string{d.Queues, d.Types} {
		for _, name := range names {
			size += len(name) + 3
		}
	}
	if size <= maxNodeNames {
		r.Queues, r.Types = d.Queues, d.Types
	}
	return r
}

func (e *Engine) stageNode(b *store.Batch, name string, r nodeRecord) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode worker %s: %w", name, err)
	}
	b.Set(e.space, nodeRecordKey(name), raw)
	return nil
}

// saveNodes writes down what has changed of the workers; all of it if the engine is being closed. That it cannot costs
// counts, and is tried again with the next.
func (e *Engine) saveNodes(ctx context.Context, closing bool) {
	e.configuring.Lock()
	defer e.configuring.Unlock()
	for {
		b := e.db.Batch()
		b.Essential()
		nodes, lost := e.stageNodes(b, closing)
		if b.Len() == 0 {
			return
		}
		err := e.commit(ctx, b)
		e.mu.Lock()
		for _, n := range nodes {
			n.changed = n.changed || err != nil
		}
		for _, name := range lost {
			if _, back := e.table.nodes[name]; err != nil && !back {
				e.table.lostNodes[name] = struct{}{}
			}
		}
		e.mu.Unlock()
		if err != nil {
			e.log.WarnContext(ctx, "what is known of the workers could not be written down", "error", err)
			return
		}
	}
}

// stageNodes stages some of what has changed, and gives what that is.
func (e *Engine) stageNodes(b *store.Batch, closing bool) (nodes []*node, lost []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !closing {
		e.forgetNodes()
	}
	at := e.now()
	for name := range e.table.lostNodes {
		if b.Len() == changeOps {
			return nodes, lost
		}
		delete(e.table.lostNodes, name)
		if _, back := e.table.nodes[name]; !back {
			b.Delete(e.space, nodeRecordKey(name))
			lost = append(lost, name)
		}
	}
	for name, n := range e.table.nodes {
		if b.Len() == changeOps || b.Size() > changeBytes {
			break
		}
		stale := n.seen > n.saved && (closing || n.seen-n.saved > nodeAbsence/2)
		if !n.changed && !stale {
			continue
		}
		if err := e.stageNode(b, name, n.record(at)); err != nil {
			continue // a record of names, numbers and times always can
		}
		n.changed, n.saved = false, at.mono
		nodes = append(nodes, n)
	}
	return nodes, lost
}

// scanNodes reads what was written down of the workers. One that is damaged is forgotten.
func (e *Engine) scanNodes(ctx context.Context) error {
	at := e.now()
	damaged := func(k []byte) {
		e.log.ErrorContext(ctx, "what was known of a worker is damaged", "worker", string(k[1:]))
		e.table.lostNodes[string(k[1:])] = struct{}{}
	}
	o := store.ScanOptions{Prefix: []byte{nodeKey}, OnCorrupt: func(k []byte) error {
		damaged(k)
		return nil
	}}
	err := e.space.Scan(ctx, o, func(k, v []byte) (bool, error) {
		var r nodeRecord
		name := string(k[1:])
		if err := json.Unmarshal(v, &r); err != nil || name == "" || len(name) > queue.MaxLabel || r.Done < 0 || r.Failed < 0 {
			damaged(k)
			return true, nil //nolint:nilerr // one worker that is not known, not a queue that does not open
		}
		if len(e.table.nodes) >= maxNodes {
			return false, nil
		}
		ago := func(t time.Time) time.Duration { return at.mono - max(at.wall.Sub(t), 0) }
		e.table.nodes[name] = &node{
			name: name, external: r.External, draining: r.Draining, queues: r.Queues, types: r.Types, done: r.Done, failed: r.Failed,
			since: ago(r.Since), seen: ago(r.LastSeen), saved: at.mono,
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("read workers: %w", err)
	}
	return nil
}
