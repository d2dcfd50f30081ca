//go:build e2e

package e2e

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/sdk/examples/trackgen"
)

// TestTablesFoundAtRunTime sends a log whose channels only its header names through the appliance: its tables are listed,
// read, drawn and given as files like those of a manifest, also in one request and after a restart.
func TestTablesFoundAtRunTime(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-o", filepath.Join(dir, "chanlog.wasm"), "../sdk/examples/go/chanlog")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the decoder: %v\n%s", err, out)
	}
	t.Setenv("WAYSIDE_PLUGINS_DIRS", dir)
	a := start(t, t.TempDir())
	a.knows("chanlog")
	data := trackgen.Channels(trackgen.Options{Seed: 12, Bytes: 1_500, Start: 1_700_000_000_000_000}, 2)
	up := a.upload("files.chl", data, "")
	d := up.Decode
	if d.Status != "done" || d.rows("channels") != 3 || d.rows("group_1") != 20 || len(d.Children) != 2 {
		t.Fatalf("%+v", d)
	}
	seen := a.found(d.ID)
	for name, inner := range a.inner(up.File.ID) {
		if inner.Status != "done" || inner.rows("group_1") < 1 {
			t.Errorf("%s: %+v", name, inner)
		}
	}
	var direct []map[string]any
	status, p, err := a.call(t.Context(), http.MethodPost, "/api/v1/decode?decoder=chanlog&table=group_1&to=json", bytes.NewReader(data), &direct)
	if err != nil || p != nil || status != http.StatusOK || len(direct) != 20 || direct[0]["temp_c_2"] != 37.472 {
		t.Errorf("in one request: %d %+v %v, %d rows", status, p, err, len(direct))
	}
	if _, err := a.stop(); err != nil {
		t.Fatal(err)
	}
	a = start(t, a.dir)
	a.knows("chanlog")
	if again := a.found(d.ID); !reflect.DeepEqual(again, seen) {
		t.Errorf("after a restart: %+v, before %+v", again, seen)
	}
}

// knows waits until a decoder is there.
func (a *appliance) knows(id string) {
	a.t.Helper()
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var p Plugin
		status, _, err := a.call(a.t.Context(), http.MethodGet, "/api/v1/plugins/"+id, nil, &p)
		if err == nil && status == http.StatusOK && p.State == "active" {
			return
		}
		if time.Now().After(limit) {
			a.t.Fatalf("%s is not there\n%s", id, a.log.tail())
		}
	}
}

// found reads the table of a group in its forms and gives the rows that were read.
func (a *appliance) found(decodeID string) [][]any {
	a.t.Helper()
	base := "/api/v1/decodes/" + decodeID + "/tables"
	var page struct {
		Rows [][]any `json:"rows"`
	}
	a.get(base+"/group_1/rows?limit=2&columns=seq,temp_c,temp_c_2", &page)
	if len(page.Rows) != 2 || page.Rows[0][1] != 0.588 || page.Rows[0][2] != 37.472 {
		a.t.Errorf("rows %+v", page)
	}
	var series map[string]any
	a.get(base+"/group_1/series?x=time&y=temp_c&points=5", &series)
	if len(series) == 0 {
		a.t.Error("no series")
	}
	for _, form := range []string{"csv", "ndjson", "parquet", "arrow"} {
		res, err := http.Get(a.url + base + "/group_1." + form)
		if err != nil {
			a.t.Fatal(err)
		}
		var body bytes.Buffer
		_, err = body.ReadFrom(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || !bytes.Contains(body.Bytes(), []byte("temp_c_2")) {
			a.t.Errorf("%s: %d %v, %d bytes", form, res.StatusCode, err, body.Len())
		}
	}
	return page.Rows
}
