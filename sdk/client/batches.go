package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Batch is many files that are decoded as one piece of work.
type Batch struct {
	ID         string        `json:"id"`
	Name       string        `json:"name"`
	Total      int           `json:"total"`
	Successful int           `json:"successful"`
	Failed     int           `json:"failed"`
	Running    int           `json:"running"`
	Progress   float64       `json:"progress"`    // 0–1
	Status     string        `json:"status"`      // queued, running, done, partial (some files were decoded), failed, cancelled
	Results    []BatchResult `json:"results"`     // in the order of the batch; not in lists
	Errors     []BatchResult `json:"errors"`      // as above
	Pending    []BatchResult `json:"pending"`     // as above: those that have not ended
	Next       string        `json:"next_cursor"` // of its files; "" at the end
	CreatedAt  time.Time     `json:"created_at,omitzero"`
	FinishedAt time.Time     `json:"finished_at,omitzero"` // zero = it goes on

	// Raw is the answer of the appliance, with what this version of the client does not know.
	Raw json.RawMessage `json:"-"`
}

// BatchResult is how one file of a batch ended.
type BatchResult struct {
	FileID   string       `json:"file_id"`
	DecodeID string       `json:"decode_id"`
	Name     string       `json:"name"`
	Success  bool         `json:"success"`
	Partial  bool         `json:"partial"` // not all of it could be decoded
	Error    *DecodeError `json:"error"`
}

// UnmarshalJSON reads the batch and keeps the document.
func (b *Batch) UnmarshalJSON(data []byte) error {
	type plain Batch
	return keepRaw(data, (*plain)(b), &b.Raw)
}

// NewBatch is a batch that is to be made, of stored files or of those in an archive.
type NewBatch struct {
	Name           string         `json:"name,omitempty"`
	FileIDs        []string       `json:"file_ids,omitempty"`
	Archive        string         `json:"archive,omitempty"` // id of a stored file, in the place of FileIDs
	Decoder        string         `json:"decoder,omitempty"`
	Params         map[string]any `json:"params,omitempty"`
	Concurrency    int            `json:"concurrency,omitempty"`
	TimeoutPerFile float64        `json:"timeout_per_file,omitempty"` // seconds
	Combine        bool           `json:"combine,omitempty"`          // the files are one recording, with one decode
}

// CreateBatch decodes stored files as one batch, in their order. The key is as with Enqueue.
func (c *Client) CreateBatch(ctx context.Context, n NewBatch, key string) (b Batch, err error) {
	r, err := jsonRequest(http.MethodPost, "/batches", n)
	if err != nil {
		return b, err
	}
	r.header = keyHeader(key)
	_, err = c.do(ctx, r, &b)
	return b, err
}

// SendBatch decodes the files of an archive as one batch; body is the archive, size its bytes, -1 = not known. Of n,
// FileIDs and Archive are not for this. The key is as with Enqueue.
func (c *Client) SendBatch(ctx context.Context, n NewBatch, body io.Reader, size int64, key string) (b Batch, err error) {
	q := decodeQuery(n.Name, n.Decoder, nil)
	for name, v := range n.Params {
		q.Set("param."+name, fmt.Sprint(v))
	}
	if n.Concurrency != 0 {
		q.Set("concurrency", strconv.Itoa(n.Concurrency))
	}
	if n.TimeoutPerFile != 0 {
		q.Set("timeout_per_file", strconv.FormatFloat(n.TimeoutPerFile, 'f', -1, 64))
	}
	if n.Combine {
		q.Set("combine", "true")
	}
	r := bytesRequest("/batches", q, body, size)
	r.header = keyHeader(key)
	_, err = c.do(ctx, r, &b)
	return b, err
}

// BatchList asks for a page of batches. Zero fields select all.
type BatchList struct {
	Status string
	Page
}

// Batches lists batches, the newest first, without their files; next is the cursor of the page that follows.
func (c *Client) Batches(ctx context.Context, l BatchList) (batches []Batch, next string, err error) {
	return getPage[Batch](ctx, c, "/batches", l.query(map[string]string{"status": l.Status}))
}

