package sdk

import (
	"bytes"
	"encoding/binary"
	"math"
	"unicode/utf8"
	"unsafe"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Attr holds a column's attributes beside its name and type.
type Attr struct {
	Unit        string // UCUM
	Description string
	Role        string
	Naive       bool // a time without a zone
	Nullable    bool
	Sensitive   bool     // the host shows no value unless asked to reveal
	Scale       int      // of decimals: digits after the point
	Labels      []string // of enums: label by index, "" = none
}

// Number is what a column of fixed width stores.
type Number interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// Types of columns.
type (
	// Int8 writes signed 8-bit numbers.
	Int8 = Column[int8]
	// Int16 writes signed 16-bit numbers.
	Int16 = Column[int16]
	// Int32 writes signed 32-bit numbers.
	Int32 = Column[int32]
	// Int64 writes signed 64-bit numbers.
	Int64 = Column[int64]
	// Uint8 writes unsigned 8-bit numbers.
	Uint8 = Column[uint8]
	// Uint16 writes unsigned 16-bit numbers.
	Uint16 = Column[uint16]
	// Uint32 writes unsigned 32-bit numbers.
	Uint32 = Column[uint32]
	// Uint64 writes unsigned 64-bit numbers.
	Uint64 = Column[uint64]
	// Float32 writes 32-bit floats.
	Float32 = Column[float32]
	// Float64 writes 64-bit floats.
	Float64 = Column[float64]
	// TimeMicros writes microseconds since 1970-01-01T00:00:00.
	TimeMicros = Column[int64]
	// TimeNanos writes nanoseconds since 1970-01-01T00:00:00.
	TimeNanos = Column[int64]
	// Decimal32 writes unscaled decimals of up to 9 digits.
	Decimal32 = Column[int32]
	// Decimal64 writes unscaled decimals of up to 18 digits.
	Decimal64 = Column[int64]
	// Enum8 writes indexes into at most 256 labels.
	Enum8 = Column[uint8]
	// Enum16 writes indexes into at most 65,536 labels.
	Enum16 = Column[uint16]
)

// column is what a table needs of its columns.
type column interface {
	rows() int
	data(rows int) Data
	trim(rows int)
	reset()
	grow(room int) // makes room for that many rows
	add(rows int)  // takes rows that were written into Room
}

// Column writes one column of fixed width.
//
// Values are stored by index into room that EndRow keeps ahead, not appended: an append is a call that may come
// back anywhere, which costs a decoder half its speed in WebAssembly.
type Column[T Number] struct {
	v     []T // room
	n     int // values
	nulls nulls
}

// Set gives the row's value.
func (c *Column[T]) Set(v T) {
	c.v[c.n] = v
	c.n++
}

// Null leaves the row without a value; the column must be nullable.
func (c *Column[T]) Null() {
	c.nulls.set(c.n)
	c.v[c.n] = 0
	c.n++
}

// SetOr gives the value when ok, else null.
func (c *Column[T]) SetOr(v T, ok bool) {
	if !ok {
		c.nulls.set(c.n)
	}
	c.v[c.n] = v
	c.n++
}

// Room gives the values of the rows to come, for loops that write many rows at once: write them, then tell the table
// with Added. There is room for one row at least.
func (c *Column[T]) Room() []T { return c.v[c.n : len(c.v)-1] }

// Absent leaves the rows of Room without a value whose byte is 1 and not 0.
func (c *Column[T]) Absent(flags []uint8) {
	if len(flags) == 0 {
		return
	}
	c.nulls.room(c.n + len(flags))
	markNulls(c.nulls.bits, c.n, flags)
}

func (c *Column[T]) add(rows int) { c.n += rows }

func (c *Column[T]) rows() int { return c.n }

func (c *Column[T]) data(rows int) Data {
	return Data{Values: bytesOf(c.v[:rows]), Validity: c.nulls.validity(rows)}
}

func (c *Column[T]) trim(rows int) { c.n = min(rows, c.n) }

func (c *Column[T]) reset() { c.n, c.nulls.bits = 0, c.nulls.bits[:0] }

func (c *Column[T]) grow(room int) {
	v := make([]T, room)
	copy(v, c.v[:c.n])
	c.v = v
}

// Bool writes a column of truth values.
type Bool struct{ Column[uint8] }

// Set gives the row's value.
func (c *Bool) Set(v bool) {
	b := uint8(0)
	if v {
		b = 1
	}
	c.v[c.n] = b
	c.n++
}

// Text writes a column of texts or of bytes.
type Text struct {
	t       *Table
	v       []byte   // room
	used    int      // bytes of it
	offsets []uint32 // room
	n       int      // values
	nulls   nulls
}

// Set gives the row's value. A text must be valid UTF-8: the host replaces or refuses what is not.
func (c *Text) Set(v string) {
	if len(v) > len(c.v)-c.used {
		c.extend(len(v))
	}
	c.used += copy(c.v[c.used:], v)
	c.n++
	c.offsets[c.n] = uint32(c.used)
}

// SetBytes gives the row's value.
func (c *Text) SetBytes(v []byte) {
	if len(v) > len(c.v)-c.used {
		c.extend(len(v))
	}
	c.used += copy(c.v[c.used:], v)
	c.n++
	c.offsets[c.n] = uint32(c.used)
}

// SetLossy gives the row's value and puts U+FFFD in the place of every run of bytes that are not UTF-8: for texts of
// files that may be damaged.
func (c *Text) SetLossy(v []byte) {
	if len(v) > len(c.v)-c.used {
		c.extend(len(v))
	}
	if copyASCII(c.v[c.used:c.used+len(v)], v)&highBits != 0 && !utf8.Valid(v) {
		c.SetBytes(bytes.ToValidUTF8(v, []byte("\uFFFD")))
		return
	}
	c.used += len(v)
	c.n++
	c.offsets[c.n] = uint32(c.used)
}

// Room gives the number of rows to come that there is room for.
func (c *Text) Room() int { return len(c.offsets) - 2 - c.n }

// SetSpans gives the values of as many rows as there are spans: base[starts[i]:ends[i]]. It is for many short values,
// beside Column.Room; there may be as many as Room says.
func (c *Text) SetSpans(base []byte, starts, ends []uint32) {
	total := spanBytes(len(base), starts, ends[:len(starts)])
	if total < 0 {
		panic("a span lies outside its base")
	}
	if total+wordBytes > len(c.v)-c.used {
		c.extend(total + wordBytes)
	}
	c.used = copySpans(c.v, c.used, base, starts, ends, c.offsets[c.n+1:c.n+1+len(starts)])
	c.n += len(starts)
}

// Null leaves the row without a value; the column must be nullable.
func (c *Text) Null() {
	c.nulls.set(c.n)
	c.n++
	c.offsets[c.n] = uint32(c.used)
}

// extend makes room for n more bytes. Past abi.BatchBytes the batch ends with this row, so that memory follows what
// a decoder holds in its hands, and offsets stay within 32 bits.
func (c *Text) extend(n int) {
	if n > math.MaxInt32-c.used {
		panic("a text is too long")
	}
	if c.used+n > abi.BatchBytes {
		c.t.limit = 0
	}
	v := make([]byte, max(min(2*len(c.v), abi.BatchBytes), c.used+n, firstText))
	copy(v, c.v[:c.used])
	c.v = v
}

func (c *Text) add(int) {}

func (c *Text) rows() int { return c.n }

func (c *Text) data(rows int) Data {
	return Data{Values: c.v[:c.used], Validity: c.nulls.validity(rows), Offsets: c.offsets[:rows+1]}
}

func (c *Text) trim(rows int) {
	if rows < c.n {
		c.n = rows
		c.used = int(c.offsets[rows])
	}
}

func (c *Text) reset() {
	c.n, c.used, c.nulls.bits = 0, 0, c.nulls.bits[:0]
	c.v = c.v[:min(len(c.v), abi.BatchBytes)]
}

func (c *Text) grow(room int) {
	v := make([]uint32, room+1)
	if c.n > 0 {
		copy(v, c.offsets[:c.n+1])
	}
	c.offsets = v
}

// Rows and bytes that a table makes room for first: most files are small.
const (
	firstRows = 64
	firstText = 1024
)

// wordBytes is how much copySpans moves at once.
const wordBytes = 8

// highBits are the bits of a word that no ASCII text has.
const highBits = 0x8080808080808080

// copyASCII copies a text to as many bytes and gives the bits that any of its words has. Most texts are short and ASCII;
// a call to look and one to copy would cost a guest more than the loop.
func copyASCII(to, v []byte) uint64 {
	bits, i := uint64(0), 0
	for ; i+wordBytes <= len(v) && i+wordBytes <= len(to); i += wordBytes {
		w := binary.LittleEndian.Uint64(v[i:])
		binary.LittleEndian.PutUint64(to[i:], w)
		bits |= w
	}
	for ; i < len(v) && i < len(to); i++ {
		to[i] = v[i]
		bits |= uint64(v[i])
	}
	return bits
}

// spanBytes gives the bytes of spans within n bytes, -1 when one is not.
func spanBytes(n int, starts, ends []uint32) int {
	total := 0
	for i, s := range starts {
		if i >= len(ends) || s > ends[i] || int(ends[i]) > n {
			return -1
		}
		total += int(ends[i] - s)
	}
	return total
}

// copySpans copies spans of base behind each other into to, from at, and writes where each ends. There is room for a
// word more than the spans have. Like all loops that are quick in a guest it calls nothing and needs no bounds check;
// spanBytes has made sure of the bounds.
func copySpans(to []byte, at int, base []byte, starts, ends, offsets []uint32) int {
	dst, src := unsafe.Pointer(unsafe.SliceData(to)), unsafe.Pointer(unsafe.SliceData(base)) //nolint:gosec // see above
	for i, start := range starts {
		if i >= len(ends) || i >= len(offsets) {
			break
		}
		from, end := int(start), int(ends[i])
		n := end - from
		if end+wordBytes <= len(base) {
			for k := 0; k < n; k += wordBytes {
				*(*[wordBytes]byte)(unsafe.Add(dst, at+k)) = *(*[wordBytes]byte)(unsafe.Add(src, from+k))
			}
		} else {
			for k := range n {
				*(*byte)(unsafe.Add(dst, at+k)) = *(*byte)(unsafe.Add(src, from+k))
			}
		}
		at += n
		offsets[i] = uint32(at)
	}
	return at
}

// nulls marks the rows without a value; it costs nothing while there are none.
type nulls struct {
	bits  []byte // 1 = null; shorter than the rows: the rest has values
	valid []byte // the bitmap given away, reused
}

// set marks a row.
func (n *nulls) set(row int) {
	n.room(row + 1)
	n.bits[row>>3] |= 1 << (row & 7)
}

// room makes bits for that many rows.
func (n *nulls) room(rows int) {
	for len(n.bits) <= (rows-1)>>3 {
		n.bits = append(n.bits, 0)
	}
}

// markNulls marks the rows from a row on whose flag is 1. It calls nothing and needs no bounds check, see copySpans.
func markNulls(bits []byte, row int, flags []uint8) {
	for _, f := range flags {
		if i := uint(row) >> 3; i < uint(len(bits)) {
			bits[i] |= f << (row & 7)
		}
		row++
	}
}

// validity gives the bitmap of the ABI, nil when no row is null.
func (n *nulls) validity(rows int) []byte {
	if len(n.bits) == 0 {
		return nil
	}
	n.valid = n.valid[:0]
	for i := range (rows + 7) / 8 {
		b := byte(0xff)
		if i < len(n.bits) {
			b = ^n.bits[i]
		}
		n.valid = append(n.valid, b)
	}
	return n.valid
}

// bytesOf gives the memory of numbers.
func bytesOf[T Number](v []T) []byte {
	var one T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(one))) //nolint:gosec // the layout of the ABI is the layout in memory
}

