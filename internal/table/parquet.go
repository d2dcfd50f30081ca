package table

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// Parquet is written and read with the encodings and the metadata structures of parquet-go; pages are put together
// here, column by column, straight from batches. Why not its Writer and Pages: DESIGN.md.

// Sizes of a Parquet file, from measurements in bench_test.go.
const (
	maxGroupRows  = 128 << 10 // rows of a row group
	maxGroupBytes = 16 << 20  // raw bytes of a row group: bounds an encoder's memory
	maxPageRows   = 16 << 10  // rows of a page: bounds what reading a few rows costs
	maxPageBytes  = 64 << 10  // raw bytes after which a page ends
	minPageBytes  = 2 << 10   // the same in tables of thousands of columns
	slabRows      = 1024      // rows taken from a batch at a time
	maxDictBytes  = 256 << 10 // of a column's dictionary
	maxDictLen    = 1 << 16   // entries of a column's dictionary
	boundBytes    = 64        // of a text's or byte string's minimum and maximum
	plainLimit    = 512       // a column chunk smaller than this is not worth compressing
	smallTable    = 64 << 10  // raw bytes of a table whose chunks are compressed from a disk's block on only
	diskBlock     = 4 << 10
)

// createdBy names the writer in the footer, in the form that readers parse for known bugs. The version is that of the
// page layout; which program wrote a file stands in its key-values.
const createdBy = "wayside version 1.0.0 (build table)"

const parquetMagic = "PAR1"

// unitKey is the key of a column's unit in the footer.
func unitKey(column string) string { return "wayside.unit." + column }

// parquetEncoder writes one Parquet file.
type parquetEncoder struct {
	w      io.Writer
	off    int64
	schema *Schema
	meta   map[string]string
	cols   []*chunkWriter
	rows   int // of the open row group
	raw    int // bytes of the open row group
	total  int64
	groups rowGroups
	head   bytes.Buffer // scratch for thrift
	err    error
}

// chunkIndex is the page index of one column chunk.
type chunkIndex struct {
	column *format.ColumnIndex // nil: some page has no bounds
	offset format.OffsetIndex
}

func newParquetEncoder(w io.Writer, s *Schema, opt EncodeOptions) *parquetEncoder {
	e := &parquetEncoder{w: w, schema: s, meta: opt.Metadata, groups: rowGroups{most: storeBytes}, cols: make([]*chunkWriter, len(s.Columns))}
	page := min(max(maxGroupBytes/2/max(len(s.Columns), 1), minPageBytes), maxPageBytes)
	for i := range e.cols {
		e.cols[i] = newChunkWriter(&s.Columns[i], page)
	}
	return e
}

// Write implements Encoder.
func (e *parquetEncoder) Write(b *Batch) error {
	for from := 0; from < b.Rows && e.err == nil; {
		to := min(b.Rows, from+slabRows, from+maxGroupRows-e.rows)
		for i, c := range e.cols {
			e.raw += c.append(&b.Columns[i], from, to)
			if c.err != nil {
				e.err = fmt.Errorf("encode column %s: %w", c.col.Name, c.err)
				return e.err
			}
		}
		e.rows += to - from
		if e.rows >= maxGroupRows || e.raw >= maxGroupBytes {
			e.flushGroup()
		}
		from = to
	}
	return e.err
}

// put writes to the file.
func (e *parquetEncoder) put(b []byte) {
	if e.err != nil || len(b) == 0 {
		return
	}
	n, err := e.w.Write(b)
	e.off += int64(n)
	if err != nil {
		e.err = fmt.Errorf("write parquet: %w", err)
	}
}

// thrift encodes a structure of the format into the scratch buffer.
func (e *parquetEncoder) thrift(v any) []byte {
	e.head.Reset()
	var p thrift.CompactProtocol
	if err := thrift.NewEncoder(p.NewWriter(&e.head)).Encode(v); err != nil && e.err == nil {
		e.err = fmt.Errorf("encode parquet metadata: %w", err)
	}
	return e.head.Bytes()
}

// flushGroup ends the open row group.
func (e *parquetEncoder) flushGroup() {
	if e.rows == 0 || e.err != nil {
		return
	}
	if e.off == 0 {
		e.put([]byte(parquetMagic))
	}
	group := format.RowGroup{
		NumRows: int64(e.rows), FileOffset: e.off, Ordinal: int16(e.groups.count),
		Columns: make([]format.ColumnChunk, len(e.cols)),
	}
	index := make([]chunkIndex, len(e.cols))
	small := e.total == 0 && e.raw < smallTable
	for i, c := range e.cols {
		if small {
			c.plain = diskBlock
		}
		meta, idx := c.finish(e.off)
		if c.err != nil && e.err == nil {
			e.err = fmt.Errorf("encode column %s: %w", c.col.Name, c.err)
		}
		e.put(c.dictPage)
		e.put(c.out)
		c.reset()
		group.Columns[i] = format.ColumnChunk{MetaData: meta}
		group.TotalByteSize += meta.TotalUncompressedSize
		group.TotalCompressedSize += meta.TotalCompressedSize
		index[i] = idx
	}
	e.addRowGroup(group, index)
	e.total += int64(e.rows)
	e.rows, e.raw = 0, 0
}

