package main

import (
	"cmp"
	"slices"
	"strconv"
)

func (g *kvMaker) zsets() kvStep {
	k, v, n := g.key(kvZSet), g.small("m", 40), g.rnd.Int64N(100)-30
	step := func(args []string, f func(m *kvSpace) string) kvStep {
		return kvStep{db: k.db, args: args, apply: func(m *kvSpace, _ kvHint) string { return f(m) }}
	}
	switch g.rnd.IntN(8) {
	case 0:
		return step([]string{"ZREM", k.name, v}, func(m *kvSpace) string { return removed(m, k, v) })
	case 1:
		return step([]string{"ZINCRBY", k.name, strconv.FormatInt(n, 10), v}, func(m *kvSpace) string {
			e := m.edit(k)
			e.hash[v] = strconv.FormatInt(score(e, v)+n, 10)
			return e.hash[v]
		})
	case 2:
		return step([]string{"ZPOPMIN", k.name, "2"}, func(m *kvSpace) string {
			var out []any
			for _, member := range ranked(m.get(k))[:min(2, len(m.get(k).hash))] {
				out = append(out, member, m.get(k).hash[member])
				removed(m, k, member)
			}
			return kvText(out)
		})
	case 3:
		return step([]string{"ZREMRANGEBYRANK", k.name, "20", "-1"}, func(m *kvSpace) string {
			list := ranked(m.get(k))
			list = list[min(20, len(list)):]
			for _, member := range list {
				removed(m, k, member)
			}
			return strconv.Itoa(len(list))
		})
	case 4:
		to, third := g.beside(k), g.beside(k)
		return step([]string{"ZUNIONSTORE", to.name, "2", k.name, third.name}, func(m *kvSpace) string {
			all := map[string]string{}
			for _, from := range []kvKey{k, third} {
				for member, s := range m.get(from).hash {
					old, _ := strconv.ParseInt(all[member], 10, 64) // nothing is zero
					more, _ := strconv.ParseInt(s, 10, 64)
					all[member] = strconv.FormatInt(old+more, 10)
				}
			}
			m.put(to, &kvValue{hash: all})
			return strconv.Itoa(len(all))
		})
	case 5:
		return step([]string{"ZADD", k.name, "GT", strconv.FormatInt(n, 10), v}, func(m *kvSpace) string {
			e := m.edit(k)
			_, had := e.hash[v]
			if !had || n > score(e, v) {
				e.hash[v] = strconv.FormatInt(n, 10)
			}
			return oneIf(!had)
		})
	}
	return step([]string{"ZADD", k.name, strconv.FormatInt(n, 10), v}, func(m *kvSpace) string {
		e := m.edit(k)
		_, had := e.hash[v]
		e.hash[v] = strconv.FormatInt(n, 10)
		return oneIf(!had)
	})
}

func score(e *kvValue, member string) int64 {
	n, _ := strconv.ParseInt(e.hash[member], 10, 64) // nothing is zero
	return n
}

// ranked gives a sorted set's members in its order.
func ranked(e *kvValue) []string {
	return slices.SortedFunc(keys(e.hash), func(a, b string) int {
		return cmp.Or(cmp.Compare(score(e, a), score(e, b)), cmp.Compare(a, b))
	})
}

// streams are commands on entries. Ids are the maker's numbers, so that what is acknowledged needs no answer to be known.
func (g *kvMaker) streams() kvStep {
	k := g.key(kvStream)
	switch g.rnd.IntN(6) {
	case 0:
		id := g.entry(k)
		return kvStep{db: k.db, args: []string{"XDEL", k.name, id.String()}, apply: func(m *kvSpace, _ kvHint) string {
			return strconv.Itoa(dropped(m, k, func(_ int, e kvID) bool { return e == id }))
		}}
	case 1:
		return kvStep{db: k.db, args: []string{"XTRIM", k.name, "MAXLEN", "=", "15"}, apply: func(m *kvSpace, _ kvHint) string {
			return strconv.Itoa(trimmed(m, k, 15))
		}}
	}
	g.seq++
	ms, v, most := g.seq, g.value(), 0
	args := []string{"XADD", k.name}
	if g.rnd.IntN(3) == 0 {
		most = 20
		args = append(args, "MAXLEN", "=", "20")
	}
	return kvStep{db: k.db, args: append(args, strconv.FormatInt(ms, 10)+"-*", "f", v), apply: func(m *kvSpace, _ kvHint) string {
		e := m.edit(k)
		if e.stream == nil {
			e.stream = newKVStream()
		}
		s := e.stream
		id := kvID{ms, 0}
		switch {
		case ms < s.last.ms:
			return "-ERR The ID specified in XADD is equal or smaller than the target stream top item"
		case ms == s.last.ms:
			id.seq = s.last.seq + 1
		}
		s.ids, s.last = append(s.ids, id), id
		s.values[id] = v
		if most > 0 {
			trimmed(m, k, most)
		}
		return id.String()
	}}
}

