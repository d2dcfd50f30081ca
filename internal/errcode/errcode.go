// Package errcode owns the stable error codes of Wayside and the one error type that carries them.
//
// A failure that a caller can see has three parts: a code for programs, a sentence for people, and a private
// cause for the log. The code is one of the constants below and never changes; the sentence may; the cause is
// reachable through errors.Is and errors.As but is not part of the sentence. The package is apart because every
// layer raises such errors and only the outermost ones (HTTP, command line) turn them into a status or an exit
// code. It imports nothing of Wayside.
package errcode

import (
	"errors"
	"fmt"
	"time"
)

// Code is a stable, machine-readable error code.
type Code string

// Codes of the HTTP API. Each maps to one status in package httpapi.
const (
	ValidationFailed     Code = "validation_failed"
	Malformed            Code = "malformed"
	Unauthorized         Code = "unauthorized"
	Forbidden            Code = "forbidden"
	NotFound             Code = "not_found"
	MethodNotAllowed     Code = "method_not_allowed"
	Conflict             Code = "conflict"
	TooLarge             Code = "too_large"
	UnsupportedMediaType Code = "unsupported_media_type"
	UnknownFormat        Code = "unknown_format"
	DecodeFailed         Code = "decode_failed"
	RangeNotSatisfiable  Code = "range_not_satisfiable"
	PreconditionFailed   Code = "precondition_failed"
	LeaseLost            Code = "lease_lost"
	RateLimited          Code = "rate_limited"
	Internal             Code = "internal"
	Unavailable          Code = "unavailable"
	DiskFull             Code = "disk_full"
	DecoderDisabled      Code = "decoder_disabled"
	ShuttingDown         Code = "shutting_down"
)

// Codes of decodes, beside UnknownFormat and DiskFull above: why a decode failed or is partial.
const (
	Truncated      Code = "truncated"
	CorruptRecord  Code = "corrupt_record"
	ABIViolation   Code = "abi_violation"
	Trap           Code = "trap"
	Stalled        Code = "stalled"
	Deadline       Code = "deadline"
	MemoryLimit    Code = "memory_limit"
	OutputLimit    Code = "output_limit"
	TableLimit     Code = "table_limit"
	WorkerCrashed  Code = "worker_crashed"
	Unsupported    Code = "unsupported"
	Cancelled      Code = "cancelled"
	PluginRejected Code = "plugin_rejected"
)

// Codes of jobs that die in the queue's own hands.
const (
	Corrupt          Code = "corrupt"
	LeaseExpired     Code = "lease_expired"
	DependencyFailed Code = "dependency_failed"
	Timeout          Code = "timeout"
)

// Field is one wrong field of a request or a configuration.
type Field struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error is a failure with a code for programs and a sentence for people.
type Error struct {
	Code       Code
	Text       string        // one sentence, lower case, no internals
	Fields     []Field       // with ValidationFailed: what is wrong where
	Offset     *int64        // with decode errors: the byte offset it concerns
	RetryAfter time.Duration // with RateLimited, Unavailable, DiskFull, ShuttingDown: when to come back
	cause      error
}

// New returns an error with a code and a sentence.
func New(code Code, text string) *Error { return &Error{Code: code, Text: text} }

// Newf is New with a format. It does not wrap: use Wrap for a cause.
func Newf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// Wrap returns an error with a code and a sentence whose private cause is err. The cause is for logs and
// errors.Is; Error does not print it.
func Wrap(code Code, err error, text string) *Error {
	return &Error{Code: code, Text: text, cause: err}
}

// Invalid returns a ValidationFailed error about one field.
func Invalid(field, format string, args ...any) *Error {
	msg := fmt.Sprintf(format, args...)
	return &Error{Code: ValidationFailed, Text: field + ": " + msg, Fields: []Field{{Field: field, Message: msg}}}
}

func (e *Error) Error() string { return e.Text }

// After returns a copy of e that says when to come back.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// Unwrap gives the private cause, nil if there is none.
func (e *Error) Unwrap() error { return e.cause }

// At returns a copy of e that concerns the byte offset off.
func (e *Error) At(off int64) *Error {
	c := *e
	c.Offset = &off
	return &c
}

// Of gives the code of the first coded error in err's chain, Internal if there is none.
func Of(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// Is reports whether the first coded error in err's chain has the code.
func Is(err error, code Code) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}
