package table

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// Limits of a schema.
const (
	MaxColumns   = 4096 // columns of a table
	MaxNameBytes = 63   // of a table's or column's name
	maxLabels    = 1 << 16
)

// pow10 holds the powers of ten that fit in an int64.
var pow10 = [...]int64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
}

// Digits gives the decimal digits that a Dec32 or Dec64 holds, 0 for other types.
func (t Type) Digits() int {
	switch t {
	case Dec32:
		return 9
	case Dec64:
		return 18
	default:
		return 0
	}
}

// varlen reports whether values have a length each.
func (t Type) varlen() bool { return t == UTF8 || t == Bin }

// enum reports whether values are codes of labels.
func (t Type) enum() bool { return t == Enum8 || t == Enum16 }

// text reports whether values read as text in queries.
func (t Type) text() bool { return t == UTF8 || t.enum() }

// ValidName reports whether name may name a table or a column.
func ValidName(name string) bool {
	if name == "" || len(name) > MaxNameBytes || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	for i := 1; i < len(name); i++ {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// Validate reports the first thing wrong with the schema, as ValidationFailed. It does not judge units.
func (s *Schema) Validate() error {
	if !ValidName(s.Name) {
		return errcode.Invalid("name", "table name %.80q is not of the form [a-z][a-z0-9_]{0,62}", s.Name)
	}
	if len(s.Columns) == 0 || len(s.Columns) > MaxColumns {
		return errcode.Invalid("columns", "table %s has %d columns, allowed are 1 to %d", s.Name, len(s.Columns), MaxColumns)
	}
	seen := make(map[string]struct{}, len(s.Columns))
	for i := range s.Columns {
		c := &s.Columns[i]
		if !ValidName(c.Name) {
			return errcode.Invalid("columns", "table %s: column name %.80q is not of the form [a-z][a-z0-9_]{0,62}", s.Name, c.Name)
		}
		if _, dup := seen[c.Name]; dup {
			return errcode.Invalid("columns", "table %s: column %s appears twice", s.Name, c.Name)
		}
		seen[c.Name] = struct{}{}
		if msg := c.problem(); msg != "" {
			return errcode.Invalid("columns", "table %s: column %s: %s", s.Name, c.Name, msg)
		}
	}
	return s.validateRows(seen)
}

// problem says what is wrong with the column's type and attributes, "" if nothing.
func (c *Column) problem() string {
	if int(c.Type) >= len(typeNames) || typeNames[c.Type] == "" {
		return "unknown type"
	}
	if c.Scale < 0 || c.Scale > c.Type.Digits() {
		return fmt.Sprintf("scale %d is not possible for %s", c.Scale, c.Type)
	}
	if c.Naive && c.Type != TSus && c.Type != TSns {
		return "only timestamps can be naive"
	}
	if len(c.Labels) == 0 {
		return ""
	}
	switch most := maxLabels; {
	case !c.Type.enum():
		return "only enums have labels"
	case c.Type == Enum8 && len(c.Labels) > 256, len(c.Labels) > most:
		return fmt.Sprintf("%d labels are too many for %s", len(c.Labels), c.Type)
	}
	for i, l := range c.Labels {
		if !utf8.ValidString(l) {
			return fmt.Sprintf("label %d is not UTF-8", i)
		}
	}
	return ""
}

// validateRows checks the descriptions of a row's bytes.
func (s *Schema) validateRows(names map[string]struct{}) error {
	if r := s.RowLength; r != nil && r.Column != "" {
		if _, ok := names[r.Column]; !ok {
			return errcode.Invalid("row_length", "table %s has no column %.80q", s.Name, r.Column)
		}
	}
	for i := range s.Layouts {
		for name := range s.Layouts[i].When {
			if _, ok := names[name]; !ok {
				return errcode.Invalid("layouts", "table %s has no column %.80q", s.Name, name)
			}
		}
		for _, f := range s.Layouts[i].Fields {
			if f.At < 0 || f.Length < 0 {
				return errcode.Invalid("layouts", "table %s: field %.80q lies at %d with length %d", s.Name, f.Name, f.At, f.Length)
			}
		}
	}
	return nil
}

// CheckBatch validates a batch that came from an untrusted producer. After it returned nil, encoders can take the
// batch without looking again. The error names the column and says why; it is an ABIViolation.
func (s *Schema) CheckBatch(b *Batch) error {
	if b.Rows < 0 {
		return errcode.Newf(errcode.ABIViolation, "table %s: batch has %d rows", s.Name, b.Rows)
	}
	if len(b.Columns) != len(s.Columns) {
		return errcode.Newf(errcode.ABIViolation, "table %s: batch has %d columns, the schema has %d", s.Name, len(b.Columns), len(s.Columns))
	}
	for i := range s.Columns {
		if msg := s.Columns[i].checkVector(&b.Columns[i], b.Rows); msg != "" {
			return errcode.Newf(errcode.ABIViolation, "table %s: column %s: %s", s.Name, s.Columns[i].Name, msg)
		}
	}
	return nil
}

// checkVector says what is wrong with a column's values, "" if nothing.
func (c *Column) checkVector(v *Vector, rows int) string {
	if v.Validity != nil {
		if !c.Nullable {
			return "has a validity bitmap but is not nullable"
		}
		if need := (rows + 7) / 8; len(v.Validity) < need {
			return fmt.Sprintf("validity has %d bytes, needs %d", len(v.Validity), need)
		}
	}
	if c.Type.varlen() {
		return c.checkBytes(v, rows)
	}
	if len(v.Offsets) != 0 {
		return "has offsets but a fixed width"
	}
	if want := rows * c.Type.Width(); len(v.Data) != want {
		return fmt.Sprintf("has %d bytes of data, needs %d", len(v.Data), want)
	}
	switch c.Type {
	case Bool:
		return checkBools(v, rows)
	case Dec32, Dec64:
		return c.checkDecimals(v, rows)
	default:
		return ""
	}
}

func checkBools(v *Vector, rows int) string {
	for i, b := range v.Data[:rows] {
		if b > 1 && v.Valid(i) {
			return fmt.Sprintf("row %d: bool is %d", i, b)
		}
	}
	return ""
}

func (c *Column) checkDecimals(v *Vector, rows int) string {
	limit := pow10[c.Type.Digits()]
	for i := range rows {
		if x := v.Int(c.Type, i); (x <= -limit || x >= limit) && v.Valid(i) {
			return fmt.Sprintf("row %d: %d has more than %d digits", i, x, c.Type.Digits())
		}
	}
	return ""
}

func (c *Column) checkBytes(v *Vector, rows int) string {
	o := v.Offsets
	if len(o) != rows+1 {
		return fmt.Sprintf("has %d offsets, needs %d", len(o), rows+1)
	}
	if o[0] != 0 {
		return fmt.Sprintf("offsets start at %d, not 0", o[0])
	}
	if int64(o[rows]) != int64(len(v.Data)) {
		return fmt.Sprintf("offsets end at %d, the data at %d", o[rows], len(v.Data))
	}
	prev := uint32(0)
	for i, x := range o {
		if x < prev {
			return fmt.Sprintf("offset %d decreases from %d to %d", i, prev, x)
		}
		prev = x
	}
	if c.Type == UTF8 {
		return checkText(v, rows)
	}
	return ""
}

// checkText looks at the whole data at once: valid UTF-8 that is cut only between characters is valid in every row.
// Row by row is the slow way, needed only when a null's place holds anything else.
func checkText(v *Vector, rows int) string {
	if utf8.Valid(v.Data) {
		cut := false
		for _, x := range v.Offsets {
			if int(x) < len(v.Data) && v.Data[x]&0xC0 == 0x80 {
				cut = true
				break
			}
		}
		if !cut {
			return ""
		}
	}
	for i := range rows {
		if v.Valid(i) && !utf8.Valid(v.Bytes(i)) {
			return fmt.Sprintf("row %d is not UTF-8", i)
		}
	}
	return ""
}

// Bytes gives the bytes of row i of a UTF8 or Bin vector.
func (v *Vector) Bytes(i int) []byte { return v.Data[v.Offsets[i]:v.Offsets[i+1]] }

// Int gives row i of a fixed-width vector of type t, sign-extended where t is signed. Floats are their bits.
func (v *Vector) Int(t Type, i int) int64 {
	switch t {
	case Bool, U8, Enum8:
		return int64(v.Data[i])
	case I8:
		return int64(int8(v.Data[i]))
	case U16, Enum16:
		return int64(binary.LittleEndian.Uint16(v.Data[2*i:]))
	case I16:
		return int64(int16(binary.LittleEndian.Uint16(v.Data[2*i:])))
	case U32, F32:
		return int64(binary.LittleEndian.Uint32(v.Data[4*i:]))
	case I32, Dec32:
		return int64(int32(binary.LittleEndian.Uint32(v.Data[4*i:])))
	default:
		return int64(binary.LittleEndian.Uint64(v.Data[8*i:]))
	}
}

// nulls counts the nulls among the first rows.
func (v *Vector) nulls(rows int) int {
	if v.Validity == nil {
		return 0
	}
	valid := 0
	for _, b := range v.Validity[:rows/8] {
		valid += bits.OnesCount8(b)
	}
	if rest := rows & 7; rest != 0 {
		valid += bits.OnesCount8(v.Validity[rows/8] & (1<<rest - 1))
	}
	return rows - valid
}
