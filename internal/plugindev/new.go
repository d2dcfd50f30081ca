package plugindev

import (
	"bytes"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/wayside-edge/wayside/internal/errcode"
	sdkfiles "github.com/wayside-edge/wayside/sdk"
)

// templates are the projects, without what is the same in all of them or comes with the SDKs.
//
//go:embed templates
var templates embed.FS

// NewConfig is one call of `wayside plugin new`.
type NewConfig struct {
	Language string
	ID       string // of the plugin; the folder is called so
	Dir      string // in which the folder is made; "" = the current one
}

// project is what templates are filled with.
type project struct {
	ID      string
	Name    string // for people
	Licence string
	Crate   string // the id as an identifier
	Source  string // where the decoder is
	SDK     string // where the SDK is
	files   map[string]string
}

// Languages lists the languages that a project can be written in.
func Languages() []string { return []string{"go", "c", "rust"} }

// New writes a project that builds and passes its tests, and gives its folder and files. It replaces no file.
func New(cfg NewConfig) (dir string, files []string, err error) {
	if !regexp.MustCompile(`^[a-z][a-z0-9-]{1,62}$`).MatchString(cfg.ID) {
		return "", nil, errcode.Invalid("NAME", "%.80q is no id of a plugin: lower-case letters, digits and dashes, the first a letter, 2 to 63 of them", cfg.ID)
	}
	p, err := newProject(cfg)
	if err != nil {
		return "", nil, err
	}
	content, err := p.content(cfg.Language)
	if err != nil {
		return "", nil, err
	}
	dir = filepath.Join(cfg.Dir, cfg.ID)
	files = sortedKeys(content)
	for _, f := range files {
		path := filepath.Join(dir, f)
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return "", nil, errcode.Invalid("NAME", "%s is there already: nothing was written", path)
		}
	}
	for _, f := range files {
		path := filepath.Join(dir, f)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // the author's project
			return "", nil, fmt.Errorf("write project: %w", err)
		}
		if err := writeNew(path, content[f], 0o644); err != nil {
			return "", nil, fmt.Errorf("write project: %w", err)
		}
	}
	return dir, files, nil
}

func newProject(cfg NewConfig) (*project, error) {
	name := strings.ReplaceAll(cfg.ID, "-", " ")
	p := &project{
		ID: cfg.ID, Name: strings.ToUpper(name[:1]) + name[1:], Licence: "Apache-2.0", Crate: strings.ReplaceAll(cfg.ID, "-", "_"),
	}
	common := map[string]string{".gitignore": "common/gitignore", "README.md": "common/README.md"}
	switch cfg.Language {
	case "go":
		p.Source, p.SDK = "decoder/decoder.go", "sdk/go"
		p.files = map[string]string{
			"Makefile": "go/Makefile.tmpl", "go.mod": "go/go.mod.tmpl", "sdk/go/go.mod": "go/sdk.go.mod.tmpl", "main.go": "go/main.go.tmpl",
			"decoder/decoder.go": "go/decoder.go.tmpl", "decoder/decoder_test.go": "go/decoder_test.go.tmpl",
		}
	case "c":
		p.Source, p.SDK = "decoder.c", "sdk/c"
		p.files = map[string]string{"Makefile": "c/Makefile.tmpl", "decoder.c": "c/decoder.c.tmpl"}
	case "rust":
		p.Source, p.SDK = "src/lib.rs", "sdk/rust"
		p.files = map[string]string{
			"Makefile": "rust/Makefile.tmpl", "Cargo.toml": "rust/Cargo.toml.tmpl", "src/lib.rs": "rust/lib.rs.tmpl",
		}
	default:
		return nil, errcode.Invalid("--lang", "%.80q is not one of %s", cfg.Language, strings.Join(Languages(), ", "))
	}
	maps.Copy(p.files, common)
	return p, nil
}

// content gives the files of the project.
func (p *project) content(language string) (map[string][]byte, error) {
	out := map[string][]byte{}
	for to, from := range p.files {
		b, err := p.fill(from)
		if err != nil {
			return nil, err
		}
		out[to] = b
	}
	if err := p.addSDK(language, out); err != nil {
		return nil, err
	}
	golden, err := templates.ReadFile("templates/common/sample.golden.ndjson")
	if err != nil {
		return nil, fmt.Errorf("write project: %w", err)
	}
	one, err := templates.ReadFile("templates/common/channel.golden.ndjson")
	if err != nil {
		return nil, fmt.Errorf("write project: %w", err)
	}
	out["testdata/sample.tlog"], out["testdata/sample.tlog.golden.ndjson"] = sample(), golden
	out["testdata/channel.tlog"], out["testdata/channel.tlog.golden.ndjson"] = sample()[:101], one
	out["testdata/channel.tlog.params.json"] = []byte("{\"channel\": 2}\n")
	return out, nil
}

// fill executes a template.
func (p *project) fill(from string) ([]byte, error) {
	text, err := templates.ReadFile("templates/" + from)
	if err != nil {
		return nil, fmt.Errorf("write project: %w", err)
	}
	t, err := template.New(from).Delims("<%", "%>").Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("write project: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("write project: %w", err)
	}
	return b.Bytes(), nil
}

// addSDK adds the sources of the language's SDK, as they are in this binary.
func (p *project) addSDK(language string, out map[string][]byte) error {
	err := fs.WalkDir(sdkfiles.Files, language, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(sdkfiles.Files, path)
		if err != nil {
			return err //nolint:wrapcheck // below
		}
		out[p.SDK+strings.TrimPrefix(path, language)] = b
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the SDK: %w", err)
	}
	licence, err := templates.ReadFile("templates/common/LICENSE")
	if err != nil {
		return fmt.Errorf("write the SDK: %w", err)
	}
	out[p.SDK+"/LICENSE"] = licence
	return nil
}

// sample makes the input of the projects' tests: 20 readings of three channels and one of another kind, one reading out
// of any sensor's range.
func sample() []byte {
	b := []byte("TLOG\x01\x00\x2a\x00")
	b = binary.LittleEndian.AppendUint32(b, 1_700_000_000)
	for i := range 21 {
		kind, value := byte(1), int16(215+7*(i%5)-30*(i%3))
		switch i {
		case 6:
			kind = 9
		case 13:
			value = 3000
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(500*i))
		b = append(b, kind, byte(i%3))
		b = binary.LittleEndian.AppendUint16(b, uint16(value))
	}
	return slices.Clip(b)
}
