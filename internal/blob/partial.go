package blob

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// What arrives in pieces is made durable at the end of each, and on the way after so many bytes or so much time: a
// piece that is cut off by a crash then loses no more than that. BenchmarkExtend measures what that costs where bytes come
// as fast as they can be taken: 1.0 to 1.3 times one flush at the end.
const (
	keepBytes = 64 << 20
	keepEvery = 2 * time.Second
)

// Partial is a recording that arrives in pieces: a file of its first Size bytes, and how far they are hashed. The file is
// the caller's, on the file system of the blobs, and made by the first piece. It may be longer: what lies beyond was written by a piece
// that came to no end.
type Partial struct {
	Path  string
	Size  int64
	State []byte // of the hash, as encoding.BinaryMarshaler gives it; nil at the beginning
}

// Piece is what is added to a Partial.
type Piece struct {
	Body  io.Reader
	Limit int64 // most bytes, 0 = no limit but the disk
	// Check is a second hash over the piece; its verdict decides at the end whether the piece counts. A piece without
	// one counts as far as it came.
	Check   hash.Hash
	Verdict func() error
	// Keep records how far the recording has come. What it is given is on the disk already.
	Keep func(Partial) error
}

// Extend adds a piece to a partial recording and gives how far it has come then, also beside an error: whatever was
// received before the error counts, once Keep has taken it. One call at a time for a recording.
func (d *Dir) Extend(ctx context.Context, p Partial, piece Piece) (Partial, error) {
	h, err := p.hash()
	if err != nil {
		return p, fmt.Errorf("extend recording: %w", err)
	}
	if err := p.cut(); err != nil {
		return p, fmt.Errorf("extend recording: %w", err)
	}
	file, err := d.cfg.FS.OpenFile(p.Path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return p, fmt.Errorf("extend recording: %w", d.classify(err))
	}
	e := &extension{dir: d, file: file, kept: p, size: p.Size, flushed: p.Size, checked: p.Size - checkEvery, since: time.Now(), piece: piece}
	e.hasher = startHasher(h, piece.Check)
	defer e.hasher.join()
	err = e.receive(ctx)
	err = errors.Join(e.finish(err), file.Close())
	if err != nil {
		return e.kept, fmt.Errorf("extend recording: %w", err)
	}
	return e.kept, nil
}

// cut makes the file as long as the recording is. ErrNotFound: it is shorter, or not there.
func (p Partial) cut() error {
	st, err := os.Stat(p.Path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if p.Size == 0 {
			return nil
		}
		return ErrNotFound
	case err != nil:
		return fmt.Errorf("look at size: %w", err)
	case st.Size() < p.Size:
		return ErrNotFound
	case st.Size() > p.Size:
		if err := os.Truncate(p.Path, p.Size); err != nil {
			return fmt.Errorf("cut: %w", err)
		}
	}
	return nil
}

// hash gives the hash of the bytes so far.
func (p Partial) hash() (hash.Hash, error) {
	h := sha256.New()
	if p.Size == 0 {
		return h, nil
	}
	u, ok := h.(encoding.BinaryUnmarshaler)
	if !ok {
		return nil, errors.New("the hash cannot go on")
	}
	if err := u.UnmarshalBinary(p.State); err != nil {
		return nil, fmt.Errorf("go on with the hash: %w", err)
	}
	return h, nil
}

