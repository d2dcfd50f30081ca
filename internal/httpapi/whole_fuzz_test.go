package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/access"
	"github.com/wayside-edge/wayside/internal/batch"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// whole is a server without a network, made anew from time to time so that what it was sent does not pile up.
type whole struct {
	dir    string
	auth   *access.Access
	server *Server
	world  *world
	left   int
}

func newWhole(f *testing.F) *whole {
	f.Helper()
	return &whole{dir: f.TempDir()}
}

// scratch is the testing.TB of a world that outlives the input it was made for.
type scratch struct {
	testing.TB
	dir string
}

func (s scratch) Helper() {}

func (s scratch) TempDir() string {
	dir, err := os.MkdirTemp(s.dir, "")
	if err != nil {
		panic(err)
	}
	return dir
}

func (s scratch) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// request builds a request as net/http would have read it.
func request(method, target, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "http://localhost/", strings.NewReader(body))
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
	r.RequestURI = target
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Add(pair[0], pair[1])
	}
	return r
}

// serve answers a request, and looks that the answer is one that may leave the appliance.
func (x *whole) serve(t *testing.T, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	if x.left == 0 {
		if err := errors.Join(os.RemoveAll(x.dir), os.MkdirAll(x.dir, 0o700)); err != nil {
			t.Fatal(err)
		}
		x.world, x.left = newWorld(scratch{dir: x.dir}), 300
		x.world.direct = func(_ context.Context, r DirectRequest, w io.Writer) error {
			_, err := io.Copy(io.Discard, r.Body)
			return err
		}
		x.world.cfg.Logger = slog.New(slog.DiscardHandler)
		if x.auth != nil {
			x.world.cfg.Auth = x.auth
		}
		f, d := x.world.addDecode(catalog.Done, "RU0123456789")
		x.world.writeTable(d, 50)
		if _, err := x.world.cfg.Deps.Batches.Create(t.Context(), batch.New{Items: []batch.NewItem{{FileID: f.ID, DecodeID: d.ID}}}); err != nil {
			t.Fatal(err)
		}
		var err error
		if x.server, err = newServer(x.world.cfg.withDefaults()); err != nil {
			t.Fatal(err)
		}
	}
	x.left--
	what := r.Method + " " + r.RequestURI
	rec := httptest.NewRecorder()
	x.server.echo.ServeHTTP(rec, r)
	if rec.Code < 400 {
		return rec
	}
	var p Problem
	switch err := json.Unmarshal(rec.Body.Bytes(), &p); {
	case rec.Code >= 500:
		t.Errorf("%q: %d %s", what, rec.Code, rec.Body)
	case r.Method == http.MethodHead:
	case err != nil || rec.Header().Get("Content-Type") != problemType || p.Status != rec.Code:
		t.Errorf("%q: %d %v %s", what, rec.Code, rec.Header(), rec.Body)
	case codeInfo(errcode.Code(p.Code)).Status != p.Status:
		t.Errorf("%q: code %s of %d", what, p.Code, p.Status)
	case strings.Contains(rec.Body.String(), x.world.dir):
		t.Errorf("%q tells a path: %s", what, rec.Body)
	}
	return rec
}

