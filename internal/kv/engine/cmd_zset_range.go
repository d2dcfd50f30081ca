package engine

import (
	"math"
	"strconv"
	"strings"
)

const errLexRange = "ERR min or max not valid string range item"

// zBound is one end of a range, by score or by name.
type zBound struct {
	byName bool
	open   bool // what is on the bound is not in the range
	score  float64
	member string
	inf    int // by name: below zero in front of all, above zero behind all
}

// above says whether an entry is in front of the bound; equal = or on it.
func (b *zBound) above(score float64, member string, equal bool) bool {
	switch {
	case !b.byName:
		return score < b.score || equal && score == b.score
	case b.inf != 0:
		return b.inf > 0
	}
	return member < b.member || equal && member == b.member
}

// scoreBound parses "1.5" or "(1.5".
func scoreBound(arg []byte) (b zBound, ok bool) {
	s := string(arg)
	if strings.HasPrefix(s, "(") {
		b.open = true
		s = s[1:]
	}
	if s == "" { // as strtod takes it
		return b, true
	}
	if len(s) > 512 || strings.Contains(s, "_") {
		return b, false
	}
	f, err := strconv.ParseFloat(strings.TrimLeft(s, " \t\n\v\f\r"), 64)
	if err != nil && !math.IsInf(f, 0) || math.IsNaN(f) {
		return b, false
	}
	b.score = f
	return b, true
}

// nameBound parses "[a", "(a", "-" or "+".
func nameBound(arg []byte) (b zBound, ok bool) {
	b.byName = true
	switch {
	case len(arg) == 0:
		return b, false
	case arg[0] == '(' || arg[0] == '[':
		b.open = arg[0] == '('
		b.member = string(arg[1:])
		return b, true
	case len(arg) == 1 && arg[0] == '-':
		b.inf = -1
		return b, true
	case len(arg) == 1 && arg[0] == '+':
		b.inf = 1
		return b, true
	}
	return b, false
}

// zOrder is by what a range is.
type zOrder uint8

const (
	zAuto zOrder = iota
	zByRank
	zByScore
	zByName
)

// zRange is what a range command asks for.
type zRange struct {
	by            zOrder
	rev, scores   bool
	limited       bool
	offset, limit int64
	first, last   int64 // by rank
	min, max      zBound
}

// bounds parses the two ends, in the order of the arguments; false after an error.
func (r *zRange) bounds(c *Ctx, first, last int) (ok bool) {
	switch r.by {
	case zByScore:
		var ok2 bool
		r.min, ok = scoreBound(c.Args[first])
		if r.max, ok2 = scoreBound(c.Args[last]); !ok || !ok2 {
			c.Fail(errMinMax)
			return false
		}
	case zByName:
		var ok2 bool
		r.min, ok = nameBound(c.Args[first])
		if r.max, ok2 = nameBound(c.Args[last]); !ok || !ok2 {
			c.Fail(errLexRange)
			return false
		}
	default:
		if r.first, ok = c.Int(first); ok {
			r.last, ok = c.Int(last)
		}
		return ok
	}
	return true
}

// find gives the ranks that the range is, from and to behind the last, in upward order.
func (r *zRange) find(z *zset) (from, to int) {
	n := z.len()
	if r.by != zByRank {
		from, to = z.below(&r.min, r.min.open), z.below(&r.max, !r.max.open)
		return from, max(from, to)
	}
	first, last, size := r.first, r.last, int64(n)
	if first < 0 {
		first = max(first+size, 0)
	}
	if last < 0 {
		last += size
	}
	last = min(last, size-1)
	if first > last {
		return 0, 0
	}
	from, to = int(first), int(last)+1
	if r.rev {
		return n - to, n - from
	}
	return from, to
}

// cut applies LIMIT to a range.
func (r *zRange) cut(from, to int) (int, int) {
	if !r.limited {
		return from, to
	}
	n := int64(to - from)
	if r.offset < 0 || r.offset >= n {
		return from, from
	}
	left := n - r.offset
	if r.limit >= 0 {
		left = min(left, r.limit)
	}
	if r.rev {
		to -= int(r.offset)
		return to - int(left), to
	}
	from += int(r.offset)
	return from, from + int(left)
}

