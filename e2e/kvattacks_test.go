//go:build e2e

package e2e

import "strings"

const attackJSON = "Content-Type: application/json\r\n"

// attacksOn sends bodies to a route, each of which it has to refuse.
func attacksOn(method, path, want string, bodies ...string) []attack {
	var out []attack
	for _, body := range bodies {
		out = append(out, attack{name: method + " " + body[:min(len(body), 40)], raw: request(method, path, attackJSON, body), want: want})
	}
	return out
}

// cacheAttacks are requests of the cache that nobody sends who means it.
func cacheAttacks() []attack {
	const keys = "/api/v1/cache/keys/"
	var out []attack
	for _, key := range []string{"%00", "a%0d%0aX-Evil:1", "%ff%fe", "%1b[2J", strings.Repeat("k", 513), strings.Repeat("%41", 600), strings.Repeat("k", 20_000)} {
		for _, m := range []string{"GET", "PUT", "DELETE"} {
			out = append(out, attack{name: m + " " + key[:min(len(key), 20)], raw: request(m, keys+key, attackJSON, `{"value":1}`), want: "validation_failed"})
		}
	}
	for _, key := range []string{"decode:x", "%64ecode:x", "decode%3ax", "decode:", "decode::"} {
		out = append(out, attack{name: "own " + key, raw: request("PUT", keys+key, attackJSON, `{"value":1}`), want: "forbidden"})
	}
	for key, want := range map[string]string{
		"": "not_found", "a/b": "validation_failed", "../cache": "validation_failed", "a%2fb/c": "validation_failed", "%2e%2e%2fcache": "ok|not_found", "..": "ok|not_found",
	} {
		out = append(out, attack{name: "path " + key, raw: request("GET", keys+key, "", ""), want: want})
	}
	deep := strings.Repeat("[", 100_000)
	out = append(out, attacksOn("PUT", keys+"a", "malformed|validation_failed|too_large|refused", "", "{", `{}`, `{"value":`+deep, "{\"value\":\"\xff\"}", `{"value":1,"ttl_seconds":-1}`,
		`{"value":1,"ttl_seconds":1e999}`, `{"value":1,"ttl_seconds":"1"}`, `{"value":NaN}`, `{"value":1,"other":2}`, `{"value":"`+strings.Repeat("x", 1<<20)+`"}`,
		`{"value":"`+strings.Repeat("x", 20<<20)+`"}`)...)
	out = append(out, attacksOn("POST", "/api/v1/cache/get", "malformed|validation_failed|too_large", "", "[]", `{"keys":null}`, `{"keys":[]}`, `{"keys":[1]}`, `{"keys":[""]}`,
		`{"keys":["\u0000"]}`, `{"keys":[`+strings.Repeat(`"a",`, 1000)+`"a"]}`, `{"keys":["`+strings.Repeat("k", 600)+`"]}`)...)
	return append(out, attacksOn("POST", "/api/v1/cache/invalidate", "malformed|validation_failed", "", `{"pattern":""}`, `{"pattern":7}`, `{"pattern":"\u0000"}`,
		`{"pattern":"`+strings.Repeat("*a", 300)+`"}`)...)
}

// kvAttacks are requests of keys that nobody sends who means it.
func kvAttacks() []attack {
	const key = "/api/v1/kv/keys/0/ZXZpbA"
	var out []attack
	for _, path := range []string{
		"-1/YQ", "16/YQ", "65536/YQ", "99999999999999999999/YQ", "x/YQ", "0x1/YQ", "0/!", "0/a", "0/YQ%3d%3d%3d%3dx", "0/%00", "0/YQ+", "0/" + strings.Repeat("A", 5501),
	} {
		for _, m := range []string{"GET", "PUT", "DELETE"} {
			out = append(out, attack{name: m + " " + path[:min(len(path), 20)], raw: request(m, "/api/v1/kv/keys/"+path, attackJSON, `{"type":"string","value":{"text":"x"}}`), want: "validation_failed"})
		}
	}
	for _, q := range []string{"db=-1", "db=16", "db=x", "type=none", "limit=0", "limit=1001", "match=" + strings.Repeat("*a", 300), "cursor=x", "cursor=" + strings.Repeat("A", 300), "fields=value"} {
		out = append(out, attack{name: "list " + q[:min(len(q), 20)], raw: request("GET", "/api/v1/kv/keys?"+q, "", ""), want: "validation_failed|malformed"})
	}
	for _, m := range []string{"[z-a]", "%5Cxff*", "***********************************b", "[", "%5C", "%ff", "[^", "[a-"} {
		out = append(out, attack{name: "pattern " + m, raw: request("GET", "/api/v1/kv/keys?match="+m, "", ""), want: "ok"})
	}
	deep := strings.Repeat("[", 100_000)
	return append(out, attacksOn("PUT", key, "malformed|validation_failed|too_large", "", "{", "{}", "[]", deep, `{"type":"string"}`, `{"type":"module","value":{"text":"x"}}`,
		`{"type":"string","value":{"text":"x","base64":"eA=="}}`, `{"type":"string","value":{"base64":"%"}}`, `{"type":"string","value":"x"}`, `{"ttl_ms":0}`, `{"ttl_ms":-5}`,
		`{"ttl_ms":9223372036854775808}`, `{"ttl_ms":1e18}`, `{"type":"list","members":[]}`, `{"type":"list","members":null}`, `{"type":"list","members":[{}]}`, `{"type":"list","members":[null]}`,
		`{"type":"hash","members":[{"field":{"text":"f"}}]}`, `{"type":"zset","members":[{"value":{"text":"a"},"score":"nan"}]}`, `{"type":"zset","members":[{"value":{"text":"a"},"score":"1e999"}]}`,
		`{"type":"stream","members":[{"id":"0-0","fields":[{"field":{"text":"f"},"value":{"text":"v"}}]}]}`, `{"type":"stream","members":[{"id":"18446744073709551616-0","fields":[{"field":{"text":"f"},"value":{"text":"v"}}]}]}`,
		`{"type":"stream","members":[{"fields":[{}]}]}`, `{"type":"list","members":[`+strings.Repeat(`{"value":{"text":""}},`, 1000)+`{"value":{"text":""}}]}`,
		`{"type":"string","value":{"text":"`+strings.Repeat("x", 2<<20)+`"}}`)...)
}
