package engine

// streamAdd is what XADD and XTRIM are asked for.
type streamAdd struct {
	trim    streamTrim
	limited bool // LIMIT was given
	noMake  bool // a stream that is not there is not made
	id      streamID
	given   bool // an id was given
	whole   bool // and both its parts
}

// parse takes the options and gives where the id is; -1 after an error.
func (a *streamAdd) parse(c *Ctx, xadd bool) int {
	at := 2
	for ; at < len(c.Args); at++ {
		more := len(c.Args) - 1 - at
		switch {
		case xadd && len(c.Args[at]) == 1 && c.Args[at][0] == '*':
			return a.check(c, at, xadd)
		case more > 0 && (c.Is(at, "maxlen") || c.Is(at, "minid")):
			if at = a.border(c, at); at < 0 {
				return -1
			}
		case more > 0 && c.Is(at, "limit"):
			n, ok := c.Int(at + 1)
			if !ok {
				return -1
			}
			if n < 0 {
				c.Fail("ERR The LIMIT argument must be >= 0.")
				return -1
			}
			a.trim.limit, a.limited = n, true
			at++
		case xadd && c.Is(at, "nomkstream"):
			a.noMake = true
		case xadd:
			var ok bool
			if a.id, a.whole, ok = parseStreamID(c.Args[at], idForm{strict: true, auto: true}); !ok {
				c.Fail(errStreamID)
				return -1
			}
			a.given = true
			return a.check(c, at, xadd)
		default:
			c.Fail(errSyntax)
			return -1
		}
	}
	return a.check(c, at, xadd)
}

// border parses MAXLEN or MINID and gives the last argument of it; -1 after an error.
func (a *streamAdd) border(c *Ctx, at int) int {
	if a.trim.by != "" {
		c.Fail(errBothTrims)
		return -1
	}
	by := string(lower(nil, c.Args[at]))
	at++
	if at+1 < len(c.Args) && len(c.Args[at]) == 1 && (c.Args[at][0] == '~' || c.Args[at][0] == '=') {
		a.trim.approx = c.Args[at][0] == '~'
		at++
	}
	var ok bool
	if by == "minid" {
		a.trim.id, ok = c.streamID(at)
	} else if a.trim.length, ok = c.Int(at); ok && a.trim.length < 0 {
		c.Fail("ERR The MAXLEN argument must be >= 0.")
		ok = false
	}
	if !ok {
		return -1
	}
	a.trim.by = by
	return at
}

// Bounds of what trimming whole blocks does at once when no limit was given.
const (
	trimBlocks = 100
	trimMost   = 1000000
	trimUsual  = 10000
)

// check says what does not go together, and gives at or -1 after an error.
func (a *streamAdd) check(c *Ctx, at int, xadd bool) int {
	refusal := ""
	switch {
	case a.trim.limit > 0 && a.trim.by == "":
		refusal = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
	case !xadd && a.trim.by == "":
		refusal = "ERR syntax error, XTRIM must be called with a trimming strategy"
	case a.limited && !a.trim.approx && !c.E.loading:
		refusal = "ERR syntax error, LIMIT cannot be used without the special ~ option"
	}
	if refusal != "" {
		c.Fail(refusal)
		return -1
	}
	if a.trim.approx && !a.limited {
		a.trim.limit = min(trimBlocks*int64(min(c.E.limits.StreamEntries, trimMost)), trimMost)
		if a.trim.limit <= 0 {
			a.trim.limit = trimUsual
		}
	}
	return at
}

// next gives the id of the next entry; false after an error.
func (a *streamAdd) next(c *Ctx, s *stream) (id streamID, ok bool) {
	if s.last == lastStreamID() {
		c.Fail("ERR The stream has exhausted the last possible ID, unable to add more items")
		return id, false
	}
	switch {
	case !a.given:
		if id = (streamID{ms: uint64(max(c.E.now, 0))}); !s.last.less(id) {
			id, _ = s.last.next()
		}
		return id, true
	case !a.whole && s.last.ms == a.id.ms:
		if id, _ = s.last.next(); id.ms != a.id.ms {
			c.Fail(errStreamSmall)
			return id, false
		}
		return id, true
	}
	if !s.last.less(a.id) {
		c.Fail(errStreamSmall)
		return id, false
	}
	return a.id, true
}

func xaddCmd(c *Ctx) {
	var a streamAdd
	at := a.parse(c, true)
	if at < 0 {
		return
	}
	pairs := c.Args[min(at+1, len(c.Args)):]
	if len(pairs) < 2 || len(pairs)%2 != 0 {
		c.Fail("ERR wrong number of arguments for 'xadd' command")
		return
	}
	if a.given && a.whole && a.id == (streamID{}) {
		c.Fail("ERR The ID specified in XADD must be greater than 0-0")
		return
	}
	size := 0
	for _, p := range pairs {
		size += len(p)
	}
	key := c.Args[1]
	it, s, ok := writeObject[*stream](c, key)
	if !ok {
		return
	}
	if s == nil && a.noMake {
		c.Out.Null()
		return
	}
	if size > streamEntryMost {
		c.Fail("ERR Elements are too large to be stored")
		return
	}
	fresh := s == nil
	if fresh {
		s = newStream()
	}
	id, ok := a.next(c, s)
	if !ok {
		return
	}
	if fresh {
		it = c.create(key, s)
	}
	s.add(&c.E.limits, id, pairs)
	c.answerID(id)
	c.changed(key, it, 't', "xadd")
	xaddEffects(c, &a, s, id, it, pairs)
	c.signal(key)
}

// xaddEffects trims as XADD was asked to, and tells what has happened in absolute terms.
func xaddEffects(c *Ctx, a *streamAdd, s *stream, id streamID, it *item, pairs [][]byte) {
	key, trimmed := c.Args[1], int64(0)
	if a.trim.by != "" {
		if trimmed = s.trim(&a.trim); trimmed > 0 {
			c.db.settle(it)
			c.E.event('t', "xtrim", c.db, key)
		}
	}
	if a.given && a.whole && !a.trim.approx || c.E.cfg.Effects == nil {
		return // as it came, or nobody listens
	}
	args := append([][]byte{[]byte("XADD"), key, id.append(nil)}, pairs...)
	c.effect(args...)
	if trimmed > 0 {
		trimEffect(c, key, s)
	}
}

// trimEffect tells that a stream has so many entries now.
func trimEffect(c *Ctx, key []byte, s *stream) {
	c.effect([]byte("XTRIM"), key, []byte("MAXLEN"), []byte("="), appendInt(nil, int64(s.n)))
}

func xtrimCmd(c *Ctx) {
	var a streamAdd
	if a.parse(c, false) < 0 {
		return
	}
	key := c.Args[1]
	it, s, ok := writeObject[*stream](c, key)
	if !ok {
		return
	}
	n := int64(0)
	if s != nil {
		if n = s.trim(&a.trim); n > 0 {
			c.changed(key, it, 't', "xtrim")
			if a.trim.approx {
				trimEffect(c, key, s)
			}
		}
	}
	c.Out.Int(n)
}
