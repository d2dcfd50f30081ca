package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/web"
)

func TestRequestIDs(t *testing.T) {
	w := newWorld(t).start()
	const trace = "0af7651916cd43dd8448eb211c80319c"
	for _, tc := range []struct {
		request, correlation, traceparent string
		wantRequest, wantCorrelation      string // "" = made here; "=" = the request id
	}{
		{"", "", "", "", "="},
		{"r.1_A-b", "", "", "r.1_A-b", "="},
		{"r1", "c1", "", "r1", "c1"},
		{"r 1", "c\u00e4", "", "", "="},
		{strings.Repeat("x", 129), strings.Repeat("y", 128), "", "", strings.Repeat("y", 128)},
		{"r1", "", "00-" + trace + "-b7ad6b7169203331-01", "r1", trace},
		{"r1", "", "00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01", "r1", "="},
		{"r1", "", "ff-" + trace + "-b7ad6b7169203331-01", "r1", "="},
	} {
		var opts []option
		for k, v := range map[string]string{"X-Request-ID": tc.request, "X-Correlation-ID": tc.correlation, "Traceparent": tc.traceparent} {
			if v != "" {
				opts = append(opts, header(k, v))
			}
		}
		res := w.get("/health", opts...)
		id, corr := res.Header.Get("X-Request-Id"), res.Header.Get("X-Correlation-Id")
		if tc.wantRequest != "" && id != tc.wantRequest || !validID(id) || tc.wantRequest == "" && len(id) != 32 {
			t.Errorf("%+v: request id %q", tc, id)
		}
		if want := strings.ReplaceAll(tc.wantCorrelation, "=", id); corr != want {
			t.Errorf("%+v: correlation id %q", tc, corr)
		}
		back := res.Header.Get("Traceparent")
		if traced := tc.wantCorrelation == trace; traced != regexp.MustCompile("^00-"+trace+"-[0-9a-f]{16}-01$").MatchString(back) || !traced && back != "" ||
			traced && back == tc.traceparent {
			t.Errorf("%+v: traceparent %q", tc, back)
		}
		if rt := res.Header.Get("X-Response-Time"); !regexp.MustCompile(`^\d+\.\d{3}s$`).MatchString(rt) {
			t.Errorf("X-Response-Time %q", rt)
		}
	}
}

func TestTraceFlags(t *testing.T) {
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	for h, want := range map[string]string{
		"00-" + trace + "-b7ad6b7169203331-01": "01", "00-" + trace + "-b7ad6b7169203331-00": "00", "00-" + trace + "-b7ad6b7169203331-fe": "00",
		"01-" + trace + "-b7ad6b7169203331-03-more": "01", "00-" + trace + "-b7ad6b7169203331-zz": "", "": "",
	} {
		if id, flags := traceOf(h); flags != want || (id == trace) != (want != "") {
			t.Errorf("%q: %q %q", h, id, flags)
		}
	}
}

func TestStampsAreUTC(t *testing.T) {
	at := time.Date(2026, 3, 4, 1, 30, 0, 5000, time.FixedZone("x", 2*3600))
	for want, in := range map[string]time.Time{`"2026-03-03T23:30:00.000005Z"`: at, "null": {}} {
		if got, err := Stamp(in).MarshalJSON(); err != nil || string(got) != want {
			t.Errorf("%v: %s %v, want %s", in, got, err, want)
		}
	}
}

