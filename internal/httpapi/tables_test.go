package httpapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/table"
)

func withTable(t *testing.T, rows int) (*world, catalog.Decode) {
	t.Helper()
	w := newWorld(t).start()
	_, d := w.addDecode(catalog.Done, "RU1")
	if rows > 0 {
		w.writeTable(d, rows)
	}
	return w, d
}

func TestTablesAreDescribed(t *testing.T) {
	w, _ := withTable(t, 10)
	res := w.get("/decodes/d0001/tables")
	var got []map[string]any
	if err := json.Unmarshal(res.body, &got); err != nil || len(got) != 2 {
		t.Fatalf("%v: %s", err, res.body)
	}
	p := got[0]
	want := map[string]any{
		"name": "points", "description": "measured points", "rows": 10.0, "bytes": 0.0,
		"row_length": map[string]any{"column": "seq", "plus": 2.0},
		"layouts": []any{map[string]any{"when": map[string]any{"kind": []any{1.0}}, "fields": []any{
			map[string]any{"name": "x", "at": 0.0, "length": 2.0, "type": "u16", "unit": ""},
		}}},
	}
	columns, _ := p["columns"].([]any)
	delete(p, "columns")
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	wantColumn := map[string]any{
		"name": "speed", "type": "f64", "unit": "km/h", "description": "", "nullable": false, "naive": false, "role": "",
		"labels": []any{}, "sensitive": false, "min": 0.0, "max": 4.5,
	}
	if diff := cmp.Diff(wantColumn, columns[2]); diff != "" {
		t.Errorf("column (-want +got):\n%s", diff)
	}
	if c := columns[3].(map[string]any); c["min"] != nil || len(c["labels"].([]any)) != 2 {
		t.Errorf("enum column: %v", c)
	}
	if got[1]["row_length"] != nil || got[1]["rows"] != 0.0 {
		t.Errorf("issues: %v", got[1])
	}
}

func TestRows(t *testing.T) {
	w, _ := withTable(t, 1000)
	base := "/decodes/d0001/tables/points/rows"
	m := w.get(base + "?limit=2").json(t)
	want := map[string]any{
		"columns": []any{"seq", "name", "speed", "kind"},
		"rows":    []any{[]any{1.0, "p0", 0.0, "a"}, []any{2.0, "p1", 0.5, "b"}}, "total": 1000.0,
	}
	next, _ := m["next_cursor"].(string)
	delete(m, "next_cursor")
	if diff := cmp.Diff(want, m); diff != "" || next == "" {
		t.Errorf("first page, cursor %q (-want +got):\n%s", next, diff)
	}
	m = w.get(base + "?limit=2&cursor=" + next).json(t)
	if m["rows"].([]any)[0].([]any)[0] != 3.0 {
		t.Errorf("second page: %v", m["rows"])
	}
	m = w.get(base + "?columns=speed,seq&where=seq:gt:10&where=kind:eq:a&sort=seq&order=desc&limit=1&int64=string").json(t)
	if diff := cmp.Diff([]any{[]any{499.0, "999"}}, m["rows"]); diff != "" {
		t.Errorf("filtered (-want +got):\n%s", diff)
	}
	if m = w.get(base + "?q=P999&columns=name").json(t); len(m["rows"].([]any)) != 0 || m["next_cursor"] != nil {
		t.Errorf("no match: %v", m)
	}
	if m = w.get(base + "?where=name:in:p1,p2").json(t); len(m["rows"].([]any)) != 2 {
		t.Errorf("in takes commas: %v", m)
	}
	if n := len(w.get(base + "?limit=10000").json(t)["rows"].([]any)); n != 1000 {
		t.Errorf("%d rows", n)
	}
}

