// Package table owns typed tables: their schema, columnar batches, how a value looks in each form, and the
// encoders and readers of those forms, one file a form. Parquet is the stored form; NDJSON, CSV, JSON and Arrow IPC
// are written from the same batches or from a stored Parquet file.
//
// It is apart because both sides of the appliance use it: a decode worker encodes batches that a plugin emits, and
// the server reads pages, filters, exports and series for charts. It knows nothing of plugins, files or decodes, and
// takes no lock. A series is read by a few goroutines, joined before it is given; nothing else starts any.
//
// Values in every form: docs/tables.md.
package table

import (
	"fmt"
)

// Type is the type of a column.
type Type uint8

// Types, in the order of docs/tables.md.
const (
	Bool Type = iota + 1
	I8
	I16
	I32
	I64
	U8
	U16
	U32
	U64
	F32
	F64
	TSus // microseconds since 1970-01-01T00:00:00
	TSns // nanoseconds since 1970-01-01T00:00:00
	Dec32
	Dec64
	UTF8
	Bin
	Enum8
	Enum16
)

var typeNames = [...]string{
	Bool: "bool", I8: "i8", I16: "i16", I32: "i32", I64: "i64", U8: "u8", U16: "u16", U32: "u32", U64: "u64",
	F32: "f32", F64: "f64", TSus: "ts_us", TSns: "ts_ns", Dec32: "dec32", Dec64: "dec64", UTF8: "utf8", Bin: "bin",
	Enum8: "enum8", Enum16: "enum16",
}

// String gives the name used in manifests and the API.
func (t Type) String() string {
	if int(t) < len(typeNames) && typeNames[t] != "" {
		return typeNames[t]
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

// TypeName gives the column's type as the API writes it: decimals with their digits after the point.
func (c *Column) TypeName() string {
	if c.Type == Dec32 || c.Type == Dec64 {
		return fmt.Sprintf("%s(%d)", c.Type, c.Scale)
	}
	return c.Type.String()
}

// ParseType gives the type of a name.
func ParseType(name string) (Type, bool) {
	for t, n := range typeNames {
		if n != "" && n == name {
			return Type(t), true
		}
	}
	return 0, false
}

// MarshalText writes the type's name.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads a type's name.
func (t *Type) UnmarshalText(b []byte) error {
	v, ok := ParseType(string(b))
	if !ok {
		return fmt.Errorf("unknown column type %q", b)
	}
	*t = v
	return nil
}

// Width gives the bytes of one value of a fixed-width type, 0 for UTF8 and Bin.
func (t Type) Width() int {
	switch t {
	case Bool, I8, U8, Enum8:
		return 1
	case I16, U16, Enum16:
		return 2
	case I32, U32, F32, Dec32:
		return 4
	case UTF8, Bin:
		return 0
	default:
		return 8
	}
}

// Schema describes a table. It is immutable once shared.
type Schema struct {
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	Columns     []Column   `json:"columns"`
	RowLength   *RowLength `json:"row_length,omitempty"`
	Layouts     []Layout   `json:"layouts,omitempty"`
}

// Column describes a column.
type Column struct {
	Name        string   `json:"name"`
	Type        Type     `json:"type"`
	Scale       int      `json:"scale,omitempty"` // digits after the point of Dec32 and Dec64
	Unit        string   `json:"unit,omitempty"`  // UCUM
	Naive       bool     `json:"naive,omitempty"` // timestamps without a zone
	Description string   `json:"description,omitempty"`
	Nullable    bool     `json:"nullable,omitempty"`
	Role        string   `json:"role,omitempty"`
	Labels      []string `json:"labels,omitempty"` // of enums, by index; "" = no label
	Sensitive   bool     `json:"sensitive,omitempty"`
}

// RowLength says how many bytes of the input a row covers: the value of Column (if any) plus Plus.
type RowLength struct {
	Column string `json:"column,omitempty"`
	Plus   int64  `json:"plus"`
}

// Layout names the fields in the bytes of rows whose columns have one of the given values.
type Layout struct {
	When   map[string][]int64 `json:"when"`
	Fields []LayoutField      `json:"fields"`
}

// LayoutField is a field of a Layout: Length bytes at At from the row's offset.
type LayoutField struct {
	Name   string `json:"name"`
	At     int64  `json:"at"`
	Length int64  `json:"length"`
	Type   string `json:"type"`
	Unit   string `json:"unit,omitempty"`
}

// Index gives the position of a column, -1 if there is none of that name.
func (s *Schema) Index(name string) int {
	for i := range s.Columns {
		if s.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// Issues is the schema of the table that every decode has: problems at byte offsets of the input.
func Issues() *Schema {
	return &Schema{
		Name:        "issues",
		Description: "problems found while decoding, in the order they were met",
		Columns: []Column{
			{Name: "seq", Type: I64, Description: "number of the issue, from 1"},
			{Name: "offset", Type: I64, Nullable: true, Unit: "By", Description: "byte offset in the input"},
			{Name: "severity", Type: Enum8, Labels: []string{"info", "warning", "error", "fatal"}},
			{Name: "code", Type: UTF8, Description: "stable code of the issue"},
			{Name: "message", Type: UTF8},
			{Name: "table", Type: UTF8, Nullable: true, Description: "table the issue concerns"},
			{Name: "row", Type: I64, Nullable: true, Description: "row (seq) of that table"},
		},
	}
}

// Format is a form that tables are written in.
type Format string

// Formats.
const (
	Parquet Format = "parquet"
	NDJSON  Format = "ndjson"
	CSV     Format = "csv"
	JSON    Format = "json"
	Arrow   Format = "arrow"
	XLSX    Format = "xlsx"
)

// Batch is some rows of a table, column by column. Data is laid out as in guest memory (package abi), so a worker
// can check and encode it without conversion. A Batch is valid until its producer makes the next one.
type Batch struct {
	Rows    int
	Columns []Vector
}

// Vector is the values of one column in a Batch.
type Vector struct {
	Data     []byte   // fixed width: Rows × Width bytes, little-endian; UTF8 and Bin: the concatenated bytes
	Offsets  []uint32 // UTF8 and Bin: Rows+1 offsets into Data
	Validity []byte   // nil = no nulls, else a bitmap, least significant bit first, 1 = valid
}

// Valid reports whether row i holds a value.
func (v *Vector) Valid(i int) bool {
	return v.Validity == nil || v.Validity[i>>3]&(1<<(i&7)) != 0
}
