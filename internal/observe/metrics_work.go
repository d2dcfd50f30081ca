package observe

import (
	"context"
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

func newDatabaseMetrics(f *families) databaseMetrics {
	quick := []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}
	return databaseMetrics{
		queries: f.counters("atp_database_queries_total", "Calls of the database.", "query_type", "status"),
		duration: f.histograms("atp_database_query_duration_seconds", "Time of a call of the database.",
			[]float64{.001, .005, .01, .05, .1, .5, 1, 5}, "query_type"),
		commit:   f.histogram("wayside_store_commit_seconds", "Time of a durable transaction, its flush included.", quick),
		flush:    f.histogram("wayside_store_flush_seconds", "Time of flushing a transaction to the disk (fdatasync).", quick),
		batches:  f.histogram("wayside_store_commit_batches", "Batches that shared a transaction.", []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048}),
		bytes:    f.counter("wayside_store_written_bytes_total", "Bytes committed."),
		reopened: f.counter("wayside_store_reopened_total", "Times the database was closed and opened after a failure."),
		lost:     f.counter("wayside_store_lost_commits_total", "Durable commits that were missing when the database was opened."),
	}
}

// Query counts a call of the database: kind is get, put, scan or commit. A commit is of no single key space.
func (m *Metrics) Query(kind, space, status string, took time.Duration) {
	m.database.queries.WithLabelValues(kind, status).Inc()
	m.database.duration.WithLabelValues(kind).Observe(took.Seconds())
	if c := m.compat; c != nil {
		if space == "" {
			space = allTables
		}
		space = c.tables.label(space)
		c.queries.WithLabelValues(kind, space).Inc()
		c.queryTime.WithLabelValues(kind, space).Observe(took.Seconds())
	}
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
	wait     *prometheus.HistogramVec
	lease    prometheus.Histogram
	behind   prometheus.Gauge
	kinds    pairs // of queue and type
}

func newJobMetrics(f *families) jobMetrics {
	return jobMetrics{
		enqueued: f.counters("wayside_jobs_enqueued_total", "Jobs taken in.", "queue", "type"),
		finished: f.counters("wayside_jobs_finished_total", "Runs of jobs that ended, by the status the job has then.", "queue", "type", "status"),
		duration: f.histograms("wayside_job_duration_seconds", "Time of a run of a job.",
			[]float64{.005, .01, .05, .1, .5, 1, 5, 10, 30, 60, 300, 600, 3600}, "queue", "type"),
		wait: f.histograms("wayside_job_wait_seconds", "Time from when a job was ready to when it was leased.",
			[]float64{.001, .005, .01, .05, .1, .5, 1, 5, 10, 30, 60, 300, 900, 3600, 21600}, "queue"),
		lease: f.histogram("wayside_job_lease_seconds", "Time of handing out a job, from when it was chosen to when its worker has it.",
			[]float64{.00001, .000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .05, .1, .5, 1}),
		behind: f.gauge("wayside_clock_behind", "1 while the clock shows less than was known before; schedules wait then."),
		kinds: pairs{
			first:  newBounded(100, "other", "default", "email", "reports", "analytics", "cleanup", "decode"),
			second: newBounded(100, "other", "decode"),
			both:   newBounded(200, "other", "decode\x00decode"),
		},
	}
}

// Enqueued counts a job taken in.
func (m *Metrics) Enqueued(queue, jobType string) {
	m.jobs.enqueued.WithLabelValues(m.jobs.kinds.labels(queue, jobType)).Inc()
}

// Leased counts a job handed out: how long it was ready, and how long the handing out took.
func (m *Metrics) Leased(queue string, waited, took time.Duration) {
	m.jobs.wait.WithLabelValues(m.jobs.kinds.first.label(queue)).Observe(max(waited, 0).Seconds())
	m.jobs.lease.Observe(took.Seconds())
}

// ClockBehind says whether the clock shows less than was known before.
func (m *Metrics) ClockBehind(behind bool) { m.jobs.behind.Set(number(behind)) }

