package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// kvHint is what is known of a command besides the command: its answer, and, where none came, what was found later.
type kvHint struct {
	answer any
	heard  bool
	found  *kvView
}

// kvStep is one command. apply does to a model what the command does to the server, and gives the answer that has to come,
// as kvText shows it; "" = any.
type kvStep struct {
	db    int
	args  []string
	apply func(m *kvSpace, h kvHint) string
	alone bool // it may wait, or its effect depends on its answer: it is sent alone and not from a script
}

// kvMaker makes random commands for the keys of one client.
type kvMaker struct {
	rnd    *rand.Rand
	client int
	dbs    []int // the first is shared with others, the rest is the client's own
	seq    int64
	now    func() int64 // milliseconds of Unix time
	space  *kvSpace     // as far as answers have come: commands are about what is likely there
}

func (g *kvMaker) key(kind byte) kvKey {
	db := g.dbs[g.rnd.IntN(len(g.dbs))]
	if g.rnd.IntN(2) == 0 {
		db = g.dbs[0]
	}
	return kvKey{db, fmt.Sprintf("c%d:%c%d", g.client, kind, g.rnd.IntN(4))}
}

// beside is another key of the same kind in the same database, or the same one.
func (g *kvMaker) beside(k kvKey) kvKey {
	return kvKey{k.db, fmt.Sprintf("%s%d", k.name[:len(k.name)-1], g.rnd.IntN(4))}
}

// value is one that was never used.
func (g *kvMaker) value() string {
	g.seq++
	n := g.rnd.IntN(60)
	if g.rnd.IntN(40) == 0 {
		n = g.rnd.IntN(20_000)
	}
	return fmt.Sprintf("v%d.%d.%s", g.client, g.seq, strings.Repeat("x", n))
}

func (g *kvMaker) small(prefix string, n int) string {
	return fmt.Sprintf("%s%d", prefix, g.rnd.IntN(n))
}

// far is a time that no run reaches.
func (g *kvMaker) far() int64 { return g.now() + 3_600_000 + g.rnd.Int64N(1_000_000_000) }

// step is a random command.
func (g *kvMaker) step() kvStep {
	families := []func() kvStep{g.strings, g.numbers, g.lists, g.listMoves, g.hashes, g.sets, g.setMoves, g.zsets, g.streams, g.groups, g.anyKey, g.anyKey}
	return families[g.rnd.IntN(len(families))]()
}

func (g *kvMaker) strings() kvStep {
	k, v := g.key(kvString), g.value()
	step := func(apply func(m *kvSpace, h kvHint) string, args ...string) kvStep {
		return kvStep{db: k.db, args: args, apply: apply}
	}
	set := func(until int64) func(m *kvSpace, _ kvHint) string {
		return func(m *kvSpace, _ kvHint) string {
			m.put(k, &kvValue{text: v, expires: until})
			return "OK"
		}
	}
	switch g.rnd.IntN(9) {
	case 0:
		until := g.far()
		return step(set(until), "SET", k.name, v, "PXAT", strconv.FormatInt(until, 10))
	case 1:
		k = g.key(kvShort)
		until := g.now() + g.rnd.Int64N(1500)
		return step(set(until), "SET", k.name, v, "PXAT", strconv.FormatInt(until, 10))
	case 2:
		return step(func(m *kvSpace, _ kvHint) string {
			m.put(k, &kvValue{text: v, expires: m.get(k).expires})
			return "OK"
		}, "SET", k.name, v, "KEEPTTL")
	case 3:
		add := g.small("+", 1000)
		return step(func(m *kvSpace, _ kvHint) string {
			e := m.edit(k)
			e.text += add
			if len(e.text) > 50_000 {
				return ""
			}
			return strconv.Itoa(len(e.text))
		}, "APPEND", k.name, add)
	case 4:
		at := g.rnd.IntN(60)
		return step(func(m *kvSpace, _ kvHint) string {
			e := m.edit(k)
			b := []byte(e.text)
			if len(b) < at+3 {
				b = append(b, make([]byte, at+3-len(b))...)
			}
			copy(b[at:], "abc")
			e.text = string(b)
			return strconv.Itoa(len(b))
		}, "SETRANGE", k.name, strconv.Itoa(at), "abc")
	case 5:
		return step(func(m *kvSpace, _ kvHint) string {
			was := textOrNil(m, k)
			m.put(k, nil)
			return was
		}, "GETDEL", k.name)
	case 6:
		return step(func(m *kvSpace, _ kvHint) string {
			was := textOrNil(m, k)
			m.put(k, &kvValue{text: v})
			return was
		}, "GETSET", k.name, v)
	case 7:
		other, w := g.beside(k), g.value()
		return step(func(m *kvSpace, _ kvHint) string {
			m.put(k, &kvValue{text: v})
			m.put(other, &kvValue{text: w})
			return "OK"
		}, "MSET", k.name, v, other.name, w)
	}
	return step(set(0), "SET", k.name, v)
}

