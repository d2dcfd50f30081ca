package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// databaseMetrics are calls and commits of the store.
type databaseMetrics struct {
	queries  *prometheus.CounterVec
	duration *prometheus.HistogramVec
	commit   prometheus.Histogram
	flush    prometheus.Histogram
	batches  prometheus.Histogram
	bytes    prometheus.Counter
	reopened prometheus.Counter
	lost     prometheus.Counter
}

func newDatabaseMetrics() databaseMetrics {
	quick := []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}
	return databaseMetrics{
		queries: counters("atp_database_queries_total", "Calls of the database.", "query_type", "status"),
		duration: histograms("atp_database_query_duration_seconds", "Time of a call of the database.",
			[]float64{.001, .005, .01, .05, .1, .5, 1, 5}, "query_type"),
		commit:   histogram("wayside_store_commit_seconds", "Time of a durable transaction, its flush included.", quick),
		flush:    histogram("wayside_store_flush_seconds", "Time of flushing a transaction to the disk.", quick),
		batches:  histogram("wayside_store_commit_batches", "Batches that shared a transaction.", []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048}),
		bytes:    counter("wayside_store_written_bytes_total", "Bytes committed."),
		reopened: counter("wayside_store_reopened_total", "Times the database was closed and opened after a failure."),
		lost:     counter("wayside_store_lost_commits_total", "Durable commits that were missing when the database was opened."),
	}
}

func (d databaseMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{d.queries, d.duration, d.commit, d.flush, d.batches, d.bytes, d.reopened, d.lost}
}

// Query counts a call of the database: kind is get, put, scan or commit.
func (m *Metrics) Query(kind, _, status string, took time.Duration) {
	m.database.queries.WithLabelValues(kind, status).Inc()
	m.database.duration.WithLabelValues(kind).Observe(took.Seconds())
}

// Group counts a durable transaction.
func (m *Metrics) Group(batches int, bytes int64, took, flush time.Duration) {
	m.database.commit.Observe(took.Seconds())
	m.database.flush.Observe(flush.Seconds())
	m.database.batches.Observe(float64(batches))
	m.database.bytes.Add(float64(max(bytes, 0)))
}

// Reopened counts a database that was closed and opened after a failure.
func (m *Metrics) Reopened() { m.database.reopened.Inc() }

// Lost counts commits that were missing when the database was opened.
func (m *Metrics) Lost(commits uint64) { m.database.lost.Add(float64(commits)) }

// jobMetrics are the jobs of the queue.
type jobMetrics struct {
	enqueued *prometheus.CounterVec
	finished *prometheus.CounterVec
	duration *prometheus.HistogramVec
	behind   prometheus.Gauge
	queues   *bounded
	types    *bounded
}

func newJobMetrics() jobMetrics {
	return jobMetrics{
		enqueued: counters("wayside_jobs_enqueued_total", "Jobs taken in.", "queue", "type"),
		finished: counters("wayside_jobs_finished_total", "Runs of jobs that ended, by the status the job has then.", "queue", "type", "status"),
		duration: histograms("wayside_job_duration_seconds", "Time of a run of a job.",
			[]float64{.005, .01, .05, .1, .5, 1, 5, 10, 30, 60, 300, 600, 3600}, "queue", "type"),
		behind: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "wayside_clock_behind", Help: "1 while the clock shows less than was known before; schedules wait then.",
		}),
		queues: newBounded(200, "other"),
		types:  newBounded(200, "other"),
	}
}

func (j jobMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{j.enqueued, j.finished, j.duration, j.behind}
}

// Enqueued counts a job taken in.
func (m *Metrics) Enqueued(queue, jobType string) {
	m.jobs.enqueued.WithLabelValues(m.jobs.queues.label(queue), m.jobs.types.label(jobType)).Inc()
}

// ClockBehind says whether the clock shows less than was known before.
func (m *Metrics) ClockBehind(behind bool) {
	v := 0.0
	if behind {
		v = 1
	}
	m.jobs.behind.Set(v)
}

