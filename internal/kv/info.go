package kv

import (
	"fmt"
	"maps"
	"os"
	goruntime "runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// section is one of INFO.
type section struct {
	name, title string
	usual       bool // is there when nothing was asked for
	write       func(w *infoWriter)
}

// infoWriter collects fields.
type infoWriter struct{ strings.Builder }

func (w *infoWriter) field(name string, value any) { fmt.Fprintf(w, "%s:%v\r\n", name, value) }

// fields writes names with values in turn.
func (w *infoWriter) fields(pairs ...any) {
	for pair := range slices.Chunk(pairs, 2) {
		fmt.Fprintf(w, "%v:%v\r\n", pair...)
	}
}

func (s *Server) sections() []section {
	return []section{
		{"server", "Server", true, s.infoServer},
		{"clients", "Clients", true, s.infoClients},
		{"memory", "Memory", true, s.infoMemory},
		{"persistence", "Persistence", true, s.infoPersistence},
		{"stats", "Stats", true, s.infoStats},
		{"replication", "Replication", true, s.infoReplication},
		{"cpu", "CPU", true, infoCPU},
		{"modules", "Modules", true, func(*infoWriter) {}},
		{"commandstats", "Commandstats", false, s.infoCommands},
		{"errorstats", "Errorstats", true, s.infoErrors},
		{"latencystats", "Latencystats", false, s.infoLatency},
		{"cluster", "Cluster", true, func(w *infoWriter) { w.field("cluster_enabled", 0) }},
		{"keyspace", "Keyspace", true, s.infoKeyspace},
	}
}

func (s *Server) infoCmd(c *engine.Ctx) {
	asked := map[string]bool{}
	for _, arg := range c.Args[1:] {
		asked[strings.ToLower(string(arg))] = true
	}
	all := asked["all"] || asked["everything"]
	usual := len(asked) == 0 || asked["default"]
	w := &infoWriter{}
	for _, sec := range s.sections() {
		if !all && (!usual || !sec.usual) && !asked[sec.name] {
			continue
		}
		if w.Len() > 0 {
			w.WriteString("\r\n")
		}
		w.WriteString("# " + sec.title + "\r\n")
		sec.write(w)
	}
	c.Out.Verbatim("txt", w.String())
}

func (s *Server) infoServer(w *infoWriter) {
	now := time.UnixMilli(s.engine.Now())
	up := int64(now.Sub(s.begun) / time.Second)
	port := s.params["port"].get()
	w.fields("redis_version", redisVersion, "redis_git_sha1", "00000000", "redis_git_dirty", 0, "redis_build_id", "wayside", "redis_mode", "standalone",
		"wayside_version", s.cfg.Version, "os", goruntime.GOOS+" "+goruntime.GOARCH, "arch_bits", 32<<(^uint(0)>>63), "monotonic_clock", "go",
		"multiplexing_api", "go", "atomicvar_api", "go", "gcc_version", "0.0.0", "go_version", goruntime.Version(), "process_id", os.Getpid(),
		"process_supervised", "no", "run_id", s.runID, "tcp_port", port, "server_time_usec", now.UnixMicro(), "uptime_in_seconds", up,
		"uptime_in_days", up/86400, "hz", 10, "configured_hz", 10, "lru_clock", now.Unix()&(1<<24-1), "executable", "", "config_file", "",
		"io_threads_active", 0)
}

func (s *Server) infoClients(w *infoWriter) {
	var in, out int64
	for _, c := range s.clients {
		in, out = max(in, int64(c.held)), max(out, c.pending())
	}
	w.fields("connected_clients", len(s.clients), "cluster_connections", 0, "maxclients", s.set.maxClients, "client_recent_max_input_buffer", in,
		"client_recent_max_output_buffer", out, "blocked_clients", s.engine.Blocked(), "tracking_clients", s.tracked.clients,
		"clients_in_timeout_table", 0)
}

// heapMetric is one number of Go's about memory.
type heapMetric struct {
	name  string
	value int64
}

// heapMetrics asks Go about memory, which stops nothing.
func heapMetrics() []heapMetric {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/gc/heap/goal:bytes"},
	}
	metrics.Read(samples)
	list := make([]heapMetric, len(samples))
	for i, m := range samples {
		list[i] = heapMetric{name: m.Name, value: int64(m.Value.Uint64())}
	}
	return list
}

