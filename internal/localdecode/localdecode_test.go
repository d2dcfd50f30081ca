package localdecode

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/table"
)

// call is one run with the fake decoder.
type call struct {
	Config
	out, err bytes.Buffer
}

func newCall(paths ...string) *call {
	c := &call{}
	c.Config = Config{Paths: paths, Workers: 3, Stdin: strings.NewReader(""), Registry: fake{}, Pool: fake{}}
	return c
}

func (c *call) run(ctx context.Context) (Totals, error) {
	c.Stdout, c.Stderr = &c.out, &c.err
	return Run(ctx, c.Config)
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func wantText(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("%q is missing in:\n%s", p, got)
		}
	}
}

func TestSummary(t *testing.T) {
	dir := t.TempDir()
	good := write(t, filepath.Join(dir, "good.lines"), "LINES\nfirst\nsec\x1b[31mond\nthird\nfourth\n")
	cut := write(t, filepath.Join(dir, "cut.lines"), "LINES\nonly\nCUT\n")
	c := newCall(good, cut)
	totals, err := c.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Totals{Done: 1, Partial: 1}, totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	got := c.out.String()
	wantText(t, got,
		"good.lines (37 bytes)\n", "decoder   lines 1.2.3, recognised as line-log (confidence 1.00)\n",
		"status    done, 4 rows in 1ms\n", "  table   rows  columns\n  lines      4        3\n  empty      0        1\n  issues     0        7\n",
		"  lines: first 3 of 4 rows\n", "seq  length [By]  text\n      1            5  first\n", `sec\x1b[31mond`,
		"status    partial, 1 row in", "reason    the file ends early at byte 15 (truncated)\n",
		"2 inputs: 1 done, 1 partial, 0 failed\n")
	if strings.Contains(got, "\x1b") {
		t.Error("a value reached the terminal as a control sequence")
	}
	if strings.Index(got, "good.lines") > strings.Index(got, "cut.lines") {
		t.Error("summaries are not in the order of the inputs")
	}
}

func TestBadInputsDoNotStopOthers(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.lines": "LINES\nPANIC\n", "b.txt": "something else", "c.lines": "", "d.lines": "LINES\nCRASH\n", "e.lines": "LINES\nok\n", "f.lines": "LINES\n",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	write(t, filepath.Join(dir, ".hidden"), "LINES\nx\n")
	c := newCall(dir)
	totals, err := c.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Totals{Done: 1, Failed: 5}, totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	wantText(t, c.out.String(), "internal error: the fake panics", "no decoder recognises it (known formats: line-log .lines) (unknown_format)",
		"the file is empty (unknown_format)", "the decoder's process died (worker_crashed)", "no line (corrupt_record)")
	if strings.Contains(c.out.String(), ".hidden") {
		t.Error("a hidden file was decoded")
	}
}

func TestFolder(t *testing.T) {
	for _, form := range table.Formats() {
		t.Run(string(form), func(t *testing.T) {
			dir := t.TempDir()
			in := filepath.Join(dir, "in")
			write(t, filepath.Join(in, "x.lines"), "LINES\none\ntwice\n")
			write(t, filepath.Join(in, "sub", "x.lines"), "LINES\none\nCUT\n")
			write(t, filepath.Join(in, "bad"), "?")
			write(t, filepath.Join(in, "none.lines"), "LINES\n") // its decoder finds nothing
			out := filepath.Join(dir, "deep", "out")
			c := newCall(in, filepath.Join(in, "x.lines"))
			c.To, c.Out = form, out
			if form == table.Parquet {
				c.To = "" // the default with a folder
			}
			totals, err := c.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Totals{Done: 2, Partial: 1, Failed: 2}, totals); diff != "" {
				t.Errorf("totals (-want +got):\n%s", diff)
			}
			want := []string{}
			for _, folder := range []string{"sub/x.lines", "x.lines-2", "x.lines"} {
				for _, name := range []string{"empty", "issues", "lines"} {
					want = append(want, folder+"/"+name+"."+string(form))
				}
			}
			if diff := cmp.Diff(want, tree(t, out)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if form == table.CSV {
				data, err := os.ReadFile(filepath.Join(out, "x.lines", "lines.csv"))
				if err != nil || !strings.Contains(string(data), "1,3,one\r\n2,5,twice\r\n") && !strings.Contains(string(data), "1,3,one\n2,5,twice\n") {
					t.Errorf("lines.csv: %q, %v", data, err)
				}
			}
		})
	}
}

