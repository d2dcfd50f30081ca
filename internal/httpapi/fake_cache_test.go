package httpapi

import (
	"cmp"
	"context"
	"maps"
	"path"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// fakeCache is a cache in memory.
type fakeCache struct {
	mu    sync.Mutex
	items map[string]CacheItem
	fail  error // of every call
}

func newFakeCache() *fakeCache { return &fakeCache{items: map[string]CacheItem{}} }

func (c *fakeCache) GetMany(_ context.Context, keys []string) ([]CacheItem, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]CacheItem, len(keys))
	for i, k := range keys {
		out[i] = c.items[k]
		out[i].Key = k
	}
	return out, c.fail
}

func (c *fakeCache) Put(_ context.Context, key string, value []byte, ttl time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return c.fail
	}
	c.items[key] = CacheItem{Key: key, Found: true, Value: slices.Clone(value), TTL: cmp.Or(ttl, time.Hour)}
	return nil
}

func (c *fakeCache) Delete(_ context.Context, key string) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	there := c.items[key].Found
	delete(c.items, key)
	return there, c.fail
}

func (c *fakeCache) Stats(context.Context) (CacheStats, error) {
	return CacheStats{
		Enabled: true, Backend: "embedded", State: "ok", Prefix: "atp_re:", TTLSeconds: 3600, Hits: 3, Misses: 1, Ratio: Known(0.75), Keys: Known(int64(2)),
		Namespaces: []CacheNamespace{{Name: "decode", TTLSeconds: 3600, Hits: 3, Misses: 1}},
	}, c.fail
}

func (c *fakeCache) Invalidate(_ context.Context, pattern string) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.items)
	maps.DeleteFunc(c.items, func(key string, _ CacheItem) bool {
		ok, _ := path.Match(pattern, key)
		return ok
	})
	return before - len(c.items), c.fail
}

func (c *fakeCache) Flush(context.Context) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.items)
	clear(c.items)
	return n, c.fail
}

// fakeKV is a keyspace in memory. Its cursors are how many keys came before.
type fakeKV struct {
	mu   sync.Mutex
	keys map[string]KVContent // of database 0
	fail error                // of every call
}

func newFakeKV() *fakeKV { return &fakeKV{keys: map[string]KVContent{}} }

func (f *fakeKV) Keys(_ context.Context, q KVQuery) (keys []KVKey, next uint64, total int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if q.DB != 0 {
		return nil, 0, 0, errcode.Invalid("db", "there are 1")
	}
	all := slices.Sorted(maps.Keys(f.keys))
	for i, key := range all {
		c := f.keys[key]
		if uint64(i) < q.Cursor || q.Type != "" && q.Type != c.Type {
			continue
		}
		if len(keys) == q.Limit {
			return keys, uint64(i), -1, f.fail
		}
		keys = append(keys, c.KVKey)
	}
	return keys, 0, int64(len(all)), f.fail
}

func (f *fakeKV) Value(_ context.Context, q KVPiece) (KVContent, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.keys[q.Key]
	if !ok || q.DB != 0 {
		return c, errcode.New(errcode.NotFound, "no such key")
	}
	from, err := strconv.Atoi(cmp.Or(q.Cursor, "0"))
	if err != nil {
		return c, errcode.New(errcode.Malformed, "no cursor of this value")
	}
	c.Items = c.Items[min(from, len(c.Items)):]
	if len(c.Items) > q.Limit {
		c.Items, c.Next = c.Items[:q.Limit], strconv.Itoa(from+q.Limit)
	}
	return c, f.fail
}

func (f *fakeKV) Set(_ context.Context, db int, key string, v KVNew) (KVKey, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := KVContent{KVKey: KVKey{DB: db, Key: key, Type: v.Type, TTL: v.TTL, Bytes: 100, Length: int64(len(v.Items)), Encoding: "raw"}, Items: v.Items}
	if c.TTL == 0 {
		c.TTL = -1
	}
	if v.Type == "string" {
		c.Value, c.Length = &KVText{Data: v.Value, Size: int64(len(v.Value))}, int64(len(v.Value))
	}
	for i := range c.Items {
		for _, t := range []*KVText{c.Items[i].Field, c.Items[i].Value} {
			if t != nil {
				t.Size = int64(len(t.Data))
			}
		}
		for _, pair := range c.Items[i].Fields {
			pair[0].Size, pair[1].Size = int64(len(pair[0].Data)), int64(len(pair[1].Data))
		}
		c.Items[i].Count = len(c.Items[i].Fields)
	}
	f.keys[key] = c
	return c.KVKey, f.fail
}

func (f *fakeKV) Expire(_ context.Context, _ int, key string, ttl int64) (KVKey, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.keys[key]
	if !ok {
		return c.KVKey, errcode.New(errcode.NotFound, "no such key")
	}
	if c.TTL = ttl; ttl == 0 {
		c.TTL = -1
	}
	f.keys[key] = c
	return c.KVKey, f.fail
}

func (f *fakeKV) Delete(_ context.Context, _ int, key string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, there := f.keys[key]
	delete(f.keys, key)
	return there, f.fail
}
