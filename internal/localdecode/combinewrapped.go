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

// look is what recognition sees of a file that may be wrapped.
type look struct {
	head  []byte
	size  int64 // -1 = not known
	inner string
}

// lookInto gives the first bytes of a file without its wrapping. An archive is a recording of its own: an error.
func (c *Config) lookInto(ctx context.Context, in *input, head []byte) (look, error) {
	plain := look{head: head, size: in.size}
	if c.Unwrapper == nil || !runtime.MaybeWrapped(head) {
		return plain, nil
	}
	u, err := c.unwrapPath(ctx, in.path, runtime.HeadBytes)
	if err != nil || u == nil {
		return plain, err
	}
	defer u.file.Close()
	if u.Bundle {
		return look{}, errcode.New(errcode.Unsupported, "an archive is a recording of its own")
	}
	l := look{head: make([]byte, u.Size), size: u.Size, inner: runtime.InnerName(in.name)}
	if u.Size >= runtime.HeadBytes { // maybe there is more
		l.size = -1
	}
	if n, err := u.file.ReadAt(l.head, 0); n < len(l.head) {
		return look{}, fmt.Errorf("read what was unpacked: %w", err)
	}
	return l, nil
}

// unwrapPath unwraps a file, of which only the first bytes are wanted (heads) or all (0); the caller closes the result.
// nil = it is not wrapped.
func (c *Config) unwrapPath(ctx context.Context, path string, heads int64) (*unwrapped, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open input: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at input: %w", err)
	}
	return c.unpack(ctx, runtime.UnpackRequest{Input: f, Size: info.Size(), Heads: heads})
}

// copyInput copies a file, without its wrapping, and gives its size and hash.
func (c *Config) copyInput(ctx context.Context, w io.Writer, in *input) (p copied, err error) {
	if in.inner == "" {
		p.size, p.sum, err = copyFile(ctx, w, in.path)
		return p, err
	}
	u, err := c.unwrapPath(ctx, in.path, 0)
	if err != nil {
		return p, err
	}
	if u == nil || u.Bundle {
		if u != nil {
			err = u.file.Close()
		}
		return p, errors.Join(errcode.Newf(errcode.Conflict, "%s has changed meanwhile", printable(in.shown)), err)
	}
	defer u.file.Close()
	p.damage = u.Damage
	p.size, p.sum, err = copyReader(ctx, w, io.NewSectionReader(u.file, 0, u.Size))
	return p, err
}

// copied is what was copied of a file.
type copied struct {
	size   int64
	sum    string
	damage []runtime.Damage
}

// assembled is a recording of several files: their bytes back to back, in a file that has no name.
type assembled struct {
	file  *os.File
	parts []runtime.Part
	notes []runtime.Note
	cut   *runtime.Failure // the first thing that is missing
	size  int64
}

// add takes over what was copied of the next file.
func (a *assembled) add(in *input, p copied) {
	name := in.name
	if in.inner != "" {
		name = in.inner
	}
	for _, d := range p.damage {
		n := d.Note(name, a.size)
		if !d.Ignored && a.cut == nil {
			a.cut = &runtime.Failure{Code: d.Code, Message: n.Message, Offset: n.Offset}
		}
		a.notes = append(a.notes, n)
	}
	a.parts = append(a.parts, runtime.Part{Name: runtime.PartName(name), Size: p.size, SHA256: p.sum})
	a.size += p.size
}