func textOrNil(m *kvSpace, k kvKey) string {
	if !m.has(k) {
		return "nil"
	}
	return m.get(k).text
}

func (g *kvMaker) numbers() kvStep {
	k, n := g.key(kvNumber), g.rnd.Int64N(100)-20
	if g.rnd.IntN(3) == 0 {
		return kvStep{db: k.db, args: []string{"INCRBYFLOAT", k.name, fmt.Sprintf("%d.0", n)}, apply: increased(k, n)}
	}
	return kvStep{db: k.db, args: []string{"INCRBY", k.name, strconv.FormatInt(n, 10)}, apply: increased(k, n)}
}

func increased(k kvKey, by int64) func(m *kvSpace, _ kvHint) string {
	return func(m *kvSpace, _ kvHint) string {
		e := m.edit(k)
		n, _ := strconv.ParseInt(e.text, 10, 64) // nothing is zero
		e.text = strconv.FormatInt(n+by, 10)
		return e.text
	}
}

func (g *kvMaker) hashes() kvStep {
	k, f, v := g.key(kvHash), g.small("f", 12), g.value()
	switch g.rnd.IntN(4) {
	case 0:
		return kvStep{db: k.db, args: []string{"HDEL", k.name, f}, apply: func(m *kvSpace, _ kvHint) string { return removed(m, k, f) }}
	case 1:
		n := g.rnd.Int64N(100)
		return kvStep{db: k.db, args: []string{"HINCRBY", k.name, "n", strconv.FormatInt(n, 10)}, apply: func(m *kvSpace, _ kvHint) string {
			e := m.edit(k)
			old, _ := strconv.ParseInt(e.hash["n"], 10, 64) // nothing is zero
			e.hash["n"] = strconv.FormatInt(old+n, 10)
			return e.hash["n"]
		}}
	}
	second := g.small("f", 12)
	return kvStep{db: k.db, args: []string{"HSET", k.name, f, v, second, "2"}, apply: func(m *kvSpace, _ kvHint) string {
		e := m.edit(k)
		before := len(e.hash)
		e.hash[f] = v
		e.hash[second] = "2"
		return strconv.Itoa(len(e.hash) - before)
	}}
}

// removed takes a field or a member away.
func removed(m *kvSpace, k kvKey, f string) string {
	e := m.edit(k)
	_, had := e.hash[f]
	delete(e.hash, f)
	m.done(k)
	return oneIf(had)
}

func oneIf(is bool) string {
	if is {
		return "1"
	}
	return "0"
}

func (g *kvMaker) lists() kvStep {
	k, v := g.key(kvList), g.small("e", 30)
	step := func(args []string, f func(e *kvValue) string) kvStep {
		return kvStep{db: k.db, args: args, apply: func(m *kvSpace, _ kvHint) string {
			e := m.edit(k)
			defer m.done(k)
			return f(e)
		}}
	}
	left := g.rnd.IntN(2) == 0
	pop := func(e *kvValue) string { return popped(e, left) }
	push, take, block := "RPUSH", "RPOP", "BRPOP"
	if left {
		push, take, block = "LPUSH", "LPOP", "BLPOP"
	}
	switch n := g.rnd.IntN(10); {
	case len(g.space.get(k).list) > 60 || n == 0:
		return step([]string{"LTRIM", k.name, "1", "20"}, func(e *kvValue) string {
			e.list = slices.Clone(e.list[min(1, len(e.list)):min(21, len(e.list))])
			return "OK"
		})
	case n == 1:
		return step([]string{take, k.name}, pop)
	case n == 2:
		s := step([]string{block, k.name, "0.01"}, func(e *kvValue) string {
			if got := pop(e); got != "nil" {
				return "[" + k.name + " " + got + "]"
			}
			return "nil"
		})
		s.alone = true
		return s
	case n == 3:
		return step([]string{"LREM", k.name, "1", v}, func(e *kvValue) string {
			i := slices.Index(e.list, v)
			if i >= 0 {
				e.list = slices.Delete(e.list, i, i+1)
			}
			return oneIf(i >= 0)
		})
	case n == 4:
		return step([]string{"LINSERT", k.name, "BEFORE", v, "new"}, func(e *kvValue) string {
			i := slices.Index(e.list, v)
			switch {
			case len(e.list) == 0:
				return "0"
			case i < 0:
				return "-1"
			}
			e.list = slices.Insert(e.list, i, "new")
			return strconv.Itoa(len(e.list))
		})
	case n == 5:
		return step([]string{"LSET", k.name, "-1", v}, func(e *kvValue) string {
			if len(e.list) > 0 {
				e.list[len(e.list)-1] = v
				return "OK"
			}
			return "-ERR no such key"
		})
	}
	return step([]string{push, k.name, v, "second"}, func(e *kvValue) string {
		for _, v := range []string{v, "second"} {
			pushed(e, left, v)
		}
		return strconv.Itoa(len(e.list))
	})
}

