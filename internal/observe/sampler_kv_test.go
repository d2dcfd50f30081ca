package observe

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func exercisedKV() *Metrics {
	m := exercised()
	src := *m.sources.Load()
	src.KV = func() (KV, bool) {
		return KV{
			Clients: 3, Blocked: 1, Accepted: 10, Refused: 2, Received: 1000, Sent: 2000, Used: 4096, MaxMemory: 65536, Expired: 5, Evicted: 6,
			Hits: 7, Misses: 8, Errors: 9, CommandsPerSecond: 1.5,
			Databases: []KVDatabase{{Keys: 20, Ends: 11}, {}},
			Families:  map[string]KVCommands{"string": {Calls: 100, Failed: 12, Rejected: 13, Took: 1500 * time.Millisecond}, "list": {}},
			Log:       KVLog{Size: 300, Base: 200, Backlog: 14, Rewrites: 15, Failing: true, RewriteFailed: true},
		}, true
	}
	m.Attach(src)
	m.LogFlushed(3 * time.Millisecond)
	return m
}

func TestKVValues(t *testing.T) {
	lines := scrape(t, exercisedKV(), "")
	want := []string{
		`wayside_kv_clients 3`, `wayside_kv_clients_blocked 1`, `wayside_kv_connections_accepted_total 10`, `wayside_kv_connections_refused_total 2`,
		`wayside_kv_received_bytes_total 1000`, `wayside_kv_sent_bytes_total 2000`, `wayside_kv_memory_bytes 4096`, `wayside_kv_memory_limit_bytes 65536`,
		`wayside_kv_expired_keys_total 5`, `wayside_kv_evicted_keys_total 6`, `wayside_kv_hits_total 7`, `wayside_kv_misses_total 8`,
		`wayside_kv_errors_total 9`, `wayside_kv_commands_per_second 1.5`,
		`wayside_kv_aof_size_bytes 300`, `wayside_kv_aof_base_bytes 200`, `wayside_kv_aof_backlog_bytes 14`, `wayside_kv_aof_rewrites_total 15`,
		`wayside_kv_aof_failing 1`, `wayside_kv_aof_rewrite_failed 1`,
		`wayside_kv_keys{db="0"} 20`, `wayside_kv_keys{db="1"} 0`, `wayside_kv_keys_expiring{db="0"} 11`, `wayside_kv_keys_expiring{db="1"} 0`,
		`wayside_kv_commands_total{family="string"} 100`, `wayside_kv_commands_failed_total{family="string"} 12`,
		`wayside_kv_commands_rejected_total{family="string"} 13`, `wayside_kv_commands_seconds_total{family="string"} 1.5`,
		`wayside_kv_commands_total{family="list"} 0`, `wayside_kv_commands_failed_total{family="list"} 0`,
		`wayside_kv_commands_rejected_total{family="list"} 0`, `wayside_kv_commands_seconds_total{family="list"} 0`,
		`wayside_kv_aof_fsync_seconds_bucket{le="0.0025"} 0`, `wayside_kv_aof_fsync_seconds_bucket{le="0.005"} 1`,
	}
	for _, w := range want {
		if !slices.Contains(lines, w) {
			t.Errorf("no line %s", w)
		}
	}
	for _, line := range lines {
		if strings.HasPrefix(line, "wayside_kv_") && !strings.HasPrefix(line, "wayside_kv_aof_fsync_seconds") && !slices.Contains(want, line) {
			t.Errorf("%s is not tested", line)
		}
	}
	for _, line := range scrape(t, exercised(), "") {
		if strings.HasPrefix(line, "wayside_kv_clients") {
			t.Errorf("without a server there is %s", line)
		}
	}
}
