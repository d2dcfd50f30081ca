package table

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// daySchema has the columns of a train recorder's records that charts read: the time may be missing.
func daySchema() *Schema {
	return &Schema{Name: "records", Columns: []Column{
		{Name: "seq", Type: I64},
		{Name: "time", Type: TSus, Naive: true, Nullable: true, Role: "time"},
		{Name: "location_m", Type: Dec64, Scale: 2, Unit: "m", Role: "position"},
		{Name: "speed_kmh", Type: Dec64, Scale: 3, Unit: "km/h", Role: "speed"},
		{Name: "mode", Type: Enum8, Labels: []string{"standby", "full supervision", "shunting"}},
	}}
}

// dayTable stores a day of n rows: there and back, with stops; every thousandth row has no time.
func dayTable(tb testing.TB, n int) *Reader {
	tb.Helper()
	s := daySchema()
	var buf bytes.Buffer
	e, err := NewEncoder(Parquet, &buf, s, EncodeOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	step := 86_400_000_000 / int64(n)
	loc, speed, dir, at := int64(0), int64(0), int64(1), int64(1_700_000_000_000_000)
	for row := 0; row < n; {
		b := &Batch{Rows: min(8192, n-row), Columns: make([]Vector, len(s.Columns))}
		for i := range s.Columns {
			b.Columns[i].Data = make([]byte, b.Rows*s.Columns[i].Type.Width())
		}
		b.Columns[1].Validity = bytes.Repeat([]byte{0xff}, (b.Rows+7)/8)
		for i := range b.Rows {
			if rnd.IntN(n/6) == 0 {
				dir = -dir
			}
			if (row+i)%1000 == 999 {
				b.Columns[1].Validity[i>>3] &^= 1 << (i & 7)
			}
			speed = max(0, min(speed+rnd.Int64N(401)-200, 160_000))
			loc += dir * speed * step / 36_000_000 / 10
			at += step/2 + rnd.Int64N(step)
			for c, x := range []int64{int64(row + i + 1), at, loc, speed, int64(row+i) >> 12 % 3} {
				putInt(b.Columns[c].Data, s.Columns[c].Type.Width(), i, x)
			}
		}
		if err := e.Write(b); err != nil {
			tb.Fatal(err)
		}
		row += b.Rows
	}
	if err := e.Close(); err != nil {
		tb.Fatal(err)
	}
	return open(tb, s, buf.Bytes())
}

// BenchmarkScan reads the columns of a chart and does nothing with them: the floor under BenchmarkSeries on one core.
func BenchmarkScan(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000, 3_000_000} {
		r := dayTable(b, n)
		for _, x := range []string{"time", "location_m"} {
			b.Run(fmt.Sprintf("%s/%dk", x, n/1000), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := r.Batches(b.Context(), []string{x, "speed_kmh"}, func(*Batch) error { return nil }); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkSeries draws the speed of a whole day over time and over the odometer, and an hour of it.
func BenchmarkSeries(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000, 3_000_000} {
		r := dayTable(b, n)
		for name, q := range map[string]SeriesQuery{
			"time":       {},
			"location_m": {X: "location_m"},
			"hour":       {From: "2023-11-15T06:00:00", To: "2023-11-15T07:00:00"},
			"zoom_m":     {X: "location_m", Y: []string{"speed_kmh", "mode", "seq"}, From: "1000", To: "3000"},
			"lanes":      {Y: []string{"speed_kmh", "location_m", "seq", "mode"}},
			"filtered":   {Where: []Condition{where(b, r.Schema(), "speed_kmh:gt:1")}},
		} {
			b.Run(fmt.Sprintf("%s/%dk", name, n/1000), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					s, err := r.Series(b.Context(), q)
					if err != nil || s.Rows == 0 {
						b.Fatal(s.Rows, err)
					}
				}
			})
		}
	}
}

func where(tb testing.TB, s *Schema, expr string) Condition {
	tb.Helper()
	c, err := ParseWhere(s, expr)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}
