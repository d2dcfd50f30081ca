package catalog

import (
	"fmt"
	"strings"
	"testing"
)

// TestManyPartsStayOutOfLists keeps files with more parts than a list, or a commit, can hold.
func TestManyPartsStayOutOfLists(t *testing.T) {
	x := open(t)
	for i, n := range []int{3, listedParts, listedParts + 1, 1000, 10_000} {
		id, err := x.c.NewFileID(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f := File{ID: id, Name: fmt.Sprint(n), SHA256: strings.Repeat(fmt.Sprint(i), 64)}
		for k := range n {
			f.Parts = append(f.Parts, Part{Name: fmt.Sprintf("folder/part %05d", k), Size: int64(k), SHA256: strings.Repeat("a", 64)})
		}
		b := x.db.Batch()
		if err := x.c.PutFile(b, f); err != nil {
			t.Fatal(err)
		}
		if err := x.db.Commit(t.Context(), b); err != nil {
			t.Fatalf("%d parts: %v", n, err)
		}
		got, err := x.c.File(t.Context(), id)
		if err != nil || got.PartCount != n || len(got.Parts) > n || n <= 1000 && len(got.Parts) != n || len(got.Parts) < min(n, 1000) {
			t.Errorf("%d parts: %d of %d, %v", n, len(got.Parts), got.PartCount, err)
		}
		if last := len(got.Parts) - 1; got.Parts[last] != f.Parts[last] {
			t.Errorf("%d parts: the last is %+v", n, got.Parts[last])
		}
		items, _, err := x.c.Files(t.Context(), FileQuery{Limit: 1})
		if err != nil || items[0].PartCount != n || len(items[0].Parts) != min(n, listedParts) {
			t.Errorf("%d parts in a list: %d of %d, %v", n, len(items[0].Parts), items[0].PartCount, err)
		}
		b = x.db.Batch()
		x.c.DeleteFile(b, got)
		if err := x.db.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if _, err := x.c.space.Get([]byte(prefixParts + id)); err == nil {
			t.Errorf("%d parts: their record stays", n)
		}
	}
}
