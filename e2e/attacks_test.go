//go:build e2e

package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/url"
	"strings"
	"syscall"
)

// nothing asks whether a process is there.
const nothing = syscall.Signal(0)

type attackSection struct {
	name    string
	attacks []attack
}

// attacks is the table. A new route adds a section; path tricks are tried on every documented path without one.
func attacks(c *contract) []attackSection {
	all := []attackSection{
		{"method", methodAttacks()},
		{"line", lineAttacks()},
		{"header", headerAttacks()},
		{"length", lengthAttacks()},
		{"json", jsonAttacks()},
		{"query", queryAttacks()},
		{"table", tableAttacks()},
		{"range", rangeAttacks()},
		{"form", formAttacks()},
		{"access", accessAttacks()},
		{"protocol", protocolAttacks()},
		{"path", pathAttacks(c)},
	}
	for _, more := range []struct {
		path string
		made func() []attack
	}{{"/api/v1/uploads", tusAttacks}, {"/api/v1/tokens", tokenAttacks}, {"/api/v1/batches", batchAttacks}, {"/api/v1/events", eventAttacks}, {"/api/v1/cache", cacheAttacks}, {"/api/v1/kv/keys", kvAttacks}} {
		for _, op := range c.ops {
			if op.path == more.path {
				all = append(all, attackSection{more.path, more.made()})
				break
			}
		}
	}
	return all
}

func methodAttacks() []attack {
	var out []attack
	for _, m := range []string{"BREW", "TRACE", "get", "Post", "PROPFIND", "M-SEARCH", "PATCH", "PUT", "DELETE", "OPTIONS", "GETGETGETGETGETGETGETGETGET", "PRI"} {
		for path, want := range map[string]string{"/api/v1/files": "method_not_allowed", "/health": "method_not_allowed", "/docs": "method_not_allowed", "/api/v1/none": "not_found"} {
			if m == "OPTIONS" {
				want += "|ok" // it lists the methods in Allow
			}
			out = append(out, attack{name: m, raw: request(m, path, "", ""), want: want})
		}
	}
	for _, m := range []string{"GE T", "G\x00T", "", "G\u00c4T", "GET\t", "(GET)", "{}", " GET"} {
		out = append(out, attack{name: fmt.Sprintf("%q", m), raw: request(m, "/api/v1/files", "", ""), want: "refused"})
	}
	return append(out,
		attack{name: "connect", raw: "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", want: "4xx"},
		attack{name: "connect elsewhere", raw: "CONNECT evil.example:25 HTTP/1.1\r\nHost: evil.example:25\r\nConnection: close\r\n\r\n", want: "4xx"},
		attack{name: "override", raw: request("POST", "/api/v1/files/{file}", "X-HTTP-Method-Override: DELETE\r\n", ""), want: "method_not_allowed"},
	)
}

func lineAttacks() []attack {
	var out []attack
	for _, p := range []string{
		"/api/v1/../../etc/passwd", "/../../../../etc/passwd", "/api/v1/files/..", "/api/v1/%2e%2e/%2e%2e/etc/passwd", "/%2fetc%2fpasswd",
		"//etc/passwd", "/api/v1//files", "/api//v1/files", "/assets/..%2f..%2fetc%2fpasswd", "/docs/..%2fdocs.html", "/assets/%00", "/docs/docs.css%00",
		"/api/v1/files%00", "/api/v1/files%20", "/api/v1/files;x=1", "/api/v1/FILES", "/API/V1/files", "/api/v1/files/", "/api/v2/files",
		"/%c0%af%c0%ae", "/\xc0\xae\xc0\xae/", "/\xff\xfe", "/%F0%9F%92%A5", "/\u202egnp", "/api/v1/files/%0d%0aX-Evil:%201", "/.git/config",
		"/api/v1/files\\..\\..", "/" + strings.Repeat("a", 50_000), "/" + strings.Repeat("a/", 20_000), "/api/v1/" + strings.Repeat("%2e%2e%2f", 3_000),
		"/favicon.ico", "/.well-known/security.txt", "/debug/pprof/", "/debug/vars", "/metrics/..", "/health/../api/v1/none",
	} {
		out = append(out, attack{name: fmt.Sprintf("%.40q", p), raw: request("GET", p, "", ""), want: "not_found|4xx"})
	}
	for _, l := range []string{
		"GET /api/v1/files", "GET  /api/v1/files HTTP/1.1", "GET /api/v1/a b HTTP/1.1", "GET /%zz HTTP/1.1", "GET /% HTTP/1.1", "GET /%1 HTTP/1.1",
		"GET /api/v1/files HTTP/9.9", "GET /api/v1/files HTTP/2.0", "GET /api/v1/files HTTP/0.9", "GET /api/v1/files HTTP/1", "GET /api/v1/files http/1.1",
		"GET /api/v1/files HTTP/1.1 x", "GET /api/v1/files FTP/1.1", "\x00\x01\x02", "GET", "/ HTTP/1.1", "GET \x00 HTTP/1.1", "GET /a\x00b HTTP/1.1", "GET /a\x7fb HTTP/1.1",
		"GET files HTTP/1.1", "GET " + strings.Repeat("a", 200_000) + " HTTP/1.1", "GET /" + strings.Repeat("a", 200_000) + " HTTP/1.1",
		"GET http://[::1 HTTP/1.1", "GET http://{host}:port/ HTTP/1.1", "GET :80/ HTTP/1.1",
	} {
		out = append(out, attack{name: fmt.Sprintf("%.40q", l), raw: withHead(l, "Host: {host}\r\nConnection: close\r\n", ""), want: "refused", half: true})
	}
	return append(out,
		attack{name: "absolute", raw: withHead("GET http://{host}/api/v1/system HTTP/1.1", "Host: {host}\r\nConnection: close\r\n", ""), want: "ok"},
		attack{name: "absolute elsewhere", raw: withHead("GET http://evil.example/api/v1/system HTTP/1.1", "Host: {host}\r\nConnection: close\r\n", ""), want: "forbidden"},
		attack{name: "file url", raw: withHead("GET file:///etc/passwd HTTP/1.1", "Host: {host}\r\nConnection: close\r\n", ""), want: "4xx|refused"},
		attack{name: "asterisk", raw: withHead("GET * HTTP/1.1", "Host: {host}\r\nConnection: close\r\n", ""), want: "4xx|refused"},
		attack{name: "options asterisk", raw: withHead("OPTIONS * HTTP/1.1", "Host: {host}\r\nConnection: close\r\n", ""), want: "ok|4xx|refused"},
		attack{name: "old", raw: "GET /api/v1/system HTTP/1.0\r\nHost: {host}\r\n\r\n", want: "ok"},
		attack{name: "old without host", raw: "GET /api/v1/system HTTP/1.0\r\n\r\n", want: "forbidden|refused"},
	)
}

