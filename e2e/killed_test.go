//go:build e2e

package e2e

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

// TestFileWhoseWorkerIsKilledIsDeadAndCanBeRetried kills a decode's worker from outside as often as queue.crashes says,
// and asks for the decode once more by hand.
func TestFileWhoseWorkerIsKilledIsDeadAndCanBeRetried(t *testing.T) {
	t.Setenv("WAYSIDE_QUEUE_CRASHES", "2") // the third waits a minute for its turn
	a := start(t, t.TempDir())
	r, w := io.Pipe()
	go func() { w.CloseWithError(railtest.WriteLarge(w, 200<<20, railtest.Options{Seed: 5})) }()
	var up Uploaded
	if status, p, err := a.call(t.Context(), http.MethodPost, "/api/v1/files?name=long.RU", r, &up); err != nil || p != nil {
		t.Fatalf("upload: %d %+v %v", status, p, err)
	}
	killed := map[int]bool{}
	var d Decode
	for d.Status != "failed" {
		a.get("/api/v1/decodes/"+up.Decode.ID, &d)
		if d.Status == "done" || d.Status == "partial" {
			t.Fatalf("the decode is %s after %d kills", d.Status, len(killed))
		}
		for _, pid := range a.workers("decode") {
			if !killed[pid] {
				killed[pid] = true
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Log(err)
				}
			}
		}
	}
	if d.Error == nil || d.Error.Code != "worker_crashed" || d.Error.Message == "" || len(killed) < 2 {
		t.Errorf("after %d kills: %+v %+v", len(killed), d, d.Error)
	}
	body := bytes.NewReader([]byte(`{"file_id":"` + up.File.ID + `","force":true}`))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url+"/api/v1/decodes", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	id := resp.Header.Get("Location")
	if resp.StatusCode >= 300 || id == "" {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("retry: %d %q %s", resp.StatusCode, id, text)
	}
	if d := a.final(filepath.Base(id)); d.Status != "done" || d.rows("records") <= 0 {
		t.Errorf("retried by hand: %+v %+v", d, d.Error)
	}
}

// TestWorkersOfAKilledApplianceEnd kills the appliance while a worker is up.
func TestWorkersOfAKilledApplianceEnd(t *testing.T) {
	a := start(t, t.TempDir())
	a.upload("one.RU", example(t), "")
	pids := a.workers("decode")
	if len(pids) == 0 {
		t.Fatal("no worker")
	}
	for _, pid := range pids {
		if b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ"); err != nil || len(b) > 0 {
			t.Errorf("worker %d has the environment %q %v", pid, b, err)
		}
	}
	a.kill()
	for _, pid := range pids {
		for {
			stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
			if err != nil || strings.Contains(string(stat), ") Z ") {
				break
			}
		}
	}
}

// workers gives the processes of the appliance's workers of a role.
func (a *appliance) workers(role string) []int {
	a.t.Helper()
	paths, err := filepath.Glob("/proc/" + strconv.Itoa(a.cmd.Process.Pid) + "/task/*/children")
	if err != nil {
		a.t.Fatal(err)
	}
	var out []int
	for _, path := range paths {
		list, _ := os.ReadFile(path) // a thread that has ended has none
		for f := range strings.FieldsSeq(string(list)) {
			line, _ := os.ReadFile("/proc/" + f + "/cmdline")
			if pid, err := strconv.Atoi(f); err == nil && bytes.Contains(line, []byte("worker\x00"+role)) {
				out = append(out, pid)
			}
		}
	}
	return out
}
