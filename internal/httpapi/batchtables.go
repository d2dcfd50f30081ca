package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/batch"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/table"
)

const (
	batchExportRoute = "/batches/{id}/tables/{file}"
	batchExportPath  = "/batches/{id}/tables/{table}.{format}"
)

// BatchTable describes a table of the files of a batch, on the wire.
type BatchTable struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Files       int      `json:"files" doc:"decoded files that have it"`
	Rows        int64    `json:"rows" doc:"of all of them"`
	Columns     []Column `json:"columns" nullable:"false" doc:"file first; those that not every file has are nullable"`
	Conflicts   []string `json:"conflicts" nullable:"false" doc:"columns that are not the same in all files: no answer can have them"`
}

type batchTablesOutput struct {
	Body []BatchTable `nullable:"false"`
}

// UnionParams select rows of a table of several files. Exported for the same reason as IDParam.
type UnionParams struct {
	Columns []string `query:"columns" nullable:"false" doc:"only these columns, in this order, separated by commas"`
	MatchParams
}

func (p UnionParams) query() table.UnionQuery {
	return table.UnionQuery{Columns: p.Columns, Where: p.Where, Search: p.Q}
}

func (p UnionParams) whole() bool { return p.Q == "" && len(p.Where) == 0 }

type batchRowsInput struct {
	IDParam
	TableParam
	UnionParams
	WindowParams
	Limit  int    `query:"limit" minimum:"1" maximum:"10000" default:"100" doc:"most rows of the answer"`
	Cursor string `query:"cursor" maxLength:"2048" doc:"next_cursor of the answer before"`
	Int64  string `query:"int64" enum:"number,string" default:"number" doc:"how 64-bit integers are written"`
}

type batchExportInput struct {
	IDParam
	File string `path:"file" maxLength:"80" hidden:"true"`
	UnionParams
	EncodeParams
}

func (s *Server) routeBatchTables(api huma.API) {
	register(s, api, operation{
		id: "list-batch-tables", method: http.MethodGet, path: "/batches/{id}/tables", scope: scopeRead,
		summary: "List the tables that the decoded files of a batch have together",
	}, s.listBatchTables)
	register(s, api, operation{
		id: "get-batch-rows", method: http.MethodGet, path: "/batches/{id}/tables/{table}/rows", scope: scopeRead,
		summary: "Get rows of a table of all files of a batch, page by page",
		detail: "The rows of one file after the other, in the order of the batch; the column file names it. offset costs nothing where all " +
			"rows are wanted; with conditions the rows of the files before it are counted, once, as that is remembered for a while.",
	}, s.getBatchRows)
	register(s, api, operation{
		id: "export-batch-table", method: http.MethodGet, path: batchExportRoute, scope: scopeRead,
		summary: "Get a table of all files of a batch in one of several forms",
		detail: "The rows of the decoded files, one file after the other in the order of the batch, with a column file that names " +
			"it. Columns that a file's table does not have are null; columns whose type, unit or labels differ are an error unless left out.",
		params:  exportParams(),
		answers: map[string]*huma.Response{"200": streams("The table", mediaTypes()...)},
	}, s.exportBatchTable)
}

// member is a decoded file of a batch.
type member struct {
	at     int    // its place in the batch
	file   string // its name; with its id where another file of the batch has the same one
	decode string
	rows   int64 // of its table, where one is meant
}

// members gives the decoded files of a batch, in its order.
func (s *Server) members(ctx context.Context, id string) ([]member, error) {
	items, err := s.deps.Batches.Items(ctx, id, 0, batch.MaxItems)
	if err != nil {
		return nil, fmt.Errorf("get files of batch: %w", err)
	}
	first := make(map[string]string, len(items))
	twice := map[string]bool{}
	for i := range items {
		it := &items[i]
		if other, ok := first[it.Name]; ok && other != it.FileID {
			twice[it.Name] = true
		}
		first[it.Name] = it.FileID
	}
	var out []member
	for i := range items {
		it := &items[i]
		if it.State != batch.ItemDone {
			continue
		}
		m := member{at: it.At, file: it.Name, decode: it.DecodeID}
		if twice[it.Name] {
			m.file += " (" + it.FileID + ")"
		}
		out = append(out, m)
	}
	return out, nil
}

// united is a table of several files.
type united struct {
	union   *table.Union
	members []member // those that have it
	rows    int64
}

