//go:build e2e

package e2e

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMainJob takes the example recording the whole way: upload, tables, exports, restart, delete.
func TestMainJob(t *testing.T) {
	dir := t.TempDir()
	a := start(t, dir)
	data := example(t)
	up := a.upload("example.RU", data, "")
	if up.File.SHA256 != digest(data) || up.File.Format == nil || *up.File.Format != "rail-recorder" {
		t.Errorf("file: %+v", up.File)
	}
	d := up.Decode
	if d == nil || d.Status != "done" && d.Status != "partial" {
		t.Fatalf("decode: %+v\n%s", d, a.log.tail())
	}
	for _, name := range []string{"records", "telegrams", "packets", "variables", "issues"} {
		if d.rows(name) <= 0 {
			t.Errorf("table %s has %d rows", name, d.rows(name))
		}
	}
	checkExports(t, a, *d)
	again := a.upload("example.RU", data, "")
	if again.File.ID != up.File.ID || again.Decode.ID != d.ID {
		t.Errorf("the same delivery became %s and %s", again.File.ID, again.Decode.ID)
	}
	other := a.upload("copy.RU", data, "")
	if other.File.ID == up.File.ID || !other.Decode.Cached || other.Decode.Status != d.Status {
		t.Errorf("the same bytes under another name: %+v %+v", other.File, other.Decode)
	}
	if took, err := a.stop(); err != nil || took > readyWait {
		t.Fatalf("stop took %v: %v", took, err)
	}
	a = start(t, dir)
	if got := a.final(d.ID); got.Status != d.Status || got.Rows != d.Rows {
		t.Errorf("after a restart: %+v", got)
	}
	checkExports(t, a, *d)
	for _, id := range []string{up.File.ID, other.File.ID} {
		if status, p, err := a.call(t.Context(), http.MethodDelete, "/api/v1/files/"+id, nil, nil); err != nil || p != nil {
			t.Fatalf("delete: %d %+v %v", status, p, err)
		}
	}
	for _, sub := range []string{"blobs", "results", "tmp"} {
		if left := filesBelow(t, filepath.Join(dir, sub)); len(left) > 0 {
			t.Errorf("left below %s: %v", sub, left)
		}
	}
}

func filesBelow(tb testing.TB, dir string) []string {
	tb.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return files
}

func (a *appliance) raw(path string, header http.Header) (*http.Response, []byte) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, a.url+path, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return resp, body
}

// checkExports reads the table of records in every form and compares the numbers of rows.
func checkExports(t *testing.T, a *appliance, d Decode) {
	t.Helper()
	base := "/api/v1/decodes/" + d.ID + "/tables/records"
	want := int(d.rows("records"))
	_, body := a.raw(base+".ndjson", nil)
	if got := bytes.Count(body, []byte("\n")); got != want {
		t.Errorf("ndjson has %d rows of %d", got, want)
	}
	_, body = a.raw(base+".csv", nil)
	rows, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	if err != nil || len(rows) != want+1 {
		t.Errorf("csv has %d rows of %d: %v", len(rows)-1, want, err)
	}
	_, body = a.raw(base+".json", nil)
	var objects []map[string]any
	if err := json.Unmarshal(body, &objects); err != nil || len(objects) != want {
		t.Errorf("json has %d rows of %d: %v", len(objects), want, err)
	}
	resp, whole := a.raw(base+".parquet", nil)
	if !bytes.HasPrefix(whole, []byte("PAR1")) || !bytes.HasSuffix(whole, []byte("PAR1")) {
		t.Errorf("parquet of %d bytes has no magic", len(whole))
	}
	etag := resp.Header.Get("ETag")
	part, tail := a.raw(base+".parquet", http.Header{"Range": {"bytes=-8"}})
	if part.StatusCode != http.StatusPartialContent || !bytes.Equal(tail, whole[len(whole)-8:]) {
		t.Errorf("range: %d, %d bytes", part.StatusCode, len(tail))
	}
	if strings.HasPrefix(etag, "W/") || etag == "" {
		t.Errorf("etag %q is not strong", etag)
	}
	if resp, _ := a.raw(base+".parquet", http.Header{"If-None-Match": {etag}}); resp.StatusCode != http.StatusNotModified {
		t.Errorf("if-none-match: %d", resp.StatusCode)
	}
	if resp, body := a.raw(base+".parquet", http.Header{"Range": {"bytes=999999999-"}}); resp.StatusCode != http.StatusRequestedRangeNotSatisfiable ||
		!bytes.Contains(body, []byte("range_not_satisfiable")) {
		t.Errorf("range beyond the end: %d %s", resp.StatusCode, body)
	}
}

