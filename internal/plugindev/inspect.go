package plugindev

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/wayside-edge/wayside/internal/runtime/module"
)

// Inspection is what Inspect tells of a module.
type Inspection struct {
	File      string          `json:"file"`
	Bytes     int             `json:"bytes"`
	SHA256    string          `json:"sha256"`
	Problem   string          `json:"problem,omitempty"` // why a host would refuse it
	Sections  []SectionSize   `json:"sections"`
	Imports   []string        `json:"imports"`
	Exports   []string        `json:"exports"`
	Figures   []Figure        `json:"figures"`
	Manifest  json.RawMessage `json:"manifest,omitempty"`
	Notes     []string        `json:"notes,omitempty"` // on the manifest
	Vectors   []VectorInfo    `json:"vectors"`
	Signature string          `json:"signature"` // "none", "key <id>", or what is wrong with it
}

// SectionSize is one section of a module.
type SectionSize struct {
	Name  string `json:"name"`
	Bytes int    `json:"bytes"`
}

// Figure is a static figure of a module and the most that a host accepts.
type Figure struct {
	Name  string `json:"name"`
	Value int64  `json:"value"`
	Limit int64  `json:"limit"`
}

// VectorInfo is a golden vector of a module.
type VectorInfo struct {
	Name  string `json:"name"`
	Bytes int    `json:"bytes"`
	Parts int    `json:"parts"`
}

// Inspect tells what a module is without running it. One that a host would refuse is described as far as it can be read.
func Inspect(file string) (Inspection, error) {
	b, err := readModule(file)
	if err != nil {
		return Inspection{}, err
	}
	secs, err := module.Sections(b)
	if err != nil {
		return Inspection{}, fmt.Errorf("inspect %s: %w", file, err)
	}
	in := Inspection{
		File: file, Bytes: len(b), SHA256: module.Hash(b), Sections: []SectionSize{}, Imports: []string{}, Exports: []string{},
		Vectors: []VectorInfo{}, Signature: "none",
	}
	for _, s := range secs {
		name := module.SectionName(s.ID)
		if s.Name != "" {
			name += " " + s.Name
		}
		in.Sections = append(in.Sections, SectionSize{Name: name, Bytes: len(s.Body)})
	}
	d := module.Describe(b)
	in.Imports, in.Exports = append(in.Imports, d.Imports...), append(in.Exports, d.Exports...)
	l := module.Limits{}.Defaults()
	in.Figures = []Figure{
		{"bytes of the module", int64(len(b)), int64(l.Bytes)},
		{"functions", int64(d.Functions), int64(l.Functions)},
		{"bytes of the largest function", int64(d.Body), int64(l.Body)},
		{"locals of a function", int64(d.Locals), int64(l.Locals)},
		{"nested blocks", int64(d.Nesting), int64(l.Nesting)},
		{"memory at the start, bytes", int64(d.MemoryPages) * module.Page, int64(l.MemoryMiB) << 20},
	}
	if _, err := module.Check(b, module.Limits{}); err != nil {
		in.Problem = err.Error()
	}
	in.manifest(b)
	in.trust(b)
	return in, nil
}

// manifest tells of the manifest and the tests.
func (in *Inspection) manifest(b []byte) {
	raw, err := module.EmbeddedManifest(b)
	if err == nil && raw != nil {
		m, perr := module.ParseManifest(raw)
		if err = perr; perr == nil {
			in.Manifest = raw
			errs, notes := lint(m)
			in.Notes = slices.Concat(errs, notes)
		}
	}
	vectors, verr := module.Vectors(b)
	for _, v := range vectors {
		in.Vectors = append(in.Vectors, VectorInfo{Name: v.Name, Bytes: len(v.Input), Parts: len(v.Parts)})
	}
	for _, e := range []error{err, verr} {
		if e != nil && in.Problem == "" {
			in.Problem = e.Error()
		}
	}
}

// trust tells of the signature.
func (in *Inspection) trust(b []byte) {
	switch sig, err := module.SignatureOf(b); {
	case err != nil:
		in.Signature = err.Error()
	case sig != nil:
		in.Signature = "key " + sig.KeyID
	}
}
