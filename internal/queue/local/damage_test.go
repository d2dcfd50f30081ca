package local

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

var errTest = errcode.New(errcode.Stalled, "it stood still")

// graves writes down burials.
type graves struct {
	mu   sync.Mutex
	seen map[queue.ID]string
	told chan queue.ID
}

func newGraves() *graves { return &graves{seen: map[queue.ID]string{}, told: make(chan queue.ID, 100)} }

func (g *graves) dead(b *store.Batch, j queue.Job, code errcode.Code, _ string) error {
	b.OnCommit(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.seen[j.ID] = strings.Join([]string{j.Type, string(j.Payload), string(j.Status), string(code)}, " ")
		g.told <- j.ID
	})
	return nil
}

// TestDamagedRecords breaks each record of a job, before a lease and before an open: the job is dead, nothing else is.
func TestDamagedRecords(t *testing.T) {
	junk := func(family byte) func(*box, *store.Batch, uint64) {
		return func(e *box, b *store.Batch, n uint64) { b.Set(e.space, key(family, n), []byte("junk")) }
	}
	gone := func(e *box, b *store.Batch, n uint64) { b.Delete(e.space, key(bodyKey, n)) }
	for _, c := range []struct {
		name   string
		breaks []func(*box, *store.Batch, uint64)
		want   string // what the burial is told
	}{
		{"body", []func(*box, *store.Batch, uint64){junk(bodyKey)}, "a  dead corrupt"},
		{"body gone", []func(*box, *store.Batch, uint64){gone}, "a  dead corrupt"},
		{"state", []func(*box, *store.Batch, uint64){junk(stateKey)}, "a 1 dead corrupt"},
		{"both", []func(*box, *store.Batch, uint64){junk(stateKey), junk(bodyKey)}, "a  dead corrupt"},
	} {
		for _, reopen := range []bool{false, true} {
			t.Run(c.name+map[bool]string{true: " on open"}[reopen], func(t *testing.T) {
				g := newGraves()
				b := openBox(t, t.TempDir(), Config{Dead: g.dead})
				jobs := mustEnqueue(t, b.Engine, queue.New{Type: "a", Payload: []byte("1"), UniqueKey: "k"}, queue.New{Type: "a"})
				n, _ := parseID(jobs[0].ID)
				batch := b.db.Batch()
				for _, f := range c.breaks {
					f(b, batch, n)
				}
				if err := b.db.Commit(t.Context(), batch); err != nil {
					t.Fatal(err)
				}
				want := c.want
				if reopen {
					b = b.reopen(t)
					if c.name == "both" {
						want = "  dead corrupt" // nothing says what it was
					}
				}
				if l := mustLease(t, b.Engine); l.Job.ID != jobs[1].ID {
					t.Fatalf("leased %s, want the sound one", l.Job.ID)
				}
				if id := <-g.told; id != jobs[0].ID || g.seen[id] != want {
					t.Errorf("buried %s: %q, want %q", id, g.seen[id], want)
				}
				claim, err := b.claim(t.Context(), n) // the burial is over, in memory too
				if err != nil {
					t.Fatal(err)
				}
				b.giveUp(claim)
				j := wantStatus(t, b.Engine, jobs[0].ID, queue.Dead)
				if len(j.Errors) != 1 || j.Errors[0].Code != errcode.Corrupt {
					t.Errorf("errors: %+v", j.Errors)
				}
				checkCounts(t, b.Engine, map[queue.Status]int64{queue.Active: 1, queue.Dead: 1})
				if c.name != "both" || !reopen {
					if again := mustEnqueue(t, b.Engine, queue.New{Type: "a", UniqueKey: "k"})[0]; again.Duplicate && c.name != "both" {
						t.Errorf("the dead job still holds its unique key")
					}
				}
			})
		}
	}
}

// checkCounts compares the counts of the default queue.
func checkCounts(tb testing.TB, e *Engine, want map[queue.Status]int64) {
	tb.Helper()
	all, err := e.Counts(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	for _, q := range all {
		if q.Queue != queue.DefaultQueue {
			continue
		}
		for s, n := range q.Counts {
			if n == 0 {
				delete(q.Counts, s)
			}
		}
		if diff := cmp.Diff(want, q.Counts); diff != "" {
			tb.Errorf("counts (-want +got):\n%s", diff)
		}
	}
}

// TestBurialIsRetried has a hook that fails at first: the job is buried with it in the end.
func TestBurialIsRetried(t *testing.T) {
	clock, g := newFakeClock(), newGraves()
	failed := make(chan struct{}, 10)
	fail := true
	b := openBox(t, t.TempDir(), Config{Clock: clock, Retention: 1 << 60, Dead: func(b *store.Batch, j queue.Job, code errcode.Code, m string) error {
		if fail {
			fail = false
			failed <- struct{}{}
			return errors.New("not now")
		}
		return g.dead(b, j, code, m)
	}})
	j := mustEnqueue(t, b.Engine, queue.New{Type: "a"}, queue.New{Type: "a"})
	n, _ := parseID(j[0].ID)
	batch := b.db.Batch()
	batch.Delete(b.space, key(bodyKey, n))
	if err := b.db.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	mustLease(t, b.Engine)
	<-failed
	wantStatus(t, b.Engine, j[0].ID, queue.Ready)
	for {
		clock.advance(buryEvery)
		select {
		case <-g.told:
			wantStatus(t, b.Engine, j[0].ID, queue.Dead)
			return
		default:
		}
	}
}

func TestCancelOfDoomed(t *testing.T) {
	g := newGraves()
	b := openBox(t, t.TempDir(), Config{Dead: g.dead})
	b.stop()
	db, err := store.Open(t.Context(), store.Config{Dir: b.dir + "/db", Reserve: 1 << 20, Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	e, err := Open(t.Context(), Config{DB: db, Dead: g.dead})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	j := mustEnqueue(t, e, queue.New{Type: "a"})[0]
	n, _ := parseID(j.ID)
	r, _, _ := e.load(n)
	e.mu.Lock()
	e.lane(r).ready.remove(0)
	e.table.doomed[n] = doom{code: errcode.WorkerCrashed, rec: r}
	e.mu.Unlock()
	if active, err := e.Cancel(t.Context(), j.ID, nil); active || err != nil {
		t.Fatalf("Cancel: %v, %v", active, err)
	}
	if !e.buryDoomed(t.Context()) || len(g.seen) != 0 {
		t.Errorf("buried after its cancel: %v", g.seen)
	}
	checkCounts(t, e, map[queue.Status]int64{queue.Cancelled: 1})
}
