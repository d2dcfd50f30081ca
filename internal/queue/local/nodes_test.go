package local

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
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

// TestNodesAreWrittenDown looks at what is on the disk of workers while the engine runs: a crash costs no drain, and of
// counts no more than those since the last sweep.
func TestNodesAreWrittenDown(t *testing.T) {
	clock, fail := newFakeClock(), false
	b := openHooked(t, t.TempDir(), Config{Clock: clock}, func(*Engine, context.Context) error { return nil }, func(p store.Point) error {
		if fail && p == store.BeforeCommit {
			return errors.New("no")
		}
		return nil
	})
	stored := func() (r nodeRecord) {
		t.Helper()
		if raw, ok := b.records(t)[string(nodeRecordKey("w"))]; ok {
			if err := json.Unmarshal(raw, &r); err != nil {
				t.Fatal(err)
			}
		}
		return r
	}
	mustEnqueue(t, b.Engine, queue.New{Type: "a"}, queue.New{Type: "a"}, queue.New{Type: "a"})
	for _, o := range []queue.Outcome{{}, {Err: errTest, Permanent: true}} {
		b.finishOutside(t, mustLeaseOutside(t, b.Engine, queue.ExternalRequest{Types: []string{"a"}})[0].Lease, o)
	}
	fail = true
	b.saveNodes(t.Context(), false)
	if _, err := b.DrainNode(t.Context(), "w", true); err == nil {
		t.Error("a drain that could not be written down is said to be made")
	}
	fail = false
	if n, err := b.Nodes(t.Context()); err != nil || n[0].Draining || stored().Done != 0 {
		t.Errorf("after commits that failed: %+v, %v, on the disk %+v", n, err, stored())
	}
	b.saveNodes(t.Context(), false)
	if r := stored(); r.Done != 2 || r.Failed != 1 || r.Draining || !r.External || len(r.Types) != 1 {
		t.Errorf("after a sweep: %+v", r)
	}
	if _, err := b.DrainNode(t.Context(), "w", true); err != nil || !stored().Draining {
		t.Errorf("drained: %+v, %v", stored(), err)
	}
	before := stored()
	clock.advance(time.Minute)
	mustLeaseOutside(t, b.Engine, queue.ExternalRequest{Types: []string{"a"}})
	b.saveNodes(t.Context(), false)
	if diff := cmp.Diff(before, stored()); diff != "" {
		t.Errorf("written for a sign of life (-want +got):\n%s", diff)
	}
	clock.advance(2 * nodeAbsence)
	b.saveNodes(t.Context(), false)
	if r := stored(); r.External {
		t.Errorf("a worker that has gone is on the disk: %+v", r)
	}
}

// TestDownIsNoAbsence has the appliance be down for longer than a drained worker may be away: it is drained still. Its
// own absence lets another one come under its name.
func TestDownIsNoAbsence(t *testing.T) {
	clock := newFakeClock()
	b := openIdle(t, t.TempDir(), Config{Clock: clock})
	mustEnqueue(t, b.Engine, queue.New{Type: "a"}, queue.New{Type: "a"})
	mustLeaseOutside(t, b.Engine, queue.ExternalRequest{Lease: time.Hour})
	if _, err := b.DrainNode(t.Context(), "w", true); err != nil {
		t.Fatal(err)
	}
	b.stop()
	clock.advance(2 * nodeAbsence)
	b = openIdle(t, b.dir, b.cfg)
	if n, err := b.Nodes(t.Context()); err != nil || len(n) != 1 || !n[0].Draining || n[0].LastSeen.After(clock.Wall().Add(-2*nodeAbsence)) {
		t.Errorf("workers: %+v, %v", n, err)
	}
	clock.advance(nodeAbsence)
	if l := mustLeaseOutside(t, b.Engine, queue.ExternalRequest{}); len(l) != 0 {
		t.Errorf("a drained worker was given %+v", l)
	}
	clock.advance(nodeAbsence + time.Second)
	if l := mustLeaseOutside(t, b.Engine, queue.ExternalRequest{}); len(l) != 1 {
		t.Error("a worker that comes after ten minutes is drained still")
	}
}
