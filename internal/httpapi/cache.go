package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// Cache keeps values of JSON under keys for a while: those of decodes, and what callers keep there. Keys are without the
// prefix that they have in the keyspace. A cache that is off, or that cannot be reached, is an unavailable error.
type Cache interface {
	// GetMany gives one item a key, in their order. Values of more than 16 MiB together are a too_large error.
	GetMany(ctx context.Context, keys []string) ([]CacheItem, error)
	// Put keeps a value; without a ttl for as long as its namespace says.
	Put(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Delete reports whether there was a value.
	Delete(ctx context.Context, key string) (bool, error)
}

// CacheAdmin looks after the cache as a whole.
type CacheAdmin interface {
	// Stats answers also where the cache is off.
	Stats(ctx context.Context) (CacheStats, error)
	// Invalidate removes what a pattern of Redis's kind matches.
	Invalidate(ctx context.Context, pattern string) (removed int, err error)
	// Flush removes everything of the cache, and nothing else of the keyspace.
	Flush(ctx context.Context) (removed int, err error)
}

// CacheItem is what is under a key of the cache.
type CacheItem struct {
	Key   string
	Found bool
	Value []byte
	TTL   time.Duration // 0 = it never ends
}

// usable reports whether there is a value. What others have written under the key and is no JSON is none: a cache that
// knows nothing is always a right answer.
func (i *CacheItem) usable() bool { return i.Found && utf8.Valid(i.Value) && json.Valid(i.Value) }

// CacheStats is how the cache is, on the wire. Counts are since the start.
type CacheStats struct {
	Enabled      bool             `json:"enabled"`
	Backend      string           `json:"backend" enum:"embedded,external" doc:"the appliance's own Redis-protocol server, or another one"`
	State        string           `json:"state" enum:"ok,failing,off" doc:"failing: decodes go on without it"`
	Detail       text             `json:"detail" doc:"why it fails; null: it does not"`
	Since        Stamp            `json:"since" doc:"of the state"`
	LastError    text             `json:"last_error" doc:"null: there was none"`
	LastErrorAt  Stamp            `json:"last_error_at"`
	Prefix       string           `json:"prefix" doc:"what stands before its keys in the keyspace"`
	DB           int              `json:"db" doc:"number of the database that its keys are in"`
	TTLSeconds   float64          `json:"ttl_seconds" doc:"for how long values are kept unless their namespace says otherwise; 0: for good"`
	NegativeTTL  float64          `json:"negative_ttl_seconds" doc:"for how long it is kept that a decode fails; 0: not at all"`
	Hits         int64            `json:"hits"`
	Misses       int64            `json:"misses"`
	NegativeHits int64            `json:"negative_hits" doc:"hits that say that a decode fails; they are among the hits"`
	Errors       int64            `json:"errors" doc:"operations that failed"`
	Puts         int64            `json:"puts"`
	Removed      int64            `json:"removed" doc:"by delete, invalidate and flush"`
	Ratio        maybe[float64]   `json:"ratio" doc:"hits among hits and misses; null: there were none"`
	Keys         maybe[int64]     `json:"keys" doc:"of its database, whosever they are; null: it cannot be told"`
	MemoryBytes  maybe[int64]     `json:"memory_bytes" doc:"of the whole keyspace; null: it cannot be told"`
	Evictions    maybe[int64]     `json:"evictions" doc:"keys of the keyspace that had to go for others; null: it cannot be told"`
	Namespaces   []CacheNamespace `json:"namespaces" nullable:"false"`
}

// CacheNamespace is a namespace of the cache on the wire: keys that have the same before their first colon.
type CacheNamespace struct {
	Name       string  `json:"name"`
	TTLSeconds float64 `json:"ttl_seconds" doc:"0: for good"`
	Hits       int64   `json:"hits"`
	Misses     int64   `json:"misses"`
}

// Known makes a number for a member that may be null.
func Known[T int64 | float64](v T) maybe[T] { return maybe[T]{&v} }

// Told makes a text for a member that is null where there is nothing to tell.
func Told(s string) text { return text(s) }

// CachedValue is a value of the cache on the wire.
type CachedValue struct {
	Key        string         `json:"key"`
	Value      anyJSON        `json:"value"`
	TTLSeconds maybe[float64] `json:"ttl_seconds" doc:"until it ends; null: never"`
	Namespace  text           `json:"namespace" doc:"what stands before the first colon of the key; null: it has none"`
}

// CacheLookup is what was asked for of the cache, on the wire.
type CacheLookup struct {
	Key        string         `json:"key"`
	Found      bool           `json:"found"`
	Value      anyJSON        `json:"value" doc:"null where nothing was found, too"`
	TTLSeconds maybe[float64] `json:"ttl_seconds" doc:"until it ends; null: never, or nothing was found"`
}

// NewCacheValue is the body of PUT /cache/keys/{key}.
type NewCacheValue struct {
	Value      anyJSON `json:"value" doc:"any JSON"`
	TTLSeconds float64 `json:"ttl_seconds,omitempty" minimum:"0" maximum:"315360000" doc:"for how long it is kept; 0 or none: as the namespace says"`
}

const (
	ownNamespace = "decode"       // of the appliance alone
	maxCacheKey  = 512            // bytes
	maxCacheBody = 1<<20 + 64<<10 // bytes that bring a value of 1 MiB, which is the most that the cache takes
)

// CacheKeyParam is the key in a path. Exported for the same reason as IDParam.
type CacheKeyParam struct {
	Key string `path:"key" maxLength:"1536" doc:"key without the prefix, percent-encoded; at most 512 bytes"`
}

// key gives the key as it was meant. Where a path is not in its usual form, as with an encoded slash, the router gives what
// came, and else what it means; and the last parameter of a route takes all that is left, slashes too.
func (p *CacheKeyParam) key(r *http.Request) (string, error) {
	if strings.Contains(p.Key, "/") {
		return "", errcode.Invalid("key", "a slash is written %%2F")
	}
	key := p.Key
	if r.URL.RawPath != "" {
		var err error
		if key, err = url.PathUnescape(key); err != nil {
			return "", errcode.Invalid("key", "it is not percent-encoded")
		}
	}
	return key, checkCacheKey("key", key)
}

func checkCacheKey(field, key string) error {
	switch {
	case key == "" || len(key) > maxCacheKey:
		return errcode.Invalid(field, "expected 1 to %d bytes", maxCacheKey)
	case !utf8.ValidString(key):
		return errcode.Invalid(field, "expected UTF-8")
	}
	return nil
}

// namespaceOf gives what stands before the first colon, "" if there is none.
func namespaceOf(key string) string {
	name, _, found := strings.Cut(key, ":")
	if !found {
		return ""
	}
	return name
}

// ttlDTO gives for how long a value is kept yet; null is for good.
func ttlDTO(ttl time.Duration) maybe[float64] {
	if ttl <= 0 {
		return maybe[float64]{}
	}
	return Known(ttl.Seconds())
}

type cachedOutput struct{ Body CachedValue }

type cacheStatsOutput struct{ Body CacheStats }

type putCacheInput struct {
	CacheKeyParam
	Body NewCacheValue
}

type cacheLookupInput struct {
	Body struct {
		Keys []string `json:"keys" minItems:"1" maxItems:"1000" nullable:"false" doc:"without the prefix"`
	}
}

type cacheLookupOutput struct {
	Body struct {
		Items []CacheLookup `json:"items" nullable:"false" doc:"one a key, in their order"`
	}
}

type invalidateInput struct {
	Body struct {
		Pattern string `json:"pattern" minLength:"1" maxLength:"512" doc:"of keys without the prefix: * any text, ? a character, [a-c] one of them, \\ before what is meant as it is"`
	}
}

type removedOutput struct {
	Body struct {
		Removed int `json:"removed"`
	}
}

const (
	lookupDetail = "Answers one item a key, in their order, in one step of the cache where one fetches them one by one. Values of more than 16 MiB " +
		"together are 413: ask for fewer keys."
	putCacheDetail = "Replaces what is there. The namespace `decode` is the appliance's own, and nobody else writes there (403). " +
		"Values have at most 1 MiB."
	invalidateDetail = "Goes through the keys in small steps and removes those that match: `decode:<sha256 of a file>:*` is what is known of a file. " +
		"Keys that come meanwhile may stay."
)

func (s *Server) routeCache(api huma.API) {
	register(s, api, operation{
		id: "get-cache", method: http.MethodGet, path: "/cache", scope: scopeRead, summary: "See how the cache is",
		detail: "Also where it is off: `state` says so.",
	}, func(ctx context.Context, _ *struct{}) (*cacheStatsOutput, error) {
		st, err := s.deps.CacheAdmin.Stats(ctx)
		if err != nil {
			return nil, fmt.Errorf("get cache: %w", err)
		}
		if st.Namespaces == nil {
			st.Namespaces = []CacheNamespace{}
		}
		return &cacheStatsOutput{Body: st}, nil
	})
	register(s, api, operation{
		id: "get-cached-value", method: http.MethodGet, path: "/cache/keys/{key}", scope: scopeRead, summary: "Get a value of the cache",
	}, s.getCached)
	register(s, api, operation{
		id: "put-cached-value", method: http.MethodPut, path: "/cache/keys/{key}", scope: scopeWork, summary: "Keep a value in the cache",
		detail: putCacheDetail, limit: maxCacheBody,
	}, s.putCached)
	register(s, api, operation{
		id: "delete-cached-value", method: http.MethodDelete, path: "/cache/keys/{key}", scope: scopeWork, summary: "Remove a value from the cache",
		detail: "What the appliance keeps in the namespace `decode` needs the scope admin.",
	}, s.deleteCached)
	register(s, api, operation{
		id: "get-cached-values", method: http.MethodPost, path: "/cache/get", scope: scopeRead, summary: "Get many values of the cache at once",
		detail: lookupDetail,
	}, s.lookUpCached)
	register(s, api, operation{
		id: "invalidate-cache", method: http.MethodPost, path: "/cache/invalidate", scope: scopeAdmin, summary: "Remove values from the cache by a pattern",
		detail: invalidateDetail,
	}, func(ctx context.Context, in *invalidateInput) (*removedOutput, error) {
		stateOf(ctx).stream = true
		return removed("invalidate cache")(s.deps.CacheAdmin.Invalidate(ctx, in.Body.Pattern))
	})
	register(s, api, operation{
		id: "flush-cache", method: http.MethodPost, path: "/cache/flush", scope: scopeAdmin, summary: "Remove everything from the cache",
		detail: "What others keep in the same database stays.",
	}, func(ctx context.Context, _ *struct{}) (*removedOutput, error) {
		stateOf(ctx).stream = true
		return removed("flush cache")(s.deps.CacheAdmin.Flush(ctx))
	})
}

// removed makes the answer of what removes values.
func removed(what string) func(int, error) (*removedOutput, error) {
	return func(n int, err error) (*removedOutput, error) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		out := &removedOutput{}
		out.Body.Removed = n
		return out, nil
	}
}

