package plugindev

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/golden"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// PackConfig is one call of `wayside plugin pack`.
type PackConfig struct {
	In       string
	Out      string // "" = In
	TestData string // folder whose small tests go along as golden vectors; "" = those the module has are kept
	Strip    bool   // drop custom sections that are not Wayside's: names of functions, debug data
}

// Packed is what Pack made.
type Packed struct {
	File     string   `json:"file"`
	ID       string   `json:"id"`
	Version  string   `json:"version"`
	Bytes    int      `json:"bytes"`
	SHA256   string   `json:"sha256"`
	Vectors  []string `json:"vectors"`
	Notes    []string `json:"notes"` // advice, and tests that were left out
	Unsigned bool     `json:"unsigned,omitempty"`
}

// Pack makes a plugin of a module: its manifest and its golden vectors become sections of it. The same module and tests
// give the same bytes, and what is packed can be packed again.
func Pack(ctx context.Context, cfg PackConfig) (Packed, error) {
	b, err := readModule(cfg.In)
	if err != nil {
		return Packed{}, err
	}
	out := Packed{File: cfg.Out, Vectors: []string{}, Notes: []string{}}
	if out.File == "" {
		out.File = cfg.In
	}
	packed, err := out.pack(ctx, &cfg, b)
	if err != nil {
		return Packed{}, fmt.Errorf("pack %s: %w", cfg.In, err)
	}
	return out, replace(out.File, packed)
}

// pack gives the bytes of the packed module.
func (out *Packed) pack(ctx context.Context, cfg *PackConfig, b []byte) (packed []byte, err error) {
	if _, err := module.Check(b, module.Limits{}); err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	g, err := newGuest(b)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	raw, err := g.manifest(ctx)
	if err != nil {
		return nil, err
	}
	m, err := module.ParseManifest(raw)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	errs, advice := lint(m)
	if err := unfit(errs); err != nil {
		return nil, err
	}
	vectors, hashes, left, err := vectorsFor(ctx, cfg.TestData, b, g, &m.Manifest)
	if err != nil {
		return nil, err
	}
	if packed, err = assemble(b, raw, vectors, hashes, cfg.Strip); err != nil {
		return nil, err
	}
	if _, err := module.Check(packed, module.Limits{}); err != nil {
		return nil, fmt.Errorf("check what was packed: %w", err)
	}
	for _, v := range vectors {
		out.Vectors = append(out.Vectors, v.Name)
	}
	sig, err := module.SignatureOf(b)
	out.Unsigned = sig != nil || err != nil
	out.ID, out.Version, out.Bytes, out.SHA256 = m.ID, m.Version, len(packed), module.Hash(packed)
	out.Notes = append(append(out.Notes, advice...), left...)
	return packed, nil
}

// assemble puts the module, its manifest and its vectors together.
func assemble(b []byte, raw json.RawMessage, vectors []module.Vector, hashes map[string]string, strip bool) ([]byte, error) {
	manifest, err := withTests(raw, hashes)
	if err != nil {
		return nil, err
	}
	if _, err := module.ParseManifest(manifest); err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	drop := []string{abi.SectionManifest, abi.SectionVector, abi.SectionSignature}
	if strip {
		more, err := foreignSections(b)
		if err != nil {
			return nil, err
		}
		drop = append(drop, more...)
	}
	for _, name := range drop {
		if b, err = module.WithoutCustom(b, name); err != nil {
			return nil, fmt.Errorf("read module: %w", err)
		}
	}
	b = module.WithCustom(b, abi.SectionManifest, manifest)
	for _, v := range vectors {
		if b, err = module.WithVector(b, v); err != nil {
			return nil, fmt.Errorf("add test: %w", err)
		}
	}
	return b, nil
}

// foreignSections names the custom sections that are not Wayside's.
func foreignSections(b []byte) ([]string, error) {
	secs, err := module.Sections(b)
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	var out []string
	for _, s := range secs {
		if s.ID == 0 && !strings.HasPrefix(s.Name, "wayside.") {
			out = append(out, s.Name)
		}
	}
	return out, nil
}

