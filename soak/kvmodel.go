package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// kvKey names a key.
type kvKey struct {
	db   int
	name string
}

// Kinds of values. A key's name says which kind it holds, so that no command meets a wrong one.
const (
	kvString = 's'
	kvNumber = 'n' // a string too
	kvShort  = 'e' // a string that ends soon
	kvList   = 'l'
	kvHash   = 'h'
	kvSet    = 't'
	kvZSet   = 'z'
	kvStream = 'x'
)

// kvValue is what a key holds, or is to hold.
type kvValue struct {
	text    string
	list    []string
	hash    map[string]string // of a hash; members of a set, scores of a sorted set
	stream  *kvStreamValue
	expires int64 // milliseconds of Unix time, 0 = never
}

// kvID is the id of an entry of a stream.
type kvID struct{ ms, seq int64 }

func (id kvID) String() string { return fmt.Sprintf("%d-%d", id.ms, id.seq) }

func (id kvID) compare(o kvID) int {
	return cmp.Or(cmp.Compare(id.ms, o.ms), cmp.Compare(id.seq, o.seq))
}

func parseKVID(s string) kvID {
	ms, seq, _ := strings.Cut(s, "-")
	var id kvID
	id.ms, _ = strconv.ParseInt(ms, 10, 64)
	id.seq, _ = strconv.ParseInt(seq, 10, 64)
	return id
}

type kvStreamValue struct {
	ids    []kvID
	values map[kvID]string
	last   kvID
	groups map[string]*kvGroup
}

type kvGroup struct {
	last    kvID
	pending map[kvID]kvPending
}

type kvPending struct {
	consumer string
	count    int64
}

func newKVStream() *kvStreamValue {
	return &kvStreamValue{values: map[kvID]string{}, groups: map[string]*kvGroup{}}
}

// empty says that a key holds nothing and is no key any more. A stream may be empty.
func (v *kvValue) empty() bool {
	return v.text == "" && len(v.list) == 0 && len(v.hash) == 0 && v.stream == nil
}

func (v *kvValue) clone() *kvValue {
	c := *v
	c.list, c.hash = slices.Clone(v.list), maps.Clone(v.hash)
	if s := v.stream; s != nil {
		c.stream = &kvStreamValue{ids: slices.Clone(s.ids), values: maps.Clone(s.values), last: s.last, groups: map[string]*kvGroup{}}
		for name, g := range s.groups {
			c.stream.groups[name] = &kvGroup{g.last, maps.Clone(g.pending)}
		}
	}
	return &c
}

// String shows a value such that two are equal if they are shown alike.
func (v *kvValue) String() string {
	if v == nil {
		return "nothing"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%q", v.text, v.list)
	for _, k := range slices.Sorted(keys(v.hash)) {
		fmt.Fprintf(&b, " %s=%s", k, v.hash[k])
	}
	if s := v.stream; s != nil {
		fmt.Fprintf(&b, "last %v:", s.last)
		for _, id := range s.ids {
			fmt.Fprintf(&b, " %v=%s", id, s.values[id])
		}
		for _, name := range slices.Sorted(keys(s.groups)) {
			g := s.groups[name]
			fmt.Fprintf(&b, "; %s at %v:", name, g.last)
			for _, id := range g.waiting() {
				fmt.Fprintf(&b, " %v by %s, %d", id, g.pending[id].consumer, g.pending[id].count)
			}
		}
	}
	if v.expires != 0 {
		fmt.Fprintf(&b, " until %d", v.expires)
	}
	return b.String()
}

// waiting gives the ids of what is pending.
func (g *kvGroup) waiting() []kvID {
	list := make([]kvID, 0, len(g.pending))
	for id := range g.pending {
		list = append(list, id)
	}
	slices.SortFunc(list, kvID.compare)
	return list
}

// kvSpace is the keyspace of one client, which is the only one that writes to it.
type kvSpace struct {
	items   map[kvKey]*kvValue
	touched map[kvKey]bool
}

func newKVSpace() *kvSpace {
	return &kvSpace{items: map[kvKey]*kvValue{}, touched: map[kvKey]bool{}}
}

func (m *kvSpace) clone() *kvSpace {
	c := newKVSpace()
	for k, v := range m.items {
		c.items[k] = v.clone()
	}
	return c
}

// edit gives a value to change, made when there is none; done has to be called after.
func (m *kvSpace) edit(k kvKey) *kvValue {
	m.touched[k] = true
	v := m.items[k]
	if v == nil {
		v = &kvValue{hash: map[string]string{}}
		m.items[k] = v
	}
	if v.hash == nil {
		v.hash = map[string]string{}
	}
	return v
}

// done removes a key that holds nothing any more.
func (m *kvSpace) done(k kvKey) {
	if v := m.items[k]; v != nil && v.empty() {
		delete(m.items, k)
	}
}

// put replaces a key; nil removes it.
func (m *kvSpace) put(k kvKey, v *kvValue) {
	m.touched[k] = true
	if v == nil || v.empty() {
		delete(m.items, k)
		return
	}
	m.items[k] = v
}

// get gives a copy that may be read only; never nil.
func (m *kvSpace) get(k kvKey) *kvValue {
	if v := m.items[k]; v != nil {
		return v
	}
	return &kvValue{}
}

func (m *kvSpace) has(k kvKey) bool { return m.items[k] != nil }

// kvView is what a client finds on the server: read between two moments.
type kvView struct {
	items    map[kvKey]*kvValue
	from, to int64 // milliseconds of Unix time
}

// agrees says whether a key is what it should be. One whose time ended about when it was read may be there or not.
func (w *kvView) agrees(k kvKey, want *kvValue) bool {
	got := w.items[k]
	if want != nil && want.expires != 0 {
		switch {
		case want.expires < w.from:
			want = nil
		case want.expires <= w.to+1 && got == nil:
			return true
		}
	}
	if want == nil || got == nil {
		return want == nil && got == nil
	}
	return got.String() == want.String()
}

// differing gives the keys that are not what they should be.
func (w *kvView) differing(m *kvSpace) map[kvKey]bool {
	out := map[kvKey]bool{}
	for k, v := range m.items {
		if !w.agrees(k, v) {
			out[k] = true
		}
	}
	for k := range w.items {
		if !m.has(k) {
			out[k] = true
		}
	}
	return out
}
