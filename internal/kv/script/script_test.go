package script_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/resp"
	"github.com/wayside-edge/wayside/internal/kv/script"
)

// box is an engine with scripts, and one session.
type box struct {
	e *engine.Engine
	s *engine.Session
	w *resp.Writer
}

func newBox() *box { return newBoxOf(script.Config{Limit: 20 * time.Millisecond, String: 32 << 20}) }

func newBoxOf(cfg script.Config) *box {
	cfg.Version, cfg.Double = "7.0.15", resp.AppendDouble
	s := script.New(cfg)
	b := &box{e: engine.New(engine.Config{Commands: [][]*engine.Command{s.Commands()}}), w: resp.NewWriter()}
	b.s = b.e.NewSession(nil)
	return b
}

// do runs a command and gives what it answers.
func (b *box) do(args ...string) string {
	b.e.Lock()
	defer b.e.Unlock()
	list := make([][]byte, len(args))
	for i, a := range args {
		list[i] = []byte(a)
	}
	b.w.Buf = b.w.Buf[:0]
	b.e.Do(b.s, list, b.w)
	return string(b.w.Buf)
}

// TestAnswers states what scripts give and how values go in both directions.
func TestAnswers(t *testing.T) {
	b := newBox()
	for _, tc := range []struct{ text, want string }{
		{"return 1.9", ":1\r\n"},
		{"return -1.9", ":-1\r\n"},
		{"return 1/0", ":-9223372036854775808\r\n"},
		{"return 'x'", "$1\r\nx\r\n"},
		{"return true", ":1\r\n"},
		{"return false", "$-1\r\n"},
		{"return", "$-1\r\n"},
		{"return {1,{'a',false},nil,3}", "*2\r\n:1\r\n*2\r\n$1\r\na\r\n$-1\r\n"},
		{"return {ok='fine'}", "+fine\r\n"},
		{"return {err='BAD thing'}", "-BAD thing\r\n"},
		{"return redis.status_reply('yes')", "+yes\r\n"},
		{"return redis.error_reply('MY err')", "-MY err\r\n"},
		{"return redis.error_reply('err')", "-ERR err\r\n"},
		{"redis.call('set', KEYS[1], ARGV[1]) return redis.call('get', KEYS[1])", "$1\r\nv\r\n"},
		{"return redis.call('set', 'n', 10)", "+OK\r\n"},
		{"return redis.call('incr', 'n')", ":11\r\n"},
		{"return redis.call('get', 'none')", "$-1\r\n"},
		{"return redis.pcall('nothing')['err']", "$44\r\nERR Unknown Redis command called from script\r\n"},
		{"return tostring(redis.call('get', 'none'))", "$5\r\nfalse\r\n"},
		{"return 'a' .. 1 .. 'b' .. 2.5", "$6\r\na1b2.5\r\n"},
		{"local t = setmetatable({}, {__concat = function(a, b) return 'meta' end}) return 'a' .. t", "$4\r\nmeta\r\n"},
		{"local f = function() return 'x', 'y' end return f() .. 'z'", "$2\r\nxz\r\n"},
		// The order of keys is that of pairs.
		{"return cjson.encode({7, z = 1, y = 2, [-1] = 3, x = 4, w = 5, v = 6, [0] = 7})", "$50\r\n{\"1\":7,\"z\":1,\"y\":2,\"-1\":3,\"x\":4,\"w\":5,\"v\":6,\"0\":7}\r\n"},
		{"local s = '' for k in pairs(cmsgpack.unpack(cmsgpack.pack({z = 1, y = 2, x = 3, w = 4, v = 5}))) do s = s .. k end return s", "$5\r\nzyxwv\r\n"},
		{"return cjson.encode(cjson.decode('{\"z\":1,\"y\":2,\"x\":3,\"w\":4,\"v\":5}'))", "$31\r\n{\"z\":1,\"y\":2,\"x\":3,\"w\":4,\"v\":5}\r\n"},
		{"redis.setresp(3) return {map = {z = 1, y = 2, x = 3, w = 4, v = 5}}", "*10\r\n$1\r\nz\r\n:1\r\n$1\r\ny\r\n:2\r\n$1\r\nx\r\n:3\r\n$1\r\nw\r\n:4\r\n$1\r\nv\r\n:5\r\n"},
		{"return cjson.encode({1, 'a/b', {x=true}, cjson.null})", "$26\r\n[1,\"a\\/b\",{\"x\":true},null]\r\n"},
		{"return cjson.decode('{\"a\":[1,2,{\"b\":\"\\\\u00e9\"}]}').a[3].b", "$2\r\né\r\n"},
		{"return cmsgpack.unpack(cmsgpack.pack({1,-5,'x',1.5,{a=1}}))[4] * 2", ":3\r\n"},
		{"return {struct.unpack('>I2hc3', struct.pack('>I2hc3', 40000, -2, 'abc'))}", "*4\r\n:40000\r\n:-2\r\n$3\r\nabc\r\n:8\r\n"},
		{"return {bit.band(0xff, 0x0f), bit.tohex(255), bit.lshift(1, 31), bit.bnot(0)}", "*4\r\n:15\r\n$8\r\n000000ff\r\n:-2147483648\r\n:-1\r\n"},
		{"local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end) return {co(1), co(5)}", "*2\r\n:2\r\n:10\r\n"},
		{"return loadstring('return 4')()", ":4\r\n"},
		{"return redis.sha1hex('')", "$40\r\nda39a3ee5e6b4b0d3255bfef95601890afd80709\r\n"},
		{"redis.call('select', 3) redis.call('set', 'there', 1) return 1", ":1\r\n"},
		{"return redis.call('get', 'there')", "$-1\r\n"},
		{"#!lua flags=no-writes\nreturn redis.pcall('set', 'a', 1).err", "$58\r\nERR Write commands are not allowed from read-only scripts.\r\n"},
	} {
		if got := b.do("EVAL", tc.text, "1", "k", "v"); got != tc.want {
			t.Errorf("%s\n%q, want\n%q", tc.text, got, tc.want)
		}
	}
}

