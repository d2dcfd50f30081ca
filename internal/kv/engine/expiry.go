package engine

import (
	"context"
	"time"
)

// expiries is a heap of the items that end, the next first. Each knows its place, so that the end of any can be changed.
// It lies in pieces, as dict's buckets do: with a million items, growing or shrinking one piece of memory would take
// longer than a client may wait.
type expiries struct {
	segs [][]*item
	n    int
}

func (h *expiries) len() int { return h.n }

func (h *expiries) at(i int) *item { return h.segs[i>>segBits][i&(segLen-1)] }

func (h *expiries) put(i int, it *item) {
	h.segs[i>>segBits][i&(segLen-1)] = it
	it.val.heap = int32(i + 1)
}

// next is the item that ends first; nil if none does.
func (h *expiries) next() *item {
	if h.n == 0 {
		return nil
	}
	return h.at(0)
}

// set puts an item where its end belongs.
func (h *expiries) set(it *item) {
	if it.val.heap == 0 {
		if h.n>>segBits == len(h.segs) {
			h.segs = append(h.segs, make([]*item, segLen))
		}
		h.n++
		h.put(h.n-1, it)
	}
	if at := int(it.val.heap) - 1; !h.up(at, it) {
		h.down(at, it)
	}
}

// remove takes an item out, if it is there.
func (h *expiries) remove(it *item) {
	if it.val.heap == 0 {
		return
	}
	i := int(it.val.heap) - 1
	it.val.heap = 0
	h.n--
	last := h.at(h.n)
	h.segs[h.n>>segBits][h.n&(segLen-1)] = nil
	if spare := len(h.segs) - 1; h.n < (spare-1)<<segBits { // one piece stays empty, for what comes next
		h.segs[spare] = nil
		h.segs = h.segs[:spare]
	}
	if last == it {
		return
	}
	h.put(i, last)
	if !h.up(i, last) {
		h.down(i, last)
	}
}

// up moves an item from a place towards the first, past all that end later.
func (h *expiries) up(i int, it *item) (moved bool) {
	for i > 0 {
		p := (i - 1) / 2
		above := h.at(p)
		if above.val.expire <= it.val.expire {
			break
		}
		h.put(i, above)
		i, moved = p, true
	}
	h.put(i, it)
	return moved
}

// down moves an item from a place away from the first, past all that end earlier.
func (h *expiries) down(i int, it *item) {
	for {
		c := 2*i + 1
		if c >= h.n {
			break
		}
		below := h.at(c)
		if c+1 < h.n {
			if other := h.at(c + 1); other.val.expire < below.val.expire {
				c, below = c+1, other
			}
		}
		if it.val.expire <= below.val.expire {
			break
		}
		h.put(i, below)
		i = c
	}
	h.put(i, it)
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
		if e.lazy || e.paused.until > e.now {
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
	if p := e.paused.until; p > e.now {
		rest = min(rest, time.Duration(p-e.now)*time.Millisecond)
	}
	return rest
}
