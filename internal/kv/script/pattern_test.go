package script_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/script"
)

// TestPatterns states what patterns find, as the manual of Lua 5.1 has it.
func TestPatterns(t *testing.T) {
	b := newBox()
	for _, tc := range []struct{ text, want string }{
		{"string.find('hello', 'l+')", "3 4"},
		{"string.find('hello', 'xyz')", "nil"},
		{"string.find('a.b', '.', 1, true)", "2 2"},
		{"string.find('a.b', '%.')", "2 2"},
		{"string.find('hello', 'l', -2)", "4 4"},
		{"string.find('hello', '', 10)", "6 5"},
		{"string.find('hello', '()ll()')", "3 4 3 5"},
		{"string.find('abc', '^b')", "nil"},
		{"string.find('abc', '^b', 2)", "2 2"},
		{"string.find('a\\0b', '%z')", "2 2"},
		{"string.match('key = value', '^(%w+)%s*=%s*(%w+)$')", "key value"},
		{"string.match('  trim me ', '^%s*(.-)%s*$')", "trim me"},
		{"string.match('2024-05-06', '(%d+)-(%d+)-(%d+)')", "2024 05 06"},
		{"string.match('THE (quick) fox', '%((%a+)%)')", "quick"},
		{"string.match('f(a(b)c)d', '%b()')", "(a(b)c)"},
		{"string.match('THE (quick) fox', '%f[%l]%l+')", "quick"},
		{"string.match('say \"it\\'s\" now', '([\"\\'])(.-)%1')", "\" it's"},
		{"string.match('abc', '((a)(b))')", "ab a b"},
		{"string.match('a-b]c', '[]-]+')", "-"},
		{"string.match('a]b', '[^]]+')", "a"},
		{"string.match('0xBEEF', '%x+', 3)", "BEEF"},
		{"string.match('x^2', '[%^]')", "^"},
		{"string.match('aaa', 'a-b')", "nil"},
		{"string.match('aaab', 'a-b')", "aaab"},
		{"string.match('aXb', '%u')", "X"},
		{"string.match('a b', '%S+$')", "b"},
		{"string.match('a$', 'a$')", "nil"},
		{"string.match('abab', 'ab?ab')", "abab"},
		{"string.gsub('hello world', 'o', '0')", "hell0 w0rld 2"},
		{"string.gsub('hello', '', '-')", "-h-e-l-l-o- 6"},
		{"string.gsub('hello world', '(%w+)', '<%1>')", "<hello> <world> 2"},
		{"string.gsub('hello world', '%w+', '%0 %0', 1)", "hello hello world 1"},
		{"string.gsub('abc', '%w', '%%%0')", "%a%b%c 3"},
		{"string.gsub('$name is $age', '%$(%w+)', {name='Bo'})", "Bo is $age 2"},
		{"string.gsub('abc', '%w', function(c) if c ~= 'b' then return c:upper() end end)", "AbC 3"},
		{"string.gsub('abc', '^a', 'x')", "xbc 1"},
		{"string.gsub('aaa', '^a', 'x')", "xaa 1"},
		{"string.gsub('abc', 'b', 5)", "a5c 1"},
		{"string.gsub('abc', '()', '%1')", "1a2b3c4 4"},
		{"(function() local r = '' for k, v in string.gmatch('a=1, b=2', '(%w+)=(%w+)') do r = r .. k .. v end return r end)()", "a1b2"},
		{"(function() local n = 0 for _ in string.gmatch('abc', '') do n = n + 1 end return n end)()", "4"},
		{"string.find('a', '%')", "malformed pattern (ends with '%')"},
		{"string.find('a', '[a')", "malformed pattern (missing ']')"},
		{"string.find('a', '(a')", "unfinished capture"},
		{"string.find('a', '.)')", "invalid pattern capture"},
		{"string.find('a', '%1')", "invalid capture index"},
		{"string.gsub('a', 'a', '%2')", "invalid capture index"},
		{"string.gsub('a', 'a', function() return {} end)", "invalid replacement value (a table)"},
		{"string.find('a', string.rep('()', 40))", "too many captures"},
		{"string.find(string.rep('a', 100000), string.rep('a?', 50000))", "pattern too complex"},
		{"#string.match(string.rep('a', 1000000), '.*')", "1000000"},
	} {
		text := "local t = {pcall(function() return " + tc.text + " end)} for i = 1, 6 do t[i] = tostring(t[i]) end if t[1] == 'false' then return (t[2]:gsub('^[^:]*:%d+: ', '')) end " +
			"while t[#t] == 'nil' and #t > 2 do t[#t] = nil end return table.concat(t, ' ', 2)"
		if got := b.do("EVAL", text, "0"); got != fmt.Sprintf("$%d\r\n%s\r\n", len(tc.want), tc.want) {
			t.Errorf("%s\n%q, want %q", tc.text, got, tc.want)
		}
	}
}

// TestALongTextIsReplaced replaces each character of a text, in time that grows with its length only.
func TestALongTextIsReplaced(t *testing.T) {
	b := newBoxOf(script.Config{Limit: time.Hour})
	if got := b.do("EVAL", "local s, n = string.gsub(string.rep('a', 300000), 'a', 'bc') return {#s, n}", "0"); got != "*2\r\n:600000\r\n:300000\r\n" {
		t.Errorf("a long text is replaced by %s", got)
	}
}
