package eurobalise

import "encoding/binary"

// windowWords is how a window is kept: 64 bits to a word, the first one highest, with zeros after the end. It is more
// than a telegram needs, so that two neighbours can always be read, and a power of two: see split.
const windowWords = 32

// window is bits in work.
type window [windowWords]uint64

// load takes the first n bits of b, which holds no byte more.
func (w *window) load(b []byte, n int) {
	*w = window{}
	for i := range w {
		if len(b) < 8 {
			var last [8]byte
			copy(last[:], b)
			w[i] = binary.BigEndian.Uint64(last[:])
			break
		}
		w[i] = binary.BigEndian.Uint64(b)
		b = b[8:]
	}
	if n%64 != 0 {
		w[n/64] &= ^uint64(0) << (64 - n%64)
	}
}

// turn takes the n bits of another window, which has zeros after them, from place start on and then from the front.
// What comes after n bits here is not defined.
func (w *window) turn(from *window, start, n int) {
	for i := range (n + 63) / 64 {
		at := start + 64*i
		if at >= n {
			at -= n
		}
		w[i] = from.top(at)
		if left := n - at; left < 64 {
			w[i] |= from[0] >> left
		}
	}
}

// invert turns every bit over.
func (w *window) invert() {
	for i := range w {
		w[i] = ^w[i]
	}
}

// take gives k bits, 1 to 64, from a place on.
func (w *window) take(at, k int) uint64 { return w.top(at) >> (64 - k) }

// top gives the bits from a place on, the first one highest.
func (w *window) top(at int) uint64 {
	i, off := at/64, at%64
	return w[i]<<off | w[i+1]>>1>>(63-off)
}