// JobFinished counts a run of a job that ended; status is what the job has then. It is not named as the queue names
// it because the status has a type of the queue there.
func (m *Metrics) JobFinished(queue, jobType, status string, took time.Duration) {
	queue, kind := m.jobs.kinds.labels(queue, jobType)
	if status == "retry" || status == "dead" {
		m.counted.jobsFailed.Add(1)
	}
	m.jobs.finished.WithLabelValues(queue, kind, status).Inc()
	m.jobs.duration.WithLabelValues(queue, kind).Observe(took.Seconds())
	if word := taskStatus(status); m.compat != nil && word != "" {
		kind = m.jobs.kinds.second.label(jobType)
		m.compat.tasks.WithLabelValues(kind, word).Inc()
		m.compat.taskTime.WithLabelValues(kind).Observe(took.Seconds())
	}
}

// batchMetrics are many files as one piece of work.
type batchMetrics struct {
	ended    *prometheus.CounterVec
	files    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	states   *bounded
}

func newBatchMetrics(f *families) batchMetrics {
	return batchMetrics{
		ended: f.counters("wayside_batches_finished_total", "Times that a batch ended, by the status it has then.", "status"),
		files: f.counters("wayside_batch_files_total", "Files of batches that ended: done, failed or cancelled.", "state"),
		duration: f.histograms("wayside_batch_duration_seconds", "Time from the creation of a batch, or its being retried, to its end.",
			[]float64{.1, .5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 21600, 86400}, "status"),
		states: newBounded(20, "other"),
	}
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
	read    *prometheus.CounterVec
	written *prometheus.CounterVec
	rows    *prometheus.CounterVec
	changes *prometheus.CounterVec
	plugins *bounded
	reasons *bounded
}

func newWorkerMetrics(f *families) workerMetrics {
	return workerMetrics{
		started: f.counters("wayside_worker_starts_total", "Worker processes started.", "plugin", "role"),
		ended:   f.counters("wayside_worker_ends_total", "Worker processes that ended, by reason.", "plugin", "reason"),
		decodes: f.histograms("wayside_plugin_decode_seconds", "Time a plugin took for a file.",
			[]float64{.0005, .001, .005, .01, .05, .1, .5, 1, 5, 10, 30, 60, 300}, "plugin", "status"),
		read:    f.counters("wayside_decode_read_bytes_total", "Bytes of recordings that plugins have read.", "plugin"),
		written: f.counters("wayside_decode_table_bytes_total", "Bytes of tables written, as they are encoded.", "plugin"),
		rows:    f.counters("wayside_decode_rows_total", "Rows of tables written, without those of issues.", "plugin"),
		changes: f.counters("wayside_plugin_changes_total", "Times a plugin came into a state.", "plugin", "state"),
		plugins: newBounded(100, "other"),
		reasons: newBounded(50, "other"),
	}
}

// WorkerStarted counts a worker process.
func (m *Metrics) WorkerStarted(plugin, role string) {
	m.workers.started.WithLabelValues(m.workers.plugins.label(plugin), m.workers.reasons.label(role)).Inc()
}

// WorkerEnded counts the end of a worker process and why.
func (m *Metrics) WorkerEnded(plugin, reason string) {
	m.workers.ended.WithLabelValues(m.workers.plugins.label(plugin), m.workers.reasons.label(reason)).Inc()
}

// Verdict is what came of a file that a plugin decoded.
type Verdict struct {
	Plugin        string
	Status        string // done, partial or failed
	Took          time.Duration
	Read, Written int64 // bytes: of the file, and of the tables
	Rows          int64
}

// PluginDecoded counts a file that a plugin decoded. Like JobFinished it takes text where the runtime has a type of its own.
func (m *Metrics) PluginDecoded(ctx context.Context, v Verdict) {
	plugin, trace := m.workers.plugins.label(v.Plugin), m.trace(ctx)
	observe(m.workers.decodes.WithLabelValues(plugin, v.Status), v.Took, trace)
	m.counted.bytesRead.Add(max(v.Read, 0))
	m.workers.read.WithLabelValues(plugin).Add(float64(max(v.Read, 0)))
	m.workers.written.WithLabelValues(plugin).Add(float64(max(v.Written, 0)))
	m.workers.rows.WithLabelValues(plugin).Add(float64(max(v.Rows, 0)))
	if m.compat == nil {
		return
	}
	status := succeeded
	if v.Status == "failed" {
		status = failed
	}
	m.compat.decodes.WithLabelValues(plugin, status).Inc()
	observe(m.compat.decodeTime.WithLabelValues(plugin), v.Took, trace)
}

// PluginInState counts a plugin that came into a state.
func (m *Metrics) PluginInState(plugin, state string) {
	m.workers.changes.WithLabelValues(m.workers.plugins.label(plugin), state).Inc()
}
