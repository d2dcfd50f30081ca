package golden

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzDocument writes documents of any rows and names: every row is a line of its own, in its table, and a difference
// is found exactly where there is one.
func FuzzDocument(f *testing.F) {
	f.Add("records", []byte("{\"a\":1}\n{\"a\":2}\n"), []byte("{\"seq\":1}"), "truncated", int64(4))
	f.Add("", []byte("\n\n"), []byte{}, "", int64(0))
	f.Add("\xff\"\n", []byte("a\r\n\x00b"), []byte("\n"), "x", int64(-1))
	f.Fuzz(func(t *testing.T, name string, rows, issues []byte, code string, offset int64) {
		var doc bytes.Buffer
		tables := []Table{{Name: name, Rows: bytes.NewReader(rows)}, {Name: "none"}, {Name: "issues", Rows: bytes.NewReader(issues)}}
		if err := Write(&doc, tables, &End{Code: code, Offset: &offset}); err != nil {
			t.Fatal(err)
		}
		want := 1
		for _, line := range append(strings.Split(string(rows), "\n"), strings.Split(string(issues), "\n")...) {
			if line != "" {
				want++
			}
		}
		if got := bytes.Count(doc.Bytes(), []byte("\n")); got != want || !bytes.HasSuffix(doc.Bytes(), []byte("\n")) {
			t.Fatalf("%d lines, want %d: %q", got, want, doc.Bytes())
		}
		last := doc.Bytes()[bytes.LastIndexByte(doc.Bytes()[:doc.Len()-1], '\n')+1:]
		if !json.Valid(last) {
			t.Fatalf("the last line is no JSON: %q", last)
		}
		if d := Diff(doc.Bytes(), doc.Bytes()); d != "" {
			t.Fatalf("differs from itself: %s", d)
		}
		if d := Diff(rows, issues); (d == "") != bytes.Equal(rows, issues) || len(d) > 8192 {
			t.Fatalf("%q", d)
		}
	})
}
