package observe

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/wayside-edge/wayside/internal/disk"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

const listPath = "../../docs/metrics.md"

const listHead = `# Metrics

<!-- Written by go generate ./internal/observe from the families in the code. Do not edit. -->

All of them are at ` + "`/metrics`" + `; [observability.md](observability.md#metrics) tells how to scrape it. A family with labels is there from the first thing it
counts on. Labels are bounded: what comes beyond the bound counts as ` + "`other`, `unmatched` (endpoints) or `unknown`" + ` (formats). Counters begin at 0 with each start.
Histograms marked with ¹ carry trace ids as exemplars.

`

// groups are the parts of the list.
func groups() []struct{ title, prefix, text string } {
	return []struct{ title, prefix, text string }{
		{"The appliance's own", "wayside_", ""},
		{"Names of an earlier system: atp_", "atp_", "Their names, labels and buckets stay as they are.\n"},
		{"Names of an earlier system: without a prefix", "", "`metrics.compat: false` leaves them out. Some say the same as families above, in other words: `server` is a decoder plugin, a task is a job.\n"},
	}
}

// list renders docs/metrics.md.
func list(m *Metrics) string {
	var b strings.Builder
	b.WriteString(listHead)
	left := m.Families()
	for _, g := range groups() {
		fmt.Fprintf(&b, "## %s\n\n", g.title)
		if g.text != "" {
			b.WriteString(g.text + "\n")
		}
		b.WriteString("| metric | type | labels | unit | what it says |\n|---|---|---|---|---|\n")
		rest := left[:0:0]
		for _, f := range left {
			if strings.HasPrefix(f.Name, g.prefix) {
				b.WriteString(row(f))
			} else {
				rest = append(rest, f)
			}
		}
		left = rest
		b.WriteByte('\n')
	}
	b.WriteString("## Go and the process\n\nOf the serving process, by the client library of Prometheus:\n\n")
	for _, f := range processFamilies() {
		fmt.Fprintf(&b, "- `%s`\n", f.Name)
	}
	return b.String()
}

// row is a family in the list.
func row(f Family) string {
	kind, help := f.Type, f.Help
	if exemplars(f.Name) {
		kind += "¹"
	}
	if len(f.Buckets) > 0 {
		words := make([]string, len(f.Buckets))
		for i, le := range f.Buckets {
			words[i] = strconv.FormatFloat(le, 'f', -1, 64)
		}
		help += " Buckets: " + strings.Join(words, " ") + "."
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s |\n", f.Name, kind, strings.Join(f.Labels, ", "), f.Unit(), strings.ReplaceAll(help, "|", `\|`))
}

// exemplars reports whether a histogram gets trace ids.
func exemplars(name string) bool {
	switch name {
	case "atp_api_request_duration_seconds", "api_request_duration_seconds", "atp_file_decode_duration_seconds", "wayside_plugin_decode_seconds",
		"model_server_latency_seconds":
		return true
	}
	return false
}

// processFamilies are those of the client library, in the order in which it describes them. It does not say their types.
func processFamilies() []Family {
	var out []Family
	for _, c := range ofProcess() {
		ch := make(chan *prometheus.Desc, 200) // more than there are
		c.Describe(ch)
		close(ch)
		for d := range ch {
			var f Family
			_, text, _ := strings.Cut(d.String(), "fqName: ")
			name, text, _ := strings.Cut(text, ", help: ")
			help, _, _ := strings.Cut(text, ", unit: ")
			f.Name, _ = strconv.Unquote(name)
			f.Help, _ = strconv.Unquote(help)
			out = append(out, f)
		}
	}
	return out
}

// docs/metrics.md is written from the families.
func TestListIsCurrent(t *testing.T) {
	want := list(NewMetrics(MetricsConfig{Compat: true}))
	if *update {
		if err := disk.WriteFile(disk.OS, listPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(listPath)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("%s is not what the code has; run go generate ./internal/observe\n%s", listPath, d)
	}
}

// Whatever is exposed is listed, as what it is.
func TestEverythingIsListed(t *testing.T) {
	m := exercisedKV()
	listed := map[string]string{}
	for _, f := range m.Families() {
		if listed[f.Name] != "" {
			t.Errorf("%s is there twice", f.Name)
		}
		listed[f.Name] = f.Type
	}
	process := map[string]bool{}
	for _, f := range processFamilies() {
		process[f.Name] = f.Help != ""
	}
	x := readFamilies(scrape(t, m, ""))
	for name, kind := range x.types {
		if listed[name] != kind && !process[name] {
			t.Errorf("%s is a %s and listed as %q", name, kind, listed[name])
		}
	}
	for name := range listed {
		if x.types[name] == "" {
			t.Errorf("%s is listed, and nothing sets it", name)
		}
	}
}

// Names, units and helps are as Prometheus has them, also those of earlier systems.
func TestNamesFollowTheRules(t *testing.T) {
	families, err := exercisedKV().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(families) < 130 {
		t.Fatalf("%d families, %v", len(families), err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
