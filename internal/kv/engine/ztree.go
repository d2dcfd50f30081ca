package engine

// zTree keeps entries in the order of their scores, and of their names where scores are equal: a B+ tree (Bayer and
// McCreight, 1972; Comer, 1979) whose inner blocks know how many entries are below each of their kids, so that an entry's
// rank is found as fast as the entry. A skip list, which is a node an entry, meets a cache line or two at every step of the
// way: ZADD among a million members took 7.2 µs of processor time with one (redis-benchmark -P 16 -r 1000000), and takes
// 3.3 with this.
type zTree struct {
	root          *zBlock
	n             int
	leaves, inner int // blocks
}

// zBlock is a leaf with entries, or an inner block with kids. Of an inner block score and member are the first entry below
// each kid.
type zBlock struct {
	n          int
	score      [zFan]float64
	member     [zFan]string
	under      *zUnder // nil of a leaf
	prev, next *zBlock // of a leaf
}

// zUnder are the kids of an inner block.
type zUnder struct {
	kid  [zFan]*zBlock
	size [zFan]int // entries below
}

const (
	zFan        = 62 // fills Go's class of 1536 bytes
	zSparse     = zFan / 4
	zLeafBytes  = 1536
	zInnerBytes = zLeafBytes + 1024
	zTreeBytes  = 32

	// zDepth is more than the levels there can be: neighbours that would fit into one block have one of zSparse at least, so
	// blocks have eight kids and more on an average, and memory ends before 2^40 entries.
	zDepth = 16
)

// zWay is the way from the root to a place in a leaf: the blocks, and in each the place of the kid or of the entry.
type zWay struct {
	block [zDepth]*zBlock
	at    [zDepth]int
	leaf  int // level of the leaf
}

// zLess is the order of entries.
func zLess(score float64, member string, score2 float64, member2 string) bool {
	return score < score2 || score == score2 && member < member2
}

func newZTree() *zTree { return &zTree{root: &zBlock{}, leaves: 1} }

// bytes is what the blocks take.
func (t *zTree) bytes() int64 {
	return zTreeBytes + int64(t.leaves)*zLeafBytes + int64(t.inner)*zInnerBytes
}

// place is how many entries of a block are in front of another.
func (b *zBlock) place(score float64, member string) int {
	lo, hi := 0, b.n
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if zLess(b.score[mid], b.member[mid], score, member) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// kidOf is the place of the kid that an entry is below, or belongs below.
func (b *zBlock) kidOf(score float64, member string) int {
	lo, hi := 0, b.n
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if zLess(score, member, b.score[mid], b.member[mid]) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return max(lo-1, 0)
}

// seek finds the way to an entry that is there.
func (t *zTree) seek(w *zWay, score float64, member string) {
	b, level := t.root, 0
	for ; b.under != nil; level++ {
		k := b.kidOf(score, member)
		w.block[level], w.at[level] = b, k
		b = b.under.kid[k]
	}
	w.block[level], w.at[level], w.leaf = b, b.place(score, member), level
}

// seekRank finds the way to the entry of a rank that is there, from 0.
func (t *zTree) seekRank(w *zWay, rank int) {
	b, level := t.root, 0
	for ; b.under != nil; level++ {
		k := 0
		for ; rank >= b.under.size[k]; k++ {
			rank -= b.under.size[k]
		}
		w.block[level], w.at[level] = b, k
		b = b.under.kid[k]
	}
	w.block[level], w.at[level], w.leaf = b, rank, level
}

// before is how many entries are below the kids in front of one.
func (u *zUnder) before(k int) int {
	n := 0
	for _, size := range u.size[:k] {
		n += size
	}
	return n
}

// rank is the place of an entry that is there, from 0.
func (t *zTree) rank(score float64, member string) int {
	b, rank := t.root, 0
	for b.under != nil {
		k := b.kidOf(score, member)
		rank += b.under.before(k)
		b = b.under.kid[k]
	}
	return rank + b.place(score, member)
}

// below is how many entries are in front of a bound; equal = those that are on it as well.
func (t *zTree) below(bound *zBound, equal bool) int {
	for b, rank := t.root, 0; ; {
		lo, hi := 0, b.n
		for lo < hi {
			mid := int(uint(lo+hi) / 2)
			if bound.above(b.score[mid], b.member[mid], equal) {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		if b.under == nil {
			return rank + lo
		}
		k := max(lo-1, 0)
		rank += b.under.before(k)
		b = b.under.kid[k]
	}
}

// at gives the entry of a rank that is there.
func (t *zTree) at(rank int) (member string, score float64) {
	var w zWay
	t.seekRank(&w, rank)
	b, i := w.block[w.leaf], w.at[w.leaf]
	return b.member[i], b.score[i]
}

// walk visits n entries from a rank on, upwards or downwards; all of them are there.
func (t *zTree) walk(rank, n int, down bool, visit func(member string, score float64)) {
	if n == 0 {
		return
	}
	var w zWay
	t.seekRank(&w, rank)
	b, i := w.block[w.leaf], w.at[w.leaf]
	for ; ; n-- {
		visit(b.member[i], b.score[i])
		switch {
		case n == 1:
			return
		case !down && i == b.n-1:
			b, i = b.next, 0
		case !down:
			i++
		case i == 0:
			b = b.prev
			i = b.n - 1
		default:
			i--
		}
	}
}

// first is the leaf of the first entry.
func (t *zTree) first() *zBlock {
	b := t.root
	for b.under != nil {
		b = b.under.kid[0]
	}
	return b
}
