package engine

func setCommands() []*Command {
	return []*Command{
		{Name: "sadd", Arity: -3, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "set", Since: "1.0.0", Complexity: "O(N) in the members given", Summary: "Puts members into a set.", Run: saddCmd, Categories: []Category{"set"}},
		{Name: "scard", Arity: 2, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "set", Since: "1.0.0", Complexity: "O(1)", Summary: "Counts the members of a set.", Run: scardCmd, Categories: []Category{"set"}},
		{Name: "sdiff", Arity: -2, Flags: ReadOnly, Keys: Keys{1, -1, 1}, Group: "set", Since: "1.0.0", Complexity: "O(N) in the members of all sets", Summary: "Answers the members of the first set that no other has.", Run: sdiffCmd, Categories: []Category{"set"}},
		{Name: "sdiffstore", Arity: -3, Flags: Write | DenyOOM, Keys: Keys{1, -1, 1}, Group: "set", Since: "1.0.0", Complexity: "O(N) in the members of all sets", Summary: "Stores the members of the first set that no other has.", Run: sdiffCmd, Categories: []Category{"set"}},
		{Name: "sinter", Arity: -2, Flags: ReadOnly, Keys: Keys{1, -1, 1}, Group: "set", Since: "1.0.0", Complexity: "O(N*M) with N the size of the smallest of M sets", Summary: "Answers the members that all sets have.", Run: sinterCmd, Categories: []Category{"set"}},
		{Name: "sintercard", Arity: -3, Flags: ReadOnly | MovableKeys, Find: keysCounted(1), Group: "set", Since: "7.0.0", Complexity: "O(N*M) with N the size of the smallest of M sets", Summary: "Counts the members that all sets have.", Run: sintercardCmd, Categories: []Category{"set"}},
		{Name: "sinterstore", Arity: -3, Flags: Write | DenyOOM, Keys: Keys{1, -1, 1}, Group: "set", Since: "1.0.0", Complexity: "O(N*M) with N the size of the smallest of M sets", Summary: "Stores the members that all sets have.", Run: sinterCmd, Categories: []Category{"set"}},
		{Name: "sismember", Arity: 3, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "set", Since: "1.0.0", Complexity: "O(1)", Summary: "Says whether a set has a member.", Run: sismemberCmd, Categories: []Category{"set"}},
		{Name: "smembers", Arity: 2, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "set", Since: "1.0.0", Complexity: "O(N) in the size of the set", Summary: "Answers all members of a set.", Run: smembersCmd, Categories: []Category{"set"}},
		{Name: "smismember", Arity: -3, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "set", Since: "6.2.0", Complexity: "O(N) in the members asked for", Summary: "Says of several members whether a set has them.", Run: smismemberCmd, Categories: []Category{"set"}},
		{Name: "smove", Arity: 4, Flags: Write | Fast, Keys: Keys{1, 2, 1}, Group: "set", Since: "1.0.0", Complexity: "O(1)", Summary: "Takes a member from one set into another.", Run: smoveCmd, Categories: []Category{"set"}},
		{Name: "spop", Arity: -2, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "set", Since: "1.0.0", Complexity: "O(N) in the members taken", Summary: "Takes members at random.", Run: spopCmd, Categories: []Category{"set"}},
		{Name: "srandmember", Arity: -2, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "set", Since: "1.0.0", Complexity: "O(N) in the members answered", Summary: "Answers members taken at random.", Run: srandmemberCmd, Categories: []Category{"set"}},
		{Name: "srem", Arity: -3, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "set", Since: "1.0.0", Complexity: "O(N) in the members given", Summary: "Removes members from a set.", Run: sremCmd, Categories: []Category{"set"}},
		{Name: "sscan", Arity: -3, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "set", Since: "2.8.0", Complexity: "O(1) a call, O(N) in the members for a whole iteration", Summary: "Goes through the members of a set step by step.", Run: sscanCmd, Categories: []Category{"set"}},
		{Name: "sunion", Arity: -2, Flags: ReadOnly, Keys: Keys{1, -1, 1}, Group: "set", Since: "1.0.0", Complexity: "O(N) in the members of all sets", Summary: "Answers the members that any of the sets has.", Run: sunionCmd, Categories: []Category{"set"}},
		{Name: "sunionstore", Arity: -3, Flags: Write | DenyOOM, Keys: Keys{1, -1, 1}, Group: "set", Since: "1.0.0", Complexity: "O(N) in the members of all sets", Summary: "Stores the members that any of the sets has.", Run: sunionCmd, Categories: []Category{"set"}},
	}
}

