package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// Limits of what is read, well above what is written.
const (
	maxStoredPage = 64 << 20 // bytes of a page, compressed or not
	maxStoredRows = 1 << 20  // rows of a page
)

// pageRows is one decoded page of a column: rows in the layout of a Vector, or numbers in a dictionary.
type pageRows struct {
	rows    int
	valid   []byte   // nil = no nulls
	data    []byte   // fixed width, or the bytes of all values
	offsets []uint32 // with bytes
	idx     []uint32 // numbers in dict; data and offsets are empty then
	dict    *pageDict
}

// pageDict is the dictionary of a column chunk.
type pageDict struct {
	data    []byte
	offsets []uint32
	codes   []int64 // enums: the code of each entry
}

func (d *pageDict) len() int             { return len(d.offsets) - 1 }
func (d *pageDict) text(n uint32) []byte { return d.data[d.offsets[n]:d.offsets[n+1]] }

var (
	errPageHeader = errors.New("page: unexpected header")
	errPageCRC    = errors.New("page: wrong checksum")
	errPageSize   = errors.New("page: wrong size")
	errPageText   = errors.New("page: wrong length of a value")
	errPageDict   = errors.New("page: number not in the dictionary")
	errPageEnum   = errors.New("page: text is no label of the column")
	errCodec      = errors.New("page: unknown compression")
)

// pageReader decodes the pages of one column chunk. It serves one goroutine.
type pageReader struct {
	col      *Column
	phys     format.Type
	optional bool
	codec    format.CompressionCodec
	zstd     *zstd.Decoder
	codes    enumCodes
	values   []byte   // the uncompressed page
	fixed    []byte   // the values of the page given last, of a fixed width
	numbers  []uint32 // scratch
}

// header splits a stored page into its header and its body, and checks the body's checksum.
func (p *pageReader) header(b []byte) (*format.PageHeader, []byte, error) {
	n, err := skimStruct(b, 0)
	if err != nil {
		return nil, nil, err
	}
	h := new(format.PageHeader)
	var proto thrift.CompactProtocol
	if err := thrift.Unmarshal(&proto, b[:n], h); err != nil {
		return nil, nil, fmt.Errorf("page header: %w", err)
	}
	body := b[n:]
	if int(h.CompressedPageSize) != len(body) || h.UncompressedPageSize < 0 || h.UncompressedPageSize > maxStoredPage {
		return nil, nil, errPageSize
	}
	if crc32.ChecksumIEEE(body) != uint32(h.CRC) {
		return nil, nil, errPageCRC
	}
	return h, body, nil
}

// unzip gives the size bytes that b was compressed from. They are valid until the next call.
func (p *pageReader) unzip(b []byte, size int, zipped bool) ([]byte, error) {
	if !zipped || p.codec == format.Uncompressed {
		if len(b) != size {
			return nil, errPageSize
		}
		return b, nil
	}
	if cap(p.values) < size {
		p.values = make([]byte, 0, size)
	}
	var err error
	switch p.codec {
	case format.Zstd:
		var h zstd.Header
		if err := h.Decode(b); err != nil {
			return nil, fmt.Errorf("page: %w", err)
		}
		if h.HasFCS && h.FrameContentSize != uint64(size) {
			return nil, errPageSize
		}
		p.values, err = p.zstd.DecodeAll(b, p.values[:0])
	case format.Snappy:
		n, nerr := snappy.DecodedLen(b)
		if nerr != nil || n != size {
			return nil, errPageSize
		}
		p.values, err = snappy.Decode(p.values[:size], b)
	default:
		return nil, errCodec
	}
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	if len(p.values) != size {
		return nil, errPageSize
	}
	return p.values, nil
}