func pushed(e *kvValue, left bool, v string) {
	if left {
		e.list = slices.Insert(e.list, 0, v)
	} else {
		e.list = append(e.list, v)
	}
}

func popped(e *kvValue, left bool) string {
	if len(e.list) == 0 {
		return "nil"
	}
	at := 0
	if !left {
		at = len(e.list) - 1
	}
	v := e.list[at]
	e.list = slices.Delete(e.list, at, at+1)
	return v
}

// listMoves are those of several lists.
func (g *kvMaker) listMoves() kvStep {
	from := g.key(kvList)
	to := g.beside(from)
	if g.rnd.IntN(4) == 0 {
		return kvStep{db: from.db, args: []string{"SORT", from.name, "ALPHA", "STORE", to.name}, apply: func(m *kvSpace, _ kvHint) string {
			list := slices.Sorted(slices.Values(m.get(from).list))
			m.put(to, &kvValue{list: list})
			return strconv.Itoa(len(list))
		}}
	}
	l, r := g.rnd.IntN(2) == 0, g.rnd.IntN(2) == 0
	side := map[bool]string{true: "LEFT", false: "RIGHT"}
	return kvStep{db: from.db, args: []string{"LMOVE", from.name, to.name, side[l], side[r]}, apply: func(m *kvSpace, _ kvHint) string {
		if !m.has(from) {
			return "nil"
		}
		v := popped(m.edit(from), l)
		if from != to {
			m.done(from)
		}
		pushed(m.edit(to), r, v)
		return v
	}}
}

func (g *kvMaker) sets() kvStep {
	k, v := g.key(kvSet), g.small("m", 40)
	switch g.rnd.IntN(5) {
	case 0:
		return kvStep{db: k.db, args: []string{"SREM", k.name, v}, apply: func(m *kvSpace, _ kvHint) string { return removed(m, k, v) }}
	case 1: // which member goes is the server's choice
		return kvStep{db: k.db, args: []string{"SPOP", k.name}, alone: true, apply: func(m *kvSpace, h kvHint) string {
			member, is := h.answer.(string)
			if !h.heard {
				member, is = missing(m.get(k), h.found.items[k])
			}
			if !is {
				return "nil"
			}
			if _, had := m.get(k).hash[member]; !had {
				return "a member"
			}
			removed(m, k, member)
			return member
		}}
	}
	second := g.small("m", 40)
	return kvStep{db: k.db, args: []string{"SADD", k.name, v, second}, apply: func(m *kvSpace, _ kvHint) string {
		e := m.edit(k)
		before := len(e.hash)
		e.hash[v], e.hash[second] = "", ""
		return strconv.Itoa(len(e.hash) - before)
	}}
}

// missing finds a member that is in one set and not in the other.
func missing(in, from *kvValue) (string, bool) {
	for member := range in.hash {
		if from == nil {
			return member, true
		}
		if _, has := from.hash[member]; !has {
			return member, true
		}
	}
	return "", false
}

// setMoves are those of several sets.
func (g *kvMaker) setMoves() kvStep {
	from, v := g.key(kvSet), g.small("m", 40)
	to, third := g.beside(from), g.beside(from)
	switch g.rnd.IntN(3) {
	case 0:
		return kvStep{db: from.db, args: []string{"SMOVE", from.name, to.name, v}, apply: func(m *kvSpace, _ kvHint) string {
			if _, has := m.get(from).hash[v]; !has {
				return "0"
			}
			removed(m, from, v)
			m.edit(to).hash[v] = ""
			return "1"
		}}
	case 1:
		return kvStep{db: from.db, args: []string{"SDIFFSTORE", to.name, from.name, third.name}, apply: func(m *kvSpace, _ kvHint) string {
			all := map[string]string{}
			for member := range m.get(from).hash {
				if _, has := m.get(third).hash[member]; !has {
					all[member] = ""
				}
			}
			m.put(to, &kvValue{hash: all})
			return strconv.Itoa(len(all))
		}}
	}
	return kvStep{db: from.db, args: []string{"SUNIONSTORE", to.name, from.name, third.name}, apply: func(m *kvSpace, _ kvHint) string {
		all := map[string]string{}
		for _, k := range []kvKey{from, third} {
			for member := range m.get(k).hash {
				all[member] = ""
			}
		}
		m.put(to, &kvValue{hash: all})
		return strconv.Itoa(len(all))
	}}
}
