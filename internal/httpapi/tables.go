package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/table"
)

// Table describes a table of a decode, on the wire.
type Table struct {
	Name        string           `json:"name"`
	Description string           `json:"description"`
	Rows        int64            `json:"rows"`
	Bytes       int64            `json:"bytes" doc:"of the stored file; 0 = the table has no rows and no file"`
	RowLength   maybe[RowLength] `json:"row_length" doc:"how many bytes of the input a row covers"`
	Layouts     []Layout         `json:"layouts" nullable:"false" doc:"fields in the bytes of rows"`
	Columns     []Column         `json:"columns" nullable:"false"`
}

// RowLength is the value of a column, if any, plus a constant, on the wire.
type RowLength struct {
	Column text  `json:"column"`
	Plus   int64 `json:"plus"`
}

// Layout names the fields in rows whose columns have one of the given values, on the wire.
type Layout struct {
	When   map[string][]int64 `json:"when"`
	Fields []LayoutField      `json:"fields" nullable:"false"`
}

// LayoutField is a field of a Layout, on the wire.
type LayoutField struct {
	Name   string `json:"name"`
	At     int64  `json:"at"`
	Length int64  `json:"length"`
	Type   string `json:"type"`
	Unit   string `json:"unit"`
}

// Column describes a column, on the wire.
type Column struct {
	Name        string   `json:"name"`
	Type        string   `json:"type" example:"dec32(2)" doc:"as in docs/tables.md; decimals with their digits after the point"`
	Unit        string   `json:"unit" doc:"UCUM; may be empty"`
	Description string   `json:"description"`
	Nullable    bool     `json:"nullable"`
	Naive       bool     `json:"naive" doc:"times: the source had no zone"`
	Role        string   `json:"role"`
	Labels      []string `json:"labels" nullable:"false" doc:"of enums, by code"`
	Sensitive   bool     `json:"sensitive"`
	Min         scalar   `json:"min" doc:"smallest value; null where none is known"`
	Max         scalar   `json:"max" doc:"largest value; null where none is known"`
}

// scalar is a JSON value that was rendered before; none is null.
type scalar json.RawMessage

// MarshalJSON writes the value.
func (s scalar) MarshalJSON() ([]byte, error) {
	if len(s) == 0 {
		return []byte("null"), nil
	}
	return s, nil
}

// Schema describes any value.
func (scalar) Schema(huma.Registry) *huma.Schema { return &huma.Schema{} }

// MatchParams say which rows of a table count. Exported for the same reason as IDParam.
type MatchParams struct {
	Q     string   `query:"q" maxLength:"1024" doc:"some text column contains it, whatever the case"`
	Where []string `query:"where,explode" nullable:"false" doc:"column:op:value with eq ne lt le gt ge in contains is_null; repeatable, all have to hold"`
}

// FilterParams select rows of a table. Exported for the same reason as IDParam.
type FilterParams struct {
	Columns []string `query:"columns" nullable:"false" doc:"only these columns, in this order, separated by commas"`
	Sort    string   `query:"sort" maxLength:"63" doc:"column to sort by"`
	Order   string   `query:"order" enum:"asc,desc" default:"asc"`
	MatchParams
}

// TableParam names a table in a path. Exported for the same reason as IDParam.
type TableParam struct {
	Table string `path:"table" maxLength:"63"`
}

type tablesOutput struct {
	Body []Table `nullable:"false"`
}

// WindowParams say where in the rows that match an answer begins. Exported for the same reason as IDParam.
type WindowParams struct {
	Offset     int64 `query:"offset" minimum:"0" maximum:"9007199254740991" doc:"rows that match before the first of the answer: where it begins, whatever came before; not with cursor"`
	Count      bool  `query:"count" doc:"give total, even if all rows have to be looked at for it; it is remembered for a while"`
	RowNumbers bool  `query:"row_numbers" doc:"give row_numbers"`
}

type rowsInput struct {
	IDParam
	TableParam
	FilterParams
	WindowParams
	PositionOf int64  `query:"position_of" minimum:"-1" maximum:"9007199254740991" default:"-1" doc:"number of a row in the table, from 0, whose position among the rows that match is wanted; -1 = of none"`
	Limit      int    `query:"limit" minimum:"1" maximum:"10000" default:"100" doc:"most rows of the answer"`
	Cursor     string `query:"cursor" maxLength:"1024" doc:"next_cursor of the answer before"`
	Int64      string `query:"int64" enum:"number,string" default:"number" doc:"how 64-bit integers are written"`
}

// Rows is one answer of rows.
type Rows struct {
	Columns    []string `json:"columns" nullable:"false" doc:"names, in the order of the values of a row"`
	Rows       []scalar `json:"rows" nullable:"false" doc:"each the array of a row's values"`
	NextCursor text     `json:"next_cursor"`
	Total      *int64   `json:"total" doc:"rows that match; null where counting would mean reading on"`
	// Only where they are asked for.
	RowNumbers []int64   `json:"row_numbers,omitempty" doc:"of each row its number in the table, from 0; with row_numbers=true"`
	Decodes    []string  `json:"decodes,omitempty" doc:"of each row the decode whose table it is of; of a batch, with row_numbers=true"`
	Position   *Position `json:"position,omitempty" doc:"of the row that position_of names"`
}

