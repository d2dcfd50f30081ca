package engine

import (
	"bytes"
	"math"
)

func listCommands() []*Command {
	return []*Command{
		{Name: "blmove", Arity: 6, Flags: Write | DenyOOM | NoScript | Blocking, Keys: Keys{1, 2, 1}, Group: "list", Since: "6.2.0", Complexity: "O(1)", Summary: "Moves an element between the ends of two lists, and waits for one.", Run: blmoveCmd, Categories: []Category{"list"}},
		{Name: "blmpop", Arity: -5, Flags: Write | Blocking | MovableKeys, Find: keysCounted(2), Group: "list", Since: "7.0.0", Complexity: "O(N+M) in keys and elements", Summary: "Takes elements of the first list that has any, and waits for one.", Run: blmpopCmd, Categories: []Category{"list"}},
		{Name: "blpop", Arity: -3, Flags: Write | NoScript | Blocking, Keys: Keys{1, -2, 1}, Group: "list", Since: "2.0.0", Complexity: "O(N) in the keys", Summary: "Takes the first element of the first list that has any, and waits for one.", Run: bpopCmd, Categories: []Category{"list"}},
		{Name: "brpop", Arity: -3, Flags: Write | NoScript | Blocking, Keys: Keys{1, -2, 1}, Group: "list", Since: "2.0.0", Complexity: "O(N) in the keys", Summary: "Takes the last element of the first list that has any, and waits for one.", Run: bpopCmd, Categories: []Category{"list"}},
		{Name: "brpoplpush", Arity: 4, Flags: Write | DenyOOM | NoScript | Blocking, Keys: Keys{1, 2, 1}, Group: "list", Since: "2.2.0", Complexity: "O(1)", Summary: "Takes the last element of one list and puts it in front of another, and waits for one.", Run: blmoveCmd, Categories: []Category{"list"}},
		{Name: "lindex", Arity: 3, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "list", Since: "1.0.0", Complexity: "O(N) in the distance from the nearer end", Summary: "Answers the element at a place.", Run: lindexCmd, Categories: []Category{"list"}},
		{Name: "linsert", Arity: 5, Flags: Write | DenyOOM, Keys: Keys{1, 1, 1}, Group: "list", Since: "2.2.0", Complexity: "O(N) in the elements in front of the one that is looked for", Summary: "Puts an element in front of another one or behind it.", Run: linsertCmd, Categories: []Category{"list"}},
		{Name: "llen", Arity: 2, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "list", Since: "1.0.0", Complexity: "O(1)", Summary: "Counts the elements of a list.", Run: llenCmd, Categories: []Category{"list"}},
		{Name: "lmove", Arity: 5, Flags: Write | DenyOOM, Keys: Keys{1, 2, 1}, Group: "list", Since: "6.2.0", Complexity: "O(1)", Summary: "Takes an element from an end of one list and puts it at an end of another.", Run: lmoveCmd, Categories: []Category{"list"}},
		{Name: "lmpop", Arity: -4, Flags: Write | MovableKeys, Find: keysCounted(1), Group: "list", Since: "7.0.0", Complexity: "O(N+M) in keys and elements", Summary: "Takes elements of the first list that has any.", Run: lmpopCmd, Categories: []Category{"list"}},
		{Name: "lpop", Arity: -2, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "list", Since: "1.0.0", Complexity: "O(N) in the elements taken", Summary: "Takes the first elements of a list.", Run: popCmd, Categories: []Category{"list"}},
		{Name: "lpos", Arity: -3, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "list", Since: "6.0.6", Complexity: "O(N) in the elements that are looked at", Summary: "Answers the places of elements that are equal to a given one.", Run: lposCmd, Categories: []Category{"list"}},
		{Name: "lpush", Arity: -3, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "list", Since: "1.0.0", Complexity: "O(N) in the elements given", Summary: "Puts elements in front of a list.", Run: pushCmd, Categories: []Category{"list"}},
		{Name: "lpushx", Arity: -3, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "list", Since: "2.2.0", Complexity: "O(N) in the elements given", Summary: "Puts elements in front of a list that is there.", Run: pushCmd, Categories: []Category{"list"}},
		{Name: "lrange", Arity: 4, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "list", Since: "1.0.0", Complexity: "O(S+N) with S the distance from the nearer end and N elements", Summary: "Answers the elements between two places.", Run: lrangeCmd, Categories: []Category{"list"}},
		{Name: "lrem", Arity: 4, Flags: Write, Keys: Keys{1, 1, 1}, Group: "list", Since: "1.0.0", Complexity: "O(N) in the length of the list", Summary: "Removes elements that are equal to a given one.", Run: lremCmd, Categories: []Category{"list"}},
		{Name: "lset", Arity: 4, Flags: Write | DenyOOM, Keys: Keys{1, 1, 1}, Group: "list", Since: "1.0.0", Complexity: "O(N) in the distance from the nearer end", Summary: "Puts another element in a place.", Run: lsetCmd, Categories: []Category{"list"}},
		{Name: "ltrim", Arity: 4, Flags: Write, Keys: Keys{1, 1, 1}, Group: "list", Since: "1.0.0", Complexity: "O(N) in the elements that go", Summary: "Keeps only the elements between two places.", Run: ltrimCmd, Categories: []Category{"list"}},
		{Name: "rpop", Arity: -2, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "list", Since: "1.0.0", Complexity: "O(N) in the elements taken", Summary: "Takes the last elements of a list.", Run: popCmd, Categories: []Category{"list"}},
		{Name: "rpoplpush", Arity: 3, Flags: Write | DenyOOM, Keys: Keys{1, 2, 1}, Group: "list", Since: "1.2.0", Complexity: "O(1)", Summary: "Takes the last element of one list and puts it in front of another.", Run: lmoveCmd, Categories: []Category{"list"}},
		{Name: "rpush", Arity: -3, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "list", Since: "1.0.0", Complexity: "O(N) in the elements given", Summary: "Puts elements behind a list.", Run: pushCmd, Categories: []Category{"list"}},
		{Name: "rpushx", Arity: -3, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "list", Since: "2.2.0", Complexity: "O(N) in the elements given", Summary: "Puts elements behind a list that is there.", Run: pushCmd, Categories: []Category{"list"}},
	}
}

