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

// deltaRun is how many differences are unpacked at a time: two miniblocks of the usual 32.
const deltaRun = 64

// decodeDelta decodes exactly n values of DELTA_BINARY_PACKED into dst, w bytes each.
func decodeDelta(dst, b []byte, n, w int) error {
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
	putInt(dst, w, 0, x)
	per := int(block / minis)
	for i := 1; i < n; {
		least, k := binary.Varint(b)
		if k <= 0 || len(b) < k+int(minis) {
			return errPageShort
		}
		widths := b[k : k+int(minis)]
		b = b[k+int(minis):]
		for _, width := range widths {
			if i >= n {
				break
			}
			if width > 64 {
				return errPageDelta
			}
			size := min(per*int(width)/8, len(b))
			m := min(per, n-i)
			if size*8 < m*int(width) {
				return errPageShort
			}
			x = addDeltas(dst[i*w:(i+m)*w], w, b, uint(width), x, least)
			i += m
			b = b[size:]
		}
	}
	return nil
}

// addDeltas fills dst with the sums of x and the differences packed in b, each least more than what is packed, and
// gives the last sum. It runs once a value of everything that is read: the common widths are unpacked in a loop
// without calls.
func addDeltas(dst []byte, w int, b []byte, width uint, x, least int64) int64 {
	var run [deltaRun]int64
	for pos, n := 0, len(dst)/w; n > 0; {
		m := min(n, deltaRun)
		at := run[:m]
		switch end := (pos + m*int(width)) / 8; {
		case width == 0:
			for j := range at {
				x += least
				at[j] = x
			}
		case width <= 56 && end+8 <= len(b):
			mask := uint64(1)<<width - 1
			for j := range at {
				x += least + int64(binary.LittleEndian.Uint64(b[pos>>3:])>>(pos&7)&mask)
				at[j] = x
				pos += int(width)
			}
		default:
			for j := range at {
				x += least + int64(bitsAt(b, pos, width))
				at[j] = x
				pos += int(width)
			}
		}
		putInts(dst, w, at)
		dst, n = dst[m*w:], n-m
	}
	return x
}

// putInts stores little-endian values of w bytes.
func putInts(dst []byte, w int, xs []int64) {
	switch w {
	case 8:
		for j, x := range xs {
			binary.LittleEndian.PutUint64(dst[8*j:], uint64(x))
		}
	case 4:
		for j, x := range xs {
			binary.LittleEndian.PutUint32(dst[4*j:], uint32(x))
		}
	default:
		for j, x := range xs {
			putInt(dst, w, j, x)
		}
	}
}
