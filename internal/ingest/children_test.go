package ingest

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// inside makes files found inside another of name=content.
func inside(files ...string) []Child {
	var out []Child
	for _, f := range files {
		name, content, _ := strings.Cut(f, "=")
		out = append(out, Child{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }})
	}
	return out
}

// take records files found inside another.
func (x *fixture) take(parent Accepted, files ...string) []string {
	x.Helper()
	c, err := x.Take(x.Context(), parent.File, *parent.Decode, inside(files...))
	if err != nil {
		x.Fatal(err)
	}
	defer c.Release()
	c.trace = x.trace
	b := x.DB.Batch()
	if err := c.Stage(b); err != nil {
		x.Fatal(err)
	}
	x.staged = b.Size()
	if err := x.DB.Commit(x.Context(), b); err != nil {
		x.Fatal(err)
	}
	return c.IDs()
}

func (x *fixture) tree(id string) int {
	x.Helper()
	n, err := x.Catalog.TreeSize(x.Context(), id)
	if err != nil {
		x.Fatal(err)
	}
	return n
}

func TestTakeRecordsFilesWithTheirJobs(t *testing.T) {
	x := setup(t)
	root := x.accept(upload("box", "toy box"))
	ids := x.take(root, "a=toy one", "b=nothing known", "a=toy one", "a=toy two")
	if len(ids) != 3 || x.tree(root.File.ID) != 3 {
		t.Fatalf("files %v, %d in all", ids, x.tree(root.File.ID))
	}
	for i, want := range []catalog.Status{catalog.Queued, catalog.Failed, catalog.Queued} {
		f, err := x.Catalog.File(t.Context(), ids[i])
		if err != nil || f.Source != catalog.SourceChild || f.Parent == nil || *f.Parent != (catalog.Parent{FileID: root.File.ID, DecodeID: root.Decode.ID, RootID: root.File.ID, Depth: 1}) {
			t.Errorf("file %+v %+v %v", f, f.Parent, err)
		}
		decodes, err := x.Catalog.DecodesOf(t.Context(), ids[i])
		if err != nil || len(decodes) != 1 {
			t.Fatalf("decodes %v %v", decodes, err)
		}
		if d, err := x.Catalog.Decode(t.Context(), decodes[0]); err != nil || d.Status != want || (d.JobID == "") != (want == catalog.Failed) {
			t.Errorf("decode %+v %v", d, err)
		}
	}
	jobs := x.jobs()
	if again := x.take(root, "a=toy one", "b=nothing known", "a=toy two"); !slices.Equal(again, ids) || x.jobs() != jobs || x.tree(root.File.ID) != 3 {
		t.Errorf("taken again: %v, before %v, %d jobs, before %d", again, ids, x.jobs(), jobs)
	}
}

func TestTakeLeavesNothingThatIsNotCommitted(t *testing.T) {
	x := setup(t)
	root := x.accept(upload("box", "toy box"))
	c, err := x.Take(t.Context(), root.File, *root.Decode, inside("a=toy one"))
	if err != nil || len(x.files("blobs")) != 2 {
		t.Fatalf("%v, blobs %v", err, x.files("blobs"))
	}
	sum := c.held[0].sha
	if err := x.dropBlob(t.Context(), sum); err != nil || len(x.files("blobs")) != 2 {
		t.Errorf("bytes that are about to be recorded were removed: %v", err)
	}
	c.Release()
	c.Release()
	if left := x.files("blobs"); len(left) != 1 {
		t.Errorf("blobs %v", left)
	}
	broken := append(inside("a=toy one"), Child{Name: "b", Open: func() (io.ReadCloser, error) { return nil, errBroken }})
	if _, err := x.Take(t.Context(), root.File, *root.Decode, broken); !errors.Is(err, errBroken) || len(x.files("blobs")) != 1 {
		t.Errorf("%v, blobs %v", err, x.files("blobs"))
	}
	x.take(root, "a=toy one") // no lock is left
}

func TestTakeSame(t *testing.T) {
	x := setup(t)
	first, second := x.accept(upload("box", "toy box")), x.accept(upload("other", "toy box"))
	ids := x.take(first, "a=toy one", "b=toy two")
	twin := *first.Decode
	twin.Children = ids
	c, err := x.TakeSame(t.Context(), second.File, *second.Decode, twin)
	if err != nil || len(c.IDs()) != 2 || slices.Contains(c.IDs(), ids[0]) {
		t.Fatalf("%+v %v", c, err)
	}
	c.Release()
	if err := x.DeleteFile(t.Context(), ids[1]); err != nil {
		t.Fatal(err)
	}
	if c, err := x.TakeSame(t.Context(), second.File, *second.Decode, twin); c != nil || err != nil {
		t.Errorf("one is gone: %+v %v", c, err)
	}
}

