package module

import (
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// TestRegexLooksAtOneLine has the line that counts in every surrounding.
func TestRegexLooksAtOneLine(t *testing.T) {
	plain, err := compileRule(&abi.Sniff{Regex: "^a+$"}, &Patterns{})
	if err != nil {
		t.Fatal(err)
	}
	comment, err := compileRule(&abi.Sniff{Regex: "^a+$", Comment: "#"}, &Patterns{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		head           string
		plain, comment bool
	}{
		"first line":           {"aaa\nb", true, true},
		"without an end":       {"aaa", true, true},
		"CRLF":                 {"aaa\r\nb", true, true},
		"CR":                   {"aaa\rb", false, true},
		"second line":          {"b\naaa", false, false},
		"comment":              {"# b\naaa\nb", false, true},
		"comment after blanks": {" \t# b\naaa\n", false, true},
		"comment in columns":   {"; # b\naaa\n", false, true},
		"blank lines":          {"\n \n\t\r\n\naaa", false, true},
		"separators":           {";\n , ;\naaa", false, true},
		"other separators":     {"|\naaa", false, false},
		"blanks around":        {"  aaa\t\nb", false, true},
		"separator before":     {";aaa\n", false, false},
		"byte-order mark":      {"\xef\xbb\xbfaaa\n", false, true},
		"mark and comment":     {"\xef\xbb\xbf#\naaa\n", false, true},
		"later mark":           {"#\n\xef\xbb\xbfaaa\n", false, false},
		"only comments":        {"# aaa\n#\n", false, false},
		"nothing":              {"", false, false},
		"long comments":        {strings.Repeat("# "+strings.Repeat("x", 5000)+"\n", 10) + "aaa", false, true},
		"long line":            {strings.Repeat("a", 5000) + "b", true, true}, // only 4 KiB are looked at
		"long comment line":    {"#\n" + strings.Repeat("a", 5000) + "b", false, true},
	} {
		if got := plain.Match([]byte(c.head), int64(len(c.head))) > 0; got != c.plain {
			t.Errorf("%s: without comment %v, want %v", name, got, c.plain)
		}
		if got := comment.Match([]byte(c.head), int64(len(c.head))) > 0; got != c.comment {
			t.Errorf("%s: with comment %v, want %v", name, got, c.comment)
		}
	}
}

// TestNoLineIsNoMatch has a rule that an empty line would match.
func TestNoLineIsNoMatch(t *testing.T) {
	r, err := compileRule(&abi.Sniff{Regex: "a*", Comment: "#"}, &Patterns{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Match([]byte("# only\n# comments\n;\n"), 20) > 0 {
		t.Error("a file of comments is recognised")
	}
	if r.Match([]byte("# one\nb\n"), 8) == 0 {
		t.Error("a line of text is not looked at")
	}
}

// BenchmarkRegexWorst has heads that take longest to look through.
func BenchmarkRegexWorst(b *testing.B) {
	r, err := compileRule(&abi.Sniff{Regex: "^(a|ab){1,50}$", Comment: "#"}, &Patterns{})
	if err != nil {
		b.Fatal(err)
	}
	for name, piece := range map[string]string{"CR": "\r", "separators": ";", "comments": "#\n"} {
		head := []byte(strings.Repeat(piece, abi.SniffHead/len(piece)))
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r.Match(head, int64(len(head)))
			}
		})
	}
}
