package httpapi

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSeries(t *testing.T) {
	w, _ := withTable(t, 1000)
	base := "/decodes/d0001/tables/points/series"
	m := w.get(base + "?y=speed,kind&points=4&to=900").json(t)
	want := map[string]any{
		"x_column": "seq", "rows": 900.0, "buckets": 4.0, "x": []any{1.0, 226.0, 451.0, 676.0},
		"series": []any{
			map[string]any{
				"name": "speed", "unit": "km/h", "min": []any{0.0, 112.5, 225.0, 337.5},
				"max": []any{112.0, 224.5, 337.0, 449.5}, "last": []any{112.0, 224.5, 337.0, 449.5},
			},
			map[string]any{
				"name": "kind", "unit": "", "min": []any{"a", "a", "a", "a"},
				"max": []any{"b", "b", "b", "b"}, "last": []any{"a", "b", "a", "b"},
			},
		},
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("buckets (-want +got):\n%s", diff)
	}
	m = w.get(base + "?y=kind&x=speed&from=1&to=4.5&where=kind:eq:b&q=P&int64=string").json(t)
	want = map[string]any{
		"x_column": "speed", "rows": 3.0, "buckets": 0.0, "x": []any{1.5, 2.5, 3.5},
		"series": []any{map[string]any{
			"name": "kind", "unit": "", "min": []any{"b", "b", "b"}, "max": []any{"b", "b", "b"}, "last": []any{"b", "b", "b"},
		}},
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if m = w.get(base + "?y=seq&int64=string&points=1").json(t); m["x"].([]any)[0] != "1" {
		t.Errorf("64-bit integers as text: %v", m)
	}
	if n := len(w.get(base + "?y=speed").json(t)["x"].([]any)); n != 1000 {
		t.Errorf("%d points by default", n)
	}
	res := w.get(base + "?y=speed")
	if res = w.get(base+"?y=speed", header("If-None-Match", res.Header.Get("Etag"))); res.StatusCode != http.StatusNotModified {
		t.Errorf("If-None-Match: %d", res.StatusCode)
	}
	if res = w.get(base+"?y=speed", header("Accept-Encoding", "gzip")); res.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("gzip: %v", res.Header)
	}
}

func TestSeriesOfATableWithoutRows(t *testing.T) {
	w, _ := withTable(t, 0)
	m := w.get("/decodes/d0001/tables/points/series?y=speed").json(t)
	want := map[string]any{
		"x_column": "seq", "rows": 0.0, "buckets": 0.0, "x": []any{},
		"series": []any{map[string]any{"name": "speed", "unit": "km/h", "min": []any{}, "max": []any{}, "last": []any{}}},
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSeriesRefuses(t *testing.T) {
	w, _ := withTable(t, 10)
	for query, field := range map[string]string{
		"":                                     "y",
		"?y=nope":                              "y",
		"?y=name":                              "y",
		"?y=a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a": "y",
		"?y=speed&x=name":                      "x",
		"?y=speed&x=nope":                      "x",
		"?y=speed&from=a":                      "from",
		"?y=speed&from=5&to=4":                 "from",
		"?y=speed&to=1.5":                      "to",
		"?y=speed&points=0":                    "points",
		"?y=speed&points=10001":                "points",
		"?y=speed&points=many":                 "points",
		"?y=speed&where=seq:eq:":               "where",
		"?y=speed&int64=text":                  "int64",
	} {
		res := w.get("/decodes/d0001/tables/points/series" + query)
		wantProblem(t, res, 422, "validation_failed")
		fields, _ := res.json(t)["errors"].([]any)
		if len(fields) != 1 || fields[0].(map[string]any)["field"] != field {
			t.Errorf("%s: %s", query, res.body)
		}
	}
	wantProblem(t, w.get("/decodes/d0001/tables/nope/series?y=a"), 404, "not_found")
	wantProblem(t, w.get("/decodes/zz/tables/points/series?y=a"), 404, "not_found")
}

// BenchmarkSeries asks for a chart of a table of 1 Mi rows.
func BenchmarkSeries(b *testing.B) {
	w := newWorld(b).start()
	_, d := w.addDecode("done", "RU1")
	w.writeTable(d, 1<<20)
	for name, accept := range map[string]string{"plain": "identity", "gzip": "gzip"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if res := w.get("/decodes/d0001/tables/points/series?y=speed", header("Accept-Encoding", accept)); res.StatusCode != http.StatusOK {
					b.Fatal(res.Status)
				}
			}
		})
	}
}
