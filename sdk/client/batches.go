package client

import (
	"context"
	"encoding/json"
	"fmt"
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
	Status     string        `json:"status"`
	Results    []BatchResult `json:"results"`
	Errors     []BatchResult `json:"errors"`
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
	Error    *DecodeError `json:"error"`
}

// UnmarshalJSON reads the batch and keeps the document.
func (b *Batch) UnmarshalJSON(data []byte) error {
	type plain Batch
	return keepRaw(data, (*plain)(b), &b.Raw)
}

// NewBatch is a batch of stored files that is to be made.
type NewBatch struct {
	Name           string         `json:"name,omitempty"`
	FileIDs        []string       `json:"file_ids"`
	Decoder        string         `json:"decoder,omitempty"`
	Params         map[string]any `json:"params,omitempty"`
	Concurrency    int            `json:"concurrency,omitempty"`
	TimeoutPerFile float64        `json:"timeout_per_file,omitempty"` // seconds
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

// Batch gives a batch.
func (c *Client) Batch(ctx context.Context, id string) (b Batch, err error) {
	err = c.get(ctx, "/batches/"+url.PathEscape(id), nil, &b)
	return b, err
}

// WaitBatch waits until a batch has ended, or ctx; seen, which may be nil, is called with what it is in between.
func (c *Client) WaitBatch(ctx context.Context, id string, seen func(*Batch)) (Batch, error) {
	const pause = 500 * time.Millisecond
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		b, err := c.Batch(ctx, id)
		if err != nil || !b.FinishedAt.IsZero() {
			return b, err
		}
		if seen != nil {
			seen(&b)
		}
		select {
		case <-ctx.Done():
			return b, fmt.Errorf("wait for batch %s: %w", id, ctx.Err())
		case <-tick.C:
		}
	}
}
