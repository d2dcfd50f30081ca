package decode

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/cache"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/store"
)

// counts are those of the cache.
func (x *fixture) counts() cache.Counts { return x.cache.Status().Counts }

// key is where the cache has a decode.
func (x *fixture) key(d catalog.Decode) string {
	x.Helper()
	f, err := x.d.Catalog.File(x.Context(), d.FileID)
	if err != nil {
		x.Fatal(err)
	}
	return resultOf(f.SHA256, d, "")
}

// cached gives what the cache keeps of a decode's result, "" = nothing.
func (x *fixture) cached(d catalog.Decode) string {
	x.Helper()
	it, err := x.cache.Peek(x.Context(), x.key(d))
	if err != nil {
		x.Fatal(err)
	}
	return string(it.Value)
}

func (x *fixture) put(d catalog.Decode, value string) {
	x.Helper()
	if err := x.cache.Put(x.Context(), x.key(d), []byte(value), 0); err != nil {
		x.Fatal(err)
	}
}

// done runs a decode of a content to its end.
func (x *fixture) done(content string) catalog.Decode {
	x.Helper()
	rec, job := x.queued(content)
	return x.commit(rec.ID, x.handled(job))
}

// remove deletes a decode as ingest does, with its tables.
func (x *fixture) remove(d catalog.Decode) {
	x.Helper()
	b := x.db.Batch()
	x.d.Catalog.DeleteDecode(b, d)
	if err := errors.Join(x.db.Commit(x.Context(), b), x.d.Results.Remove(d.ResultKey)); err != nil {
		x.Fatal(err)
	}
}

