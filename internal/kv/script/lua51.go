package script

import (
	"errors"
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// openAsLua puts functions in the place of those that the interpreter has otherwise than Lua 5.1 in redis-server.
func (m *machine) openAsLua() {
	g := m.globals
	m.define("tostring", m.toString(g.RawGetString("tostring")))
	m.define("tonumber", m.toNumber(g.RawGetString("tonumber")))
	m.define("pcall", m.protectedCall(g.RawGetString("pcall")))
	g.RawGetString("math").(*lua.LTable).RawSetString("huge", lua.LNumber(math.Inf(1))) //nolint:forcetypeassert // opened before
}

// toString is tostring; what is no number it leaves to that of the interpreter.
func (m *machine) toString(rest lua.LValue) lua.LGFunction {
	return func(l *lua.LState) int {
		if n, ok := l.CheckAny(1).(lua.LNumber); ok {
			l.Push(lua.LString(textOf(n)))
			return 1
		}
		l.SetTop(1)
		l.Insert(rest, 1)
		l.Call(1, 1)
		return 1
	}
}

// textOf is a string or a number as Lua has it in strings: what is no integer with 14 digits, as C's %.14g. Integers are
// told whole, where Redis has 14 digits of them too.
func textOf(v lua.LValue) string {
	n, ok := v.(lua.LNumber)
	f := float64(n)
	switch {
	case !ok, f == math.Trunc(f) && math.Abs(f) < 1<<63:
		return v.String()
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "-nan" // what 0/0 is
	}
	return strconv.FormatFloat(f, 'g', 14, 64)
}

// toNumber is tonumber; with another base than ten it leaves it to that of the interpreter.
func (m *machine) toNumber(rest lua.LValue) lua.LGFunction {
	return func(l *lua.LState) int {
		s, is := l.CheckAny(1).(lua.LString)
		if is && l.OptInt(2, 10) == 10 {
			if f, ok := parseNumber(string(s)); ok {
				l.Push(lua.LNumber(f))
			} else {
				l.Push(lua.LNil)
			}
			return 1
		}
		n := l.GetTop()
		l.Insert(rest, 1)
		l.Call(n, 1)
		return 1
	}
}

// parseNumber reads a number as C's strtod does, with blanks around it and nothing else.
func parseNumber(s string) (float64, bool) {
	s = strings.Trim(s, " \t\n\v\f\r")
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 || strings.Contains(s, "_") {
		return 0, false
	}
	if len(digits) > 2 && (digits[:2] == "0x" || digits[:2] == "0X") && !strings.ContainsAny(digits, "pP.") {
		n, err := strconv.ParseUint(digits[2:], 16, 64)
		if s[0] == '-' {
			return -float64(n), err == nil
		}
		return float64(n), err == nil
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}

// loopBound gives a bound of a numeric for as a number.
func loopBound(l *lua.LState) int {
	v := l.Get(1)
	if s, is := v.(lua.LString); is {
		if f, ok := parseNumber(string(s)); ok {
			v = lua.LNumber(f)
		}
	}
	l.SetTop(0)
	l.Push(v)
	return 1
}

// protectedCall is pcall: of an error that a command has answered it gives the text, as Redis 7 does for scripts that are
// older than its errors.
func (m *machine) protectedCall(rest lua.LValue) lua.LGFunction {
	return func(l *lua.LState) int {
		n := l.GetTop()
		l.Insert(rest, 1)
		l.Call(n, lua.MultRet)
		if t, is := l.Get(2).(*lua.LTable); is && l.Get(1) == lua.LFalse {
			if text, is := t.RawGetString("err").(lua.LString); is {
				l.Replace(2, text)
			}
		}
		return l.GetTop()
	}
}

// checkFormat checks the arguments of string.format against its directives, and has those given as they are that the
// interpreter would write otherwise.
func (m *machine) checkFormat(l *lua.LState) {
	f := l.CheckString(1)
	var out strings.Builder
	arg := 1
	for i := 0; i < len(f); i++ {
		out.WriteByte(f[i])
		if f[i] != '%' {
			continue
		}
		from := i + 1
		for i++; i < len(f) && strings.IndexByte("0123456789.-+# ", f[i]) >= 0; i++ {
		}
		letter := byte(0)
		if i < len(f) {
			letter = f[i]
		}
		if letter == '%' {
			out.WriteString("%")
			continue
		}
		arg++
		letter, flags := m.formatArg(l, arg, letter), f[min(from, len(f)):min(i, len(f))]
		out.WriteString(flags)
		out.WriteByte(letter)
	}
	l.Replace(1, lua.LString(out.String()))
}

// formatArg checks one argument and gives the directive's letter for the interpreter.
func (m *machine) formatArg(l *lua.LState, arg int, letter byte) byte {
	const known = "cdiouxXeEfgGqs"
	if letter == 0 || strings.IndexByte(known, letter) < 0 {
		l.RaiseError("invalid option '%%%s' to 'format'", strings.Trim(string(letter), "\x00"))
	}
	if arg > l.GetTop() {
		l.RaiseError("bad argument #%d to 'format' (no value)", arg)
	}
	v := l.Get(arg)
	switch letter {
	case 's', 'q':
		if !lua.LVCanConvToString(v) {
			if letter == 's' {
				v = lua.LString(l.ToStringMeta(v).String())
			} else {
				l.RaiseError("bad argument #%d to 'format' (string expected, got %s)", arg, v.Type().String())
			}
		}
		text := textOf(v)
		if letter == 'q' {
			if 4*len(text) > m.s.cfg.String {
				m.tooLong(l)
			}
			m.charge(4 * len(text))
			text = `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", "\\\n", "\r", `\r`, "\x00", `\000`).Replace(text) + `"`
		}
		l.Replace(arg, lua.LString(text))
		return 's'
	}
	if s, is := v.(lua.LString); is {
		f, ok := parseNumber(string(s))
		if !ok {
			l.RaiseError("bad argument #%d to 'format' (number expected, got string)", arg)
		}
		l.Replace(arg, lua.LNumber(f))
	} else if v.Type() != lua.LTNumber {
		l.RaiseError("bad argument #%d to 'format' (number expected, got %s)", arg, v.Type().String())
	}
	if letter == 'u' || letter == 'i' {
		return 'd'
	}
	return letter
}
