package engine

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// A HyperLogLog is a string in Redis's own form, so that it can be read and written like any other: a head of 16 bytes
// (HYLL, the form, three bytes of nothing, the last estimate) and 16,384 registers. In the dense form a register is 6 bits,
// lowest first. In the sparse form registers stand in runs: 00nnnnnn is n+1 that are 0, 01nnnnnn with another byte the same
// for up to 16,384, 1vvvvvnn is n+1 of value v+1. The estimate is that of Ertl (arXiv:1702.01284).
const (
	hllBits      = 14
	hllRegisters = 1 << hllBits
	hllRanks     = 64 - hllBits + 1 // the highest value of a register
	hllHead      = 16
	hllDenseSize = hllHead + hllRegisters*6/8
	hllAlpha     = 0.721347520444481703680 // 1/(2 ln 2)
	hllSeed      = 0xadc83b19

	hllDense, hllSparse = 0, 1
	hllSparseValue      = 32 // the highest value of the sparse form
	hllSparseRun        = 4  // the longest run of a value
	hllZeroRun          = 64 // the longest run of zeros in one byte
	hllStale            = 1 << 7
)

// newHLL gives an empty one.
func newHLL() []byte {
	b := make([]byte, hllHead, hllHead+2)
	copy(b, "HYLL")
	b[4] = hllSparse
	return hllRun{n: hllRegisters}.append(b)
}

// isHLL says whether a string has the head and, of the dense form, the length of a HyperLogLog.
func isHLL(b []byte) bool {
	return len(b) >= hllHead && string(b[:4]) == "HYLL" && b[4] <= hllSparse && (b[4] == hllSparse || len(b) == hllDenseSize)
}

// hllHash is the 64-bit MurmurHash2 of an element, with the seed that all HyperLogLogs of Redis have.
func hllHash(b []byte) uint64 {
	const m = 0xc6a4a7935bd1e995
	h := uint64(hllSeed) ^ uint64(len(b))*m
	for ; len(b) >= 8; b = b[8:] {
		k := binary.LittleEndian.Uint64(b) * m
		h = (h ^ (k^k>>47)*m) * m
	}
	if len(b) > 0 {
		var tail [8]byte
		copy(tail[:], b)
		h = (h ^ binary.LittleEndian.Uint64(tail[:])) * m
	}
	h = (h ^ h>>47) * m
	return h ^ h>>47
}

// hllPlace gives the register of an element and the value that it asks for.
func hllPlace(b []byte) (reg int, rank uint8) {
	h := hllHash(b)
	return int(h & (hllRegisters - 1)), uint8(bits.TrailingZeros64(h>>hllBits|1<<(hllRanks-1))) + 1
}

// hllRun is a run of the sparse form: n registers of one value.
type hllRun struct {
	n   int
	val uint8
}

// hllRunAt reads the run at an offset and gives how many bytes it takes; 0 where it is cut off.
func hllRunAt(b []byte, at int) (r hllRun, size int) {
	switch x := b[at]; {
	case x >= 0x80:
		return hllRun{int(x&3) + 1, x>>2&31 + 1}, 1
	case x < 0x40:
		return hllRun{n: int(x) + 1}, 1
	case at+1 < len(b):
		return hllRun{n: (int(x&0x3f)<<8 | int(b[at+1])) + 1}, 2
	}
	return hllRun{}, 0
}

func (r hllRun) append(b []byte) []byte {
	switch {
	case r.n == 0:
		return b
	case r.val > 0:
		return append(b, 0x80|(r.val-1)<<2|byte(r.n-1))
	case r.n <= hllZeroRun:
		return append(b, byte(r.n-1))
	}
	return append(b, 0x40|byte((r.n-1)>>8), byte(r.n-1))
}

// hllWalk calls visit for each run of the sparse form that has a value; false if the runs are not 16,384 registers.
func hllWalk(b []byte, visit func(first int, r hllRun)) bool {
	first := 0
	for at := hllHead; at < len(b); {
		r, size := hllRunAt(b, at)
		if size == 0 || first+r.n > hllRegisters {
			return false
		}
		if r.val > 0 {
			visit(first, r)
		}
		first, at = first+r.n, at+size
	}
	return first == hllRegisters
}

func hllGet(b []byte, reg int) uint8 {
	bit := reg * 6
	at := hllHead + bit/8
	x := uint16(b[at])
	if at+1 < len(b) {
		x |= uint16(b[at+1]) << 8
	}
	return uint8(x >> (bit % 8) & 63)
}

// hllRaise gives a register of the dense form a value unless it has a higher one, and says whether it did.
func hllRaise(b []byte, reg int, rank uint8) bool {
	old := hllGet(b, reg)
	if old >= rank {
		return false
	}
	bit := reg * 6
	at := hllHead + bit/8
	x := uint16(rank^old) << (bit % 8)
	b[at] ^= byte(x)
	if at+1 < len(b) {
		b[at+1] ^= byte(x >> 8)
	}
	return true
}

// hllToDense gives the dense form of a sparse one; false if that is broken.
func hllToDense(b []byte) ([]byte, bool) {
	if b[4] == hllDense {
		return b, true
	}
	out := make([]byte, hllDenseSize)
	copy(out, b[:hllHead])
	out[4] = hllDense
	ok := hllWalk(b, func(first int, r hllRun) {
		for i := range r.n {
			hllRaise(out, first+i, r.val)
		}
	})
	return out, ok
}

