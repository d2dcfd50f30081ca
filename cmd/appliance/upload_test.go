package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// takes is an appliance that takes recordings, with faults: enough of the API to see what the command says.
type takes struct {
	*httptest.Server
	mu    sync.Mutex
	busy  int // so many uploads are answered by 503
	cut   int // so many bytes of a resumable upload are taken before its connection is cut
	calls []string
	keys  map[string]bool
	tus   []byte
}

func newTakes(t *testing.T) *takes {
	t.Helper()
	s := &takes{keys: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/files", s.upload)
	mux.HandleFunc("/api/v1/uploads/", s.resumable)
	mux.HandleFunc("/api/v1/uploads", s.resumable)
	mux.HandleFunc("GET /api/v1/files", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"items":[{"id":"f9","name":"big.bin","decodes":["d1"]}]}`)
	})
	mux.HandleFunc("GET /api/v1/decodes/d1", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"id":"d1","status":"done","rows":5}`) })
	mux.HandleFunc("GET /api/v1/decodes/bad", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"id":"bad","status":"partial","error":{"code":"decode_failed","message":"cut","offset":9}}`)
	})
	mux.HandleFunc("POST /api/v1/batches", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.calls = append(s.calls, strings.TrimPrefix(r.URL.RawQuery+" batch "+string(b), " "))
		s.keys[r.Header.Get("Idempotency-Key")] = true
		s.mu.Unlock()
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"id":"b1","status":"running","total":2,"finished_at":null}`)
	})
	mux.HandleFunc("GET /api/v1/batches/b2", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"id":"b2","status":"running","total":9,"successful":1,"finished_at":null,"pending":[{"file_id":"f3","name":"c"}],"next_cursor":"1"}`)
	})
	mux.HandleFunc("GET /api/v1/batches/b3", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls = append(s.calls, "b3 "+r.URL.RawQuery)
		if s.busy--; s.busy > 0 {
			fmt.Fprint(w, `{"id":"b3","status":"running","total":1,"finished_at":null}`)
			return
		}
		fmt.Fprint(w, `{"id":"b3","status":"done","total":1,"successful":1,"finished_at":"2026-01-02T03:04:05Z"}`)
	})
	mux.HandleFunc("GET /api/v1/batches/b1/tables", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `[{"name":"mission","description":"a summary","files":2,"rows":1234,"columns":[{"name":"file","type":"utf8"}],"conflicts":["speed"]}]`)
	})
	mux.HandleFunc("GET /api/v1/batches/b1/tables/mission/rows", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		fmt.Fprintf(w, `{"columns":["file","n"],"rows":[["%s/%s/%s",1]],"next_cursor":"p2","total":9}`, q.Get("where"), q.Get("limit"), q.Get("cursor"))
	})
	mux.HandleFunc("POST /api/v1/batches/b3/{act}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"id":"b3","status":"running","name":%q,"total":1}`, r.PathValue("act"))
	})
	mux.HandleFunc("GET /api/v1/batches/b1", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"id":"b1","status":"partial","total":3,"successful":2,"failed":1,"finished_at":"2026-01-02T03:04:05Z",
			"results":[{"file_id":"f1","decode_id":"d1","name":"a","partial":false,"success":true},{"file_id":"f2","decode_id":"d2","name":"b","partial":true,"success":true}],
			"errors":[{"file_id":"f3","decode_id":null,"name":"c","error":{"code":"timeout","message":"too slow","offset":null},"success":false}]}`)
	})
	mux.HandleFunc("GET /api/v1/batches", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"items":[{"id":"b1","name":"trip 1","status":"partial","total":3,"successful":2,"failed":1}],"next_cursor":"more"}`)
	})
	mux.HandleFunc("GET /api/v1/batches/b1/tables/mission.csv", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "file,seq\na,%s\n", r.URL.Query().Get("where"))
	})
	mux.HandleFunc("POST /api/v1/batches/b1/retry", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"id":"b1","status":"running","total":3}`)
	})
	mux.HandleFunc("DELETE /api/v1/batches/b1", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *takes) upload(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	s.calls = append(s.calls, q.Encode()+" "+string(b))
	s.keys[r.Header.Get("Idempotency-Key")] = true
	if s.busy > 0 {
		s.busy--
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"code":"shutting_down","detail":"the appliance is shutting down"}`)
		return
	}
	decode := "d1"
	switch {
	case strings.HasPrefix(string(b), "large"):
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		fmt.Fprint(w, `{"code":"too_large","detail":"too large","request_id":"r7"}`)
		return
	case strings.HasPrefix(string(b), "cut"):
		decode = "bad"
	}
	w.WriteHeader(http.StatusCreated)
	if q.Get("decode") == "false" {
		fmt.Fprintf(w, `{"file":{"id":"f-%s","name":%[1]q},"decode":null}`, q.Get("name"))
		return
	}
	fmt.Fprintf(w, `{"file":{"id":"f-%s","name":%[1]q},"decode":{"id":%q,"status":"queued"}}`, q.Get("name"), decode)
}

