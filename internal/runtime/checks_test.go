package runtime

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// briefly writes checks as "module+ manifest- rules": passed, failed, not reached.
func briefly(checks []Check) string {
	out := make([]string, len(checks))
	for i, c := range checks {
		out[i] = string(c.Name) + map[CheckState]string{CheckPassed: "+", CheckFailed: "-"}[c.State]
	}
	return strings.Join(out, " ")
}

// givesItself gives a module that has to run to give its manifest.
func givesItself(text string) []byte {
	m := runtimetest.New(1, 1)
	give := m.Import(abi.Module, abi.ImportManifest, []byte{runtimetest.I32, runtimetest.I32}, nil)
	m.Data(0x400, []byte(text))
	m.Func(abi.ExportManifest, nil, nil, nil, i32(0x400), i32(len(text)), runtimetest.Call(give))
	m.Func(abi.ExportDecode, nil, []byte{runtimetest.I32}, nil, i32(0))
	return m.Bytes()
}

func TestChecksTellWhereAModuleStopped(t *testing.T) {
	hash := map[string]string{"v": strings.Repeat("0", 64)}
	guest := func(change func(g *runtimetest.Guest)) []byte {
		g := runtimetest.NewGuest("mm", 1, 16)
		change(g)
		return g.Decode(i32(0)).Wasm()
	}
	loop := runtimetest.Loop(runtimetest.Br(0))
	const own = `{"id":"own","name":"Own","version":"1.2.3","abi":1,"formats":[{"id":"own","sniff":[]}],"tables":[]`
	for name, c := range map[string]struct {
		wasm []byte
		want string
	}{
		"good":     {guest(func(*runtimetest.Guest) {}), "module+ manifest+ signature+ rules+ compile+ golden+"},
		"text":     {[]byte("(module)"), "module- manifest signature rules compile golden"},
		"manifest": {guest(func(g *runtimetest.Guest) { g.Change(func(m *abi.Manifest) { m.ABI = 2 }) }), "module+ manifest- signature rules compile golden"},
		"rules":    {guest(func(g *runtimetest.Guest) { g.NoMemory() }), "module+ manifest+ signature+ rules- compile golden"},
		"initialise": {
			guest(func(g *runtimetest.Guest) { g.Func("_initialize", nil, nil, nil, runtimetest.Op(0)) }),
			"module+ manifest+ signature+ rules+ compile- golden",
		},
		"worker ended": {
			guest(func(g *runtimetest.Guest) { g.Start(g.Func("", nil, nil, nil, loop)) }),
			"module+ manifest+ signature+ rules+ compile- golden",
		},
		"compile":                 {runtimetest.NewGuest("mm", 1, 16).Decode(runtimetest.Op(runtimetest.Add), i32(0)).Wasm(), "module+ manifest+ signature+ rules+ compile- golden"},
		"golden":                  {carrying(t, runtimetest.Lines("lines"), hash, vector("v", "x")), "module+ manifest+ signature+ rules+ compile+ golden-"},
		"vector without its hash": {carrying(t, runtimetest.Lines("lines"), nil, vector("v", "x")), "module+ manifest+ signature+ rules+ compile golden-"},
		"asked":                   {givesItself(own + "}"), "module+ signature+ rules+ manifest+ compile+ golden+"},
		"asked, wrong":            {givesItself("{}"), "module+ signature+ rules+ manifest- compile golden"},
		"asked, none":             {runtimetest.NewGuest("mm", 1, 16).Decode(i32(0)).Bytes(), "module+ signature+ rules+ manifest- compile golden"},
		"asked, parameters":       {givesItself(own + `,"params":{"$ref":"http://example.com/x"}}`), "module+ signature+ rules+ manifest- compile golden"},
	} {
		t.Run(name, func(t *testing.T) {
			var compiled string
			open := func() *rig {
				return vetting(t, c.wasm, func(cfg *Config) {
					if compiled != "" {
						cfg.CompiledDir = compiled
					}
					cfg.Limits.Compile, compiled = time.Second, cfg.CompiledDir
				})
			}
			for _, when := range []string{"the first time", "again"} {
				p := installed(open())
				if got := briefly(p.Checks); got != c.want {
					t.Errorf("%s: %s, want %s; %s", when, got, c.want, p.Reason)
				}
				for _, check := range p.Checks {
					if failed := check.State == CheckFailed; failed != (check.Reason != "") || failed && check.Reason != p.Reason {
						t.Errorf("%s: %+v beside %q", when, check, p.Reason)
					}
				}
			}
		})
	}
}

