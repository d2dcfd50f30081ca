package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
)

func TestCommitIsSeenAndLasts(t *testing.T) {
	cfg := testConfig(t)
	db := openTest(t, cfg)
	files, jobs := db.Space("file/"), db.Space("job/")
	b := db.Batch()
	b.Set(files, []byte("a"), []byte("1"))
	b.Set(files, []byte("gone"), []byte("x"))
	b.Delete(files, []byte("gone"))
	b.Set(jobs, []byte("a"), nil)
	if b.Len() != 4 || b.Size() <= 0 {
		t.Errorf("batch of %d changes, %d bytes", b.Len(), b.Size())
	}
	if err := db.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}

	db = openTest(t, cfg)
	files, jobs = db.Space("file/"), db.Space("job/")
	if got := get(t, files, "a"); got != "1" {
		t.Errorf("value %q", got)
	}
	if got := get(t, jobs, "a"); got != "" {
		t.Errorf("empty value %q", got)
	}
	if _, err := files.Get([]byte("gone")); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted key: %v", err)
	}
	if h := db.Health(); h.CommitNumber != 1 || h.LostCommits != 0 || h.FreeBytes <= 0 || h.LowSpace || !h.Ballast || h.Broken != "" {
		t.Errorf("health %+v", h)
	}
}

func TestSpacesDoNotOverlap(t *testing.T) {
	db := openTest(t, testConfig(t))
	db.Space("q/")
	db.Space("q/")
	for _, prefix := range []string{"", "q", "q/x/", "a b", "!x", "ü", "\x00"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("space %q was given", prefix)
				}
			}()
			db.Space(prefix)
		}()
	}
}

