package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// raw runs a command on an engine as somebody else's client would.
func raw(t *testing.T, e *engine.Engine, args ...string) *answer {
	t.Helper()
	e.Lock()
	defer e.Unlock()
	a := &answer{Reply: engine.Discard}
	words := make([][]byte, len(args))
	for i, w := range args {
		words[i] = []byte(w)
	}
	e.Do(e.NewSession(nil), words, a)
	return a
}

// open makes a cache that is closed with its test.
func open(t *testing.T, cfg Config) *Cache {
	t.Helper()
	cfg.Enabled = true
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func embeddedCache(t *testing.T, cfg Config) (*Cache, *engine.Engine) {
	t.Helper()
	e := engine.New(engine.Config{})
	cfg.Engine = e
	if cfg.Prefix == "" {
		cfg.Prefix = "atp_re:"
	}
	return open(t, cfg), e
}

func put(t *testing.T, c *Cache, key, value string, ttl time.Duration) {
	t.Helper()
	if err := c.Put(t.Context(), key, []byte(value), ttl); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, c *Cache, key string) Item {
	t.Helper()
	it, err := c.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

// backends runs a test with the engine in process and with a server elsewhere.
func backends(t *testing.T, test func(t *testing.T, c *Cache, ask func(args ...string) string)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		c, e := embeddedCache(t, Config{TTLs: TTLs{Default: time.Hour, Negative: time.Minute, Namespaces: map[string]time.Duration{"short": time.Minute, "ever": 0}}})
		test(t, c, func(args ...string) string { return raw(t, e, args...).String() })
	})
	t.Run("external", func(t *testing.T) {
		client, addr := server(t)
		c := open(t, Config{URL: "redis://" + addr, Prefix: "atp_re:", Timeout: patience, TTLs: TTLs{Default: time.Hour, Negative: time.Minute, Namespaces: map[string]time.Duration{"short": time.Minute, "ever": 0}}})
		test(t, c, func(args ...string) string { return client.Text(args...) })
	})
}

func (a *answer) String() string {
	if a.failure != "" {
		return "-" + a.failure
	}
	if len(a.texts) == 0 {
		return fmt.Sprint(a.number)
	}
	return string(bytes.Join(a.texts, []byte(" ")))
}

func TestPutGetDelete(t *testing.T) {
	backends(t, func(t *testing.T, c *Cache, ask func(args ...string) string) { //nolint:thelper // it is the test
		if it := get(t, c, "job:1"); it.Found || it.Key != "job:1" {
			t.Fatalf("before: %+v", it)
		}
		put(t, c, "job:1", `{"a":1}`, 0)
		put(t, c, "short:1", `1`, 0)
		put(t, c, "ever:1", `"x"`, 0)
		put(t, c, "job:2", `[]`, 1500*time.Millisecond)
		if got := ask("GET", "atp_re:job:1"); got != `{"a":1}` {
			t.Fatalf("a client reads %q", got)
		}
		for key, want := range map[string]time.Duration{"job:1": time.Hour, "short:1": time.Minute, "ever:1": 0, "job:2": 1500 * time.Millisecond} {
			it := get(t, c, key)
			if !it.Found || it.TTL > want || it.TTL < want-time.Second || want == 0 && it.TTL != 0 {
				t.Errorf("%s: %+v, want a TTL of %v", key, it, want)
			}
		}
		was, err := c.Delete(t.Context(), "job:1")
		again, err2 := c.Delete(t.Context(), "job:1")
		if !was || again || errors.Join(err, err2) != nil || get(t, c, "job:1").Found {
			t.Fatalf("delete: %v %v, %v %v", was, err, again, err2)
		}
		s, err := c.Stats(t.Context())
		if err != nil || s.Keys != 3 || s.State != StateOK || s.MemoryBytes == 0 {
			t.Fatalf("stats: %+v %v", s, err)
		}
		want := Counts{Hits: 4, Misses: 2, Puts: 4, Removed: 1}
		if diff := cmp.Diff(want, s.Counts); diff != "" {
			t.Error(diff)
		}
	})
}

