package catalog

import (
	"context"
	"fmt"

	"github.com/wayside-edge/wayside/internal/store"
)

// Count counts the files and the decodes. It reads the key of each: it is for who can wait.
func (c *Catalog) Count(ctx context.Context) (files, decodes int64, err error) {
	for prefix, n := range map[string]*int64{prefixFile: &files, prefixDecode: &decodes} {
		err := c.space.Scan(ctx, store.ScanOptions{Prefix: []byte(prefix), KeysOnly: true}, func(_, _ []byte) (bool, error) {
			*n++
			return true, nil
		})
		if err != nil {
			return 0, 0, fmt.Errorf("count records: %w", err)
		}
	}
	return files, decodes, nil
}
