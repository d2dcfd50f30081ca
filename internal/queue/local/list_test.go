package local

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

// TestPagesAreBoundedInBytes lists jobs of which a page of the largest length would hold more than anybody wants in memory.
func TestPagesAreBoundedInBytes(t *testing.T) {
	e := openBox(t, t.TempDir(), Config{}).Engine
	const n = 50
	payload := json.RawMessage(`"` + strings.Repeat("x", queue.MaxPayload-2) + `"`)
	for range n {
		if _, err := e.Enqueue(t.Context(), queue.New{Type: "a", Payload: payload}); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[queue.ID]bool{}
	pages := 0
	for f := (queue.Filter{Limit: maxPage}); ; pages++ {
		page, err := e.List(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if size := len(page.Jobs) * queue.MaxPayload; len(page.Jobs) == 0 || size > maxPageBytes+queue.MaxPayload {
			t.Errorf("a page has %d jobs of %d bytes in all", len(page.Jobs), size)
		}
		for i := range page.Jobs {
			seen[page.Jobs[i].ID] = true
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			break
		}
	}
	if len(seen) != n || pages == 0 {
		t.Errorf("%d jobs on %d pages, want %d on several", len(seen), pages+1, n)
	}
	for _, cursor := range []string{"x", "d0000000001", "j", "j%00"} {
		if _, err := e.List(t.Context(), queue.Filter{Cursor: cursor}); !errcode.Is(err, errcode.Malformed) {
			t.Errorf("cursor %q: %v", cursor, err)
		}
		if _, _, err := e.ListFlows(t.Context(), 10, cursor); !errcode.Is(err, errcode.Malformed) {
			t.Errorf("cursor %q of flows: %v", cursor, err)
		}
	}
}
