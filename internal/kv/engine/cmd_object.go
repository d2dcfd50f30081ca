package engine

import (
	"fmt"
	"math"
)

const (
	errNoIdle = "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
	errNoFreq = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
)

func objectCommands() []*Command {
	return []*Command{
		{Name: "object", Arity: -2, Group: "generic", Since: "2.2.3", Complexity: "Depends on subcommand.", Summary: "Shows how a value is kept.", Sub: []*Command{
			{Name: "encoding", Arity: 3, Flags: ReadOnly, Keys: Keys{2, 2, 1}, Group: "generic", Since: "2.2.3", Complexity: "O(1)", Summary: "Answers the form in which a value is kept.", Run: objectEncodingCmd, Categories: []Category{"keyspace"}},
			{Name: "freq", Arity: 3, Flags: ReadOnly, Keys: Keys{2, 2, 1}, Group: "generic", Since: "4.0.0", Complexity: "O(1)", Summary: "Answers how often a key is used, as eviction counts it.", Run: objectFreqCmd, Categories: []Category{"keyspace"}},
			{Name: "help", Arity: 2, Flags: Loading | Stale, Group: "generic", Since: "6.2.0", Complexity: "O(1)", Summary: "Lists the subcommands.", Run: objectHelpCmd, Categories: []Category{"keyspace"}},
			{Name: "idletime", Arity: 3, Flags: ReadOnly, Keys: Keys{2, 2, 1}, Group: "generic", Since: "2.2.3", Complexity: "O(1)", Summary: "Answers for how many seconds a key was not used.", Run: objectIdletimeCmd, Categories: []Category{"keyspace"}},
			{Name: "refcount", Arity: 3, Flags: ReadOnly, Keys: Keys{2, 2, 1}, Group: "generic", Since: "2.2.3", Complexity: "O(1)", Summary: "Answers how many share a value: one.", Run: objectRefcountCmd, Categories: []Category{"keyspace"}},
		}},
		{Name: "memory", Arity: -2, Group: "server", Since: "4.0.0", Complexity: "Depends on subcommand.", Summary: "Tells of the use of memory.", Sub: []*Command{
			{Name: "usage", Arity: -3, Flags: ReadOnly, Keys: Keys{2, 2, 1}, Group: "server", Since: "4.0.0", Complexity: "O(1)", Summary: "Answers how many bytes a key and its value take.", Run: memoryUsageCmd},
		}},
		{Name: "debug", Arity: -2, Flags: Admin | NoScript | Loading | Stale, Group: "server", Since: "1.0.0", Complexity: "Depends on subcommand.", Summary: "Helps tests to see and do what nobody else should.", Run: debugCmd},
	}
}

// help answers the lines of a HELP subcommand.
func (c *Ctx) help(lines ...string) {
	c.Out.Array(len(lines) + 3)
	c.Out.Simple(fmt.Sprintf("%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", upper(c.Args[0])))
	for _, line := range lines {
		c.Out.Simple(line)
	}
	c.Out.Simple("HELP")
	c.Out.Simple("    Print this help.")
}

func upper(b []byte) string {
	out := make([]byte, len(b))
	for i, x := range b {
		if x >= 'a' && x <= 'z' {
			x -= 'a' - 'A'
		}
		out[i] = x
	}
	return string(out)
}

func objectHelpCmd(c *Ctx) {
	c.help("ENCODING <key>", "    The form in which the value is kept.",
		"FREQ <key>", "    How often the key is used, as an LFU policy counts it.",
		"IDLETIME <key>", "    Seconds since the key was used.",
		"REFCOUNT <key>", "    How many share the value.")
}

// about finds the key that OBJECT tells of, which is neither a use nor an event; nil after the answer that there is none.
func (c *Ctx) about() *item {
	it := c.db.peek(c.Args[2])
	if it == nil {
		c.Out.Null()
	}
	return it
}

func objectEncodingCmd(c *Ctx) {
	if it := c.about(); it != nil {
		c.Out.BulkString(c.E.encoding(it))
	}
}

// embedded is the longest string that Redis keeps in one piece with its head.
const embedded = 44

func (e *Engine) encoding(it *item) string {
	if it.val.obj != nil {
		return it.val.obj.encoding(&e.limits)
	}
	if it.val.used&flagRaw == 0 {
		if _, ok := parseInt(it.val.str); ok {
			return "int"
		}
		if len(it.val.str) <= embedded {
			return "embstr"
		}
	}
	return "raw"
}

func objectFreqCmd(c *Ctx) {
	it := c.about()
	switch {
	case it == nil:
	case !c.E.cfg.Policy.lfu():
		c.Fail(errNoFreq)
	default:
		c.Out.Int(int64(c.E.frequency(it)))
	}
}

func objectIdletimeCmd(c *Ctx) {
	it := c.about()
	switch {
	case it == nil:
	case c.E.cfg.Policy.lfu():
		c.Fail(errNoIdle)
	default:
		c.Out.Int(c.E.idle(it))
	}
}

// sharedInts is below which number Redis keeps one string for all keys, and says that very many share it.
const sharedInts = 10000

func objectRefcountCmd(c *Ctx) {
	it := c.about()
	if it == nil {
		return
	}
	shares := c.E.cfg.MaxMemory == 0 || c.E.cfg.Policy != AllKeysLRU && c.E.cfg.Policy != VolatileLRU && !c.E.cfg.Policy.lfu()
	if n, ok := parseInt(it.val.str); ok && shares && n >= 0 && n < sharedInts && c.E.encoding(it) == "int" {
		c.Out.Int(math.MaxInt32)
		return
	}
	c.Out.Int(1)
}

func memoryUsageCmd(c *Ctx) {
	for i := 3; i < len(c.Args); i += 2 {
		if !c.Is(i, "samples") || i+1 == len(c.Args) {
			c.Fail(errSyntax)
			return
		}
		n, ok := c.Int(i + 1)
		if !ok {
			return
		}
		if n < 0 {
			c.Fail(errSyntax)
			return
		}
	}
	if it := c.about(); it != nil {
		c.Out.Int(bytesOf(it))
	}
}
