package aof

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// Policy says when effects are on the disk.
type Policy uint8

// Policies, as appendfsync has them.
const (
	EverySecond Policy = iota // within a second
	Always                    // before the answer
	Never                     // when the kernel likes
)

// ParsePolicy finds a policy by its name in the configuration.
func ParsePolicy(name string) (Policy, bool) {
	i := slices.Index(PolicyNames(), name)
	return Policy(max(i, 0)), i >= 0
}

// PolicyNames are the names in the configuration, in the order of the policies.
func PolicyNames() []string { return []string{"everysec", "always", "no"} }

// String is the policy's name in the configuration.
func (p Policy) String() string { return PolicyNames()[p] }

// Recorder is told how long flushes of the log to the disk take; nil = nobody is.
type Recorder interface {
	LogFlushed(took time.Duration)
}

// Config says where and how a log is kept.
type Config struct {
	Dir           string
	FS            disk.FS
	Logger        *slog.Logger
	Policy        Policy
	Volatile      []int // databases that are not kept
	RewriteSize   int64 // bytes of logs from which on they are compacted; 0 = 64 MiB
	RewriteGrowth int   // percent of the base that they must have as well; 0 = 100
	Recorder      Recorder
}

// Settings are what may change while a log is kept.
type Settings struct {
	Policy        Policy
	RewriteSize   int64
	RewriteGrowth int // 0 = the log is compacted only when it is asked for
}

const (
	collect     = 10 * time.Millisecond // effects of so long are written at once, unless a client waits
	flushEvery  = time.Second
	retryEvery  = 200 * time.Millisecond
	mostBehind  = 500 * time.Millisecond // since what is waiting was written, from which on clients wait under everysec
	mostBacklog = 64 << 20               // bytes that are not written yet, from which on clients wait
	patience    = 10 * time.Second
	copyStep    = 256 // items that are copied under one lock
	writeback   = 4 << 20
	restAfter   = time.Minute // a compaction that failed is tried again
)

// ErrNotWritten says that what a client changed is not on the disk, and may or may not be there after a crash.
var ErrNotWritten = errors.New("the change is not on the disk")

// Log keeps the effects of an engine.
type Log struct {
	cfg    Config
	engine *engine.Engine
	fs     disk.FS
	log    *slog.Logger
	report LoadReport
	kick   chan struct{}
	demand chan struct{} // a compaction is asked for
	ran    atomic.Bool
	aside  sync.WaitGroup // what Run has the disk do beside it

	// Guarded by the engine's lock.
	frames framer
	depth  bool
	given  int64 // bytes of whole groups so far
	taken  int64 // of those, bytes that are being written or are
	base   framer
	copy   *engine.Copy
	closed bool

	mu      sync.Mutex // guards what follows; taken after the engine's lock
	moved   chan struct{}
	set     Settings
	written int64
	looked  time.Time // when what was waiting was last written, or nothing was
	safe    int64
	status  Status

	// Run's own.
	file      disk.File // nil = the disk was full when it was to begin
	spare     []byte
	unwritten []byte // of an earlier write that failed
	upTo      int64  // position behind it
	seq, next int
	logBytes  int64 // of all logs since the base
	baseBytes int64
	flush     flush
	doubtful  bool // a flush failed: what it was to save is only in memory for sure
	rewrite   *rewriting
	wanted    bool // a compaction was asked for
	nextTry   time.Time
	old       []string
}

// Status is what INFO and health tell.
type Status struct {
	Load        LoadReport
	Failure     error // of the last write or flush, nil = it worked
	Size        int64 // bytes of base and logs
	BaseSize    int64
	Rewriting   bool
	Rewrites    int64
	RewriteErr  error
	RewriteTook time.Duration
	Backlog     int64
	Flushes     int64
}

