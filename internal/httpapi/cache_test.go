package httpapi

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// cacheCalls build on each other.
func cacheCalls() []queueCall {
	const key, one = "/cache/keys/report:2026", "PUT /cache/keys/{key}"
	return []queueCall{
		{"GET /cache", "/cache", "", 200, `"state":"ok"`},
		{"GET /cache", "/cache?fields=hits,ratio", "", 200, `{"hits":3,"ratio":0.75}`},
		{"GET /cache/keys/{key}", key, "", 404, `no value under this key`},
		{one, key, `{"value": {"mean": 21.5, "of": [1, 2]}, "ttl_seconds": 1.5}`, 204, ""},
		{"GET /cache/keys/{key}", key, "", 200, `{"key":"report:2026","value":{"mean":21.5,"of":[1,2]},"ttl_seconds":1.5,"namespace":"report"}`},
		{"GET /cache/keys/{key}", key + "?fields=value", "", 200, `{"value":{"mean":21.5,"of":[1,2]}}`},
		{one, key, `{"value": null}`, 204, ""},
		{"GET /cache/keys/{key}", key, "", 200, `"value":null,"ttl_seconds":3600`},
		{one, key, `{}`, 422, `property value`},
		{one, key, `{"value":1,"ttl_seconds":-1}`, 422, `ttl_seconds`},
		{one, key, `{"value":1,"ttl_seconds":1e300}`, 422, `ttl_seconds`},
		{one, key, "{\"value\":\"a\xff\"}", 400, `UTF-8`},
		{one, key, `{"value":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, 400, `nested deeper`},
		{one, key, `{"value":"` + strings.Repeat("x", maxCacheBody) + `"}`, 413, `too_large`},
		{one, "/cache/keys/" + strings.Repeat("k", maxCacheKey+1), `{"value":1}`, 422, `1 to 512 bytes`},
		{one, "/cache/keys/" + strings.Repeat("%41", maxCacheKey), `{"value":1}`, 204, ""},
		{"GET /cache/keys/{key}", "/cache/keys/a/b", "", 422, `written %2F`},
		{one, "/cache/keys/decode:x", `{"value":1}`, 403, `appliance's own`},
		{one, "/cache/keys/%64ecode%3Ax", `{"value":1}`, 403, `appliance's own`},
		{one, "/cache/keys/decode", `{"value":1}`, 204, ""},
		{"GET /cache/keys/{key}", "/cache/keys/decode", "", 200, `"namespace":null`},
		{one, "/cache/keys/a%2Fb:100%25", `{"value":"slash"}`, 204, ""},
		{"GET /cache/keys/{key}", "/cache/keys/a%2Fb:100%25", "", 200, `"key":"a/b:100%","value":"slash"`},
		{one, "/cache/keys/100%25", `{"value":"percent"}`, 204, ""},
		{"GET /cache/keys/{key}", "/cache/keys/100%25", "", 200, `"key":"100%"`},
		{"POST /cache/get", "/cache/get", `{"keys":["report:2026","none","report:2026"]}`, 200, `"found":true,"value":null,"ttl_seconds":3600},{"key":"none","found":false,"value":null,"ttl_seconds":null},{"key":"report:2026"`},
		{"POST /cache/get", "/cache/get", `{"keys":[]}`, 422, `keys`},
		{"POST /cache/get", "/cache/get", `{"keys":["a",""]}`, 422, `keys[1]`},
		{"POST /cache/get", "/cache/get", `{"keys":["` + strings.Repeat(`k","`, 1000) + `"]}`, 422, `keys`},
		{"DELETE /cache/keys/{key}", "/cache/keys/100%25", "", 204, ""},
		{"DELETE /cache/keys/{key}", "/cache/keys/100%25", "", 404, `not_found`},
		{"POST /cache/invalidate", "/cache/invalidate", `{"pattern":"report:*"}`, 200, `{"removed":1}`},
		{"POST /cache/invalidate", "/cache/invalidate", `{"pattern":""}`, 422, `pattern`},
		{"POST /cache/flush", "/cache/flush", "", 200, `{"removed":3}`},
	}
}

// TestCacheScopes: workers keep and remove values, but what is the appliance's own is its own, and emptying it is for
// administrators; what they do is written down.
func TestCacheScopes(t *testing.T) {
	w := newWorld(t)
	var audit bytes.Buffer
	w.cfg.Audit = slog.New(slog.NewTextHandler(&lockedWriter{w: &audit, mu: &w.mu}, nil))
	w.cfg.Auth = auth{"r": {"read"}, "w": {"work"}, "a": {"admin"}}
	w.start()
	w.cache.items["decode:x"] = CacheItem{Found: true, Value: []byte("{}")}
	for _, tc := range []struct {
		method, path, body string
		allowed            string // of r, w and a
		written            bool
	}{
		{"GET", "/cache", "", "ra", false},
		{"GET", "/cache/keys/decode:x", "", "ra", false},
		{"POST", "/cache/get", `{"keys":["decode:x"]}`, "ra", false},
		{"PUT", "/cache/keys/mine:1", `{"value":1}`, "wa", false},
		{"PUT", "/cache/keys/decode:x", `{"value":1}`, "", false},
		{"DELETE", "/cache/keys/mine:1", "", "wa", false},
		{"DELETE", "/cache/keys/decode:x", "", "a", true},
		{"POST", "/cache/invalidate", `{"pattern":"x"}`, "a", true},
		{"POST", "/cache/flush", "", "a", true},
		{"GET", "/kv/keys", "", "a", false},
		{"GET", "/kv/keys/0/YQ", "", "a", false},
		{"PUT", "/kv/keys/0/YQ", `{"type":"string","value":{"text":"x"}}`, "a", true},
		{"DELETE", "/kv/keys/0/YQ", "", "a", true},
	} {
		for _, token := range []string{"r", "w", "a"} {
			w.mu.Lock()
			audit.Reset()
			w.mu.Unlock()
			res := w.do(tc.method, tc.path, strings.NewReader(tc.body), bearer(token), asJSON)
			if got, want := res.StatusCode != http.StatusForbidden, strings.Contains(tc.allowed, token); got != want {
				t.Errorf("%s %s with %s: %d %s", tc.method, tc.path, token, res.StatusCode, res.body)
			}
			w.mu.Lock()
			if n := logged(audit.String(), tc.path); tc.written && token == "a" && n != 1 || !tc.written && n != 0 {
				t.Errorf("%s %s with %s: %d lines in the audit log:\n%s", tc.method, tc.path, token, n, &audit)
			}
			w.mu.Unlock()
		}
	}
}

// TestCacheValuesThatAreNone: what somebody else wrote under a key of the cache, and is no JSON, breaks no answer.
func TestCacheValuesThatAreNone(t *testing.T) {
	w := newWorld(t).start()
	for key, value := range map[string]string{"a": "{", "b": "", "c": "\"\xff\"", "d": "1 2", "e": "<script>"} {
		w.cache.items[key] = CacheItem{Key: key, Found: true, Value: []byte(value)}
		wantProblem(t, w.get("/cache/keys/"+key), 404, "not_found")
	}
	if res := w.get("/cache/keys/%ff"); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a key that is no UTF-8: %d %s", res.StatusCode, res.body)
	}
	if res := w.post("/cache/get", `{"keys":["a","b","c","d","e"]}`, asJSON); strings.Count(string(res.body), `"found":false`) != 5 {
		t.Errorf("%d %s", res.StatusCode, res.body)
	}
}

