package access

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/store"
)

// openDB opens a database that is closed with the test.
func openDB(t *testing.T, dir string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Dir: dir, Reserve: 1 << 20, Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func open(t *testing.T, cfg Config) *Access {
	t.Helper()
	if cfg.DB == nil {
		cfg.DB = openDB(t, t.TempDir())
	}
	a, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %o, want %o", path, got, want)
	}
}

func TestFirstStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	a := open(t, Config{SecretsDir: dir, Required: true})
	wantMode(t, dir, 0o700)
	wantMode(t, a.TokenFile(), 0o600)
	token, err := ReadToken(a.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	if !a.Created() || len(token) < 43 {
		t.Errorf("created %v, token of %d characters", a.Created(), len(token))
	}
	g, ok := a.Check(token)
	if !ok || g.Name != AdminToken || !g.Allows(Read) || !g.Allows(Admin) {
		t.Errorf("the token gives %+v, %v", g, ok)
	}
	for _, wrong := range []string{"", token[1:], token + "x", strings.ToUpper(token), strings.Repeat("x", 1000)} {
		if _, ok := a.Check(wrong); ok {
			t.Errorf("%q is valid", wrong)
		}
	}

	again := open(t, Config{SecretsDir: dir, Required: true})
	if _, ok := again.Check(token); !ok || again.Created() {
		t.Error("the second start made another token")
	}
}

func TestNoTokenWhereNoneIsRequired(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	a := open(t, Config{SecretsDir: dir})
	if _, err := os.Stat(dir); err == nil || a.Created() {
		t.Error("a token was made")
	}
	if _, ok := a.Check(strings.Repeat("\x00", 32)); ok {
		t.Error("something is valid without a token")
	}
}

func TestFileChanges(t *testing.T) {
	dir := t.TempDir()
	a := open(t, Config{SecretsDir: dir, Required: true})
	old, err := ReadToken(a.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	next := strings.Repeat("n", len(old))
	if err := disk.WriteFile(disk.OS, a.TokenFile(), []byte(next+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := a.Check(old); ok {
		t.Error("the old token is valid after the file changed")
	}
	if _, ok := a.Check(next); !ok {
		t.Error("the new token is not valid")
	}
	if err := os.Remove(a.TokenFile()); err != nil {
		t.Fatal(err)
	}
	if _, ok := a.Check(next); ok {
		t.Error("a token is valid after its file was removed")
	}
	for text, want := range map[string]bool{next: true, "short": false} {
		if err := disk.WriteFile(disk.OS, a.TokenFile(), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, ok := a.Check(next); ok != want {
			t.Errorf("with %q in the file the token is valid: %v", text, ok)
		}
	}
}

func TestGroupReadable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	open(t, Config{SecretsDir: dir, Required: true})
	a := open(t, Config{SecretsDir: dir, Required: true, GroupReadable: true})
	wantMode(t, dir, 0o750)
	wantMode(t, a.TokenFile(), 0o640)
	if _, err := Open(t.Context(), Config{DB: openDB(t, t.TempDir()), SecretsDir: dir, Required: true}); err == nil {
		t.Error("a token that the group can read was accepted without auth.group_readable")
	}
}

func TestExposedOrUnusableToken(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		mode fs.FileMode
	}{
		"readable by all": {strings.Repeat("a", 40), 0o604},
		"too short":       {"abc", 0o600},
		"two words":       {strings.Repeat("a", 40) + " " + strings.Repeat("b", 40), 0o600},
		"empty":           {"", 0o600},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, AdminToken)
		if err := os.WriteFile(path, []byte(tc.text), tc.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tc.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Config{DB: openDB(t, t.TempDir()), SecretsDir: dir, Required: true}); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "aaaa") {
			t.Errorf("%s: the error shows the token: %v", name, err)
		}
	}
}

func TestListeners(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:8000": false, "127.9.9.9:0": false, "localhost:80": false, "[::1]:80": false, "LOCALHOST:1": false,
		"0.0.0.0:80": true, ":80": true, "[::]:80": true, "192.168.1.2:80": true, "box.example.org:80": true, "nonsense": true, "": true,
	} {
		if got := RequireFor(addr); got != want {
			t.Errorf("RequireFor(%q) = %v, want %v", addr, got, want)
		}
		err := CheckListener(addr, false)
		if (err != nil) != want {
			t.Errorf("CheckListener(%q) = %v", addr, err)
		}
		if want && !errcode.Is(err, errcode.ValidationFailed) {
			t.Errorf("CheckListener(%q): code %s", addr, errcode.Of(err))
		}
		if err := CheckListener(addr, true); err != nil {
			t.Errorf("CheckListener(%q, true) = %v", addr, err)
		}
	}
}