// FuzzQueries asks with any query, where cursors, filters, columns, fields= and numbers are read.
func FuzzQueries(f *testing.F) {
	paths := []string{
		"/files", "/files/f0001", "/files/f0001/hex", "/files/f0001/content", "/decodes", "/decodes/d0001", "/decodes/d0001/issues",
		"/decodes/d0001/tables", "/decodes/d0001/tables/points/rows", "/decodes/d0001/tables/points/series",
		"/decodes/d0001/tables/points.csv", "/decodes/d0001/tables/points.parquet", "/decodes/d0001/tables/points.json",
		"/batches", "/batches/b0001", "/batches/b0001/tables", "/batches/b0001/tables/points/rows", "/batches/b0001/tables/points.csv",
		"/jobs", "/jobs/j1/result", "/queues", "/workers", "/schedules", "/schedule-times?cron=@daily&", "/plugins", "/flows/f1", "/system", "/overview", "/readings", "/events?topics=none&",
	}
	for i, q := range []string{
		"limit=2&cursor=f0001&fields=id,name", "fields=,&fields=id", "where=x:gt:1&where=y:in:a,b&sort=x&order=desc&q=1", "x=seq&y=x&from=1&to=a&points=3",
		"columns=seq,seq&int64=string", "limit=99999999999999999999", "limit=1e3", "cursor=" + cursorOfKey("rail"), "cursor=%00", "wait=NaN",
		"cursor=" + batchCursor{At: 1, Decode: "d0001", Rows: "x"}.String(), "%", ";", "a=1;b=2", "offset=-1&length=9223372036854775807",
	} {
		f.Add(uint8(i), q)
	}
	x := newWhole(f)
	f.Fuzz(func(t *testing.T, path uint8, query string) {
		if strings.Contains(query, "wait") {
			return // it may wait
		}
		target := pathPrefix + paths[int(path)%len(paths)]
		if !strings.Contains(target, "?") {
			target += "?"
		}
		x.serve(t, request(http.MethodGet, target+query, ""))
	})
}

// FuzzPaths asks for any path below the API.
func FuzzPaths(f *testing.F) {
	for _, p := range []string{"/files/../x", "/decodes/d0001/tables/points.csv", "/decodes/d0001/tables/.csv", "/batches/b0001/tables/a.b.c", "//", "/files/%2e%2e", "/files/\x00"} {
		f.Add(uint8(0), p)
	}
	methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"}
	x := newWhole(f)
	f.Fuzz(func(t *testing.T, method uint8, path string) {
		path, _, _ = strings.Cut(path, "?")
		m := methods[int(method)%len(methods)]
		if strings.Contains(path, "events") && m == http.MethodGet || m == http.MethodOptions {
			return // it does not end; the answer to OPTIONS is tus's own
		}
		r := request(m, pathPrefix+path, "")
		r.URL = &url.URL{Path: pathPrefix + path}
		x.serve(t, r)
	})
}

// FuzzBodies sends any body where documents are read.
func FuzzBodies(f *testing.F) {
	routes := []string{
		"POST /batches", "POST /decodes", "POST /jobs", "POST /jobs/actions", "POST /leases", "POST /leases/heartbeat", "POST /leases/finish",
		"POST /flows", "POST /schedules", "PUT /schedules/s1", "PUT /queues/q", "PATCH /queues/q", "PATCH /jobs/j1",
	}
	for i, b := range []string{
		`{"name":"a","file_ids":["f0001"],"concurrency":2,"timeout_per_file":1.5,"params":{"a":1,"b":true,"reveal":"x"}}`, `{"file_id":"f0001","force":true,"params":{"x":null}}`,
		`{"type":"a","payload":{"x":[1,2]}}`, `{"action":"cancel","filter":{}}`, `{"worker":"w","queues":["q"],"max":1,"wait":0,"lease_seconds":1e300}`,
		`{"worker":"w","leases":[{"id":"a","lease":"b","progress":2}]}`, `{"ack":[{}],"fail":[null]}`, `{"jobs":[{"key":"a","depends_on":["a"]}]}`,
		`{"cron":"* * * * *","timezone":"Europe/Berlin","job":{"type":"a"}}`, `{}`, `{"weight":1e999}`, `[]`, `{"combine":true,"file_ids":["f0001","f0001"]}`, `{"archive":"f0001"}`, "null", "\xff", strings.Repeat("[", 5000),
	} {
		f.Add(uint8(i), []byte(b))
	}
	x := newWhole(f)
	f.Fuzz(func(t *testing.T, route uint8, body []byte) {
		if bytes.Contains(body, []byte("wait")) {
			return // it may wait
		}
		method, path, _ := strings.Cut(routes[int(route)%len(routes)], " ")
		x.serve(t, request(method, pathPrefix+path, string(body), "Content-Type", jsonType))
	})
}

