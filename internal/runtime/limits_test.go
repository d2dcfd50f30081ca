package runtime

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// slowDepth is a recursion that takes some tenths of a second.
const slowDepth = 25

// growing takes 2 MiB of memory and gives up without them.
func growing(id string, asks int) []byte {
	g := runtimetest.NewGuest(id, 1, 4096)
	g.Change(func(m *abi.Manifest) { m.MemoryMiB = asks })
	return g.Decode(i32(32), runtimetest.Grow(), i32(-1), runtimetest.Op(runtimetest.Eq), runtimetest.If(runtimetest.Op(runtimetest.Unreachable)), i32(0)).Wasm()
}

// TestEachLimitIsConfigurable hits each limit of a decode with a small value, and none with the defaults.
func TestEachLimitIsConfigurable(t *testing.T) {
	rows := runtimetest.NewGuest("rows", 1, 16)
	slow := runtimetest.Recursion("slow", slowDepth).Wasm()
	for name, c := range map[string]struct {
		wasm  []byte
		small func(l *Limits)
		code  errcode.Code
		input int
	}{
		"memory":      {growing("grows", 0), func(l *Limits) { l.MemoryMiB = 1 }, errcode.MemoryLimit, 1},
		"max_memory":  {growing("grows", 64), func(l *Limits) { l.MaxMemory = 1 }, errcode.MemoryLimit, 1},
		"stall":       {slow, func(l *Limits) { l.Stall = 20 * time.Millisecond }, errcode.Stalled, 1},
		"timeout":     {slow, func(l *Limits) { l.Total = 20 * time.Millisecond }, errcode.Deadline, 1},
		"output_base": {rows.Decode(rows.Rows(100), i32(0)).Wasm(), func(l *Limits) { l.OutputBase, l.OutputRatio = 100, 1 }, errcode.OutputLimit, 1},
		"timeout_per_mb": {slow, func(l *Limits) { // which makes the deadline longer, not shorter
			l.Total, l.PerMB = time.Millisecond, time.Millisecond
		}, errcode.Deadline, 2_000_000},
	} {
		for _, limited := range []bool{false, true} {
			r := newRig(t, func(cfg *Config) {
				if limited {
					c.small(&cfg.Limits)
				}
			}, map[string][]byte{"m": c.wasm})
			res := r.decode(r.request(r.reg.Plugins()[0].ID, make([]byte, c.input)))
			switch {
			case !limited && res.Status != Done:
				t.Errorf("%s: by default %s %+v", name, res.Status, res.Failure)
			case limited && (res.Failure == nil || res.Failure.Code != c.code || res.Failure.Message == ""):
				t.Errorf("%s: %s %+v, want %s", name, res.Status, res.Failure, c.code)
			}
		}
	}
	r := newRig(t, func(cfg *Config) { cfg.Limits.Total, cfg.Limits.PerMB = time.Millisecond, 10*time.Second }, map[string][]byte{"m": slow})
	if res := r.decode(r.request("slow", make([]byte, 2_000_000))); res.Status != Done {
		t.Errorf("timeout_per_mb: a large file gets %+v", res.Failure)
	}
}

// TestEachModuleLimitIsConfigurable hits each static limit, also in a folder of code that was compiled without it.
func TestEachModuleLimitIsConfigurable(t *testing.T) {
	for name, c := range map[string]struct {
		wasm  []byte
		small ModuleLimits
		says  string
	}{
		"max_module":    {runtimetest.Long("mm", 4000).Wasm(), ModuleLimits{Bytes: 4000}, "the limit is 4000"},
		"max_function":  {runtimetest.Long("mm", 4000).Wasm(), ModuleLimits{Body: 1000}, "the limit is 1000"},
		"max_functions": {runtimetest.Many("mm", 50).Wasm(), ModuleLimits{Functions: 49}, "the limit is 49"},
		"max_locals":    {runtimetest.Wide("mm", 100).Wasm(), ModuleLimits{Locals: 99}, "the limit is 99"},
		"max_nesting":   {runtimetest.Deep("mm", 100).Wasm(), ModuleLimits{Nesting: 99}, "the limit is 99"},
	} {
		modules := map[string][]byte{"m": c.wasm}
		r := newRig(t, nil, modules)
		if res := r.decode(r.request("mm", []byte("x"))); res.Status != Done {
			t.Errorf("%s: by default %+v", name, res.Failure)
		}
		again := newRig(t, func(cfg *Config) { cfg.CompiledDir, cfg.Limits.Module = r.cfg.CompiledDir, c.small }, modules)
		p := again.reg.Plugins()
		if len(p) == 1 && p[0].SHA256 != "" {
			_ = waitFor(again, module.Hash(c.wasm))
			p = again.reg.Plugins()
		}
		if len(p) != 1 || p[0].State != Rejected || !strings.Contains(p[0].Reason, c.says) {
			t.Errorf("%s: %+v, want it rejected with %q", name, p, c.says)
		}
	}
}

