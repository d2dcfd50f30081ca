package redact

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is how many layers of percent-encoding are looked through.
const maxDepth = 3

// String hides what is private in a text: `password=…`, `"token": "…"`, `Authorization: …`, bearer and basic
// credentials, passwords in URLs, e-mail addresses and card numbers, also where they are percent-encoded. A text
// without any of it is returned as it is, without a copy.
func (r Redactor) String(s string) string {
	if plain(s) {
		return s
	}
	s = r.once(s)
	level := s
	for range maxDepth {
		if strings.IndexByte(level, '%') < 0 {
			break
		}
		decoded := unescape(level)
		if decoded == level {
			break
		}
		level = r.once(decoded)
		if level != decoded {
			s = level // something private was inside: the decoded text, with that hidden, is what is shown
		}
	}
	return s
}

// plain reports that a text has nothing from which a private part could begin: the common case.
func plain(s string) bool {
	digits := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '=' || c == ':' || c == '@' || c == '%':
			return false
		case c >= '0' && c <= '9':
			if digits++; digits >= minCard {
				return false
			}
		case (c == 'b' || c == 'B') && (hasFold(s[i:], "bearer") || hasFold(s[i:], "basic")):
			return false
		case c == '-' && (i == 0 || !wordByte(s[i-1])), c == '.' && recorderEnding(s[i:]) > 0:
			return false
		}
	}
	return true
}

func hasFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// once hides what is private at one level of encoding.
func (r Redactor) once(s string) string {
	s = r.pairs(s)
	s = r.flags(s)
	s = credentials(s)
	s = userinfo(s)
	s = missions(s)
	s = emails(s)
	return cards(s)
}

