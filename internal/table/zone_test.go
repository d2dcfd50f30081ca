package table

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/zone"
)

func zoneOf(tb testing.TB, name string) *time.Location {
	tb.Helper()
	loc, err := zone.Load(name)
	if err != nil {
		tb.Fatal(err)
	}
	return loc
}

// clockSchema has a column of naive times of each type, and one of instants.
func clockSchema() *Schema {
	return &Schema{Name: "t", Columns: []Column{
		{Name: "us", Type: TSus, Naive: true, Nullable: true},
		{Name: "ns", Type: TSns, Naive: true, Nullable: true},
		{Name: "due", Type: TSus, Naive: true},
		{Name: "end", Type: TSns, Naive: true},
		{Name: "utc", Type: TSus},
		{Name: "n", Type: I64},
	}}
}

func int64s(v ...int64) Vector {
	var out Vector
	for _, x := range v {
		out.Data = binary.LittleEndian.AppendUint64(out.Data, uint64(x))
	}
	return out
}

// convertAll converts times of one column, given and got in units of 10^-digits s.
func convertAll(l *Localizer, column int, times ...int64) []int64 {
	b := &Batch{Rows: len(times), Columns: make([]Vector, len(l.schema.Columns))}
	for i := range b.Columns {
		b.Columns[i] = Vector{Data: make([]byte, 8*len(times)), Validity: make([]byte, (len(times)+7)/8)}
	}
	b.Columns[column] = int64s(times...)
	l.Apply(b)
	out := make([]int64, len(times))
	for i := range out {
		out[i] = b.Columns[column].Int(TSus, i)
	}
	return out
}

// wallProblem says what is wrong with an instant that a clock in a zone is said to have shown as local, "" if nothing:
// it is the first instant at which the clock shows that, or, where there is none, the clock is ahead by what it skipped.
func wallProblem(loc *time.Location, local, got int64) string {
	offset := func(t int64) int64 {
		_, o := time.Unix(t, 0).In(loc).Zone()
		return int64(o)
	}
	const hour = 3600
	first, found := int64(math.MaxInt64), false
	for t := local - 28*hour; t <= local+28*hour; t += 7 * hour {
		if at := local - offset(t); offset(at) == local-at {
			first, found = min(first, at), true
		}
	}
	skipped := offset(got) - (local - got)
	switch {
	case found && got != first:
		return fmt.Sprintf("the clock first shows it at %d", first)
	case !found && (skipped <= 0 || offset(got-skipped) != local-got):
		return fmt.Sprintf("the clock never shows it, and is %d s ahead", skipped)
	}
	return ""
}

func TestLocalizerInstants(t *testing.T) {
	const form = "2006-01-02T15:04:05"
	for _, c := range []struct{ zone, local, want string }{
		{"Europe/Berlin", "2024-01-15T12:00:00", "2024-01-15T11:00:00"},
		{"Europe/Berlin", "2024-07-15T12:00:00", "2024-07-15T10:00:00"},
		{"Europe/Berlin", "2024-03-31T01:59:59", "2024-03-31T00:59:59"},
		{"Europe/Berlin", "2024-03-31T02:30:00", "2024-03-31T01:30:00"}, // left out: 03:30
		{"Europe/Berlin", "2024-03-31T03:00:00", "2024-03-31T01:00:00"},
		{"Europe/Berlin", "2024-10-27T02:30:00", "2024-10-27T00:30:00"}, // comes twice: the first
		{"Europe/Berlin", "2024-10-27T03:00:00", "2024-10-27T02:00:00"},
		{"Europe/Berlin", "2255-07-01T00:00:00", "2255-06-30T22:00:00"},
		{"Europe/Berlin", "2096-12-31T23:59:59", "2096-12-31T22:59:59"}, // a leap year beyond the table
		{"America/New_York", "2024-03-10T02:30:00", "2024-03-10T07:30:00"},
		{"America/New_York", "2024-11-03T01:30:00", "2024-11-03T05:30:00"},
		{"Australia/Lord_Howe", "2024-04-07T01:45:00", "2024-04-06T14:45:00"}, // back by 30 minutes
		{"Australia/Lord_Howe", "2024-10-06T02:15:00", "2024-10-05T15:45:00"}, // on by 30 minutes
		{"Asia/Kathmandu", "2024-06-01T05:45:00", "2024-06-01T00:00:00"},
		{"Pacific/Apia", "2011-12-29T23:59:59", "2011-12-30T09:59:59"},
		{"Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T22:00:00"}, // a day left out: the 31st, 12:00
		{"Pacific/Apia", "2011-12-31T00:00:00", "2011-12-30T10:00:00"},
		{"UTC", "2024-10-27T02:30:00", "2024-10-27T02:30:00"},
	} {
		local, err := time.Parse(form, c.local)
		if err != nil {
			t.Fatal(err)
		}
		l := NewLocalizer(clockSchema(), zoneOf(t, c.zone))
		us := convertAll(l, 0, local.UnixMicro()+1)[0]
		if got := time.UnixMicro(us - 1).UTC().Format(form); got != c.want {
			t.Errorf("%s in %s is %s, want %s", c.local, c.zone, got, c.want)
		}
		if ns := convertAll(l, 1, local.UnixNano()+1)[0]; ns-1 != (us-1)*1000 {
			t.Errorf("%s in %s: %d ns and %d us", c.local, c.zone, ns, us)
		}
	}
}

