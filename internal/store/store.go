package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
)

// Defaults of Config.
const (
	DefaultReserve      = 256 << 20
	DefaultBallast      = 16 << 20
	DefaultMemTableSize = 4 << 20
)

// Config says where the database is and how it treats the disk. Only Dir has no default.
type Config struct {
	// Dir is the folder of the database. It is made if it is missing.
	Dir string
	// WitnessPath is the file that remembers the last commit outside of the database. Default: Dir + ".witness".
	WitnessPath string
	// Reserve is the free space in bytes below which only essential batches are accepted. Default 256 MiB, at least
	// three times MemTableSize.
	Reserve int64
	// Ballast is the size in bytes of a file that is given up when essential work meets a full disk. Default 16 MiB;
	// negative: none.
	Ballast int64
	// MemTableSize is the size in bytes of the part kept in memory; more is faster and takes about three times as
	// much memory. Default 4 MiB, at least 1 MiB.
	MemTableSize int64
	// Logger takes what an operator should know. Default: discard.
	Logger *slog.Logger
	// FS answers how much space is free. Default: disk.OS.
	FS disk.FS
	// Recorder takes measurements. Default: none.
	Recorder Recorder
	// OnLowSpace is told when the free space falls below the reserve (true) and when it is above again (false). It is
	// called from any goroutine and must not block.
	OnLowSpace func(low bool)
	// Hook, for tests, is called at the named points of a commit. An error it returns counts as an error of the step
	// that follows.
	Hook func(point Point) error
}

// Recorder takes measurements of the database. Its methods must not block.
type Recorder interface {
	// Query reports one call: kind is get, put, scan or commit; space is the key space, empty with commit; status is
	// ok, not_found, corrupt, refused or error.
	Query(kind, space, status string, took time.Duration)
	// Group reports one durable transaction: how many batches and bytes shared it, and how long the whole and its
	// flush to the disk took.
	Group(batches int, bytes int64, took, flush time.Duration)
	// Reopened reports that the engine was closed and opened after a failure.
	Reopened()
	// Lost reports that the database came back without its last commits.
	Lost(commits uint64)
}

// Point names a moment of a commit at which Config.Hook is called.
type Point string

// Points of a commit, in their order.
const (
	BeforeCommit Point = "before-commit"            // nothing is written yet
	BeforeSync   Point = "after-commit-before-sync" // written, visible, not durable
	BeforeAck    Point = "after-sync-before-ack"    // durable, nobody knows
	BeforeReopen Point = "before-reopen"            // the engine is closed after a failure
)

// Points lists all points, for code that takes one by name.
func Points() []Point { return []Point{BeforeCommit, BeforeSync, BeforeAck, BeforeReopen} }

// Validate reports what is wrong with the configuration.
func (c Config) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("store: the folder of the database is missing")
	case c.Reserve < 0:
		return errors.New("store.reserve: must not be negative")
	case c.MemTableSize != 0 && c.MemTableSize < 1<<20:
		return errors.New("store: the memory table must be at least 1 MiB")
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.Dir = filepath.Clean(c.Dir)
	if c.WitnessPath == "" {
		c.WitnessPath = c.Dir + ".witness"
	}
	if c.Reserve == 0 {
		c.Reserve = DefaultReserve
	}
	if c.Ballast == 0 {
		c.Ballast = DefaultBallast
	}
	if c.MemTableSize == 0 {
		c.MemTableSize = DefaultMemTableSize
	}
	c.Reserve = max(c.Reserve, leastReserve*c.MemTableSize)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.FS == nil {
		c.FS = disk.OS
	}
	if c.Recorder == nil {
		c.Recorder = noRecorder{}
	}
	if c.OnLowSpace == nil {
		c.OnLowSpace = func(bool) {}
	}
	if c.Hook == nil {
		c.Hook = func(Point) error { return nil }
	}
	return c
}

type noRecorder struct{}

func (noRecorder) Query(_, _, _ string, _ time.Duration)    {}
func (noRecorder) Group(_ int, _ int64, _, _ time.Duration) {}
func (noRecorder) Reopened()                                {}
func (noRecorder) Lost(uint64)                              {}

// DB is an open database. All its methods are safe for concurrent use.
type DB struct {
	cfg       Config
	engine    *engine
	guard     *guard
	witness   *witness
	committer *committer
	number    atomic.Uint64 // of the last commit
	opened    time.Time
	busy      atomic.Int64 // when the committer began what it does now, in ns after opened; 0: it waits
	lost      uint64       // commits the witness knew and the database did not, on open

	spacesMu sync.Mutex // guards spaces
	spaces   map[string]struct{}

	closeOnce sync.Once
	closeErr  error
}

// Health is the state of the database for health reports.
type Health struct {
	FreeBytes    int64         // on the disk of the database, for a process without privileges
	TotalBytes   int64         // size of that disk
	ReserveBytes int64         // below it only essential batches are accepted
	LowSpace     bool          // FreeBytes is below ReserveBytes
	Ballast      bool          // the ballast file is there
	CommitNumber uint64        // of the last durable transaction
	LostCommits  uint64        // transactions that were durable once and were missing when the database was opened
	Committing   time.Duration // how long the committer has been at the group it writes now; 0: it waits for work
	Broken       string        // why the engine could not be reopened after a failure; empty when it works
}

