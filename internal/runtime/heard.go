package runtime

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

const (
	// maxHeard bounds a message of a decode, and the schemas that it declares together: the JSON of as much as a guest may
	// declare, with every character escaped.
	maxHeard = 8 * abi.MaxManifestBytes
	// maxReason bounds what a worker gives as a reason, in bytes; a good one's is at most three times a guest's text.
	maxReason = 16 << 10
	// maxEntryName bounds the path of an archive's entry, as package archive does.
	maxEntryName = 1024
	// logSlack is what the log of a decode may have beyond its limit: the line that says that it ends.
	logSlack = 1 << 10
	// maxRows bounds the rows of a table, so that the sums of all of them stay numbers.
	maxRows = 1 << 48
)

// heard is what a worker has said in one decode. A guest that has taken over its worker can say anything: a worker of
// ours counts and checks all this itself, so one that goes beyond has its process ended.
type heard struct {
	opened   map[int]bool // tables whose files were passed
	declared int          // bytes of schemas
	logged   int64        // as the worker counts them
}

// open notes that the files of tables are asked for, each once.
func (h *heard) open(indexes []int) error {
	if len(indexes) == 0 || len(indexes) > wire.MaxFiles {
		return fmt.Errorf("open %d tables: %w", len(indexes), wire.ErrProtocol)
	}
	if h.opened == nil {
		h.opened = map[int]bool{}
	}
	for _, i := range indexes {
		if h.opened[i] {
			return fmt.Errorf("open table %d again: %w", i, wire.ErrProtocol)
		}
		h.opened[i] = true
	}
	return nil
}

// log notes a line of the decoder and gives its level.
func (h *heard) log(l *wire.Log, limit int64) (slog.Level, error) {
	if h.logged += int64(len(l.Text)) + wire.LogLine; h.logged > limit+logSlack {
		return 0, fmt.Errorf("log of %d bytes: %w", h.logged, wire.ErrProtocol)
	}
	return slog.Level(min(max(l.Level, int(slog.LevelInfo)), int(slog.LevelError))), nil
}

// declare takes a table that the guest declared.
func (a *attempt) declare(d *wire.Declare, size int) error {
	a.heard.declared += size
	switch {
	case d.Schema == nil, d.Index != len(a.declared), d.Index >= abi.MaxTables, a.heard.declared > maxHeard,
		d.Schema.Validate() != nil, d.Schema.Name == abi.ReservedTable,
		slices.ContainsFunc(a.declared, func(s *table.Schema) bool { return s.Name == d.Schema.Name }):
		return fmt.Errorf("declared table: %w", wire.ErrProtocol)
	}
	a.declared = append(a.declared, a.req.schemas(d.Schema)...)
	return nil
}

// end takes the end of a decode, as far as its numbers can be true.
func (a *attempt) end(m *wire.Message) error {
	var d wire.Done
	if err := m.Decode(&d); err != nil {
		return err //nolint:wrapcheck // says what it is
	}
	if d.Read < 0 || d.Read > a.req.Size || min(d.Infos, d.Warnings, d.Errors) < 0 {
		return fmt.Errorf("end of decode: %w", wire.ErrProtocol)
	}
	seen := map[int]bool{}
	for _, c := range d.Tables {
		if seen[c.Index] || a.schema(c.Index) == nil || c.Rows < 0 || c.Rows > maxRows || c.Bytes < 0 {
			return fmt.Errorf("end of decode: table %d: %w", c.Index, wire.ErrProtocol)
		}
		seen[c.Index] = true
	}
	if err := a.believe(d.Verdict); err != nil {
		return err
	}
	if d.Failed != nil {
		d.Failed.Message = clip(d.Failed.Message)
	}
	a.done = d
	return nil
}

// believe checks a verdict, and cuts its reason.
func (a *attempt) believe(v *wire.Verdict) error {
	if v == nil {
		return nil
	}
	cut := a.req.Cut != nil && v.Code == a.req.Cut.Code
	if !cut && !workersVerdict(v.Code) || v.Offset != nil && *v.Offset < 0 {
		return fmt.Errorf("verdict %.80q: %w", v.Code, wire.ErrProtocol)
	}
	v.Message = clip(v.Message)
	return nil
}

// workersVerdict reports whether a code is one that a worker can come to by itself.
func workersVerdict(c errcode.Code) bool {
	return slices.Contains([]errcode.Code{
		errcode.UnknownFormat, errcode.Truncated, errcode.CorruptRecord, errcode.Unsupported, errcode.Trap,
		errcode.ABIViolation, errcode.MemoryLimit, errcode.OutputLimit, errcode.TableLimit,
	}, c)
}

// believeUnpacked checks what an unpack worker answers, but for the sizes, and cuts its reasons. Hashes become names of
// results, and names are shown.
func believeUnpacked(a *wire.Unpacked) error {
	broken := func(what string) error { return fmt.Errorf("unpack: %s: %w", what, wire.ErrProtocol) }
	if !slices.Contains([]string{"", "gzip", "zstd", "zip", "tar"}, a.Wrapped) || min(a.Written, int64(a.Hidden)) < 0 {
		return broken("kind or counts")
	}
	for i := range a.Parts {
		if p := &a.Parts[i]; len(p.Name) > maxEntryName || !utf8.ValidString(p.Name) || !isSHA256(p.SHA256) {
			return broken("entry")
		}
	}
	if len(a.Damage) > 2*MaxParts {
		return broken("damage")
	}
	for i := range a.Damage {
		d := &a.Damage[i]
		if !workersVerdict(d.Code) || d.At < 0 {
			return broken("damage")
		}
		d.Message = clip(d.Message)
	}
	if r := a.Refused; r != nil {
		if !workersVerdict(r.Code) {
			return broken("refusal")
		}
		r.Message = clip(r.Message)
	}
	return nil
}

// isSHA256 reports whether s is the hash of something, as hex.
func isSHA256(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// clip cuts what a worker gives as a reason.
func clip(s string) string {
	if len(s) <= maxReason {
		return s
	}
	return strings.ToValidUTF8(s[:maxReason], "") + " …"
}
