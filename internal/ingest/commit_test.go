package ingest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/table"
)

// many makes files that are archives, with names of the longest kind.
func many(n int, name string) []string {
	var out []string
	for i := range n {
		one := fmt.Sprintf("%03d", i) + name
		out = append(out, fmt.Sprintf("%s=wrapped %d", one[:min(len(one), 255)], i))
	}
	return out
}

// fileBytes is what the configuration counts for a file found inside another, without the list of its parts.
const fileBytes = 2560

// TestChildrenOfOneCommitFitIt: as many as may be found, with names and lists of parts as long as may be, and a decoder
// that no record knows yet.
func TestChildrenOfOneCommitFitIt(t *testing.T) {
	const most = 200 // the default of decode.max_children, with the smallest store.memtable
	long := func(s string) string { return strings.Repeat(s, 255) }
	for name, tc := range map[string]struct {
		names   string
		failure *catalog.Failure
	}{
		"plain":  {names: long("x")},
		"markup": {names: long("<")},
		"quotes": {names: long(`"`)},
		"failed": {long(`"`), &catalog.Failure{Code: errcode.Unsupported, Message: strings.Repeat(long(`"`), 10)}},
	} {
		x := setup(t)
		var parts []catalog.Part
		for i := range 50 {
			parts = append(parts, catalog.Part{Name: fmt.Sprintf("%02d", i) + tc.names[:253], Size: 1 << 40, SHA256: strings.Repeat("a", 64)})
		}
		match := toy
		match.Plugin.SHA256, match.Plugin.Tables = strings.Repeat("cd", 32), nil
		for i := range 100 {
			match.Plugin.Tables = append(match.Plugin.Tables, &table.Schema{
				Name: fmt.Sprint("t", i), Columns: []table.Column{{Name: "seq", Type: table.I64}},
			})
		}
		x.Wrapping = &parcels{inside: Inside{Wrapped: "zip", Parts: parts, Match: match, Known: true, Failure: tc.failure}}
		u := upload("box", "toy box")
		u.Params = map[string]string{"timezone": "America/Argentina/ComodRivadavia"}
		x.trace = queue.Trace{RequestID: long("r")[:128], CorrelationID: long("c")[:128], TraceID: long("t")[:32]}
		ids := x.take(x.accept(u), many(most, tc.names)...)
		if len(ids) != most || x.staged > most*fileBytes+childPartsSum {
			t.Fatalf("%s: %d files, %d bytes", name, len(ids), x.staged)
		}
		t.Logf("%s: %d bytes, %d a file", name, x.staged, (x.staged-childPartsSum)/most)
		listed := 0
		for i, id := range ids {
			f, err := x.Catalog.File(t.Context(), id)
			if err != nil || f.PartCount != len(parts) || i == 0 && len(f.Parts) == 0 || !slices.Equal(f.Parts, parts[:len(f.Parts)]) {
				t.Fatalf("%s: file %d with %d of %d parts, %v", name, i, len(f.Parts), f.PartCount, err)
			}
			listed += len(f.Parts)
		}
		if listed == 0 || listed == most*len(parts) {
			t.Errorf("%s: %d parts are recorded", name, listed)
		}
	}
}
