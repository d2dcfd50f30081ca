package script

import (
	lua "github.com/yuin/gopher-lua"
)

// Bounds of one match.
const (
	mostCaptures  = 32
	patternDeep   = 10_000  // items of a pattern that are tried within each other
	patternLook   = 1 << 12 // steps between two looks at the clock
	openCapture   = -1      // as a length: the capture has begun
	placeCapture  = -2      // as a length: the capture is a place, ()
	patternEscape = '%'
)

// matcher finds a Lua pattern (https://www.lua.org/manual/5.1/manual.html#5.4.1) in a text. The interpreter's own looks at
// no clock, although a pattern may take longer than the universe, and replaces in time that grows with the square of the
// text; nobody else could do anything meanwhile.
type matcher struct {
	m        *machine
	l        *lua.LState
	src, pat string
	captures [mostCaptures]struct{ at, length int }
	n        int // of captures
	deep     int
	steps    int
}

func (t *matcher) fail(text string) { t.l.RaiseError("%s", text) }

// step lets others in, and the script be ended.
func (t *matcher) step() {
	if t.steps++; t.steps%patternLook == 0 && t.m.run != nil {
		if t.m.run.look(); t.m.run.budget.err != nil {
			t.fail(t.m.run.budget.err.Error())
		}
	}
}

// at matches the pattern from p on at s and gives where the match ends, or -1.
func (t *matcher) at(s, p int) int {
	if t.deep++; t.deep > patternDeep {
		t.fail("pattern too complex")
	}
	e := t.rest(s, p)
	t.deep--
	return e
}

func (t *matcher) rest(s, p int) int {
	for p < len(t.pat) {
		t.step()
		switch c := t.pat[p]; {
		case c == '(':
			return t.begin(s, p)
		case c == ')':
			return t.end(s, p+1)
		case c == '$' && p+1 == len(t.pat):
			if s == len(t.src) {
				return s
			}
			return -1
		case c == patternEscape && p+1 < len(t.pat) && t.special(t.pat[p+1]):
			if s, p = t.escape(s, p); s < 0 {
				return -1
			}
			continue
		}
		var done bool
		if s, p, done = t.item(s, p); done {
			return s
		}
	}
	return s
}

// item matches one class and what repeats it. It is done when the rest was matched too, or nothing can be.
func (t *matcher) item(s, p int) (at, next int, done bool) {
	end := t.classEnd(p)
	var repeat byte
	if end < len(t.pat) {
		repeat = t.pat[end]
	}
	here := s < len(t.src) && t.holds(t.src[s], p, end)
	switch repeat {
	case '?':
		if here {
			if e := t.at(s+1, end+1); e >= 0 {
				return e, 0, true
			}
		}
		return s, end + 1, false
	case '*':
		return t.most(s, p, end), 0, true
	case '+':
		if !here {
			return -1, 0, true
		}
		return t.most(s+1, p, end), 0, true
	case '-':
		return t.least(s, p, end), 0, true
	}
	if !here {
		return -1, 0, true
	}
	return s + 1, end, false
}

// most repeats a class as often as it can, then less.
func (t *matcher) most(s, p, end int) int {
	n := 0
	for s+n < len(t.src) && t.holds(t.src[s+n], p, end) {
		t.step()
		n++
	}
	for ; n >= 0; n-- {
		t.step()
		if e := t.at(s+n, end+1); e >= 0 {
			return e
		}
	}
	return -1
}

// least repeats a class as seldom as it can, then more.
func (t *matcher) least(s, p, end int) int {
	for {
		t.step()
		if e := t.at(s, end+1); e >= 0 {
			return e
		}
		if s == len(t.src) || !t.holds(t.src[s], p, end) {
			return -1
		}
		s++
	}
}

func (t *matcher) begin(s, p int) int {
	if t.n == mostCaptures {
		t.fail("too many captures")
	}
	length, next := openCapture, p+1
	if next < len(t.pat) && t.pat[next] == ')' {
		length, next = placeCapture, next+1
	}
	t.captures[t.n].at, t.captures[t.n].length = s, length
	t.n++
	e := t.at(s, next)
	if e < 0 {
		t.n--
	}
	return e
}

func (t *matcher) end(s, p int) int {
	i := t.n - 1
	for i >= 0 && t.captures[i].length != openCapture {
		i--
	}
	if i < 0 {
		t.fail("invalid pattern capture")
	}
	t.captures[i].length = s - t.captures[i].at
	e := t.at(s, p)
	if e < 0 {
		t.captures[i].length = openCapture
	}
	return e
}

