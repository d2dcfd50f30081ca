package observe

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
)

// compatMetrics are the families without a prefix, which dashboards of an earlier system use. They say again, under other
// names and with other labels and buckets, what other families say; the sampler has the rest of them.
type compatMetrics struct {
	requests    *prometheus.CounterVec
	requestTime *prometheus.HistogramVec
	running     *prometheus.GaugeVec

	queries   *prometheus.CounterVec
	queryTime *prometheus.HistogramVec

	cacheOperations *prometheus.CounterVec
	cacheTime       *prometheus.HistogramVec

	decodes    *prometheus.CounterVec
	decodeTime *prometheus.HistogramVec

	tasks    *prometheus.CounterVec
	taskTime *prometheus.HistogramVec

	tables *bounded
}

func newCompatMetrics(f *families) *compatMetrics {
	c := &compatMetrics{
		requests: f.counters("api_requests_total", "Requests answered.", "endpoint", "method", "status"),
		requestTime: f.histograms("api_request_duration_seconds", "Time to answer a request.",
			[]float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, "endpoint", "method"),
		running: f.gauges("api_requests_in_progress", "Requests being answered.", "endpoint", "method"),
		queries: f.counters("db_queries_total", "Calls of the database, by kind (get, put, scan, commit) and key space; a commit may be of several, and has all.",
			"query_type", "table"),
		queryTime: f.histograms("db_query_duration_seconds", "Time of a call of the database.",
			[]float64{.001, .005, .01, .025, .05, .1, .25, .5, 1}, "query_type", "table"),
		cacheOperations: f.counters("cache_operations_total", "Keys looked for in the cache (get: hit or miss), and operations that failed (error).",
			"operation", "result"),
		cacheTime: f.histograms("cache_operation_duration_seconds", "Time of an operation of the cache: get, put, delete or scan.",
			[]float64{.001, .005, .01, .025, .05, .1}, "operation"),
		decodes: f.counters("model_server_requests_total", "Decodes by decoder plugin and status (success or error).", "server", "status"),
		decodeTime: f.histograms("model_server_latency_seconds", "Time a decoder plugin took for a file.",
			[]float64{.1, .5, 1, 2.5, 5, 10, 30, 60}, "server"),
		tasks: f.counters("background_tasks_processed_total", "Runs of jobs that ended, by type and status (success, error, retry, cancelled).",
			"task_type", "status"),
		taskTime: f.histograms("background_task_duration_seconds", "Time of a run of a job.",
			[]float64{1, 5, 10, 30, 60, 300, 600}, "task_type"),
		tables: newBounded(50, "other"),
	}
	for _, result := range []string{"hit", "miss", "error"} {
		c.cacheOperations.WithLabelValues("get", result)
	}
	return c
}

// allTables is the label of a call that is of several key spaces.
const allTables = "all"

// succeeded and failed are what families of earlier systems call an end.
const (
	succeeded = "success"
	failed    = "error"
)

// taskStatus gives the older word for what became of a job, "" for one that is to run again without having been run to an
// end.
func taskStatus(status string) string {
	switch status {
	case "completed":
		return succeeded
	case "dead":
		return failed
	case "retry", "cancelled":
		return status
	}
	return ""
}

// compatSampler gives the families of the kind that are looked at.
type compatSampler struct {
	poolSize, poolFree                  series
	hitRate, cacheMemory, evictions     series
	available, queued                   series
	cpu, memory                         series
	diskRead, diskWritten, sent, gotten series
	load                                *load
}

func newCompatSampler(f *families) *compatSampler {
	return &compatSampler{
		poolSize: f.sampledGauge("db_connection_pool_size", "Databases: the one in this process."),
		poolFree: f.sampledGauge("db_connection_pool_available", "Databases that are open: 1, or 0 while it cannot be opened."),

		hitRate:     f.sampledGauge("cache_hit_rate", "Part of the keys asked for that were in the cache, in percent, since the start."),
		cacheMemory: f.sampledGauge("cache_memory_usage_bytes", "Memory of keys and values of the server behind the cache."),
		evictions:   f.sampledCounter("cache_evictions_total", "Keys that made room for others in the server behind the cache."),

		available: f.sampledGauge("model_server_availability", "Whether a decoder plugin can be used: 1 or 0.", "server"),
		queued:    f.sampledGauge("background_tasks_queued", "Jobs that have not begun (waiting, scheduled, ready, retry), by queue and its weight.", "queue", "priority"),

		cpu:         f.sampledGauge("system_cpu_percent", "Load of all processors of the machine since the look before, in percent."),
		memory:      f.sampledGauge("system_memory_percent", "Memory of the machine that cannot be had, in percent."),
		diskRead:    f.sampledCounter("system_disk_io_read_bytes_total", "Bytes read from the disks of the machine."),
		diskWritten: f.sampledCounter("system_disk_io_write_bytes_total", "Bytes written to the disks of the machine."),
		sent:        f.sampledCounter("system_network_sent_bytes_total", "Bytes sent over all network interfaces of the machine, the local one included."),
		gotten:      f.sampledCounter("system_network_recv_bytes_total", "Bytes received over all network interfaces of the machine, the local one included."),

		load: newLoad(processors),
	}
}

// collectMachine tells of the machine. What it hides is absent.
func (s *compatSampler) collectMachine(out samples, memory map[string]float64) {
	if percent, ok := s.load.percent(); ok {
		out.add(s.cpu, percent)
	}
	if percent := memoryUsed(memory); !math.IsNaN(percent) {
		out.add(s.memory, percent)
	}
	if read, written, ok := diskBytes(); ok {
		out.add(s.diskRead, read)
		out.add(s.diskWritten, written)
	}
	if sent, received, ok := networkBytes(); ok {
		out.add(s.sent, sent)
		out.add(s.gotten, received)
	}
}
