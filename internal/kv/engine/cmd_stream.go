package engine

import (
	"math"
	"slices"
)

const (
	errStreamID    = "ERR Invalid stream ID specified as stream command argument"
	errStreamSmall = "ERR The ID specified in XADD is equal or smaller than the target stream top item"
	errBothTrims   = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"
)

func streamCommands() []*Command {
	return []*Command{
		{Name: "xack", Arity: -4, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "stream", Since: "5.0.0", Complexity: "O(1)", Summary: "Marks entries as done for a consumer group.", Run: xackCmd, Categories: []Category{"stream"}},
		{Name: "xadd", Arity: -5, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "stream", Since: "5.0.0", Complexity: "O(1)", Summary: "Puts an entry at the end of a stream.", Run: xaddCmd, Categories: []Category{"stream"}},
		{Name: "xautoclaim", Arity: -6, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "stream", Since: "6.2.0", Complexity: "O(1)", Summary: "Gives a consumer entries that others have not finished for a time.", Run: xautoclaimCmd, Categories: []Category{"stream"}},
		{Name: "xclaim", Arity: -6, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "stream", Since: "5.0.0", Complexity: "O(log N)", Summary: "Gives a consumer entries that others have not finished.", Run: xclaimCmd, Categories: []Category{"stream"}},
		{Name: "xdel", Arity: -3, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "stream", Since: "5.0.0", Complexity: "O(1)", Summary: "Removes entries of a stream.", Run: xdelCmd, Categories: []Category{"stream"}},
		{Name: "xlen", Arity: 2, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "stream", Since: "5.0.0", Complexity: "O(1)", Summary: "Counts the entries of a stream.", Run: xlenCmd, Categories: []Category{"stream"}},
		{Name: "xpending", Arity: -3, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "stream", Since: "5.0.0", Complexity: "O(N)", Summary: "Tells which entries of a consumer group are not done.", Run: xpendingCmd, Categories: []Category{"stream"}},
		{Name: "xrange", Arity: -4, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "stream", Since: "5.0.0", Complexity: "O(N)", Summary: "Answers the entries between two ids.", Run: xrangeCmd, Categories: []Category{"stream"}},
		{Name: "xread", Arity: -4, Flags: Blocking | ReadOnly | MovableKeys, Find: streamKeys, Group: "stream", Since: "5.0.0", Complexity: "O(N) a stream in the entries answered", Summary: "Answers the entries of streams behind given ids, and waits for some.", Run: xreadCmd, Categories: []Category{"stream"}},
		{Name: "xreadgroup", Arity: -7, Flags: Blocking | Write | MovableKeys, Find: streamKeys, Group: "stream", Since: "5.0.0", Complexity: "O(N) a stream in the entries answered", Summary: "Answers entries of streams to a consumer of a group, and waits for some.", Run: xreadCmd, Categories: []Category{"stream"}},
		{Name: "xrevrange", Arity: -4, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "stream", Since: "5.0.0", Complexity: "O(N)", Summary: "Answers the entries between two ids, the last first.", Run: xrangeCmd, Categories: []Category{"stream"}},
		{Name: "xsetid", Arity: -3, Flags: Write | DenyOOM | Fast, Keys: Keys{1, 1, 1}, Group: "stream", Since: "5.0.0", Complexity: "O(1)", Summary: "Sets the last id of a stream.", Run: xsetidCmd, Categories: []Category{"stream"}},
		{Name: "xtrim", Arity: -4, Flags: Write, Keys: Keys{1, 1, 1}, Group: "stream", Since: "5.0.0", Complexity: "O(N)", Summary: "Removes the oldest entries of a stream.", Run: xtrimCmd, Categories: []Category{"stream"}},
		{Name: "xgroup", Arity: -2, Group: "stream", Since: "5.0.0", Complexity: "Depends on subcommand", Summary: "Manages consumer groups of streams.", Sub: []*Command{
			{Name: "create", Arity: -5, Flags: Write | DenyOOM, Keys: Keys{2, 2, 1}, Group: "stream", Since: "5.0.0", Complexity: "O(1)", Summary: "Makes a consumer group.", Run: xgroupCreateCmd, Categories: []Category{"stream"}},
			{Name: "createconsumer", Arity: 5, Flags: Write | DenyOOM, Keys: Keys{2, 2, 1}, Group: "stream", Since: "6.2.0", Complexity: "O(1)", Summary: "Makes a consumer of a group.", Run: xgroupCreateConsumerCmd, Categories: []Category{"stream"}},
			{Name: "delconsumer", Arity: 5, Flags: Write, Keys: Keys{2, 2, 1}, Group: "stream", Since: "5.0.0", Complexity: "O(1)", Summary: "Removes a consumer of a group.", Run: xgroupDelConsumerCmd, Categories: []Category{"stream"}},
			{Name: "destroy", Arity: 4, Flags: Write, Keys: Keys{2, 2, 1}, Group: "stream", Since: "5.0.0", Complexity: "O(N)", Summary: "Removes a consumer group.", Run: xgroupDestroyCmd, Categories: []Category{"stream"}},
			{Name: "help", Arity: 2, Flags: Loading | Stale, Group: "stream", Since: "5.0.0", Complexity: "O(1)", Summary: "Lists the subcommands.", Run: xgroupHelpCmd, Categories: []Category{"stream"}},
			{Name: "setid", Arity: -5, Flags: Write, Keys: Keys{2, 2, 1}, Group: "stream", Since: "5.0.0", Complexity: "O(1)", Summary: "Sets the last id that a group was given.", Run: xgroupSetIDCmd, Categories: []Category{"stream"}},
		}},
		{Name: "xinfo", Arity: -2, Group: "stream", Since: "5.0.0", Complexity: "Depends on subcommand", Summary: "Tells of streams and their groups.", Sub: []*Command{
			{Name: "consumers", Arity: 4, Flags: ReadOnly, Keys: Keys{2, 2, 1}, Group: "stream", Since: "5.0.0", Complexity: "O(1)", Summary: "Tells of the consumers of a group.", Run: xinfoConsumersCmd, Categories: []Category{"stream"}},
			{Name: "groups", Arity: 3, Flags: ReadOnly, Keys: Keys{2, 2, 1}, Group: "stream", Since: "5.0.0", Complexity: "O(1)", Summary: "Tells of the consumer groups of a stream.", Run: xinfoGroupsCmd, Categories: []Category{"stream"}},
			{Name: "help", Arity: 2, Flags: Loading | Stale, Group: "stream", Since: "5.0.0", Complexity: "O(1)", Summary: "Lists the subcommands.", Run: xinfoHelpCmd, Categories: []Category{"stream"}},
			{Name: "stream", Arity: -3, Flags: ReadOnly, Keys: Keys{2, 2, 1}, Group: "stream", Since: "5.0.0", Complexity: "O(1)", Summary: "Tells of a stream.", Run: xinfoStreamCmd, Categories: []Category{"stream"}},
		}},
	}
}