func (s *Server) getCached(ctx context.Context, in *CacheKeyParam) (*cachedOutput, error) {
	key, err := in.key(requestOf(ctx))
	if err != nil {
		return nil, err
	}
	items, err := s.deps.Cache.GetMany(ctx, []string{key})
	if err != nil {
		return nil, fmt.Errorf("get value of the cache: %w", err)
	}
	if len(items) == 0 || !items[0].usable() {
		return nil, errcode.New(errcode.NotFound, "the cache has no value under this key")
	}
	return &cachedOutput{Body: CachedValue{Key: key, Value: anyJSON(items[0].Value), TTLSeconds: ttlDTO(items[0].TTL), Namespace: text(namespaceOf(key))}}, nil
}

func (s *Server) putCached(ctx context.Context, in *putCacheInput) (*noContent, error) {
	key, err := in.key(requestOf(ctx))
	if err != nil {
		return nil, err
	}
	if namespaceOf(key) == ownNamespace {
		return nil, errcode.Newf(errcode.Forbidden, "the namespace %s is the appliance's own: nobody else writes there", ownNamespace)
	}
	if !utf8.Valid(in.Body.Value) {
		return nil, errcode.New(errcode.Malformed, "the value is no UTF-8")
	}
	var value bytes.Buffer
	if err := json.Compact(&value, in.Body.Value); err != nil {
		return nil, errcode.Wrap(errcode.Malformed, err, "the value is no JSON")
	}
	ttl := span(in.Body.TTLSeconds)
	if ttl > 0 {
		ttl = max(ttl, time.Millisecond) // which is what the keyspace counts in
	}
	if err := s.deps.Cache.Put(ctx, key, value.Bytes(), ttl); err != nil {
		return nil, fmt.Errorf("keep value in the cache: %w", err)
	}
	return nil, nil //nolint:nilnil // huma's way to say: no body
}

