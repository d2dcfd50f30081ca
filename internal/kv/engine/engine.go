package engine

import (
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Config is what an engine is made with. The zero value is an engine of 16 databases without a bound.
type Config struct {
	Databases int // 0 = 16
	MaxMemory int64
	Policy    Policy
	EvictDBs  []int // databases whose keys may be evicted; nil = all
	Logger    *slog.Logger
	Clock     func() time.Time // nil = time.Now
	Commands  [][]*Command     // of other packages, beside the engine's own
	Hooks     Hooks
	Effects   Effects // nil = nobody keeps them
	Debug     bool    // DEBUG is allowed
}

// Effects takes what commands changed, as commands whose repetition changes the same: times are absolute, what was
// random is what came out. It is called under the lock and copies what it keeps. Between Begin and End effects belong
// together: a log repeats all of them or none.
type Effects interface {
	Begin()
	Effect(db int, args [][]byte)
	End()
}

// Hooks are told what happens, under the lock. Any of them may be nil. Keys and arguments are valid during the call.
type Hooks struct {
	// Event is a keyspace event: class is a letter of notify-keyspace-events.
	Event func(class byte, event string, db int, key []byte)
	// Modified is a key that has another value now or is gone; by is nil where no session did it. A nil key is all keys of
	// the database, and of all if db is below zero.
	Modified func(db int, key []byte, by *Session)
	// Read is a command that has looked at keys of a session that wants to know when they change.
	Read func(s *Session, cmd *Command, args [][]byte)
	// Ran is a command that has ended, after its answer.
	Ran func(s *Session, cmd *Command, args [][]byte, took time.Duration)
	// Before is a command that is about to run.
	Before func(s *Session, cmd *Command, args [][]byte)
	// Beside lets others in while a script of a session runs too long. It is the only one that is called without the lock. True =
	// it did; false = others are waited for elsewhere.
	Beside func(s *Session) bool
	// Copying is a copy that begins: emit takes the commands that make anew what is no key.
	Copying func(emit func(args [][]byte))
}

// Engine is a keyspace.
type Engine struct {
	mu    sync.Mutex
	cfg   Config
	log   *slog.Logger
	table table
	dbs   []*db
	seed  maphash.Seed
	rng   *rand.Rand

	born  time.Time // by the machine's own clock
	start time.Time
	now   int64 // milliseconds of Unix time, since the lock was taken
	tick  time.Duration
	last  time.Duration // when the last command under this lock ended, since born; 0 = there was none

	used      int64 // bytes of all items
	limits    Encodings
	notify    notifyFlags
	depth     int  // of commands that run within commands
	grouped   bool // effects have begun a group
	sealed    bool // what is changed now is not kept any more
	full      bool // there was no memory for more when the outermost command began
	loading   bool
	propagate bool // false while the log is read

	ready     []readyKey
	waits     waitHeap
	waiters   int // sessions that wait for keys or in WAIT
	paused    pause
	busy      func(args [][]byte) bool // set while a script runs too long: whether a command may run beside it
	copying   *Copy
	copyFlag  uint32 // flagCopied or 0: what items have that no running copy wants
	silent    bool   // what a command looks at is not used by that
	lazy      bool   // keys end when they are looked at only
	stats     Stats
	wake      chan struct{} // for Run: something ends earlier than it thinks
	sessions  int64         // ids given
	spare     []*Ctx
	dropCall  [2][]byte // DEL of a key that ends or is evicted
	shortCall [3][]byte // of effectAt
	scratch   [48]byte  // for what is answered at once
	warmth    byte      // of Warm
}

// New makes an empty engine.
func New(cfg Config) *Engine {
	if cfg.Databases == 0 {
		cfg.Databases = 16
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	e := &Engine{
		cfg: cfg, log: cfg.Logger, seed: maphash.MakeSeed(), limits: DefaultEncodings(), propagate: true,
		rng: newRand(), wake: make(chan struct{}, 1), born: time.Now(), start: cfg.Clock(),
	}
	e.table = newTable(append([][]*Command{commands()}, cfg.Commands...)...)
	for i := range cfg.Databases {
		e.dbs = append(e.dbs, newDB(e, i))
	}
	e.setTime()
	return e
}

// newRand gives random numbers for samples and answers, not for secrets.
func newRand() *rand.Rand {
	return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) //nolint:gosec // see above
}

// Lock takes the engine for one caller. Whatever is asked of it and of its sessions is asked between Lock and Unlock.
func (e *Engine) Lock() {
	e.mu.Lock()
	e.locked()
}

// TryLock is Lock for who does not wait; false = somebody else has the engine.
func (e *Engine) TryLock() bool {
	if !e.mu.TryLock() {
		return false
	}
	e.locked()
	return true
}

// locked begins what is done under one lock.
func (e *Engine) locked() {
	e.last = 0
	e.setTime()
}

// Unlock lets the next one in.
func (e *Engine) Unlock() { e.mu.Unlock() }

func (e *Engine) setTime() {
	t := e.cfg.Clock()
	e.now = t.UnixMilli()
	e.tick = t.Sub(e.start)
}

// Now is the time that commands see, in milliseconds of Unix time: one for all that is done under one lock.
func (e *Engine) Now() int64 { return e.now }

// Databases is how many there are.
func (e *Engine) Databases() int { return len(e.dbs) }

// Size is how many keys a database has, and how many of them end.
func (e *Engine) Size(db int) (keys, ends int) { return e.dbs[db].items.len(), e.dbs[db].ends.len() }

// Used is how many bytes the items take.
func (e *Engine) Used() int64 { return e.used }

// Encodings gives the bounds of compact forms, to be read and set under the lock.
func (e *Engine) Encodings() *Encodings { return &e.limits }

// Commands gives the command table by name.
func (e *Engine) Commands() func(yield func(*Command) bool) { return e.table.all() }

// Lookup finds a command or subcommand by its words; nil if there is none.
func (e *Engine) Lookup(args [][]byte) *Command {
	cmd, ok := e.table.find(args)
	if !ok {
		return nil
	}
	return cmd
}

// pick gives a random number below n.
func (e *Engine) pick(n uint32) uint32 { return e.rng.Uint32N(n) }

// Stats are counts since the start.
type Stats struct {
	Commands, Hits, Misses           int64
	Expired, Evicted                 int64
	ExpiredStale                     float64 // percent of keys that have ended and are still there, estimated
	Dirty                            int64   // changes since the last save
	Errors                           int64
	Blocked                          int64 // waits begun
	Panics                           int64
	ErrorsByWord                     map[string]int64
	ExpireCycles, ExpireTimeExceeded int64
}

// Stats gives the counts, to be read and reset under the lock.
func (e *Engine) Stats() *Stats { return &e.stats }
