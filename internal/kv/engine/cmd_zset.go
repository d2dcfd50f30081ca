package engine

import (
	"math"
	"strconv"
)

func zsetCommands() []*Command {
	return []*Command{
		{Name: "bzmpop", Arity: -5, Flags: Write | Blocking | MovableKeys, Find: keysCounted(2), Group: "sorted_set", Since: "7.0.0", Complexity: "O(K) + O(M*log(N))", Summary: "Takes the members with the lowest or highest scores from the first sorted set that has any, and waits for one.", Run: bzmpopCmd, Categories: []Category{"sortedset"}},
		{Name: "bzpopmax", Arity: -3, Flags: Write | NoScript | Fast | Blocking, Keys: Keys{1, -2, 1}, Group: "sorted_set", Since: "5.0.0", Complexity: "O(log(N))", Summary: "Takes the member with the highest score from the first sorted set that has any, and waits for one.", Run: bzpopCmd, Categories: []Category{"sortedset"}},
		{Name: "bzpopmin", Arity: -3, Flags: Write | NoScript | Fast | Blocking, Keys: Keys{1, -2, 1}, Group: "sorted_set", Since: "5.0.0", Complexity: "O(log(N))", Summary: "Takes the member with the lowest score from the first sorted set that has any, and waits for one.", Run: bzpopCmd, Categories: []Category{"sortedset"}},
		{Name: "zadd", Arity: -4, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "1.2.0", Complexity: "O(log(N))", Summary: "Gives members of a sorted set their scores.", Run: zaddCmd, Categories: []Category{"sortedset"}},
		{Name: "zcard", Arity: 2, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "1.2.0", Complexity: "O(1)", Summary: "Counts the members of a sorted set.", Run: zcardCmd, Categories: []Category{"sortedset"}},
		{Name: "zcount", Arity: 4, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "2.0.0", Complexity: "O(log(N))", Summary: "Counts the members whose scores are in a range.", Run: zcountCmd, Categories: []Category{"sortedset"}},
		{Name: "zdiff", Arity: -3, Flags: ReadOnly | MovableKeys, Find: keysCounted(1), Group: "sorted_set", Since: "6.2.0", Complexity: "O(L + (N-K)log(N))", Summary: "Answers the members of the first sorted set that no other has.", Run: zalgebraCmd, Categories: []Category{"sortedset"}},
		{Name: "zdiffstore", Arity: -4, Flags: Write | DenyOOM | MovableKeys, Keys: Keys{1, 1, 1}, Find: keysStored, Group: "sorted_set", Since: "6.2.0", Complexity: "O(L + (N-K)log(N))", Summary: "Stores the members of the first sorted set that no other has.", Run: zalgebraCmd, Categories: []Category{"sortedset"}},
		{Name: "zincrby", Arity: 4, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "1.2.0", Complexity: "O(log(N))", Summary: "Adds to the score of a member.", Run: zincrbyCmd, Categories: []Category{"sortedset"}},
		{Name: "zinter", Arity: -3, Flags: ReadOnly | MovableKeys, Find: keysCounted(1), Group: "sorted_set", Since: "6.2.0", Complexity: "O(N*K)+O(M*log(M))", Summary: "Answers the members that all sorted sets have.", Run: zalgebraCmd, Categories: []Category{"sortedset"}},
		{Name: "zintercard", Arity: -3, Flags: ReadOnly | MovableKeys, Find: keysCounted(1), Group: "sorted_set", Since: "7.0.0", Complexity: "O(N*K)", Summary: "Counts the members that all sorted sets have.", Run: zalgebraCmd, Categories: []Category{"sortedset"}},
		{Name: "zinterstore", Arity: -4, Flags: Write | DenyOOM | MovableKeys, Keys: Keys{1, 1, 1}, Find: keysStored, Group: "sorted_set", Since: "2.0.0", Complexity: "O(N*K)+O(M*log(M))", Summary: "Stores the members that all sorted sets have.", Run: zalgebraCmd, Categories: []Category{"sortedset"}},
		{Name: "zlexcount", Arity: 4, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "2.8.9", Complexity: "O(log(N))", Summary: "Counts the members between two names.", Run: zlexcountCmd, Categories: []Category{"sortedset"}},
		{Name: "zmpop", Arity: -4, Flags: Write | MovableKeys, Find: keysCounted(1), Group: "sorted_set", Since: "7.0.0", Complexity: "O(K) + O(M*log(N))", Summary: "Takes the members with the lowest or highest scores from the first sorted set that has any.", Run: zmpopCmd, Categories: []Category{"sortedset"}},
		{Name: "zmscore", Arity: -3, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "6.2.0", Complexity: "O(N)", Summary: "Answers the scores of several members.", Run: zmscoreCmd, Categories: []Category{"sortedset"}},
		{Name: "zpopmax", Arity: -2, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "5.0.0", Complexity: "O(log(N)*M)", Summary: "Takes the members with the highest scores.", Run: zpopCmd, Categories: []Category{"sortedset"}},
		{Name: "zpopmin", Arity: -2, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "5.0.0", Complexity: "O(log(N)*M)", Summary: "Takes the members with the lowest scores.", Run: zpopCmd, Categories: []Category{"sortedset"}},
		{Name: "zrandmember", Arity: -2, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "6.2.0", Complexity: "O(N)", Summary: "Answers members taken at random.", Run: zrandmemberCmd, Categories: []Category{"sortedset"}},
		{Name: "zrange", Arity: -4, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "1.2.0", Complexity: "O(log(N)+M)", Summary: "Answers the members in a range of ranks, scores or names.", Run: zrangeCmd, Categories: []Category{"sortedset"}},
		{Name: "zrangebylex", Arity: -4, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "2.8.9", Complexity: "O(log(N)+M)", Summary: "Answers the members between two names.", Run: zrangeCmd, Categories: []Category{"sortedset"}},
		{Name: "zrangebyscore", Arity: -4, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "1.0.5", Complexity: "O(log(N)+M)", Summary: "Answers the members whose scores are in a range.", Run: zrangeCmd, Categories: []Category{"sortedset"}},
		{Name: "zrangestore", Arity: -5, Flags: Write | DenyOOM, Keys: Keys{1, 2, 1}, Group: "sorted_set", Since: "6.2.0", Complexity: "O(log(N)+M)", Summary: "Stores the members in a range under another key.", Run: zrangestoreCmd, Categories: []Category{"sortedset"}},
		{Name: "zrank", Arity: 3, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "2.0.0", Complexity: "O(log(N))", Summary: "Answers at which place a member is, the lowest score first.", Run: zrankCmd, Categories: []Category{"sortedset"}},
		{Name: "zrem", Arity: -3, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "1.2.0", Complexity: "O(M*log(N))", Summary: "Removes members.", Run: zremCmd, Categories: []Category{"sortedset"}},
		{Name: "zremrangebylex", Arity: 4, Flags: Write, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "2.8.9", Complexity: "O(log(N)+M)", Summary: "Removes the members between two names.", Run: zremrangeCmd, Categories: []Category{"sortedset"}},
		{Name: "zremrangebyrank", Arity: 4, Flags: Write, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "2.0.0", Complexity: "O(log(N)+M)", Summary: "Removes the members in a range of ranks.", Run: zremrangeCmd, Categories: []Category{"sortedset"}},
		{Name: "zremrangebyscore", Arity: 4, Flags: Write, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "1.2.0", Complexity: "O(log(N)+M)", Summary: "Removes the members whose scores are in a range.", Run: zremrangeCmd, Categories: []Category{"sortedset"}},
		{Name: "zrevrange", Arity: -4, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "1.2.0", Complexity: "O(log(N)+M)", Summary: "Answers the members in a range of ranks, the highest score first.", Run: zrangeCmd, Categories: []Category{"sortedset"}},
		{Name: "zrevrangebylex", Arity: -4, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "2.8.9", Complexity: "O(log(N)+M)", Summary: "Answers the members between two names, the last first.", Run: zrangeCmd, Categories: []Category{"sortedset"}},
		{Name: "zrevrangebyscore", Arity: -4, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "2.2.0", Complexity: "O(log(N)+M)", Summary: "Answers the members whose scores are in a range, the highest first.", Run: zrangeCmd, Categories: []Category{"sortedset"}},
		{Name: "zrevrank", Arity: 3, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "2.0.0", Complexity: "O(log(N))", Summary: "Answers at which place a member is, the highest score first.", Run: zrankCmd, Categories: []Category{"sortedset"}},
		{Name: "zscan", Arity: -3, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "2.8.0", Complexity: "O(1)", Summary: "Goes through the members of a sorted set step by step.", Run: zscanCmd, Categories: []Category{"sortedset"}},
		{Name: "zscore", Arity: 3, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "sorted_set", Since: "1.2.0", Complexity: "O(1)", Summary: "Answers the score of a member.", Run: zscoreCmd, Categories: []Category{"sortedset"}},
		{Name: "zunion", Arity: -3, Flags: ReadOnly | MovableKeys, Find: keysCounted(1), Group: "sorted_set", Since: "6.2.0", Complexity: "O(N)+O(M*log(M))", Summary: "Answers the members that any of the sorted sets has.", Run: zalgebraCmd, Categories: []Category{"sortedset"}},
		{Name: "zunionstore", Arity: -4, Flags: Write | DenyOOM | MovableKeys, Keys: Keys{1, 1, 1}, Find: keysStored, Group: "sorted_set", Since: "2.0.0", Complexity: "O(N)+O(M log(M))", Summary: "Stores the members that any of the sorted sets has.", Run: zalgebraCmd, Categories: []Category{"sortedset"}},
	}
}

