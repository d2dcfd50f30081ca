package decode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// Content is the bytes of a stored file without its wrapping, those that offsets count in.
type Content struct {
	file  *os.File
	spans []span // back to back
	size  int64
	close func() error
}

// span is where some of the bytes lie in the file.
type span struct{ start, at, size int64 }

// Unwrapped unwraps a stored file for reading; the caller closes the result. Of a bundle it is the parts that the file is
// recorded with, back to back; where the record lists not all of them, they are chosen again. A file that is not wrapped
// is given as it is.
func (d *Decoder) Unwrapped(ctx context.Context, f catalog.File) (*Content, error) {
	if f.Wrapped == "" || d.Unwrapper == nil {
		input, err := d.Blobs.Open(f.SHA256)
		if err != nil {
			return nil, fmt.Errorf("open recording: %w", err)
		}
		return &Content{file: input, spans: []span{{0, 0, f.Size}}, size: f.Size, close: input.Close}, nil
	}
	k := d.shelf.take(f.SHA256)
	if k == nil {
		u, err := d.unwrapStored(ctx, f)
		if err != nil {
			return nil, err
		}
		if k, err = d.shelf.put(f.SHA256, u); err != nil {
			d.Logger.WarnContext(ctx, "unwrapped recording not closed", "error", err)
		}
	}
	c := &Content{file: k.file, close: func() error { return d.shelf.leave(k) }}
	if err := d.lay(ctx, c, k.unwrapped, f); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// unwrapStored unwraps a stored file. What is kept for other looks makes room on a full disk.
func (d *Decoder) unwrapStored(ctx context.Context, f catalog.File) (*unwrapped, error) {
	input, err := d.Blobs.Open(f.SHA256)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	defer d.close(ctx, input)
	u, err := d.unwrap(ctx, wrapped{input: input, size: f.Size})
	if errcode.Is(err, errcode.DiskFull) {
		d.clearShelf(ctx, time.Now())
		u, err = d.unwrap(ctx, wrapped{input: input, size: f.Size})
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		return nil, errcode.Newf(errcode.Conflict, "the file cannot be unwrapped: %s; raw=true shows the stored bytes", r.Message)
	}
	if err != nil {
		return nil, err
	}
	if u == nil {
		return nil, errcode.New(errcode.Conflict, "the file is not wrapped any more: raw=true shows the stored bytes")
	}
	return u, nil
}

// lay puts the bytes that offsets count in back to back.
func (d *Decoder) lay(ctx context.Context, c *Content, u *unwrapped, f catalog.File) error {
	if !u.Bundle {
		c.add(0, u.Size)
		return nil
	}
	if f.PartCount > len(f.Parts) {
		return d.layChosen(ctx, c, u, f)
	}
	at := map[string]span{}
	for _, e := range u.Entries {
		at[e.Name] = span{at: e.At, size: e.Size}
	}
	for _, p := range f.Parts {
		c.add(at[p.Name].at, at[p.Name].size)
	}
	return nil
}

// layChosen lays the parts of a file whose record lists only the first of them: those that its decoder chooses, or all
// entries where it has none. What is listed must be among them: another decoder might choose others.
func (d *Decoder) layChosen(ctx context.Context, c *Content, u *unwrapped, f catalog.File) error {
	parts := make([]part, 0, len(u.Entries))
	pl, ok, err := d.chooser(ctx, f)
	if err != nil {
		return err
	}
	if ok {
		p, err := d.prepare(u, f.Name, pl)
		if r, ok := errors.AsType[*refusal](err); ok {
			return errcode.Newf(errcode.Conflict, "the parts of the file cannot be found: %s; raw=true shows the stored bytes", r.Message)
		}
		if err != nil {
			return err
		}
		for i, one := range p.Parts {
			parts = append(parts, part{catalog.Part{Name: p.Paths[i], Size: one.Size, SHA256: one.SHA256}, one.At})
		}
	} else {
		for _, e := range u.Entries {
			parts = append(parts, part{catalog.Part{Name: e.Name, Size: e.Size, SHA256: e.SHA256}, e.At})
		}
	}
	same := len(parts) == f.PartCount
	for i := range f.Parts {
		same = same && f.Parts[i] == parts[i].Part
	}
	if !same {
		return errcode.New(errcode.Conflict, "the decoder that chose the parts of the file is not there any more: raw=true shows the stored bytes")
	}
	for _, one := range parts {
		c.add(one.at, one.Size)
	}
	return nil
}

// part is a part of a bundle and where it lies in what was unwrapped.
type part struct {
	catalog.Part
	at int64
}

// chooser gives the decoder that the parts of a file were chosen for: that of its oldest decode that had one, else the
// one of its format. false = it has none.
func (d *Decoder) chooser(ctx context.Context, f catalog.File) (runtime.Plugin, bool, error) {
	ids, err := d.Catalog.DecodesOf(ctx, f.ID)
	if err != nil {
		return runtime.Plugin{}, false, fmt.Errorf("find decoder of file: %w", err)
	}
	want := f.Format
	for _, id := range ids {
		rec, err := d.Catalog.Decode(ctx, id)
		if err != nil && !errcode.Is(err, errcode.NotFound) {
			return runtime.Plugin{}, false, fmt.Errorf("find decoder of file: %w", err)
		}
		if err == nil && rec.Decoder != nil {
			want = rec.Decoder.ID
			break
		}
	}
	if want == "" {
		return runtime.Plugin{}, false, nil
	}
	pl, ok := d.Registry.Get(want)
	if !ok {
		return pl, false, errcode.Newf(errcode.Conflict, "the parts of the file are chosen by %s, which is not installed: raw=true shows the stored bytes", want)
	}
	return pl, true, nil
}

func (c *Content) add(at, size int64) {
	c.spans = append(c.spans, span{c.size, at, size})
	c.size += size
}

// Size gives the number of bytes.
func (c *Content) Size() int64 { return c.size }

// Close lets go of the bytes.
func (c *Content) Close() error {
	if err := c.close(); err != nil {
		return fmt.Errorf("close unwrapped recording: %w", err)
	}
	return nil
}

// ReadAt reads bytes across parts.
func (c *Content) ReadAt(p []byte, off int64) (n int, err error) {
	for _, s := range c.spans {
		if n == len(p) {
			return n, nil
		}
		if inside := off + int64(n) - s.start; inside >= 0 && inside < s.size {
			k, err := c.file.ReadAt(p[n:n+int(min(int64(len(p)-n), s.size-inside))], s.at+inside)
			if n += k; err != nil && !errors.Is(err, io.EOF) {
				return n, fmt.Errorf("read unwrapped recording: %w", err)
			}
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
