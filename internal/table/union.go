package table

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// FileColumn is the first column of a table of several files: the file that a row is of.
const FileColumn = "file"

// Union is the table that tables of one name of several files make together: the rows of each, one file after the other,
// with a column that names it. Columns that only some have are null in the others. A column that is not the same in all,
// by type, unit or labels, can be in none of the answers: nothing is converted silently.
type Union struct {
	schema    Schema
	added     int
	seen      map[*Schema]bool
	conflicts map[string]string // by column, what is wrong with it
}

// NewUnion makes the union of no tables.
func NewUnion(name string) *Union {
	return &Union{
		schema: Schema{Name: name, Columns: []Column{{Name: FileColumn, Type: UTF8, Description: "file that the row is of"}}},
		seen:   map[*Schema]bool{}, conflicts: map[string]string{},
	}
}

// Add adds the schema of a file's table. All are to be added before anything is read.
func (u *Union) Add(s *Schema) {
	if u.seen[s] {
		return
	}
	u.seen[s] = true
	if u.added++; u.added == 1 {
		u.schema.Description, u.schema.RowLength, u.schema.Layouts = s.Description, s.RowLength, s.Layouts
	}
	for i := range s.Columns {
		u.addColumn(&s.Columns[i])
	}
	if u.added == 1 {
		return
	}
	for i := range u.schema.Columns[1:] {
		if c := &u.schema.Columns[i+1]; s.Index(c.Name) < 0 {
			c.Nullable = true
		}
	}
}

func (u *Union) addColumn(c *Column) {
	if c.Name == FileColumn {
		u.conflicts[FileColumn] = "the table has a column file of its own"
		return
	}
	i := u.schema.Index(c.Name)
	if i < 0 {
		added := *c
		added.Nullable = c.Nullable || c.Sensitive || u.added > 1 // a redacted column may be nullable in its file only
		u.schema.Columns = append(u.schema.Columns, added)
		return
	}
	have := &u.schema.Columns[i]
	have.Nullable = have.Nullable || c.Nullable || c.Sensitive
	have.Sensitive = have.Sensitive || c.Sensitive
	switch {
	case have.Type != c.Type || have.Scale != c.Scale:
		u.conflicts[c.Name] = "it is " + have.typeText() + " in some files and " + c.typeText() + " in others"
	case have.Naive != c.Naive:
		u.conflicts[c.Name] = "its times have a zone in some files only"
	case have.Unit != c.Unit:
		u.conflicts[c.Name] = "its unit is not the same in all files"
	case !slices.Equal(have.Labels, c.Labels):
		// A newer version of a decoder may know more labels, but not others.
		n := min(len(have.Labels), len(c.Labels))
		if !slices.Equal(have.Labels[:n], c.Labels[:n]) {
			u.conflicts[c.Name] = "its labels are not the same in all files"
		} else if len(c.Labels) > n {
			have.Labels = c.Labels
		}
	}
}

func (c *Column) typeText() string {
	if c.Type == Dec32 || c.Type == Dec64 {
		return c.Type.String() + " with " + string(rune('0'+c.Scale%10)) + " digits after the point"
	}
	return c.Type.String()
}

// Schema is the schema of the union.
func (u *Union) Schema() *Schema { return &u.schema }

// Conflict says what is wrong with a column, "" if nothing is.
func (u *Union) Conflict(column string) string { return u.conflicts[column] }

// UnionQuery says which rows and columns of a union are wanted. The zero value is all of them.
type UnionQuery struct {
	Columns []string // in this order; none = all
	Where   []string // column:op:value, all of them hold; a column that a file's table does not have is null there
	Search  string   // some text column contains it, the name of the file too
}

// unionPlan is a checked query.
type unionPlan struct {
	UnionQuery
	union *Union
	out   *Schema
	conds []Condition // of Where, for the union
	names []string    // columns they are about
}

