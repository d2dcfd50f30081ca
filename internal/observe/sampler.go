package observe

import (
	"os"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// sampler reads what is not counted but looked at when it is asked for.
type sampler struct {
	metrics *Metrics
	cfg     MetricsConfig

	info, build, memory               series
	active, connections               series
	workers, places, waiting, rss     series
	plugins, usable                   series
	free, size, reserve, low          series
	jobs, oldest                      series
	batches, batchFiles, cacheRatio   series
	component, readiness              series
	blobs, data, records              series
	published, dropped                series
	streams, httpConnections, refused series

	kv     kvSampler
	compat *compatSampler // nil = they are off
}

func newSampler(m *Metrics, cfg MetricsConfig) *sampler {
	f := &m.families
	s := &sampler{
		metrics: m, cfg: cfg,
		info:        f.sampledGauge("atp_application_info", "Always 1.", "version", "environment"),
		build:       f.sampledGauge("wayside_build_info", "Always 1.", "version", "revision", "goversion"),
		memory:      f.sampledGauge("atp_system_memory_bytes", "Memory of the machine (total, available, used, free) and of this process.", "type"),
		active:      f.sampledGauge("atp_active_workers", "Worker processes that run."),
		connections: f.sampledGauge("atp_database_connections_active", "Open databases: 1, or 0 while it cannot be opened."),
		workers:     f.sampledGauge("wayside_workers", "Worker processes that decode (busy) or wait for a file (idle).", "state"),
		places:      f.sampledGauge("wayside_worker_places", "Most worker processes at a time."),
		waiting:     f.sampledGauge("wayside_decodes_waiting", "Decodes that wait for a worker process."),
		rss:         f.sampledGauge("wayside_worker_resident_memory_bytes", "Resident memory of worker processes, by the plugin they hold.", "plugin"),
		plugins:     f.sampledGauge("wayside_plugins", "Plugins by state.", "state"),
		usable:      f.sampledGauge("wayside_plugin_active", "Whether a plugin can be used: 1 or 0.", "plugin"),
		free:        f.sampledGauge("wayside_disk_free_bytes", "Free space on the disk of the data folder."),
		size:        f.sampledGauge("wayside_disk_total_bytes", "Size of the disk of the data folder."),
		reserve:     f.sampledGauge("wayside_disk_reserve_bytes", "Free space below which nothing new is stored."),
		low:         f.sampledGauge("wayside_disk_low", "1 while nothing new is stored for lack of space."),
		jobs:        f.sampledGauge("wayside_queue_jobs", "Jobs by queue and state.", "queue", "state"),
		oldest:      f.sampledGauge("wayside_queue_oldest_ready_seconds", "How long the next job of a queue has been ready; 0: none is.", "queue"),
		batches:     f.sampledGauge("wayside_batches", "Batches that go on, by state.", "state"),
		batchFiles:  f.sampledGauge("wayside_batch_files_open", "Files of batches that have not ended, by state.", "state"),
		cacheRatio:  f.sampledGauge("atp_cache_hit_ratio", "Part of the keys asked for that were in the cache, 0 to 1, since the start."),
		component:   f.sampledGauge("wayside_component_up", "Parts of the appliance: 1 healthy, 0.5 degraded, 0 unhealthy.", "component"),
		readiness:   f.sampledGauge("wayside_ready", "Whether the appliance takes work."),
		blobs:       f.sampledGauge("wayside_blobs", "Recordings that are stored, the same bytes once."),
		data:        f.sampledGauge("wayside_data_bytes", "Size of the data folder's parts: blobs, results, store. It is looked at in the background.", "part"),
		records:     f.sampledGauge("wayside_catalog_records", "Records of the catalog: file, decode. They are counted in the background.", "kind"),
		published:   f.sampledCounter("wayside_events_published_total", "Events published on a bus: events, or log (the lines of the log).", "bus"),
		dropped:     f.sampledCounter("wayside_event_drops_total", "Times that readers of a bus were told that they missed events.", "bus"),
		streams:     f.sampledGauge("wayside_event_streams", "Clients that read server-sent events."),

		httpConnections: f.sampledGauge("wayside_http_connections", "Connections of the HTTP API."),
		refused:         f.sampledCounter("wayside_http_connections_refused_total", "Connections of the HTTP API that were turned away for their number."),

		kv: newKVSampler(f),
	}
	if cfg.Compat {
		s.compat = newCompatSampler(f)
	}
	return s
}

// Describe lists the metrics.
func (s *sampler) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range s.metrics.families.sampled {
		ch <- d
	}
}