func TestForeignValuesAreMisses(t *testing.T) {
	backends(t, func(t *testing.T, c *Cache, ask func(args ...string) string) { //nolint:thelper // it is the test
		ask("LPUSH", "atp_re:a:list", "x")
		ask("SET", "atp_re:a:text", "no json")
		ask("SET", "atp_re:a:empty", "")
		ask("SET", "atp_re:a:binary", "\x00\xff")
		ask("SET", "atp_re:a:big", `"`+strings.Repeat("x", MaxValue)+`"`)
		ask("SET", "atp_re:a:fine", "1")
		keys := []string{"a:list", "a:text", "a:empty", "a:binary", "a:big", "a:fine", "a:none"}
		items, err := c.GetMany(t.Context(), keys)
		if err != nil {
			t.Fatal(err)
		}
		for i, it := range items {
			if it.Key != keys[i] || it.Found != (it.Key == "a:fine") || !it.Found && (it.Value != nil || it.TTL != 0) {
				t.Errorf("%s: found %v, key %s, %d bytes", keys[i], it.Found, it.Key, len(it.Value))
			}
		}
		put(t, c, "a:list", "2", 0) // takes its place
		if got := get(t, c, "a:list"); string(got.Value) != "2" {
			t.Errorf("after put: %+v", got)
		}
		if s := c.Status(); s.State != StateOK || s.Errors != 0 {
			t.Errorf("foreign values are no failure: %+v", s)
		}
	})
}

func TestInvalidateAndFlush(t *testing.T) {
	backends(t, func(t *testing.T, c *Cache, ask func(args ...string) string) { //nolint:thelper // it is the test
		for i := range 1500 {
			put(t, c, fmt.Sprintf("decode:%d:x", i), "1", 0)
		}
		put(t, c, "decode*", "1", 0)
		put(t, c, "other:1", "1", 0)
		ask("SET", "decode:5:x", "somebody's")
		ask("SET", "xatp_re:decode:5:x", "somebody's")
		for _, step := range []struct {
			pattern string
			want    int
		}{{"decode:12?:*", 10}, {`decode\*`, 1}, {"nothing", 0}, {"decode:*", 1490}} {
			if n, err := c.Invalidate(t.Context(), step.pattern); n != step.want || err != nil {
				t.Errorf("%s: %d %v, want %d", step.pattern, n, err, step.want)
			}
		}
		if n, err := c.Flush(t.Context()); n != 1 || err != nil {
			t.Errorf("flush: %d %v", n, err)
		}
		if got := ask("EXISTS", "decode:5:x", "xatp_re:decode:5:x"); got != "2" {
			t.Errorf("keys of others: %s of 2 are left", got)
		}
		if s := c.Status(); s.Removed != 1502 {
			t.Errorf("removed: %d", s.Removed)
		}
	})
}

