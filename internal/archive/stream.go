package archive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// maxWindow is the largest window of a zstd frame, what `zstd --long` makes: so much memory may one stream take.
const maxWindow = 128 << 20

// stream unpacks a stream, or the tar archive in it.
func (u *unpacker) stream(r io.Reader) error {
	outer := u.res.Kind
	in := bufio.NewReaderSize(&counting{u: u, r: r}, readBytes)
	head, _ := in.Peek(headBytes) // an error comes again when it is read
	if isTar(head) {
		u.res.Kind = Tar
		return u.tar(in)
	}
	ended, err := u.copy(in, false, false)
	if err != nil {
		return err
	}
	if ended != nil {
		u.damaged("the "+string(outer)+" stream", ended)
	}
	return nil
}

// counting counts what comes out of a stream.
type counting struct {
	u *unpacker
	r io.Reader
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if lerr := c.u.unpacked(n); lerr != nil {
		return 0, lerr
	}
	return n, err //nolint:wrapcheck // io.EOF has to stay what it is
}

// gzipReader reads the members of a gzip stream one after the other.
type gzipReader struct {
	br   *bufio.Reader
	z    *gzip.Reader
	note func(text string)
	err  error
}

func (g *gzipReader) Read(p []byte) (int, error) {
	for g.err == nil {
		if g.z == nil {
			z, err := gzip.NewReader(g.br)
			if g.err = early(err); err != nil {
				break
			}
			g.z = z
			g.z.Multistream(false)
		}
		n, err := g.z.Read(p)
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			err = g.next()
		}
		g.err = err
		if n > 0 {
			return n, nil
		}
	}
	return 0, g.err
}

// next goes on with the member that follows, io.EOF if there is none. Zeros behind the last one are padding of tapes and
// blocks; anything else is noted, as gzip does.
func (g *gzipReader) next() error {
	switch head, _ := g.br.Peek(2); {
	case len(head) == 0:
		return io.EOF
	case bytes.Equal(head, []byte{0x1f, 0x8b}):
		if err := early(g.z.Reset(g.br)); err != nil {
			return fmt.Errorf("header of a further member: %w", err)
		}
		g.z.Multistream(false)
		return nil
	}
	for {
		b, err := g.br.ReadByte()
		if err != nil {
			return io.EOF
		}
		if b != 0 {
			g.note("bytes after the end of the gzip stream were ignored")
			return io.EOF
		}
	}
}

// early makes of the end of the input within a header what it is: too early.
func early(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// zstd unpacks a zstd stream.
func (u *unpacker) zstd(in io.Reader) error {
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return fmt.Errorf("open zstd stream: %w", err)
	}
	defer z.Close()
	return u.stream(&zstdReader{z: z, note: u.ignore})
}

// zstdReader reads the frames of a zstd stream.
type zstdReader struct {
	z    *zstd.Decoder
	note func(text string)
	some bool
	end  error
}

func (r *zstdReader) Read(p []byte) (int, error) {
	if r.end != nil {
		return 0, r.end
	}
	n, err := r.z.Read(p)
	r.some = r.some || n > 0
	switch {
	case errors.Is(err, zstd.ErrMagicMismatch) && r.some:
		r.note("bytes after the end of the zstd stream were ignored")
		r.end = io.EOF
		return n, r.end
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return n, errcode.Newf(errcode.Unsupported, "the zstd stream needs a window of more than %d MiB", maxWindow>>20)
	case errors.Is(err, zstd.ErrUnknownDictionary):
		return n, errcode.New(errcode.Unsupported, "the zstd stream was made with a dictionary")
	}
	return n, err //nolint:wrapcheck // io.EOF has to stay what it is
}
