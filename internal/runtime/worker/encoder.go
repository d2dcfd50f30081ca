package worker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
)

// encoder writes one table to its file, which it asks for when its buffer is full or the decode ends: a small
// recording's tables are there then, and get their files in one message. It belongs to the encoder's goroutine until
// that has ended.
type encoder struct {
	o      *output
	t      *outTable
	file   io.WriteCloser  // nil before it is needed
	redact *table.Redactor // nil where nothing is hidden
	local  *table.Localizer
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

// toFile is what a buffer is emptied into.
type toFile struct{ e *encoder }

// Write asks for the file first if there is none.
func (w toFile) Write(p []byte) (int, error) {
	if w.e.file == nil {
		if err := w.e.o.files([]*encoder{w.e}); err != nil {
			return 0, err
		}
	}
	return w.e.file.Write(p) //nolint:wrapcheck // an io.Writer
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
	o.complete(open)
}

// complete completes the tables, unless encoding has failed, and closes their files.
func (o *output) complete(open []*encoder) {
	var without []*encoder // files
	for _, e := range open {
		if o.fault.Load() != nil {
			break
		}
		if err := e.enc.Close(); err != nil {
			o.fail(fmt.Errorf("complete table %s: %w", e.t.schema.Name, err))
		}
		if e.file == nil {
			without = append(without, e)
		}
	}
	for some := range slices.Chunk(without, wire.MaxFiles) {
		if o.fault.Load() != nil {
			break
		}
		if err := o.files(some); err != nil {
			o.fail(err)
		}
	}
	for _, e := range open {
		if err := e.close(o.fault.Load() == nil); err != nil {
			o.fail(err)
		}
		o.buffers.Put(e.buf)
	}
}

// buffer gives a writer onto w, one of an earlier decode if there is one.
func (o *output) buffer(w io.Writer) *bufio.Writer {
	if b, ok := o.buffers.Get().(*bufio.Writer); ok {
		b.Reset(w)
		return b
	}
	return bufio.NewWriterSize(w, fileBuffer)
}

// files gives tables what they are written to.
func (o *output) files(of []*encoder) error {
	tables := make([]*outTable, len(of))
	for i, e := range of {
		tables[i] = e.t
	}
	files, err := o.to.open(tables)
	if err != nil {
		return err
	}
	for i, e := range of {
		e.file = files[i]
	}
	return nil
}

// open begins a table. Its file is asked for when it is needed.
func (o *output) open(t *outTable) (*encoder, error) {
	e := &encoder{o: o, t: t}
	schema := t.schema
	if o.zone != nil {
		e.local = table.NewLocalizer(schema, o.zone)
		schema = e.local.Schema()
	}
	if !o.reveal {
		e.redact = table.NewRedactor(schema)
		schema = e.redact.Schema()
	}
	e.buf = o.buffer(toFile{e})
	var err error
	if e.enc, err = table.NewEncoder(o.job.Form, e, schema, o.job.Options); err != nil {
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

// close writes what the buffer still holds, unless encoding has failed already, and closes the file.
func (e *encoder) close(complete bool) error {
	var err error
	if complete {
		err = e.buf.Flush()
	}
	if e.file != nil {
		err = errors.Join(err, e.file.Close())
	}
	if err != nil {
		return fmt.Errorf("complete table %s: %w", e.t.schema.Name, err)
	}
	return nil
}

// fail notes the first failure; the guest's side sees it with the next batch.
func (o *output) fail(err error) { o.fault.CompareAndSwap(nil, faultOf(err)) }

// faultOf gives the code of a failure to write.
func faultOf(err error) *wire.Verdict {
	v := &wire.Verdict{Code: errcode.Of(err), Message: err.Error()}
	switch {
	case disk.IsNoSpace(err):
		v.Code = errcode.DiskFull
	case errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		v.Code = errcode.Cancelled
	}
	return v
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
