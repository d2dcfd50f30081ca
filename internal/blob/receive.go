package blob

import (
	"context"
	"crypto/sha256"
	"encoding"
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

// temp is a recording that was received into a temporary file.
type temp struct {
	dir  *Dir
	file disk.File
	sha  string
	size int64
	head []byte
}

// discard closes and removes the temporary file.
func (t *temp) discard() error {
	return errors.Join(t.file.Close(), t.dir.cfg.FS.Remove(t.file.Name()))
}

// receive streams r into a temporary file, hashing it on the way.
func (d *Dir) receive(ctx context.Context, r io.Reader, limit int64) (*temp, error) {
	first, n, readErr := d.read(ctx, r)
	defer d.give(first)
	if readErr != nil && !errors.Is(readErr, io.EOF) {
		return nil, readErr
	}
	if err := d.admit(int64(n), int64(n), limit); err != nil {
		return nil, err
	}
	file, err := d.cfg.FS.CreateTemp(d.cfg.TempDir, tempPattern)
	if err != nil {
		return nil, d.classify(err)
	}
	t := &temp{dir: d, file: file}
	if readErr != nil { // all of it is in the first buffer: no need for a pipe
		err = t.small((*first)[:n])
	} else {
		err = t.large(ctx, r, (*first)[:n], limit)
	}
	if err != nil {
		return nil, errors.Join(d.classify(err), t.discard())
	}
	return t, nil
}

// admit checks the size so far and whether n more bytes fit onto the disk.
func (d *Dir) admit(total, n, limit int64) error {
	if over(total, limit) {
		return errcode.Newf(errcode.TooLarge, "the recording is larger than the limit of %d bytes", limit)
	}
	return d.cfg.Guard.CheckSpace(n)
}

func over(total, limit int64) bool { return limit > 0 && total > limit }

// read fills a buffer from r. It returns io.EOF when r has ended, also with a full last buffer's worth of bytes. Whoever
// sends slowly gets a small buffer: thousands of them are to cost little memory.
func (d *Dir) read(ctx context.Context, r io.Reader) (*[]byte, int, error) {
	buf, _ := d.slow.Get().(*[]byte)
	began := time.Now()
	for n := 0; ; {
		if err := context.Cause(ctx); err != nil {
			return buf, n, err
		}
		k, err := r.Read((*buf)[n:])
		n += k
		if err != nil {
			return buf, n, err
		}
		if n < len(*buf) {
			continue
		}
		if n == bufferSize || time.Since(began) > fastFill {
			return buf, n, nil
		}
		larger := d.larger(buf)
		if larger == buf {
			return buf, n, nil
		}
		buf = larger
	}
}

// larger gives the content of a small buffer in a large one, unless as many of those are in use as may be.
func (d *Dir) larger(small *[]byte) *[]byte {
	select {
	case d.tokens <- struct{}{}:
	default:
		return small
	}
	buf, _ := d.pool.Get().(*[]byte)
	copy(*buf, *small)
	d.slow.Put(small)
	return buf
}

// give takes a buffer of read back.
func (d *Dir) give(buf *[]byte) {
	if len(*buf) < bufferSize {
		d.slow.Put(buf)
		return
	}
	d.pool.Put(buf)
	<-d.tokens
}

func (t *temp) small(data []byte) error {
	h := sha256.New()
	h.Write(data)
	t.sha, t.size = sum(h), int64(len(data))
	t.head = append([]byte(nil), data[:min(len(data), HeadSize)]...)
	if _, err := t.file.Write(data); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// large reads and writes here while another goroutine hashes.
func (t *temp) large(ctx context.Context, r io.Reader, first []byte, limit int64) error {
	p := startHasher(sha256.New(), nil)
	defer p.join()
	err := t.write(first, p, func() {})
	var checked, flushed int64
	for err == nil {
		var next *[]byte
		var n int
		p.slot()
		next, n, err = t.dir.read(ctx, r)
		ended := errors.Is(err, io.EOF)
		if ended {
			err = nil
		}
		total := t.size + int64(n)
		if err == nil && (total-checked >= checkEvery || over(total, limit)) {
			checked = total
			err = t.dir.admit(total, checkEvery, limit)
		}
		if err != nil {
			t.dir.give(next)
			p.unslot()
			break
		}
		err = t.write((*next)[:n], p, func() { t.dir.give(next); p.unslot() })
		if w, ok := t.file.(disk.Writeback); ok && t.size-flushed >= flushEvery {
			w.StartWriteback(flushed, t.size-flushed)
			flushed = t.size
		}
		if ended {
			break
		}
	}
	t.sha = p.join()
	if err == nil {
		t.head, _, err = readHead(t.file.Name())
	}
	return err
}

// write passes data on to the hasher and writes it; free is called when both are done with it.
func (t *temp) write(data []byte, p *hasher, free func()) error {
	written := make(chan struct{})
	p.in <- chunk{data: data, written: written, free: free}
	_, err := t.file.Write(data)
	close(written)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	t.size += int64(len(data))
	return nil
}

// hasher is a goroutine that hashes chunks in their order.
type hasher struct {
	in    chan chunk
	slots chan struct{} // bounds the buffers of one recording
	sum   chan string
	done  string
	hash  hash.Hash // the goroutine's; after barrier, until the next chunk, the caller's
	also  hash.Hash // nil = none
}

type chunk struct {
	data    []byte
	written <-chan struct{} // nil: it is
	free    func()
	reached chan<- struct{} // of barrier; there is no data then
}

func startHasher(h, also hash.Hash) *hasher {
	p := &hasher{
		in:    make(chan chunk, buffers),
		slots: make(chan struct{}, buffers),
		sum:   make(chan string, 1),
		hash:  h,
		also:  also,
	}
	go p.run()
	return p
}

func (p *hasher) run() {
	for c := range p.in {
		if c.reached != nil {
			close(c.reached)
			continue
		}
		p.hash.Write(c.data)
		if p.also != nil {
			p.also.Write(c.data)
		}
		if c.written != nil {
			<-c.written
		}
		c.free()
	}
	p.sum <- sum(p.hash)
}

// barrier returns when all chunks given so far are hashed.
func (p *hasher) barrier() {
	reached := make(chan struct{})
	p.in <- chunk{reached: reached}
	<-reached
}

// state gives what it takes to go on with the hash in another process.
func (p *hasher) state() ([]byte, error) {
	p.barrier()
	m, ok := p.hash.(encoding.BinaryMarshaler)
	if !ok {
		return nil, errors.New("the hash cannot be kept")
	}
	b, err := m.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("keep the hash: %w", err)
	}
	return b, nil
}

func (p *hasher) slot()   { p.slots <- struct{}{} }
func (p *hasher) unslot() { <-p.slots }

// join ends the goroutine and gives the hash of all chunks.
func (p *hasher) join() string {
	if p.in != nil {
		close(p.in)
		p.done, p.in = <-p.sum, nil
	}
	return p.done
}

// name flushes the temporary file and gives it its lasting name, or discards it when the content is there already.
func (d *Dir) name(ctx context.Context, t *temp) (Blob, error) {
	path, err := d.path(t.sha)
	if err != nil {
		return Blob{}, err
	}
	e, err := d.lock(ctx, t.sha)
	if err != nil {
		return Blob{}, err
	}
	isNew, err := d.nameLocked(t, path)
	if err != nil {
		d.unlock(t.sha, e)
		return Blob{}, err
	}
	return Blob{SHA256: t.sha, Size: t.size, Head: t.head, New: isNew, release: d.downgrade(t.sha, e)}, nil
}

func (d *Dir) nameLocked(t *temp, path string) (isNew bool, err error) {
	folder := filepath.Dir(path)
	st, err := os.Stat(path)
	if err == nil && st.Size() == t.size {
		if err := d.confirm(folder); err != nil {
			return false, err
		}
		if err := t.discard(); err != nil {
			d.cfg.Logger.Warn("temporary file could not be removed", "error", err)
		}
		return false, nil
	}
	if err == nil {
		d.cfg.Logger.Error("stored recording has a wrong size, it is replaced",
			"sha256", t.sha, "size_bytes", st.Size(), "expected_bytes", t.size)
	}
	if err := t.file.Sync(); err != nil {
		return false, fmt.Errorf("flush: %w", err)
	}
	if err := d.cfg.FS.Rename(t.file.Name(), path); err != nil {
		return false, fmt.Errorf("name: %w", err)
	}
	err = d.sync(folder)
	if err == nil {
		err = t.file.Close()
	}
	if err != nil { // back to the temporary name, under which the caller discards it
		return false, errors.Join(fmt.Errorf("keep: %w", err), d.cfg.FS.Rename(path, t.file.Name()))
	}
	return true, nil
}

// confirm makes sure that the names in folder are on the disk: one that an earlier run gave just before it was killed
// may not be yet.
func (d *Dir) confirm(folder string) error {
	d.mu.Lock()
	known := d.synced[folder]
	d.mu.Unlock()
	if known {
		return nil
	}
	return d.sync(folder)
}

func (d *Dir) sync(folder string) error {
	if err := d.cfg.FS.SyncDir(folder); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.synced[folder] = true
	return nil
}