// Collect asks the sources.
func (s *sampler) Collect(ch chan<- prometheus.Metric) {
	out := samples(ch)
	out.add(s.info, 1, s.cfg.Version, s.cfg.Environment)
	out.add(s.build, 1, s.cfg.Version, s.cfg.Revision, s.cfg.GoVersion)
	mem := memory()
	for kind, bytes := range mem {
		out.add(s.memory, bytes, kind)
	}
	if s.compat != nil {
		s.compat.collectMachine(out, mem)
	}
	src := s.metrics.sources.Load()
	if src == nil {
		return
	}
	s.collectStorage(src, out)
	s.collectDecoders(src, out)
	s.collectQueues(src, out)
	s.collectCache(src, out)
	s.collectHealth(src, out)
	if src.KV != nil {
		if k, ok := src.KV(); ok {
			s.kv.collect(&k, out)
		}
	}
	if src.Events != nil {
		for bus, e := range src.Events() {
			out.add(s.published, float64(e.Published), bus)
			out.add(s.dropped, float64(e.Dropped), bus)
		}
	}
	if src.HTTP != nil {
		h := src.HTTP()
		out.add(s.streams, float64(h.Streams))
		out.add(s.httpConnections, float64(h.Connections))
		out.add(s.refused, float64(h.Refused))
	}
}

// collectStorage tells of the database, the disk and what is stored.
func (s *sampler) collectStorage(src *Sources, out samples) {
	if src.Database != nil {
		works := number(src.Database())
		out.add(s.connections, works)
		if c := s.compat; c != nil {
			out.add(c.poolSize, 1)
			out.add(c.poolFree, works)
		}
	}
	if src.Disk != nil {
		d := src.Disk()
		out.add(s.free, float64(d.Free))
		out.add(s.size, float64(d.Total))
		out.add(s.reserve, float64(d.Reserve))
		out.add(s.low, number(d.Low))
	}
	if src.Data == nil {
		return
	}
	d := src.Data()
	if !d.Known {
		return
	}
	out.add(s.blobs, float64(d.Blobs))
	out.add(s.data, float64(d.BlobBytes), "blobs")
	out.add(s.data, float64(d.ResultBytes), "results")
	out.add(s.data, float64(d.StoreBytes), "store")
	for kind, n := range d.Records {
		out.add(s.records, float64(n), kind)
	}
}

// collectDecoders tells of plugins and of the processes that run them.
func (s *sampler) collectDecoders(src *Sources, out samples) {
	label := s.metrics.workers.plugins.label
	if src.Workers != nil {
		w := src.Workers()
		out.add(s.active, float64(w.Idle+w.Busy))
		out.add(s.workers, float64(w.Idle), "idle")
		out.add(s.workers, float64(w.Busy), "busy")
		out.add(s.places, float64(w.Places))
		out.add(s.waiting, float64(w.Waiting))
		rss := sums{}
		for plugin, bytes := range w.Memory {
			rss.add(float64(bytes), label(plugin))
		}
		out.addSums(s.rss, rss, 1)
	}
	if src.Plugins == nil {
		return
	}
	states, usable := map[string]int{}, map[string]bool{}
	for _, p := range src.Plugins() {
		states[p.State]++
		id := label(p.ID)
		usable[id] = usable[id] || p.Active
	}
	out.addEach(s.plugins, states)
	for id, on := range usable {
		out.add(s.usable, number(on), id)
		if s.compat != nil {
			out.add(s.compat.available, number(on), id)
		}
	}
}

// collectQueues tells of queues and batches.
func (s *sampler) collectQueues(src *Sources, out samples) {
	if src.Batches != nil {
		batches, files := src.Batches()
		out.addEach(s.batches, batches)
		out.addEach(s.batchFiles, files)
	}
	if src.Queues == nil {
		return
	}
	queues := s.metrics.jobs.kinds.first
	jobs, queued, oldest := sums{}, sums{}, map[string]float64{}
	for _, q := range src.Queues() {
		name, weight := queues.label(q.Name), strconv.Itoa(q.Weight)
		if name == queues.other {
			weight = queues.other
		}
		pending := int64(0)
		for state, n := range q.Jobs {
			jobs.add(float64(n), name, state)
			if notBegun(state) {
				pending += n
			}
		}
		queued.add(float64(pending), name, weight)
		oldest[name] = max(oldest[name], q.Oldest.Seconds())
	}
	out.addSums(s.jobs, jobs, 2)
	for name, age := range oldest {
		out.add(s.oldest, age, name)
	}
	if s.compat != nil {
		out.addSums(s.compat.queued, queued, 2)
	}
}

// notBegun reports whether jobs in a state wait for their next run.
func notBegun(state string) bool {
	return state == "waiting" || state == "scheduled" || state == "ready" || state == "retry"
}

func (s *sampler) collectCache(src *Sources, out samples) {
	if src.Cache == nil {
		return
	}
	c := src.Cache()
	out.add(s.cacheRatio, c.Ratio)
	if s.compat == nil {
		return
	}
	out.add(s.compat.hitRate, 100*c.Ratio)
	if c.Known {
		out.add(s.compat.cacheMemory, float64(c.Memory))
		out.add(s.compat.evictions, float64(c.Evictions))
	}
}

func (s *sampler) collectHealth(src *Sources, out samples) {
	if src.Health == nil {
		return
	}
	r := src.Health()
	out.add(s.readiness, number(r.Ready))
	up := map[Status]float64{Healthy: 1, Degraded: .5, Unhealthy: 0}
	seen := map[string]bool{}
	for _, c := range r.Components {
		if !seen[c.Name] { // a name twice would spoil the whole answer
			out.add(s.component, up[c.Status], c.Name)
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
