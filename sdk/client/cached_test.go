package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fakeCache has the routes of the cache, as far as Cached calls them.
type fakeCache struct {
	mu     sync.Mutex
	values map[string]json.RawMessage
	ttls   map[string]float64
	calls  []string
	fault  func(w http.ResponseWriter, r *http.Request) bool // answers instead; true = it did
}

func (f *fakeCache) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	f.calls = append(f.calls, r.Method+" "+r.RequestURI)
	if f.fault != nil && f.fault(w, r) {
		return
	}
	if r.Method == http.MethodPost {
		var in struct {
			Keys []string `json:"keys"`
		}
		_ = json.Unmarshal(body, &in)
		items := []map[string]any{}
		for _, k := range in.Keys {
			v, ok := f.values[k]
			items = append(items, map[string]any{"key": k, "found": ok, "value": v, "ttl_seconds": nil})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"items": items})
		return
	}
	var in struct {
		Value json.RawMessage `json:"value"`
		TTL   float64         `json:"ttl_seconds"`
	}
	_ = json.Unmarshal(body, &in)
	key := strings.TrimPrefix(r.URL.Path, "/api/v1/cache/keys/")
	f.values[key], f.ttls[key] = in.Value, in.TTL
	_, _ = io.WriteString(w, "{}")
}

// asked is how many calls there were.
func (f *fakeCache) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

func (f *fakeCache) value(key string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return string(f.values[key])
}

