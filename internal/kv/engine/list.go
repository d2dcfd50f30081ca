package engine

import "bytes"

// list is a list of byte strings: a chain of chunks, as many elements in each as fit. Both ends are at hand; what is in
// the middle is found by going from chunk to chunk from the nearer end.
type list struct {
	account
	head, tail *chunk
	n          int
	heap       int64 // bytes of the chunks and their buffers
}

const listBytes = 48

func newList() *list { return &list{} }

func (l *list) kind() Kind                 { return KindList }
func (l *list) bytes() int64               { return listBytes + l.heap }
func (l *list) empty() bool                { return l.n == 0 }
func (l *list) encoding(*Encodings) string { return "quicklist" }
func (l *list) len() int                   { return l.n }

func (l *list) clone() object {
	c := newList()
	for b := range l.each {
		c.pushBack(b)
	}
	return c
}

func (l *list) rewrite(key []byte, emit func(args [][]byte)) {
	p := newParts("RPUSH", key, emit)
	for b := range l.each {
		p.add(b)
	}
	p.end()
}

// each gives the elements from the first on. They are valid until the list changes, and it must not meanwhile.
func (l *list) each(yield func(b []byte) bool) {
	for c := l.head; c != nil; c = c.next {
		for at := c.from; at < c.end; {
			b, next := c.elementAt(at)
			if !yield(b) {
				return
			}
			at = next
		}
	}
}

func (l *list) weigh(c *chunk) int64 { return chunkBytes + sizeClass(len(c.buf)) }

// roomIn makes room in a chunk and accounts for it; false if the chunk is full.
func (l *list) roomIn(c *chunk, n int, front bool) bool {
	had := l.weigh(c)
	ok := c.makeRoom(n, front)
	l.heap += l.weigh(c) - had
	return ok
}

// link puts a new chunk with room for n bytes behind another, or in front of all.
func (l *list) link(after *chunk, n int, front bool) *chunk {
	c := &chunk{prev: after}
	size := chunkLeast
	if l.head != nil {
		size = chunkMost
	}
	if n > size {
		size = max(min(2*n, chunkMost), n)
	}
	c.buf = make([]byte, size)
	if front {
		c.from, c.end = size, size
	}
	if after == nil {
		c.next, l.head = l.head, c
	} else {
		c.next, after.next = after.next, c
	}
	if c.next == nil {
		l.tail = c
	} else {
		c.next.prev = c
	}
	l.heap += l.weigh(c)
	return c
}

// unlink takes a chunk out of the chain.
func (l *list) unlink(c *chunk) {
	c.n = 0
	l.heap -= l.weigh(c)
	if c.prev == nil {
		l.head = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		l.tail = c.prev
	} else {
		c.next.prev = c.prev
	}
}

func (l *list) pushFront(b []byte) {
	size := packedSize(len(b))
	c := l.head
	if c == nil || c.from < size && !l.roomIn(c, size, true) {
		c = l.link(nil, size, true)
	}
	c.pushFront(b)
	l.n++
}

func (l *list) pushBack(b []byte) {
	size := packedSize(len(b))
	c := l.tail
	if c == nil || len(c.buf)-c.end < size && !l.roomIn(c, size, false) {
		c = l.link(l.tail, size, false)
	}
	c.pushBack(b)
	l.n++
}

func (l *list) push(b []byte, front bool) {
	if front {
		l.pushFront(b)
	} else {
		l.pushBack(b)
	}
}

// end gives the element at an end of a list that has any.
func (l *list) end(front bool) []byte {
	return l.first(!front).value()
}

// drop takes n elements away from an end; there are as many.
func (l *list) drop(n int, front bool) {
	l.n -= n
	for n > 0 {
		c := l.tail
		if front {
			c = l.head
		}
		if c.n <= n {
			n -= c.n
			l.unlink(c)
			continue
		}
		from, end := c.from, c.end
		for range n {
			if front {
				_, from = c.elementAt(from)
			} else {
				end = c.before(end)
			}
		}
		if front {
			c.cut(c.from, from, n)
		} else {
			c.cut(end, c.end, n)
		}
		n = 0
	}
	l.slim(l.head)
}

// slim gives the buffer of a chunk back that has become far too large for it.
func (l *list) slim(c *chunk) {
	if c == nil || c != l.tail || len(c.buf) < 8*max(c.size(), chunkLeast) {
		return
	}
	l.heap -= l.weigh(c)
	c.place(make([]byte, max(2*c.size(), chunkLeast)), 0, false)
	l.heap += l.weigh(c)
}

// place is where an element is. It is valid until the list changes.
type place struct {
	c  *chunk
	at int
}

// value gives the element, valid until the list changes.
func (p place) value() []byte {
	b, _ := p.c.elementAt(p.at)
	return b
}

// next is the place behind; its c is nil behind the last one.
func (p place) next() place {
	_, p.at = p.c.elementAt(p.at)
	if p.at == p.c.end {
		if p.c = p.c.next; p.c != nil {
			p.at = p.c.from
		}
	}
	return p
}

// prev is the place in front; its c is nil in front of the first one.
func (p place) prev() place {
	if p.at == p.c.from {
		if p.c = p.c.prev; p.c == nil {
			return p
		}
		p.at = p.c.end
	}
	p.at = p.c.before(p.at)
	return p
}

