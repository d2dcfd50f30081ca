package engine

import (
	"bytes"
	"slices"
)

const errSortNumber = "ERR One or more scores can't be converted into double"

func sortCommands() []*Command {
	return []*Command{
		{Name: "sort", Arity: -2, Flags: Write | DenyOOM | MovableKeys, Keys: Keys{1, 1, 1}, Find: sortKeys, Group: "generic", Since: "1.0.0", Complexity: "O(N+M*log(M)) with N elements and M in the answer", Summary: "Sorts the elements of a list, set or sorted set.", Run: sortCmd, Categories: []Category{"set", "sortedset", "list", "dangerous"}},
		{Name: "sort_ro", Arity: -2, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "generic", Since: "7.0.0", Complexity: "O(N+M*log(M)) with N elements and M in the answer", Summary: "Sorts the elements of a list, set or sorted set, and keeps nothing.", Run: sortCmd, Categories: []Category{"set", "sortedset", "list", "dangerous"}},
	}
}

// sortCall is what SORT was asked for.
type sortCall struct {
	desc, alpha bool
	from, count int64 // LIMIT; a count below zero is all
	by          *sortPattern
	plain       bool // BY something that is the same for all: they keep their order
	get         []*sortPattern
	store       []byte // nil = answer
}

// sortKeys gives where SORT's keys are: the one that is sorted and the last that is stored to.
func sortKeys(args [][]byte) []int {
	c, at := Ctx{Args: args}, []int{1}
	for i := 2; i < len(args); i++ {
		switch {
		case c.Is(i, "limit"):
			i += 2
		case c.Is(i, "get"), c.Is(i, "by"):
			i++
		case c.Is(i, "store") && i+1 < len(args):
			i++
			at = append(at[:1], i)
		}
	}
	return at
}

// parse takes the options; false after an error.
func (s *sortCall) parse(c *Ctx) bool {
	s.count = -1
	for i := 2; i < len(c.Args); i++ {
		left := len(c.Args) - i - 1
		switch {
		case c.Is(i, "asc"):
			s.desc = false
		case c.Is(i, "desc"):
			s.desc = true
		case c.Is(i, "alpha"):
			s.alpha = true
		case c.Is(i, "limit") && left >= 2:
			var ok bool
			if s.from, ok = c.Int(i + 1); !ok {
				return false
			}
			if s.count, ok = c.Int(i + 2); !ok {
				return false
			}
			i += 2
		case c.Is(i, "store") && left >= 1 && c.Cmd.Flags&Write != 0:
			i++
			s.store = c.Args[i]
		case c.Is(i, "by") && left >= 1:
			i++
			s.by = newSortPattern(c.Args[i])
			s.plain = s.plain || s.by.fixed
		case c.Is(i, "get") && left >= 1:
			i++
			s.get = append(s.get, newSortPattern(c.Args[i]))
		default:
			c.Fail(errSyntax)
			return false
		}
	}
	return true
}

// bounds gives the places that the answer has of n elements.
func (s *sortCall) bounds(n int) (from, end int) {
	from = int(min(max(s.from, 0), int64(n)))
	end = n
	if s.count >= 0 {
		end = from + int(min(s.count, int64(n-from)))
	}
	return from, end
}

func sortCmd(c *Ctx) {
	var s sortCall
	if !s.parse(c) {
		return
	}
	it := c.read(c.Args[1])
	kind := KindList
	if it != nil {
		kind = it.val.kind()
	}
	if kind != KindList && kind != KindSet && kind != KindZSet {
		c.Fail(errWrongType)
		return
	}
	if s.plain && kind == KindSet && (s.store != nil || c.S.nested) { // what is kept must not depend on a table's order
		s.plain, s.alpha, s.by = false, true, nil
	}
	elements := c.elements(it)
	from, end := s.bounds(len(elements))
	switch {
	case s.plain:
		if s.desc && kind != KindSet {
			slices.Reverse(elements)
		}
		elements = elements[from:end]
	case !s.sort(c, &elements, from, end):
		c.Fail(errSortNumber)
		return
	}
	if s.store != nil {
		s.keep(c, elements)
		return
	}
	c.Out.Array(len(elements) * max(len(s.get), 1))
	s.each(c, elements, func(b []byte, ok bool) {
		if ok {
			c.Out.Bulk(b)
		} else {
			c.Out.Null()
		}
	})
}

