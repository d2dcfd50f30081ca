package localdecode

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// copyStep is how much is copied between looks at the context.
const copyStep = 4 << 20

// assemble copies the parts of a recording, without what they are wrapped in, back to back into a temporary file that has
// no name, and hashes each.
func (c *Config) assemble(ctx context.Context, inputs []input) (*assembled, error) {
	if len(inputs) > runtime.MaxParts {
		return nil, errcode.Invalid("--combine", "%s are more than the %s that a recording may have",
			plural(int64(len(inputs)), "file"), progress.Count(runtime.MaxParts))
	}
	f, err := unlinked()
	if err != nil {
		return nil, err
	}
	a := &assembled{file: f}
	for i := range inputs {
		p, err := c.copyInput(ctx, f, &inputs[i])
		if err != nil {
			return nil, errors.Join(fmt.Errorf("read part %s: %w", printable(inputs[i].name), err), f.Close())
		}
		a.add(&inputs[i], p)
	}
	return a, nil
}

// copyFile copies a file and gives its size and hash.
func copyFile(ctx context.Context, w io.Writer, path string) (size int64, sum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", fmt.Errorf("open file: %w", err)
	}
	defer f.Close()
	return copyReader(ctx, w, f)
}

func copyReader(ctx context.Context, w io.Writer, r io.Reader) (size int64, sum string, err error) {
	h := sha256.New()
	w = io.MultiWriter(h, w)
	for {
		if ctx.Err() != nil {
			return 0, "", fmt.Errorf("copy file: %w", context.Cause(ctx))
		}
		n, err := io.CopyN(w, r, copyStep)
		size += n
		if errors.Is(err, io.EOF) {
			return size, hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return 0, "", fmt.Errorf("copy file: %w", err)
		}
	}
}

// partEntry is a part in a JSON document and in the metadata of tables.
type partEntry struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Offset int64  `json:"offset"` // of its first byte, in what offsets count
}

func describeParts(parts []runtime.Part) []partEntry {
	var out []partEntry
	at := int64(0)
	for _, p := range parts {
		out = append(out, partEntry{Name: p.Name, Size: p.Size, SHA256: p.SHA256, Offset: at})
		at += p.Size
	}
	return out
}
