package sdkfiles

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// sources lists what authors need of the folders of the SDKs.
func sources(t *testing.T, tree fs.FS) []string {
	t.Helper()
	var out []string
	for _, root := range []string{"go", "c", "rust"} {
		err := fs.WalkDir(tree, root, func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "testdata" || d.Name() == "tests" || d.Name() == "target"):
				return fs.SkipDir
			case d.IsDir():
				return nil
			}
			switch ext := path.Ext(p); {
			case ext == ".go" && !strings.HasSuffix(p, "_test.go"), ext == ".h", ext == ".rs", path.Base(p) == "Cargo.toml":
				out = append(out, p)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(out)
	return out
}

func TestEverySourceIsEmbedded(t *testing.T) {
	want, got := sources(t, os.DirFS(".")), sources(t, Files)
	if !slices.Equal(want, got) {
		t.Errorf("embedded: %v\nin the folders: %v", got, want)
	}
}

func TestSourcesAreLight(t *testing.T) {
	total := 0
	for _, p := range sources(t, Files) {
		b, err := fs.ReadFile(Files, p)
		if err != nil {
			t.Fatal(err)
		}
		total += len(b)
	}
	if total > 400<<10 {
		t.Errorf("the SDKs weigh %d bytes in every binary", total)
	}
}
