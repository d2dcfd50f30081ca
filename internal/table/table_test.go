package table

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
)

func TestTypesHaveNamesAndWidths(t *testing.T) {
	for _, typ := range allTypes {
		back, ok := ParseType(typ.String())
		if !ok || back != typ {
			t.Errorf("%s reads back as %s, %v", typ, back, ok)
		}
	}
	var c Column
	if err := json.Unmarshal([]byte(`{"name":"a","type":"dec128"}`), &c); err == nil {
		t.Error("an unknown type was read")
	}
}

func TestValidateRefuses(t *testing.T) {
	good := func() *Schema {
		return &Schema{Name: "t", Columns: []Column{{Name: "seq", Type: I64}, {Name: "e", Type: Enum8, Labels: []string{"a"}}}}
	}
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	if err := Issues().Validate(); err != nil {
		t.Fatal(err)
	}
	tests := map[string]func(s *Schema){
		"table name":     func(s *Schema) { s.Name = "T" },
		"no name":        func(s *Schema) { s.Name = "" },
		"no columns":     func(s *Schema) { s.Columns = nil },
		"many columns":   func(s *Schema) { s.Columns = make([]Column, MaxColumns+1) },
		"name begins":    func(s *Schema) { s.Columns[0].Name = "1a" },
		"name too long":  func(s *Schema) { s.Columns[0].Name = strings.Repeat("a", 64) },
		"name not ascii": func(s *Schema) { s.Columns[0].Name = "größe" },
		"twice":          func(s *Schema) { s.Columns[0].Name = "e" },
		"no type":        func(s *Schema) { s.Columns[0].Type = 0 },
		"bad type":       func(s *Schema) { s.Columns[0].Type = 99 },
		"scale of int":   func(s *Schema) { s.Columns[0].Scale = 1 },
		"scale":          func(s *Schema) { s.Columns[0].Type, s.Columns[0].Scale = Dec32, 10 },
		"negative scale": func(s *Schema) { s.Columns[0].Type, s.Columns[0].Scale = Dec64, -1 },
		"naive int":      func(s *Schema) { s.Columns[0].Naive = true },
		"labels of int":  func(s *Schema) { s.Columns[0].Labels = []string{"a"} },
		"labels":         func(s *Schema) { s.Columns[1].Labels = make([]string, 257) },
		"label not text": func(s *Schema) { s.Columns[1].Labels = []string{"\xff"} },
		"row length":     func(s *Schema) { s.RowLength = &RowLength{Column: "length"} },
		"layout column":  func(s *Schema) { s.Layouts = []Layout{{When: map[string][]int64{"x": {1}}}} },
		"layout field":   func(s *Schema) { s.Layouts = []Layout{{Fields: []LayoutField{{At: -1}}}} },
	}
	for name, spoil := range tests {
		s := good()
		spoil(s)
		if err := s.Validate(); !errcode.Is(err, errcode.ValidationFailed) {
			t.Errorf("%s: error %v, want validation_failed", name, err)
		}
	}
}