// hllSet raises a register in either form. What it gives may be another string: it is longer, or has become dense because
// the sparse form would take more than most bytes. ok is false of what is broken.
func hllSet(b []byte, reg int, rank uint8, most int) (out []byte, raised, ok bool) {
	if b[4] == hllDense {
		return b, hllRaise(b, reg, rank), true
	}
	if rank <= hllSparseValue {
		if out, raised, full, ok := hllSetSparse(b, reg, rank, most); !full {
			return out, raised, ok
		}
	}
	if out, ok = hllToDense(b); !ok {
		return b, false, false
	}
	return out, hllRaise(out, reg, rank), true
}

// hllSetSparse is hllSet of the sparse form. full says that it has no room.
func hllSetSparse(b []byte, reg int, rank uint8, most int) (out []byte, raised, full, ok bool) {
	prev, at, first := -1, hllHead, 0
	for at < len(b) {
		r, size := hllRunAt(b, at)
		if size == 0 {
			return b, false, false, false
		}
		if reg < first+r.n {
			if r.val >= rank {
				return b, false, false, true
			}
			var seq [5]byte
			with := hllRun{n: reg - first, val: r.val}.append(seq[:0])
			with = hllRun{1, rank}.append(with)
			with = hllRun{first + r.n - reg - 1, r.val}.append(with)
			if len(with) > size && len(b)+len(with)-size > most {
				return b, false, true, true
			}
			b = hllSplice(b, at, size, with)
			if prev < 0 {
				prev = at
			}
			return hllMerge(b, prev), true, false, true
		}
		prev, at, first = at, at+size, first+r.n
	}
	return b, false, false, false
}

// hllSplice puts bytes in place of size others.
func hllSplice(b []byte, at, size int, with []byte) []byte {
	grow := len(with) - size
	if grow > 0 {
		var zero [4]byte
		b = append(b, zero[:grow]...)
	}
	copy(b[at+len(with):], b[at+size:len(b)-max(grow, 0)])
	copy(b[at:], with)
	return b[:len(b)+min(grow, 0)]
}

// hllMerge puts neighbours of one value together, among the few runs from an offset on that a change has touched.
func hllMerge(b []byte, at int) []byte {
	for range 5 {
		if at >= len(b) {
			break
		}
		r, size := hllRunAt(b, at)
		if size == 0 {
			break
		}
		if r.val > 0 && at+1 < len(b) {
			if next, n := hllRunAt(b, at+1); n == 1 && next.val == r.val && r.n+next.n <= hllSparseRun {
				b = hllSplice(b, at, 2, hllRun{r.n + next.n, r.val}.append(nil))
				continue
			}
		}
		at += size
	}
	return b
}

// hllMax raises registers of a byte each to those of a HyperLogLog; false if that is broken.
func hllMax(regs *[hllRegisters]uint8, b []byte) bool {
	if b[4] == hllSparse {
		return hllWalk(b, func(first int, r hllRun) {
			for i := range r.n {
				if regs[first+i] < r.val {
					regs[first+i] = r.val
				}
			}
		})
	}
	for i, in := 0, b[hllHead:]; len(in) >= 3; i, in = i+4, in[3:] {
		x := uint32(in[0]) | uint32(in[1])<<8 | uint32(in[2])<<16
		for j := range 4 {
			if v := uint8(x >> (6 * j) & 63); v > regs[i+j] {
				regs[i+j] = v
			}
		}
	}
	return true
}

// hllCounts is how many registers have each value.
type hllCounts [64]int

// count counts the registers of a HyperLogLog; false if it is broken.
func (n *hllCounts) count(b []byte) bool {
	if b[4] == hllSparse {
		n[0] = hllRegisters
		return hllWalk(b, func(_ int, r hllRun) {
			n[r.val] += r.n
			n[0] -= r.n
		})
	}
	for in := b[hllHead:]; len(in) >= 3; in = in[3:] {
		x := uint32(in[0]) | uint32(in[1])<<8 | uint32(in[2])<<16
		n[x&63]++
		n[x>>6&63]++
		n[x>>12&63]++
		n[x>>18&63]++
	}
	return true
}

// estimate says how many different elements were seen.
func (n *hllCounts) estimate() uint64 {
	const m = float64(hllRegisters)
	z := m * hllTau(1-float64(n[hllRanks])/m)
	for k := hllRanks - 1; k >= 1; k-- {
		z = (z + float64(n[k])) / 2
	}
	z += m * hllSigma(float64(n[0])/m)
	return uint64(math.Round(hllAlpha * m * m / z))
}

// hllSigma is x + Σ x^(2^k)·2^(k-1), the share of registers that are 0.
func hllSigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	sum := x
	for weight := 1.0; ; weight *= 2 {
		x *= x
		before := sum
		if sum += x * weight; sum == before {
			return sum
		}
	}
}

// hllTau is (1 - x - Σ (1-x^(2^-k))²·2^-k)/3, the share of registers that are full.
func hllTau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	sum := 1 - x
	for weight := 0.5; ; weight /= 2 {
		x = math.Sqrt(x)
		before := sum
		if sum -= (1 - x) * (1 - x) * weight; sum == before {
			return sum / 3
		}
	}
}