func TestRefusals(t *testing.T) {
	db := openTest(t, testConfig(t))
	s := db.Space("x/")

	b := db.Batch()
	b.Set(s, []byte("k"), make([]byte, maxValue+1))
	if err := db.Commit(t.Context(), b); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large value: %v", err)
	}
	b = db.Batch()
	b.Delete(s, make([]byte, maxKey+1))
	if err := db.Commit(t.Context(), b); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large key: %v", err)
	}
	b = db.Batch()
	for i := range 100_000 {
		b.Set(s, fmt.Append(nil, i), []byte("v"))
	}
	if err := db.Commit(t.Context(), b); !errcode.Is(err, errcode.TooLarge) {
		t.Errorf("large batch: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("gave up"))
	if err := db.Commit(ctx, db.Batch()); err == nil || !errors.Is(err, context.Cause(ctx)) {
		t.Errorf("ended context: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Commit(t.Context(), db.Batch()); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := s.Get([]byte("k")); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := s.Scan(t.Context(), ScanOptions{}, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestLargestBatch commits batches up to the announced limit: none of them may fail in the engine.
func TestLargestBatch(t *testing.T) {
	cfg := testConfig(t)
	cfg.MemTableSize = DefaultMemTableSize
	db := openTest(t, cfg)
	s := db.Space("x/")
	for _, size := range []int{0, 10, 1000, maxValue} {
		b := db.Batch()
		for i := 0; ; i++ {
			b.Set(s, fmt.Appendf(nil, "%06d", i), make([]byte, size))
			if b.Size()+int64(size)+32 > db.committer.maxBytes || b.Len() == db.committer.maxOps {
				break
			}
		}
		if err := db.Commit(t.Context(), b); err != nil {
			t.Errorf("%d values of %d bytes: %v", b.Len(), size, err)
		}
		if n := len(keys(t.Context(), t, s, ScanOptions{KeysOnly: true})); n < b.Len() {
			t.Errorf("%d of %d keys", n, b.Len())
		}
	}
}

func TestCallbacksRunInOrderBeforeCommitReturns(t *testing.T) {
	db := openTest(t, testConfig(t))
	s := db.Space("x/")
	var mu sync.Mutex
	var order []uint64
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for j := range 20 {
				var mine bool
				b := db.Batch()
				b.Set(s, fmt.Appendf(nil, "%d-%d", i, j), nil)
				b.OnCommit(func() {
					mine = true
					mu.Lock()
					defer mu.Unlock()
					order = append(order, db.number.Load())
				})
				if err := db.Commit(t.Context(), b); err != nil || !mine {
					t.Errorf("commit %v, callback ran: %t", err, mine)
				}
			}
		})
	}
	wg.Wait()
	if len(order) != 1000 {
		t.Errorf("%d callbacks", len(order))
	}
	for i := 1; i < len(order); i++ {
		if order[i] < order[i-1] {
			t.Fatalf("callback of commit %d after that of %d", order[i], order[i-1])
		}
	}
}

func TestCloseCommitsWhatWaits(t *testing.T) {
	cfg := testConfig(t)
	gate := make(chan struct{})
	var once sync.Once
	entered := make(chan struct{})
	cfg.Hook = func(p Point) error {
		if p == BeforeCommit {
			once.Do(func() { close(entered); <-gate })
		}
		return nil
	}
	db := openTest(t, cfg)
	s := db.Space("x/")
	results := make(chan error, 3000)
	for i := range 3000 { // more than one group
		b := db.Batch()
		b.Set(s, fmt.Append(nil, i), nil)
		db.CommitAsync(b, func(err error) { results <- err })
	}
	<-entered
	close(gate)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
	if n := db.Health().CommitNumber; n < 2 || n > 8 {
		t.Errorf("3000 batches took %d transactions", n)
	}
}

// TestCommittingIsKnownWhileItHangs holds a commit and asks for how long it goes on: the answer must not wait for it.
func TestCommittingIsKnownWhileItHangs(t *testing.T) {
	cfg := testConfig(t)
	gate, entered := make(chan struct{}), make(chan struct{})
	var once sync.Once
	cfg.Hook = func(p Point) error {
		if p == BeforeCommit {
			once.Do(func() { close(entered); <-gate })
		}
		return nil
	}
	db := openTest(t, cfg)
	if d := db.Committing(); d != 0 {
		t.Errorf("%v before any commit", d)
	}
	done := make(chan error, 1)
	b := db.Batch()
	b.Set(db.Space("x/"), []byte("k"), nil)
	db.CommitAsync(b, func(err error) { done <- err })
	<-entered
	first := db.Committing()
	if next := db.Health().Committing; first <= 0 || next <= first {
		t.Errorf("%v, then %v while a commit hangs", first, next)
	}
	close(gate)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil { // joins the committer
		t.Fatal(err)
	}
	if d := db.Committing(); d != 0 {
		t.Errorf("%v after the last commit", d)
	}
}

// TestModel compares the database with a map, over commits, failed commits and reopening.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cfg := testConfig(t)
		cfg.Ballast = -1
		var fail atomic.Bool
		cfg.Hook = func(p Point) error {
			if p == BeforeCommit && fail.Load() {
				return errors.New("injected")
			}
			return nil
		}
		db, err := Open(t.Context(), cfg)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		names := []string{"a/", "b/"}
		model := map[string]map[string]string{"a/": {}, "b/": {}}
		key := rapid.StringOfN(rapid.RuneFrom([]rune("xyz\xff\x00")), 0, 4, -1)
		rt.Repeat(map[string]func(*rapid.T){
			"commit": func(rt *rapid.T) {
				b := db.Batch()
				for range rapid.IntRange(0, 20).Draw(rt, "ops") {
					name, k := rapid.SampledFrom(names).Draw(rt, "space"), key.Draw(rt, "key")
					if rapid.Bool().Draw(rt, "delete") {
						b.Delete(db.Space(name), []byte(k))
						delete(model[name], k)
						continue
					}
					v := rapid.StringN(0, 30, -1).Draw(rt, "value")
					b.Set(db.Space(name), []byte(k), []byte(v))
					model[name][k] = v
				}
				if err := db.Commit(t.Context(), b); err != nil {
					rt.Fatal(err)
				}
			},
			"get": func(rt *rapid.T) {
				name, k := rapid.SampledFrom(names).Draw(rt, "space"), key.Draw(rt, "key")
				got, err := db.Space(name).Get([]byte(k))
				want, ok := model[name][k]
				if ok != (err == nil) || string(got) != want {
					rt.Fatalf("get %q: %q, %v; want %q", k, got, err, want)
				}
			},
			"scan": func(rt *rapid.T) {
				name := rapid.SampledFrom(names).Draw(rt, "space")
				o := ScanOptions{
					Prefix:  []byte(key.Draw(rt, "prefix")),
					Reverse: rapid.Bool().Draw(rt, "reverse"),
					Limit:   rapid.IntRange(0, 5).Draw(rt, "limit"),
					After:   rapid.Bool().Draw(rt, "after"),
				}
				if rapid.Bool().Draw(rt, "from") {
					o.From = []byte(key.Draw(rt, "from key"))
				}
				got := keys(t.Context(), t, db.Space(name), o)
				if diff := cmp.Diff(modelScan(model[name], o), got); diff != "" {
					rt.Fatalf("scan %+v of %q: %s", o, model[name], diff)
				}
			},
			"fail": func(rt *rapid.T) {
				if rapid.IntRange(0, 4).Draw(rt, "rarely") > 0 {
					return // a failure reopens, which takes its time
				}
				fail.Store(true)
				b := db.Batch()
				b.Set(db.Space("a/"), []byte(key.Draw(rt, "key")), []byte("lost"))
				b.Delete(db.Space("b/"), []byte(key.Draw(rt, "key")))
				err := db.Commit(t.Context(), b)
				fail.Store(false)
				if err == nil {
					rt.Fatal("commit succeeded")
				}
			},
			"reopen": func(rt *rapid.T) {
				if rapid.IntRange(0, 4).Draw(rt, "rarely") > 0 {
					return
				}
				if err := db.Close(); err != nil {
					rt.Fatal(err)
				}
				if db, err = Open(t.Context(), cfg); err != nil {
					rt.Fatal(err)
				}
			},
		})
	})
}

