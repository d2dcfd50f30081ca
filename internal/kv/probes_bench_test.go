package kv_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// leastProbe is how long a probe is repeated, that another client has something to tell.
const leastProbe = 300 * time.Millisecond

// BenchmarkProbes measures what each probe costs another client, which sends a command a millisecond: the p99 of its
// answers and the longest. KV_PROBED is the address of a server in another process, which may be another program; without
// it the server shares this process with what probes it, and is disturbed by that too. `make kv-probes` has both.
func BenchmarkProbes(b *testing.B) {
	addr := os.Getenv("KV_PROBED")
	if addr == "" {
		_, addr = kvtest.Start(b, kv.Config{MaxClients: 20_000})
	}
	for _, p := range probes() {
		b.Run(strings.ReplaceAll(p.name, " ", "_"), func(b *testing.B) {
			var p99, longest time.Duration
			for range b.N {
				w := watch(b, addr)
				for begin := time.Now(); time.Since(begin) < leastProbe; {
					p.run(b, addr)
				}
				p, l := w.end(b)
				p99, longest = max(p99, p), max(longest, l)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(p99.Seconds()*1000, "p99-ms")
			b.ReportMetric(longest.Seconds()*1000, "longest-ms")
		})
	}
}
