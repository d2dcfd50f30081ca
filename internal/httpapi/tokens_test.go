package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/access"
	"github.com/wayside-edge/wayside/internal/httpapi/certtest"
	"github.com/wayside-edge/wayside/internal/store"
)

// realAccess gives tokens in a database of their own.
func realAccess(tb testing.TB, required bool) *access.Access {
	tb.Helper()
	dir := tb.TempDir()
	db, err := store.Open(tb.Context(), store.Config{Dir: filepath.Join(dir, "db"), Reserve: 1 << 20, Ballast: -1})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	a, err := access.Open(tb.Context(), access.Config{DB: db, SecretsDir: filepath.Join(dir, "secrets"), Required: required})
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func bearer(token string) option { return header("Authorization", "Bearer "+token) }

var asJSON = header("Content-Type", "application/json") //nolint:gochecknoglobals // a test's shorthand

// makeToken makes a token and gives its id and itself.
func (w *world) makeToken(body string, opts ...option) (id, secret string) {
	w.t.Helper()
	res := w.post("/tokens", body, append(opts, asJSON)...)
	if res.StatusCode != http.StatusCreated || res.Header.Get("Cache-Control") != "no-store" {
		w.t.Fatalf("making a token: %d %s %v", res.StatusCode, res.body, res.Header)
	}
	var made CreatedToken
	if err := json.Unmarshal(res.body, &struct {
		ID     *string `json:"id"`
		Secret *string `json:"secret"`
	}{&made.ID, &made.Secret}); err != nil {
		w.t.Fatal(err)
	}
	return made.ID, made.Secret
}

// TestTokensWhereNoneIsNeeded: all may be done without a token, but what deals with tokens, once there is one.
func TestTokensWhereNoneIsNeeded(t *testing.T) {
	w := newWorld(t)
	w.cfg.Auth = realAccess(t, false)
	w.start()
	id, admin := w.makeToken(`{"name":"me","scopes":["admin"]}`)
	for method, path := range map[string]string{"GET": "/tokens", "POST": "/tokens", "DELETE": "/tokens/" + id} {
		wantProblem(t, w.do(method, path, strings.NewReader(`{"name":"x","scopes":["read"]}`), asJSON), 401, "unauthorized")
	}
	if res := w.get("/files"); res.StatusCode != http.StatusOK {
		t.Errorf("reading without a token: %d", res.StatusCode)
	}
	wantProblem(t, w.get("/files", bearer(strings.Repeat("x", 43))), 401, "unauthorized")
	readID, reader := w.makeToken(`{"name":"reader","scopes":["read"],"expires_at":"2999-01-01T00:00:00Z"}`, bearer(admin))
	if res := w.get("/files", header("X-API-Key", reader)); res.StatusCode != http.StatusOK {
		t.Errorf("reading with a token: %d", res.StatusCode)
	}
	wantProblem(t, w.post("/files?name=a", "x", bearer(reader)), 403, "forbidden")
	wantProblem(t, w.get("/tokens", bearer(reader)), 403, "forbidden")
	res := w.get("/tokens?fields=id,scopes,expires_at", bearer(admin))
	if items := res.json(t)["items"].([]any); len(items) != 2 || items[1].(map[string]any)["id"] != readID || strings.Contains(string(res.body), reader) {
		t.Errorf("tokens: %s", res.body)
	}
	if got := w.get("/tokens/"+readID, bearer(admin)).json(t); got["name"] != "reader" || got["last_used_at"] == nil || got["expires_at"] != "2999-01-01T00:00:00.000000Z" {
		t.Errorf("token: %v", got)
	}
	if res := w.do("DELETE", "/tokens/"+readID, nil, bearer(admin)); res.StatusCode != http.StatusNoContent {
		t.Errorf("revoking: %d %s", res.StatusCode, res.body)
	}
	wantProblem(t, w.get("/files", bearer(reader)), 401, "unauthorized")
	wantProblem(t, w.get("/tokens/"+readID, bearer(admin)), 404, "not_found")
	for _, body := range []string{`{"name":"","scopes":["read"]}`, `{"name":"x","scopes":[]}`, `{"name":"x","scopes":["root"]}`, `{"name":"x","scopes":["read"],"expires_at":"2000-01-01T00:00:00Z"}`} {
		wantProblem(t, w.post("/tokens", body, bearer(admin), asJSON), 422, "validation_failed")
	}
}

// TestSession signs a browser in and out.
func TestSession(t *testing.T) {
	w := newWorld(t)
	a := realAccess(t, true)
	w.cfg.Auth = a
	w.start()
	admin, err := access.ReadToken(a.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	_, reader := w.makeToken(`{"name":"reader","scopes":["read"]}`, bearer(admin))
	if got := w.get("/session").json(t); got["required"] != true || got["signed_in"] != false || len(got["scopes"].([]any)) != 0 {
		t.Errorf("before: %v", got)
	}
	wantProblem(t, w.post("/session", `{"token":"nonsense"}`, asJSON), 401, "unauthorized")
	wantProblem(t, w.post("/session", fmt.Sprintf(`{"token":%q}`, reader), asJSON, header("Origin", "http://evil.example")), 403, "forbidden")
	res := w.post("/session", fmt.Sprintf(`{"token":%q}`, reader), asJSON)
	cookies := res.Cookies()
	if res.StatusCode != http.StatusOK || len(cookies) != 1 || strings.Contains(string(res.body), cookies[0].Value) {
		t.Fatalf("signing in: %d %s %v", res.StatusCode, res.body, cookies)
	}
	c := cookies[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" || c.Value == reader || time.Until(c.Expires) < 11*time.Hour {
		t.Errorf("cookie: %+v", c)
	}
	with := header("Cookie", c.Name+"="+c.Value)
	if got := w.get("/session", with).json(t); got["signed_in"] != true || got["name"] != "reader" || got["expires_at"] == nil {
		t.Errorf("signed in: %v", got)
	}
	if res := w.get("/files", with); res.StatusCode != http.StatusOK {
		t.Errorf("reading: %d %s", res.StatusCode, res.body)
	}
	wantProblem(t, w.post("/files?name=a", "x", with), 403, "forbidden")
	wantProblem(t, w.do("DELETE", "/session", nil, with, header("Sec-Fetch-Site", "cross-site")), 403, "forbidden")
	out := w.do("DELETE", "/session", nil, with)
	if gone := out.Cookies(); out.StatusCode != http.StatusNoContent || len(gone) != 1 || gone[0].MaxAge >= 0 {
		t.Errorf("signing out: %d %v", out.StatusCode, gone)
	}
	wantProblem(t, w.get("/files", with), 401, "unauthorized")
	if got := w.get("/session", with).json(t); got["signed_in"] != false {
		t.Errorf("after: %v", got)
	}
}

func TestRateLimit(t *testing.T) {
	w := newWorld(t)
	w.cfg.Auth = auth{"a": {"read"}, "b": {"read"}}
	w.cfg.RateLimit, w.cfg.RateBurst = 0.001, 2
	w.start()
	for left := range 2 {
		res := w.get("/files", bearer("a"))
		want := fmt.Sprintf(`"default";r=%d;`, 1-left)
		if res.StatusCode != http.StatusOK || res.Header.Get("RateLimit-Policy") != `"default";q=2;w=2000` || !strings.HasPrefix(res.Header.Get("RateLimit"), want) {
			t.Errorf("request %d: %d %v", left, res.StatusCode, res.Header)
		}
	}
	res := w.get("/files", bearer("a"))
	wantProblem(t, res, 429, "rate_limited")
	if after := res.Header.Get("Retry-After"); after != "1000" || !strings.HasSuffix(res.Header.Get("RateLimit"), "t=1000") {
		t.Errorf("Retry-After %s, RateLimit %s", after, res.Header.Get("RateLimit"))
	}
	if res := w.get("/files", bearer("b")); res.StatusCode != http.StatusOK {
		t.Errorf("another token: %d", res.StatusCode)
	}
	if res := w.get("/health/live"); res.StatusCode != http.StatusOK || res.Header.Get("RateLimit") != "" {
		t.Errorf("health: %d %v", res.StatusCode, res.Header)
	}
	w.server.SetRateLimit(0, 0)
	if res := w.get("/files", bearer("a")); res.StatusCode != http.StatusOK || res.Header.Get("RateLimit") != "" {
		t.Errorf("without a limit: %d %v", res.StatusCode, res.Header)
	}
}

// TestLimiterIsBounded has more clients than it knows: the one not heard of for longest is forgotten.
func TestLimiterIsBounded(t *testing.T) {
	l := newLimiter(0.001, 1)
	for i := range maxClients + 1 {
		if !l.take(fmt.Sprint(i)).ok {
			t.Fatalf("client %d is refused", i)
		}
	}
	if len(l.clients) != maxClients || l.order.Len() != maxClients {
		t.Errorf("%d, %d clients are known", len(l.clients), l.order.Len())
	}
	if l.take("1").ok {
		t.Error("one that is known was forgotten")
	}
	if !l.take("0").ok {
		t.Error("the first is known still")
	}
}

// TestWrongTokens tries many: after some they are refused another way, and a right one goes on.
func TestWrongTokens(t *testing.T) {
	w := newWorld(t)
	w.cfg.Auth = auth{"a": {"read"}}
	w.start()
	for range failureBurst {
		wantProblem(t, w.get("/files", bearer("wrong")), 401, "unauthorized")
	}
	res := w.get("/files", bearer("wrong"))
	wantProblem(t, res, 429, "rate_limited")
	if res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	wantProblem(t, w.post("/session", `{"token":"wrong"}`, asJSON), 429, "rate_limited")
	if res := w.get("/files", bearer("a")); res.StatusCode != http.StatusOK {
		t.Errorf("a right token: %d", res.StatusCode)
	}
}

func TestClientIP(t *testing.T) {
	s := &Server{cfg: Config{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}}}
	for _, tc := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:5", "", "192.0.2.1"},
		{"192.0.2.1:5", "203.0.113.9", "192.0.2.1"}, // not a proxy: what it says of itself counts for nothing
		{"10.0.0.1:5", "", "10.0.0.1"},
		{"10.0.0.1:5", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:5", "6.6.6.6, 203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:5", "6.6.6.6, 203.0.113.9, 10.1.2.3", "203.0.113.9"},
		{"10.0.0.1:5", "203.0.113.9:4711", "203.0.113.9"},
		{"10.0.0.1:5", "[2001:db8::1]:4711", "2001:db8::1"},
		{"10.0.0.1:5", "::ffff:203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:5", "unknown", "10.0.0.1"},
		{"10.0.0.1:5", "6.6.6.6, unknown, 10.1.2.3", "10.1.2.3"},
		{"10.0.0.1:5", strings.Repeat("10.9.9.9,", 100) + "10.8.8.8", "10.9.9.9"},
		{"[::1]:5", "fe80::1%eth0", "fe80::1"},
	} {
		r := &http.Request{RemoteAddr: tc.remote, Header: http.Header{}}
		if tc.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tc.forwarded)
		}
		if got := s.clientIP(r); got != tc.want {
			t.Errorf("from %s for %q: %s, want %s", tc.remote, tc.forwarded, got, tc.want)
		}
	}
	for ip, want := range map[string]string{"192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "": "", "x": "x"} {
		if got := clientKey(ip); got != want {
			t.Errorf("%s is counted as %s, want %s", ip, got, want)
		}
	}
}

