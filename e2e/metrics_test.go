//go:build e2e

package e2e

import (
	"strconv"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/kv/kvtest"
	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

// measured gives what /metrics says of the series that begin so.
func (a *appliance) measured(prefix string) map[string]float64 {
	a.t.Helper()
	out := map[string]float64{}
	for line := range strings.Lines(a.text("/metrics")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(name, prefix) {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				a.t.Fatalf("metric %s: %v", line, err)
			}
			out[name] = n
		}
	}
	return out
}

// TestMetricsOfABatch: a batch is seen in the metrics, its files and its time.
func TestMetricsOfABatch(t *testing.T) {
	a := start(t, t.TempDir())
	before := a.measured("wayside_batch")
	for name, n := range before {
		if n != 0 {
			t.Errorf("before anything: %s %v", name, n)
		}
	}
	parts := railtest.Cut(example(t), 3)
	body := zipped(t, member{"1.RU", parts[0]}, member{"notes.txt", []byte("nothing that a decoder knows\n")}, member{"2.RU", parts[1]})
	b := a.batchEnd(a.batch("application/zip", "", body).ID)
	got := a.measured("wayside_batch")
	for name, want := range map[string]float64{
		`wayside_batches_finished_total{status="partial"}`:       1,
		`wayside_batch_files_total{state="done"}`:                2,
		`wayside_batch_files_total{state="failed"}`:              1,
		`wayside_batch_duration_seconds_count{status="partial"}`: 1,
		`wayside_batches{state="queued"}`:                        0,
		`wayside_batches{state="running"}`:                       0,
		`wayside_batch_files_open{state="pending"}`:              0,
		`wayside_batch_files_open{state="running"}`:              0,
	} {
		if n, ok := got[name]; !ok || n != want {
			t.Errorf("%s is %v after %+v, want %v", name, n, b, want)
		}
	}
	if took := got[`wayside_batch_duration_seconds_sum{status="partial"}`]; took <= 0 || took > 60 {
		t.Errorf("it took %v s", took)
	}
	if took, err := a.stop(); err != nil {
		t.Errorf("stop after %v: %v\n%s", took, err, a.log.tail())
	}
}

// TestMetricsOfTheRedisServer: what clients do is seen in the metrics, and what the log does on the disk.
func TestMetricsOfTheRedisServer(t *testing.T) {
	t.Setenv("WAYSIDE_KV_APPENDFSYNC", "always")
	t.Setenv("WAYSIDE_CACHE_ENABLED", "false") // its commands would be counted too
	addr := kvAddress(t)
	a := start(t, t.TempDir(), "--kv-listen", addr)
	if got := a.measured("wayside_kv_"); got[`wayside_kv_commands_total{family="string"}`] != 0 || got["wayside_kv_clients"] != 0 {
		t.Errorf("before anything: %v", got)
	}
	c := kvtest.Dial(t, addr)
	for _, line := range []string{"SET a 1", "SET b 1 EX 1000", "GET a", "GET c", "LPUSH a 1"} {
		c.Do(strings.Fields(line)...)
	}
	// A scrape shows what was seen last when the server is at work for longer than it waits.
	var got map[string]float64
	until(t, "the commands are counted", func() bool {
		got = a.measured("wayside_kv_")
		return got[`wayside_kv_commands_failed_total{family="list"}`] == 1 // the last of them
	})
	for name, want := range map[string]float64{
		"wayside_kv_clients":                                   1,
		`wayside_kv_commands_total{family="string"}`:           4,
		`wayside_kv_commands_failed_total{family="list"}`:      1,
		`wayside_kv_keys{db="0"}`:                              2,
		`wayside_kv_keys_expiring{db="0"}`:                     1,
		"wayside_kv_memory_limit_bytes":                        64 << 20,
		"wayside_kv_misses_total":                              1,
		"wayside_kv_aof_fsync_seconds_count":                   2,
		"wayside_kv_aof_failing":                               0,
		`wayside_kv_keys{db="15"}`:                             0,
		`wayside_kv_commands_rejected_total{family="cluster"}`: 0,
	} {
		if n, ok := got[name]; !ok || n != want {
			t.Errorf("%s is %v (%v), want %v", name, n, ok, want)
		}
	}
	if got["wayside_kv_memory_bytes"] <= 0 || got["wayside_kv_aof_size_bytes"] <= 0 || got["wayside_kv_aof_fsync_seconds_sum"] <= 0 {
		t.Errorf("sizes and times: %v", got)
	}
	if without := start(t, t.TempDir()).measured("wayside_kv_clients"); len(without) > 0 {
		t.Errorf("without a server: %v", without)
	}
}
