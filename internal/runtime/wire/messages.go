package wire

import (
	"encoding/json"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/table"
)

// Role is what a worker is for.
type Role string

// Roles.
const (
	RoleCompile Role = "compile"
	RoleDecode  Role = "decode"
	RoleUnpack  Role = "unpack" // see Unpack
)

// IssuesTable is the index of the table issues in Open and Opened.
const IssuesTable = -1

// Setup is the first message to a worker, with the module as its file: the original for a compile worker, the
// pre-initialised one for a decode worker.
type Setup struct {
	Role        Role   `json:"role"`
	Dir         string `json:"dir"`         // of compiled code
	SHA256      string `json:"sha256"`      // of the original module
	Initialised bool   `json:"initialised"` // the module needs no _initialize any more
	MemoryMiB   int    `json:"memory_mib"`  // limit of the guest's memory
	DataMiB     int    `json:"data_mib"`    // limit of the whole process's data
	CPUSeconds  int    `json:"cpu_seconds"` // limit of the whole process's processor time, 0 = none
	HeapMiB     int    `json:"heap_mib"`    // soft limit of the process's own Go heap, 0 = none
	Sandbox     bool   `json:"sandbox"`     // Landlock and seccomp

	// Decode role.
	Interpreter  bool            `json:"interpreter,omitempty"` // not the compiler: for tests of decoders
	Tables       []*table.Schema `json:"tables,omitempty"`
	Capabilities []string        `json:"capabilities,omitempty"`

	// Compile role.
	Module       ModuleLimits `json:"module"`
	NeedManifest bool         `json:"need_manifest,omitempty"` // the module has no section wayside.manifest
	PlainInit    bool         `json:"plain_init,omitempty"`    // do not pre-initialise
	Golden       bool         `json:"golden,omitempty"`        // decode the golden vectors: ask for them with Vectors
}

// Confinement is how far a worker has shut itself in.
type Confinement struct {
	NoNewPrivs  bool     `json:"no_new_privs"`
	NotDumpable bool     `json:"not_dumpable"`
	LandlockABI int      `json:"landlock_abi"` // 0 = none
	Seccomp     bool     `json:"seccomp"`
	Missing     []string `json:"missing,omitempty"` // what could not be had, and why
}

// Ready says that a decode worker has loaded its module, or why it could not.
type Ready struct {
	Confinement Confinement `json:"confinement"`
	Error       string      `json:"error,omitempty"`
}

// Decode asks for one decode; its file is the input.
type Decode struct {
	Size      int64               `json:"size"`
	SHA256    string              `json:"sha256"`
	Name      string              `json:"name"`
	Parts     []Part              `json:"parts,omitempty"` // none = one, of this size and name
	Params    json.RawMessage     `json:"params,omitempty"`
	Form      table.Format        `json:"form"`
	Options   table.EncodeOptions `json:"options"`
	Reveal    bool                `json:"reveal,omitempty"`   // sensitive columns as they are
	Timezone  string              `json:"timezone,omitempty"` // naive times become instants of it
	Tables    []string            `json:"tables"`             // nil = all
	Output    int64               `json:"output"`             // limit of raw column bytes
	Issues    int64               `json:"issues"`             // limit of rows in issues
	LogBytes  int64               `json:"log_bytes"`
	StopAfter uint64              `json:"stop_after,omitempty"` // the instance ends after so many steps (Page.Steps), 0 = never
	Children  ChildRule           `json:"children,omitzero"`
	Notes     []Note              `json:"notes,omitempty"` // what the host itself has to say about the input
	Cut       *Verdict            `json:"cut,omitempty"`   // the input is not whole: the verdict where the guest gives none
	Reads     Reads               `json:"reads,omitzero"`
}

// Reads makes reads of the input give less than the guest asks for, as the contract lets them: for tests of decoders.
// The zero value gives all there is.
type Reads struct {
	Most int    `json:"most,omitempty"` // bytes that a read gives at most, 0 = no limit
	Seed uint64 `json:"seed,omitempty"` // not 0: each read gives 1 to Most bytes, by random numbers of this seed
}