// TestCacheThatIsOff has every route say so.
func TestCacheThatIsOff(t *testing.T) {
	w := newWorld(t).start()
	w.cache.fail = errcode.New(errcode.Unavailable, "the cache is off")
	w.kv.fail = errcode.New(errcode.Unavailable, "the Redis server is off")
	for _, req := range [][3]string{
		{"GET", "/cache/keys/a", ""},
		{"PUT", "/cache/keys/a", `{"value":1}`},
		{"DELETE", "/cache/keys/a", ""},
		{"POST", "/cache/get", `{"keys":["a"]}`},
		{"POST", "/cache/invalidate", `{"pattern":"*"}`},
		{"POST", "/cache/flush", ""},
		{"GET", "/kv/keys", ""},
		{"PUT", "/kv/keys/0/YQ", `{"type":"string","value":{"text":"x"}}`},
		{"GET", "/kv/keys/0/YQ", ""},
		{"PUT", "/kv/keys/0/YQ", `{"ttl_ms":5}`},
		{"DELETE", "/kv/keys/0/YQ", ""},
	} {
		res := w.do(req[0], req[1], strings.NewReader(req[2]), asJSON)
		wantProblem(t, res, 503, "unavailable")
		if !strings.Contains(string(res.body), "is off") || res.Header.Get("Retry-After") == "" {
			t.Errorf("%v: %s %v", req, res.body, res.Header)
		}
	}
}
