package engine

// chunk is a piece of a list: elements packed one after another in the middle of a buffer, with room at both ends. An
// element is its length, its bytes, and its length once more, so that it can be met from either side.
type chunk struct {
	prev, next *chunk
	buf        []byte
	from, end  int // where the elements are
	n          int
}

const (
	chunkLeast = 64   // bytes of a new list's buffer
	chunkMost  = 4096 // bytes of elements in a chunk, unless one alone is longer
	chunkBytes = 64   // chunk
)

// lengthSize is how many bytes a length takes.
func lengthSize(n int) int {
	size := 1
	for n >= 1<<7 {
		n >>= 7
		size++
	}
	return size
}

// packedSize is how many bytes an element takes.
func packedSize(n int) int { return n + 2*lengthSize(n) }

// putLength writes a length to be read forwards and gives its size.
func putLength(to []byte, n int) int {
	i := 0
	for ; n >= 1<<7; i++ {
		to[i] = byte(n) | 1<<7
		n >>= 7
	}
	to[i] = byte(n)
	return i + 1
}

// readLength reads what putLength has written.
func readLength(b []byte) (n, size int) {
	for shift := 0; ; shift += 7 {
		c := b[size]
		n |= int(c&(1<<7-1)) << shift
		size++
		if c < 1<<7 {
			return n, size
		}
	}
}

// putElement writes an element to where it has room.
func putElement(to, b []byte) {
	k := putLength(to, len(b))
	copy(to[k:], b)
	n := len(b)
	for i := k + len(b) + k - 1; ; i-- {
		if n < 1<<7 {
			to[i] = byte(n)
			return
		}
		to[i] = byte(n) | 1<<7
		n >>= 7
	}
}

// elementAt gives the element that begins at a place, and where the next one does.
func (c *chunk) elementAt(at int) (b []byte, next int) {
	n, k := readLength(c.buf[at:])
	at += k
	return c.buf[at : at+n : at+n], at + n + k
}

// before gives where the element begins that ends at a place.
func (c *chunk) before(at int) int {
	n, k := 0, 0
	for shift := 0; ; shift += 7 {
		k++
		b := c.buf[at-k]
		n |= int(b&(1<<7-1)) << shift
		if b < 1<<7 {
			return at - n - 2*k
		}
	}
}

func (c *chunk) size() int { return c.end - c.from }

// makeRoom has at least n bytes free in front of the elements, or behind them; false if the chunk would get too large.
// Most of the free room goes to the side that asks: elements are moved once in many calls.
func (c *chunk) makeRoom(n int, front bool) bool {
	if front && c.from >= n || !front && len(c.buf)-c.end >= n {
		return true
	}
	size := c.size()
	if size > 0 && size+n > chunkMost {
		return false
	}
	buf := c.buf
	if size+n > len(buf)-len(buf)/4 {
		want := max(2*len(buf), chunkLeast)
		for want < size+n {
			want *= 2
		}
		if want > chunkMost {
			want = max(chunkMost, size+n)
		}
		if want > len(buf) {
			buf = make([]byte, want)
		}
	}
	c.place(buf, n, front)
	return true
}

// place moves the elements into a buffer, which may be their own, with n bytes free on one side at least.
func (c *chunk) place(buf []byte, n int, front bool) {
	size := c.size()
	other := (len(buf) - size - n) / 4 // of what is left the side that asks has three quarters
	at := other
	if front {
		at = len(buf) - size - other
	}
	copy(buf[at:at+size], c.buf[c.from:c.end])
	c.buf, c.from, c.end = buf, at, at+size
}

func (c *chunk) pushFront(b []byte) {
	c.from -= packedSize(len(b))
	putElement(c.buf[c.from:], b)
	c.n++
}

func (c *chunk) pushBack(b []byte) {
	putElement(c.buf[c.end:], b)
	c.end += packedSize(len(b))
	c.n++
}

// cut takes the bytes between two places out, which are n elements.
func (c *chunk) cut(from, end, n int) {
	switch {
	case from == c.from:
		c.from = end
	case end == c.end:
		c.end = from
	case from-c.from < c.end-end:
		copy(c.buf[c.from+end-from:end], c.buf[c.from:from])
		c.from += end - from
	default:
		copy(c.buf[from:], c.buf[end:c.end])
		c.end -= end - from
	}
	c.n -= n
}
