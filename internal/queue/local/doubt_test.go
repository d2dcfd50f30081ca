package local

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// openTorn opens a queue that is not run; when torn is set, the next commit is said to have failed though it is durable.
func openTorn(t *testing.T, torn *bool) *box {
	t.Helper()
	return openHooked(t, t.TempDir(), Config{}, func(*Engine, context.Context) error { return nil }, func(p store.Point) error {
		if *torn && p == store.BeforeAck {
			*torn = false
			return errors.New("torn")
		}
		return nil
	})
}

// TestDependentsInDoubt has the commit fail that makes jobs which wait for others. Some of those end before the call is
// repeated: it takes the jobs in with what they still wait for.
func TestDependentsInDoubt(t *testing.T) {
	for _, c := range []struct {
		outcome *queue.Outcome // of what they wait for, before the call is repeated; nil = none
		want    queue.Status   // then
		ends    queue.Outcome
		last    queue.Status
	}{
		{nil, queue.Waiting, queue.Outcome{}, queue.Ready},
		{nil, queue.Waiting, queue.Outcome{Err: errTest, Permanent: true}, queue.Cancelled},
		{&queue.Outcome{}, queue.Ready, queue.Outcome{}, queue.Ready},
		{&queue.Outcome{Err: errTest, Permanent: true}, queue.Cancelled, queue.Outcome{}, queue.Cancelled},
	} {
		t.Run(fmt.Sprint(c.outcome != nil, c.last), func(t *testing.T) {
			torn := false
			b := openTorn(t, &torn)
			first := mustEnqueue(t, b.Engine, queue.New{Type: "a"})[0]
			in := queue.New{Type: "b", IdempotencyKey: "i", DependsOn: []queue.ID{first.ID}}
			torn = true
			if _, err := b.Enqueue(t.Context(), in); err == nil {
				t.Fatal("Enqueue did not fail")
			}
			if c.outcome != nil {
				mustFinish(t, b.Engine, mustLease(t, b.Engine), *c.outcome)
			}
			j := mustEnqueue(t, b.Engine, in)[0]
			if !b.buryDoomed(t.Context()) {
				t.Error("burials failed")
			}
			wantStatus(t, b.Engine, j.ID, c.want)
			if c.outcome == nil {
				mustFinish(t, b.Engine, mustLease(t, b.Engine), c.ends)
				b.buryDoomed(t.Context())
			}
			wantStatus(t, b.Engine, j.ID, c.last)
			b.leftovers(t)
			if n := b.edges(t); n != 0 {
				t.Errorf("%d records of dependencies are left", n)
			}
		})
	}
}

// TestEndInDoubt has the commit fail that ends a job which others wait for: whoever finds out tells them.
func TestEndInDoubt(t *testing.T) {
	torn := false
	b := openTorn(t, &torn)
	f := mustFlow(t, b.Engine, flowJob("a"), flowJob("b", "a"), flowJob("c", "b"), flowJob("other"))
	torn = true
	if _, err := b.Cancel(t.Context(), f.Jobs[0].Job.ID, nil); err == nil {
		t.Fatal("Cancel did not fail")
	}
	if l := mustLease(t, b.Engine); l.Job.ID != f.Jobs[3].Job.ID {
		t.Errorf("leased %s, want the one that was not cancelled", l.Job.ID)
	}
	if !b.buryDoomed(t.Context()) {
		t.Error("burials failed")
	}
	for _, n := range f.Jobs[:3] {
		wantStatus(t, b.Engine, n.Job.ID, queue.Cancelled)
	}
	b.leftovers(t)
}

// TestJoinWhileSettling repeats a call whose commit was said to have failed in the moment in which Run settles what waits
// for the same job: what the call brings is settled too.
func TestJoinWhileSettling(t *testing.T) {
	var torn, again func()
	b := openHooked(t, t.TempDir(), Config{}, func(*Engine, context.Context) error { return nil }, func(p store.Point) error {
		switch {
		case torn != nil && p == store.BeforeAck:
			torn()
			return errors.New("torn")
		case again != nil && p == store.BeforeCommit:
			again()
		}
		return nil
	})
	first := mustEnqueue(t, b.Engine, queue.New{Type: "a"})[0]
	many := make([]queue.New, settleAtOnce+1) // one more than the end of the job takes along
	for i := range many {
		many[i] = queue.New{Type: "b", DependsOn: []queue.ID{first.ID}}
	}
	mustEnqueue(t, b.Engine, many...)
	in := queue.New{Type: "c", IdempotencyKey: "i", DependsOn: []queue.ID{first.ID}}
	torn = func() { torn = nil }
	if _, err := b.Enqueue(t.Context(), in); err == nil {
		t.Fatal("Enqueue did not fail")
	}
	mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{})
	var j queue.Job
	again = func() {
		again = nil
		j = mustEnqueue(t, b.Engine, in)[0]
	}
	for range 2 {
		if !b.buryDoomed(t.Context()) {
			t.Error("burials failed")
		}
	}
	wantStatus(t, b.Engine, j.ID, queue.Ready)
	if n := b.edges(t); n != 0 {
		t.Errorf("%d records of dependencies are left", n)
	}
}
