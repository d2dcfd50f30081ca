package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// TestFieldsTrimEveryResource asks every documented GET that has members for one of them.
func TestFieldsTrimEveryResource(t *testing.T) {
	w := newWorld(t)
	w.start()
	_, d := w.addDecode(catalog.Done, "RU1")
	w.writeTable(d, 3)
	made, err := w.queue.Enqueue(t.Context(), queue.New{Type: "a"})
	if err != nil {
		t.Fatal(err)
	}
	w.put("/schedules/s", `{"cron":"* * * * *","job":{"type":"a"}}`)
	w.put("/queues/default", `{}`)
	for path, member := range map[string]string{
		"/files": "size", "/files/f0001": "size", "/decodes": "status", "/decodes/d0001": "status", "/decodes/d0001/tables": "rows",
		"/decodes/d0001/issues": "code", "/plugins": "state", "/plugins/rail": "state", "/system": "version",
		"/jobs": "type", "/jobs/" + string(made[0].ID): "type", "/jobs/" + string(made[0].ID) + "/result": "status",
		"/queues": "name", "/queues/default": "name", "/workers": "id", "/schedules": "cron", "/schedules/s": "cron", "/flows": "id",
	} {
		res := w.get(path + "?fields=" + member)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", path, res.StatusCode, res.body)
			continue
		}
		var items []map[string]any
		switch doc := res.body; {
		case bytes.HasPrefix(doc, []byte("[")):
			err = json.Unmarshal(doc, &items)
		case bytes.HasPrefix(doc, []byte(`{"items":`)):
			var list struct {
				Items []map[string]any `json:"items"`
			}
			err = json.Unmarshal(doc, &list)
			items = list.Items
		default:
			items = []map[string]any{res.json(t)}
		}
		for _, it := range items {
			if _, ok := it[member]; !ok || len(it) != 1 || err != nil {
				t.Errorf("%s: %v, %v", path, it, err)
			}
		}
		for _, wrong := range []string{"nope", member + "," + member, member + ",", strings.Repeat("x", 5000)} {
			if res := w.get(path + "?fields=" + wrong); res.StatusCode != http.StatusUnprocessableEntity || res.json(t)["code"] != "validation_failed" {
				t.Errorf("%s?fields=%.20s: %d %.200s", path, wrong, res.StatusCode, res.body)
			}
		}
	}
}

func (w *world) put(path, body string, opts ...option) reply {
	return w.do(http.MethodPut, path, strings.NewReader(body), append(opts, header("Content-Type", jsonType))...)
}

// TestEveryListIsAList looks at what the document says of lists.
func TestEveryListIsAList(t *testing.T) {
	w := newWorld(t).start()
	c := newContract(t, w)
	lists := 0
	for _, op := range c.operations() {
		path, ok := strings.CutPrefix(op, "GET ")
		if !ok {
			continue
		}
		o := at(c.doc, "paths", path, "get")
		ref, _ := at(o, "responses", "200", "content", jsonType, "schema", "$ref").(string)
		if at(c.doc, "components", "schemas", ref[strings.LastIndexByte(ref, '/')+1:], "properties", "items") == nil {
			continue
		}
		lists++
		has := map[string]any{}
		params, _ := at(o, "parameters").([]any)
		for _, p := range params {
			has[at(p, "name").(string)] = at(p, "schema")
		}
		if fmt.Sprintf("%v %v", at(has["limit"], "default"), at(has["limit"], "maximum")) != "100 1000" || has["cursor"] == nil || has["fields"] == nil {
			t.Errorf("%s: parameters %v", op, has)
		}
	}
	if lists < 9 {
		t.Errorf("%d lists were looked at", lists)
	}
}

