package recorder

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

// starts gives the offsets of a recording's records, and its length.
func starts(b []byte) []int {
	var out []int
	for at := 0; at < len(b); at += headerBytes + int(b[at+atLength]) {
		out = append(out, at)
	}
	return append(out, len(b))
}

// hashed is a sink that keeps a hash of every row, table by table, which is quick.
type hashed struct {
	rows   [][]uint64
	issues []sdktest.Issue
	fail   string
}

func runHashed(p *sdk.Plugin, b []byte) *hashed {
	h := &hashed{rows: make([][]uint64, len(tableNames()))}
	p.Run(sdk.Host{Input: bytes.NewReader(b), Sink: h})
	return h
}

// tableNames gives the names of the tables by index.
func tableNames() []string {
	var out []string
	for _, t := range Plugin().Manifest().Tables {
		out = append(out, t.Name)
	}
	return out
}

func (h *hashed) Emit(b *sdk.Batch) bool {
	const prime = 0x100000001b3
	for row := range b.Rows {
		sum := uint64(0xcbf29ce484222325)
		for i := range b.Columns {
			c := &b.Columns[i]
			if c.Validity != nil && c.Validity[row/8]>>(row%8)&1 == 0 {
				sum = (sum ^ 0x1ff) * prime
				continue
			}
			w := len(c.Values) / b.Rows
			from, to := row*w, row*w+w
			if c.Offsets != nil {
				from, to = int(c.Offsets[row]), int(c.Offsets[row+1])
			}
			sum = (sum ^ uint64(to-from)) * prime
			for _, v := range c.Values[from:to] {
				sum = (sum ^ uint64(v)) * prime
			}
		}
		h.rows[b.Table] = append(h.rows[b.Table], sum)
	}
	return true
}

func (h *hashed) Issue(severity abi.Severity, offset int64, code, message string) {
	h.issues = append(h.issues, sdktest.Issue{Severity: severity, Offset: offset, Code: code, Message: message})
}

func (h *hashed) Fail(code, _ string) { h.fail = code }

func (h *hashed) Log(abi.Severity, string) {}

// settled gives the number of rows of each table that do not change whatever follows: the mission is written at the
// end, and a standstill may go on.
func (h *hashed) settled(names []string) []int {
	out := make([]int, len(names))
	for i, name := range names {
		switch name {
		case "mission":
		case "stops":
			out[i] = max(len(h.rows[i])-1, 0)
		default:
			out[i] = len(h.rows[i])
		}
	}
	return out
}

// differs gives a table whose first rows are not those of another run, "" if there is none.
func (h *hashed) differs(other *hashed, names []string, settled []int) string {
	for i, n := range settled {
		if len(h.rows[i]) < n || !slices.Equal(h.rows[i][:n], other.rows[i][:n]) {
			return names[i]
		}
	}
	return ""
}

// everyTable fails where a table of the example has no row: damage would not be tried on it.
func everyTable(t *testing.T, h *hashed, names []string) {
	t.Helper()
	for i, name := range names {
		if len(h.rows[i]) == 0 {
			t.Errorf("the example has no row of table %s", name)
		}
	}
}

func TestTruncationAtEveryByte(t *testing.T) {
	t.Parallel()
	p, whole, names := Plugin(), railtest.Example(), tableNames()
	all := runHashed(p, whole)
	everyTable(t, all, names)
	ends := starts(whole)
	rows := 0
	var between []int // rows of the recording cut after the last whole record
	for n := range len(whole) {
		for ends[rows+1] <= n {
			rows++
		}
		r := runHashed(p, whole[:n])
		if len(r.rows[0]) != rows {
			t.Fatalf("cut at %d: %d rows, want %d", n, len(r.rows[0]), rows)
		}
		settled := r.settled(names)
		if table := r.differs(all, names, settled); table != "" {
			t.Fatalf("cut at %d: the rows of %s differ from those of the whole recording", n, table)
		}
		if n == ends[rows] {
			between = settled
		}
		if !slices.Equal(settled, between) {
			t.Fatalf("cut at %d: rows %v, those of the whole records are %v", n, settled, between)
		}
		if missions := len(r.rows[slices.Index(names, "mission")]); missions != min(rows, 1) {
			t.Fatalf("cut at %d: %d rows of mission with %d records", n, missions, rows)
		}
		checkCut(t, r, n, rows, ends[rows])
	}
}

