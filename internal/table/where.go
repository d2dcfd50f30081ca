package table

import (
	"bytes"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// Op is the comparison of a Condition.
type Op string

// Comparisons.
const (
	Eq       Op = "eq"
	Ne       Op = "ne"
	Lt       Op = "lt"
	Le       Op = "le"
	Gt       Op = "gt"
	Ge       Op = "ge"
	In       Op = "in"
	Contains Op = "contains"
	IsNull   Op = "is_null"
)

// Condition is a comparison of a column with values, parsed for the column's type. ParseWhere makes one.
type Condition struct {
	expr   string
	column int
	op     Op
	keys   []literal // of fixed-width columns
	texts  [][]byte  // of utf8, bin and enums
	null   bool      // IsNull: whether nulls are wanted
}

// literal is a value in the order of a column's keys. It may lie between two keys: 1.005 between the dec32(2) values
// 1.00 and 1.01.
type literal struct {
	key   int64
	above bool // lies just above key
	nan   bool
}

// compare compares a value's key with the literal.
func (l literal) compare(key int64) int {
	switch {
	case key < l.key, key == l.key && l.above:
		return -1
	case key > l.key:
		return 1
	}
	return 0
}

func unknownColumn(field string, s *Schema, name string) error {
	return errcode.Invalid(field, "table %s has no column %.80q", s.Name, name)
}

func badWhere(format string, args ...any) error { return errcode.Invalid("where", format, args...) }

// ParseWhere parses `<column>:<op>:<value>` for a table. What is wrong with it is a ValidationFailed error on the
// field "where".
func ParseWhere(s *Schema, expr string) (Condition, error) {
	name, rest, ok := strings.Cut(expr, ":")
	op, value, ok2 := strings.Cut(rest, ":")
	if !ok || (!ok2 && Op(op) != IsNull) {
		return Condition{}, badWhere("%.200q is not of the form column:op:value", expr)
	}
	i := s.Index(name)
	if i < 0 {
		return Condition{}, unknownColumn("where", s, name)
	}
	col := &s.Columns[i]
	c := Condition{expr: expr, column: i, op: Op(op)}
	switch c.op {
	case Eq, Ne:
		return c, c.parse(col, value)
	case Lt, Le, Gt, Ge:
		if col.Type == Bool || col.Type == Bin {
			return c, badWhere("%s is of type %s, which has no order", name, col.Type)
		}
		if err := c.parse(col, value); err != nil {
			return c, err
		}
		if len(c.keys) == 1 && c.keys[0].nan {
			return c, badWhere("NaN has no place in the order")
		}
		return c, nil
	case In:
		for _, v := range splitList(value) {
			if err := c.parse(col, v); err != nil {
				return c, err
			}
		}
		return c, nil
	case Contains:
		return c, c.parseContains(col, value)
	case IsNull:
		switch value {
		case "", "true":
			c.null = true
		case "false":
		default:
			return c, badWhere("is_null takes true or false, not %.80q", value)
		}
		return c, nil
	}
	return Condition{}, badWhere("%.80q is none of eq, ne, lt, le, gt, ge, in, contains, is_null", op)
}

// splitList splits at commas; a backslash makes the next character an ordinary one.
func splitList(s string) []string {
	var out []string
	var cur strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			cur.WriteByte(s[i])
		case s[i] == ',':
			out = append(out, cur.String())
			cur.Reset()
		default:
			cur.WriteByte(s[i])
		}
	}
	return append(out, cur.String())
}

func (c *Condition) parseContains(col *Column, value string) error {
	switch {
	case col.Type.text():
		c.texts = append(c.texts, []byte(value))
		return nil
	case col.Type == Bin:
		return c.parse(col, value)
	}
	return badWhere("contains is for text and bytes, %s is of type %s", col.Name, col.Type)
}

// parse adds one value.
func (c *Condition) parse(col *Column, value string) error {
	switch col.Type {
	case UTF8:
		c.texts = append(c.texts, []byte(value))
		return nil
	case Bin:
		b, err := hex.DecodeString(value)
		if err != nil {
			return badWhere("%.80q is not hex, as %s needs", value, col.Name)
		}
		c.texts = append(c.texts, b)
		return nil
	default:
	}
	l, ok := parseLiteral(col, value)
	if !ok {
		return badWhere("%.80q is no value of %s, which is of type %s", value, col.Name, col.Type)
	}
	c.keys = append(c.keys, l)
	return nil
}