// tree lists every file below dir, hidden ones too.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && (!d.IsDir() || strings.HasPrefix(d.Name(), ".")) {
			rel, _ := filepath.Rel(dir, path)
			files = append(files, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

func TestFolderKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	in := write(t, filepath.Join(dir, "x.lines"), "LINES\none\n")
	own := write(t, filepath.Join(dir, "out", "x.lines", "notes.txt"), "mine")
	for range 2 {
		c := newCall(in)
		c.Out = filepath.Join(dir, "out")
		if totals, err := c.run(t.Context()); err != nil || !totals.Complete() {
			t.Fatal(totals, err, c.out.String())
		}
	}
	if data, err := os.ReadFile(own); string(data) != "mine" {
		t.Errorf("a file of the user is gone: %q, %v", data, err)
	}
	c := newCall(in)
	c.Out = dir // x.lines itself is in the way of its folder
	if _, err := c.run(t.Context()); !errcode.Is(err, errcode.ValidationFailed) {
		t.Errorf("got %v, want a usage error", err)
	}
	if data, err := os.ReadFile(in); string(data) != "LINES\none\n" {
		t.Errorf("the input was touched: %q, %v", data, err)
	}
}

func TestStream(t *testing.T) {
	dir := t.TempDir()
	a := write(t, filepath.Join(dir, "a.lines"), "LINES\none\ntwice\n")
	b := write(t, filepath.Join(dir, "b.lines"), "LINES\nthree\nCUT\n")
	t.Run("table", func(t *testing.T) {
		c := newCall(a)
		c.To, c.Tables = table.CSV, []string{"lines"}
		if _, err := c.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(c.out.String(), "\r", ""); got != "seq,length,text\n1,3,one\n2,5,twice\n" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("empty table", func(t *testing.T) {
		c := newCall(a)
		c.To, c.Tables = table.CSV, []string{"empty"}
		if _, err := c.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(c.out.String()); got != "seq" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("several inputs", func(t *testing.T) {
		c := newCall(a, b)
		c.To, c.Tables = table.NDJSON, []string{"lines"}
		totals, err := c.run(t.Context())
		if err != nil || totals.Partial != 1 {
			t.Fatal(totals, err)
		}
		wantText(t, c.out.String(), `"one"`, `"twice"`, `"three"`)
		if n := strings.Count(c.out.String(), "\n"); n != 3 {
			t.Errorf("%d lines, want 3", n)
		}
		wantText(t, c.err.String(), "b.lines: partial, 1 row, ", "the file ends early at byte 16 (truncated)")
	})
	t.Run("document from standard input", func(t *testing.T) {
		c := newCall("-")
		c.Stdin, c.To = strings.NewReader("LINES\none\nCUT\n"), table.JSON
		if _, err := c.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Decode description                 `json:"decode"`
			Tables map[string][]map[string]any `json:"tables"`
		}
		if err := json.Unmarshal(c.out.Bytes(), &doc); err != nil {
			t.Fatalf("%v in\n%s", err, c.out.String())
		}
		if doc.Decode.Status != "partial" || doc.Decode.Error.Code != "truncated" || doc.Decode.Decoder.ID != "lines" ||
			len(doc.Tables) != 3 || len(doc.Tables["lines"]) != 1 || doc.Tables["lines"][0]["text"] != "one" {
			t.Errorf("got %+v", doc)
		}
	})
	t.Run("unknown table", func(t *testing.T) {
		c := newCall(a)
		c.To, c.Tables = table.CSV, []string{"line"}
		totals, err := c.run(t.Context())
		if err != nil || totals.Failed != 1 {
			t.Fatal(totals, err)
		}
		wantText(t, c.err.String(), `decoder lines has no table "line"; it has lines, empty, issues (not_found)`)
	})
}

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "a.lines"), "LINES\none\n")
	for name, c := range map[string]Config{
		"nothing to decode":  {},
		"no such file":       {Paths: []string{filepath.Join(dir, "nope")}},
		"unknown form":       {Paths: []string{file}, To: "xml", Out: "-"},
		"no place":           {Paths: []string{file}, To: table.CSV},
		"no form":            {Paths: []string{file}, Out: "-"},
		"no table":           {Paths: []string{file}, To: table.CSV, Out: "-"},
		"no table name":      {Paths: []string{file}, To: table.CSV, Tables: []string{"../x"}},
		"stdin twice":        {Paths: []string{"-", "-"}},
		"several for stdout": {Paths: []string{file, file}, To: table.CSV, Tables: []string{"lines"}},
		"empty folder":       {Paths: []string{t.TempDir()}},
	} {
		c.Registry, c.Pool, c.Stdin = fake{}, fake{}, strings.NewReader("")
		var out, errs bytes.Buffer
		c.Stdout, c.Stderr = &out, &errs
		_, err := Run(t.Context(), c)
		if !errcode.Is(err, errcode.ValidationFailed) || out.Len()+errs.Len() > 0 {
			t.Errorf("%s: got %v, %q, %q", name, err, out.String(), errs.String())
		}
	}
}

