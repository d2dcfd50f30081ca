//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"

	"github.com/wayside-edge/wayside/internal/kv/kvtest"
	"github.com/wayside-edge/wayside/internal/observe/boardtest"
	"github.com/wayside-edge/wayside/plugins/rail/railtest"
	"github.com/wayside-edge/wayside/sdk/client"
)

// TestShippedRules has promtool look at what is shipped.
func TestShippedRules(t *testing.T) {
	dir := filepath.Join("..", "packaging", "prometheus")
	promtool(t, "", "check", "config", filepath.Join(dir, "scrape.yml"))
	promtool(t, "", "check", "rules", filepath.Join(dir, "rules.yml"))
	promtool(t, "", "test", "rules", filepath.Join(dir, "rules_test.yml"))
}

// TestPrometheus has a real Prometheus watch two appliances while they work, and asks it all that the shipped dashboards and
// rules ask: each expression has an answer, with the labels that its legend names.
func TestPrometheus(t *testing.T) {
	installed(t, "prometheus")
	t.Setenv("WAYSIDE_KV_APPENDFSYNC", "always")
	kv, dir := kvAddress(t), t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "plugins"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plugins", "broken.wasm"), []byte("no module"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := start(t, dir, "--kv-listen", kv)
	t.Setenv("WAYSIDE_CACHE_URL", "redis://"+kvAddress(t)) // nobody is there: its cache fails, and so do requests to it
	b := start(t, t.TempDir())
	p := startPrometheus(t, scrapeConfig(t, strings.TrimPrefix(a.url, "http://"), strings.TrimPrefix(b.url, "http://")))
	c := kvtest.Dial(t, kv)
	p.scraped(2)
	for round := range 3 { // a rate is of two scrapes at least, of series that were there before
		work(t, a, b, c, round)
		p.scraped(2)
	}
	promtool(t, a.text("/metrics"), "check", "metrics")
	boards, err := boardtest.Boards(filepath.Join("..", "packaging", "grafana"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range boards {
		t.Run(boards[i].File, func(t *testing.T) { answered(t, p, &boards[i]) })
	}
	t.Run("rules", func(t *testing.T) { judged(t, p) })
}

// work is what the dashboards are to show: recordings that can be decoded and that cannot, jobs that are done and that
// die, hits and misses of the cache, commands of Redis clients, and requests that are refused.
func work(t *testing.T, a, b *appliance, c *kvtest.Client, round int) {
	t.Helper()
	fresh := append(example(t), byte(round))
	a.upload("fresh.RU", fresh, "")
	a.upload("again.RU", fresh, "")
	bad := bytes.Repeat([]byte(fmt.Sprint("no recording of any train, ", round)), 40)
	a.upload("bad.RU", bad, "&decoder=rail")
	parts := railtest.Cut(example(t), 3)
	part := append(slices.Clone(parts[0]), byte(round))
	a.batchEnd(a.batch("application/zip", "", zipped(t, member{"1.RU", part}, member{"notes.txt", []byte("nothing that a decoder knows\n")})).ID)

	jobs := a.jobs()
	for i := range 4 {
		enqueueJob(t, jobs, client.NewJob{Type: "count", Queue: "reports", Payload: i, MaxAttempts: 1})
	}
	enqueueJob(t, jobs, client.NewJob{Type: "count", Queue: "reports", Delay: 3600})
	leased := leaseJobs(t, jobs, client.LeaseRequest{Max: 3, Wait: 10})
	if len(leased) != 3 {
		t.Fatalf("%d jobs were leased", len(leased))
	}
	must[client.Ended](t)(jobs.Finish(t.Context(), "w", client.Ends{ // the third stays active
		Ack:  []client.Ack{{ID: leased[0].ID, Lease: leased[0].Lease}},
		Fail: []client.Fail{{ID: leased[1].ID, Lease: leased[1].Lease, Dead: true, Error: client.Fault{Message: "no paper"}}},
	}))

	for _, line := range []string{"SET a 1", "SET b 1 EX 1000", "GET a", "GET none", "LPUSH list 1 2 3", "LPUSH a 1", "HSET h f v", "NONSENSE"} {
		c.Do(strings.Fields(line)...)
	}
	c.Do("SET", fmt.Sprint("brief", round), "1", "PX", "1")
	c.Do("GET", fmt.Sprint("brief", round))

	for range 10 {
		a.get("/api/v1/files", nil)
	}
	for _, path := range []string{"/api/v1/files/f-none", "/nowhere", "/api/v1/jobs?status=asleep"} {
		if status, _, _ := a.call(t.Context(), http.MethodGet, path, nil, nil); status < 400 || status >= 500 {
			t.Errorf("GET %s: %d", path, status)
		}
	}
	b.upload("fresh.RU", fresh, "")
	if status, _, _ := b.call(t.Context(), http.MethodGet, "/api/v1/cache/keys/x", nil, nil); status != http.StatusServiceUnavailable {
		t.Errorf("a cache that is away answers %d", status)
	}
	ended := a.measured("wayside_worker_ends_total")[`wayside_worker_ends_total{plugin="rail",reason="crashed"}`]
	for _, pid := range a.workers("decode") {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	}
	until(t, "the end of a worker process is counted", func() bool {
		return a.measured("wayside_worker_ends_total")[`wayside_worker_ends_total{plugin="rail",reason="crashed"}`] > ended
	})
}

// answered asks what a dashboard asks, and writes the answers down as its panels would show them.
func answered(t *testing.T, p *prometheus, board *boardtest.Board) {
	t.Helper()
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, panel := range board.All() {
		for _, target := range panel.Targets {
			got := data(t, p, panel.Title+" "+target.RefID, target.Expr, target.Range)
			for _, s := range got {
				for name, value := range s.labels {
					if strings.Contains(target.Legend, "{{"+name+"}}") && value == "" {
						t.Errorf("%s: no %s in %v", panel.Title, name, s.labels)
					}
				}
				legend := target.Legend
				for name, value := range s.labels {
					legend = strings.ReplaceAll(legend, "{{"+name+"}}", value)
				}
				if strings.Contains(legend, "{{") {
					t.Errorf("%s: %v has not all labels of %s", panel.Title, s.labels, target.Legend)
				}
				fmt.Fprintf(w, "%s\t%s\t%.6g\t%s\n", panel.Title, legend, s.value, panel.FieldConfig.Defaults.Unit)
			}
		}
	}
	for _, a := range board.Annotations.List {
		data(t, p, a.Name, a.Target.Expr, true)
	}
	for _, v := range board.Templating.List {
		if inner, ok := strings.CutPrefix(v.Definition, "label_values("); ok {
			data(t, p, v.Name, inner[:strings.LastIndexByte(inner, ',')], false)
		}
	}
	_ = w.Flush() // into memory
	t.Logf("%s\n%s", board.Title, &table)
}

// data fills Grafana's variables in and asks; an expression without an answer is a fault.
func data(t *testing.T, p *prometheus, where, expr string, over bool) []sample {
	t.Helper()
	filled, err := boardtest.Fill(expr, map[string]string{
		"job": "(wayside)", "instance": "(.+)", "__rate_interval": "1m", "__range": "1h", "__interval": "15s",
	})
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return nil
	}
	got, err := p.ask(filled, over)
	if err != nil || len(got) == 0 {
		t.Errorf("%s: %v: no data for %s", where, err, filled)
	}
	// Where a part may be missing, as in "errors or 0", the whole has an answer without it: here every part is there.
	parsed, err := boardtest.Parse(filled)
	if err != nil {
		t.Errorf("%s: %v", where, err)
	}
	for _, s := range parsed.Selectors {
		if series, err := p.ask(s.Text, false); err != nil || len(series) == 0 {
			t.Errorf("%s: %v: no series %s", where, err, s.Text)
		}
	}
	return got
}

// judged looks at the rules: Prometheus can evaluate them, what they compare has a value, and those fire that must.
func judged(t *testing.T, p *prometheus) {
	t.Helper()
	list, err := boardtest.Rules(filepath.Join("..", "packaging", "prometheus", "rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		// A condition that does not hold has no answer: its parts are asked for, without what they are compared with.
		parts, err := boardtest.Operands(r.Expr)
		if err != nil {
			t.Errorf("%s: %v", r.Alert, err)
		}
		for _, part := range parts {
			got := data(t, p, r.Alert, part, false)
			t.Logf("%s: %.100s: %d series", r.Alert, strings.Join(strings.Fields(part), " "), len(got))
		}
	}
	type groups struct {
		Groups []struct {
			Rules []struct {
				Name   string `json:"name"`
				Health string `json:"health"`
				Error  string `json:"lastError"`
				State  string `json:"state"`
			} `json:"rules"`
		} `json:"groups"`
	}
	var fire []string
	until(t, "all rules are evaluated", func() bool {
		var g groups
		if err := p.get("rules", url.Values{}, &g); err != nil {
			t.Fatal(err)
		}
		fire = nil
		evaluated := 0
		for _, group := range g.Groups {
			for _, r := range group.Rules {
				if r.Health == "err" {
					t.Fatalf("%s: %s", r.Name, r.Error)
				}
				if r.Health == "ok" {
					evaluated++
				}
				if r.State == "firing" {
					fire = append(fire, r.Name)
				}
			}
		}
		return evaluated == len(list)
	})
	for _, name := range []string{"WaysideJobsDead", "WaysidePluginRejected"} {
		if !slices.Contains(fire, name) {
			t.Errorf("%s does not fire, only %v", name, fire)
		}
	}
	for _, name := range fire {
		if i := slices.IndexFunc(list, func(r boardtest.Rule) bool { return r.Alert == name }); list[i].Labels["severity"] == "critical" && name != "WaysideManyDecodesFail" {
			t.Errorf("%s fires", name)
		}
	}
}

// TestOldScrapeConfiguration: who scraped localhost:8000 and /metrics before does so still, without a change.
func TestOldScrapeConfiguration(t *testing.T) {
	installed(t, "prometheus")
	config, err := filepath.Abs(filepath.Join("testdata", "prometheus", "before.yml"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := tryStart(t, t.TempDir(), "--listen", "127.0.0.1:8000")
	if err != nil {
		t.Logf("the default port is taken, another stands in for it: %v", err)
		a = start(t, t.TempDir())
		text, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		config = filepath.Join(t.TempDir(), "before.yml")
		if err := os.WriteFile(config, []byte(replaceOnce(t, string(text), "'localhost:8000'", "'"+strings.TrimPrefix(a.url, "http://")+"'")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.upload("one.RU", example(t), "")
	p := startPrometheus(t, config)
	p.scraped(1)
	for _, expr := range []string{
		`atp_api_requests_total{method="POST", endpoint="/api/v1/files", status="201", job="api"}`, `atp_files_processed_total{status="success"}`,
		`histogram_quantile(0.99, atp_file_decode_duration_seconds_bucket)`, `atp_application_info{environment="production"}`,
	} {
		if got, err := p.ask(expr, false); err != nil || len(got) == 0 {
			t.Errorf("%s: %v: no data", expr, err)
		}
	}
}
