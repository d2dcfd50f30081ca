//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/httpapi/certtest"
)

// adminOf reads the administrator's token of an appliance.
func adminOf(t *testing.T, dir string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "secrets", "admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}

// ask sends a request with a header, and gives the answer's status (0: there was none), body and cookies.
func (a *appliance) ask(ctx context.Context, method, path, body, name, value string) (int, []byte, []*http.Cookie) {
	req, err := http.NewRequestWithContext(ctx, method, a.url+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, nil
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(name, value)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, nil
	}
	return res.StatusCode, data, res.Cookies()
}

// keyring is what was acknowledged of tokens and sessions.
type keyring struct {
	mu       sync.Mutex
	valid    map[string]string // token → its id
	sessions map[string]string // session → token
	revoked  map[string]bool   // tokens, and sessions that ended with one
	doubtful map[string]bool   // whose end was asked for and not answered
	rounds   int               // of work, wholly acknowledged: a token and a session are left, as many revoked
}

// TestRevokedStaysRevoked kills the appliance while tokens are made, used and revoked: what was answered holds after
// every start.
func TestRevokedStaysRevoked(t *testing.T) {
	t.Setenv("WAYSIDE_AUTH_REQUIRED", "true")
	dir := t.TempDir()
	ring := &keyring{valid: map[string]string{}, sessions: map[string]string{}, revoked: map[string]bool{}, doubtful: map[string]bool{}}
	rng := mathrand.New(mathrand.NewPCG(1, uint64(time.Now().UnixNano())))
	lives := min(cycles(t), 12)
	for range lives {
		a := start(t, dir)
		ring.check(t, a)
		ctx, cancel := context.WithCancel(t.Context())
		admin := adminOf(t, dir)
		before := ring.done()
		var clients sync.WaitGroup
		for range 3 {
			clients.Go(func() { ring.work(ctx, a, admin) })
		}
		until(t, "keys are made and revoked", func() bool { return ring.done() > before }) // whatever a flush takes here
		<-time.After(time.Duration(20+rng.IntN(200)) * time.Millisecond)
		a.kill()
		cancel()
		clients.Wait()
		if t.Failed() {
			t.FailNow()
		}
	}
	a := start(t, dir)
	ring.check(t, a)
	t.Logf("%d valid, %d sessions, %d revoked, %d in doubt", len(ring.valid), len(ring.sessions), len(ring.revoked), len(ring.doubtful))
	if ring.least() < lives {
		t.Error("the test saw too little")
	}
}

// done is how many rounds were acknowledged.
func (k *keyring) done() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.rounds
}

// least is how many there are of the kind of which there are fewest.
func (k *keyring) least() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return min(len(k.revoked), len(k.valid), len(k.sessions))
}