func TestUnknownDecoderAndParameter(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "a.lines"), "LINES\none\n")
	c := newCall(file)
	c.Decoder = "nope"
	if totals, err := c.run(t.Context()); err != nil || totals.Failed != 1 {
		t.Fatal(totals, err)
	}
	wantText(t, c.out.String(), `no decoder or format "nope" (known formats: line-log .lines) (not_found)`)
	c = newCall(file)
	c.Decoder, c.Params = "line-log", map[string]string{"lower": "1"}
	if totals, err := c.run(t.Context()); err != nil || totals.Failed != 1 {
		t.Fatal(totals, err)
	}
	wantText(t, c.out.String(), "lower: no such parameter")
}

func TestRequestSaysWhatTablesAreMadeOf(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "a.lines"), "LINES\none\n")
	c := newCall(file)
	var req runtime.Request
	c.Pool = fake{seen: func(r runtime.Request) { req = r }}
	c.Params, c.Generator = map[string]string{"reveal": "true"}, "wayside test"
	if totals, err := c.run(t.Context()); err != nil || !totals.Complete() {
		t.Fatal(totals, err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("LINES\none\n")))
	want := map[string]string{
		"wayside.file.sha256": sum, "wayside.decoder.id": "lines", "wayside.decoder.version": "1.2.3",
		"wayside.decoder.sha256": fake{}.plugin().SHA256, "wayside.parameters": `{"reveal":true}`, "wayside.generator": "wayside test",
	}
	if diff := cmp.Diff(want, req.Options.Metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if req.SHA256 != sum || req.Size != 10 || !req.Reveal || req.Name != "a.lines" {
		t.Errorf("request: %+v", req)
	}
}

func TestWaitsForTheDecoderThatKnowsTheFormat(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "a.lines"), "LINES\none\n")
	for _, decoder := range []string{"", "lines"} {
		c := newCall(file)
		f := fake{compiling: &atomic.Bool{}}
		f.compiling.Store(true)
		c.Registry, c.Decoder = f, decoder
		if totals, err := c.run(t.Context()); err != nil || !totals.Complete() {
			t.Fatal(totals, err, c.out.String())
		}
		wantText(t, c.out.String(), "decoder   lines 1.2.3")
	}
}

func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	for i := range 40 {
		write(t, filepath.Join(dir, "in", fmt.Sprintf("%02d.lines", i)), "LINES\none\nSTALL\n")
	}
	write(t, filepath.Join(dir, "in", "00.lines"), "LINES\none\n")
	why := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := newCall(filepath.Join(dir, "in"))
	c.Out = filepath.Join(dir, "out")
	c.Stdout, c.Stderr = writerFunc(func(p []byte) (int, error) {
		cancel(why) // the first result is printed while others run
		return len(p), nil
	}), &c.err
	_, err := Run(ctx, c.Config)
	if !errors.Is(err, why) {
		t.Errorf("got %v, want it interrupted", err)
	}
	for _, f := range tree(t, c.Out) {
		if strings.HasPrefix(f, ".") {
			t.Errorf("%s is left behind", f)
		}
	}
}

func TestInterruptedWhileReadingStandardInput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	c := newCall("-")
	reading := make(chan struct{})
	c.Stdin = readerFunc(func(p []byte) (int, error) {
		close(reading)
		return r.Read(p)
	})
	go func() {
		<-reading
		cancel()
	}()
	if _, err := c.run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want it cancelled", err)
	}
	w.Close() // the reader that was left behind ends
}

func TestManyInputsKeepTheirOrder(t *testing.T) {
	dir := t.TempDir()
	want := ""
	for i := range 60 {
		write(t, filepath.Join(dir, fmt.Sprintf("%02d.lines", i)), fmt.Sprintf("LINES\nline %d\n", i))
		want += fmt.Sprintf("1,%d,line %d\n", len(fmt.Sprint(i))+5, i)
	}
	c := newCall(dir)
	c.To, c.Tables = table.NDJSON, []string{"lines"}
	totals, err := c.run(t.Context())
	if err != nil || totals.Done != 60 {
		t.Fatal(totals, err)
	}
	got := ""
	for line := range strings.Lines(c.out.String()) {
		var row struct {
			Seq    int    `json:"seq"`
			Length int    `json:"length"`
			Text   string `json:"text"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		got += fmt.Sprintf("%d,%d,%s\n", row.Seq, row.Length, row.Text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestBrokenPipe(t *testing.T) {
	dir := t.TempDir()
	for i := range 40 {
		write(t, filepath.Join(dir, fmt.Sprintf("%02d.lines", i)), "LINES\none\n")
	}
	broken := errors.New("broken pipe")
	c := newCall(dir)
	c.Stdout, c.Stderr = writerFunc(func([]byte) (int, error) { return 0, broken }), &c.err
	if _, err := Run(t.Context(), c.Config); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
