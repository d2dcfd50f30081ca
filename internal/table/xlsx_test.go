package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/wayside-edge/wayside/internal/errcode"
)

func bookSchema() *Schema {
	return &Schema{Name: "points", Columns: []Column{
		{Name: "seq", Type: I64},
		{Name: "time", Type: TSus, Naive: true, Description: "when it was"},
		{Name: "speed_kmh", Type: Dec64, Scale: 2, Unit: "km/h"},
		{Name: "value", Type: F64},
		{Name: "note", Type: UTF8, Nullable: true},
		{Name: "on", Type: Bool},
		{Name: "kind", Type: Enum8, Labels: []string{"=a", "b"}},
		{Name: "raw", Type: Bin},
	}}
}

// bookRow is a row of bookSchema.
type bookRow struct {
	seq, time, speed int64
	value            float64
	note             string
	null, on         bool
	kind             byte
	raw              string
}

func bookBatch(rows ...bookRow) *Batch {
	b := &Batch{Rows: len(rows), Columns: make([]Vector, 8)}
	b.Columns[4].Validity = make([]byte, (len(rows)+7)/8)
	b.Columns[4].Offsets, b.Columns[7].Offsets = []uint32{0}, []uint32{0}
	put := func(c int, x uint64) { b.Columns[c].Data = binary.LittleEndian.AppendUint64(b.Columns[c].Data, x) }
	text := func(c int, s string) {
		b.Columns[c].Data = append(b.Columns[c].Data, s...)
		b.Columns[c].Offsets = append(b.Columns[c].Offsets, uint32(len(b.Columns[c].Data)))
	}
	for i, r := range rows {
		put(0, uint64(r.seq))
		put(1, uint64(r.time))
		put(2, uint64(r.speed))
		put(3, math.Float64bits(r.value))
		if text(4, r.note); !r.null {
			b.Columns[4].Validity[i/8] |= 1 << (i % 8)
		}
		b.Columns[5].Data = append(b.Columns[5].Data, byte(boolInt(r.on)))
		b.Columns[6].Data = append(b.Columns[6].Data, r.kind)
		text(7, r.raw)
	}
	return b
}

