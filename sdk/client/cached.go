package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	firstCachePause   = time.Second // for which a cache that fails is not asked
	longestCachePause = time.Minute
)

// Cached gives the value that the appliance's cache has under a key (at most 512 bytes: "namespace:rest"; decode is the
// appliance's own). Where it has none, fn makes the value, which is kept for ttl; 0 = as the configuration has it for the
// namespace. To read needs a token with the scope read, to write work.
//
// The value is kept as JSON, and T has to come back from that as it was: what encoding/json does not see is lost. A value
// that is no JSON is an error. What fn cannot make is not kept; its error is returned as it is.
//
// Calls of one Client with the same key at the same time run fn once, with the context of the first; the others get a value
// of their own, or the same error. If the context of the first ends, the next one makes the value.
//
// A cache that fails, is switched off or cannot be reached fails no call: fn runs each time, Config.Logger is told once,
// and once when the cache is back.
func Cached[T any](ctx context.Context, c *Client, key string, ttl time.Duration, fn func(ctx context.Context) (T, error)) (T, error) {
	var zero T
	if key == "" || ttl < 0 {
		return zero, fmt.Errorf("cache %q for %v: it needs a key and no time below zero", key, ttl)
	}
	for !within(ctx, c, key) { // fn calls itself as it was called: waiting would have no end
		f, mine := c.cached.join(key)
		if mine {
			return lead(ctx, c, f, ttl, fn)
		}
		select {
		case <-ctx.Done():
			return zero, fmt.Errorf("wait for %q: %w", key, context.Cause(ctx))
		case <-f.done:
		}
		var v T
		switch {
		case f.err != nil:
			return zero, f.err
		case f.value == nil: // whoever made it gave up
			continue
		case json.Unmarshal(f.value, &v) == nil:
			return v, nil
		}
		break // it is of another type
	}
	return fn(ctx)
}

// lead gives the value of a key to its caller and to those who wait for it.
func lead[T any](ctx context.Context, c *Client, f *flight, ttl time.Duration, fn func(ctx context.Context) (T, error)) (v T, err error) {
	defer c.cached.land(f) // also when fn panics
	if raw := c.cachedValue(ctx, f.key); raw != nil {
		if err := json.Unmarshal(raw, &v); err == nil {
			f.value = raw
			return v, nil
		}
		var zero T
		v = zero // it is of another type, and gives way
	}
	made, err := fn(context.WithValue(ctx, flightKey{}, &leading{c: c, key: f.key, outer: outermost(ctx)}))
	if err != nil {
		if ctx.Err() == nil {
			f.err = err
		}
		return made, err
	}
	raw, err := json.Marshal(made)
	if err != nil {
		f.err = fmt.Errorf("cache %q: the value is no JSON: %w", f.key, err)
		return made, f.err
	}
	f.value = raw
	c.keep(ctx, f.key, raw, ttl)
	return made, nil
}

// cachedCalls are the runs that go on for a Client, and how its cache is.
type cachedCalls struct {
	wait time.Duration
	log  *slog.Logger
	now  func() time.Time

	mu      sync.Mutex // guards what follows
	flights map[string]*flight
	pause   time.Duration // 0: the cache works, as far as is known
	until   time.Time     // when it is asked again
	refused map[refusal]bool
}

// refusal is a kind of refusals that was logged.
type refusal struct {
	doing  string
	status int
}

// flight is one run, for which others wait. What came of it is written before done is closed.
type flight struct {
	key   string
	done  chan struct{}
	value json.RawMessage
	err   error
}

// leading is what a context tells of the runs that it belongs to.
type leading struct {
	c     *Client
	key   string
	outer *leading
}

type flightKey struct{}

func outermost(ctx context.Context) *leading {
	l, _ := ctx.Value(flightKey{}).(*leading)
	return l
}

// within says whether a call comes from the run of the same key.
func within(ctx context.Context, c *Client, key string) bool {
	for l := outermost(ctx); l != nil; l = l.outer {
		if l.c == c && l.key == key {
			return true
		}
	}
	return false
}

// join gives the run of a key, and whether it is the caller's to make.
func (c *cachedCalls) join(key string) (f *flight, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.flights[key]; ok {
		return f, false
	}
	f = &flight{key: key, done: make(chan struct{})}
	if c.flights == nil {
		c.flights = map[string]*flight{}
	}
	c.flights[key] = f
	return f, true
}

func (c *cachedCalls) land(f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.flights, f.key)
	close(f.done)
}

// cachedValue asks the cache; nil = it has nothing, or cannot tell.
func (c *Client) cachedValue(ctx context.Context, key string) json.RawMessage {
	if !c.cached.mayAsk() {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, c.cached.wait)
	defer cancel()
	items, err := c.CacheGetMany(asking, []string{key})
	if err == nil && (len(items) != 1 || items[0].Key != key) {
		err = errors.New("read answer of /cache/get: it is not an appliance's")
	}
	if err != nil {
		c.cached.failed(ctx, "read", err)
		return nil
	}
	c.cached.works(ctx)
	if !items[0].Found {
		return nil
	}
	return items[0].Value
}

// keep has the cache keep a value.
func (c *Client) keep(ctx context.Context, key string, value json.RawMessage, ttl time.Duration) {
	if !c.cached.mayAsk() {
		return
	}
	asking, cancel := context.WithTimeout(ctx, c.cached.wait)
	defer cancel()
	if err := c.CachePut(asking, key, value, ttl); err != nil {
		c.cached.failed(ctx, "write", err)
	}
}

// mayAsk lets one caller try again when the pause is over; the others go on without meanwhile.
func (c *cachedCalls) mayAsk() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.pause > 0 && now.Before(c.until) {
		return false
	}
	c.until = now.Add(c.pause)
	return true
}

func (c *cachedCalls) works(ctx context.Context) {
	c.mu.Lock()
	was := c.pause
	c.pause = 0
	if was > 0 {
		clear(c.refused)
	}
	c.mu.Unlock()
	if was > 0 {
		c.log.InfoContext(ctx, "the cache is back")
	}
}

// failed remembers that the cache cannot be used now, or that it refused one value for what it is.
func (c *cachedCalls) failed(ctx context.Context, doing string, err error) {
	if ctx.Err() != nil { // nobody waits for the answer
		return
	}
	r := refusal{doing: doing}
	if e, ok := errors.AsType[*Error](err); ok {
		r.status = e.Status
	}
	broken := r.status < 400 || r.status >= 500 || doing == "read" && unreadable(r.status)
	c.mu.Lock()
	first := c.pause == 0
	if broken {
		c.pause = min(max(2*c.pause, firstCachePause), longestCachePause)
		c.until = c.now().Add(c.pause)
	} else {
		if first = !c.refused[r]; first && c.refused == nil {
			c.refused = map[refusal]bool{}
		}
		c.refused[r] = true
	}
	c.mu.Unlock()
	switch {
	case !first:
	case broken:
		c.log.WarnContext(ctx, "the cache cannot be used, values are made each time", "error", err)
	default:
		c.log.WarnContext(ctx, "the cache refused a value, which is made each time", "doing", doing, "error", err)
	}
}

// unreadable says that no key can be read with this status; others are about one key.
func unreadable(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusTooManyRequests:
		return true
	}
	return false
}