func TestPagesOfWholeLists(t *testing.T) {
	w := newWorld(t)
	w.plugins = nil
	for _, id := range []string{"c", "a", "e", "b", "d"} {
		w.plugins = append(w.plugins, runtime.Plugin{ID: id})
	}
	w.start()
	var got []string
	path := "/plugins?limit=2&fields=id"
	for cursor := ""; ; {
		res := w.get(path + "&cursor=" + cursor)
		m := res.json(t)
		if res.StatusCode != 200 || m["total"] != 5.0 {
			t.Fatalf("%d %s", res.StatusCode, res.body)
		}
		for _, it := range m["items"].([]any) {
			got = append(got, it.(map[string]any)["id"].(string))
		}
		if m["next_cursor"] == nil {
			break
		}
		if cursor = m["next_cursor"].(string); cursor == cursorOfKey("b") {
			w.mu.Lock()
			w.plugins = append(w.plugins[:3], w.plugins[4:]...) // the one that the page ended with is removed meanwhile
			w.plugins = append(w.plugins, runtime.Plugin{ID: "f"})
			w.mu.Unlock()
		}
	}
	if fmt.Sprint(got) != "[a b c d e f]" {
		t.Errorf("pages had %v", got)
	}
	for _, broken := range []string{"x", "AAAA", cursorOfKey("a")[1:], cursorOfKey("a") + "A", "%00", "%F0%9F%98%80"} {
		if res := w.get("/plugins?cursor=" + broken); res.StatusCode != http.StatusBadRequest || res.json(t)["code"] != "malformed" {
			t.Errorf("cursor %s: %d %s", broken, res.StatusCode, res.body)
		}
	}
}

