package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/store"
)

// box is an Access that can be opened again, with a clock that stands still and a log.
type box struct {
	*Access
	dir  string
	now  time.Time
	log  bytes.Buffer
	db   *store.DB
	fail bool // commits
}

func openTokens(t *testing.T) *box {
	t.Helper()
	b := &box{dir: t.TempDir(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	b.reopen(t)
	t.Cleanup(func() { _ = b.db.Close() })
	return b
}

func (b *box) reopen(t *testing.T) {
	t.Helper()
	if b.db != nil {
		if err := b.db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	b.db, err = store.Open(t.Context(), store.Config{Dir: filepath.Join(b.dir, "db"), Reserve: 1 << 20, Ballast: -1, Hook: func(p store.Point) error {
		if b.fail && p == store.BeforeCommit {
			return errors.New("torn")
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	b.Access = open(t, Config{
		DB: b.db, SecretsDir: filepath.Join(b.dir, "secrets"), Required: true, SessionTTL: time.Hour,
		Now: func() time.Time { return b.now }, Logger: slog.New(slog.NewTextHandler(&b.log, nil)),
	})
}

func (b *box) mustCreate(t *testing.T, n NewToken) (Token, string) {
	t.Helper()
	tok, secret, err := b.Create(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return tok, secret
}

func (b *box) wantValid(t *testing.T, secret string, want bool) {
	t.Helper()
	if _, ok := b.Check(secret); ok != want {
		t.Errorf("the token is valid: %v, want %v", ok, want)
	}
}

// TestTokens leads a token through its life, with a restart at every step.
func TestTokens(t *testing.T) {
	b := openTokens(t)
	made, secret := b.mustCreate(t, NewToken{Name: " press shop ", Scopes: []Scope{Work, Read, Work}})
	if made.Name != "press shop" || !slices.Equal(made.Scopes, []Scope{Read, Work}) || !made.CreatedAt.Equal(b.now) || len(secret) < 43 {
		t.Errorf("made %+v, %d characters", made, len(secret))
	}
	b.reopen(t)
	g, ok := b.Check(secret)
	if !ok || g.ID != made.ID || g.Name != "press shop" || !g.Allows(Work) || g.Allows(Upload) || g.Allows(Admin) {
		t.Errorf("after a restart the token gives %+v, %v", g, ok)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Run(ctx); err != nil {
		t.Fatal(err)
	}
	b.reopen(t)
	if got, err := b.Token(made.ID); err != nil || !got.UsedAt.Equal(b.now) || len(b.Tokens()) != 1 {
		t.Errorf("its last use: %+v, %v", got, err)
	}
	second, _ := b.mustCreate(t, NewToken{Name: "x", Scopes: []Scope{Admin}})
	if second.ID <= made.ID {
		t.Errorf("ids %s, %s do not ascend", made.ID, second.ID)
	}
	if err := b.Revoke(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	b.wantValid(t, secret, false)
	if err := b.Revoke(t.Context(), made.ID); errcode.Of(err) != errcode.NotFound {
		t.Errorf("revoking it again gave %v", err)
	}
	b.reopen(t)
	b.wantValid(t, secret, false)
	if all := b.Tokens(); len(all) != 1 || all[0].ID != second.ID {
		t.Errorf("tokens: %+v", all)
	}
}

func TestTokensThatCannotBe(t *testing.T) {
	b := openTokens(t)
	ok := []Scope{Read}
	for name, n := range map[string]NewToken{
		"no name": {Scopes: ok}, "spaces": {Name: "  ", Scopes: ok}, "long": {Name: strings.Repeat("x", MaxName+1), Scopes: ok},
		"control": {Name: "a\nb", Scopes: ok}, "bytes": {Name: "a\xff", Scopes: ok}, "the administrator's": {Name: AdminToken, Scopes: ok},
		"no scope": {Name: "a"}, "unknown scope": {Name: "a", Scopes: []Scope{Read, "root"}}, "over": {Name: "a", Scopes: ok, ExpiresAt: b.now},
	} {
		if _, secret, err := b.Create(t.Context(), n); errcode.Of(err) != errcode.ValidationFailed || secret != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(b.Tokens()); n != 0 {
		t.Errorf("%d tokens", n)
	}
}

func TestTokensEnd(t *testing.T) {
	b := openTokens(t)
	_, secret := b.mustCreate(t, NewToken{Name: "a", Scopes: []Scope{Read}, ExpiresAt: b.now.Add(time.Hour)})
	id, _, expires, err := b.SignIn(t.Context(), secret)
	if err != nil || !expires.Equal(b.now.Add(time.Hour)) {
		t.Errorf("SignIn: %v, %v", expires, err)
	}
	b.now = b.now.Add(time.Hour - time.Nanosecond)
	b.wantValid(t, secret, true)
	b.now = b.now.Add(time.Nanosecond)
	b.wantValid(t, secret, false)
	if _, ok := b.Session(id); ok {
		t.Error("its session outlives it")
	}
}

// TestTokensAreBounded makes as many as there may be.
func TestTokensAreBounded(t *testing.T) {
	b := openTokens(t)
	var all sync.WaitGroup
	for i := range MaxTokens {
		all.Go(func() {
			if _, _, err := b.Create(t.Context(), NewToken{Name: fmt.Sprint(i), Scopes: []Scope{Read}}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if _, _, err := b.Create(t.Context(), NewToken{Name: "more", Scopes: []Scope{Read}}); errcode.Of(err) != errcode.Conflict {
		t.Errorf("one more: %v", err)
	}
	if err := b.Revoke(t.Context(), b.Tokens()[7].ID); err != nil {
		t.Fatal(err)
	}
	b.mustCreate(t, NewToken{Name: "more", Scopes: []Scope{Read}})
}

// TestSessions signs browsers in and out, with restarts.
func TestSessions(t *testing.T) {
	b := openTokens(t)
	tok, secret := b.mustCreate(t, NewToken{Name: "a", Scopes: []Scope{Read}})
	admin, err := ReadToken(b.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for name, s := range map[string]string{"first": secret, "second": secret, "admin": admin} {
		id, g, expires, err := b.SignIn(t.Context(), s)
		if err != nil || !expires.Equal(b.now.Add(time.Hour)) || (g.ID == AdminToken) != (name == "admin") {
			t.Fatalf("SignIn: %+v, %v, %v", g, expires, err)
		}
		ids[name] = id
	}
	if _, _, _, err := b.SignIn(t.Context(), strings.Repeat("x", 43)); errcode.Of(err) != errcode.Unauthorized {
		t.Errorf("SignIn with nonsense: %v", err)
	}
	want := func(name string, want bool) {
		t.Helper()
		if g, ok := b.Session(ids[name]); ok != want || (ok && g.Allows(Admin) != (name == "admin")) {
			t.Errorf("session %s: %+v, %v, want %v", name, g, ok, want)
		}
	}
	b.reopen(t)
	for name := range ids {
		want(name, true)
		b.wantValid(t, ids[name], false) // it is no token
	}
	if _, ok := b.Session(secret); ok {
		t.Error("a token is a session")
	}
	if err := b.SignOut(t.Context(), ids["first"]); err != nil {
		t.Fatal(err)
	}
	if err := b.SignOut(t.Context(), "nonsense"); err != nil {
		t.Error(err)
	}
	want("first", false)
	want("second", true)
	if err := b.Revoke(t.Context(), tok.ID); err != nil {
		t.Fatal(err)
	}
	want("second", false)
	b.reopen(t)
	want("first", false)
	want("second", false)
	want("admin", true)
	b.now = b.now.Add(time.Hour)
	want("admin", false)
	b.endSessions(t.Context())
	left := 0
	if err := b.space.Scan(t.Context(), store.ScanOptions{Prefix: []byte(sessionKey)}, func(_, _ []byte) (bool, error) {
		left++
		return true, nil
	}); err != nil || left != 0 {
		t.Errorf("%d records of sessions are left, %v", left, err)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	b := openTokens(t)
	_, secret := b.mustCreate(t, NewToken{Name: "a", Scopes: []Scope{Read}})
	var first, second string
	for i := range MaxSessions + 1 {
		id, _, _, err := b.SignIn(t.Context(), secret)
		if err != nil {
			t.Fatal(err)
		}
		switch i {
		case 0:
			first = id
		case 1:
			second = id
		}
		b.now = b.now.Add(time.Second)
	}
	b.reopen(t)
	if _, ok := b.Session(first); ok || len(b.sessions) != MaxSessions {
		t.Errorf("the oldest session is valid: %v; there are %d", ok, len(b.sessions))
	}
	if _, ok := b.Session(second); !ok {
		t.Error("the second oldest was signed out")
	}
}

// TestTokensWithoutCommits: what could not be stored is not so, but for a token that somebody wanted gone.
func TestTokensWithoutCommits(t *testing.T) {
	b := openTokens(t)
	tok, secret := b.mustCreate(t, NewToken{Name: "a", Scopes: []Scope{Read}})
	b.fail = true
	if _, s, err := b.Create(t.Context(), NewToken{Name: "b", Scopes: []Scope{Read}}); err == nil || s != "" {
		t.Error("a token was made")
	}
	if id, _, _, err := b.SignIn(t.Context(), secret); err == nil || id != "" {
		t.Error("a session was made")
	}
	if err := b.Revoke(t.Context(), tok.ID); err == nil {
		t.Error("Revoke said nothing")
	}
	b.wantValid(t, secret, false)
	b.saveUsed(t.Context())
	b.fail = false
	if err := b.Revoke(t.Context(), tok.ID); err != nil {
		t.Errorf("Revoke again: %v", err)
	}
	b.reopen(t)
	if n := len(b.Tokens()); n != 0 {
		t.Errorf("%d tokens", n)
	}
}

// TestSecretsAreNowhere looks for tokens and ids of sessions in all files and in the log.
func TestSecretsAreNowhere(t *testing.T) {
	b := openTokens(t)
	_, secret := b.mustCreate(t, NewToken{Name: "a", Scopes: []Scope{Read}})
	id, _, _, err := b.SignIn(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	batch := b.db.Batch()
	batch.Set(b.space, []byte("t/damaged"), []byte("{"))
	batch.Set(b.space, keyOfSession(digest{1}), []byte(`{"token":"zz"}`))
	if err := b.db.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	b.reopen(t)
	if n := strings.Count(b.log.String(), "damaged, it is not valid"); n != 2 {
		t.Errorf("%d records are said to be damaged:\n%s", n, &b.log)
	}
	b.wantValid(t, secret, true)
	root := filepath.Join(b.dir, "db")
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data := readAll(t, path)
		for what, s := range map[string]string{"token": secret, "session": id} {
			if bytes.Contains(data, []byte(s)) || strings.Contains(b.log.String(), s) {
				t.Errorf("the %s is in %s or in the log", what, path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestSessionsOfOthersStay: one who signs in again and again signs out only himself.
func TestSessionsOfOthersStay(t *testing.T) {
	b := openTokens(t)
	_, busy := b.mustCreate(t, NewToken{Name: "busy", Scopes: []Scope{Read}})
	_, calm := b.mustCreate(t, NewToken{Name: "calm", Scopes: []Scope{Admin}})
	first, _, _, err := b.SignIn(t.Context(), calm) // it would end before all others
	if err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(time.Second)
	for range MaxSessions + 3 {
		if _, _, _, err := b.SignIn(t.Context(), busy); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := b.Session(first); !ok || len(b.sessions) != MaxSessions {
		t.Errorf("the other's session is valid: %v; there are %d", ok, len(b.sessions))
	}
}

// TestAny: also the administrator's is a token, where none is needed.
func TestAny(t *testing.T) {
	b := openTokens(t)
	if !b.Any() {
		t.Error("the administrator's does not count")
	}
	if err := os.Remove(b.TokenFile()); err != nil {
		t.Fatal(err)
	}
	if b.Any() {
		t.Error("there is one, after it was removed")
	}
	tok, _ := b.mustCreate(t, NewToken{Name: "a", Scopes: []Scope{Read}})
	if !b.Any() {
		t.Error("one that was made does not count")
	}
	if err := b.Revoke(t.Context(), tok.ID); err != nil || b.Any() {
		t.Errorf("one that was revoked counts, %v", err)
	}
}

// BenchmarkCheck checks a token where there are as many as there may be.
func BenchmarkCheck(b *testing.B) {
	dir := b.TempDir()
	db, err := store.Open(b.Context(), store.Config{Dir: filepath.Join(dir, "db"), Reserve: 1 << 20, Ballast: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	a, err := Open(b.Context(), Config{DB: db, SecretsDir: filepath.Join(dir, "secrets"), Required: true})
	if err != nil {
		b.Fatal(err)
	}
	var secret string
	for range MaxTokens {
		if _, secret, err = a.Create(b.Context(), NewToken{Name: "a", Scopes: []Scope{Read}}); err != nil {
			b.Fatal(err)
		}
	}
	for name, token := range map[string]string{"valid": secret, "wrong": strings.Repeat("x", 51)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := a.Check(token); ok != (token == secret) {
					b.Fatal(ok)
				}
			}
		})
	}
}

// TestDamagedAdminTokenIsSaidOnce: anybody can have the file looked at, so the log is not theirs to fill.
func TestDamagedAdminTokenIsSaidOnce(t *testing.T) {
	b := openTokens(t)
	admin, err := ReadToken(b.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	for want := 1; want <= 2; want++ {
		if err := os.WriteFile(b.TokenFile(), []byte("short"), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			b.wantValid(t, admin, false)
		}
		if n := strings.Count(b.log.String(), "admin token cannot be read"); n != want {
			t.Errorf("it is said %d times, want %d", n, want)
		}
		if err := os.WriteFile(b.TokenFile(), []byte(admin), 0o600); err != nil {
			t.Fatal(err)
		}
		b.wantValid(t, admin, true)
	}
}