// TestErrorsSayWhere states what errors are told like.
func TestErrorsSayWhere(t *testing.T) {
	b := newBox()
	for text, want := range map[string]string{
		"return foo":                    "-ERR user_script:1: Script attempted to access nonexistent global variable 'foo' script: * on @user_script:1.",
		"\nfoo = 1":                     "-ERR user_script:2: Attempt to modify a readonly table script: *",
		"redis.call = 1":                "-ERR user_script:1: Attempt to modify a readonly table script: *",
		"string.rep = nil":              "-ERR user_script:1: Attempt to modify a readonly table script: *",
		"rawset(_G, 'a', 1)":            "*readonly table*",
		"setmetatable(_G, {})":          "*readonly table*",
		"getmetatable(_G).__index = {}": "*readonly table*",
		"getmetatable('').__index = {}": "*readonly table*",
		"return redis.call('get')":      "-ERR Wrong number of args calling Redis command from script script: *, on @user_script:1.",
		"return redis.call('incr','s')": "-ERR value is not an integer or out of range script: *, on @user_script:1.",
		"return {":                      "-ERR Error compiling script (new function): *",
		"error('mine')":                 "-ERR user_script:1: mine script: *",
		"error({err='MY own'})":         "-MY own script: *",
		"return redis.call({})":         "-ERR Lua redis lib command arguments must be strings or integers script: *",
		"return redis.call('eval','')":  "*",
		"return io":                     "*nonexistent global variable 'io'*",
		"return os.execute":             "$-1\r\n",
		"return require":                "*nonexistent global variable 'require'*",
	} {
		b.do("SET", "s", "text")
		if got := b.do("EVAL", text, "0"); !engine.Glob([]byte(strings.ReplaceAll(want, "(", "\\(")), []byte(strings.TrimSuffix(got, "\r\n"))) && got != want {
			t.Errorf("%s\n%q, want\n%q", text, got, want)
		}
	}
	if got := b.do("EVALSHA", strings.Repeat("a", 40), "0"); !strings.HasPrefix(got, "-NOSCRIPT") {
		t.Error(got)
	}
	for n, want := range map[string]string{"-1": "-ERR Number of keys can't be negative\r\n", "2": "-ERR Number of keys can't be greater than number of args\r\n", "x": "-ERR value is not an integer or out of range\r\n"} {
		if got := b.do("EVAL", "return 1", n, "k"); got != want {
			t.Errorf("%s keys: %q", n, got)
		}
	}
}

