package engine

import "math"

const (
	errSameObject = "ERR source and destination objects are the same"
	errDBRange    = "ERR DB index is out of range"
)

func genericCommands() []*Command {
	return []*Command{
		{Name: "del", Arity: -2, Flags: Write, Keys: Keys{1, -1, 1}, Group: "generic", Since: "1.0.0", Complexity: "O(N) in the keys; the memory of large values comes back later.", Summary: "Deletes keys.", Run: delCmd, Categories: []Category{"keyspace"}},
		{Name: "unlink", Arity: -2, Flags: Write | Fast, Keys: Keys{1, -1, 1}, Group: "generic", Since: "4.0.0", Complexity: "O(1) a key", Summary: "Deletes keys; their memory comes back later.", Run: delCmd, Categories: []Category{"keyspace"}},
		{Name: "exists", Arity: -2, Flags: ReadOnly | Fast, Keys: Keys{1, -1, 1}, Group: "generic", Since: "1.0.0", Complexity: "O(N) where N is the number of keys to check.", Summary: "Counts which of the keys are there.", Run: existsCmd, Categories: []Category{"keyspace"}},
		{Name: "type", Arity: 2, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "generic", Since: "1.0.0", Complexity: "O(1)", Summary: "Answers the type of the value under a key.", Run: typeCmd, Categories: []Category{"keyspace"}},
		{Name: "touch", Arity: -2, Flags: ReadOnly | Fast, Keys: Keys{1, -1, 1}, Group: "generic", Since: "3.2.1", Complexity: "O(N) where N is the number of keys that will be touched.", Summary: "Marks keys as used now and counts those that are there.", Run: touchCmd, Categories: []Category{"keyspace"}},
		{Name: "rename", Arity: 3, Flags: Write, Keys: Keys{1, 2, 1}, Group: "generic", Since: "1.0.0", Complexity: "O(1)", Summary: "Gives a value another key, whatever was under it.", Run: renameCmd, Categories: []Category{"keyspace"}},
		{Name: "renamenx", Arity: 3, Flags: Write | Fast, Keys: Keys{1, 2, 1}, Group: "generic", Since: "1.0.0", Complexity: "O(1)", Summary: "Gives a value another key that is not there.", Run: renameCmd, Categories: []Category{"keyspace"}},
		{Name: "move", Arity: 3, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "generic", Since: "1.0.0", Complexity: "O(1)", Summary: "Moves a key to another database.", Run: moveCmd, Categories: []Category{"keyspace"}},
		{Name: "copy", Arity: -3, Flags: Write | DenyOOM, Keys: Keys{1, 2, 1}, Group: "generic", Since: "6.2.0", Complexity: "O(N) worst case for collections, where N is the number of nested items. O(1) for string values.", Summary: "Copies a value to another key.", Run: copyCmd, Categories: []Category{"keyspace"}},
		{Name: "wait", Arity: 3, Flags: NoScript, Group: "generic", Since: "3.0.0", Complexity: "O(1)", Summary: "Waits for replicas, of which there are none.", Run: waitCmd, Categories: []Category{"connection"}},
	}
}

func delCmd(c *Ctx) {
	var n int64
	for _, key := range c.Args[1:] {
		if c.remove(key) {
			n++
		}
	}
	c.Out.Int(n)
}

func existsCmd(c *Ctx) { c.countKeys(c.peek) }

// touchCmd counts keys as EXISTS does, but they are used by it.
func touchCmd(c *Ctx) { c.countKeys(c.read) }

func (c *Ctx) countKeys(find func(key []byte) *item) {
	var n int64
	for _, key := range c.Args[1:] {
		if find(key) != nil {
			n++
		}
	}
	c.Out.Int(n)
}

func typeCmd(c *Ctx) {
	it := c.peek(c.Args[1])
	if it == nil {
		c.Out.Simple("none")
		return
	}
	c.Out.Simple(it.val.kind().String())
}

// peek finds a key for telling of it, which is no use of it.
func (c *Ctx) peek(key []byte) *item {
	was := c.E.silent
	c.E.silent = true
	it := c.read(key)
	c.E.silent = was
	return it
}

