package sdk

import (
	"fmt"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Roles of a column.
const (
	RoleTime     = "time"
	RolePosition = "position"
	RoleSpeed    = "speed"
	RoleValue    = "value"
)

// Schema collects the tables of a plugin while they are declared, and writes their rows afterwards.
type Schema struct {
	ses    *session
	tables []*Table
}

// Table declares a table. Its first column is seq, which counts the rows from 1 by itself.
func (s *Schema) Table(name, description string) *Table {
	t := &Table{ses: s.ses, index: len(s.tables), desc: abi.Table{Name: name, Description: description}}
	s.tables = append(s.tables, t)
	t.seq = addColumn[int64](t, abi.Column{Name: "seq", Type: abi.TypeI64, Description: "number of the row, from 1"})
	return t
}

// flush emits what the tables still hold; values of a row that was not completed are dropped.
func (s *Schema) flush() error {
	for _, t := range s.tables {
		for _, c := range t.cols {
			c.trim(t.n)
		}
		if t.n > 0 {
			t.flush()
		}
	}
	return nil
}

// Table is a table's writer: set each column, then call EndRow. A column that got no value, or two, in a row is a
// mistake of the decoder: the run ends with code trap, at the row with Host.Strict, at the batch otherwise.
type Table struct {
	ses     *session
	index   int
	desc    abi.Table
	layouts func() []abi.Layout
	cols    []column
	seq     *Column[int64]
	n       int   // complete rows since the last batch
	bytes   int   // bytes of texts since the last batch
	width   int   // bytes of a row's fixed part
	maxRows int   // rows that fill a batch
	flushed int64 // rows in earlier batches
	batch   Batch
}

// Describe adds what a row's bytes in the input are: how many a row covers, and their fields. layouts may be nil; it
// is called for the manifest only.
func (t *Table) Describe(length *abi.RowLength, layouts func() []abi.Layout) {
	t.desc.RowLength, t.layouts = length, layouts
}

// Rows gives the number of complete rows, which is the last row's seq.
func (t *Table) Rows() int64 { return t.flushed + int64(t.n) }

// EndRow completes a row. Full batches go to the host by themselves; when it wants no more, the next read says so.
func (t *Table) EndRow() {
	t.seq.v = append(t.seq.v, t.flushed+int64(t.n)+1)
	t.n++
	if t.n >= t.maxRows || t.bytes >= abi.BatchBytes || t.ses.host.Strict {
		t.endBatch()
	}
}

// endBatch is the rare part of EndRow.
func (t *Table) endBatch() {
	t.check()
	if t.n >= t.maxRows || t.bytes >= abi.BatchBytes {
		t.flush()
	}
}

// check panics unless every column has one value a row.
func (t *Table) check() {
	for i, c := range t.cols {
		if have := c.rows(); have != t.n {
			rows := t.n
			t.reset()
			panic(fmt.Sprintf("table %s: column %s has %d values in %d rows", t.desc.Name, t.desc.Columns[i].Name, have, rows))
		}
	}
}

// flush emits the complete rows.
func (t *Table) flush() {
	t.check()
	if t.bytes+t.n*t.width > abi.MaxBatchBytes && t.ses.err == nil {
		t.ses.err = errTooLarge
	}
	if !t.ses.stopped && t.ses.err == nil {
		t.batch.Table, t.batch.Rows = t.index, t.n
		t.batch.Columns = t.batch.Columns[:0]
		for _, c := range t.cols {
			t.batch.Columns = append(t.batch.Columns, c.data(t.n))
		}
		t.ses.stopped = !t.ses.host.Sink.Emit(&t.batch)
	}
	t.flushed += int64(t.n)
	t.reset()
}

// reset forgets the rows since the last batch and keeps their memory.
func (t *Table) reset() {
	for _, c := range t.cols {
		c.reset()
	}
	t.n, t.bytes = 0, 0
}
