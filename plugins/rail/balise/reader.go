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

// mostVars is how many variables a packet may have: each takes a bit at least. It is a power of two, so that an
// index masked by it needs no check: in a guest each check costs as much as the reading of a variable.
const mostVars = 1024

// mostDepth is how deep repetitions lie in each other in the layouts.
const mostDepth = 4

// loop is a repetition that is being done: steps[first:end], left more times.
type loop struct {
	first, end uint16
	left       uint64
}

// Reader reads one telegram after the other; it keeps its memory.
type Reader struct {
	words  [words]uint64
	n, pos int // bits there are, and bits read
	v1, v2 byNID
	table  *byNID
	ended  bool // the end packet was read
	broken bool // the next packet cannot be found

	// Of the packet in work.
	opaque bool
	count  int // variables read
	names  [mostVars]uint16
	raws   [mostVars]uint64
	vars   [mostVars]Variable
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
	r.n, r.pos = load(&r.words, user, n), 0
	r.ended, r.broken = false, false
	if r.n < headerBits {
		r.broken = true
		return Header{}, false
	}
	h := Header{
		UpDown: uint8(r.take(1)), Version: uint8(r.take(7)), Media: uint8(r.take(1)), Pig: uint8(r.take(3)),
		Total: uint8(r.take(3)), Dup: uint8(r.take(2)), MCount: uint8(r.take(8)), Country: uint16(r.take(10)),
		Group: uint16(r.take(14)), Link: uint8(r.take(1)),
	}
	r.table = &r.v2
	if h.Version>>4 == 1 {
		r.table = &r.v1
	}
	return h, true
}

// take reads w bits, which must be there.
func (r *Reader) take(w int) uint64 {
	v := bitsAt(&r.words, r.pos, w)
	r.pos += w
	return v
}

// Ended says whether the end packet was read.
func (r *Reader) Ended() bool { return r.ended }

// Lengths of the parts that all packets but 0 and 255 begin with.
const (
	nidBits    = 8
	prefixBits = nidBits + 2 + 13
	shortBits  = nidBits + 6 // packet 0
)

// Next reads a packet; false at the end packet, or where no packet can follow.
func (r *Reader) Next(p *Packet) bool {
	left := r.n - r.pos
	if r.ended || r.broken || left < nidBits {
		return false
	}
	nid := uint8(bitsAt(&r.words, r.pos, nidBits))
	if nid == endPacket {
		r.pos += nidBits
		r.ended = true
		return false
	}
	*p = Packet{NID: nid, Start: r.pos, Short: nid == 0}
	if left < shortBits || left < prefixBits && !p.Short {
		r.broken = true
		return false
	}
	if !p.Short {
		p.Dir = uint8(bitsAt(&r.words, r.pos+nidBits, 2))
		p.Length = uint16(bitsAt(&r.words, r.pos+nidBits+2, 13))
	}
	at := r.table[nid]
	r.opaque = false
	whole := true
	if at == 0 {
		p.Status = Unknown
		r.prefix()
	} else {
		l := &layouts[at-1]
		p.Title = l.title
		whole = r.run(l.first, l.end)
		p.Taken = r.pos - p.Start
	}
	p.Count = r.count
	r.follow(p, whole)
	return true
}

// prefix reads the variables that every packet begins with.
func (r *Reader) prefix() {
	for i, f := range [...]struct {
		name uint16
		bits int
	}{{namePacket, nidBits}, {nameDir, 2}, {nameLength, 13}} {
		r.names[i], r.raws[i] = f.name, r.take(f.bits)
	}
	r.count = 3
}

// follow compares L_PACKET with what was read and goes to the next packet. L_PACKET is believed where it stays in
// the telegram, because receivers do; else the layout is.
func (r *Reader) follow(p *Packet, whole bool) {
	end := p.Start + p.Taken
	if p.Short {
		return
	}
	n := int(p.Length)
	usable := n >= prefixBits && p.Start+n <= r.n
	switch {
	case p.Status == Unknown:
	case r.opaque && whole && usable && p.Taken <= n:
	case !whole || p.Taken != n:
		p.Status = Mismatch
	}
	switch {
	case usable:
		r.pos = p.Start + n
	case whole && p.Status != Unknown && !r.opaque:
		r.pos = end
	default:
		if p.Status == OK {
			p.Status = Mismatch
		}
		r.broken = true
	}
}

