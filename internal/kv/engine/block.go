package engine

import (
	"container/heap"
	"slices"
)

// waiter is a session that waits for a key: its command runs again whenever one of the keys may serve it.
type waiter struct {
	s     *Session
	cmd   *Command
	args  [][]byte
	db    *db
	keys  []string
	until int64 // milliseconds of Unix time; 0 = for ever
	place int   // in the heap of ends, from 1; 0 = not there
	seq   int64
	timed func(c *Ctx) // answers when the time is over
}

// keyQueue are the sessions that wait for a key, in the order they came.
type keyQueue struct{ list []*waiter }

type readyKey struct {
	db  *db
	key string
}

// Wait makes the session wait until one of the keys is signalled or the time is over, and the command run again then.
// timed answers when nothing came. A command within a transaction or a script does not wait: timed is called at once.
// until is in milliseconds of Unix time, 0 = for ever.
func (c *Ctx) Wait(keys [][]byte, until int64, timed func(c *Ctx)) {
	if c.S.nested || c.S.Internal || c.late {
		timed(c)
		return
	}
	c.waits = true
	if c.retried { // it keeps its place in the queues
		return
	}
	c.E.stats.Blocked++
	w := &waiter{s: c.S, cmd: c.Cmd, args: copyArgs(c.Args), db: c.db, until: until, timed: timed, seq: c.E.stats.Blocked}
	for _, k := range keys {
		key := string(k)
		if slices.Contains(w.keys, key) {
			continue
		}
		w.keys = append(w.keys, key)
		q := c.db.waiting[key]
		if q == nil {
			q = &keyQueue{}
			c.db.waiting[key] = q
		}
		q.list = append(q.list, w)
	}
	c.S.waiter = w
	if until > 0 {
		heap.Push(&c.E.waits, w)
		if w.place == 1 {
			c.E.rouse()
		}
	}
}

// Hold makes the session wait for something that is no key. The function that it gives ends that: it is called once, under
// the lock, and has the answer written, unless the session is gone.
func (c *Ctx) Hold() (end func(answer func(c *Ctx))) {
	c.waits = true
	c.E.stats.Blocked++
	w := &waiter{s: c.S, cmd: c.Cmd, args: copyArgs(c.Args), db: c.db, seq: c.E.stats.Blocked}
	c.S.waiter = w
	e := c.E
	return func(answer func(c *Ctx)) {
		if w.s.waiter == w {
			w.timed = answer
			e.retry(w, true)
		}
	}
}

// Until turns a time limit in seconds into the moment it is over; 0 = none.
func (c *Ctx) Until(seconds float64) int64 {
	if seconds == 0 {
		return 0
	}
	return c.E.now + max(int64(seconds*1000), 1)
}

// signal says that a key may serve who waits for it. They are served when the command that runs has ended.
func (c *Ctx) signal(key []byte) { c.E.signal(c.db, key) }

func (e *Engine) signal(d *db, key []byte) {
	if len(d.waiting) == 0 || d.waiting[string(key)] == nil {
		return
	}
	r := readyKey{d, string(key)}
	if !slices.Contains(e.ready, r) {
		e.ready = append(e.ready, r)
	}
}

// signalAll says that any key of a database may serve who waits.
func (e *Engine) signalAll(d *db) {
	for key := range d.waiting {
		if d.peek([]byte(key)) != nil {
			e.signal(d, []byte(key))
		}
	}
}

// serveReady runs the commands again that wait for keys which may serve them, in the order they came.
func (e *Engine) serveReady() {
	if e.depth > 0 {
		return
	}
	for len(e.ready) > 0 {
		r := e.ready[0]
		e.ready = e.ready[1:]
		q := r.db.waiting[r.key]
		if q == nil {
			continue
		}
		for _, w := range slices.Clone(q.list) {
			if w.s.waiter != w {
				continue
			}
			e.retry(w, false)
		}
	}
	e.ready = nil
}

// retry runs a waiting command again; late = it is the last time.
func (e *Engine) retry(w *waiter, late bool) {
	if e.paused.holds(e, w.s, w.cmd) && !late {
		return
	}
	out := w.s.Peer.Reply()
	c := e.context()
	*c = Ctx{E: e, S: w.s, Cmd: w.cmd, Args: w.args, Out: out, db: w.db, retried: true, late: late}
	e.depth++
	if late {
		w.timed(c)
	} else {
		c.run()
	}
	e.depth--
	if c.waits {
		e.recycle(c)
		e.endGroup()
		return
	}
	c.account(c.spent())
	c.logEffect()
	e.endGroup()
	e.unwait(w.s)
	e.recycle(c)
	w.s.Peer.Wake()
}

// unwait takes a session out of all queues.
func (e *Engine) unwait(s *Session) {
	w := s.waiter
	if w == nil {
		return
	}
	s.waiter = nil
	for _, key := range w.keys {
		q := w.db.waiting[key]
		if q == nil {
			continue
		}
		if i := slices.Index(q.list, w); i >= 0 {
			q.list = slices.Delete(q.list, i, i+1)
		}
		if len(q.list) == 0 {
			delete(w.db.waiting, key)
		}
	}
	if w.place > 0 {
		heap.Remove(&e.waits, w.place-1)
	}
	e.paused.forget(w)
}

// Unblock ends a session's wait as CLIENT UNBLOCK does: as if its time were over, or with an error. False if it does not
// wait for a key.
func (e *Engine) Unblock(s *Session, fail bool) bool {
	w := s.waiter
	if w == nil || len(w.keys) == 0 {
		return false
	}
	if fail {
		w.timed = func(c *Ctx) { c.Fail("UNBLOCKED client unblocked via CLIENT UNBLOCK") }
	}
	e.retry(w, true)
	return true
}

// Blocked is how many sessions wait: for a key, or for the end of a pause.
func (e *Engine) Blocked() int {
	n := len(e.paused.held)
	for _, d := range e.dbs {
		seen := map[*waiter]bool{}
		for _, q := range d.waiting {
			for _, w := range q.list {
				seen[w] = true
			}
		}
		n += len(seen)
	}
	return n
}

// endWaits ends the waits whose time is over.
func (e *Engine) endWaits() {
	for {
		until := e.waits.next()
		if until == 0 || until > e.now {
			break
		}
		e.retry(e.waits[0], true)
	}
	e.paused.end(e)
}

// waitHeap has the waits that end, the next first.
type waitHeap []*waiter

func (h *waitHeap) next() int64 {
	if len(*h) == 0 {
		return 0
	}
	return (*h)[0].until
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (h *waitHeap) Len() int { return len(*h) }

// Less has who came first go first among equals.
func (h *waitHeap) Less(i, j int) bool {
	a, b := (*h)[i], (*h)[j]
	if a.until != b.until {
		return a.until < b.until
	}
	return a.seq < b.seq
}

// Swap keeps the places.
func (h *waitHeap) Swap(i, j int) {
	list := *h
	list[i], list[j] = list[j], list[i]
	list[i].place, list[j].place = i+1, j+1
}

// Push appends.
func (h *waitHeap) Push(x any) {
	w := x.(*waiter)
	*h = append(*h, w)
	w.place = len(*h)
}

// Pop removes the last.
func (h *waitHeap) Pop() any {
	old := *h
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	w.place = 0
	return w
}