// TestLocalizerKeepsTheClock draws times near to each other and far from each other, in both directions.
func TestLocalizerKeepsTheClock(t *testing.T) {
	for _, name := range []string{
		"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca",
		"America/Sao_Paulo", "Antarctica/Troll", "Europe/Dublin", "America/Nuuk", "Asia/Gaza", "Pacific/Auckland",
	} {
		loc := zoneOf(t, name)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				l := NewLocalizer(clockSchema(), loc)
				first := time.Date(rapid.IntRange(1840, 2255).Draw(rt, "year"), 1, 1, 0, 0, 0, 0, time.UTC).Unix()
				steps := rapid.SliceOfN(rapid.Int64Range(-400*day, 400*day), 1, 60).Draw(rt, "steps")
				small := rapid.SampledFrom([]int64{1, 24, 24 * 60}).Draw(rt, "smaller")
				times := make([]int64, len(steps))
				for i, s := range steps {
					first += s / small
					times[i] = first * 1e6
				}
				for i, got := range convertAll(l, 2, times...) {
					if what := wallProblem(loc, times[i]/1e6, got/1e6); what != "" || got%1e6 != 0 {
						rt.Fatalf("%d became %d: %s", times[i], got, what)
					}
				}
			})
		})
	}
}

// TestLocalizerAtEveryChange takes each zone of the database through each of its changes, and through the ends of years.
func TestLocalizerAtEveryChange(t *testing.T) {
	archive, err := zip.OpenReader("../zone/zoneinfo.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	seen := map[uint32]bool{} // many names are other names of a zone
	for _, f := range archive.File {
		if seen[f.CRC32] {
			continue
		}
		seen[f.CRC32] = true
		loc := zoneOf(t, f.Name)
		var times []int64
		for at := time.Date(1850, 1, 1, 0, 0, 0, 0, time.UTC).In(loc); at.Year() < 2050; {
			next, ok := offsetEnd(at)
			if !ok {
				break
			}
			_, was := at.Zone()
			_, is := next.Zone()
			low, high := next.Unix()+int64(min(was, is)), next.Unix()+int64(max(was, is))
			// A stretch that is first met by its end, so far ahead that the search for it begins near the change.
			for _, end := range []int64{low, high, next.Unix()} {
				got := convertAll(NewLocalizer(clockSchema(), loc), 2, (end+before+1)*1e6, low*1e6, (high-1)*1e6)
				for i, local := range []int64{low, high - 1} {
					if what := wallProblem(loc, local, got[i+1]/1e6); what != "" {
						t.Fatalf("%s: %s became %d: %s", f.Name, time.Unix(local, 0).UTC(), got[i+1], what)
					}
				}
			}
			times = append(times, low-1, low, (low+high)/2, high-1, high, low-20*day, high+40*day)
			at = next
		}
		const fraction = 999_999
		ticks := make([]int64, len(times))
		for i := range times {
			ticks[i] = times[i]*1e6 + fraction
		}
		for i, got := range convertAll(NewLocalizer(clockSchema(), loc), 2, ticks...) {
			if what := wallProblem(loc, times[i], (got-fraction)/1e6); what != "" {
				t.Fatalf("%s: %s became %d: %s", f.Name, time.Unix(times[i], 0).UTC(), got, what)
			}
			if alone := convertAll(NewLocalizer(clockSchema(), loc), 2, ticks[i])[0]; alone != got {
				t.Fatalf("%s: %s became %d, and %d without what came before", f.Name, time.Unix(times[i], 0).UTC(), got, alone)
			}
		}
	}
}

// TestLocalizerExtremes converts the ends of the range of ticks, with and without a stretch that is known.
func TestLocalizerExtremes(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Pacific/Kiritimati", "UTC"} {
		loc := zoneOf(t, name)
		l := NewLocalizer(clockSchema(), loc)
		for column, c := range l.schema.Columns[:4] {
			unit := pow10[timeDigits(c.Type)]
			rows := []int64{math.MinInt64, math.MinInt64 + 10*day*unit, math.MinInt64 + 2*unit, math.MinInt64 + 1}
			for _, x := range rows {
				rows = append(rows, -1-x)
			}
			b := &Batch{Rows: len(rows), Columns: make([]Vector, len(l.schema.Columns))}
			for i := range b.Columns {
				b.Columns[i] = int64s(rows...)
			}
			l.Apply(b)
			for i, local := range rows {
				_, ahead := time.Unix(local/unit, 0).In(loc).Zone()
				want := new(big.Int).Sub(big.NewInt(local), big.NewInt(int64(ahead)*unit))
				null := !want.IsInt64() && c.Nullable
				if !want.IsInt64() {
					want.SetInt64(rows[0])
					if local > 0 {
						want.SetInt64(-1 - rows[0])
					}
				}
				v := &b.Columns[column]
				if v.Valid(i) == null || !null && v.Int(c.Type, i) != want.Int64() {
					t.Errorf("%s, %s: %d became %d (valid %v), want %d (null %v)", name, c.Name, local, v.Int(c.Type, i), v.Valid(i), want, null)
				}
			}
			if err := l.Schema().CheckBatch(b); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestLocalizerLeavesTheRestAlone(t *testing.T) {
	s := clockSchema()
	l := NewLocalizer(s, zoneOf(t, "Europe/Berlin"))
	rows := []int64{0, math.MinInt64, 1_700_000_000_000_000, math.MaxInt64, 5, 6, 7, 8, 9}
	b := &Batch{Rows: len(rows), Columns: make([]Vector, len(s.Columns))}
	for i := range b.Columns {
		b.Columns[i] = int64s(rows...)
	}
	b.Columns[0].Validity, b.Columns[1].Validity = []byte{0b100, 0}, []byte{0, 1}
	l.Apply(b)
	want := [][]string{}
	for i, x := range rows {
		row := []string{"<null>", "<null>"}
		if i == 2 {
			row[0] = "2023-11-14T21:13:20.000000Z"
		}
		if i == 8 {
			row[1] = "1969-12-31T23:00:00.000000009Z"
		}
		want = append(want, append(row, string(appendTime(nil, x, 6, false)), fmt.Sprint(x)))
	}
	var got [][]string
	for _, row := range texts(l.Schema(), b) {
		got = append(got, []string{row[0], row[1], row[4], row[5]})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, c := range l.Schema().Columns {
		if c.Naive || s.Columns[i].Naive != (i < 4) {
			t.Errorf("column %s: naive %v, the given schema %v", c.Name, c.Naive, s.Columns[i].Naive)
		}
	}
	if plain := railSchema(); plain.Instants() == plain || Issues().Naive() {
		t.Error("schemas")
	}
	if plain := Issues(); plain.Instants() != plain {
		t.Error("a schema without times was copied")
	}
}

// TestLocalizedForms writes instants in two forms and filters them by a time with a zone.
func TestLocalizedForms(t *testing.T) {
	l := NewLocalizer(railSchema(), zoneOf(t, "Europe/Berlin"))
	b := railBatch(5000, rand.New(rand.NewPCG(1, 2)))
	first := b.Columns[2].Int(TSus, 0)
	l.Apply(b)
	csv := encode(t, CSV, l.Schema(), EncodeOptions{}, b)
	if want := time.UnixMicro(first).UTC().Add(-time.Hour).Format("2006-01-02T15:04:05.000000Z"); !strings.Contains(string(csv), want) {
		t.Errorf("no %s in %.300s", want, csv)
	}
	r := open(t, railSchema().Instants(), encode(t, Parquet, l.Schema(), EncodeOptions{}, b))
	wantRows(t, readAll(t, r), texts(l.Schema(), b))
	at := b.Columns[2].Int(TSus, 100)
	where, err := ParseWhere(r.Schema(), "time:eq:"+time.UnixMicro(at).In(zoneOf(t, "Asia/Kathmandu")).Format(time.RFC3339Nano))
	if err != nil {
		t.Fatal(err)
	}
	page, err := r.Page(t.Context(), Query{Where: []Condition{where}, Columns: []string{"seq"}})
	if err != nil || len(page.Rows) != 1 || string(page.Rows[0]) != "[101]" {
		t.Errorf("%v %s", err, page.Rows)
	}
}

// FuzzLocalizer converts any pair of times, one after the other, in any zone.
func FuzzLocalizer(f *testing.F) {
	names := []string{"Europe/Berlin", "Pacific/Apia", "America/New_York", "Asia/Kathmandu", "Africa/Casablanca"}
	f.Add(uint8(0), int64(1_711_850_400_000_000), int64(1_729_994_400_000_000))
	f.Add(uint8(1), int64(math.MinInt64), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, zone uint8, a, b int64) {
		loc := zoneOf(t, names[int(zone)%len(names)])
		got := convertAll(NewLocalizer(clockSchema(), loc), 2, a, b, a)
		if got[0] != got[2] {
			t.Errorf("%d became %d and then %d", a, got[0], got[2])
		}
		for i, local := range []int64{a, b} {
			if d := local/1e6 - got[i]/1e6; d < -day || d > day {
				t.Errorf("%d became %d", local, got[i])
			}
		}
	})
}

// BenchmarkLocalize makes instants of the 1 Mi rows of BenchmarkEncodeLarge, whose time rises, is in no order over two
// years, and is half null; rows/s beside those of the encoder say what a decode loses.
func BenchmarkLocalize(b *testing.B) {
	loc := zoneOf(b, "Europe/Berlin")
	const rows = 8192
	rnd := rand.New(rand.NewPCG(1, 2))
	for name, next := range map[string]func(i int) int64{
		"rising":    func(i int) int64 { return 1_700_000_000_000_000 + int64(i)*100_000 },
		"scattered": func(int) int64 { return 1_700_000_000_000_000 + rnd.Int64N(730*day*1e6) },
		"nulls":     func(i int) int64 { return int64(i&1) * (1_700_000_000_000_000 + int64(i)*100_000) },
	} {
		b.Run(name, func(b *testing.B) {
			times := make([]int64, rows)
			for i := range times {
				times[i] = next(i)
			}
			from := int64s(times...)
			if name == "nulls" {
				from.Validity = []byte(strings.Repeat("\xaa", rows/8))
			}
			v := Vector{Data: make([]byte, 8*rows), Validity: from.Validity}
			l := NewLocalizer(&Schema{Name: "t", Columns: []Column{{Name: "time", Type: TSus, Naive: true, Nullable: true}}}, loc)
			for b.Loop() {
				for range 128 {
					copy(v.Data, from.Data)
					l.Apply(&Batch{Rows: rows, Columns: []Vector{v}})
				}
			}
			b.ReportMetric(128*rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
