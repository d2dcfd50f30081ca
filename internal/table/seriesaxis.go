package table

import (
	"math"
	"math/bits"
)

// window is the order keys of x that a series is about, both ends included.
type window struct{ lo, hi int64 }

// noWindow gives a window that holds nothing.
func noWindow() window { return window{lo: math.MaxInt64, hi: math.MinInt64} }

// fullWindow gives that of every value of a type that has a place on an axis: NaN and the infinities have none.
func fullWindow(t Type) window {
	switch t {
	case F32:
		return window{lo: mustKey(F32, int64(math.Float32bits(-math.MaxFloat32))), hi: mustKey(F32, int64(math.Float32bits(math.MaxFloat32)))}
	case F64:
		top := math.MaxFloat64
		return window{lo: mustKey(F64, int64(math.Float64bits(-top))), hi: mustKey(F64, int64(math.Float64bits(top)))}
	case Dec32, Dec64:
		top := pow10[t.Digits()] - 1
		return window{lo: -top, hi: top}
	default:
		return window{lo: math.MinInt64, hi: math.MaxInt64}
	}
}

func mustKey(t Type, raw int64) int64 {
	k, _ := orderKey(t, raw)
	return k
}

func (w window) empty() bool { return w.lo > w.hi }

func (w window) holds(key int64) bool { return w.lo <= key && key <= w.hi }

// clip gives what of w lies in o.
func (w window) clip(o window) window { return window{lo: max(w.lo, o.lo), hi: min(w.hi, o.hi)} }

// merge gives the window around both.
func (w window) merge(o window) window {
	if o.empty() {
		return w
	}
	return window{lo: min(w.lo, o.lo), hi: max(w.hi, o.hi)}
}

// excludes reports whether statistics prove that no row of a chunk lies in the window.
func (w window) excludes(ch *chunk, rows int64) bool {
	return ch.nulls == rows || ch.bound.ok && (ch.bound.max < w.lo || ch.bound.min > w.hi)
}

// axis divides a window into buckets of equal width. The bucket of a value never falls as the value rises.
//
// Integers, decimals and times are divided exactly: the bucket of x is floor((x-lo)·n/(hi-lo+1)). Floats are divided by
// their value, as rounded as floats are.
type axis struct {
	window
	typ Type
	n   int

	// Of others than floats. A division takes longer than everything else that is done for a row, so it is a
	// multiplication with mul = floor(n·2^(64+shift)/(hi-lo+1)), which gives the bucket or the one before.
	starts []uint64 // distance from lo at which each bucket begins; nil = a bucket for each value
	mul    uint64
	shift  uint

	// Of floats: scaled so that nothing overflows.
	scale, from, width float64
}

// newAxis gives the axis of a window that is not empty: n buckets, fewer where x cannot take so many values.
func newAxis(t Type, w window, n int) *axis {
	a := &axis{window: w, typ: t, n: n}
	if t.float() {
		lo, hi := keyFloat(t, w.lo), keyFloat(t, w.hi)
		if lo == hi {
			a.n = 1
		}
		a.scale = 1
		if math.IsInf(hi-lo, 0) {
			a.scale = 0.5
		}
		a.from, a.width = lo*a.scale, hi*a.scale-lo*a.scale
		return a
	}
	most := uint64(w.hi) - uint64(w.lo)
	if most < uint64(n) {
		a.n = int(most) + 1
		return a
	}
	if most == uint64(n)-1 {
		return a
	}
	a.shift = uint(bits.Len64(most) - bits.Len64(uint64(n)))
	if uint64(n)<<a.shift > most {
		a.shift--
	}
	span := most + 1
	if span == 0 { // 2^64
		a.mul = uint64(n) << a.shift
	} else {
		a.mul, _ = bits.Div64(uint64(n)<<a.shift, 0, span)
	}
	a.starts = make([]uint64, n)
	for i := range a.starts {
		hi, lo := bits.Mul64(uint64(i), span)
		if span == 0 {
			hi = uint64(i)
		}
		q, rest := bits.Div64(hi, lo, uint64(n))
		if rest > 0 {
			q++
		}
		a.starts[i] = q
	}
	return a
}

// place gives the bucket of each key, -1 for those outside of the window.
func (a *axis) place(at []int32, keys []int64) {
	at = at[:len(keys)]
	lo, most := uint64(a.lo), uint64(a.hi)-uint64(a.lo)
	switch {
	case a.typ.float():
		for i, k := range keys {
			at[i] = -1
			if a.holds(k) {
				at[i] = a.float(k)
			}
		}
	case a.starts == nil:
		for i, k := range keys {
			d := uint64(k) - lo // below the window it wraps to more than most
			at[i] = int32(d)
			if d > most {
				at[i] = -1
			}
		}
	default:
		starts, mul, shift := a.starts, a.mul, a.shift
		for i, k := range keys {
			d := uint64(k) - lo
			if d > most {
				at[i] = -1
				continue
			}
			hi, _ := bits.Mul64(d, mul)
			n := int(hi >> (shift & 63))
			if n+1 < len(starts) && d >= starts[n+1] {
				n++
			}
			at[i] = int32(n)
		}
	}
}

func (a *axis) float(key int64) int32 {
	if a.n == 1 {
		return 0
	}
	return int32(min((keyFloat(a.typ, key)*a.scale-a.from)/a.width*float64(a.n), float64(a.n-1)))
}

// start gives the key at which bucket i begins.
func (a *axis) start(i int) int64 {
	switch {
	case a.typ.float():
		return floatKey(a.typ, (a.from+a.width*(float64(i)/float64(a.n)))/a.scale)
	case a.starts == nil:
		return a.lo + int64(i)
	default:
		return int64(uint64(a.lo) + a.starts[i])
	}
}

func keyFloat(t Type, key int64) float64 {
	raw := keyValue(t, key)
	if t == F32 {
		return float64(math.Float32frombits(uint32(raw)))
	}
	return math.Float64frombits(uint64(raw))
}

// floatKey gives the key of a number; -0 is 0.
func floatKey(t Type, x float64) int64 {
	raw := int64(math.Float64bits(x))
	if t == F32 {
		raw = int64(math.Float32bits(float32(x)))
	}
	return equalKey(t, mustKey(t, raw))
}