// TestHostileScripts tries to take the process down: each ends with an error, and the next script runs.
func TestHostileScripts(t *testing.T) {
	b := newBox()
	for _, text := range []string{
		"return string.rep('x', 1e10)",
		"local s = 'x' while true do s = s .. s end",
		"local s = string.rep('x', 1e6) return string.gsub(s, '.', string.rep('%0', 1000))",
		"local t = {} for i = 1, 1000 do t[i] = string.rep('x', 1e6) end return table.concat(t)",
		"return string.format('%99999999d', 1)",
		"local function f() return f() + 1 end return f()",
		"local function f() return pcall(f) end f() error('deep')",
		"local t = {} t[1] = t return t",
		"local t = {} t[1] = t return cjson.encode(t)",
		"return cjson.decode(string.rep('[', 100000))",
		"return cmsgpack.unpack(string.rep('\\145', 100000))",
		"return cmsgpack.unpack('\\221\\255\\255\\255\\255')",
		"return struct.pack('i33', 1)",
		"return struct.unpack('c0', 'x')",
		"return struct.unpack('I4', 'abc')",
		"return struct.unpack('I4', 'abcdef', 1e300)",
		"local co co = coroutine.wrap(function() co() end) co()",
		"return ('x'):rep(-1e300) .. {}",
		"return setfenv(1, {})",
		"return loadstring(string.dump(function() end))",
		"return unpack({}, 1, 1e8)",
		"return redis.call(unpack({}, 1, 1e7))",
		"return tostring(setmetatable({}, {__tostring = function() error({}) end}))",
		"error()",
		"error(nil)",
		"error(setmetatable({}, {__index = function(t, k) return t[k] end}))",
		"return math.random(1, 0)",
		"local t = {} for i = 1, 300 do t = {t} end return t",
	} {
		got := b.do("EVAL", text, "0")
		if !strings.Contains(got, "-") || strings.Contains(got, "internal error") {
			t.Errorf("%s\n%.200q", text, got)
		}
		if b.s.Broken {
			t.Fatalf("%s: the session is broken: %.200q", text, got)
		}
		if got := b.do("EVAL", "return 'well'", "0"); got != "$4\r\nwell\r\n" {
			t.Fatalf("after %s: %q", text, got)
		}
	}
}

// TestScriptsThatRunTooLong has others answered BUSY, and the script ended by one of them as long as it has written
// nothing.
func TestScriptsThatRunTooLong(t *testing.T) {
	b := newBox()
	other := &box{e: b.e, s: b.e.NewSession(nil), w: resp.NewWriter()}
	for text, killed := range map[string]bool{
		"while true do end": true,
		"local co = coroutine.wrap(function() while true do end end) co()":                        true,
		"while true do pcall(function() while true do end end) end":                               true,
		"return string.find(string.rep('a', 1000), '.-.-.-.-.-.-.-.-.-.-b')":                      true,
		"return string.gsub(string.rep('a', 1000), 'a*a*a*a*a*a*a*a*a*b', '')":                    true,
		"for _ in string.gmatch(string.rep('a', 1000), '.-.-.-.-.-.-.-.-.-.-b') do end":           true,
		"redis.call('set', 'a', 1) while os.clock() < 0.4 do end return 'done after ' .. ARGV[1]": false,
	} {
		answer := make(chan string, 1)
		go func() { answer <- b.do("EVAL", text, "0", "all") }()
		busy := false
		for {
			if got := other.do("GET", "none"); strings.HasPrefix(got, "-BUSY") {
				busy = true
				break
			}
			if len(answer) > 0 {
				break
			}
		}
		if !busy {
			t.Errorf("%s: nobody was let in", text)
			<-answer
			continue
		}
		said := other.do("SCRIPT", "KILL")
		got := <-answer
		if killed && (said != "+OK\r\n" || !strings.Contains(got, "killed by user")) ||
			!killed && (!strings.HasPrefix(said, "-UNKILLABLE") || !strings.Contains(got, "done after all")) {
			t.Errorf("%s: SCRIPT KILL said %q, the script %q", text, said, got)
		}
		if got := other.do("SCRIPT", "KILL"); !strings.HasPrefix(got, "-NOTBUSY") {
			t.Errorf("after it: %q", got)
		}
		if got := b.do("EVAL", "return 'well'", "0"); got != "$4\r\nwell\r\n" {
			t.Fatalf("after it: %q", got)
		}
	}
}

