package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

func TestAppendSection(t *testing.T) {
	content := bytes.Repeat([]byte("x"), 300)
	got := appendSection([]byte("\x00asm\x01\x00\x00\x00"), "a.b", content)
	if got[8] != 0 {
		t.Fatalf("section id %d", got[8])
	}
	size, n := binary.Uvarint(got[9:])
	body := got[9+n:]
	if int(size) != len(body) || body[0] != 3 || string(body[1:4]) != "a.b" || !bytes.Equal(body[4:], content) {
		t.Errorf("section of %d bytes: %q…", size, body[:8])
	}
}

func TestManifestOfADecoder(t *testing.T) {
	t.Chdir(filepath.FromSlash("../.."))
	manifest, id, err := readManifest("plugins/rail")
	if err != nil {
		t.Fatal(err)
	}
	if id != "rail" || !bytes.HasPrefix(manifest, []byte(`{"id":"rail"`)) {
		t.Errorf("%q: %.80s", id, manifest)
	}
}

func TestNoDecoders(t *testing.T) {
	if err := run(t.TempDir(), &bytes.Buffer{}); err == nil {
		t.Error("a folder without decoders is a mistake")
	}
}

func TestFailureLeavesTheOldModule(t *testing.T) {
	root := t.TempDir()
	dir, dist := filepath.Join(root, "broken"), filepath.Join(root, "dist")
	for _, d := range []string{dir, dist} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	old := filepath.Join(dist, "broken.wasm")
	for path, text := range map[string]string{
		filepath.Join(dir, "main_wasip1.go"): "package main\nfunc main() { syntax error }\n",
		filepath.Join(root, "go.mod"):        "module broken\ngo 1.26\n",
		old:                                  "old",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(root)
	if err := run(".", &bytes.Buffer{}); err == nil {
		t.Error("a decoder that does not compile is a mistake")
	}
	if b, err := os.ReadFile(old); err != nil || string(b) != "old" {
		t.Errorf("the old module: %q, %v", b, err)
	}
}
