package engine

import (
	"math"
	"strconv"
	"testing"
)

func TestParseInt(t *testing.T) {
	for _, s := range []string{"0", "1", "-1", "9223372036854775807", "-9223372036854775808", "10"} {
		want, _ := strconv.ParseInt(s, 10, 64)
		if n, ok := parseInt([]byte(s)); !ok || n != want {
			t.Errorf("%q is %d %v", s, n, ok)
		}
	}
	for _, s := range []string{"", "-", "+1", "-0", "01", " 1", "1 ", "1.0", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "99999999999999999999", "a"} {
		if n, ok := parseInt([]byte(s)); ok {
			t.Errorf("%q is %d", s, n)
		}
	}
}

func TestParseFloat(t *testing.T) {
	for s, want := range map[string]float64{"1": 1, "-0.5": -0.5, "1e3": 1000, ".5": 0.5, "5.": 5, "+2": 2, "inf": math.Inf(1), "-Infinity": math.Inf(-1), "0x10": 16, "0x1p-1": 0.5, "0": 0, "0e5": 0} {
		if f, ok := parseFloat([]byte(s)); !ok || f != want {
			t.Errorf("%q is %v %v", s, f, ok)
		}
	}
	for _, s := range []string{"", " 1", "1 ", "nan", "1_0", "1e400", "-1e400", "1e-400", "e", "1e", "0x", "abc", "1a", "--1"} {
		if f, ok := parseFloat([]byte(s)); ok {
			t.Errorf("%q is %v", s, f)
		}
	}
}

func FuzzNumbers(f *testing.F) {
	for _, s := range []string{"1", "-9223372036854775808", "1e400", "0x1p3", "+-1", "1e-4951", "inf", "0x.8", "1e99999999999999999999"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, ok := parseInt(b); ok && string(appendInt(nil, n)) != string(b) {
			t.Fatalf("%q is read as %d", b, n)
		}
		if x, ok := parseFloat(b); ok && math.IsNaN(x) {
			t.Fatalf("%q is no number", b)
		}
		if x, ok := parseLong(b); ok {
			if text, finite := addLong(x, x); finite && len(text) > 5000 {
				t.Fatalf("%q doubled has %d bytes", b, len(text))
			}
		}
	})
}
