package ingest

import (
	"context"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// slow plays what looks into wrapped recordings: those that begin with "wrapped" hold a zip archive that costs much.
type slow struct {
	cost   int64
	hang   bool // until nobody waits any more
	asked  int  // without a bound
	most   []int64
	late   int // asked when no time was left
	failed error
}

func (s *slow) Inspect(ctx context.Context, r Parcel) (Inside, error) {
	switch {
	case string(r.Head[:min(7, len(r.Head))]) != "wrapped":
		return Inside{}, nil
	case r.Most < 0:
		return Inside{Failure: &catalog.Failure{Code: errcode.OutputLimit, Message: "no more"}}, nil
	case r.Most == 0:
		s.asked++
	case s.hang:
		if ctx.Err() != nil {
			s.late++
		}
		<-ctx.Done()
		return Inside{}, context.Cause(ctx)
	}
	s.most = append(s.most, r.Most)
	return Inside{Wrapped: "zip", Match: toy, Known: true, Cost: s.cost, Parts: []catalog.Part{{Name: "a"}}}, s.failed
}

// failures gives the codes of the decodes of files, "" for one that has a job.
func (x *fixture) failures(ids []string) []errcode.Code {
	x.Helper()
	var out []errcode.Code
	for _, id := range ids {
		all, err := x.Catalog.DecodesOf(x.Context(), id)
		if err != nil || len(all) != 1 {
			x.Fatal(all, err)
		}
		d, err := x.Catalog.Decode(x.Context(), all[0])
		if err != nil {
			x.Fatal(err)
		}
		code := errcode.Code("")
		if d.Error != nil {
			code = d.Error.Code
		}
		out = append(out, code)
	}
	return out
}

// TestLookingIntoFilesInsideIsBounded: those that were not looked into are kept, and decoded when somebody asks.
func TestLookingIntoFilesInsideIsBounded(t *testing.T) {
	x := setup(t)
	w := &slow{cost: 60}
	x.Wrapping, x.LookBytes = w, 100
	root := x.accept(upload("box", "toy box"))
	ids := x.take(root, "a=wrapped 1", "b=wrapped 2", "c=wrapped 3", "d=toy plain", "e=wrapped 4")
	got := x.failures(ids)
	if got[0] != "" || got[1] != "" || got[2] != errcode.OutputLimit || got[3] != "" || got[4] != errcode.OutputLimit {
		t.Errorf("codes %q", got)
	}
	if len(w.most) != 2 || w.most[0] != 100 || w.most[1] != 40 {
		t.Errorf("bounds %v", w.most)
	}
	d, _, err := x.Redecode(t.Context(), Redecode{FileID: ids[2], Force: true})
	if err != nil || d.Status != catalog.Queued || w.asked != 1 {
		t.Errorf("asked for by itself: %+v %v", d, err)
	}
	f, err := x.Catalog.File(t.Context(), ids[2])
	if err != nil || f.Wrapped != "zip" || len(f.Parts) != 1 {
		t.Errorf("asked for by itself: %+v %v", f, err)
	}

	w.hang, x.LookTime = true, 50*time.Millisecond
	other := x.accept(upload("other", "toy other box"))
	got = x.failures(x.take(other, "a=wrapped 5", "b=wrapped 6", "c=toy plain"))
	if got[0] != errcode.Deadline || got[1] != errcode.Deadline || got[2] != "" || w.late != 1 {
		t.Errorf("codes %q, %d looked into when no time was left", got, w.late)
	}
	w.hang, w.failed = false, errcode.New(errcode.DiskFull, "full")
	if _, err := x.Take(t.Context(), other.File, *other.Decode, inside("d=wrapped 7")); !errcode.Is(err, errcode.DiskFull) {
		t.Errorf("full disk: %v", err)
	}
}
