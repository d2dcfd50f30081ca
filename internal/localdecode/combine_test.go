package localdecode

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/table"
)

// hours writes files of hours into a folder, by name; each begins with the day and hour that orders it.
func hours(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

// night is a recording over midnight: by name its files are in the wrong order.
func night(t *testing.T, dir string) string {
	t.Helper()
	return hours(t, dir, map[string]string{
		"230000.lines": "LINES\n24123123\nlate\n",
		"000000.lines": "LINES\n25010100\nearly\n",
		"010000.lines": "LINES\n25010101\nlater\n",
	})
}

func combining(paths ...string) *call {
	c := newCall(paths...)
	c.Combine = true
	return c
}

func TestCombinedInTheOrderOfTime(t *testing.T) {
	c := combining(night(t, filepath.Join(t.TempDir(), "trip")))
	var req runtime.Request
	var input string
	c.Pool = fake{seen: func(r runtime.Request) {
		req = r
		b, _ := io.ReadAll(io.NewSectionReader(r.Input, 0, r.Size))
		input = string(b)
	}}
	totals, err := c.run(t.Context())
	if err != nil || totals != (Totals{Done: 1}) {
		t.Fatal(totals, err, c.out.String())
	}
	if want := "LINES\n24123123\nlate\nLINES\n25010100\nearly\nLINES\n25010101\nlater\n"; input != want {
		t.Errorf("the decoder got %q", input)
	}
	want := []runtime.Part{
		{Name: "230000.lines", Size: 20},
		{Name: "000000.lines", Size: 21},
		{Name: "010000.lines", Size: 21},
	}
	for i := range want {
		want[i].SHA256 = sha(t, filepath.Join(c.Paths[0], want[i].Name))
	}
	if diff := cmp.Diff(want, req.Parts); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	if id := runtime.PartsSHA256(want); req.SHA256 != id || req.Options.Metadata["wayside.file.sha256"] != id || req.Name != "trip" {
		t.Errorf("request %s %s, want %s", req.SHA256, req.Name, id)
	}
	var list []partEntry
	if err := json.Unmarshal([]byte(req.Options.Metadata["wayside.parts"]), &list); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(describeParts(want), list); diff != "" || list[2].Offset != 41 {
		t.Errorf("parts in the footer (-want +got):\n%s", diff)
	}
	wantText(t, c.out.String(), "trip (62 bytes)\n",
		"  parts     230000.lines  20 bytes\n            000000.lines  21 bytes\n            010000.lines  21 bytes\n",
		"decoder   lines 1.2.3, recognised as line-log (confidence 1.00)\n", "status    done, 6 rows in", "first 3 of 6 rows")
	if c.err.Len() > 0 {
		t.Errorf("on standard error: %s", c.err.String())
	}
}

func sha(t *testing.T, path string) string {
	t.Helper()
	_, sum, err := copyFile(t.Context(), io.Discard, path)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestCombineLeavesTheOthersAlone: what is not of the format, or only seems so, is decoded by itself.
func TestCombineLeavesTheOthersAlone(t *testing.T) {
	in := night(t, filepath.Join(t.TempDir(), "trip"))
	hours(t, in, map[string]string{
		"notes.txt": "something else", "empty.lines": "", "short.lines": "LINES\nx\n", "small.lines": "LINES\ny\n", "z.named": "damaged, but long enough",
		"sub/1.lines": "LINES\n25020202\none\n", "sub/2.lines": "LINES\n25020201\nCUT\n", "alone/1.lines": "LINES\n25030303\n",
	})
	out := filepath.Join(t.TempDir(), "out")
	c := combining(in)
	c.To, c.Out, c.Tables = table.CSV, out, []string{"lines"}
	totals, err := c.run(t.Context())
	if err != nil || totals != (Totals{Done: 5, Partial: 1, Failed: 2}) {
		t.Fatal(totals, err, c.out.String())
	}
	want := []string{"alone/1.lines/lines.csv", "short.lines/lines.csv", "small.lines/lines.csv", "sub/lines.csv", "trip/lines.csv", "z.named/lines.csv"}
	if diff := cmp.Diff(want, tree(t, out)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for file, rows := range map[string]string{
		"trip": "1,8,24123123\n2,4,late\n3,8,25010100\n4,5,early\n5,8,25010101\n6,5,later\n", "sub": "1,8,25020201\n2,8,25020202\n3,3,one\n",
	} {
		got, err := os.ReadFile(filepath.Join(out, file, "lines.csv"))
		if err != nil || string(got) != "seq,length,text\n"+rows {
			t.Errorf("%s: %q, %v", file, got, err)
		}
	}
	wantText(t, c.out.String(), "trip: done, 6 rows", "sub: partial, 3 rows", "8 inputs: 5 done, 1 partial, 2 failed\n")
	if strings.Contains(c.out.String(), "hint") {
		t.Errorf("a hint about what was done: %s", c.out.String())
	}
}

func TestFilesNamedOneByOneAreAGroup(t *testing.T) {
	dir := night(t, t.TempDir())
	other := write(t, filepath.Join(t.TempDir(), "020000.lines"), "LINES\n25010102\nlast\n")
	c := combining(filepath.Join(dir, "000000.lines"), other, filepath.Join(dir, "230000.lines"), "-")
	c.Stdin, c.Out = strings.NewReader("LINES\n24123122\nstdin\n"), filepath.Join(t.TempDir(), "out")
	if totals, err := c.run(t.Context()); err != nil || totals != (Totals{Done: 2}) {
		t.Fatal(totals, err, c.out.String())
	}
	first := filepath.Join(dir, "230000.lines") + "+2"
	wantText(t, c.out.String(), first+": done, 6 rows", "standard input: done, 2 rows")
	if _, err := os.Stat(filepath.Join(c.Out, "230000.lines+2", "lines.parquet")); err != nil {
		t.Error(err)
	}
}

func TestTwinsAndTies(t *testing.T) {
	dir := hours(t, filepath.Join(t.TempDir(), "trip"), map[string]string{
		"c.lines": "LINES\n25010100\nsame\n", "b.lines": "LINES\n25010100\nsame\n", "a.lines": "LINES\n25010101\nsame\n",
		"d.lines": "LINES\n25010100\nSAME\n", "e.lines": "LINES\n25010100\nlonger\n",
	})
	left := filepath.Join(dir, "c.lines") + ": the same bytes as " + filepath.Join(dir, "b.lines") + "\n"
	t.Run("summary", func(t *testing.T) {
		c := combining(dir)
		if totals, err := c.run(t.Context()); err != nil || !totals.Complete() {
			t.Fatal(totals, err, c.out.String())
		}
		wantText(t, c.out.String(), "  parts     b.lines  20 bytes\n            d.lines  20 bytes\n            e.lines  22 bytes\n"+
			"            a.lines  20 bytes\n  left out  "+left)
	})
	t.Run("document", func(t *testing.T) {
		c := combining(dir)
		c.To = table.JSON
		if totals, err := c.run(t.Context()); err != nil || !totals.Complete() {
			t.Fatal(totals, err, c.err.String())
		}
		var doc struct {
			Decode description `json:"decode"`
		}
		if err := json.Unmarshal(c.out.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		if p := doc.Decode.Parts; len(p) != 4 || p[3].Name != "a.lines" || p[3].Offset != 62 || p[3].SHA256 != sha(t, filepath.Join(dir, "a.lines")) {
			t.Errorf("parts %+v", p)
		}
		if doc.Decode.Size != 82 || *doc.Decode.Format != "line-log" || doc.Decode.Name != "trip" {
			t.Errorf("decode %+v", doc.Decode)
		}
		wantText(t, c.err.String(), "left out  "+left)
	})
	t.Run("only twins", func(t *testing.T) {
		c := combining(filepath.Join(dir, "c.lines"), filepath.Join(dir, "b.lines"))
		c.Out = filepath.Join(t.TempDir(), "out")
		if totals, err := c.run(t.Context()); err != nil || totals != (Totals{Done: 1}) {
			t.Fatal(totals, err, c.out.String())
		}
		wantText(t, c.out.String(), "b.lines: done, 2 rows", "left out  "+left)
	})
}

func TestHintAboutCombining(t *testing.T) {
	dir := night(t, filepath.Join(t.TempDir(), "trip"))
	hours(t, dir, map[string]string{"notes.txt": "?", "sub/1.lines": "LINES\n25020202\none\n", "z.named": "damaged"})
	const hint = "hint: 3 files can follow each other: --combine decodes those of one folder as one recording\n"
	c := newCall(dir)
	if _, err := c.run(t.Context()); err != nil || !strings.HasSuffix(c.out.String(), "1 failed\n"+hint) {
		t.Error(err, c.out.String())
	}
	c = newCall(dir)
	c.Decoder, c.Out = "lines", filepath.Join(t.TempDir(), "out")
	if _, err := c.run(t.Context()); err != nil || !strings.Contains(c.out.String(), "hint: 5 files") {
		t.Error(err, c.out.String())
	}
	for name, c := range map[string]*call{"combined": combining(dir), "one file a folder": newCall(filepath.Join(dir, "sub"), filepath.Join(dir, "000000.lines"))} {
		if _, err := c.run(t.Context()); err != nil || strings.Contains(c.out.String(), "hint") {
			t.Error(name, err, c.out.String())
		}
	}
}

func TestNothingToCombine(t *testing.T) {
	c := combining(filepath.Join(night(t, t.TempDir()), "000000.lines"))
	if totals, err := c.run(t.Context()); err != nil || totals != (Totals{Done: 1}) || c.err.String() != nothingToCombine {
		t.Error(totals, err, c.err.String())
	}
}

func TestCombineWithANamedDecoder(t *testing.T) {
	for _, decoder := range []string{"lines", "line-log"} {
		c := combining(night(t, filepath.Join(t.TempDir(), "trip")))
		f := fake{compiling: &atomic.Bool{}}
		f.compiling.Store(true)
		c.Registry, c.Decoder = f, decoder
		if totals, err := c.run(t.Context()); err != nil || totals != (Totals{Done: 1}) {
			t.Error(totals, err, c.out.String())
		}
	}
	c := combining(night(t, filepath.Join(t.TempDir(), "trip")))
	c.Decoder = "nope"
	if totals, err := c.run(t.Context()); err != nil || totals != (Totals{Failed: 3}) {
		t.Error(totals, err, c.out.String())
	}
}

// TestCombineWithADecoderOfSeveralFormats names the decoder: which of its formats a file is of shows in the file.
func TestCombineWithADecoderOfSeveralFormats(t *testing.T) {
	dir := night(t, filepath.Join(t.TempDir(), "trip"))
	write(t, filepath.Join(dir, "notes"), "a line that is no log\n")
	c := combining(dir)
	c.Registry, c.Decoder = fake{formats: []runtime.Format{{ID: "list"}}}, "lines"
	if totals, err := c.run(t.Context()); err != nil || totals != (Totals{Done: 2}) || c.err.Len() > 0 {
		t.Error(totals, err, c.out.String(), c.err.String())
	}
}

// TestInputNamedLikeATable has, beside the parts of a recording, an input whose folder would be where a table goes.
func TestInputNamedLikeATable(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(night(t, filepath.Join(root, "trip")), "lines.csv"), "LINES\nx\n")
	c := combining(root)
	c.To, c.Out = table.CSV, t.TempDir()
	if totals, err := c.run(t.Context()); err != nil || totals != (Totals{Done: 2}) {
		t.Error(totals, err, c.out.String())
	}
	for _, name := range []string{"trip/lines.csv", "trip/lines.csv-2/lines.csv"} {
		if info, err := os.Stat(filepath.Join(c.Out, name)); err != nil || info.IsDir() {
			t.Error(name, info, err)
		}
	}
}

// TestPartGoneMeanwhile: a recording with a hole is not passed off as whole.
func TestPartGoneMeanwhile(t *testing.T) {
	dir := night(t, t.TempDir())
	inputs, err := collect([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "000000.lines")); err != nil {
		t.Fatal(err)
	}
	c := &Config{Registry: fake{}}
	if a, err := c.assemble(t.Context(), inputs); !errors.Is(err, os.ErrNotExist) || a != nil {
		t.Error(a, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.assemble(ctx, inputs[1:]); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := c.combine(ctx, inputs[1:]); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := c.assemble(t.Context(), make([]input, runtime.MaxParts+1)); err == nil || !strings.Contains(err.Error(), "10,001 files") {
		t.Error(err)
	}
}

func TestManyPartsAreCutInASummary(t *testing.T) {
	got := partList(make([]runtime.Part, partsShown+2))
	if strings.Count(got, "\n") != partsShown+1 || !strings.HasSuffix(got, "(and 2 more parts)\n") || partList(nil) != "" {
		t.Errorf("got %s", got)
	}
}

func TestFolderNames(t *testing.T) {
	t.Chdir(night(t, filepath.Join(t.TempDir(), "trip")))
	c := combining(".")
	c.Out = filepath.Join(t.TempDir(), "out")
	if totals, err := c.run(t.Context()); err != nil || totals != (Totals{Done: 1}) {
		t.Fatal(totals, err, c.out.String())
	}
	if _, err := os.Stat(filepath.Join(c.Out, "trip", "lines.parquet")); err != nil {
		t.Error(err)
	}
	if name := folderName("/"); name != "recording" {
		t.Error(name)
	}
}
