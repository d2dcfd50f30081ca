package engine

import "math"

const (
	errBitfieldType     = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
	errBitfieldOverflow = "ERR Invalid OVERFLOW type specified"
	errBitfieldRO       = "ERR BITFIELD_RO only supports the GET subcommand"
)

// bitfield is one step of BITFIELD: what is done to an integer of some width.
type bitfield struct {
	do     byte // get, set, incrby by their first letters
	over   byte // wrap, sat, fail by theirs
	signed bool
	width  int
	at     int64
	n      int64
}

func bitfieldCmd(c *Ctx) {
	steps, last, ok := c.bitfields()
	if !ok {
		return
	}
	key := c.Args[1]
	if last < 0 {
		it, ok := c.readString(key)
		if !ok {
			return
		}
		c.Out.Array(len(steps))
		for _, f := range steps {
			c.bitfieldGet(it, f)
		}
		return
	}
	if c.Cmd.Flags&ReadOnly != 0 {
		c.Fail(errBitfieldRO)
		return
	}
	it, changed, ok := c.writeBits(key, last)
	if !ok {
		return
	}
	c.Out.Array(len(steps))
	for _, f := range steps {
		if f.do == 'g' {
			c.bitfieldGet(it, f)
			continue
		}
		old := f.load(it.val.str)
		n, over := f.result(old)
		if over && f.over == 'f' {
			c.Out.Null()
			continue
		}
		f.save(it.val.str, n)
		changed = changed || n != old
		if f.do == 's' {
			n = old
		}
		c.Out.Int(n)
	}
	if changed {
		c.changed(key, it, '$', "setbit")
	}
}

// bitfields parses the steps and gives the last bit that they write, -1 if they write none.
func (c *Ctx) bitfields() (steps []bitfield, last int64, ok bool) {
	over := byte('w')
	last = -1
	for i := 2; i < len(c.Args); {
		left := len(c.Args) - i - 1
		f := bitfield{over: over}
		switch {
		case c.Is(i, "get") && left >= 2:
			f.do = 'g'
		case c.Is(i, "set") && left >= 3:
			f.do = 's'
		case c.Is(i, "incrby") && left >= 3:
			f.do = 'i'
		case c.Is(i, "overflow") && left >= 1:
			switch {
			case c.Is(i+1, "wrap"):
				over = 'w'
			case c.Is(i+1, "sat"):
				over = 's'
			case c.Is(i+1, "fail"):
				over = 'f'
			default:
				c.Fail(errBitfieldOverflow)
				return nil, 0, false
			}
			i += 2
			continue
		default:
			c.Fail(errSyntax)
			return nil, 0, false
		}
		if !f.place(c, i) {
			return nil, 0, false
		}
		i += 3
		if f.do != 'g' {
			last = max(last, f.at+int64(f.width)-1)
			if f.n, ok = c.Int(i); !ok {
				return nil, 0, false
			}
			i++
		}
		steps = append(steps, f)
	}
	return steps, last, true
}

// place parses the type and the offset that follow an argument.
func (f *bitfield) place(c *Ctx, i int) (ok bool) {
	kind := c.Args[i+1]
	f.signed = len(kind) > 0 && kind[0] == 'i'
	most := int64(63)
	if f.signed {
		most = 64
	}
	if len(kind) < 2 || kind[0] != 'i' && kind[0] != 'u' {
		c.Fail(errBitfieldType)
		return false
	}
	n, ok := parseInt(kind[1:])
	if !ok || n < 1 || n > most {
		c.Fail(errBitfieldType)
		return false
	}
	f.width = int(n)
	f.at, ok = c.bitOffset(i+2, f.width)
	return ok
}

func (c *Ctx) bitfieldGet(it *item, f bitfield) {
	if it == nil {
		c.Out.Int(0)
		return
	}
	c.Out.Int(f.load(it.val.str))
}

// load reads the integer; behind the string all bits are clear.
func (f *bitfield) load(b []byte) int64 {
	var n uint64
	for at, left := f.at, f.width; left > 0; {
		var x byte
		if i := at / 8; i < int64(len(b)) {
			x = b[i]
		}
		take := min(8-int(at%8), left)
		x = x << (at % 8) >> (8 - take)
		n = n<<take | uint64(x)
		at += int64(take)
		left -= take
	}
	return f.narrow(n)
}

// narrow gives the number that the lowest bits of another are.
func (f *bitfield) narrow(n uint64) int64 {
	gap := 64 - f.width
	if f.signed {
		return int64(n<<gap) >> gap
	}
	return int64(n << gap >> gap)
}

// save writes the lowest bits of n.
func (f *bitfield) save(b []byte, n int64) {
	for i := range f.width {
		at := f.at + int64(f.width-1-i)
		shift := 7 - at%8
		b[at/8] = b[at/8]&^(1<<shift) | byte(n>>i&1)<<shift
	}
}

// result is what the step makes of the old number, and whether that did not fit.
func (f *bitfield) result(old int64) (n int64, over bool) {
	base, by := old, f.n
	if f.do == 's' {
		base, by = f.n, 0
	}
	var limit int64
	if f.signed {
		limit, over = f.signedOver(base, by)
	} else {
		limit, over = f.unsignedOver(uint64(base), by)
	}
	if over && f.over == 's' {
		return limit, true
	}
	return f.narrow(uint64(base) + uint64(by)), over
}

func (f *bitfield) signedOver(base, by int64) (limit int64, over bool) {
	most := int64(math.MaxInt64) >> (64 - f.width)
	least := -most - 1
	up, down := most-base, least-base
	switch {
	case base > most, f.width != 64 && by > up, base >= 0 && by > 0 && by > up:
		return most, true
	case base < least, f.width != 64 && by < down, base < 0 && by < 0 && by < down:
		return least, true
	}
	return 0, false
}

func (f *bitfield) unsignedOver(base uint64, by int64) (limit int64, over bool) {
	most := uint64(1)<<f.width - 1
	switch {
	case base > most, by > 0 && uint64(by) > most-base:
		return int64(most), true
	case by < 0 && uint64(-by) > base:
		return 0, true
	}
	return 0, false
}
