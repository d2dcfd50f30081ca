package sdk_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

// everything is a table with a column of each type.
type everything struct {
	*sdk.Table
	b   *sdk.Bool
	i8  *sdk.Int8
	i64 *sdk.Int64
	u16 *sdk.Uint16
	f32 *sdk.Float32
	f64 *sdk.Float64
	at  *sdk.TimeMicros
	dec *sdk.Decimal64
	e   *sdk.Enum8
	txt *sdk.Text
	bin *sdk.Text
}

func declare(s *sdk.Schema) *everything {
	t := s.Table("all", "one of each")
	return &everything{
		Table: t,
		b:     t.Bool("b", sdk.Attr{}),
		i8:    t.Int8("i8", sdk.Attr{Nullable: true}),
		i64:   t.Int64("i64", sdk.Attr{}),
		u16:   t.Uint16("u16", sdk.Attr{Unit: "m"}),
		f32:   t.Float32("f32", sdk.Attr{}),
		f64:   t.Float64("f64", sdk.Attr{Nullable: true}),
		at:    t.TimeMicros("at", sdk.Attr{Naive: true, Role: sdk.RoleTime}),
		dec:   t.Decimal64("dec", sdk.Attr{Scale: 3}),
		e:     t.Enum8("e", sdk.Attr{Labels: []string{"", "one"}}),
		txt:   t.Text("txt", sdk.Attr{Nullable: true}),
		bin:   t.Bytes("bin", sdk.Attr{Sensitive: true}),
	}
}

// row writes row i; every third has nulls.
func (t *everything) row(i int) {
	t.b.Set(i%2 == 1)
	t.i8.SetOr(int8(-i), i%3 != 0)
	t.i64.Set(math.MinInt64 + int64(i))
	t.u16.Set(uint16(i))
	t.f32.Set(0.5)
	if i%3 == 0 {
		t.f64.Null()
		t.txt.Null()
	} else {
		t.f64.Set(float64(i) / 4)
		t.txt.Set(strings.Repeat("ä", i%5))
	}
	t.at.Set(int64(i) * 1e6)
	t.dec.Set(int64(-i))
	t.e.Set(uint8(i % 3))
	t.bin.SetBytes([]byte{byte(i), 0xff})
	t.EndRow()
}

func plugin(decode func(*sdk.Input, *everything) error) *sdk.Plugin {
	return sdk.New(sdk.Info{ID: "test"}, declare, decode)
}

// run decodes text.
func run(text string, decode func(*sdk.Input, *everything) error) *sdktest.Result {
	return sdktest.Run(plugin(decode), strings.NewReader(text), map[string]string{"yes": "true", "no": "0", "odd": "maybe"})
}

// sink counts batches and may stop the decode; the rest it leaves to a Result.
type sink struct {
	*sdktest.Result
	batches []int
	bytes   []int
	stop    int
}

func (s *sink) Emit(b *sdk.Batch) bool {
	s.batches = append(s.batches, b.Rows)
	n := 0
	for _, c := range b.Columns {
		n += len(c.Values)
	}
	s.bytes = append(s.bytes, n)
	return len(s.batches) != s.stop
}

func TestValuesComeBack(t *testing.T) {
	const rows = 20_000
	r := run("", func(_ *sdk.Input, out *everything) error {
		for i := range rows {
			out.row(i)
		}
		return nil
	})
	got := r.Tables["all"]
	if r.Code != 0 || got.Len != rows {
		t.Fatalf("result %d %s, %d rows", r.Code, r.FailText, got.Len)
	}
	for i := range rows {
		want := map[string]any{
			"seq": int64(i + 1), "b": i%2 == 1, "i8": int64(int8(-i)), "i64": math.MinInt64 + int64(i), "u16": uint64(uint16(i)), "f32": 0.5,
			"f64": float64(i) / 4, "at": int64(i) * 1e6, "dec": int64(-i), "e": []string{"0", "one", "2"}[i%3],
			"txt": strings.Repeat("ä", i%5), "bin": []byte{byte(i), 0xff},
		}
		if i%3 == 0 {
			want["i8"], want["f64"], want["txt"] = nil, nil, nil
		}
		for name, w := range want {
			if diff := cmp.Diff(w, got.Value(i, name)); diff != "" {
				t.Fatalf("row %d, %s: %s", i, name, diff)
			}
		}
	}
}

