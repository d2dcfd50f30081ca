// Package upload owns recordings that arrive in pieces: uploads that are begun, go on after a broken connection or a
// restart of the appliance, and become a file when their last byte is there.
//
// An upload is a record in the database and a file of the bytes so far. The record says how many bytes count and how far
// they are hashed; it is written after they were flushed, so that a number of bytes that anybody was told stands, whatever
// happens. The last step, the record of the recording and of its decode and the end of the upload, is one commit: an
// upload becomes a file exactly once. Before it, the bytes have become a blob that nothing refers to; this package holds
// it, from the start of the process on, until the commit is made.
//
// It is apart from ingest, which takes recordings that are whole, and from the HTTP face, which speaks tus: neither needs to
// know how bytes survive. What is not finished is bounded in number and bytes, and expires.
//
// Goroutines: none but Run's caller. Locks: one token an upload (entry.turn), held over I/O by whoever changes it; then
// Uploads.mu, which guards the table of uploads and is never held over I/O.
package upload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/blob"
	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/store"
)

// Errors of uploads.
var (
	// ErrNotFound reports an id that no upload has: it never had, the upload expired, or it was ended.
	ErrNotFound = errcode.New(errcode.NotFound, "no such upload: it has expired, was ended, or never was")
	// ErrOffset reports a piece that does not begin where the upload ends.
	ErrOffset = errcode.New(errcode.Conflict, "the upload does not end at this offset: ask for its offset and go on there")
)

const (
	// maxFinished is how many finished uploads are remembered: about 100 bytes each.
	maxFinished = 10_000
	// retryFull is when whoever met a limit may come back.
	retryFull = time.Minute
	// sweepEvery is the time between two looks at what has expired, or can be finished by now.
	sweepEvery = 30 * time.Second
	idKind     = 'u'
)

// Accepter makes files of recordings; it is ingest.Ingester.
type Accepter interface {
	// Check tells whether a recording can be accepted, as far as that is known without its bytes.
	Check(u ingest.Upload) error
	// AcceptBlob records a file. It commits what u.Also stages together with it.
	AcceptBlob(ctx context.Context, u ingest.Upload, b blob.Blob) (ingest.Accepted, error)
	// Drop removes the bytes of a digest that nobody refers to or holds.
	Drop(ctx context.Context, sha256 string) error
}

// Batches take files into batches; it is batch.Engine.
type Batches interface {
	// JoinUpload adds a file with its decode to a batch. A file that is in it already stays there once.
	JoinUpload(ctx context.Context, batch, file, decode string, existing bool) error
}

// Guard says how many bytes may be written, and how many the disk has at all; it is store.DB.
type Guard interface {
	Spare() (int64, error)
	Capacity() (int64, error)
}

// Config is what Uploads work with. All but the limits, FS, Logger and Now are needed.
type Config struct {
	DB       *store.DB
	Blobs    *blob.Dir
	Accepter Accepter
	Batches  Batches
	Guard    Guard
	// Dir is the folder of the bytes, on the file system of the blobs. It is made if it is missing; what is in it and
	// belongs to no upload is removed.
	Dir string
	FS  disk.FS // default disk.OS
	// Expire is how long an upload is kept after its last piece, and remembered after it was finished; default 24 h
	// (uploads.expire).
	Expire time.Duration
	// MaxCount and MaxBytes bound the uploads that are not finished: their number, default 1,000 (uploads.max_count), and
	// the sum of their sizes, 0 = as much as the disk holds (uploads.max_bytes).
	MaxCount int
	MaxBytes int64
	// MaxUpload is the most bytes of one, 0 = no limit but the disk (server.max_upload).
	MaxUpload int64
	Logger    *slog.Logger     // default: discard
	Now       func() time.Time // default time.Now
}

