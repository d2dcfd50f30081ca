package engine

import (
	"math"
	"strconv"
	"strings"
)

// parseInt parses an integer as Redis writes it: no blanks, no plus, no leading zeros, no -0.
func parseInt(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	neg := b[0] == '-'
	d := b
	if neg {
		d = b[1:]
	}
	if len(d) == 0 || d[0] < '0' || d[0] > '9' || d[0] == '0' && (len(d) > 1 || neg) {
		return 0, false
	}
	var n uint64
	for _, c := range d {
		if c < '0' || c > '9' || n > (math.MaxUint64-9)/10 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	switch {
	case neg && n <= 1<<63:
		return -int64(n), true
	case !neg && n <= math.MaxInt64:
		return int64(n), true
	}
	return 0, false
}

// ParseInt is parseInt for other packages.
func ParseInt(b []byte) (int64, bool) { return parseInt(b) }

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// parseFloat parses a number as strtod does, without blanks, what is no number, and what is too large or too small for one.
func parseFloat(b []byte) (float64, bool) {
	s := string(b)
	if s == "" || len(s) > 512 || strings.ContainsRune(s, '_') {
		return 0, false
	}
	digits := s
	if hex := strings.IndexAny(s, "xX"); hex > 0 {
		if digits = s[hex+1:]; !strings.ContainsAny(s, "pP") {
			s += "p0"
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if f == 0 && err == nil { // or so small that nothing is left of it
		if end := strings.IndexAny(digits, "eEpP"); end >= 0 {
			digits = digits[:end]
		}
		return f, !strings.ContainsAny(digits, "123456789")
	}
	return f, err == nil && !math.IsNaN(f)
}