// FuzzClientIP: whatever a client sends through a proxy, an address comes out, and never one of the proxies' that it named
// itself in front of its own.
func FuzzClientIP(f *testing.F) {
	f.Add("6.6.6.6, 203.0.113.9")
	f.Add("[::1]:0,,%,")
	s := &Server{cfg: Config{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	f.Fuzz(func(t *testing.T, forged string) {
		r := &http.Request{RemoteAddr: "10.0.0.1:5", Header: http.Header{"X-Forwarded-For": {forged, "203.0.113.9"}}}
		if got := s.clientIP(r); got != "203.0.113.9" {
			t.Errorf("%q made it %s", forged, got)
		}
		r.Header = http.Header{"X-Forwarded-For": {forged}}
		if _, err := netip.ParseAddr(s.clientIP(r)); err != nil {
			t.Errorf("%q made it %s", forged, s.clientIP(r))
		}
	})
}

func TestFixedHeaders(t *testing.T) {
	w := newWorld(t).start()
	for _, path := range []string{"/files", "/nothing", "/health", "/jobs/x"} {
		res := w.get(path)
		for _, name := range []string{"X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy", "X-Frame-Options", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy"} {
			if res.Header.Get(name) == "" {
				t.Errorf("%s lacks %s", path, name)
			}
		}
		if res.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s, over plain HTTP, promises HTTPS", path)
		}
	}
}

// TestAudit reads what is written down, and looks for secrets in it.
func TestAudit(t *testing.T) {
	w := newWorld(t)
	var log bytes.Buffer
	w.cfg.Audit = slog.New(slog.NewTextHandler(&log, nil))
	w.direct = func(_ context.Context, _ DirectRequest, out io.Writer) error {
		_, err := io.WriteString(out, "a\n")
		return err
	}
	a := realAccess(t, true)
	w.cfg.Auth = a
	w.start()
	admin, err := access.ReadToken(a.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	_, reader := w.makeToken(`{"name":"reader","scopes":["read","upload"]}`, bearer(admin))
	w.get("/tokens", bearer(admin))
	w.get("/files", bearer(reader))
	w.post("/files?name=a", "x", bearer(reader))
	w.do("DELETE", "/files/f1", nil, bearer(reader))
	w.post("/session", fmt.Sprintf(`{"token":%q}`, reader), asJSON)
	w.post("/decode?to=csv&table=a&param.reveal=true", "x", bearer(admin))
	var got []string
	for line := range strings.Lines(log.String()) {
		fields := map[string]string{}
		for f := range strings.FieldsSeq(strings.ReplaceAll(line, "\"", "")) {
			k, v, _ := strings.Cut(f, "=")
			fields[k] = v
		}
		got = append(got, fmt.Sprintf("%s %s %s %s", fields["action"], fields["who"], fields["status"], fields["reveal"]))
		if fields["client_ip"] != "127.0.0.1" {
			t.Errorf("from %s", fields["client_ip"])
		}
	}
	want := []string{"POST admin-token 201 false", "DELETE reader 403 false", "POST reader 200 false", "POST admin-token 200 true"}
	if !slices.Equal(got, want) {
		t.Errorf("written down: %q, want %q", got, want)
	}
	if strings.Contains(log.String(), reader) || strings.Contains(log.String(), admin) {
		t.Error("there is a token in it")
	}
}

// TestTLS serves HTTPS, with HTTP/2, cookies that no other way sends, and no old versions.
func TestTLS(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	w.cfg.TLSCert, w.cfg.TLSKey = filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	if _, err := Open(w.cfg); err == nil || !strings.Contains(err.Error(), "server.tls_cert") {
		t.Errorf("without the files: %v", err)
	}
	leaf := certtest.Write(t, w.cfg.TLSCert, w.cfg.TLSKey, "one")
	w.cfg.Auth = realAccess(t, false)
	w.start()
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	call := func(method, path, body string) reply {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, w.server.URL()+"/api/v1"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		data, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return reply{res, data}
	}
	made := call("POST", "/tokens", `{"name":"a","scopes":["admin"]}`)
	if made.ProtoMajor != 2 || made.StatusCode != http.StatusCreated || made.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%s %d %s %v", made.Proto, made.StatusCode, made.body, made.Header)
	}
	in := call("POST", "/session", fmt.Sprintf(`{"token":%q}`, made.json(t)["secret"]))
	if cookies := in.Cookies(); len(cookies) != 1 || !cookies[0].Secure {
		t.Errorf("cookies: %v, %s", cookies, in.body)
	}
	plain := dialWorld(t, w)
	send(t, plain, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(plain), nil)
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(res.Body)
	if _ = res.Body.Close(); err != nil || res.StatusCode != http.StatusBadRequest || !strings.Contains(string(said), "https://") {
		t.Errorf("asked in plain text: %d %s %v", res.StatusCode, said, err)
	}
	wantFixed(t, w, res.Header, said)
	old := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}}}
	if res, err := old.Get(w.server.URL() + "/health"); err == nil {
		_ = res.Body.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

// TestCertificateFollowsItsFiles replaces them, also by what cannot be used.
func TestCertificateFollowsItsFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	certtest.Write(t, cert, key, "one")
	var log bytes.Buffer
	c, err := openCertificate(cert, key, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	want := func(name string) {
		t.Helper()
		leaf, err := x509.ParseCertificate(c.current(now).Certificate[0])
		if err != nil || leaf.Subject.CommonName != name {
			t.Errorf("the certificate is %v, want %s", leaf.Subject, name)
		}
	}
	age := time.Now()
	touch := func(path string) {
		t.Helper()
		age = age.Add(time.Second)
		if err := os.Chtimes(path, age, age); err != nil {
			t.Fatal(err)
		}
	}
	want("one")
	certtest.Write(t, cert, key, "two")
	touch(cert)
	want("one") // it was looked at just now
	now = now.Add(certLook)
	want("two")
	if err := os.WriteFile(cert, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	touch(cert)
	now = now.Add(certLook)
	want("two")
	now = now.Add(certLook)
	want("two")
	if n := strings.Count(log.String(), "cannot be used"); n != 1 {
		t.Errorf("it is said %d times", n)
	}
	certtest.Write(t, cert, key, "three")
	touch(key)
	now = now.Add(certLook)
	want("three")
}
