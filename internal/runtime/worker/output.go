package worker

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

const (
	// queued bounds the batches between the guest and the encoder: together with the one being encoded and the one
	// being filled, six of at most 16 MiB.
	queued = 4
	// keepBuffer is the largest buffer that is kept for another batch.
	keepBuffer = 4 << 20
)

var errTooManyTables = errors.New("too many tables")

// output is where the batches of one decode go: the guest's goroutine checks and queues them, the encoder's
// goroutine writes them. The queue is bounded; the guest waits when it is full.
type output struct {
	job    *wire.Decode
	to     outlet
	page   *wire.Page
	reveal bool
	zone   *time.Location // of naive times, nil = they stay so

	// The guest's side.
	tables []*outTable
	issues *issueLog
	raw    int64 // raw bytes of columns and sub-files so far
	rows   int64
	// schemaBytes is the JSON of the tables declared at run time: all of them together have what a manifest may have, because
	// the serving process keeps them as long as the decode.
	schemaBytes int64
	repeated    bool // the steps that were asked for are done, and the instance was ended
	children    children

	queue chan *batch
	done  chan struct{} // closed when the encoder's goroutine has ended
	*pools

	fault atomic.Pointer[wire.Verdict] // why encoding failed
}

// outlet is what an output writes its tables and sub-files to.
type outlet interface {
	// declare tells of a table that the guest found; it is called by the guest's goroutine.
	declare(index int, s *table.Schema) error
	// open gives what tables are written to, in their order; it is called by the encoder's goroutine, for at most
	// wire.MaxFiles tables at once.
	open(tables []*outTable) ([]io.WriteCloser, error)
	// child gives what a sub-file is written to, and childEnd tells that all of it is there; both are called by the
	// guest's goroutine.
	child(index int, name string) (childFile, error)
	childEnd(index int, size int64) error
}

// childFile is what a sub-file is written to.
type childFile interface {
	io.WriteCloser
	Truncate(size int64) error
}

// pools keep memory from one decode to the next.
type pools struct {
	batches sync.Pool // *batch
	buffers sync.Pool // *bufio.Writer
}

// outTable is one table of the decode. rows belongs to the guest's side, enc to the encoder's.
type outTable struct {
	index  int
	schema *table.Schema
	skip   bool // not asked for: checked and counted, not encoded
	rows   int64
	enc    *encoder
}

// batch is a checked batch on its way to the encoder, with the memory it lies in.
type batch struct {
	t       *outTable
	b       table.Batch
	buf     []byte
	offsets []uint32
}

func newOutput(job *wire.Decode, schemas []*table.Schema, to outlet, page *wire.Page, keep *pools) *output {
	o := &output{
		job: job, to: to, page: page, reveal: job.Reveal,
		pools: keep, queue: make(chan *batch, queued), done: make(chan struct{}),
	}
	for _, s := range schemas {
		o.add(s)
	}
	o.issues = newIssueLog(&outTable{
		index: wire.IssuesTable, schema: table.Issues(), skip: !o.wanted(abi.ReservedTable),
	}, job.Issues)
	return o
}

func (o *output) wanted(name string) bool {
	return o.job.Tables == nil || slices.Contains(o.job.Tables, name)
}

func (o *output) add(s *table.Schema) {
	o.tables = append(o.tables, &outTable{index: len(o.tables), schema: s, skip: !o.wanted(s.Name)})
}

// declare adds a table that the guest found.
func (o *output) declare(s *table.Schema) (int, error) {
	if len(o.tables) >= abi.MaxTables {
		return 0, errTooManyTables
	}
	for _, t := range o.tables {
		if t.schema.Name == s.Name {
			return 0, fmt.Errorf("%s is declared already", s.Name)
		}
	}
	o.add(s)
	id := len(o.tables) - 1
	if err := o.to.declare(id, s); err != nil {
		return 0, fmt.Errorf("declare %s: %w", s.Name, err)
	}
	return id, nil
}