func (u *Union) plan(q UnionQuery) (*unionPlan, error) {
	cols, err := u.schema.columnsOf(q.Columns)
	if err != nil {
		return nil, err
	}
	if len(q.Where) > MaxConditions {
		return nil, errcode.Invalid("where", "%d conditions are more than %d", len(q.Where), MaxConditions)
	}
	p := &unionPlan{UnionQuery: q, union: u, out: u.schema.project(cols)}
	for _, expr := range q.Where {
		c, err := ParseWhere(&u.schema, expr)
		if err != nil {
			return nil, err
		}
		p.conds, p.names = append(p.conds, c), append(p.names, u.schema.Columns[c.column].Name)
	}
	for i := range p.out.Columns {
		if why := u.conflicts[p.out.Columns[i].Name]; why != "" {
			return nil, errcode.Invalid("columns", "column %s cannot be put together, %s: leave it out, or read the files one by one", p.out.Columns[i].Name, why)
		}
	}
	for _, name := range p.names {
		if why := u.conflicts[name]; why != "" {
			return nil, errcode.Invalid("where", "column %s cannot be compared, %s", name, why)
		}
	}
	return p, nil
}

// one is a plan for one file.
type one struct {
	query Query
	from  []int // for each column of the answer its place among the query's, or one of the following
}

const (
	isMissing = -1
	isFile    = -2
)

// narrow makes the plan for the table of one file. ok is false where none of its rows can match.
func (p *unionPlan) narrow(s *Schema, file string) (o one, ok bool, err error) {
	for i, name := range p.names {
		switch {
		case name == FileColumn:
			if !holds(p.conds[i], file) {
				return o, false, nil
			}
		case s.Index(name) < 0:
			if c := &p.conds[i]; c.op != IsNull || !c.null {
				return o, false, nil
			}
		default:
			c, err := ParseWhere(s, p.Where[i])
			if err != nil {
				return o, false, err
			}
			o.query.Where = append(o.query.Where, c)
		}
	}
	if !strings.Contains(strings.ToLower(file), strings.ToLower(p.Search)) {
		o.query.Search = p.Search
	}
	o.from = make([]int, len(p.out.Columns))
	for i := range p.out.Columns {
		switch name := p.out.Columns[i].Name; {
		case name == FileColumn:
			o.from[i] = isFile
		case s.Index(name) < 0:
			o.from[i] = isMissing
		default:
			at := slices.Index(o.query.Columns, name)
			if at < 0 {
				at = len(o.query.Columns)
				o.query.Columns = append(o.query.Columns, name)
			}
			o.from[i] = at
		}
	}
	if len(o.query.Columns) == 0 { // none would be all: one is enough to count rows
		o.query.Columns = []string{s.Columns[0].Name}
	}
	return o, true, nil
}

// holds reports whether the name of a file meets a condition on it.
func holds(c Condition, file string) bool {
	c.column = 0
	s := &Schema{Columns: []Column{{Name: FileColumn, Type: UTF8}}}
	f := newFilter(s, []Condition{c}, "")
	return len(f.apply(&Batch{Rows: 1, Columns: []Vector{{Data: []byte(file), Offsets: []uint32{0, uint32(len(file))}}}})) == 1
}

// UnionWriter writes a union in a form, one file after the other. Its memory does not grow with their number.
type UnionWriter struct {
	plan *unionPlan
	enc  Encoder
}

// Export begins to write what a query matches. A query that is wrong is an error before anything is written.
func (u *Union) Export(f Format, w io.Writer, q UnionQuery, opt EncodeOptions) (*UnionWriter, error) {
	p, err := u.plan(q)
	if err != nil {
		return nil, err
	}
	enc, err := NewEncoder(f, w, p.out, opt)
	if err != nil {
		return nil, err
	}
	return &UnionWriter{plan: p, enc: enc}, nil
}

// Check checks a query, as Export would.
func (u *Union) Check(q UnionQuery) error {
	_, err := u.plan(q)
	return err
}

// Add writes the rows of a file's table.
func (w *UnionWriter) Add(ctx context.Context, file string, r *Reader) error {
	o, ok, err := w.plan.narrow(r.schema, file)
	if err != nil || !ok {
		return err
	}
	p, err := r.plan(o.query)
	if err != nil {
		return err
	}
	e := &exporter{
		r: r, plan: p, enc: &unionEncoder{enc: w.enc, out: w.plan.out, from: o.from, file: []byte(file)},
		build: newBuilder(r.schema.project(p.cols)),
	}
	if p.filter.none() {
		return e.plain(ctx)
	}
	return e.filtered(ctx)
}

// Close completes the form.
func (w *UnionWriter) Close() error { return w.enc.Close() }