// Position is where a row stands among those that match, on the wire.
type Position struct {
	Offset int64 `json:"offset" doc:"rows that match before it"`
	Found  bool  `json:"found" doc:"it matches; if not, offset is where it would stand"`
}

// MarshalJSON writes the answer.
func (r Rows) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := r.render(&b)
	return b.Bytes(), err
}

// render writes the answer. Its rows are JSON already, and a page may have ten thousand: nobody is to look at them again.
func (r Rows) render(b *bytes.Buffer) error {
	columns, err := jsonBytes(r.Columns)
	if err != nil {
		return err
	}
	next, err := r.NextCursor.MarshalJSON()
	if err != nil {
		return err
	}
	b.WriteString(`{"columns":`)
	b.Write(columns)
	b.WriteString(`,"rows":[`)
	for i, row := range r.Rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(row)
	}
	b.WriteString(`],"next_cursor":`)
	b.Write(next)
	b.WriteString(`,"total":`)
	b.Write(numberOrNull(r.Total))
	return r.renderPlaces(b)
}

// renderPlaces writes the members that are there only if asked for.
func (r Rows) renderPlaces(b *bytes.Buffer) error {
	for _, m := range []struct {
		name   string
		there  bool
		member any
	}{
		{"row_numbers", r.RowNumbers != nil, r.RowNumbers},
		{"decodes", r.Decodes != nil, r.Decodes},
		{"position", r.Position != nil, r.Position},
	} {
		if !m.there {
			continue
		}
		value, err := jsonBytes(m.member)
		if err != nil {
			return err
		}
		b.WriteString(`,"` + m.name + `":`)
		b.Write(value)
	}
	b.WriteByte('}')
	return nil
}

type rowsOutput struct{ Body Rows }

func (s *Server) routeTables(api huma.API) {
	register(s, api, operation{
		id: "list-tables", method: http.MethodGet, path: "/decodes/{id}/tables", scope: scopeRead,
		summary: "List the tables of a decode with their columns and the range of their values",
	}, s.listTables)
	register(s, api, operation{
		id: "get-rows", whole: true, method: http.MethodGet, path: "/decodes/{id}/tables/{table}/rows", scope: scopeRead,
		summary: "Get rows of a table, filtered, sorted, page by page or from any offset on",
		detail: "offset begins anywhere: in a table as it is stored at no cost; in a filtered one after rows were counted up to there, in a sorted " +
			"one after they were put in order, once, as what was found out is remembered for a while. A request whose caller has gone stops.",
	}, s.getRows)
	s.routeIssues(api)
	s.routeSeries(api)
	s.routeExport(api)
	s.routeTablesZip(api)
}

// stored is a table opened for reading.
type stored struct {
	decode catalog.Decode
	entry  catalog.Table
	schema *table.Schema
	file   *os.File // nil = no rows
	info   os.FileInfo
	reader *table.Reader
}

func (t *stored) close() {
	if t.file != nil {
		_ = t.file.Close() // was only read
	}
}

// openTable opens a table of a decode; the caller closes it.
func (s *Server) openTable(ctx context.Context, id, name string) (*stored, error) {
	d, err := s.decodeFor(ctx, id)
	if err != nil {
		return nil, err
	}
	schemas, err := s.deps.Decodes.Schemas(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("get schemas of decode %s: %w", id, err)
	}
	for i, t := range d.Tables {
		if t.Name == name && i < len(schemas) {
			return s.openStored(d, t, schemas[i])
		}
	}
	return nil, errcode.Newf(errcode.NotFound, "the decode has no table %.63q", name)
}

func (s *Server) openStored(d catalog.Decode, entry catalog.Table, schema *table.Schema) (*stored, error) {
	t := &stored{decode: d, entry: entry, schema: schema, reader: table.Empty(schema)}
	if entry.Rows == 0 {
		return t, nil
	}
	var err error
	if t.file, err = s.deps.Results.Open(d.ResultKey, entry.Name); err != nil {
		return nil, errcode.Wrap(errcode.Internal, err, "the stored table cannot be opened")
	}
	if t.info, err = t.file.Stat(); err == nil {
		t.reader, err = table.OpenParquet(t.file, t.info.Size(), schema)
	}
	if err != nil {
		t.close()
		return nil, fmt.Errorf("open table %s of decode %s: %w", entry.Name, d.ID, err)
	}
	return t, nil
}

