package engine

func xinfoHelpCmd(c *Ctx) {
	c.help("CONSUMERS <key> <groupname>", "    The consumers of a group.", "GROUPS <key>", "    The consumer groups of a stream.",
		"STREAM <key> [FULL [COUNT <count>]", "    What there is to know of a stream.")
}

// xinfoStream finds the stream that XINFO tells of; nil after an error.
func xinfoStream(c *Ctx) *stream {
	s, ok := readObject[*stream](c, c.Args[2])
	if ok && s == nil {
		c.Fail(errNoKey)
	}
	return s
}

func (c *Ctx) pairInt(name string, n int64) {
	c.Out.BulkString(name)
	c.Out.Int(n)
}

func (c *Ctx) pairName(name string) {
	c.Out.BulkString("name")
	c.Out.BulkString(name)
}

func (c *Ctx) pairID(name string, id streamID) {
	c.Out.BulkString(name)
	c.answerID(id)
}

// pairKnown is of a number that may not be known.
func (c *Ctx) pairKnown(name string, n int64, known bool) {
	c.Out.BulkString(name)
	if !known {
		c.Out.Null()
		return
	}
	c.Out.Int(n)
}

func xinfoConsumersCmd(c *Ctx) {
	s := xinfoStream(c)
	if s == nil {
		return
	}
	g := s.group(c.Args[3])
	if g == nil {
		c.noGroupFor(c.Args[3], c.Args[2])
		return
	}
	c.Out.Array(len(g.consumers))
	for _, who := range g.consumers {
		c.Out.Map(3)
		c.pairName(who.name)
		c.pairInt("pending", int64(who.pending.n))
		c.pairInt("idle", max(c.E.now-who.seen, 0))
	}
}

func xinfoGroupsCmd(c *Ctx) {
	s := xinfoStream(c)
	if s == nil {
		return
	}
	c.Out.Array(len(s.groups))
	for _, g := range s.groups {
		c.Out.Map(6)
		c.pairName(g.name)
		c.pairInt("consumers", int64(len(g.consumers)))
		c.pairInt("pending", int64(g.pending.n))
		c.pairID("last-delivered-id", g.last)
		c.pairKnown("entries-read", g.read, g.read != unknownRead)
		lag, known := g.lag(s)
		c.pairKnown("lag", lag, known)
	}
}

func xinfoStreamCmd(c *Ctx) {
	s := xinfoStream(c)
	if s == nil {
		return
	}
	n, count := len(c.Args), int64(10)
	if n > 3 {
		if n != 4 && n != 6 || !c.Is(3, "full") || n == 6 && !c.Is(4, "count") {
			c.subcommandSyntax()
			return
		}
		if n == 6 {
			var ok bool
			if count, ok = c.Int(5); !ok {
				return
			}
			if count < 0 {
				count = 10
			}
		}
	}
	if n > 3 {
		c.Out.Map(9)
	} else {
		c.Out.Map(10)
	}
	c.pairInt("length", int64(s.n))
	c.pairInt("radix-tree-keys", int64(len(s.blocks)))
	c.pairInt("radix-tree-nodes", int64(len(s.blocks)+1))
	c.pairID("last-generated-id", s.last)
	c.pairID("max-deleted-entry-id", s.maxDeleted)
	c.pairInt("entries-added", s.added)
	c.pairID("recorded-first-entry-id", s.first)
	if n > 3 {
		xinfoFull(c, s, count)
		return
	}
	c.pairInt("groups", int64(len(s.groups)))
	c.Out.BulkString("first-entry")
	xinfoEdge(c, s, false)
	c.Out.BulkString("last-entry")
	xinfoEdge(c, s, true)
}

// xinfoEdge answers the first or the last entry.
func xinfoEdge(c *Ctx, s *stream, last bool) {
	if s.n == 0 {
		c.Out.Null()
		return
	}
	s.each(streamID{}, lastStreamID(), last, func(e *streamEntry) bool {
		c.answerEntry(e)
		return false
	})
}

func xinfoFull(c *Ctx, s *stream, count int64) {
	c.Out.BulkString("entries")
	c.answerRange(s, streamID{}, lastStreamID(), count, false, nil)
	c.Out.BulkString("groups")
	c.Out.Array(len(s.groups))
	for _, g := range s.groups {
		c.Out.Map(7)
		c.pairName(g.name)
		c.pairID("last-delivered-id", g.last)
		c.pairKnown("entries-read", g.read, g.read != unknownRead)
		lag, known := g.lag(s)
		c.pairKnown("lag", lag, known)
		c.pairInt("pel-count", int64(g.pending.n))
		xinfoPending(c, &g.pending, count, true)
		c.Out.BulkString("consumers")
		c.Out.Array(len(g.consumers))
		for _, who := range g.consumers {
			c.Out.Map(4)
			c.pairName(who.name)
			c.pairInt("seen-time", who.seen)
			c.pairInt("pel-count", int64(who.pending.n))
			xinfoPending(c, &who.pending, count, false)
		}
	}
}

// xinfoPending answers pending entries, count at most if that is above zero.
func xinfoPending(c *Ctx, list *pendingList, count int64, owner bool) {
	c.Out.BulkString("pending")
	n := list.n
	if count > 0 {
		n = int(min(int64(n), count))
	}
	c.Out.Array(n)
	if n == 0 {
		return
	}
	list.each(streamID{}, func(p *pending) bool {
		if owner {
			c.Out.Array(4)
		} else {
			c.Out.Array(3)
		}
		c.answerID(p.id)
		if owner {
			c.Out.BulkString(p.owner.name)
		}
		c.Out.Int(p.time)
		c.Out.Int(p.count)
		n--
		return n > 0
	})
}
