//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

// nothingLeft deletes all delivered files and fails where anything of them, or of what was inside, stays.
func (a *appliance) nothingLeft(ids ...string) {
	a.t.Helper()
	for _, id := range ids {
		a.remove("/api/v1/files/" + id)
	}
	if left := list[File](a, "/api/v1/files"); len(left) != 0 {
		a.t.Errorf("files left: %+v", left)
	}
	for _, sub := range []string{"blobs", "results", "tmp"} {
		if left := filesBelow(a.t, filepath.Join(a.dir, sub)); len(left) != 0 {
			a.t.Errorf("left behind: %v", left)
		}
	}
}

// wrapping gives how a file is wrapped, and the names of its parts.
func (a *appliance) wrapping(id string) (string, []string) {
	a.t.Helper()
	var f Wrapped
	a.get("/api/v1/files/"+id, &f)
	kind := ""
	if f.Wrapped != nil {
		kind = *f.Wrapped
	}
	var names []string
	for _, p := range f.Parts {
		names = append(names, p.Name)
	}
	return kind, names
}

// TestArchivesInsideFiles: what was found inside a file is unwrapped like a delivery, shared like one, and goes with
// its container.
func TestArchivesInsideFiles(t *testing.T) {
	a := startWithBox(t)
	data := railtest.Recording(railtest.Options{Seed: 5, Bytes: 60_000})
	want := a.tables(a.upload("plain.RU", data, "").Decode)
	packed, bundle := gzipped(t, data), zipped(t, hours(t, data)...)
	content := box(inside{"run.RU.gz", packed}, inside{"run.zip", bundle}, inside{"bomb.zip", zipped(t, member{"a.RU", make([]byte, 100<<20)})})
	up := a.upload("all.box", content, "")
	kids := a.inner(up.File.ID)
	if len(kids) != 3 {
		t.Fatalf("inside: %+v", kids)
	}
	for name, tc := range map[string]struct {
		kind  string
		parts []string
		body  []byte
	}{
		"run.RU.gz": {"gzip", nil, packed}, "run.zip": {"zip", []string{"mission/a.RU", "mission/b.RU", "mission/c.RU"}, bundle},
	} {
		d := kids[name]
		if kind, parts := a.wrapping(d.FileID); d.Status != "done" || a.tables(&d) != want || kind != tc.kind || !slices.Equal(parts, tc.parts) {
			t.Errorf("%s: %s %q %+v", name, kind, parts, d)
		}
		checkHex(a, d.FileID, data, tc.body)
	}
	if d := kids["bomb.zip"]; d.Status != "failed" || d.Error == nil || d.Error.Code != "output_limit" {
		t.Errorf("bomb: %+v", d)
	}
	again := a.upload("again.box", content, "")
	if !again.Decode.Cached {
		t.Errorf("again: %+v", again.Decode)
	}
	for name, d := range a.inner(again.File.ID) {
		if name != "bomb.zip" && (!d.Cached || a.tables(&d) != want) {
			t.Errorf("again, %s: %+v", name, d)
		}
	}
	// One of them goes alone, the others stay; then the container goes with the rest.
	a.remove("/api/v1/files/" + kids["run.zip"].FileID)
	if left := a.inner(up.File.ID); len(left) != 2 || left["run.RU.gz"].Status != "done" {
		t.Errorf("left inside: %+v", left)
	}
	a.remove("/api/v1/files/" + up.File.ID)
	a.gone("/api/v1/files/" + kids["run.RU.gz"].FileID)
	left := a.inner(again.File.ID)
	if d := left["run.zip"]; len(left) != 3 || a.tables(&d) != want {
		t.Errorf("left inside the other: %+v", left)
	}
	var ids []string
	for _, f := range list[File](a, "/api/v1/files") {
		if f.Parent == nil {
			ids = append(ids, f.ID)
		}
	}
	a.nothingLeft(ids...)
}