// SHA256 gives the digest of the bytes so far, hex.
func (p Partial) SHA256() (string, error) {
	h, err := p.hash()
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// extension is a piece that is being added.
type extension struct {
	dir     *Dir
	file    disk.File
	hasher  *hasher
	piece   Piece
	kept    Partial // durable, and known to Keep
	size    int64   // written, and given to the hasher
	flushed int64   // up to here the disk was told to begin writing
	checked int64   // at this size the free space was looked at
	since   time.Time
}

// receive reads and writes while the hasher hashes what was written.
func (e *extension) receive(ctx context.Context) error {
	for {
		e.hasher.slot()
		buf, n, err := e.dir.read(ctx, e.piece.Body)
		if werr := e.write(buf, n); werr != nil {
			return werr
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		// The end of a recording is left to finish: a body that goes on is none of it.
		if e.piece.Check == nil && e.size != e.piece.Limit && (e.size-e.kept.Size >= keepBytes || time.Since(e.since) >= keepEvery) {
			if err := e.keep(); err != nil {
				return err
			}
		}
	}
}

// write writes a buffer and passes it on to the hasher, which gives it back.
func (e *extension) write(buf *[]byte, n int) error {
	give := func() { e.dir.give(buf); e.hasher.unslot() }
	if n == 0 {
		give()
		return nil
	}
	total := e.size + int64(n)
	if total-e.checked >= checkEvery || over(total, e.piece.Limit) {
		e.checked = total
		if err := e.dir.admit(total, max(int64(n), checkEvery), e.piece.Limit); err != nil {
			give()
			return err
		}
	}
	if _, err := e.file.Write((*buf)[:n]); err != nil {
		give()
		return fmt.Errorf("write: %w", e.dir.classify(err))
	}
	e.size = total
	e.hasher.in <- chunk{data: (*buf)[:n], free: give}
	if w, ok := e.file.(disk.Writeback); ok && e.size-e.flushed >= flushEvery {
		w.StartWriteback(e.flushed, e.size-e.flushed)
		e.flushed = e.size
	}
	return nil
}

// finish keeps what was received, where it counts. Of a piece that is longer than what is left of the recording nobody knows
// which bytes are too many, so that what was not kept on the way counts for nothing.
func (e *extension) finish(err error) error {
	if errcode.Is(err, errcode.TooLarge) {
		return err
	}
	if e.piece.Check != nil {
		e.hasher.barrier()
		if err == nil {
			err = e.piece.Verdict()
		}
		if err != nil {
			return err // none of it counts: the file is cut back when the next piece comes
		}
	}
	return errors.Join(err, e.keep())
}

// keep makes durable what was received.
func (e *extension) keep() error {
	e.since = time.Now()
	if e.size == e.kept.Size {
		return nil
	}
	state, err := e.hasher.state()
	if err != nil {
		return err
	}
	if err := e.file.Sync(); err != nil {
		return fmt.Errorf("flush: %w", e.dir.classify(err))
	}
	if e.kept.Size == 0 { // nobody relied on the name of the file before
		if err := e.dir.cfg.FS.SyncDir(filepath.Dir(e.kept.Path)); err != nil {
			return fmt.Errorf("sync folder: %w", err)
		}
	}
	next := Partial{Path: e.kept.Path, Size: e.size, State: state}
	if err := e.piece.Keep(next); err != nil {
		return fmt.Errorf("record progress: %w", err)
	}
	e.kept = next
	return nil
}

// Adopt makes the file of a partial recording that is complete a blob, as Put does, held. The file is gone then; after an
// error it is where it was.
func (d *Dir) Adopt(ctx context.Context, p Partial) (Blob, error) {
	sha, err := p.SHA256()
	if err != nil {
		return Blob{}, fmt.Errorf("store recording: %w", err)
	}
	if err := p.cut(); err != nil {
		return Blob{}, fmt.Errorf("store recording: %w", err)
	}
	head, _, err := readHead(p.Path)
	if errors.Is(err, os.ErrNotExist) {
		return Blob{}, ErrNotFound
	}
	if err != nil {
		return Blob{}, fmt.Errorf("store recording: %w", err)
	}
	file, err := d.cfg.FS.OpenFile(p.Path, os.O_WRONLY, 0)
	if err != nil {
		return Blob{}, fmt.Errorf("store recording: %w", err)
	}
	t := &temp{dir: d, file: file, sha: sha, size: p.Size, head: head}
	b, err := d.name(ctx, t)
	if err != nil {
		_ = file.Close() // it may be closed already; what counts is err
		return Blob{}, fmt.Errorf("store recording: %w", d.classify(err))
	}
	return b, nil
}

// Stored gives a blob that is there, held.
func (d *Dir) Stored(ctx context.Context, sha string) (Blob, error) {
	release, err := d.Hold(ctx, sha)
	if err != nil {
		return Blob{}, err
	}
	path, err := d.path(sha)
	if err != nil {
		release()
		return Blob{}, err
	}
	head, size, err := readHead(path)
	if err != nil {
		release()
		return Blob{}, fmt.Errorf("read recording: %w", err)
	}
	return Blob{SHA256: sha, Size: size, Head: head, release: release}, nil
}

// readHead gives the beginning of a file, and its size.
func readHead(path string) (head []byte, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("open: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	st, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("look at size: %w", err)
	}
	head = make([]byte, min(st.Size(), HeadSize))
	if _, err := io.ReadFull(f, head); err != nil {
		return nil, 0, fmt.Errorf("read: %w", err)
	}
	return head, st.Size(), nil
}
