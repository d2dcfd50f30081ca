package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Table describes a table of a decode.
type Table struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Rows        int64    `json:"rows"`
	Bytes       int64    `json:"bytes"` // of its Parquet file; 0 = it has no rows
	Columns     []Column `json:"columns"`

	// Raw is the answer of the appliance, with what this version of the client does not know.
	Raw json.RawMessage `json:"-"`
}

// Column describes a column of a table.
type Column struct {
	Name        string          `json:"name"`
	Type        string          `json:"type"` // as in docs/tables.md
	Unit        string          `json:"unit"` // UCUM
	Description string          `json:"description"`
	Nullable    bool            `json:"nullable"`
	Naive       bool            `json:"naive"` // times: the source had no zone
	Role        string          `json:"role"`
	Labels      []string        `json:"labels"` // of enums, by code
	Sensitive   bool            `json:"sensitive"`
	Min         json.RawMessage `json:"min"` // null = not known
	Max         json.RawMessage `json:"max"`
}

// UnmarshalJSON reads the table and keeps the document.
func (t *Table) UnmarshalJSON(b []byte) error {
	type plain Table
	return keepRaw(b, (*plain)(t), &t.Raw)
}

// Tables lists the tables of a decode, also those without rows.
func (c *Client) Tables(ctx context.Context, decodeID string) (tables []Table, err error) {
	err = c.get(ctx, decodePath(decodeID)+"/tables", nil, &tables)
	return tables, err
}

// RowQuery selects rows of a table. Zero fields select all.
type RowQuery struct {
	Columns []string // in this order; nil = all
	Sort    string   // column; "" = the order of the input
	Desc    bool
	Text    string   // some text column contains it
	Where   []string // column:op:value with eq ne lt le gt ge in contains is_null; all have to hold
}

func (q *RowQuery) values() url.Values {
	v := url.Values{}
	if len(q.Columns) > 0 {
		v.Set("columns", joinNames(q.Columns))
	}
	if q.Sort != "" {
		v.Set("sort", q.Sort)
	}
	if q.Desc {
		v.Set("order", "desc")
	}
	if q.Text != "" {
		v.Set("q", q.Text)
	}
	if len(q.Where) > 0 {
		v["where"] = q.Where
	}
	return v
}

// page gives the parameters of a page of rows.
func (q *RowQuery) page(limit int, cursor string) url.Values {
	v := q.values()
	if limit > 0 {
		v.Set("limit", strconv.Itoa(limit))
	}
	if cursor != "" {
		v.Set("cursor", cursor)
	}
	return v
}

// Rows is a page of rows. The values are JSON, with all their digits.
type Rows struct {
	Columns []string            `json:"columns"`
	Rows    [][]json.RawMessage `json:"rows"`
	Next    string              `json:"next_cursor"` // "" at the end
	Total   *int64              `json:"total"`       // nil = it was not counted

	Raw json.RawMessage `json:"-"` // the answer of the appliance
}

// UnmarshalJSON reads the rows and keeps the document.
func (r *Rows) UnmarshalJSON(b []byte) error {
	type plain Rows
	return keepRaw(b, (*plain)(r), &r.Raw)
}

// Rows gives a page of rows of a table: limit of them (0 = 100, at most 10,000), from a cursor on.
func (c *Client) Rows(ctx context.Context, decodeID, table string, q RowQuery, limit int, cursor string) (r Rows, err error) {
	err = c.get(ctx, tablePath(decodeID, table)+"/rows", q.page(limit, cursor), &r)
	return r, err
}

// AllRows gives the rows of a table one after the other, page by page. After an error nothing more comes.
func (c *Client) AllRows(ctx context.Context, decodeID, table string, q RowQuery) iter.Seq2[[]json.RawMessage, error] {
	const page = 1000
	return func(yield func([]json.RawMessage, error) bool) {
		cursor := ""
		for {
			r, err := c.Rows(ctx, decodeID, table, q, page, cursor)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, row := range r.Rows {
				if !yield(row, nil) {
					return
				}
			}
			if cursor = r.Next; cursor == "" {
				return
			}
		}
	}
}

// Export opens a table in one of the forms parquet, csv, ndjson, json, arrow, xlsx; the caller closes it. A table that
// breaks off ends with an error, never as if it were whole.
func (c *Client) Export(ctx context.Context, decodeID, table, form string, q RowQuery) (io.ReadCloser, error) {
	res, err := c.stream(ctx, request{method: http.MethodGet, path: tablePath(decodeID, table) + "." + url.PathEscape(form), query: q.values()})
	if err != nil {
		return nil, err
	}
	return whole(res), nil
}

// Direct is a decode of which nothing is stored.
type Direct struct {
	Name    string // of the recording, a hint for recognition
	Body    io.Reader
	Size    int64 // -1 = not known
	Decoder string
	Params  map[string]string
	To      string // parquet, csv, ndjson, json or arrow
	Table   string // "" = all tables, with To json only
}

// DirectResult is a table of a decode of which nothing is stored.
type DirectResult struct {
	io.ReadCloser
	Status string // done, or partial where the recording is damaged
}

// DecodeDirect decodes a recording and opens one of its tables; nothing is stored.
func (c *Client) DecodeDirect(ctx context.Context, d Direct) (*DirectResult, error) {
	q := decodeQuery(d.Name, d.Decoder, d.Params)
	if d.To != "" {
		q.Set("to", d.To)
	}
	if d.Table != "" {
		q.Set("table", d.Table)
	}
	res, err := c.stream(ctx, bytesRequest("/decode", q, d.Body, d.Size))
	if err != nil {
		return nil, err
	}
	return &DirectResult{ReadCloser: whole(res), Status: res.Header.Get("Wayside-Decode-Status")}, nil
}

// Issue is what a decoder found wrong with its input.
type Issue struct {
	Seq      int64   `json:"seq"`
	Offset   *int64  `json:"offset"`   // byte of the input
	Severity string  `json:"severity"` // info, warning, error or fatal
	Code     string  `json:"code"`
	Message  string  `json:"message"`
	Table    *string `json:"table"`
	Row      *int64  `json:"row"` // seq in that table

	Raw json.RawMessage `json:"-"` // the answer of the appliance
}

// UnmarshalJSON reads the issue and keeps the document.
func (i *Issue) UnmarshalJSON(b []byte) error {
	type plain Issue
	return keepRaw(b, (*plain)(i), &i.Raw)
}

// Issues lists the issues of a decode; next is the cursor of the page that follows, "" at the end.
func (c *Client) Issues(ctx context.Context, decodeID string, p Page) (issues []Issue, next string, err error) {
	return getPage[Issue](ctx, c, decodePath(decodeID)+"/issues", p.query(nil))
}

// stream makes a call whose answer is read as it comes; the caller closes it.
func (c *Client) stream(ctx context.Context, r request) (*http.Response, error) {
	res, err := c.open(ctx, r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < http.StatusBadRequest {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return nil, problem(res, data)
}

// wholeBody is an answer that says of an early end what it is.
type wholeBody struct {
	io.ReadCloser
}

func whole(res *http.Response) io.ReadCloser { return wholeBody{res.Body} }

func (b wholeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // io.EOF itself is the end
		err = fmt.Errorf("the answer was cut off: %w", err)
	}
	return n, err
}

func tablePath(decodeID, table string) string {
	return decodePath(decodeID) + "/tables/" + url.PathEscape(table)
}

func joinNames(names []string) string { return strings.Join(names, ",") }
