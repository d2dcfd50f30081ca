package engine

import "math"

const errRange = "ERR value is out of range"

// randomCount parses how many members a command is to pick at random, below zero with repetitions; false after an error.
func (c *Ctx) randomCount() (n int64, ok bool) {
	if n, ok = c.Int(2); ok && n == math.MinInt64 {
		c.Fail("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807")
		return 0, false
	}
	return n, ok
}

func hrandfieldCmd(c *Ctx) {
	if len(c.Args) == 2 {
		h, ok := readObject[*hash](c, c.Args[1])
		if !ok {
			return
		}
		if h == nil {
			c.Out.Null()
			return
		}
		c.Out.BulkString(h.random().field)
		return
	}
	n, ok := c.randomCount()
	if !ok {
		return
	}
	values := len(c.Args) == 4 && c.Is(3, "withvalues")
	switch {
	case len(c.Args) > 3 && !values:
		c.Fail(errSyntax)
		return
	case values && (n < -math.MaxInt64/2 || n > math.MaxInt64/2):
		c.Fail(errRange)
		return
	}
	h, ok := readObject[*hash](c, c.Args[1])
	switch {
	case !ok:
	case h == nil || n == 0:
		c.Out.Array(0)
	case n < -randomMost:
		c.Fail(errRange)
	case n < 0:
		c.pairsHead(int(-n), values)
		for ; n < 0; n++ {
			c.pair(h.random(), values)
		}
	default:
		list := h.sample(int(min(n, int64(h.len()))))
		c.pairsHead(len(list), values)
		for _, p := range list {
			c.pair(p, values)
		}
	}
}

// pairsHead begins an answer of fields, or of fields with values: those are pairs in version 3 and a flat list in 2.
func (c *Ctx) pairsHead(n int, values bool) {
	if values && c.Out.Version() < 3 {
		n *= 2
	}
	c.Out.Array(n)
}

func (c *Ctx) pair(p hashPair, values bool) {
	if values && c.Out.Version() >= 3 {
		c.Out.Array(2)
	}
	c.Out.BulkString(p.field)
	if values {
		c.Out.Bulk(p.value)
	}
}
