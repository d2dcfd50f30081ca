package httpapi

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/catalog"
)

// BenchmarkReads is what the API itself adds to reading records: they are in memory here.
func BenchmarkReads(b *testing.B) {
	w := newWorld(b)
	w.cfg.Logger = slog.New(slog.DiscardHandler)
	s, err := newServer(w.cfg.withDefaults())
	if err != nil {
		b.Fatal(err)
	}
	for i := range 100 {
		_, d := w.addDecode(catalog.Done, strings.Repeat("x", i))
		tables := w.decode(d.ID)
		for range 12 {
			tables.Tables = append(tables.Tables, catalog.Table{Name: "some_table", Rows: 1234, Bytes: 56789, Columns: 12})
		}
	}
	for _, path := range []string{"/files/f0001", "/files?limit=100", "/decodes/d0001", "/decodes?limit=100", "/decodes?limit=100&fields=id,status", "/plugins"} {
		b.Run(strings.ReplaceAll(path[1:], "/", "-"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, pathPrefix+path, nil)
				r.Host = "localhost"
				rec := httptest.NewRecorder()
				s.echo.ServeHTTP(rec, r)
				if rec.Code != http.StatusOK {
					b.Fatal(rec.Body)
				}
			}
		})
	}
}
