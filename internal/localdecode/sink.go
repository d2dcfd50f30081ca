package localdecode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/table"
)

// sink is where the tables go. create and finish are called by decoders, several at a time, but never twice at once
// for one input; the others by the printer alone.
type sink interface {
	form() table.Format
	// create makes an empty file for a table of an input.
	create(in input, s *table.Schema) (*os.File, error)
	// finish does what remains after a decode that has a verdict.
	finish(ctx context.Context, o *outcome) error
	// opens reports whether files found inside inputs are decoded too; adopt then keeps what became of one, child, with
	// the outcome that it was found in. It is called by the decoder of the input, after finish.
	opens() bool
	adopt(parent, child *outcome) error
	// put prints the outcome or passes it on; outcomes come in the order of the inputs.
	put(o *outcome, scr *progress.Screen) error
	total(scr *progress.Screen, t *tally) error
	close() error
}

func openSink(c *Config, inputs []input) (sink, error) {
	switch c.Out {
	case "":
		return &summarySink{cfg: c}, nil
	case "-":
		return &streamSink{cfg: c}, nil
	}
	return openFolder(c, inputs)
}

// folderSink writes one folder an input: <Out>/<input>/<table>.<form>. Files are written in a hidden staging folder
// beside them and renamed when the decode has ended, so that a table is there whole or not at all.
type folderSink struct {
	cfg     *Config
	staging string
}

func openFolder(c *Config, inputs []input) (*folderSink, error) {
	for _, in := range inputs {
		dir := filepath.Join(c.Out, in.out)
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			return nil, errcode.Invalid("--output", "%s is a file, so the tables of %s cannot go there: choose another folder",
				printable(dir), printable(in.shown))
		}
	}
	if err := disk.MkdirAll(disk.OS, c.Out, 0o755); err != nil {
		return nil, fmt.Errorf("make output folder: %w", err)
	}
	staging, err := os.MkdirTemp(c.Out, ".wayside-")
	if err != nil {
		return nil, fmt.Errorf("make staging folder: %w", err)
	}
	return &folderSink{cfg: c, staging: staging}, nil
}

func (s *folderSink) form() table.Format { return s.cfg.To }

func (s *folderSink) create(in input, sc *table.Schema) (*os.File, error) {
	dir := filepath.Join(s.staging, in.out)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make staging folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, s.file(sc.Name)), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644) //nolint:gosec // the user's own files
	if err != nil {
		return nil, fmt.Errorf("make staging file: %w", err)
	}
	return f, nil
}

func (s *folderSink) file(name string) string { return name + "." + string(s.cfg.To) }

// finish gives every table its lasting name, also those without rows, so that readers find the same files whatever a
// recording holds.
func (s *folderSink) finish(_ context.Context, o *outcome) error {
	if o.status() == runtime.Failed {
		return nil
	}
	final := filepath.Join(s.cfg.Out, o.in.out)
	if err := disk.MkdirAll(disk.OS, final, 0o755); err != nil {
		return fmt.Errorf("make output folder: %w", err)
	}
	for _, t := range s.cfg.tables(o) {
		f := o.files[t.Schema.Name]
		if f == nil {
			var err error
			if f, err = s.create(o.in, t.Schema); err != nil {
				return err
			}
			o.files[t.Schema.Name] = f
			if err := encodeEmpty(s.cfg.To, f, t.Schema); err != nil {
				return err
			}
		}
		if err := disk.Datasync(f); err != nil {
			return fmt.Errorf("sync table: %w", err)
		}
	}
	for _, t := range s.cfg.tables(o) {
		name := s.file(t.Schema.Name)
		if err := disk.Rename(disk.OS, filepath.Join(s.staging, o.in.out, name), filepath.Join(final, name)); err != nil {
			return fmt.Errorf("name table: %w", err)
		}
	}
	return nil
}

func (s *folderSink) put(o *outcome, scr *progress.Screen) error { return scr.Print(s.lines(o)) }

