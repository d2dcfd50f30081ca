//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
)

const (
	tusVersion = "Tus-Resumable: 1.0.0\r\n"
	tusPiece   = tusVersion + "Content-Type: application/offset+octet-stream\r\n"
)

// beginUploads makes what the attacks on uploads are about: {upload} has 3 of its 10 bytes, {finished} is a file, {ended} is
// no more, {filling} takes what lies about its length.
func (g *target) beginUploads() {
	g.t.Helper()
	do := func(method, path, body string, headers ...string) *http.Response {
		req, err := http.NewRequestWithContext(g.t.Context(), method, g.a.url+path, strings.NewReader(body))
		if err != nil {
			g.t.Fatal(err)
		}
		req.Header.Set("Tus-Resumable", "1.0.0")
		req.Header.Set("Content-Type", "application/offset+octet-stream")
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil || res.StatusCode >= 300 {
			g.t.Fatalf("%s %s: %v %v", method, path, res, err)
		}
		_ = res.Body.Close()
		return res
	}
	for name, body := range map[string]string{"{upload}": "abc", "{filling}": "abc", "{finished}": "abcdefghij", "{ended}": "abc"} {
		path := do(http.MethodPost, "/api/v1/uploads", body, "Upload-Length", "10").Header.Get("Location") //nolint:bodyclose // do closes it
		if name == "{ended}" {
			do(http.MethodDelete, path, "") //nolint:bodyclose // do closes it
		}
		g.ids = append(g.ids, name, path[strings.LastIndexByte(path, '/')+1:])
	}
}

// tusAttacks are requests of an upload that resumes, which no client of that protocol sends.
func tusAttacks() []attack {
	out := append(tusBeginnings(), tusPieces()...)
	for _, id := range []string{"none", "..", "%2e%2e%2f", "%00", strings.Repeat("a", 300), "{ended}", "{upload}%00", "{upload}/..", "{upload}/x", "%2e%2e%2fblobs"} {
		for _, m := range []string{"PATCH", "HEAD", "DELETE"} {
			out = append(out, attack{name: m + " " + id[:min(len(id), 20)], raw: request(m, "/api/v1/uploads/"+id, tusPiece+"Upload-Offset: 0\r\n", ""), want: "4xx|refused"})
		}
	}
	for _, m := range []string{"GET", "PUT", "TRACE", "BREW", "get"} {
		out = append(out, attack{name: "method " + m, raw: request(m, "/api/v1/uploads/{upload}", tusVersion, ""), want: "method_not_allowed"})
	}
	for _, m := range []string{"GET", "PUT", "BREW", "patch", "PATCH, DELETE", "../DELETE", strings.Repeat("A", 10_000)} {
		out = append(out, attack{name: "override " + m[:min(len(m), 20)], raw: request("POST", "/api/v1/uploads/{upload}", tusVersion+"X-HTTP-Method-Override: "+m+"\r\n", ""), want: "method_not_allowed"})
	}
	return append(
		out,
		attack{name: "two overrides", raw: request("POST", "/api/v1/uploads/{upload}", tusVersion+"X-HTTP-Method-Override: HEAD\r\nX-HTTP-Method-Override: DELETE\r\n", ""), want: "malformed"},
		attack{name: "override at the top", raw: request("POST", "/api/v1/uploads", tusVersion+"X-HTTP-Method-Override: DELETE\r\n", ""), want: "method_not_allowed"},
		attack{name: "override of what is ended", raw: request("POST", "/api/v1/uploads/{ended}", tusVersion+"X-HTTP-Method-Override: DELETE\r\n", ""), want: "not_found"},
		attack{name: "override of HEAD", raw: request("HEAD", "/api/v1/uploads/{upload}", tusVersion+"X-HTTP-Method-Override: DELETE\r\n", ""), want: "ok"},
		attack{name: "end without version", raw: request("DELETE", "/api/v1/uploads/{upload}", "", ""), want: "precondition_failed"},
		attack{name: "from another site", raw: request("POST", "/api/v1/uploads", tusVersion+"Upload-Length: 1\r\nOrigin: http://evil.example\r\n", ""), want: "forbidden"},
		attack{name: "end from another site", raw: request("DELETE", "/api/v1/uploads/{upload}", tusVersion+"Origin: http://evil.example\r\n", ""), want: "forbidden"},
		attack{name: "it is still there", raw: request("HEAD", "/api/v1/uploads/{upload}", tusVersion, ""), want: "ok"},
	)
}