// streamKeys finds the keys of XREAD and XREADGROUP: the first half of what follows STREAMS.
func streamKeys(args [][]byte) []int {
	at := 1
	for ; at < len(args) && string(lower(nil, args[at])) != "streams"; at++ {
		if word := string(lower(nil, args[at])); word == "block" || word == "count" {
			at++
		} else if word == "group" {
			at += 2
		}
	}
	n := len(args) - at - 1
	if n <= 0 || n%2 != 0 {
		return nil
	}
	keys := make([]int, n/2)
	for i := range keys {
		keys[i] = at + 1 + i
	}
	return keys
}

// parseUint parses a decimal number without a sign.
func parseUint(b []byte) (n uint64, ok bool) {
	for _, c := range b {
		d := uint64(c - '0')
		if d > 9 || n > math.MaxUint64/10 || n*10 > math.MaxUint64-d {
			return 0, false
		}
		n = n*10 + d
	}
	return n, len(b) > 0
}

// idForm is how an id may be written.
type idForm struct {
	strict bool   // not - and +
	auto   bool   // "5-*" leaves the second part to the stream
	seq    uint64 // the second part where there is none
}

// parseStreamID parses "5-1", "5", "-" and "+"; whole is false of "5-*".
func parseStreamID(b []byte, form idForm) (id streamID, whole, ok bool) {
	if len(b) == 1 && (b[0] == '-' || b[0] == '+') {
		if b[0] == '+' {
			id = lastStreamID()
		}
		return id, true, !form.strict
	}
	ms, seq, both := b, []byte(nil), false
	if i := slices.Index(b, '-'); i >= 0 {
		ms, seq, both = b[:i], b[i+1:], true
	}
	if id.ms, ok = parseUint(ms); !ok {
		return id, false, false
	}
	switch {
	case !both:
		id.seq = form.seq
		return id, true, true
	case form.auto && len(seq) == 1 && seq[0] == '*':
		return id, false, true
	}
	id.seq, ok = parseUint(seq)
	return id, true, ok
}

// streamID parses an argument as a whole id; false after an error.
func (c *Ctx) streamID(i int) (streamID, bool) {
	id, _, ok := parseStreamID(c.Args[i], idForm{strict: true})
	if !ok {
		c.Fail(errStreamID)
	}
	return id, ok
}

// streamIDs parses all arguments from one on; false after an error.
func (c *Ctx) streamIDs(from int) (ids []streamID, ok bool) {
	for i := from; i < len(c.Args); i++ {
		id, ok := c.streamID(i)
		if !ok {
			return nil, false
		}
		ids = append(ids, id)
	}
	return ids, true
}

