// Package blob owns the recordings: files that are kept under the SHA-256 of their content.
//
// A recording is streamed into a temporary file while it is hashed, flushed, and only then named
// <dir>/ab/cdef…, so that a name never stands for half a content, and the same content is kept once. The package
// knows nothing of the records that refer to a blob; it is apart from them because it deals with bytes of any size
// and they with small records.
//
// Between Put and the commit of the record that refers to the blob nothing refers to it, and a clean-up could take
// it away. So Put returns the blob held: RemoveIf does not touch it before Release. And RemoveIf asks whether the
// blob is unused while nobody can begin to hold it. Together: a blob whose record was committed before Release is
// never lost.
//
// A recording may also arrive in pieces (partial.go): a file of the caller's that grows, whose hash goes on where it was,
// also in another process, and that becomes a blob at its end.
//
// Goroutines: a Put of more than one buffer, and an Extend, run a hashing goroutine and join it. Locks: Dir.mu guards the table of
// held blobs and what is known of the folders; it is never held over I/O. The gate of one hash (entry.busy) is held while
// its file is named or removed.
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
)

const (
	// HeadSize is how much of the beginning of a blob Put returns, for format detection.
	HeadSize = 64 << 10

	bufferSize  = 256 << 10
	slowBuffer  = 16 << 10              // of who sends slowly
	fastFill    = 20 * time.Millisecond // whoever fills a slowBuffer faster gets a bufferSize
	fastBuffers = 64                    // of bufferSize in use at a time
	buffers     = 4                     // of one Put, when it is larger than one
	checkEvery  = 1 << 20               // bytes between two looks at the free space
	flushEvery  = 8 << 20               // bytes between two hints to begin writing
	tempPattern = "blob-*.tmp"
	retryFull   = 30 * time.Second
)

// ErrNotFound reports a hash under which nothing is kept.
var ErrNotFound = errcode.New(errcode.NotFound, "no such recording is stored")

// ErrHeld reports that a blob is in use by an upload that is just being recorded.
var ErrHeld = errcode.New(errcode.Conflict, "the recording is being stored at this moment")

// Guard says whether n more bytes may be written.
type Guard interface {
	CheckSpace(n int64) error
	// Spare gives how many bytes may be written.
	Spare() (int64, error)
}

// Config says where blobs are kept.
type Config struct {
	// Dir is the folder of the blobs. It is made if it is missing.
	Dir string
	// TempDir is the folder for files in the making, on the same file system. It is made if it is missing.
	TempDir string
	// FS does the writing. Default: disk.OS.
	FS disk.FS
	// Guard is asked for space before and while a blob is written. Default: always enough.
	Guard Guard
	// Logger takes what an operator should know. Default: discard.
	Logger *slog.Logger
}

type noGuard struct{}

func (noGuard) CheckSpace(int64) error { return nil }

func (noGuard) Spare() (int64, error) { return math.MaxInt64, nil }

// Dir is an open folder of blobs. All its methods are safe for concurrent use.
type Dir struct {
	cfg    Config
	pool   sync.Pool     // of *[]byte, bufferSize each
	slow   sync.Pool     // of *[]byte, slowBuffer each
	tokens chan struct{} // one for each buffer out of pool

	mu      sync.Mutex // guards what follows
	entries map[string]*entry
	synced  map[string]bool // folders whose names were on the disk at some time of this run
}

// entry is a hash that is held or being changed; it is in the table only as long.
type entry struct {
	holds int
	busy  chan struct{} // capacity 1: holds a token while the file is being named or removed
	users int           // of the entry itself
}

// Blob is a recording that Put has stored.
type Blob struct {
	SHA256 string // hex, lower case
	Size   int64
	Head   []byte // the first HeadSize bytes
	New    bool   // false: the same content was there already

	release func()
}

// Release ends the hold on the blob: to be called once the record that refers to it is committed, or was given up.
// More calls have no effect.
func (b *Blob) Release() {
	if b.release != nil {
		b.release()
	}
}

