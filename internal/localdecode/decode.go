package localdecode

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/table"
)

// outcome is what became of one input.
type outcome struct {
	in        input
	size      int64
	parts     []runtime.Part   // of an input that has parts, once they are read
	notes     []runtime.Note   // what is wrong with the wrapping of its parts
	cut       *runtime.Failure // what is missing of them
	detection runtime.Detection
	plugin    runtime.Plugin
	result    *runtime.Result  // nil where no decoder ran
	failure   *runtime.Failure // why it is not done
	elapsed   time.Duration
	files     map[string]*os.File // tables with rows, by name, in files of ours
	text      string              // what a sink prepared for its put
	stopped   error               // the whole call ends: interrupted, or nowhere to write
	wrapped   string              // gzip, zstd, zip, tar; "" = the file is as it is
	stored    int64               // bytes of a wrapped file; size is without the wrapping then
	opened    bool                // what was found inside is decoded
	inside    insideTally
	spool     *os.File // documents of what was found inside; nil = none
}

// status gives how the decode ended.
func (o *outcome) status() runtime.Status {
	if o.result == nil || (o.failure != nil && o.result.Failure == nil) {
		return runtime.Failed
	}
	return o.result.Status
}

// discard closes the files. It may be called more than once.
func (o *outcome) discard() {
	for name, f := range o.files {
		_ = f.Close()
		delete(o.files, name)
	}
	if o.spool != nil {
		_ = o.spool.Close()
		o.spool = nil
	}
}

// fail notes why the input is not decoded.
func (o *outcome) fail(err error) {
	f := &runtime.Failure{Code: errcode.Of(err), Message: oneLine(err)}
	if disk.IsNoSpace(err) {
		f.Code = errcode.DiskFull
	}
	if e, ok := errors.AsType[*errcode.Error](err); ok {
		f.Offset = e.Offset
	}
	o.failure = f
}

// table gives the result of a table, nil where the decode does not have it.
func (o *outcome) table(name string) *runtime.TableResult {
	if o.result == nil {
		return nil
	}
	for i := range o.result.Tables {
		if o.result.Tables[i].Schema.Name == name {
			return &o.result.Tables[i]
		}
	}
	return nil
}

// decode decodes one input. It always gives an outcome: a fault in one input must not end the others.
func (c *Config) decode(ctx context.Context, in input, out sink, scr *progress.Screen) (o *outcome) {
	o = &outcome{in: in, size: max(in.size, 0), files: map[string]*os.File{}}
	began := time.Now()
	defer func() {
		if r := recover(); r != nil {
			o.fail(fmt.Errorf("internal error: %v", r))
		}
		o.elapsed = time.Since(began)
	}()
	err := c.decodeInto(ctx, o, out, scr)
	switch {
	case err == nil:
	case errStopped(ctx, err):
		o.stopped = fmt.Errorf("decode %s: %w", printable(in.shown), context.Cause(ctx))
	default:
		o.fail(err)
	}
	return o
}

func (c *Config) decodeInto(ctx context.Context, o *outcome, out sink, scr *progress.Screen) error {
	f, err := c.openInput(ctx, o)
	if err != nil {
		return err
	}
	defer f.Close()
	u, err := c.unwrap(ctx, f, o)
	if err != nil {
		return err
	}
	if u != nil {
		defer u.file.Close()
	}
	if o.in.depth == 0 {
		scr.Began(o.in.index, o.in.size, o.size)
	}
	if err := c.recognise(ctx, f, o, u); err != nil {
		return err
	}
	params, err := c.params(o)
	if err != nil {
		return fmt.Errorf("parameters of %s: %w", o.plugin.ID, err)
	}
	sum, err := o.identity(ctx, f)
	if err != nil {
		return err
	}
	if u != nil {
		if err := c.prepare(u, o); err != nil {
			return err
		}
	}
	metadata, err := c.metadata(o, sum, params)
	if err != nil {
		return err
	}
	req := runtime.Request{
		Plugin:  o.plugin.SHA256,
		Input:   f,
		Size:    o.size,
		SHA256:  sum,
		Name:    o.in.name,
		Parts:   o.parts,
		Notes:   o.notes,
		Cut:     o.cut,
		Params:  params,
		Reveal:  reveals(params),
		Form:    out.form(),
		Options: table.EncodeOptions{Metadata: metadata},
		Tables:  c.wanted(),
		Create:  func(s *table.Schema) (*os.File, error) { return o.create(s, out) },

		Progress: func(p runtime.Progress) {
			if o.in.depth == 0 {
				scr.Moved(o.in.index, p.BytesRead)
			}
		},
	}
	kids := &nest{}
	defer kids.remove()
	c.takeChildren(o, kids, out, &req)
	if u != nil {
		u.prep.Fill(&req)
		req.Input = u.file
	}
	res, err := c.Pool.Decode(ctx, req)
	if err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	o.result, o.failure = &res, res.Failure
	if err := c.checkTables(o); err != nil {
		return err
	}
	if err := out.finish(ctx, o); err != nil {
		return err
	}
	return c.decodeInside(ctx, o, kids, out, scr)
}