// interval parses the two ends of a range of ids, each of which may be open; false after an error.
func (c *Ctx) interval(first, last int) (from, to streamID, ok bool) {
	from, open, ok := c.intervalEnd(first, 0)
	if !ok {
		return from, to, false
	}
	if open {
		if from, ok = from.next(); !ok {
			c.Fail("ERR invalid start ID for the interval")
			return from, to, false
		}
	}
	if to, open, ok = c.intervalEnd(last, math.MaxUint64); !ok {
		return from, to, false
	}
	if open {
		if to, ok = to.prev(); !ok {
			c.Fail("ERR invalid end ID for the interval")
			return from, to, false
		}
	}
	return from, to, true
}

func (c *Ctx) intervalEnd(i int, seq uint64) (id streamID, open, ok bool) {
	arg := c.Args[i]
	if open = len(arg) > 1 && arg[0] == '('; open {
		arg = arg[1:]
	}
	if id, _, ok = parseStreamID(arg, idForm{strict: open, seq: seq}); !ok {
		c.Fail(errStreamID)
	}
	return id, open, ok
}

// answerID answers an id.
func (c *Ctx) answerID(id streamID) {
	c.Out.Bulk(id.append(c.E.scratch[:0]))
}

// answerEntry answers an entry.
func (c *Ctx) answerEntry(e *streamEntry) {
	c.Out.Array(2)
	c.answerID(e.id)
	c.Out.Array(len(e.pairs))
	for _, p := range e.pairs {
		c.Out.Bulk(p)
	}
}

// answerRange answers the entries between two ids, count at most if that is above zero.
func (c *Ctx) answerRange(s *stream, from, to streamID, count int64, rev bool, told func(e *streamEntry)) int {
	mark, n := c.Out.Mark(), 0
	s.each(from, to, rev, func(e *streamEntry) bool {
		c.answerEntry(e)
		if told != nil {
			told(e)
		}
		n++
		return count <= 0 || int64(n) < count
	})
	c.Out.ArrayAt(mark, n)
	return n
}

func xlenCmd(c *Ctx) {
	if s, ok := readObject[*stream](c, c.Args[1]); ok {
		n := 0
		if s != nil {
			n = s.n
		}
		c.Out.Int(int64(n))
	}
}

func xrangeCmd(c *Ctx) {
	rev := c.Cmd.Name == "xrevrange"
	first, last := 2, 3
	if rev {
		first, last = 3, 2
	}
	from, to, ok := c.interval(first, last)
	if !ok {
		return
	}
	count := int64(-1)
	for i := 4; i < len(c.Args); i += 2 {
		if i+1 == len(c.Args) || !c.Is(i, "count") {
			c.Fail(errSyntax)
			return
		}
		if count, ok = c.Int(i + 1); !ok {
			return
		}
		count = max(count, 0)
	}
	s, ok := readObject[*stream](c, c.Args[1])
	switch {
	case !ok:
	case s == nil:
		c.Out.Array(0)
	case count == 0:
		c.Out.NullArray()
	default:
		c.answerRange(s, from, to, count, rev, nil)
	}
}

func xdelCmd(c *Ctx) {
	key := c.Args[1]
	it, s, ok := writeObject[*stream](c, key)
	if !ok {
		return
	}
	if s == nil {
		c.Out.Int(0)
		return
	}
	ids, ok := c.streamIDs(2)
	if !ok {
		return
	}
	n, edge := 0, false
	for _, id := range ids {
		if !s.remove(id) {
			continue
		}
		n++
		edge = edge || id == s.first || id == s.top
		if s.maxDeleted.less(id) {
			s.maxDeleted = id
		}
	}
	if edge {
		s.edges()
	}
	if n > 0 {
		c.changed(key, it, 't', "xdel")
	}
	c.Out.Int(int64(n))
}

func xsetidCmd(c *Ctx) {
	id, ok := c.streamID(2)
	if !ok {
		return
	}
	added, deleted := int64(-1), streamID{}
	for i := 3; i < len(c.Args); i += 2 {
		switch {
		case i+1 < len(c.Args) && c.Is(i, "entriesadded"):
			if added, ok = c.Int(i + 1); !ok {
				return
			}
			if added < 0 {
				c.Fail("ERR entries_added must be positive")
				return
			}
		case i+1 < len(c.Args) && c.Is(i, "maxdeletedid"):
			if deleted, ok = c.streamID(i + 1); !ok {
				return
			}
			if id.less(deleted) {
				c.Fail("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
				return
			}
		default:
			c.Fail(errSyntax)
			return
		}
	}
	it, s, ok := writeObject[*stream](c, c.Args[1])
	switch {
	case !ok:
	case s == nil:
		c.Fail(errNoKey)
	case s.n > 0 && id.less(s.top):
		c.Fail("ERR The ID specified in XSETID is smaller than the target stream top item")
	case s.n > 0 && added != -1 && int64(s.n) > added:
		c.Fail("ERR The entries_added specified in XSETID is smaller than the target stream length")
	default:
		s.last = id
		if added != -1 {
			s.added = added
		}
		if deleted != (streamID{}) {
			s.maxDeleted = deleted
		}
		c.changed(c.Args[1], it, 't', "xsetid")
		c.OK()
	}
}
