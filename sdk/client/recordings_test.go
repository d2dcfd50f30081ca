package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// recorded serves answers by "METHOD /path", and keeps the calls.
func recorded(t *testing.T, answers map[string]string) (*Client, *[]string) {
	t.Helper()
	calls := &[]string{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*calls = append(*calls, strings.TrimRight(r.Method+" "+r.RequestURI+" "+string(b), " "))
		answer, ok := answers[r.Method+" "+strings.TrimPrefix(r.URL.Path, "/api/v1")]
		if !ok {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			answer = `{"code":"not_found","detail":"there is none","request_id":"r1","offset":7}`
		} else if strings.HasPrefix(answer, "201 ") {
			answer = answer[4:]
			w.WriteHeader(http.StatusCreated)
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(srv.Close)
	c, err := New(Config{Server: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	return c, calls
}

func TestFiles(t *testing.T) {
	c, calls := recorded(t, map[string]string{
		"GET /files":            `{"items":[{"id":"f1","name":"a","size":3,"format":null,"decodes":["d1"],"new":1}],"next_cursor":"n","total":null}`,
		"GET /files/f1":         `{"id":"f1","parent":{"file_id":"f0","decode_id":"d0","depth":1}}`,
		"GET /files/f1/content": `abc`,
		"GET /files/f1/hex":     `{"offset":1,"length":2,"size":3,"hex":"6263"}`,
		"POST /files":           `201 {"file":{"id":"f2"},"decode":{"id":"d2","status":"queued"}}`,
		"POST /detect":          `{"format":"x","decoder":"y","confidence":0.5,"candidates":[]}`,
		"DELETE /files/f1":      ``,
	})
	ctx := t.Context()
	files, next, err := c.Files(ctx, FileList{Name: "a&b", Page: Page{Limit: 2, Cursor: "c", Fields: []string{"id", "name"}}})
	if err != nil || next != "n" || len(files) != 1 || files[0].Size != 3 || files[0].Format != "" || !strings.Contains(string(files[0].Raw), `"new":1`) {
		t.Errorf("list: %+v %q %v", files, next, err)
	}
	f, err := c.File(ctx, "f1")
	if err != nil || f.Parent == nil || f.Parent.FileID != "f0" {
		t.Errorf("get: %+v %v", f, err)
	}
	body, err := c.Content(ctx, "f1", 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	if err != nil || string(got) != "abc" || body.Close() != nil {
		t.Errorf("content: %q %v", got, err)
	}
	if _, err := c.Content(ctx, "f1", 2); err == nil {
		t.Error("a server that knows no ranges gave the rest of a file")
	}
	b, err := c.Hex(ctx, "f1", 1, 2, true)
	if err != nil || string(b.Data) != "bc" || b.Size != 3 || b.Offset != 1 {
		t.Errorf("hex: %+v %v", b, err)
	}
	a, err := c.Upload(ctx, Upload{Name: "x y", Body: strings.NewReader("rec"), Size: 3, Decoder: "d", Params: map[string]string{"k": "v"}, Force: true, Wait: time.Second, Key: "once"})
	if err != nil || a.Existing || a.File.ID != "f2" || a.Decode.Ended() {
		t.Errorf("upload: %+v %v", a, err)
	}
	if d, err := c.Detect(ctx, "n", strings.NewReader("r"), -1); err != nil || d.Confidence != 0.5 {
		t.Errorf("detect: %+v %v", d, err)
	}
	if err := c.DeleteFile(ctx, "f1"); err != nil {
		t.Error(err)
	}
	_, err = c.File(ctx, "f/9")
	if e, ok := errors.AsType[*Error](err); !ok || e.RequestID != "r1" || e.Offset == nil || *e.Offset != 7 {
		t.Errorf("error: %#v", err)
	}
	want := []string{
		"GET /api/v1/files?cursor=c&fields=id%2Cname&limit=2&name=a%26b", "GET /api/v1/files/f1", "GET /api/v1/files/f1/content", "GET /api/v1/files/f1/content",
		"GET /api/v1/files/f1/hex?length=2&offset=1&raw=true", "POST /api/v1/files?decoder=d&force=true&name=x+y&param.k=v&wait=1 rec",
		"POST /api/v1/detect?name=n r", "DELETE /api/v1/files/f1", "GET /api/v1/files/f%2F9",
	}
	if diff := cmp.Diff(want, *calls); diff != "" {
		t.Error(diff)
	}
}

func TestDecodesAndTables(t *testing.T) {
	c, calls := recorded(t, map[string]string{
		"GET /decodes":                    `{"items":[{"id":"d1","decoder":null,"duration":null,"error":{"code":"decode_failed","message":"m","offset":null}}],"next_cursor":null}`,
		"GET /decodes/d1":                 `{"id":"d1","status":"partial","duration":0.5,"params":{"n":1}}`,
		"POST /decodes":                   `{"id":"d1","status":"done"}`,
		"POST /decodes/d1/cancel":         `{"id":"d1","status":"cancelled"}`,
		"DELETE /decodes/d1":              ``,
		"GET /decodes/d1/tables":          `[{"name":"t","rows":2,"columns":[{"name":"a","type":"u64","min":0,"max":18446744073709551615}]}]`,
		"GET /decodes/d1/tables/t/rows":   `{"columns":["a"],"rows":[[18446744073709551615],[null]],"next_cursor":null,"total":2}`,
		"GET /decodes/d1/tables/t.csv":    "a\n1\n",
		"GET /decodes/d1/issues":          `{"items":[{"seq":1,"offset":3,"severity":"error","code":"c","message":"m","table":null,"row":null}],"next_cursor":"x"}`,
		"POST /decode":                    `{"a":1}`,
		"GET /system":                     `{"version":"v1","disk":{"free_bytes":5},"new":[1]}`,
		"GET /batches":                    `{"items":[{"id":"b1"}],"next_cursor":null}`,
		"GET /batches/b1/tables/t.csv":    "file,a\n",
		"GET /batches/b1/tables":          `[{"name":"t","files":2,"rows":3,"conflicts":["x"],"new":1}]`,
		"GET /batches/b1/tables/t/rows":   `{"columns":["file"],"rows":[["a"]],"next_cursor":"n"}`,
		"POST /batches/b1/retry":          `{"id":"b1","status":"running"}`,
		"DELETE /batches/b1":              ``,
		"POST /batches":                   `201 {"id":"b1","total":2,"finished_at":null}`,
		"GET /batches/b1":                 `{"id":"b1","total":2,"finished_at":"2026-01-02T03:04:05Z","errors":[{"file_id":"f1","error":{"code":"timeout","message":"m"},"success":false}]}`,
		"GET /decodes/d1/tables/big/rows": `{"columns":["a"],"rows":[[1]],"next_cursor":"more"}`,
	})
	ctx := t.Context()
	list, next, err := c.Decodes(ctx, DecodeList{FileID: "f", Status: "failed"})
	if err != nil || next != "" || list[0].Decoder != nil || list[0].Duration != 0 || list[0].Error.Code != "decode_failed" {
		t.Errorf("list: %+v %v", list, err)
	}
	if d, err := c.WaitDecode(ctx, "d1", nil); err != nil || d.Status != "partial" || d.Duration != 0.5 {
		t.Errorf("wait: %+v %v", d, err)
	}
	if d, existing, err := c.StartDecode(ctx, NewDecode{FileID: "f1", Params: map[string]any{"k": "v"}}, ""); err != nil || !existing || !d.Ended() {
		t.Errorf("start: %+v %v %v", d, existing, err)
	}
	if d, err := c.CancelDecode(ctx, "d1"); err != nil || d.Status != "cancelled" {
		t.Errorf("cancel: %+v %v", d, err)
	}
	if err := c.DeleteDecode(ctx, "d1"); err != nil {
		t.Error(err)
	}
	if tables, err := c.Tables(ctx, "d1"); err != nil || string(tables[0].Columns[0].Max) != "18446744073709551615" {
		t.Errorf("tables: %+v %v", tables, err)
	}
	q := RowQuery{Columns: []string{"a", "b"}, Sort: "a", Desc: true, Text: "x", Where: []string{"a:gt:1", "a:lt:9"}}
	rows := []string{}
	for row, err := range c.AllRows(ctx, "d1", "t", q) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, string(row[0]))
	}
	if diff := cmp.Diff([]string{"18446744073709551615", "null"}, rows); diff != "" {
		t.Error(diff)
	}
	for _, err := range c.AllRows(ctx, "d1", "big", RowQuery{}) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	csv, err := c.Export(ctx, "d1", "t", "csv", RowQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(csv); err != nil || string(b) != "a\n1\n" {
		t.Errorf("export: %q %v", b, err)
	}
	if _, err := c.Export(ctx, "d1", "no", "csv", RowQuery{}); err == nil {
		t.Error("a table that is not there was opened")
	}
	if is, next, err := c.Issues(ctx, "d1", Page{Limit: 1}); err != nil || next != "x" || *is[0].Offset != 3 || is[0].Table != nil {
		t.Errorf("issues: %+v %v", is, err)
	}
	if d, err := c.DecodeDirect(ctx, Direct{Name: "n", Body: strings.NewReader("z"), Size: 1, To: "json", Table: "t"}); err != nil || d.Close() != nil {
		t.Errorf("direct: %v", err)
	}
	if s, err := c.System(ctx); err != nil || s.Disk.FreeBytes != 5 || !strings.Contains(string(s.Raw), "new") {
		t.Errorf("system: %+v %v", s, err)
	}
	b, err := c.CreateBatch(ctx, NewBatch{Name: "b", FileIDs: []string{"f1"}}, "")
	if err == nil && b.FinishedAt.IsZero() {
		b, err = c.WaitBatch(ctx, b.ID, nil)
	}
	if err != nil || b.Errors[0].Error.Code != "timeout" {
		t.Errorf("batch: %+v %v", b, err)
	}
	if all, next, err := c.Batches(ctx, BatchList{Status: "done", Page: Page{Limit: 2}}); err != nil || next != "" || all[0].ID != "b1" {
		t.Errorf("batches: %+v %v", all, err)
	}
	if body, err := c.ExportBatch(ctx, "b1", "t", "csv", RowQuery{}); err != nil || body.Close() != nil {
		t.Errorf("export batch: %v", err)
	}
	if tables, err := c.BatchTables(ctx, "b1"); err != nil || tables[0].Files != 2 || tables[0].Conflicts[0] != "x" || !strings.Contains(string(tables[0].Raw), `"new":1`) {
		t.Errorf("tables of batch: %+v %v", tables, err)
	}
	if r, err := c.BatchRows(ctx, "b1", "t", RowQuery{Where: []string{"file:eq:a"}}, 5, "c"); err != nil || r.Next != "n" || string(r.Rows[0][0]) != `"a"` {
		t.Errorf("rows of batch: %+v %v", r, err)
	}
	if b, err := c.SendBatch(ctx, NewBatch{Name: "z", Params: map[string]any{"k": 1}, Concurrency: 2, TimeoutPerFile: 1.5, Combine: true}, strings.NewReader("zip"), 3, "key"); err != nil || b.ID != "b1" {
		t.Errorf("send batch: %+v %v", b, err)
	}
	if _, err := c.BatchFiles(ctx, "b1", BatchView{Limit: 2, Cursor: "7"}); err != nil {
		t.Error(err)
	}
	if b, err := c.RetryBatch(ctx, "b1"); err != nil || b.Status != "running" {
		t.Errorf("retry: %+v %v", b, err)
	}
	if _, err := c.CancelBatch(ctx, "b1"); err == nil {
		t.Error("a refusal was taken for an answer")
	}
	if err := c.DeleteBatch(ctx, "b1"); err != nil {
		t.Error(err)
	}
	want := []string{
		"GET /api/v1/decodes?file_id=f&status=failed", "GET /api/v1/decodes/d1?wait=30", `POST /api/v1/decodes {"file_id":"f1","params":{"k":"v"}}`,
		"POST /api/v1/decodes/d1/cancel", "DELETE /api/v1/decodes/d1", "GET /api/v1/decodes/d1/tables",
		"GET /api/v1/decodes/d1/tables/t/rows?columns=a%2Cb&limit=1000&order=desc&q=x&sort=a&where=a%3Agt%3A1&where=a%3Alt%3A9",
		"GET /api/v1/decodes/d1/tables/big/rows?limit=1000", "GET /api/v1/decodes/d1/tables/t.csv", "GET /api/v1/decodes/d1/tables/no.csv",
		"GET /api/v1/decodes/d1/issues?limit=1", "POST /api/v1/decode?name=n&table=t&to=json z", "GET /api/v1/system",
		`POST /api/v1/batches {"name":"b","file_ids":["f1"]}`, "GET /api/v1/batches/b1?limit=1&wait=30", "GET /api/v1/batches/b1",
		"GET /api/v1/batches?limit=2&status=done", "GET /api/v1/batches/b1/tables/t.csv",
		"GET /api/v1/batches/b1/tables", "GET /api/v1/batches/b1/tables/t/rows?cursor=c&limit=5&where=file%3Aeq%3Aa",
		"POST /api/v1/batches?combine=true&concurrency=2&name=z&param.k=1&timeout_per_file=1.5 zip", "GET /api/v1/batches/b1?cursor=7&limit=2",
		"POST /api/v1/batches/b1/retry", "POST /api/v1/batches/b1/cancel",
		"DELETE /api/v1/batches/b1",
	}
	if diff := cmp.Diff(want, *calls); diff != "" {
		t.Error(diff)
	}
}

// A table that breaks off is no table.
func TestCutOff(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a\n1\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer srv.Close()
	c, err := New(Config{Server: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	body, err := c.Export(t.Context(), "d1", "t", "csv", RowQuery{})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if b, err := io.ReadAll(body); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestScanEvents(t *testing.T) {
	text := "retry: 3000\nid: e-4\n\n: heartbeat\n\nid: e-5\r\nevent: file\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\nid: e-6\nevent: decode\ndata: {}\n\nid: e-7\nevent: cut\ndata: {}"
	at, alive := place{}, 0
	var got []string
	err := scanEvents(strings.NewReader(text), &at, func() { alive++ }, func(e Event) error {
		got = append(got, fmt.Sprintf("%s %s %s", e.ID, e.Topic, e.Data))
		return nil
	})
	if diff := cmp.Diff([]string{"e-5 file {\"a\":\n1}", "e-6 decode {}"}, got); diff != "" {
		t.Error(diff)
	}
	if at.after != "e-6" || at.pause != 3*time.Second || !errors.Is(err, io.ErrUnexpectedEOF) || alive == 0 {
		t.Errorf("at %v, alive %d, %v", at, alive, err)
	}
	endless := io.MultiReader(strings.NewReader("data: "), &zeroes{left: 2 * maxEvent})
	if err := scanEvents(endless, &at, func() {}, nil); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("endless: %v", err)
	}
}

// zeroes is a line that does not end.
type zeroes struct{ left int }

func (z *zeroes) Read(p []byte) (int, error) {
	if z.left -= len(p); z.left < 0 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// A stream that breaks is opened again behind the last event, and a refusal ends it.
func TestEventsResume(t *testing.T) {
	last := make(chan string, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last <- r.Header.Get("Last-Event-ID") + "|" + r.URL.RawQuery
		if r.Header.Get("Last-Event-ID") == "e-2" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"code":"unauthorized","detail":"no"}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "retry: 1\nid: e-2\nevent: job\ndata: {\"id\":\"j1\"}\n\n")
	}))
	defer srv.Close()
	c, err := New(Config{Server: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	var got []Event
	breaks := 0
	err = c.Events(t.Context(), []string{"job", "file"}, "", func(e Event) error { got = append(got, e); return nil }, func(error) { breaks++ })
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != "unauthorized" || breaks != 1 {
		t.Errorf("ended with %v after %d breaks", err, breaks)
	}
	if diff := cmp.Diff([]Event{{ID: "e-2", Topic: "job", Data: json.RawMessage(`{"id":"j1"}`)}}, got); diff != "" {
		t.Error(diff)
	}
	if a, b := <-last, <-last; a != "|topics=job%2Cfile" || b != "e-2|topics=job%2Cfile" {
		t.Errorf("asked %q, then %q", a, b)
	}
	stop := errors.New("enough")
	if err := c.Events(t.Context(), nil, "", func(Event) error { return stop }, nil); !errors.Is(err, stop) {
		t.Errorf("handler's error: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := c.Events(ctx, nil, "", func(Event) error { cancel(); return nil }, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func FuzzScanEvents(f *testing.F) {
	f.Add("id: 1\nevent: x\ndata: {}\n\n")
	f.Add(": comment\n\nretry: 5\ndata\ndata:\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		at := place{}
		if err := scanEvents(strings.NewReader(text), &at, func() {}, func(Event) error { return nil }); err == nil {
			t.Error("a stream ended without an error")
		}
	})
}
