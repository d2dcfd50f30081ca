package runtime

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const orphanEnv = "WAYSIDE_ORPHAN"

// TestWorkersDieWithTheServer kills a serving process while its worker runs a guest that never ends.
func TestWorkersDieWithTheServer(t *testing.T) {
	if os.Getenv(orphanEnv) != "" {
		serveUntilKilled(t)
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), orphanEnv+"=1", "TMPDIR="+t.TempDir()) // what the killed one leaves goes with this test
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid string
	for lines := bufio.NewScanner(out); pid == "" && lines.Scan(); {
		if p, ok := strings.CutPrefix(lines.Text(), "worker "); ok {
			pid = p
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if pid == "" {
		t.Fatal("no worker was started")
	}
	for end := time.Now().Add(10 * time.Second); running(pid); {
		if time.Now().After(end) {
			t.Fatalf("worker %s outlives its server", pid)
		}
	}
}

// running reports whether a process exists and is no zombie.
func running(pid string) bool {
	status, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !strings.Contains(string(status), ") Z ")
}

func serveUntilKilled(t *testing.T) {
	t.Helper()
	r := newRig(t, nil, map[string][]byte{"forever": forever("forever").Wasm()})
	_, err := whileRunning(t.Context(), t, r, r.request("forever", []byte("input")), func() {
		fmt.Printf("worker %d\n", r.pool.Stats().Workers[0].PID)
	})
	t.Error(err)
}