// keysCounted finds the keys of a command that says at an argument how many follow.
func keysCounted(at int) func(args [][]byte) []int {
	return func(args [][]byte) []int {
		if at >= len(args) {
			return nil
		}
		n, ok := parseInt(args[at])
		if !ok || n < 1 || n > int64(len(args)-at-1) {
			return nil
		}
		keys := make([]int, n)
		for i := range keys {
			keys[i] = at + 1 + i
		}
		return keys
	}
}

// keysStored finds the keys of a command that stores to its first argument what it makes of others, which are counted.
func keysStored(args [][]byte) []int { return append([]int{1}, keysCounted(2)(args)...) }

const errScoreNaN = "ERR resulting score is not a number (NaN)"

// appendScore writes a score so that it reads back as itself.
func appendScore(b []byte, score float64) []byte {
	if score == math.Trunc(score) && math.Abs(score) < 1<<53 && (score != 0 || !math.Signbit(score)) {
		return strconv.AppendInt(b, int64(score), 10)
	}
	switch {
	case math.IsInf(score, 1):
		return append(b, "inf"...)
	case math.IsInf(score, -1):
		return append(b, "-inf"...)
	}
	return strconv.AppendFloat(b, score, 'g', 17, 64)
}

// zaddOptions are what ZADD knows.
type zaddOptions struct{ nx, xx, gt, lt, ch, incr bool }