// TestBoundsOfLoops are texts, as arguments of scripts are, calls and numbers.
func TestBoundsOfLoops(t *testing.T) {
	b := newBox()
	for text, want := range map[string]string{
		"local n=0 for i=1,ARGV[1] do n=n+i end return n": ":6\r\n", "local n=0 for i=ARGV[1],'1',-1 do n=n*10+i end return n": ":321\r\n", "local t={} for i=1,#ARGV do t[i]=i end return #t": ":1\r\n",
		"local f=function() return 2,9 end local n=0 for i=1,f() do n=n+1 end return n": ":2\r\n", "local n=0 for i=1,2 do for j=i,i+1 do n=n+j end end return n": ":8\r\n",
		"local f=function(a) local n=0 for i=1,a do n=n+1 end return n end setfenv(f,{}) return f(ARGV[1])": ":3\r\n",
	} {
		if got := b.do("EVAL", text, "0", "3"); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
	library := "#!lua name=lib\nlocal m = 0 for i = 1, #'ab' do m = m + 1 end\nredis.register_function('f', function(_, args) local n = m for i = 1, args[1] do n = n + 1 end return n end)"
	if loaded, got := b.do("FUNCTION", "LOAD", library), b.do("FCALL", "f", "0", "3"); got != ":5\r\n" {
		t.Errorf("in a library: %q %q", loaded, got)
	}
	if got := b.do("EVAL", "for i=1,'x' do end", "0"); !strings.Contains(got, "must be a number") {
		t.Error(got)
	}
}

// TestNumbersInStrings are as Lua has them: the texts are redis-server's.
func TestNumbersInStrings(t *testing.T) {
	b := newBox()
	for expr, want := range map[string]string{
		"tostring(0.1+0.2)": "0.3", "(1/3)..''": "0.33333333333333", "tostring(2^63)": "9.2233720368548e+18", "1e100 .. 'x'": "1e+100x", "table.concat({1.5, 2, 'a', 0.1+0.2}, ',')": "1.5,2,a,0.3",
		"tostring(1/0)": "inf", "tostring(-1/0)": "-inf", "tostring(0/0)": "-nan", "tostring(1e-7)": "1e-07", "tostring(0.0001)": "0.0001", "tostring(-0.5)": "-0.5", "tostring(1700000000000)": "1700000000000",
		"tostring(tonumber('1e2'))": "100", "tostring(tonumber(' 1e+20 '))": "1e+20", "tostring(tonumber('010'))": "10", "tostring(tonumber('inf'))": "inf", "tostring(tonumber('-0x10'))": "-16",
		"tostring(tonumber('1_0'))": "nil", "tostring(tonumber(''))": "nil", "tostring(tonumber('ff',16))": "255", "tostring(tonumber('--5'))": "nil", "tostring(tonumber(7))": "7", "tostring(math.huge)": "inf",
		"string.format('%s|%5.1f|%u|%i|%%|%03d', 0.1+0.2, 3.14159, 5, '42', 7)": "0.3|  3.1|5|42|%|007", `string.format('%q', 'a"b\n')`: "\"a\\\"b\\\n\"", "string.format('%s %s', nil, true)": "nil true", "string.format('%-4s|%x', 'a', 255)": "a   |ff",
		"select(2, pcall(redis.call, 'incr'))": "ERR Wrong number of args calling Redis command from script", "select(2, pcall(function() error('x', 0) end))": "x", "tostring(select(2, pcall(function() return 7 end)))": "7",
		"tostring(nil)": "nil", "tostring(true)": "true", "table.concat({}, ',')": "", "table.concat({1,2,3}, '-', 2, 3)": "2-3", "table.concat({1,2,3}, '-', 3, 2)": "",
	} {
		if got := b.do("EVAL", "return "+expr, "0"); got != fmt.Sprintf("$%d\r\n%s\r\n", len(want), want) {
			t.Errorf("%s: %q, not %s", expr, got, want)
		}
	}
	if got := b.do("EVAL", "return table.concat({1,2}, ',', 1, 5)", "0"); !strings.Contains(got, "invalid value (nil) at index 3") {
		t.Error(got)
	}
	for expr, want := range map[string]string{
		"string.format('%d', 'x')": "bad argument #2 to 'format' (number expected, got string)", "string.format('%y', 1)": "invalid option '%y' to 'format'", "string.format('%s')": "bad argument #2 to 'format' (no value)", "string.format('%')": "invalid option '%' to 'format'",
	} {
		if got := b.do("EVAL", "return "+expr, "0"); !strings.Contains(got, want) {
			t.Errorf("%s: %q, not %s", expr, got, want)
		}
	}
}

// TestARunawayRecursionEndsSoon counts what one that fails makes: a list of the calls that led there, for which the interpreter
// looks through all of them for each, would be megabytes.
func TestARunawayRecursionEndsSoon(t *testing.T) {
	b := newBox()
	const text = "local function f() return 1 + f() end return f()"
	want := b.do("EVAL", text, "0")
	if !strings.HasPrefix(want, "-ERR user_script:1: stack overflow") {
		t.Fatalf("it answers %q", want)
	}
	if n := testing.AllocsPerRun(10, func() { b.do("EVAL", text, "0") }); n > 1000 {
		t.Errorf("%v objects are made by a call", n)
	}
	if got := b.do("EVAL", "error(nil)", "0"); !strings.HasPrefix(got, "-ERR nil script: ") {
		t.Errorf("an error without a text: %q", got)
	}
}
