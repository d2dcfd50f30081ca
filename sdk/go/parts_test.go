package sdk_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

// partsOf makes parts named p0, p1 ….
func partsOf(texts ...string) []sdktest.Part {
	parts := make([]sdktest.Part, len(texts))
	for i, text := range texts {
		parts[i] = sdktest.Part{Name: fmt.Sprintf("p%d", i), Data: []byte(text)}
	}
	return parts
}

// runParts decodes with or without capability seek, and fails where the decode does.
func runParts(t interface{ Fatalf(string, ...any) }, seek bool, parts []sdktest.Part, decode func(*sdk.Input) error) {
	info := sdk.Info{ID: "test"}
	if seek {
		info.Capabilities = []string{abi.CapSeek}
	}
	p := sdk.New(info, declare, func(in *sdk.Input, _ *everything) error { return decode(in) })
	if r := sdktest.RunParts(p, parts, nil); r.Code != 0 {
		t.Fatalf("result %d: %s", r.Code, r.FailText)
	}
}

// TestPartsOneAfterTheOther reads some of each part, in whatever way, and compares offsets and bytes with the parts
// laid back to back.
func TestPartsOneAfterTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringN(0, 60, 60), 1, 5).Draw(t, "parts")
		all := strings.Join(texts, "")
		runParts(t, rapid.Bool().Draw(t, "seek"), partsOf(texts...), func(in *sdk.Input) error {
			start := 0
			for i, text := range texts {
				if in.PartName() != fmt.Sprintf("p%d", i) || in.PartOffset() != int64(start) || in.Offset() != int64(start) {
					t.Fatalf("part %s at %d, %d", in.PartName(), in.PartOffset(), in.Offset())
				}
				for range rapid.IntRange(0, 3).Draw(t, "reads") {
					n := rapid.IntRange(0, 40).Draw(t, "bytes")
					at := int(in.Offset())
					left := start + len(text) - at
					b, err := in.Next(n)
					switch {
					case n <= left && (err != nil || string(b) != all[at:at+n]):
						t.Fatalf("at %d: %q, %v", at, b, err)
					case n > left && (err == nil || string(b) != all[at:at+left] || in.Offset() != int64(at)):
						t.Fatalf("%d bytes at %d, %d before the end of the part: %q, %v", n, at, left, b, err)
					}
				}
				start += len(text)
				name, ok := in.NextPart()
				if want := i+1 < len(texts); ok != want || (ok && name != in.PartName()) {
					t.Fatalf("after part %d: %q %v", i, name, ok)
				}
			}
			return nil
		})
	})
}

// TestRecordsDoNotCrossParts: the end of a part is the end of the input until the next one is opened.
func TestRecordsDoNotCrossParts(t *testing.T) {
	got := ""
	runParts(t, false, partsOf("abcd", "", "efg"), func(in *sdk.Input) error {
		for {
			b, err := in.Next(2)
			if err == nil {
				got += fmt.Sprintf("%d%s ", in.Offset()-2, b)
				continue
			}
			got += fmt.Sprintf("(%q %t) ", b, errors.Is(err, io.EOF))
			if _, more := in.NextPart(); !more {
				return nil
			}
		}
	})
	if want := `0ab 2cd ("" true) ("" true) 4ef ("g" false) `; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestReadAtConcernsTheOpenPart(t *testing.T) {
	runParts(t, true, partsOf("abc", "defg"), func(in *sdk.Input) error {
		b := make([]byte, 2)
		for _, want := range []string{"bc 3 0", "ef 4 3"} {
			n, err := in.ReadAt(b, 1)
			if got := fmt.Sprintf("%s %d %d", b[:n], in.Size(), in.PartOffset()); err != nil || got != want {
				t.Errorf("got %s, want %s, %v", got, want, err)
			}
			in.NextPart()
		}
		return nil
	})
}

// TestNoNextPart lists inputs that do not go on.
func TestNoNextPart(t *testing.T) {
	stay := func(in *sdk.Input) error {
		if name, ok := in.NextPart(); ok || name != "" || in.PartOffset() != 0 {
			t.Errorf("went on with %q at %d", name, in.PartOffset())
		}
		if b, err := in.Next(2); err != nil || string(b) != "ab" {
			t.Errorf("the input has changed: %q, %v", b, err)
		}
		return nil
	}
	runParts(t, false, partsOf("abc"), stay)
	if r := run("abc", func(in *sdk.Input, _ *everything) error {
		if in.PartName() != "" {
			t.Errorf("a part named %s", in.PartName())
		}
		return stay(in)
	}); r.Code != 0 {
		t.Error(r.FailText)
	}
}

// brokenParts has a second part, but its first cannot be read to its end.
type brokenParts struct{ opened bool }

func (*brokenParts) Name(int) (string, bool) { return "next", true }
func (b *brokenParts) Open(int) bool         { b.opened = true; return true }

func TestNextPartAfterAFaultOrAStop(t *testing.T) {
	parts := &brokenParts{}
	p := plugin(func(in *sdk.Input, _ *everything) error {
		if _, ok := in.NextPart(); ok {
			t.Error("went on where the former part could not be read")
		}
		return nil
	})
	p.Run(sdk.Host{Input: iotest.ErrReader(errors.New("broken")), Parts: parts, Sink: &sdktest.Result{}})
	p = plugin(func(in *sdk.Input, out *everything) error {
		for i := range abi.BatchRows {
			out.row(i)
		}
		if _, ok := in.NextPart(); ok {
			t.Error("went on when no more rows are wanted")
		}
		return nil
	})
	s := &sink{Result: &sdktest.Result{}, stop: 1}
	if code := p.Run(sdk.Host{Input: strings.NewReader("abc"), Parts: parts, Sink: s}); code != 0 || len(s.batches) != 1 {
		t.Errorf("result %d after %d batches", code, len(s.batches))
	}
	if parts.opened {
		t.Error("a part was opened")
	}
}
