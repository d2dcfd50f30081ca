package engine

// Glance is what can be told of a key without using it.
type Glance struct {
	Key      string
	Kind     Kind
	Length   int   // bytes of a string, members or entries of anything else
	Bytes    int64 // that key and value take
	Expire   int64 // when it ends, milliseconds of Unix time; 0 = never
	Encoding string
}

// Look tells of a key. It is neither a use nor an event and counts nowhere: whoever looks after the keyspace leaves it as
// it is. ok is false where there is no such key.
func (e *Engine) Look(db int, key []byte) (g Glance, ok bool) {
	it := e.dbs[db].peek(key)
	if it == nil {
		return g, false
	}
	return e.glance(it), true
}

// Walk tells of some keys of a database as SCAN goes through them, and gives the cursor of those that follow, 0 after the
// last: it goes on until it has met count keys, or has gone far through an empty part of the table. Like Look it changes
// nothing. The keyspace must not change within visit.
func (e *Engine) Walk(db int, cursor uint64, count int, visit func(g Glance)) (next uint64) {
	s := scanning{cursor: cursor, count: int64(count)}
	found, next := scanDict(&s, e.dbs[db].items)
	for _, it := range found {
		if !e.ended(it) {
			visit(e.glance(it))
		}
	}
	return next
}

func (e *Engine) glance(it *item) Glance {
	return Glance{
		Key: it.key(), Kind: it.val.kind(), Length: it.val.length(), Bytes: bytesOf(it), Expire: it.val.expire, Encoding: e.encoding(it),
	}
}

// length is what STRLEN, LLEN and their kin answer.
func (v *value) length() int {
	switch o := v.obj.(type) {
	case *list:
		return o.len()
	case *set:
		return o.len()
	case *hash:
		return o.len()
	case *zset:
		return o.len()
	case *stream:
		return o.n
	}
	return len(v.str)
}