// special says that a letter after % stands for more than a class.
func (*matcher) special(c byte) bool { return c == 'b' || c == 'f' || c >= '0' && c <= '9' }

// escape matches %b, %f or %1 and gives where the text and the pattern go on; -1 where they do not match.
func (t *matcher) escape(s, p int) (at, next int) {
	switch c := t.pat[p+1]; c {
	case 'b':
		if p+3 >= len(t.pat) {
			t.fail("unbalanced pattern")
		}
		return t.balanced(s, t.pat[p+2], t.pat[p+3]), p + 4
	case 'f':
		p += 2
		if p >= len(t.pat) || t.pat[p] != '[' {
			t.fail("missing '[' after '%f' in pattern")
		}
		end := t.classEnd(p)
		var before, here byte
		if s > 0 {
			before = t.src[s-1]
		}
		if s < len(t.src) {
			here = t.src[s]
		}
		if t.inSet(before, p, end-1) || !t.inSet(here, p, end-1) {
			return -1, 0
		}
		return s, end
	default:
		i := int(c) - '1'
		if i < 0 || i >= t.n || t.captures[i].length == openCapture {
			t.fail("invalid capture index")
		}
		length := max(t.captures[i].length, 0)
		from := t.captures[i].at
		if len(t.src)-s < length || t.src[from:from+length] != t.src[s:s+length] {
			return -1, 0
		}
		return s + length, p + 2
	}
}

func (t *matcher) balanced(s int, open, closes byte) int {
	if s >= len(t.src) || t.src[s] != open {
		return -1
	}
	for depth := 1; s+1 < len(t.src); {
		t.step()
		s++
		switch t.src[s] {
		case closes:
			if depth--; depth == 0 {
				return s + 1
			}
		case open:
			depth++
		}
	}
	return -1
}

// classEnd gives where the class that begins at p ends.
func (t *matcher) classEnd(p int) int {
	c := t.pat[p]
	p++
	switch c {
	case patternEscape:
		if p == len(t.pat) {
			t.fail("malformed pattern (ends with '%')")
		}
		return p + 1
	case '[':
		if p < len(t.pat) && t.pat[p] == '^' {
			p++
		}
		for first := true; first || p >= len(t.pat) || t.pat[p] != ']'; first = false {
			if p >= len(t.pat) {
				t.fail("malformed pattern (missing ']')")
			}
			if t.pat[p] == patternEscape {
				p++
			}
			p++
		}
		return p + 1
	}
	return p
}

// holds says whether a character is of the class pat[p:end].
func (t *matcher) holds(c byte, p, end int) bool {
	switch t.pat[p] {
	case '.':
		return true
	case patternEscape:
		return inClass(c, t.pat[p+1])
	case '[':
		return t.inSet(c, p, end-1)
	}
	return t.pat[p] == c
}

// inSet says whether a character is in the set that begins with the [ at p and ends with the ] at last.
func (t *matcher) inSet(c byte, p, last int) bool {
	in := true
	if p++; t.pat[p] == '^' {
		in = false
		p++
	}
	for ; p < last; p++ {
		switch {
		case t.pat[p] == patternEscape:
			if p++; inClass(c, t.pat[p]) {
				return in
			}
		case p+2 < last && t.pat[p+1] == '-':
			if t.pat[p] <= c && c <= t.pat[p+2] {
				return in
			}
			p += 2
		case t.pat[p] == c:
			return in
		}
	}
	return !in
}

// inClass says whether a character is of the class that a letter after % names; a capital names all others, and what is no
// letter stands for itself.
func inClass(c, class byte) bool {
	lower, digit := c >= 'a' && c <= 'z', c >= '0' && c <= '9'
	letter := lower || c >= 'A' && c <= 'Z'
	var is bool
	switch class | 0x20 {
	case 'a':
		is = letter
	case 'c':
		is = c < 0x20 || c == 0x7f
	case 'd':
		is = digit
	case 'l':
		is = lower
	case 'p':
		is = c > 0x20 && c < 0x7f && !letter && !digit
	case 's':
		is = c == ' ' || c >= '\t' && c <= '\r'
	case 'u':
		is = letter && !lower
	case 'w':
		is = letter || digit
	case 'x':
		is = digit || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
	case 'z':
		is = c == 0
	default:
		return class == c
	}
	return is == (class >= 'a')
}
