package balise

// What a layout's step does. Conditions look at a slot, which holds the latest value of a variable.
const (
	opField  = iota // read bits of variable name, keep the value in slot (0 = nowhere)
	opIf            // jump unless slot != value
	opUnless        // jump unless slot == value
	opJump          // jump
	opRepeat        // do what lies before jump as often as slot says
	opRest          // the packet's rest is opaque
)

type step struct {
	op, bits, slot    uint8
	name, value, jump uint16
}

// layout is a packet's program, steps[first:end].
type layout struct {
	major, nid, title uint8
	first, end        uint16
}

// Scales of a variable.
const (
	scaleLinear = iota // raw · times / by
	scaleQ             // metres by Q_SCALE
	scaleBCD           // decimal digits, F = none
)

type variable struct {
	unit        uint16
	scale       uint8
	times, by   float64
	most        uint64 // above it there is no number; 0 = no limit
	first, last uint16 // meanings[first:last]
}

type meaning struct {
	from, to uint64
	text     uint16
}

// byNID finds layouts.
type byNID [256]uint8 // index of layouts, plus 1

// Reader reads one telegram after the other; it keeps its memory.
type Reader struct {
	bits   Bits
	v1, v2 byNID
	table  *byNID
	ended  bool // the end packet was read
	broken bool // the next packet cannot be found

	slots  [slots]uint64
	scale  uint64 // Q_SCALE of the packet
	opaque bool
	vars   []Variable
}

// NewReader makes a reader.
func NewReader() *Reader {
	r := &Reader{}
	for i, l := range layouts {
		if l.major == 2 {
			r.v2[l.nid] = uint8(i + 1)
			if r.v1[l.nid] == 0 {
				r.v1[l.nid] = uint8(i + 1)
			}
			continue
		}
		r.v1[l.nid] = uint8(i + 1)
	}
	return r
}

// Reset begins a telegram and gives its header; false when there are too few bits for one.
func (r *Reader) Reset(user []byte, n int) (Header, bool) {
	r.bits.Reset(user, n)
	r.ended, r.broken = false, false
	if r.bits.Left() < headerBits {
		r.broken = true
		return Header{}, false
	}
	b := &r.bits
	h := Header{
		UpDown: uint8(b.take(1)), Version: uint8(b.take(7)), Media: uint8(b.take(1)), Pig: uint8(b.take(3)),
		Total: uint8(b.take(3)), Dup: uint8(b.take(2)), MCount: uint8(b.take(8)), Country: uint16(b.take(10)),
		Group: uint16(b.take(14)), Link: uint8(b.take(1)),
	}
	r.table = &r.v2
	if h.Version>>4 == 1 {
		r.table = &r.v1
	}
	return h, true
}

// Ended says whether the end packet was read.
func (r *Reader) Ended() bool { return r.ended }

// Lengths of the parts that all packets but 0 and 255 begin with.
const (
	nidBits    = 8
	prefixBits = nidBits + 2 + 13
	shortBits  = nidBits + 6 // packet 0
)

// Next reads a packet; false at the end packet, or where no packet can follow. p.Vars is valid until the next call.
func (r *Reader) Next(p *Packet) bool {
	if r.ended || r.broken || r.bits.Left() < nidBits {
		return false
	}
	start := r.bits.pos
	nid := uint8(r.bits.take(nidBits))
	if nid == endPacket {
		r.ended = true
		return false
	}
	*p = Packet{NID: nid, Start: start, Short: nid == 0}
	r.bits.pos = start
	if left := r.bits.Left(); left < shortBits || left < prefixBits && !p.Short {
		r.broken = true
		return false
	}
	if !p.Short {
		r.bits.pos += nidBits
		p.Dir = uint8(r.bits.take(2))
		p.Length = uint16(r.bits.take(13))
		r.bits.pos = start
	}
	whole := r.content(p)
	p.Vars = r.vars
	r.follow(p, whole)
	return true
}