// dictionary decodes a stored dictionary page.
func (p *pageReader) dictionary(b []byte) (*pageDict, error) {
	h, body, err := p.header(b)
	if err != nil {
		return nil, err
	}
	d := h.DictionaryPageHeader
	if h.Type != format.DictionaryPage || !d.Valid || d.V.NumValues < 0 || p.phys != format.ByteArray {
		return nil, errPageHeader
	}
	raw, err := p.unzip(body, int(h.UncompressedPageSize), true)
	if err != nil {
		return nil, err
	}
	out := new(pageDict)
	if out.data, out.offsets, err = splitTexts(raw, int(d.V.NumValues)); err != nil {
		return nil, err
	}
	if p.codes != nil {
		if out.codes, err = p.enumCodes(out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p *pageReader) enumCodes(d *pageDict) ([]int64, error) {
	codes := make([]int64, d.len())
	for i := range codes {
		code, ok := p.codes.find(p.col.Type, string(d.text(uint32(i))))
		if !ok {
			return nil, errPageEnum
		}
		codes[i] = code
	}
	return codes, nil
}

// splitTexts reads n length-prefixed values that fill b.
func splitTexts(b []byte, n int) (data []byte, offsets []uint32, err error) {
	if n > len(b)/4 {
		return nil, nil, errPageText
	}
	data, offsets = make([]byte, 0, len(b)-4*n), make([]uint32, n+1)
	for i := range n {
		if len(b) < 4 {
			return nil, nil, errPageText
		}
		size := binary.LittleEndian.Uint32(b)
		if uint64(size) > uint64(len(b)-4) {
			return nil, nil, errPageText
		}
		data = append(data, b[4:4+size]...)
		offsets[i+1] = uint32(len(data))
		b = b[4+size:]
	}
	if len(b) != 0 {
		return nil, nil, errPageText
	}
	return data, offsets, nil
}

// page decodes a stored data page. Its rows are valid until the next call: new memory for each page was 24 bytes of
// garbage a row of a chart's two columns (BenchmarkScan).
func (p *pageReader) page(b []byte, dict *pageDict) (*pageRows, error) {
	h, body, err := p.header(b)
	if err != nil {
		return nil, err
	}
	if h.Type != format.DataPageV2 || !h.DataPageHeaderV2.Valid {
		return nil, errPageHeader
	}
	v2 := h.DataPageHeaderV2.V
	rows, levels := int(v2.NumRows), int(v2.DefinitionLevelsByteLength)
	if rows <= 0 || rows > maxStoredRows || v2.NumValues != v2.NumRows || v2.RepetitionLevelsByteLength != 0 ||
		levels < 0 || levels > len(body) || levels > int(h.UncompressedPageSize) || (!p.optional && levels != 0) {
		return nil, errPageHeader
	}
	out := &pageRows{rows: rows}
	n := rows
	if p.optional {
		if n, err = p.levels(out, body[:levels]); err != nil {
			return nil, err
		}
	}
	zipped := !v2.IsCompressed.Valid || v2.IsCompressed.V
	raw, err := p.unzip(body[levels:], int(h.UncompressedPageSize)-levels, zipped)
	if err != nil {
		return nil, err
	}
	if err := p.decode(out, raw, n, v2.Encoding, dict); err != nil {
		return nil, err
	}
	return out, nil
}

// levels decodes definition levels into a bitmap and gives the number of values there are.
func (p *pageReader) levels(out *pageRows, b []byte) (int, error) {
	size := (out.rows + 7) / 8
	switch u, k := binary.Uvarint(b); {
	case k > 0 && len(b) == k+1 && u == uint64(out.rows)<<1 && b[k] == 1:
		return out.rows, nil // one run of ones: nothing is null
	case k > 0 && len(b) == k+size && u == uint64(size)<<1|1:
		out.valid = bytes.Clone(b[k:]) // packed: a bitmap already
		if rest := out.rows & 7; rest != 0 {
			out.valid[size-1] &= 1<<rest - 1
		}
	default:
		p.scratch(out.rows)
		if err := decodeHybrid(p.numbers, b, 1); err != nil {
			return 0, err
		}
		out.valid = make([]byte, size)
		for i, x := range p.numbers {
			out.valid[i>>3] |= byte(x) << (i & 7)
		}
	}
	n := 0
	for _, x := range out.valid {
		n += bits.OnesCount8(x)
	}
	if n == out.rows {
		out.valid = nil
	}
	return n, nil
}

func (p *pageReader) scratch(n int) {
	if cap(p.numbers) < n {
		p.numbers = make([]uint32, n)
	}
	p.numbers = p.numbers[:n]
}

// decode fills out with the n values of raw.
func (p *pageReader) decode(out *pageRows, raw []byte, n int, enc format.Encoding, dict *pageDict) error {
	switch {
	case enc == format.RLEDictionary && p.phys == format.ByteArray:
		return p.decodeNumbers(out, raw, n, dict)
	case p.col.Type.enum():
		if n == 0 {
			out.data = make([]byte, out.rows*p.col.Type.Width())
			return nil
		}
		return errPageHeader
	case p.phys == format.ByteArray:
		return decodeTexts(out, raw, n, enc)
	}
	w := p.col.Type.Width()
	p.fixed = slices.Grow(p.fixed[:0], out.rows*w)[:out.rows*w]
	if err := p.decodeFixed(p.fixed[:n*w], raw, n, w, enc); err != nil {
		return err
	}
	if out.valid != nil {
		spread(p.fixed, w, n, out.valid)
	}
	out.data = p.fixed
	return nil
}

func (p *pageReader) decodeFixed(data, raw []byte, n, w int, enc format.Encoding) error {
	switch {
	case enc == format.DeltaBinaryPacked && (p.phys == format.Int32 || p.phys == format.Int64):
		return decodeDelta(data, raw, n, w)
	case enc != format.Plain:
		return errPageHeader
	case p.phys == format.Boolean:
		if len(raw) != (n+7)/8 {
			return errPageSize
		}
		for i := range data {
			data[i] = raw[i>>3] >> (i & 7) & 1
		}
		return nil
	default:
		size := 8
		if p.phys == format.Int32 || p.phys == format.Float {
			size = 4
		}
		if len(raw) != n*size {
			return errPageSize
		}
		for i := range n {
			copy(data[i*w:(i+1)*w], raw[i*size:])
		}
		return nil
	}
}

// putInt stores x as element i of little-endian values of w bytes.
func putInt(dst []byte, w, i int, x int64) {
	switch w {
	case 1:
		dst[i] = byte(x)
	case 2:
		binary.LittleEndian.PutUint16(dst[2*i:], uint16(x))
	case 4:
		binary.LittleEndian.PutUint32(dst[4*i:], uint32(x))
	default:
		binary.LittleEndian.PutUint64(dst[8*i:], uint64(x))
	}
}

// spread moves the n values at the beginning of data, in place, to the rows that hold one, and clears the others: from
// the last row on, as no value moves to an earlier place.
func spread(data []byte, w, n int, valid []byte) {
	for i := len(data) / w; i > n; {
		if i&7 == 0 && valid[i>>3-1] == 0xff {
			copy(data[(i-8)*w:i*w], data[(n-8)*w:n*w])
			i, n = i-8, n-8
			continue
		}
		i--
		if valid[i>>3]>>(i&7)&1 == 0 {
			clear(data[i*w : (i+1)*w])
			continue
		}
		n--
		copy(data[i*w:(i+1)*w], data[n*w:(n+1)*w])
	}
}

func decodeTexts(out *pageRows, raw []byte, n int, enc format.Encoding) error {
	if enc != format.Plain {
		return errPageHeader
	}
	data, offsets, err := splitTexts(raw, n)
	if err != nil {
		return err
	}
	out.data = data
	if out.valid == nil {
		out.offsets = offsets
		return nil
	}
	out.offsets = make([]uint32, out.rows+1)
	k := 0
	for i := range out.rows {
		if out.valid[i>>3]>>(i&7)&1 != 0 {
			k++
		}
		out.offsets[i+1] = offsets[k]
	}
	return nil
}

func (p *pageReader) decodeNumbers(out *pageRows, raw []byte, n int, dict *pageDict) error {
	if dict == nil || len(raw) == 0 {
		return errPageDict
	}
	idx := make([]uint32, n)
	if err := decodeHybrid(idx, raw[1:], uint(raw[0])); err != nil {
		return err
	}
	size := uint32(dict.len())
	for _, x := range idx {
		if x >= size {
			return errPageDict
		}
	}
	if out.valid != nil {
		wide := make([]uint32, out.rows)
		k := 0
		for i := range out.rows {
			if out.valid[i>>3]>>(i&7)&1 != 0 {
				wide[i] = idx[k]
				k++
			}
		}
		idx = wide
	}
	if !p.col.Type.enum() {
		out.idx, out.dict = idx, dict
		return nil
	}
	w := p.col.Type.Width()
	out.data = make([]byte, out.rows*w)
	for i, x := range idx {
		if int(x) < len(dict.codes) {
			putInt(out.data, w, i, dict.codes[x])
		}
	}
	return nil
}
