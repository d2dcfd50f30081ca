package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
)

func TestFailureFailsTheGroupAndReopens(t *testing.T) {
	eio := &os.PathError{Op: "fdatasync", Path: "log", Err: syscall.EIO}
	for _, point := range []Point{BeforeCommit, BeforeSync} {
		t.Run(string(point), func(t *testing.T) {
			cfg := testConfig(t)
			var fail atomic.Bool
			cfg.Hook = func(p Point) error {
				if p == point && fail.CompareAndSwap(true, false) {
					return eio
				}
				return nil
			}
			rec := &recorder{}
			cfg.Recorder = rec
			db := openTest(t, cfg)
			s := db.Space("x/")
			set(t, db, s, "before", "1")
			errs := groupFailing(t, db, &fail)
			for _, err := range errs {
				if !errors.Is(err, syscall.EIO) || !errcode.Is(err, errcode.Unavailable) {
					t.Errorf("waiter heard %v", err)
				}
			}
			if rec.reopened.Load() != 1 {
				t.Errorf("reopened %d times", rec.reopened.Load())
			}
			set(t, db, s, "after", "2")
			if get(t, s, "before") != "1" || get(t, s, "after") != "2" {
				t.Error("records are gone")
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = openTest(t, cfg)
			if h := db.Health(); h.LostCommits != 0 {
				t.Errorf("false alarm: %+v", h)
			}
			if get(t, db.Space("x/"), "after") != "2" {
				t.Error("records are gone")
			}
		})
	}
}

// groupFailing lets 20 batches go into one transaction, which fails: a batch before them keeps the committer busy
// until all wait.
func groupFailing(t *testing.T, db *DB, fail *atomic.Bool) []error {
	t.Helper()
	s := db.Space("x/")
	hold, entered := make(chan struct{}), make(chan struct{})
	b := db.Batch()
	b.OnCommit(func() { close(entered); <-hold; fail.Store(true) })
	db.CommitAsync(b, func(error) {})
	<-entered
	const n = 20
	results := make(chan error, n)
	for i := range n {
		b := db.Batch()
		b.Set(s, fmt.Appendf(nil, "group%d", i), []byte("v"))
		b.OnCommit(func() { t.Error("callback of a failed batch") })
		db.CommitAsync(b, func(err error) { results <- err })
	}
	close(hold)
	errs := make([]error, n)
	for i := range errs {
		errs[i] = <-results
	}
	return errs
}

// TestBrokenEngineComesBack lets reopening fail too: reads and commits then say unavailable until it succeeds.
func TestBrokenEngineComesBack(t *testing.T) {
	cfg := testConfig(t)
	var broken atomic.Bool
	cfg.Hook = func(p Point) error {
		if broken.Load() && (p == BeforeSync || p == BeforeReopen) {
			return syscall.EIO
		}
		return nil
	}
	db := openTest(t, cfg)
	s := db.Space("x/")
	set(t, db, s, "k", "1")
	broken.Store(true)
	b := db.Batch()
	b.Set(s, []byte("k"), []byte("2"))
	if err := db.Commit(t.Context(), b); !errcode.Is(err, errcode.Unavailable) {
		t.Errorf("commit: %v", err)
	}
	if _, err := s.Get([]byte("k")); !errcode.Is(err, errcode.Unavailable) {
		t.Errorf("get: %v", err)
	}
	if h := db.Health(); h.Broken == "" {
		t.Errorf("health %+v", h)
	}
	broken.Store(false)
	deadline := time.After(10 * time.Second)
	for db.Health().Broken != "" { // the committer tries by itself
		select {
		case <-deadline:
			t.Fatal("the database did not come back")
		case <-time.After(20 * time.Millisecond):
		}
	}
	set(t, db, s, "k", "3")
	if get(t, s, "k") != "3" {
		t.Error("records are gone")
	}
}

func TestDiskFull(t *testing.T) {
	cfg := testConfig(t)
	fs := newFault()
	cfg.FS = fs
	var lows []bool
	cfg.OnLowSpace = func(low bool) { lows = append(lows, low) }
	cfg.Reserve, cfg.Ballast = 100<<20, 1<<20
	db := openTest(t, cfg)
	s := db.Space("x/")
	set(t, db, s, "k", "1")
	floor := db.guard.floor

	try := func(essential bool) error {
		b := db.Batch()
		b.Set(s, []byte("k"), []byte("2"))
		if essential {
			b.Essential()
		}
		return db.Commit(t.Context(), b)
	}
	wantFull := func(err error) {
		t.Helper()
		var e *errcode.Error
		if !errors.As(err, &e) || e.Code != errcode.DiskFull || e.RetryAfter <= 0 {
			t.Errorf("got %v, want disk_full", err)
		}
	}
	fs.SetFree(cfg.Reserve - 1)
	wantFull(try(false))
	wantFull(db.CheckSpace(0))
	if n, err := db.Spare(); n != -1 || err != nil {
		t.Errorf("%d bytes to spare, %v", n, err)
	}
	if err := try(true); err != nil {
		t.Errorf("essential work below the reserve: %v", err)
	}
	if get(t, s, "k") != "2" {
		t.Error("reading below the reserve")
	}
	if h := db.Health(); !h.LowSpace || !h.Ballast || h.FreeBytes != cfg.Reserve-1 {
		t.Errorf("health %+v", h)
	}
	fs.SetFree(floor)
	wantFull(try(true)) // the fake does not see the ballast go
	if h := db.Health(); h.Ballast {
		t.Error("the ballast was not released")
	}
	if _, err := os.Stat(db.guard.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("ballast file: %v", err)
	}
	fs.SetFree(cfg.Reserve + 1<<20)
	if err := try(false); err != nil {
		t.Errorf("above the reserve again: %v", err)
	}
	db.guard.refill()
	if db.Health().Ballast {
		t.Error("the ballast was made below reserve + 10 %")
	}
	fs.SetFree(cfg.Reserve + cfg.Reserve/10)
	db.guard.refill()
	if !db.Health().Ballast {
		t.Error("the ballast was not made again")
	}
	if err := db.CheckSpace(cfg.Reserve/10 + 1); !errcode.Is(err, errcode.DiskFull) {
		t.Errorf("more than there is: %v", err)
	}
	if len(lows) != 2 || !lows[0] || lows[1] {
		t.Errorf("notices %v", lows)
	}
}

func TestOpenAndCloseWhenFull(t *testing.T) {
	cfg := testConfig(t)
	fs := newFault()
	cfg.FS = fs
	db := openTest(t, cfg)
	set(t, db, db.Space("x/"), "k", "1")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	fs.SetFree(1)
	if _, err := Open(t.Context(), cfg); !errcode.Is(err, errcode.DiskFull) {
		t.Errorf("open on a full disk: %v", err)
	}
	fs.Heal()
	if got := get(t, openTest(t, cfg).Space("x/"), "k"); got != "1" {
		t.Errorf("value %q", got)
	}
}

func TestEmptyLogsAreRemoved(t *testing.T) {
	cfg := testConfig(t)
	db := openTest(t, cfg)
	set(t, db, db.Space("x/"), "k", "1")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"00001.mem", "00007.mem", "000001.vlog", "000009.vlog"} {
		path := filepath.Join(cfg.Dir, name)
		if st, err := os.Stat(path); err == nil && st.Size() > 0 {
			continue
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db = openTest(t, cfg)
	if get(t, db.Space("x/"), "k") != "1" {
		t.Error("record is gone")
	}
}

func TestDamagedValue(t *testing.T) {
	db := openTest(t, testConfig(t))
	s := db.Space("x/")
	set(t, db, s, "a", "1")
	set(t, db, s, "c", "3")
	h, err := db.engine.borrow()
	if err != nil {
		t.Fatal(err)
	}
	sealed := seal([]byte("x/a"), []byte("of another key"))
	err = h.apply([]op{{[]byte("x/b"), sealed}, {[]byte("x/short"), []byte("ab")}}, 2)
	h.readers.Done()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"b", "short"} {
		if _, err := s.Get([]byte(key)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("get %s: %v", key, err)
		}
	}
	ignore := func(_, _ []byte) (bool, error) { return true, nil }
	if err := s.Scan(t.Context(), ScanOptions{}, ignore); !errors.Is(err, ErrCorrupt) {
		t.Errorf("scan: %v", err)
	}
	var damaged, good []string
	o := ScanOptions{OnCorrupt: func(key []byte) error { damaged = append(damaged, string(key)); return nil }}
	err = s.Scan(t.Context(), o, func(key, _ []byte) (bool, error) { good = append(good, string(key)); return true, nil })
	if err != nil || fmt.Sprint(damaged, good) != "[b short] [a c]" {
		t.Errorf("scan: %v, damaged %v, good %v", err, damaged, good)
	}
}

type recorder struct {
	mu       sync.Mutex
	queries  map[string]int
	groups   int
	reopened atomic.Int64
	lost     atomic.Uint64
}

func (r *recorder) Query(kind, space, status string, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.queries == nil {
		r.queries = map[string]int{}
	}
	r.queries[kind+" "+space+" "+status]++
}

func (r *recorder) Group(int, int64, time.Duration, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.groups++
}
func (r *recorder) Reopened()     { r.reopened.Add(1) }
func (r *recorder) Lost(n uint64) { r.lost.Add(n) }

func TestRecorder(t *testing.T) {
	cfg := testConfig(t)
	rec := &recorder{}
	cfg.Recorder = rec
	db := openTest(t, cfg)
	s := db.Space("file/")
	set(t, db, s, "k", "1")
	get(t, s, "k")
	_, _ = s.Get([]byte("missing"))
	keys(t.Context(), t, s, ScanOptions{})
	seq, err := db.Sequence("n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seq.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"put seq ok", "put file ok", "get file ok", "get file not_found", "scan file ok"} {
		if rec.queries[want] != 1 {
			t.Errorf("%q reported %d times in %v", want, rec.queries[want], rec.queries)
		}
	}
	if rec.queries["commit  ok"] != 2 || rec.groups != 2 {
		t.Errorf("%d groups", rec.groups)
	}
}

// TestEveryCommitIsFlushed counts the flushes of the live log, and of both logs when one was exchanged. Only a power
// cut would show a missing one otherwise.
func TestEveryCommitIsFlushed(t *testing.T) {
	db := openTest(t, testConfig(t))
	s := db.Space("x/")
	w := db.engine.current.wal
	var flushed []string
	w.flush = func(f *os.File) error {
		flushed = append(flushed, filepath.Base(f.Name()))
		return disk.Datasync(f)
	}
	value := make([]byte, 40_000)
	exchanges := 0
	for i := range 120 {
		before := w.fid
		b := db.Batch()
		b.Set(s, fmt.Append(nil, i), value)
		if err := db.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		want := []string{filepath.Base(logPath("", before))}
		if w.fid != before {
			want = append(want, filepath.Base(logPath("", w.fid)))
			exchanges++
		}
		if fmt.Sprint(flushed) != fmt.Sprint(want) {
			t.Fatalf("flushed %v, want %v", flushed, want)
		}
		logs, err := logNumbers(db.cfg.Dir)
		if err != nil || len(logs) == 0 {
			t.Fatalf("logs %v, %v", logs, err)
		}
		if live := slices.Max(logs); live != w.fid {
			t.Fatalf("log %d is live, %d is flushed", live, w.fid)
		}
		flushed = nil
	}
	if exchanges < 3 {
		t.Errorf("the log was exchanged %d times", exchanges)
	}
}

// TestReadersDuringReopen reads from several goroutines while the engine is replaced again and again.
func TestReadersDuringReopen(t *testing.T) {
	cfg := testConfig(t)
	var fail atomic.Bool
	cfg.Hook = func(p Point) error {
		if p == BeforeCommit && fail.Load() {
			return syscall.EIO
		}
		return nil
	}
	db := openTest(t, cfg)
	s := db.Space("x/")
	set(t, db, s, "k", "v")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				if v, err := s.Get([]byte("k")); err != nil || string(v) != "v" {
					t.Errorf("get: %q, %v", v, err)
				}
				n := 0
				err := s.Scan(t.Context(), ScanOptions{}, func(_, _ []byte) (bool, error) { n++; return true, nil })
				if err != nil || n != 1 {
					t.Errorf("scan: %d, %v", n, err)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for range 10 {
		fail.Store(true)
		if err := db.Commit(t.Context(), db.Batch()); err == nil {
			t.Error("commit succeeded")
		}
		fail.Store(false)
		if err := db.Commit(t.Context(), db.Batch()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

func TestOpenTwice(t *testing.T) {
	cfg := testConfig(t)
	openTest(t, cfg)
	if db, err := Open(t.Context(), cfg); err == nil {
		_ = db.Close()
		t.Error("a database was opened twice")
	}
	if _, err := Open(t.Context(), Config{}); err == nil {
		t.Error("opened without a folder")
	}
}

// TestCompactionFollowsSpace expects that compaction stops when space gets low and goes on when it is back, also
// when nobody commits.
func TestCompactionFollowsSpace(t *testing.T) {
	cfg := testConfig(t)
	fs := newFault()
	cfg.FS = fs
	db := openTest(t, cfg)
	waitFor := func(compactors int) {
		t.Helper()
		deadline := time.After(10 * time.Second)
		for {
			h, err := db.engine.borrow()
			if err != nil {
				t.Fatal(err)
			}
			n := h.bdb.Opts().NumCompactors
			h.readers.Done()
			if n == compactors {
				return
			}
			select {
			case <-deadline:
				t.Fatalf("%d compactors, want %d", n, compactors)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	waitFor(2)
	fs.SetFree(cfg.Reserve - 1)
	waitFor(0)
	fs.SetFree(cfg.Reserve + 1<<16)
	set(t, db, db.Space("x/"), "k", "v")
	waitFor(0)
	fs.SetFree(db.guard.roomy())
	set(t, db, db.Space("x/"), "k", "w")
	waitFor(2)
}
