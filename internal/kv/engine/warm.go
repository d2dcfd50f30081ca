package engine

import "unsafe"

// Place is where a command will look: at a key, and at a member of what is there.
type Place struct {
	Key, Member []byte

	hash uint32
	in   *dict[struct{}] // nil = nothing to look at
	at   *node[struct{}]
}

// longestWarm bounds what is hashed for nothing: the first argument of some commands is no key but a script.
const longestWarm = 128

// Warm has the processor fetch what a session's next commands will look for, and changes nothing. In a large keyspace a short
// command mostly waits for memory: for the bucket, the node, the bytes of the key, the value. One by one each command waits
// for each of them; here the places of all are independent of each other within a step, so that the processor fetches them
// side by side and waits once.
func (e *Engine) Warm(s *Session, places []Place) {
	if len(places) < 2 {
		return
	}
	items := bare(e.dbs[s.db].items)
	for i := range places {
		if p := &places[i]; len(p.Key) <= longestWarm {
			p.hash, p.in = items.hash(p.Key), items
		}
	}
	sum := walk(places)
	more := false
	for i := range places {
		p := &places[i]
		p.in = nil
		if p.at == nil {
			continue
		}
		it := (*item)(unsafe.Pointer(p.at)) //nolint:gosec // as it was before bare
		switch {
		case it.val.obj != nil:
			p.in = membersOf(it.val.obj)
			more = more || p.in != nil
		case len(it.val.str) > 0:
			sum += it.val.str[0]
		}
	}
	if more {
		for i := range places {
			p := &places[i]
			if p.in != nil && len(p.Member) > longestWarm {
				p.in = nil
			}
			if p.in != nil {
				p.hash = p.in.hash(p.Member)
			}
		}
		sum += walk(places)
	}
	e.warmth = sum // else the compiler would leave it all out
}

// walk goes from the hashes to the bytes of the keys, all places a step at a time. Nodes that are not the key's are left out
// of at.
func walk(places []Place) (sum byte) {
	for i := range places {
		p := &places[i]
		if p.at = nil; p.in != nil {
			p.at = *p.in.bucket(p.hash)
		}
	}
	for range 2 { // few buckets have more keys
		for i := range places {
			if p := &places[i]; p.at != nil && p.at.hash != p.hash {
				p.at = p.at.next
			}
		}
	}
	for i := range places {
		p := &places[i]
		switch {
		case p.at == nil:
		case p.at.hash != p.hash:
			p.at = nil
		case p.at.size > 0:
			sum += *p.at.first
		}
	}
	return sum
}

// membersOf gives the table of an object's members; nil if it has none.
func membersOf(obj object) *dict[struct{}] {
	switch o := obj.(type) {
	case *hash:
		if o.dict != nil {
			return bare(o.dict)
		}
	case *set:
		if o.dict != nil {
			return bare(o.dict)
		}
	case *zset:
		if o.names != nil {
			return bare(o.names)
		}
	}
	return nil
}

// bare sees a table without its values: only the part of a node before its value may be looked at, which all have.
func bare[V any](d *dict[V]) *dict[struct{}] {
	return (*dict[struct{}])(unsafe.Pointer(d)) //nolint:gosec // neither type has V but in a node, at its end
}
