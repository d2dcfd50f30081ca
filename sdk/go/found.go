package sdk

import (
	"encoding/json"
	"fmt"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// CodeTableLimit is that of a decode that finds more tables or columns than the host takes.
const CodeTableLimit = "table_limit"

// notOpen is the index of a table found at run time until the host has taken it.
const notOpen = -1

// Table begins a table that only the input tells of, as the header of a log tells of its channels: declare its columns,
// with Table.Name where their names come from the input too, then call Table.Open. A table that the decoder knows
// beforehand is declared in its declare function instead, so that it stands in the manifest.
//
//	t := in.Table("samples", "one row a sample")
//	for i, ch := range channels {
//		values[i] = t.Float64(t.Name(ch.name), sdk.Attr{Unit: ch.unit, Description: ch.name})
//	}
//	if err := t.Open(); err != nil {
//		return err
//	}
func (in *Input) Table(name, description string) *Table {
	t := in.ses.schema.Table(name, description)
	t.index = notOpen
	return t
}

// Name makes a column's name of a text of the input: letters of ASCII in lower case and digits stay, everything else
// between them becomes one _. A name that a column of the table has gets a number, which counts on over the table: "Temp.
// [°C]" becomes temp_c, a second one temp_c_2.
func (t *Table) Name(text string) string {
	name := columnName(text)
	for base := name; t.has(name); {
		t.copies++
		number := fmt.Sprintf("_%d", t.copies+1)
		name = base[:min(len(base), abi.MaxNameBytes-len(number))] + number
	}
	return name
}

// columnName gives a name that no other column is looked at for.
func columnName(text string) string {
	name := make([]byte, 0, abi.MaxNameBytes)
	gap := false
	for i := 0; i < len(text) && len(name) < abi.MaxNameBytes; i++ {
		c := text[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			gap = len(name) > 0
			continue
		}
		if len(name) == 0 && c <= '9' {
			name = append(name, 'c') // a name begins with a letter
		}
		if gap {
			name = append(name, '_')
		}
		gap = false
		name = append(name, c)
	}
	if len(name) == 0 {
		return "column"
	}
	return string(name[:min(len(name), abi.MaxNameBytes)])
}

// has says whether the table has a column.
func (t *Table) has(name string) bool {
	for i := range t.desc.Columns {
		if t.desc.Columns[i].Name == name {
			return true
		}
	}
	return false
}

// Open gives the table to the host; rows follow. Its error ends the decode, when the decoder returns it: code table_limit
// beyond abi.MaxTables tables of a decode, abi.MaxColumns columns or abi.MaxManifestBytes of the schemas found at run time
// together; code trap for a name that is none or is taken, which is a mistake of the decoder, as is a second Open.
func (t *Table) Open() error {
	s := t.ses.schema
	if t.index != notOpen {
		return Fail(CodeTrap, "table %s is open already", t.desc.Name)
	}
	if err := s.admit(t); err != nil {
		return err
	}
	schema, err := json.Marshal(&t.desc)
	if err != nil {
		return fmt.Errorf("encode the schema of table %s: %w", t.desc.Name, err)
	}
	if s.found += len(schema); s.found > abi.MaxManifestBytes {
		return Fail(CodeTableLimit, "the schemas of the tables found at run time have more than %d bytes", abi.MaxManifestBytes)
	}
	if t.ses.host.Declare == nil {
		return Fail(CodeTableLimit, "the host takes no table found at run time")
	}
	index := t.ses.host.Declare(schema)
	if index < 0 {
		return Fail(CodeTableLimit, "table %s: the host does not take it", t.desc.Name)
	}
	t.index = index
	s.open++
	t.begin()
	return nil
}

// admit says why the host would not take a table, which would end the instance with a reason that helps nobody.
func (s *Schema) admit(t *Table) error {
	d := &t.desc
	switch {
	case s.open >= abi.MaxTables:
		return Fail(CodeTableLimit, "there are more than %d tables", abi.MaxTables)
	case len(d.Columns) > abi.MaxColumns:
		return Fail(CodeTableLimit, "table %s: there are more than %d columns", d.Name, abi.MaxColumns)
	case !validName(d.Name) || d.Name == abi.ReservedTable:
		return Fail(CodeTrap, "%.80q cannot be the name of a table", d.Name)
	}
	for _, other := range s.tables {
		if other != t && other.index != notOpen && other.desc.Name == d.Name {
			return Fail(CodeTrap, "table %s: there are two", d.Name)
		}
	}
	names := make(map[string]bool, len(d.Columns))
	for i := range d.Columns {
		name := d.Columns[i].Name
		if !validName(name) {
			return Fail(CodeTrap, "table %s: %.80q cannot be the name of a column", d.Name, name)
		}
		if names[name] {
			return Fail(CodeTrap, "table %s: there are two columns %s", d.Name, name)
		}
		names[name] = true
	}
	return nil
}

// validName says whether a name is ^[a-z][a-z0-9_]{0,62}$.
func validName(s string) bool {
	if s == "" || len(s) > abi.MaxNameBytes || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}
