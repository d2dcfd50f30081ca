package resp

import goruntime "runtime"

const (
	longRest  = 256 << 10 // bytes of a command that are still to come, from which on they are collected in parts
	mostPart  = 1 << 20   // bytes of a part
	copyPiece = 64 << 10  // bytes that are copied at once
)

// A command of which much is still to come is collected in parts, each made when the one before it is full: a length that lies
// costs nothing, and what came is not moved to a larger buffer again and again. It is copied once, when all of it is there.

// long says that what comes next belongs to such a command, all of it.
func (r *Reader) long() bool {
	return len(r.parts) > 0 || r.r == r.p && r.w == len(r.buf) && r.need-(r.w-r.r) > longRest && r.need > len(r.buf)-r.r
}

// readPart reads what is still to come of the command, or some of it.
func (r *Reader) readPart() (n int, err error) {
	last := len(r.parts) - 1
	if last < 0 || len(r.parts[last]) == cap(r.parts[last]) {
		size := min(max(r.Buffered(), startBuffer), mostPart, r.need-r.Buffered())
		r.parts = append(r.parts, make([]byte, 0, size))
		last++
	}
	part := r.parts[last]
	n, err = r.src.Read(part[len(part):min(cap(part), len(part)+mostRead)])
	r.parts[last] = part[:len(part)+n]
	r.partBytes += n
	if r.Buffered() == r.need {
		r.assemble()
	}
	return n, err //nolint:wrapcheck // as an io.Reader's
}

// assemble puts the parts behind each other. Others may run meanwhile: a copy of all at once into memory that the system gives
// page by page takes tens of milliseconds in which the goroutine cannot be interrupted, and when the garbage collector wants
// to stop all for a moment, all wait for that.
func (r *Reader) assemble() {
	b := make([]byte, max(r.need+startBuffer, 2*len(r.buf))) // there may be more such arguments
	w := copy(b, r.buf[r.r:r.w])
	for i, part := range r.parts {
		w = r.move(b, w, part)
		r.parts[i] = nil
	}
	r.buf, r.r, r.p, r.w = b, 0, 0, w
	clear(r.args[:cap(r.args)])
	r.parts, r.partBytes = nil, 0
}

// move copies a part to its place and gives the one behind it.
func (r *Reader) move(to []byte, at int, from []byte) int {
	for len(from) > 0 {
		n := copy(to[at:], from[:min(len(from), copyPiece)])
		from = from[n:]
		if at += n; len(from) > 0 {
			goruntime.Gosched()
		}
	}
	return at
}

// growCuts has room for twice as many. What is there is copied in pieces too, but without letting others run, who may wait for a
// lock that the caller has.
func (r *Reader) growCuts() {
	n := len(r.cuts)
	more := make([]int, n, max(2*n, 16))
	for from := 0; from < n; from += copyPiece / 8 {
		to := min(from+copyPiece/8, n)
		copyInts(more[from:to], r.cuts[from:to])
	}
	r.cuts = more
}

// copyInts is a place where the goroutine can be interrupted, which a loop without calls has none of.
//
//go:noinline
func copyInts(to, from []int) { copy(to, from) }
