package table

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// filter is what of a query decides about a row. It serves one goroutine.
type filter struct {
	schema *Schema
	where  []Condition
	cols   []int  // columns it reads
	search []byte // lower case, nil = no search
	texts  []int  // positions in cols of the columns searched
	enums  map[int]map[int64]bool
	sel    []bool
	rows   []int
	fold   []byte
}

func newFilter(s *Schema, where []Condition, search string) filter {
	f := filter{schema: s, where: where}
	for i := range where {
		f.column(where[i].column)
	}
	if search == "" {
		return f
	}
	f.search = []byte(strings.ToLower(search))
	f.enums = map[int]map[int64]bool{}
	for i := range s.Columns {
		if s.Columns[i].Type.text() {
			f.texts = append(f.texts, f.column(i))
			f.enums[i] = map[int64]bool{}
		}
	}
	return f
}

// column gives the position in cols of a column, adding it if it is not there.
func (f *filter) column(n int) int {
	if i := slices.Index(f.cols, n); i >= 0 {
		return i
	}
	f.cols = append(f.cols, n)
	return len(f.cols) - 1
}

// none reports whether every row passes.
func (f *filter) none() bool { return len(f.where) == 0 && f.search == nil }

// excludes reports whether no row of a row group can pass.
func (f *filter) excludes(g *rowGroup) bool {
	for i := range f.where {
		c := &f.where[i]
		if c.excludes(&f.schema.Columns[c.column], &g.chunks[c.column], g.rows) {
			return true
		}
	}
	return false
}

// apply gives the rows of a batch of f.cols (and maybe more) that pass. They are valid until the next call.
func (f *filter) apply(b *Batch) []int {
	f.rows = f.rows[:0]
	if f.none() {
		for i := range b.Rows {
			f.rows = append(f.rows, i)
		}
		return f.rows
	}
	f.sel = slices.Grow(f.sel[:0], b.Rows)[:b.Rows]
	for i := range f.sel {
		f.sel[i] = true
	}
	for i := range f.where {
		c := &f.where[i]
		c.filter(&f.schema.Columns[c.column], &b.Columns[f.column(c.column)], f.sel)
	}
	for i, ok := range f.sel {
		if ok && (f.search == nil || f.found(b, i)) {
			f.rows = append(f.rows, i)
		}
	}
	return f.rows
}

// found reports whether a text of the row contains what is searched.
func (f *filter) found(b *Batch, row int) bool {
	for _, at := range f.texts {
		v, n := &b.Columns[at], f.cols[at]
		if !v.Valid(row) {
			continue
		}
		c := &f.schema.Columns[n]
		if c.Type == UTF8 {
			if f.contains(v.Bytes(row)) {
				return true
			}
			continue
		}
		code := v.Int(c.Type, row)
		hit, known := f.enums[n][code]
		if !known {
			hit = f.contains([]byte(c.label(code)))
			f.enums[n][code] = hit
		}
		if hit {
			return true
		}
	}
	return false
}

// contains looks for the searched text in b, whatever the case.
func (f *filter) contains(b []byte) bool {
	f.fold = f.fold[:0]
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return bytes.Contains(bytes.ToLower(b), f.search)
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		f.fold = append(f.fold, c)
	}
	return bytes.Contains(f.fold, f.search)
}
