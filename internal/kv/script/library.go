package script

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

const (
	libraryChunk  = "user_function"
	loadLimit     = 500 * time.Millisecond // for which a library's code may run when it registers its functions
	mostLibraries = 1000
)

var errLoadLong = errors.New("ERR FUNCTION LOAD timeout")

// library is code that was loaded, and the functions that it has registered. Those of the interpreter are the machine's.
type library struct {
	name, text string
	proto      *lua.FunctionProto
	functions  map[string]*function      // by their keys
	fresh      map[string]*lua.LFunction // while it is being loaded
}

// function is what FCALL runs.
type function struct {
	name, about string
	described   bool
	flags       []string // as they were given
	rights      engine.Rights
}

// key is the name under which a function is found, in any case.
func (f *function) key() string { return strings.ToLower(f.name) }

// sorted gives the libraries by their names.
func (s *Scripts) sorted() []*library {
	return slices.SortedFunc(maps.Values(s.libraries), func(a, b *library) int { return strings.Compare(a.name, b.name) })
}

// sorted gives the functions by their names.
func (lib *library) sorted() []*function {
	return slices.SortedFunc(maps.Values(lib.functions), func(a, b *function) int { return strings.Compare(a.name, b.name) })
}

// validName is what libraries and functions may be called.
func validName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return name != ""
}

// unquoted takes the quotes off a word that has them.
func unquoted(word string) string {
	if n := len(word); n > 1 && (word[0] == '"' || word[0] == '\'') && word[n-1] == word[0] {
		return word[1 : n-1]
	}
	return word
}

// newLibrary reads and compiles a text. The error is what a client is answered.
func newLibrary(text string) (*library, error) {
	if !strings.HasPrefix(text, "#!") {
		return nil, errors.New("ERR Missing library metadata")
	}
	if len(text) > mostScript {
		return nil, fmt.Errorf("ERR library of %d bytes is too long", len(text))
	}
	line, body, _ := strings.Cut(text, "\n")
	language, rest, _ := strings.Cut(line[2:], " ")
	if !strings.EqualFold(strings.TrimSpace(language), "lua") {
		return nil, fmt.Errorf("ERR Engine '%s' not found", language)
	}
	lib := &library{text: text, functions: map[string]*function{}}
	named := false
	for w := range strings.FieldsSeq(rest) {
		name, ok := strings.CutPrefix(w, "name=")
		switch {
		case !ok:
			return nil, fmt.Errorf("ERR Invalid metadata value given: %s", w)
		case named:
			return nil, errors.New("ERR Invalid metadata value, name argument was given multiple times")
		}
		lib.name, named = unquoted(name), true
	}
	switch {
	case !named:
		return nil, errors.New("ERR Library name was not given")
	case !validName(lib.name):
		return nil, errors.New("ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long")
	}
	var err error
	if lib.proto, err = compile("\n"+body, libraryChunk); err != nil {
		return nil, fmt.Errorf("ERR Error compiling function: %s", oneLine(err.Error()))
	}
	return lib, nil
}

// learn runs the code of a library, which registers its functions. The error is what a client is answered.
func (m *machine) learn(c *engine.Ctx, lib *library) error {
	lib.functions, lib.fresh = map[string]*function{}, map[string]*lua.LFunction{}
	sc := &script{sha: lib.name, chunk: libraryChunk}
	failure := m.s.execute(c, m, execution{sc: sc, loading: lib, prepare: func(m *machine) (*lua.LFunction, []lua.LValue) {
		m.forget("KEYS")
		m.forget("ARGV")
		fn := m.l.NewFunctionFromProto(lib.proto)
		fn.Env = m.env
		return fn, nil
	}}, func(*machine, lua.LValue) {})
	switch {
	case failure == errLoadLong.Error() || failure == errMemory.Error():
		return errors.New(failure)
	case failure != "":
		return errors.New("ERR Error registering functions: " + strings.TrimPrefix(failure, "ERR "))
	case len(lib.functions) == 0:
		return errors.New("ERR No functions registered")
	}
	maps.Copy(m.called, lib.fresh)
	lib.fresh = nil
	return nil
}

// existsError says that there is a library of a name. FUNCTION LOAD and FUNCTION RESTORE say it in other words.
type existsError struct{ name string }

func (e *existsError) Error() string { return fmt.Sprintf("ERR Library '%s' already exists", e.name) }

