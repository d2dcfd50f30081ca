package observe

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// MetricsConfig says what the constant metrics are.
type MetricsConfig struct {
	Version     string // of the appliance
	Revision    string // of its source
	GoVersion   string
	Environment string // default "production"
}

// Metrics measures the appliance. Its methods are what other packages declare as their Recorder. Any number of
// goroutines may use it; none of the methods blocks.
//
// Families that dashboards of earlier systems use have exact names, labels and buckets; those that
// begin with wayside_ are ours.
type Metrics struct {
	registry *prometheus.Registry
	api      apiMetrics
	files    fileMetrics
	database databaseMetrics
	jobs     jobMetrics
	batches  batchMetrics
	workers  workerMetrics
	cache    cacheMetrics
	logFlush prometheus.Histogram
	counted  counted
	sources  atomic.Pointer[Sources]
}

// NewMetrics makes the families. Those that are read when they are asked for come from Attach.
func NewMetrics(cfg MetricsConfig) *Metrics {
	if cfg.Environment == "" {
		cfg.Environment = "production"
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		api:      newAPIMetrics(),
		files:    newFileMetrics(),
		database: newDatabaseMetrics(),
		jobs:     newJobMetrics(),
		batches:  newBatchMetrics(),
		workers:  newWorkerMetrics(),
		cache:    newCacheMetrics(),
		logFlush: newLogFlush(),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, family := range [][]prometheus.Collector{m.api.all(), m.files.all(), m.database.all(), m.jobs.all(), m.batches.all(), m.workers.all(), m.cache.all()} {
		m.registry.MustRegister(family...)
	}
	m.registry.MustRegister(m.logFlush, newSampler(m, cfg))
	return m
}

// Handler serves the metrics as Prometheus text or OpenMetrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		EnableOpenMetrics:   true,
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 8,
		Timeout:             10 * time.Second,
	})
}

// Attach gives the functions that are asked at each scrape. Before, their metrics are absent.
func (m *Metrics) Attach(s Sources) { m.sources.Store(&s) }

// bounded keeps a label from growing without end, whoever chooses its values: after max different ones it is other.
type bounded struct {
	max   int
	other string

	mu   sync.RWMutex // guards seen
	seen map[string]struct{}
}

func newBounded(most int, other string) *bounded {
	return &bounded{max: most, other: other, seen: map[string]struct{}{}}
}

func (b *bounded) label(value string) string {
	value = strings.ToValidUTF8(value, "?") // Prometheus takes nothing else
	if value == "" {
		return b.other
	}
	b.mu.RLock()
	_, known := b.seen[value]
	b.mu.RUnlock()
	if known {
		return value
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.seen[value]; !known {
		if len(b.seen) >= b.max {
			return b.other
		}
		b.seen[value] = struct{}{}
	}
	return value
}

// apiMetrics are the requests of the HTTP API.
type apiMetrics struct {
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	running   *prometheus.GaugeVec
	endpoints *bounded
}

func newAPIMetrics() apiMetrics {
	return apiMetrics{
		requests: counters("atp_api_requests_total", "Requests answered.", "method", "endpoint", "status"),
		duration: histograms("atp_api_request_duration_seconds", "Time to answer a request.",
			[]float64{.01, .05, .1, .5, 1, 2.5, 5, 10}, "method", "endpoint"),
		running:   gauges("atp_api_requests_in_progress", "Requests being answered.", "method", "endpoint"),
		endpoints: newBounded(500, "unmatched"),
	}
}

func (a apiMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{a.requests, a.duration, a.running}
}

// methodLabel keeps invented methods out of the labels.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "OTHER"
}

// RequestStarted counts a request that is being answered. The endpoint is the route's template, empty for none.
func (m *Metrics) RequestStarted(method, endpoint string) {
	m.api.running.WithLabelValues(methodLabel(method), m.api.endpoints.label(endpoint)).Inc()
}

// RequestDone counts an answer. It follows a RequestStarted with the same method and endpoint. What is long by its nature,
// such as a stream, is no sign of a slow appliance.
func (m *Metrics) RequestDone(method, endpoint string, status int, took time.Duration, long bool) {
	m.counted.answered(status, took, long)
	method, endpoint = methodLabel(method), m.api.endpoints.label(endpoint)
	m.api.running.WithLabelValues(method, endpoint).Dec()
	m.api.requests.WithLabelValues(method, endpoint, strconv.Itoa(status)).Inc()
	m.api.duration.WithLabelValues(method, endpoint).Observe(took.Seconds())
}

// fileMetrics are recordings received and decoded.
type fileMetrics struct {
	processed *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	size      *prometheus.HistogramVec
	types     *bounded
}

func newFileMetrics() fileMetrics {
	return fileMetrics{
		processed: counters("atp_files_processed_total", "Recordings decoded.", "file_type", "status"),
		duration: histograms("atp_file_decode_duration_seconds", "Time to decode a recording.",
			[]float64{.1, .5, 1, 5, 10, 30, 60, 120, 300}, "file_type"),
		size: histograms("atp_file_size_bytes", "Size of recordings received.",
			[]float64{1024, 10240, 102400, 1048576, 10485760, 104857600}, "file_type"),
		types: newBounded(500, "unknown"),
	}
}

func (f fileMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{f.processed, f.duration, f.size}
}

// FileReceived counts a recording that was stored. The format is empty where none is known.
func (m *Metrics) FileReceived(format string, size int64) {
	m.files.size.WithLabelValues(m.files.types.label(format)).Observe(float64(size))
}

// FileProcessed counts a decode; the status is success or error.
func (m *Metrics) FileProcessed(format, status string, took time.Duration) {
	format = m.files.types.label(format)
	m.counted.decodes.Add(1)
	if status != "success" {
		m.counted.decodesFailed.Add(1)
	}
	m.files.processed.WithLabelValues(format, status).Inc()
	m.files.duration.WithLabelValues(format).Observe(took.Seconds())
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
}

func histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
}
