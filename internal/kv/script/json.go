package script

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Bounds of cjson, as the library has them by default.
const (
	jsonDeepest = 1000
	sparseRatio = 2
	sparseSafe  = 10
)

func (m *machine) jsonFunctions() map[string]lua.LGFunction {
	m.json = jsonSettings{encodeDepth: jsonDeepest, decodeDepth: jsonDeepest}
	depth := func(of *int) lua.LGFunction {
		return func(l *lua.LState) int {
			if l.GetTop() > 0 {
				n := l.CheckInt(1)
				if n < 1 || n > jsonDeepest {
					l.ArgError(1, fmt.Sprintf("expected integer between 1 and %d", jsonDeepest))
				}
				*of = n
			}
			l.Push(lua.LNumber(*of))
			return 1
		}
	}
	keep := func(l *lua.LState) int { l.SetTop(min(l.GetTop(), 1)); return l.GetTop() } // what has one form here
	return map[string]lua.LGFunction{
		"encode": m.jsonEncode, "decode": m.jsonDecode, "encode_max_depth": depth(&m.json.encodeDepth), "decode_max_depth": depth(&m.json.decodeDepth),
		"encode_invalid_numbers": func(l *lua.LState) int {
			if l.GetTop() > 0 {
				m.json.invalid = lua.LVAsBool(l.Get(1))
			}
			l.Push(lua.LBool(m.json.invalid))
			return 1
		},
		"encode_keep_buffer": keep, "decode_invalid_numbers": keep, "encode_number_precision": keep, "encode_sparse_array": keep,
	}
}

// jsonSettings are what a script may change of cjson, for those after it as well.
type jsonSettings struct {
	encodeDepth, decodeDepth int
	invalid                  bool // numbers that JSON has not are written
}

func (m *machine) jsonEncode(l *lua.LState) int {
	if l.GetTop() != 1 {
		l.RaiseError("expected 1 argument")
	}
	e := jsonWriter{m: m}
	if err := e.value(l.Get(1), 0); err != nil {
		l.RaiseError("%s", err.Error())
	}
	m.charge(2 * len(e.b))
	l.Push(lua.LString(e.b))
	return 1
}

type jsonWriter struct {
	m *machine
	b []byte
}

func (e *jsonWriter) value(v lua.LValue, depth int) error {
	if len(e.b) > e.m.s.cfg.String {
		return errors.New("Cannot serialise: the text is too long") //nolint:staticcheck // cjson's form
	}
	switch v := v.(type) {
	case *lua.LNilType:
		e.b = append(e.b, "null"...)
	case lua.LBool:
		e.b = strconv.AppendBool(e.b, bool(v))
	case lua.LString:
		e.text(string(v))
	case lua.LNumber:
		return e.number(float64(v))
	case *lua.LTable:
		if depth >= e.m.json.encodeDepth {
			return fmt.Errorf("Cannot serialise, excessive depth (%d)", depth+1) //nolint:staticcheck // as above
		}
		return e.table(v, depth)
	default:
		if v == e.m.null {
			e.b = append(e.b, "null"...)
			return nil
		}
		return fmt.Errorf("Cannot serialise %s: type not supported", v.Type()) //nolint:staticcheck // as above
	}
	return nil
}

func (e *jsonWriter) number(f float64) error {
	switch {
	case !math.IsNaN(f) && !math.IsInf(f, 0):
	case e.m.json.invalid && math.IsNaN(f):
		e.b = append(e.b, "nan"...)
		return nil
	case e.m.json.invalid:
		e.b = strconv.AppendFloat(e.b, f, 'g', -1, 64)
		return nil
	default:
		return errors.New("Cannot serialise number: must not be NaN or Inf") //nolint:staticcheck // as above
	}
	e.b = appendG14(e.b, f)
	return nil
}

// appendG14 writes a number as %.14g does.
func appendG14(b []byte, f float64) []byte {
	if f == math.Trunc(f) && math.Abs(f) < 1e14 {
		return strconv.AppendInt(b, int64(f), 10)
	}
	s := strconv.FormatFloat(f, 'g', 14, 64)
	mantissa, exp, found := strings.Cut(s, "e")
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	b = append(b, mantissa...)
	if found {
		b = append(append(b, 'e'), exp...)
	}
	return b
}

func (e *jsonWriter) text(s string) {
	const hexes = "0123456789abcdef"
	e.b = append(e.b, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\', '/':
			e.b = append(e.b, '\\', c)
		case '\b':
			e.b = append(e.b, `\b`...)
		case '\f':
			e.b = append(e.b, `\f`...)
		case '\n':
			e.b = append(e.b, `\n`...)
		case '\r':
			e.b = append(e.b, `\r`...)
		case '\t':
			e.b = append(e.b, `\t`...)
		default:
			if c < 0x20 || c == 0x7f {
				e.b = append(e.b, '\\', 'u', '0', '0', hexes[c>>4], hexes[c&15])
			} else {
				e.b = append(e.b, c)
			}
		}
	}
	e.b = append(e.b, '"')
}

