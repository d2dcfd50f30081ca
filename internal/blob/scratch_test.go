package blob

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestScratchHasNoName(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(Config{Dir: filepath.Join(dir, "blobs"), TempDir: filepath.Join(dir, "tmp")})
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Scratch()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write([]byte("data")); err != nil {
		t.Error(err)
	}
	b := make([]byte, 4)
	if _, err := f.ReadAt(b, 0); err != nil || string(b) != "data" {
		t.Errorf("%q %v", b, err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
	if err := d.CheckSpace(1); err != nil {
		t.Error(err)
	}
	if n, err := d.Room(); err != nil || n < 1 {
		t.Errorf("room for %d bytes, %v", n, err)
	}
	full := errors.New("full")
	d.cfg.Guard = guardFunc(func(int64) error { return full })
	if n, err := d.Room(); !errors.Is(err, full) {
		t.Errorf("room for %d bytes on a full disk, %v", n, err)
	}
}
