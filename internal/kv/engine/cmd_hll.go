package engine

import (
	"encoding/binary"
	"fmt"
	"strings"
)

const (
	errNoHLL     = "WRONGTYPE Key is not a valid HyperLogLog string value."
	errBrokenHLL = "INVALIDOBJ Corrupted HLL object detected"
)

func hllCommands() []*Command {
	return []*Command{
		{Name: "pfadd", Arity: -2, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "hyperloglog", Since: "2.8.9", Complexity: "O(1) to add every element.", Summary: "Adds elements to a HyperLogLog.", Run: pfaddCmd, Categories: []Category{"hyperloglog"}},
		{Name: "pfcount", Arity: -2, Flags: ReadOnly | MayReplicate, Keys: Keys{1, -1, 1}, Group: "hyperloglog", Since: "2.8.9", Complexity: "O(1) of one key; O(N) in the keys otherwise, with a large constant", Summary: "Estimates how many different elements HyperLogLogs have seen.", Run: pfcountCmd, Categories: []Category{"hyperloglog"}},
		{Name: "pfmerge", Arity: -2, Flags: Write | DenyOOM, Keys: Keys{1, -1, 1}, Group: "hyperloglog", Since: "2.8.9", Complexity: "O(N) to merge N HyperLogLogs, but with high constant times.", Summary: "Puts several HyperLogLogs together into one.", Run: pfmergeCmd, Categories: []Category{"hyperloglog"}},
		{Name: "pfdebug", Arity: 3, Flags: Write | DenyOOM | Admin, Keys: Keys{2, 2, 1}, Group: "hyperloglog", Since: "2.8.9", Complexity: "N/A", Summary: "Shows the inside of a HyperLogLog, for tests.", Run: pfdebugCmd, Categories: []Category{"hyperloglog"}},
		{Name: "pfselftest", Arity: 1, Flags: Admin, Group: "hyperloglog", Since: "2.8.9", Complexity: "N/A", Summary: "Checks the HyperLogLog code, for tests.", Run: pfselftestCmd, Categories: []Category{"hyperloglog"}},
	}
}

// hllOf checks that an item, if there is one, is a HyperLogLog; false after the error.
func (c *Ctx) hllOf(it *item) bool {
	if _, ok := c.stringOf(it); !ok {
		return false
	}
	if it != nil && !isHLL(it.val.str) {
		c.Fail(errNoHLL)
		return false
	}
	return true
}

func pfaddCmd(c *Ctx) {
	key := c.Args[1]
	it := c.write(key)
	if !c.hllOf(it) {
		return
	}
	raised := false
	if it == nil {
		it = c.db.put(key)
		c.setRaw(it, newHLL())
		raised = true
	}
	b, broken := it.val.str, false
	for _, element := range c.Args[2:] {
		reg, rank := hllPlace(element)
		out, up, ok := hllSet(b, reg, rank, c.E.limits.HLLSparse)
		if !ok {
			broken = true
			break
		}
		b, raised = out, raised || up
	}
	if raised {
		b[hllHead-1] |= hllStale
		c.setRaw(it, b)
		c.changed(key, it, '$', "pfadd")
	}
	switch {
	case broken:
		c.Fail(errBrokenHLL)
	case raised:
		c.Out.Int(1)
	default:
		c.Out.Int(0)
	}
}

func pfcountCmd(c *Ctx) {
	if len(c.Args) > 2 {
		if regs, _, ok := c.hllUnion(1); ok {
			var n hllCounts
			for _, v := range regs {
				n[v]++
			}
			c.Out.Int(int64(n.estimate()))
		}
		return
	}
	key := c.Args[1]
	it := c.read(key)
	switch {
	case !c.hllOf(it):
	case it == nil:
		c.Out.Int(0)
	case it.val.str[hllHead-1]&hllStale == 0:
		c.Out.Int(int64(binary.LittleEndian.Uint64(it.val.str[8:])))
	default:
		var n hllCounts
		if !n.count(it.val.str) {
			c.Fail(errBrokenHLL)
			return
		}
		it = c.write(key) // the estimate is kept
		binary.LittleEndian.PutUint64(it.val.str[8:], n.estimate())
		c.dirty = true
		c.E.modified(c.db, key, c.S)
		c.Out.Int(int64(n.estimate()))
	}
}