// Discard lets go of a form that stays incomplete.
func (w *UnionWriter) Discard() { Discard(w.enc) }

// unionEncoder makes batches of a file's table ones of the union.
type unionEncoder struct {
	enc   Encoder
	out   *Schema
	from  []int
	file  []byte
	batch Batch
}

// Write writes a batch of the file's table.
func (e *unionEncoder) Write(b *Batch) error {
	e.batch.Rows = b.Rows
	if e.batch.Columns == nil {
		e.batch.Columns = make([]Vector, len(e.from))
	}
	for i, at := range e.from {
		v := &e.batch.Columns[i]
		switch {
		case at == isFile:
			repeat(v, e.file, b.Rows)
		case at == isMissing:
			nulls(v, e.out.Columns[i].Type, b.Rows)
		case b.Columns[at].Validity != nil && !e.out.Columns[i].Nullable:
			return corrupt(errDamaged, "column "+e.out.Columns[i].Name+" holds nulls that it may not have")
		default:
			*v = b.Columns[at]
		}
	}
	return e.enc.Write(&e.batch)
}

// Close does nothing: the form goes on with the next file.
func (e *unionEncoder) Close() error { return nil }

func repeat(v *Vector, text []byte, rows int) {
	if len(v.Offsets) > rows { // of the batch before
		v.Data, v.Offsets = v.Data[:rows*len(text)], v.Offsets[:rows+1]
		return
	}
	v.Data = bytes.Repeat(text, rows)
	v.Offsets = make([]uint32, rows+1)
	for i := range v.Offsets {
		v.Offsets[i] = uint32(i * len(text))
	}
}

func nulls(v *Vector, t Type, rows int) {
	v.Validity = make([]byte, (rows+7)/8)
	if t.varlen() {
		v.Data, v.Offsets = nil, make([]uint32, rows+1)
		return
	}
	v.Data = make([]byte, rows*t.Width())
}

// Window says which of the rows of one file's table a page of a union holds.
type Window struct {
	Limit         int
	Cursor        string // of the same file; "" = from the first on
	Offset        int64  // rows that match before the first; not with Cursor
	Int64AsString bool
	Views         *Views // as in Query
	Source        string
}

// Count counts the rows of one file's table that match.
func (u *Union) Count(ctx context.Context, q UnionQuery, file string, r *Reader, win Window) (int64, error) {
	p, err := u.plan(q)
	if err != nil {
		return 0, err
	}
	o, ok, err := p.narrow(r.schema, file)
	if err != nil || !ok {
		return 0, err
	}
	o.query.Views, o.query.Source = win.Views, win.Source
	return r.count(ctx, o.query)
}

// Page gives rows of one file's table as the union has them.
func (u *Union) Page(ctx context.Context, q UnionQuery, file string, r *Reader, win Window) (Page, error) {
	p, err := u.plan(q)
	if err != nil {
		return Page{}, err
	}
	o, ok, err := p.narrow(r.schema, file)
	if err != nil || !ok {
		return Page{Columns: p.out.Columns}, err
	}
	o.query.Limit, o.query.Cursor, o.query.Offset, o.query.Int64AsString = win.Limit, win.Cursor, win.Offset, win.Int64AsString
	o.query.Views, o.query.Source = win.Views, win.Source
	page, err := r.Page(ctx, o.query)
	if err != nil {
		return Page{}, err
	}
	page.Columns = p.out.Columns
	name := appendJSONString(nil, []byte(file))
	for i, row := range page.Rows {
		if page.Rows[i], err = o.row(row, name); err != nil {
			return Page{}, err
		}
	}
	return page, nil
}

// row makes a row of the file's table one of the union.
func (o *one) row(row, file json.RawMessage) (json.RawMessage, error) {
	var cells []json.RawMessage
	if err := json.Unmarshal(row, &cells); err != nil {
		return nil, corrupt(err, "a row cannot be read")
	}
	out := make([]byte, 0, len(row)+len(file)+8)
	for k, at := range o.from {
		out = append(out, separator(k))
		switch at {
		case isFile:
			out = append(out, file...)
		case isMissing:
			out = append(out, "null"...)
		default:
			out = append(out, cells[at]...)
		}
	}
	return append(out, ']'), nil
}
