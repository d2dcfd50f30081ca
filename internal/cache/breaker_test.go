package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// fake is a server that does what a test says.
type fake struct {
	mu     sync.Mutex // guards what follows
	answer func(ctx context.Context) error
	calls  int
}

func (f *fake) call(ctx context.Context) error {
	f.mu.Lock()
	f.calls++
	answer := f.answer
	f.mu.Unlock()
	return answer(ctx)
}

// says changes what it does from now on.
func (f *fake) says(answer func(ctx context.Context) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func (f *fake) made() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *fake) get(ctx context.Context, keys []string, _ bool) ([]Item, error) {
	return make([]Item, len(keys)), f.call(ctx)
}

func (f *fake) set(ctx context.Context, _ string, _ []byte, _ time.Duration) error {
	return f.call(ctx)
}
func (f *fake) del(ctx context.Context, _ []string) (int, error) { return 0, f.call(ctx) }
func (f *fake) usage(ctx context.Context) (Usage, error)         { return Usage{}, f.call(ctx) }
func (f *fake) scan(ctx context.Context, _ uint64, _ string) ([]string, uint64, error) {
	return nil, 0, f.call(ctx)
}

// hangs is an answer that never comes.
func hangs(ctx context.Context) error {
	<-ctx.Done()
	return fmt.Errorf("read: %w", ctx.Err())
}

// faulty makes a cache on a server that does what a test says, and the log that it writes.
func faulty(t *testing.T, f *fake) (*Cache, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	c, err := New(Config{Logger: slog.New(slog.NewJSONHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	c.backend = f
	return c, log
}

func messages(t *testing.T, log *bytes.Buffer) (list []string) {
	t.Helper()
	for dec := json.NewDecoder(bytes.NewReader(log.Bytes())); dec.More(); {
		var line struct {
			Msg string `json:"msg"`
		}
		if err := dec.Decode(&line); err != nil {
			t.Fatal(err)
		}
		list = append(list, line.Msg)
	}
	return list
}

func wantUnavailable(t *testing.T, err error) {
	t.Helper()
	if !errcode.Is(err, errcode.Unavailable) {
		t.Errorf("%v is not unavailable", err)
	}
}

// A server that hangs costs three callers the timeout each, and then nobody anything; it is tried again after a rest that
// doubles, by one call at a time.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: hangs}
		c, log := faulty(t, f)
		get := func() (took time.Duration) {
			began := time.Now()
			_, err := c.Peek(t.Context(), "k")
			wantUnavailable(t, err)
			return time.Since(began)
		}
		for i := range 10 {
			want := defaultTimeout
			if i >= tripAfter {
				want = 0
			}
			if took := get(); took != want {
				t.Errorf("call %d took %v, want %v", i, took, want)
			}
		}
		if s := c.Status(); f.made() != tripAfter || s.Errors != 10 || c.breaker.condition().why == "" {
			t.Errorf("%d calls, %+v", f.made(), s)
		}
		made := f.made()
		for rest := restFirst; rest <= 2*restMost; rest *= 2 {
			time.Sleep(min(rest, restMost) - time.Millisecond)
			get()
			if f.made() != made {
				t.Errorf("a call after less than %v of rest", min(rest, restMost))
			}
			time.Sleep(time.Millisecond)
			get()
			if made++; f.made() != made {
				t.Fatalf("%d calls after a rest of %v, want %d", f.made(), min(rest, restMost), made)
			}
		}
		time.Sleep(restMost)
		release := make(chan struct{})
		f.says(func(context.Context) error { <-release; return nil })
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Peek(t.Context(), "k"); err != nil {
				t.Errorf("the one that tries: %v", err)
			}
		})
		synctest.Wait()
		if took := get(); took != 0 || f.made() != made+1 {
			t.Errorf("beside the one that tries: %v, %d calls", took, f.made())
		}
		close(release)
		wg.Wait()
		if _, err := c.Peek(t.Context(), "k"); err != nil {
			t.Errorf("after it answered: %v", err)
		}
		if got := messages(t, log); strings.Join(got, ", ") != "cache does not answer, decodes go on without it, cache answers again" {
			t.Errorf("the log: %q", got)
		}
		// From the start again: three in a row.
		f.says(hangs)
		if took := get(); took != defaultTimeout {
			t.Errorf("after it was well: %v", took)
		}
	})
}

func TestBreakerOfACallerWhoGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: hangs}
		c, log := faulty(t, f)
		for range 2 * tripAfter {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if _, err := c.Peek(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
			cancel()
		}
		if c.breaker.condition().failing || log.Len() > 0 {
			t.Errorf("the server is blamed for its callers: %s", log)
		}
		for range tripAfter {
			_, err := c.Peek(t.Context(), "k")
			wantUnavailable(t, err)
		}
		time.Sleep(restFirst)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, _ = c.Peek(ctx, "k") // the one that tries, and goes
		f.says(func(context.Context) error { return nil })
		if _, err := c.Peek(t.Context(), "k"); err != nil {
			t.Errorf("the next one does not try: %v", err)
		}
	})
}

// Who has nothing to ask finds out all the same that the server is away, and that it is back.
func TestRunAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(context.Context) error { return errors.New("refused") }}
		c, log := faulty(t, f)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := c.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(tripAfter * probeEvery)
		synctest.Wait()
		if !c.breaker.condition().failing {
			t.Error("not known to be away")
		}
		f.says(func(context.Context) error { return nil })
		time.Sleep(2 * probeEvery)
		synctest.Wait()
		if c.breaker.condition().failing || c.Status().Misses != 0 || len(messages(t, log)) != 2 {
			t.Errorf("%+v, %+v, %s", c.breaker.condition(), c.Status(), log)
		}
		cancel()
		wg.Wait()
	})
}

func TestRefusalsOfValues(t *testing.T) {
	f := &fake{answer: func(context.Context) error { return refused("OOM no room") }}
	c, log := faulty(t, f)
	for range 2 * tripAfter {
		wantUnavailable(t, c.Put(t.Context(), "k", []byte("1"), 0))
	}
	f.says(func(context.Context) error { return nil })
	if _, err := c.Peek(t.Context(), "k"); err != nil {
		t.Errorf("what can be read is not: %v", err)
	}
	if s := c.breaker.condition(); !s.failing || !strings.Contains(s.last, "OOM") {
		t.Errorf("%+v", s)
	}
	if err := c.Put(t.Context(), "k", []byte("1"), 0); err != nil || c.breaker.condition().failing {
		t.Errorf("%v %+v", err, c.breaker.condition())
	}
	if got := messages(t, log); len(got) != 2 {
		t.Errorf("the log: %q", got)
	}
	for text, want := range map[string]bool{"": false, "WRONGTYPE x": false, "ERR x": true, "NOAUTH x": true, "LOADING x": true, "BUSY x": true} {
		if err := refused(text); (err != nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		land, err := c.Join(t.Context(), "a")
		other, err2 := c.Join(t.Context(), "b")
		if land == nil || other == nil || errors.Join(err, err2) != nil {
			t.Fatalf("%v %v", err, err2)
		}
		other()
		var wg sync.WaitGroup
		var mu sync.Mutex
		waited, led := 0, 0
		for range 10 {
			wg.Go(func() {
				land, err := c.Join(t.Context(), "a")
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				if waited++; land != nil {
					led++
				}
			})
		}
		synctest.Wait()
		if waited != 0 {
			t.Errorf("%d did not wait", waited)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		cancel(gone)
		if land, err := c.Join(ctx, "a"); land != nil || !errors.Is(err, gone) {
			t.Errorf("one that goes: %v", err)
		}
		land()
		wg.Wait()
		if waited != 10 || led != 0 {
			t.Errorf("%d waited, %d led", waited, led)
		}
		if land, err = c.Join(t.Context(), "a"); land == nil || err != nil {
			t.Fatalf("the next: %v", err)
		}
		land()
		if len(c.flights.open) != 0 {
			t.Errorf("%d keys are remembered", len(c.flights.open))
		}
	})
}