// params gives the parameters of a decode.
func (c *Config) params(o *outcome) (json.RawMessage, error) {
	if o.in.depth > 0 {
		return c.childParams(o.plugin.ID)
	}
	return c.Registry.Params(o.plugin.ID, c.Params) //nolint:wrapcheck // the caller says what was tried
}

// openInput opens the file of an input, or makes one of its parts.
func (c *Config) openInput(ctx context.Context, o *outcome) (f *os.File, err error) {
	if o.in.parts == nil {
		f, o.size, err = c.open(ctx, o.in)
		return f, err
	}
	a, err := c.assemble(ctx, o.in.parts)
	if err != nil {
		return nil, err
	}
	o.parts, o.size, o.notes, o.cut = a.parts, a.size, a.notes, a.cut
	return a.file, nil
}

// identity gives the SHA-256 that stands for the input: that of its bytes, or of its list of parts.
func (o *outcome) identity(ctx context.Context, f *os.File) (string, error) {
	if o.parts != nil {
		return runtime.PartsSHA256(o.parts), nil
	}
	return digest(ctx, f, o.size)
}

// digest hashes the input: decoders get their only randomness from it, and tables say what they were made of.
func digest(ctx context.Context, f *os.File, size int64) (string, error) {
	h := sha256.New()
	const step = 4 << 20 // between looks at ctx
	for at := int64(0); at < size; at += step {
		if ctx.Err() != nil {
			return "", fmt.Errorf("hash input: %w", context.Cause(ctx))
		}
		if _, err := io.Copy(h, io.NewSectionReader(f, at, min(step, size-at))); err != nil {
			return "", fmt.Errorf("hash input: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// reveals reports whether parameters ask for sensitive values. Who can read the file may see them.
func reveals(params json.RawMessage) bool {
	var p struct {
		Reveal bool `json:"reveal"`
	}
	return json.Unmarshal(params, &p) == nil && p.Reveal
}

// metadata is written into the footer of tables, as the appliance does.
func (c *Config) metadata(o *outcome, sum string, params json.RawMessage) (map[string]string, error) {
	m := map[string]string{
		"wayside.file.sha256":     sum,
		"wayside.decoder.id":      o.plugin.ID,
		"wayside.decoder.version": o.plugin.Version,
		"wayside.decoder.sha256":  o.plugin.SHA256,
		"wayside.parameters":      string(params),
		"wayside.generator":       c.Generator,
	}
	if o.parts != nil {
		list, err := json.Marshal(describeParts(o.parts))
		if err != nil {
			return nil, fmt.Errorf("list parts: %w", err)
		}
		m["wayside.parts"] = string(list)
	}
	return m, nil
}

// wanted gives the tables that are encoded: the named ones, all without names.
func (c *Config) wanted() []string {
	if len(c.Tables) == 0 {
		return nil
	}
	return c.Tables
}

// headBytes is how much of a file recognition looks at.
const headBytes = 64 << 10

// recognise finds the decoder and waits until it can be used.
func (c *Config) recognise(ctx context.Context, f *os.File, o *outcome, u *unwrapped) error {
	id := c.Decoder
	if o.in.depth > 0 {
		id = "" // named for what was named
	}
	switch {
	case id != "":
	case o.in.known.Decoder != "":
		o.detection, id = o.in.known, o.in.known.Decoder
	default:
		if o.size == 0 {
			return errcode.New(errcode.UnknownFormat, "the file is empty")
		}
		found, ok, err := c.detectInput(ctx, f, o, u)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("recognise format: %w", context.Cause(ctx))
		}
		if !ok {
			return errcode.New(errcode.UnknownFormat, "no decoder recognises it (known formats: "+c.known()+")")
		}
		o.detection, id = found, found.Decoder
	}
	p, ok := c.Registry.Get(id)
	if !ok {
		return errcode.Newf(errcode.NotFound, "no decoder or format %q (known formats: %s)", id, c.known())
	}
	if err := c.Registry.Wait(ctx, p.SHA256); err != nil {
		return fmt.Errorf("wait for decoder %s: %w", p.ID, err)
	}
	if now, ok := c.Registry.Get(id); ok && now.SHA256 == p.SHA256 {
		p = now // what its manifest says may be known only now
	}
	o.plugin = p
	return nil
}

// detectInput recognises an input by its first bytes, or by what is wrapped in it.
func (c *Config) detectInput(ctx context.Context, f *os.File, o *outcome, u *unwrapped) (runtime.Detection, bool, error) {
	if u != nil {
		return c.detectInside(ctx, u, o.in.name)
	}
	head := make([]byte, min(headBytes, o.size))
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return runtime.Detection{}, false, fmt.Errorf("read input: %w", err)
	}
	found, ok := c.detect(ctx, head, o.size, o.in.name)
	return found, ok, nil
}

// detect recognises a file. A decoder that is still being compiled may be the one that knows it: then it waits.
func (c *Config) detect(ctx context.Context, head []byte, size int64, name string) (runtime.Detection, bool) {
	waited := map[string]bool{}
	for {
		compiling := ""
		for _, p := range c.Registry.Plugins() {
			if p.State == runtime.Compiling && !waited[p.SHA256] {
				compiling = p.SHA256
			}
		}
		found, ok := c.Registry.Detect(ctx, head, size, name)
		if ok && found.Decoder != "" {
			return found, true
		}
		if compiling == "" || ctx.Err() != nil {
			return found, false
		}
		waited[compiling] = true
		// An error means that this one never will; the next look tells.
		if err := c.Registry.Wait(ctx, compiling); err != nil && ctx.Err() != nil {
			return found, false
		}
	}
}

// checkTables refuses names that the decode did not give. It comes after the decode: a decoder may declare tables of which
// its manifest knows nothing while it runs.
func (c *Config) checkTables(o *outcome) error {
	if o.in.depth > 0 || o.status() == runtime.Failed {
		return nil
	}
	names := make([]string, 0, len(o.result.Tables))
	for _, t := range o.result.Tables {
		names = append(names, t.Schema.Name)
	}
	for _, t := range c.Tables {
		if !slices.Contains(names, t) {
			return errcode.Newf(errcode.NotFound, "decoder %s has no table %q; it has %s", o.plugin.ID, t, strings.Join(names, ", "))
		}
	}
	return nil
}

// known lists the formats that can be decoded, with their usual file names.
func (c *Config) known() string {
	var names []string
	for _, p := range c.Registry.Plugins() {
		if p.State != runtime.Active && p.State != runtime.Compiling {
			continue
		}
		for _, f := range p.Formats {
			name := f.ID
			if len(f.Extensions) > 0 {
				name += " " + strings.Join(f.Extensions, " ")
			}
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none: this binary has no decoders"
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// create gives the pool a descriptor of the table's file. The file itself stays ours: the pool closes what it gets,
// and asks again, for an empty file, when it runs a decode once more.
func (o *outcome) create(s *table.Schema, out sink) (*os.File, error) {
	f := o.files[s.Name]
	if f == nil {
		var err error
		if f, err = out.create(o.in, s); err != nil {
			return nil, fmt.Errorf("make file of table %s: %w", s.Name, err)
		}
		o.files[s.Name] = f
	}
	if err := f.Truncate(0); err != nil {
		return nil, fmt.Errorf("empty file of table %s: %w", s.Name, err)
	}
	if _, err := f.Seek(0, 0); err != nil {
		return nil, fmt.Errorf("empty file of table %s: %w", s.Name, err)
	}
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return nil, fmt.Errorf("pass on file of table %s: %w", s.Name, err)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// oneLine gives an error's text on one line, safe for a terminal.
func oneLine(err error) string {
	return printable(strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; "))
}
