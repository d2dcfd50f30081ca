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
	open   int // tables that the host knows
	found  int // bytes of the schemas found at run time
}

// Table declares a table. Its first column is seq, which counts the rows from 1 by itself.
func (s *Schema) Table(name, description string) *Table {
	t := &Table{ses: s.ses, index: len(s.tables), desc: abi.Table{Name: name, Description: description}}
	s.tables = append(s.tables, t)
	t.describe(abi.Column{Name: "seq", Type: abi.TypeI64, Description: "number of the row, from 1"})
	return t
}

// begin makes the tables ready for rows.
func (s *Schema) begin() {
	for _, t := range s.tables {
		t.begin()
	}
	s.open = len(s.tables)
}

// begin makes the table ready for rows.
func (t *Table) begin() {
	t.grow(min(firstRows, t.maxRows))
	t.limit = t.room
	if t.ses.host.Strict {
		t.limit = 0
	}
}

// flush emits what the tables still hold. After an error values of a row that was not completed are dropped, else
// they are a mistake.
func (s *Schema) flush(failed bool) error {
	for _, t := range s.tables {
		if !failed {
			t.check()
		}
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
//
// A loop in which each nanosecond counts fills Column.Room instead and ends with Added; it does without calls, which
// in WebAssembly cost as much as several columns.
type Table struct {
	ses     *session
	index   int
	desc    abi.Table
	layouts func() []abi.Layout
	cols    []column // without seq
	seq     []int64
	n       int   // complete rows since the last batch
	limit   int   // rows at which EndRow has more to do: room or batch are full
	room    int   // rows that the columns have room for
	width   int   // bytes of a row's fixed part
	maxRows int   // rows that fill a batch
	flushed int64 // rows in earlier batches
	copies  int   // names that Name gave a number
	batch   Batch
}

// Describe adds what a row's bytes in the input are: how many a row covers, and their fields. layouts may be nil; it
// is called for the manifest only.
func (t *Table) Describe(length *abi.RowLength, layouts func() []abi.Layout) {
	t.desc.RowLength, t.layouts = length, layouts
}

// Rows gives the number of complete rows, which is the last row's seq.
func (t *Table) Rows() int64 { return t.flushed + int64(t.n) }

// EndRow completes a row. Full batches go to the host by themselves; when it wants no more, reading says so.
func (t *Table) EndRow() {
	t.n++
	if t.n >= t.limit {
		t.endBatch()
	}
}

// Added takes rows that were written into every column's Room (texts are set one by one, as ever), and does for
// them what EndRow does for one.
func (t *Table) Added(rows int) {
	for _, c := range t.cols {
		c.add(rows)
	}
	t.n += rows
	if t.n >= t.limit {
		t.endBatch()
	}
}

// endBatch is the rare part of EndRow: it ends a batch, or makes room for more rows of it.
func (t *Table) endBatch() {
	strict := t.ses.host.Strict
	switch {
	case t.n >= t.maxRows, t.limit == 0 && !strict:
		t.flush()
	case t.limit == 0: // of a text, or of every row when it is strict
		t.check()
		if t.texts() >= abi.BatchBytes {
			t.flush()
		}
	}
	if t.n >= t.room {
		t.grow(min(2*t.room, t.maxRows))
	}
	t.limit = t.room
	if strict {
		t.limit = 0
	}
}

// texts gives the bytes of texts since the last batch.
func (t *Table) texts() int {
	sum := 0
	for _, c := range t.cols {
		if x, ok := c.(*Text); ok {
			sum += x.used
		}
	}
	return sum
}

// grow makes room for rows in every column, and one more, so that a value too many is found by the check.
func (t *Table) grow(room int) {
	t.room = room
	for _, c := range t.cols {
		c.grow(room + 1)
	}
}

// check panics unless every column has one value a row.
func (t *Table) check() {
	for i, c := range t.cols {
		if have := c.rows(); have != t.n {
			rows := t.n
			t.reset()
			panic(fmt.Sprintf("table %s: column %s has %d values in %d rows", t.desc.Name, t.desc.Columns[i+1].Name, have, rows))
		}
	}
}

// flush emits the complete rows.
func (t *Table) flush() {
	if t.index == notOpen {
		panic("table " + t.desc.Name + " has rows and was not opened")
	}
	t.check()
	if t.texts()+t.n*t.width > abi.MaxBatchBytes && t.ses.err == nil {
		t.ses.err = errTooLarge
	}
	if !t.ses.stopped && t.ses.err == nil {
		t.batch.Table, t.batch.Rows = t.index, t.n
		t.batch.Columns = append(t.batch.Columns[:0], Data{Values: bytesOf(t.numbers())})
		for _, c := range t.cols {
			t.batch.Columns = append(t.batch.Columns, c.data(t.n))
		}
		t.ses.stopped = !t.ses.host.Sink.Emit(&t.batch)
	}
	t.flushed += int64(t.n)
	t.reset()
}

// numbers gives the values of seq.
func (t *Table) numbers() []int64 {
	if len(t.seq) < t.n {
		t.seq = make([]int64, t.room)
	}
	for i := range t.n {
		t.seq[i] = t.flushed + int64(i) + 1
	}
	return t.seq[:t.n]
}

// reset forgets the rows since the last batch and keeps their memory.
func (t *Table) reset() {
	for _, c := range t.cols {
		c.reset()
	}
	t.n = 0
}
