package table

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

func textBatch(values ...string) *Batch {
	v := Vector{Offsets: []uint32{0}, Data: []byte{}}
	for _, s := range values {
		v.Data = append(v.Data, s...)
		v.Offsets = append(v.Offsets, uint32(len(v.Data)))
	}
	return &Batch{Rows: len(values), Columns: []Vector{v}}
}

// TestDictionaryGivenUp begins with values that a dictionary suits and goes on with ones that overflow it.
func TestDictionaryGivenUp(t *testing.T) {
	s := &Schema{Name: "t", Columns: []Column{{Name: "s", Type: UTF8}}}
	var few, many []string
	for i := range 40_000 {
		few = append(few, fmt.Sprintf("state %d", i%5))
		many = append(many, fmt.Sprintf("a text of its own, number %d", i))
	}
	tests := []struct {
		name  string
		first []string
		pages int // at least so many by dictionary
	}{
		{"dictionary, then values", few, 2},
		{"values from the start", many, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			batches := []*Batch{textBatch(tt.first...), textBatch(many...), textBatch(few...), textBatch(few...)}
			data := encode(t, Parquet, s, EncodeOptions{}, batches...)
			r := open(t, s, data)
			wantRows(t, readAll(t, r), texts(s, batches...))
			f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			for _, st := range f.Metadata().RowGroups[0].Columns[0].MetaData.EncodingStats {
				if st.Encoding == format.RLEDictionary {
					got += int(st.Count)
				}
			}
			if (got > 0) != (tt.pages > 0) || got < tt.pages {
				t.Errorf("%d pages by dictionary, want at least %d", got, tt.pages)
			}
		})
	}
}

// TestReaderServesManyGoroutines is for the race detector.
func TestReaderServesManyGoroutines(t *testing.T) {
	s := railSchema()
	b := railBatch(20_000, rand.New(rand.NewPCG(5, 6)))
	r := open(t, s, encode(t, Parquet, s, EncodeOptions{}, b))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			q := Query{Limit: 50}
			if i%2 == 0 {
				q.Sort, q.Search = "packets", "44"
			}
			if p, err := r.Page(t.Context(), q); err != nil || len(p.Rows) != 50 {
				t.Errorf("%d rows, error %v", len(p.Rows), err)
			}
		})
	}
	wg.Wait()
}

// TestBatchesOfLongTextsAreShort looks at a page that no encoder here writes: its rows name a long text each.
func TestBatchesOfLongTextsAreShort(t *testing.T) {
	dict := &pageDict{data: make([]byte, 10_000), offsets: []uint32{0, 10_000}}
	c := cursor{page: &pageRows{rows: 4000, idx: make([]uint32, 4000), dict: dict}}
	if n := c.most(4000); n != scanBytes/10_000 {
		t.Errorf("a batch of %d rows of 10 kB", n)
	}
	dict.data, dict.offsets = make([]byte, 2*scanBytes), []uint32{0, 2 * scanBytes}
	if n := c.most(4000); n != 1 {
		t.Errorf("a batch of %d rows of 2 MB", n)
	}
}

// TestExportJoinsNulls exports matching rows of which the first come from a page without nulls.
func TestExportJoinsNulls(t *testing.T) {
	s := &Schema{Name: "t", Columns: []Column{{Name: "n", Type: I32, Nullable: true}, {Name: "s", Type: UTF8}}}
	full := textBatch(make([]string, 20_000)...)
	full.Columns = append([]Vector{{Data: make([]byte, 4*full.Rows)}}, full.Columns...)
	holes := textBatch("x", "x", "x")
	holes.Columns = append([]Vector{{Data: make([]byte, 12), Validity: []byte{0b101}}}, holes.Columns...)
	r := open(t, s, encode(t, Parquet, s, EncodeOptions{}, full, holes))
	for _, q := range []Query{{Sort: "s", Limit: 20_003}, {Sort: "s", Desc: true, Limit: 5}} {
		var buf bytes.Buffer
		if err := r.Export(t.Context(), &buf, CSV, q, EncodeOptions{}); err != nil {
			t.Fatal(err)
		}
		got := strings.Count(buf.String(), "0,")
		if n := strings.Count(buf.String(), "\n,x"); n != 1 || got != q.Limit-1 {
			t.Errorf("%+v: %d nulls and %d values, want 1 and %d", q, n, got, q.Limit-1)
		}
	}
}
