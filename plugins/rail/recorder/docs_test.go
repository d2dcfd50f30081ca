package recorder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/plugins/rail/eurobalise"
	"github.com/wayside-edge/wayside/plugins/rail/telegramlist"
)

// TestDocsNameEverything holds docs/rail.md against the manifest and the codes.
func TestDocsNameEverything(t *testing.T) {
	b, err := os.ReadFile(filepath.FromSlash("../../../docs/rail.md"))
	if err != nil {
		t.Fatal(err)
	}
	docs := string(b)
	for _, tab := range Plugin().Manifest().Tables {
		if !strings.Contains(docs, "| `"+tab.Name+"` |") {
			t.Errorf("table %s is not described", tab.Name)
		}
	}
	for _, code := range []string{
		codeTruncated, codeCorrupt, codeBadLength, codeBadTime, codeNoLayout, codeIncomplete, codeStale, codeReordered, codeVersion,
		codeUnknown, codeMismatch, codeNoEnd, string(eurobalise.Parity), string(eurobalise.Sync), string(eurobalise.Alphabet),
		string(eurobalise.Control), string(eurobalise.BadLength), telegramlist.BadLine, telegramlist.BadLength,
	} {
		if !strings.Contains(docs, "`"+code+"`") {
			t.Errorf("issue %s is not described", code)
		}
	}
}
