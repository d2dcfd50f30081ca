package catalog

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/store"
)

const (
	// listedParts is how many parts the record of a file holds: with more, all of them are a record of their own, so that
	// reading a list of files does not read ten thousand parts of each.
	listedParts = 64
	// partsBytes bounds that record: a commit takes about 600 KiB with the smallest memory table of the database. Parts
	// beyond it are counted, not named.
	partsBytes = 256 << 10

	prefixParts = "b/" // {file} the parts of a file, where they are many
)

// Brief gives the file as it stands in lists and events: with its first parts.
func (f *File) Brief() File {
	b := *f
	b.PartCount = max(f.PartCount, len(f.Parts))
	b.Parts = f.Parts[:min(len(f.Parts), listedParts)]
	return b
}

// putParts stages the parts of a file that are too many for its own record.
func (c *Catalog) putParts(b *store.Batch, f *File) error {
	if len(f.Parts) <= listedParts {
		return nil
	}
	size := 0
	for i := range f.Parts {
		if size += 160 + 2*len(f.Parts[i].Name); size > partsBytes {
			f.PartCount = max(f.PartCount, len(f.Parts))
			f.Parts = f.Parts[:i]
			break
		}
	}
	return c.put(b, prefixParts+f.ID, f.Parts)
}

// withParts adds the parts that are a record of their own.
func (c *Catalog) withParts(f *File) error {
	if f.PartCount <= listedParts {
		return nil
	}
	data, err := c.space.Get([]byte(prefixParts + f.ID))
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return fmt.Errorf("read parts of file %s: %w", f.ID, err)
	}
	if err := json.Unmarshal(data, &f.Parts); err != nil {
		return errcode.Wrap(errcode.Internal, err, "the record of this file's parts cannot be read")
	}
	return nil
}