func TestCheckBatchRefusesLies(t *testing.T) {
	s := &Schema{Name: "t", Columns: []Column{
		{Name: "i", Type: I32},
		{Name: "s", Type: UTF8, Nullable: true},
		{Name: "b", Type: Bool, Nullable: true},
		{Name: "d", Type: Dec32, Nullable: true},
		{Name: "l", Type: Dec64},
		{Name: "x", Type: Bin},
	}}
	good := func() *Batch {
		return &Batch{Rows: 2, Columns: []Vector{
			{Data: make([]byte, 8)},
			{Data: []byte("ü\xff"), Offsets: []uint32{0, 2, 3}, Validity: []byte{1}},
			{Data: []byte{1, 9}, Validity: []byte{1}},
			{Data: []byte{0, 0, 0, 0, 255, 255, 255, 127}, Validity: []byte{1}},
			{Data: make([]byte, 16)},
			{Data: []byte{0xff}, Offsets: []uint32{0, 1, 1}},
		}}
	}
	if err := s.CheckBatch(good()); err != nil {
		t.Fatalf("what nulls hide is nobody's business: %v", err)
	}
	tests := map[string]struct {
		column string
		spoil  func(b *Batch)
	}{
		"rows":              {"batch", func(b *Batch) { b.Rows = -1 }},
		"columns":           {"batch", func(b *Batch) { b.Columns = b.Columns[:5] }},
		"short data":        {"column i", func(b *Batch) { b.Columns[0].Data = b.Columns[0].Data[:7] }},
		"long data":         {"column i", func(b *Batch) { b.Columns[0].Data = make([]byte, 9) }},
		"offsets of fixed":  {"column i", func(b *Batch) { b.Columns[0].Offsets = []uint32{0, 4, 8} }},
		"validity":          {"column i", func(b *Batch) { b.Columns[0].Validity = []byte{3} }},
		"short validity":    {"column s", func(b *Batch) { b.Columns[1].Validity = []byte{} }},
		"no offsets":        {"column s", func(b *Batch) { b.Columns[1].Offsets = nil }},
		"few offsets":       {"column s", func(b *Batch) { b.Columns[1].Offsets = []uint32{0, 3} }},
		"offsets start":     {"column s", func(b *Batch) { b.Columns[1].Offsets = []uint32{1, 2, 3} }},
		"offsets end":       {"column s", func(b *Batch) { b.Columns[1].Offsets = []uint32{0, 2, 2} }},
		"offsets past end":  {"column s", func(b *Batch) { b.Columns[1].Offsets = []uint32{0, 2, 4} }},
		"offsets decrease":  {"column s", func(b *Batch) { b.Columns[1].Offsets = []uint32{0, 4, 3} }},
		"not utf-8":         {"column s", func(b *Batch) { b.Columns[1].Validity = nil }},
		"cut character":     {"column s", func(b *Batch) { b.Columns[1] = Vector{Data: []byte("ü"), Offsets: []uint32{0, 1, 2}} }},
		"bool":              {"column b", func(b *Batch) { b.Columns[2].Data[0] = 2 }},
		"bool no longer":    {"column b", func(b *Batch) { b.Columns[2].Validity[0] = 3 }},
		"decimal":           {"column d", func(b *Batch) { b.Columns[3].Validity[0] = 3 }},
		"decimal 64":        {"column l", func(b *Batch) { putInt(b.Columns[4].Data, 8, 1, 1e18) }},
		"decimal 64 below":  {"column l", func(b *Batch) { putInt(b.Columns[4].Data, 8, 1, -1e18) }},
		"decimal 64 lowest": {"column l", func(b *Batch) { putInt(b.Columns[4].Data, 8, 0, math.MinInt64) }},
		"bytes end":         {"column x", func(b *Batch) { b.Columns[5].Data = nil }},
	}
	for name, tt := range tests {
		b := good()
		tt.spoil(b)
		err := s.CheckBatch(b)
		if !errcode.Is(err, errcode.ABIViolation) || !strings.Contains(err.Error(), tt.column) {
			t.Errorf("%s: error %v, want one about %s", name, err, tt.column)
		}
	}
}

func TestCheckBatchText(t *testing.T) {
	s := &Schema{Name: "t", Columns: []Column{{Name: "s", Type: UTF8, Nullable: true}}}
	rapid.Check(t, func(rt *rapid.T) {
		parts := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"\xff", "\xc3", "\xbc", "a\xe2\x82"})), 0, 6).Draw(rt, "parts")
		v := Vector{Offsets: []uint32{0}, Data: []byte{}, Validity: []byte{byte(rapid.IntRange(0, 63).Draw(rt, "validity"))}}
		want := true
		for i, p := range parts {
			v.Data = append(v.Data, p...)
			v.Offsets = append(v.Offsets, uint32(len(v.Data)))
			want = want && (!v.Valid(i) || strings.ToValidUTF8(p, "") == p)
		}
		if err := s.CheckBatch(&Batch{Rows: len(parts), Columns: []Vector{v}}); (err == nil) != want {
			rt.Fatalf("%q validity %b: %v", parts, v.Validity, err)
		}
	})
}

func TestRedactor(t *testing.T) {
	s, b := edgeTable(t)
	if r := NewRedactor(s); r.Schema() != s || r.Apply(b) != b {
		t.Error("a table without sensitive columns is changed")
	}
	before := texts(s, b)
	for i := range s.Columns {
		s.Columns[i].Sensitive = s.Columns[i].Name != "i64"
	}
	r := NewRedactor(s)
	out := r.Apply(b)
	if err := r.Schema().CheckBatch(out); err != nil {
		t.Fatal(err)
	}
	for row, got := range texts(r.Schema(), out) {
		for j, v := range got {
			want := "<null>"
			switch c := &s.Columns[j]; {
			case c.Name == "i64":
				want = before[row][j]
			case c.Type == UTF8 && before[row][j] != "<null>":
				want = Redacted
			}
			if v != want {
				t.Errorf("row %d %s: %q, want %q", row, s.Columns[j].Name, v, want)
			}
		}
	}
	if d := cmp.Diff(before, texts(s, b)); d != "" {
		t.Errorf("the batch itself was changed: %s", d)
	}
	data := encode(t, Parquet, r.Schema(), EncodeOptions{}, out)
	stored := open(t, s, data) // opened with the schema that the catalog knows
	wantRows(t, readAll(t, stored), texts(r.Schema(), out))
	if strings.Contains(string(data), "plain") {
		t.Error("a sensitive text is in the file")
	}
}