func TestBatchesEndByRowsAndByBytes(t *testing.T) {
	s := &sink{Result: &sdktest.Result{}}
	p := plugin(func(_ *sdk.Input, out *everything) error {
		for i := range abi.BatchRows + 1 {
			out.row(i)
		}
		return nil
	})
	p.Run(sdk.Host{Input: strings.NewReader(""), Sink: s})
	if fmt.Sprint(s.batches) != fmt.Sprint([]int{abi.BatchRows, 1}) {
		t.Errorf("batches of %v rows", s.batches)
	}
	for _, strict := range []bool{false, true} {
		s = &sink{Result: &sdktest.Result{}}
		text := strings.Repeat("x", 100_000)
		var table *sdk.Table
		p = sdk.New(sdk.Info{}, func(s *sdk.Schema) *sdk.Text {
			table = s.Table("t", "")
			return table.Text("x", sdk.Attr{})
		}, func(_ *sdk.Input, x *sdk.Text) error {
			for range 100 {
				x.Set(text)
				table.EndRow()
			}
			return nil
		})
		p.Run(sdk.Host{Input: strings.NewReader(""), Sink: s, Strict: strict})
		for i, n := range s.bytes {
			if n > abi.BatchBytes+2*len(text) || n < abi.BatchBytes-2*len(text) && i < len(s.bytes)-1 {
				t.Errorf("strict %v: batch %d has %d bytes", strict, i, n)
			}
		}
		if len(s.bytes) < 9 {
			t.Errorf("strict %v: %d batches", strict, len(s.bytes))
		}
	}
}

func TestARowBeyondABatchFails(t *testing.T) {
	big := make([]byte, abi.MaxBatchBytes+1)
	r := run("", func(in *sdk.Input, out *everything) error {
		out.row(1)
		out.b.Set(true)
		out.i8.Null()
		out.i64.Set(1)
		out.u16.Set(1)
		out.f32.Set(1)
		out.f64.Null()
		out.at.Set(1)
		out.dec.Set(1)
		out.e.Set(1)
		out.txt.Null()
		out.bin.SetBytes(big)
		out.EndRow()
		_, err := in.Peek(1)
		return err
	})
	if r.Code == 0 || r.FailCode != sdk.CodeOutputLimit {
		t.Errorf("result %d, %q", r.Code, r.FailCode)
	}
}

func TestMistakesOfADecoderAreTraps(t *testing.T) {
	for name, wrong := range map[string]func(out *everything){
		"a value is missing": func(out *everything) { out.b.Set(true); out.EndRow() },
		"a value too many":   func(out *everything) { out.b.Set(true); out.row(1) },
		"a panic":            func(*everything) { panic("on purpose") },
		"a row is not ended": func(out *everything) {
			out.row(1)
			out.b.Set(true)
		},
	} {
		for _, strict := range []bool{true, false} {
			s := &sink{Result: &sdktest.Result{}}
			code := plugin(func(_ *sdk.Input, out *everything) error {
				wrong(out)
				return nil
			}).Run(sdk.Host{Input: strings.NewReader(""), Sink: s, Strict: strict})
			if code == 0 || s.FailCode != sdk.CodeTrap {
				t.Errorf("%s, strict %v: result %d, %q %q", name, strict, code, s.FailCode, s.FailText)
			}
		}
	}
}

func TestRowsBeforeAFailureAreKept(t *testing.T) {
	for name, c := range map[string]struct {
		end  func() error
		code string
	}{
		"panic":       {func() error { panic("on purpose") }, sdk.CodeTrap},
		"fail":        {func() error { return sdk.Fail("unsupported", "version %d", 9) }, "unsupported"},
		"wrapped":     {func() error { return fmt.Errorf("read: %w", sdk.Fail("unsupported", "x")) }, "unsupported"},
		"short input": {func() error { return fmt.Errorf("read: %w", io.ErrUnexpectedEOF) }, sdk.CodeTruncated},
		"other":       {func() error { return errors.New("broken") }, sdk.CodeCorruptRecord},
	} {
		t.Run(name, func(t *testing.T) {
			r := run("", func(_ *sdk.Input, out *everything) error {
				out.row(1)
				out.row(2)
				out.b.Set(true) // a row that is not completed
				out.txt.Set("half")
				return c.end()
			})
			if r.Code != abi.DecodeError || r.FailCode != c.code || r.Tables["all"].Len != 2 {
				t.Errorf("result %d, %q %q, %d rows", r.Code, r.FailCode, r.FailText, r.Tables["all"].Len)
			}
		})
	}
}