// TestRowsFromAnyOffset asks for windows of views, and finds rows again.
func TestRowsFromAnyOffset(t *testing.T) {
	w, _ := withTable(t, 1000)
	base := "/decodes/d0001/tables/points/rows?columns=seq&limit=2&"
	for query, want := range map[string]string{
		"offset=500":                              `{"columns":["seq"],"rows":[[501],[502]],"next_cursor":"…","total":1000}`,
		"offset=999&row_numbers=true":             `{"columns":["seq"],"rows":[[1000]],"next_cursor":null,"total":1000,"row_numbers":[999]}`,
		"offset=1000&row_numbers=true":            `{"columns":["seq"],"rows":[],"next_cursor":null,"total":1000,"row_numbers":[]}`,
		"where=kind:eq:b&offset=10":               `{"columns":["seq"],"rows":[[22],[24]],"next_cursor":"…","total":500}`,
		"where=kind:eq:b&count=true":              `{"columns":["seq"],"rows":[[2],[4]],"next_cursor":"…","total":500}`,
		"sort=seq&order=desc&offset=998":          `{"columns":["seq"],"rows":[[2],[1]],"next_cursor":null,"total":1000}`,
		"position_of=7":                           `{"columns":["seq"],"rows":[[1],[2]],"next_cursor":"…","total":1000,"position":{"offset":7,"found":true}}`,
		"where=seq:gt:4&position_of=7&count=true": `{"columns":["seq"],"rows":[[5],[6]],"next_cursor":"…","total":996,"position":{"offset":3,"found":true}}`,
		"where=seq:ge:999&position_of=0":          `{"columns":["seq"],"rows":[[999],[1000]],"next_cursor":null,"total":2,"position":{"offset":0,"found":false}}`,
		"sort=seq&order=desc&position_of=0":       `{"columns":["seq"],"rows":[[1000],[999]],"next_cursor":"…","total":1000,"position":{"offset":999,"found":true}}`,
	} {
		res := w.get(base + query)
		got := regexp.MustCompile(`"next_cursor":"[^"]+"`).ReplaceAllString(string(res.body), `"next_cursor":"…"`)
		if strings.TrimSpace(got) != want {
			t.Errorf("%s:\n got %s\nwant %s", query, got, want)
		}
	}
	next, _ := w.get(base).json(t)["next_cursor"].(string)
	for _, query := range []string{"offset=-1", "offset=x", "offset=1&cursor=" + next, "position_of=1000", "position_of=-2", "count=perhaps", "offset=9007199254740992"} {
		if res := w.get(base + query); res.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", query, res.StatusCode, res.body)
		}
	}
}

func TestExports(t *testing.T) {
	w, _ := withTable(t, 100)
	get := func(file string) reply {
		t.Helper()
		res := w.get("/decodes/d0001/tables/" + file)
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", file, res.StatusCode, res.body)
		}
		return res
	}
	res := get("points.csv")
	rows, err := csv.NewReader(bytes.NewReader(res.body)).ReadAll()
	if err != nil || len(rows) != 101 || rows[0][0] != "seq" || rows[100][0] != "100" {
		t.Errorf("csv: %v, %d rows", err, len(rows))
	}
	if d := res.Header.Get("Content-Disposition"); d != `attachment; filename="r-points.csv"` {
		t.Errorf("Content-Disposition %q", d)
	}
	if n := bytes.Count(get("points.ndjson").body, []byte("\n")); n != 100 {
		t.Errorf("ndjson: %d lines", n)
	}
	var all []map[string]any
	if err := json.Unmarshal(get("points.json?where=seq:le:3&columns=seq").body, &all); err != nil || len(all) != 3 {
		t.Errorf("json: %v %v", err, all)
	}
	if b := get("points.csv?bom=1").body; !bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
		t.Errorf("no byte-order mark: %q", b[:4])
	}
	for _, f := range table.ExportFormats() {
		res := get("points." + string(f))
		if res.Header.Get("Content-Type") != f.MediaType() || len(res.body) == 0 {
			t.Errorf("%s: type %q, %d bytes", f, res.Header.Get("Content-Type"), len(res.body))
		}
		if head := w.do(http.MethodHead, "/decodes/d0001/tables/points."+string(f), nil); head.StatusCode != 200 || len(head.body) != 0 {
			t.Errorf("HEAD %s: %d", f, head.StatusCode)
		}
	}
	filtered := get("points.parquet?where=seq:le:3")
	if rd, err := table.OpenParquet(bytes.NewReader(filtered.body), int64(len(filtered.body)), w.schemas[0]); err != nil || rd.Rows() != 3 {
		t.Errorf("filtered parquet: %v", err)
	}
}