func TestRequestLine(t *testing.T) {
	w := newWorld(t).start()
	w.get("/files?name=a&token=secret1&limit=5", header("X-Request-ID", "r1"), header("User-Agent", "probe/1"), header("X-Forwarded-For", "6.6.6.6"))
	lines := w.lines("request_completed")
	if len(lines) != 1 {
		t.Fatalf("%d lines", len(lines))
	}
	l := lines[0]
	for k, want := range map[string]any{
		"method": "GET", "path": "/api/v1/files", "status": 200.0, "client_ip": "127.0.0.1", "user_agent": "probe/1",
		"request_id": "r1", "correlation_id": "r1", "level": "INFO",
	} {
		if l[k] != want {
			t.Errorf("%s = %v, want %v", k, l[k], want)
		}
	}
	if q := fmt.Sprint(l["query"]); strings.Contains(q, "secret1") || !strings.Contains(q, "name=a") {
		t.Errorf("query %q", q)
	}
	if l["bytes"].(float64) < 10 || l["duration"].(float64) <= 0 {
		t.Errorf("bytes %v, duration %v", l["bytes"], l["duration"])
	}
}

func TestSlowRequests(t *testing.T) {
	w := newWorld(t)
	w.cfg.SlowRequest = time.Nanosecond
	w.start()
	_, d := w.addDecode(catalog.Done, "RU1")
	w.post("/files?name=a", "x")
	w.get("/files/f0001/content")
	w.get("/decodes/" + d.ID + "/tables/points.csv")
	w.get("/decodes/" + d.ID + "?wait=1")
	if n := len(w.lines("slow_request_detected")); n != 0 {
		t.Errorf("%d streams count as slow", n)
	}
	w.get("/files")
	lines := w.lines("slow_request_detected")
	if len(lines) != 1 || lines[0]["level"] != "WARN" || lines[0]["method"] != "GET" || lines[0]["path"] != "/api/v1/files" ||
		lines[0]["threshold"] != 1e-9 || lines[0]["duration"].(float64) <= 0 {
		t.Errorf("%v", lines)
	}
}

// recorder keeps what it is told.
type recorder struct {
	mu      sync.Mutex
	running int
	done    []string
}

func (r *recorder) RequestStarted(string, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running++
}

func (r *recorder) RequestDone(ctx context.Context, a Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running--
	if a.Took <= 0 || RequestIDs(ctx).Request == "" {
		a.Endpoint += " without duration or ids"
	}
	r.done = append(r.done, fmt.Sprint(a.Method, " ", a.Endpoint, " ", a.Status))
}

func TestRecorder(t *testing.T) {
	w := newWorld(t)
	rec := &recorder{}
	w.cfg.Recorder = rec
	w.cfg.Metrics = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNoContent) })
	w.start()
	_, d := w.addDecode(catalog.Done, "RU1")
	w.get("/files/f0001")
	w.get("/files/zzz")
	w.get("/nothing/at/all")
	w.do("BREW", "/files", nil)
	w.get("/decodes/" + d.ID + "/tables/points.csv")
	w.get("/decodes/" + d.ID + "/tables/points/rows")
	w.get("/files/panic")
	w.do(http.MethodHead, "/health", nil)
	w.get("//evil")
	want := []string{
		"GET /api/v1/files/{id} 200", "GET /api/v1/files/{id} 404", "GET unmatched 404", "OTHER unmatched 405",
		"GET /api/v1/decodes/{id}/tables/{table}.{format} 200", "GET /api/v1/decodes/{id}/tables/{table}/rows 200",
		"GET /api/v1/files/{id} 500", "HEAD /health 200", "GET unmatched 404",
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if diff := cmp.Diff(want, rec.done); diff != "" || rec.running != 0 {
		t.Errorf("%d running (-want +got):\n%s", rec.running, diff)
	}
}

