package script_test

import (
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/script"
)

// filled repeats a piece up to the length that a script may have.
func filled(head, piece, tail string) string {
	return head + strings.Repeat(piece, (1<<20-len(head)-len(tail))/len(piece)) + tail
}

// numbered is filled with pieces that have a number each.
func numbered(head, piece, tail string) string {
	var b strings.Builder
	b.WriteString(head)
	for i := 0; b.Len() < 1<<20-64; i++ {
		fmt.Fprintf(&b, piece, i)
	}
	return b.String() + tail
}

// TestATextThatIsTooDeepIsNotCompiled fills whole scripts with what would take the stack of the process, or keep everybody
// waiting, when it is compiled.
func TestATextThatIsTooDeepIsNotCompiled(t *testing.T) {
	const levels, chain, work = "chunk has too many syntax levels", "chunk has too many levels near line 1", "chunk is too complex"
	b := newBoxOf(script.Config{Limit: time.Hour})
	for _, tc := range []struct{ text, want string }{
		{filled("return ", "#", "x"), levels},
		{filled("return ", "not ", "x"), levels},
		{filled("return ", "- ", "x"), levels},
		{filled("return ", "(", "x"), levels},
		{filled("return ", "{", "x"), levels},
		{filled("return ", "f(", "x"), levels},
		{filled("return ", "f{", "x"), levels},
		{filled("return a", "[a", ""), levels},
		{filled("return a", "..a", ""), levels},
		{filled("return a", "..-a", ""), levels},
		{filled("return a", "^a", ""), levels},
		{filled("return a", "^-a", ""), levels},
		{filled("return ", "function() return ", ""), levels},
		{filled("", "f(function() ", ""), levels},
		{filled("", "local function f() ", ""), levels},
		{filled("", "if x then ", ""), levels},
		{filled("", "while x do ", ""), levels},
		{filled("", "for i = 1, 2 do ", ""), levels},
		{filled("", "repeat ", ""), levels},
		{filled("", "do ", ""), levels},
		{filled("if x then ", "elseif x then ", "end"), chain},
		{filled("return a", "+a", ""), chain},
		{filled("return 1", "*1", ""), chain},
		{filled("return a", " and a", ""), chain},
		{filled("return a", " or a", ""), chain},
		{filled("return a", "<a", ""), chain},
		{filled("return a", ".b", ""), chain},
		{filled("return a", "[1]", ""), chain},
		{filled("f", "()", ""), chain},
		{filled("f", `""`, ""), chain},
		{filled("f", "{}", ""), chain},
		{filled("f", ":m()", ""), chain},
		{filled("function a", ".b", "() end"), chain},
		{filled("return {", "a"+strings.Repeat("+a", 1900)+",", "}"), work},
		{numbered("return {", "%d,", "}"), work},
		{numbered("return {", "'%d',", "}"), work},
		{numbered("return {", "k%d = 1,", "}"), work},
		{numbered("", "g%d = 1 ", ""), work},
		{numbered("", "::a%d:: ", ""), work},
		{numbered("", "goto a%[1]d ::a%[1]d:: ", ""), work},
		{filled(strings.Repeat("do ", 150), "goto a ", strings.Repeat("end ", 150)+"::a::"), work},
		{filled("return {", "function() end,", "}"), "chunk has too many functions"},
		{filled("a", ",a", "= 1"), "too many local variables"},
		{filled("", "local a ", ""), "too many local variables"},
	} {
		if got := b.do("SCRIPT", "LOAD", tc.text); !strings.HasPrefix(got, "-ERR Error compiling script") || !strings.Contains(got, tc.want) {
			t.Errorf("%.60s… answers %.200q, not %s", tc.text, got, tc.want)
		}
	}
	for _, text := range []string{"string.rep('#', 1000000) .. 'x'", "'a' .. string.rep('+a', 100000)"} {
		if got := b.do("EVAL", "return select(2, loadstring('return ' .. "+text+"))", "0"); !strings.Contains(got, "levels") {
			t.Errorf("loadstring of %s gives %.200q", text, got)
		}
	}
	if got := b.do("EVAL", "return 1", "0"); got != ":1\r\n" {
		t.Errorf("a script after them answers %s", got)
	}
}

// TestALongTextIsCompiled has scripts long and deep as those that are written by programs.
func TestALongTextIsCompiled(t *testing.T) {
	b := newBoxOf(script.Config{Limit: time.Hour})
	repeat := strings.Repeat
	var items strings.Builder
	for i := range 8000 {
		fmt.Fprintf(&items, "'item %d',", i)
	}
	for _, tc := range []struct{ text, want string }{
		{"local a = 1 return a" + repeat("+a", 1500), ":1501\r\n"},
		{"local a = 1 return a" + repeat(" - -a + -a * 2 - a", 100), ":-199\r\n"},
		{"local a = 'x' return #(a" + repeat("..a", 150) + ")", ":151\r\n"},
		{"local a = 'x' return {#a" + repeat(", #a, -#a, not a, a..a..a, 2^2^-1", 300) + "}", ""},
		{"local a = 'x' local t = {}" + repeat(" t[1] = a..a..a t[2] = -#a t[3] = not not a", 3000) + " return t[1]", "$3\r\nxxx\r\n"},
		{"local a = 1 return a" + repeat(" and a", 1500), ":1\r\n"},
		{"local x = 900 if x == 0 then return 0 " + func() string {
			var b strings.Builder
			for i := range 1000 {
				fmt.Fprintf(&b, "elseif x == %d then return %d ", i, i)
			}
			return b.String()
		}() + "end", ":900\r\n"},
		{"local t = {} t.t = t t.n = 7 return t" + repeat(".t", 1000) + ".n", ":7\r\n"},
		{"local t = {" + items.String() + "} return #t", ":8000\r\n"},
		{"local n = 0 " + repeat("n = n + 1 ", 50000) + "return n", ":50000\r\n"},
		{"return " + repeat("(", 150) + "1" + repeat(")", 150), ":1\r\n"},
		{repeat("do ", 150) + repeat("end ", 150) + repeat("if true then ", 150) + "return 1 " + repeat("end ", 150), ":1\r\n"},
		{"local n = 0 " + repeat("local function f() n = n + 1 end f() ", 150) + "return n", ":150\r\n"},
	} {
		if got := b.do("EVAL", tc.text, "0"); got != tc.want && (tc.want != "" || strings.HasPrefix(got, "-")) {
			t.Errorf("%.80s… answers %.200q, want %q", tc.text, got, tc.want)
		}
	}
}

// TestWhatIsCompiledKeepsNoRoom loads a script of many functions, for each of which the compiler makes far more room than it
// uses.
func TestWhatIsCompiledKeepsNoRoom(t *testing.T) {
	kept := func() uint64 {
		goruntime.GC()
		var m goruntime.MemStats
		goruntime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	b := newBox()
	before := kept()
	if got := b.do("SCRIPT", "LOAD", "return {"+strings.Repeat("function() end,", 2000)+"}"); !strings.HasPrefix(got, "$40") {
		t.Fatalf("it answers %s", got)
	}
	if after := kept(); after > before+16<<20 {
		t.Errorf("2000 functions keep %d MiB", (after-before)>>20)
	}
	goruntime.KeepAlive(b)
}
