package decode

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/blob"
	"github.com/wayside-edge/wayside/internal/cache"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/store"
	"github.com/wayside-edge/wayside/internal/table"
)

// decoderSHA is the digest of the false decoder.
var decoderSHA = strings.Repeat("ab", 32)

func plugin() runtime.Plugin {
	return runtime.Plugin{
		ID: "toy", Version: "1.0.0", SHA256: decoderSHA, State: runtime.Active,
		Formats: []runtime.Format{{ID: "toy-format"}},
		Tables:  []*table.Schema{{Name: "rows", Columns: []table.Column{{Name: "seq", Type: table.I64}}}},
	}
}

// registry knows one decoder, for files that begin with "toy".
type registry struct {
	plugin  runtime.Plugin
	wait    error
	removed bool // it is not there
	lately  bool // it was removed only just now
}

func (r *registry) MayComeBack(id string) bool { return r.lately && id == r.plugin.ID }

func (r *registry) Get(id string) (runtime.Plugin, bool) {
	if r.removed {
		return runtime.Plugin{}, false
	}
	return r.plugin, id == r.plugin.ID || id == r.plugin.Formats[0].ID
}

func (r *registry) Detect(_ context.Context, head []byte, _ int64, _ string) (runtime.Detection, bool) {
	return runtime.Detection{Format: "toy-format", Decoder: "toy"}, bytes.HasPrefix(head, []byte("toy"))
}

func (r *registry) Params(string, map[string]string) (json.RawMessage, error) {
	return json.RawMessage(`{}`), nil
}

func (r *registry) Wait(ctx context.Context, _ string) error {
	if r.wait != nil && ctx.Err() == nil {
		return r.wait
	}
	return context.Cause(ctx)
}

// pool plays the worker: it writes what it is told to and gives the verdict it is told to.
type pool struct {
	rows   int64
	result runtime.Result
	err    error
	before func(ctx context.Context) error
	found  func(r runtime.Request) ([]runtime.Child, error)
	seen   func(r runtime.Request)
}

func (p *pool) Decode(ctx context.Context, r runtime.Request) (runtime.Result, error) {
	if p.before != nil {
		if err := p.before(ctx); err != nil {
			return runtime.Result{}, err
		}
	}
	if p.err != nil {
		return runtime.Result{}, p.err
	}
	if p.seen != nil {
		p.seen(r)
	}
	schema := plugin().Tables[0]
	res := p.result
	res.Rows = p.rows
	res.Tables = []runtime.TableResult{{Schema: schema, Rows: p.rows}, {Schema: table.Issues()}}
	if p.found != nil {
		var err error
		if res.Children, err = p.found(r); err != nil {
			return runtime.Result{}, err
		}
	}
	if p.rows == 0 {
		return res, nil
	}
	f, err := r.Create(schema)
	if err != nil {
		return runtime.Result{}, err
	}
	enc, err := table.NewEncoder(r.Form, f, schema, r.Options)
	if err != nil {
		return runtime.Result{}, err
	}
	data := make([]byte, 8*p.rows)
	for i := range p.rows {
		data[8*i] = byte(i + 1)
	}
	err = errors.Join(enc.Write(&table.Batch{Rows: int(p.rows), Columns: []table.Vector{{Data: data}}}), enc.Close(), f.Close())
	return res, err
}

var _ queue.Handler = (*Decoder)(nil)

type fixture struct {
	*testing.T
	db  *store.DB
	d   *Decoder
	reg *registry
	run *pool

	kids *nursery
	dir  string

	cache    *cache.Cache
	keyspace *engine.Engine // of the cache
}

// noTemp fails the test where something is left in the folder for temporary files.
func (x *fixture) noTemp() {
	x.Helper()
	if left, err := os.ReadDir(x.dir + "/tmp"); len(left) != 0 || err != nil {
		x.Errorf("left behind: %v %v", left, err)
	}
}