// Open repeats what is kept and goes on from there. The engine must be new. Run has to be called for anything to reach
// the disk.
func Open(cfg Config, e *engine.Engine) (*Log, error) {
	if cfg.RewriteSize == 0 {
		cfg.RewriteSize = 64 << 20
	}
	if cfg.RewriteGrowth == 0 {
		cfg.RewriteGrowth = 100
	}
	l := &Log{
		cfg: cfg, engine: e, fs: cfg.FS, log: cfg.Logger, kick: make(chan struct{}, 1), demand: make(chan struct{}, 1), moved: make(chan struct{}),
		set: Settings{cfg.Policy, cfg.RewriteSize, cfg.RewriteGrowth},
	}
	l.frames.db, l.base.db = -1, -1
	if err := disk.MkdirAll(l.fs, cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the log's folder: %w", err)
	}
	f, err := look(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if err := l.load(f); err != nil {
		return nil, fmt.Errorf("repeat the log: %w", err)
	}
	l.next = f.next
	for _, seq := range f.logs {
		l.logBytes += sizeOf(filepath.Join(cfg.Dir, name(seq, logSuffix)))
		l.old = append(l.old, filepath.Join(cfg.Dir, name(seq, logSuffix)))
	}
	if f.base > 0 {
		l.baseBytes = sizeOf(filepath.Join(cfg.Dir, name(f.base, baseSuffix)))
		l.old = append(l.old, filepath.Join(cfg.Dir, name(f.base, baseSuffix)))
	}
	for _, path := range f.old {
		if err := l.fs.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			l.log.Warn("kv_log_not_removed", "error", err.Error()) // the next start tries again
		}
	}
	l.next++
	l.seq = l.next - 1
	switch l.file, err = l.create(l.seq); {
	case disk.IsNoSpace(err): // what is kept can be read; for more, Run waits for room
		l.file = nil
		l.fail(err)
	case err != nil:
		return nil, err
	default:
		l.logBytes += int64(len(magic))
	}
	l.status.Load, l.looked = l.report, time.Now()
	l.note()
	e.Lock()
	e.SetEffects(l)
	e.Unlock()
	return l, nil
}

func sizeOf(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}

// create begins a log, durably.
func (l *Log) create(seq int) (disk.File, error) {
	path := filepath.Join(l.cfg.Dir, name(seq, logSuffix))
	f, err := l.fs.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("begin a log: %w", err)
	}
	_, err = f.Write([]byte(magic))
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = l.fs.SyncDir(l.cfg.Dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("begin a log: %w", err), f.Close(), l.fs.Remove(path))
	}
	return f, nil
}

// Begin implements engine.Effects.
func (l *Log) Begin() { l.depth = true }

// Effect implements engine.Effects.
func (l *Log) Effect(db int, args [][]byte) {
	if l.closed || slices.Contains(l.cfg.Volatile, db) {
		return
	}
	l.frames.add(db, args)
	if !l.depth {
		l.End()
	}
}

// End implements engine.Effects.
func (l *Log) End() {
	l.depth = false
	if !l.frames.open {
		return
	}
	l.frames.close(0)
	l.given = l.taken + int64(len(l.frames.buf))
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// Position is behind all that was done so far, for Kept and Wait. It is asked under the engine's lock.
func (l *Log) Position() int64 { return l.given }

// Kept says whether everything up to a position is as safe as the policy promises: on the disk with Always; else when not
// too much of it is waiting to be written, with EverySecond not for long either. While nothing can be written it is enough if
// this holds up to own, which is behind what the caller itself has changed: others go on reading. If it is not, moved is
// closed when it is worth asking again.
func (l *Log) Kept(pos, own int64) (kept bool, moved <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.status.Failure != nil {
		pos = min(pos, own)
	}
	switch {
	case l.set.Policy == Always:
		kept = l.safe >= pos
	case l.set.Policy == EverySecond && l.status.Failure == nil && pos > l.written && time.Since(l.looked) > mostBehind:
		// The disk holds the log up. Answers wait rather than promise what a kill would take back.
	default:
		kept = pos-l.written <= mostBacklog
	}
	return kept, l.moved
}

// Wait returns when Kept says so. It must not be called under the engine's lock.
func (l *Log) Wait(pos, own int64) error {
	var timeout <-chan time.Time
	for {
		kept, moved := l.Kept(pos, own)
		if kept {
			return nil
		}
		if timeout == nil {
			t := time.NewTimer(patience)
			defer t.Stop()
			timeout = t.C
		}
		select {
		case <-moved:
		case <-timeout:
			return ErrNotWritten
		}
	}
}

// Behind says that more waits to be written than those may add to who do not Wait. It is asked under the engine's lock.
func (l *Log) Behind() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.given-l.written > mostBacklog
}

// Failure is why effects do not reach the disk at the moment; nil while they do. Commands that write are to be refused
// then.
func (l *Log) Failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status.Failure
}

// Status tells how the log is.
func (l *Log) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// Settings tells what holds now.
func (l *Log) Settings() Settings {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.set
}

// Set changes what holds from now on: who waits now waits by it as well.
func (l *Log) Set(s Settings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set = s
	l.stir()
}

// stir has all look again who wait. l.mu is held.
func (l *Log) stir() {
	close(l.moved)
	l.moved = make(chan struct{})
}

// Rewrite asks for a compaction. It runs beside everything else.
func (l *Log) Rewrite() {
	select {
	case l.demand <- struct{}{}:
	default:
	}
}
