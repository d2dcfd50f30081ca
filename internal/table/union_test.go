package table

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// part is a file's table in tests of unions.
type part struct {
	name   string
	schema *Schema
	reader *Reader
}

func genParts(t *testing.T, rt *rapid.T) []part {
	t.Helper()
	whole := genSchema(rt)
	var parts []part
	for i := range rapid.IntRange(1, 4).Draw(rt, "files") {
		var cols []int
		for c := range whole.Columns {
			if rapid.IntRange(0, 3).Draw(rt, "has") > 0 {
				cols = append(cols, c)
			}
		}
		if len(cols) == 0 {
			cols = []int{0}
		}
		s := whole.project(cols)
		var batches []*Batch
		for range rapid.IntRange(0, 2).Draw(rt, "batches") {
			batches = append(batches, genBatch(rt, s, 30))
		}
		p := part{name: fmt.Sprintf("%d.ru", i), schema: s, reader: Empty(s)}
		if len(batches) > 0 {
			p.reader = open(t, s, encode(t, Parquet, s, EncodeOptions{}, batches...))
		}
		parts = append(parts, p)
	}
	return parts
}

// wantUnion gives the rows of a union as JSON objects, made of each file's own rows.
func wantUnion(t *testing.T, rt *rapid.T, parts []part, columns []string) []string {
	t.Helper()
	var want []string
	for _, p := range parts {
		for _, row := range collect(t, rt, p.reader, Query{Limit: 7}) {
			var cells []json.RawMessage
			if err := json.Unmarshal([]byte(row), &cells); err != nil {
				rt.Fatal(err)
			}
			var b strings.Builder
			for i, name := range columns {
				if i > 0 {
					b.WriteByte(',')
				}
				switch at := p.schema.Index(name); {
				case name == FileColumn:
					fmt.Fprintf(&b, "%q", p.name)
				case at < 0:
					b.WriteString("null")
				default:
					b.Write(cells[at])
				}
			}
			want = append(want, "["+b.String()+"]")
		}
	}
	return want
}

