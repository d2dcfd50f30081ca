package script_test

import (
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
	for _, text := range []string{
		keep("{}"), keep("string.rep('y', 1048576)"), keep("s .. 1"),
		keep("s:gsub('^x', 'y')"), keep("table.concat({s, s})"),
		keep("cmsgpack.pack(s)"), keep("redis.call('get', 'big')"), keep("coroutine.create(function() end)"),
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
