//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

// Batch is what these tests read of a batch.
type Batch struct {
	ID         string      `json:"id"`
	Status     string      `json:"status"`
	Total      int         `json:"total"`
	Successful int         `json:"successful"`
	Failed     int         `json:"failed"`
	Running    int         `json:"running"`
	Results    []BatchItem `json:"results"`
	Errors     []BatchItem `json:"errors"`
	Pending    []BatchItem `json:"pending"`
}

// BatchItem is a file of a batch.
type BatchItem struct {
	FileID   string `json:"file_id"`
	DecodeID string `json:"decode_id"`
	Name     string `json:"name"`
	Success  bool   `json:"success"`
	Error    *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

func (a *appliance) batch(contentType, query string, body []byte) Batch {
	a.t.Helper()
	resp, err := http.Post(a.url+"/api/v1/batches"+query, contentType, bytes.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusCreated {
		a.t.Fatalf("create batch: %d %v %s", resp.StatusCode, err, data)
	}
	var b Batch
	if err := json.Unmarshal(data, &b); err != nil {
		a.t.Fatal(err)
	}
	return b
}

// batchEnd waits until a batch has ended.
func (a *appliance) batchEnd(id string) Batch {
	a.t.Helper()
	for {
		var b Batch
		a.get("/api/v1/batches/"+id+"?wait=30", &b)
		if b.Status != "queued" && b.Status != "running" {
			return b
		}
	}
}

// batchBeyond waits until so many files of a batch have ended, or it has, and looks that no more than most are at work.
func (a *appliance) batchBeyond(id string, n, most int) Batch {
	a.t.Helper()
	for {
		var b Batch
		a.get("/api/v1/batches/"+id+"?limit=1", &b)
		if b.Running > most {
			a.t.Errorf("%d files are decoded at a time", b.Running)
		}
		if b.Successful+b.Failed >= min(n, b.Total) {
			return b
		}
		select {
		case <-a.t.Context().Done():
			a.t.Fatal("the batch does not go on")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (a *appliance) text(path string) string {
	a.t.Helper()
	resp, err := http.Get(a.url + path)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		a.t.Fatalf("GET %s: %d %v %.300s", path, resp.StatusCode, err, data)
	}
	return string(data)
}

func batchJSON(t *testing.T, v map[string]any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBatchSurvivesKill kills the appliance ten times while it works on a batch of 200 files: each file is decoded once,
// in the order of the batch, with never more of them at a time than the batch says.
func TestBatchSurvivesKill(t *testing.T) {
	const files, kills, most = 200, 10, 3
	rng := rand.New(rand.NewPCG(7, uint64(time.Now().UnixNano())))
	dir := t.TempDir()
	a := start(t, dir)
	data := example(t)
	var ids []string
	for i := range files {
		var up Uploaded
		status, p, err := a.call(t.Context(), http.MethodPost, fmt.Sprintf("/api/v1/files?decode=false&name=%03d.RU", i), bytes.NewReader(append(slices.Clone(data), byte(i))), &up)
		if err != nil || p != nil {
			t.Fatalf("upload: %d %+v %v", status, p, err)
		}
		ids = append(ids, up.File.ID)
	}
	b := a.batch("application/json", "", batchJSON(t, map[string]any{"name": "night", "file_ids": ids, "concurrency": most}))
	unfinished := 0
	ended := 0
	for range kills {
		// Files that were at work at the last end are through: a job that runs at two ends waits a minute, by rule.
		now := a.batchBeyond(b.ID, ended+2*most, most)
		// The moment of the kill is what is tested.
		<-time.After(time.Duration(rng.IntN(50)) * time.Millisecond)
		ended = now.Successful + now.Failed
		if now.Status == "running" || now.Status == "queued" {
			unfinished++
		}
		a.kill()
		a = start(t, dir)
	}
	end := a.batchEnd(b.ID)
	if end.Total != files || end.Successful+end.Failed != files || len(end.Errors) != 0 {
		t.Errorf("ended %s: %d of %d, %d failed", end.Status, end.Successful, end.Total, end.Failed)
	}
	for i, r := range end.Results {
		if r.FileID != ids[i] || r.Name != fmt.Sprintf("%03d.RU", i) || !r.Success {
			t.Errorf("result %d is %+v", i, r)
		}
	}
	if n := len(list[Decode](a, "/api/v1/decodes")); n != files {
		t.Errorf("%d decodes of %d files", n, files)
	}
	if t.Logf("%d of %d kills before its end", unfinished, kills); unfinished == 0 {
		t.Error("no kill came before its end: nothing is tested")
	}
	if took, err := a.stop(); err != nil {
		t.Errorf("stop after %v: %v\n%s", took, err, a.log.tail())
	}
}

// TestBatchOfAnArchive: its files are decoded each for itself, what cannot be decoded is named, and the tables of all are
// read as one.
func TestBatchOfAnArchive(t *testing.T) {
	a := start(t, t.TempDir())
	data := example(t)
	parts := railtest.Cut(data, 3)
	body := zipped(t, member{"day/1.RU", parts[0]}, member{"day/notes.txt", []byte("nothing that a decoder knows\n")}, member{"day/2.RU", parts[1]})
	b := a.batchEnd(a.batch("application/zip", "?name=day", body).ID)
	if b.Status != "partial" || len(b.Results) != 2 || b.Results[0].Name != "1.RU" || b.Results[1].Name != "2.RU" ||
		len(b.Errors) != 1 || b.Errors[0].Name != "notes.txt" || b.Errors[0].Error.Code != "unknown_format" {
		t.Fatalf("%+v", b)
	}
	var rows []string
	for _, r := range b.Results {
		lines := strings.SplitAfter(a.text("/api/v1/decodes/"+r.DecodeID+"/tables/records.csv"), "\n")
		for _, l := range lines[1:] {
			if l != "" {
				rows = append(rows, r.Name+","+l)
			}
		}
	}
	all := strings.SplitAfter(a.text("/api/v1/batches/"+b.ID+"/tables/records.csv"), "\n")
	if !strings.HasPrefix(all[0], "file,seq,") || strings.Join(all[1:], "") != strings.Join(rows, "") {
		t.Errorf("combined table: %d lines, the files' own: %d", len(all), len(rows))
	}
	again := a.batch("application/zip", "?name=day", body)
	if e := a.batchEnd(again.ID); e.Results[0] != b.Results[0] {
		t.Errorf("the same archive again: %+v, not %+v", e.Results[0], b.Results[0])
	}
	res, ok := new(tusClient).request(t.Context(), t, a, http.MethodPost, "/api/v1/uploads", body, //nolint:bodyclose // request closes it
		"Upload-Length", strconv.Itoa(len(body)), "Content-Type", "application/offset+octet-stream", "Upload-Metadata", "filename ZGF5LnppcA==,decode ZmFsc2U=")
	if !ok || res.Header.Get("X-File-ID") == "" || res.Header.Get("X-Decode-ID") != "" {
		t.Fatalf("in pieces: %v", res)
	}
	stored := a.batchEnd(a.batch("application/json", "", batchJSON(t, map[string]any{"archive": res.Header.Get("X-File-ID")})).ID)
	if stored.Status != "partial" || len(stored.Results) != 2 || stored.Results[0] != b.Results[0] || len(stored.Errors) != 1 {
		t.Errorf("the same archive in pieces: %+v", stored)
	}
	status, p, err := a.call(t.Context(), http.MethodPost, "/api/v1/batches", bytes.NewReader(body[:len(body)-40]), nil)
	if err != nil || status != http.StatusUnprocessableEntity || p.Code != "validation_failed" {
		t.Errorf("damaged archive: %d %+v %v", status, p, err)
	}
	if took, err := a.stop(); err != nil {
		t.Errorf("stop after %v: %v\n%s", took, err, a.log.tail())
	}
}

// TestBatchCombined: the hourly files of a mission are one recording with one summary, those of the whole, however they come.
func TestBatchCombined(t *testing.T) {
	a := start(t, t.TempDir())
	data := example(t)
	whole := a.upload("whole.RU", data, "")
	want := a.text("/api/v1/decodes/" + whole.Decode.ID + "/tables/mission.csv")
	var members []member
	var ids []string
	for i, p := range railtest.Cut(data, 4) {
		m := member{fmt.Sprintf("h%d.RU", 3-i), p} // names say the wrong order
		members = append([]member{m}, members...)
		content, name := m.data, m.name
		if i == 1 {
			content, name = gzipped(t, content), name+".gz"
		}
		var up Uploaded
		if _, p, err := a.call(t.Context(), http.MethodPost, "/api/v1/files?decode=false&name="+name, bytes.NewReader(content), &up); err != nil || p != nil {
			t.Fatalf("upload: %+v %v", p, err)
		}
		ids = append([]string{up.File.ID}, ids...)
	}
	for name, made := range map[string]Batch{
		"stored files": a.batch("application/json", "", batchJSON(t, map[string]any{"name": "trip", "file_ids": ids, "combine": true})),
		"archive":      a.batch("application/zip", "?name=trip&combine=true", zipped(t, members...)),
	} {
		b := a.batchEnd(made.ID)
		if b.Status != "done" || b.Total != 1 || len(b.Results) != 1 {
			t.Errorf("%s: %+v", name, b)
			continue
		}
		if got := a.text("/api/v1/decodes/" + b.Results[0].DecodeID + "/tables/mission.csv"); got != want {
			t.Errorf("%s: the mission is\n%s\nnot\n%s", name, got, want)
		}
		if got := a.text("/api/v1/batches/" + b.ID + "/tables/mission.csv"); strings.Count(got, "\n") != strings.Count(want, "\n") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if took, err := a.stop(); err != nil {
		t.Errorf("stop after %v: %v\n%s", took, err, a.log.tail())
	}
}

// TestBatchOfSamples combines the files of one vehicle and day, in an order that is not theirs: one mission, the one that
// `wayside decode --combine` sees.
func TestBatchOfSamples(t *testing.T) {
	from, err := filepath.Glob(filepath.Join("..", "..", "shared", "samples", "rail-recorder", "20241115_9042_*.MMI"))
	if err != nil || len(from) < 2 {
		t.Skip("the sample collection is not here")
	}
	cmd := exec.Command(built(t), append([]string{"decode", "--combine", "--to", "csv", "--table", "mission", "-o", "-"}, from...)...)
	cmd.Stderr = os.Stderr
	want, err := cmd.Output()
	if err != nil && len(want) == 0 { // a partial decode is an exit code too
		t.Fatal(err)
	}
	a := start(t, t.TempDir())
	var ids []string
	for _, path := range from {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		up := a.upload(filepath.Base(path), data, "")
		ids = append([]string{up.File.ID}, ids...)
	}
	b := a.batchEnd(a.batch("application/json", "", batchJSON(t, map[string]any{"file_ids": ids, "combine": true})).ID)
	if len(b.Results) != 1 {
		t.Fatalf("%+v", b)
	}
	if got := a.text("/api/v1/decodes/" + b.Results[0].DecodeID + "/tables/mission.csv"); got != string(want) || strings.Count(got, "\n") != 2 {
		t.Errorf("the mission is\n%s\nnot\n%s", got, want)
	}
	alone := a.batchEnd(a.batch("application/json", "", batchJSON(t, map[string]any{"file_ids": ids})).ID)
	if got := a.text("/api/v1/batches/" + alone.ID + "/tables/mission.csv?columns=file"); strings.Count(got, "\n") != 1+len(from) {
		t.Errorf("each for itself: %s", got)
	}
}
