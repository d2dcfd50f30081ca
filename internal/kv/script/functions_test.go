package script_test

import (
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/resp"
	"github.com/wayside-edge/wayside/internal/kv/script"
)

const library = "#!lua name=lib\nlocal n = 0\nredis.register_function('count', function(keys, args) n = n + 1 redis.call('set', keys[1], n) return {n, args[1]} end)\n" +
	"redis.register_function{function_name='look', callback=function(keys) return redis.call('get', keys[1]) end, flags={'no-writes'}, description='looks'}"

// TestFunctions states what libraries and their functions do and answer.
func TestFunctions(t *testing.T) {
	b := newBoxOf(script.Config{Limit: time.Hour})
	for _, tc := range []struct {
		want string
		args []string
	}{
		{"$3\r\nlib\r\n", []string{"FUNCTION", "LOAD", library}},
		{"-ERR Library 'lib' already exists\r\n", []string{"FUNCTION", "LOAD", library}},
		{"*2\r\n:1\r\n$1\r\na\r\n", []string{"FCALL", "count", "1", "k", "a"}},
		{"*2\r\n:2\r\n$1\r\nb\r\n", []string{"FCALL", "count", "1", "k", "b"}},
		{"$1\r\n2\r\n", []string{"FCALL_RO", "look", "1", "k"}},
		{"-ERR Can not execute a script with write flag using *_ro command.\r\n", []string{"FCALL_RO", "count", "1", "k"}},
		{"-ERR Function not found\r\n", []string{"FCALL", "nothing", "0"}},
		{"-ERR Bad number of keys provided\r\n", []string{"FCALL", "count", "x"}},
		{"-ERR Number of keys can't be greater than number of args\r\n", []string{"FCALL", "count", "5", "k"}},
		{"-ERR Number of keys can't be negative\r\n", []string{"FCALL", "count", "-1", "k"}},
		{"$3\r\nlib\r\n", []string{"FUNCTION", "LOAD", "REPLACE", library}},
		{"*2\r\n:1\r\n$1\r\nc\r\n", []string{"FCALL", "count", "1", "k", "c"}},
		{"-ERR Function count already exists\r\n", []string{"FUNCTION", "LOAD", strings.Replace(library, "name=lib", "name=other", 1)}},
		{"*2\r\n:2\r\n$1\r\nd\r\n", []string{"FCALL", "count", "1", "k", "d"}},
		{"-ERR Missing library metadata\r\n", []string{"FUNCTION", "LOAD", "return 1"}},
		{"-ERR Library name was not given\r\n", []string{"FUNCTION", "LOAD", "#!lua\nreturn 1"}},
		{"-ERR Engine 'c' not found\r\n", []string{"FUNCTION", "LOAD", "#!c name=x\nreturn 1"}},
		{"-ERR Invalid metadata value given: a=b\r\n", []string{"FUNCTION", "LOAD", "#!lua name=x a=b\nreturn 1"}},
		{"-ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long\r\n", []string{"FUNCTION", "LOAD", "#!lua name=a-b\nreturn 1"}},
		{"-ERR No functions registered\r\n", []string{"FUNCTION", "LOAD", "#!lua name=x\nreturn 1"}},
		{"-ERR FUNCTION LOAD timeout\r\n", []string{"FUNCTION", "LOAD", "#!lua name=x\nwhile true do end"}},
		{"*2\r\n:1\r\n$1\r\ne\r\n", []string{"FCALL", "count", "1", "k", "e"}}, // the interpreter is another one
		{"$1\r\nx\r\n", []string{"EVAL", "return ARGV[1]", "0", "x"}},
		{"*1\r\n*6\r\n$12\r\nlibrary_name\r\n$3\r\nlib\r\n$6\r\nengine\r\n$3\r\nLUA\r\n$9\r\nfunctions\r\n", []string{"FUNCTION", "LIST"}},
		{"*0\r\n", []string{"FUNCTION", "LIST", "LIBRARYNAME", "x*"}},
		{"*4\r\n$14\r\nrunning_script\r\n$-1\r\n$7\r\nengines\r\n*2\r\n$3\r\nLUA\r\n*4\r\n$15\r\nlibraries_count\r\n:1\r\n$15\r\nfunctions_count\r\n:2\r\n", []string{"FUNCTION", "STATS"}},
		{"-NOTBUSY", []string{"FUNCTION", "KILL"}},
		{"+OK\r\n", []string{"FUNCTION", "DELETE", "lib"}},
		{"-ERR Library not found\r\n", []string{"FUNCTION", "DELETE", "lib"}},
		{"-ERR Function not found\r\n", []string{"FCALL", "count", "1", "k"}},
		{"-ERR DUMP payload version or checksum are wrong\r\n", []string{"FUNCTION", "RESTORE", "nonsense"}},
	} {
		if got := b.do(tc.args...); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%q\n%q, want\n%q", tc.args, got, tc.want)
		}
	}
}

