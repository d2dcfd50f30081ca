package observe

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The methods that the measured packages call, with the signatures they declare.
var _ interface {
	RequestStarted(method, endpoint string)
	RequestDone(ctx context.Context, a Answer)
	FileReceived(format string, size int64)
	FileProcessed(ctx context.Context, format, status string, took time.Duration)
	Query(kind, space, status string, took time.Duration)
	Group(batches int, bytes int64, took, flush time.Duration)
	Reopened()
	Lost(commits uint64)
	Enqueued(queue, jobType string)
	Leased(queue string, waited, took time.Duration)
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

type traceKey struct{}

func inTrace(id string) context.Context {
	return context.WithValue(context.Background(), traceKey{}, id)
}

func traceIn(ctx context.Context) string {
	id, _ := ctx.Value(traceKey{}).(string)
	return id
}

func exercised() *Metrics {
	m := NewMetrics(MetricsConfig{Version: "1.2.3", Revision: "abc", GoVersion: "go1.26", Environment: "test", Compat: true, Trace: traceIn})
	exercise(m)
	return m
}

// exercise has everything happen once.
func exercise(m *Metrics) {
	m.Attach(Sources{
		Workers: func() Workers {
			return Workers{Idle: 2, Busy: 1, Places: 4, Waiting: 5, Memory: map[string]int64{"rail": 1000, "csv": 200}}
		},
		Plugins: func() []Plugin {
			return []Plugin{{"rail", "active", true}, {"csv", "active", true}, {"rail", "standby", false}, {"x", "compiling", false}}
		},
		Disk:     func() Disk { return Disk{Free: 10, Total: 20, Reserve: 5, Low: true} },
		Database: func() bool { return true },
		Queues: func() []Queue {
			return []Queue{
				{"decode", 5, map[string]int64{"ready": 4, "scheduled": 3, "dead": 2}, 90 * time.Second},
				{"decode", 5, map[string]int64{"ready": 1, "active": 1}, time.Second},
				{"email", 3, nil, 0},
			}
		},
		Cache: func() Cache { return Cache{Ratio: .75, Known: true, Memory: 4096, Evictions: 6} },
		Data: func() Data {
			return Data{Known: true, Blobs: 3, BlobBytes: 300, ResultBytes: 200, StoreBytes: 100, Records: map[string]int64{"file": 4, "decode": 5}}
		},
		Events: func() map[string]Events {
			return map[string]Events{"events": {Published: 70, Dropped: 2}, "log": {Published: 80}}
		},
		HTTP: func() HTTP { return HTTP{Streams: 7, Connections: 8, Refused: 9} },
		Batches: func() (batches, files map[string]int) {
			return map[string]int{"queued": 1, "running": 2}, map[string]int{"pending": 30, "running": 4}
		},
		Health: func() Report {
			return Report{Ready: true, Components: []Component{{Name: "disk", Status: Degraded}, {Name: "store", Status: Healthy}, {Name: "store", Status: Unhealthy}}}
		},
	})
	m.RequestStarted("GET", "/api/v1/files")
	m.RequestDone(inTrace("4bf92f3577b34da6a3ce929d0e0e4736"), Answer{"GET", "/api/v1/files", 200, 70 * time.Millisecond, false})
	m.RequestStarted("POST", "/api/v1/files")
	m.FileReceived("", 2048)
	m.FileReceived("rail", 12000)
	m.FileProcessed(inTrace("a1"), "rail", "success", 200*time.Millisecond)
	m.FileProcessed(inTrace("not hex"), "", "error", time.Second)
	m.Query("get", "s", "ok", 2*time.Millisecond)
	m.Query("commit", "", "refused", 2*time.Second)
	m.Group(3, 4096, 2*time.Millisecond, time.Millisecond)
	m.Reopened()
	m.Lost(2)
	m.Enqueued("decode", "decode")
	m.Leased("decode", 2*time.Second, 30*time.Microsecond)
	m.ClockBehind(true)
	m.CacheOperation("get", "hit", 2*time.Millisecond)
	m.CacheOperation("put", "success", 2*time.Millisecond)
	m.CacheOperation("scan", "error", 2*time.Millisecond)
	m.JobFinished("decode", "decode", "completed", time.Second)
	m.JobFinished("decode", "decode", "dead", time.Second)
	m.JobFinished("decode", "decode", "ready", time.Second) // given back
	m.BatchEnded("partial", 7*time.Second)
	m.BatchEnded("done", -time.Second) // the clock was set back
	m.BatchFiles("done", 5)
	m.BatchFiles("failed", 1)
	m.WorkerStarted("rail", "decode")
	m.WorkerEnded("rail", "crashed")
	m.PluginDecoded(inTrace("b2"), Verdict{Plugin: "rail", Status: "done", Took: time.Second, Read: 12000, Written: 3000, Rows: 40})
	m.PluginDecoded(context.Background(), Verdict{Plugin: "rail", Status: "failed", Took: time.Second})
	m.PluginInState("rail", "active")
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
		`atp_active_workers 3`,
		`wayside_build_info{goversion="go1.26",revision="abc",version="1.2.3"} 1`,
		`wayside_plugins{state="active"} 2`,
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
		`atp_cache_hit_ratio 0.75`,
		`atp_cache_operations_total{operation="get",status="hit"} 1`,
		`atp_cache_operations_total{operation="get",status="miss"} 0`,
		`wayside_workers{state="idle"} 2`, `wayside_workers{state="busy"} 1`, `wayside_worker_places 4`, `wayside_decodes_waiting 5`,
		`wayside_worker_resident_memory_bytes{plugin="rail"} 1000`,
		`wayside_plugin_active{plugin="rail"} 1`, `wayside_plugin_active{plugin="x"} 0`,
		`wayside_disk_reserve_bytes 5`, `wayside_disk_low 1`,
		`wayside_queue_oldest_ready_seconds{queue="decode"} 90`, `wayside_queue_oldest_ready_seconds{queue="email"} 0`,
		`wayside_job_wait_seconds_sum{queue="decode"} 2`, `wayside_job_lease_seconds_count 1`,
		`wayside_blobs 3`, `wayside_data_bytes{part="blobs"} 300`, `wayside_data_bytes{part="results"} 200`, `wayside_data_bytes{part="store"} 100`,
		`wayside_catalog_records{kind="file"} 4`, `wayside_catalog_records{kind="decode"} 5`,
		`wayside_events_published_total{bus="events"} 70`, `wayside_event_drops_total{bus="events"} 2`, `wayside_events_published_total{bus="log"} 80`,
		`wayside_event_streams 7`, `wayside_http_connections 8`, `wayside_http_connections_refused_total 9`,
		`wayside_decode_read_bytes_total{plugin="rail"} 12000`, `wayside_decode_table_bytes_total{plugin="rail"} 3000`,
		`wayside_decode_rows_total{plugin="rail"} 40`,
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

// What clients choose must not make the appliance remember it.
func TestLabelsAreBounded(t *testing.T) {
	m := NewMetrics(MetricsConfig{Compat: true})
	var names []Queue
	var wg sync.WaitGroup
	for g := range 4 {
		for i := range 1000 {
			names = append(names, Queue{Name: fmt.Sprintf("/%d/%d", g, i), Weight: i, Jobs: map[string]int64{"ready": 1}, Oldest: time.Second})
		}
		wg.Go(func() {
			for i := range 1000 {
				e := fmt.Sprintf("/%d/%d", g, i)
				m.RequestStarted("M"+e, e)
				m.RequestDone(inTrace(e), Answer{Method: "M" + e, Endpoint: e, Status: 404})
				m.FileReceived(e+"\xff", 1)
				m.FileProcessed(inTrace(e), e, "success", 0)
				m.Enqueued(e, e)
				for j := range 40 {
					m.JobFinished(fmt.Sprint("q", i%60), fmt.Sprint("t", j), "dead", 0)
				}
				m.Leased(e, 0, 0)
				m.Query("get", e, "ok", 0)
				m.PluginDecoded(inTrace(e), Verdict{Plugin: e, Status: "done"})
				m.PluginInState(e, "active")
				m.WorkerStarted(e, "decode")
				m.WorkerEnded(e, e)
				m.BatchEnded(e, 0)
				m.BatchFiles(e, 1)
			}
		})
	}
	wg.Wait()
	m.Attach(Sources{
		Queues: func() []Queue { return names },
		Plugins: func() (all []Plugin) {
			for _, q := range names {
				all = append(all, Plugin{ID: q.Name, State: "active"})
			}
			return all
		},
		Workers: func() Workers {
			w := Workers{Memory: map[string]int64{}}
			for _, q := range names {
				w.Memory[q.Name] = 1
			}
			return w
		},
	})
	m.RequestStarted("GET", "")
	lines := scrape(t, m, "")
	series := map[string]int{}
	for _, s := range lines {
		if name, _, ok := strings.Cut(s, "{"); ok {
			series[name]++
		}
	}
	for name, most := range map[string]int{
		"atp_api_requests_total": 501, "api_requests_total": 501, "atp_files_processed_total": 201, "atp_file_size_bytes_count": 201,
		"wayside_jobs_enqueued_total": 301, "wayside_job_duration_seconds_count": 301, "wayside_job_wait_seconds_count": 101,
		"background_tasks_processed_total": 101, "db_queries_total": 51, "wayside_plugin_decode_seconds_count": 101, "model_server_requests_total": 101,
		"wayside_plugin_changes_total": 101, "wayside_worker_ends_total": 5200,
		"wayside_queue_jobs": 101, "wayside_queue_oldest_ready_seconds": 101, "background_tasks_queued": 101, "wayside_plugin_active": 101,
		"wayside_worker_resident_memory_bytes": 101, "model_server_availability": 101,
		"wayside_batches_finished_total": 21, "wayside_batch_files_total": 21, "wayside_batch_duration_seconds_count": 21,
	} {
		if n := series[name]; n > most || n == 0 {
			t.Errorf("%d series of %s, want at most %d", n, name, most)
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

// What Prometheus does not take is left out and logged: it neither ends the appliance nor hides the rest.
func TestWhatCannotBeShown(t *testing.T) {
	var log strings.Builder
	m := NewMetrics(MetricsConfig{Environment: "\xff", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	m.Attach(Sources{Batches: func() (map[string]int, map[string]int) { return map[string]int{"\xff": 1, "queued": 2}, nil }})
	lines := scrape(t, m, "")
	for _, want := range []string{`atp_application_info{environment="?",version=""} 1`, `wayside_batches{state="queued"} 2`} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %s", want)
		}
	}
	if !strings.Contains(log.String(), "wayside_batches") || !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("log %q", log.String())
	}
}

// However many requests end at once, each is counted once.
func TestRequestsAreCountedExactly(t *testing.T) {
	const clients, each = 16, 500
	m := NewMetrics(MetricsConfig{Compat: true, Trace: traceIn})
	ctx := inTrace("4bf92f3577b34da6a3ce929d0e0e4736")
	done := make(chan struct{})
	var scraping sync.WaitGroup
	scraping.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				scrape(t, m, "")
			}
		}
	})
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for range each {
				m.RequestStarted("GET", "/x")
				m.RequestDone(ctx, Answer{"GET", "/x", 200 + c%2, 20 * time.Millisecond, false})
			}
		})
	}
	wg.Wait()
	close(done)
	scraping.Wait()
	lines := scrape(t, m, "")
	for _, prefix := range []string{"atp_", ""} {
		for format, n := range map[string]int{
			`%sapi_requests_total{endpoint="/x",method="GET",status="200"} %d`:               clients * each / 2,
			`%sapi_requests_total{endpoint="/x",method="GET",status="201"} %d`:               clients * each / 2,
			`%sapi_request_duration_seconds_count{endpoint="/x",method="GET"} %d`:            clients * each,
			`%sapi_request_duration_seconds_bucket{endpoint="/x",method="GET",le="0.05"} %d`: clients * each,
			`%sapi_requests_in_progress{endpoint="/x",method="GET"} %d`:                      0,
		} {
			if want := fmt.Sprintf(format, prefix, n); !slices.Contains(lines, want) {
				t.Errorf("no line %s", want)
			}
		}
	}
}

