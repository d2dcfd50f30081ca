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
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x05\x03\x01\x00\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = EmbeddedManifest(b)
		_, _ = SignatureOf(b)
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
		if _, n, ok := Instrument(b, info); ok {
			_, _ = Snapshot(b, make([]byte, Page), make([]uint64, n))
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