// addColumn adds a column of fixed width to a table.
func addColumn[T Number](t *Table, desc abi.Column) *Column[T] {
	c := &Column[T]{}
	t.add(desc, c)
	return c
}

// add takes a column into a table.
func (t *Table) add(desc abi.Column, c column) {
	t.describe(desc)
	t.cols = append(t.cols, c)
}

// describe puts a column into the manifest and computes how many rows fill a batch.
func (t *Table) describe(desc abi.Column) {
	if t.room > 0 {
		panic("table " + t.desc.Name + ": column " + desc.Name + " comes too late")
	}
	t.desc.Columns = append(t.desc.Columns, desc)
	w := abi.Width(desc.Type)
	if w == 0 {
		w = 4
	}
	t.width += w
	t.maxRows = max(1, min(abi.BatchRows, abi.BatchBytes/t.width))
}

// describe makes a manifest's column.
func describe(name, typ string, a Attr) abi.Column {
	return abi.Column{
		Name: name, Type: typ, Scale: a.Scale, Unit: a.Unit, Description: a.Description, Nullable: a.Nullable,
		Role: a.Role, Labels: a.Labels, Sensitive: a.Sensitive,
	}
}

// zoned is describe for times.
func zoned(name, typ string, a Attr) abi.Column {
	d := describe(name, typ, a)
	if a.Naive {
		d.Zone = "naive"
	}
	return d
}

