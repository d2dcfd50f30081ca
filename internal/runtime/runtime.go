// Package runtime owns the decoder plugins and the worker processes that run them, seen from the serving process:
// the registry of plugins, their installation, recognition of formats, and the pool of workers.
//
// The serving process never compiles or runs guest code. It starts `wayside worker` (the same binary) and hands it
// open descriptors over a unix socket; a guest that loops, traps or eats memory takes a worker with it, never the
// appliance. The child's side is package worker, which this package never imports; both speak package wire.
package runtime

import (
	"encoding/json"
	"os"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
)

// TopicPlugin is the topic of events about plugins; the key is the id, the data a Plugin. The runtime itself publishes
// nothing: its Recorder is told.
const TopicPlugin = "plugin"

// Source says where a plugin came from.
type Source string

// Sources, in rising precedence among equal versions.
const (
	BuiltIn Source = "builtin"
	System  Source = "system"
	Data    Source = "data"
)

// State is the state of a plugin.
type State string

// States of a plugin.
const (
	Compiling State = "compiling"
	Active    State = "active"
	Rejected  State = "rejected"
	Disabled  State = "disabled"
	// Standby is the state of a version that could serve its id while another does.
	Standby State = "standby"
	// Removed is the state in which Recorder.PluginChanged is told of a plugin that is gone.
	Removed State = "removed"
)

// Plugin describes an installed plugin. It is a snapshot: the registry makes a new one when something changes.
type Plugin struct {
	ID           string
	Name         string
	Version      string
	SHA256       string // of the module's bytes, hex
	Source       Source
	State        State
	Reason       string // why it is rejected, or does not serve
	File         string // name of the module's file
	Signature    Signature
	Checks       []Check           // what it went through, in that order
	Limits       Limits            // of its decodes; MemoryMiB is what it gets
	Params       map[string]string // defaults of parameters that the settings name
	Others       []Version         // other modules of the same id, the best first
	Description  string
	Licence      string
	Formats      []Format
	Tables       []*table.Schema // of the manifest; a decode may declare more
	ParamsSchema json.RawMessage // JSON Schema of an object, with what the host adds; nil = no parameters
	Capabilities []string
}

// Version is a module that does not serve the id it has: one that is to take over, was rejected, or is older.
type Version struct {
	Version   string // "" = not known
	SHA256    string
	Source    Source
	File      string
	State     State // Compiling, Rejected or Standby
	Reason    string
	Signature Signature
	Checks    []Check
	Tables    []*table.Schema // of the manifest, where that can be read
}

// Format is a kind of file a plugin decodes.
type Format struct {
	ID         string
	Name       string
	Extensions []string
	MediaTypes []string
	Sequence   *Sequence // files of the format can follow each other as one recording; nil = they cannot
}

// Detection is what a file was recognised as.
type Detection struct {
	Format     string  // format id
	Decoder    string  // plugin id
	Confidence float64 // 0–1
	ByName     bool    // nothing in the content was recognised, only the extension fits
	Candidates []Candidate
}

// Candidate is one possible answer of a Detection, the best first.
type Candidate struct {
	Format     string
	Decoder    string
	Confidence float64
}

// Request is one decode.
type Request struct {
	Plugin   string          // SHA256 of the module
	Input    *os.File        // the recording, readable at any offset; the caller closes it
	Size     int64           // its bytes
	SHA256   string          // hex, of its bytes: seeds the guest's random numbers and goes into the footer
	Name     string          // for logs and the guest's part name; may be empty
	Parts    []Part          // the files that Input holds back to back; nil = it is one file, of this Name
	Notes    []Note          // what the host has found in the input: they go into the table issues
	Cut      *Failure        // the input is not whole: why the decode is partial, where the decoder gives no reason
	Params   json.RawMessage // canonical JSON, as Registry.Params gave it
	Reveal   bool            // write sensitive values as they are; so does a parameter "reveal" that is true
	Form     table.Format    // of the output
	Options  table.EncodeOptions
	Tables   []string // only these are encoded; nil = all
	LogAttrs []any    // slog key-value pairs for lines of this decode: request id, decode id

	// Create gives the file for a table when its first batch comes; the pool closes it. It is called again, for the
	// same table, when a killed decode is run once more: the file is then to be empty again.
	Create func(s *table.Schema) (*os.File, error)
	// CreateChild gives the file for a sub-file that the decoder begins, counted from 0; the pool closes it. It is called
	// again, for the same number, when a killed decode is run once more: the file is then to be empty again. nil = the
	// decode may make none.
	CreateChild func(index int) (*os.File, error)
	// RefuseChildren is the code of the issue that says why none are taken, ChildDepth or ChildLimit; "" = they are.
	RefuseChildren string
	// Progress is called now and then while the decode runs, from one goroutine at a time; nil = nobody asks.
	Progress func(Progress)

	// ShortReads makes reads give less than the decoder asks for: for tests of decoders.
	ShortReads wire.Reads

	zone string // of naive times, from Params; "" = they stay naive
}

