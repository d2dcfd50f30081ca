package localdecode

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
)

// What lies in the folder of compiled decoders is run, so a folder that others could have filled is not used.
func TestCompiledFolder(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	cache := filepath.Join(t.TempDir(), "deep", "cache")
	dir := filepath.Join(cache, "compiled")
	check := func(what string, want bool) {
		t.Helper()
		e := &Engine{}
		got, err := e.compiledDir(cache)
		if err != nil {
			t.Fatal(err)
		}
		if (got == dir) != want || (e.temp == "") != want {
			t.Errorf("%s: got %s, temporary %q", what, got, e.temp)
		}
		info, err := os.Stat(got)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", what, info, err)
		}
		if err := e.removeTemp(); err != nil {
			t.Error(err)
		}
	}
	check("new", true)
	check("there already", true)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	check("writable by others", false)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	if err := os.Chmod(elsewhere, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, dir); err != nil {
		t.Fatal(err)
	}
	check("a link", false)
	cache = ""
	check("no cache folder", false)
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestEngineWithoutDecoders(t *testing.T) {
	e, err := Open(t.Context(), EngineConfig{Builtin: fstest.MapFS{}, Cache: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	c := newCall(write(t, filepath.Join(t.TempDir(), "x"), "LINES\n"))
	c.Registry, c.Pool = e, e
	totals, err := c.run(t.Context())
	if err != nil || totals.Failed != 1 {
		t.Fatal(totals, err)
	}
	wantText(t, c.out.String(), "known formats: none: this binary has no decoders")
}
