package plugindev

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// mostReported bounds the problems that are told at once.
const mostReported = 20

// lint looks at a manifest more closely than a host does: a host has to take what is there, an author can still change
// it. errs make the manifest unfit to be packed, notes are advice.
func lint(m *module.Manifest) (errs, notes []string) {
	u := newUCUM()
	if m.Description == "" {
		notes = append(notes, "the manifest has no description")
	}
	if m.Licence == "" {
		notes = append(notes, "the manifest names no licence")
	}
	for i := range m.Formats {
		f := &m.Formats[i]
		if len(f.Sniff) == 0 {
			notes = append(notes, fmt.Sprintf("format %s has no sniff rule: files are recognised by their name only, or by wayside_sniff", f.ID))
		}
		for _, e := range f.Extensions {
			if !strings.HasPrefix(e, ".") || e != strings.ToLower(e) {
				errs = append(errs, fmt.Sprintf("format %s: extension %q is to begin with a dot and to be in lower case", f.ID, e))
			}
		}
	}
	for i := range m.Tables {
		e, n := lintTable(u, &m.Tables[i])
		errs, notes = append(errs, e...), append(notes, n...)
	}
	if len(m.Tables) > 0 && !slices.ContainsFunc(m.Tables, hasOffset) {
		notes = append(notes, `no table has a column "offset": the console cannot show the bytes of a row`)
	}
	return errs, append(notes, lintParams(m.Params)...)
}

func hasOffset(t abi.Table) bool {
	return slices.ContainsFunc(t.Columns, func(c abi.Column) bool { return c.Name == "offset" })
}

func lintTable(u *ucum, t *abi.Table) (errs, notes []string) {
	if t.Description == "" {
		notes = append(notes, fmt.Sprintf("table %s has no description", t.Name))
	}
	var silent []string
	for i := range t.Columns {
		c := &t.Columns[i]
		if err := u.check(c.Unit); err != nil {
			errs = append(errs, fmt.Sprintf("table %s, column %s: %v", t.Name, c.Name, err))
		}
		if c.Description == "" && c.Unit == "" && c.Role == "" {
			silent = append(silent, c.Name)
		}
	}
	if len(silent) > 0 {
		notes = append(notes, fmt.Sprintf("table %s: nothing says what these columns are: %s", t.Name, strings.Join(silent, ", ")))
	}
	for i := range t.Layouts {
		for _, f := range t.Layouts[i].Fields {
			if err := u.check(f.Unit); err != nil {
				errs = append(errs, fmt.Sprintf("table %s, field %s of a layout: %v", t.Name, f.Name, err))
			}
		}
	}
	return errs, notes
}

// lintParams looks for parameters that nobody can understand.
func lintParams(schema json.RawMessage) (notes []string) {
	var s struct {
		Properties map[string]struct {
			Description string `json:"description"`
			Title       string `json:"title"`
		} `json:"properties"`
	}
	if len(schema) == 0 || json.Unmarshal(schema, &s) != nil {
		return nil
	}
	for _, name := range sortedKeys(s.Properties) {
		if p := s.Properties[name]; p.Description == "" && p.Title == "" {
			notes = append(notes, fmt.Sprintf("parameter %s has no description", name))
		}
	}
	return notes
}

// unfit makes one error of what lint found.
func unfit(errs []string) error {
	if len(errs) == 0 {
		return nil
	}
	more := ""
	if n := len(errs) - mostReported; n > 0 {
		errs, more = errs[:mostReported], fmt.Sprintf("\nand %d more", n)
	}
	return errcode.New(errcode.PluginRejected, "manifest: "+strings.Join(errs, "\nmanifest: ")+more)
}
