package local

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/queue"
)

// leases keeps what a Recorder is told of jobs that are handed out.
type leases struct {
	noRecorder
	mu   sync.Mutex
	told []lease
}

type lease struct {
	Queue  string
	Waited time.Duration
	Took   time.Duration
}

func (l *leases) Leased(name string, waited, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, lease{name, waited, took})
}

// TestLeasesAreTold tells of each job that is handed out, here or to a worker outside, how long it was ready: from when it
// came or, with a time of its own, from then on.
func TestLeasesAreTold(t *testing.T) {
	rec, clock := &leases{}, newFakeClock()
	e := openBox(t, t.TempDir(), Config{Recorder: rec, Clock: clock})
	for _, n := range []queue.New{
		{Type: "a"}, {Type: "a", Queue: "reports"}, {Type: "a", Queue: "email", RunAt: clock.Wall().Add(3 * time.Second)},
	} {
		if _, err := e.Enqueue(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	clock.advance(10 * time.Second)
	for _, name := range []string{"default", "email"} {
		if _, err := e.Lease(t.Context(), queue.LeaseRequest{Queues: []string{name}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.LeaseExternal(t.Context(), queue.ExternalRequest{Queues: []string{"reports"}, Worker: "w", Lease: time.Minute}); err != nil {
		t.Fatal(err)
	}
	want := []lease{{"default", 10 * time.Second, 0}, {"email", 7 * time.Second, 0}, {"reports", 10 * time.Second, 0}}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if d := cmp.Diff(want, rec.told); d != "" {
		t.Errorf("told (-want +got):\n%s", d)
	}
}
