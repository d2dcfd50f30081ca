package engine

const (
	errHashNotInt   = "ERR hash value is not an integer"
	errHashNotFloat = "ERR hash value is not a float"
	errNotFinite    = "ERR value is NaN or Infinity"
)

func hashCommands() []*Command {
	return []*Command{
		{Name: "hdel", Arity: -3, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "hash", Since: "2.0.0", Complexity: "O(N) in the fields given", Summary: "Removes fields.", Run: hdelCmd, Categories: []Category{"hash"}},
		{Name: "hexists", Arity: 3, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "hash", Since: "2.0.0", Complexity: "O(1)", Summary: "Says whether a field is there.", Run: hexistsCmd, Categories: []Category{"hash"}},
		{Name: "hget", Arity: 3, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "hash", Since: "2.0.0", Complexity: "O(1)", Summary: "Answers the value of a field.", Run: hgetCmd, Categories: []Category{"hash"}},
		{Name: "hgetall", Arity: 2, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "hash", Since: "2.0.0", Complexity: "O(N) in the size of the hash", Summary: "Answers all fields with their values.", Run: hgetallCmd, Categories: []Category{"hash"}},
		{Name: "hincrby", Arity: 4, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "hash", Since: "2.0.0", Complexity: "O(1)", Summary: "Adds an integer to the value of a field.", Run: hincrbyCmd, Categories: []Category{"hash"}},
		{Name: "hincrbyfloat", Arity: 4, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "hash", Since: "2.6.0", Complexity: "O(1)", Summary: "Adds a number to the value of a field.", Run: hincrbyfloatCmd, Categories: []Category{"hash"}},
		{Name: "hkeys", Arity: 2, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "hash", Since: "2.0.0", Complexity: "O(N) in the size of the hash", Summary: "Answers all fields.", Run: hgetallCmd, Categories: []Category{"hash"}},
		{Name: "hlen", Arity: 2, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "hash", Since: "2.0.0", Complexity: "O(1)", Summary: "Counts the fields of a hash.", Run: hlenCmd, Categories: []Category{"hash"}},
		{Name: "hmget", Arity: -3, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "hash", Since: "2.0.0", Complexity: "O(N) in the fields asked for", Summary: "Answers the values of several fields.", Run: hmgetCmd, Categories: []Category{"hash"}},
		{Name: "hmset", Arity: -4, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "hash", Since: "2.0.0", Complexity: "O(N) in the fields given", Summary: "Gives fields of a hash their values; HSET does the same.", Run: hsetCmd, Categories: []Category{"hash"}},
		{Name: "hrandfield", Arity: -2, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "hash", Since: "6.2.0", Complexity: "O(N) in the fields answered", Summary: "Answers fields taken at random.", Run: hrandfieldCmd, Categories: []Category{"hash"}},
		{Name: "hscan", Arity: -3, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "hash", Since: "2.8.0", Complexity: "O(1) a call, O(N) in the fields for a whole iteration", Summary: "Goes through the fields of a hash step by step.", Run: hscanCmd, Categories: []Category{"hash"}},
		{Name: "hset", Arity: -4, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "hash", Since: "2.0.0", Complexity: "O(N) in the fields given", Summary: "Gives fields of a hash their values.", Run: hsetCmd, Categories: []Category{"hash"}},
		{Name: "hsetnx", Arity: 4, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "hash", Since: "2.0.0", Complexity: "O(1)", Summary: "Gives a field a value unless it has one.", Run: hsetnxCmd, Categories: []Category{"hash"}},
		{Name: "hstrlen", Arity: 3, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "hash", Since: "3.2.0", Complexity: "O(1)", Summary: "Answers how long the value of a field is.", Run: hstrlenCmd, Categories: []Category{"hash"}},
		{Name: "hvals", Arity: 2, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "hash", Since: "2.0.0", Complexity: "O(N) in the size of the hash", Summary: "Answers the values of all fields.", Run: hgetallCmd, Categories: []Category{"hash"}},
	}
}

// openHash finds a hash to be changed, or makes one; false after an error.
func (c *Ctx) openHash(key []byte) (it *item, h *hash, ok bool) {
	it, h, ok = writeObject[*hash](c, key)
	if ok && h == nil {
		h = newHash(c.E)
		it = c.create(key, h)
	}
	return it, h, ok
}

func hsetCmd(c *Ctx) {
	if len(c.Args)%2 != 0 {
		c.Fail("ERR wrong number of arguments for '" + c.Cmd.Name + "' command")
		return
	}
	key := c.Args[1]
	it, h, ok := c.openHash(key)
	if !ok {
		return
	}
	if h.dict == nil && !h.fits(c.Args[2:]...) {
		h.expand()
	}
	added := 0
	for i := 2; i < len(c.Args); i += 2 {
		if h.set(c.Args[i], c.Args[i+1]) {
			added++
		}
	}
	if c.Cmd.Name == "hmset" {
		c.OK()
	} else {
		c.Out.Int(int64(added))
	}
	c.changed(key, it, 'h', "hset")
}

func hsetnxCmd(c *Ctx) {
	key := c.Args[1]
	it, h, ok := writeObject[*hash](c, key)
	if !ok {
		return
	}
	if h != nil {
		if _, is := h.get(c.Args[2]); is {
			c.Out.Int(0)
			return
		}
	} else {
		h = newHash(c.E)
		it = c.create(key, h)
	}
	h.set(c.Args[2], c.Args[3])
	c.Out.Int(1)
	c.changed(key, it, 'h', "hset")
}

