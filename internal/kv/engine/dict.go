package engine

import (
	"hash/maphash"
	"iter"
	"math/bits"
	"unsafe"
)

// dict is a hash table of keys in linear hashing (Litwin, 1980): it grows and shrinks by one bucket at a time, so no
// insertion ever moves the whole table, and memory comes back as it empties.
//
// Every key has a place in the order of its reversed hash. A bucket holds all keys whose hashes end in the same bits,
// which is one stretch of that order, and splitting a bucket splits its stretch. So a cursor is a place in that order: a
// scan that goes through it once meets every key that is there all the time, whatever happens to the table in between.
type dict[V any] struct {
	segs  [][]*node[V] // the first grows in place, the others have segLen buckets
	level uint         // 1<<level buckets have a number of that many bits; those below split have one bit more
	split uint32
	n     int
	deep  uint32 // keys in one bucket, at most
	seed  maphash.Seed
}

// node is a key with its value. It stays where it is until the key is deleted. The hash lies beside what says where the
// key is: the bytes of a key are somewhere else in memory, and are fetched only when it is probably the right one.
type node[V any] struct {
	next  *node[V]
	first *byte // of the key
	size  uint32
	hash  uint32
	val   V
}

// key is the node's key.
func (n *node[V]) key() string { return unsafe.String(n.first, n.size) } //nolint:gosec // as newNode took it

// newNode makes a node of a key, which stays as it is.
func newNode[V any](key string, hash uint32, next *node[V]) *node[V] {
	first := unsafe.StringData(key) //nolint:gosec // put together again by key
	return &node[V]{next: next, first: first, size: uint32(len(key)), hash: hash}
}

const (
	segBits   = 10
	segLen    = 1 << segBits
	leastBits = 2 // a table has four buckets at least
	shrinkAt  = 2 // buckets a key, from which the table shrinks
)

func newDict[V any](seed maphash.Seed) *dict[V] {
	return &dict[V]{segs: [][]*node[V]{make([]*node[V], 1<<leastBits)}, level: leastBits, seed: seed}
}

func (d *dict[V]) len() int { return d.n }

func (d *dict[V]) buckets() uint32 { return 1<<d.level + d.split }

// hash is that of a key. 32 bits are enough for as many buckets as memory holds.
func (d *dict[V]) hash(key []byte) uint32 { return uint32(maphash.Bytes(d.seed, key)) }

func (d *dict[V]) hashString(key string) uint32 { return uint32(maphash.String(d.seed, key)) }

// bucket is the one that keys of a hash are in.
func (d *dict[V]) bucket(h uint32) *(*node[V]) {
	i := h & (1<<d.level - 1)
	if i < d.split {
		i = h & (1<<(d.level+1) - 1)
	}
	return &d.segs[i>>segBits][i&(segLen-1)]
}

func (d *dict[V]) find(key []byte) *node[V] {
	h := d.hash(key)
	for n := *d.bucket(h); n != nil; n = n.next {
		if n.hash == h && n.key() == string(key) {
			return n
		}
	}
	return nil
}

// add gives the node of a key, a new one if there is none.
func (d *dict[V]) add(key []byte) (n *node[V], added bool) {
	h := d.hash(key)
	at, deep := d.bucket(h), uint32(1)
	for n := *at; n != nil; n = n.next {
		if n.hash == h && n.key() == string(key) {
			return n, false
		}
		deep++
	}
	d.deep = max(d.deep, deep)
	n = newNode(string(key), h, *at)
	*at = n
	d.n++
	if uint32(d.n) > d.buckets() {
		d.grow()
	}
	return n, true
}

// remove takes a key out and gives its node.
func (d *dict[V]) remove(key []byte) *node[V] {
	h := d.hash(key)
	for at := d.bucket(h); *at != nil; at = &(*at).next {
		if n := *at; n.hash == h && n.key() == string(key) {
			*at = n.next
			n.next = nil
			d.n--
			for range 2 * shrinkAt { // an emptying table follows its keys, and no removal takes long
				if uint32(d.n) >= d.buckets()/shrinkAt || !d.shrink() {
					break
				}
			}
			return n
		}
	}
	return nil
}

// grow splits one bucket into two.
func (d *dict[V]) grow() {
	at := d.buckets()
	seg := int(at >> segBits)
	switch {
	case seg < len(d.segs) && int(at&(segLen-1)) < len(d.segs[seg]):
	case seg == 0:
		first := make([]*node[V], min(2*len(d.segs[0]), segLen))
		copy(first, d.segs[0])
		d.segs[0] = first
	default:
		d.segs = append(d.segs, make([]*node[V], segLen))
	}
	from := &d.segs[d.split>>segBits][d.split&(segLen-1)]
	to := &d.segs[seg][at&(segLen-1)]
	bit := uint32(1) << d.level
	for link := from; *link != nil; {
		n := *link
		if n.hash&bit == 0 {
			link = &n.next
			continue
		}
		*link = n.next
		n.next = *to
		*to = n
	}
	if d.split++; d.split == 1<<d.level {
		d.level, d.split = d.level+1, 0
	}
}

