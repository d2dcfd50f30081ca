package wire

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Files in the folder of a compiled module, beside the engine's own cache.
const (
	ModuleFile = "module.wasm" // what decode workers load
	RecordFile = "record.json"
)

// recordVersion changes when an older folder must not be used any more.
const recordVersion = 1

// maxSmall bounds a record: a manifest of the longest, every character escaped, and the rest.
const maxSmall = 8 * abi.MaxManifestBytes

const engineModule = "github.com/tetratelabs/wazero"

// Record says that a module's folder is complete and what it holds. Only compile workers write it.
type Record struct {
	Generator   string          `json:"generator"`
	SHA256      string          `json:"sha256"`      // of the original module
	Module      string          `json:"module"`      // SHA-256 of ModuleFile
	Initialised bool            `json:"initialised"` // it needs no _initialize any more
	Sniff       bool            `json:"sniff"`       // it exports wayside_sniff
	Manifest    json.RawMessage `json:"manifest,omitempty"`
	Limits      ModuleLimits    `json:"limits"`           // that the module was held against
	Partly      []string        `json:"partly,omitempty"` // golden vectors that the interpreter decoded in part only
}

// Generator names what made a record: the layout of the folder, the engine and the machine's kind.
func Generator() string {
	engine := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == engineModule {
				engine = d.Version
			}
		}
	}
	return fmt.Sprintf("wayside-%d wazero-%s %s-%s", recordVersion, engine, goruntime.GOOS, goruntime.GOARCH)
}

// ReadSmall reads a file of a module's folder, where a compile worker can write what it likes: a file of any size must
// not become as much memory.
func ReadSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() > maxSmall {
		return nil, fmt.Errorf("read %s: no file of at most %d bytes", path, maxSmall)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSmall))
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return b, nil
}

// ReadRecord reads the record in a module's folder and whether it can be used for the module.
func ReadRecord(dir, sha256 string) (*Record, bool) {
	b, err := ReadSmall(filepath.Join(dir, RecordFile))
	if err != nil {
		return nil, false
	}
	var r Record
	if json.Unmarshal(b, &r) != nil || r.SHA256 != sha256 || r.Generator != Generator() {
		return nil, false
	}
	return &r, true
}
