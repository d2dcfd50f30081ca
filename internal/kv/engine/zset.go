package engine

import (
	"slices"
	"sort"
)

// zset is a sorted set: while it is small a slice in order, beyond that a tree, and a table of the members with their scores
// beside it. It does not become small again, as in Redis.
type zset struct {
	account
	e     *Engine
	list  []zEntry
	names *dict[float64] // nil while small
	tree  *zTree
	heap  int64 // bytes of the members' names
}

// zEntry is a member with its score.
type zEntry struct {
	member string
	score  float64
}

const (
	zsetBytes  = 96
	zEntrySize = 24
	zNameBytes = 32 // node[float64]
)

func newZSet(e *Engine) *zset { return &zset{e: e} }

// zsetOf makes a sorted set of entries whose names differ; it takes the slice.
func zsetOf(e *Engine, list []zEntry) *zset {
	z := newZSet(e)
	sortEntries(list)
	compact := len(list) <= e.limits.ZSetEntries
	for _, n := range list {
		z.heap += sizeClass(len(n.member))
		compact = compact && len(n.member) <= e.limits.ZSetValue
	}
	z.list = list
	if !compact {
		z.expand()
		return z
	}
	for i := range list {
		list[i].score += 0
	}
	return z
}

// sortEntries puts entries in the order of a sorted set.
func sortEntries(list []zEntry) {
	slices.SortFunc(list, func(a, b zEntry) int {
		switch {
		case zLess(a.score, a.member, b.score, b.member):
			return -1
		case a == b:
			return 0
		}
		return 1
	})
}

func (z *zset) kind() Kind  { return KindZSet }
func (z *zset) empty() bool { return z.len() == 0 }

func (z *zset) bytes() int64 {
	n := zsetBytes + z.heap + sizeClass(cap(z.list)*zEntrySize)
	if z.names != nil {
		n += int64(z.tree.n)*zNameBytes + z.tree.bytes() + z.names.tableBytes()
	}
	return n
}

func (z *zset) encoding(*Encodings) string {
	if z.names == nil {
		return "listpack"
	}
	return "skiplist"
}

func (z *zset) clone() object {
	c := &zset{e: z.e, heap: z.heap}
	c.list = make([]zEntry, 0, z.len())
	for member, score := range z.each {
		c.list = append(c.list, zEntry{member, score})
	}
	if z.names != nil {
		c.expand()
	}
	return c
}

func (z *zset) rewrite(key []byte, emit func(args [][]byte)) {
	p := newParts("ZADD", key, emit)
	for member, score := range z.each {
		p.add(appendScore(nil, score), []byte(member))
	}
	p.end()
}

func (z *zset) len() int {
	if z.names != nil {
		return z.tree.n
	}
	return len(z.list)
}

// expand makes a small set a large one.
func (z *zset) expand() {
	z.names, z.tree = newDict[float64](z.e.seed), newZTree()
	for _, n := range z.list {
		z.tree.insert(n.score, n.member)
		z.names.adopt(n.member, n.score)
	}
	z.list = nil
}

// adopt adds a key that is not there without copying it.
func (d *dict[V]) adopt(key string, val V) {
	h := d.hashString(key)
	at, deep := d.bucket(h), uint32(1)
	for n := *at; n != nil; n = n.next {
		deep++
	}
	d.deep = max(d.deep, deep)
	*at = newNode(key, h, *at)
	(*at).val = val
	d.n++
	if uint32(d.n) > d.buckets() {
		d.grow()
	}
}

// score is that of a member.
func (z *zset) scoreOf(member []byte) (score float64, ok bool) {
	if z.names == nil {
		if i := z.index(member); i >= 0 {
			return z.list[i].score, true
		}
		return 0, false
	}
	if n := z.names.find(member); n != nil {
		return n.val, true
	}
	return 0, false
}

// index finds a member of a small set; -1 if it is not there.
func (z *zset) index(member []byte) int {
	for i := range z.list {
		if z.list[i].member == string(member) {
			return i
		}
	}
	return -1
}

