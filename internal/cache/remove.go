package cache

import (
	"context"
	"fmt"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// sweepTimeout bounds a walk through all keys.
const sweepTimeout = time.Minute

// Delete removes a key and says whether it was there.
func (c *Cache) Delete(ctx context.Context, key string) (bool, error) {
	if err := checkKey("key", key); err != nil {
		return false, err
	}
	n, err := c.remove(ctx, []string{c.cfg.Prefix + key})
	return n > 0, err
}

// remove removes keys with their prefix.
func (c *Cache) remove(ctx context.Context, whole []string) (removed int, err error) {
	began := time.Now()
	err = c.call(ctx, func(ctx context.Context) error {
		removed, err = c.backend.del(ctx, whole)
		return err //nolint:wrapcheck // call does
	})
	if err != nil {
		c.failed("delete", began)
		return 0, fmt.Errorf("remove from the cache: %w", err)
	}
	c.counts.remove(removed)
	c.record("delete", "success", time.Since(began))
	return removed, nil
}

// Invalidate removes the keys that a pattern matches, * ? [a-z] and \ as Redis has them. It walks through the database in
// slices; an error tells that not all were met, removed counts those that were.
func (c *Cache) Invalidate(ctx context.Context, pattern string) (removed int, err error) {
	if err := checkKey("pattern", pattern); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, sweepTimeout, errcode.New(errcode.Unavailable, "the cache has too many keys to look at all of them in time"))
	defer cancel()
	pattern = literal(c.cfg.Prefix) + pattern
	for cursor := uint64(0); ; {
		var keys []string
		began := time.Now()
		err := c.call(ctx, func(ctx context.Context) error {
			keys, cursor, err = c.backend.scan(ctx, cursor, pattern)
			return err //nolint:wrapcheck // call does
		})
		if err != nil {
			c.failed("scan", began)
			return removed, fmt.Errorf("look through the cache: %w", err)
		}
		c.record("scan", "success", time.Since(began))
		for from := 0; from < len(keys); from += slice {
			n, err := c.remove(ctx, keys[from:min(from+slice, len(keys))])
			if removed += n; err != nil {
				return removed, err
			}
		}
		if cursor == 0 {
			return removed, nil
		}
	}
}

// Flush removes all keys with the prefix, and no others.
func (c *Cache) Flush(ctx context.Context) (removed int, err error) { return c.Invalidate(ctx, "*") }
