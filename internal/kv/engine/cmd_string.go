package engine

import "math"

// maxString is the longest string, as proto-max-bulk-len has it by default.
const maxString = 512 << 20

func stringCommands() []*Command {
	return []*Command{
		{Name: "get", Arity: 2, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "string", Since: "1.0.0", Complexity: "O(1)", Summary: "Answers the string under a key.", Run: getCmd, Categories: []Category{"string"}},
		{Name: "set", Arity: -3, Flags: Write | DenyOOM, Keys: Keys{1, 1, 1}, Group: "string", Since: "1.0.0", Complexity: "O(1)", Summary: "Puts a string under a key, whatever was there.", Run: setCmd, Categories: []Category{"string"}},
		{Name: "setnx", Arity: 3, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "string", Since: "1.0.0", Complexity: "O(1)", Summary: "Puts a string under a key that is not there.", Run: setnxCmd, Categories: []Category{"string"}},
		{Name: "setex", Arity: 4, Flags: Write | DenyOOM, Keys: Keys{1, 1, 1}, Group: "string", Since: "2.0.0", Complexity: "O(1)", Summary: "Puts a string under a key for a number of seconds.", Run: setexCmd, Categories: []Category{"string"}},
		{Name: "psetex", Arity: 4, Flags: Write | DenyOOM, Keys: Keys{1, 1, 1}, Group: "string", Since: "2.6.0", Complexity: "O(1)", Summary: "Puts a string under a key for a number of milliseconds.", Run: setexCmd, Categories: []Category{"string"}},
		{Name: "getset", Arity: 3, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "string", Since: "1.0.0", Complexity: "O(1)", Summary: "Puts a string under a key and answers the one before.", Run: getsetCmd, Categories: []Category{"string"}},
		{Name: "getdel", Arity: 2, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "string", Since: "6.2.0", Complexity: "O(1)", Summary: "Answers the string under a key and deletes the key.", Run: getdelCmd, Categories: []Category{"string"}},
		{Name: "getex", Arity: -2, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "string", Since: "6.2.0", Complexity: "O(1)", Summary: "Answers the string under a key and says when the key ends.", Run: getexCmd, Categories: []Category{"string"}},
		{Name: "mget", Arity: -2, Flags: ReadOnly | Fast, Keys: Keys{1, -1, 1}, Group: "string", Since: "1.0.0", Complexity: "O(N) where N is the number of keys to retrieve.", Summary: "Answers the strings under several keys at once.", Run: mgetCmd, Categories: []Category{"string"}},
		{Name: "mset", Arity: -3, Flags: Write | DenyOOM, Keys: Keys{1, -1, 2}, Group: "string", Since: "1.0.1", Complexity: "O(N) where N is the number of keys to set.", Summary: "Puts strings under several keys at once.", Run: msetCmd, Categories: []Category{"string"}},
		{Name: "msetnx", Arity: -3, Flags: Write | DenyOOM, Keys: Keys{1, -1, 2}, Group: "string", Since: "1.0.1", Complexity: "O(N) where N is the number of keys to set.", Summary: "Puts strings under several keys, if none of them is there.", Run: msetnxCmd, Categories: []Category{"string"}},
		{Name: "append", Arity: 3, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "string", Since: "2.0.0", Complexity: "O(1), amortized over the growth of the string", Summary: "Puts bytes at the end of a string.", Run: appendCmd, Categories: []Category{"string"}},
		{Name: "strlen", Arity: 2, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "string", Since: "2.2.0", Complexity: "O(1)", Summary: "Answers how long a string is.", Run: strlenCmd, Categories: []Category{"string"}},
		{Name: "setrange", Arity: 4, Flags: Write | DenyOOM, Keys: Keys{1, 1, 1}, Group: "string", Since: "2.2.0", Complexity: "O(M) in the length of the value; O(1) for short ones", Summary: "Overwrites a part of a string from an offset on.", Run: setrangeCmd, Categories: []Category{"string"}},
		{Name: "getrange", Arity: 4, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "string", Since: "2.4.0", Complexity: "O(N) in the length of the answer", Summary: "Answers a part of a string.", Run: getrangeCmd, Categories: []Category{"string"}},
		{Name: "substr", Arity: 4, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "string", Since: "1.0.0", Complexity: "O(N) in the length of the answer", Summary: "Answers a part of a string: the old name of GETRANGE.", Run: getrangeCmd, Categories: []Category{"string"}},
		{Name: "incr", Arity: 2, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "string", Since: "1.0.0", Complexity: "O(1)", Summary: "Adds one to the integer under a key, 0 if there is none.", Run: func(c *Ctx) { increment(c, 1) }, Categories: []Category{"string"}},
		{Name: "decr", Arity: 2, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "string", Since: "1.0.0", Complexity: "O(1)", Summary: "Takes one from the integer under a key, 0 if there is none.", Run: func(c *Ctx) { increment(c, -1) }, Categories: []Category{"string"}},
		{Name: "incrby", Arity: 3, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "string", Since: "1.0.0", Complexity: "O(1)", Summary: "Adds a number to the integer under a key, 0 if there is none.", Run: incrbyCmd, Categories: []Category{"string"}},
		{Name: "decrby", Arity: 3, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "string", Since: "1.0.0", Complexity: "O(1)", Summary: "Takes a number from the integer under a key, 0 if there is none.", Run: decrbyCmd, Categories: []Category{"string"}},
		{Name: "incrbyfloat", Arity: 3, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "string", Since: "2.6.0", Complexity: "O(1)", Summary: "Adds a number with a fraction to that under a key, 0 if there is none.", Run: incrbyfloatCmd, Categories: []Category{"string"}},
		{Name: "lcs", Arity: -3, Flags: ReadOnly, Keys: Keys{1, 2, 1}, Group: "string", Since: "7.0.0", Complexity: "O(N*M) where N and M are the lengths of s1 and s2, respectively", Summary: "Finds the longest subsequence that two strings have in common.", Run: lcsCmd, Categories: []Category{"string"}},
	}
}