func setup(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	db, err := store.Open(t.Context(), store.Config{Dir: dir + "/db", Reserve: 1, Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
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
	x := &fixture{T: t, db: db, reg: &registry{plugin: plugin()}, run: &pool{rows: 3, result: runtime.Result{Status: runtime.Done}}}
	x.kids, x.dir = &nursery{taken: map[string]string{}}, dir
	x.keyspace = engine.New(engine.Config{})
	x.cache, err = cache.New(cache.Config{Enabled: true, Engine: x.keyspace, Prefix: "atp_re:", TTLs: cache.TTLs{Default: time.Hour, Negative: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	x.d = New(Config{
		Memory:   NewMemory(cat, results, x.cache),
		Children: x.kids, Catalog: cat, Blobs: blobs, Results: results, Pool: x.run, Registry: x.reg, Events: event.New(0),
		Generator: "test", TempDir: dir + "/tmp",
	})
	return x
}

// queued records a file and a decode of it, and gives the job that would run it.
func (x *fixture) queued(content string) (catalog.Decode, queue.Job) {
	x.Helper()
	b, err := x.d.Blobs.Put(x.Context(), strings.NewReader(content), 0)
	if err != nil {
		x.Fatal(err)
	}
	b.Release()
	fileID, err := x.d.Catalog.NewFileID(x.Context())
	if err != nil {
		x.Fatal(err)
	}
	decodeID, err := x.d.Catalog.NewDecodeID(x.Context())
	if err != nil {
		x.Fatal(err)
	}
	params := json.RawMessage(`{}`)
	rec := catalog.Decode{
		ID: decodeID, FileID: fileID, Status: catalog.Queued, Format: "toy-format", Params: params,
		Decoder: &catalog.Decoder{ID: "toy", Version: "1.0.0", SHA256: decoderSHA},
		JobID:   "j-of-" + decodeID, ResultKey: catalog.ResultKey(b.SHA256, decoderSHA, params),
	}
	batch := x.db.Batch()
	err = errors.Join(
		x.d.Catalog.PutFile(batch, catalog.File{ID: fileID, Name: "a", Size: b.Size, SHA256: b.SHA256}),
		x.d.Catalog.PutPlugin(batch, CatalogPlugin(plugin())),
		x.d.Catalog.PutDecode(batch, rec))
	if err == nil {
		err = x.db.Commit(x.Context(), batch)
	}
	if err != nil {
		x.Fatal(err)
	}
	return rec, queue.Job{ID: queue.ID(rec.JobID), Payload: json.RawMessage(fmt.Sprintf(`{"decode_id":%q}`, decodeID))}
}

// handled runs a job and gives what stages its end. Its outcome is settled with that, as the queue does.
func (x *fixture) handled(job queue.Job) func(b *store.Batch) error {
	x.Helper()
	out := x.d.Handle(x.Context(), job)
	return func(b *store.Batch) error {
		if out.Settled != nil {
			b.OnCommit(out.Settled)
		}
		return out.Commit(b)
	}
}

// commit does with an outcome what an engine does, and gives the decode's record after it.
func (x *fixture) commit(id string, stage func(*store.Batch) error) catalog.Decode {
	x.Helper()
	if stage != nil {
		b := x.db.Batch()
		if err := stage(b); err != nil {
			x.Fatal(err)
		}
		if err := x.db.Commit(x.Context(), b); err != nil {
			x.Fatal(err)
		}
	}
	rec, err := x.d.Catalog.Decode(x.Context(), id)
	if err != nil {
		x.Fatal(err)
	}
	return rec
}

func TestHandleStoresTheResultBeforeItsRecord(t *testing.T) {
	x := setup(t)
	rec, job := x.queued("toy one")
	out := x.d.Handle(t.Context(), job)
	if out.Err != nil || out.Release {
		t.Fatalf("outcome %+v", out)
	}
	if !x.d.Results.Has(rec.ResultKey) {
		t.Error("the tables are not stored when the record is about to be")
	}
	if before := x.commit(rec.ID, nil); before.Status != catalog.Queued {
		t.Errorf("the record ended as %s before the job did", before.Status)
	}
	after := x.commit(rec.ID, out.Commit)
	if after.Status != catalog.Done || after.Rows != 3 || len(after.Tables) != 2 || after.FinishedAt.IsZero() {
		t.Errorf("record %+v", after)
	}
	if again := x.d.Handle(t.Context(), job); again.Err != nil || again.Commit != nil {
		t.Errorf("a job that runs again after its end: %+v", again)
	}
}

func TestHandleTakesATwinsResult(t *testing.T) {
	x := setup(t)
	first, job := x.queued("toy same")
	x.commit(first.ID, x.handled(job))
	second, job := x.queued("toy same")
	x.run.err = errors.New("the decoder ran although its result was there")
	got := x.commit(second.ID, x.handled(job))
	if got.Status != catalog.Done || !got.Cached || got.Rows != 3 {
		t.Errorf("record %+v", got)
	}
}

func TestHandleDecodesAgainWhenTheTwinsTablesAreGone(t *testing.T) {
	x := setup(t)
	first, job := x.queued("toy same")
	x.commit(first.ID, x.handled(job))
	if err := x.d.Results.Remove(first.ResultKey); err != nil {
		t.Fatal(err)
	}
	second, job := x.queued("toy same")
	if got := x.commit(second.ID, x.handled(job)); got.Cached || !x.d.Results.Has(second.ResultKey) {
		t.Errorf("record %+v", got)
	}
}

func TestHandleKeepsAVerdict(t *testing.T) {
	x := setup(t)
	off := int64(77)
	x.run.result = runtime.Result{
		Status: runtime.Partial, Issues: runtime.IssueCounts{Errors: 2},
		Failure: &runtime.Failure{Code: errcode.Stalled, Message: "no progress", Offset: &off},
	}
	rec, job := x.queued("toy partial")
	got := x.commit(rec.ID, x.handled(job))
	if got.Status != catalog.Partial || got.Error.Code != errcode.Stalled || *got.Error.Offset != 77 || got.Issues.Errors != 2 {
		t.Errorf("record %+v", got)
	}
}

func TestHandleWithoutRowsStoresNoFolder(t *testing.T) {
	x := setup(t)
	x.run.rows = 0
	rec, job := x.queued("toy empty")
	got := x.commit(rec.ID, x.handled(job))
	if got.Status != catalog.Done || x.d.Results.Has(rec.ResultKey) {
		t.Errorf("record %+v, folder %v", got, x.d.Results.Has(rec.ResultKey))
	}
}

func TestHandleReleasesWhatIsNoVerdict(t *testing.T) {
	full := &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	for name, tc := range map[string]struct {
		err  error
		wait error
	}{
		"disk full": {err: errcode.New(errcode.DiskFull, "full")},
		"no space":  {err: full},
		"shutdown":  {err: errcode.New(errcode.ShuttingDown, "stop")},
		"compiling": {wait: errCompiling},
	} {
		t.Run(name, func(t *testing.T) {
			x := setup(t)
			x.run.err, x.reg.wait = tc.err, tc.wait
			rec, job := x.queued("toy")
			out := x.d.Handle(t.Context(), job)
			if !out.Release || out.Commit != nil || out.Err != nil {
				t.Errorf("outcome %+v", out)
			}
			if x.d.Results.Has(rec.ResultKey) {
				t.Error("tables of a released job are stored")
			}
		})
	}
}

func TestHandleEndsACancelledDecode(t *testing.T) {
	x := setup(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	x.run.before = func(ctx context.Context) error {
		cancel(queue.ErrCancelled)
		return context.Cause(ctx)
	}
	rec, job := x.queued("toy")
	out := x.d.Handle(ctx, job)
	if !errors.Is(out.Err, queue.ErrCancelled) {
		t.Errorf("outcome %+v", out)
	}
	if got := x.commit(rec.ID, out.Commit); got.Status != catalog.Cancelled || got.Error.Code != errcode.Cancelled {
		t.Errorf("record %+v", got)
	}
}

func TestHandleRetriesACrash(t *testing.T) {
	x := setup(t)
	x.run.err = errcode.New(errcode.WorkerCrashed, "killed")
	_, job := x.queued("toy")
	if out := x.d.Handle(t.Context(), job); !errcode.Is(out.Err, errcode.WorkerCrashed) || out.Permanent || out.Commit != nil {
		t.Errorf("outcome %+v", out)
	}
}

func TestHandleOfARejectedDecoderFails(t *testing.T) {
	x := setup(t)
	x.reg.wait = errcode.New(errcode.PluginRejected, "no good")
	rec, job := x.queued("toy")
	if got := x.commit(rec.ID, x.handled(job)); got.Status != catalog.Failed || got.Error.Code != errcode.PluginRejected {
		t.Errorf("record %+v", got)
	}
}

// TestHandleOfARemovedDecoder gives way while somebody may be replacing its file, then fails.
func TestHandleOfARemovedDecoder(t *testing.T) {
	x := setup(t)
	rec, job := x.queued("toy")
	x.reg.removed, x.reg.lately = true, true
	if out := x.d.Handle(t.Context(), job); !out.Release || out.Delay != removedDelay || out.Commit != nil || out.Err != nil {
		t.Errorf("outcome %+v", out)
	}
	x.reg.lately = false
	got := x.commit(rec.ID, x.handled(job))
	if got.Status != catalog.Failed || got.Error.Code != errcode.PluginRejected || !strings.Contains(got.Error.Message, "toy is not installed") {
		t.Errorf("record %+v", got)
	}
}

// TestHandleOfAZoneThatIsGoneFails has a time zone in the parameters that this version of the program does not know.
func TestHandleOfAZoneThatIsGoneFails(t *testing.T) {
	x := setup(t)
	x.run.err = errcode.Invalid("param.timezone", "unknown time zone")
	rec, job := x.queued("toy")
	if got := x.commit(rec.ID, x.handled(job)); got.Status != catalog.Failed || got.Error.Code != errcode.ValidationFailed {
		t.Errorf("record %+v", got)
	}
}

func TestHandleUsesTheCurrentVersion(t *testing.T) {
	x := setup(t)
	rec, job := x.queued("toy")
	x.reg.plugin.SHA256, x.reg.plugin.Version = strings.Repeat("cd", 32), "2.0.0"
	got := x.commit(rec.ID, x.handled(job))
	if got.Decoder.Version != "2.0.0" || got.ResultKey == rec.ResultKey || !x.d.Results.Has(got.ResultKey) {
		t.Errorf("record %+v", got)
	}
	if ids, err := x.d.Catalog.DecodesOfResult(t.Context(), rec.ResultKey); err != nil || len(ids) > 0 {
		t.Errorf("the old result is still referred to by %v %v", ids, err)
	}
}

func TestHandleOfADeletedDecodeDoesNothing(t *testing.T) {
	x := setup(t)
	if out := x.d.Handle(t.Context(), queue.Job{Payload: json.RawMessage(`{"decode_id":"d0000000zzz"}`)}); out.Err != nil || out.Commit != nil {
		t.Errorf("outcome %+v", out)
	}
}

func TestDeadFailsTheDecode(t *testing.T) {
	x := setup(t)
	for _, tc := range []struct {
		payload bool
		code    errcode.Code
		want    catalog.Status
	}{
		{true, errcode.WorkerCrashed, catalog.Failed},
		{true, errcode.Cancelled, catalog.Cancelled},
		{false, errcode.Corrupt, catalog.Failed}, // the job's own record is lost: found by its id
	} {
		rec, job := x.queued("toy")
		if !tc.payload {
			job.Payload = nil
		}
		got := x.commit(rec.ID, func(b *store.Batch) error { return x.d.Dead(b, job, tc.code, "why") })
		if got.Status != tc.want || got.Error.Code != tc.code || got.Error.Message != "why" {
			t.Errorf("%s: record %+v", tc.code, got)
		}
	}
}

func TestProgressIsSeenAndForgotten(t *testing.T) {
	x := setup(t)
	rec, job := x.queued("toy")
	x.run.before = func(ctx context.Context) error {
		got, err := x.d.Catalog.Decode(ctx, rec.ID)
		if err == nil && got.Status != catalog.Running {
			err = fmt.Errorf("a decode that runs is %s", got.Status)
		}
		return err
	}
	out := x.d.Handle(t.Context(), job)
	if out.Err != nil {
		t.Fatal(out.Err)
	}
	if got := x.commit(rec.ID, nil); got.Status != catalog.Queued {
		t.Errorf("after the run, before its commit: %s", got.Status)
	}
}

func TestDirect(t *testing.T) {
	x := setup(t)
	for _, tc := range []struct {
		name string
		req  DirectRequest
		want string
		code errcode.Code
	}{
		{name: "table", req: DirectRequest{Body: strings.NewReader("toy"), To: table.NDJSON, Table: "rows"}, want: "{\"seq\":1}\n{\"seq\":2}\n{\"seq\":3}\n"},
		{name: "first table", req: DirectRequest{Body: strings.NewReader("toy"), To: table.CSV}, want: "seq\n1\n2\n3\n"},
		{name: "empty table", req: DirectRequest{Body: strings.NewReader("toy"), To: table.CSV, Table: "issues"}, want: "seq,offset,severity,code,message,table,row\n"},
		{name: "unknown", req: DirectRequest{Body: strings.NewReader("what"), To: table.CSV}, code: errcode.UnknownFormat},
		{name: "forced", req: DirectRequest{Body: strings.NewReader("what"), To: table.CSV, Decoder: "toy"}, want: "seq\n1\n2\n3\n"},
		{name: "no such decoder", req: DirectRequest{Body: strings.NewReader("toy"), To: table.CSV, Decoder: "x"}, code: errcode.ValidationFailed},
		{name: "no such table", req: DirectRequest{Body: strings.NewReader("toy"), To: table.CSV, Table: "x"}, code: errcode.ValidationFailed},
		{name: "too large", req: DirectRequest{Body: strings.NewReader("toy and more"), To: table.CSV, Limit: 5}, code: errcode.TooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var buf bytes.Buffer
			begun := 0
			err := x.d.Direct(t.Context(), tc.req, func(DirectInfo) { begun++ }, &buf)
			if tc.code != "" {
				if !errcode.Is(err, tc.code) || begun > 0 || buf.Len() > 0 {
					t.Errorf("error %v after %d bytes", err, buf.Len())
				}
				return
			}
			if got := strings.ReplaceAll(buf.String(), "\r\n", "\n"); err != nil || got != tc.want || begun != 1 {
				t.Errorf("%v, begun %d: %q", err, begun, got)
			}
		})
	}
	left, err := os.ReadDir(x.d.TempDir)
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

func TestDirectWhole(t *testing.T) {
	x := setup(t)
	var buf bytes.Buffer
	if err := x.d.Direct(t.Context(), DirectRequest{Body: strings.NewReader("toy"), To: table.JSON}, func(DirectInfo) {}, &buf); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Decode struct {
			Status string `json:"status"`
			Rows   int64  `json:"rows"`
		} `json:"decode"`
		Tables map[string][]map[string]any `json:"tables"`
	}
	if err := json.Unmarshal(buf.Bytes(), &doc); err != nil {
		t.Fatalf("%v: %s", err, buf.Bytes())
	}
	if doc.Decode.Status != "done" || len(doc.Tables["rows"]) != 3 || doc.Tables["issues"] == nil {
		t.Errorf("document %s", buf.Bytes())
	}
}

func TestDirectFailureHasItsOffset(t *testing.T) {
	x := setup(t)
	off := int64(5)
	x.run.rows, x.run.result = 0, runtime.Result{Status: runtime.Failed, Failure: &runtime.Failure{Code: errcode.Trap, Offset: &off}}
	err := x.d.Direct(t.Context(), DirectRequest{Body: strings.NewReader("toy"), To: table.CSV}, func(DirectInfo) {}, &bytes.Buffer{})
	e, ok := errors.AsType[*errcode.Error](err)
	if !ok || e.Code != errcode.DecodeFailed || e.Offset == nil || *e.Offset != 5 {
		t.Errorf("error %v", err)
	}
}
