// Package idempotency owns what was answered to requests that carry an Idempotency-Key: which request a key belongs to, and
// what it gave, for 24 hours.
//
// A caller who does not know whether a request came through sends it again with the same key, and gets the first one's
// answer instead of a second thing. The answer is recorded in the commit that makes the thing where the maker can stage it
// there (Call.Stage), else in one right after it (Call.Commit). Of two requests with one key at the same time the later
// waits for the earlier, but not for long. The package is apart because it knows nothing of what is made: it keeps bytes. The queue keeps the
// keys of its jobs itself, since there the answer is the jobs.
//
// What is kept is bounded by age, number and bytes; in memory there are only the keys of requests under way.
//
// Goroutines: none but Run's caller. Locks: Keys.mu guards the requests under way and is never held over I/O.
package idempotency

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/store"
)

const (
	keepFor    = 24 * time.Hour
	waitFor    = 30 * time.Second // of a request for an earlier one with its key
	sweepEvery = 10 * time.Minute
	sweepBatch = 1000
	// MaxData is the most bytes of an answer.
	MaxData = 400 << 10

	defaultCount = 200_000
	defaultBytes = 64 << 20

	answerPrefix = 'a' // + key: answer
	orderPrefix  = 'o' // + second, bytes of the answer, key: nothing. In the order in which they are to go.
)

// ErrOther reports a key that belongs to a request that asked for something else.
var ErrOther = errcode.New(errcode.Conflict, "the Idempotency-Key belongs to another request: its path, query or body were not these")

// ErrBusy reports a key whose first request has not come to its end.
var ErrBusy = errcode.New(errcode.Conflict, "another request with this Idempotency-Key is under way: its answer can be had when it has ended")

// Key stands for an Idempotency-Key and whose it is.
type Key [32]byte

// Answer is what a request gave.
type Answer struct {
	Request [32]byte // stands for what was asked for
	Data    []byte   // what is to be given again, at most MaxData
}

// Config is what Keys work with. Only DB is needed.
type Config struct {
	DB *store.DB
	// MaxCount and MaxBytes bound what is kept: beyond, the oldest answers go before their time. Default 200,000 and 64 MiB.
	MaxCount int
	MaxBytes int64
	Logger   *slog.Logger     // default: discard
	Now      func() time.Time // default time.Now
}

// Keys are the keys of a database. All methods are safe for concurrent use.
type Keys struct {
	cfg   Config
	space store.Space

	mu    sync.Mutex // guards asked
	asked map[Key]chan struct{}
}

// New returns the keys that the database has.
func New(cfg Config) *Keys {
	if cfg.MaxCount <= 0 {
		cfg.MaxCount = defaultCount
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = defaultBytes
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Keys{cfg: cfg, space: cfg.DB.Space("i/"), asked: map[Key]chan struct{}{}}
}

// Call is a request with a key, until End.
type Call struct {
	keys    *Keys
	key     Key
	over    func()
	earlier *Answer
}

// Begin waits until no other request with the key is under way: most often it is the same one, whose caller lost patience a
// moment ago. One that takes longer is ErrBusy. The caller ends the call.
func (k *Keys) Begin(ctx context.Context, key Key) (*Call, error) {
	over, err := k.ask(ctx, key)
	if err != nil {
		return nil, err
	}
	c := &Call{keys: k, key: key, over: over}
	raw, err := k.space.Get(answerKey(key))
	if errors.Is(err, store.ErrNotFound) || errcode.Is(err, errcode.Corrupt) {
		return c, nil
	}
	if err != nil {
		over()
		return nil, fmt.Errorf("read idempotency key: %w", err)
	}
	when, a, ok := decode(raw)
	if ok && k.cfg.Now().Before(when.Add(keepFor)) {
		c.earlier = &a
	}
	return c, nil
}

// ask makes a key the caller's until over is called.
func (k *Keys) ask(ctx context.Context, key Key) (over func(), err error) {
	enough := time.NewTimer(waitFor)
	defer enough.Stop()
	for {
		k.mu.Lock()
		other := k.asked[key]
		if other == nil {
			mine := make(chan struct{})
			k.asked[key] = mine
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				defer k.mu.Unlock()
				delete(k.asked, key)
				close(mine)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-other:
		case <-enough.C:
			return nil, ErrBusy
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for idempotency key: %w", context.Cause(ctx))
		}
	}
}

// End lets others with the key go on. Only the first call has an effect.
func (c *Call) End() {
	if c.over != nil {
		c.over()
		c.over = nil
	}
}

// Earlier gives the answer of an earlier request with the key; ok is false if there was none. request stands for what is
// asked for now: where it is not the same, the error is ErrOther.
func (c *Call) Earlier(request [32]byte) (data []byte, ok bool, err error) {
	switch {
	case c.earlier == nil:
		return nil, false, nil
	case c.earlier.Request != request:
		return nil, true, ErrOther
	default:
		return c.earlier.Data, true, nil
	}
}

// Repeated reports whether there was an earlier request with the key, whatever it asked for.
func (c *Call) Repeated() bool { return c.earlier != nil }

// Stage gives what stages the answer on the batch that makes what the request asks for.
func (c *Call) Stage(a Answer) func(b *store.Batch) error {
	return func(b *store.Batch) error {
		if len(a.Data) > MaxData {
			return errcode.Newf(errcode.TooLarge, "an answer of %d bytes cannot be kept", len(a.Data))
		}
		now := c.keys.cfg.Now()
		b.Set(c.keys.space, answerKey(c.key), encode(now, a))
		b.Set(c.keys.space, orderKey(now, len(a.Data), c.key), nil)
		return nil
	}
}

// Commit records the answer of a request that has made what it asks for. That is done already, so it is recorded on a full
// disk too.
func (c *Call) Commit(ctx context.Context, a Answer) error {
	b := c.keys.cfg.DB.Batch()
	b.Essential()
	if err := c.Stage(a)(b); err != nil {
		return err
	}
	if err := c.keys.cfg.DB.Commit(ctx, b); err != nil {
		return fmt.Errorf("record idempotency key: %w", err)
	}
	return nil
}

func answerKey(key Key) []byte { return append([]byte{answerPrefix}, key[:]...) }

func orderKey(when time.Time, size int, key Key) []byte {
	k := binary.BigEndian.AppendUint64([]byte{orderPrefix}, uint64(max(when.Unix(), 0)))
	k = binary.BigEndian.AppendUint32(k, uint32(size))
	return append(k, key[:]...)
}

func encode(when time.Time, a Answer) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(max(when.Unix(), 0)))
	b = append(b, a.Request[:]...)
	return append(b, a.Data...)
}

func decode(b []byte) (when time.Time, a Answer, ok bool) {
	if len(b) < 8+len(a.Request) {
		return when, a, false
	}
	when = time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
	copy(a.Request[:], b[8:])
	a.Data = b[8+len(a.Request):]
	return when, a, true
}
