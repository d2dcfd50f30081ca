package table

import (
	"fmt"
	"io"
	"slices"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// EncodeOptions says how a table is written. The zero value is the default of every form.
type EncodeOptions struct {
	Metadata      map[string]string // Parquet, Arrow: key-values of the file (sha256 of the input, decoder, …)
	Int64AsString bool              // JSON, NDJSON: 64-bit integers as strings
	BOM           bool              // CSV: begin with a byte-order mark
	ExcelSafe     bool              // CSV: a cell that a spreadsheet would take for a formula gets a leading '
	Temp          string            // XLSX: folder for what is gathered before the first byte is written, "" = the system's
}

// Encoder writes the batches of one table in one form.
type Encoder interface {
	// Write writes a batch that CheckBatch accepts. It keeps nothing of it.
	Write(b *Batch) error
	// Close completes the form. It does not close the underlying writer. A table of which nothing was written is
	// complete in every form too: a header, an empty array, a file without rows.
	Close() error
}

// Discard ends an encoder that is not closed, as the table cannot be completed. An encoder may hold files.
func Discard(e Encoder) {
	if d, ok := e.(interface{ discard() }); ok {
		d.discard()
	}
}

// ExportFormats lists the forms that NewEncoder knows.
func ExportFormats() []Format { return append(Formats(), XLSX) }

// ParseExportFormat gives the form of a name, of all that NewEncoder knows.
func ParseExportFormat(name string) (Format, bool) {
	f := Format(name)
	return f, slices.Contains(ExportFormats(), f)
}

// Formats lists the forms that are written as they come, so that a worker can write them, which has no folder.
func Formats() []Format { return []Format{Parquet, NDJSON, CSV, JSON, Arrow} }

// ParseFormat gives the form of a name, of those that are written as they come.
func ParseFormat(name string) (Format, bool) {
	f := Format(name)
	return f, slices.Contains(Formats(), f)
}

// MediaType gives the media type of the form.
func (f Format) MediaType() string {
	switch f {
	case Parquet:
		return "application/vnd.apache.parquet"
	case NDJSON:
		return "application/x-ndjson"
	case CSV:
		return "text/csv; charset=utf-8; header=present"
	case JSON:
		return "application/json"
	case Arrow:
		return "application/vnd.apache.arrow.stream"
	case XLSX:
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	}
	return "application/octet-stream"
}

// NewEncoder returns an encoder of table s in form f onto w. Writes to w are large; it needs no buffer of its own. Who
// does not close the encoder calls Discard.
func NewEncoder(f Format, w io.Writer, s *Schema, opt EncodeOptions) (Encoder, error) {
	switch f {
	case Parquet:
		return newParquetEncoder(w, s, opt), nil
	case NDJSON, JSON:
		return newJSONEncoder(f, w, s, opt), nil
	case CSV:
		return newCSVEncoder(w, s, opt), nil
	case Arrow:
		return newArrowEncoder(w, s, opt)
	case XLSX:
		return newXLSXEncoder(w, s, opt)
	}
	return nil, errcode.Invalid("format", "%q is not one of parquet, ndjson, csv, json, arrow, xlsx", f)
}

// textChunk is how much text an encoder gathers before it writes.
const textChunk = 64 << 10

// textWriter gathers text and writes it in large pieces. The first error stays.
type textWriter struct {
	w   io.Writer
	buf []byte
	err error
}

// flush writes what was gathered once it is at least that long.
func (t *textWriter) flush(least int) error {
	if t.err == nil && len(t.buf) > 0 && len(t.buf) >= least {
		if _, err := t.w.Write(t.buf); err != nil {
			t.err = fmt.Errorf("write table: %w", err)
		}
		t.buf = t.buf[:0]
	}
	return t.err
}