// Open opens or makes the database. It repairs what a crash can leave behind, and fails with a disk_full error if
// there is too little room even to open safely.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if err := disk.MkdirAll(cfg.FS, cfg.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("make database folder: %w", err)
	}
	db := &DB{cfg: cfg, guard: newGuard(cfg), spaces: map[string]struct{}{}, opened: time.Now()}
	if err := db.guard.admitOpen(); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.engine = newEngine(cfg)
	db.engine.frugal = db.guard.low.Load()
	if err := db.engine.open(); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := db.compareWitness(ctx); err != nil {
		return nil, errors.Join(err, db.engine.close())
	}
	db.guard.refill()
	db.committer = newCommitter(db)
	go db.committer.run()
	return db, nil
}

// compareWitness finds out whether the database holds every commit that was ever acknowledged.
func (db *DB) compareWitness(ctx context.Context) error {
	stored, err := db.engine.commitNumber()
	if err != nil {
		return fmt.Errorf("read commit number: %w", err)
	}
	w, seen, err := openWitness(db.cfg.WitnessPath)
	if err != nil {
		return fmt.Errorf("open commit witness: %w", err)
	}
	db.witness = w
	if seen > stored {
		db.lost = seen - stored
		db.cfg.Logger.ErrorContext(ctx, "database lost commits",
			"stored_commit", stored, "witnessed_commit", seen, "dir", db.cfg.Dir)
		db.cfg.Recorder.Lost(db.lost)
	}
	// Numbers are not used twice, so that a second loss shows too.
	db.number.Store(max(stored, seen))
	return nil
}

// Close commits what waits, ends the committer and closes the database. It may be called more than once.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		db.committer.stop()
		db.closeErr = errors.Join(db.closeEngine(), db.witness.close())
	})
	return db.closeErr
}

// closeEngine closes the engine unless there is no room for what its closing writes: then the log is left as it is
// after a crash, which the next Open reads.
func (db *DB) closeEngine() error {
	if err := db.guard.admitOpen(); err != nil {
		return fmt.Errorf("database left unflushed, its log is complete: %w", err)
	}
	return db.engine.close()
}

// Space returns the key space named prefix: keys of different spaces never meet. Prefixes are short ASCII texts such
// as "q/". It panics if prefix is empty, not plain, or if it begins, or is the beginning of, another space's prefix:
// that is a mistake in the program. Asking for the same space again is not.
func (db *DB) Space(prefix string) Space {
	if prefix == "" || strings.ContainsFunc(prefix, func(r rune) bool { return r <= '!' || r > '~' }) {
		panic(fmt.Sprintf("store: %q is no prefix of a space", prefix))
	}
	db.spacesMu.Lock()
	defer db.spacesMu.Unlock()
	for other := range db.spaces {
		if other != prefix && (strings.HasPrefix(other, prefix) || strings.HasPrefix(prefix, other)) {
			panic(fmt.Sprintf("store: spaces %q and %q overlap", prefix, other))
		}
	}
	db.spaces[prefix] = struct{}{}
	return Space{db: db, prefix: prefix}
}

// CheckSpace reports whether n more bytes may be written to the disk of the database, by whomever: nil, or a
// disk_full error if less than the reserve would remain.
func (db *DB) CheckSpace(n int64) error { return db.guard.check(n) }

// Spare gives how many bytes may be written to the disk of the database before its reserve is reached; it may be less
// than none.
func (db *DB) Spare() (int64, error) {
	free, _, err := db.guard.measure()
	if err != nil {
		return 0, failed(err)
	}
	return free - db.guard.reserve, nil
}

// Capacity gives how many bytes the disk of the database has, used and free.
func (db *DB) Capacity() (int64, error) {
	_, total, err := db.guard.measure()
	if err != nil {
		return 0, failed(err)
	}
	return total, nil
}

// Health tells the state of the database.
func (db *DB) Health() Health {
	h := Health{
		ReserveBytes: db.cfg.Reserve,
		CommitNumber: db.number.Load(),
		LostCommits:  db.lost,
		Ballast:      db.guard.hasBallast(),
	}
	if free, total, err := db.guard.measure(); err == nil {
		h.FreeBytes, h.TotalBytes = free, total
	}
	h.LowSpace, h.Committing = db.guard.low.Load(), db.Committing()
	if err := db.engine.broken(); err != nil {
		h.Broken = err.Error()
	}
	return h
}

// Committing gives how long the committer has been at what it does now; 0: it waits for work. It is answered at once, also
// while the disk does not answer.
func (db *DB) Committing() time.Duration {
	began := db.busy.Load()
	if began == 0 {
		return 0
	}
	return time.Since(db.opened) - time.Duration(began)
}