// content reads a packet's variables by its layout; false when the telegram ends in it.
func (r *Reader) content(p *Packet) bool {
	r.vars = r.vars[:0]
	at := r.table[p.NID]
	if at == 0 {
		p.Status = Unknown
		r.prefix()
		return true
	}
	l := &layouts[at-1]
	p.Title = l.title
	r.scale, r.opaque = 1, false
	ok := r.run(l.first, l.end)
	p.Taken = r.bits.pos - p.Start
	return ok
}

// prefix reads the variables that every packet begins with.
func (r *Reader) prefix() {
	for _, s := range [...]step{{bits: nidBits, name: namePacket}, {bits: 2, name: nameDir}, {bits: 13, name: nameLength}} {
		r.field(&s)
	}
}

// follow compares L_PACKET with what was read and goes to the next packet. L_PACKET is believed where it stays in
// the telegram, because receivers do; else the layout is.
func (r *Reader) follow(p *Packet, whole bool) {
	end := p.Start + p.Taken
	if p.Short {
		return
	}
	n := int(p.Length)
	usable := n >= prefixBits && p.Start+n <= r.bits.n
	switch {
	case p.Status == Unknown:
	case r.opaque && whole && usable && p.Taken <= n:
	case !whole || p.Taken != n:
		p.Status = Mismatch
	}
	switch {
	case usable:
		r.bits.pos = p.Start + n
	case whole && p.Status != Unknown && !r.opaque:
		r.bits.pos = end
	default:
		if p.Status == OK {
			p.Status = Mismatch
		}
		r.broken = true
	}
}

// run does steps[at:end]; false when the telegram ends before.
func (r *Reader) run(at, end uint16) bool {
	for at < end {
		s := &steps[at]
		switch s.op {
		case opField:
			if r.bits.Left() < int(s.bits) {
				return false
			}
			r.field(s)
			at++
		case opIf:
			if r.slots[s.slot] != uint64(s.value) {
				at++
			} else {
				at = s.jump
			}
		case opUnless:
			if r.slots[s.slot] == uint64(s.value) {
				at++
			} else {
				at = s.jump
			}
		case opJump:
			at = s.jump
		case opRepeat:
			for range r.slots[s.slot] {
				if !r.run(at+1, s.jump) {
					return false
				}
			}
			at = s.jump
		case opRest:
			r.opaque = true
			at++
		}
	}
	return true
}

// field reads a variable.
func (r *Reader) field(s *step) {
	raw := r.bits.take(int(s.bits))
	r.slots[s.slot] = raw
	if s.name == nameScale {
		r.scale = raw
	}
	v := Variable{Name: s.name, Raw: raw}
	variables[s.name].read(&v, r.scale)
	r.vars = append(r.vars, v)
}

// read gives a raw value its number, unit and meaning.
func (f *variable) read(v *Variable, scale uint64) {
	for _, m := range meanings[f.first:f.last] {
		if v.Raw >= m.from && v.Raw <= m.to {
			v.Meaning = m.text
			break
		}
	}
	if f.most > 0 && v.Raw > f.most {
		return
	}
	v.Unit, v.Valued = f.unit, true
	switch f.scale {
	case scaleQ:
		if scale >= uint64(len(scales)) {
			v.Valued, v.Unit = false, 0
			return
		}
		v.Value = float64(v.Raw) * scales[scale].times / scales[scale].by
	case scaleBCD:
		v.Value, v.Valued = fromBCD(v.Raw)
	default:
		v.Value = float64(v.Raw) * f.times / f.by
	}
}

// scales are the units of distances by Q_SCALE: 10 cm, 1 m, 10 m. A division keeps 0.3 what it is.
var scales = [...]struct{ times, by float64 }{{1, 10}, {1, 1}, {10, 1}}

// fromBCD reads decimal digits. F means no digit: before the first one or after the last. false for anything else,
// and for numbers that a float does not hold exactly.
func fromBCD(raw uint64) (float64, bool) {
	var n uint64
	seen, ended := false, false
	for shift := 60; shift >= 0; shift -= 4 {
		switch d := raw >> shift & 0xf; {
		case d == 0xf:
			ended = seen
		case d > 9 || ended:
			return 0, false
		default:
			n = n*10 + d
			seen = seen || d > 0
		}
	}
	return float64(n), n <= 1<<53
}