func TestScopes(t *testing.T) {
	w := newWorld(t)
	w.cfg.Auth = auth{"r": {"read"}, "u": {"upload"}, "w": {"work"}, "a": {"admin"}, "ru": {"read", "upload"}}
	w.cfg.Metrics = http.NotFoundHandler()
	w.start()
	_, d := w.addDecode(catalog.Queued, "RU1")
	w.mu.Lock()
	w.decode(d.ID).Reveal = false
	w.mu.Unlock()
	_, secret := w.addDecode(catalog.Done, "RU2")
	w.mu.Lock()
	w.decode(secret.ID).Reveal = true
	w.mu.Unlock()
	for _, tc := range []struct{ method, path, tokens string }{ // tokens that are let in; the others are forbidden
		{"GET", "/files", "r ru a"},
		{"GET", "/files/f0001", "r ru a"},
		{"HEAD", "/files", "r ru a"},
		{"GET", "/files/f0001/content", "a"},
		{"HEAD", "/files/f0001/content", "a"},
		{"GET", "/files/f0001/hex", "a"},
		{"POST", "/files", "u ru a"},
		{"POST", "/files?param.reveal=true", "a"},
		{"POST", "/files?param.reveal=false", "u ru a"},
		{"POST", "/decode?param.reveal=1", "a"},
		{"POST", "/detect", "u ru a"},
		{"POST", "/decodes", "u ru a"},
		{"DELETE", "/files/zz", "a"},
		{"DELETE", "/decodes/zz", "a"},
		{"POST", "/decodes/zz/cancel", "u ru a"},
		{"GET", "/decodes/" + d.ID, "r ru a"},
		{"GET", "/decodes/" + secret.ID, "a"},
		{"GET", "/decodes/" + secret.ID + "?wait=1", "a"},
		{"GET", "/decodes/" + secret.ID + "/tables", "a"},
		{"GET", "/decodes/" + secret.ID + "/tables/points/rows", "a"},
		{"GET", "/decodes/" + secret.ID + "/tables/points.csv", "a"},
		{"GET", "/decodes/" + secret.ID + "/issues", "a"},
		{"GET", "/system", "r ru a"},
		{"GET", "/plugins", "r ru a"},
		{"GET", "/api/v1/openapi.json", "r ru a"},
		{"GET", "/health", "r u w a ru"},
	} {
		for token := range w.cfg.Auth.(auth) {
			let := slices.Contains(strings.Fields(tc.tokens), token)
			for _, h := range []option{header("Authorization", "bearer "+token), header("X-API-Key", token)} {
				res := w.do(tc.method, tc.path, strings.NewReader("RU"), h, header("Content-Type", "application/octet-stream"))
				if (res.StatusCode == http.StatusForbidden) == let {
					t.Errorf("%s %s with %s: %d %s", tc.method, tc.path, token, res.StatusCode, res.body)
				}
			}
		}
		res := w.do(tc.method, tc.path, nil)
		if open := strings.HasPrefix(tc.path, "/health"); (res.StatusCode == http.StatusUnauthorized) == open {
			t.Errorf("%s %s without token: %d", tc.method, tc.path, res.StatusCode)
		}
	}
	res := w.get("/files", header("X-API-Key", "wrong"))
	wantProblem(t, res, 401, "unauthorized")
	if !strings.HasPrefix(res.Header.Get("Www-Authenticate"), "Bearer") {
		t.Errorf("WWW-Authenticate %q", res.Header.Get("Www-Authenticate"))
	}
	for _, it := range w.get("/decodes", header("X-API-Key", "r")).json(t)["items"].([]any) {
		if it.(map[string]any)["id"] == secret.ID {
			t.Error("a decode with sensitive values is listed")
		}
	}
}

func TestFilesRaw(t *testing.T) {
	w := newWorld(t)
	w.cfg.Auth, w.cfg.FilesRaw = auth{"r": {"read"}, "u": {"upload"}}, true
	w.start()
	w.addDecode(catalog.Done, "RU1")
	if res := w.get("/files/f0001/content", header("X-API-Key", "r")); res.StatusCode != http.StatusOK {
		t.Errorf("read: %d", res.StatusCode)
	}
	wantProblem(t, w.get("/files/f0001/content", header("X-API-Key", "u")), 403, "forbidden")
}

