package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
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
	Progress   float64       `json:"progress"` // 0–1
	Status     string        `json:"status"`   // queued, running, done, partial (some files were decoded), failed, cancelled
	Results    []BatchResult `json:"results"`  // in the order of the batch; not in lists
	Errors     []BatchResult `json:"errors"`   // as above
	Pending    []BatchResult `json:"pending"`  // as above: those that have not ended
	CreatedAt  time.Time     `json:"created_at,omitzero"`
	FinishedAt time.Time     `json:"finished_at,omitzero"` // zero = it goes on
	NextCursor string        `json:"next_cursor"`          // of the files that are not in the lists, see BatchFiles; "" = all are

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

// NewBatch is a batch of stored files that is to be made: of some by their ids, or of those in one that is an archive.
type NewBatch struct {
	Name           string         `json:"name,omitempty"`
	FileIDs        []string       `json:"file_ids,omitempty"`
	Archive        string         `json:"archive,omitempty"`
	Decoder        string         `json:"decoder,omitempty"`
	Params         map[string]any `json:"params,omitempty"`
	Concurrency    int            `json:"concurrency,omitempty"`
	TimeoutPerFile float64        `json:"timeout_per_file,omitempty"` // seconds
	Combine        bool           `json:"combine,omitempty"`          // the files are one recording: they become one file with one decode
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

// BatchList asks for a page of batches. Zero fields select all.
type BatchList struct {
	Status string
	Page
}

// Batches lists batches, the newest first, without their files; next is the cursor of the page that follows.
func (c *Client) Batches(ctx context.Context, l BatchList) (batches []Batch, next string, err error) {
	return getPage[Batch](ctx, c, "/batches", l.query(map[string]string{"status": l.Status}))
}

// BatchFiles gives a batch with a page of its files: those from NextCursor of the page before on.
func (c *Client) BatchFiles(ctx context.Context, id string, p Page) (b Batch, err error) {
	err = c.get(ctx, batchPath(id), p.query(nil), &b)
	return b, err
}

// Batch gives a batch with its files, up to 10,000 of them, once it has ended or after wait, which is at most 30 s.
func (c *Client) Batch(ctx context.Context, id string, wait time.Duration) (b Batch, err error) {
	q := url.Values{}
	if wait > 0 {
		q.Set("wait", seconds(wait))
	}
	err = c.get(ctx, batchPath(id), q, &b)
	return b, err
}

// WaitBatch waits until a batch has ended, or ctx; seen, which may be nil, is called with what it is in between.
func (c *Client) WaitBatch(ctx context.Context, id string, seen func(*Batch)) (Batch, error) {
	wait := longestWait
	if seen != nil {
		wait = time.Second
	}
	for {
		b, err := c.Batch(ctx, id, wait)
		if err != nil || !b.FinishedAt.IsZero() {
			return b, err
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
