package table

import (
	"encoding/hex"
	"math"
	"strconv"
	"unicode/utf8"
)

// This file is the only place that turns values into text. Every form except Parquet and Arrow uses it.

// label gives the text of an enum's code: its label, else the number.
func (c *Column) label(code int64) string {
	if code >= 0 && code < int64(len(c.Labels)) && c.Labels[code] != "" {
		return c.Labels[code]
	}
	return strconv.FormatInt(code, 10)
}

// jsonForm says how JSON values are written.
type jsonForm struct {
	int64AsString bool
}

// appendJSON appends row i of a column as a JSON value.
func (f jsonForm) appendJSON(dst []byte, c *Column, v *Vector, i int) []byte {
	if !v.Valid(i) {
		return append(dst, "null"...)
	}
	switch c.Type {
	case F32, F64:
		x := floatAt(c.Type, v, i)
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return append(dst, "null"...)
		}
		return appendJSONFloat(dst, x, floatBits(c.Type))
	case I64, U64:
		if f.int64AsString {
			dst = append(dst, '"')
			dst = appendPlain(dst, c, v, i)
			return append(dst, '"')
		}
		return appendPlain(dst, c, v, i)
	case UTF8:
		return appendJSONString(dst, v.Bytes(i))
	case Enum8, Enum16:
		return appendJSONString(dst, c.label(v.Int(c.Type, i)))
	case Bin, TSus, TSns:
		dst = append(dst, '"')
		dst = appendPlain(dst, c, v, i)
		return append(dst, '"')
	default:
		return appendPlain(dst, c, v, i)
	}
}

// appendPlain appends row i, which is not null, without any quoting: the text of CSV before its own quoting.
func appendPlain(dst []byte, c *Column, v *Vector, i int) []byte {
	switch c.Type {
	case Bool:
		return strconv.AppendBool(dst, v.Data[i] != 0)
	case U64:
		return strconv.AppendUint(dst, uint64(v.Int(U64, i)), 10)
	case F32, F64:
		return appendFloat(dst, floatAt(c.Type, v, i), floatBits(c.Type))
	case TSus:
		return appendTime(dst, v.Int(TSus, i), 6, c.Naive)
	case TSns:
		return appendTime(dst, v.Int(TSns, i), 9, c.Naive)
	case Dec32, Dec64:
		return appendDecimal(dst, v.Int(c.Type, i), c.Scale)
	case UTF8:
		return append(dst, v.Bytes(i)...)
	case Bin:
		return hex.AppendEncode(dst, v.Bytes(i))
	case Enum8, Enum16:
		return append(dst, c.label(v.Int(c.Type, i))...)
	default:
		return strconv.AppendInt(dst, v.Int(c.Type, i), 10)
	}
}

func floatBits(t Type) int {
	if t == F32 {
		return 32
	}
	return 64
}

func floatAt(t Type, v *Vector, i int) float64 {
	if t == F32 {
		return float64(math.Float32frombits(uint32(v.Int(F32, i))))
	}
	return math.Float64frombits(uint64(v.Int(F64, i)))
}

// appendFloat appends the shortest text that reads back as x: NaN, Inf and -Inf where it is no number.
func appendFloat(dst []byte, x float64, size int) []byte {
	switch {
	case math.IsNaN(x):
		return append(dst, "NaN"...)
	case math.IsInf(x, 1):
		return append(dst, "Inf"...)
	case math.IsInf(x, -1):
		return append(dst, "-Inf"...)
	}
	return appendJSONFloat(dst, x, size)
}

// appendJSONFloat writes plain digits in the range where people read them easily and an exponent outside.
func appendJSONFloat(dst []byte, x float64, size int) []byte {
	if a := math.Abs(x); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(dst, x, 'e', -1, size)
	}
	return strconv.AppendFloat(dst, x, 'f', -1, size)
}

// appendDecimal appends an unscaled integer with exactly scale digits after the point.
func appendDecimal(dst []byte, x int64, scale int) []byte {
	if scale == 0 {
		return strconv.AppendInt(dst, x, 10)
	}
	u := uint64(x)
	if x < 0 {
		dst = append(dst, '-')
		u = -u
	}
	p := uint64(pow10[scale])
	dst = strconv.AppendUint(dst, u/p, 10)
	dst = append(dst, '.')
	return appendPadded(dst, u%p, scale)
}

// appendPadded appends u with leading zeros up to width digits.
func appendPadded(dst []byte, u uint64, width int) []byte {
	var buf [20]byte
	i := len(buf)
	for n := 0; n < width || u > 0; n++ {
		i--
		buf[i] = byte('0' + u%10)
		u /= 10
	}
	return append(dst, buf[i:]...)
}

// appendTime appends a time since 1970 in units of 10^-digits s as RFC 3339 with that many digits. Years outside
// 0000–9999 are written with a sign and at least six digits, as ISO 8601 has it.
func appendTime(dst []byte, x int64, digits int, naive bool) []byte {
	unit := pow10[digits]
	sec, frac := x/unit, x%unit
	if frac < 0 {
		frac += unit
		sec--
	}
	days, rest := sec/86400, sec%86400
	if rest < 0 {
		rest += 86400
		days--
	}
	y, m, d := civil(days)
	switch {
	case y < 0:
		dst = appendPadded(append(dst, '-'), uint64(-y), 6)
	case y > 9999:
		dst = appendPadded(append(dst, '+'), uint64(y), 6)
	default:
		dst = appendPadded(dst, uint64(y), 4)
	}
	r := uint64(rest)
	dst = append(dst, '-', byte('0'+m/10), byte('0'+m%10), '-', byte('0'+d/10), byte('0'+d%10), 'T')
	dst = appendPadded(dst, r/3600, 2)
	dst = append(dst, ':')
	dst = appendPadded(dst, r/60%60, 2)
	dst = append(dst, ':')
	dst = appendPadded(dst, r%60, 2)
	dst = append(dst, '.')
	dst = appendPadded(dst, uint64(frac), digits)
	if naive {
		return dst
	}
	return append(dst, 'Z')
}

// civil gives the Gregorian date of a day number since 1970-01-01 (Howard Hinnant's days algorithm).
func civil(days int64) (y, m, d int64) {
	z := days + 719468
	era := z / 146097
	if z < 0 {
		era = (z - 146096) / 146097
	}
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = doy - (153*mp+2)/5 + 1
	m = mp + 3
	if m > 12 {
		m -= 12
	}
	y = yoe + era*400
	if m <= 2 {
		y++
	}
	return y, m, d
}

const hexDigits = "0123456789abcdef"

// appendJSONString appends s as a JSON string. Text is written as it is: only quotes, backslashes, control characters,
// and the two line separators that end a line in JavaScript are escaped.
func appendJSONString[S []byte | string](dst []byte, s S) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= 0x20 && c != '"' && c != '\\' && c != 0x7f {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		if c == 0xE2 && i+2 < len(s) && s[i+1] == 0x80 && s[i+2]&0xFE == 0xA8 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, '\\', 'u', '2', '0', '2', hexDigits[s[i+2]&15])
			i += 3
			start = i
			continue
		}
		i++
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