func TestConditionsOfChanges(t *testing.T) {
	w := newWorld(t).start()
	const body = `{"cron":"* * * * *","job":{"type":"a"}}`
	want := func(what string, res reply, status int) {
		t.Helper()
		if res.StatusCode != status || (status == http.StatusPreconditionFailed && res.json(t)["code"] != "precondition_failed") {
			t.Errorf("%s: %d %s, want %d", what, res.StatusCode, res.body, status)
		}
	}
	want("only if there is one", w.put("/schedules/s", body, header("If-Match", "*")), 412)
	want("only if there is none", w.put("/schedules/s", body, header("If-None-Match", "*")), 200)
	want("only if there is none", w.put("/schedules/s", body, header("If-None-Match", "*")), 412)
	tag := w.get("/schedules/s").Header.Get("Etag")
	zipped := w.get("/schedules/s", header("Accept-Encoding", "gzip, identity;q=0")).Header.Get("Etag")
	if tag == zipped || strings.HasPrefix(tag, "W/") || zipped == "" {
		t.Errorf("tags %s and %s", tag, zipped)
	}
	want("another", w.put("/schedules/s", body, header("If-Match", `"0123"`)), 412)
	want("weak", w.put("/schedules/s", body, header("If-Match", "W/"+tag)), 412)
	want("one of", w.put("/schedules/s", strings.Replace(body, "*", "1", 1), header("If-Match", `"x", `+zipped)), 200)
	want("the one before", w.put("/schedules/s", body, header("If-Match", tag)), 412)
	want("the one before", w.do(http.MethodDelete, "/schedules/s", nil, header("If-Match", tag)), 412)
	now := w.get("/schedules/s").Header.Get("Etag")
	if res := w.get("/schedules/s", header("If-None-Match", strings.Replace(now, `"`, `W/"`, 1))); res.StatusCode != http.StatusNotModified || len(res.body) > 0 {
		t.Errorf("not modified: %d", res.StatusCode)
	}
	// A condition and its change are one: while one is under way, the other waits.
	unlock, err := w.server.changes.lock(t.Context(), pathPrefix+"/schedules/s")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, w.url("/schedules/s"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("If-Match", now)
	if res, err := http.DefaultClient.Do(req); err == nil {
		t.Errorf("did not wait: %d", res.StatusCode)
		_ = res.Body.Close()
	}
	// The one that has given up may still be waiting: what it asks for does not hold any more.
	want("without a condition", w.put("/schedules/s", strings.Replace(body, "*", "2", 1)), 200)
	unlock()
	now = w.get("/schedules/s").Header.Get("Etag")
	// Of many who saw the same, one changes it.
	var all sync.WaitGroup
	var mu sync.Mutex
	codes := map[int]int{}
	for i := range 8 {
		all.Go(func() {
			res := w.put("/schedules/s", strings.Replace(body, "*", fmt.Sprint(10+i), 1), header("If-Match", now))
			mu.Lock()
			defer mu.Unlock()
			codes[res.StatusCode]++
		})
	}
	all.Wait()
	if codes[200] != 1 || codes[412] != 7 {
		t.Errorf("eight changes of the same state: %v", codes)
	}
	want("delete", w.do(http.MethodDelete, "/schedules/s", nil, header("If-Match", w.get("/schedules/s").Header.Get("Etag"))), 204)
	want("no more", w.do(http.MethodDelete, "/schedules/s", nil, header("If-Match", "*")), 412)
	want("no more", w.do(http.MethodDelete, "/schedules/s", nil), 404)
}

func TestEncodings(t *testing.T) {
	w, _ := withTable(t, 5000)
	rows := "/decodes/d0001/tables/points/rows?limit=500"
	for _, tc := range []struct{ path, accept, want string }{
		{rows, "gzip", "gzip"},
		{rows, "identity", ""},
		{rows, "identity;q=0, *;q=0", ""}, // it takes nothing: it gets it as it is
		{"/files/f0001", "gzip", ""},      // small
		{"/files/f0001", "gzip, identity;q=0", "gzip"},
		{"/files/f0001", "zstd, *;q=0", "zstd"},
		{"/files/f0001/content", "gzip, identity;q=0", ""},
		{"/decodes/d0001/tables/points.parquet", "gzip, identity;q=0", ""},
		{"/decodes/d0001/tables/points.parquet?where=seq:gt:3", "gzip, zstd", ""},
		{"/decodes/d0001/tables/points.xlsx", "gzip, zstd", ""},
		{rows, "gzip, zstd", "zstd"},
		{"/decodes/d0001/tables/points.csv", "gzip;q=0.7, zstd;q=0.7", "zstd"},
		{"/decodes/d0001/tables/points.csv", "zstd;q=0, gzip", "gzip"},
		{"/decodes/d0001/tables/points.ndjson", "x-gzip", "gzip"},
		{"/decodes/d0001/tables/points.csv", "zstd;q=0.4, gzip; Q=0.5", "gzip"},
		{"/jobs?fields=nope", "gzip", "gzip"}, // a problem
	} {
		res, head := w.get(tc.path, header("Accept-Encoding", tc.accept)), w.do(http.MethodHead, tc.path, nil, header("Accept-Encoding", tc.accept))
		if got := res.Header.Get("Content-Encoding"); got != tc.want {
			t.Errorf("%s with %s: %q, want %q", tc.path, tc.accept, got, tc.want)
		}
		for _, name := range []string{"Content-Encoding", "Content-Type", "Content-Length", "Etag", "Vary"} {
			if a, b := res.Header.Get(name), head.Header.Get(name); a != b && (name != "Content-Length" || b != "" && res.StatusCode == http.StatusOK) {
				t.Errorf("%s with %s: %s of GET is %q, of HEAD %q", tc.path, tc.accept, name, a, b)
			}
		}
		if vary := res.Header.Get("Vary"); (tc.want != "") && vary != "Accept-Encoding" {
			t.Errorf("%s: Vary %q", tc.path, vary)
		}
		var r io.Reader = bytes.NewReader(res.body)
		var err error
		switch tc.want {
		case "gzip":
			r, err = gzip.NewReader(r)
		case "zstd":
			var z *zstd.Decoder
			z, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
			r = z
			defer z.Close()
		}
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			t.Errorf("%s with %s: %v", tc.path, tc.accept, err)
		}
	}
	ranged := w.get("/decodes/d0001/tables/points.parquet", header("Range", "bytes=0-3"), header("Accept-Encoding", "gzip"))
	if ranged.StatusCode != http.StatusPartialContent || string(ranged.body) != "PAR1" {
		t.Errorf("range: %d %q", ranged.StatusCode, ranged.body)
	}
	w.server.compressors.streams.Add(maxPacked)
	if res := w.get("/decodes/d0001/tables/points.csv", header("Accept-Encoding", "gzip")); res.Header.Get("Content-Encoding") != "" || !bytes.HasPrefix(res.body, []byte("seq,")) {
		t.Errorf("one too many: %v", res.Header)
	}
	if n := w.server.compressors.streams.Load(); n != maxPacked {
		t.Errorf("%d encoders are in use, want %d", n, maxPacked)
	}
}

