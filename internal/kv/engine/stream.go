package engine

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"
	"strconv"
)

// streamID is where an entry is in a stream.
type streamID struct{ ms, seq uint64 }

// compare is below zero for an id in front of the other, above zero for one behind.
func (a streamID) compare(b streamID) int {
	switch {
	case a.ms < b.ms || a.ms == b.ms && a.seq < b.seq:
		return -1
	case a == b:
		return 0
	}
	return 1
}

func (a streamID) less(b streamID) bool { return a.compare(b) < 0 }

// lastStreamID is behind which there is none.
func lastStreamID() streamID { return streamID{math.MaxUint64, math.MaxUint64} }

// next is the id behind this one; false of the last.
func (a streamID) next() (streamID, bool) {
	if a.seq++; a.seq == 0 {
		a.ms++
	}
	return a, a != streamID{}
}

// prev is the id in front of this one; false of the first.
func (a streamID) prev() (streamID, bool) {
	ok := a != streamID{}
	if a.seq == 0 {
		a.ms--
	}
	a.seq--
	return a, ok
}

func (a streamID) append(b []byte) []byte {
	b = strconv.AppendUint(b, a.ms, 10)
	b = append(b, '-')
	return strconv.AppendUint(b, a.seq, 10)
}

// stream is a log of entries: blocks in the order of their ids, each with its entries packed one behind the other.
type stream struct {
	account
	blocks     []*streamBlock
	n          int      // entries that are there
	first, top streamID // of them
	last       streamID // given so far
	maxDeleted streamID
	added      int64    // entries ever
	groups     []*group // by name
	heap       int64    // bytes of blocks and groups
}

// streamBlock has entries of which most have the same fields: an entry with those of the first has values only.
type streamBlock struct {
	base       streamID // of the first that was put in
	live, dead int
	list       int // bytes that it would have in Redis
	fields     [][]byte
	buf        []byte
}

// Flags in front of an entry.
const (
	entrySame = 1 << iota // the fields are those of the block
	entryDead
)

const (
	streamBytes = 208
	blockBytes  = 96
	sliceBytes  = 24
	// streamEntryMost bounds the bytes of an entry, as Redis does.
	streamEntryMost = 1 << 30
)

// streamEntry is an entry that was read. Its bytes lie in the block.
type streamEntry struct {
	id    streamID
	dead  bool
	pairs [][]byte // field and value in turn
	at    int      // in the block
}

func newStream() *stream { return &stream{} }

func (s *stream) kind() Kind                 { return KindStream }
func (s *stream) empty() bool                { return s.n == 0 }
func (s *stream) encoding(*Encodings) string { return "stream" }

func (s *stream) bytes() int64 {
	return streamBytes + s.heap + sizeClass(cap(s.blocks)*pointerBytes) + sizeClass(cap(s.groups)*pointerBytes)
}

func (b *streamBlock) bytes() int64 {
	n := blockBytes + sizeClass(cap(b.buf)) + sizeClass(cap(b.fields)*sliceBytes)
	for _, f := range b.fields {
		n += sizeClass(cap(f))
	}
	return n
}

// room gives the block that the next entry goes to.
func (s *stream) room(lim *Encodings, id streamID, args [][]byte, size int) *streamBlock {
	if len(s.blocks) > 0 {
		b := s.blocks[len(s.blocks)-1]
		full := lim.StreamBytes > 0 && b.list+size >= lim.StreamBytes ||
			lim.StreamEntries > 0 && b.live+b.dead >= lim.StreamEntries
		if !full {
			return b
		}
		s.heap -= sizeClass(cap(b.buf))
		b.buf = slices.Clip(append(make([]byte, 0, len(b.buf)), b.buf...))
		s.heap += sizeClass(cap(b.buf))
	}
	b := &streamBlock{base: id, fields: make([][]byte, 0, len(args)/2)}
	for i := 0; i < len(args); i += 2 {
		b.fields = append(b.fields, copied(args[i]))
	}
	b.list = listBase(b.fields)
	s.blocks = append(s.blocks, b)
	s.heap += b.bytes()
	return b
}

// add puts an entry at the end; its id is behind the last.
func (s *stream) add(lim *Encodings, id streamID, args [][]byte) {
	size := 0
	for _, a := range args {
		size += len(a)
	}
	b := s.room(lim, id, args, size)
	s.heap -= sizeClass(cap(b.buf))
	b.append(id, args)
	s.heap += sizeClass(cap(b.buf))
	b.live++
	s.n++
	s.added++
	s.last, s.top = id, id
	if s.n == 1 {
		s.first = id
	}
}

func (b *streamBlock) append(id streamID, args [][]byte) {
	same := len(args) == 2*len(b.fields)
	for i := 0; same && i < len(b.fields); i++ {
		same = sameKey(args[2*i], b.fields[i])
	}
	b.list += listEntry(b.base, id, args, same)
	flags := byte(0)
	if same {
		flags = entrySame
	}
	buf := b.buf
	buf = append(buf, flags)
	buf = binary.AppendUvarint(buf, id.ms-b.base.ms)
	if id.ms == b.base.ms {
		buf = binary.AppendUvarint(buf, id.seq-b.base.seq)
	} else {
		buf = binary.AppendUvarint(buf, id.seq)
	}
	if !same {
		buf = binary.AppendUvarint(buf, uint64(len(args)/2))
	}
	for i, a := range args {
		if same && i%2 == 0 {
			continue
		}
		buf = binary.AppendUvarint(buf, uint64(len(a)))
		buf = append(buf, a...)
	}
	b.buf = buf
}

