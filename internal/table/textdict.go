package table

// textDict numbers the distinct texts of a column chunk.
type textDict struct {
	slots  map[string]int32
	data   []byte
	ends   []uint32
	closed bool // full: the pages written keep it, later values stand in their pages
}

// slot gives the number of a text, false if there is no room for it.
func (d *textDict) slot(b []byte) (int32, bool) {
	if d.closed {
		return 0, false
	}
	if n, ok := d.slots[string(b)]; ok {
		return n, true
	}
	if len(d.ends) == maxDictLen || len(d.data)+len(b) > maxDictBytes {
		return 0, false
	}
	n := int32(len(d.ends))
	d.slots[string(b)] = n
	d.data = append(d.data, b...)
	d.ends = append(d.ends, uint32(len(d.data)))
	return n, true
}

// text gives the text of a number.
func (d *textDict) text(n int32) []byte {
	start := uint32(0)
	if n > 0 {
		start = d.ends[n-1]
	}
	return d.data[start:d.ends[n]]
}

// pays reports whether the dictionary is worth its page for that many values.
func (d *textDict) pays(values int) bool { return 2*len(d.ends) <= values }
