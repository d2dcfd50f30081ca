package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// longestWait is the longest that one call of the API waits.
const longestWait = 30 * time.Second

// Decode is one decoding of a file, with the tables that came of it. Times that have not come are zero.
type Decode struct {
	ID         string         `json:"id"`
	FileID     string         `json:"file_id"`
	Decoder    *Decoder       `json:"decoder"` // nil = no decoder knows the format
	Format     string         `json:"format"`
	Params     map[string]any `json:"params"`
	Status     string         `json:"status"`   // queued, running, done, partial, failed, cancelled
	Progress   float64        `json:"progress"` // 0–1
	BytesRead  int64          `json:"bytes_read"`
	Rows       int64          `json:"rows"`
	Tables     []TableCount   `json:"tables"`
	Issues     IssueCounts    `json:"issues"`
	Error      *DecodeError   `json:"error"`    // why it failed or is partial
	Children   []string       `json:"children"` // ids of files found inside
	JobID      string         `json:"job_id"`
	Cached     bool           `json:"cached"` // the result was there already
	CreatedAt  time.Time      `json:"created_at,omitzero"`
	StartedAt  time.Time      `json:"started_at,omitzero"`
	FinishedAt time.Time      `json:"finished_at,omitzero"`
	Duration   float64        `json:"duration"` // seconds; 0 until its end

	// Raw is the answer of the appliance, with what this version of the client does not know.
	Raw json.RawMessage `json:"-"`
}

// Decoder names a version of a plugin.
type Decoder struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
}

// TableCount is a table of a decode, in numbers.
type TableCount struct {
	Name    string `json:"name"`
	Rows    int64  `json:"rows"`
	Bytes   int64  `json:"bytes"` // of its Parquet file
	Columns int    `json:"columns"`
}

// IssueCounts counts what a decoder found wrong.
type IssueCounts struct {
	Infos    int64 `json:"infos"`
	Warnings int64 `json:"warnings"`
	Errors   int64 `json:"errors"`
}

// DecodeError is why a decode failed or is partial.
type DecodeError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Offset  *int64 `json:"offset"` // byte of the input; nil = none in particular
}

// UnmarshalJSON reads the decode and keeps the document.
func (d *Decode) UnmarshalJSON(b []byte) error {
	type plain Decode
	return keepRaw(b, (*plain)(d), &d.Raw)
}

// Ended reports whether the decode is done, partial, failed or cancelled.
func (d *Decode) Ended() bool {
	switch d.Status {
	case "done", "partial", "failed", "cancelled":
		return true
	}
	return false
}

// NewDecode is a decode of a stored file that is to be made.
type NewDecode struct {
	FileID  string         `json:"file_id"`
	Decoder string         `json:"decoder,omitempty"` // plugin or format id, "" = the content decides
	Params  map[string]any `json:"params,omitempty"`
	Force   bool           `json:"force,omitempty"` // decode anew even where a result exists
}

// StartDecode decodes a stored file; existing says that the same decode is there already. The key is as with Enqueue.
func (c *Client) StartDecode(ctx context.Context, n NewDecode, key string) (d Decode, existing bool, err error) {
	r, err := jsonRequest(http.MethodPost, "/decodes", n)
	if err != nil {
		return d, false, err
	}
	r.header = keyHeader(key)
	status, err := c.do(ctx, r, &d)
	return d, status == http.StatusOK, err
}

// DecodeList asks for a page of decodes. Zero fields select all.
type DecodeList struct {
	FileID  string
	Status  string
	Decoder string // plugin id
	Format  string
	Page
}

// Decodes lists decodes, the newest first; next is the cursor of the page that follows, "" at the end.
func (c *Client) Decodes(ctx context.Context, l DecodeList) (decodes []Decode, next string, err error) {
	return getPage[Decode](ctx, c, "/decodes", l.query(map[string]string{
		"file_id": l.FileID, "status": l.Status, "decoder": l.Decoder, "format": l.Format,
	}))
}

// Decode gives a decode, once it has ended or after wait, which is at most 30 s.
func (c *Client) Decode(ctx context.Context, id string, wait time.Duration) (d Decode, err error) {
	q := url.Values{}
	if wait > 0 {
		q.Set("wait", seconds(wait))
	}
	err = c.get(ctx, decodePath(id), q, &d)
	return d, err
}

// WaitDecode waits until a decode has ended, or ctx; seen, which may be nil, is called with what it is in between.
func (c *Client) WaitDecode(ctx context.Context, id string, seen func(*Decode)) (Decode, error) {
	wait := longestWait
	if seen != nil {
		wait = time.Second
	}
	for {
		d, err := c.Decode(ctx, id, wait)
		if err != nil || d.Ended() {
			return d, err
		}
		if err := ctx.Err(); err != nil {
			return d, fmt.Errorf("wait for decode %s: %w", id, err)
		}
		if seen != nil {
			seen(&d)
		}
	}
}

// CancelDecode ends a decode that has not ended.
func (c *Client) CancelDecode(ctx context.Context, id string) (d Decode, err error) {
	err = c.act(ctx, http.MethodPost, decodePath(id)+"/cancel", &d)
	return d, err
}

// DeleteDecode deletes a decode and its tables.
func (c *Client) DeleteDecode(ctx context.Context, id string) error {
	return c.act(ctx, http.MethodDelete, decodePath(id), nil)
}

func decodePath(id string) string { return "/decodes/" + url.PathEscape(id) }
