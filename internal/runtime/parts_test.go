package runtime

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// TestDecodeOfParts: a guest that goes through the parts reads each to its end, one that does not gets the first only.
func TestDecodeOfParts(t *testing.T) {
	r := newRig(t, nil, map[string][]byte{
		"parts": runtimetest.Parts("parts").Wasm(), "lines": runtimetest.Lines("lines").Wasm(),
	})
	const text = "\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00---\x03\x00\x00\x00\x00\x00\x00\x00--"
	request := func(id string) *job {
		j := r.request(id, []byte(text))
		j.Parts = []Part{{Name: "a", Size: 8}, {Name: "none"}, {Name: "b", Size: 11}, {Name: "c", Size: 10}}
		return j
	}
	j := request("parts")
	res := r.decode(j)
	if res.Status != Done || res.BytesRead != j.Size || res.Issues != (IssueCounts{}) {
		t.Errorf("%+v", res)
	}
	if got := j.file("rows"); got != "{\"value\":1}\n{\"value\":2}\n{\"value\":3}\n" {
		t.Errorf("rows %s", got)
	}
	j = request("lines")
	res = r.decode(j)
	if res.Status != Partial || res.Rows != 1 || res.BytesRead != 8 || res.Issues.Errors != 1 {
		t.Errorf("%+v", res)
	}
	if f := res.Failure; f == nil || f.Code != errcode.Unsupported || f.Offset == nil || *f.Offset != 8 {
		t.Errorf("%+v", f)
	}
	if got := j.file("issues"); !strings.Contains(got, `"offset":8,"severity":"fatal","code":"parts_not_read"`) {
		t.Errorf("issues: %s", got)
	}
	j = r.request("parts", []byte(text)) // a single file is one part
	if res := r.decode(j); res.Status != Done || res.Rows != 3 || res.BytesRead != j.Size {
		t.Errorf("%+v", res)
	}
}

// TestAsManyPartsAsThereMayBe sends a list that no packet holds.
func TestAsManyPartsAsThereMayBe(t *testing.T) {
	r := newRig(t, nil, map[string][]byte{"parts": runtimetest.Parts("parts").Wasm()})
	j := r.request("parts", make([]byte, 8*MaxParts))
	j.Parts = repeat(Part{Name: strings.Repeat("\x01", 1<<20/MaxParts), Size: 8}, MaxParts)
	if res := r.decode(j); res.Status != Done || res.Rows != MaxParts || res.BytesRead != j.Size {
		t.Errorf("%+v", res)
	}
}

func TestPartsThatDoNotFitAreRefused(t *testing.T) {
	p := &Pool{} // is never asked
	for name, parts := range map[string][]Part{
		"none":       {},
		"too short":  {{Size: 9}},
		"too long":   {{Size: 5}, {Size: 6}},
		"negative":   {{Size: -1}, {Size: 11}},
		"sum wraps":  {{Size: 1<<63 - 1}, {Size: 1<<63 - 1}, {Size: 12}},
		"long name":  {{Size: 10, Name: strings.Repeat("n", 256)}},
		"bytes":      {{Size: 10, Name: "\xff"}},
		"zero byte":  {{Size: 10, Name: "a\x00b"}},
		"many":       append(make([]Part, MaxParts), Part{Size: 10}),
		"much names": append([]Part{{Size: 10}}, repeat(Part{Name: strings.Repeat("n", 255)}, 1<<20/255+1)...),
	} {
		if _, err := p.Decode(t.Context(), Request{Size: 10, Parts: parts}); !errcode.Is(err, errcode.ValidationFailed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func repeat(p Part, n int) []Part {
	out := make([]Part, n)
	for i := range out {
		out[i] = p
	}
	return out
}

// TestLargestPartsFitAMessage makes the longest list of parts there may be, of bytes that JSON writes at length.
func TestLargestPartsFitAMessage(t *testing.T) {
	req := Request{Parts: repeat(Part{Name: strings.Repeat("\x01", 1<<20/MaxParts), SHA256: strings.Repeat("a", 64), Size: 1 << 40}, MaxParts)}
	req.Size = MaxParts << 40
	if err := req.checkParts(); err != nil {
		t.Fatal(err)
	}
	list := make([]map[string]any, len(req.Parts))
	for i, p := range req.Parts {
		list[i] = map[string]any{"name": p.Name, "size": p.Size, "sha256": p.SHA256, "offset": req.Size}
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]any{"parts": wireParts(req.Parts), "metadata": string(text)})
	if err != nil || len(b) > wire.MaxBody-1<<20 {
		t.Errorf("%d bytes of at most %d, %v", len(b), wire.MaxBody, err)
	}
}

func TestPartNameIsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := string(rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(t, "bytes"))
		got := PartName(in)
		if !utf8.ValidString(got) || len(got) > abi.MaxPartName || strings.Contains(got, "\x00") || PartName(got) != got {
			t.Fatalf("%q becomes %q", in, got)
		}
		if utf8.ValidString(in) && len(in) <= abi.MaxPartName && !strings.Contains(in, "\x00") && got != in {
			t.Fatalf("%q was changed to %q", in, got)
		}
	})
}

func TestIdentityOfParts(t *testing.T) {
	a, b := Part{Name: "a", SHA256: strings.Repeat("1", 64)}, Part{Name: "b", SHA256: strings.Repeat("2", 64)}
	// As sha256sum gives it for these bytes.
	const want = "ab7b0f7fcd820a946bfa33d060317501b816a6aceb55d476c6379292ae7819dc"
	if got := PartsSHA256([]Part{a, b}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	renamed := a
	renamed.Name = "c"
	for name, other := range map[string][]Part{"order": {b, a}, "name": {renamed, b}, "fewer": {a}} {
		if PartsSHA256(other) == want {
			t.Errorf("another %s is the same recording", name)
		}
	}
}

func TestSequence(t *testing.T) {
	g := runtimetest.NewGuest("follows", 1, 1)
	g.Change(func(m *abi.Manifest) {
		m.Formats[0].Sniff = []abi.Sniff{{Bytes: "46"}}
		m.Formats[0].Sequence = &abi.Sequence{At: 1, Length: 3}
	})
	r := newRig(t, nil, map[string][]byte{"follows": g.Decode(i32(0)).Wasm(), "lines": runtimetest.Lines("lines").Wasm()})
	for _, id := range []string{"follows", "lines"} {
		p, _ := r.reg.Get(id)
		if err := r.reg.Wait(t.Context(), p.SHA256); err != nil {
			t.Fatal(err)
		}
	}
	p, _ := r.reg.Get("lines")
	if s := p.Formats[0].Sequence; s != nil {
		t.Errorf("lines: %+v", s)
	}
	p, _ = r.reg.Get("follows")
	s := p.Formats[0].Sequence
	if s == nil {
		t.Fatal("no sequence")
	}
	if key, ok := s.Key([]byte("Fabc")); !ok || key != "abc" {
		t.Errorf("key %q %v", key, ok)
	}
	if key, ok := s.Key([]byte("Fab")); ok {
		t.Errorf("key %q of a file that ends before", key)
	}
	for text, want := range map[string]bool{"Fabc": false, "xabc": true} {
		if d, ok := r.reg.Detect(t.Context(), []byte(text), 4, "x.follows"); !ok || d.Decoder != "follows" || d.ByName != want {
			t.Errorf("%s: %+v %v", text, d, ok)
		}
	}
}