func (f *fakeCache) refuse(fault func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// caching gives a client with its cache and what it logs.
func caching(t *testing.T) (*Client, *fakeCache, *bytes.Buffer) {
	t.Helper()
	f := &fakeCache{values: map[string]json.RawMessage{}, ttls: map[string]float64{}}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	var log bytes.Buffer
	c, err := New(Config{Server: srv.URL, CacheWait: time.Minute, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return c, f, &log
}

type track struct {
	Line string   `json:"line"`
	KM   []int    `json:"km"`
	Next *float64 `json:"next"`
}

func TestCached(t *testing.T) {
	c, f, log := caching(t)
	runs := 0
	get := func(key string, ttl time.Duration) track {
		t.Helper()
		v, err := Cached(t.Context(), c, key, ttl, func(context.Context) (track, error) {
			runs++
			return track{Line: "4711", KM: []int{runs}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for range 3 {
		if v := get("track:a/ü b", 1500*time.Millisecond); v.Line != "4711" || v.KM[0] != 1 || runs != 1 {
			t.Fatalf("%+v after %d runs", v, runs)
		}
	}
	if got := f.value("track:a/ü b"); got != `{"line":"4711","km":[1],"next":null}` || f.ttls["track:a/ü b"] != 1.5 {
		t.Errorf("kept %s for %v", got, f.ttls)
	}
	if f.calls[1] != "PUT /api/v1/cache/keys/track:a%2F%C3%BC%20b" {
		t.Errorf("calls: %q", f.calls)
	}
	if get("track:b", 0); runs != 2 || f.ttls["track:b"] != 0 {
		t.Errorf("%d runs, kept for %v", runs, f.ttls)
	}
	f.values["track:c"] = json.RawMessage(`["of", "another type"]`)
	if v := get("track:c", 0); v.KM[0] != 3 || !strings.Contains(f.value("track:c"), "4711") {
		t.Errorf("%+v in the place of another type: %s", v, f.value("track:c"))
	}
	if none, err := Cached(t.Context(), c, "none:1", 0, func(context.Context) (*track, error) { runs++; return nil, nil }); none != nil || err != nil {
		t.Errorf("none: %v %v", none, err)
	}
	if none, err := Cached(t.Context(), c, "none:1", 0, func(context.Context) (*track, error) { panic("it is kept") }); none != nil || err != nil {
		t.Errorf("none again: %v %v", none, err)
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", log)
	}
}

func TestCachedRefusals(t *testing.T) {
	c, f, _ := caching(t)
	boom := errors.New("boom")
	for range 2 {
		if v, err := Cached(t.Context(), c, "a:b", 0, func(context.Context) (int, error) { return 7, boom }); !errors.Is(err, boom) || v != 7 {
			t.Errorf("failing: %v %v", v, err)
		}
	}
	if _, err := Cached(t.Context(), c, "a:b", 0, func(context.Context) (any, error) { return func() {}, nil }); err == nil || !strings.Contains(err.Error(), "no JSON") {
		t.Errorf("no JSON: %v", err)
	}
	if f.value("a:b") != "" {
		t.Error("kept what is no value")
	}
	never := func(context.Context) (int, error) { t.Error("called"); return 0, nil }
	if _, err := Cached(t.Context(), c, "", 0, never); err == nil {
		t.Error("no key was taken")
	}
	if _, err := Cached(t.Context(), c, "a:b", -1, never); err == nil {
		t.Error("a time below zero was taken")
	}
}

// direct answers requests without a network.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	r.RequestURI = r.URL.RequestURI()
	d.ServeHTTP(rec, r)
	return rec.Result(), nil
}

func cachingDirectly(t *testing.T) (*Client, *fakeCache) {
	t.Helper()
	f := &fakeCache{values: map[string]json.RawMessage{}, ttls: map[string]float64{}}
	c, err := New(Config{Server: "http://cache", HTTP: &http.Client{Transport: direct{f}}})
	if err != nil {
		t.Fatal(err)
	}
	return c, f
}

// Calls of one key run the function once, and each gets a value of its own.
func TestCachedSharesARun(t *testing.T) {
	for name, fails := range map[string]error{"value": nil, "error": errors.New("boom")} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { shareARun(t, fails) }) })
	}
}

func shareARun(t *testing.T, fails error) {
	t.Helper()
	c, f := cachingDirectly(t)
	goOn, runs := make(chan struct{}), 0
	got := make(chan *track, 8)
	for range 8 {
		go func() {
			v, err := Cached(t.Context(), c, "a:b", 0, func(context.Context) (*track, error) {
				runs++
				<-goOn
				return &track{Line: "x"}, fails
			})
			if !errors.Is(err, fails) {
				t.Errorf("error %v", err)
			}
			got <- v
		}()
	}
	synctest.Wait() // seven wait for one
	close(goOn)
	seen := map[*track]bool{}
	for range 8 {
		v := <-got
		if fails == nil && (v == nil || v.Line != "x" || seen[v]) {
			t.Errorf("%+v, seen %v", v, seen[v])
		}
		seen[v] = true
	}
	if want := map[bool]int{true: 2, false: 1}[fails == nil]; runs != 1 || f.asked() != want {
		t.Errorf("%d runs, %d calls", runs, f.asked())
	}
}

// If the context of the one who runs the function ends, or the function panics, the next caller runs it.
func TestCachedPassesOn(t *testing.T) {
	for name, end := range map[string]func(){"cancelled": func() {}, "panic": func() { panic("gives up") }} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { passOn(t, end) }) })
	}
}

func passOn(t *testing.T, end func()) {
	t.Helper()
	c, _ := cachingDirectly(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		defer func() { _ = recover() }()
		_, err := Cached(ctx, c, "a:b", 0, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			end()
			return 0, ctx.Err()
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the first: %v", err)
		}
	})
	synctest.Wait()
	impatient, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Cached(impatient, c, "a:b", 0, func(context.Context) (int, error) { return 1, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("one that does not wait: %v", err)
	}
	wg.Go(func() {
		if v, err := Cached(t.Context(), c, "a:b", 0, func(context.Context) (int, error) { return 2, nil }); v != 2 || err != nil {
			t.Errorf("the second: %v %v", v, err)
		}
	})
	synctest.Wait()
	cancel()
	wg.Wait()
}