func (s *Server) listTables(ctx context.Context, in *IDParam) (*tablesOutput, error) {
	d, err := s.decodeFor(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	schemas, err := s.deps.Decodes.Schemas(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("get schemas of decode %s: %w", in.ID, err)
	}
	out := &tablesOutput{Body: make([]Table, 0, len(d.Tables))}
	for i, entry := range d.Tables {
		if i >= len(schemas) {
			break
		}
		t, err := s.openStored(d, entry, schemas[i])
		if err != nil {
			return nil, err
		}
		out.Body = append(out.Body, tableDTO(t))
		t.close()
	}
	return out, nil
}

func tableDTO(t *stored) Table {
	out := Table{
		Name: t.entry.Name, Description: t.schema.Description, Rows: t.entry.Rows, Bytes: t.entry.Bytes,
		Layouts: make([]Layout, 0, len(t.schema.Layouts)), Columns: make([]Column, 0, len(t.schema.Columns)),
	}
	if l := t.schema.RowLength; l != nil {
		out.RowLength.v = &RowLength{Column: text(l.Column), Plus: l.Plus}
	}
	for _, l := range t.schema.Layouts {
		layout := Layout{When: l.When, Fields: make([]LayoutField, 0, len(l.Fields))}
		for _, f := range l.Fields {
			layout.Fields = append(layout.Fields, LayoutField(f))
		}
		out.Layouts = append(out.Layouts, layout)
	}
	for i := range t.schema.Columns {
		c := &t.schema.Columns[i]
		col := Column{
			Name: c.Name, Type: c.TypeName(), Unit: c.Unit, Description: c.Description, Nullable: c.Nullable, Naive: c.Naive,
			Role: c.Role, Labels: append([]string{}, c.Labels...), Sensitive: c.Sensitive,
		}
		if least, most, ok := t.reader.Bounds(c.Name); ok {
			col.Min, col.Max = least, most
		}
		out.Columns = append(out.Columns, col)
	}
	return out
}

// conditions makes the conditions on a table out of the parameters.
func (p MatchParams) conditions(s *table.Schema) ([]table.Condition, error) {
	if len(p.Where) > table.MaxConditions {
		return nil, errcode.Invalid("where", "%d conditions are more than %d", len(p.Where), table.MaxConditions)
	}
	var all []table.Condition
	for _, expr := range p.Where {
		c, err := table.ParseWhere(s, expr)
		if err != nil {
			return nil, fmt.Errorf("parse condition: %w", err)
		}
		all = append(all, c)
	}
	return all, nil
}

// query makes the query of a table out of the parameters.
func (p FilterParams) query(s *table.Schema) (table.Query, error) {
	where, err := p.conditions(s)
	return table.Query{Columns: p.Columns, Where: where, Search: p.Q, Sort: p.Sort, Desc: p.Order == "desc"}, err
}

// whole reports whether the parameters select everything, as it is stored.
func (p FilterParams) whole() bool {
	return len(p.Columns) == 0 && p.Sort == "" && p.Q == "" && len(p.Where) == 0
}

func (s *Server) getRows(ctx context.Context, in *rowsInput) (*rowsOutput, error) {
	t, err := s.openTable(ctx, in.ID, in.Table)
	if err != nil {
		return nil, err
	}
	defer t.close()
	q, err := in.query(t.schema)
	if err != nil {
		return nil, err
	}
	q.Limit, q.Cursor, q.Int64AsString = in.Limit, in.Cursor, in.Int64 == "string"
	q.Offset, q.Count, q.Views, q.Source = in.Offset, in.Count, s.views, storedTag(t)
	if in.PositionOf >= 0 {
		q.PositionOf = &in.PositionOf
	}
	page, err := t.reader.Page(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read table %s of decode %s: %w", in.Table, in.ID, err)
	}
	out := &rowsOutput{Body: Rows{
		Columns: make([]string, 0, len(page.Columns)), Rows: make([]scalar, 0, len(page.Rows)),
		NextCursor: text(page.NextCursor), Total: page.Total,
	}}
	for i := range page.Columns {
		out.Body.Columns = append(out.Body.Columns, page.Columns[i].Name)
	}
	for _, r := range page.Rows {
		out.Body.Rows = append(out.Body.Rows, scalar(r))
	}
	if in.RowNumbers {
		out.Body.RowNumbers = append(make([]int64, 0, len(page.Numbers)), page.Numbers...)
	}
	if page.Position != nil {
		out.Body.Position = &Position{Offset: page.Position.Offset, Found: page.Position.Found}
	}
	return out, nil
}

// fileName gives the name under which a table is saved: that of its file, the table, the form.
func (s *Server) fileName(ctx context.Context, t *stored, f table.Format) string {
	base := t.decode.ID
	if file, err := s.deps.Files.File(ctx, t.decode.FileID); err == nil {
		base = strings.TrimSuffix(file.Name, path.Ext(file.Name))
	}
	return base + "-" + t.entry.Name + "." + string(f)
}

// emptyParquet gives the Parquet file of a table without rows: there is none stored.
func emptyParquet(s *table.Schema) (io.ReadSeeker, error) {
	var b bytes.Buffer
	enc, err := table.NewEncoder(table.Parquet, &b, s, table.EncodeOptions{})
	if err == nil {
		err = enc.Close()
	}
	if err != nil {
		return nil, errors.Join(errcode.New(errcode.Internal, "the empty table cannot be written"), err)
	}
	return bytes.NewReader(b.Bytes()), nil
}
