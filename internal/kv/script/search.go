package script

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// patternFunctions are those of string that take patterns.
func (m *machine) patternFunctions() map[string]lua.LGFunction {
	return map[string]lua.LGFunction{
		"find": func(l *lua.LState) int { return m.search(l, true) }, "match": func(l *lua.LState) int { return m.search(l, false) },
		"gmatch": m.matches, "gfind": m.matches, "gsub": m.substitute,
	}
}

// whole gives the captures of a match: of a pattern without any the match itself, unless places are given already.
func (t *matcher) whole(from, to int, places bool) []lua.LValue {
	if t.n == 0 && !places {
		return []lua.LValue{lua.LString(t.src[from:to])}
	}
	list := make([]lua.LValue, t.n)
	for i := range list {
		list[i] = t.capture(i, from, to)
	}
	return list
}

// capture gives one of a match; the first of none is the match.
func (t *matcher) capture(i, from, to int) lua.LValue {
	if i >= t.n {
		if i > 0 {
			t.fail("invalid capture index")
		}
		return lua.LString(t.src[from:to])
	}
	c := t.captures[i]
	switch c.length {
	case openCapture:
		t.fail("unfinished capture")
	case placeCapture:
		return lua.LNumber(c.at + 1)
	}
	return lua.LString(t.src[c.at : c.at+c.length])
}

// match matches at s anew.
func (t *matcher) match(s, p int) int {
	t.n, t.deep = 0, 0
	return t.at(s, p)
}

// search is string.find and string.match.
func (m *machine) search(l *lua.LState, places bool) int {
	src, pat, from := l.CheckString(1), l.CheckString(2), l.OptInt(3, 1)
	if from < 0 {
		from = max(len(src)+from+1, 1)
	}
	from = min(max(from-1, 0), len(src))
	if places && (lua.LVAsBool(l.Get(4)) || !strings.ContainsAny(pat, "^$*+?.([%-")) {
		i := strings.Index(src[from:], pat)
		if i < 0 {
			l.Push(lua.LNil)
			return 1
		}
		l.Push(lua.LNumber(from + i + 1))
		l.Push(lua.LNumber(from + i + len(pat)))
		return 2
	}
	t := &matcher{m: m, l: l, src: src, pat: pat}
	p, anchored := anchor(pat)
	for s := from; s <= len(src); s++ {
		t.step()
		if e := t.match(s, p); e >= 0 {
			n := 0
			if places {
				l.Push(lua.LNumber(s + 1))
				l.Push(lua.LNumber(e))
				n = 2
			}
			for _, v := range t.whole(s, e, places) {
				l.Push(v)
				n++
			}
			return n
		}
		if anchored {
			break
		}
	}
	l.Push(lua.LNil)
	return 1
}

// anchor says where a pattern begins, and whether it matches at the beginning only.
func anchor(pat string) (p int, anchored bool) {
	if strings.HasPrefix(pat, "^") {
		return 1, true
	}
	return 0, false
}

// matches is string.gmatch. The next match is searched when it is asked for.
func (m *machine) matches(l *lua.LState) int {
	t := &matcher{m: m, src: l.CheckString(1), pat: l.CheckString(2)}
	next := 0
	l.Push(l.NewFunction(func(l *lua.LState) int {
		t.l = l
		for s := next; s <= len(t.src); s++ {
			t.step()
			e := t.match(s, 0)
			if e < 0 {
				continue
			}
			if next = e; e == s {
				next++
			}
			list := t.whole(s, e, false)
			for _, v := range list {
				l.Push(v)
			}
			return len(list)
		}
		next = len(t.src) + 1
		l.Push(lua.LNil)
		return 1
	}))
	return 1
}

// substitute is string.gsub.
func (m *machine) substitute(l *lua.LState) int {
	src, pat := l.CheckString(1), l.CheckString(2)
	with := l.Get(3)
	switch with.(type) {
	case lua.LString, lua.LNumber, *lua.LTable, *lua.LFunction:
	default:
		l.ArgError(3, "string/function/table expected")
	}
	t := &matcher{m: m, l: l, src: src, pat: pat}
	p, anchored := anchor(pat)
	var b strings.Builder
	n, most, s := 0, l.OptInt(4, len(src)+1), 0
	for n < most {
		t.step()
		e := t.match(s, p)
		if e >= 0 {
			n++
			t.replace(&b, with, s, e)
		}
		switch {
		case e > s:
			s = e
		case s < len(src):
			b.WriteByte(src[s])
			s++
		default:
			most = n
		}
		if anchored {
			break
		}
		if b.Len() > m.s.cfg.String {
			m.tooLong(l)
		}
	}
	b.WriteString(src[min(s, len(src)):])
	m.charge(2 * b.Len())
	l.Push(lua.LString(b.String()))
	l.Push(lua.LNumber(n))
	return 2
}

// replace writes what stands for a match.
func (t *matcher) replace(b *strings.Builder, with lua.LValue, from, to int) {
	var v lua.LValue
	switch w := with.(type) {
	case *lua.LTable:
		v = t.l.GetTable(w, t.capture(0, from, to))
	case *lua.LFunction:
		args := t.whole(from, to, false)
		t.l.Push(w)
		for _, a := range args {
			t.l.Push(a)
		}
		t.l.Call(len(args), 1)
		v = t.l.Get(-1)
		t.l.Pop(1)
	default:
		t.fill(b, with.String(), from, to)
		return
	}
	switch {
	case lua.LVIsFalse(v):
		b.WriteString(t.src[from:to])
	case lua.LVCanConvToString(v):
		b.WriteString(v.String())
	default:
		t.fail("invalid replacement value (a " + v.Type().String() + ")")
	}
}

// fill writes a replacement in which %0 to %9 stand for the match and its captures.
func (t *matcher) fill(b *strings.Builder, with string, from, to int) {
	for i := 0; i < len(with); i++ {
		if b.Len() > t.m.s.cfg.String {
			t.m.tooLong(t.l)
		}
		c := with[i]
		if c == patternEscape && i+1 < len(with) {
			if i++; with[i] >= '1' && with[i] <= '9' {
				b.WriteString(t.capture(int(with[i]-'1'), from, to).String())
				continue
			}
			if c = with[i]; c == '0' {
				b.WriteString(t.src[from:to])
				continue
			}
		}
		b.WriteByte(c)
	}
}
