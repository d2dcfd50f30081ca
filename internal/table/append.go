package table

import (
	"encoding/binary"
	"slices"
)

// Taking values from batches into open pages. A batch is looked at once a column, in loops that know the width and
// decide nothing else a row: row by row through Vector.Valid and Vector.Int they took a third of an encoder's time.

// appendValues appends to values those of some rows that are not null, and notes the rows of the open page. take
// appends the values of all rows, nulls included.
func appendValues[T any](
	c *chunkWriter, values []T, v *Vector, from, to int, take func(dst []T, v *Vector, from, to int) []T,
) []T {
	start := len(values)
	values = take(slices.Grow(values, to-from), v, from, to)
	if v.Validity == nil || !c.col.Nullable {
		c.placeAll(to - from)
		return values
	}
	kept := start
	for i := from; i < to; i++ {
		values[kept] = values[start+i-from]
		if c.place(v.Valid(i)) {
			kept++
		}
	}
	return values[:kept]
}

// appendPlain appends texts or byte strings that are not null and stand in the pages, as many at a time as a page holds.
func (c *chunkWriter) appendPlain(v *Vector, from, to int) int {
	sum := 0
	for from < to && c.err == nil {
		next, raw := from, c.pageRaw
		for next < to && raw < c.pageLimit && c.rows+next-from < maxPageRows {
			next++
			raw += 4 + int(v.Offsets[next]-v.Offsets[next-1])
		}
		shift := uint32(len(c.data)) - v.Offsets[from]
		c.data = append(c.data, v.Data[v.Offsets[from]:v.Offsets[next]]...)
		for _, end := range v.Offsets[from+1 : next+1] {
			c.ends = append(c.ends, end+shift)
		}
		c.placeAll(next - from)
		sum += raw - c.pageRaw
		c.pageRaw, from = raw, next
		c.endPage()
	}
	return sum
}

// place adds a row to the open page's validity and passes on whether it holds a value.
func (c *chunkWriter) place(valid bool) bool {
	if c.rows&7 == 0 {
		c.valid = append(c.valid, 0)
	}
	if valid {
		c.valid[c.rows>>3] |= 1 << (c.rows & 7)
	} else {
		c.nulls++
	}
	c.rows++
	return valid
}

// placeAll adds rows that hold values. Only a nullable column's validity is written, so only that is kept.
func (c *chunkWriter) placeAll(rows int) {
	if !c.col.Nullable {
		c.rows += rows
		return
	}
	for ; rows > 0 && (c.rows&7 != 0 || rows < 8); rows-- {
		c.place(true)
	}
	for ; rows >= 8; rows -= 8 {
		c.valid = append(c.valid, 0xff)
		c.rows += 8
	}
	for ; rows > 0; rows-- {
		c.place(true)
	}
}

// append32 appends values of a type that is stored in 32 bits.
func (t Type) append32(dst []int32, v *Vector, from, to int) []int32 {
	switch t.Width() {
	case 1:
		if t == I8 {
			for _, x := range v.Data[from:to] {
				dst = append(dst, int32(int8(x)))
			}
			return dst
		}
		for _, x := range v.Data[from:to] {
			dst = append(dst, int32(x))
		}
	case 2:
		for d := v.Data[2*from : 2*to]; len(d) >= 2; d = d[2:] {
			x := binary.LittleEndian.Uint16(d)
			if t == I16 {
				dst = append(dst, int32(int16(x)))
			} else {
				dst = append(dst, int32(x))
			}
		}
	default:
		for d := v.Data[4*from : 4*to]; len(d) >= 4; d = d[4:] {
			dst = append(dst, int32(binary.LittleEndian.Uint32(d)))
		}
	}
	return dst
}

// append64 appends values of a type that is stored in 64 bits.
func append64(dst []int64, v *Vector, from, to int) []int64 {
	for d := v.Data[8*from : 8*to]; len(d) >= 8; d = d[8:] {
		dst = append(dst, int64(binary.LittleEndian.Uint64(d)))
	}
	return dst
}
