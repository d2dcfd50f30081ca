//go:build e2e

package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestSmoke runs the short phases against the real binary, shorter still.
func TestSmoke(t *testing.T) {
	bin := filepath.Join("..", "bin", "wayside")
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("the appliance is not built (make build): %v", err)
	}
	dir := t.TempDir()
	// One kill only: a decode that runs at two waits for a minute.
	o := options{
		bin: bin, dir: dir, report: dir, only: "kill,restart,kv", seed: 4, clients: 3, cycles: 1, restarts: 3, life: 300 * time.Millisecond,
		load: time.Second, files: 20, sample: time.Second,
	}
	verdict, err := soak(t.Context(), o, io.Discard)
	if err != nil || verdict != kept {
		data, _ := os.ReadFile(filepath.Join(dir, "soak-report.json"))
		t.Errorf("%s, %v\n%s", verdict, err, data)
	}
}
