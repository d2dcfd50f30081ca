package engine

import "fmt"

// xclaim is what XCLAIM is asked for.
type xclaim struct {
	key      []byte
	it       *item
	s        *stream
	g        *group
	who      *consumer
	idle     int64
	ids      []streamID
	force    bool
	justID   bool
	time     int64 // of the delivery; -1 = now
	retries  int64 // -1 = one more
	last     streamID
	answered int
}

// groupOf finds the stream and the group of a claim; false after an error.
func (x *xclaim) groupOf(c *Ctx) (ok bool) {
	x.key = c.Args[1]
	if x.it, x.s, ok = writeObject[*stream](c, x.key); !ok {
		return false
	}
	if x.s != nil {
		x.g = x.s.group(c.Args[2])
	}
	if x.g == nil {
		c.noGroup(x.key, c.Args[2])
	}
	return x.g != nil
}

// whole parses an argument with an error of its own; false after it.
func (c *Ctx) whole(i int, refusal string) (int64, bool) {
	n, ok := parseInt(c.Args[i])
	if !ok {
		c.Fail(refusal)
	}
	return n, ok
}

func (x *xclaim) options(c *Ctx) (ok bool) {
	at := 5
	for ; at < len(c.Args); at++ {
		id, _, ok := parseStreamID(c.Args[at], idForm{strict: true})
		if !ok {
			break
		}
		x.ids = append(x.ids, id)
	}
	ok = true
	for ; at < len(c.Args) && ok; at++ {
		more := at+1 < len(c.Args)
		switch {
		case c.Is(at, "force"):
			x.force = true
		case c.Is(at, "justid"):
			x.justID = true
		case more && c.Is(at, "idle"):
			at++
			x.time, ok = c.whole(at, "ERR Invalid IDLE option argument for XCLAIM")
			x.time = c.E.now - x.time
		case more && c.Is(at, "time"):
			at++
			x.time, ok = c.whole(at, "ERR Invalid TIME option argument for XCLAIM")
		case more && c.Is(at, "retrycount"):
			at++
			x.retries, ok = c.whole(at, "ERR Invalid RETRYCOUNT option argument for XCLAIM")
		case more && c.Is(at, "lastid"):
			at++
			x.last, ok = c.streamID(at)
		default:
			c.Fail(fmt.Sprintf("ERR Unrecognized XCLAIM option '%s'", c.Args[at]))
			return false
		}
	}
	return ok
}

func xclaimCmd(c *Ctx) {
	x := xclaim{time: -1, retries: -1}
	if !x.groupOf(c) {
		return
	}
	var ok bool
	if x.idle, ok = c.whole(4, "ERR Invalid min-idle-time argument for XCLAIM"); !ok || !x.options(c) {
		return
	}
	advanced := x.g.last.less(x.last)
	if advanced {
		x.g.last = x.last
	}
	if (x.time < 0 || x.time > c.E.now) && !c.E.loading {
		x.time = c.E.now
	}
	mark := c.Out.Mark()
	for _, id := range x.ids {
		p := x.g.pending.find(id)
		if !x.s.has(id) && !c.E.loading { // a log has what is pending of entries that are gone, too
			if p != nil {
				x.forget(c, id)
			}
			continue
		}
		if p == nil && !x.force || p != nil && x.idle > 0 && c.E.now-p.time < x.idle {
			continue
		}
		count := int64(1) // of what is made by force
		if p != nil {
			count = p.count
		}
		switch {
		case x.retries >= 0:
			count = x.retries
		case !x.justID:
			count++
		}
		x.claim(c, id, count)
	}
	if advanced {
		c.groupEffect(x.key, x.g)
	}
	c.noEffect()
	c.db.settle(x.it)
	c.Out.ArrayAt(mark, x.answered)
}

// forget removes a pending entry that is no longer in the stream.
func (x *xclaim) forget(c *Ctx, id streamID) {
	x.s.done(x.g, id)
	c.effect([]byte("XACK"), x.key, []byte(x.g.name), id.append(nil))
}

// claim gives an entry to the consumer and answers it.
func (x *xclaim) claim(c *Ctx, id streamID, count int64) {
	if x.who == nil {
		x.who = c.member(x.key, x.s, x.g, c.Args[3])
	}
	p := x.s.deliver(x.g, x.who, id, x.time, count)
	if x.justID {
		c.answerID(id)
	} else {
		x.s.each(id, id, false, func(e *streamEntry) bool {
			c.answerEntry(e)
			return false
		})
	}
	x.answered++
	c.effect(claimArgs(x.key, x.g, p)...)
}

// autoclaimTries is how many pending entries XAUTOCLAIM looks at for each that it may claim.
const autoclaimTries = 10

func xautoclaimCmd(c *Ctx) {
	x := xclaim{time: c.E.now}
	var ok bool
	if x.idle, ok = c.whole(4, "ERR Invalid min-idle-time argument for XAUTOCLAIM"); !ok {
		return
	}
	start, open, ok := c.intervalEnd(5, 0)
	if !ok {
		return
	}
	if open {
		if start, ok = start.next(); !ok {
			c.Fail("ERR invalid start ID for the interval")
			return
		}
	}
	count := int64(100)
	for at := 6; at < len(c.Args); at++ {
		switch {
		case at+1 < len(c.Args) && c.Is(at, "count"):
			at++
			n, ok := parseInt(c.Args[at])
			if !ok || n < 1 || n > 1<<59 {
				c.Fail("ERR COUNT must be > 0")
				return
			}
			count = n
		case c.Is(at, "justid"):
			x.justID = true
		default:
			c.Fail(errSyntax)
			return
		}
	}
	if x.groupOf(c) {
		x.scan(c, start, count)
	}
}

// scan claims up to count entries from an id on, and answers where to go on, what was claimed and what is gone.
func (x *xclaim) scan(c *Ctx, start streamID, count int64) {
	var looked []*pending
	var next streamID
	tries := count * autoclaimTries
	x.g.pending.each(start, func(p *pending) bool {
		if tries--; tries < 0 {
			return false
		}
		looked = append(looked, p)
		return true
	})
	var gone, claimed []*pending
	for i, p := range looked {
		if count == 0 {
			looked = looked[:i]
			next = p.id
			break
		}
		switch {
		case !x.s.has(p.id):
			gone = append(gone, p)
		case x.idle > 0 && c.E.now-p.time < x.idle:
			continue
		default:
			claimed = append(claimed, p)
		}
		count--
	}
	if next == (streamID{}) && len(looked) > 0 {
		if id, ok := looked[len(looked)-1].id.next(); ok {
			if p := x.g.pending.from(id); p != nil {
				next = p.id
			}
		}
	}
	for _, p := range gone {
		x.forget(c, p.id)
	}
	c.Out.Array(3)
	c.answerID(next)
	c.Out.Array(len(claimed))
	for _, p := range claimed {
		count := p.count
		if !x.justID {
			count++
		}
		x.claim(c, p.id, count)
	}
	c.Out.Array(len(gone))
	for _, p := range gone {
		c.answerID(p.id)
	}
	c.noEffect()
	c.db.settle(x.it)
}