// run does steps[at:end]; false when the telegram ends before. It calls nothing, because in a guest a call costs more
// than a step.
func (r *Reader) run(at, end uint16) bool {
	var values [slots]uint64
	var loops [mostDepth]loop
	depth, count, pos := 0, 0, r.pos
	whole := true
steps:
	for {
		for at == end {
			if depth == 0 {
				break steps
			}
			if l := &loops[(depth-1)&(mostDepth-1)]; l.left > 0 {
				l.left--
				at = l.first
				break
			}
			depth--
			at, end = end, loops[depth&(mostDepth-1)].end
		}
		s := &steps[at&(mostSteps-1)]
		at++
		switch s.op {
		case opField:
			bits := int(s.bits)
			if r.n-pos < bits {
				whole = false
				break steps
			}
			i, off := pos>>6, uint(pos&63)
			raw := (r.words[i&(words-1)]<<off | r.words[(i+1)&(words-1)]>>1>>(63-off)) >> ((64 - uint(bits)) & 63)
			pos += bits
			values[s.slot&(slots-1)] = raw
			r.names[count&(mostVars-1)] = s.name
			r.raws[count&(mostVars-1)] = raw
			count++
		case opIf:
			if values[s.slot&(slots-1)] == uint64(s.value) {
				at = s.jump
			}
		case opUnless:
			if values[s.slot&(slots-1)] != uint64(s.value) {
				at = s.jump
			}
		case opJump:
			at = s.jump
		case opRepeat:
			n := values[s.slot&(slots-1)]
			if n == 0 {
				at = s.jump
				break
			}
			loops[depth&(mostDepth-1)] = loop{first: at, end: end, left: n - 1}
			depth++
			end = s.jump
		case opRest:
			r.opaque = true
		}
	}
	r.pos, r.count = pos, count
	return whole
}

// Variables gives the variables of the packet that Next gave. They are valid until the next call.
func (r *Reader) Variables() []Variable {
	if r.describe() {
		for i := range r.vars[:r.count] {
			if v := &r.vars[i]; variables[v.Name].scale == scaleBCD {
				v.Value, v.Valued = fromBCD(v.Raw)
			}
		}
	}
	return r.vars[:r.count]
}

// describe gives the variables their values, units and meanings; true when there is one in binary coded digits, which
// it leaves out. Like run it calls nothing and needs no bounds check.
func (r *Reader) describe() (digits bool) {
	scale := uint64(1)
	for i := range r.count {
		raw, name := r.raws[i&(mostVars-1)], r.names[i&(mostVars-1)]
		if name == nameScale {
			scale = raw
		}
		f, v := &variables[name&(mostNames-1)], &r.vars[i&(mostVars-1)]
		v.Raw, v.Name, v.Meaning = raw, name, 0
		for k := f.first; k < f.last; k++ {
			if m := &meanings[k&(mostMeanings-1)]; raw >= m.from && raw <= m.to {
				v.Meaning = m.text
				break
			}
		}
		q := &scales[scale&3]
		v.Value, v.Unit, v.Valued = 0, 0, false
		switch {
		case f.most > 0 && raw > f.most:
		case f.scale == scaleLinear:
			v.Value, v.Unit, v.Valued = float64(raw)*f.times/f.by, f.unit, true
		case f.scale == scaleBCD:
			digits = true
		case scale < 3:
			v.Value, v.Unit, v.Valued = float64(raw)*q.times/q.by, f.unit, true
		}
	}
	return digits
}

// scales are the units of distances by Q_SCALE: 10 cm, 1 m, 10 m, and a spare one. A division keeps 0.3 what it is.
var scales = [4]struct{ times, by float64 }{{1, 10}, {1, 1}, {10, 1}, {1, 1}}

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
