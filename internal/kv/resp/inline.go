package resp

// splitInline splits a line into words as redis-cli writes them: single quotes take everything literally but \', double
// quotes know \n \r \t \b \a \\ \" and \xhh. A quoted word ends at a blank. What it gives may lie in the line.
func splitInline(line []byte, args [][]byte) ([][]byte, error) {
	for i := 0; ; {
		for i < len(line) && blank(line[i]) {
			i++
		}
		if i == len(line) {
			return args, nil
		}
		word, n, ok := inlineWord(line[i:])
		if !ok {
			return nil, &ProtocolError{"unbalanced quotes in request"}
		}
		args = append(args, word)
		i += n
	}
}

func blank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' || c == 0 }

// inlineWord gives the first word and how much of the line it takes.
func inlineWord(line []byte) (word []byte, n int, ok bool) {
	for n < len(line) && !blank(line[n]) && line[n] != '"' && line[n] != '\'' {
		n++
	}
	if n == len(line) || blank(line[n]) {
		return line[:n:n], n, true
	}
	word = append(word, line[:n]...)
	for n < len(line) && !blank(line[n]) {
		switch line[n] {
		case '"', '\'':
			var used int
			if word, used, ok = quoted(word, line[n:]); !ok {
				return nil, 0, false
			}
			n += used
			if n < len(line) && !blank(line[n]) {
				return nil, 0, false
			}
		default:
			word = append(word, line[n])
			n++
		}
	}
	if word == nil {
		word = []byte{}
	}
	return word, n, true
}

// quoted appends what stands between the quotes that s begins with.
func quoted(word, s []byte) (out []byte, n int, ok bool) {
	quote := s[0]
	for n = 1; n < len(s); n++ {
		c := s[n]
		switch {
		case c == quote:
			if word == nil {
				word = []byte{}
			}
			return word, n + 1, true
		case c == '\\' && quote == '\'' && n+1 < len(s) && s[n+1] == '\'':
			n++
			c = '\''
		case c == '\\' && quote == '"' && n+3 < len(s) && s[n+1] == 'x' && hexDigit(s[n+2]) >= 0 && hexDigit(s[n+3]) >= 0:
			c = byte(hexDigit(s[n+2])<<4 | hexDigit(s[n+3]))
			n += 3
		case c == '\\' && quote == '"' && n+1 < len(s):
			n++
			c = escaped(s[n])
		}
		word = append(word, c)
	}
	return nil, 0, false
}

func escaped(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
