package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// CacheStats is how the cache of an appliance is. Counts are since its start.
type CacheStats struct {
	Enabled      bool             `json:"enabled"`
	Backend      string           `json:"backend"` // embedded or external
	State        string           `json:"state"`   // ok, failing or off
	Detail       string           `json:"detail"`  // why it fails, "" = it does not
	Since        time.Time        `json:"since,omitzero"`
	LastError    string           `json:"last_error"`
	LastErrorAt  time.Time        `json:"last_error_at,omitzero"`
	Prefix       string           `json:"prefix"` // of its keys in the keyspace
	DB           int              `json:"db"`
	TTLSeconds   float64          `json:"ttl_seconds"` // 0 = for good
	NegativeTTL  float64          `json:"negative_ttl_seconds"`
	Hits         int64            `json:"hits"`
	Misses       int64            `json:"misses"`
	NegativeHits int64            `json:"negative_hits"` // hits that say that a decode fails
	Errors       int64            `json:"errors"`
	Puts         int64            `json:"puts"`
	Removed      int64            `json:"removed"`
	Ratio        *float64         `json:"ratio"`        // of hits; nil = nobody has asked yet
	Keys         *int64           `json:"keys"`         // of its database; nil = it cannot be told
	MemoryBytes  *int64           `json:"memory_bytes"` // of the whole keyspace
	Evictions    *int64           `json:"evictions"`
	Namespaces   []CacheNamespace `json:"namespaces"`
}

// CacheNamespace is about keys that have the same before their first colon.
type CacheNamespace struct {
	Name       string  `json:"name"`
	TTLSeconds float64 `json:"ttl_seconds"` // 0 = for good
	Hits       int64   `json:"hits"`
	Misses     int64   `json:"misses"`
}

// CachedValue is what the cache has under a key.
type CachedValue struct {
	Key        string          `json:"key"`
	Found      bool            `json:"found"`
	Value      json.RawMessage `json:"value"`
	TTLSeconds *float64        `json:"ttl_seconds"` // nil = it never ends, or there is nothing
}

// CacheStats tells how the cache is.
func (c *Client) CacheStats(ctx context.Context) (s CacheStats, err error) {
	err = c.get(ctx, "/cache", nil, &s)
	return s, err
}

// CacheGet gives what the cache has under a key; Found is false where it has nothing.
func (c *Client) CacheGet(ctx context.Context, key string) (v CachedValue, err error) {
	err = c.get(ctx, cachePath(key), nil, &v)
	if e, ok := errors.AsType[*Error](err); ok && e.Code == "not_found" {
		return CachedValue{Key: key}, nil
	}
	v.Found = err == nil
	return v, err
}

// CacheGetMany gives what the cache has under each of at most 1,000 keys, in their order.
func (c *Client) CacheGetMany(ctx context.Context, keys []string) ([]CachedValue, error) {
	var out struct {
		Items []CachedValue `json:"items"`
	}
	err := c.send(ctx, http.MethodPost, "/cache/get", map[string][]string{"keys": keys}, &out)
	return out.Items, err
}

// CachePut keeps a value, which is marshalled, for a time; 0 is as the namespace of the key says.
func (c *Client) CachePut(ctx context.Context, key string, value any, ttl time.Duration) error {
	body := struct {
		Value any     `json:"value"`
		TTL   float64 `json:"ttl_seconds,omitempty"`
	}{value, ttl.Seconds()}
	return c.send(ctx, http.MethodPut, cachePath(key), body, nil)
}

// CacheDelete removes what is under a key. That there is nothing is an *Error with the code not_found.
func (c *Client) CacheDelete(ctx context.Context, key string) error {
	return c.act(ctx, http.MethodDelete, cachePath(key), nil)
}

// CacheInvalidate removes what a pattern matches: * is any text, ? a character, [a-c] one of them.
func (c *Client) CacheInvalidate(ctx context.Context, pattern string) (removed int, err error) {
	var out struct {
		Removed int `json:"removed"`
	}
	err = c.send(ctx, http.MethodPost, "/cache/invalidate", map[string]string{"pattern": pattern}, &out)
	return out.Removed, err
}

// CacheFlush removes everything from the cache.
func (c *Client) CacheFlush(ctx context.Context) (removed int, err error) {
	var out struct {
		Removed int `json:"removed"`
	}
	err = c.act(ctx, http.MethodPost, "/cache/flush", &out)
	return out.Removed, err
}

func cachePath(key string) string { return "/cache/keys/" + url.PathEscape(key) }
