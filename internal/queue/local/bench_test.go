package local

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// BenchmarkFlush is what the disk does at most: one small write and fdatasync after the other.
func BenchmarkFlush(b *testing.B) {
	f, err := os.OpenFile(filepath.Join(b.TempDir(), "f"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := f.Truncate(1 << 20); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 256)
	for i := range b.N {
		if _, err := f.WriteAt(buf, int64(i%4096)*256); err != nil {
			b.Fatal(err)
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "flushes/s")
}

func BenchmarkEnqueue64(b *testing.B) {
	e := openBox(b, b.TempDir(), Config{})
	payload := []byte(`{"decode_id":"d0000000001"}`)
	b.ResetTimer()
	each(b.N, 64, func() {
		if _, err := e.Enqueue(b.Context(), queue.New{Type: "a", Payload: payload}); err != nil {
			b.Error(err)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

func BenchmarkLeaseFinish64(b *testing.B) {
	e := openBox(b, b.TempDir(), Config{})
	fill(b, e, b.N)
	b.ResetTimer()
	each(b.N, 64, func() {
		l, err := e.Lease(b.Context(), queue.LeaseRequest{Types: []string{"a"}})
		if err != nil {
			b.Error(err)
			return
		}
		if err := e.Finish(b.Context(), l[0].Lease, queue.Outcome{}); err != nil {
			b.Error(err)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

// BenchmarkSlowDisk is enqueueing, and lease and acknowledgement by workers outside, on a disk whose flushes take 5 ms:
// by 64 at once, and by one alone, for whom each is a flush of its own.
func BenchmarkSlowDisk(b *testing.B) {
	for _, clients := range []int{1, 64} {
		run := func(name string, before, do func(e *box)) {
			b.Run(fmt.Sprintf("%s/%d", name, clients), func(b *testing.B) {
				e := openHooked(b, b.TempDir(), Config{}, (*Engine).Run, func(p store.Point) error {
					if p == store.BeforeSync {
						time.Sleep(5 * time.Millisecond)
					}
					return nil
				})
				before(e)
				b.ResetTimer()
				each(b.N, clients, func() { do(e) })
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
			})
		}
		run("enqueue", func(*box) {}, func(e *box) {
			if _, err := e.Enqueue(b.Context(), queue.New{Type: "a"}); err != nil {
				b.Error(err)
			}
		})
		held := make(chan queue.Lease, clients)
		run("lease+ack", func(e *box) {
			fill(b, e, 100_000)
			for len(held) > 0 {
				<-held
			}
			for _, l := range mustLeaseOutside(b, e.Engine, queue.ExternalRequest{Max: clients}) {
				held <- l.Lease
			}
		}, func(e *box) {
			ended, l, err := e.FinishAndLease(b.Context(), []queue.End{{Lease: <-held}}, queue.ExternalRequest{Worker: "w"})
			if err != nil || ended[0].Lost || len(l) != 1 {
				b.Errorf("%+v, %v", ended, err)
				return
			}
			held <- l[0].Lease
		})
	}
}

// BenchmarkOutside64 is lease and acknowledgement by workers outside the process, who end runs and take the next in one call.
func BenchmarkOutside64(b *testing.B) {
	for _, batch := range []int{1, 16} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			e := openBox(b, b.TempDir(), Config{})
			fill(b, e, b.N)
			b.ResetTimer()
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			for range 64 {
				wg.Go(func() {
					var ends []queue.End
					for left.Load() > 0 || len(ends) > 0 {
						_, l, err := e.FinishAndLease(b.Context(), ends, queue.ExternalRequest{Worker: "w", Max: batch, NoWait: true})
						if err != nil {
							b.Error(err)
							return
						}
						ends = ends[:0]
						for i := range l {
							ends = append(ends, queue.End{Lease: l[i].Lease})
						}
						left.Add(-int64(len(l)))
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

// BenchmarkFlow makes and runs flows of ten jobs, the last of which waits for the others.
func BenchmarkFlow(b *testing.B) {
	e := openBox(b, b.TempDir(), Config{})
	b.ResetTimer()
	each(b.N, 64, func() {
		group := make([]queue.FlowJob, 9)
		for i := range group {
			group[i] = queue.FlowJob{Key: fmt.Sprint("g", i), New: queue.New{Type: "a"}}
		}
		if _, err := e.CreateFlow(b.Context(), queue.Chord(group, queue.FlowJob{Key: "then", New: queue.New{Type: "a"}})); err != nil {
			b.Error(err)
		}
		for range 10 {
			l, err := e.Lease(b.Context(), queue.LeaseRequest{})
			if err != nil {
				b.Error(err)
				return
			}
			if err := e.Finish(b.Context(), l[0].Lease, queue.Outcome{}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(10*float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

// BenchmarkStart is the time from the call of Enqueue, with nothing else going on, to the start of the handler.
func BenchmarkStart(b *testing.B) {
	e := openBox(b, b.TempDir(), Config{})
	started := make(chan time.Time)
	go func() {
		for range b.N {
			l, err := e.Lease(b.Context(), queue.LeaseRequest{})
			if err != nil {
				return
			}
			started <- time.Now()
			_ = e.Finish(b.Context(), l[0].Lease, queue.Outcome{})
		}
	}()
	waits := make([]time.Duration, b.N)
	for i := range waits {
		time.Sleep(time.Millisecond) // idle
		at := time.Now()
		mustEnqueue(b, e.Engine, queue.New{Type: "a"})
		waits[i] = (<-started).Sub(at)
	}
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkOpen opens a queue with a million pending jobs.
func BenchmarkOpen(b *testing.B) {
	const pending = 1_000_000
	e := openBox(b, b.TempDir(), Config{})
	fill(b, e, pending)
	var bytes int64
	_ = filepath.Walk(filepath.Join(e.dir, "db"), func(_ string, i os.FileInfo, err error) error {
		if err == nil {
			bytes += i.Size()
		}
		return nil
	})
	for b.Loop() {
		e = e.reopen(b)
	}
	b.ReportMetric(float64(bytes)/pending, "B/job")
	b.ReportMetric(rssAnon(b), "anon-MB")
}

// rssAnon gives the anonymous memory of this process in MB, after giving back what is garbage.
func rssAnon(b *testing.B) float64 {
	b.Helper()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("no /proc")
	}
	var kb float64
	for line := range strings.Lines(string(status)) {
		_, _ = fmt.Sscanf(line, "RssAnon: %f kB", &kb)
	}
	return kb / 1024
}

func fill(b *testing.B, e *box, n int) {
	b.Helper()
	for n > 0 {
		batch := make([]queue.New, min(n, 1000))
		for i := range batch {
			batch[i] = queue.New{Type: "a", Payload: []byte(`{"decode_id":"d0000000001"}`)}
		}
		mustEnqueue(b, e.Engine, batch...)
		n -= len(batch)
	}
}

// each calls f n times from workers goroutines.
func each(n, workers int, f func()) {
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				f()
			}
		})
	}
	wg.Wait()
}