// FuzzForms sends any form. What is stored of it has names that are no paths.
func FuzzForms(f *testing.F) {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	_ = m.SetBoundary("b")
	for _, name := range []string{"a.ru", `..\"/x`, "\u202e"} {
		p, _ := m.CreateFormFile("file", name)
		_, _ = io.WriteString(p, "RU")
	}
	_ = m.Close()
	f.Add(uint8(0), b.Bytes())
	f.Add(uint8(1), []byte("--b\r\nContent-Disposition: form-data; name=file; filename*=UTF-8''%2e%2e%2fx\r\n\r\nRU\r\n--b--"))
	f.Add(uint8(2), []byte("--b\r\nContent-Disposition: form-data\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=\r\n--b--"))
	f.Add(uint8(3), []byte("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\r\n"))
	paths := []string{"/files?decode=false", "/batches", "/detect", "/files?decode=false&bundle=true", "/decode?to=csv&table=a"}
	x := newWhole(f)
	f.Fuzz(func(t *testing.T, path uint8, body []byte) {
		rec := x.serve(t, request(http.MethodPost, pathPrefix+paths[int(path)%len(paths)], string(body), "Content-Type", "multipart/form-data; boundary=b"))
		var got struct {
			File  File `json:"file"`
			Items []struct {
				File File `json:"file"`
			} `json:"items"`
		}
		if rec.Code >= 300 || json.Unmarshal(rec.Body.Bytes(), &got) != nil {
			return
		}
		for _, it := range append(got.Items, struct {
			File File `json:"file"`
		}{got.File}) {
			if name := it.File.Name; name != "" && name != safeName(name) {
				t.Errorf("stored as %q", name)
			}
		}
	})
}

// FuzzRequestHeaders sends any value of the headers that are read, where tokens are needed: without a right one nothing
// is done, whatever else is said.
func FuzzRequestHeaders(f *testing.F) {
	names := []string{
		"Authorization", "X-Api-Key", "Cookie", "Origin", "Sec-Fetch-Site", "Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since",
		"Accept", "Accept-Encoding", "Content-Type", "Content-Encoding", "Idempotency-Key", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
		"Traceparent", "X-Request-Id", "X-Correlation-Id", "Last-Event-Id", "Tus-Resumable", "Upload-Length", "Upload-Offset", "Upload-Metadata",
		"Upload-Checksum", "Upload-Defer-Length", "Upload-Concat", "X-Http-Method-Override", "Expect", "Host",
	}
	routes := []string{
		"GET /files/f0001/content", "GET /files", "GET /decodes/d0001/tables/points.parquet", "GET /decodes/d0001/tables/points.csv", "POST /files?decode=false",
		"POST /jobs", "PUT /queues/q", "POST /uploads", "HEAD /uploads/u1", "PATCH /uploads/u1", "GET /session", "HEAD /events", "POST /batches",
	}
	for i, v := range []string{"Bearer x", "bytes=0-1,3-", `W/"a", *`, "gzip;q=nan", "for=\"", "wayside_session=a; wayside_session=b", "https://evil", "1", "\x00", "filename YQ=="} {
		f.Add(uint8(i), uint8(i), v)
	}
	open, shut := newWhole(f), newWhole(f)
	shut.auth = realAccess(f, true)
	f.Fuzz(func(t *testing.T, route, name uint8, value string) {
		method, path, _ := strings.Cut(routes[int(route)%len(routes)], " ")
		header := names[int(name)%len(names)]
		ask := func() *http.Request {
			r := request(method, pathPrefix+path, `{"type":"a"}`)
			if header == "Host" {
				r.Host = value
			} else {
				r.Header[header] = []string{value}
			}
			return r
		}
		open.serve(t, ask())
		if rec := shut.serve(t, ask()); rec.Code < 400 && path != "/session" {
			t.Errorf("%s %s with %s: %q: %d", method, path, header, value, rec.Code)
		}
	})
}
