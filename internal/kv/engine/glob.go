package engine

// glob says whether s matches a pattern of Redis: * ? [a-z] [^a] and \ before a character that is meant itself. A pattern
// that ends within brackets or after a backslash is taken as Redis takes it. A star is tried at each place once more only
// when a later part of the pattern failed, and the last star alone goes back: the work is bounded by len(pattern) × len(s),
// and by globSteps where both are megabytes, which then do not match.
func glob(pattern, s []byte) bool { return globFold(pattern, s, false) }

// Glob is glob for other packages.
func Glob(pattern, s []byte) bool { return glob(pattern, s) }

const globSteps = 1 << 24

func globFold(p, s []byte, fold bool) bool {
	starP, starS := -1, 0
	i, j := 0, 0
	for steps := 0; j < len(s); steps++ {
		if steps > globSteps {
			return false
		}
		if i < len(p) && p[i] == '*' {
			for i < len(p) && p[i] == '*' {
				i++
			}
			if i == len(p) {
				return true
			}
			starP, starS = i, j
			continue
		}
		if i < len(p) {
			if n, ok := globOne(p[i:], s[j], fold); ok {
				i += n
				j++
				continue
			}
		}
		if starP < 0 {
			return false
		}
		starS++
		i, j = starP, starS
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// globOne matches one byte and gives how much of the pattern that took.
func globOne(p []byte, c byte, fold bool) (n int, ok bool) {
	if fold {
		c = lowerByte(c)
	}
	norm := func(b byte) byte {
		if fold {
			return lowerByte(b)
		}
		return b
	}
	switch p[0] {
	case '?':
		return 1, true
	case '[':
		return globClass(p, c, norm)
	case '\\':
		if len(p) > 1 {
			return 2, norm(p[1]) == c
		}
	}
	return 1, norm(p[0]) == c
}

// globClass matches what stands in brackets.
func globClass(p []byte, c byte, norm func(byte) byte) (n int, ok bool) {
	i := 1
	not := i < len(p) && p[i] == '^'
	if not {
		i++
	}
	match := false
	for ; ; i++ {
		switch {
		case i >= len(p): // no end: what was there counts
			return len(p), match != not
		case p[i] == '\\' && i+1 < len(p):
			i++
			match = match || norm(p[i]) == c
		case p[i] == ']':
			return i + 1, match != not
		case i+2 < len(p) && p[i+1] == '-':
			lo, hi := norm(p[i]), norm(p[i+2])
			if lo > hi {
				lo, hi = hi, lo
			}
			i += 2
			match = match || c >= lo && c <= hi
		default:
			match = match || norm(p[i]) == c
		}
	}
}

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
