package script

import (
	"fmt"
	"slices"
	"strconv"
	"sync"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// The interpreter has all numbers that are keys from 1 up to MaxArrayIndex in a list, whose places it fills up to the key:
// t[67108863] = 1 would take 1 GiB in one instruction. So the key of each assignment is looked at before.

const (
	perPlace  = 16 // bytes of a place in the list of a table
	freePlace = 32 // a list begins with so many
)

// limitLists has the interpreter put a number into the hash that could be no key of a list within the memory of a script. It
// is set once for the process, before there is an interpreter.
var limitLists = sync.OnceFunc(func() { lua.MaxArrayIndex = mostMemory / perPlace })

// mayWiden reports whether a key may be a number that a list has no place for yet.
func mayWiden(key ast.Expr) bool {
	switch key := key.(type) {
	case *ast.StringExpr, *ast.TrueExpr, *ast.FalseExpr:
		return false
	case *ast.NumberExpr:
		n, err := strconv.Atoi(key.Value)
		return err != nil || n > freePlace
	}
	return true
}

func widens(e ast.Expr) bool {
	a, ok := e.(*ast.AttrGetExpr)
	return ok && mayWiden(a.Key)
}

// assignment has t[k] = v be a call, if k may be a large number.
func assignment(s *ast.AssignStmt) ast.Stmt {
	if !slices.ContainsFunc(s.Lhs, widens) {
		return s
	}
	if len(s.Lhs) == len(s.Rhs) && !slices.ContainsFunc(s.Lhs, named) {
		return at(s, set(s.Lhs, s.Rhs))
	}
	return assignments(s)
}

func named(e ast.Expr) bool {
	_, is := e.(*ast.IdentExpr)
	return is
}

// assignments evaluates all of a, t[k], … = v, w, … before it assigns anything, the last first, as Lua does. No script can name
// the locals.
func assignments(s *ast.AssignStmt) ast.Stmt {
	where, values := &ast.LocalAssignStmt{}, &ast.LocalAssignStmt{Exprs: s.Rhs}
	local := func(to *ast.LocalAssignStmt, e ast.Expr) ast.Expr {
		id := &ast.IdentExpr{Value: fmt.Sprintf("(%d %d)", len(where.Names), len(values.Names))}
		id.SetLine(s.Line())
		to.Names = append(to.Names, id.Value)
		if e != nil {
			to.Exprs = append(to.Exprs, single(e))
		}
		return id
	}
	for _, e := range s.Lhs {
		if a, ok := e.(*ast.AttrGetExpr); ok {
			a.Object = local(where, a.Object)
			if _, fixed := a.Key.(*ast.StringExpr); !fixed {
				a.Key = local(where, a.Key)
			}
		}
	}
	block := &ast.DoBlockStmt{Stmts: []ast.Stmt{at(s, where), at(s, values)}}
	var each []ast.Stmt
	for _, e := range s.Lhs {
		value := local(values, nil)
		if to, v := []ast.Expr{e}, []ast.Expr{value}; widens(e) {
			each = append(each, at(s, set(to, v)))
		} else {
			each = append(each, at(s, &ast.AssignStmt{Lhs: to, Rhs: v}))
		}
	}
	slices.Reverse(each)
	block.Stmts = append(block.Stmts, each...)
	return at(s, block)
}

// set has the machine's set get all tables and keys first, and then the values.
func set(to, values []ast.Expr) ast.Stmt {
	var args []ast.Expr
	for _, e := range to {
		a := e.(*ast.AttrGetExpr) //nolint:forcetypeassert // the only other thing is a name
		args = append(args, single(a.Object), single(a.Key))
	}
	return &ast.FuncCallStmt{Expr: callOf(setName, to[0], append(args, values...)...)}
}

// at gives a statement the place of another.
func at(place ast.PositionHolder, s ast.Stmt) ast.Stmt {
	s.SetLine(place.Line())
	s.SetLastLine(place.LastLine())
	return s
}

// set is t[k] = v, or t[k], t[l] = v, w, the last first.
func (m *machine) set(l *lua.LState) int {
	n := l.GetTop() / 3
	for i := n; i > 0; i-- {
		m.assign(l, l.Get(2*i-1), l.Get(2*i), l.Get(2*n+i))
	}
	return 0
}

func (m *machine) assign(l *lua.LState, object, key, value lua.LValue) {
	if n, ok := key.(lua.LNumber); ok && n > freePlace {
		t := receiver(object, key)
		if t != nil && value == lua.LNil && t.RawGet(key) == lua.LNil {
			return // there is nothing to take away, and a place would be made for it
		}
		m.widen(l, t, key)
	}
	l.SetTable(object, key, value)
}

// receiver is the table that an assignment changes in the end; nil = a function is called, or there is none.
func receiver(object, key lua.LValue) *lua.LTable {
	for range lua.MaxTableGetLoop {
		t, ok := object.(*lua.LTable)
		if !ok {
			return nil
		}
		meta, ok := t.Metatable.(*lua.LTable)
		if !ok || t.RawGet(key) != lua.LNil {
			return t
		}
		if object = meta.RawGetString("__newindex"); object == lua.LNil {
			return t
		}
	}
	return nil
}

// key is k in {[k] = v}. How long the list of the table is already is not known.
func (m *machine) key(l *lua.LState) int {
	k := l.Get(1)
	m.widen(l, &lua.LTable{}, k)
	l.Push(k)
	return 1
}

// insert is table.insert.
func (m *machine) insert(f lua.LGFunction) lua.LGFunction {
	return func(l *lua.LState) int {
		if l.GetTop() > 2 {
			m.widen(l, l.CheckTable(1), lua.LNumber(l.CheckInt(2)))
		}
		return f(l)
	}
}

// widen counts what a table takes when something is made its key, and fails if there is no room for that.
func (m *machine) widen(l *lua.LState, t *lua.LTable, key lua.LValue) {
	if t == nil {
		return
	}
	if err := m.chargeKey(t, key); err != nil {
		l.RaiseError("%s", err.Error())
	}
}

func (m *machine) chargeKey(t *lua.LTable, key lua.LValue) error {
	n, ok := key.(lua.LNumber)
	if !ok || !(n > freePlace && n < lua.LNumber(lua.MaxArrayIndex)) || m.run == nil { // NaN is neither
		return nil
	}
	at := int(n)
	if lua.LNumber(at) != n || t.RawGetInt(at) != lua.LNil || t.RawGetInt(at-1) != lua.LNil {
		return nil // it is not for the list, or has its place there, or is the next one
	}
	return m.run.reserve(perPlace * max(0, at-t.MaxN())) // a hole that is filled has its place
}