// TestRegistering states what redis.register_function refuses.
func TestRegistering(t *testing.T) {
	b := newBoxOf(script.Config{Limit: time.Hour})
	for code, want := range map[string]string{
		"redis.register_function()":                      "wrong number of arguments to redis.register_function",
		"redis.register_function('a')":                   "only applicable to Lua table",
		"redis.register_function(1, function() end)":     "first argument to redis.register_function must be a string",
		"redis.register_function('a', 1)":                "second argument to redis.register_function must be a function",
		"redis.register_function('a b', function() end)": "can only contain letters",
		"redis.register_function('a', function() end) redis.register_function('a', function() end)": "Function already exists in the library",
		"redis.register_function{callback=function() end}":                                          "must get a function name argument",
		"redis.register_function{function_name='a'}":                                                "must get a callback argument",
		"redis.register_function{function_name='a', callback=1}":                                    "callback argument given to redis.register_function must be a function",
		"redis.register_function{function_name='a', callback=function() end, flags={'x'}}":          "unknown flag given",
		"redis.register_function{function_name='a', callback=function() end, flags=1}":              "flags argument to redis.register_function must be a table",
		"redis.register_function{function_name='a', callback=function() end, x=1}":                  "unknown argument given",
		"math.random()":             "attempted to access nonexistent global variable 'math'",
		"redis.call('set', 'a', 1)": "attempted to access nonexistent global variable 'call'",
		"x = 1":                     "Attempt to modify a readonly table",
	} {
		if got := b.do("FUNCTION", "LOAD", "#!lua name=lib\n"+code); !strings.HasPrefix(got, "-ERR Error registering functions: ") || !strings.Contains(got, want) {
			t.Errorf("%s\nanswers %q, want %q", code, got, want)
		}
	}
	if got := b.do("EVAL", "redis.register_function('a', function() end)", "0"); !strings.Contains(got, "attempt to call a nil value") {
		t.Errorf("in a script it answers %q", got)
	}
	if got := b.do("FUNCTION", "STATS"); !strings.Contains(got, "libraries_count\r\n:0\r\n") {
		t.Errorf("something was kept: %q", got)
	}
}

