package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// names lists what is in dir.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	return got
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, want := range []string{"first", "", "a longer second"} {
		if err := WriteFile(OS, path, []byte(want), 0o640); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%q, %v", got, err)
		}
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left behind: %v", got)
	}
}

// TestWriteFileKeepsTheOld fails at every step: until the rename the old content stays and nothing is left behind.
func TestWriteFileKeepsTheOld(t *testing.T) {
	for _, op := range []Op{OpOpen, OpWrite, OpSync, OpRename, OpSyncDir} {
		dir := t.TempDir()
		path := filepath.Join(dir, "f")
		fault := NewFault(OS)
		if err := WriteFile(fault, path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		fault.Fail(op, 0, 1, syscall.EIO)
		if err := WriteFile(fault, path, []byte("new"), 0o600); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v", op, err)
		}
		want := "old"
		if op == OpSyncDir {
			want = "new"
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", op, got, err)
		}
		if got := names(t, dir); len(got) != 1 {
			t.Errorf("%s: left behind %v", op, got)
		}
	}
}

// order is an FS that notes what was synced and renamed, in which order.
type order struct {
	FS
	root  string
	calls []string
}

func (o *order) rel(path string) string {
	rel, err := filepath.Rel(o.root, path)
	if err != nil {
		return path
	}
	return rel
}

func (o *order) SyncDir(dir string) error {
	o.calls = append(o.calls, "syncdir "+o.rel(dir))
	return o.FS.SyncDir(dir)
}

func (o *order) Exchange(a, b string) error {
	o.calls = append(o.calls, fmt.Sprintf("exchange %s %s", o.rel(a), o.rel(b)))
	return o.FS.Exchange(a, b)
}

func (o *order) Rename(a, b string) error {
	o.calls = append(o.calls, fmt.Sprintf("rename %s %s", o.rel(a), o.rel(b)))
	return o.FS.Rename(a, b)
}

type orderFile struct {
	File
	o *order
}

func (f orderFile) Sync() error {
	f.o.calls = append(f.o.calls, "sync "+f.o.rel(f.Name()))
	return f.File.Sync()
}

func (o *order) OpenFile(name string, flag int, perm os.FileMode) (File, error) {
	f, err := o.FS.OpenFile(name, flag, perm)
	return orderFile{f, o}, err
}

// TestOrder checks what no test without a power cut can see: that everything is flushed, and in the right order.
func TestOrder(t *testing.T) {
	root := t.TempDir()
	o := &order{FS: OS, root: root}
	step := func(name string, err error, want ...string) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, o.calls); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		o.calls = nil
	}
	step("make folders", MkdirAll(o, filepath.Join(root, "a/b/c"), 0o700), "syncdir a/b", "syncdir a", "syncdir .")
	step("make them again", MkdirAll(o, filepath.Join(root, "a/b/c"), 0o700))
	step("write", WriteFile(o, filepath.Join(root, "a/f"), nil, 0o600),
		"sync a/f.tmp", "rename a/f.tmp a/f", "syncdir a")
	step("write", WriteFile(o, filepath.Join(root, "a/b/g"), nil, 0o600),
		"sync a/b/g.tmp", "rename a/b/g.tmp a/b/g", "syncdir a/b")
	step("sync tree", SyncTree(o, filepath.Join(root, "a")),
		"syncdir a/b/c", "sync a/b/g", "syncdir a/b", "sync a/f", "syncdir a")
	step("rename", Rename(o, filepath.Join(root, "a/f"), filepath.Join(root, "a/h")), "rename a/f a/h", "syncdir a")
	step("exchange", Exchange(o, filepath.Join(root, "a/h"), filepath.Join(root, "a/b/g")), "exchange a/h a/b/g", "syncdir a/b", "syncdir a")
	step("rename folder", Rename(o, filepath.Join(root, "a/b"), filepath.Join(root, "z")),
		"rename a/b z", "syncdir .", "syncdir a")
}

