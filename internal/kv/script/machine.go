package script

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

const (
	callDepth    = 8192                 // of Lua functions
	registryMost = 64 << 10             // values on the stack
	lookEvery    = 1 << 10              // instructions between two looks at the clock
	besideEvery  = 3 * time.Millisecond // others are let in so often when a script runs too long
)

// machine is the interpreter that all scripts share.
type machine struct {
	s       *Scripts
	l       *lua.LState
	env     *lua.LTable // what scripts have for globals: empty, and read through
	globals *lua.LTable // what lies behind
	locked  map[*lua.LTable]bool
	budget  *budget
	run     *run
	room    callRoom
	null    lua.LValue // cjson.null
	json    jsonSettings
	random  *rand.Rand
	sealed  *lua.LTable // what getmetatable gives of a table that cannot be changed
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
	dirty   int64
	budget  *budget
	made    int   // bytes since the process was weighed last
	before  int64 // what the process had then at first; 0 = it was not weighed
	memory  int64 // bytes by which it may grow
	log     func(level int, text string)
}

func (r *run) wrote() bool { return r.c.E.Stats().Dirty != r.dirty }

func (r *run) kill() { r.budget.end(errKilled) }

var (
	errKilled = errors.New("ERR Error running script: Script killed by user with SCRIPT KILL.") //nolint:staticcheck // Redis's words
	errNoRoom = errors.New("ERR script makes too long a string")
)

// budget is the context that the interpreter asks before each instruction.
type budget struct {
	context.Context //nolint:containedctx // it is one
	n               uint32
	look            func()
	ended           chan struct{} // nil while the script may run
	err             error
}

// Done counts an instruction.
func (b *budget) Done() <-chan struct{} {
	if b.n++; b.n%lookEvery == 0 {
		b.look()
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
	m := &machine{s: s, locked: map[*lua.LTable]bool{}, random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))} //nolint:gosec // for scripts, not for secrets
	m.l = lua.NewState(lua.Options{SkipOpenLibs: true, CallStackSize: callDepth, RegistrySize: 4 << 10, RegistryMaxSize: registryMost, RegistryGrowStep: 4 << 10})
	m.budget = &budget{Context: context.Background(), look: func() {}}
	m.l.SetContext(m.budget)
	m.globals = m.l.G.Global
	m.open()
	m.env = m.protected(m.globals)
	m.globals.RawSetString("_G", m.env)
	return m
}

// perform runs a script and writes its answer.
func (s *Scripts) perform(c *engine.Ctx, sc *script, rights engine.Rights, keys, argv [][]byte) {
	if s.vm == nil {
		s.vm = newMachine(s)
	}
	m := s.vm
	before := s.run
	b := &budget{Context: context.Background()}
	r := &run{c: c, sc: sc, rights: rights, version: 2, begun: time.Now(), limit: s.cfg.Limit, dirty: c.E.Stats().Dirty, budget: b, memory: s.cfg.Memory, log: s.cfg.Log}
	b.look = r.look
	s.run, m.run, m.budget = r, r, b
	m.l.SetContext(b)
	defer func() {
		s.run = before
		m.run = nil
		if p := recover(); p != nil { // the interpreter is not to be trusted after that
			s.vm = nil
			panic(p)
		}
	}()
	m.globals.RawSetString("KEYS", m.strings(keys))
	m.globals.RawSetString("ARGV", m.strings(argv))
	fn := m.l.NewFunctionFromProto(sc.proto)
	fn.Env = m.env
	top := m.l.GetTop()
	err := m.l.CallByParam(lua.P{Fn: fn, NRet: 1, Protect: true})
	switch {
	case b.err != nil:
		s.vm = nil // coroutines may be anywhere
		c.Fail(b.err.Error())
	case err != nil:
		m.l.SetTop(top)
		c.Fail(m.describe(err))
	default:
		v := m.l.Get(-1)
		m.l.SetTop(top)
		m.answer(c, v)
	}
}

// look is called now and then while the script runs.
func (r *run) look() {
	r.charge(lookEvery * perInstruction)
	if now := time.Since(r.begun); now > r.limit && now-r.last > besideEvery {
		r.c.E.Beside()
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
		said := e.Object.String()
		if e.Type == lua.ApiErrorRun && e.Object == lua.LNil {
			said = err.Error()
		}
		text, line = "ERR "+said, lineOf(said)
	}
	if line == "" {
		return fmt.Sprintf("%s script: %s", oneLine(text), m.run.sc.sha)
	}
	return fmt.Sprintf("%s script: %s, on @%s:%s.", oneLine(text), m.run.sc.sha, chunkName, line)
}

// double writes a number as an answer in version 2 has it.
func (m *machine) double(f float64) string { return string(m.s.cfg.Double(nil, f)) }

// lineOf finds the line in what the interpreter says: user_script:3: …
func lineOf(text string) string {
	rest, ok := strings.CutPrefix(text, chunkName+":")
	if !ok {
		return ""
	}
	line, _, _ := strings.Cut(rest, ":")
	return line
}
