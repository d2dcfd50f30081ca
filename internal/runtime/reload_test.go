package runtime

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// lines gives a guest of an id and a version.
func lines(id, version string) []byte {
	g := runtimetest.Lines(id)
	g.Change(func(m *abi.Manifest) { m.Version = version })
	return g.Wasm()
}

// broken gives a guest that parses and cannot be compiled.
func broken(id, version string) []byte {
	g := runtimetest.NewGuest(id, 1, 16)
	g.Change(func(m *abi.Manifest) { m.Version = version })
	return g.Decode(runtimetest.Op(runtimetest.Add), runtimetest.Const(0)).Wasm()
}

// memStates keeps states in memory, as a database does.
type memStates struct {
	mu    sync.Mutex
	saved map[string]Saved
}

func (m *memStates) LoadPlugins(context.Context) (map[string]Saved, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.saved), nil
}

func (m *memStates) SavePlugin(_ context.Context, id string, s Saved) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.saved == nil {
		m.saved = map[string]Saved{}
	}
	m.saved[id] = s
	return nil
}

// drop is a data folder that a rig follows.
type drop struct {
	t      *testing.T
	dir    string
	config func(*Config)
}

func newDrop(t *testing.T) *drop {
	t.Helper()
	d := &drop{t: t, dir: filepath.Join(t.TempDir(), "plugins")}
	compiled, states := filepath.Join(t.TempDir(), "compiled"), &memStates{}
	d.config = func(c *Config) {
		c.Dirs, c.InstallDir, c.CompiledDir = []Dir{{d.dir, Data}}, d.dir, compiled
		c.Watch, c.Debounce, c.States, c.Idle = true, 50*time.Millisecond, states, 100*time.Millisecond
	}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return d
}

// put writes a file as a copy does: in place.
func (d *drop) put(name string, b []byte) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), b, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// until waits for a condition on a plugin, by events of the registry's recorder.
func (r *rig) until(id, what string, ok func(p Plugin, found bool) bool) Plugin {
	r.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(rescanEvery * 2 / 3) // sooner than what was missed is found anyway
	for {
		p, found := r.reg.Get(id)
		if ok(p, found) {
			return p
		}
		select {
		case <-tick.C:
		case <-limit:
			r.t.Fatalf("%s: never %s: %+v", id, what, p)
		}
	}
}

func active(version string) func(Plugin, bool) bool {
	return func(p Plugin, found bool) bool { return found && p.State == Active && p.Version == version }
}

func rejectedBeside(version string) func(Plugin, bool) bool {
	return func(p Plugin, found bool) bool {
		return found && p.State == Active && p.Version == version && len(p.Others) == 1 && p.Others[0].State == Rejected && p.Others[0].Reason != ""
	}
}

func absent(_ Plugin, found bool) bool { return !found }

// TestDroppedPluginComesChangesAndGoes walks a module through its life in the folder of a running registry.
func TestDroppedPluginComesChangesAndGoes(t *testing.T) {
	d := newDrop(t)
	r := newRig(t, d.config, nil)
	began := time.Now()
	d.put("a.wasm", lines("drop", "1.0.0"))
	r.until("drop", "active", active("1.0.0"))
	t.Logf("decodes after %s with a debounce of 50 ms", time.Since(began).Round(time.Millisecond))
	first := r.request("drop", make([]byte, 4096))
	if res := r.decode(first); res.Rows != 1 {
		t.Fatalf("%+v", res)
	}
	for name, bad := range map[string][]byte{
		"text": []byte("no module"), "cut": lines("drop", "1.1.0")[:50], "does not compile": broken("drop", "1.2.0"),
		"another id": broken("other", "1.0.0"),
	} {
		d.put("a.wasm", bad)
		if name == "another id" {
			r.until("other", "rejected", func(p Plugin, ok bool) bool { return ok && p.State == Rejected })
			r.until("drop", "left in place", active("1.0.0"))
		} else if p := r.until("drop", "kept beside "+name, rejectedBeside("1.0.0")); p.SHA256 != first.Plugin {
			t.Errorf("%s: %+v", name, p)
		}
		if res := r.decode(r.request("drop", make([]byte, 4096))); res.Rows != 1 {
			t.Errorf("beside %s: %+v", name, res)
		}
	}
	d.put("a.wasm", lines("drop", "2.0.0"))
	second := r.until("drop", "replaced", active("2.0.0"))
	if len(second.Others) != 0 {
		t.Errorf("what was replaced is still there: %+v", second.Others)
	}
	gone := func(Plugin, bool) bool {
		r.pool.mu.Lock()
		defer r.pool.mu.Unlock()
		for w := range r.pool.procs {
			if w.sha == first.Plugin {
				return false
			}
		}
		return true
	}
	r.until("drop", "rid of the worker of the old version, though it was used last", gone)
	if res := r.decode(first); res.Rows != 1 { // one that had chosen the version before
		t.Errorf("%+v", res)
	}
	if res := r.decode(r.request("drop", make([]byte, 4096))); res.Rows != 1 {
		t.Errorf("%+v", res)
	}
	r.until("drop", "rid of workers of the old version again", gone)
	if err := os.Remove(filepath.Join(d.dir, "a.wasm")); err != nil {
		t.Fatal(err)
	}
	r.until("drop", "removed", absent)
}

