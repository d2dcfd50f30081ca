package script

import (
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Levels of redis.log.
const (
	logDebug = iota
	logVerbose
	logNotice
	logWarning
)

// openRedis makes the library redis.
func (m *machine) openRedis() {
	m.library("redis", map[string]lua.LGFunction{
		"call":               func(l *lua.LState) int { return m.call(l, true) },
		"pcall":              func(l *lua.LState) int { return m.call(l, false) },
		"error_reply":        errorReply,
		"status_reply":       statusReply,
		"sha1hex":            sha1Hex,
		"log":                m.log,
		"setresp":            m.setResp,
		"acl_check_cmd":      m.aclCheck,
		"replicate_commands": func(l *lua.LState) int { l.Push(lua.LTrue); return 1 },
		"set_repl":           setRepl,
		"breakpoint":         func(l *lua.LState) int { l.Push(lua.LFalse); return 1 },
		"debug":              func(*lua.LState) int { return 0 },
	})
	t := m.globals.RawGetString("redis").(*lua.LTable) //nolint:forcetypeassert // made above
	m.constants(t)
}

// loadGlobals are the globals of a library's code: it can register functions, which see all globals when they are called.
func (m *machine) loadGlobals() *lua.LTable {
	t := m.l.SetFuncs(m.l.NewTable(), map[string]lua.LGFunction{"register_function": m.registerFunction, "log": m.log})
	m.constants(t)
	t.Metatable = m.globals.Metatable
	g := m.l.NewTable()
	g.RawSetString("redis", m.protected(t))
	g.RawSetString("_G", m.env)
	m.callees(g)
	g.Metatable = m.globals.Metatable
	return g
}

// constants puts the numbers and the version into the library redis.
func (m *machine) constants(t *lua.LTable) {
	for name, n := range map[string]int{
		"LOG_DEBUG": logDebug, "LOG_VERBOSE": logVerbose, "LOG_NOTICE": logNotice, "LOG_WARNING": logWarning,
		"REPL_NONE": 0, "REPL_SLAVE": 1, "REPL_REPLICA": 1, "REPL_AOF": 2, "REPL_ALL": 3,
	} {
		t.RawSetString(name, lua.LNumber(n))
	}
	t.RawSetString("REDIS_VERSION", lua.LString(m.s.cfg.Version))
	t.RawSetString("REDIS_VERSION_NUM", lua.LNumber(versionNumber(m.s.cfg.Version)))
}

// versionNumber is 0x00MMmmpp.
func versionNumber(v string) int {
	n := 0
	for part := range strings.SplitSeq(v, ".") {
		i, err := strconv.Atoi(part)
		if err != nil {
			return 0
		}
		n = n<<8 | i&0xff
	}
	return n
}

// call is redis.call and redis.pcall: the first raises an error, the second gives it.
func (m *machine) call(l *lua.LState, raise bool) int {
	if m.run == nil {
		l.RaiseError("redis.call can only be called inside a script invocation")
	}
	args, wrong := m.room.take(l)
	if wrong != "" {
		return m.failed(l, wrong, raise)
	}
	for _, a := range args {
		m.charge(len(a) + perValue)
	}
	out := m.room.answer(m)
	defer m.room.clear()
	if refusal := m.run.c.CallFrom(args, m.run.rights, out); refusal != "" {
		return m.failed(l, refusal, raise)
	}
	v := out.value()
	if t, ok := v.(*lua.LTable); ok && out.failed {
		text := lua.LVAsString(t.RawGetString("err"))
		return m.failed(l, text, raise)
	}
	l.Push(v)
	return 1
}

// callRoom is what a call needs, used again by the next one: no call runs within another.
type callRoom struct {
	args  [][]byte
	ends  []int
	bytes []byte // of the arguments, one behind another
	out   reply
}

// Room that is kept between calls.
const (
	keepArgs  = 64
	keepBytes = 16 << 10
)

// take takes the arguments of a call: strings, and numbers as Redis writes them. They are valid until clear.
func (r *callRoom) take(l *lua.LState) (args [][]byte, wrong string) {
	n := l.GetTop()
	if n == 0 {
		return nil, "ERR Please specify at least one argument for this redis.call() call"
	}
	r.args, r.ends, r.bytes = r.args[:0], r.ends[:0], r.bytes[:0]
	for i := range n {
		switch v := l.Get(i + 1).(type) {
		case lua.LString:
			r.bytes = append(r.bytes, v...)
		case lua.LNumber:
			r.bytes = appendNumber(r.bytes, float64(v))
		default:
			return nil, "ERR Lua redis lib command arguments must be strings or integers"
		}
		r.ends = append(r.ends, len(r.bytes))
	}
	from := 0
	for _, end := range r.ends {
		r.args = append(r.args, r.bytes[from:end:end])
		from = end
	}
	return r.args, ""
}

// answer takes what the command answers.
func (r *callRoom) answer(m *machine) *reply {
	r.out = reply{m: m, version: m.run.version, flat: r.out.flat[:0]}
	return &r.out
}

// clear lets go of what a call had.
func (r *callRoom) clear() {
	clear(r.out.flat)
	if cap(r.args) > keepArgs || cap(r.out.flat) > keepArgs || cap(r.bytes) > keepBytes {
		*r = callRoom{}
	}
}

func appendNumber(b []byte, f float64) []byte {
	if f == math.Trunc(f) && math.Abs(f) < 1<<63 {
		return strconv.AppendInt(b, int64(f), 10)
	}
	return strconv.AppendFloat(b, f, 'g', 17, 64)
}

// failed raises an error, or gives it as a table. It says where it happened.
func (m *machine) failed(l *lua.LState, text string, raise bool) int {
	t := l.CreateTable(0, 4)
	t.RawSetString("err", lua.LString(text))
	where := l.Where(1) // user_script:3:
	t.RawSetString("source", lua.LString("@"+m.run.sc.chunk))
	t.RawSetString("line", lua.LString(lineOf(where)))
	if raise {
		l.Error(t, 0)
	}
	l.Push(t)
	return 1
}

func oneField(l *lua.LState, field, text string) int {
	t := l.CreateTable(0, 1)
	t.RawSetString(field, lua.LString(text))
	l.Push(t)
	return 1
}

// errorReply makes an error of a text; one without a word for programs gets ERR.
func errorReply(l *lua.LState) int {
	s, ok := l.Get(1).(lua.LString)
	if l.GetTop() != 1 || !ok {
		return oneField(l, "err", "ERR wrong number or type of arguments")
	}
	text := strings.TrimPrefix(string(s), "-")
	if !strings.HasPrefix(string(s), "-") && !strings.Contains(text, " ") || text == "" {
		text = strings.TrimSpace("ERR " + text)
	}
	return oneField(l, "err", text)
}

func statusReply(l *lua.LState) int {
	s, ok := l.Get(1).(lua.LString)
	if l.GetTop() != 1 || !ok {
		return oneField(l, "err", "ERR wrong number or type of arguments")
	}
	return oneField(l, "ok", string(s))
}

func sha1Hex(l *lua.LState) int {
	if l.GetTop() != 1 {
		l.RaiseError("wrong number of arguments")
	}
	l.Push(lua.LString(digest([]byte(lua.LVAsString(l.Get(1))))))
	return 1
}

func (m *machine) log(l *lua.LState) int {
	if l.GetTop() < 2 {
		l.RaiseError("redis.log() requires two arguments or more.")
	}
	level, ok := l.Get(1).(lua.LNumber)
	if !ok {
		l.RaiseError("First argument must be a number (log level).")
	}
	if level < logDebug || level > logWarning {
		l.RaiseError("Invalid log level.")
	}
	const most = 8 << 10
	var words []string
	for i := 2; i <= l.GetTop(); i++ {
		words = append(words, lua.LVAsString(l.Get(i)))
	}
	text := strings.Join(words, " ")
	m.s.cfg.Log(int(level), text[:min(len(text), most)])
	return 0
}

func (m *machine) setResp(l *lua.LState) int {
	v, ok := l.Get(1).(lua.LNumber)
	if l.GetTop() != 1 {
		l.RaiseError("redis.setresp() requires one argument.")
	}
	if !ok || v != 2 && v != 3 {
		l.RaiseError("RESP version must be 2 or 3.")
	}
	m.run.version = int(v)
	return 0
}

// setRepl takes what Redis takes: effects are logged here whatever a script wants.
func setRepl(l *lua.LState) int {
	if l.GetTop() != 1 {
		l.RaiseError("redis.set_repl() requires one argument.")
	}
	if v := l.CheckInt(1); v < 0 || v > 3 {
		l.RaiseError("Invalid replication flags. Please use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
	}
	return 0
}

// aclCheck tells whether the caller may run a command.
func (m *machine) aclCheck(l *lua.LState) int {
	args, wrong := m.room.take(l)
	if wrong != "" {
		l.RaiseError("redis.acl_check_cmd() requires a command")
	}
	cmd := m.run.c.E.Lookup(args)
	if cmd == nil {
		l.RaiseError("ERR Invalid command passed to redis.acl_check_cmd()")
	}
	peer := m.run.c.S.Peer
	l.Push(lua.LBool(peer == nil || peer.Allow(cmd, args) == ""))
	return 1
}