// unite puts the tables of decoded files together, by name, in the order in which they are met. What was deleted since is
// left out.
func (s *Server) unite(ctx context.Context, members []member, only string) (names []string, all map[string]*united, err error) {
	all = map[string]*united{}
	for _, m := range members {
		d, err := s.decodeFor(ctx, m.decode)
		if errcode.Is(err, errcode.NotFound) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		schemas, err := s.deps.Decodes.Schemas(ctx, d)
		if err != nil {
			return nil, nil, fmt.Errorf("get schemas of decode %s: %w", d.ID, err)
		}
		for i, t := range d.Tables {
			if i >= len(schemas) || (only != "" && t.Name != only) {
				continue
			}
			u := all[t.Name]
			if u == nil {
				u = &united{union: table.NewUnion(t.Name)}
				all[t.Name], names = u, append(names, t.Name)
			}
			u.union.Add(schemas[i])
			m.rows = t.Rows
			u.members, u.rows = append(u.members, m), u.rows+t.Rows
		}
	}
	return names, all, nil
}

// batchTable gives one table of a batch.
func (s *Server) batchTable(ctx context.Context, id, name string) (*united, error) {
	members, err := s.members(ctx, id)
	if err != nil {
		return nil, err
	}
	_, all, err := s.unite(ctx, members, name)
	if err != nil {
		return nil, err
	}
	if u := all[name]; u != nil && name != "" {
		return u, nil
	}
	return nil, errcode.Newf(errcode.NotFound, "no decoded file of the batch has a table %.63q", name)
}

