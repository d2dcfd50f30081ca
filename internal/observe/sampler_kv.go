package observe

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// KV is how the Redis-protocol server is. Counts are since the start, or since a client has set them back.
type KV struct {
	Clients, Blocked  int
	Accepted, Refused int64 // connections
	Received, Sent    int64 // bytes
	Used, MaxMemory   int64 // bytes
	Expired, Evicted  int64 // keys
	Hits, Misses      int64
	Errors            int64
	CommandsPerSecond float64
	Databases         []KVDatabase          // by number
	Families          map[string]KVCommands // by kind of command, of which there are few
	Log               KVLog
}

// KVDatabase are the keys of a database, and those of them that have an end.
type KVDatabase struct{ Keys, Ends int }

// KVCommands is what commands of one kind did: those that ran, that failed while they did, and that were refused before.
type KVCommands struct {
	Calls, Failed, Rejected int64
	Took                    time.Duration
}

// KVLog is how the log of changes is. Sizes are bytes.
type KVLog struct {
	Size, Base, Backlog int64 // all files, the copy of the keys among them, what is not written yet
	Rewrites            int64 // compactions
	Failing             bool  // what commands change cannot be written at the moment
	RewriteFailed       bool  // the last compaction did
}

// kvSampler gives the server's metrics from one look at it.
type kvSampler struct {
	single                           []kvSeries
	keys, ends                       series
	calls, failed, rejected, seconds series
}

// kvSeries is a metric without labels.
type kvSeries struct {
	series
	value func(k *KV) float64
}

func newKVSampler(f *families) kvSampler {
	gauge := func(name, help string, value func(k *KV) float64) kvSeries {
		return kvSeries{f.sampledGauge("wayside_kv_"+name, help), value}
	}
	count := func(name, help string, value func(k *KV) int64) kvSeries {
		return kvSeries{f.sampledCounter("wayside_kv_"+name, help), func(k *KV) float64 { return float64(value(k)) }}
	}
	return kvSampler{
		single: []kvSeries{
			gauge("clients", "Clients of the Redis-protocol server.", func(k *KV) float64 { return float64(k.Clients) }),
			gauge("clients_blocked", "Clients that wait for a key or for the end of a pause.", func(k *KV) float64 { return float64(k.Blocked) }),
			count("connections_accepted_total", "Connections accepted.", func(k *KV) int64 { return k.Accepted }),
			count("connections_refused_total", "Connections refused, for the number of clients.", func(k *KV) int64 { return k.Refused }),
			count("received_bytes_total", "Bytes that clients sent.", func(k *KV) int64 { return k.Received }),
			count("sent_bytes_total", "Bytes sent to clients.", func(k *KV) int64 { return k.Sent }),
			gauge("memory_bytes", "Memory of keys and values.", func(k *KV) float64 { return float64(k.Used) }),
			gauge("memory_limit_bytes", "Bound of that memory; 0: there is none.", func(k *KV) float64 { return float64(k.MaxMemory) }),
			count("expired_keys_total", "Keys whose time was over.", func(k *KV) int64 { return k.Expired }),
			count("evicted_keys_total", "Keys that made room for others.", func(k *KV) int64 { return k.Evicted }),
			count("hits_total", "Keys that commands looked for and found.", func(k *KV) int64 { return k.Hits }),
			count("misses_total", "Keys that commands looked for and did not find.", func(k *KV) int64 { return k.Misses }),
			count("errors_total", "Answers that were errors.", func(k *KV) int64 { return k.Errors }),
			gauge("commands_per_second", "Commands a second, over the last second.", func(k *KV) float64 { return k.CommandsPerSecond }),
			gauge("aof_size_bytes", "Size of the log of changes, the copy of the keys in it included.", func(k *KV) float64 { return float64(k.Log.Size) }),
			gauge("aof_base_bytes", "Size of the copy of the keys in the log.", func(k *KV) float64 { return float64(k.Log.Base) }),
			gauge("aof_backlog_bytes", "Changes that are not written yet.", func(k *KV) float64 { return float64(k.Log.Backlog) }),
			count("aof_rewrites_total", "Times that the log was compacted.", func(k *KV) int64 { return k.Log.Rewrites }),
			gauge("aof_failing", "1 while changes cannot be written, and commands that change something are refused.",
				func(k *KV) float64 { return number(k.Log.Failing) }),
			gauge("aof_rewrite_failed", "1 when the last compaction of the log has failed.", func(k *KV) float64 { return number(k.Log.RewriteFailed) }),
		},
		keys:     f.sampledGauge("wayside_kv_keys", "Keys by database.", "db"),
		ends:     f.sampledGauge("wayside_kv_keys_expiring", "Keys that have an end, by database.", "db"),
		calls:    f.sampledCounter("wayside_kv_commands_total", "Commands that ran, by family.", "family"),
		failed:   f.sampledCounter("wayside_kv_commands_failed_total", "Commands that ran and were answered with an error, by family.", "family"),
		rejected: f.sampledCounter("wayside_kv_commands_rejected_total", "Commands that were refused before they ran, by family.", "family"),
		seconds:  f.sampledCounter("wayside_kv_commands_seconds_total", "Time that commands ran, by family.", "family"),
	}
}

func (s *kvSampler) collect(k *KV, out samples) {
	for _, m := range s.single {
		out.add(m.series, m.value(k))
	}
	for i, d := range k.Databases {
		db := strconv.Itoa(i)
		out.add(s.keys, float64(d.Keys), db)
		out.add(s.ends, float64(d.Ends), db)
	}
	for family, c := range k.Families {
		out.add(s.calls, float64(c.Calls), family)
		out.add(s.failed, float64(c.Failed), family)
		out.add(s.rejected, float64(c.Rejected), family)
		out.add(s.seconds, c.Took.Seconds(), family)
	}
}

// newLogFlush times the flushes of the Redis-protocol server's log.
func newLogFlush(f *families) prometheus.Histogram {
	return f.histogram("wayside_kv_aof_fsync_seconds", "Time of flushing the log of changes to the disk.",
		[]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5})
}

// LogFlushed counts a flush of the Redis-protocol server's log.
func (m *Metrics) LogFlushed(took time.Duration) { m.logFlush.Observe(took.Seconds()) }
