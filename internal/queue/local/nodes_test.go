package local

import (
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
)

// TestDrainedWhileIdle drains a worker in the process that waits for jobs, for longer than others are remembered: it is
// still known, still drained, and takes jobs again when it may.
func TestDrainedWhileIdle(t *testing.T) {
	clock := newFakeClock()
	b := openIdle(t, t.TempDir(), Config{Clock: clock})
	got := leaseLater(t, b.Engine, queue.LeaseRequest{Worker: "local"})
	if _, err := b.DrainNode(t.Context(), "local", true); err != nil {
		t.Fatal(err)
	}
	clock.advance(2 * nodeAbsence)
	nodes, err := b.Nodes(t.Context())
	if err != nil || len(nodes) != 1 || !nodes[0].Draining || !nodes[0].LastSeen.Equal(clock.Wall()) {
		t.Errorf("Nodes gave %+v, %v", nodes, err)
	}
	j := mustEnqueue(t, b.Engine, queue.New{Type: "a"})[0]
	if _, err := b.DrainNode(t.Context(), "local", false); err != nil {
		t.Fatalf("the worker cannot be given jobs again: %v", err)
	}
	select {
	case l := <-got:
		if l.ID != j.ID {
			t.Errorf("leased %s, want %s", l.ID, j.ID)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the worker was given nothing")
	}
	if _, err := b.DrainNode(t.Context(), "local", true); err != nil {
		t.Fatal(err)
	}
	clock.advance(2 * nodeAbsence) // its job takes long
	mustEnqueue(t, b.Engine, queue.New{Type: "a"})
	later := leaseLater(t, b.Engine, queue.LeaseRequest{Worker: "local"})
	wantStatus(t, b.Engine, j.ID, queue.Active)
	select {
	case l := <-later:
		t.Errorf("drained, it was given %s", l.ID)
	default:
	}
	if _, err := b.DrainNode(t.Context(), "local", false); err != nil {
		t.Fatal(err)
	}
	<-later
}