// hllUnion gives the highest value of each register in the HyperLogLogs under the keys from an argument on, and whether
// one of them is dense; false after an error.
func (c *Ctx) hllUnion(from int) (regs *[hllRegisters]uint8, dense, ok bool) {
	regs = new([hllRegisters]uint8)
	for _, key := range c.Args[from:] {
		it := c.read(key)
		if !c.hllOf(it) {
			return nil, false, false
		}
		if it == nil {
			continue
		}
		if !hllMax(regs, it.val.str) {
			c.Fail(errBrokenHLL)
			return nil, false, false
		}
		dense = dense || it.val.str[4] == hllDense
	}
	return regs, dense, true
}

func pfmergeCmd(c *Ctx) {
	regs, dense, ok := c.hllUnion(1)
	if !ok {
		return
	}
	key := c.Args[1]
	it := c.write(key)
	b := newHLL()
	if it != nil {
		b = it.val.str
	}
	if dense {
		if b, ok = hllToDense(b); !ok {
			c.Fail(errBrokenHLL)
			return
		}
	}
	for reg, v := range regs {
		if v > 0 {
			b, _, _ = hllSet(b, reg, v, c.E.limits.HLLSparse) // hllUnion has found it whole
		}
	}
	if it == nil {
		it = c.db.put(key)
	}
	b[hllHead-1] |= hllStale
	c.setRaw(it, b)
	c.changed(key, it, '$', "pfadd")
	c.OK()
}

func pfdebugCmd(c *Ctx) {
	key := c.Args[2]
	it := c.write(key)
	if it == nil {
		c.Fail("ERR The specified key does not exist")
		return
	}
	if !c.hllOf(it) {
		return
	}
	b := it.val.str
	switch {
	case c.Is(1, "getreg"), c.Is(1, "todense"):
		dense, ok := hllToDense(b)
		if !ok {
			c.Fail(errBrokenHLL)
			return
		}
		was := b[4]
		if was == hllSparse {
			c.setRaw(it, dense)
			c.changed(key, it, '$', "pfadd")
		}
		if c.Is(1, "todense") {
			c.Out.Int(int64(was))
			return
		}
		c.Out.Array(hllRegisters)
		for i := range hllRegisters {
			c.Out.Int(int64(hllGet(dense, i)))
		}
	case c.Is(1, "decode"):
		if b[4] != hllSparse {
			c.Fail("ERR HLL encoding is not sparse")
			return
		}
		c.Out.BulkString(hllText(b))
	case c.Is(1, "encoding"):
		c.Out.Simple([...]string{"dense", "sparse"}[b[4]])
	default:
		c.Fail(fmt.Sprintf("ERR Unknown PFDEBUG subcommand '%.128s'", c.Args[1]))
	}
}

// hllText shows the runs of the sparse form.
func hllText(b []byte) string {
	var out strings.Builder
	for at := hllHead; at < len(b); {
		r, size := hllRunAt(b, at)
		switch {
		case size == 0:
			return out.String()
		case r.val > 0:
			fmt.Fprintf(&out, "v:%d,%d ", r.val, r.n)
		case size == 2:
			fmt.Fprintf(&out, "Z:%d ", r.n)
		default:
			fmt.Fprintf(&out, "z:%d ", r.n)
		}
		at += size
	}
	return strings.TrimSuffix(out.String(), " ")
}

// pfselftestCmd compares both forms with each other and with what went in, for as many elements as take a few
// milliseconds.
func pfselftestCmd(c *Ctx) {
	const most = 20000
	dense, _ := hllToDense(newHLL())
	mixed := newHLL()
	var element [8]byte
	for n := 1; n <= most; n++ {
		binary.LittleEndian.PutUint64(element[:], uint64(n)*0x9e3779b97f4a7c15)
		reg, rank := hllPlace(element[:])
		hllRaise(dense, reg, rank)
		mixed, _, _ = hllSet(mixed, reg, rank, c.E.limits.HLLSparse)
		if n != 10 && n != 100 && n != 1000 && n != most {
			continue
		}
		var a, b hllCounts
		if !a.count(dense) || !b.count(mixed) || a != b {
			c.Fail("ERR TESTFAILED dense/sparse disagree")
			return
		}
		if miss := int64(a.estimate()) - int64(n); miss*miss > int64(n)*int64(n)/400+1 {
			c.Fail(fmt.Sprintf("ERR TESTFAILED Too big error. card:%d abserr:%d", n, miss))
			return
		}
	}
	c.OK()
}
