package engine

import (
	"bytes"
	"cmp"
	"slices"
)

// sortPattern is a pattern of BY or GET: a star in it stands for the element, and -> leads to a field of a hash.
type sortPattern struct {
	self  bool // #
	fixed bool // no star: there is nothing to look up
	head  []byte
	tail  []byte
	field []byte // nil = the key is a string
	key   []byte // room for names
}

func newSortPattern(b []byte) *sortPattern {
	p := &sortPattern{self: string(b) == "#"}
	head, tail, ok := bytes.Cut(b, []byte("*"))
	p.head, p.fixed = head, !ok
	if i := bytes.Index(tail, []byte("->")); i >= 0 && i+2 < len(tail) {
		tail, p.field = tail[:i], tail[i+2:]
	}
	p.tail = tail
	return p
}

// find gives what the pattern leads to for an element. It is valid until the next call.
func (p *sortPattern) find(c *Ctx, element []byte) (b []byte, ok bool) {
	switch {
	case p.self:
		return element, true
	case p.fixed:
		return nil, false
	}
	p.key = append(append(append(p.key[:0], p.head...), element...), p.tail...)
	it := c.read(p.key)
	switch {
	case it == nil:
		return nil, false
	case p.field == nil:
		return it.val.str, it.val.obj == nil
	case it.val.kind() != KindHash:
		return nil, false
	}
	var out collector
	c.inner([][]byte{[]byte("HGET"), p.key, p.field}, &out)
	if len(out.ends) == 0 {
		return nil, false
	}
	return out.flat, true
}

// sortEntry is an element with what it is sorted by.
type sortEntry struct {
	element []byte
	weight  []byte // with ALPHA and BY; nil = there is none
	score   float64
}

// sort sorts elements and leaves those from one place to before another; false if one of them has no number to go by.
func (s *sortCall) sort(c *Ctx, elements *[][]byte, from, end int) bool {
	entries, ok := make([]sortEntry, len(*elements)), true
	for i, e := range *elements {
		entries[i].element = e
		weight, found := e, true
		if s.by != nil {
			weight, found = s.by.find(c, e)
		}
		switch {
		case !found:
		case !s.alpha:
			f, isNumber := sortNumber(weight)
			entries[i].score, ok = f, ok && isNumber
		case s.by != nil:
			entries[i].weight = copied(weight)
		}
	}
	if !ok {
		return false
	}
	compare := s.compare()
	if end <= len(entries)/4 {
		entries = leastOf(entries, end, compare)
	}
	slices.SortFunc(entries, compare)
	out := (*elements)[:0]
	for _, e := range entries[from:end] {
		out = append(out, e.element)
	}
	*elements = out
	return true
}

// compare gives the order that was asked for. Elements of the same score are in that of their bytes.
func (s *sortCall) compare() func(a, b sortEntry) int {
	up := func(a, b sortEntry) int {
		return cmp.Or(cmp.Compare(a.score, b.score), bytes.Compare(a.element, b.element))
	}
	switch {
	case s.alpha && s.by != nil:
		up = func(a, b sortEntry) int {
			if a.weight == nil || b.weight == nil {
				return cmp.Compare(one(a.weight != nil), one(b.weight != nil))
			}
			return bytes.Compare(a.weight, b.weight)
		}
	case s.alpha:
		up = func(a, b sortEntry) int { return bytes.Compare(a.element, b.element) }
	}
	if s.desc {
		return func(a, b sortEntry) int { return -up(a, b) }
	}
	return up
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// leastOf gives the n first of entries in no order, with a heap of n whose top is the last of them: a LIMIT on a large
// set does not sort the whole.
func leastOf(entries []sortEntry, n int, compare func(a, b sortEntry) int) []sortEntry {
	if n == 0 {
		return nil
	}
	heap := entries[:n]
	down := func(i int) {
		for {
			c := 2*i + 1
			if c >= n {
				return
			}
			if c+1 < n && compare(heap[c+1], heap[c]) > 0 {
				c++
			}
			if compare(heap[i], heap[c]) >= 0 {
				return
			}
			heap[i], heap[c] = heap[c], heap[i]
			i = c
		}
	}
	for i := n/2 - 1; i >= 0; i-- {
		down(i)
	}
	for _, e := range entries[n:] {
		if compare(e, heap[0]) < 0 {
			heap[0] = e
			down(0)
		}
	}
	return heap
}