// TestFolderThatComesLater has the folder made, moved away and made again while the registry runs.
func TestFolderThatComesLater(t *testing.T) {
	d := newDrop(t)
	if err := os.Remove(d.dir); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, d.config, nil)
	for range 2 {
		if err := os.Mkdir(d.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		d.put("b.wasm", []byte("junk")) // seen because the folder came; what follows is seen because it is watched
		r.until("b.wasm", "rejected", func(_ Plugin, found bool) bool { return found })
		d.put("a.wasm", lines("drop", "1.0.0"))
		r.until("drop", "active", active("1.0.0"))
		if err := os.Rename(d.dir, t.TempDir()+"/moved"); err != nil {
			t.Fatal(err)
		}
		r.until("drop", "gone", absent)
	}
}

// TestFolderInsideAnother has one plugin folder below another, made while the registry runs.
func TestFolderInsideAnother(t *testing.T) {
	d := newDrop(t)
	below := filepath.Join(d.dir, "more", "still")
	r := newRig(t, func(c *Config) { d.config(c); c.Dirs = append(c.Dirs, Dir{below, Data}) }, nil)
	d.put("a.wasm", []byte("junk")) // the outer one is followed
	r.until("a.wasm", "rejected", func(_ Plugin, found bool) bool { return found })
	if err := os.MkdirAll(below, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(below, "b.wasm"), []byte("other junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.until("b.wasm", "rejected", func(_ Plugin, found bool) bool { return found })
}

// TestLastGoodVersionSurvivesARestart opens a registry again over a file that is broken by now, also without compiled
// code.
func TestLastGoodVersionSurvivesARestart(t *testing.T) {
	d := newDrop(t)
	good := lines("drop", "1.0.0")
	t.Run("first", func(t *testing.T) {
		r := newRig(t, d.config, nil)
		d.put("a.wasm", good)
		r.until("drop", "active", active("1.0.0"))
		d.put("a.wasm", broken("drop", "2.0.0"))
		r.until("drop", "kept", rejectedBeside("1.0.0"))
		if err := os.RemoveAll(filepath.Join(r.cfg.CompiledDir, module.Hash(good))); err != nil {
			t.Fatal(err)
		}
		if res := r.decode(r.request("drop", make([]byte, 4096))); res.Rows != 1 {
			t.Errorf("compiled again: %+v", res)
		}
	})
	cfg := Config{}
	d.config(&cfg)
	for _, lost := range []string{"", module.Hash(good)} {
		t.Run("again", func(t *testing.T) {
			if lost != "" {
				if err := os.RemoveAll(filepath.Join(cfg.CompiledDir, lost)); err != nil {
					t.Fatal(err)
				}
			}
			r := newRig(t, d.config, nil)
			r.until("drop", "kept", rejectedBeside("1.0.0"))
			if res := r.decode(r.request("drop", make([]byte, 4096))); res.Rows != 1 {
				t.Errorf("%+v", res)
			}
		})
	}
	t.Run("removed", func(t *testing.T) {
		if err := os.Remove(filepath.Join(d.dir, "a.wasm")); err != nil {
			t.Fatal(err)
		}
		r := newRig(t, d.config, nil)
		if p, ok := r.reg.Get("drop"); ok {
			t.Errorf("%+v", p)
		}
		if kept, _ := os.ReadDir(filepath.Join(cfg.CompiledDir, keptName)); len(kept) != 0 {
			r.until("drop", "rid of its copies", func(Plugin, bool) bool {
				kept, _ = os.ReadDir(filepath.Join(cfg.CompiledDir, keptName))
				return len(kept) == 0
			})
		}
	})
}

func TestInstallAndRemove(t *testing.T) {
	d := newDrop(t)
	d.put("left.wasm.tmp", []byte("of an installation that was cut off"))
	r := newRig(t, d.config, map[string][]byte{"built": lines("built", "1.0.0")})
	if _, err := os.Stat(filepath.Join(d.dir, "left.wasm.tmp")); err == nil {
		t.Error("the rest of an installation is still there")
	}
	install := func(b []byte) (Plugin, bool) {
		t.Helper()
		p, existing, err := r.reg.Install(t.Context(), bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		_ = waitFor(r, p.SHA256)
		p, _ = r.reg.Module(p.SHA256)
		return p, existing
	}
	if p, existing := install(lines("drop", "1.1.0")); p.State != Active || existing || p.File != "drop-1.1.0.wasm" {
		t.Errorf("first: %+v", p)
	}
	if p, existing := install(lines("drop", "1.1.0")); p.State != Active || !existing {
		t.Errorf("again: %+v", p)
	}
	if p, _ := install(lines("drop", "1.0.0")); p.State != Standby || !strings.Contains(p.Reason, "1.1.0") {
		t.Errorf("older: %s %s", p.State, p.Reason)
	}
	if p, _ := install(broken("drop", "3.0.0")); p.State != Rejected || p.Version != "3.0.0" {
		t.Errorf("broken: %+v", p)
	}
	if p, _ := install(lines("built", "2.0.0")); p.State != Rejected || !strings.Contains(p.Reason, "built in") {
		t.Errorf("built-in id: %+v", p)
	}
	if p, _ := r.reg.Get("drop"); p.Version != "1.1.0" || len(p.Others) != 2 {
		t.Errorf("serves: %+v", p)
	}
	for _, c := range []struct {
		body []byte
		code errcode.Code
	}{{[]byte("text"), errcode.ValidationFailed}, {nil, errcode.ValidationFailed}, {make([]byte, 16<<20+1), errcode.TooLarge}} {
		if _, _, err := r.reg.Install(t.Context(), bytes.NewReader(c.body)); !errcode.Is(err, c.code) {
			t.Errorf("body of %d bytes: %v, want %s", len(c.body), err, c.code)
		}
	}
	if err := r.reg.Remove(t.Context(), "drop"); err != nil {
		t.Error(err)
	}
	if _, ok := r.reg.Get("drop"); ok {
		t.Error("still there")
	}
	if !r.reg.MayComeBack("drop") || r.reg.MayComeBack("none") || r.reg.MayComeBack("built") {
		t.Error("who was removed only just now may come back, and nobody else")
	}
	for id, code := range map[string]errcode.Code{"drop": errcode.NotFound, "none": errcode.NotFound} {
		if err := r.reg.Remove(t.Context(), id); !errcode.Is(err, code) {
			t.Errorf("remove %s: %v, want %s", id, err, code)
		}
	}
	if err := r.reg.Remove(t.Context(), "built"); err != nil { // the rejected one beside it
		t.Error(err)
	}
	if err := r.reg.Remove(t.Context(), "built"); !errcode.Is(err, errcode.Conflict) {
		t.Errorf("built in: %v", err)
	}
}

func TestSignaturePolicy(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(b []byte, k ed25519.PrivateKey) []byte {
		out, err := module.Sign(b, k)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	tampered := bytes.Replace(sign(lines("tampered", "1.0.0"), key), []byte("Guest tampered"), []byte("Guest tempered"), 1)
	d := newDrop(t)
	r := newRig(t, func(c *Config) { d.config(c); c.Keys = []ed25519.PublicKey{pub} }, map[string][]byte{"built": lines("built", "1.0.0")})
	d.put("plain.wasm", lines("plain", "1.0.0"))
	d.put("signed.wasm", sign(lines("signed", "1.0.0"), key))
	d.put("strange.wasm", sign(lines("strange", "1.0.0"), stranger))
	d.put("tampered.wasm", tampered)
	d.put("after.wasm", module.WithCustom(sign(lines("after", "1.0.0"), key), "x", nil))
	d.put("built.wasm", sign(lines("built", "1.1.0"), key))
	states := func() string {
		var out []string
		for _, id := range []string{"plain", "signed", "strange", "tampered", "after", "built"} {
			p := r.until(id, "settled", func(p Plugin, ok bool) bool { return ok && p.State != Compiling })
			out = append(out, string(p.State[:1])+":"+string(p.Signature.State))
		}
		return strings.Join(out, " ")
	}
	r.until("built", "replaced by a signed version", active("1.1.0"))
	for _, c := range []struct {
		rules Rules
		want  string
	}{
		{Rules{Keys: []ed25519.PublicKey{pub}}, "a:none a:valid a:unknown_key r:invalid r:invalid a:valid"},
		{Rules{Keys: []ed25519.PublicKey{pub}, Policy: Require}, "r:none a:valid r:unknown_key r:invalid r:invalid a:valid"},
		{Rules{Policy: Require}, "r:none r:unknown_key r:unknown_key r:unknown_key r:invalid a:none"},
		{Rules{Policy: Ignore}, "a:none a:unknown_key a:unknown_key a:unknown_key a:invalid a:none"},
		{Rules{Keys: []ed25519.PublicKey{pub}, Policy: Warn}, "a:none a:valid a:unknown_key r:invalid r:invalid a:valid"},
	} {
		if err := r.reg.SetRules(t.Context(), c.rules); err != nil {
			t.Fatal(err)
		}
		if got := states(); got != c.want {
			t.Errorf("policy %q, %d keys:\n%s, want\n%s", c.rules.Policy, len(c.rules.Keys), got, c.want)
		}
	}
	p, _ := r.reg.Get("plain")
	if err := r.reg.SetRules(t.Context(), Rules{Policy: Require}); err != nil {
		t.Fatal(err)
	}
	if err := waitFor(r, p.SHA256); !errcode.Is(err, errcode.PluginRejected) {
		t.Errorf("refused by the policy and decodes: %v", err)
	}
}

func TestDisabledPlugin(t *testing.T) {
	d := newDrop(t)
	d.put("a.wasm", lines("drop", "1.0.0"))
	t.Run("disable", func(t *testing.T) {
		r := newRig(t, d.config, nil)
		r.until("drop", "active", active("1.0.0"))
		if p, err := r.reg.SetEnabled(t.Context(), "drop", false); err != nil || p.State != Disabled {
			t.Fatalf("%+v %v", p, err)
		}
		if _, ok := r.reg.Detect(t.Context(), []byte("x"), 1, "x.drop"); ok {
			t.Error("a disabled decoder is chosen")
		}
		if _, err := r.reg.SetEnabled(t.Context(), "none", false); !errcode.Is(err, errcode.NotFound) {
			t.Error(err)
		}
	})
	r := newRig(t, d.config, nil)
	if p, _ := r.reg.Get("drop"); p.State != Disabled {
		t.Errorf("after a restart: %s", p.State)
	}
	if p, err := r.reg.SetEnabled(t.Context(), "drop", true); err != nil || p.State != Active {
		t.Errorf("%+v %v", p, err)
	}
	if _, ok := r.reg.Detect(t.Context(), []byte("x"), 1, "x.drop"); !ok {
		t.Error("an enabled decoder is not chosen")
	}
	if err := r.reg.SetRules(t.Context(), Rules{Settings: map[string]Settings{"drop": {Disabled: true}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.reg.SetEnabled(t.Context(), "drop", true); !errcode.Is(err, errcode.Conflict) {
		t.Errorf("enabled against the configuration: %v", err)
	}
}

// TestSettingsOfOnePlugin checks that limits and parameters reach the decode.
func TestSettingsOfOnePlugin(t *testing.T) {
	g := runtimetest.NewGuest("hangs", 1, 16)
	g.Change(func(m *abi.Manifest) {
		m.Params = []byte(`{"type":"object","properties":{"port":{"type":"integer","default":80},"name":{"type":"string"}}}`)
	})
	g.Decode(runtimetest.Loop(runtimetest.Br(0)), i32(0))
	r := newRig(t, nil, map[string][]byte{"hangs": g.Wasm()})
	p, _ := r.reg.Get("hangs")
	if err := waitFor(r, p.SHA256); err != nil {
		t.Fatal(err)
	}
	set := func(s Settings) {
		t.Helper()
		if err := r.reg.SetRules(t.Context(), Rules{Settings: map[string]Settings{"hangs": s}}); err != nil {
			t.Fatal(err)
		}
	}
	set(Settings{Stall: 50 * time.Millisecond, MemoryMiB: 8, OutputRatio: 3, Params: map[string]string{"port": "8080"}})
	if p, _ = r.reg.Get("hangs"); p.Limits.Stall != 50*time.Millisecond || p.Limits.MemoryMiB != 8 || p.Limits.OutputRatio != 3 || p.Limits.Issues != 10_000 {
		t.Errorf("%+v", p.Limits)
	}
	began := time.Now()
	if res := r.decode(r.request("hangs", []byte("x"))); res.Failure == nil || res.Failure.Code != errcode.Stalled || time.Since(began) > 8*time.Second {
		t.Errorf("%+v after %s", res, time.Since(began))
	}
	for given, want := range map[string]string{"": `{"port":8080}`, "1": `{"port":1}`} {
		in := map[string]string{}
		if given != "" {
			in["port"] = given
		}
		if got, err := r.reg.Params("hangs", in); err != nil || string(got) != want {
			t.Errorf("given %q: %s %v, want %s", given, got, err, want)
		}
	}
	set(Settings{Params: map[string]string{"prt": "1"}, MemoryMiB: 9999})
	if _, err := r.reg.Params("hangs", nil); err == nil || !strings.Contains(err.Error(), "plugins.settings.hangs.params") {
		t.Errorf("a wrong parameter of the settings: %v", err)
	}
	if p, _ = r.reg.Get("hangs"); p.Limits.MemoryMiB != 1024 {
		t.Errorf("memory %d above the most", p.Limits.MemoryMiB)
	}
	if u := r.pool.Usage("hangs"); u.Decodes != 1 || u.Failed != 1 {
		t.Errorf("%+v", u)
	}
}

// TestOddFiles drops what is no regular module.
func TestOddFiles(t *testing.T) {
	d := newDrop(t)
	r := newRig(t, d.config, nil)
	good := lines("drop", "1.0.0")
	d.put("ref", good)
	if err := os.Symlink("ref", filepath.Join(d.dir, "link.wasm")); err != nil {
		t.Fatal(err)
	}
	d.put(".hidden.wasm", good)
	d.put("a.wasm.part", good)
	d.put("empty.wasm", nil)
	if err := os.Mkdir(filepath.Join(d.dir, "folder.wasm"), 0o700); err != nil {
		t.Fatal(err)
	}
	huge, err := os.Create(filepath.Join(d.dir, "huge.wasm"))
	if err == nil {
		err = huge.Truncate(16<<20 + 1)
	}
	if err != nil || huge.Close() != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"link.wasm": "links are not followed", "huge.wasm": "the limit is"} {
		if p := r.until(id, "rejected", func(p Plugin, ok bool) bool { return ok && p.State == Rejected }); !strings.Contains(p.Reason, want) {
			t.Errorf("%s: %s", id, p.Reason)
		}
	}
	if all := r.reg.Plugins(); len(all) != 2 {
		t.Errorf("%+v", all)
	}
	if err := disk.Rename(disk.OS, filepath.Join(d.dir, "a.wasm.part"), filepath.Join(d.dir, "a.wasm")); err != nil {
		t.Fatal(err)
	}
	r.until("drop", "active", active("1.0.0"))
}