func (c Config) withDefaults() Config {
	if c.FS == nil {
		c.FS = disk.OS
	}
	if c.Expire <= 0 {
		c.Expire = 24 * time.Hour
	}
	if c.MaxCount <= 0 {
		c.MaxCount = 1000
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Uploads are the uploads of a data folder. All methods are safe for concurrent use.
type Uploads struct {
	cfg   Config
	space store.Space
	ids   *store.Sequence

	mu      sync.Mutex // guards what follows, and the fields of entries but turn
	entries map[string]*entry
	count   int   // uploads that are not finished
	bytes   int64 // the sum of their sizes
}

// entry is what is known of an upload without its record.
type entry struct {
	turn     chan struct{} // holds a token while nobody changes the upload
	size     int64
	offset   int64
	expires  time.Time
	finished bool
	joining  bool     // it is finished, and its file is still to join a batch
	refused  bool     // it cannot become a file, and waiting does not help
	held     []func() // end the holds on its blob
}

// Open reads what uploads there are. Those that have expired are removed by Run.
func Open(ctx context.Context, cfg Config) (*Uploads, error) {
	cfg = cfg.withDefaults()
	if err := disk.MkdirAll(cfg.FS, cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open uploads: %w", err)
	}
	ids, err := cfg.DB.Sequence("upload")
	if err != nil {
		return nil, fmt.Errorf("open uploads: %w", err)
	}
	u := &Uploads{cfg: cfg, space: cfg.DB.Space("u/"), ids: ids, entries: map[string]*entry{}}
	if err := u.load(ctx); err != nil {
		return nil, fmt.Errorf("open uploads: %w", err)
	}
	if err := u.removeStrays(); err != nil {
		return nil, fmt.Errorf("open uploads: %w", err)
	}
	return u, nil
}

func (u *Uploads) load(ctx context.Context) error {
	var damaged [][]byte
	drop := func(key []byte) error { //nolint:unparam // the store's signature
		u.cfg.Logger.ErrorContext(ctx, "record of an upload is damaged, it is removed", "upload", string(key))
		damaged = append(damaged, append([]byte(nil), key...))
		return nil
	}
	err := u.space.Scan(ctx, store.ScanOptions{OnCorrupt: drop}, func(key, value []byte) (bool, error) {
		var r record
		if err := json.Unmarshal(value, &r); err != nil || r.ID != string(key) {
			return true, drop(key)
		}
		e := r.entry()
		u.entries[r.ID] = e
		if r.Done == nil {
			u.count++
			u.bytes += r.Size
			u.holdBlob(ctx, r, e)
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("read records: %w", err)
	}
	if len(damaged) == 0 {
		return nil
	}
	b := u.cfg.DB.Batch()
	b.Essential()
	for _, key := range damaged {
		b.Delete(u.space, key)
	}
	if err := u.cfg.DB.Commit(ctx, b); err != nil {
		return fmt.Errorf("remove damaged records: %w", err)
	}
	return nil
}

// holdBlob holds the blob that a finishing upload had become when the process ended: nothing else refers to it.
func (u *Uploads) holdBlob(ctx context.Context, r record, e *entry) {
	if r.Offset != r.Size || r.Size == 0 {
		return
	}
	sha, err := r.partial(u.cfg.Dir).SHA256()
	if err != nil {
		return // Finish will say so
	}
	if release, err := u.cfg.Blobs.Hold(ctx, sha); err == nil {
		e.held = append(e.held, release)
	}
}

// removeStrays removes files that no unfinished upload has.
func (u *Uploads) removeStrays() error {
	files, err := os.ReadDir(u.cfg.Dir)
	if err != nil {
		return fmt.Errorf("list files: %w", err)
	}
	for _, f := range files {
		if e := u.entries[f.Name()]; e != nil && !e.finished {
			continue
		}
		if err := u.cfg.FS.Remove(filepath.Join(u.cfg.Dir, f.Name())); err != nil {
			u.cfg.Logger.Warn("file of no upload not removed", "error", err)
		}
	}
	return nil
}

// New is what an upload is to become.
type New struct {
	Size      int64             `json:"size"`
	Name      string            `json:"name"` // made safe by the caller
	MediaType string            `json:"media_type"`
	Metadata  string            `json:"metadata,omitempty"` // as the client sent it, given back with the upload
	Decoder   string            `json:"decoder,omitempty"`  // plugin or format id, "" = find out
	Params    map[string]string `json:"params,omitempty"`
	StoreOnly bool              `json:"store_only,omitempty"` // its file is not decoded
	Batch     string            `json:"batch,omitempty"`      // id of the batch that its file joins, "" = none
	Owner     string            `json:"owner,omitempty"`      // id of the token that began it, "" = none: it is anybody's
}

// Create begins an upload. When it returns without an error, the upload survives a power cut.
func (u *Uploads) Create(ctx context.Context, n New) (Upload, error) {
	r := record{New: n}
	if err := u.cfg.Accepter.Check(r.upload()); err != nil {
		return Upload{}, fmt.Errorf("begin upload: %w", err)
	}
	if err := u.fits(n.Size); err != nil {
		return Upload{}, err
	}
	if err := u.reserve(n.Size); err != nil {
		return Upload{}, err
	}
	number, err := u.ids.Next(ctx)
	if err == nil {
		r.ID, r.CreatedAt = store.FormatID(idKind, number), u.cfg.Now().UTC()
		r.ExpiresAt = u.expiry()
		err = u.commit(ctx, r, false)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if err != nil {
		u.count--
		u.bytes -= n.Size
		return Upload{}, fmt.Errorf("begin upload: %w", err)
	}
	u.entries[r.ID] = r.entry()
	return r.public(), nil
}

// expiry is when an upload that was touched now is to go. It keeps the reading of the monotonic clock: a clock that is set, such
// as that of a machine without a battery for it, ends none that this process has seen.
func (u *Uploads) expiry() time.Time { return u.cfg.Now().Add(u.cfg.Expire) }

// fits checks the size of a new upload. What would never fit is too large; what does not fit now may come back.
func (u *Uploads) fits(size int64) error {
	if u.cfg.MaxUpload > 0 && size > u.cfg.MaxUpload {
		return errcode.Newf(errcode.TooLarge, "an upload may have at most %d bytes", u.cfg.MaxUpload)
	}
	if most := u.cfg.MaxBytes; most > 0 && size > most {
		return errcode.Newf(errcode.TooLarge, "unfinished uploads may have %d bytes together (uploads.max_bytes)", most)
	}
	capacity, err := u.cfg.Guard.Capacity()
	if err != nil {
		return fmt.Errorf("look at the size of the disk: %w", err)
	}
	if size > capacity {
		return errcode.New(errcode.TooLarge, "an upload of this size is larger than the disk")
	}
	spare, err := u.cfg.Guard.Spare()
	if err != nil {
		return fmt.Errorf("look for free space: %w", err)
	}
	if size > spare {
		e := errcode.New(errcode.DiskFull, "not enough free disk space for an upload of this size")
		e.RetryAfter = retryFull
		return e
	}
	return nil
}

// reserve makes room in the table for one more upload that is not finished.
func (u *Uploads) reserve(size int64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	var e *errcode.Error
	switch most := u.cfg.MaxBytes; {
	case u.count >= u.cfg.MaxCount:
		e = errcode.Newf(errcode.Unavailable, "%d uploads are not finished: more are taken when some are, or have expired", u.count)
	case most > 0 && size > most-u.bytes:
		e = errcode.Newf(errcode.Unavailable, "unfinished uploads have %d bytes together: more are taken when some are finished, or have expired", u.bytes)
	default:
		u.count++
		u.bytes += size
		return nil
	}
	e.RetryAfter = retryFull
	return e
}

// Get gives an upload.
func (u *Uploads) Get(_ context.Context, id string) (Upload, error) {
	if u.lookup(id) == nil {
		return Upload{}, ErrNotFound
	}
	r, err := u.read(id)
	return r.public(), err
}

func (u *Uploads) lookup(id string) *entry {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.entries[id]
}

// acquire makes an upload the caller's until done is called.
func (u *Uploads) acquire(ctx context.Context, id string) (e *entry, done func(), err error) {
	e = u.lookup(id)
	if e == nil {
		return nil, nil, ErrNotFound
	}
	select {
	case <-e.turn:
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("wait for the upload: %w", context.Cause(ctx))
	}
	if u.lookup(id) != e { // it was ended while this waited
		e.turn <- struct{}{}
		return nil, nil, ErrNotFound
	}
	return e, func() { e.turn <- struct{}{} }, nil
}

// Terminate ends an upload. Of one that is finished only the memory goes: the file stays.
func (u *Uploads) Terminate(ctx context.Context, id string) error {
	e, done, err := u.acquire(ctx, id)
	if err != nil {
		return err
	}
	defer done()
	return u.remove(ctx, id, e)
}

// remove forgets an upload that is the caller's. Its record goes first: what is left of it then belongs to nobody.
func (u *Uploads) remove(ctx context.Context, id string, e *entry) error {
	r, err := u.read(id)
	if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, store.ErrCorrupt) {
		return fmt.Errorf("end upload: %w", err)
	}
	b := u.cfg.DB.Batch()
	b.Essential()
	b.Delete(u.space, []byte(id))
	if err := u.cfg.DB.Commit(ctx, b); err != nil {
		return fmt.Errorf("end upload: %w", err)
	}
	u.mu.Lock()
	delete(u.entries, id)
	held := e.held
	e.held = nil
	if !e.finished {
		u.count--
		u.bytes -= e.size
	}
	u.mu.Unlock()
	for _, release := range held {
		release()
	}
	if r.Done != nil || e.finished {
		return nil
	}
	if err := u.cfg.FS.Remove(filepath.Join(u.cfg.Dir, id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		u.cfg.Logger.WarnContext(ctx, "file of an ended upload not removed", "error", err)
	}
	if len(held) > 0 {
		if sha, err := r.partial(u.cfg.Dir).SHA256(); err == nil {
			return u.cfg.Accepter.Drop(ctx, sha) //nolint:wrapcheck // says what it did itself
		}
	}
	return nil
}