func headerAttacks() []attack {
	get := func(name, headers, want string) attack {
		return attack{name: name, raw: withHead("GET /api/v1/system HTTP/1.1", headers, ""), want: want}
	}
	host := "Host: {host}\r\nConnection: close\r\n"
	out := []attack{
		get("10 MB", host+"X-A: "+strings.Repeat("a", 10<<20)+"\r\n", "refused"),
		get("10,000 headers", host+strings.Repeat("X-A: aaaaaaaa\r\n", 10_000), "refused"),
		get("10,000 cookies", host+"Cookie: "+strings.Repeat("a=b; ", 10_000)+"\r\n", "ok|refused"),
		get("no host", "Connection: close\r\n", "refused"),
		get("two hosts", "Host: {host}\r\nHost: evil.example\r\n", "refused"),
		get("two equal hosts", "Host: {host}\r\nHost: {host}\r\n", "refused"),
		get("bad host", "Host: a b\r\n", "refused"),
		get("host with a path", "Host: {host}/x\r\nConnection: close\r\n", "forbidden|refused"),
		get("host with user", "Host: me@{host}\r\nConnection: close\r\n", "forbidden|refused"),
		get("host with junk", "Host: <script>\r\n", "refused|forbidden"),
		get("empty host", "Host: \r\nConnection: close\r\n", "forbidden|refused"),
		get("long host", "Host: "+strings.Repeat("a", 10_000)+"\r\nConnection: close\r\n", "forbidden"),
		get("nul", host+"X-A: a\x00b\r\n", "refused"),
		get("control", host+"X-A: a\x01b\r\n", "refused"),
		get("name with a space", host+"X A: b\r\n", "refused"),
		get("name with a space before the colon", host+"X-A : b\r\n", "refused"),
		get("no colon", host+"nonsense\r\n", "refused"),
		get("no name", host+": b\r\n", "refused"),
		get("obs-fold", host+"X-A: a\r\n b\r\n", "ok|refused"),
		get("obs-fold first", " folded: x\r\n"+host, "refused"),
		get("bare LF", "Host: {host}\nConnection: close\n", "ok|refused"),
		get("bare CR", host+"X-A: a\rX-Evil: b\r\n", "refused|ok"),
		get("utf-8", host+"X-A: \u00e4\u20ac\r\n", "ok"),
		get("latin-1", host+"X-A: \xe4\r\n", "ok"),
		get("name in utf-8", host+"X-\u00c4: b\r\n", "refused"),
		get("request id with a line", host+"X-Request-ID: a%0d%0aX-Evil: b\r\n", "ok"),
		get("long request id", host+"X-Request-ID: "+strings.Repeat("a", 20_000)+"\r\n", "ok"),
		get("junk traceparent", host+"Traceparent: 00-xyz-1-01\r\n", "ok"),
		get("junk encodings", host+"Accept-Encoding: gzip;q=NaN, zstd;q=1e999, *;q=-1, ,;;,\r\n", "ok"),
		get("many encodings", host+"Accept-Encoding: "+strings.Repeat("gzip;q=0.1,", 5_000)+"\r\n", "ok"),
		get("junk if-none-match", host+"If-None-Match: \"\\\",W/,,**\r\n", "ok"),
		get("accept", host+"Accept: application/xml\r\n", "ok"),
		get("junk content type", host+"Content-Type: ;;;\r\n", "ok"),
		get("upgrade", host+"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n", "ok"),
		get("upgrade to h2c", host+"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", "ok"),
		get("expect", host+"Expect: 200-ok\r\n", "refused|ok"),
		get("forwarded", host+"X-Forwarded-For: 1.2.3.4, evil\r\nX-Forwarded-Host: evil.example\r\nForwarded: for=unknown\r\n", "ok"),
		get("proxy", host+"Proxy: http://evil.example\r\nX-Original-URL: /api/v1/none\r\nX-Rewrite-URL: /api/v1/none\r\n", "ok"),
		get("hop by hop", "Host: {host}\r\nConnection: close, Host, Authorization\r\n", "ok"),
	}
	for _, h := range []string{"evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "0x7f.1", "2130706433", "[::ffff:1.2.3.4]", "10.0.0.1", "*", "localhost@evil.example"} {
		out = append(out, get("host "+h, "Host: "+h+"\r\nConnection: close\r\n", "forbidden|refused"))
	}
	return out
}

