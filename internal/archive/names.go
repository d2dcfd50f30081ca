package archive

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/internal/errcode"
)

const (
	maxName    = 1024 // bytes of an entry's whole name
	maxElement = 255  // bytes between two slashes
	maxNames   = 1 << 20
)

// names are those of the entries of one archive.
type names struct {
	seen  map[string]struct{}
	bytes int
}

// add takes a clean name, or refuses one that is there already.
func (n *names) add(name string) error {
	if n.seen == nil {
		n.seen = map[string]struct{}{}
	}
	if _, twice := n.seen[name]; twice {
		return errcode.Newf(errcode.Unsupported, "the archive is refused: two of its entries are named %q", shorten(name))
	}
	if n.bytes += len(name); n.bytes > maxNames {
		return errcode.Newf(errcode.OutputLimit, "the names of the archive's entries have more than %d bytes", maxNames)
	}
	n.seen[name] = struct{}{}
	return nil
}

// CleanName checks the name of an entry and gives it without "." and empty elements. Refused are names that lead out of
// the folder they are unpacked in, on whatever system, and those that are no text.
func CleanName(name string) (string, error) {
	refuse := func(why string) (string, error) {
		return "", errcode.Newf(errcode.Unsupported, "the archive is refused: the entry name %q %s", shorten(name), why)
	}
	switch {
	case !utf8.ValidString(name):
		return refuse("is not UTF-8")
	case len(name) > maxName:
		return refuse("is longer than 1024 bytes")
	case strings.ContainsFunc(name, unicode.IsControl):
		return refuse("holds control characters")
	case strings.Contains(name, `\`):
		return refuse("holds a backslash")
	case strings.HasPrefix(name, "/"):
		return refuse("is absolute")
	case len(name) >= 2 && name[1] == ':' && isLetter(name[0]):
		return refuse("begins with a drive")
	}
	var kept []string
	for e := range strings.SplitSeq(name, "/") {
		switch {
		case e == "" || e == ".":
			continue
		case e == "..":
			return refuse("leads out of its folder")
		case len(e) > maxElement:
			return refuse("has an element longer than 255 bytes")
		}
		kept = append(kept, e)
	}
	if len(kept) == 0 {
		return refuse("is empty")
	}
	return strings.Join(kept, "/"), nil
}

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

// shorten bounds a name that is repeated in a message.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// hidden reports whether a file is one that people do not mean when they pack a folder: hidden ones, and what file
// managers leave behind.
func hidden(name string) bool {
	for e := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(e, ".") || e == "__MACOSX" {
			return true
		}
	}
	base := name[strings.LastIndexByte(name, '/')+1:]
	return strings.EqualFold(base, "thumbs.db") || strings.EqualFold(base, "desktop.ini")
}

// plain gives a parser's error as the end of a sentence.
func plain(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	for _, prefix := range []string{"gzip: ", "flate: ", "zstd: ", "archive/tar: "} {
		s = strings.TrimPrefix(s, prefix)
	}
	return s
}
