package observe

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// apiMetrics are the requests of the HTTP API.
type apiMetrics struct {
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	running   *prometheus.GaugeVec
	endpoints *bounded
}

func newAPIMetrics(f *families) apiMetrics {
	return apiMetrics{
		requests: f.counters("atp_api_requests_total", "Requests answered.", "method", "endpoint", "status"),
		duration: f.histograms("atp_api_request_duration_seconds", "Time to answer a request.",
			[]float64{.01, .05, .1, .5, 1, 2.5, 5, 10}, "method", "endpoint"),
		running:   f.gauges("atp_api_requests_in_progress", "Requests being answered.", "method", "endpoint"),
		endpoints: newBounded(500, "unmatched"),
	}
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
	method, endpoint = methodLabel(method), m.api.endpoints.label(endpoint)
	m.api.running.WithLabelValues(method, endpoint).Inc()
	if m.compat != nil {
		m.compat.running.WithLabelValues(endpoint, method).Inc()
	}
}

// Answer is a request that was answered. What is long by its nature, such as a stream, is no sign of a slow appliance.
type Answer struct {
	Method, Endpoint string
	Status           int
	Took             time.Duration
	Long             bool
}

// RequestDone counts an answer. It follows a RequestStarted with the same method and endpoint.
func (m *Metrics) RequestDone(ctx context.Context, a Answer) {
	m.counted.answered(a.Status, a.Took, a.Long)
	method, endpoint, status, trace := methodLabel(a.Method), m.api.endpoints.label(a.Endpoint), strconv.Itoa(a.Status), m.trace(ctx)
	m.api.running.WithLabelValues(method, endpoint).Dec()
	m.api.requests.WithLabelValues(method, endpoint, status).Inc()
	observe(m.api.duration.WithLabelValues(method, endpoint), a.Took, trace)
	if c := m.compat; c != nil {
		c.running.WithLabelValues(endpoint, method).Dec()
		c.requests.WithLabelValues(endpoint, method, status).Inc()
		observe(c.requestTime.WithLabelValues(endpoint, method), a.Took, trace)
	}
}

// fileMetrics are recordings received and decoded.
type fileMetrics struct {
	processed *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	size      *prometheus.HistogramVec
	types     *bounded
}

func newFileMetrics(f *families) fileMetrics {
	return fileMetrics{
		processed: f.counters("atp_files_processed_total", "Recordings decoded, by format and status (success or error).", "file_type", "status"),
		duration: f.histograms("atp_file_decode_duration_seconds", "Time to decode a recording.",
			[]float64{.1, .5, 1, 5, 10, 30, 60, 120, 300}, "file_type"),
		size: f.histograms("atp_file_size_bytes", "Size of recordings received.",
			[]float64{1024, 10240, 102400, 1048576, 10485760, 104857600}, "file_type"),
		types: newBounded(200, "unknown"),
	}
}

// FileReceived counts a recording that was stored. The format is empty where none is known.
func (m *Metrics) FileReceived(format string, size int64) {
	m.counted.received.Add(1)
	m.files.size.WithLabelValues(m.files.types.label(format)).Observe(float64(size))
}

// FileProcessed counts a decode; the status is success or error.
func (m *Metrics) FileProcessed(ctx context.Context, format, status string, took time.Duration) {
	format = m.files.types.label(format)
	m.counted.decodes.Add(1)
	if status != succeeded {
		m.counted.decodesFailed.Add(1)
	}
	m.files.processed.WithLabelValues(format, status).Inc()
	observe(m.files.duration.WithLabelValues(format), max(took, 0), m.trace(ctx))
}