func TestParquetIsServedByRanges(t *testing.T) {
	w, d := withTable(t, 5000)
	stored, err := os.ReadFile(w.dir + "/" + d.ResultKey + ".points")
	if err != nil {
		t.Fatal(err)
	}
	const path = "/decodes/d0001/tables/points.parquet"
	res := w.get(path)
	tag := res.Header.Get("Etag")
	if !bytes.Equal(res.body, stored) || tag == "" || strings.HasPrefix(tag, "W/") || res.Header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("%d bytes, ETag %q, Accept-Ranges %q", len(res.body), tag, res.Header.Get("Accept-Ranges"))
	}
	head := w.do(http.MethodHead, path, nil)
	if head.ContentLength != int64(len(stored)) || head.Header.Get("Etag") != tag {
		t.Errorf("HEAD: %d bytes, ETag %q", head.ContentLength, head.Header.Get("Etag"))
	}
	res = w.get(path, header("Range", "bytes=-8"), header("If-Range", tag), header("Accept-Encoding", "gzip"))
	if res.StatusCode != http.StatusPartialContent || !bytes.Equal(res.body, stored[len(stored)-8:]) {
		t.Errorf("range: %d, %q", res.StatusCode, res.body)
	}
	if res = w.get(path, header("If-None-Match", tag)); res.StatusCode != http.StatusNotModified || len(res.body) != 0 {
		t.Errorf("If-None-Match: %d", res.StatusCode)
	}
	w.writeTable(d, 5000) // a forced decode may replace the file by one of the same size
	if res = w.get(path); res.Header.Get("Etag") == tag {
		t.Error("the tag outlives the file")
	}
}

func TestTablesWithoutRows(t *testing.T) {
	w, _ := withTable(t, 0)
	for _, f := range table.ExportFormats() {
		if res := w.get("/decodes/d0001/tables/points." + string(f)); res.StatusCode != 200 || (len(res.body) == 0) != (f == table.NDJSON) {
			t.Errorf("%s: %d, %d bytes", f, res.StatusCode, len(res.body))
		}
	}
	res := w.get("/decodes/d0001/tables/points.parquet")
	rd, err := table.OpenParquet(bytes.NewReader(res.body), int64(len(res.body)), w.schemas[0])
	if err != nil || rd.Rows() != 0 || res.Header.Get("Etag") == "" {
		t.Errorf("parquet: %v, ETag %q", err, res.Header.Get("Etag"))
	}
	if res := w.get("/decodes/d0001/tables/points.parquet", header("Range", "bytes=0-3")); string(res.body) != "PAR1" {
		t.Errorf("range: %d %q", res.StatusCode, res.body)
	}
	if m := w.get("/decodes/d0001/tables/points/rows").json(t); len(m["rows"].([]any)) != 0 || m["total"] != 0.0 {
		t.Errorf("rows: %v", m)
	}
	if m := w.get("/decodes/d0001/issues").json(t); len(m["items"].([]any)) != 0 {
		t.Errorf("issues: %v", m)
	}
}

func TestLostTableIsAFault(t *testing.T) {
	w, d := withTable(t, 10)
	if err := os.Remove(w.dir + "/" + d.ResultKey + ".points"); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, w.get("/decodes/d0001/tables/points.csv"), 500, "internal")
}