// Progress is how far a running decode has come.
type Progress struct {
	BytesRead int64
	Rows      int64
}

// Status is how a decode ended.
type Status string

// Statuses of a finished decode.
const (
	Done    Status = "done"
	Partial Status = "partial"
	Failed  Status = "failed"
)

// Result is a verdict on (file, decoder, parameters): it stands, whatever is tried again. A decode that could not get
// a verdict (no space, shutdown, unexplained death of the worker) is an error of Pool.Decode instead.
type Result struct {
	Status    Status
	Tables    []TableResult // every table of the manifest, those declared at run time, and issues; 0 rows = no file
	Children  []Child       // sub-files that are complete, in the order in which they were begun
	Rows      int64         // of all tables but issues
	BytesRead int64
	Issues    IssueCounts
	Failure   *Failure // nil when Done
	Duration  time.Duration
}

// TableResult is one table of a Result.
type TableResult struct {
	Schema *table.Schema // as it was written: without naive times where the parameters name a time zone
	Rows   int64
	Bytes  int64 // of the encoded file
}

// IssueCounts counts issues by severity; fatal ones count as errors.
type IssueCounts struct {
	Infos    int64 `json:"infos"`
	Warnings int64 `json:"warnings"`
	Errors   int64 `json:"errors"`
}

// Failure is why a decode failed or is partial.
type Failure struct {
	Code    errcode.Code `json:"code"`
	Message string       `json:"message"`
	Offset  *int64       `json:"offset"`
}

// Limits bound one decode. The zero value of a field is its default.
type Limits struct {
	MemoryMiB   int           // guest memory where the manifest asks for none, default 256
	MaxMemory   int           // MiB that a manifest may ask for, default 1024
	Stall       time.Duration // without a read or an emit, default 10 s
	Total       time.Duration // fixed part of the deadline, default 60 s; a file's deadline is max(Total, PerMB × MB)
	PerMB       time.Duration // default 1 s
	OutputRatio int64         // raw column bytes per input byte, default 200
	OutputBase  int64         // plus, default 64 MiB
	Issues      int64         // rows of the table issues, default 10,000
	LogBytes    int64         // of log a file, default 1 MiB
	Children    int           // sub-files, default 200
	ChildBytes  int64         // of all sub-files together, default 1 GiB; they count as output too
	Compile     time.Duration // processor time of compiling a module, default 30 s
	CompileMiB  int           // default 768
	Sniff       time.Duration // of wayside_sniff, default 100 ms

	UnpackRatio   int64 // unpacked bytes per packed byte, default 200
	UnpackBase    int64 // plus, default 64 MiB
	UnpackEntries int   // of an archive, at most MaxParts, which is the default

	Module ModuleLimits
}

// ModuleLimits bound a module before it is compiled. The zero value of a field is its default.
type ModuleLimits struct {
	Bytes     int // of the module, default 16 MiB
	Body      int // bytes of one function's body, default 512 KiB
	Functions int // default 65,536
	Locals    int // of one function, default 1,000
	Nesting   int // of blocks in one function, default 2,000
}

// static gives the limits that are checked without running anything.
func (l Limits) static() module.Limits {
	m := l.Module
	return module.Limits{Bytes: m.Bytes, Body: m.Body, Functions: m.Functions, Locals: m.Locals, Nesting: m.Nesting}.Defaults()
}

// wire gives them as a compile worker is told.
func (l Limits) wire() wire.ModuleLimits {
	m := l.static()
	return wire.ModuleLimits{Bytes: m.Bytes, Body: m.Body, Functions: m.Functions, Locals: m.Locals, Nesting: m.Nesting}
}

// withDefaults fills the zero fields.
func (l Limits) withDefaults() Limits {
	setInt := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	setInt64 := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	setTime := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	setInt(&l.MemoryMiB, 256)
	setInt(&l.MaxMemory, 1024)
	setInt(&l.CompileMiB, 768)
	setTime(&l.Stall, 10*time.Second)
	setTime(&l.Total, 60*time.Second)
	setTime(&l.PerMB, time.Second)
	setTime(&l.Compile, 30*time.Second)
	setTime(&l.Sniff, 100*time.Millisecond)
	setInt64(&l.OutputRatio, 200)
	setInt64(&l.OutputBase, 64<<20)
	setInt64(&l.Issues, 10_000)
	setInt64(&l.LogBytes, 1<<20)
	setInt(&l.Children, 200)
	setInt64(&l.ChildBytes, 1<<30)
	setInt64(&l.UnpackRatio, 200)
	setInt64(&l.UnpackBase, 64<<20)
	setInt(&l.UnpackEntries, MaxParts)
	return l
}

// deadline is how long the decode of a file of size bytes may take.
func (l Limits) deadline(size int64) time.Duration {
	return max(l.Total, time.Duration(size/1e6)*l.PerMB)
}

// memory is the limit of a guest whose manifest asks for want MiB, 0 = nothing.
func (l Limits) memory(want int) int {
	if want <= 0 {
		return l.MemoryMiB
	}
	return min(want, l.MaxMemory)
}
