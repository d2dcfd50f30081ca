package table

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sync"

	"github.com/parquet-go/parquet-go/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// zstdFast compresses pages. It holds nothing but a pool of encoders, which cost 300 kB each to make anew.
var zstdFast = &zstd.Codec{Level: zstd.SpeedFastest, Concurrency: 1}

// chunkBuffers is the memory of a chunk writer, pooled because an appliance writes thousands of small tables.
type chunkBuffers struct {
	i32   []int32
	i64   []int64
	bools []byte
	data  []byte   // bytes of texts and byte strings
	ends  []uint32 // where each ends in data
	idx   []int32  // numbers in the dictionary
	valid []byte
	page  []byte // the encoded page
	zip   []byte // the compressed page
	out   []byte // finished pages
}

var chunkPool = sync.Pool{New: func() any { return new(chunkBuffers) }}

// pooledBytes is the most a pooled set of buffers may hold in any one of them.
const pooledBytes = 256 << 10

// chunkWriter gathers the values of one column, encodes them page by page, and keeps the finished pages until the
// row group ends.
type chunkWriter struct {
	*chunkBuffers
	col       *Column
	phys      format.Type
	pageLimit int
	dict      *textDict // nil: values stand in the pages
	enum      *enumDict // enums: always by dictionary
	noDict    bool      // the dictionary did not pay in this file

	rows, nulls int // of the open page
	pageRaw     int

	dictPage     []byte
	chunkRows    int64
	chunkNulls   int64
	chunkBound   bounds
	uncompressed int64
	codec        format.CompressionCodec
	stats        []format.PageEncodingStats
	offsets      format.OffsetIndex
	index        indexBuilder
	head         bytes.Buffer
	plain        int // chunks of fewer bytes are stored without compression
	err          error
}

func newChunkWriter(col *Column, pageLimit int) *chunkWriter {
	buf, _ := chunkPool.Get().(*chunkBuffers)
	c := &chunkWriter{chunkBuffers: buf, col: col, phys: physical(col.Type), pageLimit: pageLimit, plain: plainLimit}
	if col.Type.enum() {
		d := newEnumDict(col)
		c.enum = &d
	}
	c.reset()
	return c
}

// reset begins a new chunk.
func (c *chunkWriter) reset() {
	c.clearPage()
	c.out, c.dictPage = c.out[:0], nil
	c.chunkRows, c.chunkNulls, c.uncompressed = 0, 0, 0
	c.chunkBound = bounds{}
	c.stats = nil
	c.offsets = format.OffsetIndex{}
	c.index = indexBuilder{}
	c.codec = format.Uncompressed
	if c.col.Type == UTF8 && !c.noDict {
		c.dict = &textDict{slots: map[string]int32{}}
	} else {
		c.dict = nil
	}
	if c.enum != nil {
		*c.enum = newEnumDict(c.col)
	}
}

func (c *chunkWriter) clearPage() {
	c.rows, c.nulls, c.pageRaw = 0, 0, 0
	c.i32, c.i64, c.bools, c.data = c.i32[:0], c.i64[:0], c.bools[:0], c.data[:0]
	c.ends, c.idx, c.valid = c.ends[:0], c.idx[:0], c.valid[:0]
}

// release gives the buffers back.
func (c *chunkWriter) release() {
	b := c.chunkBuffers
	c.chunkBuffers = nil
	if max(cap(b.i32)*4, cap(b.i64)*8, cap(b.data), cap(b.ends)*4, cap(b.idx)*4, cap(b.page), cap(b.zip), cap(b.out)) <= pooledBytes {
		chunkPool.Put(b)
	}
}

// append takes rows from a vector and gives the raw bytes they count.
func (c *chunkWriter) append(v *Vector, from, to int) int {
	switch {
	case c.col.Type.varlen():
		return c.appendBytes(v, from, to)
	case c.enum != nil && v.Validity != nil: // what stands in a null's place is in no dictionary
		for i := from; i < to; i++ {
			if c.place(v.Valid(i)) {
				c.idx = append(c.idx, int32(c.enum.slot(v.Int(c.col.Type, i))))
			}
		}
	case c.enum != nil:
		c.idx = appendValues(c, c.idx, v, from, to, c.enum.appendSlots)
	case c.phys == format.Boolean:
		c.bools = appendValues(c, c.bools, v, from, to, func(dst []byte, v *Vector, from, to int) []byte {
			return append(dst, v.Data[from:to]...)
		})
	case c.phys == format.Int32 || c.phys == format.Float:
		c.i32 = appendValues(c, c.i32, v, from, to, c.col.Type.append32)
	default:
		c.i64 = appendValues(c, c.i64, v, from, to, append64)
	}
	n := (to - from) * max(c.col.Type.Width(), 4)
	c.pageRaw += n
	c.endPage()
	return n
}