// add makes a library known, in the place of one of its name if that may be.
func (s *Scripts) add(c *engine.Ctx, lib *library, replace bool) error {
	old := s.libraries[lib.name]
	if old != nil && !replace {
		return &existsError{lib.name}
	}
	if old == nil && len(s.libraries) >= mostLibraries {
		return errors.New("ERR there are too many libraries")
	}
	m := s.machine(c)
	was := m.called
	m.called = maps.Clone(was)
	err := m.learn(c, lib)
	if err == nil {
		for _, f := range lib.sorted() {
			if s.functions[f.key()] != nil && (old == nil || old.functions[f.key()] == nil) {
				err = fmt.Errorf("ERR Function %s already exists", f.name)
				break
			}
		}
	}
	if err != nil {
		m.called = was
		return err
	}
	s.forgetLibrary(old)
	s.libraries[lib.name] = lib
	maps.Copy(s.functions, lib.functions)
	return nil
}

// forgetLibrary forgets a library and its functions.
func (s *Scripts) forgetLibrary(lib *library) {
	if lib == nil {
		return
	}
	for name := range lib.functions {
		delete(s.functions, name)
	}
	delete(s.libraries, lib.name)
}

// registerFunction is redis.register_function: of a name and a function, or of a table with those and more.
func (m *machine) registerFunction(l *lua.LState) int {
	lib := m.loading
	if lib == nil {
		l.RaiseError("redis.register_function can only be called on FUNCTION LOAD command")
	}
	f := &function{}
	var fn *lua.LFunction
	switch l.GetTop() {
	case 1:
		t, ok := l.Get(1).(*lua.LTable)
		if !ok {
			l.RaiseError("calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).")
		}
		fn = namedArguments(l, t, f)
	case 2:
		name, ok := l.Get(1).(lua.LString)
		if !ok {
			l.RaiseError("first argument to redis.register_function must be a string")
		}
		if fn, ok = l.Get(2).(*lua.LFunction); !ok {
			l.RaiseError("second argument to redis.register_function must be a function")
		}
		f.name = string(name)
	default:
		l.RaiseError("wrong number of arguments to redis.register_function")
	}
	switch {
	case !validName(f.name):
		l.RaiseError("Library names can only contain letters, numbers, or underscores(_) and must be at least one character long")
	case lib.functions[f.key()] != nil:
		l.RaiseError("Function already exists in the library")
	}
	lib.functions[f.key()], lib.fresh[f.key()] = f, fn
	return 0
}

// namedArguments reads the table that describes a function.
func namedArguments(l *lua.LState, t *lua.LTable, f *function) (fn *lua.LFunction) {
	var wrong string
	text := func(v lua.LValue, what string) string {
		s, ok := v.(lua.LString)
		if !ok && wrong == "" {
			wrong = what + " argument given to redis.register_function must be a string"
		}
		return string(s)
	}
	t.ForEach(func(k, v lua.LValue) {
		switch key, _ := k.(lua.LString); key {
		case "function_name":
			f.name = text(v, "function_name")
		case "description":
			f.about, f.described = text(v, "description"), true
		case "callback":
			var ok bool
			if fn, ok = v.(*lua.LFunction); !ok {
				wrong = "callback argument given to redis.register_function must be a function"
			}
		case "flags":
			if list, ok := v.(*lua.LTable); !ok {
				wrong = "flags argument to redis.register_function must be a table representing function flags"
			} else if !f.allow(list) {
				wrong = "unknown flag given"
			}
		default:
			wrong = "unknown argument given to redis.register_function"
		}
	})
	switch {
	case wrong != "":
	case t.RawGetString("function_name") == lua.LNil:
		wrong = "redis.register_function must get a function name argument"
	case fn == nil:
		wrong = "redis.register_function must get a callback argument"
	}
	if wrong != "" {
		l.RaiseError("%s", wrong)
	}
	return fn
}

// allow reads the flags of a function; false if there is one that means nothing.
func (f *function) allow(list *lua.LTable) bool {
	for i := 1; i <= list.Len(); i++ {
		flag := lua.LVAsString(list.RawGetInt(i))
		switch flag {
		case "no-writes":
			f.rights.ReadOnly = true
		case "allow-oom":
			f.rights.AllowOOM = true
		case "allow-stale", "no-cluster", "allow-cross-slot-keys":
		default:
			return false
		}
		if !slices.Contains(f.flags, flag) {
			f.flags = append(f.flags, flag)
		}
	}
	return true
}
