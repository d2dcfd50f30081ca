package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// kvCalls build on each other.
func kvCalls() []queueCall {
	const list, get, put, del = "GET /kv/keys", "GET /kv/keys/{db}/{key}", "PUT /kv/keys/{db}/{key}", "DELETE /kv/keys/{db}/{key}"
	key := func(name string) string { return "/kv/keys/0/" + base64.RawURLEncoding.EncodeToString([]byte(name)) }
	many := strings.TrimSuffix(strings.Repeat(`{"value":{"text":"x"}},`, 1001), ",")
	return []queueCall{
		{list, "/kv/keys", "", 200, `{"items":[],"next_cursor":null,"total":0}`},
		{put, key("s"), `{"type":"string","value":{"text":"grüß"},"ttl_ms":60000}`, 200, `{"db":0,"key":"cw","text":"s","key_bytes":1,"type":"string","ttl_ms":60000,"bytes":100,"length":6,"encoding":"raw"}`},
		{get, key("s"), "", 200, `"value":{"text":"grüß","bytes":6},"members":[],"next_cursor":null}`},
		{get, key("s") + "==", "", 200, `"text":"s"`},
		{get, key("s") + "%3D%3d", "", 200, `"text":"s"`},
		{put, key("s"), `{"ttl_ms":null}`, 200, `"ttl_ms":null`},
		{put, key("s"), `{"ttl_ms":5}`, 200, `"ttl_ms":5`},
		{put, key("none"), `{"ttl_ms":5}`, 404, `not_found`},
		{put, key("s"), `{}`, 422, `the type of a value, or ttl_ms alone`},
		{put, key("s"), `{"value":{"text":"x"},"ttl_ms":1}`, 422, `the type of a value`},
		{put, key("s"), `{"type":"string","ttl_ms":0,"value":{"text":"x"}}`, 422, `ttl_ms`},
		{put, key("s"), `{"type":"string","ttl_ms":1e16,"value":{"text":"x"}}`, 422, `ttl_ms`},
		{put, key("s"), `{"type":"string"}`, 422, `either text or base64`},
		{put, key("s"), `{"type":"string","value":{"text":"x","base64":"eA=="}}`, 422, `either text or base64`},
		{put, key("s"), `{"type":"string","value":{"base64":"???"}}`, 422, `value.base64`},
		{put, key("s"), `{"type":"string","value":{"text":"x","bytes":9}}`, 422, `a part of 9 bytes`},
		{put, key("s"), `{"type":"string","value":{"text":"x"},"members":[{"value":{"text":"x"}}]}`, 422, `a string has none`},
		{put, key("s"), `{"type":"json","value":{"text":"x"}}`, 422, `"field":"type"`},
		{put, key("b"), `{"type":"string","value":{"base64":"/wA="}}`, 200, `"length":2`},
		{get, key("b"), "", 200, `"value":{"base64":"/wA=","bytes":2}`},
		{put, key("l"), `{"type":"list","members":[{"value":{"text":"a"}},{"value":{"text":""}},{"value":{"base64":"/w=="}}]}`, 200, `"length":3`},
		{get, key("l") + "?limit=2", "", 200, `"value":null,"members":[{"value":{"text":"a","bytes":1}},{"value":{"text":""}}],"next_cursor":"`},
		{get, key("l") + "?cursor=" + cursorOfKey("2"), "", 200, `"members":[{"value":{"base64":"/w==","bytes":1}}],"next_cursor":null`},
		{get, key("l") + "?cursor=x", "", 400, `cursor`},
		{get, key("l") + "?cursor=" + cursorOfKey("x"), "", 400, `cursor`},
		{put, key("l"), `{"type":"list","value":{"text":"a"}}`, 422, `a list has members`},
		{put, key("l"), `{"type":"list"}`, 422, `one at least`},
		{put, key("l"), `{"type":"list","members":[` + many + `]}`, 422, `"field":"members"`},
		{put, key("l"), `{"type":"list","members":[{"value":{"text":"a"},"score":"1"}]}`, 422, `a member of a list has value`},
		{put, key("set"), `{"type":"set","members":[{"value":{"text":"a"}}]}`, 200, `"type":"set"`},
		{put, key("h"), `{"type":"hash","members":[{"field":{"text":"f"},"value":{"text":"v"}}]}`, 200, `"type":"hash"`},
		{get, key("h"), "", 200, `"members":[{"field":{"text":"f","bytes":1},"value":{"text":"v","bytes":1}}]`},
		{put, key("h"), `{"type":"hash","members":[{"value":{"text":"v"}}]}`, 422, `has field and value`},
		{put, key("z"), `{"type":"zset","members":[{"value":{"text":"a"},"score":"1.50"},{"value":{"text":"b"},"score":"-Infinity"}]}`, 200, `"type":"zset"`},
		{get, key("z"), "", 200, `"score":"1.5"},{"value":{"text":"b","bytes":1},"score":"-inf"}`},
		{put, key("z"), `{"type":"zset","members":[{"value":{"text":"a"},"score":"nan"}]}`, 422, `members[0].score`},
		{put, key("z"), `{"type":"zset","members":[{"value":{"text":"a"},"score":"1e999"}]}`, 422, `members[0].score`},
		{put, key("x"), `{"type":"stream","members":[{"id":"1-1","fields":[{"field":{"text":"f"},"value":{"text":"v"}}]},{"id":"1-2","fields":[{"field":{"text":"f"},"value":{"text":"w"}}]}]}`, 200, `"length":2`},
		{get, key("x"), "", 200, `{"id":"1-1","fields":[{"field":{"text":"f","bytes":1},"value":{"text":"v","bytes":1}}],"field_count":1}`},
		{put, key("x"), `{"type":"stream","members":[{"id":"0-0","fields":[{"field":{"text":"f"},"value":{"text":"v"}}]}]}`, 422, `ids rise`},
		{put, key("x"), `{"type":"stream","members":[{"id":"5","fields":[{"field":{"text":"f"},"value":{"text":"v"}}]}]}`, 422, `two numbers`},
		{put, key("x"), `{"type":"stream","members":[{"fields":[{"field":{"text":"f"},"value":{"text":"v"}}]},{"id":"5-1","fields":[{"field":{"text":"f"},"value":{"text":"v"}}]}]}`, 422, `either all entries`},
		{put, key("x"), `{"type":"stream","members":[{"fields":[]}]}`, 422, `one at least`},
		{put, key("x"), `{"type":"stream","members":[{"field_count":9,"fields":[{"field":{"text":"f"},"value":{"text":"v"}}]}]}`, 422, `some of 9 fields`},
		{put, key("x"), `{"type":"stream","members":[{"fields":[{"field":{"text":"f"},"value":{"text":"v","bytes":7}}]}]}`, 422, `members[0].fields[0].value.bytes`},
		{put, "/kv/keys/0/=", `{"type":"string","value":{"text":"of the empty key"}}`, 200, `"key":"=","text":null,"key_bytes":0`},
		{get, "/kv/keys/0/=", "", 200, `of the empty key`},
		{get, "/kv/keys/0/!", "", 422, `key`},
		{get, "/kv/keys/0/a", "", 422, `expected base64url`},
		{get, "/kv/keys/x/YQ", "", 422, `db`},
		{get, "/kv/keys/-1/YQ", "", 422, `db`},
		{get, "/kv/keys/0/" + strings.Repeat("A", 5501), "", 422, `key`},
		{get, "/kv/keys/0/" + strings.Repeat("A", 5464), "", 422, `at most 4096 bytes`},
		{get, key("s") + "?limit=0", "", 422, `limit`},
		{list, "/kv/keys?limit=3", "", 200, `"total":null`},
		{list, "/kv/keys?type=hash&fields=text,type", "", 200, `{"items":[{"text":"h","type":"hash"}]`},
		{list, "/kv/keys?db=1", "", 422, `"field":"db"`},
		{list, "/kv/keys?type=json", "", 422, `"field":"type"`},
		{list, "/kv/keys?fields=value", "", 422, `"field":"fields"`},
		{list, "/kv/keys?cursor=" + cursorOfKey("x"), "", 400, `cursor`},
		{del, key("s"), "", 204, ""},
		{del, key("s"), "", 404, `not_found`},
	}
}