func (c *chunkWriter) appendBytes(v *Vector, from, to int) int {
	if v.Validity == nil && (c.dict == nil || c.dict.closed) {
		return c.appendPlain(v, from, to)
	}
	sum := 0
	for i := from; i < to; i++ {
		n := 4
		if v.Valid(i) {
			b := v.Bytes(i)
			n += len(b)
			slot, ok := c.number(b)
			c.place(true)
			if ok {
				c.idx = append(c.idx, slot)
			} else {
				c.data = append(c.data, b...)
				c.ends = append(c.ends, uint32(len(c.data)))
			}
		} else {
			c.place(false)
		}
		sum += n
		c.pageRaw += n
		c.endPage()
	}
	return sum
}

// number gives a value's number in the dictionary, false if it is to stand in the page. When the dictionary is full,
// a first page is turned into values; later, the open page is ended, the pages written keep the dictionary, and the
// chunk goes on without.
func (c *chunkWriter) number(b []byte) (int32, bool) {
	if c.dict == nil || c.dict.closed {
		return 0, false
	}
	if n, ok := c.dict.slot(b); ok {
		return n, true
	}
	c.noDict = true
	if len(c.offsets.PageLocations) == 0 {
		c.undict()
	} else {
		c.writePage(false)
		c.dict.closed = true
	}
	return 0, false
}

// undict turns the open page from dictionary numbers into values.
func (c *chunkWriter) undict() {
	for _, n := range c.idx {
		c.data = append(c.data, c.dict.text(n)...)
		c.ends = append(c.ends, uint32(len(c.data)))
	}
	c.idx = c.idx[:0]
	c.dict = nil
}

// endPage writes the open page once it is full.
func (c *chunkWriter) endPage() {
	if c.rows >= maxPageRows || c.pageRaw >= c.pageLimit {
		c.writePage(false)
	}
}

// writePage encodes the open page onto the finished ones. Only the last page of a chunk knows that it is the last:
// a chunk of a single small page is stored without compression.
func (c *chunkWriter) writePage(last bool) {
	if c.rows == 0 || c.err != nil {
		return
	}
	if c.dict != nil && !c.dict.closed && len(c.offsets.PageLocations) == 0 && !c.dict.pays(len(c.idx)) {
		c.noDict = true
		c.undict()
	}
	levels := c.encodeLevels()
	enc := c.encodeValues()
	if c.err != nil {
		return
	}
	if c.codec == format.Uncompressed && (!last || len(c.page)+c.dictBytes() >= c.plain) {
		c.codec = format.Zstd
	}
	body, zipped := c.page, false
	if c.codec == format.Zstd && len(c.page) >= plainLimit/4 {
		if c.zip, c.err = zstdFast.Encode(c.zip, c.page); c.err != nil {
			return
		}
		if len(c.zip) < len(c.page) {
			body, zipped = c.zip, true
		}
	}
	header := format.PageHeader{
		Type:                 format.DataPageV2,
		UncompressedPageSize: int32(len(levels) + len(c.page)), CompressedPageSize: int32(len(levels) + len(body)),
		CRC: int32(crc32.Update(crc32.ChecksumIEEE(levels), crc32.IEEETable, body)),
		DataPageHeaderV2: thrift.New(format.DataPageHeaderV2{
			NumValues: int32(c.rows), NumNulls: int32(c.nulls), NumRows: int32(c.rows), Encoding: enc,
			DefinitionLevelsByteLength: int32(len(levels)), IsCompressed: thrift.New(zipped),
		}),
	}
	start := len(c.out)
	head := c.thrift(&header)
	c.out = append(append(append(c.out, head...), levels...), body...)
	c.offsets.PageLocations = append(c.offsets.PageLocations, format.PageLocation{
		Offset: int64(start), CompressedPageSize: int32(len(c.out) - start), FirstRowIndex: c.chunkRows,
	})
	c.uncompressed += int64(len(head) + len(levels) + len(c.page))
	c.countPage(format.DataPageV2, enc)
	b := c.pageBounds()
	c.index.add(b, c.nulls)
	c.chunkBound.merge(b)
	c.chunkRows += int64(c.rows)
	c.chunkNulls += int64(c.nulls)
	c.clearPage()
}

func (c *chunkWriter) thrift(v any) []byte {
	c.head.Reset()
	var p thrift.CompactProtocol
	if err := thrift.NewEncoder(p.NewWriter(&c.head)).Encode(v); err != nil {
		c.err = err
	}
	return c.head.Bytes()
}

func (c *chunkWriter) countPage(t format.PageType, enc format.Encoding) {
	for i := range c.stats {
		if c.stats[i].PageType == t && c.stats[i].Encoding == enc {
			c.stats[i].Count++
			return
		}
	}
	c.stats = append(c.stats, format.PageEncodingStats{PageType: t, Encoding: enc, Count: 1})
}