// read reads the entry at an offset and gives that of the next.
func (b *streamBlock) read(at int, e *streamEntry) (next int) {
	flags := b.buf[at]
	e.at, e.dead, e.pairs = at, flags&entryDead != 0, e.pairs[:0]
	at++
	number := func() uint64 {
		n, used := binary.Uvarint(b.buf[at:])
		at += used
		return n
	}
	text := func() []byte {
		n := int(number())
		at += n
		return b.buf[at-n : at : at]
	}
	ms := number()
	e.id = streamID{b.base.ms + ms, number()}
	if ms == 0 {
		e.id.seq += b.base.seq
	}
	if flags&entrySame != 0 {
		for _, f := range b.fields {
			e.pairs = append(e.pairs, f, text())
		}
		return at
	}
	for n := number(); n > 0; n-- {
		field := text()
		e.pairs = append(e.pairs, field, text())
	}
	return at
}

// block gives the place of the block that an id is or would be in; -1 in front of all.
func (s *stream) block(id streamID) int {
	return sort.Search(len(s.blocks), func(i int) bool { return id.less(s.blocks[i].base) }) - 1
}

// each visits the entries between two ids until visit has enough. What it is given is valid until it returns.
func (s *stream) each(from, to streamID, rev bool, visit func(e *streamEntry) bool) {
	if to.less(from) {
		return
	}
	if rev {
		s.eachDown(from, to, visit)
		return
	}
	var e streamEntry
	for i := max(s.block(from), 0); i < len(s.blocks); i++ {
		b := s.blocks[i]
		for at := 0; at < len(b.buf); {
			at = b.read(at, &e)
			if to.less(e.id) {
				return
			}
			if !e.dead && !e.id.less(from) && !visit(&e) {
				return
			}
		}
	}
}

func (s *stream) eachDown(from, to streamID, visit func(e *streamEntry) bool) {
	var e streamEntry
	var offsets []int
	for i := s.block(to); i >= 0; i-- {
		b := s.blocks[i]
		offsets = offsets[:0]
		for at := 0; at < len(b.buf); {
			next := b.read(at, &e)
			if to.less(e.id) {
				break
			}
			if !e.dead {
				offsets = append(offsets, at)
			}
			at = next
		}
		for _, at := range slices.Backward(offsets) {
			b.read(at, &e)
			if e.id.less(from) || !visit(&e) {
				return
			}
		}
	}
}

// has says whether an entry is there.
func (s *stream) has(id streamID) (found bool) {
	if s.n == 0 || id.less(s.first) || s.top.less(id) {
		return false
	}
	s.each(id, id, false, func(*streamEntry) bool {
		found = true
		return false
	})
	return found
}

// remove takes an entry out.
func (s *stream) remove(id streamID) bool {
	i := s.block(id)
	if i < 0 {
		return false
	}
	b := s.blocks[i]
	var e streamEntry
	for at := 0; at < len(b.buf); {
		at = b.read(at, &e)
		if e.id.less(id) {
			continue
		}
		if e.id != id || e.dead {
			return false
		}
		b.buf[e.at] |= entryDead
		b.live--
		b.dead++
		s.n--
		if b.live == 0 {
			s.heap -= b.bytes()
			s.blocks = slices.Delete(s.blocks, i, i+1)
		}
		return true
	}
	return false
}

// edges finds the first and the last entry again, after some were removed at either end.
func (s *stream) edges() {
	s.first, s.top = streamID{}, streamID{}
	s.each(streamID{}, lastStreamID(), false, func(e *streamEntry) bool {
		s.first = e.id
		return false
	})
	s.each(streamID{}, lastStreamID(), true, func(e *streamEntry) bool {
		s.top = e.id
		return false
	})
}

func (s *stream) clone() object {
	c := *s
	c.account = account{}
	c.blocks = make([]*streamBlock, len(s.blocks))
	c.heap = 0
	for i, b := range s.blocks {
		n := *b
		n.buf = copied(b.buf)
		c.blocks[i] = &n
		c.heap += n.bytes()
	}
	c.groups = make([]*group, len(s.groups))
	for i, g := range s.groups {
		c.groups[i] = g.clone()
		c.heap += c.groups[i].bytes()
	}
	return &c
}

func (s *stream) rewrite(key []byte, emit func(args [][]byte)) {
	word := func(w string) []byte { return []byte(w) }
	if s.n == 0 { // made and emptied at once
		id := s.last
		if id == (streamID{}) {
			id.seq = 1
		}
		emit([][]byte{word("XADD"), key, word("MAXLEN"), word("0"), id.append(nil), word("x"), word("y")})
	}
	s.each(streamID{}, lastStreamID(), false, func(e *streamEntry) bool {
		emit(append([][]byte{word("XADD"), key, e.id.append(nil)}, e.pairs...))
		return true
	})
	emit([][]byte{
		word("XSETID"), key, s.last.append(nil), word("ENTRIESADDED"), appendInt(nil, s.added),
		word("MAXDELETEDID"), s.maxDeleted.append(nil),
	})
	for _, g := range s.groups {
		g.rewrite(key, emit)
	}
}
