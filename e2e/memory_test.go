//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

// TestWorkerGivesMemoryBack decodes a large recording after a small one: its worker does not keep what that took while
// it waits for the next.
func TestWorkerGivesMemoryBack(t *testing.T) {
	t.Setenv("WAYSIDE_DECODE_WORKERS", "1")
	a := start(t, t.TempDir())
	a.upload("small.RU", railtest.Recording(railtest.Options{Seed: 1, Bytes: 20_000}), "")
	pids := a.workers("decode")
	if len(pids) != 1 {
		t.Fatalf("decode workers: %v", pids)
	}
	before := anonymous(t, pids[0])
	if d := a.upload("large.RU", railtest.Recording(railtest.Options{Seed: 2, Bytes: 20_000_000}), "").Decode; d == nil || d.Status != "done" {
		t.Fatalf("%+v", d)
	}
	// A guest's memory is kept for the next one up to 8 MiB, and the heap up to 24.
	const most = 24 << 20
	var after int64
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		if after = anonymous(t, pids[0]); after < before+most {
			return
		}
	}
	t.Errorf("a worker that had %d MiB keeps %d MiB", before>>20, after>>20)
}

// anonymous is the memory of a process that is no page of a file.
func anonymous(t *testing.T, pid int) int64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var kb int64
		if _, err := fmt.Sscanf(line, "Anonymous: %d kB", &kb); err == nil {
			return kb << 10
		}
	}
	t.Fatal("the kernel tells no anonymous memory")
	return 0
}