// encodeLevels gives the definition levels of the open page: one run when all rows are alike, else the bitmap, which
// is what bit-packed levels of width 1 are.
func (c *chunkWriter) encodeLevels() []byte {
	if !c.col.Nullable {
		return nil
	}
	out := make([]byte, 0, len(c.valid)+8)
	if c.nulls == 0 || c.nulls == c.rows {
		out = binary.AppendUvarint(out, uint64(c.rows)<<1)
		if c.nulls == 0 {
			return append(out, 1)
		}
		return append(out, 0)
	}
	out = binary.AppendUvarint(out, uint64(len(c.valid))<<1|1)
	return append(out, c.valid...)
}

// encodeValues encodes the values of the open page into c.page.
func (c *chunkWriter) encodeValues() format.Encoding {
	p := c.page[:0]
	defer func() { c.page = p }()
	switch {
	case c.rows == c.nulls:
		return format.Plain
	case len(c.idx) > 0:
		p, c.err = new(rle.DictionaryEncoding).EncodeInt32(p, c.idx)
		return format.RLEDictionary
	case c.phys == format.Boolean:
		for i, b := range c.bools {
			if i&7 == 0 {
				p = append(p, 0)
			}
			p[i>>3] |= (b & 1) << (i & 7)
		}
	case c.phys == format.Int32:
		p, c.err = new(delta.BinaryPackedEncoding).EncodeInt32(p, c.i32)
		return format.DeltaBinaryPacked
	case c.phys == format.Int64:
		p, c.err = new(delta.BinaryPackedEncoding).EncodeInt64(p, c.i64)
		return format.DeltaBinaryPacked
	case c.phys == format.Float:
		for _, x := range c.i32 {
			p = binary.LittleEndian.AppendUint32(p, uint32(x))
		}
	case c.phys == format.Double:
		for _, x := range c.i64 {
			p = binary.LittleEndian.AppendUint64(p, uint64(x))
		}
	default:
		start := uint32(0)
		for _, end := range c.ends {
			p = binary.LittleEndian.AppendUint32(p, end-start)
			p = append(p, c.data[start:end]...)
			start = end
		}
	}
	return format.Plain
}

// finish ends the chunk, whose first byte will lie at off: c.dictPage and c.out are then complete.
func (c *chunkWriter) finish(off int64) (format.ColumnMetaData, chunkIndex) {
	c.writePage(true)
	m := format.ColumnMetaData{
		Type: c.phys, PathInSchema: []string{c.col.Name}, Codec: c.codec, NumValues: c.chunkRows, DataPageOffset: off,
	}
	if c.dictBytes() > 0 {
		c.writeDict()
		m.DictionaryPageOffset = off
		m.DataPageOffset += int64(len(c.dictPage))
	}
	for i := range c.offsets.PageLocations {
		c.offsets.PageLocations[i].Offset += m.DataPageOffset
	}
	m.TotalUncompressedSize = c.uncompressed
	m.TotalCompressedSize = int64(len(c.dictPage) + len(c.out))
	m.EncodingStats = c.stats
	if c.col.Nullable {
		m.Encoding = append(m.Encoding, format.RLE)
	}
	for _, s := range c.stats {
		m.Encoding = addEncoding(m.Encoding, s.Encoding)
	}
	m.Statistics = c.chunkBound.statistics(c.col.Type, c.chunkNulls)
	return m, chunkIndex{column: c.index.build(c.col.Type), offset: c.offsets}
}

func addEncoding(all []format.Encoding, e format.Encoding) []format.Encoding {
	if slices.Contains(all, e) {
		return all
	}
	return append(all, e)
}

// dictBytes gives the size of the dictionary page to be, 0 if the chunk has none.
func (c *chunkWriter) dictBytes() int {
	switch {
	case c.dict != nil:
		return len(c.dict.data) + 4*len(c.dict.ends)
	case c.enum != nil:
		n := 0
		for _, t := range c.enum.texts {
			n += len(t) + 4
		}
		return n
	}
	return 0
}

// writeDict encodes the dictionary page.
func (c *chunkWriter) writeDict() {
	p := c.page[:0]
	var n int
	if c.enum != nil {
		n = len(c.enum.texts)
		for _, t := range c.enum.texts {
			p = append(binary.LittleEndian.AppendUint32(p, uint32(len(t))), t...)
		}
	} else {
		n = len(c.dict.ends)
		for i := range n {
			t := c.dict.text(int32(i))
			p = append(binary.LittleEndian.AppendUint32(p, uint32(len(t))), t...)
		}
	}
	c.page = p
	body := p
	if c.codec == format.Zstd {
		var err error
		if c.zip, err = zstdFast.Encode(c.zip, p); err != nil {
			c.err = err
			return
		}
		body = c.zip
	}
	head := c.thrift(&format.PageHeader{
		Type: format.DictionaryPage, UncompressedPageSize: int32(len(p)), CompressedPageSize: int32(len(body)),
		CRC:                  int32(crc32.ChecksumIEEE(body)),
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: int32(n), Encoding: format.Plain}),
	})
	c.dictPage = append(append(make([]byte, 0, len(head)+len(body)), head...), body...)
	c.uncompressed += int64(len(head) + len(p))
	c.countPage(format.DictionaryPage, format.Plain)
}
