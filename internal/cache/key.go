package cache

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// Decodes is the namespace of the appliance's own keys: others read and remove them, none but the appliance writes them.
const Decodes = "decode"

// MaxKey and MaxValue bound keys, without their prefix, and values, in bytes.
const (
	MaxKey   = 512
	MaxValue = 1 << 20
)

// Namespace gives the part of a key before its first colon; "" of one that has none.
func Namespace(key string) string {
	ns, _, found := strings.Cut(key, ":")
	if !found {
		return ""
	}
	return ns
}

// checkKey says what is wrong with a key, or with a pattern of keys.
func checkKey(field, key string) error {
	switch {
	case key == "":
		return errcode.Invalid(field, "must not be empty")
	case len(key) > MaxKey:
		return errcode.Invalid(field, "has %d bytes, more than %d", len(key), MaxKey)
	case !utf8.ValidString(key):
		return errcode.Invalid(field, "is no valid UTF-8")
	case strings.ContainsFunc(key, unicode.IsControl):
		return errcode.Invalid(field, "holds a control character")
	}
	return nil
}

// literal is a pattern that matches a text and nothing else.
func literal(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(text)
}