// lines says what became of an input and of what was found inside it.
func (s *folderSink) lines(o *outcome) string {
	line := statusLine(o)
	if o.status() != runtime.Failed {
		line += " -> " + printable(filepath.Join(s.cfg.Out, o.in.out)) + string(filepath.Separator)
	}
	return line + "\n" + twinLines(o.in.twins) + childLines(o) + o.text
}

func (s *folderSink) total(scr *progress.Screen, t *tally) error { return printTotal(scr, t) }

func (s *folderSink) close() error {
	if err := os.RemoveAll(s.staging); err != nil {
		return fmt.Errorf("remove staging folder: %w", err)
	}
	return nil
}

// streamSink writes one table of an input to standard output, or all of them as one JSON document.
type streamSink struct{ cfg *Config }

func (s *streamSink) form() table.Format { return s.cfg.To }

func (s *streamSink) create(input, *table.Schema) (*os.File, error) { return unlinked() }

func (s *streamSink) finish(_ context.Context, o *outcome) error {
	if o.status() == runtime.Failed {
		return nil
	}
	if len(s.cfg.Tables) == 1 && o.table(s.cfg.Tables[0]) == nil {
		return errcode.Newf(errcode.NotFound, "the decode has no table %q", s.cfg.Tables[0])
	}
	return nil
}

func (s *streamSink) put(o *outcome, scr *progress.Screen) error {
	var err error
	switch {
	case s.whole():
		err = s.document(s.cfg.Stdout, o)
	case o.status() != runtime.Failed:
		err = s.table(s.cfg.Stdout, o, *o.table(s.cfg.Tables[0]))
	}
	if err != nil {
		return fmt.Errorf("write standard output: %w", err)
	}
	note := twinLines(o.in.twins) + childLines(o)
	if o.status() != runtime.Done {
		note = statusLine(o) + "\n" + note
	}
	if note == "" {
		return nil
	}
	return scr.Note(note)
}

// whole reports whether all tables go into one document.
func (s *streamSink) whole() bool { return s.cfg.To == table.JSON && len(s.cfg.Tables) != 1 }

// table copies one table, or makes it where it has no rows.
func (s *streamSink) table(w io.Writer, o *outcome, t runtime.TableResult) error {
	f := o.files[t.Schema.Name]
	if f == nil {
		return encodeEmpty(s.cfg.To, w, t.Schema)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read table: %w", err)
	}
	if _, err := io.Copy(w, f); err != nil {
		return fmt.Errorf("copy table: %w", err)
	}
	return nil
}

// document writes {"decode": …, "tables": {name: rows}}, as POST /api/v1/decode does, and "children" with a document of each
// file that was found inside, where there are any.
func (s *streamSink) document(w io.Writer, o *outcome) error {
	head, err := json.Marshal(describe(o))
	if err != nil {
		return fmt.Errorf("describe decode: %w", err)
	}
	if _, err := fmt.Fprintf(w, "{\"decode\": %s,\n\"tables\": {", head); err != nil {
		return err
	}
	for i, t := range s.cfg.tables(o) {
		sep := ""
		if i > 0 {
			sep = ","
		}
		if _, err := fmt.Fprintf(w, "%s\n%q: ", sep, t.Schema.Name); err != nil {
			return err
		}
		if err := s.table(w, o, t); err != nil {
			return err
		}
	}
	if err := s.children(w, o); err != nil {
		return err
	}
	_, err = io.WriteString(w, "}\n")
	return err
}

// children ends the tables of a document and writes those of the files found inside.
func (s *streamSink) children(w io.Writer, o *outcome) error {
	if _, err := io.WriteString(w, "}"); err != nil || o.spool == nil {
		return err
	}
	if _, err := o.spool.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read document: %w", err)
	}
	if _, err := io.WriteString(w, ",\n\"children\": [\n"); err != nil {
		return err
	}
	if _, err := io.Copy(w, o.spool); err != nil {
		return fmt.Errorf("copy document: %w", err)
	}
	_, err := io.WriteString(w, "]")
	return err
}

func (s *streamSink) total(*progress.Screen, *tally) error { return nil }

func (s *streamSink) close() error { return nil }