func renameCmd(c *Ctx) {
	from, to := c.Args[1], c.Args[2]
	onlyNew := c.Cmd.Name == "renamenx"
	it := c.write(from)
	switch {
	case it == nil:
		c.Fail(errNoKey)
		return
	case sameKey(from, to) && onlyNew, onlyNew && c.db.find(to) != nil:
		c.Out.Int(0)
		return
	case !sameKey(from, to):
		if c.db.find(to) != nil {
			c.db.drop(to)
		}
		c.db.take(c.db, it, to)
		c.moved(c.db, from, "rename_from", c.db, to, "rename_to")
	}
	if onlyNew {
		c.Out.Int(1)
		return
	}
	c.OK()
}

// moved tells everybody that a value has gone from one key to another.
func (c *Ctx) moved(src *db, from []byte, left string, dst *db, to []byte, came string) {
	c.dirty = true
	c.E.modified(src, from, c.S)
	c.E.modified(dst, to, c.S)
	c.E.event('g', left, src, from)
	c.E.event('g', came, dst, to)
	c.E.signal(src, from)
	c.E.signal(dst, to)
}

// database parses an argument as the number of a database; false after the error.
func (c *Ctx) database(i int, notInt string) (int, bool) {
	n, ok := parseInt(c.Args[i])
	switch {
	case !ok || n < math.MinInt32 || n > math.MaxInt32:
		c.Fail(notInt)
		return 0, false
	case n < 0 || n >= int64(len(c.E.dbs)):
		c.Fail(errDBRange)
		return 0, false
	}
	return int(n), true
}

func moveCmd(c *Ctx) {
	key := c.Args[1]
	n, ok := c.database(2, errNotInt)
	if !ok {
		return
	}
	dst := c.E.dbs[n]
	if dst == c.db {
		c.Fail(errSameObject)
		return
	}
	it := c.write(key)
	if it == nil || dst.find(key) != nil {
		c.Out.Int(0)
		return
	}
	dst.take(c.db, it, key)
	c.moved(c.db, key, "move_from", dst, key, "move_to")
	c.Out.Int(1)
}

func copyCmd(c *Ctx) {
	dst, replace := c.db, false
	for i := 3; i < len(c.Args); i++ {
		switch {
		case c.Is(i, "replace"):
			replace = true
		case c.Is(i, "db") && i+1 < len(c.Args):
			i++
			n, ok := c.database(i, errNotInt)
			if !ok {
				return
			}
			dst = c.E.dbs[n]
		default:
			c.Fail(errSyntax)
			return
		}
	}
	from, to := c.Args[1], c.Args[2]
	if dst == c.db && sameKey(from, to) {
		c.Fail(errSameObject)
		return
	}
	it := c.read(from)
	if it == nil {
		c.Out.Int(0)
		return
	}
	if dst.find(to) != nil {
		if !replace {
			c.Out.Int(0)
			return
		}
		dst.drop(to)
	}
	dup := dst.put(to)
	if it.val.obj != nil {
		obj := it.val.obj.clone()
		*obj.counted() = 0
		dst.setObject(dup, obj)
	} else {
		dst.setBytes(dup, it.val.str)
		dup.val.used |= it.val.used & flagRaw
	}
	dst.setExpire(dup, it.val.expire)
	c.dirty = true
	c.E.modified(dst, to, c.S)
	c.E.event('g', "copy_to", dst, to)
	c.E.signal(dst, to)
	c.Out.Int(1)
}

// waitCmd waits for replicas: there are none, so only nobody is waited for successfully.
func waitCmd(c *Ctx) {
	replicas, ok := c.Int(1)
	if !ok {
		return
	}
	ms, ok := parseInt(c.Args[2])
	switch {
	case !ok || ms > math.MaxInt64-c.E.now:
		c.Fail("ERR timeout is not an integer or out of range")
		return
	case ms < 0:
		c.Fail("ERR timeout is negative")
		return
	case replicas <= 0:
		c.Out.Int(0)
		return
	}
	until := int64(0)
	if ms > 0 {
		until = c.E.now + ms
	}
	c.Wait(nil, until, func(c *Ctx) { c.Out.Int(0) })
}