func TestPrefixIsTakenLiterally(t *testing.T) {
	c, e := embeddedCache(t, Config{Prefix: `a*[x]?\`})
	put(t, c, "k", "1", 0)
	raw(t, e, "SET", `abc[x]?\k`, "1")
	if n, err := c.Flush(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d %v", n, err)
	}
}

func TestManyValuesAreBounded(t *testing.T) {
	backends(t, func(t *testing.T, c *Cache, _ func(args ...string) string) { //nolint:thelper // it is the test
		big := `"` + strings.Repeat("x", MaxValue-2) + `"`
		keys := make([]string, 0, 40)
		for i := range 40 {
			keys = append(keys, fmt.Sprintf("big:%d", i))
			put(t, c, keys[i], big, 0)
		}
		if _, err := c.GetMany(t.Context(), keys); !errcode.Is(err, errcode.TooLarge) {
			t.Errorf("40 MiB: %v", err)
		}
		if items, err := c.GetMany(t.Context(), keys[:16]); err != nil || len(items) != 16 || !items[15].Found {
			t.Errorf("16 MiB: %d, %v", len(items), err)
		}
	})
}

func TestBadInput(t *testing.T) {
	c, _ := embeddedCache(t, Config{})
	ctx := t.Context()
	get := func(key string) error { _, err := c.Get(ctx, key); return err }
	many := func(n int) error { _, err := c.GetMany(ctx, make([]string, n)); return err }
	invalidate := func(p string) error { _, err := c.Invalidate(ctx, p); return err }
	for name, err := range map[string]error{
		"empty key": get(""), "long key": get(strings.Repeat("x", MaxKey+1)), "no text": get("a\xff"), "control": get("a\n"),
		"many keys": many(MaxKeys + 1), "empty pattern": invalidate(""), "long pattern": invalidate(strings.Repeat("*", MaxKey+1)),
		"no json": c.Put(ctx, "k", []byte("{"), 0), "empty value": c.Put(ctx, "k", nil, 0),
		"negative ttl": c.Put(ctx, "k", []byte("1"), -1), "long ttl": c.Put(ctx, "k", []byte("1"), MaxTTL+1),
	} {
		if !errcode.Is(err, errcode.ValidationFailed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.Put(ctx, "k", make([]byte, MaxValue+1), 0); !errcode.Is(err, errcode.TooLarge) {
		t.Errorf("large value: %v", err)
	}
	if items, err := c.GetMany(ctx, nil); err != nil || len(items) != 0 {
		t.Errorf("no keys: %v %v", items, err)
	}
	if s := c.Status(); s.Errors != 0 || s.Misses != 0 {
		t.Errorf("bad input is no failure of the cache: %+v", s)
	}
}

func TestOff(t *testing.T) {
	c, err := New(Config{Prefix: "p:"})
	if err != nil {
		t.Fatal(err)
	}
	_, got := c.Get(t.Context(), "k")
	_, flushed := c.Flush(t.Context())
	for name, err := range map[string]error{"get": got, "put": c.Put(t.Context(), "k", []byte("1"), 0), "flush": flushed} {
		if !errors.Is(err, ErrOff) || errcode.Of(err) != errcode.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s, err := c.Stats(t.Context()); err != nil || s.Enabled || s.State != StateOff || s.Errors != 0 {
		t.Errorf("stats: %+v %v", s, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestNegativeTTL(t *testing.T) {
	c, _ := embeddedCache(t, Config{TTLs: TTLs{Default: time.Hour, Negative: time.Minute}})
	if err := c.PutNegative(t.Context(), "decode:1", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if it := get(t, c, "decode:1"); !it.Found || it.TTL > time.Minute {
		t.Errorf("%+v", it)
	}
	c.SetTTLs(TTLs{Default: time.Second})
	if err := c.PutNegative(t.Context(), "decode:2", []byte("1")); err != nil || get(t, c, "decode:2").Found {
		t.Errorf("kept although no failures are: %v", err)
	}
	put(t, c, "decode:3", "1", 0)
	if it := get(t, c, "decode:3"); it.TTL > time.Second || it.TTL == 0 {
		t.Errorf("a TTL that was changed: %+v", it)
	}
}

func TestNamespaces(t *testing.T) {
	for key, want := range map[string]string{"decode:a:b": "decode", "plain": "", ":x": "", "a:": "a"} {
		if got := Namespace(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	c, _ := embeddedCache(t, Config{TTLs: TTLs{Namespaces: map[string]time.Duration{"mine": time.Minute}}})
	for i := range 2 * maxNamespaces {
		get(t, c, fmt.Sprintf("n%d:x", i))
	}
	s := c.Status()
	if len(s.Namespaces) != maxNamespaces+1 || s.Misses != 2*maxNamespaces {
		t.Errorf("%d namespaces, %d misses", len(s.Namespaces), s.Misses)
	}
	if s.Namespaces[0].Name != "mine" || s.Namespaces[0].TTL != time.Minute {
		t.Errorf("first: %+v", s.Namespaces[0])
	}
}

type recorder struct {
	mu  sync.Mutex
	got map[string]int
}

func (r *recorder) CacheOperation(operation, result string, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got[operation+" "+result]++
}

func TestCountsOfPeek(t *testing.T) {
	r := &recorder{got: map[string]int{}}
	c, _ := embeddedCache(t, Config{Recorder: r})
	put(t, c, "decode:1", "1", 0)
	if it, err := c.Peek(t.Context(), "decode:1"); err != nil || !it.Found || c.Status().Hits != 0 {
		t.Fatalf("peek: %+v %v, %+v", it, err, c.Status())
	}
	c.Count("decode:1", NegativeHit, time.Millisecond)
	c.Count("decode:1", Hit, time.Millisecond)
	c.Count("decode:1", Miss, time.Millisecond)
	s := c.Status()
	if diff := cmp.Diff(Counts{Hits: 2, NegativeHits: 1, Misses: 1, Puts: 1}, s.Counts); diff != "" || s.Ratio() != 2.0/3 {
		t.Error(diff, s.Ratio())
	}
	if diff := cmp.Diff(map[string]int{"put success": 1, "get hit": 2, "get miss": 1}, r.got); diff != "" {
		t.Error(diff)
	}
	if (Counts{}).Ratio() != 0 {
		t.Error("the ratio of nothing")
	}
}

func TestEngineIsHeldByAnother(t *testing.T) {
	c, e := embeddedCache(t, Config{Timeout: 20 * time.Millisecond})
	put(t, c, "k", "1", 0)
	e.Lock()
	for range tripAfter {
		if _, err := c.Get(t.Context(), "k"); !errcode.Is(err, errcode.Unavailable) {
			t.Errorf("held: %v", err)
		}
	}
	s := c.Status()
	if s.State != StateFailing || s.Errors != tripAfter || s.LastError == "" {
		t.Errorf("%+v", s)
	}
	// A caller that gives up says nothing about the engine.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Get(ctx, "k"); err == nil {
		t.Error("answered")
	}
	e.Unlock()
}

func TestEngineTakesNothing(t *testing.T) {
	var full error
	e := engine.New(engine.Config{})
	c := open(t, Config{Engine: e, Full: func() error { return full }})
	put(t, c, "k", "1", 0)
	full = errors.New("MISCONF the log cannot be written")
	for range 2 * tripAfter {
		if err := c.Put(t.Context(), "k", []byte("2"), 0); !errcode.Is(err, errcode.Unavailable) {
			t.Fatalf("full: %v", err)
		}
	}
	if it := get(t, c, "k"); string(it.Value) != "1" {
		t.Errorf("what is there is not read any more: %+v", it)
	}
	if s := c.Status(); s.State != StateFailing || !strings.Contains(s.LastError, "MISCONF") {
		t.Errorf("%+v", s)
	}
	full = nil
	put(t, c, "k", "2", 0)
	if s := c.Status(); s.State != StateOK || s.Detail != "" {
		t.Errorf("after: %+v", s)
	}
}

func TestEngineWithoutRoom(t *testing.T) {
	e := engine.New(engine.Config{MaxMemory: 4096, Policy: engine.NoEviction})
	c := open(t, Config{Engine: e})
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = c.Put(t.Context(), fmt.Sprint("k", i), []byte(`"`+strings.Repeat("x", 100)+`"`), 0)
	}
	if !errcode.Is(err, errcode.Unavailable) || c.Status().State != StateFailing {
		t.Fatalf("%v, %+v", err, c.Status())
	}
	if !get(t, c, "k0").Found {
		t.Error("what is there is not read any more")
	}
}