// parseLiteral reads a value of a fixed-width column.
func parseLiteral(col *Column, s string) (literal, bool) {
	t := col.Type
	switch t {
	case Bool:
		switch s {
		case "true":
			return literal{key: 1}, true
		case "false":
			return literal{}, true
		}
		return literal{}, false
	case I8, I16, I32, I64:
		n, err := strconv.ParseInt(s, 10, 8*t.Width())
		return literal{key: n}, err == nil
	case U8, U16, U32, U64:
		n, err := strconv.ParseUint(s, 10, 8*t.Width())
		k, _ := orderKey(t, int64(n))
		return literal{key: k}, err == nil
	case F32, F64:
		return parseFloat(t, s)
	case Dec32, Dec64:
		return parseDecimal(s, col.Scale)
	case TSus, TSns:
		return parseTime(t, s, col.Naive)
	case Enum8, Enum16:
		for code, l := range col.Labels {
			if l == s && l != "" {
				return literal{key: int64(code)}, true
			}
		}
		code, ok := parseCode(t, s)
		return literal{key: code}, ok
	default:
		return literal{}, false
	}
}

func parseFloat(t Type, s string) (literal, bool) {
	f, err := strconv.ParseFloat(s, floatBits(t))
	if err != nil {
		return literal{}, false
	}
	raw := int64(math.Float64bits(f))
	if t == F32 {
		raw = int64(math.Float32bits(float32(f)))
	}
	k, ok := orderKey(t, raw)
	return literal{key: equalKey(t, k), nan: !ok}, true
}

// parseDecimal reads a decimal number exactly: digits past the scale put it between two values.
func parseDecimal(s string, scale int) (literal, bool) {
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+")
	whole, frac, _ := strings.Cut(s, ".")
	if whole+frac == "" || strings.Trim(whole+frac, "0123456789") != "" || len(s) > 400 {
		return literal{}, false
	}
	rest := false
	if len(frac) > scale {
		rest = strings.Trim(frac[scale:], "0") != ""
		frac = frac[:scale]
	}
	digits := strings.TrimLeft(whole+frac+strings.Repeat("0", scale-len(frac)), "0")
	if len(digits) > 18 {
		digits, rest = "1"+strings.Repeat("0", 18), false // beyond every value
	}
	n := int64(0)
	for _, d := range []byte(digits) {
		n = n*10 + int64(d-'0')
	}
	if neg {
		n = -n
		if rest {
			n-- // the literal lies just above the next lower value
		}
	}
	return literal{key: n, above: rest}, true
}

// parseTime reads RFC 3339 with or without a zone, or a date. A naive column compares the wall clock as written.
func parseTime(t Type, s string, naive bool) (literal, bool) {
	var at time.Time
	var err error
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if at, err = time.Parse(layout, s); err == nil {
			break
		}
	}
	if err != nil {
		return literal{}, false
	}
	if naive {
		_, offset := at.Zone()
		at = at.Add(time.Duration(offset) * time.Second)
	}
	sec, nano := at.Unix(), int64(at.Nanosecond())
	if t == TSus {
		return literal{key: sec*1e6 + nano/1e3, above: nano%1e3 != 0}, true
	}
	// An int64 of nanoseconds reaches from 1677 to 2262, and into its first and last second only in part.
	const lastSecond, lastNano = math.MaxInt64 / 1_000_000_000, math.MaxInt64 % 1_000_000_000
	const firstSecond, firstNano = -lastSecond - 1, 1_000_000_000 - lastNano - 1
	switch {
	case sec > lastSecond || sec == lastSecond && nano > lastNano:
		return literal{key: math.MaxInt64, above: true}, true
	case sec < firstSecond || sec == firstSecond && nano < firstNano:
		return literal{key: math.MinInt64}, true
	}
	// In the first second the product wraps below the range, and the sum wraps back into it.
	return literal{key: sec*1e9 + nano}, true
}

// filter clears the rows of sel for which the condition does not hold. A null satisfies nothing but is_null.
func (c *Condition) filter(col *Column, v *Vector, sel []bool) {
	for i := range sel {
		if !sel[i] {
			continue
		}
		switch {
		case c.op == IsNull:
			sel[i] = v.Valid(i) != c.null
		case !v.Valid(i):
			sel[i] = false
		case col.Type.varlen():
			sel[i] = c.holdsBytes(v.Bytes(i))
		case c.op == Contains:
			sel[i] = strings.Contains(col.label(v.Int(col.Type, i)), string(c.texts[0]))
		default:
			sel[i] = c.holdsKey(col, v.Int(col.Type, i))
		}
	}
}

