package script

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

const (
	callDepth    = 8192                 // of Lua functions
	registryMost = 64 << 10             // values on the stack
	lookEvery    = 1 << 10              // instructions between two looks at the clock, at most
	besideEvery  = 3 * time.Millisecond // others are let in so often when a script runs too long
)

// machine is the interpreter that all scripts share.
type machine struct {
	s       *Scripts
	l       *lua.LState
	env     *lua.LTable // what scripts have for globals: empty, and read through
	globals *lua.LTable // what lies behind
	onLoad  *lua.LTable // what lies behind while a library is loaded
	entry   *lua.LFunction
	locked  map[*lua.LTable]bool
	budget  *budget
	run     *run
	room    callRoom
	null    lua.LValue // cjson.null
	json    jsonSettings
	random  *rand.Rand
	sealed  *lua.LTable               // what getmetatable gives of a table that cannot be changed
	loading *library                  // whose code registers its functions; nil = none is being loaded
	called  map[string]*lua.LFunction // functions of libraries, by their names
}

// run is one execution of a script.
type run struct {
	c       *engine.Ctx
	sc      *script
	rights  engine.Rights
	version int // of the protocol that redis.call answers in
	begun   time.Time
	limit   time.Duration
	last    time.Duration // when others were let in, since it began
	budget  *budget
	made    int   // bytes since the process was weighed last
	before  int64 // the least that the process had then; 0 = it was not weighed
	memory  int64 // bytes by which it may grow
	loading bool  // a library's code, for which nobody is let in
	stop    *atomic.Bool
	log     func(level int, text string)
}

func (r *run) wrote() bool { return r.c.Wrote() }

func (r *run) kill() { r.budget.end(errKilled) }

var (
	errKilled  = errors.New("ERR Error running script: Script killed by user with SCRIPT KILL.") //nolint:staticcheck // Redis's words
	errStopped = errors.New("ERR Error running script: the server ends")
	errNoRoom  = errors.New("ERR script makes too long a string")
)

// budget is the context that the interpreter asks before each instruction.
type budget struct {
	context.Context     //nolint:containedctx // it is one
	every, left     int // instructions between two looks, and until the next
	look            func()
	ended           chan struct{} // nil while the script may run
	err             error
}

// Done counts an instruction.
func (b *budget) Done() <-chan struct{} {
	if b.left--; b.left <= 0 {
		b.look()
		b.left = b.every
	}
	return b.ended
}

// Err says why the script ends.
func (b *budget) Err() error { return b.err }

func (b *budget) end(err error) {
	b.err = err
	b.ended = make(chan struct{})
	close(b.ended)
}

// newMachine makes an interpreter.
func newMachine(s *Scripts) *machine {
	m := &machine{s: s, locked: map[*lua.LTable]bool{}, called: map[string]*lua.LFunction{}, random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))} //nolint:gosec // for scripts, not for secrets
	m.l = lua.NewState(lua.Options{SkipOpenLibs: true, CallStackSize: callDepth, RegistrySize: 4 << 10, RegistryMaxSize: registryMost, RegistryGrowStep: 4 << 10})
	m.l.Options.MinimizeStackMemory, m.l.Options.RegistrySize = true, 256 // of coroutines, whose stacks grow from next to nothing
	m.budget = &budget{Context: context.Background(), look: func() {}}
	m.l.SetContext(m.budget)
	m.globals = m.l.G.Global
	m.open()
	m.env = m.protected(m.globals)
	m.onLoad = m.loadGlobals()
	m.globals.RawSetString("_G", m.env)
	m.entry = m.l.NewFunction(enter)
	return m
}

// enter calls its first argument with the others. What fails in it does not list the calls that led there, which nobody is
// shown: for a script that calls itself without end the interpreter takes the square of their number, 75 ms.
func enter(l *lua.LState) int {
	l.Panic = func(l *lua.LState) {
		panic(&lua.ApiError{Type: lua.ApiErrorRun, Object: l.Get(-1), StackTrace: noTrace}) // no list is made where there is one
	}
	l.Call(l.GetTop()-1, 1)
	return 1
}

const noTrace = "no trace"

// execution is what an interpreter is to run.
type execution struct {
	sc      *script
	rights  engine.Rights
	loading *library // whose code it is; nil = a script or a function
	prepare func(m *machine) (*lua.LFunction, []lua.LValue)
}

// perform runs a script and writes its answer.
func (s *Scripts) perform(c *engine.Ctx, sc *script, rights engine.Rights, keys, argv [][]byte) {
	s.answer(c, execution{sc: sc, rights: rights, prepare: func(m *machine) (*lua.LFunction, []lua.LValue) {
		m.globals.RawSetString("KEYS", m.strings(keys))
		m.globals.RawSetString("ARGV", m.strings(argv))
		fn := m.l.NewFunctionFromProto(sc.proto)
		fn.Env = m.env
		return fn, nil
	}})
}

