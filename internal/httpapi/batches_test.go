package httpapi

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/batch"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/table"
)

func redecodeOf(file string) ingest.Redecode { return ingest.Redecode{FileID: file} }

func names(t *testing.T, list any) string {
	t.Helper()
	var out []string
	items, ok := list.([]any)
	if !ok {
		t.Fatalf("%v is no list", list)
	}
	for _, it := range items {
		out = append(out, it.(map[string]any)["name"].(string))
	}
	return strings.Join(out, " ")
}

// TestNewBatch makes batches in every way there is, and looks at what ingest and the batches were told.
func TestNewBatch(t *testing.T) {
	w := newWorld(t).start()
	f1, d1 := w.addDecode(catalog.Done, "one")
	f2, _ := w.addDecode(catalog.Failed, "two")
	w.mu.Lock()
	w.decode("d0002").Error = &catalog.Failure{Code: "truncated", Message: "cut off"}
	w.mu.Unlock()
	json := header("Content-Type", "application/json")

	r := w.post("/batches", `{"name": "night", "file_ids": ["`+f2.ID+`", "`+f1.ID+`", "`+f1.ID+`"], "concurrency": 2, "timeout_per_file": 1.5}`, json)
	b := r.json(t)
	if r.StatusCode != http.StatusCreated || r.Header.Get("Location") != pathPrefix+"/batches/b0001" || b["total"] != 3.0 || b["successful"] != 2.0 ||
		b["failed"] != 1.0 || b["concurrency"] != 2.0 || b["timeout_per_file"] != 1.5 {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	res := b["results"].([]any)[0].(map[string]any)
	bad := b["errors"].([]any)[0].(map[string]any)
	if res["decode_id"] != d1.ID || res["success"] != true || bad["success"] != false || bad["error"].(map[string]any)["code"] != "truncated" || bad["file_id"] != f2.ID {
		t.Errorf("%s", r.body)
	}

	page := w.get("/batches/b0001?limit=2").json(t)
	if page["next_cursor"] != "2" || len(page["results"].([]any))+len(page["errors"].([]any)) != 2 {
		t.Errorf("first page: %v", page)
	}
	if page = w.get("/batches/b0001?limit=2&cursor=2").json(t); page["next_cursor"] != nil || names(t, page["results"]) != "r.ru" {
		t.Errorf("second page: %v", page)
	}
	if r := w.get("/batches/b0001?cursor=x"); r.StatusCode != http.StatusBadRequest {
		t.Errorf("a made-up cursor: %d", r.StatusCode)
	}

	body, multi := form(t, "b.ru", "bb", "a/../../c.ru", "cc", "b.ru", "bb")
	r = w.post("/batches?name=many&decoder=rail&param.x=1", body, multi)
	if b = r.json(t); r.StatusCode != http.StatusCreated || b["total"] != 3.0 || b["params"].(map[string]any)["x"] != "1" {
		t.Errorf("form: %d %s", r.StatusCode, r.body)
	}
	for _, u := range w.uploads[2:] {
		if u.Decode || u.Decoder != "" {
			t.Errorf("the batch starts decodes, not the upload: %+v", u)
		}
	}
	r = w.post("/batches?combine=true&name=trip&decoder=rail.ru", body, multi)
	if r.StatusCode != http.StatusUnprocessableEntity { // two parts of one name
		t.Errorf("combined: %d %s", r.StatusCode, r.body)
	}
	body, multi = form(t, "01.ru", "bb", "02.ru", "cc")
	r = w.post("/batches?combine=true&name=trip&decoder=rail.ru", body, multi)
	if b = r.json(t); r.StatusCode != http.StatusCreated || b["total"] != 1.0 || names(t, b["pending"]) != "trip.zip" {
		t.Errorf("combined: %d %s", r.StatusCode, r.body)
	}
	if u := w.uploads[len(w.uploads)-1]; !u.Together || !u.Decode || u.Decoder != "rail.ru" {
		t.Errorf("combined as %+v", u)
	}

	r = w.post("/batches?name=packed", "day/x.ru=1\ny.ru=2\n", header("Content-Type", "application/zip"))
	if b = r.json(t); r.StatusCode != http.StatusCreated || b["total"] != 2.0 || w.uploads[len(w.uploads)-2].Name != "x.ru" {
		t.Errorf("archive: %d %s", r.StatusCode, r.body)
	}
	r = w.post("/batches", `{"archive": "`+f1.ID+`"}`, json)
	if b = r.json(t); r.StatusCode != http.StatusCreated || b["total"] != 1.0 {
		t.Errorf("stored archive: %d %s", r.StatusCode, r.body)
	}
	if list := w.get("/batches?limit=2&fields=id,total").json(t)["items"].([]any); len(list) != 2 || len(list[0].(map[string]any)) != 2 {
		t.Errorf("list: %v", list)
	}
}

func TestNewBatchRefuses(t *testing.T) {
	w := newWorld(t).start()
	f, _ := w.addDecode(catalog.Done, "one")
	before := len(w.uploads)
	long := strings.Repeat("n", 300)
	for body, status := range map[string]int{
		`{}`: 422, `{"file_ids": []}`: 422, `{"file_ids": ["f9"]}`: 422, `{"file_ids": ["` + f.ID + `"], "archive": "` + f.ID + `"}`: 422,
		`{"file_ids": ["` + f.ID + `"], "decoder": "nope"}`: 422, `{"file_ids": ["` + f.ID + `"], "concurrency": -1}`: 422,
		`{"file_ids": ["` + f.ID + `"], "concurrency": 1001}`: 422, `{"file_ids": ["` + f.ID + `"], "timeout_per_file": 0.1}`: 422,
		`{"file_ids": ["` + f.ID + `"], "timeout_per_file": 1e300}`: 422, `{"file_ids": ["` + f.ID + `"], "name": "` + long + `"}`: 422,
		`{"file_ids": "x"}`: 422, `{"file_ids": ["` + f.ID + `"], "colour": 1}`: 422, `{`: 400, `[]`: 422, `{"archive": "f9"}`: 422,
		`{"file_ids": ["f9"], "combine": true}`: 422, `{"file_ids": [` + strings.Repeat(`"x",`, 10_000) + `"x"]}`: 422,
	} {
		if r := w.post("/batches", body, header("Content-Type", "application/json")); r.StatusCode != status {
			t.Errorf("%.90s: %d %s", body, r.StatusCode, r.body)
		}
	}
	if r := w.post("/batches", "nonsense", header("Content-Type", "application/zip")); r.StatusCode != 422 {
		t.Errorf("no archive: %d", r.StatusCode)
	}
	if r := w.post("/batches?decoder=nope", "x=1\n"); r.StatusCode != 422 {
		t.Errorf("unknown decoder: %d", r.StatusCode)
	}
	if len(w.uploads) != before {
		t.Errorf("%d files were stored", len(w.uploads)-before)
	}
	for _, path := range []string{"/batches/b9", "/batches/b9/tables", "/batches/b9/tables/points/rows", "/batches/b9/tables/points.csv"} {
		if r := w.get(path); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}

func TestBatchLife(t *testing.T) {
	w := newWorld(t).start()
	body, multi := form(t, "a.ru", "a", "b.ru", "b")
	r := w.post("/files?wait=0", body, multi)
	up := r.json(t)
	made := up["batch"].(map[string]any)
	if r.StatusCode != http.StatusCreated || made["total"] != 2.0 || names(t, made["pending"]) != "a.ru b.ru" || len(up["items"].([]any)) != 2 {
		t.Fatalf("upload of several: %d %s", r.StatusCode, r.body)
	}
	id := "/batches/" + made["id"].(string)
	if r := w.post("/files?decode=false", body, multi); r.json(t)["batch"] != nil {
		t.Errorf("stored only: %s", r.body)
	}
	done := make(chan reply)
	go func() { done <- w.get(id + "?wait=30") }()
	w.finish("d0001", catalog.Done)
	w.finish("d0002", catalog.Partial)
	w.events.Publish("batch", made["id"].(string), nil)
	if got := (<-done).json(t); got["status"] != "done" || names(t, got["results"]) != "a.ru b.ru" {
		t.Errorf("after the wait: %v", got)
	}
	if r := w.post(id+"/cancel", ""); r.StatusCode != http.StatusOK || r.json(t)["failed"] != 2.0 {
		t.Errorf("cancel: %d %s", r.StatusCode, r.body)
	}
	if r := w.post(id+"/cancel", ""); r.StatusCode != http.StatusConflict {
		t.Errorf("cancel again: %d", r.StatusCode)
	}
	if r := w.post(id+"/retry", ""); r.StatusCode != http.StatusOK {
		t.Errorf("retry: %d", r.StatusCode)
	}
	if r := w.do(http.MethodDelete, id, nil); r.StatusCode != http.StatusNoContent {
		t.Errorf("delete: %d", r.StatusCode)
	}
}

// TestBatchTables reads the tables of two files as one: pages, filters, every form.
func TestBatchTables(t *testing.T) {
	w := newWorld(t).start()
	_, d1 := w.addDecode(catalog.Done, "one")
	_, d2 := w.addDecode(catalog.Done, "two") // of the same name
	w.addDecode(catalog.Failed, "three")
	w.writeTable(d1, 3)
	w.writeTable(d2, 4)
	if r := w.post("/batches", `{"file_ids": ["f0002", "f0003", "f0001"]}`, header("Content-Type", "application/json")); r.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	const at = "/batches/b0001/tables"
	r := w.get(at)
	for _, want := range []string{`"name":"points"`, `"files":2`, `"rows":7`, `"name":"file"`, `"conflicts":[]`} {
		if !strings.Contains(string(r.body), want) {
			t.Errorf("tables: no %s in %s", want, r.body)
		}
	}
	var files []string
	for path, pages := at+"/points/rows?columns=file,seq&limit=2", 0; path != ""; pages++ {
		if pages > 4 {
			t.Fatal("pages without end")
		}
		r := w.get(path)
		page := r.json(t)
		if page["total"] != 7.0 {
			t.Errorf("page: %s", r.body)
		}
		for _, row := range page["rows"].([]any) {
			cells := row.([]any)
			files = append(files, fmt.Sprint(cells[0], " ", cells[1]))
		}
		path = ""
		if next, ok := page["next_cursor"].(string); ok {
			path = at + "/points/rows?columns=file,seq&limit=2&cursor=" + next
		}
	}
	want := "r.ru (f0002) 1,r.ru (f0002) 2,r.ru (f0002) 3,r.ru (f0002) 4,r.ru (f0001) 1,r.ru (f0001) 2,r.ru (f0001) 3"
	if got := strings.Join(files, ","); got != want {
		t.Errorf("rows: %s", got)
	}
	const row = at + "/points/rows?columns=seq&limit=2&row_numbers=true&"
	for query, want := range map[string]string{
		"offset=3":                            `"rows":[[4],[1]],"next_cursor":"…","total":7,"row_numbers":[3,0],"decodes":["d0002","d0001"]`,
		"offset=6":                            `"rows":[[3]],"next_cursor":null,"total":7,"row_numbers":[2],"decodes":["d0001"]`,
		"offset=7":                            `"rows":[],"next_cursor":null,"total":7,"row_numbers":[],"decodes":[]`,
		"where=seq:ge:3&count=true":           `"rows":[[3],[4]],"next_cursor":"…","total":3,"row_numbers":[2,3],"decodes":["d0002","d0002"]`,
		"where=seq:ge:3&offset=2&count=true":  `"rows":[[3]],"next_cursor":null,"total":3,"row_numbers":[2],"decodes":["d0001"]`,
		"where=seq:ge:3&offset=1":             `"rows":[[4],[3]],"next_cursor":null,"total":null,"row_numbers":[3,2],"decodes":["d0002","d0001"]`,
		"where=file:contains:1)&offset=2":     `"rows":[[3]],"next_cursor":null,"total":null,"row_numbers":[2],"decodes":["d0001"]`,
		"where=file:contains:none&count=true": `"rows":[],"next_cursor":null,"total":0,"row_numbers":[],"decodes":[]`,
	} {
		got := regexp.MustCompile(`"next_cursor":"[^"]+"`).ReplaceAllString(string(w.get(row+query).body), `"next_cursor":"…"`)
		if want = `{"columns":["seq"],` + want + "}"; strings.TrimSpace(got) != want {
			t.Errorf("%s:\n got %s\nwant %s", query, got, want)
		}
	}
	if r := w.get(at + "/points.csv?columns=file,seq&where=file:contains:1)"); string(r.body) != "file,seq\nr.ru (f0001),1\nr.ru (f0001),2\nr.ru (f0001),3\n" {
		t.Errorf("filtered: %q", r.body)
	}
	for _, form := range table.ExportFormats() {
		r := w.get(at + "/points." + string(form))
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != form.MediaType() || len(r.body) == 0 {
			t.Errorf("%s: %d %v", form, r.StatusCode, r.Header)
		}
		if r := w.do(http.MethodHead, at+"/points."+string(form), nil); r.StatusCode != http.StatusOK || len(r.body) != 0 {
			t.Errorf("HEAD %s: %d", form, r.StatusCode)
		}
	}
	for path, status := range map[string]int{
		"/none.csv": 404, "/points": 404, "/points.doc": 422, "/none/rows": 404, "/points.csv?where=seq:eq:x": 422, "/points.csv?columns=nope": 422,
		"/points/rows?cursor=x": 400, "/points/rows?cursor=" + batchCursor{At: 1, Decode: "d0003"}.String(): 400,
		"/points/rows?cursor=" + batchCursor{At: 0, Decode: "d0001"}.String(): 409, "/points/rows?limit=10001": 422,
		"/points/rows?offset=-1": 422, "/points/rows?offset=1&cursor=" + batchCursor{At: 0, Decode: "d0002"}.String(): 422,
		"/points/rows?cursor=" + batchCursor{At: 0, Decode: "d0002", Rows: "x"}.String(): 400,
	} {
		if r := w.get(at + path); r.StatusCode != status {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.body)
		}
	}
	// A decode that was deleted is left out.
	if r := w.do(http.MethodDelete, "/decodes/"+d2.ID, nil); r.StatusCode != http.StatusNoContent {
		t.Fatal(r.StatusCode)
	}
	if r := w.get(at + "/points.csv?columns=seq"); string(r.body) != "seq\n1\n2\n3\n" {
		t.Errorf("after a deletion: %q", r.body)
	}
}

// checkBatches holds the answers about batches against the document.
func checkBatches(t *testing.T, w *world, c *contract) {
	t.Helper()
	json := header("Content-Type", "application/json")
	f, d := w.addDecode(catalog.Done, "of a batch")
	w.writeTable(d, 3)
	for _, tc := range []struct{ op, path, body string }{
		{"POST /batches", "/batches", `{"file_ids": ["` + f.ID + `"]}`},
		{"POST /batches", "/batches", `{"file_ids": ["none"]}`},
		{"GET /batches", "/batches", ""},
		{"GET /batches/{id}", "/batches/ID", ""},
		{"GET /batches/{id}", "/batches/none", ""},
		{"GET /batches/{id}/tables", "/batches/ID/tables", ""},
		{"GET /batches/{id}/tables/{table}/rows", "/batches/ID/tables/points/rows", ""},
		{"GET /batches/{id}/tables/{table}.{format}", "/batches/ID/tables/points.csv", ""},
		{"GET /batches/{id}/tables/{table}.{format}", "/batches/ID/tables/points.parquet", ""},
		{"POST /batches/{id}/cancel", "/batches/ID/cancel", ""},
		{"POST /batches/{id}/cancel", "/batches/ID/cancel", ""},
		{"POST /batches/{id}/retry", "/batches/ID/retry", ""},
		{"DELETE /batches/{id}", "/batches/ID", ""},
	} {
		method, _, _ := strings.Cut(tc.op, " ")
		newest, _, err := w.cfg.Deps.Batches.List(t.Context(), batch.Query{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		path := tc.path
		if len(newest) > 0 {
			path = strings.Replace(path, "ID", newest[0].ID, 1)
		}
		c.check(tc.op, w.do(method, path, strings.NewReader(tc.body), json))
	}
}
