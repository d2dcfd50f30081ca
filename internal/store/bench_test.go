package store

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
)

// BenchmarkCommit lets 64 producers commit small batches and reports, beside their rate, the rate of bare flushes of
// the same disk, measured in the same run.
func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("%d-producers", n), func(b *testing.B) {
			flushes := rawFlushes(b)
			cfg := Config{Dir: filepath.Join(b.TempDir(), "db")}
			db := openTest(b, cfg)
			s := db.Space("x/")
			value := make([]byte, 200)
			var next atomic.Int64
			b.ResetTimer()
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					for {
						i := next.Add(1)
						if i > int64(b.N) {
							return
						}
						batch := db.Batch()
						batch.Set(s, fmt.Appendf(nil, "%012d", i), value)
						batch.Set(s, fmt.Appendf(nil, "s%012d", i), value[:60])
						if err := db.Commit(b.Context(), batch); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			rate := float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "commits/s")
			b.ReportMetric(flushes, "raw-flushes/s")
			b.ReportMetric(rate/flushes, "commits/flush")
		})
	}
}

func rawFlushes(b *testing.B) float64 {
	b.Helper()
	f, err := os.OpenFile(filepath.Join(b.TempDir(), "raw"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	buf := make([]byte, 300)
	start, n := time.Now(), 0
	for ; time.Since(start) < 300*time.Millisecond; n++ {
		if _, err := f.WriteAt(buf, int64(n)*300); err != nil {
			b.Fatal(err)
		}
		if err := disk.Datasync(f); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(start).Seconds()
}

func BenchmarkGet(b *testing.B) {
	db := openTest(b, testConfig(b))
	s := db.Space("x/")
	set(b, db, s, "k", "some value of a record")
	for b.Loop() {
		if _, err := s.Get([]byte("k")); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkScan reads 200,000 small records, as the queue does when it opens; one operation is one record.
func BenchmarkScan(b *testing.B) {
	db := openTest(b, Config{Dir: filepath.Join(b.TempDir(), "db")})
	s := db.Space("x/")
	const n = 200_000
	batch := db.Batch()
	for i := range n {
		batch.Set(s, fmt.Appendf(nil, "%012d", i), make([]byte, 60))
		if batch.Len() == 1000 || i == n-1 {
			if err := db.Commit(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
			batch = db.Batch()
		}
	}
	b.ResetTimer()
	for seen := 0; seen < b.N; {
		err := s.Scan(b.Context(), ScanOptions{}, func(_, _ []byte) (bool, error) {
			seen++
			return seen < b.N, nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
