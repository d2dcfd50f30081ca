package runtime

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
)

// TestIssuesAreListedUpToTheirLimit says more than is listed, with the default and with a small limit: everything is
// counted, and the list says how much it lacks.
func TestIssuesAreListedUpToTheirLimit(t *testing.T) {
	for limit, want := range map[int64]int64{0: 10_000, 7: 7} {
		g := runtimetest.NewGuest("says", 1, 16)
		issue := join(i32(1), runtimetest.Const64(5), g.Text("code"), g.Text("te\xffxt"), runtimetest.Call(g.Issue))
		wasm := g.Decode(times(10_050, issue), i32(0)).Wasm()
		r := newRig(t, func(c *Config) { c.Limits.Issues = limit }, map[string][]byte{"says": wasm})
		j := r.request("says", []byte("x"))
		res := r.decode(j)
		if res.Status != Done || res.Issues.Warnings != 10_050 {
			t.Errorf("limit %d: %+v", limit, res)
		}
		lines := strings.Split(strings.TrimSuffix(j.file("issues"), "\n"), "\n")
		var last struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
			t.Fatal(err)
		}
		if int64(len(lines)) != want+1 || last.Code != "issues_limit" || !strings.HasPrefix(last.Message, itoa(int(10_050-want))+" more") {
			t.Errorf("limit %d: %d rows, the last is %+v", limit, len(lines), last)
		}
		if !strings.Contains(lines[0], "te\uFFFDxt") {
			t.Errorf("text that is not UTF-8 became %s", lines[0])
		}
	}
}

// TestLogEndsAtItsLimit logs more than is passed on, with the default and with a small limit.
func TestLogEndsAtItsLimit(t *testing.T) {
	for limit, want := range map[int64]int{0: 1 << 20, 20_000: 20_000} {
		g := runtimetest.NewGuest("says", 1, 16)
		line := join(i32(0), g.Text("line "), runtimetest.Call(g.Log), i32(0), i32(0x4000), i32(0x3000), runtimetest.Call(g.Log))
		g.Data(0x4000, []byte(strings.Repeat("\xffx", 0x1800)))
		wasm := g.Decode(times(2_000, line), i32(0)).Wasm()
		r := newRig(t, func(c *Config) { c.Limits.LogBytes = limit }, map[string][]byte{"says": wasm})
		if res := r.decode(r.request("says", []byte("x"))); res.Status != Done {
			t.Errorf("limit %d: %+v", limit, res)
		}
		log := r.log.String()
		if n := strings.Count(log, "its allowance is used up"); n != 1 {
			t.Errorf("limit %d: the end of the log is told %d times", limit, n)
		}
		got := strings.Count(log, "\uFFFDx")*len("\uFFFDx") + strings.Count(log, "\"line \"")*len("line ")
		if got > want || got < want/3 || strings.Contains(log, "\xff") {
			t.Errorf("limit %d: %d bytes of log were passed on, want about %d", limit, got, want)
		}
	}
}

// TestSniffsThatMisbehave: a module that traps or never answers when it is asked about a file is no candidate for it; its
// worker ends, and the next question finds a new one.
func TestSniffsThatMisbehave(t *testing.T) {
	for name, c := range map[string]struct {
		sniff  func(g *runtimetest.Guest) []byte
		reason string
		fails  bool
	}{
		"traps": {func(*runtimetest.Guest) []byte { return runtimetest.Op(runtimetest.Unreachable) }, "trapped", false},
		"loops": {func(*runtimetest.Guest) []byte { return runtimetest.Loop(runtimetest.Br(0)) }, "sniff", true},
		"emits": {func(g *runtimetest.Guest) []byte { return g.Rows(1) }, "trapped", false},
		"lies": {func(g *runtimetest.Guest) []byte {
			return join(i32(-1), i32(2), runtimetest.Call(g.Read), runtimetest.Op(runtimetest.Drop))
		}, "trapped", false},
		"grows": {func(*runtimetest.Guest) []byte {
			return join(runtimetest.Loop(i32(16), runtimetest.Grow(), i32(-1), runtimetest.Op(runtimetest.Eq, runtimetest.Eqz), runtimetest.BrIf(0)), runtimetest.Op(runtimetest.Unreachable))
		}, "trapped", false},
		"is sure beyond measure": {func(*runtimetest.Guest) []byte { return join(i32(0x7fffffff), runtimetest.Op(runtimetest.Return)) }, "", false},
	} {
		g := runtimetest.NewGuest("sniffs", 1, 64)
		g.Sniffs(c.sniff(g), i32(80))
		rec := &recorder{}
		r := newRig(t, func(cfg *Config) {
			cfg.Recorder = rec
			if raceEnabled && !c.fails {
				cfg.Limits.Sniff = 10 * time.Second
			}
		}, map[string][]byte{"sniffs": g.Decode(i32(0)).Wasm(), "lines": runtimetest.Lines("lines").Wasm()})
		r.decode(r.request("sniffs", []byte("x")))
		began := time.Now()
		for range 2 {
			score, err := r.pool.sniff(t.Context(), r.entry("sniffs"), []byte("head"), 4)
			if c.reason == "" && score == 1 && err == nil {
				continue
			}
			if score != 0 || (err != nil) != c.fails {
				t.Errorf("%s: %v %v", name, score, err)
			}
		}
		if took := time.Since(began); took > 15*time.Second { // Stall would end each after ten seconds
			t.Errorf("%s: two questions took %v", name, took)
		}
		if want := strings.TrimSpace(c.reason + " " + c.reason); rec.reasons() != want {
			t.Errorf("%s: workers ended for %q, want %q", name, rec.reasons(), want)
		}
		if res := r.decode(r.request("sniffs", []byte("x"))); res.Status != Done {
			t.Errorf("%s: its decode gives %+v", name, res.Failure)
		}
		r.stillDecodes("after a sniff that " + name)
	}
}

// entry gives the module that serves an id.
func (r *rig) entry(id string) *entry {
	r.t.Helper()
	v := r.reg.now.Load()
	i, ok := v.byID[id]
	if !ok {
		r.t.Fatalf("no plugin %s", id)
	}
	return v.entries[i]
}
