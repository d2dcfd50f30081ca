package batch

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/catalog"
)

// tally is a Recorder that remembers.
type tally struct {
	mu   sync.Mutex
	said map[string]int
}

func (y *tally) add(what string, n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.said == nil {
		y.said = map[string]int{}
	}
	y.said[what] += n
}

func (y *tally) BatchEnded(status string, took time.Duration) {
	y.add(fmt.Sprint(status, " after ", took), 1)
}
func (y *tally) BatchFiles(state string, n int) { y.add(state, n) }

// take gives what was said since the last time.
func (y *tally) take() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	s := fmt.Sprint(y.said)
	y.said = nil
	return s
}

// TestRecorder: each end of a file and of a batch is counted once, over restarts, a retry and a cancellation.
func TestRecorder(t *testing.T) {
	b := openBox(t)
	made := b.create(New{Items: b.files(4), Concurrency: 2})
	b.awaitRunning(made.ID, 2)
	if s := b.Stats(); s != (Stats{Running: 1, Pending: 2, Working: 2}) {
		t.Errorf("two at work: %+v", s)
	}
	for i := range 3 {
		b.ends(b.working(made.ID)[0], []catalog.Status{catalog.Done, catalog.Partial, catalog.Failed}[i])
		b.await(made.ID, "further", func(v Batch) bool { return v.Successful+v.Failed == i+1 && v.Running == min(2, 3-i) })
	}
	b.reopen()
	if s := b.Stats(); s != (Stats{Running: 1, Working: 1}) {
		t.Errorf("one at work, after a restart: %+v", s)
	}
	if got := b.seen.take(); got != "map[done:2 failed:1]" {
		t.Errorf("three have ended: %s", got)
	}
	b.advance(10 * time.Second)
	b.ends(b.working(made.ID)[0], catalog.Done)
	b.awaitStatus(made.ID, Partial)
	if got := b.seen.take(); got != "map[done:1 partial after 10s:1]" {
		t.Errorf("ended: %s", got)
	}
	b.advance(time.Hour)
	if _, err := b.Retry(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	b.awaitRunning(made.ID, 1)
	b.reopen()
	b.advance(3 * time.Second)
	b.ends(b.working(made.ID)[0], catalog.Done)
	b.awaitStatus(made.ID, Done)
	if got := b.seen.take(); got != "map[done:1 done after 3s:1]" {
		t.Errorf("retried: %s", got)
	}
	other := b.create(New{Items: b.files(3), Concurrency: 1})
	b.awaitRunning(other.ID, 1)
	if _, err := b.Engine.Cancel(t.Context(), other.ID); err != nil {
		t.Fatal(err)
	}
	b.awaitStatus(other.ID, Cancelled)
	if got := b.seen.take(); got != "map[cancelled:3 cancelled after 0s:1]" {
		t.Errorf("cancelled: %s", got)
	}
	gone := b.create(New{Items: b.files(2), Concurrency: 1})
	b.awaitRunning(gone.ID, 1)
	if err := b.Delete(t.Context(), gone.ID); err != nil {
		t.Fatal(err)
	}
	if s, got := b.Stats(), b.seen.take(); s != (Stats{}) || got != "map[]" {
		t.Errorf("deleted: %+v %s", s, got)
	}
}