// Part is one of the files that the input holds. Offsets count as if they lay back to back.
type Part struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	At   int64  `json:"at"` // of its bytes in the input
}

// Declare tells of a table that the guest declared.
type Declare struct {
	Index  int           `json:"index"`
	Schema *table.Schema `json:"schema"`
}

// Open asks for the files of tables, at most MaxFiles.
type Open struct {
	Indexes []int `json:"indexes"`
}

// Opened gives the files of tables, in the order in which they were asked for, or says that there are none.
type Opened struct {
	Indexes []int        `json:"indexes"`
	Failed  int          `json:"failed,omitempty"` // the table whose file could not be made, with Code
	Code    errcode.Code `json:"code,omitempty"`   // why there are none
}

// LogLine is counted towards the limit of log for each line, beside the bytes of its text.
const LogLine = 32

// Log is a line from the guest.
type Log struct {
	Level int    `json:"level"` // as in log/slog
	Text  string `json:"text"`
}

// Verdict is why a decode did not end well.
type Verdict struct {
	Code    errcode.Code `json:"code"`
	Message string       `json:"message"`
	Offset  *int64       `json:"offset,omitempty"`
}

// Counts is what a table holds.
type Counts struct {
	Index int   `json:"index"`
	Rows  int64 `json:"rows"`
	Bytes int64 `json:"bytes"` // of the encoded file
}

// Done is the end of a decode. Failed is set when there is no verdict on the file: the output could not be written
// or the input could not be read.
type Done struct {
	Tables   []Counts `json:"tables"` // those with rows
	Read     int64    `json:"read"`
	Infos    int64    `json:"infos"`
	Warnings int64    `json:"warnings"`
	Errors   int64    `json:"errors"`
	Stopped  bool     `json:"stopped"` // the batches of StopAfter are there; the instance was ended after them
	Recycle  bool     `json:"recycle"` // the worker is not to be used again
	Verdict  *Verdict `json:"verdict,omitempty"`
	Failed   *Verdict `json:"failed,omitempty"`
}

// Sniff asks for wayside_sniff; its file is the input.
type Sniff struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Sniffed is its answer, 0–100.
type Sniffed struct {
	Score   int  `json:"score"`
	Recycle bool `json:"recycle,omitempty"` // as in Done
}

// Vectors asks, before a module is compiled, for the decodes of its golden vectors.
type Vectors struct {
	Manifest json.RawMessage `json:"manifest,omitempty"` // that the module gave itself
}

// Golden are the decodes of a module's golden vectors, in the order in which they stand in it.
type Golden struct {
	Tables       []*table.Schema `json:"tables,omitempty"`
	Capabilities []string        `json:"capabilities,omitempty"`
	Jobs         []Decode        `json:"jobs,omitempty"`
	Tests        []string        `json:"tests,omitempty"` // beside Jobs: hashes of the golden documents, hex
}

// Step is a part of the work of a compile worker.
type Step string

// Steps of a compile worker, in the order in which they come.
const (
	StepRules      Step = "rules"      // the static limits
	StepInitialise Step = "initialise" // the module's own initialisation
	StepManifest   Step = "manifest"   // asking the module for it, where its file has none
	StepVectors    Step = "vectors"    // whether the golden vectors fit the manifest
	StepCompile    Step = "compile"
	StepGolden     Step = "golden" // decoding the golden vectors
)

// Begun says that a compile worker has begun a step: all before it ended well.
type Begun struct {
	Step Step `json:"step"`
}

// Compiled is the end of a compile worker. What it made is in the module's folder: see Record.
type Compiled struct {
	Confinement Confinement `json:"confinement"`
	Rejected    string      `json:"rejected,omitempty"` // why the module is rejected
	Error       string      `json:"error,omitempty"`    // why there is no verdict on it
}