func TestCompression(t *testing.T) {
	w, _ := withTable(t, 5000)
	plain := w.get("/decodes/d0001/tables/points.csv").body
	page := w.get("/decodes/d0001/tables/points/rows?limit=500").body
	for path, want := range map[string][]byte{"/decodes/d0001/tables/points.csv": plain, "/decodes/d0001/tables/points/rows?limit=500": page} {
		for enc, open := range map[string]func(io.Reader) (io.Reader, error){
			"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
			"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) },
		} {
			res := w.get(path, header("Accept-Encoding", enc))
			if res.Header.Get("Content-Encoding") != enc || res.Header.Get("Vary") != "Accept-Encoding" || len(res.body) > len(want)/2 {
				t.Errorf("%s %s: %v, %d of %d bytes", path, enc, res.Header, len(res.body), len(want))
				continue
			}
			r, err := open(bytes.NewReader(res.body))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s %s: %v, other bytes", path, enc, err)
			}
		}
	}
	for accept, want := range map[string]string{
		"": "", "identity": "", "br": "", "gzip, zstd": "zstd", "gzip;q=1, zstd;q=0.5": "gzip", "*": "zstd", "*;q=0.1, zstd;q=0": "gzip",
		"gzip;q=0": "", "GZIP": "gzip", "gzip;q=x": "",
	} {
		if got := pickEncoding(http.Header{"Accept-Encoding": {accept}}); got != (choice{name: want}) {
			t.Errorf("pickEncoding(%q) = %+v, want %q", accept, got, want)
		}
	}
}

func TestDirect(t *testing.T) {
	w := newWorld(t)
	var got DirectRequest
	w.direct = func(_ context.Context, r DirectRequest, out io.Writer) error {
		got = r
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s;", body); err != nil {
			return err
		}
		switch string(body) {
		case "dies":
			return errcode.New(errcode.DecodeFailed, "too late")
		case "panics":
			panic("too late")
		}
		return nil
	}
	w.start()
	res := w.post("/decode?to=csv&table=points&decoder=rail&param.a=1&name=x%2Fy.ru&excel_safe=1", "RU")
	if res.StatusCode != 200 || string(res.body) != "RU;" || res.Header.Get("Content-Type") != table.CSV.MediaType() {
		t.Errorf("%d %q %v", res.StatusCode, res.body, res.Header)
	}
	if res.Header.Get("Wayside-Decode-Status") != "partial" || res.Header.Get("Wayside-Decode-Issues") != "infos=0, warnings=0, errors=1" {
		t.Errorf("a caller cannot tell that rows are missing: %v", res.Header)
	}
	got.Body = nil
	want := DirectRequest{Name: "y.ru", Decoder: "rail", Params: map[string]string{"a": "1"}, To: table.CSV, Table: "points", Options: table.EncodeOptions{ExcelSafe: true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	body, ct := form(t, "f.ru", "RUform")
	if res := w.post("/decode", body, ct); string(res.body) != "RUform;" || got.Name != "f.ru" || got.Limit != maxWhole || got.To != table.JSON {
		t.Errorf("form: %q, %+v", res.body, got)
	}
	body, ct = form(t, "f.ru", "RUform", "g.ru", "RUother")
	for _, path := range []string{"/decode", "/detect"} {
		wantProblem(t, w.post(path, body, ct), 422, "validation_failed")
	}
	body, ct = form(t, "f.ru", strings.Repeat("RU", 200_000), "g.ru", "RUother")
	wantProblem(t, w.post("/detect", body, ct), 422, "validation_failed")
	for _, how := range []string{"dies", "panics"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url("/decode"), strings.NewReader(how))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "identity")
		out, err := http.DefaultClient.Do(req)
		if err == nil {
			_, err = io.ReadAll(out.Body)
			_ = out.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: an answer that breaks off looks complete", how)
		}
	}
}

func TestDetect(t *testing.T) {
	w := newWorld(t).start()
	m := w.post("/detect?name=a%2Fb.ru", "RU"+strings.Repeat("x", 100_000)).json(t)
	want := map[string]any{
		"format": "b.ru/100002", "decoder": "rail", "confidence": 0.9,
		"candidates": []any{map[string]any{"format": "rail.ru", "decoder": "rail", "confidence": 0.9}},
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	body, ct := form(t, "c.ru", "RU")
	if m := w.post("/detect", body, ct).json(t); m["format"] != "c.ru/2" {
		t.Errorf("form: %v", m)
	}
	wantProblem(t, w.post("/detect", ""), 422, "unknown_format")
}