// pairs hides the values of `key=value` and `key: value`.
func (r Redactor) pairs(s string) string {
	var out strings.Builder
	done := 0
	for i := 0; i < len(s); i++ {
		if s[i] != '=' && s[i] != ':' {
			continue
		}
		key := keyBefore(s[done:i])
		if key == "" || !r.Key(key) {
			continue
		}
		from, to := valueAfter(s, i+1, r.wholeLine(key))
		if to <= from {
			continue
		}
		out.WriteString(s[done:from])
		out.WriteString(Mask)
		done, i = to, to-1
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// flags hides the values of `--key value` and `-key value`, as command lines have them.
func (r Redactor) flags(s string) string {
	var out strings.Builder
	done := 0
	for i := 0; i+2 < len(s); i++ {
		if s[i] != '-' || i > 0 && (wordByte(s[i-1]) || s[i-1] == '-') {
			continue
		}
		name := i + 1
		if s[name] == '-' {
			name++
		}
		end := name
		for end < len(s) && (wordByte(s[end]) || s[end] == '-') {
			end++
		}
		from := end
		for from < len(s) && s[from] == ' ' {
			from++
		}
		if from == end || from == len(s) || s[from] == '-' || strings.HasPrefix(s[from:], Mask) || !r.Key(s[name:end]) {
			i = end - 1
			continue
		}
		from, to := valueAfter(s, from, false)
		if to <= from {
			i = end - 1
			continue
		}
		out.WriteString(s[done:from])
		out.WriteString(Mask)
		done, i = to, to-1
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// wholeLine reports keys whose value goes on to the end of the line: headers with several words in their value.
func (Redactor) wholeLine(key string) bool {
	words := split(key, nil)
	last := words[len(words)-1]
	return last == "authorization" || last == "cookie"
}

// maxKey bounds how far back from a separator its key may begin.
const maxKey = 64

// keyBefore gives the key that ends where s ends: words of letters, digits, `_`, `-`, `.`, spaces, brackets of a
// form, with a closing quote after it. Percent-encoding in it is undone.
func keyBefore(s string) string {
	s = strings.TrimRight(s, " \t")
	s = strings.TrimRight(s, "\"'`")
	s = strings.TrimRight(s, `\`)
	start := len(s)
	for start > 0 && len(s)-start < maxKey && (keyByte(s[start-1]) || escapeAt(s[start-1:])) {
		start--
	}
	key := s[start:]
	if strings.IndexByte(key, '\\') >= 0 {
		key = strings.TrimRight(unescapeJSON(key), "\"'`")
		if i := strings.LastIndexAny(key, "&;?#\"'{,/"); i >= 0 {
			key = key[i+1:]
		}
	}
	if strings.IndexByte(key, '%') >= 0 {
		for range maxDepth {
			key = unescape(key)
		}
		if i := strings.LastIndexAny(key, "&;?#\"'{,/"); i >= 0 {
			key = key[i+1:]
		}
	}
	return key
}

// escapeAt reports that s begins with a letter as JSON may write it, `\u0070`, with any number of backslashes.
func escapeAt(s string) bool {
	rest := strings.TrimLeft(s, `\`)
	if len(rest) == len(s) || len(rest) < 5 || rest[0] != 'u' {
		return false
	}
	_, err := strconv.ParseUint(rest[1:5], 16, 16)
	return err == nil
}

// unescapeJSON undoes the escapes that escapeAt knows.
func unescapeJSON(s string) string {
	var b strings.Builder
	for s != "" {
		if !escapeAt(s) {
			b.WriteByte(s[0])
			s = s[1:]
			continue
		}
		s = strings.TrimLeft(s, `\`)
		c, _ := strconv.ParseUint(s[1:5], 16, 16) // escapeAt has seen that it is one
		b.WriteRune(rune(c))
		s = s[5:]
	}
	return b.String()
}

func keyByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c >= utf8.RuneSelf:
		return true
	}
	return strings.IndexByte("_-.+ %[]", c) >= 0
}

// valueAfter gives where the value begins and ends that follows a separator.
func valueAfter(s string, at int, wholeLine bool) (from, to int) {
	for at < len(s) && (s[at] == ' ' || s[at] == '\t' || s[at] == '>') {
		at++ // `=>` too
	}
	if next := indented(s, at); next > 0 {
		at = next
	}
	slashes := at
	for slashes < len(s) && s[slashes] == '\\' {
		slashes++
	}
	if slashes < len(s) && strings.IndexByte("\"'`", s[slashes]) >= 0 {
		from = slashes + 1
		return from, closing(s, from, s[at:from])
	}
	if at < len(s) && (s[at] == '[' || s[at] == '{') {
		end := bracket(s, at)
		return at, end + untilDelimiter(s[end:])
	}
	if wholeLine {
		if end := strings.IndexAny(s[at:], "\r\n\"'`]}"); end >= 0 {
			return at, at + end
		}
		return at, len(s)
	}
	end := at + untilDelimiter(s[at:])
	if word := s[at:end]; strings.EqualFold(word, "bearer") || strings.EqualFold(word, "basic") {
		next := end
		for next < len(s) && s[next] == ' ' {
			next++
		}
		end = next + untilDelimiter(s[next:])
	}
	return at, end
}

// indented gives where the text of the next line begins, if that is indented: as in YAML it belongs to the name before it. 0 = no.
func indented(s string, at int) int {
	rest := strings.TrimPrefix(s[at:], "\r")
	text, broken := strings.CutPrefix(rest, "\n")
	words := strings.TrimLeft(text, " \t")
	if !broken || len(words) == len(text) || words == "" {
		return 0
	}
	return len(s) - len(words)
}

// untilDelimiter gives where a value without quotes ends. A comma or semicolon may be part of it: it ends there only if something
// else begins behind.
func untilDelimiter(s string) int {
	for from := 0; ; {
		end := strings.IndexAny(s[from:], " \t\r\n&,;\"'`<>)]}|")
		if end < 0 {
			return len(s)
		}
		end += from
		if s[end] != ',' && s[end] != ';' || another(s[end+1:]) {
			return end
		}
		from = end + 1
	}
}

// another says that what follows a comma is no part of the value before it: a blank, a quote, the end, or a name with a value.
func another(s string) bool {
	const longest = 64 // of a name
	if s == "" || strings.IndexByte(" \t\r\n\"'`)]}", s[0]) >= 0 {
		return true
	}
	for i := range min(len(s), longest) {
		switch c := s[i]; {
		case c == '=' || c == ':':
			return i > 0
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.':
		default:
			return false
		}
	}
	return false
}

// closing gives where a quoted value ends: before the next quote that has as many backslashes before it as the opening
// one had, or at the end of the text.
func closing(s string, from int, quote string) int {
	for i := from; i < len(s); i++ {
		if !strings.HasPrefix(s[i:], quote) {
			continue
		}
		slashes := 0
		for i-slashes > from && s[i-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
	}
	return len(s)
}

// bracket gives the end of a list or object that begins at from, the end of the text where it is not closed.
func bracket(s string, from int) int {
	depth, quoted := 0, false
	for i := from; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// credentials hides what follows `Bearer` and `Basic`.
func credentials(s string) string {
	var out strings.Builder
	done := 0
	for i := 0; i < len(s); i++ {
		scheme := schemeAt(s, i)
		if scheme == "" {
			continue
		}
		from := i + len(scheme)
		for from < len(s) && (s[from] == ' ' || s[from] == '\t' || s[from] == '+') {
			from++
		}
		to := from
		for to < len(s) && (wordByte(s[to]) || strings.IndexByte("-._~+/=", s[to]) >= 0) {
			to++
		}
		if from == i+len(scheme) || to == from || !credential(scheme, s[from:to]) {
			continue
		}
		out.WriteString(s[done:from])
		out.WriteString(Mask)
		done, i = to, to-1
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// schemeAt gives the scheme of credentials that begins as a word at i, "" for none.
func schemeAt(s string, i int) string {
	switch {
	case i > 0 && wordByte(s[i-1]):
		return ""
	case hasFold(s[i:], "bearer"):
		return "bearer"
	case hasFold(s[i:], "basic"):
		return "basic"
	}
	return ""
}

// credential tells a credential from an ordinary word after its scheme ("basic authentication", "bearer token").
func credential(scheme, s string) bool {
	if scheme == "basic" {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			b, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
		}
		return err == nil && strings.IndexByte(string(b), ':') >= 0
	}
	switch strings.ToLower(strings.Trim(s, ".")) {
	case "token", "tokens", "auth", "authentication", "authorization", "scheme", "realm", "credentials", "is", "or", "and":
		return false
	}
	return true
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// userinfo hides the password of `scheme://user:password@host`.
func userinfo(s string) string {
	var out strings.Builder
	done, from := 0, 0
	for {
		i := strings.Index(s[from:], "://")
		if i < 0 {
			break
		}
		begin := from + i + 3
		end := len(s)
		if n := strings.IndexAny(s[begin:], "/?# \t\r\n\"'`<>"); n >= 0 {
			end = begin + n
		}
		at := strings.LastIndexByte(s[begin:end], '@')
		colon := strings.IndexByte(s[begin:end], ':')
		if colon >= 0 && colon+1 < at {
			out.WriteString(s[done : begin+colon+1])
			out.WriteString(Mask)
			done = begin + at
		}
		from = end
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// emails hides e-mail addresses.
func emails(s string) string {
	var out strings.Builder
	done := 0
	for i := 0; i < len(s); i++ {
		if s[i] != '@' {
			continue
		}
		from := i
		for from > done && localByte(s[from-1]) {
			from--
		}
		to := i + 1
		for to < len(s) && (wordByte(s[to]) && s[to] != '_' || s[to] == '-' || s[to] == '.' || s[to] >= utf8.RuneSelf) {
			to++
		}
		domain := strings.TrimRight(s[i+1:to], ".-")
		to = i + 1 + len(domain)
		dot := strings.LastIndexByte(domain, '.')
		hidden := strings.HasSuffix(s[from:i], Mask) // of a URL: its host may be seen
		if from == i || hidden || dot <= 0 || len(domain)-dot < 3 || number(domain[dot+1:]) {
			continue
		}
		out.WriteString(s[done:from])
		out.WriteString(Mask)
		done, i = to, to-1
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

func localByte(c byte) bool {
	return wordByte(c) || c >= utf8.RuneSelf || strings.IndexByte(".!#$%*+-^~", c) >= 0
}

// unescape undoes one layer of percent-encoding and leaves what is none.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, ok1 := hexDigit(s[i+1])
			lo, ok2 := hexDigit(s[i+2])
			if ok1 && ok2 {
				b = append(b, hi<<4|lo)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
