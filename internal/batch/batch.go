// Package batch owns batches: many files that are decoded as one piece of work, so many at a time, with one answer to
// how it stands.
//
// A batch is made of stored files. Its decodes are those that anybody could start through ingest, one for each file, and
// what they made stays when the batch is deleted. The package is apart from ingest, which decides about one recording at a
// time, and from the queue, whose limits are of queues and not of one caller's work.
//
// Everything that is decided is in the database before it counts: after the end of the process at any moment a batch goes on
// where it was, with one decode for each file. Run owns two goroutines: itself, and one that hears of decodes that end.
// One lock, held over commits, is for changes, of which there is one at a time; another one guards what is in memory of the
// batches that go on. The first comes before the second, and neither is held while somebody waits for a decode.
package batch

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// Limits of batches.
const (
	MaxItems       = 10_000
	MaxName        = 256 // bytes
	MaxConcurrency = 1000
	// DefaultConcurrency is how many files of a batch that does not say are decoded at a time: enough to keep every worker
	// busy, and few enough that a recording which comes in meanwhile is not at the end of a long queue.
	DefaultConcurrency = 16
	MaxTimeout         = 24 * time.Hour
)

// Topic is that of the events published here; the key is the id, and what the batch is now is to be asked for.
const Topic = "batch"

// Status is how a batch stands.
type Status string

// Statuses. Those from Done on are final, until Retry.
const (
	Queued    Status = "queued"
	Running   Status = "running"
	Done      Status = "done"    // every file was decoded
	Partial   Status = "partial" // some were not
	Failed    Status = "failed"  // none was
	Cancelled Status = "cancelled"
)

// State is how one file of a batch stands.
type State string

// States of files. A decode that is partial counts as done: it has rows.
const (
	ItemPending   State = "pending"
	ItemRunning   State = "running"
	ItemDone      State = "done"
	ItemFailed    State = "failed"
	ItemCancelled State = "cancelled"
)

func (s State) final() bool { return s == ItemDone || s == ItemFailed || s == ItemCancelled }

// New says what a batch is to be.
type New struct {
	Name        string
	Items       []NewItem
	Decoder     string            // plugin or format id, "" = the content decides
	Params      map[string]string // of the decoder
	Concurrency int               // 0 = DefaultConcurrency
	Timeout     time.Duration     // for each file, from the moment its decode runs; 0 = only what holds for all decodes
	Trace       queue.Trace
}

// NewItem is a file that is to be in a batch.
type NewItem struct {
	FileID   string
	DecodeID string // of a decode that there is already, "" = the batch starts one
	Shared   bool   // that decode is somebody else's too: the batch does not cancel it
}

// Batch is a batch as callers see it.
type Batch struct {
	ID          string
	Name        string
	Decoder     string
	Params      map[string]string
	Concurrency int
	Timeout     time.Duration
	Status      Status
	Total       int
	Successful  int
	Failed      int // those that were cancelled too
	Running     int
	Progress    float64 // 0–1
	CreatedAt   time.Time
	FinishedAt  time.Time // zero = it goes on
	Closed      bool      // it was cancelled: no file can join it
}

// Item is one file of a batch.
type Item struct {
	At       int              `json:"-"` // its place in the batch, from 0
	FileID   string           `json:"file_id"`
	Name     string           `json:"name"`
	DecodeID string           `json:"decode_id,omitempty"`
	State    State            `json:"state"`
	Partial  bool             `json:"partial,omitempty"` // done, but not all of the file could be decoded
	Error    *catalog.Failure `json:"error,omitempty"`

	// Round is the one that the state is of: a failed item of an earlier one is to be tried again.
	Round int `json:"round,omitempty"`
	// Not is the decode of the round before, which is not to be taken for this one's.
	Not string `json:"not,omitempty"`
	// Own says that the decode was started for the batch, which then may cancel it.
	Own bool `json:"own,omitempty"`
}

// Query says which batches a list has.
type Query struct {
	Status Status // "" = all
	Limit  int
	Cursor string
}

// Config is what an Engine works with. All but Recorder, Now and Logger are needed.
type Config struct {
	DB       *store.DB
	Decodes  Decodes
	Starter  Starter
	Events   *event.Bus
	Recorder Recorder         // nil = nobody counts
	Now      func() time.Time // nil = time.Now
	Logger   *slog.Logger     // nil = discard
}

// record is what the key of a batch holds.
type record struct {
	ID          string            `json:"id"`
	Name        string            `json:"name,omitempty"`
	Decoder     string            `json:"decoder,omitempty"`
	Params      map[string]string `json:"params,omitempty"`
	Concurrency int               `json:"concurrency"`
	Timeout     time.Duration     `json:"timeout,omitempty"`
	Total       int               `json:"total"`
	Round       int               `json:"round,omitempty"`     // how often it was retried
	Cancelled   bool              `json:"cancelled,omitempty"` // what has not ended is to be cancelled
	CreatedAt   time.Time         `json:"created_at"`
	RetriedAt   time.Time         `json:"retried_at,omitzero"` // the last time
	FinishedAt  time.Time         `json:"finished_at,omitzero"`
	Counts      counts            `json:"counts"` // when it finished
	Trace       queue.Trace       `json:"trace,omitzero"`
}

// counts are how many items have ended, and how.
type counts struct {
	Done      int `json:"done"`
	Failed    int `json:"failed"`
	Cancelled int `json:"cancelled"`
}

func (c *counts) add(s State, n int) {
	switch s {
	case ItemDone:
		c.Done += n
	case ItemFailed:
		c.Failed += n
	case ItemCancelled:
		c.Cancelled += n
	default:
	}
}

func (c *counts) without(d counts) counts {
	return counts{c.Done - d.Done, c.Failed - d.Failed, c.Cancelled - d.Cancelled}
}

func (c *counts) all() int { return c.Done + c.Failed + c.Cancelled }

// view gives the batch as callers see it, with so many of its files at work.
func (r *record) view(c counts, running int) Batch {
	b := Batch{
		ID: r.ID, Name: r.Name, Decoder: r.Decoder, Params: r.Params, Concurrency: r.Concurrency, Timeout: r.Timeout, Total: r.Total,
		Successful: c.Done, Failed: c.Failed + c.Cancelled, Running: running, CreatedAt: r.CreatedAt, FinishedAt: r.FinishedAt,
		Closed:   r.Cancelled,
		Progress: float64(c.all()) / float64(r.Total),
	}
	switch {
	case r.FinishedAt.IsZero() && running == 0 && c.all() == 0:
		b.Status = Queued
	case r.FinishedAt.IsZero():
		b.Status = Running
	case c.Cancelled > 0:
		b.Status = Cancelled
	case c.Failed == 0:
		b.Status = Done
	case c.Done == 0:
		b.Status = Failed
	default:
		b.Status = Partial
	}
	return b
}

func decodeJSON[T any](raw []byte) (v T, err error) {
	err = json.Unmarshal(raw, &v)
	return v, err //nolint:wrapcheck // callers say what they read
}
