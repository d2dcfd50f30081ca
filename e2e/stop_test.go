//go:build e2e

package e2e

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

// TestStopGivesBackWhatRuns stops the appliance in the middle of a long decode: it ends in time, and the decode is
// done after the next start as if nothing had been.
func TestStopGivesBackWhatRuns(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("WAYSIDE_SHUTDOWN_DRAIN", "100ms")
	a := start(t, dir)
	r, w := io.Pipe()
	go func() { w.CloseWithError(railtest.WriteLarge(w, 200<<20, railtest.Options{Seed: 3})) }()
	var up Uploaded
	if status, p, err := a.call(t.Context(), http.MethodPost, "/api/v1/files?name=long.RU", r, &up); err != nil || p != nil {
		t.Fatalf("upload: %d %+v %v", status, p, err)
	}
	for {
		var d Decode
		a.get("/api/v1/decodes/"+up.Decode.ID, &d)
		if d.Rows > 0 {
			break
		}
		if d.Status != "queued" && d.Status != "running" {
			t.Fatalf("the decode is %s before the stop: nothing is tested", d.Status)
		}
	}
	if took, err := a.stop(); err != nil || took > readyWait {
		t.Fatalf("stop took %v: %v\n%s", took, err, a.log.tail())
	}
	stopped := time.Now()
	a = start(t, dir)
	d := a.final(up.Decode.ID)
	var ran struct {
		FinishedAt time.Time `json:"finished_at"`
	}
	if a.get("/api/v1/decodes/"+up.Decode.ID, &ran); ran.FinishedAt.Before(stopped) {
		t.Errorf("the stop at %v waited for the end of the decode at %v", stopped, ran.FinishedAt)
	}
	if d.Status != "done" || d.rows("records") <= 0 {
		t.Errorf("after the next start: %+v\n%s", d, a.log.tail())
	}
}

// TestServiceManagerIsTold plays systemd: the appliance says when it is ready, that it lives, and when it stops.
func TestServiceManagerIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "300000")
	a := start(t, t.TempDir())
	expect := func(want string) {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1024)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatalf("waiting for %s: %v", want, err)
			}
			if strings.Contains(string(buf[:n]), want) {
				return
			}
		}
	}
	expect("READY=1")
	expect("WATCHDOG=1")
	expect("WATCHDOG=1")
	if _, err := a.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	expect("STOPPING=1")
}
