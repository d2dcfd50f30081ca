// Package sdk is what a Wayside decoder is written with: a decoder is one function over a reader and typed table
// writers.
//
//	type readings struct {
//		*sdk.Table
//		time  *sdk.TimeMicros
//		value *sdk.Float64
//	}
//
//	func declare(s *sdk.Schema) *readings {
//		t := s.Table("readings", "one row a reading")
//		return &readings{
//			Table: t,
//			time:  t.TimeMicros("time", sdk.Attr{Role: sdk.RoleTime}),
//			value: t.Float64("value", sdk.Attr{Unit: "Cel"}),
//		}
//	}
//
//	func decode(in *sdk.Input, out *readings) error {
//		for {
//			rec, err := in.Next(16)
//			if err == io.EOF {
//				return nil
//			}
//			if err != nil {
//				return err
//			}
//			out.time.Set(int64(binary.LittleEndian.Uint64(rec)))
//			out.value.Set(math.Float64frombits(binary.LittleEndian.Uint64(rec[8:])))
//			out.EndRow()
//		}
//	}
//
//	func Plugin() *sdk.Plugin { return sdk.New(sdk.Info{ID: "readings", …}, declare, decode) }
//
// A recorder that begins a new file every hour makes one recording of many files. Where the format says so
// (abi.Sequence), the host gives them to one run, in order, and the decoder goes on with Input.NextPart where a file
// ends:
//
//	if err == io.EOF {
//		if _, more := in.NextPart(); more {
//			continue
//		}
//		return nil
//	}
//
// A decoder that finds whole files inside its input (capability child) hands them on with Input.Child; the host makes each
// a file with a decode of its own.
//
// A decoder whose columns only the header of its input tells begins a table with Input.Table while it decodes.
//
// The declarations are also the manifest, so that code and manifest cannot drift. A plugin's main package exports
// three functions for WebAssembly (see plugins/rail) and is built by
// GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared; the same decoder runs natively with Plugin.Run, which is how
// it is tested.
//
// The package is apart because it is compiled into guests: it imports the standard library and sdk/go/abi only. It
// starts no goroutine; everything belongs to the goroutine that calls Run. It assumes a little-endian processor.
package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Severities of an issue, see abi.Severity.
const (
	SeverityInfo    = abi.Info
	SeverityWarning = abi.Warning
	SeverityError   = abi.Error
	SeverityFatal   = abi.Fatal
)

// Codes of a failed decode that the SDK gives by itself.
const (
	CodeTruncated     = "truncated"
	CodeCorruptRecord = "corrupt_record"
	CodeTrap          = "trap"
	CodeOutputLimit   = "output_limit"
)

// ErrStopped is what reading gives once the host wants no more rows. A decoder returns it, as any other error; Run
// takes it as success.
var ErrStopped = errors.New("the host wants no more rows")

// errTooLarge reports a row beyond what the host takes in one batch.
var errTooLarge = &Error{Code: CodeOutputLimit, Text: "a row is larger than a batch may be"}

// Error is the reason of a failed decode, with its stable code.
type Error struct {
	Code string
	Text string
}

// Error gives the text after the code.
func (e *Error) Error() string { return e.Code + ": " + e.Text }

// Fail makes the error that ends a decode with a code of the host's list.
func Fail(code, format string, args ...any) error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// Info is the part of a manifest that is not the tables.
type Info struct {
	ID           string
	Name         string
	Version      string
	Description  string
	Licence      string
	Formats      []abi.Format
	Params       json.RawMessage // JSON Schema of the parameters
	Capabilities []string
	MemoryMiB    int
}

// Plugin is a decoder with its manifest.
type Plugin struct {
	info  Info
	open  func(*Schema) func(*Input) error
	sniff func(head []byte) int
}

// New makes a plugin of a declaration of tables and the function that fills them. declare runs once a decode and
// once for the manifest, and must declare the same each time.
func New[T any](info Info, declare func(*Schema) T, decode func(*Input, T) error) *Plugin {
	return &Plugin{
		info: info,
		open: func(s *Schema) func(*Input) error {
			out := declare(s)
			return func(in *Input) error { return decode(in, out) }
		},
	}
}

// WithSniff adds a function that looks at the first bytes of a file (at most abi.SniffHead) and says how sure it is
// that the file is its own, 0 to 100.
func (p *Plugin) WithSniff(sniff func(head []byte) int) *Plugin {
	p.sniff = sniff
	return p
}

// Manifest gives the plugin's manifest, with the tables as they are declared.
func (p *Plugin) Manifest() *abi.Manifest {
	s := &Schema{}
	p.open(s)
	m := &abi.Manifest{
		ID: p.info.ID, Name: p.info.Name, Version: p.info.Version, ABI: abi.Version,
		Description: p.info.Description, Licence: p.info.Licence,
		Formats: p.info.Formats, Tables: make([]abi.Table, 0, len(s.tables)),
		Params: p.info.Params, Capabilities: p.info.Capabilities, MemoryMiB: p.info.MemoryMiB,
	}
	for _, t := range s.tables {
		d := t.desc
		if t.layouts != nil {
			d.Layouts = t.layouts()
		}
		m.Tables = append(m.Tables, d)
	}
	return m
}

// Run decodes one input and gives the result of wayside_decode. Rows written before an error or a panic are kept.
func (p *Plugin) Run(h Host) int32 {
	ses := &session{host: h}
	s := &Schema{ses: ses}
	ses.schema = s
	err := ses.guard(func() error {
		decode := p.open(s)
		s.begin()
		return decode(newInput(ses))
	})
	if ferr := ses.guard(func() error { return s.flush(err != nil) }); err == nil {
		err = ferr
	}
	if ses.err != nil && (err == nil || errors.Is(err, ErrStopped)) {
		err = ses.err
	}
	if err == nil || errors.Is(err, ErrStopped) {
		return abi.DecodeOK
	}
	e := failure(err)
	h.Sink.Fail(e.Code, e.Text)
	return abi.DecodeError
}

// Sniff gives the plugin's confidence in an input, 0 when it has no sniff function.
func (p *Plugin) Sniff(h Host) int32 {
	if p.sniff == nil {
		return 0
	}
	ses := &session{host: h}
	sure := 0
	err := ses.guard(func() error {
		in := newInput(ses)
		head, rerr := in.Peek(abi.SniffHead)
		sure = p.sniff(head)
		if rerr != nil && !errors.Is(rerr, io.EOF) && !errors.Is(rerr, io.ErrUnexpectedEOF) {
			return rerr
		}
		return nil
	})
	if err != nil {
		return 0
	}
	return int32(min(max(sure, 0), 100))
}

// session is one run of a plugin: what its input and its tables share.
type session struct {
	host    Host
	schema  *Schema
	stopped bool  // the host wants no more rows
	files   int   // found inside the input and being written
	err     error // the first error outside the decoder's sight
}

// guard runs a step and makes an error of its panic.
func (s *session) guard(step func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &Error{Code: CodeTrap, Text: fmt.Sprint(r)}
		}
	}()
	return step()
}

// failure gives an error the code under which the decode fails.
func failure(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{Code: CodeTruncated, Text: err.Error()}
	}
	return &Error{Code: CodeCorruptRecord, Text: err.Error()}
}
