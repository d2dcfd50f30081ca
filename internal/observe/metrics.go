package observe

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
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
	Environment string       // default "production"
	Compat      bool         // also the families without a prefix
	Logger      *slog.Logger // of what cannot be shown; nil = discard
	// Trace gives the trace id that a context carries, "" = none. It becomes an exemplar of what is timed. nil = none has any.
	Trace func(ctx context.Context) string
}

// Metrics measures the appliance. Its methods are what other packages declare as their Recorder. Any number of
// goroutines may use it; none of the methods blocks.
//
// Families that dashboards of earlier systems use have exact names, labels and buckets; those that
// begin with wayside_ are ours. What the older ones without a prefix say is counted beside the others, in compat.go.
type Metrics struct {
	registry *prometheus.Registry
	families families
	trace    func(ctx context.Context) string
	logger   *slog.Logger
	api      apiMetrics
	files    fileMetrics
	database databaseMetrics
	jobs     jobMetrics
	batches  batchMetrics
	workers  workerMetrics
	cache    cacheMetrics
	compat   *compatMetrics // nil = they are off
	logFlush prometheus.Histogram
	counted  counted
	sources  atomic.Pointer[Sources]
}

// NewMetrics makes the families. Those that are read when they are asked for come from Attach.
func NewMetrics(cfg MetricsConfig) *Metrics {
	if cfg.Environment == "" {
		cfg.Environment = "production"
	}
	// From a variable of the environment these may be anything; Prometheus takes UTF-8.
	for _, text := range []*string{&cfg.Environment, &cfg.Version, &cfg.Revision, &cfg.GoVersion} {
		*text = strings.ToValidUTF8(*text, "?")
	}
	if cfg.Trace == nil {
		cfg.Trace = func(context.Context) string { return "" }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Metrics{registry: prometheus.NewRegistry(), trace: cfg.Trace, logger: cfg.Logger}
	f := &m.families
	m.api, m.files, m.database, m.jobs = newAPIMetrics(f), newFileMetrics(f), newDatabaseMetrics(f), newJobMetrics(f)
	m.batches, m.workers, m.cache, m.logFlush = newBatchMetrics(f), newWorkerMetrics(f), newCacheMetrics(f), newLogFlush(f)
	if cfg.Compat {
		m.compat = newCompatMetrics(f)
	}
	m.registry.MustRegister(newSampler(m, cfg))
	m.registry.MustRegister(f.made...)
	m.registry.MustRegister(ofProcess()...)
	return m
}

// ofProcess tells of Go and of the process.
func ofProcess() []prometheus.Collector {
	return []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})}
}

// Handler serves the metrics as Prometheus text or OpenMetrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		EnableOpenMetrics:   true,
		ErrorLog:            slog.NewLogLogger(m.logger.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 8,
		Timeout:             10 * time.Second,
	})
}

// Attach gives the functions that are asked at each scrape. Before, their metrics are absent.
func (m *Metrics) Attach(s Sources) { m.sources.Store(&s) }

// maxTrace is the length of the longest trace id that becomes an exemplar: those of W3C have 32 digits.
const maxTrace = 64

// observe adds a time to a histogram, with the trace it belongs to.
func observe(o prometheus.Observer, took time.Duration, trace string) {
	if e, ok := o.(prometheus.ExemplarObserver); ok && trace != "" && len(trace) <= maxTrace && strings.Trim(trace, "0123456789abcdef") == "" {
		e.ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": trace})
		return
	}
	o.Observe(took.Seconds())
}
