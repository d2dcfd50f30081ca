package observe

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// kept is a family that dashboards rely on: its name, type, labels in the order of the alphabet, and buckets.
type kept struct {
	name, kind, labels string
	buckets            []float64
}

// keptFamilies are those of two earlier systems, as they were documented.
func keptFamilies() []kept {
	return []kept{
		{"atp_api_requests_total", "counter", "endpoint method status", nil},
		{"atp_api_request_duration_seconds", "histogram", "endpoint method", []float64{.01, .05, .1, .5, 1, 2.5, 5, 10}},
		{"atp_api_requests_in_progress", "gauge", "endpoint method", nil},
		{"atp_files_processed_total", "counter", "file_type status", nil},
		{"atp_file_decode_duration_seconds", "histogram", "file_type", []float64{.1, .5, 1, 5, 10, 30, 60, 120, 300}},
		{"atp_file_size_bytes", "histogram", "file_type", []float64{1024, 10240, 102400, 1048576, 10485760, 104857600}},
		{"atp_database_queries_total", "counter", "query_type status", nil},
		{"atp_database_query_duration_seconds", "histogram", "query_type", []float64{.001, .005, .01, .05, .1, .5, 1, 5}},
		{"atp_database_connections_active", "gauge", "", nil},
		{"atp_cache_operations_total", "counter", "operation status", nil},
		{"atp_cache_hit_ratio", "gauge", "", nil},
		{"atp_application_info", "gauge", "environment version", nil},
		{"atp_system_memory_bytes", "gauge", "type", nil},
		{"atp_active_workers", "gauge", "", nil},

		{"api_requests_total", "counter", "endpoint method status", nil},
		{"api_request_duration_seconds", "histogram", "endpoint method", []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}},
		{"api_requests_in_progress", "gauge", "endpoint method", nil},
		{"db_queries_total", "counter", "query_type table", nil},
		{"db_query_duration_seconds", "histogram", "query_type table", []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1}},
		{"db_connection_pool_size", "gauge", "", nil},
		{"db_connection_pool_available", "gauge", "", nil},
		{"cache_operations_total", "counter", "operation result", nil},
		{"cache_operation_duration_seconds", "histogram", "operation", []float64{.001, .005, .01, .025, .05, .1}},
		{"cache_hit_rate", "gauge", "", nil},
		{"cache_memory_usage_bytes", "gauge", "", nil},
		{"cache_evictions_total", "counter", "", nil},
		{"model_server_requests_total", "counter", "server status", nil},
		{"model_server_latency_seconds", "histogram", "server", []float64{.1, .5, 1, 2.5, 5, 10, 30, 60}},
		{"model_server_availability", "gauge", "server", nil},
		{"background_tasks_queued", "gauge", "priority queue", nil},
		{"background_tasks_processed_total", "counter", "status task_type", nil},
		{"background_task_duration_seconds", "histogram", "task_type", []float64{1, 5, 10, 30, 60, 300, 600}},
		{"system_cpu_percent", "gauge", "", nil},
		{"system_memory_percent", "gauge", "", nil},
		{"system_disk_io_read_bytes_total", "counter", "", nil},
		{"system_disk_io_write_bytes_total", "counter", "", nil},
		{"system_network_sent_bytes_total", "counter", "", nil},
		{"system_network_recv_bytes_total", "counter", "", nil},
	}
}

// exposed is what an exposition says of its families.
type exposed struct {
	types, labels map[string]string
	buckets       map[string][]float64
}

func readFamilies(lines []string) exposed {
	x := exposed{map[string]string{}, map[string]string{}, map[string][]float64{}}
	for _, s := range lines {
		if rest, ok := strings.CutPrefix(s, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			x.types[name] = kind
		}
		name, rest, ok := strings.Cut(s, "{")
		if !ok || strings.HasPrefix(s, "#") {
			continue
		}
		base, bucket := strings.CutSuffix(name, "_bucket")
		set, _, _ := strings.Cut(rest, "} ")
		var names []string
		for pair := range strings.SplitSeq(set, `",`) {
			k, v, _ := strings.Cut(pair, `="`)
			if k != "le" || !bucket {
				names = append(names, k)
				continue
			}
			if le, err := strconv.ParseFloat(strings.TrimSuffix(v, `"`), 64); err == nil && le < 1e300 && !slices.Contains(x.buckets[base], le) {
				x.buckets[base] = append(x.buckets[base], le)
			}
		}
		x.labels[base] = strings.Join(names, " ")
	}
	return x
}