// checkCut checks what is said of a recording that was cut at n, with so many whole records that end at last.
func checkCut(t *testing.T, r *hashed, n, rows, last int) {
	t.Helper()
	fatal := 0
	for _, i := range r.issues {
		if i.Severity == abi.Fatal {
			fatal++
		}
	}
	if n == last {
		if r.fail != "" || fatal > 0 {
			t.Fatalf("cut at %d, between records: %q %v", n, r.fail, r.issues)
		}
		return
	}
	end := r.issues[len(r.issues)-1]
	if fatal != 1 || end.Code != codeTruncated || end.Severity != abi.Fatal || end.Offset != int64(last) {
		t.Fatalf("cut at %d: %d fatal issues, the last issue is %v", n, fatal, end)
	}
	if failed := r.fail == sdk.CodeTruncated; failed != (rows == 0) {
		t.Fatalf("cut at %d: failed %q with %d rows", n, r.fail, rows)
	}
}

func TestCorruptionOfSingleBytes(t *testing.T) {
	t.Parallel()
	p, whole, names := Plugin(), railtest.Example(), tableNames()
	all := runHashed(p, whole)
	ends := starts(whole)
	settled := make([][]int, len(ends))
	for i, end := range ends {
		settled[i] = runHashed(p, whole[:end]).settled(names)
	}
	rnd := rand.New(rand.NewPCG(7, 7))
	b := make([]byte, len(whole))
	for range 10_000 {
		copy(b, whole)
		at := rnd.IntN(len(b))
		b[at] ^= byte(1 + rnd.IntN(255))
		r := runHashed(p, b)
		if r.fail == sdk.CodeTrap {
			t.Fatalf("byte %d = %#x: %v", at, b[at], r.issues)
		}
		intact := 0
		for ends[intact+1] <= at {
			intact++
		}
		if table := r.differs(all, names, settled[intact]); table != "" {
			t.Fatalf("byte %d = %#x: of the %d records before it, rows of %s differ", at, b[at], intact, table)
		}
		for i, issue := range r.issues {
			if issue.Severity == abi.Fatal && i != len(r.issues)-1 {
				t.Fatalf("byte %d = %#x: %v is not the last issue", at, b[at], issue)
			}
		}
	}
}

func TestReadsInPiecesOfAnySize(t *testing.T) {
	b := railtest.Example()
	want := sdktest.Run(Plugin(), bytes.NewReader(b), nil)
	got := sdktest.Run(Plugin(), iotest.OneByteReader(bytes.NewReader(b)), nil)
	if a, b := fmt.Sprint(want.Issues), fmt.Sprint(got.Issues); a != b {
		t.Errorf("issues differ:\n%s\n%s", a, b)
	}
	for name, rows := range want.Tables {
		if n := got.Tables[name].Len; n != rows.Len {
			t.Errorf("%s: %d rows, want %d", name, n, rows.Len)
		}
	}
}

func FuzzRecords(f *testing.F) {
	b := railtest.Example()
	ends := starts(b)
	for _, i := range []int{1, 2, 9, 40} {
		f.Add(b[:ends[i]], true)
	}
	f.Add([]byte{}, false)
	f.Add([]byte("# a list\n"+strings.Repeat("9", 208)+";\n"+strings.Repeat("b4", 128)+"\nnothing\n"), true)
	f.Add([]byte("\xff\xfe9\x009\x00"), true)
	f.Add(bytes.Repeat([]byte{43}, 100), true)
	f.Add(bytes.Repeat([]byte{0}, 64), true)
	f.Fuzz(func(t *testing.T, in []byte, variables bool) {
		r := sdktest.Run(Plugin(), bytes.NewReader(in), map[string]string{"variables": fmt.Sprint(variables)})
		if r.FailCode == "trap" {
			t.Fatal(r.FailText)
		}
		if head := in[:min(len(in), peekBytes)]; isText(head) || isUTF16(head) {
			if r.Tables["records"].Len > 0 {
				t.Fatal("a list has records")
			}
			return
		}
		records := r.Tables["records"]
		next := int64(0)
		for i := range records.Len {
			if off := records.Value(i, "offset"); off != next {
				t.Fatalf("row %d is at %v, the one before ends at %d", i, off, next)
			}
			next += headerBytes + int64(records.Value(i, "length").(uint64))
		}
		if next > int64(len(in)) {
			t.Fatalf("rows end at %d of %d bytes", next, len(in))
		}
		if next < int64(len(in)) && (len(r.Issues) == 0 || r.Issues[len(r.Issues)-1].Severity != abi.Fatal) {
			t.Fatalf("%d bytes are left without a fatal issue", int64(len(in))-next)
		}
		if !variables && r.Tables["variables"].Len > 0 {
			t.Fatal("variables were not asked for")
		}
		sniff(in)
	})
}
