package observe

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/DeRuina/timberjack"
)

// logMode lets the group read logs.
const logMode = 0o640

// logFile is a file that lines are appended to. When it is large it is set aside under its name with the time, compressed, and
// the oldest of those are removed. Where that cannot be done it grows on: a line is worth more than a bound. It is not safe for
// concurrent use.
type logFile struct {
	path     string
	maxSize  int64 // bytes; 0 = it is never set aside
	keep     int
	complain io.Writer // is told once when lines are lost or the file cannot be set aside, and when all is well again

	to    io.WriteCloser
	state fileState // that was told
}

// fileState is how a log file does.
type fileState int

const (
	fileWell  fileState = iota
	fileGrows           // it cannot be set aside
	fileLost            // it cannot be written
)

// reopen goes on with the file that is at the path now: another program may have moved the one that was.
func (f *logFile) reopen() error {
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, logMode)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	_ = f.close() // there is nothing in it that was not written
	if f.maxSize == 0 {
		f.to = file
		return nil
	}
	const mib = 1 << 20
	f.to = &timberjack.Logger{Filename: f.path, MaxSize: int(f.maxSize / mib), MaxBackups: f.keep, Compression: "gzip", FileMode: logMode}
	if err := file.Close(); err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	return nil
}

// Write appends lines.
func (f *logFile) Write(b []byte) (int, error) {
	n, err := f.to.Write(b)
	if err == nil {
		f.tell(fileWell, nil)
		return n, nil
	}
	if n == 0 && f.maxSize > 0 {
		if n, direct := f.append(b); direct == nil {
			f.tell(fileGrows, err)
			return n, nil
		}
	}
	f.tell(fileLost, err)
	return n, err //nolint:wrapcheck // output does
}

// append writes past the library, which has no file after it failed to set one aside.
func (f *logFile) append(b []byte) (n int, err error) {
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, logMode)
	if err != nil {
		return 0, fmt.Errorf("open log: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return file.Write(b) //nolint:wrapcheck // only whether it worked counts
}

// tell says what has changed, once: nobody wants a line a line.
func (f *logFile) tell(state fileState, why error) {
	if state == f.state {
		return
	}
	f.state = state
	text := "is well again"
	switch state {
	case fileWell:
	case fileGrows:
		text = fmt.Sprintf("cannot be set aside and grows on: %v", why)
	case fileLost:
		text = fmt.Sprintf("cannot be written, lines are lost: %v", why)
	}
	_, _ = fmt.Fprintf(f.complain, "the log %s %s\n", f.path, text) // there is nobody else to tell
}

func (f *logFile) close() error {
	if f.to == nil {
		return nil
	}
	to := f.to
	f.to = nil
	if err := to.Close(); err != nil {
		return fmt.Errorf("close log: %w", err)
	}
	return nil
}
