package httpapi

import (
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/table"
)

// writeIssues stores issues of a decode: every one at byte 88 of the input, every second about row 7 of points.
func (w *world) writeIssues(d catalog.Decode, severities ...byte) {
	w.t.Helper()
	n := len(severities)
	b := &table.Batch{Rows: n, Columns: make([]table.Vector, 7)}
	for _, c := range []int{3, 4, 5} {
		b.Columns[c].Offsets = []uint32{0}
	}
	b.Columns[5].Validity, b.Columns[6].Validity = make([]byte, (n+7)/8), make([]byte, (n+7)/8)
	text := func(c int, s string) {
		b.Columns[c].Data = append(b.Columns[c].Data, s...)
		b.Columns[c].Offsets = append(b.Columns[c].Offsets, uint32(len(b.Columns[c].Data)))
	}
	for i, sev := range severities {
		b.Columns[0].Data = appendLE(b.Columns[0].Data, uint64(i+1))
		b.Columns[1].Data = appendLE(b.Columns[1].Data, 88)
		b.Columns[2].Data = append(b.Columns[2].Data, sev)
		text(3, fmt.Sprintf("code_%d", sev))
		text(4, "ends <early>")
		if i%2 == 1 {
			b.Columns[5].Validity[i/8] |= 1 << (i % 8)
			b.Columns[6].Validity[i/8] |= 1 << (i % 8)
			b.Columns[5].Data = append(b.Columns[5].Data, "points"...)
		}
		b.Columns[5].Offsets = append(b.Columns[5].Offsets, uint32(len(b.Columns[5].Data)))
		b.Columns[6].Data = appendLE(b.Columns[6].Data, 7)
	}
	f, err := os.Create(w.dir + "/" + d.ResultKey + ".issues")
	if err != nil {
		w.t.Fatal(err)
	}
	enc, err := table.NewEncoder(table.Parquet, f, table.Issues(), table.EncodeOptions{})
	if err == nil {
		err = enc.Write(b)
	}
	if err == nil {
		err = enc.Close()
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.decode(d.ID).Tables[1].Rows = int64(n)
}

func TestIssues(t *testing.T) {
	w, d := withTable(t, 0)
	w.writeIssues(d, 3)
	m := w.get("/decodes/d0001/issues").json(t)
	want := []any{map[string]any{
		"seq": 1.0, "offset": 88.0, "severity": "fatal", "code": "code_3", "message": "ends <early>", "table": nil, "row": nil,
	}}
	if diff := cmp.Diff(want, m["items"]); diff != "" {
		t.Errorf("issues (-want +got):\n%s", diff)
	}
}

// TestIssuesAreFilteredAndPaged reads pages of two to their end.
func TestIssuesAreFilteredAndPaged(t *testing.T) {
	w, d := withTable(t, 0)
	w.writeIssues(d, 0, 1, 2, 1, 0, 2, 3, 1)
	for query, want := range map[string][]any{
		"":                                  {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0},
		"severity=warning":                  {2.0, 4.0, 8.0},
		"severity=error,fatal":              {3.0, 6.0, 7.0},
		"code=code_2":                       {3.0, 6.0},
		"code=nothing":                      nil,
		"table=points":                      {2.0, 4.0, 6.0, 8.0},
		"row=7&severity=error&table=points": {6.0},
		"row=8":                             nil,
		"fields=seq&severity=warning,error": {2.0, 3.0, 4.0, 6.0, 8.0},
	} {
		var got []any
		for cursor, pages := "", 0; ; pages++ {
			m := w.get("/decodes/d0001/issues?limit=2&" + query + "&cursor=" + cursor).json(t)
			items, ok := m["items"].([]any)
			if !ok || len(items) > 2 || pages > 5 {
				t.Fatalf("%s: %v", query, m)
			}
			for _, it := range items {
				got = append(got, it.(map[string]any)["seq"])
			}
			if cursor, ok = m["next_cursor"].(string); !ok {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	for _, query := range []string{"severity=bad", "severity=info,bad", "row=-1", "limit=1001", "fields=nothing"} {
		wantProblem(t, w.get("/decodes/d0001/issues?"+query), 422, "validation_failed")
	}
	next := w.get("/decodes/d0001/issues?limit=1&severity=info").json(t)["next_cursor"].(string)
	wantProblem(t, w.get("/decodes/d0001/issues?limit=1&severity=error&cursor="+next), 400, "malformed")
	if m := w.get("/decodes/d0001/issues?limit=1&fields=seq").json(t); len(m["items"].([]any)[0].(map[string]any)) != 1 {
		t.Errorf("fields: %v", m)
	}
}
