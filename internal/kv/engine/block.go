package engine

import "container/heap"

// waiter is a session that waits for a key: its command runs again whenever one of the keys may serve it.
type waiter struct {
	s     *Session
	cmd   *Command
	args  [][]byte
	db    *db
	links []*waitLink // one a key
	until int64       // milliseconds of Unix time; 0 = for ever
	place int         // in the heap of ends, from 1; 0 = not there
	seq   int64
	timed func(c *Ctx) // answers when the time is over
	count bool         // it is one of Engine.waiters
}

// keyQueue are the sessions that wait for a key, in the order they came. Any of them leaves in O(1).
type keyQueue struct {
	key        string
	head, tail *waitLink
	streams    int  // of them, those that are also told when there is nothing
	ready      bool // the key is in Engine.ready
}

// waitLink is a waiter's place in one queue.
type waitLink struct {
	w          *waiter
	q          *keyQueue // nil when it has left
	prev, next *waitLink
}

// kind is that of the values that may serve a waiter.
func (w *waiter) kind() Kind {
	switch w.cmd.Group {
	case "list":
		return KindList
	case "sorted_set":
		return KindZSet
	}
	return KindStream
}

func (q *keyQueue) add(w *waiter) {
	l := &waitLink{w: w, q: q, prev: q.tail}
	if q.tail == nil {
		q.head = l
	} else {
		q.tail.next = l
	}
	q.tail = l
	if w.kind() == KindStream {
		q.streams++
	}
	w.links = append(w.links, l)
}

// leave takes a waiter out of a queue. The link keeps next, for who goes through the queue.
func (l *waitLink) leave() {
	q := l.q
	if l.prev == nil {
		q.head = l.next
	} else {
		l.prev.next = l.next
	}
	if l.next == nil {
		q.tail = l.prev
	} else {
		l.next.prev = l.prev
	}
	if l.w.kind() == KindStream {
		q.streams--
	}
	l.q = nil
}

type readyKey struct {
	db *db
	q  *keyQueue
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
	w := &waiter{s: c.S, cmd: c.Cmd, args: copyArgs(c.Args), db: c.db, until: until, timed: timed, seq: c.E.stats.Blocked, count: true}
	for _, k := range keys {
		q := c.db.waiting[string(k)]
		if q == nil {
			q = &keyQueue{key: string(k)}
			c.db.waiting[q.key] = q
		}
		if q.tail == nil || q.tail.w != w { // a key may be named twice
			q.add(w)
		}
	}
	c.E.waiters++
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
			e.retry(w, nil, true)
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
	if len(d.waiting) == 0 {
		return
	}
	if q := d.waiting[string(key)]; q != nil && !q.ready {
		q.ready = true
		e.ready = append(e.ready, readyKey{d, q})
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

// serveReady runs the commands again that wait for keys which may serve them, in the order they came. Whoever is let in beside
// a script leaves that to it: they must not see the half of it, and their effects are not among its own.
func (e *Engine) serveReady() {
	if e.depth > 0 || e.busy != nil {
		return
	}
	for i := 0; i < len(e.ready); i++ { // serving may make others ready
		r := e.ready[i]
		r.q.ready = false
		e.serve(r.db, r.q)
	}
	clear(e.ready)
	e.ready = e.ready[:0]
}

// serve runs the commands again that wait for a key, as long as it has what they wait for: of thousands that wait for one
// element, those behind the first are not even looked at.
func (e *Engine) serve(d *db, q *keyQueue) {
	key := []byte(q.key)
	var next *waitLink
	for l := q.head; l != nil; l = next {
		next = l.next
		if kind := l.w.kind(); kind != KindStream {
			it := d.peek(key)
			if it == nil && q.streams == 0 {
				return
			}
			if it == nil || it.val.kind() != kind {
				continue
			}
		}
		e.retry(l.w, key, false)
		if next != nil && next.q == nil { // it has left meanwhile
			next = q.head
		}
	}
}

// mayServe are those of the keys that may serve a command: all, or the one that was signalled to it while it waited.
func (c *Ctx) mayServe(keys [][]byte) [][]byte {
	if c.ready == nil {
		return keys
	}
	return [][]byte{c.ready}
}

// retry runs a waiting command again, for a key that may serve it; late = it is the last time.
func (e *Engine) retry(w *waiter, key []byte, late bool) {
	if e.paused.holds(e, w.s, w.cmd) && !late {
		return
	}
	out := w.s.Peer.Reply()
	c := e.context()
	*c = Ctx{E: e, S: w.s, Cmd: w.cmd, Args: w.args, Out: out, db: w.db, retried: true, late: late, ready: key}
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
	if w.count {
		e.waiters--
	}
	for _, l := range w.links {
		q := l.q
		if l.leave(); q.head == nil {
			delete(w.db.waiting, q.key)
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
	if w == nil || len(w.links) == 0 {
		return false
	}
	if fail {
		w.timed = func(c *Ctx) { c.Fail("UNBLOCKED client unblocked via CLIENT UNBLOCK") }
	}
	e.retry(w, nil, true)
	return true
}

// Blocked is how many sessions wait: for a key, in WAIT, or for the end of a pause.
func (e *Engine) Blocked() int { return len(e.paused.held) + e.waiters }

// endWaits ends the waits whose time is over.
func (e *Engine) endWaits() {
	for {
		until := e.waits.next()
		if until == 0 || until > e.now {
			break
		}
		e.retry(e.waits[0], nil, true)
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
