package table

import (
	"context"
	"fmt"
	"math"

	"github.com/parquet-go/parquet-go/format"
)

// scanRows is the most rows of a batch that a scan gives; scanBytes the most bytes of one of its columns, unless a
// single row has more.
const (
	scanRows  = 4096
	scanBytes = 1 << 20
)

// scan reads some columns of a stored table, forwards. It decodes one page of each column at a time, so its memory
// does not grow with the table. A scan serves one goroutine.
type scan struct {
	r     *Reader
	cols  []int // columns read, by number
	cur   []*cursor
	group int   // row group of row
	row   int64 // next row, of the table
	batch Batch
	buf   []byte
}

// newScan returns a scan of the columns, standing at the first row.
func (r *Reader) newScan(cols []int) (*scan, error) {
	s := &scan{r: r, cols: cols, cur: make([]*cursor, len(cols)), batch: Batch{Columns: make([]Vector, len(cols))}}
	if len(r.groups) == 0 {
		return s, nil
	}
	dec, err := r.zstd()
	if err != nil {
		return nil, fmt.Errorf("start decompression: %w", err)
	}
	for i, n := range cols {
		c := &r.schema.Columns[n]
		s.cur[i] = &cursor{scan: s, col: n, group: -1, pages: pageReader{col: c, phys: physical(c.Type), optional: c.Nullable, zstd: dec}}
		if c.Type.enum() {
			s.cur[i].pages.codes = newEnumCodes(c)
		}
	}
	return s, nil
}

// seek makes row the next one. Rows before the current one are possible; pages already decoded are kept.
func (s *scan) seek(row int64) {
	s.row = row
	for s.group > 0 && row < s.r.groups[s.group].first {
		s.group--
	}
	s.settle()
}

// settle moves to the row group that holds the next row.
func (s *scan) settle() {
	for s.group < len(s.r.groups) && s.row >= s.r.groups[s.group].first+s.r.groups[s.group].rows {
		s.group++
	}
}

// next gives at most limit rows from the next one on, nil at the end. The batch is valid until the next call.
func (s *scan) next(ctx context.Context, limit int) (b *Batch, err error) {
	defer guard(&err)
	s.settle()
	if s.group >= len(s.r.groups) || limit <= 0 {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read table: %w", err)
	}
	g := &s.r.groups[s.group]
	n := int(min(int64(min(limit, scanRows)), g.first+g.rows-s.row))
	for _, c := range s.cur {
		if err := c.settle(s.group, s.row-g.first); err != nil {
			return nil, err
		}
		n = c.most(n)
	}
	s.batch.Rows = n
	for i, c := range s.cur {
		c.vector(&s.batch.Columns[i], n)
	}
	s.row += int64(n)
	return &s.batch, nil
}

// cursor stands at a row of a column.
type cursor struct {
	scan  *scan
	col   int
	group int // row group that index and dict are of
	index []format.PageLocation
	dict  *pageDict
	pages pageReader
	page  *pageRows
	first int64 // first row of page, in the row group
	at    int   // the row in page
	offs  []uint32
	data  []byte
	bits  []byte
}

// settle makes the page that holds row of the row group the current one.
func (c *cursor) settle(group int, row int64) error {
	if c.group != group {
		if err := c.open(group); err != nil {
			return err
		}
	}
	if c.page == nil || row < c.first || row >= c.first+int64(c.page.rows) {
		if err := c.load(row); err != nil {
			return err
		}
	}
	c.at = int(row - c.first)
	return nil
}

// open reads the page index and the dictionary of a chunk.
func (c *cursor) open(group int) error {
	r := c.scan.r
	ch := &r.groups[group].chunks[c.col]
	places, err := r.offsetIndex(group, c.col)
	if err != nil {
		return err
	}
	c.page, c.dict, c.index = nil, nil, places
	c.pages.codec = ch.codec
	if ch.dict < ch.data {
		b, err := c.read(ch.dict, ch.data-ch.dict)
		if err != nil {
			return err
		}
		if c.dict, err = c.pages.dictionary(b); err != nil {
			return corrupt(err, "a dictionary is not readable")
		}
	}
	c.group = group
	return nil
}

// offsetIndex reads where the pages of a chunk are.
func (r *Reader) offsetIndex(group, column int) ([]format.PageLocation, error) {
	g := &r.groups[group]
	ch := &g.chunks[column]
	b, err := readRange(r.file, nil, ch.index, ch.indexLen, r.size)
	if err != nil {
		return nil, err
	}
	var index format.OffsetIndex
	if err := unmarshalThrift(b, &index); err != nil {
		return nil, err
	}
	if err := checkIndex(index.PageLocations, ch, g.rows); err != nil {
		return nil, err
	}
	return index.PageLocations, nil
}

func checkIndex(pages []format.PageLocation, ch *chunk, rows int64) error {
	if len(pages) == 0 || pages[0].FirstRowIndex != 0 {
		return corrupt(errDamaged, "a page index is wrong")
	}
	prev := int64(-1)
	for i := range pages {
		p := &pages[i]
		if p.Offset < ch.data || p.CompressedPageSize <= 0 || p.Offset > ch.end-int64(p.CompressedPageSize) ||
			p.FirstRowIndex <= prev || p.FirstRowIndex >= rows {
			return corrupt(errDamaged, "a page index is wrong")
		}
		prev = p.FirstRowIndex
	}
	return nil
}

