package table

import "encoding/binary"

// enumDict numbers the distinct texts of an enum column in the order they are first needed. Two codes with the same
// label share a number, as dictionaries of columnar forms want their entries distinct.
type enumDict struct {
	col    *Column
	texts  []string
	byText map[string]uint32
	byCode []uint32 // number + 1 of a code, 0 = not met yet
}

func newEnumDict(c *Column) enumDict {
	return enumDict{col: c, byText: make(map[string]uint32, len(c.Labels))}
}

// slot gives the number of a code's text, adding it if it is new.
func (d *enumDict) slot(code int64) uint32 {
	if code < int64(len(d.byCode)) && d.byCode[code] != 0 {
		return d.byCode[code] - 1
	}
	return d.add(code)
}

// appendSlots appends the numbers of some rows' texts.
func (d *enumDict) appendSlots(dst []int32, v *Vector, from, to int) []int32 {
	if d.col.Type == Enum8 {
		for _, x := range v.Data[from:to] {
			dst = append(dst, int32(d.slot(int64(x))))
		}
		return dst
	}
	for b := v.Data[2*from : 2*to]; len(b) >= 2; b = b[2:] {
		dst = append(dst, int32(d.slot(int64(binary.LittleEndian.Uint16(b)))))
	}
	return dst
}

func (d *enumDict) add(code int64) uint32 {
	text := d.col.label(code)
	n, ok := d.byText[text]
	if !ok {
		n = uint32(len(d.texts))
		d.texts = append(d.texts, text)
		d.byText[text] = n
	}
	if grow := int(code) + 1 - len(d.byCode); grow > 0 {
		d.byCode = append(d.byCode, make([]uint32, grow)...)
	}
	d.byCode[code] = n + 1
	return n
}

// enumCodes finds the code of an enum's text: the first with that label, else the number that stands for itself.
type enumCodes map[string]int64

func newEnumCodes(c *Column) enumCodes {
	m := make(enumCodes, len(c.Labels))
	for i, l := range c.Labels {
		if _, dup := m[l]; !dup && l != "" {
			m[l] = int64(i)
		}
	}
	return m
}

// find gives the code of a text that label made.
func (m enumCodes) find(t Type, text string) (int64, bool) {
	if code, ok := m[text]; ok {
		return code, true
	}
	return parseCode(t, text)
}

// parseCode reads a code in canonical decimal form.
func parseCode(t Type, text string) (int64, bool) {
	if text == "" || len(text) > 5 || (text[0] == '0' && len(text) > 1) {
		return 0, false
	}
	n := int64(0)
	for i := range len(text) {
		c := text[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, n < 1<<(8*t.Width())
}