// parse takes the words in front of the first score and gives where that is.
func (o *zaddOptions) parse(c *Ctx) (at int) {
	for at = 2; at < len(c.Args); at++ {
		switch {
		case c.Is(at, "nx"):
			o.nx = true
		case c.Is(at, "xx"):
			o.xx = true
		case c.Is(at, "gt"):
			o.gt = true
		case c.Is(at, "lt"):
			o.lt = true
		case c.Is(at, "ch"):
			o.ch = true
		case c.Is(at, "incr"):
			o.incr = true
		default:
			return at
		}
	}
	return at
}

// check says which of the options do not go together; "" if all do.
func (o *zaddOptions) check(args int) string {
	switch {
	case args%2 != 0 || args == 0:
		return errSyntax
	case o.nx && o.xx:
		return "ERR XX and NX options at the same time are not compatible"
	case o.gt && o.nx, o.lt && o.nx, o.gt && o.lt:
		return "ERR GT, LT, and/or NX options at the same time are not compatible"
	case o.incr && args > 2:
		return "ERR INCR option supports a single increment-element pair"
	}
	return ""
}

func zaddCmd(c *Ctx) {
	var o zaddOptions
	at := o.parse(c)
	if refusal := o.check(len(c.Args) - at); refusal != "" {
		c.Fail(refusal)
		return
	}
	zadd(c, &o, at)
}

func zincrbyCmd(c *Ctx) { zadd(c, &zaddOptions{incr: true}, 2) }

// zadd gives the members from an argument on their scores.
func zadd(c *Ctx, o *zaddOptions, at int) {
	var few [4]float64
	scores := few[:0]
	for i := at; i < len(c.Args); i += 2 {
		f, ok := c.Float(i)
		if !ok {
			return
		}
		scores = append(scores, f)
	}
	zaddAll(c, o, scores, func(i int) []byte { return c.Args[at+2*i+1] })
}

