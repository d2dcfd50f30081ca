//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// planted stands in every secret that the tests give to an appliance, wherever they can: no log of any test may show it.
// It is checked at the end of each appliance (logBuffer).
const planted = "zQ7plantedX9"

// plantedCard is a card number, valid as far as its check digit tells, that nobody has.
const plantedCard = "4000 0012 3456 7899"

// sendSecrets sends requests with secrets in their parts. What becomes of them does not matter.
func sendSecrets(t *testing.T, a *appliance) {
	t.Helper()
	mail := planted + "@mail.example.org"
	for _, r := range []struct{ method, path, header, value, body string }{
		{"GET", "/api/v1/files?password=" + planted + "&limit=5", "User-Agent", "probe password=" + planted, ""},
		{"GET", "/api/v1/files?api%5Fkey=" + planted + "&q=" + url.QueryEscape("mail "+mail), "Cookie", "wayside_session=" + planted, ""},
		{"GET", "/nowhere?next=" + url.QueryEscape(url.QueryEscape("https://h/?token="+planted)), "X-Api-Key", planted, ""},
		{"GET", "/api/v1/files/" + mail, "Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("u:"+planted)), ""},
		{"GET", "/nowhere/password=" + planted, "User-Agent", "probe of card " + plantedCard, ""},
		{"GET", "/api/v1/jobs?status=" + url.QueryEscape("secret="+planted), "Authorization", "Bearer " + planted, ""},
		{"GET", "/files?q=" + url.QueryEscape(plantedCard), "X-Request-ID", "password=" + planted, ""},
		{"POST", "/api/v1/jobs", "Content-Type", "application/json", `{"type":"decode","payload":{"password":"` + planted + `"}}`},
		{"POST", "/api/v1/jobs", "Content-Type", "application/json", `{"type":"mail","payload":{"password":"` + planted + `","to":"` + mail + `"}}`},
		{"POST", "/api/v1/jobs", "Content-Type", "application/json", `{"type":"mail","payload":"token=` + planted + `",}`},
		{"POST", "/api/v1/session", "Content-Type", "application/json", `{"token":"` + planted + `"}`},
		{"POST", "/api/v1/files?wait=30&name=" + url.QueryEscape(mail+".RU"), "Content-Type", "application/octet-stream", "no recording: password=" + planted},
		{"POST", "/api/v1/files?wait=30&name=" + url.QueryEscape(planted+" 9042/163152.RU"), "Content-Type", "application/octet-stream", string(example(t))},
		{"POST", "/api/v1/decode?name=" + url.QueryEscape(planted+"_9042.MMI"), "Content-Type", "application/octet-stream", string(example(t)[:100])},
		{"PUT", "/api/v1/cache/keys/" + url.PathEscape("token="+planted), "Content-Type", "application/json", `{"value":"` + planted + `"}`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), r.method, a.url+r.path, strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(r.header, r.value)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}

// failWithSecrets has a worker outside of the appliance take a job with secrets and end it with an error that tells more.
func failWithSecrets(t *testing.T, a *appliance) {
	t.Helper()
	post := func(path, body string, out any) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(out); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v", path, resp.StatusCode, err)
		}
	}
	var leased struct {
		Jobs []struct{ ID, Lease string } `json:"jobs"`
	}
	post("/api/v1/leases", `{"worker":"outside","types":["mail"],"max":1}`, &leased)
	if len(leased.Jobs) != 1 {
		t.Fatalf("leases: %+v", leased)
	}
	body, err := json.Marshal(map[string]any{"worker": "outside", "fail": []any{map[string]any{
		"id": leased.Jobs[0].ID, "lease": leased.Jobs[0].Lease, "dead": true,
		"error": map[string]any{"code": "refused", "message": "login password=" + planted + " card " + plantedCard + " refused"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	var finished struct {
		Failed []any `json:"failed"`
	}
	post("/api/v1/leases/finish", string(body), &finished)
	if len(finished.Failed) != 1 {
		t.Fatalf("finish: %+v", finished)
	}
}

// Secrets that come in by all doors are in neither the log nor the lines that can be looked back at.
func TestNoSecretInTheLog(t *testing.T) {
	addr := kvAddress(t)
	a := start(t, t.TempDir(), "--kv-listen", addr)
	setLevel(t, a, "debug")
	sendSecrets(t, a)
	failWithSecrets(t, a)
	c := kvtest.Dial(t, addr)
	for _, cmd := range [][]string{
		{"AUTH", planted},
		{"AUTH", "default", planted},
		{"HELLO", "3", "AUTH", "default", planted},
		{"NOSUCH", "password=" + planted},
		{"SET", "token", planted},
		{"EVAL", "error('password=" + planted + "')", "0"},
		{"CLIENT", "SETNAME", "secret=" + planted},
		{"CONFIG", "SET", "requirepass", ""},
		{"ACL", "SETUSER", "someone", "on", ">" + planted},
	} {
		c.Do(cmd...)
	}
	dir := filepath.Join(t.TempDir(), planted+" 9042")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "163152.RU")
	if err := os.WriteFile(file, example(t), 0o600); err != nil {
		t.Fatal(err)
	}
	a.says(0, "upload", "--wait", file)
	a.says(0, "decode", file, "-o", t.TempDir())
	a.says(1, "logs", "--token", planted)
	if out, errs := a.says(0, "logs", "--limit", "1000"); strings.Contains(out+errs, planted) || !strings.Contains(out, "request_completed") {
		t.Errorf("the command line shows: %s %s", out, errs)
	}
	var ring struct {
		Items []any `json:"items"`
	}
	a.get("/api/v1/logs?limit=1000", &ring)
	if s := fmt.Sprint(ring.Items...); strings.Contains(s, planted) || strings.Contains(s, plantedCard) || !strings.Contains(s, "request_completed") || strings.Count(s, "***REDACTED***") < 10 {
		t.Errorf("lines to be looked back at: %s", s)
	}
	until(t, "something is hidden in the log", func() bool { return strings.Contains(a.log.all(), "***REDACTED***") })
	if found := a.log.shown(); found != "" {
		t.Errorf("the log shows: %s", found)
	}
}

func setLevel(t *testing.T, a *appliance, level string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, a.url+"/api/v1/logs/level", strings.NewReader(`{"level":"`+level+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("level: %d", resp.StatusCode)
	}
}
