package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/wayside-edge/wayside"

// leaves import nothing of Wayside; every other package but the faces may import them.
var leaves = []string{"internal/errcode", "internal/event", "internal/disk", "internal/redact", "internal/zone"}

// allowed is the import table of ARCHITECTURE.md: what a package may import inside Wayside, beside itself. A trailing
// /... stands for a folder and all below it; a package that is not listed may import nothing.
func allowed() map[string][]string {
	with := func(more ...string) []string { return append(slices.Clone(leaves), more...) }
	abi, table := "sdk/go/abi", "internal/table"
	return map[string][]string{
		"sdk/go":                  {abi},
		"plugins/...":             {"sdk/go/...", "plugins/..."},
		"plugins/build":           {"sdk/go/...", "internal/disk"},
		"sdk/go/sdktest":          {"sdk/go", abi},
		"internal/store":          with(),
		"internal/archive":        with(),
		"internal/blob":           with(),
		"internal/table":          with(),
		"internal/catalog":        with("internal/store", table),
		"internal/kv":             with("internal/kv/..."),
		"internal/kv/resp":        {},
		"internal/kv/engine":      with(),
		"internal/kv/script":      with("internal/kv/engine"),
		"internal/kv/aof":         with("internal/kv/engine", "internal/kv/resp"),
		"internal/kv/kvtest":      {"internal/kv"},
		"internal/cache":          with("internal/kv/engine"),
		"internal/queue":          with("internal/store"),
		"internal/queue/...":      with("internal/store", "internal/queue"),
		"internal/runtime/module": with(abi, table),
		"internal/runtime/wire":   with(abi, table),
		"internal/runtime":        with("internal/runtime/module", "internal/runtime/wire", table, abi),
		"internal/runtime/golden": {},
		"internal/runtime/worker": with("internal/runtime/module", "internal/runtime/wire", "internal/runtime/golden", table, abi,
			"internal/archive"),
		"internal/plugindev":   with("internal/runtime", "internal/runtime/...", table, abi, "sdk"),
		"internal/ingest":      with("internal/blob", "internal/catalog", "internal/queue", "internal/store"),
		"internal/batch":       with("internal/ingest", "internal/catalog", "internal/queue", "internal/store"),
		"internal/idempotency": with("internal/store"),
		"internal/alert":       with("internal/store"),
		"internal/history":     with(),
		"internal/upload":      with("internal/ingest", "internal/blob", "internal/catalog", "internal/queue", "internal/store"),
		"internal/decode": with("internal/runtime", table, "internal/blob", "internal/catalog", "internal/queue",
			"internal/store", "internal/cache"),
		"internal/httpapi": with("internal/ingest", "internal/catalog", "internal/queue", "internal/blob", table,
			"internal/runtime", "internal/access", "internal/alert", "internal/batch", "internal/apidocs", "internal/upload", "internal/idempotency"),
		"internal/apidocs":           {},
		"internal/httpapi/certtest":  {},
		"internal/access":            with("internal/store"),
		"internal/localdecode":       with("internal/runtime", table, "internal/archive", "internal/progress"),
		"internal/progress":          {},
		"internal/observe":           {"internal/redact", "internal/errcode", "internal/event"},
		"internal/observe/boardtest": {},
		"internal/config":            {"internal/redact", "internal/errcode"},
		"internal/app":               {"internal/...", "plugins", "web", "sdk/..."},
		"cmd/appliance": {
			"internal/app", "internal/config", "internal/localdecode", "internal/plugindev", "internal/progress", "internal/runtime",
			"internal/runtime/worker", "internal/errcode", "internal/disk", "internal/table", "plugins", "sdk/client",
			"sdk/client/tus", "web",
		},
		// bench compares the appliance with the same decoder run natively, for which it is a host itself.
		"bench":                        {"plugins/rail/...", "internal/...", "sdk/go/...", "sdk/examples/..."},
		"soak":                         {"plugins/rail/..."},
		"examples/...":                 {"sdk/client", "plugins/rail/..."},
		"e2e":                          {"plugins/rail/...", "sdk/client/..."},
		"sdk/client":                   {"sdk/client/tus"},
		"sdk/client/tus":               {},
		"sdk/client/worker":            {"sdk/client"},
		"sdk":                          {},
		"sdk/docgen":                   {},
		"web/licenses":                 {"web"},
		"sdk/examples/...":             {"sdk/go/...", "sdk/examples/...", "internal/disk"},
		"internal/runtime/runtimetest": with(abi, table),
	}
}

type pkg struct {
	ImportPath   string   `json:"ImportPath"`
	Dir          string   `json:"Dir"`
	Doc          string   `json:"Doc"`
	Name         string   `json:"Name"`
	Imports      []string `json:"Imports"`
	GoFiles      []string `json:"GoFiles"`
	TestGoFiles  []string `json:"TestGoFiles"`
	XTestGoFiles []string `json:"XTestGoFiles"`
}

