package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	goruntime "runtime"
	"runtime/debug"
	"strings"
)

// version is set by the linker (-X main.version=v1.2.3), the only way to tell a reproducible build its name.
var version string //nolint:gochecknoglobals // -X needs a variable

// buildInfo is what the binary knows about itself.
type buildInfo struct {
	Version  string    `json:"version"`
	Commit   string    `json:"commit,omitempty"`
	Go       string    `json:"go"`
	Platform string    `json:"platform"`
	Decoders []decoder `json:"decoders"`
}

// decoder is one embedded decoder.
type decoder struct {
	ID     string `json:"id"`
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// readBuild gathers it: the linker's version, else what the go command recorded.
func readBuild(dist fs.FS) (buildInfo, error) {
	b := buildInfo{Version: version, Go: goruntime.Version(), Platform: goruntime.GOOS + "/" + goruntime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.Version = cmp.Or(b.Version, strings.Trim(info.Main.Version, "()"))
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Commit = s.Value
			}
		}
	}
	b.Version = cmp.Or(b.Version, "devel")
	files, err := fs.Glob(dist, "dist/*.wasm")
	if err != nil {
		return b, fmt.Errorf("list decoders: %w", err)
	}
	b.Decoders = []decoder{}
	for _, name := range files {
		data, err := fs.ReadFile(dist, name)
		if err != nil {
			return b, fmt.Errorf("read decoder: %w", err)
		}
		sum := sha256.Sum256(data)
		id := strings.TrimSuffix(strings.TrimPrefix(name, "dist/"), ".wasm")
		b.Decoders = append(b.Decoders, decoder{ID: id, Bytes: len(data), SHA256: hex.EncodeToString(sum[:])})
	}
	return b, nil
}

// noDecoders says what a binary without decoders lacks and how to get one that has them.
const noDecoders = "none: this binary was built without them, so it decodes nothing by itself; `make build` makes one that has them"
