package httpapi

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/access"
)

// TestManyAddressesCostBoundedMemory has a limiter meet hundreds of thousands of clients, as somebody with many addresses
// can make it: what it knows of them does not grow, and one IPv6 host is one client whatever it calls itself.
func TestManyAddressesCostBoundedMemory(t *testing.T) {
	l := newLimiter(failureRate, failureBurst)
	heap := func() int64 {
		goruntime.GC()
		var m goruntime.MemStats
		goruntime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for i := range uint64(200_000) {
		var six [16]byte
		six[0], six[1] = 0x20, 0x01
		binary.BigEndian.PutUint64(six[:8], binary.BigEndian.Uint64(six[:8])+i) // a /64 each
		l.take(clientKey(netip.AddrFrom16(six).String()))
		var four [4]byte
		binary.BigEndian.PutUint32(four[:], uint32(i)*2654435761)
		l.take(clientKey(netip.AddrFrom4(four).String()))
	}
	if grown := heap() - before; grown > 8<<20 || len(l.clients) > maxClients {
		t.Errorf("%d clients in %d bytes", len(l.clients), grown)
	}
	one := newLimiter(failureRate, failureBurst)
	for i := range 1000 {
		one.take(clientKey(netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2:%x::%x", i, i)).String()))
		one.take(clientKey(netip.MustParseAddr("::ffff:192.0.2.1").Unmap().String()))
		one.take(clientKey(netip.MustParseAddr("192.0.2.1").String()))
	}
	if len(one.clients) != 2 {
		t.Errorf("a host of IPv6 and one of IPv4 are %d clients", len(one.clients))
	}
	goruntime.KeepAlive(l)
}

// TestSessionsAreNotFixed: the id of a session is never one that a browser brought, and signing in ends the one before.
func TestSessionsAreNotFixed(t *testing.T) {
	w := newWorld(t)
	a := realAccess(t, true)
	w.cfg.Auth = a
	w.start()
	admin, err := access.ReadToken(a.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	_, reader := w.makeToken(`{"name":"reader","scopes":["read"]}`, bearer(admin))
	signIn := func(token string, opts ...option) string {
		t.Helper()
		res := w.post("/session", fmt.Sprintf(`{"token":%q}`, token), append(opts, asJSON)...)
		if len(res.Cookies()) != 1 {
			t.Fatalf("signing in: %d %s", res.StatusCode, res.body)
		}
		return res.Cookies()[0].Value
	}
	with := func(id string) option { return header("Cookie", cookieName+"="+id) }
	planted := "wayside_" + strings.Repeat("x", 43)
	first := signIn(admin, with(planted))
	if first == planted {
		t.Error("the id that was brought counts")
	}
	wantProblem(t, w.get("/files", with(planted)), 401, "unauthorized")
	second := signIn(reader, with(first))
	if second == first {
		t.Error("two sessions of one id")
	}
	wantProblem(t, w.get("/files", with(first)), 401, "unauthorized")
	if res := w.get("/files", with(second)); res.StatusCode != http.StatusOK {
		t.Errorf("signed in anew: %d %s", res.StatusCode, res.body)
	}
	wantProblem(t, w.post("/session", `{"token":"wrong, and as long as a token may be at least"}`, asJSON, with(second)), 401, "unauthorized")
	if res := w.get("/files", with(second)); res.StatusCode != http.StatusOK {
		t.Errorf("a wrong token ended the session: %d %s", res.StatusCode, res.body)
	}
	// A session is no token, and a token no session.
	wantProblem(t, w.get("/files", bearer(second)), 401, "unauthorized")
	wantProblem(t, w.get("/files", with(reader)), 401, "unauthorized")
}

// TestForeignPagesChangeNothing sends what a page of another site can make a browser send, with the cookie that it would
// not even have.
func TestForeignPagesChangeNothing(t *testing.T) {
	w := newWorld(t)
	a := realAccess(t, true)
	w.cfg.Auth = a
	w.start()
	admin, err := access.ReadToken(a.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	in := w.post("/session", fmt.Sprintf(`{"token":%q}`, admin), asJSON)
	cookie := header("Cookie", cookieName+"="+in.Cookies()[0].Value)
	for name, from := range map[string][]option{
		"another site":               {header("Sec-Fetch-Site", "cross-site"), header("Origin", "http://evil.example")},
		"another port":               {header("Sec-Fetch-Site", "same-site"), header("Origin", "http://127.0.0.1:3000")},
		"an old browser":             {header("Origin", "http://evil.example")},
		"a sandboxed frame":          {header("Origin", "null")},
		"a file":                     {header("Sec-Fetch-Site", "cross-site"), header("Origin", "null")},
		"a name that looks like it":  {header("Origin", "http://"+w.server.Addr().String()+".evil.example")},
		"one that lies about itself": {header("Sec-Fetch-Site", "cross-site"), header("Origin", w.server.URL())},
	} {
		for _, req := range []struct{ method, path, body, media string }{
			{"POST", "/files?name=a", "x", "text/plain"},
			{"POST", "/tokens", `{"name":"a","scopes":["admin"]}`, "text/plain"},
			{"POST", "/jobs", `{"type":"a"}`, "application/json"},
			{"DELETE", "/session", "", ""},
			{"PUT", "/queues/q", "{}", "application/json"},
			{"POST", "/batches", "PK", "application/x-www-form-urlencoded"},
			{"POST", "/uploads", "", ""},
		} {
			opts := append([]option{cookie, header("Content-Type", req.media)}, from...)
			if res := w.do(req.method, req.path, strings.NewReader(req.body), opts...); res.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %s %s: %d %s", name, req.method, req.path, res.StatusCode, res.body)
			}
		}
	}
	if n := len(a.Tokens()); n != 0 {
		t.Errorf("%d tokens were made", n)
	}
	if res := w.get("/files", cookie); res.StatusCode != http.StatusOK || strings.Contains(string(res.body), `"id"`) {
		t.Errorf("the session, and what is there: %d %s", res.StatusCode, res.body)
	}
}

// TestRevealNeedsAdmin asks for sensitive values by each way that makes a decode, with a token that may do all but that.
func TestRevealNeedsAdmin(t *testing.T) {
	w := newWorld(t)
	w.cfg.Auth = auth{"u": {"read", "upload", "work"}, "a": {"admin"}}
	w.start()
	f, _ := w.addDecode("done", "RU1")
	for name, ask := range map[string]func(o option) reply{
		"upload": func(o option) reply { return w.post("/files?name=a&param.reveal=true", "RU", o) },
		"decode": func(o option) reply {
			return w.post("/decodes", fmt.Sprintf(`{"file_id":%q,"params":{"reveal":true}}`, f.ID), o, asJSON)
		},
		"decode, as text": func(o option) reply {
			return w.post("/decodes", fmt.Sprintf(`{"file_id":%q,"params":{"reveal":"1"}}`, f.ID), o, asJSON)
		},
		"direct": func(o option) reply { return w.post("/decode?to=csv&table=points&param.reveal=t", "RU", o) },
		"batch of stored": func(o option) reply {
			return w.post("/batches", fmt.Sprintf(`{"file_ids":[%q],"params":{"reveal":true}}`, f.ID), o, asJSON)
		},
		"batch of an archive": func(o option) reply { return w.post("/batches?param.reveal=1", "x.ru=RU\n", o) },
		"odd word":            func(o option) reply { return w.post("/files?name=a&param.reveal=maybe", "RU", o) },
	} {
		if res := ask(bearer("u")); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s without admin: %d %s", name, res.StatusCode, res.body)
		}
		if res := ask(bearer("a")); res.StatusCode == http.StatusForbidden || res.StatusCode == http.StatusUnauthorized {
			t.Errorf("%s with admin: %d %s", name, res.StatusCode, res.body)
		}
	}
	for _, body := range []string{`{"type":"decode","payload":{"decode_id":"d0001","params":{"reveal":true}}}`} {
		wantProblem(t, w.post("/jobs", body, bearer("a"), asJSON), 422, "validation_failed")
		wantProblem(t, w.post("/flows", `{"jobs":[{"key":"a",`+body[1:]+`]}`, bearer("a"), asJSON), 422, "validation_failed")
		wantProblem(t, w.do("PUT", "/schedules/s", strings.NewReader(`{"cron":"* * * * *","job":`+body+`}`), bearer("a"), asJSON), 422, "validation_failed")
	}
}

// TestRevokedTokensEndStreams: a stream that was opened with a token, or with the session of a browser, ends with it.
func TestRevokedTokensEndStreams(t *testing.T) {
	w := newWorld(t)
	a := realAccess(t, true)
	w.cfg.Auth = a
	w.start()
	admin, err := access.ReadToken(a.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	id, reader := w.makeToken(`{"name":"reader","scopes":["read"]}`, bearer(admin))
	in := w.post("/session", fmt.Sprintf(`{"token":%q}`, reader), asJSON)
	session := in.Cookies()[0].Value
	streams := map[string]*eventStream{}
	for name, o := range map[string]option{"token": bearer(reader), "session": header("Cookie", cookieName+"="+session), "admin": bearer(admin)} {
		r, err := http.NewRequestWithContext(context.WithValue(t.Context(), stateKey{}, &state{started: time.Now()}), http.MethodGet, "/api/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		o(r)
		g, err := w.server.identify(r)
		if err != nil || g == nil {
			t.Fatalf("%s: %v %v", name, g, err)
		}
		stateOf(r.Context()).grant = g
		streams[name] = w.server.subscribe(r, "", topics())
		defer streams[name].sub.Close()
		if err := streams[name].valid(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if res := w.do("DELETE", "/tokens/"+id, nil, bearer(admin)); res.StatusCode != http.StatusNoContent {
		t.Fatalf("revoke: %d %s", res.StatusCode, res.body)
	}
	for name, e := range streams {
		if err := e.valid(); (err == nil) != (name == "admin") {
			t.Errorf("%s, after the token of two was revoked: %v", name, err)
		}
	}
	var p Problem
	res := w.get("/events", header("Cookie", cookieName+"="+session))
	if err := json.Unmarshal(res.body, &p); err != nil || p.Code != "unauthorized" {
		t.Errorf("a stream with the session: %d %s", res.StatusCode, res.body)
	}
}
