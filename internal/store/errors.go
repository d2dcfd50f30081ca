package store

import (
	"errors"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// Errors that callers tell apart.
var (
	// ErrNotFound reports a key that is not there.
	ErrNotFound = errcode.New(errcode.NotFound, "no such record")
	// ErrCorrupt reports a value whose checksum is wrong, or a part of the database that cannot be read.
	ErrCorrupt = errcode.New(errcode.Corrupt, "the stored record is damaged")
	// ErrClosed reports use of a database after Close.
	ErrClosed = errcode.New(errcode.ShuttingDown, "the database is closed")
	// ErrTooLarge reports a batch or a value that no transaction can hold.
	ErrTooLarge = errcode.New(errcode.TooLarge, "the change is too large for one transaction")
	// ErrBadID reports a text that FormatID cannot have made.
	ErrBadID = errcode.New(errcode.NotFound, "not a valid id")
)

const (
	retryFull   = 30 * time.Second // a person or the retention has to make room first
	retryBroken = time.Second      // the next attempt to reopen
)

// diskFull returns the refusal of work that would eat into the reserve.
func diskFull(cause error) error {
	e := errcode.Wrap(errcode.DiskFull, cause, "not enough free disk space")
	e.RetryAfter = retryFull
	return e
}

// failed turns an error of the engine into what the callers of Commit see.
func failed(cause error) error {
	if _, ok := errors.AsType[*errcode.Error](cause); ok {
		return cause
	}
	if disk.IsNoSpace(cause) {
		return diskFull(cause)
	}
	e := errcode.Wrap(errcode.Unavailable, cause, "the change could not be stored")
	e.RetryAfter = retryBroken
	return e
}
