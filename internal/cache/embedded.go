package cache

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// maxWaiting bounds the calls that wait for the engine. One more is answered at once that it is busy.
const maxWaiting = 64

// embedded is the engine of this process. Its commands are what clients send over a socket.
type embedded struct {
	engine  *engine.Engine
	full    func() error
	session *engine.Session // used under the engine's lock
	waiting chan struct{}   // holds one value for each call that waits for the lock
	wg      sync.WaitGroup  // of those calls
}

func newEmbedded(cfg Config) *embedded {
	e := &embedded{engine: cfg.Engine, full: cfg.Full, waiting: make(chan struct{}, maxWaiting)}
	e.engine.Lock()
	defer e.engine.Unlock()
	e.session = e.engine.NewSession(nil)
	e.session.Internal = true
	e.session.Select(cfg.DB)
	return e
}

func (e *embedded) close() error {
	e.wg.Wait()
	return nil
}

// do runs f under the engine's lock. A script may hold that for seconds: whoever finds it taken waits beside its caller,
// who goes when ctx ends. What f writes to is not read then, and what it reads must not change.
func (e *embedded) do(ctx context.Context, f func() error) error {
	if err := context.Cause(ctx); err != nil {
		return err //nolint:wrapcheck // the caller's own
	}
	if e.engine.TryLock() {
		defer e.engine.Unlock()
		return f()
	}
	select {
	case e.waiting <- struct{}{}:
	default:
		return &refusal{text: "too many calls wait for the engine"}
	}
	done := make(chan error, 1)
	e.wg.Go(func() {
		defer func() { <-e.waiting }()
		e.engine.Lock()
		defer e.engine.Unlock()
		if err := context.Cause(ctx); err != nil {
			done <- err
			return
		}
		done <- f()
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx) //nolint:wrapcheck // the caller's own
	}
}

// run runs one command under the lock.
func (e *embedded) run(args ...[]byte) *answer {
	a := &answer{Reply: engine.Discard}
	e.engine.Do(e.session, args, a)
	return a
}

func (e *embedded) get(ctx context.Context, keys []string, withTTL bool) (items []Item, err error) {
	items = make([]Item, len(keys))
	last := []byte(strconv.Itoa(MaxValue)) // one byte more than a value of ours has
	err = e.do(ctx, func() error {
		for i, key := range keys {
			a := e.run([]byte("getrange"), []byte(key), []byte("0"), last)
			if err := a.err(); err != nil {
				return err
			}
			if len(a.texts) == 0 || len(a.texts[0]) == 0 { // an empty one is none
				continue
			}
			items[i].Value, items[i].Found = a.texts[0], true
			if withTTL {
				items[i].TTL = remaining(e.run([]byte("pttl"), []byte(key)).number)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

// remaining turns the answer of PTTL into a time, 0 = without end.
func remaining(ms int64) time.Duration {
	switch {
	case ms < 0:
		return 0
	case ms == 0:
		return time.Millisecond // it ends now
	}
	return time.Duration(ms) * time.Millisecond
}

// lifetime is what PX is given.
func lifetime(ttl time.Duration) string {
	return strconv.FormatInt(max(ttl.Milliseconds(), 1), 10)
}

func (e *embedded) set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	args := [][]byte{[]byte("set"), []byte(key), value}
	if ttl > 0 {
		args = append(args, []byte("px"), []byte(lifetime(ttl)))
	}
	return e.do(ctx, func() error {
		if e.full != nil {
			if err := e.full(); err != nil {
				return &refusal{text: err.Error(), write: true}
			}
		}
		return e.run(args...).err()
	})
}

func (e *embedded) del(ctx context.Context, keys []string) (removed int, err error) {
	args := [][]byte{[]byte("del")}
	for _, key := range keys {
		args = append(args, []byte(key))
	}
	n := 0
	err = e.do(ctx, func() error {
		a := e.run(args...)
		n = int(a.number)
		return a.err()
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// scanCount is how many keys one call looks at.
const scanCount = 512

func (e *embedded) scan(ctx context.Context, cursor uint64, pattern string) (keys []string, next uint64, err error) {
	args := [][]byte{[]byte("scan"), strconv.AppendUint(nil, cursor, 10), []byte("match"), []byte(pattern), []byte("count"), strconv.AppendInt(nil, scanCount, 10)}
	var a *answer
	err = e.do(ctx, func() error {
		a = e.run(args...)
		return a.err()
	})
	if err != nil {
		return nil, 0, err
	}
	return scanned(a.texts)
}

// scanned reads the answer of SCAN: a cursor, and keys.
func scanned(texts [][]byte) (keys []string, next uint64, err error) {
	if len(texts) == 0 {
		return nil, 0, errNotRedis
	}
	if next, err = strconv.ParseUint(string(texts[0]), 10, 64); err != nil {
		return nil, 0, fmt.Errorf("read cursor: %w", err)
	}
	for _, key := range texts[1:] {
		keys = append(keys, string(key))
	}
	return keys, next, nil
}

func (e *embedded) usage(ctx context.Context) (u Usage, err error) {
	var now Usage
	err = e.do(ctx, func() error {
		keys, _ := e.engine.Size(e.session.DB())
		now = Usage{Keys: int64(keys), MemoryBytes: e.engine.Used(), Evictions: e.engine.Stats().Evicted}
		return nil
	})
	if err != nil {
		return Usage{}, err
	}
	return now, nil
}

// answer takes the answer of a command: its texts in their order, its number, its error. Heads of lists are passed over.
type answer struct {
	engine.Reply
	texts   [][]byte
	number  int64
	failure string
}

// err gives the error as a backend has it: nil also for a value of another type, which is none of ours.
func (a *answer) err() error { return refused(a.failure) }

// refused makes an error of the text of one, "" = none.
func refused(text string) error {
	word, _, _ := strings.Cut(text, " ")
	switch word {
	case "", "WRONGTYPE":
		return nil
	case "OOM", "MISCONF", "READONLY", "NOREPLICAS":
		return &refusal{text: text, write: true}
	}
	return &refusal{text: text}
}

func (a *answer) Error(text string)   { a.failure = text }
func (a *answer) Int(n int64)         { a.number = n }
func (a *answer) Bulk(b []byte)       { a.texts = append(a.texts, append([]byte(nil), b...)) }
func (a *answer) BulkString(s string) { a.texts = append(a.texts, []byte(s)) }
func (a *answer) Mark() int           { return len(a.texts) }
func (a *answer) Undo(mark int)       { a.texts, a.number = a.texts[:mark], 0 }
