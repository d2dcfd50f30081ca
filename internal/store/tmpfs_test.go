package store

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
)

const childDisk = "STORE_TEST_CHILD_DISK"

// TestSmallDisk fills a real, small disk: first by commits, then by a stranger who takes the last byte. The process
// must not be killed, records must stay readable, finishing work must go on as long as there is any room.
func TestSmallDisk(t *testing.T) {
	if root := os.Getenv(childDisk); root != "" {
		smallDisk(t, root)
		return
	}
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=48m"); err != nil {
		t.Skipf("mounting a small disk is not allowed here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(root, 0); err != nil {
			t.Error(err)
		}
	})
	// What is to be found out is whether the process is killed: so it is another one.
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSmallDisk$", "-test.v")
	cmd.Env = append(os.Environ(), childDisk+"="+root)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out[:min(len(out), 4000)])
	}
}

func smallDisk(t *testing.T, root string) {
	t.Helper()
	cfg := Config{Dir: filepath.Join(root, "db"), Reserve: 16 << 20, Ballast: 4 << 20, MemTableSize: 1 << 20}
	recording := filepath.Join(root, "recording")
	if err := disk.Allocate(recording, 6<<20); err != nil {
		t.Fatal(err)
	}
	db := openTest(t, cfg)
	s := db.Space("x/")
	value := make([]byte, 50_000)
	n := 0
	fill := func(essential bool) error {
		for {
			b := db.Batch()
			b.Set(s, fmt.Appendf(nil, "%06d", n), value)
			if essential {
				b.Essential()
			}
			if err := db.Commit(t.Context(), b); err != nil {
				return err
			}
			if n++; n > 2000 {
				return errors.New("the disk does not become full")
			}
		}
	}
	if err := fill(false); !errcode.Is(err, errcode.DiskFull) || n < 50 {
		t.Fatalf("after %d values: %v", n, err)
	}
	ordinary := n
	if err := fill(true); !errcode.Is(err, errcode.DiskFull) || n < ordinary+20 {
		t.Fatalf("after %d essential values: %v", n-ordinary, err)
	}
	if db.Health().Ballast {
		t.Error("the ballast was not released")
	}
	waitForFlush(t, db)
	stranger := filepath.Join(root, "stranger")
	f, err := os.OpenFile(stranger, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(value)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := fill(true); !errcode.Is(err, errcode.DiskFull) {
		t.Errorf("on a full disk: %v", err)
	}
	for i := range n {
		if v := get(t, s, fmt.Sprintf("%06d", i)); len(v) != len(value) {
			t.Fatalf("value %d has %d bytes", i, len(v))
		}
	}
	if err := errors.Join(os.Remove(stranger), os.Remove(recording)); err != nil {
		t.Fatal(err)
	}
	b := db.Batch()
	for i := range n {
		b.Delete(s, fmt.Appendf(nil, "%06d", i))
	}
	b.Essential()
	if err := db.Commit(t.Context(), b); err != nil {
		t.Errorf("deleting: %v", err)
	}
	t.Logf("%d ordinary and %d essential values", ordinary, n-ordinary)
}

// waitForFlush waits until Badger has turned exchanged logs into tables. What it writes in the milliseconds after a
// log was exchanged cannot be protected from a stranger who takes all space in just these.
func waitForFlush(t *testing.T, db *DB) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		logs, err := logNumbers(db.cfg.Dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(logs) == 1 {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("logs %v are not flushed", logs)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