func (s *takes) resumable(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Tus-Resumable", "1.0.0")
	s.calls = append(s.calls, r.Method)
	switch r.Method {
	case http.MethodPost:
		w.Header().Set("Location", "/api/v1/uploads/u1")
		w.WriteHeader(http.StatusCreated)
	case http.MethodHead:
		w.Header().Set("Upload-Offset", strconv.Itoa(len(s.tus)))
	case http.MethodPatch:
		if s.cut > 0 {
			b, _ := io.ReadAll(io.LimitReader(r.Body, int64(s.cut)))
			s.tus = append(s.tus, b...)
			panic(http.ErrAbortHandler)
		}
		b, _ := io.ReadAll(r.Body)
		s.tus = append(s.tus, b...)
		w.Header().Set("Upload-Offset", strconv.Itoa(len(s.tus)))
		w.WriteHeader(http.StatusNoContent)
	}
}

// said runs a command line in a home of its own.
func (s *takes) said(t *testing.T, home, stdin string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(args, []string{"HOME=" + home, "WAYSIDE_SERVER=" + s.URL, "WAYSIDE_TOKEN=t"}, stdio{in: strings.NewReader(stdin), out: &o, err: &e})
	return code, o.String(), e.String()
}

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestUploadWaits(t *testing.T) {
	s := newTakes(t)
	dir := folder(t, map[string]string{"a": "one", "sub/b": "two", ".hidden": "no", ".git/x": "no", "c": "cut off"})
	code, out, errs := s.said(t, dir, "", "upload", dir, "--wait", "--decoder", "rail", "--param", "timezone=UTC", "--force")
	if code != 1 || errs != "3 files: 3 taken, 1 failed\n" {
		t.Errorf("exit %d, %q", code, errs)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	slices.Sort(lines)
	want := []string{
		dir + "/a: f-a, decode d1 done, 5 rows",
		dir + "/c: f-c, decode bad partial, 0 rows: decode_failed: cut (at byte 9)",
		dir + "/sub/b: f-b, decode d1 done, 5 rows",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got %q", lines)
	}
	slices.Sort(s.calls)
	if s.calls[0] != "decoder=rail&force=true&name=a&param.timezone=UTC one" || len(s.calls) != 3 || len(s.keys) != 3 {
		t.Errorf("called %q with keys %v", s.calls, s.keys)
	}
}

func TestUploadJSONAndRefusals(t *testing.T) {
	s := newTakes(t)
	dir := folder(t, map[string]string{"a": "large"})
	code, out, _ := s.said(t, dir, "data", "upload", dir+"/a", "--json")
	var line struct {
		Path  string `json:"path"`
		Error struct {
			Code      string `json:"code"`
			RequestID string `json:"request_id"`
		} `json:"error"`
	}
	if err := json.Unmarshal([]byte(out), &line); err != nil || code != 1 || line.Error.Code != "too_large" || line.Error.RequestID != "r7" || line.Path != dir+"/a" {
		t.Errorf("exit %d, %q, %v", code, out, err)
	}
	code, out, errs := s.said(t, dir, "data", "upload", "-", "--name", "x", "--no-decode", "--json")
	if code != 0 || out != `{"decode":null,"file":{"id":"f-x","name":"x"}}`+"\n" || errs != "" {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	if code, _, errs := s.said(t, dir, "", "upload", dir+"/a"); code != 1 || errs != "wayside: "+dir+"/a: too large\n" {
		t.Errorf("exit %d, %q", code, errs)
	}
	for _, args := range [][]string{
		{"nope"},
		{"-"},
		{"-", "--name", "x", "--resume"},
		{dir, dir, "--name", "x"},
		{dir, "--no-decode", "--wait"},
		{dir, "--param", "x"},
		{dir, "--parallel", "0"},
		{dir, "--tries", "0"},
		{dir, "--resume", "--force"},
		{dir, "--batch", "b", "--force"},
		{t.TempDir()},
	} {
		if code, out, errs := s.said(t, dir, "", append([]string{"upload"}, args...)...); code != 2 || out != "" || !strings.HasSuffix(errs, "(see wayside upload --help)\n") {
			t.Errorf("%q: exit %d, %q, %q", args, code, out, errs)
		}
	}
}

// What is busy is asked again, with the same key; a file is not taken twice.
func TestUploadTriesAgain(t *testing.T) {
	s := newTakes(t)
	s.busy = 1
	dir := folder(t, map[string]string{"a": "one"})
	code, out, errs := s.said(t, dir, "", "upload", dir+"/a")
	if code != 0 || !strings.Contains(out, "f-a, decode d1 queued\n") || !strings.Contains(errs, "the appliance is shutting down; again in 1s\n") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	if len(s.calls) != 2 || len(s.keys) != 1 {
		t.Errorf("called %q with keys %v", s.calls, s.keys)
	}
}

func TestUploadBatch(t *testing.T) {
	s := newTakes(t)
	dir := folder(t, map[string]string{"b": "two", "a": "one"})
	code, out, errs := s.said(t, dir, "", "upload", dir, "--batch", "trip 1", "--wait", "--decoder", "rail", "--quiet")
	if code != 1 || !strings.HasSuffix(out, "batch b1 partial: 3 files, 2 successful, 1 failed\n") || errs != "" {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	if got := s.calls[len(s.calls)-1]; got != `batch {"name":"trip 1","file_ids":["f-a","f-b"],"decoder":"rail"}` {
		t.Errorf("called %q", got)
	}
	code, out, _ = s.said(t, dir, "", "upload", dir, "--batch", "trip 1", "--json")
	if code != 0 || out != `{"id":"b1","status":"running","total":2,"finished_at":null}`+"\n" {
		t.Errorf("exit %d, %q", code, out)
	}
}

// An upload that was broken off goes on in another run of the command.
func TestUploadResumes(t *testing.T) {
	s := newTakes(t)
	s.tus, s.cut = nil, 1000
	dir := folder(t, map[string]string{"big.bin": strings.Repeat("x", 10_000)})
	sum := sha256.Sum256([]byte(strings.Repeat("x", 10_000)))
	code, _, errs := s.said(t, dir, "", "upload", dir+"/big.bin", "--resume", "--tries", "1")
	if code != 1 || !strings.Contains(errs, "gave up after 1 tries") {
		t.Errorf("exit %d, %q", code, errs)
	}
	s.mu.Lock()
	s.cut = 0
	s.mu.Unlock()
	code, out, errs := s.said(t, dir, "", "upload", dir+"/big.bin", "--resume", "--wait")
	if code != 0 || out != dir+"/big.bin: f9, decode d1 done, 5 rows\n" || errs != dir+"/big.bin: went on at 1.0 kB\n" {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := sha256.Sum256(s.tus); got != sum {
		t.Errorf("the appliance has %d bytes, SHA-256 %s", len(s.tus), hex.EncodeToString(got[:]))
	}
	if want := []string{"POST", "PATCH", "HEAD", "PATCH"}; !slices.Equal(s.calls, want) {
		t.Errorf("called %q", s.calls)
	}
}

func TestBatches(t *testing.T) {
	s := newTakes(t)
	dir := t.TempDir()
	table := "FILE  NAME  DECODE  STATUS   NOTE\nf1    a     d1      done\nf2    b     d2      partial\nf3    c             failed   timeout: too slow\n"
	for _, tc := range []struct {
		args string
		code int
		out  string
		errs string
	}{
		{"list --limit 1", 0, "ID  NAME    STATUS   FILES  SUCCESSFUL  FAILED  RUNNING  CREATED\nb1  trip 1  partial      3           2       1        0  -\n", "the first 1; --all shows every one, or go on with --cursor more\n"},
		{"show b1", 0, "b1 partial: 3 files, 2 successful, 1 failed\n" + table, ""},
		{"show b1 --wait 1s", 1, "b1 partial: 3 files, 2 successful, 1 failed\n" + table, "wayside: batch b1 is partial: 1 of 3 files failed\n"},
		{"start f1 f2 --name x --param a=b --timeout-per-file 90s --concurrency 2", 0, "b1\n", ""},
		{"get b1 mission --where seq:eq:1", 0, "file,seq\na,seq:eq:1\n", ""},
		{"show b2", 0, "b2 running: 9 files, 1 successful, 0 failed\nFILE  NAME  DECODE  STATUS   NOTE\nf3    c             pending\n", "1 of 9 files; --limit shows more, or go on with --cursor 1\n"},
		{"show b2 --wait 1ms", 1, "b2 running: 9 files, 1 successful, 0 failed\nFILE  NAME  DECODE  STATUS   NOTE\nf3    c             pending\n", "1 of 9 files; --limit shows more, or go on with --cursor 1\nwayside: batch b2 is running after 1ms: 1 of 9 files have ended\n"},
		{"start", 2, "", ""},
		{"start f1 --archive f2", 2, "", ""},
		{"start f1 --param x", 2, "", ""},
		{"send " + dir, 2, "", ""},
		{"send " + dir + "/nope", 1, "", "wayside: send archive: open " + dir + "/nope: no such file or directory\n"},
		{"tables b1", 0, "TABLE    FILES   ROWS  COLUMNS  CONFLICTS  DESCRIPTION\nmission      2  1,234        1  speed      a summary\n", ""},
		{"tables b1 --columns", 0, "TABLE    COLUMN  TYPE  UNIT  MIN  MAX  DESCRIPTION\nmission  file    utf8        -    -\n", ""},
		{"rows b1 mission --where n:eq:1 --limit 7 --cursor p1", 0, "file         n\nn:eq:1/7/p1  1\n", "1 of 9 rows; --limit shows more, or go on with --cursor p2\n"},
		{"get b1", 2, "", ""},
		{"get b1 -o " + dir + "/tables --to csv", 0, "", "1 tables -> " + dir + "/tables\n"},
		{"cancel b3", 0, "b3 running: 1 files, 0 successful, 0 failed\n", ""},
		{"cancel b3 --wait 1s", 2, "", ""},
		{"retry b3 --wait 10s", 0, "b3 done: 1 files, 1 successful, 0 failed\nFILE  NAME  DECODE  STATUS  NOTE\n", ""},
		{"retry b1", 0, "b1 running: 3 files, 0 successful, 0 failed\n", ""},
		{"delete b1", 0, "b1 deleted\n", ""},
		{"get b1 mission --to xml", 2, "", "wayside: --to: \"xml\" is not one of parquet, csv, ndjson, json, arrow, xlsx (see wayside batches get --help)\n"},
	} {
		code, out, errs := s.said(t, dir, "", append([]string{"batches"}, strings.Fields(tc.args)...)...)
		if code != tc.code || out != tc.out || (errs != tc.errs && tc.code != 2) {
			t.Errorf("%s: exit %d, %q, %q", tc.args, code, out, errs)
		}
	}
	for _, args := range []string{"start --archive f9 --combine", "send " + dir + "/day.zip --wait 1s --name d --param a=b --concurrency 3 --timeout-per-file 2s --combine --decoder rail"} {
		if err := os.WriteFile(dir+"/day.zip", []byte("zip"), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, errs := s.said(t, dir, "", append([]string{"batches"}, strings.Fields(args)...)...); code != 0 && code != 1 {
			t.Errorf("%s: exit %d, %q", args, code, errs)
		}
	}
	if code, out, _ := s.said(t, dir, "tar", "batches", "send", "-"); code != 0 || out != "b1\n" {
		t.Errorf("standard input: exit %d, %q", code, out)
	}
	if len(s.calls) > 1 && strings.HasPrefix(s.calls[1], "b3 limit=1&wait=9.9") {
		s.calls[1] = "b3 limit=1&wait=10" // a little of it is over
	}
	want := []string{
		`batch {"name":"x","file_ids":["f1","f2"],"params":{"a":"b"},"concurrency":2,"timeout_per_file":90}`,
		"b3 limit=1&wait=10", "b3 ", `batch {"archive":"f9","combine":true}`,
		"combine=true&concurrency=3&decoder=rail&name=d&param.a=b&timeout_per_file=2 batch zip", "batch tar",
	}
	if fmt.Sprint(s.calls) != fmt.Sprint(want) || len(s.keys) != 4 || s.keys[""] {
		t.Errorf("called %q with %d keys", s.calls, len(s.keys))
	}
	if b, err := os.ReadFile(dir + "/tables/mission.csv"); err != nil || string(b) != "file,seq\na,\n" {
		t.Errorf("%q, %v", b, err)
	}
}

// What is asked for is waited for, not less, and a look is no whole list of files.
func TestBatchIsWaitedFor(t *testing.T) {
	s := newTakes(t)
	s.busy = 3
	code, out, errs := s.said(t, t.TempDir(), "", "batches", "show", "b3", "--wait", "1m", "--json")
	if code != 0 || errs != "" || !strings.Contains(out, `"status": "done"`) {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	if len(s.calls) != 4 || !strings.HasPrefix(s.calls[0], "b3 limit=1&wait=30") || s.calls[3] != "b3 " {
		t.Errorf("called %q", s.calls)
	}
}