func TestChildrenInheritTheZone(t *testing.T) {
	x := setup(t)
	u := upload("box", "toy box")
	u.Params = map[string]string{"timezone": "Europe/Berlin", "x": "1", "reveal": "true"}
	ids := x.take(x.accept(u), "a=toy one")
	decodes, err := x.Catalog.DecodesOf(t.Context(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	if d, err := x.Catalog.Decode(t.Context(), decodes[0]); err != nil || string(d.Params) != `{"timezone":"Europe/Berlin"}` || d.Reveal {
		t.Errorf("%s %v", d.Params, err)
	}
	refusal := errcode.Invalid("param.timezone", "not taken")
	p, err := x.planFor(nil, json.RawMessage(`{"timezone":"UTC"}`), func(p *plan, u Upload) error {
		if len(u.Params) > 0 {
			return refusal
		}
		p.known = true
		return nil
	})
	if err != nil || !p.known {
		t.Errorf("a decoder that takes no zone: %+v %v", p, err)
	}
	if p, err := x.planFor(nil, nil, func(p *plan, _ Upload) error { p.known = true; return refusal }); err != nil || p.known {
		t.Errorf("a decoder that needs parameters: %+v %v", p, err)
	}
}

func TestRoom(t *testing.T) {
	x := setup(t)
	x.ChildDepth, x.ChildTotal = 2, 3
	root := x.accept(upload("box", "toy box"))
	ids := x.take(root, "a=toy one", "b=toy two")
	child, err := x.Catalog.File(t.Context(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	deep := x.take(Accepted{File: child, Decode: root.Decode}, "c=toy three")
	grandchild, err := x.Catalog.File(t.Context(), deep[0])
	if err != nil {
		t.Fatal(err)
	}
	want := func(f catalog.File, want Room) {
		t.Helper()
		if got, err := x.Room(t.Context(), f); got != want || err != nil {
			t.Errorf("depth %d: %d %v, want %d", f.Depth(), got, err, want)
		}
	}
	want(root.File, TooMany)
	want(grandchild, TooDeep)
	if err := x.DeleteFile(t.Context(), ids[1]); err != nil {
		t.Fatal(err)
	}
	want(root.File, RoomLeft)
	want(child, RoomLeft)
}

func TestDeleteFileTakesWhatIsInside(t *testing.T) {
	x := setup(t)
	root := x.accept(upload("box", "toy box"))
	// One of them is the box itself: its digest's lock is that of its parent.
	ids := x.take(root, "a=toy box", "b=toy two")
	child, err := x.Catalog.File(t.Context(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	ids = append(ids, x.take(Accepted{File: child, Decode: root.Decode}, "c=toy three")...)
	own := x.accept(upload("b", "toy two")) // delivered by itself, it stays
	if own.Existing {
		t.Fatal("a delivery was taken for a file found inside another")
	}
	if err := x.DeleteFile(t.Context(), root.File.ID); err != nil {
		t.Fatal(err)
	}
	for _, id := range append(ids, root.File.ID) {
		if _, err := x.Catalog.File(t.Context(), id); !errcode.Is(err, errcode.NotFound) {
			t.Errorf("file %s: %v", id, err)
		}
	}
	if _, err := x.Catalog.File(t.Context(), own.File.ID); err != nil {
		t.Error(err)
	}
	if left := x.files("blobs"); len(left) != 1 {
		t.Errorf("blobs %v", left)
	}
	if left, err := x.Catalog.ChildrenOf(t.Context(), root.File.ID); len(left) != 0 || err != nil || x.tree(root.File.ID) != 0 {
		t.Errorf("index %v %v, %d in all", left, err, x.tree(root.File.ID))
	}
}

// TestTakeOfEqualBytes: names tell files apart that have the same bytes, and a delivery's result is left to the job to find.
func TestTakeOfEqualBytes(t *testing.T) {
	x := setup(t)
	x.finish(*x.accept(upload("own", "toy one")).Decode)
	root := x.accept(upload("box", "toy box"))
	ids := x.take(root, "a=toy one", "b=toy one")
	if again := x.take(root, "a=toy one", "b=toy one"); !slices.Equal(again, ids) || ids[0] == ids[1] {
		t.Errorf("taken again: %v, before %v", again, ids)
	}
	decodes, err := x.Catalog.DecodesOf(t.Context(), ids[0])
	if err != nil || len(decodes) != 1 {
		t.Fatal(decodes, err)
	}
	if d, err := x.Catalog.Decode(t.Context(), decodes[0]); err != nil || d.Status != catalog.Queued || d.Cached {
		t.Errorf("done at once, without the lock of its digest: %+v %v", d, err)
	}
	if err := x.DeleteDecode(t.Context(), decodes[0]); err != nil {
		t.Fatal(err)
	}
	x.take(root, "a=toy one", "b=toy one")
	if now, err := x.Catalog.DecodesOf(t.Context(), ids[0]); err != nil || len(now) != 1 || now[0] == decodes[0] {
		t.Errorf("a file whose decode was deleted: %v %v", now, err)
	}
}
