package eurobalise

import "encoding/binary"

// window is the bits in work, 64 to a word and the first one highest, with zeros after the end.
type window struct {
	words [LongBits/64 + 2]uint64 // one more than needed, so that two neighbours can always be read
	n     int
	start int    // where the telegram begins
	flip  uint64 // all ones when it is inverted
}

// load takes the first n bits of b, which holds no byte more.
func (w *window) load(b []byte, n int) {
	*w = window{n: n}
	for i := range w.words {
		if len(b) < 8 {
			var last [8]byte
			copy(last[:], b)
			w.words[i] = binary.BigEndian.Uint64(last[:])
			break
		}
		w.words[i] = binary.BigEndian.Uint64(b)
		b = b[8:]
	}
	if n%64 != 0 {
		w.words[n/64] &= ^uint64(0) << (64 - n%64)
	}
}

// take gives k bits, 1 to 12, from bit at of the telegram.
func (w *window) take(at, k int) uint64 {
	if at += w.start; at >= w.n {
		at -= w.n
	}
	v := w.top(at)
	if left := w.n - at; left < k { // goes on at the front
		v |= w.words[0] >> left
	}
	return (v ^ w.flip) >> (64 - k)
}

// top gives the bits from a place on, the first one highest.
func (w *window) top(at int) uint64 {
	i, off := at/64, at%64
	return w.words[i]<<off | w.words[i+1]>>1>>(63-off)
}
