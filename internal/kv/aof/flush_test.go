package aof

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/disk"
)

// lossyFS has the flush of a base wait, and a flush of a log fail once, as the kernel has it: what was written since the one
// before is lost, and the next flush succeeds.
type lossyFS struct {
	disk.FS
	bases  atomic.Bool   // their flushes wait
	held   chan struct{} // one has begun to wait
	let    chan struct{} // closed when it may go on
	lose   atomic.Bool   // the next flush of a log fails
	failed chan struct{} // closed when it has
}

type lossyFile struct {
	disk.File
	fs           *lossyFS
	safe, length int64
}

func (l *lossyFS) OpenFile(name string, flag int, perm os.FileMode) (disk.File, error) {
	f, err := l.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err //nolint:wrapcheck // of a test
	}
	return &lossyFile{File: f, fs: l}, nil
}

func (f *lossyFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.length += int64(n)
	return n, err //nolint:wrapcheck // of a test
}

func (f *lossyFile) Sync() error {
	if strings.HasSuffix(f.Name(), tempSuffix) && f.fs.bases.CompareAndSwap(true, false) {
		close(f.fs.held)
		<-f.fs.let
	}
	if strings.HasSuffix(f.Name(), logSuffix) && f.fs.lose.CompareAndSwap(true, false) {
		defer close(f.fs.failed)
		if err := os.Truncate(f.Name(), f.safe); err != nil {
			return err //nolint:wrapcheck // of a test
		}
		if err := os.Truncate(f.Name(), f.length); err != nil { // a hole
			return err //nolint:wrapcheck // of a test
		}
		f.safe = f.length
		return syscall.EIO
	}
	f.safe = f.length
	return f.File.Sync() //nolint:wrapcheck // of a test
}

// TestABaseThatIsOlderThanAFailedFlush has the flush of a log fail while a base is made that does not have what that log was to
// save: it is not answered for before a later base has it.
func TestABaseThatIsOlderThanAFailedFlush(t *testing.T) {
	fs := &lossyFS{FS: disk.OS, held: make(chan struct{}), let: make(chan struct{}), failed: make(chan struct{})}
	b := newBox(t, Config{FS: fs, Policy: Always})
	b.sure("SET a 1")
	fs.bases.Store(true)
	b.l.Rewrite()
	<-fs.held
	fs.lose.Store(true)
	b.do("SET k v")
	<-fs.failed
	close(fs.let)
	b.sure("SET later 1")
	want := content(b.e)

	dir := t.TempDir() // what the disk has when the power goes
	if err := os.CopyFS(filepath.Join(dir, "kv"), os.DirFS(b.dir)); err != nil {
		t.Fatal(err)
	}
	if err := b.close(); err != nil {
		t.Error(err)
	}
	b.dir = filepath.Join(dir, "kv")
	b.open()
	if diff := cmp.Diff(want, content(b.e)); diff != "" {
		t.Error(diff)
	}
}
