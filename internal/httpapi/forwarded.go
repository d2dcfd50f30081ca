package httpapi

import (
	"strings"
)

// followForwarded reads a Forwarded header (RFC 7239) from its end, since only the end is the work of proxies that are
// trusted: each element is by one of them, and says who asked it. What cannot be read ends it, as does a client without an
// address ("unknown", "_hidden").
func (s *Server) followForwarded(o *origin, list string) {
	for range maxHops {
		if strings.TrimSpace(list) == "" {
			return
		}
		var text string
		list, text = lastElement(list)
		e, ok := parseElement(text)
		if !ok {
			return
		}
		if e.proto != "" {
			o.https = strings.EqualFold(e.proto, "https")
		}
		if e.host != "" {
			o.host = e.host
		}
		hop, ok := parseHop(e.client)
		if !ok {
			return
		}
		o.client, o.named = hop, true
		if !s.trusts(hop) {
			return
		}
	}
}

// lastElement cuts the last element off a list. It reads from the right: a quote that a client never closed would
// otherwise swallow what a proxy added after it.
func lastElement(list string) (rest, element string) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch {
		case list[i] == '"' && (!quoted || !escaped(list, i)):
			quoted = !quoted
		case list[i] == ',' && !quoted:
			return list[:i], list[i+1:]
		}
	}
	return "", list
}

// escaped reports whether a backslash makes the character at i a plain one.
func escaped(s string, i int) bool {
	n := 0
	for n < i && s[i-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// element is what one proxy says.
type element struct{ client, proto, host string }

// parseElement reads pairs like for="[2001:db8::1]:80";proto=https.
func parseElement(text string) (e element, ok bool) {
	seen := map[string]bool{}
	for rest := strings.TrimSpace(text); rest != ""; {
		name, after, found := strings.Cut(rest, "=")
		if name = strings.ToLower(strings.TrimSpace(name)); !found || name == "" || seen[name] {
			return element{}, false
		}
		seen[name] = true
		var value string
		if value, rest, ok = cutValue(after); !ok {
			return element{}, false
		}
		switch name {
		case "for":
			e.client = value
		case "proto":
			e.proto = value
		case "host":
			e.host = value
		}
	}
	return e, len(seen) > 0
}

// cutValue cuts a token or a quoted string, and the semicolon after it, off the front of what is left of an element.
func cutValue(text string) (value, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		value, rest, _ = strings.Cut(text, ";")
		value = strings.TrimSpace(value)
		return value, strings.TrimSpace(rest), value != "" && !strings.ContainsAny(value, "\" \t,=")
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			rest = strings.TrimSpace(text[i+1:])
			after, more := strings.CutPrefix(rest, ";")
			return b.String(), strings.TrimSpace(after), more || rest == ""
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}