// Bool declares a column.
func (t *Table) Bool(name string, a Attr) *Bool {
	c := &Bool{}
	t.add(describe(name, abi.TypeBool, a), c)
	return c
}

// Int8 declares a column.
func (t *Table) Int8(name string, a Attr) *Int8 {
	return addColumn[int8](t, describe(name, abi.TypeI8, a))
}

// Int16 declares a column.
func (t *Table) Int16(name string, a Attr) *Int16 {
	return addColumn[int16](t, describe(name, abi.TypeI16, a))
}

// Int32 declares a column.
func (t *Table) Int32(name string, a Attr) *Int32 {
	return addColumn[int32](t, describe(name, abi.TypeI32, a))
}

// Int64 declares a column.
func (t *Table) Int64(name string, a Attr) *Int64 {
	return addColumn[int64](t, describe(name, abi.TypeI64, a))
}

// Uint8 declares a column.
func (t *Table) Uint8(name string, a Attr) *Uint8 {
	return addColumn[uint8](t, describe(name, abi.TypeU8, a))
}

// Uint16 declares a column.
func (t *Table) Uint16(name string, a Attr) *Uint16 {
	return addColumn[uint16](t, describe(name, abi.TypeU16, a))
}

// Uint32 declares a column.
func (t *Table) Uint32(name string, a Attr) *Uint32 {
	return addColumn[uint32](t, describe(name, abi.TypeU32, a))
}

