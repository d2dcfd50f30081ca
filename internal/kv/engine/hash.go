package engine

// hash is a hash of fields: while it is small its fields and values are packed in the order they came, beyond that they
// are in a table. It does not become small again, as in Redis.
type hash struct {
	account
	e    *Engine
	pack packed // field, value, field, value
	dict *dict[[]byte]
	heap int64 // bytes of the fields and values in the table
}

const (
	hashBytes     = 64
	hashNodeBytes = 48 // node[[]byte]
)

func newHash(e *Engine) *hash { return &hash{e: e} }

func (h *hash) kind() Kind  { return KindHash }
func (h *hash) empty() bool { return h.len() == 0 }

func (h *hash) bytes() int64 {
	if h.dict == nil {
		return hashBytes + sizeClass(cap(h.pack.buf))
	}
	return hashBytes + h.heap + int64(h.dict.len())*hashNodeBytes + h.dict.tableBytes()
}

func (h *hash) encoding(*Encodings) string {
	if h.dict == nil {
		return "listpack"
	}
	return "hashtable"
}

func (h *hash) clone() object {
	c := newHash(h.e)
	if h.dict == nil {
		c.pack = h.pack.clone()
		return c
	}
	c.expand()
	for field, value := range h.each {
		c.set([]byte(field), value)
	}
	return c
}

func (h *hash) rewrite(key []byte, emit func(args [][]byte)) {
	p := newParts("HSET", key, emit)
	for field, value := range h.each {
		p.add([]byte(field), value)
	}
	p.end()
}

func (h *hash) len() int {
	if h.dict != nil {
		return h.dict.len()
	}
	return h.pack.n / 2
}

// expand makes a small hash a large one.
func (h *hash) expand() {
	small := h.pack
	h.dict, h.pack = newDict[[]byte](h.e.seed), packed{}
	for i := 0; i < len(small.buf); {
		field, next := small.at(i)
		value, after := small.at(next)
		h.set(field, value)
		i = after
	}
}

// fits says whether all of some fields and values are short enough for a small hash.
func (h *hash) fits(list ...[]byte) bool {
	for _, b := range list {
		if len(b) > h.e.limits.HashValue {
			return false
		}
	}
	return true
}

// get gives the value of a field, valid until the hash changes.
func (h *hash) get(field []byte) (value []byte, ok bool) {
	if h.dict != nil {
		n := h.dict.find(field)
		if n == nil {
			return nil, false
		}
		return n.val, true
	}
	_, at := h.pack.find(field, 2)
	if at < 0 {
		return nil, false
	}
	value, _ = h.pack.at(at)
	return value, true
}

// set gives a field a value, which is copied.
func (h *hash) set(field, value []byte) (added bool) {
	if h.dict == nil && !h.fits(field, value) {
		h.expand()
	}
	if h.dict != nil {
		return h.setLarge(field, value)
	}
	if _, at := h.pack.find(field, 2); at >= 0 {
		_, end := h.pack.at(at)
		h.pack.set(at, end, value)
		return false
	}
	h.pack.add(field)
	h.pack.add(value)
	if h.len() > h.e.limits.HashEntries {
		h.expand()
	}
	return true
}

func (h *hash) setLarge(field, value []byte) (added bool) {
	n, added := h.dict.add(field)
	if added {
		h.heap += sizeClass(len(field))
	}
	h.heap -= sizeClass(cap(n.val))
	if cap(n.val) >= len(value) && cap(n.val) <= 2*len(value)+16 {
		n.val = append(n.val[:0], value...)
	} else {
		n.val = copied(value)
	}
	h.heap += sizeClass(cap(n.val))
	return added
}

// remove takes a field out; false if it is not there.
func (h *hash) remove(field []byte) bool {
	if h.dict != nil {
		n := h.dict.remove(field)
		if n == nil {
			return false
		}
		h.heap -= sizeClass(len(n.key())) + sizeClass(cap(n.val))
		return true
	}
	from, at := h.pack.find(field, 2)
	if from < 0 {
		return false
	}
	_, end := h.pack.at(at)
	h.pack.cut(from, end, 2)
	return true
}

// each gives the fields with their values, those of a small hash in the order they came. They are valid until the hash
// changes, and it must not meanwhile.
func (h *hash) each(yield func(field string, value []byte) bool) {
	if h.dict != nil {
		for n := range h.dict.all() {
			if !yield(n.key(), n.val) {
				return
			}
		}
		return
	}
	for i := 0; i < len(h.pack.buf); {
		field, next := h.pack.at(i)
		value, after := h.pack.at(next)
		if !yield(view(field), value) {
			return
		}
		i = after
	}
}

// hashPair is a field with its value, valid until the hash changes.
type hashPair struct {
	field string
	value []byte
}

// random gives one of the fields, each with the same chance.
func (h *hash) random() hashPair {
	if h.dict != nil {
		n := h.dict.fair(h.e.pick)
		return hashPair{n.key(), n.val}
	}
	field, at := h.pack.nth(2 * int(h.e.pick(uint32(h.len()))))
	value, _ := h.pack.at(at)
	return hashPair{view(field), value}
}

// sample gives n different fields, any with the same chance as others.
func (h *hash) sample(n int) []hashPair {
	var list []hashPair
	if h.dict != nil && n < h.len() {
		for _, n := range h.dict.sample(n, h.e.pick) {
			list = append(list, hashPair{n.key(), n.val})
		}
		return list
	}
	for field, value := range h.each {
		list = append(list, hashPair{field, value})
	}
	if n < len(list) {
		draw(list, n, h.e.pick)
	}
	return list[:n]
}

// draw puts n elements that were picked at random in front of the others.
func draw[T any](list []T, n int, pick func(n uint32) uint32) {
	for i := range n {
		j := i + int(pick(uint32(len(list)-i)))
		list[i], list[j] = list[j], list[i]
	}
}
