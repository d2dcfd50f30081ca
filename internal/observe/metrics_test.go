package observe

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The methods that the measured packages call, with the signatures they declare.
var _ interface {
	RequestStarted(method, endpoint string)
	RequestDone(method, endpoint string, status int, d time.Duration, long bool)
	FileReceived(format string, size int64)
	FileProcessed(format, status string, took time.Duration)
	Query(kind, space, status string, took time.Duration)
	Group(batches int, bytes int64, took, flush time.Duration)
	Reopened()
	Lost(commits uint64)
	Enqueued(queue, jobType string)
	BatchEnded(status string, took time.Duration)
	BatchFiles(state string, n int)
	WorkerStarted(plugin, role string)
	WorkerEnded(plugin, reason string)
} = (*Metrics)(nil)

// scrape gives the lines of the exposition.
func scrape(t *testing.T, m *Metrics, accept string) []string {
	t.Helper()
	rec := httptest.NewRecorder()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
	req.Header.Set("Accept", accept)
	m.Handler().ServeHTTP(rec, req)
	if rec.Code != http.StatusOK {
		t.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	var lines []string
	for s := bufio.NewScanner(rec.Body); s.Scan(); {
		lines = append(lines, s.Text())
	}
	return lines
}

func exercised() *Metrics {
	m := NewMetrics(MetricsConfig{Version: "1.2.3", Revision: "abc", GoVersion: "go1.26", Environment: "test"})
	m.Attach(Sources{
		Workers:  func() int { return 2 },
		Plugins:  func() map[string]int { return map[string]int{"active": 3, "compiling": 1} },
		Disk:     func() (int64, int64) { return 10, 20 },
		Database: func() bool { return true },
		Queues: func() []QueueDepth {
			return []QueueDepth{{"decode", "ready", 4}, {"decode", "ready", 1}, {"decode", "dead", 2}}
		},
		Batches: func() (batches, files map[string]int) {
			return map[string]int{"queued": 1, "running": 2}, map[string]int{"pending": 30, "running": 4}
		},
		Health: func() Report {
			return Report{Ready: true, Components: []Component{{"disk", Degraded, ""}, {"store", OK, ""}, {"store", Down, ""}}}
		},
	})
	m.RequestStarted("GET", "/api/v1/files")
	m.RequestDone("GET", "/api/v1/files", 200, 70*time.Millisecond, false)
	m.RequestStarted("POST", "/api/v1/files")
	m.FileReceived("", 2048)
	m.FileReceived("rail", 12000)
	m.FileProcessed("rail", "success", 200*time.Millisecond)
	m.FileProcessed("", "error", time.Second)
	m.Query("get", "s", "ok", 2*time.Millisecond)
	m.Query("commit", "", "refused", 2*time.Second)
	m.Group(3, 4096, 2*time.Millisecond, time.Millisecond)
	m.Reopened()
	m.Lost(2)
	m.Enqueued("decode", "decode")
	m.ClockBehind(true)
	m.JobFinished("decode", "decode", "completed", time.Second)
	m.BatchEnded("partial", 7*time.Second)
	m.BatchEnded("done", -time.Second) // the clock was set back
	m.BatchFiles("done", 5)
	m.BatchFiles("failed", 1)
	m.WorkerStarted("rail", "decode")
	m.WorkerEnded("rail", "crashed")
	m.PluginDecoded("rail", "done", time.Second)
	m.PluginInState("rail", "active")
	return m
}

// The families that dashboards rely on: names, types, labels and buckets.
func TestKeptFamilies(t *testing.T) {
	lines := scrape(t, exercised(), "")
	types := map[string]string{}
	buckets := map[string][]string{}
	labels := map[string]string{}
	for _, s := range lines {
		if rest, ok := strings.CutPrefix(s, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			types[name] = kind
		}
		name, rest, ok := strings.Cut(s, "{")
		if !ok || strings.HasPrefix(s, "#") {
			continue
		}
		set, _, _ := strings.Cut(rest, "}")
		var names []string
		for pair := range strings.SplitSeq(set, `",`) {
			k, v, _ := strings.Cut(pair, `="`)
			if k == "le" {
				base := strings.TrimSuffix(name, "_bucket")
				if v = strings.TrimSuffix(v, `"`); !slices.Contains(buckets[base], v) {
					buckets[base] = append(buckets[base], v)
				}
				continue
			}
			names = append(names, k)
		}
		labels[strings.TrimSuffix(name, "_bucket")] = strings.Join(names, " ")
	}
	for name, want := range map[string][2]string{
		"atp_api_requests_total":              {"counter", "endpoint method status"},
		"atp_api_request_duration_seconds":    {"histogram", "endpoint method"},
		"atp_api_requests_in_progress":        {"gauge", "endpoint method"},
		"atp_files_processed_total":           {"counter", "file_type status"},
		"atp_file_decode_duration_seconds":    {"histogram", "file_type"},
		"atp_file_size_bytes":                 {"histogram", "file_type"},
		"atp_database_queries_total":          {"counter", "query_type status"},
		"atp_database_query_duration_seconds": {"histogram", "query_type"},
		"atp_database_connections_active":     {"gauge", ""},
		"atp_application_info":                {"gauge", "environment version"},
		"atp_system_memory_bytes":             {"gauge", "type"},
		"atp_active_workers":                  {"gauge", ""},
	} {
		if types[name] != want[0] || labels[name] != want[1] {
			t.Errorf("%s is a %q with labels %q, want %v", name, types[name], labels[name], want)
		}
	}
	for name, want := range map[string][]float64{
		"atp_api_request_duration_seconds":    {.01, .05, .1, .5, 1, 2.5, 5, 10},
		"atp_file_decode_duration_seconds":    {.1, .5, 1, 5, 10, 30, 60, 120, 300},
		"atp_file_size_bytes":                 {1024, 10240, 102400, 1048576, 10485760, 104857600},
		"atp_database_query_duration_seconds": {.001, .005, .01, .05, .1, .5, 1, 5},
	} {
		var got []float64
		for _, b := range buckets[name] {
			if f, err := strconv.ParseFloat(b, 64); err == nil && b != "+Inf" {
				got = append(got, f)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("buckets of %s: %s", name, d)
		}
	}
}

func TestValues(t *testing.T) {
	lines := scrape(t, exercised(), "")
	for _, want := range []string{
		`atp_api_requests_total{endpoint="/api/v1/files",method="GET",status="200"} 1`,
		`atp_api_requests_in_progress{endpoint="/api/v1/files",method="GET"} 0`,
		`atp_api_requests_in_progress{endpoint="/api/v1/files",method="POST"} 1`,
		`atp_api_request_duration_seconds_bucket{endpoint="/api/v1/files",method="GET",le="0.1"} 1`,
		`atp_api_request_duration_seconds_bucket{endpoint="/api/v1/files",method="GET",le="0.05"} 0`,
		`atp_files_processed_total{file_type="rail",status="success"} 1`,
		`atp_files_processed_total{file_type="unknown",status="error"} 1`,
		`atp_file_size_bytes_sum{file_type="rail"} 12000`,
		`atp_file_size_bytes_sum{file_type="unknown"} 2048`,
		`atp_database_queries_total{query_type="commit",status="refused"} 1`,
		`atp_database_query_duration_seconds_count{query_type="get"} 1`,
		`atp_database_connections_active 1`,
		`atp_application_info{environment="test",version="1.2.3"} 1`,
		`atp_active_workers 2`,
		`wayside_build_info{goversion="go1.26",revision="abc",version="1.2.3"} 1`,
		`wayside_plugins{state="active"} 3`,
		`wayside_disk_free_bytes 10`,
		`wayside_disk_total_bytes 20`,
		`wayside_queue_jobs{queue="decode",state="ready"} 5`,
		`wayside_queue_jobs{queue="decode",state="dead"} 2`,
		`wayside_store_commit_seconds_count 1`,
		`wayside_store_written_bytes_total 4096`,
		`wayside_store_lost_commits_total 2`,
		`wayside_worker_starts_total{plugin="rail",role="decode"} 1`,
		`wayside_worker_ends_total{plugin="rail",reason="crashed"} 1`,
		`wayside_plugin_decode_seconds_count{plugin="rail",status="done"} 1`,
		`wayside_plugin_changes_total{plugin="rail",state="active"} 1`,
		`wayside_jobs_enqueued_total{queue="decode",type="decode"} 1`,
		`wayside_clock_behind 1`,
		`wayside_jobs_finished_total{queue="decode",status="completed",type="decode"} 1`,
		`wayside_batches{state="queued"} 1`,
		`wayside_batches{state="running"} 2`,
		`wayside_batch_files_open{state="pending"} 30`,
		`wayside_batch_files_open{state="running"} 4`,
		`wayside_batches_finished_total{status="partial"} 1`,
		`wayside_batch_files_total{state="done"} 5`,
		`wayside_batch_files_total{state="failed"} 1`,
		`wayside_batch_duration_seconds_bucket{status="partial",le="5"} 0`,
		`wayside_batch_duration_seconds_bucket{status="partial",le="10"} 1`,
		`wayside_batch_duration_seconds_sum{status="done"} 0`,
		`wayside_component_up{component="disk"} 0.5`,
		`wayside_component_up{component="store"} 1`,
		`wayside_ready 1`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %s", want)
		}
	}
	for _, kind := range []string{"total", "available", "used", "free", "process"} {
		prefix := fmt.Sprintf("atp_system_memory_bytes{type=%q} ", kind)
		if !slices.ContainsFunc(lines, func(s string) bool { return strings.HasPrefix(s, prefix) && s != prefix+"0" }) {
			t.Errorf("no memory of type %s", kind)
		}
	}
	open := scrape(t, exercised(), "application/openmetrics-text;version=1.0.0")
	if open[len(open)-1] != "# EOF" {
		t.Errorf("OpenMetrics ends with %q", open[len(open)-1])
	}
	scrape(t, NewMetrics(MetricsConfig{}), "") // nothing attached
}

// Clients choose paths and methods; they must not make the appliance remember them.
func TestLabelsAreBounded(t *testing.T) {
	m := NewMetrics(MetricsConfig{})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 1000 {
				e := fmt.Sprintf("/%d/%d", g, i)
				m.RequestStarted("M"+e, e)
				m.RequestDone("M"+e, e, 404, 0, false)
				m.FileReceived(e+"\xff", 1)
				m.JobFinished(e, e, "dead", 0)
				m.BatchEnded(e, 0)
				m.BatchFiles(e, 1)
			}
		})
	}
	wg.Wait()
	m.RequestStarted("GET", "")
	lines := scrape(t, m, "")
	for name, most := range map[string]int{
		"atp_api_requests_total": 501, "wayside_batches_finished_total": 21, "wayside_batch_files_total": 21, "wayside_batch_duration_seconds_count": 21,
	} {
		n := 0
		for _, s := range lines {
			if strings.HasPrefix(s, name+"{") {
				n++
			}
		}
		if n > most || n == 0 {
			t.Errorf("%d series of %s", n, name)
		}
	}
	if !slices.Contains(lines, `atp_api_requests_in_progress{endpoint="unmatched",method="GET"} 1`) {
		t.Error("a request without a route is not counted as unmatched")
	}
	if !slices.ContainsFunc(lines, func(s string) bool {
		return strings.HasPrefix(s, `atp_api_requests_total{endpoint="unmatched",method="OTHER",status="404"} 3`)
	}) {
		t.Error("the endpoints beyond the bound are not counted together")
	}
}