// table writes an array if the keys are positive integers and few are missing, else an object.
func (e *jsonWriter) table(t *lua.LTable, depth int) error {
	n, err := arrayLength(t)
	if err != nil {
		return err
	}
	if n >= 0 {
		e.b = append(e.b, '[')
		for i := 1; i <= n; i++ {
			if i > 1 {
				e.b = append(e.b, ',')
			}
			if err := e.value(t.RawGetInt(i), depth+1); err != nil {
				return err
			}
		}
		e.b = append(e.b, ']')
		return nil
	}
	e.b = append(e.b, '{')
	first := true
	forEach(t, func(k, v lua.LValue) {
		if err != nil {
			return
		}
		if !first {
			e.b = append(e.b, ',')
		}
		first = false
		switch k := k.(type) {
		case lua.LString:
			e.text(string(k))
		case lua.LNumber:
			e.b = append(e.b, '"')
			err = e.number(float64(k))
			e.b = append(e.b, '"')
		default:
			err = errors.New("Cannot serialise table: table key must be a number or string") //nolint:staticcheck // as above
		}
		if err == nil {
			e.b = append(e.b, ':')
			err = e.value(v, depth+1)
		}
	})
	e.b = append(e.b, '}')
	return err
}

// forEach goes through a table as pairs does: in the order in which keys were made, so that the same script gives the same text
// each time. The interpreter's own ForEach has no order.
func forEach(t *lua.LTable, f func(k, v lua.LValue)) {
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		f(k, v)
	}
}

// arrayLength is the length of a table that is an array, -1 of one that is not. An empty table is an object.
func arrayLength(t *lua.LTable) (int, error) {
	longest, count, array := 0, 0, true
	t.ForEach(func(k, _ lua.LValue) {
		f, ok := k.(lua.LNumber)
		if !ok || f < 1 || float64(f) != math.Trunc(float64(f)) || f > math.MaxInt32 {
			array = false
			return
		}
		longest = max(longest, int(f))
		count++
	})
	if !array || count == 0 {
		return -1, nil
	}
	if longest > count*sparseRatio && longest > sparseSafe {
		return 0, errors.New("Cannot serialise table: excessively sparse array") //nolint:staticcheck // cjson's form
	}
	return longest, nil
}

func (m *machine) jsonDecode(l *lua.LState) int {
	if l.GetTop() != 1 {
		l.RaiseError("expected 1 argument")
	}
	text := l.CheckString(1)
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, err := m.jsonValue(d, 0)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("Expected the end but found invalid token") //nolint:staticcheck // cjson's form
		}
	}
	if err != nil {
		l.RaiseError("%s", oneLine(err.Error()))
	}
	l.Push(v)
	return 1
}

func (m *machine) jsonValue(d *json.Decoder, depth int) (lua.LValue, error) {
	if err := m.chargeValue(); err != nil {
		return nil, err
	}
	t, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("Expected value but found invalid token: %w", err) //nolint:staticcheck // cjson's form
	}
	switch t := t.(type) {
	case json.Delim:
		if depth >= m.json.decodeDepth {
			return nil, fmt.Errorf("Found too many nested data structures (%d)", depth+1) //nolint:staticcheck // as above
		}
		if t == '[' {
			return m.jsonArray(d, depth)
		}
		return m.jsonObject(d, depth)
	case json.Number:
		f, err := strconv.ParseFloat(string(t), 64)
		if err != nil && !math.IsInf(f, 0) {
			return nil, fmt.Errorf("Expected value but found invalid number: %w", err) //nolint:staticcheck // as above
		}
		return lua.LNumber(f), nil
	case string:
		return lua.LString(t), nil
	case bool:
		return lua.LBool(t), nil
	}
	return m.null, nil
}

func (m *machine) jsonArray(d *json.Decoder, depth int) (lua.LValue, error) {
	list := m.l.CreateTable(0, 0)
	for i := 1; d.More(); i++ {
		v, err := m.jsonValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		list.RawSetInt(i, v)
	}
	return list, m.jsonEnd(d)
}

func (m *machine) jsonObject(d *json.Decoder, depth int) (lua.LValue, error) {
	object := m.l.CreateTable(0, 0)
	for d.More() {
		k, err := m.jsonValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		v, err := m.jsonValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		object.RawSetString(lua.LVAsString(k), v)
	}
	return object, m.jsonEnd(d)
}

func (m *machine) jsonEnd(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("Expected the end of a value but found invalid token: %w", err) //nolint:staticcheck // cjson's form
	}
	return nil
}
