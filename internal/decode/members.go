package decode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// Members unpacks an archive of at most limit bytes (0 = no limit) and calls each with its files, one after the other in
// the order of the archive, each as it is and for itself. All of it is unpacked, by a worker, before the first call: an
// archive that is refused or damaged gives an error and no files.
func (d *Decoder) Members(ctx context.Context, body io.Reader, limit int64, each func(name string, r io.Reader) error) error {
	input, b, err := d.Blobs.Temp(ctx, body, limit)
	if err != nil {
		return fmt.Errorf("receive archive: %w", err)
	}
	defer d.close(ctx, input)
	return d.members(ctx, input, b.Size, b.Head, each)
}

// StoredMembers does so with a stored file.
func (d *Decoder) StoredMembers(ctx context.Context, f catalog.File, each func(name string, r io.Reader) error) error {
	input, err := d.Blobs.Open(f.SHA256)
	if err != nil {
		return fmt.Errorf("open archive: %w", err)
	}
	defer d.close(ctx, input)
	head := make([]byte, min(f.Size, runtime.HeadBytes))
	if _, err := input.ReadAt(head, 0); err != nil && f.Size > 0 {
		return fmt.Errorf("read archive: %w", err)
	}
	return d.members(ctx, input, f.Size, head, each)
}

func (d *Decoder) members(ctx context.Context, input *os.File, size int64, head []byte, each func(name string, r io.Reader) error) error {
	noArchive := errcode.Invalid("archive", "it is none: a zip or tar archive, also a compressed tar, is taken")
	if d.Unwrapper == nil || !runtime.MaybeWrapped(head) {
		return noArchive
	}
	u, err := d.unwrap(ctx, wrapped{input: input, size: size})
	if r, ok := errors.AsType[*refusal](err); ok {
		return errcode.Invalid("archive", "%s", r.Message)
	}
	if err != nil {
		return err
	}
	if u == nil {
		return noArchive
	}
	defer d.close(ctx, u.file)
	switch {
	case !u.Bundle:
		return noArchive
	case len(u.Entries) == 0:
		return errcode.Invalid("archive", "it holds no files")
	}
	for _, m := range u.Damage {
		if !m.Ignored {
			return errcode.Invalid("archive", "it is damaged, and none of its files were stored: %s", m.Message)
		}
	}
	for _, e := range u.Entries {
		if err := each(e.Name, io.NewSectionReader(u.file, e.At, e.Size)); err != nil {
			return err
		}
	}
	return nil
}