// set gives a member a score.
func (z *zset) set(member []byte, score float64) (added, changed bool) {
	if z.names == nil {
		i := z.index(member)
		if i >= 0 || len(z.list) < z.e.limits.ZSetEntries && len(member) <= z.e.limits.ZSetValue {
			return z.setSmall(i, member, score)
		}
		z.expand()
	}
	name, added := z.names.add(member)
	if added {
		name.val = score
		z.tree.insert(score, name.key())
		z.heap += sizeClass(len(member))
		return true, true
	}
	if name.val == score {
		return false, false
	}
	z.tree.move(name.val, score, name.key())
	name.val = score
	return false, true
}

func (z *zset) setSmall(i int, member []byte, score float64) (added, changed bool) {
	entry := zEntry{score: score + 0} // a small set knows no -0, as in Redis
	if i >= 0 {
		if z.list[i].score == score {
			return false, false
		}
		entry.member = z.list[i].member
		z.list = slices.Delete(z.list, i, i+1)
	} else {
		entry.member = string(member)
		z.heap += sizeClass(len(member))
	}
	at := sort.Search(len(z.list), func(k int) bool { return zLess(score, entry.member, z.list[k].score, z.list[k].member) })
	z.list = slices.Insert(z.list, at, entry)
	return i < 0, true
}

// remove takes a member out.
func (z *zset) remove(member []byte) bool {
	if z.names == nil {
		i := z.index(member)
		if i >= 0 {
			z.cut(i, 1, nil)
		}
		return i >= 0
	}
	name := z.names.remove(member)
	if name == nil {
		return false
	}
	z.tree.remove(name.val, name.key())
	z.heap -= sizeClass(len(member))
	return true
}

// cut takes out n entries from a rank on, and tells of each if somebody wants to know.
func (z *zset) cut(rank, n int, gone func(member string, score float64)) {
	if z.names == nil {
		for _, e := range z.list[rank : rank+n] {
			z.heap -= sizeClass(len(e.member))
			if gone != nil {
				gone(e.member, e.score)
			}
		}
		z.list = slices.Delete(z.list, rank, rank+n)
		if cap(z.list) > 16 && len(z.list) < cap(z.list)/4 {
			z.list = slices.Clone(z.list)
		}
		return
	}
	var w zWay
	for range n {
		z.tree.seekRank(&w, rank)
		b, i := w.block[w.leaf], w.at[w.leaf]
		member, score := b.member[i], b.score[i]
		z.tree.removeAt(&w)
		z.names.remove(raw(member))
		z.heap -= sizeClass(len(member))
		if gone != nil {
			gone(member, score)
		}
	}
}

// rank is a member's place, from 0; -1 if it is not there.
func (z *zset) rank(member []byte) (rank int, score float64) {
	if z.names == nil {
		if rank = z.index(member); rank >= 0 {
			score = z.list[rank].score
		}
		return rank, score
	}
	n := z.names.find(member)
	if n == nil {
		return -1, 0
	}
	return z.tree.rank(n.val, n.key()), n.val
}

// at gives the entry of a rank that is there.
func (z *zset) at(rank int) zEntry {
	if z.names == nil {
		return z.list[rank]
	}
	member, score := z.tree.at(rank)
	return zEntry{member, score}
}

// walk visits n entries from a rank on, upwards or downwards; all of them are there.
func (z *zset) walk(rank, n int, down bool, visit func(member string, score float64)) {
	if z.names != nil {
		z.tree.walk(rank, n, down, visit)
		return
	}
	step := 1
	if down {
		step = -1
	}
	for ; n > 0; n-- {
		visit(z.list[rank].member, z.list[rank].score)
		rank += step
	}
}

// each goes through all entries in order.
func (z *zset) each(yield func(member string, score float64) bool) {
	if z.names == nil {
		for _, n := range z.list {
			if !yield(n.member, n.score) {
				return
			}
		}
		return
	}
	for b := z.tree.first(); b != nil; b = b.next {
		for i := range b.n {
			if !yield(b.member[i], b.score[i]) {
				return
			}
		}
	}
}

// below is how many entries are in front of a bound; equal = those that are on it as well.
func (z *zset) below(b *zBound, equal bool) int {
	if z.names != nil {
		return z.tree.below(b, equal)
	}
	return sort.Search(len(z.list), func(i int) bool { return !b.above(z.list[i].score, z.list[i].member, equal) })
}