// packages lists the module's packages as the native build and as the guests' build see them.
func packages(t *testing.T) map[string]pkg {
	t.Helper()
	all := map[string]pkg{}
	for _, env := range [][]string{nil, {"GOOS=wasip1", "GOARCH=wasm"}} {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-tags=e2e", "-json=ImportPath,Dir,Doc,Name,Imports,GoFiles,TestGoFiles,XTestGoFiles", module+"/...")
		cmd.Env = append(os.Environ(), env...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		for dec := json.NewDecoder(bytes.NewReader(out)); ; {
			var p pkg
			if err := dec.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if old, ok := all[p.ImportPath]; ok {
				p.Imports = append(p.Imports, old.Imports...)
				p.GoFiles = append(p.GoFiles, old.GoFiles...)
				p.TestGoFiles = append(p.TestGoFiles, old.TestGoFiles...)
				p.Doc += old.Doc
			}
			all[p.ImportPath] = p
		}
	}
	return all
}

func matches(pattern, path string) bool {
	if dir, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == dir || strings.HasPrefix(path, dir+"/")
	}
	return pattern == path
}

// rule finds the line of the table for a package: its own, else the longest pattern.
func rule(path string) []string {
	table := allowed()
	if r, ok := table[path]; ok {
		return r
	}
	best := ""
	for pattern := range table {
		if matches(pattern, path) && len(pattern) > len(best) {
			best = pattern
		}
	}
	return table[best]
}

func TestImportsFollowTheTable(t *testing.T) {
	for path, p := range packages(t) {
		self := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
		for _, imp := range p.Imports {
			inner, ok := strings.CutPrefix(imp, module+"/")
			if !ok {
				continue
			}
			if !slices.ContainsFunc(rule(self), func(a string) bool { return matches(a, inner) }) {
				t.Errorf("%s imports %s, which the import table does not allow", self, inner)
			}
		}
	}
}

// walls are the third-party modules that only some packages may import.
var walls = map[string][]string{
	"github.com/dgraph-io":          {"internal/store"},
	"github.com/tetratelabs/wazero": {"internal/runtime/worker"},
	"github.com/landlock-lsm":       {"internal/runtime/worker"},
	"github.com/labstack/echo":      {"internal/httpapi", "bench"},
	"github.com/danielgtaylor/huma": {"internal/httpapi"},
	"github.com/prometheus":         {"internal/observe"},
	"github.com/parquet-go":         {"internal/table"},
	"github.com/apache/arrow-go":    {"internal/table"},
	"github.com/xuri/excelize":      {"internal/table", "internal/jobs/report"},
	"github.com/santhosh-tekuri":    {"internal/runtime", "internal/runtime/module"},
	"github.com/knadh/koanf":        {"internal/config"},
	"github.com/netresearch":        {"internal/queue/local"},
	"github.com/coreos/go-systemd":  {"internal/app"},
	"github.com/spf13/cobra":        {"cmd/appliance"},
	"github.com/DeRuina/timberjack": {"internal/observe"},
	"github.com/lmittmann/tint":     {"internal/observe"},
	"github.com/alicebob/miniredis": {"internal/kv"},
	"github.com/stretchr/testify":   nil,
	"github.com/pkg/errors":         nil,
	"math/rand":                     nil,
}

func TestLibrariesStayBehindTheirWalls(t *testing.T) {
	for path, p := range packages(t) {
		self := strings.TrimPrefix(path, module+"/")
		for _, imp := range p.Imports {
			for lib, users := range walls {
				inside := imp == lib || (strings.HasPrefix(imp, lib+"/") && lib != "math/rand")
				if inside && !slices.ContainsFunc(users, func(u string) bool { return matches(u+"/...", self) }) {
					t.Errorf("%s imports %s, which belongs to %v", self, imp, users)
				}
			}
		}
	}
}

func TestEveryPackageHasADoc(t *testing.T) {
	for path, p := range packages(t) {
		if p.Name != "" && len(p.GoFiles) > 0 && strings.TrimSpace(p.Doc) == "" {
			t.Errorf("%s has no package doc", path)
		}
	}
}

// long lists the files that are longer than 600 lines for a reason.
var long = map[string]string{}

func TestFilesStayReadable(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages(t) {
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			path := filepath.Join(p.Dir, name)
			rel, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, "_gen.go") || long[filepath.ToSlash(rel)] != "" {
				continue
			}
			if n := bytes.Count(data, []byte("\n")); n > 600 {
				t.Errorf("%s has %d lines", rel, n)
			}
		}
	}
}