func lengthAttacks() []attack {
	post := func(name, headers, body, want string, half bool) attack {
		return attack{name: name, raw: withHead("POST /api/v1/detect HTTP/1.1", "Host: {host}\r\nConnection: close\r\n"+headers, body), want: want, half: half}
	}
	file := func(name, headers, body, want string) attack {
		return attack{name: "file " + name, raw: withHead("POST /api/v1/files?name=cut.RU HTTP/1.1", "Host: {host}\r\nConnection: close\r\n"+headers, body), want: want, half: true}
	}
	chunked := "Transfer-Encoding: chunked\r\n"
	out := []attack{
		post("negative", "Content-Length: -1\r\n", "", "refused", false),
		post("no number", "Content-Length: ten\r\n", "", "refused", false),
		post("plus", "Content-Length: +4\r\n", "abcd", "refused", false),
		post("hex", "Content-Length: 0x4\r\n", "abcd", "refused", false),
		post("overflow", "Content-Length: 99999999999999999999\r\n", "", "refused", false),
		post("two that differ", "Content-Length: 4\r\nContent-Length: 5\r\n", "abcde", "refused", false),
		post("list", "Content-Length: 4, 4\r\n", "abcd", "refused", false),
		post("two that agree", "Content-Length: 4\r\nContent-Length: 4\r\n", "abcd", "unknown_format|refused", false),
		post("with chunked", "Content-Length: 4\r\n"+chunked, "0\r\n\r\n", "unknown_format|refused", false),
		post("chunked twice", chunked+chunked, "0\r\n\r\n", "refused|unknown_format", false),
		post("chunked in capitals and more", "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n", "refused", false),
		post("identity", "Transfer-Encoding: identity\r\n", "", "refused|unknown_format", false),
		post("unknown coding", "Transfer-Encoding: cow\r\n", "", "refused", false),
		post("chunked with a tab", "Transfer-Encoding:\tchunked\r\n", "0\r\n\r\n", "unknown_format|refused", false),
		post("longer than the body", "Content-Length: 100\r\n", "abc", "malformed", true),
		post("shorter than the body", "Content-Length: 2\r\n", "abcdef", "unknown_format", false),
		post("a terabyte", "Content-Length: 1099511627776\r\n", "abc", "malformed|too_large|disk_full", true),
		post("trailer", chunked+"Trailer: X-Evil\r\n", "3\r\nabc\r\n0\r\nX-Evil: 1\r\n\r\n", "unknown_format", false),
		post("content-length in the trailer", chunked, "3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n", "unknown_format|malformed", false),
		post("expect continue", "Expect: 100-continue\r\nContent-Length: 3\r\n", "abc", "ok|unknown_format", false),
		file("cut off", "Content-Length: 100\r\n", "abc", "malformed"),
		file("cut off at once", "Content-Length: 100\r\n", "", "malformed"),
		file("a petabyte", "Content-Length: 1125899906842624\r\n", "abc", "malformed|too_large|disk_full"),
		file("chunk cut off", chunked, "ff\r\nabc", "malformed"),
		file("no last chunk", chunked, "3\r\nabc\r\n", "malformed"),
	}
	for _, b := range []string{"zz\r\n", "-1\r\nabc\r\n", "fffffffffffffffff\r\n", "3\r\nabcd\r\n0\r\n\r\n", "3\nabc\n0\n\n\n", "3;" + strings.Repeat("x", 20_000) + "\r\nabc\r\n0\r\n\r\n", "\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n", " 3\r\nabc\r\n", "3 \r\nabc\r\n0\r\n\r\n", "ffffffff\r\nabc", "3\r\nabc", "3\r\nabc\r\n0\r\nnonsense\r\n\r\n"} {
		out = append(out, post(fmt.Sprintf("chunk %.20q", b), chunked, b, "malformed|unknown_format|refused", true),
			file(fmt.Sprintf("chunk %.20q", b+"!"), chunked, "1\r\n!\r\n"+"zz\r\n"+b, "malformed"))
	}
	return out
}