// A function that comes to itself does not wait for itself.
func TestCachedRecursion(t *testing.T) {
	c, _, _ := caching(t)
	depth := 0
	var fn func(ctx context.Context) (int, error)
	fn = func(ctx context.Context) (int, error) {
		if depth++; depth == 3 {
			return 3, nil
		}
		return Cached(ctx, c, "a:b", 0, fn)
	}
	if v, err := Cached(t.Context(), c, "a:b", 0, fn); v != 3 || err != nil {
		t.Errorf("%d %v", v, err)
	}
}

// A cache that fails changes nothing for the caller; it is logged once and left alone for a while.
func TestCachedWithoutACache(t *testing.T) {
	problem := func(status int) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"code":"some","detail":"the cache is switched off"}`)
			return true
		}
	}
	say := func(text string) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool { _, _ = io.WriteString(w, text); return true }
	}
	for name, fault := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"off": problem(503), "old": problem(404), "forbidden": problem(403), "busy": problem(429), "html": say("<html>"), "list": say("[]"),
		"other key": say(`{"items":[{"key":"x","found":true,"value":1}]}`), "none": say(`{"items":[]}`),
		"cut": func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			c, f, log := caching(t)
			now := time.Now()
			c.cached.now = func() time.Time { return now }
			f.refuse(fault)
			runs := 0
			call := func() {
				t.Helper()
				if v, err := Cached(t.Context(), c, "a:b", 0, func(context.Context) (int, error) { runs++; return 5, nil }); v != 5 || err != nil {
					t.Fatalf("%v %v", v, err)
				}
			}
			call()
			call()
			if runs != 2 || f.asked() != 1 || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "cannot be used") {
				t.Fatalf("%d runs, %d calls, logged: %s", runs, f.asked(), log)
			}
			var others atomic.Bool
			f.refuse(func(w http.ResponseWriter, r *http.Request) bool {
				others.Store(c.cached.mayAsk())
				return fault(w, r)
			})
			now = now.Add(firstCachePause)
			call()
			call()
			if f.asked() != 2 || strings.Count(log.String(), "\n") != 1 {
				t.Fatalf("%d calls, logged: %s", f.asked(), log)
			}
			if others.Load() {
				t.Error("while one tries, others do too")
			}
			f.refuse(nil)
			now = now.Add(2 * firstCachePause)
			call()
			call()
			if runs != 5 || strings.Count(log.String(), "\n") != 2 || !strings.Contains(log.String(), "the cache is back") {
				t.Errorf("back: %d runs, logged: %s", runs, log)
			}
		})
	}
}

func TestCachedUnreachable(t *testing.T) {
	c, f, log := caching(t)
	silent := make(chan struct{})
	t.Cleanup(func() { close(silent) })
	f.refuse(func(http.ResponseWriter, *http.Request) bool { <-silent; return true })
	c.cached.wait = 50 * time.Millisecond
	one := func(context.Context) (int, error) { return 1, nil }
	if v, err := Cached(t.Context(), c, "a:b", 0, one); v != 1 || err != nil || !strings.Contains(log.String(), "cannot be used") {
		t.Errorf("silent: %v %v, logged: %s", v, err, log)
	}
	c, err := New(Config{Server: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := Cached(t.Context(), c, "a:b", 0, one); v != 1 || err != nil {
		t.Errorf("nobody there: %v %v", v, err)
	}
}

// A token that may not write, and values that are refused, leave the rest as it is.
func TestCachedReadOnly(t *testing.T) {
	c, f, log := caching(t)
	f.values["a:there"] = json.RawMessage("8")
	f.refuse(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusForbidden)
		}
		return r.Method == http.MethodPut
	})
	for _, key := range []string{"a:b", "a:b", "a:there"} {
		v, err := Cached(t.Context(), c, key, 0, func(context.Context) (int, error) { return 1, nil })
		if want := map[string]int{"a:b": 1, "a:there": 8}[key]; v != want || err != nil {
			t.Errorf("%s: %v %v", key, v, err)
		}
	}
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "refused") {
		t.Errorf("logged: %s", log)
	}
}
