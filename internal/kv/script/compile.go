package script

import (
	"fmt"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

// concatName is the global function that a .. b becomes. No script can name it.
const concatName = ".."

// boundName is the global function that the bounds of a numeric for are given through: Lua takes texts of numbers for them.
const boundName = "for"

// setName is the global function that t[k] = v becomes, keyName the one that the keys in {[k] = v} are given through: a number
// may take much room.
const (
	setName = "[]="
	keyName = "[]"
)

const (
	mostDepth     = 2000    // of the tree: what is chained, such as a + a + … or elseif, has no bound in Lua
	mostWork      = 1 << 26 // comparisons: the compiler looks for names and constants in lists, and everybody waits for it
	mostFunctions = 2048    // in a text: the compiler begins each with 16 KiB
)

// compile compiles a text, with concatenations as calls, so that their length can be bounded.
func compile(text, name string) (proto *lua.FunctionProto, err error) {
	defer func() { // the compiler panics at what it cannot do, such as too many constants
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: %v", name, r)
		}
	}()
	if strings.HasPrefix(text, "\x1bLua") {
		return nil, fmt.Errorf("%s: bytecode is not taken", name)
	}
	if err := checkLevels(text, name); err != nil {
		return nil, err
	}
	chunk, err := parse.Parse(strings.NewReader(text), name)
	if err != nil {
		return nil, err //nolint:wrapcheck // it is shown to the script's author as it is
	}
	r := rewriter{constants: map[string]bool{}}
	r.stmts(chunk)
	if proto, err = lua.Compile(chunk, name); err != nil {
		return nil, err //nolint:wrapcheck // as above
	}
	clip(proto)
	return proto, nil
}

// clip lets go of the room that the compiler has not used, up to 16 KiB of each function.
func clip(p *lua.FunctionProto) {
	p.Code, p.Constants, p.FunctionPrototypes = slices.Clone(p.Code), slices.Clone(p.Constants), slices.Clone(p.FunctionPrototypes)
	p.DbgSourcePositions, p.DbgLocals = slices.Clone(p.DbgSourcePositions), slices.Clone(p.DbgLocals)
	p.DbgCalls, p.DbgUpvalues = slices.Clone(p.DbgCalls), slices.Clone(p.DbgUpvalues)
	for _, f := range p.FunctionPrototypes {
		clip(f)
	}
}

// rewriter changes a tree before it is compiled. It panics where that would go too deep or take too long: what the compiler
// does not bound is bounded here.
type rewriter struct {
	depth     int
	work      int             // comparisons that the compiler will make
	names     int             // locals and blocks in sight
	constants map[string]bool // of the function
	folds     int             // operators that the compiler may fold; it looks at all below each of them
	gotos     int
	labels    int
	functions int
}

func (r *rewriter) enter(line int) {
	if r.depth++; r.depth > mostDepth {
		panic(fmt.Sprintf("chunk has too many levels near line %d", line))
	}
}

func (r *rewriter) takes(n int) {
	if r.work += n; r.work > mostWork {
		panic("chunk is too complex")
	}
}

// constant is looked for in the list of the function's. Numbers have a mark before them.
func (r *rewriter) constant(key string) {
	r.takes(len(r.constants))
	r.constants[key] = true
}

// block is a block with names of its own.
func (r *rewriter) block(names int, list []ast.Stmt, until ...*ast.Expr) {
	before, gotos := r.names, r.gotos
	r.names += 1 + names
	r.stmts(list)
	for _, e := range until {
		*e = r.expr(*e)
	}
	r.takes(10 * (r.gotos - gotos))
	r.names = before
}

func (r *rewriter) function(f *ast.FunctionExpr) {
	if r.functions++; r.functions > mostFunctions {
		panic("chunk has too many functions")
	}
	constants := r.constants
	r.constants = map[string]bool{}
	r.block(2+len(f.ParList.Names), f.Stmts) // self or arg may be one
	r.takes(r.names * r.names)               // all of them may be upvalues
	r.constants = constants
}

func (r *rewriter) stmts(list []ast.Stmt) {
	for i, s := range list {
		r.enter(s.Line())
		list[i] = r.stmt(s)
		r.depth--
	}
}

