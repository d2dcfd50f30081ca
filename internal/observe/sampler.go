package observe

import (
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Sources are asked at each scrape. A nil function leaves its metrics out. They must be quick and may be called from
// any goroutine.
type Sources struct {
	Workers    func() int            // decode workers that run
	Plugins    func() map[string]int // plugins by state
	Disk       func() (free, total int64)
	Database   func() bool // the database is open and works
	Queues     func() []QueueDepth
	Batches    func() (batches, files map[string]int) // those that go on, and what of them has not ended, by state
	CacheRatio func() float64                         // of the keys asked for that were in the cache, 0–1
	Health     func() Report
	KV         func() KV // the Redis-protocol server
}

// QueueDepth is how many jobs of a queue are in one state.
type QueueDepth struct {
	Queue string
	State string
	Jobs  int64
}

// sampler reads what is not counted but looked at when it is asked for.
type sampler struct {
	metrics                                                   *Metrics
	cfg                                                       MetricsConfig
	info, build, memory, active, connections                  *prometheus.Desc
	plugins, diskFree, diskTotal, queue, component, readiness *prometheus.Desc
	batches, batchFiles, cacheRatio                           *prometheus.Desc
	kv                                                        kvSampler
}

func newSampler(m *Metrics, cfg MetricsConfig) *sampler {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &sampler{
		metrics: m, cfg: cfg,
		info:        desc("atp_application_info", "Always 1.", "version", "environment"),
		build:       desc("wayside_build_info", "Always 1.", "version", "revision", "goversion"),
		memory:      desc("atp_system_memory_bytes", "Memory of the machine (total, available, used, free) and of this process.", "type"),
		active:      desc("atp_active_workers", "Worker processes that run."),
		connections: desc("atp_database_connections_active", "Open databases: 1, or 0 while it cannot be opened."),
		plugins:     desc("wayside_plugins", "Plugins by state.", "state"),
		diskFree:    desc("wayside_disk_free_bytes", "Free space on the disk of the data folder."),
		diskTotal:   desc("wayside_disk_total_bytes", "Size of the disk of the data folder."),
		queue:       desc("wayside_queue_jobs", "Jobs by queue and state.", "queue", "state"),
		batches:     desc("wayside_batches", "Batches that go on, by state.", "state"),
		batchFiles:  desc("wayside_batch_files_open", "Files of batches that have not ended, by state.", "state"),
		cacheRatio:  desc("atp_cache_hit_ratio", "Part of the keys asked for that were in the cache, 0 to 1, since the start."),
		component:   desc("wayside_component_up", "Parts of the appliance: 1 ok, 0.5 degraded, 0 down.", "component"),
		readiness:   desc("wayside_ready", "Whether the appliance takes work."),
		kv:          newKVSampler(),
	}
}

// Describe lists the metrics.
func (s *sampler) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		s.info, s.build, s.memory, s.active, s.connections, s.plugins, s.diskFree, s.diskTotal, s.queue,
		s.batches, s.batchFiles, s.cacheRatio, s.component, s.readiness,
	} {
		ch <- d
	}
	s.kv.describe(ch)
}

// Collect asks the sources.
func (s *sampler) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(s.info, 1, s.cfg.Version, s.cfg.Environment)
	gauge(s.build, 1, s.cfg.Version, s.cfg.Revision, s.cfg.GoVersion)
	for kind, bytes := range memory() {
		gauge(s.memory, bytes, kind)
	}
	src := s.metrics.sources.Load()
	if src == nil {
		return
	}
	if src.Workers != nil {
		gauge(s.active, float64(src.Workers()))
	}
	if src.Database != nil {
		gauge(s.connections, number(src.Database()))
	}
	if src.Plugins != nil {
		gaugeEach(gauge, s.plugins, src.Plugins())
	}
	if src.Disk != nil {
		free, total := src.Disk()
		gauge(s.diskFree, float64(free))
		gauge(s.diskTotal, float64(total))
	}
	if src.Batches != nil {
		batches, files := src.Batches()
		gaugeEach(gauge, s.batches, batches)
		gaugeEach(gauge, s.batchFiles, files)
	}
	if src.CacheRatio != nil {
		gauge(s.cacheRatio, src.CacheRatio())
	}
	if src.KV != nil {
		k := src.KV()
		s.kv.collect(&k, ch)
	}
	s.collectQueues(src, gauge)
	s.collectHealth(src, gauge)
}

type gaugeFunc func(d *prometheus.Desc, v float64, labels ...string)

func gaugeEach(gauge gaugeFunc, d *prometheus.Desc, states map[string]int) {
	for state, n := range states {
		gauge(d, float64(n), state)
	}
}

// collectQueues adds up depths, so that a source that names a pair twice cannot spoil the whole answer.
func (s *sampler) collectQueues(src *Sources, gauge gaugeFunc) {
	if src.Queues == nil {
		return
	}
	sums := map[[2]string]int64{}
	for _, q := range src.Queues() {
		sums[[2]string{s.metrics.jobs.queues.label(q.Queue), q.State}] += q.Jobs
	}
	for k, n := range sums {
		gauge(s.queue, float64(n), k[0], k[1])
	}
}

func (s *sampler) collectHealth(src *Sources, gauge gaugeFunc) {
	if src.Health == nil {
		return
	}
	r := src.Health()
	gauge(s.readiness, number(r.Ready))
	up := map[Status]float64{OK: 1, Degraded: .5, Down: 0}
	seen := map[string]bool{}
	for _, c := range r.Components {
		if !seen[c.Name] { // a name twice would spoil the whole answer
			gauge(s.component, up[c.Status], c.Name)
		}
		seen[c.Name] = true
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Memory gives the resident memory of this process and the memory of the machine, in bytes; 0 where it cannot be read.
func Memory() (process, machine int64) {
	m := memory()
	return int64(m["process"]), int64(m["total"])
}

// memory reads the memory of the machine and of this process. Where a service manager hides /proc/meminfo the kernel
// is asked directly; it does not know then what is available.
func memory() map[string]float64 {
	out := map[string]float64{}
	fs, err := procfs.NewDefaultFS()
	if err == nil {
		if info, err := fs.Meminfo(); err == nil && info.MemTotalBytes != nil && info.MemFreeBytes != nil && info.MemAvailableBytes != nil {
			out["total"], out["free"] = float64(*info.MemTotalBytes), float64(*info.MemFreeBytes)
			out["available"] = float64(*info.MemAvailableBytes)
			out["used"] = out["total"] - out["available"]
		}
		if p, err := fs.Proc(os.Getpid()); err == nil {
			if st, err := p.Stat(); err == nil {
				out["process"] = float64(st.ResidentMemory())
			}
		}
	}
	var si unix.Sysinfo_t
	if _, known := out["total"]; !known && unix.Sysinfo(&si) == nil {
		unit := float64(si.Unit)
		out["total"], out["free"] = float64(si.Totalram)*unit, float64(si.Freeram)*unit
		out["used"] = out["total"] - out["free"]
	}
	return out
}
