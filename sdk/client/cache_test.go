package client

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestCacheAndKeyCalls holds every call of the cache and the keys against what is to go over the wire.
func TestCacheAndKeyCalls(t *testing.T) {
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = strings.TrimSpace(strings.Join([]string{r.Method, strings.TrimPrefix(r.RequestURI, apiPath), string(b)}, " "))
		switch {
		case r.Method == http.MethodDelete || r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, apiPath+"/cache"):
			w.WriteHeader(http.StatusNoContent)
		case strings.HasSuffix(r.URL.Path, "/none"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"code":"not_found"}`)
		default:
			_, _ = io.WriteString(w, `{"state":"ok","since":null,"ratio":null,"keys":2,"key":"a","text":"a","value":{"text":"x","bytes":1},"ttl_ms":null,"ttl_seconds":null,
				"removed":3,"next_cursor":"n","items":[{"key":"a","found":true,"value":1,"ttl_seconds":1.5}],"members":[{"value":{"base64":"/w=="},"score":"inf"}]}`)
		}
	}))
	defer srv.Close()
	c, err := New(Config{Server: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	minute := int64(60_000)
	for _, tc := range []struct {
		want string
		call func(ctx context.Context) (bool, error)
	}{
		{"GET /cache", func(ctx context.Context) (bool, error) {
			s, err := c.CacheStats(ctx)
			return s.State == "ok" && s.Ratio == nil && *s.Keys == 2 && s.Since.IsZero(), err
		}},
		{"GET /cache/keys/a%2Fb:c%25", func(ctx context.Context) (bool, error) {
			v, err := c.CacheGet(ctx, "a/b:c%")
			return v.Found && string(v.Value) == `{"text":"x","bytes":1}` && v.TTLSeconds == nil, err
		}},
		{"GET /cache/keys/none", func(ctx context.Context) (bool, error) {
			v, err := c.CacheGet(ctx, "none")
			return !v.Found && v.Key == "none", err
		}},
		{`POST /cache/get {"keys":["a","b"]}`, func(ctx context.Context) (bool, error) {
			all, err := c.CacheGetMany(ctx, []string{"a", "b"})
			return len(all) == 1 && all[0].Found && *all[0].TTLSeconds == 1.5, err
		}},
		{`PUT /cache/keys/a {"value":{"n":1},"ttl_seconds":1.5}`, func(ctx context.Context) (bool, error) {
			return true, c.CachePut(ctx, "a", map[string]int{"n": 1}, 1500*time.Millisecond)
		}},
		{`PUT /cache/keys/a {"value":null}`, func(ctx context.Context) (bool, error) { return true, c.CachePut(ctx, "a", nil, 0) }},
		{"DELETE /cache/keys/a", func(ctx context.Context) (bool, error) { return true, c.CacheDelete(ctx, "a") }},
		{`POST /cache/invalidate {"pattern":"a*"}`, func(ctx context.Context) (bool, error) {
			n, err := c.CacheInvalidate(ctx, "a*")
			return n == 3, err
		}},
		{"POST /cache/flush", func(ctx context.Context) (bool, error) {
			n, err := c.CacheFlush(ctx)
			return n == 3, err
		}},
		{"GET /kv/keys?cursor=c&db=1&limit=5&match=a%2A&type=list", func(ctx context.Context) (bool, error) {
			keys, next, err := c.KVKeys(ctx, KVList{DB: 1, Match: "a*", Type: "list", Limit: 5, Cursor: "c"})
			return len(keys) == 1 && keys[0].Key == "a" && keys[0].TTL == nil && next == "n", err
		}},
		{"GET /kv/keys/1/_w?cursor=c&limit=5", func(ctx context.Context) (bool, error) {
			v, err := c.KVGet(ctx, 1, "\xff", "c", 5)
			return string(v.Value.Data()) == "x" && string(v.Members[0].Value.Data()) == "\xff" && v.Members[0].Score == "inf" && v.NextCursor == "n", err
		}},
		{"GET /kv/keys/0/=", func(ctx context.Context) (bool, error) {
			v, err := c.KVGet(ctx, 0, "", "", 0)
			return v.Text == "a", err
		}},
		{`PUT /kv/keys/0/YQ {"type":"string","value":{"base64":"/w=="},"ttl_ms":60000}`, func(ctx context.Context) (bool, error) {
			k, err := c.KVPut(ctx, 0, "a", NewKVValue{Type: "string", Value: NewKVBytes([]byte{0xff}), TTL: &minute})
			return k.Text == "a", err
		}},
		{`PUT /kv/keys/0/YQ {"ttl_ms":60000}`, func(ctx context.Context) (bool, error) {
			k, err := c.KVExpire(ctx, 0, "a", minute)
			return k.Text == "a", err
		}},
		{`PUT /kv/keys/0/YQ {"ttl_ms":null}`, func(ctx context.Context) (bool, error) {
			k, err := c.KVExpire(ctx, 0, "a", 0)
			return k.Text == "a", err
		}},
		{"DELETE /kv/keys/0/YQ", func(ctx context.Context) (bool, error) { return true, c.KVDelete(ctx, 0, "a") }},
	} {
		understood, err := tc.call(t.Context())
		if got != tc.want || err != nil || !understood {
			t.Errorf("got %s, want %s; %v, understood %v", got, tc.want, err, understood)
		}
	}
}