func TestCacheSaysWhichDecodeMadeAResult(t *testing.T) {
	x := setup(t)
	first := x.done("toy one")
	var got map[string]any
	if err := json.Unmarshal([]byte(x.cached(first)), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"decode": first.ID, "status": "done", "rows": 3.0,
		"decoder": map[string]any{"id": "toy", "version": "1.0.0", "sha256": decoderSHA},
		"tables":  []any{map[string]any{"name": "rows", "rows": 3.0}, map[string]any{"name": "issues", "rows": 0.0}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// The hash of {}, and digests as they stand in the API.
	f, err := x.d.Catalog.File(t.Context(), first.FileID)
	if want := "decode:" + f.SHA256 + ":" + decoderSHA + ":44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"; err != nil || x.key(first) != want {
		t.Errorf("%s, want %s", x.key(first), want)
	}
	second := x.done("toy one")
	if !second.Cached || second.Rows != 3 {
		t.Errorf("second: %+v", second)
	}
	if diff := cmp.Diff(cache.Counts{Misses: 1, Hits: 1, Puts: 1}, x.counts()); diff != "" {
		t.Error(diff)
	}
}

// Whatever somebody has put under the key, a decode gives its own result.
func TestCacheIsNotBelieved(t *testing.T) {
	x := setup(t)
	other := x.done("toy another file")
	for name, value := range map[string]string{
		"nonsense":            `[1,2]`,
		"other shape":         `{"decode":{"a":1},"status":7}`,
		"no such decode":      `{"decode":"d-00000000000zz","status":"done","rows":9}`,
		"no id":               `{"decode":"../../x","status":"done"}`,
		"of another file":     `{"decode":"` + other.ID + `","status":"done","rows":9}`,
		"deep":                strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"a long id":           `{"decode":"d` + strings.Repeat("x", 1<<19) + `"}`,
		"nothing of a decode": `{}`,
	} {
		rec, job := x.queued("toy " + name)
		before := x.counts()
		x.put(rec, value)
		got := x.commit(rec.ID, x.handled(job))
		if got.Cached || got.Status != catalog.Done || got.Rows != 3 {
			t.Errorf("%s: %+v", name, got)
		}
		if c := x.counts(); c.Hits != 0 || c.Misses != before.Misses+1 {
			t.Errorf("%s: %+v", name, c)
		}
		if !strings.Contains(x.cached(rec), rec.ID) {
			t.Errorf("%s: the cache still has %.100q", name, x.cached(rec))
		}
	}
}

func TestCacheOfWhatIsGone(t *testing.T) {
	x := setup(t)
	first := x.done("toy one")
	x.remove(first)
	second := x.done("toy one")
	if second.Cached || !strings.Contains(x.cached(second), second.ID) {
		t.Errorf("after the decode was deleted: %+v, %s", second, x.cached(second))
	}
	if err := x.d.Results.Remove(second.ResultKey); err != nil {
		t.Fatal(err)
	}
	if third := x.done("toy one"); third.Cached || !x.d.Results.Has(third.ResultKey) {
		t.Errorf("after the tables were gone: %+v", third)
	}
	x.reg.plugin.SHA256 = strings.Repeat("cd", 32)
	fourth, job := x.queued("toy one") // asked for before the decoder was replaced
	x.put(fourth, x.cached(second))
	x.remove(second)
	if got := x.commit(fourth.ID, x.handled(job)); got.Decoder.SHA256 == x.reg.plugin.SHA256 && got.Cached {
		t.Errorf("with another decoder: %+v", got)
	}
	// It names itself, as after a kill before its end was recorded.
	fifth, job := x.queued("toy five")
	x.put(fifth, `{"decode":"`+fifth.ID+`","status":"done"}`)
	if got := x.commit(fifth.ID, x.handled(job)); got.Cached || got.Rows != 3 {
		t.Errorf("by itself: %+v", got)
	}
}

func TestCacheIsFilledFromTheCatalog(t *testing.T) {
	x := setup(t)
	first := x.done("toy one")
	if n, err := x.cache.Flush(t.Context()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if second := x.done("toy one"); !second.Cached || !strings.Contains(x.cached(first), first.ID) {
		t.Errorf("%+v, %s", second, x.cached(first))
	}
	if c := x.counts(); c.Hits != 0 || c.Misses != 2 || c.Puts != 2 {
		t.Errorf("%+v", c)
	}
}

func TestForceGoesRoundTheCache(t *testing.T) {
	x := setup(t)
	x.done("toy one")
	rec, job := x.queued("toy one")
	rec.Force = true
	x.commit(rec.ID, func(b *store.Batch) error { return x.d.Catalog.PutDecode(b, rec) })
	before := x.counts()
	got := x.commit(rec.ID, x.handled(job))
	if got.Cached || x.counts().Hits != before.Hits || x.counts().Misses != before.Misses {
		t.Errorf("%+v, %+v", got, x.counts())
	}
	if !strings.Contains(x.cached(rec), rec.ID) {
		t.Errorf("the cache has %s", x.cached(rec))
	}
}

func TestFailuresInTheFileAreCachedForAWhile(t *testing.T) {
	x := setup(t)
	for code, cached := range map[errcode.Code]bool{
		errcode.Truncated: true, errcode.CorruptRecord: true, errcode.UnknownFormat: true, errcode.Unsupported: true,
		errcode.Stalled: false, errcode.MemoryLimit: false, errcode.OutputLimit: false, errcode.Trap: false, errcode.Deadline: false,
	} {
		before := x.counts().NegativeHits
		x.run.rows, x.run.result = 0, runtime.Result{Status: runtime.Failed, Failure: &runtime.Failure{Code: code, Message: "no"}}
		first := x.done("toy " + string(code))
		it, err := x.cache.Get(t.Context(), x.key(first))
		if err != nil || it.Found != cached || cached && it.TTL > time.Minute {
			t.Errorf("%s: %+v %v", code, it, err)
		}
		x.run.rows, x.run.result = 3, runtime.Result{Status: runtime.Done}
		second := x.done("toy " + string(code))
		if second.Cached != cached || (second.Status == catalog.Failed) != cached || cached && second.Error.Code != code {
			t.Errorf("%s: second %+v", code, second)
		}
		if n := x.counts().NegativeHits - before; (n == 1) != cached {
			t.Errorf("%s: %d negative hits", code, n)
		}
	}
}

// A failure does not hide a result that somebody has got by force.
func TestFailureBesideAResult(t *testing.T) {
	x := setup(t)
	good := x.done("toy one")
	rec, job := x.queued("toy one")
	rec.Force = true
	x.commit(rec.ID, func(b *store.Batch) error { return x.d.Catalog.PutDecode(b, rec) })
	x.run.rows, x.run.result = 0, runtime.Result{Status: runtime.Failed, Failure: &runtime.Failure{Code: errcode.Truncated}}
	if got := x.commit(rec.ID, x.handled(job)); got.Status != catalog.Failed || !strings.Contains(x.cached(rec), rec.ID) {
		t.Fatalf("%+v", got)
	}
	if got := x.done("toy one"); got.Status != catalog.Done || !strings.Contains(x.cached(rec), good.ID) {
		t.Errorf("%+v, %s", got, x.cached(rec))
	}
}

func TestForget(t *testing.T) {
	x := setup(t)
	first := x.done("toy one")
	f, err := x.d.Catalog.File(t.Context(), first.FileID)
	if err != nil {
		t.Fatal(err)
	}
	x.d.Memory.Forget(t.Context(), f.SHA256, first)
	if got := x.cached(first); got != "" {
		t.Errorf("left: %s", got)
	}
	// One without files found inside has a key of its own.
	leaf := first
	leaf.ResultKey = catalog.LeafKey(f.SHA256, decoderSHA, leaf.Params, runtime.ChildLimit)
	key := resultOf(f.SHA256, leaf, runtime.ChildLimit)
	if err := x.cache.Put(t.Context(), key, []byte("{}"), 0); err != nil {
		t.Fatal(err)
	}
	x.put(first, "{}")
	x.d.Memory.Forget(t.Context(), f.SHA256, leaf)
	if it, err := x.cache.Peek(t.Context(), key); err != nil || it.Found || x.cached(first) == "" {
		t.Errorf("%+v %v, %q", it, err, x.cached(first))
	}
	x.d.Memory.Forget(t.Context(), f.SHA256, catalog.Decode{Status: catalog.Failed}) // no decoder knew it
}

func TestEarlierIsCountedOnce(t *testing.T) {
	x := setup(t)
	rec, job := x.queued("toy one")
	f, err := x.d.Catalog.File(t.Context(), rec.FileID)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := x.d.Memory.Earlier(t.Context(), f.SHA256, rec); ok || err != nil || x.counts().Misses != 0 {
		t.Fatalf("%v %v %+v", ok, err, x.counts())
	}
	x.reg.plugin.State = runtime.Compiling
	for range 3 { // it comes again until the decoder is there
		if out := x.d.Handle(t.Context(), job); !out.Release {
			t.Fatalf("%+v", out)
		}
	}
	x.reg.plugin.State = runtime.Active
	x.commit(rec.ID, x.handled(job))
	other, _ := x.queued("toy one")
	if twin, ok, err := x.d.Memory.Earlier(t.Context(), f.SHA256, other); !ok || err != nil || twin.ID != rec.ID {
		t.Fatalf("%v %v %+v", ok, err, twin)
	}
	if diff := cmp.Diff(cache.Counts{Misses: 1, Hits: 1, Puts: 1}, x.counts()); diff != "" {
		t.Error(diff)
	}
}

// With a cache that fails, or is off, decodes go on and the catalog knows what it knew before.
func TestDecodesWithoutACache(t *testing.T) {
	for name, prepare := range map[string]func(x *fixture) func(){
		"off": func(x *fixture) func() {
			off, err := cache.New(cache.Config{})
			if err != nil {
				x.Fatal(err)
			}
			x.d.Memory = NewMemory(x.d.Catalog, x.d.Results, off)
			return func() {}
		},
		"full": func(x *fixture) func() {
			if err := x.cache.Put(x.Context(), "k", []byte("1"), 0); err != nil {
				x.Fatal(err)
			}
			x.keyspace.Lock()
			x.keyspace.SetMaxMemory(1, engine.NoEviction)
			x.keyspace.Unlock()
			return func() {}
		},
		"held": func(x *fixture) func() { x.keyspace.Lock(); return x.keyspace.Unlock },
	} {
		t.Run(name, func(t *testing.T) {
			x := setup(t)
			end := prepare(x)
			first, second := x.done("toy one"), x.done("toy one")
			if first.Status != catalog.Done || first.Cached || !second.Cached || second.Rows != 3 {
				t.Errorf("%+v, %+v", first, second)
			}
			end()
			if err := x.cache.Close(); err != nil {
				t.Error(err)
			}
			if c := x.counts(); c.Hits != 0 {
				t.Errorf("%+v", c)
			}
		})
	}
}

// waiter is a context that says when somebody begins to wait for its end.
type waiter struct {
	context.Context //nolint:containedctx // it is one
	waits           func()
}

func (w waiter) Done() <-chan struct{} {
	w.waits()
	return w.Context.Done()
}

// Of two jobs that want the same result at a time one makes it.
func TestOneOfTwoMakesAResult(t *testing.T) {
	x := setup(t)
	entered, hold := make(chan struct{}), make(chan struct{})
	x.run.before = func(context.Context) error { close(entered); <-hold; return nil }
	first, job := x.queued("toy one")
	led := make(chan func(*store.Batch) error)
	go func() { led <- x.handled(job) }()
	<-entered
	x.run.before = func(context.Context) error { return errors.New("the decoder ran twice") }
	second, other := x.queued("toy one")
	waits, found := make(chan struct{}), make(chan queue.Outcome)
	var once sync.Once
	go func() {
		found <- x.d.Handle(waiter{t.Context(), func() { once.Do(func() { close(waits) }) }}, other)
	}()
	<-waits
	third, cancelled := x.queued("toy one")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan queue.Outcome)
	go func() {
		ended <- x.d.Handle(waiter{ctx, func() { cancel(queue.ErrCancelled) }}, cancelled)
	}()
	if got := x.commit(third.ID, (<-ended).Commit); got.Status != catalog.Cancelled {
		t.Errorf("one that is cancelled while it waits: %+v", got)
	}
	close(hold)
	stage := <-led
	select {
	case <-found:
		t.Fatal("it waited no longer than the decoder ran, not until there was a result")
	default:
	}
	if got := x.commit(first.ID, stage); got.Cached {
		t.Errorf("first: %+v", got)
	}
	if got := x.commit(second.ID, (<-found).Commit); !got.Cached || got.Rows != 3 {
		t.Errorf("second: %+v", got)
	}
}

// Who waits takes his turn where the one before him has made nothing.
func TestTheNextOneMakesTheResult(t *testing.T) {
	for name, fail := range map[string]func(p *pool){
		"released": func(p *pool) { p.err = errcode.New(errcode.DiskFull, "full") },
		"panic":    func(p *pool) { p.before = func(context.Context) error { panic("a bug") } },
	} {
		t.Run(name, func(t *testing.T) {
			x := setup(t)
			fail(x.run)
			_, job := x.queued("toy one")
			func() {
				defer func() { _ = recover() }()
				x.d.Handle(t.Context(), job)
			}()
			x.run.err, x.run.before = nil, nil
			if got := x.done("toy one"); got.Status != catalog.Done || got.Cached {
				t.Errorf("%+v", got)
			}
		})
	}
}
