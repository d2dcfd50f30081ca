package table

import (
	"context"
	"errors"
	"io"
	"math"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// Export writes every row that a query matches in a form. It streams: its memory does not grow with the table, only a
// sort keeps the keys of at most MaxSortRows rows. Unless the error says that the query was wrong, something may
// have been written when it comes.
func (r *Reader) Export(ctx context.Context, w io.Writer, f Format, q Query, opt EncodeOptions) error {
	p, err := r.plan(q)
	if err != nil {
		return err
	}
	if q.Limit < 0 {
		return errcode.Invalid("limit", "%d is negative", q.Limit)
	}
	if q.Cursor != "" {
		return errcode.Invalid("cursor", "an export begins at the first row")
	}
	p.limit = q.Limit
	var sorted []int64
	if p.sort >= 0 {
		if sorted, err = r.sortAll(ctx, p); err != nil {
			return err
		}
	}
	if f == XLSX && p.filter.none() && p.limit == 0 && r.rows > MaxXLSXRows {
		return tooManyXLSXRows()
	}
	out := r.schema.project(p.cols)
	enc, err := NewEncoder(f, w, out, opt)
	if err != nil {
		return err
	}
	e := &exporter{r: r, plan: p, enc: enc, build: newBuilder(out)}
	switch {
	case p.sort >= 0:
		err = e.sorted(ctx, sorted)
	case p.filter.none():
		err = e.plain(ctx)
	default:
		err = e.filtered(ctx)
	}
	if err != nil {
		Discard(enc)
		return err // the form stays incomplete, so that nobody takes it for the whole table
	}
	return enc.Close()
}

// exporter writes the rows of a plan.
type exporter struct {
	r     *Reader
	plan  *plan
	enc   Encoder
	build *builder
	done  int // rows written
}

// left gives how many rows may still be written.
func (e *exporter) left() int {
	if e.plan.limit == 0 {
		return math.MaxInt
	}
	return e.plan.limit - e.done
}

// plain writes the rows as they are read.
func (e *exporter) plain(ctx context.Context) error {
	s, err := e.r.newScan(e.plan.cols)
	if err != nil {
		return err
	}
	for {
		b, err := s.next(ctx, e.left())
		if err != nil || b == nil {
			return err
		}
		if err := e.enc.Write(b); err != nil {
			return err
		}
		e.done += b.Rows
	}
}

// filtered writes the rows that pass, batch by batch.
func (e *exporter) filtered(ctx context.Context) error {
	var rows []int64
	var inner error
	err := e.r.walk(ctx, &e.plan.filter, -1, 0, func(m match) bool {
		rows = rows[:0]
		for _, i := range m.rows[:min(len(m.rows), e.left())] {
			rows = append(rows, m.first+int64(i))
		}
		inner = e.write(ctx, rows)
		e.done += len(rows)
		return inner == nil && e.left() > 0
	})
	return errors.Join(err, inner)
}

// sortedRows is how many rows of a sorted export are put together at a time. Each time reads the pages that hold them.
const sortedRows = 16 << 10

func (e *exporter) sorted(ctx context.Context, rows []int64) error {
	for len(rows) > 0 {
		n := min(len(rows), sortedRows)
		if err := e.write(ctx, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// write reads rows and writes them in their order. Rows of too many bytes are written in two halves.
func (e *exporter) write(ctx context.Context, rows []int64) error {
	place := ordered(rows)
	e.build.reset()
	err := e.r.fetch(ctx, e.plan.cols, rows, place, func(b *Batch, idx []int, _ int) error {
		e.build.add(b, idx)
		if len(rows) > 1 && e.build.size > maxPageJSON {
			return errTooLong
		}
		return nil
	})
	if errors.Is(err, errTooLong) {
		half := len(rows) / 2
		if err := e.write(ctx, rows[:half]); err != nil {
			return err
		}
		return e.write(ctx, rows[half:])
	}
	if err != nil {
		return err
	}
	return e.enc.Write(e.build.ordered(place))
}

var errTooLong = errors.New("rows of too many bytes")

// builder puts rows of batches together.
type builder struct {
	schema *Schema
	batch  Batch
	size   int
}

func newBuilder(s *Schema) *builder {
	return &builder{schema: s, batch: Batch{Columns: make([]Vector, len(s.Columns))}}
}

func (b *builder) reset() {
	b.batch.Rows, b.size = 0, 0
	for i := range b.batch.Columns {
		v := &b.batch.Columns[i]
		*v = Vector{Data: v.Data[:0], Offsets: v.Offsets[:0]}
		if b.schema.Columns[i].Type.varlen() {
			v.Offsets = append(v.Offsets, 0)
		}
	}
}

// add appends rows of a batch.
func (b *builder) add(from *Batch, idx []int) {
	for i := range b.batch.Columns {
		to, v, t := &b.batch.Columns[i], &from.Columns[i], b.schema.Columns[i].Type
		before := len(to.Data)
		if v.Validity != nil && to.Validity == nil {
			to.Validity = allValid(b.batch.Rows)
		}
		for k, row := range idx {
			if to.Validity != nil {
				to.Validity = appendBit(to.Validity, b.batch.Rows+k, v.Valid(row))
			}
			if t.varlen() {
				to.Data = append(to.Data, v.Bytes(row)...)
				to.Offsets = append(to.Offsets, uint32(len(to.Data)))
			} else {
				w := t.Width()
				to.Data = append(to.Data, v.Data[row*w:(row+1)*w]...)
			}
		}
		b.size += len(to.Data) - before
	}
	b.batch.Rows += len(idx)
}

func allValid(rows int) []byte {
	bits := make([]byte, 0, rows/8+1)
	for i := range rows {
		bits = appendBit(bits, i, true)
	}
	return bits
}

func appendBit(bits []byte, i int, set bool) []byte {
	if i&7 == 0 {
		bits = append(bits, 0)
	}
	if set {
		bits[i>>3] |= 1 << (i & 7)
	}
	return bits
}

// ordered gives the rows, of which the k-th added belongs at place[k].
func (b *builder) ordered(place []int) *Batch {
	inOrder := true
	from := make([]int, len(place))
	for k, p := range place {
		from[p] = k
		inOrder = inOrder && p == k
	}
	if inOrder {
		return &b.batch
	}
	out := newBuilder(b.schema)
	out.reset()
	out.add(&b.batch, from)
	return &out.batch
}
