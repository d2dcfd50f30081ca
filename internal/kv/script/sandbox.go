package script

import (
	"math"
	"math/rand/v2"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// open gives the globals what scripts may have: the base library without files and modules, tables, strings, math, the
// clock, coroutines, and what Redis adds.
func (m *machine) open() {
	for _, lib := range []struct {
		name string
		open lua.LGFunction
	}{
		{lua.BaseLibName, lua.OpenBase},
		{lua.TabLibName, lua.OpenTable},
		{lua.StringLibName, lua.OpenString},
		{lua.MathLibName, lua.OpenMath},
		{lua.CoroutineLibName, lua.OpenCoroutine},
	} {
		m.l.Push(m.l.NewFunction(lib.open))
		m.l.Push(lua.LString(lib.name))
		m.l.Call(1, 0)
	}
	g := m.globals
	for _, name := range []string{"dofile", "loadfile", "load", "loadstring", "require", "module", "print", "_printregs", "newproxy", "collectgarbage", "_GOPHER_LUA_VERSION", "rawset", "setmetatable", "setfenv"} {
		m.forget(name)
	}
	m.define("loadstring", m.loadString)
	m.define("load", m.loadString)
	m.define("rawset", m.rawSet)
	m.define("setmetatable", m.setMetatable)
	m.define("setfenv", m.setEnv)
	m.define("collectgarbage", func(l *lua.LState) int { l.Push(lua.LNumber(0)); return 1 })
	m.define(concatName, m.concat)
	m.define(boundName, loopBound)
	m.define(setName, m.set)
	m.define(keyName, m.key)
	m.openCoroutines()
	m.protected(nil)
	m.openStrings()
	m.openMath()
	m.openAsLua()
	m.library("os", map[string]lua.LGFunction{"clock": m.clock})
	m.library("bit", bitFunctions())
	m.library("cjson", m.jsonFunctions())
	m.library("cmsgpack", m.packFunctions())
	m.library("struct", m.structFunctions())
	m.openRedis()
	json := g.RawGetString("cjson").(*lua.LTable) //nolint:forcetypeassert // made above
	m.null = &lua.LUserData{}
	json.RawSetString("null", m.null)
	for _, name := range []string{"string", "table", "math", "coroutine", "os", "bit", "cjson", "cmsgpack", "struct", "redis"} {
		g.RawSetString(name, m.protected(g.RawGetString(name).(*lua.LTable))) //nolint:forcetypeassert // made above
	}
	g.RawSetString("server", g.RawGetString("redis"))
	unknown := m.l.NewTable()
	unknown.RawSetString("__index", m.l.NewFunction(func(l *lua.LState) int {
		l.RaiseError("Script attempted to access nonexistent global variable '%s'", l.Get(2).String())
		return 0
	}))
	g.Metatable = unknown
}

func (m *machine) forget(name string) { m.globals.RawSetString(name, lua.LNil) }

func (m *machine) define(name string, f lua.LGFunction) {
	m.globals.RawSetString(name, m.l.NewFunction(f))
}

func (m *machine) library(name string, functions map[string]lua.LGFunction) {
	m.globals.RawSetString(name, m.l.SetFuncs(m.l.NewTable(), functions))
}

// protected gives a table that reads through to another and cannot be changed.
func (m *machine) protected(behind *lua.LTable) *lua.LTable {
	t, meta := m.l.NewTable(), m.l.NewTable()
	if behind != nil {
		meta.RawSetString("__index", behind)
	}
	meta.RawSetString("__newindex", m.l.NewFunction(func(l *lua.LState) int {
		l.RaiseError("Attempt to modify a readonly table")
		return 0
	}))
	if m.sealed == nil { // it reads nothing, and cannot be changed either
		m.sealed = t
	}
	meta.RawSetString("__metatable", m.sealed)
	t.Metatable = meta
	m.locked[t] = true
	return t
}

func (m *machine) rawSet(l *lua.LState) int {
	t := l.CheckTable(1)
	if m.locked[t] {
		l.RaiseError("Attempt to modify a readonly table")
	}
	m.widen(l, t, l.CheckAny(2))
	t.RawSet(l.CheckAny(2), l.CheckAny(3))
	l.SetTop(1)
	return 1
}

func (m *machine) setMetatable(l *lua.LState) int {
	t := l.CheckTable(1)
	if m.locked[t] {
		l.RaiseError("Attempt to modify a readonly table")
	}
	mt := l.Get(2)
	if _, ok := mt.(*lua.LTable); !ok && mt != lua.LNil {
		l.ArgError(2, "nil or table expected")
	}
	if old, ok := l.GetMetatable(t).(*lua.LTable); ok && old.RawGetString("__metatable") != lua.LNil {
		l.RaiseError("cannot change a protected metatable")
	}
	l.SetMetatable(t, mt)
	l.SetTop(1)
	return 1
}

// callees puts what scripts are compiled to call into globals that have none of it.
func (m *machine) callees(env *lua.LTable) {
	for _, name := range []string{concatName, boundName, setName, keyName} {
		if env.RawGetString(name) == lua.LNil {
			env.RawSetString(name, m.globals.RawGetString(name))
		}
	}
}

// setEnv changes the globals of a Lua function, never those of the library.
func (m *machine) setEnv(l *lua.LState) int {
	f, ok := l.Get(1).(*lua.LFunction)
	env := l.CheckTable(2)
	if !ok || f.IsG {
		l.RaiseError("setfenv takes a function of the script")
	}
	if env != m.env {
		m.callees(env)
	}
	f.Env = env
	l.Push(f)
	return 1
}

// loadString compiles a text within a script.
func (m *machine) loadString(l *lua.LState) int {
	var text string
	switch v := l.CheckAny(1).(type) {
	case lua.LString:
		text = string(v)
	case *lua.LFunction:
		var b strings.Builder
		for {
			l.Push(v)
			l.Call(0, 1)
			piece := l.Get(-1)
			l.Pop(1)
			s, ok := piece.(lua.LString)
			if !ok || s == "" {
				break
			}
			if b.Len()+len(s) > mostScript {
				l.RaiseError("chunk is too long")
			}
			b.WriteString(string(s))
		}
		text = b.String()
	default:
		l.ArgError(1, "string expected")
	}
	if len(text) > mostScript {
		l.RaiseError("chunk is too long")
	}
	m.charge(perScriptByte * len(text))
	proto, err := compile(text, l.OptString(2, chunkName))
	if err != nil {
		l.Push(lua.LNil)
		l.Push(lua.LString(oneLine(err.Error())))
		return 2
	}
	f := l.NewFunctionFromProto(proto)
	f.Env = m.env
	l.Push(f)
	return 1
}

// openMath has scripts use the engine's own random numbers, unless they give a seed.
func (m *machine) openMath() {
	t := m.globals.RawGetString("math").(*lua.LTable) //nolint:forcetypeassert // opened before
	t.RawSetString("randomseed", m.l.NewFunction(func(l *lua.LState) int {
		n, ok := lua.LVAsNumber(l.Get(1)), lua.LVCanConvToString(l.Get(1))
		if !ok {
			l.ArgError(1, "number expected")
		}
		m.random = rand.New(rand.NewPCG(math.Float64bits(float64(n)), 0)) //nolint:gosec // for scripts, not for secrets
		return 0
	}))
	t.RawSetString("random", m.l.NewFunction(func(l *lua.LState) int {
		f := m.random.Float64()
		if l.GetTop() == 0 {
			l.Push(lua.LNumber(f))
			return 1
		}
		lo, hi := 1, l.CheckInt(l.GetTop())
		if l.GetTop() > 1 {
			lo, hi = l.CheckInt(1), l.CheckInt(2)
		}
		if lo > hi {
			l.ArgError(l.GetTop(), "interval is empty")
		}
		l.Push(lua.LNumber(float64(lo) + math.Floor(f*(float64(hi)-float64(lo)+1))))
		return 1
	}))
}

// openCoroutines has coroutines count their instructions too.
func (m *machine) openCoroutines() {
	co := m.globals.RawGetString("coroutine").(*lua.LTable) //nolint:forcetypeassert // opened before
	create, resume := co.RawGetString("create"), co.RawGetString("resume")
	made := func(l *lua.LState) *lua.LState {
		m.charge(perCoroutine)
		l.Push(create)
		l.Push(l.CheckFunction(1))
		l.Call(1, 1)
		thread := l.Get(-1).(*lua.LState) //nolint:forcetypeassert // what create gives
		l.Pop(1)
		thread.SetContext(m.budget)
		return thread
	}
	co.RawSetString("create", m.l.NewFunction(func(l *lua.LState) int {
		l.Push(made(l))
		return 1
	}))
	co.RawSetString("wrap", m.l.NewFunction(func(l *lua.LState) int {
		thread := made(l)
		l.Push(l.NewFunction(func(l *lua.LState) int {
			n := l.GetTop()
			l.Insert(resume, 1)
			l.Insert(thread, 2)
			l.Call(n+1, lua.MultRet)
			if l.Get(1) == lua.LFalse {
				l.Error(l.Get(2), 1)
			}
			l.Remove(1)
			return l.GetTop()
		}))
		return 1
	}))
}