// TestKVPages goes through the list by its cursors.
func TestKVPages(t *testing.T) {
	w := newWorld(t).start()
	for i := range 25 {
		w.do("PUT", fmt.Sprintf("/kv/keys/0/%s", keyInPath(fmt.Sprintf("k%02d", i))), strings.NewReader(`{"type":"string","value":{"text":"x"}}`), asJSON)
	}
	seen, cursor := map[string]bool{}, ""
	for {
		res := w.get("/kv/keys?limit=10&cursor=" + cursor)
		for _, item := range res.json(t)["items"].([]any) {
			seen[item.(map[string]any)["text"].(string)] = true
		}
		next, more := res.json(t)["next_cursor"].(string)
		if !more {
			break
		}
		cursor = next
	}
	if len(seen) != 25 {
		t.Errorf("%d keys seen", len(seen))
	}
}

// TestKVKeysOutOfReach: a key that is too long for a path is shown as such, by its beginning.
func TestKVKeysOutOfReach(t *testing.T) {
	w := newWorld(t).start()
	long := strings.Repeat("ü", 3000)
	w.kv.keys[long] = KVContent{KVKey: KVKey{Key: long, Type: "string", TTL: -1}}
	item := w.get("/kv/keys").json(t)["items"].([]any)[0].(map[string]any)
	if text := item["text"].(string); item["key"] != nil || len(text) != maxKVText || item["key_bytes"] != 6000.0 {
		t.Errorf("%v", item)
	}
}

