package script_test

import (
	"crypto/sha1"
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/script"
)

// TestAScriptThatKeepsTooMuchIsEnded has scripts keep whatever they can make, in each way that makes something. Without a
// bound each of them would take all memory there is.
func TestAScriptThatKeepsTooMuchIsEnded(t *testing.T) {
	b := newBoxOf(script.Config{Limit: time.Hour, Memory: 16 << 20})
	b.do("SET", "big", strings.Repeat("x", 1<<20))
	keep := func(what string) string {
		return "local t, s = {}, string.rep('x', 1048576) while true do t[#t + 1] = " + what + " end"
	}
	wide := func(what string) string {
		return "local k = {} for i = 1, 20 do local t = {} " + what + " k[i] = t end return #k"
	}
	for _, text := range []string{
		wide("t[4000000] = i"), wide("t[4000000.0] = i"), wide("for j = 1, 10 do t[j * 60000] = i end"), wide("t[i * 200000] = i"), wide("t.x, t[4000000], i = i, i, i"),
		wide("t[1], t[4000000] = i, i"), wide("t.t = t t.t[(function() t = {} return 4000000 end)()] = i"), wide("for j = 15, 21 do t[2 ^ j] = i end"),
		wide("setmetatable({}, {__newindex = setmetatable({}, {__newindex = t})})[4000000] = i"), wide("pcall(function() t[4000000] = i end)"),
		wide("rawset(t, 4000000, i)"), wide("table.insert(t, 4000000, i)"), wide("t = {[4000000] = i}"), wide("t = {i, [i * 200000] = i}"),
		wide("setfenv(function() t[4000000] = i end, {t = t, i = i})()"), wide("coroutine.wrap(function() t[4000000] = i end)()"),
		wide("loadstring('local t, i = ... t[4000000] = i')(t, i)"), wide("t = cmsgpack.unpack(string.char(0x81, 0xce, 0, 0x3d, 9, 0, 1))"),
		keep("{}"), keep("string.rep('y', 1048576)"), keep("s .. 1"),
		keep("s:gsub('^x', 'y')"), keep("table.concat({s, s})"),
		keep("cmsgpack.pack(s)"), keep("redis.call('get', 'big')"), keep("coroutine.create(function() end)"),
		"local t, k = {}, {} for i = 100000, 1, -1 do t[i] = i end while true do k[#k + 1] = {} end", // what fills a hole is counted, not counted back
		"return cjson.decode('[' .. string.rep('[],', 10000000) .. '1]')",
		"return cmsgpack.unpack(string.char(0xdd, 1, 0, 0, 0) .. string.rep(string.char(0x90), 16777216))",
		"local t = {} while true do pcall(function() while true do t[#t + 1] = 'x' .. #t end end) end",
	} {
		if got := b.do("EVAL", text, "0"); got != "-ERR script uses too much memory\r\n" {
			t.Errorf("%s\nanswers %.200q", text, got)
		}
	}
	if got := b.do("EVAL", "return 1", "0"); got != ":1\r\n" {
		t.Errorf("a script after them answers %s", got)
	}
}

// TestWhatAScriptLetsGoOfIsNotCounted makes much more than a script may keep, and keeps none of it.
func TestWhatAScriptLetsGoOfIsNotCounted(t *testing.T) {
	if got := newBoxOf(script.Config{Limit: time.Hour, Memory: 16 << 20}).do("EVAL", "local s for i = 1, 1000 do s = string.rep('x', 1048576) end for i = 1, 1000000 do s = {i} end return s[1]", "0"); got != ":1000000\r\n" {
		t.Errorf("it answers %s", got)
	}
}

// TestManyCoroutines keeps a thousand, whose stacks together would be far more than a script may keep if each were made for
// the deepest call.
func TestManyCoroutines(t *testing.T) {
	const text = `local t = {} for i = 1, 1000 do t[i] = coroutine.wrap(function(n) local m = coroutine.yield(n) return n + m end) t[i](i) end
		local function deep(n) if n == 0 then return 0 end return 1 + deep(n - 1) end
		return {t[1000](1), coroutine.wrap(deep)(5000)}`
	if got := newBoxOf(script.Config{Limit: time.Hour, Memory: 32 << 20}).do("EVAL", text, "0"); got != "*2\r\n:1001\r\n:5000\r\n" {
		t.Errorf("it answers %s", got)
	}
}

// TestWhatAnEarlierScriptLeftIsNoRoom has a script run while what one before it made is not collected yet: when that is, the
// script must not have its room.
func TestWhatAnEarlierScriptLeftIsNoRoom(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	const make256 = "local t = {} for i = 1, 256 do t[i] = string.rep('x', 1048576) end return #t"
	if got := newBoxOf(script.Config{Limit: time.Hour, Memory: 1 << 30}).do("EVAL", make256, "0"); got != ":256\r\n" {
		t.Fatalf("the first answers %s", got)
	}
	const make128 = "local t = {} for i = 1, 128 do t[i] = string.rep('x', 1048576) end return #t"
	if got := newBoxOf(script.Config{Limit: time.Hour, Memory: 16 << 20}).do("EVAL", make128, "0"); got != "-ERR script uses too much memory\r\n" {
		t.Errorf("one that keeps eight times what it may answers %s", got)
	}
}

