package table

import (
	"encoding/binary"
	"math"
)

// Every fixed-width value has an order key: an int64 that compares as the values do. Statistics, conditions and sorts
// all work on keys, so they agree. Raw is what Vector.Int gives.

// orderKey gives the key of a raw value. ok is false for NaN, which has no place in the order.
func orderKey(t Type, raw int64) (key int64, ok bool) {
	switch t {
	case U64:
		return raw ^ math.MinInt64, true
	case F32:
		if f := math.Float32frombits(uint32(raw)); f != f {
			return 0, false
		}
		b := int32(raw)
		if b < 0 {
			b ^= math.MaxInt32
		}
		return int64(b), true
	case F64:
		if f := math.Float64frombits(uint64(raw)); f != f {
			return 0, false
		}
		if raw < 0 {
			raw ^= math.MaxInt64
		}
		return raw, true
	default:
		return raw, true
	}
}

// keyValue gives the raw value of a key.
func keyValue(t Type, key int64) int64 {
	switch t {
	case U64:
		return key ^ math.MinInt64
	case F32:
		b := int32(key)
		if b < 0 {
			b ^= math.MaxInt32
		}
		return int64(uint32(b))
	case F64:
		if key < 0 {
			key ^= math.MaxInt64
		}
		return key
	default:
		return key
	}
}

// equalKey gives values that are equal one key: -0 that of 0.
func equalKey(t Type, key int64) int64 {
	if key == -1 && (t == F32 || t == F64) {
		return 0
	}
	return key
}

// appendKeys appends the keys of the values of a fixed-width vector, also of what stands in the place of a null. NaN
// gets a key beyond those of the infinities.
func appendKeys(dst []int64, t Type, data []byte) []int64 {
	switch t {
	case Bool, U8, Enum8:
		for _, b := range data {
			dst = append(dst, int64(b))
		}
	case F32:
		for ; len(data) >= 4; data = data[4:] {
			x := int32(binary.LittleEndian.Uint32(data))
			dst = append(dst, int64(x^int32(uint32(x>>31)>>1)))
		}
	case F64:
		for ; len(data) >= 8; data = data[8:] {
			x := int64(binary.LittleEndian.Uint64(data))
			dst = append(dst, x^int64(uint64(x>>63)>>1))
		}
	case I64, TSus, TSns, Dec64:
		for ; len(data) >= 8; data = data[8:] {
			dst = append(dst, int64(binary.LittleEndian.Uint64(data)))
		}
	case I32, Dec32:
		for ; len(data) >= 4; data = data[4:] {
			dst = append(dst, int64(int32(binary.LittleEndian.Uint32(data))))
		}
	default:
		v := Vector{Data: data}
		for i := range len(data) / t.Width() {
			key, _ := orderKey(t, v.Int(t, i))
			dst = append(dst, key)
		}
	}
	return dst
}
