//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

// boxManifest describes the decoder of testdata/container.
const boxManifest = `{"id":"box","name":"Box","version":"1.0.0","abi":1,"capabilities":["child"],
"formats":[{"id":"box","sniff":[{"offset":0,"bytes":"424f583a"}]}],
"tables":[{"name":"entries","columns":[{"name":"seq","type":"i64"},{"name":"name","type":"utf8"},{"name":"size","type":"i64"}]}]}`

// inside is a file to be put into a box.
type inside struct {
	name string
	data []byte
}

// box makes a container of files.
func box(files ...inside) []byte {
	out := []byte("BOX:")
	for _, f := range files {
		out = append(append(out, f.name...), 0)
		out = append(binary.LittleEndian.AppendUint32(out, uint32(len(f.data))), f.data...)
	}
	return out
}

// rail makes a small recording that differs from others.
func rail(seed uint64) []byte { return railtest.Recording(railtest.Options{Seed: seed, Bytes: 10_000}) }

// startWithBox runs an appliance that knows containers.
func startWithBox(t *testing.T) *appliance {
	t.Helper()
	t.Setenv("WAYSIDE_PLUGINS_DIRS", buildGuest(t, "container", boxManifest))
	t.Setenv("WAYSIDE_DECODE_STALL", "5s")
	return start(t, t.TempDir())
}

func (a *appliance) file(id string) File {
	a.t.Helper()
	var f File
	a.get("/api/v1/files/"+id, &f)
	return f
}

// inner gives the files found inside one, with their decodes, when those have ended.
func (a *appliance) inner(fileID string) map[string]Decode {
	a.t.Helper()
	out := map[string]Decode{}
	for _, f := range list[File](a, "/api/v1/files?parent="+fileID) {
		if f.Source != "child" || f.Parent == nil || f.Parent.FileID != fileID || len(f.Decs) != 1 {
			a.t.Errorf("file inside: %+v", f)
			continue
		}
		if _, twice := out[f.Name]; twice {
			a.t.Errorf("%s is there twice", f.Name)
		}
		out[f.Name] = a.final(f.Decs[0])
	}
	return out
}

// gone fails the test unless a path answers 404.
func (a *appliance) gone(path string) {
	a.t.Helper()
	if status, _, err := a.call(a.t.Context(), http.MethodGet, path, nil, nil); status != http.StatusNotFound || err != nil {
		a.t.Errorf("GET %s: %d %v, want 404", path, status, err)
	}
}

func (a *appliance) remove(path string) {
	a.t.Helper()
	if _, p, err := a.call(a.t.Context(), http.MethodDelete, path, nil, nil); err != nil || p != nil {
		a.t.Fatalf("DELETE %s: %+v %v\n%s", path, p, err, a.log.tail())
	}
}

// codes gives the codes of a decode's issues.
func (a *appliance) codes(decodeID string) []string {
	a.t.Helper()
	var page struct {
		Rows [][]any `json:"rows"`
	}
	a.get("/api/v1/decodes/"+decodeID+"/tables/issues/rows?columns=code", &page)
	var out []string
	for _, r := range page.Rows {
		out = append(out, fmt.Sprint(r[0]))
	}
	return out
}

