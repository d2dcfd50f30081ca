package module

// walked is what a walk over a function's instructions found.
type walked struct {
	nesting       int
	growsTable    bool
	changesTables bool // or uses passive segments: state that a snapshot does not hold
}

// walk passes over the instructions of a function's body. It knows the instructions of WebAssembly 2.0, which are
// those the workers enable; any other makes the body malformed.
func walk(r *reader) walked {
	var w walked
	depth := 1
	for r.more() {
		op := r.byte()
		switch op {
		case 0x02, 0x03, 0x04: // block, loop, if
			depth++
			w.nesting = max(w.nesting, depth-1)
			r.sleb(5)
		case 0x0b: // end
			depth--
		case 0x0e: // br_table
			for n := uint64(r.u32()) + 1; n > 0 && r.err == nil; n-- {
				r.u32()
			}
		case 0x1c: // select with types
			r.take(r.u32())
		case 0x26: // table.set
			w.changesTables = true
			r.u32()
		case 0xfc:
			w.misc(r)
		case 0xfd:
			vector(r)
		default:
			plain(r, op)
		}
	}
	if depth != 0 {
		r.fail()
	}
	return w
}

// plain passes over the immediates of an instruction that needs no other attention.
func plain(r *reader, op byte) {
	switch {
	case op <= 0x01, op == 0x05, op == 0x0f, op == 0x1a, op == 0x1b, op >= 0x45 && op <= 0xc4, op == 0xd1:
	case op == 0x0c, op == 0x0d, op == 0x10, op >= 0x20 && op <= 0x25, op == 0xd2:
		r.u32()
	case op == 0x11, op >= 0x28 && op <= 0x3e: // call_indirect; memory access
		r.u32()
		r.u32()
	case op == 0x3f, op == 0x40, op == 0xd0: // memory.size, memory.grow, ref.null
		r.byte()
	case op == 0x41:
		r.sleb(5)
	case op == 0x42:
		r.sleb(10)
	case op == 0x43:
		r.skip(4)
	case op == 0x44:
		r.skip(8)
	default:
		r.fail()
	}
}

// misc passes over the instructions behind 0xfc: saturating truncation, bulk memory, tables.
func (w *walked) misc(r *reader) {
	switch sub := r.u32(); sub {
	case 0, 1, 2, 3, 4, 5, 6, 7:
	case 8, 12: // memory.init, table.init
		w.changesTables = true
		r.u32()
		r.u32()
	case 9, 13: // data.drop, elem.drop
		w.changesTables = true
		r.u32()
	case 10: // memory.copy
		r.skip(2)
	case 11: // memory.fill
		r.skip(1)
	case 14: // table.copy
		w.changesTables = true
		r.u32()
		r.u32()
	case 15: // table.grow
		w.growsTable = true
		r.u32()
	case 16: // table.size
		r.u32()
	case 17: // table.fill
		w.changesTables = true
		r.u32()
	default:
		r.fail()
	}
}

// vector passes over the instructions behind 0xfd.
func vector(r *reader) {
	switch sub := r.u32(); {
	case sub <= 11, sub == 92, sub == 93:
		r.u32()
		r.u32()
	case sub == 12, sub == 13:
		r.skip(16)
	case sub >= 21 && sub <= 34:
		r.skip(1)
	case sub >= 84 && sub <= 91:
		r.u32()
		r.u32()
		r.skip(1)
	case sub <= 0xff:
	default:
		r.fail()
	}
}
