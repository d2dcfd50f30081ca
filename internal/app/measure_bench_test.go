package app

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/observe"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/queue/local"
	"github.com/wayside-edge/wayside/internal/store"
)

// BenchmarkScrape asks for the metrics while a million jobs wait in twenty queues, and as many routes as the appliance has
// were asked for: it is to take no more than 20 ms.
func BenchmarkScrape(b *testing.B) {
	const jobs, queues, routes = 1_000_000, 20, 150
	dir := b.TempDir()
	m := observe.NewMetrics(observe.MetricsConfig{Compat: true})
	db, err := store.Open(b.Context(), store.Config{Dir: filepath.Join(dir, "db"), Reserve: 1 << 20, Ballast: -1, Recorder: m})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	engine, err := local.Open(b.Context(), local.Config{DB: db, SlotFile: filepath.Join(dir, "slots"), Recorder: jobRecorder{m}})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = engine.Close() }()
	list := make([]queue.New, 1000)
	for n := range jobs / len(list) {
		for i := range list {
			list[i] = queue.New{Type: "t", Queue: fmt.Sprint("q", n%queues)}
		}
		if _, err := engine.Enqueue(b.Context(), list...); err != nil {
			b.Fatal(err)
		}
	}
	for i := range routes {
		r := fmt.Sprintf("/api/v1/route%d/{id}", i)
		for _, status := range []int{200, 401, 404, 422} {
			m.RequestStarted(http.MethodGet, r)
			m.RequestDone(b.Context(), observe.Answer{Method: http.MethodGet, Endpoint: r, Status: status, Took: time.Millisecond})
		}
	}
	a := &appliance{engine: engine}
	m.Attach(observe.Sources{Queues: func() []observe.Queue { return a.queues(b.Context()) }})
	h := m.Handler()
	for b.Loop() {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/metrics", http.NoBody))
		n, err := io.Copy(io.Discard, rec.Body)
		if err != nil || rec.Code != http.StatusOK {
			b.Fatal(rec.Code, err)
		}
		b.SetBytes(n)
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/scrape")
}
