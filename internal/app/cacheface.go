package app

import (
	"context"

	"github.com/wayside-edge/wayside/internal/cache"
	"github.com/wayside-edge/wayside/internal/httpapi"
)

// cacheFace shows the cache to httpapi.
type cacheFace struct{ *cache.Cache }

// GetMany implements httpapi.Cache.
func (c cacheFace) GetMany(ctx context.Context, keys []string) ([]httpapi.CacheItem, error) {
	items, err := c.Cache.GetMany(ctx, keys)
	out := make([]httpapi.CacheItem, len(items))
	for i := range items {
		out[i] = httpapi.CacheItem{Key: items[i].Key, Found: items[i].Found, Value: items[i].Value, TTL: items[i].TTL}
	}
	return out, err //nolint:wrapcheck // httpapi says what was tried
}

// Stats implements httpapi.CacheAdmin. What a server would have to tell that does not answer is not known.
func (c cacheFace) Stats(ctx context.Context) (httpapi.CacheStats, error) {
	s, err := c.Cache.Stats(ctx)
	out := httpapi.CacheStats{
		Enabled: s.Enabled, Backend: s.Backend, State: s.State, Detail: httpapi.Told(s.Detail), Since: httpapi.Stamp(s.Since), LastError: httpapi.Told(s.LastError),
		LastErrorAt: httpapi.Stamp(s.LastAt), Prefix: s.Prefix, DB: s.DB, TTLSeconds: s.TTL.Seconds(), NegativeTTL: s.Negative.Seconds(),
		Hits: s.Hits, Misses: s.Misses, NegativeHits: s.NegativeHits, Errors: s.Errors, Puts: s.Puts, Removed: s.Removed,
	}
	if s.Hits+s.Misses > 0 {
		out.Ratio = httpapi.Known(s.Ratio())
	}
	if s.State == cache.StateOK {
		out.Keys, out.MemoryBytes, out.Evictions = httpapi.Known(s.Keys), httpapi.Known(s.MemoryBytes), httpapi.Known(s.Evictions)
	}
	for _, n := range s.Namespaces {
		out.Namespaces = append(out.Namespaces, httpapi.CacheNamespace{Name: n.Name, TTLSeconds: n.TTL.Seconds(), Hits: n.Hits, Misses: n.Misses})
	}
	return out, err //nolint:wrapcheck // httpapi says what was tried
}
