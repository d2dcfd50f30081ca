package engine

import (
	"slices"
	"unsafe"
)

// set is a set of byte strings: integers in order while it has few and nothing else, packed while it is small, and a
// table beyond that. It does not become small again, as in Redis.
type set struct {
	account
	e    *Engine
	ints []int64 // in order; the form of a new set
	pack *packed // nil in the other forms
	dict *dict[struct{}]
	heap int64 // bytes of the members in the table
}

const (
	setBytes     = 80
	packedBytes  = 32
	setNodeBytes = 32 // node[struct{}]
)

func newSet(e *Engine) *set { return &set{e: e} }

// raw are the bytes of a string, which nobody may change.
func raw(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) } //nolint:gosec // as long as the string

func (s *set) kind() Kind  { return KindSet }
func (s *set) empty() bool { return s.len() == 0 }

func (s *set) bytes() int64 {
	switch {
	case s.dict != nil:
		return setBytes + s.heap + int64(s.dict.len())*setNodeBytes + s.dict.tableBytes()
	case s.pack != nil:
		return setBytes + packedBytes + sizeClass(cap(s.pack.buf))
	}
	return setBytes + sizeClass(8*cap(s.ints))
}

func (s *set) encoding(*Encodings) string {
	if s.pack == nil && s.dict == nil {
		return "intset"
	}
	return "hashtable"
}

func (s *set) clone() object {
	c := newSet(s.e)
	switch {
	case s.dict != nil:
		c.dict = newDict[struct{}](s.e.seed)
		for b := range s.each {
			c.add(b)
		}
	case s.pack != nil:
		p := s.pack.clone()
		c.pack = &p
	default:
		c.ints = slices.Clone(s.ints)
	}
	return c
}

func (s *set) rewrite(key []byte, emit func(args [][]byte)) {
	p := newParts("SADD", key, emit)
	for b := range s.each {
		p.add(copied(b))
	}
	p.end()
}

func (s *set) len() int {
	switch {
	case s.dict != nil:
		return s.dict.len()
	case s.pack != nil:
		return s.pack.n
	}
	return len(s.ints)
}

// each gives the members. They are valid until the next one, and the set must not change meanwhile.
func (s *set) each(yield func(b []byte) bool) {
	switch {
	case s.dict != nil:
		for n := range s.dict.all() {
			if !yield(raw(n.key())) {
				return
			}
		}
	case s.pack != nil:
		for i := 0; i < len(s.pack.buf); {
			b, next := s.pack.at(i)
			if !yield(b) {
				return
			}
			i = next
		}
	default:
		var room [20]byte
		for _, n := range s.ints {
			if !yield(appendInt(room[:0], n)) {
				return
			}
		}
	}
}

func (s *set) has(b []byte) bool {
	switch {
	case s.dict != nil:
		return s.dict.find(b) != nil
	case s.pack != nil:
		from, _ := s.pack.find(b, 1)
		return from >= 0
	}
	_, is := s.int(b)
	return is
}

// int gives the place of an integer among the integers; false if the member is not there.
func (s *set) int(b []byte) (i int, is bool) {
	n, ok := parseInt(b)
	if !ok {
		return 0, false
	}
	return slices.BinarySearch(s.ints, n)
}

// add puts a member in, which is copied; false if it is there.
func (s *set) add(b []byte) bool {
	if s.pack == nil && s.dict == nil {
		if n, ok := parseInt(b); ok {
			i, is := slices.BinarySearch(s.ints, n)
			if is {
				return false
			}
			if len(s.ints) < s.e.limits.SetInts {
				s.ints = slices.Insert(s.ints, i, n)
				return true
			}
		}
		s.widen(b)
	}
	if s.pack != nil {
		if from, _ := s.pack.find(b, 1); from >= 0 {
			return false
		}
		if s.pack.n < s.e.limits.SetEntries && len(b) <= s.e.limits.SetValue {
			s.pack.add(b)
			return true
		}
		s.expand()
	}
	_, added := s.dict.add(b)
	if added {
		s.heap += sizeClass(len(b))
	}
	return added
}

// widen leaves the form of integers for one that holds another member too.
func (s *set) widen(b []byte) {
	if len(s.ints) >= s.e.limits.SetEntries || len(b) > s.e.limits.SetValue {
		s.expand()
		return
	}
	p := &packed{}
	for m := range s.each {
		p.add(m)
	}
	s.ints, s.pack = nil, p
}

// expand makes a small set a large one.
func (s *set) expand() {
	small := *s
	s.ints, s.pack, s.dict = nil, nil, newDict[struct{}](s.e.seed)
	for m := range small.each {
		s.add(m)
	}
}

// remove takes a member out; false if it is not there.
func (s *set) remove(b []byte) bool {
	switch {
	case s.dict != nil:
		n := s.dict.remove(b)
		if n != nil {
			s.heap -= sizeClass(len(n.key()))
		}
		return n != nil
	case s.pack != nil:
		from, end := s.pack.find(b, 1)
		if from >= 0 {
			s.pack.cut(from, end, 1)
		}
		return from >= 0
	}
	i, is := s.int(b)
	if is {
		s.ints = slices.Delete(s.ints, i, i+1)
		if cap(s.ints) > 4*len(s.ints)+8 {
			s.ints = slices.Clone(s.ints)
		}
	}
	return is
}

// clear takes all members out.
func (s *set) clear() { s.ints, s.pack, s.dict, s.heap = nil, nil, nil, 0 }

// random gives one of the members, each with the same chance. It is valid until the set changes.
func (s *set) random() []byte {
	switch {
	case s.dict != nil:
		return raw(s.dict.fair(s.e.pick).key())
	case s.pack != nil:
		b, _ := s.pack.nth(int(s.e.pick(uint32(s.pack.n))))
		return b
	}
	return appendInt(nil, s.ints[s.e.pick(uint32(len(s.ints)))])
}

// sample gives n different members, any with the same chance as others. They stay valid when the set changes.
func (s *set) sample(n int) [][]byte {
	list := make([][]byte, 0, n)
	if s.dict != nil && n < s.len() {
		for _, n := range s.dict.sample(n, s.e.pick) {
			list = append(list, raw(n.key()))
		}
		return list
	}
	for b := range s.each {
		list = append(list, copied(b))
	}
	if n < len(list) {
		draw(list, n, s.e.pick)
	}
	return list[:n]
}