// human is a number of bytes as INFO shows it.
func human(n int64) string {
	f, units := float64(n), "BKMGTP"
	i := 0
	for ; f >= 1024 && i < len(units)-1; i++ {
		f /= 1024
	}
	if i == 0 {
		return fmt.Sprintf("%dB", n)
	}
	return fmt.Sprintf("%.2f%c", f, units[i])
}

func (s *Server) infoMemory(w *infoWriter) {
	used := s.engine.Used()
	s.counts.peak = max(s.counts.peak, used)
	most, policy := s.engine.MaxMemory()
	heap := heapMetrics()
	objects, unused, released, total := heap[0].value, heap[1].value, heap[3].value, heap[4].value
	resident := total - released
	clients := s.clientBytes()
	ratio := 0.0
	if used > 0 {
		ratio = float64(resident) / float64(used)
	}
	percent := func(n, of int64) string { return fmt.Sprintf("%.2f%%", float64(n)*100/float64(max(of, 1))) }
	w.fields("used_memory", used, "used_memory_human", human(used), "used_memory_rss", resident, "used_memory_rss_human", human(resident),
		"used_memory_peak", s.counts.peak, "used_memory_peak_human", human(s.counts.peak), "used_memory_peak_perc", percent(used, s.counts.peak),
		"used_memory_overhead", clients, "used_memory_startup", 0, "used_memory_dataset", used, "used_memory_dataset_perc", percent(used, used),
		"allocator_allocated", objects, "allocator_active", objects+unused, "allocator_resident", resident,
		"used_memory_lua", 0, "used_memory_lua_human", "0B", "used_memory_vm_eval", 0, "used_memory_scripts_eval", s.scripts.Bytes(),
		"number_of_cached_scripts", s.scripts.Count(), "number_of_functions", 0, "number_of_libraries", 0, "used_memory_vm_functions", 0,
		"used_memory_vm_total", 0, "used_memory_vm_total_human", "0B", "used_memory_functions", 0, "used_memory_scripts", 0,
		"used_memory_scripts_human", "0B", "maxmemory", most, "maxmemory_human", human(most), "maxmemory_policy", policy,
		"allocator_frag_ratio", "1.00", "allocator_frag_bytes", unused, "allocator_rss_ratio", "1.00",
		"allocator_rss_bytes", 0, "rss_overhead_ratio", "1.00", "rss_overhead_bytes", 0, "mem_fragmentation_ratio", fmt.Sprintf("%.2f", ratio),
		"mem_fragmentation_bytes", resident-used, "mem_not_counted_for_evict", 0, "mem_replication_backlog", 0, "mem_total_replication_buffers", 0,
		"mem_clients_slaves", 0, "mem_clients_normal", clients, "mem_cluster_links", 0, "mem_aof_buffer", 0, "mem_allocator", "go",
		"active_defrag_running", 0, "lazyfree_pending_objects", 0, "lazyfreed_objects", 0)
}

