package observe

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wayside-edge/wayside/internal/observe/boardtest"
)

// storedSeries gives the labels of every series that Prometheus has of the appliance, also where nothing was counted yet.
func storedSeries(t *testing.T, compat bool) map[string][]string {
	t.Helper()
	target := []string{"job", "instance"}
	out := map[string][]string{"up": target}
	m := NewMetrics(MetricsConfig{Compat: compat})
	for _, f := range m.Families() {
		labels := slices.Concat(target, f.Labels)
		if f.Type != "histogram" {
			out[f.Name] = labels
			continue
		}
		out[f.Name+"_sum"], out[f.Name+"_count"], out[f.Name+"_bucket"] = labels, labels, append(slices.Clone(labels), "le")
	}
	ch := make(chan *prometheus.Desc)
	go func() {
		defer close(ch)
		for _, c := range ofProcess() {
			c.Describe(ch)
		}
	}()
	for d := range ch { // which tells its name only as text
		if found := regexp.MustCompile(`fqName: "([^"]+)"`).FindStringSubmatch(d.String()); found != nil {
			out[found[1]] = target
		}
	}
	gc := "go_gc_duration_seconds" // the one summary
	out[gc], out[gc+"_sum"], out[gc+"_count"] = append(slices.Clone(target), "quantile"), target, target
	if len(out) < 100 || out["process_open_fds"] == nil {
		t.Fatalf("%d series: %v", len(out), out)
	}
	return out
}

// unmeasured lists what an expression asks for that the appliance does not measure.
func unmeasured(stored map[string][]string, expr, legend string) []string {
	filled, err := boardtest.Fill(expr, map[string]string{
		"job": ".+", "instance": ".+", "__rate_interval": "1m", "__range": "1h", "__interval": "1m",
	})
	if err != nil {
		return []string{err.Error()}
	}
	parsed, err := boardtest.Parse(filled)
	if err != nil {
		return []string{err.Error()}
	}
	var out, all []string
	for _, s := range parsed.Selectors {
		labels, ok := stored[s.Metric]
		if !ok {
			out = append(out, "metric "+s.Metric)
		}
		for _, l := range s.Labels {
			if ok && !slices.Contains(labels, l) {
				out = append(out, "label "+l+" of "+s.Metric)
			}
		}
		all = append(all, labels...)
	}
	for _, l := range parsed.Grouping {
		if !slices.Contains(all, l) {
			out = append(out, "label "+l)
		}
	}
	left := parsed.Keeps // labels of the result, which a legend or a text may name
	if len(left) == 0 {
		left = all
	}
	for _, found := range regexp.MustCompile(`\{\{ *(?:\$labels\.)?(\w+) *\}\}`).FindAllStringSubmatch(legend, -1) {
		if !slices.Contains(left, found[1]) {
			out = append(out, "label "+found[1]+" in "+legend)
		}
	}
	return out
}

// TestShippedExpressions: whatever the dashboards and rules ask for is measured, under that name and with those labels.
func TestShippedExpressions(t *testing.T) {
	stored := storedSeries(t, true)
	always := storedSeries(t, false)
	for name := range stored { // what is said twice is asked for under the name that nobody can switch off
		if always[name] == nil && !strings.HasPrefix(name, "system_") {
			delete(stored, name)
		}
	}
	boards, err := boardtest.Boards(filepath.Join("..", "..", "packaging", "grafana"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range boards {
		for _, q := range boards[i].Queries() {
			if missing := unmeasured(stored, q.Expr, q.Legend); missing != nil {
				t.Errorf("%s: there is no %s", q.Where, strings.Join(missing, ", no "))
			}
		}
		for _, v := range boards[i].Templating.List {
			if found := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(v.Definition); found != nil {
				if missing := unmeasured(stored, found[1], "{{"+found[2]+"}}"); missing != nil {
					t.Errorf("%s: variable %s: there is no %s", boards[i].File, v.Name, strings.Join(missing, ", no "))
				}
			} else if v.Type == "query" {
				t.Errorf("%s: variable %s: %s", boards[i].File, v.Name, v.Definition)
			}
		}
	}
	rules, err := boardtest.Rules(filepath.Join("..", "..", "packaging", "prometheus", "rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		if missing := unmeasured(stored, r.Expr, r.Annotations["summary"]+r.Annotations["description"]); missing != nil {
			t.Errorf("rule %s: there is no %s", r.Alert, strings.Join(missing, ", no "))
		}
	}
}

// TestUnmeasuredIsFound: the test above would see what is missing.
func TestUnmeasuredIsFound(t *testing.T) {
	stored := storedSeries(t, true)
	for expr, want := range map[string]string{
		`rate(atp_api_request_total[5m])`:                                       "metric atp_api_request_total",
		`sum by (le) (rate(wayside_ready_bucket[5m])) + atp_api_requests_count`: "metric wayside_ready_bucket, metric atp_api_requests_count",
		`atp_file_size_bytes`:                                                   "metric atp_file_size_bytes",
		`wayside_ready{queue="x"}`:                                              "label queue of wayside_ready",
		`sum by (queue) (wayside_ready)`:                                        "label queue",
		`atp_api_request_duration_seconds_sum{le="1"}`:                          "label le of atp_api_request_duration_seconds_sum",
		`wayside_ready`:                                                         "label nobody in {{nobody}}",
		`sum by (job) (wayside_ready)`:                                          "label instance in {{instance}}",
		`wayside_ready{job="$where"}`:                                           "no variable",
	} {
		legend := regexp.MustCompile(`\{\{.*\}\}`).FindString(want)
		if got := strings.Join(unmeasured(stored, expr, legend), ", "); !strings.Contains(got, want) {
			t.Errorf("%s: found %q, want %q", expr, got, want)
		}
	}
	if missing := unmeasured(stored, `sum by (queue) (wayside_queue_jobs{state="dead"})`, "{{queue}}"); missing != nil {
		t.Errorf("found %v", missing)
	}
}
