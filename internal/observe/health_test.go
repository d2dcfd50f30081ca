package observe

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// says is a check whose answer is set.
type says struct{ now atomic.Pointer[[]Reason] }

func (s *says) set(list ...Reason) { s.now.Store(&list) }

func (s *says) check(context.Context) []Reason {
	if p := s.now.Load(); p != nil {
		return *p
	}
	return nil
}

// readLog is a log that is read while it is written.
type readLog struct {
	mu  sync.Mutex // guards out
	out bytes.Buffer
}

func (k *readLog) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.out.Write(p) //nolint:wrapcheck // of memory
}

func (k *readLog) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.out.String()
}

// watched runs what looks at parts in virtual time and is ended with the test.
func watched(t *testing.T, parts map[string]Check) (*Health, *readLog) {
	t.Helper()
	var out readLog
	h := NewHealth(slog.New(slog.NewTextHandler(&out, nil)))
	for name, check := range parts {
		h.Register(name, name == "store", check)
	}
	h.Look(t.Context())
	h.Started()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return h, &out
}

// after lets virtual time pass, a little more than the looks need.
func after(d time.Duration) {
	time.Sleep(d + 10*time.Millisecond)
	synctest.Wait()
}

// state gives what is reported of a part: "degraded disk_full".
func state(t *testing.T, h *Health, name string) string {
	t.Helper()
	for _, c := range h.Report().Components {
		if c.Name == name {
			words := []string{string(c.Status)}
			for _, r := range c.Reasons {
				words = append(words, r.Code)
			}
			return strings.Join(words, " ")
		}
	}
	t.Fatalf("no part is named %s", name)
	return ""
}

func wantState(t *testing.T, h *Health, name, want string) {
	t.Helper()
	if got := state(t, h, name); got != want {
		t.Fatalf("%s is %q, want %q", name, got, want)
	}
}

func TestReadyFollowsPhaseAndEssentialParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if r := NewHealth(slog.New(slog.DiscardHandler)).Report(); r.Ready || r.Status != Unhealthy || r.Components[0].Reasons[0].Code != "starting" {
			t.Errorf("before the start: %+v", r)
		}
		var store, disk says
		h, _ := watched(t, map[string]Check{"store": store.check, "disk": disk.check})
		if r := h.Report(); !r.Ready || r.Status != Healthy || len(r.Components) != 3 {
			t.Fatalf("%+v", r)
		}
		disk.set(Reason{Code: "write_fails", Text: "writing failed, password=x", Status: Unhealthy})
		after(lookEvery)
		r := h.Report()
		if !r.Ready || r.Status != Degraded || r.Components[1].Detail() != "writing failed, password=***REDACTED***" {
			t.Errorf("a part that is not essential fails: %+v", r)
		}
		store.set(Reason{Code: "broken", Text: "x", Status: Unhealthy})
		after(lookEvery)
		if r := h.Report(); r.Ready || r.Status != Unhealthy {
			t.Errorf("an essential part fails: %+v", r)
		}
		store.set()
		after(9 * time.Second)
		wantState(t, h, "store", "unhealthy broken")
		after(3 * time.Second)
		if !h.Report().Ready {
			t.Error("not ready after the part is well again")
		}
		h.Stopping()
		h.Started() // late: it does not undo the stop
		if r := h.Report(); r.Ready || r.Components[0].Reasons[0].Code != "stopping" {
			t.Errorf("while stopping: %+v", r)
		}
	})
}

func TestWhatComesAndGoesDoesNotFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var disk says
		h, log := watched(t, map[string]Check{"disk": disk.check})
		began := time.Now()
		for range 20 { // there for 2 s, away for 20 s
			disk.set(Reason{Code: "slow", Text: "it is slow", Status: Degraded})
			after(2 * time.Second)
			wantState(t, h, "disk", "degraded slow")
			disk.set()
			after(20 * time.Second)
			wantState(t, h, "disk", "degraded slow")
		}
		if c := h.Report().Components[1]; c.Since.Sub(began) > 2*time.Second || c.Reasons[0].Since.Sub(began) > 2*time.Second {
			t.Errorf("since when: %+v", c)
		}
		if n := strings.Count(log.String(), "component_changed"); n != 1 {
			t.Errorf("told %d times:\n%s", n, log)
		}
		after(30 * time.Second)
		wantState(t, h, "disk", "healthy")
		if !strings.Contains(log.String(), `level=INFO msg=component_changed component=disk status=healthy was=degraded`) {
			t.Errorf("its end was not told:\n%s", log)
		}
	})
}

func TestAReasonThatMustLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var workers says
		h, _ := watched(t, map[string]Check{"workers": workers.check})
		full := Reason{Code: "no_place", Text: "all are busy", Status: Degraded, After: time.Minute}
		for range 5 {
			workers.set(full)
			after(50 * time.Second)
			wantState(t, h, "workers", "healthy")
			workers.set()
			after(2 * time.Second)
		}
		workers.set(full)
		after(62 * time.Second)
		wantState(t, h, "workers", "degraded no_place")
		workers.set(Reason{Code: "note", Text: "noteworthy", Status: Healthy})
		after(31 * time.Second)
		wantState(t, h, "workers", "healthy note")
		workers.set()
		after(2 * time.Second)
		wantState(t, h, "workers", "healthy")
	})
}

func TestAPartThatHangsKeepsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var other says
		var hang atomic.Pointer[chan struct{}]
		h, log := watched(t, map[string]Check{"other": other.check, "store": func(context.Context) []Reason {
			if c := hang.Load(); c != nil {
				<-*c // as a disk that does not answer: no context ends it
			}
			return nil
		}})
		stuck := make(chan struct{})
		hang.Store(&stuck)
		after(lookEvery)
		before := time.Now()
		r := h.Report()
		if !r.Ready || time.Since(before) != 0 {
			t.Errorf("after a second: %+v, %v", r, time.Since(before))
		}
		other.set(Reason{Code: "slow", Text: "x", Status: Degraded})
		after(answerTime)
		wantState(t, h, "store", "unhealthy no_answer")
		wantState(t, h, "other", "degraded slow")
		if h.Report().Ready {
			t.Error("ready while the store does not answer")
		}
		if !strings.Contains(log.String(), "component=store status=unhealthy code=no_answer") {
			t.Errorf("not told:\n%s", log)
		}
		hang.Store(nil)
		close(stuck)
		after(lookEvery)
		wantState(t, h, "store", "unhealthy no_answer") // it has to prove itself
		after(11 * time.Second)
		wantState(t, h, "store", "healthy")
	})
}

func TestTheEndDoesNotWaitForAPartThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHealth(slog.New(slog.DiscardHandler))
		stuck := make(chan struct{})
		h.Register("disk", false, func(context.Context) []Reason { <-stuck; return nil })
		before := time.Now()
		h.Look(t.Context())
		if took := time.Since(before); took != answerTime {
			t.Errorf("the first look took %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan time.Duration)
		go func() {
			_ = h.Run(ctx)
			done <- time.Since(before)
		}()
		after(time.Minute)
		wantState(t, h, "disk", "unhealthy no_answer")
		before = time.Now()
		cancel()
		if took := <-done; took > joinTime {
			t.Errorf("the end took %v", took)
		}
		close(stuck)
	})
}

func TestChecksThatFail(t *testing.T) {
	for name, check := range map[string]Check{
		"panics":  func(context.Context) []Reason { panic("x") },
		"lies":    func(context.Context) []Reason { return []Reason{{Code: "x", Status: "fine"}} },
		"no code": func(context.Context) []Reason { return []Reason{{Status: Degraded}} },
	} {
		synctest.Test(t, func(t *testing.T) {
			h, _ := watched(t, map[string]Check{"store": check})
			if h.Report().Ready || state(t, h, "store") != "unhealthy check_failed" {
				t.Errorf("%s: %+v", name, h.Report())
			}
		})
	}
}

func BenchmarkReport(b *testing.B) {
	h := NewHealth(slog.New(slog.DiscardHandler))
	for _, name := range []string{"cache", "clock", "disk", "kv", "plugins", "queue", "store", "workers"} {
		h.Register(name, false, func(context.Context) []Reason { return []Reason{{Code: "x", Text: "y", Status: Degraded}} })
	}
	h.Look(b.Context())
	for b.Loop() {
		h.Report()
	}
}