func TestDepthIsBounded(t *testing.T) {
	w := newWorld(t).start()
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	ct := header("Content-Type", jsonType)
	for n, status := range map[int]int{maxDepth - 1: 201, maxDepth: 400, 400_000: 400} {
		res := w.post("/jobs", `{"type":"a","payload":`+deep(n)+`}`, ct)
		if res.StatusCode != status || (status == 400 && res.json(t)["code"] != "malformed") {
			t.Errorf("lean, %d deep: %d %.200s", n, res.StatusCode, res.body)
		}
		res = w.post("/decodes", `{"file_id":"f","params":{"p":`+deep(n)+`}}`, ct)
		if (res.StatusCode == 400) != (n >= maxDepth-1) {
			t.Errorf("huma, %d deep: %d %.200s", n, res.StatusCode, res.body)
		}
	}
	if res := w.post("/jobs", `{"type":"a","payload":"`+strings.Repeat("[", 1000)+`\"[["}`, ct); res.StatusCode != 201 {
		t.Errorf("brackets in a string: %d %s", res.StatusCode, res.body)
	}
}

// FuzzHeaders gives what clients make up to the readers of headers and cursors.
func FuzzHeaders(f *testing.F) {
	for _, s := range []string{"gzip;q=0.5, zstd;q=1, *;q=0", `W/"a", "b-gzip", *`, "f6f95521d5-12", cursorOfKey("rail"), ";;=,,q=nan", `{"a":[[]]}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c := pickEncoding(http.Header{"Accept-Encoding": {s}}); c.must && c.name == "" || c.name != "" && c.name != "gzip" && c.name != "zstd" {
			t.Errorf("%q: %+v", s, c)
		}
		if tagMatches([]string{s}, "0123", true) && !tagMatches([]string{s}, "0123", false) {
			t.Errorf("%q matches strongly, not weakly", s)
		}
		server := &Server{events: eventHub{epoch: "f6f95521d5"}}
		if seq, ok := server.afterEvent(s); ok && int64(seq) < 0 {
			t.Errorf("%q is event %d", s, seq)
		}
		if key, err := keyOfCursor(s); err == nil && cursorOfKey(key) != s {
			t.Errorf("cursor %q is of %q", s, key)
		}
		if key, err := keyOfCursor(cursorOfKey(s)); err != nil || key != s {
			t.Errorf("cursor of %q gives %q, %v", s, key, err)
		}
		_ = checkDepth([]byte(s))
		_ = valueAt([]byte(s))
		_, _ = trim(nil, []byte(s), []string{"a"})
		_, _ = trimBody([]byte(s), []string{"a"})
	})
}

// TestOneOfManyChangesWins has many clients change what they all read, at the same moment.
func TestOneOfManyChangesWins(t *testing.T) {
	w := newWorld(t).start()
	body := func(cron string) string { return `{"cron":"` + cron + `","job":{"type":"a"}}` }
	if res := w.put("/schedules/s", body("* * * * *")); res.StatusCode >= 300 {
		t.Fatalf("%d %s", res.StatusCode, res.body)
	}
	w.queue.slow = 20 * time.Millisecond // long enough for others to look before it is there
	for round := range 5 {
		tag := w.get("/schedules/s").Header.Get("Etag")
		var won, lost atomic.Int64
		var all sync.WaitGroup
		begin := make(chan struct{})
		for i := range 16 {
			all.Go(func() {
				<-begin
				switch res := w.put("/schedules/s", body(fmt.Sprintf("%d %d * * *", i, round)), header("If-Match", tag)); res.StatusCode {
				case http.StatusOK:
					won.Add(1)
				case http.StatusPreconditionFailed:
					lost.Add(1)
				default:
					t.Errorf("%d %s", res.StatusCode, res.body)
				}
			})
		}
		close(begin)
		all.Wait()
		if won.Load() != 1 || lost.Load() != 15 {
			t.Errorf("%d changed it, %d were told", won.Load(), lost.Load())
		}
	}
}
