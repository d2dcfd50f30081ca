package table

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go/format"
)

// bounds is the smallest and largest value of a page or chunk: order keys of fixed-width values, else bytes.
type bounds struct {
	ok       bool // there are bounds
	bytes    bool // they are bytes
	broken   bool // there are values that no bounds hold: NaN only, or text without a short upper bound
	min, max int64
	lo, hi   []byte
}

// addKey widens the bounds by a key.
func (b *bounds) addKey(k int64) {
	if !b.ok {
		b.ok, b.min, b.max = true, k, k
		return
	}
	b.min, b.max = min(b.min, k), max(b.max, k)
}

// addBytes widens the bounds by a value; the value is only referred to until shorten.
func (b *bounds) addBytes(v []byte) {
	if !b.ok {
		b.ok, b.bytes, b.lo, b.hi = true, true, v, v
		return
	}
	if bytes.Compare(v, b.lo) < 0 {
		b.lo = v
	}
	if bytes.Compare(v, b.hi) > 0 {
		b.hi = v
	}
}

// shorten makes the byte bounds own their bytes, at most boundBytes of them.
func (b *bounds) shorten(text bool) {
	if !b.ok {
		return
	}
	b.lo = slices.Clone(b.lo[:cut(b.lo, text)])
	hi := slices.Clone(b.hi[:cut(b.hi, text)])
	if len(hi) < len(b.hi) {
		if hi = above(hi, text); hi == nil {
			*b = bounds{broken: true}
			return
		}
	}
	b.hi = hi
}

// cut gives how many bytes of v a bound keeps, whole characters of text.
func cut(v []byte, text bool) int {
	if len(v) <= boundBytes {
		return len(v)
	}
	n := boundBytes
	for text && n > 0 && !utf8.RuneStart(v[n]) {
		n--
	}
	return n
}

// above gives the shortest value larger than everything that begins with v, nil if there is none. Text stays text:
// there only an ASCII character is raised.
func above(v []byte, text bool) []byte {
	top := byte(0xff)
	if text {
		top = 0x7f
	}
	for n := len(v); n > 0; n-- {
		if v[n-1] < top {
			v[n-1]++
			return v[:n]
		}
	}
	return nil
}

// merge widens the bounds by those of another page.
func (b *bounds) merge(o bounds) {
	b.broken = b.broken || o.broken
	if !o.ok {
		return
	}
	if o.bytes {
		b.addBytes(o.lo)
		b.addBytes(o.hi)
		return
	}
	b.addKey(o.min)
	b.addKey(o.max)
}

// encode gives the bounds as the format stores them.
func (b *bounds) encode(t Type) (lo, hi []byte) {
	if t.varlen() || t.enum() {
		// Never nil: an empty text is a bound too.
		return append([]byte{}, b.lo...), append([]byte{}, b.hi...)
	}
	least, most := b.min, b.max
	if t == F32 || t == F64 {
		// The format asks for -0 as a minimum and +0 as a maximum, because readers may not tell them apart.
		if least == 0 {
			least = -1
		}
		if most == -1 {
			most = 0
		}
	}
	return encodeKey(t, least), encodeKey(t, most)
}

func encodeKey(t Type, key int64) []byte {
	raw := keyValue(t, key)
	switch physical(t) {
	case format.Boolean:
		return []byte{byte(raw)}
	case format.Int32, format.Float:
		return binary.LittleEndian.AppendUint32(nil, uint32(raw))
	default:
		return binary.LittleEndian.AppendUint64(nil, uint64(raw))
	}
}

// decodeKey gives the key of a stored bound, false if it has the wrong size or is NaN.
func decodeKey(t Type, b []byte) (int64, bool) {
	switch physical(t) {
	case format.Boolean:
		if len(b) != 1 {
			return 0, false
		}
		return int64(b[0] & 1), true
	case format.Int32, format.Float:
		if len(b) != 4 {
			return 0, false
		}
		x := binary.LittleEndian.Uint32(b)
		switch t {
		case U8, U16, U32, F32:
			return orderKey(t, int64(x))
		default:
			return orderKey(t, int64(int32(x)))
		}
	case format.Int64, format.Double:
		if len(b) != 8 {
			return 0, false
		}
		return orderKey(t, int64(binary.LittleEndian.Uint64(b)))
	default:
		return 0, false
	}
}

func (b *bounds) statistics(t Type, nulls int64) format.Statistics {
	s := format.Statistics{NullCount: nulls}
	if b.ok && !b.broken {
		s.MinValue, s.MaxValue = b.encode(t)
	}
	return s
}

