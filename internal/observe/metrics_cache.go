package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// cacheMetrics are calls of the cache.
type cacheMetrics struct {
	operations *prometheus.CounterVec
	duration   *prometheus.HistogramVec
}

func newCacheMetrics(f *families) cacheMetrics {
	c := cacheMetrics{
		operations: f.counters("atp_cache_operations_total",
			"Keys asked of the cache: get (status hit or miss), put, delete and scan (success), or error.", "operation", "status"),
		duration: f.histograms("wayside_cache_operation_seconds", "Time of an operation of the cache.",
			[]float64{.00001, .000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5}, "operation"),
	}
	for _, result := range []string{"hit", "miss"} { // a ratio needs both
		c.operations.WithLabelValues("get", result)
	}
	return c
}

// CacheOperation counts an operation of the cache: get, put, delete or scan, and hit, miss, success or error.
func (m *Metrics) CacheOperation(operation, result string, took time.Duration) {
	switch {
	case operation == "get" && result == "hit":
		m.counted.hits.Add(1)
	case operation == "get" && result == "miss":
		m.counted.misses.Add(1)
	}
	m.cache.operations.WithLabelValues(operation, result).Inc()
	m.cache.duration.WithLabelValues(operation).Observe(took.Seconds())
	if m.compat == nil {
		return
	}
	m.compat.cacheTime.WithLabelValues(operation).Observe(took.Seconds())
	if result != succeeded { // only lookups and failures have a result there: a share of hits is one of all of them
		m.compat.cacheOperations.WithLabelValues(operation, result).Inc()
	}
}