// TestUnionAgainstItsParts puts random tables together and compares pages and exports with the files' own rows.
func TestUnionAgainstItsParts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		parts := genParts(t, rt)
		u := NewUnion("all")
		for _, p := range parts {
			u.Add(p.schema)
		}
		var columns []string
		for _, c := range u.Schema().Columns {
			columns = append(columns, c.Name)
		}
		columns = rapid.Permutation(columns).Draw(rt, "columns")[:rapid.IntRange(1, len(columns)).Draw(rt, "n")]
		want := wantUnion(t, rt, parts, columns)
		q := UnionQuery{Columns: columns}

		var paged []string
		for _, p := range parts {
			for cursor, more := "", true; more; more = cursor != "" {
				page, err := u.Page(t.Context(), q, p.name, p.reader, Window{Limit: 5, Cursor: cursor})
				if err != nil {
					rt.Fatal(err)
				}
				for _, r := range page.Rows {
					paged = append(paged, string(r))
				}
				cursor = page.NextCursor
			}
		}
		if !slices.Equal(paged, want) {
			rt.Fatalf("pages:\n%s\nwant:\n%s", strings.Join(paged, "\n"), strings.Join(want, "\n"))
		}

		for _, form := range ExportFormats() {
			var out bytes.Buffer
			w, err := u.Export(form, &out, q, EncodeOptions{Temp: t.TempDir()})
			if err != nil {
				rt.Fatal(err)
			}
			for _, p := range parts {
				if err := w.Add(t.Context(), p.name, p.reader); err != nil {
					rt.Fatalf("%s: %v", form, err)
				}
			}
			if err := w.Close(); err != nil {
				rt.Fatalf("%s: %v", form, err)
			}
			if form != Parquet {
				continue
			}
			cols, err := u.Schema().columnsOf(columns)
			if err != nil {
				rt.Fatal(err)
			}
			stored := open(t, u.Schema().project(cols), out.Bytes())
			if got := collect(t, rt, stored, Query{Limit: 1000}); !slices.Equal(got, want) {
				rt.Fatalf("parquet:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	})
}

func unionOf(t *testing.T, parts ...part) (*Union, func(q UnionQuery) (string, error)) {
	t.Helper()
	u := NewUnion("t")
	for _, p := range parts {
		u.Add(p.schema)
	}
	return u, func(q UnionQuery) (string, error) {
		var out bytes.Buffer
		w, err := u.Export(CSV, &out, q, EncodeOptions{})
		if err != nil {
			return "", err
		}
		for _, p := range parts {
			if err := w.Add(t.Context(), p.name, p.reader); err != nil {
				return "", err
			}
		}
		err = w.Close()
		return out.String(), err
	}
}

func partOf(t *testing.T, name string, c Column, vals ...int64) part {
	t.Helper()
	s := &Schema{Name: "t", Columns: []Column{c}}
	b := &Batch{Rows: len(vals), Columns: make([]Vector, 1)}
	for _, v := range vals {
		var le [8]byte
		binary.LittleEndian.PutUint64(le[:], uint64(v))
		b.Columns[0].Data = append(b.Columns[0].Data, le[:c.Type.Width()]...)
	}
	return part{name, s, open(t, s, encode(t, Parquet, s, EncodeOptions{}, b))}
}

// TestUnionFilters: conditions on the file, on columns that a file does not have, and texts.
func TestUnionFilters(t *testing.T) {
	_, export := unionOf(t, partOf(t, "a.ru", Column{Name: "x", Type: I64}, 1, 2), partOf(t, "B.ru", Column{Name: "y", Type: I64}, 3))
	for name, c := range map[string]struct {
		q    UnionQuery
		want string
	}{
		"all":      {UnionQuery{}, "file,x,y\r\na.ru,1,\r\na.ru,2,\r\nB.ru,,3\r\n"},
		"file":     {UnionQuery{Where: []string{"file:eq:a.ru"}, Columns: []string{"x"}}, "x\r\n1\r\n2\r\n"},
		"contains": {UnionQuery{Where: []string{"file:contains:B"}, Columns: []string{"y", "file"}}, "y,file\r\n3,B.ru\r\n"},
		"missing":  {UnionQuery{Where: []string{"x:gt:1"}}, "file,x,y\r\na.ru,2,\r\n"},
		"null":     {UnionQuery{Where: []string{"x:is_null:true"}}, "file,x,y\r\nB.ru,,3\r\n"},
		"not null": {UnionQuery{Where: []string{"x:is_null:false", "x:le:1"}}, "file,x,y\r\na.ru,1,\r\n"},
		"search":   {UnionQuery{Search: "b.RU"}, "file,x,y\r\nB.ru,,3\r\n"},
		"only":     {UnionQuery{Columns: []string{"file"}}, "file\r\na.ru\r\na.ru\r\nB.ru\r\n"},
	} {
		got, err := export(c.q)
		if norm := strings.ReplaceAll(got, "\r\n", "\n"); err != nil || norm != strings.ReplaceAll(c.want, "\r\n", "\n") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, q := range []UnionQuery{{Columns: []string{"z"}}, {Where: []string{"z:eq:1"}}, {Where: []string{"x:eq:no"}}, {Where: make([]string, MaxConditions+1)}} {
		if _, err := export(q); errcode.Of(err) != errcode.ValidationFailed {
			t.Errorf("%v: %v", q, err)
		}
	}
}

// TestUnionConflicts: a column that is not the same in all files is an error that says so, unless it is left out.
func TestUnionConflicts(t *testing.T) {
	for name, c := range map[string][2]Column{
		"type":   {{Name: "x", Type: I64}, {Name: "x", Type: F64}},
		"scale":  {{Name: "x", Type: Dec64, Scale: 1}, {Name: "x", Type: Dec64, Scale: 2}},
		"unit":   {{Name: "x", Type: I64, Unit: "m"}, {Name: "x", Type: I64, Unit: "km"}},
		"naive":  {{Name: "x", Type: TSus, Naive: true}, {Name: "x", Type: TSus}},
		"labels": {{Name: "x", Type: Enum8, Labels: []string{"a"}}, {Name: "x", Type: Enum8, Labels: []string{"b"}}},
		"file":   {{Name: "file", Type: I64}, {Name: "file", Type: I64}},
	} {
		u, export := unionOf(t, partOf(t, "a", c[0], 0), partOf(t, "b", c[1], 0))
		column := c[0].Name
		if _, err := export(UnionQuery{}); errcode.Of(err) != errcode.ValidationFailed || !strings.Contains(err.Error(), column) {
			t.Errorf("%s: %v", name, err)
		}
		if u.Conflict(column) == "" {
			t.Errorf("%s: no conflict", name)
		}
		if column == FileColumn {
			continue
		}
		if _, err := export(UnionQuery{Where: []string{column + ":is_null:true"}, Columns: []string{"file"}}); errcode.Of(err) != errcode.ValidationFailed {
			t.Errorf("%s compared: %v", name, err)
		}
		if got, err := export(UnionQuery{Columns: []string{"file"}}); err != nil || strings.Count(got, "\n") != 3 {
			t.Errorf("%s left out: %q, %v", name, got, err)
		}
	}
	_, export := unionOf(t, partOf(t, "a", Column{Name: "x", Type: Enum8, Labels: []string{"a"}}, 0), partOf(t, "b", Column{Name: "x", Type: Enum8, Labels: []string{"a", "b"}}, 1))
	if got, err := export(UnionQuery{}); err != nil || !strings.Contains(got, "b,b") {
		t.Errorf("more labels: %q, %v", got, err)
	}
}
