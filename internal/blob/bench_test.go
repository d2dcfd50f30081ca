package blob

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkPut compares Put with writing, hashing and flushing the same bytes one after the other.
func BenchmarkPut(b *testing.B) {
	for _, size := range []int{10_000, 64 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			d := openTest(b, testConfig(b))
			data := content(size, 1)
			var put, plain time.Duration
			n := uint64(0)
			for b.Loop() {
				n++
				copy(data, fmt.Sprintf("%08d", n))
				start := time.Now()
				blob, err := d.Put(b.Context(), bytes.NewReader(data), 0)
				if err != nil {
					b.Fatal(err)
				}
				put += time.Since(start)
				blob.Release()
				if err := d.Remove(b.Context(), blob.SHA256); err != nil {
					b.Fatal(err)
				}
				plain += writeHashFlush(b, data)
			}
			b.SetBytes(int64(size))
			b.ReportMetric(float64(plain)/float64(put), "of-plain")
			b.ReportMetric(float64(put.Microseconds())/float64(n), "µs/put")
		})
	}
}

// BenchmarkExtend compares a piece, which is flushed on the way every keepBytes, with Put, which flushes at the end.
func BenchmarkExtend(b *testing.B) {
	d := openTest(b, testConfig(b))
	data := content(4*keepBytes, 1)
	var pieces, put time.Duration
	for n := uint64(0); b.Loop(); n++ {
		copy(data, fmt.Sprintf("%08d", n))
		keeps := 0
		p := Partial{Path: filepath.Join(d.cfg.TempDir, "piece")}
		start := time.Now()
		p, err := d.Extend(b.Context(), p, piece(bytes.NewReader(data), &keeps))
		if err != nil {
			b.Fatal(err)
		}
		pieces += time.Since(start)
		if err := os.Remove(p.Path); err != nil || keeps < 4 {
			b.Fatalf("kept %d times, %v", keeps, err)
		}
		start = time.Now()
		blob, err := d.Put(b.Context(), bytes.NewReader(data), 0)
		if err != nil {
			b.Fatal(err)
		}
		put += time.Since(start)
		blob.Release()
		if err := d.Remove(b.Context(), blob.SHA256); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(data)))
	b.ReportMetric(float64(pieces)/float64(put), "of-put")
}

func writeHashFlush(b *testing.B, data []byte) time.Duration {
	b.Helper()
	path := filepath.Join(b.TempDir(), "plain")
	start := time.Now()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	h := sha256.New()
	for i := 0; i < len(data); i += bufferSize {
		part := data[i:min(i+bufferSize, len(data))]
		h.Write(part)
		if _, err := f.Write(part); err != nil {
			b.Fatal(err)
		}
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		b.Fatal(err)
	}
	took := time.Since(start)
	if err := os.Remove(path); err != nil {
		b.Fatal(err)
	}
	return took
}

// BenchmarkPutSmall lets 8 clients store recordings of 10 kB.
func BenchmarkPutSmall(b *testing.B) {
	d := openTest(b, testConfig(b))
	var next atomic.Uint64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 8 {
		wg.Go(func() {
			data := content(10_000, 1)
			for {
				n := next.Add(1)
				if n > uint64(b.N) {
					return
				}
				copy(data, fmt.Sprintf("%08d", n))
				blob, err := d.Put(b.Context(), bytes.NewReader(data), 0)
				if err != nil {
					b.Error(err)
					return
				}
				blob.Release()
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "files/s")
}