// tusBeginnings begin an upload in ways that begin none.
func tusBeginnings() []attack {
	var out []attack
	add := func(want string, headers ...string) {
		for _, h := range headers {
			out = append(out, attack{name: "create " + h[:min(len(h), 60)], raw: request("POST", "/api/v1/uploads", h, ""), want: want})
		}
	}
	one := tusVersion + "Upload-Length: 1\r\n"
	add("precondition_failed", "", "Upload-Length: 1\r\n", "Tus-Resumable: 9.9.9\r\nUpload-Length: 1\r\n", "Tus-Resumable: 1.0\r\nUpload-Length: 1\r\n", "Tus-Resumable: \xff\r\nUpload-Length: 1\r\n")
	for _, n := range []string{"-1", "abc", "1.5", "99999999999999999999", "1e3", "0x10", "", "1 1", "\xd9\xa1", "NaN", strings.Repeat("1", 5_000)} {
		add("malformed", tusVersion+"Upload-Length: "+n+"\r\n")
	}
	add("too_large", tusVersion+"Upload-Length: 9000000000000000000\r\n", tusVersion+"Upload-Length: 9223372036854775807\r\n")
	add("malformed", tusVersion, one+"Upload-Length: 2\r\n", one+"Tus-Resumable: 1.0.0\r\n")
	for _, h := range []string{"Upload-Defer-Length: 1", "Upload-Defer-Length: 7", "Upload-Defer-Length: x", "Upload-Concat: partial", "Upload-Concat: final;/api/v1/uploads/{upload}", "Upload-Concat: \xff", "Upload-Concat: final;" + strings.Repeat("/x ", 3_000)} {
		add("malformed", tusVersion+h+"\r\n", one+h+"\r\n")
	}
	for _, m := range []string{
		"filename not-base64!!", "filename YQ", "filename YQ==,filename Yg==", "filename YQ==,", ",", " ", "\xc3\xa4 YQ==", "a\tb YQ==", "filename  ,, YQ==", "batch Li4v", "batch " + strings.Repeat("YWFh", 20), "batch YjAwMDAwMDAwMDk=",
		"param. YQ==", "param.x /w==", "decoder " + strings.Repeat("YWFh", 400), "decoder bm9uZQ==", "decode eA==", "filename " + strings.Repeat("QUFB", 3_000), strings.Repeat("a", 9_000), "filename YQ== YQ==", "filename =YQ=", "filename YQ==\xff",
	} {
		if m == " " {
			continue // nothing is said
		}
		add("validation_failed", one+"Upload-Metadata: "+m+"\r\n")
	}
	params := make([]string, 0, 101)
	for i := range 101 {
		params = append(params, fmt.Sprintf("param.p%d MQ==", i))
	}
	add("validation_failed", one+"Upload-Metadata: "+strings.Join(params, ",")+"\r\n")
	add("4xx|refused", one+"Upload-Metadata: filename "+strings.Repeat("QUFB", 1<<18)+"\r\n", one+"Upload-Metadata: filename Y\x00==\r\n", one+"Upload-Metadata: filename Y\rQ==\r\n")
	for _, h := range tusChecksums() {
		add("malformed", one+h)
	}
	return out
}

// tusChecksums are checksums that are none.
func tusChecksums() []string {
	var out []string
	for _, c := range []string{"none", "sha1", "sha1 x", "sha1 AAAA", "crc32 AAAA", "SHA1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "sha512 AAAA", "sha256 \xff", "sha1 " + strings.Repeat("A", 10_000), " ", "sha256 ../../x"} {
		if c != " " {
			out = append(out, "Upload-Checksum: "+c+"\r\n")
		}
	}
	return out
}

