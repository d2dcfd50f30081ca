package worker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
)

// encoder writes one table to its descriptor. It belongs to the encoder's goroutine until that has ended.
type encoder struct {
	t      *outTable
	file   *os.File
	local  *table.Localizer // nil where naive times stay so
	redact *table.Redactor  // nil where nothing is hidden
	enc    table.Encoder
	buf    *bufio.Writer // Parquet is written in many small pieces
	bytes  int64
}

// fileBuffer is the size of buf: a small recording's tables are one write each.
const fileBuffer = 32 << 10

// Write counts what the form writes.
func (e *encoder) Write(p []byte) (int, error) {
	n, err := e.buf.Write(p)
	e.bytes += int64(n)
	return n, err //nolint:wrapcheck // an io.Writer
}

// encode is the encoder's goroutine: it writes what comes through the queue and, when that is closed, completes all
// tables. After the first failure it only empties the queue.
func (o *output) encode() {
	defer close(o.done)
	var open []*encoder
	for b := range o.queue {
		if o.fault.Load() == nil {
			if b.t.enc == nil {
				if e, err := o.open(b.t); err != nil {
					o.fail(err)
				} else {
					b.t.enc = e
					open = append(open, e)
				}
			}
			if e := b.t.enc; e != nil {
				if err := e.write(&b.b); err != nil {
					o.fail(err)
				}
			}
		}
		o.recycle(b)
	}
	for _, e := range open {
		if err := e.close(o.fault.Load() == nil); err != nil {
			o.fail(err)
		}
		o.buffers.Put(e.buf)
	}
}

// buffer gives a writer onto f, one of an earlier decode if there is one.
func (o *output) buffer(f *os.File) *bufio.Writer {
	if b, ok := o.buffers.Get().(*bufio.Writer); ok {
		b.Reset(f)
		return b
	}
	return bufio.NewWriterSize(f, fileBuffer)
}

// open asks the serving process for a table's file.
func (o *output) open(t *outTable) (*encoder, error) {
	if err := o.sock.Send(wire.KindOpen, wire.Open{Index: t.index}); err != nil {
		return nil, fmt.Errorf("ask for a file: %w", err)
	}
	m, err := o.sock.Recv()
	if err != nil {
		return nil, fmt.Errorf("ask for a file: %w", err)
	}
	defer m.Close()
	var got wire.Opened
	if err := m.Decode(&got); err != nil {
		return nil, fmt.Errorf("ask for a file: %w", err)
	}
	if got.Code != "" {
		return nil, errcode.New(got.Code, "the file of table "+t.schema.Name+" could not be made")
	}
	f := m.TakeFile()
	if m.Kind != wire.KindOpened || got.Index != t.index || f == nil {
		return nil, fmt.Errorf("ask for a file: %w", wire.ErrProtocol)
	}
	e := &encoder{t: t, file: f, buf: o.buffer(f)}
	schema := t.schema
	if o.zone != nil {
		e.local = table.NewLocalizer(schema, o.zone)
		schema = e.local.Schema()
	}
	if !o.reveal {
		e.redact = table.NewRedactor(schema)
		schema = e.redact.Schema()
	}
	if e.enc, err = table.NewEncoder(o.job.Form, e, schema, o.job.Options); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("encode table %s: %w", schema.Name, err)
	}
	return e, nil
}

// write encodes a batch, which is the encoder's own.
func (e *encoder) write(b *table.Batch) error {
	if e.local != nil {
		e.local.Apply(b)
	}
	if e.redact != nil {
		b = e.redact.Apply(b)
	}
	if err := e.enc.Write(b); err != nil {
		return fmt.Errorf("encode table %s: %w", e.t.schema.Name, err)
	}
	return nil
}

// close completes the form, unless encoding has failed already, and closes the file.
func (e *encoder) close(complete bool) error {
	var err error
	if complete {
		if err = e.enc.Close(); err == nil {
			err = e.buf.Flush()
		}
	}
	if err = errors.Join(err, e.file.Close()); err != nil {
		return fmt.Errorf("complete table %s: %w", e.t.schema.Name, err)
	}
	return nil
}

// fail notes the first failure; the guest's side sees it with the next batch.
func (o *output) fail(err error) {
	v := &wire.Verdict{Code: errcode.Of(err), Message: err.Error()}
	switch {
	case disk.IsNoSpace(err):
		v.Code = errcode.DiskFull
	case errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		v.Code = errcode.Cancelled
	}
	o.fault.CompareAndSwap(nil, v)
}

// finish writes the issues, waits for the encoder and gives what was written.
func (o *output) finish() []wire.Counts {
	o.page.SetPhase(wire.PhaseHost)
	o.issues.finish(o)
	close(o.queue)
	<-o.done
	var out []wire.Counts
	for _, t := range append([]*outTable{o.issues.t}, o.tables...) {
		if t.rows == 0 {
			continue
		}
		n := wire.Counts{Index: t.index, Rows: t.rows}
		if t.enc != nil {
			n.Bytes = t.enc.bytes
		}
		out = append(out, n)
	}
	return out
}
