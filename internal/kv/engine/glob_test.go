package engine

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"*", "", true},
		{"", "", true},
		{"", "a", false},
		{"a*c", "abbbc", true},
		{"a*c", "abbbcd", false},
		{"h?llo", "hello", true},
		{"h?llo", "hllo", false},
		{"h[ae]llo", "hallo", true},
		{"h[^e]llo", "hello", false},
		{"h[^e]llo", "hallo", true},
		{"h[a-b]llo", "hbllo", true},
		{"h[b-a]llo", "hallo", true},
		{`h\*llo`, "h*llo", true},
		{`h\*llo`, "hello", false},
		{"[z-a]", "m", true},
		{"[", "a", false},
		{"[a", "a", true},
		{`[\]]`, "]", true},
		{"[]a]", "a", false},
		{"**a**", "bab", true},
		{"*?*?*", "a", false},
		{"\xff*", "\xff\x00", true},
		{`a\`, `a\`, true},
		{"[^]", "a", true},
		{"a[", "a", false},
	} {
		if got := glob([]byte(c.pattern), []byte(c.s)); got != c.want {
			t.Errorf("%q with %q: %v", c.pattern, c.s, got)
		}
	}
	if !globFold([]byte("HE[L-M]?o*"), []byte("hello"), true) || globFold([]byte("HELLO"), []byte("hello"), false) {
		t.Error("case is not taken as it should be")
	}
}

// plainGlob is glob of patterns without brackets and backslashes, by going back everywhere.
func plainGlob(p, s []byte) bool {
	switch {
	case len(p) == 0:
		return len(s) == 0
	case p[0] == '*':
		return plainGlob(p[1:], s) || len(s) > 0 && plainGlob(p, s[1:])
	}
	return len(s) > 0 && (p[0] == '?' || p[0] == s[0]) && plainGlob(p[1:], s[1:])
}

func TestGlobAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	text := func(letters string, n int) []byte {
		b := make([]byte, rng.IntN(n))
		for i := range b {
			b[i] = letters[rng.IntN(len(letters))]
		}
		return b
	}
	for range 20000 {
		p, s := text("ab*?", 8), text("ab", 10)
		if got, want := glob(p, s), plainGlob(p, s); got != want {
			t.Fatalf("%q with %q: %v, want %v", p, s, got, want)
		}
	}
}

// TestGlobTime matches what would take for ever without a bound.
func TestGlobTime(t *testing.T) {
	begin := time.Now()
	long := bytes.Repeat([]byte("a"), 1<<18)
	for _, p := range [][]byte{bytes.Repeat([]byte("a*"), 1<<16), append(append([]byte("*"), long[:1<<17]...), 'b'), bytes.Repeat([]byte("*?"), 12500), append(bytes.Repeat([]byte("*a"), 1000), 'b')} {
		glob(p, long)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func FuzzGlob(f *testing.F) {
	for _, p := range []string{"*", "[z-a]", "\xff*", `\`, "[^", "[a-", "***[*"} {
		f.Add([]byte(p), []byte("text"))
	}
	f.Fuzz(func(t *testing.T, p, s []byte) {
		glob(p, s)
		globFold(p, s, true)
		if !glob([]byte("**"), s) {
			t.Fatal("two stars do not match")
		}
	})
}
