package module

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

func lines() []byte { return runtimetest.Lines("lines").Wasm() }

func TestSectionsRoundTrip(t *testing.T) {
	b := lines()
	secs, err := Sections(b)
	if err != nil {
		t.Fatal(err)
	}
	if got := join(secs); !bytes.Equal(got, b) {
		t.Error("joining the sections gives another module")
	}
	with := WithCustom(b, "extra", []byte("body"))
	secs, err = Sections(with)
	if err != nil || secs[len(secs)-1].Name != "extra" || string(secs[len(secs)-1].Body) != "body" {
		t.Errorf("%+v %v", secs[len(secs)-1], err)
	}
}

// TestCutModulesAreRefused cuts a module at every byte: never a panic, and no cut that passes for the whole.
func TestCutModulesAreRefused(t *testing.T) {
	b := lines()
	whole, err := Check(b, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if info, err := Check(b[:n], Limits{}); err == nil && info != whole {
			t.Errorf("cut at %d: %+v", n, info)
		} else if err != nil && !errcode.Is(err, errcode.PluginRejected) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
}

func TestInfo(t *testing.T) {
	g := runtimetest.NewGuest("gg", 3, 4)
	g.Func(abi.ExportInitialize, nil, nil, nil)
	g.Func(abi.ExportSniff, nil, []byte{runtimetest.I32}, nil, runtimetest.Const(0))
	g.Decode(runtimetest.Const(0))
	info, err := Check(g.Wasm(), Limits{})
	want := Info{Initialize: true, Sniff: true, Functions: 3, MemoryPages: 3, rewritable: true}
	if err != nil || info != want {
		t.Errorf("%+v %v, want %+v", info, err, want)
	}
}

// TestWhatCannotBeASnapshot lists modules whose state is more than memory and numbers.
func TestWhatCannotBeASnapshot(t *testing.T) {
	type g = runtimetest.Guest
	for name, c := range map[string]struct {
		change func(g *g)
		ok     bool
	}{
		"plain":            {func(*g) {}, true},
		"number globals":   {func(g *g) { g.Global(7) }, true},
		"float global":     {func(g *g) { g.RawGlobal(runtimetest.F32, 1, 0x43, 0, 0, 0x80, 0x3f, 0x0b) }, true},
		"reference global": {func(g *g) { g.RawGlobal(0x70, 1, 0xd0, 0x70, 0x0b) }, false},
		"vector global":    {func(g *g) { g.RawGlobal(append([]byte{0x7b, 1, 0xfd, 12}, append(make([]byte, 16), 0x0b)...)...) }, false},
		"data.drop":        {func(g *g) { g.Func("", nil, nil, nil, runtimetest.Op(0xfc, 9, 0)) }, false},
		"memory.init":      {func(g *g) { g.Func("", nil, nil, nil, runtimetest.Op(0xfc, 8, 0, 0)) }, false},
		"memory.fill":      {func(g *g) { g.Func("", nil, nil, nil, runtimetest.Op(0xfc, 11, 0)) }, true},
		"table.set":        {func(g *g) { g.Func("", nil, nil, nil, runtimetest.Op(0x26, 0)) }, false},
	} {
		guest := runtimetest.NewGuest("gg", 1, 1)
		c.change(guest)
		b := guest.Decode(runtimetest.Const(0)).Wasm()
		info, err := Check(b, Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, _, ok := Instrument(b, info); ok != c.ok {
			t.Errorf("%s: can be a snapshot: %v, want %v", name, ok, c.ok)
		}
	}
}

// TestDataOfHoldsAllBytes rebuilds memory from its segments.
func TestDataOfHoldsAllBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mem := make([]byte, Page)
		for range rapid.IntRange(0, 20).Draw(t, "pieces") {
			at := rapid.IntRange(0, Page-1).Draw(t, "at")
			copy(mem[at:], rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(t, "bytes"))
		}
		got := make([]byte, Page)
		r := reader{b: dataOf(mem)}
		for n := r.u32(); n > 0; n-- {
			r.take(2)
			at := signed(&r)
			r.take(1)
			copy(got[at:], r.take(r.u32()))
		}
		if r.err != nil || r.more() || !bytes.Equal(got, mem) {
			t.Fatalf("segments do not give the memory back: %v", r.err)
		}
	})
}

