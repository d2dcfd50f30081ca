package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// Exit codes, documented in docs/cli.md.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // 128 + SIGINT, as shells have it
)

// errInterrupted ends a command after SIGINT or SIGTERM.
var errInterrupted = errors.New("interrupted")

// errReported ends a command that has already said what is wrong.
var errReported = errors.New("reported")

// usageError is a command line that cannot be understood.
type usageError struct {
	command string // whose help has the answer
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

// exitCode is the only place that maps errors to exit codes.
func exitCode(err error) int {
	usage, isUsage := errors.AsType[*usageError](err)
	switch {
	case err == nil:
		return exitOK
	case isUsage && usage != nil, errcode.Is(err, errcode.ValidationFailed):
		return exitUsage
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	default:
		return exitFailed
	}
}

// errorText gives what standard error says of an error, "" where nothing is left to say. A configuration with several
// mistakes has a line each.
func errorText(err error) string {
	if err == nil || errors.Is(err, errReported) || errors.Is(err, syscall.EPIPE) {
		return ""
	}
	var b strings.Builder
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			fmt.Fprintf(&b, "wayside: %s\n", line)
		}
	}
	if usage, ok := errors.AsType[*usageError](err); ok {
		text := strings.TrimSuffix(b.String(), "\n")
		return fmt.Sprintf("%s (see %s --help)\n", text, usage.command)
	}
	return b.String()
}
