// Package plugindev owns the tools of a decoder's author: `wayside plugin new`, pack, test, bench, dev, inspect, keygen,
// sign and verify.
//
// It is apart because it is the only user of the runtime that treats a module as work in progress: it runs one that
// nobody has installed, on both engines, with reads cut short and inputs damaged on purpose, and changes its bytes. It
// runs guests as the appliance does, in confined worker processes, so that what passes here passes there.
//
// Every command is a function of its own Config. A shop (shop.go) holds the temporary folder and the worker pools of one
// command; its two goroutines a pool are joined by close. Test and its fuzzing run several decodes at a time, in
// goroutines that end before Test returns. There is one mutex, in the collector of findings.
package plugindev

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

const (
	wasmExt = ".wasm"
	// mostModule is a little more than the static limit, so that it is the check that says what is wrong.
	mostModule = 32 << 20
)

// readModule reads a module that need not be a valid one.
func readModule(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	switch {
	case st.IsDir():
		return nil, errcode.Invalid("FILE", "%s is a folder: name a .wasm file", path)
	case st.Size() > mostModule:
		return nil, errcode.Invalid("FILE", "%s has %d bytes, which is no decoder", path, st.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	return b, nil
}

// findModule gives the module that path means: itself, or the only one in the folder.
func findModule(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("find module: %w", err)
	}
	if !st.IsDir() {
		return path, nil
	}
	found, err := filepath.Glob(filepath.Join(globEscape(path), "*"+wasmExt))
	if err != nil {
		return "", fmt.Errorf("find module: %w", err)
	}
	switch len(found) {
	case 0:
		return "", errcode.Invalid("DIR", "there is no .wasm file in %s: build it first (make)", path)
	case 1:
		return found[0], nil
	}
	for i, f := range found {
		found[i] = filepath.Base(f)
	}
	return "", errcode.Invalid("DIR", "%s holds %s: name one of them", path, strings.Join(found, ", "))
}

// globEscape makes a pattern that matches exactly path.
func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// bare gives a module without what is about its bytes rather than its work: golden vectors and signature.
func bare(b []byte) ([]byte, error) {
	for _, name := range []string{abi.SectionSignature, abi.SectionVector} {
		var err error
		if b, err = module.WithoutCustom(b, name); err != nil {
			return nil, fmt.Errorf("read module: %w", err)
		}
	}
	return b, nil
}

// sortedKeys gives the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
