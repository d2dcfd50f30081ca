package table

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// arrowEncoder writes the Arrow IPC stream format, one record batch a batch. Fixed-width columns, text and bytes are
// handed over in place; enums become dictionaries that are replaced when a new text appears.
type arrowEncoder struct {
	w      *ipc.Writer
	schema *Schema
	arrow  *arrow.Schema
	enums  []enumDict
}

func newArrowEncoder(w io.Writer, s *Schema, opt EncodeOptions) (*arrowEncoder, error) {
	e := &arrowEncoder{schema: s, enums: make([]enumDict, len(s.Columns))}
	fields := make([]arrow.Field, len(s.Columns))
	for i := range s.Columns {
		c := &s.Columns[i]
		typ, err := arrowType(c)
		if err != nil {
			return nil, err
		}
		fields[i] = arrow.Field{Name: c.Name, Type: typ, Nullable: c.Nullable, Metadata: arrowMetadata(c)}
		if c.Type.enum() {
			e.enums[i] = newEnumDict(c)
			for code, l := range c.Labels {
				if l != "" {
					e.enums[i].slot(int64(code))
				}
			}
		}
	}
	var meta *arrow.Metadata
	if len(opt.Metadata) > 0 {
		m := arrow.MetadataFrom(maps.Clone(opt.Metadata))
		meta = &m
	}
	e.arrow = arrow.NewSchema(fields, meta)
	e.w = ipc.NewWriter(w, ipc.WithSchema(e.arrow))
	return e, nil
}

func arrowMetadata(c *Column) arrow.Metadata {
	m := map[string]string{}
	if c.Unit != "" {
		m["wayside.unit"] = c.Unit
	}
	if c.Description != "" {
		m["description"] = c.Description
	}
	keys := slices.Sorted(maps.Keys(m))
	vals := make([]string, len(keys))
	for i, k := range keys {
		vals[i] = m[k]
	}
	return arrow.NewMetadata(keys, vals)
}

func arrowType(c *Column) (arrow.DataType, error) {
	zone := "UTC"
	if c.Naive {
		zone = ""
	}
	switch c.Type {
	case Bool:
		return arrow.FixedWidthTypes.Boolean, nil
	case I8:
		return arrow.PrimitiveTypes.Int8, nil
	case I16:
		return arrow.PrimitiveTypes.Int16, nil
	case I32:
		return arrow.PrimitiveTypes.Int32, nil
	case I64:
		return arrow.PrimitiveTypes.Int64, nil
	case U8:
		return arrow.PrimitiveTypes.Uint8, nil
	case U16:
		return arrow.PrimitiveTypes.Uint16, nil
	case U32:
		return arrow.PrimitiveTypes.Uint32, nil
	case U64:
		return arrow.PrimitiveTypes.Uint64, nil
	case F32:
		return arrow.PrimitiveTypes.Float32, nil
	case F64:
		return arrow.PrimitiveTypes.Float64, nil
	case TSus:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: zone}, nil
	case TSns:
		return &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: zone}, nil
	case Dec32, Dec64:
		return &arrow.Decimal128Type{Precision: int32(c.Type.Digits()), Scale: int32(c.Scale)}, nil
	case UTF8:
		return arrow.BinaryTypes.String, nil
	case Bin:
		return arrow.BinaryTypes.Binary, nil
	case Enum8:
		return &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Uint8, ValueType: arrow.BinaryTypes.String}, nil
	case Enum16:
		return &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Uint16, ValueType: arrow.BinaryTypes.String}, nil
	}
	return nil, fmt.Errorf("column %s has no Arrow type for %s", c.Name, c.Type)
}

// Write implements Encoder.
func (e *arrowEncoder) Write(b *Batch) error {
	if b.Rows == 0 {
		return nil
	}
	cols := make([]arrow.Array, len(b.Columns))
	for i := range b.Columns {
		cols[i] = e.column(i, &b.Columns[i], b.Rows)
	}
	rec := array.NewRecordBatch(e.arrow, cols, int64(b.Rows))
	defer rec.Release()
	if err := e.w.Write(rec); err != nil {
		return fmt.Errorf("write arrow batch: %w", err)
	}
	return nil
}

func (e *arrowEncoder) column(i int, v *Vector, rows int) arrow.Array {
	c, typ := &e.schema.Columns[i], e.arrow.Field(i).Type
	nulls := v.nulls(rows)
	var valid *memory.Buffer
	if nulls > 0 {
		valid = memory.NewBufferBytes(v.Validity[:(rows+7)/8])
	}
	make1 := func(t arrow.DataType, bufs ...[]byte) arrow.Array {
		all := []*memory.Buffer{valid}
		for _, b := range bufs {
			all = append(all, memory.NewBufferBytes(b))
		}
		return array.MakeFromData(array.NewData(t, rows, all, nil, nulls, 0))
	}
	switch c.Type {
	case Bool:
		return make1(typ, packBools(v, rows))
	case Dec32, Dec64:
		return make1(typ, widen128(c.Type, v, rows))
	case UTF8, Bin:
		return make1(typ, offsetBytes(v.Offsets[:rows+1]), v.Data)
	case Enum8, Enum16:
		dict := &e.enums[i]
		idx := make([]byte, rows*c.Type.Width())
		for j := range rows {
			if v.Valid(j) {
				putWidth(idx, c.Type.Width(), j, dict.slot(v.Int(c.Type, j)))
			}
		}
		dt, _ := typ.(*arrow.DictionaryType)
		return array.NewDictionaryArray(typ, make1(dt.IndexType, idx), textArray(dict.texts))
	default:
		return make1(typ, v.Data)
	}
}

// putWidth stores x as element j of little-endian values one or two bytes wide.
func putWidth(dst []byte, width, j int, x uint32) {
	if width == 1 {
		dst[j] = byte(x)
	} else {
		binary.LittleEndian.PutUint16(dst[2*j:], uint16(x))
	}
}

func packBools(v *Vector, rows int) []byte {
	bits := make([]byte, (rows+7)/8)
	for j, b := range v.Data[:rows] {
		bits[j>>3] |= (b & 1) << (j & 7)
	}
	return bits
}

func widen128(t Type, v *Vector, rows int) []byte {
	out := make([]byte, 0, rows*16)
	for j := range rows {
		x := v.Int(t, j)
		out = binary.LittleEndian.AppendUint64(out, uint64(x))
		out = binary.LittleEndian.AppendUint64(out, uint64(x>>63))
	}
	return out
}

func offsetBytes(o []uint32) []byte {
	out := make([]byte, 0, 4*len(o))
	for _, x := range o {
		out = binary.LittleEndian.AppendUint32(out, x)
	}
	return out
}

func textArray(texts []string) arrow.Array {
	var data []byte
	offsets := make([]uint32, 1, len(texts)+1)
	for _, s := range texts {
		data = append(data, s...)
		offsets = append(offsets, uint32(len(data)))
	}
	bufs := []*memory.Buffer{nil, memory.NewBufferBytes(offsetBytes(offsets)), memory.NewBufferBytes(data)}
	return array.MakeFromData(array.NewData(arrow.BinaryTypes.String, len(texts), bufs, nil, 0, 0))
}

// Close implements Encoder.
func (e *arrowEncoder) Close() error {
	if err := e.w.Close(); err != nil {
		return fmt.Errorf("close arrow stream: %w", err)
	}
	return nil
}
