package upload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/wayside-edge/wayside/internal/blob"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/store"
)

// record is an upload in the database, under its id.
type record struct {
	New
	ID        string    `json:"id"`
	Offset    int64     `json:"offset"`          // bytes that count
	State     []byte    `json:"state,omitempty"` // of their hash
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Done      *Done     `json:"done,omitempty"`
}

// Done is what a finished upload has become.
type Done struct {
	FileID   string `json:"file_id"`
	DecodeID string `json:"decode_id"`
	Existing bool   `json:"existing"` // the same recording was there before
	// BatchID is the batch that the file has joined, "" = none. Joining says that it has not yet, and will.
	BatchID string `json:"batch_id,omitempty"`
	Joining bool   `json:"joining,omitempty"`
}

// Upload is an upload as callers see it.
type Upload struct {
	New
	ID        string
	Offset    int64 // bytes that are there for good
	CreatedAt time.Time
	ExpiresAt time.Time // it is forgotten then
	Done      *Done     // nil: it is not a file yet
}

// Complete reports whether all bytes are there.
func (u Upload) Complete() bool { return u.Offset == u.Size }

func (r record) public() Upload {
	return Upload{New: r.New, ID: r.ID, Offset: r.Offset, CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, Done: r.Done}
}

func (r record) entry() *entry {
	e := &entry{turn: make(chan struct{}, 1), size: r.Size, offset: r.Offset, expires: r.ExpiresAt, finished: r.Done != nil}
	e.joining = r.Done != nil && r.Done.Joining
	e.turn <- struct{}{}
	return e
}

func (r record) partial(dir string) blob.Partial {
	return blob.Partial{Path: filepath.Join(dir, r.ID), Size: r.Offset, State: r.State}
}

// upload is what the recording is to be accepted as.
func (r record) upload() ingest.Upload {
	return ingest.Upload{
		Name: r.Name, MediaType: r.MediaType, Source: catalog.SourceTus, Decoder: r.Decoder, Params: r.Params, Decode: !r.StoreOnly,
	}
}

func (u *Uploads) read(id string) (record, error) {
	var r record
	raw, err := u.space.Get([]byte(id))
	if errors.Is(err, store.ErrNotFound) {
		return r, ErrNotFound
	}
	if err != nil {
		return r, fmt.Errorf("read upload: %w", err)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("read upload: %w", err)
	}
	return r, nil
}

func (u *Uploads) stage(b *store.Batch, r record) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode upload: %w", err)
	}
	b.Set(u.space, []byte(r.ID), raw)
	return nil
}

// commit records an upload. What has begun is recorded on a full disk too: the bytes are there.
func (u *Uploads) commit(ctx context.Context, r record, begun bool) error {
	b := u.cfg.DB.Batch()
	if begun {
		b.Essential()
	}
	if err := u.stage(b, r); err != nil {
		return err
	}
	if err := u.cfg.DB.Commit(ctx, b); err != nil {
		return fmt.Errorf("record upload: %w", err)
	}
	return nil
}