// tusPieces send pieces that lie about where they belong, how long they are and what they are.
func tusPieces() []attack {
	var out []attack
	patch := func(want, id, headers, body string) {
		out = append(out, attack{name: "patch " + id + " " + headers[:min(len(headers), 50)], raw: request("PATCH", "/api/v1/uploads/"+id, tusPiece+headers, body), want: want})
	}
	for _, offset := range []string{"0", "2", "4", "10", "11", "9000000000000000000", "9223372036854775807"} {
		patch("conflict", "{upload}", "Upload-Offset: "+offset+"\r\n", "d")
	}
	patch("conflict", "{upload}", "Upload-Offset: 0\r\n", "abc") // the first piece again
	for _, offset := range []string{"-1", "-3", "abc", "", "3.0", "3,3", "0x3", "99999999999999999999", "\xff", strings.Repeat("3", 5_000)} {
		patch("malformed", "{upload}", "Upload-Offset: "+offset+"\r\n", "d")
	}
	patch("malformed", "{upload}", "", "d")
	patch("malformed", "{upload}", "Upload-Offset: 3\r\nUpload-Offset: 4\r\n", "d")
	patch("malformed", "{upload}", "Upload-Offset: 3\r\nUpload-Length: 99\r\n", "d")
	patch("malformed", "{upload}", "Upload-Offset: 3\r\nUpload-Defer-Length: 1\r\n", "d")
	patch("malformed", "{upload}", "Upload-Offset: 3\r\nUpload-Concat: partial\r\n", "d")
	patch("too_large", "{upload}", "Upload-Offset: 3\r\n", "defghijk")
	patch("too_large", "{upload}", "Upload-Offset: 3\r\n", strings.Repeat("d", 1<<20))
	patch("too_large", "{finished}", "Upload-Offset: 10\r\n", "k")
	patch("conflict", "{finished}", "Upload-Offset: 0\r\n", "abcdefghij")
	patch("ok", "{finished}", "Upload-Offset: 10\r\n", "")
	patch("not_found", "{ended}", "Upload-Offset: 3\r\n", "defghij")
	patch("conflict", "{upload}", "Upload-Offset: 3\r\nUpload-Checksum: sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n", "d")
	patch("conflict", "{upload}", "Upload-Offset: 3\r\nUpload-Checksum: md5 AAAAAAAAAAAAAAAAAAAAAA==\r\n", "")
	for _, h := range tusChecksums() {
		patch("malformed", "{upload}", "Upload-Offset: 3\r\n"+h, "d")
	}
	raw := func(name, want, id, headers, body string) {
		out = append(out, attack{name: name, raw: withHead("PATCH /api/v1/uploads/"+id+" HTTP/1.1", "Host: {host}\r\nConnection: close\r\n"+headers, body), want: want, half: true})
	}
	for _, ct := range []string{"", "Content-Type: text/plain\r\n", "Content-Type: application/offset+octet-stream; x=y\r\n", "Content-Type: multipart/form-data; boundary=b\r\n"} {
		raw("type "+ct, "unsupported_media_type", "{upload}", tusVersion+ct+"Upload-Offset: 3\r\nContent-Length: 1\r\n", "d")
	}
	at3 := tusPiece + "Upload-Offset: 3\r\n"
	raw("chunks that go on", "too_large", "{upload}", at3+"Transfer-Encoding: chunked\r\n", "8\r\ndefghijk\r\n0\r\n\r\n")
	raw("many chunks that go on", "too_large|refused", "{upload}", at3+"Transfer-Encoding: chunked\r\n", strings.Repeat("1\r\nd\r\n", 1_000)+"0\r\n\r\n")
	raw("a length without end", "4xx", "{filling}", at3+"Content-Length: 9223372036854775807\r\n", "d")
	for _, body := range []string{"", "zz\r\nd\r\n", "-1\r\nd\r\n", "ffffffffffffffff\r\nd\r\n", "1\r\nd", "1\r\ndX\r\n", "1;\x00\r\nd\r\n0\r\n\r\n", "00000000000000000000000001\r\nd\r\n"} {
		raw(fmt.Sprintf("chunks %.20q", body), "4xx|refused", "{filling}", at3+"Transfer-Encoding: chunked\r\n", body)
	}
	raw("cut off", "4xx", "{filling}", at3+"Content-Length: 6\r\n", "d")
	raw("two lengths", "refused", "{upload}", at3+"Content-Length: 1\r\nContent-Length: 2\r\n", "dd")
	raw("length and chunks", "4xx|refused", "{filling}", at3+"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "zz\r\n")
	return out
}