// TestLibrariesThatAreDumped restores them under each policy.
func TestLibrariesThatAreDumped(t *testing.T) {
	b := newBoxOf(script.Config{Limit: time.Hour})
	one := func(n string) string {
		return "#!lua name=" + n + "\nredis.register_function('f" + n + "', function() return '" + n + "' end)"
	}
	for _, n := range []string{"a", "b"} {
		b.do("FUNCTION", "LOAD", one(n))
	}
	dump := b.do("FUNCTION", "DUMP")
	dump = dump[strings.Index(dump, "\r\n")+2 : len(dump)-2]
	for _, step := range []struct {
		want string
		args []string
	}{
		{"-ERR Library a already exists\r\n", []string{"FUNCTION", "RESTORE", dump}},
		{"+OK\r\n", []string{"FUNCTION", "RESTORE", dump, "REPLACE"}},
		{"$1\r\na\r\n", []string{"FCALL", "fa", "0"}},
		{"+OK\r\n", []string{"FUNCTION", "FLUSH"}},
		{"$1\r\nc\r\n", []string{"FUNCTION", "LOAD", one("c")}},
		{"-ERR DUMP payload version or checksum are wrong\r\n", []string{"FUNCTION", "RESTORE", dump[:len(dump)-1] + "x"}},
		{"+OK\r\n", []string{"FUNCTION", "RESTORE", dump}},
		{"$1\r\nc\r\n", []string{"FCALL", "fc", "0"}},
		{"$1\r\nb\r\n", []string{"FCALL", "fb", "0"}},
		{"+OK\r\n", []string{"FUNCTION", "RESTORE", dump, "FLUSH"}},
		{"-ERR Function not found\r\n", []string{"FCALL", "fc", "0"}},
		{"-ERR Wrong restore policy given", []string{"FUNCTION", "RESTORE", dump, "x"}},
	} {
		if got := b.do(step.args...); !strings.HasPrefix(got, step.want) {
			t.Errorf("%.100q\n%q, want\n%q", step.args, got, step.want)
		}
	}
}

// TestAFunctionThatRunsTooLong is killed as a function, not as a script.
func TestAFunctionThatRunsTooLong(t *testing.T) {
	b := newBox()
	other := &box{e: b.e, s: b.e.NewSession(nil), w: resp.NewWriter()}
	b.do("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('loops', function() while true do end end) redis.register_function('well', function() return 'well' end)")
	answer := make(chan string, 1)
	go func() { answer <- b.do("FCALL", "loops", "0") }()
	for !strings.HasPrefix(other.do("GET", "none"), "-BUSY") && len(answer) == 0 {
	}
	if got := other.do("FUNCTION", "STATS"); !strings.Contains(got, "loops") {
		t.Errorf("FUNCTION STATS answers %q", got)
	}
	if got := other.do("SCRIPT", "KILL"); !strings.HasPrefix(got, "-BUSY") {
		t.Errorf("SCRIPT KILL answers %q", got)
	}
	if got := other.do("FUNCTION", "KILL"); got != "+OK\r\n" {
		t.Errorf("FUNCTION KILL answers %q", got)
	}
	if got := <-answer; !strings.Contains(got, "killed by user") {
		t.Errorf("it answers %q", got)
	}
	if got := b.do("FCALL", "well", "0"); got != "$4\r\nwell\r\n" {
		t.Errorf("a function after it answers %q", got)
	}
}

// effects keeps what would be logged.
type effects struct{ list []string }

func (*effects) Begin() {}
func (*effects) End()   {}
func (e *effects) Effect(_ int, args [][]byte) {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = string(a)
	}
	e.list = append(e.list, strings.Join(words, " "))
}

// TestLibrariesAreKept repeats what was logged, and what a new log begins with.
func TestLibrariesAreKept(t *testing.T) {
	s := script.New(script.Config{Version: "7.0.15", Double: resp.AppendDouble})
	cfg := engine.Config{Commands: [][]*engine.Command{s.Commands()}, Hooks: engine.Hooks{Copying: s.Rewrite}}
	b := &box{e: engine.New(cfg), w: resp.NewWriter()}
	b.s = b.e.NewSession(nil)
	logged := &effects{}
	b.e.SetEffects(logged)
	b.do("FUNCTION", "LOAD", library)
	b.do("FUNCTION", "LOAD", library)
	b.do("FCALL", "count", "1", "k")
	if len(logged.list) != 2 || logged.list[0] != "FUNCTION LOAD "+library || !strings.EqualFold(logged.list[1], "set k 1") {
		t.Errorf("logged is %q", logged.list)
	}
	var begin effects
	b.e.Lock()
	c := b.e.Copy(begin.Effect)
	c.Step(100)
	b.e.Unlock()
	if len(begin.list) != 2 || begin.list[0] != "FUNCTION LOAD REPLACE "+library {
		t.Errorf("a new log begins with %q", begin.list)
	}
}