func pushCmd(c *Ctx) {
	key, front := c.Args[1], c.Cmd.Name[0] == 'l'
	it, l, ok := writeObject[*list](c, key)
	if !ok {
		return
	}
	if l == nil {
		if c.Cmd.Name[len(c.Cmd.Name)-1] == 'x' {
			c.Out.Int(0)
			return
		}
		l = newList()
		it = c.create(key, l)
	}
	for _, b := range c.Args[2:] {
		l.push(b, front)
	}
	c.Out.Int(int64(l.len()))
	event := "rpush"
	if front {
		event = "lpush"
	}
	c.changed(key, it, 'l', event)
	c.signal(key)
}

// listEvent is the event of taking from an end.
func listEvent(front bool) string {
	if front {
		return "lpop"
	}
	return "rpop"
}

func popCmd(c *Ctx) {
	count := int64(-1)
	if len(c.Args) > 3 {
		c.Fail("ERR wrong number of arguments for '" + c.Cmd.Name + "' command")
		return
	}
	if len(c.Args) == 3 {
		n, ok := parseInt(c.Args[2])
		if !ok || n < 0 {
			c.Fail(errNegative)
			return
		}
		count = n
	}
	key, front := c.Args[1], c.Cmd.Name == "lpop"
	it, l, ok := writeObject[*list](c, key)
	switch {
	case !ok:
	case l == nil && count < 0:
		c.Out.Null()
	case l == nil:
		c.Out.NullArray()
	case count < 0:
		c.Out.Bulk(l.end(front))
		l.drop(1, front)
		c.changed(key, it, 'l', listEvent(front))
	case count == 0:
		c.Out.Array(0)
	default:
		c.takeList(key, it, l, count, front)
	}
}

// takeList answers elements from an end and takes them away; it gives how many they were.
func (c *Ctx) takeList(key []byte, it *item, l *list, count int64, front bool) int {
	n := int(min(count, int64(l.len())))
	c.Out.Array(n)
	p := l.first(!front)
	for range n {
		c.Out.Bulk(p.value())
		p = p.step(!front)
	}
	l.drop(n, front)
	c.changed(key, it, 'l', listEvent(front))
	return n
}

func llenCmd(c *Ctx) {
	if l, ok := readObject[*list](c, c.Args[1]); ok {
		n := 0
		if l != nil {
			n = l.len()
		}
		c.Out.Int(int64(n))
	}
}

// elementIndex turns an index that may count from the end into one that does not; false where there is no element.
func elementIndex(i int64, n int) (int, bool) {
	if i < 0 {
		i += int64(n)
	}
	return int(i), i >= 0 && i < int64(n)
}

func lindexCmd(c *Ctx) {
	l, ok := readObject[*list](c, c.Args[1])
	switch {
	case !ok:
		return
	case l == nil:
		c.Out.Null()
		return
	}
	n, ok := c.Int(2)
	if !ok {
		return
	}
	if i, is := elementIndex(n, l.len()); is {
		c.Out.Bulk(l.seek(i).value())
	} else {
		c.Out.Null()
	}
}

func lsetCmd(c *Ctx) {
	key := c.Args[1]
	it, l, ok := writeObject[*list](c, key)
	switch {
	case !ok:
		return
	case l == nil:
		c.Fail(errNoKey)
		return
	}
	n, ok := c.Int(2)
	if !ok {
		return
	}
	i, is := elementIndex(n, l.len())
	if !is {
		c.Fail(errIndex)
		return
	}
	l.set(l.seek(i), c.Args[3])
	c.changed(key, it, 'l', "lset")
	c.OK()
}

