package engine

import (
	"encoding/binary"
	"math/bits"
)

const (
	errBit       = "ERR bit is not an integer or out of range"
	errBitOffset = "ERR bit offset is not an integer or out of range"
	errBitArg    = "ERR The bit argument must be 1 or 0."
	errBitNot    = "ERR BITOP NOT must be called with a single source key."
)

func bitCommands() []*Command {
	return []*Command{
		{Name: "setbit", Arity: 4, Flags: Write | DenyOOM, Keys: Keys{1, 1, 1}, Group: "bitmap", Since: "2.2.0", Complexity: "O(1)", Summary: "Sets one bit of a string and answers what it was.", Run: setbitCmd, Categories: []Category{"bitmap"}},
		{Name: "getbit", Arity: 3, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "bitmap", Since: "2.2.0", Complexity: "O(1)", Summary: "Answers one bit of a string.", Run: getbitCmd, Categories: []Category{"bitmap"}},
		{Name: "bitcount", Arity: -2, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "bitmap", Since: "2.6.0", Complexity: "O(N)", Summary: "Counts the bits of a string that are set.", Run: bitcountCmd, Categories: []Category{"bitmap"}},
		{Name: "bitpos", Arity: -3, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "bitmap", Since: "2.8.7", Complexity: "O(N)", Summary: "Finds the first bit of a string that is set, or clear.", Run: bitposCmd, Categories: []Category{"bitmap"}},
		{Name: "bitop", Arity: -4, Flags: Write | DenyOOM, Keys: Keys{2, -1, 1}, Group: "bitmap", Since: "2.6.0", Complexity: "O(N)", Summary: "Combines strings bit by bit and keeps the result.", Run: bitopCmd, Categories: []Category{"bitmap"}},
		{Name: "bitfield", Arity: -2, Flags: Write | DenyOOM, Keys: Keys{1, 1, 1}, Group: "bitmap", Since: "3.2.0", Complexity: "O(1) for each subcommand specified", Summary: "Reads, sets and adds to integers of any width within a string.", Run: bitfieldCmd, Categories: []Category{"bitmap"}},
		{Name: "bitfield_ro", Arity: -2, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "bitmap", Since: "6.0.0", Complexity: "O(1) for each subcommand specified", Summary: "Reads integers of any width within a string.", Run: bitfieldCmd, Categories: []Category{"bitmap"}},
	}
}

// bitOffset parses the place of a bit, in units of width bits after a # where width is not 0; false after the error.
func (c *Ctx) bitOffset(i, width int) (int64, bool) {
	arg, unit := c.Args[i], int64(1)
	if width > 0 && len(arg) > 0 && arg[0] == '#' {
		arg, unit = arg[1:], int64(width)
	}
	n, ok := parseInt(arg)
	if !ok || n < 0 || n >= maxString*8 || n*unit >= maxString*8 {
		c.Fail(errBitOffset)
		return 0, false
	}
	return n * unit, true
}

// writeBits finds a string for changing bits up to one: it is made so long. grown says whether it was shorter.
func (c *Ctx) writeBits(key []byte, last int64) (it *item, grown, ok bool) {
	it, ok = c.writeString(key)
	if !ok {
		return nil, false, false
	}
	n := int(last/8) + 1
	if n > maxString {
		c.Fail(errTooLong)
		return nil, false, false
	}
	if it == nil {
		it = c.db.put(key)
	}
	grown = n > len(it.val.str)
	if grown {
		c.setRaw(it, lengthen(it.val.str, n))
	}
	it.val.used |= flagRaw
	return it, grown, true
}

func setbitCmd(c *Ctx) {
	at, ok := c.bitOffset(2, 0)
	if !ok {
		return
	}
	on, ok := parseInt(c.Args[3])
	if !ok || on&^1 != 0 {
		c.Fail(errBit)
		return
	}
	key := c.Args[1]
	it, grown, ok := c.writeBits(key, at)
	if !ok {
		return
	}
	b := &it.val.str[at/8]
	shift := 7 - at%8
	was := int64(*b>>shift) & 1
	*b = *b&^(1<<shift) | byte(on)<<shift
	if grown || was != on {
		c.changed(key, it, '$', "setbit")
	}
	c.Out.Int(was)
}

func getbitCmd(c *Ctx) {
	at, ok := c.bitOffset(2, 0)
	if !ok {
		return
	}
	it, ok := c.readString(c.Args[1])
	if !ok {
		return
	}
	if it == nil || at/8 >= int64(len(it.val.str)) {
		c.Out.Int(0)
		return
	}
	c.Out.Int(int64(it.val.str[at/8]>>(7-at%8)) & 1)
}