// each gives what the answer consists of: the elements, or what GET finds for each.
func (s *sortCall) each(c *Ctx, elements [][]byte, visit func(b []byte, ok bool)) {
	for _, e := range elements {
		if len(s.get) == 0 {
			visit(e, true)
		}
		for _, p := range s.get {
			visit(p.find(c, e))
		}
	}
}

// keep puts the answer under the key of STORE, as a list.
func (s *sortCall) keep(c *Ctx, elements [][]byte) {
	var list [][]byte
	s.each(c, elements, func(b []byte, _ bool) { list = append(list, copied(b)) })
	if len(list) == 0 {
		if c.remove(s.store) {
			c.effect([]byte("DEL"), s.store)
		}
		c.Out.Int(0)
		return
	}
	if c.db.find(s.store) != nil {
		c.db.drop(s.store)
		c.effect([]byte("DEL"), s.store)
	}
	p := newParts("RPUSH", s.store, func(call [][]byte) {
		c.quietly(func() { c.inner(call, Discard) })
		c.effect(call...)
	})
	for _, b := range list {
		p.add(b)
	}
	p.end()
	c.E.event('l', "sortstore", c.db, s.store)
	c.Out.Int(int64(len(list)))
}

// quietly does something that is a part of something else: it is no event.
func (c *Ctx) quietly(do func()) {
	events := c.E.notify
	defer func() { c.E.notify = events }()
	c.E.notify = notifyFlags{}
	do()
}

// inner runs another command as a part of this one: nobody hears of it as a command of its own.
func (c *Ctx) inner(args [][]byte, out Reply) {
	cmd, ok := c.E.table.find(args)
	if !ok {
		return
	}
	in := &Ctx{E: c.E, S: c.S, Cmd: cmd, Args: args, Out: out, db: c.db}
	cmd.Run(in)
	c.dirty = c.dirty || in.dirty
}

// elements gives the elements of a list, set or sorted set, in their order.
func (c *Ctx) elements(it *item) [][]byte {
	if it == nil {
		return nil
	}
	var out collector
	key := []byte(it.key())
	switch it.val.kind() {
	case KindSet:
		c.inner([][]byte{[]byte("SMEMBERS"), key}, &out)
	case KindZSet:
		c.inner([][]byte{[]byte("ZRANGE"), key, []byte("0"), []byte("-1")}, &out)
	default:
		c.inner([][]byte{[]byte("LRANGE"), key, []byte("0"), []byte("-1")}, &out)
	}
	return out.list()
}

// collector is a Reply that keeps the byte strings of an answer.
type collector struct {
	discard
	flat []byte
	ends []int
}

// Bulk keeps one.
func (r *collector) Bulk(b []byte) {
	r.flat = append(r.flat, b...)
	r.ends = append(r.ends, len(r.flat))
}

// BulkString keeps one.
func (r *collector) BulkString(s string) {
	r.flat = append(r.flat, s...)
	r.ends = append(r.ends, len(r.flat))
}

// Int keeps a number as text.
func (r *collector) Int(n int64) {
	r.flat = appendInt(r.flat, n)
	r.ends = append(r.ends, len(r.flat))
}

func (r *collector) list() [][]byte {
	out, from := make([][]byte, len(r.ends)), 0
	for i, end := range r.ends {
		out[i], from = r.flat[from:end:end], end
	}
	return out
}

// sortNumber reads a number that SORT goes by as strtod does: it ends at a zero byte, blanks in front of it are nothing,
// and nothing is 0.
func sortNumber(b []byte) (float64, bool) {
	b, _, _ = bytes.Cut(b, []byte{0})
	for len(b) > 0 && (b[0] == ' ' || b[0] >= '\t' && b[0] <= '\r') {
		b = b[1:]
	}
	if len(b) == 0 {
		return 0, true
	}
	return parseFloat(b)
}
