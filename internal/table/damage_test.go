package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	goruntime "runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// exercise does everything with a file that may be damaged: whatever is wrong must come as a Corrupt error.
func exercise(tb testing.TB, s *Schema, data []byte) {
	tb.Helper()
	check := func(what string, err error) {
		if err != nil && !errcode.Is(err, errcode.Corrupt) {
			tb.Fatalf("%s: %v (code %s)", what, err, errcode.Of(err))
		}
	}
	r, err := OpenParquet(bytes.NewReader(data), int64(len(data)), s)
	check("open", err)
	if err != nil {
		return
	}
	check("read", r.Batches(tb.Context(), nil, func(b *Batch) error {
		for i := range b.Rows { // every value is in reach
			for j := range b.Columns {
				if b.Columns[j].Valid(i) {
					appendPlain(nil, &r.schema.Columns[j], &b.Columns[j], i)
				}
			}
		}
		return nil
	}))
	for i := range s.Columns {
		r.Bounds(s.Columns[i].Name)
	}
	_, err = r.Page(tb.Context(), Query{Sort: s.Columns[0].Name, Desc: true, Search: "a"})
	check("page", err)
	for i := range s.Columns {
		c, err := ParseWhere(r.schema, s.Columns[i].Name+":is_null:false")
		if err != nil {
			tb.Fatal(err)
		}
		_, err = r.Page(tb.Context(), Query{Where: []Condition{c}})
		check("filtered page", err)
	}
	for i := range s.Columns {
		x := &s.Columns[i]
		if !x.Type.measures() {
			continue
		}
		for _, points := range []int{1, MaxPoints} {
			_, err = r.Series(tb.Context(), SeriesQuery{X: x.Name, Y: []string{x.Name}, Points: points})
			if !x.Type.draws() {
				_, err = r.Series(tb.Context(), SeriesQuery{X: x.Name, Y: []string{s.Columns[0].Name}, Points: points})
			}
			check("series", err)
		}
	}
}

func FuzzOpenParquet(f *testing.F) {
	s, b := edgeTable(f)
	f.Add(encode(f, Parquet, s, EncodeOptions{}, b))
	f.Add(encode(f, Parquet, s, EncodeOptions{}))
	small := &Schema{Name: "t", Columns: s.Columns[:2]}
	f.Add(encode(f, Parquet, small, EncodeOptions{}, &Batch{Rows: b.Rows, Columns: b.Columns[:2]}))
	f.Fuzz(func(t *testing.T, data []byte) {
		exercise(t, s, data)
		exercise(t, small, data)
	})
}

func TestDamagedFiles(t *testing.T) {
	s, b := edgeTable(t)
	data := encode(t, Parquet, s, EncodeOptions{}, b, b)
	for n := 0; n < len(data); n += 7 {
		exercise(t, s, data[:n])
	}
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 3000 {
		bad := bytes.Clone(data)
		for range 1 + rnd.IntN(3) {
			bad[rnd.IntN(len(bad))] = byte(rnd.Uint32())
		}
		exercise(t, s, bad)
	}
}

// TestChecksums changes one byte of the values, which every decoder would take for other values.
func TestChecksums(t *testing.T) {
	s := &Schema{Name: "t", Columns: []Column{{Name: "x", Type: Bin}, {Name: "e", Type: Enum8, Labels: []string{"label"}}}}
	b := textBatch("needle")
	b.Columns = append(b.Columns, Vector{Data: []byte{0}})
	data := encode(t, Parquet, s, EncodeOptions{}, b)
	for _, word := range []string{"needle", "label"} {
		bad := bytes.Clone(data)
		bad[bytes.Index(bad, []byte(word))]++
		err := open(t, s, bad).Batches(t.Context(), nil, func(*Batch) error { return nil })
		if !errcode.Is(err, errcode.Corrupt) || !errors.Is(err, errPageCRC) {
			t.Errorf("%s: error %v (cause %v), want a wrong checksum", word, err, errors.Unwrap(err))
		}
	}
}

// TestNumberOutsideDictionary is what a checksum does not catch: a file that was written to mislead.
func TestNumberOutsideDictionary(t *testing.T) {
	p := pageReader{col: &Column{Type: UTF8}, phys: 6}
	dict := &pageDict{data: []byte("ab"), offsets: []uint32{0, 1, 2}}
	for raw, want := range map[string]error{"\x02\x04\x01": nil, "\x02\x04\x02": errPageDict, "\x20\x04\xff\xff\xff\xff": errPageDict} {
		if err := p.decodeNumbers(&pageRows{rows: 2}, []byte(raw), 2, dict); !errors.Is(err, want) {
			t.Errorf("%x: error %v, want %v", raw, err, want)
		}
	}
}