// setString gives an item a string that a client sent, as if it were new.
func (c *Ctx) setString(it *item, b []byte) {
	c.db.setBytes(it, b)
	it.val.used &^= flagRaw
}

// setRaw gives an item a string that was changed in place.
func (c *Ctx) setRaw(it *item, b []byte) {
	c.db.replaceBytes(it, b)
	it.val.used |= flagRaw
}

func getCmd(c *Ctx) {
	it, ok := c.readString(c.Args[1])
	if ok {
		c.bulkOf(it)
	}
}

// bulkOf answers a string, or that there is none.
func (c *Ctx) bulkOf(it *item) {
	if it == nil {
		c.Out.Null()
		return
	}
	c.Out.Bulk(it.val.str)
}

// stringOptions are what SET and GETEX know.
type stringOptions struct {
	nx, xx, get, keep, persist bool
	unit                       string // EX, PX, EXAT, PXAT or ""
	amount                     []byte
}

// parse takes the arguments from one on; false of what does not go together. SET knows other words than GETEX.
func (o *stringOptions) parse(c *Ctx, from int, set bool) bool {
	for i := from; i < len(c.Args); i++ {
		switch {
		case set && c.Is(i, "nx") && !o.xx:
			o.nx = true
		case set && c.Is(i, "xx") && !o.nx:
			o.xx = true
		case set && c.Is(i, "get"):
			o.get = true
		case set && c.Is(i, "keepttl") && o.unit == "":
			o.keep = true
		case !set && c.Is(i, "persist") && o.unit == "":
			o.persist = true
		case !o.timeOption(c, i):
			return false
		default:
			i++
		}
	}
	return true
}

// timeOption takes one of the words that an amount follows.
func (o *stringOptions) timeOption(c *Ctx, i int) bool {
	if i+1 == len(c.Args) || o.keep || o.persist {
		return false
	}
	for _, unit := range [...]string{"ex", "px", "exat", "pxat"} {
		if c.Is(i, unit) && (o.unit == "" || o.unit == unit) {
			o.unit, o.amount = unit, c.Args[i+1]
			return true
		}
	}
	return false
}

// at turns the amount into milliseconds of Unix time, 0 if there is none; false after an error.
func (o *stringOptions) at(c *Ctx) (int64, bool) {
	if o.unit == "" {
		return 0, true
	}
	n, ok := parseInt(o.amount)
	if !ok {
		c.Fail(errNotInt)
		return 0, false
	}
	seconds, relative := o.unit == "ex" || o.unit == "exat", o.unit == "ex" || o.unit == "px"
	if n <= 0 || seconds && n > math.MaxInt64/1000 {
		c.failExpire()
		return 0, false
	}
	if seconds {
		n *= 1000
	}
	if relative {
		if n > math.MaxInt64-c.E.now {
			c.failExpire()
			return 0, false
		}
		n += c.E.now
	}
	return n, true
}

func (c *Ctx) failExpire() { c.Fail("ERR invalid expire time in '" + c.Cmd.FullName() + "' command") }

