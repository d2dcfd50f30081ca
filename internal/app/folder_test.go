package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/errcode"
)

func TestFolderIsForOneProcess(t *testing.T) {
	root := filepath.Join(t.TempDir(), "data")
	f, err := openFolder(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openFolder(root); !errcode.Is(err, errcode.Conflict) {
		t.Errorf("second open: %v", err)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	again, err := openFolder(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.close(); err != nil {
		t.Fatal(err)
	}
}

func TestFolderRefusesANewerLayout(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "FORMAT"), []byte("2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openFolder(root); err == nil || !strings.Contains(err.Error(), "layout 2") {
		t.Errorf("open: %v", err)
	}
	if err := os.WriteFile(filepath.Join(root, "FORMAT"), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := openFolder(root)
	if err != nil {
		t.Fatalf("the refused open left the folder taken: %v", err)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
}
