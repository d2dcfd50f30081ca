package table

import (
	"encoding/binary"
	"errors"
)

// Decoders of the encodings that this package writes. They allocate for the values asked for and never more, whatever
// the bytes say; a library decoder would believe the counts in them.

var (
	errPageShort = errors.New("page: cut short")
	errPageRun   = errors.New("page: runs do not match the number of values")
	errPageDelta = errors.New("page: wrong delta block")
)

// bitsAt gives the width bits (at most 64) that begin at bit pos of b, least significant first. Bits past the end
// are 0.
func bitsAt(b []byte, pos int, width uint) uint64 {
	i, shift := pos>>3, uint(pos&7)
	var x uint64
	if i+8 <= len(b) {
		x = binary.LittleEndian.Uint64(b[i:]) >> shift
		if shift+width > 64 && i+8 < len(b) {
			x |= uint64(b[i+8]) << (64 - shift)
		}
	} else {
		for k := 0; k < 8 && i+k < len(b); k++ {
			x |= uint64(b[i+k]) << (8 * k)
		}
		x >>= shift
	}
	if width < 64 {
		x &= 1<<width - 1
	}
	return x
}

// decodeHybrid decodes len(dst) values of the RLE and bit-packing hybrid.
func decodeHybrid(dst []uint32, b []byte, width uint) error {
	if width > 32 {
		return errPageRun
	}
	for len(dst) > 0 {
		u, n := binary.Uvarint(b)
		if n <= 0 {
			return errPageShort
		}
		b = b[n:]
		count := u >> 1
		if u&1 == 0 {
			size := int(width+7) / 8
			if count == 0 || count > uint64(len(dst)) || len(b) < size {
				return errPageRun
			}
			x := uint32(bitsAt(b[:size], 0, width))
			for i := range dst[:count] {
				dst[i] = x
			}
			b, dst = b[size:], dst[count:]
			continue
		}
		if count == 0 || count > uint64(len(dst)+7)/8 {
			return errPageRun
		}
		size := int(count) * int(width)
		if len(b) < size {
			return errPageShort
		}
		k := min(int(count)*8, len(dst))
		for i := range dst[:k] {
			dst[i] = uint32(bitsAt(b[:size], i*int(width), width))
		}
		b, dst = b[size:], dst[k:]
	}
	return nil
}

// decodeDelta decodes exactly n values of DELTA_BINARY_PACKED and hands each to put.
func decodeDelta(b []byte, n int, put func(i int, x int64)) error {
	var head [3]uint64
	for i := range head {
		u, k := binary.Uvarint(b)
		if k <= 0 {
			return errPageShort
		}
		head[i], b = u, b[k:]
	}
	block, minis := head[0], head[1]
	if head[2] != uint64(n) || block == 0 || block > 1<<16 || minis == 0 || minis > block || block%minis != 0 || block/minis%8 != 0 {
		return errPageDelta
	}
	x, k := binary.Varint(b)
	if k <= 0 {
		return errPageShort
	}
	b = b[k:]
	if n == 0 {
		return nil
	}
	put(0, x)
	per := int(block / minis)
	for i := 1; i < n; {
		least, k := binary.Varint(b)
		if k <= 0 || len(b) < k+int(minis) {
			return errPageShort
		}
		widths := b[k : k+int(minis)]
		b = b[k+int(minis):]
		for _, w := range widths {
			if i >= n {
				break
			}
			if w > 64 {
				return errPageDelta
			}
			size := min(per*int(w)/8, len(b))
			m := min(per, n-i)
			if size*8 < m*int(w) {
				return errPageShort
			}
			for j := range m {
				x += least + int64(bitsAt(b[:size], j*int(w), uint(w)))
				put(i, x)
				i++
			}
			b = b[size:]
		}
	}
	return nil
}