// hashField answers the value of a field.
func (c *Ctx) hashField(h *hash, field []byte) {
	if h != nil {
		if value, ok := h.get(field); ok {
			c.Out.Bulk(value)
			return
		}
	}
	c.Out.Null()
}

func hgetCmd(c *Ctx) {
	if h, ok := readObject[*hash](c, c.Args[1]); ok {
		c.hashField(h, c.Args[2])
	}
}

func hmgetCmd(c *Ctx) {
	h, ok := readObject[*hash](c, c.Args[1])
	if !ok {
		return
	}
	c.Out.Array(len(c.Args) - 2)
	for _, field := range c.Args[2:] {
		c.hashField(h, field)
	}
}

func hgetallCmd(c *Ctx) {
	h, ok := readObject[*hash](c, c.Args[1])
	if !ok {
		return
	}
	n := 0
	if h != nil {
		n = h.len()
	}
	fields, values := c.Cmd.Name != "hvals", c.Cmd.Name != "hkeys"
	if fields && values {
		c.Out.Map(n)
	} else {
		c.Out.Array(n)
	}
	if n == 0 {
		return
	}
	for field, value := range h.each {
		if fields {
			c.Out.BulkString(field)
		}
		if values {
			c.Out.Bulk(value)
		}
	}
}

func hlenCmd(c *Ctx) {
	if h, ok := readObject[*hash](c, c.Args[1]); ok {
		n := 0
		if h != nil {
			n = h.len()
		}
		c.Out.Int(int64(n))
	}
}

// fieldLen finds how long the value of the field is that the call names; 0 and false where there is none.
func (c *Ctx) fieldLen() (n int, is, ok bool) {
	h, ok := readObject[*hash](c, c.Args[1])
	if h != nil {
		value, is := h.get(c.Args[2])
		return len(value), is, ok
	}
	return 0, false, ok
}

func hexistsCmd(c *Ctx) {
	if _, is, ok := c.fieldLen(); ok {
		c.Out.Int(int64(one(is)))
	}
}

func hstrlenCmd(c *Ctx) {
	if n, _, ok := c.fieldLen(); ok {
		c.Out.Int(int64(n))
	}
}

func hdelCmd(c *Ctx) {
	key := c.Args[1]
	it, h, ok := writeObject[*hash](c, key)
	if !ok {
		return
	}
	gone := 0
	if h != nil {
		for _, field := range c.Args[2:] {
			if h.remove(field) {
				gone++
			}
		}
	}
	c.Out.Int(int64(gone))
	if gone > 0 {
		c.changed(key, it, 'h', "hdel")
	}
}

func hincrbyCmd(c *Ctx) {
	by, ok := c.Int(3)
	if !ok {
		return
	}
	key, field := c.Args[1], c.Args[2]
	_, h, ok := writeObject[*hash](c, key)
	if !ok {
		return
	}
	var n int64
	if h != nil {
		if value, is := h.get(field); is {
			if n, is = parseInt(value); !is {
				c.Fail(errHashNotInt)
				return
			}
		}
	}
	sum := n + by
	if by != 0 && (sum > n) != (by > 0) {
		c.Fail(errOverflow)
		return
	}
	it, h, _ := c.openHash(key)
	var b [20]byte
	h.set(field, appendInt(b[:0], sum))
	c.Out.Int(sum)
	c.changed(key, it, 'h', "hincrby")
}

func hincrbyfloatCmd(c *Ctx) {
	by, ok := parseLong(c.Args[3])
	switch {
	case !ok:
		c.Fail(errNotFloat)
		return
	case by.IsInf():
		c.Fail(errNotFinite)
		return
	}
	key, field := c.Args[1], c.Args[2]
	_, h, ok := writeObject[*hash](c, key)
	if !ok {
		return
	}
	had := []byte("0")
	if h != nil {
		if value, is := h.get(field); is {
			had = value
		}
	}
	n, ok := parseLong(had)
	if !ok {
		c.Fail(errHashNotFloat)
		return
	}
	text, ok := addLong(n, by)
	if !ok {
		c.Fail(errInfinite)
		return
	}
	it, h, _ := c.openHash(key)
	b := []byte(text)
	h.set(field, b)
	c.Out.Bulk(b)
	c.changed(key, it, 'h', "hincrbyfloat")
	c.effect([]byte("HSET"), key, field, b)
}

func hscanCmd(c *Ctx) {
	s, h, ok := scanObject[*hash](c)
	if !ok {
		return
	}
	if h.dict != nil {
		found, cursor := scanDict(&s, h.dict)
		c.scanHead(cursor, 2*len(found))
		for _, n := range found {
			c.Out.BulkString(n.key())
			c.Out.Bulk(n.val)
		}
		return
	}
	var found []hashPair
	for field, value := range h.each {
		if s.match == nil || glob(s.match, []byte(field)) {
			found = append(found, hashPair{field, value})
		}
	}
	c.scanHead(0, 2*len(found))
	for _, p := range found {
		c.Out.BulkString(p.field)
		c.Out.Bulk(p.value)
	}
}
