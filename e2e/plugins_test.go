//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Plugin is what the tests read of a plugin of the API.
type Plugin struct {
	ID, Version, State, SHA256, Source string
	Reason                             *string
	Others                             []struct {
		Version, Reason *string
		State           string
	}
}

// dropGuest gives a decoder of files *.drop: one row for each 4 KiB.
func dropGuest(version string) []byte {
	g := runtimetest.Lines("drop")
	g.Change(func(m *abi.Manifest) { m.Version = version })
	return g.Wasm()
}

// dropBroken gives one that cannot be compiled.
func dropBroken(version string) []byte {
	g := runtimetest.NewGuest("drop", 1, 16)
	g.Change(func(m *abi.Manifest) { m.Version = version })
	return g.Decode(runtimetest.Op(runtimetest.Add), runtimetest.Const(0)).Wasm()
}

// plugin waits for a state of the plugin "drop"; nil is the state of one that is gone.
func (a *appliance) plugin(what string, ok func(p *Plugin) bool) *Plugin {
	a.t.Helper()
	limit := time.Now().Add(30 * time.Second)
	for {
		var p Plugin
		status, _, err := a.call(a.t.Context(), http.MethodGet, "/api/v1/plugins/drop", nil, &p)
		if err != nil {
			a.t.Fatal(err)
		}
		got := &p
		if status == http.StatusNotFound {
			got = nil
		}
		if ok(got) {
			return got
		}
		if time.Now().After(limit) {
			a.t.Fatalf("the plugin was never %s: %+v\n%s", what, got, a.log.tail())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (a *appliance) activeAt(version string) *Plugin {
	a.t.Helper()
	return a.plugin("active at "+version, func(p *Plugin) bool { return p != nil && p.State == "active" && p.Version == version })
}

func (a *appliance) drop(b []byte) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, "plugins", "drop.wasm"), b, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// direct decodes 4 KiB and gives the rows, or the problem's code.
func (a *appliance) direct() string {
	a.t.Helper()
	var rows []json.RawMessage
	_, p, err := a.call(a.t.Context(), http.MethodPost, "/api/v1/decode?decoder=drop&table=rows", bytes.NewReader(make([]byte, 4096)), &rows)
	switch {
	case err != nil:
		a.t.Fatal(err)
	case p != nil:
		return p.Code
	}
	return fmt.Sprint(len(rows), " rows")
}

// TestDroppedPlugin drops, replaces, breaks and removes a decoder of a running appliance.
func TestDroppedPlugin(t *testing.T) {
	a := start(t, t.TempDir())
	if got := a.direct(); got != "validation_failed" {
		t.Fatalf("before: %s", got)
	}
	// One module is compiled at a time: the one that is built in is not to be waited for.
	a.upload("example.RU", example(t), "")
	began := time.Now()
	a.drop(dropGuest("1.0.0"))
	for a.direct() != "1 rows" {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("it does not decode\n%s", a.log.tail())
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("decodes %s after it was dropped", time.Since(began).Round(time.Millisecond))
	before := a.upload("a.drop", make([]byte, 8192), "")
	if before.Decode == nil || before.Decode.Status != "done" || before.Decode.Rows != 2 {
		t.Fatalf("%+v", before.Decode)
	}
	a.drop(dropBroken("2.0.0"))
	p := a.plugin("kept", func(p *Plugin) bool { return p != nil && len(p.Others) == 1 && p.Others[0].State == "rejected" })
	if p.Version != "1.0.0" || p.State != "active" || p.Others[0].Reason == nil || a.direct() != "1 rows" {
		t.Errorf("beside a broken version: %+v, %s", p, a.direct())
	}
	until(t, "the log says why", func() bool { return strings.Contains(a.log.all(), `"plugin rejected"`) })
	a.kill() // and over a crash
	a = start(t, a.dir)
	a.activeAt("1.0.0")
	a.drop(dropGuest("2.1.0"))
	a.activeAt("2.1.0")
	after := a.upload("a.drop", make([]byte, 8192), "")
	if after.Decode == nil || after.Decode.ID == before.Decode.ID || after.Decode.Status != "done" {
		t.Errorf("a new version gives a new result: %+v", after.Decode)
	}
	if err := os.Remove(filepath.Join(a.dir, "plugins", "drop.wasm")); err != nil {
		t.Fatal(err)
	}
	a.plugin("gone", func(p *Plugin) bool { return p == nil })
	var tables []json.RawMessage
	a.get("/api/v1/decodes/"+before.Decode.ID+"/tables/rows.json", &tables)
	if len(tables) != 2 {
		t.Errorf("%d rows of a decoder that is gone", len(tables))
	}
}

// TestInstallSurvivesKill installs over the API and kills the appliance at any moment: afterwards the plugin is there
// or it is not, and nothing else.
func TestInstallSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	for n := range 8 {
		a := start(t, dir)
		done := make(chan bool, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			status, _, err := a.call(ctx, http.MethodPost, "/api/v1/plugins", bytes.NewReader(dropGuest(fmt.Sprintf("1.%d.0", n))), nil)
			done <- err == nil && status < 300
		}()
		time.Sleep(time.Duration(n) * 3 * time.Millisecond)
		a.kill()
		acknowledged := <-done
		a = start(t, dir)
		files, err := filepath.Glob(filepath.Join(dir, "plugins", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if filepath.Ext(f) != ".wasm" {
				t.Errorf("left behind: %s", f)
			}
		}
		if acknowledged {
			a.activeAt(fmt.Sprintf("1.%d.0", n))
		}
		a.kill()
	}
}

// TestPluginCommands manages the plugins of an appliance that needs a token from the command line.
func TestPluginCommands(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "wayside.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("auth: {required: true}\n")
	a := start(t, filepath.Join(dir, "data"), "--config", conf)
	good, bad := filepath.Join(dir, "good.wasm"), filepath.Join(dir, "bad.wasm")
	for path, b := range map[string][]byte{good: dropGuest("1.0.0"), bad: dropBroken("1.1.0")} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(code int, want string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), built(t), append([]string{"plugin"}, args...)...)
		cmd.Env = []string{"HOME=" + dir, "WAYSIDE_SERVER_LISTEN=" + strings.TrimPrefix(a.url, "http://"), "WAYSIDE_DATA_DIR=" + a.dir}
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(string(out), want) {
			t.Errorf("plugin %v: exit %d, want %d with %q:\n%s", args, got, code, want, out)
		}
	}
	run(0, "drop 1.0.0 installed: active", "install", good)
	run(0, "drop 1.0.0 was there already", "install", good)
	run(1, "drop 1.1.0 is rejected: ", "install", bad)
	run(0, "drop-1.1.0.wasm  1.1.0    data     rejected", "list")
	run(0, `"id": "drop"`, "list", "--json")
	run(0, "drop 1.0.0: disabled", "disable", "drop")
	run(0, "drop 1.0.0: active", "enable", "drop")
	run(0, "drop 1.0.0: active", "reload", "drop")
	run(1, "no such plugin", "enable", "nobody")
	run(1, "--token", "list", "--token", "wrong")
	run(1, "start it with wayside serve", "list", "--server", "127.0.0.1:1")
	run(2, "no address", "list", "--server", "ftp://x")
	write("auth: {required: true}\nplugins: {policy: require}\n")
	if err := a.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(30 * time.Second); !strings.Contains(a.log.all(), "configuration reloaded"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("not reloaded\n%s", a.log.tail())
		}
	}
	run(0, "it is not signed, and plugins.policy is require", "list")
	run(0, "drop removed", "remove", "drop")
	run(1, "no such plugin", "remove", "drop")
}
