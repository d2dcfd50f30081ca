package table

import "io"

// jsonEncoder writes NDJSON (an object a line) and JSON (an array of objects, an object a line).
type jsonEncoder struct {
	text   textWriter
	schema *Schema
	form   jsonForm
	keys   [][]byte // `{"seq":`, `,"offset":`, …
	array  bool
	rows   int64
}

func newJSONEncoder(f Format, w io.Writer, s *Schema, opt EncodeOptions) *jsonEncoder {
	e := &jsonEncoder{
		text: textWriter{w: w}, schema: s, array: f == JSON,
		form: jsonForm{int64AsString: opt.Int64AsString}, keys: make([][]byte, len(s.Columns)),
	}
	for i := range s.Columns {
		open := byte(',')
		if i == 0 {
			open = '{'
		}
		e.keys[i] = append(appendJSONString([]byte{open}, s.Columns[i].Name), ':')
	}
	return e
}

// Write implements Encoder.
func (e *jsonEncoder) Write(b *Batch) error {
	for i := range b.Rows {
		e.separate()
		p := e.text.buf
		for j := range e.schema.Columns {
			p = append(p, e.keys[j]...)
			p = e.form.appendJSON(p, &e.schema.Columns[j], &b.Columns[j], i)
		}
		p = append(p, '}')
		e.text.buf = p
		if !e.array {
			e.text.buf = append(e.text.buf, '\n')
		}
		if err := e.text.flush(textChunk); err != nil {
			return err
		}
	}
	return nil
}

// separate writes what stands before a row of an array.
func (e *jsonEncoder) separate() {
	if e.array {
		if e.rows == 0 {
			e.text.buf = append(e.text.buf, '[', '\n')
		} else {
			e.text.buf = append(e.text.buf, ',', '\n')
		}
	}
	e.rows++
}

// Close implements Encoder.
func (e *jsonEncoder) Close() error {
	if e.array {
		if e.rows == 0 {
			e.text.buf = append(e.text.buf, '[')
		}
		e.text.buf = append(e.text.buf, '\n', ']', '\n')
	}
	return e.text.flush(0)
}