func TestStopEndsQuietly(t *testing.T) {
	s := &sink{Result: &sdktest.Result{}, stop: 1}
	rows := 0
	code := plugin(func(in *sdk.Input, out *everything) error {
		for {
			if _, err := in.Next(1); err != nil {
				return fmt.Errorf("next: %w", err)
			}
			out.row(1)
			rows++
		}
	}).Run(sdk.Host{Input: endless{}, Sink: s})
	if code != abi.DecodeOK || s.FailCode != "" || len(s.batches) != 1 {
		t.Errorf("result %d, %q, %d batches", code, s.FailCode, len(s.batches))
	}
	if rows > 1<<20 {
		t.Errorf("%d rows were made", rows)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestInput(t *testing.T) {
	const text = "0123456789"
	for name, reader := range map[string]io.Reader{
		"whole": strings.NewReader(text), "bytes": iotest.OneByteReader(strings.NewReader(text)),
		"error with data": iotest.DataErrReader(strings.NewReader(text)),
	} {
		t.Run(name, func(t *testing.T) {
			decode := func(in *sdk.Input, _ *everything) error {
				b, err := in.Peek(4)
				check(t, "peek", string(b), "0123", err, nil)
				b, err = in.Next(2)
				check(t, "next", string(b), "01", err, nil)
				check(t, "offset", fmt.Sprint(in.Offset()), "2", in.Discard(3), nil)
				b, err = in.Peek(6)
				check(t, "peek past the end", string(b), "56789", err, io.ErrUnexpectedEOF)
				b, err = in.Next(6)
				check(t, "next past the end", string(b), "56789", err, io.ErrUnexpectedEOF)
				c, err := in.ReadByte()
				check(t, "byte", string(c), "5", err, nil)
				rest, err := io.ReadAll(in)
				check(t, "read", string(rest), "6789", err, nil)
				_, err = in.Peek(1)
				check(t, "end", fmt.Sprint(in.Offset()), "10", err, io.EOF)
				check(t, "discard past the end", "", "", in.Discard(1), io.ErrUnexpectedEOF)
				check(t, "params", fmt.Sprint(in.BoolParam("yes", false), in.BoolParam("no", true), in.BoolParam("odd", true), in.BoolParam("none", false)),
					"true false true false", nil, nil)
				check(t, "size", fmt.Sprint(in.Size()), "-1", nil, nil)
				if _, err := in.ReadAt(make([]byte, 1), 0); err == nil {
					t.Error("random access without the capability")
				}
				return nil
			}
			r := sdktest.Run(plugin(decode), reader, map[string]string{"yes": "true", "no": "0", "odd": "maybe"})
			if r.Code != 0 {
				t.Error(r.FailText)
			}
		})
	}
}

func check(t *testing.T, what, got, want string, err, wantErr error) {
	t.Helper()
	if got != want || !errors.Is(err, wantErr) {
		t.Errorf("%s: %q, %v; want %q, %v", what, got, err, want, wantErr)
	}
}

func TestLargeInputInWindows(t *testing.T) {
	b := make([]byte, 3_000_000)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	var got bytes.Buffer
	r := sdktest.Run(plugin(func(in *sdk.Input, _ *everything) error {
		for {
			w, err := in.Window(1)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("window: %w", err)
			}
			n := min(len(w), 1000)
			got.Write(w[:n])
			if err := in.Discard(int64(n)); err != nil {
				return fmt.Errorf("discard: %w", err)
			}
		}
	}), bytes.NewReader(b), nil)
	if r.Code != 0 || !bytes.Equal(got.Bytes(), b) {
		t.Errorf("result %d %s, %d bytes", r.Code, r.FailText, got.Len())
	}
}

func TestRoomAndAdded(t *testing.T) {
	type pair struct {
		*sdk.Table
		a *sdk.Int64
		b *sdk.Enum16
	}
	const rows = 30_000
	p := sdk.New(sdk.Info{}, func(s *sdk.Schema) *pair {
		t := s.Table("t", "")
		return &pair{t, t.Int64("a", sdk.Attr{}), t.Enum16("b", sdk.Attr{Nullable: true})}
	}, func(_ *sdk.Input, out *pair) error {
		for done := 0; done < rows; {
			a, b := out.a.Room(), out.b.Room()
			n := min(len(a), len(b), rows-done, 1+done%500)
			absent := make([]uint8, n)
			for i := range n {
				a[i], b[i] = int64(done+i), uint16((done+i)%1000)
				if (done+i)%7 == 0 {
					absent[i] = 1
				}
			}
			out.b.Absent(absent)
			out.Added(n)
			done += n
		}
		return nil
	})
	r := sdktest.Run(p, strings.NewReader(""), nil)
	got := r.Tables["t"]
	if r.Code != 0 || got.Len != rows {
		t.Fatalf("%s %s, %d rows", r.FailCode, r.FailText, got.Len)
	}
	for i := range rows {
		want := any(fmt.Sprint(i % 1000))
		if i%7 == 0 {
			want = nil
		}
		if got.Value(i, "a") != int64(i) || got.Value(i, "b") != want {
			t.Fatalf("row %d: %v %v", i, got.Value(i, "a"), got.Value(i, "b"))
		}
	}
}

func TestSetSpans(t *testing.T) {
	base := make([]byte, 5000)
	for i := range base {
		base[i] = byte(i * 31)
	}
	var starts, ends []uint32
	for i := range uint32(1000) {
		starts, ends = append(starts, i*5), append(ends, i*5+i*7%23)
		ends[i] = min(ends[i], uint32(len(base)))
	}
	var table *sdk.Table
	spans := func(starts, ends []uint32) *sdktest.Result {
		return sdktest.Run(sdk.New(sdk.Info{}, func(s *sdk.Schema) *sdk.Text {
			table = s.Table("t", "")
			return table.Bytes("x", sdk.Attr{})
		}, func(_ *sdk.Input, x *sdk.Text) error {
			for len(starts) > 0 {
				n := min(50, len(starts), x.Room())
				x.SetSpans(base, starts[:n], ends[:n])
				starts, ends = starts[n:], ends[n:]
				table.Added(n)
			}
			return nil
		}), strings.NewReader(""), nil)
	}
	r := spans(starts, ends)
	if r.Code != 0 || r.Tables["t"].Len != len(starts) {
		t.Fatalf("%q, %d rows", r.FailText, r.Tables["t"].Len)
	}
	for i := range starts {
		if got := r.Tables["t"].Value(i, "x").([]byte); !bytes.Equal(got, base[starts[i]:ends[i]]) {
			t.Fatalf("row %d: %x", i, got)
		}
	}
	for _, wrong := range [][2]uint32{{3, 2}, {4999, 5001}, {1 << 31, 1<<31 + 1}} {
		if r := spans([]uint32{wrong[0]}, []uint32{wrong[1]}); r.FailCode != sdk.CodeTrap {
			t.Errorf("%v: %q", wrong, r.FailCode)
		}
	}
}

func TestManifestIsWhatIsDeclared(t *testing.T) {
	b, err := json.Marshal(plugin(nil).Manifest().Tables)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"name":"all","description":"one of each","columns":[` +
		`{"name":"seq","type":"i64","description":"number of the row, from 1"},{"name":"b","type":"bool"},` +
		`{"name":"i8","type":"i8","nullable":true},{"name":"i64","type":"i64"},{"name":"u16","type":"u16","unit":"m"},` +
		`{"name":"f32","type":"f32"},{"name":"f64","type":"f64","nullable":true},` +
		`{"name":"at","type":"ts_us","zone":"naive","role":"time"},{"name":"dec","type":"dec64","scale":3},` +
		`{"name":"e","type":"enum8","labels":["","one"]},{"name":"txt","type":"utf8","nullable":true},` +
		`{"name":"bin","type":"bin","sensitive":true}]}]`
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Error(diff)
	}
}

func TestSniff(t *testing.T) {
	for text, want := range map[string]int32{"RIFF": 100, "": 0, "panic": 0} {
		p := plugin(nil).WithSniff(func(head []byte) int {
			if string(head) == "panic" {
				panic("on purpose")
			}
			return 50 * len(head)
		})
		if got := p.Sniff(sdk.Host{Input: strings.NewReader(text), Sink: &sink{}}); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	if got := plugin(nil).Sniff(sdk.Host{Input: strings.NewReader("x")}); got != 0 {
		t.Errorf("without a sniff function: %d", got)
	}
}