// JobFinished counts a run of a job that ended; status is what the job has then. It is not named as the queue names
// it because the status has a type of the queue there.
func (m *Metrics) JobFinished(queue, jobType, status string, took time.Duration) {
	queue, jobType = m.jobs.queues.label(queue), m.jobs.types.label(jobType)
	m.jobs.finished.WithLabelValues(queue, jobType, status).Inc()
	m.jobs.duration.WithLabelValues(queue, jobType).Observe(took.Seconds())
}

// batchMetrics are many files as one piece of work.
type batchMetrics struct {
	ended    *prometheus.CounterVec
	files    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	states   *bounded
}

func newBatchMetrics() batchMetrics {
	return batchMetrics{
		ended: counters("wayside_batches_finished_total", "Times that a batch ended, by the status it has then.", "status"),
		files: counters("wayside_batch_files_total", "Files of batches that ended: done, failed or cancelled.", "state"),
		duration: histograms("wayside_batch_duration_seconds", "Time from the creation of a batch, or its being retried, to its end.",
			[]float64{.1, .5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 21600, 86400}, "status"),
		states: newBounded(20, "other"),
	}
}

func (b batchMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{b.ended, b.files, b.duration}
}

// BatchEnded counts a batch that ended, and its time.
func (m *Metrics) BatchEnded(status string, took time.Duration) {
	status = m.batches.states.label(status)
	m.batches.ended.WithLabelValues(status).Inc()
	m.batches.duration.WithLabelValues(status).Observe(max(took, 0).Seconds())
}

// BatchFiles counts files of batches that ended.
func (m *Metrics) BatchFiles(state string, n int) {
	m.batches.files.WithLabelValues(m.batches.states.label(state)).Add(float64(max(n, 0)))
}

// workerMetrics are the worker processes and the plugins they run.
type workerMetrics struct {
	started *prometheus.CounterVec
	ended   *prometheus.CounterVec
	decodes *prometheus.HistogramVec
	changes *prometheus.CounterVec
	plugins *bounded
	reasons *bounded
}

func newWorkerMetrics() workerMetrics {
	return workerMetrics{
		started: counters("wayside_worker_starts_total", "Worker processes started.", "plugin", "role"),
		ended:   counters("wayside_worker_ends_total", "Worker processes that ended, by reason.", "plugin", "reason"),
		decodes: histograms("wayside_plugin_decode_seconds", "Time a plugin took for a file.",
			[]float64{.0005, .001, .005, .01, .05, .1, .5, 1, 5, 10, 30, 60, 300}, "plugin", "status"),
		changes: counters("wayside_plugin_changes_total", "Times a plugin came into a state.", "plugin", "state"),
		plugins: newBounded(200, "other"),
		reasons: newBounded(50, "other"),
	}
}

func (w workerMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{w.started, w.ended, w.decodes, w.changes}
}

// WorkerStarted counts a worker process.
func (m *Metrics) WorkerStarted(plugin, role string) {
	m.workers.started.WithLabelValues(m.workers.plugins.label(plugin), m.workers.reasons.label(role)).Inc()
}

// WorkerEnded counts the end of a worker process and why.
func (m *Metrics) WorkerEnded(plugin, reason string) {
	m.workers.ended.WithLabelValues(m.workers.plugins.label(plugin), m.workers.reasons.label(reason)).Inc()
}

// PluginDecoded counts a file that a plugin decoded; status is done, partial or failed. Like JobFinished it takes text
// where the runtime has a type of its own.
func (m *Metrics) PluginDecoded(plugin, status string, took time.Duration) {
	m.workers.decodes.WithLabelValues(m.workers.plugins.label(plugin), status).Observe(took.Seconds())
}

// PluginInState counts a plugin that came into a state.
func (m *Metrics) PluginInState(plugin, state string) {
	m.workers.changes.WithLabelValues(m.workers.plugins.label(plugin), state).Inc()
}