// TestChecksOfSignatures: one that fails stops a module before it is compiled, and takes nothing from what it passed.
func TestChecksOfSignatures(t *testing.T) {
	r := vetting(t, runtimetest.Lines("lines").Wasm(), func(c *Config) { c.Policy = Require })
	if got, want := briefly(installed(r).Checks), "module+ manifest+ signature- rules compile golden"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if err := r.reg.SetRules(t.Context(), Rules{}); err != nil {
		t.Fatal(err)
	}
	if p := installed(r); p.State != Active {
		t.Fatalf("%s: %s", p.State, p.Reason)
	}
	if err := r.reg.SetRules(t.Context(), Rules{Policy: Require, Keys: []ed25519.PublicKey{}}); err != nil {
		t.Fatal(err)
	}
	if got, want := briefly(installed(r).Checks), "module+ manifest+ signature- rules+ compile+ golden+"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestInstallSaysWhichCheckRefused(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, func(c *Config) { c.Dirs, c.InstallDir, c.Limits.Module.Bytes = []Dir{{dir, Data}}, dir, 100 }, nil)
	for body, code := range map[string]errcode.Code{"(module)": errcode.ValidationFailed, strings.Repeat("x", 101): errcode.TooLarge} {
		_, _, err := r.reg.Install(t.Context(), strings.NewReader(body))
		refused, ok := errors.AsType[*RefusedError](err)
		if !ok || !errcode.Is(err, code) {
			t.Errorf("%.10s: %v", body, err)
			continue
		}
		if got, want := briefly(refused.Checks), "module- manifest signature rules compile golden"; got != want || refused.Checks[0].Reason != err.Error() {
			t.Errorf("%s, want %s; %q", got, want, refused.Checks[0].Reason)
		}
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(files) > 0 {
		t.Errorf("installed all the same: %v %v", files, err)
	}
}

// TestOthersHaveTheirTables: a candidate that was rejected can be held against the version that serves.
func TestOthersHaveTheirTables(t *testing.T) {
	wasm := func(version, column string, hash map[string]string) []byte {
		g := runtimetest.Lines("lines")
		g.Change(func(m *abi.Manifest) { m.Version, m.Tables[0].Columns[0].Description, m.Tests = version, column, hash })
		return g.Wasm()
	}
	good, bad := wasm("1.0.0", "good", nil), wasm("2.0.0", "other", map[string]string{"v": strings.Repeat("0", 64)})
	r := vetting(t, good, func(c *Config) {
		if err := os.WriteFile(filepath.Join(c.Dirs[0].Path, "new.wasm"), bad, 0o600); err != nil {
			t.Fatal(err)
		}
	})
	for _, b := range [][]byte{good, bad} {
		_ = waitFor(r, module.Hash(b))
	}
	p, _ := r.reg.Get("lines")
	if p.Version != "1.0.0" || len(p.Others) != 1 || p.Others[0].State != Rejected {
		t.Fatalf("%+v", p)
	}
	if o := p.Others[0]; len(o.Tables) != 1 || o.Tables[0].Columns[0].Description != "other" || len(p.Tables) != 1 {
		t.Errorf("tables %+v", o.Tables)
	}
	if got, want := briefly(p.Others[0].Checks), "module+ manifest+ signature+ rules+ compile golden-"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
