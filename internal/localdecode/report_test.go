package localdecode

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/table"
)

func TestGridFitsAndLinesUp(t *testing.T) {
	s := &table.Schema{Columns: []table.Column{
		{Name: "seq", Type: table.I64},
		{Name: "speed_kmh", Type: table.Dec64, Scale: 1, Unit: "km/h"},
		{Name: "level", Type: table.F64, Unit: "V"},
		{Name: "text", Type: table.UTF8},
		{Name: "more", Type: table.Bin},
	}}
	rows := [][]string{{"1", "9.5", "-1", "ä", "00"}, {"12", "120.0", "", strings.Repeat("x", 40), "01"}}
	want := "    seq  speed_kmh  level [V]  text\n" +
		"      1        9.5         -1  ä\n" +
		"     12      120.0             " + strings.Repeat("x", 31) + "…\n" +
		"    (and 1 more column)\n"
	if diff := cmp.Diff(want, grid(s, rows, 66, cellWidth)); diff != "" {
		t.Errorf("grid (-want +got):\n%s", diff)
	}
}

func TestGridCutsTheLastTextToTheRoomLeft(t *testing.T) {
	s := &table.Schema{Columns: []table.Column{{Name: "code", Type: table.UTF8}, {Name: "message", Type: table.UTF8}}}
	rows := [][]string{{"truncated", strings.Repeat("ä", 90)}, {"x", "short"}}
	want := "    code       message\n    truncated  " + strings.Repeat("ä", 24) + "…\n    x          short\n"
	if diff := cmp.Diff(want, grid(s, rows, 40, messageWidth)); diff != "" {
		t.Errorf("grid (-want +got):\n%s", diff)
	}
	if got := grid(s, rows, 30, messageWidth); !strings.Contains(got, "(and 1 more column)") {
		t.Errorf("a sliver of a text is shown:\n%s", got)
	}
}

func TestWorstIssuesComeFirst(t *testing.T) {
	s := table.Issues()
	row := func(seq, offset, severity, code string) []string {
		return []string{seq, offset, severity, code, "because", "", ""}
	}
	_, got := worstIssues(s, [][]string{
		row("1", "5", "info", "a"), row("2", "6", "warning", "b"), row("3", "7", "error", "c"), row("4", "8", "info", "d"),
		row("5", "9", "fatal", "e"), row("6", "10", "error", "f"), row("7", "11", "info", "g"),
	})
	want := [][]string{
		{"9", "fatal", "e", "because"},
		{"7", "error", "c", "because"},
		{"10", "error", "f", "because"},
		{"6", "warning", "b", "because"},
		{"5", "info", "a", "because"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("issues (-want +got):\n%s", diff)
	}
}

// Whatever a recording or a file name holds, nothing of it controls the terminal, and a line stays a line.
func TestPrintableIsHarmless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		got := printable(in)
		if !utf8.ValidString(got) {
			t.Fatalf("%q is not UTF-8", got)
		}
		for _, r := range got {
			if r < ' ' || (r >= 0x7f && r < 0xa0) || r == '\u2028' || r == '\u202e' {
				t.Fatalf("%q lets %U through", got, r)
			}
		}
	})
	if got := printable(`plain "text" größe`); got != `plain "text" größe` {
		t.Errorf("harmless text was changed to %q", got)
	}
}