// Batch gives a batch with its files, once it has ended or after wait, which is at most 30 s.
func (c *Client) Batch(ctx context.Context, id string, wait time.Duration) (Batch, error) {
	return c.BatchFiles(ctx, id, BatchView{Wait: wait})
}

// BatchView says what is wanted of a batch.
type BatchView struct {
	Wait   time.Duration // for its end, at most 30 s
	Limit  int           // files of the answer, 0 = all
	Cursor string        // Next of the answer before
}

// BatchFiles gives a batch with some of its files.
func (c *Client) BatchFiles(ctx context.Context, id string, v BatchView) (b Batch, err error) {
	q := url.Values{}
	if v.Wait > 0 {
		q.Set("wait", seconds(v.Wait))
	}
	if v.Limit > 0 {
		q.Set("limit", strconv.Itoa(v.Limit))
	}
	if v.Cursor != "" {
		q.Set("cursor", v.Cursor)
	}
	err = c.get(ctx, batchPath(id), q, &b)
	return b, err
}

// WaitBatch waits until a batch has ended, or ctx; seen, which may be nil, is called with what it is in between, which
// has not all files.
func (c *Client) WaitBatch(ctx context.Context, id string, seen func(*Batch)) (Batch, error) {
	wait := longestWait
	if seen != nil {
		wait = time.Second
	}
	for {
		b, err := c.BatchFiles(ctx, id, BatchView{Wait: wait, Limit: 1})
		switch {
		case err != nil:
			return b, err
		case !b.FinishedAt.IsZero():
			return c.Batch(ctx, id, 0)
		}
		if err := ctx.Err(); err != nil {
			return b, fmt.Errorf("wait for batch %s: %w", id, err)
		}
		if seen != nil {
			seen(&b)
		}
	}
}

// CancelBatch ends a batch that has not ended; what it has decoded stays.
func (c *Client) CancelBatch(ctx context.Context, id string) (b Batch, err error) {
	err = c.act(ctx, http.MethodPost, batchPath(id)+"/cancel", &b)
	return b, err
}

// RetryBatch decodes the files of a batch anew that failed or were cancelled.
func (c *Client) RetryBatch(ctx context.Context, id string) (b Batch, err error) {
	err = c.act(ctx, http.MethodPost, batchPath(id)+"/retry", &b)
	return b, err
}

// DeleteBatch deletes a batch; its files and their decodes stay.
func (c *Client) DeleteBatch(ctx context.Context, id string) error {
	return c.act(ctx, http.MethodDelete, batchPath(id), nil)
}

// BatchTable describes a table of the decoded files of a batch.
type BatchTable struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Files       int      `json:"files"` // that have it
	Rows        int64    `json:"rows"`  // of all of them
	Columns     []Column `json:"columns"`
	Conflicts   []string `json:"conflicts"` // columns that are not the same in all files: no answer can have them

	// Raw is the answer of the appliance, with what this version of the client does not know.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON reads the table and keeps the document.
func (t *BatchTable) UnmarshalJSON(data []byte) error {
	type plain BatchTable
	return keepRaw(data, (*plain)(t), &t.Raw)
}

// BatchTables lists the tables that the decoded files of a batch have together.
func (c *Client) BatchTables(ctx context.Context, id string) (tables []BatchTable, err error) {
	err = c.get(ctx, batchPath(id)+"/tables", nil, &tables)
	return tables, err
}

// BatchRows gives a page of rows of a table of all files of a batch, as Rows does. They cannot be sorted.
func (c *Client) BatchRows(ctx context.Context, id, table string, q RowQuery, limit int, cursor string) (r Rows, err error) {
	err = c.get(ctx, batchPath(id)+"/tables/"+url.PathEscape(table)+"/rows", q.page(limit, cursor), &r)
	return r, err
}

// ExportBatch opens a table of all files of a batch, with a column file, as Export does.
func (c *Client) ExportBatch(ctx context.Context, id, table, form string, q RowQuery) (io.ReadCloser, error) {
	res, err := c.stream(ctx, request{
		method: http.MethodGet, path: batchPath(id) + "/tables/" + url.PathEscape(table) + "." + url.PathEscape(form), query: q.values(),
	})
	if err != nil {
		return nil, err
	}
	return whole(res), nil
}

func batchPath(id string) string { return "/batches/" + url.PathEscape(id) }