// signed reads an i32 constant.
func signed(r *reader) int {
	var v int64
	for shift := 0; ; shift += 7 {
		c := r.byte()
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			if c&0x40 != 0 && shift+7 < 64 {
				v |= -1 << (shift + 7)
			}
			return int(uint32(v))
		}
	}
}

func TestSignedNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Int64().Draw(t, "v")
		b := appendS64(nil, v)
		if !bytes.Equal(b, runtimetest.S(v)) {
			t.Fatalf("%d: % x", v, b)
		}
		r := reader{b: b}
		if r.sleb(10); r.err != nil || r.more() {
			t.Fatalf("%d is not passed over: % x", v, b)
		}
	})
}

func TestVersionsAreOrdered(t *testing.T) {
	order := []string{
		"", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.2.0-9",
		"1.2.0-99999999999999999999", "1.2.0-100000000000000000000", "1.2.0--", "1.2.0-0a", "1.2.0", "1.10.0", "2.0.0",
	}
	for i, a := range order {
		for j, b := range order {
			got := CompareVersions(a, b)
			if (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%q and %q: %d", a, b, got)
			}
		}
	}
	for _, good := range []string{"0.0.0", "1.0.0-0", "1.0.0-0a.01b", "1.0.0+001", "1.0.0-x-y+z.0"} {
		if !ValidVersion(good) {
			t.Errorf("%q is no version", good)
		}
	}
	for _, bad := range []string{"1", "1.0", "01.0.0", "1.0.0-", "1.0.0+", "v1.0.0", "1.0.0-a..b", "1.0.0-01", "1.0.0-a.00", "1.0.0 ", "+1.0.0", strings.Repeat("1", 200)} {
		if ValidVersion(bad) {
			t.Errorf("%q is taken for a version", bad)
		}
	}
}