func (s *Server) infoStats(w *infoWriter) {
	st, r := s.engine.Stats(), &s.counts.rate
	w.fields("total_connections_received", s.counts.accepted, "total_commands_processed", st.Commands, "instantaneous_ops_per_sec", int64(r.perSecond),
		"total_net_input_bytes", s.counts.input, "total_net_output_bytes", s.sent.Load(), "total_net_repl_input_bytes", 0,
		"total_net_repl_output_bytes", 0, "instantaneous_input_kbps", fmt.Sprintf("%.2f", r.inPerSecond/1024),
		"instantaneous_output_kbps", fmt.Sprintf("%.2f", r.outPerSecond/1024), "rejected_connections", s.counts.rejected,
		"sync_full", 0, "sync_partial_ok", 0, "sync_partial_err", 0, "expired_keys", st.Expired, "expired_stale_perc", fmt.Sprintf("%.2f", st.ExpiredStale),
		"expired_time_cap_reached_count", st.ExpireTimeExceeded, "expire_cycle_cpu_milliseconds", 0, "evicted_keys", st.Evicted, "evicted_clients", 0,
		"total_eviction_exceeded_time", 0, "current_eviction_exceeded_time", 0, "keyspace_hits", st.Hits, "keyspace_misses", st.Misses,
		"pubsub_channels", len(s.pubsub.by[channels]), "pubsub_patterns", len(s.pubsub.by[patterns]), "pubsubshard_channels", len(s.pubsub.by[shards]),
		"latest_fork_usec", 0, "total_forks", 0, "migrate_cached_sockets", 0, "slave_expires_tracked_keys", 0, "active_defrag_hits", 0,
		"active_defrag_misses", 0, "active_defrag_key_hits", 0, "active_defrag_key_misses", 0, "tracking_total_keys", len(s.tracked.keys),
		"tracking_total_items", s.tracked.items, "tracking_total_prefixes", len(s.tracked.prefixes), "unexpected_error_replies", 0,
		"total_error_replies", st.Errors, "dump_payload_sanitizations", 0, "total_reads_processed", s.counts.reads,
		"total_writes_processed", s.writes.Load(), "io_threaded_reads_processed", 0, "io_threaded_writes_processed", 0,
		"reply_buffer_shrinks", 0, "reply_buffer_expands", 0)
}

func (s *Server) infoReplication(w *infoWriter) {
	w.fields("role", "master", "connected_slaves", 0, "master_failover_state", "no-failover", "master_replid", s.runID,
		"master_replid2", strings.Repeat("0", len(s.runID)), "master_repl_offset", 0, "second_repl_offset", -1, "repl_backlog_active", 0,
		"repl_backlog_size", 0, "repl_backlog_first_byte_offset", 0, "repl_backlog_histlen", 0)
}

func infoCPU(w *infoWriter) {
	samples := []metrics.Sample{{Name: "/cpu/classes/user:cpu-seconds"}, {Name: "/cpu/classes/gc/total:cpu-seconds"}}
	metrics.Read(samples)
	w.fields("used_cpu_sys", fmt.Sprintf("%.6f", samples[1].Value.Float64()), "used_cpu_user", fmt.Sprintf("%.6f", samples[0].Value.Float64()),
		"used_cpu_sys_children", "0.000000", "used_cpu_user_children", "0.000000")
}

// eachCommand goes through all commands and subcommands that can be run.
func (s *Server) eachCommand(visit func(cmd *engine.Command)) {
	for cmd := range s.engine.Commands() {
		visit(cmd)
		for _, sub := range cmd.Subcommands() {
			visit(sub)
		}
	}
}

func (s *Server) infoCommands(w *infoWriter) {
	s.eachCommand(func(cmd *engine.Command) {
		st := cmd.Stats()
		if st.Calls == 0 && st.Rejected == 0 && st.Failed == 0 {
			return
		}
		usec := st.Nanos / 1000
		w.field("cmdstat_"+cmd.FullName(), fmt.Sprintf("calls=%d,usec=%d,usec_per_call=%.2f,rejected_calls=%d,failed_calls=%d",
			st.Calls, usec, float64(usec)/float64(max(st.Calls, 1)), st.Rejected, st.Failed))
	})
}

func (s *Server) infoErrors(w *infoWriter) {
	counts := s.engine.Stats().ErrorsByWord
	for _, word := range slices.Sorted(maps.Keys(counts)) {
		w.field("errorstat_"+word, fmt.Sprintf("count=%d", counts[word]))
	}
}

func (s *Server) infoKeyspace(w *infoWriter) {
	for db := range s.engine.Databases() {
		if keys, ends := s.engine.Size(db); keys > 0 {
			w.field(fmt.Sprintf("db%d", db), fmt.Sprintf("keys=%d,expires=%d,avg_ttl=0", keys, ends))
		}
	}
}