// TestFooterLies gives lengths in the footer that no file of that size can have: nothing may be allocated for them.
func TestFooterLies(t *testing.T) {
	s, _ := oneColumn(Column{Type: I32})
	huge := binary.AppendUvarint(nil, 1<<30)
	for name, foot := range map[string][]byte{
		"list of structures": append(append([]byte{0x15, 2, 0x19, 0xFC}, huge...), 0),
		"empty structures":   append(binary.AppendUvarint([]byte{0x15, 2, 0x19, 0xFC}, 100_000), make([]byte, 100_001)...),
		"list of nothing":    append(append([]byte{0x15, 2, 0x19, 0xF3}, huge...), 0),
		"string":             append(append([]byte{0x15, 2, 0x68}, huge...), 0),
		"nested":             bytes.Repeat([]byte{0x1C}, 1000),
		"unknown type":       {0x1D, 0},
	} {
		data := append([]byte(parquetMagic), foot...)
		data = binary.LittleEndian.AppendUint32(data, uint32(len(foot)))
		data = append(data, parquetMagic...)
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		_, err := OpenParquet(bytes.NewReader(data), int64(len(data)), s)
		goruntime.ReadMemStats(&after)
		if !errcode.Is(err, errcode.Corrupt) {
			t.Errorf("%s: error %v, want corrupt", name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: %d bytes allocated", name, n)
		}
	}
}

func TestHybridAndDeltaRefuse(t *testing.T) {
	dst := make([]uint32, 4)
	for _, b := range [][]byte{nil, {0}, {1}, {10, 1}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, {3}, {2}} {
		if err := decodeHybrid(dst, b, 8); err == nil {
			t.Errorf("hybrid %x was decoded", b)
		}
	}
	for _, b := range [][]byte{nil, {128, 1}, {128, 1, 4, 5, 0}, {128, 1, 4, 4, 0}, {128, 1, 4, 4, 0, 0, 65, 0, 0, 0}, {128, 1, 0, 4, 0}, {128, 1, 4, 4, 0, 0, 64, 0, 0, 0, 1}} {
		if err := decodeDelta(make([]byte, 32), b, 4, 8); err == nil {
			t.Errorf("delta %x was decoded", b)
		}
	}
}

func TestRowGroupBoundaries(t *testing.T) {
	s := railSchema()
	batch := railBatch(50_001, rand.New(rand.NewPCG(3, 4)))
	data := encode(t, Parquet, s, EncodeOptions{}, batch, batch, batch)
	r := open(t, s, data)
	if r.Rows() != 150_003 || len(r.groups) != 2 || r.groups[0].rows != maxGroupRows {
		t.Fatalf("%d rows in %d groups, the first of %d", r.Rows(), len(r.groups), r.groups[0].rows)
	}
	want := texts(s, batch, batch, batch)
	wantRows(t, readAll(t, r), want)
	p, err := r.plan(Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{maxGroupRows - 3, maxPageRows - 2, 49_999, 149_999} {
		page, err := r.Page(t.Context(), Query{Limit: 6, Cursor: r.cursor(p, at), Columns: []string{"seq", "packets"}})
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range page.Rows {
			w := want[at+1+int64(i)]
			text := `"` + w[9] + `"`
			if w[9] == "<null>" {
				text = "null"
			}
			if got := string(row); got != "["+w[0]+","+text+"]" {
				t.Errorf("row %d is %s, want %s %s", at+1+int64(i), got, w[0], text)
			}
		}
	}
}

// countingReader counts what is read of a file.
type countingReader struct {
	io.ReaderAt
	n atomic.Int64
}

func (c *countingReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.n.Add(int64(n))
	if errors.Is(err, io.EOF) {
		return n, io.EOF
	}
	return n, err
}

func TestPageReadsLittle(t *testing.T) {
	s := railSchema()
	batch := railBatch(50_000, rand.New(rand.NewPCG(3, 4)))
	data := encode(t, Parquet, s, EncodeOptions{}, batch, batch, batch, batch)
	file := &countingReader{ReaderAt: bytes.NewReader(data)}
	r, err := OpenParquet(file, int64(len(data)), s)
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.plan(Query{})
	if err != nil {
		t.Fatal(err)
	}
	file.n.Store(0)
	if _, err := r.Page(t.Context(), Query{Cursor: r.cursor(p, 170_000)}); err != nil {
		t.Fatal(err)
	}
	if n := file.n.Load(); n > int64(len(data))/8 {
		t.Errorf("a page read %d of %d bytes", n, len(data))
	}
	where, err := ParseWhere(s, "location_m:gt:99999999")
	if err != nil {
		t.Fatal(err)
	}
	file.n.Store(0)
	if page, err := r.Page(t.Context(), Query{Where: []Condition{where}}); err != nil || len(page.Rows) != 0 || file.n.Load() != 0 {
		t.Errorf("statistics exclude every row group, yet %d bytes were read: %v", file.n.Load(), err)
	}
}

func TestLongTexts(t *testing.T) {
	s := &Schema{Name: "t", Columns: []Column{{Name: "s", Type: UTF8, Nullable: true}, {Name: "x", Type: Bin}}}
	b := &Batch{Rows: 40, Columns: make([]Vector, 2)}
	for j := range b.Columns {
		v := &b.Columns[j]
		v.Offsets = []uint32{0}
		for i := range b.Rows {
			fill := strings.Repeat("ü", 100_000+i)
			if j == 1 {
				fill = strings.Repeat("\xff", 100_000+i)
			}
			v.Data = append(v.Data, fill...)
			v.Offsets = append(v.Offsets, uint32(len(v.Data)))
		}
	}
	if err := s.CheckBatch(b); err != nil {
		t.Fatal(err)
	}
	data := encode(t, Parquet, s, EncodeOptions{}, b, b, b)
	r := open(t, s, data)
	if len(r.groups) < 2 {
		t.Errorf("%d row group for %d bytes", len(r.groups), 3*rawBytes(b))
	}
	if n := binary.LittleEndian.Uint32(data[len(data)-8:]); n > 4000 {
		t.Errorf("the footer has %d bytes: statistics are not cut", n)
	}
	wantRows(t, readAll(t, r), texts(s, b, b, b))
	page, err := r.Page(t.Context(), Query{Limit: 120, Columns: []string{"s"}})
	if err != nil || len(page.Rows) < 80 || len(page.Rows) > 90 || page.NextCursor == "" { // 16 MiB of 200 kB each
		t.Errorf("a page of long rows has %d of them, cursor %q, error %v", len(page.Rows), page.NextCursor, err)
	}
	for _, expr := range []string{"s:ge:" + strings.Repeat("ü", 50), "s:gt:" + strings.Repeat("ü", 100_000), "x:in:" + strings.Repeat("ff", 100_000)} {
		c, err := ParseWhere(s, expr)
		if err != nil {
			t.Fatal(err)
		}
		if page, err := r.Page(t.Context(), Query{Where: []Condition{c}, Columns: []string{"x"}, Limit: 1}); err != nil || len(page.Rows) != 1 {
			t.Errorf("%.10s: %d rows, error %v", expr, len(page.Rows), err)
		}
	}
	var buf bytes.Buffer
	if err := r.Export(t.Context(), &buf, CSV, Query{Sort: "x", Desc: true}, EncodeOptions{}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(buf.String(), "\n"); n != 121 {
		t.Errorf("a sorted export of long rows has %d lines", n)
	}
}

// TestEncoderMemory writes much more than a row group and looks at what stays in memory.
func TestEncoderMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 500 MB of columns")
	}
	s := &Schema{Name: "t", Columns: []Column{{Name: "x", Type: Bin}}}
	rnd := rand.New(rand.NewPCG(1, 2))
	b := &Batch{Rows: 1000, Columns: []Vector{{Data: make([]byte, 1<<20), Offsets: make([]uint32, 1001)}}}
	for i := range b.Columns[0].Data {
		b.Columns[0].Data[i] = byte(rnd.Uint32())
	}
	for i := range b.Columns[0].Offsets {
		b.Columns[0].Offsets[i] = uint32(i * (1 << 20) / 1000)
	}
	e := newParquetEncoder(io.Discard, s, EncodeOptions{})
	var base, now goruntime.MemStats
	goruntime.GC()
	goruntime.ReadMemStats(&base)
	for i := range 300 {
		if err := e.Write(b); err != nil {
			t.Fatal(err)
		}
		if i%100 == 99 {
			goruntime.GC()
			goruntime.ReadMemStats(&now)
			if grown := int64(now.HeapAlloc) - int64(base.HeapAlloc); grown > 48<<20 {
				t.Fatalf("after %d MiB the encoder holds %d MiB", i+1, grown>>20)
			}
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestManyColumns(t *testing.T) {
	s := &Schema{Name: "wide"}
	b := &Batch{Rows: 700}
	for i := range MaxColumns {
		s.Columns = append(s.Columns, Column{Name: fmt.Sprintf("c%d", i), Type: I16})
		v := Vector{Data: make([]byte, 2*b.Rows)}
		for r := range b.Rows {
			putInt(v.Data, 2, r, int64(r*i))
		}
		b.Columns = append(b.Columns, v)
	}
	r := open(t, s, encode(t, Parquet, s, EncodeOptions{}, b))
	p, err := r.Page(t.Context(), Query{Columns: []string{"c4095", "c1"}, Sort: "c2", Desc: true, Limit: 1})
	if err != nil || len(p.Rows) != 1 {
		t.Fatalf("page %v, error %v", p.Rows, err)
	}
	low := uint16(699 * 4095 & 0xffff)
	want := fmt.Sprintf("[%d,699]", int16(low))
	if got := string(p.Rows[0]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

type failingWriter struct{ left int }

var errWriter = errors.New("no space")

func (f *failingWriter) Write(p []byte) (int, error) {
	if len(p) > f.left {
		return 0, errWriter
	}
	f.left -= len(p)
	return len(p), nil
}

func TestWriterErrorsSurface(t *testing.T) {
	s := railSchema()
	b := railBatch(2000, rand.New(rand.NewPCG(3, 4)))
	for _, f := range Formats() {
		for _, left := range []int{0, 10, 30_000} {
			w := &failingWriter{left: left}
			e, err := NewEncoder(f, w, s, EncodeOptions{})
			for i := 0; err == nil && i < 3; i++ {
				err = e.Write(b)
			}
			if cerr := e.Close(); err == nil {
				err = cerr
			}
			if !errors.Is(err, errWriter) {
				t.Errorf("%s with room for %d bytes: error %v", f, left, err)
			}
		}
	}
}
