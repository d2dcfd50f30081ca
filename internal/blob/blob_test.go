package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testConfig(tb testing.TB) Config {
	tb.Helper()
	root := tb.TempDir()
	return Config{Dir: filepath.Join(root, "blobs"), TempDir: filepath.Join(root, "tmp")}
}

func openTest(tb testing.TB, cfg Config) *Dir {
	tb.Helper()
	d, err := Open(cfg)
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	return d
}

// content makes n bytes that differ with the seed.
func content(n int, seed uint64) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

func hashOf(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// files lists all files below the folders of d.
func files(t *testing.T, d *Dir) []string {
	t.Helper()
	var got []string
	for _, root := range []string{d.cfg.Dir, d.cfg.TempDir} {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				got = append(got, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return got
}

func wantClean(t *testing.T, d *Dir, n int) {
	t.Helper()
	if got := files(t, d); len(got) != n {
		t.Errorf("%d files instead of %d: %v", len(got), n, got)
	}
	if len(d.entries) != 0 {
		t.Errorf("%d hashes are still in use", len(d.entries))
	}
}

var sizes = []int{0, 1, HeadSize, bufferSize - 1, bufferSize, bufferSize + 1, 3*bufferSize + 7, 10<<20 + 3}

func TestPutKeepsTheBytes(t *testing.T) {
	d := openTest(t, testConfig(t))
	for i, n := range sizes {
		want := content(n, uint64(i))
		readers := map[string]io.Reader{
			"plain":  bytes.NewReader(want),
			"halves": iotest.HalfReader(bytes.NewReader(want)),
			"eof":    iotest.DataErrReader(bytes.NewReader(want)),
		}
		first := true
		for _, name := range []string{"plain", "halves", "eof"} {
			b, err := d.Put(t.Context(), readers[name], int64(n))
			if err != nil {
				t.Fatalf("%d bytes, %s: %v", n, name, err)
			}
			if b.SHA256 != hashOf(want) || b.Size != int64(n) || !bytes.Equal(b.Head, want[:min(n, HeadSize)]) || b.New != first {
				t.Errorf("%d bytes, %s: %s, size %d, head of %d, new %t", n, name, b.SHA256, b.Size, len(b.Head), b.New)
			}
			first = false
			b.Release()
			b.Release()
		}
		f, err := d.Open(hashOf(want))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: read %d back, %v", n, len(got), err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if !d.Has(hashOf(want)) {
			t.Errorf("%d bytes: not there", n)
		}
	}
	wantClean(t, d, len(sizes))
	count, size, err := d.Totals(t.Context())
	var sum int64
	for _, n := range sizes {
		sum += int64(n)
	}
	if err != nil || count != int64(len(sizes)) || size != sum {
		t.Errorf("totals %d, %d, %v; want %d, %d", count, size, err, len(sizes), sum)
	}
}

func TestTemp(t *testing.T) {
	d := openTest(t, testConfig(t))
	for i, n := range sizes {
		want := content(n, uint64(i))
		f, b, err := d.Temp(t.Context(), bytes.NewReader(want), 0)
		if err != nil {
			t.Fatal(err)
		}
		wantClean(t, d, 0)
		got, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(got, want) || b.SHA256 != hashOf(want) || b.Size != int64(n) || len(b.Head) != min(n, HeadSize) {
			t.Errorf("%d bytes: read %d back as %s, %v", n, len(got), b.SHA256, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		b.Release()
	}
}

type guardFunc func(n int64) error

func (g guardFunc) CheckSpace(n int64) error { return g(n) }

func (guardFunc) Spare() (int64, error) { return 1 << 20, nil }

// TestBuffersAreNotMixed stores several recordings at once on a slow disk, where hashing is done long before writing.
func TestBuffersAreNotMixed(t *testing.T) {
	cfg := testConfig(t)
	fault := disk.NewFault(disk.OS)
	fault.Delay(disk.OpWrite, time.Millisecond)
	cfg.FS = fault
	d := openTest(t, cfg)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			b, err := d.Put(t.Context(), bytes.NewReader(content(3<<20, uint64(i))), 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer b.Release()
			f, err := d.Open(b.SHA256)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			h := sha256.New()
			if _, err := io.Copy(h, f); err != nil || sum(h) != b.SHA256 {
				t.Errorf("stored %s under the name of %s, %v", sum(h), b.SHA256, err)
			}
		})
	}
	wg.Wait()
}

// TestNoTrace lets a Put fail in every way and expects that nothing is left: no file, no goroutine, no hold.
func TestNoTrace(t *testing.T) {
	boom := errors.New("boom")
	full := errcode.New(errcode.DiskFull, "full")
	for _, size := range []int{10_000, 5 << 20} {
		data := content(size, 1)
		cases := []struct {
			name  string
			read  func(context.CancelFunc) io.Reader
			limit int64
			fault func(*disk.Fault)
			guard func(calls int) error
			want  func(error) bool
		}{
			{name: "reader fails", read: func(context.CancelFunc) io.Reader {
				return io.MultiReader(bytes.NewReader(data[:size-1]), iotest.ErrReader(boom))
			}, want: func(err error) bool { return errors.Is(err, boom) }},
			{name: "context ends", read: func(cancel context.CancelFunc) io.Reader {
				return io.MultiReader(bytes.NewReader(data[:size-1]), readerFunc(func(p []byte) (int, error) {
					cancel()
					return copy(p, "x"), nil
				}))
			}, want: func(err error) bool { return errors.Is(err, context.Canceled) }},
			{name: "too large", limit: int64(size) - 1, want: func(err error) bool { return errcode.Is(err, errcode.TooLarge) }},
			{name: "no space at first", guard: func(calls int) error {
				if calls == 1 {
					return full
				}
				return nil
			}, want: func(err error) bool { return errors.Is(err, full) }},
			{name: "no space to write", fault: func(f *disk.Fault) { f.Budget(int64(size) - 1) }, want: func(err error) bool { return errcode.Is(err, errcode.DiskFull) }},
			{name: "no file", fault: func(f *disk.Fault) { f.Fail(disk.OpTemp, 0, 1, syscall.ENOSPC) }, want: func(err error) bool { return errcode.Is(err, errcode.DiskFull) }},
			{name: "flush fails", fault: func(f *disk.Fault) { f.Fail(disk.OpSync, 0, 1, syscall.EIO) }, want: func(err error) bool { return errors.Is(err, syscall.EIO) }},
			{name: "rename fails", fault: func(f *disk.Fault) { f.Fail(disk.OpRename, 0, 1, syscall.EIO) }, want: func(err error) bool { return errors.Is(err, syscall.EIO) }},
			{name: "name not synced", fault: func(f *disk.Fault) { f.Fail(disk.OpSyncDir, 0, 1, syscall.EIO) }, want: func(err error) bool { return errors.Is(err, syscall.EIO) }},
		}
		for _, c := range cases {
			t.Run(fmt.Sprintf("%s/%d", c.name, size), func(t *testing.T) {
				cfg := testConfig(t)
				fault := disk.NewFault(disk.OS)
				cfg.FS = fault
				calls := 0
				cfg.Guard = guardFunc(func(int64) error {
					calls++
					if c.guard == nil {
						return nil
					}
					return c.guard(calls)
				})
				d := openTest(t, cfg)
				if c.fault != nil {
					c.fault(fault)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var r io.Reader = bytes.NewReader(data)
				if c.read != nil {
					r = c.read(cancel)
				}
				if b, err := d.Put(ctx, r, c.limit); err == nil || !c.want(err) {
					t.Errorf("put: %+v, %v", b, err)
				}
				wantClean(t, d, 0)
				fault.Heal()
				b, err := d.Put(t.Context(), bytes.NewReader(data), 0)
				if err != nil || !b.New {
					t.Errorf("afterwards: new %t, %v", b.New, err)
				}
				b.Release()
				wantClean(t, d, 1)
			})
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestSpaceIsWatched stops a recording in the middle, when the disk becomes full while it is received.
func TestSpaceIsWatched(t *testing.T) {
	cfg := testConfig(t)
	calls := 0
	cfg.Guard = guardFunc(func(int64) error {
		if calls++; calls > 3 {
			return errcode.New(errcode.DiskFull, "full")
		}
		return nil
	})
	d := openTest(t, cfg)
	r := &counter{r: bytes.NewReader(content(50<<20, 1))}
	if _, err := d.Put(t.Context(), r, 0); !errcode.Is(err, errcode.DiskFull) {
		t.Errorf("put: %v", err)
	}
	if r.n > 6<<20 {
		t.Errorf("%d bytes were taken before the look at the space", r.n)
	}
	wantClean(t, d, 0)
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func TestDurabilityCalls(t *testing.T) {
	cfg := testConfig(t)
	fault := disk.NewFault(disk.OS)
	cfg.FS = fault
	d := openTest(t, cfg)
	count := func(data []byte) string {
		t.Helper()
		s, dirs, renames := fault.Calls(disk.OpSync), fault.Calls(disk.OpSyncDir), fault.Calls(disk.OpRename)
		b, err := d.Put(t.Context(), bytes.NewReader(data), 0)
		if err != nil {
			t.Fatal(err)
		}
		b.Release()
		return fmt.Sprintf("%d %d %d", fault.Calls(disk.OpSync)-s, fault.Calls(disk.OpSyncDir)-dirs, fault.Calls(disk.OpRename)-renames)
	}
	one := content(10_000, 0)
	if got := count(one); got != "1 1 1" {
		t.Errorf("first of a folder: syncs, folder syncs, renames %s", got)
	}
	for seed := uint64(1); ; seed++ {
		if data := content(10_000, seed); hashOf(data)[:2] == hashOf(one)[:2] {
			if got := count(data); got != "1 1 1" {
				t.Errorf("second of a folder: syncs, folder syncs, renames %s", got)
			}
			break
		}
	}
	if got := count(one); got != "0 0 0" {
		t.Errorf("known content: syncs, folder syncs, renames %s", got)
	}
	// After a restart the names that an earlier run gave may not be on the disk yet.
	d = openTest(t, cfg)
	if got := count(one); got != "0 1 0" {
		t.Errorf("known content after a restart: syncs, folder syncs, renames %s", got)
	}
}

func TestWrongSizeIsReplaced(t *testing.T) {
	d := openTest(t, testConfig(t))
	data := content(1000, 1)
	path, err := d.path(hashOf(data))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data[:10], 0o600)); err != nil {
		t.Fatal(err)
	}
	b, err := d.Put(t.Context(), bytes.NewReader(data), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) || !b.New {
		t.Errorf("%d bytes, new %t, %v", len(got), b.New, err)
	}
}

func TestOpenClearsItsLeftovers(t *testing.T) {
	cfg := testConfig(t)
	openTest(t, cfg)
	for _, name := range []string{"blob-123.tmp", "other.tmp"} {
		if err := os.WriteFile(filepath.Join(cfg.TempDir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := openTest(t, cfg)
	if got := files(t, d); len(got) != 1 || filepath.Base(got[0]) != "other.tmp" {
		t.Errorf("left: %v", got)
	}
}

func TestOpenFails(t *testing.T) {
	for _, op := range []disk.Op{disk.OpMkdir, disk.OpSyncDir} {
		cfg := testConfig(t)
		fault := disk.NewFault(disk.OS)
		cfg.FS = fault
		fault.Fail(op, 2, 1, syscall.EIO) // the first two are for the folders themselves
		if _, err := Open(cfg); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s fails: %v", op, err)
		}
	}
	if _, err := Open(Config{}); err == nil {
		t.Error("opened without a folder")
	}
}

func TestBadHashes(t *testing.T) {
	d := openTest(t, testConfig(t))
	good := hashOf(nil)
	for _, sha := range []string{"", "ab", "../../etc/passwd", good[:62] + "/x", good[:63] + "A", good} {
		if _, err := d.Open(sha); !errcode.Is(err, errcode.NotFound) {
			t.Errorf("open %q: %v", sha, err)
		}
		if _, err := d.Hold(t.Context(), sha); !errcode.Is(err, errcode.NotFound) {
			t.Errorf("hold %q: %v", sha, err)
		}
		if d.Has(sha) {
			t.Errorf("has %q", sha)
		}
	}
	if err := d.Remove(t.Context(), good); err != nil {
		t.Errorf("remove what is not there: %v", err)
	}
	wantClean(t, d, 0)
}

func TestHold(t *testing.T) {
	d := openTest(t, testConfig(t))
	b, err := d.Put(t.Context(), bytes.NewReader([]byte("x")), 0)
	if err != nil {
		t.Fatal(err)
	}
	release, err := d.Hold(t.Context(), b.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	asked := func() (bool, error) { t.Error("asked while held"); return true, nil }
	for range 2 {
		if _, err := d.RemoveIf(t.Context(), b.SHA256, asked); !errors.Is(err, ErrHeld) {
			t.Errorf("remove while held: %v", err)
		}
		b.Release()
	}
	release()
	boom := errors.New("boom")
	if removed, err := d.RemoveIf(t.Context(), b.SHA256, func() (bool, error) { return true, boom }); removed || !errors.Is(err, boom) {
		t.Errorf("removed %t, %v", removed, err)
	}
	if removed, err := d.RemoveIf(t.Context(), b.SHA256, func() (bool, error) { return false, nil }); removed || err != nil {
		t.Errorf("removed %t, %v", removed, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	removed, err := d.RemoveIf(t.Context(), b.SHA256, func() (bool, error) {
		// Whoever wants the blob now waits, and can give up.
		if _, err := d.Hold(ctx, b.SHA256); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("hold while it is removed: %v", err)
		}
		return true, nil
	})
	if !removed || err != nil || d.Has(b.SHA256) {
		t.Errorf("removed %t, %v", removed, err)
	}
	wantClean(t, d, 0)
}

// TestPutAgainstCleanUp stores, records and forgets the same few contents from several goroutines while others clean
// up what no record refers to. A recorded blob must always be there.
func TestPutAgainstCleanUp(t *testing.T) {
	d := openTest(t, testConfig(t))
	contents := [][]byte{content(100, 1), content(bufferSize+1, 2)}
	var mu sync.Mutex
	refs := map[string]int{}
	add := func(sha string, n int) {
		mu.Lock()
		defer mu.Unlock()
		refs[sha] += n
	}
	stop := make(chan struct{})
	var cleaners, writers sync.WaitGroup
	removals := 0
	cleaners.Go(func() {
		for {
			for _, c := range contents {
				sha := hashOf(c)
				removed, err := d.RemoveIf(t.Context(), sha, func() (bool, error) {
					mu.Lock()
					defer mu.Unlock()
					return refs[sha] == 0, nil
				})
				if err != nil && !errors.Is(err, ErrHeld) {
					t.Error(err)
				}
				if removed {
					removals++
				}
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for w := range 4 {
		writers.Go(func() {
			for i := range 60 {
				c := contents[(w+i)%2]
				b, err := d.Put(t.Context(), bytes.NewReader(c), 0)
				if err != nil {
					t.Error(err)
					return
				}
				add(b.SHA256, 1) // the commit of the record
				b.Release()
				if f, err := d.Open(b.SHA256); err != nil {
					t.Errorf("recorded blob: %v", err)
				} else {
					_ = f.Close()
				}
				add(b.SHA256, -1)
			}
		})
	}
	writers.Wait()
	close(stop)
	cleaners.Wait()
	for _, c := range contents {
		if err := d.Remove(t.Context(), hashOf(c)); err != nil {
			t.Error(err)
		}
	}
	if removals == 0 {
		t.Error("nothing was ever removed")
	}
	wantClean(t, d, 0)
}

func TestWalkEnds(t *testing.T) {
	d := openTest(t, testConfig(t))
	b, err := d.Put(t.Context(), bytes.NewReader(nil), 0)
	if err != nil {
		t.Fatal(err)
	}
	b.Release()
	stop := errors.New("stop")
	if err := d.Walk(t.Context(), func(string, int64, time.Time) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("walk: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Walk(ctx, func(string, int64, time.Time) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("walk: %v", err)
	}
}
