package httpapi

import (
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/catalog"
)

// BenchmarkRows asks over a connection for 10,000 rows out of the middle of 200,000: what the console scrolls through.
func BenchmarkRows(b *testing.B) {
	w := newWorld(b).start()
	_, d := w.addDecode(catalog.Done, "RU1")
	w.writeTable(d, 200_000)
	next, ok := w.get("/decodes/d0001/tables/points/rows?limit=10000").json(b)["next_cursor"].(string)
	if !ok {
		b.Fatal("no cursor")
	}
	for _, encoding := range []string{"identity", "gzip", "zstd"} {
		b.Run(encoding, func(b *testing.B) {
			var took []time.Duration
			b.ReportAllocs()
			for b.Loop() {
				began := time.Now()
				req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, w.url("/decodes/d0001/tables/points/rows?limit=10000&cursor="+next), nil)
				if err != nil {
					b.Fatal(err)
				}
				req.Header.Set("Accept-Encoding", encoding)
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if err != nil || res.StatusCode != http.StatusOK {
					b.Fatal(res.Status, n, err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100])/1e6, "p95-ms")
		})
	}
}