func TestFailuresAreReported(t *testing.T) {
	fault := NewFault(OS)
	withFile := func(root string) error {
		return errors.Join(os.WriteFile(filepath.Join(root, "f"), nil, 0o600), SyncTree(fault, root))
	}
	for op, try := range map[Op]func(root string) error{
		OpMkdir:   func(root string) error { return MkdirAll(fault, filepath.Join(root, "a"), 0o700) },
		OpSyncDir: func(root string) error { return MkdirAll(fault, filepath.Join(root, "a"), 0o700) },
		OpRename:  func(root string) error { return Rename(fault, filepath.Join(root, "a"), filepath.Join(root, "b")) },
		OpOpen:    withFile,
		OpSync:    withFile,
		OpTemp:    func(root string) error { _, err := fault.CreateTemp(root, "x*"); return err },
		OpRemove:  func(root string) error { return fault.Remove(filepath.Join(root, "a")) },
		OpFree:    func(root string) error { _, _, err := fault.Free(root); return err },
	} {
		fault.Heal()
		fault.Fail(op, 0, 1, syscall.ENOSPC)
		// A folder for each: one operation may leave what would spare the next its call.
		if err := try(t.TempDir()); !IsNoSpace(err) {
			t.Errorf("%s: %v", op, err)
		}
		if fault.Calls(op) == 0 {
			t.Errorf("%s: not counted", op)
		}
	}
	if IsNoSpace(syscall.EIO) || IsNoSpace(nil) || !IsNoSpace(fmt.Errorf("quota: %w", syscall.EDQUOT)) {
		t.Error("full disks are not told apart")
	}
}

func TestFault(t *testing.T) {
	dir := t.TempDir()
	fault := NewFault(OS)
	f, err := fault.CreateTemp(dir, "x*")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fault.Fail(OpWrite, 1, 2, syscall.EIO)
	var got []bool
	for range 4 {
		_, err := f.Write([]byte("x"))
		got = append(got, err == nil)
	}
	if diff := cmp.Diff([]bool{true, false, false, true}, got); diff != "" {
		t.Error(diff)
	}
	fault.Fail(OpSync, 0, -1, syscall.EIO)
	for range 3 {
		if err := f.Sync(); !errors.Is(err, syscall.EIO) {
			t.Errorf("sync: %v", err)
		}
	}
	fault.Heal()
	fault.Budget(10)
	if n, err := f.Write(make([]byte, 8)); n != 8 || err != nil {
		t.Errorf("within the budget: %d, %v", n, err)
	}
	if n, err := f.Write(make([]byte, 8)); n != 2 || !IsNoSpace(err) {
		t.Errorf("beyond the budget: %d, %v", n, err)
	}
	if _, _, err := fault.Free(dir); err != nil {
		t.Error(err)
	}
	fault.SetFree(7)
	if free, total, err := fault.Free(dir); free != 7 || total <= 7 || err != nil {
		t.Errorf("free %d of %d, %v", free, total, err)
	}
	fault.Heal()
	if free, _, err := fault.Free(dir); free == 7 || free <= 0 || err != nil {
		t.Errorf("free %d, %v", free, err)
	}
	synctest.Test(t, func(t *testing.T) {
		fault.Delay(OpSync, time.Hour)
		start := time.Now()
		if err := f.Sync(); err != nil || time.Since(start) != time.Hour {
			t.Errorf("sync took %v, %v", time.Since(start), err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		fault.DelayBetween(OpSync, time.Hour, 2*time.Hour)
		took := map[time.Duration]bool{}
		for range 20 {
			start := time.Now()
			if err := f.Sync(); err != nil || time.Since(start) < time.Hour || time.Since(start) > 2*time.Hour {
				t.Errorf("sync took %v, %v", time.Since(start), err)
			}
			took[time.Since(start)] = true
		}
		if len(took) < 10 {
			t.Errorf("only %d different delays", len(took))
		}
	})
}

func TestExchange(t *testing.T) {
	root := t.TempDir()
	a, b := filepath.Join(root, "a"), filepath.Join(root, "b")
	for _, dir := range []string{a, b} {
		if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "f"), []byte(filepath.Base(dir)), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := Exchange(OS, a, b); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{a: "b", b: "a"} {
		if got, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", dir, got, err)
		}
	}
	if err := Exchange(OS, a, filepath.Join(root, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("with nothing: %v", err)
	}
}

func TestAllocate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := Allocate(path, 1<<20); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok || st.Size() != 1<<20 || sys.Blocks*512 < 1<<20 {
		t.Errorf("size %d, %d blocks", st.Size(), sys.Blocks)
	}
	if err := Allocate(path, 1<<60); err == nil {
		t.Error("more was allocated than there is")
	}
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := errors.Join(fill(f, 100_000), Reserve(f, 1<<20)); err != nil {
		t.Error(err)
	}
	if st, err := f.Stat(); err != nil || st.Size() != 100_000 {
		t.Errorf("reserving changed the size: %v, %v", st.Size(), err)
	}
}

func TestOpenedFileIsWrittenBack(t *testing.T) {
	f, err := OS.CreateTemp(t.TempDir(), "x*")
	if err != nil {
		t.Fatal(err)
	}
	w, ok := f.(Writeback)
	if !ok {
		t.Fatal("files of the kernel cannot begin to write")
	}
	if _, err := f.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	w.StartWriteback(0, 1)
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Error(err)
	}
	if err := f.Sync(); err == nil {
		t.Error("a closed file was synced")
	}
}
