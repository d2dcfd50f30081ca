package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/wayside-edge/wayside/internal/blob"
	"github.com/wayside-edge/wayside/internal/cache"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/decode"
	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/queue/local"
	"github.com/wayside-edge/wayside/internal/store"
	"github.com/wayside-edge/wayside/internal/table"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// detector knows one decoder, for recordings that begin with "toy".
type detector struct{}

var toy = Match{Format: "toy-format", Plugin: catalog.Plugin{
	SHA256: strings.Repeat("ab", 32), ID: "toy", Version: "1.0.0",
	Tables: []*table.Schema{{Name: "rows", Columns: []table.Column{{Name: "seq", Type: table.I64}}}},
}}

func (detector) Detect(_ context.Context, head []byte, _ int64, _ string) (Match, bool) {
	return toy, strings.HasPrefix(string(head), "toy")
}

func (detector) Resolve(id string) (Match, error) {
	if id != "toy" {
		return Match{}, errcode.Invalid("decoder", "no decoder or format %q", id)
	}
	return toy, nil
}

func (detector) Params(_ string, given map[string]string) (json.RawMessage, error) {
	if _, ok := given["bad"]; ok {
		return nil, errcode.Invalid("param.bad", "unknown")
	}
	return json.Marshal(given)
}

type fixture struct {
	*testing.T
	*Ingester
	dir    string
	engine *local.Engine
	staged int64 // bytes of the last commit of files found inside another
	trace  queue.Trace
}

