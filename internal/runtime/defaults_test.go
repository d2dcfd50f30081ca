package runtime

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestDefaultLimits holds the limits against those that are promised: what authors hash of their golden vectors, and
// what administrators rely on, must not move with a slip of the pen.
func TestDefaultLimits(t *testing.T) {
	want := Limits{
		MemoryMiB: 256, MaxMemory: 1024, Stall: 10 * time.Second, Total: time.Minute, PerMB: time.Second, OutputRatio: 200, OutputBase: 64 << 20,
		Issues: 10_000, LogBytes: 1 << 20, Children: 200, ChildBytes: 1 << 30, Compile: 30 * time.Second, CompileMiB: 768,
		Sniff: 100 * time.Millisecond, UnpackRatio: 200, UnpackBase: 64 << 20, UnpackEntries: 10_000,
	}
	c := withDefaults(Config{})
	if diff := cmp.Diff(want, c.Limits); diff != "" {
		t.Error(diff)
	}
	m := c.Limits.static()
	if m.Bytes != 16<<20 || m.Body != 512<<10 || m.Locals != 1000 || m.Nesting != 2000 || m.Functions != 65_536 {
		t.Errorf("of a module: %+v", m)
	}
	if c.Idle != time.Minute || c.Recycle != 1000 || c.Debounce != 500*time.Millisecond || c.Workers < 1 || c.Workers > 4 {
		t.Errorf("workers: %+v", c)
	}
	for size, deadline := range map[int64]time.Duration{0: time.Minute, 60e6: time.Minute, 90e6: 90 * time.Second} {
		if got := c.Limits.deadline(size); got != deadline {
			t.Errorf("%d bytes may take %s, want %s", size, got, deadline)
		}
	}
}