// TestWideTables has numbers be keys of tables that are far apart, or large.
func TestWideTables(t *testing.T) {
	b := newBoxOf(script.Config{Limit: time.Hour})
	for _, tc := range []struct{ text, want string }{
		{"local k = {} for i = 1, 100 do local t = {} t[67108863] = i k[i] = t end return k[7][67108863]", ":7\r\n"},
		{"local t = {} t[1000000] = 7 return t[1000000]", ":7\r\n"},
		{"local t = {} for i = 1, 10 do t = {} t[1000000] = i end return t[1000000]", ":10\r\n"},
		{"local t = {} for i = 1, 300000 do t[i] = 1 end t[300001] = 2 return {#t, t[300001], #{unpack(t, 299990)}}", "*3\r\n:300001\r\n:2\r\n:12\r\n"},
		{"local t = {} for i = 100000, 1, -1 do t[i] = 1 end return #t", ":100000\r\n"},
		{"local t = {} t[3000000] = nil rawset(t, 100, 1) t[100] = nil return {#t, next(t) == nil and 1 or 0}", "*2\r\n:0\r\n:1\r\n"},
		{"local t = {[5000] = 5, [10000000] = 6, [0.5] = 7, [-3] = 8, 9} return {t[5000], t[10000000], t[.5], t[-3], t[1]}", "*5\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n"},
		{"local t, n = {}, 0 for i = 1, 9 do t[i * 100000000] = i end for k, v in pairs(t) do n = n + v end return n", ":45\r\n"},
		{"local t = {} table.insert(t, 100, 1) table.insert(t, 1, 2) table.insert(t, 3) return {t[1], t[101], t[102]}", "*3\r\n:2\r\n:1\r\n:3\r\n"},
	} {
		if got := b.do("EVAL", tc.text, "0"); got != tc.want {
			t.Errorf("%s\nanswers %.200q, want %q", tc.text, got, tc.want)
		}
	}
}

// TestAssignments has what Lua says of assignments hold for those whose key may be any number.
func TestAssignments(t *testing.T) {
	b := newBox()
	for _, tc := range []struct{ text, want string }{
		{"local t, i, j = {1, 2}, 1, 2 t[i], t[j] = t[j], t[i] return t", "*2\r\n:2\r\n:1\r\n"},
		{"local t, i = {}, 1 i, t[i] = i + 1, 20 return {i, t[1], #t}", "*3\r\n:2\r\n:20\r\n:1\r\n"},
		{"local t, i, a = {}, 1 t[i], t[i + 1], a = (function(...) return ... end)(7, 8, 9) return {t[1], t[2], a}", "*3\r\n:7\r\n:8\r\n:9\r\n"},
		{"local t, i, a = {1, 2}, 1, 3 t[i], a, t[i + 1] = 7 return {t[1], a or 4, t[2] or 5}", "*3\r\n:7\r\n:4\r\n:5\r\n"},
		{"local t, i = {}, 1 t[i] = 7, 8 t[i + 1] = (function() return 9, 10 end)() return t", "*2\r\n:7\r\n:9\r\n"},
		{"local t, i = {}, 1 t[i], t[i] = 7, 8 return t", "*1\r\n:7\r\n"},
		{"local o, n = '', 1 local function f(v) o = o .. v return v end local t = {} t[f(1)], t[f(2)] = f(3), f(4) return o", "$4\r\n1234\r\n"},
		{"local t = {{}, {}} local i = 2 t[i].x, t[i][i], t[i].y = 1, 2, 3 return {t[2].x, t[2][2], t[2].y}", "*3\r\n:1\r\n:2\r\n:3\r\n"},
		{"local t, i, said = {}, 50, 0 setmetatable(t, {__newindex = function(t, k, v) rawset(t, k, v + 1) end}) t[i] = 1 t[i] = t[i] + 10 return t[i]", ":12\r\n"},
		{"local to, i = {}, 50 local t = setmetatable({}, {__newindex = to}) t[i] = 1 return {to[50], rawget(t, 50) == nil and 1 or 0}", "*2\r\n:1\r\n:1\r\n"},
		{"local function f(...) local t, i = {}, 1 t[i] = ... t[i + 1], t[i + 2] = ... return t end return f(4, 5)", "*3\r\n:4\r\n:4\r\n:5\r\n"},
		{"local t, i = {}, 1 for i = 1, 3 do t[i] = function() return i end end return {t[1](), t[2](), t[3]()}", "*3\r\n:1\r\n:2\r\n:3\r\n"},
		{"local t, i = nil, 1\n t[i] = 1", "-ERR user_script:2: attempt to index a non-table object(nil) with key '1' script: %s, on @user_script:2.\r\n"},
		{"local t = {}\n t[t.x] = 1", "-ERR user_script:2: table index is nil script: %s, on @user_script:2.\r\n"},
		{"local i = 100\n redis[i] = 1", "-ERR user_script:2: Attempt to modify a readonly table script: %s, on @user_script:2.\r\n"},
	} {
		want := strings.Replace(tc.want, "%s", fmt.Sprintf("%x", sha1.Sum([]byte(tc.text))), 1)
		if got := b.do("EVAL", tc.text, "0"); got != want {
			t.Errorf("%s\nanswers %.200q, want %q", tc.text, got, want)
		}
	}
}
