//go:build e2e

package e2e

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// member is a file of an archive.
type member struct {
	name string
	data []byte
}

func zipped(t *testing.T, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		f, err := w.Create(m.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarred(t *testing.T, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		if err := w.WriteHeader(&tar.Header{Name: m.name, Size: int64(len(m.data)), Mode: 0o600, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// hours cuts a recording at records into files as a recorder would, and gives them in an order that is not theirs.
func hours(t *testing.T, data []byte) []member {
	t.Helper()
	parts := railtest.Cut(data, 3)
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	return []member{
		{"mission/b.RU", parts[1]},
		{"mission/README.txt", []byte("nothing that a decoder knows\n")},
		{"mission/a.RU", parts[0]},
		{"__MACOSX/mission/._a.RU", []byte("junk")},
		{"mission/c.RU", parts[2]},
	}
}

// tables gives the rows of all tables of a decode.
func (a *appliance) tables(d *Decode) string {
	a.t.Helper()
	var b strings.Builder
	for _, tb := range d.Tables {
		if tb.Name == "issues" {
			continue
		}
		resp, err := http.Get(a.url + "/api/v1/decodes/" + d.ID + "/tables/" + tb.Name + ".csv")
		if err != nil {
			a.t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
			a.t.Fatalf("table %s: %d %v", tb.Name, resp.StatusCode, err)
		}
		fmt.Fprintf(&b, "== %s %s\n", tb.Name, text)
	}
	return b.String()
}

// Wrapped is what these tests read of a file.
type Wrapped struct {
	Wrapped *string `json:"wrapped"`
	Parts   []struct {
		Name   string `json:"name"`
		SHA256 string `json:"sha256"`
	} `json:"parts"`
}

// TestWrappedRecordingsGiveTheSameTables uploads one recording in every wrapping.
func TestWrappedRecordingsGiveTheSameTables(t *testing.T) {
	a := start(t, t.TempDir())
	data := railtest.Recording(railtest.Options{Seed: 5, Bytes: 100_000})
	want := a.tables(a.upload("plain.RU", data, "").Decode)
	members := hours(t, data)
	for name, tc := range map[string]struct {
		body []byte
		kind string
	}{
		"run.RU.gz": {gzipped(t, data), "gzip"}, "run.zip": {zipped(t, members...), "zip"}, "run.tar": {tarred(t, members...), "tar"},
		"run.tgz": {gzipped(t, tarred(t, members...)), "tar"}, "single.zip": {zipped(t, member{"run.RU", data}), "zip"},
	} {
		up := a.upload(name, tc.body, "")
		if up.Decode == nil || up.Decode.Status != "done" || up.Decode.Error != nil {
			t.Errorf("%s: %+v", name, up.Decode)
			continue
		}
		if got := a.tables(up.Decode); got != want {
			t.Errorf("%s: other tables than the plain recording", name)
		}
		var f Wrapped
		a.get("/api/v1/files/"+up.File.ID, &f)
		if f.Wrapped == nil || *f.Wrapped != tc.kind || up.File.SHA256 != digest(tc.body) || up.File.Format == nil {
			t.Errorf("%s: %+v %+v", name, f, up.File)
		}
		if len(members) == 5 && strings.HasPrefix(name, "run.") && tc.kind != "gzip" {
			if len(f.Parts) != 3 || f.Parts[0].Name != "mission/a.RU" || f.Parts[0].SHA256 != digest(members[2].data) {
				t.Errorf("%s: parts %+v", name, f.Parts)
			}
			if up.Decode.Issues.Infos < 2 {
				t.Errorf("%s: nothing says what was left out: %+v", name, up.Decode.Issues)
			}
		}
		checkHex(a, up.File.ID, data, tc.body)
	}
	var found struct {
		Format string `json:"format"`
	}
	for _, body := range [][]byte{gzipped(t, data), zipped(t, members...)} {
		if status, p, err := a.call(t.Context(), http.MethodPost, "/api/v1/detect?name=x", bytes.NewReader(body), &found); err != nil || p != nil || found.Format == "" {
			t.Errorf("detect: %d %+v %v", status, p, err)
		}
		var direct struct {
			Decode Decode `json:"decode"`
		}
		if status, p, err := a.call(t.Context(), http.MethodPost, "/api/v1/decode", bytes.NewReader(body), &direct); err != nil || p != nil || direct.Decode.Status != "done" {
			t.Errorf("decode: %d %+v %v %+v", status, p, err, direct)
		}
	}
	noScratch(t, a)
}

// checkHex compares the bytes that /hex shows, unwrapped and as stored.
func checkHex(a *appliance, id string, data, stored []byte) {
	a.t.Helper()
	for query, want := range map[string][]byte{"": data, "&raw=true": stored} {
		var hex struct {
			Size int64  `json:"size"`
			Hex  string `json:"hex"`
		}
		at := len(want) / 2
		a.get(fmt.Sprintf("/api/v1/files/%s/hex?offset=%d&length=2000%s", id, at, query), &hex)
		if hex.Size != int64(len(want)) || hex.Hex != fmt.Sprintf("%x", want[at:min(len(want), at+2000)]) {
			a.t.Errorf("hex of %s%s: %d bytes of %d, or others", id, query, hex.Size, len(want))
		}
	}
}

// noScratch fails where temporary files are left.
func noScratch(t *testing.T, a *appliance) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(a.dir, "tmp", "blob-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left in tmp: %v %v", left, err)
	}
}

// TestBundleOfAForm uploads the parts of a recording as one form, twice.
func TestBundleOfAForm(t *testing.T) {
	a := start(t, t.TempDir())
	data := railtest.Recording(railtest.Options{Seed: 6, Bytes: 60_000})
	want := a.tables(a.upload("plain.RU", data, "").Decode)
	send := func(members []member) (int, Uploaded) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for _, m := range members {
			f, err := w.CreateFormFile("file", filepath.Base(m.name))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write(m.data); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(a.url+"/api/v1/files?bundle=true&wait=30", w.FormDataContentType(), &b)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var up Uploaded
		if err := json.NewDecoder(resp.Body).Decode(&up); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, up
	}
	members := hours(t, data)
	status, up := send(members)
	if status != http.StatusCreated || up.Decode == nil || up.Decode.Status != "done" || a.tables(up.Decode) != want {
		t.Fatalf("%d %+v %+v", status, up.File, up.Decode)
	}
	if status, again := send(members); status != http.StatusOK || again.File.ID != up.File.ID {
		t.Errorf("the same bundle: %d, %s and %s", status, again.File.ID, up.File.ID)
	}
	if status, _ := send([]member{members[0], members[0]}); status != http.StatusUnprocessableEntity {
		t.Errorf("parts of one name: %d", status)
	}
}

// TestArchivesThatAreRefused: they are stored, and their decode says why it failed.
func TestArchivesThatAreRefused(t *testing.T) {
	a := start(t, t.TempDir())
	data := railtest.Recording(railtest.Options{Seed: 7, Bytes: 60_000})
	bomb := gzipped(t, make([]byte, 200<<20))
	for name, tc := range map[string]struct {
		body []byte
		code string
	}{
		"traversal.zip": {zipped(t, member{"../../etc/cron.d/x", data}), "unsupported"},
		"absolute.tar":  {tarred(t, member{"/etc/passwd", data}), "unsupported"},
		"double.zip":    {zipped(t, member{"a.RU", data}, member{"./a.RU", data}), "unsupported"},
		"bomb.zip":      {zipped(t, member{"a.RU", make([]byte, 200<<20)}), "output_limit"},
		"cut.zip":       {zipped(t, member{"a.RU", data})[:2000], "truncated"},
		"nothing.zip":   {zipped(t, member{"README.txt", []byte("hello")}), "unknown_format"},
		"bomb.RU.gz":    {append(gzipped(t, data[:len(data)/2]), bomb...), "output_limit"},
	} {
		up := a.upload(name, tc.body, "")
		if up.Decode == nil || up.Decode.Status != "failed" || up.Decode.Error == nil || up.Decode.Error.Code != tc.code {
			t.Errorf("%s: %+v", name, up.Decode)
			if up.Decode != nil {
				t.Errorf("%s: %+v", name, up.Decode.Error)
			}
		}
	}
	if up := a.upload("good.RU", data, ""); up.Decode.Status != "done" {
		t.Errorf("afterwards: %+v", up.Decode)
	}
	noScratch(t, a)
}

// TestCutGzipKeepsRows: what came before the cut is decoded, and the decode says so.
func TestCutGzipKeepsRows(t *testing.T) {
	a := start(t, t.TempDir())
	data := railtest.Recording(railtest.Options{Seed: 8, Bytes: 400_000})
	whole := gzipped(t, data)
	up := a.upload("cut.RU.gz", whole[:len(whole)/2], "")
	d := up.Decode
	if d == nil || d.Status != "partial" || d.Rows == 0 || d.Error == nil || d.Error.Code != "truncated" || d.Error.Offset == nil {
		t.Fatalf("%+v", d)
	}
	full := a.upload("whole.RU", data, "").Decode
	if n, all := d.rows("records"), full.rows("records"); n < all/4 || n >= all {
		t.Errorf("%d of %d records", n, all)
	}
}

// TestKilledWhileUnpacking kills the appliance while it unwraps: nothing is left behind, and the job goes on.
func TestKilledWhileUnpacking(t *testing.T) {
	dir := t.TempDir()
	a := start(t, dir)
	data := railtest.Recording(railtest.Options{Seed: 9, Bytes: 30_000_000})
	var up Uploaded
	if _, p, err := a.call(t.Context(), http.MethodPost, "/api/v1/files?name=big.RU.gz", bytes.NewReader(gzipped(t, data)), &up); err != nil || p != nil {
		t.Fatalf("%+v %v", p, err)
	}
	<-time.After(150 * time.Millisecond) // the moment of the kill is what is tested
	a.kill()
	a = start(t, dir)
	if d := a.final(up.Decode.ID); d.Status != "done" || d.Rows == 0 {
		t.Errorf("%+v\n%s", d, a.log.tail())
	}
	noScratch(t, a)
}

// TestLocalDecodeOfWrappedFiles gives the command line the same files.
func TestLocalDecodeOfWrappedFiles(t *testing.T) {
	dir := t.TempDir()
	data := railtest.Recording(railtest.Options{Seed: 10, Bytes: 60_000})
	members := hours(t, data)
	want := localCSV(t, dir, "plain.RU", data)
	for name, body := range map[string][]byte{
		"run.RU.gz": gzipped(t, data), "run.zip": zipped(t, members...), "run.tgz": gzipped(t, tarred(t, members...)),
	} {
		if got := localCSV(t, dir, name, body); got != want {
			t.Errorf("%s: other rows", name)
		}
	}
}

func localCSV(t *testing.T, dir, name string, body []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(built(t), "decode", path, "--to", "csv", "--table", "records")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || len(out) == 0 {
		t.Fatalf("decode %s: %v\n%s", name, err, &stderr)
	}
	return string(out)
}