func openBook(tb testing.TB, data []byte) *excelize.File {
	tb.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(data), excelize.Options{RawCellValue: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return f
}

func TestXLSXCells(t *testing.T) {
	at := time.Date(2024, 3, 1, 12, 0, 0, 250_000_000, time.UTC).UnixMicro()
	temp := t.TempDir()
	f := openBook(t, encode(t, XLSX, bookSchema(), EncodeOptions{Temp: temp}, bookBatch(
		bookRow{seq: 1, time: at, speed: 1235, value: 0.1, note: `=HYPERLINK("http://x","y")`, on: true, raw: "\x00\xff"},
		bookRow{seq: math.MaxInt64, time: math.MinInt64 / 2, speed: 1_000_000_000_000_000_001, value: math.NaN(), null: true, kind: 1},
		bookRow{seq: -999_999_999_999_999, time: -1, speed: -5, value: -1e300, note: " a\x00<&>_x0041_\n", kind: 9},
	)))
	type cell struct {
		kind excelize.CellType
		text string
	}
	number, text := excelize.CellTypeUnset, excelize.CellTypeInlineString
	want := [][]cell{
		{{number, "1"}, {number, "45352.50000289352"}, {number, "12.35"}, {number, "0.1"}, {text, `=HYPERLINK("http://x","y")`}, {excelize.CellTypeBool, "1"}, {text, "=a"}, {text, "00ff"}},
		{{text, "9223372036854775807"}, {text, "-144169-06-28T09:59:32.612096"}, {text, "10000000000000000.01"}, {text, "NaN"}, {number, ""}, {excelize.CellTypeBool, "0"}, {text, "b"}, {text, ""}},
		{{number, "-999999999999999"}, {number, "25568.999999999989"}, {number, "-0.05"}, {number, "-1" + strings.Repeat("0", 300)}, {text, " a\uFFFD<&>_x0041_\n"}, {excelize.CellTypeBool, "0"}, {text, "9"}, {text, ""}},
	}
	for i, row := range want {
		for j, w := range row {
			ref, _ := excelize.CoordinatesToCellName(j+1, i+2)
			kind, err := f.GetCellType("points", ref)
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.GetCellValue("points", ref)
			if err != nil {
				t.Fatal(err)
			}
			if got != w.text && kind == number { // of long numbers the reader gives fewer digits
				a, _ := strconv.ParseFloat(got, 64)
				b, _ := strconv.ParseFloat(w.text, 64)
				if math.Abs(a-b) > 1e-11 && a != b {
					t.Errorf("%s: %q, want %q", ref, got, w.text)
				}
			} else if got != w.text {
				t.Errorf("%s: %q, want %q", ref, got, w.text)
			}
			if kind != w.kind {
				t.Errorf("%s: type %d, want %d", ref, kind, w.kind)
			}
			if formula, err := f.GetCellFormula("points", ref); err != nil || formula != "" {
				t.Errorf("%s: formula %q, %v", ref, formula, err)
			}
		}
	}
	about, err := f.GetRows(aboutSheet)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"speed_kmh", "km/h", "dec64(2)", "", "numbers of more than 15 digits are text"}, about[3]); diff != "" {
		t.Errorf("about (-want +got):\n%s", diff)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestXLSXTextStaysText looks at the style of text cells: one that is edited would else become a formula.
func TestXLSXTextStaysText(t *testing.T) {
	f := openBook(t, encode(t, XLSX, bookSchema(), EncodeOptions{Temp: t.TempDir()}, bookBatch(bookRow{note: "@x", raw: "a"})))
	for _, ref := range []string{"E2", "G2", "H2"} {
		id, err := f.GetCellStyle("points", ref)
		if err != nil {
			t.Fatal(err)
		}
		s, err := f.GetStyle(id)
		if err != nil || s.NumFmt != 49 {
			t.Errorf("%s has the format %d, %v", ref, s.NumFmt, err)
		}
	}
}

func TestXLSXCutsLongTexts(t *testing.T) {
	long := strings.Repeat("\U0001F682", 20_000) // two UTF-16 units each
	f := openBook(t, encode(t, XLSX, bookSchema(), EncodeOptions{Temp: t.TempDir()}, bookBatch(bookRow{note: long}, bookRow{note: long[:4*1000]})))
	got, err := f.GetCellValue("points", "E2")
	if err != nil || got != long[:4*(maxXLSXText/2)] {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if got, err = f.GetCellValue(aboutSheet, "E6"); err != nil || !strings.HasPrefix(got, "1 texts were longer") {
		t.Errorf("note %q, %v", got, err)
	}
}

// TestXLSXLimits holds the limits to what they are for: an error before the first byte, and nothing left.
func TestXLSXLimits(t *testing.T) {
	temp := t.TempDir()
	s := &Schema{Name: "history", Columns: []Column{{Name: "seq", Type: U8}}}
	var out bytes.Buffer
	e, err := NewEncoder(XLSX, &out, s, EncodeOptions{Temp: temp})
	if err != nil {
		t.Fatal(err)
	}
	x, ok := e.(*xlsxEncoder)
	if !ok {
		t.Fatal("no workbook")
	}
	b := &Batch{Rows: 2, Columns: []Vector{{Data: []byte{1, 2}}}}
	x.rows = MaxXLSXRows - 2
	if err := e.Write(b); err != nil {
		t.Fatalf("the last rows: %v", err)
	}
	var coded *errcode.Error
	if err = e.Write(b); !errors.As(err, &coded) || coded.Code != errcode.ValidationFailed {
		t.Errorf("a row too many: %v", err)
	}
	x.rows, x.most = MaxXLSXRows-1, maxXLSXBytes
	if err = e.Write(b); !errors.As(err, &coded) || coded.Code != errcode.ValidationFailed {
		t.Errorf("a sheet too large: %v", err)
	}
	x.most, x.rows, x.least = 0, 0, xlsxTempFrom // the library has made no file by then
	x.rows = MaxXLSXRows - 2
	if err = x.spilled(); !errors.As(err, &coded) || coded.Code != errcode.DiskFull {
		t.Errorf("what should lie in a file is in memory: %v", err)
	}
	Discard(e)
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 || out.Len() > 0 {
		t.Errorf("left behind: %v, %v; %d bytes sent", left, err, out.Len())
	}
	if _, err := NewEncoder(XLSX, &out, s, EncodeOptions{Temp: temp + "/none"}); !errors.As(err, &coded) || coded.Code != errcode.DiskFull {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// TestXLSXSpills writes more than is kept in memory.
func TestXLSXSpills(t *testing.T) {
	temp := t.TempDir()
	s := &Schema{Name: strings.Repeat("t", 63), Columns: []Column{{Name: "seq", Type: I64}, {Name: "text", Type: UTF8}}}
	var out bytes.Buffer
	e, err := NewEncoder(XLSX, &out, s, EncodeOptions{Temp: temp})
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("0123456789", 1000)
	const rows = 4000
	for i := range rows {
		text := fmt.Sprint(i, line)
		b := &Batch{Rows: 1, Columns: []Vector{{Data: binary.LittleEndian.AppendUint64(nil, uint64(i))}, {Data: []byte(text), Offsets: []uint32{0, uint32(len(text))}}}}
		if err := e.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if out.Len() > 0 {
		t.Error("bytes before the end: an error could not be told any more")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	f := openBook(t, out.Bytes())
	got, err := f.GetCellValue(strings.Repeat("t", 31), fmt.Sprint("B", rows+1))
	if err != nil || got != fmt.Sprint(rows-1, line) {
		t.Errorf("%.20q, %v", got, err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
