package httpapi

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/access"
)

// logged gives the lines of a log that hold all of some texts.
func logged(log, text string) (n int) {
	for line := range strings.Lines(log) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// TestLimitCountsWhoHasNoToken: to be denied is no way around the limit, and the log has one line of it.
func TestLimitCountsWhoHasNoToken(t *testing.T) {
	w := newWorld(t)
	w.cfg.Auth = auth{"a": {"read"}}
	w.cfg.RateLimit, w.cfg.RateBurst = 0.001, 3
	w.start()
	for range 3 {
		res := w.get("/files")
		wantProblem(t, res, 401, "unauthorized")
		if res.Header.Get("RateLimit") == "" {
			t.Error("no RateLimit")
		}
	}
	for range 5 {
		wantProblem(t, w.get("/files"), 429, "rate_limited")
	}
	if res := w.get("/files", bearer("a")); res.StatusCode != http.StatusOK {
		t.Errorf("with a token: %d", res.StatusCode)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if n, m := logged(w.log.String(), "client limited"), logged(w.log.String(), `"status":429`); n != 1 || m != 0 {
		t.Errorf("%d lines that it is limited, %d of its requests", n, m)
	}
}

// TestWrongTokensInTheAuditLog: some are written down, and then it is quiet.
func TestWrongTokensInTheAuditLog(t *testing.T) {
	w := newWorld(t)
	var audit bytes.Buffer
	w.cfg.Audit = slog.New(slog.NewTextHandler(&lockedWriter{w: &audit, mu: &w.mu}, nil))
	w.cfg.Auth = auth{"a": {"read"}}
	w.start()
	w.do("DELETE", "/files/f1", nil) // of nobody, who tries nothing
	for range failureBurst + 10 {
		w.do("DELETE", "/files/f1", nil, bearer("wrong"))
		w.get("/session", bearer("wrong"))
	}
	wantProblem(t, w.get("/session", bearer("wrong")), 429, "rate_limited")
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := logged(audit.String(), "who=nobody"); n != failureBurst || logged(audit.String(), "") != n {
		t.Errorf("%d lines, want %d:\n%s", n, failureBurst, &audit)
	}
	if n := logged(w.log.String(), "client limited"); n != 1 {
		t.Errorf("it is said %d times that the address is limited", n)
	}
}

func TestAuditWhereNoneIsNeeded(t *testing.T) {
	w := newWorld(t)
	var audit bytes.Buffer
	w.cfg.Audit = slog.New(slog.NewTextHandler(&lockedWriter{w: &audit, mu: &w.mu}, nil))
	w.cfg.Auth = realAccess(t, false)
	w.start()
	w.do("DELETE", "/files/f1", nil)
	_, secret := w.makeToken(`{"name":"a","scopes":["admin"]}`)
	w.post("/tokens", `{"name":"b","scopes":["admin"]}`, asJSON)
	w.do("DELETE", "/files/f1", nil, bearer(secret))
	in := w.post("/session", fmt.Sprintf(`{"token":%q}`, secret), asJSON)
	with := header("Cookie", cookieName+"="+in.Cookies()[0].Value)
	for range 2 {
		w.do("DELETE", "/session", nil, with) // the second time there is no session any more
	}
	w.post("/tokens", `{"name":"b","scopes":["admin"]}`, asJSON, with)
	w.mu.Lock()
	defer w.mu.Unlock()
	var got []string
	for line := range strings.Lines(audit.String()) {
		_, who, _ := strings.Cut(line, " who=")
		got = append(got, strings.Fields(who)[0])
	}
	if logged(audit.String(), "made=/api/v1/tokens/t") != 1 {
		t.Errorf("what was made does not stand in it:\n%s", &audit)
	}
	if want := []string{"local", "local", "a", "a", "a"}; !slices.Equal(got, want) {
		t.Errorf("written down of %v, want %v:\n%s", got, want, &audit)
	}
}

// TestNoSecretIsLogged sends tokens and ids of sessions in all places where they belong, and in some where they are
// misspelt, and looks for them in all logs, at all levels, and in the answers.
func TestNoSecretIsLogged(t *testing.T) {
	w := newWorld(t)
	all := slog.New(&idHandler{slog.NewJSONHandler(&lockedWriter{w: &w.log, mu: &w.mu}, &slog.HandlerOptions{Level: slog.LevelDebug})})
	w.cfg.Logger, w.cfg.Audit = all, all
	a := realAccess(t, true)
	w.cfg.Auth = a
	w.start()
	admin, err := access.ReadToken(a.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	_, reader := w.makeToken(`{"name":"reader","scopes":["read"]}`, bearer(admin))
	id, revoked := w.makeToken(`{"name":"gone","scopes":["admin"]}`, bearer(admin))
	if res := w.do("DELETE", "/tokens/"+id, nil, bearer(admin)); res.StatusCode != http.StatusNoContent {
		t.Fatalf("revoking: %d", res.StatusCode)
	}
	in := w.post("/session", fmt.Sprintf(`{"token":%q}`, reader), asJSON)
	session := in.Cookies()[0].Value
	secrets := []string{admin, reader, revoked, session, "wayside_" + strings.Repeat("nonsense", 6)}
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.SampledFrom(secrets).Draw(t, "secret")
		where := rapid.SampledFrom([]option{
			bearer(secret), header("Authorization", "bearer  "+secret), header("Authorization", secret), header("Authorization", "Basic "+secret),
			header("Authorization", "Bearer "+secret+" x"), header("X-API-Key", secret), header("Cookie", cookieName+"="+secret),
			header("Cookie", cookieName+`="`+secret), func(*http.Request) {},
		}).Draw(t, "where")
		path := rapid.SampledFrom([]string{"/files", "/tokens", "/session", "/tokens/x", "/nothing", "/files?token=" + secret, "/files?api_key=" + secret}).Draw(t, "path")
		method := rapid.SampledFrom([]string{"GET", "HEAD", "POST", "DELETE", "PUT"}).Draw(t, "method")
		body := rapid.SampledFrom([]string{
			"", `{"token":"` + secret + `"}`, `{"tokens":"` + secret + `"}`, `{"token":["` + secret + `"]}`, `{"token":"` + secret, `"` + secret + `"`, secret,
			`{"token":"` + strings.Repeat(secret, 20) + `"}`,
		}).Draw(t, "body")
		res := w.do(method, path, strings.NewReader(body), where, asJSON)
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, s := range secrets {
			if strings.Contains(w.log.String(), s) {
				t.Fatalf("%s %s %s: a secret is in the log", method, path, body)
			}
			if strings.Contains(string(res.body), s) {
				t.Fatalf("%s %s %s: a secret is in the answer: %s", method, path, body, res.body)
			}
		}
		w.log.Reset()
	})
}