func (s *Server) listBatchTables(ctx context.Context, in *IDParam) (*batchTablesOutput, error) {
	members, err := s.members(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	names, all, err := s.unite(ctx, members, "")
	if err != nil {
		return nil, err
	}
	out := &batchTablesOutput{Body: make([]BatchTable, 0, len(names))}
	for _, name := range names {
		u := all[name]
		schema := u.union.Schema()
		dto := tableDTO(&stored{schema: schema, reader: table.Empty(schema)})
		t := BatchTable{Name: name, Description: dto.Description, Files: len(u.members), Rows: u.rows, Columns: dto.Columns, Conflicts: []string{}}
		for _, c := range dto.Columns {
			if u.union.Conflict(c.Name) != "" {
				t.Conflicts = append(t.Conflicts, c.Name)
			}
		}
		out.Body = append(out.Body, t)
	}
	return out, nil
}

// batchCursor is where an answer of rows ended.
type batchCursor struct {
	At     int    `json:"a"`           // place of the file in the batch
	Decode string `json:"d"`           // whose rows they were
	Rows   string `json:"r,omitempty"` // cursor in its table, "" = from its first row on
}

func (c batchCursor) String() string {
	b, err := json.Marshal(c)
	if err != nil {
		return "" // numbers and text always are JSON
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// start gives the members from a cursor on, and the cursor in the first of them.
func (u *united) start(cursor string) ([]member, string, error) {
	if cursor == "" {
		return u.members, "", nil
	}
	wrong := errcode.New(errcode.Malformed, "cursor is not one that this list gave")
	var c batchCursor
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || json.Unmarshal(b, &c) != nil {
		return nil, "", wrong
	}
	i := slices.IndexFunc(u.members, func(m member) bool { return m.at == c.At })
	if i < 0 {
		return nil, "", wrong
	}
	if u.members[i].decode != c.Decode {
		return nil, "", errcode.New(errcode.Conflict, "the file was decoded anew meanwhile: begin with the first page again")
	}
	return u.members[i:], c.Rows, nil
}

func (s *Server) getBatchRows(ctx context.Context, in *batchRowsInput) (*rowsOutput, error) {
	u, err := s.batchTable(ctx, in.ID, in.Table)
	if err != nil {
		return nil, err
	}
	q := in.query()
	if err := u.union.Check(q); err != nil {
		return nil, fmt.Errorf("read table %s of batch %s: %w", in.Table, in.ID, err)
	}
	if in.Offset > 0 && in.Cursor != "" {
		return nil, errcode.Invalid("offset", "say either an offset or a cursor")
	}
	left, at, err := u.start(in.Cursor)
	if err != nil {
		return nil, err
	}
	out := &rowsOutput{Body: Rows{Columns: []string{}, Rows: []scalar{}}}
	for i := range u.union.Schema().Columns {
		out.Body.Columns = append(out.Body.Columns, u.union.Schema().Columns[i].Name)
	}
	if len(q.Columns) > 0 {
		out.Body.Columns = q.Columns
	}
	if in.RowNumbers {
		out.Body.RowNumbers, out.Body.Decodes = []int64{}, []string{}
	}
	var skip int64
	if left, skip, out.Body.Total, err = s.batchWindow(ctx, u, in, left); err != nil {
		return nil, err
	}
	for _, m := range left {
		if len(out.Body.Rows) == in.Limit {
			out.Body.NextCursor = text(batchCursor{At: m.at, Decode: m.decode}.String())
			break
		}
		win := table.Window{Limit: in.Limit - len(out.Body.Rows), Cursor: at, Offset: skip, Int64AsString: in.Int64 == "string"}
		page, err := s.batchPage(ctx, u, m, in, win)
		if err != nil {
			return nil, err
		}
		addOfBatch(&out.Body, &page, m, in.RowNumbers)
		skip = 0
		if at = page.NextCursor; at != "" {
			out.Body.NextCursor = text(batchCursor{At: m.at, Decode: m.decode, Rows: at}.String())
			break
		}
	}
	return out, nil
}

// addOfBatch adds rows of one file to an answer.
func addOfBatch(r *Rows, page *table.Page, m member, numbered bool) {
	for i, row := range page.Rows {
		r.Rows = append(r.Rows, scalar(row))
		if numbered {
			r.RowNumbers, r.Decodes = append(r.RowNumbers, page.Numbers[i]), append(r.Decodes, m.decode)
		}
	}
}

// batchWindow gives the files from the one on in which the answer begins, how many of its rows come before, and the number
// of all rows that match where that is known or asked for.
func (s *Server) batchWindow(ctx context.Context, u *united, in *batchRowsInput, members []member) (left []member, skip int64, total *int64, err error) {
	if in.whole() {
		total = &u.rows
	}
	if in.Count && !in.whole() {
		sum := int64(0)
		for _, m := range u.members {
			n, err := s.countMember(ctx, u, m, in)
			if err != nil {
				return nil, 0, nil, err
			}
			sum += n
		}
		total = &sum
	}
	left, skip = members, in.Offset
	for skip > 0 && len(left) > 0 {
		n, err := s.countMember(ctx, u, left[0], in)
		if err != nil {
			return nil, 0, nil, err
		}
		if skip < n {
			break
		}
		left, skip = left[1:], skip-n
	}
	return left, skip, total, nil
}

// countMember counts the rows of one file that match.
func (s *Server) countMember(ctx context.Context, u *united, m member, in *batchRowsInput) (int64, error) {
	if in.whole() || m.rows == 0 {
		return m.rows, nil
	}
	t, err := s.openTable(ctx, m.decode, in.Table)
	if err != nil {
		return 0, err
	}
	defer t.close()
	n, err := u.union.Count(ctx, in.query(), m.file, t.reader, table.Window{Views: s.views, Source: storedTag(t)})
	if err != nil {
		return 0, fmt.Errorf("count rows of table %s of decode %s: %w", in.Table, m.decode, err)
	}
	return n, nil
}

func (s *Server) batchPage(ctx context.Context, u *united, m member, in *batchRowsInput, win table.Window) (table.Page, error) {
	t, err := s.openTable(ctx, m.decode, in.Table)
	if err != nil {
		return table.Page{}, err
	}
	defer t.close()
	win.Views, win.Source = s.views, storedTag(t)
	page, err := u.union.Page(ctx, in.query(), m.file, t.reader, win)
	if err != nil {
		return page, fmt.Errorf("read table %s of decode %s: %w", in.Table, m.decode, err)
	}
	return page, nil
}

func (s *Server) exportBatchTable(ctx context.Context, in *batchExportInput) (*huma.StreamResponse, error) {
	name, form, err := splitExport(in.File)
	if err != nil {
		return nil, err
	}
	u, err := s.batchTable(ctx, in.ID, name)
	if err != nil {
		return nil, err
	}
	q := in.query()
	if err := u.union.Check(q); err != nil {
		return nil, fmt.Errorf("export table %s of batch %s: %w", name, in.ID, err)
	}
	if form == table.XLSX && in.whole() && u.rows > table.MaxXLSXRows {
		return nil, errcode.Newf(errcode.TooLarge, "a worksheet has at most %d rows, the table %d: filter it, or take another form", table.MaxXLSXRows, u.rows)
	}
	stateOf(ctx).stream = true
	saveAs := attachment(in.ID + "-" + name + "." + string(form))
	return s.stream(func(c echo.Context) error { //nolint:contextcheck // the request in c carries it
		c.Response().Header().Set("Content-Disposition", saveAs)
		return s.sendTable(ctx, c, form, in.options(), func(out io.Writer, opt table.EncodeOptions) error {
			w, err := u.union.Export(form, out, q, opt)
			if err == nil {
				err = s.writeMembers(ctx, w, u.members, name)
			}
			if err != nil {
				return fmt.Errorf("export table %s of batch %s: %w", name, in.ID, err)
			}
			return nil
		})
	}), nil
}

// writeMembers writes the table of each file. Only one is open at a time.
func (s *Server) writeMembers(ctx context.Context, w *table.UnionWriter, members []member, name string) error {
	for _, m := range members {
		t, err := s.openTable(ctx, m.decode, name)
		if err == nil {
			err = w.Add(ctx, m.file, t.reader)
			t.close()
		}
		if err != nil {
			w.Discard()
			return err //nolint:wrapcheck // the caller says what it is for
		}
	}
	return w.Close() //nolint:wrapcheck // the caller says what it is for
}
