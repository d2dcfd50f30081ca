package httpapi

import (
	"archive/zip"
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/wayside-edge/wayside/internal/table"
)

// TestTablesZip opens the archive in every form and compares its files with the tables exported one by one.
func TestTablesZip(t *testing.T) {
	w, _ := withTable(t, 100)
	for _, form := range []table.Format{table.Parquet, table.CSV, table.NDJSON, table.JSON, table.Arrow} {
		r := w.get("/decodes/d0001/tables.zip?format=" + string(form))
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != zipType || r.Header.Get("Content-Disposition") != `attachment; filename="r-tables.zip"` {
			t.Fatalf("%s: %d %v", form, r.StatusCode, r.Header)
		}
		z, err := zip.NewReader(bytes.NewReader(r.body), int64(len(r.body)))
		if err != nil || len(z.File) != 2 {
			t.Fatalf("%s: %v", form, err)
		}
		for i, name := range []string{"points", "issues"} {
			f, err := z.File[i].Open()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(f)
			want := w.get("/decodes/d0001/tables/" + name + "." + string(form)).body
			if err != nil || z.File[i].Name != name+"."+string(form) || !bytes.Equal(got, want) {
				t.Errorf("%s, %s: %d bytes, want %d: %v", form, z.File[i].Name, len(got), len(want), err)
			}
		}
	}
	if r := w.do(http.MethodHead, "/decodes/d0001/tables.zip", nil); r.StatusCode != http.StatusOK || len(r.body) > 0 {
		t.Errorf("HEAD: %d", r.StatusCode)
	}
	for path, want := range map[string]int{"/decodes/none/tables.zip": 404, "/decodes/d0001/tables.zip?format=exe": 422} {
		if r := w.get(path); r.StatusCode != want {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}
