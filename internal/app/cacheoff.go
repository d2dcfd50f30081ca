package app

import (
	"context"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/httpapi"
)

// cacheOff is the cache of an appliance that has none.
type cacheOff struct{}

func errCacheOff() error {
	return errcode.New(errcode.Unavailable, "the cache is off on this appliance")
}

// GetMany implements httpapi.Cache.
func (cacheOff) GetMany(context.Context, []string) ([]httpapi.CacheItem, error) {
	return nil, errCacheOff()
}

// Put implements httpapi.Cache.
func (cacheOff) Put(context.Context, string, []byte, time.Duration) error { return errCacheOff() }

// Delete implements httpapi.Cache.
func (cacheOff) Delete(context.Context, string) (bool, error) { return false, errCacheOff() }

// Stats implements httpapi.CacheAdmin.
func (cacheOff) Stats(context.Context) (httpapi.CacheStats, error) {
	return httpapi.CacheStats{Backend: "embedded", State: "off"}, nil
}

// Invalidate implements httpapi.CacheAdmin.
func (cacheOff) Invalidate(context.Context, string) (int, error) { return 0, errCacheOff() }

// Flush implements httpapi.CacheAdmin.
func (cacheOff) Flush(context.Context) (int, error) { return 0, errCacheOff() }