func (r *rewriter) stmt(s ast.Stmt) ast.Stmt {
	switch s := s.(type) {
	case *ast.AssignStmt:
		r.exprs(s.Lhs)
		r.exprs(s.Rhs)
		return assignment(s)
	case *ast.LocalAssignStmt:
		r.exprs(s.Exprs)
		r.names += len(s.Names)
	case *ast.FuncCallStmt:
		s.Expr = r.expr(s.Expr)
	case *ast.DoBlockStmt:
		r.block(0, s.Stmts)
	case *ast.WhileStmt:
		s.Condition = r.expr(s.Condition)
		r.block(0, s.Stmts)
	case *ast.RepeatStmt:
		r.block(0, s.Stmts, &s.Condition)
	case *ast.IfStmt:
		s.Condition = r.expr(s.Condition)
		r.block(0, s.Then)
		r.block(0, s.Else)
	case *ast.NumberForStmt:
		s.Init, s.Limit, s.Step = r.bound(s.Init), r.bound(s.Limit), r.bound(s.Step)
		r.block(4, s.Stmts)
	case *ast.GenericForStmt:
		r.exprs(s.Exprs)
		r.block(3+len(s.Names), s.Stmts)
	case *ast.FuncDefStmt:
		s.Name.Func, s.Name.Receiver = r.expr(s.Name.Func), r.expr(s.Name.Receiver)
		r.function(s.Func)
	case *ast.ReturnStmt:
		r.exprs(s.Exprs)
	case *ast.GotoStmt:
		r.gotos++
	case *ast.LabelStmt:
		r.labels++
		r.takes(10*r.gotos + r.labels)
	}
	return s
}

func (r *rewriter) exprs(list []ast.Expr) {
	for i := range list {
		list[i] = r.expr(list[i])
	}
}

func (r *rewriter) expr(e ast.Expr) ast.Expr {
	if e == nil {
		return nil
	}
	r.enter(e.Line())
	e = r.changed(e)
	r.depth--
	return e
}

func (r *rewriter) changed(e ast.Expr) ast.Expr {
	folds := r.folds
	switch e := e.(type) {
	case *ast.NumberExpr:
		r.constant("\x00" + e.Value)
	case *ast.StringExpr:
		r.constant(e.Value)
	case *ast.IdentExpr:
		r.takes(r.names)
		r.constant(e.Value)
	case *ast.StringConcatOpExpr:
		args := flatten(e, nil)
		r.exprs(args)
		return callOf(concatName, e, args...)
	case *ast.AttrGetExpr:
		e.Object, e.Key = r.expr(e.Object), r.expr(e.Key)
	case *ast.TableExpr:
		for _, f := range e.Fields {
			f.Key, f.Value = r.expr(f.Key), r.expr(f.Value)
			if f.Key != nil && mayWiden(f.Key) {
				f.Key = callOf(keyName, f.Key, f.Key)
			}
		}
	case *ast.FuncCallExpr:
		e.Func, e.Receiver = r.expr(e.Func), r.expr(e.Receiver)
		r.constant(e.Method)
		r.exprs(e.Args)
	case *ast.LogicalOpExpr:
		e.Lhs, e.Rhs = r.expr(e.Lhs), r.expr(e.Rhs)
	case *ast.RelationalOpExpr:
		e.Lhs, e.Rhs = r.expr(e.Lhs), r.expr(e.Rhs)
	case *ast.ArithmeticOpExpr:
		e.Lhs, e.Rhs = r.expr(e.Lhs), r.expr(e.Rhs)
		r.folds++
		r.takes(r.folds - folds)
	case *ast.UnaryMinusOpExpr:
		e.Expr = r.expr(e.Expr)
		r.folds++
		r.takes(r.folds - folds)
	case *ast.UnaryNotOpExpr:
		e.Expr = r.expr(e.Expr)
	case *ast.UnaryLenOpExpr:
		e.Expr = r.expr(e.Expr)
	case *ast.FunctionExpr:
		r.function(e)
	}
	return e
}

// bound has a bound of a numeric for be a number.
func (r *rewriter) bound(e ast.Expr) ast.Expr {
	if e = r.expr(e); e == nil {
		return nil
	}
	if _, is := e.(*ast.NumberExpr); is {
		return e
	}
	return callOf(boundName, e, e)
}

// callOf calls one of the machine's own functions in the place of something, for one value.
func callOf(name string, at ast.PositionHolder, args ...ast.Expr) *ast.FuncCallExpr {
	single(args[len(args)-1])
	call := &ast.FuncCallExpr{Func: &ast.IdentExpr{Value: name}, Args: args, AdjustRet: true}
	call.SetLine(at.Line())
	call.SetLastLine(at.LastLine())
	call.Func.SetLine(at.Line())
	return call
}

// flatten lists the operands of a .. b .. c.
func flatten(e ast.Expr, to []ast.Expr) []ast.Expr {
	if c, ok := e.(*ast.StringConcatOpExpr); ok {
		return flatten(c.Rhs, append(to, single(c.Lhs)))
	}
	return append(to, single(e))
}

// single has an operand that may be several values be one.
func single(e ast.Expr) ast.Expr {
	switch v := e.(type) {
	case *ast.FuncCallExpr:
		v.AdjustRet = true
	case *ast.Comma3Expr:
		v.AdjustRet = true
	}
	return e
}
