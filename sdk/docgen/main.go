// Command docgen writes the reference pages of the SDKs, docs/sdk-go.md, docs/sdk-c.md and docs/sdk-rust.md, from the
// doc comments of their sources. It is apart because it is a tool of the build: `go generate ./sdk/docgen`. A test
// compares the pages with the sources.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

//go:generate go run . ../..

// note begins every page.
const note = "<!-- Written by go generate ./sdk/docgen from the doc comments of the sources. Do not edit. -->\n"

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := generate(root, write); err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1) //nolint:forbidigo // a build command, nothing to clean up
	}
}

// write puts a page into its place.
func write(path string, page []byte) error {
	return os.WriteFile(path, page, 0o644) //nolint:forbidigo,wrapcheck // a page of the documentation, read by everybody
}

// generate makes the pages and gives each to put with its path.
func generate(root string, put func(path string, page []byte) error) error {
	for _, p := range []struct {
		name, title string
		make        func(root string, out *bytes.Buffer) error
	}{
		{"sdk-go.md", "The Go SDK", goPage},
		{"sdk-c.md", "The C SDK: wayside.h", cPage},
		{"sdk-rust.md", "The Rust SDK", rustPage},
	} {
		var out bytes.Buffer
		fmt.Fprintf(&out, "# %s\n\n%s\n", p.title, note)
		if err := p.make(root, &out); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		page := append(bytes.TrimSpace(out.Bytes()), '\n')
		if err := put(filepath.Join(root, "docs", p.name), page); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}
