package localdecode

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/runtime"
)

// boxOf makes a recording with a row, which holds files of name, content pairs.
func boxOf(pairs ...string) string {
	var b strings.Builder
	b.WriteString("LINES\nrow\n")
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "CHILD %s %s\n", pairs[i], strconv.Quote(pairs[i+1]))
	}
	return b.String()
}

// noTemp fails where a folder of files found inside is left in the folder for temporary files.
func noTemp(t *testing.T) {
	t.Helper()
	if left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "wayside-decode-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// nestedBox holds a recording, a box with another that was cut, and something that nobody knows; two have one name.
func nestedBox() string {
	return boxOf("a.lines", "LINES\nfirst\n", "deep.box", boxOf("a.lines", "LINES\nonly\nCUT\n"), "notes", "unknown", "a.lines", "LINES\nsecond\n")
}

func TestFilesInsideGetFoldersOfTheirOwn(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir := t.TempDir()
	c := newCall(write(t, filepath.Join(dir, "x.box"), nestedBox()))
	c.Out, c.To = filepath.Join(dir, "out"), "csv"
	totals, err := c.run(t.Context())
	if err != nil || totals != (Totals{Done: 4, Partial: 1}) {
		t.Fatal(totals, err, c.out.String())
	}
	for path, row := range map[string]string{
		"x.box": "row", "x.box/inside/a.lines": "first", "x.box/inside/a.lines-2": "second", "x.box/inside/deep.box": "row",
		"x.box/inside/deep.box/inside/a.lines": "only",
	} {
		b, err := os.ReadFile(filepath.Join(c.Out, path, "lines.csv"))
		if err != nil || !strings.Contains(string(b), row) {
			t.Errorf("%s: %q %v", path, b, err)
		}
	}
	wantText(t, c.out.String(), "  4 files inside: a.lines, deep.box, notes, a.lines\n", "x.box > a.lines: done, 1 row",
		"x.box > deep.box > a.lines: partial", "x.box > notes: failed: no decoder recognises it",
		"1 input and 5 files inside: 4 done, 1 partial, 0 failed, 1 inside of no known format\n")
	noTemp(t)
}

func TestFilesInsideInASummary(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c := newCall(write(t, filepath.Join(t.TempDir(), "x.box"), nestedBox()))
	totals, err := c.run(t.Context())
	if err != nil || totals != (Totals{Done: 4, Partial: 1}) || totals.Complete() {
		t.Fatal(totals, err, c.out.String())
	}
	wantText(t, c.out.String(), "x.box > a.lines (12 bytes)\n", "first\n", "x.box > deep.box > a.lines (", "x.box > notes (7 bytes)\n",
		"1 input and 5 files inside: 4 done")
	noTemp(t)
}

// TestNamedDecoderIsNotThatOfFilesInside: it was named for what was named.
func TestNamedDecoderIsNotThatOfFilesInside(t *testing.T) {
	c := newCall(write(t, filepath.Join(t.TempDir(), "x.box"), nestedBox()))
	c.Decoder = "lines"
	if totals, err := c.run(t.Context()); err != nil || totals != (Totals{Done: 4, Partial: 1}) {
		t.Error(totals, err, c.out.String())
	}
}

func TestFilesInsideInOneDocument(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c := newCall(write(t, filepath.Join(t.TempDir(), "x.box"), nestedBox()))
	c.To = "json"
	if totals, err := c.run(t.Context()); err != nil || totals.Partial != 1 {
		t.Fatal(totals, err)
	}
	type doc struct {
		Decode   description                 `json:"decode"`
		Tables   map[string][]map[string]any `json:"tables"`
		Children []doc                       `json:"children"`
	}
	var got doc
	if err := json.Unmarshal(c.out.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, c.out.String())
	}
	kids := got.Children
	if len(kids) != 4 || kids[0].Decode.Name != "a.lines" || kids[0].Tables["lines"][0]["text"] != "first" || kids[3].Tables["lines"][0]["text"] != "second" {
		t.Fatalf("%+v", got)
	}
	if kids[1].Children[0].Decode.Status != runtime.Partial || kids[2].Decode.Error == nil || kids[2].Children != nil {
		t.Errorf("%+v", kids)
	}
	noTemp(t)

	c = newCall(c.Paths...)
	c.To, c.Tables = "csv", []string{"lines"}
	if totals, err := c.run(t.Context()); err != nil || totals != (Totals{Done: 1}) {
		t.Error(totals, err)
	}
	wantText(t, c.err.String(), "4 files inside, not decoded: a.lines")
}

// TestFilesInsideAreBounded: a file that holds itself ends at a depth, one that holds very many after a number of them.
func TestFilesInsideAreBounded(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir := t.TempDir()
	content := "LINES\nbottom\n"
	for range 6 {
		content = boxOf("in", content)
	}
	c := newCall(write(t, filepath.Join(dir, "x.box"), content))
	c.Out = filepath.Join(dir, "out")
	if totals, err := c.run(t.Context()); err != nil || totals != (Totals{Done: 1 + childDepth}) {
		t.Error(totals, err, c.out.String())
	}
	var pairs []string
	for range 50 {
		pairs = append(pairs, "in", "x")
	}
	inner := boxOf(pairs...)
	pairs = nil
	for range 50 {
		pairs = append(pairs, "in", inner)
	}
	c = newCall(write(t, filepath.Join(dir, "y.box"), boxOf(pairs...)))
	if totals, err := c.run(t.Context()); err != nil || totals != (Totals{Done: 51}) {
		t.Error(totals, err)
	}
	// The bound is looked at when a decode begins: all that the first one finds stay.
	wantText(t, c.out.String(), fmt.Sprintf("and %s inside", plural(2000, "file")))
	noTemp(t)
}

func TestNamesOfFoldersInside(t *testing.T) {
	p := newPlaces([]input{{out: "box"}, {out: "box/inside/a"}})
	long := strings.Repeat("ä", 127)
	for _, tc := range []struct{ name, want string }{
		{"a", "box/inside/a-2"}, {"a", "box/inside/a-3"}, {"b", "box/inside/b"}, {long, "box/inside/" + long[:200]},
	} {
		if got := p.inside("box", tc.name); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// TestParametersInside: the clock of a container is that of what is inside it; nothing else is.
func TestParametersInside(t *testing.T) {
	c := Config{Registry: fake{}, Params: map[string]string{"timezone": "Europe/Berlin", "reveal": "true"}}
	p, err := c.childParams("lines") // which takes no zone
	if err != nil || string(p) != `{"reveal":false}` {
		t.Errorf("%s %v", p, err)
	}
}