// options parses what stands behind the ends; false after an error. A store knows no WITHSCORES.
func (r *zRange) options(c *Ctx, at int, store, fixed bool) bool {
	auto := r.by == zAuto
	for ; at < len(c.Args); at++ {
		switch {
		case !store && c.Is(at, "withscores"):
			r.scores = true
		case c.Is(at, "limit") && at+2 < len(c.Args):
			var ok bool
			if r.offset, ok = c.Int(at + 1); !ok {
				return false
			}
			if r.limit, ok = c.Int(at + 2); !ok {
				return false
			}
			r.limited = true
			at += 2
		case !fixed && !r.rev && c.Is(at, "rev"):
			r.rev = true
		case auto && r.by == zAuto && c.Is(at, "bylex"):
			r.by = zByName
		case auto && r.by == zAuto && c.Is(at, "byscore"):
			r.by = zByScore
		default:
			c.Fail(errSyntax)
			return false
		}
	}
	if r.by == zAuto {
		r.by = zByRank
	}
	switch {
	case r.limited && r.by == zByRank && r.limit != -1:
		c.Fail("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
		return false
	case r.scores && r.by == zByName:
		c.Fail("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
		return false
	}
	if r.by == zByRank {
		r.limited = false
	}
	return true
}

// parse takes all of a range command whose ends are at an argument; false after an error.
func (r *zRange) parse(c *Ctx, at int, store, fixed bool) bool {
	if !r.options(c, at+2, store, fixed) {
		return false
	}
	if r.rev && r.by != zByRank {
		return r.bounds(c, at+1, at)
	}
	return r.bounds(c, at, at+1)
}

func zrangeCmd(c *Ctx) {
	var r zRange
	fixed := true
	switch c.Cmd.Name {
	case "zrevrange":
		r.by, r.rev = zByRank, true
	case "zrangebyscore", "zrevrangebyscore":
		r.by, r.rev = zByScore, c.Cmd.Name == "zrevrangebyscore"
	case "zrangebylex", "zrevrangebylex":
		r.by, r.rev = zByName, c.Cmd.Name == "zrevrangebylex"
	default:
		fixed = false
	}
	if !r.parse(c, 2, false, fixed) {
		return
	}
	z, ok := readObject[*zset](c, c.Args[1])
	if !ok {
		return
	}
	if z == nil {
		c.Out.Array(0)
		return
	}
	from, to := r.cut(r.find(z))
	r.answer(c, z, from, to)
}

// answer tells of the entries of some ranks.
func (r *zRange) answer(c *Ctx, z *zset, from, to int) {
	start := from
	if r.rev {
		start = to - 1
	}
	c.zArray(to-from, r.scores)
	z.walk(start, to-from, r.rev, func(member string, score float64) { c.zEntry(member, score, r.scores) })
}

// zArray begins an answer of n entries: flat in version 2, of pairs in version 3.
func (c *Ctx) zArray(n int, scores bool) {
	if scores && c.Out.Version() < 3 {
		n *= 2
	}
	c.Out.Array(n)
}

// zEntry answers one of them.
func (c *Ctx) zEntry(member string, score float64, scores bool) {
	if !scores {
		c.Out.BulkString(member)
		return
	}
	if c.Out.Version() >= 3 {
		c.Out.Array(2)
	}
	c.Out.BulkString(member)
	c.Out.Double(score)
}

func zrangestoreCmd(c *Ctx) {
	var r zRange
	if !r.parse(c, 3, true, false) {
		return
	}
	z, ok := readObject[*zset](c, c.Args[2])
	if !ok {
		return
	}
	var list []zEntry
	if z != nil {
		from, to := r.cut(r.find(z))
		list = make([]zEntry, 0, to-from)
		z.walk(from, to-from, false, func(member string, score float64) { list = append(list, zEntry{member, score}) })
	}
	c.storeZSet(c.Args[1], list, "zrangestore")
}

// storeZSet puts a new sorted set under a key, whatever was there, and answers its size. None is stored without entries.
func (c *Ctx) storeZSet(key []byte, list []zEntry, event string) {
	if len(list) == 0 {
		c.remove(key)
		c.Out.Int(0)
		return
	}
	it := c.db.put(key)
	c.db.setExpire(it, 0)
	c.db.setObject(it, zsetOf(c.E, list))
	c.changed(key, it, 'z', event)
	c.signal(key)
	c.Out.Int(int64(len(list)))
}

func zcountCmd(c *Ctx) { zcount(c, zByScore) }

func zlexcountCmd(c *Ctx) { zcount(c, zByName) }

func zcount(c *Ctx, by zOrder) {
	r := zRange{by: by}
	if !r.bounds(c, 2, 3) {
		return
	}
	z, ok := readObject[*zset](c, c.Args[1])
	if !ok {
		return
	}
	n := 0
	if z != nil {
		from, to := r.find(z)
		n = to - from
	}
	c.Out.Int(int64(n))
}

func zremrangeCmd(c *Ctx) {
	by := map[string]zOrder{"zremrangebyrank": zByRank, "zremrangebyscore": zByScore, "zremrangebylex": zByName}
	r := zRange{by: by[c.Cmd.Name]}
	if !r.bounds(c, 2, 3) {
		return
	}
	key := c.Args[1]
	it, z, ok := writeObject[*zset](c, key)
	if !ok {
		return
	}
	n := 0
	if z != nil {
		from, to := r.find(z)
		if n = to - from; n > 0 {
			z.cut(from, n, nil)
			c.changed(key, it, 'z', c.Cmd.Name)
		}
	}
	c.Out.Int(int64(n))
}
