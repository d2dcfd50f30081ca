package engine

import (
	"context"
	"time"
)

// expiries is a heap of the items that end, the next first. Each knows its place, so that the end of any can be changed.
type expiries struct{ heap []*item }

func (h *expiries) len() int { return len(h.heap) }

// next is the item that ends first; nil if none does.
func (h *expiries) next() *item {
	if len(h.heap) == 0 {
		return nil
	}
	return h.heap[0]
}

// set puts an item where its end belongs.
func (h *expiries) set(it *item) {
	if it.val.heap == 0 {
		h.heap = append(h.heap, it)
		it.val.heap = int32(len(h.heap))
	}
	if !h.up(int(it.val.heap) - 1) {
		h.down(int(it.val.heap) - 1)
	}
}

// remove takes an item out, if it is there.
func (h *expiries) remove(it *item) {
	if it.val.heap == 0 {
		return
	}
	i, last := int(it.val.heap)-1, len(h.heap)-1
	h.swap(i, last)
	h.heap[last] = nil
	h.heap = h.heap[:last]
	it.val.heap = 0
	if i < last && !h.up(i) {
		h.down(i)
	}
	if cap(h.heap) > 1024 && len(h.heap) < cap(h.heap)/4 {
		h.heap = append(make([]*item, 0, cap(h.heap)/2), h.heap...)
	}
}

func (h *expiries) swap(i, j int) {
	h.heap[i], h.heap[j] = h.heap[j], h.heap[i]
	h.heap[i].val.heap, h.heap[j].val.heap = int32(i+1), int32(j+1)
}

func (h *expiries) up(i int) (moved bool) {
	for i > 0 {
		p := (i - 1) / 2
		if h.heap[p].val.expire <= h.heap[i].val.expire {
			break
		}
		h.swap(i, p)
		i, moved = p, true
	}
	return moved
}

func (h *expiries) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(h.heap) {
			return
		}
		if c+1 < len(h.heap) && h.heap[c+1].val.expire < h.heap[c].val.expire {
			c++
		}
		if h.heap[i].val.expire <= h.heap[c].val.expire {
			return
		}
		h.swap(i, c)
		i = c
	}
}

const (
	expireSlice = 500 * time.Microsecond // the longest that ending keys holds the lock
	expireBatch = 64                     // keys between two looks at the clock
	longestRest = time.Second
)

// Run ends keys and waits whose time is over until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-e.wake:
		}
		timer.Reset(e.Cycle())
	}
}

// rouse has Run look anew how long it may rest.
func (e *Engine) rouse() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Cycle ends what has ended, within a slice of time, and gives how long nothing more is to be done. Run calls it; tests
// that have a clock of their own do.
func (e *Engine) Cycle() time.Duration {
	e.Lock()
	defer e.Unlock()
	if e.loading || e.busy != nil {
		return longestRest
	}
	e.endWaits()
	e.stats.ExpireCycles++
	begin := time.Now()
	for n := 0; ; n++ {
		if n%expireBatch == expireBatch-1 && time.Since(begin) > expireSlice {
			e.stats.ExpireTimeExceeded++
			e.serveReady()
			return time.Millisecond // others first
		}
		d, it := e.nextEnd()
		if e.lazy {
			it = nil
		}
		if it == nil || it.val.expire > e.now {
			e.serveReady()
			return e.rest(it)
		}
		d.end(it)
	}
}

// nextEnd finds the item that ends first in any database.
func (e *Engine) nextEnd() (in *db, it *item) {
	for _, d := range e.dbs {
		if n := d.ends.next(); n != nil && (it == nil || n.val.expire < it.val.expire) {
			in, it = d, n
		}
	}
	return in, it
}

// rest is how long Run may wait.
func (e *Engine) rest(next *item) time.Duration {
	rest := longestRest
	if next != nil {
		rest = min(rest, time.Duration(max(next.val.expire-e.now, 1))*time.Millisecond)
	}
	if w := e.waits.next(); w != 0 {
		rest = min(rest, time.Duration(max(w-e.now, 1))*time.Millisecond)
	}
	return rest
}
