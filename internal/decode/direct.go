package decode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/wayside-edge/wayside/internal/blob"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/table"
)

// MaxWhole is the largest input, in bytes, of which Direct gives all tables in one JSON document.
const MaxWhole = 64 << 20

// directCompileWait bounds how long a caller of Direct waits for a decoder that is being compiled.
const directCompileWait = 30 * time.Second

// DirectRequest is one decode whose tables go straight to the caller.
type DirectRequest struct {
	Body     io.Reader
	Name     string
	Decoder  string            // plugin or format id; "" = find out
	Params   map[string]string // of the decoder
	To       table.Format
	Table    string // "" = with To JSON all tables in one document, else the decoder's first table
	Limit    int64  // most bytes of input; 0 = no limit
	Options  table.EncodeOptions
	LogAttrs []any
}

// DirectInfo describes the answer of Direct before its first byte.
type DirectInfo struct {
	Table  string         // the one table that is written, "" = all
	Status runtime.Status // done or partial
	Issues runtime.IssueCounts
	// Children counts the files that the decoder found inside the recording: they are neither kept nor decoded.
	Children int
}

// info describes a result.
func info(res runtime.Result, name string) DirectInfo {
	return DirectInfo{Table: name, Status: res.Status, Issues: res.Issues, Children: len(res.Children)}
}

// nowhere takes a file that a decoder finds, and keeps nothing of it.
func nowhere(int) (*os.File, error) {
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("open a file that keeps nothing: %w", err)
	}
	return f, nil
}

// Direct decodes r.Body and writes the wanted table to w; nothing of it is kept. begin is called once, before the
// first byte. An error before that has the code for the caller: unknown_format, decode_failed with the offset,
// too_large, validation_failed.
func (d *Decoder) Direct(ctx context.Context, r DirectRequest, begin func(DirectInfo), w io.Writer) error {
	whole := r.To == table.JSON && r.Table == ""
	if whole && (r.Limit == 0 || r.Limit > MaxWhole) {
		r.Limit = MaxWhole
	}
	input, b, err := d.Blobs.Temp(ctx, r.Body, r.Limit)
	if err != nil {
		return fmt.Errorf("receive recording: %w", err)
	}
	defer d.close(ctx, input)
	u, err := d.unwrapDirect(ctx, input, b, whole)
	if err != nil {
		return err
	}
	if u != nil {
		defer d.close(ctx, u.file)
	}
	pl, format, err := d.choose(ctx, r, b, u)
	if err != nil {
		return err
	}
	params, err := d.Registry.Params(pl.ID, r.Params)
	if err != nil {
		return fmt.Errorf("check parameters: %w", err)
	}
	if !whole && r.Table == "" {
		r.Table = firstTable(pl)
	}
	out := newOutputs(d.TempDir)
	defer out.close()
	req := runtime.Request{
		Plugin: pl.SHA256, Input: input, Size: b.Size, SHA256: b.SHA256, Name: r.Name, Params: params, Form: r.To,
		Options: r.Options, LogAttrs: r.LogAttrs, Create: out.create, CreateChild: nowhere,
	}
	if !whole {
		req.Tables = []string{r.Table}
	}
	if u != nil {
		p, err := d.prepare(u, r.Name, pl)
		if err != nil {
			return directRefusal(err)
		}
		p.Fill(&req)
		req.Input = u.file
	}
	res, err := d.runDirect(ctx, format, req)
	if err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	if res.Status == runtime.Failed {
		e := errcode.Newf(errcode.DecodeFailed, "%s: %s", res.Failure.Code, res.Failure.Message)
		e.Offset = res.Failure.Offset
		return e
	}
	if whole {
		begin(info(res, ""))
		return out.writeWhole(w, document{Decode: summary(pl, format, params, res), res: res})
	}
	return d.writeTable(r, res, out, begin, w)
}

// runDirect decodes, and counts it as one recording that came in and was decoded. One whose caller has gone is no decode.
func (d *Decoder) runDirect(ctx context.Context, format string, req runtime.Request) (runtime.Result, error) {
	if d.Recorder != nil {
		d.Recorder.FileReceived(format, req.Size)
	}
	began := d.Now()
	res, err := d.Pool.Decode(ctx, req)
	if ctx.Err() == nil {
		d.count(ctx, format, err == nil && res.Status != runtime.Failed, d.Now().Sub(began))
	}
	return res, err //nolint:wrapcheck // the caller does
}

// choose finds the decoder, and waits until it can be used.
func (d *Decoder) choose(ctx context.Context, r DirectRequest, b blob.Blob, u *unwrapped) (pl runtime.Plugin, format string, err error) {
	id := r.Decoder
	if id == "" {
		found, ok, err := d.detect(ctx, r.Name, b, u)
		if err != nil {
			return pl, "", err
		}
		if !ok {
			return pl, "", errcode.New(errcode.UnknownFormat, "no decoder knows this format")
		}
		id, format = found.Decoder, found.Format
	}
	pl, ok := d.Registry.Get(id)
	if !ok {
		return pl, "", errcode.Invalid("decoder", "no decoder or format %q is installed", id)
	}
	if pl.State == runtime.Disabled {
		return pl, "", errcode.Newf(errcode.DecoderDisabled, "decoder %s is disabled", pl.ID)
	}
	if format == "" && len(pl.Formats) > 0 {
		format = pl.Formats[0].ID
	}
	busy := errcode.New(errcode.Unavailable, "the decoder is still being compiled")
	busy.RetryAfter = compileDelay
	wait, cancel := context.WithTimeoutCause(ctx, directCompileWait, busy)
	defer cancel()
	if err := d.Registry.Wait(wait, pl.SHA256); err != nil {
		return pl, "", fmt.Errorf("wait for decoder %s: %w", pl.ID, err)
	}
	return pl, format, nil
}

