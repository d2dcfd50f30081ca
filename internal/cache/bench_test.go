package cache

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// BenchmarkHit is a key that is there, among ten thousand of the size of a decode's: hits a second, and the time that 95 of
// 100 take at most. `go test -run - -bench Hit ./internal/cache`.
func BenchmarkHit(b *testing.B) {
	b.Run("embedded", func(b *testing.B) { benchmarkHit(b, Config{Engine: engine.New(engine.Config{})}) })
	b.Run("external", func(b *testing.B) {
		_, addr := kvtest.Start(b, kv.Config{})
		benchmarkHit(b, Config{URL: "redis://" + addr})
	})
}

func benchmarkHit(b *testing.B, cfg Config) {
	b.Helper()
	const keys = 10000
	cfg.Enabled, cfg.Prefix, cfg.Timeout, cfg.TTLs = true, "atp_re:", patience, TTLs{Default: time.Hour}
	c, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	value := []byte(`{"decode":"d0000000001","decoder":{"id":"rail","version":"0.2.0","sha256":"` + fmt.Sprintf("%064d", 1) +
		`"},"tables":[{"name":"events","rows":1234},{"name":"issues","rows":0}],"rows":1234,"status":"done"}`)
	key := func(i int) string { return fmt.Sprintf("decode:%064d:%064d:%064d", i%keys, 1, 2) }
	for i := range keys {
		if err := c.Put(b.Context(), key(i), value, 0); err != nil {
			b.Fatal(err)
		}
	}
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		k, began := key(i), time.Now()
		if it, err := c.Peek(b.Context(), k); err != nil || !it.Found {
			b.Fatal(it, err)
		}
		took = append(took, time.Since(began))
		c.Count(k, Hit, took[len(took)-1])
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*95/100].Nanoseconds())/1000, "µs/p95")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hits/s")
	if err := c.Close(); err != nil {
		b.Error(err)
	}
}
