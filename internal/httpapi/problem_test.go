package httpapi

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// wantProblem checks that an answer is a whole problem document with the status and code.
func wantProblem(t *testing.T, res reply, status int, code string) map[string]any {
	t.Helper()
	if res.StatusCode != status || res.Header.Get("Content-Type") != problemType {
		t.Errorf("status %d type %q, want %d %s: %.300s", res.StatusCode, res.Header.Get("Content-Type"), status, code, res.body)
		return nil
	}
	m := res.json(t)
	info := codeInfo(errcode.Code(code))
	want := map[string]any{
		"type": "urn:wayside:error:" + code, "title": info.Title, "status": float64(status), "code": code,
		"instance": res.Request.URL.Path, "request_id": res.Header.Get("X-Request-ID"),
	}
	got := map[string]any{}
	for k := range want {
		got[k] = m[k]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problem (-want +got):\n%s", diff)
	}
	if detail, _ := m["detail"].(string); detail == "" {
		t.Error("problem without detail")
	}
	if _, ok := m["retry_after"]; ok != (status == 429 || status == 503 || status == 507) || ok != (res.Header.Get("Retry-After") != "") {
		t.Errorf("retry_after: %v, Retry-After %q", m["retry_after"], res.Header.Get("Retry-After"))
	}
	if m["request_id"] == "" {
		t.Error("problem without request id")
	}
	return m
}

