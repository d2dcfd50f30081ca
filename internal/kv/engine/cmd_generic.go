package engine

func genericCommands() []*Command {
	return []*Command{
		{Name: "del", Arity: -2, Flags: Write, Keys: Keys{1, -1, 1}, Group: "generic", Since: "1.0.0", Complexity: "O(N) where N is the number of keys that will be removed.", Summary: "Deletes one or more keys.", Run: delCmd, Categories: []Category{"keyspace"}},
	}
}

func delCmd(c *Ctx) {
	var n int64
	for _, key := range c.Args[1:] {
		if c.remove(key, "del") {
			n++
		}
	}
	c.Out.Int(n)
}
