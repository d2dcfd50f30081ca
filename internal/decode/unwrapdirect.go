package decode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/wayside-edge/wayside/internal/blob"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// unwrapDirect unwraps the input of a direct decode, nil if it is not wrapped.
func (d *Decoder) unwrapDirect(ctx context.Context, input *os.File, b blob.Blob, whole bool) (*unwrapped, error) {
	if d.Unwrapper == nil || !runtime.MaybeWrapped(b.Head) {
		return nil, nil //nolint:nilnil // it is as it is
	}
	u, err := d.unwrap(ctx, wrapped{input: input, size: b.Size})
	if err != nil {
		return nil, directRefusal(err)
	}
	if u != nil && whole && u.Size > MaxWhole {
		err := errcode.Newf(errcode.TooLarge, "it unpacks to %d bytes; in one document there may be %d: name a table", u.Size, MaxWhole)
		return nil, errors.Join(err, u.close())
	}
	return u, nil
}

// directRefusal makes of a verdict on a wrapped file what the caller of a direct decode is told.
func directRefusal(err error) error {
	if r, ok := errors.AsType[*refusal](err); ok {
		return errcode.Newf(errcode.DecodeFailed, "%s: %s", r.Code, r.Message)
	}
	if errcode.Is(err, errcode.Unsupported) {
		return errcode.Newf(errcode.DecodeFailed, "%s: %s", errcode.Unsupported, err.Error())
	}
	return err
}

// detect recognises an input, or what was wrapped in it. The files of an archive that a caller wants decoded in one
// answer are one recording.
func (d *Decoder) detect(ctx context.Context, name string, b blob.Blob, u *unwrapped) (runtime.Detection, bool, error) {
	if u == nil {
		found, ok := d.Registry.Detect(ctx, b.Head, b.Size, name)
		return found, ok, nil
	}
	found, ok, err := d.Unwrapper.Recognise(ctx, &u.Unpacked, u.file, name, false)
	if err != nil {
		return found, false, directRefusal(err)
	}
	return found, ok, nil
}

// Detect recognises a recording of at most limit bytes (0 = no limit), also one that comes wrapped; nothing of it is
// kept.
func (d *Decoder) Detect(ctx context.Context, body io.Reader, name string, limit int64) (runtime.Detection, error) {
	input, b, err := d.Blobs.Temp(ctx, body, limit)
	if err != nil {
		return runtime.Detection{}, fmt.Errorf("receive recording: %w", err)
	}
	defer d.close(ctx, input)
	var u *unwrapped
	if d.Unwrapper != nil && runtime.MaybeWrapped(b.Head) {
		if u, err = d.unwrap(ctx, wrapped{input: input, size: b.Size, heads: runtime.HeadBytes}); err != nil {
			return runtime.Detection{}, directRefusal(err)
		}
	}
	if u != nil {
		defer d.close(ctx, u.file)
	}
	found, ok, err := d.detect(ctx, name, b, u)
	switch {
	case err != nil:
		return found, err
	case !ok:
		return found, errcode.New(errcode.UnknownFormat, "no decoder knows this format")
	}
	return found, nil
}
