package ingest

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// Bundle makes one body of several files that belong together: a zip archive of them, uncompressed, in their order. Equal
// names with equal bytes in equal order make equal archives, so that its digest is the identity of the whole. It is made
// while it is read. next gives the files one after the other, io.EOF at the end; each is read to its end before the next.
func Bundle(next func() (name string, body io.Reader, err error)) io.Reader {
	b := &bundle{next: next, names: map[string]bool{}, chunk: make([]byte, bundleChunk)}
	b.zip = zip.NewWriter(&b.ready)
	return b
}

const bundleChunk = 64 << 10

type bundle struct {
	next  func() (string, io.Reader, error)
	zip   *zip.Writer
	ready bytes.Buffer // what the archive holds so far and nobody has read
	names map[string]bool
	body  io.Reader // of the file that is copied, nil = none
	into  io.Writer
	chunk []byte
	err   error // what comes after ready
}

// Read gives the next bytes of the archive.
func (b *bundle) Read(p []byte) (int, error) {
	for b.ready.Len() == 0 {
		if b.err != nil {
			return 0, b.err
		}
		b.err = b.step()
	}
	n, err := b.ready.Read(p)
	if err != nil {
		return n, fmt.Errorf("make bundle: %w", err)
	}
	return n, nil
}

// step adds something to the archive.
func (b *bundle) step() error {
	if b.body == nil {
		return b.begin()
	}
	n, err := b.body.Read(b.chunk)
	if n > 0 {
		if _, werr := b.into.Write(b.chunk[:n]); werr != nil {
			return fmt.Errorf("make bundle: %w", werr)
		}
	}
	if err != nil {
		b.body = nil
		if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return err //nolint:wrapcheck // the reader's own, with its code
		}
	}
	return b.flush()
}

// begin goes on with the next file, or ends the archive.
func (b *bundle) begin() error {
	name, body, err := b.next()
	if errors.Is(err, io.EOF) {
		if len(b.names) == 0 {
			return errcode.Invalid("file", "the form has no part named file")
		}
		if err := b.zip.Close(); err != nil {
			return fmt.Errorf("make bundle: %w", err)
		}
		return io.EOF
	}
	if err != nil {
		return err
	}
	if name == "" || strings.ContainsAny(name, `/\`) {
		return errcode.Invalid("file", "%q is no name of a file", name)
	}
	if b.names[name] {
		return errcode.Invalid("file", "two parts have the name %q: the files of a bundle need names of their own", name)
	}
	b.names[name] = true
	if b.into, err = b.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store}); err != nil {
		return fmt.Errorf("make bundle: %w", err)
	}
	b.body = body
	return b.flush()
}

func (b *bundle) flush() error {
	if err := b.zip.Flush(); err != nil {
		return fmt.Errorf("make bundle: %w", err)
	}
	return nil
}
