package aof

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/disk"
)

// gatedFS has flushes of files wait while the gate is closed.
type gatedFS struct {
	disk.FS
	watched atomic.Bool
	waiting chan string                   // names of files whose flush has begun
	gate    chan struct{}                 // one is let through for each element
	over    chan struct{}                 // closed when nobody looks any more
	held    atomic.Pointer[chan struct{}] // writes wait until it is closed; nil = they do not
}

type gatedFile struct {
	disk.File
	fs   *gatedFS
	name string
}

func (g *gatedFS) OpenFile(name string, flag int, perm os.FileMode) (disk.File, error) {
	f, err := g.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err //nolint:wrapcheck // of a test
	}
	return &gatedFile{f, g, filepath.Base(name)}, nil
}

func (f *gatedFile) Sync() error {
	if f.fs.watched.Load() {
		select {
		case f.fs.waiting <- f.name:
			<-f.fs.gate
		case <-f.fs.over:
		}
	}
	return f.File.Sync() //nolint:wrapcheck // of a test
}

func (f *gatedFile) Write(p []byte) (int, error) {
	if held := f.fs.held.Load(); held != nil {
		<-*held
	}
	return f.File.Write(p) //nolint:wrapcheck // of a test
}

// logged waits until the open logs hold a text.
func (b *box) logged(text string) {
	b.Helper()
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(time.Millisecond) { // a file tells no one
		paths, _ := filepath.Glob(filepath.Join(b.dir, "*"+logSuffix))
		for _, p := range paths {
			if data, err := os.ReadFile(p); err == nil && strings.Contains(string(data), text) {
				return
			}
		}
	}
	b.Errorf("%q did not reach the log", text)
}

// TestASlowDiskHoldsUpNoWrites has a flush of the log, and then that of a base, not end: what is done meanwhile is written
// all the same, so that a kill loses little of it.
func TestASlowDiskHoldsUpNoWrites(t *testing.T) {
	g := &gatedFS{FS: disk.OS, waiting: make(chan string), gate: make(chan struct{}), over: make(chan struct{})}
	b := newBox(t, Config{FS: g})
	g.watched.Store(true)
	b.do("SET a 1")
	if name := <-g.waiting; name != "000001.log" {
		t.Fatalf("%s is flushed", name)
	}
	b.do("SET beside-flush 1")
	b.logged("beside-flush")
	g.gate <- struct{}{}

	b.l.Rewrite()
	for name := ""; !strings.HasSuffix(name, tempSuffix); {
		name = <-g.waiting
		b.do("SET beside-" + name + " 1")
		b.logged("beside-" + name)
		g.gate <- struct{}{}
	}
	close(g.over)
	want := content(b.e)
	b.reopen()
	if diff := cmp.Diff(want, content(b.e)); diff != "" {
		t.Error(diff)
	}
}

// TestFullFromTheStart opens a log for which there is no room: what is kept can be read, who changes nothing is answered,
// and when there is room everything goes on. A compaction that was asked for meanwhile is not forgotten.
func TestFullFromTheStart(t *testing.T) {
	b := newBox(t, Config{Policy: Always})
	b.sure("SET a 1")
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	b.fault.Budget(0)
	b.open()
	if err := b.l.Failure(); !disk.IsNoSpace(err) {
		t.Fatalf("failure: %v", err)
	}
	if got := content(b.e); len(got) != 1 {
		t.Errorf("%q", got)
	}
	pos := b.do("SET b 2")
	if err := b.l.Wait(pos, 0); err != nil {
		t.Errorf("a reader waits for what another has changed: %v", err)
	}
	b.l.Rewrite()
	b.fault.Budget(-1)
	if err := b.wait(pos); err != nil {
		t.Error(err)
	}
	for b.l.Status().Rewrites == 0 {
		b.sure("SET c 3") // ends when the log's own goroutine has come to it
	}
	want := content(b.e)
	b.reopen()
	if diff := cmp.Diff(want, content(b.e)); diff != "" {
		t.Error(diff)
	}
}

// TestABaseForTooMuch changes more than may wait in memory while nothing can be written: it is dropped there, and is in the
// base that is written when there is room.
func TestABaseForTooMuch(t *testing.T) {
	b := newBox(t, Config{})
	b.sure("SET a 1")
	b.fault.Fail(disk.OpWrite, 0, 1<<30, syscall.ENOSPC)
	big := strings.Repeat("v", 1<<20)
	for i := range 2 * mostBacklog >> 20 {
		b.do(fmt.Sprintf("SET key%d %s", i%4, big))
		if i%8 == 0 {
			time.Sleep(time.Millisecond) // the log's own goroutine has no other signal
		}
	}
	waiting := func() int {
		b.e.Lock()
		defer b.e.Unlock()
		return len(b.l.frames.buf)
	}
	for until := time.Now().Add(10 * time.Second); waiting() >= mostBacklog && time.Now().Before(until); {
		b.do("SET last 1")
		time.Sleep(time.Millisecond) // as above
	}
	if n := waiting(); n >= mostBacklog {
		t.Fatalf("%d bytes wait in memory", n)
	}
	b.fault.Heal()
	pos := b.do("SET after 1")
	for b.l.Failure() != nil {
		time.Sleep(time.Millisecond) // as above
	}
	if err := b.wait(pos); err != nil {
		t.Error(err)
	}
	want := content(b.e)
	b.reopen()
	if diff := cmp.Diff(want, content(b.e)); diff != "" {
		t.Error("what is there after a restart differs")
	}
}

// TestAnswersDoNotRunAhead has the disk take long for a write: who changes something meanwhile is not answered until it goes
// on, so that a kill does not take back what was answered long ago. Who reads what is written is.
func TestAnswersDoNotRunAhead(t *testing.T) {
	g := &gatedFS{FS: disk.OS}
	b := newBox(t, Config{FS: g})
	before := b.do("SET a 1")
	b.sure("SET b 1")
	b.logged("b")
	gate := make(chan struct{})
	g.held.Store(&gate)
	b.sure("SET c 1") // for a while they are answered
	b.l.mu.Lock()
	b.l.looked = b.l.looked.Add(-2 * mostBehind) // the while is over
	b.l.mu.Unlock()
	if err := b.l.Wait(before, 0); err != nil {
		t.Error(err)
	}
	var released atomic.Bool
	time.AfterFunc(50*time.Millisecond, func() { // of the disk
		released.Store(true)
		close(gate)
	})
	b.sure("SET d 1")
	if !released.Load() {
		t.Error("a change was answered while the one before is not written")
	}
}
