// Command build compiles the decoders under plugins/ to WebAssembly: every folder whose main package has a file
// tagged wasip1 becomes plugins/dist/<id>.wasm, with its manifest in the custom section wayside.manifest.
//
// The manifest comes from running the same package natively, so that it is what the code declares. It is a command
// of its own because it needs nothing but Go: `go run ./plugins/build` from the project's root.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

func main() {
	if err := run("plugins", os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "build plugins:", err)
		os.Exit(1) //nolint:forbidigo // a build command, nothing to clean up
	}
}

// run compiles every decoder under root into root/dist.
func run(root string, out io.Writer) error {
	guests, err := filepath.Glob(filepath.Join(root, "*", "*_wasip1.go"))
	if err != nil {
		return fmt.Errorf("look for decoders: %w", err)
	}
	seen := make(map[string]bool)
	for _, g := range guests {
		dir := filepath.Dir(g)
		if seen[dir] {
			continue
		}
		seen[dir] = true
		path, size, err := build(dir, filepath.Join(root, "dist"))
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		if _, err := fmt.Fprintf(out, "%s\t%d bytes\n", path, size); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	if len(seen) == 0 {
		return errors.New("no decoder found: run it in the project's root")
	}
	return nil
}

// build compiles one decoder and gives the module's path and size.
func build(dir, dist string) (string, int, error) {
	manifest, id, err := readManifest(dir)
	if err != nil {
		return "", 0, err
	}
	tmp, err := os.MkdirTemp("", "wayside-plugin-")
	if err != nil {
		return "", 0, fmt.Errorf("make a folder: %w", err)
	}
	defer os.RemoveAll(tmp)
	module := filepath.Join(tmp, "module.wasm")
	cmd := goCommand("build", "-trimpath", "-buildmode=c-shared", "-ldflags=-s -w", "-o", module, "./"+dir)
	cmd.Env = append(cmd.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	cmd.Stdout = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", 0, fmt.Errorf("compile: %w", err)
	}
	wasm, err := os.ReadFile(module)
	if err != nil {
		return "", 0, fmt.Errorf("read the module: %w", err)
	}
	wasm = appendSection(wasm, abi.SectionManifest, manifest)
	path := filepath.Join(dist, id+".wasm")
	if err := disk.WriteFile(disk.OS, path, wasm, 0o644); err != nil {
		return "", 0, fmt.Errorf("write the module: %w", err)
	}
	return path, len(wasm), nil
}

// readManifest runs the decoder natively, which prints its manifest.
func readManifest(dir string) (manifest []byte, id string, err error) {
	cmd := goCommand("run", "./"+dir)
	out, err := cmd.Output()
	if err != nil {
		return nil, "", fmt.Errorf("print the manifest: %w", err)
	}
	var m abi.Manifest
	if err := json.Unmarshal(out, &m); err != nil {
		return nil, "", fmt.Errorf("read the manifest: %w", err)
	}
	if m.ID == "" || m.ID != filepath.Base(m.ID) {
		return nil, "", fmt.Errorf("manifest: id %q", m.ID)
	}
	if len(out) > abi.MaxManifestBytes {
		return nil, "", fmt.Errorf("manifest: %d bytes, at most %d", len(out), abi.MaxManifestBytes)
	}
	return bytes.TrimSpace(out), m.ID, nil
}

// goCommand prepares the Go tool, with its errors shown.
func goCommand(args ...string) *exec.Cmd {
	cmd := exec.Command("go", args...) //nolint:gosec,noctx // a build command that ends with its caller
	cmd.Stderr = os.Stderr
	return cmd
}

// appendSection adds a custom section to a module.
func appendSection(module []byte, name string, content []byte) []byte {
	body := binary.AppendUvarint(nil, uint64(len(name)))
	body = append(body, name...)
	body = append(body, content...)
	module = append(module, 0)
	module = binary.AppendUvarint(module, uint64(len(body)))
	return append(module, body...)
}
