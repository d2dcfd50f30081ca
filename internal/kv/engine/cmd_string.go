package engine

// maxString is the longest string, as proto-max-bulk-len has it by default.
const maxString = 512 << 20

func stringCommands() []*Command {
	return []*Command{
		{Name: "get", Arity: 2, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "string", Since: "1.0.0", Complexity: "O(1)", Summary: "Returns the string value of a key.", Run: getCmd, Categories: []Category{"string"}},
		{Name: "set", Arity: -3, Flags: Write | DenyOOM, Keys: Keys{1, 1, 1}, Group: "string", Since: "1.0.0", Complexity: "O(1)", Summary: "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.", Run: setCmd, Categories: []Category{"string"}},
		{Name: "incr", Arity: 2, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "string", Since: "1.0.0", Complexity: "O(1)", Summary: "Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.", Run: func(c *Ctx) { increment(c, 1) }, Categories: []Category{"string"}},
	}
}

func getCmd(c *Ctx) {
	it, ok := c.readString(c.Args[1])
	switch {
	case !ok:
	case it == nil:
		c.Out.Null()
	default:
		c.Out.Bulk(it.val.str)
	}
}

func setCmd(c *Ctx) {
	it, _ := c.db.put(c.Args[1])
	c.db.setBytes(it, c.Args[2])
	c.db.setExpire(it, 0)
	it.val.used &^= flagRaw
	c.changed(c.Args[1], it, '$', "set")
	c.OK()
}

func increment(c *Ctx, by int64) {
	key := c.Args[1]
	it, ok := c.writeString(key)
	if !ok {
		return
	}
	var n int64
	if it != nil {
		if n, ok = parseInt(it.val.str); !ok {
			c.Fail(errNotInt)
			return
		}
	} else {
		it, _ = c.db.put(key)
	}
	sum := n + by
	if (sum > n) != (by > 0) && by != 0 {
		c.Fail("ERR increment or decrement would overflow")
		return
	}
	var b [20]byte
	c.db.setBytes(it, appendInt(b[:0], sum))
	c.changed(key, it, '$', "incrby")
	c.Out.Int(sum)
}
