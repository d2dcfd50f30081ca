package engine

import "math/rand/v2"

// skipList keeps entries in the order of their scores, and of their names where scores are equal (Pugh, 1990). Every link
// knows how many entries it leads past, so that an entry's rank is found as fast as the entry.
type skipList struct {
	head   zNode // of no entry: the links to the first of each level
	tail   *zNode
	n      int
	towers int64 // bytes of the links above the lowest level
}

// zNode is an entry. Three of four entries are on the lowest level alone and have no tower.
type zNode struct {
	member     string
	score      float64
	prev, next *zNode // prev of the first is nil
	tower      []zLink
}

// zLink is a link of a higher level.
type zLink struct {
	to   *zNode
	span int // entries from here to there; to the last if there is no further one
}

const (
	zNodeBytes = 64
	zLinkBytes = 16
	zLevels    = 20 // above the lowest: enough for 4^20 entries
)

// path is the way to a place in the list: on each level the last node in front of it and that node's rank, from 1.
type path struct {
	node [zLevels + 1]*zNode
	rank [zLevels + 1]int
}

// zLess is the order of entries.
func zLess(score float64, member string, score2 float64, member2 string) bool {
	return score < score2 || score == score2 && member < member2
}

// seek finds the way to where an entry is or belongs.
func (l *skipList) seek(p *path, score float64, member string) {
	x, rank := &l.head, 0
	var past *zNode // is not in front: levels below often lead to the same one
	for i := len(x.tower); i > 0; i-- {
		for {
			k := &x.tower[i-1]
			if k.to == past {
				break
			}
			if !zLess(k.to.score, k.to.member, score, member) {
				past = k.to
				break
			}
			rank += k.span
			x = k.to
		}
		p.node[i], p.rank[i] = x, rank
	}
	for x.next != past && zLess(x.next.score, x.next.member, score, member) {
		x = x.next
		rank++
	}
	p.node[0], p.rank[0] = x, rank
}

// seekRank finds the way to the entry of a rank, from 0.
func (l *skipList) seekRank(p *path, rank int) {
	x, at := &l.head, 0
	for i := len(x.tower); i > 0; i-- {
		for k := x.tower[i-1]; k.to != nil && at+k.span <= rank; k = x.tower[i-1] {
			at += k.span
			x = k.to
		}
		p.node[i], p.rank[i] = x, at
	}
	for ; at < rank && x.next != nil; at++ {
		x = x.next
	}
	p.node[0], p.rank[0] = x, at
}

// newZNode makes a node with a tower of random height. Low towers lie behind their nodes, where they are met in the cache.
func newZNode(member string, score float64, rng *rand.Rand) *zNode {
	var n *zNode
	switch h := zHeight(rng); h {
	case 0:
		n = &zNode{}
	case 1:
		tall := &struct {
			node  zNode
			links [1]zLink
		}{}
		n, tall.node.tower = &tall.node, tall.links[:]
	case 2:
		tall := &struct {
			node  zNode
			links [2]zLink
		}{}
		n, tall.node.tower = &tall.node, tall.links[:]
	case 3:
		tall := &struct {
			node  zNode
			links [3]zLink
		}{}
		n, tall.node.tower = &tall.node, tall.links[:]
	default:
		n = &zNode{tower: make([]zLink, h)}
	}
	n.member, n.score = member, score
	return n
}

// insert puts a node where it belongs.
func (l *skipList) insert(n *zNode) {
	var p path
	l.seek(&p, n.score, n.member)
	height := len(n.tower)
	for len(l.head.tower) < height {
		l.head.tower = append(l.head.tower, zLink{span: l.n})
		p.node[len(l.head.tower)], p.rank[len(l.head.tower)] = &l.head, 0
	}
	l.towers += sizeClass(height * zLinkBytes)
	before := p.node[0]
	n.prev, n.next = before, before.next
	if before == &l.head {
		n.prev = nil
	}
	before.next = n
	if n.next != nil {
		n.next.prev = n
	} else {
		l.tail = n
	}
	for i := 1; i <= len(l.head.tower); i++ {
		k := &p.node[i].tower[i-1]
		if i > height {
			k.span++
			continue
		}
		past := p.rank[0] - p.rank[i] // entries between the node in front and this one
		n.tower[i-1] = zLink{k.to, k.span - past}
		k.to, k.span = n, past+1
	}
	l.n++
}

// zHeight is how many levels above the lowest an entry is on: each with a chance of a quarter.
func zHeight(rng *rand.Rand) int {
	h := 0
	for r := rng.Uint64(); r&3 == 0 && h < zLevels; r >>= 2 {
		h++
	}
	return h
}

// remove takes out the node that a way leads to.
func (l *skipList) remove(p *path, n *zNode) {
	for i := range l.head.tower {
		k := &p.node[i+1].tower[i]
		if k.to == n {
			k.to, k.span = n.tower[i].to, k.span+n.tower[i].span-1
		} else {
			k.span--
		}
	}
	p.node[0].next = n.next
	if n.next != nil {
		n.next.prev = n.prev
	} else {
		l.tail = n.prev
	}
	for h := len(l.head.tower); h > 0 && l.head.tower[h-1].to == nil; h-- {
		l.head.tower = l.head.tower[:h-1]
	}
	l.towers -= sizeClass(len(n.tower) * zLinkBytes)
	l.n--
}

// at gives the node of a rank, from 0; nil if there is none.
func (l *skipList) at(rank int) *zNode {
	switch {
	case rank >= l.n:
		return nil
	case rank == 0:
		return l.head.next
	case rank == l.n-1:
		return l.tail
	}
	var p path
	l.seekRank(&p, rank)
	return p.node[0].next
}

// below is how many entries are in front of a bound.
func (l *skipList) below(b *zBound, equal bool) int {
	x, rank := &l.head, 0
	var past *zNode
	for i := len(x.tower); i > 0; i-- {
		for {
			k := &x.tower[i-1]
			if k.to == past {
				break
			}
			if !b.above(k.to.score, k.to.member, equal) {
				past = k.to
				break
			}
			rank += k.span
			x = k.to
		}
	}
	for x.next != past && b.above(x.next.score, x.next.member, equal) {
		x = x.next
		rank++
	}
	return rank
}

// fits says whether a node would stay where it is with another score.
func (l *skipList) fits(n *zNode, score float64) bool {
	return (n.prev == nil || zLess(n.prev.score, n.prev.member, score, n.member)) &&
		(n.next == nil || zLess(score, n.member, n.next.score, n.next.member))
}