func TestProblems(t *testing.T) {
	w := newWorld(t)
	w.cfg.MaxUpload = 1 << 20
	at := int64(17)
	w.direct = func(_ context.Context, r DirectRequest, out io.Writer) error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		switch string(body) {
		case "unknown":
			return errcode.New(errcode.UnknownFormat, "no decoder knows this format")
		case "broken":
			return fmt.Errorf("decode: %w", &errcode.Error{Code: errcode.Truncated, Text: "the file ends early", Offset: &at})
		default:
			return fmt.Errorf("secret /var/lib path")
		}
	}
	w.start()
	_, d := w.addDecode(catalog.Done, "RU1")
	w.writeTable(d, 10)
	_, q := w.addDecode(catalog.Done, "RU2")
	const json = "application/json"
	tests := []struct {
		name, method, path, body string
		opts                     []option
		status                   int
		code                     string
		field                    string // of errors
	}{
		{"unknown path", "GET", "/api/v2/x", "", nil, 404, "not_found", ""},
		{"unknown api path", "GET", "/nothing", "", nil, 404, "not_found", ""},
		{"path with folders", "GET", "/files/../../etc/passwd", "", nil, 404, "not_found", ""},
		{"trailing slash", "GET", "/files/", "", nil, 404, "not_found", ""},
		{"no such file", "GET", "/files/zz", "", nil, 404, "not_found", ""},
		{"no such decode", "GET", "/decodes/zz", "", nil, 404, "not_found", ""},
		{"no such content", "GET", "/files/zz/content", "", nil, 404, "not_found", ""},
		{"no such plugin", "GET", "/plugins/zz", "", nil, 404, "not_found", ""},
		{"no such table", "GET", "/decodes/d0001/tables/zz/rows", "", nil, 404, "not_found", ""},
		{"no such table file", "GET", "/decodes/d0001/tables/zz.csv", "", nil, 404, "not_found", ""},
		{"table without form", "GET", "/decodes/d0001/tables/points", "", nil, 404, "not_found", ""},
		{"delete nothing", "DELETE", "/files/zz", "", nil, 404, "not_found", ""},
		{"delete no decode", "DELETE", "/decodes/zz", "", nil, 404, "not_found", ""},
		{"wrong method", "PUT", "/files", "", nil, 405, "method_not_allowed", ""},
		{"wrong method on one", "POST", "/files/f0001", "", nil, 405, "method_not_allowed", ""},
		{"unknown method", "BREW", "/files", "", nil, 405, "method_not_allowed", ""},
		{"wrong method on health", "POST", "/health", "", nil, 405, "method_not_allowed", ""},
		{"id too long", "GET", "/files/" + strings.Repeat("a", 27), "", nil, 422, "validation_failed", "id"},
		{"limit no number", "GET", "/files?limit=x", "", nil, 422, "validation_failed", "limit"},
		{"limit zero", "GET", "/files?limit=0", "", nil, 422, "validation_failed", "limit"},
		{"limit too large", "GET", "/decodes?limit=1001", "", nil, 422, "validation_failed", "limit"},
		{"rows limit too large", "GET", "/decodes/d0001/tables/points/rows?limit=10001", "", nil, 422, "validation_failed", "limit"},
		{"unknown member", "GET", "/files?fields=id,nope", "", nil, 422, "validation_failed", "fields"},
		{"unknown status", "GET", "/decodes?status=odd", "", nil, 422, "validation_failed", "status"},
		{"bad cursor", "GET", "/files?cursor=bad", "", nil, 400, "malformed", ""},
		{"wait too long", "GET", "/decodes/d0001?wait=31", "", nil, 422, "validation_failed", "wait"},
		{"wait no number", "POST", "/files?wait=x", "x", nil, 422, "validation_failed", "wait"},
		{"empty bundle", "POST", "/files?bundle=true", "--x--\r\n", []option{header("Content-Type", "multipart/form-data; boundary=x")}, 422, "validation_failed", "file"},
		{"parameter twice", "POST", "/files?param.a=1&param.a=2", "x", nil, 422, "validation_failed", "param.a"},
		{"list twice", "GET", "/decodes/d0001/issues?severity=error&severity=warning", "", nil, 422, "validation_failed", "severity"},
		{"fields twice", "GET", "/files?fields=id&fields=name", "", nil, 422, "validation_failed", "fields"},
		{"one value twice", "GET", "/files?limit=1&limit=1", "", nil, 422, "validation_failed", "limit"},
		{"streamed answer, list twice", "GET", "/decodes/d0001/tables/points.csv?columns=seq&columns=value", "", nil, 422, "validation_failed", "columns"},
		{"upload, name twice", "POST", "/files?name=a&name=b", "x", nil, 422, "validation_failed", "name"},
		{"bad query", "POST", "/files?param.a=%zz", "x", nil, 400, "malformed", ""},
		{"broken json", "POST", "/decodes", `{"file_id":`, []option{header("Content-Type", json)}, 400, "malformed", ""},
		{"no json", "POST", "/decodes", "", []option{header("Content-Type", json)}, 400, "malformed", ""},
		{"wrong type", "POST", "/decodes", `{"file_id":1}`, []option{header("Content-Type", json)}, 422, "validation_failed", "file_id"},
		{"missing member", "POST", "/decodes", `{}`, []option{header("Content-Type", json)}, 422, "validation_failed", "body"},
		{"unknown json member", "POST", "/decodes", `{"file_id":"f0001","x":1}`, []option{header("Content-Type", json)}, 422, "validation_failed", "x"},
		{"json too large", "POST", "/decodes", `{"file_id":"` + strings.Repeat("x", 2<<20) + `"}`, []option{header("Content-Type", json)}, 413, "too_large", ""},
		{"not json", "POST", "/decodes", "a=b", []option{header("Content-Type", "text/csv")}, 415, "unsupported_media_type", ""},
		{"other multipart", "POST", "/files", "x", []option{header("Content-Type", "multipart/mixed; boundary=x")}, 415, "unsupported_media_type", ""},
		{"no boundary", "POST", "/files", "x", []option{header("Content-Type", "multipart/form-data")}, 400, "malformed", ""},
		{"form without end", "POST", "/files", "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nRU", []option{header("Content-Type", "multipart/form-data; boundary=x")}, 400, "malformed", ""},
		{"form without parts", "POST", "/files", "--x--\r\n", []option{header("Content-Type", "multipart/form-data; boundary=x")}, 422, "validation_failed", "file"},
		{"upload too large", "POST", "/files", strings.Repeat("x", 1<<20+1), nil, 413, "too_large", ""},
		{"range outside", "GET", "/files/f0001/content", "", []option{header("Range", "bytes=100-")}, 416, "range_not_satisfiable", ""},
		{"range broken", "GET", "/files/f0001/content", "", []option{header("Range", "bytes=x")}, 416, "range_not_satisfiable", ""},
		{"hex outside", "GET", "/files/f0001/hex?offset=99", "", nil, 416, "range_not_satisfiable", ""},
		{"hex negative", "GET", "/files/f0001/hex?offset=-1", "", nil, 422, "validation_failed", "offset"},
		{"hex too long", "GET", "/files/f0001/hex?length=2000000", "", nil, 422, "validation_failed", "length"},
		{"hex overflow", "GET", "/files/f0001/hex?offset=9223372036854775808", "", nil, 422, "validation_failed", "offset"},
		{"if-match fails", "GET", "/files/f0001/content", "", []option{header("If-Match", `"other"`)}, 412, "precondition_failed", ""},
		{"cancel what ended", "POST", "/decodes/d0001/cancel", "", nil, 409, "conflict", ""},
		{"where on no column", "GET", "/decodes/d0001/tables/points/rows?where=nope:eq:1", "", nil, 422, "validation_failed", "where"},
		{"where wrong type", "GET", "/decodes/d0001/tables/points.csv?where=seq:eq:x", "", nil, 422, "validation_failed", "where"},
		{"where wrong op", "GET", "/decodes/d0001/tables/points/rows?where=seq:like:1", "", nil, 422, "validation_failed", "where"},
		{"sort by no column", "GET", "/decodes/d0001/tables/points.csv?sort=nope", "", nil, 422, "validation_failed", "sort"},
		{"no such columns", "GET", "/decodes/d0001/tables/points.json?columns=nope", "", nil, 422, "validation_failed", "columns"},
		{"order", "GET", "/decodes/d0001/tables/points/rows?order=up", "", nil, 422, "validation_failed", "order"},
		{"no form", "GET", "/decodes/d0001/tables/points.xls", "", nil, 422, "validation_failed", "format"},
		{"form unknown", "GET", "/decodes/d0001/tables/points.exe", "", nil, 422, "validation_failed", "format"},
		{"table range outside", "GET", "/decodes/d0001/tables/points.parquet", "", []option{header("Range", "bytes=99999999-")}, 416, "range_not_satisfiable", ""},
		{"direct unknown", "POST", "/decode", "unknown", nil, 422, "unknown_format", ""},
		{"direct broken", "POST", "/decode", "broken", nil, 422, "decode_failed", ""},
		{"direct without table", "POST", "/decode?to=csv", "x", nil, 422, "validation_failed", "table"},
		{"direct odd table", "POST", "/decode?to=csv&table=A%2Fb", "x", nil, 422, "validation_failed", "table"},
		{"direct odd form", "POST", "/decode?to=xml", "x", nil, 422, "validation_failed", "to"},
		{"direct fault", "POST", "/decode", "x", nil, 500, "internal", ""},
		{"direct too large", "POST", "/decode", strings.Repeat("x", 1<<20+1), nil, 413, "too_large", ""},
		{"detect unknown", "POST", "/detect", "??", nil, 422, "unknown_format", ""},
		{"fault", "GET", "/files/broken", "", nil, 500, "internal", ""},
		{"panic", "GET", "/files/panic", "", nil, 500, "internal", ""},
		{"foreign host", "GET", "/files", "", []option{header("Host", "evil.example")}, 403, "forbidden", ""},
		{"foreign address", "GET", "/files", "", []option{header("Host", "10.9.8.7:80")}, 403, "forbidden", ""},
		{"foreign origin", "POST", "/files", "x", []option{header("Origin", "http://evil.example")}, 403, "forbidden", ""},
		{"null origin", "POST", "/files", "x", []option{header("Origin", "null")}, 403, "forbidden", ""},
		{"cross-site delete", "DELETE", "/files/f0001", "", []option{header("Sec-Fetch-Site", "cross-site")}, 403, "forbidden", ""},
	}
	_ = q
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			res := w.do(tc.method, tc.path, strings.NewReader(tc.body), tc.opts...)
			m := wantProblem(t, res, tc.status, tc.code)
			if m == nil {
				return
			}
			errs, _ := m["errors"].([]any)
			if (tc.field != "") != (len(errs) > 0) {
				t.Fatalf("errors: %s", res.body)
			}
			if tc.field != "" && errs[0].(map[string]any)["field"] != tc.field {
				t.Errorf("field: %s", res.body)
			}
			for _, secret := range []string{"secret", w.dir, "panic", "goroutine", "/var/lib"} {
				if strings.Contains(m["detail"].(string), secret) {
					t.Errorf("the answer shows %q: %s", secret, res.body)
				}
			}
			if res.Header.Get("Content-Disposition")+res.Header.Get("Etag")+res.Header.Get("Last-Modified") != "" {
				t.Errorf("a problem with headers of the resource: %v", res.Header)
			}
			if tc.status == 405 && res.Header.Get("Allow") == "" {
				t.Error("no Allow")
			}
			if tc.status == 416 && strings.Contains(tc.path, "content") && tc.name == "range outside" && res.Header.Get("Content-Range") != "bytes */3" {
				t.Errorf("Content-Range %q", res.Header.Get("Content-Range"))
			}
		})
	}
	if m := w.post("/decode", "broken").json(t); m["offset"] != float64(17) {
		t.Errorf("offset: %v", m)
	}
	if n := len(w.lines("handler panicked")); n != 1 {
		t.Errorf("%d panics logged", n)
	}
	for _, line := range w.lines("request failed") {
		if line["request_id"] == "" || line["error"] == "" {
			t.Errorf("fault logged without its cause: %v", line)
		}
	}
}

