package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/wayside-edge/wayside/internal/store"
)

// Parent says where a file was found that did not come by itself.
type Parent struct {
	FileID   string `json:"file_id"`
	DecodeID string `json:"decode_id"` // that found it first; it may be deleted by now
	RootID   string `json:"root_id"`   // the file that was delivered, in which all this lies
	Depth    int    `json:"depth"`     // 1 = found in a file that was delivered
}

// Depth tells how deep inside other files a file lies: 0 = it was delivered itself.
func (f *File) Depth() int {
	if f.Parent == nil {
		return 0
	}
	return f.Parent.Depth
}

// Root gives the id of the delivered file in which a file lies: its own, where it was delivered itself.
func (f *File) Root() string {
	if f.Parent == nil {
		return f.ID
	}
	return f.Parent.RootID
}

// childKey is the key of a file found inside another: of equal name and bytes there is one.
func childKey(parentID, name, sha string) []byte {
	sum := sha256.Sum256([]byte(name + "\x00" + sha))
	return []byte(prefixInFile + parentID + "/" + hex.EncodeToString(sum[:16]))
}

// ChildOf finds the file that was found inside another under a name, with the bytes of a digest.
func (c *Catalog) ChildOf(_ context.Context, parentID, name, sha string) (id string, ok bool, err error) {
	v, err := c.space.Get(childKey(parentID, name, sha))
	if errors.Is(err, store.ErrNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("look for a file inside %s: %w", parentID, err)
	}
	return string(v), true, nil
}

// ChildrenOf gives the ids of the files found inside a file, the oldest first.
func (c *Catalog) ChildrenOf(ctx context.Context, parentID string) ([]string, error) {
	var ids []string
	scan := store.ScanOptions{Prefix: []byte(prefixInFile + parentID + "/")}
	err := c.space.Scan(ctx, scan, func(_, v []byte) (bool, error) {
		ids = append(ids, string(v))
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("list files inside %s: %w", parentID, err)
	}
	slices.Sort(ids)
	return ids, nil
}

// TreeSize gives how many files were found inside a delivered file, however deep.
func (c *Catalog) TreeSize(_ context.Context, rootID string) (int, error) {
	v, err := c.space.Get([]byte(prefixTree + rootID))
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("count files inside %s: %w", rootID, err)
	}
	n, err := strconv.Atoi(string(v))
	if err != nil {
		return 0, fmt.Errorf("count files inside %s: %w", rootID, err)
	}
	return n, nil
}

// PutTreeSize stages how many files were found inside a delivered file. Its callers agree on an order.
func (c *Catalog) PutTreeSize(b *store.Batch, rootID string, n int) {
	b.Set(c.space, []byte(prefixTree+rootID), strconv.AppendInt(nil, int64(max(n, 0)), 10))
}

// LeafKey is ResultKey for a decode that may make no files of what it finds: its issues say so, so the result is not the
// one that the same bytes give elsewhere. why is the code of that issue.
func LeafKey(fileSHA, decoderSHA string, params json.RawMessage, why string) string {
	return ResultKey(fileSHA, decoderSHA, append(append(slices.Clone(params), 0), why...))
}
