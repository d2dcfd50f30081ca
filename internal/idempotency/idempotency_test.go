package idempotency

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/wayside-edge/wayside/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, cfg Config) *Keys {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Dir: t.TempDir(), Reserve: 1, Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg.DB = db
	return New(cfg)
}

// answer records an answer under a key.
func (k *Keys) answer(t *testing.T, key byte, data string) {
	t.Helper()
	c, err := k.Begin(t.Context(), Key{key})
	if err != nil {
		t.Fatal(err)
	}
	defer c.End()
	if err := c.Commit(t.Context(), Answer{Request: [32]byte{key}, Data: []byte(data)}); err != nil {
		t.Fatal(err)
	}
}

// earlier gives what is kept under a key, "" for nothing.
func (k *Keys) earlier(t *testing.T, key byte) string {
	t.Helper()
	c, err := k.Begin(t.Context(), Key{key})
	if err != nil {
		t.Fatal(err)
	}
	defer c.End()
	data, ok, err := c.Earlier([32]byte{key})
	if err != nil || ok != c.Repeated() {
		t.Fatal(ok, err)
	}
	return string(data)
}

// TestWaitForTheEarlier: the later of two requests waits for the earlier, but not for ever.
func TestWaitForTheEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &Keys{asked: map[Key]chan struct{}{}}
		for _, tc := range []struct {
			takes time.Duration
			want  error
		}{{waitFor - time.Second, nil}, {waitFor + time.Second, ErrBusy}} {
			over, err := k.ask(t.Context(), Key{1})
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(tc.takes, over)
			again, err := k.ask(t.Context(), Key{1})
			if !errors.Is(err, tc.want) {
				t.Errorf("after %v: %v", tc.takes, err)
			}
			if err == nil {
				again()
			}
			time.Sleep(tc.takes) // virtual
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if len(k.asked) != 0 {
			t.Errorf("%d keys are still asked for", len(k.asked))
		}
	})
}

func TestAnswerIsKeptForADay(t *testing.T) {
	now := time.Unix(1e9, 0)
	k := open(t, Config{Now: func() time.Time { return now }})
	if k.earlier(t, 1) != "" {
		t.Error("an answer before there was a request")
	}
	k.answer(t, 1, "one")
	now = now.Add(24*time.Hour - time.Second)
	if err := k.sweep(t.Context()); err != nil || k.earlier(t, 1) != "one" {
		t.Errorf("%q %v", k.earlier(t, 1), err)
	}
	now = now.Add(time.Second)
	if k.earlier(t, 1) != "" {
		t.Error("kept for too long")
	}
	k.answer(t, 1, "two") // the same key, a day later
	if err := k.sweep(t.Context()); err != nil || k.earlier(t, 1) != "two" {
		t.Errorf("%q %v", k.earlier(t, 1), err)
	}
	now = now.Add(24 * time.Hour)
	if err := k.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := k.space.Scan(t.Context(), store.ScanOptions{}, func(_, _ []byte) (bool, error) { n++; return true, nil }); err != nil || n != 0 {
		t.Errorf("%d records are left, %v", n, err)
	}
}

func TestAnotherRequestIsRefused(t *testing.T) {
	k := open(t, Config{})
	k.answer(t, 1, "one")
	c, err := k.Begin(t.Context(), Key{1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.End()
	if _, ok, err := c.Earlier([32]byte{2}); !ok || !errors.Is(err, ErrOther) {
		t.Error(ok, err)
	}
}

func TestBounds(t *testing.T) {
	for name, cfg := range map[string]Config{"count": {MaxCount: 3}, "bytes": {MaxBytes: 12}} {
		now := time.Unix(1e9, 0)
		cfg.Now = func() time.Time { now = now.Add(time.Second); return now }
		k := open(t, cfg)
		for i := range 10 {
			k.answer(t, byte(i), fmt.Sprintf("%4d", i))
		}
		if err := k.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			if got := k.earlier(t, byte(i)); (got != "") != (i >= 7) {
				t.Errorf("%s: key %d: %q", name, i, got)
			}
		}
	}
	k := open(t, Config{})
	c, err := k.Begin(t.Context(), Key{1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.End()
	if err := c.Commit(t.Context(), Answer{Data: make([]byte, MaxData+1)}); err == nil {
		t.Error("an answer of any size was kept")
	}
}

func TestTheLaterWaits(t *testing.T) {
	k := open(t, Config{})
	first, err := k.Begin(t.Context(), Key{1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Begin(ctx, Key{1}); !errors.Is(err, context.Canceled) {
		t.Errorf("did not wait: %v", err)
	}
	got := make(chan string)
	go func() { got <- k.earlier(t, 1) }()
	if err := first.Commit(t.Context(), Answer{Request: [32]byte{1}, Data: []byte("one")}); err != nil {
		t.Fatal(err)
	}
	first.End()
	first.End()
	if a := <-got; a != "one" {
		t.Errorf("%q", a)
	}
	if len(k.asked) != 0 {
		t.Errorf("%d keys are left in memory", len(k.asked))
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	k := open(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Run(ctx); err != nil {
		t.Error(err)
	}
}
