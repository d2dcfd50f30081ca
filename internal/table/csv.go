package table

import "io"

// csvEncoder writes CSV after RFC 4180, with a header and LF line ends. A null is an empty cell, an empty text is "".
type csvEncoder struct {
	text   textWriter
	schema *Schema
	safe   bool
	cell   []byte
}

func newCSVEncoder(w io.Writer, s *Schema, opt EncodeOptions) *csvEncoder {
	e := &csvEncoder{text: textWriter{w: w}, schema: s, safe: opt.ExcelSafe}
	if opt.BOM {
		e.text.buf = append(e.text.buf, 0xEF, 0xBB, 0xBF)
	}
	for i := range s.Columns {
		if i > 0 {
			e.text.buf = append(e.text.buf, ',')
		}
		e.text.buf = append(e.text.buf, s.Columns[i].Name...)
	}
	e.text.buf = append(e.text.buf, '\n')
	return e
}

// Write implements Encoder.
func (e *csvEncoder) Write(b *Batch) error {
	for i := range b.Rows {
		for j := range e.schema.Columns {
			if j > 0 {
				e.text.buf = append(e.text.buf, ',')
			}
			if v := &b.Columns[j]; v.Valid(i) {
				e.appendCell(&e.schema.Columns[j], v, i)
			}
		}
		e.text.buf = append(e.text.buf, '\n')
		if err := e.text.flush(textChunk); err != nil {
			return err
		}
	}
	return nil
}

func (e *csvEncoder) appendCell(c *Column, v *Vector, i int) {
	if !c.Type.text() && (c.Type != Bin || len(v.Bytes(i)) > 0) {
		// Digits, hex and times never need quotes, and are no formula: a leading minus is a number's.
		e.text.buf = appendPlain(e.text.buf, c, v, i)
		return
	}
	e.cell = appendPlain(e.cell[:0], c, v, i)
	e.text.buf = appendCSV(e.text.buf, e.cell, e.safe)
}

// appendCSV appends a cell of text, quoted where RFC 4180 asks for it.
func appendCSV(dst, cell []byte, safe bool) []byte {
	if safe && len(cell) > 0 {
		switch cell[0] {
		case '=', '+', '-', '@', '\t', '\r':
			dst = append(dst, '"', '\'')
			return appendQuoted(dst, cell)
		}
	}
	quote := len(cell) == 0
	for _, c := range cell {
		if c == ',' || c == '"' || c == '\n' || c == '\r' {
			quote = true
			break
		}
	}
	if !quote {
		return append(dst, cell...)
	}
	return appendQuoted(append(dst, '"'), cell)
}

// appendQuoted appends the inside of a quoted cell and its closing quote.
func appendQuoted(dst, cell []byte) []byte {
	for _, c := range cell {
		if c == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

// Close implements Encoder.
func (e *csvEncoder) Close() error { return e.text.flush(0) }
