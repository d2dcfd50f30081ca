package engine

import (
	"slices"
	"strconv"
	"strings"
)

func keyspaceCommands() []*Command {
	return []*Command{
		{Name: "keys", Arity: 2, Flags: ReadOnly, Group: "generic", Since: "1.0.0", Complexity: "O(N) in the keys of the database", Summary: "Answers all keys that match a pattern.", Run: keysCmd, Categories: []Category{"keyspace", "dangerous"}},
		{Name: "scan", Arity: -2, Flags: ReadOnly, Group: "generic", Since: "2.8.0", Complexity: "O(1) a call, O(N) in the keys for a whole iteration", Summary: "Goes through the keys of the database step by step.", Run: scanCmd, Categories: []Category{"keyspace"}},
		{Name: "randomkey", Arity: 1, Flags: ReadOnly, Group: "generic", Since: "1.0.0", Complexity: "O(1)", Summary: "Answers any key of the database.", Run: randomkeyCmd, Categories: []Category{"keyspace"}},
		{Name: "dbsize", Arity: 1, Flags: ReadOnly | Fast, Group: "server", Since: "1.0.0", Complexity: "O(1)", Summary: "Counts the keys of the database.", Run: dbsizeCmd, Categories: []Category{"keyspace"}},
		{Name: "flushdb", Arity: -1, Flags: Write, Group: "server", Since: "1.0.0", Complexity: "O(1)", Summary: "Deletes all keys of the database.", Run: flushdbCmd, Categories: []Category{"keyspace", "dangerous"}},
		{Name: "flushall", Arity: -1, Flags: Write, Group: "server", Since: "1.0.0", Complexity: "O(1)", Summary: "Deletes all keys of all databases.", Run: flushallCmd, Categories: []Category{"keyspace", "dangerous"}},
		{Name: "swapdb", Arity: 3, Flags: Write | Fast, Group: "server", Since: "4.0.0", Complexity: "O(N) in the clients that watch or wait for keys of either", Summary: "Lets two databases take the place of each other.", Run: swapdbCmd, Categories: []Category{"keyspace", "dangerous"}},
		{Name: "select", Arity: 2, Flags: Loading | Stale | Fast, Group: "connection", Since: "1.0.0", Complexity: "O(1)", Summary: "Changes the database of the connection.", Run: selectCmd, Categories: []Category{"connection"}},
	}
}

func keysCmd(c *Ctx) {
	mark, n := c.Out.Mark(), 0
	for it := range c.db.items.all() {
		if glob(c.Args[1], []byte(it.key())) && !c.E.ended(it) {
			c.Out.BulkString(it.key())
			n++
		}
	}
	c.Out.ArrayAt(mark, n)
}

// scanning is what SCAN and its kin are asked for.
type scanning struct {
	cursor uint64
	count  int64
	match  []byte // nil = all
	kind   string // in lower case; "" = all
}

// scanMost bounds what one call of SCAN looks at, whatever count it asks for.
const scanMost = 1 << 20

// scanArgs parses a cursor and the options behind it. TYPE is for SCAN alone. False after an error.
func (c *Ctx) scanArgs(at int, types bool) (s scanning, ok bool) {
	cursor, err := strconv.ParseUint(string(c.Args[at]), 10, 64)
	if err != nil {
		c.Fail("ERR invalid cursor")
		return s, false
	}
	s.cursor, s.count = cursor, 10
	return s, c.scanOptions(&s, at+1, types)
}

// scanObject is scanArgs for the members of an object; false after an error, or after the answer that there is none.
func scanObject[T object](c *Ctx) (s scanning, obj T, ok bool) {
	cursor, err := strconv.ParseUint(string(c.Args[2]), 10, 64)
	if err != nil {
		c.Fail("ERR invalid cursor")
		return s, obj, false
	}
	it := c.read(c.Args[1])
	if it == nil {
		c.Out.Array(2)
		c.Out.BulkString("0")
		c.Out.Array(0)
		return s, obj, false
	}
	if obj, ok = objectOf[T](c, it); !ok {
		return s, obj, false
	}
	s.cursor, s.count = cursor, 10
	return s, obj, c.scanOptions(&s, 3, false)
}

// scanOptions parses the options of SCAN and its kin; false after an error.
func (c *Ctx) scanOptions(s *scanning, from int, types bool) (ok bool) {
	for i := from; i < len(c.Args); i += 2 {
		switch {
		case i+1 == len(c.Args):
			c.Fail(errSyntax)
			return false
		case c.Is(i, "count"):
			if s.count, ok = c.Int(i + 1); !ok {
				return false
			}
			if s.count < 1 {
				c.Fail(errSyntax)
				return false
			}
		case c.Is(i, "match"):
			if s.match = c.Args[i+1]; string(s.match) == "*" {
				s.match = nil
			}
		case types && c.Is(i, "type"):
			s.kind = strings.ToLower(string(c.Args[i+1]))
		default:
			c.Fail(errSyntax)
			return false
		}
	}
	return true
}