// entry is the id of a likely entry.
func (g *kvMaker) entry(k kvKey) kvID {
	s := g.space.get(k).stream
	if s == nil || len(s.ids) == 0 {
		return kvID{1, 1}
	}
	return s.ids[g.rnd.IntN(len(s.ids))]
}

func dropped(m *kvSpace, k kvKey, which func(i int, id kvID) bool) int {
	if !m.has(k) {
		return 0
	}
	s := m.edit(k).stream
	before := len(s.ids)
	var left []kvID
	for i, id := range s.ids {
		if which(i, id) {
			delete(s.values, id)
		} else {
			left = append(left, id)
		}
	}
	s.ids = left
	return before - len(left)
}

func trimmed(m *kvSpace, k kvKey, most int) int {
	if !m.has(k) {
		return 0
	}
	n := len(m.get(k).stream.ids)
	return dropped(m, k, func(i int, _ kvID) bool { return i < n-most })
}

// groups are commands of those who read a stream together.
func (g *kvMaker) groups() kvStep {
	k, group, consumer := g.key(kvStream), g.small("g", 2), g.small("c", 2)
	id := g.entry(k)
	step := func(f func(s *kvStreamValue, gr *kvGroup) string, args ...string) kvStep {
		return kvStep{db: k.db, args: args, apply: func(m *kvSpace, _ kvHint) string {
			s := m.get(k).stream
			if s == nil || s.groups[group] == nil {
				return "" // an error, or nothing
			}
			m.touched[k] = true
			return f(s, s.groups[group])
		}}
	}
	switch g.rnd.IntN(7) {
	case 0:
		return kvStep{db: k.db, args: []string{"XGROUP", "CREATE", k.name, group, "0", "MKSTREAM"}, apply: func(m *kvSpace, _ kvHint) string {
			e := m.edit(k)
			if e.stream == nil {
				e.stream = newKVStream()
			}
			if e.stream.groups[group] != nil {
				return "-BUSYGROUP Consumer Group name already exists"
			}
			e.stream.groups[group] = &kvGroup{pending: map[kvID]kvPending{}}
			return "OK"
		}}
	case 1:
		return step(func(s *kvStreamValue, gr *kvGroup) string {
			if _, there := s.values[id]; !there {
				delete(gr.pending, id) // what was deleted is nobody's
				return ""
			}
			if p, is := gr.pending[id]; is {
				gr.pending[id] = kvPending{consumer, p.count + 1}
			}
			return ""
		}, "XCLAIM", k.name, group, consumer, "0", id.String())
	case 2:
		if g.rnd.IntN(4) > 0 {
			break
		}
		return step(func(s *kvStreamValue, _ *kvGroup) string {
			delete(s.groups, group)
			return "1"
		}, "XGROUP", "DESTROY", k.name, group)
	case 3, 4:
		return step(func(_ *kvStreamValue, gr *kvGroup) string {
			_, had := gr.pending[id]
			delete(gr.pending, id)
			return oneIf(had)
		}, "XACK", k.name, group, id.String())
	}
	return step(func(s *kvStreamValue, gr *kvGroup) string {
		return handedOut(s, gr, consumer, 2)
	}, "XREADGROUP", "GROUP", group, consumer, "COUNT", "2", "STREAMS", k.name, ">")
}

// handedOut is what XREADGROUP does.
func handedOut(s *kvStreamValue, gr *kvGroup, consumer string, n int) string {
	for _, id := range s.ids {
		if n > 0 && id.compare(gr.last) > 0 {
			gr.pending[id], gr.last = kvPending{consumer, 1}, id
			n--
		}
	}
	return ""
}