// TestKVBytesKeepBytes: whatever the bytes, what is shown whole can be given back, and what is shown in part cannot.
func TestKVBytesKeepBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) })).Draw(t, "bytes")
		cut := rapid.IntRange(0, len(b)).Draw(t, "cut")
		shown := kvBytesDTO(&KVText{Data: b[:cut], Size: int64(len(b))})
		raw, err := json.Marshal(shown)
		if err != nil {
			t.Fatal(err)
		}
		var back KVBytes
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatal(err)
		}
		got, err := back.data("value")
		if cut == len(b) && (err != nil || string(got) != string(b)) {
			t.Fatalf("%q came back as %q, %v", b, got, err)
		}
		if cut < len(b) && err == nil {
			t.Fatalf("%q, a part of %q, can be given back", got, b)
		}
		if utf8.Valid(b[:cut]) != (shown.Text != nil) || (shown.Text == nil) == (shown.Base64 == nil) {
			t.Fatalf("%q is shown as %s", b[:cut], raw)
		}
	})
}

// TestKVConditions: a change may depend on what a key was.
func TestKVConditions(t *testing.T) {
	w := newWorld(t).start()
	put := func(text string, opts ...option) reply {
		return w.do("PUT", "/kv/keys/0/YQ", strings.NewReader(fmt.Sprintf(`{"type":"string","value":{"text":%q}}`, text)), append(opts, asJSON)...)
	}
	put("one", header("If-None-Match", "*"))
	tag := w.get("/kv/keys/0/YQ").Header.Get("Etag")
	wantProblem(t, put("two", header("If-None-Match", "*")), 412, "precondition_failed")
	if res := put("two", header("If-Match", tag)); res.StatusCode != http.StatusOK {
		t.Errorf("%d %s", res.StatusCode, res.body)
	}
	wantProblem(t, put("three", header("If-Match", tag)), 412, "precondition_failed")
}
