package engine

// listMove is a move of an element between the ends of two lists.
type listMove struct{ fromFront, toFront bool }

// side parses LEFT or RIGHT; false after an error.
func (c *Ctx) side(i int) (front, ok bool) {
	if front = c.Is(i, "left"); !front && !c.Is(i, "right") {
		c.Fail(errSyntax)
		return false, false
	}
	return front, true
}

// parse takes the sides of LMOVE and BLMOVE; those of RPOPLPUSH are in its name.
func (m *listMove) parse(c *Ctx) (ok bool) {
	if c.Cmd.Name == "rpoplpush" || c.Cmd.Name == "brpoplpush" {
		m.toFront = true
		return true
	}
	if m.fromFront, ok = c.side(3); !ok {
		return false
	}
	m.toFront, ok = c.side(4)
	return ok
}

// move moves an element and answers it. from is not empty.
func (m *listMove) move(c *Ctx, it *item, from *list) {
	key, dest := c.Args[1], c.Args[2]
	toItem, to, ok := writeObject[*list](c, dest)
	if !ok {
		return
	}
	c.Out.Bulk(from.end(m.fromFront))
	b := copied(from.end(m.fromFront))
	from.drop(1, m.fromFront)
	if to == nil {
		to = newList()
		toItem = c.create(dest, to)
	}
	to.push(b, m.toFront)
	event := "rpush"
	if m.toFront {
		event = "lpush"
	}
	c.changed(dest, toItem, 'l', event)
	c.signal(dest)
	c.changed(key, it, 'l', listEvent(m.fromFront))
	if c.Cmd.Flags&Blocking != 0 {
		if c.Cmd.Name == "brpoplpush" {
			c.effect([]byte("RPOPLPUSH"), key, dest)
		} else {
			c.effect([]byte("LMOVE"), key, dest, c.Args[3], c.Args[4])
		}
	}
}

func lmoveCmd(c *Ctx) {
	var m listMove
	if !m.parse(c) {
		return
	}
	it, l, ok := writeObject[*list](c, c.Args[1])
	switch {
	case !ok:
	case l == nil:
		c.Out.Null()
	default:
		m.move(c, it, l)
	}
}

func blmoveCmd(c *Ctx) {
	var m listMove
	if !m.parse(c) {
		return
	}
	until, ok := c.waitLimit(len(c.Args) - 1)
	if !ok {
		return
	}
	it := c.write(c.Args[1])
	var l *list
	if it != nil {
		if l, ok = it.val.obj.(*list); !ok && !c.retried {
			c.Fail(errWrongType)
			return
		}
	}
	if l != nil {
		m.move(c, it, l)
		return
	}
	c.Wait(c.Args[1:2], until, func(c *Ctx) {
		if c.late {
			c.Out.NullArray()
		} else {
			c.Out.Null()
		}
	})
}

// listTake is what LMPOP and its kin take from the first list that has any.
type listTake struct {
	front bool
	count int64 // 0 = one, answered beside its key
}

// takeFirst takes from the first of the keys that has any; false if none has. A client that waits overlooks what is no
// list.
func (t *listTake) takeFirst(c *Ctx, keys [][]byte) (done bool) {
	for _, key := range c.mayServe(keys) {
		it := c.write(key)
		if it == nil {
			continue
		}
		l, is := it.val.obj.(*list)
		if !is {
			if c.retried {
				continue
			}
			c.Fail(errWrongType)
			return true
		}
		c.Out.Array(2)
		c.Out.Bulk(key)
		word := []byte("RPOP")
		if t.front {
			word = []byte("LPOP")
		}
		if t.count == 0 {
			c.Out.Bulk(l.end(t.front))
			l.drop(1, t.front)
			c.changed(key, it, 'l', listEvent(t.front))
			c.effect(word, key)
			return true
		}
		n := c.takeList(key, it, l, t.count, t.front)
		c.effect(word, key, appendInt(nil, int64(n)))
		return true
	}
	return false
}

// takeOrWait takes from the first of the keys that has any, and waits for one.
func (t *listTake) takeOrWait(c *Ctx, keys [][]byte, limit int) {
	until, ok := c.waitLimit(limit)
	if ok && !t.takeFirst(c, keys) {
		c.Wait(keys, until, func(c *Ctx) { c.Out.NullArray() })
	}
}

func bpopCmd(c *Ctx) {
	last := len(c.Args) - 1
	t := listTake{front: c.Cmd.Name == "blpop"}
	t.takeOrWait(c, c.Args[1:last], last)
}

// popArgs parses what LMPOP, ZMPOP and their blocking kin have in common, from the number of keys on: the keys,
// which end gives (end judges the word), and how many; false after an error.
func (c *Ctx) popArgs(at int, end func(i int) bool) (keys [][]byte, count int64, ok bool) {
	n, ok := c.countAbove(at, "ERR numkeys should be greater than 0")
	if !ok {
		return nil, 0, false
	}
	if n >= int64(len(c.Args)-at-1) {
		c.Fail(errSyntax)
		return nil, 0, false
	}
	i := at + 1 + int(n)
	keys = c.Args[at+1 : i]
	if !end(i) {
		return nil, 0, false
	}
	switch i++; {
	case i == len(c.Args):
		return keys, 1, true
	case i+1 == len(c.Args) || !c.Is(i, "count"):
		c.Fail(errSyntax)
		return nil, 0, false
	}
	if count, ok = c.countAbove(i+1, "ERR count should be greater than 0"); ok && i+2 != len(c.Args) {
		c.Fail(errSyntax)
		return nil, 0, false
	}
	return keys, count, ok
}

// parse takes the arguments of LMPOP and BLMPOP from the number of keys on; false after an error.
func (t *listTake) parse(c *Ctx, at int) (keys [][]byte, ok bool) {
	keys, t.count, ok = c.popArgs(at, func(i int) (ok bool) {
		t.front, ok = c.side(i)
		return ok
	})
	return keys, ok
}

func lmpopCmd(c *Ctx) {
	var t listTake
	keys, ok := t.parse(c, 1)
	if ok && !t.takeFirst(c, keys) {
		c.Out.NullArray()
	}
}

func blmpopCmd(c *Ctx) {
	var t listTake
	if keys, ok := t.parse(c, 2); ok {
		t.takeOrWait(c, keys, 1)
	}
}
