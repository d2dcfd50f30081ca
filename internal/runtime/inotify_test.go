package runtime

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// listen opens an inotify on a new folder.
func listen(t *testing.T) (n notifier, dir string) {
	t.Helper()
	dir = t.TempDir()
	n, err := newInotify()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		_ = n.Close() // twice is once
	})
	if err := n.Add(dir); err != nil {
		t.Fatal(err)
	}
	return n, dir
}

// expect takes events until the one that is wanted.
func expect(t *testing.T, n notifier, path string, what happening) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case ev := <-n.Events():
			if ev == (folderEvent{path, what}) {
				return
			}
		case err := <-n.Lost():
			t.Fatal(err)
		case <-limit:
			t.Fatalf("nobody told of %s %d", path, what)
		}
	}
}

func TestInotifyTellsWhenAWriterIsDone(t *testing.T) {
	n, dir := listen(t)
	path, other := filepath.Join(dir, "a.wasm"), filepath.Join(dir, "b.wasm")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, n, path, changed) // come
	if _, err := f.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	expect(t, n, path, changed)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, n, path, complete)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Chmod(path, 0o644))
	expect(t, n, path, changed)
	must(os.Rename(path, other))
	expect(t, n, path, gone)
	expect(t, n, other, complete)
	must(os.Link(other, path)) // nobody is done with anything: the file may still be written
	expect(t, n, path, changed)
	must(os.Remove(other))
	expect(t, n, other, gone)
	must(os.RemoveAll(dir))
	expect(t, n, dir, itself)
	must(os.Mkdir(dir, 0o700))
	must(n.Add(dir))
	must(os.WriteFile(path, nil, 0o600))
	expect(t, n, path, complete)
	n.Remove(dir)
	n.Remove("/nowhere")
	if err := n.Add(path); err == nil {
		t.Error("a file is watched like a folder")
	}
}

// TestInotifyTellsThatEventsWereLost makes more events than the kernel remembers while nobody takes them.
func TestInotifyTellsThatEventsWereLost(t *testing.T) {
	n, dir := listen(t)
	paths := [2]string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	for _, path := range paths {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1 << 18 { // the kernel's default is 2^14; the same event twice in a row counts once
		if err := os.Chmod(paths[i%2], 0o600); err != nil {
			t.Fatal(err)
		}
		if i%(1<<15) != 1<<15-1 {
			continue
		}
		if drainUntilLost(n) {
			return
		}
	}
	t.Error("nobody told of a loss")
}

// drainUntilLost takes all events there are, and reports whether some were lost.
func drainUntilLost(n notifier) bool {
	quiet := time.NewTimer(time.Second)
	defer quiet.Stop()
	for {
		select {
		case err := <-n.Lost():
			return errors.Is(err, errEventsLost)
		case <-n.Events():
		case <-quiet.C:
			return false
		}
	}
}
