//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// rejections reads how often a module of the plugin was rejected.
func (a *appliance) rejections() string {
	a.t.Helper()
	resp, err := http.Get(a.url + "/metrics")
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^wayside_plugin_changes_total\{plugin="drop",state="rejected"\} (\d+)$`).FindSubmatch(b)
	if m == nil {
		return "0"
	}
	return string(m[1])
}

// said runs a command beside the appliance and gives what it printed.
func (a *appliance) said(args ...string) string {
	a.t.Helper()
	cmd := exec.CommandContext(a.t.Context(), built(a.t), args...)
	cmd.Env = []string{"HOME=" + a.dir, "WAYSIDE_SERVER_LISTEN=" + strings.TrimPrefix(a.url, "http://"), "WAYSIDE_DATA_DIR=" + a.dir}
	out, _ := cmd.CombinedOutput() // doctor's code tells of its findings
	return string(out)
}

// beside waits until a version that was rejected with a reason stands beside 1.0.0, which goes on.
func (a *appliance) beside(reason string) {
	a.t.Helper()
	p := a.plugin("kept beside what is rejected with "+reason, func(p *Plugin) bool {
		return p != nil && p.State == "active" && p.Version == "1.0.0" && len(p.Others) == 1 && p.Others[0].State == "rejected" &&
			p.Others[0].Reason != nil && strings.Contains(*p.Others[0].Reason, reason)
	})
	if got := a.direct(); got != "1 rows" {
		a.t.Errorf("beside %+v: %s", p.Others, got)
	}
}

// TestBrokenReplacements replaces a decoder by what cannot be used, in every way that a copy can go wrong. The old one
// decodes all the time, and API, command line, log, metric and doctor say why.
func TestBrokenReplacements(t *testing.T) {
	a := start(t, t.TempDir())
	path := filepath.Join(a.dir, "plugins", "drop.wasm")
	good, next := dropGuest("1.0.0"), dropGuest("1.1.0")
	a.drop(good)
	a.activeAt("1.0.0")
	manifest := runtimetest.Lines("drop")
	manifest.Change(func(m *abi.Manifest) { m.Version = "new" })
	vetted := runtimetest.Lines("drop")
	vetted.Change(func(m *abi.Manifest) {
		m.Version, m.Tests = "1.2.0", map[string]string{"v": strings.Repeat("0", 64)}
	})
	vector, err := module.WithVector(vetted.Wasm(), module.Vector{Vector: abi.Vector{Name: "v"}, Input: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		reason string
		put    func() error
	}{
		{"malformed", func() error { return os.WriteFile(path, next[:len(next)/2], 0o600) }}, // in place, cut off
		{"version", func() error { // beside it, and renamed
			if err := os.WriteFile(path+".part", manifest.Wasm(), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".part", path)
		}},
		{"its document has the hash", func() error { return os.WriteFile(path, vector, 0o600) }},
		{"compile", func() error { return os.WriteFile(path, dropBroken("1.3.0"), 0o600) }},
		{"no regular file", func() error { // a link in its place
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Symlink("/dev/zero", path)
		}},
	} {
		if err := c.put(); err != nil {
			t.Fatal(err)
		}
		if c.reason == "no regular file" {
			// The file may have been seen to be gone: then nothing serves any more, as it has to be.
			a.plugin("replaced by a link", func(p *Plugin) bool { return p == nil || len(p.Others) == 1 })
			break
		}
		a.beside(c.reason)
		limit := time.Now().Add(10 * time.Second)
		for want := fmt.Sprint(i + 1); a.rejections() != want; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("%s: counted %s times, want %s", c.reason, a.rejections(), want)
			}
		}
		if out := strings.Join(strings.Fields(a.said("plugin", "list")), " "); !strings.Contains(out, "drop 1.0.0 data active") ||
			!strings.Contains(out, "drop.wasm") || !strings.Contains(out, "data rejected") || !strings.Contains(out, c.reason) {
			t.Errorf("%s: the list is\n%s", c.reason, out)
		}
		until(t, "the log says "+c.reason, func() bool {
			for line := range strings.Lines(a.log.all()) {
				if strings.Contains(line, `"plugin rejected"`) && strings.Contains(line, c.reason) {
					return true
				}
			}
			return false
		})
	}
	if out := a.said("doctor"); !strings.Contains(out, "drop.wasm (data) is rejected: it is no regular file") {
		t.Errorf("doctor says\n%s", out)
	}
}

// TestSlowCopy copies a new version in small pieces: what has not come to its end is never taken. Half of a copy that a busy
// machine holds up for as long as the debounce may be taken rightly, so that one is made again.
func TestSlowCopy(t *testing.T) {
	for tries := 5; ; tries-- {
		half, longest := copySlowly(t)
		if !half {
			return
		}
		if longest < 400*time.Millisecond || tries == 1 { // the debounce is 500
			t.Fatalf("half a copy was taken; between two pieces were %v at most", longest)
		}
		t.Logf("between two pieces were %v: again", longest)
	}
}

// copySlowly says whether half a copy was taken, and the longest time between two pieces.
func copySlowly(t *testing.T) (half bool, longest time.Duration) {
	t.Helper()
	a := start(t, t.TempDir())
	defer a.kill()
	a.drop(dropGuest("1.0.0"))
	a.activeAt("1.0.0")
	b := dropGuest("2.0.0")
	f, err := os.OpenFile(filepath.Join(a.dir, "plugins", "drop.wasm"), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const pieces = 20
	last := time.Now()
	for i := range pieces {
		if _, err := f.Write(b[i*len(b)/pieces : (i+1)*len(b)/pieces]); err != nil {
			t.Fatal(err)
		}
		longest, last = max(longest, time.Since(last)), time.Now()
		if got := a.direct(); got != "1 rows" {
			t.Fatalf("after piece %d: %s", i, got)
		}
		time.Sleep(100 * time.Millisecond) // a slow line: less than the debounce, together more than it
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	longest = max(longest, time.Since(last))
	a.activeAt("2.0.0")
	if half = strings.Contains(a.log.all(), "plugin rejected"); half {
		t.Logf("rejected\n%s", a.log.tail())
	}
	return half, longest
}

// TestKilledWhileInstalling kills the appliance while a new version is compiled: the old one serves after the restart,
// and then the new one.
func TestKilledWhileInstalling(t *testing.T) {
	a := start(t, t.TempDir())
	a.drop(dropGuest("1.0.0"))
	a.activeAt("1.0.0")
	a.drop(busy("drop", 12000))
	a.plugin("about to be replaced", func(p *Plugin) bool { return p != nil && len(p.Others) == 1 && p.Others[0].State == "compiling" })
	a.kill()
	a = start(t, a.dir)
	var p Plugin
	a.get("/api/v1/plugins/drop", &p)
	if p.State != "active" || p.Version != "1.0.0" && p.Version != "2.0.0" {
		t.Errorf("after a kill: %+v", p)
	}
	if got := a.direct(); got != "1 rows" {
		t.Errorf("after a kill: %s", got)
	}
	a.activeAt("2.0.0")
}

// spins gives a decoder that runs for about a second and emits a row.
func spins(version string) []byte {
	g := runtimetest.NewGuest("drop", 1, 16)
	g.Change(func(m *abi.Manifest) { m.Version = version })
	return g.Decode(
		runtimetest.Const(1<<30), runtimetest.Set(0),
		runtimetest.Loop(
			runtimetest.Get(0), runtimetest.Const(1), runtimetest.Op(runtimetest.Sub), runtimetest.Set(0),
			runtimetest.Get(0), runtimetest.BrIf(0),
		),
		g.Rows(1), runtimetest.Const(0),
	).Wasm()
}

// TestRemovedWhileDecoding takes a decoder away while it decodes and while decodes of it wait. What runs ends on the
// version it began with; what waits goes on when the decoder is back, and has a named end if it was disabled.
func TestRemovedWhileDecoding(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "wayside.yaml")
	if err := os.WriteFile(conf, []byte("decode: {workers: 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := start(t, t.TempDir(), "--config", conf)
	a.drop(spins("1.0.0"))
	first := a.activeAt("1.0.0")
	status := func(ids []string) (out []string) {
		for _, id := range ids {
			var d Decode
			a.get("/api/v1/decodes/"+id, &d)
			out = append(out, d.Status)
		}
		return out
	}
	begin := func(n int) (ids, now []string) { // and how it is with them once one runs
		t.Helper()
		for i := range n {
			var up Uploaded
			body := bytes.NewReader(fmt.Append(nil, "recording ", time.Now(), i))
			status, p, err := a.call(t.Context(), http.MethodPost, fmt.Sprintf("/api/v1/files?name=%d.drop", i), body, &up)
			if err != nil || p != nil || up.Decode == nil {
				t.Fatalf("%d %+v %v", status, p, err)
			}
			ids = append(ids, up.Decode.ID)
		}
		for limit := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			if now = status(ids); slices.Contains(now, "running") {
				return ids, now
			}
			if time.Now().After(limit) {
				t.Fatalf("none runs: %v", now)
			}
		}
	}
	sha := func(id string) string {
		t.Helper()
		var d struct{ Decoder struct{ SHA256 string } }
		a.get("/api/v1/decodes/"+id, &d)
		return d.Decoder.SHA256
	}
	ids, before := begin(6) // some begin that wait for the worker only
	if out := a.said("plugin", "remove", "drop"); !strings.Contains(out, "drop removed") {
		t.Fatal(out)
	}
	after := status(ids)
	if !slices.Contains(after, "queued") {
		t.Fatalf("%v, %v", before, after)
	}
	for i, id := range ids {
		if before[i] == "running" {
			if d := a.final(id); d.Status != "done" || sha(id) != first.SHA256 {
				t.Errorf("what ran when the decoder was removed: %+v %+v", d, d.Error)
			}
		}
	}
	a.drop(spins("1.1.0"))
	second := a.activeAt("1.1.0")
	for i, id := range ids {
		if d := a.final(id); after[i] == "queued" && (d.Status != "done" || sha(id) != second.SHA256) {
			t.Errorf("what waited: %+v %+v", d, d.Error)
		}
	}
	ids, before = begin(5)
	if out := a.said("plugin", "disable", "drop"); !strings.Contains(out, "disabled") {
		t.Fatal(out)
	}
	after = status(ids)
	var waited Decode
	for i, id := range ids {
		d := a.final(id)
		if before[i] == "running" && d.Status != "done" {
			t.Errorf("what ran when the decoder was disabled: %+v %+v", d, d.Error)
		}
		if after[i] == "running" || after[i] == "done" {
			continue
		}
		if waited = d; d.Status != "failed" || d.Error == nil || d.Error.Code != "decoder_disabled" {
			t.Errorf("what waited when the decoder was disabled: %+v %+v", d, d.Error)
		}
	}
	if waited.ID == "" {
		t.Fatalf("none waited: %v", after)
	}
	if out := a.said("plugin", "enable", "drop"); !strings.Contains(out, "active") {
		t.Fatal(out)
	}
	resp, err := http.Post(a.url+"/api/v1/decodes", "application/json", strings.NewReader(`{"file_id":"`+waited.FileID+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var again Decode
	if err := json.NewDecoder(resp.Body).Decode(&again); err != nil {
		t.Fatal(err)
	}
	if d := a.final(again.ID); d.Status != "done" || again.ID == waited.ID {
		t.Errorf("asked for again: %+v %+v", d, d.Error)
	}
}
