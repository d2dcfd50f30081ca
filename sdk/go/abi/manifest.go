package abi

import "encoding/json"

// Type names of columns, as written in a manifest.
const (
	TypeBool   = "bool"
	TypeI8     = "i8"
	TypeI16    = "i16"
	TypeI32    = "i32"
	TypeI64    = "i64"
	TypeU8     = "u8"
	TypeU16    = "u16"
	TypeU32    = "u32"
	TypeU64    = "u64"
	TypeF32    = "f32"
	TypeF64    = "f64"
	TypeTSus   = "ts_us"
	TypeTSns   = "ts_ns"
	TypeDec32  = "dec32" // "scale" digits after the point
	TypeDec64  = "dec64"
	TypeUTF8   = "utf8"
	TypeBin    = "bin"
	TypeEnum8  = "enum8" // index into "labels"
	TypeEnum16 = "enum16"
)

// Width gives the bytes of one value of a fixed-width type, 0 for utf8 and bin, -1 for an unknown type.
func Width(typ string) int {
	switch typ {
	case TypeBool, TypeI8, TypeU8, TypeEnum8:
		return 1
	case TypeI16, TypeU16, TypeEnum16:
		return 2
	case TypeI32, TypeU32, TypeF32, TypeDec32:
		return 4
	case TypeI64, TypeU64, TypeF64, TypeDec64, TypeTSus, TypeTSns:
		return 8
	case TypeUTF8, TypeBin:
		return 0
	}
	return -1
}

// Capabilities a manifest may ask for.
const (
	CapSeek  = "seek"
	CapChild = "child"
)

// Manifest describes a plugin. It is stored as JSON in the custom section wayside.manifest or given by
// wayside_manifest.
//
// The parameters reveal and timezone mean the same in every plugin, and the host acts on them: sensitive values are kept,
// naive times become instants. A schema of parameters need not name them, except for timezone where all tables with
// naive times are found at run time only.
type Manifest struct {
	ID           string            `json:"id"`      // ^[a-z][a-z0-9-]{1,62}$
	Name         string            `json:"name"`    // for people
	Version      string            `json:"version"` // semver
	ABI          int               `json:"abi"`     // 1
	Description  string            `json:"description,omitempty"`
	Licence      string            `json:"licence,omitempty"`
	Formats      []Format          `json:"formats"`
	Tables       []Table           `json:"tables"`
	Params       json.RawMessage   `json:"params,omitempty"` // JSON Schema of an object
	Capabilities []string          `json:"capabilities,omitempty"`
	MemoryMiB    int               `json:"memory_mib,omitempty"`
	Tests        map[string]string `json:"tests,omitempty"` // SHA-256, hex, of the golden document by name of its Vector
}

// Vector is a golden test that a module carries: the host decodes its input when it installs the module, and compares
// what comes of it with the hash in Manifest.Tests. A section wayside.vector holds the length of this head as an
// unsigned LEB128, the head as JSON, and the input.
type Vector struct {
	Name   string          `json:"name"`             // ^[a-z0-9][a-z0-9._-]{0,62}$; the file's name for the decoder too
	Params json.RawMessage `json:"params,omitempty"` // an object, as a caller gives it
	Parts  []VectorPart    `json:"parts,omitempty"`  // the files that the input holds back to back; none = one
}

// VectorPart is one part of a Vector's input.
type VectorPart struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// Format is one kind of file that a plugin decodes.
type Format struct {
	ID         string    `json:"id"`
	Name       string    `json:"name,omitempty"`
	Extensions []string  `json:"extensions,omitempty"` // with the dot, lower case
	MediaTypes []string  `json:"media_types,omitempty"`
	Sniff      []Sniff   `json:"sniff"`              // any of these rules is enough
	Sequence   *Sequence `json:"sequence,omitempty"` // nil = each file stands for itself
}

// Sequence says that files of a format can follow each other as one recording, because their recorder begins a new
// file now and then: the decoder goes through all parts of its input. The files are ordered by the Length bytes at At,
// compared as a big-endian number; such a place is most often the time of the first record. It lies within the first
// SniffHead bytes.
type Sequence struct {
	At     int64 `json:"at"`
	Length int   `json:"length"` // 1 to MaxSequenceKey
}

// Sniff is one rule that recognises a format from its first bytes, run natively by the host. Exactly one of
// Bytes, Regex and Walk is set.
//
// Regex looks at the first line of the file. With Comment it looks at the first line that holds anything instead:
// lines of nothing but blanks, commas and semicolons are passed over, and so are those that begin, after any of these,
// with the comment prefix. A byte-order mark and blanks around the line are left out, and lines may end with LF, CRLF
// or CR. There is no match when the first 64 KiB have no such line.
type Sniff struct {
	Offset  int64  `json:"offset,omitempty"`
	Bytes   string `json:"bytes,omitempty"`   // hex
	Mask    string `json:"mask,omitempty"`    // hex, as long as Bytes: only these bits are compared
	Regex   string `json:"regex,omitempty"`   // RE2, on the first 4 KiB of the line; at most 256 bytes
	Comment string `json:"comment,omitempty"` // with Regex: 1 to 8 printable ASCII characters, no blank
	Walk    *Walk  `json:"walk,omitempty"`
}

// Walk recognises a file without a header that is a sequence of records: a walk over Records records (or to the end
// of a file that holds fewer, at least Least), each with a known type, a fitting length and fields in their ranges.
type Walk struct {
	Records  int            `json:"records"`          // records to walk
	Least    int            `json:"least"`            // enough when the file ends exactly there
	Header   int            `json:"header"`           // bytes before a record's body
	TypeAt   int            `json:"type_at"`          // offset of the type, a byte
	LengthAt int            `json:"length_at"`        // offset of the body's length, a byte
	Lengths  map[string]int `json:"lengths"`          // known types (decimal) → body length, -1 = any
	Ranges   []Range        `json:"ranges,omitempty"` // bytes of the header
}

// Range bounds one byte of a record's header.
type Range struct {
	At  int   `json:"at"`
	Min uint8 `json:"min"`
	Max uint8 `json:"max"`
}

// Table is a table's schema.
type Table struct {
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	Columns     []Column   `json:"columns"`
	RowLength   *RowLength `json:"row_length,omitempty"`
	Layouts     []Layout   `json:"layouts,omitempty"`
}

// Column is one column of a table.
type Column struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"`
	Scale       int      `json:"scale,omitempty"` // dec32 (0–9), dec64 (0–18)
	Unit        string   `json:"unit,omitempty"`  // UCUM
	Zone        string   `json:"zone,omitempty"`  // timestamps: utc (default) or naive
	Description string   `json:"description,omitempty"`
	Nullable    bool     `json:"nullable,omitempty"`
	Role        string   `json:"role,omitempty"`   // time, position, speed, latitude, longitude, value
	Labels      []string `json:"labels,omitempty"` // enums: label by index; "" = no label
	Sensitive   bool     `json:"sensitive,omitempty"`
}

// RowLength says how many bytes of the input a row covers from its "offset": the value of Column plus Plus.
type RowLength struct {
	Column string `json:"column,omitempty"`
	Plus   int64  `json:"plus"`
}

// Layout names the fields in a row's bytes, for rows whose columns have one of the given values.
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