func TestCodesAreTheDocumentedOnes(t *testing.T) {
	want := strings.Fields(`validation_failed 422 malformed 400 unauthorized 401 forbidden 403 not_found 404
		method_not_allowed 405 conflict 409 too_large 413 unsupported_media_type 415 unknown_format 422 decode_failed 422
		range_not_satisfiable 416 precondition_failed 412 lease_lost 409 rate_limited 429 internal 500 unavailable 503
		disk_full 507 decoder_disabled 409 shutting_down 503`)
	var got []string
	for _, c := range Codes() {
		got = append(got, string(c.Code), fmt.Sprint(c.Status))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
}

func TestStoreErrorsReachTheCaller(t *testing.T) {
	w := newWorld(t).start()
	for _, tc := range []struct {
		err    error
		status int
		code   string
		after  string
	}{
		{errcode.New(errcode.DiskFull, "the reserve is reached"), 507, "disk_full", "30"},
		{&errcode.Error{Code: errcode.Unavailable, Text: "compiling", RetryAfter: 1500 * time.Millisecond}, 503, "unavailable", "2"},
		{errcode.New(errcode.RateLimited, "slow down"), 429, "rate_limited", "1"},
		{errcode.New(errcode.PluginRejected, "rejected"), 409, "decoder_disabled", ""},
		{errcode.New(errcode.LeaseExpired, "odd"), 500, "internal", ""},
		{io.ErrClosedPipe, 500, "internal", ""},
	} {
		w.mu.Lock()
		w.fail = tc.err
		w.mu.Unlock()
		res := w.post("/files?name=a", "x")
		wantProblem(t, res, tc.status, tc.code)
		if got := res.Header.Get("Retry-After"); got != tc.after {
			t.Errorf("%v: Retry-After %q, want %q", tc.err, got, tc.after)
		}
	}
}

var update = flag.Bool("update", false, "write docs/api-errors.md")

// errorsDoc renders docs/api-errors.md.
func errorsDoc() string {
	var b strings.Builder
	b.WriteString("# Errors of the HTTP API\n\nGenerated from the code table of `internal/httpapi` by `go test ./internal/httpapi -run TestErrorsDoc -update`.\n\n")
	b.WriteString("Every error is `application/problem+json` (RFC 9457): `type` (`urn:wayside:error:<code>`), `title`, `status`, `detail`,\n" +
		"`instance` (path of the request), `code`, `request_id` (also in the log), `errors` (`[{field, message}]`, with\n" +
		"validation_failed), `offset` (byte offset, with decode errors), `retry_after` (seconds, with 429, 503 and 507).\n\n")
	b.WriteString("| code | status | title | when | retry_after |\n|---|---|---|---|---|\n")
	for _, c := range Codes() {
		retry := ""
		if c.Retry > 0 {
			retry = fmt.Sprintf("%v unless said otherwise", c.Retry)
		}
		fmt.Fprintf(&b, "| `%s` | %d | %s | %s | %s |\n", c.Code, c.Status, c.Title, c.When, retry)
	}
	return b.String()
}

func TestErrorsDoc(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "api-errors.md")
	if *update {
		if err := os.WriteFile(path, []byte(errorsDoc()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(errorsDoc(), string(got)); diff != "" {
		t.Errorf("run with -update (-table +file):\n%s", diff)
	}
}

func TestAllowListsTheMethods(t *testing.T) {
	w := newWorld(t).start()
	allow := strings.Split(w.do(http.MethodPut, "/files/f1", nil).Header.Get("Allow"), ", ")
	slices.Sort(allow)
	if diff := cmp.Diff([]string{"DELETE", "GET", "HEAD", "OPTIONS"}, allow); diff != "" {
		t.Errorf("Allow (-want +got):\n%s", diff)
	}
}
