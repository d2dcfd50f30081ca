package table

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// railSchema resembles the tables of a train recorder: numbers that rise, few states, a text, bytes.
func railSchema() *Schema {
	return &Schema{Name: "records", Columns: []Column{
		{Name: "seq", Type: I64},
		{Name: "offset", Type: I64, Unit: "By"},
		{Name: "time", Type: TSus, Naive: true},
		{Name: "type", Type: U8},
		{Name: "type_name", Type: Enum8, Labels: []string{"telegram", "mmi", "brake", "door"}},
		{Name: "location_m", Type: Dec64, Scale: 2, Unit: "m"},
		{Name: "speed_kmh", Type: Dec64, Scale: 3, Unit: "km/h"},
		{Name: "length", Type: U16},
		{Name: "value", Type: F64, Nullable: true},
		{Name: "packets", Type: UTF8, Nullable: true},
		{Name: "status", Type: UTF8},
		{Name: "body", Type: Bin},
	}}
}

// railBatch gives rows that resemble a run: a journey with stops, bodies of 20 bytes of which half vary.
func railBatch(rows int, rnd *rand.Rand) *Batch {
	s := railSchema()
	b := &Batch{Rows: rows, Columns: make([]Vector, len(s.Columns))}
	for i := range s.Columns {
		b.Columns[i].Data = make([]byte, rows*s.Columns[i].Type.Width())
		if s.Columns[i].Type.varlen() {
			b.Columns[i].Offsets = make([]uint32, 1, rows+1)
		}
	}
	valid := make([]byte, (rows+7)/8)
	loc, speed, at := int64(0), int64(0), int64(1_700_000_000_000_000)
	packets := []string{"3 5 21 27", "44", "5 12 41 65 68", "136"}
	for i := range rows {
		speed = max(0, min(speed+rnd.Int64N(2001)-1000, 160_000))
		loc += speed / 360
		at += 90_000 + rnd.Int64N(20_000)
		typ := rnd.Int64N(4)
		for c, x := range []int64{int64(i + 1), int64(i) * 36, at, 10 + typ, typ, loc, speed, 20, int64(rnd.Uint64() >> 2)} {
			putInt(b.Columns[c].Data, s.Columns[c].Type.Width(), i, x)
		}
		if typ == 0 {
			valid[i>>3] |= 1 << (i & 7)
		}
		text := func(c int, v []byte) {
			b.Columns[c].Data = append(b.Columns[c].Data, v...)
			b.Columns[c].Offsets = append(b.Columns[c].Offsets, uint32(len(b.Columns[c].Data)))
		}
		text(9, []byte(packets[rnd.IntN(len(packets))]))
		text(10, []byte("ok"))
		body := binary.LittleEndian.AppendUint64(make([]byte, 12, 20), rnd.Uint64())
		text(11, body)
	}
	b.Columns[8].Validity, b.Columns[9].Validity = valid, valid
	return b
}

// BenchmarkEncodeSmall writes a table of 100 rows: what an appliance does five times for a recording of 10 kB.
func BenchmarkEncodeSmall(b *testing.B) {
	s, batch := railSchema(), railBatch(100, rand.New(rand.NewPCG(1, 2)))
	for _, f := range ExportFormats() {
		b.Run(string(f), func(b *testing.B) {
			var buf bytes.Buffer
			b.ReportAllocs()
			for b.Loop() {
				buf.Reset()
				writeTable(b, f, &buf, s, batch, 1)
			}
			b.ReportMetric(float64(buf.Len()), "file-bytes")
		})
	}
}

// BenchmarkEncodeLarge writes a table of 1 Mi rows in batches of 8 Ki. MB are raw column bytes.
func BenchmarkEncodeLarge(b *testing.B) {
	s, batch := railSchema(), railBatch(8192, rand.New(rand.NewPCG(1, 2)))
	for _, f := range ExportFormats() {
		b.Run(string(f), func(b *testing.B) {
			var n counter
			b.SetBytes(128 * rawBytes(batch))
			for b.Loop() {
				n = 0
				writeTable(b, f, &n, s, batch, 128)
			}
			b.ReportMetric(float64(n)/(128*8192), "bytes/row")
		})
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func rawBytes(b *Batch) (n int64) {
	for i := range b.Columns {
		n += int64(len(b.Columns[i].Data))
	}
	return n
}

func writeTable(tb testing.TB, f Format, w io.Writer, s *Schema, batch *Batch, times int) {
	tb.Helper()
	e, err := NewEncoder(f, w, s, EncodeOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	for range times {
		if err := e.Write(batch); err != nil {
			tb.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkRead reads a stored table of 1 Mi rows: all of it, a page from its middle, a filtered and a sorted page.
func BenchmarkRead(b *testing.B) {
	s, batch := railSchema(), railBatch(8192, rand.New(rand.NewPCG(1, 2)))
	var buf bytes.Buffer
	writeTable(b, Parquet, &buf, s, batch, 128)
	r := open(b, s, buf.Bytes())
	b.Run("all", func(b *testing.B) {
		b.SetBytes(128 * rawBytes(batch))
		b.ReportAllocs()
		for b.Loop() {
			if err := r.Batches(b.Context(), nil, func(*Batch) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	where, err := ParseWhere(s, "speed_kmh:gt:159.9")
	if err != nil {
		b.Fatal(err)
	}
	p, err := r.plan(Query{})
	if err != nil {
		b.Fatal(err)
	}
	for name, q := range map[string]Query{
		"page":     {Cursor: r.cursor(p, 500_000)},
		"filtered": {Where: []Condition{where}},
		"sorted":   {Sort: "speed_kmh", Desc: true},
		"search":   {Search: "nowhere"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Page(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			open(b, s, buf.Bytes())
		}
	})
}

func BenchmarkCheckBatch(b *testing.B) {
	s, batch := railSchema(), railBatch(8192, rand.New(rand.NewPCG(1, 2)))
	b.SetBytes(rawBytes(batch))
	for b.Loop() {
		if err := s.CheckBatch(batch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPage10k reads the largest page that there is, from the middle of 1 Mi rows: as it stands, of a narrow and a wide
// condition, and sorted. p95 is what a caller waits at most 19 times of 20.
func BenchmarkPage10k(b *testing.B) {
	s, batch := railSchema(), railBatch(8192, rand.New(rand.NewPCG(1, 2)))
	var buf bytes.Buffer
	writeTable(b, Parquet, &buf, s, batch, 128)
	r := open(b, s, buf.Bytes())
	p, err := r.plan(Query{})
	if err != nil {
		b.Fatal(err)
	}
	middle := r.cursor(p, 500_000)
	for _, c := range []struct {
		name string
		q    Query
	}{
		{"plain", Query{Cursor: middle}},
		{"columns", Query{Cursor: middle, Columns: []string{"seq", "time", "speed_kmh"}}},
		{"narrow", Query{Where: []Condition{where(b, s, "time:lt:2023-11-14T22:14:00")}}},
		{"wide", Query{Where: []Condition{where(b, s, "type_name:eq:door")}}},
		{"sorted", Query{Sort: "speed_kmh", Desc: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.q.Limit = MaxLimit
			var took []time.Duration
			b.ReportAllocs()
			for b.Loop() {
				began := time.Now()
				page, err := r.Page(b.Context(), c.q)
				if err != nil || len(page.Rows) == 0 {
					b.Fatal(len(page.Rows), err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100])/1e6, "p95-ms")
		})
	}
}
