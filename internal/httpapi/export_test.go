package httpapi

import (
	"archive/zip"
	"bytes"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/table"
)

// TestWorkbook looks into the archive without the library that makes it: the cells of a filtered table, and the units.
func TestWorkbook(t *testing.T) {
	w, _ := withTable(t, 100)
	res := w.get("/decodes/d0001/tables/points.xlsx?where=seq:in:3,5&columns=seq,name", header("Accept-Encoding", "gzip"))
	if res.StatusCode != 200 || res.Header.Get("Content-Encoding") != "" || !strings.HasSuffix(res.Header.Get("Content-Disposition"), `.xlsx"`) {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	z, err := zip.NewReader(bytes.NewReader(res.body), int64(len(res.body)))
	if err != nil {
		t.Fatal(err)
	}
	part := func(name string) string {
		f, err := z.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	sheet := part("xl/worksheets/sheet1.xml")
	if !strings.Contains(sheet, `<c r="A2"><v>3</v></c>`) || !strings.Contains(sheet, "<is><t>p2</t></is>") || strings.Contains(sheet, `r="A4"`) {
		t.Errorf("sheet: %s", sheet)
	}
	if !strings.Contains(part("xl/worksheets/sheet2.xml"), "<t>seq</t>") || !strings.Contains(part("xl/workbook.xml"), `name="points"`) {
		t.Error("no sheet of columns, or a wrong name")
	}
	if left, err := os.ReadDir(w.cfg.Temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	wantProblem(t, w.get("/decodes/d0001/tables/points.xls"), 422, "validation_failed")
}

// TestExportsHaveTags asks again for what was answered: nothing is read a second time as long as the table is the same.
func TestExportsHaveTags(t *testing.T) {
	w, d := withTable(t, 100)
	seen := map[string]string{}
	for _, file := range []string{"points.csv", "points.csv?where=seq:gt:5", "points.csv?where=seq:gt:6", "points.parquet?columns=seq", "points.json", "issues.csv"} {
		path := "/decodes/d0001/tables/" + file
		tag := w.get(path).Header.Get("Etag")
		if !strings.HasPrefix(tag, `W/"`) || seen[tag] != "" {
			t.Errorf("%s has the tag %s, as %q has", file, tag, seen[tag])
		}
		seen[tag] = file
		if head := w.do(http.MethodHead, path, nil); head.Header.Get("Etag") != tag {
			t.Errorf("HEAD %s: tag %q", file, head.Header.Get("Etag"))
		}
		if res := w.get(path, header("If-None-Match", tag)); res.StatusCode != http.StatusNotModified || len(res.body) > 0 {
			t.Errorf("%s again: %d", file, res.StatusCode)
		}
	}
	old := w.get("/decodes/d0001/tables/points.csv").Header.Get("Etag")
	w.writeTable(d, 101)
	if res := w.get("/decodes/d0001/tables/points.csv", header("If-None-Match", old)); res.StatusCode != http.StatusOK {
		t.Errorf("the tag outlives the table: %d", res.StatusCode)
	}
	if res := w.get("/decodes/d0001/tables/points.csv?limit=3&sort=nothing"); res.Header.Get("Etag") != "" || res.Header.Get("Content-Disposition") != "" {
		t.Errorf("a refusal has the headers of the table: %v", res.Header)
	}
}

// TestParquetConditions asks for ranges on conditions: If-Range with another tag gives the whole file, If-Match with
// another one nothing.
func TestParquetConditions(t *testing.T) {
	w, _ := withTable(t, 5000)
	const path = "/decodes/d0001/tables/points.parquet"
	whole := w.get(path)
	if res := w.get(path, header("Range", "bytes=0-3"), header("If-Range", `"other"`)); res.StatusCode != 200 || len(res.body) != len(whole.body) {
		t.Errorf("If-Range of another file: %d, %d bytes", res.StatusCode, len(res.body))
	}
	wantProblem(t, w.get(path, header("If-Match", `"other"`)), 412, "precondition_failed")
	wantProblem(t, w.get(path, header("Range", "bytes=999999-")), 416, "range_not_satisfiable")
	if res := w.do(http.MethodHead, path, nil, header("Range", "bytes=0-3")); res.StatusCode != http.StatusPartialContent || res.ContentLength != 4 {
		t.Errorf("HEAD of a range: %d, %d bytes", res.StatusCode, res.ContentLength)
	}
	if res := w.get(path, header("Range", "bytes=0-3,8-11")); !strings.HasPrefix(res.Header.Get("Content-Type"), "multipart/byteranges") {
		t.Errorf("two ranges: %d %v", res.StatusCode, res.Header)
	}
	if whole.Header.Get("Content-Type") != table.Parquet.MediaType() {
		t.Errorf("type %q", whole.Header.Get("Content-Type"))
	}
}
