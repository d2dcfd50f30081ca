package script

import (
	"math"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// openStrings puts functions in the place of those that could make a string much longer than what they are given.
func (m *machine) openStrings() {
	str := m.globals.RawGetString("string").(*lua.LTable) //nolint:forcetypeassert // opened before
	str.RawSetString("dump", lua.LNil)
	str.RawSetString("rep", m.l.NewFunction(m.repeat))
	format := m.bounded(str.RawGetString("format"), formatted)
	str.RawSetString("format", m.l.NewFunction(func(l *lua.LState) int {
		m.checkFormat(l)
		return format(l)
	}))
	m.l.SetFuncs(str, m.patternFunctions())
	for _, name := range []string{"lower", "upper", "reverse"} {
		str.RawSetString(name, m.l.NewFunction(m.bounded(str.RawGetString(name), asLong)))
	}
	tab := m.globals.RawGetString("table").(*lua.LTable) //nolint:forcetypeassert // opened before
	tab.RawSetString("concat", m.l.NewFunction(m.joinTable))
	tab.RawSetString("insert", m.l.NewFunction(m.insert(tab.RawGetString("insert").(*lua.LFunction).GFunction))) //nolint:forcetypeassert // opened before
	if meta, ok := m.l.GetMetatable(lua.LString("")).(*lua.LTable); ok {
		meta.RawSetString("__metatable", m.sealed) // it leads to the table behind string
	}
}

// tooLong ends the script.
func (m *machine) tooLong(l *lua.LState) {
	l.RaiseError("%s", strings.TrimPrefix(errNoRoom.Error(), "ERR "))
}

// bounded calls a function after an estimate of what it makes, never too low.
func (m *machine) bounded(f lua.LValue, estimate func(l *lua.LState) int) lua.LGFunction {
	return func(l *lua.LState) int {
		size := estimate(l)
		if size > m.s.cfg.String {
			m.tooLong(l)
		}
		m.charge(size)
		n := l.GetTop()
		l.Insert(f, 1)
		l.Call(n, lua.MultRet)
		return l.GetTop()
	}
}

func (m *machine) repeat(l *lua.LState) int {
	s, n := l.CheckString(1), l.CheckNumber(2)
	if n < 1 || len(s) == 0 {
		l.Push(lua.LString(""))
		return 1
	}
	if float64(n)*float64(len(s)) > float64(m.s.cfg.String) {
		m.tooLong(l)
	}
	m.charge(int(n) * len(s))
	l.Push(lua.LString(strings.Repeat(s, int(n))))
	return 1
}

func lengthOf(l *lua.LState, i int) int {
	if s, ok := l.Get(i).(lua.LString); ok {
		return len(s)
	}
	return 0
}

// asLong is what a function makes that changes each character.
func asLong(l *lua.LState) int { return lengthOf(l, 1) }

// formatted bounds what format makes: a directive may ask for 99 characters, and %q and %s repeat an argument.
func formatted(l *lua.LState) int {
	f, ok := l.Get(1).(lua.LString)
	if !ok {
		return 0
	}
	digits, n := 0, len(f)
	for i := range len(f) {
		if f[i] >= '0' && f[i] <= '9' {
			if digits++; digits > 2 && inDirective(string(f[:i])) {
				return math.MaxInt32
			}
		} else {
			digits = 0
		}
		if f[i] == '%' {
			n += 400
		}
	}
	for i := 2; i <= l.GetTop(); i++ {
		n += 4 * lengthOf(l, i)
	}
	return n
}

// inDirective says whether a text ends within a directive of format, before its letter.
func inDirective(s string) bool {
	s = strings.TrimRight(s, "0123456789.-+# ")
	return strings.HasSuffix(s, "%")
}

// joined adds up what table.concat makes.
func joined(l *lua.LState) int {
	t, ok := l.Get(1).(*lua.LTable)
	if !ok {
		return 0
	}
	n, count := 0, t.Len()
	for i := 1; i <= count; i++ {
		if s, ok := t.RawGetInt(i).(lua.LString); ok {
			n += len(s)
		} else {
			n += 32
		}
	}
	return n + count*lengthOf(l, 2)
}

// joinTable is table.concat.
func (m *machine) joinTable(l *lua.LState) int {
	t, sep := l.CheckTable(1), l.OptString(2, "")
	from, to := l.OptInt(3, 1), l.OptInt(4, t.Len())
	size := joined(l)
	if size > m.s.cfg.String {
		m.tooLong(l)
	}
	m.charge(size)
	var b strings.Builder
	for i := from; i <= to; i++ {
		v := t.RawGetInt(i)
		if !lua.LVCanConvToString(v) {
			l.RaiseError("invalid value (%s) at index %d in table for 'concat'", v.Type().String(), i)
		}
		b.WriteString(textOf(v))
		if i < to {
			b.WriteString(sep)
		}
		if b.Len() > m.s.cfg.String { // a table with gaps may have more than its length says
			m.tooLong(l)
		}
	}
	l.Push(lua.LString(b.String()))
	return 1
}

// concat is a .. b .. c.
func (m *machine) concat(l *lua.LState) int {
	n, total := l.GetTop(), 0
	plain := true
	for i := 1; i <= n; i++ {
		switch v := l.Get(i).(type) {
		case lua.LString:
			total += len(v)
		case lua.LNumber:
			total += 32
		default:
			plain = false
		}
	}
	if total > m.s.cfg.String {
		m.tooLong(l)
	}
	m.charge(total)
	if plain {
		var b strings.Builder
		b.Grow(total)
		for i := 1; i <= n; i++ {
			b.WriteString(textOf(l.Get(i)))
		}
		l.Push(lua.LString(b.String()))
		return 1
	}
	v := l.Get(n)
	for i := n - 1; i >= 1; i-- { // from the right, as Lua does
		v = m.concatTwo(l, l.Get(i), v)
	}
	l.Push(v)
	return 1
}

func (m *machine) concatTwo(l *lua.LState, a, b lua.LValue) lua.LValue {
	if lua.LVCanConvToString(a) && lua.LVCanConvToString(b) {
		s, t := textOf(a), textOf(b)
		if len(s)+len(t) > m.s.cfg.String {
			m.tooLong(l)
		}
		m.charge(len(s) + len(t))
		return lua.LString(s + t)
	}
	op := l.GetMetaField(a, "__concat")
	if op == lua.LNil {
		op = l.GetMetaField(b, "__concat")
	}
	if op == lua.LNil {
		wrong := a
		if lua.LVCanConvToString(a) {
			wrong = b
		}
		l.RaiseError("attempt to concatenate a %s value", wrong.Type().String())
	}
	l.Push(op)
	l.Push(a)
	l.Push(b)
	l.Call(2, 1)
	v := l.Get(-1)
	l.Pop(1)
	return v
}

// clock is os.clock: seconds since the script began.
func (m *machine) clock(l *lua.LState) int {
	l.Push(lua.LNumber(time.Since(m.run.begun).Seconds()))
	return 1
}