func TestHosts(t *testing.T) {
	w := newWorld(t)
	w.cfg.Hosts = []string{"Box.Example"}
	w.start()
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:99": 200, "127.0.0.1:1": 200, "[::1]:80": 200, "[::1]": 200, "box.example:8000": 200, "box.example.": 200,
		"evil.example": 403, "localhost.evil.example": 403, "127.0.0.1.nip.io": 403, "192.168.1.1": 403, "box.example@evil": 403,
	} {
		if res := w.get("/files", header("Host", host)); res.StatusCode != want {
			t.Errorf("Host %s: %d, want %d", host, res.StatusCode, want)
		}
	}
	own := w.server.Addr().String()
	for origin, want := range map[string]int{"http://" + own: 201, "http://localhost:1": 403, "https://evil.example": 403} {
		if res := w.post("/files?decode=false&name="+fmt.Sprint(len(origin)), "x", header("Origin", origin)); res.StatusCode != want {
			t.Errorf("Origin %s: %d, want %d", origin, res.StatusCode, want)
		}
	}
	if res := w.get("/files", header("Origin", "https://evil.example")); res.StatusCode != 200 || res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("reading from elsewhere: %d %v", res.StatusCode, res.Header)
	}
}

func TestContent(t *testing.T) {
	w := newWorld(t).start()
	w.post("/files?name=%C3%A4%22%3Cb%3E.html&decode=false", "<script>0123456789")
	res := w.get("/files/f0001/content")
	for k, want := range map[string]string{
		"Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox",
		"Content-Disposition": `attachment; filename="__<b>.html"; filename*=UTF-8''%C3%A4%22%3Cb%3E.html`, "Accept-Ranges": "bytes",
		"Content-Length": "18",
	} {
		if got := res.Header.Get(k); got != want {
			t.Errorf("%s: %q, want %q", k, got, want)
		}
	}
	tag := res.Header.Get("Etag")
	if res := w.get("/files/f0001/content", header("Range", "bytes=8-9")); res.StatusCode != 206 || string(res.body) != "01" || res.Header.Get("Content-Range") != "bytes 8-9/18" {
		t.Errorf("range: %d %q %v", res.StatusCode, res.body, res.Header)
	}
	if res := w.get("/files/f0001/content", header("If-None-Match", tag)); res.StatusCode != 304 {
		t.Errorf("If-None-Match: %d", res.StatusCode)
	}
	if m := w.get("/files/f0001/hex?offset=8&length=3").json(t); m["hex"] != "303132" || m["offset"] != 8.0 || m["length"] != 3.0 || m["size"] != 18.0 {
		t.Errorf("hex: %v", m)
	}
	if m := w.get("/files/f0001/hex?offset=17").json(t); m["hex"] != "39" {
		t.Errorf("hex at the end: %v", m)
	}
	if m := w.get("/files/f0001/hex?offset=18").json(t); m["hex"] != "" {
		t.Errorf("hex after the end: %v", m)
	}
}

func FuzzRangeAndHex(f *testing.F) {
	f.Add("bytes=0-1", "0", "4")
	f.Add("bytes=-1,0-", "-1", "9223372036854775807")
	f.Add("bytes=18446744073709551615-", "9223372036854775807", "1048576")
	w := newWorld(f).start()
	w.post("/files?name=a&decode=false", "0123456789")
	f.Fuzz(func(t *testing.T, ranges, offset, length string) {
		w.t = t
		if strings.ContainsFunc(ranges, func(r rune) bool { return r < ' ' || r > '~' }) {
			return // no header: the client refuses it
		}
		esc := strings.NewReplacer("%", "%25", "&", "%26", "#", "%23", " ", "+", "+", "%2B").Replace
		if strings.ContainsFunc(offset+length, func(r rune) bool { return r < ' ' || r > '~' }) {
			return
		}
		if res := w.get("/files/f0001/content", header("Range", ranges)); res.StatusCode >= 500 || len(res.body) > 4096 {
			t.Errorf("Range %q: %d, %d bytes", ranges, res.StatusCode, len(res.body))
		}
		if res := w.get("/files/f0001/hex?offset=" + esc(offset) + "&length=" + esc(length)); res.StatusCode >= 500 {
			t.Errorf("hex %q %q: %d", offset, length, res.StatusCode)
		}
	})
}

