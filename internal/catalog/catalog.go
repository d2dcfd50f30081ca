// Package catalog owns the records of recordings: files, decodes, results and the schemas of the plugins that made
// them. Files in the sense of bytes live in package blob, tables in package table; the catalog says what they are,
// how they belong together, and when one may go.
//
// A File is immutable once recorded. A Decode is written twice: when it is made and when it ends; that it runs, and
// how far it is, lives in memory only (SetProgress) because a restart starts it anew. Every change is staged on a
// store.Batch, so that the caller decides what commits together.
package catalog

import (
	"encoding/json"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/table"
)

// Source says how a file came in.
type Source string

// Sources of files.
const (
	SourceAPI   Source = "api"
	SourceTus   Source = "tus"
	SourceWatch Source = "watch"
	SourceChild Source = "child"
	SourceCLI   Source = "cli"
)

// File is one delivery: a name, a source, a time, and the digest of its bytes.
type File struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Size      int64     `json:"size"`
	SHA256    string    `json:"sha256"`
	MediaType string    `json:"media_type"`
	Format    string    `json:"format,omitempty"` // "" = unknown
	CreatedAt time.Time `json:"created_at"`
	Source    Source    `json:"source"`
	Wrapped   string    `json:"wrapped,omitempty"` // gzip, zstd, zip, tar; "" = as it is
	// Parts are what its decoder gets of a bundle, in that order: what offsets count in. Where no decoder is known, they are
	// all of its entries. A list of files has only the first of them, and so have events.
	Parts     []Part  `json:"parts,omitempty"`
	PartCount int     `json:"part_count,omitempty"` // of all, also where Parts are fewer
	Parent    *Parent `json:"parent,omitempty"`     // of a file that was found inside another
}

// Part is one named part of a bundle.
type Part struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Status is the state of a decode.
type Status string

// Statuses of a decode. Queued and Running change; the others are final.
const (
	Queued    Status = "queued"
	Running   Status = "running"
	Done      Status = "done"
	Partial   Status = "partial"
	Failed    Status = "failed"
	Cancelled Status = "cancelled"
)

// Final reports whether a decode in this status has ended.
func (s Status) Final() bool { return s != Queued && s != Running }

// Decoder names the plugin version of a decode.
type Decoder struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
}

// Decode is one decoding of a file with one decoder and one set of parameters.
type Decode struct {
	ID         string          `json:"id"`
	FileID     string          `json:"file_id"`
	Decoder    *Decoder        `json:"decoder,omitempty"` // nil = no decoder knew the format
	Format     string          `json:"format,omitempty"`
	Params     json.RawMessage `json:"params,omitempty"` // canonical JSON
	Status     Status          `json:"status"`
	Progress   float64         `json:"progress"` // 0–1
	BytesRead  int64           `json:"bytes_read"`
	Rows       int64           `json:"rows"`
	Tables     []Table         `json:"tables,omitempty"`
	Issues     Issues          `json:"issues"`
	Error      *Failure        `json:"error,omitempty"`
	JobID      string          `json:"job_id,omitempty"`
	ResultKey  string          `json:"result_key,omitempty"` // folder of the tables
	Cached     bool            `json:"cached,omitempty"`
	Force      bool            `json:"force,omitempty"`
	Reveal     bool            `json:"reveal,omitempty"`   // sensitive values are in the result: admins only
	Children   []string        `json:"children,omitempty"` // ids of the files it found inside its file; some may be deleted by now
	CreatedAt  time.Time       `json:"created_at"`
	StartedAt  time.Time       `json:"started_at,omitzero"`
	FinishedAt time.Time       `json:"finished_at,omitzero"`
}

// Table is one table of a decode.
type Table struct {
	Name    string        `json:"name"`
	Rows    int64         `json:"rows"`
	Bytes   int64         `json:"bytes"`
	Columns int           `json:"columns"`
	Schema  *table.Schema `json:"schema,omitempty"` // only of tables that the plugin's manifest does not list
}

// Issues counts the issues of a decode by severity.
type Issues struct {
	Infos    int64 `json:"infos"`
	Warnings int64 `json:"warnings"`
	Errors   int64 `json:"errors"`
}

// Failure is why a decode failed or is partial.
type Failure struct {
	Code    errcode.Code `json:"code"`
	Message string       `json:"message"`
	Offset  *int64       `json:"offset"`
}

// Plugin is what the catalog keeps of a plugin version, so that its results stay readable when it is gone.
type Plugin struct {
	SHA256  string          `json:"sha256"`
	ID      string          `json:"id"`
	Version string          `json:"version"`
	Tables  []*table.Schema `json:"tables"`
}
