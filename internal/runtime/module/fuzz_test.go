package module

import (
	"testing"

	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// FuzzModule feeds the section reader, the static checks and the rewriting.
func FuzzModule(f *testing.F) {
	f.Add(lines())
	f.Add(WithCustom(WithCustom(lines(), abi.SectionVector, []byte("\x0c{\"name\":\"a\"}abc")), abi.SectionSignature, make([]byte, 72)))
	g := runtimetest.NewGuest("gg", 1, 2)
	g.Global(5)
	g.Func(abi.ExportInitialize, nil, nil, nil, runtimetest.Block(runtimetest.Br(0)), runtimetest.Const64(-1), runtimetest.Op(runtimetest.Drop))
	f.Add(g.Decode(runtimetest.Op(0xfc, 11, 0)).Wasm())
	f.Add(runtimetest.ElementSegment("gg", 3, 1, 2).Wasm())
	f.Add(runtimetest.ElementSegmentByGlobal("gg", 3, 1, 2).Wasm())
	f.Add(runtimetest.DataSegment("gg", 65530, 6).Wasm())
	f.Add(runtimetest.DataSegmentByGlobal("gg", 65530, 6).Wasm())
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x05\x03\x01\x00\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = EmbeddedManifest(b)
		_, _ = SignatureOf(b)
		if d := Describe(b); len(d.Exports) > len(b) {
			t.Errorf("%d exports in %d bytes", len(d.Exports), len(b))
		}
		if vectors, err := Vectors(b); err == nil {
			for _, v := range vectors {
				if _, err := WithVector(b, v); err != nil {
					t.Errorf("a vector that was read cannot be written: %v", err)
				}
			}
		}
		info, err := Check(b, Limits{})
		if err != nil {
			return
		}
		out, n, ok := Instrument(b, info)
		if !ok {
			return
		}
		// What is written anew is read again, with the same limits and the same result.
		if _, err := Check(out, Limits{Bytes: 2 * len(out)}); err != nil {
			t.Errorf("the instrumented module: %v", err)
		}
		mem := make([]byte, Page)
		copy(mem[7:], b)
		snap, err := Snapshot(b, mem, make([]uint64, n))
		if err != nil {
			t.Errorf("a module that may be rewritten cannot be stored initialised: %v", err)
			return
		}
		again, err := Check(snap, Limits{Bytes: 2 * len(snap)})
		if err != nil || again.Initialize != info.Initialize || again.Functions != info.Functions || again.MemoryPages != 1 {
			t.Errorf("the initialised module: %v, %+v was %+v", err, again, info)
		}
	})
}

// FuzzVector feeds a golden vector's section into a module: what is taken is within its limits and can be written.
func FuzzVector(f *testing.F) {
	f.Add([]byte("\x0c{\"name\":\"a\"}abc"))
	f.Add([]byte("\x40{\"name\":\"a\",\"params\":{\"x\":1},\"parts\":[{\"name\":\"p\",\"size\":2}]}ab"))
	f.Add([]byte("\xff\xff\xff\xff\x0f{}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		vectors, err := Vectors(WithCustom(lines(), abi.SectionVector, body))
		if err != nil {
			return
		}
		v := vectors[0]
		left := int64(len(v.Input))
		for _, p := range v.Parts {
			if p.Size < 0 || p.Size > left {
				t.Fatalf("part %+v of %d bytes", p, len(v.Input))
			}
			left -= p.Size
		}
		b, err := WithVector(lines(), v)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Vectors(b); err != nil || again[0].Name != v.Name || string(again[0].Input) != string(v.Input) {
			t.Fatalf("%+v became %+v: %v", v, again, err)
		}
	})
}

// FuzzManifest feeds the manifest, and what its rules make of a file.
func FuzzManifest(f *testing.F) {
	f.Add(manifest(func(m *abi.Manifest) { m.Formats[0].Sniff = []abi.Sniff{{Regex: "^a+$"}} }), []byte("aaa\nb"))
	f.Add(manifest(func(m *abi.Manifest) { m.Formats[0].Sniff = []abi.Sniff{{Regex: "^a+$", Comment: "#"}} }), []byte("\xef\xbb\xbf# b\r\n\r ;,\n aa \nb"))
	f.Add(manifest(func(m *abi.Manifest) { m.Formats[0].Sniff = []abi.Sniff{{Offset: 1, Bytes: "00ff", Mask: "0ff0"}} }), []byte{1, 2, 3})
	f.Add(manifest(func(m *abi.Manifest) {
		m.Formats[0].Sniff = []abi.Sniff{{Walk: &abi.Walk{
			Records: 4, Least: 1, Header: 3, TypeAt: 0, LengthAt: 1, Lengths: map[string]int{"1": -1}, Ranges: []abi.Range{{At: 2, Max: 9}},
		}}}
	}), []byte{1, 1, 1, 1, 1, 0, 9})
	f.Add(manifest(func(m *abi.Manifest) { m.Formats[0].Sequence = &abi.Sequence{At: 1, Length: 6} }), []byte{1})
	f.Fuzz(func(t *testing.T, b, head []byte) {
		m, err := ParseManifest(b)
		if err != nil {
			return
		}
		for i := range m.Formats {
			if s := m.Formats[i].Sequence; s != nil && (s.At < 0 || s.Length < 1 || s.At+int64(s.Length) > abi.SniffHead) {
				t.Errorf("sequence %+v", s)
			}
		}
		for _, rules := range m.Rules {
			for i := range rules {
				for _, size := range []int64{int64(len(head)), int64(len(head)) + 1, 1 << 40} {
					if c := rules[i].Match(head, size); c < 0 || c > 1 {
						t.Errorf("confidence %v", c)
					}
				}
			}
		}
	})
}
