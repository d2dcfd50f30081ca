package script_test

import (
	"strings"
	"testing"
)

// TestCallsOneAfterAnother has calls with many and few, long and short arguments and answers follow each other: none sees
// what another had.
func TestCallsOneAfterAnother(t *testing.T) {
	b := newBox()
	const text = `
		local all = {}
		for i = 1, 300 do all[2*i-1], all[2*i] = 'key:' .. i, string.rep('v', i * 7) end
		redis.call('mset', unpack(all))
		redis.call('rpush', 'list', 1.5, 'two', 3)
		local first, list = redis.call('get', 'key:300'), redis.call('lrange', 'list', 0, -1)
		local failed = redis.pcall('incr', 'key:1')
		local last = redis.call('get', 'key:2')
		return {#first, list[1], list[2], list[3], failed.err, last, #redis.call('keys', 'key:*'), redis.call('strlen', 'key:299')}`
	want := "*8\r\n:2100\r\n$3\r\n1.5\r\n$3\r\ntwo\r\n$1\r\n3\r\n$43\r\nERR value is not an integer or out of range\r\n$14\r\n" + strings.Repeat("v", 14) + "\r\n:300\r\n:2093\r\n"
	for range 3 {
		b.do("FLUSHALL")
		if got := b.do("EVAL", text, "0"); got != want {
			t.Fatalf("%q, want\n%q", got, want)
		}
	}
}

// TestFlushedScriptIsKnownAgain runs a script by its text after SCRIPT FLUSH: it is known by its SHA-1 then.
func TestFlushedScriptIsKnownAgain(t *testing.T) {
	b := newBox()
	sha := strings.Split(b.do("SCRIPT", "LOAD", "return 7"), "\r\n")[1]
	b.do("EVAL", "return 7", "0")
	b.do("SCRIPT", "FLUSH")
	if got := b.do("EVALSHA", sha, "0"); !strings.HasPrefix(got, "-NOSCRIPT") {
		t.Errorf("a script that was flushed: %q", got)
	}
	b.do("EVAL", "return 7", "0")
	if got := b.do("EVALSHA", sha, "0"); got != ":7\r\n" {
		t.Errorf("a script that was run again: %q", got)
	}
}