func jsonAttacks() []attack {
	var out []attack
	deep := strings.Repeat("[", 100_000)
	bodies := map[string]string{
		"empty": "", "open": "{", "closed": "}", "array": "[]", "null": "nul", "string": `"x"`, "number": "1e999", "NaN": `{"type":NaN}`,
		"infinity": `{"priority":Infinity}`, "BOM": "\ufeff{}", "deep": deep, "deep objects": strings.Repeat(`{"a":`, 100_000),
		"deep payload": `{"type":"x","payload":` + deep + strings.Repeat("]", 100_000) + `}`, "bad utf-8": "{\"type\":\"\xff\xfe\"}", "two": "{}{}",
		"trailing": "{} x", "digits": `{"priority":` + strings.Repeat("9", 4_000) + `}`, "single quotes": "{'type':'x'}", "utf-16": "{\x00}\x00",
		"comment": "{/**/}", "trailing comma": `{"a":1,}`, "nul byte": "{\x00}", "control": "{\"type\":\"\x01\"}", "wrong types": `{"type":[],"worker":{},"jobs":1,"file_id":false,"cron":7,"weight":"x","priority":"x","leases":7,"ack":7,"action":[]}`,
		"surrogate": `{"type":"\ud800","worker":"\ud800","file_id":"\ud800","action":"\ud800","cron":"\ud800"}`, "proto": `{"__proto__":{"admin":true}}`,
		"many members": "{" + strings.Repeat(`"a":1,`, 50_000) + `"b":1}`, "xml": "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
	}
	for _, op := range []string{
		"POST /api/v1/decodes", "POST /api/v1/jobs", "POST /api/v1/flows", "POST /api/v1/schedules", "PUT /api/v1/schedules/evil", "PUT /api/v1/queues/evil", "PATCH /api/v1/queues/evil",
		"POST /api/v1/leases", "POST /api/v1/leases/finish", "POST /api/v1/leases/heartbeat", "POST /api/v1/jobs/actions", "PATCH /api/v1/jobs/none", "POST /api/v1/session",
	} {
		method, path, _ := strings.Cut(op, " ")
		for name, body := range bodies {
			out = append(out, attack{name: op + " " + name, raw: request(method, path, "Content-Type: application/json\r\n", body), want: "malformed|validation_failed|unsupported_media_type|too_large"})
		}
		for _, ct := range []string{"text/plain", "application/xml", "multipart/form-data; boundary=b", "application/x-www-form-urlencoded", "application/json; charset=utf-16le-evil=\"", ";;", strings.Repeat("a", 5_000)} {
			out = append(out, attack{name: op + " as " + ct[:min(len(ct), 30)], raw: request(method, path, "Content-Type: "+ct+"\r\n", `{"no_such":1}`), want: "unsupported_media_type|validation_failed|malformed"})
		}
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 100 {
		_, _ = z.Write(make([]byte, 1<<20))
	}
	_ = z.Close()
	return append(out,
		attack{name: "gzip bomb", raw: request("POST", "/api/v1/jobs", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", bomb.String()), want: "malformed|unsupported_media_type|too_large"},
		attack{name: "duplicate keys", raw: request("POST", "/api/v1/jobs", "Content-Type: application/json\r\n", `{"type":"a","type":"decode"}`), want: "validation_failed|malformed"},
		attack{name: "the appliance's own type", raw: request("POST", "/api/v1/jobs", "Content-Type: application/json\r\n", `{"type":"decode","payload":{"decode_id":"../../x"}}`), want: "validation_failed|forbidden"},
		attack{name: "too large", raw: request("POST", "/api/v1/jobs", "Content-Type: application/json\r\n", `{"type":"`+strings.Repeat("a", 17<<20)+`"}`), want: "too_large|refused"},
		attack{name: "jobs without end", raw: request("POST", "/api/v1/jobs", "Content-Type: application/json\r\n", `{"jobs":[`+strings.Repeat(`{"type":"a"},`, 20_000)+`{"type":"a"}]}`), want: "validation_failed|too_large"},
		attack{name: "no line", raw: request("POST", "/api/v1/jobs/import", "Content-Type: application/x-ndjson\r\n", "\x00\n"), want: "malformed"},
		attack{name: "line without end", raw: request("POST", "/api/v1/jobs/import", "Content-Type: application/x-ndjson\r\n", strings.Repeat("a", 2<<20)), want: "too_large|refused"},
	)
}

func queryAttacks() []attack {
	var out []attack
	for _, path := range []string{"/api/v1/files", "/api/v1/decodes", "/api/v1/jobs", "/api/v1/flows", "/api/v1/decodes/{decode}/issues"} {
		for _, q := range []string{
			"limit=-1", "limit=0", "limit=1000000000", "limit=abc", "limit=1.5", "limit=0x10", "limit=99999999999999999999999", "limit=1e3", "limit=%00", "limit=%D9%A1", "limit=1&limit=-2", "limit=1&limit=1", "fields=id&fields=id",
			"cursor=%21%21", "cursor=..%2f..", "cursor=%00", "cursor=" + strings.Repeat("a", 5_000), "cursor=AAAA", "cursor=%ff%fe", "cursor=eyJhIjoxfQ", "cursor='--",
		} {
			out = append(out, attack{name: path + "?" + q[:min(len(q), 30)], raw: request("GET", path+"?"+q, "", ""), want: "validation_failed|malformed"})
		}
		for _, q := range []string{"limit=", "fields=", "%zz=1", "a=%", ";", "&&&&", "=", strings.Repeat("a=b&", 10_000), "limit=1;limit=2", "%00=%00"} {
			out = append(out, attack{name: path + "?" + q[:min(len(q), 30)], raw: request("GET", path+"?"+q, "", ""), want: "ok|validation_failed|malformed"})
		}
	}
	for _, q := range []string{"fields=no_such", "fields=id,id", "fields=../..", "fields=" + strings.Repeat("id,", 2_000)} {
		out = append(out, attack{name: q[:min(len(q), 30)], raw: request("GET", "/api/v1/files?"+q, "", ""), want: "validation_failed"})
	}
	for _, w := range []string{"NaN", "nan", "1e308", "-1", "Inf", "-Inf", "31", "abc", "0x1p4", "1e-400x", "%00"} {
		out = append(out, attack{name: "wait=" + w, raw: request("GET", "/api/v1/decodes/{decode}?wait="+w, "", ""), want: "validation_failed"},
			attack{name: "upload wait=" + w, raw: request("POST", "/api/v1/files?name=x&wait="+w, "", "x"), want: "validation_failed"})
	}
	for _, q := range []string{"decode=maybe", "force=2", "bundle=x", "decoder=../../x", "decoder=%00", "param.=1", "param.a=1&param.a=2", "decoder=" + strings.Repeat("x", 300), "name=" + strings.Repeat("x", 5_000), "param.timezone=..%2f..%2fetc%2fpasswd&decoder=rail", "param.timezone=%00&decoder=rail", "param.reveal=maybe&decoder=rail"} {
		out = append(out, attack{name: "upload " + q[:min(len(q), 40)], raw: request("POST", "/api/v1/files?"+q, "", "x"), want: "validation_failed|malformed|not_found"})
	}
	for _, q := range []string{"to=", "to=exe", "to=csv", "to=csv&table=..%2fx", "to=csv&table=%00", "table=records", "to=parquet&table=records&to=csv", "to=json&decoder=none"} {
		out = append(out, attack{name: "decode " + q, raw: request("POST", "/api/v1/decode?"+q, "", "x"), want: "validation_failed|unknown_format"})
	}
	for _, q := range []string{"offset=-1", "offset=abc", "offset=99999999999999999999", "length=0", "length=-5", "length=1048577", "offset=9223372036854775807", "raw=perhaps"} {
		out = append(out, attack{name: "hex " + q, raw: request("GET", "/api/v1/files/{file}/hex?"+q, "", ""), want: "validation_failed|range_not_satisfiable"})
	}
	return out
}

func tableAttacks() []attack {
	var out []attack
	rows := "/api/v1/decodes/{decode}/tables/records/"
	for _, w := range []string{
		"seq", "seq:eq", "seq:eq:", "seq:eq:x", "seq:eq:1.5", "seq:eq:NaN", "seq:lt:99999999999999999999999", "seq:between:1", "none:eq:1", ":eq:1", "::", "seq:in:", "seq:in:1,x",
		"seq:is_null:perhaps", "time:eq:yesterday", "time:lt:2025-99-99T00:00:00Z", "time:lt:9999999-01-01T00:00:00Z", "speed_kmh:gt:fast", "speed_kmh:gt:Infinity", "seq:contains:1x\x00", "seq:eq:'; drop table", "../seq:eq:1",
		strings.Repeat("x", 10_000), "seq:in:" + strings.Repeat("1,", 5_000) + "x",
	} {
		out = append(out, attack{name: fmt.Sprintf("where %.30q", w), raw: request("GET", rows+"rows?where="+url.QueryEscape(w), "", ""), want: "validation_failed"})
	}
	for _, q := range []string{
		"sort=none", "sort=../x", "sort=%00", "sort=" + strings.Repeat("x", 100), "order=sideways", "columns=none", "columns=seq,none", "columns=%00", "columns=..%2f..",
		"limit=0", "limit=10001", "limit=-1", "limit=NaN", "cursor=%21", "cursor=AAAAAAAAAAAA", "int64=float", "q=" + strings.Repeat("x", 2_000), strings.Repeat("where=seq:eq:1&", 500), "sort=seq&cursor=AAAA",
		"offset=-1", "offset=x", "offset=1.5", "offset=9007199254740992", "offset=99999999999999999999", "offset=1&cursor=AAAA", "position_of=-2", "position_of=99999999", "position_of=x",
		"position_of=9223372036854775808", "count=maybe", "row_numbers=2", "columns=seq&columns=time", "order=asc&order=asc", "offset=0&offset=1",
	} {
		out = append(out, attack{name: "rows " + q[:min(len(q), 30)], raw: request("GET", rows+"rows?"+q, "", ""), want: "validation_failed|malformed"})
	}
	for _, q := range []string{"", "y=", "y=none", "y=seq,none", "x=none&y=seq", "y=seq&points=0", "y=seq&points=-1", "y=seq&points=999999999", "y=seq&from=x", "y=seq&from=NaN&to=NaN", "y=seq&to=1e999", "y=" + strings.Repeat("seq,", 500), "y=seq&from=%00"} {
		out = append(out, attack{name: "series " + q[:min(len(q), 30)], raw: request("GET", rows+"series?"+q, "", ""), want: "validation_failed|ok"})
	}
	for _, q := range []string{"last=59", "last=86401", "last=x", "points=0", "points=1441", "points=1e3", "subject=" + strings.Repeat("x", 201), "kinds=" + strings.Repeat("x,", 33)} {
		out = append(out, attack{name: "readings " + q[:min(len(q), 30)], raw: request("GET", "/api/v1/readings?"+q, "", ""), want: "validation_failed"})
	}
	for _, f := range []string{"records", "records.", ".csv", "records.exe", "records.csv.exe", "..%2frecords.csv", "none.csv", "records.CSV", "records.parquet%00", "%00.csv", strings.Repeat("x", 100) + ".csv", "records.csv%2f..", "records..csv", "..parquet"} {
		out = append(out, attack{name: "export " + f[:min(len(f), 30)], raw: request("GET", "/api/v1/decodes/{decode}/tables/"+f, "", ""), want: "not_found|validation_failed"})
	}
	for _, q := range []string{"columns=none", "sort=none", "where=x", "null=x&bom=maybe&bom=x", "delimiter=ab"} {
		out = append(out, attack{name: "export " + q, raw: request("GET", "/api/v1/decodes/{decode}/tables/records.csv?"+q, "", ""), want: "validation_failed|ok"})
	}
	return out
}

func rangeAttacks() []attack {
	var out []attack
	for _, path := range []string{"/api/v1/files/{file}/content", "/api/v1/decodes/{decode}/tables/records.parquet"} {
		for _, r := range []string{"bytes=5-1", "bytes=99999999999999999999-", "bytes=-0", "bytes=abc", "bytes=-", "bytes=--1", "bytes=1-x", "lines=0-1", "bytes 0-1", "bytes=999999999-", "bytes=0x0-0x1", "bytes=18446744073709551615-18446744073709551616", "bytes=-99999999999999999999", "bytes=0-0,x"} {
			out = append(out, attack{name: path[8:14] + " " + r, raw: request("GET", path, "Range: "+r+"\r\n", ""), want: "range_not_satisfiable"})
		}
		for _, r := range []string{"bytes=" + strings.Repeat("0-0,", 10_000) + "1-1", "bytes=" + strings.Repeat("0-,", 5_000) + "0-", "bytes=0-0,-1", "bytes=0-99999999999", "bytes=0-0,999999999-", "bytes=", "bytes=+1-+2"} {
			out = append(out, attack{name: path[8:14] + " " + r[:min(len(r), 30)], raw: request("GET", path, "Range: "+r+"\r\n", ""), want: "ok|range_not_satisfiable"})
		}
		for _, h := range []string{"If-Match: \"none\"", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT", "If-Match: W/\"x\", \"y\""} {
			out = append(out, attack{name: path[8:14] + " " + fmt.Sprintf("%.20s", h), raw: request("GET", path, h+"\r\n", ""), want: "precondition_failed"})
		}
		for _, h := range []string{"If-Range: junk\r\nRange: bytes=0-0", "If-Modified-Since: junk", "If-None-Match: ,,,\"", "If-Match: *"} {
			out = append(out, attack{name: path[8:14] + " " + fmt.Sprintf("%.14s", h), raw: request("GET", path, h+"\r\n", ""), want: "ok"})
		}
	}
	return out
}

func formAttacks() []attack {
	var out []attack
	part := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nA\r\n"
	const ct = "Content-Type: multipart/form-data; boundary=b\r\n"
	add := func(name, headers, body, want string) {
		for _, path := range []string{"/api/v1/files?decode=false", "/api/v1/files?bundle=true", "/api/v1/detect", "/api/v1/decode?to=csv&table=records", "/api/v1/plugins"} {
			out = append(out, attack{name: path + " " + name, raw: request("POST", path, headers, body), want: want})
		}
	}
	add("empty", ct, "", "malformed")
	add("no boundary", "Content-Type: multipart/form-data\r\n", part, "malformed")
	add("long boundary", "Content-Type: multipart/form-data; boundary="+strings.Repeat("b", 10_000)+"\r\n", part, "malformed")
	add("mixed", "Content-Type: multipart/mixed; boundary=b\r\n", part+"--b--\r\n", "unsupported_media_type")
	add("no file", ct, "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nx\r\n--b--\r\n", "validation_failed")
	add("nothing", ct, "--b--\r\n", "validation_failed|malformed")
	add("10,001 fields", ct, strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\nx\r\n", 10_001)+"--b--\r\n", "validation_failed|malformed")
	add("header bomb", ct, "--b\r\nX-A: "+strings.Repeat("a", 11<<20)+"\r\n\r\nA\r\n--b--\r\n", "malformed|refused")
	add("headers", ct, "--b\r\n"+strings.Repeat("X-A: a\r\n", 20_000)+"\r\nA\r\n--b--\r\n", "malformed")
	add("broken header", ct, "--b\r\nnonsense\r\n\r\nA\r\n--b--\r\n", "malformed")
	add("nested", ct, "--b\r\nContent-Disposition: form-data; name=\"x\"\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nA\r\n--c--\r\n--b--\r\n", "validation_failed")
	add("other boundary", ct, strings.ReplaceAll(part, "--b", "--c")+"--c--\r\n", "malformed")
	add("in a header", ct, part[:30], "malformed")
	for _, end := range []string{"", "--b", "--b-", "--b\r\n"} {
		add(fmt.Sprintf("without end %q", end), ct, strings.Replace(part, "name=\"file\"; filename=\"a\"", "name=\"note\"", 1)+end, "malformed")
	}
	return append(out,
		attack{name: "cut in the file", raw: withHead("POST /api/v1/files HTTP/1.1", "Host: {host}\r\nConnection: close\r\nContent-Length: 1000\r\n"+ct, part[:len(part)-1]), want: "malformed", half: true},
		attack{name: "bundle cut", raw: withHead("POST /api/v1/files?bundle=true HTTP/1.1", "Host: {host}\r\nConnection: close\r\nContent-Length: 1000\r\n"+ct, part), want: "malformed", half: true},
	)
}

func accessAttacks() []attack {
	var out []attack
	for _, h := range []string{"Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Origin: http://localhost:1", "Sec-Fetch-Site: same-site", "Origin: http://{host}.evil.example", "Origin: \x80", "Origin: https://{host}@evil.example"} {
		for _, op := range []string{"POST /api/v1/files?name=x", "DELETE /api/v1/files/{file}", "POST /api/v1/decodes", "POST /api/v1/plugins/rail/disable"} {
			method, path, _ := strings.Cut(op, " ")
			out = append(out, attack{name: h + " " + op, raw: request(method, path, h+"\r\n", ""), want: "forbidden"})
		}
	}
	for _, h := range []string{
		"Authorization: Bearer wrong", "Authorization: bearer " + strings.Repeat("a", 30_000), "X-API-Key: wrong", "X-API-Key: \xff", "Authorization: Bearer a b c",
		"Authorization: Bearer ' or 1=1", "X-API-Key: ../secrets/admin-token", "Authorization: Bearer \u00e4",
	} {
		out = append(out, attack{name: h[:min(len(h), 40)], raw: request("GET", "/api/v1/files", h+"\r\n", ""), want: "unauthorized"})
	}
	for _, h := range []string{"Authorization: Basic YTpi", "Authorization: ", "Cookie: wayside_session=junk", "Cookie: wayside_session=\xff; wayside_session=", "Cookie: =;;=" + strings.Repeat(";", 5_000)} {
		out = append(out, attack{name: h[:min(len(h), 40)], raw: request("GET", "/api/v1/files", h+"\r\n", ""), want: "ok|unauthorized"})
	}
	for _, b := range []string{`{"token":""}`, `{"token":"` + strings.Repeat("a", 600) + `"}`, `{"token":1}`, `{}`} {
		out = append(out, attack{name: "session " + b[:min(len(b), 20)], raw: request("POST", "/api/v1/session", "Content-Type: application/json\r\n", b), want: "validation_failed"})
	}
	return out
}

func protocolAttacks() []attack {
	return []attack{
		{name: "h2c preface", raw: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", want: "refused|4xx", half: true},
		{name: "TLS", raw: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 500), want: "refused", half: true},
		{name: "SSH", raw: "SSH-2.0-OpenSSH_9.0\r\n", want: "refused", half: true},
		{name: "SMTP", raw: "EHLO evil\r\nMAIL FROM:<a@b>\r\n", want: "refused", half: true},
		{name: "Redis", raw: "*1\r\n$4\r\nPING\r\n", want: "refused", half: true},
		{name: "empty lines", raw: strings.Repeat("\r\n", 1_000), want: "refused", half: true},
		{name: "zeros", raw: strings.Repeat("\x00", 100_000), want: "refused", half: true},
		{name: "a line without end", raw: strings.Repeat("A", 1<<20), want: "refused", half: true},
		{name: "half a request", raw: "GET /api/v1/files HT", want: "refused", half: true},
		{name: "half a head", raw: "GET /api/v1/files HTTP/1.1\r\nHost: {host}\r\n", want: "refused", half: true},
		{name: "proxy protocol", raw: "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: {host}\r\n\r\n", want: "refused", half: true},
		{name: "smuggled", raw: "POST /api/v1/detect HTTP/1.1\r\nHost: {host}\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api/v1/none HTTP/1.1\r\nHost: {host}\r\n\r\n", want: "unknown_format|refused", half: true},
	}
}

// pathAttacks tries tricks in every parameter of every documented path.
func pathAttacks(c *contract) []attack {
	var out []attack
	for _, op := range c.ops {
		if !strings.Contains(op.path, "{") {
			continue
		}
		for _, trick := range []string{"%2e%2e", "..%2f..%2f..%2fetc%2fpasswd", "%00", "%2fetc%2fpasswd", strings.Repeat("z", 300), "%F0%9F%92%A5", "%c0%ae%c0%ae", "a%0d%0aX-Evil:1", "%27--", "%3Cscript%3E", "%ff", "%20", "a%2fb", "%25s%25n%25v"} {
			path := op.path
			for _, q := range op.params("path") {
				path = strings.ReplaceAll(path, "{"+q["name"].(string)+"}", trick)
			}
			body, h := "", ""
			if example, ok := op.jsonBody(); ok {
				body, h = jsonText(example), "Content-Type: application/json\r\n"
			}
			want := "not_found|validation_failed|malformed|method_not_allowed|4xx"
			if strings.HasSuffix(op.id, "-cached-value") {
				want += "|ok" // any text is a key of the cache, and leads nowhere else
			}
			out = append(out, attack{name: op.id + " " + trick[:min(len(trick), 20)], raw: request(op.method, path+required(op), h, body), want: want})
		}
	}
	return out
}

func tokenAttacks() []attack {
	var out []attack
	for _, b := range []string{
		`{"name":"","scopes":["read"]}`, `{"name":"a","scopes":[]}`, `{"name":"a","scopes":["root"]}`, `{"name":"a"}`, `{"name":"a","scopes":null}`, `{"name":"a","scopes":["read"],"expires_at":"yesterday"}`,
		`{"name":"a","scopes":["read"],"expires_at":"1990-01-01T00:00:00Z"}`, `{"name":"` + strings.Repeat("a", 100) + `","scopes":["read"]}`, `{"name":"a","scopes":["read","read","read","read","read","read","read","read","read"]}`,
		`{"name":1,"scopes":["read"]}`, `{"name":"a","scopes":"admin"}`, `{"name":"a\u0000","scopes":["read"]}`, `{"name":"a\nb","scopes":["read"]}`,
	} {
		out = append(out, attack{name: b[:min(len(b), 50)], raw: request("POST", "/api/v1/tokens", "Content-Type: application/json\r\n", b), want: "validation_failed|malformed"})
	}
	return out
}

func batchAttacks() []attack {
	var out []attack
	for _, b := range []string{"{}", "null", "[]", `{"file_ids":[]}`, `{"file_ids":["none"]}`, `{"file_ids":"x"}`, `{"file_ids":["../.."],"name":"a"}`, `{"file_ids":["{file}"],"concurrency":-1}`, `{"file_ids":["{file}"],"timeout_per_file":-1}`, `{"file_ids":["{file}"],"timeout_per_file":1e308}`, `{"file_ids":["{file}"],"concurrency":1000000000}`} {
		out = append(out, attack{name: b, raw: request("POST", "/api/v1/batches", "Content-Type: application/json\r\n", b), want: "4xx"})
	}
	return out
}

func eventAttacks() []attack {
	var out []attack
	for _, q := range []string{"topics=none", "topics=%00", "topics=" + strings.Repeat("file,", 5_000) + "x"} {
		out = append(out, attack{name: q[:min(len(q), 20)], raw: request("GET", "/api/v1/events?"+q, "", ""), want: "4xx"})
	}
	for _, id := range []string{"abc", "-1", "99999999999999999999999", "\xff"} {
		out = append(out, attack{name: "last " + id, raw: request("HEAD", "/api/v1/events", "Last-Event-ID: "+id+"\r\n", ""), want: "ok|4xx|refused"})
	}
	return out
}
