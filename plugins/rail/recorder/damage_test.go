package recorder

import (
	"bytes"
	"fmt"
	"math/rand/v2"
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

// raw is a sink that keeps the columns of table records as they come, which is quick.
type raw struct {
	columns [][]byte
	rows    int
	issues  []sdktest.Issue
	fail    string
}

func (r *raw) Emit(b *sdk.Batch) bool {
	if b.Table != 0 {
		return true
	}
	r.rows += b.Rows
	for i := range b.Columns {
		if i == len(r.columns) {
			r.columns = append(r.columns, nil)
		}
		r.columns[i] = append(r.columns[i], b.Columns[i].Values...)
	}
	return true
}

func (r *raw) Issue(severity abi.Severity, offset int64, code, message string) {
	r.issues = append(r.issues, sdktest.Issue{Severity: severity, Offset: offset, Code: code, Message: message})
}

func (r *raw) Fail(code, _ string) { r.fail = code }

func (r *raw) Log(abi.Severity, string) {}

func runRaw(p *sdk.Plugin, b []byte) *raw {
	r := &raw{}
	p.Run(sdk.Host{Input: bytes.NewReader(b), Sink: r})
	return r
}

// begins says whether the first rows, whose bodies have that many bytes, are those of another run.
func (r *raw) begins(other *raw, rows, bodies int) bool {
	for i, c := range r.columns {
		n := bodies
		if last := i == len(r.columns)-1; !last {
			n = len(other.columns[i]) / other.rows * rows
		}
		if len(c) < n || !bytes.Equal(c[:n], other.columns[i][:n]) {
			return false
		}
	}
	return r.rows >= rows && (rows == 0 || len(r.columns) > 0)
}

func TestTruncationAtEveryByte(t *testing.T) {
	t.Parallel()
	p, whole := Plugin(), railtest.Example()
	all := runRaw(p, whole)
	ends := starts(whole)
	rows := 0
	for n := range len(whole) {
		for ends[rows+1] <= n {
			rows++
		}
		r := runRaw(p, whole[:n])
		if r.rows != rows || !r.begins(all, rows, ends[rows]-rows*headerBytes) {
			t.Fatalf("cut at %d: %d rows, want %d, or they differ", n, r.rows, rows)
		}
		fatal := 0
		for _, i := range r.issues {
			if i.Severity == abi.Fatal {
				fatal++
			}
		}
		if n == ends[rows] {
			if r.fail != "" || fatal > 0 {
				t.Fatalf("cut at %d, between records: %q %v", n, r.fail, r.issues)
			}
			continue
		}
		last := r.issues[len(r.issues)-1]
		if fatal != 1 || last.Code != codeTruncated || last.Severity != abi.Fatal || last.Offset != int64(ends[rows]) {
			t.Fatalf("cut at %d: %d fatal issues, the last issue is %v", n, fatal, last)
		}
		if failed := r.fail == sdk.CodeTruncated; failed != (rows == 0) {
			t.Fatalf("cut at %d: failed %q with %d rows", n, r.fail, rows)
		}
	}
}

func TestCorruptionOfSingleBytes(t *testing.T) {
	t.Parallel()
	p, whole := Plugin(), railtest.Example()
	all := runRaw(p, whole)
	ends := starts(whole)
	rnd := rand.New(rand.NewPCG(7, 7))
	b := make([]byte, len(whole))
	for range 10_000 {
		copy(b, whole)
		at := rnd.IntN(len(b))
		b[at] ^= byte(1 + rnd.IntN(255))
		r := runRaw(p, b)
		if r.fail == sdk.CodeTrap {
			t.Fatalf("byte %d = %#x: %v", at, b[at], r.issues)
		}
		intact := 0
		for ends[intact+1] <= at {
			intact++
		}
		if !r.begins(all, intact, ends[intact]-intact*headerBytes) {
			t.Fatalf("byte %d = %#x: of %d records before it, %d rows, or they differ", at, b[at], intact, r.rows)
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
	f.Add(bytes.Repeat([]byte{43}, 100), true)
	f.Add(bytes.Repeat([]byte{0}, 64), true)
	f.Fuzz(func(t *testing.T, in []byte, variables bool) {
		r := sdktest.Run(Plugin(), bytes.NewReader(in), map[string]string{"variables": fmt.Sprint(variables)})
		if r.FailCode == "trap" {
			t.Fatal(r.FailText)
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
