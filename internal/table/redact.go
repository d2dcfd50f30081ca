package table

// Redacted stands in a result where the text of a sensitive column would be.
const Redacted = "***REDACTED***"

// Redactor blanks the sensitive columns of batches. It is the only place that does so; encoders write what they get.
// A Redactor serves one goroutine.
type Redactor struct {
	schema *Schema
	out    Batch
	hide   []int
}

// NewRedactor returns the redactor of a schema's sensitive columns.
func NewRedactor(s *Schema) *Redactor {
	r := &Redactor{schema: s}
	for i := range s.Columns {
		if s.Columns[i].Sensitive {
			r.hide = append(r.hide, i)
		}
	}
	if len(r.hide) == 0 {
		return r
	}
	c := *s
	c.Columns = append([]Column(nil), s.Columns...)
	for _, i := range r.hide {
		if c.Columns[i].Type != UTF8 {
			c.Columns[i].Nullable = true
		}
	}
	r.schema = &c
	return r
}

// Schema is the schema of the batches that Apply gives: sensitive columns other than text are nullable there.
func (r *Redactor) Schema() *Schema { return r.schema }

// Apply gives the batch with every sensitive text replaced by Redacted and every other sensitive value by null. It
// is valid until the next Apply; b itself is not changed, and is returned as it is if nothing is sensitive.
func (r *Redactor) Apply(b *Batch) *Batch {
	if len(r.hide) == 0 {
		return b
	}
	r.out.Rows = b.Rows
	r.out.Columns = append(r.out.Columns[:0], b.Columns...)
	for _, i := range r.hide {
		t := r.schema.Columns[i].Type
		if t == UTF8 {
			r.out.Columns[i] = redactText(&b.Columns[i], b.Rows)
			continue
		}
		v := Vector{Data: make([]byte, b.Rows*t.Width()), Validity: make([]byte, (b.Rows+7)/8)}
		if t == Bin {
			v.Offsets = make([]uint32, b.Rows+1)
		}
		r.out.Columns[i] = v
	}
	return &r.out
}

func redactText(v *Vector, rows int) Vector {
	out := Vector{Offsets: make([]uint32, rows+1), Validity: v.Validity, Data: make([]byte, 0, rows*len(Redacted))}
	for i := range rows {
		if v.Valid(i) {
			out.Data = append(out.Data, Redacted...)
		}
		out.Offsets[i+1] = uint32(len(out.Data))
	}
	return out
}
