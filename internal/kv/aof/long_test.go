package aof

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/disk"
)

// bound has the frames of an open log be shorter than they may be.
func (b *box) bound(n int) {
	b.e.Lock()
	defer b.e.Unlock()
	b.l.frames.most = n
}

// until waits for what the log's own goroutine does, which has no other signal.
func (b *box) until(what string, done func() bool) {
	b.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			b.Fatal(what)
		}
	}
}

// TestACommandThatNoFrameHolds is answered for when a base has what it did, in parts; what no base holds either is not.
func TestACommandThatNoFrameHolds(t *testing.T) {
	b := newBox(t, Config{Policy: Always})
	b.bound(1000)
	many := "MSET" + strings.Repeat(" k v k2 v2", 200)
	b.sure("SET a 1", many, "SET b 2")
	if n := b.l.Status().Rewrites; n != 1 {
		t.Errorf("%d bases", n)
	}
	kept := content(b.e)
	pos := b.do("SET big " + strings.Repeat("v", 2000))
	b.until("a base holds what is too long", func() bool { return errors.Is(b.l.Status().RewriteErr, errLong) })
	if ok, _ := b.l.Kept(pos, pos); ok || b.l.Failure() == nil {
		t.Error("it is answered for")
	}
	pos = b.do("DEL big")
	b.until("the log does not recover", func() bool {
		b.l.Rewrite() // or it takes its time
		return b.l.Failure() == nil
	})
	if err := b.wait(pos); err != nil {
		t.Error(err)
	}
	b.reopen()
	if diff := cmp.Diff(kept, content(b.e)); diff != "" {
		t.Error(diff)
	}
}

// TestACommandThatNoFrameHoldsBesideABase has one come while a base is made that does not have what it did.
func TestACommandThatNoFrameHoldsBesideABase(t *testing.T) {
	fs := &lossyFS{FS: disk.OS, held: make(chan struct{}), let: make(chan struct{})}
	b := newBox(t, Config{FS: fs, Policy: Always})
	b.bound(1000)
	fs.bases.Store(true)
	b.l.Rewrite()
	<-fs.held
	b.do("MSET" + strings.Repeat(" k v k2 v2", 200))
	b.until("the log takes it", func() bool { return b.l.Failure() != nil })
	close(fs.let)
	b.sure("SET later 1")
	want := content(b.e)
	b.reopen()
	if diff := cmp.Diff(want, content(b.e)); diff != "" {
		t.Error(diff)
	}
}