func setCmd(c *Ctx) {
	var o stringOptions
	if len(c.Args) > 3 && !o.parse(c, 3, true) {
		c.Fail(errSyntax)
		return
	}
	at, ok := o.at(c)
	if !ok {
		return
	}
	key := c.Args[1]
	if o.get || o.nx || o.xx {
		var it *item
		if o.get {
			if it, ok = c.readString(key); !ok {
				return
			}
			c.bulkOf(it)
		} else {
			it = c.db.find(key)
		}
		if o.nx && it != nil || o.xx && it == nil {
			if !o.get {
				c.Out.Null()
			}
			return
		}
	}
	c.store(key, c.Args[2], at, o.keep)
	if o.get && at == 0 {
		c.setEffect(o.keep)
	}
	if !o.get {
		c.OK()
	}
}

// setEffect hands a SET on whose answer and conditions do not matter to who repeats it.
func (c *Ctx) setEffect(keep bool) {
	if keep {
		c.effect([]byte("SET"), c.Args[1], c.Args[2], []byte("KEEPTTL"))
	} else {
		c.effect([]byte("SET"), c.Args[1], c.Args[2])
	}
}

// store puts a string under a key. at is when it ends, 0 = never, unless the end that it had is kept.
func (c *Ctx) store(key, b []byte, at int64, keep bool) {
	it := c.db.put(key)
	c.setString(it, b)
	if !keep {
		c.db.setExpire(it, at)
	}
	c.changed(key, it, '$', "set")
	if at != 0 {
		c.E.event('g', "expire", c.db, key)
		c.effect([]byte("SET"), key, b, []byte("PXAT"), appendInt(nil, at))
	}
}

func setnxCmd(c *Ctx) {
	if c.db.find(c.Args[1]) != nil {
		c.Out.Int(0)
		return
	}
	c.store(c.Args[1], c.Args[2], 0, false)
	c.Out.Int(1)
}

func setexCmd(c *Ctx) {
	o := stringOptions{unit: "ex", amount: c.Args[2]}
	if c.Cmd.Name == "psetex" {
		o.unit = "px"
	}
	if at, ok := o.at(c); ok {
		c.store(c.Args[1], c.Args[3], at, false)
		c.OK()
	}
}

func getsetCmd(c *Ctx) {
	it, ok := c.readString(c.Args[1])
	if !ok {
		return
	}
	c.bulkOf(it)
	c.store(c.Args[1], c.Args[2], 0, false)
	c.setEffect(false)
}

func getdelCmd(c *Ctx) {
	it, ok := c.readString(c.Args[1])
	if !ok {
		return
	}
	c.bulkOf(it)
	if it != nil {
		c.remove(c.Args[1])
		c.effect([]byte("DEL"), c.Args[1])
	}
}

func getexCmd(c *Ctx) {
	var o stringOptions
	if !o.parse(c, 2, false) {
		c.Fail(errSyntax)
		return
	}
	key := c.Args[1]
	it, ok := c.readString(key)
	if !ok {
		return
	}
	if it == nil {
		c.Out.Null()
		return
	}
	at, ok := o.at(c)
	if !ok {
		return
	}
	c.bulkOf(it)
	switch {
	case at != 0:
		c.endAt(key, c.write(key), at)
	case o.persist && it.val.expire != 0:
		c.persist(key, c.write(key))
	}
}

func mgetCmd(c *Ctx) {
	c.Out.Array(len(c.Args) - 1)
	for _, key := range c.Args[1:] {
		it := c.read(key)
		if it != nil && it.val.obj != nil {
			it = nil
		}
		c.bulkOf(it)
	}
}

func msetCmd(c *Ctx) {
	if c.setAll() {
		c.OK()
	}
}

func msetnxCmd(c *Ctx) {
	if len(c.Args)%2 == 1 {
		for i := 1; i < len(c.Args); i += 2 {
			if c.db.find(c.Args[i]) != nil {
				c.Out.Int(0)
				return
			}
		}
	}
	if c.setAll() {
		c.effect(append([][]byte{[]byte("MSET")}, c.Args[1:]...)...)
		c.Out.Int(1)
	}
}

// setAll puts each value under the key in front of it; false after the error that one has none.
func (c *Ctx) setAll() bool {
	if len(c.Args)%2 == 0 {
		c.Fail("ERR wrong number of arguments for '" + c.Cmd.FullName() + "' command")
		return false
	}
	for i := 1; i < len(c.Args); i += 2 {
		c.store(c.Args[i], c.Args[i+1], 0, false)
	}
	return true
}
