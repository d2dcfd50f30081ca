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
	"github.com/wayside-edge/wayside/internal/runtime"
)

// copyStep is how much is copied between looks at the context.
const copyStep = 4 << 20

// assemble copies the parts of a recording back to back into a temporary file that has no name, and hashes each.
func assemble(ctx context.Context, inputs []input) (*os.File, []runtime.Part, error) {
	if len(inputs) > runtime.MaxParts {
		return nil, nil, errcode.Invalid("--combine", "%s are more than the %s that a recording may have",
			plural(int64(len(inputs)), "file"), thousands(runtime.MaxParts))
	}
	f, err := unlinked()
	if err != nil {
		return nil, nil, err
	}
	parts := make([]runtime.Part, len(inputs))
	for i := range inputs {
		size, sum, err := copyFile(ctx, f, inputs[i].path)
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("read part: %w", err), f.Close())
		}
		parts[i] = runtime.Part{Name: runtime.PartName(inputs[i].name), Size: size, SHA256: sum}
	}
	return f, parts, nil
}

// fileSHA256 hashes a file.
func fileSHA256(ctx context.Context, path string) (string, error) {
	_, sum, err := copyFile(ctx, io.Discard, path)
	return sum, err
}

// copyFile copies a file and gives its size and hash.
func copyFile(ctx context.Context, w io.Writer, path string) (size int64, sum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", fmt.Errorf("open file: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	w = io.MultiWriter(h, w)
	for {
		if ctx.Err() != nil {
			return 0, "", fmt.Errorf("copy file: %w", context.Cause(ctx))
		}
		n, err := io.CopyN(w, f, copyStep)
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