func (s *Server) deleteCached(ctx context.Context, in *CacheKeyParam) (*noContent, error) {
	key, err := in.key(requestOf(ctx))
	if err != nil {
		return nil, err
	}
	if namespaceOf(key) == ownNamespace {
		stateOf(ctx).audited = true
		if err := s.require(requestOf(ctx), scopeAdmin); err != nil {
			return nil, err
		}
	}
	there, err := s.deps.Cache.Delete(ctx, key)
	switch {
	case err != nil:
		return nil, fmt.Errorf("remove value from the cache: %w", err)
	case !there:
		return nil, errcode.New(errcode.NotFound, "the cache has no value under this key")
	}
	return nil, nil //nolint:nilnil // huma's way to say: no body
}

func (s *Server) lookUpCached(ctx context.Context, in *cacheLookupInput) (*cacheLookupOutput, error) {
	for i, key := range in.Body.Keys {
		if err := checkCacheKey(fmt.Sprintf("keys[%d]", i), key); err != nil {
			return nil, err
		}
	}
	items, err := s.deps.Cache.GetMany(ctx, in.Body.Keys)
	if err != nil {
		return nil, fmt.Errorf("get values of the cache: %w", err)
	}
	out := &cacheLookupOutput{}
	out.Body.Items = make([]CacheLookup, len(items))
	for i := range items {
		it := &items[i]
		line := CacheLookup{Key: it.Key, Found: it.usable()}
		if line.Found {
			line.Value, line.TTLSeconds = anyJSON(it.Value), ttlDTO(it.TTL)
		}
		out.Body.Items[i] = line
	}
	return out, nil
}