// Open opens or makes the folders and removes what an earlier run left unfinished.
func Open(cfg Config) (*Dir, error) {
	if cfg.Dir == "" || cfg.TempDir == "" {
		return nil, errors.New("blob: a folder is missing in the configuration")
	}
	if cfg.FS == nil {
		cfg.FS = disk.OS
	}
	if cfg.Guard == nil {
		cfg.Guard = noGuard{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Dir{cfg: cfg, entries: map[string]*entry{}, synced: map[string]bool{}, tokens: make(chan struct{}, fastBuffers)}
	d.pool.New = func() any { b := make([]byte, bufferSize); return &b }
	d.slow.New = func() any { b := make([]byte, slowBuffer); return &b }
	for _, dir := range []string{cfg.Dir, cfg.TempDir} {
		if err := disk.MkdirAll(cfg.FS, dir, 0o750); err != nil {
			return nil, fmt.Errorf("open blobs: %w", err)
		}
	}
	if err := d.makeFolders(); err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	leftovers, err := filepath.Glob(filepath.Join(cfg.TempDir, tempPattern))
	if err != nil {
		return nil, fmt.Errorf("list unfinished blobs: %w", err)
	}
	for _, path := range leftovers {
		if err := cfg.FS.Remove(path); err != nil {
			cfg.Logger.Warn("unfinished blob could not be removed", "path", path, "error", err)
		}
	}
	return d, nil
}

// makeFolders makes the folders of all first bytes at once: made one by one they would cost each of the first few
// hundred recordings two more flushes.
func (d *Dir) makeFolders() error {
	entries, err := os.ReadDir(d.cfg.Dir)
	if err != nil {
		return fmt.Errorf("list folder: %w", err)
	}
	there := make(map[string]bool, len(entries))
	for _, e := range entries {
		there[e.Name()] = true
	}
	made := false
	for i := range 256 {
		name := hex.EncodeToString([]byte{byte(i)})
		if there[name] {
			continue
		}
		if err := d.cfg.FS.MkdirAll(filepath.Join(d.cfg.Dir, name), 0o750); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
		made = true
	}
	if !made {
		return nil
	}
	if err := d.cfg.FS.SyncDir(d.cfg.Dir); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

// Put stores what r gives, up to limit bytes (0: no limit), and returns it held: the caller releases it. Errors:
// too_large, disk_full, the error of r, the cause for which ctx ended; after any of them nothing is left behind.
func (d *Dir) Put(ctx context.Context, r io.Reader, limit int64) (Blob, error) {
	t, err := d.receive(ctx, r, limit)
	if err != nil {
		return Blob{}, fmt.Errorf("store recording: %w", err)
	}
	b, err := d.name(ctx, t)
	if err != nil {
		return Blob{}, fmt.Errorf("store recording: %w", errors.Join(d.classify(err), t.discard()))
	}
	return b, nil
}

// Temp receives what r gives, as Put does, but keeps it for as long as the returned file is open only: it has no
// name. The file is at its beginning; its content is not flushed to the disk.
func (d *Dir) Temp(ctx context.Context, r io.Reader, limit int64) (*os.File, Blob, error) {
	t, err := d.receive(ctx, r, limit)
	if err != nil {
		return nil, Blob{}, fmt.Errorf("receive recording: %w", err)
	}
	f, err := os.Open(t.file.Name())
	err = errors.Join(err, t.discard())
	if err != nil {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
		return nil, Blob{}, fmt.Errorf("receive recording: %w", err)
	}
	return f, Blob{SHA256: t.sha, Size: t.size, Head: t.head, New: true}, nil
}

// Open opens the blob for reading. A blob that is removed meanwhile stays readable until it is closed.
func (d *Dir) Open(sha string) (*os.File, error) {
	path, err := d.path(sha)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	return f, nil
}

// Has reports whether the blob is there.
func (d *Dir) Has(sha string) bool {
	path, err := d.path(sha)
	if err != nil {
		return false
	}
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

// Walk calls fn for every blob, in no particular order, until it returns an error. Blobs stored or removed meanwhile
// may be among them or not.
func (d *Dir) Walk(ctx context.Context, fn func(sha string, size int64, modified time.Time) error) error {
	folders, err := os.ReadDir(d.cfg.Dir)
	if err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	for _, folder := range folders {
		files, err := os.ReadDir(filepath.Join(d.cfg.Dir, folder.Name()))
		if err != nil {
			return fmt.Errorf("list blobs: %w", err)
		}
		for _, file := range files {
			sha := folder.Name() + file.Name()
			info, err := file.Info()
			if !valid(sha) || err != nil || !info.Mode().IsRegular() {
				continue
			}
			if err := context.Cause(ctx); err != nil {
				return fmt.Errorf("list blobs: %w", err)
			}
			if err := fn(sha, info.Size(), info.ModTime()); err != nil {
				return err
			}
		}
	}
	return nil
}

// Totals counts the blobs and their bytes, by walking over them.
func (d *Dir) Totals(ctx context.Context) (count, size int64, err error) {
	err = d.Walk(ctx, func(_ string, n int64, _ time.Time) error {
		count++
		size += n
		return nil
	})
	return count, size, err
}

// Hold keeps the blob from being removed until release is called, for a new record that refers to what is stored
// already. It waits for a removal that is under way.
func (d *Dir) Hold(ctx context.Context, sha string) (release func(), err error) {
	path, err := d.path(sha)
	if err != nil {
		return nil, err
	}
	e, err := d.lock(ctx, sha)
	if err != nil {
		return nil, fmt.Errorf("hold recording: %w", err)
	}
	if _, err := os.Stat(path); err != nil {
		d.unlock(sha, e)
		if errors.Is(err, os.ErrNotExist) {
			return nil, ErrNotFound
		}
		return nil, fmt.Errorf("hold recording: %w", err)
	}
	return d.downgrade(sha, e), nil
}

// Remove removes the blob; that it is not there is no error. It returns ErrHeld while the blob is held.
func (d *Dir) Remove(ctx context.Context, sha string) error {
	_, err := d.RemoveIf(ctx, sha, func() (bool, error) { return true, nil })
	return err
}

// RemoveIf removes the blob if unused says so. It asks while nobody holds the blob and nobody can begin to: a record
// that refers to it is either committed and seen by unused, or its Put stores the content anew. It returns ErrHeld,
// without asking, while the blob is held: try again later.
func (d *Dir) RemoveIf(ctx context.Context, sha string, unused func() (bool, error)) (removed bool, err error) {
	path, err := d.path(sha)
	if err != nil {
		return false, err
	}
	e, err := d.lock(ctx, sha)
	if err != nil {
		return false, fmt.Errorf("remove recording: %w", err)
	}
	defer d.unlock(sha, e)
	if d.held(e) {
		return false, ErrHeld
	}
	if ok, err := unused(); err != nil || !ok {
		return false, err
	}
	err = d.cfg.FS.Remove(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("remove recording: %w", err)
	}
	// The folder is not synced: a name that comes back after a power cut is found by the next clean-up.
	return true, nil
}

// path is where the blob is or would be.
func (d *Dir) path(sha string) (string, error) {
	if !valid(sha) {
		return "", ErrNotFound
	}
	return filepath.Join(d.cfg.Dir, sha[:2], sha[2:]), nil
}

func valid(sha string) bool {
	return len(sha) == 2*sha256.Size && !strings.ContainsFunc(sha, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'f')
	})
}

// classify gives an error about a full disk its code.
func (d *Dir) classify(err error) error {
	if _, ok := errors.AsType[*errcode.Error](err); !ok && disk.IsNoSpace(err) {
		e := errcode.Wrap(errcode.DiskFull, err, "not enough free disk space")
		e.RetryAfter = retryFull
		return e
	}
	return err
}

func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
