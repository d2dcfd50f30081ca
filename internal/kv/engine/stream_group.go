package engine

import (
	"slices"
	"sort"
	"strings"
)

// group is a consumer group: how far it was given entries, and which of them are not done.
type group struct {
	name      string
	last      streamID
	read      int64 // entries it was given since the stream began; -1 = not known
	pending   pendingList
	consumers []*consumer // by name
}

// consumer is a member of a group.
type consumer struct {
	name    string
	seen    int64
	pending pendingList
}

// pending is an entry that a consumer was given and has not acknowledged.
type pending struct {
	id    streamID
	owner *consumer
	time  int64 // of the last delivery
	count int64 // of deliveries
}

const (
	groupBytes    = 112
	consumerBytes = 64
	pendingBytes  = 48 + 3*pointerBytes // in two lists that are mostly full
	unknownRead   = -1
)

func (g *group) bytes() int64 {
	n := groupBytes + sizeClass(len(g.name)) + int64(g.pending.n)*pendingBytes
	for _, c := range g.consumers {
		n += c.bytes()
	}
	return n
}

func (c *consumer) bytes() int64 { return consumerBytes + pointerBytes + sizeClass(len(c.name)) }

// pendingList has pending entries in the order of their ids, in chunks.
type pendingList struct {
	chunks [][]*pending
	n      int
}

// pendingChunk is how many a chunk has at most.
const pendingChunk = 128

// seek gives the place of the first entry that is not in front of an id.
func (l *pendingList) seek(id streamID) (chunk, at int) {
	chunk = sort.Search(len(l.chunks), func(i int) bool {
		c := l.chunks[i]
		return !c[len(c)-1].id.less(id)
	})
	if chunk < len(l.chunks) {
		c := l.chunks[chunk]
		at = sort.Search(len(c), func(i int) bool { return !c[i].id.less(id) })
	}
	return chunk, at
}

func (l *pendingList) find(id streamID) *pending {
	if chunk, at := l.seek(id); chunk < len(l.chunks) && l.chunks[chunk][at].id == id {
		return l.chunks[chunk][at]
	}
	return nil
}

// add puts an entry in that is not there.
func (l *pendingList) add(p *pending) {
	l.n++
	chunk, at := l.seek(p.id)
	if chunk == len(l.chunks) {
		if chunk == 0 || len(l.chunks[chunk-1]) >= pendingChunk {
			l.chunks = append(l.chunks, []*pending{p})
			return
		}
		chunk--
		at = len(l.chunks[chunk])
	}
	c := slices.Insert(l.chunks[chunk], at, p)
	if len(c) > pendingChunk {
		half := len(c) / 2
		l.chunks = slices.Insert(l.chunks, chunk+1, slices.Clone(c[half:]))
		clear(c[half:])
		c = c[:half]
	}
	l.chunks[chunk] = c
}

func (l *pendingList) remove(id streamID) *pending {
	chunk, at := l.seek(id)
	if chunk == len(l.chunks) || l.chunks[chunk][at].id != id {
		return nil
	}
	p := l.chunks[chunk][at]
	l.n--
	if l.chunks[chunk] = slices.Delete(l.chunks[chunk], at, at+1); len(l.chunks[chunk]) == 0 {
		l.chunks = slices.Delete(l.chunks, chunk, chunk+1)
	}
	return p
}

// each visits entries from an id on until visit has enough. The list must not change meanwhile.
func (l *pendingList) each(from streamID, visit func(p *pending) bool) {
	chunk, at := l.seek(from)
	for ; chunk < len(l.chunks); chunk++ {
		for _, p := range l.chunks[chunk][at:] {
			if !visit(p) {
				return
			}
		}
		at = 0
	}
}

// from gives the first entry from an id on; nil if there is none.
func (l *pendingList) from(id streamID) (p *pending) {
	l.each(id, func(q *pending) bool {
		p = q
		return false
	})
	return p
}

// edges are the first and the last.
func (l *pendingList) edges() (first, last *pending) {
	c := l.chunks[len(l.chunks)-1]
	return l.chunks[0][0], c[len(c)-1]
}

// group finds a group; nil if there is none.
func (s *stream) group(name []byte) *group {
	if i, ok := s.groupAt(name); ok {
		return s.groups[i]
	}
	return nil
}

func (s *stream) groupAt(name []byte) (int, bool) {
	return slices.BinarySearchFunc(s.groups, string(name), func(g *group, n string) int { return strings.Compare(g.name, n) })
}

// addGroup makes a group; false if there is one of that name.
func (s *stream) addGroup(name []byte, last streamID, read int64) bool {
	i, ok := s.groupAt(name)
	if ok {
		return false
	}
	g := &group{name: string(name), last: last, read: read}
	s.groups = slices.Insert(s.groups, i, g)
	s.heap += g.bytes()
	return true
}