// work makes pairs of tokens, signs in with one and revokes it, until the appliance is gone.
func (k *keyring) work(ctx context.Context, a *appliance, admin string) {
	create := func() (id, secret string) {
		status, body, _ := a.ask(ctx, "POST", "/tokens", `{"name":"a","scopes":["read"]}`, "Authorization", "Bearer "+admin)
		var made struct {
			ID     string `json:"id"`
			Secret string `json:"secret"`
		}
		if status != http.StatusCreated || json.Unmarshal(body, &made) != nil {
			return "", ""
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.valid[made.Secret] = made.ID
		return made.ID, made.Secret
	}
	signIn := func(secret string) string {
		status, _, cookies := a.ask(ctx, "POST", "/session", fmt.Sprintf(`{"token":%q}`, secret), "Accept", "*/*")
		if status != http.StatusOK || len(cookies) != 1 {
			return ""
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.sessions[cookies[0].Value] = secret
		return cookies[0].Value
	}
	for ctx.Err() == nil {
		left := ""
		if _, secret := create(); secret != "" {
			left = signIn(secret)
		}
		id, secret := create()
		if secret == "" {
			return
		}
		session := signIn(secret)
		status, _, _ := a.ask(ctx, "DELETE", "/tokens/"+id, "", "Authorization", "Bearer "+admin)
		k.mu.Lock()
		delete(k.valid, secret)
		delete(k.sessions, session)
		for _, s := range []string{secret, session} {
			if s != "" && status == http.StatusNoContent {
				k.revoked[s] = true
			} else if s != "" {
				k.doubtful[s] = true
			}
		}
		if left != "" && status == http.StatusNoContent {
			k.rounds++
		}
		k.mu.Unlock()
	}
}

// check asks with everything. Failures are limited by address, so an end of what is revoked may be said as 429 too.
func (k *keyring) check(t *testing.T, a *appliance) {
	t.Helper()
	try := func(name, value string) int {
		status, _, _ := a.ask(t.Context(), "GET", "/files", "", name, value)
		return status
	}
	for secret := range k.valid {
		if status := try("X-API-Key", secret); status != http.StatusOK {
			t.Errorf("a token that was made: %d", status)
		}
	}
	for session := range k.sessions {
		if status := try("Cookie", "wayside_session="+session); status != http.StatusOK {
			t.Errorf("a session: %d", status)
		}
	}
	for secret := range k.revoked {
		for _, name := range []string{"X-API-Key", "Cookie"} {
			value := secret
			if name == "Cookie" {
				value = "wayside_session=" + secret
			}
			if status := try(name, value); status != http.StatusUnauthorized && status != http.StatusTooManyRequests {
				t.Errorf("what was revoked, as %s: %d", name, status)
			}
		}
	}
}

// shown gives the name in the certificate an appliance shows.
func shown(t *testing.T, a *appliance) string {
	t.Helper()
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // who it is is what is asked
	c, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(a.url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
}

// TestHTTPS serves with a certificate, replaces it without a restart, and makes, lists and revokes tokens by the command line.
func TestHTTPS(t *testing.T) {
	dir, files := t.TempDir(), t.TempDir()
	cert, key := filepath.Join(files, "cert.pem"), filepath.Join(files, "key.pem")
	certtest.Write(t, cert, key, "one")
	t.Setenv("WAYSIDE_SERVER_TLS_CERT", cert)
	t.Setenv("WAYSIDE_SERVER_TLS_KEY", key)
	t.Setenv("WAYSIDE_AUTH_REQUIRED", "true")
	a := start(t, dir)
	if !strings.HasPrefix(a.url, "https://") || shown(t, a) != "one" {
		t.Fatalf("ready %s", a.url)
	}
	for _, line := range []string{"address      https://", "token file   " + filepath.Join(dir, "secrets")} {
		if !strings.Contains(a.log.all(), line) {
			t.Errorf("it does not say %q:\n%s", line, a.log.tail())
		}
	}
	run := func(args ...string) (out, errs string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), built(t), args...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil && stderr.Len() == 0 {
			t.Errorf("%v: %v", args, err)
		}
		return stdout.String(), stderr.String()
	}
	remote := []string{"--server", a.url, "--token", adminOf(t, dir)}
	if _, errs := run(append([]string{"tokens", "list"}, remote...)...); !strings.Contains(errs, "certificate") {
		t.Errorf("a certificate of nobody is believed: %s", errs)
	}
	remote = append(remote, "--ca-file", cert)
	secret, errs := run(append([]string{"tokens", "create", "press shop", "--scope", "read"}, remote...)...)
	if secret = strings.TrimSpace(secret); !strings.HasPrefix(secret, "wayside_") || errs != "" {
		t.Fatalf("tokens create: %s%s", secret, errs)
	}
	listed, _ := run(append([]string{"tokens", "list", "--json"}, remote...)...)
	var tokens []struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	if err := json.Unmarshal([]byte(listed), &tokens); err != nil || len(tokens) != 1 || tokens[0].Name != "press shop" {
		t.Fatalf("tokens list: %v %s", err, listed)
	}
	mine := []string{"--server", a.url, "--token", secret, "--ca-file", cert}
	if out, errs := run(append([]string{"queues", "list"}, mine...)...); errs != "" {
		t.Errorf("queues list with it: %s%s", out, errs)
	}
	if _, errs := run(append([]string{"tokens", "list"}, mine...)...); !strings.Contains(errs, "admin") {
		t.Errorf("tokens list with it: %s", errs)
	}
	if _, errs := run(append([]string{"tokens", "revoke", tokens[0].ID}, remote...)...); errs != "" {
		t.Errorf("tokens revoke: %s", errs)
	}
	if _, errs := run(append([]string{"queues", "list"}, mine...)...); !strings.Contains(errs, "not valid") {
		t.Errorf("queues list with what was revoked: %s", errs)
	}
	followCertificate(t, a, cert, key)
}

// followCertificate replaces the certificate of an appliance by a good one and then by nonsense.
func followCertificate(t *testing.T, a *appliance, cert, key string) {
	t.Helper()
	certtest.Write(t, cert, key, "two")
	until(t, "the second certificate is shown", func() bool { return shown(t, a) == "two" })
	if err := os.WriteFile(cert, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the log says that it cannot be used", func() bool {
		if name := shown(t, a); name != "two" {
			t.Fatalf("the certificate shown is %s", name)
		}
		return strings.Contains(a.log.all(), "the new certificate cannot be used")
	})
}

// until waits for something that happens within some seconds.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(readyWait); !ok(); <-time.After(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so: %s", what)
		}
	}
}