// TestCompilingHasItsOwnMemory gives the compiler too little.
func TestCompilingHasItsOwnMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("a race detector needs more address space than any sensible limit")
	}
	bomb := runtimetest.CompileBomb("bomb", 4).Wasm()
	r := newRig(t, func(c *Config) { c.Limits.CompileMiB = 40 }, map[string][]byte{"m": bomb})
	if err := waitFor(r, module.Hash(bomb)); !errcode.Is(err, errcode.PluginRejected) || !strings.Contains(err.Error(), "compiling needs more than 40 MiB") {
		t.Errorf("%v", err)
	}
}

// TestSniffHasItsOwnTime asks a module that takes long to answer.
func TestSniffHasItsOwnTime(t *testing.T) {
	g := runtimetest.Recursion("slow", slowDepth)
	g.Sniffs(i32(slowDepth), runtimetest.Call(11), i32(80))
	for limit, want := range map[time.Duration]float64{20 * time.Millisecond: 0, 30 * time.Second: 0.8} {
		r := newRig(t, func(c *Config) { c.Limits.Sniff = limit }, map[string][]byte{"m": g.Wasm()})
		r.decode(r.request("slow", []byte("x")))
		score, err := r.pool.sniff(t.Context(), r.reg.all()[0], []byte("head"), 4)
		if score != want || (err == nil) != (want > 0) {
			t.Errorf("within %v: %v %v, want %v", limit, score, err, want)
		}
	}
}

// TestWorkersWithMuchMemoryAreReplaced looks after every file.
func TestWorkersWithMuchMemoryAreReplaced(t *testing.T) {
	for most, want := range map[int64]string{1: "memory memory", 0: ""} {
		rec := &recorder{}
		r := newRig(t, func(c *Config) { c.Workers, c.MaxRSS, c.Recorder = 1, most, rec }, map[string][]byte{"lines": runtimetest.Lines("lines").Wasm()})
		for range 2 {
			r.stillDecodes("with little memory")
		}
		if got := rec.reasons(); got != want {
			t.Errorf("with %d bytes workers ended for %q, want %q", most, got, want)
		}
	}
}

// TestWorkersHaveNoEnvironment looks at a worker from outside.
func TestWorkersHaveNoEnvironment(t *testing.T) {
	t.Setenv("WAYSIDE_SECRET", "hidden")
	r := newRig(t, nil, map[string][]byte{"lines": runtimetest.Lines("lines").Wasm()})
	r.stillDecodes("before a look")
	environ, err := readProc(r.pool.Stats().Workers[0].PID, "environ")
	if err != nil || environ != "" {
		t.Errorf("environment %q %v", environ, err)
	}
	limits, err := readProc(r.pool.Stats().Workers[0].PID, "limits")
	for _, want := range []string{"Max core file size 0 0", "Max open files 512 512", "Max file size 274877906944"} {
		if err != nil || !strings.Contains(limits, want) {
			t.Errorf("limits lack %q: %v\n%s", want, err, limits)
		}
	}
}

// TestWorkersHaveLowPriority looks at every thread of a decode and of an unpack worker.
func TestWorkersHaveLowPriority(t *testing.T) {
	r := newRig(t, nil, map[string][]byte{"lines": runtimetest.Lines("lines").Wasm()})
	r.stillDecodes("before a look")
	r.unpack([]byte("not wrapped"), 0)
	workers := r.pool.Stats().Workers
	if len(workers) != 2 {
		t.Fatalf("%+v", workers)
	}
	want := max(10, niceOf(t, "/proc/self/stat")) // a test may run with less already
	for _, w := range workers {
		threads, err := filepath.Glob("/proc/" + itoa(w.PID) + "/task/*/stat")
		if err != nil || len(threads) == 0 {
			t.Fatalf("%s: %v %v", w.Plugin, threads, err)
		}
		for _, thread := range threads {
			if got := niceOf(t, thread); got != want {
				t.Errorf("%s: %s has nice %d, want %d", w.Plugin, thread, got, want)
			}
		}
	}
}

// niceOf reads the nice value of a thread.
func niceOf(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // from the third one, the state
	n, err := strconv.Atoi(fields[19-3])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func readProc(pid int, name string) (string, error) {
	b, err := os.ReadFile(filepath.Join("/proc", itoa(pid), name))
	if name == "limits" {
		b = []byte(strings.Join(strings.Fields(string(b)), " "))
	}
	return string(b), err
}