// emit copies a batch out of the guest's memory, checks it and queues it.
func (c *call) emit(mem []byte, t *outTable, desc uint32) {
	o := c.out
	head := c.bytes(mem, abi.ImportEmit, desc, abi.HeaderWords*4)
	rows, cols := u32at(head, 0), u32at(head, 1)
	switch {
	case rows > abi.MaxBatchRows:
		c.violate("emit: a batch of %d rows, the limit is %d", rows, abi.MaxBatchRows)
	case int64(cols) != int64(len(t.schema.Columns)):
		c.violate("emit: table %s has %d columns, the batch %d", t.schema.Name, len(t.schema.Columns), cols)
	case rows == 0:
		return
	}
	words := c.bytes(mem, abi.ImportEmit, desc, (abi.HeaderWords+abi.ColumnWords*cols)*4)[abi.HeaderWords*4:]
	total := c.measure(t.schema, words, rows)
	c.count(total)
	b := o.get(t, total)
	c.copyBatch(mem, b, words, rows)
	if err := t.schema.CheckBatch(&b.b); err != nil {
		c.violate("emit: %v", err)
	}
	t.rows += int64(rows)
	o.rows += int64(rows)
	o.put(c, b)
	c.page.Accepted(o.rows)
	c.step()
}

// step ends an instance that repeats one which had to be killed, once it has come as far. What it made until then is
// all that is wanted: a guest that ignores EmitStop would run into the same trouble again.
func (c *call) step() {
	if o := c.out; o.job.StopAfter != 0 && c.page.Steps() >= o.job.StopAfter {
		o.repeated = true
		panic(errEnd)
	}
}

// count counts bytes of columns and sub-files towards the limit of output.
func (c *call) count(n int64) {
	if o := c.out; n > o.job.Output-o.raw {
		c.stop(errcode.OutputLimit, fmt.Sprintf("the decoder wrote more than %d bytes", o.job.Output))
	}
	c.out.raw += n
}

// measure adds up the bytes that a batch's descriptor speaks of, in 64 bits.
func (c *call) measure(s *table.Schema, words []byte, rows uint32) int64 {
	var total int64
	for i := range s.Columns {
		w := words[i*abi.ColumnWords*4:]
		total += int64(u32at(w, 3))
		if u32at(w, 1) != 0 {
			total += int64(rows+7) / 8
		}
		if s.Columns[i].Type.Width() == 0 {
			total += 4 * (int64(rows) + 1)
		}
	}
	if total > abi.MaxBatchBytes {
		c.violate("emit: a batch of %d bytes, the limit is %d", total, abi.MaxBatchBytes)
	}
	return total
}

// copyBatch copies the columns; only lengths and addresses are checked here.
func (c *call) copyBatch(mem []byte, b *batch, words []byte, rows uint32) {
	cols := b.t.schema.Columns
	b.b.Rows = int(rows)
	b.b.Columns = slices.Grow(b.b.Columns[:0], len(cols))[:len(cols)]
	buf, offs := b.buf, b.offsets[:0]
	take := func(ptr, n uint32) []byte {
		src := c.bytes(mem, abi.ImportEmit, ptr, n)
		copy(buf, src)
		dst := buf[:n:n]
		buf = buf[n:]
		return dst
	}
	for i := range cols {
		w := words[i*abi.ColumnWords*4:]
		v := &b.b.Columns[i]
		*v = table.Vector{Data: take(u32at(w, 0), u32at(w, 3))}
		if p := u32at(w, 1); p != 0 {
			v.Validity = take(p, (rows+7)/8)
		}
		switch p := u32at(w, 2); {
		case cols[i].Type.Width() == 0:
			src := c.bytes(mem, abi.ImportEmit, p, 4*(rows+1))
			first := len(offs)
			for j := range int(rows) + 1 {
				offs = append(offs, u32at(src, j))
			}
			v.Offsets = offs[first:len(offs):len(offs)]
		case p != 0:
			c.violate("emit: column %s has a fixed width and offsets", cols[i].Name)
		}
	}
	b.offsets = offs
}

// get gives a batch with room for n bytes.
func (o *output) get(t *outTable, n int64) *batch {
	b, ok := o.batches.Get().(*batch)
	if !ok {
		b = &batch{}
	}
	if int64(cap(b.buf)) < n {
		b.buf = make([]byte, n)
	}
	b.t, b.buf = t, b.buf[:cap(b.buf)]
	return b
}

func (o *output) recycle(b *batch) {
	if cap(b.buf) <= keepBuffer {
		o.batches.Put(b)
	}
}

// put queues a batch for the encoder. While it waits for room the stall clock stands: the guest is not at fault.
func (o *output) put(c *call, b *batch) {
	if f := o.fault.Load(); f != nil {
		c.breakOff(f.Code, f.Message)
	}
	if b.t.skip {
		o.recycle(b)
		return
	}
	select {
	case o.queue <- b:
	default:
		o.page.SetPhase(wire.PhaseHost)
		o.queue <- b
		o.page.SetPhase(wire.PhaseGuest)
	}
}
