package engine

import "math"

const (
	errTimeout         = "ERR timeout is not a float or out of range"
	errTimeoutNegative = "ERR timeout is negative"
)

// waitLimit parses a time limit in seconds as the moment it is over; false after an error.
func (c *Ctx) waitLimit(i int) (until int64, ok bool) {
	f, ok := parseFloat(c.Args[i])
	switch {
	case !ok || math.IsInf(f, 0) || f > math.MaxInt64/1000:
		c.Fail(errTimeout)
		return 0, false
	case f < 0:
		c.Fail(errTimeoutNegative)
		return 0, false
	case f*1000 > float64(math.MaxInt64-c.E.now-1):
		c.Fail("ERR timeout is out of range")
		return 0, false
	}
	return c.Until(math.Ceil(f*1000) / 1000), true
}

// zPop is what is taken from which end, and how it is answered.
type zPop struct {
	max     bool
	count   int64
	withKey bool // in front of what was taken
	pairs   bool // each a pair
}

func zpopCmd(c *Ctx) {
	if len(c.Args) > 3 {
		c.Fail(errSyntax)
		return
	}
	p := zPop{max: c.Cmd.Name == "zpopmax", count: 1}
	if len(c.Args) == 3 {
		n, ok := parseInt(c.Args[2])
		if !ok {
			c.Fail(errNotInt)
			return
		}
		if n < 0 {
			c.Fail(errNegative)
			return
		}
		p.count, p.pairs = n, c.Out.Version() >= 3
	}
	it, z, ok := writeObject[*zset](c, c.Args[1])
	switch {
	case !ok:
	case z == nil || p.count == 0:
		c.Out.Array(0)
	default:
		p.take(c, c.Args[1], it, z)
	}
}

// take takes entries out and answers them; it gives how many they were.
func (p *zPop) take(c *Ctx, key []byte, it *item, z *zset) int {
	n := int(min(p.count, int64(z.len())))
	size := n
	if !p.pairs {
		size = 2 * n
	}
	switch {
	case p.withKey && p.pairs:
		c.Out.Array(2)
		c.Out.Bulk(key)
		c.Out.Array(size)
	case p.withKey:
		c.Out.Array(size + 1)
		c.Out.Bulk(key)
	default:
		c.Out.Array(size)
	}
	show := func(member string, score float64) {
		if p.pairs {
			c.Out.Array(2)
		}
		c.Out.BulkString(member)
		c.Out.Double(score)
	}
	event := "zpopmin"
	if p.max {
		event = "zpopmax"
		from := z.len() - n
		z.walk(z.len()-1, n, true, show)
		z.cut(from, n, nil)
	} else {
		z.cut(0, n, show)
	}
	c.changed(key, it, 'z', event)
	return n
}

// takeFirst takes from the first of the keys that has any; false if none has, or after an error. A client that waits
// overlooks what is no sorted set.
func (p *zPop) takeFirst(c *Ctx, keys [][]byte) (done bool) {
	for _, key := range c.mayServe(keys) {
		it := c.write(key)
		if it == nil {
			continue
		}
		z, is := it.val.obj.(*zset)
		if !is {
			if c.retried {
				continue
			}
			c.Fail(errWrongType)
			return true
		}
		n := p.take(c, key, it, z)
		word := "ZPOPMIN"
		if p.max {
			word = "ZPOPMAX"
		}
		c.effect([]byte(word), key, appendInt(nil, int64(n)))
		return true
	}
	return false
}

func bzpopCmd(c *Ctx) {
	last := len(c.Args) - 1
	until, ok := c.waitLimit(last)
	if !ok {
		return
	}
	p := zPop{max: c.Cmd.Name == "bzpopmax", count: 1, withKey: true}
	if keys := c.Args[1:last]; !p.takeFirst(c, keys) {
		c.Wait(keys, until, func(c *Ctx) { c.Out.NullArray() })
	}
}

// countAbove parses a number that has to be above zero; false after the error that says so.
func (c *Ctx) countAbove(i int, refusal string) (int64, bool) {
	n, ok := parseInt(c.Args[i])
	if !ok || n < 1 {
		c.Fail(refusal)
		return 0, false
	}
	return n, true
}

// zmpopArgs takes the arguments of ZMPOP and BZMPOP from the number of keys on; false after an error.
func (p *zPop) zmpopArgs(c *Ctx, at int) (keys [][]byte, ok bool) {
	p.withKey, p.pairs = true, true
	keys, p.count, ok = c.popArgs(at, func(i int) bool {
		if p.max = c.Is(i, "max"); p.max || c.Is(i, "min") {
			return true
		}
		c.Fail(errSyntax)
		return false
	})
	return keys, ok
}

func zmpopCmd(c *Ctx) {
	var p zPop
	keys, ok := p.zmpopArgs(c, 1)
	if ok && !p.takeFirst(c, keys) {
		c.Out.NullArray()
	}
}

func bzmpopCmd(c *Ctx) {
	var p zPop
	keys, ok := p.zmpopArgs(c, 2)
	if !ok {
		return
	}
	until, ok := c.waitLimit(1)
	if ok && !p.takeFirst(c, keys) {
		c.Wait(keys, until, func(c *Ctx) { c.Out.NullArray() })
	}
}