func linsertCmd(c *Ctx) {
	behind := c.Is(2, "after")
	if !behind && !c.Is(2, "before") {
		c.Fail(errSyntax)
		return
	}
	key := c.Args[1]
	it, l, ok := writeObject[*list](c, key)
	switch {
	case !ok:
		return
	case l == nil:
		c.Out.Int(0)
		return
	}
	for p := l.first(false); p.c != nil; p = p.next() {
		if bytes.Equal(p.value(), c.Args[3]) {
			l.insert(p, c.Args[4], behind)
			c.changed(key, it, 'l', "linsert")
			c.Out.Int(int64(l.len()))
			return
		}
	}
	c.Out.Int(-1)
}

// listRange parses the first and the last place of a range; false after an error.
func (c *Ctx) listRange() (from, last int64, ok bool) {
	if from, ok = c.Int(2); !ok {
		return 0, 0, false
	}
	last, ok = c.Int(3)
	return from, last, ok
}

// listSpan turns a range that may count from the end into a place and a number of elements, 0 of none.
func listSpan(from, last int64, size int) (at, n int) {
	long := int64(size)
	if from < 0 {
		from = max(from+long, 0)
	}
	if last < 0 {
		last += long
	}
	if last = min(last, long-1); from > last {
		return 0, 0
	}
	return int(from), int(last - from + 1)
}

func lrangeCmd(c *Ctx) {
	from, last, ok := c.listRange()
	if !ok {
		return
	}
	l, ok := readObject[*list](c, c.Args[1])
	if !ok {
		return
	}
	at, n := 0, 0
	if l != nil {
		at, n = listSpan(from, last, l.len())
	}
	c.Out.Array(n)
	if n == 0 {
		return
	}
	p := l.seek(at)
	for range n {
		c.Out.Bulk(p.value())
		p = p.next()
	}
}

func ltrimCmd(c *Ctx) {
	from, last, ok := c.listRange()
	if !ok {
		return
	}
	key := c.Args[1]
	it, l, ok := writeObject[*list](c, key)
	if !ok {
		return
	}
	if l != nil {
		at, n := listSpan(from, last, l.len())
		tail := l.len() - at - n
		l.drop(at, true)
		l.drop(tail, false)
		c.changed(key, it, 'l', "ltrim")
	}
	c.OK()
}

func lremCmd(c *Ctx) {
	n, ok := c.Int(2)
	if !ok {
		return
	}
	key := c.Args[1]
	it, l, ok := writeObject[*list](c, key)
	switch {
	case !ok:
		return
	case l == nil:
		c.Out.Int(0)
		return
	}
	most := l.len()
	if n > 0 {
		most = int(min(n, int64(most)))
	} else if n < 0 && n > -math.MaxInt64 {
		most = int(min(-n, int64(most)))
	}
	gone := l.removeEqual(c.Args[3], most, n < 0)
	c.Out.Int(int64(gone))
	if gone > 0 {
		c.changed(key, it, 'l', "lrem")
	}
}

// lposCall is what LPOS was asked for.
type lposCall struct {
	rank, count, most int64
	all               bool // COUNT was given
}

func (s *lposCall) parse(c *Ctx) bool {
	s.rank = 1
	for i := 3; i < len(c.Args); i += 2 {
		more := i+1 < len(c.Args)
		var ok bool
		switch {
		case c.Is(i, "rank") && more:
			if s.rank, ok = c.Int(i + 1); ok && s.rank == 0 {
				c.Fail("ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list")
				ok = false
			}
		case c.Is(i, "count") && more:
			s.all = true
			if s.count, ok = parseInt(c.Args[i+1]); !ok || s.count < 0 {
				c.Fail("ERR COUNT can't be negative")
				ok = false
			}
		case c.Is(i, "maxlen") && more:
			if s.most, ok = parseInt(c.Args[i+1]); !ok || s.most < 0 {
				c.Fail("ERR MAXLEN can't be negative")
				ok = false
			}
		default:
			c.Fail(errSyntax)
		}
		if !ok {
			return false
		}
	}
	return true
}

func lposCmd(c *Ctx) {
	var s lposCall
	if !s.parse(c) {
		return
	}
	l, ok := readObject[*list](c, c.Args[1])
	if !ok {
		return
	}
	mark, found := c.Out.Mark(), 0
	if l != nil {
		s.search(l, c.Args[2], func(i int) {
			c.Out.Int(int64(i))
			found++
		})
	}
	switch {
	case s.all:
		c.Out.ArrayAt(mark, found)
	case found == 0:
		c.Out.Null()
	}
}

// search gives the places that LPOS was asked for.
func (s *lposCall) search(l *list, b []byte, found func(i int)) {
	back := s.rank < 0
	skip := s.rank - 1
	if back {
		skip = -(s.rank + 1)
	}
	if s.rank == math.MinInt64 { // has no opposite: Redis takes it for the last match
		skip = 0
	}
	left := s.count
	if !s.all {
		left = 1
	}
	step := 0
	for p := l.first(back); p.c != nil && (s.most == 0 || int64(step) < s.most); p = p.step(back) {
		if bytes.Equal(p.value(), b) {
			if skip--; skip < 0 {
				if back {
					found(l.len() - 1 - step)
				} else {
					found(step)
				}
				if left--; left == 0 {
					return
				}
			}
		}
		step++
	}
}
