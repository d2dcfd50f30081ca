package module

import (
	"bytes"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
)

// TestSegmentsLieWithinTheirBounds reads every kind of segment, at its bounds and beyond.
func TestSegmentsLieWithinTheirBounds(t *testing.T) {
	cat := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	at := func(n int) []byte { return append(runtimetest.Const(n), 0x0b) }
	global := append(runtimetest.GlobalGet(0), 0x0b)
	refs := []byte{2, 0xd2, 0, 0x0b, 0xd0, 0x70, 0x0b} // ref.func 0, ref.null
	elem := func(parts ...[]byte) []byte {
		g := runtimetest.NewGuest("gg", 1, 16)
		g.RawSection(4, []byte{2, 0x70, 0, 3, 0x70, 1, 2, 9})
		g.RawSection(9, cat(append([][]byte{{1}}, parts...)...))
		return g.Decode(runtimetest.Const(0)).Wasm()
	}
	data := func(parts ...[]byte) []byte {
		g := runtimetest.NewGuest("gg", 1, 16)
		g.RawSection(11, cat(append([][]byte{{1}}, parts...)...))
		return g.Decode(runtimetest.Const(0)).Wasm()
	}
	for name, c := range map[string]struct {
		wasm []byte
		says string // "" = taken
	}{
		"fits":                      {elem([]byte{0}, at(1), []byte{2, 0, 0}), ""},
		"empty at the end":          {elem([]byte{0}, at(3), []byte{0}), ""},
		"one too many":              {elem([]byte{0}, at(2), []byte{2, 0, 0}), "element segment 0 ends at element 4 of table 0, which has 3"},
		"empty beyond":              {elem([]byte{0}, at(4), []byte{0}), "ends at element 4"},
		"negative":                  {elem([]byte{0}, at(-1), []byte{1, 0}), "ends at element 4294967296"},
		"second table":              {elem([]byte{2, 1}, at(0), []byte{0, 2, 0, 0}), ""},
		"second table, beyond":      {elem([]byte{2, 1}, at(1), []byte{0, 2, 0, 0}), "ends at element 3 of table 1, which has 2"},
		"third table":               {elem([]byte{2, 2}, at(0), []byte{0, 0}), "is for table 2, which is not there"},
		"third table, by a global":  {elem([]byte{2, 2}, global, []byte{0, 0}), "is for table 2, which is not there"},
		"expressions":               {elem([]byte{4}, at(1), refs), ""},
		"expressions beyond":        {elem([]byte{4}, at(2), refs), "ends at element 4"},
		"expressions, second":       {elem([]byte{6, 1}, at(1), []byte{0x70}, refs), "ends at element 3 of table 1"},
		"passive":                   {elem([]byte{1, 0, 5, 0, 0, 0, 0, 0}), ""},
		"passive expressions":       {elem([]byte{5, 0x70}, refs), ""},
		"declared":                  {elem([]byte{3, 0, 5, 0, 0, 0, 0, 0}), ""},
		"declared expressions":      {elem([]byte{7, 0x70}, refs), ""},
		"by a global":               {elem([]byte{0}, global, []byte{5, 0, 0, 0, 0, 0}), ""},
		"unknown kind":              {elem([]byte{8}, at(0), []byte{0}), "section 9: malformed"},
		"cut":                       {elem([]byte{0}, at(0), []byte{2, 0}), "section 9: malformed"},
		"offset without an end":     {elem([]byte{0}, runtimetest.Const(0), []byte{1, 0}), "section 9: malformed"},
		"count without its items":   {elem([]byte{0}, at(0), []byte{0xff, 0xff, 0xff, 0xff, 0x0f}), "section 9: malformed"},
		"data fits":                 {data([]byte{0}, at(65535), []byte{1, 7}), ""},
		"empty data at the end":     {data([]byte{0}, at(65536), []byte{0}), ""},
		"data beyond":               {data([]byte{0}, at(65535), []byte{2, 7, 7}), "data segment 0 ends at byte 65537 of the memory, which begins with 65536"},
		"empty data beyond":         {data([]byte{0}, at(65537), []byte{0}), "ends at byte 65537"},
		"data at the top":           {data([]byte{2, 0}, at(-1), []byte{1, 7}), "ends at byte 4294967296"},
		"passive data":              {data([]byte{1, 1, 7}), ""},
		"data by a global":          {data([]byte{0}, global, []byte{1, 7}), ""},
		"unknown kind of data":      {data([]byte{3, 1, 7}), "section 11: malformed"},
		"data that is not there":    {data([]byte{0}, at(0), []byte{9, 7}), "section 11: malformed"},
		"offset that is a function": {data([]byte{0}, []byte{0x03, 0x40, 0x0b}, []byte{1, 7}), "section 11: malformed"},
	} {
		_, err := Check(c.wasm, Limits{})
		if c.says == "" && err != nil || c.says != "" && (!errcode.Is(err, errcode.PluginRejected) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// TestTablesTogether: what each table may have, all of them may not have more of.
func TestTablesTogether(t *testing.T) {
	half := []byte{0x70, 0, 0x80, 0x80, 0x20} // half of the most
	for name, c := range map[string]struct {
		tables []byte
		says   string
	}{
		"the most":         {bytes.Join([][]byte{{2}, half, half}, nil), ""},
		"one element more": {bytes.Join([][]byte{{3}, half, half, {0x70, 0, 1}}, nil), "have 1048577 elements or more"},
		"257 tables":       {append([]byte{0x81, 2}, bytes.Repeat([]byte{0x70, 0, 0}, 257)...), "the module has 257 tables, the limit is 256"},
	} {
		g := runtimetest.NewGuest("gg", 1, 16)
		g.RawSection(4, c.tables)
		_, err := Check(g.Decode(runtimetest.Const(0)).Wasm(), Limits{})
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// TestSectionsWithoutEnd: a list of empty sections must not become a list of as many in memory.
func TestSectionsWithoutEnd(t *testing.T) {
	bomb := append(bytes.Clone(header), bytes.Repeat([]byte{0, 1, 0}, 5<<20)...)
	got := testing.AllocsPerRun(1, func() {
		if _, err := Sections(bomb); err == nil || !strings.Contains(err.Error(), "more than 4096 sections") {
			t.Errorf("%v", err)
		}
	})
	if got > 100 {
		t.Errorf("%v allocations", got)
	}
}
