package catalog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/store"
	"github.com/wayside-edge/wayside/internal/table"
)

type fixture struct {
	t  *testing.T
	db *store.DB
	c  *Catalog
}

func open(t *testing.T) fixture {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Dir: t.TempDir() + "/db", Reserve: 1, Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := Open(db)
	if err != nil {
		t.Fatal(err)
	}
	return fixture{t, db, c}
}

func (x fixture) commit(change func(b *store.Batch) error) {
	x.t.Helper()
	b := x.db.Batch()
	if err := change(b); err != nil {
		x.t.Fatal(err)
	}
	if err := x.db.Commit(x.t.Context(), b); err != nil {
		x.t.Fatal(err)
	}
}

func (x fixture) file(name, sha string) File {
	x.t.Helper()
	id, err := x.c.NewFileID(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	f := File{ID: id, Name: name, Size: 3, SHA256: sha, Source: SourceAPI, CreatedAt: time.Unix(1, 5).UTC()}
	x.commit(func(b *store.Batch) error { return x.c.PutFile(b, f) })
	return f
}

func (x fixture) decode(f File, status Status, key string) Decode {
	x.t.Helper()
	id, err := x.c.NewDecodeID(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	d := Decode{
		ID: id, FileID: f.ID, Status: status, ResultKey: key, Decoder: &Decoder{"rail", "1.0.0", "ab"},
		Params: json.RawMessage(`{}`), CreatedAt: time.Unix(2, 0).UTC(),
	}
	x.commit(func(b *store.Batch) error { return x.c.PutDecode(b, d) })
	return d
}

func TestRecordsComeBackAsTheyWerePut(t *testing.T) {
	x := open(t)
	f := x.file("a.RU", "aa")
	d := x.decode(f, Done, "k1")
	gotF, err := x.c.File(t.Context(), f.ID)
	if err != nil {
		t.Fatal(err)
	}
	gotD, err := x.c.Decode(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, gotF) + cmp.Diff(d, gotD); diff != "" {
		t.Error(diff)
	}
	for _, id := range []string{"", "f", d.ID, "f0000000fff", "../x", strings.Repeat("f", 5000)} {
		if _, err := x.c.File(t.Context(), id); !errcode.Is(err, errcode.NotFound) {
			t.Errorf("File(%q): %v", id, err)
		}
	}
}

func TestIndexesFollowTheRecords(t *testing.T) {
	x := open(t)
	ctx := t.Context()
	f, g := x.file("a", "aa"), x.file("b", "aa")
	other := x.file("c", "aab") // a digest that begins like another is another
	d, e := x.decode(f, Done, "k1"), x.decode(g, Done, "k1")
	x.decode(other, Done, "k12")
	want := func(what string, got []string, err error, ids ...string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ids, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	ids, err := x.c.FilesOfBlob(ctx, "aa")
	want("files of blob", ids, err, f.ID, g.ID)
	ids, err = x.c.DecodesOfResult(ctx, "k1")
	want("decodes of result", ids, err, d.ID, e.ID)
	x.commit(func(b *store.Batch) error {
		x.c.DeleteDecode(b, d)
		x.c.DeleteFile(b, f)
		return nil
	})
	ids, err = x.c.FilesOfBlob(ctx, "aa")
	want("files of blob after delete", ids, err, g.ID)
	ids, err = x.c.DecodesOfResult(ctx, "k1")
	want("decodes of result after delete", ids, err, e.ID)
	x.commit(func(b *store.Batch) error {
		x.c.UnlinkResult(b, e)
		e.ResultKey = "k2"
		return x.c.PutDecode(b, e)
	})
	ids, err = x.c.DecodesOfResult(ctx, "k1")
	want("decodes of the left result", ids, err)
	ids, err = x.c.DecodesOfResult(ctx, "k2")
	want("decodes of the new result", ids, err, e.ID)
}

func TestListsPageNewestFirst(t *testing.T) {
	x := open(t)
	var want []string
	for i := range 25 {
		f := x.file(fmt.Sprintf("n%d", i), "aa")
		if i%2 == 0 {
			want = append([]string{f.ID}, want...)
		}
		x.commit(func(b *store.Batch) error {
			if i%2 == 0 {
				f.Format = "rail-recorder"
			}
			return x.c.PutFile(b, f)
		})
	}
	var got []string
	cursor := ""
	for range 10 {
		items, next, err := x.c.Files(t.Context(), FileQuery{Format: "rail-recorder", Limit: 4, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range items {
			got = append(got, f.ID)
		}
		if cursor = next; next == "" {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, _, err := x.c.Files(t.Context(), FileQuery{Cursor: "nonsense"}); !errcode.Is(err, errcode.Malformed) {
		t.Errorf("a made-up cursor: %v", err)
	}
}

func TestProgressMakesAQueuedDecodeRunning(t *testing.T) {
	x := open(t)
	d := x.decode(x.file("a", "aa"), Queued, "k")
	started := time.Unix(9, 0).UTC()
	x.c.SetProgress(d.ID, Progress{StartedAt: started, BytesRead: 5, Size: 20, Rows: 2})
	got, err := x.c.Decode(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != Running || got.Progress != 0.25 || !got.StartedAt.Equal(started) || got.Rows != 2 {
		t.Errorf("running: %+v", got)
	}
	items, _, err := x.c.Decodes(t.Context(), DecodeQuery{Status: Running})
	if err != nil || len(items) != 1 {
		t.Errorf("list of running: %v %v", items, err)
	}
	x.c.ClearProgress(d.ID)
	if got, _ = x.c.Decode(t.Context(), d.ID); got.Status != Queued {
		t.Errorf("after the run: %s", got.Status)
	}
}

func TestSchemasComeFromThePluginOrTheDecode(t *testing.T) {
	x := open(t)
	rec := &table.Schema{Name: "records", Columns: []table.Column{{Name: "time", Type: table.TSus, Naive: true}}}
	dyn := &table.Schema{Name: "found", Columns: []table.Column{{Name: "seq", Type: table.I64}}}
	x.commit(func(b *store.Batch) error {
		return x.c.PutPlugin(b, Plugin{SHA256: "ab", ID: "rail", Version: "1.0.0", Tables: []*table.Schema{rec}})
	})
	d := x.decode(x.file("a", "aa"), Done, "k")
	d.Tables = []Table{{Name: "records"}, {Name: "found", Schema: dyn}, {Name: "issues"}}
	got, err := x.c.Schemas(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*table.Schema{rec, dyn, table.Issues()}, got); diff != "" {
		t.Error(diff)
	}
	d.Params = json.RawMessage(`{"timezone":"Europe/Berlin"}`)
	if got, err = x.c.Schemas(t.Context(), d); err != nil || got[0].Columns[0].Naive || !rec.Columns[0].Naive {
		t.Errorf("with a time zone: %+v %v", got, err)
	}
	d.Tables = append(d.Tables, Table{Name: "lost"})
	if _, err := x.c.Schemas(t.Context(), d); err == nil {
		t.Error("a table without a schema was accepted")
	}
}

func TestResultKeyDependsOnAllThree(t *testing.T) {
	a, b := strings.Repeat("aa", 32), strings.Repeat("bb", 32)
	keys := map[string]bool{}
	for _, k := range []string{
		ResultKey(a, b, json.RawMessage(`{}`)), ResultKey(b, a, json.RawMessage(`{}`)),
		ResultKey(a, a, json.RawMessage(`{}`)), ResultKey(a, b, json.RawMessage(`{"x":1}`)),
	} {
		if len(k) != 26 || strings.Trim(k, "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Errorf("key %q", k)
		}
		keys[k] = true
	}
	if len(keys) != 4 {
		t.Errorf("%d keys of 4 inputs", len(keys))
	}
}

func TestFinishedTwinHasTables(t *testing.T) {
	x := open(t)
	f := x.file("a", "aa")
	mine := x.decode(f, Queued, "k")
	x.decode(f, Failed, "k")
	if _, ok, err := x.c.FinishedTwin(t.Context(), mine); ok || err != nil {
		t.Errorf("a failed decode was taken for a result: %v", err)
	}
	twin := x.decode(f, Partial, "k")
	got, ok, err := x.c.FinishedTwin(t.Context(), mine)
	if err != nil || !ok || got.ID != twin.ID {
		t.Errorf("twin %v %v %v", got.ID, ok, err)
	}
}