func TestListsPageAndTrim(t *testing.T) {
	w := newWorld(t).start()
	for i := range 5 {
		w.post(fmt.Sprintf("/files?name=n%d", i), fmt.Sprint(i))
	}
	m := w.get("/files?limit=2&fields=name,id").json(t)
	want := map[string]any{
		"items": []any{map[string]any{"name": "n0", "id": "f0001"}, map[string]any{"name": "n1", "id": "f0002"}}, "next_cursor": "f0002", "total": nil,
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if m := w.get("/files?limit=10&cursor=f0002").json(t); len(m["items"].([]any)) != 3 || m["next_cursor"] != nil {
		t.Errorf("rest: %v", m)
	}
	if m := w.get("/files?name=zzz").json(t); m["items"] == nil {
		t.Errorf("no items are null: %v", m)
	}
	res := w.get("/files")
	if again := w.get("/files", header("If-None-Match", res.Header.Get("Etag"))); again.StatusCode != 304 || len(again.body) != 0 {
		t.Errorf("If-None-Match: %d", again.StatusCode)
	}
}

func TestRedecodeCancelDelete(t *testing.T) {
	w := newWorld(t).start()
	_, d := w.addDecode(catalog.Running, "RU1")
	ct := header("Content-Type", "application/json")
	if res := w.post("/decodes", `{"file_id":"f0001"}`, ct); res.StatusCode != 200 || res.json(t)["id"] != d.ID {
		t.Errorf("there already: %d %s", res.StatusCode, res.body)
	}
	res := w.post("/decodes", `{"file_id":"f0001","force":true,"params":{"a":1,"b":"x","c":true}}`, ct)
	if res.StatusCode != 201 || res.Header.Get("Location") != "/api/v1/decodes/d9999" {
		t.Errorf("new: %d %s", res.StatusCode, res.body)
	}
	if diff := cmp.Diff(map[string]any{"a": 1.0}, res.json(t)["params"]); diff != "" {
		t.Errorf("params (-want +got):\n%s", diff)
	}
	if res := w.post("/decodes/"+d.ID+"/cancel", ""); res.StatusCode != 200 || res.json(t)["status"] != "cancelled" {
		t.Errorf("cancel: %d %s", res.StatusCode, res.body)
	}
	for _, p := range []string{"/decodes/" + d.ID, "/files/f0001"} {
		if res := w.do(http.MethodDelete, p, nil); res.StatusCode != 204 || len(res.body) != 0 {
			t.Errorf("delete %s: %d %s", p, res.StatusCode, res.body)
		}
		wantProblem(t, w.get(p), 404, "not_found")
	}
}

func TestConsole(t *testing.T) {
	w := newWorld(t)
	console, err := web.NewConsole()
	if err != nil {
		t.Fatal(err)
	}
	w.cfg.Console = console
	w.start()
	for _, at := range []string{"/", "/files", "/files/f0000000001/records?sort=-speed", "/settings/tokens"} {
		res := w.get("http://" + w.server.Addr().String() + at)
		if res.StatusCode != 200 || !strings.Contains(string(res.body), `id="app"`) || !strings.Contains(res.Header.Get("Content-Security-Policy"), "script-src 'self'") {
			t.Errorf("%s: %d %v", at, res.StatusCode, res.Header)
		}
	}
	wantProblem(t, w.get("http://"+w.server.Addr().String()+"/assets/none.js"), 404, "not_found")
	wantProblem(t, w.get("http://"+w.server.Addr().String()+"/nowhere"), 404, "not_found")
}