// zaddAll gives as many members as there are scores theirs.
func zaddAll(c *Ctx, o *zaddOptions, scores []float64, member func(i int) []byte) {
	key := c.Args[1]
	it, z, ok := writeObject[*zset](c, key)
	if !ok {
		return
	}
	if z == nil {
		if o.xx {
			o.answer(c, 0, 0, 0, false)
			return
		}
		z = newZSet(c.E)
		it = c.create(key, z)
	}
	var added, updated int
	var score float64
	done := false
	for i, s := range scores {
		did, is, change, ok := z.apply(o, member(i), s)
		if !ok {
			c.Fail(errScoreNaN)
			break
		}
		score, done = is, did
		switch change {
		case zAdded:
			added++
		case zUpdated:
			updated++
		case zSame:
		}
	}
	if !c.failed {
		o.answer(c, added, updated, score, done)
	}
	if added+updated > 0 {
		event := "zadd"
		if o.incr {
			event = "zincr"
		}
		c.changed(key, it, 'z', event)
		c.signal(key)
	}
}

// zChange is what became of a member.
type zChange uint8

const (
	zSame zChange = iota
	zUpdated
	zAdded
)

// apply gives a member a score as the options allow: whether they did, and the score it has then. ok is false of a sum
// that is no number.
func (z *zset) apply(o *zaddOptions, member []byte, score float64) (did bool, is float64, change zChange, ok bool) {
	if o.nx || o.xx || o.gt || o.lt || o.incr {
		had, there := z.scoreOf(member)
		if there && o.nx || !there && o.xx {
			return false, 0, zSame, true
		}
		if there && o.incr {
			if score += had; math.IsNaN(score) {
				return false, 0, zSame, false
			}
		}
		if there && (o.lt && score >= had || o.gt && score <= had) {
			return false, 0, zSame, true
		}
	}
	added, changed := z.set(member, score)
	switch {
	case added:
		change = zAdded
	case changed:
		change = zUpdated
	}
	return true, score, change, true
}

func (o *zaddOptions) answer(c *Ctx, added, updated int, score float64, done bool) {
	switch {
	case o.incr && !done:
		c.Out.Null()
	case o.incr:
		c.Out.Double(score)
	case o.ch:
		c.Out.Int(int64(added + updated))
	default:
		c.Out.Int(int64(added))
	}
}

func zremCmd(c *Ctx) {
	key := c.Args[1]
	it, z, ok := writeObject[*zset](c, key)
	if !ok {
		return
	}
	n := 0
	if z != nil {
		for _, member := range c.Args[2:] {
			if z.remove(member) {
				n++
			}
		}
	}
	if n > 0 {
		c.changed(key, it, 'z', "zrem")
	}
	c.Out.Int(int64(n))
}

func zcardCmd(c *Ctx) {
	if z, ok := readObject[*zset](c, c.Args[1]); ok {
		n := 0
		if z != nil {
			n = z.len()
		}
		c.Out.Int(int64(n))
	}
}

func zscoreCmd(c *Ctx) {
	if z, ok := readObject[*zset](c, c.Args[1]); ok {
		zscoreAnswer(c, z, c.Args[2])
	}
}

func zscoreAnswer(c *Ctx, z *zset, member []byte) {
	if z != nil {
		if score, ok := z.scoreOf(member); ok {
			c.Out.Double(score)
			return
		}
	}
	c.Out.Null()
}

func zmscoreCmd(c *Ctx) {
	z, ok := readObject[*zset](c, c.Args[1])
	if !ok {
		return
	}
	c.Out.Array(len(c.Args) - 2)
	for _, member := range c.Args[2:] {
		zscoreAnswer(c, z, member)
	}
}

func zrankCmd(c *Ctx) {
	z, ok := readObject[*zset](c, c.Args[1])
	if !ok {
		return
	}
	rank := -1
	if z != nil {
		rank, _ = z.rank(c.Args[2])
	}
	switch {
	case rank < 0:
		c.Out.Null()
	case c.Cmd.Name == "zrevrank":
		c.Out.Int(int64(z.len() - 1 - rank))
	default:
		c.Out.Int(int64(rank))
	}
}

// scoreText is a score as it stands among texts.
func scoreText(score float64) string { return string(appendScore(nil, score)) }

func zscanCmd(c *Ctx) {
	s, z, ok := scanObject[*zset](c)
	if !ok {
		return
	}
	if z.names != nil {
		found, cursor := scanDict(&s, z.names)
		c.scanHead(cursor, 2*len(found))
		for _, n := range found {
			c.Out.BulkString(n.key())
			c.Out.Bulk(appendScore(c.E.scratch[:0], n.val))
		}
		return
	}
	var found []zEntry
	for _, n := range z.list {
		if s.match == nil || glob(s.match, []byte(n.member)) {
			found = append(found, n)
		}
	}
	c.scanHead(0, 2*len(found))
	for _, n := range found {
		c.Out.BulkString(n.member)
		c.Out.BulkString(scoreText(n.score))
	}
}