func (g *group) consumerAt(name []byte) (int, bool) {
	return slices.BinarySearchFunc(g.consumers, string(name), func(c *consumer, n string) int { return strings.Compare(c.name, n) })
}

// consumer finds a consumer; nil if there is none.
func (g *group) consumer(name []byte) *consumer {
	if i, ok := g.consumerAt(name); ok {
		return g.consumers[i]
	}
	return nil
}

// addConsumer makes a consumer that is not there.
func (s *stream) addConsumer(g *group, name []byte, now int64) *consumer {
	i, _ := g.consumerAt(name)
	c := &consumer{name: string(name), seen: now}
	g.consumers = slices.Insert(g.consumers, i, c)
	s.heap += c.bytes()
	return c
}

// deliver marks an entry as given to a consumer, whoever had it.
func (s *stream) deliver(g *group, c *consumer, id streamID, now, count int64) *pending {
	p := g.pending.find(id)
	if p == nil {
		p = &pending{id: id}
		g.pending.add(p)
		s.heap += pendingBytes
	}
	if p.owner != c {
		if p.owner != nil {
			p.owner.pending.remove(id)
		}
		p.owner = c
		c.pending.add(p)
	}
	p.time, p.count = now, count
	return p
}

// done forgets a pending entry.
func (s *stream) done(g *group, id streamID) bool {
	p := g.pending.remove(id)
	if p == nil {
		return false
	}
	p.owner.pending.remove(id)
	s.heap -= pendingBytes
	return true
}

// advance says that a group was given an entry.
func (g *group) advance(s *stream, id streamID) {
	if !g.last.less(id) {
		return
	}
	if g.read != unknownRead && !s.gaps(id) {
		g.read++
	} else if s.added > 0 {
		g.read = s.distance(id)
	}
	g.last = id
}

// gaps says that entries may have been removed from an id on.
func (s *stream) gaps(from streamID) bool {
	if s.n == 0 || s.maxDeleted == (streamID{}) || s.maxDeleted.less(s.first) {
		return false
	}
	return !s.maxDeleted.less(from)
}

// distance is how many entries were ever added up to an id; unknownRead where that cannot be told.
func (s *stream) distance(id streamID) int64 {
	switch {
	case s.added == 0:
		return 0
	case s.n == 0 && !s.last.less(id):
		return s.added
	case id == s.last:
		return s.added
	case s.last.less(id):
		return unknownRead
	}
	if s.maxDeleted == (streamID{}) || s.maxDeleted.less(s.first) {
		switch id.compare(s.first) {
		case -1:
			return s.added - int64(s.n)
		case 0:
			return s.added - int64(s.n) + 1
		}
	}
	return unknownRead
}

// lag is how many entries a group was not given yet; false where that cannot be told.
func (g *group) lag(s *stream) (int64, bool) {
	if s.added == 0 {
		return 0, true
	}
	if g.read != unknownRead && !s.gaps(g.last) {
		return s.added - g.read, true
	}
	n := s.distance(g.last)
	return s.added - n, n != unknownRead
}

func (g *group) clone() *group {
	c := &group{name: g.name, last: g.last, read: g.read}
	for _, from := range g.consumers {
		to := &consumer{name: from.name, seen: from.seen}
		c.consumers = append(c.consumers, to)
		from.pending.each(streamID{}, func(p *pending) bool {
			q := *p
			q.owner = to
			to.pending.add(&q)
			c.pending.add(&q)
			return true
		})
	}
	return c
}

// rewrite gives the commands that make the group anew.
func (g *group) rewrite(key []byte, emit func(args [][]byte)) {
	word := func(w string) []byte { return []byte(w) }
	name := []byte(g.name)
	emit([][]byte{word("XGROUP"), word("CREATE"), key, name, g.last.append(nil), word("ENTRIESREAD"), appendInt(nil, g.read)})
	for _, c := range g.consumers {
		emit([][]byte{word("XGROUP"), word("CREATECONSUMER"), key, name, []byte(c.name)})
		c.pending.each(streamID{}, func(p *pending) bool {
			emit(claimArgs(key, g, p))
			return true
		})
	}
}

// claimArgs is the command that makes an entry pending as it is.
func claimArgs(key []byte, g *group, p *pending) [][]byte {
	word := func(w string) []byte { return []byte(w) }
	return [][]byte{
		word("XCLAIM"), key, []byte(g.name), []byte(p.owner.name), word("0"), p.id.append(nil), word("TIME"), appendInt(nil, p.time),
		word("RETRYCOUNT"), appendInt(nil, p.count), word("FORCE"), word("JUSTID"), word("LASTID"), g.last.append(nil),
	}
}