func (c *Condition) holdsBytes(b []byte) bool {
	switch c.op {
	case Contains:
		return bytes.Contains(b, c.texts[0])
	case In:
		return slices.ContainsFunc(c.texts, func(x []byte) bool { return bytes.Equal(b, x) })
	default:
		return c.op.holds(bytes.Compare(b, c.texts[0]))
	}
}

func (c *Condition) holdsKey(col *Column, raw int64) bool {
	if col.Type.enum() && (c.op == Eq || c.op == Ne || c.op == In) {
		return c.holdsLabel(col, raw)
	}
	key, ok := orderKey(col.Type, raw)
	key = equalKey(col.Type, key)
	same := func(l literal) bool { return l.nan == !ok && (!ok || l.compare(key) == 0) }
	switch c.op {
	case In:
		return slices.ContainsFunc(c.keys, same)
	case Eq:
		return same(c.keys[0])
	case Ne:
		return !same(c.keys[0])
	default:
		return ok && c.op.holds(c.keys[0].compare(key))
	}
}

// holdsLabel compares enums by their text: two codes with one label are equal.
func (c *Condition) holdsLabel(col *Column, raw int64) bool {
	text := col.label(raw)
	found := slices.ContainsFunc(c.keys, func(l literal) bool { return col.label(l.key) == text })
	return found == (c.op != Ne)
}

// holds says whether the comparison holds, given that of a value with the literal.
func (o Op) holds(cmp int) bool {
	switch o {
	case Eq:
		return cmp == 0
	case Ne:
		return cmp != 0
	case Lt:
		return cmp < 0
	case Le:
		return cmp <= 0
	case Gt:
		return cmp > 0
	case Ge:
		return cmp >= 0
	default:
		return false
	}
}

// excludes reports whether the statistics of a chunk prove that the condition holds for none of its rows.
func (c *Condition) excludes(col *Column, ch *chunk, rows int64) bool {
	switch {
	case c.op == IsNull:
		return (c.null && ch.nulls == 0) || (!c.null && ch.nulls == rows)
	case ch.nulls == rows:
		return true
	case !ch.bound.ok || c.op == Ne || c.op == Contains:
		return false
	case col.Type.varlen():
		return c.excludesBytes(&ch.bound)
	case col.Type.enum():
		return c.excludesLabels(col, &ch.bound)
	}
	lo, hi := equalKey(col.Type, ch.bound.min), equalKey(col.Type, ch.bound.max)
	outside := func(l literal) bool { return !l.nan && (l.compare(lo) > 0 || l.compare(hi) < 0) }
	switch c.op {
	case In:
		return !slices.ContainsFunc(c.keys, func(l literal) bool { return !outside(l) })
	case Eq:
		return outside(c.keys[0])
	case Lt:
		return c.keys[0].compare(lo) >= 0
	case Le:
		return c.keys[0].compare(lo) > 0
	case Gt:
		return c.keys[0].compare(hi) <= 0
	case Ge:
		return c.keys[0].compare(hi) < 0
	default:
		return false
	}
}

// excludesLabels compares the labels that are looked for. Bounds are of texts, but the order is that of the codes.
func (c *Condition) excludesLabels(col *Column, b *bounds) bool {
	return (c.op == Eq || c.op == In) && !slices.ContainsFunc(c.keys, func(l literal) bool {
		text := []byte(col.label(l.key))
		return bytes.Compare(text, b.lo) >= 0 && bytes.Compare(text, b.hi) <= 0
	})
}

func (c *Condition) excludesBytes(b *bounds) bool {
	outside := func(x []byte) bool { return bytes.Compare(x, b.lo) < 0 || bytes.Compare(x, b.hi) > 0 }
	switch c.op {
	case In:
		return !slices.ContainsFunc(c.texts, func(x []byte) bool { return !outside(x) })
	case Eq:
		return outside(c.texts[0])
	case Lt:
		return bytes.Compare(b.lo, c.texts[0]) >= 0
	case Le:
		return bytes.Compare(b.lo, c.texts[0]) > 0
	case Gt:
		return bytes.Compare(b.hi, c.texts[0]) <= 0
	case Ge:
		return bytes.Compare(b.hi, c.texts[0]) < 0
	default:
		return false
	}
}