// bitRange parses a range in bytes or bits from an argument on and gives the first bit and the one behind the last. The
// end may be left out where open says so.
func (c *Ctx) bitRange(from, n int, open bool) (first, end int64, ok bool) {
	unit, size := int64(8), int64(n)
	start, ok := c.Int(from)
	if !ok {
		return 0, 0, false
	}
	last := int64(-1)
	if len(c.Args) > from+1 {
		if last, ok = c.Int(from + 1); !ok {
			return 0, 0, false
		}
	} else if !open {
		c.Fail(errSyntax)
		return 0, 0, false
	}
	if len(c.Args) > from+2 {
		switch {
		case len(c.Args) > from+3 || !c.Is(from+2, "bit") && !c.Is(from+2, "byte"):
			c.Fail(errSyntax)
			return 0, 0, false
		case c.Is(from+2, "bit"):
			unit, size = 1, size*8
		}
	}
	if !open && start < 0 && last < 0 && start > last { // BITPOS knows no range that is empty before it is clamped
		return 0, 0, true
	}
	first, end = within(start, last, size)
	return first * unit, end * unit, true
}

func bitcountCmd(c *Ctx) {
	it, ok := c.readString(c.Args[1])
	if !ok {
		return
	}
	if it == nil {
		c.Out.Int(0)
		return
	}
	b := it.val.str
	first, end := int64(0), int64(len(b))*8
	if len(c.Args) > 2 {
		if first, end, ok = c.bitRange(2, len(b), false); !ok {
			return
		}
	}
	c.Out.Int(countBits(b, first, end))
}

// countBits counts what is set from one bit to before another.
func countBits(b []byte, first, end int64) int64 {
	if first >= end {
		return 0
	}
	part := b[first/8 : (end+7)/8]
	n := 0
	n -= bits.OnesCount8(part[0] &^ (0xff >> (first % 8)))
	if end%8 != 0 {
		n -= bits.OnesCount8(part[len(part)-1] & (0xff >> (end % 8)))
	}
	for ; len(part) >= 8; part = part[8:] {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(part))
	}
	for _, x := range part {
		n += bits.OnesCount8(x)
	}
	return int64(n)
}

func bitposCmd(c *Ctx) {
	bit, ok := c.Int(2)
	if !ok {
		return
	}
	if bit != 0 && bit != 1 {
		c.Fail(errBitArg)
		return
	}
	it := c.read(c.Args[1])
	if it == nil {
		c.Out.Int(-bit)
		return
	}
	if it, ok = c.stringOf(it); !ok {
		return
	}
	b := it.val.str
	first, end := int64(0), int64(len(b))*8
	if len(c.Args) > 3 {
		if first, end, ok = c.bitRange(3, len(b), true); !ok {
			return
		}
	}
	at := findBit(b, byte(bit), first, end)
	if at < 0 && bit == 0 && len(c.Args) < 5 && first < end { // behind the string all bits are clear
		at = end
	}
	c.Out.Int(at)
}

// findBit gives the place of the first bit of a kind from one to before another, -1 if there is none.
func findBit(b []byte, bit byte, first, end int64) int64 {
	var flip byte
	if bit == 0 {
		flip = 0xff
	}
	for i := first; i < end; {
		if i%8 == 0 && end-i >= 64 { // eight bytes that have none
			if binary.LittleEndian.Uint64(b[i/8:]) == uint64(flip)*0x0101010101010101 {
				i += 64
				continue
			}
		}
		x := (b[i/8] ^ flip) << (i % 8)
		if x != 0 {
			if i += int64(bits.LeadingZeros8(x)); i < end {
				return i
			}
			return -1
		}
		i += 8 - i%8
	}
	return -1
}

func bitopCmd(c *Ctx) {
	var op byte
	for _, name := range [...]string{"and", "or", "xor", "not"} {
		if c.Is(1, name) {
			op = name[0]
		}
	}
	switch {
	case op == 0:
		c.Fail(errSyntax)
		return
	case op == 'n' && len(c.Args) != 4:
		c.Fail(errBitNot)
		return
	}
	most, from := 0, make([][]byte, 0, len(c.Args)-3)
	for _, key := range c.Args[3:] {
		it, ok := c.readString(key)
		if !ok {
			return
		}
		var b []byte
		if it != nil {
			b = it.val.str
		}
		from, most = append(from, b), max(most, len(b))
	}
	dest := c.Args[2]
	c.Out.Int(int64(most))
	if most == 0 {
		c.remove(dest)
		return
	}
	out := combineBits(op, from, most)
	it := c.db.put(dest)
	c.setRaw(it, out)
	c.db.setExpire(it, 0)
	c.changed(dest, it, '$', "set")
}

// combineBits puts strings together bit by bit. What is short has zeros behind it.
func combineBits(op byte, from [][]byte, n int) []byte {
	out := make([]byte, n)
	copy(out, from[0])
	if op == 'n' {
		for i := range out {
			out[i] = ^out[i]
		}
		return out
	}
	for _, b := range from[1:] {
		i := 0
		for ; i+8 <= len(b); i += 8 {
			x, y := binary.LittleEndian.Uint64(out[i:]), binary.LittleEndian.Uint64(b[i:])
			switch op {
			case 'a':
				x &= y
			case 'o':
				x |= y
			default:
				x ^= y
			}
			binary.LittleEndian.PutUint64(out[i:], x)
		}
		for ; i < len(b); i++ {
			switch op {
			case 'a':
				out[i] &= b[i]
			case 'o':
				out[i] |= b[i]
			default:
				out[i] ^= b[i]
			}
		}
		if op == 'a' {
			clear(out[len(b):])
		}
	}
	return out
}
