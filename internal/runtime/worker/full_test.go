package worker

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

// TestFullDiskDoesNotReject compiles onto a disk that is too small, and then onto one that is not: the first says
// nothing about the module.
func TestFullDiskDoesNotReject(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no small disk to be had (it takes the right to mount): %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(root, syscall.MNT_DETACH) })
	dir, junk := filepath.Join(root, "compiled"), filepath.Join(root, "junk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(junk, make([]byte, 2<<20), 0o600); !disk.IsNoSpace(err) {
		t.Fatalf("the disk is not full: %v", err)
	}
	wasm := runtimetest.Lines("lines").Wasm()
	setup := &wire.Setup{Dir: dir, MemoryMiB: 16}
	_, err := compile(t.Context(), &vetting{setup: setup, wasm: wasm})
	if err == nil || errcode.Is(err, errcode.PluginRejected) || !disk.IsNoSpace(err) {
		t.Errorf("on a full disk: %v", err)
	}
	if err := os.Remove(junk); err != nil {
		t.Fatal(err)
	}
	if _, err := compile(t.Context(), &vetting{setup: setup, wasm: wasm}); err != nil {
		t.Errorf("with room: %v", err)
	}
}
