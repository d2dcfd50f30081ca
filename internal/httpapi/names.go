package httpapi

import (
	"mime"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxName  = 255 // bytes
	noName   = "unnamed"
	anyBytes = "application/octet-stream"
)

// safeName makes the name of a file out of what a client sent. A name is data, never a path: folders of either kind
// of separator go, as do control and invisible formatting characters and what is no UTF-8; the rest is cut to 255
// bytes. Nothing left gives "unnamed".
func safeName(name string) string {
	name = strings.ToValidUTF8(name, "�")
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, name)
	name = strings.TrimSpace(cutUTF8(strings.TrimSpace(name), maxName))
	if name == "" || name == "." || name == ".." {
		return noName
	}
	return name
}

// cutUTF8 cuts s to at most n bytes at the border of a character.
func cutUTF8(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// attachment gives the Content-Disposition that makes a browser save, never show, under the name (RFC 6266).
func attachment(name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '%' {
			return '_'
		}
		return r
	}, name)
	v := `attachment; filename="` + ascii + `"`
	if ascii != name {
		v += "; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return v
}

// mediaType gives the type a client declared, without parameters. What clients send when they know nothing counts as
// bytes.
func mediaType(header string) string {
	t, _, err := mime.ParseMediaType(header)
	if err != nil || t == "" || t == "application/x-www-form-urlencoded" {
		return anyBytes
	}
	return t
}
