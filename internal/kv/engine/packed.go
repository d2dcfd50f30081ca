package engine

import "unsafe"

// packed are a few byte strings one after another, each behind its length: what small hashes and sets are kept in. There
// are few enough of them that going through is as fast as a table.
type packed struct {
	buf []byte
	n   int
}

// view is a string of the same bytes, valid as long as they stay as they are.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) } //nolint:gosec // as long as the bytes

// at gives the string that begins at a place, and where the next one does.
func (p *packed) at(i int) (b []byte, next int) {
	if n := int(p.buf[i]); n < 1<<7 {
		i++
		return p.buf[i : i+n : i+n], i + n
	}
	n, k := readLength(p.buf[i:])
	i += k
	return p.buf[i : i+n : i+n], i + n
}

// find gives where a string begins, and where it ends; -1 if it is not there. It looks at every step'th string only.
func (p *packed) find(b []byte, step int) (from, end int) {
	for i := 0; i < len(p.buf); {
		s, next := p.at(i)
		if len(s) == len(b) && string(s) == string(b) {
			return i, next
		}
		for range step - 1 {
			_, next = p.at(next)
		}
		i = next
	}
	return -1, -1
}

// nth gives the string that has a number, and where the next one begins.
func (p *packed) nth(n int) (b []byte, next int) {
	for ; ; n-- {
		if b, next = p.at(next); n == 0 {
			return b, next
		}
	}
}

// add puts a string behind all others.
func (p *packed) add(b []byte) {
	at := len(p.buf)
	p.splice(at, at, lengthSize(len(b))+len(b))
	copy(p.buf[at+putLength(p.buf[at:], len(b)):], b)
	p.n++
}

// set puts a string in the place of the one between two places.
func (p *packed) set(from, end int, b []byte) {
	p.splice(from, end, lengthSize(len(b))+len(b))
	copy(p.buf[from+putLength(p.buf[from:], len(b)):], b)
}

// cut takes n strings out, which are between two places.
func (p *packed) cut(from, end, n int) {
	p.splice(from, end, 0)
	p.n -= n
}

// splice makes what is between two places so many bytes long. It gives memory back when much of it is free.
func (p *packed) splice(from, end, size int) {
	had := len(p.buf)
	want := had - (end - from) + size
	if want <= cap(p.buf) && cap(p.buf) <= 2*want+64 {
		p.buf = p.buf[:max(had, want)]
		copy(p.buf[from+size:], p.buf[end:had])
		p.buf = p.buf[:want]
		return
	}
	buf := make([]byte, want, int(sizeClass(want+want/4)))
	copy(buf, p.buf[:from])
	copy(buf[from+size:], p.buf[end:])
	p.buf = buf
}

func (p *packed) clone() packed { return packed{buf: copied(p.buf), n: p.n} }