// answer runs something and writes what it gives.
func (s *Scripts) answer(c *engine.Ctx, x execution) {
	if failure := s.execute(c, s.machine(c), x, func(m *machine, v lua.LValue) { m.answer(c, v) }); failure != "" {
		c.Fail(failure)
	}
}

// machine gives the interpreter. A new one has to learn the libraries' functions.
func (s *Scripts) machine(c *engine.Ctx) *machine {
	if s.vm == nil {
		m := newMachine(s)
		for _, lib := range s.sorted() {
			_ = m.learn(c, lib) // it was learnt before; what fails now is not found when it is called
		}
		s.vm = m
	}
	return s.vm
}

// execute runs something and hands what it gives to then, or says why it failed.
func (s *Scripts) execute(c *engine.Ctx, m *machine, x execution, then func(m *machine, v lua.LValue)) (failure string) {
	before, loading := s.run, m.loading
	b := &budget{Context: context.Background(), every: lookEvery, left: lookEvery}
	r := &run{
		c: c, sc: x.sc, rights: x.rights, version: 2, begun: time.Now(), limit: s.cfg.Limit, budget: b, memory: s.cfg.Memory, log: s.cfg.Log,
		loading: x.loading != nil, stop: &s.stopping,
	}
	b.look = r.look
	s.run, m.run, m.budget, m.loading = r, r, b, x.loading
	m.l.SetContext(b)
	defer func() {
		s.run = before
		m.run, m.loading = nil, loading
		if p := recover(); p != nil { // the interpreter is not to be trusted after that
			s.vm = nil
			panic(p)
		}
	}()
	fn, args := x.prepare(m)
	behind := m.globals
	if x.loading != nil {
		behind = m.onLoad
	}
	m.env.Metatable.(*lua.LTable).RawSetString("__index", behind) //nolint:forcetypeassert // protected made it
	top := m.l.GetTop()
	err := m.l.CallByParam(lua.P{Fn: m.entry, NRet: 1, Protect: true}, append([]lua.LValue{fn}, args...)...)
	switch {
	case b.err != nil:
		s.vm = nil // coroutines may be anywhere
		return b.err.Error()
	case err != nil:
		m.l.SetTop(top)
		return m.describe(err)
	}
	v := m.l.Get(-1)
	m.l.SetTop(top)
	then(m, v)
	return ""
}

// look is called now and then while the script runs.
func (r *run) look() {
	r.charge(r.budget.every * perInstruction)
	if r.loading && time.Since(r.begun) > loadLimit && r.budget.err == nil {
		r.budget.end(errLoadLong)
	}
	if r.loading {
		return
	}
	if r.stop.Load() && r.budget.err == nil {
		if r.wrote() {
			r.c.Seal()
		}
		r.budget.end(errStopped)
		return
	}
	if now := time.Since(r.begun); now > r.limit && now-r.last > besideEvery {
		r.c.Beside()
		r.last = time.Since(r.begun)
	}
}

func (m *machine) strings(list [][]byte) *lua.LTable {
	t := m.l.CreateTable(len(list), 0)
	for _, b := range list {
		t.Append(lua.LString(b))
	}
	return t
}

// describe makes an error of a script one that a client is answered: what happened, in which script, where.
func (m *machine) describe(err error) string {
	var e *lua.ApiError
	if !errors.As(err, &e) {
		return "ERR " + oneLine(err.Error())
	}
	var text, line string
	if t, ok := e.Object.(*lua.LTable); ok {
		text, line = lua.LVAsString(t.RawGetString("err")), lua.LVAsString(t.RawGetString("line"))
		if text == "" {
			text = "ERR unknown error"
		}
	} else {
		said := strings.Replace(e.Object.String(), "attempt to call a non-function object", "attempt to call a nil value", 1)
		text, line = "ERR "+said, lineOf(said)
	}
	if line == "" {
		return fmt.Sprintf("%s script: %s", oneLine(text), m.run.sc.sha)
	}
	return fmt.Sprintf("%s script: %s, on @%s:%s.", oneLine(text), m.run.sc.sha, m.run.sc.chunk, line)
}

// double writes a number as an answer in version 2 has it.
func (m *machine) double(f float64) string { return string(m.s.cfg.Double(nil, f)) }

// lineOf finds the line in what the interpreter says: user_script:3: …
func lineOf(text string) string {
	for _, chunk := range []string{chunkName, libraryChunk} {
		if rest, ok := strings.CutPrefix(text, chunk+":"); ok {
			line, _, _ := strings.Cut(rest, ":")
			return line
		}
	}
	return ""
}
