package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/kv/engine"
)

const (
	// MaxKeys is how many keys one call of GetMany takes.
	MaxKeys = 1000
	// MaxMany bounds the values of one call of GetMany, all of them together.
	MaxMany = 16 << 20
	// MaxTTL is the longest a value can be kept that ends at all.
	MaxTTL = 3650 * 24 * time.Hour

	// slice is how many keys a call of the server is about, so that one call holds nobody up for long.
	slice = 32
	// defaultTimeout is how long a call may take. A call in process takes microseconds, one in the same network under a
	// millisecond; a decode makes three at most.
	defaultTimeout = 250 * time.Millisecond
	// probeEvery is how often Run asks whether the server answers.
	probeEvery = 5 * time.Second
)

// ErrOff reports a cache that the configuration has turned off.
var ErrOff = errcode.New(errcode.Unavailable, "the cache is off (cache.enabled)")

// Recorder is told of calls; nil = nobody counts.
type Recorder interface {
	// CacheOperation is called once for each key of a call: operation is get, put, delete or scan, result is hit or miss of
	// a get, success of the others, or error.
	CacheOperation(operation, result string, took time.Duration)
}

// Config is what a cache is made with.
type Config struct {
	Enabled bool
	// URL is that of the server, redis:// or rediss://; "" = Engine, in this process.
	URL      string
	Password string // of the server at URL, instead of the one that stands in URL
	PoolSize int    // most connections to it; 0 = 50
	DB       int    // of Engine; of the server at URL where it is not 0
	Engine   *engine.Engine
	// Full says why Engine can take no values at present; it is asked under the engine's lock. nil = it always can.
	Full   func() error
	Prefix string // of every key
	TTLs   TTLs

	Timeout  time.Duration // of a call; 0 = 250 ms
	Logger   *slog.Logger
	Recorder Recorder
}

// TTLs are how long values are kept. 0 is without an end, but for Negative, where it says that none is kept.
type TTLs struct {
	Default    time.Duration
	Negative   time.Duration            // of values that tell of a failure
	Namespaces map[string]time.Duration // where they differ from Default
}

// Item is a key with what is kept under it.
type Item struct {
	Key   string
	Value []byte        // JSON
	TTL   time.Duration // 0 = it never ends
	Found bool
}

// backend is a server, here or elsewhere. Keys are whole, with their prefix. A call ends when its context does. Its error
// is a refusal where the server answered, but not with what it was asked for.
type backend interface {
	// get gives what is kept under each of some keys, in their order. What cannot be one of our values is not found.
	get(ctx context.Context, keys []string, withTTL bool) ([]Item, error)
	// set keeps a value, without end if ttl is 0. It must not change afterwards.
	set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	del(ctx context.Context, keys []string) (removed int, err error)
	// scan gives some keys that a pattern matches and where to go on, 0 after the last.
	scan(ctx context.Context, cursor uint64, pattern string) (keys []string, next uint64, err error)
	usage(ctx context.Context) (Usage, error)
}

// refusal is what a server answered instead of what it was asked for.
type refusal struct {
	text  string
	write bool // it takes no values, and may well answer other calls
}

func (r *refusal) Error() string { return r.text }

// Cache keeps values for a while. It is safe for concurrent use. Keys are given without the prefix.
type Cache struct {
	cfg     Config
	log     *slog.Logger
	backend backend // nil = the cache is off
	close   func() error
	breaker *breaker
	counts  counts
	flights flights

	mu   sync.Mutex // guards ttls
	ttls TTLs
}

// New makes a cache. A server elsewhere is not asked for before Run or the first call.
func New(cfg Config) (*Cache, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	c := &Cache{cfg: cfg, log: cfg.Logger, breaker: newBreaker(cfg.Logger), counts: newCounts(), flights: flights{open: map[string]chan struct{}{}}}
	c.SetTTLs(cfg.TTLs)
	switch {
	case !cfg.Enabled:
	case cfg.URL != "":
		x, err := newExternal(cfg)
		if err != nil {
			return nil, err
		}
		c.backend, c.close = x, x.close
	case cfg.Engine == nil:
		return nil, errors.New("open cache: there is no engine")
	default:
		e := newEmbedded(cfg)
		c.backend, c.close = e, e.close
	}
	return c, nil
}

// Enabled says whether the cache is on.
func (c *Cache) Enabled() bool { return c.backend != nil }

// SetTTLs changes how long values are kept that are put from now on.
func (c *Cache) SetTTLs(t TTLs) {
	t.Namespaces = maps.Clone(t.Namespaces)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ttls = t
}

// TTL gives how long values of a namespace are kept, 0 = without end.
func (c *Cache) TTL(namespace string) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ttl, ok := c.ttls.Namespaces[namespace]; ok {
		return ttl
	}
	return c.ttls.Default
}

