package access

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/store"
)

// FuzzCheck presents anything as a token and as the id of a session: what was not given is not valid, also where it
// differs in a character only.
func FuzzCheck(f *testing.F) {
	dir := f.TempDir()
	db, err := store.Open(f.Context(), store.Config{Dir: filepath.Join(dir, "db"), Reserve: 1 << 20, Ballast: -1})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	a, err := Open(f.Context(), Config{DB: db, SecretsDir: filepath.Join(dir, "secrets"), Required: true})
	if err != nil {
		f.Fatal(err)
	}
	_, secret, err := a.Create(f.Context(), NewToken{Name: "a", Scopes: []Scope{Read}})
	if err != nil {
		f.Fatal(err)
	}
	id, _, _, err := a.SignIn(f.Context(), secret)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", secret, id, strings.ToUpper(secret), secret + "\x00", " " + id, secret[:len(secret)-1], strings.Repeat("x", longest+1)} {
		f.Add(s, 0)
		f.Add(s, 12)
	}
	f.Fuzz(func(t *testing.T, s string, at int) {
		if _, ok := a.Check(s); ok && s != secret {
			t.Errorf("token %q is valid", s)
		}
		if _, ok := a.Session(s); ok && s != id {
			t.Errorf("session %q is valid", s)
		}
		near := []byte(secret)
		near[uint(at)%uint(len(near))] ^= byte(len(s)%255 + 1)
		if _, ok := a.Check(string(near)); ok {
			t.Errorf("token %q is valid", near)
		}
		path := filepath.Join(dir, "token")
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadToken(path); err == nil && (len(got) < shortest || len(got) > longest || !strings.Contains(s, got) || strings.ContainsAny(got, " \r\n\t\x00")) {
			t.Errorf("%q holds the token %q", s, got)
		}
	})
}
