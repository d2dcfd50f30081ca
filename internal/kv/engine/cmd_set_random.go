package engine

func spopCmd(c *Ctx) {
	count := int64(-1)
	switch len(c.Args) {
	case 2:
	case 3:
		n, ok := parseInt(c.Args[2])
		if !ok || n < 0 {
			c.Fail(errNegative)
			return
		}
		count = n
	default:
		c.Fail(errSyntax)
		return
	}
	key := c.Args[1]
	it, s, ok := writeObject[*set](c, key)
	switch {
	case !ok:
	case s == nil && count < 0:
		c.Out.Null()
	case s == nil || count == 0:
		c.Out.Set(0)
	case count < 0:
		b := copied(s.random())
		s.remove(b)
		c.Out.Bulk(b)
		c.effect([]byte("SREM"), key, b)
		c.changed(key, it, 's', "spop")
	case count >= int64(s.len()):
		c.setMembers(s)
		s.clear()
		c.effect([]byte("DEL"), key)
		c.changed(key, it, 's', "spop")
	default:
		c.popMembers(key, it, s, int(count))
	}
}

// popMembers takes n members out of a set that has more.
func (c *Ctx) popMembers(key []byte, it *item, s *set, n int) {
	list := s.sample(n)
	c.Out.Set(n)
	p := newParts("SREM", key, func(args [][]byte) {
		c.effect(args...)
		for _, b := range args[2:] {
			c.Out.Bulk(b)
			s.remove(b)
		}
	})
	for _, b := range list {
		p.add(b)
	}
	p.end()
	c.changed(key, it, 's', "spop")
}

func srandmemberCmd(c *Ctx) {
	if len(c.Args) == 2 {
		s, ok := readObject[*set](c, c.Args[1])
		switch {
		case !ok:
		case s == nil:
			c.Out.Null()
		default:
			c.Out.Bulk(s.random())
		}
		return
	}
	if len(c.Args) > 3 {
		c.Fail(errSyntax)
		return
	}
	n, ok := c.randomCount()
	if !ok {
		return
	}
	s, ok := readObject[*set](c, c.Args[1])
	switch {
	case !ok:
	case s == nil || n == 0:
		c.Out.Array(0)
	case n < -randomMost:
		c.Fail(errRange)
	case n < 0:
		c.Out.Array(int(-n))
		for ; n < 0; n++ {
			c.Out.Bulk(s.random())
		}
	default:
		list := s.sample(int(min(n, int64(s.len()))))
		c.Out.Array(len(list))
		for _, b := range list {
			c.Out.Bulk(b)
		}
	}
}
