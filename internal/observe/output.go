package observe

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// output writes whole lines to a stream or a file.
type output struct {
	terminal bool
	journal  bool

	mu     sync.Mutex // guards what follows, also while a line is written: lines must not mix
	w      io.Writer  // nil = closed
	file   *logFile   // nil = a stream
	torn   bool       // the last line was not written whole
	prefix []byte
}

// Write writes one line, and drops it where that fails: a full disk must not stop the appliance, and what is there
// must stay readable, so that a line that was cut off is ended before the next.
func (o *output) Write(line []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.w == nil {
		return 0, errClosed
	}
	out := line
	if o.torn || o.journal {
		o.prefix = o.prefix[:0]
		if o.torn {
			o.prefix = append(o.prefix, '\n')
		}
		if o.journal {
			o.prefix = append(o.prefix, priority(line)...)
		}
		o.prefix = append(o.prefix, line...)
		out = o.prefix
	}
	n, err := o.w.Write(out)
	if n > 0 {
		o.torn = n < len(out)
	}
	if err != nil {
		return 0, fmt.Errorf("write log: %w", err)
	}
	return len(line), nil
}

// priority gives the journal's priority of a line, found by its level field, which comes second.
func priority(line []byte) string {
	head := line[:min(len(line), 80)]
	switch {
	case bytes.Contains(head, []byte(`"level":"error"`)):
		return "<3>"
	case bytes.Contains(head, []byte(`"level":"warning"`)):
		return "<4>"
	case bytes.Contains(head, []byte(`"level":"debug"`)):
		return "<7>"
	}
	return "<6>"
}

func (o *output) reopen() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil || o.w == nil {
		return nil
	}
	o.torn = false
	return o.file.reopen()
}

func (o *output) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil || o.w == nil {
		return nil
	}
	o.w = nil
	return o.file.close()
}
