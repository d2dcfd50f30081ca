//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestProjects has each language's project written, built and tested, from the installed binary and without a network.
func TestProjects(t *testing.T) {
	rustc := ""
	for _, r := range []string{os.Getenv("RUSTC"), "rustc", "/usr/bin/rustc"} {
		if r == "" || rustc != "" {
			continue
		}
		dir, err := exec.CommandContext(t.Context(), r, "--print", "target-libdir", "--target", "wasm32-unknown-unknown").Output()
		if _, serr := os.Stat(filepath.Clean(string(dir[:max(len(dir)-1, 0)]))); err == nil && serr == nil {
			rustc = r
		}
	}
	missing := map[string]string{}
	for lang, tools := range map[string][]string{"go": {"go", "make"}, "c": {"clang", "wasm-ld", "make"}, "rust": {"make"}} {
		for _, tool := range tools {
			if _, err := exec.LookPath(tool); err != nil {
				missing[lang] = tool
			}
		}
	}
	if rustc == "" {
		missing["rust"] = "rustc with the target wasm32-unknown-unknown (libstd-rust-dev-wasm32)"
	}
	for _, lang := range []string{"go", "c", "rust"} {
		t.Run(lang, func(t *testing.T) {
			if m := missing[lang]; m != "" {
				t.Skipf("not tested: there is no %s", m)
			}
			dir := t.TempDir()
			run := func(in string, args ...string) {
				t.Helper()
				cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
				cmd.Dir = in
				cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(built(t))+string(os.PathListSeparator)+os.Getenv("PATH"),
					"GOPROXY=off", "GOFLAGS=-mod=mod", "GOWORK=off", "GOMODCACHE="+filepath.Join(dir, "modcache"), "RUSTC="+rustc)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %v\n%s", args, err, out)
				}
			}
			run(dir, built(t), "plugin", "new", "--lang", lang, "foo")
			project := filepath.Join(dir, "foo")
			run(project, "make")
			run(project, built(t), "plugin", "test", "--fuzz", "500ms")
			run(project, "make", "test")
			run(project, built(t), "decode", "testdata/sample.tlog", "--plugins", ".")
		})
	}
}
