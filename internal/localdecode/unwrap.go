package localdecode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// Unwrapper takes files out of what they are wrapped in; *Engine is one.
type Unwrapper interface {
	Unpack(ctx context.Context, req runtime.UnpackRequest) (runtime.Unpacked, error)
	Recognise(ctx context.Context, u *runtime.Unpacked, out io.ReaderAt, name string, together bool) (runtime.Detection, bool, error)
	Prepare(u *runtime.Unpacked, out io.ReaderAt, name string, p runtime.Plugin) (runtime.Prepared, error)
}

// unwrapped is an input without its wrapping, in a file that has no name.
type unwrapped struct {
	runtime.Unpacked
	file *os.File
	prep runtime.Prepared
}

// unwrap unwraps an input; the caller closes the result. nil = it is not wrapped.
func (c *Config) unwrap(ctx context.Context, f *os.File, o *outcome) (*unwrapped, error) {
	if c.Unwrapper == nil || o.in.parts != nil || o.size == 0 {
		return nil, nil //nolint:nilnil // it is as it is
	}
	head := make([]byte, min(headBytes, o.size))
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read input: %w", err)
	}
	if !runtime.MaybeWrapped(head) {
		return nil, nil //nolint:nilnil // it is as it is
	}
	u, err := c.unpack(ctx, runtime.UnpackRequest{Input: f, Size: o.size})
	if err != nil || u == nil {
		return nil, err
	}
	o.wrapped, o.stored = u.Wrapped, o.size
	return u, nil
}

// unpack unwraps a file into one that has no name; the caller closes the result. nil = it is not wrapped.
func (c *Config) unpack(ctx context.Context, req runtime.UnpackRequest) (*unwrapped, error) {
	out, err := unlinked()
	if err != nil {
		return nil, err
	}
	u := &unwrapped{file: out}
	req.Output = out
	u.Unpacked, err = c.Unwrapper.Unpack(ctx, req)
	switch {
	case err != nil:
		return nil, errors.Join(fmt.Errorf("unwrap input: %w", err), out.Close())
	case u.Refused != nil:
		return nil, errors.Join(errcode.New(u.Refused.Code, u.Refused.Message), out.Close())
	case u.Wrapped == "":
		return nil, out.Close() //nolint:wrapcheck // nothing was written to it
	}
	return u, nil
}

// detectInside recognises what is in a wrapped input. All decoders have to be there: any of them may know a part of it.
func (c *Config) detectInside(ctx context.Context, u *unwrapped, name string) (runtime.Detection, bool, error) {
	for _, p := range c.Registry.Plugins() {
		if p.State != runtime.Compiling {
			continue
		}
		if err := c.Registry.Wait(ctx, p.SHA256); err != nil && ctx.Err() != nil {
			return runtime.Detection{}, false, fmt.Errorf("recognise format: %w", context.Cause(ctx))
		}
	}
	d, ok, err := c.Unwrapper.Recognise(ctx, &u.Unpacked, u.file, name, false)
	if err != nil {
		return d, false, fmt.Errorf("recognise format: %w", err)
	}
	return d, ok, nil
}

// prepare chooses what of a wrapped input the decoder gets.
func (c *Config) prepare(u *unwrapped, o *outcome) error {
	p, err := c.Unwrapper.Prepare(&u.Unpacked, u.file, o.in.name, o.plugin)
	if err != nil {
		return fmt.Errorf("unwrap input: %w", err)
	}
	u.prep, o.parts, o.size = p, p.Parts, p.Size
	return nil
}