func saddCmd(c *Ctx) {
	key := c.Args[1]
	it, s, ok := writeObject[*set](c, key)
	if !ok {
		return
	}
	if s == nil {
		s = newSet(c.E)
		it = c.create(key, s)
	}
	added := 0
	for _, b := range c.Args[2:] {
		if s.add(b) {
			added++
		}
	}
	c.Out.Int(int64(added))
	if added > 0 {
		c.changed(key, it, 's', "sadd")
	}
}

func sremCmd(c *Ctx) {
	key := c.Args[1]
	it, s, ok := writeObject[*set](c, key)
	if !ok {
		return
	}
	gone := 0
	if s != nil {
		for _, b := range c.Args[2:] {
			if s.remove(b) {
				gone++
			}
		}
	}
	c.Out.Int(int64(gone))
	if gone > 0 {
		c.changed(key, it, 's', "srem")
	}
}

func sismemberCmd(c *Ctx) {
	if s, ok := readObject[*set](c, c.Args[1]); ok {
		c.Out.Int(int64(one(s != nil && s.has(c.Args[2]))))
	}
}

func smismemberCmd(c *Ctx) {
	s, ok := readObject[*set](c, c.Args[1])
	if !ok {
		return
	}
	c.Out.Array(len(c.Args) - 2)
	for _, b := range c.Args[2:] {
		c.Out.Int(int64(one(s != nil && s.has(b))))
	}
}

func scardCmd(c *Ctx) {
	if s, ok := readObject[*set](c, c.Args[1]); ok {
		n := 0
		if s != nil {
			n = s.len()
		}
		c.Out.Int(int64(n))
	}
}

func smembersCmd(c *Ctx) {
	if s, ok := readObject[*set](c, c.Args[1]); ok {
		c.setMembers(s)
	}
}

// setMembers answers all members of a set, which may be nil.
func (c *Ctx) setMembers(s *set) {
	if s == nil {
		c.Out.Set(0)
		return
	}
	c.Out.Set(s.len())
	for b := range s.each {
		c.Out.Bulk(b)
	}
}

func smoveCmd(c *Ctx) {
	from, to, member := c.Args[1], c.Args[2], c.Args[3]
	it, s, ok := writeObject[*set](c, from)
	switch {
	case !ok:
		return
	case s == nil:
		c.Out.Int(0)
		return
	}
	dest, d, ok := writeObject[*set](c, to)
	switch {
	case !ok:
		return
	case s == d:
		c.Out.Int(int64(one(s.has(member))))
		return
	case !s.remove(member):
		c.Out.Int(0)
		return
	}
	c.changed(from, it, 's', "srem")
	if d == nil {
		d = newSet(c.E)
		dest = c.create(to, d)
	}
	if d.add(member) {
		c.changed(to, dest, 's', "sadd")
	}
	c.Out.Int(1)
}

func sscanCmd(c *Ctx) {
	sc, s, ok := scanObject[*set](c)
	if !ok {
		return
	}
	if s.dict != nil {
		found, cursor := scanDict(&sc, s.dict)
		c.scanHead(cursor, len(found))
		for _, n := range found {
			c.Out.BulkString(n.key())
		}
		return
	}
	var found [][]byte
	for b := range s.each {
		if sc.match == nil || glob(sc.match, b) {
			found = append(found, copied(b))
		}
	}
	c.scanHead(0, len(found))
	for _, b := range found {
		c.Out.Bulk(b)
	}
}
