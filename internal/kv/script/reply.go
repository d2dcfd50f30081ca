package script

import (
	"math"

	lua "github.com/yuin/gopher-lua"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// reply makes values of Lua of what a command answers. It is an engine.Reply.
type reply struct {
	m       *machine
	version int
	failed  bool // the answer itself is an error
	flat    []any
}

// head begins an array, a map or a set of n values.
type head struct {
	kind byte // * % ~ >
	n    int
}

// Version implements engine.Reply.
func (r *reply) Version() int { return r.version }

func (r *reply) add(v lua.LValue) {
	n := perValue
	if s, ok := v.(lua.LString); ok {
		n += len(s)
	}
	r.m.charge(n)
	r.flat = append(r.flat, v)
}

func (r *reply) field(name string, v lua.LValue) lua.LValue {
	t := r.m.l.CreateTable(0, 1)
	t.RawSetString(name, v)
	return t
}

// Simple implements engine.Reply.
func (r *reply) Simple(s string) { r.add(r.field("ok", lua.LString(s))) }

// Error implements engine.Reply.
func (r *reply) Error(s string) {
	r.failed = r.failed || len(r.flat) == 0
	r.add(r.field("err", lua.LString(s)))
}

// Int implements engine.Reply.
func (r *reply) Int(n int64) { r.add(lua.LNumber(n)) }

// Bulk implements engine.Reply.
func (r *reply) Bulk(b []byte) { r.add(lua.LString(b)) }

// BulkString implements engine.Reply.
func (r *reply) BulkString(s string) { r.add(lua.LString(s)) }

// Double implements engine.Reply.
func (r *reply) Double(f float64) {
	if r.version >= 3 {
		r.add(r.field("double", lua.LNumber(f)))
		return
	}
	r.add(lua.LString(r.m.double(f)))
}

// Bool implements engine.Reply.
func (r *reply) Bool(b bool) {
	switch {
	case r.version >= 3:
		r.add(lua.LBool(b))
	case b:
		r.Int(1)
	default:
		r.Int(0)
	}
}

// Null implements engine.Reply.
func (r *reply) Null() {
	if r.version >= 3 {
		r.add(lua.LNil)
		return
	}
	r.add(lua.LFalse)
}

// NullArray implements engine.Reply.
func (r *reply) NullArray() { r.Null() }

// Verbatim implements engine.Reply.
func (r *reply) Verbatim(format, text string) {
	if r.version < 3 {
		r.BulkString(text)
		return
	}
	t := r.m.l.CreateTable(0, 2)
	t.RawSetString("format", lua.LString(format))
	t.RawSetString("string", lua.LString(text))
	r.add(r.field("verbatim_string", t))
}

// BigNumber implements engine.Reply.
func (r *reply) BigNumber(s string) {
	if r.version < 3 {
		r.BulkString(s)
		return
	}
	r.add(r.field("big_number", lua.LString(s)))
}

// Array implements engine.Reply.
func (r *reply) Array(n int) { r.flat = append(r.flat, head{'*', n}) }

// Map implements engine.Reply.
func (r *reply) Map(n int) { r.flat = append(r.flat, r.mapHead(n)) }

func (r *reply) mapHead(n int) head {
	if r.version >= 3 {
		return head{'%', n}
	}
	return head{'*', 2 * n}
}

// Set implements engine.Reply.
func (r *reply) Set(n int) { r.flat = append(r.flat, r.setHead(n)) }

func (r *reply) setHead(n int) head {
	if r.version >= 3 {
		return head{'~', n}
	}
	return head{'*', n}
}

// Push implements engine.Reply.
func (r *reply) Push(n int) { r.Array(n) }

// Mark implements engine.Reply.
func (r *reply) Mark() int { return len(r.flat) }

func (r *reply) insert(mark int, h head) {
	r.flat = append(r.flat, nil)
	copy(r.flat[mark+1:], r.flat[mark:])
	r.flat[mark] = h
}

// ArrayAt implements engine.Reply.
func (r *reply) ArrayAt(mark, n int) { r.insert(mark, head{'*', n}) }

// MapAt implements engine.Reply.
func (r *reply) MapAt(mark, n int) { r.insert(mark, r.mapHead(n)) }

// SetAt implements engine.Reply.
func (r *reply) SetAt(mark, n int) { r.insert(mark, r.setHead(n)) }

// Undo implements engine.Reply.
func (r *reply) Undo(mark int) { r.flat = r.flat[:mark] }

// value gives the whole answer.
func (r *reply) value() lua.LValue {
	at := 0
	return r.next(&at)
}

func (r *reply) next(at *int) lua.LValue {
	if *at >= len(r.flat) {
		return lua.LFalse
	}
	v := r.flat[*at]
	*at++
	h, ok := v.(head)
	if !ok {
		return v.(lua.LValue) //nolint:forcetypeassert // there is nothing else
	}
	t := r.m.l.CreateTable(h.n, 0)
	switch h.kind {
	case '%':
		for range h.n {
			k := r.next(at)
			t.RawSet(k, r.next(at))
		}
		return r.field("map", t)
	case '~':
		for range h.n {
			t.RawSet(r.next(at), lua.LTrue)
		}
		return r.field("set", t)
	}
	for i := range h.n {
		t.RawSetInt(i+1, r.next(at))
	}
	return t
}

// deepest is how far tables may lie in tables in an answer.
const deepest = 200

// answer writes what a script returned.
func (m *machine) answer(c *engine.Ctx, v lua.LValue) { m.write(c, v, 0) }

func (m *machine) write(c *engine.Ctx, v lua.LValue, depth int) {
	if depth > deepest {
		c.Out.Error("ERR reached lua stack limit")
		return
	}
	switch v := v.(type) {
	case lua.LString:
		c.Out.BulkString(string(v))
	case lua.LNumber:
		c.Out.Int(toInt(float64(v)))
	case lua.LBool:
		m.writeBool(c, bool(v))
	case *lua.LTable:
		m.writeTable(c, v, depth)
	default:
		c.Out.Null()
	}
}

func (m *machine) writeBool(c *engine.Ctx, b bool) {
	switch {
	case c.Out.Version() >= 3 && m.run.version >= 3:
		c.Out.Bool(b)
	case b:
		c.Out.Int(1)
	default:
		c.Out.Null()
	}
}

// toInt cuts a number as C does; what is no integer becomes the smallest.
func toInt(f float64) int64 {
	if math.IsNaN(f) || f >= 1<<63 || f < -1<<63 {
		return math.MinInt64
	}
	return int64(f)
}

// writeTable writes a table: one of the forms that have a field for a name, else an array up to the first nil.
func (m *machine) writeTable(c *engine.Ctx, t *lua.LTable, depth int) {
	if s, ok := t.RawGetString("err").(lua.LString); ok {
		c.Fail(oneLine(string(s)))
		return
	}
	if s, ok := t.RawGetString("ok").(lua.LString); ok {
		c.Out.Simple(oneLine(string(s)))
		return
	}
	if f, ok := t.RawGetString("double").(lua.LNumber); ok {
		c.Out.Double(float64(f))
		return
	}
	if s, ok := t.RawGetString("big_number").(lua.LString); ok {
		c.Out.BigNumber(oneLine(string(s)))
		return
	}
	if v, ok := t.RawGetString("verbatim_string").(*lua.LTable); ok {
		format, text := lua.LVAsString(v.RawGetString("format")), v.RawGetString("string")
		if s, ok := text.(lua.LString); ok && len(format) == 3 {
			c.Out.Verbatim(format, string(s))
			return
		}
	}
	if v, ok := t.RawGetString("map").(*lua.LTable); ok {
		mark, n := c.Out.Mark(), 0
		forEach(v, func(k, e lua.LValue) {
			m.write(c, k, depth+1)
			m.write(c, e, depth+1)
			n++
		})
		c.Out.MapAt(mark, n)
		return
	}
	if v, ok := t.RawGetString("set").(*lua.LTable); ok {
		mark, n := c.Out.Mark(), 0
		forEach(v, func(k, _ lua.LValue) {
			m.write(c, k, depth+1)
			n++
		})
		c.Out.SetAt(mark, n)
		return
	}
	mark, n := c.Out.Mark(), 0
	for {
		v := t.RawGetInt(n + 1)
		if v == lua.LNil {
			break
		}
		m.write(c, v, depth+1)
		n++
	}
	c.Out.ArrayAt(mark, n)
}
