package module

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// TestSniffBombs refuses rules that would take the serving process long to compile, or to run on any file: each of them
// is within the limits of a manifest's size and of a regular expression's length.
func TestSniffBombs(t *testing.T) {
	many := func(n int, s func(i int) abi.Sniff) []byte {
		return manifest(func(m *abi.Manifest) {
			for i := range n {
				m.Formats[0].Sniff = append(m.Formats[0].Sniff, s(i))
			}
		})
	}
	same := func(s abi.Sniff) func(int) abi.Sniff { return func(int) abi.Sniff { return s } }
	walk := abi.Walk{Records: 1024, Least: 1, Header: 2, Lengths: map[string]int{"1": 1}, Ranges: make([]abi.Range, maxWalkRanges)}
	wide := walk
	wide.Ranges = make([]abi.Range, maxWalkRanges+1)
	for name, c := range map[string]struct {
		b    []byte
		want string // "" = fine
	}{
		"repetition":   {many(1, same(abi.Sniff{Regex: "^(" + strings.Repeat("x?", 115) + "){1000}$"})), "states"},
		"at least":     {many(1, same(abi.Sniff{Regex: "^(" + strings.Repeat("x?", 115) + "){1000,}$"})), "states"},
		"nested":       {many(1, same(abi.Sniff{Regex: "((x?y?z?[ab]){31}){32}"})), "states"},
		"classes":      {many(1, same(abi.Sniff{Regex: strings.Repeat(`\pL`, 85)})), "states"},
		"many":         {many(50, func(i int) abi.Sniff { return abi.Sniff{Regex: fmt.Sprintf("%d[0-9]{100}", i)} }), "states"},
		"a few":        {many(20, func(i int) abi.Sniff { return abi.Sniff{Regex: fmt.Sprintf("%d[0-9]{53}", i)} }), ""},
		"the same":     {many(1000, same(abi.Sniff{Regex: "x{1000}"})), ""},
		"comments":     {many(100, same(abi.Sniff{Regex: "x", Comment: "#"})), "with a comment"},
		"rules":        {many(maxRules+1, same(abi.Sniff{Bytes: "00"})), "1025 sniff rules"},
		"rules fit":    {many(maxRules, same(abi.Sniff{Bytes: "00"})), ""},
		"ranges":       {many(1, same(abi.Sniff{Walk: &wide})), "65 ranges"},
		"ranges fit":   {many(1, same(abi.Sniff{Walk: &walk})), ""},
		"empty mask":   {many(1, same(abi.Sniff{Bytes: "ffff", Mask: "0000"})), "compares nothing"},
		"mask of bits": {many(1, same(abi.Sniff{Bytes: "ffff", Mask: "0001"})), ""},
	} {
		_, err := ParseManifest(c.b)
		if (err == nil) != (c.want == "") || (err != nil && (!strings.Contains(err.Error(), c.want) || !errcode.Is(err, errcode.PluginRejected))) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	split := manifest(func(m *abi.Manifest) {
		m.Formats = append(m.Formats, abi.Format{ID: "h"})
		for i := range m.Formats {
			m.Formats[i].Sniff = make([]abi.Sniff, maxRules/2+1)
			for j := range m.Formats[i].Sniff {
				m.Formats[i].Sniff[j].Bytes = "00"
			}
		}
	})
	if _, err := ParseManifest(split); err == nil || !strings.Contains(err.Error(), "1026 sniff rules") {
		t.Errorf("in two formats: %v", err)
	}
}

// TestAMaskCountsAsWhatItCompares holds a rule that compares little from winning over one that compares much.
func TestAMaskCountsAsWhatItCompares(t *testing.T) {
	head := []byte(strings.Repeat("\xff", 16))
	sure := func(s abi.Sniff) float64 {
		r, err := compileRule(&s, &Patterns{})
		if err != nil {
			t.Fatal(err)
		}
		return r.Match(head, int64(len(head)))
	}
	loose := sure(abi.Sniff{Bytes: strings.Repeat("ff", 16), Mask: strings.Repeat("00", 15) + "01"})
	one, whole := sure(abi.Sniff{Bytes: "ff"}), sure(abi.Sniff{Bytes: "ffff", Mask: "ffff"})
	if loose == 0 || loose >= one || one >= whole || whole != sure(abi.Sniff{Bytes: "ffff"}) {
		t.Errorf("one bit %v, one byte %v, two %v", loose, one, whole)
	}
}

// FuzzPattern compiles what was found small enough, and looks at what became of it.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{
		"^a+$", "(x?y?){99}", `(?i)k{3,9}\pL`, "((a|b)*c{2}){20,}", `[^\n]{0,500}`, "(((a{2}){2}){2}){2}", "(?:){1000}", `\Q..\E\b$`, "(a|){200}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var all Patterns
		re, err := all.Compile(text)
		if err != nil {
			return
		}
		re.MatchString("aaaaxyKcc..")
		tree, err := syntax.Parse(text, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		prog, err := syntax.Compile(tree.Simplify())
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(prog.Inst)) > 3*all.cost+3 {
			t.Errorf("%q was counted as %d and has %d instructions", text, all.cost, len(prog.Inst))
		}
	})
}
