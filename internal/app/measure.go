package app

import (
	"context"

	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/observe"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// sources are what the metrics look at when they are asked for. Whatever takes long is looked at in the background.
func (a *appliance) sources(ctx context.Context) observe.Sources {
	src := observe.Sources{
		Workers: a.workers,
		Plugins: func() []observe.Plugin {
			var out []observe.Plugin
			for _, p := range a.registry.Plugins() {
				out = append(out, observe.Plugin{ID: p.ID, State: string(p.State), Active: p.State == runtime.Active})
			}
			return out
		},
		Disk: func() observe.Disk {
			h := a.db.Health()
			return observe.Disk{Free: h.FreeBytes, Total: h.TotalBytes, Reserve: h.ReserveBytes, Low: h.LowSpace}
		},
		Database: func() bool { return a.db.Health().Broken == "" },
		Queues:   func() []observe.Queue { return a.queues(ctx) },
		Batches: func() (batches, files map[string]int) {
			s := a.batches.Stats()
			return map[string]int{"queued": s.Queued, "running": s.Running}, map[string]int{"pending": s.Pending, "running": s.Working}
		},
		Cache:  a.cacheUse,
		Health: a.health.Report,
		Data:   a.sizes.data,
		Events: func() map[string]observe.Events {
			of := func(b *event.Bus) observe.Events {
				s := b.Stats()
				return observe.Events{Published: s.Published, Dropped: s.Missed}
			}
			return map[string]observe.Events{"events": of(a.events), "log": of(a.lines)}
		},
		HTTP: func() observe.HTTP { return observe.HTTP(a.server.Use()) },
	}
	if a.kv != nil {
		src.KV = a.kvSeen.get
	}
	return src
}

func (a *appliance) workers() observe.Workers {
	s := a.pool.Stats()
	out := observe.Workers{Places: s.Places, Waiting: s.Waiting, Memory: map[string]int64{}}
	for _, w := range s.Workers {
		if w.Idle {
			out.Idle++
		} else {
			out.Busy++
		}
		out.Memory[w.Plugin] += w.RSSBytes
	}
	return out
}

func (a *appliance) queues(ctx context.Context) []observe.Queue {
	counts, err := a.engine.Counts(ctx)
	if err != nil {
		return nil // the queue is closed: there is nothing to show any more
	}
	out := make([]observe.Queue, len(counts))
	for i, q := range counts {
		out[i] = observe.Queue{Name: q.Queue, Weight: q.Weight, Jobs: make(map[string]int64, len(q.Counts)), Oldest: q.OldestReady}
		for state, n := range q.Counts {
			out[i].Jobs[string(state)] = n
		}
	}
	return out
}

// cacheUse tells how the cache does. A server elsewhere is not asked while somebody waits for the metrics: what it said
// last counts.
func (a *appliance) cacheUse() observe.Cache {
	u, known := a.sizes.cacheUsage()
	switch engine := a.cacheKeeper(); engine {
	case nil:
	case a.cacheEngine: // nobody has it for long
		engine.Lock()
		u.MemoryBytes, u.Evictions, known = engine.Used(), engine.Stats().Evicted, true
		engine.Unlock()
	default:
		var k observe.KV
		k, known = a.kvSeen.get()
		u.MemoryBytes, u.Evictions = k.Used, k.Evicted
	}
	return observe.Cache{Ratio: a.cache.Status().Ratio(), Known: known, Memory: u.MemoryBytes, Evictions: u.Evictions}
}