// tables gives the tables of an outcome that the user wants, in the decoder's order.
func (c *Config) tables(o *outcome) []runtime.TableResult {
	if o.result == nil {
		return nil
	}
	if len(c.Tables) == 0 {
		return o.result.Tables
	}
	var wanted []runtime.TableResult
	for _, t := range o.result.Tables {
		if slices.Contains(c.Tables, t.Schema.Name) {
			wanted = append(wanted, t)
		}
	}
	return wanted
}

// encodeEmpty writes a table without rows, which is complete in every form.
func encodeEmpty(form table.Format, w io.Writer, s *table.Schema) error {
	enc, err := table.NewEncoder(form, w, s, table.EncodeOptions{})
	if err != nil {
		return fmt.Errorf("write empty table: %w", err)
	}
	if err := enc.Close(); err != nil {
		return fmt.Errorf("write empty table: %w", err)
	}
	return nil
}

// description is the "decode" of a JSON document.
type description struct {
	Name     string              `json:"name"`
	Size     int64               `json:"size"`
	Parts    []partEntry         `json:"parts,omitempty"` // of a recording that came as several files
	Format   *string             `json:"format"`
	Decoder  *decoderName        `json:"decoder"`
	Status   runtime.Status      `json:"status"`
	Rows     int64               `json:"rows"`
	Tables   []tableCount        `json:"tables"`
	Issues   runtime.IssueCounts `json:"issues"`
	Error    *runtime.Failure    `json:"error"`
	Duration float64             `json:"duration"`
}

type decoderName struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
}

type tableCount struct {
	Name    string `json:"name"`
	Rows    int64  `json:"rows"`
	Columns int    `json:"columns"`
}

func describe(o *outcome) description {
	d := description{Name: o.in.name, Size: o.size, Status: o.status(), Error: o.failure, Duration: o.elapsed.Seconds(), Tables: []tableCount{}}
	d.Parts = describeParts(o.parts)
	if o.detection.Format != "" {
		d.Format = &o.detection.Format
	}
	if o.plugin.ID != "" {
		d.Decoder = &decoderName{ID: o.plugin.ID, Version: o.plugin.Version, SHA256: o.plugin.SHA256}
	}
	if r := o.result; r != nil {
		d.Rows, d.Issues, d.Duration = r.Rows, r.Issues, r.Duration.Seconds()
		for _, t := range r.Tables {
			d.Tables = append(d.Tables, tableCount{Name: t.Schema.Name, Rows: t.Rows, Columns: len(t.Schema.Columns)})
		}
	}
	return d
}

// statusLine says in one line what became of an input.
func statusLine(o *outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", printable(o.in.shown), o.status())
	if r := o.result; r != nil && o.status() != runtime.Failed {
		fmt.Fprintf(&b, ", %s, %s", plural(r.Rows, "row"), elapsed(o.elapsed))
	}
	if o.failure != nil {
		fmt.Fprintf(&b, ": %s", failureText(o.failure))
	}
	return b.String()
}

func failureText(f *runtime.Failure) string {
	at := ""
	if f.Offset != nil {
		at = fmt.Sprintf(" at byte %s", progress.Count(*f.Offset))
	}
	return fmt.Sprintf("%s%s (%s)", printable(f.Message), at, f.Code)
}

// printTotal ends the output for more than one input.
func printTotal(scr *progress.Screen, t *tally) error {
	if t.inputs < 2 && t.inside.files == 0 {
		return nil
	}
	text := plural(int64(t.inputs), "input")
	if n := t.inside.files; n > 0 {
		text += " and " + plural(int64(n), "file") + " inside"
	}
	text += fmt.Sprintf(": %d done, %d partial, %d failed", t.Done, t.Partial, t.Failed)
	if n := t.inside.unknown; n > 0 {
		text += fmt.Sprintf(", %d inside of no known format", n)
	}
	text += "\n"
	if n := t.combinable(); n > 0 {
		text += fmt.Sprintf("hint: %s can follow each other: --combine decodes those of one folder as one recording\n", plural(int64(n), "file"))
	}
	if err := scr.Print(text); err != nil {
		return errors.Join(errors.New("write summary"), err)
	}
	return nil
}