// anyKey are commands on keys of every kind.
func (g *kvMaker) anyKey() kvStep {
	kinds := []byte{kvString, kvNumber, kvList, kvHash, kvSet, kvZSet, kvStream}
	k := g.key(kinds[g.rnd.IntN(len(kinds))])
	to := g.beside(k)
	step := func(apply func(m *kvSpace) string, args ...string) kvStep {
		return kvStep{db: k.db, args: args, apply: func(m *kvSpace, _ kvHint) string { return apply(m) }}
	}
	until := g.far()
	switch n := g.rnd.IntN(60); {
	case n < 10:
		return step(func(m *kvSpace) string {
			if !m.has(k) {
				return "-ERR no such key"
			}
			if v := m.get(k).clone(); k != to {
				m.put(k, nil)
				m.put(to, v)
			}
			return "OK"
		}, "RENAME", k.name, to.name)
	case n < 18:
		to.db = g.dbs[g.rnd.IntN(len(g.dbs))]
		if to == k {
			break
		}
		return step(func(m *kvSpace) string {
			if m.has(k) {
				m.put(to, m.get(k).clone())
			}
			return oneIf(m.has(k))
		}, "COPY", k.name, to.name, "DB", strconv.Itoa(to.db), "REPLACE")
	case n < 24:
		to = kvKey{g.dbs[g.rnd.IntN(len(g.dbs))], k.name}
		if to == k {
			break
		}
		return step(func(m *kvSpace) string {
			if !m.has(k) || m.has(to) {
				return "0"
			}
			m.put(to, m.get(k).clone())
			m.put(k, nil)
			return "1"
		}, "MOVE", k.name, strconv.Itoa(to.db))
	case n < 30:
		return step(func(m *kvSpace) string {
			had := m.get(k).expires != 0
			ends(m, k, 0)
			return oneIf(had)
		}, "PERSIST", k.name)
	case n < 36:
		return step(func(m *kvSpace) string { return ends(m, k, until) }, "PEXPIREAT", k.name, strconv.FormatInt(until, 10))
	case n < 41:
		return g.relative(k)
	case n < 43:
		return step(func(m *kvSpace) string {
			had := m.has(k)
			m.put(k, nil)
			return oneIf(had)
		}, "EXPIRE", k.name, "-1")
	case n < 50:
		return step(func(m *kvSpace) string {
			had := m.has(k)
			m.put(k, nil)
			return oneIf(had)
		}, "UNLINK", k.name)
	case n == 50:
		return g.wholeDB(k)
	}
	return g.strings()
}

// ends sets when a key ends.
func ends(m *kvSpace, k kvKey, until int64) string {
	if !m.has(k) {
		return "0"
	}
	m.edit(k).expires = until
	return "1"
}

// relative has a key end after a time, of which the log knows the moment: a script tells it.
func (g *kvMaker) relative(k kvKey) kvStep {
	const script = "redis.call('EXPIRE', KEYS[1], ARGV[1]) return redis.call('PEXPIRETIME', KEYS[1])"
	return kvStep{db: k.db, args: []string{"EVAL", script, "1", k.name, "5000"}, alone: true, apply: func(m *kvSpace, h kvHint) string {
		if !m.has(k) {
			return "-2"
		}
		until, _ := h.answer.(int64)
		if !h.heard {
			if found := h.found.items[k]; found != nil {
				until = found.expires
			}
		}
		ends(m, k, until)
		return strconv.FormatInt(until, 10)
	}}
}

// wholeDB empties or exchanges databases that the client has for itself.
func (g *kvMaker) wholeDB(k kvKey) kvStep {
	a, b := g.dbs[1], g.dbs[2]
	if g.rnd.IntN(3) == 0 {
		return kvStep{db: a, args: []string{"FLUSHDB"}, apply: func(m *kvSpace, _ kvHint) string {
			for k := range m.clone().items {
				if k.db == a {
					m.put(k, nil)
				}
			}
			return "OK"
		}}
	}
	return kvStep{db: k.db, args: []string{"SWAPDB", strconv.Itoa(a), strconv.Itoa(b)}, apply: func(m *kvSpace, _ kvHint) string {
		for k, v := range m.clone().items {
			if k.db != a && k.db != b {
				continue
			}
			other := kvKey{a + b - k.db, k.name}
			if !m.has(other) { // what is there comes by itself
				m.put(k, nil)
			}
			m.put(other, v)
		}
		return "OK"
	}}
}