// Uint64 declares a column.
func (t *Table) Uint64(name string, a Attr) *Uint64 {
	return addColumn[uint64](t, describe(name, abi.TypeU64, a))
}

// Float32 declares a column.
func (t *Table) Float32(name string, a Attr) *Float32 {
	return addColumn[float32](t, describe(name, abi.TypeF32, a))
}

// Float64 declares a column.
func (t *Table) Float64(name string, a Attr) *Float64 {
	return addColumn[float64](t, describe(name, abi.TypeF64, a))
}

// TimeMicros declares a column of microseconds since 1970-01-01T00:00:00.
func (t *Table) TimeMicros(name string, a Attr) *TimeMicros {
	return addColumn[int64](t, zoned(name, abi.TypeTSus, a))
}

// TimeNanos declares a column of nanoseconds since 1970-01-01T00:00:00.
func (t *Table) TimeNanos(name string, a Attr) *TimeNanos {
	return addColumn[int64](t, zoned(name, abi.TypeTSns, a))
}

// Decimal32 declares a column of unscaled decimals.
func (t *Table) Decimal32(name string, a Attr) *Decimal32 {
	return addColumn[int32](t, describe(name, abi.TypeDec32, a))
}

// Decimal64 declares a column of unscaled decimals.
func (t *Table) Decimal64(name string, a Attr) *Decimal64 {
	return addColumn[int64](t, describe(name, abi.TypeDec64, a))
}

// Enum8 declares a column of indexes into at most 256 labels.
func (t *Table) Enum8(name string, a Attr) *Enum8 {
	return addColumn[uint8](t, describe(name, abi.TypeEnum8, a))
}

// Enum16 declares a column of indexes into at most 65,536 labels.
func (t *Table) Enum16(name string, a Attr) *Enum16 {
	return addColumn[uint16](t, describe(name, abi.TypeEnum16, a))
}

// Text declares a column of UTF-8 texts.
func (t *Table) Text(name string, a Attr) *Text { return t.addText(describe(name, abi.TypeUTF8, a)) }

// Bytes declares a column of bytes.
func (t *Table) Bytes(name string, a Attr) *Text { return t.addText(describe(name, abi.TypeBin, a)) }

func (t *Table) addText(desc abi.Column) *Text {
	c := &Text{t: t}
	t.add(desc, c)
	return c
}
