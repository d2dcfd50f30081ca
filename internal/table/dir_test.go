package table

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
)

func openDir(t *testing.T) (*Dir, string) {
	t.Helper()
	root := t.TempDir()
	d, err := OpenDir(filepath.Join(root, "results"), filepath.Join(root, "tmp"), disk.OS)
	if err != nil {
		t.Fatal(err)
	}
	return d, root
}

func stage(t *testing.T, d *Dir, key, name, content string) *Staging {
	t.Helper()
	s, err := d.Begin(key)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T, d *Dir, key, name string) string {
	t.Helper()
	f, err := d.Open(key, name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDirShowsAResultOnlyWhenCommitted(t *testing.T) {
	d, root := openDir(t)
	s := stage(t, d, "k1", "records", "one")
	if d.Has("k1") {
		t.Error("a staged result is visible")
	}
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, d, "k1", "records"); got != "one" {
		t.Errorf("read %q", got)
	}
	if _, err := d.Open("k1", "packets"); !errcode.Is(err, errcode.NotFound) {
		t.Errorf("open of an absent table: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(root, "tmp")); len(left) != 0 {
		t.Errorf("left in tmp: %v", left)
	}
}

func TestDirReplacesAndRemoves(t *testing.T) {
	d, root := openDir(t)
	for _, content := range []string{"old", "new"} {
		if err := stage(t, d, "k1", "records", content).Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, d, "k1", "records"); got != "new" {
		t.Errorf("read %q after replacement", got)
	}
	open, err := d.Open("k1", "records")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := d.Remove("k1"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(open); err != nil || string(b) != "new" {
		t.Errorf("an open table became unreadable: %q %v", b, err)
	}
	if d.Has("k1") {
		t.Error("a removed result is there")
	}
	if err := d.Remove("k1"); err != nil {
		t.Errorf("second remove: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(root, "tmp")); len(left) != 0 {
		t.Errorf("left in tmp: %v", left)
	}
}

// watched is an FS that looks at a result around every change of names, and may be unable to exchange.
type watched struct {
	disk.FS
	look func()
	old  bool
}

func (w watched) Rename(a, b string) error {
	err := w.FS.Rename(a, b)
	w.look()
	return err
}

func (w watched) Exchange(a, b string) error {
	if w.old {
		return errors.ErrUnsupported
	}
	err := w.FS.Exchange(a, b)
	w.look()
	return err
}

// TestReplacedResultIsNeverMissing replaces a result: whoever reads finds the old or the new one at every moment.
func TestReplacedResultIsNeverMissing(t *testing.T) {
	d, _ := openDir(t)
	if err := stage(t, d, "k1", "records", "old").Commit(); err != nil {
		t.Fatal(err)
	}
	looks := 0
	d.fs = watched{FS: disk.OS, look: func() {
		looks++
		if !d.Has("k1") {
			t.Error("the result is missing while it is replaced")
		}
	}}
	if err := stage(t, d, "k1", "records", "new").Commit(); err != nil || looks == 0 {
		t.Errorf("%v, %d looks", err, looks)
	}
	if got := read(t, d, "k1", "records"); got != "new" {
		t.Errorf("read %q", got)
	}
}

// TestFailedReplacementKeepsTheOldResult lets the change of names fail, with and without a file system that can
// exchange.
func TestFailedReplacementKeepsTheOldResult(t *testing.T) {
	for name, tc := range map[string]struct {
		old  bool
		skip int // renames that succeed before one fails
	}{"exchange": {false, 0}, "set aside": {true, 0}, "name": {true, 1}} {
		t.Run(name, func(t *testing.T) {
			d, root := openDir(t)
			if err := stage(t, d, "k1", "records", "old").Commit(); err != nil {
				t.Fatal(err)
			}
			fault := disk.NewFault(disk.OS)
			d.fs = watched{FS: fault, look: func() {}, old: tc.old}
			s := stage(t, d, "k1", "records", "new")
			fault.Fail(disk.OpRename, tc.skip, 1, syscall.EIO)
			if err := s.Commit(); !errors.Is(err, syscall.EIO) {
				t.Errorf("commit: %v", err)
			}
			if got := read(t, d, "k1", "records"); got != "old" {
				t.Errorf("read %q", got)
			}
			if left, _ := os.ReadDir(filepath.Join(root, "tmp")); len(left) != 0 {
				t.Errorf("left in tmp: %v", left)
			}
		})
	}
}

func TestDirReplacesWithoutExchange(t *testing.T) {
	d, root := openDir(t)
	d.fs = watched{FS: disk.OS, look: func() {}, old: true}
	for _, content := range []string{"old", "new"} {
		if err := stage(t, d, "k1", "records", content).Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, d, "k1", "records"); got != "new" {
		t.Errorf("read %q", got)
	}
	if left, _ := os.ReadDir(filepath.Join(root, "tmp")); len(left) != 0 {
		t.Errorf("left in tmp: %v", left)
	}
}

func TestDirClearsWhatACrashLeft(t *testing.T) {
	d, root := openDir(t)
	stage(t, d, "k1", "records", "half")
	if err := stage(t, d, "k2", "records", "whole").Commit(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenDir(filepath.Join(root, "results"), filepath.Join(root, "tmp"), disk.OS)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := again.Keys()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"k2"}, keys); diff != "" {
		t.Error(diff)
	}
	if left, _ := os.ReadDir(filepath.Join(root, "tmp")); len(left) != 0 {
		t.Errorf("left in tmp: %v", left)
	}
}

func TestDirRefusesPaths(t *testing.T) {
	d, _ := openDir(t)
	for _, bad := range []string{"", "..", "../x", "a/b", "A", "a.b", "a\x00"} {
		if _, err := d.Begin(bad); err == nil {
			t.Errorf("Begin(%q) succeeded", bad)
		}
		if _, err := d.Open(bad, "records"); !errcode.Is(err, errcode.NotFound) {
			t.Errorf("Open(%q): %v", bad, err)
		}
		if _, err := d.Open("k", bad); !errcode.Is(err, errcode.NotFound) {
			t.Errorf("Open table %q: %v", bad, err)
		}
	}
}

// TestOpenRemovesWhatWasLeft says that a kill leaves nothing for good: neither a result that was being written nor a
// table that was only passed on.
func TestOpenRemovesWhatWasLeft(t *testing.T) {
	root := t.TempDir()
	temp := filepath.Join(root, "tmp")
	if err := os.MkdirAll(filepath.Join(temp, stagingPrefix+"abc-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	passing, err := os.CreateTemp(temp, PassingPattern)
	if err != nil {
		t.Fatal(err)
	}
	if err := passing.Close(); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(temp, "blob-1.tmp") // somebody else's
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDir(filepath.Join(root, "results"), temp, disk.OS); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(temp)
	if err != nil || len(left) != 1 || left[0].Name() != "blob-1.tmp" {
		t.Errorf("left: %v, %v", left, err)
	}
}
