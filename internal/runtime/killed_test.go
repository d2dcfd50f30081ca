package runtime

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
)

// killer kills workers of a role as they are started, as the kernel does when memory is short.
type killer struct {
	noRecorder
	role    string
	left    atomic.Int64 // still to be killed
	started atomic.Int64
}

func (k *killer) WorkerStarted(_, role string) {
	if role != k.role {
		return
	}
	k.started.Add(1)
	if k.left.Add(-1) < 0 {
		return
	}
	paths, _ := filepath.Glob("/proc/self/task/*/children")
	for _, path := range paths {
		list, _ := os.ReadFile(path)
		for f := range strings.FieldsSeq(string(list)) {
			line, _ := os.ReadFile("/proc/" + f + "/cmdline")
			if pid, err := strconv.Atoi(f); err == nil && bytes.Contains(line, []byte("worker\x00"+role)) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

// TestKilledCompileIsTriedAgain kills compile workers: once or twice says nothing about a module, again and again does.
func TestKilledCompileIsTriedAgain(t *testing.T) {
	for _, tc := range []struct{ kills, starts int64 }{{1, 2}, {2, 3}, {100, maxKilled}} {
		k := &killer{role: "compile"}
		k.left.Store(tc.kills)
		r := newRig(t, func(c *Config) { c.Recorder = k }, map[string][]byte{"lines": runtimetest.Lines("lines").Wasm()})
		p, _ := r.reg.Get("lines")
		err := waitFor(r, p.SHA256)
		if rejected := errcode.Is(err, errcode.PluginRejected); rejected != (tc.kills >= maxKilled) || !rejected && err != nil {
			t.Errorf("after %d kills: %v", tc.kills, err)
		}
		if got := k.started.Load(); got != tc.starts {
			t.Errorf("after %d kills: %d compiles, want %d", tc.kills, got, tc.starts)
		}
	}
}

// TestWorkerKilledWhileItLoads kills a worker before it is ready: that is a crash like any other.
func TestWorkerKilledWhileItLoads(t *testing.T) {
	k := &killer{role: "decode"}
	k.left.Store(1)
	r := newRig(t, func(c *Config) { c.Recorder = k }, map[string][]byte{"lines": runtimetest.Lines("lines").Wasm()})
	j := r.request("lines", []byte("one\n"))
	if _, err := r.pool.Decode(t.Context(), j.Request); !errcode.Is(err, errcode.WorkerCrashed) {
		t.Errorf("killed while it loaded: %v", err)
	}
	r.decode(j)
}