// TestTimeZone decodes one recording as it is and with the zone of its clock: two results, of which the second has
// instants everywhere.
func TestTimeZone(t *testing.T) {
	a := start(t, t.TempDir())
	data := example(t)
	plain := a.upload("example.RU", data, "").Decode
	zoned := a.upload("example.RU", data, "&param.timezone=europe/berlin").Decode
	if plain == nil || zoned == nil || plain.ID == zoned.ID || zoned.Cached || zoned.Rows != plain.Rows || zoned.Rows == 0 {
		t.Fatalf("%+v and %+v", plain, zoned)
	}
	if again := a.upload("example.RU", data, "&param.timezone=Europe/Berlin").Decode; again.ID != zoned.ID {
		t.Errorf("another spelling became %+v", again)
	}
	if again := a.upload("example.RU", data, "&param.timezone=").Decode; again.ID != plain.ID {
		t.Errorf("an empty zone became %+v", again)
	}
	for _, c := range []struct {
		decode *Decode
		naive  bool
		first  string
	}{{plain, true, "2025-03-14T05:12:08.000000"}, {zoned, false, "2025-03-14T04:12:08.000000Z"}} {
		base := "/api/v1/decodes/" + c.decode.ID + "/tables"
		var tables []struct {
			Name    string `json:"name"`
			Columns []struct {
				Name  string `json:"name"`
				Naive bool   `json:"naive"`
				Min   any    `json:"min"`
			} `json:"columns"`
		}
		a.get(base, &tables)
		for _, col := range tables[0].Columns {
			if col.Name == "time" && (col.Naive != c.naive || col.Min != c.first) {
				t.Errorf("column %+v, want naive %v, from %s", col, c.naive, c.first)
			}
		}
		var rows struct {
			Rows [][]any `json:"rows"`
		}
		a.get(base+"/records/rows?columns=time&limit=1&where="+url.QueryEscape("time:le:2025-03-14T05:12:08+01:00"), &rows)
		if len(rows.Rows) != 1 || rows.Rows[0][0] != c.first {
			t.Errorf("filtered: %v, want %s", rows.Rows, c.first)
		}
	}
	for _, path := range []string{"/api/v1/files?name=x.RU&", "/api/v1/decode?to=csv&table=records&"} {
		status, p, err := a.call(t.Context(), http.MethodPost, path+"param.timezone=Europe/Berlni", bytes.NewReader(data), nil)
		if err != nil || status != 422 || p == nil || p.Code != "validation_failed" || !strings.Contains(p.Detail, "did you mean Europe/Berlin?") {
			t.Errorf("%s with an unknown zone: %d %+v %v", path, status, p, err)
		}
	}
	_, shown := a.raw("/api/v1/plugins/rail", nil)
	if !bytes.Contains(shown, []byte(`"timezone":{"`)) {
		t.Errorf("the plugin does not tell of the parameter: %s", shown)
	}
}

// TestUploadCutOff checks that an upload whose client goes away leaves nothing.
func TestUploadCutOff(t *testing.T) {
	dir := t.TempDir()
	a := start(t, dir)
	u, err := url.Parse(a.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, sent := range []int{0, 100, 100_000, 3_000_000} {
		var d net.Dialer
		conn, err := d.DialContext(t.Context(), "tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		head := "POST /api/v1/files?name=cut.RU HTTP/1.1\r\nHost: " + u.Host + "\r\nContent-Length: 4000000\r\n\r\n"
		if _, err := io.WriteString(conn, head+strings.Repeat("x", sent)); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// A later request is answered after the server has seen the cut connections; the folder must empty by then or soon.
	deadline := time.Now().Add(20 * time.Second)
	for {
		if files := list[File](a, "/api/v1/files"); len(files) > 0 {
			t.Fatalf("a cut upload became a file: %+v", files)
		}
		left := append(filesBelow(t, filepath.Join(dir, "tmp")), filesBelow(t, filepath.Join(dir, "blobs"))...)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left of cut uploads: %v\n%s", left, a.log.tail())
		}
	}
}

// TestProblems asks for what is not there or not right, and checks the answers of the real server.
func TestProblems(t *testing.T) {
	a := start(t, t.TempDir())
	for _, tc := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", "/api/v1/nothing", 404, "not_found"},
		{"GET", "/api/v1/files/f0000000zzz", 404, "not_found"},
		{"GET", "/api/v1/decodes/d00000000ff", 404, "not_found"},
		{"PUT", "/api/v1/files", 405, "method_not_allowed"},
		{"BREW", "/api/v1/files", 405, "method_not_allowed"},
		{"GET", "/api/v1/files?limit=many", 422, "validation_failed"},
		{"POST", "/api/v1/files?name=x&decoder=nobody", 422, "validation_failed"},
		{"POST", "/api/v1/decode?to=parquet&table=records", 422, "unknown_format"},
		{"POST", "/api/v1/detect", 422, "unknown_format"},
	} {
		var body io.Reader
		if tc.method == "POST" {
			body = strings.NewReader("this is no recording at all")
		}
		status, p, err := a.call(t.Context(), tc.method, tc.path, body, nil)
		if err != nil || p == nil || status != tc.status || p.Code != tc.code || p.RequestID == "" ||
			p.Type != "urn:wayside:error:"+tc.code {
			t.Errorf("%s %s: %d %+v %v", tc.method, tc.path, status, p, err)
		}
	}
	up := a.upload("unknown.bin", []byte("this is no recording at all"), "")
	if up.File.Format != nil || up.Decode.Status != "failed" || up.Decode.Error.Code != "unknown_format" {
		t.Errorf("unknown format: %+v %+v", up.File, up.Decode)
	}
	empty := a.upload("empty.RU", nil, "")
	if empty.File.Size != 0 || empty.Decode.Status != "failed" {
		t.Errorf("empty file: %+v %+v", empty.File, empty.Decode)
	}
}