func firstTable(pl runtime.Plugin) string {
	if len(pl.Tables) == 0 {
		return table.Issues().Name
	}
	return pl.Tables[0].Name
}

// writeTable writes one table, from its schema alone if nothing was emitted.
func (d *Decoder) writeTable(r DirectRequest, res runtime.Result, out *outputs, begin func(DirectInfo), w io.Writer) error {
	for _, t := range res.Tables {
		if t.Schema.Name != r.Table {
			continue
		}
		begin(info(res, r.Table))
		if t.Rows > 0 {
			return out.copy(w, r.Table)
		}
		enc, err := table.NewEncoder(r.To, w, t.Schema, r.Options)
		if err != nil {
			return fmt.Errorf("write empty table: %w", err)
		}
		if err := enc.Close(); err != nil {
			return fmt.Errorf("write empty table: %w", err)
		}
		return nil
	}
	return errcode.Invalid("table", "the decoder has no table %q", r.Table)
}

// document is all tables of a decode in one JSON value.
type document struct {
	Decode directDecode
	res    runtime.Result
}

// directDecode describes a decode that is not recorded: a Decode of the HTTP API without ids and times.
type directDecode struct {
	Decoder   directDecoder       `json:"decoder"`
	Format    string              `json:"format"`
	Params    json.RawMessage     `json:"params"`
	Status    runtime.Status      `json:"status"`
	BytesRead int64               `json:"bytes_read"`
	Rows      int64               `json:"rows"`
	Tables    []directTable       `json:"tables"`
	Issues    runtime.IssueCounts `json:"issues"`
	Children  int                 `json:"child_count"` // files found inside, neither kept nor decoded
	Error     *runtime.Failure    `json:"error"`
	Duration  float64             `json:"duration"`
}

type directDecoder struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
}

type directTable struct {
	Name    string `json:"name"`
	Rows    int64  `json:"rows"`
	Columns int    `json:"columns"`
}

func summary(pl runtime.Plugin, format string, params json.RawMessage, res runtime.Result) directDecode {
	s := directDecode{
		Decoder: directDecoder{pl.ID, pl.Version, pl.SHA256}, Format: format, Params: params, Status: res.Status,
		BytesRead: res.BytesRead, Rows: res.Rows, Tables: make([]directTable, len(res.Tables)), Issues: res.Issues,
		Children: len(res.Children), Error: res.Failure, Duration: res.Duration.Seconds(),
	}
	for i, t := range res.Tables {
		s.Tables[i] = directTable{t.Schema.Name, t.Rows, len(t.Schema.Columns)}
	}
	return s
}

// outputs are the temporary files of a direct decode: they have no name and go when they are closed.
type outputs struct {
	dir   string
	files map[string]*os.File
}

func newOutputs(dir string) *outputs { return &outputs{dir: dir, files: map[string]*os.File{}} }

// create gives a second descriptor of a table's file, since the pool closes the one it gets.
func (o *outputs) create(s *table.Schema) (*os.File, error) {
	if f := o.files[s.Name]; f != nil {
		delete(o.files, s.Name)
		if err := f.Close(); err != nil {
			return nil, fmt.Errorf("empty table file: %w", err)
		}
	}
	f, err := os.CreateTemp(o.dir, table.PassingPattern) // its name goes at once, unless the process ends in between
	if err != nil {
		return nil, fmt.Errorf("create table file: %w", err)
	}
	again, err := os.OpenFile(f.Name(), os.O_RDWR, 0)
	err = errors.Join(err, os.Remove(f.Name()))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create table file: %w", err), f.Close())
	}
	o.files[s.Name] = f
	return again, nil
}

func (o *outputs) copy(w io.Writer, name string) error {
	f := o.files[name]
	if f == nil {
		return errcode.Newf(errcode.Internal, "table %s was not written", name)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read table %s: %w", name, err)
	}
	if _, err := io.Copy(w, f); err != nil {
		return fmt.Errorf("send table %s: %w", name, err)
	}
	return nil
}

func (o *outputs) writeWhole(w io.Writer, doc document) error {
	head, err := json.Marshal(doc.Decode)
	if err != nil {
		return fmt.Errorf("encode decode: %w", err)
	}
	p := &printer{w: w}
	p.print(`{"decode":`, string(head), `,"tables":{`)
	for i, t := range doc.res.Tables {
		if i > 0 {
			p.print(",")
		}
		p.print(`"`, t.Schema.Name, `":`)
		if t.Rows == 0 {
			p.print("[]")
			continue
		}
		if p.err == nil {
			p.err = o.copy(w, t.Schema.Name)
		}
	}
	p.print("}}\n")
	return p.err
}

func (o *outputs) close() {
	for _, f := range o.files {
		_ = f.Close() // it has no name: nothing of it is left, whatever Close says
	}
}

// printer writes text until the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) print(parts ...string) {
	for _, s := range parts {
		if p.err == nil {
			_, p.err = io.WriteString(p.w, s)
		}
	}
}
