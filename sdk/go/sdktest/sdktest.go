// Package sdktest runs decoders natively and keeps or counts what they make, for their tests and benchmarks. It is
// apart from the SDK so that no guest carries it.
package sdktest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Issue is a problem that a decoder reported.
type Issue struct {
	Severity abi.Severity
	Offset   int64
	Code     string
	Message  string
}

// String gives severity, code, offset and message.
func (i Issue) String() string {
	return fmt.Sprintf("%s %s at %d: %s", i.Severity, i.Code, i.Offset, i.Message)
}

// Result is everything that a decoder made of an input.
type Result struct {
	Code     int32 // of wayside_decode
	FailCode string
	FailText string
	Issues   []Issue
	Tables   map[string]*Rows // those of the manifest, and those found at run time
	Children []Child          // files found inside the input, in the order in which they were begun

	tables []*Rows
}

// Run decodes an input with the checks of sdk.Host.Strict and keeps everything.
func Run(p *sdk.Plugin, input io.Reader, params map[string]string) *Result {
	return run(p, sdk.Host{Input: input, Param: Params(params)})
}

// run decodes with a host that lacks its sink, and what takes files, only.
func run(p *sdk.Plugin, h sdk.Host) *Result { return runWith(p, h, -1) }

func runWith(p *sdk.Plugin, h sdk.Host, children int) *Result {
	r := &Result{Tables: make(map[string]*Rows)}
	for _, t := range p.Manifest().Tables {
		rows := newRows(t)
		r.tables = append(r.tables, rows)
		r.Tables[t.Name] = rows
	}
	h.Sink, h.Strict, h.Declare = r, true, r.declare
	files := grant(p, &h, r, children)
	r.Code = p.Run(h)
	files.end()
	return r
}

// Params makes the parameters of a Host.
func Params(params map[string]string) func(string) (string, bool) {
	return func(key string) (string, bool) {
		v, ok := params[key]
		return v, ok
	}
}

// Count gives the number of issues of a code.
func (r *Result) Count(code string) int {
	n := 0
	for _, i := range r.Issues {
		if i.Code == code {
			n++
		}
	}
	return n
}

// Emit keeps a batch.
func (r *Result) Emit(b *sdk.Batch) bool {
	r.tables[b.Table].take(b)
	return true
}

// declare makes a table of a schema found at run time, and panics where the host would end the instance.
func (r *Result) declare(schema []byte) int {
	var t abi.Table
	if err := json.Unmarshal(schema, &t); err != nil {
		panic(fmt.Sprintf("the schema of a table: %v", err))
	}
	if r.Tables[t.Name] != nil || len(r.tables) >= abi.MaxTables || len(t.Columns) > abi.MaxColumns {
		panic(fmt.Sprintf("table %s: the host would not take it", t.Name))
	}
	rows := newRows(t)
	r.tables = append(r.tables, rows)
	r.Tables[t.Name] = rows
	return len(r.tables) - 1
}

// Issue keeps an issue.
func (r *Result) Issue(severity abi.Severity, offset int64, code, message string) {
	r.Issues = append(r.Issues, Issue{severity, offset, code, message})
}

// Fail keeps the reason of a failed decode.
func (r *Result) Fail(code, message string) { r.FailCode, r.FailText = code, message }

// Log drops the line.
func (r *Result) Log(abi.Severity, string) {}

// Rows holds the rows of a table.
type Rows struct {
	Table abi.Table
	Len   int
	cols  [][]any
	index map[string]int
}

func newRows(t abi.Table) *Rows {
	r := &Rows{Table: t, cols: make([][]any, len(t.Columns)), index: make(map[string]int)}
	for i, c := range t.Columns {
		r.index[c.Name] = i
	}
	return r
}

// Value gives a value: nil for null, int64, uint64, float64, bool, string (also the label of an enum) or []byte.
// Times are their number, decimals unscaled.
func (r *Rows) Value(row int, column string) any {
	i, ok := r.index[column]
	if !ok {
		panic(fmt.Sprintf("table %s has no column %s", r.Table.Name, column))
	}
	return r.cols[i][row]
}

// take copies a batch, and panics where it is not what the ABI says.
func (r *Rows) take(b *sdk.Batch) {
	if len(b.Columns) != len(r.cols) {
		panic(fmt.Sprintf("table %s: %d columns in a batch, not %d", r.Table.Name, len(b.Columns), len(r.cols)))
	}
	for i := range b.Columns {
		c, d := &r.Table.Columns[i], &b.Columns[i]
		checkData(c, d, b.Rows)
		for row := range b.Rows {
			r.cols[i] = append(r.cols[i], valueOf(c, d, row))
		}
	}
	r.Len += b.Rows
}

func checkData(c *abi.Column, d *sdk.Data, rows int) {
	w := abi.Width(c.Type)
	switch {
	case w < 0:
		panic("column " + c.Name + ": unknown type " + c.Type)
	case w > 0 && len(d.Values) != rows*w:
		panic(fmt.Sprintf("column %s: %d bytes for %d rows", c.Name, len(d.Values), rows))
	case w == 0 && (len(d.Offsets) != rows+1 || int(d.Offsets[rows]) != len(d.Values) || d.Offsets[0] != 0):
		panic(fmt.Sprintf("column %s: offsets do not fit %d rows and %d bytes", c.Name, rows, len(d.Values)))
	case d.Validity != nil && (!c.Nullable || len(d.Validity) != (rows+7)/8):
		panic("column " + c.Name + ": validity where none may be, or of a wrong length")
	}
}

func valueOf(c *abi.Column, d *sdk.Data, row int) any {
	if d.Validity != nil && d.Validity[row/8]>>(row%8)&1 == 0 {
		return nil
	}
	w := abi.Width(c.Type)
	if w == 0 {
		v := d.Values[d.Offsets[row]:d.Offsets[row+1]]
		if c.Type == abi.TypeUTF8 {
			return string(v)
		}
		return append([]byte{}, v...)
	}
	var raw [8]byte
	copy(raw[:], d.Values[row*w:(row+1)*w])
	u := binary.LittleEndian.Uint64(raw[:])
	switch c.Type {
	case abi.TypeBool:
		return u != 0
	case abi.TypeU8, abi.TypeU16, abi.TypeU32, abi.TypeU64:
		return u
	case abi.TypeF32:
		return float64(math.Float32frombits(uint32(u)))
	case abi.TypeF64:
		return math.Float64frombits(u)
	case abi.TypeEnum8, abi.TypeEnum16:
		if u < uint64(len(c.Labels)) && c.Labels[u] != "" {
			return c.Labels[u]
		}
		return fmt.Sprint(u)
	}
	shift := 64 - 8*w
	return int64(u<<shift) >> shift
}

// Counter is a sink that counts, for benchmarks.
type Counter struct {
	Rows   map[int]int64 // by table
	Bytes  int64         // of the columns
	Issues int64
}

// Emit counts a batch.
func (c *Counter) Emit(b *sdk.Batch) bool {
	if c.Rows == nil {
		c.Rows = make(map[int]int64)
	}
	c.Rows[b.Table] += int64(b.Rows)
	for i := range b.Columns {
		c.Bytes += int64(len(b.Columns[i].Values) + 4*len(b.Columns[i].Offsets) + len(b.Columns[i].Validity))
	}
	return true
}

// Issue counts an issue.
func (c *Counter) Issue(abi.Severity, int64, string, string) { c.Issues++ }

// Fail drops the reason.
func (c *Counter) Fail(string, string) {}

// Log drops the line.
func (c *Counter) Log(abi.Severity, string) {}