// Times have the trace they belong to, for those who ask for OpenMetrics; what is no trace id is none.
func TestExemplars(t *testing.T) {
	m := exercised()
	for name, lines := range map[string][]string{"OpenMetrics": scrape(t, m, "application/openmetrics-text;version=1.0.0"), "text": scrape(t, m, "")} {
		got := map[string]string{}
		for _, s := range lines {
			if series, exemplar, ok := strings.Cut(s, " # "); ok && !strings.HasPrefix(s, "#") {
				series, _, _ = strings.Cut(series, "{")
				id, _, _ := strings.Cut(exemplar, " ")
				got[strings.TrimSuffix(series, "_bucket")] += id
			}
		}
		want := map[string]string{}
		if name == "OpenMetrics" {
			want = map[string]string{
				"atp_api_request_duration_seconds": `{trace_id="4bf92f3577b34da6a3ce929d0e0e4736"}`,
				"api_request_duration_seconds":     `{trace_id="4bf92f3577b34da6a3ce929d0e0e4736"}`,
				"atp_file_decode_duration_seconds": `{trace_id="a1"}`,
				"wayside_plugin_decode_seconds":    `{trace_id="b2"}`,
				"model_server_latency_seconds":     `{trace_id="b2"}`,
			}
			for family := range got {
				if !exemplars(family) {
					t.Errorf("%s is not listed as one with exemplars", family)
				}
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
