package resp

import (
	"math"
	"strings"
	"testing"
)

func TestAnswersInBothVersions(t *testing.T) {
	for _, test := range []struct {
		name   string
		write  func(w *Writer)
		v2, v3 string
	}{
		{"simple", func(w *Writer) { w.Simple("OK") }, "+OK\r\n", "+OK\r\n"},
		{"simple of two lines", func(w *Writer) { w.Simple("a\r\nb") }, "+a  b\r\n", "+a  b\r\n"},
		{"error", func(w *Writer) { w.Error("ERR no\n") }, "-ERR no \r\n", "-ERR no \r\n"},
		{"int", func(w *Writer) { w.Int(math.MinInt64) }, ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"},
		{"bulk", func(w *Writer) { w.Bulk([]byte("a\r\n")) }, "$3\r\na\r\n\r\n", "$3\r\na\r\n\r\n"},
		{"empty bulk", func(w *Writer) { w.BulkString("") }, "$0\r\n\r\n", "$0\r\n\r\n"},
		{"null", func(w *Writer) { w.Null() }, "$-1\r\n", "_\r\n"},
		{"null array", func(w *Writer) { w.NullArray() }, "*-1\r\n", "_\r\n"},
		{"true", func(w *Writer) { w.Bool(true) }, ":1\r\n", "#t\r\n"},
		{"false", func(w *Writer) { w.Bool(false) }, ":0\r\n", "#f\r\n"},
		{"double", func(w *Writer) { w.Double(3.25) }, "$4\r\n3.25\r\n", ",3.25\r\n"},
		{"infinity", func(w *Writer) { w.Double(math.Inf(-1)) }, "$4\r\n-inf\r\n", ",-inf\r\n"},
		{"decimal", func(w *Writer) { w.Decimal("0.10") }, "$4\r\n0.10\r\n", ",0.10\r\n"},
		{"array", func(w *Writer) { w.Array(2) }, "*2\r\n", "*2\r\n"},
		{"map", func(w *Writer) { w.Map(2) }, "*4\r\n", "%2\r\n"},
		{"set", func(w *Writer) { w.Set(2) }, "*2\r\n", "~2\r\n"},
		{"push", func(w *Writer) { w.Push(2) }, "*2\r\n", ">2\r\n"},
		{"verbatim", func(w *Writer) { w.Verbatim("txt", "hi") }, "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"},
		{"big number", func(w *Writer) { w.BigNumber("123") }, "$3\r\n123\r\n", "(123\r\n"},
		{"array counted later", func(w *Writer) {
			mark := w.Mark()
			w.Int(1)
			w.Int(2)
			w.ArrayAt(mark, 2)
		}, "*2\r\n:1\r\n:2\r\n", "*2\r\n:1\r\n:2\r\n"},
		{"map within a set, both counted later", func(w *Writer) {
			outer := w.Mark()
			inner := w.Mark()
			w.Int(1)
			w.Int(2)
			w.MapAt(inner, 1)
			w.SetAt(outer, 1)
		}, "*1\r\n*2\r\n:1\r\n:2\r\n", "~1\r\n%1\r\n:1\r\n:2\r\n"},
		{"undone", func(w *Writer) {
			mark := w.Mark()
			w.Int(1)
			w.Undo(mark)
			w.Int(2)
		}, ":2\r\n", ":2\r\n"},
	} {
		for version, want := range map[int]string{2: test.v2, 3: test.v3} {
			w := NewWriter()
			w.SetVersion(version)
			w.Simple("before")
			test.write(w)
			if got := strings.TrimPrefix(string(w.Buf), "+before\r\n"); got != want {
				t.Errorf("%s in version %d: %q, want %q", test.name, version, got, want)
			}
		}
	}
}

func TestNumbersAsRedisWritesThem(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0", math.Copysign(0, -1): "-0", 1: "1", -1.5: "-1.5", 0.1: "0.10000000000000001", 1e16: "10000000000000000", 123456789012345680: "1.2345678901234568e+17",
		3.0e-5: "3.0000000000000001e-05", 1.7976931348623157e308: "1.7976931348623157e+308", 5e-324: "4.9406564584124654e-324", 17179869184.5: "17179869184.5",
	} {
		if got := string(AppendDouble(nil, f)); got != want {
			t.Errorf("%v is written %q, want %q", f, got, want)
		}
	}
}

// TestAnAnswerHasABound writes more than is allowed in every way there is: the buffer stays within the bound and a head,
// marks go on to be valid, and Full tells.
func TestAnAnswerHasABound(t *testing.T) {
	long := strings.Repeat("x", 100)
	for name, write := range map[string]func(w *Writer){
		"bulk":      func(w *Writer) { w.Bulk([]byte(long)) },
		"string":    func(w *Writer) { w.BulkString(long) },
		"simple":    func(w *Writer) { w.Simple(long) },
		"verbatim":  func(w *Writer) { w.Verbatim("txt", long) },
		"int":       func(w *Writer) { w.Int(1) },
		"null":      func(w *Writer) { w.Null() },
		"double":    func(w *Writer) { w.Double(0.1) },
		"late head": func(w *Writer) { mark := w.Mark(); w.Int(1); w.ArrayAt(mark, 1) },
		"undo":      func(w *Writer) { mark := w.Mark(); w.BulkString(long); w.Undo(mark); w.Int(1) },
	} {
		for _, version := range []int{2, 3} {
			w := NewWriter()
			w.SetVersion(version)
			w.Max = 1000
			for range 2000 {
				write(w)
			}
			if !w.Full || len(w.Buf) > w.Max+64 {
				t.Errorf("%s: %d bytes, full: %v", name, len(w.Buf), w.Full)
			}
		}
	}
}