// shrink puts the last bucket's keys back where they were split from; false of the smallest table.
func (d *dict[V]) shrink() bool {
	if d.buckets() == 1<<leastBits {
		return false
	}
	if d.split == 0 {
		d.level--
		d.split = 1 << d.level
	}
	d.split--
	last := d.buckets()
	seg := int(last >> segBits)
	from := &d.segs[seg][last&(segLen-1)]
	to := &d.segs[d.split>>segBits][d.split&(segLen-1)]
	deep := uint32(0)
	for ; *to != nil; to = &(*to).next {
		deep++
	}
	for n := *from; n != nil; n = n.next {
		deep++
	}
	d.deep = max(d.deep, deep)
	*to, *from = *from, nil
	switch {
	case seg > 0 && last&(segLen-1) == 0:
		d.segs[seg] = nil
		d.segs = d.segs[:seg]
	case seg == 0 && last > 1<<leastBits && int(last) <= len(d.segs[0])/2:
		first := make([]*node[V], len(d.segs[0])/2)
		copy(first, d.segs[0])
		d.segs[0] = first
	}
	return true
}

// scan calls visit for the keys of the bucket at a cursor and gives the cursor of the next one, 0 after the last. A key
// that is there during a whole scan is visited at least once. The table must not change within visit.
func (d *dict[V]) scan(cursor uint64, visit func(n *node[V])) uint64 {
	h := bits.Reverse32(uint32(cursor))
	width := d.level
	i := h & (1<<d.level - 1)
	if i < d.split {
		width++
		i = h & (1<<width - 1)
	}
	for n := d.segs[i>>segBits][i&(segLen-1)]; n != nil; n = n.next {
		visit(n)
	}
	// The bucket's stretch of the order begins with its number reversed and is as long as the bits leave.
	next := uint64(bits.Reverse32(i)) + 1<<(32-width)
	if next >= 1<<32 {
		return 0
	}
	return next
}

// all goes through the keys in no order. The table must not change meanwhile.
func (d *dict[V]) all() iter.Seq[*node[V]] {
	return func(yield func(*node[V]) bool) {
		for _, seg := range d.segs {
			for _, n := range seg {
				for ; n != nil; n = n.next {
					if !yield(n) {
						return
					}
				}
			}
		}
	}
}

// random gives one of the keys, each with about the same chance; nil of an empty table. pick gives a number below its
// argument.
func (d *dict[V]) random(pick func(n uint32) uint32) *node[V] {
	if d.n == 0 {
		return nil
	}
	// A bucket has as good a chance as another, so a key's depends on how many share its own. Of a few buckets in a row
	// one is taken by its keys.
	const few = 4
	for {
		var count uint32
		var found *node[V]
		from := pick(d.buckets())
		for j := range uint32(few) {
			i := (from + j) % d.buckets()
			for n := d.segs[i>>segBits][i&(segLen-1)]; n != nil; n = n.next {
				if count++; pick(count) == 0 {
					found = n
				}
			}
		}
		if found != nil {
			return found
		}
	}
}

// fairDepth bounds the places that fair tries in a bucket. At most one bucket in two hundred has more keys; theirs are
// picked a little less often.
const fairDepth = 6

// fair gives one of the keys, each with the same chance; nil of an empty table. A place in a bucket is picked among as many
// as the fullest bucket has, until there is a key in it.
func (d *dict[V]) fair(pick func(n uint32) uint32) *node[V] {
	if d.n == 0 {
		return nil
	}
	deep := min(d.deep, uint32(d.n), fairDepth)
	for {
		i := pick(d.buckets())
		first := d.segs[i>>segBits][i&(segLen-1)]
		if first == nil {
			continue
		}
		place := pick(deep)
		n, at := first, uint32(0)
		for ; at < place && n != nil; at++ {
			n = n.next
		}
		if n == nil {
			continue
		}
		for rest := n; rest != nil; rest = rest.next {
			at++
		}
		if at <= deep {
			return n
		}
		for place = pick(at); place > 0; place-- {
			first = first.next
		}
		return first
	}
}

// sample gives n different keys, any with the same chance as others; there are more.
func (d *dict[V]) sample(n int, pick func(n uint32) uint32) []*node[V] {
	if n > d.n/3 { // most picks would hit the same ones
		list := make([]*node[V], 0, d.n)
		for n := range d.all() {
			list = append(list, n)
		}
		draw(list, n, pick)
		return list[:n]
	}
	list, seen := make([]*node[V], 0, n), make(map[*node[V]]bool, n)
	for len(list) < n {
		if k := d.fair(pick); !seen[k] {
			seen[k] = true
			list = append(list, k)
		}
	}
	return list
}

// some visits a few of the keys, those of buckets in a row. pick gives a number below its argument.
func (d *dict[V]) some(n int, pick func(n uint32) uint32, visit func(n *node[V])) {
	if d.n == 0 {
		return
	}
	buckets := d.buckets()
	from := pick(buckets)
	for step := range buckets {
		i := (from + step) % buckets
		for k := d.segs[i>>segBits][i&(segLen-1)]; k != nil; k = k.next {
			visit(k)
			if n--; n <= 0 {
				return
			}
		}
	}
}

// tableBytes is what the buckets take; nodes and keys are the owner's to count.
func (d *dict[V]) tableBytes() int64 { return int64(d.buckets()) * 8 }