// scanDict goes on with a scan of a table until it has looked at as many as were asked for, or has gone far through empty
// buckets, and gives what it met and the cursor.
func scanDict[V any](s *scanning, d *dict[V]) (found []*node[V], cursor uint64) {
	cursor, count := s.cursor, int(min(s.count, scanMost))
	found = make([]*node[V], 0, min(count, scanRoom)+deepest)
	seen := 0
	for steps := 10 * count; ; steps-- {
		cursor = d.scan(cursor, func(n *node[V]) {
			seen++
			if s.match == nil || glob(s.match, raw(n.key())) {
				found = append(found, n)
			}
		})
		if cursor == 0 || steps <= 0 || seen >= count {
			return found, cursor
		}
	}
}

// scanRoom is for how many a scan makes room from the start, and deepest for how many more the last bucket may have.
const (
	scanRoom = 1000
	deepest  = 8
)

// scanHead begins the answer of a scan: n values follow.
func (c *Ctx) scanHead(cursor uint64, n int) {
	c.Out.Array(2)
	c.Out.Bulk(strconv.AppendUint(c.E.scratch[:0], cursor, 10))
	c.Out.Array(n)
}

func scanCmd(c *Ctx) {
	s, ok := c.scanArgs(1, true)
	if !ok {
		return
	}
	found, cursor := scanDict(&s, c.db.items)
	found = slices.DeleteFunc(found, func(it *item) bool {
		return c.E.ended(it) || s.kind != "" && it.val.kind().String() != s.kind
	})
	c.scanHead(cursor, len(found))
	for _, it := range found {
		c.Out.BulkString(it.key())
	}
}

// randomTries is how many keys that have ended a RANDOMKEY meets before it takes the first that has not.
const randomTries = 100

func randomkeyCmd(c *Ctx) {
	for range randomTries {
		it := c.db.items.random(c.E.pick)
		if it == nil {
			c.Out.Null()
			return
		}
		if !c.E.ended(it) {
			c.Out.BulkString(it.key())
			return
		}
		c.db.end(it)
	}
	for it := range c.db.items.all() {
		if !c.E.ended(it) {
			c.Out.BulkString(it.key())
			return
		}
	}
	c.Out.Null()
}

func dbsizeCmd(c *Ctx) { c.Out.Int(int64(c.db.items.len())) }

func flushdbCmd(c *Ctx) {
	if c.flushArgs() {
		c.E.flush(c.db)
		if hook := c.E.cfg.Hooks.Modified; hook != nil {
			hook(c.db.id, nil, c.S)
		}
		c.dirty = true
		c.OK()
	}
}

func flushallCmd(c *Ctx) {
	if c.flushArgs() {
		for _, d := range c.E.dbs {
			c.E.flush(d)
		}
		if hook := c.E.cfg.Hooks.Modified; hook != nil {
			hook(-1, nil, c.S)
		}
		c.dirty = true
		c.OK()
	}
}

// flushArgs checks the option. Both kinds give the keys to the collector.
func (c *Ctx) flushArgs() bool {
	if len(c.Args) > 2 || len(c.Args) == 2 && !c.Is(1, "async") && !c.Is(1, "sync") {
		c.Fail(errSyntax)
		return false
	}
	return true
}

func (e *Engine) flush(d *db) {
	d.touchAllWatched(nil)
	e.stats.Dirty += int64(d.clear())
	e.signalWaiting(d)
}

// signalWaiting has whoever waits for a key of the database look again: keys have come or gone in numbers.
func (e *Engine) signalWaiting(d *db) {
	for key := range d.waiting {
		e.signal(d, []byte(key))
	}
}

func swapdbCmd(c *Ctx) {
	first, ok := c.database(1, "ERR invalid first DB index")
	if !ok {
		return
	}
	second, ok := c.database(2, "ERR invalid second DB index")
	if !ok {
		return
	}
	a, b := c.E.dbs[first], c.E.dbs[second]
	c.dirty = true
	if a != b {
		a.touchAllWatched(b)
		b.touchAllWatched(a)
		a.items, b.items = b.items, a.items
		a.ends, b.ends = b.ends, a.ends
		a.used, b.used = b.used, a.used
		c.E.signalWaiting(a)
		c.E.signalWaiting(b)
	}
	c.OK()
}

func selectCmd(c *Ctx) {
	if n, ok := c.database(1, errNotInt); ok {
		c.S.db = n
		c.OK()
	}
}