// withTests gives the manifest with these hashes of tests. What this version does not know of it is kept.
func withTests(raw json.RawMessage, hashes map[string]string) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, errcode.Newf(errcode.PluginRejected, "manifest: %v", err)
	}
	delete(fields, "tests")
	if len(hashes) > 0 {
		tests, err := json.Marshal(hashes)
		if err != nil {
			return nil, fmt.Errorf("encode manifest: %w", err)
		}
		fields["tests"] = tests
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(fields); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// vectorsFor gives the golden vectors of a module and the hashes of their documents: those of a folder of tests, or,
// without one, those that the module has.
func vectorsFor(ctx context.Context, dir string, b []byte, g *guest, m *abi.Manifest) ([]module.Vector, map[string]string, []string, error) {
	if dir == "" {
		vectors, err := module.Vectors(b)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("read golden vectors: %w", err)
		}
		return vectors, m.Tests, nil, nil
	}
	cases, _, err := findCases(dir)
	if err != nil {
		return nil, nil, nil, err
	}
	vectors, hashes, left, err := vectorsOf(cases)
	if err != nil || len(m.Params) == 0 && !anyParams(cases) {
		return vectors, hashes, left, err
	}
	for _, c := range cases {
		for i := range vectors {
			if vectors[i].Name != vectorName(c.name) {
				continue
			}
			if vectors[i].Params, err = g.params(ctx, c.params); err != nil {
				return nil, nil, nil, fmt.Errorf("test %s: %w", c.name, err)
			}
		}
	}
	return vectors, hashes, left, nil
}

func anyParams(cases []*testCase) bool {
	return slices.ContainsFunc(cases, func(c *testCase) bool { return len(c.params) > 0 })
}

// vectorsOf makes golden vectors of the tests that are small enough, and tells of those it left out.
func vectorsOf(cases []*testCase) (vectors []module.Vector, hashes map[string]string, left []string, err error) {
	hashes = map[string]string{}
	for _, c := range cases {
		switch {
		case len(c.rec.data) > abi.MaxVectorBytes:
			left = append(left, fmt.Sprintf("test %s is not packed: it has more than %d bytes", c.name, abi.MaxVectorBytes))
			continue
		case len(vectors) == abi.MaxVectors:
			left = append(left, fmt.Sprintf("test %s is not packed: a module carries at most %d", c.name, abi.MaxVectors))
			continue
		}
		doc, err := os.ReadFile(c.golden)
		if errors.Is(err, fs.ErrNotExist) {
			left = append(left, fmt.Sprintf("test %s is not packed: it has no golden file (wayside plugin test --update writes it)", c.name))
			continue
		}
		if err != nil {
			return nil, nil, nil, fmt.Errorf("read golden file: %w", err)
		}
		name := vectorName(c.name)
		if _, twice := hashes[name]; twice {
			return nil, nil, nil, errcode.Invalid("--testdata", "two tests are called %s in the module: rename %s", name, c.name)
		}
		v := module.Vector{Vector: abi.Vector{Name: name, Parts: []abi.VectorPart{{Name: c.rec.name, Size: c.rec.size}}}, Input: c.rec.data}
		if c.rec.parts != nil {
			v.Parts = v.Parts[:0]
			for _, p := range c.rec.parts {
				v.Parts = append(v.Parts, abi.VectorPart{Name: p.Name, Size: p.Size})
			}
		}
		vectors = append(vectors, v)
		hashes[name] = golden.Hash(doc)
	}
	return vectors, hashes, left, nil
}

// vectorName makes a vector's name of a file's: lower case, other characters become a dash.
func vectorName(file string) string {
	name := regexp.MustCompile(`[^a-z0-9._-]+`).ReplaceAllString(strings.ToLower(filepath.Base(file)), "-")
	name = strings.TrimLeft(name, "._-")
	if name == "" {
		name = "test"
	}
	return name[:min(len(name), abi.MaxNameBytes)]
}