// Run asks now and then whether the server answers, until ctx ends, so that a server that is away is known before it is
// needed, and one that is back is used again.
func (c *Cache) Run(ctx context.Context) error {
	if c.backend == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		// Errors are the breaker's to tell.
		_ = c.call(ctx, func(ctx context.Context) error {
			_, err := c.backend.get(ctx, []string{c.cfg.Prefix + "probe"}, false)
			return err
		})
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Close ends the connections and waits for calls that still wait for the engine. It may be called more than once.
func (c *Cache) Close() error {
	if c.close == nil {
		return nil
	}
	if err := c.close(); err != nil {
		return fmt.Errorf("close cache: %w", err)
	}
	return nil
}

// call makes one call of the server, unless the breaker keeps it away. Its error has a code.
func (c *Cache) call(ctx context.Context, f func(ctx context.Context) error) error {
	if c.backend == nil {
		return ErrOff
	}
	if !c.breaker.pass() {
		return c.unavailable(nil)
	}
	short, cancel := context.WithTimeoutCause(ctx, c.cfg.Timeout, errSlow)
	defer cancel()
	err := f(short)
	if err == nil {
		c.breaker.done(ctx, nil)
		return nil
	}
	if ctx.Err() != nil {
		c.breaker.gaveUp()
		return fmt.Errorf("ask the cache: %w", context.Cause(ctx))
	}
	if r, ok := errors.AsType[*refusal](err); ok && r.write {
		c.breaker.done(ctx, nil)
		c.breaker.refused(ctx, r.text)
		return errcode.Wrap(errcode.Unavailable, err, "the cache takes no values at present").After(probeEvery)
	}
	if short.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) { // the one of a connection may come first
		err = errSlow
	}
	c.breaker.done(ctx, err)
	return c.unavailable(err)
}

// errSlow is the cause when a call has taken too long.
var errSlow = errors.New("no answer in time")

func (c *Cache) unavailable(err error) error {
	return errcode.Wrap(errcode.Unavailable, err, "the cache does not answer").After(probeEvery)
}

// Get gives what is kept under a key.
func (c *Cache) Get(ctx context.Context, key string) (Item, error) {
	items, err := c.GetMany(ctx, []string{key})
	if err != nil {
		return Item{Key: key}, err
	}
	return items[0], nil
}

// GetMany gives what is kept under each of some keys, at most MaxKeys, in their order.
func (c *Cache) GetMany(ctx context.Context, keys []string) ([]Item, error) {
	if len(keys) > MaxKeys {
		return nil, errcode.Invalid("keys", "are %d, more than %d", len(keys), MaxKeys)
	}
	items, size := make([]Item, 0, len(keys)), 0
	for from := 0; from < len(keys); from += slice {
		some := keys[from:min(from+slice, len(keys))]
		got, err := c.getSome(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, it := range got {
			size += len(it.Value)
		}
		if items = append(items, got...); size > MaxMany {
			return nil, errcode.Newf(errcode.TooLarge, "these values have more than %d bytes together: ask for fewer keys", MaxMany)
		}
	}
	return items, nil
}

func (c *Cache) getSome(ctx context.Context, keys []string) ([]Item, error) {
	began := time.Now()
	items, err := c.look(ctx, keys, true)
	took := time.Since(began) / time.Duration(len(keys))
	if err != nil {
		return nil, err
	}
	for _, it := range items {
		c.Count(it.Key, found(it.Found), took)
	}
	return items, nil
}

func found(is bool) Result {
	if is {
		return Hit
	}
	return Miss
}

// Peek is Get for who has to see whether the value still holds: what he says with Count is counted, and not that
// something was there. It does not look when the value ends.
func (c *Cache) Peek(ctx context.Context, key string) (Item, error) {
	items, err := c.look(ctx, []string{key}, false)
	if err != nil {
		return Item{Key: key}, err
	}
	return items[0], nil
}

func (c *Cache) look(ctx context.Context, keys []string, withTTL bool) (items []Item, err error) {
	whole := make([]string, len(keys))
	for i, key := range keys {
		if err := checkKey("key", key); err != nil {
			return nil, err
		}
		whole[i] = c.cfg.Prefix + key
	}
	began := time.Now()
	err = c.call(ctx, func(ctx context.Context) error {
		items, err = c.backend.get(ctx, whole, withTTL)
		return err //nolint:wrapcheck // call does
	})
	if err != nil {
		c.failed("get", began)
		return nil, fmt.Errorf("get from the cache: %w", err)
	}
	for i, key := range keys {
		it := &items[i]
		it.Key = key
		// What is no JSON was put there by somebody else.
		if it.Found = it.Found && len(it.Value) <= MaxValue && json.Valid(it.Value); !it.Found {
			it.Value, it.TTL = nil, 0
		}
	}
	return items, nil
}

// Put keeps a value, which is JSON, for a time; 0 is that of the key's namespace. The value must not be changed
// afterwards.
func (c *Cache) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	switch err := checkKey("key", key); {
	case err != nil:
		return err
	case len(value) > MaxValue:
		return errcode.Newf(errcode.TooLarge, "the value has %d bytes, more than %d", len(value), MaxValue)
	case !json.Valid(value):
		return errcode.Invalid("value", "is no JSON")
	case ttl < 0 || ttl > MaxTTL:
		return errcode.Invalid("ttl_seconds", "must be between 0 and %d", int64(MaxTTL/time.Second))
	}
	if ttl == 0 {
		ttl = c.TTL(Namespace(key))
	}
	began := time.Now()
	err := c.call(ctx, func(ctx context.Context) error {
		return c.backend.set(ctx, c.cfg.Prefix+key, value, ttl) //nolint:wrapcheck // call does
	})
	if err != nil {
		c.failed("put", began)
		return fmt.Errorf("put into the cache: %w", err)
	}
	c.breaker.refused(ctx, "")
	c.counts.put()
	c.record("put", "success", time.Since(began))
	return nil
}

// PutNegative keeps a value that tells of a failure, for as long as those are kept, which may be not at all.
func (c *Cache) PutNegative(ctx context.Context, key string, value []byte) error {
	c.mu.Lock()
	ttl := c.ttls.Negative
	c.mu.Unlock()
	if ttl == 0 {
		return nil
	}
	return c.Put(ctx, key, value, ttl)
}