// TestContainersInsideArchives: a container that comes wrapped has the files inside that it has as it is; of one that was
// cut, those before the cut.
func TestContainersInsideArchives(t *testing.T) {
	a := startWithBox(t)
	one, two := rail(1), rail(2)
	content := box(inside{"one.RU", one}, inside{"two.RU.gz", gzipped(t, two)}, inside{"deep.box", box(inside{"three", []byte("unknown")})})
	for name, body := range map[string][]byte{
		"c.box.gz": gzipped(t, content), "c.zip": zipped(t, member{"c.box", content}), "c.tgz": gzipped(t, tarred(t, member{"c.box", content})),
	} {
		up := a.upload(name, body, "")
		kids := a.inner(up.File.ID)
		if up.Decode.Status != "done" || len(kids) != 3 || kids["one.RU"].Status != "done" || kids["two.RU.gz"].Status != "done" {
			t.Errorf("%s: %+v %+v", name, up.Decode, kids)
			continue
		}
		if deep := a.inner(kids["deep.box"].FileID); len(deep) != 1 || deep["three"].Error == nil {
			t.Errorf("%s: deep inside %+v", name, deep)
		}
		if got := contentDigest(t, a, kids["one.RU"].FileID); got != digest(one) {
			t.Errorf("%s: other bytes inside", name)
		}
		copied := a.upload("copy-"+name, body, "")
		if !copied.Decode.Cached || len(a.inner(copied.File.ID)) != 3 {
			t.Errorf("%s once more: %+v", name, copied.Decode)
		}
		a.nothingLeft(up.File.ID, copied.File.ID)
	}

	var files []inside
	for i := range 20 {
		files = append(files, inside{fmt.Sprintf("f%02d.RU", i), rail(uint64(100 + i))})
	}
	whole := gzipped(t, box(files...))
	cut := a.upload("cut.box.gz", whole[:len(whole)*3/4], "")
	kids := a.inner(cut.File.ID)
	if d := cut.Decode; d.Status != "partial" || d.Error == nil || len(kids) == 0 || len(kids) >= 20 || kids["f00.RU"].Status != "done" {
		t.Errorf("cut: %+v, %d inside", d, len(kids))
	}
	for name, d := range kids {
		i, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(name, "f"), ".RU"))
		if err != nil || d.Status != "done" || contentDigest(t, a, d.FileID) != digest(files[i].data) {
			t.Errorf("cut: %s is %+v", name, d)
		}
	}
	a.nothingLeft(cut.File.ID)
}

// TestFullDiskWhileFilesInsideAreWritten: the decode of the container waits for room, and finds each file once.
func TestFullDiskWhileFilesInsideAreWritten(t *testing.T) {
	t.Setenv("WAYSIDE_PLUGINS_DIRS", buildGuest(t, "container", boxManifest))
	dir := smallDisk(t, 128<<20)
	t.Setenv("WAYSIDE_STORE_RESERVE", strconv.FormatInt(24<<20, 10))
	a := start(t, dir+"/data")
	var files []inside
	for i := range 4 {
		files = append(files, inside{fmt.Sprintf("f%d", i), bytes.Repeat([]byte{byte(i), 1, 2, 3}, 1<<20)})
	}
	body := gzipped(t, box(files...)) // 16 MB unpacked, and as many inside
	fillWithJunk(t, dir+"/junk", 24<<20+20<<20)
	var up Uploaded
	if status, p, err := a.call(t.Context(), http.MethodPost, "/api/v1/files?wait=3&name=c.box.gz", bytes.NewReader(body), &up); err != nil || p != nil {
		t.Fatalf("upload: %d %+v %v\n%s", status, p, err, a.log.tail())
	}
	if up.Decode == nil || up.Decode.Status != "queued" && up.Decode.Status != "running" {
		t.Fatalf("without room: %+v", up.Decode)
	}
	if left := list[File](a, "/api/v1/files?parent="+up.File.ID); len(left) != 0 {
		t.Errorf("half of what is inside: %+v", left)
	}
	if err := os.Remove(dir + "/junk"); err != nil {
		t.Fatal(err)
	}
	if d := a.final(up.Decode.ID); d.Status != "done" || len(d.Children) != 4 {
		t.Errorf("with room: %+v\n%s", d, a.log.tail())
	}
	if kids := a.inner(up.File.ID); len(kids) != 4 {
		t.Errorf("inside: %+v", kids)
	}
	a.nothingLeft(up.File.ID)
	if _, err := a.stop(); err != nil {
		t.Errorf("stop: %v\n%s", err, a.log.tail())
	}
}

// TestCommandLineDecodesFilesInside: without a server, what is inside a packed container gives the tables that it gives by
// itself.
func TestCommandLineDecodesFilesInside(t *testing.T) {
	plugins, dir := buildGuest(t, "container", boxManifest), t.TempDir()
	one, out := rail(1), filepath.Join(dir, "out")
	body := gzipped(t, box(inside{"one.RU.gz", gzipped(t, one)}, inside{"deep.box", box(inside{"one.RU", one})}, inside{"notes", []byte("unknown")}))
	for name, b := range map[string][]byte{"c.box.gz": body, "one.RU": one} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(built(t), "decode", filepath.Join(dir, "c.box.gz"), filepath.Join(dir, "one.RU"), "--plugins", plugins, "-o", out, "--to", "csv")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want, err := os.ReadFile(filepath.Join(out, "one.RU", "records.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"inside/one.RU.gz", "inside/deep.box/inside/one.RU"} {
		if got, err := os.ReadFile(filepath.Join(out, "c.box.gz", path, "records.csv")); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, want %d, %v", path, len(got), len(want), err)
		}
	}
}