// TestScanBounds has keys exactly at both ends of what is asked for.
func TestScanBounds(t *testing.T) {
	db := openTest(t, testConfig(t))
	s := db.Space("m/")
	for _, space := range []string{"l/", "m/", "m0", "n/"} {
		for _, key := range []string{"", "w", "x", "xa", "x\xff", "x\xff\xff", "y"} {
			set(t, db, db.Space(space), key, "v")
		}
	}
	for _, c := range []struct {
		o    ScanOptions
		want string
	}{
		{ScanOptions{}, `["=v" "w=v" "x=v" "xa=v" "x\xff=v" "x\xff\xff=v" "y=v"]`},
		{ScanOptions{Reverse: true, Limit: 2}, `["y=v" "x\xff\xff=v"]`},
		{ScanOptions{Prefix: []byte("x")}, `["x=v" "xa=v" "x\xff=v" "x\xff\xff=v"]`},
		{ScanOptions{Prefix: []byte("x"), Reverse: true}, `["x\xff\xff=v" "x\xff=v" "xa=v" "x=v"]`},
		{ScanOptions{Prefix: []byte("x\xff"), Reverse: true}, `["x\xff\xff=v" "x\xff=v"]`},
		{ScanOptions{Prefix: []byte("x"), From: []byte("zz"), Reverse: true, Limit: 1}, `["x\xff\xff=v"]`},
		{ScanOptions{Prefix: []byte("x"), From: []byte("y"), Reverse: true, Limit: 1}, `["x\xff\xff=v"]`},
		{ScanOptions{Prefix: []byte("x"), From: []byte("zz")}, `[]`},
		{ScanOptions{Prefix: []byte("x"), From: []byte("a")}, `["x=v" "xa=v" "x\xff=v" "x\xff\xff=v"]`},
		{ScanOptions{Prefix: []byte("x"), From: []byte("a"), Reverse: true}, `[]`},
		{ScanOptions{From: []byte("xa"), After: true, Limit: 1}, `["x\xff=v"]`},
		{ScanOptions{From: []byte("xa"), After: true, Reverse: true}, `["x=v" "w=v" "=v"]`},
		{ScanOptions{From: []byte{}, After: true, Limit: 1}, `["w=v"]`},
	} {
		if got := fmt.Sprintf("%q", keys(t.Context(), t, s, c.o)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.o, got, c.want)
		}
	}
}

func modelScan(m map[string]string, o ScanOptions) []string {
	var ks [][]byte
	for k := range m {
		c := bytes.Compare([]byte(k), o.From)
		if o.Reverse {
			c = -c
		}
		if bytes.HasPrefix([]byte(k), o.Prefix) && (o.From == nil || c > 0 || (c == 0 && !o.After)) {
			ks = append(ks, []byte(k))
		}
	}
	sortKeys(ks, o.Reverse)
	if o.Limit > 0 {
		ks = ks[:min(o.Limit, len(ks))]
	}
	var out []string
	for _, k := range ks {
		out = append(out, fmt.Sprintf("%s=%s", k, m[string(k)]))
	}
	return out
}