// TestFilesInsideFiles uploads a container and follows what was inside: decoded, shared, decoded anew, deleted.
func TestFilesInsideFiles(t *testing.T) {
	a := startWithBox(t)
	one, two := rail(1), rail(2)
	nested := box(inside{"two.RU", two}, inside{"notes.txt", []byte("nothing known")})
	data := box(inside{"dir/one.RU", one}, inside{"nested.box", nested}, inside{"dir/one.RU", one})
	up := a.upload("all.box", data, "")
	if up.Decode.Status != "done" || len(up.Decode.Children) != 2 || up.Decode.rows("entries") != 3 {
		t.Fatalf("container: %+v", up.Decode)
	}
	kids := a.inner(up.File.ID)
	if d := kids["one.RU"]; len(kids) != 2 || d.Status != "done" || d.rows("records") <= 0 {
		t.Fatalf("inside: %+v", kids)
	}
	nest := kids["nested.box"]
	deep := a.inner(nest.FileID)
	if len(deep) != 2 || deep["two.RU"].Status != "done" || deep["notes.txt"].Status != "failed" || deep["notes.txt"].Error.Code != "unknown_format" {
		t.Fatalf("inside the one inside: %+v", deep)
	}
	if f := a.file(deep["two.RU"].FileID); f.Parent.Depth != 2 || f.Parent.DecodeID != nest.ID || contentDigest(t, a, f.ID) != digest(two) {
		t.Errorf("two.RU: %+v", f)
	}
	again := a.upload("all.box", data, "")
	if again.File.ID != up.File.ID {
		t.Errorf("the same delivery: %+v", again)
	}

	// A file delivered under the name of one that was found is a delivery of its own.
	own := a.upload("one.RU", one, "")
	if own.File.Parent != nil || own.File.ID == kids["one.RU"].FileID || !own.Decode.Cached {
		t.Errorf("delivered by itself: %+v", own)
	}
	// Under another name the result is there, and so are files of its own.
	copied := a.upload("copy.box", data, "")
	if !copied.Decode.Cached || len(copied.Decode.Children) != 2 {
		t.Fatalf("copy: %+v", copied.Decode)
	}
	if kids := a.inner(copied.File.ID); !kids["one.RU"].Cached || len(a.inner(kids["nested.box"].FileID)) != 2 {
		t.Errorf("inside the copy: %+v", kids)
	}
	a.redecode(t, up, kids)

	a.remove("/api/v1/files/" + up.File.ID)
	for _, d := range []Decode{kids["one.RU"], nest, deep["two.RU"], deep["notes.txt"]} {
		a.gone("/api/v1/files/" + d.FileID)
		a.gone("/api/v1/decodes/" + d.ID)
	}
	if left := list[File](a, "/api/v1/files"); len(left) != 6 { // own, the copy and its four
		t.Errorf("%d files are left: %+v", len(left), left)
	}
	if got := contentDigest(t, a, own.File.ID); got != digest(one) {
		t.Errorf("the delivered recording is %s now", got)
	}
	a.remove("/api/v1/files/" + copied.File.ID)
	a.remove("/api/v1/files/" + own.File.ID)
	for _, sub := range []string{"blobs", "results", "tmp"} {
		if left := filesBelow(t, filepath.Join(a.dir, sub)); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// redecode decodes a container anew: what is inside stays what it was, and what was deleted of it comes back.
func (a *appliance) redecode(t *testing.T, up Uploaded, kids map[string]Decode) {
	t.Helper()
	force := func() Decode {
		var d Decode
		body := fmt.Sprintf(`{"file_id":%q,"force":true}`, up.File.ID)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url+"/api/v1/decodes", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != http.StatusCreated {
			t.Fatalf("decode anew: %v %v", resp, err)
		}
		_ = resp.Body.Close()
		d.ID = filepath.Base(resp.Header.Get("Location"))
		return a.final(d.ID)
	}
	if d := force(); d.Cached || !slices.Equal(d.Children, up.Decode.Children) || len(a.inner(up.File.ID)) != 2 {
		t.Errorf("decoded anew: %+v, before %v", d, up.Decode.Children)
	}
	a.remove("/api/v1/files/" + kids["one.RU"].FileID)
	if n := len(a.inner(up.File.ID)); n != 1 {
		t.Fatalf("%d inside after one was deleted", n)
	}
	d := force()
	if now := a.inner(up.File.ID); len(now) != 2 || now["one.RU"].Status != "done" || len(d.Children) != 2 {
		t.Errorf("decoded anew after a deletion: %+v %+v", d, now)
	}
	a.remove("/api/v1/decodes/" + d.ID)
	if n := len(a.inner(up.File.ID)); n != 2 {
		t.Errorf("%d inside after a decode was deleted", n)
	}
}

// TestFilesInsideThemselves: a file that holds itself ends at the depth that is allowed, and says so.
func TestFilesInsideThemselves(t *testing.T) {
	a := startWithBox(t)
	up := a.upload("self.box", box(inside{"self", nil}), "")
	id, d := up.File.ID, *up.Decode
	for depth := range 4 {
		if d.Status != "done" || len(d.Children) != 1 || slices.Contains(a.codes(d.ID), "child_depth") {
			t.Fatalf("depth %d: %+v", depth, d)
		}
		d = a.inner(id)["self"]
		id = d.FileID
	}
	if d.Status != "done" || d.Cached || len(d.Children) != 0 || d.Issues.Warnings != 1 || !slices.Equal(a.codes(d.ID), []string{"child_depth"}) {
		t.Errorf("the deepest: %+v %v", d, a.codes(d.ID))
	}
	// The same bytes, delivered, find again what is inside: the result of the deepest is not theirs.
	if other := a.upload("other.box", box(inside{"self", nil}), ""); len(other.Decode.Children) != 1 || other.Decode.Issues.Warnings != 0 {
		t.Errorf("delivered again: %+v", other.Decode)
	}
	a.remove("/api/v1/files/" + up.File.ID)
	a.gone("/api/v1/files/" + id)
}

// TestLimitsOfFilesInside: what is too much is left out and noted, the rest is there.
func TestLimitsOfFilesInside(t *testing.T) {
	t.Setenv("WAYSIDE_DECODE_MAX_CHILDREN", "3")
	t.Setenv("WAYSIDE_DECODE_MAX_CHILD_BYTES", "100KiB")
	t.Setenv("WAYSIDE_DECODE_CHILD_TOTAL", "3")
	a := startWithBox(t)
	file := func(i int) inside { return inside{"f" + strconv.Itoa(i), []byte(strconv.Itoa(i))} }
	up := a.upload("many.box", box(file(0), file(1), file(2), file(3), file(4)), "")
	if d := up.Decode; d.Status != "done" || len(d.Children) != 3 || !slices.Equal(a.codes(d.ID), []string{"child_limit"}) {
		t.Errorf("many: %+v %v", d, a.codes(d.ID))
	}
	up = a.upload("large.box", box(file(0), inside{"large", make([]byte, 200<<10)}, file(1)), "")
	if kids := a.inner(up.File.ID); len(kids) != 2 || len(kids["f1"].ID) == 0 || !slices.Equal(a.codes(up.Decode.ID), []string{"child_size"}) {
		t.Errorf("large: %+v %v", kids, a.codes(up.Decode.ID))
	}
	full := box(inside{"x", box(file(0), file(1))}, inside{"y", box(file(2), file(3))}, inside{"z", box(file(4), file(5))})
	up = a.upload("tree.box", full, "")
	refused := 0
	for _, d := range a.inner(up.File.ID) {
		if len(d.Children) == 0 && slices.Equal(a.codes(d.ID), []string{"child_limit"}) {
			refused++
		}
	}
	if refused != 3 { // the three are as many as may be
		t.Errorf("%d of three boxes were left unopened", refused)
	}
	up = a.upload("loop.box", box(file(0), inside{"loop", nil}, file(1)), "")
	if d := up.Decode; d.Status != "partial" || d.Error.Code != "stalled" || len(a.inner(up.File.ID)) != 1 {
		t.Errorf("stalled: %+v", d)
	}
	up = a.upload("stop.box", box(file(0), inside{"stop", nil}), "")
	if d := up.Decode; d.Status != "partial" || len(a.inner(up.File.ID)) != 1 {
		t.Errorf("failed: %+v", d)
	}
}

// TestDirectDecodeCountsFilesInside: nothing is kept of a direct decode, and the command line decodes what is inside.
func TestDirectDecodeCountsFilesInside(t *testing.T) {
	a := startWithBox(t)
	data := box(inside{"one.RU", rail(1)}, inside{"b", []byte("x")})
	resp, err := http.Post(a.url+"/api/v1/decode?to=csv&table=entries", "application/octet-stream", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got := resp.Header.Get("Wayside-Decode-Children"); got != "2" || resp.StatusCode != http.StatusOK {
		t.Errorf("%d, %s files inside", resp.StatusCode, got)
	}
	if left := list[File](a, "/api/v1/files"); len(left) != 0 {
		t.Errorf("kept: %+v", left)
	}
}

// TestKillNeitherDoublesNorLosesFilesInside kills the appliance while containers are decoded, and counts in the end.
func TestKillNeitherDoublesNorLosesFilesInside(t *testing.T) {
	t.Setenv("WAYSIDE_PLUGINS_DIRS", buildGuest(t, "container", boxManifest))
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(2, uint64(time.Now().UnixNano())))
	book := &ledger{files: map[string]string{}, decs: map[string]string{}}
	n := min(cycles(t), 200) / 3
	next := 0
	for range n {
		a := start(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for c := range 2 {
			first := next + c*1000
			clients.Go(func() { boxesUntil(ctx, a, book, first) })
		}
		next += 2000
		// The moment of the kill is what is tested.
		<-time.After(time.Duration(50+rng.IntN(400)) * time.Millisecond)
		a.kill()
		cancel()
		clients.Wait()
	}
	a := start(t, dir)
	for id, file := range book.decs {
		d := a.final(id)
		if d.Status != "done" || len(d.Children) != boxed {
			t.Errorf("container %s: %s %+v, %d inside", file, d.Status, d.Error, len(d.Children))
		}
	}
	for _, f := range list[File](a, "/api/v1/files") {
		switch {
		case f.Parent == nil:
			for _, d := range f.Decs { // also of an upload that was not answered, and may have to wait for its next try
				a.final(d)
			}
			if kids := a.inner(f.ID); len(kids) != boxed {
				t.Errorf("container %s: %d files inside", f.ID, len(kids))
			}
		case a.final(f.Decs[0]).Status != "failed": // nobody knows them
			t.Errorf("file inside: %+v", f)
		}
	}
	t.Logf("%d kills, %d containers", n, len(book.files))
	if len(book.files) < n {
		t.Errorf("only %d containers in %d cycles: the test saw too little", len(book.files), n)
	}
	if _, err := a.stop(); err != nil {
		t.Errorf("stop: %v\n%s", err, a.log.tail())
	}
	if left := filesBelow(t, filepath.Join(dir, "tmp")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// boxed is how many files a container of the kill test holds.
const boxed = 5

func boxesUntil(ctx context.Context, a *appliance, book *ledger, seed int) {
	for ; ctx.Err() == nil; seed++ {
		var files []inside
		for i := range boxed {
			files = append(files, inside{fmt.Sprint("f", i), fmt.Appendf(nil, "file %d of %d", i, seed)})
		}
		data := box(files...)
		var up Uploaded
		status, p, err := a.call(ctx, http.MethodPost, fmt.Sprintf("/api/v1/files?name=b%d.box", seed), bytes.NewReader(data), &up)
		if err != nil {
			return // killed
		}
		if p != nil {
			a.t.Errorf("upload: %d %+v", status, p)
			return
		}
		book.mu.Lock()
		book.files[up.File.ID] = digest(data)
		book.decs[up.Decode.ID] = up.File.ID
		book.mu.Unlock()
	}
}
