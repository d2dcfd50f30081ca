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

// measuredFamilies gives the labels of every family of the registry, also of those that have no value yet.
func measuredFamilies(t *testing.T) map[string][]string {
	t.Helper()
	m := NewMetrics(MetricsConfig{})
	ch := make(chan *prometheus.Desc)
	go func() {
		defer close(ch)
		m.registry.Describe(ch)
	}()
	// A description tells its name and labels only as text.
	shape := regexp.MustCompile(`^Desc\{fqName: "([^"]+)", .*, variableLabels: \{([^}]*)\}\}$`)
	out := map[string][]string{}
	for d := range ch {
		found := shape.FindStringSubmatch(d.String())
		if found == nil {
			t.Fatalf("a description reads %s", d)
		}
		out[found[1]] = strings.FieldsFunc(found[2], func(r rune) bool { return r == ',' })
	}
	if len(out) < 80 || !slices.Equal(out["atp_api_requests_total"], []string{"method", "endpoint", "status"}) {
		t.Fatalf("%d families: %v", len(out), out)
	}
	out["up"] = nil                                                                   // Prometheus's own
	out["go_gc_duration_seconds"] = append(out["go_gc_duration_seconds"], "quantile") // a summary
	return out
}

// labelsOf gives the labels of a series as it is stored: those of its family, its bound, and whom it is of.
func labelsOf(families map[string][]string, metric string) ([]string, bool) {
	more := []string{"job", "instance"}
	if labels, ok := families[metric]; ok {
		return append(more, labels...), true
	}
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		base, cut := strings.CutSuffix(metric, part)
		if labels, ok := families[base]; cut && ok {
			if part == "_bucket" {
				more = append(more, "le")
			}
			return append(more, labels...), true
		}
	}
	return nil, false
}

// unmeasured lists what an expression asks for that the appliance does not measure.
func unmeasured(families map[string][]string, expr, legend string) []string {
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
		labels, ok := labelsOf(families, s.Metric)
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
	families := measuredFamilies(t)
	boards, err := boardtest.Boards(filepath.Join("..", "..", "packaging", "grafana"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range boards {
		for _, q := range boards[i].Queries() {
			if missing := unmeasured(families, q.Expr, q.Legend); missing != nil {
				t.Errorf("%s: there is no %s", q.Where, strings.Join(missing, ", no "))
			}
		}
		for _, v := range boards[i].Templating.List {
			if found := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(v.Definition); found != nil {
				if missing := unmeasured(families, found[1], "{{"+found[2]+"}}"); missing != nil {
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
		if missing := unmeasured(families, r.Expr, r.Annotations["summary"]+r.Annotations["description"]); missing != nil {
			t.Errorf("rule %s: there is no %s", r.Alert, strings.Join(missing, ", no "))
		}
	}
}

// TestUnmeasuredIsFound: the test above would see what is missing.
func TestUnmeasuredIsFound(t *testing.T) {
	families := measuredFamilies(t)
	for expr, want := range map[string]string{
		`rate(atp_api_request_total[5m])`:                                       "metric atp_api_request_total",
		`sum by (le) (rate(wayside_ready_bucket[5m])) + atp_api_requests_count`: "metric atp_api_requests_count",
		`wayside_ready{queue="x"}`:                                              "label queue of wayside_ready",
		`sum by (queue) (wayside_ready)`:                                        "label queue",
		`atp_api_request_duration_seconds_sum{le="1"}`:                          "label le of atp_api_request_duration_seconds_sum",
		`wayside_ready`:                "label nobody in {{nobody}}",
		`sum by (job) (wayside_ready)`: "label instance in {{instance}}",
		`wayside_ready{job="$where"}`:  "no variable",
	} {
		legend := regexp.MustCompile(`\{\{.*\}\}`).FindString(want)
		if got := strings.Join(unmeasured(families, expr, legend), ", "); !strings.Contains(got, want) {
			t.Errorf("%s: found %q, want %q", expr, got, want)
		}
	}
	if missing := unmeasured(families, `sum by (queue) (wayside_queue_jobs{state="dead"})`, "{{queue}}"); missing != nil {
		t.Errorf("found %v", missing)
	}
}
