package script

import (
	"encoding/binary"
	"errors"
	"hash/crc64"
	"maps"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// functionCommands are the rows of the command table about functions.
func (s *Scripts) functionCommands() []*engine.Command {
	scripting := []engine.Category{"scripting"}
	call := func(name string, flags engine.Flags, summary string, readOnly bool) *engine.Command {
		return &engine.Command{
			Name: name, Arity: -3, Flags: flags | engine.NoScript | engine.SkipMonitor | engine.NoMandatoryKeys | engine.Stale | engine.MovableKeys,
			Find: evalKeys, Reads: s.functionReads, Categories: scripting, Group: "scripting", Since: "7.0.0", Complexity: "Depends on the function that is executed.", Summary: summary,
			Run: func(c *engine.Ctx) { s.call(c, readOnly) },
		}
	}
	sub := func(name string, arity int, flags engine.Flags, complexity, summary string, run func(c *engine.Ctx)) *engine.Command {
		return &engine.Command{Name: name, Arity: arity, Flags: flags | engine.NoScript, Categories: scripting, Group: "scripting", Since: "7.0.0", Complexity: complexity, Summary: summary, Run: run}
	}
	const each = "O(N) where N is the number of functions"
	return []*engine.Command{
		call("fcall", engine.MayReplicate, "Runs a function.", false),
		call("fcall_ro", engine.ReadOnly, "Runs a function that changes nothing.", true),
		{Name: "function", Arity: -2, Categories: scripting, Group: "scripting", Since: "7.0.0", Complexity: "Depends on subcommand.", Summary: "Holds the commands about functions.", Sub: []*engine.Command{
			sub("load", -3, engine.Write|engine.DenyOOM, "O(1), considering compilation time is redundant", "Loads a library of functions.", s.functionLoad),
			sub("delete", 3, engine.Write, "O(1)", "Deletes a library and its functions.", s.functionDelete),
			sub("flush", -2, engine.Write, "O(N) where N is the number of functions deleted", "Deletes all libraries and functions.", s.functionFlush),
			sub("list", -2, 0, each, "Lists the libraries and their functions.", s.functionList),
			sub("stats", 2, engine.AllowBusy, "O(1)", "Tells of the function that runs, and how many there are.", s.functionStats),
			sub("kill", 2, engine.AllowBusy, "O(1)", "Ends a function that runs too long and has written nothing.", s.functionKill),
			sub("dump", 2, 0, each, "Answers all libraries as one text.", s.functionDump),
			sub("restore", -3, engine.Write|engine.DenyOOM, "O(N) where N is the number of functions on the payload", "Loads the libraries of a text.", s.functionRestore),
		}},
	}
}

// functionReads says that the function of a call has declared that it does not write.
func (s *Scripts) functionReads(args [][]byte) bool {
	f := s.functions[strings.ToLower(string(args[1]))]
	return f != nil && f.rights.ReadOnly
}

// call is FCALL.
func (s *Scripts) call(c *engine.Ctx, readOnly bool) {
	name := strings.ToLower(string(c.Args[1]))
	f := s.functions[name]
	if f == nil {
		c.Fail("ERR Function not found")
		return
	}
	n, ok := keyCount(c, "ERR Bad number of keys provided")
	if !ok {
		return
	}
	switch {
	case readOnly && !f.rights.ReadOnly:
		c.Fail("ERR Can not execute a script with write flag using *_ro command.")
		return
	case !f.rights.AllowOOM && !f.rights.ReadOnly && c.E.Full():
		c.Fail("OOM allow-oom flag is not set on the function, can not run it when used memory > 'maxmemory'")
		return
	}
	keys, argv := c.Args[3:3+n], c.Args[3+n:]
	c.Script(func() {
		m := s.machine(c)
		fn := m.called[name]
		if fn == nil { // its library was not learnt again
			c.Fail("ERR Function not found")
			return
		}
		s.answer(c, execution{sc: &script{sha: f.name, chunk: libraryChunk}, rights: f.rights, prepare: func(m *machine) (*lua.LFunction, []lua.LValue) {
			m.forget("KEYS")
			m.forget("ARGV")
			return fn, []lua.LValue{m.strings(keys), m.strings(argv)}
		}})
	})
}

func (s *Scripts) functionLoad(c *engine.Ctx) {
	replace := false
	for i := 2; i < len(c.Args)-1; i++ {
		if !c.Is(i, "replace") {
			c.Fail("ERR Unknown option given: " + oneLine(string(c.Args[i])))
			return
		}
		replace = true
	}
	lib, err := newLibrary(string(c.Args[len(c.Args)-1]))
	if err == nil {
		err = s.add(c, lib, replace)
	}
	if err != nil {
		c.Fail(err.Error())
		return
	}
	c.Changed()
	c.Out.BulkString(lib.name)
}

func (s *Scripts) functionDelete(c *engine.Ctx) {
	lib := s.libraries[string(c.Args[2])]
	if lib == nil {
		c.Fail("ERR Library not found")
		return
	}
	s.forgetLibrary(lib)
	c.Changed()
	c.OK()
}

func (s *Scripts) functionFlush(c *engine.Ctx) {
	if len(c.Args) > 3 {
		c.Fail("ERR unknown subcommand or wrong number of arguments for 'flush'. Try FUNCTION HELP.")
		return
	}
	if len(c.Args) == 3 && !c.Is(2, "sync") && !c.Is(2, "async") {
		c.Fail("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
		return
	}
	if len(s.libraries) > 0 {
		c.Changed()
	}
	s.forgetLibraries()
	c.OK()
}

func (s *Scripts) forgetLibraries() {
	s.libraries, s.functions, s.vm = map[string]*library{}, map[string]*function{}, nil
}

func (s *Scripts) functionList(c *engine.Ctx) {
	code, pattern := false, ""
	for i := 2; i < len(c.Args); i++ {
		switch {
		case c.Is(i, "withcode") && !code:
			code = true
		case c.Is(i, "libraryname") && pattern == "":
			if i++; i == len(c.Args) {
				c.Fail("ERR library name argument was not given")
				return
			}
			pattern = string(c.Args[i])
		default:
			c.Fail("ERR Unknown argument " + oneLine(string(c.Args[i])))
			return
		}
	}
	mark, n := c.Out.Mark(), 0
	for _, lib := range s.sorted() {
		if pattern != "" && !engine.Glob([]byte(pattern), []byte(lib.name)) {
			continue
		}
		n++
		lib.list(c, code)
	}
	c.Out.ArrayAt(mark, n)
}

func (lib *library) list(c *engine.Ctx, code bool) {
	fields := 3
	if code {
		fields++
	}
	c.Out.Map(fields)
	c.Out.BulkString("library_name")
	c.Out.BulkString(lib.name)
	c.Out.BulkString("engine")
	c.Out.BulkString("LUA")
	c.Out.BulkString("functions")
	c.Out.Array(len(lib.functions))
	for _, f := range lib.sorted() {
		c.Out.Map(3)
		c.Out.BulkString("name")
		c.Out.BulkString(f.name)
		c.Out.BulkString("description")
		if f.described {
			c.Out.BulkString(f.about)
		} else {
			c.Out.Null()
		}
		c.Out.BulkString("flags")
		c.Out.Set(len(f.flags))
		for _, flag := range f.flags {
			c.Out.Simple(flag)
		}
	}
	if code {
		c.Out.BulkString("library_code")
		c.Out.BulkString(lib.text)
	}
}

func (s *Scripts) functionStats(c *engine.Ctx) {
	c.Out.Map(2)
	c.Out.BulkString("running_script")
	if s.run == nil || s.run.sc.chunk != libraryChunk {
		c.Out.Null()
	} else {
		c.Out.Map(3)
		c.Out.BulkString("name")
		c.Out.BulkString(s.run.sc.sha)
		c.Out.BulkString("command")
		c.Out.Array(len(s.run.c.Args))
		for _, a := range s.run.c.Args {
			c.Out.Bulk(a)
		}
		c.Out.BulkString("duration_ms")
		c.Out.Int(time.Since(s.run.begun).Milliseconds())
	}
	c.Out.BulkString("engines")
	c.Out.Map(1)
	c.Out.BulkString("LUA")
	c.Out.Map(2)
	c.Out.BulkString("libraries_count")
	c.Out.Int(int64(len(s.libraries)))
	c.Out.BulkString("functions_count")
	c.Out.Int(int64(len(s.functions)))
}

func (s *Scripts) functionKill(c *engine.Ctx) { s.killRun(c, libraryChunk) }

// The text of FUNCTION DUMP: a mark, the length and the bytes of each library, a checksum. It is of this server alone.
const dumpMark = "WFN1"

func dumpSum(b []byte) uint64 { return crc64.Checksum(b, crc64.MakeTable(crc64.ECMA)) }

func (s *Scripts) functionDump(c *engine.Ctx) {
	b := []byte(dumpMark)
	for _, lib := range s.sorted() {
		b = append(binary.AppendUvarint(b, uint64(len(lib.text))), lib.text...)
	}
	c.Out.Bulk(binary.LittleEndian.AppendUint64(b, dumpSum(b)))
}

// undump gives the texts of a dump; false if it is none.
func undump(b []byte) (texts []string, ok bool) {
	end := len(b) - 8
	if end < len(dumpMark) || string(b[:len(dumpMark)]) != dumpMark || binary.LittleEndian.Uint64(b[end:]) != dumpSum(b[:end]) {
		return nil, false
	}
	for b = b[len(dumpMark):end]; len(b) > 0; {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return nil, false
		}
		texts = append(texts, string(b[n:n+int(size)]))
		b = b[n+int(size):]
	}
	return texts, true
}

func (s *Scripts) functionRestore(c *engine.Ctx) {
	policy := "append"
	if len(c.Args) == 4 {
		policy = strings.ToLower(string(c.Args[3]))
	}
	if len(c.Args) > 4 {
		c.Fail("ERR unknown subcommand or wrong number of arguments for 'restore'. Try FUNCTION HELP.")
		return
	}
	if policy != "append" && policy != "replace" && policy != "flush" {
		c.Fail("ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.")
		return
	}
	texts, ok := undump(c.Args[2])
	if !ok {
		c.Fail("ERR DUMP payload version or checksum are wrong")
		return
	}
	libraries, functions := s.libraries, s.functions
	s.forgetLibraries()
	if policy != "flush" {
		maps.Copy(s.libraries, libraries)
		maps.Copy(s.functions, functions)
	}
	for _, text := range texts {
		lib, err := newLibrary(text)
		if err == nil {
			err = s.add(c, lib, policy == "replace")
		}
		if err != nil { // all of them or none
			s.libraries, s.functions, s.vm = libraries, functions, nil
			if exists, is := errors.AsType[*existsError](err); is {
				c.Fail("ERR Library " + exists.name + " already exists")
				return
			}
			c.Fail(err.Error())
			return
		}
	}
	c.Changed()
	c.OK()
}

// Rewrite gives the commands that load the libraries again.
func (s *Scripts) Rewrite(emit func(args [][]byte)) {
	for _, lib := range s.sorted() {
		emit([][]byte{[]byte("FUNCTION"), []byte("LOAD"), []byte("REPLACE"), []byte(lib.text)})
	}
}
