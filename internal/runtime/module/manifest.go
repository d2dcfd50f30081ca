package module

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// maxMemoryMiB is the most memory a manifest may ask for: the administrator's maximum.
const maxMemoryMiB = 1024

const maxFormats = 256

// Manifest is a checked manifest with what the host makes of it.
type Manifest struct {
	abi.Manifest
	Schemas []*table.Schema // of Tables, in their order
	Rules   [][]Rule        // of Formats, in their order
}

// ParseManifest reads and checks a manifest. The error is PluginRejected and says what is wrong.
func ParseManifest(b []byte) (*Manifest, error) {
	if len(b) > abi.MaxManifestBytes {
		return nil, rejected("the manifest has %d bytes, the limit is %d", len(b), abi.MaxManifestBytes)
	}
	if !utf8.Valid(b) {
		return nil, rejected("the manifest is not UTF-8")
	}
	if err := checkDepth(b, abi.MaxManifestDepth); err != nil {
		return nil, err
	}
	var m Manifest
	if err := json.Unmarshal(b, &m.Manifest); err != nil {
		return nil, rejected("manifest: %v", err)
	}
	if err := m.checkHead(); err != nil {
		return nil, err
	}
	if err := m.checkFormats(); err != nil {
		return nil, err
	}
	if err := m.checkTables(); err != nil {
		return nil, err
	}
	return &m, nil
}

// checkDepth bounds the nesting of JSON before anything is built from it.
func checkDepth(b []byte, limit int) error {
	depth := 0
	dec := json.NewDecoder(bytes.NewReader(b))
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return rejected("manifest: %v", err)
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > limit {
				return rejected("the manifest nests deeper than %d", limit)
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

func (m *Manifest) checkHead() error {
	switch {
	case !validID(m.ID):
		return rejected("manifest: id %.80q is not of the form [a-z][a-z0-9-]{1,62}", m.ID)
	case m.Name == "" || len(m.Name) > 200:
		return rejected("manifest: name is empty or longer than 200 bytes")
	case !ValidVersion(m.Version):
		return rejected("manifest: version %.80q is not a semantic version", m.Version)
	case m.ABI != abi.Version:
		return rejected("manifest: abi is %d, this host speaks %d", m.ABI, abi.Version)
	case m.MemoryMiB < 0 || m.MemoryMiB > maxMemoryMiB:
		return rejected("manifest: memory_mib %d is not between 0 and %d", m.MemoryMiB, maxMemoryMiB)
	}
	for _, c := range m.Capabilities {
		if c != abi.CapSeek && c != abi.CapChild {
			return rejected("manifest: unknown capability %.80q", c)
		}
	}
	return nil
}

// Can reports whether the manifest asks for a capability.
func (m *Manifest) Can(capability string) bool { return slices.Contains(m.Capabilities, capability) }

func (m *Manifest) checkFormats() error {
	if len(m.Formats) == 0 || len(m.Formats) > maxFormats {
		return rejected("manifest: %d formats, allowed are 1 to %d", len(m.Formats), maxFormats)
	}
	var patterns Patterns
	seen, count := map[string]bool{}, 0
	for i := range m.Formats {
		f := &m.Formats[i]
		if count += len(f.Sniff); count > maxRules {
			return rejected("manifest: %d sniff rules or more, the limit is %d", count, maxRules)
		}
		if !validFormat(f.ID) {
			return rejected("manifest: format id %.80q is not of the form [a-z][a-z0-9_-]{0,62}", f.ID)
		}
		if seen[f.ID] {
			return rejected("manifest: format %s appears twice", f.ID)
		}
		seen[f.ID] = true
		if err := checkSequence(f); err != nil {
			return err
		}
		rules := make([]Rule, 0, len(f.Sniff))
		for j := range f.Sniff {
			r, err := compileRule(&f.Sniff[j], &patterns)
			if err != nil {
				return rejected("manifest: format %s, sniff rule %d: %v", f.ID, j, err)
			}
			rules = append(rules, r)
		}
		m.Rules = append(m.Rules, rules)
	}
	return nil
}

// checkSequence bounds the place that orders files to what is read of a file to recognise it.
func checkSequence(f *abi.Format) error {
	s := f.Sequence
	if s == nil {
		return nil
	}
	if s.Length < 1 || s.Length > abi.MaxSequenceKey {
		return rejected("manifest: format %s: the sequence has %d bytes, allowed are 1 to %d", f.ID, s.Length, abi.MaxSequenceKey)
	}
	if s.At < 0 || s.At > abi.SniffHead-int64(s.Length) {
		return rejected("manifest: format %s: the sequence is not in the first %d bytes", f.ID, abi.SniffHead)
	}
	return nil
}

func (m *Manifest) checkTables() error {
	if len(m.Tables) > abi.MaxTables {
		return rejected("manifest: %d tables, the limit is %d", len(m.Tables), abi.MaxTables)
	}
	seen := map[string]bool{abi.ReservedTable: true}
	for i := range m.Tables {
		s, err := Schema(&m.Tables[i])
		if err != nil {
			return rejected("manifest: %v", err)
		}
		if seen[s.Name] {
			return rejected("manifest: table %s appears twice or is reserved", s.Name)
		}
		seen[s.Name] = true
		m.Schemas = append(m.Schemas, s)
	}
	return nil
}

// Schema makes the host's schema of a table of the ABI and validates it.
func Schema(t *abi.Table) (*table.Schema, error) {
	s := &table.Schema{Name: t.Name, Description: t.Description, Columns: make([]table.Column, len(t.Columns))}
	if t.RowLength != nil {
		s.RowLength = &table.RowLength{Column: t.RowLength.Column, Plus: t.RowLength.Plus}
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		typ, ok := table.ParseType(c.Type)
		if !ok {
			return nil, rejected("table %.80q: column %.80q has the unknown type %.80q", t.Name, c.Name, c.Type)
		}
		if c.Zone != "" && c.Zone != "utc" && c.Zone != "naive" {
			return nil, rejected("table %.80q: column %.80q has the unknown zone %.80q", t.Name, c.Name, c.Zone)
		}
		s.Columns[i] = table.Column{
			Name: c.Name, Type: typ, Scale: c.Scale, Unit: c.Unit, Naive: c.Zone == "naive", Description: c.Description,
			Nullable: c.Nullable, Role: c.Role, Labels: c.Labels, Sensitive: c.Sensitive,
		}
	}
	for _, l := range t.Layouts {
		fields := make([]table.LayoutField, len(l.Fields))
		for i, f := range l.Fields {
			fields[i] = table.LayoutField{Name: f.Name, At: f.At, Length: f.Length, Type: f.Type, Unit: f.Unit}
		}
		s.Layouts = append(s.Layouts, table.Layout{When: l.When, Fields: fields})
	}
	if s.Name == abi.ReservedTable {
		return nil, rejected("table %s is the host's own", s.Name)
	}
	if err := s.Validate(); err != nil {
		return nil, rejected("%v", err)
	}
	return s, nil
}

func validID(s string) bool {
	return len(s) >= 2 && validWord(s, "-")
}

func validFormat(s string) bool { return validWord(s, "-_") }

// validWord reports whether s is [a-z][a-z0-9<extra>]{0,62}.
func validWord(s, extra string) bool {
	if s == "" || len(s) > abi.MaxNameBytes || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !bytes.ContainsRune([]byte(extra), rune(c)) {
			return false
		}
	}
	return true
}
