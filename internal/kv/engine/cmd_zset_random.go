package engine

import "math"

// randomMost bounds how many members one call answers that may be the same ones: an answer of a few hundred megabytes.
const randomMost = 1 << 22

func zrandmemberCmd(c *Ctx) {
	if len(c.Args) == 2 {
		z, ok := readObject[*zset](c, c.Args[1])
		if !ok {
			return
		}
		if z == nil {
			c.Out.Null()
			return
		}
		c.Out.BulkString(z.at(int(c.E.pick(uint32(z.len())))).member)
		return
	}
	n, ok := c.Int(2)
	if !ok {
		return
	}
	scores := len(c.Args) == 4 && c.Is(3, "withscores")
	switch {
	case n == math.MinInt64:
		c.Fail("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807")
		return
	case len(c.Args) > 3 && !scores:
		c.Fail(errSyntax)
		return
	case scores && (n < -math.MaxInt64/2 || n > math.MaxInt64/2):
		c.Fail("ERR value is out of range")
		return
	}
	z, ok := readObject[*zset](c, c.Args[1])
	switch {
	case !ok:
	case z == nil || n == 0:
		c.Out.Array(0)
	case n < 0:
		zrandomRepeated(c, z, n, scores)
	default:
		zrandomDistinct(c, z, int(min(n, int64(z.len()))), scores)
	}
}

// zrandomRepeated answers as many members as were asked for, each picked among all.
func zrandomRepeated(c *Ctx, z *zset, n int64, scores bool) {
	if n < -randomMost {
		c.Fail("ERR value is out of range")
		return
	}
	c.zArray(int(-n), scores)
	for ; n < 0; n++ {
		e := z.at(int(c.E.pick(uint32(z.len()))))
		c.zEntry(e.member, e.score, scores)
	}
}

// zrandomDistinct answers n members that differ, by Floyd's way of taking a sample.
func zrandomDistinct(c *Ctx, z *zset, n int, scores bool) {
	c.zArray(n, scores)
	size := z.len()
	if n == size {
		z.walk(0, n, false, func(member string, score float64) { c.zEntry(member, score, scores) })
		return
	}
	taken := make(map[int]bool, n)
	for j := size - n; j < size; j++ {
		rank := int(c.E.pick(uint32(j + 1)))
		if taken[rank] {
			rank = j
		}
		taken[rank] = true
		e := z.at(rank)
		c.zEntry(e.member, e.score, scores)
	}
}
