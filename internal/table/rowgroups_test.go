package table

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestManyRowGroups reads files of up to twenty row groups with both readers: the lists have short and long heads, and
// what is kept of the groups is compressed after each of them, after some, or not at all.
func TestManyRowGroups(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := genSchema(rt)
		var buf bytes.Buffer
		e := newParquetEncoder(&buf, s, EncodeOptions{Metadata: map[string]string{"a": "b"}})
		e.groups.most = rapid.SampledFrom([]int{1, 500, storeBytes}).Draw(rt, "most")
		var batches []*Batch
		for range rapid.IntRange(1, 20).Draw(rt, "groups") {
			b := genBatch(rt, s, 10)
			if err := e.Write(b); err != nil {
				rt.Fatal(err)
			}
			e.flushGroup()
			batches = append(batches, b)
		}
		if err := e.Close(); err != nil {
			rt.Fatal(err)
		}
		want := texts(s, batches...)
		r := open(t, s, buf.Bytes())
		if diff := cmp.Diff(want, readAll(t, r)); diff != "" {
			rt.Fatalf("rows (-want +got):\n%s", diff)
		}
		if v, _ := r.Metadata("a"); v != "b" {
			rt.Fatalf("metadata %q", v)
		}
		readByOther(rt, s, buf.Bytes(), want)
	})
}