// step is next or prev.
func (p place) step(back bool) place {
	if back {
		return p.prev()
	}
	return p.next()
}

// first is the place of the first element, or of the last; c is nil of an empty list.
func (l *list) first(back bool) place {
	switch {
	case l.n == 0:
		return place{}
	case back:
		return place{l.tail, l.tail.before(l.tail.end)}
	}
	return place{l.head, l.head.from}
}

// seek finds the place of an element by its number; there is one.
func (l *list) seek(i int) place {
	if i < l.n-i {
		c := l.head
		for ; i >= c.n; c = c.next {
			i -= c.n
		}
		return c.seek(i)
	}
	c, from := l.tail, l.n-l.tail.n
	for ; i < from; from -= c.n {
		c = c.prev
	}
	return c.seek(i - from)
}

// seek finds an element of the chunk by its number.
func (c *chunk) seek(i int) place {
	if i < c.n-i {
		p := place{c, c.from}
		for range i {
			_, p.at = c.elementAt(p.at)
		}
		return p
	}
	p := place{c, c.end}
	for range c.n - i {
		p.at = c.before(p.at)
	}
	return p
}

// insert puts an element in front of a place, or behind it.
func (l *list) insert(p place, b []byte, behind bool) {
	at := p.at
	if behind {
		_, at = p.c.elementAt(at)
	}
	l.insertAt(p.c, at-p.c.from, b)
}

// insertAt puts an element so many bytes behind the first one of a chunk.
func (l *list) insertAt(c *chunk, at int, b []byte) {
	size := packedSize(len(b))
	l.n++
	if !l.roomIn(c, size, false) {
		c, at = l.split(c, at, size)
	}
	at += c.from
	copy(c.buf[at+size:], c.buf[at:c.end])
	putElement(c.buf[at:], b)
	c.end += size
	c.n++
}

// split finds room for size bytes where a chunk is full: in a neighbour, or after what is behind the place has moved into
// a chunk of its own. It gives the chunk that has room, and where in it.
func (l *list) split(c *chunk, at, size int) (room *chunk, where int) {
	switch {
	case at == 0 && c.prev != nil && l.roomIn(c.prev, size, false):
		return c.prev, c.prev.size()
	case at == 0:
		return l.link(c.prev, size, false), 0
	case at == c.size() && c.next != nil && l.roomIn(c.next, size, false):
		return c.next, 0
	case at == c.size():
		return l.link(c, size, false), 0
	}
	tail := l.link(c, c.size()-at, false)
	n := 0
	for i := c.from + at; i < c.end; n++ {
		_, i = c.elementAt(i)
	}
	tail.end = tail.from + copy(tail.buf[tail.from:], c.buf[c.from+at:c.end])
	tail.n = n
	c.cut(c.from+at, c.end, n)
	if l.roomIn(c, size, false) {
		return c, at
	}
	return l.link(c, size, false), 0
}

// set puts another element in a place.
func (l *list) set(p place, b []byte) {
	c := p.c
	old, next := c.elementAt(p.at)
	if len(old) == len(b) {
		copy(old, b)
		return
	}
	at := p.at - c.from
	c.cut(p.at, next, 1)
	l.n--
	if c.n == 0 && len(c.buf) > chunkMost {
		l.heap -= l.weigh(c)
		c.buf, c.from, c.end = nil, 0, 0
		l.heap += l.weigh(c)
	}
	l.insertAt(c, at, b)
}

// removeEqual takes elements away that are equal to another, at most so many, from the first on or from the last, and
// gives how many they were.
func (l *list) removeEqual(b []byte, most int, back bool) (n int) {
	var last *chunk
	for p := l.first(back); p.c != nil && n < most; {
		if !bytes.Equal(p.value(), b) {
			p = p.step(back)
			continue
		}
		if p.c != last {
			l.mend(last, back)
			last = p.c
		}
		p = l.remove(p, back)
		n++
	}
	l.mend(last, back)
	l.slim(l.head)
	return n
}

// remove takes the element at a place away and gives the place of the one that follows it in a direction.
func (l *list) remove(p place, back bool) place {
	_, end := p.c.elementAt(p.at)
	l.n--
	if p.c.n == 1 {
		next := p.step(back)
		l.unlink(p.c)
		return next
	}
	at := p.at - p.c.from
	p.c.cut(p.at, end, 1)
	next := place{p.c, p.c.from + at} // what was behind
	if back {
		return next.prev()
	}
	if next.at == p.c.end {
		if next.c = p.c.next; next.c != nil {
			next.at = next.c.from
		}
	}
	return next
}

// mend joins a chunk that has lost elements with the neighbour that was passed before, if both have become small.
func (l *list) mend(c *chunk, back bool) {
	switch {
	case c == nil || c.n == 0:
	case back:
		l.join(c)
	case c.prev != nil:
		l.join(c.prev)
	}
}

// join takes the elements of the next chunk into one, if both are small.
func (l *list) join(c *chunk) {
	next := c.next
	if next == nil || c.size()+next.size() > chunkMost/2 {
		return
	}
	l.roomIn(c, next.size(), false)
	c.end += copy(c.buf[c.end:], next.buf[next.from:next.end])
	c.n += next.n
	l.unlink(next)
}
