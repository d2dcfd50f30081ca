// Package abi is the only definition of the Wayside decoder ABI, version 1: names of imports and exports, the
// layout of a batch in guest memory, the limits of the contract, and the manifest.
//
// The host (internal/runtime) and the Go SDK (sdk/go) both import it, so the two sides cannot drift. It imports
// the standard library only and nothing of Wayside.
//
// # Memory layout of a batch
//
// All numbers are little-endian. A descriptor is a sequence of u32: {nrows, ncols, 0, 0}, then for every column
// of the table, in its order, {data, validity, offsets, bytes}:
//
//   - data: address of the values. Fixed width: nrows × Type.Width bytes (bool is one byte, 0 or 1; decimals are the
//     unscaled integer; ts_us and ts_ns are microseconds or nanoseconds since 1970-01-01T00:00:00; enum8 and enum16
//     are the label's index). utf8 and bin: the concatenated bytes.
//   - validity: 0 = no nulls, else the address of a bitmap of ceil(nrows/8) bytes, least significant bit first,
//     1 = the value is there. Only nullable columns may have one. The data of a null is ignored, but takes its place.
//   - offsets: 0 for fixed width, else the address of nrows+1 u32 offsets into data, the first 0, never
//     decreasing, the last = bytes.
//   - bytes: length of data in bytes.
//
// # Parts
//
// A recording may have come as several files, its parts; one that came as a single file has one part. At the start
// part 0 is open, at its first byte.
//
//   - part(index, name_ptr, cap) i32 gives the length of a part's name and copies as much of it as there is room
//     for; Refused = there is no such part.
//   - open_part(index) i32 makes a part the one that read goes on with, from its first byte, and that read_at and
//     size concern; DecodeOK, or Refused = there is no such part. Parts may be opened in any order and again.
//
// At a part's end read gives ReadEOF. The offsets that a guest gives for issues, and writes into its rows, count the
// bytes of all parts in their order, back to back: a part's own offset plus the sizes of the parts before it.
//
// # Children
//
// A decoder that finds whole files inside its input gives them to the host, which makes each a file with a decode of its
// own. That takes the capability child.
//
//   - child(name_ptr, name_len) i32 begins a sub-file and gives its handle, counted from 0. The name has 1 to
//     MaxChildName bytes; folders before the last / or \ and what cannot be shown are left out of it, what is no UTF-8
//     is replaced. Refused = the capability was not granted, or the host takes no more: too many, or too deep inside
//     each other. The host notes in the table issues what was left out; a decoder goes on without.
//   - child_write(handle, ptr, len) i32 appends bytes and gives how many, len but for more than 1 GiB at a time;
//     Refused = the sub-files have become larger than the host takes: this one is dropped, which the host notes.
//   - child_close(handle) completes a sub-file. Only completed ones are kept, also where the decode fails later; what is
//     open when wayside_decode returns DecodeOK, without a fatal issue, is completed by the host, otherwise dropped.
//
// At most MaxOpenChildren are open at a time, a refused one not counted. Sub-files of the same name and the same bytes
// are one. These end the instance with abi_violation: one more open sub-file, a name that is too long or empty, a handle
// that child did not give or that is closed. The bytes of sub-files count towards the limit of output.
package abi

// Version is the ABI version in a manifest's "abi" field.
const Version = 1

// Module is the name of the import module of ABI v1.
const Module = "wayside_v1"

// WASIModule is the only other import module a guest may use; the host offers a closed stub of it.
const WASIModule = "wasi_snapshot_preview1"

// Names of guest exports.
const (
	ExportMemory     = "memory"
	ExportInitialize = "_initialize"
	ExportManifest   = "wayside_manifest"
	ExportDecode     = "wayside_decode"
	ExportSniff      = "wayside_sniff"
)

// Names of host imports in Module.
const (
	ImportRead       = "read"
	ImportReadAt     = "read_at"
	ImportSize       = "size"
	ImportPart       = "part"
	ImportOpenPart   = "open_part"
	ImportManifest   = "manifest"
	ImportTable      = "table"
	ImportEmit       = "emit"
	ImportIssue      = "issue"
	ImportFail       = "fail"
	ImportLog        = "log"
	ImportParam      = "param"
	ImportChild      = "child"
	ImportChildWrite = "child_write"
	ImportChildClose = "child_close"
)

// Names of custom sections.
const (
	SectionManifest  = "wayside.manifest"
	SectionVector    = "wayside.vector" // one golden vector, any number of them; see Vector
	SectionSignature = "wayside.signature"
)

// Results of host calls. A negative result is an expected refusal, never a broken contract: that ends the instance.
const (
	Refused     int32 = -1 // capability not granted, no such part or parameter, unknown table name
	EmitMore    int32 = 0  // emit: go on
	EmitStop    int32 = 1  // emit: the reader has gone, return soon
	ReadEOF     int32 = 0  // read: the end of the input
	DecodeOK    int32 = 0  // wayside_decode: success
	DecodeError int32 = 1  // wayside_decode: failed, the reason was given to fail
)

// Severity of an issue.
type Severity uint8

// Severities, in rising order.
const (
	Info    Severity = 0 // worth knowing
	Warning Severity = 1 // the row is kept, doubtful
	Error   Severity = 2 // a record is lost, decoding goes on
	Fatal   Severity = 3 // decoding cannot go on past this offset
)

// String gives the name used in tables and the API.
func (s Severity) String() string {
	switch s {
	case Info:
		return "info"
	case Warning:
		return "warning"
	case Error:
		return "error"
	case Fatal:
		return "fatal"
	}
	return "unknown"
}

// Limits of the contract.
const (
	MaxManifestBytes = 1 << 20  // of a manifest
	MaxManifestDepth = 32       // nesting of a manifest's JSON
	MaxBatchRows     = 65536    // rows in one batch
	MaxBatchBytes    = 16 << 20 // raw column bytes in one batch
	BatchRows        = 8192     // what a guest should fill by default
	BatchBytes       = 1 << 20  // or this many bytes, whichever comes first
	MaxTables        = 256      // tables of one decode
	MaxColumns       = 4096     // columns of a table
	MaxNameBytes     = 63       // of a table's or column's name
	SniffHead        = 64 << 10 // bytes that wayside_sniff may read
	SniffTail        = 4 << 10  // bytes at the end, with seek
	HeaderWords      = 4        // u32 words before the first column of a descriptor
	ColumnWords      = 4        // u32 words a column
	ReservedTable    = "issues" // the host's own table
	MaxParts         = 10_000   // of one decode
	MaxPartName      = 255      // bytes of a part's name
	MaxSequenceKey   = 64       // bytes of Sequence.Length
	MaxVectors       = 64       // golden vectors of a module
	MaxVectorBytes   = 1 << 20  // of a golden vector's input
	MaxOpenChildren  = 8        // sub-files being written at a time
	MaxChildName     = 255      // bytes of a sub-file's name
	MaxVectorHeads   = 1 << 20  // bytes of the heads of all golden vectors together
	MaxGoldenBytes   = 16 << 20 // of a golden vector's document
)
