package table

import (
	"context"
	"fmt"
	"math"

	"github.com/parquet-go/parquet-go/format"
)

// Conditions are compared with the least and largest values that the file holds of each row group and of each page,
// and what they prove to be without a match is not read. Row groups are in the footer; pages have an index of their own.

// span is rows of a row group, from one to before another.
type span struct{ from, to int64 }

// walk filters the table from a row on and calls fn for each batch with matching rows, until fn says false. extra is
// a column that fn wants to see, -1 = none.
func (r *Reader) walk(ctx context.Context, f *filter, extra int, from int64, fn func(match) bool) error {
	s, err := r.newWalk(f, extra)
	if err != nil {
		return err
	}
	s.seek(from)
	for s.group < len(r.groups) {
		if more, err := s.walkGroup(ctx, f, extra >= 0, fn); err != nil || !more {
			return err
		}
	}
	return nil
}

// walkGroups is walk for some row groups, in order.
func (r *Reader) walkGroups(ctx context.Context, f *filter, extra int, groups []int, fn func(match) bool) error {
	s, err := r.newWalk(f, extra)
	if err != nil {
		return err
	}
	for _, g := range groups {
		s.seek(r.groups[g].first)
		if more, err := s.walkGroup(ctx, f, extra >= 0, fn); err != nil || !more {
			return err
		}
	}
	return nil
}

func (r *Reader) newWalk(f *filter, extra int) (*scan, error) {
	cols := f.cols
	if extra >= 0 {
		cols = append(append([]int(nil), cols...), extra)
	}
	return r.newScan(cols)
}

// walkGroup filters what is left of a row group.
func (s *scan) walkGroup(ctx context.Context, f *filter, extra bool, fn func(match) bool) (more bool, err error) {
	if err := ctx.Err(); err != nil { // also where nothing of the group is read
		return false, fmt.Errorf("read table: %w", err)
	}
	g := &s.r.groups[s.group]
	spans, err := s.r.spans(f, s.group)
	if err != nil {
		return false, err
	}
	for _, sp := range spans {
		if g.first+sp.to <= s.row {
			continue
		}
		s.seek(max(s.row, g.first+sp.from))
		if more, err := s.matches(ctx, f, extra, g.first+sp.to, fn); err != nil || !more {
			return false, err
		}
	}
	s.seek(g.first + g.rows)
	return true, nil
}

// matches filters the rows before end. It says whether fn wants more.
func (s *scan) matches(ctx context.Context, f *filter, extra bool, end int64, fn func(match) bool) (more bool, err error) {
	for s.row < end {
		first := s.row
		b, err := s.next(ctx, int(min(end-s.row, math.MaxInt32)))
		if err != nil || b == nil {
			return false, err
		}
		m := match{first: first, rows: f.apply(b)}
		if extra {
			m.extra = &b.Columns[len(b.Columns)-1]
		}
		if len(m.rows) > 0 && !fn(m) {
			return false, nil
		}
	}
	return true, nil
}

// spans gives the rows of a row group among which some may pass, in order.
func (r *Reader) spans(f *filter, group int) (spans []span, err error) {
	defer guard(&err)
	g := &r.groups[group]
	if f.excludes(g) {
		return nil, nil
	}
	spans = []span{{0, g.rows}}
	for i := range f.where {
		c := &f.where[i]
		if !c.prunes() || g.chunks[c.column].bounds <= 0 {
			continue
		}
		pages, err := r.pages(group, c.column)
		if err != nil {
			return nil, err
		}
		spans = intersect(spans, c.spans(&r.schema.Columns[c.column], pages))
		if len(spans) == 0 {
			break
		}
	}
	return spans, nil
}

// prunes reports whether the bounds of values say anything about the condition.
func (c *Condition) prunes() bool { return c.op != Ne && c.op != Contains }

// pageRange is what is known of a page without reading it.
type pageRange struct {
	span
	stats chunk // its nulls and bounds only
}

// pages reads what a column's index says of the pages of a row group.
func (r *Reader) pages(group, column int) ([]pageRange, error) {
	g, col := &r.groups[group], &r.schema.Columns[column]
	ch := &g.chunks[column]
	places, err := r.offsetIndex(group, column)
	if err != nil {
		return nil, err
	}
	b, err := readRange(r.file, nil, ch.bounds, ch.boundsLen, r.size)
	if err != nil {
		return nil, err
	}
	var index format.ColumnIndex
	if err := unmarshalThrift(b, &index); err != nil {
		return nil, err
	}
	n := len(places)
	if len(index.NullPages) != n || len(index.MinValues) != n || len(index.MaxValues) != n || len(index.NullCounts) != n {
		return nil, corrupt(errDamaged, "a column index is wrong")
	}
	out := make([]pageRange, n)
	for i := range out {
		p := &out[i]
		p.from, p.to = places[i].FirstRowIndex, g.rows
		if i+1 < n {
			p.to = places[i+1].FirstRowIndex
		}
		if p.stats.nulls = index.NullCounts[i]; p.stats.nulls < 0 || p.stats.nulls > p.to-p.from {
			return nil, corrupt(errDamaged, "a column index is wrong")
		}
		if !index.NullPages[i] {
			p.stats.bound = storedBounds(col.Type, &format.Statistics{MinValue: index.MinValues[i], MaxValue: index.MaxValues[i]})
		}
	}
	return out, nil
}

// spans gives the rows of the pages that may hold a match.
func (c *Condition) spans(col *Column, pages []pageRange) []span {
	var out []span
	for i := range pages {
		p := &pages[i]
		if c.excludes(col, &p.stats, p.to-p.from) {
			continue
		}
		if n := len(out); n > 0 && out[n-1].to == p.from {
			out[n-1].to = p.to
		} else {
			out = append(out, p.span)
		}
	}
	return out
}

// intersect gives the rows that are in both.
func intersect(a, b []span) []span {
	var out []span
	for len(a) > 0 && len(b) > 0 {
		if s := (span{max(a[0].from, b[0].from), min(a[0].to, b[0].to)}); s.from < s.to {
			out = append(out, s)
		}
		if a[0].to < b[0].to {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}
