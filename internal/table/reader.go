package table

import (
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// Reader reads a stored table. It keeps the file's metadata and nothing else, and serves any number of goroutines.
// The caller keeps the io.ReaderAt open for as long as the Reader is used.
type Reader struct {
	schema *Schema
	file   io.ReaderAt
	size   int64
	rows   int64
	groups []rowGroup
	meta   map[string]string
	zstd   func() (*zstd.Decoder, error)
}

// rowGroup is a row group of the file.
type rowGroup struct {
	first  int64 // its first row
	rows   int64
	chunks []chunk
}

// chunk is the place of a column in a row group, checked against the file's size.
type chunk struct {
	dict, data, end int64 // dict = data: no dictionary
	codec           format.CompressionCodec
	index           int64 // the page index
	indexLen        int64
	bounds          int64 // the index of the pages' bounds, 0 = there is none
	boundsLen       int64
	nulls           int64
	bound           bounds
}

// Empty is the reader of a table without a file: no rows, the same answers.
func Empty(s *Schema) *Reader { return &Reader{schema: s} }

// OpenParquet opens a stored table. s is the schema it was written with; a file that does not fit it, or is damaged,
// is a Corrupt error.
func OpenParquet(r io.ReaderAt, size int64, s *Schema) (rd *Reader, err error) {
	defer guard(&err)
	m, err := readFooter(r, size)
	if err != nil {
		return nil, err
	}
	rd = &Reader{file: r, size: size, rows: m.NumRows, meta: make(map[string]string, len(m.KeyValueMetadata))}
	rd.zstd = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxStoredPage), zstd.WithDecoderLowmem(true))
	})
	for _, kv := range m.KeyValueMetadata {
		rd.meta[kv.Key] = kv.Value
	}
	if rd.schema, err = fitSchema(s, m.Schema); err != nil {
		return nil, err
	}
	if err := rd.addGroups(m); err != nil {
		return nil, err
	}
	return rd, nil
}

// fitSchema compares the file's schema with s and gives s with the nullability of the file: a redacted column may be
// nullable only there.
func fitSchema(s *Schema, elems []format.SchemaElement) (*Schema, error) {
	if len(elems) != len(s.Columns)+1 {
		return nil, corrupt(errDamaged, "its columns are not those of the table")
	}
	out := *s
	out.Columns = slices.Clone(s.Columns)
	for i := range out.Columns {
		c, e := &out.Columns[i], &elems[i+1]
		if e.Name != c.Name || !e.Type.Valid || e.Type.V != physical(c.Type) || !e.RepetitionType.Valid ||
			e.RepetitionType.V == format.Repeated {
			return nil, corrupt(errDamaged, "its columns are not those of the table")
		}
		c.Nullable = e.RepetitionType.V == format.Optional
	}
	return &out, nil
}

func (r *Reader) addGroups(m *format.FileMetaData) error {
	first := int64(0)
	for i := range m.RowGroups {
		g := &m.RowGroups[i]
		if len(g.Columns) != len(r.schema.Columns) || g.NumRows <= 0 || g.NumRows > m.NumRows-first {
			return corrupt(errDamaged, "a row group is wrong")
		}
		out := rowGroup{first: first, rows: g.NumRows, chunks: make([]chunk, len(g.Columns))}
		for j := range g.Columns {
			c, err := r.chunk(&g.Columns[j], r.schema.Columns[j].Type, g.NumRows)
			if err != nil {
				return err
			}
			out.chunks[j] = c
		}
		r.groups = append(r.groups, out)
		first += g.NumRows
	}
	if first != m.NumRows {
		return corrupt(errDamaged, "row groups and rows do not agree")
	}
	return nil
}

func (r *Reader) chunk(c *format.ColumnChunk, t Type, rows int64) (chunk, error) {
	m := &c.MetaData
	out := chunk{
		dict: m.DataPageOffset, data: m.DataPageOffset, codec: m.Codec, nulls: m.Statistics.NullCount,
		index: c.OffsetIndexOffset, indexLen: int64(c.OffsetIndexLength), bounds: c.ColumnIndexOffset, boundsLen: int64(c.ColumnIndexLength),
	}
	if m.DictionaryPageOffset > 0 {
		out.dict = m.DictionaryPageOffset
	}
	if m.TotalCompressedSize < 0 || m.TotalCompressedSize > r.size || out.dict < 0 || out.dict > r.size-m.TotalCompressedSize {
		return out, corrupt(errDamaged, "a column lies outside the file")
	}
	out.end = out.dict + m.TotalCompressedSize
	if out.data < out.dict || out.data > out.end || out.nulls < 0 || out.nulls > rows ||
		out.index <= 0 || out.indexLen <= 0 || out.index > r.size || out.indexLen > r.size-out.index ||
		out.bounds < 0 || out.boundsLen < 0 || out.bounds > r.size || out.boundsLen > r.size-out.bounds {
		return out, corrupt(errDamaged, "a column lies outside the file")
	}
	out.bound = storedBounds(t, &m.Statistics)
	return out, nil
}

func storedBounds(t Type, s *format.Statistics) bounds {
	if s.MinValue == nil || s.MaxValue == nil {
		return bounds{}
	}
	if t.varlen() || t.enum() {
		return bounds{ok: true, bytes: true, lo: s.MinValue, hi: s.MaxValue}
	}
	lo, ok1 := decodeKey(t, s.MinValue)
	hi, ok2 := decodeKey(t, s.MaxValue)
	return bounds{ok: ok1 && ok2, min: lo, max: hi}
}

// Rows is the number of rows.
func (r *Reader) Rows() int64 { return r.rows }

// Schema is the schema of the file: that given to OpenParquet, with the file's nullability. It must not be changed.
func (r *Reader) Schema() *Schema { return r.schema }

// Metadata gives a value of the file's own metadata, such as the decoder it came from.
func (r *Reader) Metadata(key string) (string, bool) {
	v, ok := r.meta[key]
	return v, ok
}

// Bounds gives the smallest and the largest value of a column as JSON values. ok is false where there are none: no
// rows, only nulls, or a column whose order says nothing (bool, bin, enums). Texts may be cut to 64 bytes.
func (r *Reader) Bounds(column string) (least, most []byte, ok bool) {
	i := r.schema.Index(column)
	if i < 0 {
		return nil, nil, false
	}
	c := &r.schema.Columns[i]
	if c.Type == Bool || c.Type == Bin || c.Type.enum() {
		return nil, nil, false
	}
	var all bounds
	for g := range r.groups {
		ch := &r.groups[g].chunks[i]
		if !ch.bound.ok && ch.nulls < r.groups[g].rows {
			return nil, nil, false
		}
		all.merge(ch.bound)
	}
	if !all.ok {
		return nil, nil, false
	}
	if c.Type == UTF8 {
		return appendJSONString(nil, all.lo), appendJSONString(nil, all.hi), true
	}
	return keyJSON(c, all.min), keyJSON(c, all.max), true
}

// keyJSON gives the JSON value of an order key.
func keyJSON(c *Column, key int64) []byte {
	w := keyWriter{col: c}
	return w.append(nil, key)
}

// keyWriter writes order keys of a column as JSON values.
type keyWriter struct {
	col  *Column
	form jsonForm
	buf  [8]byte
}

func (w *keyWriter) append(dst []byte, key int64) []byte {
	v := Vector{Data: w.buf[:w.col.Type.Width()]}
	putInt(v.Data, len(v.Data), 0, keyValue(w.col.Type, key))
	return w.form.appendJSON(dst, w.col, &v, 0)
}