func setup(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	db, err := store.Open(t.Context(), store.Config{Dir: dir + "/db", Reserve: 1, Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.Open(db)
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(blob.Config{Dir: dir + "/blobs", TempDir: dir + "/tmp"})
	if err != nil {
		t.Fatal(err)
	}
	results, err := table.OpenDir(dir+"/results", dir+"/tmp", disk.OS)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := local.Open(t.Context(), local.Config{DB: db})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(engine.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	off, err := cache.New(cache.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{T: t, dir: dir, engine: engine, Ingester: New(Config{
		DB: db, Catalog: cat, Blobs: blobs, Queue: engine, Results: results, Earlier: decode.NewMemory(cat, results, off), Detector: detector{}, Events: event.New(0),
		MaxUpload: 1 << 20,
	})}
}

func upload(name, content string) Upload {
	return Upload{Name: name, Body: strings.NewReader(content), Source: catalog.SourceAPI, Decode: true}
}

func (x *fixture) accept(u Upload) Accepted {
	x.Helper()
	acc, err := x.Accept(x.Context(), u)
	if err != nil {
		x.Fatal(err)
	}
	return acc
}

// files lists what lies below a folder of the data folder.
func (x *fixture) files(sub string) []string {
	x.Helper()
	var out []string
	err := filepath.WalkDir(filepath.Join(x.dir, sub), func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		x.Fatal(err)
	}
	return out
}

// finish ends a decode as its job would: with a result of one table.
func (x *fixture) finish(d catalog.Decode) catalog.Decode {
	x.Helper()
	leased, err := x.engine.Lease(x.Context(), queue.LeaseRequest{Queues: []string{JobQueue}})
	if err != nil {
		x.Fatal(err)
	}
	s, err := x.Results.(*table.Dir).Begin(d.ResultKey)
	if err != nil {
		x.Fatal(err)
	}
	f, err := s.Create("rows")
	if err != nil {
		x.Fatal(err)
	}
	if err := errors.Join(f.Close(), s.Commit()); err != nil {
		x.Fatal(err)
	}
	d.Status, d.Rows, d.Tables = catalog.Done, 1, []catalog.Table{{Name: "rows", Rows: 1}}
	err = x.engine.Finish(x.Context(), leased[0].Lease, queue.Outcome{Commit: func(b *store.Batch) error {
		return x.putDecode(b, d)
	}})
	if err != nil {
		x.Fatal(err)
	}
	return d
}

func (x *fixture) jobs() int {
	x.Helper()
	p, err := x.engine.List(x.Context(), queue.Filter{Limit: 1000})
	if err != nil {
		x.Fatal(err)
	}
	return len(p.Jobs)
}

func TestAcceptRecordsFileDecodeAndJob(t *testing.T) {
	x := setup(t)
	acc := x.accept(upload("a.toy", "toy 1"))
	f, err := x.Catalog.File(t.Context(), acc.File.ID)
	if err != nil || f.Format != "toy-format" || f.Size != 5 {
		t.Fatalf("file %+v %v", f, err)
	}
	d, err := x.Catalog.Decode(t.Context(), acc.Decode.ID)
	if err != nil || d.Status != catalog.Queued || d.ResultKey == "" {
		t.Fatalf("decode %+v %v", d, err)
	}
	j, err := x.engine.Get(t.Context(), queue.ID(d.JobID))
	if err != nil || j.Status != queue.Ready || !strings.Contains(string(j.Payload), d.ID) || !j.Writing {
		t.Errorf("job %+v %v", j, err)
	}
}

func TestAcceptKnowsTheSameDelivery(t *testing.T) {
	x := setup(t)
	first := x.accept(upload("a.toy", "toy 1"))
	again := x.accept(upload("a.toy", "toy 1"))
	if !again.Existing || again.File.ID != first.File.ID || again.Decode.ID != first.Decode.ID {
		t.Errorf("again: %+v", again)
	}
	u := upload("a.toy", "toy 1")
	u.Params = map[string]string{"x": "1"}
	if other := x.accept(u); other.Existing {
		t.Errorf("other parameters: %+v", other)
	}
	u = upload("a.toy", "toy 1")
	u.Force = true
	if forced := x.accept(u); forced.Existing || forced.Decode.Cached {
		t.Errorf("forced: %+v", forced)
	}
	if n := x.jobs(); n != 3 {
		t.Errorf("%d jobs", n)
	}
	if n := len(x.files("blobs")); n != 1 {
		t.Errorf("%d blobs of one content", n)
	}
}

func TestAcceptUsesAResultThatIsThere(t *testing.T) {
	x := setup(t)
	first := x.accept(upload("a.toy", "toy 1"))
	x.finish(*first.Decode)
	second := x.accept(upload("b.toy", "toy 1"))
	if second.Existing || second.File.ID == first.File.ID || second.Decode.Status != catalog.Done || !second.Decode.Cached {
		t.Errorf("second: %+v", second)
	}
	if err := x.Results.Remove(first.Decode.ResultKey); err != nil {
		t.Fatal(err)
	}
	if third := x.accept(upload("c.toy", "toy 1")); third.Decode.Cached {
		t.Errorf("the result is gone, yet: %+v", third.Decode)
	}
}

func TestAcceptKeepsWhatNobodyKnows(t *testing.T) {
	x := setup(t)
	for _, content := range []string{"what is this", ""} {
		acc := x.accept(upload("a", content))
		if acc.File.Format != "" || acc.Decode.Status != catalog.Failed || acc.Decode.Error.Code != errcode.UnknownFormat {
			t.Errorf("%q: %+v", content, acc)
		}
		if again := x.accept(upload("a", content)); !again.Existing {
			t.Errorf("%q again: %+v", content, again)
		}
	}
	if n := x.jobs(); n != 0 {
		t.Errorf("%d jobs", n)
	}
}

// brokenReader gives some bytes, then fails.
type brokenReader struct{ r io.Reader }

var errBroken = errors.New("connection reset")

func (b brokenReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err == io.EOF {
		err = errBroken
	}
	return n, err
}

func TestAcceptLeavesNothingOfAFailure(t *testing.T) {
	x := setup(t)
	for name, u := range map[string]Upload{
		"cut off":         {Name: "a", Body: brokenReader{strings.NewReader("toy and so on")}, Decode: true},
		"too large":       {Name: "a", Body: strings.NewReader("toy" + strings.Repeat("x", 2<<20)), Decode: true},
		"no such decoder": {Name: "a", Body: strings.NewReader("toy"), Decode: true, Decoder: "nobody"},
		"bad parameter":   {Name: "a", Body: strings.NewReader("toy"), Decode: true, Params: map[string]string{"bad": "1"}},
	} {
		if acc, err := x.Accept(t.Context(), u); err == nil {
			t.Errorf("%s: accepted %+v", name, acc)
		}
		if left := append(x.files("blobs"), x.files("tmp")...); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
	files, _, err := x.Catalog.Files(t.Context(), catalog.FileQuery{})
	if err != nil || len(files) > 0 {
		t.Errorf("files %v %v", files, err)
	}
}

func TestAFailureKeepsTheBlobOfAnother(t *testing.T) {
	x := setup(t)
	x.accept(upload("a.toy", "toy 1"))
	u := upload("b.toy", "toy 1")
	u.Params = map[string]string{"bad": "1"}
	if _, err := x.Accept(t.Context(), u); err == nil {
		t.Fatal("accepted")
	}
	if n := len(x.files("blobs")); n != 1 {
		t.Errorf("%d blobs", n)
	}
}

func TestConcurrentSameDeliveriesAreOneFile(t *testing.T) {
	x := setup(t)
	var wg sync.WaitGroup
	ids := make([]string, 16)
	for i := range ids {
		wg.Go(func() { ids[i] = x.accept(upload("a.toy", "toy 1")).File.ID })
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("files %v", ids)
			break
		}
	}
	if n := x.jobs(); n != 1 {
		t.Errorf("%d jobs", n)
	}
}

func TestDeleteLetsGoOfEverything(t *testing.T) {
	x := setup(t)
	first := x.accept(upload("a.toy", "toy 1"))
	x.finish(*first.Decode)
	second := x.accept(upload("b.toy", "toy 1"))
	if err := x.DeleteFile(t.Context(), first.File.ID); err != nil {
		t.Fatal(err)
	}
	if len(x.files("blobs")) != 1 || !x.Results.Has(second.Decode.ResultKey) {
		t.Error("what the second file refers to is gone")
	}
	if _, err := x.Catalog.Decode(t.Context(), first.Decode.ID); !errcode.Is(err, errcode.NotFound) {
		t.Errorf("the decode of the deleted file: %v", err)
	}
	if err := x.DeleteDecode(t.Context(), second.Decode.ID); err != nil {
		t.Fatal(err)
	}
	if x.Results.Has(second.Decode.ResultKey) {
		t.Error("a result without a decode is kept")
	}
	if err := x.DeleteFile(t.Context(), second.File.ID); err != nil {
		t.Fatal(err)
	}
	if left := append(x.files("blobs"), x.files("results")...); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if err := x.DeleteFile(t.Context(), second.File.ID); !errcode.Is(err, errcode.NotFound) {
		t.Errorf("second delete: %v", err)
	}
}

func TestDeleteCancelsAJobThatWaits(t *testing.T) {
	x := setup(t)
	acc := x.accept(upload("a.toy", "toy 1"))
	if err := x.DeleteFile(t.Context(), acc.File.ID); err != nil {
		t.Fatal(err)
	}
	j, err := x.engine.Get(t.Context(), queue.ID(acc.Decode.JobID))
	if err != nil || j.Status != queue.Cancelled {
		t.Errorf("job %+v %v", j, err)
	}
}

func TestDeleteWaitsForAJobThatRuns(t *testing.T) {
	x := setup(t)
	acc := x.accept(upload("a.toy", "toy 1"))
	told := make(chan queue.Lease, 1)
	leased, err := x.engine.Lease(t.Context(), queue.LeaseRequest{OnCancel: func(l queue.Lease) { told <- l }})
	if err != nil {
		t.Fatal(err)
	}
	deleted := make(chan error, 1)
	go func() { deleted <- x.DeleteFile(t.Context(), acc.File.ID) }()
	<-told
	select {
	case err := <-deleted:
		t.Fatalf("deleted under a running job: %v", err)
	default:
	}
	rec := *acc.Decode
	rec.Status = catalog.Cancelled
	err = x.engine.Finish(t.Context(), leased[0].Lease, queue.Outcome{
		Err: queue.ErrCancelled, Commit: func(b *store.Batch) error { return x.putDecode(b, rec) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-deleted; err != nil {
		t.Error(err)
	}
	if _, err := x.Catalog.Decode(t.Context(), rec.ID); !errcode.Is(err, errcode.NotFound) {
		t.Errorf("the finishing job brought the decode back: %v", err)
	}
}

func TestCancel(t *testing.T) {
	x := setup(t)
	acc := x.accept(upload("a.toy", "toy 1"))
	d, err := x.Cancel(t.Context(), acc.Decode.ID)
	if err != nil || d.Status != catalog.Cancelled {
		t.Errorf("cancel: %+v %v", d, err)
	}
	if _, err := x.Cancel(t.Context(), acc.Decode.ID); !errcode.Is(err, errcode.Conflict) {
		t.Errorf("second cancel: %v", err)
	}
	again := x.accept(upload("a.toy", "toy 1"))
	if again.Decode.ID == acc.Decode.ID {
		t.Error("a cancelled decode was given back for a new upload")
	}
}

func TestRedecode(t *testing.T) {
	x := setup(t)
	acc := x.accept(upload("a.toy", "toy 1"))
	for _, tc := range []struct {
		r        Redecode
		existing bool
	}{
		{Redecode{FileID: acc.File.ID}, true},
		{Redecode{FileID: acc.File.ID, Decoder: "toy"}, true},
		{Redecode{FileID: acc.File.ID, Params: map[string]string{"x": "1"}}, false},
		{Redecode{FileID: acc.File.ID, Force: true}, false},
	} {
		d, existing, err := x.Redecode(t.Context(), tc.r)
		if err != nil || existing != tc.existing || d.FileID != acc.File.ID {
			t.Errorf("%+v: %+v %v %v", tc.r, d, existing, err)
		}
	}
	if _, _, err := x.Redecode(t.Context(), Redecode{FileID: "f0000000zzz"}); !errcode.Is(err, errcode.NotFound) {
		t.Errorf("of no file: %v", err)
	}
	unknown := x.accept(upload("u", "what"))
	d, existing, err := x.Redecode(t.Context(), Redecode{FileID: unknown.File.ID, Decoder: "toy"})
	if err != nil || existing || d.Status != catalog.Queued {
		t.Errorf("with a decoder named: %+v %v %v", d, existing, err)
	}
}

func TestSweepRemovesOrphansOnly(t *testing.T) {
	x := setup(t)
	acc := x.accept(upload("a.toy", "toy 1"))
	x.finish(*acc.Decode)
	orphan, err := x.Blobs.Put(t.Context(), strings.NewReader("orphan"), 0)
	if err != nil {
		t.Fatal(err)
	}
	orphan.Release()
	held, err := x.Blobs.Put(t.Context(), strings.NewReader("being recorded"), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	s, err := x.Results.(*table.Dir).Begin("orphan")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := x.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !x.Blobs.Has(acc.File.SHA256) || !x.Blobs.Has(held.SHA256) || x.Blobs.Has(orphan.SHA256) {
		t.Error("the wrong blobs were swept")
	}
	if !x.Results.Has(acc.Decode.ResultKey) || x.Results.Has("orphan") {
		t.Error("the wrong results were swept")
	}
}