func sortKeys(ks [][]byte, reverse bool) {
	for i := range ks {
		for j := i; j > 0 && (bytes.Compare(ks[j], ks[j-1]) < 0) != reverse; j-- {
			ks[j], ks[j-1] = ks[j-1], ks[j]
		}
	}
}

// TestScanPages scans more than a page while a callback commits, reads and ends early.
func TestScanPages(t *testing.T) {
	db := openTest(t, testConfig(t))
	s, other := db.Space("x/"), db.Space("y/")
	const n = pageItems*2 + 10
	b := db.Batch()
	for i := range n {
		b.Set(s, fmt.Appendf(nil, "%05d", i), []byte("v"))
		if b.Len() == 500 || i == n-1 {
			if err := db.Commit(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			b = db.Batch()
		}
	}
	for _, reverse := range []bool{false, true} {
		seen := 0
		err := s.Scan(t.Context(), ScanOptions{Reverse: reverse}, func(key, _ []byte) (bool, error) {
			want := seen
			if reverse {
				want = n - 1 - seen
			}
			if string(key) != fmt.Sprintf("%05d", want) {
				t.Fatalf("key %s, want %05d", key, want)
			}
			if seen%400 == 0 {
				set(t, db, other, string(key), "seen")
				get(t, s, string(key))
			}
			seen++
			return true, nil
		})
		if err != nil || seen != n {
			t.Errorf("reverse %t: %d of %d, %v", reverse, seen, n, err)
		}
	}
	stop := errors.New("stop")
	if err := s.Scan(t.Context(), ScanOptions{}, func(_, _ []byte) (bool, error) { return true, stop }); !errors.Is(err, stop) {
		t.Errorf("error of the callback: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Scan(ctx, ScanOptions{}, func(_, _ []byte) (bool, error) { cancel(); return true, nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
}

// TestSequenceNeverRepeats ends each run at another place of a block, and never cleanly as far as the sequence knows.
func TestSequenceNeverRepeats(t *testing.T) {
	cfg := testConfig(t)
	seen := map[uint64]bool{}
	last := uint64(0)
	for run, n := range []int{1, 255, 256, 257, 260, 520, 1000, 3} {
		db := openTest(t, cfg)
		s, err := db.Sequence("files")
		if err != nil {
			t.Fatal(err)
		}
		before := last
		var mu sync.Mutex
		var wg sync.WaitGroup
		left := n
		for range 4 {
			wg.Go(func() {
				for {
					mu.Lock()
					left--
					done := left < 0
					mu.Unlock()
					if done {
						return
					}
					number, err := s.Next(t.Context())
					mu.Lock()
					if err != nil || seen[number] || number <= before {
						t.Errorf("run %d: number %d after %d, %v", run, number, before, err)
					}
					seen[number] = true
					last = max(last, number)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if run == 0 && !seen[1] {
			t.Error("the first number is not 1")
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if last > 2552+8*sequenceBlock {
		t.Errorf("2552 numbers reached up to %d", last)
	}
}

func TestIDs(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kind := byte(rapid.IntRange('a', 'z').Draw(rt, "kind"))
		n := rapid.Uint64Range(0, MaxID).Draw(rt, "n")
		m := rapid.Uint64Range(0, MaxID).Draw(rt, "m")
		id := FormatID(kind, n)
		k, back, err := ParseID(id)
		if err != nil || k != kind || back != n {
			rt.Fatalf("%d → %q → %c %d, %v", n, id, k, back, err)
		}
		if (n < m) != (id < FormatID(kind, m)) {
			rt.Fatalf("%d and %d sort differently as ids", n, m)
		}
	})
	if id := FormatID('f', 33); id != "f0000000011" {
		t.Errorf("id %q", id)
	}
	for _, bad := range []string{"", "f", "f00000000", "f00000000000", "f000000000w", "f000000000A", "F0000000000", "00000000000"} {
		if _, _, err := ParseID(bad); !errcode.Is(err, errcode.NotFound) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("f0000000001")
	f.Add("fvvvvvvvvvv")
	f.Add("")
	f.Fuzz(func(t *testing.T, id string) {
		if kind, n, err := ParseID(id); err == nil && FormatID(kind, n) != id {
			t.Errorf("%q is read as %c %d", id, kind, n)
		}
	})
}
