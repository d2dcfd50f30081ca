package catalog

import (
	"testing"

	"github.com/wayside-edge/wayside/internal/store"
)

// TestCount counts files and decodes, and nothing of what lies beside them.
func TestCount(t *testing.T) {
	x := open(t)
	want := func(files, decodes int64) {
		t.Helper()
		if f, d, err := x.c.Count(t.Context()); err != nil || f != files || d != decodes {
			t.Errorf("%d files, %d decodes, %v; want %d, %d", f, d, err, files, decodes)
		}
	}
	want(0, 0)
	a, b := x.file("a", "aa"), x.file("b", "bb")
	x.decode(a, Done, "k1")
	x.decode(a, Failed, "")
	x.decode(b, Queued, "")
	want(2, 3)
	x.commit(func(batch *store.Batch) error { x.c.DeleteFile(batch, b); return nil })
	want(1, 3)
}
