package engine

import (
	"cmp"
	"slices"
)

// setsOf finds the sets under keys, nil where there is none; false after an error.
func (c *Ctx) setsOf(keys [][]byte) (sets []*set, ok bool) {
	sets = make([]*set, len(keys))
	for i, key := range keys {
		if sets[i], ok = readObject[*set](c, key); !ok {
			return nil, false
		}
	}
	return sets, true
}

// bySize compares sets by how many members they have.
func bySize(a, b *set) int { return cmp.Compare(a.len(), b.len()) }

// intersect gives the members that all sets have, until visit is false.
func intersect(sets []*set, visit func(b []byte) bool) {
	if slices.Contains(sets, nil) {
		return
	}
	sets = slices.Clone(sets)
	slices.SortStableFunc(sets, bySize)
	first, others := sets[0], sets[1:]
	others = slices.DeleteFunc(others, func(s *set) bool { return s == first })
	for b := range first.each {
		all := true
		for _, s := range others {
			if all = s.has(b); !all {
				break
			}
		}
		if all && !visit(b) {
			return
		}
	}
}

func sinterCmd(c *Ctx) {
	keep := c.Cmd.Name == "sinterstore"
	from := 1
	if keep {
		from = 2
	}
	sets, ok := c.setsOf(c.Args[from:])
	if !ok {
		return
	}
	if keep {
		out := newSet(c.E)
		intersect(sets, out.add)
		c.keepSet(out)
		return
	}
	mark, n := c.Out.Mark(), 0
	intersect(sets, func(b []byte) bool {
		c.Out.Bulk(b)
		n++
		return true
	})
	c.Out.SetAt(mark, n)
}

func sintercardCmd(c *Ctx) {
	n, ok := c.countAbove(1, "ERR numkeys should be greater than 0")
	if !ok {
		return
	}
	if n > int64(len(c.Args)-2) {
		c.Fail("ERR Number of keys can't be greater than number of args")
		return
	}
	most := int64(0)
	for i := 2 + int(n); i < len(c.Args); i += 2 {
		if !c.Is(i, "limit") || i+1 == len(c.Args) {
			c.Fail(errSyntax)
			return
		}
		if most, ok = parseInt(c.Args[i+1]); !ok || most < 0 {
			c.Fail("ERR LIMIT can't be negative")
			return
		}
	}
	sets, ok := c.setsOf(c.Args[2 : 2+n])
	if !ok {
		return
	}
	found := int64(0)
	intersect(sets, func([]byte) bool {
		found++
		return found != most
	})
	c.Out.Int(found)
}

func sunionCmd(c *Ctx) {
	c.combine(c.Cmd.Name == "sunionstore", func(out *set, sets []*set) {
		for _, s := range sets {
			if s != nil {
				for b := range s.each {
					out.add(b)
				}
			}
		}
	})
}

func sdiffCmd(c *Ctx) { c.combine(c.Cmd.Name == "sdiffstore", subtract) }

// combine answers or keeps what is made of the sets that the call names.
func (c *Ctx) combine(keep bool, mix func(out *set, sets []*set)) {
	from := 1
	if keep {
		from = 2
	}
	sets, ok := c.setsOf(c.Args[from:])
	if !ok {
		return
	}
	out := newSet(c.E)
	mix(out, sets)
	if keep {
		c.keepSet(out)
		return
	}
	c.setMembers(out)
}

// subtract puts the members of the first set that no other has into out: it asks the others for each member, or takes
// theirs out of a copy, whichever is less work. Asking is given a start of two to one: it ends at the first that has it.
func subtract(out *set, sets []*set) {
	first := sets[0]
	if first == nil || slices.Contains(sets[1:], first) {
		return
	}
	others := slices.DeleteFunc(slices.Clone(sets[1:]), func(s *set) bool { return s == nil })
	ask, take := first.len()*(len(others)+1)/2, first.len()
	for _, s := range others {
		take += s.len()
	}
	if ask <= take {
		slices.SortStableFunc(others, func(a, b *set) int { return bySize(b, a) })
		for b := range first.each {
			if !slices.ContainsFunc(others, func(s *set) bool { return s.has(b) }) {
				out.add(b)
			}
		}
		return
	}
	for b := range first.each {
		out.add(b)
	}
	for _, s := range others {
		for b := range s.each {
			if out.remove(b); out.empty() {
				return
			}
		}
	}
}

// keepSet puts a set under the key that the call names first, in place of what is there; an empty one removes the key.
func (c *Ctx) keepSet(s *set) {
	key := c.Args[1]
	c.Out.Int(int64(s.len()))
	if s.empty() {
		c.remove(key)
		return
	}
	if c.db.find(key) != nil {
		c.db.drop(key)
	}
	c.changed(key, c.create(key, s), 's', c.Cmd.Name)
}
