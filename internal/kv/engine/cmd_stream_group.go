package engine

import (
	"fmt"
	"slices"
)

// subcommandSyntax fails as a subcommand that was called wrongly.
func (c *Ctx) subcommandSyntax() {
	c.Fail(fmt.Sprintf("ERR unknown subcommand or wrong number of arguments for '%.128s'. Try %s HELP.", c.Args[1], upper(c.Args[0])))
}

// xgroup is what XGROUP is asked for.
type xgroup struct {
	make bool  // the stream, if it is not there
	read int64 // entries that the group was given
}

// options parses what stands behind the id; false after an error.
func (x *xgroup) options(c *Ctx, making bool) bool {
	x.read = unknownRead
	for at := 5; at < len(c.Args); at++ {
		switch {
		case making && c.Is(at, "mkstream"):
			x.make = true
		case c.Is(at, "entriesread") && at+1 < len(c.Args):
			at++
			var ok bool
			if x.read, ok = c.Int(at); !ok {
				return false
			}
			if x.read < 0 && x.read != unknownRead {
				c.Fail("ERR value for ENTRIESREAD must be positive or -1")
				return false
			}
		default:
			c.subcommandSyntax()
			return false
		}
	}
	return true
}

// target finds the stream that XGROUP is about; nil after an error, or where it may be made.
func (x *xgroup) target(c *Ctx) (it *item, s *stream, ok bool) {
	it, s, ok = writeObject[*stream](c, c.Args[2])
	if ok && s == nil && !x.make {
		c.Fail("ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.")
		ok = false
	}
	return it, s, ok
}

// targetGroup finds the stream and the group; false after an error.
func (x *xgroup) targetGroup(c *Ctx) (it *item, s *stream, g *group, ok bool) {
	if it, s, ok = x.target(c); !ok {
		return nil, nil, nil, false
	}
	if g = s.group(c.Args[3]); g == nil {
		c.noGroupFor(c.Args[3], c.Args[2])
		return nil, nil, nil, false
	}
	return it, s, g, true
}

func (c *Ctx) noGroupFor(group, key []byte) {
	c.Fail(fmt.Sprintf("NOGROUP No such consumer group '%s' for key name '%s'", group, key))
}

// groupID parses an id, where $ is the last of the stream; false after an error.
func (c *Ctx) groupID(i int, s *stream, strict bool) (id streamID, ok bool) {
	if len(c.Args[i]) == 1 && c.Args[i][0] == '$' {
		if s != nil {
			id = s.last
		}
		return id, true
	}
	if id, _, ok = parseStreamID(c.Args[i], idForm{strict: strict}); !ok {
		c.Fail(errStreamID)
	}
	return id, ok
}

// touched says that something of a stream has changed that is no entry: whoever watches the key is not told.
func (c *Ctx) touched(it *item) {
	c.dirty = true
	c.db.settle(it)
}

func xgroupCreateCmd(c *Ctx) {
	var x xgroup
	if !x.options(c, true) {
		return
	}
	it, s, ok := x.target(c)
	if !ok {
		return
	}
	id, ok := c.groupID(4, s, true)
	if !ok {
		return
	}
	key := c.Args[2]
	if s == nil {
		s = newStream()
		it = c.create(key, s)
		c.E.modified(c.db, key, c.S)
	}
	if !s.addGroup(c.Args[3], id, x.read) {
		c.Fail("BUSYGROUP Consumer Group name already exists")
		return
	}
	c.touched(it)
	c.E.event('t', "xgroup-create", c.db, key)
	c.OK()
}

func xgroupSetIDCmd(c *Ctx) {
	var x xgroup
	if !x.options(c, false) {
		return
	}
	it, s, g, ok := x.targetGroup(c)
	if !ok {
		return
	}
	id, ok := c.groupID(4, s, false)
	if !ok {
		return
	}
	g.last, g.read = id, x.read
	c.touched(it)
	c.E.event('t', "xgroup-setid", c.db, c.Args[2])
	c.OK()
}

func xgroupDestroyCmd(c *Ctx) {
	var x xgroup
	it, s, ok := x.target(c)
	if !ok {
		return
	}
	i, ok := s.groupAt(c.Args[3])
	if !ok {
		c.Out.Int(0)
		return
	}
	s.heap -= s.groups[i].bytes()
	s.groups = slices.Delete(s.groups, i, i+1)
	c.touched(it)
	c.E.event('t', "xgroup-destroy", c.db, c.Args[2])
	c.signal(c.Args[2])
	c.Out.Int(1)
}

func xgroupCreateConsumerCmd(c *Ctx) {
	var x xgroup
	it, s, g, ok := x.targetGroup(c)
	if !ok {
		return
	}
	if g.consumer(c.Args[4]) != nil {
		c.Out.Int(0)
		return
	}
	s.addConsumer(g, c.Args[4], c.E.now)
	c.touched(it)
	c.E.event('t', "xgroup-createconsumer", c.db, c.Args[2])
	c.Out.Int(1)
}

