package decode

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/store"
)

// nursery plays ingest: it keeps what it is given.
type nursery struct {
	refused  string
	gone     bool // what a twin found is not there any more
	fail     error
	taken    map[string]string // name → content
	same     int
	staged   int
	released int
}

func (n *nursery) Refused(context.Context, catalog.File) (string, error) { return n.refused, nil }

func (n *nursery) Take(_ context.Context, _ catalog.File, _ catalog.Decode, found []Found) (Family, error) {
	if n.fail != nil {
		return nil, n.fail
	}
	for _, f := range found {
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
		n.taken[f.Name] = string(b)
	}
	return n, nil
}

func (n *nursery) TakeSame(context.Context, catalog.File, catalog.Decode, catalog.Decode) (Family, bool, error) {
	n.same++
	return n, !n.gone, nil
}

func (n *nursery) IDs() []string { return []string{"f-inside"} }

func (n *nursery) Stage(*store.Batch) error { n.staged++; return nil }

func (n *nursery) Release() { n.released++ }

// finding makes the false worker find a file.
func (x *fixture) finding() {
	x.run.found = func(r runtime.Request) ([]runtime.Child, error) {
		if r.RefuseChildren != "" {
			return nil, nil
		}
		f, err := r.CreateChild(0)
		if err != nil {
			return nil, err
		}
		_, err = f.WriteString("inside")
		return []runtime.Child{{Index: 0, Name: "a", Size: 6}}, errors.Join(err, f.Close())
	}
}

func TestHandleRecordsWhatIsInsideWithItsEnd(t *testing.T) {
	x := setup(t)
	x.finding()
	rec, job := x.queued("toy box")
	out := x.d.Handle(t.Context(), job)
	if x.kids.taken["a"] != "inside" || x.kids.staged != 0 || x.kids.released != 0 {
		t.Fatalf("before the commit: %+v", x.kids)
	}
	got := x.commit(rec.ID, out.Commit)
	if !slices.Equal(got.Children, []string{"f-inside"}) || x.kids.staged != 1 {
		t.Errorf("record %+v, %+v", got, x.kids)
	}
	if out.Settled(); x.kids.released != 1 {
		t.Errorf("%d times let go of", x.kids.released)
	}
	x.noTemp()
}

func TestHandleGivesATwinItsOwn(t *testing.T) {
	x := setup(t)
	x.finding()
	first, job := x.queued("toy box")
	x.commit(first.ID, x.handled(job))
	second, job := x.queued("toy box")
	got := x.commit(second.ID, x.handled(job))
	if !got.Cached || len(got.Children) != 1 || x.kids.same != 1 || x.kids.staged != 2 {
		t.Errorf("record %+v, %+v", got, x.kids)
	}
	x.kids.gone = true
	third, job := x.queued("toy box")
	if got := x.commit(third.ID, x.handled(job)); got.Cached || len(got.Children) != 1 {
		t.Errorf("a twin whose files are gone: %+v", got)
	}
}

// TestHandleOfTheDeepest: where none are taken, the result has a key of its own, unless nothing was inside anyway.
func TestHandleOfTheDeepest(t *testing.T) {
	x := setup(t)
	x.finding()
	first, job := x.queued("toy box")
	x.commit(first.ID, x.handled(job))
	x.kids.refused = runtime.ChildDepth
	deep, job := x.queued("toy box")
	got := x.commit(deep.ID, x.handled(job))
	if got.Cached || got.ResultKey == first.ResultKey || len(got.Children) != 0 || !x.d.Results.Has(got.ResultKey) {
		t.Errorf("deepest: %+v", got)
	}
	x.kids.refused = runtime.ChildLimit
	other, job := x.queued("toy box")
	if got := x.commit(other.ID, x.handled(job)); got.Cached {
		t.Errorf("another reason, the same result: %+v", got)
	}
	x.kids.refused = runtime.ChildDepth
	again, job := x.queued("toy box")
	if got := x.commit(again.ID, x.handled(job)); !got.Cached || got.ResultKey == first.ResultKey {
		t.Errorf("deepest again: %+v", got)
	}
	x.run.found, x.kids.refused = nil, ""
	plain, job := x.queued("toy plain")
	x.commit(plain.ID, x.handled(job))
	x.kids.refused = runtime.ChildDepth
	same, job := x.queued("toy plain")
	if got := x.commit(same.ID, x.handled(job)); !got.Cached || got.ResultKey != plain.ResultKey {
		t.Errorf("nothing inside: %+v", got)
	}
}

// TestHandleLetsGoOfWhatWasInside: no failure leaves anything behind.
func TestHandleLetsGoOfWhatWasInside(t *testing.T) {
	x := setup(t)
	x.finding()
	x.kids.fail = errcode.New(errcode.DiskFull, "full")
	_, job := x.queued("toy box")
	if out := x.d.Handle(t.Context(), job); !out.Release || out.Delay != fullDelay || out.Settled != nil {
		t.Errorf("outcome %+v", out)
	}
	x.noTemp()
}