// pageBounds gives the bounds of the open page.
func (c *chunkWriter) pageBounds() bounds {
	var b bounds
	switch {
	case len(c.idx) > 0:
		c.dictBounds(&b)
	case c.phys == format.ByteArray:
		start := uint32(0)
		for _, end := range c.ends {
			b.addBytes(c.data[start:end])
			start = end
		}
		b.shorten(c.col.Type == UTF8)
	case c.phys == format.Boolean:
		for _, x := range c.bools {
			b.addKey(int64(x))
		}
	case c.phys == format.Float:
		for _, x := range c.i32 {
			if k, ok := orderKey(F32, int64(x)); ok {
				b.addKey(k)
			}
		}
	case c.phys == format.Double:
		for _, x := range c.i64 {
			if k, ok := orderKey(F64, x); ok {
				b.addKey(k)
			}
		}
	case c.phys == format.Int32:
		c.intBounds32(&b)
	default:
		c.intBounds64(&b)
	}
	if !b.ok && c.nulls < c.rows {
		b.broken = true
	}
	return b
}

// intBounds32 looks at integers of 32 bits. Flipping the highest bit makes unsigned ones compare as signed ones.
func (c *chunkWriter) intBounds32(b *bounds) {
	if len(c.i32) == 0 {
		return
	}
	unsigned := c.col.Type == U8 || c.col.Type == U16 || c.col.Type == U32
	flip := int32(0)
	if unsigned {
		flip = math.MinInt32
	}
	lo, hi := c.i32[0]^flip, c.i32[0]^flip
	for _, x := range c.i32 {
		lo, hi = min(lo, x^flip), max(hi, x^flip)
	}
	if lo, hi = lo^flip, hi^flip; unsigned {
		b.addKey(int64(uint32(lo)))
		b.addKey(int64(uint32(hi)))
		return
	}
	b.addKey(int64(lo))
	b.addKey(int64(hi))
}

// intBounds64 looks at integers of 64 bits: a key of theirs is the number, with the highest bit flipped if unsigned.
func (c *chunkWriter) intBounds64(b *bounds) {
	if len(c.i64) == 0 {
		return
	}
	flip, _ := orderKey(c.col.Type, 0)
	lo, hi := c.i64[0]^flip, c.i64[0]^flip
	for _, x := range c.i64 {
		lo, hi = min(lo, x^flip), max(hi, x^flip)
	}
	b.addKey(lo)
	b.addKey(hi)
}

// dictBounds looks at each dictionary entry of the page once.
func (c *chunkWriter) dictBounds(b *bounds) {
	var size int
	if c.enum != nil {
		size = len(c.enum.texts)
	} else {
		size = len(c.dict.ends)
	}
	seen := make([]bool, size)
	for _, n := range c.idx {
		if seen[n] {
			continue
		}
		seen[n] = true
		if c.enum != nil {
			b.addBytes([]byte(c.enum.texts[n]))
		} else {
			b.addBytes(c.dict.text(n))
		}
	}
	b.shorten(true)
}

// indexBuilder gathers the column index of a chunk.
type indexBuilder struct {
	pages  []bounds
	nulls  []int64
	broken bool
}

func (x *indexBuilder) add(b bounds, nulls int) {
	x.broken = x.broken || b.broken
	x.pages = append(x.pages, b)
	x.nulls = append(x.nulls, int64(nulls))
}

// build gives the column index, nil if a page has values but no bounds: readers would take it for empty.
func (x *indexBuilder) build(t Type) *format.ColumnIndex {
	if x.broken || len(x.pages) == 0 {
		return nil
	}
	ci := &format.ColumnIndex{NullCounts: x.nulls, BoundaryOrder: format.Ascending}
	lo, hi := int64(math.MinInt64), int64(math.MinInt64)
	for i := range x.pages {
		p := &x.pages[i]
		ci.NullPages = append(ci.NullPages, !p.ok)
		if !p.ok {
			ci.MinValues = append(ci.MinValues, []byte{})
			ci.MaxValues = append(ci.MaxValues, []byte{})
			continue
		}
		a, b := p.encode(t)
		ci.MinValues = append(ci.MinValues, a)
		ci.MaxValues = append(ci.MaxValues, b)
		if t.varlen() || t.enum() || p.min < lo || p.max < hi {
			ci.BoundaryOrder = format.Unordered
		}
		lo, hi = p.min, p.max
	}
	return ci
}