func xgroupDelConsumerCmd(c *Ctx) {
	var x xgroup
	it, s, g, ok := x.targetGroup(c)
	if !ok {
		return
	}
	i, ok := g.consumerAt(c.Args[4])
	if !ok {
		c.Out.Int(0)
		return
	}
	who := g.consumers[i]
	who.pending.each(streamID{}, func(p *pending) bool {
		g.pending.remove(p.id)
		s.heap -= pendingBytes
		return true
	})
	s.heap -= who.bytes()
	g.consumers = slices.Delete(g.consumers, i, i+1)
	c.touched(it)
	c.E.event('t', "xgroup-delconsumer", c.db, c.Args[2])
	c.Out.Int(int64(who.pending.n))
}

func xgroupHelpCmd(c *Ctx) {
	c.help("CREATE <key> <groupname> <id|$> [option]", "    Make a consumer group. Options are:",
		"    * MKSTREAM", "      Make an empty stream if there is none.",
		"    * ENTRIESREAD entries_read", "      How many entries the group was given so far.",
		"CREATECONSUMER <key> <groupname> <consumer>", "    Make a consumer of the group.",
		"DELCONSUMER <key> <groupname> <consumer>", "    Remove a consumer with what it has not acknowledged.",
		"DESTROY <key> <groupname>", "    Remove the group.",
		"SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]", "    Set the last id that the group was given.")
}

func xackCmd(c *Ctx) {
	it, s, ok := writeObject[*stream](c, c.Args[1])
	if !ok {
		return
	}
	var g *group
	if s != nil {
		g = s.group(c.Args[2])
	}
	if g == nil {
		c.Out.Int(0)
		return
	}
	ids, ok := c.streamIDs(3)
	if !ok {
		return
	}
	n := 0
	for _, id := range ids {
		if s.done(g, id) {
			n++
		}
	}
	if n > 0 {
		c.touched(it)
	}
	c.Out.Int(int64(n))
}

// xpending is what XPENDING is asked for.
type xpending struct {
	idle     int64
	from, to streamID
	count    int64
	consumer []byte
}

// parse takes the longer form; false after an error.
func (x *xpending) parse(c *Ctx) (ok bool) {
	n := len(c.Args)
	if n < 6 || n > 9 {
		c.Fail(errSyntax)
		return false
	}
	at := 3
	if c.Is(at, "idle") {
		if x.idle, ok = c.Int(4); !ok {
			return false
		}
		if n < 8 {
			c.Fail(errSyntax)
			return false
		}
		at = 5
	}
	if x.count, ok = c.Int(at + 2); !ok {
		return false
	}
	if x.from, x.to, ok = c.interval(at, at+1); !ok {
		return false
	}
	if at+3 < n {
		x.consumer = c.Args[at+3]
	}
	return true
}

func xpendingCmd(c *Ctx) {
	var x xpending
	short := len(c.Args) == 3
	if !short && !x.parse(c) {
		return
	}
	s, ok := readObject[*stream](c, c.Args[1])
	if !ok {
		return
	}
	var g *group
	if s != nil {
		g = s.group(c.Args[2])
	}
	switch {
	case g == nil:
		c.noGroup(c.Args[1], c.Args[2])
	case short:
		xpendingSummary(c, g)
	default:
		x.answer(c, g)
	}
}

func (c *Ctx) noGroup(key, group []byte) {
	c.Fail(fmt.Sprintf("NOGROUP No such key '%s' or consumer group '%s'", key, group))
}

func xpendingSummary(c *Ctx, g *group) {
	c.Out.Array(4)
	c.Out.Int(int64(g.pending.n))
	if g.pending.n == 0 {
		c.Out.Null()
		c.Out.Null()
		c.Out.NullArray()
		return
	}
	first, last := g.pending.edges()
	c.answerID(first.id)
	c.answerID(last.id)
	mark, n := c.Out.Mark(), 0
	for _, who := range g.consumers {
		if who.pending.n > 0 {
			c.Out.Array(2)
			c.Out.BulkString(who.name)
			c.Out.Bulk(appendInt(nil, int64(who.pending.n)))
			n++
		}
	}
	c.Out.ArrayAt(mark, n)
}

func (x *xpending) answer(c *Ctx, g *group) {
	list := &g.pending
	if x.consumer != nil {
		who := g.consumer(x.consumer)
		if who == nil {
			c.Out.Array(0)
			return
		}
		list = &who.pending
	}
	mark, n := c.Out.Mark(), 0
	list.each(x.from, func(p *pending) bool {
		if int64(n) >= x.count || x.to.less(p.id) {
			return false
		}
		idle := max(c.E.now-p.time, 0)
		if x.idle > 0 && idle < x.idle {
			return true
		}
		c.Out.Array(4)
		c.answerID(p.id)
		c.Out.BulkString(p.owner.name)
		c.Out.Int(idle)
		c.Out.Int(p.count)
		n++
		return true
	})
	c.Out.ArrayAt(mark, n)
}
