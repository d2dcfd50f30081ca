package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

// changes keeps what a registry tells of plugins and workers.
type changes struct {
	noRecorder
	mu      sync.Mutex
	seen    []string
	changed chan struct{} // nil = nobody waits
}

// await waits until it was told what is wanted, and gives what it was told.
func (c *changes) await(ctx context.Context, want string) string {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for c.String() != want {
		select {
		case <-c.changed:
		case <-ctx.Done():
			return c.String()
		}
	}
	return want
}

func (c *changes) PluginChanged(p Plugin) { c.note(string(p.State)) }

func (c *changes) WorkerStarted(_, role string) { c.note(role) }

func (c *changes) note(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, s)
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

func (c *changes) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.seen, " ")
}

// TestRejectionsAreKept opens a registry again over modules that were rejected: at no cost as long as nothing has
// changed that could end differently.
func TestRejectionsAreKept(t *testing.T) {
	loops := runtimetest.NewGuest("loops", 1, 16)
	loops.Start(loops.Func("", nil, nil, nil, runtimetest.Loop(runtimetest.Br(0))))
	loops.Decode(i32(0))
	traps := runtimetest.NewGuest("traps", 1, 16)
	traps.Start(traps.Func("", nil, nil, nil, runtimetest.Op(runtimetest.Unreachable)))
	traps.Decode(i32(0))
	hash := map[string]string{"v": strings.Repeat("0", 64)}
	for name, c := range map[string]struct {
		wasm []byte
		want string
	}{
		"a limit that ends the worker": {loops.Wasm(), "longer than 1s"},
		"a verdict of the worker":      {traps.Wasm(), "unreachable"},
		"a golden vector":              {carrying(t, runtimetest.Lines("lines"), hash, vector("v", "x")), "its document has the hash"},
	} {
		t.Run(name, func(t *testing.T) {
			var dir, program string
			open := func(l Limits) (*rig, *changes) {
				seen := &changes{changed: make(chan struct{}, 1)}
				r := vetting(t, c.wasm, func(cfg *Config) {
					if dir != "" {
						cfg.CompiledDir = dir
					}
					dir, cfg.Limits, cfg.Recorder = cfg.CompiledDir, l, seen
					if program != "" {
						cfg.Self = program
					}
				})
				return r, seen
			}
			check := func(what string, r *rig, seen *changes, want string) {
				t.Helper()
				if p := installed(r); p.State != Rejected || !strings.Contains(p.Reason, c.want) {
					t.Errorf("%s: %s: %q", what, p.State, p.Reason)
				}
				if got := seen.await(t.Context(), want); got != want {
					t.Errorf("%s: %s, want %s", what, got, want)
				}
			}
			limits := Limits{Compile: time.Second}
			r, seen := open(limits)
			check("the first time", r, seen, "compile rejected")
			r, seen = open(limits)
			check("the second time", r, seen, "rejected")
			if files, err := os.ReadDir(folderOf(r)); err != nil || len(files) != 1 {
				t.Errorf("%d files beside the rejection: %v", len(files), err)
			}
			limits.CompileMiB = 700
			r, seen = open(limits)
			check("other limits", r, seen, "compile rejected")
			program = otherProgram(t)
			r, seen = open(limits)
			check("another program", r, seen, "compile rejected")
			path := filepath.Join(folderOf(r), rejectedFile)
			if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
			r, seen = open(limits)
			check("a damaged record", r, seen, "compile rejected")
		})
	}
}

// teller keeps which plugins it was told of in which state.
type teller struct {
	noRecorder
	told chan string
}

func (c *teller) PluginChanged(p Plugin) {
	select {
	case c.told <- fmt.Sprint(p.ID, " ", p.State):
	default:
	}
}

// TestRejectionsAreTold tells of every module that is rejected, once, also where another goes on serving and where the
// module was never compiled.
func TestRejectionsAreTold(t *testing.T) {
	d, c := newDrop(t), &teller{told: make(chan string, 100)}
	r := newRig(t, func(cfg *Config) { d.config(cfg); cfg.Recorder = c }, nil)
	count := func() (n int) {
		for {
			select {
			case s := <-c.told:
				if s == "drop rejected" {
					n++
				}
			default:
				return n
			}
		}
	}
	d.put("a.wasm", lines("drop", "1.0.0"))
	r.until("drop", "active", active("1.0.0"))
	if n := count(); n != 0 {
		t.Errorf("a good one was rejected %d times", n)
	}
	for name, bad := range map[string][]byte{
		"no module": []byte("x"), "another version that is not compiled": broken("drop", "1.2.0"), "cut": lines("drop", "1.1.0")[:50],
	} {
		d.put("a.wasm", bad)
		var last string
		r.until("drop", "kept", func(p Plugin, found bool) bool {
			last = ""
			if rejectedBeside("1.0.0")(p, found) {
				last = p.Others[0].SHA256
			}
			return last == module.Hash(bad)
		})
		told := 0
		r.until("drop", "told", func(Plugin, bool) bool { told += count(); return told > 0 })
		if r.reg.rescan(t.Context(), readAll); told+count() != 1 {
			t.Errorf("%s: told %d times", name, told+count())
		}
	}
}

// otherProgram gives this program under a name and time of its own.
func otherProgram(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, b, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTheMachineRejectsNothingForGood keeps no rejection that another day may not bring.
func TestTheMachineRejectsNothingForGood(t *testing.T) {
	r := newRig(t, nil, map[string][]byte{"lines": runtimetest.Lines("lines").Wasm()})
	if p := installed(r); p.State != Active {
		t.Fatal(p.Reason)
	}
	e := &entry{sha: r.reg.Plugins()[0].SHA256, state: Compiling}
	before := func(e *entry) string {
		reason, step := r.reg.rejectedBefore(e)
		return strings.TrimSpace(string(step) + " " + reason)
	}
	e.step = wire.StepRules
	for name, err := range map[string]error{
		"killed":  errcode.Wrap(errcode.PluginRejected, errors.Join(errKilled, errors.New("x")), "killed"),
		"slow":    errcode.Wrap(errcode.PluginRejected, fmt.Errorf("x: %w", os.ErrDeadlineExceeded), "slow"),
		"no room": fmt.Errorf("compile: %w", os.ErrInvalid),
	} {
		r.reg.noteRejection(t.Context(), e, err)
		if got := before(e); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
	r.reg.noteRejection(t.Context(), e, errcode.New(errcode.PluginRejected, "bad"))
	if got := before(e); got != "rules bad" {
		t.Errorf("a verdict on the module was not kept: %v", got)
	}
	other := &entry{state: Compiling, sha: module.Hash([]byte("other"))}
	if got := before(other); got != "" {
		t.Errorf("another module: %v", got)
	}
}

// folderOf is where the compiled code of the only module lies.
func folderOf(r *rig) string { return filepath.Join(r.reg.cfg.CompiledDir, r.reg.Plugins()[0].SHA256) }