// Close implements Encoder.
func (e *parquetEncoder) Close() error {
	e.flushGroup()
	if e.off == 0 {
		e.put([]byte(parquetMagic))
	}
	bounds, places := e.putIndexes()
	e.putFooter(e.fileMetaData(), bounds, places)
	for _, c := range e.cols {
		c.release()
	}
	e.cols = nil
	return e.err
}

// fileMetaData gives the footer but for the row groups.
func (e *parquetEncoder) fileMetaData() *format.FileMetaData {
	m := &format.FileMetaData{
		Version: 2, Schema: parquetSchema(e.schema), NumRows: e.total, CreatedBy: createdBy,
		ColumnOrders: make([]format.ColumnOrder, len(e.schema.Columns)),
	}
	for i := range m.ColumnOrders {
		m.ColumnOrders[i].Value = new(format.TypeDefinedOrder)
	}
	kv := maps.Clone(e.meta)
	if kv == nil {
		kv = map[string]string{}
	}
	for i := range e.schema.Columns {
		if c := &e.schema.Columns[i]; c.Unit != "" {
			kv[unitKey(c.Name)] = c.Unit
		}
	}
	for _, k := range slices.Sorted(maps.Keys(kv)) {
		m.KeyValueMetadata = append(m.KeyValueMetadata, format.KeyValue{Key: k, Value: kv[k]})
	}
	return m
}

// parquetSchema gives the schema elements: the root, then a leaf a column.
func parquetSchema(s *Schema) []format.SchemaElement {
	out := make([]format.SchemaElement, 1, len(s.Columns)+1)
	out[0] = format.SchemaElement{Name: s.Name, NumChildren: thrift.New(int32(len(s.Columns)))}
	for i := range s.Columns {
		out = append(out, parquetElement(&s.Columns[i]))
	}
	return out
}

func parquetElement(c *Column) format.SchemaElement {
	e := format.SchemaElement{Name: c.Name, Type: thrift.New(physical(c.Type)), RepetitionType: thrift.New(format.Required)}
	if c.Nullable {
		e.RepetitionType = thrift.New(format.Optional)
	}
	integer := func(bits int8, signed bool, old deprecated.ConvertedType) {
		e.LogicalType.Value = &format.IntType{BitWidth: bits, IsSigned: signed}
		e.ConvertedType = thrift.New(old)
	}
	switch c.Type {
	case I8:
		integer(8, true, deprecated.Int8)
	case I16:
		integer(16, true, deprecated.Int16)
	case I32:
		integer(32, true, deprecated.Int32)
	case I64:
		integer(64, true, deprecated.Int64)
	case U8:
		integer(8, false, deprecated.Uint8)
	case U16:
		integer(16, false, deprecated.Uint16)
	case U32:
		integer(32, false, deprecated.Uint32)
	case U64:
		integer(64, false, deprecated.Uint64)
	case TSus:
		e.LogicalType.Value = &format.TimestampType{IsAdjustedToUTC: !c.Naive, Unit: format.TimeUnit{Value: new(format.MicroSeconds)}}
		if !c.Naive {
			e.ConvertedType = thrift.New(deprecated.TimestampMicros)
		}
	case TSns:
		e.LogicalType.Value = &format.TimestampType{IsAdjustedToUTC: !c.Naive, Unit: format.TimeUnit{Value: new(format.NanoSeconds)}}
	case Dec32, Dec64:
		scale, precision := int32(c.Scale), int32(c.Type.Digits())
		e.LogicalType.Value = &format.DecimalType{Scale: scale, Precision: precision}
		e.ConvertedType = thrift.New(deprecated.Decimal)
		e.Scale, e.Precision = thrift.New(scale), thrift.New(precision)
	case UTF8, Enum8, Enum16:
		e.LogicalType.Value = new(format.StringType)
		e.ConvertedType = thrift.New(deprecated.UTF8)
	case Bool, F32, F64, Bin:
	}
	return e
}

// physical gives the type that values are stored as.
func physical(t Type) format.Type {
	switch t {
	case Bool:
		return format.Boolean
	case F32:
		return format.Float
	case F64:
		return format.Double
	case I8, I16, I32, U8, U16, U32, Dec32:
		return format.Int32
	case UTF8, Bin, Enum8, Enum16:
		return format.ByteArray
	default:
		return format.Int64
	}
}
