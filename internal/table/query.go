package table

import (
	"context"
	"encoding/json"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// Limits of queries.
const (
	DefaultLimit  = 100       // rows of a page
	MaxLimit      = 10_000    // rows of a page
	MaxConditions = 64        // of a query
	maxPageJSON   = 16 << 20  // bytes of a page's rows: a page of long rows ends early
	MaxSortRows   = 256 << 10 // rows that a sorted export may have
	maxSortBytes  = 64 << 20  // of the texts it is sorted by
	sortPrefix    = 256       // bytes of a text that count in a sort
)

// Query says which rows and columns are wanted. The zero value is all of them, in the order of the table.
type Query struct {
	Columns       []string    // in this order; none = all
	Where         []Condition // all of them hold
	Search        string      // some text or enum column contains it, whatever the case
	Sort          string      // column to sort by; nulls and NaN come last, equal rows stay in order
	Desc          bool        // largest first
	Limit         int         // Page: at most MaxLimit, 0 = DefaultLimit. Export: 0 = no limit
	Cursor        string      // Page only: where the page before ended
	Int64AsString bool        // Page only: 64-bit integers as JSON strings

	// Page only: places in the view, which is the rows that match in the order wanted.
	Offset     int64  // rows of the view before the first of the page; not with Cursor
	Count      bool   // give Total, even if that means reading on
	PositionOf *int64 // give the Position of the row with this number in the table, from 0; nil = of none
	Views      *Views // remembers what was found out of views; nil = nothing
	Source     string // names the stored file: the same name, the same bytes; "" = nothing is remembered
}

// Page is some rows of a table.
type Page struct {
	Columns    []Column
	Rows       []json.RawMessage // each the JSON array of a row's values
	Numbers    []int64           // of each row its place in the table, from 0
	NextCursor string            // "" = this was the last page
	Total      *int64            // rows that the query matches, nil where counting would mean reading on
	Position   *Position         // of the row that was asked for
}

// plan is a checked query.
type plan struct {
	Query
	cols   []int // to give
	filter filter
	sort   int // -1 = table order
	limit  int
}

func (r *Reader) plan(q Query) (*plan, error) {
	cols, err := r.schema.columnsOf(q.Columns)
	if err != nil {
		return nil, err
	}
	if err := checkConditions(q.Where); err != nil {
		return nil, err
	}
	p := &plan{Query: q, cols: cols, filter: newFilter(r.schema, q.Where, q.Search), sort: -1}
	if q.Sort != "" {
		if p.sort = r.schema.Index(q.Sort); p.sort < 0 {
			return nil, unknownColumn("sort", r.schema, q.Sort)
		}
	}
	return p, nil
}

func checkConditions(where []Condition) error {
	if len(where) > MaxConditions {
		return errcode.Invalid("where", "%d conditions are more than %d", len(where), MaxConditions)
	}
	return nil
}

// Page gives one page of the rows that a query matches.
func (r *Reader) Page(ctx context.Context, q Query) (Page, error) {
	p, err := r.plan(q)
	if err != nil {
		return Page{}, err
	}
	if err := r.checkPlace(q); err != nil {
		return Page{}, err
	}
	if p.limit = q.Limit; p.limit == 0 {
		p.limit = DefaultLimit
	}
	at := int64(-1)
	if q.Cursor != "" {
		if at, err = r.parseCursor(p); err != nil {
			return Page{}, err
		}
	}
	w := q.Views.view(r, p)
	defer q.Views.keep(w) // also what was counted before a caller went away
	var found selection
	if p.sort < 0 {
		found, err = r.selectOrdered(ctx, p, w, at)
	} else {
		found, err = r.selectSorted(ctx, p, w, at)
	}
	if err != nil {
		return Page{}, err
	}
	page, err := r.render(ctx, p, found)
	if err == nil && q.PositionOf != nil {
		page.Position, err = r.position(ctx, p, w, *q.PositionOf)
	}
	return page, err
}

// checkPlace checks what of a query says which of the rows are wanted.
func (r *Reader) checkPlace(q Query) error {
	switch {
	case q.Limit < 0 || q.Limit > MaxLimit:
		return errcode.Invalid("limit", "%d is not between 1 and %d", q.Limit, MaxLimit)
	case q.Offset < 0:
		return errcode.Invalid("offset", "%d is negative", q.Offset)
	case q.Offset > 0 && q.Cursor != "":
		return errcode.Invalid("offset", "say either an offset or a cursor")
	case q.PositionOf != nil && (*q.PositionOf < 0 || *q.PositionOf >= r.rows):
		return errcode.Invalid("position_of", "there is no row %d: the table has %d, counted from 0", *q.PositionOf, r.rows)
	}
	return nil
}

func (r *Reader) position(ctx context.Context, p *plan, w *view, row int64) (*Position, error) {
	find := r.positionOrdered
	if p.sort >= 0 {
		find = r.positionSorted
	}
	at, err := find(ctx, p, w, row)
	return &at, err
}

// selection is the rows of a page, in its order.
type selection struct {
	rows  []int64
	more  bool // there are rows after these
	total *int64
}

// selectOrdered finds the next rows in table order after row at, or from the plan's offset on.
func (r *Reader) selectOrdered(ctx context.Context, p *plan, w *view, at int64) (selection, error) {
	var s selection
	if p.filter.none() {
		first := at + 1 + p.Offset // at is -1 where an offset is
		for row := first; row < r.rows && len(s.rows) < p.limit; row++ {
			s.rows = append(s.rows, row)
		}
		s.more, s.total = r.rows-first > int64(p.limit), &r.rows
		return s, nil
	}
	from, skip := at+1, int64(0)
	if p.Offset > 0 {
		var group int
		var err error
		if group, skip, err = r.find(ctx, p, w, p.Offset); err != nil {
			return s, err
		}
		from = r.rows
		if group < len(r.groups) {
			from = r.groups[group].first
		}
	}
	err := r.walk(ctx, &p.filter, -1, from, func(m match) bool {
		n := min(skip, int64(len(m.rows)))
		skip -= n
		for _, i := range m.rows[n:] {
			if len(s.rows) == p.limit {
				s.more = true
				return false
			}
			s.rows = append(s.rows, m.first+int64(i))
		}
		return true
	})
	if err == nil && p.Count {
		err = r.countAll(ctx, p, w)
	}
	if n, ok := w.total(); ok {
		s.total = &n
	} else if at < 0 && p.Offset == 0 && !s.more {
		n := int64(len(s.rows))
		s.total = &n
	}
	return s, err
}

// render reads the rows of a selection and writes them as JSON. Should they be too many bytes, the page ends early.
func (r *Reader) render(ctx context.Context, p *plan, s selection) (Page, error) {
	out := Page{Columns: r.schema.project(p.cols).Columns, Rows: make([]json.RawMessage, len(s.rows)), Total: s.total}
	place := ordered(s.rows)
	form := jsonForm{int64AsString: p.Int64AsString}
	size, cut := 0, len(s.rows)
	err := r.fetch(ctx, p.cols, s.rows, place, func(b *Batch, idx []int, at int) error {
		for k, i := range idx {
			if place[at+k] >= cut {
				continue
			}
			row := make([]byte, 0, 16*len(p.cols))
			for j := range b.Columns {
				open := byte(',')
				if j == 0 {
					open = '['
				}
				row = form.appendJSON(append(row, open), &out.Columns[j], &b.Columns[j], i)
			}
			row = append(row, ']')
			out.Rows[place[at+k]] = row
			size += len(row)
			for size > maxPageJSON && cut > 1 {
				cut--
				size -= len(out.Rows[cut])
				out.Rows[cut] = nil
			}
		}
		return nil
	})
	if err != nil {
		return Page{}, err
	}
	out.Rows, out.Numbers = out.Rows[:cut], s.rows[:cut]
	if cut > 0 && (s.more || cut < len(s.rows)) {
		out.NextCursor = r.cursor(p, s.rows[cut-1])
	}
	return out, nil
}

// fetch reads the rows in ascending order: place[k] is the position in rows of the k-th smallest. fn gets a batch of
// the columns, the wanted rows in it, and which smallest the first of them is.
func (r *Reader) fetch(ctx context.Context, cols []int, rows []int64, place []int, fn func(b *Batch, idx []int, at int) error) error {
	if len(rows) == 0 {
		return nil
	}
	s, err := r.newScan(cols)
	if err != nil {
		return err
	}
	// Rows that lie close together are read as one batch.
	const gap = 16
	var idx []int
	for k := 0; k < len(place); {
		first := rows[place[k]]
		last := first
		for j := k + 1; j < len(place) && rows[place[j]]-last <= gap && rows[place[j]]-first < scanRows; j++ {
			last = rows[place[j]]
		}
		s.seek(first)
		b, err := s.next(ctx, int(last-first+1))
		if err != nil {
			return err
		}
		if b == nil {
			return corrupt(errDamaged, "rows are missing")
		}
		idx = idx[:0]
		at := k
		for k < len(place) && rows[place[k]] < first+int64(b.Rows) {
			idx = append(idx, int(rows[place[k]]-first))
			k++
		}
		if err := fn(b, idx, at); err != nil {
			return err
		}
	}
	return nil
}

// match is rows of a batch that a filter lets through.
type match struct {
	first int64   // row of the table that the batch begins with
	rows  []int   // in the batch
	extra *Vector // the extra column of the batch
}