// The families that dashboards rely on have exactly these names, types, labels and buckets.
func TestKeptFamilies(t *testing.T) {
	m := exercised()
	x := readFamilies(scrape(t, m, ""))
	listed := map[string]Family{}
	for _, f := range m.Families() {
		listed[f.Name] = f
	}
	for _, k := range keptFamilies() {
		if x.types[k.name] != k.kind || x.labels[k.name] != k.labels {
			t.Errorf("%s is a %q with labels %q, want %v", k.name, x.types[k.name], x.labels[k.name], k)
		}
		if d := cmp.Diff(k.buckets, x.buckets[k.name]); d != "" {
			t.Errorf("buckets of %s: %s", k.name, d)
		}
		f := listed[k.name]
		if f.Type != k.kind || strings.Join(slices.Sorted(slices.Values(f.Labels)), " ") != k.labels || !slices.Equal(f.Buckets, k.buckets) {
			t.Errorf("%s is listed as %+v", k.name, f)
		}
	}
}

// Without compat, the families of the second system are not there, and all others are.
func TestCompatCanBeOff(t *testing.T) {
	on, off := NewMetrics(MetricsConfig{Compat: true}), NewMetrics(MetricsConfig{})
	exercise(off)
	x := readFamilies(scrape(t, off, ""))
	missing := map[string]bool{}
	for _, f := range on.Families() {
		missing[f.Name] = true
	}
	for _, f := range off.Families() {
		delete(missing, f.Name)
	}
	for _, k := range keptFamilies() {
		old := !strings.HasPrefix(k.name, "atp_")
		if missing[k.name] != old || (x.types[k.name] == "") != old {
			t.Errorf("%s: a family of the second system: %v, left out: %v", k.name, old, missing[k.name])
		}
		delete(missing, k.name)
	}
	if len(missing) > 0 {
		t.Errorf("compat also leaves out %v", missing)
	}
}

// What the families of the second system say.
func TestCompatValues(t *testing.T) {
	lines := scrape(t, exercised(), "")
	for _, want := range []string{
		`api_requests_total{endpoint="/api/v1/files",method="GET",status="200"} 1`,
		`api_requests_in_progress{endpoint="/api/v1/files",method="GET"} 0`,
		`api_requests_in_progress{endpoint="/api/v1/files",method="POST"} 1`,
		`api_request_duration_seconds_bucket{endpoint="/api/v1/files",method="GET",le="0.1"} 1`,
		`api_request_duration_seconds_bucket{endpoint="/api/v1/files",method="GET",le="0.05"} 0`,
		`db_queries_total{query_type="get",table="s"} 1`,
		`db_queries_total{query_type="commit",table="all"} 1`,
		`db_query_duration_seconds_bucket{query_type="get",table="s",le="0.005"} 1`,
		`db_connection_pool_size 1`, `db_connection_pool_available 1`,
		`cache_operations_total{operation="get",result="hit"} 1`,
		`cache_operations_total{operation="get",result="miss"} 0`,
		`cache_operations_total{operation="scan",result="error"} 1`,
		`cache_operation_duration_seconds_count{operation="put"} 1`,
		`cache_hit_rate 75`, `cache_memory_usage_bytes 4096`, `cache_evictions_total 6`,
		`model_server_requests_total{server="rail",status="success"} 1`,
		`model_server_requests_total{server="rail",status="error"} 1`,
		`model_server_latency_seconds_sum{server="rail"} 2`,
		`model_server_availability{server="rail"} 1`, `model_server_availability{server="x"} 0`,
		`background_tasks_queued{priority="5",queue="decode"} 8`, `background_tasks_queued{priority="3",queue="email"} 0`,
		`background_tasks_processed_total{status="success",task_type="decode"} 1`,
		`background_tasks_processed_total{status="error",task_type="decode"} 1`,
		`background_task_duration_seconds_count{task_type="decode"} 2`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %s", want)
		}
	}
	if slices.ContainsFunc(lines, func(s string) bool { return strings.Contains(s, `result="success"`) }) {
		t.Error("a put counts as a lookup")
	}
}
