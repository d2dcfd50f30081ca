package decode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// Content is the bytes of a stored file without its wrapping, those that offsets count in.
type Content struct {
	file  *os.File
	spans []span // back to back
	size  int64
}

// span is where some of the bytes lie in the file.
type span struct{ start, at, size int64 }

// Unwrapped unwraps a stored file for reading; the caller closes the result. Of a bundle it is the parts that the file is
// recorded with, back to back. A file that is not wrapped is given as it is.
func (d *Decoder) Unwrapped(ctx context.Context, f catalog.File) (*Content, error) {
	input, err := d.Blobs.Open(f.SHA256)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	if f.Wrapped == "" || d.Unwrapper == nil {
		return &Content{file: input, spans: []span{{0, 0, f.Size}}, size: f.Size}, nil
	}
	u, err := d.unwrap(ctx, wrapped{input: input, size: f.Size})
	d.close(ctx, input)
	if r, ok := errors.AsType[*refusal](err); ok {
		return nil, errcode.Newf(errcode.Conflict, "the file cannot be unwrapped: %s; raw=true shows the stored bytes", r.Message)
	}
	if err != nil {
		return nil, err
	}
	if u == nil {
		return nil, errcode.New(errcode.Conflict, "the file is not wrapped any more: raw=true shows the stored bytes")
	}
	c := &Content{file: u.file}
	if !u.Bundle {
		c.add(0, u.Size)
		return c, nil
	}
	at := map[string]span{}
	for _, e := range u.Entries {
		at[e.Name] = span{at: e.At, size: e.Size}
	}
	for _, p := range f.Parts {
		c.add(at[p.Name].at, at[p.Name].size)
	}
	return c, nil
}

func (c *Content) add(at, size int64) {
	c.spans = append(c.spans, span{c.size, at, size})
	c.size += size
}

// Size gives the number of bytes.
func (c *Content) Size() int64 { return c.size }

// Close lets go of the bytes.
func (c *Content) Close() error {
	if err := c.file.Close(); err != nil {
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