func manifest(change func(m *abi.Manifest)) []byte {
	m := abi.Manifest{
		ID: "gg", Name: "G", Version: "1.0.0", ABI: 1, Formats: []abi.Format{{ID: "g", Sniff: []abi.Sniff{}}},
		Tables: []abi.Table{{Name: "t", Columns: []abi.Column{{Name: "a", Type: "i8"}}}},
	}
	change(&m)
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func TestManifestProblems(t *testing.T) {
	sniff := func(s abi.Sniff) func(*abi.Manifest) {
		return func(m *abi.Manifest) { m.Formats[0].Sniff = []abi.Sniff{s} }
	}
	sequence := func(s abi.Sequence) func(*abi.Manifest) {
		return func(m *abi.Manifest) { m.Formats[0].Sequence = &s }
	}
	walk := abi.Walk{Records: 2, Least: 1, Header: 2, LengthAt: 1, Lengths: map[string]int{"1": 1}}
	for name, c := range map[string]struct {
		b    []byte
		want string // "" = fine
	}{
		"fine":           {manifest(func(*abi.Manifest) {}), ""},
		"walk":           {manifest(sniff(abi.Sniff{Walk: &walk})), ""},
		"too long":       {bytes.Repeat([]byte(" "), abi.MaxManifestBytes+1), "the limit is"},
		"not UTF-8":      {[]byte("{\"id\":\"\xff\"}"), "UTF-8"},
		"too deep":       {[]byte(strings.Repeat("[", 33)), "deeper than 32"},
		"no JSON":        {[]byte("{"), "manifest"},
		"id":             {manifest(func(m *abi.Manifest) { m.ID = "G" }), "id"},
		"version":        {manifest(func(m *abi.Manifest) { m.Version = "1" }), "semantic version"},
		"memory":         {manifest(func(m *abi.Manifest) { m.MemoryMiB = 2048 }), "memory_mib"},
		"capability":     {manifest(func(m *abi.Manifest) { m.Capabilities = []string{"root"} }), "capability"},
		"no formats":     {manifest(func(m *abi.Manifest) { m.Formats = nil }), "0 formats"},
		"format twice":   {manifest(func(m *abi.Manifest) { m.Formats = append(m.Formats, m.Formats[0]) }), "twice"},
		"table twice":    {manifest(func(m *abi.Manifest) { m.Tables = append(m.Tables, m.Tables[0]) }), "twice"},
		"reserved table": {manifest(func(m *abi.Manifest) { m.Tables[0].Name = "issues" }), "host's own"},
		"zone":           {manifest(func(m *abi.Manifest) { m.Tables[0].Columns[0].Zone = "CET" }), "zone"},
		"many tables":    {manifest(func(m *abi.Manifest) { m.Tables = make([]abi.Table, 257) }), "257 tables"},
		"no rule":        {manifest(sniff(abi.Sniff{})), "exactly one"},
		"two rules":      {manifest(sniff(abi.Sniff{Bytes: "00", Regex: "x"})), "exactly one"},
		"no hex":         {manifest(sniff(abi.Sniff{Bytes: "0g"})), "bytes"},
		"mask length":    {manifest(sniff(abi.Sniff{Bytes: "00", Mask: "ffff"})), "differ"},
		"far away":       {manifest(sniff(abi.Sniff{Bytes: "00", Offset: 65536})), "first 65536"},
		"negative":       {manifest(sniff(abi.Sniff{Bytes: "00", Offset: -1})), "first 65536"},
		"sequence":       {manifest(sequence(abi.Sequence{At: 65535, Length: 1})), ""},
		"no bytes":       {manifest(sequence(abi.Sequence{At: 1})), "1 to 64"},
		"many bytes":     {manifest(sequence(abi.Sequence{Length: 65})), "1 to 64"},
		"before file":    {manifest(sequence(abi.Sequence{At: -1, Length: 1})), "first 65536"},
		"beyond head":    {manifest(sequence(abi.Sequence{At: 65535, Length: 2})), "first 65536"},
		"at wraps":       {manifest(sequence(abi.Sequence{At: 1<<63 - 1, Length: 2})), "first 65536"},
		"long regex":     {manifest(sniff(abi.Sniff{Regex: strings.Repeat("x", 257)})), "longer"},
		"bad regex":      {manifest(sniff(abi.Sniff{Regex: "("})), "missing closing"},
		"comment":        {manifest(sniff(abi.Sniff{Regex: "x", Comment: "//"})), ""},
		"bytes comment":  {manifest(sniff(abi.Sniff{Bytes: "00", Comment: "#"})), "with regex only"},
		"walk comment":   {manifest(sniff(abi.Sniff{Walk: &walk, Comment: "#"})), "with regex only"},
		"long comment":   {manifest(sniff(abi.Sniff{Regex: "x", Comment: "123456789"})), "longer than 8"},
		"blank comment":  {manifest(sniff(abi.Sniff{Regex: "x", Comment: "# "})), "printable"},
		"odd comment":    {manifest(sniff(abi.Sniff{Regex: "x", Comment: "§"})), "printable"},
		"walk least":     {manifest(sniff(abi.Sniff{Walk: &abi.Walk{Records: 1, Least: 2, Header: 2, Lengths: walk.Lengths}})), "walk"},
		"walk header":    {manifest(sniff(abi.Sniff{Walk: &abi.Walk{Records: 1, Least: 1, Header: 1, LengthAt: 1, Lengths: walk.Lengths}})), "walk"},
		"walk type":      {manifest(sniff(abi.Sniff{Walk: &abi.Walk{Records: 1, Least: 1, Header: 2, Lengths: map[string]int{"256": 1}}})), "walk"},
		"walk range":     {manifest(sniff(abi.Sniff{Walk: &abi.Walk{Records: 1, Least: 1, Header: 2, Lengths: walk.Lengths, Ranges: []abi.Range{{At: 2}}}})), "walk"},
	} {
		_, err := ParseManifest(c.b)
		if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && !errcode.Is(err, errcode.PluginRejected) {
			t.Errorf("%s: code of %v", name, err)
		}
	}
}
