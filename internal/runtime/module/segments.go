package module

// Flags of a segment.
const (
	segPassive = 1 // not copied when an instance is made; elements with segIndexed are only declared
	segIndexed = 2 // names its table or memory, or what its elements are
	segByCode  = 4 // elements are expressions, not indexes of functions
)

const (
	opI32Const = 0x41
	opEnd      = 0x0b
	opVector   = 0xfd
)

// elementSegments refuses active segments that do not lie within their table: no instance could be made. Those whose
// offset a global gives are the compile worker's business, which makes one.
func (c *checker) elementSegments(r *reader) error {
	n := r.u32()
	for i := uint32(0); i < n && r.err == nil; i++ {
		flags, table := r.u32(), uint32(0)
		if flags > segPassive|segIndexed|segByCode {
			r.fail()
		}
		active := flags&segPassive == 0
		var at uint64
		known := false
		if active {
			if flags&segIndexed != 0 {
				table = r.u32()
			}
			at, known = offset(r)
		}
		if flags&(segPassive|segIndexed) != 0 {
			r.byte() // what the elements are
		}
		size := r.u32()
		for k := uint32(0); k < size && r.err == nil; k++ {
			if flags&segByCode != 0 {
				expression(r)
			} else {
				r.u32()
			}
		}
		if r.err != nil || !active {
			continue
		}
		if uint64(table) >= uint64(len(c.tableSizes)) {
			return rejected("element segment %d is for table %d, which is not there", i, table)
		}
		if least := uint64(c.tableSizes[table]); known && at+uint64(size) > least {
			return rejected("element segment %d ends at element %d of table %d, which has %d", i, at+uint64(size), table, least)
		}
	}
	return nil
}

// dataSegments refuses active segments that do not lie within the memory.
func (c *checker) dataSegments(r *reader) error {
	n := r.u32()
	for i := uint32(0); i < n && r.err == nil; i++ {
		flags := r.u32()
		if flags > segIndexed {
			r.fail()
		}
		if flags&segIndexed != 0 {
			r.u32() // there is one memory
		}
		var at uint64
		known := false
		if flags&segPassive == 0 {
			at, known = offset(r)
		}
		size := r.u32()
		r.take(size)
		if least := uint64(c.info.MemoryPages) * Page; known && r.err == nil && at+uint64(size) > least {
			return rejected("data segment %d ends at byte %d of the memory, which begins with %d", i, at+uint64(size), least)
		}
	}
	return nil
}

// offset reads the expression that gives a segment's place; known says that it is a constant.
func offset(r *reader) (at uint64, known bool) {
	if !r.more() || r.b[r.p] != opI32Const {
		expression(r)
		return 0, false
	}
	r.byte()
	at = uint64(r.s32())
	if r.byte() != opEnd {
		r.fail()
	}
	return at, true
}

// expression passes over a constant expression.
func expression(r *reader) {
	for r.err == nil {
		switch op := r.byte(); op {
		case opEnd:
			return
		case opVector:
			vector(r)
		default:
			plain(r, op)
		}
	}
}
