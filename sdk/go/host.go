package sdk

import (
	"io"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Host is where a decoder's bytes come from and its rows go: the imports of the ABI in a guest, anything natively.
type Host struct {
	Input io.Reader                       // the open part of the input, from its start
	At    RandomAccess                    // the same, anywhere; nil without capability seek
	Parts Parts                           // nil = the input is one part without a name
	Param func(key string) (string, bool) // nil = no parameters
	Files Files                           // takes files found inside the input; nil without capability child
	Sink  Sink
	// Declare takes the schema of a table found at run time, a JSON document of abi.Table, and gives the table's index;
	// nil = none are taken.
	Declare func(schema []byte) int
	Strict  bool // check after every row, not only after every batch, that each column got one value
}

// Parts are the files that an input came as. At the start part 0 is open.
type Parts interface {
	// Name gives the name of a part, without folders; false = there is no such part.
	Name(index int) (string, bool)
	// Open makes a part the one that Host.Input gives, from its start, and that Host.At reads; false = there is no
	// such part.
	Open(index int) bool
}

// RandomAccess reads anywhere in the open part.
type RandomAccess interface {
	io.ReaderAt
	Size() int64
}

// Sink takes what a decoder makes. Calls come from the goroutine of Run, in the order of the decoder's own calls.
type Sink interface {
	// Emit takes a batch; its slices are valid until it returns. false = no more rows are wanted.
	Emit(b *Batch) bool
	// Issue takes a problem at a byte offset.
	Issue(severity abi.Severity, offset int64, code, message string)
	// Fail takes the reason of a decode that ends with an error. It comes last, at most once.
	Fail(code, message string)
	// Log takes a line for the log.
	Log(severity abi.Severity, message string)
}

// Batch is a run of complete rows of one table, column by column, in the layout of package abi.
type Batch struct {
	Table   int // index in the manifest, or of Host.Declare
	Rows    int
	Columns []Data
}

// Data holds a batch's values of one column.
type Data struct {
	Values   []byte   // little-endian, or the concatenated texts
	Validity []byte   // nil = no nulls, else a bitmap, 1 = there
	Offsets  []uint32 // of texts: Rows+1 offsets into Values
}