func (c *cursor) read(off, n int64) ([]byte, error) {
	if n > maxStoredPage {
		return nil, corrupt(errDamaged, "a page is too large")
	}
	b, err := readRange(c.scan.r.file, c.scan.buf, off, n, c.scan.r.size)
	if err == nil {
		c.scan.buf = b
	}
	return b, err
}

// load decodes the page that holds row of the row group.
func (c *cursor) load(row int64) error {
	lo, hi := 0, len(c.index)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; c.index[mid].FirstRowIndex <= row {
			lo = mid
		} else {
			hi = mid
		}
	}
	p := &c.index[lo]
	end := c.scan.r.groups[c.group].rows
	if lo+1 < len(c.index) {
		end = c.index[lo+1].FirstRowIndex
	}
	b, err := c.read(p.Offset, int64(p.CompressedPageSize))
	if err != nil {
		return err
	}
	page, err := c.pages.page(b, c.dict)
	if err != nil {
		return corrupt(err, "a page is not readable")
	}
	if int64(page.rows) != end-p.FirstRowIndex {
		return corrupt(errDamaged, "a page has the wrong number of rows")
	}
	c.page, c.first = page, p.FirstRowIndex
	return nil
}

// most gives how many rows, at most n and at least 1, a batch can take from the page.
func (c *cursor) most(n int) int {
	n = min(n, c.page.rows-c.at)
	if c.page.offsets != nil {
		base := c.page.offsets[c.at]
		for n > 1 && c.page.offsets[c.at+n]-base > scanBytes {
			n /= 2
		}
		return n
	}
	if c.page.dict != nil {
		sum := 0
		for i := range n {
			sum += len(c.page.dict.text(c.page.idx[c.at+i]))
			if sum > scanBytes && i > 0 {
				return i
			}
		}
	}
	return n
}

// vector makes v the next n rows of the page.
func (c *cursor) vector(v *Vector, n int) {
	p, t := c.page, c.scan.r.schema.Columns[c.col].Type
	*v = Vector{Validity: c.validity(n)}
	switch {
	case !t.varlen():
		w := t.Width()
		v.Data = p.data[c.at*w : (c.at+n)*w]
	case p.dict != nil:
		c.texts(v, n)
	default:
		base, end := p.offsets[c.at], p.offsets[c.at+n]
		v.Data = p.data[base:end]
		c.offs = c.offs[:0]
		for _, o := range p.offsets[c.at : c.at+n+1] {
			c.offs = append(c.offs, o-base)
		}
		v.Offsets = c.offs
	}
}

// texts puts the texts of dictionary numbers together.
func (c *cursor) texts(v *Vector, n int) {
	p := c.page
	c.data, c.offs = c.data[:0], append(c.offs[:0], 0)
	for i := c.at; i < c.at+n; i++ {
		if p.valid == nil || p.valid[i>>3]>>(i&7)&1 != 0 {
			c.data = append(c.data, p.dict.text(p.idx[i])...)
		}
		c.offs = append(c.offs, uint32(len(c.data)))
	}
	v.Data, v.Offsets = c.data, c.offs
}

// validity gives the bitmap of the next n rows, nil if none of the page is null.
func (c *cursor) validity(n int) []byte {
	valid := c.page.valid
	if valid == nil {
		return nil
	}
	if c.at&7 == 0 {
		return valid[c.at>>3 : (c.at+n+7)>>3]
	}
	size := (n + 7) / 8
	if cap(c.bits) < size {
		c.bits = make([]byte, scanRows/8)
	}
	c.bits = c.bits[:size]
	for i := range c.bits {
		c.bits[i] = byte(bitsAt(valid, c.at+8*i, 8))
	}
	return c.bits
}

// columnsOf gives the numbers of named columns, all of them for none.
func (s *Schema) columnsOf(names []string) ([]int, error) {
	if len(names) == 0 {
		all := make([]int, len(s.Columns))
		for i := range all {
			all[i] = i
		}
		return all, nil
	}
	out := make([]int, 0, len(names))
	for _, n := range names {
		i := s.Index(n)
		if i < 0 {
			return nil, unknownColumn("columns", s, n)
		}
		out = append(out, i)
	}
	return out, nil
}

// project gives a schema of some columns of s, in the order given.
func (s *Schema) project(cols []int) *Schema {
	out := *s
	out.Columns = make([]Column, len(cols))
	for i, n := range cols {
		out.Columns[i] = s.Columns[n]
	}
	return &out
}

// Batches reads the named columns, all of them for none, and calls fn with one batch after the other, in the order of
// the rows. A batch is valid until fn returns. An error of fn ends the reading and is returned as it is.
func (r *Reader) Batches(ctx context.Context, columns []string, fn func(*Batch) error) error {
	cols, err := r.schema.columnsOf(columns)
	if err != nil {
		return err
	}
	s, err := r.newScan(cols)
	if err != nil {
		return err
	}
	for {
		b, err := s.next(ctx, math.MaxInt)
		if err != nil || b == nil {
			return err
		}
		if err := fn(b); err != nil {
			return err
		}
	}
}
