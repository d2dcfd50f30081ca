package engine

import "bytes"

// checkLength says whether a string may get a length; false after the error.
func (c *Ctx) checkLength(n int64) bool {
	if n < 0 || n > maxString {
		c.Fail(errTooLong)
		return false
	}
	return true
}

func appendCmd(c *Ctx) {
	key, more := c.Args[1], c.Args[2]
	it, ok := c.writeString(key)
	if !ok {
		return
	}
	if it == nil {
		it = c.db.put(key)
		c.setString(it, more)
	} else {
		if !c.checkLength(int64(len(it.val.str)) + int64(len(more))) {
			return
		}
		c.setRaw(it, append(it.val.str, more...))
	}
	c.changed(key, it, '$', "append")
	c.Out.Int(int64(len(it.val.str)))
}

func strlenCmd(c *Ctx) {
	it, ok := c.readString(c.Args[1])
	switch {
	case !ok:
	case it == nil:
		c.Out.Int(0)
	default:
		c.Out.Int(int64(len(it.val.str)))
	}
}

func setrangeCmd(c *Ctx) {
	key, part := c.Args[1], c.Args[3]
	at, ok := c.Int(2)
	if !ok {
		return
	}
	if at < 0 {
		c.Fail("ERR offset is out of range")
		return
	}
	it, ok := c.writeString(key)
	if !ok {
		return
	}
	had := 0
	if it != nil {
		had = len(it.val.str)
	}
	if len(part) == 0 {
		c.Out.Int(int64(had))
		return
	}
	if at > maxString || !c.checkLength(at+int64(len(part))) {
		if at > maxString {
			c.Fail(errTooLong)
		}
		return
	}
	if it == nil {
		it = c.db.put(key)
	}
	b := lengthen(it.val.str, int(at)+len(part))
	copy(b[at:], part)
	c.setRaw(it, b)
	c.changed(key, it, '$', "setrange")
	c.Out.Int(int64(len(b)))
}

// lengthen gives a string at least a length, with zeros behind it. One that grows again and again is not copied each
// time.
func lengthen(b []byte, n int) []byte {
	if n <= len(b) {
		return b
	}
	if n <= cap(b) {
		had := len(b)
		b = b[:n]
		clear(b[had:])
		return b
	}
	if len(b) == 0 {
		return make([]byte, n)
	}
	return append(b, make([]byte, n-len(b))...)
}

func getrangeCmd(c *Ctx) {
	from, ok := c.Int(2)
	if !ok {
		return
	}
	to, ok := c.Int(3)
	if !ok {
		return
	}
	it, ok := c.readString(c.Args[1])
	if !ok {
		return
	}
	if it == nil || from < 0 && to < 0 && from > to {
		c.Out.Bulk(nil)
		return
	}
	from, to = within(from, to, int64(len(it.val.str)))
	c.Out.Bulk(it.val.str[from:to])
}

// within turns the first and the last place of a range, counted from the end below zero, into a slice's bounds.
func within(first, last, n int64) (from, to int64) {
	if first < 0 {
		first = max(first+n, 0)
	}
	if last < 0 {
		last = max(last+n, 0)
	}
	last = min(last, n-1)
	if first > last {
		return 0, 0
	}
	return first, last + 1
}

const (
	errLCSBoth   = "ERR If you want both the length and indexes, please just use IDX."
	errLCSMemory = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
)

// lcsCall is one LCS: what was asked and the table of lengths, whose row i and column j tell of the first i bytes of a and
// the first j of b.
type lcsCall struct {
	c            *Ctx
	a, b         []byte
	idx, length  bool
	withLen      bool
	least        int64
	table        []uint32
	width        int
	found        int // ranges answered
	lastA, lastB int // where the range begins that is being followed, from 1; 0 = none
	run          int // its length
}

func lcsCmd(c *Ctx) {
	l := lcsCall{c: c}
	a, b := c.read(c.Args[1]), c.read(c.Args[2])
	if a != nil && a.val.obj != nil || b != nil && b.val.obj != nil {
		c.Fail("ERR The specified keys must contain string values")
		return
	}
	if a != nil {
		l.a = a.val.str
	}
	if b != nil {
		l.b = b.val.str
	}
	if !l.options() {
		return
	}
	if (int64(len(l.a))+1)*(int64(len(l.b))+1) > maxString/4 {
		c.Fail(errLCSMemory)
		return
	}
	l.fill()
	total := int64(l.at(len(l.a), len(l.b)))
	switch {
	case l.idx:
		c.Out.Map(2)
		c.Out.BulkString("matches")
		mark := c.Out.Mark()
		l.walk()
		c.Out.ArrayAt(mark, l.found)
		c.Out.BulkString("len")
		c.Out.Int(total)
	case l.length:
		c.Out.Int(total)
	default:
		c.Out.Bulk(l.walk())
	}
}

func (l *lcsCall) options() bool {
	c := l.c
	for i := 3; i < len(c.Args); i++ {
		switch {
		case c.Is(i, "idx"):
			l.idx = true
		case c.Is(i, "len"):
			l.length = true
		case c.Is(i, "withmatchlen"):
			l.withLen = true
		case c.Is(i, "minmatchlen") && i+1 < len(c.Args):
			n, ok := c.Int(i + 1)
			if !ok {
				return false
			}
			l.least = max(n, 0)
			i++
		default:
			c.Fail(errSyntax)
			return false
		}
	}
	if l.idx && l.length {
		c.Fail(errLCSBoth)
		return false
	}
	return true
}

func (l *lcsCall) at(i, j int) uint32 { return l.table[i*l.width+j] }

func (l *lcsCall) fill() {
	l.width = len(l.b) + 1
	l.table = make([]uint32, (len(l.a)+1)*l.width)
	for i, x := range l.a {
		above, row := l.table[i*l.width:(i+1)*l.width], l.table[(i+1)*l.width:(i+2)*l.width]
		for j, y := range l.b {
			if x == y {
				row[j+1] = above[j] + 1
			} else {
				row[j+1] = max(above[j+1], row[j])
			}
		}
	}
}

// walk goes from the end of the table to its beginning along one longest subsequence, which it gives, and answers the
// ranges that lie in one piece in both strings.
func (l *lcsCall) walk() []byte {
	out := bytes.Buffer{}
	i, j := len(l.a), len(l.b)
	for i > 0 && j > 0 {
		if l.a[i-1] == l.b[j-1] {
			if l.run > 0 && (l.lastA != i+1 || l.lastB != j+1) {
				l.emit()
			}
			l.lastA, l.lastB = i, j
			l.run++
			out.WriteByte(l.a[i-1])
			i--
			j--
			continue
		}
		l.emit()
		if l.at(i-1, j) > l.at(i, j-1) {
			i--
		} else {
			j--
		}
	}
	l.emit()
	b := out.Bytes()
	for x, y := 0, len(b)-1; x < y; x, y = x+1, y-1 {
		b[x], b[y] = b[y], b[x]
	}
	return b
}

// emit answers the range that has been followed, if there is one and it is long enough.
func (l *lcsCall) emit() {
	n := l.run
	l.run = 0
	if n == 0 || !l.idx || int64(n) < l.least {
		return
	}
	out := l.c.Out
	l.found++
	if l.withLen {
		out.Array(3)
	} else {
		out.Array(2)
	}
	for _, from := range [2]int{l.lastA - 1, l.lastB - 1} {
		out.Array(2)
		out.Int(int64(from))
		out.Int(int64(from + n - 1))
	}
	if l.withLen {
		out.Int(int64(n))
	}
}
