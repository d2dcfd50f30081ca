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

// killer kills compile workers as they are started, as the kernel does when memory is short.
type killer struct {
	noRecorder
	left    atomic.Int64 // still to be killed
	started atomic.Int64
}

func (k *killer) WorkerStarted(_, role string) {
	if role != "compile" {
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
			if pid, err := strconv.Atoi(f); err == nil && bytes.Contains(line, []byte("worker\x00compile")) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

// TestKilledCompileIsTriedAgain kills compile workers: once or twice says nothing about a module, again and again does.
func TestKilledCompileIsTriedAgain(t *testing.T) {
	for _, tc := range []struct{ kills, starts int64 }{{1, 2}, {2, 3}, {100, maxKilled}} {
		k := &killer{}
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
